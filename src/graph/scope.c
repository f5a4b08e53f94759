/* SPDX-License-Identifier: Apache-2.0
 *
 * scope.c - what a builder has in force: name scopes, variable scopes, control dependencies. All as
 * TensorFlow 1's: names of scopes are made unique for operations, but not for variables.
 *
 * Invariant: the innermost frames are the builder's; the outermost name scope and variable scope always
 * exist.
 */
#include "inside.h"

#define FRAME(b, T, var, list)                                \
    T *var = tn_builder_ok(b) ? TN_NEW((b)->arena, T) : NULL; \
    if (!tn_builder_ok(b) || !tn_builder_got(b, var)) return; \
    (var)->outer = (b)->list;                                 \
    (b)->list = var

static const char *joined(tn_builder *b, const char *prefix, const char *name)
{
    const char *r =
        *prefix ? tn_arena_printf(b->arena, "%s/%s", prefix, name) : tn_arena_strdup(b->arena, name);
    return tn_builder_got(b, r) ? r : NULL;
}

static void unbalanced(tn_builder *b, const char *what)
{
    tn_builder_fail(b, TN_INVALID_ARGUMENT, what);
}

/* ==== names ==== */

/* "scope/" -> "scope": the name is taken as it is, from the root. */
static const char *absolute(tn_builder *b, const char *name)
{
    size_t n = strlen(name);
    if (!n || name[n - 1] != '/') return NULL;
    const char *r = tn_arena_strndup(b->arena, name, n - 1);
    return tn_builder_got(b, r) ? r : NULL;
}

static bool valid_start(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
}

/* TensorFlow's [A-Za-z0-9.][A-Za-z0-9_.\\/>-]*; a leading underscore only below a scope or in a body. */
static bool valid_name(const tn_builder *b, const char *name)
{
    if (!valid_start(name[0])) return false;
    if (name[0] == '_' && !*b->scope->prefix && !b->graph->library) return false;
    for (; *name; name++) {
        if (!valid_start(*name) && !strchr("\\/>-", *name)) return false;
    }
    return true;
}

static bool check_name(tn_builder *b, const char *name)
{
    char text[400];
    if (valid_name(b, name)) return true;
    snprintf(text, sizeof text, "'%.300s' is not a valid node name", name);
    tn_builder_fail(b, TN_INVALID_ARGUMENT, text);
    return false;
}

const char *tn_builder_unique(tn_builder *b, const char *name)
{
    if (!tn_builder_ok(b) || !check_name(b, name)) return NULL;
    const char *exact = absolute(b, name);
    if (exact || !tn_builder_ok(b)) return exact;
    const char *full = joined(b, b->scope->prefix, name);
    if (!full) return NULL;
    const char *unique = tn_graph_unique(b->graph, b->arena, full);
    return tn_builder_got(b, unique) ? unique : NULL;
}

void tn_scope_enter(tn_builder *b, const char *prefix)
{
    FRAME(b, tn_scope, s, scope);
    s->prefix = prefix;
}

void tn_scope_leave(tn_builder *b)
{
    b->scope = b->scope->outer;
}

void tn_name_scope(tn_builder *b, const char *name)
{
    const char *full = tn_builder_unique(b, name);
    if (full) tn_scope_enter(b, full);
}

void tn_name_scope_end(tn_builder *b)
{
    if (!tn_builder_ok(b)) return;
    if (!b->scope->outer)
        unbalanced(b, "tn_name_scope_end without tn_name_scope");
    else
        tn_scope_leave(b);
}

/* ==== variable scopes ==== */

const char *tn_builder_variable_name(tn_builder *b, const char *name)
{
    return tn_builder_ok(b) ? joined(b, b->variables->prefix, name) : NULL;
}

void tn_variable_scope(tn_builder *b, const char *name, tn_reuse reuse)
{
    const char *prefix = tn_builder_variable_name(b, name);
    tn_name_scope(b, name);
    FRAME(b, tn_variable_frame, f, variables);
    f->prefix = prefix;
    f->reuse = reuse == TN_REUSE_INHERIT ? f->outer->reuse : reuse;
}

void tn_variable_scope_end(tn_builder *b)
{
    if (!tn_builder_ok(b)) return;
    if (!b->variables->outer)
        unbalanced(b, "tn_variable_scope_end without tn_variable_scope");
    else
        b->variables = b->variables->outer;
    tn_name_scope_end(b);
}

tn_reuse tn_builder_reuse(const tn_builder *b) { return b->variables->reuse; }

void tn_builder_set_reuse(tn_builder *b, tn_reuse mode) { b->variables->reuse = mode; }

/* ==== control dependencies ==== */

/* Operations added from now on belong to the frame, or no longer. */
static bool open_range(tn_builder *b, tn_control_frame *f)
{
    if (f->n_ranges == f->cap_ranges) {
        int cap = f->cap_ranges ? f->cap_ranges * 2 : 4;
        void *more = tn_arena_array(b->arena, (size_t)cap, sizeof *f->ranges);
        if (!tn_builder_got(b, more)) return false;
        if (f->n_ranges) memcpy(more, f->ranges, (size_t)f->n_ranges * sizeof *f->ranges);
        f->ranges = more;
        f->cap_ranges = cap;
    }
    f->ranges[f->n_ranges].from = b->graph->n;
    f->ranges[f->n_ranges++].to = 0;
    return true;
}

static void close_range(tn_builder *b, tn_control_frame *f)
{
    f->ranges[f->n_ranges - 1].to = b->graph->n;
}

static bool added_under(const tn_control_frame *f, const tn_operation *op)
{
    for (int i = 0; i < f->n_ranges; i++) {
        if (op->id >= f->ranges[i].from && (!f->ranges[i].to || op->id < f->ranges[i].to)) return true;
    }
    return false;
}

/* The frames that a clearing frame hides: those outside it up to the next clearing one. */
static void each_hidden(tn_builder *b, tn_control_frame *clearing, bool reopen)
{
    for (tn_control_frame *f = clearing->outer; f && !f->clears; f = f->outer) {
        if (!reopen)
            close_range(b, f);
        else if (!open_range(b, f))
            return;
    }
}

void tn_control_dependencies(tn_builder *b, int n, tn_operation *const *ops)
{
    FRAME(b, tn_control_frame, f, control);
    f->clears = n < 0;
    f->n = TN_MAX(n, 0);
    f->ops = TN_ARRAY(b->arena, TN_MAX(n, 1), tn_operation *);
    if (!tn_builder_got(b, f->ops)) return;
    if (n > 0) memcpy(f->ops, ops, (size_t)n * sizeof *ops);
    if (f->clears) each_hidden(b, f, false);
    open_range(b, f);
}

void tn_control_dependencies_end(tn_builder *b)
{
    if (!tn_builder_ok(b)) return;
    tn_control_frame *f = b->control;
    if (!f) {
        unbalanced(b, "tn_control_dependencies_end without tn_control_dependencies");
        return;
    }
    if (f->clears) each_hidden(b, f, true);
    b->control = f->outer;
}

/* An input added under the frame depends on it already. */
static bool implied(const tn_control_frame *f, const tn_node *in, int n_in)
{
    for (int i = 0; i < n_in; i++) {
        if (in[i].op && added_under(f, in[i].op)) return true;
    }
    return false;
}

static int add_once(tn_operation **list, int n, tn_operation *op)
{
    for (int i = 0; i < n; i++) {
        if (list[i] == op) return n;
    }
    list[n] = op;
    return n + 1;
}

bool tn_builder_control(tn_builder *b, const tn_node *in, int n_in, tn_operation ***out, int *n)
{
    int most = 0;
    for (tn_control_frame *f = b->control; f && !f->clears; f = f->outer) most += f->n;
    *n = 0;
    *out = NULL;
    if (!most) return true;
    *out = TN_ARRAY(b->arena, most, tn_operation *);
    if (!tn_builder_got(b, *out)) return false;
    for (tn_control_frame *f = b->control; f && !f->clears; f = f->outer) {
        if (implied(f, in, n_in)) continue;
        for (int i = 0; i < f->n; i++) *n = add_once(*out, *n, f->ops[i]);
    }
    return true;
}
