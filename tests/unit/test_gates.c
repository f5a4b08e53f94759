/* SPDX-License-Identifier: Apache-2.0
 * The step of a gated recurrent layer: what is added to the product goes into it, gates are read where they lie, and all
 * that is element-wise is one step with several results. With every pass alone switched off it gives the same. */
#include "plan_test.h"

enum { STEPS = 3 };

typedef struct cell {
    int64_t rows, units;
    bool slices;  /* gates are taken by slices, not by a split */
    bool masked;  /* rows whose mask is off keep their state */
    bool between; /* the new state goes through a product before the gate that ends the step */
    bool stacked; /* gates are rows, not columns */
} cell;

#define OP(b, op, ...) tn_op(b, op, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

static tn_node waves(tn_builder *b, tn_shape s, double step)
{
    const int64_t n = tn_shape_count(&s);
    float *v = tn_malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = (float)(sin((double)(i + 1) * step) / 4);
    tn_node c = constant_floats(b, s, v);
    tn_free(v);
    return c;
}

static tn_node pair(tn_builder *b, int64_t x, int64_t y)
{
    return tn_ints(b, (int64_t[]){x, y}, 2);
}

static void take_gates(tn_builder *b, const cell *how, tn_node all, tn_node gate[4])
{
    if (how->slices) {
        for (int k = 0; k < 4; k++)
            gate[k] = OP(b, "Slice", all, how->stacked ? pair(b, k * how->rows, 0) : pair(b, 0, k * how->units),
                         pair(b, how->rows, how->units));
        return;
    }
    tn_operation *split = tn_add_operation(b, "Split", NULL, TN_INPUTS(tn_scalar(b, TN_INT32, how->stacked ? 0 : -1), all),
                                           TN_ATTRS(tn_attr_int("num_split", 4)));
    for (int k = 0; k < 4; k++) gate[k] = tn_output_of(split, k);
}

/* args: counter, h, c, x, mask */
static void define_args(tn_builder *b, const cell *how, tn_node arg[5])
{
    const tn_shape state = TN_SHAPE(how->rows, how->units);
    const tn_shape x = how->stacked ? TN_SHAPE(4 * how->rows, how->units) : TN_SHAPE(how->rows, 4 * how->units);
    arg[0] = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE());
    arg[1] = tn_function_arg(b, NULL, TN_FLOAT, state);
    arg[2] = tn_function_arg(b, NULL, TN_FLOAT, state);
    arg[3] = tn_function_arg(b, NULL, TN_FLOAT, x);
    arg[4] = tn_function_arg(b, NULL, TN_BOOL, TN_SHAPE(how->rows, 1));
}

static tn_node all_gates(tn_builder *b, const cell *how, tn_node h, tn_node x)
{
    const int64_t u = how->units;
    if (how->stacked) return OP(b, "Mul", OP(b, "ConcatV2", h, h, h, h, tn_scalar(b, TN_INT32, 0)), x);
    return OP(b, "AddV2", x, OP(b, "MatMul", h, waves(b, TN_SHAPE(u, 4 * u), 0.9)));
}

static void define(fixture *f, const cell *how)
{
    tn_node arg[5], gate[4];
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    define_args(b, how, arg);
    take_gates(b, how, all_gates(b, how, arg[1], arg[3]), gate);
    tn_node c = OP(b, "AddV2", OP(b, "Mul", OP(b, "Sigmoid", gate[0]), arg[2]),
                   OP(b, "Mul", OP(b, "Sigmoid", gate[1]), OP(b, "Tanh", gate[2])));
    tn_node seen = how->between ? OP(b, "MatMul", c, waves(b, TN_SHAPE(how->units, how->units), 0.4)) : c;
    tn_node h = OP(b, "Mul", OP(b, "Sigmoid", gate[3]), OP(b, "Tanh", seen));
    if (how->masked) {
        h = OP(b, "SelectV2", arg[4], h, arg[1]);
        c = OP(b, "SelectV2", arg[4], c, arg[2]);
    }
    const tn_node rets[] = {OP(b, "AddV2", arg[0], tn_scalar(b, TN_INT32, 1)), h, c, arg[3], arg[4]};
    tn_function_define(f->b, "body", b, rets, 5);
    tn_builder_free(b);
    b = tn_builder_new(tn_function_graph(f->g));
    define_args(b, how, arg);
    tn_function_define(f->b, "cond", b, (const tn_node[]){OP(b, "Less", arg[0], tn_scalar(b, TN_INT32, STEPS))}, 1);
    tn_builder_free(b);
}

static void build(fixture *f, const cell *how)
{
    fixture_open(f);
    define(f, how);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, -1)), zero = constant_floats(f->b, TN_SHAPE(), (float[]){0});
    tn_node mask = OP(f->b, "Greater", waves(f->b, TN_SHAPE(how->rows, 1), 2), zero);
    tn_node in[] = {tn_scalar(f->b, TN_INT32, 0), waves(f->b, TN_SHAPE(how->rows, how->units), 0.2),
                    waves(f->b, TN_SHAPE(how->rows, how->units), 0.5), x, mask};
    tn_operation *loop = tn_while(f->b, "cond", "body", in, 5);
    give_name(f->b, "h", tn_output_of(loop, 1));
    give_name(f->b, "c", tn_output_of(loop, 2));
}

static tn_tensor *inputs(const cell *how)
{
    const int64_t n = 4 * how->rows * how->units;
    float *v = tn_malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = (float)cos((double)i);
    tn_tensor *t = floats(how->stacked ? TN_SHAPE(4 * how->rows, how->units) : TN_SHAPE(how->rows, 4 * how->units), v);
    tn_free(v);
    return t;
}

static const char *const names[] = {"h", "c"};

/* How often the plan has the kernel. */
static int steps_of(fixture *f, tn_tensor *x, const char *kernel)
{
    int n = 0;
    char *text = plan_of(f, x, names, 2);
    for (const char *at = text; (at = strstr(at, kernel)) != NULL; at += strlen(kernel)) n++;
    tn_text_free(text);
    return n;
}

static void compare_modes(const cell *how, int programs)
{
    fixture f;
    build(&f, how);
    tn_tensor *x = inputs(how);
    assert_same_in_modes(&f, x, names, 2, 1e-5);
    assert_int_equal(steps_of(&f, x, "_Pointwise "), programs);
    assert_int_equal(steps_of(&f, x, "Split ") + steps_of(&f, x, "Slice "), 0);
    assert_int_equal(steps_of(&f, x, "Tanh ") + steps_of(&f, x, "SelectV2 ") + steps_of(&f, x, "Sigmoid "), 0);
    tn_tensor_unref(x);
    fixture_close(&f);
}

static void test_one_step(void **state)
{
    static const int64_t sizes[][2] = {{1, 1}, {1, 5}, {1, 130}, {2, 5}, {5, 3}, {3, 128}, {2, 150}, {3, 1}};
    (void)state;
    for (size_t i = 0; i < TN_COUNT(sizes); i++)
        for (int k = 0; k < 4; k++)
            compare_modes(&(cell){.rows = sizes[i][0], .units = sizes[i][1], .slices = k & 1, .masked = k >> 1}, 1);
    compare_modes(&(cell){.rows = 2, .units = 6, .stacked = true}, 1);
    compare_modes(&(cell){.rows = 2, .units = 6, .stacked = true, .slices = true, .masked = true}, 1);
}

/* What waits for the first half through a product is a step of its own. */
static void test_two_steps(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++)
        compare_modes(&(cell){.rows = 3, .units = 20, .slices = k & 1, .masked = k >> 1, .between = true}, 2);
}

/* What is added is part of the product. */
static void test_addend(void **state)
{
    (void)state;
    fixture f;
    const cell how = {.rows = 3, .units = 20};
    build(&f, &how);
    tn_tensor *x = inputs(&how);
    fixture_session(&f, 0);
    assert_int_equal(steps_of(&f, x, "_FusedMatMul "), 1);
    assert_int_equal(steps_of(&f, x, " MatMul "), 0);
    fixture_session(&f, TN_PASS(FUSE_BIAS));
    assert_int_equal(steps_of(&f, x, "_FusedMatMul "), 0);
    tn_tensor_unref(x);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_two_steps),
        cmocka_unit_test(test_addend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
