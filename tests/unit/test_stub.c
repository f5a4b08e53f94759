/* SPDX-License-Identifier: Apache-2.0
 *
 * test_stub.c - the client of model servers against a server in this process, over gRPC and over REST: what goes there
 * and comes back, refusals, questions without waiting, request logs asked again.
 */
#include "serve_test.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "wire/wire.h"

/* ==== a model that says what it is told ==== */

#define INFO(k, value, t, ...) {.key = k, .name = value, .dtype = t, .shape = __VA_ARGS__}
#define ROWS {1, {-1}}
static const tn_tensor_info in_infos[] = {INFO("a", "a:0", TN_FLOAT, {2, {-1, 2}}), INFO("i", "i:0", TN_INT64, ROWS),
                                          INFO("s_bytes", "s:0", TN_STRING, ROWS)};
static const tn_tensor_info out_infos[] = {INFO("a", "same_a:0", TN_FLOAT, {2, {-1, 2}}), INFO("i", "same_i:0", TN_INT64, ROWS),
                                           INFO("s_bytes", "same_s:0", TN_STRING, ROWS)};
static const tn_signature signature = {"serving_default", TN_PREDICT_METHOD, in_infos, out_infos, 3, 3};

static void put_echo(void **state, const char *base)
{
    tn_builder *b = tn_builder_new(tn_graph_new());
    tn_op_named(b, "Identity", "same_a", TN_INPUTS(tn_placeholder(b, "a", TN_FLOAT, TN_SHAPE(-1, 2))), TN_NO_ATTRS);
    tn_op_named(b, "Identity", "same_i", TN_INPUTS(tn_placeholder(b, "i", TN_INT64, TN_SHAPE(-1))), TN_NO_ATTRS);
    tn_op_named(b, "Identity", "same_s", TN_INPUTS(tn_placeholder(b, "s", TN_STRING, TN_SHAPE(-1))), TN_NO_ATTRS);
    put_graph(state, base, b, &signature);
}

/* ==== a server ==== */

static int listener(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

typedef struct site {
    tn_server *server;
    tn_stub *stubs[2]; /* gRPC, REST */
} site;

static tn_stub *stub_of(const char *target)
{
    tn_stub *s;
    tn_error err;
    assert_ok(tn_stub_new(&(tn_stub_options){.server = target}, &s, &err), &err);
    return s;
}

/* Somebody else may take the port before the server does: then another one. */
static void open_site(void **state, site *s)
{
    tn_server_options o;
    tn_error err;
    int port = 0;
    put_echo(state, "m");
    tn_server_defaults(&o);
    o.port = 0;
    o.grpc_socket_path = in(state, "grpc");
    o.model_name = "m";
    o.model_base_path = in(state, "m");
    tn_code code = TN_INTERNAL;
    for (int i = 0; i < 20 && code; i++) {
        close(listener(&port));
        o.rest_api_port = port;
        assert_ok(tn_server_new(&o, &s->server, &err), &err);
        code = tn_server_start(s->server, &err);
        if (code) tn_server_free(s->server);
    }
    assert_ok(code, &err);
    s->stubs[0] = stub_of(tn_arena_printf(arena_of(state), "unix:%s", in(state, "grpc")));
    s->stubs[1] = stub_of(tn_arena_printf(arena_of(state), "http://127.0.0.1:%d/", port));
}

static void close_site(site *s)
{
    tn_stub_free(s->stubs[0]);
    tn_stub_free(s->stubs[1]);
    tn_server_free(s->server);
}

/* ==== questions ==== */

typedef struct asked { /* two rows */
    tn_tensor *a, *i, *s;
    tn_feed feeds[3];
} asked;

static tn_question ask_two_rows(asked *q)
{
    tn_error err;
    q->a = floats(&TN_SHAPE(2, 2), (float[]){0.1f, NAN, INFINITY, -3e-38f});
    assert_ok(tn_tensor_new(TN_INT64, &TN_SHAPE(2), &q->i, &err), &err);
    ((int64_t *)q->i->data)[0] = INT64_MAX;
    ((int64_t *)q->i->data)[1] = -5;
    assert_ok(tn_tensor_new(TN_STRING, &TN_SHAPE(2), &q->s, &err), &err);
    assert_ok(tn_string_set(q->s, 0, "a\0\xff\"", 4, &err), &err);
    assert_ok(tn_string_set(q->s, 1, "", 0, &err), &err);
    q->feeds[0] = (tn_feed){"s_bytes", q->s};
    q->feeds[1] = (tn_feed){"a", q->a};
    q->feeds[2] = (tn_feed){"i", q->i};
    return (tn_question){.model = "m", .inputs = q->feeds, .n_inputs = 3};
}

static void drop_asked(asked *q)
{
    tn_tensor_unref(q->a);
    tn_tensor_unref(q->i);
    tn_tensor_unref(q->s);
}

static void assert_two_rows(const tn_answer *a)
{
    static const char *const names[] = {"a", "i", "s_bytes"};
    assert_int_equal(a->n, 3);
    for (int i = 0; i < 3; i++) assert_string_equal(a->names[i], names[i]);
    const float *v = TN_FLOATS(a->values[0]);
    assert_true(a->values[0]->shape.rank == 2 && a->values[0]->shape.dim[0] == 2 && a->values[0]->shape.dim[1] == 2);
    assert_true(v[0] == 0.1f && isnan(v[1]) && v[2] == INFINITY && v[3] == -3e-38f);
    assert_int_equal(a->values[1]->dtype, TN_INT64);
    assert_true(((const int64_t *)a->values[1]->data)[0] == INT64_MAX && ((const int64_t *)a->values[1]->data)[1] == -5);
    const tn_string *s = TN_STRINGS(a->values[2]);
    assert_int_equal(s[0].n, 4);
    assert_memory_equal(s[0].p, "a\0\xff\"", 4);
    assert_int_equal(s[1].n, 0);
}

static void test_predict(void **state)
{
    site s;
    asked q;
    tn_error err;
    open_site(state, &s);
    tn_question question = ask_two_rows(&q);
    for (int i = 0; i < 2; i++) {
        tn_answer a;
        assert_ok(tn_stub_predict(s.stubs[i], &question, &a, &err), &err);
        assert_two_rows(&a);
        if (i == 0) assert_true(a.version == 1 && strcmp(a.model, "m") == 0);
        tn_answer_free(&a);
        const char *wanted = "i";
        tn_question some = question;
        some.version = 1;
        some.outputs = &wanted;
        some.n_outputs = 1;
        assert_ok(tn_stub_predict(s.stubs[i], &some, &a, &err), &err);
        assert_true(a.n == 1 && strcmp(a.names[0], "i") == 0);
        tn_answer_free(&a);
    }
    drop_asked(&q);
    close_site(&s);
}

static void test_describe(void **state)
{
    site s;
    tn_error err;
    open_site(state, &s);
    for (int i = 0; i < 2; i++) {
        tn_described_signature d;
        assert_ok(tn_stub_describe(s.stubs[i], &(tn_question){.model = "m"}, &d, &err), &err);
        assert_int_equal(d.version, 1);
        assert_string_equal(d.signature.method, TN_PREDICT_METHOD);
        assert_true(d.signature.n_in == 3 && d.signature.n_out == 3);
        for (int k = 0; k < 3; k++) {
            const tn_loaded_value *v = &d.signature.in[k];
            int row = *v->key == 'a' ? 0 : *v->key == 'i' ? 1 : 2;
            assert_string_equal(v->key, in_infos[row].key);
            assert_int_equal(v->dtype, in_infos[row].dtype);
            assert_int_equal(v->shape.rank, row ? 1 : 2);
            assert_int_equal(v->shape.dim[0], -1);
        }
        tn_described_signature_free(&d);
        tn_code code = tn_stub_describe(s.stubs[i], &(tn_question){.model = "m", .signature = "x"}, &d, &err);
        assert_int_equal(code, TN_NOT_FOUND);
        assert_non_null(strstr(err.message, "serving_default"));
    }
    close_site(&s);
}

static void test_refused(void **state)
{
    site s;
    asked q;
    tn_error err;
    tn_answer a;
    open_site(state, &s);
    const tn_question good = ask_two_rows(&q);
    for (int i = 0; i < 2; i++) {
        tn_question bad = good;
        bad.model = "nobody";
        assert_int_equal(tn_stub_predict(s.stubs[i], &bad, &a, &err), TN_NOT_FOUND);
        assert_non_null(strstr(err.message, "nobody"));
        bad = good;
        bad.version = 7;
        assert_int_equal(tn_stub_predict(s.stubs[i], &bad, &a, &err), TN_NOT_FOUND);
        bad = good;
        bad.label = "stable/x";
        assert_true(tn_stub_predict(s.stubs[i], &bad, &a, &err) != TN_OK);
        bad = good;
        bad.n_inputs = 2;
        assert_int_equal(tn_stub_predict(s.stubs[i], &bad, &a, &err), TN_INVALID_ARGUMENT);
        const char *wanted = "nothing";
        bad = good;
        bad.outputs = &wanted;
        bad.n_outputs = 1;
        assert_int_equal(tn_stub_predict(s.stubs[i], &bad, &a, &err), TN_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "nothing"));
        assert_ok(tn_stub_predict(s.stubs[i], &good, &a, &err), &err);
        tn_answer_free(&a);
    }
    drop_asked(&q);
    close_site(&s);
}

static void test_nobody_there(void **state)
{
    tn_error err;
    tn_answer a;
    tn_stub *s;
    int port;
    close(listener(&port));
    const char *targets[] = {tn_arena_printf(arena_of(state), "127.0.0.1:%d", port),
                             tn_arena_printf(arena_of(state), "http://127.0.0.1:%d", port)};
    for (int i = 0; i < 2; i++) {
        s = stub_of(targets[i]);
        assert_int_equal(tn_stub_predict(s, &(tn_question){.model = "m"}, &a, &err), TN_UNAVAILABLE);
        tn_stub_free(s);
    }
    assert_int_equal(tn_stub_new(&(tn_stub_options){.server = ""}, &s, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_stub_new(&(tn_stub_options){.server = "nowhere"}, &s, &err), TN_INVALID_ARGUMENT);
    assert_int_equal(tn_stub_new(&(tn_stub_options){.server = "h:1", .ca_file = "/nowhere"}, &s, &err), TN_NOT_FOUND);
}

/* ==== without waiting ==== */

typedef struct heard {
    atomic_int n, code;
    bool good;
} heard;

static void hear(void *payload, tn_code code, const char *message, const tn_answer *a)
{
    heard *h = payload;
    h->good = code == TN_OK ? a && a->n == 3 : !a && message;
    h->code = (int)code;
    atomic_fetch_add(&h->n, 1);
}

static void test_async(void **state)
{
    enum { MANY = 200 };
    site s;
    asked q;
    tn_error err;
    heard h[MANY] = {{0}};
    open_site(state, &s);
    tn_question question = ask_two_rows(&q);
    for (int i = 0; i < MANY; i++) assert_ok(tn_stub_predict_async(s.stubs[0], &question, hear, &h[i], NULL, &err), &err);
    for (int i = 0; i < MANY; i++) {
        assert_soon(atomic_load(&h[i].n) == 1);
        assert_true(h[i].code == TN_OK && h[i].good);
    }
    assert_int_equal(tn_stub_predict_async(s.stubs[1], &question, hear, &h[0], NULL, &err), TN_UNIMPLEMENTED);
    question.model = "nobody";
    heard no = {0};
    assert_ok(tn_stub_predict_async(s.stubs[0], &question, hear, &no, NULL, &err), &err);
    assert_soon(atomic_load(&no.n) == 1);
    assert_true(no.code == TN_NOT_FOUND && no.good);
    drop_asked(&q);
    close_site(&s);
}

/* A server that never says anything. */
static void test_deadline_and_cancel(void **state)
{
    asked q;
    tn_error err;
    tn_answer a;
    int port, fd = listener(&port);
    tn_stub *s = stub_of(tn_arena_printf(arena_of(state), "127.0.0.1:%d", port));
    tn_question question = ask_two_rows(&q);
    heard late = {0}, cancelled = {0}, left = {0};
    tn_future *f;
    question.seconds = 0.02;
    assert_int_equal(tn_stub_predict(s, &question, &a, &err), TN_DEADLINE_EXCEEDED);
    assert_ok(tn_stub_predict_async(s, &question, hear, &late, NULL, &err), &err);
    assert_soon(atomic_load(&late.n) == 1);
    assert_int_equal(late.code, TN_DEADLINE_EXCEEDED);
    question.seconds = 0;
    assert_ok(tn_stub_predict_async(s, &question, hear, &cancelled, &f, &err), &err);
    tn_future_cancel(f);
    tn_future_cancel(f);
    assert_soon(atomic_load(&cancelled.n) == 1);
    assert_int_equal(cancelled.code, TN_CANCELLED);
    tn_future_free(f);
    assert_ok(tn_stub_predict_async(s, &question, hear, &left, NULL, &err), &err);
    tn_stub_free(s);
    assert_int_equal(atomic_load(&left.n), 1);
    assert_int_equal(left.code, TN_CANCELLED);
    assert_int_equal(atomic_load(&cancelled.n), 1);
    drop_asked(&q);
    close(fd);
}

/* ==== request logs ==== */

static void put_record(tn_buf *out, const tn_PredictionLog *l)
{
    tn_buf bytes = {0};
    tn_error err;
    assert_ok(TN_ENCODE(PredictionLog, l, &bytes, &err), &err);
    tn_record_put(out, bytes.data, bytes.n);
    tn_buf_free(&bytes);
}

static void put_value(tn_arena *a, tn_TensorEntry_list *list, const char *key, const tn_tensor *t)
{
    tn_error err;
    tn_TensorEntry *e = TN_PUSH(a, list);
    e->key = tn_view_of(key);
    e->value = TN_NEW(a, tn_TensorProto);
    assert_ok(tn_tensor_to_proto(t, a, e->value, &err), &err);
}

/* The request of the two rows, and an answer in which a[0] is off by so much; off < 0: no answer; model: NULL, "m". */
static void put_predict(void **state, tn_buf *out, const asked *q, float off, const char *model)
{
    tn_arena *a = arena_of(state);
    tn_ModelSpec spec = {.name = tn_view_of(model ? model : "m")};
    tn_PredictRequest request = {.model_spec = &spec};
    tn_PredictResponse response = {.model_spec = &spec};
    tn_PredictLog predict = {.request = &request, .response = off < 0 ? NULL : &response};
    tn_PredictionLog log = {.log_type_case = 0};
    tn_tensor *first = floats(&TN_SHAPE(2, 2), (float[]){0.1f + off, NAN, INFINITY, -3e-38f});
    for (int i = 0; i < 3; i++) put_value(a, &request.inputs, q->feeds[i].name, q->feeds[i].value);
    put_value(a, &response.outputs, "a", first);
    put_value(a, &response.outputs, "i", q->i);
    put_value(a, &response.outputs, "s_bytes", q->s);
    TN_SET(&log, PredictionLog, log_type, predict_log) = &predict;
    put_record(out, &log);
    tn_tensor_unref(first);
}

typedef struct replayed {
    int n;
    tn_replay_verdict verdicts[8];
    tn_code codes[8];
    char texts[8][200];
} replayed;

static void told(void *payload, const tn_replayed *r)
{
    replayed *to = payload;
    assert_in_range(r->record, 0, 7);
    to->n++;
    to->verdicts[r->record] = r->verdict;
    to->codes[r->record] = r->code;
    snprintf(to->texts[r->record], sizeof to->texts[0], "%s", r->text);
}

static void test_replay(void **state)
{
    static const tn_replay_verdict wanted[] = {TN_REPLAY_EQUAL, TN_REPLAY_NEAR, TN_REPLAY_DIFFERENT, TN_REPLAY_ALONE,
                                               TN_REPLAY_FAILED, TN_REPLAY_SKIPPED, TN_REPLAY_FAILED};
    site s;
    asked q;
    tn_error err;
    tn_buf log = {0};
    replayed seen = {0};
    const char *path = in(state, "log.tfrecord");
    open_site(state, &s);
    ask_two_rows(&q);
    put_predict(state, &log, &q, 0, NULL);
    put_predict(state, &log, &q, 0.0005f, NULL);
    put_predict(state, &log, &q, 0.5f, NULL);
    put_predict(state, &log, &q, -1, NULL);
    put_predict(state, &log, &q, 0, "nobody");
    put_record(&log, &(tn_PredictionLog){.log_type_case = 0});
    tn_record_put(&log, "\xff\xff", 2);
    write_file(path, (tn_view){log.data, log.n});
    tn_replay_options o = {.tolerance = 0.001, .concurrency = 3, .told = told, .payload = &seen};
    assert_ok(tn_stub_replay(s.stubs[0], path, &o, &err), &err);
    assert_int_equal(seen.n, 7);
    for (int i = 0; i < 7; i++) assert_int_equal(seen.verdicts[i], wanted[i]);
    assert_string_equal(seen.texts[2], "a[0] was 0.600000024, is 0.100000001");
    assert_int_equal(seen.codes[4], TN_NOT_FOUND);
    seen = (replayed){0};
    o.model = "m";
    o.tolerance = 0;
    assert_ok(tn_stub_replay(s.stubs[0], path, &o, &err), &err);
    assert_int_equal(seen.verdicts[1], TN_REPLAY_DIFFERENT);
    assert_int_equal(seen.verdicts[4], TN_REPLAY_EQUAL);
    assert_int_equal(tn_stub_replay(s.stubs[1], path, &o, &err), TN_UNIMPLEMENTED);
    assert_int_equal(tn_stub_replay(s.stubs[0], in(state, "none"), &o, &err), TN_NOT_FOUND);
    tn_buf_free(&log);
    drop_asked(&q);
    close_site(&s);
}

/* ==== memory that ends ==== */

/* Somewhere between client and server an allocation fails: the question has its answer or an error, and the next one its answer. */
static void test_memory_of_a_question(void **state)
{
    static const tn_code codes[] = {TN_OK, TN_RESOURCE_EXHAUSTED, TN_UNAVAILABLE};
    site s;
    asked q;
    tn_answer answer;
    tn_error err;
    open_site(state, &s);
    const tn_question two = ask_two_rows(&q);
    for (int rest = 0; rest < 2; rest++) {
        int64_t k = 0, count;
        do {
            tn_malloc_fail_at(++k);
            tn_code code = tn_stub_predict(s.stubs[rest], &two, &answer, &err);
            count = tn_malloc_count();
            tn_malloc_fail_at(0);
            if (code != codes[0] && code != codes[1] && code != codes[2])
                fail_msg("%s, allocation %d: %s %s", rest ? "REST" : "gRPC", (int)k, tn_code_name(code), err.message);
            if (code != TN_OK) assert_ok(tn_stub_predict(s.stubs[rest], &two, &answer, &err), &err);
            assert_two_rows(&answer);
            tn_answer_free(&answer);
        } while (count >= k);
        assert_true(k > 20);
    }
    drop_asked(&q);
    close_site(&s);
}

/* A server starts, perhaps at the second attempt to load, and answers; or it says why not. */
static void test_memory_of_a_start(void **state)
{
    tn_server_options o;
    asked q;
    tn_answer answer;
    tn_error err;
    int started = 0, refused = 0;
    put_echo(state, "m");
    tn_server_defaults(&o);
    o.port = 0;
    o.grpc_socket_path = in(state, "grpc");
    o.model_name = "m";
    o.model_base_path = in(state, "m");
    o.load_retry_interval_micros = 1000;
    const tn_question two = ask_two_rows(&q);
    int64_t k = 0, count;
    do {
        tn_server *server = NULL;
        tn_malloc_fail_at(k += 1 + k / 4);
        tn_code code = tn_server_new(&o, &server, &err);
        if (code == TN_OK) code = tn_server_start(server, &err);
        count = tn_malloc_count();
        tn_malloc_fail_at(0);
        if (code == TN_OK) {
            tn_stub *stub = stub_of(tn_arena_printf(arena_of(state), "unix:%s", in(state, "grpc")));
            assert_ok(tn_stub_predict(stub, &two, &answer, &err), &err);
            assert_two_rows(&answer);
            tn_answer_free(&answer);
            tn_stub_free(stub);
        } else if (code != TN_RESOURCE_EXHAUSTED) {
            fail_msg("allocation %d: %s %s", (int)k, tn_code_name(code), err.message);
        }
        tn_server_free(server);
        started += code == TN_OK;
        refused += code != TN_OK;
    } while (count >= k);
    assert_true(started > 5 && refused > 5);
    drop_asked(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_predict), TEST(test_describe), TEST(test_refused), TEST(test_nobody_there),
        TEST(test_async), TEST(test_deadline_and_cancel), TEST(test_replay), TEST(test_memory_of_a_question),
        TEST(test_memory_of_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
