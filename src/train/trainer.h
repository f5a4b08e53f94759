/* SPDX-License-Identifier: Apache-2.0
 *
 * trainer.h - what a training run consists of while it runs: made by trainer.c, driven by loop.c, its reports
 * and files by report.c.
 */
#ifndef TN_TRAIN_TRAINER_H
#define TN_TRAIN_TRAINER_H

#include "train.h"

typedef struct tn_trainer {
    tn_job *job;
    const tn_train_options *options;
    const tn_run_settings *run;
    tn_data *train, *validate; /* validate NULL: none */
    tn_network *network;
    tn_serving *serving;
    tn_session *session;
    tn_callable *step, *rate; /* rate NULL: not known */
    tn_run_folder *folder;
    tn_saver *saver;
    tn_evaluator *evaluator;
    tn_events *events, *validation_events;
    tn_pipeline *pipeline;
    tn_run_state state;
    int64_t per_epoch, last_step, validate_steps;
    /* what was done last, so that the end does it only when it is needed */
    int64_t saved_at, validated_at, exported_at;
    const tn_evaluation *metrics; /* of the last validation */
    double loss;
    int64_t first_step; /* of this process */
    int64_t started, window_start, window_step, paused, save_time, tick_time,
        flush_time; /* microseconds; steps */
} tn_trainer;

/* Everything up to the first step: a new run, or a resumed one. */
tn_code tn_trainer_open(tn_job *j, const tn_train_options *o, tn_trainer **out, tn_error *err);
void tn_trainer_close(tn_trainer *t);

/* ==== report.c ==== */
void tn_trainer_tell(tn_trainer *t, tn_news_kind kind, const char *path, const char *reason);
tn_code tn_trainer_summarize(tn_trainer *t, tn_error *err);
tn_code tn_trainer_validate(tn_trainer *t, tn_error *err);
tn_code tn_trainer_save(tn_trainer *t, tn_error *err);
tn_code tn_trainer_export(tn_trainer *t, tn_error *err);
tn_code tn_trainer_first_events(tn_trainer *t, tn_error *err);

#endif
