/* SPDX-License-Identifier: Apache-2.0
 *
 * snappy_stream.c - bytes compressed by snappy as TensorFlow's files have them: blocks one after another, each after
 * its length in four bytes, the highest first; and single ones. Blocks in sorted tables are sstable.c's.
 *
 * Invariants: what a block says it expands to is checked against the limit, and against what so few bytes can hold,
 * before memory is taken.
 */
#include <snappy-c.h>

#include "wire.h"

#define MOST_TIMES 64                /* how much snappy can expand; 21 in truth */
#define BLOCK ((size_t)1 << 17)      /* of what is compressed: TensorFlow's readers take 256 KB */
#define USUAL_LIMIT ((size_t)1 << 31)

static size_t block_length(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static tn_code expand_block(tn_view block, size_t at, size_t limit, tn_buf *out, tn_error *err)
{
    size_t n;
    if (snappy_uncompressed_length(block.p, block.n, &n) != SNAPPY_OK || n / MOST_TIMES > block.n)
        return tn_fail(err, TN_DATA_LOSS, "the snappy block at byte %zu is damaged", at);
    if (n > limit)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the snappy block at byte %zu expands beyond the limit", at);
    if (!tn_buf_reserve(out, n)) return tn_no_memory(err, n);
    if (snappy_uncompress(block.p, block.n, out->data + out->n, &n) != SNAPPY_OK)
        return tn_fail(err, TN_DATA_LOSS, "the snappy block at byte %zu is damaged", at);
    out->n += n;
    return TN_OK;
}

tn_code tn_snappy_expand(tn_view in, size_t limit, tn_buf *out, tn_error *err)
{
    const size_t all = limit ? limit : USUAL_LIMIT, before = out->n;
    for (size_t at = 0, n; at < in.n; at += n) {
        if (in.n - at < 4 || (n = block_length(in.p + at)) > in.n - at - 4)
            return tn_fail(err, TN_DATA_LOSS, "the snappy block at byte %zu is cut short", at);
        TN_TRY(expand_block((tn_view){in.p + at + 4, n}, at, all - (out->n - before), out, err));
        n += 4;
    }
    return TN_OK;
}

static tn_code squeeze_block(tn_view in, tn_buf *out, size_t *n, tn_error *err)
{
    *n = snappy_max_compressed_length(in.n);
    if (!tn_buf_reserve(out, *n)) return tn_no_memory(err, *n);
    if (snappy_compress(in.p, in.n, out->data + out->n, n) != SNAPPY_OK)
        return tn_fail(err, TN_INTERNAL, "snappy could not compress %zu bytes", in.n);
    out->n += *n;
    return TN_OK;
}

tn_code tn_snappy_squeeze(tn_view in, tn_buf *out, tn_error *err)
{
    for (size_t at = 0; at < in.n; at += BLOCK) {
        size_t n, head = out->n;
        tn_buf_add(out, "\0\0\0", 4);
        TN_TRY(tn_buf_check(out, err));
        TN_TRY(squeeze_block((tn_view){in.p + at, TN_MIN(in.n - at, BLOCK)}, out, &n, err));
        for (int k = 0; k < 4; k++) out->data[head + (size_t)k] = (char)(n >> (24 - 8 * k));
    }
    return TN_OK;
}

tn_code tn_snappy_block_expand(tn_view in, size_t limit, tn_buf *out, tn_error *err)
{
    return expand_block(in, 0, limit ? limit : USUAL_LIMIT, out, err);
}

tn_code tn_snappy_block_squeeze(tn_view in, tn_buf *out, tn_error *err)
{
    size_t n;
    return squeeze_block(in, out, &n, err);
}
