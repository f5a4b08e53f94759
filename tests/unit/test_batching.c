/* SPDX-License-Identifier: Apache-2.0
 *
 * test_batching.c - questions put together: answers never mixed up, sizes, padding, splitting, refusals, who leaves.
 */
#include <sched.h>

#include "served_model.h"
#include "serve/batch_rows.h"

/* ==== one question ==== */

typedef struct question {
    tn_ask ask;
    const tn_tensor *in[2];
    tn_tensor *out[2];
    tn_tensor *own[2];
    atomic_int answered;
    tn_code code;
    tn_error err;
} question;

static void answered(tn_ask *a, tn_code code, tn_error *err)
{
    question *q = a->payload;
    q->code = code;
    if (code != TN_OK) q->err = *err;
    atomic_fetch_add(&q->answered, 1);
}

static void question_init(question *q, tn_servable *s, const char *signature, tn_tensor *a, tn_tensor *b)
{
    memset(q, 0, sizeof *q);
    q->own[0] = a;
    q->own[1] = b;
    q->in[0] = a;
    q->in[1] = b;
    q->ask = (tn_ask){.servable = s, .asker = tn_askers_named(s->askers, tn_view_of(signature)), .in = q->in,
                      .out = q->out, .done = answered, .payload = q};
    assert_non_null(q->ask.asker);
    q->ask.n_wanted = q->ask.asker->signature->n_out;
}

static void question_free(question *q)
{
    for (int i = 0; i < 2; i++) {
        tn_tensor_unref(q->own[i]);
        tn_tensor_unref(q->out[i]);
    }
}

static void wait_for(question *q)
{
    while (!atomic_load(&q->answered)) sched_yield();
}

/* [n, width], each row i has the number base + i in all columns. */
static tn_tensor *rows_from(int64_t n, int64_t width, float base)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_tensor_new(TN_FLOAT, &TN_SHAPE(n, width), &t, &err), &err);
    for (int64_t i = 0; i < n * width; i++) TN_FLOATS(t)[i] = base + (float)(i / width);
    return t;
}

/* y = 2 x */
static void check_scaled(const question *q)
{
    if (q->code != TN_OK) fail_msg("%s", q->err.message);
    assert_true(tn_shape_equal(&q->out[0]->shape, &q->in[0]->shape));
    for (int64_t i = 0; i < tn_tensor_count(q->in[0]); i++)
        if (TN_FLOATS(q->out[0])[i] != 2 * TN_FLOATS(q->in[0])[i])
            fail_msg("%g is not twice %g", TN_FLOATS(q->out[0])[i], TN_FLOATS(q->in[0])[i]);
}

/* ==== a batcher ==== */

static const tn_batching plain = {.max_batch_size = 8, .max_enqueued_batches = 1000, .num_batch_threads = 2,
                                  .max_execution_batch_size = 8};

static tn_servable *served(void **state, const tn_batching *o)
{
    tn_error err;
    tn_servable *s = load_served(state, false);
    assert_ok(tn_batcher_new(o, NULL, &s->batcher, &err), &err);
    return s;
}

/* A batcher whose only thread is held, so that what comes waits; release lets it go. */
typedef struct held {
    tn_servable *servable;
    tn_queue gate;
    pthread_mutex_t lock;
    tn_piece piece;
    atomic_int entered;
} held;

static void hold(tn_queue *q, tn_batch *b, bool had_to_wait)
{
    held *h = (held *)((char *)q - offsetof(held, gate));
    (void)had_to_wait;
    atomic_store(&h->entered, 1);
    pthread_mutex_lock(&h->lock);
    pthread_mutex_unlock(&h->lock);
    tn_free(b);
}

static void held_init(held *h, void **state, const tn_batching *o, tn_batch_threads **threads)
{
    tn_error err;
    tn_batching own = *o;
    int n;
    assert_ok(tn_batch_threads_new(1, threads, &err), &err);
    own.threads = *threads;
    memset(h, 0, sizeof *h);
    h->servable = served(state, &own);
    pthread_mutex_init(&h->lock, NULL);
    pthread_mutex_lock(&h->lock);
    h->gate.run = hold;
    h->gate.tuning.most = 1;
    tn_batch_threads_add(*threads, &h->gate);
    tn_queue_limits limits = {1, 1, 1, false};
    assert_ok(tn_queue_add(*threads, &h->gate, &limits, 1, &h->piece, &n, &err), &err);
    while (!atomic_load(&h->entered)) sched_yield();
}

static void release(held *h)
{
    pthread_mutex_unlock(&h->lock);
}

static void held_free(held *h, tn_batch_threads *threads)
{
    tn_batch_threads_remove(threads, &h->gate);
    tn_servable_unref(h->servable);
    tn_batch_threads_free(threads);
    pthread_mutex_destroy(&h->lock);
}

static void start(question *q)
{
    tn_ask_start(&q->ask, NULL);
}

/* ==== answers ==== */

enum { ASKERS = 6, ROUNDS = 150, IN_FLIGHT = 4 };

typedef struct user {
    tn_servable *servable;
    int number;
    const char *signature;
} user;

static void *use(void *arg)
{
    user *u = arg;
    unsigned seed = (unsigned)u->number * 7919u + 1;
    for (int i = 0; i < ROUNDS; i++) {
        question q[IN_FLIGHT];
        for (int k = 0; k < IN_FLIGHT; k++) {
            seed = seed * 1664525u + 1013904223u;
            float base = (float)(u->number * 100000 + i * 100 + k * 20);
            question_init(&q[k], u->servable, "scale", rows_from(1 + (seed >> 20) % 8, 3, base), NULL);
            start(&q[k]);
        }
        for (int k = 0; k < IN_FLIGHT; k++) {
            wait_for(&q[k]);
            assert_int_equal(atomic_load(&q[k].answered), 1);
            check_scaled(&q[k]);
            question_free(&q[k]);
        }
    }
    return NULL;
}

static void many_users(void **state, const tn_batching *o)
{
    pthread_t threads[ASKERS];
    user users[ASKERS];
    tn_servable *s = served(state, o);
    for (int i = 0; i < ASKERS; i++) {
        users[i] = (user){.servable = s, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) pthread_join(threads[i], NULL);
    tn_servable_unref(s);
    tn_remove_tree(in(state, "m"), NULL);
}

static void test_never_mixed_up(void **state)
{
    many_users(state, &plain);
}

static void test_never_mixed_up_with_sizes(void **state)
{
    tn_batching o = plain;
    static const int64_t sizes[] = {2, 5, 8};
    o.batch_timeout_micros = 200;
    o.allowed_batch_sizes = sizes;
    o.n_allowed = 3;
    many_users(state, &o);
}

static void test_never_mixed_up_split(void **state)
{
    tn_batching o = plain;
    o.max_batch_size = 20;
    o.max_execution_batch_size = 3;
    o.enable_large_batch_splitting = true;
    many_users(state, &o);
}

static void test_never_mixed_up_tuned(void **state)
{
    tn_batching o = plain;
    o.latency_target_ms = 0.05; /* too short: batches shrink */
    many_users(state, &o);
    o.enable_large_batch_splitting = true;
    many_users(state, &o);
}

/* Two inputs, two outputs; and a filter, whose questions are batched among themselves. */
static void test_outputs(void **state)
{
    held h;
    tn_batch_threads *threads;
    question q[4];
    const int second = 1;
    held_init(&h, state, &plain, &threads);
    for (int i = 0; i < 4; i++) {
        question_init(&q[i], h.servable, "serving_default", rows_from(2, 2, (float)i), rows_from(2, 2, 10.0f * (float)i));
        if (i >= 2) q[i].ask.wanted = &second;
        if (i >= 2) q[i].ask.n_wanted = 1;
        start(&q[i]);
    }
    release(&h);
    for (int i = 0; i < 4; i++) wait_for(&q[i]);
    /* a product of batches is no batch of products: [4, 2] x [4, 2] */
    assert_int_equal(q[0].code, TN_INVALID_ARGUMENT);
    assert_int_equal(q[1].code, TN_INVALID_ARGUMENT);
    assert_string_equal(q[0].err.message, q[1].err.message);
    assert_says(&q[0].err, "Matrix size-incompatible: In[0]: [4,2], In[1]: [4,2]\n\t [[{{node MatMul}}]]");
    for (int i = 2; i < 4; i++) {
        assert_int_equal(q[i].code, TN_OK);
        assert_true(TN_FLOATS(q[i].out[0])[0] == 11.0f * (float)i && TN_FLOATS(q[i].out[0])[3] == 11.0f * (float)i + 2);
    }
    for (int i = 0; i < 4; i++) question_free(&q[i]);
    held_free(&h, threads);
}

static void test_strings(void **state)
{
    held h;
    tn_batch_threads *threads;
    question q[2];
    static const int64_t sizes[] = {8};
    tn_batching o = plain;
    o.allowed_batch_sizes = sizes;
    o.n_allowed = 1;
    held_init(&h, state, &o, &threads);
    question_init(&q[0], h.servable, "strings", strings(&TN_SHAPE(2), (const char *[]){"one", ""}), NULL);
    question_init(&q[1], h.servable, "strings", strings(&TN_SHAPE(1), (const char *[]){"three"}), NULL);
    start(&q[0]);
    start(&q[1]);
    release(&h);
    for (int i = 0; i < 2; i++) {
        wait_for(&q[i]);
        assert_int_equal(q[i].code, TN_OK);
        assert_true(tn_tensor_equal(q[i].out[0], q[i].in[0]));
        question_free(&q[i]);
    }
    held_free(&h, threads);
}

/* ==== padding ==== */

static void ask_ragged(void **state, const tn_batching *o, question q[2])
{
    held h;
    tn_batch_threads *threads;
    held_init(&h, state, o, &threads);
    question_init(&q[0], h.servable, "scale", rows_from(2, 3, 1), NULL);
    question_init(&q[1], h.servable, "scale", rows_from(1, 5, 7), NULL);
    start(&q[0]);
    start(&q[1]);
    release(&h);
    wait_for(&q[0]);
    wait_for(&q[1]);
    held_free(&h, threads);
}

static void test_ragged(void **state)
{
    question q[2];
    ask_ragged(state, &plain, q);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(q[i].code, TN_FAILED_PRECONDITION);
        assert_string_equal(q[i].err.message,
                            "Tensors with name 'x:0' from different tasks have different shapes and padding is turned "
                            "off. Set pad_variable_length_inputs to true, or ensure that all tensors with the same name "
                            "have equal dimensions starting with the first dim.");
        question_free(&q[i]);
    }
}

/* A tensor's first element fills what it lacks. */
static void test_padded(void **state)
{
    question q[2];
    tn_batching o = plain;
    o.pad_variable_length_inputs = true;
    ask_ragged(state, &o, q);
    static const float wanted[] = {2, 2, 2, 2, 2, 4, 4, 4, 2, 2};
    assert_int_equal(q[0].code, TN_OK);
    assert_true(tn_shape_equal(&q[0].out[0]->shape, &TN_SHAPE(2, 5)));
    assert_memory_equal(q[0].out[0]->data, wanted, sizeof wanted);
    check_scaled(&q[1]);
    question_free(&q[0]);
    question_free(&q[1]);
}

static tn_code merge(const tn_shape *a, const tn_shape *b, int64_t extra, tn_tensor **whole, tn_error *err)
{
    tn_tensor *t[2];
    tn_loaded_value x = {.key = "x", .name = "x:0"};
    tn_loaded_signature signature = {.in = &x, .n_in = 1};
    tn_asker asker = {.signature = &signature};
    tn_ask asks[2];
    tn_batch batch = {.last = &batch.first, .n = 2};
    for (int i = 0; i < 2; i++) {
        const tn_shape *s = i ? b : a;
        assert_ok(tn_tensor_new(TN_FLOAT, s, &t[i], err), err);
        for (int64_t k = 0; k < tn_tensor_count(t[i]); k++) TN_FLOATS(t[i])[k] = (float)(k + 1 + 100 * i);
        asks[i] = (tn_ask){.asker = &asker, .in = (const tn_tensor **)&t[i]};
        asks[i].piece = (tn_piece){.ask = &asks[i], .rows = s->dim[0]};
        *batch.last = &asks[i].piece;
        batch.last = &asks[i].piece.next;
        batch.rows += s->dim[0];
    }
    tn_code code = tn_rows_merge(&batch, 0, extra, true, whole, err);
    tn_tensor_unref(t[0]);
    tn_tensor_unref(t[1]);
    return code;
}

static void merged(const tn_shape *a, const tn_shape *b, int64_t extra, const float *wanted, const tn_shape *shape)
{
    tn_error err;
    tn_tensor *whole;
    assert_ok(merge(a, b, extra, &whole, &err), &err);
    assert_true(tn_shape_equal(&whole->shape, shape));
    assert_memory_equal(whole->data, wanted, (size_t)tn_tensor_count(whole) * sizeof(float));
    tn_tensor_unref(whole);
}

static void test_padded_shapes(void **state)
{
    (void)state;
    merged(&TN_SHAPE(1, 1, 2), &TN_SHAPE(1, 2, 1), 0, (const float[]){1, 2, 1, 1, 101, 101, 102, 101}, &TN_SHAPE(2, 2, 2));
    merged(&TN_SHAPE(1, 2), &TN_SHAPE(1, 3), 1, (const float[]){1, 2, 1, 101, 102, 103, 101, 102, 103}, &TN_SHAPE(3, 3));
    merged(&TN_SHAPE(2), &TN_SHAPE(2), 2, (const float[]){1, 2, 101, 102, 101, 101}, &TN_SHAPE(6));
}

static void test_padded_ranks(void **state)
{
    tn_error err;
    tn_tensor *whole;
    (void)state;
    assert_code(merge(&TN_SHAPE(2, 3), &TN_SHAPE(2), 0, &whole, &err), TN_FAILED_PRECONDITION);
    assert_string_equal(err.message, "Tensors with name 'x:0' from different tasks have ranks 2 and 1, which no padding makes alike");
}

/* ==== refusals ==== */

static void refused(tn_servable *s, const char *signature, tn_tensor *a, tn_tensor *b, tn_code code, const char *message)
{
    question q;
    question_init(&q, s, signature, a, b);
    start(&q);
    wait_for(&q);
    assert_int_equal(q.code, code);
    assert_string_equal(q.err.message, message);
    question_free(&q);
}

static void test_refusals(void **state)
{
    tn_error err;
    tn_tensor *scalar;
    tn_servable *s = served(state, &plain);
    refused(s, "scale", rows_from(9, 1, 0), NULL, TN_INVALID_ARGUMENT,
            "Task size 9 is larger than maximum input batch size 8");
    refused(s, "serving_default", rows_from(2, 2, 0), rows_from(3, 2, 0), TN_INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size");
    assert_ok(tn_tensor_scalar(TN_FLOAT, 1, &scalar, &err), &err);
    refused(s, "scale", scalar, NULL, TN_INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension");
    refused(s, "total", rows_from(2, 2, 0), NULL, TN_FAILED_PRECONDITION, "Batched output tensor has 0 dimensions");
    refused(s, "serving_default", rows_from(4, 2, 0), rows_from(4, 2, 0), TN_INVALID_ARGUMENT,
            "Matrix size-incompatible: In[0]: [4,2], In[1]: [4,2]\n\t [[{{node MatMul}}]]");
    tn_servable_unref(s);
}

static void test_full(void **state)
{
    held h;
    tn_batch_threads *threads;
    question q[3];
    tn_batching o = plain;
    o.max_enqueued_batches = 2;
    held_init(&h, state, &o, &threads);
    for (int i = 0; i < 3; i++) {
        question_init(&q[i], h.servable, "scale", rows_from(8, 1, (float)i), NULL);
        start(&q[i]);
    }
    assert_int_equal(q[2].code, TN_UNAVAILABLE);
    assert_string_equal(q[2].err.message,
                        "The batch scheduling queue to which this task was submitted is full; currently 2 batches "
                        "enqueued and max_enqueued_batches is 2");
    release(&h);
    for (int i = 0; i < 3; i++) {
        wait_for(&q[i]);
        if (i < 2) check_scaled(&q[i]);
        question_free(&q[i]);
    }
    held_free(&h, threads);
}

static void test_full_when_split(void **state)
{
    held h;
    tn_batch_threads *threads;
    question q[2];
    tn_batching o = plain;
    o.max_enqueued_batches = 2;
    o.max_execution_batch_size = 3;
    o.enable_large_batch_splitting = true;
    held_init(&h, state, &o, &threads);
    question_init(&q[0], h.servable, "scale", rows_from(5, 1, 1), NULL);
    question_init(&q[1], h.servable, "scale", rows_from(2, 1, 1), NULL);
    start(&q[0]);
    start(&q[1]);
    assert_int_equal(q[1].code, TN_UNAVAILABLE);
    assert_string_equal(q[1].err.message,
                        "The batch scheduling queue to which this task was submitted is full; task size is 2 but "
                        "scheduling capacity is only 1 (num_enqueued_batches=2, max_enqueued_batches=2, "
                        "open_batch_size=2, max_execution_batch_size=3)");
    release(&h);
    wait_for(&q[0]);
    check_scaled(&q[0]);
    question_free(&q[0]);
    question_free(&q[1]);
    held_free(&h, threads);
}

/* ==== who leaves ==== */

static void test_leaving(void **state)
{
    held h;
    tn_batch_threads *threads;
    question q[3];
    atomic_int cancelled = 0;
    held_init(&h, state, &plain, &threads);
    for (int i = 0; i < 3; i++) {
        question_init(&q[i], h.servable, "scale", rows_from(2, 1, (float)i), NULL);
        if (i == 0) q[i].ask.cancel = &cancelled;
        if (i == 1) q[i].ask.deadline = 1;
        start(&q[i]);
    }
    atomic_store(&cancelled, 1);
    release(&h);
    for (int i = 0; i < 3; i++) wait_for(&q[i]);
    assert_int_equal(q[0].code, TN_CANCELLED);
    assert_int_equal(q[1].code, TN_RESOURCE_EXHAUSTED);
    assert_string_equal(q[1].err.message, "Run() timeout exceeded while waiting in batching queue");
    check_scaled(&q[2]);
    for (int i = 0; i < 3; i++) question_free(&q[i]);
    held_free(&h, threads);
}

static void test_waits_when_asked_to(void **state)
{
    question q;
    tn_servable *s = served(state, &plain);
    tn_error err;
    question_init(&q, s, "scale", rows_from(3, 2, 1), NULL);
    assert_ok(tn_ask_run(&q.ask, &err), &err);
    check_scaled(&q);
    question_free(&q);
    question_init(&q, s, "scale", rows_from(0, 2, 1), NULL); /* nothing to put together */
    assert_ok(tn_ask_run(&q.ask, &err), &err);
    assert_int_equal(q.out[0]->shape.dim[0], 0);
    question_free(&q);
    question_init(&q, s, "scale", rows_from(9, 2, 1), NULL);
    assert_code(tn_ask_run(&q.ask, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "Task size 9");
    assert_false(tn_ask_is_short(&q.ask));
    question_free(&q);
    tn_servable_unref(s);
}

static void test_no_memory(void **state)
{
    tn_batching o = plain;
    for (int splits = 0; splits < 2; splits++) {
        o.enable_large_batch_splitting = splits;
        o.max_execution_batch_size = 3;
        o.threads = NULL;
        tn_servable *s = served(state, &o);
        for (int n = 1; n < 40; n++) {
            question q;
            question_init(&q, s, "scale", rows_from(8, 2, (float)n), NULL);
            tn_malloc_fail_at(n);
            start(&q);
            wait_for(&q);
            tn_malloc_fail_at(0);
            if (q.code == TN_OK) check_scaled(&q);
            else assert_int_equal(q.code, TN_RESOURCE_EXHAUSTED);
            question_free(&q);
        }
        tn_servable_unref(s);
        tn_remove_tree(in(state, "m"), NULL);
    }
}

/* ==== parameters and tuning ==== */

static void test_parameters(void **state)
{
    tn_error err;
    tn_batching b;
    tn_arena *a = arena_of(state);
    assert_ok(tn_batching_parse(TN_VIEW(""), NULL, a, &b, &err), &err);
    assert_int_equal(b.max_batch_size, 1000);
    assert_int_equal(b.batch_timeout_micros, 0);
    assert_int_equal(b.max_enqueued_batches, 10);
    assert_int_equal(b.num_batch_threads, tn_core_count());
    assert_int_equal(b.max_execution_batch_size, 1000);
    assert_ok(tn_batching_parse(TN_VIEW("max_batch_size { value: 64 } batch_timeout_micros { value: 500 } "
                                        "num_batch_threads { value: 3 } allowed_batch_sizes: 8 allowed_batch_sizes: 64 "
                                        "pad_variable_length_inputs: true thread_pool_name { value: 'p' }"),
                                NULL, a, &b, &err), &err);
    assert_int_equal(b.n_allowed, 2);
    assert_true(b.pad_variable_length_inputs);
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"},
        {"batch_timeout_micros { value: -1 }", "batch_timeout_micros must be non-negative; was -1"},
        {"max_enqueued_batches { value: -2 }", "max_enqueued_batches must be non-negative; was -2"},
        {"num_batch_threads { value: 0 }", "num_batch_threads must be positive; was 0"},
        {"allowed_batch_sizes: 4 allowed_batch_sizes: 4", "allowed_batch_sizes entries must be monotonically increasing"},
        {"max_batch_size { value: 8 } allowed_batch_sizes: 4",
         "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4; expected 8"},
        {"max_batch_size { value: 8 } allowed_batch_sizes: 8 enable_large_batch_splitting { value: true } "
         "max_execution_batch_size { value: 4 }",
         "Last entry in allowed_batch_sizes must match max_execution_batch_size; last entry was 8; expected 4"},
    };
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        assert_code(tn_batching_parse(tn_view_of(bad[i].text), NULL, a, &b, &err), TN_INVALID_ARGUMENT);
        assert_string_equal(err.message, bad[i].message);
    }
    assert_code(tn_batching_parse(TN_VIEW("max_batch: 3"), NULL, a, &b, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "Error parsing text-format tensorflow.serving.BatchingParameters");
    assert_code(tn_batching_parse(TN_VIEW("max_batch: 3"), "b.txt", a, &b, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "Invalid protobuf file: 'b.txt': Error parsing text-format tensorflow.serving.BatchingParameters: line 1");
    assert_code(tn_batching_parse(TN_VIEW("max_batch_size { value: -1 }"), "b.txt", a, &b, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "b.txt: max_batch_size");
}

/* `n` batches of so many rows, each taking so long, `apart` microseconds from one to the next. */
static void measure(tn_tuning *t, int64_t *now, int n, int64_t took, int64_t apart, int64_t rows, int questions)
{
    for (int i = 0; i < n; i++) {
        *now += apart;
        tn_tuning_measured(t, &(tn_measured){*now, took, rows, questions, true});
    }
}

static void test_tuning(void **state)
{
    (void)state;
    int64_t now = 1000000;
    tn_tuning t = {.target_us = 16000, .most = 64, .largest = 64};
    /* alone: nothing is waited for, once the try has shown that it brings nobody */
    measure(&t, &now, 500, 100, 100, 1, 1);
    assert_int_equal(t.timeout_us, 0);
    /* longer waiting helps (rows grow with it): it is lengthened to half of the target */
    t = (tn_tuning){.target_us = 16000, .most = 64, .largest = 64};
    for (int i = 0; i < 2000; i++) measure(&t, &now, 1, 1000, 1000, 4 + t.timeout_us / 100, 4);
    assert_int_equal(t.timeout_us, 8000);
    /* it does not help any more, and is too long: none is left, then batches shrink, to one row */
    measure(&t, &now, 12, 17000, 17000, 64, 4);
    assert_int_equal(t.timeout_us, 0);
    assert_true(t.most < 64);
    measure(&t, &now, 100, 17000, 17000, 64, 4);
    assert_int_equal(t.most, 1);
    measure(&t, &now, 100, 1000, 1000, 64, 4);
    assert_int_equal(t.most, 64);
    /* it never helps: it is tried less and less often */
    t = (tn_tuning){.target_us = 16000, .most = 64, .largest = 64};
    int waits = 0;
    for (int i = 0; i < 32 * 2000; i++) {
        measure(&t, &now, 1, 1000, 1000 + t.timeout_us, 8, 8);
        waits += t.timeout_us > 0;
    }
    assert_true(waits > 0 && waits < 32 * 20);
    tn_tuning fixed = {.timeout_us = 7, .most = 8, .largest = 8};
    measure(&fixed, &now, 100, 1 << 30, 1, 1, 1);
    assert_true(fixed.timeout_us == 7 && fixed.most == 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_never_mixed_up), TEST(test_never_mixed_up_with_sizes), TEST(test_never_mixed_up_split),
        TEST(test_never_mixed_up_tuned), TEST(test_outputs), TEST(test_strings), TEST(test_ragged), TEST(test_padded), TEST(test_padded_ranks),
        TEST(test_padded_shapes), TEST(test_refusals), TEST(test_full), TEST(test_full_when_split), TEST(test_leaving),
        TEST(test_waits_when_asked_to), TEST(test_no_memory), TEST(test_parameters), TEST(test_tuning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
