/* SPDX-License-Identifier: Apache-2.0
 *
 * walk.h - how element-wise kernels go over their operands: in blocks that fit the first cache, each operand
 * handed over as contiguous elements whatever its broadcasting (walk.c).
 */
#ifndef TN_WALK_H
#define TN_WALK_H

#include "isa.h"

#define TN_BLOCK 512 /* elements */

/* Collapses out's dimensions as far as n operands' strides allow. stride[i] is operand i's; pitch[i], unless 0, how
 * many elements its rows (of the last dimension) are apart; NULL: all follow one another. */
tn_code tn_walk_collapse(const tn_shape *out, const tn_shape *const *operands, const int64_t *pitch, int n, int *rank,
                         int64_t *dim, int64_t (*stride)[TN_MAX_RANK], tn_error *err);
static inline bool tn_walk_flat(int rank, const int64_t *stride)
{
    return rank == 1 && stride[0] == 1;
}
/* The operand's elements lie in the result's order, though others' dimensions keep the walk apart. */
static inline bool tn_walk_dense(int rank, const int64_t *dim, const int64_t *stride)
{
    int64_t step = 1;
    for (int d = rank - 1; d >= 0; step *= dim[d--])
        if (stride[d] != step) return false;
    return true;
}
static inline bool tn_walk_scalar(int rank, const int64_t *stride)
{
    return rank == 1 && stride[0] == 0;
}
/* How many elements to take at a time, so that an operand repeated for every (short) row looks the same in
 * every block. Ranges begin at multiples of it. */
static inline int tn_walk_block(int rank, const int64_t *dim)
{
    return rank == 2 && dim[1] > 0 && dim[1] <= TN_BLOCK ? (int)(TN_BLOCK / dim[1] * dim[1]) : TN_BLOCK;
}
/* Elements [at, at + n) of an operand: where they lie, or copied to buf (room for TN_BLOCK elements).
 * What looks the same in every block is copied only the first time: buf keeps it. */
const void *tn_walk_fetch(int rank, const int64_t *dim, const int64_t *stride, int size, const void *data,
                          int64_t at, int n, bool first, void *buf);
/* value spread over n elements. */
void tn_spread(int size, const void *value, int64_t n, void *out);

/* half and bfloat16 blocks to floats and back (cast.c) */
void tn_widen(tn_dtype t, int64_t n, const void *in, float *out);
void tn_narrow(tn_dtype t, int64_t n, const float *in, void *out);

/* The operators of one element type that is not a float (pw_types.c): faults found, as bits. */
enum { TN_FAULT_ZERO = 1, TN_FAULT_POWER = 2 };
typedef unsigned (*tn_pw_any)(int64_t n, const void *a, const void *b, const void *c, double attr, void *out);
tn_pw_any tn_pw_any_of(tn_pw_op op, tn_dtype t); /* NULL: there is none */
tn_pw_any tn_pw_double_of(tn_pw_op op);
tn_pw_any tn_pw_complex_of(tn_pw_op op, tn_dtype t);

#endif
