/* SPDX-License-Identifier: Apache-2.0
 *
 * op_decode_image.c - files of images as tensors: DecodePng, DecodeJpeg, DecodeAndCropJpeg, DecodeGif, DecodeBmp,
 * DecodeImage, ExtractJpegShape. As TensorFlow, they look at what the bytes are rather than at the operator's name.
 * Parsing is wire/'s; writing is op_encode_image.c's.
 */
#include "../wire/wire.h"
#include "op_move.h"

#define MOST_BYTES ((size_t)1 << 29)

typedef enum image_kind { JPEG, PNG, GIF, BMP, UNKNOWN } image_kind;
static const char *const kind_names[] = {"JPEG", "PNG", "GIF", "BMP", ""};
static const char *const kind_ops[] = {"decode_jpeg", "decode_png", "decode_gif", "decode_bmp", ""};

static image_kind kind_of(tn_view bytes)
{
    if (tn_view_starts(bytes, "\xff\xd8\xff")) return JPEG;
    if (tn_view_starts(bytes, "\x89PNG")) return PNG;
    if (tn_view_starts(bytes, "GIF8")) return GIF;
    return tn_view_starts(bytes, "BM") ? BMP : UNKNOWN;
}

static bool op_is(const tn_op *op, const char *name)
{
    return !strcmp(op->name, name);
}

/* ==== inference ==== */

static tn_code decode_infer(tn_infer *c, tn_error *err)
{
    bool animated = false, gif = op_is(c->op, "DecodeGif");
    int64_t channels = 0;
    TN_TRY(tn_infer_rank(c, 0, 0, err));
    if (c->n_in > 1) TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_attr_get_int(c->attrs, "channels", &channels);
    tn_attr_get_bool(c->attrs, "expand_animations", &animated);
    if (channels < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "channels must be non-negative, got %lld",
                                     (long long)channels);
    if (animated) return TN_OK;
    tn_infer_set_rank(c, 0, gif ? 4 : 3);
    c->out[0].shape.dim[gif ? 3 : 2] = gif ? 3 : channels ? channels : -1;
    return TN_OK;
}

/* ==== attributes ==== */

typedef struct decoding {
    int channels;
    tn_dtype dtype;
    bool animated; /* all frames, in four dimensions */
    tn_jpeg_options jpeg;
} decoding;

static tn_code jpeg_attributes(const tn_attrs *a, tn_jpeg_options *o, tn_error *err)
{
    if (!tn_attr_find(a, "ratio")) return TN_OK;
    o->ratio = (int)tn_attr_i(a, "ratio");
    o->plain_upscaling = !tn_attr_b(a, "fancy_upscaling");
    o->recover = tn_attr_b(a, "try_recover_truncated");
    o->acceptable = tn_attr_f(a, "acceptable_fraction");
    o->fast_dct = !tn_attr_is(a, "dct_method", "INTEGER_ACCURATE");
    if (tn_attr_i(a, "ratio") != o->ratio || (o->ratio != 1 && o->ratio != 2 && o->ratio != 4 && o->ratio != 8))
        return tn_fail(err, TN_INVALID_ARGUMENT, "ratio must be 1, 2, 4, or 8, got %lld",
                       (long long)tn_attr_i(a, "ratio"));
    if (o->fast_dct && !tn_attr_is(a, "dct_method", "INTEGER_FAST") && !tn_attr_is(a, "dct_method", ""))
        return tn_fail(err, TN_INVALID_ARGUMENT, "dct_method must be one of {'', 'INTEGER_FAST', 'INTEGER_ACCURATE'}");
    return TN_OK;
}

static tn_code decode_prepare(tn_prepare *p, tn_error *err)
{
    int64_t channels = 0;
    TN_PARAMS(p, decoding, d);
    tn_attr_get_int(p->attrs, "channels", &channels);
    tn_attr_get_bool(p->attrs, "expand_animations", &d->animated);
    if (channels != 0 && channels != 1 && channels != 3 && channels != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`channels` must be 0, 1, 3 or 4 but got %lld", (long long)channels);
    d->channels = (int)channels;
    d->dtype = p->out[0]->dtype;
    if (op_is(p->op, "DecodeGif")) {
        d->animated = true;
        d->channels = 3;
    }
    d->jpeg = (tn_jpeg_options){
        .channels = d->channels, .ratio = 1, .acceptable = 1, .fast_dct = true, .limit = MOST_BYTES};
    return jpeg_attributes(p->attrs, &d->jpeg, err);
}

/* ==== decoding ==== */

static tn_code refuse(const tn_op *op, image_kind kind, tn_error *err)
{
    if (kind == UNKNOWN)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unknown image file format. One of JPEG, PNG, GIF, BMP required.");
    if (op_is(op, "DecodeAndCropJpeg") && kind != JPEG)
        return tn_fail(err, TN_INVALID_ARGUMENT, "DecodeAndCropJpeg operation can run on JPEG only, but detected %s.",
                       kind_names[kind]);
    bool bmp = op_is(op, "DecodeBmp");
    if ((kind == BMP && !bmp && !op_is(op, "DecodeImage")) || (kind != BMP && bmp))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Trying to decode %s format using a wrong op. Use `%s` or `decode_image` instead. Op used: %s",
                       kind_names[kind], kind_ops[kind], op->name);
    return TN_OK;
}

static tn_code set_crop(const tn_run *r, tn_jpeg_options *o, tn_error *err)
{
    if (r->n_in < 2) return TN_OK;
    if (tn_tensor_count(r->in[1]) != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "crop_size must have four elements, has %lld",
                       (long long)tn_tensor_count(r->in[1]));
    const int32_t *v = TN_INT32S(r->in[1]);
    o->crop = true;
    o->top = v[0];
    o->left = v[1];
    o->height = v[2];
    o->width = v[3];
    return TN_OK;
}

static tn_code decode_jpeg(const tn_run *r, const decoding *d, tn_view bytes, tn_image *image, tn_error *err)
{
    tn_jpeg_options o = d->jpeg;
    if (d->channels == 4) return tn_fail(err, TN_INVALID_ARGUMENT, "JPEG does not support 4 channels");
    TN_TRY(set_crop(r, &o, err));
    return tn_jpeg_decode(bytes, &o, image, err);
}

static tn_code decode_gif(const decoding *d, tn_view bytes, bool one, tn_image *image, tn_error *err)
{
    if (d->channels != 0 && d->channels != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "channels must be 0 or 3 for GIF, got %d", d->channels);
    tn_image found;
    TN_TRY(tn_gif_decode(bytes, one, MOST_BYTES, &found, err));
    if (found.frames > 1 && !d->animated) {
        tn_free(found.pixels);
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Got %d frames, but animated gifs can only be decoded by tf.io.decode_gif or tf.io.decode_image",
                       found.frames);
    }
    *image = found;
    return TN_OK;
}

static tn_code decode_bmp(const decoding *d, tn_view bytes, tn_image *image, tn_error *err)
{
    if (d->channels == 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "`channels` must be 0, 3 or 4 for BMP, but got 1");
    return tn_bmp_decode(bytes, d->channels, MOST_BYTES, image, err);
}

/* bits: of each value in the pixels. */
static tn_code decode(const tn_run *r, const decoding *d, image_kind kind, tn_view bytes, tn_image *image, int *bits,
                      tn_error *err)
{
    *bits = kind == PNG && d->dtype != TN_UINT8 ? 16 : 8;
    switch (kind) {
    case JPEG: return decode_jpeg(r, d, bytes, image, err);
    case PNG: {
        tn_code code = tn_png_decode_bits(bytes, d->channels, *bits, MOST_BYTES, image, err);
        if (code == TN_DATA_LOSS && err) err->code = TN_INVALID_ARGUMENT;
        return code == TN_DATA_LOSS ? TN_INVALID_ARGUMENT : code;
    }
    case GIF: return decode_gif(d, bytes, op_is(r->op, "DecodeImage") && !d->animated, image, err);
    default: return decode_bmp(d, bytes, image, err);
    }
}

/* ==== results ==== */

static void put_pixels(const tn_image *image, int bits, tn_tensor *out)
{
    int64_t n = tn_tensor_count(out);
    const uint16_t *deep = (const uint16_t *)(const void *)image->pixels;
    if (out->dtype == TN_UINT8 || (out->dtype == TN_UINT16 && bits == 16)) {
        memcpy(out->data, image->pixels, tn_tensor_bytes(out));
    } else if (out->dtype == TN_UINT16) {
        for (int64_t i = 0; i < n; i++) ((uint16_t *)out->data)[i] = (uint16_t)(image->pixels[i] << 8);
    } else {
        float unit = 1.0f / (bits == 16 ? 65535 : 255);
        for (int64_t i = 0; i < n; i++) TN_FLOATS(out)[i] = (float)(bits == 16 ? deep[i] : image->pixels[i]) * unit;
    }
}

/* Only GIFs gain a dimension for their frames; DecodeGif's result always has it. */
static tn_shape image_shape(const tn_run *r, const decoding *d, image_kind kind, const tn_image *image)
{
    bool four = op_is(r->op, "DecodeGif") || (kind == GIF && d->animated);
    if (four) return (tn_shape){.rank = 4, .dim = {image->frames, image->height, image->width, image->channels}};
    return (tn_shape){.rank = 3, .dim = {image->height, image->width, image->channels}};
}

static tn_code decode_run(tn_run *r, tn_error *err)
{
    const decoding *d = r->params;
    const tn_string *s = TN_STRINGS(r->in[0]);
    tn_view bytes = {s->p, s->n};
    tn_image image = {0};
    int bits;
    if (!bytes.n) return tn_fail(err, TN_INVALID_ARGUMENT, "Input is empty.");
    image_kind kind = kind_of(bytes);
    TN_TRY(refuse(r->op, kind, err));
    TN_TRY(decode(r, d, kind, bytes, &image, &bits, err));
    tn_shape shape = image_shape(r, d, kind, &image);
    tn_code code = tn_run_output(r, 0, &shape, err);
    if (code == TN_OK) put_pixels(&image, bits, r->out[0]);
    tn_free(image.pixels);
    return code;
}

#define DECODE(NAME, SIG)          \
    const tn_op tn_op_##NAME = {   \
        .name = #NAME,             \
        .sig = SIG,                \
        .infer = decode_infer,     \
        .prepare = decode_prepare, \
        .run = decode_run,         \
        .flags = TN_NO_GRADIENT,   \
        .dynamic = TN_BIT(0),      \
    }
#define JPEG_ATTRS                                                                                       \
    "channels:int=0 ratio:int=1 fancy_upscaling:bool=true try_recover_truncated:bool=false "             \
    "acceptable_fraction:float=1.0 dct_method:string=\"\""
DECODE(DecodeJpeg, "contents:string -> image:uint8; " JPEG_ATTRS);
DECODE(DecodeAndCropJpeg, "contents:string crop_window:int32 -> image:uint8; " JPEG_ATTRS);
DECODE(DecodePng, "contents:string -> image:dtype; channels:int=0 dtype:type{uint8,uint16}=uint8");
DECODE(DecodeGif, "contents:string -> image:uint8;");
DECODE(DecodeBmp, "contents:string -> image:uint8; channels:int=0");
DECODE(DecodeImage, "contents:string -> image:dtype; channels:int=0 dtype:type{uint8,uint16,float}=uint8 "
                    "expand_animations:bool=true");

/* ==== ExtractJpegShape ==== */

static tn_code shape_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 0, err));
    c->out[0].shape = tn_shape_vector(3);
    return TN_OK;
}

static tn_code shape_run(tn_run *r, tn_error *err)
{
    const tn_string *s = TN_STRINGS(r->in[0]);
    tn_image image;
    TN_TRY(tn_jpeg_shape((tn_view){s->p, s->n}, &image, err));
    const int v[3] = {image.height, image.width, image.channels};
    for (int k = 0; k < 3; k++) tn_tensor_set_number(r->out[0], k, v[k]);
    return TN_OK;
}

const tn_op tn_op_ExtractJpegShape = {
    .name = "ExtractJpegShape",
    .sig = "contents:string -> image_shape:output_type; output_type:type{int32,int64}=int32",
    .infer = shape_infer,
    .run = shape_run,
    .flags = TN_NO_GRADIENT,
};
