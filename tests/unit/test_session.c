/* SPDX-License-Identifier: Apache-2.0
 * Sessions: feeding, fetching, errors, shapes, with all passes on and with all off. */
#include "graph_fixture.h"

#include "plan/programs.h"

#include <math.h>

static tn_tensor *vector(int n, const float *v)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_of(TN_FLOAT, &TN_SHAPE(n), v, &t, NULL), TN_OK);
    return t;
}

static void open_session(fixture *f, unsigned passes_off)
{
    tn_session_options o = {.threads = 1, .passes_off = passes_off};
    assert_int_equal(tn_builder_check(f->b, &f->err), TN_OK);
    assert_int_equal(tn_session_new(f->g, &o, &f->s, &f->err), TN_OK);
}

static const unsigned modes[] = {0, TN_ALL_PASSES, TN_PASS(FOLD), TN_PASS(ALIAS), TN_PASS(STATIC)};

static void test_feeds_and_constants(void **state)
{
    (void)state;
    for (size_t m = 0; m < TN_COUNT(modes); m++) {
        fixture f;
        fixture_open(&f);
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
        fixture_close(&f);
    }
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
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
    fixture_close(&f);
}

static void test_callable_follows_shapes(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
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
    fixture_close(&f);
}

static tn_code fetch_one(tn_session *s, const tn_feed *feeds, int n, const char *name, double *out, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(tn_session_run(s, feeds, n, &name, 1, &t, NULL, 0, err));
    *out = tn_tensor_number(t, 0);
    tn_tensor_unref(t);
    return TN_OK;
}

/* Only what is fetched runs, inner values may be fed, the same one may be fetched twice; fetching what is fed. */
static void test_parts_of_a_graph(void **state)
{
    (void)state;
    for (size_t m = 0; m < TN_COUNT(modes); m++) {
        fixture f;
        double y;
        fixture_open(&f);
        tn_node a = tn_placeholder(f.b, "a", TN_FLOAT, TN_SHAPE()), b = tn_placeholder(f.b, "b", TN_FLOAT, TN_SHAPE());
        tn_node c = tn_op_named(f.b, "Add", "c", TN_INPUTS(a, b), TN_NO_ATTRS);
        tn_op_named(f.b, "Mul", "d", TN_INPUTS(c, b), TN_NO_ATTRS);
        tn_op_named(f.b, "Neg", "e", TN_INPUTS(a), TN_NO_ATTRS);
        open_session(&f, modes[m]);
        tn_tensor *two, *five, *out[3];
        assert_int_equal(tn_tensor_scalar(TN_FLOAT, 2, &two, NULL), TN_OK);
        assert_int_equal(tn_tensor_scalar(TN_FLOAT, 5, &five, NULL), TN_OK);
        assert_int_equal(fetch_one(f.s, &(tn_feed){"a:0", two}, 1, "e:0", &y, &f.err), TN_OK);
        assert_float_equal(y, -2, 0);
        assert_int_equal(fetch_one(f.s, (tn_feed[]){{"c:0", five}, {"b:0", two}}, 2, "d:0", &y, &f.err), TN_OK);
        assert_float_equal(y, 10, 0);
        const char *fetches[] = {"d:0", "d:0", "a:0"};
        assert_int_equal(tn_session_run(f.s, (tn_feed[]){{"a:0", two}, {"b:0", five}}, 2, fetches, 3, out, NULL, 0, &f.err), TN_OK);
        assert_float_equal(TN_FLOATS(out[0])[0], 35, 0);
        assert_float_equal(TN_FLOATS(out[1])[0], 35, 0);
        assert_true(tn_tensor_equal(out[2], two));
        for (int i = 0; i < 3; i++) tn_tensor_unref(out[i]);
        const char *nothing = "nothing";
        assert_int_equal(tn_session_run(f.s, NULL, 0, NULL, 0, NULL, &nothing, 1, &f.err), TN_NOT_FOUND);
        assert_int_equal(tn_session_run(f.s, NULL, 0, NULL, 0, NULL, NULL, 0, &f.err), TN_OK);
        tn_tensor_unref(two);
        tn_tensor_unref(five);
        fixture_close(&f);
    }
}

/* Sessions of one graph have variables of their own; a target runs what it waits for. */
static void test_sessions_are_apart(void **state)
{
    (void)state;
    fixture f;
    tn_session *other;
    tn_session_options o = {.threads = 1};
    double y;
    fixture_open(&f);
    tn_node v = tn_variable(f.b, "v", tn_scalar(f.b, TN_FLOAT, 3), 0);
    tn_operation *init = tn_global_variables_initializer(f.b), *step;
    tn_control_dependencies(f.b, 1, &init);
    step = tn_add_operation(f.b, "AssignAddVariableOp", "step", TN_INPUTS(tn_output_of(tn_variable_of(f.b, v), 0),
                            tn_scalar(f.b, TN_FLOAT, 1)), TN_NO_ATTRS);
    tn_control_dependencies_end(f.b);
    const char *target = tn_operation_name(step), *first = tn_operation_name(init), *value = tn_operation_name(v.op);
    open_session(&f, 0);
    assert_int_equal(tn_session_new(f.g, &o, &other, &f.err), TN_OK);
    assert_int_equal(tn_session_run(f.s, NULL, 0, NULL, 0, NULL, &target, 1, &f.err), TN_OK);
    assert_int_equal(fetch_one(f.s, NULL, 0, value, &y, &f.err), TN_OK);
    assert_float_equal(y, 4, 0);
    assert_int_equal(fetch_one(other, NULL, 0, value, &y, &f.err), TN_FAILED_PRECONDITION);
    assert_int_equal(tn_session_run(other, NULL, 0, NULL, 0, NULL, &first, 1, &f.err), TN_OK);
    assert_int_equal(fetch_one(other, NULL, 0, value, &y, &f.err), TN_OK);
    assert_float_equal(y, 3, 0);
    tn_session_free(other);
    fixture_close(&f);
}

/* The block of values has a limit; another shape may still fit. */
/* A loop without end: over the list l, which a turn's value is pushed to, or over nothing but its condition. */
static void add_endless(fixture *f, bool pushes)
{
    tn_builder *cond = tn_builder_new(tn_function_graph(f->g)), *body = tn_builder_new(tn_function_graph(f->g));
    tn_builder *const both[2] = {cond, body};
    tn_node args[2][2];
    for (int i = 0; i < 2; i++) {
        args[i][0] = tn_function_arg(both[i], "go", TN_BOOL, TN_SHAPE());
        args[i][1] = tn_function_arg(both[i], "l", pushes ? TN_VARIANT : TN_FLOAT, TN_SHAPE());
    }
    tn_function_define(f->b, "cond", cond, &args[0][0], 1);
    if (pushes) {
        tn_node item = tn_op(body, "Fill", TN_INPUTS(tn_ints(body, (int64_t[]){100}, 1), tn_scalar(body, TN_FLOAT, 1)), TN_NO_ATTRS);
        args[1][1] = tn_op(body, "TensorListPushBack", TN_INPUTS(args[1][1], item), TN_NO_ATTRS);
    }
    tn_function_define(f->b, "body", body, args[1], 2);
    tn_builder_free(cond);
    tn_builder_free(body);
    tn_node unknown = tn_ints(f->b, (int64_t[]){100}, 1), most = tn_scalar(f->b, TN_INT32, -1);
    tn_node l = pushes ? tn_op(f->b, "EmptyTensorList", TN_INPUTS(unknown, most), TN_ATTRS(tn_attr_type("element_dtype", TN_FLOAT)))
                       : tn_scalar(f->b, TN_FLOAT, 1);
    tn_node in[2] = {tn_placeholder(f->b, "go", TN_BOOL, TN_SHAPE()), l};
    tn_operation *loop = tn_while(f->b, "cond", "body", in, 2);
    tn_op_named(f->b, "Identity", "last", TN_INPUTS(tn_output_of(loop, 0)), TN_NO_ATTRS);
    if (pushes) tn_op_named(f->b, "TensorListLength", "length", TN_INPUTS(tn_output_of(loop, 1)), TN_NO_ATTRS);
}

static void endless(bool pushes, const char *fetch, tn_code want)
{
    fixture f;
    double v;
    fixture_open(&f);
    add_endless(&f, pushes);
    assert_int_equal(tn_builder_check(f.b, &f.err), TN_OK);
    tn_session_options o = {.threads = 1, .memory_limit = (size_t)1 << 20, .time_limit = pushes ? 0 : 0.01};
    assert_int_equal(tn_session_new(f.g, &o, &f.s, &f.err), TN_OK);
    tn_tensor *go;
    assert_int_equal(tn_tensor_scalar(TN_BOOL, 1, &go, NULL), TN_OK);
    for (int k = 0; k < 2; k++) /* what the first has taken is free again */
        assert_int_equal(fetch_one(f.s, &(tn_feed){"go:0", go}, 1, fetch, &v, &f.err), want);
    ((bool *)go->data)[0] = false;
    assert_int_equal(fetch_one(f.s, &(tn_feed){"go:0", go}, 1, fetch, &v, &f.err), TN_OK);
    tn_tensor_unref(go);
    fixture_close(&f);
}

static void test_loops_without_end(void **state)
{
    (void)state;
    endless(true, "length:0", TN_RESOURCE_EXHAUSTED);
    endless(false, "last:0", TN_DEADLINE_EXCEEDED);
}

/* One large matrix: its operator looks at the time while it works. */
static void test_matrices_end_in_time(void **state)
{
    (void)state;
    static const char *const ops[] = {"Svd", "SelfAdjointEigV2", "Eig", "MatrixInverse", "Qr", "MatrixExponential"};
    fixture f;
    tn_tensor *x;
    const tn_shape shape = TN_SHAPE(1500, 1500);
    fixture_open(&f);
    tn_node in = tn_placeholder(f.b, "x", TN_DOUBLE, shape);
    for (size_t i = 0; i < TN_COUNT(ops); i++) {
        const tn_attr out = tn_attr_type("Tout", TN_COMPLEX128);
        assert_non_null(tn_add_operation(f.b, ops[i], ops[i], &in, 1, &out, !strcmp(ops[i], "Eig")));
    }
    assert_int_equal(tn_builder_check(f.b, &f.err), TN_OK);
    tn_session_options o = {.threads = 1, .time_limit = 0.01};
    assert_int_equal(tn_session_new(f.g, &o, &f.s, &f.err), TN_OK);
    assert_int_equal(tn_tensor_new(TN_DOUBLE, &shape, &x, NULL), TN_OK);
    for (int64_t i = 0; i < tn_tensor_count(x); i++) ((double *)x->data)[i] = sin((double)(i * i % 1009));
    for (size_t i = 0; i < TN_COUNT(ops); i++) {
        tn_tensor *out;
        tn_code code = tn_session_run(f.s, &(tn_feed){"x:0", x}, 1, &ops[i], 1, &out, NULL, 0, &f.err);
        if (code != TN_DEADLINE_EXCEEDED) print_message("%s: %s\n", ops[i], f.err.message);
        assert_int_equal(code, TN_DEADLINE_EXCEEDED);
    }
    tn_tensor_unref(x);
    fixture_close(&f);
}

static void test_limit_is_on_the_sum(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1)), times = tn_placeholder(f.b, "times", TN_INT32, TN_SHAPE(1));
    tn_node tiles[3], zero = tn_ints(f.b, (int64_t[]){0}, 1);
    for (int i = 0; i < 3; i++) tiles[i] = tn_op(f.b, "Tile", TN_INPUTS(tn_scale(f.b, x, i + 2), times), TN_NO_ATTRS);
    tn_op_named(f.b, "Max", "one", TN_INPUTS(tiles[0], zero), TN_NO_ATTRS);
    tn_op_named(f.b, "Max", "all", TN_INPUTS(tn_op(f.b, "AddN", TN_INPUTS(tiles[0], tiles[1], tiles[2]), TN_NO_ATTRS), zero), TN_NO_ATTRS);
    tn_session_options o = {.threads = 1, .memory_limit = 10000};
    assert_int_equal(tn_session_new(f.g, &o, &f.s, &f.err), TN_OK);
    tn_tensor *one = vector(1, (float[]){5}), *n;
    assert_int_equal(tn_tensor_int64s(TN_INT32, (int64_t[]){1000}, 1, &n, NULL), TN_OK); /* 4000 bytes a value */
    double v;
    tn_feed feeds[] = {{"x:0", one}, {"times:0", n}};
    assert_int_equal(fetch_one(f.s, feeds, 2, "one:0", &v, &f.err), TN_OK);
    assert_int_equal(fetch_one(f.s, feeds, 2, "all:0", &v, &f.err), TN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(f.err.message, "OOM when allocating tensor with shape[1000] and type float"));
    assert_non_null(strstr(f.err.message, "{{node "));
    tn_tensor_unref(one);
    tn_tensor_unref(n);
    fixture_close(&f);
}

static void test_memory_limit(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_node y = tn_op(f.b, "Tile", TN_INPUTS(x, tn_ints(f.b, (int64_t[]){100}, 1)), TN_NO_ATTRS);
    tn_op_named(f.b, "Max", "y", TN_INPUTS(y, tn_ints(f.b, (int64_t[]){0}, 1)), TN_NO_ATTRS);
    tn_node times = tn_placeholder(f.b, "times", TN_INT32, TN_SHAPE(1));
    tn_node z = tn_op(f.b, "Tile", TN_INPUTS(x, times), TN_NO_ATTRS);
    tn_op_named(f.b, "Max", "z", TN_INPUTS(z, tn_ints(f.b, (int64_t[]){0}, 1)), TN_NO_ATTRS);
    tn_session_options o = {.threads = 1, .memory_limit = 1500};
    assert_int_equal(tn_session_new(f.g, &o, &f.s, &f.err), TN_OK);
    tn_tensor *small = vector(1, (float[]){5}), *large = vector(4, (float[]){5, 6, 7, 8});
    double v;
    assert_int_equal(fetch_one(f.s, &(tn_feed){"x:0", small}, 1, "y:0", &v, &f.err), TN_OK);
    assert_float_equal(v, 5, 0);
    assert_int_equal(fetch_one(f.s, &(tn_feed){"x:0", large}, 1, "y:0", &v, &f.err), TN_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(f.err.message, "OOM when allocating"));
    for (int k = 0; k < 2; k++) { /* a size that only running finds */
        tn_tensor *n;
        assert_int_equal(tn_tensor_int64s(TN_INT32, (int64_t[]){k ? 1000000000 : 7}, 1, &n, NULL), TN_OK);
        assert_int_equal(fetch_one(f.s, (tn_feed[]){{"x:0", small}, {"times:0", n}}, 2, "z:0", &v, &f.err),
                         k ? TN_RESOURCE_EXHAUSTED : TN_OK);
        tn_tensor_unref(n);
    }
    tn_tensor_unref(small);
    tn_tensor_unref(large);
    fixture_close(&f);
}

/* Feeds are checked each time; an error leaves a callable usable. */
static void test_callable_after_errors(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_op_named(f.b, "Reshape", "y", TN_INPUTS(x, tn_ints(f.b, (int64_t[]){2, -1}, 2)), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_callable *c;
    const char *in = "x:0", *y = "y:0", *absent = "absent:0";
    const tn_tensor *out;
    assert_int_equal(tn_callable_new(f.s, &in, 1, &absent, 1, NULL, 0, &c, &f.err), TN_NOT_FOUND);
    assert_int_equal(tn_callable_new(f.s, &in, 1, &y, 1, NULL, 0, &c, &f.err), TN_OK);
    tn_tensor *four = vector(4, (float[]){1, 2, 3, 4}), *three = vector(3, (float[]){1, 2, 3}), *whole;
    assert_int_equal(tn_tensor_scalar(TN_INT32, 1, &whole, NULL), TN_OK);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(tn_callable_run(c, (const tn_tensor *const *)&four, &out, &f.err), TN_OK);
        assert_int_equal(tn_tensor_shape(out)->dim[1], 2);
        assert_int_equal(tn_callable_run(c, (const tn_tensor *const *)&three, &out, &f.err), TN_INVALID_ARGUMENT);
        assert_int_equal(tn_callable_run(c, (const tn_tensor *const *)&whole, &out, &f.err), TN_INVALID_ARGUMENT);
    }
    tn_callable_free(c);
    tn_tensor_unref(four);
    tn_tensor_unref(three);
    tn_tensor_unref(whole);
    fixture_close(&f);
}

/* Prepared once: names are copied, feeds are checked each time, any shape, results are the caller's. */
static void test_prepared(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1));
    tn_op_named(f.b, "Neg", "y", TN_INPUTS(x), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_prepared *p = NULL;
    char name[] = "x:0";
    const char *in = name, *out_names[] = {"y:0", "x:0"}, *absent = "absent:0";
    assert_int_equal(tn_prepared_new(f.s, &in, 1, &absent, 1, &p, &f.err), TN_NOT_FOUND);
    assert_null(p);
    assert_int_equal(tn_prepared_new(f.s, &in, 1, out_names, 2, &p, &f.err), TN_OK);
    memset(name, '?', 3);
    tn_tensor *out[2] = {NULL, NULL}, *whole;
    for (int n = 1; n < 4; n++) {
        tn_tensor *v = vector(n, (float[]){1, 2, 3});
        assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&v, out, NULL, &f.err), TN_OK);
        assert_true(tn_tensor_equal(out[1], v));
        assert_float_equal(TN_FLOATS(out[0])[n - 1], -n, 0);
        tn_tensor_unref(v);
        for (int i = 0; i < 2; i++) tn_tensor_unref(out[i]);
    }
    assert_int_equal(tn_tensor_scalar(TN_FLOAT, 1, &whole, NULL), TN_OK); /* any shape */
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&whole, out, NULL, &f.err), TN_OK);
    for (int i = 0; i < 2; i++) tn_tensor_unref(out[i]);
    tn_tensor_unref(whole);
    assert_int_equal(tn_tensor_scalar(TN_INT32, 1, &whole, NULL), TN_OK);
    out[0] = NULL;
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&whole, out, NULL, &f.err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(f.err.message, "of dtype int32 for 'x:0'"));
    assert_null(out[0]);
    tn_tensor_unref(whole);
    tn_prepared_free(p);
    tn_prepared_free(NULL);
    fixture_close(&f);
}

/* A run's own deadline and cancellation end a loop without end; the next run is not touched by them. */
static void test_prepared_limits(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    add_endless(&f, false);
    open_session(&f, 0);
    tn_prepared *p;
    const char *in = "go:0", *last = "last:0";
    tn_tensor *go, *out = NULL;
    atomic_int cancel = 1;
    assert_int_equal(tn_prepared_new(f.s, &in, 1, &last, 1, &p, &f.err), TN_OK);
    assert_int_equal(tn_tensor_scalar(TN_BOOL, 1, &go, NULL), TN_OK);
    tn_run_limits soon = {.deadline = tn_now_us() + 2000}, over = {.deadline = 1, .cancel = &cancel}, never = {.cancel = &cancel};
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&go, &out, &soon, &f.err), TN_DEADLINE_EXCEEDED);
    assert_string_equal(f.err.message, "Timed out waiting for notification"); /* no node's fault */
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&go, &out, &over, &f.err), TN_DEADLINE_EXCEEDED);
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&go, &out, &never, &f.err), TN_CANCELLED);
    assert_null(out);
    ((bool *)go->data)[0] = false;
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&go, &out, NULL, &f.err), TN_OK);
    tn_tensor_unref(out);
    atomic_store(&cancel, 0);
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&go, &out, &never, &f.err), TN_OK);
    tn_tensor_unref(out);
    tn_tensor_unref(go);
    tn_prepared_free(p);
    fixture_close(&f);
}

/* Who asks only what was prepared needs the variables that this reads, also within functions; the others go. */
static void test_unused_variables_go(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE());
    tn_node used = tn_variable(f.b, "used", tn_scalar(f.b, TN_FLOAT, 3), 0), old = tn_variable(f.b, "old", tn_scalar(f.b, TN_FLOAT, 5), TN_VAR_REF);
    tn_variable(f.b, "slot", tn_scalar(f.b, TN_FLOAT, 7), 0);
    tn_variable(f.b, "old_slot", tn_scalar(f.b, TN_FLOAT, 7), TN_VAR_REF);
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_node handle = tn_function_arg(body, "v", TN_RESOURCE, TN_SHAPE());
    tn_node read = tn_op(body, "ReadVariableOp", TN_INPUTS(handle), TN_ATTRS(tn_attr_type("dtype", TN_FLOAT)));
    tn_function_define(f.b, "reads", body, &read, 1);
    tn_builder_free(body);
    tn_node handles[] = {tn_output_of(tn_variable_of(f.b, used), 0)};
    tn_node inner = tn_output_of(tn_call(f.b, "reads", handles, 1), 0);
    tn_op_named(f.b, "AddN", "y", TN_INPUTS(x, inner, old), TN_NO_ATTRS);
    const char *init = tn_operation_name(tn_global_variables_initializer(f.b)), *in = "x:0", *y = "y:0";
    open_session(&f, 0);
    assert_int_equal(tn_session_run(f.s, NULL, 0, NULL, 0, NULL, &init, 1, &f.err), TN_OK);
    tn_session *s;
    tn_session_options o = {.threads = 1};
    assert_int_equal(tn_session_new(f.g, &o, &s, &f.err), TN_OK);
    static const char *const names[] = {"used", "old", "slot", "old_slot"};
    tn_tensor *v, *one;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tn_session_get(f.s, names[i], &v, &f.err), TN_OK);
        assert_int_equal(tn_session_set(s, names[i], v, &f.err), TN_OK);
        tn_tensor_unref(v);
    }
    tn_prepared *p;
    assert_int_equal(tn_prepared_new(s, &in, 1, &y, 1, &p, &f.err), TN_OK);
    assert_int_equal(tn_session_forget_unused(s, &f.err), TN_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tn_session_get(s, names[i], &v, &f.err), i < 2 ? TN_OK : TN_FAILED_PRECONDITION);
        if (i < 2) tn_tensor_unref(v);
    }
    assert_int_equal(tn_tensor_scalar(TN_FLOAT, 1, &one, NULL), TN_OK);
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&one, &v, NULL, &f.err), TN_OK);
    assert_float_equal(TN_FLOATS(v)[0], 9, 0);
    tn_tensor_unref(v);
    tn_tensor_unref(one);
    tn_prepared_free(p);
    tn_session_free(s);
    fixture_close(&f);
}

static void define(fixture *f, const char *name, const char *type)
{
    tn_builder *body = tn_builder_new(tn_function_graph(f->g));
    tn_node x = tn_function_arg(body, "x", TN_FLOAT, TN_SHAPE()), y = tn_op(body, type, TN_INPUTS(x), TN_NO_ATTRS);
    tn_function_define(f->b, name, body, &y, 1);
    tn_builder_free(body);
}

/* Who asks only what was prepared needs the functions that this calls, through others too. */
static void test_unused_functions_go(void **state)
{
    (void)state;
    static const char *const names[] = {"negates", "outer", "unused", "grad"};
    fixture f;
    fixture_open(&f);
    define(&f, "negates", "Neg");
    define(&f, "unused", "Square");
    define(&f, "grad", "Exp");
    tn_builder *body = tn_builder_new(tn_function_graph(f.g));
    tn_node arg = tn_function_arg(body, "x", TN_FLOAT, TN_SHAPE()), inner = tn_output_of(tn_call(body, "negates", &arg, 1), 0);
    tn_function_define(f.b, "outer", body, &inner, 1);
    tn_builder_free(body);
    tn_graph_function(f.g, "outer")->grad = "grad";
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE());
    tn_op_named(f.b, "Identity", "y", TN_INPUTS(tn_output_of(tn_call(f.b, "outer", &x, 1), 0)), TN_NO_ATTRS);
    tn_op_named(f.b, "Identity", "z", TN_INPUTS(tn_output_of(tn_call(f.b, "unused", &x, 1), 0)), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_prepared *p;
    tn_tensor *one, *v;
    const char *in = "x:0", *y = "y:0", *z = "z:0";
    assert_int_equal(tn_session_forget_functions(f.s, &f.err), TN_OK); /* nothing was prepared, and it owns nothing */
    tn_session_own_constants(f.s);
    assert_int_equal(tn_session_forget_functions(f.s, &f.err), TN_OK);
    for (int i = 0; i < 4; i++) assert_non_null(tn_graph_function(f.g, names[i]));
    assert_int_equal(tn_prepared_new(f.s, &in, 1, &y, 1, &p, &f.err), TN_OK);
    tn_malloc_fail_at(1);
    assert_int_equal(tn_session_forget_functions(f.s, &f.err), TN_RESOURCE_EXHAUSTED);
    tn_malloc_fail_at(0);
    assert_int_equal(tn_session_forget_functions(f.s, &f.err), TN_OK);
    for (int i = 0; i < 4; i++) assert_true(!tn_graph_function(f.g, names[i]) == (i == 2));
    assert_int_equal(tn_graph_function_count(f.g), 3);
    assert_int_equal(tn_tensor_scalar(TN_FLOAT, 2, &one, NULL), TN_OK);
    assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&one, &v, NULL, &f.err), TN_OK);
    assert_float_equal(TN_FLOATS(v)[0], -2, 0);
    tn_tensor_unref(v);
    tn_prepared_free(p);
    assert_int_not_equal(tn_prepared_new(f.s, &in, 1, &z, 1, &p, &f.err), TN_OK); /* it is told, and no more */
    tn_tensor_unref(one);
    fixture_close(&f);
}

/* Of programs that differ in their threads alone, a session at rest keeps the one that was asked last. */
static void test_one_number_of_threads(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    tn_op_named(f.b, "Neg", "y", TN_INPUTS(tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1))), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_prepared *p;
    const char *in = "x:0", *y = "y:0";
    static const int asked[] = {1, 2, 2, 4, 1}; /* threads, of vectors of 1, 1, 3, 3, 3 */
    assert_int_equal(tn_prepared_new(f.s, &in, 1, &y, 1, &p, &f.err), TN_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            tn_tensor *v, *out;
            const tn_run_limits limits = {.threads = asked[i]};
            assert_int_equal(tn_tensor_new(TN_FLOAT, &TN_SHAPE(i < 2 ? 1 : 3), &v, NULL), TN_OK);
            TN_FLOATS(v)[0] = 7;
            assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&v, &out, &limits, &f.err), TN_OK);
            assert_float_equal(TN_FLOATS(out)[0], -7, 0);
            tn_tensor_unref(v);
            tn_tensor_unref(out);
        }
        const tn_plan *plan = tn_map_value(f.s->plans, 0);
        assert_int_equal(plan->n_bound, 5);
        assert_true(tn_session_forget_ahead(f.s));
        assert_int_equal(plan->n_bound, 2);
        for (int i = 0; i < 2; i++) {
            const tn_program *q = plan->bound[i]->program;
            assert_int_equal(q->threads, q->feed_shapes[0].dim[0] == 1 ? 2 : 1);
        }
        assert_false(tn_session_forget_ahead(f.s));
    }
    tn_prepared_free(p);
    fixture_close(&f);
}

/* Weights with a factor in them, and filters as kernels like them, are there once for all shapes. */
static void test_shapes_share_weights(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f);
    float filter[3 * 3 * 8 * 16], factor[16];
    for (int i = 0; i < 3 * 3 * 8 * 16; i++) filter[i] = (float)(i % 7) - 3;
    for (int i = 0; i < 16; i++) factor[i] = 1 + (float)i;
    tn_tensor *t[2];
    assert_int_equal(tn_tensor_of(TN_FLOAT, &TN_SHAPE(3, 3, 8, 16), filter, &t[0], NULL), TN_OK);
    assert_int_equal(tn_tensor_of(TN_FLOAT, &TN_SHAPE(16), factor, &t[1], NULL), TN_OK);
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, 12, 12, 8));
    const int64_t ones[] = {1, 1, 1, 1};
    tn_node c = tn_op(f.b, "Conv2D", TN_INPUTS(x, tn_constant(f.b, "w", t[0])), TN_ATTRS(tn_attr_ints("strides", ones, 4), tn_attr_str("padding", "SAME")));
    tn_op_named(f.b, "Mul", "y", TN_INPUTS(c, tn_constant(f.b, "s", t[1])), TN_NO_ATTRS);
    open_session(&f, 0);
    tn_prepared *p;
    const char *in = "x:0", *y = "y:0";
    int packs[3];
    assert_int_equal(tn_prepared_new(f.s, &in, 1, &y, 1, &p, &f.err), TN_OK);
    for (int n = 1; n <= 3; n++) {
        tn_tensor *v, *out;
        assert_int_equal(tn_tensor_new(TN_FLOAT, &TN_SHAPE(n, 12, 12, 8), &v, NULL), TN_OK);
        TN_FLOATS(v)[5 * 12 * 8 + 5 * 8] = 1; /* one pixel, one channel */
        assert_int_equal(tn_prepared_run(p, (const tn_tensor *const *)&v, &out, NULL, &f.err), TN_OK);
        for (int k = 0; k < 16; k++)
            assert_float_equal(TN_FLOATS(out)[(5 * 12 + 5) * 16 + k], filter[(4 * 8 + 0) * 16 + k] * factor[k], 1e-4f);
        tn_tensor_unref(v);
        tn_tensor_unref(out);
        packs[n - 1] = 0;
        for (const tn_pack *k = tn_session_store(f.s)->packs.first; k; k = k->next) packs[n - 1]++;
    }
    assert_true(packs[0] > 0);
    assert_int_equal(packs[0], packs[2]);
    tn_prepared_free(p);
    for (int i = 0; i < 2; i++) tn_tensor_unref(t[i]);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_feeds_and_constants),
        cmocka_unit_test(test_unused_functions_go), cmocka_unit_test(test_one_number_of_threads),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_callable_follows_shapes),
        cmocka_unit_test(test_parts_of_a_graph),
        cmocka_unit_test(test_sessions_are_apart),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_limit_is_on_the_sum),
        cmocka_unit_test(test_loops_without_end),
        cmocka_unit_test(test_matrices_end_in_time),
        cmocka_unit_test(test_callable_after_errors),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_prepared_limits),
        cmocka_unit_test(test_unused_variables_go),
        cmocka_unit_test(test_shapes_share_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
