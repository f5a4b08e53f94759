/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse_reduce.c - what is computed of groups of a sparse tensor's elements: SparseReduceSum and -Max,
 * with dense or sparse results, and SparseSoftmax over the last dimension.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "sparse.h"

/* ==== which dimensions ==== */

typedef struct axes {
    bool keep_dims;
    bool *reduced;
    int *kept, n_kept; /* dimensions that stay, in order */
} axes;

static tn_code read_axes(tn_run *r, const tn_sparse *s, tn_arena *a, axes *x, tn_error *err)
{
    const tn_tensor *t = r->in[3];
    x->keep_dims = tn_attr_b(r->attrs, "keep_dims");
    x->reduced = TN_ARRAY(a, s->rank + 1, bool);
    x->kept = TN_ARRAY(a, s->rank + 1, int);
    if (!x->reduced || !x->kept) return tn_no_memory(err, (size_t)s->rank * sizeof *x->kept);
    if (t->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "reduction_axes must be a scalar or a vector");
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        int axis;
        if (tn_axis_check(TN_INT32S(t)[i], s->rank, &axis, NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid reduction dimension %d, for input with %d dimensions.", TN_INT32S(t)[i],
                           s->rank);
        x->reduced[axis] = true;
    }
    for (int k = 0; k < s->rank; k++)
        if (!x->reduced[k]) x->kept[x->n_kept++] = k;
    return TN_OK;
}

/* The dimensions of the result: reduced ones are 1 or gone. */
static int result_dims(const tn_sparse *s, const axes *x, int64_t *dim)
{
    int n = 0;
    for (int k = 0; k < s->rank; k++)
        if (!x->reduced[k] || x->keep_dims) dim[n++] = x->reduced[k] ? 1 : s->dim[k];
    return n;
}

/* ==== groups ==== */

typedef struct groups {
    tn_sparse s;
    axes axes;
    int64_t *order, *start, n; /* group g: elements order[start[g]] .. order[start[g + 1]] */
} groups;

static tn_code make_groups(tn_run *r, groups *g, tn_arena *a, tn_error *err)
{
    TN_TRY(tn_sparse_read(r, 0, &g->s, err));
    TN_TRY(read_axes(r, &g->s, a, &g->axes, err));
    const axes *x = &g->axes;
    TN_TRY(tn_sparse_order(g->s.index, g->s.n, g->s.rank, x->kept, x->n_kept, a, &g->order, err));
    g->start = TN_ARRAY(a, g->s.n + 1, int64_t);
    if (!g->start) return tn_no_memory(err, (size_t)g->s.n * sizeof *g->start);
    for (int64_t i = 0; i < g->s.n; i++) {
        const int64_t *p = g->s.index + g->order[i] * g->s.rank;
        if (i == 0 || tn_sparse_compare(g->s.index + g->order[i - 1] * g->s.rank, p, x->kept, x->n_kept))
            g->start[g->n++] = i;
    }
    g->start[g->n] = g->s.n;
    return TN_OK;
}

static tn_code sum_group(const groups *g, int64_t k, char *out, size_t size, tn_error *err)
{
    memset(out, 0, size);
    for (int64_t i = g->start[k]; i < g->start[k + 1]; i++) {
        const char *v = (const char *)g->s.values->data + (size_t)g->order[i] * size;
        TN_TRY(tn_pw_flat(TN_PW_ADD, g->s.values->dtype, 0, 1, (const void *const[]){out, v}, out, 1, err));
    }
    return TN_OK;
}

/* NaN is passed over: the maximum of nothing but NaN is -infinity. */
static tn_code max_group(const groups *g, int64_t k, char *out, size_t size, tn_error *err)
{
    tn_dtype t = g->s.values->dtype;
    bool begun = false, number, less;
    for (int64_t i = g->start[k]; i < g->start[k + 1]; i++) {
        const char *v = (const char *)g->s.values->data + (size_t)g->order[i] * size;
        TN_TRY(tn_pw_flat(TN_PW_EQUAL, t, 0, 1, (const void *const[]){v, v}, &number, 1, err));
        if (!number) continue;
        less = !begun;
        if (begun) TN_TRY(tn_pw_flat(TN_PW_LESS, t, 0, 1, (const void *const[]){out, v}, &less, 1, err));
        if (less) memcpy(out, v, size);
        begun = true;
    }
    tn_shape one = tn_shape_vector(1);
    tn_tensor view = tn_tensor_view(t, &one, out);
    if (!begun) tn_tensor_set_number(&view, 0, -HUGE_VAL);
    return TN_OK;
}

static tn_code reduce_group(const tn_run *r, const groups *g, int64_t k, char *out, size_t size,
                            tn_error *err)
{
    return (strstr(r->op->name, "Max") ? max_group : sum_group)(g, k, out, size, err);
}

/* ==== dense results ==== */

static tn_code reduce_dense(tn_run *r, tn_arena *a, tn_error *err)
{
    groups g = {0};
    tn_shape full, s;
    TN_TRY(make_groups(r, &g, a, err));
    TN_TRY(tn_sparse_shape(&g.s, &full, err));
    s.rank = result_dims(&g.s, &g.axes, s.dim);
    TN_TRY(tn_run_output(r, 0, &s, err));
    size_t size = tn_dtype_size(r->out[0]->dtype);
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t k = 0; k < g.n; k++) {
        const int64_t *p = g.s.index + g.order[g.start[k]] * g.s.rank;
        uint64_t at = 0;
        for (int i = 0; i < g.axes.n_kept; i++)
            at = at * (uint64_t)g.s.dim[g.axes.kept[i]] + (uint64_t)p[g.axes.kept[i]];
        if (at >= (uint64_t)tn_tensor_count(r->out[0]))
            return tn_fail(err, TN_INTERNAL,
                           "Obtained a write index of %lld which is outside of bounds of [0, %lld)",
                           (long long)at, (long long)tn_tensor_count(r->out[0]));
        TN_TRY(reduce_group(r, &g, k, (char *)r->out[0]->data + at * size, size, err));
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(reduce_dense_run, reduce_dense)

static tn_code reduce_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    tn_shape dims, axes;
    bool keep = tn_attr_b(c->attrs, "keep_dims"), reduced[TN_MAX_RANK] = {false};
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    if (c->n_out == 3) {
        tn_infer_set_sparse(c, 0, 1, 2, -1, -1);
        return TN_OK;
    }
    if (!tn_infer_ints(c, 2, &dims) || !tn_info_ints(c->in[3], &axes)) return TN_OK;
    for (int i = 0; i < axes.rank; i++) {
        int axis;
        if (axes.dim[i] == TN_UNKNOWN_INT) return TN_OK;
        TN_TRY(tn_axis_check(axes.dim[i], dims.rank, &axis, err));
        reduced[axis] = true;
    }
    tn_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int k = 0; k < dims.rank; k++)
        if (!reduced[k] || keep) out->dim[out->rank++] = reduced[k] ? 1 : dims.dim[k];
    return TN_OK;
}

/* dy at the group of each element: its indices, 0 where a dimension was reduced. */
static tn_code reduce_sum_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node shape = tn_grad_in(g, 2), one = tn_grad_int(b, TN_INT64, 1), none = tn_grad_int(b, TN_INT32, -1);
    tn_node rank = tn_op(b, "Size", TN_INPUTS(shape), TN_NO_ATTRS);
    tn_node axes = tn_op(b, "FloorMod",
                         TN_INPUTS(tn_op(b, "AddV2", TN_INPUTS(tn_grad_in(g, 3), rank), TN_NO_ATTRS), rank),
                         TN_NO_ATTRS);
    axes = tn_op(
        b, "Reshape",
        TN_INPUTS(axes, tn_op(b, "ExpandDims", TN_INPUTS(none, tn_grad_int(b, TN_INT32, 0)), TN_NO_ATTRS)),
        TN_NO_ATTRS);
    tn_node at = tn_op(b, "ExpandDims", TN_INPUTS(axes, none), TN_NO_ATTRS);
    tn_node ones =
        tn_op(b, "Fill", TN_INPUTS(tn_op(b, "Shape", TN_INPUTS(axes), TN_NO_ATTRS), one), TN_NO_ATTRS);
    tn_node kept = tn_op(b, "TensorScatterUpdate", TN_INPUTS(shape, at, ones), TN_NO_ATTRS);
    tn_node dy = tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), kept), TN_NO_ATTRS);
    tn_node last = tn_op(b, "Sub", TN_INPUTS(kept, one), TN_NO_ATTRS);
    tn_node place = tn_op(b, "Minimum", TN_INPUTS(tn_grad_in(g, 0), last), TN_NO_ATTRS);
    tn_grad_set(g, 1, tn_op(b, "GatherNd", TN_INPUTS(dy, place), TN_NO_ATTRS));
    return TN_OK;
}

#define REDUCE(Name, Types, Grad)                                                                        \
    const tn_op tn_op_##Name = {                                                                         \
        .name = #Name,                                                                                   \
        .sig = "input_indices:int64 input_values:T input_shape:int64 reduction_axes:int32 -> output:T; " \
               "keep_dims:bool=false T:type{" Types "}",                                                 \
        .infer = reduce_infer,                                                                           \
        .run = reduce_dense_run,                                                                         \
        .grad = Grad,                                                                                    \
        .dynamic = TN_BIT(0),                                                                            \
    }
REDUCE(SparseReduceSum, "numbertype", reduce_sum_grad);
REDUCE(SparseReduceMax, "realnumbertype", NULL);

/* ==== sparse results ==== */

static tn_code reduce_sparse(tn_run *r, tn_arena *a, tn_error *err)
{
    groups g = {0};
    TN_TRY(make_groups(r, &g, a, err));
    int64_t *dim = TN_ARRAY(a, g.s.rank + 1, int64_t);
    if (!dim) return tn_no_memory(err, (size_t)g.s.rank * sizeof *dim);
    int rank = result_dims(&g.s, &g.axes, dim);
    TN_TRY(tn_sparse_output(r, 0, 1, g.n, rank, err));
    size_t size = tn_dtype_size(r->out[1]->dtype);
    int64_t *index = TN_INT64S(r->out[0]);
    for (int64_t k = 0; k < g.n; k++) {
        const int64_t *p = g.s.index + g.order[g.start[k]] * g.s.rank;
        for (int i = 0; i < g.s.rank; i++)
            if (!g.axes.reduced[i] || g.axes.keep_dims) *index++ = g.axes.reduced[i] ? 0 : p[i];
        TN_TRY(reduce_group(r, &g, k, (char *)r->out[1]->data + (size_t)k * size, size, err));
    }
    return tn_sparse_output_shape(r, 2, dim, rank, err);
}
TN_RUN_IN_ARENA(reduce_sparse_run, reduce_sparse)

#define REDUCE_SPARSE(Name, Types)                                                              \
    const tn_op tn_op_##Name = {                                                                \
        .name = #Name,                                                                          \
        .sig = "input_indices:int64 input_values:T input_shape:int64 reduction_axes:int32 -> "  \
               "output_indices:int64 output_values:T output_shape:int64; keep_dims:bool=false " \
               "T:type{" Types "}",                                                             \
        .infer = reduce_infer,                                                                  \
        .run = reduce_sparse_run,                                                               \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),                                           \
    }
REDUCE_SPARSE(SparseReduceSumSparse, "numbertype");
REDUCE_SPARSE(SparseReduceMaxSparse, "realnumbertype");

/* ==== SparseSoftmax ==== */

static tn_code softmax_run(tn_run *r, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    if (s.rank < 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input should have rank >= 2, but got: %d", s.rank);
    size_t size = tn_dtype_size(s.values->dtype);
    for (int64_t from = 0, to; from < s.n; from = to) {
        const int64_t *p = s.index + from * s.rank;
        for (to = from + 1; to < s.n && !tn_sparse_compare(p, s.index + to * s.rank, NULL, s.rank - 1);) to++;
        TN_TRY(tn_softmax(s.values->dtype, false, 1, to - from,
                          (const char *)s.values->data + (size_t)from * size,
                          (char *)r->out[0]->data + (size_t)from * size, 1, err));
    }
    return TN_OK;
}

static tn_code softmax_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    c->out[0].shape = tn_shape_vector(n);
    return TN_OK;
}

/* (dy - sum over the row of dy * y) * y */
static tn_code softmax_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node y = tn_grad_out(g, 0), dy = tn_grad_dy(g, 0), indices = tn_grad_in(g, 0),
            shape = tn_grad_in(g, 2);
    tn_node both = tn_op(b, "Mul", TN_INPUTS(y, dy), TN_NO_ATTRS);
    tn_node sum = tn_op(b, "SparseReduceSum", TN_INPUTS(indices, both, shape, tn_grad_int(b, TN_INT32, -1)),
                        TN_ATTRS(tn_attr_bool("keep_dims", true)));
    tn_node less =
        tn_op(b, "SparseDenseCwiseAdd",
              TN_INPUTS(indices, dy, shape, tn_op(b, "Neg", TN_INPUTS(sum), TN_NO_ATTRS)), TN_NO_ATTRS);
    tn_grad_set(g, 1, tn_op(b, "Mul", TN_INPUTS(less, y), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_SparseSoftmax = {
    .name = "SparseSoftmax",
    .sig = "sp_indices:int64 sp_values:T sp_shape:int64 -> output:T; T:type{half,float,double}",
    .infer = softmax_infer,
    .run = softmax_run,
    .grad = softmax_grad,
};
