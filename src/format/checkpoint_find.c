/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_find.c - a checkpoint in which variables are looked for: by key, or, where TensorFlow 2 kept the
 * graph of its objects, by the names that the variables had. What is done with the values is checkpoint.c's and
 * start.c's.
 */
#include "metagraph.h"
#include "objects.h"

#define OBJECT_VALUE "/.ATTRIBUTES/VARIABLE_VALUE"

struct tn_checkpoint {
    tn_bundle *bundle;
    tn_arena *arena;
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
    tn_bundle_close(c->bundle);
    tn_arena_free(c->arena);
    tn_free(c);
}

tn_bundle *tn_checkpoint_bundle(const tn_checkpoint *c)
{
    return c->bundle;
}

/* ---- looking ---- */

tn_code tn_checkpoint_find(tn_checkpoint *c, const char *key, const char *name, const tn_bundle_entry **out,
                           tn_error *err)
{
    const tn_objects *objects;
    *out = tn_bundle_find(c->bundle, key);
    if (*out || !name) return TN_OK;
    TN_TRY(tn_bundle_objects(c->bundle, &objects, err));
    const char *other = tn_objects_key(objects, name);
    if (other) *out = tn_bundle_find(c->bundle, other);
    if (*out || !tn_objects_any(objects)) return TN_OK;
    char *full = tn_arena_printf(c->arena, "%s" OBJECT_VALUE, key);
    if (!full) return tn_no_memory(err, strlen(key));
    *out = tn_bundle_find(c->bundle, full);
    return TN_OK;
}

tn_code tn_checkpoint_read(tn_checkpoint *c, const tn_bundle_entry *e, const tn_slice *slice, tn_tensor **out,
                           tn_error *err)
{
    return slice ? tn_bundle_read_slice(c->bundle, e->name, slice, out, err)
                 : tn_bundle_read_kept(c->bundle, e->name, out, err);
}

tn_code tn_checkpoint_tensor(const char *prefix, const char *name, tn_tensor **out, tn_error *err)
{
    tn_checkpoint *c;
    const tn_bundle_entry *e = NULL;
    TN_TRY(tn_checkpoint_open(prefix, &c, err));
    tn_code code = tn_checkpoint_find(c, name, NULL, &e, err);
    if (code == TN_OK)
        code = e ? tn_checkpoint_read(c, e, NULL, out, err)
                 : tn_fail(err, TN_NOT_FOUND, "Key %s not found in checkpoint '%s'", name, prefix);
    tn_checkpoint_close(c);
    return code;
}
