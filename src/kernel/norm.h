/* SPDX-License-Identifier: Apache-2.0
 *
 * norm.h - the loops of batch and layer normalisation over [rows, channels] floats, per level of instructions.
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
    /* (x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and variance of each row */
    void (*row_norm)(int64_t rows, int64_t c, const float *x, const float *gamma, const float *beta,
                     float epsilon, float *y);
    /* its gradients; dgamma and dbeta are added to */
    void (*row_norm_grad)(int64_t rows, int64_t c, const float *x, const float *gamma, const float *dy,
                          float epsilon, float *dx, float *dgamma, float *dbeta);
} tn_norm_isa;
TN_ISA_TABLES(tn_norm_isa, tn_isa_norm);

#endif
