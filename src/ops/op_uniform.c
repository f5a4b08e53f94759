/* SPDX-License-Identifier: Apache-2.0
 *
 * op_uniform.c - uniformly quantised tensors: from floats, to floats, from one scale to another, sums,
 * clipping. Products are op_uniform_product.c's. Factors between scales are whole numbers of 31 bits, as in
 * TensorFlow.
 */
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"
#include "uniform.h"

#include <math.h>

/* ==== parameters ==== */

static int64_t attr_of(const tn_run *r, const char *prefix, const char *name)
{
    char whole[64];
    snprintf(whole, sizeof whole, "%squantization_%s", prefix, name);
    return tn_attr_i(r->attrs, whole);
}

static tn_code check_axis(const tn_uniform *u, const tn_shape *s, tn_error *err)
{
    if (u->axis < -1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "quantization_axis must be >= -1, given: %lld",
                       (long long)u->axis);
    if (u->axis >= s->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "quantization_axis must be -1 or in range [0, input.rank), but given %lld",
                       (long long)u->axis);
    return TN_OK;
}

static tn_code check_parameters(const tn_uniform *u, const tn_shape *scales, const tn_shape *zeros,
                                const tn_shape *s, tn_error *err)
{
    char a[128], b[128];
    bool scalars = scales->rank == 0 && zeros->rank == 0;
    bool vectors = scales->rank == 1 && zeros->rank == 1 && scales->dim[0] == zeros->dim[0];
    if (u->axis < 0 ? scalars : vectors && scales->dim[0] == s->dim[u->axis]) return TN_OK;
    tn_shape_text(scales, a, sizeof a);
    tn_shape_text(zeros, b, sizeof b);
    return u->axis < 0
               ? tn_fail(err, TN_INVALID_ARGUMENT,
                         "If quantization_axis is -1, scales and zero_points must be scalar tensors, but "
                         "given scales "
                         "shape %s and zero_points shape %s",
                         a, b)
               : tn_fail(
                     err, TN_INVALID_ARGUMENT,
                     "scales and zero_points must be vectors of %lld elements, but given scales shape %s and "
                     "zero_points shape %s",
                     (long long)s->dim[u->axis], a, b);
}

tn_code tn_uniform_of(const tn_run *r, const char *prefix, int at, const tn_shape *s, tn_uniform *out,
                      tn_error *err)
{
    tn_uniform u = {.scale = r->in[at]->data,
                    .zero = r->in[at + 1]->data,
                    .n = 1,
                    .inner = 1,
                    .axis = attr_of(r, prefix, "axis"),
                    .least = attr_of(r, prefix, "min_val"),
                    .most = attr_of(r, prefix, "max_val")};
    TN_TRY(check_axis(&u, s, err));
    TN_TRY(check_parameters(&u, &r->in[at]->shape, &r->in[at + 1]->shape, s, err));
    if (u.axis >= 0) {
        u.n = s->dim[u.axis];
        u.inner = TN_MAX(tn_shape_product(s, (int)u.axis + 1, s->rank), 1);
    }
    *out = u;
    return TN_OK;
}

/* ==== numbers ==== */

/* The integer below or equal to x + 0.5. Of what no 32-bit integer stands for: the least one. */
static int32_t half_up(float x)
{
    x = floorf(x + 0.5f);
    return x >= -2147483648.0f && x < 2147483648.0f ? (int32_t)x : INT32_MIN;
}

static int64_t clamped(const tn_uniform *u, int64_t v)
{
    v = v < u->most ? v : u->most;
    return v > u->least ? v : u->least;
}

static int32_t wrapped(int64_t v)
{
    return (int32_t)(uint32_t)(uint64_t)v;
}

tn_factor tn_factor_of(float x)
{
    tn_factor f = {0};
    double q = frexp((double)x, &f.shift);
    f.m = isfinite(x) ? llround(q * 2147483648.0) : 0;
    if (f.m == INT64_C(1) << 31) f = (tn_factor){f.m / 2, f.shift + 1};
    if (f.shift < -31) return (tn_factor){0};
    return f.shift > 30 ? (tn_factor){INT32_MAX, 30} : f;
}

int32_t tn_requantized(int64_t v, tn_factor f, const tn_uniform *u, int64_t k)
{
    int down = 31 - f.shift;
    int64_t y = (wrapped(v) * f.m + (INT64_C(1) << (down - 1))) >> down;
    return (int32_t)clamped(u, (int64_t)wrapped(y) + u->zero[k]);
}

float tn_uniform_fit(const float *x, int64_t pieces, int64_t step, int64_t n, int32_t *out)
{
    float low = 0, high = 0;
    for (int64_t i = 0; i < pieces * n; i++) {
        low = fminf(low, x[i / n * step + i % n]);
        high = fmaxf(high, x[i / n * step + i % n]);
    }
    const float scale = (float)(((double)high - (double)low) / 255);
    const double from_low = -128 - (double)low / (double)scale,
                 from_high = 127 - (double)high / (double)scale;
    double zero =
        128 - (double)low / (double)scale < 127 + (double)high / (double)scale ? from_low : from_high;
    zero = scale == 0 ? 0 : zero < -128 ? -128 : zero > 127 ? 127 : round(zero);
    const float inverse = scale == 0 ? 0 : 1 / scale;
    const tn_uniform u = {.least = -128, .most = 127};
    for (int64_t i = 0; i < pieces * n; i++) {
        int64_t at = i / n * step + i % n;
        out[at] = (int32_t)(clamped(&u, wrapped((int64_t)half_up(x[at] * inverse) + (int64_t)zero)) -
                            (int64_t)zero);
    }
    return scale;
}

/* ==== from and to floats ==== input scales zero_points */

static tn_code quantize_run(tn_run *r, tn_error *err)
{
    tn_uniform u;
    const float *x = r->in[0]->data;
    TN_TRY(tn_uniform_of(r, "", 1, &r->in[0]->shape, &u, err));
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        int64_t k = tn_uniform_slice(&u, i);
        int32_t v = half_up(x[i] * (1.0f / u.scale[k]));
        tn_quantized_put(r->out[0], i, (double)clamped(&u, wrapped((int64_t)v + u.zero[k])));
    }
    return TN_OK;
}

static tn_code dequantize_run(tn_run *r, tn_error *err)
{
    tn_uniform u;
    float *y = r->out[0]->data;
    TN_TRY(tn_uniform_of(r, "", 1, &r->in[0]->shape, &u, err));
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        int64_t k = tn_uniform_slice(&u, i);
        y[i] = (float)wrapped(tn_quantized_get(r->in[0], i) - u.zero[k]) * u.scale[k];
    }
    return TN_OK;
}

/* ==== from one scale to another ==== input input_scales input_zero_points output_scales output_zero_points
 */

static int32_t rescaled(const tn_uniform *from, int64_t i, int64_t v, const tn_uniform *to, int64_t o)
{
    int64_t k = tn_uniform_slice(from, i), l = tn_uniform_slice(to, o);
    return tn_requantized(v - from->zero[k], tn_factor_of(from->scale[k] / to->scale[l]), to, l);
}

static tn_code requantize_run(tn_run *r, tn_error *err)
{
    tn_uniform from, to;
    const tn_shape *s = &r->in[0]->shape;
    TN_TRY(tn_uniform_of(r, "input_", 1, s, &from, err));
    TN_TRY(tn_uniform_of(r, "output_", 3, s, &to, err));
    if (from.axis >= 0 && to.axis >= 0 && from.axis != to.axis)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "If input and output is both per-axis quantized, the quantization axis must be same.");
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++)
        tn_quantized_put(r->out[0], i, rescaled(&from, i, tn_quantized_get(r->in[0], i), &to, i));
    return TN_OK;
}

/* ==== sums and clipping ==== */

/* Axes count from the end here, as dimensions do that are broadcast. */
static tn_code check_addends(const tn_run *r, const tn_uniform u[3], tn_error *err)
{
    const tn_shape *out = &r->out[0]->shape;
    for (int i = 0; i < 2; i++)
        if (u[i].axis >= 0 && u[2].axis >= 0 && r->in[i]->shape.rank - u[i].axis != out->rank - u[2].axis)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "%s_quantization_axis %lld is not output_quantization_axis %lld",
                           i ? "rhs" : "lhs", (long long)u[i].axis, (long long)u[2].axis);
    return TN_OK;
}

static tn_code add_run(tn_run *r, tn_error *err)
{
    tn_uniform u[3];
    tn_walk w;
    int64_t index[TN_MAX_RANK] = {0}, at[2] = {0};
    const tn_shape *shapes[] = {&r->in[0]->shape, &r->in[1]->shape};
    TN_TRY(tn_uniform_of(r, "lhs_", 2, shapes[0], &u[0], err));
    TN_TRY(tn_uniform_of(r, "rhs_", 4, shapes[1], &u[1], err));
    TN_TRY(tn_uniform_of(r, "output_", 6, &r->out[0]->shape, &u[2], err));
    TN_TRY(check_addends(r, u, err));
    TN_TRY(tn_walk_prepare(&r->out[0]->shape, shapes, 2, &w, err));
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        int64_t sum = -(int64_t)u[2].zero[tn_uniform_slice(&u[2], i)];
        for (int k = 0; k < 2; k++)
            sum += rescaled(&u[k], at[k], tn_quantized_get(r->in[k], at[k]), &u[2], i);
        tn_quantized_put(r->out[0], i, (double)clamped(&u[2], wrapped(sum)));
        tn_walk_next(&w, 2, index, at);
    }
    return TN_OK;
}

static tn_code clip_run(tn_run *r, tn_error *err)
{
    tn_uniform u;
    TN_TRY(tn_uniform_of(r, "", 3, &r->in[0]->shape, &u, err));
    for (int k = 1; k < 3; k++)
        TN_TRY(check_parameters(&u, &r->in[k]->shape, &r->in[k]->shape, &r->in[0]->shape, err));
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        int64_t k = tn_uniform_slice(&u, i), low = tn_quantized_get(r->in[1], k),
                high = tn_quantized_get(r->in[2], k);
        tn_quantized_put(r->out[0], i, (double)TN_MIN(TN_MAX(tn_quantized_get(r->in[0], i), low), high));
    }
    return TN_OK;
}

#define RANGE(P) P "quantization_axis:int=-1 " P "quantization_min_val:int " P "quantization_max_val:int"
#define SIDES RANGE("lhs_") " " RANGE("rhs_") " " RANGE("output_")
#define UNIFORM(Name, Infer, Run, Flags, Sig) \
    const tn_op tn_op_##Name = {.name = #Name, .sig = Sig, .infer = Infer, .run = Run, .flags = Flags}
UNIFORM(UniformQuantize, tn_infer_like_first, quantize_run, TN_NO_GRADIENT,
        "input:Tin scales:float zero_points:int32 -> output:Tout; Tin:type{float} "
        "Tout:type{qint8,quint8,qint32} " RANGE(""));
UNIFORM(UniformDequantize, tn_infer_like_first, dequantize_run, 0,
        "input:Tin scales:float zero_points:int32 -> output:Tout; Tin:type{qint8,quint8,qint32} "
        "Tout:type{float} " RANGE(""));
UNIFORM(UniformRequantize, tn_infer_like_first, requantize_run, TN_NO_GRADIENT,
        "input:Tin input_scales:float input_zero_points:int32 output_scales:float output_zero_points:int32 "
        "-> output:Tout; "
        "Tin:type{qint8,qint32} Tout:type{qint8,qint32} " RANGE("input_") " " RANGE("output_"));
UNIFORM(UniformQuantizedAdd, tn_infer_broadcast, add_run, TN_NO_GRADIENT,
        "lhs:T rhs:T lhs_scales:float lhs_zero_points:int32 rhs_scales:float rhs_zero_points:int32 "
        "output_scales:float "
        "output_zero_points:int32 -> output:T; " SIDES " T:type{qint32}");
UNIFORM(UniformQuantizedClipByValue, tn_infer_like_first, clip_run, TN_NO_GRADIENT,
        "operand:T min:T max:T scales:float zero_points:int32 -> output:T; T:type{qint32} " RANGE(""));
