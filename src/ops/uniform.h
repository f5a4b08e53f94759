/* SPDX-License-Identifier: Apache-2.0
 *
 * uniform.h - how the integers of a uniformly quantised tensor stand for numbers: scale and zero point, one
 * of each or one for each slice along an axis, and ends of the range; factors in whole numbers.
 */
#ifndef TN_UNIFORM_H
#define TN_UNIFORM_H

#include "../graph/op.h"

typedef struct tn_uniform {
    const float *scale;
    const int32_t *zero;
    int64_t n, inner; /* slices along the axis (1: none), elements of one */
    int64_t axis;
    int64_t least, most;
} tn_uniform;
/* From the inputs at, at + 1 and the attributes that begin with prefix ("lhs_"); s: the tensor's shape. */
tn_code tn_uniform_of(const tn_run *r, const char *prefix, int at, const tn_shape *s, tn_uniform *out,
                      tn_error *err);
static inline int64_t tn_uniform_slice(const tn_uniform *u, int64_t i)
{
    return u->n == 1 ? 0 : i / u->inner % u->n;
}

/* m * 2^(shift - 31). */
typedef struct tn_factor {
    int64_t m;
    int shift;
} tn_factor;
tn_factor tn_factor_of(float x);
/* v * f + zero, rounded half up, within u's range; zero and range are those of slice k. */
int32_t tn_requantized(int64_t v, tn_factor f, const tn_uniform *u, int64_t k);

/* Numbers, n in a row in each of some pieces a step apart, as integers of 8 bits with a scale and a zero
 * point that fit them. The zero point is subtracted already: what they stand for is the scale, which is
 * returned, times integer. */
float tn_uniform_fit(const float *x, int64_t pieces, int64_t step, int64_t n, int32_t *out);

#endif
