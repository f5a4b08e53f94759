/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c - the loop: steps, and between them whatever is due.
 *
 * Invariants: a step is one run of the prepared plan on a batch that is already there; nothing is allocated
 * and no other thread is waited for. What is due is known ahead as a step's number; only the clock is looked
 * at.
 */
#include "trainer.h"

#include <math.h>

static const int64_t tick_us = 250000,
                     flush_us = 5000000; /* between signs of life; between points' way to the disk */

/* The first multiple of `every` after the step; 0 means never. */
static int64_t due_after(int64_t step, int64_t every)
{
    return every > 0 ? (step / every + 1) * every : INT64_MAX;
}

static bool due(int64_t step, int64_t every)
{
    return every > 0 && step % every == 0;
}

static int64_t next_due(const tn_trainer *t)
{
    const tn_run_settings *r = t->run;
    const int64_t every[] = {r->log_every, r->summary_every, r->save_every, r->export_every,
                             t->validate_steps};
    int64_t next = t->last_step;
    for (size_t i = 0; i < TN_COUNT(every); i++) next = TN_MIN(next, due_after(t->state.step, every[i]));
    return next;
}

static bool stopped(const tn_trainer *t)
{
    return t->options->stop && *t->options->stop;
}

/* ==== a step that went wrong ==== */

/* Adds the first number of the batch that is none: what the tensors' came from, most often. */
static void note_bad_data(const tn_trainer *t, const tn_batch *b, tn_error *err)
{
    for (int c = 0; c < t->train->n; c++) {
        const tn_tensor *x = b->feeds[c];
        int64_t n = x->dtype == TN_FLOAT || x->dtype == TN_DOUBLE ? tn_tensor_count(x) : 0;
        for (int64_t i = 0; i < n; i++) {
            double v = tn_tensor_number(x, i);
            if (isfinite(v)) continue;
            tn_note(err, "(the training data's column '%s' has %g in example %lld of the batch)",
                    t->train->v[c].name, v, (long long)(i / (n / b->examples)));
            return;
        }
    }
}

/* Says where NaN or infinity came from: the same batch again, looking at every value. What fails in the same
 * words then has nothing to do with numbers. */
static tn_code explain(tn_trainer *t, const tn_batch *b, tn_error *err)
{
    const tn_tensor *out;
    tn_error first;
    long long step = (long long)t->state.step + 1;
    if (err && err->code == TN_INVALID_ARGUMENT &&
        tn_callable_run_checked(t->step, b->feeds, &out, &first) != TN_OK &&
        strcmp(first.message, err->message)) {
        note_bad_data(t, b, &first);
        return tn_fail(err, TN_INVALID_ARGUMENT, "step %lld: the loss is not finite: %s", step,
                       first.message);
    }
    return tn_wrap(err, "step %lld", step);
}

/* ==== running ==== */

static void new_window(tn_trainer *t)
{
    t->window_start = tn_now_us();
    t->window_step = t->state.step;
    t->paused = 0;
}

/* Steps until one is due, the run is stopped, or it is time for a checkpoint or a sign of life. */
static tn_code run_until(tn_trainer *t, int64_t step, int64_t time, tn_error *err)
{
    const tn_tensor *loss = NULL;
    tn_code code = TN_OK;
    while (t->state.step < step && !stopped(t) && tn_now_us() < time) {
        const tn_batch *b = tn_pipeline_next(t->pipeline);
        code = tn_callable_run(t->step, b->feeds, &loss, err);
        if (code != TN_OK) {
            explain(t, b, err);
            break;
        }
        t->state.step++;
        t->state.position++;
        t->loss = TN_FLOATS(loss)[0];
    }
    return code;
}

/* What the number of the step says is due. */
static tn_code do_due(tn_trainer *t, tn_error *err)
{
    const tn_run_settings *r = t->run;
    int64_t step = t->state.step;
    if (due(step, r->summary_every)) TN_TRY(tn_trainer_summarize(t, err));
    if (due(step, r->log_every)) {
        tn_trainer_tell(t, TN_NEWS_STEP, NULL, NULL);
        new_window(t);
    }
    if (due(step, t->validate_steps)) TN_TRY(tn_trainer_validate(t, err));
    if (due(step, r->save_every)) TN_TRY(tn_trainer_save(t, err));
    if (due(step, r->export_every)) TN_TRY(tn_trainer_export(t, err));
    return TN_OK;
}

static tn_code do_timed(tn_trainer *t, tn_error *err)
{
    int64_t now = tn_now_us();
    if (t->run->save_seconds > 0 && (double)(now - t->save_time) >= t->run->save_seconds * 1e6)
        TN_TRY(tn_trainer_save(t, err));
    if (now >= t->tick_time) {
        t->tick_time = now + tick_us;
        tn_trainer_tell(t, TN_NEWS_PROGRESS, NULL, NULL);
    }
    if (now < t->flush_time) return TN_OK;
    t->flush_time = now + flush_us;
    return tn_events_flush(t->events, err);
}

static int64_t next_time(const tn_trainer *t)
{
    double save = t->run->save_seconds > 0 ? (double)t->save_time + t->run->save_seconds * 1e6 : 9e18;
    return save < (double)t->tick_time ? (int64_t)save : t->tick_time;
}

static tn_code run(tn_trainer *t, tn_error *err)
{
    while (t->state.step < t->last_step && !stopped(t)) {
        int64_t next = next_due(t);
        TN_TRY(run_until(t, next, next_time(t), err));
        if (t->state.step == next) TN_TRY(do_due(t, err));
        TN_TRY(do_timed(t, err));
    }
    return TN_OK;
}

/* The end of a run: the last metrics, a checkpoint, an export. A stopped run only saves. */
static tn_code finish(tn_trainer *t, tn_error *err)
{
    bool cut = stopped(t);
    if (!cut) {
        tn_code code = tn_trainer_validate(t, err);
        if (code == TN_CANCELLED)
            cut = true;
        else
            TN_TRY(code);
    }
    TN_TRY(tn_trainer_save(t, err));
    if (!cut) TN_TRY(tn_trainer_export(t, err));
    tn_trainer_tell(t, TN_NEWS_END, NULL,
                    cut                                                       ? "stopped"
                    : t->state.step >= t->run->max_steps && t->run->max_steps ? "max_steps"
                                                                              : "epochs");
    return TN_OK;
}

tn_code tn_job_train(tn_job *j, const tn_train_options *o, tn_error *err)
{
    tn_trainer *t;
    TN_TRY(tn_trainer_open(j, o, &t, err));
    t->first_step = t->state.step;
    t->started = t->save_time = t->tick_time = tn_now_us();
    new_window(t);
    tn_trainer_tell(t, TN_NEWS_START, NULL, NULL);
    tn_code code = run(t, err);
    if (code == TN_OK || code == TN_CANCELLED) code = finish(t, err);
    if (code != TN_OK) tn_trainer_tell(t, TN_NEWS_END, NULL, "failed");
    tn_trainer_close(t);
    return code;
}
