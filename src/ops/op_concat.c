/* SPDX-License-Identifier: Apache-2.0
 *
 * op_concat.c - operators that join tensors along a dimension that they have: Concat, ConcatV2; ConcatOffset.
 */
#include "../graph/op_grads.h"
#include "parts.h"

/* ==== Concat, ConcatV2 ==== first: number of the first value; axis_in: of the axis */

static tn_code concat_merge(tn_infer *c, int first, int n, int axis, tn_error *err)
{
    tn_shape *out = &c->out[0].shape;
    char a[128], b[128];
    for (int i = 0; i < n; i++) {
        const tn_shape *s = &c->in[first + i]->shape;
        if (s->rank < 0) {
            if (axis >= 0) out->dim[axis] = -1;
            continue;
        }
        for (int k = 0; k < out->rank; k++) {
            if (k == axis) {
                out->dim[k] = tn_dim_add(out->dim[k], s->dim[k]);
                continue;
            }
            if (axis < 0) continue;
            if (tn_infer_merge_dim(out->dim[k], s->dim[k], &out->dim[k], err) != TN_OK)
                return tn_fail(
                    err, TN_INVALID_ARGUMENT,
                    "ConcatOp : Dimension %d in both shapes must be equal: shape[0] = %s vs. shape[%d] = %s",
                    k, tn_shape_text(&c->in[first]->shape, a, sizeof a), i, tn_shape_text(s, b, sizeof b));
        }
    }
    return TN_OK;
}

static void concat_ints(tn_infer *c, int first, int n)
{
    tn_shape all = {.rank = 0};
    for (int i = 0; i < n; i++) {
        tn_shape part;
        if (c->in[first + i]->shape.rank != 1) return;
        if (!tn_info_ints(c->in[first + i], &part)) {
            int64_t len = c->in[first + i]->shape.dim[0];
            if (len < 0 || len > TN_MAX_RANK) return;
            part.rank = (int)len;
            for (int k = 0; k < part.rank; k++) part.dim[k] = TN_UNKNOWN_INT;
        }
        if (all.rank + part.rank > TN_MAX_RANK) return;
        for (int k = 0; k < part.rank; k++) all.dim[all.rank++] = part.dim[k];
    }
    tn_infer_set_ints(c, 0, &all);
}

static tn_code concat_infer_at(tn_infer *c, int first, int axis_in, tn_error *err)
{
    int n = c->n_in - 1, rank = -1, axis;
    bool known;
    char a[128], b[128];
    for (int i = 0; i < n; i++) {
        const tn_shape *s = &c->in[first + i]->shape;
        if (s->rank < 0) continue;
        if (rank >= 0 && s->rank != rank)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "ConcatOp : Ranks of all input tensors should match: shape[0] = %s vs. shape[%d] = %s",
                tn_shape_text(&c->in[first]->shape, a, sizeof a), i, tn_shape_text(s, b, sizeof b));
        rank = s->rank;
    }
    if (rank < 0) return TN_OK;
    int64_t given;
    if (tn_infer_int(c, axis_in, &given) && (given < -rank || given >= rank))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "ConcatOp : Expected concatenating dimensions in the range [%d, %d), but got %lld",
                       -rank, rank, (long long)given);
    TN_TRY(tn_infer_axis(c, axis_in, rank, &axis, &known, err));
    tn_infer_set_rank(c, 0, rank);
    if (!known) return TN_OK;
    c->out[0].shape.dim[axis] = 0;
    TN_TRY(concat_merge(c, first, n, axis, err));
    if (rank == 1) concat_ints(c, first, n);
    return TN_OK;
}

static tn_code concat_prepare_at(tn_prepare *p, int first, int axis_in, tn_error *err)
{
    tn_parts *parts = NULL;
    int64_t given;
    int axis;
    const tn_shape *out = &p->out[0]->shape;
    TN_TRY(tn_int_of(p->in[axis_in], "concat_dim", &given, err));
    TN_TRY(tn_axis_check(given, out->rank, &axis, err));
    TN_TRY(tn_parts_new(p, p->n_in - 1, first, &parts, err));
    parts->outer = tn_shape_product(out, 0, axis);
    parts->inner = tn_shape_product(out, axis + 1, out->rank);
    for (int i = 0; i < parts->n; i++) parts->size[i] = p->in[first + i]->shape.dim[axis];
    return TN_OK;
}

/* The axis counted from 0: FloorMod(axis, rank) unless it is a known number. */
static tn_node concat_axis(tn_grad *g, int axis_in, int first)
{
    tn_node axis = tn_grad_in(g, axis_in), x = tn_grad_in(g, first);
    const tn_tensor *v = axis.op ? axis.op->out[axis.index].value : NULL;
    tn_shape s = tn_node_shape(x);
    if (v && s.rank > 0 && tn_tensor_count(v) == 1) {
        int64_t a = tn_tensor_int(v, 0);
        return tn_grad_int(g->b, TN_INT32, a < 0 ? a + s.rank : a);
    }
    return tn_op(g->b, "FloorMod", TN_INPUTS(tn_grad_cast(g->b, axis, TN_INT32), tn_grad_rank(g->b, x)),
                 TN_NO_ATTRS);
}

/* Shapes of all the values: constants, or one ShapeN. */
static void concat_shapes(tn_grad *g, int first, int n, tn_node *shapes)
{
    bool known = true;
    for (int i = 0; i < n; i++) {
        tn_shape s = tn_node_shape(tn_grad_in(g, first + i));
        known = known && tn_shape_known(&s);
    }
    if (known) {
        for (int i = 0; i < n; i++) shapes[i] = tn_grad_shape(g->b, tn_grad_in(g, first + i), TN_INT32);
        return;
    }
    tn_operation *op = tn_add_operation(g->b, "ShapeN", NULL, g->op->in + first, n, TN_NO_ATTRS);
    for (int i = 0; i < n; i++) shapes[i] = tn_output_of(op, i);
}

/* Up to 16 values are cut out one by one; more by one SplitV. */
static void concat_cut(tn_grad *g, int first, int n, tn_node axis, tn_node *nodes, tn_node dy)
{
    tn_builder *b = g->b;
    if (n > 16) {
        tn_node begin = tn_grad_pack(b, (tn_node[]){axis, tn_grad_int(b, TN_INT32, 0)}, 2, 0);
        tn_node size =
            tn_grad_pack(b, (tn_node[]){tn_grad_int(b, TN_INT32, 1), tn_grad_int(b, TN_INT32, -1)}, 2, 0);
        tn_node table =
            tn_op(b, "Slice", TN_INPUTS(tn_grad_pack(b, nodes + 1, n, 1), begin, size), TN_NO_ATTRS);
        int64_t dims = 0;
        tn_node sizes =
            tn_op(b, "Squeeze", TN_INPUTS(table), TN_ATTRS(tn_attr_ints("squeeze_dims", &dims, 1)));
        tn_operation *cut = tn_add_operation(b, "SplitV", NULL, TN_INPUTS(dy, sizes, axis),
                                             TN_ATTRS(tn_attr_int("num_split", n)));
        for (int i = 0; i < n; i++) tn_grad_set(g, first + i, tn_output_of(cut, i));
        return;
    }
    nodes[0] = axis;
    tn_operation *offset = tn_add_operation(b, "ConcatOffset", NULL, nodes, n + 1, TN_NO_ATTRS);
    for (int i = 0; i < n; i++)
        tn_grad_set(g, first + i,
                    tn_op(b, "Slice", TN_INPUTS(dy, tn_output_of(offset, i), nodes[1 + i]), TN_NO_ATTRS));
}

static tn_code concat_grad_at(tn_grad *g, int first, int axis_in, tn_error *err)
{
    int n = g->op->n_in - 1;
    if (n == 1) {
        tn_grad_set(g, first, tn_grad_dy(g, 0));
        return TN_OK;
    }
    tn_node *nodes = tn_calloc((size_t)n + 1, sizeof *nodes);
    if (!nodes) return tn_no_memory(err, (size_t)n * sizeof *nodes);
    concat_shapes(g, first, n, nodes + 1);
    concat_cut(g, first, n, concat_axis(g, axis_in, first), nodes, tn_grad_dy(g, 0));
    tn_free(nodes);
    return TN_OK;
}

static tn_code concat_infer(tn_infer *c, tn_error *err)
{
    return concat_infer_at(c, 1, 0, err);
}
static tn_code concat_v2_infer(tn_infer *c, tn_error *err)
{
    return concat_infer_at(c, 0, c->n_in - 1, err);
}
static tn_code concat_prepare(tn_prepare *p, tn_error *err)
{
    return concat_prepare_at(p, 1, 0, err);
}
static tn_code concat_v2_prepare(tn_prepare *p, tn_error *err)
{
    return concat_prepare_at(p, 0, p->n_in - 1, err);
}
static tn_code concat_grad(tn_grad *g, tn_error *err)
{
    return concat_grad_at(g, 1, 0, err);
}
static tn_code concat_v2_grad(tn_grad *g, tn_error *err)
{
    return concat_grad_at(g, 0, g->op->n_in - 1, err);
}

const tn_op tn_op_Concat = {
    .name = "Concat",
    .sig = "concat_dim:int32 values:N*T -> output:T; N:int>=2 T:type",
    .infer = concat_infer,
    .prepare = concat_prepare,
    .run = tn_parts_join,
    .grad = concat_grad,
    .values = TN_BIT(0),
};
const tn_op tn_op_ConcatV2 = {
    .name = "ConcatV2",
    .sig = "values:N*T axis:Tidx -> output:T; N:int>=2 T:type Tidx:type{int32,int64}=int32",
    .infer = concat_v2_infer,
    .prepare = concat_v2_prepare,
    .run = tn_parts_join,
    .grad = concat_v2_grad,
    .values = TN_LAST_INPUT,
};

/* ==== ConcatOffset ==== */

static tn_code concat_offset_infer(tn_infer *c, tn_error *err)
{
    int64_t axis;
    TN_TRY(tn_infer_rank(c, 0, 0, err));
    bool known = tn_infer_int(c, 0, &axis);
    int64_t at = 0; /* TN_UNKNOWN_INT from the first unknown size on */
    for (int i = 1; i < c->n_in; i++) {
        TN_TRY(tn_infer_rank(c, i, 1, err));
        c->out[i - 1].shape = c->in[i]->shape;
        int64_t n = c->in[i]->shape.rank == 1 ? c->in[i]->shape.dim[0] : -1;
        tn_shape ints, offset;
        if (!known || n < 0 || n > TN_MAX_RANK || axis >= n || axis < -n) {
            at = TN_UNKNOWN_INT;
            continue;
        }
        int a = (int)(axis < 0 ? axis + n : axis);
        offset.rank = (int)n;
        for (int k = 0; k < n; k++) offset.dim[k] = k == a ? at : 0;
        tn_infer_set_ints(c, i - 1, &offset);
        if (at != TN_UNKNOWN_INT)
            at = tn_info_ints(c->in[i], &ints) && ints.dim[a] != TN_UNKNOWN_INT ? at + ints.dim[a]
                                                                                : TN_UNKNOWN_INT;
    }
    return TN_OK;
}

static tn_code concat_offset_run(tn_run *r, tn_error *err)
{
    int64_t given, at = 0;
    TN_TRY(tn_int_of(r->in[0], "concat_dim", &given, err));
    int64_t n = r->in[1]->shape.dim[0];
    int axis;
    TN_TRY(tn_axis_check(given, (int)TN_MIN(n, INT32_MAX), &axis, err));
    for (int i = 1; i < r->n_in; i++) {
        if (r->in[i]->shape.dim[0] != n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input %d should contain %lld elements, but got %lld", i,
                           (long long)n, (long long)r->in[i]->shape.dim[0]);
        for (int64_t k = 0; k < n; k++) {
            int64_t a = tn_tensor_int(r->in[1], k), b = tn_tensor_int(r->in[i], k), v = k == axis ? at : 0;
            if (k != axis && a != b)
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "All dimensions except %d must match. Input %d has shape element %lld at %lld "
                               "and doesn't match "
                               "input 0 with %lld",
                               axis, i - 1, (long long)b, (long long)k, (long long)a);
            if (r->out[i - 1]->dtype == TN_INT64)
                TN_INT64S(r->out[i - 1])[k] = v;
            else
                TN_INT32S(r->out[i - 1])[k] = (int32_t)v;
        }
        at += tn_tensor_int(r->in[i], axis);
    }
    return TN_OK;
}

const tn_op tn_op_ConcatOffset = {
    .name = "ConcatOffset",
    .sig = "concat_dim:int32 shape:N*shape_type -> offset:N*shape_type; N:int>=2 "
           "shape_type:type{int32,int64}=int32",
    .infer = concat_offset_infer,
    .run = concat_offset_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(0),
};
