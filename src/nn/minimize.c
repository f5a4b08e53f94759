/* SPDX-License-Identifier: Apache-2.0
 *
 * minimize.c - optimizers: gradients, clipping, slot variables, updates, the global step. Names of variables
 * and operations are those of TensorFlow's optimizers, so that training goes on there.
 *
 * Invariant: the operation returned has everything of a step as its control inputs.
 */
#include "minimize.h"

/* ==== records ==== */

tn_solver tn_sgd(tn_node rate)
{
    return (tn_solver){.kind = TN_SGD, .learning_rate = rate};
}

tn_solver tn_momentum(tn_node rate, double momentum)
{
    return (tn_solver){.kind = TN_MOMENTUM, .learning_rate = rate, .momentum = momentum};
}

tn_solver tn_nesterov(tn_node rate, double momentum)
{
    return (tn_solver){.kind = TN_MOMENTUM, .learning_rate = rate, .momentum = momentum, .nesterov = true};
}

tn_solver tn_adagrad(tn_node rate)
{
    return (tn_solver){.kind = TN_ADAGRAD, .learning_rate = rate, .initial_accumulator = 0.1};
}

tn_solver tn_adadelta(tn_node rate)
{
    return (tn_solver){.kind = TN_ADADELTA, .learning_rate = rate, .rho = 0.95, .epsilon = 1e-8};
}

tn_solver tn_adam(tn_node rate)
{
    return (tn_solver){.kind = TN_ADAM, .learning_rate = rate, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
}

tn_solver tn_rmsprop(tn_node rate, double decay, double momentum)
{
    return (tn_solver){
        .kind = TN_RMSPROP, .learning_rate = rate, .rho = decay, .momentum = momentum, .epsilon = 1e-10};
}

tn_solver tn_ftrl(tn_node rate)
{
    return (tn_solver){
        .kind = TN_FTRL, .learning_rate = rate, .initial_accumulator = 0.1, .learning_rate_power = -0.5};
}

/* ==== the global step ==== */

tn_node tn_global_step(tn_builder *b)
{
    tn_error err;
    tn_node step;
    if (!tn_builder_ok(b)) return TN_NONE;
    const tn_variable_info *v = tn_graph_variable(tn_builder_graph(b), "global_step");
    if (!v) {
        step = tn_get_variable(b, "global_step", TN_INT64, TN_SHAPE(),
                               (tn_initializer){.kind = TN_INIT_ZEROS}, TN_VAR_NOT_TRAINABLE);
        if (step.op && tn_collection_add(tn_builder_graph(b), "global_step", "global_step:0", &err))
            tn_builder_fail_with(b, &err);
        return step;
    }
    if (tn_graph_value(tn_builder_graph(b), v->snapshot_name, &step, &err)) {
        tn_builder_fail_with(b, &err);
        return TN_NONE;
    }
    return step;
}

/* ==== gradients ==== */

typedef struct targets {
    const tn_variable_info **variables;
    tn_node *values;
    tn_gradient *gradients;
    int n;
} targets;

/* As in TensorFlow by the handle or the reference, so that every read counts, wherever it stands. */
static bool find_targets(tn_builder *b, targets *t)
{
    tn_graph *g = tn_builder_graph(b);
    tn_arena *a = tn_builder_arena(b);
    int all = tn_graph_variable_count(g);
    t->variables = TN_ARRAY(a, all + 1, const tn_variable_info *);
    t->values = TN_ARRAY(a, all + 1, tn_node);
    t->gradients = TN_ARRAY(a, all + 1, tn_gradient);
    if (!t->variables || !t->values || !t->gradients) {
        tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        return false;
    }
    for (int i = 0; i < all; i++) {
        const tn_variable_info *v = tn_graph_variable_at(g, i);
        if (!v->trainable) continue;
        t->values[t->n] = tn_output_of(v->op, 0);
        t->variables[t->n++] = v;
    }
    if (!t->n) tn_failf(b, TN_INVALID_ARGUMENT, "minimize: the graph has no trainable variables");
    return t->n > 0;
}

/* Variables that the loss does not depend on are left out. */
static bool find_gradients(tn_builder *b, tn_node loss, targets *t)
{
    int kept = 0;
    tn_name_scope(b, "gradients");
    tn_gradients_sparse(b, &loss, 1, t->values, t->n, NULL, t->gradients);
    tn_name_scope_end(b);
    if (!tn_builder_ok(b)) return false;
    for (int i = 0; i < t->n; i++) {
        if (t->gradients[i].kind == TN_GRAD_NONE) continue;
        t->gradients[kept] = t->gradients[i];
        t->variables[kept] = t->variables[i];
        t->values[kept++] = t->values[i];
    }
    t->n = kept;
    if (!kept)
        tn_failf(b, TN_INVALID_ARGUMENT, "minimize: the loss '%.100s' depends on no trainable variable",
                 loss.op->name);
    return kept > 0;
}

/* On the values of slices, as TensorFlow does. */
static void clip(tn_builder *b, const tn_solver *o, targets *t)
{
    tn_node *values = TN_ARRAY(tn_builder_arena(b), t->n, tn_node);
    if (!values) {
        tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (int i = 0; i < t->n; i++) {
        values[i] = t->gradients[i].value;
        if (o->clip_value > 0) values[i] = tn_clip_by_value(b, values[i], -o->clip_value, o->clip_value);
        if (o->clip_norm > 0) values[i] = tn_clip_by_norm(b, values[i], o->clip_norm);
    }
    if (o->clip_global_norm > 0) tn_clip_by_global_norm(b, values, t->n, o->clip_global_norm);
    for (int i = 0; i < t->n; i++) t->gradients[i].value = values[i];
}

/* Rows looked up more than once: their gradients added up. */
static void unite(tn_builder *b, tn_gradient *g)
{
    tn_operation *unique = tn_add_operation(b, "Unique", NULL, TN_INPUTS(g->indices), TN_NO_ATTRS);
    tn_node rows = tn_output_of(unique, 0);
    tn_node count = tn_op(b, "Size", TN_INPUTS(rows), TN_NO_ATTRS);
    g->value =
        tn_op(b, "UnsortedSegmentSum", TN_INPUTS(g->value, tn_output_of(unique, 1), count), TN_NO_ATTRS);
    g->indices = rows;
}

/* ==== updates ==== */

static void make_slots(tn_update *u, const tn_solver_rule *rule)
{
    tn_shape shape = tn_shape_unknown();
    tn_attr_get_shape(&u->variable->op->attrs, "shape", &shape);
    unsigned flags = TN_VAR_NOT_TRAINABLE | (u->variable->is_resource ? 0 : TN_VAR_REF);
    for (int k = 0; tn_builder_ok(u->b) && k < rule->n_slots; k++) {
        char suffix[16] = "";
        if (k) snprintf(suffix, sizeof suffix, "_%d", k);
        const char *name =
            tn_arena_printf(tn_builder_arena(u->b), "%s/%s%s", u->variable->name, rule->name, suffix);
        tn_initializer begins = {.kind = TN_INIT_CONSTANT, .a = tn_slot_begins(u->o, k)};
        u->slot_values[k] = tn_get_variable(u->b, name ? name : "slot", u->dtype, shape, begins, flags);
        u->slots[k] = tn_output_of(tn_variable_of(u->b, u->slot_values[k]), 0);
    }
}

static tn_operation *update_one(tn_update *u, const tn_solver_rule *rule)
{
    const char *scope = tn_arena_printf(tn_builder_arena(u->b), "update_%s", u->variable->name);
    tn_name_scope(u->b, scope ? scope : "update");
    bool sparse = u->gradient.kind == TN_GRAD_SLICES;
    if (sparse && u->o->kind != TN_SGD) unite(u->b, &u->gradient);
    u->rate = tn_cast_to(u->b, u->o->learning_rate, u->dtype);
    tn_operation *op = sparse ? rule->sparse(u) : rule->dense(u);
    tn_name_scope_end(u->b);
    return op;
}

static tn_node power_variable(tn_builder *b, const char *name, double beta)
{
    return tn_get_variable(b, name, TN_FLOAT, TN_SHAPE(),
                           (tn_initializer){.kind = TN_INIT_CONSTANT, .a = beta}, TN_VAR_NOT_TRAINABLE);
}

/* power * beta, after all updates */
static tn_operation *advance(tn_builder *b, tn_node power, double beta)
{
    return tn_assign(b, tn_variable_of(b, power), tn_scale(b, power, beta));
}

static int add_update_ops(tn_builder *b, tn_operation **ops, int n)
{
    tn_graph *g = tn_builder_graph(b);
    for (int i = 0; i < tn_collection_count(g, TN_UPDATE_OPS); i++) {
        tn_operation *op = tn_graph_operation(g, tn_collection_at(g, TN_UPDATE_OPS, i));
        if (op) ops[n++] = op;
    }
    return n;
}

/* The operation named as the optimizer: the step + 1, or nothing, after everything else. */
static tn_operation *finish(tn_builder *b, const char *name, tn_node step, tn_operation **ops, int n)
{
    tn_error err;
    tn_operation *last;
    const char *exact = tn_arena_printf(tn_builder_arena(b), "%s/", name);
    tn_control_dependencies(b, n, ops);
    if (step.op) {
        tn_operation *variable = tn_variable_of(b, step);
        bool resource = variable && !strcmp(tn_operation_type(variable), "VarHandleOp");
        last = tn_add_operation(b, resource ? "AssignAddVariableOp" : "AssignAdd", exact,
                                TN_INPUTS(tn_output_of(variable, 0), tn_like(b, step, 1)), TN_NO_ATTRS);
    } else {
        last = tn_add_operation(b, "NoOp", exact, TN_NO_INPUTS, TN_NO_ATTRS);
    }
    tn_control_dependencies_end(b);
    if (last && tn_collection_add(tn_builder_graph(b), "train_op", tn_operation_name(last), &err))
        tn_builder_fail_with(b, &err);
    return last;
}

/* All variables' updates, then Adam's powers. */
static int update_all(tn_builder *b, const tn_solver *o, const tn_solver_rule *rule, const targets *t,
                      const tn_node *powers, tn_operation **ops)
{
    int n = 0;
    for (int i = 0; tn_builder_ok(b) && i < t->n; i++) {
        tn_update u = {
            .b = b, .o = o, .variable = t->variables[i], .target = t->values[i], .gradient = t->gradients[i]};
        u.dtype = tn_attr_t(&u.variable->op->attrs, "dtype");
        make_slots(&u, rule);
        if (o->kind == TN_ADAM) {
            u.beta1_power = tn_cast_to(b, powers[0], u.dtype);
            u.beta2_power = tn_cast_to(b, powers[1], u.dtype);
        }
        if (tn_builder_ok(b)) ops[n++] = update_one(&u, rule);
    }
    if (o->kind != TN_ADAM || !tn_builder_ok(b)) return n;
    tn_control_dependencies(b, n, ops);
    tn_operation *first = advance(b, powers[0], o->beta1), *second = advance(b, powers[1], o->beta2);
    tn_control_dependencies_end(b);
    ops[n++] = first;
    ops[n++] = second;
    return n;
}

/* So that the loop can show it. */
static void note_rate(tn_builder *b, tn_node rate)
{
    tn_error err;
    const char *name =
        rate.op ? tn_arena_printf(tn_builder_arena(b), "%s:%d", rate.op->name, rate.index) : NULL;
    if (name && tn_collection_add(tn_builder_graph(b), TN_LEARNING_RATE, name, &err))
        tn_builder_fail_with(b, &err);
}

tn_operation *tn_minimize(tn_builder *b, tn_solver o, tn_node loss, tn_node global_step)
{
    targets t = {0};
    tn_node powers[2] = {{NULL, 0}, {NULL, 0}};
    const tn_solver_rule *rule = tn_solver_rule_of(&o);
    if (tn_builder_ok(b) && !rule)
        tn_failf(b, TN_INVALID_ARGUMENT, "minimize: there is no optimizer %d", (int)o.kind);
    if (tn_builder_ok(b) && (!o.learning_rate.op || !loss.op))
        tn_failf(b, TN_INVALID_ARGUMENT, "minimize: the %s has no value", loss.op ? "learning rate" : "loss");
    if (!tn_builder_ok(b) || !find_targets(b, &t) || !find_gradients(b, loss, &t)) return NULL;
    clip(b, &o, &t);
    int most = t.n + 3 + tn_collection_count(tn_builder_graph(b), TN_UPDATE_OPS);
    tn_operation **ops = TN_ARRAY(tn_builder_arena(b), most, tn_operation *);
    const char *scope = tn_builder_unique(b, rule->name);
    if (!ops || !scope) return NULL;
    if (o.kind == TN_ADAM) {
        powers[0] = power_variable(b, "beta1_power", o.beta1);
        powers[1] = power_variable(b, "beta2_power", o.beta2);
    }
    const char *inside = tn_arena_printf(tn_builder_arena(b), "%s/", scope);
    tn_name_scope(b, inside ? inside : rule->name);
    note_rate(b, o.learning_rate);
    int n = update_all(b, &o, rule, &t, powers, ops);
    tn_name_scope_end(b);
    if (!tn_builder_ok(b)) return NULL;
    return finish(b, scope, global_step, ops, add_update_ops(b, ops, n));
}
