/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_linalg_real.c - linear algebra of real matrices, for one level of instructions.
 */
#include "isa.h"

#define T double
#define CONJ(x) (x)
#define ABS(x) fabs(x)
#define REAL(x) (x)
#define MUL(x, y) ((x) * (y))
#define SQUARE(x) ((x) * (x))
#define TABLE TN_ISA_SYM(tn_linalg_real)
#define IS_COMPLEX false

/* The sum of a[i] conj(b[i]). */
static double dot(long n, const double *a, const double *b)
{
    double s = 0;
#pragma omp simd reduction(+ : s)
    for (long i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

#include "linalg_body.h"
