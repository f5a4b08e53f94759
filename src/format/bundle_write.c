/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_write.c - writes a tensor bundle of one shard, byte for byte as TensorFlow's SaveV2 does.
 *
 * Invariants: the checkpoint that was there before stays whole until both new files are on the disk: they
 * are written beside it (*.new) and renamed, data first. A failure before that removes them.
 */
#include "bundle.h"

typedef struct record {
    const char *key;
    size_t key_size;
    tn_BundleEntryProto *proto;
} record;

struct tn_bundle_writer {
    tn_arena *arena;
    char *data, *data_new, *index, *index_new; /* paths */
    tn_writer *file;
    tn_map *records;  /* key -> record */
    tn_v1_writer *v1; /* writes in its place, what Saver's V1 does; NULL: none */
    tn_error first;   /* failure */
};

static bool writer_paths(tn_bundle_writer *w, const char *prefix)
{
    w->data = tn_bundle_shard_path(w->arena, prefix, 0, 1);
    w->index = tn_arena_printf(w->arena, "%s.index", prefix);
    if (!w->data || !w->index) return false;
    w->data_new = tn_arena_printf(w->arena, "%s" TN_BUNDLE_NEW, w->data);
    w->index_new = tn_arena_printf(w->arena, "%s" TN_BUNDLE_NEW, w->index);
    return w->data_new && w->index_new;
}

/* What a crash may have left: an index that only had to be renamed, or files that are of no use. */
static tn_code settle(const tn_bundle_writer *w, const char *prefix, tn_error *err)
{
    if (tn_bundle_half_placed(w->arena, prefix)) return tn_rename(w->index_new, w->index, err);
    TN_TRY(tn_remove_file(w->index_new, err));
    return tn_remove_file(w->data_new, err);
}

static void free_writer(tn_bundle_writer *w)
{
    tn_writer_abandon(w->file);
    tn_v1_writer_free(w->v1);
    tn_map_free(w->records);
    tn_arena_free(w->arena);
    tn_free(w);
}

tn_code tn_bundle_writer_open(const char *prefix, tn_bundle_writer **out, tn_error *err)
{
    tn_bundle_writer *w = tn_calloc(1, sizeof *w);
    if (!w) return tn_no_memory(err, sizeof *w);
    w->arena = tn_arena_new(0);
    w->records = tn_map_new();
    tn_code code = w->arena && w->records && writer_paths(w, prefix) ? TN_OK : tn_no_memory(err, sizeof *w);
    if (code == TN_OK) code = settle(w, prefix, err);
    if (code == TN_OK) code = tn_writer_open(w->data_new, &w->file, err);
    if (code != TN_OK) {
        free_writer(w);
        return code;
    }
    *out = w;
    return TN_OK;
}

tn_code tn_bundle_writer_open_v1(const char *prefix, tn_bundle_writer **out, tn_error *err)
{
    tn_bundle_writer *w = tn_calloc(1, sizeof *w);
    if (!w) return tn_no_memory(err, sizeof *w);
    w->arena = tn_arena_new(0);
    w->index = w->arena ? tn_arena_strdup(w->arena, prefix) : NULL;
    tn_code code = w->index ? tn_v1_writer_open(prefix, &w->v1, err) : tn_no_memory(err, strlen(prefix));
    if (code == TN_OK)
        *out = w;
    else
        free_writer(w);
    return code;
}

/* ---- tensors ---- */

static uint32_t put_numbers(tn_bundle_writer *w, const tn_tensor *t)
{
    size_t n = tn_tensor_bytes(t);
    if (n) tn_writer_put(w->file, t->data, n);
    return tn_crc_mask(tn_crc32c(0, t->data, n));
}

/* The layout is told at read_lengths in bundle_read.c. */
static uint32_t put_strings(tn_bundle_writer *w, const tn_tensor *t)
{
    int64_t count = tn_tensor_count(t);
    uint32_t crc = 0;
    uint8_t bytes[TN_VARINT_MOST];
    for (int64_t i = 0; i < count; i++) {
        size_t n = TN_STRINGS(t)[i].n;
        tn_writer_put(w->file, bytes, tn_varint_put(bytes, n));
        tn_put64(bytes, n);
        crc = tn_crc32c(crc, bytes, n <= UINT32_MAX ? 4 : 8);
    }
    tn_put32(bytes, tn_crc_mask(crc));
    tn_writer_put(w->file, bytes, 4);
    crc = tn_crc32c(crc, bytes, 4);
    for (int64_t i = 0; i < count; i++) {
        const tn_string *s = &TN_STRINGS(t)[i];
        if (!s->n) continue;
        tn_writer_put(w->file, s->p, s->n);
        crc = tn_crc32c(crc, s->p, s->n);
    }
    return tn_crc_mask(crc);
}

static tn_code new_record(tn_bundle_writer *w, tn_view key, tn_dtype t, const tn_shape *shape, record **out,
                          tn_error *err)
{
    record *r = TN_NEW(w->arena, record);
    char *copy = tn_arena_strndup(w->arena, key.p, key.n);
    tn_BundleEntryProto *p = TN_NEW(w->arena, tn_BundleEntryProto);
    tn_TensorShapeProto *s = TN_NEW(w->arena, tn_TensorShapeProto);
    if (!r || !copy || !p || !s || !tn_map_put_view(w->records, key, r))
        return tn_no_memory(err, sizeof *r + key.n);
    *r = (record){copy, key.n, p};
    TN_TRY(tn_shape_to_proto(shape, w->arena, s, err));
    p->dtype = t;
    p->shape = s;
    *out = r;
    return TN_OK;
}

static tn_code put_tensor(tn_bundle_writer *w, tn_view key, const tn_tensor *t, tn_error *err)
{
    if (t->dtype != TN_STRING && !tn_dtype_is_pod(t->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "dtype %s cannot be saved", tn_dtype_name(t->dtype));
    record *r;
    TN_TRY(new_record(w, key, t->dtype, &t->shape, &r, err));
    uint64_t at = tn_writer_at(w->file);
    uint32_t crc = t->dtype == TN_STRING ? put_strings(w, t) : put_numbers(w, t);
    r->proto->offset = (int64_t)at;
    r->proto->size = (int64_t)(tn_writer_at(w->file) - at);
    r->proto->crc32c = crc;
    return TN_OK;
}

/* Keeps the first failure, and gives it again to whoever goes on. */
static tn_code keep(tn_bundle_writer *w, const char *name, tn_code code, tn_error *local, tn_error *err)
{
    if (code == TN_OK) return TN_OK;
    tn_wrap(local, "%s: tensor '%s'", w->index, name);
    w->first = *local;
    if (err) *err = *local;
    return code;
}

static tn_code failed_before(const tn_bundle_writer *w, tn_error *err)
{
    if (err) *err = w->first;
    return w->first.code;
}

tn_code tn_bundle_add(tn_bundle_writer *w, const char *name, const tn_tensor *t, tn_error *err)
{
    if (w->first.code) return failed_before(w, err);
    tn_error local = {0};
    tn_code code;
    if (!*name)
        code = tn_fail(&local, TN_INVALID_ARGUMENT, "an empty name");
    else if (w->v1)
        code = tn_v1_add(w->v1, name, &t->shape, NULL, t, &local);
    else if (tn_map_has(w->records, name))
        code = tn_fail(&local, TN_ALREADY_EXISTS, "is there already");
    else
        code = put_tensor(w, tn_view_of(name), t, &local);
    return keep(w, name, code, &local, err);
}

/* The record of the whole tensor: made by its first slice, checked by the others. */
static tn_code whole_record(tn_bundle_writer *w, const char *name, const tn_shape *full, tn_dtype t,
                            record **out, tn_error *err)
{
    record *r = tn_map_get(w->records, name);
    if (!r) return new_record(w, tn_view_of(name), t, full, out, err);
    tn_shape shape;
    TN_TRY(tn_shape_from_proto(r->proto->shape, &shape, err));
    if (!r->proto->slices.n) return tn_fail(err, TN_ALREADY_EXISTS, "is there already");
    if (!tn_shape_equal(&shape, full) || r->proto->dtype != (int32_t)t)
        return tn_fail(err, TN_INVALID_ARGUMENT, "slices disagree on the full shape or the dtype");
    *out = r;
    return TN_OK;
}

static tn_code list_slice(tn_bundle_writer *w, record *r, const tn_slice *s, tn_error *err)
{
    tn_TensorSliceProto *p = TN_PUSH(w->arena, &r->proto->slices);
    return p ? tn_slice_to_proto(s, w->arena, p, err) : tn_no_memory(err, sizeof *p);
}

static tn_code put_slice(tn_bundle_writer *w, const char *name, const tn_shape *full, const tn_slice *slice,
                         const tn_tensor *t, tn_error *err)
{
    tn_shape shape;
    if (w->v1) return tn_v1_add(w->v1, name, full, slice, t, err);
    TN_TRY(tn_slice_shape(slice, full, &shape, err));
    if (!tn_shape_equal(&shape, &t->shape)) {
        char a[128], b[128];
        return tn_fail(err, TN_INVALID_ARGUMENT, "a value of shape %s for a slice of shape %s",
                       tn_shape_text(&t->shape, a, sizeof a), tn_shape_text(&shape, b, sizeof b));
    }
    record *r;
    TN_TRY(whole_record(w, name, full, t->dtype, &r, err));
    tn_buf key = {0};
    tn_bundle_slice_key(name, slice, &key);
    tn_code code = tn_buf_check(&key, err);
    tn_view view = {key.data, key.n};
    if (code == TN_OK && tn_map_get_view(w->records, view))
        code = tn_fail(err, TN_ALREADY_EXISTS, "has this slice already");
    if (code == TN_OK) code = list_slice(w, r, slice, err);
    if (code == TN_OK) code = put_tensor(w, view, t, err);
    tn_buf_free(&key);
    return code;
}

tn_code tn_bundle_add_slice(tn_bundle_writer *w, const char *name, const tn_shape *full,
                            const tn_slice *slice, const tn_tensor *t, tn_error *err)
{
    if (w->first.code) return failed_before(w, err);
    tn_error local = {0};
    tn_code code = *name ? put_slice(w, name, full, slice, t, &local)
                         : tn_fail(&local, TN_INVALID_ARGUMENT, "an empty name");
    return keep(w, name, code, &local, err);
}

/* ---- the index ---- */

static int by_key(const void *a, const void *b)
{
    const record *x = *(record *const *)a, *y = *(record *const *)b;
    int c = memcmp(x->key, y->key, TN_MIN(x->key_size, y->key_size));
    return c ? c : (x->key_size > y->key_size) - (x->key_size < y->key_size);
}

static tn_code header_bytes(tn_buf *out, tn_error *err)
{
    tn_VersionDef version = {.producer = TN_BUNDLE_VERSION};
    tn_BundleHeaderProto header = {.num_shards = 1, .endianness = TN_Endianness_LITTLE, .version = &version};
    return TN_ENCODE(BundleHeaderProto, &header, out, err);
}

static tn_code add_records(tn_bundle_writer *w, tn_table_writer *table, tn_error *err)
{
    size_t n = tn_map_count(w->records);
    record **all = TN_ARRAY(w->arena, n + 1, record *);
    if (!all) return tn_no_memory(err, n * sizeof *all);
    for (size_t i = 0; i < n; i++) all[i] = tn_map_value(w->records, i);
    qsort(all, n, sizeof *all, by_key);
    tn_buf value = {0};
    tn_code code = header_bytes(&value, err);
    if (code == TN_OK) tn_table_add(table, (tn_view){"", 0}, (tn_view){value.data, value.n});
    for (size_t i = 0; i < n && code == TN_OK; i++) {
        tn_buf_clear(&value);
        code = TN_ENCODE(BundleEntryProto, all[i]->proto, &value, err);
        if (code == TN_OK)
            tn_table_add(table, (tn_view){all[i]->key, all[i]->key_size}, (tn_view){value.data, value.n});
    }
    tn_buf_free(&value);
    return code;
}

static tn_code write_index(tn_bundle_writer *w, tn_error *err)
{
    tn_buf bytes = {0};
    tn_table_writer *table = NULL;
    tn_code code = tn_table_writer_new(NULL, &bytes, &table, err);
    if (code == TN_OK) code = add_records(w, table, err);
    tn_code finished = tn_table_finish(table, code == TN_OK ? err : NULL);
    if (code == TN_OK) code = finished;
    if (code == TN_OK) code = tn_file_write(w->index_new, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

/* The index first: alone, it would be taken for one that only has to be renamed. */
static void remove_new(const tn_bundle_writer *w)
{
    tn_remove_file(w->index_new, NULL);
    tn_remove_file(w->data_new, NULL);
}

/* Both new files in place of the old. Once the data is renamed (its folder may still fail to be synced)
 * there is no way back: the index follows, or stays under its .new name and is found there by whoever
 * opens the bundle. */
static tn_code place(tn_bundle_writer *w, tn_error *err)
{
    tn_code code = tn_rename(w->data_new, w->data, err);
    if (code != TN_OK && tn_file_exists(w->data_new)) {
        remove_new(w);
        return code;
    }
    tn_code second = tn_rename(w->index_new, w->index, code == TN_OK ? err : NULL);
    return code != TN_OK ? code : second;
}

tn_code tn_bundle_commit(tn_bundle_writer *w, tn_error *err)
{
    tn_code code = w->first.code ? failed_before(w, err) : TN_OK;
    if (code == TN_OK && w->v1) {
        code = tn_v1_commit(w->v1, err);
    } else if (code == TN_OK) {
        code = tn_writer_commit(w->file, err);
        w->file = NULL;
        if (code == TN_OK) code = write_index(w, err);
        if (code == TN_OK)
            code = place(w, err);
        else
            remove_new(w);
    }
    free_writer(w);
    return code;
}

void tn_bundle_abandon(tn_bundle_writer *w)
{
    if (w) free_writer(w);
}
