/* SPDX-License-Identifier: Apache-2.0
 *
 * raise.h - the way back from a plan's regions to graph: If and While with functions, for what conds.c and loops.c
 * made of TensorFlow 1's frames.
 */
#ifndef TN_RAISE_H
#define TN_RAISE_H

#include "../graph/diff.h"
#include "plan.h"

typedef struct tn_raising {
    tn_builder *b; /* of the graph that gets functions and nodes, and that plan nodes came from: a node's feed is the
                    * operation's id + 1, 0: made by a pass */
    tn_arena *arena;
    const bool *is_x; /* by id of the graph's operations: gradients are with respect to it */
} tn_raising;

/* Adds what the node is. Its inputs, and what it waits for, must have been: extra is the operation that each became,
 * which this sets. Regions must be ordered, shapes known as far as they can be (tn_infer_regions). */
tn_code tn_raise_node(const tn_raising *r, tn_pnode *n, tn_error *err);
tn_node tn_raised(tn_pval v);

#endif
