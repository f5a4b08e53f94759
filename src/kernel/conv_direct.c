/* SPDX-License-Identifier: Apache-2.0
 *
 * conv_direct.c - convolutions by plain loops, for doubles and integers and as what the fast ones are tested
 * against. The innermost loop runs over the output channels of a group, which lie together in filter and output.
 */
#include "conv.h"

/* One output position and one filter position that meet inside the input. */
typedef struct meeting {
    int64_t in, filter, out; /* elements from the start of an image, the filter, an image */
} meeting;

typedef struct loops {
    const tn_conv_size *s;
    int64_t group_in, group_out, in_image, out_image;
} loops;

/* Input index along dimension i for output o and filter k; false outside. */
static inline bool input_at(const tn_conv_size *s, int i, int64_t o, int64_t k, int64_t *at)
{
    *at = o * s->stride[i] - s->pad[i] + k * s->dilation[i];
    return *at >= 0 && *at < s->in[i];
}

static bool meet(const tn_conv_size *s, int64_t o, int64_t k, meeting *m)
{
    int64_t in[3], rest_o = o, rest_k = k;
    for (int i = 2; i >= 0; i--) {
        if (!input_at(s, i, rest_o % s->out[i], rest_k % s->filter[i], &in[i])) return false;
        rest_o /= s->out[i];
        rest_k /= s->filter[i];
    }
    m->in = ((in[0] * s->in[1] + in[1]) * s->in[2] + in[2]) * s->in_c;
    m->filter = k * (s->in_c / s->groups) * s->out_c;
    m->out = o * s->out_c;
    return true;
}

#define DEFINE_DIRECT(P, T)                                                                                  \
    static void P##_forward(const loops *l, const meeting *m, const T *x, const T *w, T *y)                  \
    {                                                                                                        \
        for (int64_t g = 0; g < l->s->groups; g++)                                                           \
            for (int64_t i = 0; i < l->group_in; i++) {                                                      \
                const T v = x[m->in + g * l->group_in + i];                                                  \
                const T *f = w + m->filter + i * l->s->out_c + g * l->group_out;                             \
                T *o = y + m->out + g * l->group_out;                                                        \
                for (int64_t j = 0; j < l->group_out; j++) o[j] += v * f[j];                                 \
            }                                                                                                \
    }                                                                                                        \
    static void P##_data(const loops *l, const meeting *m, T *x, const T *w, const T *y)                     \
    {                                                                                                        \
        for (int64_t g = 0; g < l->s->groups; g++)                                                           \
            for (int64_t i = 0; i < l->group_in; i++) {                                                      \
                const T *f = w + m->filter + i * l->s->out_c + g * l->group_out;                             \
                const T *o = y + m->out + g * l->group_out;                                                  \
                T sum = 0;                                                                                   \
                for (int64_t j = 0; j < l->group_out; j++) sum += f[j] * o[j];                               \
                x[m->in + g * l->group_in + i] += sum;                                                       \
            }                                                                                                \
    }                                                                                                        \
    static void P##_filter(const loops *l, const meeting *m, const T *x, T *w, const T *y)                   \
    {                                                                                                        \
        for (int64_t g = 0; g < l->s->groups; g++)                                                           \
            for (int64_t i = 0; i < l->group_in; i++) {                                                      \
                const T v = x[m->in + g * l->group_in + i];                                                  \
                T *f = w + m->filter + i * l->s->out_c + g * l->group_out;                                   \
                const T *o = y + m->out + g * l->group_out;                                                  \
                for (int64_t j = 0; j < l->group_out; j++) f[j] += v * o[j];                                 \
            }                                                                                                \
    }                                                                                                        \
    static void P##_image(const loops *l, tn_conv_kind kind, T *x, T *w, const T *bias, T *y)                \
    {                                                                                                        \
        const tn_conv_size *s = l->s;                                                                        \
        const int64_t outs = s->out[0] * s->out[1] * s->out[2],                                              \
                      taps = s->filter[0] * s->filter[1] * s->filter[2];                                     \
        if (kind == TN_CONV_BACKWARD_DATA) memset(x, 0, (size_t)l->in_image * sizeof(T));                    \
        for (int64_t o = 0; o < outs; o++) {                                                                 \
            if (kind == TN_CONV_FORWARD)                                                                     \
                for (int64_t j = 0; j < s->out_c; j++) y[o * s->out_c + j] = bias ? bias[j] : 0;             \
            for (int64_t k = 0; k < taps; k++) {                                                             \
                meeting m;                                                                                   \
                if (!meet(s, o, k, &m)) continue;                                                            \
                if (kind == TN_CONV_FORWARD)                                                                 \
                    P##_forward(l, &m, x, w, y);                                                             \
                else                                                                                         \
                    P##_data(l, &m, x, w, y);                                                                \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    static void P##_tap(const loops *l, int64_t k, const T *x, T *w, const T *y)                             \
    {                                                                                                        \
        const tn_conv_size *s = l->s;                                                                        \
        const int64_t outs = s->out[0] * s->out[1] * s->out[2], each = l->group_in * s->out_c;               \
        memset(w + k * each, 0, (size_t)each * sizeof(T));                                                   \
        for (int64_t b = 0; b < s->batch; b++)                                                               \
            for (int64_t o = 0; o < outs; o++) {                                                             \
                meeting m;                                                                                   \
                if (meet(s, o, k, &m)) P##_filter(l, &m, x + b * l->in_image, w, y + b * l->out_image);      \
            }                                                                                                \
    }                                                                                                        \
    static void P##_bias(const loops *l, const T *y, T *bias)                                                \
    {                                                                                                        \
        for (int64_t j = 0; j < l->s->out_c; j++) {                                                          \
            double sum = 0;                                                                                  \
            for (int64_t i = j; i < l->s->out_count; i += l->s->out_c) sum += (double)y[i];                  \
            bias[j] = (T)sum;                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    static void P##_run(const tn_conv_desc *d, const loops *l, T *x, T *w, T *bias, T *y)                    \
    {                                                                                                        \
        const tn_conv_size *s = l->s;                                                                        \
        const int team =                                                                                     \
            tn_team(d->threads, (double)s->out_count * (double)s->filter_count / (double)s->out_c);          \
        if (d->kind == TN_CONV_BACKWARD_FILTER) {                                                            \
            const int64_t taps = s->filter[0] * s->filter[1] * s->filter[2];                                 \
            _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)") for (int64_t k = 0; \
                                                                                              k < taps; k++) \
                P##_tap(l, k, x, w, y);                                                                      \
            if (bias) P##_bias(l, y, bias);                                                                  \
            return;                                                                                          \
        }                                                                                                    \
        _Pragma("omp parallel for schedule(static) num_threads(team) if (team > 1)") for (int64_t b = 0;     \
                                                                                          b < s->batch; b++) \
            P##_image(l, d->kind, x + b * l->in_image, w, bias, y + b * l->out_image);                       \
    }
DEFINE_DIRECT(f, float)
DEFINE_DIRECT(d, double)
DEFINE_DIRECT(i, uint32_t) /* int32: sums wrap */

void tn_conv_direct(const tn_conv_desc *d, const tn_conv_size *s, void *in, void *filter, void *bias,
                    void *out)
{
    const loops l = {s, s->in_c / s->groups, s->out_c / s->groups, s->batch ? s->in_count / s->batch : 0,
                     s->batch ? s->out_count / s->batch : 0};
    if (d->dtype == TN_DOUBLE)
        d_run(d, &l, in, filter, bias, out);
    else if (d->dtype == TN_INT32)
        i_run(d, &l, in, filter, bias, out);
    else
        f_run(d, &l, in, filter, bias, out);
}
