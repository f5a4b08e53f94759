/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_thin.c - forward convolutions of images with very few channels: the first layer of a network. A row of results
 * is a matrix product in which the rows of the left factor are windows of the image where they lie: rows of the filter
 * are segments of it. So nothing is rearranged; a padded image is copied into scratch with its border.
 *
 * The library spends its time here on the channels that are not there.
 */
#include "conv.h"
#include "isa_gemm.h"

#include <omp.h>

enum { MOST_CHANNELS = 2, LEAST_RESULTS = 8 };

typedef struct thin {
    const tn_conv_desc *d;
    const tn_conv_size *s;
    const tn_gemm_type *t;
    const float *in, *filter, *bias;
    float *out;
    int64_t height, width; /* of the image with its border */
    bool relu;
} thin;

static void bordered(const tn_conv_desc *d, const tn_conv_size *s, int64_t *height, int64_t *width)
{
    *height = s->in[1] + (d->spatial > 1 ? d->pad_lo[d->spatial - 2] + d->pad_hi[d->spatial - 2] : 0);
    *width = s->in[2] + d->pad_lo[d->spatial - 1] + d->pad_hi[d->spatial - 1];
}

static bool has_border(const tn_conv_desc *d, const tn_conv_size *s)
{
    int64_t h, w;
    bordered(d, s, &h, &w);
    return h != s->in[1] || w != s->in[2];
}

bool tn_conv_is_thin(const tn_conv_desc *d, const tn_conv_size *s)
{
    return d->kind == TN_CONV_FORWARD && d->dtype == TN_FLOAT && !d->portable && d->groups == 1 && d->spatial <= 2 &&
           s->in_c <= MOST_CHANNELS && s->out_c >= LEAST_RESULTS && s->dilation[1] == 1 && s->dilation[2] == 1 &&
           s->in_count > 0 && s->out_count > 0 && TN_ISA_PICK(tn_isa_gemm, tn_isa_level_now())->f32.mask;
}

size_t tn_conv_thin_scratch(const tn_conv_desc *d, const tn_conv_size *s)
{
    int64_t h, w;
    bordered(d, s, &h, &w);
    return has_border(d, s) ? tn_round64((size_t)(s->batch * h * w * s->in_c) * sizeof(float)) : 0;
}

/* ---- the border ---- */

static void copy_image(const thin *c, int64_t image, float *scratch)
{
    const tn_conv_size *s = c->s;
    const int64_t row = s->in[2] * s->in_c, wide = c->width * s->in_c;
    const float *from = c->in + image * s->in[1] * row;
    float *to = scratch + image * c->height * wide;
    memset(to, 0, (size_t)(c->height * wide) * sizeof(float));
    to += s->pad[1] * wide + s->pad[2] * s->in_c;
    for (int64_t y = 0; y < s->in[1]; y++) memcpy(to + y * wide, from + y * row, (size_t)row * sizeof(float));
}

/* ---- rows of results ---- */

static void one_row(const thin *c, int64_t image, int64_t y)
{
    const tn_conv_size *s = c->s;
    const int64_t panel = (int64_t)c->t->vecs * c->t->vl;
    tn_gemm_strip strip = {.m = s->out[2],
                           .k = s->filter[1] * s->filter[2] * s->in_c,
                           .segment = s->filter[2] * s->in_c,
                           .a = c->in + ((image * c->height + y * s->stride[1]) * c->width) * s->in_c,
                           .a_row = s->stride[2] * s->in_c,
                           .a_col = 1,
                           .a_segment = c->width * s->in_c,
                           .b_row = s->out_c,
                           .c_row = s->out_c,
                           .relu = c->relu};
    float *out = c->out + (image * s->out[1] + y) * s->out[2] * s->out_c;
    for (int64_t j = 0; j < s->out_c; j += panel) {
        strip.cols = (int)TN_MIN(panel, s->out_c - j);
        strip.vecs = (strip.cols + c->t->vl - 1) / c->t->vl;
        strip.b = c->filter + j;
        strip.bias = c->bias ? c->bias + j : NULL;
        strip.c = out + j;
        c->t->strip(&strip);
    }
}

static void part(thin *c, float *scratch, int part, int parts)
{
    int64_t from, to;
    thin mine = *c;
    if (scratch) {
        tn_share(c->s->batch, 1, part, parts, &from, &to);
        for (int64_t i = from; i < to; i++) copy_image(c, i, scratch);
        mine.in = scratch;
        if (parts > 1) {
#pragma omp barrier
        }
    }
    tn_share(c->s->batch * c->s->out[1], 1, part, parts, &from, &to);
    for (int64_t i = from; i < to; i++) one_row(&mine, i / c->s->out[1], i % c->s->out[1]);
}

void tn_conv_thin(const tn_conv_desc *d, const tn_conv_size *s, int isa, const tn_conv_args *a)
{
    thin c = {.d = d, .s = s, .t = &TN_ISA_PICK(tn_isa_gemm, isa)->f32, .in = a->in, .filter = a->filter,
              .bias = d->bias ? a->bias : NULL, .out = a->out, .relu = d->act == TN_ACT_RELU};
    float *scratch = has_border(d, s) ? a->scratch : NULL;
    bordered(d, s, &c.height, &c.width);
    const int threads = tn_team(d->threads, (double)s->out_count * (double)(s->filter[1] * s->filter[2] * s->in_c) / 8);
    if (threads == 1) {
        part(&c, scratch, 0, 1);
        return;
    }
#pragma omp parallel num_threads(threads)
    part(&c, scratch, omp_get_thread_num(), omp_get_num_threads());
}
