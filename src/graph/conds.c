/* SPDX-License-Identifier: Apache-2.0
 *
 * conds.c - TensorFlow 1's conditionals: Switch and Merge outside of the loops that loops.c has taken away.
 *
 * What only one side of a Switch needs is given guards: (predicate, side) pairs that must all hold for the
 * node to run. A Switch becomes two guarded views of its input, a Merge a node that takes whichever of its
 * inputs ran. Guards flow along data and control edges as TensorFlow's dead tensors do, so that gradients of
 * conditionals, whose two halves cannot be one If, need nothing of their own. Guards, not nested regions,
 * because such graphs nest in no tidy way. Invariant: afterwards the region has no Switch and no Merge.
 */
#include "plan.h"

typedef struct guards {
    tn_guard *v;
    int n;
} guards;

static bool is_same(tn_guard x, tn_guard y)
{
    return x.pred.node == y.pred.node && x.pred.index == y.pred.index && x.want == y.want;
}

static bool has(const guards *g, tn_guard x)
{
    for (int i = 0; i < g->n; i++)
        if (is_same(g->v[i], x)) return true;
    return false;
}

static bool add(tn_arena *a, guards *g, tn_guard x)
{
    if (has(g, x)) return true;
    tn_guard *grown = TN_ARRAY(a, g->n + 1, tn_guard);
    if (!grown) return false;
    if (g->n) memcpy(grown, g->v, (size_t)g->n * sizeof *grown);
    grown[g->n++] = x;
    g->v = grown;
    return true;
}

static bool add_all(tn_arena *a, guards *g, const tn_pnode *n)
{
    if (!g->n) {
        *g = (guards){n->guards, n->n_guards};
        return true;
    }
    for (int i = 0; i < n->n_guards; i++)
        if (!add(a, g, n->guards[i])) return false;
    return true;
}

/* What all the inputs of a Merge have in common. */
static bool common(tn_arena *a, const tn_pnode *merge, guards *out)
{
    const tn_pnode *first = merge->in[0].node;
    for (int k = 0; k < first->n_guards; k++) {
        bool all = true;
        for (int i = 1; i < merge->n_in; i++) {
            const tn_pnode *in = merge->in[i].node;
            all = all && has(&(guards){in->guards, in->n_guards}, first->guards[k]);
        }
        if (all && !add(a, out, first->guards[k])) return false;
    }
    return true;
}

static bool is_kind(const tn_pnode *n, const char *kind)
{
    const char *name = n->op->name;
    return strcmp(strncmp(name, "Ref", 3) == 0 ? name + 3 : name, kind) == 0;
}

static tn_code find_guards(tn_arena *a, tn_pnode *n, tn_error *err)
{
    guards g = {0};
    bool ok = true;
    if (is_kind(n, "Merge")) {
        ok = n->n_in > 0 && common(a, n, &g);
    } else {
        for (int i = 0; ok && i < n->n_in; i++) ok = add_all(a, &g, n->in[i].node);
    }
    for (int i = 0; ok && i < n->n_control; i++) ok = add_all(a, &g, n->control[i]);
    n->guards = g.v;
    n->n_guards = g.n;
    return ok ? TN_OK : tn_no_memory(err, 0);
}

/* One side of a Switch. */
static tn_code new_side(tn_arena *a, tn_region *r, tn_pnode *s, int side, tn_error *err)
{
    tn_pnode *n = tn_pnode_new(a, tn_op_find("Identity"), s->name, 1, 1);
    guards g = {s->guards, s->n_guards};
    if (!n || !add(a, &g, (tn_guard){s->in[1], side == 1}) || !tn_region_add(a, r, n)) return tn_no_memory(err, 0);
    n->attrs = s->attrs;
    n->in[0] = s->in[0];
    n->out[0].dtype = s->out[side].dtype;
    n->control = s->control;
    n->n_control = s->n_control;
    n->guards = g.v;
    n->n_guards = g.n;
    tn_region_replace(r, (tn_pval){s, side}, (tn_pval){n, 0});
    return TN_OK;
}

static tn_code split_switch(tn_arena *a, tn_region *r, tn_pnode *s, tn_error *err)
{
    TN_TRY(new_side(a, r, s, 0, err));
    TN_TRY(new_side(a, r, s, 1, err));
    s->op = tn_op_find("NoOp"); /* what others wait for */
    s->n_in = 0;
    s->n_out = 0;
    s->effect = false;
    return TN_OK;
}

tn_code tn_make_conds_functional(tn_arena *a, tn_region *r, tn_error *err)
{
    int found = 0;
    for (int i = 0; i < r->n_nodes; i++) found += is_kind(r->nodes[i], "Switch") || is_kind(r->nodes[i], "Merge");
    if (!found) return TN_OK;
    TN_TRY(tn_region_order(a, r, err));
    for (int i = 0, n = r->n_nodes; i < n; i++) {
        tn_pnode *p = r->nodes[i];
        TN_TRY(find_guards(a, p, err));
        if (is_kind(p, "Switch")) TN_TRY(split_switch(a, r, p, err));
        else if (is_kind(p, "Merge")) p->op = &tn_pseudo_merge;
    }
    return tn_region_order(a, r, err);
}
