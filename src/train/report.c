/* SPDX-License-Identifier: Apache-2.0
 *
 * report.c - what a run tells and writes: news for the listener, event files, validation, checkpoints,
 * exports. Time spent here is left out of the steps per second.
 */
#include "trainer.h"

/* Steps per second since the last report, pauses left out. */
static double rate_of(const tn_trainer *t)
{
    int64_t us = tn_now_us() - t->window_start - t->paused;
    return us > 0 ? (double)(t->state.step - t->window_step) * 1e6 / (double)us : 0;
}

void tn_trainer_tell(tn_trainer *t, tn_news_kind kind, const char *path, const char *reason)
{
    tn_news n = {.kind = kind,
                 .step = t->state.step,
                 .max_steps = t->last_step,
                 .loss = t->loss,
                 .run = t->folder->path,
                 .path = path,
                 .reason = reason,
                 .steps_per_s = rate_of(t),
                 .seconds = (double)(tn_now_us() - t->started) / 1e6};
    if (kind == TN_NEWS_END && n.seconds > 0)
        n.steps_per_s = (double)(t->state.step - t->first_step) / n.seconds;
    bool with_metrics = kind == TN_NEWS_VALIDATION || kind == TN_NEWS_END;
    if (with_metrics && t->metrics) {
        n.names = t->metrics->names;
        n.values = t->metrics->values;
        n.n_metrics = t->metrics->n;
    }
    tn_job_news(t->job, &n);
}

/* ==== event files ==== */

/* Tells viewers to forget what was written after the checkpoint that the run goes on from. */
static tn_code restarted(tn_trainer *t, tn_error *err)
{
    enum { START = 1 };
    tn_SessionLog log = {.status = START};
    tn_Event event = {.step = t->state.step + 1};
    TN_SET(&event, Event, what, session_log) = &log;
    TN_TRY(tn_events_put(t->events, &event, err));
    if (t->validation_events) TN_TRY(tn_events_put(t->validation_events, &event, err));
    return tn_events_flush(t->events, err);
}

tn_code tn_trainer_first_events(tn_trainer *t, tn_error *err)
{
    tn_arena *a = t->folder->arena;
    const char *train = tn_path_join(a, t->folder->logs, "train"),
               *validation = tn_path_join(a, t->folder->logs, "validation");
    if (!train || !validation) return tn_no_memory(err, 0);
    TN_TRY(tn_events_open(train, NULL, TN_EVENTS_V2, &t->events, err));
    if (t->evaluator) TN_TRY(tn_events_open(validation, NULL, TN_EVENTS_V2, &t->validation_events, err));
    if (t->state.step) return restarted(t, err);
    TN_TRY(tn_events_graph(t->events, t->network->graph, err));
    TN_TRY(tn_events_settings(t->events, "settings/run", tn_run_rows, t->run, err));
    const tn_all_settings *s = &t->job->settings;
    if (s->rows[0])
        TN_TRY(tn_events_settings(t->events, "settings/experiment", s->rows[0], s->values[0], err));
    if (s->rows[1]) TN_TRY(tn_events_settings(t->events, "settings/model", s->rows[1], s->values[1], err));
    return tn_events_flush(t->events, err);
}

tn_code tn_trainer_summarize(tn_trainer *t, tn_error *err)
{
    const tn_tensor *rate = NULL;
    TN_TRY(tn_events_scalar(t->events, t->state.step, "loss", (float)t->loss, err));
    TN_TRY(tn_events_scalar(t->events, t->state.step, "steps_per_second", (float)rate_of(t), err));
    if (!t->rate) return TN_OK;
    TN_TRY(tn_callable_run(t->rate, NULL, &rate, err));
    return tn_events_scalar(t->events, t->state.step, "learning_rate", (float)tn_tensor_number(rate, 0), err);
}

static tn_code write_weights(tn_trainer *t, tn_error *err)
{
    const tn_graph *g = t->network->graph;
    for (int i = 0; i < tn_graph_variable_count(g); i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        tn_tensor *value;
        if (!v->trainable) continue;
        TN_TRY(tn_session_get(t->session, v->name, &value, err));
        tn_code code = tn_events_histogram(t->events, t->state.step, v->name, value, err);
        tn_tensor_unref(value);
        TN_TRY(code);
    }
    return TN_OK;
}

static tn_code write_metrics(tn_trainer *t, tn_error *err)
{
    for (int i = 0; i < t->metrics->n; i++)
        TN_TRY(tn_events_scalar(t->validation_events, t->state.step, t->metrics->names[i],
                                (float)t->metrics->values[i], err));
    TN_TRY(tn_evaluator_summaries(t->evaluator, t->validation_events, t->state.step, err));
    TN_TRY(tn_events_flush(t->validation_events, err));
    TN_TRY(write_weights(t, err));
    return tn_events_flush(t->events, err);
}

/* ==== validation, checkpoints, exports ==== */

tn_code tn_trainer_validate(tn_trainer *t, tn_error *err)
{
    if (!t->evaluator || t->validated_at == t->state.step) return TN_OK;
    int64_t begin = tn_now_us();
    TN_TRY(tn_evaluator_run(t->evaluator, t->options->stop, &t->metrics, err));
    TN_TRY(write_metrics(t, err));
    t->validated_at = t->state.step;
    t->paused += tn_now_us() - begin;
    tn_trainer_tell(t, TN_NEWS_VALIDATION, NULL, NULL);
    return TN_OK;
}

tn_code tn_trainer_save(tn_trainer *t, tn_error *err)
{
    const char *path;
    if (t->saved_at == t->state.step) return TN_OK;
    int64_t begin = tn_now_us();
    TN_TRY(tn_events_flush(t->events, err));
    TN_TRY(tn_state_save(t->saver, t->network, t->session, &t->state, &path, err));
    t->saved_at = t->state.step;
    t->save_time = tn_now_us();
    t->paused += t->save_time - begin;
    tn_trainer_tell(t, TN_NEWS_CHECKPOINT, path, NULL);
    return TN_OK;
}

tn_code tn_trainer_export(tn_trainer *t, tn_error *err)
{
    char path[4200];
    if (t->exported_at == t->state.step) return TN_OK;
    int64_t begin = tn_now_us();
    TN_TRY(tn_export_step(t->serving, t->session, t->folder->exports, t->state.step, NULL, err));
    t->exported_at = t->state.step;
    t->paused += tn_now_us() - begin;
    snprintf(path, sizeof path, "%s/%lld", t->folder->exports, (long long)t->state.step);
    tn_trainer_tell(t, TN_NEWS_EXPORT, path, NULL);
    return TN_OK;
}
