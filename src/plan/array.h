/* SPDX-License-Identifier: Apache-2.0
 *
 * array.h - the plan's own operators on parts of tensors: rows of what was a list in a loop and became one tensor
 * (pass_arrays.c), and parts that are looked at where they lie (pass_pieces.c). None is in the registry.
 */
#ifndef TN_ARRAY_H
#define TN_ARRAY_H

#include "plan.h"

extern const tn_op tn_array_new; /* -> zeros of the shape that the pass says */
extern const tn_op tn_array_row; /* array, index -> the row */
extern const tn_op tn_array_look; /* the same, where it lies */
extern const tn_op tn_array_piece; /* x -> parts of it, where they lie; extra: an offset in bytes for each, int64_t */
extern const tn_op tn_array_set; /* array, index, row -> the array, in its place */
extern const tn_op tn_array_view; /* x -> x in the shape that the pass says, without a copy */

#endif
