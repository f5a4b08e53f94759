/* SPDX-License-Identifier: Apache-2.0
 *
 * servable.c - one version of one model: its files checked, loaded, every signature prepared, warm; counted.
 *
 * When to load and to unload is the manager's; requests are ask.c's.
 *
 * Invariants: what is handed out has all its tensors checked and its signatures prepared (or says why one is not) and
 * needs none of its files any more; nothing of it changes after that but counters.
 */
#include "models.h"

tn_servable *tn_servable_keep(tn_servable *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tn_servable_drop(tn_servable *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    if (s->unload) s->unload(s);
    else tn_servable_free(s);
}

void tn_servable_free(tn_servable *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_askers; i++) tn_prepared_free(s->askers[i].all);
    tn_loaded_free(s->loaded);
    tn_arena_free(s->arena);
    tn_free(s);
}

/* ==== signatures ==== */

static tn_code names_of(const tn_loaded_value *v, int n, tn_arena *a, const char ***out, tn_error *err)
{
    const char **names = TN_ARRAY(a, n + 1, const char *);
    if (!names) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) {
        if (!v[i].name) return tn_fail(err, TN_UNIMPLEMENTED, "'%s' is a sparse or composite tensor", v[i].key);
        names[i] = v[i].name;
    }
    *out = names;
    return TN_OK;
}

static tn_code prepare(tn_servable *s, tn_asker *a, tn_error *err)
{
    const tn_loaded_signature *g = a->signature;
    const char **feeds, **fetches;
    TN_TRY(names_of(g->in, g->n_in, s->arena, &feeds, err));
    TN_TRY(names_of(g->out, g->n_out, s->arena, &fetches, err));
    return tn_prepared_new(tn_loaded_session(s->loaded), feeds, g->n_in, fetches, g->n_out, &a->all, err);
}

/* A signature that cannot be asked does not keep the others from it. */
static tn_code prepare_all(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    int n = tn_loaded_signatures(s->loaded), bad = 0;
    tn_error why;
    s->askers = TN_ARRAY(s->arena, n + 1, tn_asker);
    if (!s->askers) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) {
        tn_asker *a = &s->askers[s->n_askers++];
        a->signature = tn_loaded_signature_at(s->loaded, i);
        if ((a->code = prepare(s, a, &why)) == TN_OK) continue;
        if (a->code == TN_RESOURCE_EXHAUSTED) return tn_fail(err, a->code, "%s", why.message);
        if (!(a->problem = tn_arena_strdup(s->arena, why.message))) return tn_no_memory(err, 0);
        tn_logf(o->log, TN_WARNING, "signature %s of {name: %s version: %lld} cannot be asked: %s", a->signature->name,
                s->model, (long long)s->version, why.message);
        bad++;
    }
    if (bad < n || !n) return TN_OK;
    return tn_fail(err, s->askers[0].code, "signature %s: %s", s->askers[0].signature->name, s->askers[0].problem);
}

/* ==== loading ==== */

static int64_t bytes_of_variables(tn_servable *s)
{
    tn_store *store = tn_session_store(tn_loaded_session(s->loaded));
    int64_t bytes = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < tn_map_count(store->variables); i++) {
        const tn_stored *v = tn_map_value(store->variables, i);
        if (v->value) bytes += (int64_t)tn_tensor_bytes(v->value);
    }
    pthread_mutex_unlock(&store->lock);
    return bytes;
}

static tn_code may_go_on(const tn_servable_options *o, tn_error *err)
{
    if (!o->cancel || !atomic_load_explicit(o->cancel, memory_order_relaxed)) return TN_OK;
    return tn_fail(err, TN_CANCELLED, "loading was cancelled");
}

static tn_code load_model(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    tn_session_options session = o->session;
    if (session.threads <= 0) session.threads = 1;
    if (session.max_bound_shapes <= 0) session.max_bound_shapes = 128;
    if (o->meta_graph) TN_TRY(tn_load_meta_graph(o->meta_graph, o->checkpoint, &session, &s->loaded, err));
    else TN_TRY(tn_load_saved_model(o->path, o->tags, o->n_tags, &session, &s->loaded, err));
    if (tn_loaded_signatures(s->loaded)) return TN_OK;
    return tn_fail(err, TN_FAILED_PRECONDITION, "%s has no signature_def: it cannot be asked anything by name",
                   o->meta_graph ? o->meta_graph : o->path);
}

static tn_code fill(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    s->model = tn_arena_strdup(s->arena, o->model);
    s->path = tn_arena_strdup(s->arena, o->meta_graph ? o->meta_graph : o->path);
    s->version = o->version;
    if (!s->model || !s->path) return tn_no_memory(err, 0);
    TN_TRY(load_model(s, o, err));
    TN_TRY(may_go_on(o, err));
    TN_TRY(prepare_all(s, o, err));
    s->bytes = bytes_of_variables(s);
    return o->warm_up ? tn_warm_up(s, o, err) : TN_OK;
}

tn_code tn_servable_load(const tn_servable_options *o, tn_servable **out, tn_error *err)
{
    tn_servable *s = tn_calloc(1, sizeof *s);
    if (!s || !(s->arena = tn_arena_new(0))) {
        tn_free(s);
        return tn_no_memory(err, sizeof *s);
    }
    atomic_init(&s->refs, 1);
    tn_code code = fill(s, o, err);
    if (code == TN_OK) *out = s;
    else tn_servable_free(s);
    return code;
}
