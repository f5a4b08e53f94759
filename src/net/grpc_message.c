/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_message.c - messages in a gRPC stream: five bytes (compressed or not, length), then the bytes.
 *
 * Invariants: memory for a message grows as its bytes come, whatever its length is said to be.
 */
#include "grpc_text.h"

#define FIRST_ROOM ((size_t)1 << 20)
#define KEPT ((size_t)64 << 10)  /* of a buffer that is used again */
#define LEAST 256                /* bytes worth compressing */

static tn_code too_large(size_t n, size_t limit, tn_error *err)
{
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "Received message larger than max (%zu vs. %zu)", n, limit);
}

static void take(tn_view *in, size_t n)
{
    in->p += n;
    in->n -= n;
}

static tn_code begin(tn_grpc_reader *r, tn_error *err)
{
    const unsigned char *p = r->prefix;
    r->length = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    tn_buf_clear(&r->raw);
    if (p[0] > 1) return tn_fail(err, TN_INTERNAL, "Bad GRPC frame type 0x%02x", p[0]);
    if (p[0] && r->coding == TN_GRPC_UNKNOWN)
        return tn_fail(err, TN_UNIMPLEMENTED, "a message is compressed in a way that is not known here");
    if (p[0] && r->coding == TN_GRPC_IDENTITY)
        return tn_fail(err, TN_INTERNAL, "a message is marked as compressed, but there is no grpc-encoding");
    if (r->length > r->limit) return too_large(r->length, r->limit, err);
    return TN_OK;
}

static tn_code collect(tn_grpc_reader *r, tn_view *in, tn_error *err)
{
    size_t n = TN_MIN(in->n, r->length - r->raw.n);
    if (r->raw.n + n > r->raw.cap || !r->raw.data) {
        size_t room = TN_MIN((size_t)r->length, TN_MAX(r->raw.n * 2, FIRST_ROOM));
        tn_buf_reserve(&r->raw, TN_MAX(room, r->raw.n + n) - r->raw.n + 1);
    }
    tn_buf_add(&r->raw, in->p, n);
    take(in, n);
    return tn_buf_check(&r->raw, err);
}

static tn_code expand(tn_grpc_reader *r, tn_view *message, tn_error *err)
{
    tn_compression c = r->coding == TN_GRPC_GZIP ? TN_GZIP : TN_ZLIB;
    tn_error inner;
    tn_buf_clear(&r->expanded);
    tn_view in = {r->raw.n ? r->raw.data : "", r->raw.n};
    tn_code code = tn_inflate(in, c, r->limit, &r->expanded, &inner);
    if (code == TN_RESOURCE_EXHAUSTED && r->expanded.failed == TN_OK) return too_large(r->limit + 1, r->limit, err);
    if (code) return tn_fail(err, code == TN_DATA_LOSS ? TN_INTERNAL : code, "%s", inner.message);
    *message = (tn_view){r->expanded.n ? r->expanded.data : "", r->expanded.n};
    return TN_OK;
}

tn_code tn_grpc_read(tn_grpc_reader *r, tn_view *in, bool *done, tn_view *message, tn_error *err)
{
    *done = false;
    while (r->n_prefix < TN_GRPC_PREFIX) {
        if (!in->n) return TN_OK;
        r->prefix[r->n_prefix++] = (unsigned char)*in->p;
        take(in, 1);
        if (r->n_prefix == TN_GRPC_PREFIX) TN_TRY(begin(r, err));
    }
    if (in->n && r->raw.n < r->length) TN_TRY(collect(r, in, err));
    if (r->raw.n < r->length) return TN_OK;
    r->n_prefix = 0;
    *message = (tn_view){r->raw.n ? r->raw.data : "", r->raw.n};
    if (r->prefix[0]) TN_TRY(expand(r, message, err));
    *done = true;
    return TN_OK;
}

bool tn_grpc_read_began(const tn_grpc_reader *r)
{
    return r->n_prefix > 0;
}

static void shrink(tn_buf *b)
{
    if (b->cap > KEPT)
        tn_buf_free(b);
    else
        tn_buf_clear(b);
}

void tn_grpc_reader_reset(tn_grpc_reader *r)
{
    shrink(&r->raw);
    shrink(&r->expanded);
    r->n_prefix = 0;
    r->coding = TN_GRPC_IDENTITY;
}

void tn_grpc_reader_free(tn_grpc_reader *r)
{
    tn_buf_free(&r->raw);
    tn_buf_free(&r->expanded);
}

bool tn_grpc_compress(tn_buf *body, tn_grpc_coding c)
{
    tn_buf smaller = {0};
    if (body->n < LEAST || c == TN_GRPC_IDENTITY || c >= TN_GRPC_UNKNOWN) return false;
    tn_code code = tn_deflate((tn_view){body->data, body->n}, c == TN_GRPC_GZIP ? TN_GZIP : TN_ZLIB, 1, &smaller, NULL);
    if (code || smaller.n >= body->n) {
        tn_buf_free(&smaller);
        return false;
    }
    tn_buf_free(body);
    *body = smaller;
    return true;
}

void tn_grpc_prefix(unsigned char prefix[TN_GRPC_PREFIX], bool compressed, size_t n)
{
    prefix[0] = compressed;
    for (int i = 1; i < TN_GRPC_PREFIX; i++) prefix[i] = (unsigned char)(n >> (8 * (TN_GRPC_PREFIX - 1 - i)));
}
