/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_api.c - gRPC calls: from a path to the request it is, and its answer back. A row of the table is a method.
 *
 * Calls come in threads that move bytes: what is short is answered in them; what is large, or computes for longer, goes
 * to the pool; what waits for models to a thread of its own.
 *
 * Invariant: every call is answered exactly once, after its turn has ended.
 */
#include "grpc_api.h"

enum { LARGE_MESSAGE = 512 << 10 }; /* reading it may take as long as a run */

typedef struct method method;

typedef struct grpc_turn { /* in the call's arena */
    tn_turn turn;
    tn_task task;
    const method *method;
    tn_grpc_call *call;
    void *request;
} grpc_turn;

typedef enum where { HERE, IN_POOL, IN_RELOADS } where;

struct method {
    const char *path;
    const tn_proto_message *request;
    tn_api api;
    where where;
    /* asks: the two halves around the question */
    tn_code (*begin)(tn_turn *t, const void *in, tn_error *err);
    tn_code (*finish)(tn_turn *t, tn_buf *out, tn_error *err);
    /* or all at once */
    tn_code (*answer)(tn_turn *t, const void *in, tn_buf *out, tn_error *err);
    /* or by itself, which may be switched off */
    void (*stream)(tn_service *s, tn_grpc_call *call);
    bool (*is_there)(const tn_service *s);
};

/* ==== the rows ==== */

#define BEGIN(name, T)                                                                            \
    static tn_code begin_##name(tn_turn *t, const void *in, tn_error *err)                        \
    {                                                                                             \
        return tn_##name##_begin(t, in, err);                                                     \
    }
BEGIN(predict, PredictRequest)
BEGIN(classify, SerializedRequest)
BEGIN(regress, SerializedRequest)

#define ANSWER(name, function, Response)                                                          \
    static tn_code answer_##name(tn_turn *t, const void *in, tn_buf *out, tn_error *err)          \
    {                                                                                             \
        tn_##Response *r;                                                                         \
        TN_TRY(function(t, in, &r, err));                                                         \
        return TN_ENCODE(Response, r, out, err);                                                  \
    }
ANSWER(multi, tn_multi_serialized, MultiInferenceResponse)
ANSWER(metadata, tn_metadata_request, GetModelMetadataResponse)
ANSWER(status, tn_status_request, GetModelStatusResponse)
ANSWER(reload, tn_reload_request, ReloadConfigResponse)
ANSWER(health, tn_health_check, HealthCheckResponse)
ANSWER(healths, tn_health_list, HealthListResponse)

static bool has_health(const tn_service *s)
{
    return s->health;
}

static bool has_reflection(const tn_service *s)
{
    return s->reflection;
}

#define PREDICTION "/tensorflow.serving.PredictionService/"
#define MODEL "/tensorflow.serving.ModelService/"
#define HEALTH "/grpc.health.v1.Health/"

static const method methods[] = {
    {.path = PREDICTION "Predict", .request = TN_PROTO(PredictRequest), .api = TN_API_PREDICT, .begin = begin_predict,
     .finish = tn_predict_finish},
    {.path = PREDICTION "Classify", .request = TN_PROTO(SerializedRequest), .api = TN_API_CLASSIFY,
     .begin = begin_classify, .finish = tn_classify_finish},
    {.path = PREDICTION "Regress", .request = TN_PROTO(SerializedRequest), .api = TN_API_REGRESS,
     .begin = begin_regress, .finish = tn_regress_finish},
    {.path = PREDICTION "MultiInference", .request = TN_PROTO(SerializedMultiRequest), .api = TN_API_MULTI_INFERENCE,
     .where = IN_POOL, .answer = answer_multi},
    {.path = PREDICTION "GetModelMetadata", .request = TN_PROTO(GetModelMetadataRequest), .api = TN_API_METADATA,
     .answer = answer_metadata},
    {.path = MODEL "GetModelStatus", .request = TN_PROTO(GetModelStatusRequest), .api = TN_API_STATUS,
     .answer = answer_status},
    {.path = MODEL "HandleReloadConfigRequest", .request = TN_PROTO(ReloadConfigRequest), .api = TN_API_RELOAD,
     .where = IN_RELOADS, .answer = answer_reload},
    {.path = HEALTH "Check", .request = TN_PROTO(HealthCheckRequest), .api = TN_API_OTHER, .answer = answer_health,
     .is_there = has_health},
    {.path = HEALTH "List", .request = TN_PROTO(HealthListRequest), .api = TN_API_OTHER, .answer = answer_healths,
     .is_there = has_health},
    {.path = HEALTH "Watch", .stream = tn_health_watch, .is_there = has_health},
    {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", .stream = tn_reflect,
     .is_there = has_reflection},
    {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", .stream = tn_reflect,
     .is_there = has_reflection},
};

static const method *find(const tn_service *s, const char *path)
{
    for (size_t i = 0; i < TN_COUNT(methods); i++)
        if (!strcmp(methods[i].path, path))
            return methods[i].is_there && !methods[i].is_there(s) ? NULL : &methods[i];
    return NULL;
}

const char *tn_grpc_path_at(const tn_service *s, size_t i)
{
    if (i >= TN_COUNT(methods)) return NULL;
    return methods[i].is_there && !methods[i].is_there(s) ? "" : methods[i].path;
}

/* ==== ends ==== */

static void answered(grpc_turn *g, tn_code code, const char *message, tn_buf *body)
{
    tn_grpc_call *call = g->call;
    tn_turn *t = &g->turn;
    char kept[sizeof((tn_error *)0)->message];
    if (code == TN_CANCELLED && t->deadline && tn_now_us() >= t->deadline) {
        code = TN_DEADLINE_EXCEEDED;
        message = "Deadline Exceeded";
    }
    if (code != TN_OK) { /* it may be a piece of what ends with the turn */
        snprintf(kept, sizeof kept, "%s", message);
        message = kept;
    }
    t->facts.bytes_out = code == TN_OK ? (int64_t)body->n : 0;
    tn_turn_end(t, code, message);
    tn_grpc_reply(call, code, code == TN_OK ? "" : message, body);
    tn_buf_free(body);
}

static void finished(grpc_turn *g, tn_code code, tn_error *err)
{
    tn_buf body = {0};
    int64_t before = tn_now_us();
    if (code == TN_OK) code = g->method->finish(&g->turn, &body, err);
    g->turn.facts.encode_us = tn_now_us() - before;
    if (code == TN_OK) tn_turn_log(&g->turn, tn_grpc_message(g->call), (tn_view){body.data, body.n});
    answered(g, code, err->message, &body);
}

static void asked(tn_ask *a, tn_code code, tn_error *err)
{
    finished(a->payload, code, err);
}

static void answer(grpc_turn *g)
{
    tn_buf body = {0};
    tn_error err = {.code = TN_OK};
    tn_code code = g->method->answer(&g->turn, g->request, &body, &err);
    if (code == TN_OK && g->method->api == TN_API_MULTI_INFERENCE)
        tn_turn_log(&g->turn, tn_grpc_message(g->call), (tn_view){body.data, body.n});
    answered(g, code, err.message, &body);
}

static void answer_task(tn_task *task)
{
    answer((grpc_turn *)((char *)task - offsetof(grpc_turn, task)));
}

/* ==== beginnings ==== */

/* What cannot be read is INTERNAL, as everywhere in gRPC. */
static tn_code decode(grpc_turn *g, tn_error *err)
{
    tn_code code = tn_proto_decode(g->method->request, tn_grpc_message(g->call), g->turn.arena, NULL, &g->request, err);
    return code == TN_DATA_LOSS ? TN_INTERNAL : code;
}

/* Where it may run is the pool, or here. */
static void ask(grpc_turn *g, tn_pool *pool)
{
    tn_error err; /* large, and set by what fails */
    tn_buf none = {0};
    tn_code code = decode(g, &err);
    if (code == TN_OK) code = g->method->begin(&g->turn, g->request, &err);
    g->turn.facts.decode_us = tn_now_us() - g->turn.facts.received;
    if (code != TN_OK) {
        answered(g, code, err.message, &none);
        return;
    }
    g->turn.ask.done = asked;
    g->turn.ask.payload = g;
    tn_ask_start(&g->turn.ask, pool);
}

static void ask_task(tn_task *task)
{
    ask((grpc_turn *)((char *)task - offsetof(grpc_turn, task)), NULL);
}

static void ask_somewhere(grpc_turn *g)
{
    tn_pool *pool = g->turn.service->pool;
    g->task.run = ask_task;
    if (tn_grpc_message(g->call).n < LARGE_MESSAGE || !pool || !tn_pool_add(pool, &g->task)) ask(g, pool);
}

static void answer_somewhere(grpc_turn *g)
{
    tn_service *s = g->turn.service;
    tn_pool *pool = g->method->where == IN_POOL ? s->pool : s->reloads;
    tn_error err = {.code = TN_OK};
    tn_buf none = {0};
    tn_code code = decode(g, &err);
    g->task.run = answer_task;
    if (code == TN_OK && (g->method->where == HERE || !pool)) {
        answer(g);
        return;
    }
    if (code == TN_OK && tn_pool_add(pool, &g->task)) return;
    if (code == TN_OK) code = tn_fail(&err, TN_RESOURCE_EXHAUSTED, "Server Threadpool Exhausted");
    answered(g, code, err.message, &none);
}

/* As text; NULL: it shows none. */
static const char *authorization_of(tn_grpc_call *call)
{
    tn_view v = tn_grpc_metadata(call, "authorization");
    return v.p ? tn_arena_strndup(tn_grpc_arena(call), v.p, v.n) : NULL;
}

static void begin(tn_service *s, const method *m, tn_grpc_call *call)
{
    tn_arena *a = tn_grpc_arena(call);
    grpc_turn *g = TN_NEW(a, grpc_turn);
    if (!g) {
        tn_grpc_reply(call, TN_RESOURCE_EXHAUSTED, "out of memory", NULL);
        return;
    }
    g->method = m;
    g->call = call;
    g->turn = (tn_turn){.service = s, .arena = a, .deadline = tn_grpc_deadline(call),
                        .cancel = tn_grpc_cancelled(call), .tokens = s->tokens};
    if (s->tokens) g->turn.authorization = authorization_of(call);
    g->turn.facts = (tn_request_facts){.api = m->api, .peer = tn_grpc_peer(call), .path = m->path,
                                       .received = tn_grpc_received(call),
                                       .bytes_in = (int64_t)tn_grpc_message(call).n};
    if (m->begin) ask_somewhere(g);
    else answer_somewhere(g);
}

void tn_grpc_api(void *service, tn_grpc_call *call)
{
    const method *m = find(service, tn_grpc_path(call));
    if (!m) tn_grpc_reply(call, TN_UNIMPLEMENTED, "", NULL);
    else if (m->stream) m->stream(service, call);
    else begin(service, m, call);
}
