/* SPDX-License-Identifier: Apache-2.0
 *
 * train.h - experiments at work: the record's checker, compiling and loading, settings, data, input
 * pipelines, the networks of an experiment, run folders, checkpoints of a whole run, the loop. How layers are
 * made is nn/'s; how files look, format/'s.
 *
 * Invariants: everything a run's future depends on is in its checkpoint, so that a run killed at any instant
 * and resumed is bit for bit the run that was never killed. A step of the loop allocates nothing and hands
 * nothing to another thread.
 */
#ifndef TN_TRAIN_H
#define TN_TRAIN_H

#include "../format/format.h"
#include "../nn/nn.h"
#include "../plan/session.h"

/* ==== loading (loader.c) ==== */

typedef struct tn_module { /* a compiled file */
    void *handle;
    const tn_experiment *experiment; /* one of the two */
    const tn_model *model;
    char *source; /* its absolute path */
} tn_module;
/* Compiles with the system's cc ($CC), loads, and looks for a record of this header's ABI. The compiler's
 * words go to the listener line by line. folder: where the source's own headers are, when not beside it; may
 * be NULL. */
tn_code tn_module_load(const char *file, const char *folder, bool want_model, const tn_listener *l,
                       tn_module *out, tn_error *err);
void tn_module_close(tn_module *m);

/* ==== checking (check.c) ==== everything that is missing or wrong, a line each into `problems` */

void tn_check_experiment(const tn_experiment *e, bool has_model, tn_buf *problems);
void tn_check_model(const tn_model *m, tn_buf *problems);
int tn_problem_count(const tn_buf *problems);
/* Bytes of a settings struct that these rows describe. */
size_t tn_settings_size(const tn_option *rows);

/* ==== settings (settings.c) ==== the rows every run has, the experiment's and the model's */

extern const tn_option tn_run_rows[];
typedef struct tn_all_settings {
    tn_run_settings run;
    const tn_option *rows[2]; /* the experiment's, the model's; NULL: none */
    void *values[2];
} tn_all_settings;
tn_code tn_settings_new(const tn_experiment *e, const tn_model *m, tn_all_settings *out, tn_error *err);
void tn_settings_free(tn_all_settings *s);
tn_code tn_settings_set(tn_all_settings *s, const char *name, const char *value, tn_error *err);
tn_code tn_settings_load(tn_all_settings *s, const char *path, tn_error *err); /* JSON */
void tn_settings_json(const tn_all_settings *s, tn_json_writer *w);            /* members only */
void tn_settings_help(const tn_all_settings *s, tn_buf *out);

/* ==== data (data.c, data_files.c) ==== */

typedef struct tn_column {
    const char *name;
    tn_role role;
    tn_tensor *values;
} tn_column;
enum { TN_MAX_COLUMNS = 64 };
struct tn_data {
    tn_arena *arena;
    const char *folder; /* of the experiment's file */
    const tn_settings *settings;
    tn_column v[TN_MAX_COLUMNS];
    int n;
    int64_t count; /* examples; -1: no column yet */
    tn_data_map_fn map;
    void *scratch; /* what a failed tn_data_new hands out */
    tn_error error;
};
tn_code tn_data_open(const char *folder, const tn_settings *s, tn_data **out, tn_error *err);
void tn_data_close(tn_data *d);
void tn_data_add(tn_data *d, tn_role role, const char *name, tn_tensor *values); /* takes values */
void tn_data_fail_with(tn_data *d, const char *column, const tn_error *err);
/* Whether it can be used: no error, at least one feature, at least one example. */
tn_code tn_data_check(const tn_data *d, const char *set, tn_error *err);
/* The same columns (names, dtypes, shapes but for the count), or an error that says which differs. */
tn_code tn_data_alike(const tn_data *a, const tn_data *b, const char *set, tn_error *err);

/* ==== input pipelines (pipeline.c) ==== batches made in blocks by a thread of its own */

typedef enum { TN_LAST_KEEP, TN_LAST_DROP, TN_LAST_WRAP } tn_last_batch;
typedef struct tn_pipeline_options {
    int64_t batch;
    bool shuffle, repeat;
    tn_last_batch last;
    uint64_t seed;
    int64_t position; /* batches that were consumed before */
    int64_t block;    /* batches prepared at a time; 0: chosen */
} tn_pipeline_options;
typedef struct tn_batch {
    const tn_tensor *const *feeds; /* one a column */
    int64_t examples;
} tn_batch;
typedef struct tn_pipeline tn_pipeline;
tn_code tn_pipeline_new(const tn_data *d, const tn_pipeline_options *o, tn_pipeline **out, tn_error *err);
void tn_pipeline_free(tn_pipeline *p);
/* The next batch, borrowed until the next call; NULL: the data has ended (never when it repeats). */
const tn_batch *tn_pipeline_next(tn_pipeline *p);
int64_t tn_batches_per_epoch(int64_t examples, int64_t batch, tn_last_batch last);
tn_last_batch tn_last_batch_named(const char *name);

/* ==== the networks of an experiment (network.c, serving.c) ==== */

typedef struct tn_fetch { /* something evaluated on a data set */
    const char *name;     /* the metric's or summary's */
    tn_value_kind kind;
    const char *value, *count; /* values of the graph */
    bool root;
    int most;
} tn_fetch;
typedef struct tn_network {
    tn_graph *graph;
    tn_arena *arena;
    const char **feeds; /* one a column of the data */
    int n_feeds;
    const char *loss, *train, *init, *rate; /* of training; rate NULL: none known */
    tn_fetch *metrics, *summaries;          /* of evaluation; metrics[0] is the loss */
    int n_metrics, n_summaries;
} tn_network;
/* Training and evaluation in one graph, sharing the variables. `data` gives the columns' dtypes and shapes. begins: a
 * training run is to begin with it, so that checkpoints of other models are looked into; else values come from the
 * run's own. */
tn_code tn_network_new(const struct tn_job *j, const tn_data *data, bool begins, tn_network **out, tn_error *err);
/* What variables begin with: initializers' values, then those of other models. */
tn_code tn_network_start(const tn_network *n, tn_session *s, tn_error *err);
void tn_network_free(tn_network *n);

typedef struct tn_serving { /* what is exported */
    tn_graph *graph;
    tn_arena *arena;
    tn_signature *signatures; /* "serving_default" first */
    int n_signatures;
    const char *init; /* fills tables; NULL: there are none */
} tn_serving;
/* data may be NULL when the experiment says what it serves. */
tn_code tn_serving_new(const struct tn_job *j, const tn_data *data, tn_serving **out, tn_error *err);
void tn_serving_free(tn_serving *s);
struct tn_inputs {
    tn_arena *arena;
    struct {
        const char *name;
        tn_dtype dtype;
        tn_shape shape;
    } v[TN_MAX_COLUMNS];
    int n;
    tn_error error;
};

/* ==== a run's state (run_state.c) ==== variables, generators, the position in the data: one checkpoint */

typedef struct tn_run_state {
    int64_t step, position; /* position: batches of training data consumed */
} tn_run_state;
tn_code tn_state_save(tn_saver *saver, const tn_network *n, tn_session *s, const tn_run_state *state,
                      const char **path, tn_error *err);
/* `before`: how many of the newest checkpoints to pass over. */
tn_code tn_state_restore(const char *prefix, const tn_network *n, tn_session *s, tn_run_state *state,
                         tn_error *err);

/* ==== run folders (run_folder.c) ==== NAME_settings_YYYY-MM-DD--HH-MM-SS */

typedef struct tn_run_folder {
    tn_arena *arena;
    const char *path, *checkpoints, *prefix, *logs, *exports, *settings;
    int lock;
} tn_run_folder;
tn_code tn_run_folder_new(const char *logdir, const char *name, tn_run_folder **out, tn_error *err);
/* One that is there; locked: FAILED_PRECONDITION when another process works in it. */
tn_code tn_run_folder_open(const char *path, bool locked, tn_run_folder **out, tn_error *err);
void tn_run_folder_close(tn_run_folder *f);
/* settings.json and the sources. */
tn_code tn_run_folder_describe(const tn_run_folder *f, const struct tn_job *j, tn_error *err);

/* ==== the job (job.c) ==== */

struct tn_job {
    tn_module experiment, model; /* model: empty without --model */
    tn_model own_model;
    const tn_model *the_model;
    tn_all_settings settings;
    const tn_settings *model_settings;
    bool changed; /* settings, or the model, are others than the run's folder says */
    char *folder; /* that data paths are relative to */
    size_t memory_limit;
    double time_limit;
    const tn_listener *listener;
    struct tn_asker *asker; /* of tn_job_ask */
};
/* Puts the experiment's file before an error that is in it; gives the code back. */
tn_code tn_job_blame(const tn_job *j, tn_code code, tn_error *err);
tn_code tn_job_data(const tn_job *j, const char *set, tn_data **out,
                    tn_error *err); /* "train", "validate", "test" */
tn_code tn_job_session(const tn_job *j, tn_graph *g, tn_session **out, tn_error *err);
void tn_job_news(const tn_job *j, const tn_news *news);
void tn_asker_free(struct tn_asker *a);
/* What the experiment serves; and a session with a run's newest checkpoint in it (step may be NULL). */
tn_code tn_job_serving(const tn_job *j, tn_serving **out, tn_error *err);
tn_code tn_restored_session(const tn_job *j, const char *run, tn_graph *g, tn_session **out, int64_t *step,
                            tn_error *err);
/* The newest checkpoint in a run's folder of checkpoints, or the one so many before it. NOT_FOUND: there is none yet;
 * DATA_LOSS: those that the state file names are gone. */
tn_code tn_run_checkpoint(const char *folder, int before, tn_arena *a, const char **prefix, tn_error *err);
/* The newest checkpoint of a run. */
tn_code tn_run_latest(const char *run, tn_arena *a, const char **prefix, tn_error *err);

/* ==== evaluation (evaluate.c) ==== */

typedef struct tn_evaluation {
    double *values; /* one a metric of the network */
    const char **names;
    int n;
    int64_t examples;
} tn_evaluation;
typedef struct tn_evaluator tn_evaluator;
tn_code tn_evaluator_new(const tn_network *n, tn_session *s, const tn_data *d, int64_t batch,
                         tn_evaluator **out, tn_error *err);
void tn_evaluator_free(tn_evaluator *e);
/* Over the whole data set. Borrowed until the next call. CANCELLED when *stop became other than 0. */
tn_code tn_evaluator_run(tn_evaluator *e, const volatile int *stop, const tn_evaluation **out, tn_error *err);
/* Summaries of the first batch into an event file. */
tn_code tn_evaluator_summaries(tn_evaluator *e, tn_events *events, int64_t step, tn_error *err);

/* ==== exporting (export.c) ==== */

/* To BASE/STEP. One that is there already is kept when it is the same, ALREADY_EXISTS when it differs.
 * `is_new` may be NULL. */
tn_code tn_export_step(const tn_serving *s, tn_session *values, const char *base, int64_t step, bool *is_new,
                       tn_error *err);

#endif
