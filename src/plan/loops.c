/* SPDX-License-Identifier: Apache-2.0
 *
 * loops.c - TensorFlow 1's loops (Enter, Merge, LoopCond, Switch, NextIteration, Exit in frames) become
 * While nodes, innermost frames first.
 *
 * A frame's loop variables are its Merge nodes; its constant Enters are passed through unchanged. What the
 * condition needs is copied into one region, what the next values need into another. Pruning came before,
 * so variables that only a gradient would have needed are not here. Invariants: afterwards no node of a
 * frame is left in the region.
 */
#include "plan.h"

enum { LEAVING = -2 }; /* mark of what is computed when the loop ends */

typedef struct frame {
    const char *name;
    int parent; /* index; -1: the region itself */
    int depth;
} frame;

typedef struct waits {
    tn_pnode **stack; /* each for all nodes */
    bool *seen; /* at a node's order */
    bool *used; /* somebody looks at its value, other than what hands it on and is only waited for */
} waits;

typedef struct frames {
    tn_arena *a;
    tn_region *r;
    frame *v;
    int n;
    tn_pnode **room[6]; /* each for all nodes: every loop in its turn has them */
    waits waits;        /* without room where none may wait for itself */
} frames;

typedef struct loop { /* one frame taken apart */
    int id;
    tn_pnode **enters, **merges, **nexts, **consts; /* enters[i] -> merges[i] <- nexts[i] */
    int n_vars, n_consts;
    tn_pnode *cond; /* LoopCond */
} loop;

static bool is_kind(const tn_pnode *n, const char *kind)
{
    const char *name = n->op->name;
    if (strncmp(name, "Ref", 3) == 0) name += 3;
    return strcmp(name, kind) == 0;
}

static tn_code malformed(const tn_pnode *n, const char *why, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "loop: %s [[{{node %s}}]]", why, n->name);
}

/* ==== which frame a node is in (node->mark) ==== */

static int find_frame(frames *f, const char *name, int parent)
{
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->v[i].name, name) == 0) return i;
    f->v[f->n] = (frame){name, parent, parent < 0 ? 1 : f->v[parent].depth + 1};
    return f->n++;
}

static int depth_of(const frames *f, int id)
{
    return id < 0 ? 0 : f->v[id].depth;
}

static int frame_after(const frames *f, const tn_pnode *n)
{
    if (n->mark < 0 || !is_kind(n, "Exit")) return n->mark;
    return f->v[n->mark].parent;
}

static tn_code frame_name(frames *f, const tn_pnode *n, const char **out, tn_error *err)
{
    tn_view name;
    if (!tn_attr_get_string(n->attrs, "frame_name", &name)) return malformed(n, "Enter has no frame_name", err);
    *out = tn_arena_strndup(f->a, name.p, name.n);
    return *out ? TN_OK : tn_no_memory(err, name.n);
}

static int deepest_input(const frames *f, const tn_pnode *n)
{
    int best = -1;
    for (int i = 0; i < n->n_in + n->n_control; i++) {
        const tn_pnode *in = i < n->n_in ? n->in[i].node : n->control[i - n->n_in];
        int id = frame_after(f, in);
        if (depth_of(f, id) > depth_of(f, best)) best = id;
    }
    return best;
}

static tn_code assign_once(frames *f, bool *changed, tn_error *err)
{
    for (int i = 0; i < f->r->n_nodes; i++) {
        tn_pnode *n = f->r->nodes[i];
        int id = deepest_input(f, n);
        if (is_kind(n, "Enter")) {
            const char *name;
            TN_TRY(frame_name(f, n, &name, err));
            id = find_frame(f, name, id);
            int parent = deepest_input(f, n);
            if (f->v[id].parent != parent) {
                f->v[id].parent = parent;
                f->v[id].depth = depth_of(f, parent) + 1;
            }
        }
        *changed = *changed || n->mark != id;
        n->mark = id;
    }
    return TN_OK;
}

static tn_code assign_frames(frames *f, tn_error *err)
{
    int enters = 0;
    for (int i = 0; i < f->r->n_args; i++) f->r->args[i]->mark = -1;
    for (int i = 0; i < f->r->n_nodes; i++) {
        f->r->nodes[i]->mark = -1;
        enters += is_kind(f->r->nodes[i], "Enter");
    }
    f->v = TN_ARRAY(f->a, enters + 1, frame);
    if (!f->v) return tn_no_memory(err, 0);
    if (!enters) return TN_OK;
    bool changed = true;
    for (int round = 0; changed; round++) {
        if (round > f->r->n_nodes + 2) return malformed(f->r->nodes[0], "frames do not nest", err);
        changed = false;
        TN_TRY(assign_once(f, &changed, err));
    }
    return TN_OK;
}

/* ==== taking a frame apart ==== */

static bool is_constant_enter(const tn_pnode *n)
{
    bool constant = false;
    tn_attr_get_bool(n->attrs, "is_constant", &constant);
    return constant;
}

static tn_code add_variable(loop *l, tn_pnode *merge, tn_error *err)
{
    if (merge->n_in != 2) return malformed(merge, "a loop's Merge must have two inputs", err);
    tn_pnode *enter = merge->in[0].node, *next = merge->in[1].node;
    if (!enter || !next || !is_kind(enter, "Enter") || !is_kind(next, "NextIteration"))
        return malformed(merge, "a loop's Merge joins an Enter and a NextIteration", err);
    l->enters[l->n_vars] = enter;
    l->nexts[l->n_vars] = next;
    l->merges[l->n_vars++] = merge;
    return TN_OK;
}

static tn_code take_apart(frames *f, int id, loop *l, tn_error *err)
{
    *l = (loop){.id = id, .enters = f->room[0], .merges = f->room[1], .nexts = f->room[2], .consts = f->room[3]};
    for (int i = 0; i < f->r->n_nodes; i++) {
        tn_pnode *p = f->r->nodes[i];
        if (p->mark != id) continue;
        if (is_kind(p, "LoopCond")) l->cond = p;
        else if (is_kind(p, "Enter") && is_constant_enter(p)) l->consts[l->n_consts++] = p;
        else if (is_kind(p, "Merge") && is_kind(p->in[0].node, "Enter")) TN_TRY(add_variable(l, p, err));
    }
    if (!l->cond)
        return tn_fail(err, TN_INVALID_ARGUMENT, "loop: frame '%s' has no LoopCond", f->v[id].name);
    return TN_OK;
}

/* ==== regions of the While ==== */

/* node->order of an Enter or Merge: its position among the While's values. */
static tn_pval boundary(const loop *l, const tn_region *to, tn_pval v, bool *is_boundary)
{
    tn_pnode *n = v.node;
    *is_boundary = true;
    for (; n->mark == l->id && is_kind(n, "Switch") && n->in[1].node == l->cond; n = v.node) v = n->in[0];
    if (n->mark == l->id) {
        if (is_kind(n, "Enter")) return (tn_pval){to->args[n->order], 0};
        if (is_kind(n, "Merge") && is_kind(n->in[0].node, "Enter")) return (tn_pval){to->args[n->order], 0};
        if (n == l->cond) {
            bool inner;
            tn_pval in = boundary(l, to, n->in[0], &inner);
            *is_boundary = inner;
            return inner ? in : n->in[0];
        }
    }
    *is_boundary = false;
    return v;
}

typedef struct gather { /* nodes of the frame that a region needs */
    const loop *l;
    tn_region *to;
    tn_pnode **stack;
    int n;
    tn_pnode **found;
    int n_found;
} gather;

static void need(gather *g, tn_pnode *n)
{
    if (n->mark != g->l->id || n->copy) return;
    n->copy = n; /* seen; replaced by the real copy below */
    g->found[g->n_found++] = n;
    g->stack[g->n++] = n;
}

static void need_value(gather *g, tn_pval v)
{
    bool is_boundary;
    tn_pval at = boundary(g->l, g->to, v, &is_boundary);
    if (!is_boundary) need(g, at.node);
}

static void need_control(gather *g, tn_pnode *n)
{
    bool is_boundary;
    tn_pval at = boundary(g->l, g->to, (tn_pval){n, 0}, &is_boundary);
    if (!is_boundary && !is_kind(n, "NextIteration") && !is_kind(n, "Exit")) need(g, at.node);
}

static void need_all(gather *g)
{
    while (g->n) {
        tn_pnode *n = g->stack[--g->n];
        for (int i = 0; i < n->n_in; i++) need_value(g, n->in[i]);
        for (int i = 0; i < n->n_control; i++) need_control(g, n->control[i]);
    }
}

static tn_code copied(gather *g, tn_pval v, const tn_pnode *user, tn_pval *out, tn_error *err)
{
    bool is_boundary;
    tn_pval at = boundary(g->l, g->to, v, &is_boundary);
    if (!is_boundary && !at.node->copy) return malformed(user, "a value comes into the frame without an Enter", err);
    *out = is_boundary ? at : (tn_pval){at.node->copy, at.index};
    return TN_OK;
}

static tn_code connect_copy(frames *f, gather *g, tn_pnode *n, tn_error *err)
{
    tn_pnode *c = n->copy;
    for (int i = 0; i < n->n_in; i++) TN_TRY(copied(g, n->in[i], n, &c->in[i], err));
    c->n_control = c->cap_control = 0;
    c->control = NULL;
    for (int i = 0; i < n->n_control; i++) {
        bool is_boundary;
        tn_pval at = boundary(g->l, g->to, (tn_pval){n->control[i], 0}, &is_boundary);
        if (!is_boundary && at.node->mark == g->l->id && at.node->copy && !tn_pnode_add_control(f->a, c, at.node->copy))
            return tn_no_memory(err, 0);
    }
    return TN_OK;
}

static tn_code copy_needed(frames *f, gather *g, tn_error *err)
{
    for (int i = 0; i < g->n_found; i++) {
        tn_pnode *c = tn_pnode_copy(f->a, g->found[i]);
        if (!c || !tn_region_add(f->a, g->to, c)) return tn_no_memory(err, 0);
        g->found[i]->copy = c;
    }
    for (int i = 0; i < g->n_found; i++) TN_TRY(connect_copy(f, g, g->found[i], err));
    return TN_OK;
}

static tn_code new_region(frames *f, const loop *l, tn_region **out, tn_error *err)
{
    int n = l->n_vars + l->n_consts;
    tn_region *r = TN_NEW(f->a, tn_region);
    if (!r || !(r->args = TN_ARRAY(f->a, n + 1, tn_pnode *)) || !(r->rets = TN_ARRAY(f->a, n + 1, tn_pval)))
        return tn_no_memory(err, 0);
    r->n_args = n;
    for (int i = 0; i < n; i++) {
        tn_pnode *from = i < l->n_vars ? l->enters[i] : l->consts[i - l->n_vars];
        tn_pnode *arg = tn_pnode_new(f->a, &tn_pseudo_arg, from->name, 0, 1);
        if (!arg) return tn_no_memory(err, 0);
        arg->feed = i;
        arg->out[0].dtype = from->out[0].dtype;
        arg->resource = tn_pval_resource(from->in[0]);
        r->args[i] = arg;
    }
    *out = r;
    return TN_OK;
}

static tn_code fill_region(frames *f, const loop *l, tn_region *to, const tn_pval *rets, int n_rets, tn_error *err)
{
    gather g = {.l = l, .to = to, .stack = f->room[4], .found = f->room[5]};
    for (int i = 0; i < f->r->n_nodes; i++) f->r->nodes[i]->copy = NULL;
    for (int i = 0; i < n_rets; i++) need_value(&g, rets[i]);
    for (int i = 0; i < l->n_vars && n_rets > 1; i++) /* what must have happened before the next iteration */
        for (int k = 0; k < l->nexts[i]->n_control; k++) need_control(&g, l->nexts[i]->control[k]);
    need_all(&g);
    TN_TRY(copy_needed(f, &g, err));
    for (int i = 0; i < n_rets; i++) TN_TRY(copied(&g, rets[i], l->cond, &to->rets[i], err));
    to->n_rets = n_rets;
    return TN_OK;
}

static bool region_has_effects(const tn_region *r)
{
    for (int i = 0; i < r->n_nodes; i++)
        if (r->nodes[i]->effect || tn_pnode_has_writes(r->nodes[i])) return true;
    return false;
}

/* ==== waiting for oneself ====
 * Gradients that must come after an update of statistics count the loop's iterations, in a further variable of its
 * frame, only after that update; which may be of what the loop gives. There the frame's other variables run ahead.
 * Here the count does not wait: it is the same whenever it is made. */

static bool hands_on(const tn_pnode *n)
{
    return is_kind(n, "Identity") || n->op == &tn_pseudo_read_ref;
}

/* The inputs of p are used; those that hand on what they get make what they get used. */
static void use_inputs(const waits *w, const tn_pnode *p)
{
    int n = 0;
    for (;;) {
        for (int k = 0; k < p->n_in; k++) {
            tn_pnode *in = p->in[k].node;
            if (in->order < 0 || w->used[in->order]) continue;
            w->used[in->order] = true;
            if (hands_on(in)) w->stack[n++] = in;
        }
        if (!n) return;
        p = w->stack[--n];
    }
}

static void note_order(const tn_region *r)
{
    for (int i = 0; i < r->n_args; i++) r->args[i]->order = -1;
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->order = i;
}

/* Nodes are behind what they wait for: no Enter of the frame waits for an Exit where all come before the first. */
static bool may_wait(const frames *f, const loop *l)
{
    int first = f->r->n_nodes;
    for (int i = 0; i < f->r->n_nodes; i++) {
        const tn_pnode *n = f->r->nodes[i];
        if (n->mark == l->id && n->order < first && is_kind(n, "Exit")) first = n->order;
    }
    for (int i = 0; i < l->n_vars; i++)
        if (l->enters[i]->order > first) return true;
    for (int i = 0; i < l->n_consts; i++)
        if (l->consts[i]->order > first) return true;
    return false;
}

static tn_code waits_room(frames *f, tn_error *err)
{
    const size_t n = (size_t)f->r->n_nodes + 1;
    waits *w = &f->waits;
    if (w->used) return TN_OK;
    w->stack = TN_ARRAY(f->a, n, tn_pnode *);
    w->seen = TN_ARRAY(f->a, n, bool);
    w->used = TN_ARRAY(f->a, n, bool);
    return w->stack && w->seen && w->used ? TN_OK : tn_no_memory(err, n * sizeof *w->stack);
}

static void find_used(const frames *f)
{
    const tn_region *r = f->r;
    waits w = f->waits;
    memset(w.used, 0, (size_t)r->n_nodes * sizeof *w.used);
    note_order(r);
    for (int i = 0; i < r->n_rets; i++) {
        const tn_pnode *ret = r->rets[i].node;
        if (ret->order >= 0) w.used[ret->order] = true;
        use_inputs(&w, ret);
    }
    for (int i = 0; i < r->n_nodes; i++)
        if (!hands_on(r->nodes[i])) use_inputs(&w, r->nodes[i]);
}

/* Whether a node waits for what comes out of the loop. */
static bool follows(const frames *f, const loop *l, tn_pnode *from)
{
    const waits *w = &f->waits;
    int n = 0;
    memset(w->seen, 0, (size_t)f->r->n_nodes * sizeof *w->seen);
    w->stack[n++] = from;
    while (n) {
        const tn_pnode *p = w->stack[--n];
        if (p->mark == l->id && is_kind(p, "Exit")) return true;
        for (int i = 0; i < p->n_in + p->n_control; i++) {
            tn_pnode *in = i < p->n_in ? p->in[i].node : p->control[i - p->n_in];
            if (in->order < 0 || w->seen[in->order]) continue;
            w->seen[in->order] = true;
            w->stack[n++] = in;
        }
    }
    return false;
}

static void drop_control(tn_pnode *n, int k)
{
    n->n_control--;
    memmove(&n->control[k], &n->control[k + 1], (size_t)(n->n_control - k) * sizeof n->control[0]);
}

/* What of the frame is made of an Enter that nobody looks at: nobody waits for it. */
static void drop_waits_for(const frames *f, const loop *l, const tn_pnode *enter)
{
    const waits *w = &f->waits;
    for (int i = 0; i < f->r->n_nodes; i++) {
        tn_pnode *p = f->r->nodes[i];
        for (int k = p->n_control; k-- > 0;) {
            const tn_pnode *c = p->control[k];
            while (c->mark == l->id && hands_on(c) && c->order >= 0 && !w->used[c->order]) c = c->in[0].node;
            if (c == enter) drop_control(p, k);
        }
    }
}

static tn_code let_it_begin(frames *f, loop *l, tn_error *err)
{
    if (!may_wait(f, l)) return TN_OK;
    TN_TRY(waits_room(f, err));
    find_used(f);
    for (int i = 0; i < l->n_vars; i++) {
        tn_pnode *c = l->enters[i]->in[0].node;
        if (c->op != &tn_pseudo_constant) continue;
        for (int k = c->n_control; k-- > 0;)
            if (follows(f, l, c->control[k])) drop_control(c, k);
    }
    int kept = 0;
    for (int i = 0; i < l->n_consts; i++) {
        tn_pnode *enter = l->consts[i];
        bool goes = !f->waits.used[enter->order] && follows(f, l, enter->in[0].node);
        if (goes) drop_waits_for(f, l, enter);
        else l->consts[kept++] = enter;
    }
    l->n_consts = kept;
    return TN_OK;
}

/* ==== the While ==== */

static tn_code new_while(frames *f, const loop *l, tn_pnode **out, tn_error *err)
{
    int n = l->n_vars + l->n_consts;
    tn_pnode *w = tn_pnode_new(f->a, tn_op_find("While"), l->cond->name, n, n);
    tn_pval *rets = TN_ARRAY(f->a, n + 1, tn_pval);
    if (!w || !rets || !(w->sub = TN_ARRAY(f->a, 2, tn_region *))) return tn_no_memory(err, 0);
    w->n_sub = 2;
    for (int i = 0; i < n; i++) {
        tn_pnode *enter = i < l->n_vars ? l->enters[i] : l->consts[i - l->n_vars];
        enter->order = i;
        if (i < l->n_vars) l->merges[i]->order = i;
        rets[i] = i < l->n_vars ? l->nexts[i]->in[0] : (tn_pval){enter, 0};
        w->in[i] = enter->in[0];
        w->out[i].dtype = enter->out[0].dtype;
        for (int k = 0; k < enter->n_control; k++)
            if (!tn_pnode_add_control(f->a, w, enter->control[k])) return tn_no_memory(err, 0);
    }
    TN_TRY(new_region(f, l, &w->sub[0], err));
    TN_TRY(new_region(f, l, &w->sub[1], err));
    TN_TRY(fill_region(f, l, w->sub[0], &l->cond->in[0], 1, err));
    TN_TRY(fill_region(f, l, w->sub[1], rets, n, err));
    w->effect = region_has_effects(w->sub[0]) || region_has_effects(w->sub[1]);
    w->mark = f->v[l->id].parent;
    *out = w;
    return TN_OK;
}

/* ==== leaving the frame ==== */

static bool is_flow(const tn_pnode *n)
{
    static const char *const kinds[] = {"Enter", "Exit", "Merge", "Switch", "NextIteration", "LoopCond"};
    for (size_t i = 0; i < TN_COUNT(kinds); i++)
        if (is_kind(n, kinds[i])) return true;
    return false;
}

static bool looks_at_the_end(const loop *l, const tn_pnode *p)
{
    for (int k = 0; k < p->n_in; k++) {
        const tn_pnode *in = p->in[k].node;
        if (in->mark == LEAVING) return true;
        if (in->mark == l->id && is_kind(in, "Switch") && in->in[1].node == l->cond && p->in[k].index == 0) return true;
    }
    return false;
}

/* What is computed between a Switch's false side and an Exit is computed once, when the loop has ended. */
static void find_leaving(const frames *f, const loop *l)
{
    for (bool again = true; again;) {
        again = false;
        for (int i = 0; i < f->r->n_nodes; i++) {
            tn_pnode *p = f->r->nodes[i];
            if (p->mark != l->id || is_flow(p) || !looks_at_the_end(l, p)) continue;
            p->mark = LEAVING;
            again = true;
        }
    }
}

/* A value of the frame as it is after the loop. */
static tn_code at_the_end(const loop *l, tn_pnode *w, tn_pval *v, const tn_pnode *user, tn_error *err)
{
    tn_pnode *n = v->node;
    if (!n || n->mark != l->id) return TN_OK;
    if (is_kind(n, "Switch") && n->in[1].node == l->cond) n = n->in[0].node;
    bool is_variable = (is_kind(n, "Merge") && is_kind(n->in[0].node, "Enter")) || is_kind(n, "Enter");
    if (n->mark != l->id || !is_variable)
        return malformed(user, "a value leaves the frame other than by a Switch", err);
    *v = (tn_pval){w, n->order};
    return TN_OK;
}

static tn_code after_exit(const loop *l, tn_pnode *w, tn_pval *v, tn_error *err)
{
    if (!v->node || v->node->mark != l->id) return TN_OK;
    tn_pnode *exit = v->node;
    if (!is_kind(exit, "Exit")) return malformed(exit, "a value inside of a loop is asked for from outside", err);
    *v = exit->in[0];
    return at_the_end(l, w, v, exit, err);
}

static tn_code leave(const loop *l, tn_pnode *w, tn_pnode *p, tn_error *err)
{
    bool leaving = p->mark == LEAVING;
    for (int k = 0; k < p->n_in; k++)
        TN_TRY(leaving ? at_the_end(l, w, &p->in[k], p, err) : after_exit(l, w, &p->in[k], err));
    for (int k = 0; k < p->n_control; k++)
        if (p->control[k]->mark == l->id) p->control[k] = w;
    return TN_OK;
}

/* Everything outside that looked at an Exit looks at the While; the frame's nodes go. */
static tn_code replace_frame(frames *f, const loop *l, tn_pnode *w, tn_error *err)
{
    int n = 0;
    find_leaving(f, l);
    for (int i = 0; i < f->r->n_nodes; i++) {
        tn_pnode *p = f->r->nodes[i];
        if (p->mark == l->id) continue;
        TN_TRY(leave(l, w, p, err));
        f->r->nodes[n++] = p;
    }
    for (int i = 0; i < n; i++)
        if (f->r->nodes[i]->mark == LEAVING) f->r->nodes[i]->mark = f->v[l->id].parent;
    for (int i = 0; i < f->r->n_rets; i++) TN_TRY(after_exit(l, w, &f->r->rets[i], err));
    f->r->n_nodes = n;
    return tn_region_add(f->a, f->r, w) ? TN_OK : tn_no_memory(err, 0);
}

static int deepest_frame(const frames *f, const bool *done)
{
    int best = -1;
    for (int i = 0; i < f->n; i++)
        if (!done[i] && (best < 0 || f->v[i].depth > f->v[best].depth)) best = i;
    return best;
}

tn_code tn_make_loops_functional(tn_arena *a, tn_region *r, tn_error *err)
{
    frames f = {.a = a, .r = r};
    TN_TRY(assign_frames(&f, err));
    bool *done = TN_ARRAY(a, f.n + 1, bool);
    if (!done) return tn_no_memory(err, 0);
    for (size_t i = 0; f.n && i < TN_COUNT(f.room); i++)
        if (!(f.room[i] = TN_ARRAY(a, r->n_nodes + 1, tn_pnode *))) return tn_no_memory(err, 0);
    note_order(r);
    for (int id; (id = deepest_frame(&f, done)) >= 0; done[id] = true) {
        loop l;
        tn_pnode *w = NULL;
        TN_TRY(take_apart(&f, id, &l, err));
        TN_TRY(let_it_begin(&f, &l, err));
        TN_TRY(new_while(&f, &l, &w, err));
        TN_TRY(replace_frame(&f, &l, w, err));
    }
    return TN_OK;
}
