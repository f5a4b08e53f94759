/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_routes.c - which servable a request means: a table of the AVAILABLE versions and of the labels, made anew at
 * every change and exchanged in a moment.
 *
 * Invariants: a table is never changed once requests see it; it holds a reference on every servable in it, so that what
 * is found there can be kept.
 */
#include "models.h"

/* ==== making ==== */

static bool add_servables(tn_route *r, const tn_managed *k, tn_arena *a)
{
    r->v = TN_ARRAY(a, k->n + 1, tn_servable *);
    for (int i = 0; r->v && i < k->n; i++)
        if (k->v[i]->state == TN_STATE_AVAILABLE) r->v[r->n++] = tn_servable_ref(k->v[i]->servable);
    return r->v != NULL;
}

static bool add_route(tn_routes *t, const tn_managed *k)
{
    tn_route *r = TN_NEW(t->arena, tn_route);
    if (!r || !tn_map_put(t->models, k->name, r)) return false;
    if (k->config) {
        r->labels = k->config->labels;
        r->n_labels = k->config->n_labels;
    }
    return add_servables(r, k, t->arena);
}

tn_code tn_routes_renew(tn_manager *m, tn_routes **old, tn_error *err)
{
    tn_routes *t = tn_calloc(1, sizeof *t);
    bool ok = t && (t->arena = tn_arena_new(0)) && (t->models = tn_map_new());
    if (ok && m->set) t->set = tn_config_set_ref(m->set);
    for (int i = 0; ok && i < m->n_models; i++) ok = add_route(t, m->models[i]);
    if (!ok) {
        tn_routes_free(t);
        return tn_no_memory(err, sizeof *t);
    }
    pthread_mutex_lock(&m->routes_lock);
    *old = m->routes;
    m->routes = t;
    pthread_mutex_unlock(&m->routes_lock);
    return TN_OK;
}

void tn_routes_free(tn_routes *t)
{
    if (!t) return;
    for (size_t i = 0; t->models && i < tn_map_count(t->models); i++) {
        tn_route *r = tn_map_value(t->models, i);
        for (int k = 0; k < r->n; k++) tn_servable_unref(r->v[k]);
    }
    tn_map_free(t->models);
    tn_config_set_unref(t->set);
    tn_arena_free(t->arena);
    tn_free(t);
}

/* ==== finding ==== */

static bool find_label(const tn_route *r, tn_view label, int64_t *version)
{
    for (int i = 0; r && i < r->n_labels; i++) {
        if (!tn_view_is(label, r->labels[i].label)) continue;
        *version = r->labels[i].version;
        return true;
    }
    return false;
}

static tn_servable *find_version(const tn_route *r, int64_t version)
{
    for (int i = 0; r && i < r->n; i++)
        if (r->v[i]->version == version) return r->v[i];
    return NULL;
}

typedef enum choice { LATEST, SPECIFIC, NO_SUCH_LABEL } choice;

/* *version: what a specific request means. */
static choice choose(const tn_route *r, const tn_ModelSpec *spec, int64_t *version, tn_servable **out)
{
    *out = NULL;
    if (spec->version_choice_case == TN_ModelSpec_version_label) {
        if (!find_label(r, spec->version_label, version)) return NO_SUCH_LABEL;
    } else if (spec->version_choice_case == TN_ModelSpec_version && spec->version) {
        *version = spec->version->value;
    } else {
        *out = r && r->n ? r->v[0] : NULL;
        return LATEST;
    }
    *out = find_version(r, *version);
    return SPECIFIC;
}

tn_code tn_manager_get(tn_manager *m, const tn_ModelSpec *spec, tn_servable **out, tn_error *err)
{
    int64_t version = 0;
    tn_servable *s;
    if (!spec->name.n) return tn_fail(err, TN_INVALID_ARGUMENT, "ModelSpec has no name specified.");
    pthread_mutex_lock(&m->routes_lock);
    const tn_route *r = m->routes ? tn_map_get_view(m->routes->models, spec->name) : NULL;
    choice c = choose(r, spec, &version, &s);
    if (s) tn_servable_ref(s);
    pthread_mutex_unlock(&m->routes_lock);
    if (s) {
        atomic_fetch_add_explicit(&s->asked, 1, memory_order_relaxed);
        if (atomic_load_explicit(&m->rests, memory_order_relaxed)) tn_manager_wakes(m);
        *out = s;
        return TN_OK;
    }
    int n = (int)TN_MIN(spec->name.n, 1100);
    if (c == NO_SUCH_LABEL)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unrecognized servable version label: %.*s",
                       (int)TN_MIN(spec->version_label.n, 1100), spec->version_label.n ? spec->version_label.p : "");
    if (c == LATEST) return tn_fail(err, TN_NOT_FOUND, "Servable not found for request: Latest(%.*s)", n, spec->name.p);
    return tn_fail(err, TN_NOT_FOUND, "Servable not found for request: Specific(%.*s, %lld)", n, spec->name.p,
                   (long long)version);
}
