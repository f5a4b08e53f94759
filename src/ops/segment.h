/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.h - gradients of the segment operators (grad_segment.c), for their records; what the operators share.
 */
#ifndef TN_SEGMENT_H
#define TN_SEGMENT_H

#include "../graph/op.h"

tn_code tn_grad_segment_sum(tn_grad *g, tn_error *err);
tn_code tn_grad_segment_mean(tn_grad *g, tn_error *err);
tn_code tn_grad_segment_prod(tn_grad *g, tn_error *err);    /* sorted and unsorted */
tn_code tn_grad_segment_extreme(tn_grad *g, tn_error *err); /* sorted and unsorted Max, Min */
tn_code tn_grad_unsorted_sum(tn_grad *g, tn_error *err);

/* An element of segment ids or indices. */
static inline int64_t tn_segment_id(const tn_tensor *ids, int64_t i)
{
    if (ids->dtype == TN_INT32) return ((const int32_t *)ids->data)[i];
    return ids->dtype == TN_INT64 ? ((const int64_t *)ids->data)[i] : tn_tensor_int(ids, i);
}

/* into += row, of n floats: with no call for each row. */
static inline void tn_segment_add(float *restrict into, const float *restrict row, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) into[i] += row[i];
}

#endif
