/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.h - gradients of the segment operators (grad_segment.c), for their records.
 */
#ifndef TN_SEGMENT_H
#define TN_SEGMENT_H

#include "op.h"

tn_code tn_grad_segment_sum(tn_grad *g, tn_error *err);
tn_code tn_grad_segment_mean(tn_grad *g, tn_error *err);
tn_code tn_grad_segment_prod(tn_grad *g, tn_error *err);    /* sorted and unsorted */
tn_code tn_grad_segment_extreme(tn_grad *g, tn_error *err); /* sorted and unsorted Max, Min */
tn_code tn_grad_unsorted_sum(tn_grad *g, tn_error *err);

#endif
