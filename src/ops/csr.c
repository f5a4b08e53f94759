/* SPDX-License-Identifier: Apache-2.0
 *
 * csr.c - batches of sparse matrices by rows, as variants.
 */
#include "csr.h"

static void release(tn_variant *v)
{
    tn_csr *m = (tn_csr *)v;
    tn_tensor_unref(m->start);
    tn_tensor_unref(m->row_ptr);
    tn_tensor_unref(m->col);
    tn_tensor_unref(m->values);
    tn_free(m);
}

static tn_csr *empty(void)
{
    tn_csr *m = tn_calloc(1, sizeof *m);
    if (!m) return NULL;
    atomic_init(&m->head.refs, 1);
    m->head.release = release;
    m->head.depth = 1;
    return m;
}

static tn_code check_size(int rank, const int64_t *dim, int64_t n, tn_error *err)
{
    int64_t rows, batch = rank == 3 ? dim[0] : 1;
    if (rank != 2 && rank != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a sparse matrix must have rank 2 or 3, got %d", rank);
    if (batch < 1 || batch >= INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a batch of %lld sparse matrices", (long long)batch);
    if (dim[rank - 2] < 0 || dim[rank - 2] >= INT32_MAX || dim[rank - 1] < 0 || dim[rank - 1] > INT32_MAX ||
        n > INT32_MAX || (rows = batch * (dim[rank - 2] + 1)) > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "sparse matrices of %lld rows, %lld columns and %lld elements are larger than 32 bits count",
                       (long long)dim[rank - 2], (long long)dim[rank - 1], (long long)n);
    return TN_OK;
}

static tn_code allocate(tn_csr *m, tn_dtype t, int64_t n, tn_error *err)
{
    tn_shape start = tn_shape_vector(m->batch + 1), rows = tn_shape_vector(m->batch * (m->rows + 1)),
             all = tn_shape_vector(n);
    TN_TRY(tn_tensor_new(TN_INT32, &start, &m->start, err));
    TN_TRY(tn_tensor_new(TN_INT32, &rows, &m->row_ptr, err));
    TN_TRY(tn_tensor_alloc(TN_INT32, &all, &m->col, err));
    return tn_tensor_alloc(t, &all, &m->values, err);
}

tn_code tn_csr_new(tn_dtype t, int rank, const int64_t *dim, int64_t n, tn_csr **out, tn_error *err)
{
    TN_TRY(check_size(rank, dim, n, err));
    tn_csr *m = empty();
    if (!m) return tn_no_memory(err, sizeof *m);
    m->rank = rank;
    m->batch = rank == 3 ? dim[0] : 1;
    m->rows = dim[rank - 2];
    m->cols = dim[rank - 1];
    tn_code code = allocate(m, t, n, err);
    if (code) tn_csr_unref(m);
    else *out = m;
    return code;
}

tn_code tn_csr_with(const tn_csr *m, tn_tensor *values, tn_csr **out, tn_error *err)
{
    tn_csr *o = empty();
    if (!o) return tn_no_memory(err, sizeof *o);
    o->rank = m->rank;
    o->batch = m->batch;
    o->rows = m->rows;
    o->cols = m->cols;
    o->start = tn_tensor_ref(m->start);
    o->row_ptr = tn_tensor_ref(m->row_ptr);
    o->col = tn_tensor_ref(m->col);
    o->values = tn_tensor_ref(values);
    *out = o;
    return TN_OK;
}

const tn_csr *tn_csr_or_none(const tn_variant *v)
{
    return v && v->release == release ? (const tn_csr *)v : NULL;
}

tn_code tn_csr_of(const tn_tensor *t, tn_dtype type, const tn_csr **out, tn_error *err)
{
    const tn_csr *m = t->dtype == TN_VARIANT && tn_tensor_count(t) == 1 ? tn_csr_or_none(*(tn_variant **)t->data)
                                                                        : NULL;
    if (!m) return tn_fail(err, TN_INVALID_ARGUMENT, "the variant does not hold a CSR sparse matrix");
    if (type != TN_INVALID_DTYPE && m->values->dtype != type)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Asked for a CSRSparseMatrix of type %s but saw dtype: %s",
                       tn_dtype_name(type), tn_dtype_name(m->values->dtype));
    *out = m;
    return TN_OK;
}

void tn_csr_put(tn_run *r, int o, tn_csr *m)
{
    tn_variant **at = r->out[o]->data;
    if (*at) tn_variant_unref(*at);
    *at = &m->head;
}

void tn_csr_dims(const tn_csr *m, int64_t dim[3])
{
    dim[0] = m->batch;
    dim[m->rank - 2] = m->rows;
    dim[m->rank - 1] = m->cols;
}

/* ==== made row by row ==== */

tn_code tn_csr_append(tn_csr_row_buffer *b, int32_t col, double _Complex value, tn_error *err)
{
    if (b->n == INT32_MAX) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "a sparse matrix of too many elements");
    if (!TN_ROOM(b->arena, b->col, b->n, b->cap[0]) || !TN_ROOM(b->arena, b->value, b->n, b->cap[1]))
        return tn_no_memory(err, (size_t)b->n * sizeof *b->value);
    b->col[b->n] = col;
    b->value[b->n++] = value;
    return TN_OK;
}

tn_code tn_csr_numbers(const tn_csr *m, tn_arena *a, double _Complex **out, tn_error *err)
{
    int64_t n = tn_tensor_count(m->values);
    *out = TN_ARRAY(a, n + 1, double _Complex);
    if (!*out) return tn_no_memory(err, (size_t)n * sizeof **out);
    return tn_cast(m->values->dtype, TN_COMPLEX128, n, m->values->data, *out, false, 1, err);
}

tn_code tn_csr_of_rows(tn_dtype t, int rank, const int64_t *dim, const tn_csr_row_buffer *b, const int32_t *ends,
                       tn_csr **out, tn_error *err)
{
    tn_csr *m = NULL;
    TN_TRY(tn_csr_new(t, rank, dim, b->n, &m, err));
    for (int64_t k = 0; k < m->batch; k++) {
        int32_t *row = TN_INT32S(m->row_ptr) + k * (m->rows + 1), *start = TN_INT32S(m->start) + k;
        start[1] = m->rows ? ends[(k + 1) * m->rows - 1] : start[0];
        for (int64_t i = 0; i < m->rows; i++) row[i + 1] = ends[k * m->rows + i] - start[0];
    }
    if (b->n) memcpy(m->col->data, b->col, (size_t)b->n * sizeof *b->col);
    tn_code code = tn_cast(TN_COMPLEX128, t, b->n, b->value, m->values->data, false, 1, err);
    if (code) tn_csr_unref(m);
    else *out = m;
    return code;
}
