/* SPDX-License-Identifier: Apache-2.0
 *
 * idx.c - IDX, the format of the MNIST files: 0, 0, dtype, rank, sizes as big-endian 32-bit numbers, then
 * the elements, big-endian. Plain or gzip; gzip is expanded as it is needed, so that a file that claims to
 * be huge costs nothing.
 */
#include "format.h"

#include <zlib.h>

#define DEFAULT_LIMIT ((size_t)1 << 33)
#define GZIP_MOST 1032 /* a byte of gzip expands to no more */
#define PIECE ((size_t)1 << 20)

/* ---- where the bytes come from ---- */

typedef struct source {
    tn_view in;              /* what is left */
    bool gzip, ended, whole; /* whole: gzip's end was there, its check sum right */
    z_stream z;
    uint64_t at; /* bytes handed out */
} source;

static tn_code open_source(source *s, tn_view bytes, tn_error *err)
{
    *s = (source){.in = bytes,
                  .gzip = bytes.n >= 2 && (uint8_t)bytes.p[0] == 0x1f && (uint8_t)bytes.p[1] == 0x8b};
    if (s->gzip && inflateInit2(&s->z, 16 + MAX_WBITS) != Z_OK) return tn_no_memory(err, 0);
    return TN_OK;
}

static void close_source(source *s)
{
    if (s->gzip) inflateEnd(&s->z);
}

static tn_code short_of(const source *s, const char *what, uint64_t wanted, tn_error *err)
{
    return tn_fail(err, TN_DATA_LOSS, "cut short: %s ends at byte %llu, the file%s at byte %llu", what,
                   (unsigned long long)wanted, s->gzip ? " (expanded)" : "", (unsigned long long)s->at);
}

static tn_code inflate_some(source *s, uint8_t *out, size_t n, size_t *done, tn_error *err)
{
    s->z.next_in = (Bytef *)(uintptr_t)s->in.p;
    s->z.avail_in = (uInt)TN_MIN(s->in.n, PIECE);
    s->z.next_out = out;
    s->z.avail_out = (uInt)n;
    uInt given = s->z.avail_in;
    int r = inflate(&s->z, Z_NO_FLUSH);
    s->in.p += given - s->z.avail_in;
    s->in.n -= given - s->z.avail_in;
    *done = n - s->z.avail_out;
    s->whole = r == Z_STREAM_END;
    s->ended = s->whole || (r == Z_BUF_ERROR && s->in.n == 0);
    if (r == Z_OK || s->ended) return TN_OK;
    return tn_fail(err, TN_DATA_LOSS, "the gzip data is damaged after %llu bytes: %s",
                   (unsigned long long)(s->at + *done), s->z.msg ? s->z.msg : "unexpected end");
}

/* Fills out with the next n bytes. */
static tn_code take(source *s, void *out, size_t n, const char *what, tn_error *err)
{
    uint64_t wanted = s->at + n;
    if (!s->gzip) {
        size_t got = TN_MIN(n, s->in.n);
        if (got) memcpy(out, s->in.p, got);
        s->in.p += got;
        s->in.n -= got;
        s->at += got;
        return got == n ? TN_OK : short_of(s, what, wanted, err);
    }
    for (size_t filled = 0; filled < n;) {
        size_t done = 0;
        TN_TRY(inflate_some(s, (uint8_t *)out + filled, TN_MIN(n - filled, PIECE), &done, err));
        filled += done;
        s->at += done;
        if (s->ended && filled < n) return short_of(s, what, wanted, err);
    }
    return TN_OK;
}

/* The file ends where the data does; a gzip file's own check sum is looked at on the way. */
static tn_code check_end(source *s, tn_error *err)
{
    uint8_t more;
    size_t done = s->in.n;
    if (s->gzip && !s->ended)
        TN_TRY(inflate_some(s, &more, 1, &done, err));
    else if (s->gzip)
        done = 0;
    if (s->gzip && !done && !s->whole) return short_of(s, "gzip's check sum", s->at + 8, err);
    if (done)
        return tn_fail(err, TN_DATA_LOSS, "bytes are left after the data, which ends at byte %llu",
                       (unsigned long long)s->at);
    return TN_OK;
}

/* ---- the header ---- */

static tn_dtype idx_dtype(uint8_t code)
{
    switch (code) {
    case 0x08: return TN_UINT8;
    case 0x09: return TN_INT8;
    case 0x0b: return TN_INT16;
    case 0x0c: return TN_INT32;
    case 0x0d: return TN_FLOAT;
    case 0x0e: return TN_DOUBLE;
    default: return TN_INVALID_DTYPE;
    }
}

static tn_code read_header(source *s, tn_dtype *dtype, tn_shape *shape, tn_error *err)
{
    uint8_t h[4], d[4];
    TN_TRY(take(s, h, sizeof h, "the header", err));
    *dtype = idx_dtype(h[2]);
    if (h[0] || h[1] || *dtype == TN_INVALID_DTYPE)
        return tn_fail(err, TN_INVALID_ARGUMENT, "no IDX file: it begins with the bytes %02x %02x %02x %02x",
                       h[0], h[1], h[2], h[3]);
    if (h[3] > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d dimensions; at most %d are supported", h[3],
                       TN_MAX_RANK);
    *shape = (tn_shape){.rank = h[3]};
    for (int i = 0; i < shape->rank; i++) {
        TN_TRY(take(s, d, sizeof d, "the header", err));
        shape->dim[i] =
            (int64_t)(((uint32_t)d[0] << 24) | ((uint32_t)d[1] << 16) | ((uint32_t)d[2] << 8) | d[3]);
    }
    return TN_OK;
}

/* Before memory is taken: the size is within the limit, and the bytes there are can be so many. */
static tn_code check_size(const source *s, const tn_shape *shape, tn_dtype t, size_t limit, tn_error *err)
{
    int64_t count;
    char text[160];
    TN_TRY(tn_shape_count_checked(shape, &count, err));
    size_t size = tn_dtype_size(t);
    tn_shape_text(shape, text, sizeof text);
    if ((uint64_t)count > (limit ? limit : DEFAULT_LIMIT) / size)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s %s is over the limit of %zu bytes", tn_dtype_name(t),
                       text, limit ? limit : DEFAULT_LIMIT);
    uint64_t most = s->gzip ? (s->in.n + PIECE) * GZIP_MOST : s->in.n;
    if ((uint64_t)count * size > most)
        return tn_fail(
            err, TN_DATA_LOSS, "cut short: %s %s needs %llu bytes after the header, the file has %zu%s",
            tn_dtype_name(t), text, (unsigned long long)count * size, s->in.n, s->gzip ? " (gzip)" : "");
    return TN_OK;
}

/* ---- elements ---- */

static tn_code read_all(source *s, int64_t most, size_t limit, tn_tensor **out, tn_error *err)
{
    tn_dtype dtype;
    tn_shape shape;
    tn_tensor *t;
    TN_TRY(read_header(s, &dtype, &shape, err));
    bool part = most > 0 && shape.rank > 0 && shape.dim[0] > most;
    if (part) shape.dim[0] = most;
    TN_TRY(check_size(s, &shape, dtype, limit, err));
    TN_TRY(tn_tensor_alloc(dtype, &shape, &t, err));
    tn_code code = take(s, t->data, tn_tensor_bytes(t), "the data", err);
    if (code == TN_OK && !part) code = check_end(s, err);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    tn_swap_bytes(t->data, tn_tensor_bytes(t), tn_dtype_size(dtype));
    *out = t;
    return TN_OK;
}

tn_code tn_idx_decode(tn_view bytes, int64_t most, size_t limit, tn_tensor **out, tn_error *err)
{
    source s;
    TN_TRY(open_source(&s, bytes, err));
    tn_code code = read_all(&s, most, limit, out, err);
    close_source(&s);
    return code;
}

tn_code tn_idx_load(const char *path, int64_t most, size_t limit, tn_tensor **out, tn_error *err)
{
    tn_mapped file;
    TN_TRY(tn_file_map(path, &file, err));
    tn_code code = tn_idx_decode((tn_view){(const char *)file.data, file.n}, most, limit, out, err);
    tn_file_unmap(&file);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}
