/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grad_frames.c - gradients through TensorFlow 1's loops and conditionals: what becomes of the graph. Whether the
 * numbers are right in graphs of all kinds is tests/golden/cases/loops.jsonl's.
 */
#include "test.h"

#include <math.h>

#include "graph/graph.h"

typedef struct fixture {
    tn_graph *g;
    tn_builder *b;
    tn_error err;
    tn_node x, w; /* placeholders, double [] */
} fixture;

static void start(fixture *f)
{
    *f = (fixture){.g = tn_graph_new()};
    f->b = tn_builder_new(f->g);
    f->x = tn_placeholder(f->b, "x", TN_DOUBLE, TN_SHAPE());
    f->w = tn_placeholder(f->b, "w", TN_DOUBLE, TN_SHAPE());
}

static void finish(fixture *f)
{
    tn_builder_free(f->b);
    tn_graph_free(f->g);
}

#define OP(f, type, ...) tn_op((f)->b, type, TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

static tn_node enter(fixture *f, tn_node x, bool constant)
{
    return tn_op_named(f->b, "Enter", "while/Enter", TN_INPUTS(x),
                       TN_ATTRS(tn_attr_str("frame_name", "while/context"), tn_attr_bool("is_constant", constant)));
}

/* The Merge of a loop variable: its second input is given by close_variable. */
static tn_node open_variable(fixture *f, tn_node first)
{
    tn_operation *op = NULL;
    if (tn_builder_check(f->b, &f->err)) return (tn_node){NULL, 0};
    tn_operation_spec spec = {.type = "Merge", .in = (tn_node[]){enter(f, first, false), {NULL, 0}}, .n_in = 2,
                              .name = tn_builder_unique(f->b, "while/Merge")};
    if (tn_builder_check(f->b, &f->err)) return (tn_node){NULL, 0};
    tn_code code = tn_graph_add(f->g, &spec, &op, &f->err);
    if (code) tn_builder_fail_with(f->b, &f->err);
    return tn_output_of(op, 0);
}

static void close_variable(fixture *f, tn_node merge, tn_node next)
{
    tn_node back = tn_op_named(f->b, "NextIteration", "while/NextIteration", TN_INPUTS(next), TN_NO_ATTRS);
    if (tn_builder_check(f->b, &f->err)) return;
    if (tn_operation_set_input(merge.op, 1, back, &f->err)) tn_builder_fail_with(f->b, &f->err);
}

/* for (i = 0; i < 3; i++) v = tanh(v * w); Exits of i and v: "while/Exit", "while/Exit_1". */
static tn_node add_loop(fixture *f, tn_node x, tn_node w)
{
    tn_node m[2] = {open_variable(f, tn_scalar(f->b, TN_INT32, 0)), open_variable(f, x)}, inside[2], out[2];
    tn_node three = enter(f, tn_scalar(f->b, TN_INT32, 3), true), one = enter(f, tn_scalar(f->b, TN_INT32, 1), true);
    tn_node goes_on = OP(f, "LoopCond", OP(f, "Less", m[0], three));
    for (int i = 0; i < 2; i++) {
        tn_node sw = tn_op_named(f->b, "Switch", "while/Switch", TN_INPUTS(m[i], goes_on), TN_NO_ATTRS);
        out[i] = tn_op_named(f->b, "Exit", "while/Exit", TN_INPUTS(sw), TN_NO_ATTRS);
        inside[i] = tn_op_named(f->b, "Identity", "while/Identity", TN_INPUTS(tn_output_of(sw.op, 1)), TN_NO_ATTRS);
    }
    close_variable(f, m[0], OP(f, "AddV2", inside[0], one));
    close_variable(f, m[1], OP(f, "Tanh", OP(f, "Mul", inside[1], enter(f, w, true))));
    return out[1];
}

/* x > 0 ? x * w : -x */
static tn_node add_cond(fixture *f)
{
    tn_node p = OP(f, "Greater", f->x, tn_scalar(f->b, TN_DOUBLE, 0));
    tn_node x = OP(f, "Switch", f->x, p), w = OP(f, "Switch", f->w, p);
    tn_node yes = OP(f, "Mul", tn_output_of(x.op, 1), tn_output_of(w.op, 1)), no = OP(f, "Neg", x);
    return tn_op_named(f->b, "Merge", "cond/Merge", TN_INPUTS(no, yes), TN_NO_ATTRS);
}

static double fetch(fixture *f, const char *name, double x, double w, const char *also, double value)
{
    tn_session *s;
    tn_tensor *out, *v[3];
    const double values[] = {x, w, value};
    for (int i = 0; i < 3; i++) assert_ok(tn_tensor_scalar(TN_DOUBLE, values[i], &v[i], &f->err), &f->err);
    tn_feed feeds[] = {{"x", v[0]}, {"w", v[1]}, {also, v[2]}};
    assert_ok(tn_session_new(f->g, NULL, &s, &f->err), &f->err);
    assert_ok(tn_session_run(s, feeds, also ? 3 : 2, &name, 1, &out, NULL, 0, &f->err), &f->err);
    double r = tn_tensor_number(out, 0);
    tn_tensor_unref(out);
    for (int i = 0; i < 3; i++) tn_tensor_unref(v[i]);
    tn_session_free(s);
    return r;
}

static double loop_value(double x, double w)
{
    for (int i = 0; i < 3; i++) x = tanh(x * w);
    return x;
}

static double near(double got, double want)
{
    if (fabs(got - want) > 1e-6) fail_msg("%g, not %g", got, want);
    return got;
}

static void name_gradients(fixture *f, tn_node y, const char *dx, const char *dw)
{
    tn_node d[2];
    tn_gradients(f->b, &y, 1, (tn_node[]){f->x, f->w}, 2, NULL, d);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    tn_op_named(f->b, "Identity", dx, TN_INPUTS(d[0]), TN_NO_ATTRS);
    tn_op_named(f->b, "Identity", dw, TN_INPUTS(d[1]), TN_NO_ATTRS);
}

static const char *type_of(fixture *f, const char *name)
{
    return tn_operation_type(tn_graph_operation(f->g, name));
}

static void test_loop(void **state)
{
    (void)state;
    const double h = 1e-5, x = 0.8, w = -1.3;
    fixture f;
    start(&f);
    tn_node y = OP(&f, "Mul", add_loop(&f, f.x, f.w), tn_scalar(f.b, TN_DOUBLE, 2));
    name_gradients(&f, y, "dx", "dw");
    near(fetch(&f, "dx", x, w, NULL, 0), (loop_value(x + h, w) - loop_value(x - h, w)) / h);
    near(fetch(&f, "dw", x, w, NULL, 0), (loop_value(x, w + h) - loop_value(x, w - h)) / h);
    /* The names are there, hand on the same values, and can be fed. All that leaves the loop is changed. */
    assert_string_equal(type_of(&f, "while/Exit"), "Identity");
    assert_string_equal(type_of(&f, "while/Exit_1"), "Identity");
    assert_string_equal(type_of(&f, "while/NextIteration"), "NextIteration");
    near(fetch(&f, "while/Exit:0", x, w, NULL, 0), 3);
    near(fetch(&f, "while/Exit_1:0", x, w, NULL, 0), loop_value(x, w));
    near(fetch(&f, "Mul_1:0", x, w, "while/Exit_1:0", 7), 14);
    /* A second time there is nothing left to change. */
    name_gradients(&f, y, "dx2", "dw2");
    near(fetch(&f, "dx2", x, w, NULL, 0), fetch(&f, "dx", x, w, NULL, 0));
    near(fetch(&f, "dw2", x, w, NULL, 0), fetch(&f, "dw", x, w, NULL, 0));
    assert_null(tn_graph_operation(f.g, "while/While_1"));
    finish(&f);
}

static void test_cond(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    name_gradients(&f, add_cond(&f), "dx", "dw");
    near(fetch(&f, "dx", 2, 5, NULL, 0), 5);
    near(fetch(&f, "dw", 2, 5, NULL, 0), 2);
    near(fetch(&f, "dx", -2, 5, NULL, 0), -1);
    near(fetch(&f, "dw", -2, 5, NULL, 0), 0);
    assert_string_equal(type_of(&f, "cond/Merge"), "IdentityN");
    near(fetch(&f, "cond/Merge:0", 2, 5, NULL, 0), 10);
    near(fetch(&f, "cond/Merge:1", 2, 5, NULL, 0), 1);
    near(fetch(&f, "cond/Merge:1", -2, 5, NULL, 0), 0);
    finish(&f);
}

/* A loop that depends on a conditional; what no x flows through stays as it is. */
static void test_one_after_another(void **state)
{
    (void)state;
    fixture f;
    start(&f);
    tn_node before = add_cond(&f);
    tn_node y = add_loop(&f, before, f.w);
    name_gradients(&f, y, "dx", "dw");
    near(fetch(&f, "dx", -0.5, 1, NULL, 0), -(loop_value(0.50001, 1) - loop_value(0.49999, 1)) / 2e-5);
    finish(&f);
    start(&f);
    before = add_cond(&f);
    y = OP(&f, "Mul", OP(&f, "StopGradient", before), OP(&f, "Mul", f.x, f.w));
    name_gradients(&f, y, "dx", "dw");
    near(fetch(&f, "dw", 2, 5, NULL, 0), 20);
    assert_string_equal(type_of(&f, "cond/Merge"), "Merge");
    finish(&f);
}

/* What is inside of a loop cannot be differentiated from outside, and nothing is changed then. */
static void test_inside(void **state)
{
    (void)state;
    fixture f;
    tn_node d;
    start(&f);
    add_loop(&f, f.x, f.w);
    tn_node y = tn_output_of(tn_graph_operation(f.g, "while/Identity_1"), 0);
    int n = tn_graph_count(f.g);
    tn_gradients(f.b, &y, 1, &f.x, 1, NULL, &d);
    assert_int_equal(tn_builder_check(f.b, &f.err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(f.err.message, "inside of a loop"));
    assert_int_equal(tn_graph_count(f.g), n);
    assert_string_equal(type_of(&f, "while/Exit_1"), "Exit");
    finish(&f);
}

/* WhileContextDefs: those of loops that changed are gone. */
static void test_contexts(void **state)
{
    (void)state;
    fixture f;
    static const char mine[] = "\x0a\x05while\x42\x0ewhile/Exit_1:0", other[] = "\x0a\x05other\x42\x0cother/Exit:0";
    static const char broken[] = "\x0a\x7f";
    start(&f);
    tn_node y = add_loop(&f, f.x, f.w);
    const tn_view items[] = {{mine, sizeof mine - 1}, {other, sizeof other - 1}, {broken, sizeof broken - 1}};
    for (int i = 0; i < 3; i++)
        assert_ok(tn_collection_add_bytes(f.g, "while_context", items[i], &f.err), &f.err);
    name_gradients(&f, y, "dx", "dw");
    assert_int_equal(tn_collection_count(f.g, "while_context"), 2);
    assert_memory_equal(tn_collection_bytes_at(f.g, "while_context", 0).p, other, sizeof other - 1);
    assert_code(tn_collection_remove_bytes(f.g, "while_context", 2, &f.err), TN_INVALID_ARGUMENT);
    finish(&f);
}

static tn_code build(fixture *f)
{
    tn_node d;
    *f = (fixture){.g = tn_graph_new()};
    f->b = f->g ? tn_builder_new(f->g) : NULL;
    if (!f->b) return TN_RESOURCE_EXHAUSTED;
    f->x = tn_placeholder(f->b, "x", TN_DOUBLE, TN_SHAPE());
    f->w = tn_placeholder(f->b, "w", TN_DOUBLE, TN_SHAPE());
    tn_node y = add_cond(f);
    if (!tn_builder_check(f->b, &f->err)) y = add_loop(f, y, f->w);
    tn_gradients(f->b, &y, 1, &f->x, 1, NULL, &d);
    return tn_builder_check(f->b, &f->err);
}

/* x > 0 ? x * v * (v += 1) : x, of a variable's reference */
static tn_node add_assigning_branch(fixture *f, tn_node v)
{
    tn_node p = OP(f, "Greater", f->x, tn_scalar(f->b, TN_DOUBLE, 0));
    tn_node x = OP(f, "Switch", f->x, p), to = tn_output_of(OP(f, "RefSwitch", v, p).op, 1);
    tn_node one = tn_scalar(f->b, TN_DOUBLE, 1), inside = tn_output_of(x.op, 1);
    tn_node read = OP(f, "Mul", inside, OP(f, "Identity", to));
    tn_control_dependencies(f->b, 1, &read.op);
    tn_node yes = OP(f, "Mul", read, OP(f, "AssignAdd", to, one));
    tn_control_dependencies_end(f->b);
    return tn_op_named(f->b, "Merge", "cond/Merge", TN_INPUTS(x, yes), TN_NO_ATTRS);
}

/* A variable that is assigned inside stands inside: a function has no references. It is no way for gradients then. */
static void test_assigned(void **state)
{
    (void)state;
    for (int of_variable = 0; of_variable < 2; of_variable++) {
        fixture f;
        start(&f);
        tn_node d, v = tn_op_named(f.b, "VariableV2", "v", NULL, 0,
                                   TN_ATTRS(tn_attr_shape("shape", TN_SHAPE()), tn_attr_type("dtype", TN_DOUBLE)));
        tn_node y = add_assigning_branch(&f, v), x = of_variable ? v : f.x;
        tn_gradients(f.b, &y, 1, &x, 1, NULL, &d);
        if (of_variable) {
            assert_code(tn_builder_check(f.b, &f.err), TN_UNIMPLEMENTED);
            assert_non_null(strstr(f.err.message, "'v', which is assigned"));
        } else {
            assert_ok(tn_builder_check(f.b, &f.err), &f.err);
            const tn_operation *flow = tn_graph_operation(f.g, "cond/Merge")->in[0].op;
            const tn_function *branch = tn_graph_function(f.g, tn_attr_get_func(&flow->attrs, "then_branch")->name);
            const tn_operation *inside = tn_graph_operation(branch->body, "v");
            assert_string_equal(tn_operation_type(inside), "VariableV2");
            tn_view shared;
            assert_true(tn_attr_get_string(&inside->attrs, "shared_name", &shared) && tn_view_is(shared, "v"));
        }
        finish(&f);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    fixture f;
    tn_code code = TN_RESOURCE_EXHAUSTED;
    int n = 1;
    for (; code == TN_RESOURCE_EXHAUSTED && n < 100000; n++) {
        tn_malloc_fail_at(n);
        code = build(&f);
        tn_malloc_fail_at(0);
        finish(&f);
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s", n, f.err.message);
    }
    assert_int_equal(code, TN_OK);
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop),     cmocka_unit_test(test_cond),   cmocka_unit_test(test_one_after_another),
        cmocka_unit_test(test_inside),   cmocka_unit_test(test_contexts), cmocka_unit_test(test_assigned),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
