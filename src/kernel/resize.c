/* SPDX-License-Identifier: Apache-2.0
 *
 * resize.c - images made larger and smaller, a row at a time: along a row, and of some rows one. The sums are those
 * of a pixel at a time, in the same order. Which pixels are read with which weights, the caller knows.
 */
#include "kernel.h"

#define ALWAYS static inline __attribute__((always_inline))

/* Between two: a step from the first towards the second. */
ALWAYS void across_two(const tn_taps *x, int64_t n, int64_t c, const float *row, float *out)
{
    for (int64_t i = 0; i < n; i++, out += c) {
        const float *a = row + x[i].at[0] * c, *b = row + x[i].at[1] * c, w = x[i].w[1];
        for (int64_t k = 0; k < c; k++) out[k] = a[k] + (b[k] - a[k]) * w;
    }
}

ALWAYS void across_four(const tn_taps *x, int64_t n, int64_t c, const float *row, float *out)
{
    for (int64_t i = 0; i < n; i++, out += c) {
        const float *at[4], *w = x[i].w;
        for (int j = 0; j < 4; j++) at[j] = row + x[i].at[j] * c;
        for (int64_t k = 0; k < c; k++)
            out[k] = (((0.0f + at[0][k] * w[0]) + at[1][k] * w[1]) + at[2][k] * w[2]) + at[3][k] * w[3];
    }
}

/* The usual numbers of channels have loops of their own. */
#define EACH_WIDTH(F)                                   \
    switch (channels) {                                 \
    case 1: F(x, n, 1, row, out); break;                \
    case 3: F(x, n, 3, row, out); break;                \
    case 4: F(x, n, 4, row, out); break;                \
    default: F(x, n, channels, row, out); break;        \
    }

void tn_resize_across(int taps, const tn_taps *x, int64_t n, int64_t channels, const float *restrict row,
                      float *restrict out)
{
    if (taps == 2)
        EACH_WIDTH(across_two)
    else
        EACH_WIDTH(across_four)
}

void tn_resize_down(int taps, const float *const *rows, const float *w, int64_t n, float *restrict out)
{
    const float *a = rows[0], *b = rows[1];
    if (taps == 2) {
        const float part = w[1];
        for (int64_t i = 0; i < n; i++) out[i] = a[i] + (b[i] - a[i]) * part;
        return;
    }
    const float *c = rows[2], *d = rows[3], p = w[0], q = w[1], r = w[2], s = w[3];
    for (int64_t i = 0; i < n; i++) out[i] = (((0.0f + a[i] * p) + b[i] * q) + c[i] * r) + d[i] * s;
}
