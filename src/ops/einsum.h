/* SPDX-License-Identifier: Apache-2.0
 *
 * einsum.h - Einsum's equation, read against the shapes of its operands (einsum.c), and the sums of products it
 * stands for (op_einsum.c), which other operators write down in other ways.
 */
#ifndef TN_EINSUM_H
#define TN_EINSUM_H

#include "../graph/op.h"

enum { TN_EINSUM_LABELS = 4 * TN_MAX_RANK, TN_EINSUM_OUT = 2 };

/* Every axis of the operands (0, 1) and of the result (TN_EINSUM_OUT) has a label; the axes under an
 * ellipsis have labels of their own, counted from the right. */
typedef struct tn_einsum {
    int n_in, n_labels;
    int rank[3];
    int label[3][TN_MAX_RANK];
    int64_t dim[TN_EINSUM_LABELS]; /* -1: unknown */
    int name[TN_EINSUM_LABELS];    /* the character; 256 + k: the k-th axis from the right of an ellipsis */
} tn_einsum;

/* The three parts of "a,b->c"; n_in 1 or 2. INVALID_ARGUMENT when the equation is none. */
tn_code tn_einsum_split(tn_view equation, tn_view part[3], int *n_in, tn_error *err);
/* shapes: of known rank. */
tn_code tn_einsum_read(tn_view equation, const tn_shape *const *shapes, int n_shapes, tn_einsum *e,
                       tn_error *err);
/* Where "..." begins in a part; -1: nowhere. */
int tn_einsum_ellipsis(tn_view part);
bool tn_einsum_has(const tn_einsum *e, int operand, int label);

/* The sums themselves: of operands and a result (shape[TN_EINSUM_OUT]) of one dtype, with labels as e has them. What
 * *scratch is raised by is to be given to each run. UNIMPLEMENTED for a dtype of which there are no products. */
typedef struct tn_contraction tn_contraction;
tn_code tn_contraction_new(const tn_einsum *e, const tn_shape *const shape[3], tn_dtype t, int threads,
                           tn_arena *arena, tn_contraction **out, size_t *scratch, tn_error *err);
/* b: NULL where there is one operand. */
void tn_contraction_run(const tn_contraction *c, const void *a, const void *b, void *out, char *scratch);

tn_code tn_grad_einsum(tn_grad *g, tn_error *err);

#endif
