/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pack.c - operators that make a dimension of several tensors, or take one apart: Pack, Unpack, Split, SplitV.
 */
#include "../graph/op_grads.h"
#include "parts.h"

/* ==== Pack, Unpack ==== */

static tn_code pack_infer(tn_infer *c, tn_error *err)
{
    tn_shape all = tn_shape_unknown(), ints = {.rank = c->n_in};
    int axis;
    char a[128], b[128];
    for (int i = 0; i < c->n_in; i++) {
        if (!tn_shape_compatible(&all, &c->in[i]->shape))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Shapes of all inputs must match: values[0].shape = %s != values[%d].shape = %s",
                           tn_shape_text(&c->in[0]->shape, a, sizeof a), i,
                           tn_shape_text(&c->in[i]->shape, b, sizeof b));
        TN_TRY(tn_shape_merge(&all, &c->in[i]->shape, &all, err));
    }
    if (all.rank < 0) return TN_OK;
    TN_TRY(tn_axis_check(tn_attr_i(c->attrs, "axis"), all.rank + 1, &axis, err));
    tn_infer_set_rank(c, 0, all.rank + 1);
    tn_shape *out = &c->out[0].shape;
    if (out->rank < 0) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    for (int k = 0; k < out->rank; k++) out->dim[k] = k == axis ? c->n_in : all.dim[k - (k > axis)];
    if (all.rank || c->n_in > TN_MAX_RANK) return TN_OK;
    tn_dtype t = tn_dtype_base(c->out[0].dtype);
    if (t != TN_INT32 && t != TN_INT64) return TN_OK;
    for (int i = 0; i < c->n_in; i++) {
        tn_shape one;
        ints.dim[i] = tn_info_ints(c->in[i], &one) && one.rank == 1 ? one.dim[0] : TN_UNKNOWN_INT;
    }
    tn_infer_set_ints(c, 0, &ints);
    return TN_OK;
}

static tn_code pack_prepare(tn_prepare *p, tn_error *err)
{
    tn_parts *parts = NULL;
    int axis;
    const tn_shape *in = &p->in[0]->shape;
    TN_TRY(tn_axis_check(tn_attr_i(p->attrs, "axis"), in->rank + 1, &axis, err));
    TN_TRY(tn_parts_new(p, p->n_in, 0, &parts, err));
    parts->outer = tn_shape_product(in, 0, axis);
    parts->inner = tn_shape_product(in, axis, in->rank);
    for (int i = 0; i < parts->n; i++) parts->size[i] = 1;
    return TN_OK;
}

static tn_code pack_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_operation *op = tn_add_operation(
        g->b, "Unpack", NULL, TN_INPUTS(tn_grad_dy(g, 0)),
        TN_ATTRS(tn_attr_int("num", g->op->n_in), tn_attr_int("axis", tn_attr_i(&g->op->attrs, "axis"))));
    for (int i = 0; i < g->op->n_in; i++) tn_grad_set(g, i, tn_output_of(op, i));
    return TN_OK;
}

const tn_op tn_op_Pack = {
    .name = "Pack",
    .sig = "values:N*T -> output:T; N:int>=1 T:type axis:int=0",
    .infer = pack_infer,
    .prepare = pack_prepare,
    .run = tn_parts_join,
    .grad = pack_grad,
};

static tn_code unpack_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int axis;
    char text[128];
    tn_shape ints;
    if (in->rank < 0) return TN_OK;
    if (in->rank == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input shape must be at least a vector, got a scalar");
    TN_TRY(tn_axis_check(tn_attr_i(c->attrs, "axis"), in->rank, &axis, err));
    if (in->dim[axis] >= 0 && in->dim[axis] != c->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input shape axis %d must equal %d, got shape %s", axis,
                       c->n_out, tn_shape_text(in, text, sizeof text));
    bool known = in->rank == 1 && tn_info_ints(c->in[0], &ints) && ints.rank == c->n_out;
    for (int i = 0; i < c->n_out; i++) {
        tn_shape *out = &c->out[i].shape;
        out->rank = 0;
        for (int k = 0; k < in->rank; k++)
            if (k != axis) out->dim[out->rank++] = in->dim[k];
        if (known) tn_infer_set_ints(c, i, &TN_SHAPE(ints.dim[i]));
    }
    return TN_OK;
}

static tn_code unpack_prepare(tn_prepare *p, tn_error *err)
{
    tn_parts *parts = NULL;
    int axis;
    const tn_shape *in = &p->in[0]->shape;
    TN_TRY(tn_axis_check(tn_attr_i(p->attrs, "axis"), in->rank, &axis, err));
    TN_TRY(tn_parts_new(p, p->n_out, 0, &parts, err));
    parts->outer = tn_shape_product(in, 0, axis);
    parts->inner = tn_shape_product(in, axis + 1, in->rank);
    for (int i = 0; i < parts->n; i++) parts->size[i] = 1;
    return TN_OK;
}

static tn_code joined_grad(tn_grad *g, const char *type, int n, tn_node last, const tn_attr *attrs,
                           int n_attrs, int to, tn_error *err)
{
    tn_node *in = tn_calloc((size_t)n + 1, sizeof *in);
    if (!in) return tn_no_memory(err, (size_t)n * sizeof *in);
    for (int i = 0; i < n; i++) in[i] = tn_grad_dy(g, i);
    in[n] = last;
    tn_grad_set(g, to, tn_op(g->b, type, in, n + (last.op != NULL), attrs, n_attrs));
    tn_free(in);
    return TN_OK;
}

static tn_code unpack_grad(tn_grad *g, tn_error *err)
{
    tn_attr axis = tn_attr_int("axis", tn_attr_i(&g->op->attrs, "axis"));
    return joined_grad(g, "Pack", g->op->n_out, (tn_node){0}, &axis, 1, 0, err);
}

const tn_op tn_op_Unpack = {
    .name = "Unpack",
    .sig = "value:T -> output:num*T; num:int>=0 T:type axis:int=0",
    .infer = unpack_infer,
    .prepare = unpack_prepare,
    .run = tn_parts_cut,
    .grad = unpack_grad,
};

/* ==== Split, SplitV ==== */

static tn_code split_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[1]->shape;
    int axis;
    bool known;
    TN_TRY(tn_infer_rank(c, 0, 0, err));
    if (in->rank < 0) return TN_OK;
    TN_TRY(tn_infer_axis(c, 0, in->rank, &axis, &known, err));
    if (known && in->dim[axis] >= 0 && in->dim[axis] % c->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Number of ways to split should evenly divide the split dimension, but got split_dim "
                       "%d (size = %lld) and "
                       "num_split %d",
                       axis, (long long)in->dim[axis], c->n_out);
    for (int i = 0; i < c->n_out; i++) {
        tn_infer_set_rank(c, i, in->rank);
        for (int k = 0; known && k < in->rank; k++)
            c->out[i].shape.dim[k] = k != axis || in->dim[k] < 0 ? in->dim[k] : in->dim[k] / c->n_out;
    }
    return TN_OK;
}

static tn_code split_prepare_at(tn_prepare *p, int value, int axis_in, tn_error *err)
{
    tn_parts *parts = NULL;
    int64_t given;
    int axis;
    const tn_shape *in = &p->in[value]->shape;
    TN_TRY(tn_int_of(p->in[axis_in], "split_dim", &given, err));
    TN_TRY(tn_axis_check(given, in->rank, &axis, err));
    TN_TRY(tn_parts_new(p, p->n_out, value, &parts, err));
    parts->outer = tn_shape_product(in, 0, axis);
    parts->inner = tn_shape_product(in, axis + 1, in->rank);
    for (int i = 0; i < parts->n; i++) parts->size[i] = p->out[i]->shape.dim[axis];
    return TN_OK;
}

static tn_code split_prepare(tn_prepare *p, tn_error *err)
{
    return split_prepare_at(p, 1, 0, err);
}

/* ConcatV2 takes two values at least. */
static tn_code put_together(tn_grad *g, tn_node axis, int to, tn_error *err)
{
    if (g->op->n_out > 1) return joined_grad(g, "ConcatV2", g->op->n_out, axis, NULL, 0, to, err);
    tn_grad_set(g, to, tn_grad_dy(g, 0));
    return TN_OK;
}

static tn_code split_grad(tn_grad *g, tn_error *err)
{
    return put_together(g, tn_grad_in(g, 0), 1, err);
}

const tn_op tn_op_Split = {
    .name = "Split",
    .sig = "split_dim:int32 value:T -> output:num_split*T; num_split:int>=1 T:type",
    .infer = split_infer,
    .prepare = split_prepare,
    .run = tn_parts_cut,
    .grad = split_grad,
    .values = TN_BIT(0),
};

/* Sizes of SplitV with its -1 filled in; false: not all known. */
static tn_code split_v_sizes(const tn_tensor *given, int64_t whole, int n, tn_infer *c, int axis,
                             tn_error *err)
{
    int64_t sum = 0;
    int at = -1;
    for (int i = 0; i < n; i++) {
        int64_t v = tn_tensor_int(given, i);
        if (v == -1 && at < 0)
            at = i;
        else if (v < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Split size at index %d must be >= 0. Got: %lld", i,
                           (long long)v);
        else
            sum += v;
    }
    if (whole >= 0 && (at >= 0 ? sum > whole : sum != whole))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Determined shape must either match input shape along split_dim exactly if fully "
                       "specified, or be less than "
                       "the size of the input along split_dim if not fully specified.  Got: %lld",
                       (long long)sum);
    for (int i = 0; i < n; i++)
        c->out[i].shape.dim[axis] = i != at ? tn_tensor_int(given, i) : whole < 0 ? -1 : whole - sum;
    return TN_OK;
}

static tn_code split_v_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int axis;
    bool known;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (in->rank < 0) return TN_OK;
    TN_TRY(tn_infer_axis(c, 2, in->rank, &axis, &known, err));
    if (c->in[1]->shape.rank == 1 && c->in[1]->shape.dim[0] >= 0 && c->in[1]->shape.dim[0] != c->n_out)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "size_splits needs to have one value for each output, instead has %lld values for %d outputs",
            (long long)c->in[1]->shape.dim[0], c->n_out);
    for (int i = 0; i < c->n_out; i++) {
        tn_infer_set_rank(c, i, in->rank);
        for (int k = 0; known && k < in->rank; k++) c->out[i].shape.dim[k] = k == axis ? -1 : in->dim[k];
    }
    const tn_tensor *sizes = c->in[1]->value;
    if (!known) return TN_OK;
    if (sizes) return split_v_sizes(sizes, in->dim[axis], c->n_out, c, axis, err);
    tn_shape ints;
    if (!tn_info_ints(c->in[1], &ints)) return TN_OK;
    for (int i = 0; i < c->n_out && i < ints.rank; i++)
        if (ints.dim[i] >= 0) c->out[i].shape.dim[axis] = ints.dim[i];
    return TN_OK;
}

static tn_code split_v_prepare(tn_prepare *p, tn_error *err)
{
    return split_prepare_at(p, 0, 2, err);
}

static tn_code split_v_grad(tn_grad *g, tn_error *err)
{
    return put_together(g, tn_grad_in(g, 2), 0, err);
}

const tn_op tn_op_SplitV = {
    .name = "SplitV",
    .sig = "value:T size_splits:Tlen split_dim:int32 -> output:num_split*T; num_split:int>=1 T:type "
           "Tlen:type{int8,int32,int64}=int64",
    .infer = split_v_infer,
    .prepare = split_v_prepare,
    .run = tn_parts_cut,
    .grad = split_v_grad,
    .values = TN_BIT(1) | TN_BIT(2),
};
