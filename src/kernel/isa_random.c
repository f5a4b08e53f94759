/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_random.c - Philox 4x32-10 for one level of instructions: LANES counters side by side.
 */
#include "isa_random.h"
#include "isa_math.h"

#define LANES 32
#define MUL_0 0xd2511f53u
#define MUL_1 0xcd9e8d57u
#define WEYL_0 0x9e3779b9u
#define WEYL_1 0xbb67ae85u

typedef struct lanes {
    uint32_t w[4][LANES];
} lanes;

static void start(const tn_philox *p, int64_t at, lanes *l)
{
    const uint64_t low = p->counter[0] | (uint64_t)p->counter[1] << 32,
                   high = p->counter[2] | (uint64_t)p->counter[3] << 32;
    for (int i = 0; i < LANES; i++) {
        const uint64_t a = low + (uint64_t)at + (uint64_t)i, b = high + (a < low);
        l->w[0][i] = (uint32_t)a, l->w[1][i] = (uint32_t)(a >> 32);
        l->w[2][i] = (uint32_t)b, l->w[3][i] = (uint32_t)(b >> 32);
    }
}

static void rounds(const tn_philox *p, lanes *l)
{
    uint32_t k0 = p->key[0], k1 = p->key[1];
    for (int r = 0; r < 10; r++, k0 += WEYL_0, k1 += WEYL_1) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            const uint64_t a = (uint64_t)l->w[0][i] * MUL_0, b = (uint64_t)l->w[2][i] * MUL_1;
            l->w[0][i] = (uint32_t)(b >> 32) ^ l->w[1][i] ^ k0;
            l->w[2][i] = (uint32_t)(a >> 32) ^ l->w[3][i] ^ k1;
            l->w[1][i] = (uint32_t)b;
            l->w[3][i] = (uint32_t)a;
        }
    }
}

static void words(const tn_philox *p, int64_t groups, uint32_t *out)
{
    lanes l;
    for (int64_t g = 0; g < groups; g += LANES) {
        const int n = (int)TN_MIN(LANES, groups - g);
        start(p, g, &l);
        rounds(p, &l);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 4; k++) out[4 * (g + i) + k] = l.w[k][i];
    }
}

TN_INLINE float unit(uint32_t w)
{
    return m_bits((w & 0x7fffffu) | 0x3f800000u) - 1.0f;
}

static void uniform(const tn_philox *p, int64_t groups, float *out)
{
    words(p, groups, (uint32_t *)out);
#pragma omp simd
    for (int64_t i = 0; i < 4 * groups; i++) out[i] = unit(m_word(out[i]));
}

/* Box and Muller's method on the pairs (0, 1) and (2, 3): sine first. */
static void normal(const tn_philox *p, int64_t groups, float *out)
{
    lanes l;
    float f[4][LANES];
    for (int64_t g = 0; g < groups; g += LANES) {
        const int n = (int)TN_MIN(LANES, groups - g);
        start(p, g, &l);
        rounds(p, &l);
        for (int k = 0; k < 4; k += 2) {
#pragma omp simd
            for (int i = 0; i < LANES; i++) {
                const float u = unit(l.w[k][i]),
                            v = (float)(2.0 * 3.14159265358979323846 * (double)unit(l.w[k + 1][i]));
                const float r = sqrtf(-2.0f * m_log(u < 1.0e-7f ? 1.0e-7f : u));
                f[k][i] = m_trig(v, 0) * r;
                f[k + 1][i] = m_trig(v, 1) * r;
            }
        }
        for (int i = 0; i < n; i++)
            for (int k = 0; k < 4; k++) out[4 * (g + i) + k] = f[k][i];
    }
}

const tn_random_isa TN_ISA_SYM(tn_isa_random) = {words, uniform, normal};
