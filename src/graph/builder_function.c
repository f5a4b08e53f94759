/* SPDX-License-Identifier: Apache-2.0
 *
 * builder_function.c - writing functions and calling them: calls, While, If. How these are inferred and
 * differentiated is op_flow.c's and the gradient files'.
 *
 * Invariant: a body handed to tn_function_define is the library's, or freed when it could not be taken.
 */
#include "inside.h"

#include "flow.h"

/* ==== definition ==== */

static bool room_for_arg(tn_builder *b)
{
    if (b->n_args < b->cap_args) return true;
    int cap = b->cap_args ? b->cap_args * 2 : 8;
    void *args = tn_realloc(b->args, (size_t)cap * sizeof *b->args);
    if (args) b->args = args;
    void *names = args ? tn_realloc(b->arg_names, (size_t)cap * sizeof *b->arg_names) : NULL;
    if (names) b->arg_names = names;
    if (names) b->cap_args = cap;
    return tn_builder_got(b, names);
}

tn_node tn_function_arg(tn_builder *body, const char *name, tn_dtype t, tn_shape shape)
{
    if (!tn_builder_ok(body) || !room_for_arg(body)) return (tn_node){NULL, 0};
    tn_attr shapes = {
        .name = "_output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = 1, .shapes = &shape};
    tn_control_dependencies(body, -1, NULL);
    tn_node arg = tn_op_named(body, "_Arg", name ? name : "arg", TN_NO_INPUTS,
                              TN_ATTRS(tn_attr_type("T", t), tn_attr_int("index", body->n_args), shapes));
    tn_control_dependencies_end(body);
    if (!arg.op) return arg;
    body->args[body->n_args] = arg.op;
    body->arg_names[body->n_args++] = arg.op->name;
    return arg;
}

static bool calls_stateful(const tn_operation *op)
{
    for (int i = 0; i < op->attrs.n; i++) {
        const tn_attr *a = &op->attrs.v[i];
        if (a->kind != TN_ATTR_FUNC) continue;
        for (int k = 0; k < (a->is_list ? a->n : 1); k++) {
            const tn_function *f = tn_graph_function(op->graph, a->is_list ? a->funcs[k].name : a->func.name);
            if (!f || f->stateful) return true;
        }
    }
    return false;
}

static bool is_stateful(const tn_operation *op)
{
    return !op->def || (op->def->flags & (TN_STATEFUL | TN_EFFECT)) || op->def->writes || calls_stateful(op);
}

static bool has_effect(const tn_operation *op)
{
    return !op->def || (op->def->flags & TN_EFFECT) || op->def->writes || calls_stateful(op);
}

static tn_code check_rets(const tn_graph *body, const char *name, const tn_node *rets, int n, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        if (rets[i].op && rets[i].op->graph == body) continue;
        return tn_fail(err, TN_INVALID_ARGUMENT, "function '%s': result %d is not a value of its body", name,
                       i);
    }
    return TN_OK;
}

tn_code tn_function_describe(tn_arena *a, const char *name, tn_graph *body, tn_operation **args, int n_args,
                             const tn_node *rets, int n_rets, tn_function *out, tn_error *err)
{
    TN_TRY(check_rets(body, name, rets, n_rets, err));
    *out = (tn_function){.name = name,
                         .body = body,
                         .args = args,
                         .n_args = n_args,
                         .rets = (tn_node *)rets,
                         .n_rets = n_rets};
    out->arg_names = TN_ARRAY(a, n_args + 1, const char *);
    out->ret_names = TN_ARRAY(a, n_rets + 1, const char *);
    out->control_rets = TN_ARRAY(a, body->n + 1, tn_operation *);
    out->control_ret_names = TN_ARRAY(a, body->n + 1, const char *);
    if (!out->arg_names || !out->ret_names || !out->control_rets || !out->control_ret_names)
        return tn_no_memory(err, 0);
    for (int i = 0; i < n_args; i++) out->arg_names[i] = args[i]->name;
    for (int i = 0; i < n_rets; i++) {
        if (!(out->ret_names[i] = tn_arena_printf(a, "ret_%d", i))) return tn_no_memory(err, 16);
    }
    for (int i = 0; i < body->n; i++) {
        tn_operation *op = body->ops[i];
        out->stateful |= is_stateful(op);
        if (!has_effect(op)) continue;
        out->control_ret_names[out->n_control_rets] = op->name;
        out->control_rets[out->n_control_rets++] = op;
    }
    return TN_OK;
}

void tn_function_define(tn_builder *b, const char *name, tn_builder *body, const tn_node *rets, int n_rets)
{
    tn_error err;
    tn_function f;
    tn_graph *graph = body->graph;
    if (!tn_builder_ok(b)) {
        tn_graph_free(graph);
        return;
    }
    tn_code code = tn_builder_check(body, &err);
    if (!code) graph->library = tn_graph_library(b->graph);
    if (!code)
        code = tn_function_describe(b->arena, name, graph, body->args, body->n_args, rets, n_rets, &f, &err);
    if (!code) code = tn_graph_add_function(b->graph, &f, &err);
    if (!code) return;
    if (code != TN_ALREADY_EXISTS) tn_wrap(&err, "function '%s'", name);
    tn_builder_fail_with(b, &err);
    tn_graph_free(graph);
}

/* ==== calls ==== */

static tn_function *find(tn_builder *b, const char *name)
{
    if (!tn_builder_ok(b)) return NULL;
    tn_function *f = tn_graph_function(b->graph, name);
    char text[200];
    snprintf(text, sizeof text, "the graph has no function '%.150s'", name);
    if (!f) tn_builder_fail(b, TN_NOT_FOUND, text);
    return f;
}

static const tn_dtype *ret_types(tn_builder *b, const tn_function *f)
{
    tn_dtype *types = TN_ARRAY(b->arena, f->n_rets + 1, tn_dtype);
    if (!tn_builder_got(b, types)) return NULL;
    for (int i = 0; i < f->n_rets; i++) types[i] = tn_dtype_base(tn_node_dtype(f->rets[i]));
    return types;
}

/* The arguments a function is given must be its arguments'. */
static bool check_args(tn_builder *b, const tn_function *f, const tn_node *in, int n_in)
{
    char text[400];
    if (n_in != f->n_args) {
        snprintf(text, sizeof text, "function '%.150s' takes %d arguments, not %d", f->name, f->n_args, n_in);
        tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
        return false;
    }
    for (int i = 0; i < n_in; i++) {
        tn_dtype is = tn_dtype_base(tn_node_dtype(in[i])),
                 wanted = tn_node_dtype(tn_output_of(f->args[i], 0));
        if (is == wanted) continue;
        snprintf(text, sizeof text, "function '%.150s': argument %d is a %s, not a %s", f->name, i,
                 tn_dtype_name(is), tn_dtype_name(wanted));
        tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
        return false;
    }
    return true;
}

tn_operation *tn_call(tn_builder *b, const char *function, const tn_node *in, int n_in)
{
    tn_function *f = find(b, function);
    if (!f || !check_args(b, f, in, n_in)) return NULL;
    const tn_dtype *types = ret_types(b, f);
    const char *type = f->stateful ? "StatefulPartitionedCall" : "PartitionedCall";
    return tn_add_operation(b, type, NULL, in, n_in,
                            TN_ATTRS(tn_attr_types("Tout", types, f->n_rets), tn_attr_func("f", f->name)));
}

/* ==== While and If ==== */

tn_shape tn_shape_relaxed(const tn_shape *a, const tn_shape *b)
{
    if (a->rank < 0 || a->rank != b->rank) return tn_shape_unknown();
    tn_shape r = *a;
    for (int i = 0; i < r.rank; i++) {
        if (a->dim[i] != b->dim[i]) r.dim[i] = -1;
    }
    return r;
}

static bool check_rets_like(tn_builder *b, const tn_function *f, const tn_function *like)
{
    bool same = f->n_rets == like->n_rets;
    for (int i = 0; same && i < f->n_rets; i++) {
        same = tn_dtype_base(tn_node_dtype(f->rets[i])) == tn_dtype_base(tn_node_dtype(like->rets[i]));
    }
    char text[400];
    snprintf(text, sizeof text, "functions '%.150s' and '%.150s' return different dtypes", f->name,
             like->name);
    if (!same) tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
    return same;
}

static tn_attr shapes_attr(const tn_shape *shapes, int n)
{
    return (tn_attr){
        .name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = n, .shapes = shapes};
}

static bool check_loop(tn_builder *b, const tn_function *cond, const tn_function *body)
{
    char text[400];
    bool is_bool = cond->n_rets == 1 && tn_node_dtype(cond->rets[0]) == TN_BOOL;
    bool same = body->n_rets == body->n_args;
    for (int i = 0; same && i < body->n_args; i++) {
        same = tn_dtype_base(tn_node_dtype(body->rets[i])) == tn_node_dtype(tn_output_of(body->args[i], 0));
    }
    if (is_bool && same) return true;
    if (!is_bool)
        snprintf(text, sizeof text, "loop condition '%.150s' must return one bool", cond->name);
    else
        snprintf(text, sizeof text, "loop body '%.150s' must return what it takes", body->name);
    tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
    return false;
}

tn_operation *tn_while(tn_builder *b, const char *cond, const char *body, const tn_node *in, int n_in)
{
    tn_function *c = find(b, cond), *f = find(b, body);
    if (!c || !f || !check_args(b, c, in, n_in) || !check_args(b, f, in, n_in) || !check_loop(b, c, f))
        return NULL;
    tn_shape *shapes = TN_ARRAY(b->arena, n_in + 1, tn_shape);
    if (!tn_builder_got(b, shapes)) return NULL;
    for (int i = 0; i < n_in; i++) {
        tn_shape first = tn_node_shape(in[i]), next = tn_node_shape(f->rets[i]);
        bool invariant = f->rets[i].op == f->args[i];
        shapes[i] = invariant ? first : tn_shape_relaxed(&first, &next);
    }
    const char *type = c->stateful || f->stateful ? "While" : "StatelessWhile";
    return tn_add_operation(
        b, type, "While", in, n_in,
        TN_ATTRS(tn_attr_func("cond", c->name), tn_attr_func("body", f->name), shapes_attr(shapes, n_in)));
}

tn_operation *tn_if(tn_builder *b, tn_node cond, const char *then_branch, const char *else_branch,
                    const tn_node *in, int n_in)
{
    tn_function *t = find(b, then_branch), *e = find(b, else_branch);
    if (!t || !e || !check_args(b, t, in, n_in) || !check_args(b, e, in, n_in) || !check_rets_like(b, e, t))
        return NULL;
    const tn_dtype *types = ret_types(b, t);
    tn_shape *shapes = TN_ARRAY(b->arena, t->n_rets + 1, tn_shape);
    tn_node *all = TN_ARRAY(b->arena, n_in + 1, tn_node);
    if (!tn_builder_got(b, types) || !tn_builder_got(b, shapes) || !tn_builder_got(b, all)) return NULL;
    for (int i = 0; i < t->n_rets; i++) {
        tn_shape x = tn_node_shape(t->rets[i]), y = tn_node_shape(e->rets[i]);
        shapes[i] = tn_shape_relaxed(&x, &y);
    }
    all[0] = cond;
    if (n_in) memcpy(all + 1, in, (size_t)n_in * sizeof *in);
    const char *type = t->stateful || e->stateful ? "If" : "StatelessIf";
    return tn_add_operation(b, type, "If", all, n_in + 1,
                            TN_ATTRS(tn_attr_types("Tout", types, t->n_rets),
                                     tn_attr_func("then_branch", t->name),
                                     tn_attr_func("else_branch", e->name), shapes_attr(shapes, t->n_rets)));
}
