/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized.c - operators of old quantised graphs: tensors of small integers with the ends of their range
 * beside them. Products and convolutions give 32-bit integers of a wide range, which others bring down again.
 * Exact integers.
 */
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"

#include <math.h>

static void scalar_ranges(tn_infer *c)
{
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
}

/* What a step of each range is worth, multiplied, over all integers of the result. */
static void product_range(tn_run *r, const float a[2], const float b[2])
{
    tn_integers qa = tn_integers_of(r->in[0]->dtype), qb = tn_integers_of(r->in[1]->dtype),
                q = tn_integers_of(r->out[0]->dtype);
    float step_a = (a[1] - a[0]) / (float)(qa.last - qa.first),
          step_b = (b[1] - b[0]) / (float)(qb.last - qb.first);
    float step = step_a * step_b;
    tn_quantized_give(r, step * (float)q.first, step * (float)q.last);
}

/* The integer that stands for 0. */
static int32_t zero_of(const tn_tensor *t, const float range[2])
{
    return (int32_t)tn_to_quantized(0, range[0], range[1], tn_integers_of(t->dtype), false);
}

/* ==== products ==== a b min_a max_a min_b max_b */

static tn_code matmul_infer(tn_infer *c, tn_error *err)
{
    int64_t both;
    bool ta = tn_attr_b(c->attrs, "transpose_a"), tb = tn_attr_b(c->attrs, "transpose_b");
    const tn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    scalar_ranges(c);
    tn_infer_set_rank(c, 0, 2);
    if (a->rank < 0 || b->rank < 0) return TN_OK;
    if (tn_infer_merge_dim(a->dim[ta ? 0 : 1], b->dim[tb ? 1 : 0], &both, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Matrix size-compatible: In[0] and In[1] do not fit");
    c->out[0].shape.dim[0] = a->dim[ta ? 1 : 0];
    c->out[0].shape.dim[1] = b->dim[tb ? 0 : 1];
    return TN_OK;
}

static tn_code matmul_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    bool ta = tn_attr_b(r->attrs, "transpose_a"), tb = tn_attr_b(r->attrs, "transpose_b");
    TN_TRY(tn_quantized_range(r, 2, a, err));
    TN_TRY(tn_quantized_range(r, 4, b, err));
    int32_t zero_a = zero_of(r->in[0], a), zero_b = zero_of(r->in[1], b), *out = r->out[0]->data;
    int64_t m = r->out[0]->shape.dim[0], n = r->out[0]->shape.dim[1], k = r->in[0]->shape.dim[ta ? 0 : 1];
    if (m > 0 && n > 0) memset(out, 0, (size_t)(m * n) * sizeof *out);
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++) {
            uint32_t x = (uint32_t)(tn_quantized_get(r->in[0], ta ? l * m + i : i * k + l) - zero_a);
            for (int64_t j = 0; j < n; j++) {
                uint32_t y = (uint32_t)(tn_quantized_get(r->in[1], tb ? j * k + l : l * n + j) - zero_b);
                out[i * n + j] = (int32_t)((uint32_t)out[i * n + j] + x * y);
            }
        }
    product_range(r, a, b);
    return TN_OK;
}

#define Q "{qint8,quint8,qint32,qint16,quint16}"
#define QUANTIZED(Name, Infer, Run, Sig) \
    const tn_op tn_op_##Name = {.name = #Name, .sig = Sig, .infer = Infer, .run = Run}
#define QUANTIZED_TO_32(Name, Infer, Run, Sig) \
    const tn_op tn_op_##Name = {               \
        .name = #Name, .sig = Sig, .infer = Infer, .prepare = tn_quantized_to_32, .run = Run}
QUANTIZED_TO_32(
    QuantizedMatMul, matmul_infer, matmul_run,
    "a:T1 b:T2 min_a:float max_a:float min_b:float max_b:float -> out:Toutput min_out:float max_out:float; "
    "T1:type" Q " T2:type" Q " Toutput:type" Q "=qint32 transpose_a:bool=false transpose_b:bool=false "
    "Tactivation:type" Q "=quint8");

static tn_code multiply_infer(tn_infer *c, tn_error *err)
{
    scalar_ranges(c);
    return tn_infer_broadcast(c, err);
}

static tn_code broadcast_walk(const tn_run *r, tn_walk *w, tn_error *err)
{
    const tn_shape *shapes[] = {&r->in[0]->shape, &r->in[1]->shape};
    return tn_walk_prepare(&r->out[0]->shape, shapes, 2, w, err);
}

static tn_code multiply_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    tn_walk w;
    int64_t index[TN_MAX_RANK] = {0}, at[2] = {0};
    TN_TRY(tn_quantized_range(r, 2, a, err));
    TN_TRY(tn_quantized_range(r, 4, b, err));
    TN_TRY(broadcast_walk(r, &w, err));
    int32_t zero_a = zero_of(r->in[0], a), zero_b = zero_of(r->in[1], b), *out = r->out[0]->data;
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        uint32_t x = (uint32_t)(tn_quantized_get(r->in[0], at[0]) - zero_a);
        uint32_t y = (uint32_t)(tn_quantized_get(r->in[1], at[1]) - zero_b);
        out[i] = (int32_t)(x * y);
        tn_walk_next(&w, 2, index, at);
    }
    product_range(r, a, b);
    return TN_OK;
}

QUANTIZED_TO_32(QuantizedMul, multiply_infer, multiply_run,
          "x:T1 y:T2 min_x:float max_x:float min_y:float max_y:float -> z:Toutput min_z:float max_z:float; "
          "T1:type" Q " T2:type" Q " Toutput:type" Q "=qint32");

/* ==== sums ==== in a range that is 2^17 times as wide as the wider one */

typedef struct floats { /* of integers, as TensorFlow computes it here: in floats */
    float first, scale, least;
} floats;

static floats floats_of(const float range[2], tn_integers q)
{
    floats f = {.least = (float)q.first, .scale = (range[1] - range[0]) / ((float)ldexp(1, q.bits) - 1)};
    f.first = range[0] == range[1] ? range[0] : roundf(range[0] / f.scale) * f.scale;
    return f;
}

static float float_of(const floats *f, int64_t v)
{
    return f->first + ((float)v - f->least) * f->scale;
}

static tn_code add_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    tn_walk w;
    int64_t index[TN_MAX_RANK] = {0}, at[2] = {0};
    TN_TRY(tn_quantized_range(r, 2, a, err));
    TN_TRY(tn_quantized_range(r, 4, b, err));
    TN_TRY(broadcast_walk(r, &w, err));
    float most = fmaxf(a[1], fmaxf(-a[0], fmaxf(b[1], -b[0]))) * 131072;
    floats fa = floats_of(a, tn_integers_of(r->in[0]->dtype)),
           fb = floats_of(b, tn_integers_of(r->in[1]->dtype));
    float scale = (float)((ldexp(1, 32) - 1) / (double)(most + most)), first = roundf(-most * scale);
    for (int64_t i = 0; i < tn_tensor_count(r->out[0]); i++) {
        float x = float_of(&fa, tn_quantized_get(r->in[0], at[0])) +
                  float_of(&fb, tn_quantized_get(r->in[1], at[1]));
        float y = roundf(x * scale) - (first - (float)INT32_MIN);
        TN_INT32S(r->out[0])
        [i] = y >= 2147483520.0f ? 2147483520 : y <= -2147483648.0f ? INT32_MIN : (int32_t)y;
        tn_walk_next(&w, 2, index, at);
    }
    tn_quantized_give(r, -most, most);
    return TN_OK;
}

static tn_code bias_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    scalar_ranges(c);
    c->out[0].shape = c->in[0]->shape;
    const tn_shape *x = &c->in[0]->shape, *b = &c->in[1]->shape;
    int64_t both;
    if (x->rank < 1 || b->rank != 1) return TN_OK;
    if (tn_infer_merge_dim(x->dim[x->rank - 1], b->dim[0], &both, NULL) == TN_OK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Must provide as many biases as the last dimension of the input tensor");
}

QUANTIZED_TO_32(QuantizedBiasAdd, bias_infer, add_run,
          "input:T1 bias:T2 min_input:float max_input:float min_bias:float max_bias:float -> output:out_type "
          "min_out:float max_out:float; T1:type" Q " T2:type" Q " out_type:type" Q);

/* ==== activations ==== features [max_value] min max */

static tn_code first_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    scalar_ranges(c);
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code relu_run(tn_run *r, tn_error *err)
{
    float range[2], top = 6;
    bool x_form = r->n_in == 4, bounded = x_form || !strcmp(r->op->name, "QuantizedRelu6");
    TN_TRY(tn_quantized_range(r, r->n_in - 2, range, err));
    if (x_form) TN_TRY(tn_quantized_end(r, 1, &top, err));
    tn_integers q = tn_integers_of(r->in[0]->dtype);
    int64_t zero = (int64_t)tn_to_quantized(0, range[0], range[1], q, true);
    int64_t most = bounded ? (int64_t)tn_to_quantized((double)top, range[0], range[1], q, true) : INT64_MAX;
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        int64_t v = tn_quantized_get(r->in[0], i);
        tn_quantized_put(r->out[0], i, (double)(v < zero ? zero : v > most ? most : v));
    }
    tn_quantized_give(r, range[0], range[1]);
    return TN_OK;
}

#define RELU(Name, More)                                                                               \
    QUANTIZED(Name, first_infer, relu_run,                                                             \
              "features:Tinput " More "min_features:float max_features:float -> activations:out_type " \
              "min_activations:float max_activations:float; Tinput:type" Q " out_type:type" Q "=quint8")
RELU(QuantizedRelu, "");
RELU(QuantizedRelu6, "");
RELU(QuantizedReluX, "max_value:float ");

/* ==== bringing down ==== */

/* 32-bit integers to bytes in whole numbers with 16 bits behind the point. */
static void requantize_bytes(const tn_tensor *in, const float a[2], const float b[2], tn_tensor *out)
{
    float input = a[1] - a[0], output = b[1] - b[0],
          inverse = output == 0 ? 0 : (float)(255.0 / (double)output);
    float middle = (float)((double)(a[0] + a[1]) / 2.0);
    int64_t scale = output == 0 ? 0 : (int64_t)(255.0 * 65536 * (double)input / (double)output);
    int64_t in_offset = (int64_t)(middle * inverse * 65536);
    int64_t out_offset = output == 0 ? 0 : (int64_t)(65536 * ((double)b[0] * 255.0) / (double)output);
    for (int64_t i = 0; i < tn_tensor_count(in); i++) {
        int64_t v = (TN_INT32S(in)[i] * scale >> 32) + in_offset - out_offset;
        v = (v + 32768) >> 16;
        ((uint8_t *)out->data)[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

static void requantize(const tn_tensor *in, const float a[2], const float b[2], tn_tensor *out)
{
    tn_integers q = tn_integers_of(in->dtype), to = tn_integers_of(out->dtype);
    if (in->dtype == TN_QINT32 && out->dtype == TN_QUINT8) {
        requantize_bytes(in, a, b, out);
        return;
    }
    for (int64_t i = 0; i < tn_tensor_count(in); i++) {
        float x = tn_from_quantized(tn_quantized_get(in, i), a[0], a[1], q);
        tn_quantized_put(out, i, tn_to_quantized((double)x, b[0], b[1], to, true));
    }
}

/* The range that is really used; it holds 0. */
static void used_range(const tn_tensor *in, const float a[2], float out[2])
{
    tn_integers q = tn_integers_of(in->dtype);
    int64_t least = (int64_t)q.last, most = (int64_t)q.first;
    for (int64_t i = 0; i < tn_tensor_count(in); i++) {
        int64_t v = tn_quantized_get(in, i);
        least = TN_MIN(least, v);
        most = TN_MAX(most, v);
    }
    out[0] = fminf(0, tn_from_quantized(least, a[0], a[1], q));
    out[1] = tn_from_quantized(most, a[0], a[1], q);
}

static tn_code shrink_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    TN_TRY(tn_quantized_range(r, 1, a, err));
    used_range(r->in[0], a, b);
    requantize(r->in[0], a, b, r->out[0]);
    tn_quantized_give(r, b[0], b[1]);
    return TN_OK;
}

static tn_code requantize_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    TN_TRY(tn_quantized_range(r, 1, a, err));
    TN_TRY(tn_quantized_range(r, 3, b, err));
    if (b[0] > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "requested_output_min must be <= 0, but got %g",
                       (double)b[0]);
    if (b[1] < b[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "requested_output_max must be >= requested_output_min, but got %g and %g",
                       (double)b[1], (double)b[0]);
    requantize(r->in[0], a, b, r->out[0]);
    tn_quantized_give(r, b[0], b[1]);
    return TN_OK;
}

static tn_code used_run(tn_run *r, tn_error *err)
{
    float a[2], b[2];
    TN_TRY(tn_quantized_range(r, 1, a, err));
    used_range(r->in[0], a, b);
    *TN_FLOATS(r->out[0]) = b[0];
    *TN_FLOATS(r->out[1]) = b[1];
    return TN_OK;
}

static tn_code used_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->out[1].shape = TN_SHAPE();
    return TN_OK;
}

QUANTIZED(
    QuantizeDownAndShrinkRange, first_infer, shrink_run,
    "input:Tinput input_min:float input_max:float -> output:out_type output_min:float output_max:float; "
    "Tinput:type" Q " out_type:type" Q);
QUANTIZED(
    Requantize, first_infer, requantize_run,
    "input:Tinput input_min:float input_max:float requested_output_min:float requested_output_max:float -> "
    "output:out_type output_min:float output_max:float; Tinput:type" Q " out_type:type" Q);
QUANTIZED(RequantizationRange, used_infer, used_run,
          "input:Tinput input_min:float input_max:float -> output_min:float output_max:float; Tinput:type" Q);

/* ==== the same integers in another shape ==== tensor shape min max */

static tn_code reshape_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    scalar_ranges(c);
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (!tn_infer_ints(c, 1, &s)) return TN_OK;
    int64_t count = tn_shape_count(&c->in[0]->shape), known = 1, free = -1;
    for (int k = 0; k < s.rank; k++) {
        if (s.dim[k] < 0 && free >= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Only one input size may be -1, not both %lld and %d",
                           (long long)free, k);
        if (s.dim[k] < 0)
            free = k;
        else if (__builtin_mul_overflow(known, s.dim[k], &known))
            return tn_fail(err, TN_INVALID_ARGUMENT, "the shape is too large");
    }
    if (free >= 0 && count >= 0 && known > 0) s.dim[free] = count / known;
    if (count >= 0 && c->in[1]->value && tn_shape_count(&s) != count)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input to reshape is a tensor with %lld values, but the requested "
                       "shape has %lld",
                       (long long)count, (long long)tn_shape_count(&s));
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code reshape_run(tn_run *r, tn_error *err)
{
    float range[2];
    TN_TRY(tn_quantized_range(r, 2, range, err));
    tn_quantized_give(r, range[0], range[1]);
    return tn_move_row(r->out[0], 0, r->in[0], 0, tn_tensor_count(r->in[0]), err);
}

const tn_op tn_op_QuantizedReshape = {
    .name = "QuantizedReshape",
    .sig = "tensor:T shape:Tshape input_min:float input_max:float -> output:T output_min:float "
           "output_max:float; "
           "T:type Tshape:type{int32,int64}=int32",
    .infer = reshape_infer,
    .run = reshape_run,
    .values = TN_BIT(1),
};
