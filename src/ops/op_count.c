/* SPDX-License-Identifier: Apache-2.0
 *
 * op_count.c - DenseCountSparseOutput, SparseCountSparseOutput, RaggedCountSparseOutput: how often each value
 * occurs in each row, as a sparse tensor in order.
 */
#include "sparse.h"

typedef struct found { /* an element: its row and value, as a point */
    int64_t row, value;
} found;

typedef struct counting {
    tn_run *r;
    tn_arena *arena;
    const tn_tensor *values, *weights;
    found *at;
    int64_t n, rows; /* rows -1: the result is a vector */
    int64_t least, most;
    bool binary;
} counting;

static tn_code begin(counting *c, const tn_tensor *values, const tn_tensor *weights, tn_error *err)
{
    c->values = values;
    c->weights = tn_tensor_count(weights) ? weights : NULL;
    c->least = tn_attr_i(c->r->attrs, "minlength");
    c->most = tn_attr_i(c->r->attrs, "maxlength");
    c->binary = tn_attr_b(c->r->attrs, "binary_output");
    c->n = tn_tensor_count(values);
    c->at = TN_ARRAY(c->arena, c->n + 1, found);
    if (!c->at) return tn_no_memory(err, (size_t)c->n * sizeof *c->at);
    if (!c->weights || tn_tensor_count(weights) == c->n) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Weights and values must have the same shape: %lld and %lld elements",
                   (long long)tn_tensor_count(weights), (long long)c->n);
}

static void add_weight(const counting *c, tn_tensor *out, int64_t at, int64_t element)
{
    if (c->binary)
        tn_tensor_set_number(out, at, 1);
    else if (out->dtype == TN_INT64)
        TN_INT64S(out)[at] += c->weights ? TN_INT64S(c->weights)[element] : 1;
    else
        tn_tensor_set_number(
            out, at, tn_tensor_number(out, at) + (c->weights ? tn_tensor_number(c->weights, element) : 1));
}

/* Values of no interest are given the row -1. */
static tn_code take_values(counting *c, int64_t *widest, tn_error *err)
{
    *widest = 0;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t v = c->at[i].value = tn_tensor_int(c->values, i);
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input values must all be non-negative");
        if (c->most >= 0 && v >= c->most)
            c->at[i].row = -1;
        else if (v >= *widest)
            *widest = v == INT64_MAX ? v : v + 1;
    }
    *widest = c->most >= 0 ? c->most : TN_MAX(*widest, c->least);
    return TN_OK;
}

static tn_code write_counts(counting *c, tn_error *err)
{
    int64_t *order, widest, n = 0, at = -1;
    int rank = c->rows < 0 ? 1 : 2;
    const int64_t *points = (const int64_t *)c->at, *last = NULL;
    TN_TRY(take_values(c, &widest, err));
    TN_TRY(tn_sparse_order(points, c->n, 2, NULL, 2, c->arena, &order, err));
    for (int64_t i = 0; i < c->n; i++) {
        const int64_t *p = points + 2 * order[i];
        n += p[0] >= 0 && (!last || tn_sparse_compare(last, p, NULL, 2));
        last = p;
    }
    TN_TRY(tn_sparse_output(c->r, 0, 1, n, rank, err));
    memset(c->r->out[1]->data, 0, tn_tensor_bytes(c->r->out[1]));
    last = NULL;
    for (int64_t i = 0; i < c->n; i++) {
        const int64_t *p = points + 2 * order[i];
        if (p[0] < 0) continue;
        if (!last || tn_sparse_compare(last, p, NULL, 2))
            memcpy(TN_INT64S(c->r->out[0]) + ++at * rank, p + (2 - rank), (size_t)rank * sizeof *p);
        add_weight(c, c->r->out[1], at, order[i]);
        last = p;
    }
    return tn_sparse_output_shape(c->r, 2, (int64_t[]){c->rows, widest} + (2 - rank), rank, err);
}

/* ==== where rows come from ==== */

static tn_code dense(tn_run *r, tn_arena *a, tn_error *err)
{
    counting c = {.r = r, .arena = a};
    const tn_shape *s = &r->in[0]->shape;
    if (s->rank != 1 && s->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be a 1 or 2-dimensional tensor. Got: %d",
                       s->rank);
    for (int k = 0; k < s->rank; k++)
        if (s->dim[k] == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid input: Shapes dimension cannot be 0.");
    if (tn_tensor_count(r->in[1]) && !tn_shape_equal(s, &r->in[1]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Weights and values must have the same shape.");
    TN_TRY(begin(&c, r->in[0], r->in[1], err));
    c.rows = s->rank == 2 ? s->dim[0] : -1;
    for (int64_t i = 0; s->rank == 2 && i < c.n; i++) c.at[i].row = i / s->dim[1];
    return write_counts(&c, err);
}
TN_RUN_IN_ARENA(dense_run, dense)

static tn_code sparse(tn_run *r, tn_arena *a, tn_error *err)
{
    counting c = {.r = r, .arena = a, .rows = -1};
    tn_sparse s;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    if (s.rank != 1 && s.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be a 1 or 2-dimensional tensor. Got: %d",
                       s.rank);
    TN_TRY(tn_sparse_check(&s, false, err));
    TN_TRY(begin(&c, r->in[1], r->in[3], err));
    if (s.rank == 2) c.rows = s.dim[0];
    for (int64_t i = 0; s.rank == 2 && i < c.n; i++) c.at[i].row = s.index[2 * i];
    return write_counts(&c, err);
}
TN_RUN_IN_ARENA(sparse_run, sparse)

static tn_code ragged(tn_run *r, tn_arena *a, tn_error *err)
{
    counting c = {.r = r, .arena = a};
    const int64_t *splits = TN_INT64S(r->in[0]);
    TN_TRY(begin(&c, r->in[1], r->in[2], err));
    c.rows = tn_tensor_count(r->in[0]) - 1;
    if (c.rows < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Must provide at least 1 split");
    if (splits[0] != 0 || splits[c.rows] != c.n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Splits must start with 0 and end with the number of values %lld", (long long)c.n);
    for (int64_t i = 0, row = 0; i < c.n; i++) {
        while (i >= splits[row + 1]) row++; /* the last one is c.n */
        c.at[i].row = row;
    }
    return write_counts(&c, err);
}
TN_RUN_IN_ARENA(ragged_run, ragged)

static tn_code count_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_sparse(c, 0, 1, 2, -1, -1);
    return TN_OK;
}

#define COUNT(Name, Run, In)                                                                                 \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = In " weights:output_type -> output_indices:int64 output_values:output_type "                  \
                  "output_dense_shape:int64; T:type{int32,int64} minlength:int>=-1=-1 maxlength:int>=-1=-1 " \
                  "binary_output:bool output_type:type{int32,int64,float,double}",                           \
        .infer = count_infer,                                                                                \
        .run = Run,                                                                                          \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),                                                        \
    }
COUNT(DenseCountSparseOutput, dense_run, "values:T");
COUNT(SparseCountSparseOutput, sparse_run, "indices:int64 values:T dense_shape:int64");
COUNT(RaggedCountSparseOutput, ragged_run, "splits:int64 values:T");
