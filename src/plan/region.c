/* SPDX-License-Identifier: Apache-2.0
 *
 * region.c - plan nodes and regions: making, copying, replacing, ordering. Knows what operators declare
 * (reads, writes, effects), not what they compute.
 */
#include "plan.h"

tn_pnode *tn_pnode_new(tn_arena *a, const tn_op *op, const char *name, int n_in, int n_out)
{
    tn_pnode *n = TN_NEW(a, tn_pnode);
    if (!n) return NULL;
    n->op = op;
    n->name = name;
    n->n_in = n_in;
    n->n_out = n_out;
    n->in = TN_ARRAY(a, TN_MAX(n_in, 1), tn_pval);
    n->out = TN_ARRAY(a, TN_MAX(n_out, 1), tn_info);
    if (!n->in || !n->out) return NULL;
    for (int i = 0; i < n_out; i++) {
        n->out[i].shape = tn_shape_unknown();
        n->out[i].bound = -1;
    }
    return n;
}

bool tn_region_add(tn_arena *a, tn_region *r, tn_pnode *n)
{
    if (!TN_ROOM(a, r->nodes, r->n_nodes, r->cap_nodes)) return false;
    r->nodes[r->n_nodes++] = n;
    return true;
}

static bool grow_control(tn_arena *a, tn_pnode *n)
{
    const int cap = n->n_control < 4 ? n->n_control + 1 : 2 * n->n_control; /* most nodes have none or one */
    tn_pnode **grown = TN_ARRAY(a, cap, tn_pnode *);
    if (!grown) return false;
    if (n->n_control) memcpy(grown, n->control, (size_t)n->n_control * sizeof *grown);
    n->control = grown;
    n->cap_control = cap;
    return true;
}

bool tn_pnode_push_control(tn_arena *a, tn_pnode *n, tn_pnode *before)
{
    if (n->n_control >= n->cap_control && !grow_control(a, n)) return false;
    n->control[n->n_control++] = before;
    return true;
}

bool tn_pnode_add_control(tn_arena *a, tn_pnode *n, tn_pnode *before)
{
    for (int i = 0; i < n->n_control; i++)
        if (n->control[i] == before) return true;
    return tn_pnode_push_control(a, n, before);
}

bool tn_pnode_is(const tn_pnode *n, const char *op)
{
    return strcmp(n->op->name, op) == 0;
}

bool tn_op_wants_value(const tn_op *op, int i, int n_in)
{
    if (i == n_in - 1 && (op->values & TN_LAST_INPUT)) return true;
    return i < 31 && (op->values & TN_BIT(i));
}

bool tn_pnode_is_loop(const tn_pnode *n)
{
    return n->n_sub && (tn_pnode_is(n, "While") || tn_pnode_is(n, "StatelessWhile"));
}

bool tn_region_loops(const tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        if (tn_pnode_is_loop(n)) return true;
        for (int k = 0; k < n->n_sub; k++)
            if (tn_region_loops(n->sub[k])) return true;
    }
    return false;
}

static bool has_seed(const tn_pnode *n)
{
    int64_t seed, seed2;
    return n->attrs && tn_attr_get_int(n->attrs, "seed", &seed) && tn_attr_get_int(n->attrs, "seed2", &seed2) &&
           (seed || seed2);
}

/* What a run keeps for itself, and what only checks, is nobody else's; what follows from a seed is. */
static bool changes_state(const tn_pnode *n)
{
    const tn_op *op = n->op;
    if ((op->flags & TN_KEEPS) || tn_pnode_is(n, "Assert")) return false;
    return op->writes || (op->flags & TN_EFFECT) || ((op->flags & TN_STATEFUL) && has_seed(n));
}

bool tn_region_changes_state(const tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        if (changes_state(n)) return true;
        for (int k = 0; k < n->n_sub; k++)
            if (tn_region_changes_state(n->sub[k])) return true;
    }
    return false;
}

bool tn_pnode_is_read(const tn_pnode *n)
{
    return n->op == &tn_pseudo_read_ref || tn_pnode_is(n, "ReadVariableOp");
}

/* ==== resources ==== */

tn_resource *tn_pval_resource(tn_pval v)
{
    for (int depth = 0; v.node && depth < 1000; depth++) {
        if (v.node->op == &tn_pseudo_handle || v.node->op == &tn_pseudo_arg) return v.node->resource;
        bool forwards = (v.node->op->flags & TN_ALIAS) || tn_dtype_is_ref(v.node->out[v.index].dtype);
        if (!forwards || v.index >= v.node->n_in) return NULL;
        v = v.node->in[v.index];
    }
    return NULL;
}

bool tn_pnode_has_writes(const tn_pnode *n)
{
    if (n->op->writes) return true;
    for (int i = 0; i < n->n_sub; i++)
        for (int j = 0; j < n->sub[i]->n_nodes; j++)
            if (tn_pnode_has_writes(n->sub[i]->nodes[j])) return true;
    return false;
}

/* ==== copying ==== */

tn_pnode *tn_pnode_copy(tn_arena *a, const tn_pnode *n)
{
    tn_pnode *c = tn_pnode_new(a, n->op, n->name, n->n_in, n->n_out);
    if (!c) return NULL;
    c->attrs = n->attrs;
    c->resource = n->resource;
    c->effect = n->effect;
    c->feed = n->feed;
    c->extra = n->extra;
    memcpy(c->out, n->out, (size_t)n->n_out * sizeof *c->out);
    c->n_control = n->n_control;
    c->control = TN_ARRAY(a, TN_MAX(n->n_control, 1), tn_pnode *);
    c->n_sub = n->n_sub;
    c->sub = TN_ARRAY(a, TN_MAX(n->n_sub, 1), tn_region *);
    if (!c->control || !c->sub) return NULL;
    for (int i = 0; i < n->n_sub; i++)
        if (!(c->sub[i] = tn_region_copy(a, n->sub[i]))) return NULL;
    return c;
}

static void copy_edges(const tn_pnode *n)
{
    for (int i = 0; i < n->n_in; i++) n->copy->in[i] = (tn_pval){n->in[i].node->copy, n->in[i].index};
    for (int i = 0; i < n->n_control; i++) n->copy->control[i] = n->control[i]->copy;
}

tn_region *tn_region_copy(tn_arena *a, const tn_region *r)
{
    tn_region *c = TN_NEW(a, tn_region);
    if (!c) return NULL;
    *c = *r;
    c->args = TN_ARRAY(a, TN_MAX(r->n_args, 1), tn_pnode *);
    c->nodes = TN_ARRAY(a, TN_MAX(r->n_nodes, 1), tn_pnode *);
    c->rets = TN_ARRAY(a, TN_MAX(r->n_rets, 1), tn_pval);
    c->cap_nodes = TN_MAX(r->n_nodes, 1);
    if (!c->args || !c->nodes || !c->rets) return NULL;
    for (int i = 0; i < r->n_args; i++)
        if (!(c->args[i] = r->args[i]->copy = tn_pnode_copy(a, r->args[i]))) return NULL;
    for (int i = 0; i < r->n_nodes; i++)
        if (!(c->nodes[i] = r->nodes[i]->copy = tn_pnode_copy(a, r->nodes[i]))) return NULL;
    for (int i = 0; i < r->n_nodes; i++) copy_edges(r->nodes[i]);
    for (int i = 0; i < r->n_rets; i++) c->rets[i] = (tn_pval){r->rets[i].node->copy, r->rets[i].index};
    return c;
}

static void replace_in(tn_pval *v, int n, tn_pval from, tn_pval to)
{
    for (int i = 0; i < n; i++)
        if (v[i].node == from.node && v[i].index == from.index) v[i] = to;
}

void tn_region_replace(tn_region *r, tn_pval from, tn_pval to)
{
    for (int i = 0; i < r->n_nodes; i++) replace_in(r->nodes[i]->in, r->nodes[i]->n_in, from, to);
    replace_in(r->rets, r->n_rets, from, to);
}

/* ==== ordering ==== */

enum { UNSEEN, OPEN, DONE };

/* Marks what the region's rets and effects need. Iterative: graphs may be as deep as they are long. */
static tn_code mark_needed(tn_arena *a, tn_region *r, tn_error *err)
{
    int n = 0;
    tn_pnode **stack = TN_ARRAY(a, r->n_nodes + 1, tn_pnode *);
    if (!stack) return tn_no_memory(err, (size_t)r->n_nodes * sizeof *stack);
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->mark = UNSEEN;
    for (int i = 0; i < r->n_args; i++) r->args[i]->mark = DONE;
#define PUSH(node)                                                                                \
    do {                                                                                          \
        if ((node)->mark == UNSEEN) {                                                             \
            (node)->mark = OPEN;                                                                  \
            stack[n++] = (node);                                                                  \
        }                                                                                         \
    } while (0)
    for (int i = 0; i < r->n_rets; i++) PUSH(r->rets[i].node);
    for (int i = 0; i < r->n_nodes; i++)
        if (r->nodes[i]->effect) PUSH(r->nodes[i]);
    while (n) {
        tn_pnode *p = stack[--n];
        for (int i = 0; i < p->n_in; i++) PUSH(p->in[i].node);
        for (int i = 0; i < p->n_control; i++) PUSH(p->control[i]);
    }
#undef PUSH
    return TN_OK;
}

/* A heap of nodes ready to run: the least (writes, order) first. */
typedef struct ready {
    tn_pnode **v;
    int n;
} ready;

static bool runs_before(const tn_pnode *x, const tn_pnode *y)
{
    int wx = x->mark & 1, wy = y->mark & 1;
    return wx != wy ? wx < wy : x->order < y->order;
}

static void ready_push(ready *h, tn_pnode *p)
{
    int i = h->n++;
    for (; i > 0 && runs_before(p, h->v[(i - 1) / 2]); i = (i - 1) / 2) h->v[i] = h->v[(i - 1) / 2];
    h->v[i] = p;
}

static tn_pnode *ready_pop(ready *h)
{
    tn_pnode *top = h->v[0], *last = h->v[--h->n];
    int i = 0;
    for (int c; (c = 2 * i + 1) < h->n; i = c) {
        if (c + 1 < h->n && runs_before(h->v[c + 1], h->v[c])) c++;
        if (!runs_before(h->v[c], last)) break;
        h->v[i] = h->v[c];
    }
    if (h->n) h->v[i] = last;
    return top;
}

typedef struct ordering { /* who waits for whom: waits[first[i] .. first[i + 1]) wait for node i */
    int *missing, *first, *waits;
} ordering;

static int each_edge(tn_region *r, int *count, int *out)
{
    int n = 0;
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *p = r->nodes[i];
        for (int k = 0; k < p->n_in + p->n_control; k++) {
            tn_pnode *before = k < p->n_in ? p->in[k].node : p->control[k - p->n_in];
            if (before->order < 0) continue; /* an argument */
            if (out) out[count[before->order]++] = i;
            else count[before->order + 1]++;
            n++;
        }
    }
    return n;
}

static bool find_edges(tn_arena *a, tn_region *r, ordering *o)
{
    int n = r->n_nodes;
    o->missing = TN_ARRAY(a, n + 1, int);
    o->first = TN_ARRAY(a, n + 2, int);
    int *at = TN_ARRAY(a, n + 2, int);
    if (!o->missing || !o->first || !at) return false;
    int edges = each_edge(r, o->first, NULL);
    for (int i = 0; i < n; i++) o->first[i + 1] += o->first[i];
    memcpy(at, o->first, (size_t)(n + 1) * sizeof *at);
    o->waits = TN_ARRAY(a, edges + 1, int);
    if (!o->waits) return false;
    each_edge(r, at, o->waits);
    for (int e = 0; e < edges; e++) o->missing[o->waits[e]]++;
    return true;
}

static void keep_needed(tn_region *r)
{
    int n = 0;
    for (int i = 0; i < r->n_nodes; i++)
        if (r->nodes[i]->mark != UNSEEN) r->nodes[n++] = r->nodes[i];
    r->n_nodes = n;
    for (int i = 0; i < n; i++) {
        r->nodes[i]->order = i;
        r->nodes[i]->mark = tn_pnode_has_writes(r->nodes[i]);
    }
    for (int i = 0; i < r->n_args; i++) r->args[i]->order = -1;
}

tn_code tn_region_order(tn_arena *a, tn_region *r, tn_error *err)
{
    ordering o;
    TN_TRY(mark_needed(a, r, err));
    keep_needed(r);
    int n = 0;
    tn_pnode **sorted = TN_ARRAY(a, r->n_nodes + 1, tn_pnode *);
    ready h = {TN_ARRAY(a, r->n_nodes + 1, tn_pnode *), 0};
    if (!sorted || !h.v || !find_edges(a, r, &o)) return tn_no_memory(err, 0);
    for (int i = 0; i < r->n_nodes; i++)
        if (!o.missing[i]) ready_push(&h, r->nodes[i]);
    while (h.n) {
        tn_pnode *p = sorted[n++] = ready_pop(&h);
        for (int e = o.first[p->order]; e < o.first[p->order + 1]; e++)
            if (--o.missing[o.waits[e]] == 0) ready_push(&h, r->nodes[o.waits[e]]);
    }
    if (n < r->n_nodes) {
        for (int i = 0; i < r->n_nodes; i++)
            if (o.missing[i])
                return tn_fail(err, TN_INVALID_ARGUMENT, "the graph has a cycle through node '%s'", r->nodes[i]->name);
    }
    for (int i = 0; i < n; i++) {
        r->nodes[i] = sorted[i];
        sorted[i]->order = i;
    }
    return TN_OK;
}

/* ==== for passes ==== */

/* The node does nothing itself that anybody could wait for; an operator that may fail is worth waiting for. */
static bool does_nothing(const tn_pnode *n)
{
    if (n->effect || n->n_sub) return false;
    return n->op == &tn_pseudo_constant || n->op == &tn_pseudo_handle || n->op == &tn_pseudo_feed ||
           n->op == &tn_pseudo_arg || tn_pnode_is(n, "NoOp") || tn_pnode_is(n, "Identity");
}

void tn_region_drop_idle_controls(tn_region *r)
{
    for (int i = 0; i < r->n_args; i++) r->args[i]->mark = 0;
    for (int i = 0; i < r->n_nodes; i++) { /* mark: it, or something before it, does something */
        tn_pnode *n = r->nodes[i];
        int kept = 0;
        for (int k = 0; k < n->n_control; k++)
            if (n->control[k]->mark) n->control[kept++] = n->control[k];
        n->n_control = kept;
        n->mark = kept > 0 || !does_nothing(n);
        for (int k = 0; k < n->n_in; k++) n->mark |= n->in[k].node->mark;
        for (int s = 0; s < n->n_sub; s++) tn_region_drop_idle_controls(n->sub[s]);
    }
}

void tn_region_count_uses(tn_region *r)
{
    for (int i = 0; i < r->n_args; i++) r->args[i]->mark = 0;
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->mark = 0;
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int k = 0; k < n->n_in; k++) n->in[k].node->mark++;
        for (int k = 0; k < n->n_control; k++) n->control[k]->mark++;
    }
    for (int i = 0; i < r->n_rets; i++) r->rets[i].node->mark++;
}

tn_pval tn_region_through_views(tn_pval v)
{
    for (;;) {
        const tn_pnode *n = v.node;
        if (!(n->op->flags & TN_ALIAS) || n->n_out != 1 || !n->n_in || n->mark != 1) return v;
        if (n->n_control || n->effect || !tn_shape_known(&n->out[0].shape)) return v;
        v = n->in[0];
    }
}

void tn_region_replace_node(tn_region *r, tn_pnode *from, tn_pnode *to)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        if (n == to) continue;
        for (int k = 0; k < n->n_in; k++)
            if (n->in[k].node == from) n->in[k].node = to;
        for (int k = 0; k < n->n_control; k++)
            if (n->control[k] == from) n->control[k] = to;
    }
    for (int i = 0; i < r->n_rets; i++)
        if (r->rets[i].node == from) r->rets[i].node = to;
}
