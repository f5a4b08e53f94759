/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg.h - factorizations and solutions of dense matrices, row-major, in double precision: one table
 * for real and one for complex elements (linalg_body.h has the code, once). Callers convert other dtypes and
 * give the memory.
 *
 * n, m, k are numbers of rows and columns; `tmp` is scratch of the number of elements said. Nothing is
 * allocated.
 */
#ifndef TN_LINALG_H
#define TN_LINALG_H

#include <stdbool.h>
#include <stdint.h>

/* The four products of real numbers, without a second look at infinities. */
static inline double _Complex tn_times(double _Complex x, double _Complex y)
{
    const double a = __real__ x, b = __imag__ x, c = __real__ y, d = __imag__ y;
    return __builtin_complex(a * c - b * d, a * d + b * c);
}

/* Asked now and then; once it says so, what is made is worth nothing. */
typedef struct tn_stop {
    bool (*asked)(const void *who);
    const void *who;
} tn_stop;

typedef struct tn_linalg {
    /* c[m,n] = op(a) op(b), adjoint or not; k terms are added up. */
    void (*multiply)(const tn_stop *stop, int64_t m, int64_t n, int64_t k, bool adj_a, const void *a, bool adj_b,
                     const void *b, void *c);
    /* The lower factor in place, zeros above; only the lower triangle is read. false: not positive definite.
     */
    bool (*cholesky)(const tn_stop *stop, int64_t n, void *a);
    /* L (unit diagonal) and U in place; row i was row perm[i]. Pivots that are 0 stay. The permutation's
     * sign. */
    int (*lu)(const tn_stop *stop, int64_t n, void *a, int64_t *perm);
    bool (*lu_is_singular)(int64_t n, const void *lu);
    /* b[n,k] becomes the solution of op(a) x = b; tmp: n. */
    void (*lu_solve)(const tn_stop *stop, int64_t n, const void *lu, const int64_t *perm, bool adjoint, int64_t k,
                     void *b, void *tmp);
    void (*triangular_solve)(const tn_stop *stop, int64_t n, const void *a, bool lower, bool adjoint, int64_t k,
                             void *b);
    /* a[m,n] becomes R (its first rows); q[m,columns]; tmp: 3 max(m,n). */
    void (*qr)(const tn_stop *stop, int64_t m, int64_t n, void *a, int64_t columns, void *q, void *tmp);
    /* Ascending eigenvalues of a Hermitian matrix (its lower triangle), vectors in v's columns; a is lost. tmp: 5 n. */
    void (*eigh)(const tn_stop *stop, int64_t n, void *a, double *e, void *v, void *tmp);
    /* Descending singular values s[min(m,n)], u[m,u_columns], v[n,v_columns]; a[m,n] is lost. tmp: 2
     * max(m,n)^2. */
    void (*svd)(const tn_stop *stop, int64_t m, int64_t n, void *a, double *s, int64_t u_columns, void *u,
                int64_t v_columns, void *v, void *tmp);
    void (*exponential)(const tn_stop *stop, int64_t n, void *a, void *tmp); /* tmp: 3 n^2 */
    bool is_complex;
} tn_linalg;
const tn_linalg *tn_linalg_of(bool is_complex); /* for this processor */

/* Of complex matrices only (linalg_schur.c): a = z t z^H with t upper triangular, in place of a. false: no
 * convergence, or stopped. tmp: 2 n. */
bool tn_schur(const tn_stop *stop, int64_t n, void *a, void *z, void *tmp);
/* Eigenvectors of length 1 in v's columns, from t and z; tmp: n. */
void tn_schur_vectors(const tn_stop *stop, int64_t n, const void *t, const void *z, void *v, void *tmp);
/* The square root, or the logarithm, of an upper triangular matrix in place; tmp: n^2, 4 n^2. */
void tn_triangular_root(const tn_stop *stop, int64_t n, void *t, void *tmp);
void tn_triangular_logarithm(const tn_stop *stop, int64_t n, void *t, void *tmp);

#endif
