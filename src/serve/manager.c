/* SPDX-License-Identifier: Apache-2.0
 *
 * manager.c - the manager's own thread: from what is wanted and what is there to what is to be done. Versions are
 * loaded before those they replace are unloaded; a change of state becomes an event, told without a lock held.
 *
 * Looking at folders is manager_look.c's, threads that load and unload are manager_load.c's, a new set of models is
 * manager_set.c's, requests are manager_routes.c's and manager_status.c's.
 */
#include "models.h"

#include <time.h>

enum { MOST_ENDED = 8, MOST_GONE = 32 }; /* versions of a model that have ended; models no longer configured */

/* ==== what is counted ==== */

tn_config_set *tn_config_set_ref(tn_config_set *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void tn_config_set_unref(tn_config_set *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
    tn_model_configs_free(&s->configs);
    tn_free(s);
}

tn_manager *tn_manager_ref(tn_manager *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

static void version_free(tn_tracked *v)
{
    if (!v) return;
    tn_free(v->path);
    tn_free(v);
}

static void managed_free(tn_managed *k)
{
    for (int i = 0; i < k->n; i++) version_free(k->v[i]);
    tn_free(k->v);
    tn_free(k->name);
    tn_free(k);
}

void tn_manager_unref(tn_manager *m)
{
    if (atomic_fetch_sub(&m->refs, 1) != 1) return;
    tn_logs_close(m);
    for (int i = 0; i < m->n_models; i++) managed_free(m->models[i]);
    tn_free(m->models);
    tn_config_set_unref(m->set);
    pthread_cond_destroy(&m->wake);
    pthread_cond_destroy(&m->settled);
    pthread_cond_destroy(&m->look);
    pthread_cond_destroy(&m->loads);
    pthread_cond_destroy(&m->unloads);
    pthread_mutex_destroy(&m->set_lock);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->routes_lock);
    pthread_mutex_destroy(&m->look_lock);
    pthread_mutex_destroy(&m->unload_lock);
    tn_free(m->threads);
    tn_free(m);
}

/* ==== versions ==== */

tn_managed *tn_managed_find(const tn_manager *m, const char *name)
{
    for (int i = 0; i < m->n_models; i++)
        if (strcmp(m->models[i]->name, name) == 0) return m->models[i];
    return NULL;
}

tn_tracked *tn_version_find(const tn_managed *k, int64_t number)
{
    for (int i = 0; i < k->n; i++)
        if (k->v[i]->number == number) return k->v[i];
    return NULL;
}

tn_tracked *tn_version_add(tn_managed *k, const tn_found *f)
{
    tn_tracked *v = TN_ROOM(NULL, k->v, k->n, k->cap) ? tn_calloc(1, sizeof *v) : NULL;
    if (!v || !(v->path = tn_strdup(f->path))) {
        tn_free(v);
        return NULL;
    }
    v->model = k;
    v->number = f->version;
    int at = 0;
    while (at < k->n && k->v[at]->number > v->number) at++;
    memmove(k->v + at + 1, k->v + at, (size_t)(k->n - at) * sizeof *k->v);
    k->v[at] = v;
    k->n++;
    return v;
}

/* ==== events ==== told later, without the lock; what there is no memory for is not told */

static tn_change *add_event(tn_manager *m, const tn_tracked *v)
{
    tn_change *e = m->options.changed || m->options.metrics ? tn_calloc(1, sizeof *e) : NULL;
    if (!e) return NULL;
    if (!(e->model = tn_strdup(v->model->name))) {
        tn_free(e);
        return NULL;
    }
    e->version = v->number;
    e->state = v->state;
    e->bytes = v->state == TN_STATE_END ? 0 : v->bytes;
    e->error = v->error;
    *m->last_event = e;
    m->last_event = &e->next;
    return e;
}

static void tell_forgotten(tn_manager *m, const tn_tracked *v)
{
    tn_change *e = m->options.metrics ? add_event(m, v) : NULL;
    if (e) e->forgotten = tn_strdup(v->path);
}

/* ==== what is remembered no more ==== */

static void forget_version(tn_manager *m, tn_managed *k, int i)
{
    tell_forgotten(m, k->v[i]);
    version_free(k->v[i]);
    memmove(k->v + i, k->v + i + 1, (size_t)(k->n - i - 1) * sizeof *k->v);
    k->n--;
}

/* Only the newest of those that have ended are remembered. */
static void forget_old(tn_manager *m, tn_managed *k)
{
    int ended = 0;
    for (int i = 0; i < k->n; i++) {
        const tn_tracked *v = k->v[i];
        if (v->state != TN_STATE_END || v->aspired || v->busy || v->servable || ++ended <= MOST_ENDED) continue;
        forget_version(m, k, i--);
    }
}

static void forget_gone_models(tn_manager *m)
{
    int gone = 0;
    for (int i = m->n_models - 1; i >= 0; i--) {
        tn_managed *k = m->models[i];
        bool idle = !k->config;
        for (int j = 0; j < k->n; j++) idle = idle && k->v[j]->state == TN_STATE_END && !k->v[j]->busy;
        if (!idle || ++gone <= MOST_GONE || k->log) continue;
        while (k->n) forget_version(m, k, k->n - 1);
        managed_free(k);
        memmove(m->models + i, m->models + i + 1, (size_t)(m->n_models - i - 1) * sizeof *m->models);
        m->n_models--;
    }
}

/* ==== changes and who is told ==== */

void tn_version_set(tn_manager *m, tn_tracked *v, tn_servable_state state)
{
    if ((v->state == TN_STATE_AVAILABLE) != (state == TN_STATE_AVAILABLE)) m->stale = true;
    v->state = state;
    add_event(m, v);
    pthread_cond_broadcast(&m->settled);
    tn_manager_kick(m);
}

void tn_manager_kick(tn_manager *m)
{
    m->kicked = true;
    pthread_cond_signal(&m->wake);
}

static void tell(tn_manager *m, const tn_change *e)
{
    const tn_manager_options *o = &m->options;
    if (e->forgotten) {
        tn_metrics_forget(o->metrics, e->model, e->version, e->forgotten);
        return;
    }
    if (o->metrics) tn_metrics_state(o->metrics, e->model, e->version, e->state, e->bytes);
    if (o->changed) o->changed(o->payload, e->model, e->version, e->state, &e->error);
}

void tn_change_free(tn_change *e)
{
    tn_free(e->model);
    tn_free(e->forgotten);
    tn_free(e);
}

/* Called with the lock held, which is let go meanwhile. */
static void tell_events(tn_manager *m)
{
    while (m->events) {
        tn_change *first = m->events;
        m->events = NULL;
        m->last_event = &m->events;
        pthread_mutex_unlock(&m->lock);
        while (first) {
            tn_change *e = first;
            first = e->next;
            tell(m, e);
            tn_change_free(e);
        }
        pthread_mutex_lock(&m->lock);
    }
}

/* ==== loads that have ended ==== */

/* Trying again is no use before the files are others. */
static bool is_final(tn_code code)
{
    switch (code) {
    case TN_UNAVAILABLE:
    case TN_RESOURCE_EXHAUSTED:
    case TN_ABORTED:
    case TN_UNKNOWN:
    case TN_DEADLINE_EXCEEDED: return false;
    default: return true;
    }
}

static void version_ends(tn_manager *m, tn_tracked *v)
{
    v->unsettled = false;
    v->retry_at = 0;
    tn_logf(m->options.log, TN_ERROR, "Loading servable: {name: %s version: %lld} failed: %s: %s", v->model->name,
            (long long)v->number, tn_code_name(v->error.code), v->error.message);
    tn_version_set(m, v, TN_STATE_END);
}

/* The files have not changed since, or nobody looks whether they do. */
void tn_version_settle(tn_manager *m, tn_tracked *v)
{
    v->unsettled = false;
    if (is_final(v->error.code) || ++v->attempts > m->options.max_num_load_retries) {
        version_ends(m, v);
        return;
    }
    v->retry_at = tn_now_us() + TN_MAX(m->options.load_retry_interval_micros, 0);
    tn_logf(m->options.log, TN_WARNING, "{name: %s version: %lld} is tried again in %.3g s (%d of %d): %s: %s",
            v->model->name, (long long)v->number, (double)m->options.load_retry_interval_micros / 1e6, v->attempts,
            m->options.max_num_load_retries, tn_code_name(v->error.code), v->error.message);
}

static void load_failed(tn_manager *m, tn_tracked *v, const tn_work *w)
{
    v->stamp = w->stamp;
    if (!v->aspired || atomic_load(&m->ends)) {
        v->error = (tn_error){0};
        tn_version_set(m, v, TN_STATE_END);
        return;
    }
    if (w->error.code == TN_CANCELLED) return; /* it was not wanted for a while: begins again */
    v->error = w->error;
    v->unsettled = true;
    if (!(m->options.file_system_poll_wait_seconds > 0)) tn_version_settle(m, v);
}

static void load_succeeded(tn_manager *m, tn_tracked *v, tn_work *w)
{
    v->servable = w->servable;
    w->servable = NULL;
    atomic_store(&v->servable->request_log, v->model->log);
    v->error = (tn_error){0};
    v->bytes = v->servable->bytes;
    v->stamp = w->stamp;
    v->attempts = 0;
    tn_logf(m->options.log, TN_INFO, "Successfully loaded servable version {name: %s version: %lld}", v->model->name,
            (long long)v->number);
    tn_version_set(m, v, TN_STATE_AVAILABLE);
    if (m->options.warm_up && !atomic_load(&m->ends)) tn_queue_sizes(m, v->servable);
}

static void take_done(tn_manager *m)
{
    while (m->done) {
        tn_work *w = m->done;
        m->done = w->next;
        tn_tracked *v = w->version;
        v->busy = false;
        if (!atomic_load(&m->ends)) atomic_store(&v->cancel, 0);
        if (w->error.code == TN_OK) load_succeeded(m, v, w);
        else load_failed(m, v, w);
        tn_work_free(w);
    }
}

/* ==== what is to be done ==== */

bool tn_version_is_loading(const tn_tracked *v)
{
    return v->state == TN_STATE_START || v->state == TN_STATE_LOADING;
}

/* A version that has failed once waits for the next look, or for its time. */
static void start_load(tn_manager *m, tn_tracked *v, int64_t now)
{
    if (v->busy || v->unsettled || now < v->retry_at || atomic_load(&m->ends)) return;
    if (tn_queue_load(m, v)) {
        v->retry_at = 0;
        if (v->state != TN_STATE_LOADING) tn_version_set(m, v, TN_STATE_LOADING);
    } else {
        v->retry_at = now + 1000000; /* when there is memory again */
    }
}

static void give_up_load(tn_manager *m, tn_tracked *v)
{
    v->unsettled = false;
    if (v->busy) atomic_store(&v->cancel, 1);
    else tn_version_set(m, v, TN_STATE_END);
}

/* The servable goes when requests see it no more. */
static void start_unload(tn_manager *m, tn_tracked *v)
{
    tn_version_set(m, v, TN_STATE_UNLOADING);
}

static bool may_unload(const tn_managed *k)
{
    bool any_wanted = false;
    for (int i = 0; i < k->n; i++) {
        if (k->v[i]->aspired && k->v[i]->state == TN_STATE_AVAILABLE) return true;
        any_wanted = any_wanted || k->v[i]->aspired;
    }
    return !any_wanted;
}

static void manage(tn_manager *m, tn_managed *k, int64_t now)
{
    bool unload = may_unload(k);
    for (int i = 0; i < k->n; i++) {
        tn_tracked *v = k->v[i];
        if (v->aspired && tn_version_is_loading(v)) start_load(m, v, now);
        else if (!v->aspired && tn_version_is_loading(v)) give_up_load(m, v);
        else if (!v->aspired && v->state == TN_STATE_AVAILABLE && unload) start_unload(m, v);
    }
    forget_old(m, k);
}

/* ==== routes ==== */

/* The manager's references on what requests see no more. */
static tn_servable *take_unrouted(tn_manager *m)
{
    for (int i = 0; i < m->n_models; i++) {
        tn_managed *k = m->models[i];
        for (int j = 0; j < k->n; j++) {
            tn_servable *s = k->v[j]->servable;
            if (!s || k->v[j]->state != TN_STATE_UNLOADING) continue;
            k->v[j]->servable = NULL;
            return s;
        }
    }
    return NULL;
}

/* Called with the lock held, which is let go meanwhile: dropping may free. false: no memory, to be tried again. */
static bool renew_routes(tn_manager *m)
{
    tn_routes *old = NULL;
    if (!m->stale) return true;
    if (tn_routes_renew(m, &old, NULL) != TN_OK) return false;
    m->stale = false;
    pthread_cond_broadcast(&m->settled);
    for (tn_servable *s; (s = take_unrouted(m));) {
        pthread_mutex_unlock(&m->lock);
        tn_servable_unref(s);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    tn_routes_free(old);
    pthread_mutex_lock(&m->lock);
    return true;
}

/* ==== the thread ==== */

static int64_t next_time(const tn_manager *m, int64_t now)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) {
            const tn_tracked *v = m->models[i]->v[j];
            bool waits = v->aspired && tn_version_is_loading(v) && !v->busy && !v->unsettled;
            if (waits) next = TN_MIN(next, TN_MAX(v->retry_at, now + 1000));
        }
    return next;
}

static void wait_for_work(tn_manager *m, int64_t until)
{
    struct timespec t;
    if (until == INT64_MAX) {
        pthread_cond_wait(&m->wake, &m->lock);
        return;
    }
    t.tv_sec = until / 1000000;
    t.tv_nsec = until % 1000000 * 1000;
    pthread_cond_timedwait(&m->wake, &m->lock, &t);
}

void *tn_main_thread(void *p)
{
    tn_manager *m = p;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        int64_t now = tn_now_us();
        m->kicked = false;
        take_done(m);
        for (int i = 0; i < m->n_models; i++) manage(m, m->models[i], now);
        forget_gone_models(m);
        int64_t until = next_time(m, now);
        if (!renew_routes(m)) until = TN_MIN(until, now + 100000);
        tell_events(m);
        until = TN_MIN(until, tn_manager_rest(m, now));
        if (!m->kicked && !m->stop) wait_for_work(m, until);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
