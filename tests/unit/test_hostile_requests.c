/* SPDX-License-Identifier: Apache-2.0
 *
 * test_hostile_requests.c - what is said to a whole server at both ports that is well-framed and makes no sense:
 * absurd shapes, messages within messages, lists within lists, JSON of every wrong kind; and what is odd but right.
 * Each gets its code and a message, and the server lives on.
 */
#include "server_process.h"

#include "wire/wire.h"

typedef struct site {
    server_process process;
    tn_grpc_channel *channel;
    tn_http_client *http;
} site;

static void open_site(void **state, site *s)
{
    tn_error err;
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    const char *base = tn_arena_printf(arena_of(state), "--model_base_path=%s", in(state, "m"));
    start_server(state, &s->process, NULL, (const char *const[]){"--model_name=m", base, NULL});
    tn_grpc_channel_options g = {.target = target_of(state, &s->process, false, false)};
    assert_ok(tn_grpc_channel_new(&g, &s->channel, &err), &err);
    assert_ok(tn_http_client_new(&(tn_http_client_options){.seconds = 60}, &s->http, &err), &err);
}

static void close_site(void **state, site *s)
{
    tn_grpc_channel_free(s->channel);
    tn_http_client_free(s->http);
    stop_server(state, &s->process);
}

/* ==== gRPC ==== */

#define SERVICE "/tensorflow.serving.PredictionService/"
#define MODEL "model_spec { name: 'm' } "
#define X(tensor) "inputs { key: 'x' value { dtype: DT_FLOAT " tensor " } }"
#define DIM(n) "dim { size: " #n " } "

static tn_code call(site *s, const char *method, tn_view bytes, tn_buf *answer, tn_error *err)
{
    char path[100];
    snprintf(path, sizeof path, SERVICE "%s", method);
    return tn_grpc_call_sync(s->channel, path, bytes, 60, answer, err);
}

static tn_code predict(void **state, site *s, const char *text, tn_buf *answer, tn_error *err)
{
    void *request;
    tn_buf bytes = {0};
    assert_ok(tn_proto_parse(TN_PROTO(PredictRequest), tn_view_of(text), arena_of(state), &request, err), err);
    assert_ok(tn_proto_encode(TN_PROTO(PredictRequest), request, &bytes, err), err);
    tn_code code = call(s, "Predict", (tn_view){bytes.data, bytes.n}, answer, err);
    tn_buf_free(&bytes);
    return code;
}

static void test_absurd_tensors(void **state)
{
    static const char *const rows[] = {
        X("tensor_shape { " DIM(1000000000000) DIM(1000000000000) "} float_val: 1"),
        X("tensor_shape { " DIM(9223372036854775807) "} float_val: 1"),
        X("tensor_shape { " DIM(-1) "} float_val: 1"),
        X("tensor_shape { " DIM(-9223372036854775808) DIM(2) "} float_val: 1"),
        X("tensor_shape { unknown_rank: true } float_val: 1"),
        X("tensor_shape { " DIM(4) "} tensor_content: 'abc'"),
        X("tensor_shape { " DIM(1099511627776) "} tensor_content: 'abcd'"),
        "inputs { key: 'x' value { dtype: DT_INVALID } }",
        "inputs { key: 'x' value { dtype: DT_RESOURCE tensor_shape { " DIM(1) "} } }",
        "inputs { key: 'x' value { dtype: DT_STRING tensor_shape { " DIM(1) "} string_val: 'x' } }",
        "inputs { key: 'x' }",
        "inputs { key: 'z' value { dtype: DT_FLOAT float_val: 1 } }",
        "",
    };
    site s;
    tn_error err;
    open_site(state, &s);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_buf answer = {0};
        err = (tn_error){0};
        tn_code code = predict(state, &s, tn_arena_printf(arena_of(state), MODEL "%s", rows[i]), &answer, &err);
        bool refused = code == TN_INVALID_ARGUMENT || (i < 2 && code == TN_RESOURCE_EXHAUSTED);
        if (!refused || !*err.message) fail_msg("%s: %s: '%s'", rows[i], tn_code_name(code), err.message);
        tn_buf_free(&answer);
    }
    close_site(state, &s);
}

/* Rows that are none, and numbers that are none, are answered as what they are. */
static void test_nothing_and_no_numbers(void **state)
{
    site s;
    tn_error err;
    tn_buf answer = {0};
    tn_PredictResponse *r;
    open_site(state, &s);
    assert_ok(predict(state, &s, MODEL X("tensor_shape { " DIM(0) DIM(1) "}"), &answer, &err), &err);
    assert_ok(TN_DECODE(PredictResponse, ((tn_view){answer.data, answer.n}), arena_of(state), &r, &err), &err);
    assert_int_equal(r->outputs.items[0].value->tensor_shape->dim.items[0].size, 0);
    assert_int_equal(r->outputs.items[0].value->float_val.n, 0);
    tn_buf_free(&answer);
    assert_ok(predict(state, &s, MODEL X("tensor_shape { " DIM(3) DIM(1) "} float_val: [nan, inf, -inf]"), &answer, &err), &err);
    assert_ok(TN_DECODE(PredictResponse, ((tn_view){answer.data, answer.n}), arena_of(state), &r, &err), &err);
    const float *y = r->outputs.items[0].value->float_val.items;
    assert_true(y[0] != y[0] && y[1] > 1e38f && y[2] < -1e38f);
    tn_buf_free(&answer);
    close_site(state, &s);
}

/* Field `tag` around all of it. */
static void wrap(tn_buf *b, const char *tag, size_t n_tag)
{
    tn_buf outer = {0};
    tn_buf_add(&outer, tag, n_tag);
    for (size_t n = b->n;; n >>= 7) {
        tn_buf_char(&outer, (char)(n < 128 ? n : (n & 127) | 128));
        if (n < 128) break;
    }
    tn_buf_add(&outer, b->data, b->n);
    tn_buf_free(b);
    *b = outer;
}

static void test_messages_within_messages(void **state)
{
    site s;
    tn_error err;
    tn_buf tensors = {0}, groups = {0}, answer = {0};
    open_site(state, &s);
    for (int i = 0; i < 3000; i++) { /* a tensor in a variant in a tensor in a variant */
        wrap(&tensors, "\x1a", 1);
        wrap(&tensors, "\x82\x01", 2);
    }
    wrap(&tensors, "\x12", 1);
    wrap(&tensors, "\x12", 1);
    tn_buf_reserve(&groups, 100000);
    memset(groups.data, '\x0b', 100000);
    groups.n = 100000;
    const tn_view said[] = {{tensors.data, tensors.n}, {groups.data, groups.n}, TN_VIEW("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                            TN_VIEW("\x0a\xff\xff\xff\xff\x0f"), TN_VIEW("\x0a\x7fshort")};
    static const char *const methods[] = {"Predict", "Classify", "Regress", "MultiInference", "GetModelMetadata"};
    for (size_t i = 0; i < TN_COUNT(said); i++)
        for (size_t k = 0; k < TN_COUNT(methods); k++) {
            err = (tn_error){0};
            tn_code code = call(&s, methods[k], said[i], &answer, &err);
            bool unread = i == 0 && k > 0; /* fields that this message does not have */
            if (!unread && (code == TN_OK || code == TN_UNAVAILABLE || !*err.message))
                fail_msg("%zu to %s: %s: %s", i, methods[k], tn_code_name(code), err.message);
        }
    tn_buf_free(&tensors);
    tn_buf_free(&groups);
    tn_buf_free(&answer);
    close_site(state, &s);
}

/* ==== REST ==== */

static int post(void **state, site *s, tn_view body, tn_buf *answer)
{
    tn_error err;
    int status = 0;
    const char *url = tn_arena_printf(arena_of(state), "http://localhost:%d/v1/models/m:predict", s->process.rest_port);
    tn_buf_clear(answer);
    assert_ok(tn_http_exchange(s->http, "POST", url, NULL, body, &status, answer, &err), &err);
    tn_buf_char(answer, 0);
    return status;
}

static void test_json(void **state)
{
    static const char *const wrong[] = {
        "", " ", "null", "true", "3", "\"text\"", "[]", "{}", "[1, 2]", "{\"instances\": 3}", "{\"instances\": {}}", "{\"instances\": null}",
        "{\"instances\": []}", "{\"instances\": \"1\"}", "{\"instances\": [\"1\"]}", "{\"instances\": [null]}", "{\"instances\": [true]}",
        "{\"instances\": [{}]}", "{\"instances\": [{\"z\": 1}]}", "{\"instances\": [{\"x\": 1}, 2]}", "{\"instances\": [[1], [1, 2]]}",
        "{\"instances\": [[1], 2]}", "{\"instances\": [1e999999]}", "{\"instances\": [1,]}", "{\"instances\": [1] ", "{\"instances\": [01]}",
        "{\"instances\": [+1]}", "{\"instances\": [.5]}", "{\"instances\": [0x10]}", "{\"instances\": [1]} 2", "{instances: [1]}", "{'instances': [1]}",
        "{\"instances\": [{\"b64\": \"!\"}]}", "{\"instances\": [1], \"inputs\": [1]}", "{\"inputs\": {}}",
        "{\"signature_name\": 3, \"instances\": [1]}", "{\"signature_name\": \"none\", \"instances\": [1]}", "{\"instances\": [\"\xff\xfe\"]}",
        "{\"instances\": [\"\\ud800\"]}", "{\"instances\": [\"\x01\"]}", "{\"instances\": [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}",
        "/* */ {\"instances\": [1]}", "{\"instances\": [1}", "<xml/>",
    };
    site s;
    tn_buf answer = {0}, deep = {0};
    open_site(state, &s);
    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        int status = post(state, &s, tn_view_of(wrong[i]), &answer);
        if (status < 400 || status >= 500 || !strstr(answer.data, "\"error\": \"")) fail_msg("%s: %d %s", wrong[i], status, answer.data);
    }
    for (int close = 0; close < 2; close++) { /* a hundred thousand lists, ended or not */
        for (int i = 0; i < 100000; i++) tn_buf_char(&deep, '[');
        for (int i = 0; i < 100000 && close; i++) tn_buf_char(&deep, ']');
        assert_int_equal(post(state, &s, (tn_view){deep.data, deep.n}, &answer), 400);
        tn_buf_clear(&deep);
    }
    assert_int_equal(post(state, &s, TN_VIEW("{\"instances\": [[1.0], [NaN], [-Infinity]]}"), &answer), 200);
    assert_non_null(strstr(answer.data, "[NaN]"));
    assert_int_equal(post(state, &s, TN_VIEW("{\"instances\": [1.0, 2.0, 5.0]}"), &answer), 200);
    assert_non_null(strstr(answer.data, "4.5"));
    tn_buf_free(&answer);
    tn_buf_free(&deep);
    close_site(state, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_absurd_tensors), TEST(test_nothing_and_no_numbers), TEST(test_messages_within_messages), TEST(test_json),
    };
    return cmocka_run_group_tests_name("hostile_requests", tests, NULL, NULL);
}
