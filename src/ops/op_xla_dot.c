/* SPDX-License-Identifier: Apache-2.0
 *
 * op_xla_dot.c - XLA's general product of two tensors, as jax2tf writes every product: axes are batch (in both, and
 * first in the result), contracted, or free. It is Einsum's sum of products with axes numbered instead of lettered;
 * where operands and result are of different types it is made in the widest.
 */
#include "../wire/proto.h"
#include "einsum.h"
#include "op_move.h"

/* ==== which axes ==== */

static const char *const roles[] = {"contracting", "batch"};

/* A label that both operands have: axis l of the first, r of the second. */
static tn_code share_label(tn_einsum *e, int role, int64_t l, int64_t r, tn_error *err)
{
    if (l < 0 || l >= e->rank[0] || r < 0 || r >= e->rank[1] || e->label[0][l] >= 0 || e->label[1][r] >= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "A dimension number is out of range or not unique: lhs_%s_dimensions %lld, "
                       "rhs_%s_dimensions %lld of ranks %d and %d",
                       roles[role], (long long)l, roles[role], (long long)r, e->rank[0], e->rank[1]);
    e->label[0][l] = e->label[1][r] = e->n_labels++;
    return TN_OK;
}

static tn_code share_labels(tn_einsum *e, int role, const tn_int64_list *l, const tn_int64_list *r, tn_error *err)
{
    if (l->n != r->n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Must specify the same number of %s dimensions for lhs and rhs. Got: %u and %u", roles[role],
                       l->n, r->n);
    for (size_t i = 0; i < l->n; i++) TN_TRY(share_label(e, role, l->items[i], r->items[i], err));
    return TN_OK;
}

static tn_code add_to_result(tn_einsum *e, int label, tn_error *err)
{
    if (e->rank[TN_EINSUM_OUT] == TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a product has more than %d dimensions", TN_MAX_RANK);
    e->label[TN_EINSUM_OUT][e->rank[TN_EINSUM_OUT]++] = label;
    return TN_OK;
}

static tn_code read_axes(const tn_attrs *attrs, tn_einsum *e, tn_arena *a, tn_error *err)
{
    tn_view bytes = {"", 0};
    tn_DotDimensionNumbers *d;
    tn_attr_get_string(attrs, "dimension_numbers", &bytes);
    if (TN_DECODE(DotDimensionNumbers, bytes, a, &d, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "dimension_numbers are no xla.DotDimensionNumbers");
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < e->rank[i]; k++) e->label[i][k] = -1;
    TN_TRY(share_labels(e, 1, &d->lhs_batch_dimensions, &d->rhs_batch_dimensions, err));
    for (int k = 0; k < e->n_labels; k++) TN_TRY(add_to_result(e, k, err));
    TN_TRY(share_labels(e, 0, &d->lhs_contracting_dimensions, &d->rhs_contracting_dimensions, err));
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < e->rank[i]; k++) {
            if (e->label[i][k] >= 0) continue;
            TN_TRY(add_to_result(e, e->label[i][k] = e->n_labels++, err));
        }
    }
    return TN_OK;
}

/* shapes: of known rank. */
static tn_code read_product(const tn_attrs *attrs, const tn_shape *l, const tn_shape *r, tn_einsum *e, tn_arena *a,
                            tn_error *err)
{
    const tn_shape *const shape[] = {l, r};
    *e = (tn_einsum){.n_in = 2, .rank = {l->rank, r->rank}};
    TN_TRY(read_axes(attrs, e, a, err));
    for (int i = 0; i < TN_EINSUM_LABELS; i++) e->dim[i] = -1;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < e->rank[i]; k++) {
            int64_t d = shape[i]->dim[k], *of = &e->dim[e->label[i][k]];
            if (*of >= 0 && d >= 0 && *of != d)
                return tn_fail(err, TN_INVALID_ARGUMENT, "%s dimension sizes do not match. Got: %lld and %lld",
                               tn_einsum_has(e, TN_EINSUM_OUT, e->label[i][k]) ? "Batch" : "Contracting",
                               (long long)*of, (long long)d);
            if (d >= 0) *of = d;
        }
    }
    return TN_OK;
}

static tn_code dot_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *l = &c->in[0]->shape, *r = &c->in[1]->shape;
    tn_einsum e;
    if (l->rank < 0 || r->rank < 0) return TN_OK;
    TN_TRY(read_product(c->attrs, l, r, &e, c->arena, err));
    tn_infer_set_rank(c, 0, e.rank[TN_EINSUM_OUT]);
    for (int k = 0; k < e.rank[TN_EINSUM_OUT]; k++) c->out[0].shape.dim[k] = e.dim[e.label[TN_EINSUM_OUT][k]];
    return TN_OK;
}

/* ==== the product ==== */

enum { OPERANDS = 2, TENSORS };

typedef struct product {
    tn_contraction *sums;
    tn_dtype dtype;      /* in which they are made */
    bool other[TENSORS]; /* operands and result of other types than that */
    size_t at[TENSORS];  /* what they are in this one, in the scratch */
    size_t sums_at;
} product;

/* The smallest type of which there are products and that holds all of t's numbers; integers wrap around. */
static tn_dtype product_type(tn_dtype t)
{
    if (tn_gemm_takes(t)) return t;
    return tn_dtype_size(t) < tn_dtype_size(TN_INT32) ? TN_INT32 : TN_INT64;
}

static bool is_whole(tn_dtype t)
{
    return !tn_dtype_is_float(t) && !tn_dtype_is_complex(t);
}

/* The result's type, but where that is narrower than an operand's; whole numbers are no reason to make others whole. */
static tn_dtype widest(const tn_tensor *const tensor[TENSORS])
{
    tn_dtype t = tensor[OPERANDS]->dtype;
    for (int i = 0; i < OPERANDS; i++)
        if (tn_dtype_size(tensor[i]->dtype) > tn_dtype_size(t) && (is_whole(t) || !is_whole(tensor[i]->dtype)))
            t = tensor[i]->dtype;
    return t;
}

static size_t take(size_t *scratch, size_t bytes)
{
    size_t at = *scratch;
    *scratch += (bytes + 63) & ~(size_t)63;
    return at;
}

static tn_code dot_prepare(tn_prepare *p, tn_error *err)
{
    const tn_tensor *const tensor[TENSORS] = {p->in[0], p->in[1], p->out[0]};
    const tn_shape *const shape[TENSORS] = {&p->in[0]->shape, &p->in[1]->shape, &p->out[0]->shape};
    tn_einsum e;
    size_t sums = 0;
    TN_PARAMS(p, product, d);
    d->dtype = product_type(widest(tensor));
    TN_TRY(read_product(p->attrs, shape[0], shape[1], &e, p->arena, err));
    TN_TRY(tn_contraction_new(&e, shape, d->dtype, p->threads, p->arena, &d->sums, &sums, err));
    for (int i = 0; i < TENSORS; i++) {
        d->other[i] = tensor[i]->dtype != d->dtype;
        if (d->other[i]) d->at[i] = take(&p->scratch, (size_t)tn_tensor_count(tensor[i]) * tn_dtype_size(d->dtype));
    }
    d->sums_at = take(&p->scratch, sums);
    return TN_OK;
}

static tn_code dot_run(tn_run *r, tn_error *err)
{
    const product *d = r->params;
    char *scratch = r->scratch;
    const void *in[OPERANDS];
    tn_tensor *out = r->out[0];
    void *result = d->other[OPERANDS] ? scratch + d->at[OPERANDS] : out->data;
    for (int i = 0; i < OPERANDS; i++) {
        const tn_tensor *t = r->in[i];
        void *same = scratch + d->at[i];
        in[i] = d->other[i] ? same : t->data;
        if (d->other[i])
            TN_TRY(tn_cast(t->dtype, d->dtype, tn_tensor_count(t), t->data, same, false, r->threads, err));
    }
    tn_contraction_run(d->sums, in[0], in[1], result, scratch + d->sums_at);
    if (result == out->data) return TN_OK;
    return tn_cast(d->dtype, out->dtype, tn_tensor_count(out), result, out->data, false, r->threads, err);
}

const tn_op tn_op_XlaDot = {
    .name = "XlaDot",
    .sig = "lhs:T rhs:T -> output:T; T:type{numbertype} dimension_numbers:string precision_config:string",
    .infer = dot_infer,
    .prepare = dot_prepare,
    .run = dot_run,
};
const tn_op tn_op_XlaDotV2 = {
    .name = "XlaDotV2",
    .sig = "lhs:LhsT rhs:RhsT -> output:preferred_element_type; LhsT:type{numbertype} RhsT:type{numbertype} "
           "dimension_numbers:string precision_config:string preferred_element_type:type{numbertype}",
    .infer = dot_infer,
    .prepare = dot_prepare,
    .run = dot_run,
};
