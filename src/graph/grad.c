/* SPDX-License-Identifier: Apache-2.0
 *
 * grad.c - gradients as graph: reverse accumulation over the operations between ys and xs, in TensorFlow's
 * order and under its names. What one operator's gradient is stands in its record.
 *
 * Invariants: an operation is visited once, after everything between it and the ys; contributions are
 * summed in the order they were made, so that the same graph gets the same gradient graph.
 */
#include "diff.h"

typedef struct contribution {
    tn_gradient g;
    struct contribution *next;
} contribution;

typedef struct sum { /* of one output: first what came in, then what it comes to */
    contribution *first, **last;
    int n;
    tn_gradient total;
} sum;

typedef struct mark {
    bool is_x, seen, open; /* open: on the way of the search */
    bool between;          /* leads from an x to a y */
    bool continues;        /* so does one of its inputs */
    int pending;           /* uses whose gradient is not known yet */
    sum *outputs;
} mark;

typedef struct walk {
    tn_builder *b;
    tn_arena *arena;
    mark *marks; /* by id */
    int n;       /* operations there were before the first gradient was added */
    int *queue, head, tail;
} walk;

static bool stops(const tn_operation *op)
{
    return op->def && (op->def->flags & TN_NO_GRADIENT);
}

/* Gradients flow along this input; along one of unknown dtype too, so that an operator we do not have is
 * an error and not a silent end. */
static bool flows(const tn_operation *op, int i)
{
    if (!op->in[i].op) return false;
    tn_dtype t = tn_node_dtype(op->in[i]);
    return t == TN_INVALID_DTYPE || tn_differentiable(t);
}

static tn_code no_memory(walk *w, tn_error *err)
{
    return tn_no_memory(err, (size_t)w->n * sizeof(mark));
}

/* ==== which operations lie between ==== */

typedef struct step {
    int id, input;
} step;

/* All inputs of op were looked at. */
static void close_step(walk *w, const tn_operation *op)
{
    mark *m = &w->marks[op->id];
    m->open = false;
    for (int i = 0; !stops(op) && i < op->n_in; i++) {
        if (flows(op, i) && w->marks[op->in[i].op->id].between) m->continues = true;
    }
    m->between = m->is_x || m->continues;
}

static void open_step(walk *w, step *stack, int *depth, int id)
{
    w->marks[id].seen = w->marks[id].open = true;
    stack[(*depth)++] = (step){id, 0};
}

/* Depth first from one operation; *cycle gets an operation that depends on itself. */
static void search(walk *w, step *stack, int from, int *cycle)
{
    int depth = 0;
    if (w->marks[from].seen) return;
    open_step(w, stack, &depth, from);
    while (depth) {
        step *top = &stack[depth - 1];
        const tn_operation *op = w->b->graph->ops[top->id];
        if (stops(op) || top->input == op->n_in) {
            close_step(w, op);
            depth--;
            continue;
        }
        int i = top->input++;
        if (!flows(op, i)) continue;
        int id = op->in[i].op->id;
        if (w->marks[id].open) *cycle = id;
        if (!w->marks[id].seen) open_step(w, stack, &depth, id);
    }
}

static tn_code find_between(walk *w, const tn_node *ys, int n_ys, tn_error *err)
{
    int cycle = -1;
    step *stack = TN_ARRAY(w->arena, w->n + 1, step);
    if (!stack) return no_memory(w, err);
    for (int i = 0; i < n_ys; i++) search(w, stack, ys[i].op->id, &cycle);
    if (cycle < 0 || !w->marks[cycle].between) return TN_OK;
    const tn_operation *op = w->b->graph->ops[cycle];
    return tn_fail(err, TN_UNIMPLEMENTED,
                   "No gradient defined for operation '%s' (op type: %s): it is part of a loop of frames",
                   op->name, op->type);
}

static void count_uses(walk *w)
{
    for (int id = 0; id < w->n; id++) {
        const tn_operation *op = w->b->graph->ops[id];
        if (!w->marks[id].continues) continue;
        for (int i = 0; i < op->n_in; i++) {
            if (flows(op, i) && w->marks[op->in[i].op->id].between) w->marks[op->in[i].op->id].pending++;
        }
    }
}

/* ==== contributions ==== */

static tn_code sums_of(walk *w, const tn_operation *op, sum **out, tn_error *err)
{
    mark *m = &w->marks[op->id];
    if (!m->outputs) {
        m->outputs = TN_ARRAY(w->arena, TN_MAX(op->n_out, 1), sum);
        if (!m->outputs) return no_memory(w, err);
        for (int o = 0; o < op->n_out; o++) m->outputs[o].last = &m->outputs[o].first;
    }
    *out = m->outputs;
    return TN_OK;
}

static tn_code contribute(walk *w, tn_node to, const tn_gradient *g, tn_error *err)
{
    sum *sums = NULL;
    contribution *c = TN_NEW(w->arena, contribution);
    if (!c) return no_memory(w, err);
    TN_TRY(sums_of(w, to.op, &sums, err));
    c->g = *g;
    *sums[to.index].last = c;
    sums[to.index].last = &c->next;
    sums[to.index].n++;
    return TN_OK;
}

static tn_node add_up(walk *w, const sum *s)
{
    tn_node *in = TN_ARRAY(w->arena, s->n, tn_node);
    if (!tn_builder_got(w->b, in)) return (tn_node){NULL, 0};
    int n = 0;
    for (contribution *c = s->first; c; c = c->next) in[n++] = tn_gradient_dense(w->b, &c->g);
    return tn_op(w->b, "AddN", in, n, TN_NO_ATTRS);
}

static tn_node joined(walk *w, const sum *s, bool values, bool wide)
{
    tn_node *in = TN_ARRAY(w->arena, s->n + 1, tn_node);
    if (!tn_builder_got(w->b, in)) return (tn_node){NULL, 0};
    int n = 0;
    for (contribution *c = s->first; c; c = c->next) {
        in[n] = values ? c->g.value : c->g.indices;
        if (wide && tn_node_dtype(in[n]) != TN_INT64) {
            in[n] = tn_op(w->b, "Cast", TN_INPUTS(in[n]), TN_ATTRS(tn_attr_type("DstT", TN_INT64)));
        }
        n++;
    }
    in[n++] = tn_scalar(w->b, TN_INT32, 0);
    return tn_op_named(w->b, "ConcatV2", "concat", in, n, TN_NO_ATTRS);
}

/* Slices of several uses: all rows, one after the other; a row may come several times. */
static tn_gradient join_slices(walk *w, const sum *s)
{
    bool wide = false;
    tn_gradient r = s->first->g;
    for (contribution *c = s->first; c; c = c->next)
        wide |= tn_node_dtype(c->g.indices) != tn_node_dtype(r.indices);
    r.value = joined(w, s, true, false);
    r.indices = joined(w, s, false, wide);
    return r;
}

static void total(walk *w, sum *s)
{
    bool dense = false;
    if (!s->n) return;
    for (contribution *c = s->first; c; c = c->next) dense |= c->g.kind == TN_GRAD_NODE;
    if (s->n == 1)
        s->total = s->first->g;
    else if (dense)
        s->total = (tn_gradient){.kind = TN_GRAD_NODE, .value = add_up(w, s)};
    else
        s->total = join_slices(w, s);
}

/* ==== one operation ==== */

static tn_code undefined(const tn_operation *op, tn_error *err)
{
    return tn_fail(err, TN_UNIMPLEMENTED, "No gradient defined for operation '%s' (op type: %s)", op->name,
                   op->type);
}

/* A gradient that was a Python function when the graph was made is not in the graph. */
static tn_code check_custom(const tn_operation *op, tn_error *err)
{
    tn_view custom;
    if (!tn_attr_get_string(&op->attrs, "_gradient_op_type", &custom)) return TN_OK;
    if (!tn_view_starts(custom, "CustomGradient")) return TN_OK;
    undefined(op, err);
    return tn_note(err, "in the graph: '%.*s' was registered in Python only",
                   (int)TN_MIN(custom.n, (size_t)100), custom.p);
}

/* Operations whose gradient is their output's, slices too. */
static bool passes_on(const tn_operation *op)
{
    return !strcmp(op->type, "Identity") || !strcmp(op->type, "ReadVariableOp");
}

/* The gradient's shape is the input's: what is known of either is known of both. */
static tn_code fit_shape(const tn_operation *op, int i, const tn_gradient *dx, tn_error *err)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(op->in[i]));
    if (dx->kind != TN_GRAD_NODE || t == TN_RESOURCE || t == TN_VARIANT) return TN_OK;
    tn_shape is = tn_node_shape(dx->value), wanted = tn_node_shape(op->in[i]);
    tn_shape *shape = &dx->value.op->out[dx->value.index].shape;
    if (tn_shape_merge(&is, &wanted, shape, err)) return tn_wrap(err, "gradient of input %d", i);
    return TN_OK;
}

static tn_code call_gradient(walk *w, tn_operation *op, const sum *sums, tn_gradient *dx, int n_in,
                             tn_error *err)
{
    if (passes_on(op) && sums[0].total.kind == TN_GRAD_SLICES) {
        dx[0] = sums[0].total;
        return TN_OK;
    }
    if (!op->def || !op->def->grad) return undefined(op, err);
    TN_TRY(check_custom(op, err));
    tn_node *dy = TN_ARRAY(w->arena, TN_MAX(op->n_out, 1), tn_node);
    if (!dy) return no_memory(w, err);
    for (int o = 0; o < op->n_out; o++) dy[o] = tn_gradient_dense(w->b, &sums[o].total);
    tn_grad g = {.b = w->b, .op = op, .dy = dy, .dx = dx};
    TN_TRY(op->def->grad(&g, err));
    TN_TRY(tn_builder_check(w->b, err));
    for (int i = 0; i < n_in; i++) TN_TRY(fit_shape(op, i, &dx[i], err));
    return TN_OK;
}

static tn_code gradient_in_scope(walk *w, tn_operation *op, const sum *sums, tn_gradient *dx, tn_error *err)
{
    const char *name = tn_arena_printf(w->arena, "%s_grad", op->name);
    if (!name) return no_memory(w, err);
    int n_in = op->n_in;
    tn_name_scope(w->b, name);
    tn_code code = call_gradient(w, op, sums, dx, n_in, err);
    if (code && !strstr(err->message, op->name))
        tn_wrap(err, "gradient of operation '%s' (%s)", op->name, op->type);
    if (!code) tn_name_scope_end(w->b);
    return code ? code : tn_builder_check(w->b, err);
}

static void ready(walk *w, int id)
{
    w->queue[w->tail++] = id;
}

static tn_code pass_on(walk *w, const tn_operation *op, const tn_gradient *dx, int n_in, tn_error *err)
{
    for (int i = 0; i < n_in; i++) {
        tn_node in = op->in[i];
        if (!flows(op, i) || !w->marks[in.op->id].between) continue;
        if (dx[i].kind != TN_GRAD_NONE) TN_TRY(contribute(w, in, &dx[i], err));
        if (--w->marks[in.op->id].pending == 0) ready(w, in.op->id);
    }
    return TN_OK;
}

static tn_code visit(walk *w, tn_operation *op, tn_error *err)
{
    sum *sums = NULL;
    bool any = false;
    int n_in = op->n_in;
    TN_TRY(sums_of(w, op, &sums, err));
    for (int o = 0; o < op->n_out; o++) {
        total(w, &sums[o]);
        any |= sums[o].total.kind != TN_GRAD_NONE;
    }
    TN_TRY(tn_builder_check(w->b, err));
    if (!w->marks[op->id].continues) return TN_OK;
    tn_gradient *dx = TN_ARRAY(w->arena, TN_MAX(n_in, 1), tn_gradient);
    if (!dx) return no_memory(w, err);
    if (any) TN_TRY(gradient_in_scope(w, op, sums, dx, err));
    return pass_on(w, op, dx, n_in, err);
}

/* ==== the walk ==== */

static tn_node ones_like(tn_builder *b, tn_node y, int i)
{
    char name[32];
    tn_shape s = tn_node_shape(y);
    tn_dtype t = tn_dtype_base(tn_node_dtype(y));
    snprintf(name, sizeof name, "grad_ys_%d", i);
    tn_node one = tn_scalar(b, t, 1);
    return s.rank == 0 ? one : tn_op_named(b, "Fill", name, TN_INPUTS(tn_shape_of(b, y), one), TN_NO_ATTRS);
}

static tn_code start(walk *w, const tn_node *ys, int n_ys, const tn_node *grad_ys, tn_error *err)
{
    for (int i = 0; i < n_ys; i++) {
        if (!tn_differentiable(tn_node_dtype(ys[i])) || !w->marks[ys[i].op->id].between) continue;
        bool given = grad_ys && grad_ys[i].op;
        tn_gradient g = {.kind = TN_GRAD_NODE, .value = given ? grad_ys[i] : ones_like(w->b, ys[i], i)};
        TN_TRY(tn_builder_check(w->b, err));
        TN_TRY(contribute(w, ys[i], &g, err));
    }
    for (int i = 0; i < n_ys; i++) {
        mark *m = &w->marks[ys[i].op->id];
        if (m->between && m->pending == 0 && m->seen) ready(w, ys[i].op->id);
        m->seen = false; /* once, though several ys may be of one operation */
    }
    return TN_OK;
}

static tn_code run_walk(walk *w, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                        const tn_node *grad_ys, tn_error *err)
{
    w->n = w->b->graph->n;
    w->marks = TN_ARRAY(w->arena, w->n + 1, mark);
    w->queue = TN_ARRAY(w->arena, w->n + 1, int);
    if (!w->marks || !w->queue) return no_memory(w, err);
    for (int i = 0; i < n_xs; i++) w->marks[xs[i].op->id].is_x = true;
    TN_TRY(find_between(w, ys, n_ys, err));
    count_uses(w);
    TN_TRY(start(w, ys, n_ys, grad_ys, err));
    while (w->head < w->tail) TN_TRY(visit(w, w->b->graph->ops[w->queue[w->head++]], err));
    return TN_OK;
}

static void results(const walk *w, const tn_node *xs, int n_xs, tn_gradient *dx)
{
    for (int i = 0; i < n_xs; i++) {
        const sum *sums = w->marks[xs[i].op->id].outputs;
        dx[i] = sums ? sums[xs[i].index].total : (tn_gradient){.kind = TN_GRAD_NONE};
    }
}

/* The gradient with respect to a variable is that with respect to its handle: any read of it counts. */
static tn_node variable_behind(const tn_graph *g, tn_node x)
{
    if (!passes_on(x.op) || x.op->n_in != 1) return x;
    const tn_variable_info *v = tn_graph_variable(g, x.op->in[0].op->name);
    size_t n = strlen(x.op->name);
    return v && !strncmp(v->snapshot_name, x.op->name, n) && v->snapshot_name[n] == ':' ? x.op->in[0] : x;
}

static bool check_nodes(tn_builder *b, const char *what, const tn_node *nodes, int n)
{
    char text[100];
    for (int i = 0; i < n; i++) {
        if (nodes[i].op && nodes[i].op->graph == b->graph) continue;
        snprintf(text, sizeof text, "tn_gradients: %s[%d] is not a value of this graph", what, i);
        tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
    }
    return tn_builder_ok(b);
}

/* Arrays of gradients are known by the name of the computation, within the functions it makes, too. */
static tn_code walk_in_scope(walk *w, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                             const tn_node *grad_ys, tn_error *err)
{
    tn_builder *b = w->b;
    const char *outer = b->gradients;
    tn_name_scope(b, "gradients");
    TN_TRY(tn_builder_check(b, err));
    if (!outer) b->gradients = b->scope->prefix;
    tn_code code = run_walk(w, ys, n_ys, xs, n_xs, grad_ys, err);
    b->gradients = outer;
    tn_name_scope_end(b);
    return code;
}

const char *tn_builder_gradients(const tn_builder *b)
{
    return b->gradients ? b->gradients : "gradients";
}

void tn_gradients_sparse(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                         const tn_node *grad_ys, tn_gradient *dx)
{
    memset(dx, 0, (size_t)TN_MAX(n_xs, 0) * sizeof *dx);
    if (!tn_builder_ok(b) || !check_nodes(b, "ys", ys, n_ys) || !check_nodes(b, "xs", xs, n_xs)) return;
    tn_error err;
    walk w = {.b = b, .arena = tn_arena_new(0)};
    if (!tn_builder_got(b, w.arena)) return;
    tn_node *from = TN_ARRAY(w.arena, TN_MAX(n_xs, 1), tn_node);
    for (int i = 0; from && i < n_xs; i++) from[i] = variable_behind(b->graph, xs[i]);
    if (tn_builder_got(b, from)) {
        tn_code code = tn_grad_frames(b, ys, n_ys, from, n_xs, &err);
        if (!code) code = walk_in_scope(&w, ys, n_ys, from, n_xs, grad_ys, &err);
        if (code)
            tn_builder_fail_with(b, &err);
        else
            results(&w, from, n_xs, dx);
    }
    tn_arena_free(w.arena);
}

void tn_gradients(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs,
                  const tn_node *grad_ys, tn_node *dx)
{
    memset(dx, 0, (size_t)TN_MAX(n_xs, 0) * sizeof *dx);
    tn_gradient *sparse = tn_calloc((size_t)TN_MAX(n_xs, 1), sizeof *sparse);
    if (!tn_builder_got(b, sparse)) return;
    tn_gradients_sparse(b, ys, n_ys, xs, n_xs, grad_ys, sparse);
    for (int i = 0; i < n_xs; i++) dx[i] = tn_gradient_dense(b, &sparse[i]);
    tn_free(sparse);
}
