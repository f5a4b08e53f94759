/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle.c - what the reader and the writer of tensor bundles share: names of files, slices and their
 * keys. Reading is bundle_read.c's, writing bundle_write.c's.
 */
#include "bundle.h"

char *tn_bundle_shard_path(tn_arena *a, const char *prefix, int shard, int n)
{
    return tn_arena_printf(a, "%s.data-%05d-of-%05d", prefix, shard, n);
}

bool tn_bundle_half_placed(tn_arena *a, const char *prefix)
{
    char *index = tn_arena_printf(a, "%s.index" TN_BUNDLE_NEW, prefix);
    char *data = tn_arena_printf(a, "%s.data-00000-of-00001" TN_BUNDLE_NEW, prefix);
    return index && data && tn_file_exists(index) && !tn_file_exists(data);
}

char *tn_bundle_index_path(tn_arena *a, const char *prefix)
{
    return tn_arena_printf(a, "%s.index%s", prefix, tn_bundle_half_placed(a, prefix) ? TN_BUNDLE_NEW : "");
}

/* ---- ordered code: bytes that compare as the values do ---- */

static void put_ordered_string(const char *s, tn_buf *out)
{
    for (; *s; s++) {
        tn_buf_char(out, *s);
        if ((unsigned char)*s == 0xff) tn_buf_char(out, '\0');
    }
    tn_buf_add(out, "\0\1", 2);
}

/* How many bytes follow, then those, most significant first. */
static void put_ordered_uint(uint64_t v, tn_buf *out)
{
    char bytes[9];
    int n = 0;
    for (uint64_t rest = v; rest; rest >>= 8) n++;
    bytes[0] = (char)n;
    for (int i = 0; i < n; i++) bytes[1 + i] = (char)(v >> (8 * (n - 1 - i)));
    tn_buf_add(out, bytes, (size_t)n + 1);
}

/* Bytes needed: 7 bits in each, less one for the sign. */
static int ordered_length(uint64_t magnitude)
{
    int n = 1;
    while (n < 10 && magnitude >> (7 * n - 1)) n++;
    return n;
}

static void put_ordered_int(int64_t v, tn_buf *out)
{
    static const uint8_t header[11][2] = {{0, 0},    {0x80, 0},    {0xc0, 0},   {0xe0, 0},
                                          {0xf0, 0}, {0xf8, 0},    {0xfc, 0},   {0xfe, 0},
                                          {0xff, 0}, {0xff, 0x80}, {0xff, 0xc0}};
    uint8_t bytes[10];
    memset(bytes, v < 0 ? 0xff : 0, 2);
    for (int i = 0; i < 8; i++) bytes[2 + i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    int n = ordered_length(v < 0 ? ~(uint64_t)v : (uint64_t)v);
    uint8_t *p = bytes + 10 - n;
    p[0] ^= header[n][0];
    if (n > 1) p[1] ^= header[n][1];
    tn_buf_add(out, p, (size_t)n);
}

void tn_bundle_slice_key(const char *name, const tn_slice *s, tn_buf *out)
{
    put_ordered_uint(0, out);
    put_ordered_string(name, out);
    put_ordered_uint((uint64_t)s->rank, out);
    for (int i = 0; i < s->rank; i++) {
        put_ordered_int(s->start[i], out);
        put_ordered_int(s->length[i], out);
    }
}

/* ---- slices ---- */

tn_code tn_slice_shape(const tn_slice *s, const tn_shape *full, tn_shape *out, tn_error *err)
{
    char text[256];
    if (s->rank != full->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a slice of rank %d of a tensor of shape %s", s->rank,
                       tn_shape_text(full, text, sizeof text));
    tn_shape shape = {.rank = full->rank};
    for (int i = 0; i < full->rank; i++) {
        int64_t start = s->start[i], length = s->length[i] < 0 ? full->dim[i] - start : s->length[i];
        if (start < 0 || length < 0 || start > full->dim[i] || length > full->dim[i] - start)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "slice [%lld,+%lld] of dimension %d reaches outside shape %s", (long long)start,
                           (long long)length, i, tn_shape_text(full, text, sizeof text));
        shape.dim[i] = length;
    }
    *out = shape;
    return TN_OK;
}

tn_code tn_slice_to_proto(const tn_slice *s, tn_arena *a, tn_TensorSliceProto *out, tn_error *err)
{
    for (int i = 0; i < s->rank; i++) {
        tn_Extent *e = TN_PUSH(a, &out->extent);
        if (!e) return tn_no_memory(err, sizeof *e);
        if (s->length[i] < 0) continue; /* all of it */
        e->start = s->start[i];
        TN_SET(e, Extent, has_length_hack, length) = s->length[i];
    }
    return TN_OK;
}

bool tn_slice_equal(const tn_slice *a, const tn_slice *b, const tn_shape *full)
{
    tn_shape x, y;
    if (tn_slice_shape(a, full, &x, NULL) != TN_OK || tn_slice_shape(b, full, &y, NULL) != TN_OK)
        return false;
    if (!tn_shape_equal(&x, &y)) return false;
    return !memcmp(a->start, b->start, (size_t)a->rank * sizeof *a->start);
}

/* "4" of "4 10 0,2:-": a decimal that ends at `end`, or with the text where that may be. */
static bool take_number(const char **p, char end, bool or_text, int64_t *out)
{
    uint64_t v = 0;
    const char *s = *p;
    for (; *s >= '0' && *s <= '9'; s++) {
        if (v > (INT64_MAX - 9) / 10) return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    if (s == *p || (*s != end && !(or_text && *s == '\0'))) return false;
    *p = s;
    *out = (int64_t)v;
    return true;
}

static bool take_extent(const char **p, tn_slice *slice)
{
    int i = slice->rank++;
    if (**p == '-') {
        slice->start[i] = 0;
        slice->length[i] = -1;
        ++*p;
        return **p == ':' || **p == '\0';
    }
    if (!take_number(p, ',', false, &slice->start[i])) return false;
    ++*p;
    return take_number(p, ':', true, &slice->length[i]);
}

tn_code tn_slice_parse(const char *text, tn_shape *full, tn_slice *slice, tn_error *err)
{
    tn_shape shape = {0};
    tn_slice s = {0};
    const char *p = text;
    const char *dims_end = strrchr(text, ' ');
    bool ok = dims_end != NULL;
    while (ok && p < dims_end) {
        ok = shape.rank < TN_MAX_RANK && take_number(&p, ' ', false, &shape.dim[shape.rank]);
        shape.rank++;
        p++;
    }
    while (ok) {
        ok = s.rank < TN_MAX_RANK && take_extent(&p, &s);
        if (!ok || *p == '\0') break;
        p++;
    }
    if (!ok || s.rank != shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape and slice \"%.100s\" is malformed", text);
    tn_shape part;
    TN_TRY(tn_slice_shape(&s, &shape, &part, err));
    *full = shape;
    *slice = s;
    return TN_OK;
}

/* ---- copying between a tensor and a part of it ---- */

typedef struct walk {
    const tn_slice *slice;
    tn_shape shape; /* of the part */
    int64_t stride[TN_MAX_RANK], index[TN_MAX_RANK];
} walk;

static int64_t walk_offset(const walk *w)
{
    int64_t at = 0;
    for (int i = 0; i < w->shape.rank; i++) at += (w->slice->start[i] + w->index[i]) * w->stride[i];
    return at;
}

/* The next row (along the last dimension); false: that was the last. */
static bool walk_next(walk *w)
{
    for (int i = w->shape.rank - 2; i >= 0; i--) {
        if (++w->index[i] < w->shape.dim[i]) return true;
        w->index[i] = 0;
    }
    return false;
}

static tn_code copy_row(tn_tensor *to, int64_t to_at, const tn_tensor *from, int64_t from_at, int64_t n,
                        tn_error *err)
{
    size_t size = tn_dtype_size(to->dtype);
    if (tn_dtype_is_pod(to->dtype)) {
        memcpy((char *)to->data + (size_t)to_at * size, (char *)from->data + (size_t)from_at * size,
               (size_t)n * size);
        return TN_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        const tn_string *s = &TN_STRINGS(from)[from_at + i];
        TN_TRY(tn_string_set(to, to_at + i, s->p, s->n, err));
    }
    return TN_OK;
}

static tn_code copy_slice(tn_tensor *to, const tn_tensor *from, const tn_tensor *full, const tn_slice *s,
                          tn_error *err)
{
    walk w = {.slice = s};
    TN_TRY(tn_slice_shape(s, &full->shape, &w.shape, err));
    tn_shape_strides(&full->shape, w.stride);
    if (tn_shape_count(&w.shape) == 0) return TN_OK;
    int64_t row = w.shape.rank ? w.shape.dim[w.shape.rank - 1] : 1, at = 0;
    do {
        int64_t there = walk_offset(&w);
        TN_TRY(copy_row(to, to == full ? there : at, from, to == full ? at : there, row, err));
        at += row;
    } while (walk_next(&w));
    return TN_OK;
}

tn_code tn_slice_cut(const tn_tensor *full, const tn_slice *s, tn_tensor *part, tn_error *err)
{
    return copy_slice(part, full, full, s, err);
}

tn_code tn_slice_put(tn_tensor *full, const tn_slice *s, const tn_tensor *part, tn_error *err)
{
    return copy_slice(full, part, full, s, err);
}

const char *tn_bundle_name(const tn_bundle *b, int i)
{
    return tn_bundle_at(b, i)->name;
}
