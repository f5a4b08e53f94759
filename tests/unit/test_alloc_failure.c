/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out at every single allocation of building a small training graph, planning and running it:
 * each time RESOURCE_EXHAUSTED, nothing changed for the worse, nothing leaked (which AddressSanitizer sees). */
#include "plan_test.h"

enum { MOST_ALLOCATIONS = 20000 };

static tn_node matmul(tn_builder *b, tn_node x, tn_node y)
{
    return tn_op(b, "MatMul", TN_INPUTS(x, y), TN_NO_ATTRS);
}

/* A builder of a function's body; NULL: no memory, which b knows then. */
static tn_builder *new_body(tn_builder *b)
{
    tn_graph *g = tn_function_graph(tn_builder_graph(b));
    tn_builder *body = tn_builder_new(g);
    if (body) return body;
    tn_graph_free(g);
    tn_builder_fail(b, TN_RESOURCE_EXHAUSTED, "a function's body");
    return NULL;
}

static void define_cond(tn_builder *b)
{
    tn_builder *cond = new_body(b);
    if (!cond) return;
    tn_node i = tn_function_arg(cond, "i", TN_INT32, TN_SHAPE());
    tn_function_arg(cond, "x", TN_FLOAT, tn_shape_unknown());
    tn_node below = tn_op(cond, "Less", TN_INPUTS(i, tn_scalar(cond, TN_INT32, 3)), TN_NO_ATTRS);
    tn_function_define(b, "cond", cond, &below, 1);
    tn_builder_free(cond);
}

static void define_body(tn_builder *b)
{
    tn_builder *body = new_body(b);
    if (!body) return;
    tn_node i = tn_function_arg(body, "i", TN_INT32, TN_SHAPE());
    tn_node v = tn_function_arg(body, "x", TN_FLOAT, tn_shape_unknown());
    tn_node rets[2] = {tn_op(body, "AddV2", TN_INPUTS(i, tn_scalar(body, TN_INT32, 1)), TN_NO_ATTRS),
                       tn_op(body, "ConcatV2", TN_INPUTS(v, v, tn_scalar(body, TN_INT32, 0)), TN_NO_ATTRS)};
    tn_function_define(b, "body", body, rets, 2);
    tn_builder_free(body);
}

/* Doubles the rows of x three times; "u": what is distinct. */
static void add_loop(tn_builder *b, tn_node x)
{
    define_cond(b);
    define_body(b);
    tn_node in[2] = {tn_scalar(b, TN_INT32, 0), x}, minus = tn_ints(b, (int64_t[]){-1}, 1);
    tn_operation *loop = tn_while(b, "cond", "body", in, 2);
    tn_node flat = tn_op(b, "Reshape", TN_INPUTS(tn_output_of(loop, 1), minus), TN_NO_ATTRS);
    tn_op_named(b, "Unique", "u", TN_INPUTS(flat), TN_NO_ATTRS);
}

/* x [?,2] -> tanh(x w + c) -> loss; "train": w -= 0.1 dw. */
static void write_graph(tn_builder *b)
{
    tn_tensor *w0 = NULL;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, 2));
    if (tn_tensor_of(TN_FLOAT, &TN_SHAPE(2, 2), (float[]){0.5f, -0.25f, 0.125f, 1}, &w0, NULL)) {
        tn_builder_fail(b, TN_RESOURCE_EXHAUSTED, "w0");
        return;
    }
    tn_node w = tn_variable(b, "w", tn_constant(b, "w0", w0), 0);
    tn_tensor_unref(w0);
    tn_node c = tn_variable(b, "c", tn_op(b, "Fill", TN_INPUTS(tn_ints(b, (int64_t[]){2}, 1), tn_scalar(b, TN_FLOAT, 0.5)), TN_NO_ATTRS), TN_VAR_REF);
    tn_node y = tn_op_named(b, "Tanh", "y", TN_INPUTS(tn_op(b, "AddV2", TN_INPUTS(matmul(b, x, w), c), TN_NO_ATTRS)), TN_NO_ATTRS);
    tn_node loss = tn_op_named(b, "L2Loss", "loss", TN_INPUTS(y), TN_NO_ATTRS), dw;
    tn_gradients(b, &loss, 1, &w, 1, NULL, &dw);
    tn_node step = tn_op(b, "Mul", TN_INPUTS(dw, tn_scalar(b, TN_FLOAT, 0.1)), TN_NO_ATTRS);
    tn_operation *handle = tn_variable_of(b, w);
    if (handle) tn_add_operation(b, "AssignSubVariableOp", "train", TN_INPUTS(tn_output_of(handle, 0), step), TN_NO_ATTRS);
    add_loop(b, y);
    tn_operation *init = tn_global_variables_initializer(b);
    tn_group(b, "start", init ? 1 : 0, &init);
}

static tn_code build(tn_graph **g, tn_error *err)
{
    *g = tn_graph_new();
    tn_builder *b = *g ? tn_builder_new(*g) : NULL;
    tn_code code = TN_RESOURCE_EXHAUSTED;
    if (b) {
        write_graph(b);
        code = tn_builder_check(b, err);
    }
    tn_builder_free(b);
    return code;
}

static tn_code run(tn_session *s, const tn_tensor *x, const char *fetch, const char *target, tn_tensor **out, tn_error *err)
{
    tn_feed feed = {"x:0", x};
    return tn_session_run(s, &feed, x != NULL, &fetch, fetch != NULL, out, &target, target != NULL, err);
}

static tn_code callable_once(tn_session *s, const tn_tensor *x, tn_error *err)
{
    tn_callable *c;
    const tn_tensor *out;
    const char *in = "x:0", *fetch = "loss:0", *target = "train";
    TN_TRY(tn_callable_new(s, &in, 1, &fetch, 1, &target, 1, &c, err));
    tn_code code = tn_callable_run(c, &x, &out, err);
    tn_callable_free(c);
    return code;
}

static tn_code work(tn_graph *g, unsigned passes_off, const tn_tensor *x, const tn_tensor *longer, double *loss, tn_error *err)
{
    tn_session *s;
    tn_session_options o = {.threads = 1, .passes_off = passes_off, .max_bound_shapes = 1};
    TN_TRY(tn_session_new(g, &o, &s, err));
    tn_tensor *out = NULL, *u = NULL;
    tn_code code = run(s, NULL, NULL, "start", NULL, err);
    if (!code) code = run(s, x, NULL, "train", NULL, err);
    if (!code) code = callable_once(s, longer, err);
    if (!code) code = run(s, longer, "u:0", NULL, &u, err);
    if (!code) code = run(s, x, "loss:0", NULL, &out, err);
    if (!code) *loss = tn_tensor_number(out, 0);
    tn_tensor_unref(out);
    tn_tensor_unref(u);
    tn_session_free(s);
    return code;
}

static void test_running(void **state)
{
    (void)state;
    tn_graph *g;
    tn_error err = {0};
    assert_ok(build(&g, &err), &err);
    tn_tensor *x = floats(TN_SHAPE(1, 2), (float[]){1, 2}), *longer = floats(TN_SHAPE(3, 2), (float[]){1, 2, 3, 4, 5, 6});
    static const unsigned modes[] = {0, TN_ALL_PASSES, TN_PASS(ALIAS) | TN_PASS(STATIC)};
    for (size_t m = 0; m < TN_COUNT(modes); m++) {
        double want = 0, loss = 0;
        assert_ok(work(g, modes[m], x, longer, &want, &err), &err);
        tn_code code = TN_RESOURCE_EXHAUSTED;
        int n = 1;
        for (; code == TN_RESOURCE_EXHAUSTED && n < MOST_ALLOCATIONS; n++) {
            tn_malloc_fail_at(n);
            code = work(g, modes[m], x, longer, &loss, &err);
            if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s %s", n, tn_code_name(code), err.message);
        }
        tn_malloc_fail_at(0);
        assert_int_equal(code, TN_OK);
        assert_true(n > 100);
        assert_true(is_close(loss, want, 1e-6));
    }
    tn_tensor_unref(x);
    tn_tensor_unref(longer);
    tn_graph_free(g);
}

static void test_building(void **state)
{
    (void)state;
    tn_graph *g;
    tn_error err = {0};
    tn_code code = TN_RESOURCE_EXHAUSTED;
    int n = 1;
    for (; code == TN_RESOURCE_EXHAUSTED && n < MOST_ALLOCATIONS; n++) {
        tn_malloc_fail_at(n);
        code = build(&g, &err);
        tn_graph_free(g);
        if (code && code != TN_RESOURCE_EXHAUSTED) fail_msg("allocation %d: %s %s", n, tn_code_name(code), err.message);
    }
    tn_malloc_fail_at(0);
    assert_int_equal(code, TN_OK);
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_building),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
