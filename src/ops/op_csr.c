/* SPDX-License-Identifier: Apache-2.0
 *
 * op_csr.c - CSR sparse matrices and what they are made of and become: sparse tensors, dense ones, their parts.
 * Elements must come in order; those of a row that do not keep the place they came in. Gradients are grad_csr.c's.
 */
#include "csr.h"
#include "grad_csr.h"

static tn_dtype type_attr(const tn_run *r)
{
    return tn_attr_t(r->attrs, "type");
}

/* ==== made ==== */

/* Puts the columns and counts elements by rows. */
static tn_code put_columns(tn_csr *m, const tn_sparse *s, tn_error *err)
{
    int32_t *rows = TN_INT32S(m->row_ptr), *start = TN_INT32S(m->start);
    int64_t last = 0;
    for (int64_t i = 0; i < s->n; i++) {
        const int64_t *p = s->index + i * s->rank;
        int64_t b = s->rank == 3 ? p[0] : 0;
        if (b < last)
            return tn_fail(err, TN_INVALID_ARGUMENT, "element %lld of a sparse tensor is out of order",
                           (long long)i);
        last = b;
        start[b + 1]++;
        rows[b * (m->rows + 1) + p[s->rank - 2] + 1]++;
        TN_INT32S(m->col)[i] = (int32_t)p[s->rank - 1];
    }
    for (int64_t b = 0; b < m->batch; b++) {
        start[b + 1] += start[b];
        for (int64_t k = b * (m->rows + 1); k < b * (m->rows + 1) + m->rows; k++) rows[k + 1] += rows[k];
    }
    return TN_OK;
}

static tn_code of_indices(const tn_sparse *s, tn_dtype t, tn_csr **out, tn_error *err)
{
    tn_csr *m = NULL;
    if (s->rank != 2 && s->rank != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "SparseTensor must have rank 2 or 3; but indices has rank: %d",
                       s->rank);
    TN_TRY(tn_sparse_check(s, false, err));
    TN_TRY(tn_csr_new(t, s->rank, s->dim, s->n, &m, err));
    tn_code code = put_columns(m, s, err);
    if (code) tn_csr_unref(m);
    else *out = m;
    return code;
}

static tn_code from_sparse_run(tn_run *r, tn_error *err)
{
    tn_sparse s;
    tn_csr *m = NULL;
    TN_TRY(tn_sparse_read(r, 0, &s, err));
    TN_TRY(of_indices(&s, r->in[1]->dtype, &m, err));
    if (s.n) memcpy(m->values->data, r->in[1]->data, (size_t)s.n * tn_dtype_size(r->in[1]->dtype));
    tn_csr_put(r, 0, m);
    return TN_OK;
}

static tn_code from_dense_run(tn_run *r, tn_error *err)
{
    const tn_tensor *dense = r->in[0], *index = r->in[1];
    size_t size = tn_dtype_size(dense->dtype);
    tn_csr *m = NULL;
    if (index->shape.rank != 2 || index->shape.dim[1] != dense->shape.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "indices.shape[1] must match rank of dense, %d", dense->shape.rank);
    tn_sparse s = {.indices = index, .index = TN_INT64S(index), .dim = dense->shape.dim, .n = index->shape.dim[0],
                   .rank = dense->shape.rank};
    TN_TRY(of_indices(&s, dense->dtype, &m, err));
    for (int64_t i = 0; i < s.n; i++)
        memcpy((char *)m->values->data + (size_t)i * size,
               (const char *)dense->data + (size_t)tn_sparse_place(&s, i) * size, size);
    tn_csr_put(r, 0, m);
    return TN_OK;
}

/* ==== taken apart ==== */

static tn_code to_dense_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = NULL;
    int64_t at = 0;
    TN_TRY(tn_csr_of(r->in[0], type_attr(r), &m, err));
    tn_shape s = {.rank = m->rank};
    size_t size = tn_dtype_size(m->values->dtype);
    tn_csr_dims(m, s.dim);
    TN_TRY(tn_run_output(r, 0, &s, err));
    memset(r->out[0]->data, 0, (size_t)tn_tensor_count(r->out[0]) * size);
    for (int64_t b = 0; b < m->batch; b++) {
        const int32_t *row = tn_csr_rows(m, b);
        for (int64_t i = 0; i < m->rows; i++)
            for (int32_t k = row[i]; k < row[i + 1]; k++, at++)
                memcpy((char *)r->out[0]->data + (size_t)((b * m->rows + i) * m->cols + TN_INT32S(m->col)[at]) * size,
                       (const char *)m->values->data + (size_t)at * size, size);
    }
    return TN_OK;
}

static tn_code to_sparse_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = NULL;
    int64_t dim[3], at = 0;
    TN_TRY(tn_csr_of(r->in[0], type_attr(r), &m, err));
    tn_csr_dims(m, dim);
    tn_shape s = {.rank = 2, .dim = {tn_tensor_count(m->col), m->rank}};
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output_share(r, 1, m->values, err));
    TN_TRY(tn_sparse_output_shape(r, 2, dim, m->rank, err));
    int64_t *p = TN_INT64S(r->out[0]);
    for (int64_t b = 0; b < m->batch; b++) {
        const int32_t *row = tn_csr_rows(m, b);
        for (int64_t i = 0; i < m->rows; i++)
            for (int32_t k = row[i]; k < row[i + 1]; k++, at++, p += m->rank) {
                p[0] = b;
                p[m->rank - 2] = i;
                p[m->rank - 1] = TN_INT32S(m->col)[at];
            }
    }
    return TN_OK;
}

/* n elements of t from `from` on as output o. */
static tn_code part(tn_run *r, int o, const tn_tensor *t, int64_t from, int64_t n, tn_error *err)
{
    tn_shape s = tn_shape_vector(n);
    TN_TRY(tn_run_output(r, o, &s, err));
    return tn_move_row(r->out[o], 0, t, from, n, err);
}

static tn_code components_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = NULL;
    int64_t b;
    TN_TRY(tn_csr_of(r->in[0], type_attr(r), &m, err));
    TN_TRY(tn_int_of(r->in[1], "index", &b, err));
    if (b < 0 || b >= m->batch)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "'index' must be less than the batch size and not negative: %lld of %lld", (long long)b,
                       (long long)m->batch);
    int64_t first = TN_INT32S(m->start)[b], n = tn_csr_count(m, b);
    TN_TRY(part(r, 0, m->row_ptr, b * (m->rows + 1), m->rows + 1, err));
    TN_TRY(part(r, 1, m->col, first, n, err));
    return part(r, 2, m->values, first, n, err);
}

static tn_code nnz_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = NULL;
    TN_TRY(tn_csr_of(r->in[0], TN_INVALID_DTYPE, &m, err));
    tn_shape s = {.rank = m->rank - 2, .dim = {m->batch}};
    TN_TRY(tn_run_output(r, 0, &s, err));
    for (int64_t b = 0; b < m->batch; b++) TN_INT32S(r->out[0])[b] = (int32_t)tn_csr_count(m, b);
    return TN_OK;
}

/* ==== records ==== */

static tn_code to_sparse_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_sparse(c, 0, 1, 2, -1, -1);
    return TN_OK;
}

static tn_code components_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    for (int o = 0; o < 3; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

#define T4 "type{float,double,complex64,complex128}"
#define CSR_OP(Name, Sig, Infer, Run, ...)                                                             \
    const tn_op tn_op_##Name = {.name = #Name, .sig = Sig, .infer = Infer, .run = Run, __VA_ARGS__}
CSR_OP(SparseTensorToCSRSparseMatrix, "indices:int64 values:T dense_shape:int64 -> sparse_matrix:variant; T:" T4,
       tn_infer_scalar, from_sparse_run, .grad = tn_grad_csr_from_sparse);
CSR_OP(DenseToCSRSparseMatrix, "dense_input:T indices:int64 -> sparse_output:variant; T:" T4, tn_infer_scalar,
       from_dense_run, .grad = tn_grad_csr_from_dense);
CSR_OP(CSRSparseMatrixToDense, "sparse_input:variant -> dense_output:type; type:" T4, tn_infer_none, to_dense_run,
       .grad = tn_grad_csr_to_dense, .dynamic = TN_BIT(0));
CSR_OP(CSRSparseMatrixToSparseTensor,
       "sparse_matrix:variant -> indices:int64 values:type dense_shape:int64; type:" T4, to_sparse_infer,
       to_sparse_run, .grad = tn_grad_csr_to_sparse, .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2));
CSR_OP(CSRSparseMatrixComponents,
       "csr_sparse_matrix:variant index:int32 -> row_ptrs:int32 col_inds:int32 values:type; type:" T4,
       components_infer, components_run, .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2));
CSR_OP(SparseMatrixNNZ, "sparse_matrix:variant -> nnz:int32;", tn_infer_none, nnz_run, .flags = TN_NO_GRADIENT,
       .dynamic = TN_BIT(0));
