/* SPDX-License-Identifier: Apache-2.0
 *
 * amx.h - float arithmetic by a processor's tiles (AMX), which multiply bfloat16 and add up floats; shared by
 * gemm_amx.c and conv_amx.c. A float is the sum of three bfloat16 (8 of its 24 bits each), so a product of
 * floats is nine products, of which the six that matter are computed: what is left out is below the last bit.
 *
 * Both factors are split into blocks of 32 rows (of the right one: columns) and 32 deep, a block being three
 * planes of two tiles: plane 0 holds the first bits of all numbers, plane 2 the last. The right one's tiles
 * are pairs of rows, as the instruction wants.
 *
 * Limits: numbers from 2^127 on, infinities and NaNs cannot be split; who splits is told. Below 2^-102 fewer
 * bits are kept; denormals are zero, as everywhere.
 */
#ifndef TN_AMX_H
#define TN_AMX_H

#include "isa.h"

enum {
    TN_AMX_BLOCK = 32,               /* rows, columns, depth */
    TN_AMX_TILE = 512,               /* bfloat16 in a tile: 16 rows of 32 */
    TN_AMX_PLANES = 6 * TN_AMX_TILE, /* of a block */
    TN_AMX_LARGEST = 0x7f000000      /* 2^127 */
};

static inline int64_t tn_amx_blocks(int64_t n)
{
    return (n + TN_AMX_BLOCK - 1) / TN_AMX_BLOCK;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AMX __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl")))
#define AMX_INLINE static inline __attribute__((always_inline)) AMX

/* ==== splitting ==== */

typedef struct tn_amx_pair { /* two vectors of floats, of which planes are taken */
    __m512 lo, hi;
} tn_amx_pair;

/* The first 8 bits of each, rounded; what is left. */
AMX_INLINE __m512i tn_amx_first_bits(__m512 *x)
{
    const __m512i bits = _mm512_add_epi32(_mm512_castps_si512(*x), _mm512_set1_epi32(0x8000));
    const __m512i first = _mm512_and_si512(bits, _mm512_set1_epi32((int)0xffff0000));
    *x = _mm512_sub_ps(*x, _mm512_castsi512_ps(first));
    return first;
}

AMX_INLINE __m512i tn_amx_larger(__m512i most, __m512 x)
{
    return _mm512_max_epu32(most, _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff)));
}

/* 32 numbers in a row, at `at` of each of three planes. */
AMX_INLINE void tn_amx_split_row(tn_amx_pair s, uint16_t *at, int64_t plane)
{
    const __m512i upper = _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31,
                                           29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    for (int i = 0; i < 3; i++) {
        const __m512i lo = tn_amx_first_bits(&s.lo), hi = tn_amx_first_bits(&s.hi);
        _mm512_storeu_si512(at + i * plane, _mm512_permutex2var_epi16(lo, upper, hi));
    }
}

/* Two rows of 16 numbers, one below the other, as a row of pairs. */
AMX_INLINE void tn_amx_split_pair(tn_amx_pair s, uint16_t *at, int64_t plane)
{
    for (int i = 0; i < 3; i++) {
        const __m512i lo = tn_amx_first_bits(&s.lo), hi = tn_amx_first_bits(&s.hi);
        _mm512_storeu_si512(at + i * plane, _mm512_or_si512(_mm512_srli_epi32(lo, 16), hi));
    }
}

AMX_INLINE __mmask16 tn_amx_mask(int64_t n)
{
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* The first n of 32 numbers in a row. */
AMX_INLINE tn_amx_pair tn_amx_row(const float *p, int64_t n)
{
    return (tn_amx_pair){_mm512_maskz_loadu_ps(tn_amx_mask(n), p),
                         _mm512_maskz_loadu_ps(tn_amx_mask(n - 16), p + 16)};
}

/* A block of the right factor, whose rows are `row` apart, of which only depth x cols are there. false: there
 * is a number that cannot be split. */
AMX_INLINE bool tn_amx_split_right(const float *b, int64_t row, int64_t depth, int64_t cols, uint16_t *to)
{
    __m512i most = _mm512_setzero_si512();
    for (int64_t k = 0; k < TN_AMX_BLOCK; k += 2) {
        const tn_amx_pair first = tn_amx_row(b + k * row, k < depth ? cols : 0),
                          second = tn_amx_row(b + (k + 1) * row, k + 1 < depth ? cols : 0);
        const tn_amx_pair tile[2] = {{first.lo, second.lo}, {first.hi, second.hi}};
        for (int t = 0; t < 2; t++) {
            most = tn_amx_larger(tn_amx_larger(most, tile[t].lo), tile[t].hi);
            tn_amx_split_pair(tile[t], to + t * TN_AMX_TILE + k * 16, 2 * TN_AMX_TILE);
        }
    }
    return _mm512_reduce_max_epu32(most) < TN_AMX_LARGEST;
}

/* ==== multiplying: a block of sums in tiles 0 to 3 ==== */

AMX_INLINE void tn_amx_begin(void)
{
    /* eight tiles of 16 rows of 64 bytes; static: gcc 12 believes that the first bytes are all that is read
     */
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } c = {.palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&c);
}

AMX_INLINE void tn_amx_end(void)
{
    _tile_release();
}

AMX_INLINE void tn_amx_zero(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

AMX_INLINE void tn_amx_store(float *sum)
{
    _tile_stored(0, sum, 4 * TN_AMX_BLOCK);
    _tile_stored(1, sum + 16, 4 * TN_AMX_BLOCK);
    _tile_stored(2, sum + 16 * TN_AMX_BLOCK, 4 * TN_AMX_BLOCK);
    _tile_stored(3, sum + 16 * TN_AMX_BLOCK + 16, 4 * TN_AMX_BLOCK);
}

typedef struct tn_amx_left { /* how a block of the left factor lies: elements from row to row, tile to tile,
                                plane to plane */
    int64_t row, tile, plane;
} tn_amx_left;

AMX_INLINE void tn_amx_load_left(const uint16_t *a, const tn_amx_left *l, int plane)
{
    _tile_loadd(4, a + plane * l->plane, 2 * l->row);
    _tile_loadd(5, a + plane * l->plane + l->tile, 2 * l->row);
}

AMX_INLINE void tn_amx_load_right(const uint16_t *b, int plane)
{
    _tile_loadd(6, b + plane * 2 * TN_AMX_TILE, 64);
    _tile_loadd(7, b + (plane * 2 + 1) * TN_AMX_TILE, 64);
}

AMX_INLINE void tn_amx_multiply_planes(void)
{
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

/* Adds the product of two blocks, in an order that loads few tiles. */
AMX_INLINE void tn_amx_multiply(const uint16_t *a, const tn_amx_left *l, const uint16_t *b)
{
    tn_amx_load_right(b, 0);
    tn_amx_load_left(a, l, 2);
    tn_amx_multiply_planes();
    tn_amx_load_left(a, l, 1);
    tn_amx_multiply_planes();
    tn_amx_load_left(a, l, 0);
    tn_amx_multiply_planes();
    tn_amx_load_right(b, 2);
    tn_amx_multiply_planes();
    tn_amx_load_right(b, 1);
    tn_amx_multiply_planes();
    tn_amx_load_left(a, l, 1);
    tn_amx_multiply_planes();
}

/* ==== what becomes of a block of sums ==== */

typedef struct tn_amx_finish {
    float *c;
    int64_t row;
    const float *bias; /* NULL: none */
    int64_t bias_row;
    bool add, relu;
} tn_amx_finish;

AMX_INLINE void tn_amx_finish_block(const float *sum, int64_t rows, int64_t cols, const tn_amx_finish *f)
{
    const __m512 zero = _mm512_setzero_ps();
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j += 16) {
            const __mmask16 mask = tn_amx_mask(cols - j);
            float *to = f->c + i * f->row + j;
            __m512 x = _mm512_loadu_ps(sum + i * TN_AMX_BLOCK + j);
            if (f->bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, f->bias + i * f->bias_row + j));
            if (f->add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask, to));
            if (f->relu)
                x = _mm512_mask_mov_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), zero); /* a NaN stays */
            _mm512_mask_storeu_ps(to, mask, x);
        }
}

#endif
#endif
