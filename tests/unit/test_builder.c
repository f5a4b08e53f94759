/* SPDX-License-Identifier: Apache-2.0
 *
 * test_builder.c - builders: the first error is kept; names, scopes, control dependencies are TensorFlow's;
 * functions and calls.
 */
#include "graph_fixture.h"

static const char *noop(tn_builder *b, const char *name)
{
    tn_operation *op = tn_add_operation(b, "NoOp", name, TN_NO_INPUTS, TN_NO_ATTRS);
    return op ? tn_operation_name(op) : "";
}

static void assert_good(tn_builder *b)
{
    tn_error err;
    if (tn_builder_check(b, &err)) fail_msg("%s", err.message);
}

static void assert_failed(tn_builder *b, tn_code code, const char *word)
{
    tn_error err = {TN_OK, ""};
    assert_int_equal(tn_builder_check(b, &err), code);
    if (!strstr(err.message, word)) fail_msg("\"%s\" lacks \"%s\"", err.message, word);
}

static void names_are_unique(void **state)
{
    tn_builder *b = ((fixture *)*state)->b;
    assert_string_equal(noop(b, NULL), "NoOp");
    assert_string_equal(noop(b, NULL), "NoOp_1");
    assert_string_equal(noop(b, "NoOp_1"), "NoOp_1_1");
    assert_string_equal(noop(b, NULL), "NoOp_2");
    assert_string_equal(noop(b, "noop"), "noop_3"); /* case does not count */
    assert_string_equal(noop(b, "a"), "a");
    assert_string_equal(noop(b, "a_1"), "a_1");
    assert_string_equal(noop(b, "a"), "a_2");
    assert_good(b);
}

static void name_scopes(void **state)
{
    tn_builder *b = ((fixture *)*state)->b;
    tn_name_scope(b, "s");
    assert_string_equal(noop(b, "x"), "s/x");
    tn_name_scope(b, "t");
    assert_string_equal(noop(b, "x"), "s/t/x");
    tn_name_scope_end(b);
    assert_string_equal(noop(b, "x"), "s/x_1");
    tn_name_scope_end(b);
    tn_name_scope(b, "s");
    assert_string_equal(noop(b, "x"), "s_1/x");
    tn_name_scope_end(b);
    tn_name_scope(b, "s/t/"); /* as it is, from the root */
    assert_string_equal(noop(b, "y"), "s/t/y");
    tn_name_scope_end(b);
    assert_string_equal(noop(b, "s/t/exact/"), "s/t/exact");
    assert_good(b);
    tn_name_scope_end(b);
    assert_failed(b, TN_INVALID_ARGUMENT, "tn_name_scope_end");
}

static void bad_names(void **state)
{
    static const char *const bad[] = {"", "a b", "-a", "/a", "_a", "a\n", "a:0", "\xc3\xa4"};
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        tn_builder *b = tn_builder_new(((fixture *)*state)->g);
        noop(b, bad[i]);
        assert_failed(b, TN_INVALID_ARGUMENT, "not a valid node name");
        tn_builder_free(b);
    }
}

static void the_first_error_is_kept(void **state)
{
    tn_builder *b = ((fixture *)*state)->b;
    tn_graph *g = ((fixture *)*state)->g;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(2));
    tn_name_scope(b, "layer");
    tn_node bad = tn_op_named(b, "Identity", "broken", TN_INPUTS(x), TN_ATTRS(tn_attr_type("T", TN_INT32)));
    assert_null(bad.op);
    int count = tn_graph_count(g);
    tn_node after = tn_op(b, "Identity", TN_INPUTS(bad), TN_NO_ATTRS);
    assert_null(after.op);
    assert_null(tn_placeholder(b, "y", TN_FLOAT, TN_SHAPE()).op);
    tn_name_scope_end(b);
    tn_variable_scope(b, "v", TN_REUSE);
    assert_null(tn_variable(b, "w", x, 0).op);
    tn_variable_scope_end(b);
    tn_control_dependencies(b, 0, NULL);
    tn_control_dependencies_end(b);
    assert_null(tn_group(b, NULL, 0, NULL));
    tn_builder_fail(b, TN_ABORTED, "a later one");
    assert_int_equal(tn_graph_count(g), count);
    assert_failed(b, TN_INVALID_ARGUMENT, "layer/broken");
}

static void unknown_operator_and_missing_value(void **state)
{
    tn_graph *g = ((fixture *)*state)->g;
    tn_builder *b = tn_builder_new(g);
    tn_add_operation(b, "Frobnicate", "f", TN_NO_INPUTS, TN_NO_ATTRS);
    assert_failed(b, TN_UNIMPLEMENTED, "Frobnicate");
    tn_builder_free(b);
    b = tn_builder_new(g);
    tn_op_named(b, "Identity", "i", TN_INPUTS(tn_output_of(NULL, 0)), TN_NO_ATTRS);
    assert_failed(b, TN_INVALID_ARGUMENT, "'i'");
    tn_builder_free(b);
}

static void control_dependencies(void **state)
{
    tn_builder *b = ((fixture *)*state)->b;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE());
    tn_operation *first = tn_add_operation(b, "NoOp", "first", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_operation *second = tn_add_operation(b, "NoOp", "second", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_control_dependencies(b, 1, &first);
    tn_node y = tn_op(b, "Identity", TN_INPUTS(x), TN_NO_ATTRS);
    assert_int_equal(y.op->n_control, 1);
    tn_node z = tn_op(b, "Identity", TN_INPUTS(y), TN_NO_ATTRS); /* y runs after it already */
    assert_int_equal(z.op->n_control, 0);
    tn_control_dependencies(b, 2, (tn_operation *const[]){second, first});
    tn_node w = tn_op(b, "Identity", TN_INPUTS(x), TN_NO_ATTRS);
    assert_int_equal(w.op->n_control, 2); /* first is counted once */
    tn_control_dependencies(b, -1, NULL);
    tn_node alone = tn_op(b, "Identity", TN_INPUTS(x), TN_NO_ATTRS);
    assert_int_equal(alone.op->n_control, 0);
    tn_control_dependencies_end(b);
    tn_node v = tn_op(b, "Identity", TN_INPUTS(alone), TN_NO_ATTRS); /* its input did not wait */
    assert_int_equal(v.op->n_control, 2);
    tn_control_dependencies_end(b);
    tn_control_dependencies_end(b);
    assert_int_equal(tn_op(b, "Identity", TN_INPUTS(y), TN_NO_ATTRS).op->n_control, 0);
    tn_operation *all = tn_group(b, "all", 2, (tn_operation *const[]){first, second});
    assert_int_equal(all->n_control, 2);
    assert_string_equal(all->name, "all");
    assert_good(b);
    tn_control_dependencies_end(b);
    assert_failed(b, TN_INVALID_ARGUMENT, "tn_control_dependencies_end");
}

static void constants(void **state)
{
    tn_builder *b = ((fixture *)*state)->b;
    tn_node s = tn_scalar(b, TN_HALF, 1.5), v = tn_ints(b, (int64_t[]){1, 2, 3}, 3);
    assert_string_equal(s.op->name, "Const");
    assert_string_equal(v.op->name, "Const_1");
    assert_int_equal(tn_node_dtype(s), TN_HALF);
    assert_int_equal(tn_node_dtype(v), TN_INT32);
    assert_int_equal(tn_node_shape(v).dim[0], 3);
    tn_node d = tn_placeholder_with_default(b, "d", v, TN_SHAPE(-1));
    assert_int_equal(tn_node_shape(d).dim[0], -1);
    tn_node shape = tn_shape_of(b, v); /* known: a constant */
    assert_string_equal(shape.op->type, "Const");
    assert_good(b);
    tn_ints(b, (int64_t[]){INT64_MAX}, 1); /* does not fit */
    assert_int_not_equal(tn_builder_check(b, NULL), TN_OK);
}

static void functions_and_calls(void **state)
{
    fixture *f = *state;
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_node a = tn_function_arg(fb, "a", TN_FLOAT, TN_SHAPE(-1, 2)),
            n = tn_function_arg(fb, "n", TN_INT32, TN_SHAPE());
    tn_node y = tn_op(fb, "Identity", TN_INPUTS(a), TN_NO_ATTRS);
    tn_function_define(f->b, "same", fb, (tn_node[]){y, n}, 2);
    tn_builder_free(fb);
    assert_good(f->b);
    tn_function *fn = tn_graph_function(f->g, "same");
    assert_non_null(fn);
    assert_false(fn->stateful);
    assert_int_equal(fn->n_args, 2);
    assert_string_equal(fn->arg_names[1], "n");
    assert_int_equal(fn->n_control_rets, 0);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(3, 2)), k = tn_scalar(f->b, TN_INT32, 4);
    tn_operation *call = tn_call(f->b, "same", (tn_node[]){x, k}, 2);
    assert_good(f->b);
    assert_string_equal(call->type, "PartitionedCall");
    assert_int_equal(call->n_out, 2);
    assert_int_equal(tn_node_dtype(tn_output_of(call, 1)), TN_INT32);
    assert_int_equal(tn_node_shape(tn_output_of(call, 0)).dim[1], 2);
    assert_null(tn_call(f->b, "same", &x, 1));
    assert_failed(f->b, TN_INVALID_ARGUMENT, "takes 2 arguments");
}

static void function_errors(void **state)
{
    fixture *f = *state;
    tn_builder *fb = tn_builder_new(tn_graph_new());
    tn_function_arg(fb, "a", TN_FLOAT, TN_SHAPE());
    tn_node bad = tn_op_named(fb, "Identity", "bad", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_function_define(f->b, "broken", fb, &bad, 1);
    tn_builder_free(fb);
    assert_failed(f->b, TN_INVALID_ARGUMENT, "function 'broken': operation 'bad'");
    assert_int_equal(tn_graph_function_count(f->g), 0);
}

static void missing_function(void **state)
{
    fixture *f = *state;
    assert_null(tn_call(f->b, "nowhere", NULL, 0));
    assert_failed(f->b, TN_NOT_FOUND, "nowhere");
}

/* Takes a and i; returns a as it came (or a scalar instead) and i. */
static void define_step(tn_builder *b, const char *name, bool keep)
{
    tn_builder *fb = tn_builder_new(tn_function_graph(tn_builder_graph(b)));
    tn_node a = tn_function_arg(fb, "a", TN_FLOAT, tn_shape_unknown());
    tn_node i = tn_function_arg(fb, "i", TN_BOOL, TN_SHAPE());
    if (!keep) a = tn_scalar(fb, TN_FLOAT, 0);
    tn_function_define(b, name, fb, (tn_node[]){a, i}, 2);
    tn_builder_free(fb);
}

static void loops_and_branches(void **state)
{
    fixture *f = *state;
    tn_builder *fb = tn_builder_new(tn_function_graph(f->g));
    tn_function_arg(fb, "a", TN_FLOAT, tn_shape_unknown());
    tn_node i = tn_function_arg(fb, "i", TN_BOOL, TN_SHAPE());
    tn_function_define(f->b, "cond", fb, &i, 1);
    tn_builder_free(fb);
    define_step(f->b, "keep", true);
    define_step(f->b, "drop", false);
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(3)),
            go = tn_placeholder(f->b, "go", TN_BOOL, TN_SHAPE());
    tn_operation *loop = tn_while(f->b, "cond", "keep", (tn_node[]){x, go}, 2);
    assert_good(f->b);
    assert_string_equal(loop->type, "StatelessWhile");
    assert_int_equal(tn_node_shape(tn_output_of(loop, 0)).dim[0], 3); /* invariant */
    tn_operation *other = tn_while(f->b, "cond", "drop", (tn_node[]){x, go}, 2);
    assert_int_equal(tn_node_shape(tn_output_of(other, 0)).rank, -1); /* it changes */
    tn_operation *branch = tn_if(f->b, go, "keep", "drop", (tn_node[]){x, go}, 2);
    assert_good(f->b);
    assert_string_equal(branch->type, "StatelessIf");
    assert_int_equal(branch->n_out, 2);
    assert_null(tn_while(f->b, "keep", "keep", (tn_node[]){x, go}, 2));
    assert_failed(f->b, TN_INVALID_ARGUMENT, "must return one bool");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_are_unique),
        TEST(name_scopes),
        TEST(bad_names),
        TEST(the_first_error_is_kept),
        TEST(unknown_operator_and_missing_value),
        TEST(control_dependencies),
        TEST(constants),
        TEST(functions_and_calls),
        TEST(function_errors),
        TEST(missing_function),
        TEST(loops_and_branches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
