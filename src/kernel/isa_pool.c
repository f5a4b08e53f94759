/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_pool.c - pooling of floats for one level of instructions.
 */
#include "pool.h"

#define M float
#define A float
#define GET(x) (x)
#define PUT(x) (x)
#define NAME(x) f32_##x
#include "pool_type.h"

typedef float vec __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(VBYTES), aligned(4), may_alias));
enum { VL = VBYTES / sizeof(float) };

/* As everywhere: the first of the greatest, and a NaN gives way to what comes after it. */
static inline vec greater(vec best, const float *p)
{
    const vec g = *(const vec *)p;
    const bits better = (g > best) | (best != best);
    return (vec)((better & (bits)g) | (~better & (bits)best));
}

/* The commonest window, two by two without a border, in registers. */
static void max_of_four(int64_t c, int64_t row, const float *x, float *out)
{
    int64_t i = 0;
    for (; i + VL <= c; i += VL)
        *(vec *)(out + i) =
            greater(greater(greater(*(const vec *)(x + i), x + c + i), x + row + i), x + row + c + i);
    for (; i < c; i++) {
        const float *at[] = {x + i, x + c + i, x + row + i, x + row + c + i};
        float best = *at[0];
        for (int k = 1; k < 4; k++) best = *at[k] > best || best != best ? *at[k] : best;
        out[i] = best;
    }
}

static bool is_two_by_two(const tn_pool_desc *d)
{
    bool plain = true;
    for (int i = 0; i < 2; i++)
        plain = plain && d->window[i] == 2 && d->stride[i] == 2 && d->pad_lo[i] == 0 && 2 * d->out[i] <= d->in[i];
    return plain;
}

static void max_rows(const tn_pool_desc *d, const void *in, void *out, int64_t from, int64_t to)
{
    if (!is_two_by_two(d)) {
        f32_max_rows(d, in, out, from, to);
        return;
    }
    const int64_t c = d->channels, row = d->in[1] * c;
    for (int64_t r = from; r < to; r++) {
        const float *x = (const float *)in + (r / d->out[0] * d->in[0] + 2 * (r % d->out[0])) * row;
        float *o = (float *)out + r * d->out[1] * c;
        for (int64_t i = 0; i < d->out[1]; i++) max_of_four(c, row, x + 2 * i * c, o + i * c);
    }
}

/* Backward: g where the first of the greatest is, 0 at the other three. All four are written. */
static void back_of_four(int64_t c, int64_t row, const float *x, const float *g, float *out)
{
    const int64_t at[] = {0, c, row, row + c};
    int64_t i = 0;
    for (; i + VL <= c; i += VL) {
        vec best = *(const vec *)(x + i);
        bits place = {0};
        for (int k = 1; k < 4; k++) {
            const vec v = *(const vec *)(x + at[k] + i);
            const bits better = (v > best) | (best != best);
            best = (vec)((better & (bits)v) | (~better & (bits)best));
            place = (better & k) | (~better & place);
        }
        for (int k = 0; k < 4; k++) *(vec *)(out + at[k] + i) = (vec)((place == k) & *(const bits *)(g + i));
    }
    for (; i < c; i++) {
        float best = x[i];
        int place = 0;
        for (int k = 1; k < 4; k++)
            if (x[at[k] + i] > best || best != best) best = x[at[k] + i], place = k;
        for (int k = 0; k < 4; k++) out[at[k] + i] = place == k ? g[i] : 0;
    }
}

static void max_back(const tn_pool_desc *d, const void *in, const void *grad, void *grad_in, int64_t from, int64_t to)
{
    if (!is_two_by_two(d)) {
        f32_max_back(d, in, grad, grad_in, from, to);
        return;
    }
    const int64_t c = d->channels, row = d->in[1] * c, image = d->in[0] * row;
    const bool all = 2 * d->out[0] == d->in[0] && 2 * d->out[1] == d->in[1]; /* else some are in no window */
    if (!all && from < to)
        memset((float *)grad_in + from * image, 0, (size_t)((to - from) * image) * sizeof(float));
    for (int64_t r = from * d->out[0]; r < to * d->out[0]; r++) {
        const int64_t first = r / d->out[0] * image + 2 * (r % d->out[0]) * row;
        const float *x = (const float *)in + first, *g = (const float *)grad + r * d->out[1] * c;
        float *out = (float *)grad_in + first;
        for (int64_t i = 0; i < d->out[1]; i++) back_of_four(c, row, x + 2 * i * c, g + i * c, out + 2 * i * c);
    }
}

const tn_pool_isa TN_ISA_SYM(tn_isa_pool) = {
    {max_rows, f32_avg_rows, max_back, f32_avg_back, f32_max_args}};
