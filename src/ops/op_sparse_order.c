/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse_order.c - sparse tensors put in order, side by side and taken apart: SparseReorder, SparseConcat,
 * SparseSplit, SparseSlice and its gradient's operator.
 */
#include "../graph/op_grads.h"
#include "sparse.h"

/* ==== SparseReorder ==== */

static tn_code reorder(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    int64_t *order;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    TN_TRY(tn_sparse_order(s.index, s.n, s.rank, NULL, s.rank, a, &order, err));
    return tn_sparse_output_picked(r, 0, 1, &s, order, s.n, err);
}
TN_RUN_IN_ARENA(reorder_run, reorder)

static tn_code reorder_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    tn_infer_set_sparse(c, 0, 1, -1, n, rank);
    return TN_OK;
}

/* The elements' numbers are put in the same order: where each one went. */
static tn_code reorder_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node zero = tn_grad_int(b, TN_INT32, 0), one = tn_grad_int(b, TN_INT32, 1);
    tn_node n = tn_op(b, "Size", TN_INPUTS(tn_grad_in(g, 1)), TN_NO_ATTRS);
    tn_node numbers = tn_op(b, "Range", TN_INPUTS(zero, n, one), TN_NO_ATTRS);
    tn_operation *sorted = tn_add_operation(
        b, "SparseReorder", NULL, TN_INPUTS(tn_grad_in(g, 0), numbers, tn_grad_in(g, 2)), TN_NO_ATTRS);
    tn_node where = tn_op(b, "InvertPermutation", TN_INPUTS(tn_output_of(sorted, 1)), TN_NO_ATTRS);
    tn_grad_set(g, 1, tn_op(b, "GatherV2", TN_INPUTS(tn_grad_dy(g, 1), where, zero), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_SparseReorder = {
    .name = "SparseReorder",
    .sig = "input_indices:int64 input_values:T input_shape:int64 -> output_indices:int64 output_values:T; "
           "T:type",
    .infer = reorder_infer,
    .run = reorder_run,
    .grad = reorder_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

/* ==== SparseConcat ==== */

typedef struct joined {
    int n, rank, axis;
    tn_sparse *part;
    int64_t total, *dim, *index, *from; /* from: which part an element is of */
} joined;

static tn_code read_parts(tn_run *r, joined *j, tn_arena *a, tn_error *err)
{
    int64_t axis = tn_attr_i(r->attrs, "concat_dim");
    j->n = r->n_in / 3;
    j->part = TN_ARRAY(a, j->n, tn_sparse);
    if (!j->part) return tn_no_memory(err, (size_t)j->n * sizeof *j->part);
    for (int i = 0; i < j->n; i++) {
        tn_sparse *s = &j->part[i];
        TN_TRY(tn_sparse_of(r->in[i], r->in[j->n + i], r->in[2 * j->n + i], s, err));
        j->total += s->n;
        if (i == 0) j->rank = s->rank;
        if (s->rank != j->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Ranks of all input tensors must match: expected %d but got %d at "
                           "position %d",
                           j->rank, s->rank, i);
    }
    if (axis < -j->rank || axis >= j->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Concat dimension must be in range [%d, %d), got %lld",
                       -j->rank, j->rank, (long long)axis);
    j->axis = (int)(axis < 0 ? axis + j->rank : axis);
    return TN_OK;
}

static tn_code join_shapes(joined *j, tn_error *err)
{
    memcpy(j->dim, j->part[0].dim, (size_t)j->rank * sizeof *j->dim);
    for (int i = 1; i < j->n; i++)
        for (int k = 0; k < j->rank; k++) {
            int64_t d = j->part[i].dim[k];
            if (k == j->axis && __builtin_add_overflow(j->dim[k], d, &j->dim[k]))
                return tn_fail(err, TN_INVALID_ARGUMENT, "the dimensions' sum is too large");
            if (k != j->axis && d != j->dim[k])
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "Input shapes must match: expected %lld for dimension %d but "
                               "got %lld at position %d",
                               (long long)j->dim[k], k, (long long)d, i);
        }
    return TN_OK;
}

static void join_indices(joined *j)
{
    int64_t at = 0, offset = 0;
    for (int i = 0; i < j->n; i++) {
        const tn_sparse *s = &j->part[i];
        for (int64_t e = 0; e < s->n; e++, at++) {
            memcpy(j->index + at * j->rank, s->index + e * j->rank, (size_t)j->rank * sizeof *j->index);
            j->index[at * j->rank + j->axis] += offset;
            j->from[at] = i;
        }
        offset += s->dim[j->axis];
    }
}

static tn_code join_write(tn_run *r, const joined *j, const int64_t *order, tn_arena *a, tn_error *err)
{
    int64_t *first = TN_ARRAY(a, j->n + 1, int64_t);
    if (!first) return tn_no_memory(err, (size_t)j->n * sizeof *first);
    for (int i = 0; i < j->n; i++) first[i + 1] = first[i] + j->part[i].n;
    TN_TRY(tn_sparse_output(r, 0, 1, j->total, j->rank, err));
    for (int64_t i = 0; i < j->total; i++) {
        int64_t from = j->from[order[i]];
        memcpy(TN_INT64S(r->out[0]) + i * j->rank, j->index + order[i] * j->rank,
               (size_t)j->rank * sizeof *j->index);
        TN_TRY(tn_move_row(r->out[1], i, j->part[from].values, order[i] - first[from], 1, err));
    }
    return tn_sparse_output_shape(r, 2, j->dim, j->rank, err);
}

static tn_code concat(tn_run *r, tn_arena *a, tn_error *err)
{
    joined j = {0};
    int64_t *order;
    TN_TRY(read_parts(r, &j, a, err));
    j.dim = TN_ARRAY(a, j.rank + 1, int64_t);
    j.index = tn_arena_array(a, (size_t)j.total + 1, (size_t)(j.rank + 1) * sizeof *j.index);
    j.from = TN_ARRAY(a, j.total + 1, int64_t);
    if (!j.dim || !j.index || !j.from) return tn_no_memory(err, (size_t)j.total * sizeof *j.from);
    TN_TRY(join_shapes(&j, err));
    join_indices(&j);
    TN_TRY(tn_sparse_order(j.index, j.total, j.rank, NULL, j.rank, a, &order, err));
    return join_write(r, &j, order, a, err);
}
TN_RUN_IN_ARENA(concat_run, concat)

static tn_code concat_infer(tn_infer *c, tn_error *err)
{
    int n = c->n_in / 3;
    int64_t total = 0, rank = -1;
    for (int i = 0; i < n; i++) {
        const tn_shape *s = &c->in[i]->shape;
        TN_TRY(tn_infer_rank(c, i, 2, err));
        TN_TRY(tn_infer_rank(c, n + i, 1, err));
        TN_TRY(tn_infer_rank(c, 2 * n + i, 1, err));
        total = tn_dim_add(total, s->rank == 2 ? s->dim[0] : -1);
        if (s->rank == 2) TN_TRY(tn_infer_merge_dim(rank, s->dim[1], &rank, err));
    }
    tn_infer_set_sparse(c, 0, 1, 2, total, rank);
    return TN_OK;
}

const tn_op tn_op_SparseConcat = {
    .name = "SparseConcat",
    .sig = "indices:N*int64 values:N*T shapes:N*int64 -> output_indices:int64 output_values:T "
           "output_shape:int64; "
           "concat_dim:int N:int>=2 T:type",
    .infer = concat_infer,
    .run = concat_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};

/* ==== cutting a box out of a sparse tensor: SparseSplit, SparseSlice ==== */

/* Outputs indices, values, shape: what lies in [start, start + size), moved to the origin. */
static tn_code cut(tn_run *r, const tn_sparse *s, const int64_t *start, const int64_t *size, const int out[3],
                   int64_t *which, tn_error *err)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        bool inside = true;
        for (int k = 0; k < s->rank && inside; k++) {
            int64_t at = s->index[i * s->rank + k];
            inside = at >= start[k] && (uint64_t)at - (uint64_t)start[k] < (uint64_t)size[k];
        }
        if (inside) which[n++] = i;
    }
    TN_TRY(tn_sparse_output_picked(r, out[0], out[1], s, which, n, err));
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < s->rank; k++) {
            int64_t *at = TN_INT64S(r->out[out[0]]) + i * s->rank + k;
            *at = (int64_t)((uint64_t)*at - (uint64_t)start[k]);
        }
    return tn_sparse_output_shape(r, out[2], size, s->rank, err);
}

static tn_code box(const tn_sparse *s, tn_arena *a, int64_t **start, int64_t **size, int64_t **which,
                   tn_error *err)
{
    *start = TN_ARRAY(a, s->rank + 1, int64_t);
    *size = TN_ARRAY(a, s->rank + 1, int64_t);
    *which = TN_ARRAY(a, s->n + 1, int64_t);
    if (!*start || !*size || !*which) return tn_no_memory(err, (size_t)s->n * sizeof **which);
    if (s->rank) memcpy(*size, s->dim, (size_t)s->rank * sizeof **size);
    return TN_OK;
}

static tn_code split(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    int64_t axis, *start, *size, *which, parts = tn_attr_i(r->attrs, "num_split");
    TN_TRY(tn_int_of(r->in[0], "split_dim", &axis, err));
    TN_TRY(tn_sparse_read(r, 1, &s, err));
    if (axis < -s.rank || axis >= s.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input split_dim should be in range [0, %d), got %lld",
                       s.rank, (long long)axis);
    if (axis < 0) axis += s.rank;
    if (parts < 1 || parts > s.dim[axis])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input num_split should be between 1 and the splitting dimension size "
                       "(%lld), got %lld",
                       (long long)s.dim[axis], (long long)parts);
    TN_TRY(tn_sparse_check(&s, false, err));
    TN_TRY(box(&s, a, &start, &size, &which, err));
    int64_t each = s.dim[axis] / parts, longer = s.dim[axis] % parts;
    for (int i = 0; i < parts; i++) {
        size[axis] = each + (i < longer);
        TN_TRY(cut(r, &s, start, size, (int[]){i, (int)parts + i, 2 * (int)parts + i}, which, err));
        start[axis] += size[axis];
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(split_run, split)

static tn_code split_infer(tn_infer *c, tn_error *err)
{
    int parts = c->n_out / 3;
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 1, &n, &rank, err));
    for (int i = 0; i < parts; i++) tn_infer_set_sparse(c, i, parts + i, 2 * parts + i, -1, rank);
    return TN_OK;
}

const tn_op tn_op_SparseSplit = {
    .name = "SparseSplit",
    .sig = "split_dim:int64 indices:int64 values:T shape:int64 -> output_indices:num_split*int64 "
           "output_values:num_split*T output_shape:num_split*int64; num_split:int>=1 T:type",
    .infer = split_infer,
    .run = split_run,
    .dynamic = ~0u,
};

static tn_code slice(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse s;
    int64_t *start, *size, *which;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    if (tn_tensor_count(r->in[3]) != s.rank || tn_tensor_count(r->in[4]) != s.rank ||
        r->in[3]->shape.rank != 1 || r->in[4]->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected start and size to be vectors of length %d, got %lld and %lld", s.rank,
                       (long long)tn_tensor_count(r->in[3]), (long long)tn_tensor_count(r->in[4]));
    TN_TRY(box(&s, a, &start, &size, &which, err));
    for (int k = 0; k < s.rank; k++) {
        int64_t from = TN_INT64S(r->in[3])[k], many = TN_INT64S(r->in[4])[k];
        if (many < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expected a non-negative size, got %lld",
                           (long long)many);
        int64_t rest; /* a start before the origin moves the elements away from it */
        if (__builtin_sub_overflow(s.dim[k], from, &rest)) rest = INT64_MAX;
        start[k] = from;
        size[k] = TN_MAX(0, TN_MIN(many, rest));
    }
    return cut(r, &s, start, size, (int[]){0, 1, 2}, which, err);
}
TN_RUN_IN_ARENA(slice_run, slice)

static tn_code slice_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    TN_TRY(tn_infer_rank(c, 3, 1, err));
    TN_TRY(tn_infer_rank(c, 4, 1, err));
    tn_infer_set_sparse(c, 0, 1, 2, -1, rank);
    return TN_OK;
}

static tn_code slice_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 1), tn_grad_in(g, 0), tn_grad_in(g, 3), tn_grad_out(g, 0)};
    tn_grad_set(g, 1, tn_output_of(tn_add_operation(g->b, "SparseSliceGrad", NULL, in, 4, NULL, 0), 0));
    return TN_OK;
}

const tn_op tn_op_SparseSlice = {
    .name = "SparseSlice",
    .sig =
        "indices:int64 values:T shape:int64 start:int64 size:int64 -> output_indices:int64 output_values:T "
        "output_shape:int64; T:type",
    .infer = slice_infer,
    .run = slice_run,
    .grad = slice_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};

/* Walks both lists of indices: what was cut out gets its gradient, the rest zero. */
static tn_code slice_back_run(tn_run *r, tn_error *err)
{
    const tn_tensor *dy = r->in[0], *all = r->in[1], *start = r->in[2], *cut_out = r->in[3];
    int64_t n = all->shape.dim[0], rank = all->shape.dim[1], at = 0;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < n && at < cut_out->shape.dim[0]; i++) {
        bool same = true;
        for (int64_t k = 0; k < rank && same; k++)
            same = (uint64_t)TN_INT64S(all)[i * rank + k] - (uint64_t)TN_INT64S(start)[k] ==
                   (uint64_t)TN_INT64S(cut_out)[at * rank + k];
        if (same) TN_TRY(tn_move_row(r->out[0], i, dy, at++, 1, err));
    }
    if (at == cut_out->shape.dim[0]) return TN_OK;
    return tn_fail(err, TN_INTERNAL,
                   "Elements of backprop_val_grad aren't all propagated. Num elements:%lld, used: %lld",
                   (long long)cut_out->shape.dim[0], (long long)at);
}

static tn_code slice_back_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *dy = &p->in[0]->shape, *all = &p->in[1]->shape, *s = &p->in[2]->shape,
                   *cut_out = &p->in[3]->shape;
    if (dy->rank == 1 && all->rank == 2 && cut_out->rank == 2 && s->rank == 1 &&
        cut_out->dim[1] == all->dim[1] && dy->dim[0] == cut_out->dim[0] && s->dim[0] == all->dim[1])
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "SparseSliceGrad: the inputs' shapes do not fit");
}

static tn_code slice_back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    c->out[0].shape = tn_shape_vector(c->in[1]->shape.rank == 2 ? c->in[1]->shape.dim[0] : -1);
    return TN_OK;
}

const tn_op tn_op_SparseSliceGrad = {
    .name = "SparseSliceGrad",
    .sig = "backprop_val_grad:T input_indices:int64 input_start:int64 output_indices:int64 -> val_grad:T; "
           "T:type{numbertype}",
    .infer = slice_back_infer,
    .prepare = slice_back_prepare,
    .run = slice_back_run,
};
