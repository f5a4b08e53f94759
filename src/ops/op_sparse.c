/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse.c - sparse tensors as {indices, values, shape}: SparseFillEmptyRows and its gradient's operator, the same
 * of ragged tensors (whose indices are rows alone), SparseReshape.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

static tn_code check_sparse(const tn_tensor *indices, const tn_tensor *values, const tn_tensor *shape,
                            tn_error *err)
{
    bool fits = indices->shape.rank == 2 && values->shape.rank == 1 && shape->shape.rank == 1 &&
                indices->shape.dim[0] == values->shape.dim[0] &&
                indices->shape.dim[1] == shape->shape.dim[0] && indices->shape.dim[1] > 0;
    if (fits) return TN_OK;
    char a[64], b[64], c[64];
    return tn_fail(err, TN_INVALID_ARGUMENT, "indices %s, values %s and dense_shape %s are no sparse tensor",
                   tn_shape_text(&indices->shape, a, sizeof a), tn_shape_text(&values->shape, b, sizeof b),
                   tn_shape_text(&shape->shape, c, sizeof c));
}

/* ==== SparseFillEmptyRows, RaggedFillEmptyRows ==== */

static int64_t columns_of(const tn_tensor *indices)
{
    return indices->shape.rank == 2 ? indices->shape.dim[1] : 1;
}

/* next[row]: where its next element goes; next[rows]: how many there are in all. */
static tn_code row_starts(const tn_tensor *indices, int64_t rows, int64_t *next, bool *empty, tn_error *err)
{
    int64_t n = indices->shape.dim[0], columns = columns_of(indices), at = 0;
    memset(next, 0, (size_t)(rows + 1) * sizeof *next);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = TN_INT64S(indices)[i * columns];
        if (row < 0 || row >= rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices(%lld, 0) is invalid: %lld >= %lld",
                           (long long)i, (long long)row, (long long)rows);
        next[row]++;
    }
    for (int64_t row = 0; row <= rows; row++) {
        int64_t count = row < rows ? TN_MAX(next[row], 1) : 0;
        if (row < rows) empty[row] = next[row] == 0;
        next[row] = at;
        at += count;
    }
    return TN_OK;
}

static tn_code fill_rows(tn_run *r, int64_t rows, int64_t *next, tn_error *err)
{
    const tn_tensor *indices = r->in[0], *values = r->in[1];
    int64_t n = indices->shape.dim[0], columns = columns_of(indices);
    bool *empty = r->out[2]->data;
    TN_TRY(row_starts(indices, rows, next, empty, err));
    int64_t total = next[rows];
    tn_shape s = {.rank = indices->shape.rank, .dim = {total, columns}}, v = tn_shape_vector(total);
    if (rows == 0) s.rank = 2; /* of ragged tensors too */
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output(r, 1, &v, err));
    int64_t *out = TN_INT64S(r->out[0]);
    for (int64_t row = 0; row < rows; row++) {
        if (!empty[row]) continue;
        for (int64_t k = 0; k < columns; k++) out[next[row] * columns + k] = k ? 0 : row;
        TN_TRY(tn_move_row(r->out[1], next[row], r->in[3], 0, 1, err));
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t to = next[TN_INT64S(indices)[i * columns]]++;
        memcpy(out + to * columns, TN_INT64S(indices) + i * columns, (size_t)columns * sizeof *out);
        TN_TRY(tn_move_row(r->out[1], to, values, i, 1, err));
        TN_INT64S(r->out[3])[i] = to;
    }
    return TN_OK;
}

static tn_code fill(tn_run *r, int64_t rows, tn_error *err)
{
    if (tn_tensor_count(r->in[3]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "default_value must be a scalar");
    if (rows < 0 || rows > INT64_MAX / 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "dense_shape[0] = %lld", (long long)rows);
    if (rows == 0 && r->in[0]->shape.dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Received SparseTensor with dense_shape[0] = 0 but indices.shape[0] = %lld",
                       (long long)r->in[0]->shape.dim[0]);
    tn_shape s = tn_shape_vector(rows), n = tn_shape_vector(r->in[0]->shape.dim[0]);
    TN_TRY(tn_run_output(r, 2, &s, err));
    TN_TRY(tn_run_output(r, 3, &n, err));
    int64_t *next = tn_malloc((size_t)(rows + 1) * sizeof *next);
    if (!next) return tn_no_memory(err, (size_t)rows * sizeof *next);
    tn_code code = fill_rows(r, rows, next, err);
    tn_free(next);
    return code;
}

static tn_code fill_run(tn_run *r, tn_error *err)
{
    TN_TRY(check_sparse(r->in[0], r->in[1], r->in[2], err));
    return fill(r, TN_INT64S(r->in[2])[0], err);
}

static tn_code fill_ragged_run(tn_run *r, tn_error *err)
{
    static const int rank[] = {1, 1, 0, 0};
    static const char *const what[] = {"value_rowids must be a vector", "values must be a vector",
                                       "nrows must be a scalar", "default_value must be a scalar"};
    char a[96];
    for (int i = 0; i < 4; i++)
        if (r->in[i]->shape.rank != rank[i])
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s, saw: %s", what[i],
                           tn_shape_text(&r->in[i]->shape, a, sizeof a));
    if (r->in[0]->shape.dim[0] != r->in[1]->shape.dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The length of `values` (%lld) must match the first dimension of `value_rowids` (%lld).",
                       (long long)r->in[1]->shape.dim[0], (long long)r->in[0]->shape.dim[0]);
    return fill(r, TN_INT64S(r->in[2])[0], err);
}

static tn_code fill_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    tn_infer_set_rank(c, 0, 2);
    for (int o = 1; o < 4; o++) tn_infer_set_rank(c, o, 1);
    if (c->in[0]->shape.rank == 2) {
        c->out[0].shape.dim[1] = c->in[0]->shape.dim[1];
        c->out[3].shape.dim[0] = c->in[0]->shape.dim[0];
    }
    return TN_OK;
}

static tn_code fill_ragged_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < 4; i++) TN_TRY(tn_infer_rank(c, i, i < 2, err));
    for (int o = 1; o < 4; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

static tn_code fill_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    bool ragged = strcmp(g->op->type, "RaggedFillEmptyRows") == 0;
    tn_operation *op = tn_add_operation(g->b, ragged ? "RaggedFillEmptyRowsGrad" : "SparseFillEmptyRowsGrad", NULL,
                                        TN_INPUTS(tn_grad_out(g, 3), tn_grad_dy(g, 1)), TN_NO_ATTRS);
    tn_grad_set(g, 1, tn_output_of(op, 0));
    tn_grad_set(g, 3, tn_output_of(op, 1));
    return TN_OK;
}

const tn_op tn_op_SparseFillEmptyRows = {
    .name = "SparseFillEmptyRows",
    .sig = "indices:int64 values:T dense_shape:int64 default_value:T -> output_indices:int64 "
           "output_values:T empty_row_indicator:bool reverse_index_map:int64; T:type",
    .infer = fill_infer,
    .run = fill_run,
    .grad = fill_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2) | TN_BIT(3),
};

const tn_op tn_op_RaggedFillEmptyRows = {
    .name = "RaggedFillEmptyRows",
    .sig = "value_rowids:int64 values:T nrows:int64 default_value:T -> output_value_rowids:int64 output_values:T "
           "empty_row_indicator:bool reverse_index_map:int64; T:type",
    .infer = fill_ragged_infer,
    .run = fill_ragged_run,
    .grad = fill_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2) | TN_BIT(3),
};

/* What the given values get is gathered; what is left over is the default's. */
static tn_code fill_back_run(tn_run *r, tn_error *err)
{
    const tn_tensor *map = r->in[0], *dy = r->in[1];
    int64_t n = tn_tensor_count(map), m = tn_tensor_count(dy);
    size_t size = tn_dtype_size(dy->dtype);
    bool *taken = r->scratch;
    memset(taken, 0, (size_t)m);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = TN_INT64S(map)[i];
        if (at < 0 || at >= m)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Elements in reverse index must be in [0, %lld) but got %lld", (long long)m,
                           (long long)at);
        taken[at] = true;
        TN_TRY(tn_move_row(r->out[0], i, dy, at, 1, err));
    }
    memset(r->out[1]->data, 0, size);
    for (int64_t i = 0; i < m; i++) {
        const void *in[2] = {r->out[1]->data, (const char *)dy->data + (size_t)i * size};
        if (!taken[i]) TN_TRY(tn_pw_flat(TN_PW_ADD, dy->dtype, 0, 1, in, r->out[1]->data, 1, err));
    }
    return TN_OK;
}

static tn_code fill_back_prepare(tn_prepare *p, tn_error *err)
{
    p->scratch = (size_t)tn_tensor_count(p->in[1]);
    if (tn_dtype_is_pod(p->in[1]->dtype)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(p->in[1]->dtype));
}

static tn_code fill_back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    c->out[0].shape = c->in[0]->shape;
    c->out[1].shape = (tn_shape){.rank = 0};
    return TN_OK;
}

#define FILL_BACK(Name)                                                                      \
    const tn_op tn_op_##Name = {                                                              \
        .name = #Name,                                                                        \
        .sig = "reverse_index_map:int64 grad_values:T -> d_values:T d_default_value:T; T:type", \
        .infer = fill_back_infer,                                                             \
        .prepare = fill_back_prepare,                                                         \
        .run = fill_back_run,                                                                 \
    }
FILL_BACK(SparseFillEmptyRowsGrad);
FILL_BACK(RaggedFillEmptyRowsGrad);

/* ==== SparseReshape ==== */

static tn_code new_shape(const tn_tensor *old, const tn_tensor *asked, tn_shape *out, tn_error *err)
{
    tn_shape from;
    int64_t size = 1, rest = 1;
    int at = -1;
    TN_TRY(tn_ints_of(old, "input_shape", &from, err));
    TN_TRY(tn_ints_of(asked, "new_shape", out, err));
    for (int k = 0; k < from.rank; k++)
        if (from.dim[k] < 0 || __builtin_mul_overflow(size, from.dim[k], &size))
            return tn_fail(err, TN_INVALID_ARGUMENT, "input_shape is too large");
    for (int k = 0; k < out->rank; k++) {
        if (out->dim[k] == -1 && at >= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "only one output dimension may be -1, not both %d and %d", at, k);
        if (out->dim[k] == -1)
            at = k;
        else if (out->dim[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "size %d must be non-negative, not %lld", k,
                           (long long)out->dim[k]);
        else if (__builtin_mul_overflow(rest, out->dim[k], &rest))
            return tn_fail(err, TN_INVALID_ARGUMENT, "new_shape is too large");
    }
    if (at >= 0 && rest > 0) {
        out->dim[at] = size / rest;
        rest *= out->dim[at];
    }
    if (at >= 0 && rest == 0 && out->dim[at] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "reshape cannot infer the missing input size for an empty tensor unless all specified "
                       "input sizes are non-zero");
    if (rest != size)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Input to reshape is a tensor with %lld dense values, but the requested shape has %lld",
            (long long)size, (long long)rest);
    return TN_OK;
}

static tn_code reshape_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0], *old = r->in[1];
    tn_shape to;
    if (in->shape.rank != 2 || in->shape.dim[1] != tn_tensor_count(old))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input tensor rank must match input shape length.");
    TN_TRY(new_shape(old, r->in[2], &to, err));
    int64_t n = in->shape.dim[0], rank = in->shape.dim[1];
    tn_shape s = {.rank = 2, .dim = {n, to.rank}}, v = tn_shape_vector(to.rank);
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output(r, 1, &v, err));
    for (int k = 0; k < to.rank; k++) TN_INT64S(r->out[1])[k] = to.dim[k];
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int64_t k = 0; k < rank; k++) {
            int64_t d = TN_INT64S(old)[k], x = TN_INT64S(in)[i * rank + k];
            if (x < 0 || x >= d)
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "Index rank %lld shape rank %lld: %lld is outside of [0, %lld)",
                               (long long)rank, (long long)rank, (long long)x, (long long)d);
            at = at * d + x;
        }
        for (int k = to.rank - 1; k >= 0; k--) {
            TN_INT64S(r->out[0])[i * to.rank + k] = at % to.dim[k];
            at /= to.dim[k];
        }
    }
    return TN_OK;
}

static tn_code reshape_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    tn_infer_set_rank(c, 0, 2);
    if (c->in[0]->shape.rank == 2) c->out[0].shape.dim[0] = c->in[0]->shape.dim[0];
    if (c->in[2]->shape.rank == 1) c->out[0].shape.dim[1] = c->in[2]->shape.dim[0];
    c->out[1].shape = c->in[2]->shape;
    return TN_OK;
}

const tn_op tn_op_SparseReshape = {
    .name = "SparseReshape",
    .sig = "input_indices:int64 input_shape:int64 new_shape:int64 -> output_indices:int64 "
           "output_shape:int64;",
    .infer = reshape_infer,
    .run = reshape_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};
