/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce.h - what reduce.c needs of an element type, and the float loops compiled per level of instructions.
 */
#ifndef TN_REDUCE_H
#define TN_REDUCE_H

#include "isa.h"

/* What is done per element; mean and the Euclidean norm differ only in the finish. */
typedef enum tn_fold {
    TN_FOLD_SUM,
    TN_FOLD_SQUARES,
    TN_FOLD_MAX,
    TN_FOLD_MIN,
    TN_FOLD_PROD,
    TN_FOLD_ALL,
    TN_FOLD_ANY,
    TN_FOLDS
} tn_fold;

/* Accumulators are of acc bytes each; every function adds to what is there. */
typedef struct tn_reduce_type {
    int size, acc;
    void (*start)(tn_fold f, int64_t n, void *acc);
    void (*run)(tn_fold f, int64_t n, const void *x, void *acc); /* n elements into one */
    /* rows of cols elements, stride apart, into cols accumulators */
    void (*cols)(tn_fold f, int64_t rows, int64_t cols, int64_t stride, const void *x, void *acc);
    void (*merge)(tn_fold f, int64_t n, const void *from, void *acc);
    /* out may be acc when the sizes are equal */
    void (*finish)(tn_reduce_op op, int64_t group, int64_t n, const void *acc, void *out);
} tn_reduce_type;
const tn_reduce_type *tn_reduce_type_of(tn_reduce_op op, tn_dtype t,
                                        int isa); /* NULL: not done of this type */

typedef struct tn_reduce_isa {
    tn_reduce_type f32, f16, bf16; /* the last two accumulate in float */
    /* Rows for softmax: the greatest; out[i] = e^(x[i] - shift), their sum returned (out may be NULL). */
    float (*max)(int64_t n, const float *x);
    float (*exp_sum)(int64_t n, const float *x, float shift, float *out);
    void (*scale)(int64_t n, float factor, float *x);
} tn_reduce_isa;
TN_ISA_TABLES(tn_reduce_isa, tn_isa_reduce);

#endif
