/* SPDX-License-Identifier: Apache-2.0
 *
 * raise.c - the way back from a plan's regions to graph: a region becomes a function, an If or While node the
 * operation that calls it. Which nodes are to come back, and what they replace, is grad_frames.c's.
 *
 * References are no values that functions are given: a variable that is assigned inside stands inside, too, under its
 * name.
 *
 * Invariants: operations keep their names where they are free; what TensorFlow noted about the old place
 * (shapes, neighbours) stays behind.
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

/* ==== references ==== functions are given values: a variable that is assigned inside stands inside, too */

typedef struct uses {
    bool as_ref, as_value;
} uses;

static bool takes_ref(const tn_pnode *n, int k)
{
    const tn_sig *sig = tn_op_sig(n->op);
    return sig && k < sig->n_in && sig->in[k].is_ref;
}

/* How a region, and those in it, use what they are given; deeper than functions nest nothing is looked at. */
static void find_uses(const tn_region *region, const tn_pnode *arg, int depth, uses *u)
{
    for (int i = 0; i < region->n_nodes; i++) {
        const tn_pnode *n = region->nodes[i];
        bool flow = n->n_sub && !n->feed;
        int first = flow && !tn_pnode_is_loop(n);
        for (int k = 0; k < n->n_in; k++) {
            if (n->in[k].node != arg) continue;
            if (!flow || k < first) *(takes_ref(n, k) ? &u->as_ref : &u->as_value) = true;
            for (int s = 0; flow && k >= first && s < n->n_sub && depth < MOST_NESTED; s++)
                find_uses(n->sub[s], n->sub[s]->args[k - first], depth + 1, u);
        }
    }
}

static bool is_variable(const tn_operation *op)
{
    return op && (!strcmp(op->type, "VariableV2") || !strcmp(op->type, "Variable"));
}

/* The variable that a reference is of, through operators that hand it on; NULL: it is not known. */
static const tn_operation *variable_of(const tn_raising *r, tn_pval v)
{
    while (tn_dtype_is_ref(v.node->out[v.index].dtype)) {
        const tn_operation *op = v.node->op == &tn_pseudo_arg ? v.node->extra
                                 : v.node->feed               ? r->b->graph->ops[v.node->feed - 1]
                                                              : NULL;
        if (is_variable(op)) return op;
        if (!op || v.node->op == &tn_pseudo_arg || v.node->n_in == 0) return NULL;
        v = v.node->in[0];
    }
    return NULL;
}

/* The same variable in a function: by its own name, and for whoever goes by the other by that. */
static tn_code variable_inside(const tn_raising *r, tn_builder *body, const tn_operation *v,
                               tn_operation **out, tn_error *err)
{
    tn_operation *there = tn_graph_operation(body->graph, v->name);
    tn_view shared;
    tn_attr *attrs = TN_ARRAY(r->arena, v->attrs.n + 1, tn_attr);
    tn_dtype type = tn_node_dtype((tn_node){(tn_operation *)v, 0});
    tn_operation_spec spec = {
        .type = v->type, .name = v->name, .attrs = attrs, .n_out = 1, .out_types = &type, .is_file = true};
    if (!attrs) return no_memory(err);
    *out = there;
    if (there) return TN_OK;
    bool named = tn_attr_get_string(&v->attrs, "shared_name", &shared) && shared.n;
    for (int i = 0; i < v->attrs.n; i++)
        if (!stays_behind(&v->attrs.v[i]) && (named || strcmp(v->attrs.v[i].name, "shared_name") != 0))
            attrs[spec.n_attrs++] = v->attrs.v[i];
    if (!named) attrs[spec.n_attrs++] = tn_attr_str("shared_name", v->name);
    return tn_graph_add(body->graph, &spec, out, err);
}

typedef struct passing { /* what a branch or a loop gives its regions */
    const tn_pval *values;
    uses *uses;
    const tn_operation **variables; /* those that stand inside; else NULL */
} passing;

static tn_code refuse(const tn_operation *v, tn_error *err)
{
    return tn_fail(
        err, TN_UNIMPLEMENTED,
        v ? "No gradient defined with respect to variable '%s', which is assigned and read in a loop or "
            "branch"
          : "No gradient defined through an assignment to a variable%s that is not known where it is made",
        v ? v->name : "");
}

static tn_code look_at_refs(const tn_raising *r, const tn_pnode *n, passing *p, tn_error *err)
{
    int first = !tn_pnode_is_loop(n), given = n->n_in - first;
    p->values = n->in + first;
    p->uses = TN_ARRAY(r->arena, given + 1, uses);
    p->variables = TN_ARRAY(r->arena, given + 1, const tn_operation *);
    if (!p->uses || !p->variables) return no_memory(err);
    for (int i = 0; i < given; i++) {
        if (!tn_dtype_is_ref(p->values[i].node->out[p->values[i].index].dtype)) continue;
        for (int s = 0; s < n->n_sub; s++) find_uses(n->sub[s], n->sub[s]->args[i], 0, &p->uses[i]);
        if (!p->uses[i].as_ref) continue;
        const tn_operation *v = p->variables[i] = variable_of(r, p->values[i]);
        const tn_operation *top = v ? tn_graph_operation(r->b->graph, v->name) : NULL;
        if (!v || (p->uses[i].as_value && top && r->is_x[top->id])) return refuse(v, err);
    }
    return TN_OK;
}

/* ==== regions ==== */

static tn_code add_args(const tn_raising *r, tn_builder *body, const tn_region *region, const passing *p,
                        tn_operation **args, tn_error *err)
{
    for (int i = 0; i < region->n_args; i++) {
        tn_operation *inside = NULL;
        tn_info *a = &region->args[i]->out[0];
        args[i] = tn_function_arg(body, "arg", tn_dtype_base(a->dtype), a->shape).op;
        if (p->variables[i]) TN_TRY(variable_inside(r, body, p->variables[i], &inside, err));
        region->args[i]->extra = inside ? inside : args[i];
    }
    return tn_builder_check(body, err);
}

static tn_node returned(const tn_region *region, tn_operation *const *args, tn_pval v)
{
    for (int i = 0; i < region->n_args; i++)
        if (region->args[i] == v.node) return (tn_node){args[i], v.index};
    return tn_raised(v);
}

static tn_code fill(const tn_raising *r, tn_builder *body, const tn_region *region, const passing *p,
                    tn_node *rets, int depth, tn_error *err)
{
    tn_operation **args = TN_ARRAY(r->arena, region->n_args + 1, tn_operation *);
    if (!args) return no_memory(err);
    TN_TRY(add_args(r, body, region, p, args, err));
    for (int i = 0; i < region->n_nodes; i++) TN_TRY(raise_into(r, body, region->nodes[i], depth, err));
    for (int i = 0; i < region->n_rets; i++) rets[i] = returned(region, args, region->rets[i]);
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

static tn_code raise_region(const tn_raising *r, const tn_region *region, const passing *p, const char *scope,
                            const char *part, int depth, const char **name, tn_error *err)
{
    tn_node *rets = TN_ARRAY(r->arena, region->n_rets + 1, tn_node);
    tn_builder *body = rets ? tn_body_builder(r->b, err) : NULL;
    if (!body) return no_memory(err);
    tn_code code = fill(r, body, region, p, rets, depth, err);
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
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': loops and branches nest more than %d deep", n->name,
                       MOST_NESTED);
    passing p;
    TN_TRY(look_at_refs(r, n, &p, err));
    TN_TRY(raise_region(r, n->sub[0], &p, scope, loop ? "cond" : "true", depth + 1, &names[0], err));
    TN_TRY(raise_region(r, n->sub[1], &p, scope, loop ? "body" : "false", depth + 1, &names[1], err));
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
