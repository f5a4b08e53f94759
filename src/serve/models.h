/* SPDX-License-Identifier: Apache-2.0
 *
 * models.h - what the files about models share: the source (source.c), and the manager's parts: what it knows and what
 * is wanted (manager.c), a new set of models (manager_set.c, manager_log.c), its threads and their work
 * (manager_load.c), looking at folders (manager_look.c), answers to requests (manager_routes.c, manager_status.c).
 *
 * Threads and locks. `lock` guards models, versions, loads and events, and is never held over files, loading or freeing
 * a model. `routes_lock` guards the pointer to what requests see, a table which is made anew at every change: requests
 * take it for a moment and nothing else. `unload_lock` guards what has been given back. `look_lock` lets one thread at
 * a time have the folders looked at, `set_lock` put a new set in place. Order: set_lock, look_lock, lock, then the
 * others.
 *
 * Invariants: the version's state is changed by the manager's own thread, but that looking at folders adds versions; a
 * version that is `busy` has a task in the queue or at work and is not freed; a servable holds the manager's memory
 * alive until it is given back.
 */
#ifndef TN_SERVE_MODELS_H
#define TN_SERVE_MODELS_H

#include "runner.h"
#include "serve.h"

/* ==== source (source.c) ==== the versions that a model's configuration wants, as they lie on the disk */

typedef struct tn_found {
    int64_t version;
    const char *path;
    uint64_t stamp; /* another one: a file has been added, removed, or changed */
} tn_found;
typedef struct tn_look {
    tn_found *v; /* ascending by version */
    int n;
    const char *warning; /* what somebody should know; NULL: nothing */
} tn_look;
/* Errors: nothing is known of the folder, what is loaded stays. */
tn_code tn_source_look(const tn_model_config *c, tn_arena *a, tn_look *out, tn_error *err);
/* "7", "007" as TensorFlow Serving reads a folder's name. */
bool tn_version_parse(const char *name, int64_t *version);
uint64_t tn_source_stamp(const tn_model_config *c, const char *path);

/* ==== warming up ==== */

/* The requests that the model brings, or else zeros. CANCELLED when options' cancel is set (warm_up.c). */
tn_code tn_warm_up(tn_servable *s, const tn_servable_options *o, tn_error *err);
/* One question of zeros for each signature (warm_zeros.c). */
tn_code tn_warm_up_zeros(tn_servable *s, const tn_servable_options *o, tn_error *err);
/* Plans for the batch sizes that are to be expected, in the calling thread; gives up silently where it gets too large,
 * or when *cancel is set. */
void tn_warm_up_sizes(tn_servable *s, const atomic_int *cancel);

/* ==== the manager ==== */

typedef struct tn_config_set { /* a configuration in use by `refs` */
    atomic_int refs;
    tn_model_configs configs;
} tn_config_set;

typedef struct tn_tracked {
    struct tn_managed *model;
    int64_t number;
    char *path;
    tn_servable_state state;
    tn_error error;       /* of the last attempt; code TN_OK: none */
    tn_servable *servable; /* the manager's reference */
    int64_t bytes;
    uint64_t stamp;       /* of its files when it was last tried */
    int attempts;         /* failed ones, of these files */
    int64_t retry_at;     /* tn_now_us; 0: not before the files were looked at again */
    bool aspired, busy;
    bool unsettled;       /* it has failed, and its files may still be on their way */
    atomic_int cancel;    /* loading gives up */
} tn_tracked;

typedef struct tn_managed { /* a model, also one that is no longer configured */
    char *name;
    const tn_model_config *config; /* in the manager's set; NULL: no longer configured */
    tn_tracked **v;                /* descending by number */
    int n, cap;
    bool looked;                   /* its folder has been seen since it was configured */
    bool stuck;                    /* a look at it has not come back */
    tn_request_log *log;           /* NULL: none */
    tn_buf log_key;                /* of what wish it came */
    tn_error seen;                 /* what looking at it gave: an error, or a warning, or nothing */
} tn_managed;

typedef struct tn_work { /* for the load threads */
    struct tn_work *next;
    tn_tracked *version; /* to be loaded; NULL: the servable's expected batch sizes are to be planned */
    tn_config_set *set;  /* what config points into */
    const tn_model_config *config;
    char *path;
    tn_servable *servable; /* the result, or the one that is to be worked on */
    uint64_t stamp;
    tn_error error;
} tn_work;

typedef struct tn_change { /* a state that has changed, or a version that goes, still to be told */
    struct tn_change *next;
    char *model;
    int64_t version;
    tn_servable_state state;
    int64_t bytes;
    tn_error error;
    char *forgotten; /* the path of a version that is remembered no more; NULL: its state has changed */
} tn_change;

typedef struct tn_route { /* a model as requests see it */
    tn_servable **v;      /* AVAILABLE ones, descending by version, kept */
    int n;
    const tn_label *labels; /* in the set that the table holds */
    int n_labels;
} tn_route;
typedef struct tn_routes {
    tn_map *models; /* name -> tn_route */
    tn_arena *arena;
    tn_config_set *set;
} tn_routes;

typedef struct tn_planned_log { /* for one model of a new set */
    tn_buf key;
    tn_request_log *log;
    bool keep; /* the one there is */
} tn_planned_log;

struct tn_manager {
    atomic_int refs; /* the owner's and one a servable */
    tn_manager_options options;
    pthread_mutex_t set_lock, lock, routes_lock, look_lock, unload_lock;
    pthread_cond_t wake;    /* the manager's own thread: it was kicked */
    pthread_cond_t settled; /* who waits for models: something has changed */
    pthread_cond_t look;    /* the thread that looks at folders is to end */
    pthread_cond_t loads;   /* the load threads: there is work, or the end */
    pthread_cond_t unloads; /* the unload threads: the same, with unload_lock */
    tn_config_set *set;     /* NULL: none yet */
    int64_t generation;     /* of the set */
    tn_managed **models;
    int n_models, cap_models;
    tn_work *work, **last_work; /* waits */
    tn_work *done;              /* loads that have ended */
    tn_change *events, **last_event;
    tn_routes *routes;
    tn_servable *dead;      /* given back, to be freed */
    tn_request_log **retired; /* with room for those of all models */
    int n_retired;
    bool stale;             /* routes are to be made anew */
    bool kicked, stop;
    int64_t rest_at;        /* when it is looked who rests */
    atomic_bool rests;      /* all do: no large pages until somebody asks */
    bool unloads_end, freed; /* freed: no threads any more, what is given back is freed where it is */
    atomic_int ends;        /* nothing more is loaded */
    pthread_t *threads;     /* load threads, then unload threads */
    int n_load, n_unload;   /* how many run */
    pthread_t main_thread, look_thread;
    tn_runner *looker;      /* with look_lock; NULL: none yet */
    int n_stuck;            /* looks that have not come back */
    bool has_main, has_look;
};

tn_manager *tn_manager_ref(tn_manager *m);
void tn_manager_unref(tn_manager *m);
tn_config_set *tn_config_set_ref(tn_config_set *s);
void tn_config_set_unref(tn_config_set *s);

/* With the lock held. */
tn_managed *tn_managed_find(const tn_manager *m, const char *name);
tn_tracked *tn_version_find(const tn_managed *k, int64_t number);
tn_tracked *tn_version_add(tn_managed *k, const tn_found *f); /* NULL: no memory */
void tn_version_set(tn_manager *m, tn_tracked *v, tn_servable_state state); /* an event; wakes who waits */
void tn_version_begin(tn_manager *m, tn_tracked *v); /* what failed or ended is to be loaded as if it were new */
void tn_manager_kick(tn_manager *m);
/* Its files are the same as when it failed: tried again later, or ended. */
void tn_version_settle(tn_manager *m, tn_tracked *v);
void tn_change_free(tn_change *e);
bool tn_version_is_loading(const tn_tracked *v);

void *tn_main_thread(void *m);
/* Models that were not asked for a while give back what only requests need (manager_rest.c). With the lock held, which
 * is let go meanwhile; when to call it again. */
int64_t tn_manager_rest(tn_manager *m, int64_t now);
void tn_manager_wakes(tn_manager *m); /* somebody asks, or nobody ever will again */
/* Looks at the folders of all models and notes what is wanted (manager_look.c). A folder whose file system does not
 * answer is UNAVAILABLE, and passed over until it does. */
tn_code tn_manager_look(tn_manager *m, tn_error *err);
bool tn_same_place(const tn_model_config *a, const tn_model_config *b); /* what is looked at */
void *tn_look_thread(void *m);
/* Threads and their work (manager_load.c). */
void *tn_load_thread(void *m);
void *tn_unload_thread(void *m);
bool tn_queue_load(tn_manager *m, tn_tracked *v); /* with the lock held; false: no memory */
void tn_queue_sizes(tn_manager *m, tn_servable *s);
void tn_work_free(tn_work *w);
void tn_servable_given_back(tn_servable *s); /* its unload */
void tn_free_dead(tn_manager *m);
/* Request logs (manager_log.c). Planning with set_lock held, the rest with lock. */
tn_code tn_logs_plan(tn_manager *m, const tn_model_configs *c, tn_planned_log **out, tn_error *err);
void tn_logs_unplan(tn_planned_log *p, int n);
void tn_logs_apply(tn_manager *m, tn_managed *k, tn_planned_log *p);
void tn_logs_retire(tn_manager *m, tn_managed *k); /* as many as models have been planned for */
void tn_logs_close(tn_manager *m);                 /* at the very end */
/* What requests see is made anew; gives the old one, to be freed without a lock (manager_routes.c). */
tn_code tn_routes_renew(tn_manager *m, tn_routes **old, tn_error *err);
void tn_routes_free(tn_routes *r);

#endif
