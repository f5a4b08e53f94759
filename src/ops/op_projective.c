/* SPDX-License-Identifier: Apache-2.0
 *
 * op_projective.c - ImageProjectiveTransformV2 and V3: each pixel of the result is read from where eight
 * numbers say that it lies in the image.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "op_math.h"
#include "op_move.h"

typedef enum fill_mode { FILL_CONSTANT, FILL_REFLECT, FILL_WRAP, FILL_NEAREST } fill_mode;

typedef struct transform {
    int64_t batch, in[2], out[2], channels;
    bool bilinear, shared; /* shared: one transform for all images */
    fill_mode mode;
    float fill;
} transform;

static tn_code transform_infer(tn_infer *c, tn_error *err)
{
    tn_shape size;
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    if (c->n_in > 3) TN_TRY(tn_infer_rank(c, 3, 0, err));
    tn_infer_set_rank(c, 0, 4);
    if (in->rank == 4) c->out[0].shape.dim[0] = in->dim[0], c->out[0].shape.dim[3] = in->dim[3];
    if (!tn_infer_ints(c, 2, &size)) return TN_OK;
    if (size.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "output_shape must have two elements, has %d", size.rank);
    for (int k = 0; k < 2; k++) c->out[0].shape.dim[k + 1] = size.dim[k];
    return TN_OK;
}

static tn_code read_words(const tn_attrs *a, transform *t, tn_error *err)
{
    static const char *const modes[] = {"CONSTANT", "REFLECT", "WRAP", "NEAREST"};
    bool known = false;
    t->bilinear = tn_attr_is(a, "interpolation", "BILINEAR");
    if (!t->bilinear && !tn_attr_is(a, "interpolation", "NEAREST"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid interpolation. Supported types: NEAREST, BILINEAR");
    for (int k = 0; k < 4; k++)
        if (tn_attr_is(a, "fill_mode", modes[k])) t->mode = (fill_mode)k, known = true;
    if (!known)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Invalid mode. Supported types: REFLECT, WRAP, CONSTANT, NEAREST");
    return TN_OK;
}

static tn_code transform_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *by = &p->in[1]->shape, *out = &p->out[0]->shape;
    char text[96];
    TN_PARAMS(p, transform, t);
    TN_TRY(read_words(p->attrs, t, err));
    t->batch = in->dim[0];
    t->channels = in->dim[3];
    for (int k = 0; k < 2; k++) t->in[k] = in->dim[k + 1], t->out[k] = out->dim[k + 1];
    t->shared = by->dim[0] == 1;
    if ((!t->shared && by->dim[0] != t->batch) || by->dim[1] != 8)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input transform should be num_images x 8 or 1 x 8, is %s",
                       tn_shape_text(by, text, sizeof text));
    if (t->out[0] <= 0 || t->out[1] <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "new dimensions must be positive: %lld x %lld",
                       (long long)t->out[0], (long long)t->out[1]);
    return TN_OK;
}

/* ==== where a pixel is read ==== */

static float reflect(float at, int64_t n)
{
    float twice = (float)(2 * n);
    if (at < 0) {
        if (at < twice) at = twice * (float)(int64_t)(-at / twice) + at;
        return at < -(float)n ? at + twice : -at - 1;
    }
    at -= twice * (float)(int64_t)(at / twice);
    return at >= (float)n ? twice - at - 1 : at;
}

static float wrap(float at, int64_t n)
{
    float last = (float)(n - 1);
    if (at < 0) return at + (float)n * (float)((int64_t)(-at / last) + 1);
    return at - (float)n * (float)(int64_t)(at / last);
}

static float placed(fill_mode mode, float at, int64_t n)
{
    if (mode == FILL_CONSTANT) return at;
    if (!(fabsf(at) < 1e15f)) return 0;
    if (mode != FILL_NEAREST && (at < 0 || at > (float)(n - 1)))
        at = n <= 1 ? 0 : mode == FILL_REFLECT ? reflect(at, n) : wrap(at, n);
    return fminf(fmaxf(at, 0), (float)(n - 1));
}

static double pixel(const transform *t, const tn_tensor *in, int64_t image, float y, float x, int64_t c)
{
    if (!(y >= 0 && x >= 0 && y < (float)t->in[0] && x < (float)t->in[1])) return (double)t->fill;
    int64_t at = ((image * t->in[0] + (int64_t)y) * t->in[1] + (int64_t)x) * t->channels + c;
    if (in->dtype == TN_FLOAT) return (double)TN_FLOATS(in)[at];
    return tn_tensor_number(in, at);
}

static double between(const transform *t, const tn_tensor *in, int64_t image, float y, float x, int64_t c)
{
    float y0 = floorf(y), x0 = floorf(x), rows[2];
    for (int k = 0; k < 2; k++)
        rows[k] = (x0 + 1 - x) * (float)pixel(t, in, image, y0 + (float)k, x0, c) +
                  (x - x0) * (float)pixel(t, in, image, y0 + (float)k, x0 + 1, c);
    return (double)((y0 + 1 - y) * rows[0] + (y - y0) * rows[1]);
}

static void put(tn_tensor *out, int64_t i, double v)
{
    if (out->dtype == TN_FLOAT)
        TN_FLOATS(out)[i] = (float)v;
    else
        tn_tensor_set_number(out, i, v);
}

static void transform_pixel(const tn_run *r, const transform *t, int64_t image, int64_t oy, int64_t ox,
                            int64_t at)
{
    const float *m = TN_FLOATS(r->in[1]) + (t->shared ? 0 : 8 * image), fx = (float)ox, fy = (float)oy;
    float scale = m[6] * fx + m[7] * fy + 1;
    bool none = scale == 0;
    float x = placed(t->mode, (m[0] * fx + m[1] * fy + m[2]) / scale, t->in[1]);
    float y = placed(t->mode, (m[3] * fx + m[4] * fy + m[5]) / scale, t->in[0]);
    for (int64_t c = 0; c < t->channels; c++) {
        double v = (double)t->fill;
        if (!none && t->bilinear) v = between(t, r->in[0], image, y, x, c);
        if (!none && !t->bilinear) v = pixel(t, r->in[0], image, roundf(y), roundf(x), c);
        put(r->out[0], at + c, v);
    }
}

static tn_code transform_run(tn_run *r, tn_error *err)
{
    transform t = *(const transform *)r->params;
    (void)err;
    t.fill = r->n_in > 3 ? *TN_FLOATS(r->in[3]) : 0;
    int64_t each = t.out[0] * t.out[1];
    for (int64_t i = 0; i < t.batch * each; i++)
        transform_pixel(r, &t, i / each, i % each / t.out[1], i % t.out[1], i * t.channels);
    return TN_OK;
}

/* Rows of eight numbers as 3 x 3 matrices whose last element is 1, inverted, and back. */
static tn_node inverted(tn_builder *b, tn_node rows)
{
    static const int64_t square[] = {-1, 3, 3}, flat[] = {-1, 9}, zero[] = {0, 0}, eight[] = {-1, 8},
                         last[] = {0, 8}, one[] = {-1, 1};
    tn_node ones =
        tn_g1(b, "OnesLike",
              tn_op(b, "Slice",
                    TN_INPUTS(rows, tn_grad_ints(b, TN_INT32, zero, 2), tn_grad_ints(b, TN_INT32, one, 2)),
                    TN_NO_ATTRS));
    tn_node whole[2] = {rows, ones};
    tn_node m = tn_g2(b, "Reshape", tn_grad_concat(b, whole, 2, 1), tn_grad_ints(b, TN_INT32, square, 3));
    tn_node f = tn_g2(b, "Reshape", tn_g1(b, "MatrixInverse", m), tn_grad_ints(b, TN_INT32, flat, 2));
    tn_node scale =
        tn_g3(b, "Slice", f, tn_grad_ints(b, TN_INT32, last, 2), tn_grad_ints(b, TN_INT32, one, 2));
    return tn_g3(b, "Slice", tn_g2(b, "RealDiv", f, scale), tn_grad_ints(b, TN_INT32, zero, 2),
                 tn_grad_ints(b, TN_INT32, eight, 2));
}

/* As TensorFlow: the gradient is projected back by the inverse. */
static tn_code transform_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"interpolation", "fill_mode"};
    (void)err;
    tn_node size = tn_grad_range_of(g->b, tn_grad_shape(g->b, tn_grad_in(g, 0), TN_INT32), 1, 3);
    tn_node in[] = {tn_grad_dy(g, 0), inverted(g->b, tn_grad_in(g, 1)), size, tn_scalar(g->b, TN_FLOAT, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, g->op->type, in, g->op->n_in, attrs, 2));
    return TN_OK;
}

#define TRANSFORM(NAME, ARG)                                                                           \
    const tn_op tn_op_##NAME = {                                                                       \
        .name = #NAME,                                                                                 \
        .sig = "images:dtype transforms:float output_shape:int32" ARG " -> transformed_images:dtype; " \
               "dtype:type{uint8,int32,int64,half,bfloat16,float,double} interpolation:string "        \
               "fill_mode:string=\"CONSTANT\"",                                                        \
        .infer = transform_infer,                                                                      \
        .prepare = transform_prepare,                                                                  \
        .run = transform_run,                                                                          \
        .grad = transform_grad,                                                                        \
        .values = TN_BIT(2),                                                                           \
    }
TRANSFORM(ImageProjectiveTransformV2, "");
TRANSFORM(ImageProjectiveTransformV3, " fill_value:float");
