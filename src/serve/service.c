/* SPDX-License-Identifier: Apache-2.0
 *
 * service.c - what is common to all requests, whatever they ask and however they came: the servable they mean, room for
 * the question, and the end, where they are counted and logged.
 *
 * Invariant: a turn holds its servable and its answer's tensors from where it has them until it ends, which it does
 * exactly once.
 */
#include "../wire/wire.h"
#include "grpc_api.h"

enum { MOST_WAITING = 1 << 16, MOST_RELOADS = 64 };

tn_code tn_service_start(tn_service *s, int threads, tn_error *err)
{
    TN_TRY(tn_pool_new(threads > 0 ? threads : tn_core_count(), MOST_WAITING, &s->pool, err));
    tn_code code = tn_pool_new(1, MOST_RELOADS, &s->reloads, err);
    if (code == TN_OK) code = tn_watchers_new(&s->watchers, err);
    if (code != TN_OK) tn_service_stop(s);
    return code;
}

void tn_service_stop(tn_service *s)
{
    tn_pool_free(s->reloads);
    tn_pool_free(s->pool);
    tn_watchers_free(s->watchers);
    s->reloads = s->pool = NULL;
    s->watchers = NULL;
}

/* A name as the facts have it: ended by NUL. */
static const char *text_of(tn_arena *a, tn_view v)
{
    return v.n ? tn_arena_strndup(a, v.p, v.n) : "";
}

tn_code tn_turn_permit(const tn_turn *t, tn_view model, tn_error *err)
{
    return t->tokens ? tn_tokens_check(t->tokens, t->authorization, model, err) : TN_OK;
}

tn_code tn_turn_servable(tn_turn *t, const tn_ModelSpec *spec, tn_error *err)
{
    if (!spec) return tn_fail(err, TN_INVALID_ARGUMENT, "Missing ModelSpec");
    t->spec = spec;
    t->signature = spec->signature_name.n ? spec->signature_name : TN_VIEW(TN_DEFAULT_SIGNATURE);
    t->facts.signature = text_of(t->arena, t->signature);
    t->facts.model = t->servable ? t->servable->model : text_of(t->arena, spec->name);
    TN_TRY(tn_turn_permit(t, spec->name, err));
    if (!t->servable) {
        TN_TRY(tn_manager_get(t->service->manager, spec, &t->servable, err));
        t->keeps = true;
    }
    t->facts.version = t->servable->version;
    return TN_OK;
}

tn_code tn_turn_ask(tn_turn *t, const tn_asker *a, const int *wanted, int n_wanted, tn_error *err)
{
    int n_out = wanted ? n_wanted : a->signature->n_out;
    t->ask = (tn_ask){.servable = t->servable, .asker = a, .wanted = wanted, .n_wanted = n_out,
                      .deadline = t->deadline, .cancel = t->cancel, .pool = t->service->pool};
    t->ask.in = TN_ARRAY(t->arena, a->signature->n_in + 1, const tn_tensor *);
    t->ask.out = TN_ARRAY(t->arena, n_out + 1, tn_tensor *);
    return t->ask.in && t->ask.out ? TN_OK : tn_no_memory(err, 0);
}

tn_code tn_turn_spec(tn_turn *t, tn_view signature, tn_ModelSpec **out, tn_error *err)
{
    tn_ModelSpec *m = TN_NEW(t->arena, tn_ModelSpec);
    tn_Int64Value *version = TN_NEW(t->arena, tn_Int64Value);
    if (!m || !version) return tn_no_memory(err, sizeof *m);
    version->value = t->servable->version;
    m->name = t->spec->name;
    m->signature_name = signature;
    TN_SET(m, ModelSpec, version_choice, version) = version;
    *out = m;
    return TN_OK;
}

/* ==== the request log ==== */

static uint32_t log_field(tn_api api)
{
    switch (api) {
    case TN_API_PREDICT: return TN_PredictionLog_predict_log;
    case TN_API_CLASSIFY: return TN_PredictionLog_classify_log;
    case TN_API_REGRESS: return TN_PredictionLog_regress_log;
    case TN_API_MULTI_INFERENCE: return TN_PredictionLog_multi_inference_log;
    default: return 0;
    }
}

static void add_field(tn_buf *b, uint32_t field, uint64_t n)
{
    char head[2 * TN_VARINT_MOST];
    size_t used = tn_varint_put(head, field << 3 | 2);
    used += tn_varint_put(head + used, n);
    tn_buf_add(b, head, used);
}

/* The field of a PredictionLog; all logs are {request = 1, response = 2}. */
static tn_code log_of(const tn_turn *t, tn_view request, tn_view response, tn_buf *b, tn_error *err)
{
    uint64_t n = 2 + tn_varint_size(request.n) + request.n + tn_varint_size(response.n) + response.n;
    add_field(b, log_field(t->facts.api), n);
    add_field(b, TN_PredictLog_request, request.n);
    tn_buf_add(b, request.p, request.n);
    add_field(b, TN_PredictLog_response, response.n);
    tn_buf_add(b, response.p, response.n);
    return tn_buf_check(b, err);
}

void tn_turn_log(tn_turn *t, tn_view request, tn_view response)
{
    tn_request_log *log = t->servable ? t->servable->request_log : NULL;
    tn_ModelSpec *spec;
    tn_buf bytes = {0};
    if (!log || !log_field(t->facts.api) || !tn_request_log_wants(log)) return;
    tn_code code = tn_turn_spec(t, t->spec->signature_name, &spec, NULL);
    if (code == TN_OK) code = log_of(t, request, response, &bytes, NULL);
    if (code == TN_OK) tn_request_log_put(log, spec, (tn_view){bytes.data, bytes.n});
    else if (t->service->metrics) tn_metrics_logged(t->service->metrics, t->servable->model, code);
    tn_buf_free(&bytes);
}

/* ==== the end ==== */

static void give_back(tn_turn *t)
{
    for (int i = 0; t->ask.out && i < t->ask.n_wanted; i++) tn_tensor_unref(t->ask.out[i]);
    t->ask.out = NULL;
    if (t->keeps) tn_servable_unref(t->servable);
    t->servable = NULL;
    t->keeps = false;
}

void tn_turn_end(tn_turn *t, tn_code code, const char *message)
{
    tn_request_facts *f = &t->facts;
    f->code = code;
    f->message = code == TN_OK ? "" : message;
    f->queued_us = t->ask.queued_us;
    if (t->ask.ran_us) f->run_us = t->ask.ran_us;
    f->total_us = tn_now_us() - f->received;
    if (t->service->metrics) tn_metrics_request(t->service->metrics, f);
    if (t->service->access_log) tn_access_log_put(t->service->access_log, f);
    give_back(t);
}
