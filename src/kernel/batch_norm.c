/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_norm.c - FusedBatchNorm forward and backward over [rows, channels].
 *
 * Mean and variance are found in one pass over memory: blocks of rows that fit the cache give a mean and a
 * sum of squared distances from it, which are combined in double. Each thread takes a range of rows; their
 * results are combined in order. half and bfloat16 rows are widened block by block.
 */
#include "norm.h"
#include "walk.h"

#include <math.h>
#include <omp.h>

/* One thread's part of the scratch: doubles for totals, floats for a block, and widened rows. */
typedef struct part {
    double *mean, *m2; /* backward: the sums of dy and of dy (x - mean) */
    float *sum, *square;
    float *wide[2];
} part;

typedef struct job {
    const tn_batch_norm *d;
    const tn_norm_isa *isa;
    int threads;
    int64_t block; /* rows */
    const void *x, *dy;
    const float *mean;
    float *a, *b, *c; /* per channel, of the last pass; shared by the threads */
    void *out;
    char *scratch;
} job;

static int64_t block_rows(const tn_batch_norm *d)
{
    return TN_MAX(8192 / TN_MAX(d->channels, 1), 4);
}
static size_t wide_size(const tn_batch_norm *d)
{
    return d->dtype == TN_FLOAT ? 0 : tn_round64((size_t)(block_rows(d) * d->channels) * sizeof(float));
}
static size_t part_size(const tn_batch_norm *d)
{
    const size_t c = (size_t)d->channels;
    return 2 * tn_round64(c * sizeof(double)) + 2 * tn_round64(c * sizeof(float)) + 2 * wide_size(d) + 64;
}
static size_t channel_size(const tn_batch_norm *d)
{
    return tn_round64((size_t)d->channels * sizeof(float));
}

size_t tn_batch_norm_scratch(const tn_batch_norm *d)
{
    return 3 * channel_size(d) + part_size(d) * (size_t)TN_MAX(d->threads, 1);
}

static part part_of(const job *j, int i)
{
    const tn_batch_norm *d = j->d;
    const size_t c = (size_t)d->channels;
    char *at = j->scratch + 3 * channel_size(d) + part_size(d) * (size_t)i;
    part p = {.mean = (void *)(at + 64)};
    p.m2 = (void *)((char *)p.mean + tn_round64(c * sizeof(double)));
    p.sum = (void *)((char *)p.m2 + tn_round64(c * sizeof(double)));
    p.square = (void *)((char *)p.sum + tn_round64(c * sizeof(float)));
    p.wide[0] = (void *)((char *)p.square + tn_round64(c * sizeof(float)));
    p.wide[1] = (void *)((char *)p.wide[0] + wide_size(d));
    return p;
}

static job job_of(const tn_batch_norm *d, void *scratch)
{
    job j = {.d = d,
             .isa = TN_ISA_PICK(tn_isa_norm, tn_isa_level_now()),
             .block = block_rows(d),
             .scratch = scratch,
             .threads = tn_team(TN_MAX(d->threads, 1), (double)d->rows * (double)d->channels)};
    j.a = scratch;
    j.b = (void *)(j.scratch + channel_size(d));
    j.c = (void *)(j.scratch + 2 * channel_size(d));
    return j;
}

/* Rows [at, at + n) as floats. */
static const float *rows_at(const job *j, const void *x, int64_t at, int64_t n, float *wide)
{
    const int64_t c = j->d->channels;
    if (j->d->dtype == TN_FLOAT) return (const float *)x + at * c;
    tn_widen(j->d->dtype, n * c, (const uint16_t *)x + at * c, wide);
    return wide;
}

static void each_part(const job *j, void (*run)(const job *, int, int64_t, int64_t))
{
    if (j->threads == 1) {
        run(j, 0, 0, j->d->rows);
        return;
    }
#pragma omp parallel num_threads(j->threads)
    {
        const int parts = omp_get_num_threads();
        for (int i = omp_get_thread_num(); i < j->threads; i += parts) {
            int64_t from, to;
            tn_share(j->d->rows, 1, i, j->threads, &from, &to);
            run(j, i, from, to);
        }
    }
}

/* ---- mean and variance ---- */

/* Adds n rows of mean b and squared distances s2 (per channel) to a's. */
static void combine(int64_t c, double *mean, double *m2, int64_t rows, const float *sum, const float *square,
                    int64_t n)
{
    const double share = (double)n / (double)(rows + n), weight = (double)rows * share;
    for (int64_t k = 0; k < c; k++) {
        const double delta = (double)sum[k] - mean[k];
        mean[k] += delta * share;
        m2[k] += (double)square[k] + delta * delta * weight;
    }
}

static void moments_part(const job *j, int i, int64_t from, int64_t to)
{
    const int64_t c = j->d->channels;
    part p = part_of(j, i);
    memset(p.mean, 0, (size_t)c * sizeof(double));
    memset(p.m2, 0, (size_t)c * sizeof(double));
    for (int64_t at = from; at < to; at += j->block) {
        const int64_t n = TN_MIN(j->block, to - at);
        const float *x = rows_at(j, j->x, at, n, p.wide[0]);
        memset(p.sum, 0, (size_t)c * sizeof(float));
        memset(p.square, 0, (size_t)c * sizeof(float));
        j->isa->sum(n, c, x, p.sum);
        for (int64_t k = 0; k < c; k++) p.sum[k] /= (float)n;
        j->isa->spread(n, c, x, p.sum, p.square);
        combine(c, p.mean, p.m2, at - from, p.sum, p.square, n);
    }
}

static void join_moments(const job *j)
{
    const part all = part_of(j, 0);
    int64_t from, to, rows;
    tn_share(j->d->rows, 1, 0, j->threads, &from, &rows);
    for (int i = 1; i < j->threads; i++) {
        const part p = part_of(j, i);
        tn_share(j->d->rows, 1, i, j->threads, &from, &to);
        if (from == to) continue;
        const double share = (double)(to - from) / (double)(rows + to - from), weight = (double)rows * share;
        for (int64_t k = 0; k < j->d->channels; k++) {
            const double delta = p.mean[k] - all.mean[k];
            all.mean[k] += delta * share;
            all.m2[k] += p.m2[k] + delta * delta * weight;
        }
        rows += to - from;
    }
}

/* ---- forward ---- */

static void affine_part(const job *j, int i, int64_t from, int64_t to)
{
    const int64_t c = j->d->channels;
    const bool relu = j->d->act == TN_ACT_RELU;
    if (j->d->dtype == TN_FLOAT) {
        j->isa->affine(to - from, c, (const float *)j->x + from * c, j->mean, j->a, j->b, relu,
                       (float *)j->out + from * c);
        return;
    }
    const part p = part_of(j, i);
    for (int64_t at = from; at < to; at += j->block) {
        const int64_t n = TN_MIN(j->block, to - at);
        const float *x = rows_at(j, j->x, at, n, p.wide[0]);
        j->isa->affine(n, c, x, j->mean, j->a, j->b, relu, p.wide[1]);
        tn_narrow(j->d->dtype, n * c, p.wide[1], (uint16_t *)j->out + at * c);
    }
}

static void set_affine(job *j, const float *scale, const float *offset, const float *mean,
                       const float *variance)
{
    j->mean = mean;
    for (int64_t k = 0; k < j->d->channels; k++) {
        j->a[k] = scale[k] / sqrtf(variance[k] + j->d->epsilon);
        j->b[k] = offset[k];
    }
}

static float mix(float old, float now, float average)
{
    return average == 1 ? now : (1 - average) * old + average * now;
}

void tn_batch_norm_train(const tn_batch_norm *d, const void *x, const float *scale, const float *offset,
                         const float *old_mean, const float *old_variance, void *y, float *mean_out,
                         float *variance_out, float *saved_mean, float *saved_variance, void *scratch)
{
    job j = job_of(d, scratch);
    const double rows = (double)d->rows;
    if (d->rows == 0) {
        for (int64_t k = 0; k < d->channels; k++)
            mean_out[k] = variance_out[k] = NAN, saved_mean[k] = saved_variance[k] = 0;
        return;
    }
    j.x = x;
    j.out = y;
    each_part(&j, moments_part);
    join_moments(&j);
    const part all = part_of(&j, 0);
    for (int64_t k = 0; k < d->channels; k++) {
        saved_mean[k] = (float)all.mean[k];
        saved_variance[k] = (float)(all.m2[k] / rows);
    }
    set_affine(&j, scale, offset, saved_mean, saved_variance);
    for (int64_t k = 0; k < d->channels; k++) {
        mean_out[k] = mix(old_mean ? old_mean[k] : 0, saved_mean[k], d->average);
        variance_out[k] =
            mix(old_variance ? old_variance[k] : 0, (float)(all.m2[k] / TN_MAX(rows - 1, 1)), d->average);
    }
    each_part(&j, affine_part);
}

void tn_batch_norm_infer(const tn_batch_norm *d, const void *x, const float *scale, const float *offset,
                         const float *mean, const float *variance, void *y, void *scratch)
{
    job j = job_of(d, scratch);
    j.x = x;
    j.out = y;
    set_affine(&j, scale, offset, mean, variance);
    each_part(&j, affine_part);
}

/* ---- backward ---- */

static void dots_part(const job *j, int i, int64_t from, int64_t to)
{
    const int64_t c = j->d->channels;
    part p = part_of(j, i);
    memset(p.mean, 0, (size_t)c * sizeof(double));
    memset(p.m2, 0, (size_t)c * sizeof(double));
    for (int64_t at = from; at < to; at += j->block) {
        const int64_t n = TN_MIN(j->block, to - at);
        memset(p.sum, 0, (size_t)c * sizeof(float));
        memset(p.square, 0, (size_t)c * sizeof(float));
        j->isa->dots(n, c, rows_at(j, j->dy, at, n, p.wide[0]), rows_at(j, j->x, at, n, p.wide[1]), j->mean,
                     p.sum, p.square);
        for (int64_t k = 0; k < c; k++) p.mean[k] += (double)p.sum[k], p.m2[k] += (double)p.square[k];
    }
}

static void affine2_part(const job *j, int i, int64_t from, int64_t to)
{
    const int64_t c = j->d->channels;
    const part p = part_of(j, i);
    for (int64_t at = from; at < to; at += j->block) {
        const int64_t n = TN_MIN(j->block, to - at);
        const float *g = rows_at(j, j->dy, at, n, p.wide[0]), *x = rows_at(j, j->x, at, n, p.wide[1]);
        float *to_rows = j->d->dtype == TN_FLOAT ? (float *)j->out + at * c : p.wide[0];
        j->isa->affine2(n, c, g, x, j->mean, j->a, j->b, j->c, to_rows);
        if (j->d->dtype != TN_FLOAT) tn_narrow(j->d->dtype, n * c, to_rows, (uint16_t *)j->out + at * c);
    }
}

void tn_batch_norm_backward(const tn_batch_norm *d, bool training, const void *dy, const void *x,
                            const float *scale, const float *mean, const float *variance, void *dx,
                            float *dscale, float *doffset, void *scratch)
{
    job j = job_of(d, scratch);
    j.x = x, j.dy = dy, j.mean = mean, j.out = dx;
    each_part(&j, dots_part);
    const part all = part_of(&j, 0);
    for (int i = 1; i < j.threads; i++) {
        const part p = part_of(&j, i);
        for (int64_t k = 0; k < d->channels; k++) all.mean[k] += p.mean[k], all.m2[k] += p.m2[k];
    }
    const double rows = (double)TN_MAX(d->rows, 1);
    for (int64_t k = 0; k < d->channels; k++) {
        const double inverse = 1 / sqrt((double)variance[k] + (double)d->epsilon),
                     a = (double)scale[k] * inverse;
        const double slope = training ? -a * all.m2[k] * inverse * inverse / rows : 0;
        j.a[k] = (float)a;
        j.b[k] = (float)slope;
        j.c[k] = (float)(training ? -a * all.mean[k] / rows : 0);
        dscale[k] = (float)(all.m2[k] * inverse);
        doffset[k] = (float)all.mean[k];
    }
    each_part(&j, affine2_part);
}
