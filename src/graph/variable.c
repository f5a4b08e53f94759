/* SPDX-License-Identifier: Apache-2.0
 *
 * variable.c - variables: TensorFlow's names, operations and collections for them. Their values are the
 * session's.
 *
 * Invariant: a graph's variables are in its table by name, and in the collections by "name:0".
 */
#include "inside.h"

#define LOCAL_VARIABLES "local_variables"

/* ==== the graph's table ==== */

static const char *copied(tn_graph *g, const char *s)
{
    return tn_arena_strdup(g->arena, s ? s : "");
}

static tn_code add_to_collections(tn_graph *g, const tn_variable_info *v, tn_error *err)
{
    const char *value = tn_arena_printf(g->arena, "%s:0", v->name);
    if (!value) return tn_no_memory(err, strlen(v->name));
    TN_TRY(tn_collection_add(g, v->local ? LOCAL_VARIABLES : TN_GLOBAL_VARIABLES, value, err));
    return v->trainable ? tn_collection_add(g, TN_TRAINABLE_VARIABLES, value, err) : TN_OK;
}

tn_code tn_graph_add_variable(tn_graph *g, const tn_variable_info *v, tn_error *err)
{
    TN_TRY(tn_graph_check_open(g, err));
    if (tn_map_has(g->variables, v->name)) {
        return tn_fail(err, TN_ALREADY_EXISTS, "the graph has a variable '%s' already", v->name);
    }
    tn_variable_info *copy = TN_NEW(g->arena, tn_variable_info);
    if (!copy) return tn_no_memory(err, sizeof *copy);
    *copy = *v;
    copy->name = copied(g, v->name);
    copy->initializer_name = copied(g, v->initializer_name);
    copy->snapshot_name = copied(g, v->snapshot_name);
    copy->initial_value_name = copied(g, v->initial_value_name);
    copy->def.p = tn_arena_strndup(g->arena, v->def.n ? v->def.p : "", v->def.n);
    if (!copy->op) copy->op = tn_graph_operation(g, v->name);
    bool complete = copy->name && copy->initializer_name && copy->snapshot_name && copy->initial_value_name;
    if (!complete || !copy->def.p) return tn_no_memory(err, v->def.n);
    if (!copy->op)
        return tn_fail(err, TN_NOT_FOUND, "variable '%s': the graph has no such operation", v->name);
    TN_TRY(add_to_collections(g, copy, err));
    return tn_map_put(g->variables, copy->name, copy) ? TN_OK : tn_no_memory(err, sizeof *copy);
}

int tn_graph_variable_count(const tn_graph *g)
{
    return (int)tn_map_count(g->variables);
}

const tn_variable_info *tn_graph_variable_at(const tn_graph *g, int i)
{
    return i >= 0 && i < tn_graph_variable_count(g) ? tn_map_value(g->variables, (size_t)i) : NULL;
}

const tn_variable_info *tn_graph_variable(const tn_graph *g, const char *name)
{
    return tn_map_get(g->variables, name);
}

static tn_code find(tn_graph *g, const char *name, tn_variable_info **out, tn_error *err)
{
    TN_TRY(tn_graph_check_open(g, err));
    *out = tn_map_get(g->variables, name);
    return *out ? TN_OK : tn_fail(err, TN_NOT_FOUND, "the graph has no variable '%s'", name);
}

tn_code tn_graph_set_trainable(tn_graph *g, const char *name, bool trainable, tn_error *err)
{
    tn_variable_info *v;
    TN_TRY(find(g, name, &v, err));
    if (v->trainable == trainable) return TN_OK;
    const char *value = tn_arena_printf(g->arena, "%s:0", v->name);
    if (!value) return tn_no_memory(err, strlen(v->name));
    if (trainable)
        TN_TRY(tn_collection_add(g, TN_TRAINABLE_VARIABLES, value, err));
    else
        TN_TRY(tn_collection_remove(g, TN_TRAINABLE_VARIABLES, value, err));
    v->trainable = trainable;
    return TN_OK;
}

tn_code tn_graph_set_start(tn_graph *g, const char *name, const tn_start *start, tn_error *err)
{
    tn_variable_info *v;
    TN_TRY(find(g, name, &v, err));
    tn_start copy = {.checkpoint = copied(g, start->checkpoint),
                     .key = copied(g, start->key),
                     .slice = copied(g, start->slice),
                     .slots = start->slots};
    if (!copy.checkpoint || !copy.key || !copy.slice) return tn_no_memory(err, 0);
    v->start = copy;
    return TN_OK;
}

/* ==== reuse ==== */

static void refuse(tn_builder *b, tn_code code, const char *name, const char *why)
{
    tn_error err;
    tn_fail(&err, code, "Variable %s %s", name, why);
    tn_builder_fail_with(b, &err);
}

static bool fits(tn_builder *b, const tn_variable_info *v, tn_dtype t, const tn_shape *shape)
{
    char is[160], wanted[160], text[400];
    tn_dtype has_type = tn_attr_t(&v->op->attrs, "dtype");
    tn_shape has = tn_shape_unknown();
    tn_attr_get_shape(&v->op->attrs, "shape", &has);
    if (t != has_type) {
        snprintf(text, sizeof text, "is shared with dtype %s, but has dtype %s", tn_dtype_name(t),
                 tn_dtype_name(has_type));
    } else if (!tn_shape_compatible(shape, &has)) {
        snprintf(text, sizeof text, "is shared with shape %s, but has shape %s",
                 tn_shape_text(shape, wanted, sizeof wanted), tn_shape_text(&has, is, sizeof is));
    } else {
        return true;
    }
    refuse(b, TN_INVALID_ARGUMENT, v->name, text);
    return false;
}

static tn_node snapshot(tn_builder *b, const tn_variable_info *v)
{
    tn_error err;
    tn_node node = {NULL, 0};
    if (tn_graph_value(b->graph, v->snapshot_name, &node, &err)) tn_builder_fail_with(b, &err);
    return node;
}

tn_node tn_variable_reused(tn_builder *b, const char *name, tn_dtype t, tn_shape shape)
{
    const char *full = tn_builder_variable_name(b, name);
    const tn_variable_info *v = full ? tn_graph_variable(b->graph, full) : NULL;
    bool may = b->variables->reuse != TN_REUSE_INHERIT;
    return v && may && fits(b, v, t, &shape) ? snapshot(b, v) : (tn_node){NULL, 0};
}

/* ==== creation ==== */

static const char *text_of(tn_builder *b, const char *name, const char *suffix)
{
    const char *r = tn_arena_printf(b->arena, "%s%s", name, suffix);
    return tn_builder_got(b, r) ? r : "";
}

/* VarHandleOp w, w/IsInitialized/VarIsInitializedOp, w/Assign, w/Read/ReadVariableOp. */
static tn_node make_resource(tn_builder *b, const char *name, tn_node value, tn_variable_info *v)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(value));
    tn_node handle =
        tn_op_named(b, "VarHandleOp", text_of(b, name, "/"), TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_type("dtype", t), tn_attr_shape("shape", tn_node_shape(value)),
                             tn_attr_str("shared_name", name)));
    tn_op_named(b, "VarIsInitializedOp", text_of(b, name, "/IsInitialized/VarIsInitializedOp/"),
                TN_INPUTS(handle), TN_NO_ATTRS);
    tn_add_operation(b, "AssignVariableOp", text_of(b, name, "/Assign/"), TN_INPUTS(handle, value),
                     TN_NO_ATTRS);
    v->op = handle.op;
    v->is_resource = true;
    v->snapshot_name = text_of(b, name, "/Read/ReadVariableOp:0");
    return tn_op_named(b, "ReadVariableOp", text_of(b, name, "/Read/ReadVariableOp/"), TN_INPUTS(handle),
                       TN_ATTRS(tn_attr_type("dtype", t)));
}

/* VariableV2 w, w/Assign, w/read. */
static tn_node make_reference(tn_builder *b, const char *name, tn_node value, tn_variable_info *v)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(value));
    tn_node variable =
        tn_op_named(b, "VariableV2", text_of(b, name, "/"), TN_NO_INPUTS,
                    TN_ATTRS(tn_attr_type("dtype", t), tn_attr_shape("shape", tn_node_shape(value))));
    tn_add_operation(b, "Assign", text_of(b, name, "/Assign/"), TN_INPUTS(variable, value), TN_NO_ATTRS);
    v->op = variable.op;
    v->snapshot_name = text_of(b, name, "/read:0");
    return tn_op_named(b, "Identity", text_of(b, name, "/read/"), TN_INPUTS(variable), TN_NO_ATTRS);
}

static tn_node create(tn_builder *b, const char *name, tn_node value, unsigned flags)
{
    bool local = flags & TN_VAR_LOCAL;
    tn_variable_info v = {.local = local, .trainable = !local && !(flags & TN_VAR_NOT_TRAINABLE)};
    tn_error err;
    tn_scope_enter(b, "");
    tn_control_dependencies(b, -1, NULL); /* a variable is there before anything that is done with it */
    const char *unique = tn_builder_unique(b, name);
    tn_node read = {NULL, 0};
    if (unique)
        read =
            flags & TN_VAR_REF ? make_reference(b, unique, value, &v) : make_resource(b, unique, value, &v);
    tn_control_dependencies_end(b);
    if (!tn_builder_ok(b)) return (tn_node){NULL, 0};
    tn_scope_leave(b);
    v.name = unique;
    v.initializer_name = text_of(b, unique, "/Assign");
    v.initial_value_name = tn_arena_printf(b->arena, "%s:%d", value.op->name, value.index);
    if (!tn_builder_got(b, v.initial_value_name)) return (tn_node){NULL, 0};
    if (tn_graph_add_variable(b->graph, &v, &err)) tn_builder_fail_with(b, &err);
    return tn_builder_ok(b) ? read : (tn_node){NULL, 0};
}

static tn_node reuse(tn_builder *b, const tn_variable_info *v, tn_node value)
{
    tn_shape shape = tn_node_shape(value);
    tn_dtype t = value.op ? tn_dtype_base(tn_node_dtype(value)) : tn_attr_t(&v->op->attrs, "dtype");
    return fits(b, v, t, &shape) ? snapshot(b, v) : (tn_node){NULL, 0};
}

tn_node tn_variable(tn_builder *b, const char *name, tn_node initializer, unsigned flags)
{
    const char *full = tn_builder_variable_name(b, name);
    if (!full) return (tn_node){NULL, 0};
    const tn_variable_info *v = tn_graph_variable(b->graph, full);
    tn_reuse mode = b->variables->reuse;
    if (v && mode != TN_REUSE_INHERIT) return reuse(b, v, initializer);
    if (v) {
        refuse(b, TN_ALREADY_EXISTS, full,
               "already exists, disallowed. Did you mean to set TN_REUSE or TN_REUSE_AUTO in the "
               "variable scope?");
    } else if (mode == TN_REUSE) {
        refuse(b, TN_NOT_FOUND, full,
               "does not exist. Did you mean to set TN_REUSE_AUTO in the variable scope?");
    } else if (!initializer.op) {
        refuse(b, TN_INVALID_ARGUMENT, full, "has no initial value");
    } else {
        return create(b, full, initializer, flags);
    }
    return (tn_node){NULL, 0};
}

/* ==== use ==== */

static bool is_variable(const tn_operation *op)
{
    return !strcmp(op->type, "VarHandleOp") || !strcmp(op->type, "VariableV2") ||
           !strcmp(op->type, "Variable");
}

tn_operation *tn_variable_of(tn_builder *b, tn_node read)
{
    if (!tn_builder_ok(b)) return NULL;
    for (tn_operation *op = read.op; op; op = op->n_in == 1 ? op->in[0].op : NULL) {
        if (is_variable(op)) return op;
    }
    char text[300];
    snprintf(text, sizeof text, "'%.200s' is not the value of a variable", read.op ? read.op->name : "");
    tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
    return NULL;
}

tn_operation *tn_assign(tn_builder *b, tn_operation *variable, tn_node value)
{
    if (!tn_builder_ok(b)) return NULL;
    if (!variable || !is_variable(variable)) {
        tn_builder_fail(b, TN_INVALID_ARGUMENT, "tn_assign: not a variable");
        return NULL;
    }
    const char *type = !strcmp(variable->type, "VarHandleOp") ? "AssignVariableOp" : "Assign";
    return tn_add_operation(b, type, type, TN_INPUTS(tn_output_of(variable, 0), value), TN_NO_ATTRS);
}

/* The initializers of all global variables, grouped. */
tn_operation *tn_global_variables_initializer(tn_builder *b)
{
    if (!tn_builder_ok(b)) return NULL;
    int n = 0;
    tn_operation **ops = TN_ARRAY(b->arena, tn_graph_variable_count(b->graph) + 1, tn_operation *);
    if (!tn_builder_got(b, ops)) return NULL;
    for (int i = 0; i < tn_graph_variable_count(b->graph); i++) {
        const tn_variable_info *v = tn_graph_variable_at(b->graph, i);
        tn_operation *op = v->local ? NULL : tn_graph_operation(b->graph, v->initializer_name);
        if (op) ops[n++] = op;
    }
    return tn_group(b, "init", n, ops);
}

/* ==== names in a session ==== */

/* TensorFlow's word for "whatever name, but nobody else's". */
static const char anonymous[] = "cd2c89b7-88b7-44c8-ad83-06c2a9158347";

const char *tn_variable_session_name(const tn_operation *op, tn_arena *a)
{
    tn_view shared, container;
    if (strcmp(op->type, "VarHandleOp") != 0) return op->name;
    if (!tn_attr_get_string(&op->attrs, "shared_name", &shared) || !shared.n) return op->name;
    if (tn_view_is(shared, anonymous)) return op->name;
    if (!tn_attr_get_string(&op->attrs, "container", &container) || !container.n)
        return tn_arena_strndup(a, shared.p, shared.n);
    return tn_arena_printf(a, "%.*s/%.*s", (int)container.n, container.p, (int)shared.n, shared.p);
}
