/* SPDX-License-Identifier: Apache-2.0
 *
 * deflate.c - zlib's two containers, ZLIB and GZIP, as TFRecord files and HTTP bodies use them.
 *
 * Invariants: what comes out is bounded before it is kept, since a small input may expand a thousandfold;
 * zlib's memory is ours.
 */
#include <zlib.h>

#include "inflate.h"

#define PIECE ((size_t)64 << 10)

static void *take(void *unused, unsigned n, unsigned size)
{
    (void)unused;
    return tn_calloc(n, size);
}

static void give_back(void *unused, void *p)
{
    (void)unused;
    tn_free(p);
}

static int window(tn_compression c)
{
    return c == TN_GZIP ? 15 + 16 : 15;
}

static const char *name(tn_compression c)
{
    return c == TN_GZIP ? "GZIP" : "ZLIB";
}

/* ---- expanding ---- */

struct tn_inflater {
    z_stream z;
    tn_compression c;
    const char *end; /* of the input */
    size_t n;        /* bytes of the input */
    bool ended;
};

tn_code tn_inflater_new(tn_view in, tn_compression c, tn_inflater **out, tn_error *err)
{
    tn_inflater *z = tn_calloc(1, sizeof *z);
    if (!z) return tn_no_memory(err, sizeof *z);
    *z = (tn_inflater){.c = c, .end = in.p + in.n, .n = in.n};
    z->z = (z_stream){.zalloc = take, .zfree = give_back, .next_in = (Bytef *)in.p};
    if (inflateInit2(&z->z, window(c)) != Z_OK) {
        tn_free(z);
        return tn_no_memory(err, PIECE);
    }
    *out = z;
    return TN_OK;
}

void tn_inflater_free(tn_inflater *z)
{
    if (!z) return;
    inflateEnd(&z->z);
    tn_free(z);
}

static size_t input_left(const tn_inflater *z)
{
    return (size_t)(z->end - (const char *)z->z.next_in);
}

static tn_code damaged(const tn_inflater *z, const char *what, tn_error *err)
{
    return tn_fail(err, TN_DATA_LOSS, "%s: %s at byte %zu of %zu", name(z->c), what, z->n - input_left(z),
                   z->n);
}

/* After a stream's end: nothing more, or another GZIP member. */
static tn_code at_stream_end(tn_inflater *z, tn_error *err)
{
    if (!input_left(z)) {
        z->ended = true;
        return TN_OK;
    }
    if (z->c != TN_GZIP) return damaged(z, "bytes after the end", err);
    inflateReset(&z->z);
    return TN_OK;
}

tn_code tn_inflater_read(tn_inflater *z, void *to, size_t n, size_t *got, tn_error *err)
{
    char *start = to;
    z->z.next_out = to;
    for (;;) {
        size_t left = n - (size_t)((char *)z->z.next_out - start);
        if (!left || z->ended) {
            *got = n - left;
            return TN_OK;
        }
        z->z.avail_out = (uInt)TN_MIN(left, (size_t)1 << 30);
        z->z.avail_in = (uInt)TN_MIN(input_left(z), (size_t)1 << 30);
        int code = inflate(&z->z, Z_NO_FLUSH);
        if (code == Z_STREAM_END)
            TN_TRY(at_stream_end(z, err));
        else if (code == Z_MEM_ERROR)
            return tn_no_memory(err, PIECE);
        else if (code == Z_BUF_ERROR)
            return damaged(z, "cut short", err);
        else if (code != Z_OK)
            return damaged(z, z->z.msg ? z->z.msg : "damaged", err);
    }
}

tn_code tn_inflater_append(tn_inflater *z, tn_buf *out, size_t n, size_t *got, tn_error *err)
{
    size_t sum = 0;
    for (size_t piece = PIECE; sum < n; piece *= 2) {
        size_t want = TN_MIN(n - sum, piece), now;
        if (!tn_buf_reserve(out, want)) return tn_buf_check(out, err);
        TN_TRY(tn_inflater_read(z, out->data + out->n, want, &now, err));
        out->n += now;
        out->data[out->n] = 0;
        sum += now;
        if (now < want) break;
    }
    *got = sum;
    return TN_OK;
}

tn_code tn_inflate(tn_view in, tn_compression c, size_t limit, tn_buf *out, tn_error *err)
{
    if (!limit) limit = (size_t)1 << 31;
    if (c == TN_PLAIN) {
        if (in.n > limit)
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "more than the limit of %zu bytes", limit);
        tn_buf_add(out, in.p, in.n);
        return tn_buf_check(out, err);
    }
    tn_inflater *z;
    TN_TRY(tn_inflater_new(in, c, &z, err));
    size_t before = out->n, got = 0;
    tn_code code = tn_inflater_append(z, out, limit + 1, &got, err);
    tn_inflater_free(z);
    if (!code && got > limit)
        code = tn_fail(err, TN_RESOURCE_EXHAUSTED, "%s: expands to more than %zu bytes", name(c), limit);
    if (code && out->data) out->data[out->n = before] = 0;
    return code;
}

/* ---- shrinking ---- */

/* All of `in`, into the room that out has. */
static int shrink(z_stream *z, tn_view in, tn_buf *out)
{
    const char *end = in.p + in.n;
    z->next_in = (Bytef *)in.p;
    for (;;) {
        size_t left = (size_t)(end - (const char *)z->next_in);
        if (!tn_buf_reserve(out, PIECE)) return Z_MEM_ERROR;
        z->avail_in = (uInt)TN_MIN(left, (size_t)1 << 30);
        bool last = z->avail_in == left;
        z->next_out = (Bytef *)out->data + out->n;
        z->avail_out = (uInt)PIECE;
        int code = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
        out->n += PIECE - z->avail_out;
        out->data[out->n] = 0;
        if (code == Z_STREAM_END) return Z_OK;
        if (code != Z_OK && code != Z_BUF_ERROR) return code;
    }
}

tn_code tn_deflate(tn_view in, tn_compression c, int level, tn_buf *out, tn_error *err)
{
    if (level < -1 || level > 9)
        return tn_fail(err, TN_INVALID_ARGUMENT, "compression level %d is not -1 to 9", level);
    if (c == TN_PLAIN) {
        tn_buf_add(out, in.p, in.n);
        return tn_buf_check(out, err);
    }
    z_stream z = {.zalloc = take, .zfree = give_back};
    int code = deflateInit2(&z, level, Z_DEFLATED, window(c), 8, Z_DEFAULT_STRATEGY);
    if (code == Z_OK) {
        code = shrink(&z, in, out);
        deflateEnd(&z);
    }
    TN_TRY(tn_buf_check(out, err));
    return code == Z_OK ? TN_OK : tn_no_memory(err, PIECE);
}
