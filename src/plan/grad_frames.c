/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_frames.c - gradients through TensorFlow 1's loops and conditionals: before differentiating, those between
 * the xs and the ys are given a functional form. What the ys depend on is looked at as a plan's region, in which
 * loops.c and conds.c make While and If of frames, Switch and Merge; raise.c writes these into the graph. Then the
 * Exits and Merges where values come out hand on what While and If compute, so that all that used them does still,
 * under the same names, and gradients find a graph without frames. What runs it is the same: the plan makes of
 * frames what is written here.
 *
 * Invariants: nothing else of the graph is changed; inside, the frames stay as they were, for whoever looks at
 * values there (gradients that TensorFlow added, above all). All Exits of a loop change together.
 */
#include "../graph/diff.h"
#include "raise.h"

#include "../wire/proto.h"

/* An operator that we do not have, where nobody asks what it does. */
static const tn_op unknown = {.name = "_Unknown", .infer = tn_infer_none};

typedef struct frames {
    tn_builder *b;
    tn_graph *g;
    tn_arena *arena;
    const tn_node *xs, *ys;
    int n_xs, n_ys, n; /* n: operations there are before anything is added */
    bool *needed;      /* by id: ys depend on it */
    bool *is_x;        /* by id */
    int *stack;
    tn_pnode **nodes; /* by id: in the region */
    tn_region *region;
    tn_operation **ways; /* out of frames and conditionals, that are to change */
    bool *is_way;        /* by id */
    int n_ways;
} frames;

static bool is_one_of(const tn_operation *op, const char *const *types)
{
    for (; *types; types++)
        if (!strcmp(op->type, *types)) return true;
    return false;
}

static bool is_exit(const tn_operation *op)
{
    return !strcmp(op->type, "Exit");
}

static bool leads_out(const tn_operation *op)
{
    return is_exit(op) || !strcmp(op->type, "Merge");
}

static bool enters(const tn_operation *op)
{
    static const char *const types[] = {"Switch", "RefSwitch", "_SwitchN", "Enter", "RefEnter", NULL};
    return is_one_of(op, types);
}

/* ==== what the ys depend on ==== */

static const tn_operation *dependency(const tn_operation *op, int i)
{
    return i < op->n_in ? op->in[i].op : op->control[i - op->n_in];
}

/* Marks whatever the operation depends on. */
static void need(frames *f, bool *marks, const tn_operation *op)
{
    int depth = 0;
    if (marks[op->id]) return;
    marks[op->id] = true;
    f->stack[depth++] = op->id;
    while (depth) {
        op = f->g->ops[f->stack[--depth]];
        for (int i = 0; i < op->n_in + op->n_control; i++) {
            const tn_operation *before = dependency(op, i);
            if (!before || marks[before->id]) continue;
            marks[before->id] = true;
            f->stack[depth++] = before->id;
        }
    }
}

static bool has_frames(const frames *f)
{
    for (int id = 0; id < f->n; id++)
        if (f->needed[id] && enters(f->g->ops[id])) return true;
    return false;
}

/* ==== as a region ==== */

static tn_code add_node(frames *f, const tn_operation *op, tn_error *err)
{
    const tn_op *def = op->def ? op->def : &unknown;
    tn_pnode *p = tn_pnode_new(f->arena, def, op->name, op->n_in, op->n_out);
    if (!p || !tn_region_add(f->arena, f->region, p)) return tn_no_memory(err, sizeof *p);
    p->attrs = &op->attrs;
    p->feed = op->id + 1;
    p->effect = def->writes || (def->flags & TN_EFFECT);
    for (int i = 0; i < op->n_out; i++) p->out[i].dtype = op->out[i].dtype;
    f->nodes[op->id] = p;
    return TN_OK;
}

static tn_code connect(frames *f, const tn_operation *op, tn_error *err)
{
    tn_pnode *p = f->nodes[op->id];
    for (int i = 0; i < op->n_in; i++) {
        if (!op->in[i].op) return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': input %d has no value", op->name, i);
        p->in[i] = (tn_pval){f->nodes[op->in[i].op->id], op->in[i].index};
    }
    for (int i = 0; i < op->n_control; i++)
        if (!tn_pnode_add_control(f->arena, p, f->nodes[op->control[i]->id])) return tn_no_memory(err, 0);
    return TN_OK;
}

/* The functional form of all that is needed; rets are the ys, then all outputs of the ways out. */
static tn_code make_region(frames *f, tn_error *err)
{
    tn_region *r = f->region = TN_NEW(f->arena, tn_region);
    if (!r || !(r->rets = TN_ARRAY(f->arena, f->n_ys + 2 * f->n_ways + 1, tn_pval))) return tn_no_memory(err, 0);
    for (int id = 0; id < f->n; id++)
        if (f->needed[id]) TN_TRY(add_node(f, f->g->ops[id], err));
    for (int id = 0; id < f->n; id++)
        if (f->needed[id]) TN_TRY(connect(f, f->g->ops[id], err));
    for (int i = 0; i < f->n_ys; i++) r->rets[r->n_rets++] = (tn_pval){f->nodes[f->ys[i].op->id], f->ys[i].index};
    for (int i = 0; i < f->n_ways; i++)
        for (int o = 0; o < f->ways[i]->n_out; o++) r->rets[r->n_rets++] = (tn_pval){f->nodes[f->ways[i]->id], o};
    TN_TRY(tn_make_loops_functional(f->arena, r, err));
    TN_TRY(tn_make_conds_functional(f->arena, r, err));
    return tn_infer_regions(f->arena, tn_graph_library(f->g), r, err);
}

/* ==== which of it changes ==== node->mark: it is as it was in the graph; node->slot: what gradients do */

enum { FROM_Y = 1, TO_X = 2 };

static bool carries(tn_pval v)
{
    tn_dtype t = v.node->out[v.index].dtype;
    return t == TN_INVALID_DTYPE || tn_differentiable(t);
}

static bool stops(const tn_pnode *p)
{
    return p->op->flags & TN_NO_GRADIENT;
}

static void come_from_ys(const frames *f)
{
    const tn_region *r = f->region;
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->slot = 0;
    for (int i = 0; i < f->n_ys; i++) r->rets[i].node->slot = FROM_Y;
    for (int i = r->n_nodes; i-- > 0;) {
        const tn_pnode *p = r->nodes[i];
        for (int k = 0; p->slot && !stops(p) && k < p->n_in; k++)
            if (carries(p->in[k])) p->in[k].node->slot = FROM_Y;
    }
}

static bool is_original(const frames *f, const tn_pnode *p)
{
    return p->op != &tn_pseudo_arg && p->feed && f->nodes[p->feed - 1] == p;
}

static bool leads_to_x(const frames *f, const tn_pnode *p)
{
    if (is_original(f, p) && f->is_x[p->feed - 1]) return true;
    for (int i = 0; !stops(p) && i < p->n_in; i++)
        if (p->in[i].node->slot & TO_X && carries(p->in[i])) return true;
    return false;
}

static void add_way(frames *f, tn_operation *op)
{
    if (!f->is_way[op->id]) f->ways[f->n_ways++] = op;
    f->is_way[op->id] = true;
}

/* A value of the graph has become v in the region: false, if the graph has it no more. */
static bool follow(frames *f, tn_node from, tn_pval v)
{
    if (v.node == f->nodes[from.op->id] && v.index == from.index) return v.node->mark;
    if (!leads_out(from.op)) return false;
    if (v.node->slot == (FROM_Y | TO_X)) add_way(f, from.op);
    return true;
}

static bool stays(frames *f, const tn_pnode *p)
{
    if (!is_original(f, p)) return false;
    const tn_operation *op = f->g->ops[p->feed - 1];
    for (int i = 0; i < p->n_in; i++)
        if (!follow(f, op->in[i], p->in[i])) return false;
    return true;
}

static void look(frames *f)
{
    tn_region *r = f->region;
    come_from_ys(f);
    for (int i = 0; i < r->n_nodes; i++) {
        if (leads_to_x(f, r->nodes[i])) r->nodes[i]->slot |= TO_X;
        r->nodes[i]->mark = stays(f, r->nodes[i]);
    }
    for (int i = 0; i < f->n_ys; i++) follow(f, f->ys[i], r->rets[i]);
}

/* ==== all Exits of a loop ==== */

static bool frame_of(const tn_operation *exit, tn_view *name)
{
    const tn_operation *op = exit;
    for (int i = 0; i < 3; i++) { /* Switch, Merge, Enter */
        if (op->n_in < 1 || !op->in[0].op) return false;
        op = op->in[0].op;
    }
    return !strcmp(op->type, "Enter") && tn_attr_get_string(&op->attrs, "frame_name", name);
}

static bool leaves_same_frame(const frames *f, const tn_operation *exit)
{
    tn_view mine, other;
    if (!frame_of(exit, &mine)) return false;
    for (int i = 0; i < f->n_ways; i++)
        if (frame_of(f->ways[i], &other) && tn_view_eq(mine, other)) return true;
    return false;
}

/* What depends on stacks is there for gradients that TensorFlow added: it goes on using the frames. */
static bool saves_for_gradients(frames *f, const tn_operation *exit, bool *marks)
{
    memset(marks, 0, (size_t)f->n * sizeof *marks);
    need(f, marks, exit);
    for (int id = 0; id < f->n; id++)
        if (marks[id] && !strncmp(f->g->ops[id]->type, "StackPush", 9)) return true;
    return false;
}

static tn_code add_siblings(frames *f, tn_error *err)
{
    bool *marks = TN_ARRAY(f->arena, f->n + 1, bool);
    if (!marks) return tn_no_memory(err, (size_t)f->n);
    for (int id = 0; id < f->n; id++) {
        tn_operation *op = f->g->ops[id];
        if (!is_exit(op) || f->is_way[id] || !leaves_same_frame(f, op) || saves_for_gradients(f, op, marks)) continue;
        need(f, f->needed, op);
        add_way(f, op);
    }
    return TN_OK;
}

/* ==== into the graph ==== */

/* Nodes to be added, backwards from the ways out: by their place in the region. */
static void want(bool *wanted, const tn_pnode *p)
{
    if (!p->mark) wanted[p->order] = true;
}

static tn_code raise_wanted(frames *f, tn_error *err)
{
    tn_region *r = f->region;
    tn_raising raising = {f->b, f->arena, f->is_x};
    bool *wanted = TN_ARRAY(f->arena, r->n_nodes + 1, bool);
    if (!wanted) return tn_no_memory(err, (size_t)r->n_nodes);
    for (int i = f->n_ys; i < r->n_rets; i++) want(wanted, r->rets[i].node);
    for (int i = r->n_nodes; i-- > 0;) {
        const tn_pnode *p = r->nodes[i];
        for (int k = 0; wanted[i] && k < p->n_in; k++) want(wanted, p->in[k].node);
        for (int k = 0; wanted[i] && k < p->n_control; k++) want(wanted, p->control[k]);
    }
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *p = r->nodes[i];
        if (p->mark) p->extra = f->g->ops[p->feed - 1];
        else if (wanted[i]) TN_TRY(tn_raise_node(&raising, p, err));
    }
    return TN_OK;
}

static tn_code change_ways(frames *f, tn_error *err)
{
    const tn_pval *v = f->region->rets + f->n_ys;
    for (int i = 0; i < f->n_ways; v += f->ways[i++]->n_out) {
        tn_node to[2] = {tn_raised(v[0])};
        if (f->ways[i]->n_out == 2) to[1] = tn_raised(v[1]);
        TN_TRY(tn_operation_hand_on(f->ways[i], to, err));
    }
    return TN_OK;
}

/* ==== what TensorFlow's Python noted about loops ==== */

static bool is_way_named(const frames *f, tn_view value)
{
    char name[512];
    const char *colon = value.n ? memchr(value.p, ':', value.n) : NULL;
    size_t n = colon ? (size_t)(colon - value.p) : value.n;
    if (n >= sizeof name) return false;
    snprintf(name, sizeof name, "%.*s", (int)n, value.p);
    const tn_operation *op = tn_graph_operation(f->g, name);
    return op && op->id < f->n && f->is_way[op->id];
}

/* A collection says which values are inside of which loop: an Exit that hands on is in none, and whatever was built on
 * it there would be refused. */
static tn_code forget_loops(frames *f, tn_error *err)
{
    static const char collection[] = "while_context";
    for (int i = tn_collection_is_bytes(f->g, collection) ? tn_collection_count(f->g, collection) : 0; i-- > 0;) {
        tn_WhileContextDef *def;
        bool changed = false;
        if (TN_DECODE(WhileContextDef, tn_collection_bytes_at(f->g, collection, i), f->arena, &def, NULL)) continue;
        for (uint32_t k = 0; k < def->loop_exit_names.n; k++) changed |= is_way_named(f, def->loop_exit_names.items[k]);
        if (changed) TN_TRY(tn_collection_remove_bytes(f->g, collection, i, err));
    }
    return TN_OK;
}

static tn_code convert(frames *f, tn_error *err)
{
    int known;
    do {
        known = f->n_ways;
        TN_TRY(make_region(f, err));
        look(f);
        TN_TRY(add_siblings(f, err));
    } while (f->n_ways != known);
    if (!f->n_ways) return TN_OK;
    TN_TRY(raise_wanted(f, err));
    TN_TRY(change_ways(f, err));
    return forget_loops(f, err);
}

static tn_code find_and_convert(frames *f, tn_error *err)
{
    int n = f->n + 1;
    f->needed = TN_ARRAY(f->arena, n, bool);
    f->is_x = TN_ARRAY(f->arena, n, bool);
    f->is_way = TN_ARRAY(f->arena, n, bool);
    f->stack = TN_ARRAY(f->arena, n, int);
    f->nodes = TN_ARRAY(f->arena, n, tn_pnode *);
    f->ways = TN_ARRAY(f->arena, n, tn_operation *);
    if (!f->needed || !f->is_x || !f->is_way || !f->stack || !f->nodes || !f->ways) return tn_no_memory(err, 0);
    for (int i = 0; i < f->n_ys; i++) need(f, f->needed, f->ys[i].op);
    if (!has_frames(f)) return TN_OK;
    for (int i = 0; i < f->n_xs; i++) f->is_x[f->xs[i].op->id] = true;
    return convert(f, err);
}

tn_code tn_grad_frames(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs, tn_error *err)
{
    frames f = {.b = b, .g = b->graph, .arena = tn_arena_new(0), .n = b->graph->n,
                .ys = ys, .n_ys = n_ys, .xs = xs, .n_xs = n_xs};
    if (!f.arena) return tn_no_memory(err, 0);
    tn_code code = find_and_convert(&f, err);
    tn_arena_free(f.arena);
    return code ? tn_wrap(err, "a functional form of loops and branches, to differentiate them") : TN_OK;
}
