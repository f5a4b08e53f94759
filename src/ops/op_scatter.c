/* SPDX-License-Identifier: Apache-2.0
 *
 * op_scatter.c - ScatterNd, the TensorScatter family, SparseToDense.
 */
#include "../graph/op_grads.h"
#include "op_math.h"
#include "op_move.h"

/* ==== scattering into a tensor of some shape, shared by all ==== */

static tn_code bad_shapes(const tn_shape *indices, const tn_shape *updates, const tn_shape *shape,
                          tn_error *err)
{
    char a[96], b[96], c[96];
    return tn_fail(err, TN_INVALID_ARGUMENT, "Dimensions of indices %s, updates %s and shape %s must match",
                   tn_shape_text(indices, a, sizeof a), tn_shape_text(updates, b, sizeof b),
                   tn_shape_text(shape, c, sizeof c));
}

/* indices [d..., depth], updates [d..., shape[depth:]]. */
static tn_code scatter_check(const tn_shape *indices, const tn_shape *updates, const tn_shape *shape,
                             tn_error *err)
{
    if (indices->rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Indices shape must have rank at least one. Found:[]");
    int outer = indices->rank - 1;
    int64_t depth = indices->dim[outer];
    if (depth > shape->rank) return bad_shapes(indices, updates, shape, err);
    int inner = shape->rank - (int)depth;
    if (updates->rank != outer + inner) return bad_shapes(indices, updates, shape, err);
    for (int k = 0; k < outer; k++)
        if (updates->dim[k] != indices->dim[k]) return bad_shapes(indices, updates, shape, err);
    for (int k = 0; k < inner; k++)
        if (updates->dim[outer + k] != shape->dim[depth + k]) return bad_shapes(indices, updates, shape, err);
    return TN_OK;
}

typedef struct scatter_nd {
    tn_scatter_desc d;
    int depth;
} scatter_nd;

static tn_code scatter_prepare(tn_prepare *p, tn_scatter_op op, const tn_tensor *indices,
                               const tn_tensor *updates, tn_error *err)
{
    const tn_shape *out = &p->out[0]->shape, *i = &indices->shape;
    TN_TRY(scatter_check(i, &updates->shape, out, err));
    TN_PARAMS(p, scatter_nd, s);
    s->depth = (int)i->dim[i->rank - 1];
    s->d.op = op;
    s->d.dtype = p->out[0]->dtype;
    s->d.index = indices->dtype;
    if (s->d.index == TN_INT16) { /* made wider first */
        s->d.index = TN_INT32;
        p->scratch = (size_t)tn_tensor_count(indices) * sizeof(int32_t);
    }
    s->d.n = tn_shape_product(out, 0, s->depth);
    s->d.inner = tn_shape_product(out, s->depth, out->rank);
    s->d.count = tn_shape_product(i, 0, i->rank - 1);
    return TN_OK;
}

/* Strings are added by being appended. */
static tn_code append_strings(tn_tensor *out, int64_t at, const tn_tensor *updates, int64_t from, int64_t n,
                              tn_error *err)
{
    tn_buf both = {0};
    tn_code code = TN_OK;
    for (int64_t k = 0; k < n && code == TN_OK; k++) {
        const tn_string *old = &TN_STRINGS(out)[at + k], *more = &TN_STRINGS(updates)[from + k];
        tn_buf_clear(&both);
        tn_buf_add(&both, old->p, old->n);
        tn_buf_add(&both, more->p, more->n);
        code = tn_buf_check(&both, err);
        if (code == TN_OK) code = tn_string_set(out, at + k, both.n ? both.data : "", both.n, err);
    }
    tn_buf_free(&both);
    return code;
}

tn_code tn_scatter_objects(tn_scatter_op op, int depth, const tn_tensor *indices, const tn_tensor *updates,
                           tn_tensor *out, tn_error *err)
{
    const bool add = op == TN_SCATTER_ADD && out->dtype == TN_STRING;
    const int64_t inner = tn_shape_product(&out->shape, depth, out->shape.rank);
    const int64_t count = tn_shape_product(&indices->shape, 0, indices->shape.rank - 1);
    if (op != TN_SCATTER_UPDATE && !add)
        return tn_fail(err, TN_UNIMPLEMENTED, "scattering of %s other than by update", tn_dtype_name(out->dtype));
    TN_TRY(tn_check_points(indices, depth, &out->shape, "shape", err));
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        for (int k = 0; k < depth; k++) at = at * out->shape.dim[k] + tn_tensor_int(indices, i * depth + k);
        TN_TRY(add ? append_strings(out, at * inner, updates, i * inner, inner, err)
                   : tn_move_row(out, at * inner, updates, i * inner, inner, err));
    }
    return TN_OK;
}

static tn_code scatter_into(tn_run *r, const tn_tensor *indices, const tn_tensor *updates, tn_error *err)
{
    const scatter_nd *s = r->params;
    tn_tensor *out = r->out[0];
    if (s->d.count == 0 || s->d.inner == 0) return TN_OK;
    if (!tn_dtype_is_pod(out->dtype)) return tn_scatter_objects(s->d.op, s->depth, indices, updates, out, err);
    const void *at = indices->data;
    if (indices->dtype == TN_INT16) {
        at = r->scratch;
        TN_TRY(
            tn_cast(TN_INT16, TN_INT32, tn_tensor_count(indices), indices->data, r->scratch, false, 1, err));
    }
    tn_code code = tn_scatter_nd(&s->d, &out->shape, s->depth, at, updates->data, out->data, err);
    if (code != TN_OK) TN_TRY(tn_check_points(indices, s->depth, &out->shape, "shape", err));
    return code;
}

/* ==== ScatterNd ==== indices updates shape */

static tn_code scatter_nd_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    if (tn_info_ints(c->in[2], &s)) { /* 16-bit numbers too */
        for (int k = 0; k < s.rank; k++) s.dim[k] = TN_MAX(s.dim[k], -1);
        c->out[0].shape = s;
    } else {
        const tn_shape *v = &c->in[2]->shape;
        if (v->rank == 1 && v->dim[0] >= 0) tn_infer_set_rank(c, 0, (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1));
    }
    return TN_OK;
}

static tn_code scatter_nd_prepare(tn_prepare *p, tn_error *err)
{
    const tn_dtype t = p->in[1]->dtype;
    const bool update = !tn_dtype_is_pod(t) && t != TN_STRING;
    return scatter_prepare(p, update ? TN_SCATTER_UPDATE : TN_SCATTER_ADD, p->in[0], p->in[1], err);
}

static tn_code scatter_nd_run(tn_run *r, tn_error *err)
{
    if (tn_dtype_is_pod(r->out[0]->dtype)) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return scatter_into(r, r->in[0], r->in[1], err);
}

static tn_code scatter_nd_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 1, tn_op(g->b, "GatherNd", TN_INPUTS(tn_grad_dy(g, 0), tn_grad_in(g, 0)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_ScatterNd = {
    .name = "ScatterNd",
    .sig = "indices:Tindices updates:T shape:Tindices -> output:T; T:type "
           "Tindices:type{int16,int32,int64} bad_indices_policy:string=\"\"",
    .infer = scatter_nd_infer,
    .prepare = scatter_nd_prepare,
    .run = scatter_nd_run,
    .grad = scatter_nd_grad,
    .values = TN_BIT(2),
};

/* ==== TensorScatter* ==== tensor indices updates */

static tn_code tensor_scatter_run(tn_run *r, tn_error *err)
{
    TN_TRY(tn_run_copy(r, err));
    return scatter_into(r, r->in[1], r->in[2], err);
}

static tn_node gathered(tn_grad *g, tn_node dy)
{
    return tn_op(g->b, "GatherNd", TN_INPUTS(dy, tn_grad_in(g, 1)), TN_NO_ATTRS);
}

static tn_code tensor_update_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 2, gathered(g, dy));
    tn_node same = tn_op(b, "Identity", TN_INPUTS(dy), TN_NO_ATTRS),
            zeros = tn_zeros_like(b, tn_grad_in(g, 2));
    tn_grad_set(g, 0, tn_op(b, "TensorScatterUpdate", TN_INPUTS(same, tn_grad_in(g, 1), zeros), TN_NO_ATTRS));
    return TN_OK;
}

static tn_code tensor_add_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 2, gathered(g, dy));
    tn_grad_set(g, 0, tn_op(g->b, "Identity", TN_INPUTS(dy), TN_NO_ATTRS));
    return TN_OK;
}

static tn_code tensor_sub_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 2, tn_op(g->b, "Neg", TN_INPUTS(gathered(g, dy)), TN_NO_ATTRS));
    tn_grad_set(g, 0, tn_op(g->b, "Identity", TN_INPUTS(dy), TN_NO_ATTRS));
    return TN_OK;
}

/* Shared equally among all that attain the extreme. */
static tn_code tensor_extreme_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), indices = tn_grad_in(g, 1), u = tn_grad_in(g, 2), y = tn_grad_out(g, 0),
            dy = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(dy)), ti = tn_dtype_base(tn_node_dtype(indices));
    tn_attr to = tn_attr_type("DstT", t);
    tn_node of_x = tn_op(b, "Cast", TN_INPUTS(tn_op(b, "Equal", TN_INPUTS(x, y), TN_NO_ATTRS)), &to, 1);
    tn_node at = gathered(g, y);
    tn_node of_u = tn_op(b, "Cast", TN_INPUTS(tn_op(b, "Equal", TN_INPUTS(u, at), TN_NO_ATTRS)), &to, 1);
    tn_node spread = tn_op(b, "ScatterNd", TN_INPUTS(indices, of_u, tn_grad_shape(b, x, ti)), TN_NO_ATTRS);
    tn_node count = tn_op(b, "AddV2", TN_INPUTS(of_x, spread), TN_NO_ATTRS);
    tn_node mine = tn_op(b, "Mul", TN_INPUTS(dy, of_x), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(b, "RealDiv", TN_INPUTS(mine, count), TN_NO_ATTRS));
    tn_node share = gathered(g, tn_op(b, "RealDiv", TN_INPUTS(dy, count), TN_NO_ATTRS));
    tn_grad_set(g, 2, tn_op(b, "Mul", TN_INPUTS(share, of_u), TN_NO_ATTRS));
    return TN_OK;
}

#define TENSOR_SCATTER(NAME, OP, GRAD, SIG)                     \
    static tn_code NAME##_prepare(tn_prepare *p, tn_error *err) \
    {                                                           \
        return scatter_prepare(p, OP, p->in[1], p->in[2], err); \
    }                                                           \
    const tn_op tn_op_##NAME = {                                \
        .name = #NAME,                                          \
        .sig = SIG,                                             \
        .infer = tn_infer_like_first,                           \
        .prepare = NAME##_prepare,                              \
        .run = tensor_scatter_run,                              \
        .grad = GRAD,                                           \
        .flags = TN_INPLACE_FIRST,                              \
    };

TENSOR_SCATTER(TensorScatterUpdate, TN_SCATTER_UPDATE, tensor_update_grad,
               "tensor:T indices:Tindices updates:T -> output:T; T:type "
               "Tindices:type{int16,int32,int64,uint16} bad_indices_policy:string=\"\"")
TENSOR_SCATTER(TensorScatterAdd, TN_SCATTER_ADD, tensor_add_grad,
               "tensor:T indices:Tindices updates:T -> output:T; T:type Tindices:type{int32,int64} "
               "bad_indices_policy:string=\"\"")
TENSOR_SCATTER(TensorScatterSub, TN_SCATTER_SUB, tensor_sub_grad,
               "tensor:T indices:Tindices updates:T -> output:T; T:type Tindices:type{int32,int64} "
               "bad_indices_policy:string=\"\"")
TENSOR_SCATTER(TensorScatterMin, TN_SCATTER_MIN, tensor_extreme_grad,
               "tensor:T indices:Tindices updates:T -> output:T; T:type Tindices:type{int32,int64} "
               "bad_indices_policy:string=\"\"")
TENSOR_SCATTER(TensorScatterMax, TN_SCATTER_MAX, tensor_extreme_grad,
               "tensor:T indices:Tindices updates:T -> output:T; T:type Tindices:type{int32,int64} "
               "bad_indices_policy:string=\"\"")

TENSOR_SCATTER(ScatterNdNonAliasingAdd, TN_SCATTER_ADD, tensor_add_grad,
               "input:T indices:Tindices updates:T -> output:T; "
               "T:type{float,double,int32,uint8,int16,int8,complex64,int64,qint8,quint8,qint32,bfloat16,"
               "qint16,quint16,uint16,complex128,half,uint32,uint64,bool} Tindices:type{int32,int64} "
               "bad_indices_policy:string=\"\"")

/* ==== SparseToDense ==== indices output_shape values default */

static tn_code sparse_to_dense_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    if (!tn_infer_ints(c, 1, &c->out[0].shape)) {
        const tn_shape *v = &c->in[1]->shape;
        if (v->rank == 1 && v->dim[0] >= 0) tn_infer_set_rank(c, 0, (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1));
    }
    return TN_OK;
}

static tn_code sparse_index(const tn_run *r, int64_t i, int depth, int64_t *at, tn_error *err)
{
    const tn_shape *s = &r->out[0]->shape;
    *at = 0;
    for (int k = 0; k < depth; k++) {
        int64_t v = tn_tensor_int(r->in[0], i * depth + k);
        if (v < 0 || v >= s->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "indices[%lld] = [%lld] is out of bounds: need 0 <= index < [%lld]", (long long)i,
                           (long long)v, (long long)s->dim[k]);
        *at = *at * s->dim[k] + v;
    }
    return TN_OK;
}

static tn_code disordered(const tn_tensor *indices, int64_t k, int depth, bool repeated, tn_error *err)
{
    char text[24 * TN_MAX_RANK];
    size_t at = 0;
    for (int d = 0; d < depth; d++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", d ? "," : "",
                               (long long)tn_tensor_int(indices, k * depth + d));
    return tn_fail(
        err, TN_INVALID_ARGUMENT, "indices[%lld] = [%s] is %s", (long long)k, text,
        repeated ? "repeated"
                 : "out of order. Many sparse ops require sorted indices.\n    Use `tf.sparse.reorder` to "
                   "create a correctly ordered copy.\n\n");
}

static tn_code sparse_to_dense_run(tn_run *r, tn_error *err)
{
    const tn_shape *i = &r->in[0]->shape;
    bool check = tn_attr_b(r->attrs, "validate_indices"), one = r->in[2]->shape.rank == 0;
    int64_t count = i->rank ? i->dim[0] : 1, last = -1;
    int depth = i->rank == 2 ? (int)i->dim[1] : 1;
    if (i->rank > 2 || depth != r->out[0]->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sparse_indices should be [n, %d], has %d columns",
                       r->out[0]->shape.rank, depth);
    if (!one && tn_tensor_count(r->in[2]) != count)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "sparse_values has incorrect shape [%lld], should be [] or [%lld]",
                       (long long)tn_tensor_count(r->in[2]), (long long)count);
    TN_TRY(tn_move_fill(r->out[0], 0, tn_tensor_count(r->out[0]), r->in[3], 0, err));
    for (int64_t k = 0; k < count; k++) {
        int64_t at;
        TN_TRY(sparse_index(r, k, depth, &at, err));
        if (check && at <= last) return disordered(r->in[0], k, depth, at == last, err);
        last = at;
        TN_TRY(tn_move_row(r->out[0], at, r->in[2], one ? 0 : k, 1, err));
    }
    return TN_OK;
}

/* The places as rows, however many dimensions they came with. */
static tn_node sparse_places(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 0), any = tn_ints(b, (int64_t[]){-1}, 1);
    if (tn_node_shape(indices).rank == 2) return indices;
    tn_node rank = tn_g2(b, "Reshape", tn_g1(b, "Size", tn_grad_in(g, 1)), tn_ints(b, (int64_t[]){1}, 1));
    return tn_g2(b, "Reshape", indices, tn_grad_concat(b, (tn_node[]){any, rank}, 2, 0));
}

/* A single value is at all places; the default is at all others. */
static tn_code sparse_to_dense_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0), axis = tn_ints(b, (int64_t[]){0}, 1);
    tn_node values = tn_g2(b, "GatherNd", dy, sparse_places(g));
    tn_grad_set(g, 2, tn_g_sum_to(b, values, tn_grad_in(g, 2), values));
    tn_node all = tn_g2(b, "Reshape", dy, tn_ints(b, (int64_t[]){-1}, 1));
    tn_grad_set(g, 3, tn_g2(b, "Sub", tn_g2(b, "Sum", all, axis), tn_g2(b, "Sum", values, axis)));
    return TN_OK;
}

const tn_op tn_op_SparseToDense = {
    .name = "SparseToDense",
    .sig = "sparse_indices:Tindices output_shape:Tindices sparse_values:T default_value:T -> dense:T; "
           "validate_indices:bool=true T:type Tindices:type{int32,int64}",
    .infer = sparse_to_dense_infer,
    .run = sparse_to_dense_run,
    .grad = sparse_to_dense_grad,
    .values = TN_BIT(1),
};
