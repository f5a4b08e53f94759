/* SPDX-License-Identifier: Apache-2.0
 *
 * op_encode_image.c - tensors as files of images: EncodePng, EncodeJpeg, EncodeJpegVariableQuality.
 */
#include "../wire/wire.h"
#include "op_move.h"

/* Takes what b holds as element i. A tensor that could not be written is INTERNAL, as in TensorFlow. */
static tn_code put_file(tn_tensor *out, int64_t i, tn_buf *b, tn_code code, const char *what, tn_error *err)
{
    if (code == TN_INVALID_ARGUMENT) code = tn_fail(err, TN_INTERNAL, "%s encoding failed", what);
    if (code == TN_OK) code = tn_buf_check(b, err);
    if (code == TN_OK) code = tn_string_set(out, i, b->data, b->n, err);
    tn_buf_free(b);
    return code;
}

/* ==== EncodePng ==== image[..., height, width, channels] */

static tn_code png_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 3, err));
    if (in->rank < 0) return TN_OK;
    c->out[0].shape = *in;
    c->out[0].shape.rank -= 3;
    return TN_OK;
}

static tn_code png_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *s = &p->in[0]->shape;
    int64_t channels = s->dim[s->rank - 1], level = tn_attr_i(p->attrs, "compression");
    if (channels < 1 || channels > 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image must have 1, 2, 3, or 4 channels, got %lld",
                       (long long)channels);
    if (level < -1 || level > 9)
        return tn_fail(err, TN_INVALID_ARGUMENT, "compression should be in [-1,9], got %lld", (long long)level);
    return TN_OK;
}

static tn_code png_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int64_t h = s->dim[s->rank - 3], w = s->dim[s->rank - 2], channels = s->dim[s->rank - 1];
    int bits = r->in[0]->dtype == TN_UINT16 ? 16 : 8, level = (int)tn_attr_i(r->attrs, "compression");
    const char *pixels = r->in[0]->data;
    if (h > INT32_MAX || w > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image is too large: %lld x %lld", (long long)h, (long long)w);
    for (int64_t i = 0, n = tn_tensor_count(r->out[0]); i < n; i++) {
        tn_buf b = {0};
        tn_code code = tn_png_encode_bits(pixels + i * h * w * channels * bits / 8, (int)w, (int)h, (int)channels, bits,
                                          level, &b, err);
        TN_TRY(put_file(r->out[0], i, &b, code, "PNG", err));
    }
    return TN_OK;
}

const tn_op tn_op_EncodePng = {
    .name = "EncodePng",
    .sig = "image:T -> contents:string; compression:int=-1 T:type{uint8,uint16}=uint8",
    .infer = png_infer,
    .prepare = png_prepare,
    .run = png_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== EncodeJpeg, EncodeJpegVariableQuality ==== */

static tn_code jpeg_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    if (c->n_in > 1) TN_TRY(tn_infer_rank(c, 1, 0, err));
    c->out[0].shape = (tn_shape){.rank = 0};
    return TN_OK;
}

static tn_code check_quality(int64_t quality, tn_error *err)
{
    if (quality >= 0 && quality <= 100) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "quality must be in [0,100], got %lld", (long long)quality);
}

static tn_code check_channels(const tn_attrs *a, const tn_shape *s, tn_error *err)
{
    char text[96];
    bool gray = tn_attr_is(a, "format", "grayscale"), rgb = tn_attr_is(a, "format", "rgb");
    if ((gray && s->dim[2] != 1) || (rgb && s->dim[2] != 3))
        return tn_fail(err, TN_INVALID_ARGUMENT, "format %s expects %d channels, got %s", gray ? "grayscale" : "rgb",
                       gray ? 1 : 3, tn_shape_text(s, text, sizeof text));
    if (s->dim[2] != 1 && s->dim[2] != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image must have 1 or 3 channels, got %s",
                       tn_shape_text(s, text, sizeof text));
    return TN_OK;
}

static tn_code jpeg_prepare(tn_prepare *p, tn_error *err)
{
    const tn_attrs *a = p->attrs;
    TN_PARAMS(p, tn_jpeg_settings, s);
    TN_TRY(check_channels(a, &p->in[0]->shape, err));
    *s = (tn_jpeg_settings){.quality = 95, .x_density = 300, .y_density = 300};
    if (p->n_in > 1) return TN_OK;
    TN_TRY(check_quality(tn_attr_i(a, "quality"), err));
    s->quality = (int)tn_attr_i(a, "quality");
    s->progressive = tn_attr_b(a, "progressive");
    s->optimize = tn_attr_b(a, "optimize_size");
    s->full_colour = !tn_attr_b(a, "chroma_downsampling");
    s->per_cm = tn_attr_is(a, "density_unit", "cm");
    s->x_density = (int)tn_attr_i(a, "x_density");
    s->y_density = (int)tn_attr_i(a, "y_density");
    tn_attr_get_string(a, "xmp_metadata", &s->xmp);
    return TN_OK;
}

static tn_code jpeg_run(tn_run *r, tn_error *err)
{
    const tn_shape *shape = &r->in[0]->shape;
    tn_jpeg_settings s = *(const tn_jpeg_settings *)r->params;
    tn_buf b = {0};
    if (r->n_in > 1) {
        s.quality = *TN_INT32S(r->in[1]);
        TN_TRY(check_quality(s.quality, err));
    }
    if (shape->dim[0] > INT32_MAX || shape->dim[1] > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image is too large: %lld x %lld", (long long)shape->dim[0],
                       (long long)shape->dim[1]);
    tn_code code = tn_jpeg_encode(r->in[0]->data, (int)shape->dim[1], (int)shape->dim[0], (int)shape->dim[2], &s, &b,
                                  err);
    return put_file(r->out[0], 0, &b, code, "JPEG", err);
}

#define ENCODE(NAME, SIG)        \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = jpeg_infer,     \
        .prepare = jpeg_prepare, \
        .run = jpeg_run,         \
        .flags = TN_NO_GRADIENT, \
    }
ENCODE(EncodeJpeg,
       "image:uint8 -> contents:string; format:string{,grayscale,rgb}=\"\" quality:int=95 progressive:bool=false "
       "optimize_size:bool=false chroma_downsampling:bool=true density_unit:string{in,cm}=\"in\" x_density:int=300 "
       "y_density:int=300 xmp_metadata:string=\"\"");
ENCODE(EncodeJpegVariableQuality, "images:uint8 quality:int32 -> contents:string;");
