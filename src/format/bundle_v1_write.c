/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_v1_write.c - writes a checkpoint as Saver's V1 does: a sorted table in one file, a list of the
 * tensors and their slices first, then a message for each slice. It is for graphs whose own Saver is one of
 * those; bundle_v1.c reads it.
 *
 * Invariants: tensors are kept, not copied, until all are there; the file appears whole or not at all, and
 * what else had been saved under its name goes only after it.
 */
#include "bundle.h"

#include <stdlib.h>

#define MOST_BYTES INT32_MAX /* of a tensor: a message is not longer */

typedef struct piece {
    const char *name;
    tn_slice slice;
    tn_tensor *value;
    const char *key; /* in the table */
    size_t key_size;
} piece;

struct tn_v1_writer {
    tn_arena *arena;
    const char *path;
    piece *all;
    int n, cap;
    tn_map *names, *keys; /* name -> its place in the list, a uint32_t; keys that there are */
    tn_SavedTensorSliceMeta list;
};

tn_code tn_v1_writer_open(const char *path, tn_v1_writer **out, tn_error *err)
{
    tn_v1_writer *w = tn_calloc(1, sizeof *w);
    if (!w) return tn_no_memory(err, sizeof *w);
    w->arena = tn_arena_new(0);
    w->names = tn_map_new();
    w->keys = tn_map_new();
    w->path = w->arena ? tn_arena_strdup(w->arena, path) : NULL;
    if (w->path && w->names && w->keys) {
        *out = w;
        return TN_OK;
    }
    tn_v1_writer_free(w);
    return tn_no_memory(err, strlen(path));
}

void tn_v1_writer_free(tn_v1_writer *w)
{
    if (!w) return;
    for (int i = 0; i < w->n; i++) tn_tensor_unref(w->all[i].value);
    tn_free(w->all);
    tn_map_free(w->names);
    tn_map_free(w->keys);
    tn_arena_free(w->arena);
    tn_free(w);
}

/* ==== what is to be written ==== */

static tn_code check_value(const tn_tensor *t, tn_error *err)
{
    static const tn_dtype known[] = {TN_FLOAT,  TN_DOUBLE, TN_HALF,   TN_INT8,  TN_INT16,     TN_INT32,
                                     TN_INT64,  TN_UINT8,  TN_UINT16, TN_BOOL,  TN_COMPLEX64, TN_COMPLEX128,
                                     TN_STRING, TN_QINT8,  TN_QUINT8, TN_QINT32};
    bool is_known = false;
    for (size_t i = 0; i < TN_COUNT(known); i++) is_known |= t->dtype == known[i];
    if (!is_known)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "Saving data type %s not yet supported by the first format of checkpoints",
                       tn_dtype_name(t->dtype));
    uint64_t most = 0; /* as a message: no element needs more than a varint, or its bytes and their length */
    for (int64_t i = 0; t->dtype == TN_STRING && i < tn_tensor_count(t); i++)
        most += TN_STRINGS(t)[i].n + TN_VARINT_MOST;
    if (t->dtype != TN_STRING)
        most = (uint64_t)tn_tensor_count(t) * TN_MAX(tn_dtype_size(t->dtype), (size_t)TN_VARINT_MOST);
    if (most <= MOST_BYTES) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Tensor slice is too large to serialize (conservative estimate: %llu bytes)",
                   (unsigned long long)most);
}

static tn_code new_meta(tn_v1_writer *w, const char *name, const tn_shape *full, tn_dtype t,
                        tn_SavedSliceMeta **out, tn_error *err)
{
    tn_SavedSliceMeta *m = TN_PUSH(w->arena, &w->list.tensor);
    char *copy = tn_arena_strdup(w->arena, name);
    uint32_t *at = TN_NEW(w->arena, uint32_t);
    if (!m || !copy || !at || !(m->shape = TN_NEW(w->arena, tn_TensorShapeProto)) ||
        !tn_map_put(w->names, copy, at))
        return tn_no_memory(err, sizeof *m);
    *at = w->list.tensor.n - 1;
    m->name = tn_view_of(copy);
    m->type = (int32_t)t;
    *out = m;
    return tn_shape_to_proto(full, w->arena, m->shape, err);
}

static tn_code meta_of(tn_v1_writer *w, const char *name, const tn_shape *full, tn_dtype t,
                       tn_SavedSliceMeta **out, tn_error *err)
{
    tn_shape shape;
    const uint32_t *at = tn_map_get(w->names, name);
    if (!at) return new_meta(w, name, full, t, out, err);
    tn_SavedSliceMeta *m = &w->list.tensor.items[*at];
    TN_TRY(tn_shape_from_proto(m->shape, &shape, err));
    if (!tn_shape_equal(&shape, full) || m->type != (int32_t)t)
        return tn_fail(err, TN_INVALID_ARGUMENT, "slices disagree on the full shape or the dtype");
    *out = m;
    return TN_OK;
}

static tn_code check_slice(const tn_shape *full, const tn_slice *slice, const tn_tensor *t, tn_error *err)
{
    char a[128], b[128];
    tn_shape shape;
    TN_TRY(tn_slice_shape(slice, full, &shape, err));
    if (tn_shape_equal(&shape, &t->shape)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "a value of shape %s for a slice of shape %s",
                   tn_shape_text(&t->shape, a, sizeof a), tn_shape_text(&shape, b, sizeof b));
}

static tn_code set_key(tn_v1_writer *w, piece *p, tn_error *err)
{
    tn_buf key = {0};
    tn_bundle_slice_key(p->name, &p->slice, &key);
    tn_code code = tn_buf_check(&key, err);
    if (code == TN_OK && tn_map_get_view(w->keys, (tn_view){key.data, key.n}))
        code = tn_fail(err, TN_ALREADY_EXISTS, "is there already");
    if (code == TN_OK) {
        p->key = tn_arena_strndup(w->arena, key.data, key.n);
        p->key_size = key.n;
        if (!p->key || !tn_map_put_view(w->keys, (tn_view){p->key, p->key_size}, w))
            code = tn_no_memory(err, key.n);
    }
    tn_buf_free(&key);
    return code;
}

tn_code tn_v1_add(tn_v1_writer *w, const char *name, const tn_shape *full, const tn_slice *slice,
                  const tn_tensor *t, tn_error *err)
{
    tn_SavedSliceMeta *m = NULL;
    tn_slice whole = {.rank = full->rank};
    for (int i = 0; i < full->rank; i++) whole.length[i] = -1;
    piece p = {.slice = slice ? *slice : whole};
    TN_TRY(check_value(t, err));
    TN_TRY(check_slice(full, &p.slice, t, err));
    TN_TRY(meta_of(w, name, full, t->dtype, &m, err));
    p.name = m->name.p;
    TN_TRY(set_key(w, &p, err));
    tn_TensorSliceProto *listed = TN_PUSH(w->arena, &m->slice);
    if (!listed || !TN_ROOM(NULL, w->all, w->n, w->cap)) return tn_no_memory(err, sizeof p);
    TN_TRY(tn_slice_to_proto(&p.slice, w->arena, listed, err));
    TN_TRY(tn_tensor_keep(t, &p.value, err));
    w->all[w->n++] = p;
    return TN_OK;
}

/* ==== a slice's values ==== numbers of the message's own widths are borrowed, others are widened */

static tn_code widened(const tn_tensor *t, tn_arena *a, tn_int32_list *out, tn_error *err)
{
    int64_t n = tn_tensor_count(t);
    int32_t *v = TN_ARRAY(a, n + 1, int32_t);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = t->dtype == TN_HALF ? ((const uint16_t *)t->data)[i] : (int32_t)tn_tensor_int(t, i);
    out->items = v;
    out->n = (uint32_t)n;
    return TN_OK;
}

static tn_code views(const tn_tensor *t, tn_arena *a, tn_view_list *out, tn_error *err)
{
    int64_t n = tn_tensor_count(t);
    tn_view *v = TN_ARRAY(a, n + 1, tn_view);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++) v[i] = (tn_view){TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n};
    out->items = v;
    out->n = (uint32_t)n;
    return TN_OK;
}

static tn_code set_values(const tn_tensor *t, tn_arena *a, tn_TensorProto *p, tn_error *err)
{
    uint32_t n = (uint32_t)tn_tensor_count(t);
    switch (t->dtype) {
    case TN_FLOAT: p->float_val.items = t->data, p->float_val.n = n; return TN_OK;
    case TN_DOUBLE: p->double_val.items = t->data, p->double_val.n = n; return TN_OK;
    case TN_COMPLEX64: p->scomplex_val.items = t->data, p->scomplex_val.n = 2 * n; return TN_OK;
    case TN_COMPLEX128: p->dcomplex_val.items = t->data, p->dcomplex_val.n = 2 * n; return TN_OK;
    case TN_INT64: p->int64_val.items = t->data, p->int64_val.n = n; return TN_OK;
    case TN_BOOL: p->bool_val.items = t->data, p->bool_val.n = n; return TN_OK;
    case TN_STRING: return views(t, a, &p->string_val, err);
    case TN_HALF: return widened(t, a, &p->half_val, err);
    default: return widened(t, a, &p->int_val, err);
    }
}

static tn_code slice_bytes(const piece *p, tn_arena *a, tn_buf *out, tn_error *err)
{
    tn_TensorSliceProto slice = {0};
    tn_TensorProto data = {0};
    tn_SavedSlice saved = {.name = tn_view_of(p->name), .slice = &slice, .data = &data};
    tn_SavedTensorSlices message = {.data = &saved};
    TN_TRY(tn_slice_to_proto(&p->slice, a, &slice, err));
    TN_TRY(set_values(p->value, a, &data, err));
    return TN_ENCODE(SavedTensorSlices, &message, out, err);
}

/* ==== the file ==== */

static int by_key(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    int c = memcmp(x->key, y->key, TN_MIN(x->key_size, y->key_size));
    return c ? c : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tn_SavedSliceMeta *)a)->name.p, ((const tn_SavedSliceMeta *)b)->name.p);
}

static tn_code add_list(tn_v1_writer *w, tn_table_writer *table, tn_error *err)
{
    tn_VersionDef version = {.producer = 1};
    tn_SavedTensorSlices message = {.meta = &w->list};
    tn_buf value = {0};
    w->list.versions = &version;
    if (w->list.tensor.n) qsort(w->list.tensor.items, w->list.tensor.n, sizeof *w->list.tensor.items, by_name);
    tn_code code = TN_ENCODE(SavedTensorSlices, &message, &value, err);
    w->list.versions = NULL;
    if (code == TN_OK) tn_table_add(table, (tn_view){"", 0}, (tn_view){value.data, value.n});
    tn_buf_free(&value);
    return code;
}

static tn_code add_slices(tn_v1_writer *w, tn_table_writer *table, tn_error *err)
{
    tn_buf value = {0};
    tn_arena *scratch = tn_arena_new(0);
    tn_code code = scratch ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; i < w->n && code == TN_OK; i++) {
        const piece *p = &w->all[i];
        tn_buf_clear(&value);
        tn_arena_reset(scratch);
        code = slice_bytes(p, scratch, &value, err);
        if (code == TN_OK)
            tn_table_add(table, (tn_view){p->key, p->key_size}, (tn_view){value.data, value.n});
    }
    tn_arena_free(scratch);
    tn_buf_free(&value);
    return code;
}

static tn_code table_bytes(tn_v1_writer *w, tn_buf *bytes, tn_error *err)
{
    tn_table_writer *table = NULL;
    if (w->n) qsort(w->all, (size_t)w->n, sizeof *w->all, by_key);
    TN_TRY(tn_table_writer_new(NULL, bytes, &table, err));
    tn_code code = add_list(w, table, err);
    if (code == TN_OK) code = add_slices(w, table, err);
    tn_code finished = tn_table_finish(table, code == TN_OK ? err : NULL);
    return code == TN_OK ? finished : code;
}

tn_code tn_v1_commit(tn_v1_writer *w, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = table_bytes(w, &bytes, err);
    if (code != TN_OK) tn_wrap(err, "%s", w->path);
    if (code == TN_OK) code = tn_file_write(w->path, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    return code == TN_OK ? tn_bundle_remove(w->path, err)
                         : code; /* a bundle of this name would be read in its place */
}
