/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_find.c - a checkpoint in which variables are looked for: by key, or, where TensorFlow 2 kept the
 * graph of its objects, by the names that the variables had. What is done with the values is checkpoint.c's and
 * start.c's.
 */
#include "metagraph.h"

#define OBJECT_GRAPH "_CHECKPOINTABLE_OBJECT_GRAPH"
#define OBJECT_VALUE "/.ATTRIBUTES/VARIABLE_VALUE"

struct tn_checkpoint {
    tn_bundle *bundle;
    tn_arena *arena;
    tn_map *keys; /* an object-based checkpoint's: variable's name -> key; NULL: not looked at yet */
};

tn_code tn_checkpoint_open(const char *prefix, tn_checkpoint **out, tn_error *err)
{
    tn_checkpoint *c = tn_calloc(1, sizeof *c);
    if (!c) return tn_no_memory(err, sizeof *c);
    c->arena = tn_arena_new(0);
    tn_code code = c->arena ? tn_bundle_open(prefix, &c->bundle, err) : tn_no_memory(err, 0);
    if (code == TN_OK)
        *out = c;
    else
        tn_checkpoint_close(c);
    return code;
}

void tn_checkpoint_close(tn_checkpoint *c)
{
    if (!c) return;
    tn_map_free(c->keys);
    tn_bundle_close(c->bundle);
    tn_arena_free(c->arena);
    tn_free(c);
}

tn_bundle *tn_checkpoint_bundle(const tn_checkpoint *c)
{
    return c->bundle;
}

/* ---- objects ---- */

static tn_code map_objects(tn_checkpoint *c, const tn_TrackableObjectGraph *g, tn_error *err)
{
    for (uint32_t i = 0; i < g->nodes.n; i++) {
        for (uint32_t k = 0; k < g->nodes.items[i].attributes.n; k++) {
            const tn_SerializedTensor *t = &g->nodes.items[i].attributes.items[k];
            char *key = tn_arena_strndup(c->arena, t->checkpoint_key.n ? t->checkpoint_key.p : "",
                                         t->checkpoint_key.n);
            if (!key || !tn_map_put_view(c->keys, t->full_name, key))
                return tn_no_memory(err, t->full_name.n);
        }
    }
    return TN_OK;
}

/* TensorFlow 2 keeps with a checkpoint the graph of the objects that it is of. */
static tn_code read_objects(tn_checkpoint *c, tn_error *err)
{
    tn_tensor *t;
    tn_TrackableObjectGraph *g;
    if (c->keys) return TN_OK;
    c->keys = tn_map_new();
    if (!c->keys) return tn_no_memory(err, 0);
    if (!tn_bundle_find(c->bundle, OBJECT_GRAPH)) return TN_OK;
    TN_TRY(tn_bundle_read(c->bundle, OBJECT_GRAPH, &t, err));
    tn_code code = TN_OK;
    if (t->dtype == TN_STRING && tn_tensor_count(t) == 1) {
        code = TN_DECODE(TrackableObjectGraph, ((tn_view){TN_STRINGS(t)->p, TN_STRINGS(t)->n}), c->arena, &g,
                         err);
        if (code == TN_OK) code = map_objects(c, g, err);
    }
    tn_tensor_unref(t);
    return code;
}

/* ---- looking ---- */

tn_code tn_checkpoint_find(tn_checkpoint *c, const char *key, const char *name, const tn_bundle_entry **out,
                           tn_error *err)
{
    *out = tn_bundle_find(c->bundle, key);
    if (*out || !name) return TN_OK;
    TN_TRY(read_objects(c, err));
    const char *other = tn_map_get(c->keys, name);
    if (other) *out = tn_bundle_find(c->bundle, other);
    if (*out || !tn_map_count(c->keys)) return TN_OK;
    char *full = tn_arena_printf(c->arena, "%s" OBJECT_VALUE, key);
    if (!full) return tn_no_memory(err, strlen(key));
    *out = tn_bundle_find(c->bundle, full);
    return TN_OK;
}

tn_code tn_checkpoint_read(tn_checkpoint *c, const tn_bundle_entry *e, const tn_slice *slice, tn_tensor **out,
                           tn_error *err)
{
    return slice ? tn_bundle_read_slice(c->bundle, e->name, slice, out, err)
                 : tn_bundle_read(c->bundle, e->name, out, err);
}
