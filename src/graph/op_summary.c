/* SPDX-License-Identifier: Apache-2.0
 *
 * op_summary.c - TensorFlow 1's summaries as serialized Summary messages: ScalarSummary, HistogramSummary,
 * ImageSummary, AudioSummary and its V2, TensorSummary and its V2, MergeSummary. Where they are written is
 * the reader's business.
 */
#include <math.h>

#include "../wire/wire.h"
#include "histogram.h"
#include "parse.h"
#include "sparse.h"
#include "tensorproto.h"

/* ==== shared ==== */

static tn_Summary_Value *new_value(tn_Summary *s, tn_arena *a, tn_view tag)
{
    tn_Summary_Value *v = TN_PUSH(a, &s->value);
    if (v) v->tag = tag;
    return v;
}

static tn_code put_summary(tn_run *r, const tn_Summary *s, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(Summary, s, &bytes, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, bytes.n ? bytes.data : "", bytes.n, err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code scalar_tag(const tn_run *r, tn_view *out, tn_error *err)
{
    if (tn_tensor_count(r->in[0]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "tag must be scalar, got %lld elements",
                       (long long)tn_tensor_count(r->in[0]));
    *out = tn_parse_string(r->in[0], 0);
    return TN_OK;
}

/* "tag/image", or "tag/image/2" where there may be several. */
static tn_view numbered_tag(tn_arena *a, tn_view tag, const char *kind, int64_t most, int64_t i)
{
    char *s = most > 1 ? tn_arena_printf(a, "%.*s/%s/%lld", (int)tag.n, tag.p, kind, (long long)i)
                       : tn_arena_printf(a, "%.*s/%s", (int)tag.n, tag.p, kind);
    return tn_view_of(s);
}

#define SUMMARY(Name, Run, Sig)     \
    TN_RUN_IN_ARENA(Run##_run, Run) \
    const tn_op tn_op_##Name = {    \
        .name = #Name,              \
        .sig = Sig,                 \
        .infer = tn_infer_scalar,   \
        .run = Run##_run,           \
        .flags = TN_NO_GRADIENT,    \
    }

/* ==== numbers ==== */

static tn_code scalars(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_tensor *tags = r->in[0], *values = r->in[1];
    tn_Summary s = {0};
    char x[96], y[96];
    if (!tn_shape_equal(&tags->shape, &values->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "tags and values are not the same shape: %s != %s",
                       tn_shape_text(&tags->shape, x, sizeof x), tn_shape_text(&values->shape, y, sizeof y));
    for (int64_t i = 0, n = tn_tensor_count(tags); i < n; i++) {
        tn_Summary_Value *v = new_value(&s, a, tn_parse_string(tags, i));
        if (!v) return tn_no_memory(err, sizeof *v);
        TN_SET(v, Summary_Value, value, simple_value) = (float)tn_tensor_number(values, i);
    }
    return put_summary(r, &s, err);
}
SUMMARY(ScalarSummary, scalars, "tags:string values:T -> summary:string; T:type{realnumbertype}");

static tn_code histogram(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    for (int64_t i = 0, n = tn_tensor_count(r->in[1]); i < n; i++) {
        double x = tn_tensor_number(r->in[1], i);
        if (!isfinite(x))
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s in summary histogram for: %.*s",
                           isnan(x) ? "Nan" : "Infinity", (int)TN_MIN(tag.n, (size_t)200), tag.p);
    }
    tn_Summary_Value *v = new_value(&s, a, tag);
    tn_HistogramProto *h = TN_NEW(a, tn_HistogramProto);
    if (!v || !h) return tn_no_memory(err, sizeof *h);
    TN_TRY(tn_histogram_of(r->in[1], a, h, err));
    TN_SET(v, Summary_Value, value, histo) = h;
    return put_summary(r, &s, err);
}
SUMMARY(HistogramSummary, histogram, "tag:string values:T -> summary:string; T:type{realnumbertype}=float");

/* ==== tensors ==== */

static tn_code tensor_value(tn_run *r, tn_arena *a, tn_view tag, const tn_tensor *t,
                            tn_SummaryMetadata *metadata, tn_error *err)
{
    tn_Summary s = {0};
    tn_Summary_Value *v = new_value(&s, a, tag);
    tn_TensorProto *p = TN_NEW(a, tn_TensorProto);
    if (!v || !p) return tn_no_memory(err, sizeof *p);
    TN_TRY(tn_tensor_to_proto(t, a, p, err));
    TN_SET(v, Summary_Value, value, tensor) = p;
    v->metadata = metadata;
    if (!metadata) v->node_name = tn_view_of(r->name);
    return put_summary(r, &s, err);
}

static tn_code tensor_v1(tn_run *r, tn_arena *a, tn_error *err)
{
    return tensor_value(r, a, (tn_view){NULL, 0}, r->in[0], NULL, err);
}
SUMMARY(TensorSummary, tensor_v1,
        "tensor:T -> summary:string; T:type description:string=\"\" labels:list(string)=[] "
        "display_name:string=\"\"");

static tn_code tensor_v2(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_SummaryMetadata *metadata;
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    if (tn_tensor_count(r->in[2]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "serialized_summary_metadata must be scalar");
    tn_code code = TN_DECODE(SummaryMetadata, tn_parse_string(r->in[2], 0), a, &metadata, err);
    if (code == TN_RESOURCE_EXHAUSTED) return code;
    if (code != TN_OK)
        metadata = TN_NEW(a, tn_SummaryMetadata); /* TensorFlow does not look whether it is one */
    if (!metadata) return tn_no_memory(err, sizeof *metadata);
    return tensor_value(r, a, tag, r->in[1], metadata, err);
}
SUMMARY(TensorSummaryV2, tensor_v2,
        "tag:string tensor:T serialized_summary_metadata:string -> summary:string; T:type");

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

static void bad_color(const tn_run *r, picture *p)
{
    static const uint8_t red[4] = {255, 0, 0, 255};
    const tn_tensor *t = tn_attr_get_tensor(r->attrs, "bad_color");
    memcpy(p->bad, red, sizeof red);
    for (int64_t k = 0; t && k < 4; k++)
        p->bad[k] = k < tn_tensor_count(t) ? (uint8_t)tn_tensor_int(t, k) : 0;
}

static tn_code images(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_shape *in = &r->in[1]->shape;
    picture p = {.t = r->in[1]};
    tn_Summary s = {0};
    tn_view tag;
    TN_TRY(scalar_tag(r, &tag, err));
    bool fits = in->rank == 4 && (in->dim[3] == 1 || in->dim[3] == 3 || in->dim[3] == 4);
    if (!fits || in->dim[1] >= INT32_MAX || in->dim[2] >= INT32_MAX || !in->dim[1] || !in->dim[2])
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be 4-D with last dim 1, 3, or 4, not %s",
                       tn_shape_text(in, (char[128]){0}, 128));
    p.height = in->dim[1];
    p.width = in->dim[2];
    p.depth = in->dim[3];
    bad_color(r, &p);
    p.pixels = tn_arena_array(a, (size_t)(p.height * p.width), (size_t)p.depth);
    if (!p.pixels) return tn_no_memory(err, (size_t)(p.height * p.width * p.depth));
    int64_t most = tn_attr_i(r->attrs, "max_images"), n = TN_MIN(most, in->dim[0]);
    for (int64_t i = 0; i < n; i++) {
        tn_Summary_Value *v = new_value(&s, a, numbered_tag(a, tag, "image", most, i));
        if (!v || !v->tag.p) return tn_no_memory(err, sizeof *v);
        TN_TRY(put_picture(&p, i, a, v, err));
    }
    return put_summary(r, &s, err);
}
/* TensorFlow's own has bad_color too, whose default no line of text has: it is red. */
SUMMARY(ImageSummary, images,
        "tag:string tensor:T -> summary:string; max_images:int>=1=3 T:type{uint8,float,half,double}=float");

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

static tn_code sounds(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_tensor *t = r->in[1];
    const tn_shape *in = &t->shape;
    tn_Summary s = {0};
    tn_view tag;
    float rate = 0;
    TN_TRY(scalar_tag(r, &tag, err));
    if (in->rank != 2 && in->rank != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be 3-D or 2-D, got rank %d", in->rank);
    if (tn_tensor_count(r->in[2]) == 1) rate = TN_FLOATS(r->in[2])[0];
    int64_t frames = in->dim[1], channels = in->rank == 3 ? in->dim[2] : 1,
            most = tn_attr_i(r->attrs, "max_outputs");
    if (!(rate > 0 && rate < 4e9f)) return tn_fail(err, TN_INVALID_ARGUMENT, "sample_rate must be > 0");
    if (channels == 0 || channels > UINT16_MAX || frames > INT32_MAX / 2 / channels - 64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a sound of %lld frames and %lld channels",
                       (long long)frames, (long long)channels);
    for (int64_t i = 0; i < TN_MIN(most, in->dim[0]); i++) {
        tn_Summary_Value *v = new_value(&s, a, numbered_tag(a, tag, "audio", most, i));
        tn_Summary_Audio *audio = TN_NEW(a, tn_Summary_Audio);
        tn_buf bytes = {0};
        if (!v || !v->tag.p || !audio) return tn_no_memory(err, sizeof *v);
        wav(TN_FLOATS(t) + i * frames * channels, frames, channels, (uint32_t)lrintf(rate), &bytes);
        char *copy = bytes.failed ? NULL : tn_arena_strndup(a, bytes.data, bytes.n);
        *audio = (tn_Summary_Audio){.sample_rate = rate,
                                    .num_channels = channels,
                                    .length_frames = frames,
                                    .encoded_audio_string = {copy, bytes.n},
                                    .content_type = TN_VIEW("audio/wav")};
        tn_buf_free(&bytes);
        if (!copy) return tn_no_memory(err, (size_t)frames);
        TN_SET(v, Summary_Value, value, audio) = audio;
    }
    return put_summary(r, &s, err);
}
SUMMARY(AudioSummaryV2, sounds,
        "tag:string tensor:float sample_rate:float -> summary:string; max_outputs:int>=1=3");
/* ==== several as one: each tag once ==== */

static tn_code merge(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_Summary all = {0};
    tn_map *tags = tn_map_new();
    tn_code code = tags ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; i < r->n_in && code == TN_OK; i++)
        for (int64_t k = 0, n = tn_tensor_count(r->in[i]); k < n && code == TN_OK; k++) {
            tn_Summary *s;
            if (TN_DECODE(Summary, tn_parse_string(r->in[i], k), a, &s, err) != TN_OK) {
                code = tn_fail(err, TN_INVALID_ARGUMENT, "Could not parse one of the summary inputs");
                break;
            }
            for (uint32_t j = 0; j < s->value.n && code == TN_OK; j++) {
                tn_view tag = s->value.items[j].tag;
                tn_Summary_Value *v = TN_PUSH(a, &all.value);
                if (!v || (tag.n && tn_map_get_view(tags, tag)))
                    code = v ? tn_fail(err, TN_INVALID_ARGUMENT, "Duplicate tag %.*s found in summary inputs",
                                       (int)TN_MIN(tag.n, (size_t)200), tag.p)
                             : tn_no_memory(err, sizeof *v);
                else if (!tn_map_put_view(tags, tag, tags))
                    code = tn_no_memory(err, tag.n);
                if (code == TN_OK) *v = s->value.items[j];
            }
        }
    tn_map_free(tags);
    return code == TN_OK ? put_summary(r, &all, err) : code;
}
SUMMARY(MergeSummary, merge, "inputs:N*string -> summary:string; N:int>=1");
