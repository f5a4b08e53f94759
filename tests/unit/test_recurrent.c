/* SPDX-License-Identifier: Apache-2.0
 * A recurrent layer as TensorFlow writes it: a loop that takes its steps from one list and collects them in another.
 * With every pass alone switched off it gives the same; lists that are looked at otherwise stay lists. And variables taken
 * for constants, which change after all. */
#include "plan_test.h"

enum { STEPS = 4, ROWS = 2, IN = 3, UNITS = 8 };

typedef enum masking { UNMASKED, MASK_TAKES, MASK_DISCARDS, MASK_PARTLY } masking; /* partly: of the state, not of the results */

typedef struct layer {
    bool peeks;    /* the body looks at what it has collected so far */
    bool weighted; /* the matrix is an argument of the loop, not a constant in it */
    bool late;     /* the bias comes after the sum */
    int reads_at;  /* of the steps; -1: the counter */
    int64_t asked; /* rows of an element, as the reads state them */
    int limit;     /* of the counter */
    masking mask;  /* steps of zeros leave the state as it was */
} layer;

static tn_node list_op(tn_builder *b, const char *op, const tn_node *in, int n)
{
    return tn_op(b, op, in, n, TN_ATTRS(tn_attr_type("element_dtype", TN_FLOAT)));
}
#define LIST(b, op, ...) list_op(b, op, (const tn_node[]){__VA_ARGS__}, TN_COUNT(((const tn_node[]){__VA_ARGS__})))
#define OP(b, op, ...) tn_op(b, op, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

static tn_node ramp(tn_builder *b, tn_shape s, double step)
{
    float v[256];
    for (int64_t i = 0; i < tn_shape_count(&s); i++) v[i] = (float)sin((double)(i + 1) * step);
    return constant_floats(b, s, v);
}

static tn_node element(tn_builder *b, int64_t rows, int64_t columns)
{
    return tn_ints(b, (int64_t[]){rows, columns}, 2);
}

/* next where the row of x has something, else h. */
static tn_node masked(tn_builder *b, masking how, tn_node x, tn_node next, tn_node h)
{
    const tn_node zero = tn_scalar(b, TN_FLOAT, 0), columns = tn_ints(b, (int64_t[]){1}, 1);
    const tn_node given = tn_op(b, "Any", TN_INPUTS(OP(b, "NotEqual", x, zero), columns), TN_ATTRS(tn_attr_bool("keep_dims", true)));
    if (how == MASK_DISCARDS) return OP(b, "SelectV2", OP(b, "LogicalNot", given), h, next);
    const tn_node spread = OP(b, "Tile", given, tn_ints(b, (int64_t[]){1, UNITS}, 2));
    return OP(b, "SelectV2", how == MASK_PARTLY ? given : spread, next, h);
}

/* h' = tanh(x[i] w + c + h u); args: counter, h, list of steps, list of results, w */
static void define_body(fixture *f, const layer *how)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE()), h = tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(-1, UNITS));
    tn_node xs = tn_function_arg(b, NULL, TN_VARIANT, TN_SHAPE()), ys = tn_function_arg(b, NULL, TN_VARIANT, TN_SHAPE());
    tn_node w = tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(IN, UNITS));
    tn_node at = how->reads_at < 0 ? i : tn_scalar(b, TN_INT32, how->reads_at);
    tn_node x = LIST(b, "TensorListGetItem", xs, at, element(b, how->asked, IN));
    tn_node gx = OP(b, "MatMul", x, how->weighted ? w : ramp(b, TN_SHAPE(IN, UNITS), 0.7));
    tn_node gh = OP(b, "MatMul", h, ramp(b, TN_SHAPE(UNITS, UNITS), 0.9)), bias = ramp(b, TN_SHAPE(UNITS), 0.3);
    tn_node sum = how->late ? OP(b, "BiasAdd", OP(b, "AddV2", gx, gh), bias)
                            : OP(b, "AddV2", OP(b, "BiasAdd", gx, bias), gh);
    tn_node tanh = OP(b, "Tanh", sum), next = how->mask ? masked(b, how->mask, x, tanh, h) : tanh;
    tn_node seen = how->mask == MASK_PARTLY ? tanh : next;
    tn_node kept = how->peeks ? OP(b, "AddV2", next, LIST(b, "TensorListGetItem", ys, i, element(b, -1, UNITS))) : seen;
    tn_node list = OP(b, "Identity", LIST(b, "TensorListSetItem", ys, i, kept));
    const tn_node rets[] = {OP(b, "AddV2", i, tn_scalar(b, TN_INT32, 1)), next, xs, list, w};
    tn_function_define(f->b, "body", b, rets, 5);
    tn_builder_free(b);
}

static void define_cond(fixture *f, int limit)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE());
    tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(-1, UNITS));
    for (int k = 0; k < 2; k++) tn_function_arg(b, NULL, TN_VARIANT, TN_SHAPE());
    tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(IN, UNITS));
    const tn_node rets[] = {OP(b, "Less", i, tn_scalar(b, TN_INT32, limit))};
    tn_function_define(f->b, "cond", b, rets, 1);
    tn_builder_free(b);
}

/* y: the stacked results of placeholder x: [STEPS, ROWS, IN]; last: the last state. */
static void build(fixture *f, const layer *how)
{
    fixture_open(f);
    define_cond(f, how->limit);
    define_body(f, how);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, -1, IN));
    tn_node in[] = {tn_scalar(f->b, TN_INT32, 0), ramp(f->b, TN_SHAPE(ROWS, UNITS), 0),
                    LIST(f->b, "TensorListFromTensor", x, element(f->b, -1, IN)),
                    LIST(f->b, "TensorListReserve", element(f->b, how->peeks ? ROWS : -1, UNITS), tn_scalar(f->b, TN_INT32, STEPS)),
                    ramp(f->b, TN_SHAPE(IN, UNITS), 0.7)};
    tn_operation *loop = tn_while(f->b, "cond", "body", in, 5);
    tn_node all = tn_op(f->b, "TensorListStack", TN_INPUTS(tn_output_of(loop, 3), tn_ints(f->b, (int64_t[]){ROWS, UNITS}, 2)),
                        TN_ATTRS(tn_attr_type("element_dtype", TN_FLOAT), tn_attr_int("num_elements", STEPS)));
    give_name(f->b, "y", all);
    give_name(f->b, "last", tn_output_of(loop, 1));
}

static tn_tensor *steps(void)
{
    float v[STEPS * ROWS * IN];
    for (int i = 0; i < STEPS * ROWS * IN; i++) v[i] = (float)cos(i);
    memset(v + ROWS * IN, 0, ROWS * IN * sizeof *v); /* all of a step, and of half of one */
    memset(v + 2 * ROWS * IN, 0, IN * sizeof *v);
    return floats(TN_SHAPE(STEPS, ROWS, IN), v);
}

static bool plan_has(fixture *f, tn_tensor *x, const char *what)
{
    char *text = plan_of(f, x, (const char *[]){"y"}, 1);
    bool has = strstr(text, what) != NULL;
    tn_text_free(text);
    return has;
}

static void compare_modes(const layer *how, bool array_in, bool array_out)
{
    fixture f;
    build(&f, how);
    tn_tensor *x = steps();
    assert_same_in_modes(&f, x, (const char *[]){"y", "last"}, 2, 1e-6);
    assert_int_equal(plan_has(&f, x, "TensorListGetItem  "), !array_in || how->peeks);
    assert_int_equal(plan_has(&f, x, "TensorListSetItem  "), !array_out);
    assert_int_equal(plan_has(&f, x, "_SetRow"), array_out);
    assert_true(plan_has(&f, x, "dynamic") == (!array_in || !array_out));
    tn_tensor_unref(x);
    fixture_close(&f);
}

static void test_layer(void **state)
{
    (void)state;
    compare_modes(&(layer){.reads_at = -1, .asked = ROWS, .limit = STEPS}, true, true);
    compare_modes(&(layer){.reads_at = -1, .asked = ROWS, .limit = STEPS, .weighted = true}, true, true);
    compare_modes(&(layer){.reads_at = -1, .asked = ROWS, .limit = STEPS, .late = true}, true, true);
    compare_modes(&(layer){.reads_at = 2, .asked = -1, .limit = STEPS}, true, true);
    compare_modes(&(layer){.reads_at = -1, .asked = ROWS, .limit = 1}, true, true); /* the rest stays zeros */
}

static void test_list_looked_at(void **state)
{
    (void)state;
    compare_modes(&(layer){.reads_at = -1, .asked = ROWS, .limit = STEPS, .peeks = true}, true, false);
}

/* Products before the loop: one of all rows, none in it but the recurrent one. */
static void test_hoisted(void **state)
{
    (void)state;
    fixture f;
    build(&f, &(layer){.reads_at = -1, .asked = ROWS, .limit = STEPS});
    tn_tensor *x = steps();
    fixture_session(&f, 0);
    assert_true(plan_has(&f, x, "[8,8]")); /* STEPS * ROWS rows */
    fixture_session(&f, TN_PASS(HOIST));
    assert_false(plan_has(&f, x, "[8,8]"));
    tn_tensor_unref(x);
    fixture_close(&f);
}

/* The recurrent product is left out where the mask takes nothing of it; not where somebody else looks at it. */
static void test_masked(void **state)
{
    (void)state;
    static const layer layers[] = {
        {.reads_at = -1, .asked = ROWS, .limit = STEPS, .mask = MASK_TAKES},
        {.reads_at = -1, .asked = ROWS, .limit = STEPS, .mask = MASK_DISCARDS, .late = true},
        {.reads_at = 1, .asked = ROWS, .limit = STEPS, .mask = MASK_TAKES, .weighted = true}, /* nothing but zeros */
        {.reads_at = -1, .asked = ROWS, .limit = STEPS, .mask = MASK_PARTLY},
        {.reads_at = -1, .asked = ROWS, .limit = STEPS},
    };
    for (size_t i = 0; i < TN_COUNT(layers); i++) {
        fixture f;
        compare_modes(&layers[i], true, true);
        build(&f, &layers[i]);
        tn_tensor *x = steps();
        fixture_session(&f, 0);
        assert_int_equal(plan_has(&f, x, " masked "), layers[i].mask == MASK_TAKES || layers[i].mask == MASK_DISCARDS);
        fixture_session(&f, TN_PASS(MASKS));
        assert_false(plan_has(&f, x, " masked "));
        tn_tensor_unref(x);
        fixture_close(&f);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const layer rows[] = {
        {.reads_at = STEPS, .asked = ROWS, .limit = STEPS},
        {.reads_at = -1, .asked = ROWS, .limit = STEPS + 1},
        {.reads_at = -1, .asked = ROWS + 1, .limit = STEPS},
    };
    static const char *const says[] = {"access element 4 in a list with 4 elements", "element 4 in a list with 4 elements",
                                       "Tried to read an element of shape"};
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        fixture f;
        build(&f, &rows[i]);
        tn_tensor *x = steps(), *out;
        for (int mode = 0; mode < PLAN_MODES; mode++) {
            fixture_session(&f, plan_mode(mode));
            tn_code code = tn_session_run(f.s, &(tn_feed){"x", x}, 1, (const char *[]){"y"}, 1, &out, NULL, 0, &f.err);
            assert_int_equal(code, TN_INVALID_ARGUMENT);
            if (!strstr(f.err.message, says[i])) fail_msg("passes off %x: %s", plan_mode(mode), f.err.message);
        }
        tn_tensor_unref(x);
        fixture_close(&f);
    }
}

/* ==== parts looked at where they lie ==== */

/* Halves of one value swap in a loop: what it gives back is copied, what it only looks at is not. */
static void define_swap(fixture *f)
{
    tn_builder *b = tn_builder_new(tn_function_graph(f->g));
    tn_node i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE()), x = tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(1, 4));
    tn_node y = tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(1, 2));
    tn_operation *halves = tn_add_operation(b, "Split", NULL, TN_INPUTS(tn_scalar(b, TN_INT32, 1), x),
                                            TN_ATTRS(tn_attr_int("num_split", 2)));
    tn_node first = tn_output_of(halves, 0), second = tn_output_of(halves, 1);
    tn_node turned = OP(b, "ConcatV2", second, OP(b, "AddV2", first, y), tn_scalar(b, TN_INT32, 1));
    tn_node part = OP(b, "Slice", x, tn_ints(b, (int64_t[]){0, 1}, 2), tn_ints(b, (int64_t[]){1, 2}, 2));
    const tn_node rets[] = {OP(b, "AddV2", i, tn_scalar(b, TN_INT32, 1)), turned, part};
    tn_function_define(f->b, "body", b, rets, 3);
    tn_builder_free(b);
    b = tn_builder_new(tn_function_graph(f->g));
    i = tn_function_arg(b, NULL, TN_INT32, TN_SHAPE());
    tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(1, 4));
    tn_function_arg(b, NULL, TN_FLOAT, TN_SHAPE(1, 2));
    tn_function_define(f->b, "cond", b, (const tn_node[]){OP(b, "Less", i, tn_scalar(b, TN_INT32, 3))}, 1);
    tn_builder_free(b);
}

static void test_pieces_in_loop(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    define_swap(&f);
    tn_node in[] = {tn_scalar(f.b, TN_INT32, 0), tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(1, 4)),
                    constant_floats(f.b, TN_SHAPE(1, 2), (float[]){10, 20})};
    tn_operation *loop = tn_while(f.b, "cond", "body", in, 3);
    give_name(f.b, "y", tn_output_of(loop, 1));
    give_name(f.b, "z", tn_output_of(loop, 2));
    tn_tensor *x = floats(TN_SHAPE(1, 4), (float[]){1, 2, 3, 4});
    for (int mode = 0; mode < PLAN_MODES; mode++) { /* 1 2 3 4, 3 4 11 22, 11 22 5 7, 5 7 15 33 */
        fixture_session(&f, plan_mode(mode));
        tn_tensor *y = run_fed(&f, &(tn_feed){"x", x}, 1, "y"), *z = run_fed(&f, &(tn_feed){"x", x}, 1, "z");
        static const float wanted[] = {5, 7, 15, 33};
        for (int k = 0; k < 4; k++) assert_float_equal(TN_FLOATS(y)[k], wanted[k], 0);
        assert_float_equal(TN_FLOATS(z)[0], 22, 0);
        assert_float_equal(TN_FLOATS(z)[1], 5, 0);
        tn_tensor_unref(y);
        tn_tensor_unref(z);
    }
    tn_tensor_unref(x);
    fixture_close(&f);
}

/* Parts of a feed, of a variable and of what is computed; one that is fetched is there after its feed is gone. */
static void test_pieces(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, 3));
    tn_node v = tn_variable(f.b, "v", constant_floats(f.b, TN_SHAPE(2, 3), (float[]){1, 2, 3, 4, 5, 6}), 0);
    tn_node from = tn_ints(f.b, (int64_t[]){1, 0}, 2), size = tn_ints(f.b, (int64_t[]){1, 3}, 2);
    tn_node row = OP(f.b, "Slice", x, from, size), kept = OP(f.b, "Slice", v, from, size);
    tn_node column = OP(f.b, "Slice", x, tn_ints(f.b, (int64_t[]){0, 1}, 2), tn_ints(f.b, (int64_t[]){2, 1}, 2));
    give_name(f.b, "y", OP(f.b, "AddV2", OP(f.b, "Square", row), OP(f.b, "Square", kept)));
    give_name(f.b, "row", row);
    give_name(f.b, "c", OP(f.b, "Square", column));
    tn_operation *init = tn_global_variables_initializer(f.b);
    for (int mode = 0; mode < PLAN_MODES; mode++) {
        tn_tensor *feed = floats(TN_SHAPE(2, 3), (float[]){7, 8, 9, 10, 11, 12});
        fixture_session(&f, plan_mode(mode));
        run_operation(&f, init);
        tn_tensor *y = run_fed(&f, &(tn_feed){"x", feed}, 1, "y"), *r = run_fed(&f, &(tn_feed){"x", feed}, 1, "row");
        tn_tensor *c = run_fed(&f, &(tn_feed){"x", feed}, 1, "c");
        tn_tensor_unref(feed);
        assert_float_equal(TN_FLOATS(y)[2], 180, 0);
        assert_float_equal(TN_FLOATS(r)[0], 10, 0);
        assert_float_equal(TN_FLOATS(c)[1], 121, 0);
        tn_tensor_unref(y);
        tn_tensor_unref(r);
        tn_tensor_unref(c);
    }
    fixture_close(&f);
}

/* ==== variables taken for constants ==== */

static double ask(fixture *f, tn_callable *c)
{
    const tn_tensor *out;
    assert_ok(tn_callable_run(c, NULL, &out, &f->err), &f->err);
    return TN_FLOATS(out)[0];
}

static void set(fixture *f, const char *name, float v)
{
    tn_tensor *t = floats(TN_SHAPE(1), &v);
    assert_ok(tn_session_set(f->s, name, t, &f->err), &f->err);
    tn_tensor_unref(t);
}

static tn_callable *callable(fixture *f, const char *fetch, const char *target)
{
    tn_callable *c;
    assert_ok(tn_callable_new(f->s, NULL, 0, &fetch, fetch != NULL, &target, target != NULL, &c, &f->err), &f->err);
    return c;
}

/* The same callable answers by what the variables are now, however they were changed. */
static void test_variable_changes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", constant_floats(f.b, TN_SHAPE(1), (float[]){3}), 0);
    tn_node w = tn_variable(f.b, "w", constant_floats(f.b, TN_SHAPE(1), (float[]){10}), TN_VAR_REF);
    give_name(f.b, "y", OP(f.b, "AddV2", OP(f.b, "Square", v), OP(f.b, "Square", w)));
    tn_operation *init = tn_global_variables_initializer(f.b);
    tn_operation *add = tn_add_operation(f.b, "AssignAddVariableOp", "more",
                                         TN_INPUTS(tn_output_of(tn_variable_of(f.b, v), 0),
                                                   constant_floats(f.b, TN_SHAPE(1), (float[]){1})), TN_NO_ATTRS);
    for (int mode = 0; mode < PLAN_MODES; mode++) {
        fixture_session(&f, plan_mode(mode));
        run_operation(&f, init);
        tn_callable *y = callable(&f, "y:0", NULL);
        assert_float_equal(ask(&f, y), 109, 0);
        set(&f, "v", 4);
        assert_float_equal(ask(&f, y), 116, 0);
        run_operation(&f, add);
        assert_float_equal(ask(&f, y), 125, 0);
        for (int k = 0; k < 5; k++) {
            set(&f, "w", (float)k);
            assert_float_equal(ask(&f, y), 25 + k * k, 0);
            assert_float_equal(ask(&f, y), 25 + k * k, 0);
        }
        run_operation(&f, add);
        assert_float_equal(ask(&f, y), 52, 0);
        tn_callable_free(y);
    }
    fixture_close(&f);
}

/* A plan that changes the variable itself reads it. */
static void test_variable_written_by_plan(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", constant_floats(f.b, TN_SHAPE(1), (float[]){3}), 0);
    tn_operation *init = tn_global_variables_initializer(f.b);
    tn_operation *add = tn_add_operation(f.b, "AssignAddVariableOp", "more",
                                         TN_INPUTS(tn_output_of(tn_variable_of(f.b, v), 0),
                                                   constant_floats(f.b, TN_SHAPE(1), (float[]){1})), TN_NO_ATTRS);
    give_name(f.b, "y", OP(f.b, "Square", v));
    assert_non_null(add);
    for (int mode = 0; mode < PLAN_MODES; mode++) {
        fixture_session(&f, plan_mode(mode));
        run_operation(&f, init);
        tn_callable *c = callable(&f, "y:0", "more");
        for (int k = 0; k < 3; k++) assert_float_equal(ask(&f, c), (3 + k) * (3 + k), 0);
        tn_callable_free(c);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer),
        cmocka_unit_test(test_list_looked_at),
        cmocka_unit_test(test_hoisted),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_pieces_in_loop),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_variable_changes),
        cmocka_unit_test(test_variable_written_by_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
