/* SPDX-License-Identifier: Apache-2.0
 *
 * op_reduce.c - Sum, Mean, Prod, Max, Min, EuclideanNorm, All, Any, L2Loss. Their gradients are in
 * grad_reduce.c.
 */
#include "op_math.h"
#include "reduce_axes.h"

/* ==== axes ==== */

tn_code tn_axes_parse(const tn_tensor *axes, int rank, bool reduced[TN_MAX_RANK], tn_error *err)
{
    int64_t n = tn_shape_count(&axes->shape);
    memset(reduced, 0, sizeof(bool) * TN_MAX_RANK);
    for (int64_t i = 0; i < n; i++) {
        int64_t a = tn_tensor_int(axes, i);
        if (a < -rank || a >= rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid reduction dimension (%lld for input with %d dimension(s)", (long long)a,
                           rank);
        if (a < 0) a += rank;
        if (reduced[a])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid reduction arguments: Axes contains duplicate dimension: %lld",
                           (long long)a);
        reduced[a] = true;
    }
    return TN_OK;
}

static tn_shape without(const tn_shape *in, const bool *reduced, bool keep)
{
    tn_shape out = {.rank = 0};
    for (int i = 0; i < in->rank; i++) {
        if (!reduced[i])
            out.dim[out.rank++] = in->dim[i];
        else if (keep)
            out.dim[out.rank++] = 1;
    }
    return out;
}

/* The product or the sum of a partly known shape, as a scalar. */
static void infer_size(tn_infer *c)
{
    tn_shape v;
    tn_info *out = &c->out[0];
    bool prod = !strcmp(c->op->name, "Prod");
    if ((!prod && strcmp(c->op->name, "Sum")) || out->shape.rank != 0 || c->in[0]->shape.rank != 1) return;
    if (!tn_known_ints(c->in[0], &v)) return;
    int64_t r = prod;
    for (int i = 0; i < v.rank; i++) {
        if (v.dim[i] == TN_UNKNOWN_INT) return;
        if (prod ? __builtin_mul_overflow(r, v.dim[i], &r) : __builtin_add_overflow(r, v.dim[i], &r)) return;
    }
    out->has_ints = true;
    out->ints = (tn_shape){.rank = 1, .dim = {r}};
}

static tn_code reduce_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    bool keep = tn_attr_b(c->attrs, "keep_dims"), reduced[TN_MAX_RANK];
    if (in->rank < 0) return TN_OK;
    if (!c->in[1]->value) { /* no axes known: the rank is, when it is kept */
        if (!keep) return TN_OK;
        c->out[0].shape.rank = in->rank;
        for (int i = 0; i < in->rank; i++) c->out[0].shape.dim[i] = in->dim[i] == 1 ? 1 : -1;
        return TN_OK;
    }
    TN_TRY(tn_axes_parse(c->in[1]->value, in->rank, reduced, err));
    c->out[0].shape = without(in, reduced, keep);
    if (in->rank > 0 && !reduced[0]) c->out[0].bound = c->in[0]->bound;
    infer_size(c);
    return TN_OK;
}

/* ==== running ==== */

/* Quantised numbers are ordered as the integers they are stored as. */
tn_dtype tn_storage_dtype(tn_dtype t)
{
    switch (tn_dtype_base(t)) {
    case TN_QINT8: return TN_INT8;
    case TN_QUINT8: return TN_UINT8;
    case TN_QINT16: return TN_INT16;
    case TN_QUINT16: return TN_UINT16;
    case TN_QINT32: return TN_INT32;
    default: return tn_dtype_base(t);
    }
}

static const struct {
    const char *name;
    tn_reduce_op op;
} operations[] = {
    {"Sum", TN_REDUCE_SUM},   {"Mean", TN_REDUCE_MEAN},
    {"Prod", TN_REDUCE_PROD}, {"Max", TN_REDUCE_MAX},
    {"Min", TN_REDUCE_MIN},   {"All", TN_REDUCE_ALL},
    {"Any", TN_REDUCE_ANY},   {"EuclideanNorm", TN_REDUCE_EUCLIDEAN},
};

static tn_code reduce_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_reduce_plan, plan);
    bool reduced[TN_MAX_RANK];
    size_t i = 0;
    while (i < TN_COUNT(operations) && strcmp(operations[i].name, p->op->name)) i++;
    if (i == TN_COUNT(operations)) return tn_fail(err, TN_INTERNAL, "%s is no reduction", p->op->name);
    TN_TRY(tn_axes_parse(p->in[1], p->in[0]->shape.rank, reduced, err));
    TN_TRY(tn_reduce_prepare(operations[i].op, tn_storage_dtype(p->in[0]->dtype), &p->in[0]->shape, reduced,
                             p->threads, plan, err));
    p->scratch = plan->scratch;
    return TN_OK;
}

static tn_code reduce_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_reduce_run(r->params, r->in[0]->data, r->out[0]->data, r->scratch);
    return TN_OK;
}

#define REDUCTION(Name, Types, Grad, Flags)                                                                  \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "input:T reduction_indices:Tidx -> output:T; keep_dims:bool=false T:type{" Types "} "         \
               "Tidx:type{int32,int64}=int32",                                                               \
        .infer = reduce_infer,                                                                               \
        .prepare = reduce_prepare,                                                                           \
        .run = reduce_run,                                                                                   \
        .grad = Grad,                                                                                        \
        .flags = Flags,                                                                                      \
        .values = TN_BIT(1),                                                                                 \
    }
#define ORDERED "float,double,int32,uint8,int16,int8,int64,bfloat16,uint16,half,uint32,uint64,"              \
    "qint8,quint8,qint32,qint16,quint16"
REDUCTION(Sum, "numbertype", tn_grad_sum, 0);
REDUCTION(Mean, "numbertype", tn_grad_mean, 0);
REDUCTION(Prod, "numbertype", tn_grad_prod, 0);
REDUCTION(Max, ORDERED, tn_grad_extreme, 0);
REDUCTION(Min, ORDERED, tn_grad_extreme, 0);
REDUCTION(EuclideanNorm, "numbertype", tn_grad_euclidean, 0);

#define LOGICAL(Name)                                                                                        \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "input:bool reduction_indices:Tidx -> output:bool; keep_dims:bool=false "                     \
               "Tidx:type{int32,int64}=int32",                                                               \
        .infer = reduce_infer,                                                                               \
        .prepare = reduce_prepare,                                                                           \
        .run = reduce_run,                                                                                   \
        .flags = TN_NO_GRADIENT,                                                                             \
        .values = TN_BIT(1),                                                                                 \
    }
LOGICAL(All);
LOGICAL(Any);

/* ==== L2Loss ==== half the sum of squares */

static tn_code l2_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_reduce_plan, plan);
    bool all[TN_MAX_RANK];
    memset(all, 1, sizeof all);
    TN_TRY(tn_reduce_prepare(TN_REDUCE_SUM_SQUARES, p->in[0]->dtype, &p->in[0]->shape, all, p->threads, plan,
                             err));
    p->scratch = plan->scratch;
    return TN_OK;
}

static tn_code l2_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_reduce_run(r->params, r->in[0]->data, r->out[0]->data, r->scratch);
    tn_tensor_set_number(r->out[0], 0, tn_tensor_number(r->out[0], 0) / 2);
    return TN_OK;
}

TN_GRAD_FORMULA(l2_grad, "x dy Mul")
const tn_op tn_op_L2Loss = {
    .name = "L2Loss",
    .sig = "t:T -> output:T; T:type{half,bfloat16,float,double}",
    .infer = tn_infer_scalar,
    .prepare = l2_prepare,
    .run = l2_run,
    .grad = l2_grad,
};
