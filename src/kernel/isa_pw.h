/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_pw.h - the element-wise float operators, one table of loops per level of instructions.
 */
#ifndef TN_ISA_PW_H
#define TN_ISA_PW_H

#include "isa.h"

/* out may be a, b or c. Comparisons give 1 and 0; conditions are anything but 0. */
typedef void (*tn_pw_fn)(int64_t n, const float *a, const float *b, const float *c, float attr, float *out);
typedef struct tn_pw_isa {
    tn_pw_fn f[TN_PW_COUNT]; /* NULL: not an operator of floats */
} tn_pw_isa;
TN_ISA_TABLES(tn_pw_isa, tn_isa_pw);

#endif
