/* SPDX-License-Identifier: Apache-2.0
 * Threads that share a session, its plans and its variables: some train, some read, with different shapes; and one
 * that cancels. Meant to be run under ThreadSanitizer too. */
#include "plan_test.h"

enum { STEPS = 200, READERS = 3, TRAINERS = 2 };

typedef struct job {
    fixture *f;
    int id;
    tn_code code;
    tn_error err;
} job;

/* x [?,2]; y = tanh(x w); "train": w += 1 everywhere, count += 1. Both of w's elements are always equal. */
static void write_model(fixture *f)
{
    fixture_open(f);
    tn_builder *b = f->b;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, 2));
    tn_node w = tn_variable(b, "w", constant_floats(b, TN_SHAPE(2, 1), (float[]){0, 0}), 0);
    tn_node count = tn_variable(b, "count", tn_scalar(b, TN_INT64, 0), 0);
    tn_node y = tn_op(b, "MatMul", TN_INPUTS(x, w), TN_NO_ATTRS);
    give_name(b, "y", y);
    give_name(b, "w_now", w);
    tn_operation *both[2];
    both[0] = tn_add_operation(b, "AssignAddVariableOp", NULL, TN_INPUTS(tn_output_of(tn_variable_of(b, w), 0),
                               constant_floats(b, TN_SHAPE(2, 1), (float[]){1, 1})), TN_NO_ATTRS);
    both[1] = tn_add_operation(b, "AssignAddVariableOp", NULL, TN_INPUTS(tn_output_of(tn_variable_of(b, count), 0),
                               tn_scalar(b, TN_INT64, 1)), TN_NO_ATTRS);
    tn_group(b, "train", 2, both);
    tn_operation *init = tn_global_variables_initializer(b);
    fixture_session(f, 0);
    run_operation(f, init);
}

static void *train(void *p)
{
    job *j = p;
    const char *target = "train";
    for (int i = 0; i < STEPS && !j->code; i++)
        j->code = tn_session_run(j->f->s, NULL, 0, NULL, 0, NULL, &target, 1, &j->err);
    return NULL;
}

static tn_code look(const tn_tensor *w, const tn_tensor *y, int n, tn_error *err)
{
    if (TN_FLOATS(w)[0] != TN_FLOATS(w)[1]) return tn_fail(err, TN_INTERNAL, "half a step is seen");
    for (int i = 0; i < n; i++)
        if (TN_FLOATS(y)[i] != 2 * (float)(int)(TN_FLOATS(y)[i] / 2)) return tn_fail(err, TN_INTERNAL, "a product of half a step");
    return TN_OK;
}

/* Feeds of ones, of more shapes than are kept. */
static void *read_on(void *p)
{
    job *j = p;
    const char *fetches[] = {"w_now:0", "y:0"};
    float ones[32];
    for (int i = 0; i < 32; i++) ones[i] = 1;
    for (int i = 0; i < STEPS && !j->code; i++) {
        int n = 1 + (i * (j->id + 1)) % 7;
        tn_tensor *out[2], *x;
        if (tn_tensor_of(TN_FLOAT, &TN_SHAPE(n, 2), ones, &x, &j->err)) break;
        j->code = tn_session_run(j->f->s, &(tn_feed){"x:0", x}, 1, fetches, 2, out, NULL, 0, &j->err);
        tn_tensor_unref(x);
        if (j->code) break;
        j->code = look(out[0], out[1], n, &j->err);
        tn_tensor_unref(out[0]);
        tn_tensor_unref(out[1]);
    }
    return NULL;
}

static void test_training_and_reading(void **state)
{
    (void)state;
    fixture f;
    pthread_t threads[READERS + TRAINERS];
    job jobs[READERS + TRAINERS];
    tn_tensor *count;
    write_model(&f);
    for (int i = 0; i < READERS + TRAINERS; i++) {
        jobs[i] = (job){.f = &f, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, i < TRAINERS ? train : read_on, &jobs[i]), 0);
    }
    for (int i = 0; i < READERS + TRAINERS; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].code) fail_msg("thread %d: %s", i, jobs[i].err.message);
    }
    assert_ok(tn_session_get(f.s, "count", &count, &f.err), &f.err);
    assert_int_equal(tn_tensor_int(count, 0), TRAINERS * STEPS);
    tn_tensor_unref(count);
    fixture_close(&f);
}

/* A callable each, of one plan and one shape. */
static void *call(void *p)
{
    job *j = p;
    tn_callable *c;
    tn_tensor *x;
    const tn_tensor *out[2];
    const char *in = "x:0", *fetches[] = {"w_now:0", "y:0"}, *target = "train";
    if (tn_tensor_of(TN_FLOAT, &TN_SHAPE(2, 2), (float[]){1, 1, 1, 1}, &x, &j->err)) return NULL;
    j->code = tn_callable_new(j->f->s, &in, 1, fetches, 2, &target, 1, &c, &j->err);
    for (int i = 0; i < STEPS && !j->code; i++) {
        j->code = tn_callable_run(c, (const tn_tensor *const *)&x, out, &j->err);
        if (!j->code) j->code = look(out[0], out[1], 2, &j->err);
    }
    tn_callable_free(c);
    tn_tensor_unref(x);
    return NULL;
}

static void test_callables(void **state)
{
    (void)state;
    fixture f;
    pthread_t threads[4];
    job jobs[4];
    tn_tensor *count;
    write_model(&f);
    for (int i = 0; i < 4; i++) {
        jobs[i] = (job){.f = &f, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, call, &jobs[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].code) fail_msg("thread %d: %s", i, jobs[i].err.message);
    }
    assert_ok(tn_session_get(f.s, "count", &count, &f.err), &f.err);
    assert_int_equal(tn_tensor_int(count, 0), 4 * STEPS);
    tn_tensor_unref(count);
    fixture_close(&f);
}

/* One prepared run by all, the same new shapes at once; and one thread that binds ahead. */
typedef struct prepared_job {
    tn_prepared *p;
    bool ahead;
    int id;
    tn_code code;
    tn_error err;
} prepared_job;

static tn_code run_prepared(prepared_job *j, int n, tn_tensor *x)
{
    tn_tensor *out[2];
    size_t bytes;
    if (j->ahead) return tn_prepared_bind(j->p, (const tn_tensor *const *)&x, &bytes, &j->err);
    TN_TRY(tn_prepared_run(j->p, (const tn_tensor *const *)&x, out, NULL, &j->err));
    tn_code code = look(out[0], out[1], n, &j->err);
    tn_tensor_unref(out[0]);
    tn_tensor_unref(out[1]);
    return code;
}

static void *ask_prepared(void *p)
{
    prepared_job *j = p;
    float ones[64];
    for (int i = 0; i < 64; i++) ones[i] = 1;
    for (int i = 0; i < STEPS && !j->code; i++) {
        int n = 1 + i / 6; /* more shapes than are kept */
        tn_tensor *x;
        if (tn_tensor_of(TN_FLOAT, &TN_SHAPE(n % 32, 2), ones, &x, &j->err)) break;
        j->code = run_prepared(j, n % 32, x);
        tn_tensor_unref(x);
    }
    return NULL;
}

static void test_prepared(void **state)
{
    (void)state;
    fixture f;
    pthread_t threads[5];
    prepared_job jobs[5];
    tn_prepared *p;
    const char *in = "x:0", *fetches[] = {"w_now:0", "y:0"};
    write_model(&f);
    assert_ok(tn_prepared_new(f.s, &in, 1, fetches, 2, &p, &f.err), &f.err);
    for (int i = 0; i < 5; i++) {
        jobs[i] = (prepared_job){.p = p, .ahead = i == 4, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_prepared, &jobs[i]), 0);
    }
    for (int i = 0; i < 5; i++) {
        pthread_join(threads[i], NULL);
        if (jobs[i].code) fail_msg("thread %d: %s", i, jobs[i].err.message);
    }
    tn_prepared_free(p);
    fixture_close(&f);
}

/* ==== cancelling ==== */

static void write_endless(fixture *f)
{
    fixture_open(f);
    for (int k = 0; k < 2; k++) {
        tn_builder *b = tn_builder_new(tn_function_graph(f->g));
        tn_node i = tn_function_arg(b, "i", TN_INT32, TN_SHAPE()), r;
        if (k) r = tn_op(b, "Mul", TN_INPUTS(i, i), TN_NO_ATTRS);
        else r = tn_op(b, "Less", TN_INPUTS(i, tn_scalar(b, TN_INT32, 5)), TN_NO_ATTRS);
        tn_function_define(f->b, k ? "body" : "cond", b, &r, 1);
        tn_builder_free(b);
    }
    tn_operation *loop = tn_while(f->b, "cond", "body", TN_INPUTS(tn_scalar(f->b, TN_INT32, 1)));
    give_name(f->b, "never", tn_output_of(loop, 0));
    give_name(f->b, "soon", tn_scalar(f->b, TN_FLOAT, 4));
    fixture_session(f, 0);
}

static void *run_endless(void *p)
{
    job *j = p;
    tn_tensor *out;
    const char *fetch = "never:0";
    j->code = tn_session_run(j->f->s, NULL, 0, &fetch, 1, &out, NULL, 0, &j->err);
    return NULL;
}

static void *keep_cancelling(void *p)
{
    job *j = p;
    struct timespec nap = {.tv_nsec = 1000000};
    while (!atomic_load((atomic_int *)&j->id)) {
        tn_session_cancel(j->f->s);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    fixture f;
    pthread_t runner, canceller;
    write_endless(&f);
    job run = {.f = &f}, cancel = {.f = &f};
    assert_int_equal(pthread_create(&runner, NULL, run_endless, &run), 0);
    assert_int_equal(pthread_create(&canceller, NULL, keep_cancelling, &cancel), 0);
    pthread_join(runner, NULL);
    atomic_store((atomic_int *)&cancel.id, 1);
    pthread_join(canceller, NULL);
    assert_int_equal(run.code, TN_CANCELLED);
    tn_tensor *out = run_fed(&f, NULL, 0, "soon:0"); /* the next run is not */
    assert_float_equal(TN_FLOATS(out)[0], 4, 0);
    tn_tensor_unref(out);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_and_reading),
        cmocka_unit_test(test_callables),
        cmocka_unit_test(test_prepared),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
