/* SPDX-License-Identifier: Apache-2.0
 * Sessions: feeding, fetching, errors, shapes, with all passes on and with all off. */
#include "test.h"


#include "graph/session.h"

static tn_tensor *vector(int n, const float *v)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_of(TN_FLOAT, &TN_SHAPE(n), v, &t, NULL), TN_OK);
    return t;
}

typedef struct fixture {
    tn_graph *g;
    tn_builder *b;
    tn_session *s;
    tn_error err;
} fixture;

static void open_session(fixture *f, unsigned passes_off)
{
    tn_session_options o = {.threads = 1, .passes_off = passes_off};
    assert_int_equal(tn_builder_check(f->b, &f->err), TN_OK);
    assert_int_equal(tn_session_new(f->g, &o, &f->s, &f->err), TN_OK);
}

static void start(fixture *f)
{
    f->g = tn_graph_new();
    f->b = tn_builder_new(f->g);
}

static void finish(fixture *f)
{
    tn_session_free(f->s);
    tn_builder_free(f->b);
    tn_graph_free(f->g);
}

static const unsigned modes[] = {0, TN_ALL_PASSES, TN_PASS(FOLD), TN_PASS(ALIAS), TN_PASS(STATIC)};

static void test_feeds_and_constants(void **state)
{
    (void)state;
    for (size_t m = 0; m < TN_COUNT(modes); m++) {
        fixture f = {0};
        start(&f);
        tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1));
        tn_op_named(f.b, "Identity", "y", TN_INPUTS(x), TN_NO_ATTRS);
        tn_scalar(f.b, TN_FLOAT, 3);
        open_session(&f, modes[m]);
        tn_tensor *v = vector(3, (float[]){1, 2, 3}), *out[3];
        tn_feed feed = {"x:0", v};
        const char *fetches[] = {"y:0", "x", "Const:0"};
        assert_int_equal(tn_session_run(f.s, &feed, 1, fetches, 3, out, NULL, 0, &f.err), TN_OK);
        assert_true(tn_tensor_equal(out[0], v));
        assert_true(tn_tensor_equal(out[1], v));
        assert_float_equal(TN_FLOATS(out[2])[0], 3, 0);
        for (int i = 0; i < 3; i++) tn_tensor_unref(out[i]);
        feed.name = "Const"; /* any value may be fed */
        tn_tensor *seven;
        assert_int_equal(tn_tensor_scalar(TN_FLOAT, 7, &seven, NULL), TN_OK);
        feed.value = seven;
        assert_int_equal(tn_session_run(f.s, &feed, 1, fetches + 2, 1, out, NULL, 0, &f.err), TN_OK);
        assert_float_equal(TN_FLOATS(out[0])[0], 7, 0);
        tn_tensor_unref(out[0]);
        tn_tensor_unref(seven);
        tn_tensor_unref(v);
        finish(&f);
    }
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    fixture f = {0};
    start(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, 2));
    tn_op_named(f.b, "Identity", "y", TN_INPUTS(x), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_tensor *out[1] = {NULL}, *v = vector(3, (float[]){1, 2, 3});
    const char *y = "y:0", *z = "z:0";
    assert_int_equal(tn_session_run(f.s, NULL, 0, &y, 1, out, NULL, 0, &f.err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(f.err.message, "You must feed a value for placeholder tensor 'x'"));
    assert_int_equal(tn_session_run(f.s, &(tn_feed){"x", v}, 1, &y, 1, out, NULL, 0, &f.err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(f.err.message, "Cannot feed value of shape [3] for Tensor 'x'"));
    assert_int_equal(tn_session_run(f.s, &(tn_feed){"x", v}, 1, &z, 1, out, NULL, 0, &f.err), TN_NOT_FOUND);
    assert_null(out[0]);
    tn_tensor_unref(v);
    finish(&f);
}

static void test_callable_follows_shapes(void **state)
{
    (void)state;
    fixture f = {0};
    start(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, tn_shape_unknown());
    tn_op_named(f.b, "Identity", "y", TN_INPUTS(x), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_callable *c;
    const char *in = "x:0", *y = "y:0";
    assert_int_equal(tn_callable_new(f.s, &in, 1, &y, 1, NULL, 0, &c, &f.err), TN_OK);
    for (int n = 1; n < 40; n++) { /* more shapes than are kept */
        float data[40] = {(float)n};
        tn_tensor *v = vector(n, data);
        const tn_tensor *out;
        assert_int_equal(tn_callable_run(c, (const tn_tensor *const *)&v, &out, &f.err), TN_OK);
        assert_true(tn_tensor_equal(out, v));
        tn_tensor_unref(v);
    }
    tn_callable_free(c);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feeds_and_constants),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_callable_follows_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
