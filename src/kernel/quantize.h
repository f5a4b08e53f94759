/* SPDX-License-Identifier: Apache-2.0
 *
 * quantize.h - floats rounded to the steps of a range, to integers or back to floats.
 */
#ifndef TN_QUANTIZE_H
#define TN_QUANTIZE_H

#include "../tensor/tensor.h"

/* round((x within [low, high] - shift) * by - less), to integers of a quantised dtype, or back to floats, times `back`.
 * x is [outer, n, inner], `fit` tells each of n its range (maybe several times, from several threads). NaN stays in
 * floats and is `low` otherwise. */
typedef enum tn_step_round { TN_STEP_EVEN, TN_STEP_UP, TN_STEP_AWAY } tn_step_round; /* what a half is rounded to */
typedef struct tn_step {
    float low, high, shift, by, less, back;
} tn_step;
typedef struct tn_step_job {
    tn_step_round round;
    tn_dtype to; /* TN_FLOAT or a quantised one */
    int64_t outer, n, inner;
    int threads;
    const float *x;
    void *y;
    void (*fit)(const void *of, int64_t k, tn_step *out);
    const void *of;
} tn_step_job;
void tn_step_all(const tn_step_job *j);
/* round(x * by) - less within [first, last], a half away from zero, computed in doubles. */
void tn_step_first(tn_dtype to, double by, double less, double first, double last, int64_t n, const float *x, void *y,
                   int threads);
/* Integers of a quantised dtype as floats: (x + shift) * by + plus, each step rounded to floats or (doubles) not. */
void tn_step_back(tn_dtype from, bool doubles, double shift, double by, double plus, int64_t n, const void *x, float *y,
                  int threads);
/* dx = dy where x, rows of n that are pitch apart, is within its column's [low, high], else 0, and dy is added to the
 * column's below or above. */
void tn_step_pass(int64_t rows, int64_t pitch, int64_t n, const float *low, const float *high, const float *dy,
                  const float *x, float *dx, double *below, double *above);
/* The columns' min and max go on; NaN is passed over. */
void tn_step_ends(int64_t rows, int64_t pitch, int64_t n, const float *x, float *min, float *max);

#endif
