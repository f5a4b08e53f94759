/* SPDX-License-Identifier: Apache-2.0
 *
 * request_log.c - requests with their answers as PredictionLog records in TFRecord files, as a model's LoggingConfig
 * says: PREFIX-DATE-TIME-PID-N.tfrecord, a new one every 256 MiB. `turnery replay` and warm-up read them.
 */
#include "serve.h"
#include "spool.h"

#include <time.h>

struct tn_request_log {
    tn_spool *spool;
    tn_metrics *metrics;
    char *model;
    double rate;
    atomic_ullong state; /* of the sampling's random numbers */
};

/* The collectors that are there: files. TensorFlow Serving's words for any other. */
static tn_code check(const tn_LoggingConfig *c, const char *model, tn_error *err)
{
    const tn_LogCollectorConfig *l = c->log_collector_config;
    if (!l) return tn_fail(err, TN_INVALID_ARGUMENT, "model %s: logging_config has no log_collector_config", model);
    if (l->type.n && !tn_view_is(l->type, "file") && !tn_view_is(l->type, "tfrecord"))
        return tn_fail(err, TN_NOT_FOUND, "Cannot find LogCollector::Factory for type: %.*s (there is: file)",
                       (int)TN_MIN(l->type.n, 200), l->type.p);
    if (!l->filename_prefix.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "model %s: log_collector_config has no filename_prefix", model);
    double rate = c->sampling_config ? c->sampling_config->sampling_rate : 0;
    if (!(rate >= 0 && rate <= 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "model %s: sampling_rate %g is out of range: 0 to 1", model, rate);
    return TN_OK;
}

static tn_code open_spool(const tn_LogCollectorConfig *c, tn_spool **out, tn_error *err)
{
    char *prefix = tn_malloc(c->filename_prefix.n + 1);
    if (!prefix) return tn_no_memory(err, c->filename_prefix.n);
    memcpy(prefix, c->filename_prefix.p, c->filename_prefix.n);
    prefix[c->filename_prefix.n] = 0;
    tn_spool_options o = {.path = prefix, .ending = ".tfrecord", .most_file = (size_t)256 << 20,
                          .most_gathered = (size_t)64 << 20};
    tn_code code = tn_spool_open(&o, out, err);
    tn_free(prefix);
    return code;
}

tn_code tn_request_log_open(const tn_LoggingConfig *config, const char *model, tn_metrics *metrics,
                            tn_request_log **out, tn_error *err)
{
    if (!config) {
        *out = NULL;
        return TN_OK;
    }
    TN_TRY(check(config, model, err));
    tn_request_log *l = tn_calloc(1, sizeof *l);
    if (!l || !(l->model = tn_strdup(model))) {
        tn_free(l);
        return tn_no_memory(err, sizeof *l);
    }
    l->metrics = metrics;
    l->rate = config->sampling_config ? config->sampling_config->sampling_rate : 0;
    atomic_init(&l->state, (unsigned long long)tn_now_us() | 1);
    tn_code code = open_spool(config->log_collector_config, &l->spool, err);
    if (code != TN_OK) {
        tn_wrap(err, "request log of model %s", model);
        tn_request_log_close(l);
        return code;
    }
    *out = l;
    return TN_OK;
}

/* splitmix64: one step for each request, by whichever thread. */
bool tn_request_log_wants(tn_request_log *l)
{
    if (!l || l->rate <= 0) return false;
    if (l->rate >= 1) return true;
    unsigned long long z = atomic_fetch_add_explicit(&l->state, 0x9e3779b97f4a7c15ull, memory_order_relaxed);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53 < l->rate;
}

/* A PredictionLog, framed: its metadata, then the log as it came. */
static tn_code record_of(const tn_request_log *l, tn_ModelSpec *spec, tn_view log, tn_buf *out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_SamplingConfig sampling = {.sampling_rate = l->rate};
    tn_LogMetadata metadata = {
        .model_spec = spec, .sampling_config = &sampling, .timestamp_secs = (int64_t)time(NULL)};
    tn_PredictionLog head = {.log_metadata = &metadata};
    tn_code code = TN_ENCODE(PredictionLog, &head, &bytes, err);
    tn_buf_add(&bytes, log.p, log.n);
    if (code == TN_OK) code = tn_buf_check(&bytes, err);
    if (code == TN_OK) tn_record_put(out, bytes.data, bytes.n);
    tn_buf_free(&bytes);
    return code == TN_OK ? tn_buf_check(out, err) : code;
}

void tn_request_log_put(tn_request_log *l, tn_ModelSpec *spec, tn_view log)
{
    tn_buf framed = {0};
    tn_code code = record_of(l, spec, log, &framed, NULL);
    if (code == TN_OK && !tn_spool_put(l->spool, (tn_view){framed.data, framed.n})) code = TN_RESOURCE_EXHAUSTED;
    tn_buf_free(&framed);
    if (!l->metrics) return;
    tn_metrics_logged(l->metrics, l->model, code);
    for (int64_t lost = tn_spool_take_lost(l->spool) - (code != TN_OK); lost > 0; lost--)
        tn_metrics_logged(l->metrics, l->model, TN_RESOURCE_EXHAUSTED);
}

void tn_request_log_close(tn_request_log *l)
{
    if (!l) return;
    tn_spool_close(l->spool);
    tn_free(l->model);
    tn_free(l);
}
