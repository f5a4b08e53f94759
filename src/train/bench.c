/* SPDX-License-Identifier: Apache-2.0
 *
 * bench.c - times training steps: blocks of steps over the experiment's data in its own order, as the loop
 * runs them.
 */
#include "train.h"

typedef struct bench {
    tn_data *data;
    tn_network *network;
    tn_session *session;
    tn_callable *step;
    tn_pipeline *pipeline;
    double loss;
} bench;

static tn_code run_steps(bench *b, int64_t n, tn_error *err)
{
    const tn_tensor *loss = NULL;
    for (int64_t i = 0; i < n; i++)
        TN_TRY(tn_callable_run(b->step, tn_pipeline_next(b->pipeline)->feeds, &loss, err));
    if (n) b->loss = TN_FLOATS(loss)[0];
    return TN_OK;
}

static tn_code set_up(const tn_job *j, bench *b, tn_error *err)
{
    TN_TRY(tn_job_data(j, "train", &b->data, err));
    TN_TRY(tn_network_new(j, b->data, true, &b->network, err));
    const tn_network *n = b->network;
    TN_TRY(tn_job_session(j, n->graph, &b->session, err));
    TN_TRY(tn_callable_new(b->session, n->feeds, n->n_feeds, &n->loss, 1, &n->train, 1, &b->step, err));
    tn_callable_guard(b->step, 0);
    TN_TRY(tn_network_start(n, b->session, err));
    tn_pipeline_options o = {.batch = j->settings.run.batch_size, .repeat = true, .last = TN_LAST_WRAP};
    return tn_pipeline_new(b->data, &o, &b->pipeline, err);
}

static tn_code time_blocks(bench *b, tn_bench *r, tn_error *err)
{
    TN_TRY(run_steps(b, r->steps, err)); /* warm */
    for (int64_t i = 0; i < r->blocks; i++) {
        int64_t begin = tn_now_us();
        TN_TRY(run_steps(b, r->steps, err));
        r->ms_per_step[r->n_blocks++] = (double)(tn_now_us() - begin) / 1e3 / (double)r->steps;
    }
    return TN_OK;
}

tn_code tn_job_bench(tn_job *j, tn_bench *r, tn_error *err)
{
    bench b = {0};
    if (r->steps < 1 || r->blocks < 1 || r->blocks > (int64_t)TN_COUNT(r->ms_per_step))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "bench: %lld blocks of %lld steps; 1 to %zu blocks of at least 1",
                       (long long)r->blocks, (long long)r->steps, TN_COUNT(r->ms_per_step));
    int64_t begin = tn_now_us();
    tn_code code = set_up(j, &b, err);
    if (code == TN_OK) code = run_steps(&b, 1, err);
    r->first_step_s = (double)(tn_now_us() - begin) / 1e6;
    r->n_blocks = 0;
    r->batch = j->settings.run.batch_size;
    r->threads = b.session ? tn_session_threads(b.session) : 0;
    if (code == TN_OK) code = time_blocks(&b, r, err);
    r->final_loss = b.loss;
    tn_pipeline_free(b.pipeline);
    tn_callable_free(b.step);
    tn_session_free(b.session);
    tn_network_free(b.network);
    tn_data_close(b.data);
    return code;
}
