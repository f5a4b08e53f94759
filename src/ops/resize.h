/* SPDX-License-Identifier: Apache-2.0
 *
 * resize.h - what operators that resize images share.
 */
#ifndef TN_OPS_RESIZE_H
#define TN_OPS_RESIZE_H

#include "../graph/op.h"

/* Output 0: images (input 0) of the size that input 1 says. */
tn_code tn_infer_resized(tn_infer *c, tn_error *err);
/* How many pixels of the image one of the resized one stands for. */
static inline float tn_resize_scale(int64_t in, int64_t out, bool align)
{
    return align && out > 1 ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
}

#endif
