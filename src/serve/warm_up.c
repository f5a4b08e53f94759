/* SPDX-License-Identifier: Apache-2.0
 *
 * warm_up.c - a model's first questions, asked before it is AVAILABLE, so that no request pays for planning: those it
 * brings (assets.extra/tf_serving_warmup_requests), as TensorFlow Serving reads them: PredictionLogs in a TFRecord
 * file. Where it brings none, warm_zeros.c makes some up.
 *
 * Invariant: one request that the model brings and that fails, fails the model.
 */
#include "models.h"

#define WARM_UP_FILE "assets.extra/tf_serving_warmup_requests"
enum { MOST_RECORDS = 1000 };

typedef struct warming {
    tn_servable *servable;
    const tn_servable_options *options;
    tn_service service; /* a request's, with nothing in it: nothing is counted or logged */
    const char *path;
    int64_t records;
} warming;

/* ==== a request ==== */

/* Whatever model a request names, this one is asked. */
static const tn_ModelSpec *spec_of(const tn_ModelSpec *spec)
{
    static const tn_ModelSpec any = {.name = {"", 0}};
    return spec ? spec : &any;
}

static tn_code ask_predict(tn_turn *t, const tn_PredictLog *l, tn_error *err)
{
    tn_PredictRequest q = l->request ? *l->request : (tn_PredictRequest){0};
    tn_PredictResponse *out;
    q.model_spec = (tn_ModelSpec *)spec_of(q.model_spec);
    return tn_predict_request(t, &q, &out, err);
}

static tn_code ask_classify(tn_turn *t, const tn_ClassifyLog *l, tn_error *err)
{
    tn_ClassificationRequest q = l->request ? *l->request : (tn_ClassificationRequest){0};
    tn_ClassificationResponse *out;
    q.model_spec = (tn_ModelSpec *)spec_of(q.model_spec);
    return tn_classify_request(t, &q, &out, err);
}

static tn_code ask_regress(tn_turn *t, const tn_RegressLog *l, tn_error *err)
{
    tn_RegressionRequest q = l->request ? *l->request : (tn_RegressionRequest){0};
    tn_RegressionResponse *out;
    q.model_spec = (tn_ModelSpec *)spec_of(q.model_spec);
    return tn_regress_request(t, &q, &out, err);
}

static tn_code ask_several(tn_turn *t, const tn_MultiInferenceLog *l, tn_error *err)
{
    tn_MultiInferenceRequest q = l->request ? *l->request : (tn_MultiInferenceRequest){0};
    tn_MultiInferenceResponse *out;
    for (uint32_t i = 0; i < q.tasks.n; i++)
        if (!q.tasks.items[i].model_spec) q.tasks.items[i].model_spec = (tn_ModelSpec *)spec_of(NULL);
    return tn_multi_request(t, &q, &out, err);
}

static tn_code ask_logged(tn_turn *t, const tn_PredictionLog *l, tn_error *err)
{
    switch (l->log_type_case) {
    case TN_PredictionLog_predict_log: return ask_predict(t, l->predict_log, err);
    case TN_PredictionLog_classify_log: return ask_classify(t, l->classify_log, err);
    case TN_PredictionLog_regress_log: return ask_regress(t, l->regress_log, err);
    case TN_PredictionLog_multi_inference_log: return ask_several(t, l->multi_inference_log, err);
    case TN_PredictionLog_session_run_log:
        return tn_fail(err, TN_UNIMPLEMENTED, "Unsupported log_type for warmup: %d", (int)l->log_type_case);
    default: return TN_OK;
    }
}

static tn_code ask_once(warming *w, const tn_PredictionLog *l, tn_arena *a, tn_error *err)
{
    tn_turn t = {.service = &w->service, .arena = a, .servable = w->servable, .cancel = w->options->cancel};
    tn_error why = {0};
    tn_code code = ask_logged(&t, l, &why);
    tn_turn_end(&t, code, why.message);
    return code == TN_OK ? TN_OK : tn_fail(err, code, "%s", why.message);
}

/* ==== the file ==== */

static tn_code ask_record(warming *w, tn_bytes bytes, tn_error *err)
{
    tn_PredictionLog *l;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_DECODE(PredictionLog, ((tn_view){bytes.p, bytes.n}), a, &l, err);
    if (code != TN_OK && code != TN_RESOURCE_EXHAUSTED)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "Failed to parse warmup record: number %lld from %s",
                       (long long)w->records, w->path);
    for (int i = 0; code == TN_OK && i < TN_MAX(w->options->warm_up_iterations, 1); i++) code = ask_once(w, l, a, err);
    tn_arena_free(a);
    return code;
}

static tn_code no_records(tn_code code, const tn_error *why, tn_error *err)
{
    const char *hint = code == TN_DATA_LOSS ? ". Please verify your warmup data is in TFRecord format." : "";
    return tn_fail(err, code, "%.900s%s", why->message, hint);
}

static tn_code ask_records(warming *w, tn_record_file *f, tn_error *err)
{
    tn_bytes bytes;
    tn_error why;
    for (;;) {
        tn_code code = tn_record_file_next(f, &bytes, &why);
        if (code == TN_OUT_OF_RANGE) return TN_OK;
        if (code != TN_OK) return no_records(code, &why, err);
        if (w->options->cancel && atomic_load(w->options->cancel))
            return tn_fail(err, TN_CANCELLED, "loading was cancelled");
        TN_TRY(ask_record(w, bytes, err));
        if (++w->records > MOST_RECORDS)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Number of warmup records exceeds the maximum (%d) at %s",
                           MOST_RECORDS, w->path);
    }
}

static tn_code ask_file(warming *w, tn_error *err)
{
    tn_record_file *f;
    int64_t began = tn_now_us();
    tn_logf(w->options->log, TN_INFO, "Starting to read warmup data for model at %s", w->path);
    TN_TRY(tn_record_file_open(w->path, &f, err));
    tn_code code = ask_records(w, f, err);
    tn_record_file_close(f);
    int64_t us = tn_now_us() - began;
    if (w->options->metrics) tn_metrics_warm_up(w->options->metrics, w->servable->path, code, us, w->records);
    if (code == TN_OK)
        tn_logf(w->options->log, TN_INFO, "Finished reading warmup data for model at %s. Number of warmup records "
                "read: %lld. Elapsed time (microseconds): %lld.", w->path, (long long)w->records, (long long)us);
    return code;
}

tn_code tn_warm_up(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    warming w = {.servable = s, .options = o};
    w.path = o->meta_graph ? NULL : tn_path_join(s->arena, s->path, WARM_UP_FILE);
    if (!o->meta_graph && !w.path) return tn_no_memory(err, 0);
    return w.path && tn_file_exists(w.path) ? ask_file(&w, err) : tn_warm_up_zeros(s, o, err);
}
