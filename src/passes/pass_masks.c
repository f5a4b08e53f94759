/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_masks.c - a product in a loop's body whose result a mask may throw away (a padded step of a recurrent layer:
 * SelectV2(mask, new, old)) learns of that mask, and is not done where the mask takes nothing of it. Steps past the
 * end of all sequences of a batch cost no reading of weights then.
 *
 * Only where what is between the product and the selections computes floats of floats and cannot fail (element-wise,
 * parts put together, further products): it may be done with what lay there before. Invariant: the mask's node comes
 * before the product, and its value lives until the selections, which come after it.
 */
#include "../plan/array.h"

enum { MOST_NODES = 512 }; /* of a body that is looked through */

static bool is_product(const tn_pnode *n)
{
    const char *const products[] = {"MatMul", "_FusedMatMul", "BatchMatMulV2"};
    for (size_t i = 0; i < TN_COUNT(products); i++)
        if (tn_pnode_is(n, products[i])) return !n->n_control && !n->effect && tn_shape_known(&n->out[0].shape);
    return false;
}

static bool is_selection(const tn_pnode *n)
{
    if (!tn_pnode_is(n, "SelectV2") && !tn_pnode_is(n, "Select")) return false;
    return n->in[0].node->out[n->in[0].index].dtype == TN_BOOL;
}

/* What comes of anything is a float, too, and nothing else. */
static bool passes_on(const tn_pnode *n)
{
    if (n->n_sub || n->effect) return false;
    for (int i = 0; i < n->n_out; i++)
        if (n->out[i].dtype != TN_FLOAT) return false;
    return (n->op->flags & (TN_POINTWISE | TN_ALIAS)) || n->op == &tn_array_piece || tn_pnode_is(n, "ConcatV2") ||
           is_product(n);
}

/* What v repeats: a mask spread over more elements is false throughout where the mask is. */
static tn_pval mask_root(tn_pval v)
{
    while (tn_pnode_is(v.node, "Tile") || tn_pnode_is(v.node, "BroadcastTo") ||
           ((v.node->op->flags & TN_ALIAS) && v.index < v.node->n_in))
        v = v.node->in[v.index];
    return v;
}

/* node->mark: the node's value follows from the product's. */
static bool any_marked(const tn_pnode *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].node->mark) return true;
    return false;
}

/* The selection takes the product's part only where its mask is, or is not, true; the same as the others' before. */
static bool note_mask(const tn_pnode *select, tn_pval *mask, bool *discards)
{
    const bool yes = select->in[1].node->mark, no = select->in[2].node->mark;
    if (select->in[0].node->mark || (yes && no)) return false;
    if (mask->node) {
        const tn_pval a = mask_root(*mask), b = mask_root(select->in[0]);
        return a.node == b.node && a.index == b.index && *discards == no;
    }
    *mask = select->in[0];
    *discards = no;
    return true;
}

/* The mask that all ways from the product to the body's results pass; node NULL: there is none. */
static tn_pval mask_of(const tn_region *body, tn_pnode *product, bool *discards)
{
    tn_pval mask = {0};
    for (int i = 0; i < body->n_args; i++) body->args[i]->mark = 0;
    for (int i = 0; i < body->n_nodes; i++) body->nodes[i]->mark = 0;
    product->mark = 1;
    for (int i = 0; i < body->n_nodes; i++) {
        tn_pnode *n = body->nodes[i];
        if (!any_marked(n)) continue;
        if (is_selection(n)) {
            if (!note_mask(n, &mask, discards)) return (tn_pval){0};
        } else if (passes_on(n)) {
            n->mark = 1;
        } else {
            return (tn_pval){0};
        }
    }
    for (int i = 0; i < body->n_rets; i++)
        if (body->rets[i].node->mark) return (tn_pval){0};
    return mask;
}

static tn_code mask_products(tn_binding *b, tn_region *body, tn_error *err)
{
    bool some = false;
    for (int i = 0; i < body->n_nodes && body->n_nodes <= MOST_NODES; i++) {
        tn_pnode *n = body->nodes[i];
        if (!is_product(n)) continue;
        n->mask = mask_of(body, n, &n->discards);
        if (!n->mask.node) continue;
        if (!tn_pnode_add_control(b->arena, n, n->mask.node)) return tn_no_memory(err, 0);
        some = true;
    }
    return some ? tn_region_order(b->arena, body, err) : TN_OK;
}

tn_code tn_pass_masks(tn_binding *b, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(tn_pass_masks(b, n->sub[s], err));
        if (tn_pnode_is_loop(n)) TN_TRY(mask_products(b, n->sub[1], err));
    }
    return TN_OK;
}
