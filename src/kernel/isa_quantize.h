/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_quantize.h - the loops of quantize.c, per level of instructions.
 */
#ifndef TN_ISA_QUANTIZE_H
#define TN_ISA_QUANTIZE_H

#include "isa.h"
#include "quantize.h"

#define TN_STEP_BLOCK 64 /* channels that lie side by side, each with a range of its own */

typedef struct tn_step_block {
    float low[TN_STEP_BLOCK], high[TN_STEP_BLOCK], shift[TN_STEP_BLOCK], by[TN_STEP_BLOCK], less[TN_STEP_BLOCK],
        back[TN_STEP_BLOCK];
} tn_step_block;

typedef struct tn_quantize_isa {
    /* n elements by the block's first range, or (each) by n ranges */
    void (*step)(tn_step_round round, tn_dtype to, bool each, const tn_step_block *s, int64_t n, const float *x,
                 void *y);
    /* round(x * by) - less within [first, last], in doubles */
    void (*first)(tn_dtype to, double by, double less, double first, double last, int64_t n, const float *x, void *y);
    /* (x + shift) * by + plus, in doubles or in floats */
    void (*back)(tn_dtype from, bool doubles, double shift, double by, double plus, int64_t n, const void *x, float *y);
    /* dx = dy within [low, high], else 0 and added to below or above */
    void (*pass)(bool each, const float *low, const float *high, int64_t n, const float *dy, const float *x, float *dx,
                 double *below, double *above);
    /* *min and *max, or (each) n of them, go on; NaN passes */
    void (*ends)(bool each, int64_t n, const float *x, float *min, float *max);
} tn_quantize_isa;
TN_ISA_TABLES(tn_quantize_isa, tn_isa_quantize);

#endif
