/* SPDX-License-Identifier: Apache-2.0
 *
 * stats.c - the numbers of a tensor in a few: extremes, mean and deviation of the finite ones, counts of the
 * rest.
 */
#include "tensor.h"

#include <math.h>

/* Mean and deviation as they go (Welford's): no sum of squares that cancels. */
static void take(tn_stats *s, double v, int64_t *finite, double *squares)
{
    s->zero += v == 0;
    s->nan += isnan(v) != 0;
    s->inf += isinf(v) != 0;
    if (!isfinite(v)) return;
    double from = v - s->mean;
    ++*finite;
    s->mean += from / (double)*finite;
    *squares += from * (v - s->mean);
    s->min = TN_MIN(s->min, v);
    s->max = TN_MAX(s->max, v);
}

tn_code tn_tensor_stats(const tn_tensor *t, tn_stats *out, tn_error *err)
{
    if (!tn_dtype_is_pod(t->dtype) || tn_dtype_is_complex(t->dtype))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tensor of %s has no numbers to be compared",
                       tn_dtype_name(t->dtype));
    tn_stats s = {.count = tn_tensor_count(t), .min = INFINITY, .max = -INFINITY};
    int64_t finite = 0;
    double squares = 0;
    for (int64_t i = 0; i < s.count; i++) take(&s, tn_tensor_number(t, i), &finite, &squares);
    s.std = finite ? sqrt(squares / (double)finite) : NAN;
    if (!finite) s.min = s.max = s.mean = NAN;
    *out = s;
    return TN_OK;
}
