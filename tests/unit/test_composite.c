/* SPDX-License-Identifier: Apache-2.0
 * Composites: the fused step and the body give the same, forward and backward; what is built is marked, is one step,
 * and comes back from a file. */
#include "format/format.h"
#include "plan_test.h"

typedef struct model {
    fixture f;
    int64_t channels;
} model;

/* x [?, channels] -> layer normalisation -> loss; "dx", "dgamma", "dbeta", "y". */
static void build(model *m, int64_t channels, tn_shape shape)
{
    fixture_open(&m->f);
    m->channels = channels;
    tn_builder *b = m->f.b;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, shape);
    tn_node y = tn_layer_norm(b, "norm", x, 1e-3), ys = tn_op(b, "Tanh", TN_INPUTS(y), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &m->f.err), &m->f.err);
    assert_int_equal(tn_node_shape(y).rank, shape.rank);
    tn_variable_scope(b, "norm", TN_REUSE);
    tn_node vars[3] = {x, tn_variable_reused(b, "gamma", TN_FLOAT, TN_SHAPE(channels)),
                       tn_variable_reused(b, "beta", TN_FLOAT, TN_SHAPE(channels))}, dx[3];
    tn_variable_scope_end(b);
    tn_gradients(b, &ys, 1, vars, 3, NULL, dx);
    static const char *const names[] = {"dx", "dgamma", "dbeta"};
    give_name(b, "y", y);
    for (int i = 0; i < 3; i++) give_name(b, names[i], dx[i]);
    tn_operation *init = tn_global_variables_initializer(b);
    tn_group(b, "start", 1, &init);
}

static void set_vectors(model *m)
{
    float v[64];
    static const char *const names[] = {"norm/gamma", "norm/beta"};
    for (int k = 0; k < 2; k++) {
        for (int64_t i = 0; i < m->channels; i++) v[i] = 0.5f + 0.25f * (float)((i * 7 + k) % 5);
        tn_tensor *t = floats(TN_SHAPE(m->channels), v);
        assert_ok(tn_session_set(m->f.s, names[k], t, &m->f.err), &m->f.err);
        tn_tensor_unref(t);
    }
}

static tn_tensor *some_input(tn_shape shape)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_new(TN_FLOAT, &shape, &t, NULL), TN_OK);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) TN_FLOATS(t)[i] = (float)((i * 37 + 11) % 29 - 14) / 4;
    return t;
}

static void compare(model *m, tn_shape shape)
{
    static const char *const fetches[] = {"y:0", "dx:0", "dgamma:0", "dbeta:0"};
    tn_tensor *x = some_input(shape), *want[4], *got[4];
    tn_feed feed = {"x:0", x};
    for (int mode = -1; mode < PLAN_MODES; mode++) {
        fixture_session(&m->f, mode < 0 ? TN_PASS(COMPOSITES) : plan_mode(mode));
        set_vectors(m);
        assert_ok(tn_session_run(m->f.s, &feed, 1, fetches, 4, mode < 0 ? want : got, NULL, 0, &m->f.err), &m->f.err);
        for (int i = 0; i < 4 && mode >= 0; i++) {
            assert_close_tensors(got[i], want[i], 2e-5, fetches[i]);
            tn_tensor_unref(got[i]);
        }
    }
    for (int i = 0; i < 4; i++) tn_tensor_unref(want[i]);
    tn_tensor_unref(x);
}

static void test_body_is_the_oracle(void **state)
{
    (void)state;
    static const int64_t channels[] = {1, 3, 17, 64};
    for (size_t c = 0; c < TN_COUNT(channels); c++) {
        model m;
        build(&m, channels[c], TN_SHAPE(-1, channels[c]));
        compare(&m, TN_SHAPE(1, channels[c]));
        compare(&m, TN_SHAPE(5, channels[c]));
        compare(&m, TN_SHAPE(0, channels[c]));
        fixture_close(&m.f);
        build(&m, channels[c], TN_SHAPE(-1, 2, channels[c]));
        compare(&m, TN_SHAPE(3, 2, channels[c]));
        fixture_close(&m.f);
    }
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++) n++;
    return n;
}

static void check_plan(tn_session *s, bool fused)
{
    static const char *const in[] = {"x:0"}, *const fetches[] = {"y:0", "dgamma:0"};
    tn_error err = {0};
    tn_callable *c;
    char *text;
    tn_tensor *x = some_input(TN_SHAPE(2, 3));
    assert_ok(tn_callable_new(s, in, 1, fetches, 2, NULL, 0, &c, &err), &err);
    assert_ok(tn_callable_plan(c, (const tn_tensor *const *)&x, 0, &text, &err), &err);
    assert_int_equal(count(text, " _LayerNorm "), fused);
    assert_int_equal(count(text, " _LayerNormGrad "), fused);
    assert_int_equal(count(text, "Rsqrt") > 0, !fused);
    tn_text_free(text);
    tn_callable_free(c);
    tn_tensor_unref(x);
}

static void test_one_step(void **state)
{
    (void)state;
    model m;
    build(&m, 3, TN_SHAPE(-1, 3));
    fixture_session(&m.f, 0);
    set_vectors(&m);
    check_plan(m.f.s, true);
    fixture_session(&m.f, TN_PASS(COMPOSITES) | TN_PASS(FUSE_POINTWISE));
    set_vectors(&m);
    check_plan(m.f.s, false);
    fixture_close(&m.f);
}

/* The mark and the gradient survive a GraphDef. */
static void test_there_and_back(void **state)
{
    (void)state;
    model m;
    fixture f = {0};
    tn_buf bytes = {0};
    build(&m, 3, TN_SHAPE(-1, 3));
    assert_ok(tn_graphdef_encode(m.f.g, &bytes, &m.f.err), &m.f.err);
    assert_ok(tn_graphdef_decode((tn_view){bytes.data, bytes.n}, &f.g, &f.err), &f.err);
    f.b = tn_builder_new(f.g);
    fixture_session(&f, 0);
    run_target(&f, "start");
    check_plan(f.s, true);
    fixture_close(&f);
    tn_buf_free(&bytes);
    fixture_close(&m.f);
}

static void test_wrong_inputs(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_layer_norm(f.b, "norm", tn_placeholder(f.b, "x", TN_INT32, TN_SHAPE(2, 3)), 0);
    assert_code(tn_builder_check(f.b, &f.err), TN_INVALID_ARGUMENT);
    assert_says(&f.err, "norm");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_is_the_oracle),
        cmocka_unit_test(test_one_step),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_wrong_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
