/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - a request log (TFRecord of PredictionLog) asked again: each record's request goes to a server, perhaps to
 * another model or version, and what comes back is compared with what was recorded.
 *
 * Invariants: so many questions are on their way at once; each record is told of exactly once, in any order, by one
 * thread at a time.
 */
#include "replay.h"

#include "stub.h"

#include <time.h>

typedef struct replay {
    tn_stub *stub;
    const tn_replay_options *o;
    const char *path;
    pthread_mutex_t lock; /* of waiting, and held while a record is told of */
    pthread_cond_t changed;
    int waiting;
    int64_t began; /* seconds since 1970 */
} replay;

typedef struct record { /* a question on its way; in its arena */
    replay *r;
    tn_arena *arena;
    tn_PredictionLog *log;
    int64_t number, since;
    char *model;
} record;

/* ==== kinds of records ==== */

typedef struct kind {
    int log_case;
    const char *name, *path;
    /* Sets the specs; TN_OK with out empty: there is no request. */
    tn_code (*encode)(record *x, tn_buf *out, tn_error *err);
    /* false: no answer is recorded. */
    tn_code (*compare)(record *x, tn_view answer, tn_comparison *c, bool *recorded, tn_error *err);
} kind;

static tn_code set_spec(record *x, tn_ModelSpec **spec, tn_error *err)
{
    const tn_replay_options *o = x->r->o;
    tn_ModelSpec *s = TN_NEW(x->arena, tn_ModelSpec);
    tn_Int64Value *version = TN_NEW(x->arena, tn_Int64Value);
    if (!s || !version) return tn_no_memory(err, sizeof *s);
    if (*spec) *s = **spec;
    if (o->model) s->name = tn_view_of(o->model);
    if (o->model || o->version > 0 || o->label) s->version_choice_case = 0;
    version->value = o->version;
    if (o->version > 0)
        TN_SET(s, ModelSpec, version_choice, version) = version;
    else if (o->label)
        TN_SET(s, ModelSpec, version_choice, version_label) = tn_view_of(o->label);
    *spec = s;
    x->model = tn_arena_strndup(x->arena, s->name.n ? s->name.p : "", s->name.n);
    return x->model ? TN_OK : tn_no_memory(err, s->name.n);
}

/* The same for three kinds that differ in their messages only. */
#define SIMPLE_KIND(what, Log, Request, Response, was_of, is_of)                                                      \
    static tn_code encode_##what(record *x, tn_buf *out, tn_error *err)                                               \
    {                                                                                                                 \
        tn_##Request *q = x->log->what##_log->request;                                                                \
        if (!q) return TN_OK;                                                                                         \
        TN_TRY(set_spec(x, &q->model_spec, err));                                                                     \
        return TN_ENCODE(Request, q, out, err);                                                                       \
    }                                                                                                                 \
    static tn_code compare_##what(record *x, tn_view answer, tn_comparison *c, bool *recorded, tn_error *err)         \
    {                                                                                                                 \
        tn_##Response *is, *was = x->log->what##_log->response;                                                       \
        TN_TRY(TN_DECODE(Response, answer, x->arena, &is, err));                                                      \
        if ((*recorded = was != NULL)) tn_compare_##what(c, was_of, is_of);                                           \
        return TN_OK;                                                                                                 \
    }

SIMPLE_KIND(predict, PredictLog, PredictRequest, PredictResponse, was, is)
SIMPLE_KIND(classify, ClassifyLog, ClassificationRequest, ClassificationResponse, was->result, is->result)
SIMPLE_KIND(regress, RegressLog, RegressionRequest, RegressionResponse, was->result, is->result)

static tn_code encode_multi(record *x, tn_buf *out, tn_error *err)
{
    tn_MultiInferenceRequest *q = x->log->multi_inference_log->request;
    if (!q) return TN_OK;
    for (uint32_t i = 0; i < q->tasks.n; i++) TN_TRY(set_spec(x, &q->tasks.items[i].model_spec, err));
    return TN_ENCODE(MultiInferenceRequest, q, out, err);
}

static tn_code compare_multi(record *x, tn_view answer, tn_comparison *c, bool *recorded, tn_error *err)
{
    tn_MultiInferenceResponse *is, *was = x->log->multi_inference_log->response;
    TN_TRY(TN_DECODE(MultiInferenceResponse, answer, x->arena, &is, err));
    if ((*recorded = was != NULL)) tn_compare_multi(c, was, is);
    return TN_OK;
}

#define SERVICE "/tensorflow.serving.PredictionService/"

static const kind kinds[] = {
    {TN_PredictionLog_predict_log, "predict", SERVICE "Predict", encode_predict, compare_predict},
    {TN_PredictionLog_classify_log, "classify", SERVICE "Classify", encode_classify, compare_classify},
    {TN_PredictionLog_regress_log, "regress", SERVICE "Regress", encode_regress, compare_regress},
    {TN_PredictionLog_multi_inference_log, "multi_inference", SERVICE "MultiInference", encode_multi, compare_multi},
};

static const kind *kind_of(const tn_PredictionLog *l)
{
    for (size_t i = 0; i < TN_COUNT(kinds); i++)
        if ((int)l->log_type_case == kinds[i].log_case) return &kinds[i];
    return NULL;
}

/* ==== outcomes ==== */

static void tell(record *x, tn_replay_verdict verdict, tn_code code, const char *text, int64_t different)
{
    replay *r = x->r;
    const kind *k = x->log ? kind_of(x->log) : NULL;
    tn_replayed said = {.path = r->path, .record = x->number, .kind = k ? k->name : "other",
                        .model = x->model ? x->model : "", .verdict = verdict, .code = code, .text = text,
                        .different = different, .microseconds = x->since ? tn_now_us() - x->since : 0};
    pthread_mutex_lock(&r->lock);
    r->o->told(r->o->payload, &said);
    r->waiting--;
    pthread_cond_signal(&r->changed);
    tn_arena_free(x->arena);
    pthread_mutex_unlock(&r->lock);
}

static void answered(void *payload, tn_code code, const char *message, tn_view answer)
{
    record *x = payload;
    tn_comparison c = {.tolerance = x->r->o->tolerance};
    tn_error err;
    bool recorded = true;
    if (code != TN_OK) {
        tell(x, TN_REPLAY_FAILED, code, message, 0);
        return;
    }
    if ((code = kind_of(x->log)->compare(x, answer, &c, &recorded, &err)) != TN_OK)
        tell(x, TN_REPLAY_FAILED, code, err.message, 0);
    else if (c.failed)
        tell(x, TN_REPLAY_FAILED, c.failed, c.text, 0);
    else
        tell(x, recorded ? c.verdict : TN_REPLAY_ALONE, TN_OK, c.text, c.different);
}

/* ==== questions ==== */

static void ask(record *x, tn_bytes bytes)
{
    tn_error err = {TN_OK, ""};
    tn_buf request = {0};
    const kind *k = NULL;
    char *kept = tn_arena_strndup(x->arena, bytes.n ? bytes.p : "", bytes.n);
    tn_code code = kept ? TN_DECODE(PredictionLog, ((tn_view){kept, bytes.n}), x->arena, &x->log, &err)
                        : tn_no_memory(&err, bytes.n);
    /* The server may be writing this very log: its answers to us are not asked again. */
    bool ours = code == TN_OK && x->log->log_metadata && x->log->log_metadata->timestamp_secs > x->r->began;
    if (code == TN_OK && !ours && (k = kind_of(x->log))) code = k->encode(x, &request, &err);
    if (code == TN_OK && k && x->model) {
        x->since = tn_now_us();
        code = tn_grpc_call_async(x->r->stub->channel, k->path, (tn_view){request.data, request.n}, x->r->o->seconds,
                                  answered, x, NULL, &err);
        tn_buf_free(&request);
        if (code == TN_OK) return;
    }
    tn_buf_free(&request);
    const char *why = ours ? "recorded after this replay began" : "no request that can be asked";
    tell(x, code ? TN_REPLAY_FAILED : TN_REPLAY_SKIPPED, code, code ? err.message : why, 0);
}

/* Until no more than so many are on their way; then more are. */
static void wait_for(replay *r, int at_most, int more)
{
    pthread_mutex_lock(&r->lock);
    while (r->waiting > at_most) pthread_cond_wait(&r->changed, &r->lock);
    r->waiting += more;
    pthread_mutex_unlock(&r->lock);
}

static tn_code ask_record(replay *r, int64_t number, tn_bytes bytes, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    record *x = a ? TN_NEW(a, record) : NULL;
    if (!x) {
        tn_arena_free(a);
        return tn_no_memory(err, sizeof *x);
    }
    *x = (record){.r = r, .arena = a, .number = number};
    wait_for(r, TN_MAX(r->o->concurrency, 1) - 1, 1);
    ask(x, bytes);
    return TN_OK;
}

tn_code tn_stub_replay(tn_stub *c, const char *path, const tn_replay_options *o, tn_error *err)
{
    replay r = {.stub = c, .o = o, .path = path, .began = (int64_t)time(NULL)};
    tn_record_file *f;
    tn_bytes bytes;
    if (!c->channel) return tn_fail(err, TN_UNIMPLEMENTED, "request logs are asked again over gRPC only");
    TN_TRY(tn_record_file_open(path, &f, err));
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    tn_code code = TN_OK;
    for (int64_t i = 0; code == TN_OK; i++)
        if ((code = tn_record_file_next(f, &bytes, err)) == TN_OK) code = ask_record(&r, i, bytes, err);
    wait_for(&r, 0, 0);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
    tn_record_file_close(f);
    return code == TN_OUT_OF_RANGE ? TN_OK : code;
}
