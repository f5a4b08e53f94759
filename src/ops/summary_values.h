/* SPDX-License-Identifier: Apache-2.0
 *
 * summary_values.h - tensors as values of summaries, for the operators that make summaries and those that
 * write them.
 */
#ifndef TN_OPS_SUMMARY_VALUES_H
#define TN_OPS_SUMMARY_VALUES_H

#include "../tensor/tensor.h"
#include "../wire/proto.h"

/* A new value at the end; the tag is borrowed. NULL: no memory. */
tn_Summary_Value *tn_put_value(tn_Summary *s, tn_arena *a, tn_view tag);
/* Each adds values in the arena. INVALID_ARGUMENT: the tensor is no such thing. */
tn_code tn_put_histogram(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, tn_error *err);
tn_code tn_put_tensor(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, tn_Summary_Value **out,
                      tn_error *err);
/* bad: the colour of pixels that are not finite; NULL: red. most: how many of the pictures or sounds. */
tn_code tn_put_images(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, const tn_tensor *bad,
                      int64_t most, tn_error *err);
tn_code tn_put_sounds(tn_Summary *s, tn_arena *a, tn_view tag, const tn_tensor *t, float rate, int64_t most,
                      tn_error *err);

#endif
