/* SPDX-License-Identifier: Apache-2.0
 *
 * op_histogram.c - HistogramFixedWidth: how many values lie in each of some ranges of one width;
 * NearestNeighbors: of each point the centers that are nearest.
 */
#include <math.h>

#include "op_move.h"

/* ==== HistogramFixedWidth ==== values value_range nbins */

static tn_code histogram_infer(tn_infer *c, tn_error *err)
{
    int64_t n;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    tn_infer_set_rank(c, 0, 1);
    if (c->in[1]->shape.rank == 1 && c->in[1]->shape.dim[0] >= 0 && c->in[1]->shape.dim[0] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "value_range should be a vector of 2 elements.");
    if (!tn_infer_int(c, 2, &n)) return TN_OK;
    if (n <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "nbins should be a positive number, but got '%lld'",
                       (long long)n);
    c->out[0].shape.dim[0] = n;
    return TN_OK;
}

static tn_code histogram_run(tn_run *r, tn_error *err)
{
    int64_t n = tn_tensor_count(r->out[0]), *counts64 = r->out[0]->data;
    int32_t *counts = r->out[0]->data;
    double low = tn_tensor_number(r->in[1], 0), high = tn_tensor_number(r->in[1], 1);
    bool narrow = r->in[0]->dtype == TN_FLOAT;
    if (!(low < high))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "value_range should satisfy value_range[0] < value_range[1], but got '[%g, %g]'", low,
                       high);
    double step = (narrow ? (double)((float)high - (float)low) : high - low) / (double)n;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0, m = tn_tensor_count(r->in[0]); i < m; i++) {
        double v = tn_tensor_number(r->in[0], i);
        if (v != v) return tn_fail(err, TN_INVALID_ARGUMENT, "Histogram values must not contain NaN");
        double above = v > low ? (narrow ? (double)((float)v - (float)low) : v - low) : 0;
        int64_t bin = (int64_t)fmin(above / step, (double)(n - 1));
        if (r->out[0]->dtype == TN_INT32)
            counts[bin]++;
        else
            counts64[bin]++;
    }
    return TN_OK;
}

const tn_op tn_op_HistogramFixedWidth = {
    .name = "HistogramFixedWidth",
    .sig = "values:T value_range:T nbins:int32 -> out:dtype; T:type{int32,int64,float,double} "
           "dtype:type{int32,int64}=int32",
    .infer = histogram_infer,
    .run = histogram_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(2),
};

/* ==== NearestNeighbors ==== points[n, d] centers[m, d] k */

static tn_code nearest_infer(tn_infer *c, tn_error *err)
{
    int64_t k;
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    for (int o = 0; o < 2; o++) tn_infer_set_rank(c, o, 2);
    int64_t n = c->in[0]->shape.rank < 0 ? -1 : c->in[0]->shape.dim[0];
    int64_t m = c->in[1]->shape.rank < 0 ? -1 : c->in[1]->shape.dim[0];
    for (int o = 0; o < 2; o++) c->out[o].shape.dim[0] = n;
    if (!tn_infer_int(c, 2, &k) || m < 0) return TN_OK;
    if (k < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "k must be non-negative, is %lld", (long long)k);
    for (int o = 0; o < 2; o++) c->out[o].shape.dim[1] = TN_MIN(k, m);
    return TN_OK;
}

static tn_code nearest_prepare(tn_prepare *p, tn_error *err)
{
    if (p->in[0]->shape.dim[1] != p->in[1]->shape.dim[1])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected point_dimensions == center_dimensions: %lld vs %lld.",
                       (long long)p->in[0]->shape.dim[1], (long long)p->in[1]->shape.dim[1]);
    return TN_OK;
}

static float square_distance(const float *a, const float *b, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return (float)sum;
}

/* Puts center `which` among the k nearest so far; of equal ones the first stays before. */
static int64_t keep(int64_t *at, float *distance, int64_t n, int64_t k, int64_t which, float d)
{
    int64_t i = n < k ? n : k - 1;
    if (n == k && !(d < distance[k - 1])) return n;
    for (; i > 0 && d < distance[i - 1]; i--) {
        distance[i] = distance[i - 1];
        at[i] = at[i - 1];
    }
    distance[i] = d;
    at[i] = which;
    return n < k ? n + 1 : k;
}

static tn_code nearest_run(tn_run *r, tn_error *err)
{
    int64_t n = r->in[0]->shape.dim[0], m = r->in[1]->shape.dim[0], d = r->in[0]->shape.dim[1];
    int64_t k = r->out[0]->shape.dim[1];
    const float *points = TN_FLOATS(r->in[0]), *centers = TN_FLOATS(r->in[1]);
    (void)err;
    for (int64_t i = 0; i < n && k > 0; i++) {
        int64_t found = 0;
        for (int64_t j = 0; j < m; j++)
            found = keep(TN_INT64S(r->out[0]) + i * k, TN_FLOATS(r->out[1]) + i * k, found, k, j,
                         square_distance(points + i * d, centers + j * d, d));
    }
    return TN_OK;
}

const tn_op tn_op_NearestNeighbors = {
    .name = "NearestNeighbors",
    .sig =
        "points:float centers:float k:int64 -> nearest_center_indices:int64 nearest_center_distances:float;",
    .infer = nearest_infer,
    .prepare = nearest_prepare,
    .run = nearest_run,
    .values = TN_BIT(2),
};
