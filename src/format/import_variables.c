/* SPDX-License-Identifier: Apache-2.0
 *
 * import_variables.c - variables of a model that is imported: made again as variables of the builder's graph, which are
 * shared, trained, saved as its own are; and what they begin with.
 */
#include "import.h"

bool tn_import_is_variable(const tn_operation *op)
{
    return !strcmp(op->type, "VarHandleOp") || !strcmp(op->type, "VariableV2") || !strcmp(op->type, "Variable");
}

tn_code tn_import_list_variables(tn_importing *m, tn_error *err)
{
    const char *restore = m->meta && m->meta->restore_op && tn_graph_operation(m->graph, m->meta->restore_op)
                              ? m->meta->restore_op
                              : NULL;
    return tn_variables_of(m->graph, restore, m->arena, &m->variables, &m->n_variables, NULL, err);
}

/* What is known of the variable that this operation is; of several handles of one, what the checkpoint's is. */
static const tn_saved_variable *saved_of(const tn_importing *m, const tn_operation *op)
{
    const tn_saved_variable *own = NULL;
    for (int i = 0; i < m->n_variables && !own; i++)
        if (!strcmp(m->variables[i].op, op->name)) own = &m->variables[i];
    for (int i = 0; own && !own->restored && i < m->n_variables; i++)
        if (m->variables[i].restored && !strcmp(m->variables[i].name, own->name)) return &m->variables[i];
    return own;
}

/* ==== what it begins with ==== */

static tn_code open_checkpoint(tn_importing *m, tn_error *err)
{
    if (m->checkpoint || !m->prefix) return TN_OK;
    return tn_checkpoint_open(m->prefix, &m->checkpoint, err);
}

/* The value that its own initializer gives it in the model; op NULL: not known. */
static tn_code own_initial(const tn_importing *m, const tn_operation *op, tn_node *out, tn_error *err)
{
    *out = (tn_node){NULL, 0};
    const tn_variable_info *info = tn_graph_variable(m->graph, op->name);
    if (info && *info->initial_value_name && tn_graph_value(m->graph, info->initial_value_name, out, NULL) == TN_OK)
        return TN_OK;
    char *name = tn_arena_printf(m->arena, "%s/Assign", op->name);
    if (!name) return tn_no_memory(err, strlen(op->name));
    tn_operation *assign = tn_graph_operation(m->graph, name);
    if (assign && assign->n_in >= 2 && assign->in[0].op == op) *out = assign->in[1];
    return TN_OK;
}

/* The variable that is there already, in a scope that reuses. */
static const tn_variable_info *shared(tn_importing *m, const tn_operation *op)
{
    const char *full = tn_builder_variable_name(m->b, op->name);
    return full && tn_builder_reuse(m->b) != TN_REUSE_INHERIT ? tn_graph_variable(tn_builder_graph(m->b), full) : NULL;
}

/* The name in the checkpoint that the caller's rules give a variable of the model; the last that matches counts. */
static tn_code ruled(tn_importing *m, const char *name, const char **out, tn_error *err)
{
    *out = NULL;
    for (int i = 0; i < m->o->n_rules; i++) {
        const tn_assignment *rule = &m->o->rules[i];
        size_t n = strlen(rule->to);
        bool scope = tn_is_scope(rule->to);
        if (scope ? strncmp(name, rule->to, n) : strcmp(name, rule->to)) continue;
        m->rule_used[i] = true;
        *out = scope ? tn_arena_printf(m->arena, "%s%s", rule->from, name + n) : rule->from;
        if (!*out) return tn_no_memory(err, n);
    }
    return TN_OK;
}

/* Rules that are malformed, and, once all is copied, those that no variable obeyed. */
tn_code tn_import_check_rules(tn_importing *m, bool done, tn_error *err)
{
    m->rule_used = done ? m->rule_used : TN_ARRAY(m->arena, m->o->n_rules + 1, bool);
    if (!m->rule_used) return tn_no_memory(err, (size_t)m->o->n_rules);
    bool asked = m->checkpoint && !tn_builder_values_come(m->b) && tn_builder_reuse(m->b) == TN_REUSE_INHERIT;
    for (int i = 0; i < m->o->n_rules; i++) {
        const tn_assignment *rule = &m->o->rules[i];
        if (!done) TN_TRY(tn_check_rule(rule, err));
        if (done && asked && !m->rule_used[i])
            tn_problems_add(&m->problems, "the rule '%.80s' -> '%.80s' names no variable that is needed", rule->from,
                            rule->to);
    }
    return TN_OK;
}

/* Its tensor in the checkpoint; *e NULL: none, or none that fits. */
static tn_code find_start(tn_importing *m, const tn_saved_variable *v, bool tell, const tn_bundle_entry **e,
                          tn_shape *shape, tn_error *err)
{
    *e = NULL;
    TN_TRY(open_checkpoint(m, err));
    if (!m->checkpoint) return TN_OK;
    const char *slice = tn_slice_text(v, m->arena);
    if (!slice) return tn_no_memory(err, 0);
    const char *rule;
    TN_TRY(ruled(m, v->op, &rule, err));
    const char *key = rule ? rule : v->key;
    tn_wanted w = {v->op, v->dtype, v->shape, key, rule || v->restored ? key : v->name, slice};
    return tn_start_find(m->checkpoint, &w, tell && !(m->o->flags & TN_PARTIAL) ? &m->problems : NULL, e, shape, err);
}

/* The model's own initial value is needed when nothing else gives one. */
static tn_code needs_own(tn_importing *m, const tn_operation *op, bool *out, tn_error *err)
{
    const tn_saved_variable *v = saved_of(m, op);
    const tn_bundle_entry *e;
    tn_shape shape;
    *out = false;
    if (!v || shared(m, op) || tn_builder_values_come(m->b)) return TN_OK;
    if (m->prefix && !(m->o->flags & TN_PARTIAL)) return TN_OK;
    TN_TRY(find_start(m, v, false, &e, &shape, err));
    *out = !e;
    return TN_OK;
}

tn_code tn_import_need_initial(tn_importing *m, const tn_operation *op, tn_error *err)
{
    bool own;
    TN_TRY(needs_own(m, op, &own, err));
    if (!own) return TN_OK;
    tn_place p = {m->top, {NULL, 0}};
    TN_TRY(own_initial(m, op, &p.node, err));
    if (p.node.op) return tn_import_need(m, p, err);
    tn_problems_add(&m->problems, "the variable '%.150s' has neither a checkpoint nor an initial value", op->name);
    return TN_OK;
}

/* ==== whether it is trained ==== */

/* The object that a key of a checkpoint leads to: "a/b/.ATTRIBUTES/VARIABLE_VALUE" by the names of children. */
static const tn_SavedObject *object_at(const tn_SavedObjectGraph *g, const char *key)
{
    const char *end = strstr(key, "/.ATTRIBUTES/");
    uint32_t at = 0;
    while (end && key < end && at < g->nodes.n) {
        const tn_SavedObject *node = &g->nodes.items[at];
        const char *slash = memchr(key, '/', (size_t)(end - key));
        tn_view name = {key, (size_t)((slash ? slash : end) - key)};
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < node->children.n && next == UINT32_MAX; i++)
            if (tn_view_eq(node->children.items[i].local_name, name))
                next = (uint32_t)node->children.items[i].node_id;
        at = next;
        key += name.n + 1;
    }
    return end && at < g->nodes.n ? &g->nodes.items[at] : NULL;
}

static bool is_trainable(const tn_importing *m, const tn_saved_variable *v)
{
    const tn_variable_info *info = tn_graph_variable(m->graph, v->op);
    const tn_SavedObjectGraph *objects = m->meta ? m->meta->def->object_graph_def : NULL;
    if (m->o->flags & TN_FROZEN) return false;
    if (!tn_dtype_is_float(v->dtype)) return false;
    if (tn_collection_count(m->graph, TN_TRAINABLE_VARIABLES)) return info && info->trainable;
    const tn_SavedObject *o = objects ? object_at(objects, v->key) : NULL;
    if (o && o->kind_case == TN_SavedObject_variable) return o->variable->trainable;
    return true;
}

/* ==== making it ==== */

static tn_code zeros(tn_importing *m, tn_dtype t, const tn_shape *shape, tn_node *out, tn_error *err)
{
    tn_tensor *zero;
    tn_shape scalar = {0};
    TN_TRY(tn_tensor_new(t, &scalar, &zero, err));
    *out = tn_constant(m->b, "zero", zero);
    tn_tensor_unref(zero);
    if (shape->rank)
        *out =
            tn_op_named(m->b, "Fill", "zeros", TN_INPUTS(tn_ints(m->b, shape->dim, shape->rank), *out), TN_NO_ATTRS);
    return tn_builder_check(m->b, err);
}

static tn_code initial_value(tn_importing *m, const tn_operation *op, const tn_saved_variable *v, const tn_shape *shape,
                             tn_node *out, tn_error *err)
{
    bool own;
    TN_TRY(needs_own(m, op, &own, err));
    if (own) {
        tn_node value;
        TN_TRY(own_initial(m, op, &value, err));
        if (!value.op) return TN_OK; /* a problem that was told */
        TN_TRY(tn_import_value(m, (tn_place){m->top, value}, out, err));
        if (out->op) return TN_OK;
        return tn_fail(err, TN_UNIMPLEMENTED, "the initial value of '%s' depends on another variable", op->name);
    }
    char text[120];
    if (!tn_shape_known(shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "the variable '%s' is of shape %s, and no checkpoint tells it",
                       op->name, tn_shape_text(shape, text, sizeof text));
    const char *full = tn_builder_variable_name(m->b, op->name);
    const char *scope = full ? tn_arena_printf(m->arena, "%s/Initializer/", full) : NULL;
    if (!scope) return tn_no_memory(err, 0);
    tn_name_scope(m->b, scope);
    tn_code code = zeros(m, v->dtype, shape, out, err);
    tn_name_scope_end(m->b);
    return code;
}

static tn_code note_start(tn_importing *m, const char *full, const tn_saved_variable *v, const tn_bundle_entry *e,
                          tn_error *err)
{
    tn_start start = {.checkpoint = m->prefix,
                      .key = e->name,
                      .slice = tn_slice_text(v, m->arena),
                      .slots = (m->o->flags & TN_SLOTS) != 0};
    if (!start.slice) return tn_no_memory(err, 0);
    return tn_graph_set_start(tn_builder_graph(m->b), full, &start, err);
}

static tn_code make(tn_importing *m, const tn_operation *op, const tn_saved_variable *v, const char *full,
                    tn_error *err)
{
    const tn_bundle_entry *e = NULL;
    tn_shape shape = v->shape;
    tn_node value = {NULL, 0};
    bool begins = !tn_builder_values_come(m->b);
    if (begins || !tn_shape_known(&shape)) TN_TRY(find_start(m, v, begins, &e, &shape, err));
    if (!e) shape = v->shape;
    TN_TRY(initial_value(m, op, v, &shape, &value, err));
    if (!value.op) return TN_OK;
    unsigned flags = (v->is_resource ? 0 : TN_VAR_REF) | (is_trainable(m, v) ? 0 : TN_VAR_NOT_TRAINABLE);
    tn_variable(m->b, op->name, value, flags);
    TN_TRY(tn_builder_check(m->b, err));
    return e && begins ? note_start(m, full, v, e, err) : TN_OK;
}

tn_code tn_import_variable(tn_importing *m, const tn_operation *op, tn_operation **out, tn_error *err)
{
    tn_graph *g = tn_builder_graph(m->b);
    const tn_saved_variable *v = saved_of(m, op);
    if (!v) return tn_fail(err, TN_UNIMPLEMENTED, "'%s' (%s) is a variable inside a function", op->name, op->type);
    const char *full = tn_map_get(m->by_name, v->name);
    if (!full) {
        full = tn_builder_variable_name(m->b, op->name);
        if (!full || !tn_map_put(m->by_name, v->name, (void *)full)) return tn_no_memory(err, 0);
        if (shared(m, op))
            tn_variable_reused(m->b, op->name, v->dtype, v->shape); /* records when it does not fit */
        else
            TN_TRY(make(m, op, v, full, err));
        TN_TRY(tn_builder_check(m->b, err));
    }
    const tn_variable_info *info = tn_graph_variable(g, full);
    *out = info ? info->op : NULL;
    return TN_OK;
}
