/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_linalg_complex.c - linear algebra of complex matrices, for one level of instructions.
 */
#include "isa.h"
#include "linalg.h"

#include <complex.h>

#define T double _Complex
#define CONJ(x) conj(x)
#define ABS(x) cabs(x)
#define REAL(x) creal(x)
#define MUL(x, y) tn_times(x, y)
#define SQUARE(x) (creal(x) * creal(x) + cimag(x) * cimag(x))
#define TABLE TN_ISA_SYM(tn_linalg_complex)
#define IS_COMPLEX true

/* The sum of a[i] conj(b[i]). */
static double _Complex dot(long n, const double _Complex *va, const double _Complex *vb)
{
    const double *a = (const double *)va, *b = (const double *)vb;
    double re = 0, im = 0;
#pragma omp simd reduction(+ : re, im)
    for (long i = 0; i < n; i++) {
        re += a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
        im += a[2 * i + 1] * b[2 * i] - a[2 * i] * b[2 * i + 1];
    }
    return __builtin_complex(re, im);
}

#include "linalg_body.h"
