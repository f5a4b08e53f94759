/* SPDX-License-Identifier: Apache-2.0
 *
 * op_csr_math.c - CSR sparse matrices transposed and multiplied: SparseMatrixTranspose, -MatMul (with a dense one) and
 * -SparseMatMul. Products keep every element that could be there, zero or not.
 */
#include "csr.h"
#include "grad_csr.h"

/* What is done to an operand: two attributes of which one may be set. */
typedef struct side {
    bool swap, conj;
} side;

static tn_code side_of(const tn_run *r, const char *transpose, const char *adjoint, side *out, tn_error *err)
{
    bool t = tn_attr_b(r->attrs, transpose), a = tn_attr_b(r->attrs, adjoint);
    if (t && a) return tn_fail(err, TN_INVALID_ARGUMENT, "Only one of %s and %s may be true.", adjoint, transpose);
    *out = (side){t || a, a};
    return TN_OK;
}

static void conjugate(tn_dtype t, void *p, int64_t n)
{
    for (int64_t i = 0; i < n && t == TN_COMPLEX64; i++) ((float *)p)[2 * i + 1] = -((float *)p)[2 * i + 1];
    for (int64_t i = 0; i < n && t == TN_COMPLEX128; i++) ((double *)p)[2 * i + 1] = -((double *)p)[2 * i + 1];
}

tn_code tn_csr_conj_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = tn_tensor_count(r->in[0]) == 1 ? tn_csr_or_none(*(tn_variant **)r->in[0]->data) : NULL;
    tn_tensor *values = NULL;
    tn_csr *o = NULL;
    if (!m) return tn_fail(err, TN_INTERNAL, "Conj: the variant is no CSR sparse matrix");
    TN_TRY(tn_tensor_copy(m->values, &values, err));
    conjugate(values->dtype, values->data, tn_tensor_count(values));
    tn_code code = tn_csr_with(m, values, &o, err);
    tn_tensor_unref(values);
    if (!code) tn_csr_put(r, 0, o);
    return code;
}

/* ==== transposed ==== */

/* Matrix b of `from` into `to`, whose start is known: elements are counted by columns, then put there. */
static void transpose_one(const tn_csr *from, tn_csr *to, int64_t b)
{
    int32_t *row = TN_INT32S(to->row_ptr) + b * (to->rows + 1), first = TN_INT32S(to->start)[b];
    const int32_t *in_row = tn_csr_rows(from, b), *col = tn_csr_cols(from, b);
    size_t size = tn_dtype_size(to->values->dtype);
    for (int64_t k = 0; k < tn_csr_count(from, b); k++) row[col[k] + 1]++;
    for (int64_t i = 0; i < to->rows; i++) row[i + 1] += row[i];
    for (int64_t i = 0; i < from->rows; i++)
        for (int32_t k = in_row[i]; k < in_row[i + 1]; k++) {
            int32_t at = first + row[col[k]]++;
            TN_INT32S(to->col)[at] = (int32_t)i;
            memcpy((char *)to->values->data + (size_t)at * size,
                   (const char *)from->values->data + (size_t)(first + k) * size, size);
        }
    memmove(row + 1, row, (size_t)to->rows * sizeof *row); /* they have become where the next ones begin */
    row[0] = 0;
}

static tn_code transposed(const tn_csr *from, bool conj, tn_csr **out, tn_error *err)
{
    int64_t dim[3], n = tn_tensor_count(from->col);
    tn_csr *to = NULL;
    tn_csr_dims(from, dim);
    dim[from->rank - 2] = from->cols;
    dim[from->rank - 1] = from->rows;
    TN_TRY(tn_csr_new(from->values->dtype, from->rank, dim, n, &to, err));
    memcpy(to->start->data, from->start->data, (size_t)(from->batch + 1) * sizeof(int32_t));
    for (int64_t b = 0; b < from->batch; b++) transpose_one(from, to, b);
    if (conj) conjugate(to->values->dtype, to->values->data, n);
    *out = to;
    return TN_OK;
}

static tn_code transpose_run(tn_run *r, tn_error *err)
{
    const tn_csr *m = NULL;
    tn_csr *o = NULL;
    TN_TRY(tn_csr_of(r->in[0], tn_attr_t(r->attrs, "type"), &m, err));
    TN_TRY(transposed(m, tn_attr_b(r->attrs, "conjugate"), &o, err));
    tn_csr_put(r, 0, o);
    return TN_OK;
}

/* ==== times a dense matrix ==== */

typedef struct product {
    const tn_csr *a;
    const tn_tensor *b;
    side on_a, on_b, on_out;
    tn_sparse_gemm d;      /* of one matrix; its count is the matrix's */
    int32_t *index;        /* row and column of each element */
    const char *values, *dense; /* conjugated where that is not a part of adjoining */
    char *made;            /* before it is transposed; NULL: the output itself */
} product;

static tn_code check_product(product *p, tn_error *err)
{
    const tn_shape *b = &p->b->shape;
    char text[96];
    if (b->rank != p->a->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Ranks of a and b must match, saw: %d vs. %d.", p->a->rank, b->rank);
    if (b->rank == 3 && b->dim[0] != p->a->batch)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Batch sizes of a and b must match, saw: %lld vs. %lld.",
                       (long long)p->a->batch, (long long)b->dim[0]);
    p->d = (tn_sparse_gemm){.dtype = p->b->dtype, .index = TN_INT32, .rows = p->on_a.swap ? p->a->cols : p->a->rows,
                            .inner = p->on_a.swap ? p->a->rows : p->a->cols,
                            .cols = b->dim[p->on_b.swap ? b->rank - 2 : b->rank - 1],
                            .adjoint_a = p->on_a.swap, .adjoint_b = p->on_b.swap};
    if (p->d.inner == b->dim[p->on_b.swap ? b->rank - 1 : b->rank - 2]) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Inner product dimensions of A and B do not agree.  Shapes are: [%lld,%lld] vs. %s",
                   (long long)p->a->rows, (long long)p->a->cols, tn_shape_text(b, text, sizeof text));
}

/* The tensor's elements, conjugated in a copy where swapping (which the product does with conjugating) should not. */
static tn_code operand(const tn_tensor *t, side s, tn_arena *a, const char **out, tn_error *err)
{
    size_t bytes = (size_t)tn_tensor_count(t) * tn_dtype_size(t->dtype);
    *out = t->data;
    if (!tn_dtype_is_complex(t->dtype) || !s.swap || s.conj || !bytes) return TN_OK;
    char *copy = tn_arena_alloc(a, bytes);
    if (!copy) return tn_no_memory(err, bytes);
    memcpy(copy, t->data, bytes);
    conjugate(t->dtype, copy, tn_tensor_count(t));
    *out = copy;
    return TN_OK;
}

static tn_code find_index(product *p, tn_arena *a, tn_error *err)
{
    int32_t *at = p->index = tn_arena_array(a, (size_t)tn_tensor_count(p->a->col) + 1, 2 * sizeof *p->index);
    const int32_t *col = TN_INT32S(p->a->col);
    if (!at) return tn_no_memory(err, (size_t)tn_tensor_count(p->a->col) * 2 * sizeof *at);
    for (int64_t b = 0; b < p->a->batch; b++) {
        const int32_t *row = tn_csr_rows(p->a, b);
        for (int64_t i = 0; i < p->a->rows; i++)
            for (int32_t k = row[i]; k < row[i + 1]; k++) {
                *at++ = (int32_t)i;
                *at++ = *col++;
            }
    }
    return TN_OK;
}

/* to[n, m] = from[m, n]. */
static void swap_dense(const char *from, char *to, int64_t m, int64_t n, size_t size)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t k = 0; k < n; k++)
            memcpy(to + (size_t)(k * m + i) * size, from + (size_t)(i * n + k) * size, size);
}

static tn_code multiply(tn_run *r, product *p, tn_error *err)
{
    size_t size = tn_dtype_size(p->d.dtype);
    int64_t in = p->d.inner * p->d.cols, out = p->d.rows * p->d.cols;
    char *to = r->out[0]->data;
    for (int64_t b = 0; b < p->a->batch; b++) {
        int64_t first = TN_INT32S(p->a->start)[b];
        char *here = to + (size_t)(b * out) * size;
        p->d.count = tn_csr_count(p->a, b);
        TN_TRY(tn_sparse_gemm_run(&p->d, p->index + 2 * first, p->values + (size_t)first * size,
                                  p->dense + (size_t)(b * in) * size, p->made ? p->made : here, err));
        if (p->made) swap_dense(p->made, here, p->d.rows, p->d.cols, size);
    }
    if (p->on_out.conj) conjugate(p->d.dtype, to, tn_tensor_count(r->out[0]));
    return TN_OK;
}

static tn_code matmul(tn_run *r, tn_arena *a, tn_error *err)
{
    product p = {.b = r->in[1]};
    p.on_out = (side){tn_attr_b(r->attrs, "transpose_output"), tn_attr_b(r->attrs, "conjugate_output")};
    TN_TRY(side_of(r, "transpose_a", "adjoint_a", &p.on_a, err));
    TN_TRY(side_of(r, "transpose_b", "adjoint_b", &p.on_b, err));
    TN_TRY(tn_csr_of(r->in[0], r->in[1]->dtype, &p.a, err));
    TN_TRY(check_product(&p, err));
    tn_shape s = {.rank = p.a->rank};
    s.dim[0] = p.a->batch;
    s.dim[s.rank - 2] = p.on_out.swap ? p.d.cols : p.d.rows;
    s.dim[s.rank - 1] = p.on_out.swap ? p.d.rows : p.d.cols;
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(operand(p.a->values, p.on_a, a, &p.values, err));
    TN_TRY(operand(p.b, p.on_b, a, &p.dense, err));
    TN_TRY(find_index(&p, a, err));
    if (p.on_out.swap && !(p.made = tn_arena_array(a, (size_t)(p.d.rows * p.d.cols) + 1, tn_dtype_size(p.d.dtype))))
        return tn_no_memory(err, (size_t)(p.d.rows * p.d.cols) * tn_dtype_size(p.d.dtype));
    return multiply(r, &p, err);
}
TN_RUN_IN_ARENA(matmul_run, matmul)

/* ==== times a sparse matrix ==== */

typedef struct sparse_product {
    const tn_csr *a, *b;
    const double _Complex *x, *y; /* their values */
    double _Complex *sum;         /* of a row, by column */
    int32_t *seen;                /* by column: the last row, counted from 1, that has it */
    int32_t *cols;                /* of a row, in the order in which they were met */
    tn_csr_row_buffer made;
    int32_t *ends;
} sparse_product;

static int by_number(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

static tn_code product_row(sparse_product *p, int64_t b, int64_t i, int32_t stamp, tn_error *err)
{
    const int32_t *rows = tn_csr_rows(p->a, b), *of_b = tn_csr_rows(p->b, b), *cols = tn_csr_cols(p->b, b);
    int64_t first = TN_INT32S(p->a->start)[b], base = TN_INT32S(p->b->start)[b];
    size_t n = 0;
    for (int64_t k = first + rows[i]; k < first + rows[i + 1]; k++) {
        int32_t inner = TN_INT32S(p->a->col)[k];
        for (int32_t j = of_b[inner]; j < of_b[inner + 1]; j++) {
            int32_t c = cols[j];
            double _Complex term = tn_csr_times(p->x[k], p->y[base + j]);
            if (p->seen[c] != stamp) p->cols[n++] = c;
            p->sum[c] = p->seen[c] == stamp ? p->sum[c] + term : term;
            p->seen[c] = stamp;
        }
    }
    qsort(p->cols, n, sizeof *p->cols, by_number);
    for (size_t k = 0; k < n; k++) TN_TRY(tn_csr_append(&p->made, p->cols[k], p->sum[p->cols[k]], err));
    return TN_OK;
}

static tn_code multiply_sparse(tn_run *r, const tn_csr *a, const tn_csr *b, tn_arena *arena, tn_csr **out,
                               tn_error *err)
{
    sparse_product p = {.a = a, .b = b, .made.arena = arena};
    int64_t dim[3] = {a->batch}, rows = a->batch * a->rows;
    TN_TRY(tn_csr_numbers(a, arena, (double _Complex **)&p.x, err));
    TN_TRY(tn_csr_numbers(b, arena, (double _Complex **)&p.y, err));
    p.sum = TN_ARRAY(arena, b->cols + 1, double _Complex);
    p.seen = TN_ARRAY(arena, b->cols + 1, int32_t);
    p.cols = TN_ARRAY(arena, b->cols + 1, int32_t);
    p.ends = TN_ARRAY(arena, rows + 1, int32_t);
    if (!p.sum || !p.seen || !p.cols || !p.ends) return tn_no_memory(err, (size_t)b->cols * sizeof *p.sum);
    for (int64_t i = 0; i < rows; i++) {
        if (i % 64 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "cancelled");
        TN_TRY(product_row(&p, i / a->rows, i % a->rows, (int32_t)(i + 1), err));
        p.ends[i] = p.made.n;
    }
    dim[a->rank - 2] = a->rows;
    dim[a->rank - 1] = b->cols;
    return tn_csr_of_rows(a->values->dtype, a->rank, dim, &p.made, p.ends, out, err);
}

/* The operand as it is, or another in its place, which has to be dropped. */
static tn_code swapped(const tn_csr *m, side s, tn_csr **made, const tn_csr **out, tn_error *err)
{
    *out = m;
    if (!s.swap) return TN_OK;
    TN_TRY(transposed(m, s.conj, made, err));
    *out = *made;
    return TN_OK;
}

static tn_code check_sparse(const tn_csr *a, const tn_csr *b, side on_a, side on_b, tn_error *err)
{
    if (a->batch != b->batch || a->rank != b->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Batch sizes of A and B do not agree.  Batch sizes are: %lld vs. %lld",
                       (long long)a->batch, (long long)b->batch);
    if ((on_a.swap ? a->rows : a->cols) == (on_b.swap ? b->cols : b->rows)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Inner product dimensions of A and B do not agree.  Shapes are: [%lld,%lld] vs. [%lld,%lld]",
                   (long long)a->rows, (long long)a->cols, (long long)b->rows, (long long)b->cols);
}

static tn_code sparse_matmul(tn_run *r, tn_arena *arena, tn_error *err)
{
    const tn_csr *a = NULL, *b = NULL;
    tn_csr *other_a = NULL, *other_b = NULL, *o = NULL;
    tn_dtype t = tn_attr_t(r->attrs, "type");
    side on_a = {false, false}, on_b = {false, false};
    TN_TRY(side_of(r, "transpose_a", "adjoint_a", &on_a, err));
    TN_TRY(side_of(r, "transpose_b", "adjoint_b", &on_b, err));
    TN_TRY(tn_csr_of(r->in[0], t, &a, err));
    TN_TRY(tn_csr_of(r->in[1], t, &b, err));
    TN_TRY(check_sparse(a, b, on_a, on_b, err));
    tn_code code = swapped(a, on_a, &other_a, &a, err);
    if (!code) code = swapped(b, on_b, &other_b, &b, err);
    if (!code) code = multiply_sparse(r, a, b, arena, &o, err);
    if (other_a) tn_csr_unref(other_a);
    if (other_b) tn_csr_unref(other_b);
    if (!code) tn_csr_put(r, 0, o);
    return code;
}
TN_RUN_IN_ARENA(sparse_matmul_run, sparse_matmul)

/* ==== records ==== */

#define T4 "type{float,double,complex64,complex128}"
#define SIDES "transpose_a:bool=false transpose_b:bool=false adjoint_a:bool=false adjoint_b:bool=false"

const tn_op tn_op_SparseMatrixTranspose = {
    .name = "SparseMatrixTranspose",
    .sig = "input:variant -> output:variant; conjugate:bool=false type:" T4,
    .infer = tn_infer_scalar,
    .run = transpose_run,
    .grad = tn_grad_csr_transpose,
};

const tn_op tn_op_SparseMatrixMatMul = {
    .name = "SparseMatrixMatMul",
    .sig = "a:variant b:T -> output:T; T:type " SIDES " transpose_output:bool=false conjugate_output:bool=false",
    .infer = tn_infer_none,
    .run = matmul_run,
    .grad = tn_grad_csr_product,
    .dynamic = TN_BIT(0),
};

const tn_op tn_op_SparseMatrixSparseMatMul = {
    .name = "SparseMatrixSparseMatMul",
    .sig = "a:variant b:variant -> c:variant; type:" T4 " " SIDES,
    .infer = tn_infer_scalar,
    .run = sparse_matmul_run,
    .grad = tn_grad_csr_sparse_product,
};
