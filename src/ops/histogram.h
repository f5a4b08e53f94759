/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.h - TensorFlow's two histograms of a tensor's values, for summary operators and event files.
 */
#ifndef TN_OPS_HISTOGRAM_H
#define TN_OPS_HISTOGRAM_H

#include "../tensor/tensor.h"
#include "../wire/proto.h"

/* Version 1: limits are +-1e-12 * 1.1^k. Empty buckets are joined as there. */
tn_code tn_histogram_of(const tn_tensor *values, tn_arena *a, tn_HistogramProto *out, tn_error *err);
#define TN_HISTOGRAM_BUCKETS 30 /* TensorBoard's default */
/* Version 2: [buckets, 3] doubles: left edge, right edge, count. */
tn_code tn_histogram_tensor(const tn_tensor *values, int buckets, tn_tensor **out, tn_error *err);

#endif
