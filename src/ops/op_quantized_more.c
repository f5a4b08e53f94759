/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_more.c - of old quantised graphs: sums, normalization, resized images. Exact integers, but for
 * QuantizedInstanceNorm, which computes in floats.
 */
#include <math.h>

#include "op_math.h"
#include "op_move.h"
#include "quantized.h"
#include "resize.h"

#define Q "{qint8,quint8,qint32,qint16,quint16}"

static void give_scalars(tn_infer *c)
{
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
}

/* ==== QuantizedAdd ==== in a range 2^14 times as wide as the furthest end of both */

static tn_code add_infer(tn_infer *c, tn_error *err)
{
    give_scalars(c);
    return tn_infer_broadcast(c, err);
}

/* Integers of one range brought into another: what stands for 0, and what a step is worth. */
typedef struct line {
    int64_t zero, step;
} line;

static line line_of(const tn_tensor *t, const float from[2], float most)
{
    tn_integers q = tn_integers_of(t->dtype), to = tn_integers_of(TN_QINT32);
    double at[2];
    for (int k = 0; k < 2; k++)
        at[k] = tn_to_quantized((double)tn_from_quantized(k, from[0], from[1], q), -most, most, to, false);
    return (line){(int64_t)at[0], (int32_t)((int64_t)at[1] - (int64_t)at[0])};
}

/* A single element beside others is brought there by itself. */
static line point_of(const tn_tensor *t, const float from[2], float most)
{
    float x = tn_from_quantized(tn_quantized_get(t, 0), from[0], from[1], tn_integers_of(t->dtype));
    return (line){(int64_t)tn_to_quantized((double)x, -most, most, tn_integers_of(TN_QINT32), true), 0};
}

static uint32_t on_line(const line *l, int64_t v)
{
    int64_t y = l->zero + v * l->step;
    return (uint32_t)(y < INT32_MIN ? INT32_MIN : y > INT32_MAX ? INT32_MAX : y);
}

/* Of tensors that have none, TensorFlow adds only those of one shape, or one of a single element. */
static tn_code check_elements(const tn_run *r, tn_error *err)
{
    int64_t x = tn_tensor_count(r->in[0]), y = tn_tensor_count(r->in[1]);
    if ((x && y) || x == 1 || y == 1 || tn_shape_equal(&r->in[0]->shape, &r->in[1]->shape)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Must have some elements to add");
}

static tn_code add_run(tn_run *r, tn_error *err)
{
    float x[2], y[2];
    tn_walk w;
    int64_t index[TN_MAX_RANK] = {0}, at[2] = {0};
    const tn_shape *shapes[] = {&r->in[0]->shape, &r->in[1]->shape};
    TN_TRY(tn_quantized_range(r, 2, x, err));
    TN_TRY(tn_quantized_range(r, 4, y, err));
    if (!(x[1] > x[0]) || !(y[1] > y[0]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be larger than %s.", x[1] > x[0] ? "max_y" : "max_x",
                       x[1] > x[0] ? "min_y" : "min_x");
    TN_TRY(check_elements(r, err));
    TN_TRY(tn_walk_prepare(&r->out[0]->shape, shapes, 2, &w, err));
    float most = fmaxf(fabsf(fminf(x[0], y[0])), fabsf(fmaxf(x[1], y[1]))) * 16384;
    bool one_x = tn_tensor_count(r->in[0]) == 1, one_y = !one_x && tn_tensor_count(r->in[1]) == 1;
    line a = one_x ? point_of(r->in[0], x, most) : line_of(r->in[0], x, most);
    line b = one_y ? point_of(r->in[1], y, most) : line_of(r->in[1], y, most);
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        TN_INT32S(r->out[0])
        [i] = (int32_t)(on_line(&a, tn_quantized_get(r->in[0], at[0])) +
                        on_line(&b, tn_quantized_get(r->in[1], at[1])));
        tn_walk_next(&w, 2, index, at);
    }
    tn_quantized_give(r, -most, most);
    return TN_OK;
}

const tn_op tn_op_QuantizedAdd = {
    .name = "QuantizedAdd",
    .sig = "x:T1 y:T2 min_x:float max_x:float min_y:float max_y:float -> z:Toutput min_z:float max_z:float; "
           "T1:type" Q " T2:type" Q " Toutput:type" Q "=qint32",
    .infer = add_infer,
    .prepare = tn_quantized_to_32,
    .run = add_run,
};

/* ==== QuantizedBatchNormWithGlobalNormalization ==== t m v beta gamma, each with its range's ends */

enum { T, MEAN, VARIANCE, BETA, GAMMA, VALUES };

static tn_code normalize_infer(tn_infer *c, tn_error *err)
{
    int64_t depth = -1;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    for (int k = MEAN; k < VALUES; k++) {
        TN_TRY(tn_infer_rank(c, 3 * k, 1, err));
        TN_TRY(tn_infer_merge_dim(depth, c->in[3 * k]->shape.rank == 1 ? c->in[3 * k]->shape.dim[0] : -1, &depth, err));
    }
    give_scalars(c);
    c->out[0].shape = c->in[0]->shape;
    if (c->in[0]->shape.rank < 0) return TN_OK;
    return tn_infer_merge_dim(depth, c->in[0]->shape.dim[3], &c->out[0].shape.dim[3], err);
}

static int32_t fixed(double x) /* with 11 bits behind the point, nearly */
{
    return (int32_t)tn_to_quantized(x, -1048576, 1048576, tn_integers_of(TN_QINT32), true);
}

static float real(const tn_run *r, int which, int64_t i, const float range[2])
{
    return tn_from_quantized(tn_quantized_get(r->in[3 * which], i), range[0], range[1],
                             tn_integers_of(r->in[3 * which]->dtype));
}

static tn_code normalize_run(tn_run *r, tn_error *err)
{
    float range[VALUES][2], epsilon = tn_attr_f(r->attrs, "variance_epsilon");
    bool scaled = tn_attr_b(r->attrs, "scale_after_normalization");
    int64_t depth = r->in[0]->shape.dim[3], n = tn_tensor_count(r->in[0]);
    for (int k = 0; k < VALUES; k++) {
        TN_TRY(tn_quantized_range(r, 3 * k + 1, range[k], err));
        if (k > T && tn_tensor_count(r->in[3 * k]) < 2) /* it says "at least a value", and means two */
            return tn_fail(err, TN_INVALID_ARGUMENT, "Must have at least two values of %s",
                           tn_op_sig(r->op)->in[3 * k].name);
    }
    int32_t one = fixed(1);
    for (int64_t c = 0; c < depth; c++) {
        float scale = 1.0f / sqrtf(real(r, VARIANCE, c, range[VARIANCE]) + epsilon);
        if (scaled) scale *= real(r, GAMMA, c, range[GAMMA]);
        float offset = -real(r, MEAN, c, range[MEAN]) * scale + real(r, BETA, c, range[BETA]);
        uint32_t times = (uint32_t)fixed((double)scale), plus = (uint32_t)fixed((double)offset);
        for (int64_t i = c; i < n; i += depth) {
            int32_t product = (int32_t)((uint32_t)fixed((double)real(r, T, i, range[T])) * times);
            TN_INT32S(r->out[0])[i] = (int32_t)((uint32_t)(product / one) + plus);
        }
    }
    tn_quantized_give(r, -1048576, 1048576);
    return TN_OK;
}

const tn_op tn_op_QuantizedBatchNormWithGlobalNormalization = {
    .name = "QuantizedBatchNormWithGlobalNormalization",
    .sig = "t:Tinput t_min:float t_max:float m:Tinput m_min:float m_max:float v:Tinput v_min:float v_max:float "
           "beta:Tinput beta_min:float beta_max:float gamma:Tinput gamma_min:float gamma_max:float -> "
           "result:out_type result_min:float result_max:float; Tinput:type" Q " out_type:type" Q
           " variance_epsilon:float scale_after_normalization:bool",
    .infer = normalize_infer,
    .prepare = tn_quantized_to_32,
    .run = normalize_run,
};

/* ==== QuantizedInstanceNorm ==== */

typedef struct instance {
    int64_t pixels, channels;
    float scale, epsilon; /* what a step of the input is worth */
    float *mean, *factor; /* of each image's channel */
} instance;

static void find_moments(instance *s, const uint8_t *in, int64_t images)
{
    for (int64_t k = 0; k < images * s->channels; k++) {
        const uint8_t *at = in + k / s->channels * s->pixels * s->channels + k % s->channels;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < s->pixels; i++) sum += at[i * s->channels];
        s->mean[k] = (float)sum / (float)s->pixels;
        for (int64_t i = 0; i < s->pixels; i++) {
            float d = s->scale * ((float)at[i * s->channels] - s->mean[k]);
            squares += (double)(d * d);
        }
        s->factor[k] = 1.0f / sqrtf((float)squares / (float)s->pixels + s->epsilon);
    }
}

static float normed(const instance *s, const uint8_t *in, int64_t i)
{
    int64_t k = i / (s->pixels * s->channels) * s->channels + i % s->channels;
    return s->scale * ((float)in[i] - s->mean[k]) * s->factor[k];
}

/* The range given, or that of the results; as wide at least as min_separation. */
static tn_code output_range(const tn_run *r, const instance *s, float out[2], tn_error *err)
{
    float least = tn_attr_f(r->attrs, "min_separation");
    if (tn_attr_b(r->attrs, "output_range_given")) {
        out[0] = tn_attr_f(r->attrs, "given_y_min");
        out[1] = tn_attr_f(r->attrs, "given_y_max");
        if (!(out[0] < out[1]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "given_y_min must be less than given_y_max : %g >= %g",
                           (double)out[0], (double)out[1]);
    } else {
        out[0] = INFINITY;
        out[1] = -INFINITY;
        for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
            float y = normed(s, r->in[0]->data, i);
            out[0] = fminf(out[0], y);
            out[1] = fmaxf(out[1], y);
        }
    }
    if (out[1] - out[0] < least) out[1] = out[0] + least;
    return TN_OK;
}

static tn_code instance_prepare(tn_prepare *p, tn_error *err)
{
    int64_t channels;
    const tn_shape *s = &p->in[0]->shape;
    if (p->in[0]->dtype != TN_QUINT8)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(p->in[0]->dtype));
    if (__builtin_mul_overflow(s->dim[0], s->dim[3], &channels) || channels > INT64_MAX / 16)
        return tn_no_memory(err, SIZE_MAX);
    p->scratch = (size_t)channels * 2 * sizeof(float);
    return TN_OK;
}

static tn_code instance_run(tn_run *r, tn_error *err)
{
    float range[2], to[2];
    const tn_shape *s = &r->in[0]->shape;
    TN_TRY(tn_quantized_range(r, 1, range, err));
    if (!(range[0] < range[1]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "input_min must be less than input_max : %g >= %g",
                       (double)range[0], (double)range[1]);
    instance n = {.pixels = s->dim[1] * s->dim[2], .channels = s->dim[3], .scale = (range[1] - range[0]) / 255.0f,
                  .epsilon = tn_attr_f(r->attrs, "variance_epsilon"), .mean = r->scratch};
    n.factor = n.mean ? n.mean + s->dim[0] * s->dim[3] : NULL;
    if (n.pixels > 0) find_moments(&n, r->in[0]->data, s->dim[0]);
    TN_TRY(output_range(r, &n, to, err));
    float scale = (float)(255.0 / (double)(to[1] - to[0])), first = roundf(to[0] * scale);
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        float y = roundf(normed(&n, r->in[0]->data, i) * scale) - first;
        ((uint8_t *)r->out[0]->data)[i] = (uint8_t)(y > 0 ? fminf(y, 255) : 0);
    }
    tn_quantized_give(r, to[0], to[1]);
    return TN_OK;
}

static tn_code instance_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    give_scalars(c);
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_QuantizedInstanceNorm = {
    .name = "QuantizedInstanceNorm",
    .sig = "x:T x_min:float x_max:float -> y:T y_min:float y_max:float; T:type" Q
           " output_range_given:bool=false given_y_min:float=0.0 given_y_max:float=0.0 "
           "variance_epsilon:float=9.999999747378752e-06 min_separation:float=0.0010000000474974513",
    .infer = instance_infer,
    .prepare = instance_prepare,
    .run = instance_run,
};

/* ==== QuantizedResizeBilinear ==== */

typedef struct tap { /* between two pixels of an axis */
    int64_t at[2];
    float part;
    int64_t fixed; /* the same with 7 or 30 bits behind the point */
} tap;

typedef struct resize {
    int64_t batch, channels, from[2], to[2];
    tap *axis[2];
    int bits;
} resize;

static tap tap_of(int64_t i, int64_t n, float scale, bool half, int bits)
{
    float at = half ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale, low = floorf(at);
    tap t = {.part = at - low, .fixed = (int64_t)((at - low) * (float)(1 << bits))};
    t.at[1] = TN_MIN((int64_t)ceilf(at), n - 1);
    t.at[0] = TN_MIN(TN_MAX((int64_t)low, 0), t.at[1]);
    return t;
}

static tn_code resize_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, resize, z);
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    bool align = tn_attr_b(p->attrs, "align_corners"), half = tn_attr_b(p->attrs, "half_pixel_centers");
    z->batch = in->dim[0];
    z->channels = in->dim[3];
    z->bits = p->in[0]->dtype == TN_QUINT8 ? 7 : 30;
    if (tn_shape_count(out) > 0 && (in->dim[1] == 0 || in->dim[2] == 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "input image must be of non-zero size");
    if (!tn_shape_count(out)) z->batch = 0; /* without a pixel, however large they are */
    for (int k = 0; k < 2 && z->batch; k++) {
        z->from[k] = in->dim[1 + k];
        z->to[k] = out->dim[1 + k];
        z->axis[k] = TN_ARRAY(p->arena, z->to[k] + 1, tap);
        if (!z->axis[k]) return tn_no_memory(err, (size_t)z->to[k] * sizeof(tap));
        for (int64_t i = 0; i < z->to[k]; i++)
            z->axis[k][i] = tap_of(i, z->from[k], tn_resize_scale(z->from[k], z->to[k], align), half, z->bits);
    }
    return TN_OK;
}

/* Between four pixels: left and right above, left and right below. */
static int64_t mix(const int64_t p[4], const tap *y, const tap *x, int bits)
{
    int64_t one = (int64_t)1 << bits, top = p[0] * one + (p[1] - p[0]) * x->fixed,
            bottom = p[2] * one + (p[3] - p[2]) * x->fixed;
    return (top + (bottom - top) / one * y->fixed + one / 2) / one;
}

static float mix_floats(const float *in, const int64_t at[4], const tap *y, const tap *x)
{
    float top = in[at[0]] + (in[at[1]] - in[at[0]]) * x->part,
          bottom = in[at[2]] + (in[at[3]] - in[at[2]]) * x->part;
    return top + (bottom - top) * y->part;
}

static void resize_pixel(const tn_run *r, const resize *z, int64_t b, const tap *y, const tap *x, int64_t o)
{
    for (int64_t c = 0; c < z->channels; c++) {
        int64_t at[4], p[4];
        for (int k = 0; k < 4; k++)
            at[k] = ((b * z->from[0] + y->at[k / 2]) * z->from[1] + x->at[k % 2]) * z->channels + c;
        if (r->in[0]->dtype == TN_FLOAT) {
            TN_FLOATS(r->out[0])[o + c] = mix_floats(r->in[0]->data, at, y, x);
            continue;
        }
        for (int k = 0; k < 4; k++) p[k] = (int64_t)(float)tn_quantized_get(r->in[0], at[k]); /* so TensorFlow */
        tn_quantized_put(r->out[0], o + c, (double)(int32_t)mix(p, y, x, z->bits));
    }
}

static tn_code resize_run(tn_run *r, tn_error *err)
{
    const resize *z = r->params;
    float range[2];
    int64_t o = 0;
    TN_TRY(tn_quantized_range(r, 2, range, err));
    if (z->from[0] == z->to[0] && z->from[1] == z->to[1]) {
        TN_TRY(tn_run_copy(r, err));
    } else {
        for (int64_t b = 0; b < z->batch; b++)
            for (int64_t i = 0; i < z->to[0]; i++)
                for (int64_t k = 0; k < z->to[1]; k++, o += z->channels)
                    resize_pixel(r, z, b, &z->axis[0][i], &z->axis[1][k], o);
    }
    tn_quantized_give(r, range[0], range[1]);
    return TN_OK;
}

static tn_code resize_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    give_scalars(c);
    return tn_infer_resized(c, err);
}

const tn_op tn_op_QuantizedResizeBilinear = {
    .name = "QuantizedResizeBilinear",
    .sig = "images:T size:int32 min:float max:float -> resized_images:T out_min:float out_max:float; "
           "T:type{quint8,qint32,float} align_corners:bool=false half_pixel_centers:bool=false",
    .infer = resize_infer,
    .prepare = resize_prepare,
    .run = resize_run,
    .values = TN_BIT(1),
};
