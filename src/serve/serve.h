/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.h - the model server: Source -> Manager -> Servable, what is asked of a servable, and the gRPC and REST APIs
 * which ask it. Nouns, texts, codes and defaults are TensorFlow Serving's.
 *
 *     source    which versions of which models should be there (configuration, folders, labels)
 *     manager   loads and unloads them until it is so, and hands out servables
 *     servable  one version of one model, loaded, planned and warm; counted
 *     ask       a question to a servable's signature: inputs in, outputs out; batching is below it
 *     api_*     requests and responses of PredictionService, ModelService, Health, reflection; REST beside it
 *
 * Sockets are net/'s; files format/'s, graphs graph/'s, sessions plan/'s. Nothing here knows of flags: cmd/ fills
 * tn_server_options (turnery.h).
 *
 * Invariants: a servable handed out stays whole until it is given back, whatever the manager does meanwhile; a version
 * becomes AVAILABLE only when every tensor has been checked and its signatures have answered once; the old version goes
 * after the new one is AVAILABLE; I/O errors while looking at folders change nothing. An answer is made of what its own
 * request gave, also when requests are batched. Requests never wait for loading.
 */
#ifndef TN_SERVE_H
#define TN_SERVE_H

#include "../format/format.h"
#include "../net/net.h"
#include "../plan/session.h"

/* ==== servable (servable.c) ==== one version of one model */

typedef enum tn_servable_state { /* ModelVersionStatus.State */
    TN_STATE_UNKNOWN = 0, TN_STATE_START = 10, TN_STATE_LOADING = 20, TN_STATE_AVAILABLE = 30, TN_STATE_UNLOADING = 40,
    TN_STATE_END = 50
} tn_servable_state;

typedef struct tn_askers tn_askers;
typedef struct tn_batcher tn_batcher;
typedef struct tn_request_log tn_request_log;

typedef struct tn_servable {
    atomic_int refs;
    const char *model; /* its name */
    int64_t version;
    const char *path;  /* the version's folder */
    tn_loaded *loaded; /* session, signatures */
    tn_askers *askers;           /* what it may be asked */
    tn_batcher *batcher;         /* NULL: requests are not batched */
    const struct tn_batching *batching; /* how they are; NULL as above */
    tn_request_log *_Atomic request_log; /* NULL: none; the manager's */
    int64_t bytes;               /* that its variables hold */
    int team;                    /* threads that a long question may have; 0: the session's */
    atomic_uint_fast64_t asked;  /* how often */
    uint64_t asked_before;       /* when the manager last looked */
    bool rests;                  /* what only requests need has been given back */
    bool forgot_sizes;           /* and plans that nobody had asked for yet */
    int64_t settled_at; /* the last look at which it was made sure that it holds its weights once */
    tn_arena *arena;
    void (*unload)(struct tn_servable *s); /* what the last unref does; NULL: tn_servable_free */
    void *owner;                           /* for it */
    struct tn_servable *next;              /* its owner's */
} tn_servable;
tn_servable *tn_servable_ref(tn_servable *s);
/* The last one unloads it: a manager's servable in one of the manager's threads, others in the calling one. */
void tn_servable_unref(tn_servable *s);
void tn_servable_free(tn_servable *s); /* whatever its count */

typedef struct tn_servable_options {
    const char *model, *path;
    int64_t version;
    const char *const *tags;
    int n_tags;
    const char *meta_graph, *checkpoint; /* instead of a SavedModel at path; NULL */
    const char *signature_inputs, *signature_outputs; /* where it has no signatures: tn_loaded_sign; NULL */
    tn_session_options session;
    int team; /* threads that a long question may have: tn_pool_lead; 0: the session's */
    bool warm_up; /* assets.extra/tf_serving_warmup_requests, or else the signatures' own shapes */
    int warm_up_iterations;
    const struct tn_batching *batching; /* NULL: none. Stays as long as the servable */
    bool per_model_batching;            /* batching_params.pbtxt of the folder instead; where there is none, none */
    const atomic_int *cancel;           /* not 0: loading gives up with CANCELLED */
    struct tn_metrics *metrics;
    const tn_log *log;
} tn_servable_options;
/* Loads, checks every tensor's presence, size and checksum, plans and warms. Slow. */
tn_code tn_servable_load(const tn_servable_options *o, tn_servable **out, tn_error *err);

/* ==== the pool (workers.c) ==== threads that compute */

typedef struct tn_pool tn_pool;
typedef struct tn_task { /* part of what the task works on; free again when run has been called */
    struct tn_task *next;
    void (*run)(struct tn_task *t);
} tn_task;
tn_code tn_pool_new(int threads, int64_t most_waiting, tn_pool **out, tn_error *err); /* 0: no limit */
bool tn_pool_add(tn_pool *p, tn_task *t); /* false: too many wait */
void tn_pool_free(tn_pool *p);            /* after all tasks have run */
/* How many threads a task may have that this thread is running: its own and those that are idle, where it is the pool's
 * first thread, which leads them, and tasks have come one at a time of late; else 1. Only one thread leads, so that the
 * team stays awake from step to step. */
int tn_pool_lead(tn_pool *p);
/* What is left of the task that this thread is running is little: the first thread will be there for the next one. */
void tn_pool_almost_done(tn_pool *p);
/* The size of a team, of at most so many threads, for a question that takes so many microseconds alone. */
int tn_team_for(int most, int64_t us);

/* ==== asking (asking.c) ==== */

/* A signature, as it is asked. Its plans are shared by all threads. */
typedef struct tn_asker {
    tn_askers *of;
    const tn_loaded_signature *signature;
    int index;                        /* among the model's signatures */
    const tn_dtype *fed;              /* dtypes of the graph's values behind the inputs */
    const int *order;                 /* inputs ascending by these values' names: "arg[0]" is the first of them */
    const tn_tensor *const *defaults; /* by input; NULL where there is none */
    int n_defaults;
} tn_asker;
/* m is borrowed. */
tn_code tn_askers_new(tn_loaded *m, tn_askers **out, tn_error *err);
tn_code tn_asker_prepare(const tn_asker *a, tn_error *err); /* plans it ahead; else its first question does */
const char *tn_asker_nameless(const tn_asker *a); /* key of an input or output that is sparse or composite; else NULL */
void tn_askers_free(tn_askers *a);
int tn_askers_count(const tn_askers *a);
const tn_asker *tn_askers_at(const tn_askers *a, int i);
const tn_asker *tn_askers_named(const tn_askers *a, tn_view name); /* empty: "serving_default"; NULL: absent */
const tn_SignatureDef *tn_asker_def(const tn_asker *a);            /* as the model has it; NULL: it has none */

typedef struct tn_ask tn_ask; /* one question; the caller's, alive until done */
typedef struct tn_piece { /* some of its rows, waiting to be part of a batch */
    struct tn_piece *next;
    tn_ask *ask;
    int64_t first, rows;
    struct tn_cut *cut; /* of a question in several pieces: this is the part-th */
    int part;
} tn_piece;
struct tn_ask {
    tn_servable *servable;
    const tn_asker *asker;
    const tn_tensor **in; /* by the signature's inputs; NULL: its default. May be views */
    const int *wanted;    /* indices of outputs, ascending, n_wanted of them; NULL: all */
    int n_wanted;
    int64_t deadline;     /* tn_now_us; 0: none */
    const atomic_int *cancel;
    tn_pool *pool;        /* whose threads a long one may have; NULL: none */
    tn_tensor **out;      /* by `wanted`: room given by the caller, filled on success, the caller's to drop */
    int64_t queued_us, ran_us; /* results: in the batching queue or the pool's; in the plan (the whole batch) */
    void (*done)(tn_ask *a, tn_code code, tn_error *err); /* of tn_ask_start */
    void *payload;
    /* asking.c's and batching.c's */
    struct tn_choice *choice;
    int team;   /* threads that compute it; 0: the session's */
    bool ahead; /* no request: its plan may be forgotten again */
    int64_t began;
    tn_task task;
    tn_piece piece;
};
/* Runs it here (or in the batch it joins, which it waits for). Errors as the session's, in TensorFlow's words. */
tn_code tn_ask_run(tn_ask *a, tn_error *err);
/* The same without waiting: calls done once, in this thread when it is short, else in one that computes. */
void tn_ask_start(tn_ask *a, tn_pool *pool);
/* Whether it is expected to be so short that an I/O thread may run it itself: never when it may be batched, nor before
 * something of its size has been measured. */
bool tn_ask_is_short(tn_ask *a);

/* ==== batching (batching.c, batch_queue.c, batching_parameters.c) ==== */

typedef struct tn_batch_threads tn_batch_threads; /* threads that run batches, of any number of batchers */
tn_code tn_batch_threads_new(int64_t n, tn_batch_threads **out, tn_error *err);
tn_batch_threads *tn_batch_threads_keep(tn_batch_threads *t);
void tn_batch_threads_free(tn_batch_threads *t); /* the last reference ends them; not in one of them */

typedef struct tn_batching { /* BatchingParameters; what was not given has TensorFlow Serving's default */
    int64_t max_batch_size, batch_timeout_micros, max_enqueued_batches, num_batch_threads, max_execution_batch_size;
    const int64_t *allowed_batch_sizes;
    int n_allowed;
    bool pad_variable_length_inputs, enable_large_batch_splitting;
    const char *thread_pool_name; /* a label of metrics; NULL: batch_threads */
    /* --batch_latency_ms; 0: batch_timeout_micros is as it is. Else each queue measures, batch by batch, what its
     * oldest question took from coming to its answer. Too long: waiting for more is halved, and where there was none,
     * the largest batch shrinks by a quarter, for it is running that takes so long; well below the target it grows
     * again. Waiting that brought nobody is halved, too. While all threads are busy and there is time left, longer
     * waiting (a 32nd of the target more, up to half of it) is tried for 32 batches and kept only if more rows were
     * answered in the same time; else it is taken back and not tried again for a while. */
    double latency_target_ms;
    tn_batch_threads *threads; /* whose; NULL: num_batch_threads of the batcher's own */
} tn_batching;
/* Text proto; INVALID_ARGUMENT in TensorFlow Serving's words. file: what errors name; NULL: it is none. The arena owns
 * the result. */
tn_code tn_text_parse(const tn_proto_message *m, tn_view text, const char *file, tn_arena *a, void **out,
                      tn_error *err);
tn_code tn_batching_parse(tn_view text, const char *file, tn_arena *a, tn_batching *out, tn_error *err);
/* Questions to a servable, put together by signature and outputs. metrics may be NULL. Parameters are copied. */
tn_code tn_batcher_new(const tn_batching *o, struct tn_metrics *metrics, tn_batcher **out, tn_error *err);
void tn_batcher_free(tn_batcher *b); /* nothing waits in it any more */

/* ==== models (model_config.c, source.c, manager.c) ==== */

typedef enum tn_policy_kind { TN_POLICY_LATEST, TN_POLICY_ALL, TN_POLICY_SPECIFIC } tn_policy_kind;
typedef struct tn_label {
    const char *label;
    int64_t version;
} tn_label;
typedef struct tn_model_config { /* a ModelConfig, checked */
    const char *name, *base_path, *platform;
    tn_policy_kind policy;
    int64_t latest; /* TN_POLICY_LATEST: how many */
    const int64_t *specific;
    int n_specific;
    const tn_label *labels;
    int n_labels;
    const tn_LoggingConfig *logging; /* NULL: none */
    const char *meta_graph, *checkpoint; /* served straight from these: version 1, or the checkpoint's step */
    const char *signature_inputs, *signature_outputs; /* as tn_servable_options has them */
    bool is_run; /* base_path is a training run's folder: what it exports (RUN/exports) is served, as it comes */
} tn_model_config;
typedef struct tn_model_configs {
    const tn_model_config *v;
    int n;
    tn_arena *arena;
} tn_model_configs;
/* ModelServerConfig's text or message, checked as TensorFlow Serving does (duplicates, relative paths, ...). */
tn_code tn_model_configs_parse(tn_view text, const char *file, tn_model_configs *out, tn_error *err);
tn_code tn_model_configs_from(const tn_ModelServerConfig *config, tn_model_configs *out, tn_error *err);
/* "file:///models" is "/models", as any path. NULL: no memory. */
const char *tn_model_base_path(tn_arena *a, tn_view path);
/* The same checks of what was made otherwise; tn_manager_set_models makes them too. */
tn_code tn_model_configs_check(const tn_model_configs *c, tn_error *err);
tn_code tn_model_configs_copy(const tn_model_configs *c, tn_model_configs *out, tn_error *err);
void tn_model_configs_free(tn_model_configs *c);

typedef struct tn_manager tn_manager;
struct tn_look; /* models.h */
typedef struct tn_manager_options { /* flags of TensorFlow Serving by the same names; zeros as there */
    int num_load_threads, num_unload_threads, max_num_load_retries;
    int64_t load_retry_interval_micros;
    double file_system_poll_wait_seconds; /* 0: once; < 0: never */
    bool allow_version_labels_for_unavailable_models;
    bool enable_per_model_batching_parameters;
    const char *const *tags;
    int n_tags;
    tn_session_options session; /* of every servable; memory_limit: of each */
    int team;                   /* as tn_servable_options has it */
    bool warm_up;
    int warm_up_iterations;
    const tn_batching *batching; /* NULL: none */
    struct tn_metrics *metrics;
    const tn_log *log;
    /* What looks at a model's folder; NULL: tn_source_look. A look that takes longer than so many seconds (0: 2) is
     * left to itself, and others are looked at meanwhile; when it comes back, what it saw is taken. */
    tn_code (*look_at)(const tn_model_config *c, tn_arena *a, struct tn_look *out, tn_error *err);
    double look_seconds;
    double rest_seconds; /* a model that was not asked for so long (0: 5) gives back what only requests need */
    /* Called without a lock held, when a version's state has changed. */
    void (*changed)(void *payload, const char *model, int64_t version, tn_servable_state state, const tn_error *error);
    void *payload;
} tn_manager_options;
tn_code tn_manager_new(const tn_manager_options *o, tn_manager **out, tn_error *err);
void tn_manager_free(tn_manager *m); /* unloads all; servables handed out live on until given back */
/* The whole set of models from now on (copied). Labels are checked first; those of the first set may name versions that
 * are still to come. Waits until each new model has an AVAILABLE version or none of its versions can become so (one
 * whose folder has no version yet is waited for); a later set ends the waiting with ABORTED. Errors in TensorFlow
 * Serving's words; the models are configured nevertheless when they are about loading (UNKNOWN). */
tn_code tn_manager_set_models(tn_manager *m, const tn_model_configs *c, tn_error *err);
/* The same in two steps: what was placed is waited for, or else dropped. */
typedef struct tn_placed {
    struct tn_config_set *set;
    bool *is_new; /* by its models */
    int64_t generation;
} tn_placed;
typedef struct tn_patience {
    int64_t deadline;         /* tn_now_us; 0: none */
    const atomic_int *cancel; /* not 0: enough; may be NULL */
} tn_patience;
tn_code tn_manager_place_models(tn_manager *m, const tn_model_configs *c, tn_placed *out, tn_error *err);
/* Drops p. DEADLINE_EXCEEDED or CANCELLED at the end of the patience (NULL: endless); the set stays all the same. */
tn_code tn_manager_await(tn_manager *m, tn_placed *p, const tn_patience *patience, tn_error *err);
void tn_placed_drop(tn_placed *p);
void tn_placed_want_all(const tn_manager *m, tn_placed *p); /* not the new ones only */
/* The server is to stop: whoever waits for models to load gets CANCELLED, nothing more is loaded. */
void tn_manager_cancel(tn_manager *m);
tn_code tn_manager_poll_now(tn_manager *m, tn_error *err); /* looks at the folders, does not wait for loading */
/* The servable that a ModelSpec means (name; version or label or neither), with a reference for the caller. Never
 * waits. Codes and texts of field "Servable not found for request: Latest(M)". */
tn_code tn_manager_get(tn_manager *m, const tn_ModelSpec *spec, tn_servable **out, tn_error *err);

typedef struct tn_version_status {
    int64_t version;
    tn_servable_state state;
    tn_code code; /* why it is in state END */
    const char *message;
    int64_t bytes;
} tn_version_status;
typedef struct tn_model_status {
    const char *model;
    const tn_version_status *versions; /* newest first */
    int n_versions;
    const tn_label *labels;
    int n_labels;
} tn_model_status;
/* All models (name NULL) or one; a copy in the arena. NOT_FOUND "Could not find any versions of model M". */
tn_code tn_manager_status(tn_manager *m, const char *name, tn_arena *a, tn_model_status **out, int *n, tn_error *err);
bool tn_manager_is_ready(tn_manager *m); /* every configured model has an AVAILABLE version */

/* ==== metrics (metrics.c, prometheus.c) ==== TensorFlow Serving's names and labels, and ours */

typedef struct tn_metrics tn_metrics;
typedef enum tn_api { TN_API_PREDICT, TN_API_CLASSIFY, TN_API_REGRESS, TN_API_MULTI_INFERENCE, TN_API_METADATA,
                      TN_API_STATUS, TN_API_RELOAD, TN_API_OTHER } tn_api;
typedef struct tn_request_facts { /* of one request that was answered; also what the access log says */
    tn_api api;
    bool rest;
    const char *model, *signature, *peer, *path;
    int64_t version;
    tn_code code;
    const char *message;
    int64_t received, queued_us, decode_us, run_us, encode_us, total_us;
    int64_t bytes_in, bytes_out, examples;
} tn_request_facts;
tn_code tn_metrics_new(tn_metrics **out, tn_error *err);
void tn_metrics_free(tn_metrics *m);
void tn_metrics_request(tn_metrics *m, const tn_request_facts *f); /* never waits for long; from any thread */
void tn_metrics_batched(tn_metrics *m, const char *pool, int64_t queued_us, int64_t rows); /* a request in a batch */
void tn_metrics_batch(tn_metrics *m, int64_t rows, int64_t padded);                        /* the batch */
void tn_metrics_load(tn_metrics *m, const char *path, tn_code code, int64_t us);
void tn_metrics_warm_up(tn_metrics *m, const char *path, tn_code code, int64_t us, int64_t records);
void tn_metrics_ml_metadata(tn_metrics *m, const char *model, int64_t version); /* it has assets.extra/mlmd_uuid */
void tn_metrics_state(tn_metrics *m, const char *model, int64_t version, tn_servable_state state, int64_t bytes);
/* A version that has ended and is remembered no more: its requests are an earlier version's from now on. */
void tn_metrics_forget(tn_metrics *m, const char *model, int64_t version, const char *path);
void tn_metrics_logged(tn_metrics *m, const char *model, tn_code code); /* a request in its request log */
/* for HandleReloadConfigRequest's metric_names; 0: unknown */
int64_t tn_metrics_value(tn_metrics *m, const char *name);
tn_code tn_metrics_prometheus(tn_metrics *m, tn_buf *out, tn_error *err); /* text format 0.0.4 */

/* ==== logs (access_log.c, request_log.c) ==== */

typedef struct tn_access_log tn_access_log; /* a JSON line a request; "-": standard error */
tn_code tn_access_log_open(const char *path, tn_access_log **out, tn_error *err);
/* a full disk loses lines, counted, never requests */
void tn_access_log_put(tn_access_log *l, const tn_request_facts *f);
void tn_access_log_close(tn_access_log *l);
/* PredictionLog records by the model's LoggingConfig; NULL config: *out NULL. */
tn_code tn_request_log_open(const tn_LoggingConfig *config, const char *model, tn_metrics *metrics,
                            tn_request_log **out, tn_error *err);
bool tn_request_log_wants(tn_request_log *l); /* by the sampling rate; NULL: no */
/* log: its field of a PredictionLog, encoded; spec: what was asked. */
void tn_request_log_put(tn_request_log *l, tn_ModelSpec *spec, tn_view log);
void tn_request_log_close(tn_request_log *l);

/* ==== tokens (tokens.c) ==== who may ask which model */

typedef struct tn_tokens tn_tokens;
tn_code tn_tokens_load(const char *path, tn_tokens **out, tn_error *err);
void tn_tokens_free(tn_tokens *t);
/* An Authorization header ("Bearer TOKEN"; NULL: none) for a model ({NULL, 0}: for all). UNAUTHENTICATED,
 * PERMISSION_DENIED. */
tn_code tn_tokens_check(const tn_tokens *t, const char *authorization, tn_view model, tn_error *err);

/* ==== requests (api_predict.c, api_classify.c, api_multi.c, api_metadata.c, api_status.c, api_reload.c) ====
 * Messages in, messages out, in the arena; the same for both transports. */

typedef struct tn_watchers tn_watchers; /* who watches the health (health.c) */
typedef struct tn_service tn_service; /* what requests need: manager, metrics, logs, pool (service.c) */
struct tn_service {
    tn_manager *manager;
    tn_metrics *metrics;
    tn_access_log *access_log;
    tn_pool *pool;                /* computes */
    tn_pool *reloads;             /* one thread, which may wait for models to load */
    bool tensor_content;          /* responses as tensor_content instead of typed fields */
    bool check_method_name;
    bool strictly_tensorflow;     /* under the name tensorflow_model_server: no replies of our own */
    tn_tokens *tokens;            /* NULL: anybody may ask; else "authorization" shows one */
    bool health;                  /* grpc.health.v1.Health is there */
    bool reflection;              /* grpc.reflection.v1 and v1alpha are */
    atomic_int not_serving;       /* what it says: tn_service_drain */
    tn_watchers *watchers;
    tn_code (*reload)(void *payload, const tn_ModelServerConfig *config, const tn_patience *patience, tn_error *err);
    void *payload;
    const tn_log *log;
};

/* Starts the threads that compute (0: one a core) and the one in which reloads wait. */
tn_code tn_service_start(tn_service *s, int threads, tn_error *err);
void tn_service_stop(tn_service *s); /* when no request is on its way any more */
void tn_service_drain(tn_service *s); /* health is NOT_SERVING from now on; who watches it is told, and answered */

/* A request on its way: what is common to all methods and both transports. */
typedef struct tn_turn {
    tn_service *service;
    tn_arena *arena;
    int64_t deadline;
    const atomic_int *cancel;
    tn_servable *servable; /* given beforehand (warm-up): borrowed; else the one the request names, kept */
    bool keeps;            /* the latter */
    tn_request_facts facts; /* filled as it goes */
    const tn_tokens *tokens;   /* NULL: it may ask whatever it likes; else what it has shown is looked at: */
    const char *authorization; /* NULL: nothing */
    tn_ask ask;             /* what was asked; its outputs stay until the turn ends */
    const tn_ModelSpec *spec; /* the request's */
    tn_view signature;        /* the one it means */
} tn_turn;
/* May this turn ask the model ({NULL, 0}: all of them)? UNAUTHENTICATED, PERMISSION_DENIED. */
tn_code tn_turn_permit(const tn_turn *t, tn_view model, tn_error *err);
/* Sets t->spec, signature, facts and servable. INVALID_ARGUMENT "Missing ModelSpec" when spec is NULL; else as
 * tn_manager_get. */
tn_code tn_turn_servable(tn_turn *t, const tn_ModelSpec *spec, tn_error *err);
/* The question: room for its inputs (NULL to begin with) and its outputs; wanted as in tn_ask. */
tn_code tn_turn_ask(tn_turn *t, const tn_asker *a, const int *wanted, int n_wanted, tn_error *err);
/* The answer's: name, version that answers, signature (left out when empty). */
tn_code tn_turn_spec(tn_turn *t, tn_view signature, tn_ModelSpec **out, tn_error *err);
/* The answer is known: it is counted, logged, and what the turn holds is given back. The facts' bytes are the
 * caller's. */
/* Into the model's request log, when that wants it: the messages as they came and go (of Predict, Classify, Regress and
 * MultiInference). Before the turn ends. */
void tn_turn_log(tn_turn *t, tn_view request, tn_view response);
void tn_turn_end(tn_turn *t, tn_code code, const char *message);

/* Requests that ask are in two halves, with t->ask run or started between them. */
tn_code tn_predict_begin(tn_turn *t, const tn_PredictRequest *in, tn_error *err);
tn_code tn_predict_finish(tn_turn *t, tn_buf *out, tn_error *err); /* appends the response message */
tn_code tn_classify_begin(tn_turn *t, const tn_SerializedRequest *in, tn_error *err);
tn_code tn_classify_finish(tn_turn *t, tn_buf *out, tn_error *err);
tn_code tn_classified(tn_turn *t, tn_ClassificationResponse **out, tn_error *err); /* as long as the turn */
tn_code tn_regress_begin(tn_turn *t, const tn_SerializedRequest *in, tn_error *err);
tn_code tn_regress_finish(tn_turn *t, tn_buf *out, tn_error *err);
tn_code tn_regressed(tn_turn *t, tn_RegressionResponse **out, tn_error *err);
tn_code tn_multi_serialized(tn_turn *t, const tn_SerializedMultiRequest *in, tn_MultiInferenceResponse **out,
                            tn_error *err); /* all at once */
/* All at once, in the calling thread; the turn is still to be ended. */
tn_code tn_predict_request(tn_turn *t, const tn_PredictRequest *in, tn_PredictResponse **out, tn_error *err);
tn_code tn_classify_request(tn_turn *t, const tn_ClassificationRequest *in, tn_ClassificationResponse **out,
                            tn_error *err);
tn_code tn_regress_request(tn_turn *t, const tn_RegressionRequest *in, tn_RegressionResponse **out, tn_error *err);
tn_code tn_multi_request(tn_turn *t, const tn_MultiInferenceRequest *in, tn_MultiInferenceResponse **out,
                         tn_error *err);
tn_code tn_metadata_request(tn_turn *t, const tn_GetModelMetadataRequest *in, tn_GetModelMetadataResponse **out,
                            tn_error *err);
tn_code tn_status_request(tn_turn *t, const tn_GetModelStatusRequest *in, tn_GetModelStatusResponse **out,
                          tn_error *err);
tn_code tn_reload_request(tn_turn *t, const tn_ReloadConfigRequest *in, tn_ReloadConfigResponse **out, tn_error *err);

/* ==== transports (grpc_api.c, health.c, reflection.c, rest.c, rest_read.c, rest_write.c) ==== */

void tn_grpc_api(void *service, tn_grpc_call *call); /* a tn_grpc_server_options.handle */
typedef struct tn_rest_options {
    bool cors;
    const char *prometheus_path; /* NULL: no metrics */
    double timeout;
} tn_rest_options;
typedef struct tn_rest {
    tn_service *service;
    tn_rest_options options;
} tn_rest;
void tn_rest_api(void *rest, tn_http_request *r); /* a tn_http_server_options.handle */

#endif
