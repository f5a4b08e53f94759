/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_read.c - reads a tensor bundle's tensors, whole, in slices or together with their pieces, from the
 * shards. The index is bundle_index.c's.
 *
 * Invariants: every byte of a tensor is checked against its crc before it is handed out; sizes in the
 * index are checked against the shard before memory is taken.
 */
#include "bundle_index.h"

#define CHECK_STEP ((size_t)1 << 20)
#define LEAST_FORGOTTEN ((size_t)4 << 20)
#define LEAST_MAPPED ((uint64_t)64 << 10) /* smaller tensors are copied, to where kernels like them */

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
    return tn_fail(err, TN_DATA_LOSS,
                   "%s: cut short: %llu bytes at offset %llu are wanted, the file has %llu", *path,
                   (unsigned long long)e->size, (unsigned long long)e->offset, (unsigned long long)there);
}

/* The tensor's bytes, until the next call. */
static tn_code locate(tn_bundle *b, const tn_bundle_item *it, tn_view *out, tn_error *err)
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

/* Of what is mapped; what is large is not kept in memory behind it, but read again by whoever looks at it. */
static uint32_t crc_of_file(char *p, size_t size)
{
    const size_t step = size >= LEAST_FORGOTTEN ? CHECK_STEP : size;
    uint32_t crc = 0;
    for (size_t at = 0; at < size; at += step) {
        const size_t n = TN_MIN(size - at, step);
        tn_pages_want(p + at, n);
        crc = tn_crc32c(crc, p + at, n);
        if (step < size) tn_pages_forget(p + at, n);
    }
    return tn_crc_mask(crc);
}

/* A large tensor stays in the file, in a mapping of its own, so that nobody else sees what becomes of it. */
static tn_code map_numbers(tn_bundle *b, const tn_bundle_entry *e, tn_tensor **out, tn_error *err)
{
    char *path = tn_bundle_shard_path(b->arena, b->prefix, e->shard, b->n_shards);
    tn_mapped *m = tn_calloc(1, sizeof *m);
    tn_buffer *buffer = tn_calloc(1, sizeof *buffer);
    void *at = NULL;
    tn_code code =
        path && m && buffer ? tn_file_map_part(path, e->offset, e->size, m, &at, err) : tn_no_memory(err, 0);
    if (code != TN_OK) {
        tn_free(m);
        tn_free(buffer);
        return code;
    }
    *buffer = (tn_buffer){.data = at, .size = e->size, .release = release_mapping, .owner = m};
    atomic_init(&buffer->refs, 1);
    uint32_t crc = crc_of_file(at, e->size);
    code = crc == e->crc32c ? tn_tensor_on(e->dtype, &e->shape, buffer, at, out, err)
                            : crc_differs(b, e, crc, err);
    tn_buffer_unref(buffer);
    return code;
}

static bool is_mappable(const tn_bundle_entry *e)
{
    return e->size >= LEAST_MAPPED && e->dtype != TN_BOOL && e->offset % tn_dtype_size(e->dtype) == 0;
}

static tn_code copy_bytes(tn_bundle *b, const tn_bundle_entry *e, const char *path, void *to, tn_error *err)
{
    if (b->copies)
        TN_TRY(tn_file_read_at(path, e->offset, to, e->size, err));
    else if (e->size)
        memcpy(to, b->shards[e->shard].data + e->offset, e->size);
    uint32_t crc = tn_crc_mask(tn_crc32c(0, to, e->size));
    return crc == e->crc32c ? TN_OK : crc_differs(b, e, crc, err);
}

static tn_code read_numbers(tn_bundle *b, const tn_bundle_entry *e, int64_t count, tn_tensor **out,
                            tn_error *err)
{
    const char *path;
    uint64_t want = (uint64_t)count * tn_dtype_size(e->dtype); /* count * 16 fits: the shape was checked */
    TN_TRY(find_shard(b, e, &path, err));
    if (e->size != want)
        return tn_fail(err, TN_DATA_LOSS, "%llu bytes are stored, the shape wants %llu",
                       (unsigned long long)e->size, (unsigned long long)want);
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

static tn_code read_piece(tn_bundle *b, const tn_bundle_item *it, tn_tensor **out, tn_error *err)
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

static tn_code find_piece(const tn_bundle *b, const tn_bundle_item *whole, int k, const tn_bundle_item **out,
                          tn_error *err)
{
    tn_buf key = {0};
    tn_bundle_slice_key(whole->entry.name, &whole->slices[k], &key);
    tn_code code = tn_buf_check(&key, err);
    const tn_bundle_item *it = code == TN_OK ? tn_map_get_view(b->items, (tn_view){key.data, key.n}) : NULL;
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

static tn_code put_piece(tn_bundle *b, const tn_bundle_item *it, int k, tn_tensor *whole, tn_error *err)
{
    const tn_bundle_item *piece;
    tn_tensor *part;
    TN_TRY(find_piece(b, it, k, &piece, err));
    TN_TRY(read_piece(b, piece, &part, err));
    tn_code code = tn_slice_put(whole, &it->slices[k], part, err);
    tn_tensor_unref(part);
    return code;
}

static tn_code check_there(tn_bundle *b, const tn_bundle_item *it, tn_error *err)
{
    const char *path;
    tn_view bytes;
    return b->v1 ? locate(b, it, &bytes, err) : find_shard(b, &it->entry, &path, err);
}

/* The pieces must be as many elements as the whole, each of which is in the shards: so the memory that
 * is taken for the whole is bounded by the files. */
static tn_code check_cover(tn_bundle *b, const tn_bundle_item *it, tn_error *err)
{
    int64_t count, sum = 0;
    TN_TRY(tn_shape_count_checked(&it->entry.shape, &count, err));
    for (int k = 0; k < it->entry.n_slices; k++) {
        const tn_bundle_item *piece;
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
    const tn_bundle_item *it = b->visible[i];
    const tn_bundle_entry *e = &it->entry;
    tn_bundle_info info = {e->name,  e->dtype,   e->shape, (int64_t)e->size, (int64_t)e->offset,
                           e->shard, e->n_slices};
    for (int k = 0; k < e->n_slices; k++) {
        const tn_bundle_item *piece;
        if (find_piece(b, it, k, &piece, NULL) == TN_OK) info.bytes += (int64_t)piece->entry.size;
    }
    return info;
}

tn_code tn_bundle_piece_at(const tn_bundle *b, int i, int k, tn_bundle_piece *out, tn_error *err)
{
    const tn_bundle_item *it = b->visible[i], *piece;
    TN_TRY(find_piece(b, it, k, &piece, err));
    const tn_bundle_entry *e = &piece->entry;
    *out = (tn_bundle_piece){
        .shape = e->shape, .bytes = (int64_t)e->size, .offset = (int64_t)e->offset, .shard = e->shard};
    out->start.rank = it->slices[k].rank;
    memcpy(out->start.dim, it->slices[k].start, sizeof out->start.dim);
    return TN_OK;
}

static tn_code read_item(tn_bundle *b, const tn_bundle_item *it, tn_tensor **out, tn_error *err)
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
    const tn_bundle_item *it = tn_map_get(b->items, name);
    if (!it) return not_there(b, name, err);
    tn_code code = read_item(b, it, out, err);
    if (code != TN_OK) tn_wrap(err, "checkpoint %s: tensor '%s'", b->prefix, name);
    return code;
}

tn_code tn_bundle_read_kept(tn_bundle *b, const char *name, tn_tensor **out, tn_error *err)
{
    TN_TRY(tn_bundle_read(b, name, out, err));
    tn_buffer *buffer = (*out)->buffer;
    if (buffer) buffer->of_file = buffer->release == release_mapping;
    return TN_OK;
}

static tn_code read_part(tn_bundle *b, const tn_bundle_item *it, const tn_slice *slice, tn_tensor **out,
                         tn_error *err)
{
    tn_shape shape;
    TN_TRY(tn_slice_shape(slice, &it->entry.shape, &shape, err));
    for (int k = 0; k < it->entry.n_slices; k++) {
        if (!tn_slice_equal(slice, &it->slices[k], &it->entry.shape)) continue;
        const tn_bundle_item *piece;
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
    const tn_bundle_item *it = tn_map_get(b->items, name);
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

static tn_code check_item(tn_bundle *b, const tn_bundle_item *it, const atomic_int *cancel, tn_error *err)
{
    tn_tensor *t;
    if (it->entry.n_slices) { /* the pieces are items of their own */
        for (int k = 0; k < it->entry.n_slices; k++) {
            const tn_bundle_item *piece;
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
        const tn_bundle_item *it = tn_map_value(b->items, i);
        tn_code code = check_item(b, it, cancel, err);
        if (code == TN_OK) continue;
        if (code != TN_CANCELLED)
            tn_wrap(err, "checkpoint %s: tensor '%s'", b->prefix,
                    it->entry.name[0] ? it->entry.name : "(a slice)");
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
