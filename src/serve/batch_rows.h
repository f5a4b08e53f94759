/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_rows.h - rows of several tensors as one, and back (batch_rows.c).
 */
#ifndef TN_SERVE_BATCH_ROWS_H
#define TN_SERVE_BATCH_ROWS_H

#include "batching.h"

/* Input i of the batch's pieces one after another, then `extra` rows, each the first of the last piece. Shapes that
 * differ beyond dimension 0 are FAILED_PRECONDITION, or, where `pads`, made alike: each tensor's first element fills
 * what it lacks. */
tn_code tn_rows_merge(const tn_batch *b, int i, int64_t extra, bool pads, tn_tensor **out, tn_error *err);
/* Rows of a tensor, which it shares. */
tn_code tn_rows_of(tn_tensor *whole, int64_t first, int64_t rows, tn_tensor **out, tn_error *err);
/* Tensors one after another again. */
tn_code tn_rows_join(tn_tensor *const *parts, int n, tn_tensor **out, tn_error *err);

#endif
