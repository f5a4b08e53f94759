/* SPDX-License-Identifier: Apache-2.0
 *
 * dilation.c - morphological dilation of images, and its gradients: in each window the greatest sum of an element and
 * the filter's; the gradient goes to the first such pair.
 */
#include <float.h>

#include "isa.h"

/* Runs over a window of the image: y and x are places in the image, k and l in the filter. */
#define WINDOW(d, oy, ox)                                                                      \
    for (int64_t k = 0, y = (oy) * (d)->stride[0] - (d)->pad_lo[0]; k < (d)->filter[0];        \
         k++, y += (d)->rate[0])                                                               \
        for (int64_t l = 0, x = (ox) * (d)->stride[1] - (d)->pad_lo[1]; l < (d)->filter[1];    \
             l++, x += (d)->rate[1])                                                           \
            if (y >= 0 && y < (d)->in[0] && x >= 0 && x < (d)->in[1])

typedef struct pair {
    int64_t image, filter; /* elements, within one image and the filter */
} pair;

static pair start_of(const tn_dilation_desc *d, int64_t oy, int64_t ox, int64_t c)
{
    int64_t y = TN_MAX(oy * d->stride[0] - d->pad_lo[0], 0), x = TN_MAX(ox * d->stride[1] - d->pad_lo[1], 0);
    return (pair){(y * d->in[1] + x) * d->channels + c, c};
}

#define DEFINE(P, M, A, LEAST, GET, PUT)                                                                       \
    static A P##_best(const tn_dilation_desc *d, const M *in, const M *f, int64_t oy, int64_t ox, int64_t c,   \
                      pair *at)                                                                                \
    {                                                                                                          \
        A best = LEAST;                                                                                        \
        *at = start_of(d, oy, ox, c);                                                                          \
        WINDOW(d, oy, ox)                                                                                      \
        {                                                                                                      \
            const int64_t i = (y * d->in[1] + x) * d->channels + c, j = (k * d->filter[1] + l) * d->channels + c; \
            const A v = GET(PUT((A)(GET(in[i]) + GET(f[j]))));                                                 \
            if (!(v > best)) continue;                                                                         \
            best = v;                                                                                          \
            *at = (pair){i, j};                                                                                \
        }                                                                                                      \
        return best;                                                                                           \
    }                                                                                                          \
    static void P##_run(const tn_dilation_desc *d, const void *in, const void *f, const void *dy, void *out)   \
    {                                                                                                          \
        const int64_t each = d->in[0] * d->in[1] * d->channels, places = d->out[0] * d->out[1];                \
        for (int64_t n = 0; n < d->batch * places * d->channels; n++) {                                        \
            const int64_t b = n / d->channels / places, o = n / d->channels % places;                          \
            pair at;                                                                                           \
            const A best = P##_best(d, (const M *)in + b * each, f, o / d->out[1], o % d->out[1],              \
                                    n % d->channels, &at);                                                     \
            M *to = (M *)out + (d->kind == TN_DILATION_FORWARD ? n                                             \
                                : d->kind == TN_DILATION_BY_FILTER ? at.filter : b * each + at.image);         \
            *to = d->kind == TN_DILATION_FORWARD ? PUT(best) : PUT((A)(GET(*to) + GET(((const M *)dy)[n])));   \
        }                                                                                                      \
    }
__extension__ typedef __int128 wide; /* sums that do not overflow before they are cut */
#define SAME(x) (x)
DEFINE(f32, float, float, -FLT_MAX, SAME, SAME)
DEFINE(f64, double, double, -DBL_MAX, SAME, SAME)
DEFINE(f16, uint16_t, float, -65504.0f, tn_half_to_float, tn_float_to_half)
DEFINE(b16, uint16_t, float, -FLT_MAX, tn_bfloat16_to_float, tn_float_to_bfloat16)
DEFINE(i8, int8_t, int8_t, INT8_MIN, SAME, SAME)
DEFINE(u8, uint8_t, uint8_t, 0, SAME, SAME)
DEFINE(i16, int16_t, int16_t, INT16_MIN, SAME, SAME)
DEFINE(u16, uint16_t, uint16_t, 0, SAME, SAME)
DEFINE(i32, int32_t, int64_t, INT32_MIN, (int64_t), (int32_t)(uint32_t))
DEFINE(i64, int64_t, wide, INT64_MIN, (wide), (int64_t)(uint64_t))
DEFINE(u32, uint32_t, uint32_t, 0, SAME, SAME)
DEFINE(u64, uint64_t, uint64_t, 0, SAME, SAME)

void tn_dilation(const tn_dilation_desc *d, const void *in, const void *filter, const void *dy, void *out)
{
    int64_t n = d->kind == TN_DILATION_BY_FILTER ? d->filter[0] * d->filter[1] * d->channels
                                                 : d->batch * d->in[0] * d->in[1] * d->channels;
    if (d->kind != TN_DILATION_FORWARD && n > 0) memset(out, 0, (size_t)n * tn_dtype_size(d->dtype));
    switch (d->dtype) {
    case TN_FLOAT: f32_run(d, in, filter, dy, out); break;
    case TN_DOUBLE: f64_run(d, in, filter, dy, out); break;
    case TN_HALF: f16_run(d, in, filter, dy, out); break;
    case TN_BFLOAT16: b16_run(d, in, filter, dy, out); break;
    case TN_INT8: i8_run(d, in, filter, dy, out); break;
    case TN_UINT8: u8_run(d, in, filter, dy, out); break;
    case TN_INT16: i16_run(d, in, filter, dy, out); break;
    case TN_UINT16: u16_run(d, in, filter, dy, out); break;
    case TN_INT32: i32_run(d, in, filter, dy, out); break;
    case TN_UINT32: u32_run(d, in, filter, dy, out); break;
    case TN_UINT64: u64_run(d, in, filter, dy, out); break;
    default: i64_run(d, in, filter, dy, out); break;
    }
}
