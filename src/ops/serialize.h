/* SPDX-License-Identifier: Apache-2.0
 *
 * serialize.h - a sparse tensor cut into rows and rows put together again: what serialized sparse tensors and
 * maps of them share.
 */
#ifndef TN_OPS_SERIALIZE_H
#define TN_OPS_SERIALIZE_H

#include "sparse.h"

/* INVALID_ARGUMENT unless there are at least two dimensions and elements stand row by row, rows in order. */
tn_code tn_sparse_rows_check(const tn_sparse *s, tn_error *err);
/* Elements [from, to), all of one row, as a sparse tensor without the first dimension: three new tensors. */
tn_code tn_sparse_row(const tn_sparse *s, int64_t from, int64_t to, tn_tensor *part[3], tn_error *err);
/* As many as `outer` has elements, of one rank, as outputs 0, 1, 2 with outer's dimensions in front; the
 * others are as large as the largest. */
tn_code tn_sparse_stack(tn_run *r, const tn_sparse *all, const tn_shape *outer, tn_error *err);

#endif
