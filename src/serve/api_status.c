/* SPDX-License-Identifier: Apache-2.0
 *
 * api_status.c - GetModelStatus: the states of a model's versions.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "serve.h"

static tn_code add_version(tn_turn *t, const tn_version_status *v, tn_GetModelStatusResponse *out, tn_error *err)
{
    tn_ModelVersionStatus *s = TN_PUSH(t->arena, &out->model_version_status);
    if (!s || !(s->status = TN_NEW(t->arena, tn_StatusProto))) return tn_no_memory(err, sizeof *s);
    s->version = v->version;
    s->state = v->state;
    s->status->error_code = v->code;
    if (v->message) s->status->error_message = tn_view_of(v->message);
    return TN_OK;
}

static tn_code add_versions(tn_turn *t, const tn_model_status *m, const tn_Int64Value *only,
                            tn_GetModelStatusResponse *out, tn_error *err)
{
    for (int i = 0; i < m->n_versions; i++)
        if (!only || m->versions[i].version == only->value) TN_TRY(add_version(t, &m->versions[i], out, err));
    if (out->model_version_status.n) return TN_OK;
    if (only)
        return tn_fail(err, TN_NOT_FOUND, "Could not find version %lld of model %s", (long long)only->value, m->model);
    return tn_fail(err, TN_NOT_FOUND, "Could not find any versions of model %s", m->model);
}

/* A version that no model has is not found by its number, whether there is such a model or not. */
tn_code tn_status_request(tn_turn *t, const tn_GetModelStatusRequest *in, tn_GetModelStatusResponse **out,
                          tn_error *err)
{
    tn_model_status *m;
    int n;
    t->facts.api = TN_API_STATUS;
    const tn_ModelSpec *spec = in->model_spec;
    if (!spec) return tn_fail(err, TN_INVALID_ARGUMENT, "Missing ModelSpec");
    TN_TRY(tn_turn_permit(t, spec->name, err));
    char *name = tn_arena_strndup(t->arena, spec->name.n ? spec->name.p : "", spec->name.n);
    tn_GetModelStatusResponse *r = TN_NEW(t->arena, tn_GetModelStatusResponse);
    if (!name || !r) return tn_no_memory(err, 0);
    t->facts.model = name;
    bool has_version = spec->version_choice_case == TN_ModelSpec_version;
    tn_model_status none = {.model = name};
    tn_code code = tn_manager_status(t->service->manager, name, t->arena, &m, &n, err);
    if (code == TN_NOT_FOUND && has_version) m = &none;
    else if (code != TN_OK) return code;
    TN_TRY(add_versions(t, m, has_version ? spec->version : NULL, r, err));
    *out = r;
    return TN_OK;
}
