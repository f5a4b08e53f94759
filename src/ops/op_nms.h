/* SPDX-License-Identifier: Apache-2.0
 *
 * op_nms.h - what the operators that suppress overlapping boxes share.
 */
#ifndef TN_OP_NMS_H
#define TN_OP_NMS_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* Intersection over union of two boxes [y1, x1, y2, x2], whose corners may be in either order; 0 when one has no
 * area. half: computed in 16 bits. */
float tn_box_overlap(const float *a, const float *b, bool half);

#endif
