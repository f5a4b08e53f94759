/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_api.c - the gRPC methods over real sockets: answers, refusals, many calls at once, health that is watched,
 * reflection, reloads, the request log.
 */
#include "h2_peer.h"
#include "serve_test.h"
#include "served_model.h"

/* ==== a server ==== */

typedef struct server {
    tn_manager *manager;
    tn_service service;
    tn_grpc_server *grpc;
    tn_grpc_channel *channel;
} server;

static void start_with(void **state, server *s, const tn_batching *batching, bool extras)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    tn_error err;
    char target[64];
    *s = (server){.service = {.health = extras, .reflection = extras, .reload = reload_models}};
    save_served(state, "m");
    tn_manager_options o = {.warm_up = true, .batching = batching};
    assert_ok(tn_manager_new(&o, &s->manager, &err), &err);
    assert_ok(set_model(state, s->manager, "", &err), &err);
    s->service.manager = s->service.payload = s->manager;
    assert_ok(tn_metrics_new(&s->service.metrics, &err), &err);
    assert_ok(tn_service_start(&s->service, 2, &err), &err);
    tn_grpc_server_options g = {.listen = listen, .n_listen = 1, .threads = 2, .handle = tn_grpc_api, .payload = &s->service};
    assert_ok(tn_grpc_server_start(&g, &s->grpc, &err), &err);
    snprintf(target, sizeof target, "127.0.0.1:%d", tn_grpc_server_port(s->grpc, 0));
    assert_ok(tn_grpc_channel_new(&(tn_grpc_channel_options){.target = target}, &s->channel, &err), &err);
}

static void start(void **state, server *s, const tn_batching *batching)
{
    start_with(state, s, batching, true);
}

static void stop(server *s)
{
    tn_grpc_channel_free(s->channel);
    tn_service_drain(&s->service);
    tn_grpc_server_drain(s->grpc, 10);
    tn_grpc_server_free(s->grpc);
    tn_service_stop(&s->service);
    tn_manager_free(s->manager);
    tn_metrics_free(s->service.metrics);
}

/* ==== calls ==== */

#define PREDICTION "/tensorflow.serving.PredictionService/"
#define MODEL "/tensorflow.serving.ModelService/"
#define HEALTH "/grpc.health.v1.Health/"

static tn_view encoded(void **state, const tn_proto_message *m, const char *text)
{
    tn_error err;
    void *in;
    tn_buf b = {0};
    assert_ok(tn_proto_parse(m, tn_view_of(text), arena_of(state), &in, &err), &err);
    assert_ok(tn_proto_encode(m, in, &b, &err), &err);
    char *copy = tn_arena_strndup(arena_of(state), b.n ? b.data : "", b.n);
    tn_view v = {copy, b.n};
    tn_buf_free(&b);
    return v;
}

static const struct {
    const char *path;
    const tn_proto_message *request, *response;
    const char *in;
    tn_code code;
    const char *out; /* the message of a refusal, or a piece of the answer's text */
} calls[] = {
    {PREDICTION "Predict", TN_PROTO(PredictRequest), TN_PROTO(PredictResponse),
     "model_spec { name: 'm' signature_name: 'scale' } inputs { key: 'x' value { dtype: DT_FLOAT tensor_shape { dim { "
     "size: 1 } dim { size: 2 } } float_val: 3 } }", TN_OK, "float_val: 6\n    float_val: 6\n"},
    {PREDICTION "Predict", TN_PROTO(PredictRequest), NULL, "model_spec { name: 'm' signature_name: 's' }",
     TN_FAILED_PRECONDITION, "Serving signature key \"s\" not found."},
    {PREDICTION "Predict", TN_PROTO(PredictRequest), NULL, "model_spec { name: 'other' }", TN_NOT_FOUND,
     "Servable not found for request: Latest(other)"},
    {PREDICTION "Classify", TN_PROTO(ClassificationRequest), TN_PROTO(ClassificationResponse),
     "model_spec { name: 'm' signature_name: 'classify' } input { example_list { examples { features { } } } }", TN_OK,
     "score: 2\n"},
    {PREDICTION "Regress", TN_PROTO(RegressionRequest), TN_PROTO(RegressionResponse),
     "model_spec { name: 'm' signature_name: 'regress' } input { example_list { examples { features { } } } }", TN_OK,
     "value: 2\n"},
    {PREDICTION "Regress", TN_PROTO(RegressionRequest), NULL, "model_spec { name: 'm' signature_name: 'regress' }",
     TN_INVALID_ARGUMENT, "Input is empty."},
    {PREDICTION "MultiInference", TN_PROTO(MultiInferenceRequest), TN_PROTO(MultiInferenceResponse),
     "tasks { model_spec { name: 'm' signature_name: 'regress' } method_name: 'tensorflow/serving/regress' } input { "
     "example_list { examples { features { } } } }", TN_OK, "regression_result {"},
    {PREDICTION "MultiInference", TN_PROTO(MultiInferenceRequest), NULL, "", TN_INVALID_ARGUMENT,
     "ModelSpec has no name specified."},
    {PREDICTION "GetModelMetadata", TN_PROTO(GetModelMetadataRequest), TN_PROTO(GetModelMetadataResponse),
     "model_spec { name: 'm' } metadata_field: 'signature_def'", TN_OK, "SignatureDefMap"},
    {MODEL "GetModelStatus", TN_PROTO(GetModelStatusRequest), TN_PROTO(GetModelStatusResponse),
     "model_spec { name: 'm' }", TN_OK, "state: AVAILABLE"},
    {MODEL "HandleReloadConfigRequest", TN_PROTO(ReloadConfigRequest), NULL, "", TN_INVALID_ARGUMENT,
     "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"},
    {HEALTH "Check", TN_PROTO(HealthCheckRequest), TN_PROTO(HealthCheckResponse), "service: 'ModelService'", TN_OK,
     "status: SERVING"},
    {HEALTH "Check", TN_PROTO(HealthCheckRequest), NULL, "service: 'x'", TN_NOT_FOUND, "service name unknown"},
    {HEALTH "List", TN_PROTO(HealthListRequest), TN_PROTO(HealthListResponse), "", TN_OK, "status: SERVING"},
    {"/tensorflow.ProfilerService/Profile", TN_PROTO(HealthListRequest), NULL, "", TN_UNIMPLEMENTED, ""},
    {PREDICTION "Nothing", TN_PROTO(HealthListRequest), NULL, "", TN_UNIMPLEMENTED, ""},
};

static void check_call(void **state, server *s, size_t i)
{
    tn_error err = {.code = TN_OK};
    tn_buf bytes = {0}, text = {0};
    void *out;
    tn_code code = tn_grpc_call_sync(s->channel, calls[i].path, encoded(state, calls[i].request, calls[i].in), 20, &bytes, &err);
    if (code != calls[i].code) fail_msg("%s: %s: %s", calls[i].in, tn_code_name(code), err.message);
    if (code != TN_OK) {
        assert_string_equal(err.message, calls[i].out);
    } else {
        tn_view answer = {bytes.data, bytes.n};
        assert_ok(tn_proto_decode(calls[i].response, answer, arena_of(state), NULL, &out, &err), &err);
        assert_ok(tn_proto_print(calls[i].response, out, 0, &text, &err), &err);
        if (!strstr(text.data, calls[i].out)) fail_msg("%s has no %s", text.data, calls[i].out);
    }
    tn_buf_free(&bytes);
    tn_buf_free(&text);
}

static void test_methods(void **state)
{
    server s;
    start(state, &s, NULL);
    for (size_t i = 0; i < TN_COUNT(calls); i++) check_call(state, &s, i);
    stop(&s);
}

static void test_unreadable(void **state)
{
    server s;
    tn_error err;
    tn_buf bytes = {0};
    start_with(state, &s, NULL, false);
    assert_code(tn_grpc_call_sync(s.channel, PREDICTION "Predict", TN_VIEW("\377"), 20, &bytes, &err), TN_INTERNAL);
    assert_code(tn_grpc_call_sync(s.channel, MODEL "GetModelStatus", TN_VIEW("\377"), 20, &bytes, &err), TN_INTERNAL);
    assert_code(tn_grpc_call_sync(s.channel, HEALTH "Check", TN_VIEW(""), 20, &bytes, &err), TN_UNIMPLEMENTED);
    stop(&s);
}

/* ==== many at once ==== */

enum { CALLS = 400 };

typedef struct pending {
    float wanted;
    atomic_int done;
    bool right;
    tn_code code;
} pending;

static void answered(void *payload, tn_code code, const char *message, tn_view answer)
{
    pending *p = payload;
    tn_arena *a = tn_arena_new(0);
    tn_PredictResponse *r;
    (void)message;
    p->code = code;
    if (code == TN_OK && TN_DECODE(PredictResponse, answer, a, &r, NULL) == TN_OK && r->outputs.n == 1)
        p->right = r->outputs.items[0].value->float_val.items[0] == p->wanted;
    tn_arena_free(a);
    atomic_store(&p->done, 1);
}

static void ask_many(void **state, server *s)
{
    pending *p = tn_calloc(CALLS, sizeof *p);
    tn_error err;
    for (int i = 0; i < CALLS; i++) {
        int rows = 1 + i % 5;
        char text[400];
        snprintf(text, sizeof text, "model_spec { name: 'm' signature_name: 'scale' } inputs { key: 'x' value { dtype: DT_FLOAT "
                 "tensor_shape { dim { size: %d } dim { size: 3 } } float_val: %d } }", rows, i);
        p[i].wanted = 2.0f * (float)i;
        assert_ok(tn_grpc_call_async(s->channel, PREDICTION "Predict", encoded(state, TN_PROTO(PredictRequest), text), 60, answered,
                                     &p[i], NULL, &err), &err);
    }
    for (int i = 0; i < CALLS; i++) {
        assert_soon(atomic_load(&p[i].done));
        if (p[i].code != TN_OK || !p[i].right) fail_msg("call %d: %s, a wrong answer", i, tn_code_name(p[i].code));
    }
    tn_free(p);
}

static void test_many(void **state)
{
    server s;
    start(state, &s, NULL);
    ask_many(state, &s);
    stop(&s);
}

/* A message that is read in the pool. */
static void test_large(void **state)
{
    server s;
    tn_error err;
    tn_buf request = {0}, bytes = {0};
    tn_PredictResponse *r;
    enum { N = 300000 };
    start(state, &s, NULL);
    tn_Dim dims[] = {{.size = N}, {.size = 1}};
    tn_TensorShapeProto shape = {.dim = {dims, 2, 0}};
    float *x = tn_arena_alloc(arena_of(state), N * sizeof *x);
    for (int i = 0; i < N; i++) x[i] = (float)i;
    tn_TensorProto tensor = {.dtype = TN_FLOAT, .tensor_shape = &shape, .float_val = {x, N, 0}};
    tn_TensorEntry entry = {.key = TN_VIEW("x"), .value = &tensor};
    tn_ModelSpec spec = {.name = TN_VIEW("m"), .signature_name = TN_VIEW("scale")};
    tn_PredictRequest in = {.model_spec = &spec, .inputs = {&entry, 1, 0}};
    assert_ok(TN_ENCODE(PredictRequest, &in, &request, &err), &err);
    assert_ok(tn_grpc_call_sync(s.channel, PREDICTION "Predict", (tn_view){request.data, request.n}, 60, &bytes, &err), &err);
    assert_ok(TN_DECODE(PredictResponse, ((tn_view){bytes.data, bytes.n}), arena_of(state), &r, &err), &err);
    const tn_float_list *y = &r->outputs.items[0].value->float_val;
    assert_int_equal(y->n, N);
    for (int i = 0; i < N; i++) assert_true(y->items[i] == 2 * x[i]);
    tn_buf_free(&request);
    tn_buf_free(&bytes);
    stop(&s);
}

static void test_many_batched(void **state)
{
    server s;
    static const tn_batching batching = {.max_batch_size = 16, .max_enqueued_batches = 10000, .num_batch_threads = 2,
                                         .max_execution_batch_size = 16};
    start(state, &s, &batching);
    ask_many(state, &s);
    for (size_t i = 0; i < TN_COUNT(calls); i++) check_call(state, &s, i);
    stop(&s);
}

static void test_reload(void **state)
{
    server s;
    tn_error err;
    tn_buf bytes = {0};
    start(state, &s, NULL);
    const char *text = tn_arena_printf(arena_of(state), "config { model_config_list { config { name: 'n' base_path: '%s' "
                                       "model_platform: 'tensorflow' } } }", in(state, "m"));
    tn_view request = encoded(state, TN_PROTO(ReloadConfigRequest), text);
    assert_ok(tn_grpc_call_sync(s.channel, MODEL "HandleReloadConfigRequest", request, 30, &bytes, &err), &err);
    tn_buf_free(&bytes);
    request = encoded(state, TN_PROTO(GetModelMetadataRequest), "model_spec { name: 'n' } metadata_field: 'signature_def'");
    assert_ok(tn_grpc_call_sync(s.channel, PREDICTION "GetModelMetadata", request, 30, &bytes, &err), &err);
    tn_buf_free(&bytes);
    stop(&s);
}

/* ==== streams ==== */

/* A message of the answer's body, taken off its front; false: there is none yet. */
static bool take_message(answer *a, size_t *at, tn_view *out)
{
    if (a->body.n < *at + 5) return false;
    const uint8_t *p = (const uint8_t *)a->body.data + *at;
    size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (a->body.n < *at + 5 + n) return false;
    *out = (tn_view){a->body.data + *at + 5, n};
    *at += 5 + n;
    return true;
}

static tn_view next_message(peer *p, answer *a, size_t *at)
{
    tn_view out = {NULL, 0};
    while (!take_message(a, at, &out) && !a->closed && !p->gone) peer_pump(p, 10000);
    return out;
}

static int32_t next_status(void **state, peer *p, answer *a, size_t *at)
{
    tn_error err;
    tn_HealthCheckResponse *r;
    tn_view bytes = next_message(p, a, at);
    assert_non_null(bytes.p);
    assert_ok(TN_DECODE(HealthCheckResponse, bytes, arena_of(state), &r, &err), &err);
    return r->status;
}

static void test_watch(void **state)
{
    server s;
    peer p;
    answer known, unknown, late;
    size_t at = 0, at_unknown = 0, at_late = 0;
    tn_buf request = {0}, other = {0};
    start(state, &s, NULL);
    peer_connect(&p, tn_grpc_server_port(s.grpc, 0));
    tn_view service = encoded(state, TN_PROTO(HealthCheckRequest), "service: 'x'");
    peer_call(&p, &known, HEALTH "Watch", NULL, framed(&request, 0, "", 0), false);
    peer_call(&p, &unknown, HEALTH "Watch", NULL, framed(&other, 0, service.p, service.n), true);
    assert_int_equal(next_status(state, &p, &known, &at), 1);
    assert_int_equal(next_status(state, &p, &unknown, &at_unknown), 3);
    assert_int_equal(nghttp2_submit_rst_stream(p.session, 0, unknown.stream, NGHTTP2_CANCEL), 0);
    assert_soon((peer_pump(&p, 1), tn_grpc_server_counts(s.grpc).calls == 1));
    tn_service_drain(&s.service);
    assert_int_equal(next_status(state, &p, &known, &at), 2);
    peer_finish(&p, &known);
    assert_int_equal(known.status, TN_UNAVAILABLE);
    peer_call(&p, &late, HEALTH "Watch", NULL, framed(&request, 0, "", 0), false);
    assert_int_equal(next_status(state, &p, &late, &at_late), 2);
    peer_finish(&p, &late);
    assert_int_equal(late.status, TN_UNAVAILABLE);
    peer_close(&p);
    answer_free(&known);
    answer_free(&unknown);
    answer_free(&late);
    tn_buf_free(&request);
    tn_buf_free(&other);
    stop(&s);
}

static void test_reflection(void **state)
{
    static const char *const paths[] = {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
    server s;
    peer p;
    start(state, &s, NULL);
    peer_connect(&p, tn_grpc_server_port(s.grpc, 0));
    for (size_t i = 0; i < TN_COUNT(paths); i++) {
        answer a;
        size_t at = 0;
        tn_buf request = {0}, second = {0};
        tn_error err;
        tn_ServerReflectionResponse *r;
        tn_view list = encoded(state, TN_PROTO(ServerReflectionRequest), "list_services: ''");
        tn_view file = encoded(state, TN_PROTO(ServerReflectionRequest), "file_containing_symbol: 'tensorflow.TensorProto'");
        framed(&request, 0, list.p, list.n);
        tn_view more = framed(&second, 0, file.p, file.n);
        tn_buf_add(&request, more.p, more.n);
        peer_call(&p, &a, paths[i], NULL, (tn_view){request.data, request.n}, false);
        assert_ok(TN_DECODE(ServerReflectionResponse, next_message(&p, &a, &at), arena_of(state), &r, &err), &err);
        assert_int_equal(r->list_services_response->service.n, 5);
        assert_ok(TN_DECODE(ServerReflectionResponse, next_message(&p, &a, &at), arena_of(state), &r, &err), &err);
        assert_true(r->file_descriptor_response->file_descriptor_proto.n > 1);
        peer_finish(&p, &a);
        assert_int_equal(a.status, TN_OK);
        answer_free(&a);
        tn_buf_free(&request);
        tn_buf_free(&second);
    }
    peer_close(&p);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_methods), TEST(test_unreadable), TEST(test_many),      TEST(test_many_batched),
        TEST(test_large),
        TEST(test_reload),  TEST(test_watch),      TEST(test_reflection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
