/* SPDX-License-Identifier: Apache-2.0
 *
 * lower_walk.c - which operations of a body fetches and targets need, in an order in which inputs come first.
 * Stops at what is fed.
 */
#include "lower.h"

bool tn_is_one_of(const char *s, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(s, *names) == 0) return true;
    return false;
}

int tn_body_feed(const body *b, tn_node v)
{
    for (int i = 0; i < b->n_fed; i++)
        if (b->fed[i].op == v.op && b->fed[i].index == v.index) return i;
    return -1;
}

bool tn_is_back_edge(const tn_operation *op, const tn_operation *in)
{
    return strcmp(in->type, "NextIteration") == 0 && strcmp(op->type, "Merge") == 0;
}

static void visit(walk *w, tn_operation *op)
{
    if (!op || w->seen[op->id]) return;
    w->seen[op->id] = 1;
    w->stack[w->n_stack++] = (walk_frame){op, 0};
}

/* To wait for a placeholder or an argument that is fed is to wait for nothing. */
static bool is_fed_placeholder(const body *b, tn_operation *op)
{
    bool may_be = strncmp(op->type, "Placeholder", 11) == 0 || strcmp(op->type, "_Arg") == 0;
    return may_be && tn_body_feed(b, (tn_node){op, 0}) >= 0;
}

static void follow(walk *w, walk_frame *f)
{
    tn_operation *op = f->op;
    int k = f->next++;
    if (k < op->n_in) {
        if (tn_body_feed(w->b, op->in[k]) >= 0) return;
        if (tn_is_back_edge(op, op->in[k].op)) w->later[w->n_later++] = op->in[k].op;
        else visit(w, op->in[k].op);
    } else if (!is_fed_placeholder(w->b, op->control[k - op->n_in])) {
        visit(w, op->control[k - op->n_in]);
    }
}

void tn_walk_from(walk *w, tn_operation *root)
{
    visit(w, root);
    while (w->n_stack) {
        walk_frame *f = &w->stack[w->n_stack - 1];
        if (f->next < f->op->n_in + f->op->n_control) {
            follow(w, f);
        } else {
            w->order[w->n_order++] = f->op;
            w->n_stack--;
        }
    }
}

bool tn_walk_new(walk *w, const body *b)
{
    size_t n = (size_t)tn_graph_count(b->g) + 1;
    tn_arena *a = b->l->arena;
    *w = (walk){.b = b,
                .seen = TN_ARRAY(a, n, char),
                .stack = TN_ARRAY(a, n, walk_frame),
                .order = TN_ARRAY(a, n, tn_operation *),
                .later = TN_ARRAY(a, n, tn_operation *)};
    return w->seen && w->stack && w->order && w->later;
}

void tn_walk_later(walk *w)
{
    while (w->n_later) tn_walk_from(w, w->later[--w->n_later]);
}
