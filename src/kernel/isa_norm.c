/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_norm.c - batch and layer normalisation's loops for one level of instructions. For the former columns
 * are taken WIDE at a time so that their sums stay in registers over a block of rows.
 */
#include "norm.h"

#include <math.h>

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

/* ==== layer normalisation ==== */

static float row_mean(int64_t c, const float *x)
{
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t k = 0; k < c; k++) s += x[k];
    return s / (float)c;
}

/* 1 / sqrt(variance + epsilon) */
static float row_scale(int64_t c, const float *x, float mean, float epsilon)
{
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t k = 0; k < c; k++) s += (x[k] - mean) * (x[k] - mean);
    return 1 / sqrtf(s / (float)c + epsilon);
}

static void row_norm(int64_t rows, int64_t c, const float *x, const float *gamma, const float *beta,
                     float epsilon, float *y)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *p = x + i * c;
        float *q = y + i * c;
        const float mean = row_mean(c, p), scale = row_scale(c, p, mean, epsilon);
#pragma omp simd
        for (int64_t k = 0; k < c; k++) q[k] = (p[k] - mean) * scale * gamma[k] + beta[k];
    }
}

/* dx = scale * (g - mean(g) - n mean(g n)), where g = dy gamma and n is the normalised x. */
static void row_norm_grad(int64_t rows, int64_t c, const float *x, const float *gamma, const float *dy,
                          float epsilon, float *dx, float *dgamma, float *dbeta)
{
    for (int64_t i = 0; i < rows; i++) {
        const float *p = x + i * c, *d = dy + i * c;
        float *q = dx + i * c;
        const float mean = row_mean(c, p), scale = row_scale(c, p, mean, epsilon);
        float g = 0, gn = 0;
#pragma omp simd reduction(+ : g, gn)
        for (int64_t k = 0; k < c; k++) {
            const float n = (p[k] - mean) * scale;
            g += d[k] * gamma[k];
            gn += d[k] * gamma[k] * n;
            dgamma[k] += d[k] * n;
            dbeta[k] += d[k];
        }
        g /= (float)c;
        gn /= (float)c;
#pragma omp simd
        for (int64_t k = 0; k < c; k++) q[k] = scale * (d[k] * gamma[k] - g - (p[k] - mean) * scale * gn);
    }
}

const tn_norm_isa TN_ISA_SYM(tn_isa_norm) = {sum, spread, dots, affine, affine2, row_norm, row_norm_grad};
