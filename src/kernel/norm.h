/* SPDX-License-Identifier: Apache-2.0
 *
 * norm.h - the loops of batch normalisation over [rows, channels] floats, per level of instructions.
 */
#ifndef TN_NORM_H
#define TN_NORM_H

#include "isa.h"

typedef struct tn_norm_isa {
    void (*sum)(int64_t rows, int64_t c, const float *x, float *acc); /* acc += x */
    void (*spread)(int64_t rows, int64_t c, const float *x, const float *mean,
                   float *acc); /* acc += (x - mean)^2 */
    /* dy += g, dot += g * (x - mean) */
    void (*dots)(int64_t rows, int64_t c, const float *g, const float *x, const float *mean, float *dy,
                 float *dot);
    /* a (x - mean) + b */
    void (*affine)(int64_t rows, int64_t c, const float *x, const float *mean, const float *a, const float *b,
                   bool relu, float *y);
    /* dx = a g + b (x - mean) + d */
    void (*affine2)(int64_t rows, int64_t c, const float *g, const float *x, const float *mean,
                    const float *a, const float *b, const float *d, float *dx);
} tn_norm_isa;
TN_ISA_TABLES(tn_norm_isa, tn_isa_norm);

#endif
