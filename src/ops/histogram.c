/* SPDX-License-Identifier: Apache-2.0
 *
 * histogram.c - TensorFlow's histograms: version 1 (HistogramProto, limits growing by a tenth) and version 2
 * (equal buckets between the least and the largest value).
 */
#include "histogram.h"

#include <float.h>
#include <math.h>

#define MOST_LIMITS 2048

/* ---- version 1 ---- */

/* Limits as TensorFlow computes them, by repeated multiplication: the same doubles. Ascending; limit 0 is in
 * the middle. Returns how many. */
static int make_limits(double *limits)
{
    double positive[MOST_LIMITS / 2];
    int n = 0, k = 0;
    for (double v = 1e-12; v < 1e20; v *= 1.1) positive[n++] = v;
    positive[n++] = DBL_MAX;
    for (int i = n - 1; i >= 0; i--) limits[k++] = -positive[i];
    limits[k++] = 0;
    for (int i = 0; i < n; i++) limits[k++] = positive[i];
    return k;
}

/* The first limit that is greater than v. */
static int bucket_of(const double *limits, int n, double v)
{
    int low = 0, high = n - 1;
    while (low < high) {
        int mid = (low + high) / 2;
        if (limits[mid] > v)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static tn_code add_bucket(tn_arena *a, tn_HistogramProto *out, double limit, double count, tn_error *err)
{
    double *l = TN_PUSH(a, &out->bucket_limit), *c = TN_PUSH(a, &out->bucket);
    if (!l || !c) return tn_no_memory(err, sizeof *l);
    *l = limit;
    *c = count;
    return TN_OK;
}

/* A run of empty buckets is one. */
static tn_code join_buckets(const double *limits, const double *counts, int n, tn_arena *a,
                            tn_HistogramProto *out, tn_error *err)
{
    for (int i = 0; i < n;) {
        double limit = limits[i], count = counts[i];
        i++;
        while (count <= 0 && i < n && counts[i] <= 0) limit = limits[i++];
        TN_TRY(add_bucket(a, out, limit, count, err));
    }
    return TN_OK;
}

static tn_code check_finite(double v, int64_t i, tn_error *err)
{
    if (isfinite(v)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "a histogram of values of which number %lld is %f", (long long)i,
                   v);
}

tn_code tn_histogram_of(const tn_tensor *values, tn_arena *a, tn_HistogramProto *out, tn_error *err)
{
    double *limits = TN_ARRAY(a, MOST_LIMITS, double), *counts = TN_ARRAY(a, MOST_LIMITS, double);
    tn_HistogramProto h = {.min = DBL_MAX, .max = -DBL_MAX};
    if (!limits || !counts) return tn_no_memory(err, MOST_LIMITS * sizeof *limits);
    int n = make_limits(limits);
    for (int64_t i = 0, count = tn_tensor_count(values); i < count; i++) {
        double v = tn_tensor_number(values, i);
        TN_TRY(check_finite(v, i, err));
        counts[bucket_of(limits, n, v)]++;
        h.min = TN_MIN(h.min, v);
        h.max = TN_MAX(h.max, v);
        h.num++;
        h.sum += v;
        h.sum_squares += v * v;
    }
    TN_TRY(join_buckets(limits, counts, n, a, &h, err));
    *out = h;
    return TN_OK;
}

/* ---- version 2 ---- */

static tn_code range_of(const tn_tensor *values, int64_t n, double *low, double *high, tn_error *err)
{
    *low = *high = n ? tn_tensor_number(values, 0) : 0;
    for (int64_t i = 0; i < n; i++) {
        double v = tn_tensor_number(values, i);
        TN_TRY(check_finite(v, i, err));
        *low = TN_MIN(*low, v);
        *high = TN_MAX(*high, v);
    }
    return TN_OK;
}

static void fill_equal(double *rows, int buckets, const tn_tensor *values, int64_t n, double low, double high)
{
    double width = (high - low) / buckets;
    for (int b = 0; b < buckets; b++) {
        rows[3 * b] = low + b * width;
        rows[3 * b + 1] = b + 1 < buckets ? low + (b + 1) * width : high;
    }
    for (int64_t i = 0; i < n; i++) {
        double at = width > 0 ? floor((tn_tensor_number(values, i) - low) / width) : buckets;
        int b = at >= buckets ? buckets - 1 : at > 0 ? (int)at : 0;
        rows[3 * b + 2]++;
    }
}

tn_code tn_histogram_tensor(const tn_tensor *values, int buckets, tn_tensor **out, tn_error *err)
{
    int64_t n = tn_tensor_count(values);
    double low, high;
    tn_tensor *t;
    TN_TRY(range_of(values, n, &low, &high, err));
    if (!isfinite(high - low))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a histogram from %g to %g is too wide", low, high);
    TN_TRY(tn_tensor_new(TN_DOUBLE, &TN_SHAPE(buckets, 3), &t, err));
    if (n) fill_equal(t->data, buckets, values, n, low, high);
    *out = t;
    return TN_OK;
}
