/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grad.c - the walk of gradients over a graph: names, sums, slices, stops, variables, errors.
 * Gradients of single operators are tested with the operators, of control flow in test_grad_flow.c.
 */
#include "graph_fixture.h"

static tn_node gradient(fixture *f, tn_node y, tn_node x)
{
    tn_node dx;
    tn_gradients(f->b, &y, 1, &x, 1, NULL, &dx);
    return dx;
}

static tn_node tanh_of(tn_builder *b, tn_node x)
{
    return tn_op(b, "Tanh", TN_INPUTS(x), TN_NO_ATTRS);
}

static int count_type(const tn_graph *g, const char *type)
{
    int n = 0;
    for (int i = 0; i < tn_graph_count(g); i++) n += !strcmp(tn_operation_type(tn_graph_at(g, i)), type);
    return n;
}

static void names_are_tensorflows(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_name_scope(f->b, "layer");
    tn_node y = tanh_of(f->b, x);
    tn_name_scope_end(f->b);
    tn_node dx = gradient(f, y, x);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_string_equal(dx.op->name, "gradients/layer/Tanh_grad/TanhGrad");
    assert_non_null(tn_graph_operation(f->g, "gradients/grad_ys_0"));
    tn_node again = gradient(f, y, x);
    assert_string_equal(again.op->name, "gradients_1/layer/Tanh_grad/TanhGrad");
    assert_int_equal(tn_node_shape(dx).rank, 1);
}

static void several_uses_are_added(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(2));
    tn_node a = tanh_of(f->b, x), b = tanh_of(f->b, a), c = tanh_of(f->b, a);
    tn_node y = tn_op(f->b, "AddN", TN_INPUTS(a, b, c), TN_NO_ATTRS);
    tn_node dx = gradient(f, y, x);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_string_equal(dx.op->type, "TanhGrad");
    assert_string_equal(dx.op->in[1].op->name, "gradients/AddN");
    assert_int_equal(dx.op->in[1].op->n_in, 3);
}

static void several_ys_and_given_gradients(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(2)),
            gy = tn_placeholder(f->b, "gy", TN_FLOAT, TN_SHAPE(2));
    tn_node ys[] = {tanh_of(f->b, x), tanh_of(f->b, x), x}, gys[] = {gy, {NULL, 0}, gy}, dx;
    tn_gradients(f->b, ys, 3, &x, 1, gys, &dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_string_equal(dx.op->type, "AddN");
    assert_int_equal(dx.op->n_in, 3);
    assert_ptr_equal(dx.op->in[0].op, gy.op);
}

static void where_there_is_none(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE()),
            z = tn_placeholder(f->b, "z", TN_FLOAT, TN_SHAPE());
    tn_node stopped = tn_op(f->b, "StopGradient", TN_INPUTS(tanh_of(f->b, x)), TN_NO_ATTRS);
    tn_node whole = tn_op(f->b, "Cast", TN_INPUTS(x), TN_ATTRS(tn_attr_type("DstT", TN_INT32)));
    tn_node back = tn_op(f->b, "Cast", TN_INPUTS(whole), TN_ATTRS(tn_attr_type("DstT", TN_FLOAT)));
    int before = count_type(f->g, "TanhGrad");
    assert_null(gradient(f, stopped, x).op);
    assert_null(gradient(f, back, x).op);
    assert_null(gradient(f, tanh_of(f->b, x), z).op);
    assert_null(gradient(f, whole, x).op);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_int_equal(count_type(f->g, "TanhGrad"), before);
    assert_string_equal(gradient(f, x, x).op->type, "Const"); /* ones */
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
}

/* Values between that nobody asked for get no gradients; below an x nothing is added either. */
static void the_walk_ends_at_xs(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE()), a = tanh_of(f->b, x), y = tanh_of(f->b, a);
    assert_string_equal(gradient(f, y, a).op->type, "TanhGrad");
    assert_int_equal(count_type(f->g, "TanhGrad"), 1);
    tn_node xs[] = {a, x, a}, dx[3];
    tn_gradients(f->b, &y, 1, xs, 3, NULL, dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_int_equal(count_type(f->g, "TanhGrad"), 3);
    assert_ptr_equal(dx[0].op, dx[2].op);
    assert_ptr_not_equal(dx[0].op, dx[1].op);
}

static void no_gradient_defined(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE());
    tn_operation_spec spec = {.type = "Unheard",
                              .name = "strange",
                              .in = &x,
                              .n_in = 1,
                              .n_out = 1,
                              .out_types = (tn_dtype[]){TN_FLOAT}};
    tn_operation *op = NULL;
    assert_ok(tn_graph_add(f->g, &spec, &op, &f->err), &f->err);
    assert_null(gradient(f, tn_output_of(op, 0), x).op);
    assert_code(tn_builder_check(f->b, &f->err), TN_UNIMPLEMENTED);
    assert_says(&f->err, "No gradient defined for operation 'strange' (op type: Unheard)");
}

static void prevented_gradient(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE());
    tn_node y =
        tn_op_named(f->b, "PreventGradient", "no", TN_INPUTS(x), TN_ATTRS(tn_attr_str("message", "because")));
    gradient(f, y, x);
    assert_code(tn_builder_check(f->b, &f->err), TN_INVALID_ARGUMENT);
    assert_says(&f->err, "because");
    assert_says(&f->err, "'no'");
}

static void foreign_values(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE());
    assert_null(gradient(f, x, tn_output_of(NULL, 0)).op);
    assert_code(tn_builder_check(f->b, &f->err), TN_INVALID_ARGUMENT);
    assert_says(&f->err, "xs[0]");
}

static void python_gradients_are_not_in_files(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE());
    tn_node y = tn_op_named(f->b, "IdentityN", "custom", TN_INPUTS(x),
                            TN_ATTRS(tn_attr_str("_gradient_op_type", "CustomGradient-123")));
    gradient(f, y, x);
    assert_code(tn_builder_check(f->b, &f->err), TN_UNIMPLEMENTED);
    assert_says(&f->err, "Python");
}

/* ==== broadcasting ==== */

static void broadcasts_are_undone(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1, 4)),
            bias = tn_placeholder(f->b, "b", TN_FLOAT, TN_SHAPE(4));
    tn_node one = tn_placeholder(f->b, "one", TN_FLOAT, TN_SHAPE(1, 4)),
            any = tn_placeholder(f->b, "any", TN_FLOAT, TN_SHAPE(-1, 4));
    tn_node y = tn_op(f->b, "AddV2", TN_INPUTS(x, bias), TN_NO_ATTRS), xs[] = {x, bias}, dx[2];
    tn_gradients(f->b, &y, 1, xs, 2, NULL, dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_string_equal(dx[0].op->type, "Fill"); /* as it came */
    assert_string_equal(dx[1].op->type, "Sum");  /* known without looking at the shapes while running */
    assert_int_equal(count_type(f->g, "BroadcastGradientArgs"), 0);
    tn_node dk = gradient(f, tn_op(f->b, "AddV2", TN_INPUTS(any, one), TN_NO_ATTRS), one);
    assert_int_equal(tn_node_shape(dk).dim[0], 1);
    assert_int_equal(count_type(f->g, "BroadcastGradientArgs"), 0);
    gradient(f, tn_op(f->b, "AddV2", TN_INPUTS(any, x), TN_NO_ATTRS), x); /* either may be stretched */
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_true(count_type(f->g, "BroadcastGradientArgs") > 0);
}

/* ==== variables and slices ==== */

static tn_node weights(tn_builder *b, const char *name, unsigned flags)
{
    tn_tensor *t = NULL;
    assert_int_equal(tn_tensor_new(TN_FLOAT, &TN_SHAPE(5, 3), &t, NULL), TN_OK);
    tn_node v = tn_variable(b, name, tn_constant(b, "init", t), flags);
    tn_tensor_unref(t);
    return v;
}

static tn_node rows(tn_builder *b, tn_node w, const int64_t *at, int n)
{
    tn_node axis = tn_scalar(b, TN_INT32, 0);
    return tn_op(b, "GatherV2", TN_INPUTS(w, tn_ints(b, at, n), axis), TN_NO_ATTRS);
}

/* Any read of a variable counts, not only the one that was returned. */
static void variables(void **state)
{
    fixture *f = *state;
    tn_node w = weights(f->b, "w", 0), r = weights(f->b, "r", TN_VAR_REF);
    tn_node other =
        tn_op(f->b, "ReadVariableOp", TN_INPUTS(w.op->in[0]), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_node y = tn_op(f->b, "AddN", TN_INPUTS(w, other, r), TN_NO_ATTRS), xs[] = {w, r}, dx[2];
    tn_gradients(f->b, &y, 1, xs, 2, NULL, dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_string_equal(dx[0].op->type, "AddN");
    assert_string_equal(dx[1].op->type, "Fill");
    assert_int_equal(tn_node_shape(dx[0]).dim[0], 5);
}

static void slices_stay_slices(void **state)
{
    fixture *f = *state;
    tn_node w = weights(f->b, "w", 0);
    tn_node y = tanh_of(f->b, rows(f->b, w, (int64_t[]){1, 1}, 2)), z = rows(f->b, w, (int64_t[]){4}, 1);
    tn_gradient dx;
    tn_gradients_sparse(f->b, &y, 1, &w, 1, NULL, &dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_int_equal(dx.kind, TN_GRAD_SLICES);
    tn_node both[] = {y, z};
    tn_gradients_sparse(f->b, both, 2, &w, 1, NULL, &dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_int_equal(dx.kind, TN_GRAD_SLICES);
    assert_string_equal(dx.value.op->type, "ConcatV2");
    assert_string_equal(dx.indices.op->type, "ConcatV2");
    assert_int_equal(tn_node_shape(dx.value).dim[0], 3);
    tn_node dense;
    tn_gradients(f->b, &y, 1, &w, 1, NULL, &dense);
    assert_string_equal(dense.op->type, "UnsortedSegmentSum");
    both[1] = tanh_of(f->b, w); /* a dense use: the sum is dense */
    tn_gradients_sparse(f->b, both, 2, &w, 1, NULL, &dx);
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_int_equal(dx.kind, TN_GRAD_NODE);
    assert_string_equal(dx.value.op->type, "AddN");
}

static void nothing_happens_after_an_error(void **state)
{
    fixture *f = *state;
    tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE()), dx = x;
    tn_builder_fail(f->b, TN_ABORTED, "stop");
    int before = tn_graph_count(f->g);
    tn_gradients(f->b, &x, 1, &x, 1, NULL, &dx);
    assert_null(dx.op);
    assert_int_equal(tn_graph_count(f->g), before);
}

static void no_memory(void **state)
{
    (void)state;
    for (int64_t k = 1; k < 400; k++) {
        fixture *f = NULL;
        assert_int_equal(fixture_set_up((void **)&f), 0);
        tn_node x = tn_placeholder(f->b, "x", TN_FLOAT, TN_SHAPE(-1)), y = tanh_of(f->b, tanh_of(f->b, x)),
                dx;
        tn_malloc_fail_at(k);
        tn_gradients(f->b, &y, 1, &x, 1, NULL, &dx);
        tn_malloc_fail_at(0);
        bool ok = tn_builder_check(f->b, NULL) == TN_OK;
        assert_true(ok == (dx.op != NULL));
        fixture_tear_down((void **)&f);
        if (ok) return;
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(names_are_tensorflows),
        TEST(several_uses_are_added),
        TEST(several_ys_and_given_gradients),
        TEST(where_there_is_none),
        TEST(the_walk_ends_at_xs),
        TEST(no_gradient_defined),
        TEST(prevented_gradient),
        TEST(foreign_values),
        TEST(python_gradients_are_not_in_files),
        TEST(broadcasts_are_undone),
        TEST(variables),
        TEST(slices_stay_slices),
        TEST(nothing_happens_after_an_error),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
