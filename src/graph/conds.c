/* SPDX-License-Identifier: Apache-2.0
 *
 * conds.c - TensorFlow 1's conditionals (Switch and Merge outside of loops).
 */
#include "plan.h"

tn_code tn_make_conds_functional(tn_arena *a, tn_region *r, tn_error *err)
{
    (void)a;
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        if (tn_pnode_is(n, "Switch") || tn_pnode_is(n, "RefSwitch") || tn_pnode_is(n, "Merge") || tn_pnode_is(n, "RefMerge"))
            return tn_fail(err, TN_UNIMPLEMENTED, "conditionals made of Switch and Merge are not supported [[{{node %s}}]]",
                           n->name);
    }
    return TN_OK;
}
