/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_random.h - Philox 4x32-10 many counters at a time, per level of instructions.
 */
#ifndef TN_ISA_RANDOM_H
#define TN_ISA_RANDOM_H

#include "isa.h"

typedef struct tn_random_isa {
    /* The next groups of four from p (not moved): 4 * groups words, floats in [0, 1), normal floats. */
    void (*words)(const tn_philox *p, int64_t groups, uint32_t *out);
    void (*uniform)(const tn_philox *p, int64_t groups, float *out);
    void (*normal)(const tn_philox *p, int64_t groups, float *out);
} tn_random_isa;
TN_ISA_TABLES(tn_random_isa, tn_isa_random);

#endif
