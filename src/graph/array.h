/* SPDX-License-Identifier: Apache-2.0
 *
 * array.h - the plan's own operators on what was a list in a loop and became one tensor: rows read and set. None is in
 * the registry. How a list becomes one stands in pass_arrays.c.
 */
#ifndef TN_ARRAY_H
#define TN_ARRAY_H

#include "plan.h"

extern const tn_op tn_array_new; /* -> zeros of the shape that the pass says */
extern const tn_op tn_array_row; /* array, index -> the row */
extern const tn_op tn_array_set; /* array, index, row -> the array, in its place */
extern const tn_op tn_array_view; /* x -> x in the shape that the pass says, without a copy */

#endif
