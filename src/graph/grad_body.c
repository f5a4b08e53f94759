/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_body.c - a function's body differentiated and taken apart (diff.h). What becomes of the parts is
 * grad_call.c's and grad_while.c's.
 *
 * Invariant: the function itself is never changed; others may call it too.
 */
#include "diff.h"

bool tn_differentiable(tn_dtype t)
{
    t = tn_dtype_base(t);
    return tn_dtype_is_float(t) || tn_dtype_is_complex(t) || t == TN_RESOURCE || t == TN_VARIANT;
}

/* ==== copying ==== */

tn_code tn_copier_init(tn_copier *c, tn_arena *a, const tn_graph *from, tn_graph *to, tn_error *err)
{
    *c = (tn_copier){.arena = a, .from = from, .to = to, .n = from->n};
    c->made = TN_ARRAY(a, from->n + 1, tn_operation *);
    c->stand_in = TN_ARRAY(a, from->n + 1, tn_node *);
    return c->made && c->stand_in ? TN_OK : tn_no_memory(err, (size_t)from->n * sizeof(void *));
}

tn_code tn_copier_replace(tn_copier *c, tn_node from, tn_node to, tn_error *err)
{
    tn_node **list = &c->stand_in[from.op->id];
    if (!*list) *list = TN_ARRAY(c->arena, from.op->n_out, tn_node);
    if (!*list) return tn_no_memory(err, (size_t)from.op->n_out * sizeof **list);
    (*list)[from.index] = to;
    return TN_OK;
}

static bool replaced(const tn_copier *c, tn_node n)
{
    return c->stand_in[n.op->id] && c->stand_in[n.op->id][n.index].op;
}

static tn_node copy_of(const tn_copier *c, tn_node n)
{
    return replaced(c, n) ? c->stand_in[n.op->id][n.index] : (tn_node){c->made[n.op->id], n.index};
}

static bool dropped(const tn_copier *c, const tn_operation *control)
{
    return (c->foreign && c->foreign[control->id]) || c->stand_in[control->id];
}

/* Dependency i of an operation, inputs first; NULL: none that must be copied. */
static const tn_operation *dependency(const tn_copier *c, const tn_operation *op, int i)
{
    if (i >= op->n_in) return dropped(c, op->control[i - op->n_in]) ? NULL : op->control[i - op->n_in];
    return op->in[i].op && !replaced(c, op->in[i]) ? op->in[i].op : NULL;
}

static tn_code copy_one(tn_copier *c, const tn_operation *op, tn_error *err)
{
    tn_node *in = TN_ARRAY(c->arena, op->n_in + 1, tn_node);
    tn_operation **control = TN_ARRAY(c->arena, op->n_control + 1, tn_operation *);
    tn_dtype *types = TN_ARRAY(c->arena, op->n_out + 1, tn_dtype);
    const char *name = op->name;
    if (tn_graph_operation(c->to, name)) name = tn_graph_unique(c->to, c->arena, name);
    if (!in || !control || !types || !name) return tn_no_memory(err, (size_t)op->n_in * sizeof *in);
    for (int i = 0; i < op->n_in; i++) in[i] = copy_of(c, op->in[i]);
    int n_control = 0;
    for (int i = 0; i < op->n_control; i++) {
        if (!dropped(c, op->control[i])) control[n_control++] = c->made[op->control[i]->id];
    }
    for (int i = 0; i < op->n_out; i++) types[i] = op->out[i].dtype;
    tn_operation_spec spec = {.type = op->type,
                              .name = name,
                              .device = op->device,
                              .in = in,
                              .n_in = op->n_in,
                              .control = control,
                              .n_control = n_control,
                              .attrs = op->attrs.v,
                              .n_attrs = op->attrs.n,
                              .n_out = op->n_out,
                              .out_types = types};
    return tn_graph_add(c->to, &spec, &c->made[op->id], err);
}

typedef struct step {
    const tn_operation *op;
    int next;
} step;

static tn_code cyclic(const tn_operation *op, tn_error *err)
{
    return tn_fail(err, TN_UNIMPLEMENTED,
                   "No gradient defined for operation '%s' (op type: %s): it is part of a loop of frames",
                   op->name, op->type);
}

tn_code tn_copier_operation(tn_copier *c, const tn_operation *from, tn_error *err)
{
    int depth = 0;
    step *stack = tn_calloc((size_t)c->n + 1, sizeof *stack);
    bool *open = tn_calloc((size_t)c->n + 1, sizeof *open);
    tn_code code = stack && open ? TN_OK : tn_no_memory(err, (size_t)c->n * sizeof *stack);
    if (!code && !c->made[from->id]) stack[depth++] = (step){from, 0};
    while (!code && depth) {
        step *top = &stack[depth - 1];
        open[top->op->id] = true;
        if (top->next == top->op->n_in + top->op->n_control) {
            code = copy_one(c, top->op, err);
            open[top->op->id] = false;
            depth--;
            continue;
        }
        const tn_operation *below = dependency(c, top->op, top->next++);
        if (!below || c->made[below->id]) continue;
        if (open[below->id])
            code = cyclic(below, err);
        else
            stack[depth++] = (step){below, 0};
    }
    tn_free(stack);
    tn_free(open);
    return code;
}

tn_code tn_copier_value(tn_copier *c, tn_node from, tn_node *to, tn_error *err)
{
    if (!replaced(c, from)) TN_TRY(tn_copier_operation(c, from.op, err));
    *to = copy_of(c, from);
    return TN_OK;
}

/* ==== bodies ==== */

tn_builder *tn_body_builder(tn_builder *outer, tn_error *err)
{
    tn_graph *g = tn_graph_new_body(outer->graph);
    tn_builder *b = g ? tn_builder_new(g) : NULL;
    if (b) b->gradients = outer->gradients;
    if (b) return b;
    tn_graph_free(g);
    tn_no_memory(err, sizeof *b);
    return NULL;
}

void tn_body_drop(tn_builder *body)
{
    if (!body) return;
    tn_graph_free(body->graph);
    tn_builder_free(body);
}

tn_code tn_body_define(tn_builder *outer, const char *name, tn_builder *body, const tn_node *rets, int n,
                       tn_error *err)
{
    tn_function_define(outer, name, body, rets, n);
    tn_builder_free(body);
    return tn_builder_check(outer, err);
}

const char *tn_derived_name(tn_builder *b, const char *prefix, const char *name)
{
    for (int i = 0;; i++) {
        const char *r = tn_arena_printf(b->arena, "__%s_%s_%d", prefix, name, i);
        if (!tn_builder_got(b, r) || !tn_graph_function(b->graph, r)) return r;
    }
}

tn_node tn_gradient_zeros(tn_builder *b, tn_node x, tn_dtype value_type)
{
    if (tn_dtype_base(tn_node_dtype(x)) != TN_RESOURCE) return tn_zeros_like(b, x);
    return tn_zeros_like(
        b, tn_op(b, "ReadVariableOp", TN_INPUTS(x), TN_ATTRS(tn_attr_type("dtype", value_type))));
}

/* ==== differentiation ==== */

static tn_code copy_body(tn_diff *d, tn_error *err)
{
    tn_copier c;
    const tn_graph *body = d->f->body;
    TN_TRY(tn_copier_init(&c, d->arena, body, d->work->graph, err));
    for (int i = 0; i < d->f->n_args; i++) {
        TN_TRY(tn_copier_value(&c, tn_output_of(d->f->args[i], 0), &d->args[i], err));
    }
    for (int i = 0; i < body->n; i++) TN_TRY(tn_copier_operation(&c, body->ops[i], err));
    for (int i = 0; i < d->f->n_rets; i++) d->rets[i] = copy_of(&c, d->f->rets[i]);
    d->n_forward = d->work->graph->n;
    return TN_OK;
}

/* The gradients of results, as arguments of the working graph. */
static void add_dys(tn_diff *d, const bool *wants)
{
    for (int i = 0; i < d->f->n_rets; i++) {
        tn_dtype t = tn_dtype_base(tn_node_dtype(d->rets[i]));
        if (!wants[i] || !tn_differentiable(t) || t == TN_RESOURCE) continue;
        d->dy[i] = tn_function_arg(d->work, "dy", t, tn_node_shape(d->rets[i]));
    }
}

static tn_code differentiate(tn_diff *d, tn_error *err)
{
    int n_ys = 0, n_xs = 0;
    tn_node *ys = TN_ARRAY(d->arena, d->f->n_rets + 1, tn_node),
            *gys = TN_ARRAY(d->arena, d->f->n_rets + 1, tn_node);
    tn_node *xs = TN_ARRAY(d->arena, d->f->n_args + 1, tn_node),
            *dx = TN_ARRAY(d->arena, d->f->n_args + 1, tn_node);
    if (!ys || !gys || !xs || !dx) return tn_no_memory(err, 0);
    for (int i = 0; i < d->f->n_rets; i++) {
        if (!d->dy[i].op) continue;
        ys[n_ys] = d->rets[i];
        gys[n_ys++] = d->dy[i];
    }
    for (int i = 0; i < d->f->n_args; i++) {
        if (tn_differentiable(tn_node_dtype(d->args[i]))) xs[n_xs++] = d->args[i];
    }
    tn_gradients(d->work, ys, n_ys, xs, n_xs, gys, dx);
    for (int i = 0, k = 0; i < d->f->n_args; i++) {
        if (k < n_xs && xs[k].op == d->args[i].op) d->dx[i] = dx[k++];
    }
    return tn_builder_check(d->work, err);
}

tn_code tn_diff_make(tn_diff *d, tn_builder *outer, const tn_function *f, const bool *wants, tn_error *err)
{
    tn_arena *a = outer->arena;
    *d = (tn_diff){.arena = a, .f = f};
    d->args = TN_ARRAY(a, f->n_args + 1, tn_node);
    d->dx = TN_ARRAY(a, f->n_args + 1, tn_node);
    d->rets = TN_ARRAY(a, f->n_rets + 1, tn_node);
    d->dy = TN_ARRAY(a, f->n_rets + 1, tn_node);
    if (!d->args || !d->dx || !d->rets || !d->dy) return tn_no_memory(err, 0);
    if (!(d->work = tn_body_builder(outer, err))) return TN_RESOURCE_EXHAUSTED;
    TN_TRY(copy_body(d, err));
    add_dys(d, wants);
    TN_TRY(tn_builder_check(d->work, err));
    return differentiate(d, err);
}

tn_code tn_diff_need(tn_diff *d, int i, tn_error *err)
{
    if (d->dx[i].op) return TN_OK;
    d->dx[i] = tn_zeros_like(d->work, d->args[i]);
    return tn_builder_check(d->work, err);
}

void tn_diff_free(tn_diff *d)
{
    tn_body_drop(d->work);
    d->work = NULL;
}

/* ==== taking apart ==== */

/* Small values that say how large others are go forward with them, so that these need not be kept. */
static bool describes(const tn_operation *op)
{
    static const char *const types[] = {"Shape", "ShapeN", "Size", "Rank"};
    for (size_t i = 0; i < TN_COUNT(types); i++) {
        if (!strcmp(op->type, types[i])) return true;
    }
    return false;
}

/* Marks what the forward operations have come to depend on (operands that residuals brought along). */
static void mark_forward(tn_diff *d, int *stack)
{
    const tn_graph *g = d->work->graph;
    int depth = 0;
    for (int i = 0; i < d->n_forward; i++) {
        d->forward[i] = true;
        stack[depth++] = i;
    }
    while (depth) {
        const tn_operation *op = g->ops[stack[--depth]];
        for (int i = 0; i < op->n_in; i++) {
            int id = op->in[i].op->id;
            if (!d->forward[id]) stack[depth++] = id;
            d->forward[id] = true;
        }
    }
    for (int i = d->n_forward; i < g->n; i++) {
        const tn_operation *op = g->ops[i];
        if (!describes(op)) continue;
        bool all = true;
        for (int k = 0; k < op->n_in; k++) all = all && d->forward[op->in[k].op->id];
        d->forward[i] = all;
    }
}

/* Copied to where they are used instead of being kept. */
static bool is_leaf(const tn_operation *op)
{
    return !strcmp(op->type, "Const") || !strcmp(op->type, "VarHandleOp");
}

static tn_code capture(tn_diff *d, tn_node n, tn_error *err)
{
    for (int i = 0; i < d->n_captures; i++) {
        if (d->captures[i].op == n.op && d->captures[i].index == n.index) return TN_OK;
    }
    if ((d->n_captures & (d->n_captures - 1)) == 0) { /* full at each power of two */
        tn_node *more = TN_ARRAY(d->arena, TN_MAX(d->n_captures * 2, 1), tn_node);
        if (!more) return tn_no_memory(err, (size_t)d->n_captures * sizeof *more);
        if (d->n_captures) memcpy(more, d->captures, (size_t)d->n_captures * sizeof *more);
        d->captures = more;
    }
    d->captures[d->n_captures++] = n;
    return TN_OK;
}

static tn_code see(tn_diff *d, tn_node n, bool *seen, int *stack, int *depth, tn_error *err)
{
    if (d->forward[n.op->id] && !is_leaf(n.op)) return capture(d, n, err);
    if (!seen[n.op->id]) stack[(*depth)++] = n.op->id;
    seen[n.op->id] = true;
    return TN_OK;
}

static tn_code find_captures(tn_diff *d, bool *seen, int *stack, tn_error *err)
{
    int depth = 0;
    for (int i = 0; i < d->f->n_args; i++) {
        if (d->dx[i].op) TN_TRY(see(d, d->dx[i], seen, stack, &depth, err));
    }
    while (depth) {
        const tn_operation *op = d->work->graph->ops[stack[--depth]];
        for (int i = 0; i < op->n_in; i++) TN_TRY(see(d, op->in[i], seen, stack, &depth, err));
    }
    return TN_OK;
}

tn_code tn_diff_split(tn_diff *d, tn_error *err)
{
    int n = d->work->graph->n + 1;
    int *stack = TN_ARRAY(d->arena, n, int);
    bool *seen = TN_ARRAY(d->arena, n, bool);
    d->forward = TN_ARRAY(d->arena, n, bool);
    if (!stack || !seen || !d->forward) return tn_no_memory(err, (size_t)n * sizeof *stack);
    mark_forward(d, stack);
    return find_captures(d, seen, stack, err);
}

int tn_diff_argument(const tn_diff *d, tn_node n)
{
    for (int i = 0; i < d->f->n_args; i++) {
        if (d->args[i].op == n.op) return i;
    }
    return -1;
}

tn_code tn_diff_forward(const tn_diff *d, tn_builder *into, tn_node *rets, tn_node *captures, tn_error *err)
{
    tn_copier c;
    TN_TRY(tn_copier_init(&c, d->arena, d->work->graph, into->graph, err));
    for (int i = 0; i < d->f->n_args; i++) {
        tn_node arg =
            tn_function_arg(into, d->f->arg_names[i], tn_node_dtype(d->args[i]), tn_node_shape(d->args[i]));
        TN_TRY(tn_builder_check(into, err));
        TN_TRY(tn_copier_replace(&c, d->args[i], arg, err));
    }
    for (int i = 0; i < d->n_forward; i++) {
        if (tn_diff_argument(d, tn_output_of(d->work->graph->ops[i], 0)) < 0) {
            TN_TRY(tn_copier_operation(&c, d->work->graph->ops[i], err));
        }
    }
    for (int i = 0; i < d->f->n_rets; i++) TN_TRY(tn_copier_value(&c, d->rets[i], &rets[i], err));
    for (int i = 0; i < d->n_captures; i++) TN_TRY(tn_copier_value(&c, d->captures[i], &captures[i], err));
    return TN_OK;
}

tn_code tn_diff_backward(const tn_diff *d, tn_builder *into, const tn_node *dy, const tn_node *captures,
                         tn_node *dx, tn_error *err)
{
    tn_copier c;
    TN_TRY(tn_copier_init(&c, d->arena, d->work->graph, into->graph, err));
    c.foreign = d->forward;
    for (int i = 0; i < d->f->n_rets; i++) {
        if (d->dy[i].op) TN_TRY(tn_copier_replace(&c, d->dy[i], dy[i], err));
    }
    for (int i = 0; i < d->n_captures; i++) TN_TRY(tn_copier_replace(&c, d->captures[i], captures[i], err));
    for (int i = 0; i < d->f->n_args; i++) {
        dx[i] = (tn_node){NULL, 0};
        if (d->dx[i].op) TN_TRY(tn_copier_value(&c, d->dx[i], &dx[i], err));
    }
    return TN_OK;
}
