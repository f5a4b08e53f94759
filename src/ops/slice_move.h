/* SPDX-License-Identifier: Apache-2.0
 *
 * slice_move.h - where a strided slice of a tensor is: for operators that put something there (op_slice.c).
 */
#ifndef TN_SLICE_MOVE_H
#define TN_SLICE_MOVE_H

#include "op_move.h"

/* The move of a dense value of the slice's shape into the slice that begin, end and strides (index[3]) and
 * the masks among the attributes say, of a tensor of shape `whole`. */
tn_code tn_slice_into(const tn_attrs *attrs, const tn_tensor *const *index, const tn_shape *whole, tn_dtype t,
                      tn_move *m, tn_shape *slice, tn_error *err);

#endif
