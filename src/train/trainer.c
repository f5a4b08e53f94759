/* SPDX-License-Identifier: Apache-2.0
 *
 * trainer.c - a training run's set-up: data, networks, session, folder, and the state it begins with.
 *
 * Invariant: the run's folder is made only after everything that can be wrong with the experiment has been
 * tried.
 */
#include "trainer.h"

#include <math.h>

static int64_t eval_batch(const tn_run_settings *r)
{
    return r->eval_batch_size > 0 ? r->eval_batch_size : r->batch_size;
}

/* ==== what is trained ==== */

static tn_code open_data(tn_trainer *t, tn_error *err)
{
    TN_TRY(tn_job_data(t->job, "train", &t->train, err));
    if (!t->job->experiment.experiment->validate) return TN_OK;
    TN_TRY(tn_job_data(t->job, "validate", &t->validate, err));
    return tn_job_blame(t->job, tn_data_alike(t->train, t->validate, "validate", err), err);
}

static tn_code plan_length(tn_trainer *t, tn_error *err)
{
    const tn_run_settings *r = t->run;
    tn_last_batch last = tn_last_batch_named(r->last_batch);
    t->per_epoch = tn_batches_per_epoch(t->train->count, r->batch_size, last);
    if (!t->per_epoch)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "batch_size=%lld is more than the %lld training examples, and last_batch=drop",
                       (long long)r->batch_size, (long long)t->train->count);
    int64_t epochs = r->epochs || r->max_steps ? r->epochs : 10;
    double by_epochs = epochs ? (double)epochs * (double)t->per_epoch : 1e18;
    t->last_step = (int64_t)TN_MIN(by_epochs, r->max_steps ? (double)r->max_steps : 1e18);
    double unit = r->validate_unit && !strcmp(r->validate_unit, "steps") ? 1 : (double)t->per_epoch;
    t->validate_steps = (int64_t)TN_MIN((double)r->validate_every * unit, 1e18);
    return TN_OK;
}

/* A run that was stopped before its first checkpoint begins again. */
static bool has_checkpoint(const tn_trainer *t)
{
    const char *prefix;
    tn_arena *a = t->options->resume ? tn_arena_new(0) : NULL;
    bool has = a && tn_run_latest(t->options->resume, a, &prefix, NULL) != TN_NOT_FOUND;
    tn_arena_free(a);
    return has;
}

static tn_code open_network(tn_trainer *t, tn_error *err)
{
    TN_TRY(tn_network_new(t->job, t->train, !has_checkpoint(t), &t->network, err));
    TN_TRY(tn_serving_new(t->job, t->train, &t->serving, err));
    TN_TRY(tn_job_session(t->job, t->network->graph, &t->session, err));
    const tn_network *n = t->network;
    TN_TRY(tn_callable_new(t->session, n->feeds, n->n_feeds, &n->loss, 1, &n->train, 1, &t->step, err));
    tn_callable_guard(t->step, 0);
    if (n->rate) TN_TRY(tn_callable_new(t->session, NULL, 0, &n->rate, 1, NULL, 0, &t->rate, err));
    if (!t->validate) return TN_OK;
    return tn_evaluator_new(n, t->session, t->validate, eval_batch(t->run), &t->evaluator, err);
}

/* ==== where it begins ==== */

static tn_code initialize(tn_trainer *t, tn_error *err)
{
    return tn_network_start(t->network, t->session, err);
}

static bool is_damage(tn_code code)
{
    return code == TN_DATA_LOSS || code == TN_NOT_FOUND;
}

/* The newest checkpoint; a damaged one is passed over when that is allowed. None at all: from the start. */
static tn_code restore(tn_trainer *t, tn_error *err)
{
    tn_code code = TN_OK;
    for (int before = 0; before < 1000; before++) {
        const char *prefix;
        tn_error why;
        tn_code found = tn_run_checkpoint(t->folder->checkpoints, before, t->folder->arena, &prefix, &why);
        if (found == TN_NOT_FOUND && !before) return initialize(t, err);
        if (found != TN_OK) {
            if (!before && err) *err = why;
            return before ? code : found;
        }
        code = tn_state_restore(prefix, t->network, t->session, &t->state, err);
        if (code == TN_OK) t->saved_at = t->state.step;
        if (!is_damage(code) || !t->options->fall_back) break;
        tn_wrap(err, "no checkpoint of %s is good", t->folder->path);
    }
    if (is_damage(code) && !t->options->fall_back)
        tn_note(err, "(--fall_back takes the checkpoint before it)");
    return code;
}

static tn_code open_folder(tn_trainer *t, tn_error *err)
{
    if (t->options->resume) {
        TN_TRY(tn_run_folder_open(t->options->resume, true, &t->folder, err));
        TN_TRY(restore(t, err));
        if (t->job->changed) TN_TRY(tn_run_folder_describe(t->folder, t->job, err));
    } else {
        TN_TRY(initialize(t, err));
        TN_TRY(tn_run_folder_new(t->options->logdir ? t->options->logdir : "runs",
                                 t->job->experiment.experiment->name, &t->folder, err));
        TN_TRY(tn_run_folder_describe(t->folder, t->job, err));
    }
    tn_saver_options o = {.max_to_keep = (int)t->run->keep};
    TN_TRY(tn_saver_new(t->folder->prefix, &o, &t->saver, err));
    return tn_trainer_first_events(t, err);
}

static tn_code open_pipeline(tn_trainer *t, tn_error *err)
{
    const tn_run_settings *r = t->run;
    tn_pipeline_options o = {.batch = r->batch_size,
                             .repeat = true,
                             .shuffle = !strcmp(r->shuffle ? r->shuffle : "yes", "yes"),
                             .last = tn_last_batch_named(r->last_batch),
                             .seed = (uint64_t)r->seed,
                             .position = t->state.position,
                             .block = r->prefetch};
    return tn_pipeline_new(t->train, &o, &t->pipeline, err);
}

static tn_code open_all(tn_trainer *t, tn_error *err)
{
    TN_TRY(open_data(t, err));
    TN_TRY(plan_length(t, err));
    TN_TRY(open_network(t, err));
    TN_TRY(open_folder(t, err));
    return open_pipeline(t, err);
}

tn_code tn_trainer_open(tn_job *j, const tn_train_options *o, tn_trainer **out, tn_error *err)
{
    tn_trainer *t = tn_calloc(1, sizeof *t);
    if (!t) return tn_no_memory(err, sizeof *t);
    *t = (tn_trainer){.job = j,
                      .options = o,
                      .run = &j->settings.run,
                      .saved_at = -1,
                      .validated_at = -1,
                      .exported_at = -1,
                      .loss = NAN};
    tn_code code = open_all(t, err);
    if (code == TN_OK)
        *out = t;
    else
        tn_trainer_close(t);
    return code;
}

void tn_trainer_close(tn_trainer *t)
{
    if (!t) return;
    tn_pipeline_free(t->pipeline);
    if (t->events) tn_events_close(t->events, NULL);
    if (t->validation_events) tn_events_close(t->validation_events, NULL);
    tn_evaluator_free(t->evaluator);
    tn_saver_free(t->saver);
    tn_run_folder_close(t->folder);
    tn_callable_free(t->rate);
    tn_callable_free(t->step);
    tn_session_free(t->session);
    tn_serving_free(t->serving);
    tn_network_free(t->network);
    tn_data_close(t->validate);
    tn_data_close(t->train);
    tn_free(t);
}
