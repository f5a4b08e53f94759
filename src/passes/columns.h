/* SPDX-License-Identifier: Apache-2.0
 *
 * columns.h - what slices and splits copy, known before anything runs: one move, or some columns of a matrix
 * (columns.c).
 */
#ifndef TN_COLUMNS_H
#define TN_COLUMNS_H

#include "../ops/op_move.h"
#include "../plan/plan.h"

/* The move that a slice with known begin and size comes to (columns.c); *is_move false: it is none. */
tn_code tn_slice_move(tn_binding *b, const tn_pnode *n, tn_move *move, bool *is_move, tn_error *err);
/* v is some columns of what another value has: of every row of the last dimension those from `offset` on. */
typedef struct tn_columns {
    tn_pval of;
    int64_t offset, pitch; /* in elements */
} tn_columns;
bool tn_columns_of(tn_binding *b, tn_pval v, tn_columns *out);

#endif
