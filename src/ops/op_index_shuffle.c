/* SPDX-License-Identifier: Apache-2.0
 *
 * op_index_shuffle.c - RandomIndexShuffle: where an element of a shuffled row stands, without the row. A
 * small block cipher (Simon's rounds, on blocks of as many bits as the largest index has) orders all numbers
 * of a block; it is applied again until the number is an index.
 */
#include "../graph/op.h"
#include "random_words.h"

#include <math.h>

enum { LEAST_BITS = 16, MOST_ROUNDS = 64 };

typedef struct cipher {
    int half; /* bits of half a block */
    uint64_t mask;
    uint64_t key[MOST_ROUNDS];
    int rounds;
} cipher;

static uint64_t left(const cipher *c, uint64_t v, int by)
{
    return (v << by | v >> (c->half - by)) & c->mask;
}

static uint64_t right(const cipher *c, uint64_t v, int by)
{
    return (v >> by | v << (c->half - by)) & c->mask;
}

static cipher cipher_of(const uint32_t seed[3], uint64_t max_index, int rounds)
{
    int bits = max_index > 1 ? (int)ceil(log2((double)max_index)) : 0;
    bits += bits % 2;
    if (bits < LEAST_BITS) bits = LEAST_BITS;
    cipher c = {.half = bits / 2, .mask = ((uint64_t)1 << bits / 2) - 1, .rounds = rounds};
    uint64_t z = 0x7369f885192c0ef5 & c.mask;
    for (int i = 0; i < 3; i++) c.key[i] = seed[i] & c.mask;
    for (int i = 3; i < rounds; i++, z >>= 1)
        c.key[i] = ((0xfffffffc & c.mask) ^ (z & 1) ^ c.key[i - 3] ^ right(&c, c.key[i - 1], 3) ^
                    right(&c, c.key[i - 1], 4)) &
                   c.mask;
    return c;
}

static uint64_t encrypt(const cipher *c, uint64_t v)
{
    uint64_t a = v >> c->half & c->mask, b = v & c->mask;
    for (int i = 0; i < c->rounds; i += 2) {
        a ^= (left(c, b, 1) & left(c, b, 8)) ^ left(c, b, 2) ^ c->key[i];
        b ^= (left(c, a, 1) & left(c, a, 8)) ^ left(c, a, 2) ^ c->key[i + 1];
    }
    return a << c->half | b;
}

uint64_t tn_index_shuffle(uint64_t index, const uint32_t seed[3], uint64_t max_index, int rounds)
{
    cipher c = cipher_of(seed, max_index, rounds);
    do index = encrypt(&c, index);
    while (index > max_index);
    return index;
}

/* Elements of a vector, or the same scalar again and again. */
static int64_t nth(const tn_tensor *t, int64_t i)
{
    return tn_tensor_int(t, tn_tensor_count(t) == 1 ? 0 : i);
}

static tn_code one(tn_run *r, int64_t i, int rounds, tn_error *err)
{
    const tn_tensor *seed = r->in[1];
    int64_t index = nth(r->in[0], i), most = nth(r->in[2], i), row = seed->shape.rank == 2 ? i : 0;
    bool is_signed = r->in[0]->dtype == TN_INT32 || r->in[0]->dtype == TN_INT64;
    uint32_t key[3];
    if (is_signed && index < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "index must be >= 0 but was %lld", (long long)index);
    if (is_signed && most < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "max_index must be >= 0 but was %lld", (long long)most);
    if ((uint64_t)most < (uint64_t)index)
        return tn_fail(err, TN_INVALID_ARGUMENT, "max_index must be >= index, but %llu < %llu",
                       (unsigned long long)most, (unsigned long long)index);
    for (int k = 0; k < 3; k++) key[k] = (uint32_t)tn_tensor_int(seed, row * 3 + k);
    uint64_t v = tn_index_shuffle((uint64_t)index, key, (uint64_t)most, rounds);
    if (tn_dtype_size(r->out[0]->dtype) == 4)
        ((uint32_t *)r->out[0]->data)[i] = (uint32_t)v;
    else
        ((uint64_t *)r->out[0]->data)[i] = v;
    return TN_OK;
}

static tn_code check(const tn_run *r, int64_t *n, tn_error *err)
{
    const tn_shape *index = &r->in[0]->shape, *seed = &r->in[1]->shape, *most = &r->in[2]->shape;
    char text[96];
    *n = 1;
    for (int i = 0; i < 3; i++) {
        const tn_shape *s = &r->in[i]->shape;
        if (s->rank == 1 + (i == 1)) *n = TN_MAX(*n, s->dim[0]);
    }
    if (index->rank > 1 || (index->rank == 1 && index->dim[0] != *n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Index must be a scalar or vector.");
    bool fits =
        seed->rank == 1 ? seed->dim[0] == 3 : seed->rank == 2 && seed->dim[1] == 3 && seed->dim[0] == *n;
    if (!fits)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Seed must be a vector of size [3] or a matrix of size [%lld, 3] but got %s.",
                       (long long)*n, tn_shape_text(seed, text, sizeof text));
    if (most->rank > 1 || (most->rank == 1 && most->dim[0] != *n))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Maxval must be a scalar or a vector of the same size as index but got %s",
                       tn_shape_text(most, text, sizeof text));
    return TN_OK;
}

static tn_code shuffle_run(tn_run *r, tn_error *err)
{
    int64_t n, rounds = tn_attr_i(r->attrs, "rounds");
    TN_TRY(check(r, &n, err));
    if (rounds < 4 || rounds % 2 || rounds > MOST_ROUNDS)
        return tn_fail(err, TN_INVALID_ARGUMENT, "rounds must be even, from 4 to %d, not %lld", MOST_ROUNDS,
                       (long long)rounds);
    bool scalar = r->in[0]->shape.rank == 0 && r->in[1]->shape.rank == 1 && r->in[2]->shape.rank == 0;
    tn_shape s = scalar ? (tn_shape){.rank = 0} : tn_shape_vector(n);
    TN_TRY(tn_run_output(r, 0, &s, err));
    for (int64_t i = 0; i < n; i++) {
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        TN_TRY(one(r, i, (int)rounds, err));
    }
    return TN_OK;
}

const tn_op tn_op_RandomIndexShuffle = {
    .name = "RandomIndexShuffle",
    .sig = "index:dtype seed:Tseed max_index:dtype -> output:dtype; rounds:int=4 "
           "dtype:type{int32,uint32,int64,uint64} "
           "Tseed:type{int32,uint32,int64,uint64}",
    .infer = tn_infer_none,
    .run = shuffle_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT, /* so that it is not folded: a small range takes long */
    .dynamic = TN_BIT(0),
};
