/* SPDX-License-Identifier: Apache-2.0
 *
 * api_reload.c - HandleReloadConfigRequest: another set of models; waits until they are there.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "serve.h"

static int64_t *values_of(tn_turn *t, const tn_view_list *names, tn_error *err)
{
    int64_t *v = TN_ARRAY(t->arena, names->n + 1, int64_t);
    for (uint32_t i = 0; v && i < names->n; i++) {
        const char *name = tn_arena_strndup(t->arena, names->items[i].p, names->items[i].n);
        if (!name) return NULL;
        if (t->service->metrics) v[i] = tn_metrics_value(t->service->metrics, name);
    }
    if (!v) tn_no_memory(err, names->n * sizeof *v);
    return v;
}

static tn_code add_increases(tn_turn *t, const tn_view_list *names, const int64_t *before,
                             tn_ReloadConfigResponse *out, tn_error *err)
{
    const int64_t *now = values_of(t, names, err);
    if (!now) return TN_RESOURCE_EXHAUSTED;
    for (uint32_t i = 0; i < names->n; i++) {
        tn_Metric *m = TN_PUSH(t->arena, &out->metric);
        if (!m) return tn_no_memory(err, sizeof *m);
        m->name = names->items[i];
        TN_SET(m, Metric, value_increase, int64_value_increase) = now[i] - before[i];
    }
    return TN_OK;
}

tn_code tn_reload_request(tn_turn *t, const tn_ReloadConfigRequest *in, tn_ReloadConfigResponse **out, tn_error *err)
{
    tn_service *s = t->service;
    t->facts.api = TN_API_RELOAD;
    TN_TRY(tn_turn_permit(t, (tn_view){NULL, 0}, err));
    if (!in->config || in->config->config_case != TN_ModelServerConfig_model_config_list)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is "
                       "currently supported");
    if (!s->reload) return tn_fail(err, TN_UNIMPLEMENTED, "this server's models do not change");
    tn_ReloadConfigResponse *r = TN_NEW(t->arena, tn_ReloadConfigResponse);
    if (!r || !(r->status = TN_NEW(t->arena, tn_StatusProto))) return tn_no_memory(err, sizeof *r);
    const int64_t *before = values_of(t, &in->metric_names, err);
    if (!before) return TN_RESOURCE_EXHAUSTED;
    const tn_patience patience = {.deadline = t->deadline, .cancel = t->cancel};
    TN_TRY(s->reload(s->payload, in->config, &patience, err));
    TN_TRY(add_increases(t, &in->metric_names, before, r, err));
    *out = r;
    return TN_OK;
}
