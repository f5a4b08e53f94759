/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_read.c - reads a tensor bundle: the index (a sorted table of BundleEntryProto), tensors from the
 * shards. How a table is laid out is wire's; what older checkpoints have instead, bundle_v1.c's.
 *
 * Invariants: every byte of a tensor is checked against its crc before it is handed out; sizes in the
 * index are checked against the shard before memory is taken.
 */
#include "bundle.h"
#include "objects.h"

#include <stdlib.h>

#define MOST_SHARDS 99999 /* what the file name has room for */

typedef struct item {
    tn_bundle_entry entry;
    int32_t dtype; /* as stored, which may be none of ours */
    tn_slice *slices;
    tn_view key; /* of an older checkpoint's slice */
} item;

#define CHECK_STEP ((size_t)1 << 20)
#define LEAST_MAPPED ((uint64_t)64 << 10) /* smaller tensors are copied, to where kernels like them */

struct tn_bundle {
    tn_arena *arena;
    char *prefix, *index_path;
    int n_shards;
    tn_v1 *v1; /* an older checkpoint, whose tensors are there; NULL: none */
    tn_mapped *shards;
    bool *is_mapped;
    bool copies; /* nothing is mapped: every tensor is read where it is needed */
    tn_buf part; /* the last one that was read */
    tn_map *items;  /* every key, slices too -> item */
    item **visible; /* without the slices */
    int n_visible;
    tn_objects *objects; /* NULL: not read yet */
};

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

static tn_code read_slices(tn_bundle *b, item *it, const tn_BundleEntryProto *p, tn_error *err)
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
    item *it = TN_NEW(b->arena, item);
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
    b->visible = TN_ARRAY(b->arena, n + 1, item *);
    if (!b->visible) return tn_no_memory(err, n * sizeof(item *));
    for (size_t i = 0; i < n; i++) {
        item *it = tn_map_value(b->items, i);
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

static tn_code v1_piece(tn_bundle *b, const item *whole, const tn_slice *slice, int shard, tn_error *err)
{
    tn_buf key = {0};
    tn_view value;
    item *piece = TN_NEW(b->arena, item);
    tn_bundle_slice_key(whole->entry.name, slice, &key);
    size_t n = key.n;
    char *copy = key.data ? tn_arena_strndup(b->arena, key.data, n) : NULL;
    tn_buf_free(&key);
    if (!piece || !copy) return tn_no_memory(err, sizeof *piece);
    *piece = (item){.entry = {.name = copy, .dtype = whole->entry.dtype, .shard = shard},
                    .dtype = whole->dtype,
                    .key = {copy, n}};
    TN_TRY(tn_slice_shape(slice, &whole->entry.shape, &piece->entry.shape, err));
    TN_TRY(tn_v1_find(b->v1, shard, piece->key, tn_shape_count(&piece->entry.shape), &value, err));
    piece->entry.size = value.n;
    if (tn_map_get_view(b->items, piece->key)) return tn_fail(err, TN_DATA_LOSS, "a slice twice");
    return tn_map_put_view(b->items, piece->key, piece) ? TN_OK : tn_no_memory(err, n);
}

static tn_code v1_whole(tn_bundle *b, const tn_SavedSliceMeta *m, item **out, tn_error *err)
{
    item it = {.dtype = m->type};
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
    *out = TN_NEW(b->arena, item);
    if (!it.entry.name || !*out) return tn_no_memory(err, sizeof it);
    **out = it;
    return tn_map_put(b->items, it.entry.name, *out) ? TN_OK : tn_no_memory(err, m->name.n);
}

static tn_code v1_tensor(tn_bundle *b, const tn_SavedSliceMeta *m, int shard, tn_error *err)
{
    item *it = NULL;
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
    return strcmp((*(item *const *)a)->entry.name, (*(item *const *)b)->entry.name);
}

/* What is in one piece is a tensor like others. */
static void v1_unite(tn_bundle *b, item *it)
{
    tn_shape shape;
    tn_buf key = {0};
    if (it->entry.n_slices != 1 || tn_slice_shape(it->slices, &it->entry.shape, &shape, NULL) != TN_OK ||
        !tn_shape_equal(&shape, &it->entry.shape))
        return;
    tn_bundle_slice_key(it->entry.name, it->slices, &key);
    const item *piece = key.data ? tn_map_get_view(b->items, (tn_view){key.data, key.n}) : NULL;
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
    qsort(b->visible, (size_t)b->n_visible, sizeof(item *), by_name);
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
    const item *it = tn_map_get(b->items, name);
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

/* ---- tensors ---- */

/* The tensor lies within its shard, whose path is *path; it is mapped if it was not and is to be. */
static tn_code find_shard(tn_bundle *b, const tn_bundle_entry *e, const char **path, tn_error *err)
{
    tn_mapped *m = &b->shards[e->shard];
    *path = tn_bundle_shard_path(b->arena, b->prefix, e->shard, b->n_shards);
    if (!*path) return tn_no_memory(err, 0);
    if (!b->is_mapped[e->shard] && !b->copies) {
        TN_TRY(tn_file_map(*path, m, err));
        b->is_mapped[e->shard] = true;
    }
    uint64_t there = m->n;
    if (b->copies) TN_TRY(tn_file_size(*path, &there, err));
    if (e->offset <= there && e->size <= there - e->offset) return TN_OK;
    return tn_fail(err, TN_DATA_LOSS, "%s: cut short: %llu bytes at offset %llu are wanted, the file has %llu", *path,
                   (unsigned long long)e->size, (unsigned long long)e->offset, (unsigned long long)there);
}

/* The tensor's bytes, until the next call. */
static tn_code locate(tn_bundle *b, const item *it, tn_view *out, tn_error *err)
{
    const tn_bundle_entry *e = &it->entry;
    const char *path;
    if (b->v1) return tn_v1_find(b->v1, e->shard, it->key, tn_shape_count(&e->shape), out, err);
    TN_TRY(find_shard(b, e, &path, err));
    if (!b->copies) {
        *out = (tn_view){(const char *)b->shards[e->shard].data + e->offset, e->size};
        return TN_OK;
    }
    tn_buf_clear(&b->part);
    if (!tn_buf_reserve(&b->part, e->size + 1)) return tn_buf_check(&b->part, err);
    TN_TRY(tn_file_read_at(path, e->offset, b->part.data, e->size, err));
    *out = (tn_view){b->part.data, e->size};
    return TN_OK;
}

static tn_code crc_differs(tn_bundle *b, const tn_bundle_entry *e, uint32_t got, tn_error *err)
{
    return tn_fail(
        err, TN_DATA_LOSS,
        "%s.data-%05d-of-%05d: damaged at offset %llu (%llu bytes): crc32c %08x, the index says %08x",
        b->prefix, e->shard, b->n_shards, (unsigned long long)e->offset, (unsigned long long)e->size, got,
        e->crc32c);
}

static void release_mapping(tn_buffer *self)
{
    tn_mapped *m = self->owner;
    tn_file_unmap(m);
    tn_free(m);
}

/* A large tensor stays in the file, in a mapping of its own, so that nobody else sees what becomes of it. */
static tn_code map_numbers(tn_bundle *b, const tn_bundle_entry *e, tn_tensor **out, tn_error *err)
{
    char *path = tn_bundle_shard_path(b->arena, b->prefix, e->shard, b->n_shards);
    tn_mapped *m = tn_calloc(1, sizeof *m);
    tn_buffer *buffer = tn_calloc(1, sizeof *buffer);
    void *at = NULL;
    tn_code code = path && m && buffer ? tn_file_map_part(path, e->offset, e->size, m, &at, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_free(m);
        tn_free(buffer);
        return code;
    }
    *buffer = (tn_buffer){.data = at, .size = e->size, .release = release_mapping, .owner = m};
    atomic_init(&buffer->refs, 1);
    uint32_t crc = tn_crc_mask(tn_crc32c(0, at, e->size));
    code = crc == e->crc32c ? tn_tensor_on(e->dtype, &e->shape, buffer, at, out, err) : crc_differs(b, e, crc, err);
    tn_buffer_unref(buffer);
    return code;
}

static bool is_mappable(const tn_bundle_entry *e)
{
    return e->size >= LEAST_MAPPED && e->dtype != TN_BOOL && e->offset % tn_dtype_size(e->dtype) == 0;
}

static tn_code copy_bytes(tn_bundle *b, const tn_bundle_entry *e, const char *path, void *to, tn_error *err)
{
    if (b->copies) TN_TRY(tn_file_read_at(path, e->offset, to, e->size, err));
    else if (e->size) memcpy(to, b->shards[e->shard].data + e->offset, e->size);
    uint32_t crc = tn_crc_mask(tn_crc32c(0, to, e->size));
    return crc == e->crc32c ? TN_OK : crc_differs(b, e, crc, err);
}

static tn_code read_numbers(tn_bundle *b, const tn_bundle_entry *e, int64_t count, tn_tensor **out, tn_error *err)
{
    const char *path;
    uint64_t want = (uint64_t)count * tn_dtype_size(e->dtype); /* count * 16 fits: the shape was checked */
    TN_TRY(find_shard(b, e, &path, err));
    if (e->size != want)
        return tn_fail(err, TN_DATA_LOSS, "%llu bytes are stored, the shape wants %llu", (unsigned long long)e->size,
                       (unsigned long long)want);
    if (!b->copies && is_mappable(e)) return map_numbers(b, e, out, err);
    tn_tensor *t;
    TN_TRY(tn_tensor_alloc(e->dtype, &e->shape, &t, err));
    tn_code code = copy_bytes(b, e, path, t->data, err);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    if (e->dtype == TN_BOOL)
        for (size_t i = 0; i < e->size; i++) ((uint8_t *)t->data)[i] = ((uint8_t *)t->data)[i] != 0;
    *out = t;
    return TN_OK;
}

/* Lengths as varints, the crc of the lengths, the strings. *crc goes over lengths (as 32-bit numbers, or
 * 64-bit when they need it), their crc and the strings. */
static tn_code read_lengths(tn_view *in, int64_t count, uint64_t *lengths, uint32_t *crc, tn_error *err)
{
    uint64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        uint8_t fixed[8];
        if (!tn_varint_get(in, &lengths[i]) || lengths[i] > in->n)
            return tn_fail(err, TN_DATA_LOSS, "the length of string %lld is damaged", (long long)i);
        sum += lengths[i];
        tn_put64(fixed, lengths[i]);
        *crc = tn_crc32c(*crc, fixed, lengths[i] <= UINT32_MAX ? 4 : 8);
    }
    if (in->n < 4 || in->n - 4 != sum)
        return tn_fail(err, TN_DATA_LOSS, "%llu bytes of strings are wanted, %zu are there",
                       (unsigned long long)sum, in->n < 4 ? 0 : in->n - 4);
    uint32_t stored = tn_get32(in->p);
    if (stored != tn_crc_mask(*crc))
        return tn_fail(err, TN_DATA_LOSS, "the lengths of the strings are damaged");
    *crc = tn_crc32c(*crc, in->p, 4);
    in->p += 4;
    in->n -= 4;
    return TN_OK;
}

static tn_code fill_strings(tn_tensor *t, const char *p, const uint64_t *lengths, int64_t count,
                            tn_error *err)
{
    for (int64_t i = 0; i < count; i++) {
        TN_TRY(tn_string_set(t, i, p, lengths[i], err));
        p += lengths[i];
    }
    return TN_OK;
}

static tn_code read_strings(tn_bundle *b, const tn_bundle_entry *e, tn_view bytes, int64_t count,
                            tn_tensor **out, tn_error *err)
{
    if ((uint64_t)count > bytes.n)
        return tn_fail(err, TN_DATA_LOSS, "%zu bytes cannot hold %lld strings", bytes.n, (long long)count);
    uint64_t *lengths = tn_calloc((size_t)count + 1, sizeof *lengths);
    if (!lengths) return tn_no_memory(err, ((size_t)count + 1) * sizeof *lengths);
    uint32_t crc = 0;
    tn_tensor *t = NULL;
    tn_code code = read_lengths(&bytes, count, lengths, &crc, err);
    if (code == TN_OK) {
        crc = tn_crc_mask(tn_crc32c(crc, bytes.p, bytes.n));
        if (crc != e->crc32c) code = crc_differs(b, e, crc, err);
    }
    if (code == TN_OK) code = tn_tensor_new(TN_STRING, &e->shape, &t, err);
    if (code == TN_OK) code = fill_strings(t, bytes.p, lengths, count, err);
    tn_free(lengths);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

static tn_code read_piece(tn_bundle *b, const item *it, tn_tensor **out, tn_error *err)
{
    const tn_bundle_entry *e = &it->entry;
    if (e->dtype == TN_INVALID_DTYPE || e->dtype == TN_VARIANT || e->dtype == TN_RESOURCE)
        return tn_fail(err, TN_UNIMPLEMENTED, "dtype %d (%s) cannot be read from a checkpoint",
                       (int)it->dtype, tn_dtype_name((tn_dtype)it->dtype));
    int64_t count;
    TN_TRY(tn_shape_count_checked(&e->shape, &count, err));
    if ((uint64_t)count > SIZE_MAX / 32) return tn_fail(err, TN_DATA_LOSS, "%lld elements", (long long)count);
    if (b->v1) return tn_v1_read(b->v1, e->shard, it->key, e->dtype, &e->shape, out, err);
    if (e->dtype != TN_STRING) return read_numbers(b, e, count, out, err);
    tn_view bytes;
    TN_TRY(locate(b, it, &bytes, err));
    return read_strings(b, e, bytes, count, out, err);
}

/* ---- partitioned tensors ---- */

static tn_code find_piece(const tn_bundle *b, const item *whole, int k, const item **out, tn_error *err)
{
    tn_buf key = {0};
    tn_bundle_slice_key(whole->entry.name, &whole->slices[k], &key);
    tn_code code = tn_buf_check(&key, err);
    const item *it = code == TN_OK ? tn_map_get_view(b->items, (tn_view){key.data, key.n}) : NULL;
    tn_buf_free(&key);
    if (code != TN_OK) return code;
    tn_shape shape;
    TN_TRY(tn_slice_shape(&whole->slices[k], &whole->entry.shape, &shape, err));
    if (!it || it->entry.n_slices) return tn_fail(err, TN_DATA_LOSS, "slice %d is not in the index", k);
    if (it->dtype != whole->dtype || !tn_shape_equal(&it->entry.shape, &shape))
        return tn_fail(err, TN_DATA_LOSS, "slice %d is of another dtype or shape than the index says", k);
    *out = it;
    return TN_OK;
}

static tn_code put_piece(tn_bundle *b, const item *it, int k, tn_tensor *whole, tn_error *err)
{
    const item *piece;
    tn_tensor *part;
    TN_TRY(find_piece(b, it, k, &piece, err));
    TN_TRY(read_piece(b, piece, &part, err));
    tn_code code = tn_slice_put(whole, &it->slices[k], part, err);
    tn_tensor_unref(part);
    return code;
}

static tn_code check_there(tn_bundle *b, const item *it, tn_error *err)
{
    const char *path;
    tn_view bytes;
    return b->v1 ? locate(b, it, &bytes, err) : find_shard(b, &it->entry, &path, err);
}

/* The pieces must be as many elements as the whole, each of which is in the shards: so the memory that
 * is taken for the whole is bounded by the files. */
static tn_code check_cover(tn_bundle *b, const item *it, tn_error *err)
{
    int64_t count, sum = 0;
    TN_TRY(tn_shape_count_checked(&it->entry.shape, &count, err));
    for (int k = 0; k < it->entry.n_slices; k++) {
        const item *piece;
        TN_TRY(find_piece(b, it, k, &piece, err));
        TN_TRY(check_there(b, piece, err));
        int64_t n = tn_shape_count(&piece->entry.shape);
        if (n > count - sum) return tn_fail(err, TN_DATA_LOSS, "slices overlap");
        sum += n;
    }
    return sum == count ? TN_OK
                        : tn_fail(err, TN_DATA_LOSS, "slices hold %lld of %lld elements", (long long)sum,
                                  (long long)count);
}

tn_bundle_info tn_bundle_info_at(const tn_bundle *b, int i)
{
    const item *it = b->visible[i];
    const tn_bundle_entry *e = &it->entry;
    tn_bundle_info info = {e->name,        e->dtype, e->shape,    (int64_t)e->size, (int64_t)e->offset,
                           e->shard, e->n_slices};
    for (int k = 0; k < e->n_slices; k++) {
        const item *piece;
        if (find_piece(b, it, k, &piece, NULL) == TN_OK) info.bytes += (int64_t)piece->entry.size;
    }
    return info;
}

tn_code tn_bundle_piece_at(const tn_bundle *b, int i, int k, tn_bundle_piece *out, tn_error *err)
{
    const item *it = b->visible[i], *piece;
    TN_TRY(find_piece(b, it, k, &piece, err));
    const tn_bundle_entry *e = &piece->entry;
    *out = (tn_bundle_piece){
        .shape = e->shape, .bytes = (int64_t)e->size, .offset = (int64_t)e->offset, .shard = e->shard};
    out->start.rank = it->slices[k].rank;
    memcpy(out->start.dim, it->slices[k].start, sizeof out->start.dim);
    return TN_OK;
}

static tn_code read_item(tn_bundle *b, const item *it, tn_tensor **out, tn_error *err)
{
    if (!it->entry.n_slices) return read_piece(b, it, out, err);
    if (it->entry.dtype == TN_INVALID_DTYPE) return read_piece(b, it, out, err); /* refuses it */
    TN_TRY(check_cover(b, it, err));
    tn_tensor *t;
    TN_TRY(tn_tensor_new(it->entry.dtype, &it->entry.shape, &t, err));
    for (int k = 0; k < it->entry.n_slices; k++) {
        tn_code code = put_piece(b, it, k, t, err);
        if (code == TN_OK) continue;
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

static tn_code not_there(const tn_bundle *b, const char *name, tn_error *err)
{
    const char **names = tn_calloc((size_t)b->n_visible + 1, sizeof *names);
    for (int i = 0; names && i < b->n_visible; i++) names[i] = b->visible[i]->entry.name;
    const char *near = names ? tn_nearest(name, names, (size_t)b->n_visible) : NULL;
    tn_fail(err, TN_NOT_FOUND, "checkpoint %s has no tensor '%s'", b->prefix, name);
    if (near) tn_note(err, "(there is '%s')", near);
    tn_free(names);
    return TN_NOT_FOUND;
}

tn_code tn_bundle_read(tn_bundle *b, const char *name, tn_tensor **out, tn_error *err)
{
    const item *it = tn_map_get(b->items, name);
    if (!it) return not_there(b, name, err);
    tn_code code = read_item(b, it, out, err);
    if (code != TN_OK) tn_wrap(err, "checkpoint %s: tensor '%s'", b->prefix, name);
    return code;
}

static tn_code read_part(tn_bundle *b, const item *it, const tn_slice *slice, tn_tensor **out, tn_error *err)
{
    tn_shape shape;
    TN_TRY(tn_slice_shape(slice, &it->entry.shape, &shape, err));
    for (int k = 0; k < it->entry.n_slices; k++) {
        if (!tn_slice_equal(slice, &it->slices[k], &it->entry.shape)) continue;
        const item *piece;
        TN_TRY(find_piece(b, it, k, &piece, err));
        return read_piece(b, piece, out, err);
    }
    tn_tensor *whole, *part = NULL;
    TN_TRY(read_item(b, it, &whole, err));
    tn_code code = tn_tensor_new(whole->dtype, &shape, &part, err);
    if (code == TN_OK) code = tn_slice_cut(whole, slice, part, err);
    tn_tensor_unref(whole);
    if (code != TN_OK) {
        tn_tensor_unref(part);
        return code;
    }
    *out = part;
    return TN_OK;
}

tn_code tn_bundle_read_slice(tn_bundle *b, const char *name, const tn_slice *slice, tn_tensor **out,
                             tn_error *err)
{
    const item *it = tn_map_get(b->items, name);
    if (!it) return not_there(b, name, err);
    tn_code code = read_part(b, it, slice, out, err);
    if (code != TN_OK) tn_wrap(err, "checkpoint %s: tensor '%s'", b->prefix, name);
    return code;
}

/* ---- whether all of it is there ---- */

/* Bytes as they are, a part at a time. */
static tn_code check_bytes(tn_bundle *b, const tn_bundle_entry *e, const atomic_int *cancel, tn_error *err)
{
    const char *path;
    uint32_t crc = 0;
    TN_TRY(find_shard(b, e, &path, err));
    if (!tn_buf_reserve(&b->part, CHECK_STEP)) return tn_buf_check(&b->part, err);
    for (uint64_t at = 0; at < e->size; at += CHECK_STEP) {
        size_t n = (size_t)TN_MIN(e->size - at, CHECK_STEP);
        if (cancel && atomic_load(cancel)) return tn_fail(err, TN_CANCELLED, "the check was cancelled");
        TN_TRY(tn_file_read_at(path, e->offset + at, b->part.data, n, err));
        crc = tn_crc32c(crc, b->part.data, n);
    }
    crc = tn_crc_mask(crc);
    return crc == e->crc32c ? TN_OK : crc_differs(b, e, crc, err);
}

static tn_code check_item(tn_bundle *b, const item *it, const atomic_int *cancel, tn_error *err)
{
    tn_tensor *t;
    if (it->entry.n_slices) { /* the pieces are items of their own */
        for (int k = 0; k < it->entry.n_slices; k++) {
            const item *piece;
            TN_TRY(find_piece(b, it, k, &piece, err));
        }
        return TN_OK;
    }
    if (it->entry.dtype != TN_STRING && !b->v1) return check_bytes(b, &it->entry, cancel, err);
    TN_TRY(read_piece(b, it, &t, err)); /* its checksum is not of the bytes as they are, or it has none */
    tn_tensor_unref(t);
    return TN_OK;
}

static tn_code check_items(tn_bundle *b, const atomic_int *cancel, tn_error *err)
{
    for (size_t i = 0; i < tn_map_count(b->items); i++) {
        const item *it = tn_map_value(b->items, i);
        tn_code code = check_item(b, it, cancel, err);
        if (code == TN_OK) continue;
        if (code != TN_CANCELLED)
            tn_wrap(err, "checkpoint %s: tensor '%s'", b->prefix, it->entry.name[0] ? it->entry.name : "(a slice)");
        return code;
    }
    return TN_OK;
}

tn_code tn_bundle_check(const char *prefix, const atomic_int *cancel, tn_error *err)
{
    tn_bundle *b;
    bool before = tn_file_copies_enter(true);
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code == TN_OK) {
        code = check_items(b, cancel, err);
        tn_bundle_close(b);
    }
    tn_file_copies_enter(before);
    return code;
}
