/* SPDX-License-Identifier: Apache-2.0
 *
 * use.c - a trained run put to use: metrics on a data set, an export. Questions are ask.c's.
 */
#include "train.h"

/* ==== metrics ==== */

tn_code tn_restored_session(const tn_job *j, const char *run, tn_graph *g, tn_session **out, int64_t *step,
                            tn_error *err)
{
    const char *prefix;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_session *s = NULL;
    tn_code code = tn_run_latest(run, a, &prefix, err);
    if (code == TN_OK) code = tn_job_session(j, g, &s, err);
    if (code == TN_OK) code = tn_checkpoint_restore(prefix, g, NULL, s, NULL, err);
    if (code == TN_OK) code = tn_initialize_tables(g, s, err);
    if (code == TN_OK && step) *step = tn_checkpoint_step(prefix);
    tn_arena_free(a);
    if (code == TN_OK)
        *out = s;
    else
        tn_session_free(s);
    return code;
}

static tn_code tell_metrics(tn_job *j, const tn_network *n, tn_session *s, const tn_data *d, const char *run,
                            int64_t step, tn_error *err)
{
    tn_evaluator *e;
    const tn_evaluation *r;
    const tn_run_settings *settings = &j->settings.run;
    int64_t begin = tn_now_us(),
            batch = settings->eval_batch_size > 0 ? settings->eval_batch_size : settings->batch_size;
    TN_TRY(tn_evaluator_new(n, s, d, batch, &e, err));
    tn_code code = tn_evaluator_run(e, NULL, &r, err);
    if (code == TN_OK) {
        tn_news news = {.kind = TN_NEWS_VALIDATION,
                        .step = step,
                        .run = run,
                        .names = r->names,
                        .values = r->values,
                        .n_metrics = r->n,
                        .loss = r->values[0],
                        .seconds = (double)(tn_now_us() - begin) / 1e6};
        tn_job_news(j, &news);
    }
    tn_evaluator_free(e);
    return code;
}

tn_code tn_job_test(tn_job *j, const char *run, const char *set, tn_error *err)
{
    tn_data *d = NULL;
    tn_network *n = NULL;
    tn_session *s = NULL;
    int64_t step = 0;
    TN_TRY(tn_job_data(j, set, &d, err));
    tn_code code = tn_network_new(j, d, false, &n, err);
    if (code == TN_OK) code = tn_restored_session(j, run, n->graph, &s, &step, err);
    if (code == TN_OK) code = tell_metrics(j, n, s, d, run, step, err);
    tn_session_free(s);
    tn_network_free(n);
    tn_data_close(d);
    return code;
}

/* ==== export ==== */

/* The training data only where the experiment does not say what it serves. */
tn_code tn_job_serving(const tn_job *j, tn_serving **out, tn_error *err)
{
    tn_data *d = NULL;
    if (!j->experiment.experiment->serving) TN_TRY(tn_job_data(j, "train", &d, err));
    tn_code code = tn_serving_new(j, d, out, err);
    tn_data_close(d);
    return code;
}

tn_code tn_job_export(tn_job *j, const char *run, const char *base, char **path, tn_error *err)
{
    tn_serving *serving = NULL;
    tn_session *s = NULL;
    tn_buf text = {0};
    int64_t step = 0;
    TN_TRY(tn_job_serving(j, &serving, err));
    tn_code code = tn_restored_session(j, run, serving->graph, &s, &step, err);
    if (base)
        tn_buf_str(&text, base);
    else
        tn_buf_printf(&text, "%s/exports", run);
    if (code == TN_OK) code = tn_buf_check(&text, err);
    if (code == TN_OK) code = tn_export_step(serving, s, text.data, step, NULL, err);
    tn_buf_printf(&text, "/%lld", (long long)step);
    if (code == TN_OK && !(*path = tn_buf_take(&text, NULL))) code = tn_no_memory(err, 0);
    tn_buf_free(&text);
    tn_session_free(s);
    tn_serving_free(serving);
    return code;
}
