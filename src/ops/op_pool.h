/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pool.h - the sizes of MaxPool and AvgPool, for the pass that puts them into convolutions.
 */
#ifndef TN_OP_POOL_H
#define TN_OP_POOL_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* Of an image of a known shape; the dtype is float. */
tn_code tn_pool_desc_of(const tn_op *op, const tn_attrs *a, const tn_shape *image, tn_pool_desc *out, tn_error *err);

#endif
