/* SPDX-License-Identifier: Apache-2.0
 *
 * evaluate.c - metrics over a whole data set: sums of batches added up; and summaries of its first batch.
 *
 * Invariant: the same data and variables give the same numbers, whatever was evaluated before.
 */
#include <math.h>

#include "train.h"

struct tn_evaluator {
    const tn_network *network;
    const tn_data *data;
    int64_t batch;
    tn_callable *metrics, *summaries; /* summaries NULL: none */
    const tn_tensor **out;
    double *sums;
    tn_evaluation result;
};

static tn_code make_metrics(tn_evaluator *e, tn_session *s, tn_error *err)
{
    const tn_network *n = e->network;
    const char **names = tn_calloc((size_t)n->n_metrics * 2, sizeof *names);
    if (!names) return tn_no_memory(err, 0);
    for (int i = 0; i < n->n_metrics; i++) {
        names[2 * i] = n->metrics[i].value;
        names[2 * i + 1] = n->metrics[i].count;
        e->result.names[i] = n->metrics[i].name;
    }
    tn_code code =
        tn_callable_new(s, n->feeds, n->n_feeds, names, 2 * n->n_metrics, NULL, 0, &e->metrics, err);
    tn_free(names);
    return code;
}

static tn_code make_summaries(tn_evaluator *e, tn_session *s, tn_error *err)
{
    const tn_network *n = e->network;
    if (!n->n_summaries) return TN_OK;
    const char **names = tn_calloc((size_t)n->n_summaries, sizeof *names);
    if (!names) return tn_no_memory(err, 0);
    for (int i = 0; i < n->n_summaries; i++) names[i] = n->summaries[i].value;
    tn_code code =
        tn_callable_new(s, n->feeds, n->n_feeds, names, n->n_summaries, NULL, 0, &e->summaries, err);
    tn_free(names);
    return code;
}

tn_code tn_evaluator_new(const tn_network *n, tn_session *s, const tn_data *d, int64_t batch,
                         tn_evaluator **out, tn_error *err)
{
    tn_evaluator *e = tn_calloc(1, sizeof *e);
    if (!e) return tn_no_memory(err, sizeof *e);
    *e = (tn_evaluator){.network = n, .data = d, .batch = TN_MIN(batch, d->count)};
    int most = TN_MAX(2 * n->n_metrics, n->n_summaries);
    e->out = tn_calloc((size_t)most + 1, sizeof *e->out);
    e->sums = tn_calloc((size_t)most + 1, sizeof *e->sums);
    e->result.values = tn_calloc((size_t)n->n_metrics + 1, sizeof *e->result.values);
    e->result.names = tn_calloc((size_t)n->n_metrics + 1, sizeof *e->result.names);
    e->result.n = n->n_metrics;
    tn_code code = e->out && e->sums && e->result.values && e->result.names ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = make_metrics(e, s, err);
    if (code == TN_OK) code = make_summaries(e, s, err);
    if (code == TN_OK)
        *out = e;
    else
        tn_evaluator_free(e);
    return code;
}

void tn_evaluator_free(tn_evaluator *e)
{
    if (!e) return;
    tn_callable_free(e->metrics);
    tn_callable_free(e->summaries);
    tn_free(e->out);
    tn_free(e->sums);
    tn_free(e->result.values);
    tn_free(e->result.names);
    tn_free(e);
}

static tn_code add_batches(tn_evaluator *e, tn_pipeline *p, const volatile int *stop, tn_error *err)
{
    const tn_batch *b;
    int n = 2 * e->network->n_metrics;
    memset(e->sums, 0, (size_t)n * sizeof *e->sums);
    while ((b = tn_pipeline_next(p))) {
        if (stop && *stop) return tn_fail(err, TN_CANCELLED, "evaluation was stopped");
        TN_TRY(tn_callable_run(e->metrics, b->feeds, e->out, err));
        for (int i = 0; i < n; i++) e->sums[i] += tn_tensor_number(e->out[i], 0);
    }
    return TN_OK;
}

static tn_pipeline_options in_order(const tn_evaluator *e)
{
    return (tn_pipeline_options){.batch = e->batch, .last = TN_LAST_KEEP};
}

tn_code tn_evaluator_run(tn_evaluator *e, const volatile int *stop, const tn_evaluation **out, tn_error *err)
{
    tn_pipeline *p;
    tn_pipeline_options o = in_order(e);
    TN_TRY(tn_pipeline_new(e->data, &o, &p, err));
    tn_code code = add_batches(e, p, stop, err);
    tn_pipeline_free(p);
    TN_TRY(code);
    for (int i = 0; i < e->result.n; i++) {
        double count = e->sums[2 * i + 1], mean = count ? e->sums[2 * i] / count : 0;
        e->result.values[i] = e->network->metrics[i].root ? sqrt(mean) : mean;
    }
    e->result.examples = e->data->count;
    *out = &e->result;
    return TN_OK;
}

/* ==== summaries ==== */

static tn_code write_summary(const tn_fetch *f, const tn_tensor *value, tn_events *events, int64_t step,
                             tn_error *err)
{
    switch (f->kind) {
    case TN_VALUE_SCALAR:
        if (tn_tensor_count(value) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "summary '%s' is no scalar", f->name);
        return tn_events_scalar(events, step, f->name, (float)tn_tensor_number(value, 0), err);
    case TN_VALUE_IMAGE:
        return tn_events_images(events, step, f->name, value, f->most > 0 ? f->most : 3, err);
    case TN_VALUE_HISTOGRAM: return tn_events_histogram(events, step, f->name, value, err);
    default:
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "summary '%s' must be made by one of the tn_summary functions", f->name);
    }
}

tn_code tn_evaluator_summaries(tn_evaluator *e, tn_events *events, int64_t step, tn_error *err)
{
    tn_pipeline *p;
    tn_pipeline_options o = in_order(e);
    if (!e->summaries) return TN_OK;
    TN_TRY(tn_pipeline_new(e->data, &o, &p, err));
    const tn_batch *b = tn_pipeline_next(p);
    tn_code code = tn_callable_run(e->summaries, b->feeds, e->out, err);
    for (int i = 0; code == TN_OK && i < e->network->n_summaries; i++)
        code = write_summary(&e->network->summaries[i], e->out[i], events, step, err);
    tn_pipeline_free(p);
    return code;
}
