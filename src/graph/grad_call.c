/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_call.c - gradients of calls and branches. The function called (each branch) is exchanged for one that
 * also returns the values its gradient needs; a second function takes these and computes the gradient.
 *
 * Invariant: outputs that were there keep their numbers; the new ones come after them.
 */
#include "diff.h"

enum { MAX_BRANCHES = 1000 };

typedef struct branch {
    const char *attr; /* attribute that names the function; for a list, which */
    const tn_function *f;
    tn_diff d;
    int first; /* of the residuals (among all branches'), in the order of d's captures that are computed */
} branch;

typedef struct split {
    tn_grad *g;
    int first_in; /* inputs before the arguments: the condition */
    branch *branches;
    int n;
    tn_node *residuals; /* appended outputs, of all branches */
    int n_residuals;
    bool *wanted;    /* by argument: some branch has a gradient for it */
    bool *used;      /* by argument: some gradient uses its value */
    tn_dtype *types; /* by argument: of its gradient */
} split;

static int n_args(const split *s)
{
    return s->branches[0].f->n_args;
}
static int n_rets(const split *s)
{
    return s->branches[0].f->n_rets;
}

/* ==== differentiating ==== */

static tn_code differentiate(split *s, tn_error *err)
{
    bool *wants = TN_ARRAY(s->g->b->arena, n_rets(s) + 1, bool);
    if (!wants) return tn_no_memory(err, (size_t)n_rets(s));
    for (int i = 0; i < n_rets(s); i++) wants[i] = s->g->dy[i].op != NULL;
    for (int k = 0; k < s->n; k++) {
        branch *br = &s->branches[k];
        if (br->f->n_args != n_args(s) || br->f->n_rets != n_rets(s)) {
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "branches '%s' and '%s' differ in their arguments or results",
                           s->branches[0].f->name, br->f->name);
        }
        TN_TRY(tn_diff_make(&br->d, s->g->b, br->f, wants, err));
        for (int i = 0; i < n_args(s); i++) {
            if (!br->d.dx[i].op) continue;
            s->wanted[i] = true;
            s->types[i] = tn_dtype_base(tn_node_dtype(br->d.dx[i]));
        }
    }
    return TN_OK;
}

/* Every branch must have the gradients that any has. */
static tn_code complete(split *s, tn_error *err)
{
    for (int k = 0; k < s->n; k++) {
        tn_diff *d = &s->branches[k].d;
        for (int i = 0; i < n_args(s); i++) {
            if (s->wanted[i] && !d->dx[i].op) d->dx[i] = tn_gradient_zeros(d->work, d->args[i], s->types[i]);
        }
        TN_TRY(tn_builder_check(d->work, err));
        TN_TRY(tn_diff_split(d, err));
        s->branches[k].first = s->n_residuals;
        for (int i = 0; i < d->n_captures; i++) {
            int arg = tn_diff_argument(d, d->captures[i]);
            if (arg >= 0)
                s->used[arg] = true;
            else
                s->n_residuals++;
        }
    }
    return TN_OK;
}

/* ==== the forward functions ==== */

/* A value in the place of one that only another branch computes. */
static tn_node stand_in(tn_builder *b, tn_node like)
{
    return tn_op(b, "FakeParam", TN_NO_INPUTS,
                 TN_ATTRS(tn_attr_type("dtype", tn_dtype_base(tn_node_dtype(like))),
                          tn_attr_shape("shape", tn_node_shape(like))));
}

/* Results after the original ones: branch by branch, its residuals; stand-ins where it is another's. */
static tn_code add_residuals(split *s, const branch *mine, tn_builder *body, const tn_node *captures,
                             tn_node *rets, tn_error *err)
{
    int at = 0;
    for (int k = 0; k < s->n; k++) {
        const branch *br = &s->branches[k];
        for (int i = 0; i < br->d.n_captures; i++) {
            if (tn_diff_argument(&br->d, br->d.captures[i]) >= 0) continue;
            rets[at++] = br == mine ? captures[i] : stand_in(body, br->d.captures[i]);
        }
    }
    return tn_builder_check(body, err);
}

static tn_code define_forward(split *s, branch *br, const char **name, tn_error *err)
{
    tn_arena *a = s->g->b->arena;
    tn_node *rets = TN_ARRAY(a, n_rets(s) + s->n_residuals + 1, tn_node);
    tn_node *captures = TN_ARRAY(a, br->d.n_captures + 1, tn_node);
    tn_builder *body = rets && captures ? tn_body_builder(s->g->b, err) : NULL;
    if (!body) return tn_no_memory(err, 0);
    tn_code code = tn_diff_forward(&br->d, body, rets, captures, err);
    if (!code) code = add_residuals(s, br, body, captures, rets + n_rets(s), err);
    if (!code && !(*name = tn_derived_name(s->g->b, "forward", br->f->name))) code = tn_no_memory(err, 0);
    if (!code) return tn_body_define(s->g->b, *name, body, rets, n_rets(s) + s->n_residuals, err);
    tn_body_drop(body);
    return code;
}

static tn_code set_types(tn_operation *op, const tn_info *more, int n, tn_error *err)
{
    const tn_attr *old = tn_attr_find(&op->attrs, "Tout");
    int had = old ? old->n : 0;
    tn_dtype *types = TN_ARRAY(op->graph->arena, had + n + 1, tn_dtype);
    if (!types) return tn_no_memory(err, (size_t)(had + n) * sizeof *types);
    for (int i = 0; i < had; i++) types[i] = old->types[i];
    for (int i = 0; i < n; i++) types[had + i] = more[i].dtype;
    tn_attr attr = tn_attr_types("Tout", types, had + n);
    return tn_operation_set_attr(op, &attr, err);
}

static tn_code set_shapes(tn_operation *op, const tn_info *more, int n, tn_error *err)
{
    const tn_attr *old = tn_attr_find(&op->attrs, "output_shapes");
    if (!old || old->kind != TN_ATTR_SHAPE || !old->is_list || old->n == 0) return TN_OK;
    tn_shape *shapes = TN_ARRAY(op->graph->arena, old->n + n + 1, tn_shape);
    if (!shapes) return tn_no_memory(err, (size_t)(old->n + n) * sizeof *shapes);
    memcpy(shapes, old->shapes, (size_t)old->n * sizeof *shapes);
    for (int i = 0; i < n; i++) shapes[old->n + i] = more[i].shape;
    tn_attr attr = {
        .name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = old->n + n, .shapes = shapes};
    return tn_operation_set_attr(op, &attr, err);
}

static tn_code set_functions(const split *s, const char *const *names, tn_error *err)
{
    tn_operation *op = s->g->op;
    tn_func_attr *list = TN_ARRAY(op->graph->arena, s->n, tn_func_attr);
    if (!list) return tn_no_memory(err, (size_t)s->n * sizeof *list);
    for (int k = 0; k < s->n; k++) list[k].name = names[k];
    if (!strcmp(s->branches[0].attr, "branches")) {
        tn_attr attr = {.name = "branches", .kind = TN_ATTR_FUNC, .is_list = true, .n = s->n, .funcs = list};
        return tn_operation_set_attr(op, &attr, err);
    }
    for (int k = 0; k < s->n; k++) {
        tn_attr attr = tn_attr_func(s->branches[k].attr, names[k]);
        TN_TRY(tn_operation_set_attr(op, &attr, err));
    }
    return TN_OK;
}

/* Shapes of a residual hold only where its branch was taken. */
static tn_info residual_info(const split *s, tn_node n)
{
    tn_shape shape = s->n == 1 ? tn_node_shape(n) : tn_shape_unknown();
    return (tn_info){.dtype = tn_dtype_base(tn_node_dtype(n)), .shape = shape, .bound = -1};
}

static tn_code extend_operation(split *s, tn_error *err)
{
    tn_operation *op = s->g->op;
    tn_arena *a = s->g->b->arena;
    const char **names = TN_ARRAY(a, s->n, const char *);
    tn_info *more = TN_ARRAY(a, s->n_residuals + 1, tn_info);
    s->residuals = TN_ARRAY(a, s->n_residuals + 1, tn_node);
    if (!names || !more || !s->residuals) return tn_no_memory(err, 0);
    int at = 0;
    for (int k = 0; k < s->n; k++) {
        const tn_diff *d = &s->branches[k].d;
        TN_TRY(define_forward(s, &s->branches[k], &names[k], err));
        for (int i = 0; i < d->n_captures; i++) {
            if (tn_diff_argument(d, d->captures[i]) < 0) more[at++] = residual_info(s, d->captures[i]);
        }
    }
    for (int i = 0; i < at; i++) s->residuals[i] = tn_output_of(op, op->n_out + i);
    TN_TRY(set_functions(s, names, err));
    TN_TRY(set_types(op, more, at, err));
    TN_TRY(set_shapes(op, more, at, err));
    return tn_operation_append(op, more, at, NULL, 0, err);
}

/* ==== the backward functions ==== */

/* What all backward functions take: gradients of results, arguments, residuals. */
static int backward_inputs(const split *s, tn_node *in)
{
    int n = 0;
    for (int i = 0; i < n_rets(s); i++) {
        if (s->branches[0].d.dy[i].op) in[n++] = s->g->dy[i];
    }
    for (int i = 0; i < n_args(s); i++) {
        if (s->used[i]) in[n++] = tn_grad_in(s->g, s->first_in + i);
    }
    for (int i = 0; i < s->n_residuals; i++) in[n++] = s->residuals[i];
    return n;
}

/* The values of a body's arguments in the places d asks for. */
static void place_arguments(const split *s, const branch *br, const tn_node *args, tn_node *dy,
                            tn_node *captures)
{
    int at = 0, arg_at[2] = {0, 0};
    for (int i = 0; i < n_rets(s); i++) {
        if (br->d.dy[i].op) dy[i] = args[at++];
    }
    arg_at[0] = at;
    for (int i = 0; i < n_args(s); i++) at += s->used[i];
    arg_at[1] = at + br->first;
    for (int c = 0; c < br->d.n_captures; c++) {
        int arg = tn_diff_argument(&br->d, br->d.captures[c]), place = arg_at[0];
        for (int i = 0; i < arg; i++) place += s->used[i];
        captures[c] = args[arg < 0 ? arg_at[1]++ : place];
    }
}

static tn_code fill_backward(split *s, const branch *br, tn_builder *body, const tn_node *in, int n_in,
                             tn_node *rets, int *n, tn_error *err)
{
    tn_arena *a = s->g->b->arena;
    tn_node *args = TN_ARRAY(a, n_in + 1, tn_node), *dy = TN_ARRAY(a, n_rets(s) + 1, tn_node);
    tn_node *captures = TN_ARRAY(a, br->d.n_captures + 1, tn_node), *dx = TN_ARRAY(a, n_args(s) + 1, tn_node);
    if (!args || !dy || !captures || !dx) return tn_no_memory(err, 0);
    for (int i = 0; i < n_in; i++) {
        args[i] = tn_function_arg(body, "arg", tn_dtype_base(tn_node_dtype(in[i])), tn_node_shape(in[i]));
    }
    TN_TRY(tn_builder_check(body, err));
    place_arguments(s, br, args, dy, captures);
    TN_TRY(tn_diff_backward(&br->d, body, dy, captures, dx, err));
    *n = 0;
    for (int i = 0; i < n_args(s); i++) {
        if (dx[i].op) rets[(*n)++] = dx[i];
    }
    return TN_OK;
}

static tn_code define_backward(split *s, const branch *br, const tn_node *in, int n_in, const char **name,
                               tn_error *err)
{
    int n = 0;
    tn_node *rets = TN_ARRAY(s->g->b->arena, n_args(s) + 1, tn_node);
    tn_builder *body = rets ? tn_body_builder(s->g->b, err) : NULL;
    if (!body) return tn_no_memory(err, 0);
    tn_code code = fill_backward(s, br, body, in, n_in, rets, &n, err);
    if (!code && !(*name = tn_derived_name(s->g->b, "backward", br->f->name))) code = tn_no_memory(err, 0);
    if (!code) return tn_body_define(s->g->b, *name, body, rets, n, err);
    tn_body_drop(body);
    return code;
}

static tn_operation *add_case(split *s, const char *const *names, const tn_node *in, int n_in)
{
    tn_builder *b = s->g->b;
    const tn_function *f = tn_graph_function(b->graph, names[0]);
    tn_node *all = TN_ARRAY(b->arena, n_in + 1, tn_node);
    tn_dtype *types = TN_ARRAY(b->arena, f->n_rets + 1, tn_dtype);
    tn_func_attr *list = TN_ARRAY(b->arena, s->n, tn_func_attr);
    if (!tn_builder_got(b, all) || !tn_builder_got(b, types) || !tn_builder_got(b, list)) return NULL;
    bool stateful = false;
    for (int k = 0; k < s->n; k++) {
        list[k].name = names[k];
        stateful |= tn_graph_function(b->graph, names[k])->stateful;
    }
    for (int i = 0; i < f->n_rets; i++) types[i] = tn_dtype_base(tn_node_dtype(f->rets[i]));
    all[0] = tn_grad_in(s->g, 0);
    memcpy(all + 1, in, (size_t)n_in * sizeof *in);
    tn_attr branches = {.name = "branches", .kind = TN_ATTR_FUNC, .is_list = true, .n = s->n, .funcs = list};
    return tn_add_operation(b, stateful ? "Case" : "StatelessCase", NULL, all, n_in + 1,
                            TN_ATTRS(tn_attr_types("Tout", types, f->n_rets), branches));
}

static tn_operation *add_backward(split *s, const char *const *names, const tn_node *in, int n_in)
{
    if (s->first_in == 0) return tn_call(s->g->b, names[0], in, n_in);
    if (!strcmp(s->branches[0].attr, "branches")) return add_case(s, names, in, n_in);
    return tn_if(s->g->b, tn_grad_in(s->g, 0), names[0], names[1], in, n_in);
}

static tn_code backward(split *s, tn_error *err)
{
    tn_arena *a = s->g->b->arena;
    const char **names = TN_ARRAY(a, s->n, const char *);
    tn_node *in = TN_ARRAY(a, n_rets(s) + n_args(s) + s->n_residuals + 1, tn_node);
    if (!names || !in) return tn_no_memory(err, 0);
    int n_in = backward_inputs(s, in);
    for (int k = 0; k < s->n; k++) TN_TRY(define_backward(s, &s->branches[k], in, n_in, &names[k], err));
    tn_operation *op = add_backward(s, names, in, n_in);
    TN_TRY(tn_builder_check(s->g->b, err));
    for (int i = 0, at = 0; i < n_args(s); i++) {
        if (s->wanted[i]) tn_grad_set(s->g, s->first_in + i, tn_output_of(op, at++));
    }
    return TN_OK;
}

/* ==== the records' gradients ==== */

static tn_code run_split(split *s, tn_error *err)
{
    tn_arena *a = s->g->b->arena;
    s->wanted = TN_ARRAY(a, n_args(s) + 1, bool);
    s->used = TN_ARRAY(a, n_args(s) + 1, bool);
    s->types = TN_ARRAY(a, n_args(s) + 1, tn_dtype);
    if (!s->wanted || !s->used || !s->types) return tn_no_memory(err, 0);
    if (s->g->op->n_in != s->first_in + n_args(s)) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "function '%s' takes %d arguments, not %d",
                       s->branches[0].f->name, n_args(s), s->g->op->n_in - s->first_in);
    }
    TN_TRY(differentiate(s, err));
    TN_TRY(complete(s, err));
    bool any = false;
    for (int i = 0; i < n_args(s); i++) any |= s->wanted[i];
    if (!any) return TN_OK;
    TN_TRY(extend_operation(s, err));
    return backward(s, err);
}

static tn_code add_branch(split *s, const char *attr, const tn_func_attr *fn, tn_error *err)
{
    branch *br = &s->branches[s->n];
    const char *name = fn ? fn->name : "";
    br->attr = attr;
    if (!(br->f = tn_graph_function(s->g->op->graph, name))) {
        return tn_fail(err, TN_NOT_FOUND, "the graph has no function '%s'", name);
    }
    s->n++;
    return TN_OK;
}

static tn_code finish(split *s, tn_code code, tn_error *err)
{
    if (!code) code = run_split(s, err);
    for (int k = 0; k < s->n; k++) tn_diff_free(&s->branches[k].d);
    return code;
}

/* A function that names its own gradient: it takes the arguments and the results' gradients. */
static tn_code call_own_gradient(tn_grad *g, const tn_function *f, tn_error *err)
{
    int n = 0;
    tn_node *in = TN_ARRAY(g->b->arena, f->n_args + f->n_rets + 1, tn_node);
    if (!in) return tn_no_memory(err, 0);
    for (int i = 0; i < f->n_args; i++) in[n++] = tn_grad_in(g, i);
    for (int o = 0; o < f->n_rets; o++) in[n++] = tn_grad_dy(g, o);
    tn_operation *op = tn_call(g->b, f->grad, in, n);
    TN_TRY(tn_builder_check(g->b, err));
    for (int i = 0; i < f->n_args && i < op->n_out; i++) {
        if (tn_differentiable(tn_node_dtype(in[i]))) tn_grad_set(g, i, tn_output_of(op, i));
    }
    return TN_OK;
}

tn_code tn_grad_call(tn_grad *g, tn_error *err)
{
    branch one[1] = {{0}};
    split s = {.g = g, .branches = one};
    tn_code code = add_branch(&s, "f", tn_attr_get_func(&g->op->attrs, "f"), err);
    if (!code && one[0].f->grad) return call_own_gradient(g, one[0].f, err);
    return finish(&s, code, err);
}

tn_code tn_grad_if(tn_grad *g, tn_error *err)
{
    branch two[2] = {{0}};
    split s = {.g = g, .branches = two, .first_in = 1};
    tn_code code = add_branch(&s, "then_branch", tn_attr_get_func(&g->op->attrs, "then_branch"), err);
    if (!code) code = add_branch(&s, "else_branch", tn_attr_get_func(&g->op->attrs, "else_branch"), err);
    return finish(&s, code, err);
}

tn_code tn_grad_case(tn_grad *g, tn_error *err)
{
    const tn_attr *a = tn_attr_find(&g->op->attrs, "branches");
    if (!a || a->n < 1 || a->n > MAX_BRANCHES)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%d branches", a ? a->n : 0);
    split s = {.g = g, .branches = TN_ARRAY(g->b->arena, a->n, branch), .first_in = 1};
    if (!s.branches) return tn_no_memory(err, (size_t)a->n * sizeof(branch));
    tn_code code = TN_OK;
    for (int k = 0; !code && k < a->n; k++) code = add_branch(&s, "branches", &a->funcs[k], err);
    return finish(&s, code, err);
}
