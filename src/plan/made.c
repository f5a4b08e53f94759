/* SPDX-License-Identifier: Apache-2.0
 *
 * made.c - bodies made for operators that the plan knows by simpler ones. Loops are frames, as TensorFlow 1
 * wrote them; the plan makes them functional. Gradients are those of a copy of the function's body.
 */
#include "made.h"

#include "../graph/diff.h"
#include "../graph/op_grads.h"

typedef struct maker {
    tn_builder *b;
    tn_arena *arena;
    const tn_operation *op;
    tn_node *in;  /* the body's arguments */
    tn_node *out; /* its results, as many as op has */
    const char *frame;
} maker;

static tn_code no_memory(tn_error *err)
{
    return tn_no_memory(err, 0);
}

/* ==== loops ==== */

/* A value in the loop's frame. */
static tn_node enter(const maker *m, tn_node v, bool constant)
{
    return tn_op(m->b, "Enter", TN_INPUTS(v),
                 TN_ATTRS(tn_attr_str("frame_name", m->frame), tn_attr_bool("is_constant", constant)));
}

typedef struct variable {     /* of a loop */
    tn_node merge, exit, now; /* now: in the body */
} variable;

/* Its merge stays open to what the loop makes of it. */
static void begin_variable(const maker *m, variable *v, tn_node first)
{
    tn_node in[2] = {enter(m, first, false)};
    tn_operation_spec spec = {.type = "Merge", .name = tn_builder_unique(m->b, "Merge"), .in = in, .n_in = 2};
    tn_operation *op = NULL;
    tn_error err;
    if (tn_builder_ok(m->b) && tn_graph_add(m->b->graph, &spec, &op, &err) != TN_OK)
        tn_builder_fail_with(m->b, &err);
    v->merge = tn_output_of(op, 0);
}

static void test_variable(const maker *m, variable *v, tn_node condition)
{
    tn_operation *op = tn_add_operation(m->b, "Switch", NULL, TN_INPUTS(v->merge, condition), TN_NO_ATTRS);
    if (!op) return;
    v->exit = tn_g1(m->b, "Exit", tn_output_of(op, 0));
    v->now = tn_g1(m->b, "Identity", tn_output_of(op, 1));
}

static tn_code end_variable(const maker *m, variable *v, tn_node next, tn_error *err)
{
    tn_node back = tn_g1(m->b, "NextIteration", next);
    TN_TRY(tn_builder_check(m->b, err));
    return tn_operation_set_input(v->merge.op, 1, back, err);
}

/* The results of the operation's function. */
static tn_operation *call(const maker *m, const tn_node *args, int n, const tn_dtype *types, int n_types)
{
    const tn_func_attr *f = tn_attr_get_func(&m->op->attrs, *m->op->type == 'F' ? "body" : "f");
    if (!f) {
        tn_builder_fail(m->b, TN_INVALID_ARGUMENT, "the function's attribute is missing");
        return NULL;
    }
    tn_attr attrs[2] = {tn_attr_types("Tout", types, n_types), tn_attr_func("f", f->name)};
    return tn_add_operation(m->b, "PartitionedCall", NULL, args, n, attrs, 2);
}

/* ==== For ==== inputs: start, limit, delta, values; function: (i, values) -> values */

static tn_code check_for(const maker *m, tn_error *err)
{
    tn_node zero = tn_grad_int(m->b, TN_INT32, 0);
    tn_node up = tn_g2(m->b, "LessEqual", m->in[0], m->in[1]),
            down = tn_g2(m->b, "GreaterEqual", m->in[0], m->in[1]);
    tn_node rises = tn_g2(m->b, "Greater", m->in[2], zero), falls = tn_g2(m->b, "Less", m->in[2], zero);
    tn_node fits = tn_g2(m->b, "LogicalOr", tn_g2(m->b, "LogicalAnd", up, rises),
                         tn_g2(m->b, "LogicalAnd", down, falls));
    fits = tn_g2(m->b, "LogicalOr", fits, tn_g2(m->b, "Equal", m->in[0], m->in[1]));
    tn_add_operation(m->b, "Assert", NULL, TN_INPUTS(fits, m->in[0], m->in[1], m->in[2]), TN_NO_ATTRS);
    return tn_builder_check(m->b, err);
}

static tn_code make_for(maker *m, tn_error *err)
{
    int n = m->op->n_out;
    variable i, *v = TN_ARRAY(m->arena, n + 1, variable);
    tn_node *args = TN_ARRAY(m->arena, n + 1, tn_node);
    tn_dtype *types = TN_ARRAY(m->arena, n + 1, tn_dtype);
    if (!v || !args || !types) return no_memory(err);
    TN_TRY(check_for(m, err));
    tn_node limit = enter(m, m->in[1], true), delta = enter(m, m->in[2], true);
    tn_node zero = enter(m, tn_grad_int(m->b, TN_INT32, 0), true);
    begin_variable(m, &i, m->in[0]);
    for (int k = 0; k < n; k++) begin_variable(m, &v[k], m->in[3 + k]);
    tn_node up =
        tn_g2(m->b, "LogicalAnd", tn_g2(m->b, "Greater", delta, zero), tn_g2(m->b, "Less", i.merge, limit));
    tn_node down =
        tn_g2(m->b, "LogicalAnd", tn_g2(m->b, "Less", delta, zero), tn_g2(m->b, "Greater", i.merge, limit));
    tn_node condition = tn_g1(m->b, "LoopCond", tn_g2(m->b, "LogicalOr", up, down));
    test_variable(m, &i, condition);
    args[0] = i.now;
    for (int k = 0; k < n; k++) {
        test_variable(m, &v[k], condition);
        args[1 + k] = v[k].now;
        types[k] = tn_dtype_base(m->op->out[k].dtype);
        m->out[k] = v[k].exit;
    }
    tn_operation *f = call(m, args, n + 1, types, n);
    TN_TRY(tn_builder_check(m->b, err));
    for (int k = 0; k < n; k++) TN_TRY(end_variable(m, &v[k], tn_output_of(f, k), err));
    return end_variable(m, &i, tn_g2(m->b, "AddV2", i.now, delta), err);
}

/* ==== MapDefun ==== the function of each row of the arguments and of what is captured */

static tn_node shape_of_rows(const maker *m, int o)
{
    const tn_attr *a = tn_attr_find(&m->op->attrs, "output_shapes");
    tn_shape s = a && a->kind == TN_ATTR_SHAPE && a->is_list && o < a->n ? a->shapes[o] : tn_shape_unknown();
    return s.rank < 0 ? tn_grad_int(m->b, TN_INT32, -1) : tn_grad_ints(m->b, TN_INT32, s.dim, s.rank);
}

static tn_node new_list(const maker *m, int o, tn_node rows, tn_dtype t)
{
    return tn_op(m->b, "TensorListReserve", TN_INPUTS(shape_of_rows(m, o), rows),
                 TN_ATTRS(tn_attr_type("element_dtype", t)));
}

static tn_node stacked(const maker *m, int o, tn_node list, tn_dtype t)
{
    return tn_op(m->b, "TensorListStack", TN_INPUTS(list, shape_of_rows(m, o)),
                 TN_ATTRS(tn_attr_type("element_dtype", t)));
}

static tn_node row_count(const maker *m, int argument)
{
    return tn_grad_element(m->b, tn_grad_shape(m->b, m->in[argument], TN_INT32), 0);
}

/* What the function is given in one turn. */
static tn_node *row_args(const maker *m, int n_args, tn_node i, tn_error *err)
{
    tn_node *args = TN_ARRAY(m->arena, m->op->n_in + 1, tn_node),
            axis = enter(m, tn_grad_int(m->b, TN_INT32, 0), true);
    if (!args) no_memory(err);
    for (int k = 0; args && k < m->op->n_in; k++) {
        args[k] = enter(m, m->in[k], true);
        if (k < n_args) args[k] = tn_g3(m->b, "GatherV2", args[k], i, axis);
    }
    return args;
}

static tn_code check_rows(const maker *m, int n_args, tn_node rows, tn_error *err)
{
    for (int k = 1; k < n_args; k++) {
        tn_node same = tn_g2(m->b, "Equal", rows, row_count(m, k));
        tn_add_operation(m->b, "Assert", NULL, TN_INPUTS(same, rows, row_count(m, k)), TN_NO_ATTRS);
    }
    return tn_builder_check(m->b, err);
}

static tn_code make_map(maker *m, tn_error *err)
{
    const tn_attr *given = tn_attr_find(&m->op->attrs, "Targuments");
    int n = m->op->n_out, n_args = given && given->is_list ? given->n : 0;
    if (n_args < 1 || n_args > m->op->n_in)
        return tn_fail(err, TN_INVALID_ARGUMENT, "MapDefun without arguments");
    variable i, *v = TN_ARRAY(m->arena, n + 1, variable);
    tn_dtype *types = TN_ARRAY(m->arena, n + 1, tn_dtype);
    if (!v || !types) return no_memory(err);
    tn_node count = row_count(m, 0), zero = tn_grad_int(m->b, TN_INT32, 0),
            one = tn_grad_int(m->b, TN_INT32, 1);
    TN_TRY(check_rows(m, n_args, count, err));
    tn_node limit = enter(m, count, true), step = enter(m, one, true);
    begin_variable(m, &i, zero);
    for (int o = 0; o < n; o++) {
        types[o] = tn_dtype_base(m->op->out[o].dtype);
        begin_variable(m, &v[o], new_list(m, o, count, types[o]));
    }
    tn_node condition = tn_g1(m->b, "LoopCond", tn_g2(m->b, "Less", i.merge, limit));
    test_variable(m, &i, condition);
    for (int o = 0; o < n; o++) test_variable(m, &v[o], condition);
    tn_node *args = row_args(m, n_args, i.now, err);
    if (!args) return TN_RESOURCE_EXHAUSTED;
    tn_operation *f = call(m, args, m->op->n_in, types, n);
    TN_TRY(tn_builder_check(m->b, err));
    for (int o = 0; o < n; o++) {
        tn_node next = tn_g3(m->b, "TensorListSetItem", v[o].now, i.now, tn_output_of(f, o));
        TN_TRY(end_variable(m, &v[o], next, err));
        m->out[o] = stacked(m, o, v[o].exit, types[o]);
    }
    return end_variable(m, &i, tn_g2(m->b, "AddV2", i.now, step), err);
}

/* ==== SymbolicGradient ==== inputs: the function's, and the gradients of its results */

/* The function's body in this one, with its arguments given. */
static tn_code copy_function(maker *m, const tn_function *f, tn_node *rets, tn_error *err)
{
    tn_copier c;
    TN_TRY(tn_copier_init(&c, m->arena, f->body, m->b->graph, err));
    for (int i = 0; i < f->n_args; i++)
        TN_TRY(tn_copier_replace(&c, tn_output_of(f->args[i], 0), m->in[i], err));
    for (int i = 0; i < f->n_rets; i++) TN_TRY(tn_copier_value(&c, f->rets[i], &rets[i], err));
    return TN_OK;
}

/* Where the library has a function for the gradient, that is called. */
static tn_code call_gradient(maker *m, const char *name, tn_error *err)
{
    tn_dtype *types = TN_ARRAY(m->arena, m->op->n_out + 1, tn_dtype);
    if (!types) return no_memory(err);
    for (int i = 0; i < m->op->n_out; i++) types[i] = tn_dtype_base(m->op->out[i].dtype);
    tn_attr attrs[2] = {tn_attr_types("Tout", types, m->op->n_out), tn_attr_func("f", name)};
    tn_operation *op = tn_add_operation(m->b, "PartitionedCall", NULL, m->in, m->op->n_in, attrs, 2);
    for (int i = 0; op && i < m->op->n_out; i++) m->out[i] = tn_output_of(op, i);
    return tn_builder_check(m->b, err);
}

static tn_code make_gradient(maker *m, tn_error *err)
{
    const tn_func_attr *at = tn_attr_get_func(&m->op->attrs, "f");
    const tn_function *f = at ? tn_graph_function(m->b->graph, at->name) : NULL;
    if (!f) return tn_fail(err, TN_NOT_FOUND, "Function '%s' is not defined", at ? at->name : "?");
    if (f->n_args != m->op->n_out || f->n_args + f->n_rets != m->op->n_in)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "SymbolicGradient of '%s': it has %d arguments and %d results; here are %d inputs and %d outputs",
            f->name, f->n_args, f->n_rets, m->op->n_in, m->op->n_out);
    if (f->grad) return call_gradient(m, f->grad, err);
    tn_node *rets = TN_ARRAY(m->arena, f->n_rets + 1, tn_node);
    tn_gradient *dx = TN_ARRAY(m->arena, f->n_args + 1, tn_gradient);
    if (!rets || !dx) return no_memory(err);
    TN_TRY(copy_function(m, f, rets, err));
    tn_gradients_sparse(m->b, rets, f->n_rets, m->in, f->n_args, m->in + f->n_args, dx);
    for (int i = 0; i < f->n_args; i++)
        m->out[i] =
            dx[i].kind == TN_GRAD_NONE ? tn_zeros_like(m->b, m->in[i]) : tn_gradient_dense(m->b, &dx[i]);
    return tn_builder_check(m->b, err);
}

/* ==== bodies ==== */

static const struct {
    const char *type;
    tn_code (*make)(maker *m, tn_error *err);
} kinds[] = {{"For", make_for}, {"MapDefun", make_map}, {"SymbolicGradient", make_gradient}};

bool tn_is_made(const tn_operation *op)
{
    for (size_t k = 0; k < TN_COUNT(kinds); k++)
        if (!strcmp(op->type, kinds[k].type)) return true;
    return false;
}

static tn_code make(maker *m, tn_error *err)
{
    for (int i = 0; i < m->op->n_in; i++) {
        tn_node v = m->op->in[i];
        m->in[i] = tn_function_arg(m->b, NULL, tn_dtype_base(tn_node_dtype(v)), tn_node_shape(v));
    }
    TN_TRY(tn_builder_check(m->b, err));
    for (size_t k = 0; k < TN_COUNT(kinds); k++)
        if (!strcmp(m->op->type, kinds[k].type)) return kinds[k].make(m, err);
    return tn_fail(err, TN_INTERNAL, "'%s' has no body", m->op->type);
}

static tn_code describe(const maker *m, tn_function *out, tn_error *err)
{
    tn_operation **args = TN_ARRAY(m->arena, m->b->n_args + 1, tn_operation *);
    if (!args) return no_memory(err);
    if (m->b->n_args) memcpy(args, m->b->args, (size_t)m->b->n_args * sizeof *args);
    return tn_function_describe(m->arena, m->op->type, m->b->graph, args, m->b->n_args, m->out, m->op->n_out,
                                out, err);
}

tn_code tn_make_body(const tn_operation *op, const tn_graph *library, size_t number, tn_arena *a,
                     tn_function *out, tn_error *err)
{
    tn_graph *g = tn_graph_new_body((tn_graph *)library); /* which is looked up in, never changed */
    tn_builder *b = g ? tn_builder_new(g) : NULL;
    maker m = {.b = b,
               .arena = a,
               .op = op,
               .in = TN_ARRAY(a, op->n_in + 1, tn_node),
               .out = TN_ARRAY(a, op->n_out + 1, tn_node),
               .frame = tn_arena_printf(a, "made_%zu", number)};
    tn_code code = b && m.in && m.out && m.frame ? make(&m, err) : no_memory(err);
    if (code == TN_OK) code = describe(&m, out, err);
    tn_builder_free(b);
    if (code == TN_OK) return TN_OK;
    tn_graph_free(g);
    if (err) tn_note(err, "[[{{node %s}}]]", op->name);
    return code;
}
