/* SPDX-License-Identifier: Apache-2.0
 *
 * array.h - the plan's own operators on parts of tensors: rows of what was a list in a loop and became one tensor
 * (pass_arrays.c), and parts that are looked at where they lie (pass_pieces.c). None is in the registry.
 */
#ifndef TN_ARRAY_H
#define TN_ARRAY_H

#include "op_move.h"
#include "plan.h"

extern const tn_op tn_array_new; /* -> zeros of the shape that the pass says */
extern const tn_op tn_array_row; /* array, index -> the row */
extern const tn_op tn_array_look; /* the same, where it lies */
extern const tn_op tn_array_piece; /* x -> parts of it, where they lie; extra: an offset in bytes for each, int64_t */
extern const tn_op tn_array_set; /* array, index, row -> the array, in its place */
extern const tn_op tn_array_view; /* x -> x in the shape that the pass says, without a copy */

/* The move that a slice with known begin and size comes to (columns.c); *is_move false: it is none. */
tn_code tn_slice_move(tn_binding *b, const tn_pnode *n, tn_move *move, bool *is_move, tn_error *err);
/* v is some columns of what another value has: of every row of the last dimension those from `offset` on. */
typedef struct tn_columns {
    tn_pval of;
    int64_t offset, pitch; /* in elements */
} tn_columns;
bool tn_columns_of(tn_binding *b, tn_pval v, tn_columns *out);

#endif
