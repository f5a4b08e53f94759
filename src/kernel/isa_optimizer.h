/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_optimizer.h - optimizer steps over contiguous elements, per level of instructions.
 */
#ifndef TN_ISA_OPTIMIZER_H
#define TN_ISA_OPTIMIZER_H

#include "isa.h"

typedef void (*tn_opt_fn)(const tn_opt_params *p, int64_t n, void *var, void *const *slot, const void *grad);
typedef struct tn_optimizer_isa {
    tn_opt_fn f32[TN_OPT_COUNT], f64[TN_OPT_COUNT];
} tn_optimizer_isa;
TN_ISA_TABLES(tn_optimizer_isa, tn_isa_optimizer);

#endif
