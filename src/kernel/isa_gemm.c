/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_gemm.c - the table of isa_gemm.h for one level of instructions: gemm_tile.h for float and double.
 */
#include "isa_gemm.h"

#if defined(__AVX__)
#include <immintrin.h>
#endif

/* A tile of MR rows and 3 vectors: its accumulators and operands fill the registers. */
#if defined(__AVX512F__) || defined(__aarch64__)
#define MR 8
#else
#define MR 4
#endif

typedef float vec_f __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef double vec_d __attribute__((vector_size(VBYTES), aligned(8), may_alias));

#if !defined(__clang__)
typedef int int4 __attribute__((vector_size(16)));
typedef long long long4 __attribute__((vector_size(32)));
#endif

/* The first n elements of a vector; the others are 0 when read, kept when written. */
static inline vec_f part_f(const float *p, int n)
{
#if defined(__AVX512F__)
    return (vec_f)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (vec_f)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), i));
#else
    vec_f v = {0};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}
static inline void put_f(float *p, vec_f v, int n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), i), (__m256)v);
#else
    for (int i = 0; i < n; i++) p[i] = v[i];
#endif
}
static inline vec_d part_d(const double *p, int n)
{
    vec_d v = {0};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
static inline void put_d(double *p, vec_d v, int n)
{
    for (int i = 0; i < n; i++) p[i] = v[i];
}

#if defined(__AVX2__)
#define MASK_F 1
#else
#define MASK_F 0
#endif

#define T float
#define VEC vec_f
#define PART part_f
#define PUT put_f
#define NAME(x) x##_f
#define MASK MASK_F
#define VEC_IS_DOUBLE 0
#include "gemm_tile.h"
#undef T
#undef VEC
#undef PART
#undef PUT
#undef NAME
#undef MASK
#undef VEC_IS_DOUBLE
#define T double
#define VEC vec_d
#define PART part_d
#define PUT put_d
#define NAME(x) x##_d
#define MASK 0
#define VEC_IS_DOUBLE 1
#include "gemm_tile.h"

const tn_gemm_isa TN_ISA_SYM(tn_isa_gemm) = {
    {VBYTES / 4, MR, 3, MASK_F, strip_f, pack_f, pack_t_f, dots_f},
    {VBYTES / 8, MR, 3, false, strip_d, pack_d, pack_t_d, dots_d},
};
