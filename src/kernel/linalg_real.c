/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_real.c - linear algebra of real matrices.
 */
#define T double
#define CONJ(x) (x)
#define ABS(x) fabs(x)
#define REAL(x) (x)
#define TABLE tn_linalg_real
#define IS_COMPLEX false
#include "linalg_body.h"
