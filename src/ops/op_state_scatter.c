/* SPDX-License-Identifier: Apache-2.0
 *
 * op_state_scatter.c - operators that read or change rows of a variable: ResourceGather(Nd), Scatter*,
 * ScatterNd*, and their resource kinds.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== ResourceGather, ResourceGatherNd ==== */

static tn_code rows_infer(tn_infer *c, tn_error *err)
{
    const tn_info *held = c->in[0]->handle;
    const tn_shape *i = &c->in[1]->shape;
    int64_t batch = tn_attr_i(c->attrs, "batch_dims");
    if (!held || held->shape.rank < 1 || i->rank < 0 || batch) return TN_OK;
    int rank = i->rank + held->shape.rank - 1;
    if (rank > TN_MAX_RANK) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    tn_shape *out = &c->out[0].shape;
    *out = *i;
    for (int k = 1; k < held->shape.rank; k++) out->dim[out->rank++] = held->shape.dim[k];
    return TN_OK;
}

/* Of what is not plain bytes (strings): one row after another. */
static tn_code gather_objects(tn_run *r, const tn_tensor *v, int64_t batches, int64_t n, int64_t inner, int64_t count,
                              tn_error *err)
{
    for (int64_t i = 0; i < batches * count; i++) {
        const int64_t at = tn_tensor_int(r->in[1], i), from = i / count * n;
        if (at < 0 || at >= n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)i,
                           (long long)at, (long long)n);
        TN_TRY(tn_move_row(r->out[0], i * inner, v, (from + at) * inner, inner, err));
    }
    return TN_OK;
}

static tn_code rows_run(tn_run *r, tn_error *err)
{
    const tn_tensor *v, *i = r->in[1];
    int64_t b = tn_attr_i(r->attrs, "batch_dims");
    TN_TRY(tn_run_variable(r, 0, &v, err));
    if (v->shape.rank < 1) return tn_fail(err, TN_INVALID_ARGUMENT, "params must be at least 1 dimensional");
    if (b < 0) b += i->shape.rank;
    if (b < 0 || b >= v->shape.rank || b > i->shape.rank ||
        i->shape.rank + v->shape.rank - 1 - b > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch_dims (%lld) does not fit params of rank %d",
                       (long long)b, v->shape.rank);
    tn_shape s = i->shape;
    for (int k = (int)b + 1; k < v->shape.rank; k++) s.dim[s.rank++] = v->shape.dim[k];
    TN_TRY(tn_run_output(r, 0, &s, err));
    int64_t n = v->shape.dim[b], inner = tn_shape_product(&v->shape, (int)b + 1, v->shape.rank);
    int64_t batches = tn_shape_product(&v->shape, 0, (int)b),
            count = tn_shape_product(&i->shape, (int)b, i->shape.rank);
    if (tn_tensor_count(i) != batches * count)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch dimensions of params and indices differ");
    if (!tn_dtype_is_pod(v->dtype)) return gather_objects(r, v, batches, n, inner, count, err);
    size_t size = tn_dtype_size(v->dtype), index = tn_dtype_size(i->dtype);
    for (int64_t k = 0; k < batches; k++)
        TN_TRY(tn_gather((int)size, 1, n, inner, count, i->dtype,
                         (const char *)i->data + (size_t)(k * count) * index,
                         (const char *)v->data + (size_t)(k * n * inner) * size,
                         (char *)r->out[0]->data + (size_t)(k * count * inner) * size, r->threads, err));
    return TN_OK;
}

static tn_code rows_grad(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node handle = tn_grad_in(g, 0), indices = tn_grad_in(g, 1);
    if (tn_attr_i(&g->op->attrs, "batch_dims"))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s: the gradient of ResourceGather with batch_dims",
                       g->op->name);
    int64_t zero = 0;
    tn_node shape = tn_op(b, "VariableShape", TN_INPUTS(handle), TN_NO_ATTRS);
    tn_node size =
        tn_op(b, "ExpandDims",
              TN_INPUTS(tn_op(b, "Size", TN_INPUTS(indices), TN_NO_ATTRS), tn_grad_int(b, TN_INT32, zero)),
              TN_NO_ATTRS);
    tn_node to = tn_grad_concat(b, (tn_node[]){size, tn_grad_range_of(b, shape, 1, INT64_MAX)}, 2, 0);
    tn_node values = tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), to), TN_NO_ATTRS);
    tn_grad_set_slices(g, 0, values, tn_op(b, "Reshape", TN_INPUTS(indices, size), TN_NO_ATTRS), shape);
    return TN_OK;
}

const tn_op tn_op_ResourceGather = {
    .name = "ResourceGather",
    .sig = "resource:resource indices:Tindices -> output:dtype; batch_dims:int=0 "
           "validate_indices:bool=true dtype:type Tindices:type{int32,int64}",
    .infer = rows_infer,
    .run = rows_run,
    .grad = rows_grad,
    .flags = TN_STATEFUL,
    .dynamic = TN_BIT(0),
    .reads = TN_BIT(0),
};

static tn_code points_infer(tn_infer *c, tn_error *err)
{
    const tn_info *held = c->in[0]->handle;
    const tn_shape *i = &c->in[1]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 1, 1, err));
    if (!held || held->shape.rank < 0 || i->rank < 1 || i->dim[i->rank - 1] < 0) return TN_OK;
    int64_t depth = i->dim[i->rank - 1];
    if (depth > held->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "indices.shape[-1] must be <= params.rank; saw: %lld vs. %d",
                       (long long)depth, held->shape.rank);
    tn_shape out = *i;
    out.rank--;
    for (int k = (int)depth; k < held->shape.rank && out.rank < TN_MAX_RANK; k++)
        out.dim[out.rank++] = held->shape.dim[k];
    c->out[0].shape = out;
    return TN_OK;
}

static tn_code point_objects(tn_run *r, const tn_tensor *v, int depth, tn_error *err)
{
    const tn_tensor *indices = r->in[1];
    const int64_t count = tn_shape_product(&indices->shape, 0, indices->shape.rank - 1);
    const int64_t slice = tn_shape_product(&v->shape, depth, v->shape.rank);
    TN_TRY(tn_check_points(indices, depth, &v->shape, "param shape", err));
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        for (int k = 0; k < depth; k++) at = at * v->shape.dim[k] + tn_tensor_int(indices, i * depth + k);
        TN_TRY(tn_move_row(r->out[0], i * slice, v, at * slice, slice, err));
    }
    return TN_OK;
}

static tn_code points_run(tn_run *r, tn_error *err)
{
    const tn_tensor *v, *i = r->in[1];
    TN_TRY(tn_run_variable(r, 0, &v, err));
    int last = i->shape.rank - 1;
    int64_t depth = i->shape.dim[last];
    if (depth > v->shape.rank || last + v->shape.rank - depth > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "indices.shape[-1] must be <= params.rank; saw: %lld vs. %d",
                       (long long)depth, v->shape.rank);
    tn_shape s = i->shape;
    s.rank--;
    for (int k = (int)depth; k < v->shape.rank; k++) s.dim[s.rank++] = v->shape.dim[k];
    TN_TRY(tn_run_output(r, 0, &s, err));
    if (!tn_dtype_is_pod(v->dtype)) return point_objects(r, v, (int)depth, err);
    return tn_gather_nd((int)tn_dtype_size(v->dtype), &v->shape, tn_shape_product(&i->shape, 0, last),
                        (int)depth, tn_shape_product(&v->shape, (int)depth, v->shape.rank), i->dtype, i->data,
                        v->data, r->out[0]->data, err);
}

static tn_code points_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node indices = tn_grad_in(g, 1);
    tn_shape i = tn_node_shape(indices);
    tn_node shape = tn_op(b, "VariableShape", TN_INPUTS(tn_grad_in(g, 0)),
                          TN_ATTRS(tn_attr_type("out_type", tn_dtype_base(tn_node_dtype(indices)))));
    int64_t last = -1;
    if (i.rank == 2 && i.dim[1] == 1)
        tn_grad_set_slices(
            g, 0, tn_grad_dy(g, 0),
            tn_op(b, "Squeeze", TN_INPUTS(indices), TN_ATTRS(tn_attr_ints("squeeze_dims", &last, 1))), shape);
    else
        tn_grad_set(g, 0, tn_op(b, "ScatterNd", TN_INPUTS(indices, tn_grad_dy(g, 0), shape), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_ResourceGatherNd = {
    .name = "ResourceGatherNd",
    .sig = "resource:resource indices:Tindices -> output:dtype; dtype:type Tindices:type{int32,int64}",
    .infer = points_infer,
    .run = points_run,
    .grad = points_grad,
    .flags = TN_STATEFUL,
    .dynamic = TN_BIT(0),
    .reads = TN_BIT(0),
};

/* ==== Scatter* ==== variable, indices, updates */

static tn_code scatter_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code check_updates(const tn_tensor *v, const tn_tensor *i, const tn_tensor *u, bool *scalar,
                             tn_error *err)
{
    char a[128], b[128];
    tn_shape want = i->shape;
    *scalar = u->shape.rank == 0;
    if (v->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "params must be at least 1-D, got shape []");
    for (int k = 1; k < v->shape.rank && want.rank < TN_MAX_RANK; k++)
        want.dim[want.rank++] = v->shape.dim[k];
    if (u->dtype == v->dtype && (*scalar || tn_shape_equal(&want, &u->shape))) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Must have updates.shape = indices.shape + params.shape[1:] or updates.shape = [], got "
                   "updates.shape %s, "
                   "expected %s",
                   tn_shape_text(&u->shape, a, sizeof a), tn_shape_text(&want, b, sizeof b));
}

static tn_code scatter_strings(tn_tensor *v, const tn_tensor *i, const tn_tensor *u, bool scalar,
                               tn_error *err)
{
    int64_t inner = tn_shape_product(&v->shape, 1, v->shape.rank), count = tn_tensor_count(i);
    for (int64_t k = 0; k < count; k++) {
        int64_t at = tn_tensor_int(i, k);
        if (at < 0 || at >= v->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)k,
                           (long long)at, (long long)v->shape.dim[0]);
        if (scalar)
            TN_TRY(tn_move_fill(v, at * inner, inner, u, 0, err));
        else
            TN_TRY(tn_move_row(v, at * inner, u, k * inner, inner, err));
    }
    return TN_OK;
}

static tn_code scatter_run(tn_run *r, tn_scatter_op op, tn_error *err)
{
    tn_tensor *v;
    const tn_tensor *i = r->in[1], *u = r->in[2];
    bool scalar;
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    TN_TRY(check_updates(v, i, u, &scalar, err));
    if (!tn_dtype_is_pod(v->dtype)) {
        if (op != TN_SCATTER_UPDATE)
            return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", r->op->name, tn_dtype_name(v->dtype));
        TN_TRY(scatter_strings(v, i, u, scalar, err));
    } else {
        tn_scatter_desc d = {.op = op,
                             .dtype = v->dtype,
                             .index = i->dtype,
                             .n = v->shape.dim[0],
                             .inner = tn_shape_product(&v->shape, 1, v->shape.rank),
                             .count = tn_tensor_count(i),
                             .scalar_update = scalar};
        TN_TRY(tn_scatter(&d, i->data, u->data, v->data, err));
    }
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

/* ==== ScatterNd* ==== */

static tn_code scatter_nd_run(tn_run *r, tn_scatter_op op, tn_error *err)
{
    tn_tensor *v;
    const tn_tensor *i = r->in[1], *u = r->in[2];
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    if (i->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Indices shape must have rank at least one. Found:[]");
    int last = i->shape.rank - 1;
    int64_t depth = i->shape.dim[last], count = tn_shape_product(&i->shape, 0, last);
    if (depth > v->shape.rank || u->dtype != v->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "indices with %lld columns do not fit a %s variable of rank %d", (long long)depth,
                       tn_dtype_name(v->dtype), v->shape.rank);
    int64_t inner = tn_shape_product(&v->shape, (int)depth, v->shape.rank);
    if (tn_tensor_count(u) != count * inner)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The outermost dimensions of updates and indices must match: %lld updates for %lld",
                       (long long)tn_tensor_count(u), (long long)(count * inner));
    tn_scatter_desc d = {.op = op,
                         .dtype = v->dtype,
                         .index = i->dtype,
                         .n = tn_shape_product(&v->shape, 0, (int)depth),
                         .inner = inner,
                         .count = count};
    TN_TRY(tn_dtype_is_pod(v->dtype) ? tn_scatter_nd(&d, &v->shape, (int)depth, i->data, u->data, v->data, err)
                                     : tn_scatter_objects(op, (int)depth, i, u, v, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

#define SCATTER_RUN(NAME, RUN, OP)                \
    static tn_code NAME(tn_run *r, tn_error *err) \
    {                                             \
        return RUN(r, OP, err);                   \
    }
SCATTER_RUN(update_run, scatter_run, TN_SCATTER_UPDATE)
SCATTER_RUN(add_run, scatter_run, TN_SCATTER_ADD)
SCATTER_RUN(sub_run, scatter_run, TN_SCATTER_SUB)
SCATTER_RUN(mul_run, scatter_run, TN_SCATTER_MUL)
SCATTER_RUN(div_run, scatter_run, TN_SCATTER_DIV)
SCATTER_RUN(min_run, scatter_run, TN_SCATTER_MIN)
SCATTER_RUN(max_run, scatter_run, TN_SCATTER_MAX)
SCATTER_RUN(nd_update_run, scatter_nd_run, TN_SCATTER_UPDATE)
SCATTER_RUN(nd_add_run, scatter_nd_run, TN_SCATTER_ADD)
SCATTER_RUN(nd_sub_run, scatter_nd_run, TN_SCATTER_SUB)
SCATTER_RUN(nd_min_run, scatter_nd_run, TN_SCATTER_MIN)
SCATTER_RUN(nd_max_run, scatter_nd_run, TN_SCATTER_MAX)

#define SCATTER_AS(NAME, FLAGS, RUN, SIG)           \
    const tn_op tn_op_##NAME = {                    \
        .name = #NAME,                              \
        .sig = SIG,                                 \
        .infer = scatter_infer,                     \
        .run = RUN,                                 \
        .flags = TN_STATEFUL | TN_EFFECT | (FLAGS), \
        .writes = TN_BIT(0),                        \
    }
#define SCATTER(NAME, RUN, SIG) SCATTER_AS(NAME, 0, RUN, SIG)
#define SCATTER_STOPS(NAME, RUN, SIG) SCATTER_AS(NAME, TN_NO_GRADIENT, RUN, SIG)
SCATTER(ScatterUpdate, update_run,
        "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true");
SCATTER_STOPS(ScatterAdd, add_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false");
SCATTER_STOPS(ScatterSub, sub_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false");
SCATTER_STOPS(ScatterMul, mul_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false");
SCATTER_STOPS(ScatterDiv, div_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false");
SCATTER(ScatterMin, min_run,
        "ref:&T indices:Tindices updates:T -> output_ref:&T; "
        "T:type{half,bfloat16,float,double,int32,int64} Tindices:type{int32,int64} use_locking:bool=false");
SCATTER(ScatterMax, max_run,
        "ref:&T indices:Tindices updates:T -> output_ref:&T; "
        "T:type{half,bfloat16,float,double,int32,int64} Tindices:type{int32,int64} use_locking:bool=false");
SCATTER_STOPS(ScatterNdUpdate, nd_update_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type Tindices:type{int32,int64} "
              "use_locking:bool=true bad_indices_policy:string=\"\"");
SCATTER_STOPS(ScatterNdAdd, nd_add_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false bad_indices_policy:string=\"\"");
SCATTER_STOPS(ScatterNdSub, nd_sub_run,
              "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
              "Tindices:type{int32,int64} use_locking:bool=false bad_indices_policy:string=\"\"");
SCATTER(ScatterNdMin, nd_min_run,
        "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
        "Tindices:type{int32,int64} use_locking:bool=false bad_indices_policy:string=\"\"");
SCATTER(ScatterNdMax, nd_max_run,
        "ref:&T indices:Tindices updates:T -> output_ref:&T; T:type{numbertype} "
        "Tindices:type{int32,int64} use_locking:bool=false bad_indices_policy:string=\"\"");
SCATTER(ResourceScatterUpdate, update_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type Tindices:type{int32,int64}");
SCATTER(ResourceScatterAdd, add_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterSub, sub_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterMul, mul_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterDiv, div_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterMin, min_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterMax, max_run,
        "resource:resource indices:Tindices updates:dtype -> ; dtype:type{numbertype} "
        "Tindices:type{int32,int64}");
SCATTER(ResourceScatterNdUpdate, nd_update_run,
        "ref:resource indices:Tindices updates:T -> ; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true bad_indices_policy:string=\"\"");
SCATTER(ResourceScatterNdAdd, nd_add_run,
        "ref:resource indices:Tindices updates:T -> ; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true bad_indices_policy:string=\"\"");
SCATTER(ResourceScatterNdSub, nd_sub_run,
        "ref:resource indices:Tindices updates:T -> ; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true bad_indices_policy:string=\"\"");
SCATTER(ResourceScatterNdMin, nd_min_run,
        "ref:resource indices:Tindices updates:T -> ; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true bad_indices_policy:string=\"\"");
SCATTER(ResourceScatterNdMax, nd_max_run,
        "ref:resource indices:Tindices updates:T -> ; T:type Tindices:type{int32,int64} "
        "use_locking:bool=true bad_indices_policy:string=\"\"");
