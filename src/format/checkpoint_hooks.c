/* SPDX-License-Identifier: Apache-2.0
 *
 * checkpoint_hooks.c - what operators do with checkpoints (plan/files.h): read tensors one after another, and write
 * new ones.
 *
 * Invariants: who writes one holds PREFIX_0.lockfile, by which TensorFlow's caching iterators know of each other; a
 * checkpoint is there whole or not at all, and the lock goes either way.
 */
#include "../plan/files.h"
#include "format.h"

/* ==== reading ==== */

static tn_code open_bundle(const char *prefix, void **out, tn_error *err)
{
    tn_bundle *b;
    TN_TRY(tn_bundle_open(prefix, &b, err));
    *out = b;
    return TN_OK;
}

static tn_code read_at(void *opened, int64_t i, tn_tensor **out, bool *end, tn_error *err)
{
    tn_bundle *b = opened;
    *end = i >= tn_bundle_count(b);
    return *end ? TN_OK : tn_bundle_read(b, tn_bundle_name(b, (int)i), out, err);
}

static void close_bundle(void *opened)
{
    tn_bundle_close(opened);
}

/* ==== writing ==== */

typedef struct created {
    tn_bundle_writer *bundle;
    char *lock; /* a path */
} created;

static tn_code read_lock(const char *path, tn_error *err)
{
    tn_buf says = {0};
    if (tn_file_read(path, 200, &says, NULL) != TN_OK) tn_buf_clear(&says);
    tn_code code = tn_fail(
        err, TN_ALREADY_EXISTS,
        "There appears to be a concurrent caching iterator running - cache lockfile already exists ('%s'). If you are "
        "sure no other running computations are using this cache prefix, delete the lockfile and re-initialize the "
        "iterator. Lockfile contents: %.*s",
        path, (int)says.n, says.n ? says.data : "");
    tn_buf_free(&says);
    return code;
}

static tn_code take_lock(created *c, const char *prefix, tn_error *err)
{
    tn_buf path = {0};
    char text[64];
    tn_buf_printf(&path, "%s_0.lockfile", prefix);
    if (!(c->lock = tn_buf_take(&path, NULL))) return tn_no_memory(err, strlen(prefix));
    bool taken = tn_file_exists(c->lock);
    int n = snprintf(text, sizeof text, "Created at: %lld", (long long)tn_wall_time());
    tn_code code = taken ? read_lock(c->lock, err) : tn_file_write(c->lock, text, (size_t)n, err);
    if (code != TN_OK && !taken) (void)tn_remove_file(c->lock, NULL);
    if (code != TN_OK) tn_free(c->lock);
    return code;
}

/* The checkpoint is there, if it has to be; a lock that cannot be removed is told, and by the next one, too. */
static tn_code release(created *c, tn_code code, tn_error *err)
{
    tn_code removed = tn_remove_file(c->lock, code == TN_OK ? err : NULL);
    tn_free(c->lock);
    tn_free(c);
    return code == TN_OK ? removed : code;
}

static tn_code create(const char *prefix, void **out, tn_error *err)
{
    created *c = tn_calloc(1, sizeof *c);
    if (!c) return tn_no_memory(err, sizeof *c);
    tn_code code = take_lock(c, prefix, err);
    if (code != TN_OK) {
        tn_free(c);
        return code;
    }
    if ((code = tn_bundle_writer_open(prefix, &c->bundle, err)) != TN_OK) return release(c, code, err);
    *out = c;
    return TN_OK;
}

static tn_code add(void *to, const char *name, const tn_tensor *t, tn_error *err)
{
    return tn_bundle_add(((created *)to)->bundle, name, t, err);
}

static tn_code commit(void *to, tn_error *err)
{
    created *c = to;
    return release(c, tn_bundle_commit(c->bundle, err), err);
}

static void abandon(void *to)
{
    created *c = to;
    tn_bundle_abandon(c->bundle);
    (void)release(c, TN_OK, NULL);
}

const tn_checkpoint_hooks tn_checkpoints_of_process = {.tensor = tn_checkpoint_tensor,
                                                       .open = open_bundle,
                                                       .read = read_at,
                                                       .close = close_bundle,
                                                       .create = create,
                                                       .add = add,
                                                       .commit = commit,
                                                       .abandon = abandon};
