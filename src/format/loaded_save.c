/* SPDX-License-Identifier: Apache-2.0
 *
 * loaded_save.c - a model that was opened, and perhaps trained on, saved so that TensorFlow goes on with it:
 * by the Saver of a MetaGraph (index, data, meta, the state file), or, where its checkpoint is one of objects
 * (TensorFlow 2), under the keys and with the object graph that it had.
 */
#include "loaded.h"
#include "objects.h"

#include "../plan/session.h"

/* ==== a checkpoint of objects ==== */

typedef struct rewriting {
    tn_loaded *m;
    tn_checkpoint *from;
    tn_bundle_writer *to;
    tn_arena *arena;
    tn_map *written; /* keys */
} rewriting;

static tn_code add_variable(rewriting *r, const tn_saved_variable *v, tn_error *err)
{
    const tn_bundle_entry *e;
    tn_tensor *t;
    TN_TRY(tn_checkpoint_find(r->from, v->key, v->restored ? v->key : v->name, &e, err));
    const char *key = e ? e->name : v->key;
    if (tn_map_has(r->written, key)) return TN_OK; /* another handle of the same */
    tn_code code = tn_session_get(r->m->session, v->name, &t, err);
    if (code == TN_NOT_FOUND)
        return tn_fail(err, TN_FAILED_PRECONDITION, "variable '%s' has no value to be saved", v->name);
    if (code != TN_OK) return code;
    code = tn_bundle_add(r->to, key, t, err);
    tn_tensor_unref(t);
    if (code == TN_OK && !tn_map_put(r->written, key, r)) code = tn_no_memory(err, strlen(key));
    return code;
}

/* The object graph, and what belongs to objects that are no variables of this graph, as it was. */
static tn_code add_others(rewriting *r, tn_error *err)
{
    tn_bundle *b = tn_checkpoint_bundle(r->from);
    for (int i = 0; i < tn_bundle_count(b); i++) {
        const char *name = tn_bundle_at(b, i)->name;
        tn_tensor *t;
        if (tn_map_has(r->written, name)) continue;
        TN_TRY(tn_bundle_read(b, name, &t, err));
        tn_code code = tn_bundle_add(r->to, name, t, err);
        tn_tensor_unref(t);
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

static tn_code add_all(rewriting *r, tn_error *err)
{
    tn_saved_variable *v;
    int n;
    tn_export e = {.graph = r->m->graph};
    TN_TRY(tn_export_variables(&e, r->arena, &v, &n, err));
    for (int i = 0; i < n; i++) TN_TRY(add_variable(r, &v[i], err));
    TN_TRY(tn_saved_tables_add(r->to, r->m->graph, r->m->session, r->written, r->arena, err));
    return add_others(r, err);
}

static tn_code rewrite(tn_loaded *m, tn_checkpoint *from, tn_bundle_writer *to, tn_error *err)
{
    rewriting r = {.m = m, .from = from, .to = to, .arena = tn_arena_new(0), .written = tn_map_new()};
    tn_code code = r.arena && r.written ? add_all(&r, err) : tn_no_memory(err, 0);
    tn_map_free(r.written);
    tn_arena_free(r.arena);
    return code;
}

/* The checkpoint that the model came with, when it is one of objects; else *out is NULL. */
static tn_code open_objects(const tn_loaded *m, tn_checkpoint **out, tn_error *err)
{
    *out = NULL;
    if (!m->checkpoint) return TN_OK;
    TN_TRY(tn_checkpoint_open(m->checkpoint, out, err));
    if (tn_bundle_find(tn_checkpoint_bundle(*out), TN_OBJECT_GRAPH)) return TN_OK;
    tn_checkpoint_close(*out);
    *out = NULL;
    return TN_OK;
}

/* ==== all of it ==== */

static tn_code save(tn_loaded *m, tn_saver *saver, tn_checkpoint *objects, tn_error *err)
{
    tn_bundle_writer *w;
    tn_export e = {.graph = m->graph};
    if (m->meta) {
        e.base = m->meta->def;
        e.signatures = m->meta->signatures;
        e.n_signatures = m->meta->n_signatures;
        e.assets = m->meta->assets;
        e.n_assets = m->meta->n_assets;
    }
    TN_TRY(tn_saver_begin(saver, -1, &w, NULL, err));
    tn_code code = objects ? rewrite(m, objects, w, err) : tn_checkpoint_add(w, &e, m->session, err);
    if (code != TN_OK) {
        tn_bundle_abandon(w);
        return code;
    }
    return tn_saver_finish(saver, w, &e, err);
}

/* A graph whose own Saver is of the first version restores itself from what that wrote. */
static bool saves_v1(const tn_loaded *m)
{
    const tn_SaverDef *d = m->meta && !m->saved_model ? m->meta->def->saver_def : NULL;
    return d && d->version != TN_CheckpointFormatVersion_V2 && d->restore_op_name.n;
}

tn_code tn_loaded_save(tn_loaded *m, const char *prefix, tn_error *err)
{
    tn_saver *saver = NULL;
    tn_checkpoint *objects;
    tn_saver_options o = {.max_to_keep = 0};
    TN_TRY(open_objects(m, &objects, err));
    o.no_meta = objects && m->saved_model;
    o.v1 = !objects && saves_v1(m);
    tn_code code = tn_saver_new(prefix, &o, &saver, err);
    tn_session_begin_reading(m->session); /* .meta has the graph's constants */
    if (code == TN_OK) code = save(m, saver, objects, err);
    tn_session_end_reading(m->session);
    tn_saver_free(saver);
    tn_checkpoint_close(objects);
    return code;
}
