/* SPDX-License-Identifier: Apache-2.0
 *
 * channels_first.h - convolutions and pools of images whose channels come before their space (NCHW, NCDHW), made of
 * those whose channels come last.
 */
#ifndef TN_CHANNELS_FIRST_H
#define TN_CHANNELS_FIRST_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

#define TN_FIRST_OUT TN_BIT(31)

bool tn_is_channels_first(const tn_attrs *a); /* by data_format */
/* prepare(p), in channels last whatever data_format says. images: bits of the inputs that are images (other inputs are
 * as they are), with TN_FIRST_OUT output 0; vectors: of the inputs that are a window's sizes by dimension. */
tn_code tn_channels_first(tn_prepare *p, unsigned images, unsigned vectors,
                          tn_code (*prepare)(tn_prepare *p, tn_error *err), tn_error *err);

#endif
