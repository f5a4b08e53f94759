/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_norm.c - batch normalisation's loops for one level of instructions. Columns are taken WIDE at a time so
 * that their sums stay in registers over a block of rows.
 */
#include "norm.h"

#define WIDE 32
#define FOR_WIDE(c) for (int64_t j = 0, n; j < (c) && (n = TN_MIN(WIDE, (c)-j), 1); j += WIDE)

static void sum(int64_t rows, int64_t c, const float *x, float *acc)
{
    FOR_WIDE(c)
    {
        float s[WIDE] = {0};
        for (int64_t i = 0; i < rows; i++) {
            const float *p = x + i * c + j;
            if (n == WIDE)
                for (int k = 0; k < WIDE; k++) s[k] += p[k];
            else
                for (int64_t k = 0; k < n; k++) s[k] += p[k];
        }
        for (int64_t k = 0; k < n; k++) acc[j + k] += s[k];
    }
}

static void spread(int64_t rows, int64_t c, const float *x, const float *mean, float *acc)
{
    FOR_WIDE(c)
    {
        float s[WIDE] = {0}, m[WIDE] = {0};
        for (int64_t k = 0; k < n; k++) m[k] = mean[j + k];
        for (int64_t i = 0; i < rows; i++) {
            const float *p = x + i * c + j;
            if (n == WIDE)
                for (int k = 0; k < WIDE; k++) s[k] += (p[k] - m[k]) * (p[k] - m[k]);
            else
                for (int64_t k = 0; k < n; k++) s[k] += (p[k] - m[k]) * (p[k] - m[k]);
        }
        for (int64_t k = 0; k < n; k++) acc[j + k] += s[k];
    }
}

static void dots(int64_t rows, int64_t c, const float *g, const float *x, const float *mean, float *dy,
                 float *dot)
{
    FOR_WIDE(c)
    {
        float s[WIDE] = {0}, t[WIDE] = {0}, m[WIDE] = {0};
        for (int64_t k = 0; k < n; k++) m[k] = mean[j + k];
        for (int64_t i = 0; i < rows; i++) {
            const float *p = x + i * c + j, *q = g + i * c + j;
            if (n == WIDE)
                for (int k = 0; k < WIDE; k++) s[k] += q[k], t[k] += q[k] * (p[k] - m[k]);
            else
                for (int64_t k = 0; k < n; k++) s[k] += q[k], t[k] += q[k] * (p[k] - m[k]);
        }
        for (int64_t k = 0; k < n; k++) dy[j + k] += s[k], dot[j + k] += t[k];
    }
}

static void affine(int64_t rows, int64_t c, const float *x, const float *mean, const float *a, const float *b,
                   bool relu, float *y)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *p = x + i * c;
        float *q = y + i * c;
        if (relu) {
#pragma omp simd
            for (int64_t k = 0; k < c; k++) {
                const float v = (p[k] - mean[k]) * a[k] + b[k];
                q[k] = v < 0 ? 0 : v;
            }
        } else {
#pragma omp simd
            for (int64_t k = 0; k < c; k++) q[k] = (p[k] - mean[k]) * a[k] + b[k];
        }
    }
}

static void affine2(int64_t rows, int64_t c, const float *g, const float *x, const float *mean,
                    const float *a, const float *b, const float *d, float *dx)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *p = x + i * c, *q = g + i * c;
        float *o = dx + i * c;
#pragma omp simd
        for (int64_t k = 0; k < c; k++) o[k] = a[k] * q[k] + (b[k] * (p[k] - mean[k]) + d[k]);
    }
}

const tn_norm_isa TN_ISA_SYM(tn_isa_norm) = {sum, spread, dots, affine, affine2};
