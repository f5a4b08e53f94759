/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_axes.h - axes of reductions, and the gradients of the reducing operators (grad_reduce.c).
 */
#ifndef TN_REDUCE_AXES_H
#define TN_REDUCE_AXES_H

#include "../graph/op.h"

/* Marks the dimensions that axes (any integers, negative ones from the end) name. */
tn_code tn_axes_parse(const tn_tensor *axes, int rank, bool reduced[TN_MAX_RANK], tn_error *err);
tn_dtype tn_storage_dtype(tn_dtype t); /* of a quantised dtype the integer it is stored as */

tn_code tn_grad_sum(tn_grad *g, tn_error *err);
tn_code tn_grad_mean(tn_grad *g, tn_error *err);
tn_code tn_grad_prod(tn_grad *g, tn_error *err);
tn_code tn_grad_extreme(tn_grad *g, tn_error *err); /* Max, Min */
tn_code tn_grad_euclidean(tn_grad *g, tn_error *err);

#endif
