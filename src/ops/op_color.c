/* SPDX-License-Identifier: Apache-2.0
 *
 * op_color.c - colours of pixels: RGBToHSV, HSVToRGB, AdjustHue, AdjustSaturation, AdjustContrastv2 and the
 * first one. Computed in float, or in double for doubles.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "op_math.h"
#include "op_move.h"

/* ==== one pixel ==== doubles stand for floats too: what is stored is rounded */

static float largest(const float *p)
{
    return fmaxf(p[0], fmaxf(p[1], p[2]));
}

static float least(const float *p)
{
    return fminf(p[0], fminf(p[1], p[2]));
}

#define DEFINE_PIXELS(P, T)                                                                             \
    static void P##_to_hsv(const T *rgb, T *hsv)                                                        \
    {                                                                                                   \
        const T r = rgb[0], g = rgb[1], b = rgb[2];                                                     \
        const T v = TN_MAX(r, TN_MAX(g, b)), range = v - TN_MIN(r, TN_MIN(g, b));                       \
        const T unit = (T)1 / ((T)6 * range);                                                           \
        T h = r == v ? unit * (g - b) : g == v ? unit * (b - r) + (T)2 / 6 : unit * (r - g) + (T)4 / 6; \
        if (!(range > 0)) h = 0;                                                                        \
        hsv[0] = h < 0 ? h + 1 : h;                                                                     \
        hsv[1] = v > 0 ? range / v : 0;                                                                 \
        hsv[2] = v;                                                                                     \
    }                                                                                                   \
    static T P##_unit(T v)                                                                              \
    {                                                                                                   \
        return v < 0 ? 0 : v > 1 ? 1 : v;                                                               \
    }                                                                                                   \
    static T P##_abs(T v)                                                                               \
    {                                                                                                   \
        return v < 0 ? -v : v;                                                                          \
    }                                                                                                   \
    static void P##_to_rgb(const T *hsv, T *rgb)                                                        \
    {                                                                                                   \
        const T h = hsv[0] * 6, s = hsv[1], v = hsv[2];                                                 \
        rgb[0] = (1 - s + s * P##_unit(P##_abs(h - 3) - 1)) * v;                                        \
        rgb[1] = (1 - s + s * P##_unit(2 - P##_abs(h - 2))) * v;                                        \
        rgb[2] = (1 - s + s * P##_unit(2 - P##_abs(h - 4))) * v;                                        \
    }
DEFINE_PIXELS(f, float)
DEFINE_PIXELS(d, double)

/* Hue as a number from 0 to 6, and the least and largest of the three colours. */
static float hue_of(const float *rgb, float low, float high)
{
    static const struct {
        int mid, sector;
    } rows[3][3] = {{{0, 0}, {2, 5}, {1, 0}},
                    {{2, 2}, {0, 0}, {0, 1}},
                    {{1, 3}, {0, 4}, {0, 0}}}; /* by largest, by least */
    int top, bottom;
    if (rgb[0] < rgb[1]) {
        top = rgb[2] > rgb[1] ? 2 : 1;
        bottom = rgb[2] < rgb[0] ? 2 : 0;
    } else {
        top = rgb[2] > rgb[0] ? 2 : 0;
        bottom = rgb[2] < rgb[1] ? 2 : 1;
    }
    if (high == low) return 0;
    float ratio = (rgb[rows[top][bottom].mid] - low) / (high - low);
    int sector = rows[top][bottom].sector;
    return (float)sector + (sector & 1 ? 1 - ratio : ratio);
}

static void colour_of(float hue, float low, float high, float *rgb)
{
    static const int order[6][3] = {{0, 1, 2}, {1, 0, 2}, {1, 2, 0},
                                    {2, 1, 0}, {2, 0, 1}, {0, 2, 1}}; /* large to small */
    int sector = hue >= 0 && hue < 6 ? (int)hue : 5;
    float ratio = hue - (float)sector;
    if (sector & 1) ratio = 1 - ratio;
    rgb[order[sector][0]] = high;
    rgb[order[sector][1]] = low + ratio * (high - low);
    rgb[order[sector][2]] = low;
}

static void turn_hue(const float *in, float delta, float *out)
{
    float low = least(in), high = largest(in);
    float hue = fmodf(hue_of(in, low, high) + delta * 6, 6);
    colour_of(hue < 0 ? hue + 6 : hue, low, high, out);
}

static void scale_saturation(const float *in, float scale, float *out)
{
    float hsv[3];
    f_to_hsv(in, hsv);
    hsv[1] = f_unit(hsv[1] * scale);
    f_to_rgb(hsv, out);
}

/* ==== RGBToHSV, HSVToRGB ==== */

typedef struct colouring {
    size_t in_at, out_at; /* floats of 16-bit images, in scratch */
} colouring;

static tn_code pixels_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, c->n_in == 1 ? 1 : 3, err));
    for (int k = 1; k < c->n_in; k++) TN_TRY(tn_infer_rank(c, k, 0, err));
    c->out[0].shape = *in;
    bool three = strstr(c->op->name, "Contrast") == NULL;
    if (three && in->rank >= 1 && in->dim[in->rank - 1] >= 0 && in->dim[in->rank - 1] != 3)
        return tn_fail(err, c->n_in == 1 ? TN_FAILED_PRECONDITION : TN_INVALID_ARGUMENT,
                       "input must have 3 channels but instead has %lld channels.",
                       (long long)in->dim[in->rank - 1]);
    return TN_OK;
}

static bool is_short(tn_dtype t)
{
    return t == TN_HALF || t == TN_BFLOAT16;
}

static tn_code pixels_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, colouring, c);
    size_t bytes = ((size_t)tn_tensor_count(p->in[0]) * sizeof(float) + 63) / 64 * 64;
    c->out_at = bytes;
    if (is_short(p->in[0]->dtype)) p->scratch = 2 * bytes;
    return TN_OK;
}

/* The floats that are read and written, for floats and what is computed as them. */
static tn_code floats_of(const tn_run *r, const float **in, float **out, tn_error *err)
{
    const colouring *c = r->params;
    *in = r->in[0]->data;
    *out = r->out[0]->data;
    if (!is_short(r->in[0]->dtype)) return TN_OK;
    *in = (const float *)(const void *)((const char *)r->scratch + c->in_at);
    *out = (float *)(void *)((char *)r->scratch + c->out_at);
    return tn_cast(r->in[0]->dtype, TN_FLOAT, tn_tensor_count(r->in[0]), r->in[0]->data, r->scratch, false,
                   r->threads, err);
}

static tn_code put_floats(const tn_run *r, const float *out, tn_error *err)
{
    if (!is_short(r->out[0]->dtype)) return TN_OK;
    return tn_cast(TN_FLOAT, r->out[0]->dtype, tn_tensor_count(r->out[0]), out, r->out[0]->data, false,
                   r->threads, err);
}

static tn_code convert_run(tn_run *r, tn_error *err)
{
    const float *in;
    float *out;
    int64_t n = tn_tensor_count(r->in[0]) / 3;
    bool to_hsv = r->op->name[0] == 'R';
    if (r->in[0]->dtype == TN_DOUBLE) {
        const double *x = r->in[0]->data;
        double *y = r->out[0]->data;
        for (int64_t i = 0; i < n; i++) (to_hsv ? d_to_hsv : d_to_rgb)(x + 3 * i, y + 3 * i);
        return TN_OK;
    }
    TN_TRY(floats_of(r, &in, &out, err));
    for (int64_t i = 0; i < n; i++) (to_hsv ? f_to_hsv : f_to_rgb)(in + 3 * i, out + 3 * i);
    return put_floats(r, out, err);
}

static tn_node along_last(tn_builder *b, const char *op, tn_node x)
{
    return tn_op(b, op, TN_INPUTS(x, tn_grad_int(b, TN_INT32, -1)), TN_NO_ATTRS);
}

static tn_node reversed(tn_builder *b, tn_node x)
{
    int64_t last = -1;
    return tn_op(b, "ReverseV2", TN_INPUTS(x, tn_grad_ints(b, TN_INT32, &last, 1)), TN_NO_ATTRS);
}

/* 1 at the place of the greatest (or least) of three, 0 at the others. */
static tn_node place_of(tn_builder *b, const char *op, tn_node x)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    return tn_op(
        b, "OneHot",
        TN_INPUTS(along_last(b, op, x), tn_grad_int(b, TN_INT32, 3), tn_scalar(b, t, 1), tn_scalar(b, t, 0)),
        TN_NO_ATTRS);
}

static tn_node sum_last(tn_builder *b, tn_node x)
{
    return tn_op(b, "Sum", TN_INPUTS(x, tn_grad_int(b, TN_INT32, -1)),
                 TN_ATTRS(tn_attr_bool("keep_dims", true)));
}

static tn_node rolled(tn_builder *b, tn_node x, int64_t by)
{
    return tn_op(b, "Roll", TN_INPUTS(x, tn_grad_int(b, TN_INT32, by), tn_grad_int(b, TN_INT32, -1)),
                 TN_NO_ATTRS);
}

/* With M the greatest and m the least of r, g and b: v = M, s = 1 - m / M, h = n / (6 (M - m)) + a constant,
 * where n is the difference of the two colours that follow the greatest. Nothing is passed on where a divisor
 * is 0. */
static tn_code hsv_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0), part[3];
    tn_node top = place_of(b, "ArgMax", x), bottom = reversed(b, place_of(b, "ArgMin", reversed(b, x)));
    tn_node turn = tn_g2(b, "Sub", rolled(b, top, 1), rolled(b, top, 2));
    tn_node most = sum_last(b, tn_g2(b, "Mul", top, x)), min = sum_last(b, tn_g2(b, "Mul", bottom, x));
    tn_node n = sum_last(b, tn_g2(b, "Mul", turn, x)), six = tn_scalar(b, tn_dtype_base(tn_node_dtype(x)), 6);
    tn_node range = tn_g2(b, "Sub", most, min), range6 = tn_g2(b, "Mul", range, six);
    tn_node split =
        tn_op(b, "Split", TN_INPUTS(tn_grad_int(b, TN_INT32, -1), dy), TN_ATTRS(tn_attr_int("num_split", 3)));
    for (int k = 0; k < 3; k++) part[k] = (tn_node){split.op, k};
    tn_node hue = tn_g2(b, "Sub", tn_g2(b, "DivNoNan", turn, range6),
                        tn_g2(b, "Mul", tn_g2(b, "DivNoNan", n, tn_g2(b, "Mul", range6, range)),
                              tn_g2(b, "Sub", top, bottom)));
    tn_node saturation =
        tn_g2(b, "Sub", tn_g2(b, "Mul", top, tn_g2(b, "DivNoNan", min, tn_g1(b, "Square", most))),
              tn_g2(b, "DivNoNan", bottom, most));
    tn_node of_hue = tn_g2(b, "Mul", part[0], hue), of_saturation = tn_g2(b, "Mul", part[1], saturation);
    tn_grad_set(g, 0,
                tn_g2(b, "AddV2", tn_g2(b, "AddV2", of_hue, of_saturation), tn_g2(b, "Mul", part[2], top)));
    return TN_OK;
}

#define CONVERT(NAME, GRAD, FLAGS)                                               \
    const tn_op tn_op_##NAME = {                                                 \
        .name = #NAME,                                                           \
        .sig = "images:T -> output:T; T:type{half,bfloat16,float,double}=float", \
        .infer = pixels_infer,                                                   \
        .prepare = pixels_prepare,                                               \
        .run = convert_run,                                                      \
        .grad = GRAD,                                                            \
        .flags = FLAGS,                                                          \
    }
CONVERT(HSVToRGB, NULL, TN_NO_GRADIENT);
CONVERT(RGBToHSV, hsv_grad, 0);

/* ==== AdjustHue, AdjustSaturation ==== */

static tn_code adjust_run(tn_run *r, tn_error *err)
{
    const float *in;
    float *out, by = *TN_FLOATS(r->in[1]);
    TN_TRY(floats_of(r, &in, &out, err));
    bool hue = strcmp(r->op->name, "AdjustHue") == 0;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]) / 3; i < n; i++)
        (hue ? turn_hue : scale_saturation)(in + 3 * i, by, out + 3 * i);
    return put_floats(r, out, err);
}

#define ADJUST(NAME, BY)                                                      \
    const tn_op tn_op_##NAME = {                                              \
        .name = #NAME,                                                        \
        .sig = "images:T " BY ":float -> output:T; T:type{half,float}=float", \
        .infer = pixels_infer,                                                \
        .prepare = pixels_prepare,                                            \
        .run = adjust_run,                                                    \
    }
ADJUST(AdjustHue, "delta");
ADJUST(AdjustSaturation, "scale");

/* ==== AdjustContrastv2 ==== around the mean of each channel of each image */

static void contrast(const float *in, int64_t rows, int64_t channels, float factor, float *out)
{
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t i = 0; i < rows; i++) sum += (double)in[i * channels + c];
        float mean = (float)(sum / (double)rows);
        for (int64_t i = 0; i < rows; i++)
            out[i * channels + c] = (in[i * channels + c] - mean) * factor + mean;
    }
}

static tn_code contrast_run(tn_run *r, tn_error *err)
{
    const float *in;
    float *out;
    const tn_shape *s = &r->in[0]->shape;
    int64_t rows = s->dim[s->rank - 3] * s->dim[s->rank - 2], channels = s->dim[s->rank - 1];
    int64_t each = rows * channels, n = each ? tn_tensor_count(r->in[0]) / each : 0;
    TN_TRY(floats_of(r, &in, &out, err));
    for (int64_t i = 0; i < n; i++)
        contrast(in + i * each, rows, channels, *TN_FLOATS(r->in[1]), out + i * each);
    return put_floats(r, out, err);
}

const tn_op tn_op_AdjustContrastv2 = {
    .name = "AdjustContrastv2",
    .sig = "images:T contrast_factor:float -> output:T; T:type{half,float}=float",
    .infer = pixels_infer,
    .prepare = pixels_prepare,
    .run = contrast_run,
};

/* ==== AdjustContrast ==== the first one: of any numbers, cut off at both ends */

static tn_code first_contrast_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    p->scratch = (size_t)tn_tensor_count(p->in[0]) * sizeof(float);
    return TN_OK;
}

static tn_code first_contrast_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int64_t rows = s->dim[s->rank - 3] * s->dim[s->rank - 2], channels = s->dim[s->rank - 1],
            n = tn_tensor_count(r->in[0]);
    float *in = r->scratch, *out = TN_FLOATS(r->out[0]), low = *TN_FLOATS(r->in[2]),
          high = *TN_FLOATS(r->in[3]);
    TN_TRY(tn_cast(r->in[0]->dtype, TN_FLOAT, n, r->in[0]->data, in, false, r->threads, err));
    for (int64_t i = 0; i < n; i += rows * channels)
        contrast(in + i, rows, channels, *TN_FLOATS(r->in[1]), out + i);
    for (int64_t i = 0; i < n; i++) out[i] = fminf(fmaxf(out[i], low), high);
    return TN_OK;
}

const tn_op tn_op_AdjustContrast = {
    .name = "AdjustContrast",
    .sig = "images:T contrast_factor:float min_value:float max_value:float -> output:float; "
           "T:type{uint8,int8,int16,int32,int64,float,double}",
    .infer = pixels_infer,
    .prepare = first_contrast_prepare,
    .run = first_contrast_run,
};
