/* SPDX-License-Identifier: Apache-2.0
 *
 * op_scan.c - along one dimension: ArgMax, ArgMin; Cumsum, Cumprod, CumulativeLogsumexp.
 */
#include <math.h>

#include "op_math.h"
#include "reduce_axes.h"

/* A tensor as [outer, n, inner] about one dimension. */
typedef struct along {
    int64_t outer, n, inner;
    bool exclusive, reverse;
} along;

static void split_at(const tn_shape *s, int axis, along *a)
{
    a->outer = a->inner = 1;
    a->n = s->dim[axis];
    for (int i = 0; i < s->rank; i++) {
        if (i < axis) a->outer *= s->dim[i];
        if (i > axis) a->inner *= s->dim[i];
    }
}

/* ==== ArgMax, ArgMin ==== */

static tn_code arg_axis(const tn_tensor *dimension, int rank, int *axis, tn_error *err)
{
    char text[160];
    if (tn_shape_count(&dimension->shape) != 1 || dimension->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "dim must be a scalar, but received tensor of shape: %s",
                       tn_shape_text(&dimension->shape, text, sizeof text));
    int64_t d = tn_tensor_int(dimension, 0);
    if (d < -rank || d >= rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected dimension in the range [%d, %d), but got %lld",
                       -rank, rank, (long long)d);
    *axis = (int)(d < 0 ? d + rank : d);
    return TN_OK;
}

static tn_code arg_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape *out = &c->out[0].shape;
    int axis;
    if (in->rank < 0) return TN_OK;
    if (!c->in[1]->value) {
        out->rank = in->rank - 1;
        for (int i = 0; i < out->rank; i++) out->dim[i] = -1;
        return in->rank > 0 ? TN_OK
                            : tn_fail(err, TN_INVALID_ARGUMENT, "Expected dimension in the range [0, 0)");
    }
    TN_TRY(arg_axis(c->in[1]->value, in->rank, &axis, err));
    *out = (tn_shape){.rank = 0};
    for (int i = 0; i < in->rank; i++)
        if (i != axis) out->dim[out->rank++] = in->dim[i];
    if (axis > 0) c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

static tn_code arg_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, along, a);
    char text[160];
    int axis;
    TN_TRY(arg_axis(p->in[1], p->in[0]->shape.rank, &axis, err));
    split_at(&p->in[0]->shape, axis, a);
    if (a->n == 0 && a->outer * a->inner > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Reduction axis %d is empty in shape %s", axis,
                       tn_shape_text(&p->in[0]->shape, text, sizeof text));
    return TN_OK;
}

static tn_code arg_run(tn_run *r, tn_error *err)
{
    const along *a = r->params;
    tn_dtype t = tn_storage_dtype(r->in[0]->dtype);
    if (t == TN_BOOL) t = TN_UINT8;
    if (a->outer * a->inner == 0) return TN_OK;
    return tn_argreduce(!strcmp(r->op->name, "ArgMax"), t, r->out[0]->dtype, a->outer, a->n, a->inner,
                        r->in[0]->data, r->out[0]->data, r->threads, err);
}

#define ARG(Name, AxisTypes, IndexTypes)                                                                     \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "input:T dimension:Tidx -> output:output_type; T:type{float,double,int32,uint8,int16,int8,"   \
               "int64,bfloat16,uint16,half,uint32,uint64,qint8,quint8,qint32,qint16,quint16,bool} "          \
               "Tidx:type{" AxisTypes "}=int32 output_type:type{" IndexTypes "}=int64",                      \
        .infer = arg_infer,                                                                                  \
        .prepare = arg_prepare,                                                                              \
        .run = arg_run,                                                                                      \
        .flags = TN_NO_GRADIENT,                                                                             \
        .values = TN_BIT(1),                                                                                 \
    }
ARG(ArgMax, "int16,int32,int64", "int16,uint16,int32,int64");
ARG(ArgMin, "int32,int64", "int32,int64");

/* ==== Cumsum, Cumprod, CumulativeLogsumexp ==== */

static tn_code scan_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, along, a);
    const tn_tensor *axis = p->in[1];
    char text[160];
    int rank = p->in[0]->shape.rank;
    if (axis->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ScanOp: axis must be a scalar, not %s",
                       tn_shape_text(&axis->shape, text, sizeof text));
    int64_t d = tn_tensor_int(axis, 0);
    if (d < -rank || d >= rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "ScanOp: Expected scan axis in the range [%d, %d), but got %lld", -rank, rank,
                       (long long)d);
    split_at(&p->in[0]->shape, (int)(d < 0 ? d + rank : d), a);
    a->exclusive = tn_attr_b(p->attrs, "exclusive");
    a->reverse = tn_attr_b(p->attrs, "reverse");
    return TN_OK;
}

static tn_code scan_run(tn_run *r, tn_error *err)
{
    const along *a = r->params;
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    return tn_scan(!strcmp(r->op->name, "Cumprod"), tn_storage_dtype(r->in[0]->dtype), a->outer, a->n,
                   a->inner, a->exclusive, a->reverse, r->in[0]->data, r->out[0]->data, r->threads, err);
}

static tn_attr exclusive_of(const tn_grad *g)
{
    return tn_attr_bool("exclusive", tn_attr_b(&g->op->attrs, "exclusive"));
}

static tn_attr reverse_of(const tn_grad *g, bool turned)
{
    return tn_attr_bool("reverse", tn_attr_b(&g->op->attrs, "reverse") != turned);
}

static tn_code cumsum_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_op(g->b, "Cumsum", TN_INPUTS(tn_grad_dy(g, 0), tn_grad_in(g, 1)),
                            TN_ATTRS(exclusive_of(g), reverse_of(g, true))));
    return TN_OK;
}

/* As TensorFlow: 0 where x is 0. */
static tn_code cumprod_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), axis = tn_grad_in(g, 1);
    tn_node prod = tn_op(b, "Cumprod", TN_INPUTS(x, axis), TN_ATTRS(exclusive_of(g), reverse_of(g, false)));
    tn_node sum = tn_op(b, "Cumsum", TN_INPUTS(tn_g2(b, "Mul", prod, tn_grad_dy(g, 0)), axis),
                        TN_ATTRS(exclusive_of(g), reverse_of(g, true)));
    tn_grad_set(g, 0, tn_g2(b, "DivNoNan", sum, x));
    return TN_OK;
}

#define SCAN(Name, Types, Run, Grad)                                                                         \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "x:T axis:Tidx -> out:T; exclusive:bool=false reverse:bool=false T:type{" Types "} "          \
               "Tidx:type{int32,int64}=int32",                                                               \
        .infer = tn_infer_like_first,                                                                        \
        .prepare = scan_prepare,                                                                             \
        .run = Run,                                                                                          \
        .grad = Grad,                                                                                        \
        .values = TN_BIT(1),                                                                                 \
    }
SCAN(Cumsum, "numbertype", scan_run, cumsum_grad);
SCAN(Cumprod, "numbertype", scan_run, cumprod_grad);

static double log_add(double a, double b)
{
    double high = fmax(a, b), low = fmin(a, b);
    if (isnan(a) || isnan(b)) return NAN;
    return isinf(high) ? high : high + log1p(exp(low - high));
}

static tn_code logsumexp_run(tn_run *r, tn_error *err)
{
    const along *a = r->params;
    (void)err;
    for (int64_t line = 0; a->n && line < a->outer * a->inner; line++) {
        int64_t first = line / a->inner * a->n * a->inner + line % a->inner;
        double sum = -INFINITY;
        for (int64_t k = 0; k < a->n; k++) {
            int64_t at = first + (a->reverse ? a->n - 1 - k : k) * a->inner;
            double v = tn_tensor_number(r->in[0], at), before = sum;
            sum = log_add(sum, v);
            tn_tensor_set_number(r->out[0], at, a->exclusive ? before : sum);
        }
    }
    return TN_OK;
}

/* One sign of the gradient, in logarithms: log|dy| where dy has that sign, the lowest number elsewhere. */
static tn_node logsumexp_half(tn_grad *g, bool negative)
{
    static const double lowest[] = {[TN_HALF] = -65504,
                                    [TN_BFLOAT16] = -3.3895313892515355e38,
                                    [TN_FLOAT] = -3.4028234663852886e38,
                                    [TN_DOUBLE] = -1.7976931348623157e308};
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(dy));
    tn_node mask = tn_g2(b, negative ? "Less" : "Greater", dy, tn_scalar(b, t, 0));
    tn_node log_dy = tn_g1(b, "Log", negative ? tn_g1(b, "Neg", dy) : dy);
    log_dy = tn_g3(b, "SelectV2", mask, log_dy, tn_scalar(b, t, lowest[t]));
    tn_node scan = tn_op(b, "CumulativeLogsumexp",
                         TN_INPUTS(tn_g2(b, "Sub", log_dy, tn_grad_out(g, 0)), tn_grad_in(g, 1)),
                         TN_ATTRS(exclusive_of(g), reverse_of(g, true)));
    return tn_g1(b, "Exp", tn_g2(b, "AddV2", scan, tn_grad_in(g, 0)));
}

static tn_code logsumexp_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_g2(g->b, "Sub", logsumexp_half(g, false), logsumexp_half(g, true)));
    return TN_OK;
}
SCAN(CumulativeLogsumexp, T_REAL, logsumexp_run, logsumexp_grad);
