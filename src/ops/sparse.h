/* SPDX-License-Identifier: Apache-2.0
 *
 * sparse.h - sparse tensors as operators get them, {indices, values, dense shape} in three tensors: read and
 * checked, put in order, written. What is computed with them is the op_sparse*.c files'.
 */
#ifndef TN_OPS_SPARSE_H
#define TN_OPS_SPARSE_H

#include "op_move.h"

typedef struct tn_sparse {
    const tn_tensor *indices, *values, *shape;
    const int64_t *index, *dim; /* index[n][rank], dim[rank] */
    int64_t n;                  /* elements that are there */
    int rank;
} tn_sparse;

/* The three tensors, of ranks 2, 1 and 1 and of sizes that fit, the dense shape not negative and of no more
 * elements than an int64 holds. Indices are not looked at. */
tn_code tn_sparse_of(const tn_tensor *indices, const tn_tensor *values, const tn_tensor *shape,
                     tn_sparse *out, tn_error *err);
tn_code tn_sparse_read(const tn_run *r, int first, tn_sparse *out, tn_error *err); /* inputs first, +1, +2 */
/* INVALID_ARGUMENT "indices[1] = [3,0] is out of bounds: need 0 <= index < [3,2]". ordered: also each after
 * the one before ("is out of order", "is repeated"). */
tn_code tn_sparse_check(const tn_sparse *s, bool ordered, tn_error *err);
/* Two points by some of their coordinates, in the order of axes (NULL: 0, 1, ...): < 0, 0, > 0. */
int tn_sparse_compare(const int64_t *a, const int64_t *b, const int *axes, int n);
/* The elements' numbers in the order of those coordinates; equal ones stay as they were. */
tn_code tn_sparse_order(const int64_t *index, int64_t n, int rank, const int *axes, int n_axes, tn_arena *a,
                        int64_t **order, tn_error *err);
/* The element's place in the dense tensor. */
int64_t tn_sparse_place(const tn_sparse *s, int64_t i);
/* The dense shape as a shape: UNIMPLEMENTED when it has too many dimensions. */
tn_code tn_sparse_shape(const tn_sparse *s, tn_shape *out, tn_error *err);

/* Storage of a sparse result's indices and values (either < 0: not an output). */
tn_code tn_sparse_output(tn_run *r, int indices, int values, int64_t n, int rank, tn_error *err);
tn_code tn_sparse_output_shape(tn_run *r, int o, const int64_t *dim, int rank, tn_error *err);
/* Elements which[0], which[1], ... of s as outputs. */
tn_code tn_sparse_output_picked(tn_run *r, int indices, int values, const tn_sparse *s, const int64_t *which,
                                int64_t n, tn_error *err);

/* Inference: inputs first, +1, +2 are of ranks 2, 1, 1; *rank is the dense one's, -1 unknown, *n elements. */
tn_code tn_infer_sparse(const tn_infer *c, int first, int64_t *n, int64_t *rank, tn_error *err);
void tn_infer_set_sparse(tn_infer *c, int indices, int values, int shape, int64_t n, int64_t rank);

/* run with an arena of its own, gone afterwards, that takes no more than the session's budget has left */
tn_code tn_run_in_arena(tn_run *r, tn_code (*f)(tn_run *r, tn_arena *a, tn_error *err), tn_error *err);
#define TN_RUN_IN_ARENA(Name, F)                  \
    static tn_code Name(tn_run *r, tn_error *err) \
    {                                             \
        return tn_run_in_arena(r, F, err);        \
    }

#endif
