/* SPDX-License-Identifier: Apache-2.0
 *
 * sketch.h - quantiles of many weighted numbers, about: a sketch takes numbers or summaries of others and
 * keeps few of them, with the ranks that each may have (as boosted trees find the buckets of their features).
 * No tensors.
 *
 * Invariants: a summary ascends by value; a sketch that is finished holds one summary and takes nothing more.
 */
#ifndef TN_OPS_SKETCH_H
#define TN_OPS_SKETCH_H

#include "../base/base.h"

typedef struct tn_rank {
    float value, weight, min_rank, max_rank;
} tn_rank;
typedef struct tn_ranks {
    tn_rank *v;
    int64_t n, cap;
} tn_ranks;

enum { TN_SKETCH_LEVELS = 64 }; /* each holds about twice what the one before does */
typedef struct tn_sketch {
    double eps;
    int64_t block, most; /* of a level; of the numbers that wait */
    tn_ranks waiting;    /* values and weights alone */
    tn_ranks summary;    /* when finished */
    tn_ranks level[TN_SKETCH_LEVELS];
    int levels;
    bool finished;
} tn_sketch;

/* eps in (0, 1): how far a rank may be off, as a part of the whole; about how many numbers come. */
tn_code tn_sketch_init(tn_sketch *s, double eps, int64_t max_elements, tn_error *err);
void tn_sketch_free(tn_sketch *s); /* leaves it as init would */
/* Numbers whose weight is not positive are passed over. FAILED_PRECONDITION: it is finished, as of those
 * below. */
tn_code tn_sketch_push(tn_sketch *s, float value, float weight, tn_error *err);
tn_code tn_sketch_add(tn_sketch *s, const tn_rank *v, int64_t n, tn_error *err);
tn_code tn_sketch_finish(tn_sketch *s, tn_error *err);
/* Of a finished one: about as many values between which the numbers lie, without repetitions; count + 1
 * values at equal steps of rank (count 2 at least). tn_free them; there are none when there was no number. */
tn_code tn_sketch_boundaries(const tn_sketch *s, int64_t count, float **out, int64_t *n, tn_error *err);
tn_code tn_sketch_quantiles(const tn_sketch *s, int64_t count, float **out, int64_t *n, tn_error *err);

#endif
