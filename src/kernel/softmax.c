/* SPDX-License-Identifier: Apache-2.0
 *
 * softmax.c - softmax, its logarithm and its cross entropies, row by row. Floats by vector loops; the other
 * types element by element in double.
 */
#include <math.h>
#include <omp.h>

#include "reduce.h"
#include "walk.h"

static tn_code check_type(tn_dtype t, tn_error *err)
{
    if (t == TN_FLOAT || t == TN_DOUBLE || t == TN_HALF || t == TN_BFLOAT16) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "no softmax of %s", tn_dtype_name(t));
}

static double get(tn_dtype t, const void *p, int64_t i)
{
    switch (t) {
    case TN_FLOAT: return (double)((const float *)p)[i];
    case TN_DOUBLE: return ((const double *)p)[i];
    case TN_HALF: return (double)tn_half_to_float(((const uint16_t *)p)[i]);
    default: return (double)tn_bfloat16_to_float(((const uint16_t *)p)[i]);
    }
}
static void put(tn_dtype t, void *p, int64_t i, double v)
{
    switch (t) {
    case TN_FLOAT: ((float *)p)[i] = (float)v; break;
    case TN_DOUBLE: ((double *)p)[i] = v; break;
    case TN_HALF: ((uint16_t *)p)[i] = tn_float_to_half((float)v); break;
    default: ((uint16_t *)p)[i] = tn_float_to_bfloat16((float)v); break;
    }
}

typedef struct job {
    tn_dtype t;
    const tn_reduce_isa *isa;
    int64_t rows, cols;
    const char *logits;
    char *out; /* softmax, or the gradient; may be NULL for cross entropies */
    int64_t logits_stride;
    bool log;
    const char *labels;
    int64_t labels_stride;
    tn_dtype label_type;
    char *loss;
} job;

/* The greatest of a row and the sum of e^(x - greatest). */
static void row_sums(const job *j, const void *x, double *shift, double *sum)
{
    *shift = -INFINITY;
    *sum = 0;
    for (int64_t i = 0; i < j->cols; i++) {
        double v = get(j->t, x, i);
        if (v > *shift || v != v) *shift = v;
    }
    for (int64_t i = 0; i < j->cols; i++) *sum += exp(get(j->t, x, i) - *shift);
}

static void softmax_row(const job *j, const void *x, void *o)
{
    double shift, sum;
    row_sums(j, x, &shift, &sum);
    for (int64_t i = 0; i < j->cols; i++) {
        double v = get(j->t, x, i) - shift;
        put(j->t, o, i, j->log ? v - log(sum) : exp(v) / sum);
    }
}

static void softmax_float_row(const job *j, const float *x, float *o)
{
    const float shift = j->isa->max(j->cols, x);
    if (!j->log) {
        j->isa->scale(j->cols, 1.0f / j->isa->exp_sum(j->cols, x, shift, o), o);
        return;
    }
    const float norm = logf(j->isa->exp_sum(j->cols, x, shift, NULL));
    for (int64_t i = 0; i < j->cols; i++) o[i] = (x[i] - shift) - norm;
}

static void softmax_rows(const job *j, int64_t from, int64_t to)
{
    const int64_t row = j->cols * (int64_t)tn_dtype_size(j->t);
    for (int64_t i = from; i < to; i++)
        if (j->t == TN_FLOAT)
            softmax_float_row(j, (const float *)(const void *)(j->logits + i * row),
                              (float *)(void *)(j->out + i * row));
        else
            softmax_row(j, j->logits + i * row, j->out + i * row);
}

static void share_rows(const job *j, int threads, void (*rows)(const job *, int64_t, int64_t))
{
    threads = tn_team(threads, (double)j->rows * (double)j->cols * 3);
    if (threads == 1) {
        rows(j, 0, j->rows);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t from, to;
        tn_share(j->rows, 1, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        rows(j, from, to);
    }
}

tn_code tn_softmax(tn_dtype dtype, bool log, int64_t rows, int64_t cols, const void *in, void *out,
                   int threads, tn_error *err)
{
    TN_TRY(check_type(dtype, err));
    const job j = {.t = dtype,
                   .isa = TN_ISA_PICK(tn_isa_reduce, tn_isa_level_now()),
                   .rows = rows,
                   .cols = cols,
                   .logits = in,
                   .out = out,
                   .log = log};
    if (cols > 0) share_rows(&j, threads, softmax_rows);
    return TN_OK;
}

/* ---- cross entropy ---- */

static int64_t label_of(const job *j, int64_t row)
{
    return j->label_type == TN_INT32 ? ((const int32_t *)(const void *)j->labels)[row]
                                     : ((const int64_t *)(const void *)j->labels)[row];
}

static void xent_float_row(const job *j, const float *x, int64_t row)
{
    float *o = j->out ? (float *)(void *)j->out + row * j->cols : NULL, *loss = (float *)(void *)j->loss;
    const float shift = j->isa->max(j->cols, x), sum = j->isa->exp_sum(j->cols, x, shift, o),
                norm = logf(sum);
    if (o) j->isa->scale(j->cols, 1.0f / sum, o);
    if (j->label_type != TN_INVALID_DTYPE) {
        const int64_t label = label_of(j, row);
        loss[row] = norm - (x[label] - shift);
        if (o) o[label] -= 1.0f;
        return;
    }
    const float *labels = (const float *)(const void *)j->labels + row * j->labels_stride;
    float total = 0;
    for (int64_t i = 0; i < j->cols; i++) total += labels[i] * (norm - (x[i] - shift));
    for (int64_t i = 0; o && i < j->cols; i++) o[i] -= labels[i];
    loss[row] = total;
}

static void xent_row(const job *j, const void *x, int64_t row)
{
    const int64_t size = (int64_t)tn_dtype_size(j->t),
                  label = j->label_type != TN_INVALID_DTYPE ? label_of(j, row) : -1;
    const void *labels = j->labels + row * j->labels_stride * size;
    double shift, sum, total = 0;
    row_sums(j, x, &shift, &sum);
    const double norm = log(sum);
    for (int64_t i = 0; i < j->cols; i++) {
        const double v = get(j->t, x, i) - shift,
                     p = j->label_type != TN_INVALID_DTYPE ? i == label : get(j->t, labels, i);
        if (j->label_type == TN_INVALID_DTYPE || i == label) total += p * (norm - v);
        if (j->out) put(j->t, j->out, row * j->cols + i, exp(v) / sum - p);
    }
    put(j->t, j->loss, row, total);
}

static void xent_rows(const job *j, int64_t from, int64_t to)
{
    const int64_t step = j->logits_stride * (int64_t)tn_dtype_size(j->t);
    for (int64_t i = from; i < to; i++)
        if (j->t == TN_FLOAT)
            xent_float_row(j, (const float *)(const void *)(j->logits + i * step), i);
        else
            xent_row(j, j->logits + i * step, i);
}

tn_code tn_softmax_xent(tn_dtype dtype, int64_t rows, int64_t cols, const void *logits, int64_t logits_stride,
                        const void *labels, int64_t labels_stride, void *loss, void *backprop, int threads,
                        tn_error *err)
{
    TN_TRY(check_type(dtype, err));
    const job j = {.t = dtype,
                   .isa = TN_ISA_PICK(tn_isa_reduce, tn_isa_level_now()),
                   .rows = rows,
                   .cols = cols,
                   .logits = logits,
                   .logits_stride = logits_stride,
                   .labels = labels,
                   .labels_stride = labels_stride,
                   .loss = loss,
                   .out = backprop};
    share_rows(&j, threads, xent_rows);
    return TN_OK;
}

/* The lowest label where that is negative, else the highest. */
static tn_code check_labels(const job *j, tn_error *err)
{
    int64_t lowest = 0, highest = 0;
    char text[1100] = ""; /* of all labels, as far as a message goes */
    size_t at = 0;
    for (int64_t i = 0; i < j->rows; i++) {
        lowest = TN_MIN(lowest, label_of(j, i));
        highest = TN_MAX(highest, label_of(j, i));
    }
    if (lowest >= 0 && (highest < j->cols || !j->rows)) return TN_OK;
    for (int64_t i = 0; i < j->rows && at + 24 < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? " " : "", (long long)label_of(j, i));
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Received a label value of %lld which is outside the valid range of [0, %lld).  Label values: %s",
                   (long long)(lowest < 0 ? lowest : highest), (long long)j->cols, text);
}

tn_code tn_sparse_softmax_xent(tn_dtype dtype, int64_t rows, int64_t cols, const void *logits,
                               tn_dtype label_dtype, const void *labels, void *loss, void *backprop,
                               int threads, tn_error *err)
{
    TN_TRY(check_type(dtype, err));
    if (label_dtype != TN_INT32 && label_dtype != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "labels are %s instead of int32 or int64",
                       tn_dtype_name(label_dtype));
    const job j = {.t = dtype,
                   .isa = TN_ISA_PICK(tn_isa_reduce, tn_isa_level_now()),
                   .rows = rows,
                   .cols = cols,
                   .logits = logits,
                   .logits_stride = cols,
                   .labels = labels,
                   .label_type = label_dtype,
                   .loss = loss,
                   .out = backprop};
    TN_TRY(check_labels(&j, err));
    share_rows(&j, threads, xent_rows);
    return TN_OK;
}
