/* SPDX-License-Identifier: Apache-2.0
 *
 * fused.h - the operators that passes put in the place of several. None is in the registry: a graph cannot
 * hold them. A node's `extra` is what prepare finds in p->params.
 */
#ifndef TN_FUSED_H
#define TN_FUSED_H

#include "../kernel/kernel.h"
#include "../plan/plan.h"

typedef struct tn_fused_act {
    const tn_op *base; /* the operator whose attributes the node has */
    tn_act act;
    float alpha;
    const tn_pool_desc *pool; /* of a convolution: what becomes of its result; NULL: nothing */
} tn_fused_act;

/* a, b, bias (one row, or as many as the product has); MatMul's attributes; extra: tn_fused_act */
extern const tn_op tn_fused_matmul;
extern const tn_op tn_fused_conv2d; /* input, filter, bias; its base's attributes; extra: tn_fused_act */
extern const tn_op tn_fused_pointwise; /* inputs of the program; extra: tn_pw_program */
extern const tn_op tn_fused_updates;   /* see pass_updates.c */

/* node->mark = how often anything looks at it: inputs, controls, results. */
void tn_region_count_uses(tn_region *r);
/* What v looks at through reshapes that nobody else looks at. Uses must be counted. */
tn_pval tn_region_through_views(tn_pval v);
/* Every look at `from`'s outputs, and every wait for it, is for `to` instead. */
void tn_region_replace_node(tn_region *r, tn_pnode *from, tn_pnode *to);

#endif
