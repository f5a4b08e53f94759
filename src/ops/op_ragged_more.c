/* SPDX-License-Identifier: Apache-2.0
 *
 * op_ragged_more.c - RaggedRange and RaggedGather: ragged tensors made of numbers in a row, and rows of a
 * ragged tensor picked by indices.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "parse.h"
#include "sparse.h"

/* ==== RaggedRange ==== */

static const int64_t most = INT64_MAX / 16;

static int64_t ints_in(int64_t start, int64_t limit, int64_t delta)
{
    if (delta > 0 ? start >= limit : start <= limit) return 0;
    uint64_t far = delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit,
             step = delta > 0 ? (uint64_t)delta : 0 - (uint64_t)delta;
    uint64_t n = far / step + (far % step != 0);
    return n > (uint64_t)most ? -1 : (int64_t)n;
}

static int64_t reals_in(double start, double limit, double delta)
{
    if (delta > 0 ? start >= limit : start <= limit) return 0;
    double n = ceil(fabs((limit - start) / delta));
    return n <= (double)most ? (int64_t)n : -1;
}

static tn_code range_size(const tn_run *r, int64_t row, int64_t *n, tn_error *err)
{
    int64_t at[3];
    for (int k = 0; k < 3; k++) at[k] = r->in[k]->shape.rank == 0 ? 0 : row;
    if (tn_dtype_is_integer(r->in[0]->dtype)) {
        int64_t v[3];
        for (int k = 0; k < 3; k++) v[k] = tn_tensor_int(r->in[k], at[k]);
        if (v[2] == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Requires delta != 0");
        *n = ints_in(v[0], v[1], v[2]);
    } else {
        double v[3];
        for (int k = 0; k < 3; k++) v[k] = tn_tensor_number(r->in[k], at[k]);
        if (v[2] == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Requires delta != 0");
        *n = reals_in(v[0], v[1], v[2]);
    }
    return *n >= 0 ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "range %lld is too long", (long long)row);
}

/* Numbers are added up one by one, in their own precision. */
static tn_code fill_range(tn_run *r, int64_t row, int64_t from, int64_t n, tn_error *err)
{
    const tn_tensor *start = r->in[0], *delta = r->in[2];
    tn_tensor *out = r->out[1];
    size_t size = tn_dtype_size(out->dtype);
    const char *step = (const char *)delta->data + (delta->shape.rank ? (size_t)row * size : 0);
    if (n) TN_TRY(tn_move_row(out, from, start, start->shape.rank ? row : 0, 1, err));
    for (int64_t i = from + 1; i < from + n; i++) {
        char *to = (char *)out->data + (size_t)i * size;
        TN_TRY(tn_pw_flat(TN_PW_ADD, out->dtype, 0, 1, (const void *const[]){to - size, step}, to, 1, err));
    }
    return TN_OK;
}

static tn_code range_rows(const tn_run *r, int64_t *rows, tn_error *err)
{
    *rows = -1;
    for (int k = 0; k < 3; k++) {
        const tn_shape *s = &r->in[k]->shape;
        if (s->rank > 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "starts, limits and deltas must be scalars or vectors");
        if (s->rank == 1 && *rows >= 0 && s->dim[0] != *rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "starts, limits, and deltas must have the same shape");
        if (s->rank == 1) *rows = s->dim[0];
    }
    if (*rows < 0) *rows = 1;
    return TN_OK;
}

static tn_code range_run(tn_run *r, tn_error *err)
{
    int64_t rows, total = 0, n = 0;
    TN_TRY(range_rows(r, &rows, err));
    tn_shape s = tn_shape_vector(rows + 1);
    TN_TRY(tn_run_output(r, 0, &s, err));
    tn_parse_split(r->out[0], 0, 0);
    for (int64_t row = 0; row < rows; row++) {
        TN_TRY(range_size(r, row, &n, err));
        total += n;
        if (total > (r->out[0]->dtype == TN_INT32 ? INT32_MAX : most))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Requires ((limit - start) / delta) <= %lld",
                           (long long)(r->out[0]->dtype == TN_INT32 ? INT32_MAX : INT64_MAX));
        tn_parse_split(r->out[0], row + 1, total);
    }
    tn_shape v = tn_shape_vector(total);
    TN_TRY(tn_run_output(r, 1, &v, err));
    for (int64_t row = 0; row < rows; row++) {
        int64_t from = tn_tensor_int(r->out[0], row);
        TN_TRY(fill_range(r, row, from, tn_tensor_int(r->out[0], row + 1) - from, err));
    }
    return TN_OK;
}

static tn_code range_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < 2; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

const tn_op tn_op_RaggedRange = {
    .name = "RaggedRange",
    .sig = "starts:T limits:T deltas:T -> rt_nested_splits:Tsplits rt_dense_values:T; "
           "T:type{bfloat16,float,double,int32,int64}=int32 Tsplits:type{int32,int64}=int64",
    .infer = range_infer,
    .run = range_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

/* ==== RaggedGather ==== inputs: splits of each level, values, indices */

typedef struct span { /* rows of a level that are wanted, in a row */
    int64_t from, to;
} span;

static tn_code check_splits(const tn_run *r, int levels, tn_error *err)
{
    for (int k = 0; k < levels; k++) {
        const tn_tensor *s = r->in[k];
        int64_t n = tn_tensor_count(s), last = 0;
        int64_t rows = k + 1 < levels ? tn_tensor_count(r->in[k + 1]) - 1 : r->in[levels]->shape.dim[0];
        if (s->shape.rank != 1 || n == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Splits may not be empty.");
        for (int64_t i = 0; i < n; i++) {
            int64_t v = tn_tensor_int(s, i);
            if (v < last)
                return tn_fail(err, TN_INVALID_ARGUMENT, "Ragged splits must be sorted: splits[%lld] = %lld",
                               (long long)i, (long long)v);
            if (v > rows)
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "Ragged splits must not point past values: splits[%lld] = %lld of "
                               "%lld",
                               (long long)i, (long long)v, (long long)rows);
            last = v;
        }
    }
    return TN_OK;
}

static tn_code take_rows(const tn_run *r, const tn_tensor *indices, span *v, tn_error *err)
{
    int64_t rows = tn_tensor_count(r->in[0]) - 1;
    for (int64_t i = 0, n = tn_tensor_count(indices); i < n; i++) {
        int64_t at = tn_tensor_int(indices, i);
        if (at < 0 || at >= rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)i,
                           (long long)at, (long long)rows);
        v[i] = (span){at, at + 1};
    }
    return TN_OK;
}

/* Output `o`: the lengths of a level's rows, as splits (o < 0: they are not asked for); then the rows of the
 * next. */
static tn_code gather_level(tn_run *r, int level, int o, span *v, int64_t n, tn_error *err)
{
    const tn_tensor *splits = r->in[level];
    int64_t total = 0, at = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) total += v[i].to - v[i].from;
    tn_shape s = tn_shape_vector(total + 1);
    if (o >= 0) TN_TRY(tn_run_output(r, o, &s, err));
    if (o >= 0) tn_parse_split(r->out[o], at++, 0);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t row = v[i].from; o >= 0 && row < v[i].to; row++) {
            sum += tn_tensor_int(splits, row + 1) - tn_tensor_int(splits, row);
            if (r->out[o]->dtype == TN_INT32 && sum > INT32_MAX)
                return tn_fail(err, TN_INVALID_ARGUMENT, "int32 row splits overflow");
            tn_parse_split(r->out[o], at++, sum);
        }
        v[i] = (span){tn_tensor_int(splits, v[i].from), tn_tensor_int(splits, v[i].to)};
    }
    return TN_OK;
}

/* The dimensions of the indices after the first have rows of one length. */
static tn_code even_splits(tn_run *r, const tn_tensor *indices, tn_error *err)
{
    for (int o = 0; o < indices->shape.rank - 1; o++) {
        int64_t rows = tn_shape_product(&indices->shape, 0, o + 1), each = indices->shape.dim[o + 1];
        tn_shape s = tn_shape_vector(rows + 1);
        TN_TRY(tn_run_output(r, o, &s, err));
        for (int64_t i = 0; i <= rows; i++) tn_parse_split(r->out[o], i, i * each);
    }
    return TN_OK;
}

static tn_code gather_values(tn_run *r, const tn_tensor *values, const span *v, int64_t n, tn_error *err)
{
    tn_shape s = values->shape;
    int64_t inner = tn_shape_product(&s, 1, s.rank), at = 0;
    s.dim[0] = 0;
    for (int64_t i = 0; i < n; i++)
        if (__builtin_add_overflow(s.dim[0], v[i].to - v[i].from, &s.dim[0]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "too many values are gathered");
    TN_TRY(tn_run_output(r, r->n_out - 1, &s, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t rows = v[i].to - v[i].from;
        TN_TRY(tn_move_row(r->out[r->n_out - 1], at * inner, values, v[i].from * inner, rows * inner, err));
        at += rows;
    }
    return TN_OK;
}

static tn_code gather(tn_run *r, tn_arena *a, tn_error *err)
{
    int levels = r->n_in - 2;
    const tn_tensor *values = r->in[levels], *indices = r->in[levels + 1];
    int64_t n = tn_tensor_count(indices);
    if (r->n_out - 1 != levels + indices->shape.rank - 1 || values->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "OUTPUT_RAGGED_RANK must be %d, and the values not a scalar",
                       levels + indices->shape.rank - 1);
    TN_TRY(check_splits(r, levels, err));
    span *v = TN_ARRAY(a, n + 1, span);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    TN_TRY(take_rows(r, indices, v, err));
    TN_TRY(even_splits(r, indices, err));
    for (int k = 0; k < levels; k++) TN_TRY(gather_level(r, k, indices->shape.rank - 1 + k, v, n, err));
    return gather_values(r, values, v, n, err);
}
TN_RUN_IN_ARENA(gather_run, gather)

static tn_code gather_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *values = &c->in[c->n_in - 2]->shape;
    TN_TRY(tn_infer_rank_at_least(c, c->n_in - 2, 1, err));
    for (int o = 0; o < c->n_out - 1; o++) tn_infer_set_rank(c, o, 1);
    c->out[c->n_out - 1].shape = *values;
    if (values->rank > 0) c->out[c->n_out - 1].shape.dim[0] = -1;
    return TN_OK;
}

/* The values' numbers are gathered in the same way: where each row came from. */
static tn_code gather_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    int n = g->op->n_in, values = n - 2;
    tn_node shape = tn_grad_shape(b, tn_grad_in(g, values), TN_INT64);
    tn_node rows = tn_grad_element(b, shape, 0);
    tn_node in[TN_MAX_RANK + 2];
    if (n > TN_MAX_RANK + 2)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d ragged dimensions", TN_MAX_RANK);
    for (int i = 0; i < n; i++) in[i] = tn_grad_in(g, i);
    in[values] = tn_op(b, "Range", TN_INPUTS(tn_grad_int(b, TN_INT64, 0), rows, tn_grad_int(b, TN_INT64, 1)),
                       TN_NO_ATTRS);
    const char *const like[] = {"OUTPUT_RAGGED_RANK"};
    int last = g->op->n_out - 1;
    tn_node where = tn_grad_op_like(g, "RaggedGather", in, n, like, 1);
    if (where.op) tn_grad_set_slices(g, values, tn_grad_dy(g, last), tn_output_of(where.op, last), shape);
    return TN_OK;
}

const tn_op tn_op_RaggedGather = {
    .name = "RaggedGather",
    .sig = "params_nested_splits:PARAMS_RAGGED_RANK*Tsplits params_dense_values:Tvalues indices:Tindices -> "
           "output_nested_splits:OUTPUT_RAGGED_RANK*Tsplits output_dense_values:Tvalues; Tvalues:type "
           "Tindices:type{int32,int64} Tsplits:type{int32,int64}=int64 PARAMS_RAGGED_RANK:int>=1 "
           "OUTPUT_RAGGED_RANK:int>=0",
    .infer = gather_infer,
    .run = gather_run,
    .grad = gather_grad,
    .dynamic = ~0u,
};
