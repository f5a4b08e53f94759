/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_merge.c - equal nodes are computed once: the same pure operator with equal attributes on the same
 * values, within one region. Random, stateful and variable-reading nodes are never merged: their epoch
 * may differ.
 */
#include "../plan/plan.h"

enum { SMALL_CONSTANT = 64 };

static bool may_merge(const tn_pnode *n)
{
    if (n->op == &tn_pseudo_constant) return n->n_out == 1 && n->out[0].value && tn_dtype_is_pod(n->out[0].dtype) &&
                                             tn_tensor_bytes(n->out[0].value) <= SMALL_CONSTANT && !n->n_control;
    if ((n->op->flags & (TN_STATEFUL | TN_EFFECT)) || n->op->reads || n->op->writes) return false;
    return n->n_out && n->op->run && !n->n_sub && !n->effect && !n->resource;
}

static uint64_t key_of(const tn_pnode *n)
{
    uint64_t h = (uint64_t)(uintptr_t)n->op;
    if (n->op == &tn_pseudo_constant) {
        const tn_tensor *t = n->out[0].value;
        return h ^ tn_hash(t->data, tn_tensor_bytes(t)) ^ (uint64_t)t->dtype;
    }
    for (int i = 0; i < n->n_in; i++) {
        uintptr_t edge[2] = {(uintptr_t)n->in[i].node, (uintptr_t)n->in[i].index};
        h = h * 1099511628211u ^ tn_hash(edge, sizeof edge);
    }
    return h;
}

static bool is_equal(const tn_pnode *x, const tn_pnode *y)
{
    if (x->op != y->op || x->n_in != y->n_in || x->n_out != y->n_out || x->n_control != y->n_control) return false;
    if (x->op == &tn_pseudo_constant) return tn_tensor_equal(x->out[0].value, y->out[0].value);
    for (int i = 0; i < x->n_in; i++)
        if (x->in[i].node != y->in[i].node || x->in[i].index != y->in[i].index) return false;
    for (int i = 0; i < x->n_control; i++)
        if (x->control[i] != y->control[i]) return false;
    return x->attrs && y->attrs && tn_attrs_equal(x->attrs, y->attrs);
}

static void use_merged(tn_pnode *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (n->in[i].node->copy) n->in[i].node = n->in[i].node->copy;
    for (int i = 0; i < n->n_control; i++)
        if (n->control[i]->copy) n->control[i] = n->control[i]->copy;
}

tn_code tn_pass_merge(tn_binding *b, tn_region *r, tn_error *err)
{
    size_t cap = 16;
    while (cap < 2 * (size_t)r->n_nodes) cap *= 2;
    tn_pnode **table = TN_ARRAY(b->arena, cap, tn_pnode *);
    if (!table) return tn_no_memory(err, cap * sizeof *table);
    for (int i = 0; i < r->n_args; i++) r->args[i]->copy = NULL;
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->copy = NULL;
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(tn_pass_merge(b, n->sub[s], err));
        use_merged(n);
        if (!may_merge(n)) continue;
        size_t at = key_of(n) & (cap - 1);
        while (table[at] && !is_equal(table[at], n)) at = (at + 1) & (cap - 1);
        if (table[at]) n->copy = table[at];
        else table[at] = n;
    }
    for (int i = 0; i < r->n_rets; i++)
        if (r->rets[i].node->copy) r->rets[i].node = r->rets[i].node->copy;
    return tn_region_order(b->arena, r, err);
}
