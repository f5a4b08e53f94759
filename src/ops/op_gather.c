/* SPDX-License-Identifier: Apache-2.0
 *
 * op_gather.c - Gather, GatherV2 (axis, batch_dims), GatherNd, and their gradients. Gathering along the
 * first axis gives slices, which optimizers keep sparse.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* params as [batch, outer, n, inner], indices as [batch, count]. */
typedef struct gather {
    int64_t batch, outer, n, inner, count;
} gather;

static tn_code gather_shape(tn_infer *c, int axis, int batch_dims, tn_error *err)
{
    const tn_shape *p = &c->in[0]->shape, *i = &c->in[1]->shape;
    tn_shape out = {.rank = 0};
    int rank = p->rank + i->rank - 1 - batch_dims;
    if (rank > TN_MAX_RANK) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    for (int k = 0; k < axis; k++) out.dim[out.rank++] = p->dim[k];
    for (int k = 0; k < batch_dims; k++) {
        if (p->dim[k] >= 0 && i->dim[k] >= 0 && p->dim[k] != i->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "params.shape[%d]: %lld should be equal to indices.shape[%d]: %lld", k,
                           (long long)p->dim[k], k, (long long)i->dim[k]);
        if (out.dim[k] < 0) out.dim[k] = i->dim[k];
    }
    for (int k = batch_dims; k < i->rank; k++) out.dim[out.rank++] = i->dim[k];
    for (int k = axis + 1; k < p->rank; k++) out.dim[out.rank++] = p->dim[k];
    c->out[0].shape = out;
    return TN_OK;
}

static void gather_ints(tn_infer *c)
{
    tn_shape all, which, part;
    if (c->in[0]->shape.rank != 1 || c->in[1]->shape.rank > 1 || c->in[1]->shape.rank < 0) return;
    if (!tn_info_ints(c->in[0], &all) || !tn_info_ints(c->in[1], &which)) return;
    part.rank = which.rank;
    for (int k = 0; k < which.rank; k++) {
        int64_t at = which.dim[k];
        part.dim[k] = at >= 0 && at < all.rank ? all.dim[at] : TN_UNKNOWN_INT;
    }
    tn_infer_set_ints(c, 0, &part);
}

static tn_code gather_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    if (c->in[0]->shape.rank < 0 || c->in[1]->shape.rank < 0) return TN_OK;
    TN_TRY(gather_shape(c, 0, 0, err));
    c->out[0].bound = c->in[1]->bound;
    gather_ints(c);
    return TN_OK;
}

static tn_code gather_batch_dims(const tn_attrs *a, int rank, int *out, tn_error *err)
{
    int64_t b = tn_attr_i(a, "batch_dims");
    if (b < -rank || b > rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected batch_dims in the range [%d, %d], but got %lld",
                       -rank, rank, (long long)b);
    *out = (int)(b < 0 ? b + rank : b);
    return TN_OK;
}

static tn_code gather_v2_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *p = &c->in[0]->shape, *i = &c->in[1]->shape;
    int axis, batch = 0;
    bool known;
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    if (p->rank < 0 || i->rank < 0) return TN_OK;
    TN_TRY(gather_batch_dims(c->attrs, i->rank, &batch, err));
    if (batch > p->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch_dims (%d) must be less than rank(params) (%d).",
                       batch, p->rank);
    TN_TRY(tn_infer_axis(c, 2, p->rank, &axis, &known, err));
    if (!known) {
        tn_infer_set_rank(c, 0, p->rank + i->rank - 1 - batch);
        return TN_OK;
    }
    if (axis < batch)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch_dims (%d) must be less than or equal to axis (%d).",
                       batch, axis);
    TN_TRY(gather_shape(c, axis, batch, err));
    if (axis == 0 && batch == 0) {
        c->out[0].bound = c->in[1]->bound;
        gather_ints(c);
    }
    return TN_OK;
}

static tn_code gather_split(tn_prepare *p, int axis, int batch, tn_error *err)
{
    const tn_shape *s = &p->in[0]->shape, *i = &p->in[1]->shape;
    TN_PARAMS(p, gather, g);
    g->batch = tn_shape_product(s, 0, batch);
    g->outer = tn_shape_product(s, batch, axis);
    g->n = s->dim[axis];
    g->inner = tn_shape_product(s, axis + 1, s->rank);
    g->count = tn_shape_product(i, batch, i->rank);
    return TN_OK;
}

static tn_code gather_prepare(tn_prepare *p, tn_error *err)
{
    return gather_split(p, 0, 0, err);
}

static tn_code gather_v2_prepare(tn_prepare *p, tn_error *err)
{
    int64_t given;
    int axis, batch = 0;
    TN_TRY(tn_int_of(p->in[2], "axis", &given, err));
    TN_TRY(tn_axis_check(given, p->in[0]->shape.rank, &axis, err));
    TN_TRY(gather_batch_dims(p->attrs, p->in[1]->shape.rank, &batch, err));
    return gather_split(p, axis, batch, err);
}

/* TensorFlow takes 16-bit indices too. */
static tn_code gather_objects(const gather *g, tn_run *r, tn_error *err)
{
    for (int64_t b = 0; b < g->batch; b++)
        for (int64_t o = 0; o < g->outer; o++)
            for (int64_t i = 0; i < g->count; i++) {
                int64_t at = tn_tensor_int(r->in[1], b * g->count + i);
                if (at < 0 || at >= g->n)
                    return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)",
                                   (long long)(b * g->count + i), (long long)at, (long long)g->n);
                int64_t block = b * g->outer + o;
                TN_TRY(tn_move_row(r->out[0], (block * g->count + i) * g->inner, r->in[0],
                                   (block * g->n + at) * g->inner, g->inner, err));
            }
    return TN_OK;
}

static tn_code gather_run(tn_run *r, tn_error *err)
{
    const gather *g = r->params;
    const tn_tensor *params = r->in[0], *indices = r->in[1];
    if (!tn_dtype_is_pod(params->dtype) || indices->dtype == TN_INT16) return gather_objects(g, r, err);
    size_t size = tn_dtype_size(params->dtype), index = tn_dtype_size(indices->dtype);
    size_t from = (size_t)(g->outer * g->n * g->inner) * size,
           to = (size_t)(g->outer * g->count * g->inner) * size;
    for (int64_t b = 0; b < g->batch; b++) {
        size_t k = (size_t)b;
        TN_TRY(tn_gather((int)size, g->outer, g->n, g->inner, g->count, indices->dtype,
                         (const char *)indices->data + k * (size_t)g->count * index,
                         (const char *)params->data + k * from, (char *)r->out[0]->data + k * to, r->threads,
                         err));
    }
    return TN_OK;
}

/* Slices of the rows gathered. */
static void rows_grad(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 1), shape = tn_grad_shape(b, tn_grad_in(g, 0), TN_INT32);
    tn_shape s = tn_node_shape(tn_grad_in(g, 0)), i = tn_node_shape(indices);
    int64_t count = tn_shape_count(&i), minus = -1;
    tn_node size =
        count >= 0
            ? tn_ints(b, &count, 1)
            : tn_op(b, "ExpandDims",
                    TN_INPUTS(tn_op(b, "Size", TN_INPUTS(indices), TN_NO_ATTRS), tn_grad_int(b, TN_INT32, 0)),
                    TN_NO_ATTRS);
    tn_node values_shape;
    bool tail_known = s.rank > 0;
    for (int k = 1; k < s.rank; k++) tail_known = tail_known && s.dim[k] > 0;
    if (tail_known) {
        tn_shape v = s;
        v.dim[0] = count >= 0 ? count : minus;
        values_shape = tn_ints(b, v.dim, v.rank);
    } else {
        values_shape = tn_grad_concat(b, (tn_node[]){size, tn_grad_range_of(b, shape, 1, INT64_MAX)}, 2, 0);
    }
    tn_node values = tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), values_shape), TN_NO_ATTRS);
    tn_grad_set_slices(g, 0, values, tn_op(b, "Reshape", TN_INPUTS(indices, size), TN_NO_ATTRS), shape);
}

static tn_code gather_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    rows_grad(g);
    return TN_OK;
}

const tn_op tn_op_Gather = {
    .name = "Gather",
    .sig = "params:Tparams indices:Tindices -> output:Tparams; validate_indices:bool=true Tparams:type "
           "Tindices:type{int32,int64}",
    .infer = gather_infer,
    .prepare = gather_prepare,
    .run = gather_run,
    .grad = gather_grad,
};

static tn_node range(tn_builder *b, tn_node from, tn_node to)
{
    return tn_op(b, "Range", TN_INPUTS(from, to, tn_grad_int(b, TN_INT32, 1)), TN_NO_ATTRS);
}

static tn_node vector_of(tn_builder *b, tn_node scalar)
{
    return tn_grad_pack(b, &scalar, 1, 0);
}

/* v[from : to]; the ends are scalars, from.op NULL: the beginning, to.op NULL: the end. */
static tn_node between(tn_builder *b, tn_node v, tn_node from, tn_node to)
{
    int64_t zero = 0, one = 1;
    tn_node begin = from.op ? vector_of(b, from) : tn_ints(b, &zero, 1),
            end = to.op ? vector_of(b, to) : tn_ints(b, &zero, 1);
    return tn_op(b, "StridedSlice", TN_INPUTS(v, begin, end, tn_ints(b, &one, 1)),
                 TN_ATTRS(tn_attr_int("end_mask", to.op == NULL)));
}

/* n ones. */
static tn_node ones(tn_builder *b, tn_node n)
{
    return tn_op(b, "Fill", TN_INPUTS(vector_of(b, n), tn_grad_int(b, TN_INT32, 1)), TN_NO_ATTRS);
}

/* indices plus the offset of their batch, so that [b0, b1, ..., n] can be gathered as one dimension.
 * shape: [b0, b1, ..., n, ...], an int32 vector. */
static tn_node batch_indices(tn_builder *b, tn_node indices, tn_node shape, int batch)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(indices));
    tn_node dims = tn_grad_cast(b, shape, t), step = tn_grad_int(b, t, 1), rank = tn_grad_rank(b, indices);
    for (int k = batch; k > 0; k--) {
        int64_t minus = -1;
        step = tn_op(b, "Mul", TN_INPUTS(step, tn_grad_element(b, dims, k)), TN_NO_ATTRS);
        tn_node line =
            tn_op(b, "Range",
                  TN_INPUTS(tn_grad_int(b, t, 0), tn_grad_element(b, dims, k - 1), tn_grad_int(b, t, 1)),
                  TN_NO_ATTRS);
        line = tn_op(b, "Mul", TN_INPUTS(line, step), TN_NO_ATTRS);
        tn_node rest = tn_op(b, "Sub", TN_INPUTS(rank, tn_grad_int(b, TN_INT32, k)), TN_NO_ATTRS);
        tn_node to = tn_grad_concat(
            b, (tn_node[]){ones(b, tn_grad_int(b, TN_INT32, k - 1)), tn_ints(b, &minus, 1), ones(b, rest)}, 3,
            0);
        line = tn_op(b, "Reshape", TN_INPUTS(line, to), TN_NO_ATTRS);
        indices = tn_op(b, "AddV2", TN_INPUTS(indices, line), TN_NO_ATTRS);
    }
    return indices;
}

/* values [b..., count, rest] summed into [b..., n, rest] at indices [b..., ...]. */
static tn_node segment_grad(tn_grad *g, tn_node shape, tn_node values, tn_node n, int batch)
{
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 1), outer = {0}, flat = {0};
    int64_t minus = -1, axis = 0;
    if (batch) {
        tn_node vs = tn_grad_shape(b, values, TN_INT32);
        outer = tn_grad_range_of(b, vs, 0, batch);
        flat = tn_grad_concat(
            b, (tn_node[]){tn_ints(b, &minus, 1), tn_grad_range_of(b, vs, batch + 1, INT64_MAX)}, 2, 0);
        n = tn_op(b, "Mul",
                  TN_INPUTS(n, tn_op(b, "Prod", TN_INPUTS(outer, tn_ints(b, &axis, 1)), TN_NO_ATTRS)),
                  TN_NO_ATTRS);
        indices = batch_indices(b, indices, shape, batch);
        values = tn_op(b, "Reshape", TN_INPUTS(values, flat), TN_NO_ATTRS);
    }
    indices = tn_op(b, "Reshape", TN_INPUTS(indices, tn_ints(b, &minus, 1)), TN_NO_ATTRS);
    tn_node sum = tn_op(b, "UnsortedSegmentSum", TN_INPUTS(values, indices, n), TN_NO_ATTRS);
    if (!batch) return sum;
    return tn_op(b, "Reshape", TN_INPUTS(sum, tn_grad_concat(b, (tn_node[]){outer, flat}, 2, 0)),
                 TN_NO_ATTRS);
}

/* The order that moves the axis to stand after the batch dimensions, and the order back. */
typedef struct orders {
    tn_node there, back;
} orders;

static orders known_orders(tn_builder *b, int axis, int batch, int rank)
{
    int64_t there[TN_MAX_RANK], back[TN_MAX_RANK];
    for (int k = 0; k < rank; k++) there[k] = k < batch || k > axis ? k : k == batch ? axis : k - 1;
    for (int k = 0; k < rank; k++) back[there[k]] = k;
    return (orders){tn_ints(b, there, rank), tn_ints(b, back, rank)};
}

static orders found_orders(tn_builder *b, tn_node axis, int batch, tn_node rank)
{
    tn_node one = tn_grad_int(b, TN_INT32, 1), at = tn_grad_int(b, TN_INT32, batch);
    tn_node first = range(b, tn_grad_int(b, TN_INT32, 0), at), moved = range(b, at, axis);
    tn_node last = range(b, tn_op(b, "AddV2", TN_INPUTS(axis, one), TN_NO_ATTRS), rank);
    tn_node later = tn_op(b, "AddV2", TN_INPUTS(moved, one), TN_NO_ATTRS);
    return (orders){tn_grad_concat(b, (tn_node[]){first, vector_of(b, axis), moved, last}, 4, 0),
                    tn_grad_concat(b, (tn_node[]){first, later, vector_of(b, at), last}, 4, 0)};
}

/* Summed where the axis stands after the batch dimensions, and moved back. axis: counted from 0. */
static void axis_grad(tn_grad *g, tn_node axis, const orders *o, int batch)
{
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), shape = tn_grad_shape(b, x, TN_INT32), none = {0};
    int64_t minus = -1;
    tn_node after = tn_op(b, "AddV2", TN_INPUTS(axis, tn_grad_int(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_node parts[] = {between(b, shape, none, axis), tn_ints(b, &minus, 1), between(b, shape, after, none)};
    tn_node values =
        tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), tn_grad_concat(b, parts, 3, 0)), TN_NO_ATTRS);
    tn_node zero = tn_grad_int(b, TN_INT32, 0);
    values = tn_op(b, "Transpose", TN_INPUTS(values, o->there), TN_NO_ATTRS);
    tn_node moved = tn_op(b, "GatherV2", TN_INPUTS(shape, o->there, zero), TN_NO_ATTRS);
    tn_node n = tn_op(b, "GatherV2", TN_INPUTS(shape, axis, zero), TN_NO_ATTRS);
    tn_node sum = segment_grad(g, moved, values, n, batch);
    sum = tn_op(b, "Transpose", TN_INPUTS(sum, o->back), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(b, "Reshape", TN_INPUTS(sum, shape), TN_NO_ATTRS));
}

/* An axis known only when running, or a rank. */
static void found_axis_grad(tn_grad *g, int batch)
{
    tn_builder *b = g->b;
    tn_node rank = tn_grad_rank(b, tn_grad_in(g, 0));
    tn_node axis =
        tn_op(b, "FloorMod", TN_INPUTS(tn_grad_cast(b, tn_grad_in(g, 2), TN_INT32), rank), TN_NO_ATTRS);
    orders o = found_orders(b, axis, batch, rank);
    axis_grad(g, axis, &o, batch);
}

static tn_code gather_v2_grad(tn_grad *g, tn_error *err)
{
    tn_node axis_node = tn_grad_in(g, 2);
    tn_shape s = tn_node_shape(tn_grad_in(g, 0)), i = tn_node_shape(tn_grad_in(g, 1));
    const tn_tensor *v = axis_node.op->out[axis_node.index].value;
    int64_t batch_dims = tn_attr_i(&g->op->attrs, "batch_dims");
    if (batch_dims < 0 && i.rank < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "%s: the gradient of GatherV2 with batch_dims < 0 needs the rank of the indices",
                       g->op->name);
    int axis, batch = (int)(batch_dims < 0 ? batch_dims + i.rank : batch_dims);
    if (v && tn_tensor_int(v, 0) == 0) {
        rows_grad(g);
        return TN_OK;
    }
    if (!v || s.rank < 0) {
        found_axis_grad(g, batch);
        return TN_OK;
    }
    TN_TRY(tn_axis_check(tn_tensor_int(v, 0), s.rank, &axis, err));
    orders o = known_orders(g->b, axis, batch, s.rank);
    if (axis == 0 && batch == 0)
        rows_grad(g);
    else
        axis_grad(g, tn_grad_int(g->b, TN_INT32, axis), &o, batch);
    return TN_OK;
}

const tn_op tn_op_GatherV2 = {
    .name = "GatherV2",
    .sig = "params:Tparams indices:Tindices axis:Taxis -> output:Tparams; batch_dims:int=0 Tparams:type "
           "Tindices:type{int16,int32,int64} Taxis:type{int32,int64}",
    .infer = gather_v2_infer,
    .prepare = gather_v2_prepare,
    .run = gather_run,
    .grad = gather_v2_grad,
    .values = TN_BIT(2),
};

/* ==== GatherNd ==== */

static tn_code gather_nd_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *p = &c->in[0]->shape, *i = &c->in[1]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    TN_TRY(tn_infer_rank_at_least(c, 1, 1, err));
    if (p->rank < 0 || i->rank < 0 || i->dim[i->rank - 1] < 0) return TN_OK;
    int64_t depth = i->dim[i->rank - 1];
    if (depth > p->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "index innermost dimension length must be <= params rank; saw: %lld vs. %d",
                       (long long)depth, p->rank);
    int rank = i->rank - 1 + p->rank - (int)depth;
    if (rank > TN_MAX_RANK) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    tn_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int k = 0; k < i->rank - 1; k++) out->dim[out->rank++] = i->dim[k];
    for (int k = (int)depth; k < p->rank; k++) out->dim[out->rank++] = p->dim[k];
    return TN_OK;
}

/* TensorFlow's kernel names its node twice. */
static tn_code check_gathered(const tn_run *r, int depth, tn_error *err)
{
    tn_code code = tn_check_points(r->in[1], depth, &r->in[0]->shape, "param shape", err);
    return code == TN_OK ? TN_OK : tn_fail(err, code, "%s, node name: %s", err ? err->message : "", r->name);
}

static tn_code gather_nd_objects(tn_run *r, int64_t count, int depth, int64_t slice, tn_error *err)
{
    const tn_tensor *params = r->in[0], *indices = r->in[1];
    TN_TRY(check_gathered(r, depth, err));
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        for (int k = 0; k < depth; k++)
            at = at * params->shape.dim[k] + tn_tensor_int(indices, i * depth + k);
        TN_TRY(tn_move_row(r->out[0], i * slice, params, at * slice, slice, err));
    }
    return TN_OK;
}

static tn_code gather_nd_run(tn_run *r, tn_error *err)
{
    const tn_tensor *params = r->in[0], *indices = r->in[1];
    int last = indices->shape.rank - 1, depth = (int)indices->shape.dim[last];
    int64_t count = tn_shape_product(&indices->shape, 0, last);
    int64_t slice = tn_shape_product(&params->shape, depth, params->shape.rank);
    if (!tn_dtype_is_pod(params->dtype) || indices->dtype == TN_INT16)
        return gather_nd_objects(r, count, depth, slice, err);
    tn_code code = tn_gather_nd((int)tn_dtype_size(params->dtype), &params->shape, count, depth, slice,
                                indices->dtype, indices->data, params->data, r->out[0]->data, err);
    if (code != TN_OK) TN_TRY(check_gathered(r, depth, err));
    return code;
}

static tn_code gather_nd_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 1), dy = tn_grad_dy(g, 0);
    tn_shape i = tn_node_shape(indices);
    tn_node shape = tn_grad_shape(b, tn_grad_in(g, 0), tn_dtype_base(tn_node_dtype(indices)));
    if (i.rank == 2 && i.dim[1] == 1) {
        int64_t last = -1;
        tn_node rows =
            tn_op(b, "Squeeze", TN_INPUTS(indices), TN_ATTRS(tn_attr_ints("squeeze_dims", &last, 1)));
        tn_grad_set_slices(g, 0, dy, rows, shape);
        return TN_OK;
    }
    tn_grad_set(g, 0, tn_op(b, "ScatterNd", TN_INPUTS(indices, dy, shape), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_GatherNd = {
    .name = "GatherNd",
    .sig = "params:Tparams indices:Tindices -> output:Tparams; Tparams:type "
           "Tindices:type{int16,int32,int64} bad_indices_policy:string=\"\"",
    .infer = gather_nd_infer,
    .run = gather_nd_run,
    .grad = gather_nd_grad,
};
