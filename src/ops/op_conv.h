/* SPDX-License-Identifier: Apache-2.0
 *
 * op_conv.h - what convolutions share, and their preparation with a bias and an activation inside, for the
 * pass that puts them there.
 */
#ifndef TN_OP_CONV_H
#define TN_OP_CONV_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* Which dimensions of an activation are what. */
typedef struct tn_image_axes {
    int batch, channel, space[3];
} tn_image_axes;
/* From data_format: "NHWC", "NCHW", "NDHWC", "NCDHW"; false: another one. */
bool tn_image_axes_of(const tn_attrs *a, int spatial, tn_image_axes *out);

/* Sizes of a convolution from its attributes and shapes. Unknown dimensions give -1. */
typedef struct tn_conv_sizes {
    tn_conv_desc d;
    tn_image_axes axes;
    bool depthwise;
} tn_conv_sizes;
tn_code tn_conv_sizes_of(const tn_op *op, const tn_attrs *attrs, const tn_shape *in, const tn_shape *filter,
                         tn_conv_sizes *out, tn_error *err);
tn_shape tn_conv_out_shape(const tn_conv_sizes *s);

/* prepare of Conv2D, Conv3D and DepthwiseConv2dNative with inputs image, filter and, when bias is set, a
 * bias: sets params, run, scratch and done. pool: NULL, or what the result is pooled by. */
tn_code tn_conv_prepare_fused(tn_prepare *p, bool bias, tn_act act, float alpha, const tn_pool_desc *pool,
                              tn_error *err);

#endif
