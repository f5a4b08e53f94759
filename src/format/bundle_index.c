/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_index.c - opens a tensor bundle: its index (a sorted table of BundleEntryProto) or, of an older
 * checkpoint, what its tables list. How a table is laid out is wire's, what an older checkpoint's hold
 * bundle_v1.c's; tensors are read by bundle_read.c.
 *
 * Invariant: sizes in the index are those of its entries' dtypes and shapes.
 */
#include "bundle_index.h"

#include <stdlib.h>

#define MOST_SHARDS 99999 /* what the file name has room for */

/* ---- the index ---- */

static tn_code read_header(tn_bundle *b, tn_view value, tn_arena *scratch, tn_error *err)
{
    tn_BundleHeaderProto *h;
    TN_TRY(TN_DECODE(BundleHeaderProto, value, scratch, &h, err));
    if (h->endianness != TN_Endianness_LITTLE)
        return tn_fail(err, TN_UNIMPLEMENTED, "the bundle was written on a big-endian machine");
    if (h->version && h->version->min_consumer > TN_BUNDLE_VERSION)
        return tn_fail(err, TN_UNIMPLEMENTED, "the bundle needs a reader of version %d; this is %d",
                       (int)h->version->min_consumer, TN_BUNDLE_VERSION);
    if (h->num_shards < 1 || h->num_shards > MOST_SHARDS)
        return tn_fail(err, TN_DATA_LOSS, "the header says %d shards", (int)h->num_shards);
    b->n_shards = h->num_shards;
    b->shards = TN_ARRAY(b->arena, b->n_shards, tn_mapped);
    b->is_mapped = TN_ARRAY(b->arena, b->n_shards, bool);
    if (!b->shards || !b->is_mapped) return tn_no_memory(err, (size_t)b->n_shards * sizeof *b->shards);
    return TN_OK;
}

static tn_code read_slice(const tn_TensorSliceProto *p, const tn_shape *full, tn_slice *out, tn_error *err)
{
    if (p->extent.n > TN_MAX_RANK)
        return tn_fail(err, TN_DATA_LOSS, "a slice of %u dimensions", (unsigned)p->extent.n);
    tn_slice s = {.rank = (int)p->extent.n};
    for (int i = 0; i < s.rank; i++) {
        const tn_Extent *e = &p->extent.items[i];
        s.start[i] = e->start;
        s.length[i] = e->has_length_hack_case ? e->length : -1;
        if (s.length[i] < -1)
            return tn_fail(err, TN_DATA_LOSS, "a slice of length %lld", (long long)s.length[i]);
    }
    tn_shape shape;
    TN_TRY(tn_slice_shape(&s, full, &shape, err));
    *out = s;
    return TN_OK;
}

static tn_code read_slices(tn_bundle *b, tn_bundle_item *it, const tn_BundleEntryProto *p, tn_error *err)
{
    it->entry.n_slices = (int)p->slices.n;
    if (p->slices.n == 0) return TN_OK;
    it->slices = TN_ARRAY(b->arena, p->slices.n, tn_slice);
    if (!it->slices) return tn_no_memory(err, p->slices.n * sizeof(tn_slice));
    for (uint32_t i = 0; i < p->slices.n; i++)
        TN_TRY(read_slice(&p->slices.items[i], &it->entry.shape, &it->slices[i], err));
    return TN_OK;
}

static tn_code read_entry(tn_bundle *b, tn_view key, tn_view value, tn_arena *scratch, tn_error *err)
{
    tn_BundleEntryProto *p;
    TN_TRY(TN_DECODE(BundleEntryProto, value, scratch, &p, err));
    tn_bundle_item *it = TN_NEW(b->arena, tn_bundle_item);
    char *name = tn_arena_strndup(b->arena, key.p, key.n);
    if (!it || !name) return tn_no_memory(err, sizeof *it + key.n);
    it->dtype = p->dtype;
    it->entry = (tn_bundle_entry){.name = name,
                                  .shard = p->shard_id,
                                  .offset = (uint64_t)p->offset,
                                  .size = (uint64_t)p->size,
                                  .crc32c = p->crc32c};
    if (p->dtype > 0 && tn_dtype_size((tn_dtype)p->dtype)) it->entry.dtype = (tn_dtype)p->dtype;
    if (p->shard_id < 0 || p->shard_id >= b->n_shards)
        return tn_fail(err, TN_DATA_LOSS, "shard %d of %d", (int)p->shard_id, b->n_shards);
    if (p->offset < 0 || p->size < 0)
        return tn_fail(err, TN_DATA_LOSS, "offset %lld, size %lld", (long long)p->offset, (long long)p->size);
    if (p->shape) TN_TRY(tn_shape_from_proto(p->shape, &it->entry.shape, err));
    if (!tn_shape_known(&it->entry.shape))
        return tn_fail(err, TN_DATA_LOSS, "a shape that is not fully known");
    TN_TRY(read_slices(b, it, p, err));
    if (!tn_map_put_view(b->items, key, it)) return tn_no_memory(err, key.n);
    return TN_OK;
}

static tn_code read_entries(tn_bundle *b, tn_table *t, tn_error *err)
{
    tn_arena *scratch = tn_arena_new(0);
    if (!scratch) return tn_no_memory(err, 0);
    tn_code code;
    tn_view key, value;
    while ((code = tn_table_next(t, &key, &value, err)) == TN_OK) {
        tn_arena_reset(scratch);
        if (key.n == 0)
            code =
                b->n_shards ? tn_fail(err, TN_DATA_LOSS, "two headers") : read_header(b, value, scratch, err);
        else if (!b->n_shards)
            code = tn_fail(err, TN_DATA_LOSS, "no header");
        else if ((code = read_entry(b, key, value, scratch, err)) != TN_OK)
            tn_wrap(err, "tensor '%.*s'", (int)TN_MIN(key.n, 200), key.p);
        if (code != TN_OK) break;
    }
    tn_arena_free(scratch);
    if (code != TN_OUT_OF_RANGE) return code;
    return b->n_shards ? TN_OK : tn_fail(err, TN_DATA_LOSS, "no header");
}

/* The tensors, without the keys that hold pieces of them: those begin with a zero byte. */
static tn_code hide_slices(tn_bundle *b, tn_error *err)
{
    size_t n = tn_map_count(b->items);
    b->visible = TN_ARRAY(b->arena, n + 1, tn_bundle_item *);
    if (!b->visible) return tn_no_memory(err, n * sizeof(tn_bundle_item *));
    for (size_t i = 0; i < n; i++) {
        tn_bundle_item *it = tn_map_value(b->items, i);
        if (it->entry.name[0]) b->visible[b->n_visible++] = it;
    }
    return TN_OK;
}

static tn_code read_index(tn_bundle *b, tn_error *err)
{
    tn_mapped file;
    TN_TRY(tn_file_map(b->index_path, &file, err));
    tn_table *t = NULL;
    tn_code code = tn_table_open((tn_view){(const char *)file.data, file.n}, &t, err);
    if (code == TN_OK) code = read_entries(b, t, err);
    if (code == TN_OK) code = hide_slices(b, err);
    tn_table_close(t);
    tn_file_unmap(&file);
    if (code != TN_OK) tn_wrap(err, "%s", b->index_path);
    return code;
}

/* ---- the list of an older checkpoint ---- */

static tn_code v1_piece(tn_bundle *b, const tn_bundle_item *whole, const tn_slice *slice, int shard,
                        tn_error *err)
{
    tn_buf key = {0};
    tn_view value;
    tn_bundle_item *piece = TN_NEW(b->arena, tn_bundle_item);
    tn_bundle_slice_key(whole->entry.name, slice, &key);
    size_t n = key.n;
    char *copy = key.data ? tn_arena_strndup(b->arena, key.data, n) : NULL;
    tn_buf_free(&key);
    if (!piece || !copy) return tn_no_memory(err, sizeof *piece);
    *piece = (tn_bundle_item){.entry = {.name = copy, .dtype = whole->entry.dtype, .shard = shard},
                              .dtype = whole->dtype,
                              .key = {copy, n}};
    TN_TRY(tn_slice_shape(slice, &whole->entry.shape, &piece->entry.shape, err));
    TN_TRY(tn_v1_find(b->v1, shard, piece->key, tn_shape_count(&piece->entry.shape), &value, err));
    piece->entry.size = value.n;
    if (tn_map_get_view(b->items, piece->key)) return tn_fail(err, TN_DATA_LOSS, "a slice twice");
    return tn_map_put_view(b->items, piece->key, piece) ? TN_OK : tn_no_memory(err, n);
}

static tn_code v1_whole(tn_bundle *b, const tn_SavedSliceMeta *m, tn_bundle_item **out, tn_error *err)
{
    tn_bundle_item it = {.dtype = m->type};
    if (m->type > 0 && tn_dtype_size((tn_dtype)m->type)) it.entry.dtype = (tn_dtype)m->type;
    TN_TRY(tn_shape_from_proto(m->shape, &it.entry.shape, err));
    if (!tn_shape_known(&it.entry.shape) || !m->name.n || memchr(m->name.p, 0, m->name.n))
        return tn_fail(err, TN_DATA_LOSS, "no name, or a shape that is not fully known");
    *out = tn_map_get_view(b->items, m->name);
    if (*out) {
        bool same = (*out)->dtype == it.dtype && tn_shape_equal(&(*out)->entry.shape, &it.entry.shape);
        return same ? TN_OK : tn_fail(err, TN_DATA_LOSS, "another dtype or shape than in another shard");
    }
    it.entry.name = tn_arena_strndup(b->arena, m->name.p, m->name.n);
    *out = TN_NEW(b->arena, tn_bundle_item);
    if (!it.entry.name || !*out) return tn_no_memory(err, sizeof it);
    **out = it;
    return tn_map_put(b->items, it.entry.name, *out) ? TN_OK : tn_no_memory(err, m->name.n);
}

static tn_code v1_tensor(tn_bundle *b, const tn_SavedSliceMeta *m, int shard, tn_error *err)
{
    tn_bundle_item *it = NULL;
    TN_TRY(v1_whole(b, m, &it, err));
    int had = it->entry.n_slices;
    tn_slice *slices = TN_ARRAY(b->arena, (size_t)had + m->slice.n + 1, tn_slice);
    if (!slices || m->slice.n > INT32_MAX / 2) return tn_no_memory(err, m->slice.n * sizeof *slices);
    if (had) memcpy(slices, it->slices, (size_t)had * sizeof *slices);
    it->slices = slices;
    for (uint32_t i = 0; i < m->slice.n; i++) {
        tn_slice *s = &slices[it->entry.n_slices];
        TN_TRY(read_slice(&m->slice.items[i], &it->entry.shape, s, err));
        TN_TRY(v1_piece(b, it, s, shard, err));
        it->entry.n_slices++;
    }
    return TN_OK;
}

static tn_code v1_shard(tn_bundle *b, int shard, tn_arena *scratch, tn_error *err)
{
    tn_SavedTensorSliceMeta *list;
    TN_TRY(tn_v1_list(b->v1, shard, scratch, &list, err));
    for (uint32_t i = 0; i < list->tensor.n; i++) {
        const tn_SavedSliceMeta *m = &list->tensor.items[i];
        tn_code code = v1_tensor(b, m, shard, err);
        if (code != TN_OK) return tn_wrap(err, "tensor '%.*s'", (int)TN_MIN(m->name.n, 200), m->name.p), code;
    }
    return TN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(tn_bundle_item *const *)a)->entry.name, (*(tn_bundle_item *const *)b)->entry.name);
}

/* What is in one piece is a tensor like others. */
static void v1_unite(tn_bundle *b, tn_bundle_item *it)
{
    tn_shape shape;
    tn_buf key = {0};
    if (it->entry.n_slices != 1 || tn_slice_shape(it->slices, &it->entry.shape, &shape, NULL) != TN_OK ||
        !tn_shape_equal(&shape, &it->entry.shape))
        return;
    tn_bundle_slice_key(it->entry.name, it->slices, &key);
    const tn_bundle_item *piece = key.data ? tn_map_get_view(b->items, (tn_view){key.data, key.n}) : NULL;
    tn_buf_free(&key);
    if (!piece) return;
    it->key = piece->key;
    it->entry.shard = piece->entry.shard;
    it->entry.size = piece->entry.size;
    it->entry.n_slices = 0;
}

static tn_code read_v1(tn_bundle *b, tn_error *err)
{
    TN_TRY(tn_v1_open(b->prefix, &b->v1, err));
    b->n_shards = tn_v1_shards(b->v1);
    tn_arena *scratch = tn_arena_new(0);
    tn_code code = scratch ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; i < b->n_shards && code == TN_OK; i++) code = v1_shard(b, i, scratch, err);
    tn_arena_free(scratch);
    if (code == TN_OK) code = hide_slices(b, err);
    if (code != TN_OK) return tn_wrap(err, "%s", b->prefix), code;
    qsort(b->visible, (size_t)b->n_visible, sizeof(tn_bundle_item *), by_name);
    for (int i = 0; i < b->n_visible; i++) v1_unite(b, b->visible[i]);
    return TN_OK;
}

/* ---- opening ---- */

tn_code tn_bundle_open(const char *prefix, tn_bundle **out, tn_error *err)
{
    tn_bundle *b = tn_calloc(1, sizeof *b);
    if (!b) return tn_no_memory(err, sizeof *b);
    b->arena = tn_arena_new(0);
    b->items = tn_map_new();
    b->copies = tn_file_copies();
    if (b->arena && b->items) {
        b->prefix = tn_arena_strdup(b->arena, prefix);
        b->index_path = tn_bundle_index_path(b->arena, prefix);
    }
    bool old = b->index_path && !tn_file_exists(b->index_path) && tn_v1_exists(prefix);
    tn_code code = !b->prefix || !b->index_path ? tn_no_memory(err, sizeof *b)
                   : old                        ? read_v1(b, err)
                                                : read_index(b, err);
    if (code != TN_OK) {
        tn_bundle_close(b);
        return code;
    }
    *out = b;
    return TN_OK;
}

void tn_bundle_close(tn_bundle *b)
{
    if (!b) return;
    for (int i = 0; b->is_mapped && i < b->n_shards; i++)
        if (b->is_mapped[i]) tn_file_unmap(&b->shards[i]);
    tn_buf_free(&b->part);
    tn_objects_free(b->objects);
    tn_v1_close(b->v1);
    tn_map_free(b->items);
    tn_arena_free(b->arena);
    tn_free(b);
}

const char *tn_bundle_prefix(const tn_bundle *b)
{
    return b->prefix;
}

int tn_bundle_count(const tn_bundle *b)
{
    return b->n_visible;
}

const tn_bundle_entry *tn_bundle_at(const tn_bundle *b, int i)
{
    return &b->visible[i]->entry;
}

const tn_bundle_entry *tn_bundle_find(const tn_bundle *b, const char *name)
{
    const tn_bundle_item *it = tn_map_get(b->items, name);
    return it ? &it->entry : NULL;
}

tn_code tn_bundle_objects(tn_bundle *b, const tn_objects **out, tn_error *err)
{
    if (!b->objects) TN_TRY(tn_objects_read(b, &b->objects, err));
    *out = b->objects;
    return TN_OK;
}

const char *tn_bundle_variable(tn_bundle *b, int i)
{
    const tn_objects *objects;
    if (tn_bundle_objects(b, &objects, NULL) != TN_OK) return NULL;
    return tn_objects_variable(objects, tn_bundle_at(b, i)->name);
}

int tn_bundle_shards(const tn_bundle *b)
{
    return b->n_shards;
}
