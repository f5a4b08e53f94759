/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_status.c - what the manager knows of its models, as a copy for who asks.
 */
#include "models.h"

static tn_code copy_version(const tn_tracked *v, tn_arena *a, tn_version_status *out, tn_error *err)
{
    *out = (tn_version_status){.version = v->number, .state = v->state, .code = v->error.code, .bytes = v->bytes};
    if (v->state != TN_STATE_END && !v->unsettled && !v->attempts) out->code = TN_OK;
    out->message = out->code == TN_OK ? "" : tn_arena_strdup(a, v->error.message);
    return out->message ? TN_OK : tn_no_memory(err, 0);
}

static tn_code copy_labels(const tn_managed *k, tn_arena *a, tn_model_status *out, tn_error *err)
{
    int n = k->config ? k->config->n_labels : 0;
    tn_label *labels = TN_ARRAY(a, n + 1, tn_label);
    if (!labels) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) {
        labels[i] = (tn_label){tn_arena_strdup(a, k->config->labels[i].label), k->config->labels[i].version};
        if (!labels[i].label) return tn_no_memory(err, 0);
    }
    out->labels = labels;
    out->n_labels = n;
    return TN_OK;
}

static tn_code copy_model(const tn_managed *k, tn_arena *a, tn_model_status *out, tn_error *err)
{
    tn_version_status *v = TN_ARRAY(a, k->n + 1, tn_version_status);
    out->model = tn_arena_strdup(a, k->name);
    if (!v || !out->model) return tn_no_memory(err, 0);
    for (int i = 0; i < k->n; i++) TN_TRY(copy_version(k->v[i], a, &v[i], err));
    out->versions = v;
    out->n_versions = k->n;
    return copy_labels(k, a, out, err);
}

/* All that are configured, and others that versions are known of. */
static tn_code copy_all(tn_manager *m, const char *name, tn_arena *a, tn_model_status **out, int *n, tn_error *err)
{
    tn_model_status *v = TN_ARRAY(a, m->n_models + 1, tn_model_status);
    int count = 0;
    if (!v) return tn_no_memory(err, 0);
    for (int i = 0; i < m->n_models; i++) {
        const tn_managed *k = m->models[i];
        if (name ? strcmp(k->name, name) != 0 || !k->n : !k->config && !k->n) continue;
        TN_TRY(copy_model(k, a, &v[count++], err));
    }
    if (name && !count) return tn_fail(err, TN_NOT_FOUND, "Could not find any versions of model %s", name);
    *out = v;
    *n = count;
    return TN_OK;
}

tn_code tn_manager_status(tn_manager *m, const char *name, tn_arena *a, tn_model_status **out, int *n, tn_error *err)
{
    pthread_mutex_lock(&m->lock);
    tn_code code = copy_all(m, name, a, out, n, err);
    pthread_mutex_unlock(&m->lock);
    return code;
}

bool tn_manager_is_ready(tn_manager *m)
{
    pthread_mutex_lock(&m->lock);
    bool ready = m->set != NULL;
    for (int i = 0; i < m->n_models && ready; i++) {
        const tn_managed *k = m->models[i];
        bool available = !k->config;
        for (int j = 0; j < k->n && !available; j++) available = k->v[j]->state == TN_STATE_AVAILABLE;
        ready = available;
    }
    pthread_mutex_unlock(&m->lock);
    return ready;
}
