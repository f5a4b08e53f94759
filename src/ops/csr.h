/* SPDX-License-Identifier: Apache-2.0
 *
 * csr.h - batches of sparse matrices by rows, as variants: made, read, checked. What is computed with them is the
 * op_csr*.c files'.
 *
 * Invariants: one never changes once it is an operator's result. Of each matrix row_ptr begins with 0, does not
 * descend, and ends with the number of its elements; columns lie in [0, cols).
 */
#ifndef TN_OPS_CSR_H
#define TN_OPS_CSR_H

#include "sparse.h"

#include <complex.h>

typedef struct tn_csr {
    tn_variant head;
    int rank; /* 2: one matrix; 3: a batch */
    int64_t batch, rows, cols;
    tn_tensor *start;   /* int32 [batch + 1]: where each matrix's elements begin */
    tn_tensor *row_ptr; /* int32 [batch * (rows + 1)]: where each row's begin, within the matrix */
    tn_tensor *col;     /* int32 [elements] */
    tn_tensor *values;  /* float, double, complex64 or complex128 [elements] */
} tn_csr;

/* Of that dense shape, with no element yet: start and row_ptr are zeros, col and values of n elements. */
tn_code tn_csr_new(tn_dtype t, int rank, const int64_t *dim, int64_t n, tn_csr **out, tn_error *err);
/* The matrix in a scalar variant. INVALID_ARGUMENT: it is none, or not of the dtype (TN_INVALID_DTYPE: any). */
tn_code tn_csr_of(const tn_tensor *t, tn_dtype type, const tn_csr **out, tn_error *err);
const tn_csr *tn_csr_or_none(const tn_variant *v);
/* Output o becomes m (taken). */
void tn_csr_put(tn_run *r, int o, tn_csr *m);
static inline void tn_csr_unref(tn_csr *m)
{
    tn_variant_unref(&m->head);
}
/* Another one with the same structure and other values (a reference is taken). */
tn_code tn_csr_with(const tn_csr *m, tn_tensor *values, tn_csr **out, tn_error *err);

static inline const int32_t *tn_csr_rows(const tn_csr *m, int64_t b)
{
    return TN_INT32S(m->row_ptr) + b * (m->rows + 1);
}
static inline const int32_t *tn_csr_cols(const tn_csr *m, int64_t b)
{
    return TN_INT32S(m->col) + TN_INT32S(m->start)[b];
}
static inline int64_t tn_csr_count(const tn_csr *m, int64_t b)
{
    return TN_INT32S(m->start)[b + 1] - TN_INT32S(m->start)[b];
}
/* The dense shape, 2 or 3 numbers. */
void tn_csr_dims(const tn_csr *m, int64_t dim[3]);

tn_code tn_csr_conj_run(tn_run *r, tn_error *err); /* Conj of a variant */

/* Elements of a matrix that is being made, all of them complex numbers of double precision. */
typedef struct tn_csr_row_buffer {
    tn_arena *arena;
    int32_t *col;
    double _Complex *value;
    int n, cap[2];
} tn_csr_row_buffer;
tn_code tn_csr_append(tn_csr_row_buffer *b, int32_t col, double _Complex value, tn_error *err);
/* Values of m as such numbers, in the arena. */
tn_code tn_csr_numbers(const tn_csr *m, tn_arena *a, double _Complex **out, tn_error *err);
/* The matrix of dense shape dim that has these elements; ends[batch * rows]: how many there are after each row. */
tn_code tn_csr_of_rows(tn_dtype t, int rank, const int64_t *dim, const tn_csr_row_buffer *b, const int32_t *ends,
                       tn_csr **out, tn_error *err);
static inline double _Complex tn_csr_times(double _Complex x, double _Complex y)
{
    return __builtin_complex(creal(x) * creal(y) - cimag(x) * cimag(y), creal(x) * cimag(y) + cimag(x) * creal(y));
}

#endif
