/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.h - a tensor [outer, sum, inner] and its parts [outer, size[i], inner]: what op_concat.c and op_pack.c share.
 */
#ifndef TN_PARTS_H
#define TN_PARTS_H

#include "op_move.h"

typedef struct tn_parts { /* the params of an operator */
    int n, first; /* how many; the input that is the first of them, or that is the whole */
    int64_t outer, inner;
    int64_t *size;
} tn_parts;

/* For prepare, which sets the sizes. */
tn_code tn_parts_new(tn_prepare *p, int n, int first, tn_parts **out, tn_error *err);
tn_code tn_parts_join(tn_run *r, tn_error *err); /* run: inputs to output 0 */
tn_code tn_parts_cut(tn_run *r, tn_error *err);  /* run: input `first` to all outputs */

#endif
