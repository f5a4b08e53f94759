/* SPDX-License-Identifier: Apache-2.0
 *
 * op_calibration.c - CustomAggregator: of what passes, the least, the greatest and a histogram, from which ranges of
 * quantised graphs are chosen. Bins are as wide as a power of two, and begin at a multiple of it.
 */
#include <math.h>

#include "op_move.h"

/* As TensorFlow compares: what is NaN gives way to what comes after it. */
static void find_ends(const tn_tensor *t, float *least, float *most)
{
    *least = INFINITY;
    *most = -INFINITY;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        float x = TN_FLOATS(t)[i];
        *least = *least < x ? *least : x;
        *most = *most > x ? *most : x;
    }
}

static void count_bins(const tn_tensor *t, float least, float most, tn_tensor *out)
{
    int64_t n = tn_tensor_count(out), *bins = TN_INT64S(out);
    if (n == 0) return;
    memset(bins, 0, (size_t)n * sizeof *bins);
    float width = powf(2, ceilf(log2f((most - least) / (float)n))), begin = floorf(least / width) * width;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        float at = (TN_FLOATS(t)[i] - begin) / width;
        bins[!(at > 0) ? 0 : at < (float)n ? (int64_t)at : n - 1]++;
    }
}

static tn_code aggregate_prepare(tn_prepare *p, tn_error *err)
{
    if (tn_attr_i(p->attrs, "calibration_method") != 0) return TN_OK;
    return tn_fail(err, TN_ABORTED, "The calibration method must be specified.");
}

static tn_code aggregate_run(tn_run *r, tn_error *err)
{
    float *least = TN_FLOATS(r->out[1]), *most = TN_FLOATS(r->out[2]);
    find_ends(r->in[0], least, most);
    count_bins(r->in[0], *least, *most, r->out[3]);
    return tn_move_row(r->out[0], 0, r->in[0], 0, tn_tensor_count(r->in[0]), err);
}

static tn_code aggregate_infer(tn_infer *c, tn_error *err)
{
    int64_t bins = tn_attr_i(c->attrs, "num_bins");
    if (bins < 0 || bins > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a histogram of %lld bins", (long long)bins);
    c->out[0].shape = c->in[0]->shape;
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
    c->out[3].shape = tn_shape_vector(bins);
    return TN_OK;
}

const tn_op tn_op_CustomAggregator = {
    .name = "CustomAggregator",
    .sig = "input:float -> output:float min:float max:float histogram:int64; id:string calibration_method:int=0 "
           "num_bins:int=0 min_percentile:float=0.0 max_percentile:float=0.0",
    .infer = aggregate_infer,
    .prepare = aggregate_prepare,
    .run = aggregate_run,
    .flags = TN_STATEFUL,
};
