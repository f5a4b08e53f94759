/* SPDX-License-Identifier: Apache-2.0
 *
 * function.c - the function library of a graph. How functions are written is builder_function.c's, how
 * they are called the planner's.
 *
 * Invariants: only the outermost graph has a library; a body in it is frozen and owned by it.
 */
#include "inside.h"

static void free_function(tn_function *f)
{
    tn_attrs_drop(&f->attrs);
    tn_graph_free(f->body);
}

void tn_graph_free_functions(tn_graph *g)
{
    for (size_t i = 0; i < tn_map_count(g->functions); i++) free_function(tn_map_value(g->functions, i));
}

/* What f implements; halves of a gradient would have to be exchanged together, and are not. */
static bool interface_of(const tn_function *f, tn_view *out)
{
    return tn_attr_get_string(&f->attrs, "api_implements", out) && out->n &&
           !tn_attr_find(&f->attrs, "forward_function_name") && !tn_attr_find(&f->attrs, "backward_function_name");
}

void tn_graph_keep_functions(tn_graph *g, const tn_map *kept)
{
    for (size_t i = tn_map_count(g->functions); i--;) {
        tn_function *f = tn_map_value(g->functions, i);
        if (tn_map_has(kept, f->name)) continue;
        tn_map_remove(g->functions, tn_view_of(f->name));
        tn_view what;
        if (interface_of(f, &what) && tn_map_get_view(g->for_cpus, what) == f) tn_map_remove(g->for_cpus, what);
        free_function(f);
    }
}

tn_function *tn_graph_function(const tn_graph *g, const char *name)
{
    return tn_map_get(tn_graph_library(g)->functions, name);
}

static bool same_signature(const tn_function *f, const tn_function *g)
{
    if (f->n_args != g->n_args || f->n_rets != g->n_rets) return false;
    for (int i = 0; i < f->n_args; i++)
        if (f->args[i]->out[0].dtype != g->args[i]->out[0].dtype) return false;
    for (int i = 0; i < f->n_rets; i++)
        if (tn_node_dtype(f->rets[i]) != tn_node_dtype(g->rets[i])) return false;
    return true;
}

const char *tn_graph_implementation(const tn_graph *g, const char *name)
{
    tn_view what;
    const tn_function *f = name ? tn_graph_function(g, name) : NULL;
    if (!f || !interface_of(f, &what)) return name;
    const tn_function *chosen = tn_map_get_view(tn_graph_library(g)->for_cpus, what);
    return chosen && same_signature(f, chosen) ? chosen->name : name;
}

int tn_graph_function_count(const tn_graph *g)
{
    return (int)tn_map_count(tn_graph_library(g)->functions);
}

tn_function *tn_graph_function_at(const tn_graph *g, int i)
{
    if (i < 0 || i >= tn_graph_function_count(g)) return NULL;
    return tn_map_value(tn_graph_library(g)->functions, (size_t)i);
}

static tn_code copy_names(tn_arena *a, const char *const *from, int n, const char ***out, tn_error *err)
{
    const char **to = TN_ARRAY(a, TN_MAX(n, 1), const char *);
    if (!to) return tn_no_memory(err, (size_t)n * sizeof *to);
    for (int i = 0; i < n; i++) {
        const char *name = from && from[i] ? from[i] : "";
        if (!(to[i] = tn_arena_strdup(a, name))) return tn_no_memory(err, strlen(name));
    }
    *out = to;
    return TN_OK;
}

static tn_code copy_array(tn_arena *a, const void *from, int n, size_t size, void *out, tn_error *err)
{
    void *to = tn_arena_array(a, (size_t)TN_MAX(n, 1), size);
    if (!to) return tn_no_memory(err, (size_t)n * size);
    if (n) memcpy(to, from, (size_t)n * size);
    *(void **)out = to;
    return TN_OK;
}

/* All but the attributes, which hold references. */
static tn_code copy_function(tn_arena *a, const tn_function *from, tn_function *to, tn_error *err)
{
    *to = *from;
    if (!(to->name = tn_arena_strdup(a, from->name))) return tn_no_memory(err, strlen(from->name));
    if (from->grad && !(to->grad = tn_arena_strdup(a, from->grad)))
        return tn_no_memory(err, strlen(from->grad));
    TN_TRY(copy_array(a, from->args, from->n_args, sizeof *from->args, &to->args, err));
    TN_TRY(copy_array(a, from->rets, from->n_rets, sizeof *from->rets, &to->rets, err));
    TN_TRY(copy_array(a, from->control_rets, from->n_control_rets, sizeof *from->control_rets,
                      &to->control_rets, err));
    TN_TRY(copy_names(a, from->arg_names, from->n_args, &to->arg_names, err));
    TN_TRY(copy_names(a, from->ret_names, from->n_rets, &to->ret_names, err));
    return copy_names(a, from->control_ret_names, from->n_control_rets, &to->control_ret_names, err);
}

tn_code tn_graph_add_function(tn_graph *g, const tn_function *f, tn_error *err)
{
    tn_graph *library = tn_graph_library(g);
    TN_TRY(tn_graph_check_open(library, err));
    if (!f->name || !f->name[0]) return tn_fail(err, TN_INVALID_ARGUMENT, "a function without a name");
    if (tn_map_has(library->functions, f->name)) {
        return tn_fail(err, TN_ALREADY_EXISTS, "the graph has a function '%s' already", f->name);
    }
    tn_function *copy = TN_NEW(library->arena, tn_function);
    if (!copy) return tn_no_memory(err, sizeof *copy);
    TN_TRY(copy_function(library->arena, f, copy, err));
    TN_TRY(tn_attrs_copy(library->arena, f->attrs.v, f->attrs.n, &copy->attrs, err));
    tn_view what;
    bool for_cpus = interface_of(copy, &what) && tn_attr_is(&copy->attrs, "api_preferred_device", "CPU");
    if ((for_cpus && !tn_map_put_view(library->for_cpus, what, copy)) ||
        !tn_map_put(library->functions, f->name, copy)) {
        if (for_cpus) tn_map_remove(library->for_cpus, what);
        tn_attrs_drop(&copy->attrs);
        return tn_no_memory(err, sizeof *copy);
    }
    copy->body->library = library;
    tn_graph_freeze(copy->body);
    return TN_OK;
}
