/* SPDX-License-Identifier: Apache-2.0
 *
 * boxed.h - variants that hold tensors: what sparse and ragged tensors become as elements of variant tensors.
 */
#ifndef TN_OPS_BOXED_H
#define TN_OPS_BOXED_H

#include "../tensor/tensor.h"

typedef struct tn_box {
    tn_variant head;
    int n;
    const tn_tensor *item[]; /* a reference on each */
} tn_box;

/* A new one with one reference that keeps the items. */
tn_code tn_box_new(const tn_tensor *const *item, int n, tn_box **out, tn_error *err);
/* The variant as a box; NULL: it is none. */
const tn_box *tn_box_or_none(const tn_variant *v);
/* Element at of a variant tensor as a box. INVALID_ARGUMENT: it is none, or not of n items (n < 0: of any).
 */
tn_code tn_box_of(const tn_tensor *t, int64_t at, int n, const tn_box **out, tn_error *err);
/* Element `at` becomes a box of n items. */
tn_code tn_box_set(tn_tensor *t, int64_t at, const tn_tensor *const *item, int n, tn_error *err);
/* The same with one tensor; taken with a reference on it. */
tn_code tn_box_put(tn_tensor *t, int64_t at, const tn_tensor *item, tn_error *err);
tn_code tn_box_take(const tn_tensor *t, int64_t at, tn_tensor **out, tn_error *err);

#endif
