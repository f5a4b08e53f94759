/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_look.c - looks at the folders of the configured models, regularly or when asked, and notes which versions are
 * wanted and whether files of those that failed have changed since.
 *
 * Each look is a runner's: one that does not come back holds up no other model. Its model is `stuck` and passed over
 * until it does, whatever was configured meanwhile.
 *
 * Invariant: a look that failed changes nothing but what is said about it.
 */
#include "models.h"

#include <time.h>

/* ==== what was seen becomes what is wanted ==== */

/* Each warning once, until it is another one. */
static void say(tn_manager *m, tn_managed *k, tn_code code, const char *text)
{
    bool same = k->seen.code == code && strcmp(k->seen.message, text) == 0;
    if (same) return;
    tn_fail(&k->seen, code, "%s", text);
    if (code != TN_OK)
        tn_logf(m->options.log, TN_ERROR, "FileSystemStoragePathSource encountered a filesystem access error: %s",
                text);
    else if (*text) tn_logf(m->options.log, TN_WARNING, "%s", text);
}

void tn_version_begin(tn_manager *m, tn_tracked *v)
{
    v->unsettled = false;
    v->attempts = 0;
    v->retry_at = 0;
    if (v->state == TN_STATE_END) {
        v->error = (tn_error){0};
        tn_version_set(m, v, TN_STATE_START);
    }
}

/* Files of a version that failed: others than then, the same as then, or what it failed by is not known. */
static void note_found(tn_manager *m, tn_tracked *v, const tn_found *f)
{
    bool changed = f->stamp != v->stamp;
    v->aspired = true;
    if (v->busy) return;
    if (v->state == TN_STATE_END && (changed || v->error.code == TN_OK)) tn_version_begin(m, v);
    else if (v->unsettled && changed) tn_version_begin(m, v);
    else if (v->unsettled) tn_version_settle(m, v);
    else if (tn_version_is_loading(v) && v->attempts && changed) tn_version_begin(m, v);
}

static bool take_path(tn_tracked *v, const char *path)
{
    if (strcmp(v->path, path) == 0) return true;
    char *copy = tn_strdup(path);
    if (!copy) return false;
    tn_free(v->path);
    v->path = copy;
    return true;
}

/* All that takes memory comes before what is wanted changes. */
static tn_code add_versions(tn_manager *m, tn_managed *k, const tn_look *l, tn_error *err)
{
    for (int i = 0; i < l->n; i++) {
        tn_tracked *v = tn_version_find(k, l->v[i].version);
        bool is_new = !v;
        if (is_new && !(v = tn_version_add(k, &l->v[i]))) return tn_no_memory(err, sizeof *v);
        if (is_new) tn_version_set(m, v, TN_STATE_START);
        if (!v->busy && !take_path(v, l->v[i].path)) return tn_no_memory(err, 0);
    }
    return TN_OK;
}

static tn_code note(tn_manager *m, tn_managed *k, const tn_look *l, tn_error *err)
{
    TN_TRY(add_versions(m, k, l, err));
    for (int i = 0; i < k->n; i++) k->v[i]->aspired = false;
    for (int i = 0; i < l->n; i++) note_found(m, tn_version_find(k, l->v[i].version), &l->v[i]);
    k->looked = true;
    return TN_OK;
}

/* ==== looking ==== */

static tn_config_set *present_set(tn_manager *m)
{
    pthread_mutex_lock(&m->lock);
    tn_config_set *set = m->set ? tn_config_set_ref(m->set) : NULL;
    pthread_mutex_unlock(&m->lock);
    return set;
}

static tn_code note_look(tn_manager *m, const tn_config_set *set, const tn_model_config *c, tn_code code,
                         const tn_look *l, tn_error *err)
{
    pthread_mutex_lock(&m->lock);
    tn_managed *k = m->set == set && !m->stop ? tn_managed_find(m, c->name) : NULL;
    if (k && code != TN_OK) say(m, k, code, err->message);
    if (k && code == TN_OK) {
        if ((code = note(m, k, l, err)) == TN_OK) say(m, k, TN_OK, l->warning ? l->warning : "");
    }
    if (k) {
        pthread_cond_broadcast(&m->settled);
        tn_manager_kick(m);
    }
    pthread_mutex_unlock(&m->lock);
    return code;
}

typedef struct errand { /* one look; of whom waits for it, and of the thread that looks */
    atomic_int refs;
    tn_manager *m;
    tn_config_set *set;
    const tn_model_config *c;
    tn_code code;
    tn_error err;
    bool back, late; /* with the manager's lock: it has come back; nobody waited any more */
} errand;

static void drop_errand(errand *e)
{
    if (atomic_fetch_sub(&e->refs, 1) != 1) return;
    tn_config_set_unref(e->set);
    tn_manager_unref(e->m);
    tn_free(e);
}

bool tn_same_place(const tn_model_config *a, const tn_model_config *b)
{
    const char *x = a->base_path ? a->base_path : "", *y = b->base_path ? b->base_path : "";
    return strcmp(x, y) == 0 && !a->meta_graph == !b->meta_graph;
}

/* The model, if it still is where this look is. With the lock held. */
static tn_managed *looked_at(const errand *e)
{
    tn_managed *k = tn_managed_find(e->m, e->c->name);
    return k && k->config && tn_same_place(k->config, e->c) ? k : NULL;
}

static void come_back(errand *e)
{
    tn_manager *m = e->m;
    pthread_mutex_lock(&m->lock);
    e->back = true;
    tn_managed *k = e->late ? looked_at(e) : NULL;
    if (k) k->stuck = false;
    if (e->late) m->n_stuck--;
    pthread_mutex_unlock(&m->lock);
}

static void look_at(void *payload)
{
    errand *e = payload;
    tn_manager *m = e->m;
    tn_look l = {0};
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? m->options.look_at(e->c, a, &l, &e->err) : tn_no_memory(&e->err, 0);
    e->code = note_look(m, e->set, e->c, code, &l, &e->err);
    tn_arena_free(a);
    come_back(e);
    drop_errand(e);
}

static errand *new_errand(tn_manager *m, tn_config_set *set, const tn_model_config *c)
{
    errand *e = tn_calloc(1, sizeof *e);
    if (!e) return NULL;
    atomic_init(&e->refs, 2);
    e->m = tn_manager_ref(m);
    e->set = tn_config_set_ref(set);
    e->c = c;
    return e;
}

static tn_code does_not_answer(const tn_model_config *c, tn_error *err)
{
    const char *path = c->meta_graph ? c->meta_graph : c->base_path;
    return tn_fail(err, TN_UNAVAILABLE, "The file system of %s, of servable %s, does not answer", path, c->name);
}

/* The looker goes its own way. */
static tn_code leave_behind(errand *e, tn_error *err)
{
    tn_manager *m = e->m;
    m->looker = NULL;
    pthread_mutex_lock(&m->lock);
    tn_managed *k = looked_at(e);
    bool late = e->late = !e->back;
    if (k && late) k->stuck = true;
    m->n_stuck += late;
    pthread_mutex_unlock(&m->lock);
    if (!late) return TN_OK; /* it came at the last moment, and is noted */
    tn_code code = does_not_answer(e->c, err);
    return note_look(m, e->set, e->c, code, NULL, err);
}

enum { MOST_STUCK = 1000 };
static const double least_seconds = 0.05;

static bool is_stuck(tn_manager *m, const tn_model_config *c)
{
    pthread_mutex_lock(&m->lock);
    const tn_managed *k = tn_managed_find(m, c->name);
    bool stuck = (k && k->stuck) || m->n_stuck >= MOST_STUCK;
    pthread_mutex_unlock(&m->lock);
    return stuck;
}

/* Less for each that has not come back: a mount may have many models. */
static double patience(tn_manager *m)
{
    pthread_mutex_lock(&m->lock);
    double seconds = m->options.look_seconds / (1 + m->n_stuck);
    pthread_mutex_unlock(&m->lock);
    return TN_MAX(seconds, least_seconds);
}

static tn_code have_looked_at(tn_manager *m, tn_config_set *set, const tn_model_config *c, tn_error *err)
{
    if (atomic_load(&m->ends)) return tn_fail(err, TN_CANCELLED, "the server ends");
    if (is_stuck(m, c)) return does_not_answer(c, err);
    if (!m->looker) TN_TRY(tn_runner_new(&m->looker, err));
    errand *e = new_errand(m, set, c);
    if (!e) return tn_no_memory(err, sizeof *e);
    bool back = tn_runner_do(m->looker, look_at, e, patience(m), &m->ends);
    tn_code code = back ? e->code : leave_behind(e, err);
    if (back && code != TN_OK && err) *err = e->err;
    drop_errand(e);
    return code;
}

tn_code tn_manager_look(tn_manager *m, tn_error *err)
{
    tn_error first = {0};
    pthread_mutex_lock(&m->look_lock);
    tn_config_set *set = present_set(m);
    for (int i = 0; set && i < set->configs.n; i++) {
        tn_error why;
        tn_code code = have_looked_at(m, set, &set->configs.v[i], &why);
        if (code != TN_OK && first.code == TN_OK) first = why;
    }
    tn_config_set_unref(set);
    pthread_mutex_unlock(&m->look_lock);
    return first.code == TN_OK ? TN_OK : tn_fail(err, first.code, "%s", first.message);
}

tn_code tn_manager_poll_now(tn_manager *m, tn_error *err)
{
    return tn_manager_look(m, err);
}

/* ==== the thread ==== */

static void wait_for(tn_manager *m, double seconds)
{
    int64_t until = tn_now_us() + (int64_t)(TN_MIN(seconds, 1e9) * 1e6);
    struct timespec t = {.tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000};
    while (!m->stop && tn_now_us() < until) pthread_cond_timedwait(&m->look, &m->lock, &t);
}

void *tn_look_thread(void *p)
{
    tn_manager *m = p;
    pthread_mutex_lock(&m->lock);
    for (;;) {
        wait_for(m, m->options.file_system_poll_wait_seconds);
        if (m->stop) break;
        pthread_mutex_unlock(&m->lock);
        tn_manager_look(m, NULL);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}
