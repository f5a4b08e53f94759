/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_complex.c - linear algebra of complex matrices.
 */
#include <complex.h>

#define T double _Complex
#define CONJ(x) conj(x)
#define ABS(x) cabs(x)
#define REAL(x) creal(x)
#define TABLE tn_linalg_complex
#define IS_COMPLEX true
#include "linalg_body.h"
