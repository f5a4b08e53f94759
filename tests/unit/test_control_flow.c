/* SPDX-License-Identifier: Apache-2.0
 * Branches and loops: functional ones and TensorFlow 1's frames, nested, with values that swap, grow or are found
 * while running, with variables and lists, and their gradients against the same computation unrolled. */
#include "plan_test.h"

/* ==== writing functions ==== */

typedef struct writing {
    tn_builder *b;
    const char *name;
} writing;

static writing begin_function(fixture *f, const char *name)
{
    return (writing){tn_builder_new(tn_function_graph(f->g)), name};
}

static tn_node arg(writing *w, tn_dtype t, tn_shape s)
{
    return tn_function_arg(w->b, NULL, t, s);
}

static void end_function(fixture *f, writing *w, const tn_node *rets, int n)
{
    tn_function_define(f->b, w->name, w->b, rets, n);
    tn_builder_free(w->b);
}
#define RETS(...) (const tn_node[]){__VA_ARGS__}, (int)(sizeof((const tn_node[]){__VA_ARGS__}) / sizeof(tn_node))

static tn_node op2(tn_builder *b, const char *op, tn_node x, tn_node y)
{
    return tn_op(b, op, TN_INPUTS(x, y), TN_NO_ATTRS);
}

static tn_node op1(tn_builder *b, const char *op, tn_node x)
{
    return tn_op(b, op, TN_INPUTS(x), TN_NO_ATTRS);
}

static tn_node number(tn_builder *b, double v)
{
    return tn_scalar(b, TN_FLOAT, v);
}

static tn_node integer(tn_builder *b, int64_t v)
{
    return tn_scalar(b, TN_INT32, (double)v);
}

/* i < limit, of functions whose first argument is an int32 counter and whose others have these shapes (floats). */
static void define_below(fixture *f, const char *name, int limit, const tn_shape *others, int n)
{
    writing w = begin_function(f, name);
    tn_node i = arg(&w, TN_INT32, TN_SHAPE());
    for (int k = 0; k < n; k++) arg(&w, TN_FLOAT, others[k]);
    end_function(f, &w, RETS(op2(w.b, "Less", i, integer(w.b, limit))));
}

static double fetch(fixture *f, tn_node n, int64_t element)
{
    char name[300];
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(n.op), n.index);
    tn_tensor *t = run_fed(f, NULL, 0, name);
    double v = element < tn_tensor_count(t) ? tn_tensor_number(t, element) : -999;
    tn_tensor_unref(t);
    return v;
}

#define EVERY_MODE(f) for (int mode_ = 0; mode_ < PLAN_MODES && (fixture_session((f), plan_mode(mode_)), 1); mode_++)

/* ==== branches ==== */

static void define_pair(fixture *f)
{
    writing w = begin_function(f, "twice");
    tn_node x = arg(&w, TN_FLOAT, TN_SHAPE(-1));
    end_function(f, &w, RETS(op2(w.b, "Add", x, x), x));
    w = begin_function(f, "square");
    x = arg(&w, TN_FLOAT, TN_SHAPE(-1));
    tn_node one = constant_floats(w.b, TN_SHAPE(1), (float[]){1});
    end_function(f, &w, RETS(op1(w.b, "Square", x), tn_op(w.b, "ConcatV2", TN_INPUTS(x, one, integer(w.b, 0)), TN_NO_ATTRS)));
}

static void test_if(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    define_pair(&f);
    tn_node p = tn_placeholder(f.b, "p", TN_BOOL, TN_SHAPE());
    tn_node x = constant_floats(f.b, TN_SHAPE(3), (float[]){1, 2, 5});
    tn_operation *op = tn_if(f.b, p, "twice", "square", &x, 1);
    give_name(f.b, "a", tn_output_of(op, 0));
    give_name(f.b, "b", op1(f.b, "Shape", tn_output_of(op, 1)));
    EVERY_MODE(&f) {
        for (int yes = 0; yes < 2; yes++) {
            tn_tensor *t = scalar_of(TN_BOOL, yes);
            tn_tensor *a = run_fed(&f, &(tn_feed){"p", t}, 1, "a"), *b = run_fed(&f, &(tn_feed){"p", t}, 1, "b");
            assert_float_equal(TN_FLOATS(a)[2], yes ? 10 : 25, 0);
            assert_int_equal(tn_tensor_int(b, 0), yes ? 3 : 4);
            tn_tensor_unref(a);
            tn_tensor_unref(b);
            tn_tensor_unref(t);
        }
    }
    fixture_close(&f);
}

/* A value whose number of rows is found while running goes into and out of a branch. */
static void test_bounded_value_in_branch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    define_pair(&f);
    tn_node p = tn_placeholder(f.b, "p", TN_BOOL, TN_SHAPE());
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(6));
    tn_node u = op1(f.b, "Unique", x);
    tn_operation *op = tn_if(f.b, p, "twice", "square", &u, 1);
    give_name(f.b, "total", tn_op(f.b, "Sum", TN_INPUTS(tn_output_of(op, 0), integer(f.b, 0)), TN_NO_ATTRS));
    give_name(f.b, "many", op1(f.b, "Size", tn_output_of(op, 1)));
    tn_tensor *v = floats(TN_SHAPE(6), (float[]){1, 2, 1, 2, 3, 3});
    EVERY_MODE(&f) {
        for (int yes = 0; yes < 2; yes++) {
            tn_tensor *t = scalar_of(TN_BOOL, yes);
            tn_feed feeds[] = {{"p", t}, {"x", v}};
            tn_tensor *sum = run_fed(&f, feeds, 2, "total"), *size = run_fed(&f, feeds, 2, "many");
            assert_float_equal(TN_FLOATS(sum)[0], yes ? 12 : 14, 0);
            assert_int_equal(tn_tensor_int(size, 0), yes ? 3 : 4);
            tn_tensor_unref(sum);
            tn_tensor_unref(size);
            tn_tensor_unref(t);
        }
    }
    tn_tensor_unref(v);
    fixture_close(&f);
}

static tn_node case_of(fixture *f, tn_node index, const char *const *branches, int n, tn_node in)
{
    tn_func_attr funcs[4];
    tn_dtype types[1] = {TN_FLOAT};
    for (int i = 0; i < n; i++) funcs[i] = (tn_func_attr){branches[i], NULL, 0};
    tn_attr list = {.name = "branches", .kind = TN_ATTR_FUNC, .is_list = true, .n = n, .funcs = funcs};
    return tn_op(f->b, "Case", TN_INPUTS(index, in), TN_ATTRS(list, tn_attr_types("Tout", types, 1)));
}

static void define_unary(fixture *f, const char *name, const char *op, tn_shape shape)
{
    writing w = begin_function(f, name);
    tn_node x = arg(&w, TN_FLOAT, shape);
    end_function(f, &w, RETS(op1(w.b, op, x)));
}

static void test_case(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    define_unary(&f, "neg", "Neg", TN_SHAPE(-1));
    define_unary(&f, "square", "Square", TN_SHAPE(-1));
    define_unary(&f, "distinct", "Unique", TN_SHAPE(-1));
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(4)), i = tn_placeholder(f.b, "i", TN_INT32, TN_SHAPE());
    const char *names[] = {"neg", "square", "distinct"};
    give_name(f.b, "y", tn_op(f.b, "Sum", TN_INPUTS(case_of(&f, i, names, 3, x), integer(f.b, 0)), TN_NO_ATTRS));
    give_name(f.b, "one", op2(f.b, "AddV2", case_of(&f, i, names + 2, 1, x), number(f.b, 1)));
    tn_tensor *v = floats(TN_SHAPE(4), (float[]){3, 3, 2, 2});
    EVERY_MODE(&f) {
        static const double want[] = {5, -10, 26, 5, 5}; /* out of range: the last */
        for (int k = -1; k < 4; k++) {
            tn_tensor *t = scalar_of(TN_INT32, k);
            tn_feed feeds[] = {{"i", t}, {"x", v}};
            tn_tensor *y = run_fed(&f, feeds, 2, "y"), *one = run_fed(&f, feeds, 2, "one");
            assert_float_equal(TN_FLOATS(y)[0], want[k + 1], 0);
            assert_int_equal(tn_tensor_count(one), 2);
            assert_float_equal(TN_FLOATS(one)[1], 3, 0);
            tn_tensor_unref(y);
            tn_tensor_unref(one);
            tn_tensor_unref(t);
        }
    }
    tn_tensor_unref(v);
    fixture_close(&f);
}

/* Only the chosen branch's effects happen; errors in the other do not matter. */
static void test_effects_in_branches(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", number(f.b, 10), 0), handle = tn_output_of(tn_variable_of(f.b, v), 0);
    const char *names[2] = {"add", "sub"}, *ops[2] = {"AssignAddVariableOp", "AssignSubVariableOp"};
    for (int k = 0; k < 2; k++) {
        writing w = begin_function(&f, names[k]);
        tn_node h = arg(&w, TN_RESOURCE, TN_SHAPE());
        tn_operation *a = tn_add_operation(w.b, ops[k], NULL, TN_INPUTS(h, number(w.b, k + 1)), TN_NO_ATTRS);
        tn_control_dependencies(w.b, 1, &a);
        tn_node r = tn_op(w.b, "ReadVariableOp", TN_INPUTS(h), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
        tn_control_dependencies_end(w.b);
        end_function(&f, &w, RETS(op1(w.b, "Identity", r)));
    }
    tn_node p = tn_placeholder(f.b, "p", TN_BOOL, TN_SHAPE());
    give_name(f.b, "y", tn_output_of(tn_if(f.b, p, "add", "sub", &handle, 1), 0));
    tn_operation *init = tn_global_variables_initializer(f.b);
    EVERY_MODE(&f) {
        static const double want[] = {11, 12, 10, 11};
        run_operation(&f, init);
        for (int k = 0; k < 4; k++) {
            tn_tensor *t = scalar_of(TN_BOOL, k != 2);
            tn_tensor *y = run_fed(&f, &(tn_feed){"p", t}, 1, "y");
            assert_float_equal(TN_FLOATS(y)[0], want[k], 0);
            tn_tensor_unref(y);
            tn_tensor_unref(t);
        }
    }
    fixture_close(&f);
}

/* An If whose predicate is known is the branch itself; what waits for it waits for the branch's writes. */
static void test_known_predicate(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", number(f.b, 10), 0), handle = tn_output_of(tn_variable_of(f.b, v), 0);
    static const char *const names[2] = {"add", "sub"}, *const ops[2] = {"AssignAddVariableOp", "AssignSubVariableOp"};
    for (int k = 0; k < 2; k++) {
        writing w = begin_function(&f, names[k]);
        tn_node h = arg(&w, TN_RESOURCE, TN_SHAPE()), x = arg(&w, TN_FLOAT, TN_SHAPE());
        tn_add_operation(w.b, ops[k], NULL, TN_INPUTS(h, op1(w.b, "Square", x)), TN_NO_ATTRS);
        end_function(&f, &w, RETS(k ? x : op1(w.b, "Neg", x)));
    }
    tn_operation *first = tn_add_operation(f.b, "AssignVariableOp", NULL, TN_INPUTS(handle, number(f.b, 100)), TN_NO_ATTRS);
    tn_control_dependencies(f.b, 1, &first);
    tn_operation *op = tn_if(f.b, tn_scalar(f.b, TN_BOOL, 1), "add", "sub", TN_INPUTS(handle, number(f.b, 3)));
    tn_control_dependencies_end(f.b);
    tn_control_dependencies(f.b, 1, &op);
    tn_node after = tn_op(f.b, "ReadVariableOp", TN_INPUTS(handle), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_control_dependencies_end(f.b);
    give_name(f.b, "y", op2(f.b, "Add", after, tn_output_of(op, 0)));
    EVERY_MODE(&f) {
        tn_callable *c;
        const tn_tensor *out;
        const char *fetch = "y:0";
        char *text;
        assert_ok(tn_callable_new(f.s, NULL, 0, &fetch, 1, NULL, 0, &c, &f.err), &f.err);
        for (int k = 0; k < 2; k++) {
            assert_ok(tn_callable_run(c, NULL, &out, &f.err), &f.err);
            assert_float_equal(TN_FLOATS(out)[0], 106, 0);
        }
        assert_ok(tn_callable_plan(c, NULL, 1, &text, &f.err), &f.err);
        assert_int_equal(strstr(text, " branch ") != NULL, (plan_mode(mode_) & TN_PASS(FOLD)) != 0);
        tn_text_free(text);
        tn_callable_free(c);
    }
    fixture_close(&f);
}

/* ==== loops ==== */

static void test_swapped_values(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape v3 = TN_SHAPE(3), others[3] = {v3, v3, v3};
    define_below(&f, "cond", 7, others, 3);
    writing w = begin_function(&f, "body");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), a = arg(&w, TN_FLOAT, v3), b = arg(&w, TN_FLOAT, v3), c = arg(&w, TN_FLOAT, v3);
    tn_node flat = tn_op(w.b, "Reshape", TN_INPUTS(b, tn_ints(w.b, (int64_t[]){3}, 1)), TN_NO_ATTRS);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), flat, op1(w.b, "Identity", c), a));
    tn_node in[] = {integer(f.b, 0), constant_floats(f.b, v3, (float[]){1, 2, 3}), constant_floats(f.b, v3, (float[]){4, 5, 6}),
                    constant_floats(f.b, v3, (float[]){7, 8, 9})};
    tn_operation *loop = tn_while(f.b, "cond", "body", in, 4);
    EVERY_MODE(&f) { /* 7 rotations of three: one */
        assert_float_equal(fetch(&f, tn_output_of(loop, 0), 0), 7, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 1), 0), 4, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 2), 1), 8, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 3), 2), 3, 0);
    }
    fixture_close(&f);
}

/* A swap that shows only once a branch is taken. */
static void test_swap_through_known_branch(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape s = TN_SHAPE(2), others[2] = {s, s};
    define_below(&f, "cond", 3, others, 2);
    for (int k = 0; k < 2; k++) {
        writing w = begin_function(&f, k ? "swap" : "keep");
        tn_node x = arg(&w, TN_FLOAT, s), y = arg(&w, TN_FLOAT, s);
        end_function(&f, &w, k ? (tn_node[]){y, x} : (tn_node[]){x, y}, 2);
    }
    writing w = begin_function(&f, "body");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), x = arg(&w, TN_FLOAT, s), y = arg(&w, TN_FLOAT, s);
    tn_operation *op = tn_if(w.b, op1(w.b, "LogicalNot", tn_scalar(w.b, TN_BOOL, 0)), "swap", "keep", TN_INPUTS(x, y));
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), tn_output_of(op, 0), tn_output_of(op, 1)));
    tn_node in[] = {integer(f.b, 0), constant_floats(f.b, s, (float[]){1, 2}), constant_floats(f.b, s, (float[]){5, 6})};
    tn_operation *loop = tn_while(f.b, "cond", "body", in, 3);
    EVERY_MODE(&f) {
        assert_float_equal(fetch(&f, tn_output_of(loop, 1), 1), 6, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 2), 1), 2, 0);
    }
    fixture_close(&f);
}

/* What an inner loop hands through unchanged is the outer loop's own argument; the outer one swaps it. */
static void test_swap_through_inner_loop(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape s = TN_SHAPE(2), others[2] = {s, s};
    define_below(&f, "inner_cond", 2, others, 2);
    define_below(&f, "outer_cond", 3, others, 2);
    writing w = begin_function(&f, "inner");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), a = arg(&w, TN_FLOAT, s), c = arg(&w, TN_FLOAT, s);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), a, c));
    w = begin_function(&f, "outer");
    i = arg(&w, TN_INT32, TN_SHAPE()), a = arg(&w, TN_FLOAT, s), c = arg(&w, TN_FLOAT, s);
    tn_operation *inner = tn_while(w.b, "inner_cond", "inner", TN_INPUTS(integer(w.b, 0), a, c));
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), tn_output_of(inner, 2), tn_output_of(inner, 1)));
    tn_node in[] = {integer(f.b, 0), tn_placeholder(f.b, "a", TN_FLOAT, s), constant_floats(f.b, s, (float[]){3, 4})};
    tn_operation *loop = tn_while(f.b, "outer_cond", "outer", in, 3);
    give_name(f.b, "y", op2(f.b, "Sub", tn_output_of(loop, 1), tn_output_of(loop, 2)));
    tn_tensor *v = floats(s, (float[]){10, 20});
    EVERY_MODE(&f) {
        tn_tensor *y = run_fed(&f, &(tn_feed){"a", v}, 1, "y");
        assert_float_equal(TN_FLOATS(y)[0], -7, 0);
        assert_float_equal(TN_FLOATS(y)[1], -16, 0);
        tn_tensor_unref(y);
    }
    tn_tensor_unref(v);
    fixture_close(&f);
}

static void test_growing_value(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape any = TN_SHAPE(-1);
    define_below(&f, "cond", 4, &any, 1);
    writing w = begin_function(&f, "body");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), a = arg(&w, TN_FLOAT, any);
    tn_node row = tn_op(w.b, "Pack", TN_INPUTS(tn_op(w.b, "Cast", TN_INPUTS(i), TN_ATTRS(tn_attr_type("DstT", TN_FLOAT)))), TN_NO_ATTRS);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)),
                              tn_op(w.b, "ConcatV2", TN_INPUTS(a, row, integer(w.b, 0)), TN_NO_ATTRS)));
    tn_node in[] = {integer(f.b, 0), constant_floats(f.b, TN_SHAPE(1), (float[]){9})};
    tn_operation *loop = tn_while(f.b, "cond", "body", in, 2);
    tn_node size = op1(f.b, "Size", tn_output_of(loop, 1));
    EVERY_MODE(&f) {
        assert_float_equal(fetch(&f, size, 0), 5, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 1), 4), 3, 0);
        assert_float_equal(fetch(&f, tn_output_of(loop, 1), 0), 9, 0);
    }
    fixture_close(&f);
}

/* A bounded value is what a loop looks at, and starts from. */
static void test_bounded_value_in_loop(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape any = TN_SHAPE(-1), others[2] = {any, any};
    define_below(&f, "cond", 3, others, 2);
    writing w = begin_function(&f, "body");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), a = arg(&w, TN_FLOAT, any), u = arg(&w, TN_FLOAT, any);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), op2(w.b, "Add", a, u), u));
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(5)), distinct = op1(f.b, "Unique", x);
    tn_operation *loop = tn_while(f.b, "cond", "body", TN_INPUTS(integer(f.b, 0), distinct, distinct));
    give_name(f.b, "y", tn_op(f.b, "Sum", TN_INPUTS(tn_output_of(loop, 1), integer(f.b, 0)), TN_NO_ATTRS));
    give_name(f.b, "u", op1(f.b, "Size", tn_output_of(loop, 2)));
    tn_tensor *v = floats(TN_SHAPE(5), (float[]){1, 2, 2, 1, 4});
    EVERY_MODE(&f) {
        tn_tensor *y = run_fed(&f, &(tn_feed){"x", v}, 1, "y"), *n = run_fed(&f, &(tn_feed){"x", v}, 1, "u");
        assert_float_equal(TN_FLOATS(y)[0], 28, 0);
        assert_int_equal(tn_tensor_int(n, 0), 3);
        tn_tensor_unref(y);
        tn_tensor_unref(n);
    }
    tn_tensor_unref(v);
    fixture_close(&f);
}

/* A loop that writes a variable it was given, as often as it turns; nested in a branch. */
static void test_variable_in_loop(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", number(f.b, 1), 0), handle = tn_output_of(tn_variable_of(f.b, v), 0);
    writing w = begin_function(&f, "cond");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), h = arg(&w, TN_RESOURCE, TN_SHAPE());
    (void)h;
    end_function(&f, &w, RETS(op2(w.b, "Less", i, integer(w.b, 5))));
    w = begin_function(&f, "body");
    i = arg(&w, TN_INT32, TN_SHAPE()), h = arg(&w, TN_RESOURCE, TN_SHAPE());
    tn_node r = tn_op(w.b, "ReadVariableOp", TN_INPUTS(h), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_add_operation(w.b, "AssignVariableOp", NULL, TN_INPUTS(h, op2(w.b, "Add", r, r)), TN_NO_ATTRS);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), h));
    tn_operation *loop = tn_while(f.b, "cond", "body", TN_INPUTS(integer(f.b, 0), handle));
    tn_control_dependencies(f.b, 1, &loop);
    tn_node after = tn_op(f.b, "ReadVariableOp", TN_INPUTS(handle), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_control_dependencies_end(f.b);
    tn_operation *init = tn_global_variables_initializer(f.b);
    EVERY_MODE(&f) {
        run_operation(&f, init);
        assert_float_equal(fetch(&f, after, 0), 32, 0);
        assert_float_equal(fetch(&f, after, 0), 1024, 0);
    }
    fixture_close(&f);
}

/* ==== gradients ==== */

static tn_node unrolled(tn_builder *b, tn_node x, tn_node w, int n)
{
    for (int i = 0; i < n; i++) x = op1(b, "Tanh", op2(b, "Add", op2(b, "MatMul", x, w), x));
    return x;
}

static void test_gradient_of_loop(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_shape s = TN_SHAPE(2, 2), others[2] = {s, s};
    define_below(&f, "cond", 4, others, 2);
    writing w = begin_function(&f, "body");
    tn_node i = arg(&w, TN_INT32, TN_SHAPE()), x = arg(&w, TN_FLOAT, s), m = arg(&w, TN_FLOAT, s);
    end_function(&f, &w, RETS(op2(w.b, "Add", i, integer(w.b, 1)), unrolled(w.b, x, m, 1), m));
    tn_node x0 = tn_placeholder(f.b, "x", TN_FLOAT, s), w0 = constant_floats(f.b, s, (float[]){0.3f, -0.2f, 0.5f, 0.1f});
    tn_operation *loop = tn_while(f.b, "cond", "body", TN_INPUTS(integer(f.b, 0), x0, w0));
    tn_node y[2] = {tn_output_of(loop, 1), unrolled(f.b, x0, w0, 4)}, dx[2][2], both[2] = {x0, w0};
    for (int k = 0; k < 2; k++) tn_gradients(f.b, &y[k], 1, both, 2, NULL, dx[k]);
    static const char *const names[2][3] = {{"y0", "dx0", "dw0"}, {"y1", "dx1", "dw1"}};
    for (int k = 0; k < 2; k++) {
        give_name(f.b, names[k][0], y[k]);
        give_name(f.b, names[k][1], dx[k][0]);
        give_name(f.b, names[k][2], dx[k][1]);
    }
    tn_tensor *v = floats(s, (float[]){0.1f, 0.7f, -0.4f, 0.2f});
    EVERY_MODE(&f) {
        for (int k = 0; k < 3; k++) {
            tn_tensor *a = run_fed(&f, &(tn_feed){"x", v}, 1, names[0][k]), *b = run_fed(&f, &(tn_feed){"x", v}, 1, names[1][k]);
            assert_close_tensors(a, b, 1e-5, names[0][k]);
            tn_tensor_unref(a);
            tn_tensor_unref(b);
        }
    }
    tn_tensor_unref(v);
    fixture_close(&f);
}

static void test_gradient_of_if(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    define_unary(&f, "square", "Square", TN_SHAPE(2));
    define_unary(&f, "tanh", "Tanh", TN_SHAPE(2));
    tn_node p = tn_placeholder(f.b, "p", TN_BOOL, TN_SHAPE()), x = constant_floats(f.b, TN_SHAPE(2), (float[]){3, 0.5f}), dx;
    tn_node y = tn_output_of(tn_if(f.b, p, "square", "tanh", &x, 1), 0);
    tn_gradients(f.b, &y, 1, &x, 1, NULL, &dx);
    give_name(f.b, "dx", dx);
    EVERY_MODE(&f) {
        for (int yes = 0; yes < 2; yes++) {
            tn_tensor *t = scalar_of(TN_BOOL, yes), *d = run_fed(&f, &(tn_feed){"p", t}, 1, "dx");
            double th = tanh(0.5);
            assert_true(is_close(TN_FLOATS(d)[1], yes ? 1 : 1 - th * th, 1e-6));
            tn_tensor_unref(t);
            tn_tensor_unref(d);
        }
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_if),
        cmocka_unit_test(test_bounded_value_in_branch),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_effects_in_branches),
        cmocka_unit_test(test_known_predicate),
        cmocka_unit_test(test_swapped_values),
        cmocka_unit_test(test_swap_through_inner_loop),
        cmocka_unit_test(test_swap_through_known_branch),
        cmocka_unit_test(test_growing_value),
        cmocka_unit_test(test_bounded_value_in_loop),
        cmocka_unit_test(test_variable_in_loop),
        cmocka_unit_test(test_gradient_of_loop),
        cmocka_unit_test(test_gradient_of_if),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
