/* SPDX-License-Identifier: Apache-2.0
 *
 * conds_nest.c - conditions that overlap made to nest, so that conds.c can make Ifs of them: what comes from a
 * condition beside one's own is brought up to where both begin (a Merge of one value: a stand-in where that was not
 * computed) and down again through Switches of both. Merges of many values become Merges of two, a _SwitchN becomes
 * Switches.
 */
#include "conds.h"

enum { MOST_CHANGES = 20000 };

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

static tn_code note_change(tn_conds *c, const tn_pnode *n, tn_error *err)
{
    c->again = true;
    if (++c->changes <= MOST_CHANGES) return TN_OK;
    return tn_cond_unsupported(n, "too many conditions that overlap", err);
}

/* ==== nodes ==== */

/* A node of the operator with these inputs, whose outputs are like the first one, at the condition `mark`. */
static tn_code add_node(tn_arena *a, tn_region *r, const char *op, const char *name, const tn_pval *in, int n_in,
                        int n_out, tn_pnode **out, tn_error *err)
{
    static const tn_attrs none;
    tn_pnode *n = tn_pnode_new(a, tn_op_find(op), name, n_in, n_out);
    if (!n || !tn_region_add(a, r, n)) return no_memory(err);
    n->attrs = &none;
    for (int i = 0; i < n_in; i++) n->in[i] = in[i];
    for (int i = 0; i < n_out; i++) n->out[i].dtype = in[0].node->out[in[0].index].dtype;
    n->order = -1;
    *out = n;
    return TN_OK;
}

static tn_code add_constant(tn_arena *a, tn_region *r, const char *name, int value, tn_pval *out, tn_error *err)
{
    tn_shape scalar = {.rank = 0};
    tn_pnode *n = tn_pnode_new(a, &tn_pseudo_constant, name, 0, 1);
    tn_tensor *t = TN_NEW(a, tn_tensor);
    int32_t *data = TN_NEW(a, int32_t);
    if (!n || !t || !data || !tn_region_add(a, r, n)) return no_memory(err);
    *data = value;
    *t = tn_tensor_view(TN_INT32, &scalar, data);
    n->out[0] = (tn_info){.dtype = TN_INT32, .shape = scalar, .value = t, .bound = -1};
    n->order = -1;
    n->mark = 0;
    *out = (tn_pval){n, 0};
    return TN_OK;
}

static tn_code add_switch(tn_conds *c, const char *name, tn_pval data, tn_pval pred, int side, tn_pval *out,
                          tn_error *err)
{
    tn_pnode *n;
    tn_pval in[] = {data, pred};
    TN_TRY(add_node(c->a, c->r, "Switch", name, in, 2, 2, &n, err));
    *out = (tn_pval){n, side};
    if (!c->n) return TN_OK; /* before conditions are looked for */
    int x = tn_condition_of(data), y = tn_condition_of(pred);
    n->mark = c->c[x].depth > c->c[y].depth ? x : y; /* one is within the other */
    return tn_cond_of_switch(c, n, err);
}

/* ==== up and down ==== */

static int common(const tn_conds *c, int x, int y)
{
    while (!tn_condition_within(c, y, x)) x = c->c[x].parent;
    return x;
}

/* A value that lives under `from`, as it is seen under `to`, above: a stand-in if it was not computed. */
static tn_code lift(tn_conds *c, int from, int to, tn_pval *v, tn_error *err)
{
    for (; from != to && !tn_condition_within(c, to, from); from = c->c[from].parent) {
        tn_pnode *n;
        TN_TRY(add_node(c->a, c->r, "Merge", v->node->name, v, 1, 2, &n, err));
        n->out[1].dtype = TN_INT32;
        n->mark = c->c[from].parent;
        *v = (tn_pval){n, 0};
    }
    return TN_OK;
}

typedef struct path { /* conditions from one to another below it */
    int at[2 * TN_MOST_NESTED + 2];
    int n;
} path;

/* Conditions below `top` down to `to`, appended. */
static tn_code add_path(const tn_conds *c, int top, int to, const tn_pnode *n, path *p, tn_error *err)
{
    int many = c->c[to].depth - c->c[top].depth;
    if (p->n + many > TN_MOST_NESTED) return tn_cond_unsupported(n, "conditions nest too deep", err);
    p->n += many;
    for (int i = p->n - 1; to != top; to = c->c[to].parent) p->at[i--] = to;
    return TN_OK;
}

/* The first `most` conditions of the path applied to v, which is lifted to `top` before. */
static tn_code lower_along(tn_conds *c, int top, const path *p, int most, tn_pval *v, tn_error *err)
{
    TN_TRY(lift(c, tn_condition_of(*v), top, v, err));
    for (int i = 0; i < most; i++) {
        const tn_condition at = c->c[p->at[i]];
        tn_pval pred = at.pred;
        if (!tn_condition_within(c, top, tn_condition_of(pred))) TN_TRY(lower_along(c, top, p, i, &pred, err));
        TN_TRY(add_switch(c, v->node->name, *v, pred, at.branch, v, err));
    }
    return TN_OK;
}

/* v, of the condition `of`, as it is seen under n's condition and that one. */
static tn_code bring(tn_conds *c, const tn_pnode *n, int of, tn_pval *v, tn_error *err)
{
    int top = common(c, n->mark, of);
    path *p = TN_NEW(c->a, path);
    if (!p) return no_memory(err);
    TN_TRY(add_path(c, top, n->mark, n, p, err));
    TN_TRY(add_path(c, top, of, n, p, err));
    return lower_along(c, top, p, p->n, v, err);
}

tn_code tn_cond_nest_input(tn_conds *c, tn_pnode *n, int i, tn_error *err)
{
    TN_TRY(note_change(c, n, err));
    return bring(c, n, tn_condition_of(n->in[i]), &n->in[i], err);
}

/* n waits for the other node whatever becomes of it, and runs where both conditions hold. */
tn_code tn_cond_nest_control(tn_conds *c, tn_pnode *n, int i, tn_error *err)
{
    tn_pnode *before = n->control[i], *trigger, *pivot;
    tn_pval both;
    TN_TRY(note_change(c, n, err));
    TN_TRY(add_constant(c->a, c->r, n->name, 0, &both, err));
    TN_TRY(bring(c, n, before->mark, &both, err));
    TN_TRY(add_node(c->a, c->r, "Identity", n->name, &both, 1, 1, &pivot, err));
    pivot->mark = tn_condition_of(both);
    if (!(trigger = tn_pnode_new(c->a, tn_op_find("ControlTrigger"), n->name, 0, 0)) ||
        !tn_region_add(c->a, c->r, trigger) || !tn_pnode_add_control(c->a, trigger, before) ||
        !tn_pnode_add_control(c->a, n, pivot))
        return no_memory(err);
    trigger->mark = 0;
    n->control[i] = trigger;
    return TN_OK;
}

/* ==== Merges ==== */

static int child_towards(const tn_conds *c, int top, int to)
{
    while (c->c[to].parent != top) to = c->c[to].parent;
    return to;
}

/* The inputs' conditions hold between them wherever `top` does. */
static bool covers(const tn_conds *c, const tn_pnode *n, int top, int depth)
{
    for (int i = 0; i < n->n_in; i++)
        if (tn_condition_of(n->in[i]) == top) return true;
    for (int i = 0; depth < TN_MOST_NESTED && i < n->n_in; i++) {
        int of = tn_condition_of(n->in[i]);
        if (!tn_condition_within(c, of, top)) continue;
        int child = child_towards(c, top, of), other = c->c[child].branch ? child - 1 : child + 1;
        return covers(c, n, child, depth + 1) && covers(c, n, other, depth + 1);
    }
    return false;
}

/* Of flags that are seen under `top`. */
static tn_code combine(tn_conds *c, const char *op, int top, tn_pval x, tn_pval y, tn_pval *out, tn_error *err)
{
    tn_pnode *n;
    tn_pval in[] = {x, y};
    TN_TRY(add_node(c->a, c->r, op, x.node->name, in, y.node ? 2 : 1, 1, &n, err));
    n->mark = top;
    *out = (tn_pval){n, 0};
    return TN_OK;
}

/* Whether the condition holds, seen under `top`; out->node NULL: always. */
static tn_code flag_of(tn_conds *c, int of, int top, tn_pval *out, tn_error *err)
{
    *out = (tn_pval){0};
    for (; of != top; of = c->c[of].parent) {
        const tn_condition at = c->c[of];
        tn_pval p = at.pred;
        TN_TRY(lift(c, tn_condition_of(p), top, &p, err));
        if (!at.branch) TN_TRY(combine(c, "LogicalNot", top, p, (tn_pval){0}, &p, err));
        if (out->node) TN_TRY(combine(c, "LogicalAnd", top, p, *out, &p, err));
        *out = p;
    }
    return TN_OK;
}

/* `when` if the flag is set, else `rest`. */
static tn_code choose(tn_conds *c, const char *name, int top, tn_pval flag, tn_pval when, tn_pval rest,
                      tn_pval *out, tn_error *err)
{
    tn_pval in[2];
    tn_pnode *n;
    TN_TRY(add_switch(c, name, rest, flag, 0, &in[0], err));
    TN_TRY(add_switch(c, name, when, flag, 1, &in[1], err));
    TN_TRY(add_node(c->a, c->r, "Merge", name, in, 2, 2, &n, err));
    n->out[1].dtype = TN_INT32;
    n->mark = top;
    *out = (tn_pval){n, 0};
    return TN_OK;
}

static bool index_is_used(const tn_region *r, const tn_pnode *merge)
{
    for (int i = 0; i < r->n_nodes; i++)
        for (int k = 0; k < r->nodes[i]->n_in; k++)
            if (r->nodes[i]->in[k].node == merge && r->nodes[i]->in[k].index == 1) return true;
    for (int i = 0; i < r->n_rets; i++)
        if (r->rets[i].node == merge && r->rets[i].index == 1) return true;
    return false;
}

/* Output o of the Merge, from the inputs that are seen under `top`: the first one whose flag is set, else the last. */
static tn_code merged(tn_conds *c, const tn_pnode *n, int o, int top, const tn_pval *flags, tn_pval *out, tn_error *err)
{
    for (int i = n->n_in - 1; i >= 0; i--) {
        tn_pval v = n->in[i];
        if (o) TN_TRY(add_constant(c->a, c->r, n->name, i, &v, err));
        else TN_TRY(lift(c, tn_condition_of(v), top, &v, err));
        if (i == n->n_in - 1 || !flags[i].node) *out = v;
        else TN_TRY(choose(c, n->name, top, flags[i], v, *out, out, err));
    }
    return TN_OK;
}

static tn_code any_flag(tn_conds *c, const tn_pnode *n, int top, const tn_pval *flags, tn_pval *out, tn_error *err)
{
    *out = flags[0];
    for (int i = 1; i < n->n_in; i++) TN_TRY(combine(c, "LogicalOr", top, *out, flags[i], out, err));
    return TN_OK;
}

static tn_code replace_merge(tn_conds *c, tn_pnode *n, int o, tn_pval v, tn_error *err)
{
    tn_pnode *last;
    TN_TRY(add_node(c->a, c->r, "Identity", n->name, &v, 1, 1, &last, err));
    last->mark = tn_condition_of(v);
    for (int i = 0; i < n->n_control; i++)
        if (!tn_pnode_add_control(c->a, last, n->control[i])) return no_memory(err);
    last->effect = n->effect && !o;
    tn_region_replace(c->r, (tn_pval){n, o}, (tn_pval){last, 0});
    for (int i = 0; !o && i < c->r->n_nodes; i++)
        for (int k = 0; k < c->r->nodes[i]->n_control; k++)
            if (c->r->nodes[i]->control[k] == n) c->r->nodes[i]->control[k] = last;
    return TN_OK;
}

tn_code tn_cond_split_merge(tn_conds *c, tn_pnode *n, tn_error *err)
{
    int top = tn_condition_of(n->in[0]);
    tn_pval *flags = TN_ARRAY(c->a, n->n_in, tn_pval), any, out;
    if (!flags) return no_memory(err);
    TN_TRY(note_change(c, n, err));
    for (int i = 1; i < n->n_in; i++) top = common(c, top, tn_condition_of(n->in[i]));
    for (int i = 0; i < n->n_in; i++) TN_TRY(flag_of(c, tn_condition_of(n->in[i]), top, &flags[i], err));
    bool always = covers(c, n, top, 0);
    if (!always) TN_TRY(any_flag(c, n, top, flags, &any, err));
    for (int o = 0; o < 2; o++) {
        if (o && !index_is_used(c->r, n)) continue;
        TN_TRY(merged(c, n, o, top, flags, &out, err));
        if (!always) TN_TRY(add_switch(c, n->name, out, any, 1, &out, err));
        TN_TRY(replace_merge(c, n, o, out, err));
    }
    n->mark = top;
    n->effect = false;
    return TN_OK;
}

/* ==== _SwitchN ==== */

/* Whether the index is k, once for all that look at it; `known` are those that were made. */
static tn_code index_is(tn_conds *c, tn_pval index, int k, tn_pnode **known, int *n_known, tn_pval *out, tn_error *err)
{
    for (int i = 0; i < *n_known; i++) {
        const tn_pval *in = known[i]->in;
        if (in[0].node == index.node && in[0].index == index.index && known[i]->mark == k) {
            *out = (tn_pval){known[i], 0};
            return TN_OK;
        }
    }
    tn_pval in[2] = {index};
    tn_pnode *n;
    tn_attrs *attrs = TN_NEW(c->a, tn_attrs);
    tn_attr *v = TN_ARRAY(c->a, 2, tn_attr);
    if (!attrs || !v) return no_memory(err);
    TN_TRY(add_constant(c->a, c->r, index.node->name, k, &in[1], err));
    TN_TRY(add_node(c->a, c->r, "Equal", index.node->name, in, 2, 1, &n, err));
    v[0] = tn_attr_type("T", TN_INT32);
    v[1] = tn_attr_bool("incompatible_shape_error", true);
    *attrs = (tn_attrs){v, 2};
    n->attrs = attrs;
    n->out[0].dtype = TN_BOOL;
    n->mark = k;
    known[(*n_known)++] = n;
    *out = (tn_pval){n, 0};
    return TN_OK;
}

/* Output k where the index is k, the last one where it is none of the others. */
static tn_code split_switch(tn_conds *c, tn_pnode *n, tn_pnode **known, int *n_known, tn_error *err)
{
    tn_pval index = n->in[1], rest = n->in[0];
    while (tn_pnode_is(index.node, "Identity")) index = index.node->in[0];
    for (int k = 0; k < n->n_out; k++) {
        tn_pval is = {0}, here = rest;
        if (k < n->n_out - 1) {
            TN_TRY(index_is(c, index, k, known, n_known, &is, err));
            TN_TRY(add_switch(c, n->name, rest, is, 0, &rest, err));
            here = (tn_pval){rest.node, 1};
            for (int i = 0; !k && i < n->n_control; i++)
                if (!tn_pnode_add_control(c->a, rest.node, n->control[i])) return no_memory(err);
        }
        tn_region_replace(c->r, (tn_pval){n, k}, here);
    }
    return TN_OK;
}

tn_code tn_cond_split_switches(tn_arena *a, tn_region *r, tn_error *err)
{
    tn_conds c = {.a = a, .r = r};
    int n = r->n_nodes, outputs = 0, n_known = 0;
    for (int i = 0; i < n; i++) outputs += tn_pnode_is(r->nodes[i], "_SwitchN") ? r->nodes[i]->n_out : 0;
    if (!outputs) return TN_OK;
    tn_pnode **known = TN_ARRAY(a, outputs, tn_pnode *);
    if (!known) return no_memory(err);
    for (int i = 0; i < n; i++)
        if (tn_pnode_is(r->nodes[i], "_SwitchN")) TN_TRY(split_switch(&c, r->nodes[i], known, &n_known, err));
    return TN_OK;
}
