/* SPDX-License-Identifier: Apache-2.0
 *
 * lower_emit.c - operations -> plan nodes, one by one: constants and variables, calls inlined, branches and loops with
 * regions of their own, references read where they are used, everything else as it is.
 *
 * What is needed, and in which order, lower_walk.c says; a whole body is lower.c's. Functions nest at most MAX_DEPTH
 * deep.
 */
#include "lower.h"
#include "made.h"

enum { MAX_DEPTH = 100, MANY_CONTROLS = 64 };

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

/* ==== a node and what comes to it ==== */

static char *full_name(const body *b, const char *name)
{
    return *b->prefix ? tn_arena_printf(b->l->arena, "%s%s", b->prefix, name) : tn_arena_strdup(b->l->arena, name);
}

static tn_pval *outs_of(tn_arena *a, tn_pnode *n)
{
    tn_pval *outs = TN_ARRAY(a, TN_MAX(n->n_out, 1), tn_pval);
    for (int i = 0; outs && i < n->n_out; i++) outs[i] = (tn_pval){n, i};
    return outs;
}

/* What a Switch or the Identity of a variable hands out is the variable's own memory, as in TensorFlow: whoever
 * looks at it sees what is there by then. Predicates are read once. */
static bool hands_ref_through(const body *b, const tn_operation *op, int i)
{
    static const char *const variables[] = {"VariableV2", "Variable", NULL};
    if (i || tn_body_feed(b, op->in[0]) >= 0 || op->out[0].dtype == TN_BOOL) return false;
    if (strcmp(op->type, "Switch") == 0) return true;
    return strcmp(op->type, "Identity") == 0 && tn_is_one_of(op->in[0].op->type, variables);
}

static bool wants_ref(const body *b, const tn_operation *op, int i)
{
    const tn_sig *sig = op->def ? tn_op_sig(op->def) : NULL;
    if (hands_ref_through(b, op, i)) return true;
    if (!sig || !sig->n_in) return false;
    return sig->in[TN_MIN(i, sig->n_in - 1)].is_ref;
}

static bool add_waits(body *b, tn_pnode *r, const tn_pnode *user)
{
    static const char *const joins[] = {"Merge", "Enter", NULL};
    for (int k = 0; k < user->n_control; k++)
        if (!tn_pnode_add_control(b->l->arena, r, user->control[k])) return false;
    for (int k = 0; k < user->n_in && !tn_is_one_of(user->op->name, joins); k++) {
        tn_pnode *in = user->in[k].node;
        bool is_early = in->op == &tn_pseudo_feed || in->op == &tn_pseudo_handle ||
                        (in->op == &tn_pseudo_constant && !in->n_control);
        if (in != r->in[0].node && !is_early && !tn_pnode_add_control(b->l->arena, r, in)) return false;
    }
    return true;
}

/* The value of a reference, read when this user runs: after the user's own control and other inputs. */
tn_code tn_lower_read(body *b, tn_pnode *user, int i, tn_error *err)
{
    tn_arena *a = b->l->arena;
    tn_pnode *r = tn_pnode_new(a, &tn_pseudo_read_ref, user->name, 1, 1);
    if (!r) return no_memory(err);
    r->in[0] = user->in[i];
    r->out[0].dtype = tn_dtype_base(user->in[i].node->out[user->in[i].index].dtype);
    if (!add_waits(b, r, user)) return no_memory(err);
    user->in[i] = (tn_pval){r, 0};
    return tn_region_add(a, b->region, r) ? TN_OK : no_memory(err);
}

tn_code tn_lowered_value(body *b, tn_node v, tn_pval *out, tn_error *err)
{
    int f = tn_body_feed(b, v);
    if (f >= 0) {
        *out = (tn_pval){b->feeds[f], 0};
        return TN_OK;
    }
    mapped *m = &b->map[v.op->id];
    if (!m->outs)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node '%s' is used before it is defined", v.op->name);
    *out = m->outs[v.index];
    return TN_OK;
}

static tn_code read_refs(body *b, tn_operation *op, tn_pnode *n, tn_error *err)
{
    for (int i = 0; i < op->n_in; i++) {
        if (!n->in[i].node) continue; /* a loop's back edge */
        tn_dtype t = n->in[i].node->out[n->in[i].index].dtype;
        if (!tn_dtype_is_ref(t)) continue;
        if (!wants_ref(b, op, i)) TN_TRY(tn_lower_read(b, n, i, err));
        for (int o = 0; o < n->n_out && hands_ref_through(b, op, i); o++) n->out[o].dtype = t;
    }
    return TN_OK;
}

/* Very many are not looked at for what is there twice. */
static tn_code wait_for_controls(const body *b, const tn_operation *op, tn_pnode *n, tn_error *err)
{
    bool (*const add)(tn_arena *, tn_pnode *, tn_pnode *) =
        op->n_control > MANY_CONTROLS ? tn_pnode_push_control : tn_pnode_add_control;
    for (int i = 0; i < op->n_control; i++) {
        tn_pnode *before = b->map[op->control[i]->id].node;
        if (before && !add(b->l->arena, n, before)) return no_memory(err);
    }
    return TN_OK;
}

static tn_code connect(body *b, tn_operation *op, tn_pnode *n, tn_error *err)
{
    TN_TRY(wait_for_controls(b, op, n, err));
    bool is_root = b->l->framed && !op->n_in; /* else it would not be seen to be in its caller's frame */
    if (b->before && (is_root || n->op->flags & TN_STATEFUL || n->op->writes || n->op->reads))
        if (!tn_pnode_add_control(b->l->arena, n, b->before)) return no_memory(err);
    for (int i = 0; i < op->n_in; i++) {
        if (tn_is_back_edge(op, op->in[i].op)) continue; /* closed by close_loops */
        TN_TRY(tn_lowered_value(b, op->in[i], &n->in[i], err));
    }
    return read_refs(b, op, n, err);
}

static tn_code new_node(body *b, tn_operation *op, const tn_op *as, int n_in, tn_pnode **out, tn_error *err)
{
    tn_pnode *n = tn_pnode_new(b->l->arena, as, full_name(b, op->name), n_in, op->n_out);
    if (!n || !n->name) return no_memory(err);
    n->attrs = &op->attrs;
    for (int i = 0; i < op->n_out; i++) {
        n->out[i].dtype = op->out[i].dtype;
    }
    b->map[op->id] = (mapped){n, outs_of(b->l->arena, n)};
    if (!b->map[op->id].outs || !tn_region_add(b->l->arena, b->region, n)) return no_memory(err);
    *out = n;
    return TN_OK;
}

/* ==== kinds of operations ==== */

static tn_code emit_constant(body *b, tn_operation *op, tn_error *err)
{
    tn_pnode *n;
    TN_TRY(new_node(b, op, &tn_pseudo_constant, 0, &n, err));
    const tn_tensor *t = tn_attr_get_tensor(&op->attrs, "value");
    if (!t) return tn_fail(err, TN_INVALID_ARGUMENT, "node '%s' (Const) has no value", op->name);
    n->out[0].value = t;
    n->out[0].shape = t->shape;
    return connect(b, op, n, err);
}

static tn_code emit_variable(body *b, tn_operation *op, tn_error *err)
{
    tn_pnode *n;
    tn_dtype t = tn_attr_t(&op->attrs, "dtype");
    tn_shape shape = tn_shape_unknown();
    tn_stored *v;
    tn_attr_get_shape(&op->attrs, "shape", &shape);
    if (strcmp(op->type, "VarHandleOp") != 0 && shape.rank == 0) shape = tn_shape_unknown(); /* TF1: [] may be "any" */
    TN_TRY(new_node(b, op, &tn_pseudo_handle, 0, &n, err));
    const char *name = tn_variable_session_name(op, b->l->arena);
    if (!name) return no_memory(err);
    TN_TRY(tn_store_variable(b->l->store, name, t, &shape, &v, err));
    n->resource = &v->base;
    n->out[0].shape = (tn_shape){.rank = 0};
    if (b->before && b->l->framed && !tn_pnode_add_control(b->l->arena, n, b->before)) return no_memory(err);
    return TN_OK;
}

static tn_code emit_arg(body *b, tn_operation *op, tn_error *err)
{
    int64_t index = tn_attr_i(&op->attrs, "index");
    tn_pval *outs = TN_NEW(b->l->arena, tn_pval);
    if (!outs) return no_memory(err);
    if (!b->args) return tn_fail(err, TN_INVALID_ARGUMENT, "node '%s' (_Arg) stands outside of a function", op->name);
    *outs = b->args[index];
    b->map[op->id] = (mapped){NULL, outs};
    return TN_OK;
}

/* Node that waits for a call's control inputs, and among Switches and frames for its arguments; NULL when
 * there is nothing to wait for. */
static tn_code call_before(body *b, tn_operation *op, const tn_pval *args, tn_pnode **out, tn_error *err)
{
    *out = b->before;
    if (!op->n_control && !b->framed) return TN_OK;
    tn_pnode *n = tn_pnode_new(b->l->arena, tn_op_find("NoOp"), full_name(b, op->name), 0, 0);
    if (!n || !tn_region_add(b->l->arena, b->region, n)) return no_memory(err);
    TN_TRY(wait_for_controls(b, op, n, err));
    for (int i = 0; b->framed && i < op->n_in; i++)
        if (!tn_pnode_add_control(b->l->arena, n, args[i].node)) return no_memory(err);
    if (b->before && !tn_pnode_add_control(b->l->arena, n, b->before)) return no_memory(err);
    *out = n;
    return TN_OK;
}

static tn_code find_function(const body *b, const tn_operation *op, const char *name, tn_function **out, tn_error *err)
{
    *out = name ? tn_graph_function(b->l->library, name) : NULL;
    if (!*out)
        return tn_fail(err, TN_NOT_FOUND, "Function '%s' is not defined [[{{node %s}}]] (%s)",
                       name ? name : "?", op->name, op->type);
    if (b->depth >= MAX_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "node '%s': functions nest more than %d deep", op->name, MAX_DEPTH);
    return TN_OK;
}

/* A function's arguments have the dtypes that its caller gives, its results those that the caller expects. */
static tn_code check_function(const tn_operation *op, const tn_function *f, int first, const tn_info *expected,
                              int n_expected, tn_error *err)
{
    if (f->n_args != op->n_in - first || f->n_rets != n_expected)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "'%s' has %d arguments and %d results; here it is given %d, and %d are expected [[{{node %s}}]]",
                       f->name, f->n_args, f->n_rets, op->n_in - first, n_expected, op->name);
    for (int i = 0; i < f->n_args; i++) {
        tn_dtype is = tn_dtype_base(op->in[first + i].op->out[op->in[first + i].index].dtype);
        tn_dtype wants = tn_dtype_base(f->args[i]->out[0].dtype);
        if (is != wants)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "{{function_node %s}} Expects arg[%d] to be %s but %s is provided [[{{node %s}}]]",
                           f->name, i, tn_dtype_name(wants), tn_dtype_name(is), op->name);
    }
    for (int i = 0; expected && i < f->n_rets; i++) {
        tn_dtype is = tn_dtype_base(f->rets[i].op->out[f->rets[i].index].dtype);
        tn_dtype wants = tn_dtype_base(expected[i].dtype);
        if (is != wants)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "{{function_node %s}} Expected type %s for return value %d but got %s [[{{node %s}}]]",
                           f->name, tn_dtype_name(wants), i, tn_dtype_name(is), op->name);
    }
    return TN_OK;
}

/* The call's arguments begin with its input `first`. */
static tn_code emit_call_of(body *b, tn_operation *op, const tn_function *f, int first, tn_error *err)
{
    tn_arena *a = b->l->arena;
    TN_TRY(check_function(op, f, first, op->out, op->n_out, err));
    tn_pval *args = TN_ARRAY(a, f->n_args + 1, tn_pval), *rets = TN_ARRAY(a, f->n_rets + 1, tn_pval);
    if (!args || !rets) return no_memory(err);
    tn_pnode *holder = tn_pnode_new(a, tn_op_find("NoOp"), full_name(b, op->name), op->n_in, 0);
    if (!holder) return no_memory(err);
    TN_TRY(connect(b, op, holder, err)); /* dereferences what are references */
    memcpy(args, holder->in + first, (size_t)(op->n_in - first) * sizeof *args);
    tn_pnode *before, *done;
    TN_TRY(call_before(b, op, args, &before, err));
    const char *prefix = tn_arena_printf(a, "%s%s/", b->prefix, op->name);
    if (!prefix) return no_memory(err);
    b->l->framed += b->framed;
    TN_TRY(tn_lower_call(b->l, f, prefix, args, before, b->region, b->depth + 1, rets, &done, err));
    b->l->framed -= b->framed;
    b->map[op->id] = (mapped){done, rets};
    return TN_OK;
}

static tn_code emit_call(body *b, tn_operation *op, const char *name, int first, tn_error *err)
{
    tn_function *f;
    TN_TRY(find_function(b, op, tn_graph_implementation(b->l->library, name), &f, err));
    return emit_call_of(b, op, f, first, err);
}

/* A call of a body that is made for it, and lives as long as the plan. */
static tn_code emit_made(body *b, tn_operation *op, tn_error *err)
{
    tn_arena *a = b->l->arena;
    tn_function *f = TN_NEW(a, tn_function);
    tn_made *made = TN_NEW(a, tn_made);
    if (!f || !made) return no_memory(err);
    if (b->depth >= MAX_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node '%s': functions nest more than %d deep", op->name, MAX_DEPTH);
    TN_TRY(tn_make_body(op, b->l->library, b->l->n_nodes, a, f, err));
    *made = (tn_made){f->body, b->l->lowered->made};
    b->l->lowered->made = made;
    return emit_call_of(b, op, f, 0, err);
}

static tn_code new_branch(body *b, tn_operation *op, tn_pnode *n, int first, const char *name,
                          tn_region **out, tn_error *err)
{
    tn_function *f;
    tn_arena *a = b->l->arena;
    TN_TRY(find_function(b, op, name, &f, err));
    int n_args = n->n_in - first;
    bool is_condition = tn_pnode_is_loop(n) && out == &n->sub[0];
    TN_TRY(check_function(op, f, first, is_condition ? NULL : op->out, is_condition ? 1 : op->n_out, err));
    tn_region *r = TN_NEW(a, tn_region);
    tn_pval *args = TN_ARRAY(a, n_args + 1, tn_pval);
    if (!r || !args) return no_memory(err);
    r->n_args = n_args;
    r->args = TN_ARRAY(a, n_args + 1, tn_pnode *);
    r->n_rets = f->n_rets;
    r->rets = TN_ARRAY(a, f->n_rets + 1, tn_pval);
    if (!r->args || !r->rets) return no_memory(err);
    for (int i = 0; i < n_args; i++) {
        tn_pnode *arg = tn_pnode_new(a, &tn_pseudo_arg, full_name(b, f->arg_names ? f->arg_names[i] : op->name), 0, 1);
        if (!arg) return no_memory(err);
        arg->feed = i;
        arg->out[0].dtype = n->in[first + i].node->out[n->in[first + i].index].dtype;
        arg->resource = tn_pval_resource(n->in[first + i]);
        r->args[i] = arg;
        args[i] = (tn_pval){arg, 0};
    }
    tn_pnode *done;
    const char *prefix = tn_arena_printf(a, "%s%s/", b->prefix, op->name);
    if (!prefix) return no_memory(err);
    TN_TRY(tn_lower_call(b->l, f, prefix, args, NULL, r, b->depth + 1, r->rets, &done, err));
    *out = r;
    return tn_make_functional(a, r, err);
}

/* A composite's call stays one node, with its body, until binding says which of the two runs. */
static tn_code emit_composite(body *b, tn_operation *op, const tn_function *f, tn_error *err)
{
    tn_pnode *n;
    TN_TRY(new_node(b, op, &tn_pseudo_composite, op->n_in, &n, err));
    n->attrs = &f->attrs;
    TN_TRY(connect(b, op, n, err));
    n->sub = TN_NEW(b->l->arena, tn_region *);
    if (!n->sub) return no_memory(err);
    TN_TRY(new_branch(b, op, n, 0, f->name, &n->sub[0], err));
    n->n_sub = 1;
    return TN_OK;
}

static tn_code emit_branching(body *b, tn_operation *op, const char *const *names, int n_sub, int first, tn_error *err)
{
    tn_pnode *n;
    TN_TRY(new_node(b, op, op->def, op->n_in, &n, err));
    TN_TRY(connect(b, op, n, err));
    n->n_sub = n_sub;
    n->sub = TN_ARRAY(b->l->arena, n_sub, tn_region *);
    if (!n->sub) return no_memory(err);
    for (int i = 0; i < n_sub; i++) TN_TRY(new_branch(b, op, n, first, names[i], &n->sub[i], err));
    n->effect = tn_pnode_has_writes(n);
    for (int i = 0; i < n_sub && !n->effect; i++)
        for (int j = 0; j < n->sub[i]->n_nodes; j++) n->effect |= n->sub[i]->nodes[j]->effect;
    return TN_OK;
}

static const char *function_attr(const tn_operation *op, const char *attr)
{
    const tn_func_attr *f = tn_attr_get_func(&op->attrs, attr);
    return f ? f->name : NULL;
}

bool tn_is_call(const tn_operation *op)
{
    static const char *const calls[] = {"PartitionedCall", "StatefulPartitionedCall", "RemoteCall", "BatchFunction",
                                        NULL};
    return tn_is_one_of(op->type, calls);
}

/* The composite that a call is of; NULL: none. */
static const tn_function *called_composite(const body *b, const tn_operation *op)
{
    const char *name = function_attr(op, "f");
    const tn_function *f = name ? tn_graph_function(b->l->library, name) : NULL;
    const tn_composite *k = f ? tn_composite_of(f) : NULL;
    return k && op->n_in == k->n_args && op->n_out == k->n_rets ? f : NULL;
}

static tn_code emit_if(body *b, tn_operation *op, tn_error *err)
{
    const char *names[2] = {function_attr(op, "then_branch"), function_attr(op, "else_branch")};
    return emit_branching(b, op, names, 2, 1, err);
}

static tn_code emit_while(body *b, tn_operation *op, tn_error *err)
{
    const char *names[2] = {function_attr(op, "cond"), function_attr(op, "body")};
    return emit_branching(b, op, names, 2, 0, err);
}

static tn_code emit_case(body *b, tn_operation *op, tn_error *err)
{
    const tn_attr *at = tn_attr_find(&op->attrs, "branches");
    if (!at || !at->is_list || at->kind != TN_ATTR_FUNC || at->n < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "node '%s' (%s) has no branches", op->name, op->type);
    const char **names = TN_ARRAY(b->l->arena, at->n, const char *);
    if (!names) return no_memory(err);
    for (int i = 0; i < at->n; i++) names[i] = at->funcs[i].name;
    return emit_branching(b, op, names, at->n, 1, err);
}

/* What is not fed is its default, whatever shape others might have fed. */
static const tn_op *op_of(const tn_operation *op)
{
    return strcmp(op->type, "PlaceholderWithDefault") == 0 ? tn_op_find("Identity") : op->def;
}

static tn_code emit_plain(body *b, tn_operation *op, tn_error *err)
{
    tn_pnode *n;
    TN_TRY(new_node(b, op, op_of(op), op->n_in, &n, err));
    TN_TRY(connect(b, op, n, err));
    n->effect = op->def->writes || (op->def->flags & TN_EFFECT);
    int64_t seed, seed2;
    if ((op->def->flags & TN_STATEFUL) && tn_attr_get_int(&op->attrs, "seed", &seed) &&
        tn_attr_get_int(&op->attrs, "seed2", &seed2)) {
        tn_rng *g;
        TN_TRY(tn_store_rng(b->l->store, n->name, seed, seed2, &g, err));
        n->resource = &g->base;
    }
    return TN_OK;
}

static tn_code emit(body *b, tn_operation *op, tn_error *err)
{
    static const char *const variables[] = {"VarHandleOp", "VariableV2", "Variable", "TemporaryVariable", NULL};
    static const char *const ifs[] = {"If", "StatelessIf", NULL};
    static const char *const whiles[] = {"While", "StatelessWhile", NULL};
    static const char *const cases[] = {"Case", "StatelessCase", NULL};
    if (++b->l->n_nodes > b->l->most_nodes)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the plan has more than %zu operations [[{{node %s}}]]",
                       b->l->most_nodes, op->name);
    if (tn_graph_function(b->l->library, op->type)) return emit_call(b, op, op->type, 0, err);
    if (!op->def) return tn_fail(err, TN_INTERNAL, "node '%s': '%s' was overlooked", op->name, op->type);
    if (strcmp(op->type, "Const") == 0) return emit_constant(b, op, err);
    if (strcmp(op->type, "_Arg") == 0) return emit_arg(b, op, err);
    if (strcmp(op->type, "Placeholder") == 0 || strcmp(op->type, "PlaceholderV2") == 0) {
        char shape[128];
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "You must feed a value for placeholder tensor '%s' with dtype %s and shape %s [[{{node %s}}]]",
            op->name, tn_dtype_name(op->out[0].dtype), tn_shape_text(&op->out[0].shape, shape, sizeof shape),
            op->name);
    }
    if (tn_is_one_of(op->type, variables)) return emit_variable(b, op, err);
    if (tn_is_call(op)) {
        const tn_function *f = called_composite(b, op);
        if (f) return emit_composite(b, op, f, err);
        return emit_call(b, op, function_attr(op, "f"), strcmp(op->type, "RemoteCall") == 0, err); /* all is here */
    }
    if (tn_is_made(op)) return emit_made(b, op, err);
    if (tn_is_one_of(op->type, ifs)) return emit_if(b, op, err);
    if (tn_is_one_of(op->type, whiles)) return emit_while(b, op, err);
    if (tn_is_one_of(op->type, cases)) return emit_case(b, op, err);
    return emit_plain(b, op, err);
}

static tn_code close_loops(body *b, const walk *w, tn_error *err)
{
    for (int k = 0; k < w->n_order; k++) {
        tn_operation *op = w->order[k];
        for (int i = 0; i < op->n_in; i++)
            if (tn_is_back_edge(op, op->in[i].op) && b->map[op->id].node)
                TN_TRY(tn_lowered_value(b, op->in[i], &b->map[op->id].node->in[i], err));
    }
    return TN_OK;
}

tn_code tn_lower_walked(body *b, const walk *w, tn_error *err)
{
    for (int i = 0; i < w->n_order; i++) TN_TRY(emit(b, w->order[i], err));
    return close_loops(b, w, err);
}
