/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rest.c - the REST API over real sockets: what TensorFlow Serving answers, to the byte, and what we answer beyond.
 */
#include "serve_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "serve/rest.h"
#include "wire/wire.h"

/* ==== a model of several forms ==== */

#define INFO(k, value, t, ...) {.key = k, .name = value, .dtype = t, .shape = __VA_ARGS__}
#define ANY {1, {-1}}
static const tn_tensor_info x_in[] = {INFO("x", "x:0", TN_FLOAT, {2, {-1, 2}})};
static const tn_tensor_info twice_out[] = {INFO("y", "twice:0", TN_FLOAT, {2, {-1, 2}})};
static const tn_tensor_info two_in[] = {INFO("a", "a:0", TN_FLOAT, ANY), INFO("b", "b:0", TN_INT32, ANY)};
static const tn_tensor_info two_out[] = {INFO("a", "same_a:0", TN_FLOAT, ANY), INFO("b", "same_b:0", TN_INT32, ANY)};
static const tn_tensor_info strings_in[] = {INFO("s", "s:0", TN_STRING, ANY)};
static const tn_tensor_info strings_out[] = {INFO("s", "same_s:0", TN_STRING, ANY), INFO("s_bytes", "same_s:0", TN_STRING, ANY)};
static const tn_tensor_info scalar_out[] = {INFO("t", "total:0", TN_FLOAT, {0, {0}})};
static const tn_tensor_info uneven_out[] = {INFO("s", "twice:0", TN_FLOAT, {2, {-1, 2}}), INFO("t", "longer:0", TN_FLOAT, {2, {-1, 2}})};
#define SIGNATURE(name, in, out) {name, TN_PREDICT_METHOD, in, out, TN_COUNT(in), TN_COUNT(out)}
static const tn_signature signatures[] = {
    SIGNATURE("scalar", x_in, scalar_out),    SIGNATURE("serving_default", x_in, twice_out), SIGNATURE("strings", strings_in, strings_out),
    SIGNATURE("two", two_in, two_out), SIGNATURE("uneven", x_in, uneven_out),
};

static void put_forms(void **state, const char *base, int64_t version)
{
    static const char *const tags[] = {"serve"};
    tn_error err;
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_session *s;
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, 2));
    tn_op_named(b, "Add", "twice", TN_INPUTS(x, x), TN_NO_ATTRS);
    tn_op_named(b, "ConcatV2", "longer", TN_INPUTS(x, x, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS);
    tn_op_named(b, "Sum", "total", TN_INPUTS(x, tn_ints(b, (int64_t[]){0, 1}, 2)), TN_NO_ATTRS);
    tn_op_named(b, "Identity", "same_a", TN_INPUTS(tn_placeholder(b, "a", TN_FLOAT, TN_SHAPE(-1))), TN_NO_ATTRS);
    tn_op_named(b, "Identity", "same_b", TN_INPUTS(tn_placeholder(b, "b", TN_INT32, TN_SHAPE(-1))), TN_NO_ATTRS);
    tn_op_named(b, "Identity", "same_s", TN_INPUTS(tn_placeholder(b, "s", TN_STRING, TN_SHAPE(-1))), TN_NO_ATTRS);
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_session_new(g, NULL, &s, &err), &err);
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = TN_COUNT(signatures), .tags = tags, .n_tags = 1, .no_saver = true};
    assert_ok(tn_savedmodel_save(in(state, base), version, &e, s, NULL, &err), &err);
    tn_session_free(s);
    tn_builder_free(b);
    tn_graph_free(g);
}

/* ==== a server ==== */

typedef struct server {
    tn_service service;
    tn_rest rest;
    tn_http_server *http;
} server;

static server *start(void **state, bool strictly, tn_rest_options options)
{
    static const tn_manager_options quick = {.file_system_poll_wait_seconds = 0.01, .warm_up = true};
    server *s = calloc(1, sizeof *s);
    tn_error err;
    put_golden(state, "m", "123", HALF_PLUS_TWO);
    put_forms(state, "forms", 7);
    s->service.strictly_tensorflow = strictly;
    assert_ok(tn_manager_new(&quick, &s->service.manager, &err), &err);
    assert_ok(tn_metrics_new(&s->service.metrics, &err), &err);
    assert_ok(tn_service_start(&s->service, 2, &err), &err);
    assert_ok(set_text(state, s->service.manager,
                       tn_arena_printf(arena_of(state), "%s %s", model_text(state, "m", "version_labels { key: 'stable' value: 123 }"),
                                       model_text(state, "forms", "")), &err), &err);
    s->rest = (tn_rest){&s->service, options};
    const tn_http_server_options o = {.listen = "127.0.0.1:0", .threads = 2, .handle = tn_rest_api, .payload = &s->rest};
    assert_ok(tn_http_server_start(&o, &s->http, &err), &err);
    return s;
}

static void stop(server *s)
{
    tn_http_server_free(s->http);
    tn_service_stop(&s->service);
    tn_manager_free(s->service.manager);
    tn_metrics_free(s->service.metrics);
    free(s);
}

/* ==== a client ==== */

typedef struct answer {
    tn_buf all;
    int status;
    const char *body;
    size_t n;
} answer;

static void send_all(int fd, const char *p, size_t n)
{
    for (ssize_t sent; n > 0 && (sent = send(fd, p, n, MSG_NOSIGNAL)) > 0; p += sent) n -= (size_t)sent;
}

/* headers: lines, each with its end. */
static void exchange(const server *s, const char *method, const char *path, const char *headers, tn_view body, answer *a)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tn_http_server_port(s->http))};
    tn_buf request = {0};
    char bytes[4096];
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    tn_buf_printf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n", method, path, headers, body.n);
    tn_buf_add(&request, body.p, body.n);
    send_all(fd, request.data, request.n);
    tn_buf_free(&request);
    tn_buf_clear(&a->all);
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) tn_buf_add(&a->all, bytes, (size_t)n);
    close(fd);
    assert_true(a->all.n > 12);
    a->status = (int)strtol(a->all.data + 9, NULL, 10);
    a->body = strstr(a->all.data, "\r\n\r\n");
    assert_non_null(a->body);
    a->body += 4;
    a->n = a->all.n - (size_t)(a->body - a->all.data);
}

typedef struct row {
    const char *method, *path, *body;
    int status;
    const char *answer; /* all of it; behind a "~": a part */
} row;

static void expect(const server *s, const row *r, const char *headers)
{
    answer a = {0};
    exchange(s, r->method, r->path, headers, tn_view_of(r->body), &a);
    bool part = r->answer[0] == '~';
    if (a.status != r->status || (part ? !strstr(a.body, r->answer + 1) : strcmp(a.body, r->answer) != 0))
        fail_msg("%s %s %s\n%d %s\n  instead of\n%d %s", r->method, r->path, r->body, a.status, a.body, r->status, r->answer);
    tn_buf_free(&a.all);
}

static void expect_rows(const server *s, const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) expect(s, &rows[i], "");
}

#define ERROR(text) "{\n    \"error\": \"" text "\"\n}"
#define NOT_FOUND_PAGE "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
#define BAD_PAGE "<HTML><HEAD>\n<TITLE>400 Bad Request</TITLE>\n</HEAD><BODY>\n<H1>Bad Request</H1>\n</BODY></HTML>\n"
#define STATUS_123                                                                                                                      \
    "{\n \"model_version_status\": [\n  {\n   \"version\": \"123\",\n   \"state\": \"AVAILABLE\",\n   \"status\": {\n    \"error_code\": \"OK\",\n" \
    "    \"error_message\": \"\"\n   }\n  }\n ]\n}\n"

/* ==== as TensorFlow Serving ==== */

static void paths_and_verbs(void **state)
{
    static const row rows[] = {
        {"GET", "/v1/models/m", "", 200, STATUS_123},
        {"GET", "/V1/Models/m", "", 200, STATUS_123},
        {"GET", "/v1/models/%6d", "", 200, STATUS_123},
        {"GET", "/v1/models/m/versions/123", "", 200, STATUS_123},
        {"GET", "/v1/models/m/VERSIONS/00123", "", 200, STATUS_123},
        {"GET", "/v1/models/m/labels/stable", "", 200, STATUS_123},
        {"GET", "/v1/models/m/labels/nothing", "", 200, STATUS_123},
        {"GET", "/v1/models/m/METADATA", "", 200, STATUS_123},
        {"GET", "/v1/models/m/versions/9", "", 404, ERROR("Could not find version 9 of model m")},
        {"GET", "/v1/models/nix", "", 404, ERROR("Could not find any versions of model nix")},
        {"GET", "/v1/models", "", 400, ERROR("Missing model name in request.")},
        {"GET", "/v1/models/metadata", "", 404, ERROR("Could not find any versions of model metadata")},
        {"GET", "/v1/models/versions/1", "", 400, ERROR("Missing model name in request.")},
        {"GET", "/v1/models/", "", 400, ERROR("Malformed request: GET /v1/models/")},
        {"GET", "/v1/foo", "", 400, ERROR("Malformed request: GET /v1/foo")},
        {"GET", "/v1/models/m/", "", 400, ERROR("Malformed request: GET /v1/models/m/")},
        {"GET", "/v1/models/m:predict", "", 400, ERROR("Malformed request: GET /v1/models/m:predict")},
        {"GET", "/v1/models/m/versions/x", "", 400, ERROR("Malformed request: GET /v1/models/m/versions/x")},
        {"GET", "/v1/models/m/versions/1/labels/x", "", 400, ERROR("Malformed request: GET /v1/models/m/versions/1/labels/x")},
        {"GET", "/v1/models/m/versions/18446744073709551615", "", 400, ERROR("Failed to convert version: 18446744073709551615 to numeric.")},
        {"GET", "/v1/models/m%00x", "", 400, ERROR("Failed to decode model name:m%00x")},
        {"POST", "/v1/models/m", "", 400, ERROR("Malformed request: POST /v1/models/m")},
        {"POST", "/v1/models:predict", "", 400, ERROR("Malformed request: POST /v1/models:predict")},
        {"POST", "/v1/models/m:Predict", "", 400, ERROR("Malformed request: POST /v1/models/m:Predict")},
        {"POST", "/v1/models/m/metadata", "", 400, ERROR("Malformed request: POST /v1/models/m/metadata")},
        {"POST", "/v1/models/m/versions/HELLO:regress", "", 400, ERROR("Malformed request: POST /v1/models/m/versions/HELLO:regress")},
        {"POST", "/v1/models/m:predict?a=b", "", 400, ERROR("Malformed request: POST /v1/models/m:predict?a=b")},
        {"PUT", "/v1/models/m", "", 400, ERROR("Malformed request: PUT /v1/models/m")},
        {"DELETE", "/v1/models/m:predict", "", 400, ERROR("Malformed request: DELETE /v1/models/m:predict")},
        {"GET", "/", "", 404, NOT_FOUND_PAGE},
        {"GET", "/v1/models/a|b", "", 400, BAD_PAGE},
        {"GET", "/v1/models/a%2", "", 400, BAD_PAGE},
        {"GET", "/v1/models/\xC3\xA9", "", 400, BAD_PAGE},
        {"GET", "/v1/models/a?b=^", "", 400, BAD_PAGE},
        {"GET", "/v1/models/a~b!$&'()*+,;=@%C3%a9", "", 404, ERROR("Could not find any versions of model a~b!$&'()*+,;=@\xC3\xA9")},
        {"TRACE", "/v1/models/m", "", 501, "<HTML><HEAD>\n<TITLE>501 Not Implemented</TITLE>\n</HEAD><BODY>\n<H1>Not Implemented</H1>\n</BODY></HTML>\n"},
        {"GET", "/v1", "", 404, NOT_FOUND_PAGE},
        {"POST", "/v2/models/m:predict", "", 404, NOT_FOUND_PAGE},
        {"GET", "/healthz", "", 404, NOT_FOUND_PAGE},
        {"GET", "/readyz", "", 404, NOT_FOUND_PAGE},
        {"OPTIONS", "/v1/models/m", "", 400, ""},
    };
    server *s = start(state, true, (tn_rest_options){0});
    expect_rows(s, rows, TN_COUNT(rows));
    expect(s, &(row){"OPTIONS", "/v1/models/m:predict", "", 200, ""}, "Origin: http://example.com\r\n");
    answer a = {0};
    exchange(s, "GET", "/v1/models/m", "", TN_VIEW(""), &a);
    assert_non_null(strstr(a.all.data, "Content-Type: application/json\r\n"));
    assert_null(strstr(a.all.data, "Access-Control"));
    tn_buf_free(&a.all);
    stop(s);
}

static void predictions(void **state)
{
    static const row rows[] = {
        {"POST", "/v1/models/m:predict", "{\"instances\": [[1.0], [2.0], [5.0]]}", 200,
         "{\n    \"predictions\": [[2.5], [3.0], [4.5]\n    ]\n}"},
        {"POST", "/v1/models/m/versions/123:predict", "{\"inputs\": [[1]]}", 200,
         "{\n    \"outputs\": [\n        [\n            2.5\n        ]\n    ]\n}"},
        {"POST", "/v1/models/m/labels/stable:predict", "{\"signature_name\": \"serving_default\", \"instances\": [{\"x\": [1]}]}", 200,
         "{\n    \"predictions\": [[2.5]\n    ]\n}"},
        {"POST", "/v1/models/m:predict", "{\"instances\": [[NaN], [Infinity], [-Infinity]]}", 200,
         "{\n    \"predictions\": [[NaN], [Infinity], [-Infinity]\n    ]\n}"},
        {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"two\", \"instances\": [{\"a\": 0.5, \"b\": 1}, {\"b\": -2, \"a\": 3}]}",
         200,
         "{\n    \"predictions\": [\n        {\n            \"a\": 0.5,\n            \"b\": 1\n        },\n"
         "        {\n            \"a\": 3.0,\n            \"b\": -2\n"
         "        }\n    ]\n}"},
        {"POST", "/v1/models/forms:predict", "{\"inputs\": {\"a\": [1], \"b\": [2]}, \"signature_name\": \"two\"}", 200,
         "{\n    \"outputs\": {\n        \"a\": [\n            1.0\n        ],\n        \"b\": [\n            2\n        ]\n    }\n}"},
        {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"strings\", \"instances\": [\"a\\n\", {\"b64\": \"YQ==\"}]}", 200,
         "{\n    \"predictions\": [\n        {\n            \"s\": \"a\\n\",\n            \"s_bytes\": {\n                \"b64\": \"YQo=\"\n"
         "            }\n        },\n"
         "        {\n            \"s\": \"a\",\n            \"s_bytes\": {\n                \"b64\": \"YQ==\"\n            }\n        }\n    ]\n}"},
        {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"scalar\", \"inputs\": [[1, 2], [3, 4]]}", 200,
         "{\n    \"outputs\": 10.0\n}"},
        {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"scalar\", \"instances\": [[1, 2], [3, 4]]}", 400,
         ERROR("Tensor name: t has no shape information ")},
        {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"uneven\", \"instances\": [[1, 2]]}", 400,
         ERROR("Tensor name: t has inconsistent batch size: 2 expecting: 1")},
        {"POST", "/v1/models/nix:predict", "{\"instances\": [1]}", 404, ERROR("Servable not found for request: Latest(nix)")},
        {"POST", "/v1/models/m/versions/99:predict", "{\"instances\": [1]}", 404, ERROR("Servable not found for request: Specific(m, 99)")},
        {"POST", "/v1/models/m/labels/nix:predict", "{\"instances\": [1]}", 400, ERROR("Unrecognized servable version label: nix")},
        {"POST", "/v1/models/m:predict", "{\"signature_name\": \"s\", \"instances\": [1]}", 400,
         ERROR("Serving signature name: \\\"s\\\" not found in signature def")},
        {"POST", "/v1/models/m:predict", "", 400, ERROR("JSON Parse error: The document is empty")},
        {"POST", "/v1/models/nix:predict", "instances = [1, 2]", 400, ERROR("JSON Parse error: Invalid value. at offset: 0")},
        {"POST", "/v1/models/m:predict", "{\"instances\": [\"x\"]}", 400,
         ERROR("Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \\\"x\\\" Type: String is not of expected type: float")},
        {"POST", "/v1/models/m:predict", "{}", 400, ERROR("Missing 'inputs' or 'instances' key")},
    };
    for (int strictly = 0; strictly < 2; strictly++) {
        server *s = start(state, strictly, (tn_rest_options){.timeout = 30});
        expect_rows(s, rows, TN_COUNT(rows));
        stop(s);
        remove_version(state, "m", "123");
        remove_version(state, "forms", "7");
    }
}

/* Threads that have computed once take denormals for zeros; not where numbers are read and written. */
static void denormals(void **state)
{
    static const row r = {"POST", "/v1/models/forms:predict", "{\"signature_name\": \"two\", \"instances\": [{\"a\": 1e-42, \"b\": 1}]}", 200,
                          "~\"a\": 1.00053e-42"};
    server *s = start(state, true, (tn_rest_options){0});
    for (int i = 0; i < 12; i++) expect(s, &r, "");
    stop(s);
}

static void classify_and_regress(void **state)
{
    static const row rows[] = {
        {"POST", "/v1/models/m:regress", "{\"signature_name\": \"regress_x_to_y\", \"examples\": [{\"x\": 80.0}, {\"x\": [2.5]}]}", 200,
         "{\n    \"results\": [42.0, 3.25]\n}"},
        {"POST", "/v1/models/m:regress", "{\"signature_name\": \"regress_x_to_y\", \"context\": {\"x\": 80.0}, \"examples\": [{}, {}]}", 200,
         "{\n    \"results\": [42.0, 42.0]\n}"},
        {"POST", "/v1/models/m:classify", "{\"signature_name\": \"classify_x_to_y\", \"examples\": [{\"x\": 20.0}, {\"x\": 10.0}]}", 200,
         "{\n    \"results\": [[[\"\", 12.0]], [[\"\", 7.0]]\n    ]\n}"},
        {"POST", "/v1/models/m/labels/stable:classify", "{\"signature_name\": \"classify_x_to_y\", \"examples\": [{\"x\": 10.0}]}", 200,
         "{\n    \"results\": [[[\"\", 7.0]]\n    ]\n}"},
        {"POST", "/v1/models/m:classify", "{\"signature_name\": \"s\", \"examples\": [{\"x\": 20.0}]}", 400, ERROR("No signature was found with the name: s")},
        {"POST", "/v1/models/m:classify", "{\"instances\": [1]}", 400,
         ERROR("JSON Value: {\\n    \\\"instances\\\": [\\n        1\\n    ]\\n} When method is classify, key 'examples' is expected and was not found")},
        {"POST", "/v1/models/m:regress", "{\"examples\": [1]}", 400, ERROR("Example must be JSON object but got JSON Number")},
        {"POST", "/v1/models/nix:regress", "{\"examples\": [{\"x\": 1.0}]}", 404, ERROR("Servable not found for request: Latest(nix)")},
        {"POST", "/v1/models/nix:regress", "{", 400, ERROR("JSON Parse error: Missing a name for object member. at offset: 1")},
    };
    server *s = start(state, true, (tn_rest_options){0});
    expect_rows(s, rows, TN_COUNT(rows));
    stop(s);
}

static void metadata(void **state)
{
    server *s = start(state, true, (tn_rest_options){0});
    answer a = {0};
    exchange(s, "GET", "/v1/models/forms/metadata", "", TN_VIEW(""), &a);
    assert_int_equal(a.status, 200);
    static const char begin[] =
        "{\n\"model_spec\":{\n \"name\": \"forms\",\n \"signature_name\": \"\",\n \"version\": \"7\"\n}\n,\n"
                        "\"metadata\": {\"signature_def\": {\n \"signature_def\": {\n  \"scalar\": {\n   \"inputs\": {\n    \"x\": {\n"
                        "     \"dtype\": \"DT_FLOAT\",\n     \"tensor_shape\": {\n      \"dim\": [\n       {\n        \"size\": \"-1\",\n"
                        "        \"name\": \"\"\n       },\n       {\n        \"size\": \"2\",\n        \"name\": \"\"\n       }\n      ],\n"
                        "      \"unknown_rank\": false\n     },\n     \"name\": \"x:0\"\n    }\n   },\n";
    assert_memory_equal(a.body, begin, sizeof begin - 1);
    assert_non_null(strstr(a.body, "\"dim\": [],\n"));
    assert_string_equal(a.body + a.n - 11, "}\n }\n}\n}\n}\n");
    tn_arena *arena = tn_arena_new(0);
    tn_json *tree;
    tn_error err;
    assert_ok(tn_json_parse((tn_view){a.body, a.n}, arena, &tree, &err), &err);
    assert_int_equal(tn_json_find(tn_json_find(tn_json_find(tree, "metadata"), "signature_def"), "signature_def")->count, 5);
    tn_arena_free(arena);
    tn_buf_free(&a.all);
    expect(s, &(row){"GET", "/v1/models/nix/metadata", "", 404, ERROR("Servable not found for request: Latest(nix)")}, "");
    expect(s, &(row){"GET", "/v1/models/m/versions/9/metadata", "", 404, ERROR("Servable not found for request: Specific(m, 9)")}, "");
    stop(s);
}

static void cors_and_metrics(void **state)
{
    server *s = start(state, true, (tn_rest_options){.cors = true, .prometheus_path = "/monitoring/prometheus/metrics"});
    answer a = {0};
    exchange(s, "OPTIONS", "/v1/models/m:predict", "Origin: https://a\r\n", TN_VIEW(""), &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.all.data, "Access-Control-Allow-Origin: *\r\n"));
    assert_non_null(strstr(a.all.data, "Access-Control-Allow-Methods: POST, GET\r\n"));
    assert_non_null(strstr(a.all.data, "Access-Control-Allow-Headers: Content-Type\r\n"));
    exchange(s, "POST", "/v1/models/m:predict", "", TN_VIEW("{\"instances\": [[1]]}"), &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.all.data, "Access-Control-Allow-Origin: *\r\n"));
    exchange(s, "GET", "/monitoring/prometheus/metrics", "", TN_VIEW(""), &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.all.data, "Content-Type: text/plain\r\n"));
    assert_non_null(strstr(a.body, ":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 1"));
    exchange(s, "GET", "/monitoring/prometheus/metrics?a=b", "", TN_VIEW(""), &a);
    assert_int_equal(a.status, 400);
    assert_string_equal(a.body, "Unexpected path: /monitoring/prometheus/metrics?a=b. Should be /monitoring/prometheus/metrics");
    tn_buf_free(&a.all);
    stop(s);
}

static void gzip_bodies(void **state)
{
    server *s = start(state, true, (tn_rest_options){0});
    tn_buf packed = {0};
    tn_error err;
    answer a = {0};
    assert_ok(tn_deflate(TN_VIEW("{\"instances\": [[1]]}"), TN_GZIP, 6, &packed, &err), &err);
    exchange(s, "POST", "/v1/models/m:predict", "Content-Encoding: gzip\r\n", (tn_view){packed.data, packed.n}, &a);
    assert_string_equal(a.body, "{\n    \"predictions\": [[2.5]\n    ]\n}");
    tn_buf_free(&packed);
    tn_buf_free(&a.all);
    expect(s, &(row){"POST", "/v1/models/m:predict", "no gzip", 400, ERROR("JSON Parse error: The document is empty")}, "Content-Encoding: gzip\r\n");
    stop(s);
}

/* A body that is read, and a model that is run, by the pool. */
static void large_bodies(void **state)
{
    server *s = start(state, true, (tn_rest_options){0});
    tn_buf json = {0}, wanted = {0};
    answer a = {0};
    tn_buf_str(&json, "{\"instances\": [");
    tn_buf_str(&wanted, "{\n    \"predictions\": [");
    for (int i = 0; i < 60000; i++) {
        tn_buf_printf(&json, "%s[%d, %d.5]", i ? ", " : "", i, i);
        tn_buf_printf(&wanted, "%s[%d.0, %d.0]", i ? ", " : "", 2 * i, 2 * i + 1);
    }
    tn_buf_str(&json, "]}");
    tn_buf_str(&wanted, "\n    ]\n}");
    exchange(s, "POST", "/v1/models/forms:predict", "", (tn_view){json.data, json.n}, &a);
    assert_int_equal(a.n, wanted.n);
    assert_memory_equal(a.body, wanted.data, wanted.n);
    tn_buf_free(&json);
    tn_buf_free(&wanted);
    tn_buf_free(&a.all);
    stop(s);
}

/* ==== beyond ==== */

static void list_and_probes(void **state)
{
    static const row rows[] = {
        {"GET", "/healthz", "", 200, "ok\n"},
        {"GET", "/readyz", "", 200, "ok\n"},
        {"GET", "/v1/models", "", 200, "~\"name\": \"m\",\n            \"versions\": [\n                {\n                    \"version\": \"123\",\n"
                                       "                    \"state\": \"AVAILABLE\",\n"},
        {"GET", "/v1/models", "", 200, "~\"labels\": {\n                \"stable\": \"123\"\n            }"},
        {"GET", "/v1/models?x", "", 200, "~\"name\": \"forms\""},
        {"GET", "/v1/models/m?x", "", 200, STATUS_123},
    };
    server *s = start(state, false, (tn_rest_options){0});
    expect_rows(s, rows, TN_COUNT(rows));
    atomic_store(&s->service.not_serving, 1);
    expect(s, &(row){"GET", "/readyz", "", 503, "not ready\n"}, "");
    expect(s, &(row){"GET", "/healthz", "", 200, "ok\n"}, "");
    expect(s, &(row){"POST", "/v1/models/m:predict", "no gzip", 400, "~the body said to be gzip is not"}, "Content-Encoding: gzip\r\n");
    stop(s);
}

static void raw_bodies(void **state)
{
    static const struct {
        const char *path, *headers, *message;
    } wrong[] = {
        {"/v1/models/nix:predict", "", "Servable not found for request: Latest(nix)"},
        {"/v1/models/forms:predict", "Signature-Name: nix\r\n", "Serving signature name: \\\"nix\\\" not found in signature def"},
        {"/v1/models/forms:predict", "Signature-Name: two\r\n", "a raw body is for signatures with one input; \\\"two\\\" has 2"},
        {"/v1/models/forms:predict", "Signature-Name: strings\r\n", "string has no raw form"},
        {"/v1/models/forms:predict", "Signature-Name: uneven\r\n", "signature \\\"uneven\\\" has 2 outputs: Output-Name says which one is wanted"},
        {"/v1/models/forms:predict", "Output-Name: z\r\n", "signature \\\"serving_default\\\" has no output \\\"z\\\""},
        {"/v1/models/forms:predict", "Tensor-Dtype: float64\r\n", "Tensor-Dtype is float64, the input's is float"},
        {"/v1/models/forms:predict", "Tensor-Shape: 2,x\r\n", "Tensor-Shape \\\"2,x\\\" is no list of dimensions"},
        {"/v1/models/forms:predict", "Tensor-Shape: -1,2\r\n", "Tensor-Shape \\\"-1,2\\\" is no list of dimensions"},
        {"/v1/models/forms:predict", "Tensor-Shape: 3,2\r\n", "the body has 16 bytes, which is no float of shape [3,2]"},
        {"/v1/models/forms:predict", "Tensor-Shape: 9999999999,9999999999,9999999999\r\n", "9999999999"},
        {"/v1/models/m:classify", "", "examples have no raw form"},
    };
    server *s = start(state, false, (tn_rest_options){0});
    const float v[] = {1, 2, 3.5f, -4}, twice[] = {2, 4, 7, -8};
    tn_view body = {(const char *)v, sizeof v};
    answer a = {0};
    exchange(s, "POST", "/v1/models/forms:predict", "Content-Type: application/octet-stream\r\n", body, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n, sizeof twice);
    assert_memory_equal(a.body, twice, sizeof twice);
    assert_non_null(strstr(a.all.data, "Content-Type: application/octet-stream\r\n"));
    assert_non_null(strstr(a.all.data, "Tensor-Name: y\r\n"));
    assert_non_null(strstr(a.all.data, "Tensor-Dtype: float\r\n"));
    assert_non_null(strstr(a.all.data, "Tensor-Shape: 2,2\r\n"));
    assert_non_null(strstr(a.all.data, "Model-Version: 7\r\n"));
    exchange(s, "POST", "/v1/models/forms:predict",
             "Content-Type: application/octet-stream\r\nTensor-Shape: 2, 2\r\nTensor-Dtype: float32\r\nSignature-Name: uneven\r\nOutput-Name: t\r\n", body, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.n, 2 * sizeof v);
    for (size_t i = 0; i < TN_COUNT(wrong); i++) {
        exchange(s, "POST", wrong[i].path, tn_arena_printf(arena_of(state), "Content-Type: application/octet-stream\r\n%s", wrong[i].headers), body, &a);
        if (a.status != (i ? 400 : 404) || !strstr(a.body, wrong[i].message)) fail_msg("%s%s: %d %s", wrong[i].path, wrong[i].headers, a.status, a.body);
    }
    tn_buf_free(&a.all);
    stop(s);
}

static void protobuf_bodies(void **state)
{
    server *s = start(state, false, (tn_rest_options){0});
    tn_arena *arena = arena_of(state);
    tn_error err;
    answer a = {0};
    tn_buf bytes = {0};
    float x = 3;
    tn_tensor t = tn_tensor_view(TN_FLOAT, &TN_SHAPE(1, 1), &x);
    tn_TensorProto proto = {0};
    assert_ok(tn_tensor_to_proto(&t, arena, &proto, &err), &err);
    tn_TensorEntry entry = {.key = TN_VIEW("x"), .value = &proto};
    tn_ModelSpec spec = {.name = TN_VIEW("somebody else's"), .signature_name = TN_VIEW("serving_default")};
    tn_PredictRequest request = {.model_spec = &spec, .inputs = {&entry, 1, 0}};
    assert_ok(TN_ENCODE(PredictRequest, &request, &bytes, &err), &err);
    exchange(s, "POST", "/v1/models/m:predict", "Content-Type: application/x-protobuf\r\n", (tn_view){bytes.data, bytes.n}, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.all.data, "Content-Type: application/x-protobuf\r\n"));
    tn_PredictResponse *response;
    assert_ok(TN_DECODE(PredictResponse, ((tn_view){a.body, a.n}), arena, &response, &err), &err);
    assert_true(tn_view_is(response->model_spec->name, "m"));
    assert_int_equal(response->model_spec->version->value, 123);
    assert_true(tn_view_is(response->outputs.items[0].key, "y"));
    tn_tensor *y;
    assert_ok(tn_tensor_from_proto(response->outputs.items[0].value, 0, &y, &err), &err);
    assert_true(TN_FLOATS(y)[0] == 3.5f);
    tn_tensor_unref(y);
    exchange(s, "POST", "/v1/models/m/versions/9:predict", "Content-Type: application/x-protobuf; charset=x\r\n", (tn_view){bytes.data, bytes.n}, &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.body, ERROR("Servable not found for request: Specific(m, 9)"));
    exchange(s, "POST", "/v1/models/m:predict", "Content-Type: application/x-protobuf\r\n", TN_VIEW("\xff\xff"), &a);
    assert_int_equal(a.status, 500); /* DATA_LOSS */
    assert_non_null(strstr(a.body, "tensorflow.serving.PredictRequest"));
    tn_buf_clear(&bytes);
    tn_Example e = {0};
    assert_ok(tn_example_floats(&e, arena, "x", (float[]){80}, 1, &err), &err);
    tn_ExampleList list = {.examples = {&e, 1, 0}};
    tn_Input input = {0};
    TN_SET(&input, Input, kind, example_list) = &list;
    spec.signature_name = TN_VIEW("regress_x_to_y");
    tn_RegressionRequest regress = {.model_spec = &spec, .input = &input};
    assert_ok(TN_ENCODE(RegressionRequest, &regress, &bytes, &err), &err);
    exchange(s, "POST", "/v1/models/m:regress", "Content-Type: application/protobuf\r\n", (tn_view){bytes.data, bytes.n}, &a);
    assert_int_equal(a.status, 200);
    tn_RegressionResponse *r;
    assert_ok(TN_DECODE(RegressionResponse, ((tn_view){a.body, a.n}), arena, &r, &err), &err);
    assert_true(r->result->regressions.items[0].value == 42);
    tn_buf_free(&bytes);
    tn_buf_free(&a.all);
    stop(s);
}

static void tokens(void **state)
{
    static const struct {
        const char *path, *token;
        int status;
    } rows[] = {
        {"/v1/models/m", NULL, 401},          {"/v1/models/m", "wrong-token", 401},      {"/v1/models/m", "token-for-m", 200},
        {"/v1/models/m", "token-for-m ", 401}, {"/v1/models/m", "token-for-", 401},      {"/v1/models/forms", "token-for-m", 403},
        {"/v1/models/nix", "token-for-m", 403}, {"/v1/models/forms", "token-for-all", 200}, {"/v1/models/forms", "token-for-both", 200},
        {"/v1/models", NULL, 401},            {"/v1/models", "token-for-m", 200},        {"/metrics", "token-for-m", 403},
        {"/metrics", "token-for-all", 200},   {"/metrics", NULL, 401},                   {"/healthz", NULL, 200},
    };
    tn_tokens *t;
    tn_error err;
    answer a = {0};
    write_file(in(state, "tokens"), TN_VIEW("# who may what\n\ntoken-for-m m\ntoken-for-both \tm forms\r\ntoken-for-all *\n"));
    assert_ok(tn_tokens_load(in(state, "tokens"), &t, &err), &err);
    server *s = start(state, false, (tn_rest_options){.prometheus_path = "/metrics"});
    s->service.tokens = t;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        const char *header = rows[i].token ? tn_arena_printf(arena_of(state), "Authorization: Bearer %s\r\n", rows[i].token) : "";
        exchange(s, "GET", rows[i].path, header, TN_VIEW(""), &a);
        if (a.status != rows[i].status && !(rows[i].token && strchr(rows[i].token, ' '))) /* blanks at the end are no part of a header */
            fail_msg("%s %s: %d instead of %d", rows[i].path, header, a.status, rows[i].status);
    }
    exchange(s, "GET", "/v1/models/m", "", TN_VIEW(""), &a);
    assert_non_null(strstr(a.all.data, "WWW-Authenticate: Bearer\r\n"));
    assert_string_equal(a.body, ERROR("A token is required: Authorization: Bearer TOKEN"));
    exchange(s, "GET", "/v1/models", "Authorization: bearer token-for-m\r\n", TN_VIEW(""), &a);
    assert_non_null(strstr(a.body, "\"name\": \"m\""));
    assert_null(strstr(a.body, "\"name\": \"forms\""));
    tn_buf_free(&a.all);
    stop(s);
    tn_tokens_free(t);
    write_file(in(state, "tokens"), TN_VIEW("# nobody\n"));
    assert_code(tn_tokens_load(in(state, "tokens"), &t, &err), TN_INVALID_ARGUMENT);
    write_file(in(state, "tokens"), TN_VIEW("short\n"));
    assert_code(tn_tokens_load(in(state, "tokens"), &t, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "line 1: a token has at least 8 characters");
    assert_code(tn_tokens_load(in(state, "none"), &t, &err), TN_NOT_FOUND);
}

/* ==== logs and deadlines ==== */

/* Records of all the log's files, in the arena. */
static int read_log(void **state, const char *folder, tn_PredictionLog **out, int most)
{
    char **names;
    size_t n_names;
    tn_error err;
    int n = 0;
    assert_ok(tn_list_folder(folder, arena_of(state), &names, &n_names, &err), &err);
    for (size_t i = 0; i < n_names; i++) {
        tn_view bytes = content(state, tn_path_join(arena_of(state), folder, names[i])), record;
        for (uint64_t at = 0; bytes.n; at += record.n + TN_RECORD_OVERHEAD) {
            assert_ok(tn_record_next(&bytes, at, &record, &err), &err);
            assert_true(n < most);
            assert_ok(TN_DECODE(PredictionLog, record, arena_of(state), &out[n++], &err), &err);
        }
    }
    return n;
}

static void request_log(void **state)
{
    static const row rows[] = {
        {"POST", "/v1/models/m:predict", "{\"instances\": [[1.0], [2.0]]}", 200, "~[[2.5], [3.0]"},
        {"POST", "/v1/models/m:regress", "{\"signature_name\": \"regress_x_to_y\", \"examples\": [{\"x\": 80.0}]}", 200, "~[42.0]"},
        {"POST", "/v1/models/m:classify", "{\"signature_name\": \"classify_x_to_y\", \"examples\": [{\"x\": 20.0}]}", 200, "~12.0"},
        {"POST", "/v1/models/m:predict", "{\"instances\": [", 400, "~JSON Parse error"},
    };
    tn_PredictionLog *log[8];
    tn_error err;
    server *s = start(state, true, (tn_rest_options){0});
    assert_ok(tn_make_folders(in(state, "log"), &err), &err);
    const char *more = tn_arena_printf(arena_of(state), "logging_config { log_collector_config { type: 'file' filename_prefix: '%s/m' } "
                                       "sampling_config { sampling_rate: 1 } }", in(state, "log"));
    assert_ok(set_text(state, s->service.manager, model_text(state, "m", more), &err), &err);
    expect_rows(s, rows, TN_COUNT(rows));
    stop(s);
    assert_int_equal(read_log(state, in(state, "log"), log, TN_COUNT(log)), 3);
    assert_int_equal(log[0]->log_type_case, TN_PredictionLog_predict_log);
    const tn_PredictRequest *request = log[0]->predict_log->request;
    assert_true(tn_view_is(request->model_spec->name, "m") && tn_view_is(request->inputs.items[0].key, "x"));
    tn_tensor *t;
    assert_ok(tn_tensor_from_proto(request->inputs.items[0].value, 0, &t, &err), &err);
    assert_true(TN_FLOATS(t)[1] == 2 && t->shape.rank == 2);
    tn_tensor_unref(t);
    assert_ok(tn_tensor_from_proto(log[0]->predict_log->response->outputs.items[0].value, 0, &t, &err), &err);
    assert_true(TN_FLOATS(t)[1] == 3);
    tn_tensor_unref(t);
    assert_int_equal(log[1]->log_type_case, TN_PredictionLog_regress_log);
    assert_true(log[1]->regress_log->response->result->regressions.items[0].value == 42);
    const tn_Example *e = &log[2]->classify_log->request->input->example_list->examples.items[0];
    assert_true(tn_example_feature(e, "x")->float_list->value.items[0] == 20);
}

static void deadlines(void **state)
{
    server *s = start(state, true, (tn_rest_options){.timeout = 1e-6});
    expect(s, &(row){"POST", "/v1/models/m:predict", "{\"instances\": [[1.0]]}", 504, "~\"error\": "}, "");
    expect(s, &(row){"GET", "/v1/models/m", "", 200, STATUS_123}, "");
    stop(s);
}

/* ==== memory that ends ==== */

/* Without the library's memory, so that only the server's fails. The status; 0: the connection was closed. */
static int ask_plainly(const server *s, const char *request, size_t n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tn_http_server_port(s->http))};
    char bytes[16384];
    size_t got = 0;
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        send_all(fd, request, n);
        for (ssize_t k; got < sizeof bytes && (k = recv(fd, bytes + got, sizeof bytes - got, 0)) > 0;) got += (size_t)k;
    }
    close(fd);
    return got > 12 ? (int)strtol(bytes + 9, NULL, 10) : 0;
}

static void memory_that_ends(void **state)
{
    static const char *const requests[][2] = {
        {"POST /v1/models/m:predict", "{\"instances\": [[1], [2]]}"},
        {"POST /v1/models/forms:predict", "{\"signature_name\": \"strings\", \"instances\": [\"a\", {\"b64\": \"YQ==\"}]}"},
        {"POST /v1/models/m:regress", "{\"signature_name\": \"regress_x_to_y\", \"examples\": [{\"x\": 80.0}]}"},
        {"GET /v1/models/m/metadata", ""},
        {"GET /v1/models", ""},
    };
    server *s = start(state, false, (tn_rest_options){0});
    for (size_t i = 0; i < TN_COUNT(requests); i++)
        for (int64_t at = 1; at < 70; at++) {
            char request[512];
            int n = snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", requests[i][0],
                             strlen(requests[i][1]), requests[i][1]);
            tn_malloc_fail_at(at);
            int status = ask_plainly(s, request, (size_t)n);
            tn_malloc_fail_at(0);
            if (status != 0 && status != 200 && status != 429 && status != 500 && status != 503)
                fail_msg("%s, allocation %d: %d", requests[i][0], (int)at, status);
            if (at % 8 == 0) assert_int_equal(ask_plainly(s, request, (size_t)n), 200);
        }
    stop(s);
}

/* ==== many at once, while versions change ==== */

typedef struct client {
    server *s;
    int64_t wrong;
} client;

static void *ask_often(void *p)
{
    client *c = p;
    answer a = {0};
    for (int i = 0; i < 60; i++) {
        char json[64], wanted[64];
        snprintf(json, sizeof json, "{\"instances\": [[%d]]}", i);
        snprintf(wanted, sizeof wanted, "{\n    \"predictions\": [[%d.%d]\n    ]\n}", i / 2 + 2, i % 2 * 5);
        exchange(c->s, "POST", "/v1/models/m:predict", "", tn_view_of(json), &a);
        c->wrong += a.status != 200 || strcmp(a.body, wanted) != 0;
    }
    tn_buf_free(&a.all);
    return NULL;
}

static void many_at_once(void **state)
{
    server *s = start(state, true, (tn_rest_options){.timeout = 30});
    pthread_t threads[4];
    client c[TN_COUNT(threads)] = {{0}};
    for (size_t i = 0; i < TN_COUNT(threads); i++) {
        c[i].s = s;
        pthread_create(&threads[i], NULL, ask_often, &c[i]);
    }
    put_golden(state, "m", "124", HALF_PLUS_TWO);
    for (size_t i = 0; i < TN_COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(c[i].wrong, 0);
    }
    stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_and_verbs), TEST(predictions), TEST(denormals),  TEST(classify_and_regress), TEST(metadata),   TEST(cors_and_metrics), TEST(gzip_bodies),
        TEST(large_bodies),    TEST(list_and_probes), TEST(raw_bodies),        TEST(protobuf_bodies), TEST(tokens),       TEST(many_at_once),
        TEST(request_log),     TEST(deadlines),    TEST(memory_that_ends),
    };
    return cmocka_run_group_tests_name("rest", tests, NULL, NULL);
}
