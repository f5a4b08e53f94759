/* SPDX-License-Identifier: Apache-2.0
 *
 * raise.c - the way back from a plan's regions to graph: a region becomes a function, an If or While node the
 * operation that calls it. Which nodes are to come back, and what they replace, is grad_frames.c's.
 *
 * Invariants: operations keep their names where they are free; what TensorFlow noted about the old place (shapes,
 * neighbours) stays behind.
 */
#include "raise.h"

enum { MOST_NESTED = 100 };

static tn_code raise_into(const tn_raising *r, tn_builder *into, tn_pnode *n, int depth, tn_error *err);

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

tn_node tn_raised(tn_pval v)
{
    return (tn_node){v.node->extra, v.index};
}

static tn_node *inputs_of(const tn_raising *r, const tn_pnode *n)
{
    tn_node *in = TN_ARRAY(r->arena, n->n_in + 1, tn_node);
    for (int i = 0; in && i < n->n_in; i++) in[i] = tn_raised(n->in[i]);
    return in;
}

static tn_operation **controls_of(const tn_raising *r, const tn_pnode *n)
{
    tn_operation **control = TN_ARRAY(r->arena, n->n_control + 1, tn_operation *);
    for (int i = 0; control && i < n->n_control; i++) control[i] = n->control[i]->extra;
    return control;
}

/* ==== nodes that are operations ==== */

static bool stays_behind(const tn_attr *a)
{
    return !strcmp(a->name, "_class") || !strcmp(a->name, "_output_shapes");
}

static tn_code raise_plain(const tn_raising *r, tn_builder *into, tn_pnode *n, tn_error *err)
{
    const tn_operation *from = n->feed ? r->b->graph->ops[n->feed - 1] : NULL;
    tn_attr *attrs = TN_ARRAY(r->arena, n->attrs->n + 1, tn_attr);
    tn_dtype *types = TN_ARRAY(r->arena, n->n_out + 1, tn_dtype);
    tn_operation_spec spec = {.type = from ? from->type : n->op->name,
                              .name = tn_graph_unique(into->graph, r->arena, n->name),
                              .device = from ? from->device : NULL,
                              .in = inputs_of(r, n),
                              .n_in = n->n_in,
                              .control = controls_of(r, n),
                              .n_control = n->n_control,
                              .attrs = attrs,
                              .n_out = n->n_out,
                              .out_types = types,
                              .is_file = true};
    if (!attrs || !types || !spec.name || !spec.in || !spec.control) return no_memory(err);
    for (int i = 0; i < n->attrs->n; i++)
        if (!stays_behind(&n->attrs->v[i])) attrs[spec.n_attrs++] = n->attrs->v[i];
    for (int i = 0; i < n->n_out; i++) types[i] = n->out[i].dtype;
    tn_operation *op;
    TN_TRY(tn_graph_add(into->graph, &spec, &op, err));
    n->extra = op;
    return TN_OK;
}

static tn_code raise_constant(tn_builder *into, tn_pnode *n, tn_error *err)
{
    tn_tensor *kept; /* the plan's own may be in its arena */
    TN_TRY(tn_tensor_keep(n->out[0].value, &kept, err));
    n->extra = tn_constant(into, NULL, kept).op;
    tn_tensor_unref(kept);
    return tn_builder_check(into, err);
}

/* ==== regions ==== */

static tn_code add_args(tn_builder *body, const tn_region *region, tn_error *err)
{
    for (int i = 0; i < region->n_args; i++) {
        tn_info *a = &region->args[i]->out[0];
        region->args[i]->extra = tn_function_arg(body, "arg", tn_dtype_base(a->dtype), a->shape).op;
    }
    return tn_builder_check(body, err);
}

static tn_code fill(const tn_raising *r, tn_builder *body, const tn_region *region, tn_node *rets, int depth,
                    tn_error *err)
{
    TN_TRY(add_args(body, region, err));
    for (int i = 0; i < region->n_nodes; i++) TN_TRY(raise_into(r, body, region->nodes[i], depth, err));
    for (int i = 0; i < region->n_rets; i++) rets[i] = tn_raised(region->rets[i]);
    return TN_OK;
}

/* "rnn/while" of "rnn/while/LoopCond"; "" at the top. */
static const char *scope_of(const tn_raising *r, const char *name)
{
    const char *end = strrchr(name, '/');
    return tn_arena_strndup(r->arena, name, end ? (size_t)(end - name) : 0);
}

static const char *function_name(const tn_raising *r, const char *scope, const char *part)
{
    char *flat = tn_arena_printf(r->arena, "%s%s%s", scope, *scope ? "_" : "", part);
    for (char *p = flat; p && *p; p++)
        if (*p == '/') *p = '_';
    return flat ? tn_derived_name(r->b, "frames", flat) : NULL;
}

static tn_code raise_region(const tn_raising *r, const tn_region *region, const char *scope, const char *part,
                            int depth, const char **name, tn_error *err)
{
    tn_node *rets = TN_ARRAY(r->arena, region->n_rets + 1, tn_node);
    tn_builder *body = rets ? tn_body_builder(r->b, err) : NULL;
    if (!body) return no_memory(err);
    tn_code code = fill(r, body, region, rets, depth, err);
    if (!code && !(*name = function_name(r, scope, part))) code = no_memory(err);
    if (!code) return tn_body_define(r->b, *name, body, rets, region->n_rets, err);
    tn_body_drop(body);
    return code;
}

/* ==== branches and loops ==== */

static tn_code raise_flow(const tn_raising *r, tn_builder *into, tn_pnode *n, int depth, tn_error *err)
{
    bool loop = tn_pnode_is_loop(n);
    const char *scope = scope_of(r, n->name), *names[2];
    tn_node *in = inputs_of(r, n);
    tn_operation **control = controls_of(r, n);
    if (!scope || !in || !control) return no_memory(err);
    if (depth >= MOST_NESTED)
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': loops and branches nest more than %d deep", n->name, MOST_NESTED);
    TN_TRY(raise_region(r, n->sub[0], scope, loop ? "cond" : "true", depth + 1, &names[0], err));
    TN_TRY(raise_region(r, n->sub[1], scope, loop ? "body" : "false", depth + 1, &names[1], err));
    tn_scope_enter(into, scope);
    tn_control_dependencies(into, -1, NULL);
    tn_control_dependencies(into, n->n_control, control);
    n->extra = loop ? tn_while(into, names[0], names[1], in, n->n_in)
                    : tn_if(into, in[0], names[0], names[1], in + 1, n->n_in - 1);
    tn_control_dependencies_end(into);
    tn_control_dependencies_end(into);
    tn_scope_leave(into);
    return tn_builder_check(into, err);
}

static tn_code raise_into(const tn_raising *r, tn_builder *into, tn_pnode *n, int depth, tn_error *err)
{
    if (n->op == &tn_pseudo_constant) return raise_constant(into, n, err);
    if (n->op == &tn_pseudo_dead)
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s' has a value only if its branch is taken", n->name);
    tn_code code = n->n_sub && !n->feed ? raise_flow(r, into, n, depth, err) : raise_plain(r, into, n, err);
    return code && !strstr(err->message, n->name) ? tn_wrap(err, "'%s'", n->name) : code;
}

tn_code tn_raise_node(const tn_raising *r, tn_pnode *n, tn_error *err)
{
    return raise_into(r, r->b, n, 0, err);
}
