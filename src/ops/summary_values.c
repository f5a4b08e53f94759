/* SPDX-License-Identifier: Apache-2.0
 *
 * summary_values.c - tensors as values of summaries: numbers, histograms, pictures as PNG, sounds as WAV.
 */
#include "summary_values.h"

#include <math.h>

#include "../graph/tensorproto.h"
#include "../wire/wire.h"
#include "histogram.h"

/* ==== shared ==== */

tn_Summary_Value *tn_put_value(tn_Summary *s, tn_arena *a, tn_view tag)
{
    tn_Summary_Value *v = TN_PUSH(a, &s->value);
    if (v) v->tag = tag;
    return v;
}

/* "tag/image", or "tag/image/2" where there may be several. */
static tn_view numbered_tag(tn_arena *a, tn_view tag, const char *kind, int64_t most, int64_t i)
{
    char *s = most > 1 ? tn_arena_printf(a, "%.*s/%s/%lld", (int)tag.n, tag.p, kind, (long long)i)
                       : tn_arena_printf(a, "%.*s/%s", (int)tag.n, tag.p, kind);
    return tn_view_of(s);
}

/* ==== numbers and tensors ==== */

tn_code tn_put_histogram(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++) {
        double x = tn_tensor_number(t, i);
        if (!isfinite(x))
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s in summary histogram for: %.*s",
                           isnan(x) ? "Nan" : "Infinity", (int)TN_MIN(tag.n, (size_t)200), tag.p);
    }
    tn_Summary_Value *v = tn_put_value(s, a, tag);
    tn_HistogramProto *h = TN_NEW(a, tn_HistogramProto);
    if (!v || !h) return tn_no_memory(err, sizeof *h);
    TN_TRY(tn_histogram_of(t, a, h, err));
    TN_SET(v, Summary_Value, value, histo) = h;
    return TN_OK;
}

tn_code tn_put_tensor(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, tn_Summary_Value **out,
                      tn_error *err)
{
    tn_Summary_Value *v = tn_put_value(s, a, tag);
    tn_TensorProto *p = TN_NEW(a, tn_TensorProto);
    if (!v || !p) return tn_no_memory(err, sizeof *p);
    TN_TRY(tn_tensor_to_proto(t, a, p, err));
    TN_SET(v, Summary_Value, value, tensor) = p;
    *out = v;
    return TN_OK;
}

/* ==== images ==== */

typedef struct picture {
    const tn_tensor *t;
    int64_t height, width, depth;
    uint8_t bad[4]; /* the colour of pixels that are not finite */
    uint8_t *pixels;
} picture;

static bool is_good(const picture *p, int64_t pixel)
{
    bool finite = true;
    for (int64_t k = 0; k < p->depth; k++) finite &= isfinite(tn_tensor_number(p->t, pixel + k));
    return finite;
}

/* Least and greatest value of the pixels that are finite. */
static void extent(const picture *p, int64_t from, int64_t n, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = from; i < from + n; i += p->depth)
        for (int64_t k = 0; k < p->depth && is_good(p, i); k++) {
            *low = fmin(*low, tn_tensor_number(p->t, i + k));
            *high = fmax(*high, tn_tensor_number(p->t, i + k));
        }
}

/* v * scale + offset in the tensor's own precision; the scale is a float's. */
static uint8_t scaled(const picture *p, double v, double scale, double offset)
{
    if (p->t->dtype == TN_DOUBLE) return (uint8_t)(v * scale + offset);
    if (p->t->dtype == TN_FLOAT) return (uint8_t)((float)v * (float)scale + (float)offset);
    float narrow = tn_half_to_float(tn_float_to_half((float)scale));
    float product = tn_half_to_float(tn_float_to_half((float)v * narrow));
    return (uint8_t)tn_half_to_float(tn_float_to_half(product + (float)offset));
}

/* [0, high] becomes 0 .. 255; with negative values zero is 128 and the largest magnitude 127 away. */
static void scale_pixels(const picture *p, int64_t from)
{
    int64_t n = p->height * p->width * p->depth;
    double low, high, offset = 0, range = 255;
    extent(p, from, n, &low, &high);
    if (low < 0) {
        high = fmax(fabs(low), fabs(high));
        offset = 128;
        range = 127;
    }
    double scale = high < 1e-6 ? 0 : (float)range / (float)high;
    for (int64_t i = 0; i < n; i += p->depth)
        for (int64_t k = 0; k < p->depth; k++)
            p->pixels[i + k] = is_good(p, from + i)
                                   ? scaled(p, tn_tensor_number(p->t, from + i + k), scale, offset)
                                   : p->bad[k];
}

static tn_code put_picture(const picture *p, int64_t i, tn_arena *a, tn_Summary_Value *v, tn_error *err)
{
    int64_t n = p->height * p->width * p->depth;
    tn_Summary_Image *image = TN_NEW(a, tn_Summary_Image);
    tn_buf png = {0};
    if (!image) return tn_no_memory(err, sizeof *image);
    if (p->t->dtype == TN_UINT8)
        memcpy(p->pixels, (const uint8_t *)p->t->data + i * n, (size_t)n);
    else
        scale_pixels(p, i * n);
    tn_code code = tn_png_encode(p->pixels, (int)p->width, (int)p->height, (int)p->depth, &png, err);
    char *bytes = code == TN_OK ? tn_arena_strndup(a, png.data, png.n) : NULL;
    *image = (tn_Summary_Image){.height = (int32_t)p->height,
                                .width = (int32_t)p->width,
                                .colorspace = (int32_t)p->depth,
                                .encoded_image_string = {bytes, png.n}};
    tn_buf_free(&png);
    TN_SET(v, Summary_Value, value, image) = image;
    return code != TN_OK || bytes ? code : tn_no_memory(err, image->encoded_image_string.n);
}

tn_code tn_put_images(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, const tn_tensor *bad,
                      int64_t most, tn_error *err)
{
    const tn_shape *in = &t->shape;
    picture p = {.t = t, .bad = {255, 0, 0, 255}};
    bool fits = in->rank == 4 && (in->dim[3] == 1 || in->dim[3] == 3 || in->dim[3] == 4);
    if (!fits || in->dim[1] >= INT32_MAX || in->dim[2] >= INT32_MAX || !in->dim[1] || !in->dim[2])
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be 4-D with last dim 1, 3, or 4, not %s",
                       tn_shape_text(in, (char[128]){0}, 128));
    p.height = in->dim[1];
    p.width = in->dim[2];
    p.depth = in->dim[3];
    for (int64_t k = 0; bad && k < 4; k++)
        p.bad[k] = k < tn_tensor_count(bad) ? (uint8_t)tn_tensor_int(bad, k) : 0;
    p.pixels = tn_arena_array(a, (size_t)(p.height * p.width), (size_t)p.depth);
    if (!p.pixels) return tn_no_memory(err, (size_t)(p.height * p.width * p.depth));
    for (int64_t i = 0; i < TN_MIN(most, in->dim[0]); i++) {
        tn_Summary_Value *v = tn_put_value(s, a, numbered_tag(a, tag, "image", most, i));
        if (!v || !v->tag.p) return tn_no_memory(err, sizeof *v);
        TN_TRY(put_picture(&p, i, a, v, err));
    }
    return TN_OK;
}

/* ==== sounds ==== 16-bit WAV */

static void put_number(tn_buf *out, uint32_t v, int bytes)
{
    for (int k = 0; k < bytes; k++) tn_buf_char(out, (char)(v >> 8 * k & 0xff));
}

static void wav(const float *samples, int64_t frames, int64_t channels, uint32_t rate, tn_buf *out)
{
    uint32_t bytes = (uint32_t)(frames * channels * 2);
    tn_buf_str(out, "RIFF");
    put_number(out, 36 + bytes, 4);
    tn_buf_str(out, "WAVEfmt ");
    put_number(out, 16, 4);
    put_number(out, 1, 2);
    put_number(out, (uint32_t)channels, 2);
    put_number(out, rate, 4);
    put_number(out, rate * (uint32_t)channels * 2, 4);
    put_number(out, (uint32_t)channels * 2, 2);
    put_number(out, 16, 2);
    tn_buf_str(out, "data");
    put_number(out, bytes, 4);
    for (int64_t i = 0; i < frames * channels; i++) {
        float v = roundf(samples[i] * 32768.0f);
        put_number(out, (uint16_t)(int16_t)(v > 32767 ? 32767 : v >= -32768 ? v : -32768), 2);
    }
}

static tn_code put_sound(const tn_tensor *t, int64_t i, float rate, tn_arena *a, tn_Summary_Value *v,
                         tn_error *err)
{
    int64_t frames = t->shape.dim[1], channels = t->shape.rank == 3 ? t->shape.dim[2] : 1;
    tn_Summary_Audio *audio = TN_NEW(a, tn_Summary_Audio);
    tn_buf bytes = {0};
    if (!audio) return tn_no_memory(err, sizeof *audio);
    wav(TN_FLOATS(t) + i * frames * channels, frames, channels, (uint32_t)lrintf(rate), &bytes);
    char *copy = bytes.failed ? NULL : tn_arena_strndup(a, bytes.data, bytes.n);
    *audio = (tn_Summary_Audio){.sample_rate = rate,
                                .num_channels = channels,
                                .length_frames = frames,
                                .encoded_audio_string = {copy, bytes.n},
                                .content_type = TN_VIEW("audio/wav")};
    tn_buf_free(&bytes);
    TN_SET(v, Summary_Value, value, audio) = audio;
    return copy ? TN_OK : tn_no_memory(err, (size_t)frames);
}

tn_code tn_put_sounds(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, float rate, int64_t most,
                      tn_error *err)
{
    const tn_shape *in = &t->shape;
    if (in->rank != 2 && in->rank != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be 3-D or 2-D, got rank %d", in->rank);
    int64_t frames = in->dim[1], channels = in->rank == 3 ? in->dim[2] : 1;
    if (!(rate > 0 && rate < 4e9f)) return tn_fail(err, TN_INVALID_ARGUMENT, "sample_rate must be > 0");
    if (channels == 0 || channels > UINT16_MAX || frames > INT32_MAX / 2 / channels - 64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a sound of %lld frames and %lld channels",
                       (long long)frames, (long long)channels);
    for (int64_t i = 0; i < TN_MIN(most, in->dim[0]); i++) {
        tn_Summary_Value *v = tn_put_value(s, a, numbered_tag(a, tag, "audio", most, i));
        if (!v || !v->tag.p) return tn_no_memory(err, sizeof *v);
        TN_TRY(put_sound(t, i, rate, a, v, err));
    }
    return TN_OK;
}
