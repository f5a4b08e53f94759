/* SPDX-License-Identifier: Apache-2.0
 *
 * op_bincount.c - Bincount, DenseBincount, SparseBincount and RaggedBincount: how often each of the numbers
 * 0 .. size - 1 occurs, in all or in each row, weighted or only whether. Numbers that are too large are not
 * counted.
 */
#include "op_math.h"
#include "sparse.h"

typedef struct counting {
    int64_t rows, columns, size;
    bool weighted, binary;
} counting;

static tn_code bincount_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    bool dense = !strcmp(c->op->name, "DenseBincount");
    int64_t size = -1;
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    if (dense && in->rank > 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be at most rank 2 but is rank %d", in->rank);
    if (tn_infer_int(c, 1, &size) && size < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size (%lld) must be non-negative", (long long)size);
    if (dense && in->rank < 0) return TN_OK;
    c->out[0].shape = tn_shape_vector(size);
    if (dense && in->rank == 2) c->out[0].shape = (tn_shape){.rank = 2, .dim = {in->dim[0], size}};
    return TN_OK;
}

static tn_code bincount_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, counting, c);
    const tn_shape *in = &p->in[0]->shape, *w = &p->in[2]->shape, *out = &p->out[0]->shape;
    char text[160];
    c->rows = out->rank == 2 ? out->dim[0] : 1;
    c->size = out->dim[out->rank - 1];
    c->columns = out->rank == 2 ? in->dim[1] : tn_shape_count(in);
    c->weighted = tn_shape_count(w) > 0;
    tn_attr_get_bool(p->attrs, "binary_output", &c->binary);
    if (!c->weighted || tn_shape_equal(in, w)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which "
                   "case it acts as all weights equal to 1. Received %s",
                   tn_shape_text(w, text, sizeof text));
}

/* Element i of the weights, for that bin. */
static void count_one(const counting *c, tn_tensor *out, const tn_tensor *weights, int64_t i, int64_t bin)
{
    double seen = tn_tensor_number(out, bin);
    if (c->binary)
        tn_tensor_set_number(out, bin, 1);
    else if (out->dtype == TN_INT64)
        TN_INT64S(out)[bin] += c->weighted ? TN_INT64S(weights)[i] : 1;
    else
        tn_tensor_set_number(out, bin, seen + (c->weighted ? tn_tensor_number(weights, i) : 1));
}

static tn_code bincount_run(tn_run *r, tn_error *err)
{
    const counting *c = r->params;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < c->rows * c->columns; i++) {
        int64_t v = tn_tensor_int(r->in[0], i);
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input arr must be non-negative!");
        if (v < c->size) count_one(c, r->out[0], r->in[2], i, i / c->columns * c->size + v);
    }
    return TN_OK;
}

#define COUNT(Name, Sig)             \
    const tn_op tn_op_##Name = {     \
        .name = #Name,               \
        .sig = Sig,                  \
        .infer = bincount_infer,     \
        .prepare = bincount_prepare, \
        .run = bincount_run,         \
        .values = TN_BIT(1),         \
    }
COUNT(Bincount, "arr:int32 size:int32 weights:T -> bins:T; T:type{int32,int64,float,double}");
COUNT(DenseBincount, "input:Tidx size:Tidx weights:T -> output:T; Tidx:type{int32,int64} "
                     "T:type{int32,int64,float,double} binary_output:bool=false");

/* ==== rows by indices or splits ==== */

static tn_code check_weights(const tn_tensor *weights, int64_t n, counting *c, tn_error *err)
{
    int64_t have = tn_tensor_count(weights);
    c->weighted = have > 0;
    if (have == 0 || have == n) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "`weights` must be empty or have %lld elements, not %lld",
                   (long long)n, (long long)have);
}

static tn_code begin(tn_run *r, const tn_tensor *size, counting *c, bool rows, tn_error *err)
{
    tn_shape s = {.rank = rows ? 2 : 1, .dim = {c->rows}};
    TN_TRY(tn_int_of(size, "size", &c->size, err));
    if (c->size < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size (%lld) must be non-negative", (long long)c->size);
    c->binary = tn_attr_b(r->attrs, "binary_output");
    s.dim[s.rank - 1] = c->size;
    TN_TRY(tn_run_output(r, 0, &s, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

static tn_code sparse_run(tn_run *r, tn_error *err)
{
    tn_sparse s;
    counting c = {0};
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    if (s.rank != 1 && s.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must be of rank 1 or 2, got %d", s.rank);
    TN_TRY(tn_sparse_check(&s, false, err));
    TN_TRY(check_weights(r->in[4], s.n, &c, err));
    c.rows = s.dim[0];
    TN_TRY(begin(r, r->in[3], &c, s.rank == 2, err));
    for (int64_t i = 0; i < s.n; i++) {
        int64_t v = tn_tensor_int(s.values, i), row = s.rank == 2 ? s.index[2 * i] : 0;
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be non-negative");
        if (v < c.size) count_one(&c, r->out[0], r->in[4], i, row * c.size + v);
    }
    return TN_OK;
}

static tn_code ragged_run(tn_run *r, tn_error *err)
{
    const tn_tensor *splits = r->in[0], *values = r->in[1];
    int64_t n = tn_tensor_count(values);
    counting c = {.rows = tn_tensor_count(splits) - 1};
    if (c.rows < 0 || TN_INT64S(splits)[0] != 0 || TN_INT64S(splits)[c.rows] != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Splits must start with 0 and end with the number of values %lld", (long long)n);
    TN_TRY(check_weights(r->in[3], n, &c, err));
    TN_TRY(begin(r, r->in[2], &c, true, err));
    for (int64_t i = 0, row = 0; i < n; i++) {
        int64_t v = tn_tensor_int(values, i);
        while (i >= TN_INT64S(splits)[row + 1]) row++; /* the last one is n */
        if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input must be non-negative");
        if (v < c.size) count_one(&c, r->out[0], r->in[3], i, row * c.size + v);
    }
    return TN_OK;
}

static tn_code rows_infer(tn_infer *c, tn_error *err)
{
    bool ragged = c->n_in == 4;
    const tn_shape *s = &c->in[ragged ? 0 : 2]->shape;
    int64_t size = -1;
    TN_TRY(tn_infer_rank(c, ragged ? 2 : 3, 0, err));
    if (tn_infer_int(c, ragged ? 2 : 3, &size) && size < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size (%lld) must be non-negative", (long long)size);
    if (!ragged && (s->rank != 1 || s->dim[0] < 0)) return TN_OK;
    if (!ragged && s->dim[0] == 1)
        c->out[0].shape = tn_shape_vector(size);
    else
        c->out[0].shape = (tn_shape){.rank = 2, .dim = {-1, size}};
    return TN_OK;
}

#define COUNT_ROWS(Name, Run, Sig)                                              \
    const tn_op tn_op_##Name = {                                                \
        .name = #Name,                                                          \
        .sig = Sig " size:Tidx weights:T -> output:T; Tidx:type{int32,int64} "  \
                   "T:type{int32,int64,float,double} binary_output:bool=false", \
        .infer = rows_infer,                                                    \
        .run = Run,                                                             \
        .dynamic = TN_BIT(0),                                                   \
    }
COUNT_ROWS(SparseBincount, sparse_run, "indices:int64 values:Tidx dense_shape:int64");
COUNT_ROWS(RaggedBincount, ragged_run, "splits:int64 values:Tidx");
