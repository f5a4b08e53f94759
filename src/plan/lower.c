/* SPDX-License-Identifier: Apache-2.0
 *
 * lower.c - from a graph to a region of plan nodes: only what the fetches and targets need, bodies of functions
 * included. How an operation becomes a node is lower_emit.c's.
 *
 * Leaves shapes and values to binding. Invariants: top-level effects are there only if reached; effects
 * inside a called function always are.
 */
#include "lower.h"
#include "made.h"
#include "missing.h"

enum { MOST_NODES = 1 << 21, LEAST_NODES = 1 << 12, NODE_COST = 256 };

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

/* ==== a body ==== */

tn_code tn_make_functional(tn_arena *a, tn_region *r, tn_error *err)
{
    TN_TRY(tn_make_loops_functional(a, r, err));
    return tn_make_conds_functional(a, r, err);
}

static bool is_framed(const body *b)
{
    static const char *const kinds[] = {"Switch", "RefSwitch", "_SwitchN", "Enter", "RefEnter", NULL};
    for (int i = 0; i < tn_graph_count(b->g); i++)
        if (tn_is_one_of(tn_graph_at(b->g, i)->type, kinds)) return true;
    return false;
}

/* Nodes that a body's completion waits for: all its effects. */
static tn_code body_done(body *b, const walk *w, const char *name, tn_pnode **out, tn_error *err)
{
    tn_pnode *n = tn_pnode_new(b->l->arena, tn_op_find("NoOp"), name, 0, 0);
    if (!n) return no_memory(err);
    for (int i = 0; i < w->n_order; i++) {
        tn_pnode *p = b->map[w->order[i]->id].node;
        if (p && (p->effect || (w->order[i]->def && w->order[i]->def->flags & TN_STATEFUL)) &&
            !tn_pnode_add_control(b->l->arena, n, p))
            return no_memory(err);
    }
    *out = n;
    return tn_region_add(b->l->arena, b->region, n) ? TN_OK : no_memory(err);
}

static tn_code inline_call(lowering *l, const tn_function *f, const char *prefix, const tn_pval *args, tn_pnode *before,
                           tn_region *region, int depth, tn_pval *rets, tn_pnode **done, tn_error *err)
{
    body b = {.l = l, .g = f->body, .prefix = prefix, .args = args, .before = before, .region = region, .depth = depth};
    walk w;
    b.map = TN_ARRAY(l->arena, tn_graph_count(f->body) + 1, mapped);
    if (!b.map || !tn_walk_new(&w, &b)) return no_memory(err);
    b.framed = is_framed(&b);
    for (int i = 0; i < tn_graph_count(f->body); i++)
        if (tn_is_reached_anyway(tn_graph_at(f->body, i))) tn_walk_from(&w, tn_graph_at(f->body, i));
    for (int i = 0; i < f->n_control_rets; i++) tn_walk_from(&w, f->control_rets[i]);
    for (int i = 0; i < f->n_rets; i++) tn_walk_from(&w, f->rets[i].op);
    tn_walk_later(&w);
    TN_TRY(tn_lower_walked(&b, &w, err));
    for (int i = 0; i < f->n_rets; i++) TN_TRY(tn_lowered_value(&b, f->rets[i], &rets[i], err));
    return body_done(&b, &w, tn_arena_strdup(l->arena, prefix), done, err);
}

tn_code tn_lower_call(lowering *l, const tn_function *f, const char *prefix, const tn_pval *args, tn_pnode *before,
                      tn_region *region, int depth, tn_pval *rets, tn_pnode **done, tn_error *err)
{
    const within here = {f, l->within};
    if (tn_is_within(l->within, f)) return tn_lower_recursion(l, f, prefix, args, before, region, rets, done, err);
    l->within = &here;
    tn_code code = inline_call(l, f, prefix, args, before, region, depth, rets, done, err);
    l->within = here.outer;
    return code;
}

/* ==== the top ==== */

static tn_code new_feeds(body *b, const tn_node *fed, int n, tn_pnode ***out, tn_error *err)
{
    tn_pnode **feeds = TN_ARRAY(b->l->arena, n + 1, tn_pnode *);
    if (!feeds) return no_memory(err);
    for (int i = 0; i < n; i++) {
        tn_pnode *p = feeds[i] = tn_pnode_new(b->l->arena, &tn_pseudo_feed, fed[i].op->name, 0, 1);
        if (!p || !tn_region_add(b->l->arena, b->region, p)) return no_memory(err);
        p->feed = i;
        p->out[0].dtype = tn_dtype_base(fed[i].op->out[fed[i].index].dtype);
        p->out[0].shape = fed[i].op->out[fed[i].index].shape;
    }
    *out = feeds;
    return TN_OK;
}

static tn_code find_values(const tn_graph *g, const char *const *names, int n, tn_node *out, tn_error *err)
{
    for (int i = 0; i < n; i++) TN_TRY(tn_graph_value(g, names[i], &out[i], err));
    return TN_OK;
}

static tn_code check_feeds(const tn_node *fed, int n, tn_error *err)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (fed[i].op == fed[k].op && fed[i].index == fed[k].index)
                return tn_fail(err, TN_INVALID_ARGUMENT, "Endpoint \"%s:%d\" fed more than once.", fed[i].op->name,
                               fed[i].index);
    return TN_OK;
}

static tn_code find_targets(const tn_graph *g, const char *const *names, int n, tn_operation **out, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_node v;
        if ((out[i] = tn_graph_operation(g, names[i]))) continue;
        TN_TRY(tn_graph_value(g, names[i], &v, err));
        out[i] = v.op;
    }
    return TN_OK;
}

/* A reference that is fetched is read. */
static tn_code fetch(body *b, tn_node v, tn_pval *out, tn_error *err)
{
    TN_TRY(tn_lowered_value(b, v, out, err));
    if (!tn_dtype_is_ref(out->node->out[out->index].dtype)) return TN_OK;
    tn_pnode *holder = tn_pnode_new(b->l->arena, tn_op_find("NoOp"), v.op->name, 1, 0);
    if (!holder) return no_memory(err);
    holder->in[0] = *out;
    TN_TRY(tn_lower_read(b, holder, 0, err));
    *out = holder->in[0];
    return TN_OK;
}

static tn_code lower_top(body *b, const tn_node *fetches, int n_fetches, tn_operation *const *targets, int n_targets,
                         tn_error *err)
{
    walk w;
    b->map = TN_ARRAY(b->l->arena, tn_graph_count(b->g) + 1, mapped);
    b->region->rets = TN_ARRAY(b->l->arena, n_fetches + 1, tn_pval);
    if (!b->map || !b->region->rets || !tn_walk_new(&w, b)) return no_memory(err);
    b->framed = is_framed(b);
    for (int i = 0; i < n_fetches; i++)
        if (tn_body_feed(b, fetches[i]) < 0) tn_walk_from(&w, fetches[i].op);
    for (int i = 0; i < n_targets; i++) tn_walk_from(&w, targets[i]);
    tn_walk_later(&w);
    TN_TRY(tn_lower_walked(b, &w, err));
    for (int i = 0; i < n_fetches; i++) TN_TRY(fetch(b, fetches[i], &b->region->rets[i], err));
    b->region->n_rets = n_fetches;
    for (int i = 0; i < n_targets; i++)
        if (b->map[targets[i]->id].node) b->map[targets[i]->id].node->effect = true;
    TN_TRY(tn_make_functional(b->l->arena, b->region, err));
    return tn_region_order(b->l->arena, b->region, err);
}

/* Whatever is not there is told at once, before anything is made. */
static tn_code check_operators(const tn_graph *g, const tn_wanted *w, tn_error *err)
{
    tn_missing *missing;
    int n;
    TN_TRY(tn_find_missing(g, w, &missing, &n, err));
    tn_code code = n ? tn_fail_missing(missing, n, err) : TN_OK;
    tn_missing_free(missing);
    return code;
}

typedef struct wanted { /* values and operations of l->graph */
    tn_node *fed, *fetched;
    tn_operation **targets;
    int n_targets;
} wanted;

static tn_code wanted_new(const tn_lowered *l, int n_targets, wanted *w, tn_error *err)
{
    w->fed = TN_ARRAY(l->arena, l->n_feeds + 1, tn_node);
    w->fetched = TN_ARRAY(l->arena, l->n_fetches + 1, tn_node);
    w->targets = TN_ARRAY(l->arena, n_targets + 1, tn_operation *);
    return w->fed && w->fetched && w->targets ? TN_OK : no_memory(err);
}

/* f: the function whose body it is; NULL: the graph itself. */
static tn_code lower_wanted(tn_lowered *l, const wanted *w, const tn_function *f, const char *prefix, tn_error *err)
{
    const within here = {f, NULL};
    lowering lo = {.within = f ? &here : NULL,
                   .arena = l->arena,
                   .lowered = l,
                   .library = tn_graph_library(l->graph),
                   .store = l->store};
    size_t limit = tn_budget_limit(l->store ? l->store->budget : NULL);
    lo.most_nodes = limit ? TN_MIN(TN_MAX(limit / NODE_COST, LEAST_NODES), MOST_NODES) : MOST_NODES;
    if (!(l->top = TN_NEW(l->arena, tn_region))) return no_memory(err);
    TN_TRY(check_feeds(w->fed, l->n_feeds, err));
    tn_wanted needed = {w->fed, l->n_feeds, w->fetched, l->n_fetches, w->targets, w->n_targets};
    if (l->n_fetches || w->n_targets) TN_TRY(check_operators(l->graph, &needed, err));
    body b = {.l = &lo, .g = l->graph, .prefix = prefix, .fed = w->fed, .n_fed = l->n_feeds, .region = l->top};
    TN_TRY(new_feeds(&b, w->fed, l->n_feeds, &b.feeds, err));
    l->feeds = b.feeds;
    return lower_top(&b, w->fetched, l->n_fetches, w->targets, w->n_targets, err);
}

static tn_code lower_names(tn_lowered *l, const char *const *feeds, const char *const *fetches,
                           const char *const *targets, int n_targets, tn_error *err)
{
    wanted w = {.n_targets = n_targets};
    TN_TRY(wanted_new(l, n_targets, &w, err));
    TN_TRY(find_values(l->graph, feeds, l->n_feeds, w.fed, err));
    TN_TRY(find_values(l->graph, fetches, l->n_fetches, w.fetched, err));
    TN_TRY(find_targets(l->graph, targets, n_targets, w.targets, err));
    return lower_wanted(l, &w, NULL, "", err);
}

static tn_code lower_body(tn_lowered *l, const tn_function *f, const char *prefix, tn_error *err)
{
    wanted w = {0};
    TN_TRY(wanted_new(l, f->n_control_rets + tn_graph_count(f->body), &w, err));
    for (int i = 0; i < f->n_args; i++) w.fed[i] = (tn_node){f->args[i], 0};
    for (int i = 0; i < f->n_rets; i++) w.fetched[i] = f->rets[i];
    for (int i = 0; i < f->n_control_rets; i++) w.targets[w.n_targets++] = f->control_rets[i];
    for (int i = 0; i < tn_graph_count(f->body); i++) {
        tn_operation *op = tn_graph_at(f->body, i);
        if (tn_is_reached_anyway(op)) w.targets[w.n_targets++] = op;
    }
    const char *own = tn_arena_strdup(l->arena, prefix);
    return own ? lower_wanted(l, &w, f, own, err) : no_memory(err);
}

static tn_code lowered_new(const tn_graph *g, tn_store *store, int n_feeds, int n_fetches, tn_lowered **out,
                           tn_error *err)
{
    tn_lowered *l = tn_calloc(1, sizeof *l);
    if (!l || !(l->arena = tn_arena_new(0))) {
        tn_free(l);
        return tn_no_memory(err, sizeof *l);
    }
    *l = (tn_lowered){.arena = l->arena, .graph = g, .store = store, .n_feeds = n_feeds, .n_fetches = n_fetches};
    *out = l;
    return TN_OK;
}

/* Takes l. */
static tn_code give(tn_lowered *l, tn_code code, tn_lowered **out)
{
    if (code == TN_OK) tn_arena_settle(l->arena);
    if (code == TN_OK) *out = l;
    else tn_lowered_free(l);
    return code;
}

tn_code tn_lower(const tn_graph *g, tn_store *store, const char *const *feeds, int n_feeds, const char *const *fetches,
                 int n_fetches, const char *const *targets, int n_targets, tn_lowered **out, tn_error *err)
{
    tn_lowered *l;
    TN_TRY(lowered_new(g, store, n_feeds, n_fetches, &l, err));
    return give(l, lower_names(l, feeds, fetches, targets, n_targets, err), out);
}

tn_code tn_lower_function(const tn_function *f, tn_store *store, const char *prefix, tn_lowered **out, tn_error *err)
{
    tn_lowered *l;
    TN_TRY(lowered_new(f->body, store, f->n_args, f->n_rets, &l, err));
    return give(l, lower_body(l, f, prefix, err), out);
}

void tn_lowered_free(tn_lowered *l)
{
    if (!l) return;
    for (tn_made *m = l->made; m; m = m->next) tn_graph_free(m->body);
    tn_arena_free(l->arena);
    tn_free(l);
}
