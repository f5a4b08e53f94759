/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_set.c - the manager's beginning and end, and a new set of models: checked, put in place of the old one, and
 * its new models waited for.
 *
 * Invariant: a set that is refused changes nothing.
 */
#include "models.h"

#include <signal.h>
#include <time.h>

enum { LOOK_SECONDS = 2 };

/* ==== beginning and end ==== */

static bool cond_init(pthread_cond_t *c)
{
    pthread_condattr_t a;
    if (pthread_condattr_init(&a) != 0) return false;
    bool ok = pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0 && pthread_cond_init(c, &a) == 0;
    pthread_condattr_destroy(&a);
    return ok;
}

static tn_code no_thread(tn_error *err)
{
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "cannot start a thread");
}

static tn_code start_threads(tn_manager *m, tn_error *err)
{
    const tn_manager_options *o = &m->options;
    int load = o->num_load_threads > 0 ? o->num_load_threads : TN_MAX(2, TN_MIN(4, tn_core_count()));
    int unload = TN_MAX(o->num_unload_threads, 1);
    m->threads = tn_calloc((size_t)(load + unload), sizeof *m->threads);
    if (!m->threads) return tn_no_memory(err, 0);
    if (pthread_create(&m->main_thread, NULL, tn_main_thread, m) != 0) return no_thread(err);
    m->has_main = true;
    for (; m->n_load < load; m->n_load++)
        if (pthread_create(&m->threads[m->n_load], NULL, tn_load_thread, m) != 0) return no_thread(err);
    for (; m->n_unload < unload; m->n_unload++)
        if (pthread_create(&m->threads[load + m->n_unload], NULL, tn_unload_thread, m) != 0) return no_thread(err);
    if (!(o->file_system_poll_wait_seconds > 0)) return TN_OK;
    if (pthread_create(&m->look_thread, NULL, tn_look_thread, m) != 0) return no_thread(err);
    m->has_look = true;
    return TN_OK;
}

tn_code tn_manager_new(const tn_manager_options *o, tn_manager **out, tn_error *err)
{
    if (o->num_load_threads > 1024 || o->num_unload_threads > 1024)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_load_threads and num_unload_threads are at most 1024");
    tn_manager *m = tn_calloc(1, sizeof *m);
    if (!m) return tn_no_memory(err, sizeof *m);
    atomic_init(&m->refs, 1);
    m->options = *o;
    if (!o->look_at) m->options.look_at = tn_source_look;
    if (!(o->look_seconds > 0)) m->options.look_seconds = LOOK_SECONDS;
    m->last_work = &m->work;
    m->last_event = &m->events;
    pthread_mutex_t *const locks[] = {&m->set_lock, &m->lock, &m->routes_lock, &m->look_lock, &m->unload_lock};
    pthread_cond_t *const conds[] = {&m->wake, &m->settled, &m->look, &m->loads, &m->unloads};
    for (size_t i = 0; i < TN_COUNT(locks); i++) pthread_mutex_init(locks[i], NULL);
    bool ok = true;
    for (size_t i = 0; i < TN_COUNT(conds); i++) ok = cond_init(conds[i]) && ok;
    sigset_t all, before; /* signals are for the threads of the program */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    tn_code code = ok ? start_threads(m, err) : tn_no_memory(err, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code == TN_OK) *out = m;
    else tn_manager_free(m);
    return code;
}

void tn_manager_cancel(tn_manager *m)
{
    pthread_mutex_lock(&m->lock);
    atomic_store(&m->ends, 1);
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) atomic_store(&m->models[i]->v[j]->cancel, 1);
    pthread_cond_broadcast(&m->settled);
    pthread_mutex_unlock(&m->lock);
}

static void stop(tn_manager *m)
{
    tn_manager_cancel(m);
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_cond_broadcast(&m->wake);
    pthread_cond_broadcast(&m->loads);
    pthread_cond_broadcast(&m->look);
    pthread_cond_broadcast(&m->settled);
    pthread_mutex_unlock(&m->lock);
    if (m->has_look) pthread_join(m->look_thread, NULL);
    tn_runner_free(m->looker);
    m->looker = NULL;
    for (int i = 0; i < m->n_load; i++) pthread_join(m->threads[i], NULL);
    if (m->has_main) pthread_join(m->main_thread, NULL);
}

static void free_work(tn_work *w)
{
    while (w) {
        tn_work *next = w->next;
        tn_work_free(w);
        w = next;
    }
}

/* The unload threads still look at which there are. */
static tn_servable *take_servable(tn_manager *m, tn_tracked *v)
{
    pthread_mutex_lock(&m->lock);
    tn_servable *s = v->servable;
    v->servable = NULL;
    pthread_mutex_unlock(&m->lock);
    return s;
}

static void drop_servables(tn_manager *m)
{
    pthread_mutex_lock(&m->routes_lock);
    tn_routes *old = m->routes;
    m->routes = NULL;
    pthread_mutex_unlock(&m->routes_lock);
    tn_routes_free(old);
    free_work(m->work);
    free_work(m->done);
    for (int i = 0; i < m->n_models; i++)
        for (int j = 0; j < m->models[i]->n; j++) tn_servable_unref(take_servable(m, m->models[i]->v[j]));
}

static void end_unloading(tn_manager *m)
{
    pthread_mutex_lock(&m->unload_lock);
    m->unloads_end = true;
    pthread_cond_broadcast(&m->unloads);
    pthread_mutex_unlock(&m->unload_lock);
    for (int i = 0; i < m->n_unload; i++) pthread_join(m->threads[m->n_load + i], NULL);
    tn_free_dead(m);
}

void tn_manager_free(tn_manager *m)
{
    if (!m) return;
    stop(m);
    drop_servables(m);
    end_unloading(m);
    while (m->events) {
        tn_change *e = m->events;
        m->events = e->next;
        tn_change_free(e);
    }
    tn_manager_wakes(m);
    tn_manager_unref(m);
}

/* ==== may it be? ==== */

static const char *platform_of(const tn_model_config *c)
{
    return c->platform ? c->platform : "tensorflow";
}

static tn_code check_platforms(const tn_manager *m, const tn_model_configs *c, tn_error *err)
{
    for (int i = 0; i < c->n; i++) {
        const tn_managed *k = tn_managed_find(m, c->v[i].name);
        if (k && k->config && strcmp(platform_of(k->config), platform_of(&c->v[i])) != 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Illegal to change a model's platform. For model %s platform was "
                           "%s and new platform requested is %s", k->name, platform_of(k->config),
                           platform_of(&c->v[i]));
    }
    for (int i = 0; i < c->n; i++)
        if (strcmp(platform_of(&c->v[i]), "tensorflow") != 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Model %s requests unsupported platform %s", c->v[i].name,
                           platform_of(&c->v[i]));
    return TN_OK;
}

/* A label may come before its version when it is the flag's wish and the label does not mean another one now. */
static bool may_be_early(const tn_manager *m, const tn_managed *k, const tn_label *l)
{
    if (!m->options.allow_version_labels_for_unavailable_models) return false;
    for (int i = 0; k && k->config && i < k->config->n_labels; i++)
        if (strcmp(k->config->labels[i].label, l->label) == 0) return k->config->labels[i].version == l->version;
    return true;
}

static tn_code check_labels(const tn_manager *m, const tn_model_config *c, tn_error *err)
{
    const tn_managed *k = tn_managed_find(m, c->name);
    for (int i = 0; i < c->n_labels; i++) {
        const tn_tracked *v = k ? tn_version_find(k, c->labels[i].version) : NULL;
        if (v && v->state == TN_STATE_AVAILABLE) continue;
        if (may_be_early(m, k, &c->labels[i])) continue;
        return tn_fail(err, TN_FAILED_PRECONDITION, "Request to assign label to version %lld of model %s, which is not "
                       "currently available for inference", (long long)c->labels[i].version, c->name);
    }
    return TN_OK;
}

static tn_code check(const tn_manager *m, const tn_model_configs *c, tn_error *err)
{
    TN_TRY(check_platforms(m, c, err));
    for (int i = 0; m->set && i < c->n; i++) TN_TRY(check_labels(m, &c->v[i], err));
    return TN_OK;
}

/* ==== putting it in place ==== */

static tn_code add_model(tn_manager *m, const char *name, tn_error *err)
{
    if (tn_managed_find(m, name)) return TN_OK;
    tn_managed *k = TN_ROOM(NULL, m->models, m->n_models, m->cap_models) ? tn_calloc(1, sizeof *k) : NULL;
    if (!k || !(k->name = tn_strdup(name))) {
        tn_free(k);
        return tn_no_memory(err, sizeof *k);
    }
    m->models[m->n_models++] = k;
    return TN_OK;
}

/* What failed when it was configured before is tried again. */
static void forget_past(tn_managed *k)
{
    k->looked = k->stuck = false;
    k->seen = (tn_error){0};
    for (int j = 0; j < k->n; j++) k->v[j]->stamp = 0;
}

/* is_new[i]: model i of the set was not configured before. */
static void put_in_place(tn_manager *m, tn_config_set *set, tn_planned_log *logs, bool *is_new)
{
    for (int i = 0; i < set->configs.n; i++) {
        tn_managed *k = tn_managed_find(m, set->configs.v[i].name);
        is_new[i] = !k->config;
        if (k->config && k->stuck) k->stuck = tn_same_place(k->config, &set->configs.v[i]);
    }
    for (int i = 0; i < m->n_models; i++) m->models[i]->config = NULL;
    for (int i = 0; i < set->configs.n; i++) {
        tn_managed *k = tn_managed_find(m, set->configs.v[i].name);
        k->config = &set->configs.v[i];
        if (is_new[i]) forget_past(k);
        tn_logs_apply(m, k, &logs[i]);
    }
    for (int i = 0; i < m->n_models; i++) {
        tn_managed *k = m->models[i];
        if (k->config) continue;
        tn_logs_retire(m, k);
        for (int j = 0; j < k->n; j++) k->v[j]->aspired = false;
    }
}

static tn_code install(tn_manager *m, tn_config_set *set, tn_planned_log *logs, bool *is_new, int64_t *generation,
                       tn_error *err)
{
    for (int i = 0; i < set->configs.n; i++) TN_TRY(add_model(m, set->configs.v[i].name, err));
    put_in_place(m, set, logs, is_new);
    tn_config_set_unref(m->set);
    m->set = tn_config_set_ref(set);
    *generation = ++m->generation;
    m->stale = true;
    pthread_cond_broadcast(&m->settled);
    tn_manager_kick(m);
    return TN_OK;
}

/* ==== waiting ==== */

typedef enum outcome { WAITING, IS_AVAILABLE, HAS_FAILED } outcome;

static outcome outcome_of(const tn_manager *m, const tn_managed *k, const tn_tracked **failed)
{
    int wanted = 0, ended = 0;
    *failed = NULL;
    for (int i = 0; i < k->n; i++) {
        const tn_tracked *v = k->v[i];
        if (v->state == TN_STATE_AVAILABLE) return IS_AVAILABLE;
        wanted += v->aspired;
        ended += v->aspired && v->state == TN_STATE_END;
        if (v->aspired && v->state == TN_STATE_END && !*failed) *failed = v;
    }
    if (wanted) return wanted == ended ? HAS_FAILED : WAITING;
    bool once = m->options.file_system_poll_wait_seconds == 0;
    return k->looked && once ? HAS_FAILED : WAITING;
}

static void add_failure(tn_buf *b, const tn_managed *k, const tn_tracked *v)
{
    if (v) tn_buf_printf(b, "{{name: %s version: %lld} due to error: %s: %s}, ", k->name, (long long)v->number,
                         tn_code_name(v->error.code), v->error.message);
    else tn_buf_printf(b, "{{name: %s} due to error: %s}, ", k->name, k->seen.message);
}

static int count_waiting(tn_manager *m, const tn_config_set *set, const bool *is_new, int *n_failed, tn_buf *text)
{
    int waiting = 0;
    *n_failed = 0;
    for (int i = 0; i < set->configs.n; i++) {
        const tn_tracked *v;
        const tn_managed *k = is_new[i] ? tn_managed_find(m, set->configs.v[i].name) : NULL;
        outcome o = k ? outcome_of(m, k, &v) : IS_AVAILABLE;
        waiting += o == WAITING;
        if (o != HAS_FAILED) continue;
        ++*n_failed;
        if (text) add_failure(text, k, v);
    }
    return waiting;
}

/* Until something has settled; with patience, not for longer than a little while: nobody wakes us when it ends. */
static tn_code wait_a_little(tn_manager *m, const tn_patience *p, tn_error *err)
{
    enum { LITTLE_US = 50000 };
    struct timespec until;
    if (!p) {
        pthread_cond_wait(&m->settled, &m->lock);
        return TN_OK;
    }
    int64_t now = tn_now_us(), left = p->deadline ? p->deadline - now : LITTLE_US;
    if (p->cancel && atomic_load(p->cancel)) return tn_fail(err, TN_CANCELLED, "waiting for models was cancelled");
    if (left <= 0)
        return tn_fail(err, TN_DEADLINE_EXCEEDED, "not all models became available in time; they are still waited for");
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + TN_MIN(left, LITTLE_US) * 1000;
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&m->settled, &m->lock, &until);
    return TN_OK;
}

static tn_code wait_for_models(tn_manager *m, const tn_placed *p, const tn_patience *patience, tn_error *err)
{
    int failed;
    while (count_waiting(m, p->set, p->is_new, &failed, NULL) || m->stale) {
        if (m->generation != p->generation)
            return tn_fail(err, TN_ABORTED, "another configuration has taken the place of this one");
        if (atomic_load(&m->ends))
            return tn_fail(err, TN_CANCELLED, "waiting for models was cancelled");
        TN_TRY(wait_a_little(m, patience, err));
    }
    if (!failed) return TN_OK;
    tn_buf text = {0};
    count_waiting(m, p->set, p->is_new, &failed, &text);
    tn_fail(err, TN_UNKNOWN, "%d %s(s) did not become available: {%s}", failed,
            p->generation == 1 ? "servable" : "model", text.n ? text.data : "");
    tn_buf_free(&text);
    return TN_UNKNOWN;
}

/* ==== both ==== */

static tn_code check_and_install(tn_manager *m, tn_config_set *set, bool *is_new, int64_t *generation, tn_error *err)
{
    tn_planned_log *logs = NULL;
    pthread_mutex_lock(&m->lock);
    tn_code code = check(m, &set->configs, err);
    pthread_mutex_unlock(&m->lock);
    if (code == TN_OK) code = tn_logs_plan(m, &set->configs, &logs, err);
    if (code != TN_OK) return code;
    pthread_mutex_lock(&m->lock);
    code = install(m, set, logs, is_new, generation, err);
    pthread_mutex_unlock(&m->lock);
    tn_logs_unplan(logs, set->configs.n);
    return code;
}

static tn_code place(tn_manager *m, tn_placed *p, tn_error *err)
{
    pthread_mutex_lock(&m->set_lock);
    tn_code code = check_and_install(m, p->set, p->is_new, &p->generation, err);
    pthread_mutex_unlock(&m->set_lock);
    if (code != TN_OK) return code;
    if (m->options.file_system_poll_wait_seconds >= 0) tn_manager_look(m, NULL);
    else memset(p->is_new, 0, (size_t)p->set->configs.n * sizeof *p->is_new); /* there is nothing to be waited for */
    return TN_OK;
}

tn_code tn_manager_place_models(tn_manager *m, const tn_model_configs *c, tn_placed *out, tn_error *err)
{
    TN_TRY(tn_model_configs_check(c, err));
    tn_placed p = {.set = tn_calloc(1, sizeof *p.set), .is_new = tn_calloc((size_t)c->n + 1, sizeof *p.is_new)};
    tn_code code = p.set && p.is_new ? tn_model_configs_copy(c, &p.set->configs, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_free(p.set);
        tn_free(p.is_new);
        return code;
    }
    atomic_init(&p.set->refs, 1);
    code = place(m, &p, err);
    if (code != TN_OK) tn_placed_drop(&p);
    else *out = p;
    return code;
}

void tn_placed_drop(tn_placed *p)
{
    tn_config_set_unref(p->set);
    tn_free(p->is_new);
    *p = (tn_placed){0};
}

void tn_placed_want_all(const tn_manager *m, tn_placed *p)
{
    if (m->options.file_system_poll_wait_seconds < 0) return;
    for (int i = 0; i < p->set->configs.n; i++) p->is_new[i] = true;
}

tn_code tn_manager_await(tn_manager *m, tn_placed *p, const tn_patience *patience, tn_error *err)
{
    pthread_mutex_lock(&m->lock);
    tn_code code = wait_for_models(m, p, patience, err);
    pthread_mutex_unlock(&m->lock);
    tn_placed_drop(p);
    return code;
}

tn_code tn_manager_set_models(tn_manager *m, const tn_model_configs *c, tn_error *err)
{
    tn_placed p;
    TN_TRY(tn_manager_place_models(m, c, &p, err));
    return tn_manager_await(m, &p, NULL, err);
}
