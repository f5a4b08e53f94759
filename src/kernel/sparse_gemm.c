/* SPDX-License-Identifier: Apache-2.0
 *
 * sparse_gemm.c - products of a sparse matrix with a dense one: an element after the other, in the order
 * given. Rows of the result are summed up in the elements' order, so the same input gives the same bits.
 */
#include <complex.h>

#include "kernel.h"

#define SAME(x) (x)

/* One loop a type. b's row k when it is stored as it is used, else its column, conjugated where it is
 * complex. */
#define PRODUCT(Name, T, I, CONJ)                                                                         \
    static void Name##_##I(const tn_sparse_gemm *d, const void *index, const void *value, const void *bp, \
                           void *cp)                                                                      \
    {                                                                                                     \
        const I *at = index;                                                                              \
        const T *v = value, *b = bp;                                                                      \
        T *c = cp;                                                                                        \
        for (int64_t e = 0; e < d->count; e++) {                                                          \
            int64_t row = at[2 * e + d->adjoint_a], k = at[2 * e + !d->adjoint_a];                        \
            T x = d->adjoint_a ? CONJ(v[e]) : v[e], *to = c + row * d->cols;                              \
            if (d->adjoint_b)                                                                             \
                for (int64_t j = 0; j < d->cols; j++) to[j] += x * CONJ(b[j * d->inner + k]);             \
            else                                                                                          \
                for (int64_t j = 0; j < d->cols; j++) to[j] += x * b[k * d->cols + j];                    \
        }                                                                                                 \
    }
#define PRODUCTS(Name, T, CONJ)     \
    PRODUCT(Name, T, int32_t, CONJ) \
    PRODUCT(Name, T, int64_t, CONJ)
PRODUCTS(of_float, float, SAME)
PRODUCTS(of_double, double, SAME)
PRODUCTS(of_int32, uint32_t, SAME) /* wraps around */
PRODUCTS(of_int64, uint64_t, SAME)
PRODUCTS(of_complex64, float complex, conjf)
PRODUCTS(of_complex128, double complex, conj)

static tn_code check_indices(const tn_sparse_gemm *d, const void *index, tn_error *err)
{
    for (int64_t e = 0; e < 2 * d->count; e++) {
        int64_t v = d->index == TN_INT32 ? ((const int32_t *)index)[e] : ((const int64_t *)index)[e];
        int64_t most = (e & 1) != d->adjoint_a ? d->inner : d->rows;
        if (v < 0 || v >= most)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%c (%lld) from index[%lld,%lld] out of bounds (>=%lld)",
                           most == d->inner ? 'k' : 'm', (long long)v, (long long)(e / 2), (long long)(e & 1),
                           (long long)most);
    }
    return TN_OK;
}

tn_code tn_sparse_gemm_run(const tn_sparse_gemm *d, const void *index, const void *values, const void *b,
                           void *c, tn_error *err)
{
    bool wide = d->index == TN_INT64;
    TN_TRY(check_indices(d, index, err));
    memset(c, 0, (size_t)(d->rows * d->cols) * tn_dtype_size(d->dtype));
#define RUN(Name)                                                     \
    (wide ? Name##_int64_t : Name##_int32_t)(d, index, values, b, c); \
    return TN_OK
    switch ((int)d->dtype) {
    case TN_FLOAT: RUN(of_float);
    case TN_DOUBLE: RUN(of_double);
    case TN_INT32: RUN(of_int32);
    case TN_INT64: RUN(of_int64);
    case TN_COMPLEX64: RUN(of_complex64);
    case TN_COMPLEX128: RUN(of_complex128);
    default: return tn_fail(err, TN_UNIMPLEMENTED, "sparse products of %s", tn_dtype_name(d->dtype));
    }
#undef RUN
}
