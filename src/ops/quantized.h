/* SPDX-License-Identifier: Apache-2.0
 *
 * quantized.h - the quantised dtypes: which integers they hold, their elements, and what stands for what
 * within a range.
 */
#ifndef TN_QUANTIZED_H
#define TN_QUANTIZED_H

#include "../graph/op.h"

typedef struct tn_integers { /* of a quantised dtype */
    double first, last;
    int bits;
} tn_integers;
tn_integers tn_integers_of(tn_dtype t);
int64_t tn_quantized_get(const tn_tensor *t, int64_t i);
void tn_quantized_put(tn_tensor *t, int64_t i, double x); /* what is too large wraps around */

/* The integer for x where `first` stands for min and `last` for max; and the float for an integer. */
double tn_to_quantized(double x, float min, float max, tn_integers q, bool clamp);
float tn_from_quantized(int64_t v, float min, float max, tn_integers q);

/* Rows and columns of an attribute [1, rows, columns, 1]: strides, dilations, sizes of windows. */
tn_code tn_quantized_pair(const tn_attrs *attrs, const char *name, int64_t out[2], tn_error *err);

/* prepare: results are 32-bit integers, which is all there are kernels for. UNIMPLEMENTED: they are not. */
tn_code tn_quantized_to_32(tn_prepare *p, tn_error *err);
bool tn_is_quantized(tn_dtype t);

/* A range's ends, scalar inputs: of input i alone; i and i + 1. And outputs 1 and 2. */
tn_code tn_quantized_end(const tn_run *r, int i, float *out, tn_error *err);
tn_code tn_quantized_range(const tn_run *r, int i, float out[2], tn_error *err);
void tn_quantized_give(tn_run *r, float min, float max);

#endif
