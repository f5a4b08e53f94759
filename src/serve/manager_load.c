/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_load.c - the manager's threads that work: load threads, of low priority, and unload threads, to which a
 * servable comes when whoever used it last has given it back.
 *
 * What is to be loaded is manager.c's decision. Invariants: no lock is held over the work; a load thread tells its
 * result to the manager's own thread and changes nothing itself.
 */
#include "models.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICENESS = 10 };

/* ==== work ==== */

void tn_work_free(tn_work *w)
{
    if (!w) return;
    tn_servable_unref(w->servable);
    tn_config_set_unref(w->set);
    tn_free(w->path);
    tn_free(w);
}

static void add_work(tn_manager *m, tn_work *w)
{
    *m->last_work = w;
    m->last_work = &w->next;
    pthread_cond_signal(&m->loads);
}

bool tn_queue_load(tn_manager *m, tn_tracked *v)
{
    tn_work *w = tn_calloc(1, sizeof *w);
    if (!w || !(w->path = tn_strdup(v->path))) {
        tn_free(w);
        return false;
    }
    w->version = v;
    w->set = tn_config_set_ref(m->set);
    w->config = v->model->config;
    v->busy = true;
    add_work(m, w);
    return true;
}

/* Without memory for it, the first request of each size pays. */
void tn_queue_sizes(tn_manager *m, tn_servable *s)
{
    tn_work *w = tn_calloc(1, sizeof *w);
    if (!w) return;
    w->servable = tn_servable_ref(s);
    add_work(m, w);
}

/* Loads come before sizes. */
static tn_work *take_work(tn_manager *m)
{
    tn_work **at = &m->work;
    while (*at && !(*at)->version) at = &(*at)->next;
    if (!*at) at = &m->work;
    tn_work *w = *at;
    if (!w) return NULL;
    *at = w->next;
    if (m->last_work == &w->next) m->last_work = at;
    w->next = NULL;
    return w;
}

/* ==== loading ==== */

static tn_code load(tn_manager *m, tn_work *w, tn_error *err)
{
    const tn_manager_options *o = &m->options;
    tn_servable_options options = {.model = w->config->name,
                                   .path = w->path,
                                   .version = w->version->number,
                                   .tags = o->tags,
                                   .n_tags = o->n_tags,
                                   .meta_graph = w->config->meta_graph,
                                   .checkpoint = w->config->checkpoint,
                                   .signature_inputs = w->config->signature_inputs,
                                   .signature_outputs = w->config->signature_outputs,
                                   .session = o->session,
                                   .team = o->team,
                                   .warm_up = o->warm_up,
                                   .warm_up_iterations = o->warm_up_iterations,
                                   .batching = o->batching,
                                   .per_model_batching = o->enable_per_model_batching_parameters,
                                   .cancel = &w->version->cancel,
                                   .metrics = o->metrics,
                                   .log = o->log};
    w->stamp = tn_source_stamp(w->config, w->path);
    TN_TRY(tn_servable_load(&options, &w->servable, err));
    w->servable->unload = tn_servable_given_back;
    w->servable->owner = tn_manager_ref(m);
    if (tn_source_stamp(w->config, w->path) == w->stamp) return TN_OK;
    tn_servable_unref(w->servable);
    w->servable = NULL;
    return tn_fail(err, TN_UNAVAILABLE, "%s was changed while it was being loaded", w->path);
}

static void do_load(tn_manager *m, tn_work *w)
{
    tn_error err = {0};
    int64_t began = tn_now_us();
    err.code = load(m, w, &err);
    if (m->options.metrics) tn_metrics_load(m->options.metrics, w->path, err.code, tn_now_us() - began);
    w->error = err;
    pthread_mutex_lock(&m->lock);
    w->next = m->done;
    m->done = w;
    tn_manager_kick(m);
    pthread_mutex_unlock(&m->lock);
}

static void lower_priority(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
}

void *tn_load_thread(void *p)
{
    tn_manager *m = p;
    lower_priority();
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        tn_work *w = take_work(m);
        if (!w) {
            pthread_cond_wait(&m->loads, &m->lock);
            continue;
        }
        pthread_mutex_unlock(&m->lock);
        if (w->version) {
            do_load(m, w);
        } else {
            tn_warm_up_sizes(w->servable, &m->ends);
            if (atomic_load(&w->servable->asked)) tn_session_settle(tn_loaded_session(w->servable->loaded));
            else tn_session_rest(tn_loaded_session(w->servable->loaded));
            tn_work_free(w);
        }
        tn_memory_trim(); /* of what was only needed for loading */
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

/* ==== unloading ==== */

void tn_servable_given_back(tn_servable *s)
{
    tn_manager *m = s->owner;
    pthread_mutex_lock(&m->unload_lock);
    bool freed = m->freed;
    if (!freed) {
        s->next = m->dead;
        m->dead = s;
        pthread_cond_signal(&m->unloads);
    }
    pthread_mutex_unlock(&m->unload_lock);
    if (!freed) return;
    tn_servable_free(s);
    tn_manager_unref(m);
}

/* The version that s was; it stays until it has ended. NULL: it never came to be one. */
static tn_tracked *version_of(tn_manager *m, const tn_servable *s)
{
    tn_managed *k = tn_managed_find(m, s->model);
    tn_tracked *v = k ? tn_version_find(k, s->version) : NULL;
    return v && v->state == TN_STATE_UNLOADING && !v->servable ? v : NULL;
}

/* No version of its model is there or comes: with the lock held. */
static bool is_last(const tn_manager *m, const tn_servable *s)
{
    const tn_managed *k = tn_managed_find(m, s->model);
    for (int i = 0; k && i < k->n; i++)
        if (k->v[i]->servable || k->v[i]->aspired) return false;
    return true;
}

/* What was freed goes back to the system. */
static void unload(tn_manager *m, tn_servable *s)
{
    pthread_mutex_lock(&m->lock);
    tn_tracked *v = version_of(m, s);
    bool last = is_last(m, s);
    pthread_mutex_unlock(&m->lock);
    tn_servable_free(s);
    if (last) tn_sessions_forget();
    tn_memory_trim();
    if (v) {
        pthread_mutex_lock(&m->lock);
        tn_logf(m->options.log, TN_INFO, "Done unloading servable version {name: %s version: %lld}", v->model->name,
                (long long)v->number);
        tn_version_set(m, v, TN_STATE_END);
        if (v->aspired && !atomic_load(&m->ends)) tn_version_begin(m, v); /* wanted again meanwhile */
        pthread_mutex_unlock(&m->lock);
    }
    tn_manager_unref(m);
}

static tn_servable *take_dead(tn_manager *m)
{
    tn_servable *s = m->dead;
    if (s) m->dead = s->next;
    return s;
}

void *tn_unload_thread(void *p)
{
    tn_manager *m = p;
    pthread_mutex_lock(&m->unload_lock);
    for (;;) {
        tn_servable *s = take_dead(m);
        if (s) {
            pthread_mutex_unlock(&m->unload_lock);
            unload(m, s);
            pthread_mutex_lock(&m->unload_lock);
        } else if (m->unloads_end) {
            break;
        } else {
            pthread_cond_wait(&m->unloads, &m->unload_lock);
        }
    }
    pthread_mutex_unlock(&m->unload_lock);
    return NULL;
}

/* Once the threads have ended: from now on, each frees what it gives back. */
void tn_free_dead(tn_manager *m)
{
    pthread_mutex_lock(&m->unload_lock);
    m->freed = true;
    tn_servable *s = m->dead;
    m->dead = NULL;
    pthread_mutex_unlock(&m->unload_lock);
    while (s) {
        tn_servable *next = s->next;
        tn_servable_free(s);
        tn_manager_unref(m);
        s = next;
    }
}
