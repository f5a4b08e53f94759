/* SPDX-License-Identifier: Apache-2.0
 *
 * pool3d.c - maximum and average pooling of volumes, floats. One walk over the windows; what is done with the elements
 * of a window is the caller's. Windows that overlap add up within one volume, so backward shares out volumes only.
 */
#include <float.h>

#include "isa.h"

typedef struct box {
    int64_t from[3], to[3];
    int64_t count;
} box;

static box box_at(const tn_pool3d_desc *d, int64_t place)
{
    box b = {.count = 1};
    for (int k = 2; k >= 0; k--) {
        int64_t low = place % d->out[k] * d->stride[k] - d->pad_lo[k];
        b.from[k] = TN_MAX(low, 0);
        b.to[k] = TN_MIN(low + d->window[k], d->in[k]);
        b.count *= b.to[k] - b.from[k];
        place /= d->out[k];
    }
    return b;
}

static int64_t places_of(const tn_pool3d_desc *d)
{
    return d->out[0] * d->out[1] * d->out[2];
}

static int64_t volume_of(const tn_pool3d_desc *d)
{
    return d->in[0] * d->in[1] * d->in[2] * d->channels;
}

tn_code tn_pool3d_check(const tn_pool3d_desc *d, tn_error *err)
{
    for (int k = 0; k < 3; k++) {
        int64_t last = (d->out[k] - 1) * d->stride[k] - d->pad_lo[k];
        if (d->in[k] < 0 || d->out[k] < 0 || d->window[k] < 1 || d->stride[k] < 1 || d->in[k] > INT32_MAX ||
            d->window[k] > INT32_MAX || d->stride[k] > INT32_MAX || d->out[k] > INT32_MAX ||
            d->pad_lo[k] >= d->window[k] || (d->out[k] > 0 && last >= d->in[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "pooling, dimension %d: size %lld, window %lld, stride %lld", k,
                           (long long)d->in[k], (long long)d->window[k], (long long)d->stride[k]);
    }
    return TN_OK;
}

/* Runs STATEMENT for each position of box b; x: its elements' place within the volume. */
#define EACH(d, b, STATEMENT)                                                           \
    for (int64_t i_ = (b).from[0]; i_ < (b).to[0]; i_++)                                \
        for (int64_t j_ = (b).from[1]; j_ < (b).to[1]; j_++)                            \
            for (int64_t k_ = (b).from[2]; k_ < (b).to[2]; k_++) {                      \
                const int64_t x = ((i_ * (d)->in[1] + j_) * (d)->in[2] + k_) * channels; \
                STATEMENT;                                                              \
            }

static void max_box(const tn_pool3d_desc *d, const box *b, const float *in, float *out)
{
    const int64_t channels = d->channels;
    for (int64_t c = 0; c < channels; c++) out[c] = -FLT_MAX;
    EACH(d, *b, for (int64_t c = 0; c < channels; c++) out[c] = in[x + c] > out[c] ? in[x + c] : out[c]);
}

static void avg_box(const tn_pool3d_desc *d, const box *b, const float *in, float *out)
{
    const int64_t channels = d->channels;
    for (int64_t c = 0; c < channels; c++) out[c] = 0;
    EACH(d, *b, for (int64_t c = 0; c < channels; c++) out[c] += in[x + c]);
    for (int64_t c = 0; c < channels; c++) out[c] /= (float)b->count;
}

static void forward(const tn_pool3d_desc *d, bool max, const float *in, float *out)
{
    const int64_t places = places_of(d), volume = volume_of(d);
    const int team = tn_team(d->threads, (double)(d->batch * TN_MAX(volume, places * d->channels)));
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t i = 0; i < d->batch * places; i++) {
        const box b = box_at(d, i % places);
        if (max)
            max_box(d, &b, in + i / places * volume, out + i * d->channels);
        else
            avg_box(d, &b, in + i / places * volume, out + i * d->channels);
    }
}

void tn_pool3d_max(const tn_pool3d_desc *d, const float *in, float *out)
{
    forward(d, true, in, out);
}

void tn_pool3d_avg(const tn_pool3d_desc *d, const float *in, float *out)
{
    forward(d, false, in, out);
}

static void max_back(const tn_pool3d_desc *d, const float *in, const float *out, const float *grad, float *to)
{
    const int64_t channels = d->channels;
    for (int64_t i = 0, n = places_of(d); i < n; i++, out += channels, grad += channels) {
        const box b = box_at(d, i);
        EACH(d, b, for (int64_t c = 0; c < channels; c++) to[x + c] += in[x + c] == out[c] ? grad[c] : 0);
    }
}

static void avg_back(const tn_pool3d_desc *d, const float *grad, float *to)
{
    const int64_t channels = d->channels;
    for (int64_t i = 0, n = places_of(d); i < n; i++, grad += channels) {
        const box b = box_at(d, i);
        const float share = 1.0f / (float)b.count;
        EACH(d, b, for (int64_t c = 0; c < channels; c++) to[x + c] += grad[c] * share);
    }
}

static void backward(const tn_pool3d_desc *d, const float *in, const float *out, const float *grad, float *to)
{
    const int64_t volume = volume_of(d), pooled = places_of(d) * d->channels;
    const int team = tn_team(d->threads, (double)(d->batch * TN_MAX(volume, pooled)));
    if (d->batch * volume > 0) memset(to, 0, (size_t)(d->batch * volume) * sizeof *to);
#pragma omp parallel for schedule(static) num_threads(team) if (team > 1)
    for (int64_t i = 0; i < d->batch; i++) {
        if (in)
            max_back(d, in + i * volume, out + i * pooled, grad + i * pooled, to + i * volume);
        else
            avg_back(d, grad + i * pooled, to + i * volume);
    }
}

void tn_pool3d_max_back(const tn_pool3d_desc *d, const float *in, const float *out, const float *grad, float *grad_in)
{
    backward(d, in, out, grad, grad_in);
}

void tn_pool3d_avg_back(const tn_pool3d_desc *d, const float *grad, float *grad_in)
{
    backward(d, NULL, NULL, grad, grad_in);
}

void tn_pool3d_take(const tn_pool3d_desc *d, const float *in, const float *values, float *out)
{
    const int64_t places = places_of(d), volume = volume_of(d), channels = d->channels;
    for (int64_t i = 0; i < d->batch * places; i++) {
        const box b = box_at(d, i % places);
        const float *image = in + i / places * volume, *from = values + i / places * volume;
        for (int64_t c = 0; c < channels; c++) {
            float best = -FLT_MAX;
            out[i * channels + c] = 0;
            EACH(d, b, if (image[x + c] > best) {
                best = image[x + c];
                out[i * channels + c] = from[x + c];
            });
        }
    }
}
