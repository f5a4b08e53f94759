/* SPDX-License-Identifier: Apache-2.0
 *
 * sampler.h - classes drawn by their weights in constant time, by the alias method (op_sampler.c).
 */
#ifndef TN_OPS_SAMPLER_H
#define TN_OPS_SAMPLER_H

#include "../graph/op.h"

typedef struct tn_alias {
    double *weight, *chance; /* of the class; that its bucket is its own class, else it is `other` */
    int64_t *other, n;
    double total;
} tn_alias;

/* Room for that many classes in the arena; n is 0 yet. */
tn_code tn_alias_new(tn_arena *a, int64_t most, tn_alias *out, tn_error *err);
/* It has n of them, whose weights are there. */
tn_code tn_alias_set(tn_alias *f, int64_t n, tn_arena *a, tn_error *err);

#endif
