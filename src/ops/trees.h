/* SPDX-License-Identifier: Apache-2.0
 *
 * trees.h - ensembles of decision trees (TensorFlow's boosted trees) as resources of a session: kept as the
 * message they are saved as. How a tree is walked; what is done with one is op_trees.c's and
 * op_trees_grow.c's.
 *
 * Invariants: the ensemble is looked at under the lock for reading and changed under that for writing. What
 * came from outside is not trusted: every node, feature and weight is looked up with its number checked, and
 * a walk ends.
 */
#ifndef TN_OPS_TREES_H
#define TN_OPS_TREES_H

#include "../plan/state.h"
#include "../wire/proto.h"

typedef struct tn_trees {
    tn_resource base;
    pthread_rwlock_t lock;
    tn_arena *arena;           /* of the ensemble */
    tn_TreeEnsemble *ensemble; /* NULL: not made yet */
    int64_t stamp;
} tn_trees;

/* A handle in output 0, for the attributes container and shared_name. */
tn_code tn_trees_handle(tn_run *r, tn_error *err);
/* The resource of input 0, whether made or not. */
tn_code tn_trees_of(const tn_run *r, tn_trees **out, tn_error *err);
/* The same, locked; NOT_FOUND (and not locked) where it is not made. */
tn_code tn_trees_open(const tn_run *r, bool write, tn_trees **out, tn_error *err);
void tn_trees_close(tn_trees *t);
/* Another ensemble in place of the present one, of bytes that are copied. INVALID_ARGUMENT: they are none.
 * The caller has the lock for writing. */
tn_code tn_trees_set(tn_trees *t, tn_view bytes, int64_t stamp, tn_error *err);

typedef struct tn_logits {
    const float *v;
    int n; /* 0: there are none */
} tn_logits;
/* A leaf's, or those that a split had as a leaf. */
tn_logits tn_tree_logits(const tn_TreeNode *node);
static inline bool tn_tree_is_leaf(const tn_TreeNode *node)
{
    return node->node_case == TN_TreeNode_leaf;
}

typedef struct tn_buckets { /* of features, of inputs `first` and after */
    const tn_tensor *const *in;
    int n;
    int64_t rows;
} tn_buckets;
tn_code tn_buckets_of(const tn_run *r, int first, tn_buckets *out, tn_error *err);

/* INVALID_ARGUMENT: there is no such tree or node. */
tn_code tn_tree_node(const tn_TreeEnsemble *e, int tree, int node, const tn_TreeNode **out, tn_error *err);
tn_code tn_tree_weight(const tn_TreeEnsemble *e, int tree, float *out, tn_error *err);
/* Which child of a split a row goes to, and the feature that says so. */
tn_code tn_tree_next(const tn_TreeNode *split, const tn_buckets *b, int64_t row, int *next, int *feature,
                     tn_error *err);

/* ==== growing (op_trees_stats.c) ==== */

/* A leaf's best weight for the sums of gradients and hessians of its examples, and what it gains; 0 where it
 * has none. */
void tn_tree_weigh(float g, float h, float l1, float l2, float *weight, float *gain);

#endif
