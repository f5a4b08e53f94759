/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantized_fused.c - convolutions of 8-bit graphs with what follows them in one operator: bias, Relu,
 * bringing down to 8 bits again. Zero is 0, a range reaches as far down as up; filters have one range, or one
 * for each channel that comes out. And RequantizePerChannel, RequantizationRangePerChannel.
 */
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"

#include <math.h>

/* ==== what an operator does ==== its name says it */

typedef struct fused {
    bool depthwise, bias, relu, requantize;
    int first_range; /* input: min_input max_input min_filter max_filter [min max of the output] */
    int summand;     /* input: what is added; after it, where the output is brought down, its min and max. 0: none */
    int64_t in[2], out[2], size[2], stride[2], step[2], pad[2];
    int64_t batch, in_c, out_c, each; /* each: channels of one that comes in, in depthwise ones */
} fused;

static bool says(const tn_op *op, const char *what)
{
    return strstr(op->name, what) != NULL;
}

static fused fused_of(const tn_op *op)
{
    fused f = {.depthwise = says(op, "Depthwise"), .bias = says(op, "WithBias"), .relu = says(op, "AndRelu")};
    f.requantize = says(op, "AndRequantize");
    f.first_range = f.bias ? 3 : 2;
    f.summand = says(op, "Sum") ? f.first_range + (f.requantize ? 6 : 4) : 0;
    return f;
}

/* ==== windows ==== */

/* [0, 0, top, bottom, left, right, 0, 0], in place of `padding`. */
static tn_code read_padding(const tn_attrs *attrs, fused *f, int64_t after[2], bool *given, tn_error *err)
{
    const int64_t *v;
    int n = tn_attr_list(attrs, "padding_list", &v);
    *given = n > 0;
    if (n == 0) return TN_OK;
    for (int k = 0; k < n; k++)
        if (n != 8 || v[k] < 0 || v[k] > INT32_MAX || ((k < 2 || k > 5) && v[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "padding_list must be [0,0,top,bottom,left,right,0,0]");
    for (int k = 0; k < 2; k++) {
        f->pad[k] = v[2 + 2 * k];
        after[k] = v[3 + 2 * k];
    }
    return TN_OK;
}

static tn_code fit(const tn_attrs *attrs, const tn_shape *x, const tn_shape *w, fused *f, tn_error *err)
{
    int64_t after[2] = {0};
    bool given, same = tn_attr_is(attrs, "padding", "SAME");
    TN_TRY(tn_quantized_pair(attrs, "strides", f->stride, err));
    TN_TRY(tn_quantized_pair(attrs, "dilations", f->step, err));
    TN_TRY(read_padding(attrs, f, after, &given, err));
    if (x->dim[3] != w->dim[2])
        return tn_fail(err, TN_INVALID_ARGUMENT, "input and filter must have the same depth: %lld vs %lld",
                       (long long)x->dim[3], (long long)w->dim[2]);
    f->batch = x->dim[0];
    f->in_c = x->dim[3];
    f->each = w->dim[3];
    f->out_c = f->depthwise ? f->in_c * f->each : f->each;
    for (int k = 0; k < 2; k++) {
        f->in[k] = x->dim[1 + k];
        f->size[k] = w->dim[k];
        int64_t reach = (f->size[k] - 1) * f->step[k] + 1;
        if (same && !given) {
            f->out[k] = (f->in[k] + f->stride[k] - 1) / f->stride[k];
            f->pad[k] = TN_MAX((f->out[k] - 1) * f->stride[k] + reach - f->in[k], 0) / 2;
            continue;
        }
        int64_t room = f->in[k] + f->pad[k] + after[k] - reach;
        if (room < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Computed output size would be negative: %lld",
                           (long long)room + 1);
        f->out[k] = room / f->stride[k] + 1;
    }
    return TN_OK;
}

static tn_code fused_infer(tn_infer *c, tn_error *err)
{
    fused f = fused_of(c->op);
    const tn_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    tn_infer_set_rank(c, 0, 4);
    for (int o = 1; o < 3; o++) c->out[o].shape = f.requantize ? TN_SHAPE() : c->in[f.first_range + 2]->shape;
    if (tn_shape_count(x) < 0 || tn_shape_count(w) < 0) return TN_OK;
    TN_TRY(fit(c->attrs, x, w, &f, err));
    c->out[0].shape = TN_SHAPE(f.batch, f.out[0], f.out[1], f.out_c);
    return TN_OK;
}

/* ==== factors ==== */

static float reach(const tn_tensor *low, const tn_tensor *high, int64_t i)
{
    return fmaxf(fabsf(TN_FLOATS(low)[i]), fabsf(TN_FLOATS(high)[i]));
}

static float last_of(tn_dtype t)
{
    return t == TN_QUINT8 ? 255.0f : 127.0f;
}

/* Of one channel: a sum becomes sum * scale + bias, times down; to which the summand, times more, is added. */
typedef struct factors {
    float scale, bias, down, more;
} factors;

static tn_code check_ranges(const tn_run *r, const fused *f, tn_error *err)
{
    for (int i = f->first_range; i < r->n_in; i++) {
        if (f->summand && i == f->summand) continue;
        bool filter = i == f->first_range + 2 || i == f->first_range + 3;
        int64_t n = tn_tensor_count(r->in[i]);
        if (n != 1 && !(filter && n == f->out_c))
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has %lld elements", tn_op_sig(r->op)->in[i].name,
                           (long long)n);
    }
    if (tn_tensor_count(r->in[f->first_range + 2]) != tn_tensor_count(r->in[f->first_range + 3]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "min_filter and max_filter must have the same shape");
    if (f->bias && (r->in[2]->shape.rank != 1 || r->in[2]->shape.dim[0] != f->out_c))
        return tn_fail(err, TN_INVALID_ARGUMENT, "bias must have %lld elements", (long long)f->out_c);
    if (f->summand && !tn_shape_equal(&r->in[f->summand]->shape, &r->out[0]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "summand must have the output's shape");
    return TN_OK;
}

static void find_factors(const tn_run *r, const fused *f, factors *out)
{
    const tn_tensor *const *range = r->in + f->first_range;
    int64_t channels = tn_tensor_count(range[2]);
    float input = reach(range[0], range[1], 0), widest = 0, steps = last_of(r->in[0]->dtype) * 127.0f;
    for (int64_t i = 0; i < channels; i++) widest = fmaxf(widest, reach(range[2], range[3], i));
    for (int64_t i = 0; i < f->out_c; i++) {
        float filter = reach(range[2], range[3], channels == 1 ? 0 : i), worth = input * filter / steps;
        float bias = !f->bias                      ? 0
                     : r->in[2]->dtype == TN_FLOAT ? TN_FLOATS(r->in[2])[i]
                                                   : (float)TN_INT32S(r->in[2])[i] * worth;
        if (f->requantize)
            out[i] = (factors){worth, bias, last_of(r->out[0]->dtype) / reach(range[4], range[5], 0), 0};
        else
            out[i] = (factors){filter / widest, bias * (steps / (input * widest)), 1, steps / (input * widest)};
        if (f->requantize && f->summand)
            out[i].more = reach(r->in[f->summand + 1], r->in[f->summand + 2], 0) /
                          last_of(r->in[f->summand]->dtype) * out[i].down;
    }
}

/* Of 32-bit sums: what a step of each range is worth, multiplied. */
static void give_ranges(tn_run *r, const fused *f)
{
    const tn_tensor *const *range = r->in + f->first_range;
    if (f->requantize) {
        *TN_FLOATS(r->out[1]) = *TN_FLOATS(range[4]);
        *TN_FLOATS(r->out[2]) = *TN_FLOATS(range[5]);
        return;
    }
    float steps = r->in[0]->dtype == TN_QUINT8 ? 255.0f : 254.0f;
    float input = (*TN_FLOATS(range[1]) - *TN_FLOATS(range[0])) / steps;
    for (int64_t i = 0; i < tn_tensor_count(range[2]); i++) {
        float worth = input * ((TN_FLOATS(range[3])[i] - TN_FLOATS(range[2])[i]) / 254.0f);
        TN_FLOATS(r->out[1])[i] = worth * -2147483648.0f;
        TN_FLOATS(r->out[2])[i] = worth * 2147483648.0f;
    }
}

/* ==== sums ==== */

static tn_dtype summand_of(const tn_op *op)
{
    return says(op, "Signed") ? TN_QINT8 : says(op, "AndRequantize") ? TN_QUINT8 : TN_FLOAT;
}

static tn_code fused_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, fused, f);
    *f = fused_of(p->op);
    tn_dtype x = p->in[0]->dtype, y = p->out[0]->dtype;
    bool fits = (x == TN_QUINT8 || x == TN_QINT8) && p->in[1]->dtype == TN_QINT8 &&
                (f->requantize ? y == TN_QUINT8 || y == TN_QINT8 : y == TN_QINT32);
    if (f->summand) fits &= x == TN_QUINT8 && y != TN_QINT8 && p->in[f->summand]->dtype == summand_of(p->op);
    if (!fits)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s and %s to %s", p->op->name, tn_dtype_name(x),
                       tn_dtype_name(p->in[1]->dtype), tn_dtype_name(y));
    TN_TRY(fit(p->attrs, &p->in[0]->shape, &p->in[1]->shape, f, err));
    p->scratch = (size_t)f->out_c * (sizeof(factors) + sizeof(int32_t));
    return TN_OK;
}

/* sums += what one place of the input gives with one of the filter, channel by channel. */
static void add_place(const fused *f, const uint8_t *x, bool is_signed, const int8_t *w, int32_t *sums)
{
    for (int64_t c = 0; c < f->in_c; c++, w += f->each) {
        int32_t v = is_signed ? (int8_t)x[c] : x[c];
        int32_t *to = f->depthwise ? sums + c * f->each : sums;
        for (int64_t o = 0; o < f->each; o++) to[o] = (int32_t)((uint32_t)to[o] + (uint32_t)(v * w[o]));
    }
}

static void sum_window(const tn_run *r, const fused *f, int64_t b, int64_t y, int64_t x, int32_t *sums)
{
    const uint8_t *in = r->in[0]->data;
    const int8_t *w = r->in[1]->data;
    memset(sums, 0, (size_t)f->out_c * sizeof *sums);
    for (int64_t i = 0; i < f->size[0]; i++)
        for (int64_t j = 0; j < f->size[1]; j++) {
            int64_t row = y * f->stride[0] - f->pad[0] + i * f->step[0],
                    col = x * f->stride[1] - f->pad[1] + j * f->step[1];
            if (row < 0 || row >= f->in[0] || col < 0 || col >= f->in[1]) continue;
            add_place(f, in + ((b * f->in[0] + row) * f->in[1] + col) * f->in_c, r->in[0]->dtype == TN_QINT8,
                      w + (i * f->size[1] + j) * f->in_c * f->each, sums);
        }
}

/* What a quantised summand is added to takes its place, and is of its dtype. */
static void put_sums(const tn_run *r, const fused *f, const factors *by, int64_t at, const int32_t *sums)
{
    tn_tensor *out = r->out[0];
    const tn_integers q = tn_integers_of(f->summand && f->requantize ? r->in[f->summand]->dtype : out->dtype);
    for (int64_t i = 0; i < f->out_c; i++) {
        float v = ((float)sums[i] * by[i].scale + by[i].bias) * by[i].down;
        if (f->summand) v += (float)tn_tensor_number(r->in[f->summand], at + i) * by[i].more;
        double y = f->requantize || f->bias || by[i].scale != 1 ? (double)rintf(v) : sums[i];
        if (f->relu && y < 0) y = 0;
        tn_quantized_put(out, at + i, isnan(y) ? 0 : y < q.first ? q.first : y > q.last ? q.last : y);
    }
}

static tn_code fused_run(tn_run *r, tn_error *err)
{
    const fused *f = r->params;
    factors *by = r->scratch;
    int32_t *sums = (int32_t *)(by + f->out_c);
    TN_TRY(check_ranges(r, f, err));
    find_factors(r, f, by);
    give_ranges(r, f);
    for (int64_t i = 0; i < f->batch * f->out[0] * f->out[1]; i++) {
        if (i % 256 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        sum_window(r, f, i / (f->out[0] * f->out[1]), i / f->out[1] % f->out[0], i % f->out[1], sums);
        put_sums(r, f, by, i * f->out_c, sums);
    }
    return TN_OK;
}

#define Q "{qint8,quint8,qint32,qint16,quint16}"
#define BEGIN "input:Tinput filter:Tfilter "
#define RANGES "min_input:float max_input:float min_filter:float max_filter:float "
#define FROZEN "min_freezed_output:float max_freezed_output:float "
#define END "-> output:out_type min_output:float max_output:float; Tinput:type" Q " Tfilter:type" Q
#define WINDOW " strides:list(int) padding:string{SAME,VALID} dilations:list(int)=[1,1,1,1]"
#define PADDED WINDOW " padding_list:list(int)=[]"
#define TO(t) " out_type:type" Q "=" t
#define FUSED(Name, Sig)         \
    const tn_op tn_op_##Name = { \
        .name = #Name, .sig = Sig, .infer = fused_infer, .prepare = fused_prepare, .run = fused_run}
FUSED(QuantizedConv2DPerChannel, BEGIN RANGES END TO("qint32") WINDOW);
FUSED(QuantizedConv2DAndRelu, BEGIN RANGES END TO("qint32") PADDED);
FUSED(QuantizedConv2DAndRequantize, BEGIN RANGES FROZEN END TO("qint8") PADDED);
FUSED(QuantizedConv2DAndReluAndRequantize, BEGIN RANGES FROZEN END TO("quint8") PADDED);
FUSED(QuantizedConv2DWithBias, BEGIN "bias:float " RANGES END TO("qint32") PADDED);
FUSED(QuantizedConv2DWithBiasAndRelu, BEGIN "bias:float " RANGES END TO("qint32") PADDED);
FUSED(QuantizedConv2DWithBiasAndRequantize,
      BEGIN "bias:Tbias " RANGES FROZEN END " Tbias:type{float,qint32}" TO("qint8") PADDED);
FUSED(QuantizedConv2DWithBiasAndReluAndRequantize,
      BEGIN "bias:Tbias " RANGES FROZEN END " Tbias:type{float,qint32}" TO("quint8") PADDED);
#define SUMMED "summand:Tsummand min_summand:float max_summand:float " END " Tbias:type{float,qint32} Tsummand:type" Q
FUSED(QuantizedConv2DWithBiasSumAndRelu, BEGIN "bias:float " RANGES "summand:float " END TO("qint32") PADDED);
FUSED(QuantizedConv2DWithBiasSumAndReluAndRequantize, BEGIN "bias:Tbias " RANGES FROZEN SUMMED TO("quint8") PADDED);
FUSED(QuantizedConv2DWithBiasSignedSumAndReluAndRequantize,
      BEGIN "bias:Tbias " RANGES FROZEN SUMMED TO("quint8") PADDED);
FUSED(QuantizedDepthwiseConv2D, BEGIN RANGES END TO("qint32") WINDOW);
FUSED(QuantizedDepthwiseConv2DWithBias, BEGIN "bias:float " RANGES END TO("qint32") WINDOW);
FUSED(QuantizedDepthwiseConv2DWithBiasAndRelu, BEGIN "bias:float " RANGES END TO("qint32") PADDED);
FUSED(QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize,
      BEGIN "bias:Tbias " RANGES FROZEN END " Tbias:type{float,qint32}" TO("quint8") PADDED);

/* ==== channel by channel ==== input input_min input_max, of 32-bit integers */

static tn_code check_channels(const tn_run *r, int64_t *channels, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    if (s->rank != 4) return tn_fail(err, TN_INVALID_ARGUMENT, "input must be in NHWC format");
    *channels = s->dim[3];
    for (int i = 1; i < 3; i++)
        if (tn_tensor_count(r->in[i]) != *channels)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has incorrect number of elements: %lld != %lld",
                           tn_op_sig(r->op)->in[i].name, (long long)tn_tensor_count(r->in[i]),
                           (long long)*channels);
    return TN_OK;
}

static tn_code only_32(tn_prepare *p, tn_error *err)
{
    if (p->in[0]->dtype == TN_QINT32) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(p->in[0]->dtype));
}

static tn_code requantize_run(tn_run *r, tn_error *err)
{
    int64_t channels;
    if (tn_tensor_count(r->in[3]) != 1 || tn_tensor_count(r->in[4]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "requested_output_min and _max must be scalars");
    float low = *TN_FLOATS(r->in[3]), high = *TN_FLOATS(r->in[4]);
    const tn_integers q = tn_integers_of(r->out[0]->dtype);
    TN_TRY(check_channels(r, &channels, err));
    if (r->out[0]->dtype == TN_QINT8 && low >= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "If out_type is QINT8, requested_output_min must be negative, got %g", (double)low);
    float last = last_of(r->out[0]->dtype) / fmaxf(fabsf(low), fabsf(high));
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        float scale = reach(r->in[1], r->in[2], i % channels) / 2147483648.0f * last;
        double y = (double)rintf((float)TN_INT32S(r->in[0])[i] * scale);
        tn_quantized_put(r->out[0], i, isnan(y) ? 0 : y < q.first ? q.first : y > q.last ? q.last : y);
    }
    *TN_FLOATS(r->out[1]) = low;
    *TN_FLOATS(r->out[2]) = high;
    return TN_OK;
}

static tn_code range_run(tn_run *r, tn_error *err)
{
    int64_t channels;
    float most = 0, clip = tn_attr_f(r->attrs, "clip_value_max");
    bool negative = false;
    TN_TRY(check_channels(r, &channels, err));
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) {
        int32_t v = TN_INT32S(r->in[0])[i];
        most = fmaxf(most, fabsf((float)v) * (reach(r->in[1], r->in[2], i % channels) / 2147483648.0f));
        negative |= v < 0;
    }
    most = fminf(most, clip);
    *TN_FLOATS(r->out[0]) = negative ? -most : 0;
    *TN_FLOATS(r->out[1]) = most;
    return TN_OK;
}

static tn_code ends_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out == 3) c->out[0].shape = c->in[0]->shape;
    for (int o = c->n_out - 2; o < c->n_out; o++) c->out[o].shape = TN_SHAPE();
    return TN_OK;
}

#define BY_CHANNEL(Name, Run, Sig) \
    const tn_op tn_op_##Name = {   \
        .name = #Name, .sig = Sig, .infer = ends_infer, .prepare = only_32, .run = Run}
BY_CHANNEL(RequantizePerChannel, requantize_run,
           "input:T input_min:float input_max:float requested_output_min:float requested_output_max:float -> "
           "output:out_type output_min:float output_max:float; T:type" Q "=qint32 out_type:type" Q "=quint8");
BY_CHANNEL(RequantizationRangePerChannel, range_run,
           "input:T input_min:float input_max:float -> output_min:float output_max:float; T:type" Q
           "=qint32 clip_value_max:float");
