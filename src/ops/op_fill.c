/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fill.c - operators that repeat a value: Fill, ZerosLike, OnesLike, BroadcastTo, Tile, OneHot.
 */
#include "../graph/op_grads.h"
#include "list.h"
#include "op_move.h"

/* ==== Fill ==== */

static tn_code fill_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    tn_shape dims;
    if (!tn_infer_ints(c, 0, &dims)) {
        const tn_shape *v = &c->in[0]->shape;
        if (v->rank == 1 && v->dim[0] >= 0) tn_infer_set_rank(c, 0, (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1));
        return TN_OK;
    }
    if (c->in[0]->value)
        for (int k = 0; k < dims.rank; k++)
            if (dims.dim[k] < 0)
                return tn_fail(err, TN_INVALID_ARGUMENT, "Dimension %lld must be >= 0",
                               (long long)tn_tensor_int(c->in[0]->value, k));
    c->out[0].shape = dims;
    tn_shape one;
    if (dims.rank == 1 && dims.dim[0] >= 0 && dims.dim[0] <= TN_MAX_RANK && tn_info_ints(c->in[1], &one) &&
        one.rank == 1) {
        for (int k = 0; k < dims.dim[0]; k++) one.dim[k] = one.dim[0];
        one.rank = (int)dims.dim[0];
        tn_infer_set_ints(c, 0, &one);
    }
    return TN_OK;
}

static tn_code fill_run(tn_run *r, tn_error *err)
{
    return tn_move_fill(r->out[0], 0, tn_tensor_count(r->out[0]), r->in[1], 0, err);
}

/* All axes of x: Range(0, Rank(x)), a constant when the rank is known. */
static tn_node all_axes(tn_builder *b, tn_node x)
{
    tn_shape s = tn_node_shape(x);
    int64_t axes[TN_MAX_RANK];
    for (int k = 0; k < TN_MAX_RANK; k++) axes[k] = k;
    if (s.rank >= 0) return tn_ints(b, axes, s.rank);
    return tn_op(b, "Range",
                 TN_INPUTS(tn_grad_int(b, TN_INT32, 0), tn_grad_rank(b, x), tn_grad_int(b, TN_INT32, 1)),
                 TN_NO_ATTRS);
}

static tn_code fill_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 1, tn_op(g->b, "Sum", TN_INPUTS(dy, all_axes(g->b, dy)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Fill = {
    .name = "Fill",
    .sig = "dims:index_type value:T -> output:T; T:type index_type:type{int32,int64}=int32",
    .infer = fill_infer,
    .run = fill_run,
    .grad = fill_grad,
    .values = TN_BIT(0),
};

/* ==== ZerosLike, OnesLike ==== */

static tn_code zeros_like_run(tn_run *r, tn_error *err)
{
    tn_tensor *out = r->out[0];
    if (tn_dtype_is_pod(out->dtype)) {
        memset(out->data, 0, tn_tensor_bytes(out));
        return TN_OK;
    }
    if (out->dtype == TN_VARIANT && out->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ZerosLike non-scalar Tensor with dtype=DT_VARIANT is not supported.");
    if (out->dtype == TN_VARIANT) return tn_variant_zeros_like(r, err);
    if (out->dtype != TN_STRING)
        return tn_fail(err, TN_UNIMPLEMENTED, "ZerosLike of %s", tn_dtype_name(out->dtype));
    for (int64_t i = 0, n = tn_tensor_count(out); i < n; i++) TN_TRY(tn_string_set(out, i, "", 0, err));
    return TN_OK;
}

static tn_code ones_like_run(tn_run *r, tn_error *err)
{
    tn_tensor *out = r->out[0];
    int64_t n = tn_tensor_count(out);
    uint64_t one[2] = {0};
    tn_shape scalar = {.rank = 0};
    tn_tensor value = tn_tensor_view(out->dtype, &scalar, one);
    (void)err;
    tn_tensor_set_number(&value, 0, 1);
    if (n) tn_fill((int)tn_dtype_size(out->dtype), one, n, out->data, r->threads);
    return TN_OK;
}

static tn_code like_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

const tn_op tn_op_ZerosLike = {
    .name = "ZerosLike",
    .sig = "x:T -> y:T; T:type",
    .infer = like_infer,
    .run = zeros_like_run,
    .flags = TN_NO_GRADIENT,
};
const tn_op tn_op_OnesLike = {
    .name = "OnesLike",
    .sig = "x:T -> y:T; T:type{bfloat16,half,float,double,int8,uint8,int16,uint16,int32,uint32,int64,"
           "uint64,complex64,complex128,bool}",
    .infer = like_infer,
    .run = ones_like_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== BroadcastTo ==== */

static tn_code broadcast_to_infer(tn_infer *c, tn_error *err)
{
    tn_shape want, merged;
    char a[128], b[128];
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (!tn_infer_ints(c, 1, &want)) {
        const tn_shape *v = &c->in[1]->shape;
        if (v->rank == 1 && v->dim[0] >= 0) tn_infer_set_rank(c, 0, (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1));
        return TN_OK;
    }
    const tn_shape *in = &c->in[0]->shape;
    if (tn_shape_known(in) && tn_shape_known(&want) &&
        (tn_shape_broadcast(in, &want, &merged, NULL) != TN_OK || !tn_shape_equal(&merged, &want)))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Incompatible shapes: %s vs. %s",
                       tn_shape_text(in, a, sizeof a), tn_shape_text(&want, b, sizeof b));
    c->out[0].shape = want;
    return TN_OK;
}

static tn_code broadcast_to_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(in, is);
    tn_shape_strides(out, os);
    int shift = out->rank - in->rank;
    for (int k = 0; k < out->rank; k++) {
        bool same = k >= shift && in->dim[k - shift] != 1;
        tn_move_dim(m, out->dim[k], os[k], same ? is[k - shift] : 0);
    }
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

static tn_code broadcast_to_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(tn_grad_in(g, 1)));
    tn_node shape = tn_grad_shape(b, x, t);
    tn_operation *args =
        tn_add_operation(b, "BroadcastGradientArgs", NULL, TN_INPUTS(shape, tn_grad_in(g, 1)), TN_NO_ATTRS);
    tn_node sum =
        tn_op(b, "Sum", TN_INPUTS(dy, tn_output_of(args, 0)), TN_ATTRS(tn_attr_bool("keep_dims", true)));
    tn_grad_set(g, 0, tn_op(b, "Reshape", TN_INPUTS(sum, shape), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_BroadcastTo = {
    .name = "BroadcastTo",
    .sig = "input:T shape:Tidx -> output:T; T:type Tidx:type{int32,int64}=int32",
    .infer = broadcast_to_infer,
    .prepare = broadcast_to_prepare,
    .run = tn_run_move,
    .grad = broadcast_to_grad,
    .values = TN_BIT(1),
};

/* ==== Tile ==== */

static tn_code tile_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape, *v = &c->in[1]->shape;
    tn_shape times;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    int rank = in->rank;
    if (v->rank == 1 && v->dim[0] >= 0) {
        if (rank >= 0 && v->dim[0] != rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Expected multiples argument to be a vector of length %d but got length %lld",
                           rank, (long long)v->dim[0]);
        rank = (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1);
    }
    if (rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, rank);
    if (in->rank < 0 || !tn_info_ints(c->in[1], &times)) return TN_OK;
    for (int k = 0; k < rank; k++) {
        if (times.dim[k] == TN_UNKNOWN_INT) continue;
        if (times.dim[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expected multiples[%d] >= 0, but got %lld", k,
                           (long long)times.dim[k]);
        if (in->dim[k] >= 0 && __builtin_mul_overflow(in->dim[k], times.dim[k], &c->out[0].shape.dim[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tile: dimension %d is too large", k);
    }
    return TN_OK;
}

static tn_code tile_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(in, is);
    tn_shape_strides(out, os);
    for (int k = 0; k < in->rank; k++) {
        tn_move_dim(m, in->dim[k] ? out->dim[k] / in->dim[k] : 0, os[k] * in->dim[k], 0);
        tn_move_dim(m, in->dim[k], os[k], is[k]);
    }
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

/* dy as [m0, d0, m1, d1, ...], summed over the even axes. */
static tn_code tile_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), times = tn_grad_in(g, 1);
    tn_shape s = tn_node_shape(x);
    tn_node shape = tn_grad_shape(b, x, tn_dtype_base(tn_node_dtype(times)));
    tn_node pairs = tn_grad_pack(b, (tn_node[]){times, shape}, 2, 1);
    int64_t flat = -1, axes[TN_MAX_RANK];
    tn_node split = tn_op(b, "Reshape", TN_INPUTS(pairs, tn_ints(b, &flat, 1)), TN_NO_ATTRS), axis;
    for (int k = 0; k < s.rank; k++) axes[k] = 2 * k;
    if (s.rank >= 0)
        axis = tn_ints(b, axes, s.rank);
    else
        axis = tn_op(b, "Range",
                     TN_INPUTS(tn_grad_int(b, TN_INT32, 0), tn_op(b, "Size", TN_INPUTS(split), TN_NO_ATTRS),
                               tn_grad_int(b, TN_INT32, 2)),
                     TN_NO_ATTRS);
    tn_node dy = tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), split), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(b, "Sum", TN_INPUTS(dy, axis), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Tile = {
    .name = "Tile",
    .sig = "input:T multiples:Tmultiples -> output:T; T:type Tmultiples:type{int32,int64}=int32",
    .infer = tile_infer,
    .prepare = tile_prepare,
    .run = tn_run_move,
    .grad = tile_grad,
    .values = TN_BIT(1),
};

/* ==== OneHot ==== indices depth on off */

static tn_code one_hot_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int64_t depth = -1, axis = tn_attr_i(c->attrs, "axis");
    for (int i = 1; i <= 3; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    if (tn_infer_int(c, 1, &depth) && depth < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "depth must be non-negative, got: %lld", (long long)depth);
    if (in->rank < 0) return TN_OK;
    if (axis < -1 || axis > in->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected axis to be -1 or between [0, %d).  But received: %lld", in->rank + 1,
                       (long long)axis);
    if (axis < 0) axis = in->rank;
    tn_infer_set_rank(c, 0, in->rank + 1);
    if (c->out[0].shape.rank < 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    for (int k = 0; k <= in->rank; k++) c->out[0].shape.dim[k] = k == axis ? depth : in->dim[k - (k > axis)];
    return TN_OK;
}

static tn_code one_hot_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    tn_tensor *out = r->out[0];
    int64_t axis = tn_attr_i(r->attrs, "axis"), depth;
    TN_TRY(tn_int_of(r->in[1], "depth", &depth, err));
    if (axis < 0) axis = in->shape.rank;
    int64_t inner = tn_shape_product(&in->shape, (int)axis, in->shape.rank), n = tn_tensor_count(in);
    TN_TRY(tn_move_fill(out, 0, tn_tensor_count(out), r->in[3], 0, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t v = tn_tensor_int(in, i);
        if (v < 0 || v >= depth) continue;
        TN_TRY(tn_move_row(out, (i / inner * depth + v) * inner + i % inner, r->in[2], 0, 1, err));
    }
    return TN_OK;
}

const tn_op tn_op_OneHot = {
    .name = "OneHot",
    .sig = "indices:TI depth:int32 on_value:T off_value:T -> output:T; axis:int=-1 T:type "
           "TI:type{uint8,int8,int32,int64}=int64",
    .infer = one_hot_infer,
    .run = one_hot_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(1),
};
