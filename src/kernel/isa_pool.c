/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_pool.c - pooling of floats for one level of instructions.
 */
#include "pool.h"

#define M float
#define A float
#define GET(x) (x)
#define PUT(x) (x)
#define NAME(x) f32_##x
#include "pool_type.h"

const tn_pool_isa TN_ISA_SYM(tn_isa_pool) = {POOL_TYPE};
