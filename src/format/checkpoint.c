/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint.c - between a checkpoint and a session: a graph's variables are set from a bundle, or put
 * into one. Which key is whose is variables.c's; tables are saved_tables.c's.
 */
#include "../plan/session.h"
#include "../plan/state.h"
#include "metagraph.h"

/* ---- restoring ---- */

typedef struct restoring {
    tn_checkpoint *from;
    tn_arena *arena;
    bool has_restore;
    bool known; /* only what the session's plans look at */
    int missing;
} restoring;

static tn_code check_fit(const tn_saved_variable *v, const tn_tensor *t, tn_error *err)
{
    char a[200], b[200];
    if (t->dtype != v->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "variable '%s' is a %s, the checkpoint has a %s", v->name,
                       tn_dtype_name(v->dtype), tn_dtype_name(t->dtype));
    if (tn_shape_compatible(&v->shape, &t->shape)) return TN_OK;
    if (v->shape.rank == 0 && !v->is_resource) return TN_OK; /* a VariableV2 of shape [] may be of any */
    return tn_fail(err, TN_INVALID_ARGUMENT, "variable '%s' is of shape %s, in the checkpoint of shape %s",
                   v->name, tn_shape_text(&v->shape, a, sizeof a), tn_shape_text(&t->shape, b, sizeof b));
}

static bool is_known(tn_session *s, const char *name)
{
    tn_tensor *t = NULL;
    bool known = tn_session_get(s, name, &t, NULL) != TN_NOT_FOUND;
    tn_tensor_unref(t);
    return known;
}

/* A variable that may be of several shapes stays so, whichever the checkpoint has. */
static tn_code declare(const tn_saved_variable *v, tn_session *s, tn_error *err)
{
    tn_stored *stored;
    if (!v->is_resource || tn_shape_known(&v->shape)) return TN_OK;
    return tn_store_variable(tn_session_store(s), v->name, v->dtype, &v->shape, &stored, err);
}

static tn_code restore_one(restoring *r, const tn_saved_variable *v, tn_session *s, bool may_lack,
                           tn_error *err)
{
    const tn_bundle_entry *e;
    tn_tensor *t;
    if (r->known && !is_known(s, v->name)) return TN_OK;
    TN_TRY(tn_checkpoint_find(r->from, v->key, v->restored ? v->key : v->name, &e, err));
    if (!e) {
        bool passed_over = v->local || (r->has_restore && !v->restored);
        if (!passed_over) r->missing++;
        if (passed_over || may_lack) return TN_OK;
        return tn_bundle_read(tn_checkpoint_bundle(r->from), v->key, &t, err); /* says what is missing */
    }
    TN_TRY(tn_checkpoint_read(r->from, e, v->has_slice ? &v->slice : NULL, &t, err));
    tn_code code = check_fit(v, t, err);
    if (code == TN_OK) code = declare(v, s, err);
    if (code == TN_OK) return tn_session_take(s, v->name, t, err);
    tn_wrap(err, "checkpoint %s", tn_bundle_prefix(tn_checkpoint_bundle(r->from)));
    tn_tensor_unref(t);
    return code;
}

static tn_code restore_all(restoring *r, const tn_graph *g, const char *restore_op, tn_session *s,
                           bool may_lack, tn_error *err)
{
    tn_saved_variable *v;
    int n;
    TN_TRY(tn_variables_of(g, restore_op, r->arena, &v, &n, &r->has_restore, err));
    for (int i = 0; i < n; i++) TN_TRY(restore_one(r, &v[i], s, may_lack, err));
    return tn_saved_tables_restore(tn_checkpoint_bundle(r->from), g, s, may_lack, r->arena, err);
}

static tn_code restore(const char *prefix, const tn_graph *g, const char *restore_op, tn_session *s, bool known,
                       int *missing, tn_error *err)
{
    restoring r = {.known = known};
    TN_TRY(tn_checkpoint_open(prefix, &r.from, err));
    r.arena = tn_arena_new(0);
    tn_code code = r.arena ? restore_all(&r, g, restore_op, s, missing != NULL, err) : tn_no_memory(err, 0);
    tn_arena_free(r.arena);
    tn_checkpoint_close(r.from);
    if (code == TN_OK && missing) *missing = r.missing;
    return code;
}

tn_code tn_checkpoint_restore(const char *prefix, const tn_graph *g, const char *restore_op, tn_session *s,
                              int *missing, tn_error *err)
{
    return restore(prefix, g, restore_op, s, false, missing, err);
}

tn_code tn_checkpoint_restore_known(const char *prefix, const tn_graph *g, const char *restore_op, tn_session *s,
                                    tn_error *err)
{
    return restore(prefix, g, restore_op, s, true, NULL, err);
}

/* ---- saving ---- */

/* TensorFlow saves no checkpoint that lacks a variable either: whoever restores it would fail. */
static tn_code add_one(tn_bundle_writer *w, const tn_saved_variable *v, tn_session *s, tn_error *err)
{
    tn_tensor *t;
    tn_code code = tn_session_get(s, v->name, &t, err);
    if (code == TN_NOT_FOUND)
        return tn_fail(err, TN_FAILED_PRECONDITION, "variable '%s' has no value to be saved", v->name);
    if (code != TN_OK) return code;
    code = v->has_slice ? tn_bundle_add_slice(w, v->key, &v->full, &v->slice, t, err)
                        : tn_bundle_add(w, v->key, t, err);
    tn_tensor_unref(t);
    return code;
}

static tn_code add_all(tn_bundle_writer *w, const tn_export *e, tn_session *s, tn_arena *a, tn_error *err)
{
    tn_saved_variable *v;
    int n;
    TN_TRY(tn_export_variables(e, a, &v, &n, err));
    for (int i = 0; i < n; i++)
        if (i == 0 || !tn_saved_alike(&v[i - 1], &v[i])) TN_TRY(add_one(w, &v[i], s, err));
    return e->variables ? TN_OK : tn_saved_tables_add(w, e->graph, s, NULL, a, err);
}

tn_code tn_checkpoint_add(tn_bundle_writer *w, const tn_export *e, tn_session *s, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? add_all(w, e, s, a, err) : tn_no_memory(err, 0);
    tn_arena_free(a);
    return code;
}

tn_code tn_checkpoint_save(const char *prefix, const tn_export *e, tn_session *s, tn_error *err)
{
    tn_bundle_writer *w;
    TN_TRY(tn_bundle_writer_open(prefix, &w, err));
    tn_code code = tn_checkpoint_add(w, e, s, err);
    if (code == TN_OK) return tn_bundle_commit(w, err);
    tn_bundle_abandon(w);
    return code;
}
