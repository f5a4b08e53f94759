/* SPDX-License-Identifier: Apache-2.0
 *
 * op_quantize.c - numbers rounded to integers of a range and back: QuantizeAndDequantize (in floats),
 * QuantizeV2 and Dequantize (with the quantised dtypes). One range for all elements, or one for each slice
 * along an axis.
 */
#include "../kernel/kernel.h"
#include "../kernel/quantize.h"
#include "op_math.h"
#include "op_move.h"
#include "quantized.h"

#include <float.h>
#include <math.h>

/* Slices along an axis: [outer, n, inner]; without one everything is one slice. */
typedef struct slices {
    int64_t outer, n, inner;
} slices;

static tn_code slices_of(const tn_shape *s, int64_t axis, slices *out, tn_error *err)
{
    if (axis < -1 || axis >= s->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Axis should be at least -1 and less than the rank %d: %lld",
                       s->rank, (long long)axis);
    *out = axis < 0 ? (slices){1, 1, tn_shape_count(s)}
                    : (slices){tn_shape_product(s, 0, (int)axis), s->dim[axis],
                               tn_shape_product(s, (int)axis + 1, s->rank)};
    return TN_OK;
}

static tn_code check_ends(const tn_tensor *const *in, int64_t n, bool axis, tn_error *err)
{
    for (int i = 0; i < 2; i++)
        if (axis ? in[i]->shape.rank != 1 || in[i]->shape.dim[0] != n : tn_tensor_count(in[i]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s has %lld elements, not %lld",
                           i ? "input_max" : "input_min", (long long)tn_tensor_count(in[i]), (long long)n);
    return TN_OK;
}

/* ==== quantised and back ==== computed in floats, for double in double */

typedef struct steps {
    double low, high, scale, inverse;
    bool clamp;
    int round; /* 0: half to even, 1: half up */
} steps;

static double in_type(double x, bool single)
{
    return single ? (float)x : x;
}

/* From the ends of the range: the greatest scale with which both ends fit. */
static void fit(steps *s, double min, double max, int bits, bool is_signed, bool narrow, bool single)
{
    double last = is_signed ? ldexp(1, bits - 1) - 1 : ldexp(1, bits) - 1,
           first = is_signed ? -last - !narrow : 0;
    double most = single ? FLT_MAX : DBL_MAX;
    double by_min = first * min > 0 ? in_type(first / min, single) : most;
    double by_max = last * max > 0 ? in_type(last / max, single) : most;
    s->low = min;
    s->high = max;
    if (by_min < by_max) {
        s->scale = by_min;
        s->inverse = in_type(min / first, single);
        s->high = in_type(last * s->inverse, single);
    } else {
        s->scale = by_max;
        s->inverse = in_type(max / last, single);
        s->low = in_type(first * s->inverse, single);
    }
}

static double stepped(const steps *s, double x, bool single)
{
    double y = s->clamp ? fmin(fmax(x, s->low), s->high) : x;
    if (isnan(x)) return x;
    y = in_type(y * s->scale, single);
    y = s->round ? floor(in_type(y + 0.5, single)) : rint(y);
    return in_type(y * s->inverse, single);
}

typedef struct qd {
    int64_t bits, axis;
    bool is_signed, given, narrow;
    int round;
    slices s;
} qd;

static tn_code qd_bits(const qd *q, int64_t bits, tn_error *err)
{
    if (bits > 0 && bits < (q->is_signed ? 62 : 63)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "num_bits is out of range: %lld with signed_input_ %d",
                   (long long)bits, q->is_signed);
}

static tn_code qd_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, qd, q);
    q->axis = -1;
    q->is_signed = tn_attr_b(p->attrs, "signed_input");
    q->given = tn_attr_b(p->attrs, "range_given");
    tn_attr_get_bool(p->attrs, "narrow_range", &q->narrow);
    tn_attr_get_int(p->attrs, "axis", &q->axis);
    tn_view mode;
    if (tn_attr_get_string(p->attrs, "round_mode", &mode)) q->round = tn_view_is(mode, "HALF_UP");
    q->bits = -1;
    if (tn_attr_get_int(p->attrs, "num_bits", &q->bits)) TN_TRY(qd_bits(q, q->bits, err));
    TN_TRY(slices_of(&p->in[0]->shape, q->axis, &q->s, err));
    if (!q->given && p->in[0]->dtype == TN_FLOAT) p->scratch = 2 * (size_t)q->s.n * sizeof(float);
    return TN_OK;
}

/* Of the slices of floats: n least ones and behind them n greatest. */
static void find_ends(const tn_tensor *x, const slices *s, float *ends)
{
    float *min = ends, *max = ends + s->n;
    for (int64_t k = 0; k < s->n; k++) min[k] = INFINITY, max[k] = -INFINITY;
    if (s->inner == 1) {
        tn_step_ends(s->outer, s->n, s->n, TN_FLOATS(x), min, max);
        return;
    }
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t k = 0; k < s->n; k++)
            tn_step_ends(s->inner, 1, 1, TN_FLOATS(x) + (o * s->n + k) * s->inner, min + k, max + k);
}

static void ends_of(const tn_tensor *x, const slices *s, int64_t k, double *min, double *max)
{
    *min = INFINITY;
    *max = -INFINITY;
    for (int64_t o = 0; o < s->outer; o++) {
        const int64_t at = (o * s->n + k) * s->inner;
        for (int64_t i = at; i < at + s->inner; i++) {
            double v = tn_tensor_number(x, i);
            *min = fmin(*min, v);
            *max = fmax(*max, v);
        }
    }
}

typedef struct qd_job {
    const tn_run *r;
    const qd *q;
    int64_t bits;
} qd_job;

/* The range that slice k is given, or has. */
static void qd_ends(const tn_run *r, const qd *q, int64_t k, double *min, double *max)
{
    if (!q->given && r->in[0]->dtype == TN_FLOAT) {
        *min = (double)((const float *)r->scratch)[k];
        *max = (double)((const float *)r->scratch)[q->s.n + k];
    } else if (!q->given) {
        ends_of(r->in[0], &q->s, k, min, max);
    } else if (r->n_in == 1) {
        *min = (double)tn_attr_f(r->attrs, "input_min");
        *max = (double)tn_attr_f(r->attrs, "input_max");
    } else {
        *min = tn_tensor_number(r->in[1], k);
        *max = tn_tensor_number(r->in[2], k);
    }
}

static steps qd_steps(const qd_job *j, int64_t k)
{
    steps s = {.clamp = j->q->given, .round = j->q->round};
    double min, max;
    qd_ends(j->r, j->q, k, &min, &max);
    fit(&s, min, max, (int)j->bits, j->q->is_signed, j->q->narrow, j->r->in[0]->dtype != TN_DOUBLE);
    return s;
}

static void qd_fit(const void *of, int64_t k, tn_step *out)
{
    const qd_job *j = of;
    steps s = qd_steps(j, k);
    *out = (tn_step){.low = s.clamp ? (float)s.low : -INFINITY,
                     .high = s.clamp ? (float)s.high : INFINITY,
                     .by = (float)s.scale,
                     .back = (float)s.inverse};
}

/* Of dtypes other than float. */
static void qd_slice(const qd_job *j, int64_t k)
{
    const slices *s = &j->q->s;
    const steps z = qd_steps(j, k);
    const tn_tensor *x = j->r->in[0];
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            int64_t at = (o * s->n + k) * s->inner + i;
            double v = stepped(&z, tn_tensor_number(x, at), x->dtype != TN_DOUBLE);
            tn_tensor_set_number(j->r->out[0], at, v);
        }
}

static tn_code qd_check(const tn_run *r, const qd *q, tn_error *err)
{
    double min, max;
    for (int64_t k = 0; q->given && k < q->s.n; k++) {
        qd_ends(r, q, k, &min, &max);
        if (!(min <= max))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid range: input_min %g > input_max %g", min, max);
    }
    return TN_OK;
}

static tn_code qd_run(tn_run *r, tn_error *err)
{
    const qd *q = r->params;
    int64_t bits = q->bits;
    if (r->n_in == 4) {
        TN_TRY(tn_int_of(r->in[3], "num_bits", &bits, err));
        TN_TRY(qd_bits(q, bits, err));
    }
    if (r->n_in > 1 && q->given) TN_TRY(check_ends(r->in + 1, q->s.n, q->axis >= 0, err));
    if (tn_tensor_count(r->in[0]) == 0) return TN_OK;
    TN_TRY(qd_check(r, q, err));
    const qd_job j = {r, q, bits};
    const tn_step_job job = {
        .round = q->round ? TN_STEP_UP : TN_STEP_EVEN,
        .to = TN_FLOAT,
        .outer = q->s.outer,
        .n = q->s.n,
        .inner = q->s.inner,
        .threads = r->threads,
        .x = r->in[0]->data,
        .y = r->out[0]->data,
        .fit = qd_fit,
        .of = &j,
    };
    if (r->in[0]->dtype == TN_FLOAT) {
        if (!q->given) find_ends(r->in[0], &q->s, r->scratch);
        tn_step_all(&job);
    } else
        for (int64_t k = 0; k < q->s.n; k++) qd_slice(&j, k);
    return TN_OK;
}

/* Rounding counts as the identity. */
static tn_code qd_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

static tn_code qd_grad_4(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2)};
    tn_attr axis = tn_attr_int("axis", tn_attr_i(&g->op->attrs, "axis"));
    tn_operation *op = tn_add_operation(g->b, "QuantizeAndDequantizeV4Grad", NULL, in, 4, &axis, 1);
    for (int i = 0; op && i < 3; i++) tn_grad_set(g, i, tn_output_of(op, i));
    return TN_OK;
}

#define T_FLOATS "T:type{bfloat16,half,float,double}"
#define ROUND " round_mode:string{HALF_TO_EVEN,HALF_UP}=\"HALF_TO_EVEN\" narrow_range:bool=false axis:int=-1"
#define QD(Name, Grad, Sig)                                   \
    const tn_op tn_op_##Name = {.name = #Name,                \
                                .sig = Sig,                   \
                                .infer = tn_infer_like_first, \
                                .prepare = qd_prepare,        \
                                .run = qd_run,                \
                                .grad = Grad}
QD(QuantizeAndDequantize, qd_grad,
   "input:T -> output:T; signed_input:bool=true num_bits:int=8 range_given:bool=false input_min:float=0.0 "
   "input_max:float=0.0 " T_FLOATS);
QD(QuantizeAndDequantizeV2, qd_grad,
   "input:T input_min:T input_max:T -> output:T; signed_input:bool=true num_bits:int=8 "
   "range_given:bool=false " T_FLOATS ROUND);
QD(QuantizeAndDequantizeV3, qd_grad,
   "input:T input_min:T input_max:T num_bits:int32 -> output:T; signed_input:bool=true "
   "range_given:bool=true " T_FLOATS " narrow_range:bool=false axis:int=-1");
QD(QuantizeAndDequantizeV4, qd_grad_4,
   "input:T input_min:T input_max:T -> output:T; signed_input:bool=true num_bits:int=8 "
   "range_given:bool=false " T_FLOATS ROUND);

static tn_code qd_back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_shape_merge(&c->in[0]->shape, &c->in[1]->shape, &c->out[0].shape, err));
    for (int o = 1; o < 3; o++) c->out[o].shape = c->in[o + 1]->shape;
    return TN_OK;
}

/* Of floats; what the ends would get is not asked for. */
static void qd_back_floats(const tn_run *r, const slices *s)
{
    enum { BLOCK = 64 };
    const float *dy = r->in[0]->data, *x = r->in[1]->data, *min = r->in[2]->data, *max = r->in[3]->data;
    float *dx = r->out[0]->data;
    double below[BLOCK] = {0}, above[BLOCK] = {0};
    for (int64_t k = 0; s->inner == 1 && k < s->n; k += BLOCK)
        tn_step_pass(s->outer, s->n, TN_MIN(BLOCK, s->n - k), min + k, max + k, dy + k, x + k, dx + k, below, above);
    for (int64_t i = 0; s->inner != 1 && i < s->outer * s->n; i++) {
        const int64_t at = i * s->inner, k = i % s->n;
        tn_step_pass(s->inner, 1, 1, min + k, max + k, dy + at, x + at, dx + at, below, above);
    }
}

static void qd_back_slice(const tn_run *r, const slices *s, int64_t k)
{
    const double min = tn_tensor_number(r->in[2], k), max = tn_tensor_number(r->in[3], k);
    for (int64_t j = 0; j < s->outer * s->inner; j++) {
        const int64_t at = (j / s->inner * s->n + k) * s->inner + j % s->inner;
        const double x = tn_tensor_number(r->in[1], at);
        tn_tensor_set_number(r->out[0], at, x >= min && x <= max ? tn_tensor_number(r->in[0], at) : 0);
    }
}

static tn_code qd_back_run(tn_run *r, tn_error *err)
{
    slices s;
    int64_t axis = tn_attr_i(r->attrs, "axis");
    TN_TRY(slices_of(&r->in[1]->shape, axis, &s, err));
    TN_TRY(check_ends(r->in + 2, s.n, axis >= 0, err));
    const bool floats = r->in[1]->dtype == TN_FLOAT;
    if (floats) qd_back_floats(r, &s);
    for (int64_t k = 0; k < s.n; k++) { /* the ends have none, as in TensorFlow */
        if (!floats) qd_back_slice(r, &s, k);
        tn_tensor_set_number(r->out[1], k, 0);
        tn_tensor_set_number(r->out[2], k, 0);
    }
    return TN_OK;
}

const tn_op tn_op_QuantizeAndDequantizeV4Grad = {
    .name = "QuantizeAndDequantizeV4Grad",
    .sig = "gradients:T input:T input_min:T input_max:T -> input_backprop:T input_min_backprop:T "
           "input_max_backprop:T; " T_FLOATS " axis:int=-1",
    .infer = qd_back_infer,
    .run = qd_back_run,
};

/* ==== QuantizeV2 ==== */

typedef enum mode { MIN_COMBINED, MIN_FIRST, SCALED } mode;

static mode mode_of(const tn_attrs *attrs)
{
    return tn_attr_is(attrs, "mode", "MIN_FIRST") ? MIN_FIRST
           : tn_attr_is(attrs, "mode", "SCALED")  ? SCALED
                                                  : MIN_COMBINED;
}

typedef struct quantizer {
    mode mode;
    tn_integers q;
    bool narrow;
    float low, high, scale;
    double first_scaled, range_scale; /* MIN_FIRST */
} quantizer;

/* Ends that hold 0 and are some distance apart; *low and *high are what the output says. */
static void fit_quantizer(quantizer *z, float min, float max, float least, float *low, float *high)
{
    z->low = fminf(0, min);
    z->high = fmaxf(0, fmaxf(max, z->low + fmaxf(1, fmaxf(fabsf(min), fabsf(max))) * least));
    if (z->mode == SCALED) {
        float first = (float)(z->q.first + z->narrow), last = (float)z->q.last;
        float by_min = first * z->low > 0 ? first / z->low : FLT_MAX,
              by_max = last * z->high > 0 ? last / z->high : FLT_MAX;
        z->scale = fminf(by_min, by_max);
        z->low = first / z->scale;
        z->high = last / z->scale;
    } else {
        z->scale = (float)((z->q.last - z->q.first) / (double)(z->high - z->low));
        double count = ldexp(1, z->q.bits), range = (double)(z->high - z->low) * (count / (count - 1));
        z->range_scale = count / range;
        z->first_scaled = round((double)z->low * z->range_scale);
    }
    *low = z->low;
    *high = z->high;
}

typedef struct quantize_job {
    const tn_run *r;
    quantizer z;
    float least;
} quantize_job;

static quantizer quantizer_of(const quantize_job *j, int64_t k, float *low, float *high)
{
    quantizer z = j->z;
    fit_quantizer(&z, TN_FLOATS(j->r->in[1])[k], TN_FLOATS(j->r->in[2])[k], j->least, low, high);
    return z;
}

static void quantize_fit(const void *of, int64_t k, tn_step *out)
{
    const quantize_job *j = of;
    float low, high;
    const quantizer z = quantizer_of(j, k, &low, &high);
    const bool shifts = z.mode == MIN_COMBINED;
    *out = (tn_step){.low = low,
                     .high = high,
                     .shift = shifts ? low : 0,
                     .by = z.scale,
                     .less = shifts && z.q.first < 0 ? (float)((z.q.last - z.q.first + 1) / 2) : 0};
}

static void quantize_first(const quantize_job *j, const slices *s, int64_t k)
{
    float low, high;
    const quantizer z = quantizer_of(j, k, &low, &high);
    const double last = z.q.bits == 32 ? 2147483520.0 : z.q.last; /* the greatest float below */
    tn_tensor *y = j->r->out[0];
    for (int64_t o = 0; o < s->outer; o++) {
        const int64_t at = (o * s->n + k) * s->inner;
        tn_step_first(y->dtype, z.range_scale, z.first_scaled - z.q.first, z.q.first, last, s->inner,
                      TN_FLOATS(j->r->in[0]) + at, (char *)y->data + at * (int64_t)tn_dtype_size(y->dtype),
                      j->r->threads);
    }
}

static tn_code quantize_ends(const quantize_job *j, int64_t n, tn_error *err)
{
    for (int64_t k = 0; k < n; k++) {
        if (!(TN_FLOATS(j->r->in[1])[k] <= TN_FLOATS(j->r->in[2])[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "input_max_range must be larger than input_min_range.");
        quantizer_of(j, k, &TN_FLOATS(j->r->out[1])[k], &TN_FLOATS(j->r->out[2])[k]);
    }
    return TN_OK;
}

static tn_code quantize_run(tn_run *r, tn_error *err)
{
    slices s;
    int64_t axis = tn_attr_i(r->attrs, "axis");
    const quantize_job j = {.r = r,
                            .least = tn_attr_f(r->attrs, "ensure_minimum_range"),
                            .z = {.mode = mode_of(r->attrs),
                                  .q = tn_integers_of(r->out[0]->dtype),
                                  .narrow = tn_attr_b(r->attrs, "narrow_range")}};
    const bool to_even = j.z.mode == SCALED && tn_attr_is(r->attrs, "round_mode", "HALF_TO_EVEN");
    TN_TRY(slices_of(&r->in[0]->shape, axis, &s, err));
    TN_TRY(check_ends(r->in + 1, s.n, axis >= 0, err));
    TN_TRY(quantize_ends(&j, s.n, err));
    const tn_step_job job = {
        .round = to_even ? TN_STEP_EVEN : TN_STEP_AWAY,
        .to = r->out[0]->dtype,
        .outer = s.outer,
        .n = s.n,
        .inner = s.inner,
        .threads = r->threads,
        .x = r->in[0]->data,
        .y = r->out[0]->data,
        .fit = quantize_fit,
        .of = &j,
    };
    if (j.z.mode != MIN_FIRST) tn_step_all(&job);
    else
        for (int64_t k = 0; k < s.n; k++) quantize_first(&j, &s, k);
    return TN_OK;
}

static tn_code quantize_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_shape *s = &c->in[0]->shape;
    int64_t axis = tn_attr_i(c->attrs, "axis");
    c->out[0].shape = *s;
    for (int o = 1; o < 3; o++)
        c->out[o].shape = axis < 0                         ? TN_SHAPE()
                          : s->rank >= 0 && axis < s->rank ? tn_shape_vector(s->dim[axis])
                                                           : tn_shape_vector(-1);
    return TN_OK;
}

#define T_QUANTIZED "T:type{qint8,quint8,qint32,qint16,quint16}"
const tn_op tn_op_QuantizeV2 = {
    .name = "QuantizeV2",
    .sig =
        "input:float min_range:float max_range:float -> output:T output_min:float "
        "output_max:float; " T_QUANTIZED " mode:string{MIN_COMBINED,MIN_FIRST,SCALED}=\"MIN_COMBINED\" "
        "round_mode:string{HALF_AWAY_FROM_ZERO,HALF_TO_EVEN}=\"HALF_AWAY_FROM_ZERO\" narrow_range:bool=false "
        "axis:int=-1 ensure_minimum_range:float=0.009999999776482582",
    .infer = quantize_infer,
    .run = quantize_run,
};

/* ==== Dequantize ==== */

/* What stands for integer v: (v + shift) * by + plus, computed in doubles or floats. */
typedef struct unsteps {
    bool doubles;
    double shift, by, plus;
} unsteps;

static unsteps dequantizer(mode m, tn_integers q, bool narrow, float min, float max)
{
    if (m == SCALED) {
        const float by_max = max / (float)q.last;
        const float scale = q.first == 0 ? by_max : fmaxf(min / (float)(q.first + narrow), by_max);
        return (unsteps){false, 0, (double)scale, -0.0}; /* so that -0 stays */
    }
    if (m == MIN_FIRST) {
        const float scale = (float)((double)(max - min) / (ldexp(1, q.bits) - 1));
        const float first = max == min ? min : roundf(min / scale) * scale;
        return (unsteps){true, -q.first, (double)scale, (double)first};
    }
    const float scale = (float)((double)(max - min) / (q.last - q.first));
    return (unsteps){false, q.first < 0 ? (q.last - q.first + 1) / 2 : 0, (double)scale, (double)min};
}

/* n elements from `at` on; what is not to be float is cast a block at a time. */
static tn_code dequantize_some(const tn_run *r, const unsteps *u, int64_t at, int64_t n, tn_error *err)
{
    enum { BLOCK = 512 };
    const tn_tensor *x = r->in[0];
    tn_tensor *y = r->out[0];
    const char *from = (const char *)x->data + (size_t)at * tn_dtype_size(x->dtype);
    float some[BLOCK];
    if (y->dtype == TN_FLOAT) {
        tn_step_back(x->dtype, u->doubles, u->shift, u->by, u->plus, n, from, TN_FLOATS(y) + at, r->threads);
        return TN_OK;
    }
    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t m = TN_MIN(BLOCK, n - i);
        tn_step_back(x->dtype, u->doubles, u->shift, u->by, u->plus, m,
                     from + (size_t)i * tn_dtype_size(x->dtype), some, 1);
        TN_TRY(tn_cast(TN_FLOAT, y->dtype, m, some, (char *)y->data + (size_t)(at + i) * tn_dtype_size(y->dtype), false,
                       1, err));
    }
    return TN_OK;
}

static tn_code dequantize_run(tn_run *r, tn_error *err)
{
    slices s;
    const int64_t axis = tn_attr_i(r->attrs, "axis");
    const mode m = mode_of(r->attrs);
    const tn_integers q = tn_integers_of(r->in[0]->dtype);
    const bool narrow = tn_attr_b(r->attrs, "narrow_range");
    if (r->out[0]->dtype == TN_BFLOAT16 && m != MIN_COMBINED)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': bfloat16 comes of mode MIN_COMBINED only", r->name);
    TN_TRY(slices_of(&r->in[0]->shape, axis, &s, err));
    TN_TRY(check_ends(r->in + 1, s.n, axis >= 0, err));
    for (int64_t k = 0; k < s.n; k++) {
        const unsteps u = dequantizer(m, q, narrow, TN_FLOATS(r->in[1])[k], TN_FLOATS(r->in[2])[k]);
        for (int64_t o = 0; o < s.outer; o++)
            TN_TRY(dequantize_some(r, &u, (o * s.n + k) * s.inner, s.inner, err));
    }
    return TN_OK;
}

const tn_op tn_op_Dequantize = {
    .name = "Dequantize",
    .sig = "input:T min_range:float max_range:float -> output:dtype; " T_QUANTIZED
           " mode:string{MIN_COMBINED,MIN_FIRST,SCALED}=\"MIN_COMBINED\" narrow_range:bool=false axis:int=-1 "
           "dtype:type{bfloat16,float}=float",
    .infer = tn_infer_like_first,
    .run = dequantize_run,
};
