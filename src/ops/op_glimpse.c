/* SPDX-License-Identifier: Apache-2.0
 *
 * op_glimpse.c - ExtractGlimpse and V2: a window of each image around a point, and noise where it lies
 * outside.
 */
#include <math.h>

#include "../kernel/kernel.h"
#include "op_move.h"
#include "random_words.h"

/* ==== ExtractGlimpse ==== images[batch, h, w, channels] size offsets[batch, 2] */

typedef enum noise { NOISE_UNIFORM, NOISE_GAUSSIAN, NOISE_ZERO } noise;

typedef struct glimpse {
    bool centered, normalized, second;
    noise noise;
} glimpse;

static tn_code glimpse_infer(tn_infer *c, tn_error *err)
{
    tn_shape size;
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 2, err));
    tn_infer_set_rank(c, 0, 4);
    if (in->rank == 4) c->out[0].shape.dim[0] = in->dim[0], c->out[0].shape.dim[3] = in->dim[3];
    if (!tn_infer_ints(c, 1, &size)) return TN_OK;
    if (size.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size must have two elements, has %d", size.rank);
    for (int k = 0; k < 2; k++) c->out[0].shape.dim[k + 1] = size.dim[k];
    return TN_OK;
}

static tn_code glimpse_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *offsets = &p->in[2]->shape;
    bool uniform = tn_attr_b(p->attrs, "uniform_noise");
    TN_PARAMS(p, glimpse, g);
    g->centered = tn_attr_b(p->attrs, "centered");
    g->normalized = tn_attr_b(p->attrs, "normalized");
    g->second = strcmp(p->op->name, "ExtractGlimpseV2") == 0;
    g->noise = tn_attr_is(p->attrs, "noise", "uniform")    ? NOISE_UNIFORM
               : tn_attr_is(p->attrs, "noise", "gaussian") ? NOISE_GAUSSIAN
                                                           : NOISE_ZERO;
    if (uniform && g->noise != NOISE_UNIFORM)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The uniform_noise and noise could not be specified at the same time");
    if (g->noise == NOISE_ZERO && !tn_attr_is(p->attrs, "noise", "zero"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "ExtractGlimpse: noise must be uniform, gaussian or zero");
    for (int k = 1; k < 3; k++)
        if (p->out[0]->shape.dim[k] < 0 || in->dim[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "glimpse sizes must not be negative");
    if (offsets->dim[0] != in->dim[0] || offsets->dim[1] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "offsets must have a point of two values for each of %lld images",
                       (long long)in->dim[0]);
    return TN_OK;
}

/* Where the window begins along a dimension of `in` lines. Offsets are the window's middle; in the second
 * version only those that are normalized and count from the image's centre are, others are its beginning. */
static int64_t begin_of(const glimpse *g, float offset, int64_t in, int64_t out)
{
    float at = g->normalized ? offset * (float)in : offset, middle = (float)in / 2.0f;
    if (g->centered) at = g->normalized || !g->second ? at / 2.0f + middle : at + middle;
    if (!g->second || (g->centered && g->normalized)) at -= (float)out / 2.0f;
    return !(fabsf(at) < 1e9f) ? INT32_MIN : (int64_t)at;
}

/* The range of the image's own values, and what lies outside is drawn from. */
static float outside(const glimpse *g, tn_words *w, const float *range)
{
    if (g->noise == NOISE_ZERO) return 0;
    if (g->noise == NOISE_UNIFORM) return range[0] + tn_word_float(w) * (range[1] - range[0]);
    float u = fmaxf(tn_word_float(w), 1e-7f), v = tn_word_float(w);
    return range[2] + range[3] * sqrtf(-2 * logf(u)) * cosf(6.2831853f * v);
}

/* Least, greatest, mean and deviation. */
static void measure(const float *in, int64_t n, float *range)
{
    double sum = 0, squares = 0;
    range[0] = INFINITY, range[1] = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        range[0] = fminf(range[0], in[i]);
        range[1] = fmaxf(range[1], in[i]);
        sum += (double)in[i];
        squares += (double)in[i] * (double)in[i];
    }
    double mean = n ? sum / (double)n : 0;
    range[2] = (float)mean;
    range[3] = n ? (float)sqrt(fmax(squares / (double)n - mean * mean, 0)) : 0;
}

static void one_glimpse(const glimpse *g, const tn_run *r, int64_t image, tn_words *w)
{
    const tn_shape *in = &r->in[0]->shape, *out = &r->out[0]->shape;
    int64_t each = in->dim[1] * in->dim[2] * in->dim[3], channels = in->dim[3], begin[2];
    const float *from = TN_FLOATS(r->in[0]) + image * each;
    float *to = TN_FLOATS(r->out[0]) + image * out->dim[1] * out->dim[2] * channels, range[4];
    for (int k = 0; k < 2; k++)
        begin[k] = begin_of(g, TN_FLOATS(r->in[2])[2 * image + k], in->dim[k + 1], out->dim[k + 1]);
    measure(from, each, range);
    for (int64_t i = 0; i < out->dim[1]; i++)
        for (int64_t j = 0; j < out->dim[2]; j++, to += channels) {
            int64_t y = begin[0] + i, x = begin[1] + j;
            bool inside = y >= 0 && y < in->dim[1] && x >= 0 && x < in->dim[2];
            for (int64_t c = 0; c < channels; c++)
                to[c] = inside ? from[(y * in->dim[2] + x) * channels + c] : outside(g, w, range);
        }
}

static tn_code glimpse_run(tn_run *r, tn_error *err)
{
    const glimpse *g = r->params;
    tn_words w = {.used = 4};
    (void)err;
    /* The operator has no seed: its noise depends on where it looks. */
    tn_philox_stateless(&w.p, tn_hash(r->in[2]->data, tn_tensor_bytes(r->in[2])),
                        (uint64_t)r->in[0]->shape.dim[1]);
    for (int64_t i = 0; i < r->in[0]->shape.dim[0]; i++) one_glimpse(g, r, i, &w);
    return TN_OK;
}

#define GLIMPSE(NAME, FLAGS)                                                                \
    const tn_op tn_op_##NAME = {                                                            \
        .name = #NAME,                                                                      \
        .sig = "input:float size:int32 offsets:float -> glimpse:float; centered:bool=true " \
               "normalized:bool=true "                                                      \
               "uniform_noise:bool=true noise:string=\"uniform\"",                          \
        .infer = glimpse_infer,                                                             \
        .prepare = glimpse_prepare,                                                         \
        .run = glimpse_run,                                                                 \
        .flags = FLAGS,                                                                     \
        .values = TN_BIT(1),                                                                \
    }
GLIMPSE(ExtractGlimpse, TN_NO_GRADIENT);
GLIMPSE(ExtractGlimpseV2, 0);
