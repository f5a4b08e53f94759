/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_product.c - rows of matrix products of integers (wrapping around) and complex numbers, for one level of
 * instructions. Long rows and sums are done a piece at a time, so that the piece of b stays near.
 */
#include "gemm.h"
#include "isa.h"

enum { TERMS = 128, COLUMNS = 256 };

/* Two halves of a complex number, so that the compiler sees plain sums. */
#define DEFINE_COMPLEX(C, R)                                                                                 \
    typedef struct C {                                                                                       \
        R re, im;                                                                                            \
    } C;                                                                                                     \
    static inline C C##_of(C x, bool conjugate)                                                              \
    {                                                                                                        \
        return (C){x.re, conjugate ? -x.im : x.im};                                                          \
    }                                                                                                        \
    /* c += the sum of x[l] b[l] */                                                                          \
    static void add_##C(int64_t n, int64_t terms, const C *x, const C *b, int64_t ldb, bool conjugate, C *c) \
    {                                                                                                        \
        const R sign = conjugate ? -1 : 1;                                                                   \
        for (int64_t l = 0; l < terms; l++) {                                                                \
            const C *restrict row = b + l * ldb;                                                             \
            C *restrict to = c;                                                                              \
            const R re = x[l].re, im = x[l].im, sre = sign * re, sim = sign * im;                            \
            for (int64_t j = 0; j < n; j++) {                                                                \
                to[j].re += re * row[j].re - sim * row[j].im;                                                \
                to[j].im += sre * row[j].im + im * row[j].re;                                                \
            }                                                                                                \
        }                                                                                                    \
    }                                                                                                        \
    static void dot_##C(int64_t n, const C *x, const C *b, bool conjugate, C *c)                             \
    {                                                                                                        \
        const R sign = conjugate ? -1 : 1;                                                                   \
        R re = 0, im = 0;                                                                                    \
        _Pragma("omp simd reduction(+ : re, im)") for (int64_t l = 0; l < n; l++)                            \
        {                                                                                                    \
            re += x[l].re * b[l].re - sign * x[l].im * b[l].im;                                              \
            im += sign * x[l].re * b[l].im + x[l].im * b[l].re;                                              \
        }                                                                                                    \
        c->re += re;                                                                                         \
        c->im += im;                                                                                         \
    }
#define DEFINE_INTEGER(T)                                                                                      \
    static inline T T##_of(T x, bool conjugate)                                                                \
    {                                                                                                          \
        (void)conjugate;                                                                                       \
        return x;                                                                                              \
    }                                                                                                          \
    static void add_##T(int64_t n, int64_t terms, const T *x, const T *b, int64_t ldb, bool conjugate, T *c)   \
    {                                                                                                          \
        (void)conjugate;                                                                                       \
        int64_t l = 0;                                                                                         \
        T *restrict to = c;                                                                                    \
        for (; l + 4 <= terms; l += 4) {                                                                       \
            const T *restrict b0 = b + l * ldb, *restrict b1 = b0 + ldb, *restrict b2 = b1 + ldb,              \
                              *restrict b3 = b2 + ldb, x0 = x[l], x1 = x[l + 1], x2 = x[l + 2], x3 = x[l + 3]; \
            for (int64_t j = 0; j < n; j++) to[j] += x0 * b0[j] + x1 * b1[j] + x2 * b2[j] + x3 * b3[j];        \
        }                                                                                                      \
        for (; l < terms; l++) {                                                                               \
            const T *restrict row = b + l * ldb;                                                               \
            for (int64_t j = 0; j < n; j++) to[j] += x[l] * row[j];                                            \
        }                                                                                                      \
    }                                                                                                          \
    static void dot_##T(int64_t n, const T *x, const T *b, bool conjugate, T *c)                               \
    {                                                                                                          \
        (void)conjugate;                                                                                       \
        T s = 0;                                                                                               \
        for (int64_t l = 0; l < n; l++) s += x[l] * b[l];                                                      \
        *c += s;                                                                                               \
    }

/* Rows [from, to) of c, which begin as zeros: terms [l, l + terms) for columns [j, j + columns). */
#define DEFINE_ROWS(T)                                                                                              \
    static void piece_##T(const tn_gemm_desc *d, int64_t from, int64_t to, const T *a, const T *b, T *c, int64_t l, \
                          int64_t terms, int64_t j, int64_t columns)                                                \
    {                                                                                                               \
        T x[TERMS];                                                                                                 \
        for (int64_t i = from; i < to; i++) {                                                                       \
            T *row = c + i * d->ldc + j;                                                                            \
            for (int64_t k = 0; k < terms; k++)                                                                     \
                x[k] = T##_of(d->ta ? a[(l + k) * d->lda + i] : a[i * d->lda + l + k], d->conj_a);                  \
            if (!d->tb) add_##T(columns, terms, x, b + l * d->ldb + j, d->ldb, d->conj_b, row);                     \
            for (int64_t k = 0; k < columns && d->tb; k++)                                                          \
                dot_##T(terms, x, b + (j + k) * d->ldb + l, d->conj_b, row + k);                                    \
        }                                                                                                           \
    }                                                                                                               \
    static void rows_##T(const tn_gemm_desc *d, int64_t from, int64_t to, const void *a, const void *b, void *c)    \
    {                                                                                                               \
        for (int64_t i = from; i < to && d->n; i++) memset((T *)c + i * d->ldc, 0, (size_t)d->n * sizeof(T));       \
        for (int64_t j = 0; j < d->n; j += COLUMNS)                                                                 \
            for (int64_t l = 0; l < d->k; l += TERMS)                                                               \
                piece_##T(d, from, to, a, b, c, l, TN_MIN(d->k - l, TERMS), j, TN_MIN(d->n - j, COLUMNS));          \
    }

DEFINE_COMPLEX(complex64, float)
DEFINE_COMPLEX(complex128, double)
DEFINE_INTEGER(uint32_t)
DEFINE_INTEGER(uint64_t)
DEFINE_ROWS(complex64)
DEFINE_ROWS(complex128)
DEFINE_ROWS(uint32_t)
DEFINE_ROWS(uint64_t)

const tn_product_isa TN_ISA_SYM(tn_isa_product) = {rows_uint32_t, rows_uint64_t, rows_complex64, rows_complex128};
