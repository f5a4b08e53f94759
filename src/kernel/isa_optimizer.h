/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_optimizer.h - optimizer steps over contiguous elements: of real numbers per level of instructions, of complex
 * ones once.
 */
#ifndef TN_ISA_OPTIMIZER_H
#define TN_ISA_OPTIMIZER_H

#include "isa.h"

typedef void (*tn_opt_fn)(const tn_opt_params *p, int64_t n, void *var, void *const *slot, const void *grad);
typedef struct tn_optimizer_isa {
    tn_opt_fn f32[TN_OPT_COUNT], f64[TN_OPT_COUNT];
} tn_optimizer_isa;
TN_ISA_TABLES(tn_optimizer_isa, tn_isa_optimizer);
/* NULL where the rule compares numbers, or t is not complex. */
tn_opt_fn tn_opt_complex(tn_optimizer o, tn_dtype t);

#endif
