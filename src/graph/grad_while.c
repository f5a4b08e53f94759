/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_while.c - the gradient of While. The loop also counts its iterations and pushes the values that its
 * body's gradient needs onto lists; a second loop runs as often, pops them and carries the gradients back.
 *
 * Invariants: the loop's values keep their numbers; the counter comes after them, then the lists. What the
 * body hands through unchanged is not pushed: the second loop takes it as it is.
 */
#include "diff.h"

typedef struct loop {
    tn_grad *g;
    const tn_function *cond, *body;
    tn_diff d;
    int n;              /* values the loop had */
    bool *carried;      /* by value: the second loop carries its gradient */
    tn_node *invariant; /* by capture: the loop's input, when it is handed through; else op NULL: a list */
    int n_lists;
    int counter; /* number of the counter among inputs and outputs; the lists follow */
} loop;

/* ==== what is needed ==== */

static bool handed_through(const loop *l, int i)
{
    return l->d.rets[i].op == l->d.args[i].op && l->d.rets[i].index == 0;
}

static tn_dtype base_type(tn_node n)
{
    return tn_dtype_base(tn_node_dtype(n));
}

static tn_code differentiate(loop *l, tn_error *err)
{
    bool *wants = TN_ARRAY(l->g->b->arena, l->n + 1, bool);
    if (!wants) return tn_no_memory(err, (size_t)l->n);
    for (int i = 0; i < l->n; i++) wants[i] = true;
    TN_TRY(tn_diff_make(&l->d, l->g->b, l->body, wants, err));
    for (int i = 0; i < l->n; i++) {
        tn_dtype t = base_type(l->d.args[i]);
        l->carried[i] = t == TN_RESOURCE ? l->d.dx[i].op != NULL : tn_differentiable(t);
        if (l->carried[i]) TN_TRY(tn_diff_need(&l->d, i, err));
    }
    return tn_diff_split(&l->d, err);
}

static tn_code sort_captures(loop *l, tn_error *err)
{
    l->invariant = TN_ARRAY(l->g->b->arena, l->d.n_captures + 1, tn_node);
    if (!l->invariant) return tn_no_memory(err, 0);
    for (int i = 0; i < l->d.n_captures; i++) {
        int arg = tn_diff_argument(&l->d, l->d.captures[i]);
        if (arg >= 0 && handed_through(l, arg))
            l->invariant[i] = tn_grad_in(l->g, arg);
        else
            l->n_lists++;
        if (arg >= 0 && !l->invariant[i].op && base_type(l->d.captures[i]) == TN_RESOURCE) {
            return tn_fail(err, TN_UNIMPLEMENTED,
                           "No gradient defined for operation '%s' (op type: %s): '%s' changes a handle",
                           l->g->op->name, l->g->op->type, l->body->name);
        }
    }
    return TN_OK;
}

/* ==== the first loop ==== */

static tn_node new_arg(tn_builder *b, const char *name, tn_dtype t, tn_shape shape)
{
    return tn_function_arg(b, name, t, shape);
}

static tn_node element_op(tn_builder *b, const char *type, const tn_node *in, int n, tn_dtype t)
{
    return tn_op(b, type, in, n, TN_ATTRS(tn_attr_type("element_dtype", t)));
}

static tn_code fill_body(loop *l, tn_builder *body, tn_node *rets, tn_error *err)
{
    tn_node *captures = TN_ARRAY(l->g->b->arena, l->d.n_captures + 1, tn_node);
    if (!captures) return tn_no_memory(err, 0);
    TN_TRY(tn_diff_forward(&l->d, body, rets, captures, err));
    tn_node counter = new_arg(body, "counter", TN_INT32, TN_SHAPE());
    int at = l->n;
    rets[at++] = tn_op(body, "AddV2", TN_INPUTS(counter, tn_scalar(body, TN_INT32, 1)), TN_NO_ATTRS);
    for (int i = 0; i < l->d.n_captures; i++) {
        if (l->invariant[i].op) continue;
        tn_node list = new_arg(body, "list", TN_VARIANT, TN_SHAPE());
        rets[at++] =
            element_op(body, "TensorListPushBack", (tn_node[]){list, captures[i]}, 2, base_type(captures[i]));
    }
    return tn_builder_check(body, err);
}

static tn_code define_body(loop *l, const char **name, tn_error *err)
{
    int n = l->n + 1 + l->n_lists;
    tn_node *rets = TN_ARRAY(l->g->b->arena, n + 1, tn_node);
    tn_builder *body = rets ? tn_body_builder(l->g->b, err) : NULL;
    if (!body) return tn_no_memory(err, 0);
    tn_code code = fill_body(l, body, rets, err);
    if (!code && !(*name = tn_derived_name(l->g->b, "forward", l->body->name))) code = tn_no_memory(err, 0);
    if (!code) return tn_body_define(l->g->b, *name, body, rets, n, err);
    tn_body_drop(body);
    return code;
}

/* The condition, taking the new values and looking at none of them. */
static tn_code fill_cond(loop *l, tn_builder *body, tn_node *ret, tn_error *err)
{
    tn_copier c;
    const tn_function *f = l->cond;
    TN_TRY(tn_copier_init(&c, l->g->b->arena, f->body, body->graph, err));
    for (int i = 0; i < f->n_args; i++) {
        tn_node old = tn_output_of(f->args[i], 0);
        tn_node arg = new_arg(body, f->arg_names[i], tn_node_dtype(old), tn_node_shape(old));
        TN_TRY(tn_builder_check(body, err));
        TN_TRY(tn_copier_replace(&c, old, arg, err));
    }
    new_arg(body, "counter", TN_INT32, TN_SHAPE());
    for (int i = 0; i < l->n_lists; i++) new_arg(body, "list", TN_VARIANT, TN_SHAPE());
    for (int i = 0; i < f->n_control_rets; i++) TN_TRY(tn_copier_operation(&c, f->control_rets[i], err));
    TN_TRY(tn_copier_value(&c, f->rets[0], ret, err));
    return tn_builder_check(body, err);
}

static tn_code define_cond(loop *l, const char **name, tn_error *err)
{
    tn_node ret;
    tn_builder *body = tn_body_builder(l->g->b, err);
    if (!body) return TN_RESOURCE_EXHAUSTED;
    tn_code code = fill_cond(l, body, &ret, err);
    if (!code && !(*name = tn_derived_name(l->g->b, "forward", l->cond->name))) code = tn_no_memory(err, 0);
    if (!code) return tn_body_define(l->g->b, *name, body, &ret, 1, err);
    tn_body_drop(body);
    return code;
}

static tn_code extend_attrs(loop *l, int more, tn_error *err)
{
    tn_operation *op = l->g->op;
    tn_arena *a = op->graph->arena;
    tn_dtype *types = TN_ARRAY(a, l->n + more, tn_dtype);
    tn_shape *shapes = TN_ARRAY(a, l->n + more, tn_shape);
    if (!types || !shapes) return tn_no_memory(err, 0);
    for (int i = 0; i < l->n + more; i++) {
        types[i] = i < l->n ? base_type(tn_grad_in(l->g, i)) : i == l->n ? TN_INT32 : TN_VARIANT;
        shapes[i] = i < l->n ? tn_node_shape(tn_grad_out(l->g, i)) : TN_SHAPE();
    }
    tn_attr t = tn_attr_types("T", types, l->n + more);
    tn_attr s = {
        .name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = l->n + more, .shapes = shapes};
    TN_TRY(tn_operation_set_attr(op, &t, err));
    return tn_operation_set_attr(op, &s, err);
}

/* The shape of a list's elements, as an input of EmptyTensorList. */
static tn_node shape_constant(tn_builder *b, tn_shape s)
{
    int64_t any = -1;
    if (s.rank >= 0) return tn_ints(b, s.dim, s.rank);
    return tn_scalar(b, TN_INT32, (double)any);
}

static tn_code extend_operation(loop *l, tn_error *err)
{
    tn_builder *b = l->g->b;
    int more = 1 + l->n_lists, at = 0;
    const char *cond = NULL, *body = NULL;
    tn_node *ins = TN_ARRAY(b->arena, more, tn_node);
    tn_info *outs = TN_ARRAY(b->arena, more, tn_info);
    if (!ins || !outs) return tn_no_memory(err, 0);
    TN_TRY(define_body(l, &body, err));
    TN_TRY(define_cond(l, &cond, err));
    outs[at] = (tn_info){.dtype = TN_INT32, .shape = TN_SHAPE(), .bound = -1};
    ins[at++] = tn_scalar(b, TN_INT32, 0);
    for (int i = 0; i < l->d.n_captures; i++) {
        if (l->invariant[i].op) continue;
        tn_node shape = shape_constant(b, tn_node_shape(l->d.captures[i])), most = tn_scalar(b, TN_INT32, -1);
        outs[at] = (tn_info){.dtype = TN_VARIANT, .shape = TN_SHAPE(), .bound = -1};
        ins[at++] =
            element_op(b, "EmptyTensorList", (tn_node[]){shape, most}, 2, base_type(l->d.captures[i]));
    }
    TN_TRY(tn_builder_check(b, err));
    tn_attr fc = tn_attr_func("cond", cond), fb = tn_attr_func("body", body);
    l->counter = l->n;
    TN_TRY(tn_operation_set_attr(l->g->op, &fc, err));
    TN_TRY(tn_operation_set_attr(l->g->op, &fb, err));
    TN_TRY(extend_attrs(l, more, err));
    return tn_operation_append(l->g->op, outs, more, ins, more, err);
}

/* ==== the second loop: counter, gradients, invariants, lists ==== */

static tn_node first_gradient(loop *l, int i)
{
    if (l->g->dy[i].op) return l->g->dy[i];
    tn_node x = base_type(l->d.args[i]) == TN_RESOURCE ? tn_grad_in(l->g, i) : tn_grad_out(l->g, i);
    return tn_gradient_zeros(l->g->b, x, base_type(l->d.dx[i]));
}

static int second_inputs(loop *l, tn_node *in)
{
    int n = 0, list = l->counter + 1;
    in[n++] = tn_grad_out(l->g, l->counter);
    for (int i = 0; i < l->n; i++) {
        if (l->carried[i]) in[n++] = first_gradient(l, i);
    }
    for (int i = 0; i < l->d.n_captures; i++) {
        if (l->invariant[i].op) in[n++] = l->invariant[i];
    }
    for (int i = 0; i < l->n_lists; i++) in[n++] = tn_grad_out(l->g, list++);
    return n;
}

static tn_code define_second_cond(loop *l, const tn_node *in, int n, const char **name, tn_error *err)
{
    tn_builder *body = tn_body_builder(l->g->b, err);
    if (!body) return TN_RESOURCE_EXHAUSTED;
    tn_node left = {NULL, 0};
    for (int i = 0; i < n; i++) {
        tn_node arg = new_arg(body, "arg", base_type(in[i]), tn_shape_unknown());
        if (i == 0) left = arg;
    }
    tn_node more = tn_op(body, "Greater", TN_INPUTS(left, tn_scalar(body, TN_INT32, 0)), TN_NO_ATTRS);
    *name = tn_derived_name(l->g->b, "backward", l->cond->name);
    return tn_body_define(l->g->b, *name, body, &more, 1, err);
}

/* Gradients of values whose shape changes from one iteration to the next have no fixed shape either. */
static tn_shape carried_shape(const loop *l, tn_node in, int i)
{
    tn_shape first = tn_node_shape(in), next = tn_node_shape(l->d.dx[i]);
    return handed_through(l, i) ? first : tn_shape_relaxed(&first, &next);
}

typedef struct second { /* the values of the second loop's body */
    tn_node counter, *dy, *captures, *lists, *dx;
} second;

static void add_second_args(loop *l, tn_builder *body, const tn_node *in, second *s)
{
    int at = 0;
    s->counter = new_arg(body, "counter", TN_INT32, TN_SHAPE());
    for (int i = 0; i < l->n; i++) {
        if (!l->carried[i]) continue;
        tn_node from = in[++at];
        tn_node arg = new_arg(body, "dy", base_type(from), carried_shape(l, from, i));
        s->dy[i] = arg;
    }
    for (int i = 0; i < l->d.n_captures; i++) {
        if (!l->invariant[i].op) continue;
        tn_node from = in[++at];
        s->captures[i] = new_arg(body, "value", base_type(from), tn_node_shape(from));
    }
    for (int i = 0; i < l->d.n_captures; i++) {
        if (!l->invariant[i].op) s->lists[i] = new_arg(body, "list", TN_VARIANT, TN_SHAPE());
    }
}

/* Takes the values of this iteration off their lists. */
static void pop_values(loop *l, tn_builder *body, second *s)
{
    for (int i = 0; i < l->d.n_captures; i++) {
        if (l->invariant[i].op) continue;
        tn_node shape = shape_constant(body, tn_node_shape(l->d.captures[i]));
        tn_node pop = element_op(body, "TensorListPopBack", (tn_node[]){s->lists[i], shape}, 2,
                                 base_type(l->d.captures[i]));
        if (!pop.op) return;
        s->lists[i] = pop;
        s->captures[i] = tn_output_of(pop.op, 1);
    }
}

/* A handle's gradients of all iterations add up; other values' gradients replace the one before. */
static tn_node next_gradient(const loop *l, tn_builder *body, const second *s, int i)
{
    if (base_type(l->d.args[i]) != TN_RESOURCE) return s->dx[i];
    return tn_op(body, "AddV2", TN_INPUTS(s->dy[i], s->dx[i]), TN_NO_ATTRS);
}

static tn_code fill_second(loop *l, tn_builder *body, const tn_node *in, tn_node *rets, tn_error *err)
{
    tn_arena *a = l->g->b->arena;
    int c = l->d.n_captures + 1, at = 0;
    second s = {.dy = TN_ARRAY(a, l->n + 1, tn_node),
                .captures = TN_ARRAY(a, c, tn_node),
                .lists = TN_ARRAY(a, c, tn_node),
                .dx = TN_ARRAY(a, l->n + 1, tn_node)};
    if (!s.dy || !s.captures || !s.lists || !s.dx) return tn_no_memory(err, 0);
    add_second_args(l, body, in, &s);
    pop_values(l, body, &s);
    TN_TRY(tn_builder_check(body, err));
    TN_TRY(tn_diff_backward(&l->d, body, s.dy, s.captures, s.dx, err));
    rets[at++] = tn_op(body, "Sub", TN_INPUTS(s.counter, tn_scalar(body, TN_INT32, 1)), TN_NO_ATTRS);
    for (int i = 0; i < l->n; i++) {
        if (l->carried[i]) rets[at++] = next_gradient(l, body, &s, i);
    }
    for (int i = 0; i < l->d.n_captures; i++) {
        if (l->invariant[i].op) rets[at++] = s.captures[i];
    }
    for (int i = 0; i < l->d.n_captures; i++) {
        if (!l->invariant[i].op) rets[at++] = s.lists[i];
    }
    return tn_builder_check(body, err);
}

static tn_code define_second_body(loop *l, const tn_node *in, int n, const char **name, tn_error *err)
{
    tn_node *rets = TN_ARRAY(l->g->b->arena, n + 1, tn_node);
    tn_builder *body = rets ? tn_body_builder(l->g->b, err) : NULL;
    if (!body) return tn_no_memory(err, 0);
    tn_code code = fill_second(l, body, in, rets, err);
    if (!code && !(*name = tn_derived_name(l->g->b, "backward", l->body->name))) code = tn_no_memory(err, 0);
    if (!code) return tn_body_define(l->g->b, *name, body, rets, n, err);
    tn_body_drop(body);
    return code;
}

static tn_code add_second_loop(loop *l, tn_error *err)
{
    const char *cond = NULL, *body = NULL;
    tn_node *in = TN_ARRAY(l->g->b->arena, 2 + l->n + l->d.n_captures, tn_node);
    if (!in) return tn_no_memory(err, 0);
    int n = second_inputs(l, in);
    TN_TRY(tn_builder_check(l->g->b, err));
    TN_TRY(define_second_cond(l, in, n, &cond, err));
    TN_TRY(define_second_body(l, in, n, &body, err));
    tn_operation *op = tn_while(l->g->b, cond, body, in, n);
    TN_TRY(tn_builder_check(l->g->b, err));
    for (int i = 0, at = 1; i < l->n; i++) {
        if (l->carried[i]) tn_grad_set(l->g, i, tn_output_of(op, at++));
    }
    return TN_OK;
}

/* ==== the record's gradient ==== */

static tn_code run_loop(loop *l, tn_error *err)
{
    if (l->body->n_args != l->n || l->body->n_rets != l->n || l->cond->n_args != l->n ||
        l->cond->n_rets != 1) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "loop of '%s' and '%s': a body must return what it takes",
                       l->cond->name, l->body->name);
    }
    l->carried = TN_ARRAY(l->g->b->arena, l->n + 1, bool);
    if (!l->carried) return tn_no_memory(err, (size_t)l->n);
    TN_TRY(differentiate(l, err));
    TN_TRY(sort_captures(l, err));
    TN_TRY(extend_operation(l, err));
    return add_second_loop(l, err);
}

static const tn_function *function_named(const tn_grad *g, const char *attr)
{
    const tn_func_attr *f = tn_attr_get_func(&g->op->attrs, attr);
    return f ? tn_graph_function(g->op->graph, f->name) : NULL;
}

tn_code tn_grad_while(tn_grad *g, tn_error *err)
{
    loop l = {.g = g, .cond = function_named(g, "cond"), .body = function_named(g, "body"), .n = g->op->n_in};
    if (!l.cond || !l.body) return tn_fail(err, TN_NOT_FOUND, "the graph lacks the loop's functions");
    tn_code code = run_loop(&l, err);
    tn_diff_free(&l.d);
    return code;
}
