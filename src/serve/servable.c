/* SPDX-License-Identifier: Apache-2.0
 *
 * servable.c - one version of one model: its files checked, loaded, every signature prepared, warm; counted.
 *
 * When to load and to unload is the manager's; requests are asking.c's.
 *
 * Invariants: what is handed out has all its tensors checked and its signatures prepared (or says why one is not) and
 * needs none of its files any more; nothing of it changes after that but counters.
 */
#include "models.h"

tn_servable *tn_servable_ref(tn_servable *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void tn_servable_unref(tn_servable *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    if (s->unload) s->unload(s);
    else tn_servable_free(s);
}

void tn_servable_free(tn_servable *s)
{
    if (!s) return;
    tn_batcher_free(s->batcher);
    tn_askers_free(s->askers);
    tn_loaded_free(s->loaded);
    tn_arena_free(s->arena);
    tn_free(s);
}

/* ==== signatures ==== */

/* A signature that cannot be asked does not keep the others from it; nor does one with values that can never be named
 * keep the model from being served, as in TensorFlow Serving. */
static tn_code prepare_all(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    tn_error why, first = {.code = TN_OK};
    TN_TRY(tn_askers_new(s->loaded, &s->askers, err));
    int n = tn_askers_count(s->askers), bad = 0;
    for (int i = 0; i < n; i++) {
        const tn_asker *a = tn_askers_at(s->askers, i);
        tn_code code = tn_asker_prepare(a, &why);
        if (code == TN_OK) continue;
        if (code == TN_RESOURCE_EXHAUSTED) return tn_fail(err, code, "%s", why.message);
        const char *key = tn_asker_nameless(a);
        if (key) tn_fail(&why, code, "'%s' is a sparse or composite tensor", key);
        tn_logf(o->log, TN_WARNING, "signature %s of {name: %s version: %lld} cannot be asked: %s", a->signature->name,
                s->model, (long long)s->version, why.message);
        if (!key && !bad++) tn_fail(&first, code, "signature %s: %s", a->signature->name, why.message);
    }
    return bad < n || !n ? TN_OK : tn_fail(err, first.code, "%s", first.message);
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
    if (o->meta_graph) TN_TRY(tn_load_meta_signatures(o->meta_graph, o->checkpoint, &session, &s->loaded, err));
    else TN_TRY(tn_load_signatures(o->path, o->tags, o->n_tags, &session, &s->loaded, err));
    if (tn_loaded_signatures(s->loaded)) return TN_OK;
    if (o->signature_outputs)
        return tn_loaded_sign(s->loaded, o->signature_inputs ? o->signature_inputs : "", o->signature_outputs, err);
    if (o->meta_graph)
        return tn_fail(err, TN_FAILED_PRECONDITION, "%s has no signature_def: it cannot be asked anything by name "
                       "(--signature_inputs and --signature_outputs say what is to be asked)", o->meta_graph);
    tn_logf(o->log, TN_WARNING, "%s has no signature_def: it cannot be asked anything", o->path);
    return TN_OK; /* as TensorFlow Serving: each question says so */
}

static tn_code check_files(const tn_servable_options *o, tn_error *err)
{
    if (!o->meta_graph) return tn_savedmodel_check(o->path, o->cancel, err);
    return o->checkpoint ? tn_bundle_check(o->checkpoint, o->cancel, err) : TN_OK;
}

/* batching_params.pbtxt; the threads stay the server's. */
static tn_code own_batching(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    tn_buf text = {0};
    tn_batching *b = TN_NEW(s->arena, tn_batching);
    char *path = o->meta_graph ? NULL : tn_path_join(s->arena, s->path, "batching_params.pbtxt");
    if (!b || (!path && !o->meta_graph)) return tn_no_memory(err, sizeof *b);
    if (!path || !tn_file_exists(path)) return TN_OK;
    TN_TRY(tn_file_read(path, (size_t)1 << 20, &text, err));
    tn_code code = tn_batching_parse((tn_view){text.data, text.n}, path, s->arena, b, err);
    tn_buf_free(&text);
    b->num_batch_threads = o->batching->num_batch_threads;
    b->threads = o->batching->threads;
    b->latency_target_ms = o->batching->latency_target_ms;
    b->thread_pool_name = o->batching->thread_pool_name;
    if (code == TN_OK) s->batching = b;
    return code;
}

static tn_code start_batching(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    if (!o->batching) return TN_OK;
    if (o->per_model_batching) TN_TRY(own_batching(s, o, err));
    else s->batching = o->batching;
    return s->batching ? tn_batcher_new(s->batching, o->metrics, &s->batcher, err) : TN_OK;
}

static tn_code tell_metadata(const tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    if (!o->metrics || o->meta_graph) return TN_OK;
    const char *path = tn_path_join(s->arena, s->path, "assets.extra/mlmd_uuid");
    if (!path) return tn_no_memory(err, 0);
    if (tn_file_exists(path)) tn_metrics_ml_metadata(o->metrics, s->model, s->version);
    return TN_OK;
}

static tn_code fill(tn_servable *s, const tn_servable_options *o, tn_error *err)
{
    s->model = tn_arena_strdup(s->arena, o->model);
    s->path = tn_arena_strdup(s->arena, o->meta_graph ? o->meta_graph : o->path);
    s->version = o->version;
    s->team = o->team;
    if (!s->model || !s->path) return tn_no_memory(err, 0);
    TN_TRY(check_files(o, err));
    TN_TRY(may_go_on(o, err));
    TN_TRY(load_model(s, o, err));
    TN_TRY(may_go_on(o, err));
    TN_TRY(prepare_all(s, o, err));
    TN_TRY(tn_loaded_check(s->loaded, err));
    tn_session_own_constants(tn_loaded_session(s->loaded));
    TN_TRY(tn_session_forget_unused(tn_loaded_session(s->loaded), err)); /* optimizers' slots, copies for training */
    TN_TRY(tn_session_forget_functions(tn_loaded_session(s->loaded), err)); /* which save and restored */
    TN_TRY(start_batching(s, o, err));
    s->bytes = bytes_of_variables(s);
    TN_TRY(tell_metadata(s, o, err));
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
    bool before = tn_file_copies_enter(true); /* whatever becomes of the files, the model stays as it was */
    tn_code code = fill(s, o, err);
    tn_file_copies_enter(before);
    if (code == TN_OK) *out = s;
    else tn_servable_free(s);
    return code;
}
