/* SPDX-License-Identifier: Apache-2.0
 *
 * manager_log.c - request logs of models, as their configurations want them: opened before a new set of models is put
 * in place, so that one that cannot be opened changes nothing; kept while the wish stays the same.
 *
 * Invariant: a log that a servable was ever given stays open until the manager and all its servables are gone.
 */
#include "models.h"

static tn_code key_of(const tn_LoggingConfig *c, tn_buf *key, tn_error *err)
{
    if (!c) return TN_OK;
    tn_buf_char(key, '+'); /* an empty message is a wish, too */
    return TN_ENCODE(LoggingConfig, c, key, err);
}

static bool same_key(const tn_buf *a, const tn_buf *b)
{
    return a->n == b->n && (!a->n || memcmp(a->data, b->data, a->n) == 0);
}

static bool is_there(tn_manager *m, const char *model, const tn_buf *key)
{
    pthread_mutex_lock(&m->lock);
    const tn_managed *k = tn_managed_find(m, model);
    bool same = k && same_key(&k->log_key, key);
    pthread_mutex_unlock(&m->lock);
    return same;
}

static tn_code plan_one(tn_manager *m, const tn_model_config *c, tn_planned_log *p, tn_error *err)
{
    TN_TRY(key_of(c->logging, &p->key, err));
    p->keep = is_there(m, c->name, &p->key);
    return p->keep ? TN_OK : tn_request_log_open(c->logging, c->name, m->options.metrics, &p->log, err);
}

static bool room_for_retired(tn_manager *m, int n)
{
    pthread_mutex_lock(&m->lock);
    size_t most = (size_t)(m->n_retired + m->n_models + n + 1);
    tn_request_log **grown = tn_realloc(m->retired, most * sizeof *grown);
    if (grown) m->retired = grown;
    pthread_mutex_unlock(&m->lock);
    return grown != NULL;
}

tn_code tn_logs_plan(tn_manager *m, const tn_model_configs *c, tn_planned_log **out, tn_error *err)
{
    tn_planned_log *p = tn_calloc((size_t)c->n + 1, sizeof *p);
    tn_code code = p && room_for_retired(m, c->n) ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i < c->n; i++) code = plan_one(m, &c->v[i], &p[i], err);
    if (code == TN_OK) *out = p;
    else tn_logs_unplan(p, c->n);
    return code;
}

void tn_logs_unplan(tn_planned_log *p, int n)
{
    for (int i = 0; p && i < n; i++) {
        tn_request_log_close(p[i].log);
        tn_buf_free(&p[i].key);
    }
    tn_free(p);
}

void tn_logs_retire(tn_manager *m, tn_managed *k)
{
    if (k->log) m->retired[m->n_retired++] = k->log;
    k->log = NULL;
    tn_buf_free(&k->log_key);
}

void tn_logs_apply(tn_manager *m, tn_managed *k, tn_planned_log *p)
{
    if (p->keep) return;
    tn_logs_retire(m, k);
    k->log = p->log;
    k->log_key = p->key;
    p->log = NULL;
    p->key = (tn_buf){0};
    for (int i = 0; i < k->n; i++)
        if (k->v[i]->servable) atomic_store(&k->v[i]->servable->request_log, k->log);
}

void tn_logs_close(tn_manager *m)
{
    for (int i = 0; i < m->n_retired; i++) tn_request_log_close(m->retired[i]);
    for (int i = 0; i < m->n_models; i++) {
        tn_request_log_close(m->models[i]->log);
        tn_buf_free(&m->models[i]->log_key);
    }
    tn_free(m->retired);
}
