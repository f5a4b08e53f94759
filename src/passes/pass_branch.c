/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_branch.c - an If or Case whose predicate is known gives way to the branch that it would take: training
 * switches of a model that is served cost nothing, and what was in the branch can be fused with what is around it.
 * So does a composite's call to its body, when it has not become a fused operator.
 *
 * Invariants: what waited for the If waits for its effects; effects wait for what the If waited for. Working fields:
 * slot of a node that gives way is the branch plus 1; an argument's copy is the node it belongs to.
 */
#include "../plan/composite.h"

/* Inputs that are no arguments: the predicate. */
static int first_argument(const tn_pnode *n)
{
    return n->op == &tn_pseudo_composite ? 0 : 1;
}

static bool has_effects(const tn_pnode *n)
{
    return n->effect || n->n_sub || n->op->reads || n->op->writes || (n->op->flags & (TN_STATEFUL | TN_EFFECT));
}

/* The branch, or -1: not known, or no branching at all. */
static int known_branch(const tn_binding *b, const tn_pnode *n)
{
    if (n->op == &tn_pseudo_composite) return 0;
    if (!n->n_sub || tn_pnode_is_loop(n) || !(b->passes & TN_PASS(FOLD))) return -1;
    const tn_tensor *v = n->in[0].node->out[n->in[0].index].value;
    if (!v || v->shape.rank != 0 || !tn_dtype_is_pod(v->dtype)) return -1;
    if (tn_pnode_is(n, "If") || tn_pnode_is(n, "StatelessIf")) return tn_tensor_number(v, 0) != 0 ? 0 : 1;
    int64_t i = tn_tensor_int(v, 0);
    return i < 0 || i >= n->n_sub ? n->n_sub - 1 : (int)i;
}

static tn_pval seen_through(tn_pval v)
{
    for (;;) {
        if (v.node->op == &tn_pseudo_arg && v.node->copy)
            v = v.node->copy->in[v.node->feed + first_argument(v.node->copy)];
        else if (v.node->slot > 0) v = v.node->sub[v.node->slot - 1]->rets[v.index];
        else return v;
    }
}

/* The branch's nodes join the region; a NoOp stands for the end of its effects. */
static tn_code take(tn_binding *b, tn_region *r, tn_pnode *n, int branch, tn_error *err)
{
    tn_region *s = n->sub[branch];
    tn_pnode *done = tn_pnode_new(b->arena, tn_op_find("NoOp"), n->name, 0, 0);
    if (!done || !tn_region_add(b->arena, r, done)) return tn_no_memory(err, 0);
    n->slot = branch + 1;
    n->copy = done;
    for (int i = 0; i < s->n_args; i++) s->args[i]->copy = n;
    for (int i = 0; i < s->n_nodes; i++) {
        tn_pnode *p = s->nodes[i];
        p->slot = 0;
        if (!tn_region_add(b->arena, r, p)) return tn_no_memory(err, 0);
        if (!has_effects(p)) continue;
        if (!tn_pnode_add_control(b->arena, done, p)) return tn_no_memory(err, 0);
        for (int k = 0; k < n->n_control; k++)
            if (!tn_pnode_add_control(b->arena, p, n->control[k])) return tn_no_memory(err, 0);
    }
    for (int k = 0; k < n->n_control; k++)
        if (!tn_pnode_add_control(b->arena, done, n->control[k])) return tn_no_memory(err, 0);
    return TN_OK;
}

static void look_through(tn_region *r)
{
    int kept = 0;
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        if (n->slot > 0) continue;
        for (int k = 0; k < n->n_in; k++) n->in[k] = seen_through(n->in[k]);
        for (int k = 0; k < n->n_control; k++)
            if (n->control[k]->slot > 0) n->control[k] = n->control[k]->copy;
    }
    for (int i = 0; i < r->n_rets; i++) r->rets[i] = seen_through(r->rets[i]);
    for (int i = 0; i < r->n_nodes; i++)
        if (r->nodes[i]->slot <= 0) r->nodes[kept++] = r->nodes[i];
    r->n_nodes = kept;
}

tn_code tn_pass_take_branches(tn_binding *b, tn_region *r, bool *changed, tn_error *err)
{
    int n = r->n_nodes, taken = 0;
    for (int i = 0; i < r->n_args; i++) {
        r->args[i]->copy = NULL;
        r->args[i]->slot = 0;
    }
    for (int i = 0; i < n; i++) r->nodes[i]->slot = 0;
    for (int i = 0; i < n; i++) {
        int branch = known_branch(b, r->nodes[i]);
        if (branch >= 0) TN_TRY(take(b, r, r->nodes[i], branch, err));
        else
            for (int s = 0; s < r->nodes[i]->n_sub; s++)
                TN_TRY(tn_pass_take_branches(b, r->nodes[i]->sub[s], changed, err));
        taken += branch >= 0;
    }
    if (!taken) return TN_OK;
    *changed = true;
    look_through(r);
    return tn_region_order(b->arena, r, err);
}
