/* SPDX-License-Identifier: Apache-2.0
 *
 * function_def.c - FunctionDef messages <-> functions of a graph's library. A body is a graph whose
 * arguments are _Arg operations; arg_attr are those operations' further attributes.
 */
#include "graphdef.h"

#define UNIQUE_ID "_resource_arg_unique_id"

/* ---- from the message ---- */

/* What is made of one FunctionDef before the library takes it. */
typedef struct making {
    const tn_FunctionDef *def;
    tn_function f;
    tn_graph *body;
    tn_arena *arena;
} making;

static const tn_ArgAttrs *arg_attrs(const tn_FunctionDef *def, uint32_t i)
{
    for (uint32_t k = 0; k < def->arg_attr.n; k++)
        if (def->arg_attr.items[k].key == i) return def->arg_attr.items[k].value;
    return NULL;
}

static void push_unique_id(const tn_FunctionDef *def, uint32_t i, tn_attrs *attrs)
{
    for (uint32_t k = 0; k < def->resource_arg_unique_id.n; k++)
        if (def->resource_arg_unique_id.items[k].key == i)
            attrs->v[attrs->n++] = tn_attr_int(UNIQUE_ID, def->resource_arg_unique_id.items[k].value);
}

static tn_code check_argument(const tn_ArgDef *arg, tn_error *err)
{
    if (arg->type > 0 && !arg->type_attr.n && !arg->number_attr.n && !arg->type_list_attr.n) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "argument '%.*s' has no dtype of its own: a polymorphic function",
                   (int)TN_MIN(arg->name.n, 200), arg->name.n ? arg->name.p : "");
}

static tn_code add_argument(making *m, uint32_t i, tn_error *err)
{
    const tn_ArgDef *arg = &m->def->signature->input_arg.items[i];
    const tn_ArgAttrs *more = arg_attrs(m->def, i);
    static const tn_AttrEntry_list none;
    char *name = tn_arena_strndup(m->arena, arg->name.p, arg->name.n);
    tn_attrs given;
    if (!name) return tn_no_memory(err, arg->name.n);
    TN_TRY(check_argument(arg, err));
    TN_TRY(tn_attrs_from_proto(more ? &more->attr : &none, m->arena, &given, err));
    tn_attrs attrs = {TN_ARRAY(m->arena, given.n + 3, tn_attr), 0};
    tn_code code = attrs.v ? TN_OK : tn_no_memory(err, (size_t)given.n * sizeof(tn_attr));
    if (code == TN_OK) {
        attrs.v[attrs.n++] = tn_attr_type("T", (tn_dtype)arg->type);
        attrs.v[attrs.n++] = tn_attr_int("index", i);
        push_unique_id(m->def, i, &attrs);
        for (int k = 0; k < given.n; k++)
            if (strcmp(given.v[k].name, "T") && strcmp(given.v[k].name, "index"))
                attrs.v[attrs.n++] = given.v[k];
        tn_dtype type = (tn_dtype)arg->type;
        tn_operation_spec spec = {.type = "_Arg",
                                  .name = name,
                                  .attrs = attrs.v,
                                  .n_attrs = attrs.n,
                                  .n_out = 1,
                                  .out_types = &type};
        code = tn_graph_add(m->body, &spec, &m->f.args[i], err);
    }
    tn_attrs_drop(&given);
    m->f.arg_names[i] = name;
    return code;
}

static tn_view entry_value(const tn_StringEntry_list *map, tn_view key)
{
    for (uint32_t i = 0; i < map->n; i++)
        if (tn_view_eq(map->items[i].key, key)) return map->items[i].value;
    return (tn_view){0};
}

static tn_code add_nodes(making *m, const tn_map *signatures, tn_error *err)
{
    const tn_StringEntry_list *ret = &m->def->ret;
    tn_view *more = TN_ARRAY(m->arena, ret->n + 1, tn_view);
    tn_dtype *types = TN_ARRAY(m->arena, ret->n + 1, tn_dtype);
    if (!more || !types) return tn_no_memory(err, ret->n * sizeof *more);
    for (uint32_t i = 0; i < ret->n; i++) {
        const tn_ArgDef_list *out = &m->def->signature->output_arg;
        more[i] = ret->items[i].value;
        for (uint32_t k = 0; k < out->n; k++)
            if (tn_view_eq(out->items[k].name, ret->items[i].key)) types[i] = (tn_dtype)out->items[k].type;
    }
    tn_node_import c = {.graph = m->body,
                        .prefix = "",
                        .in_function = true,
                        .signatures = signatures,
                        .more = more,
                        .more_types = types,
                        .n_more = ret->n,
                        .arena = m->arena};
    return tn_nodes_import(&c, &m->def->node_def, err);
}

static tn_code set_results(making *m, tn_error *err)
{
    const tn_ArgDef_list *out = &m->def->signature->output_arg;
    for (uint32_t i = 0; i < out->n; i++) {
        tn_view ref = entry_value(&m->def->ret, out->items[i].name);
        m->f.ret_names[i] = tn_arena_strndup(m->arena, out->items[i].name.p, out->items[i].name.n);
        if (!m->f.ret_names[i]) return tn_no_memory(err, out->items[i].name.n);
        tn_code code = tn_body_value(m->body, ref, &m->f.rets[i], err);
        if (code != TN_OK) {
            tn_wrap(err, "result '%s'", m->f.ret_names[i]);
            return code;
        }
    }
    return TN_OK;
}

static tn_code set_control_results(making *m, tn_error *err)
{
    const tn_StringEntry_list *ret = &m->def->control_ret;
    for (uint32_t i = 0; i < ret->n; i++) {
        char *name = tn_arena_strndup(m->arena, ret->items[i].key.p, ret->items[i].key.n);
        char *node = tn_arena_strndup(m->arena, ret->items[i].value.p, ret->items[i].value.n);
        if (!name || !node) return tn_no_memory(err, ret->items[i].key.n);
        m->f.control_ret_names[i] = name;
        m->f.control_rets[i] = tn_graph_operation(m->body, node);
        if (!m->f.control_rets[i])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "control result '%s' is the node '%s', which is not there", name, node);
    }
    return TN_OK;
}

static tn_code make_arrays(making *m, tn_error *err)
{
    const tn_OpDef *sig = m->def->signature;
    tn_function *f = &m->f;
    f->n_args = (int)sig->input_arg.n;
    f->n_rets = (int)sig->output_arg.n;
    f->n_control_rets = (int)m->def->control_ret.n;
    f->args = TN_ARRAY(m->arena, f->n_args + 1, tn_operation *);
    f->arg_names = TN_ARRAY(m->arena, f->n_args + 1, const char *);
    f->rets = TN_ARRAY(m->arena, f->n_rets + 1, tn_node);
    f->ret_names = TN_ARRAY(m->arena, f->n_rets + 1, const char *);
    f->control_rets = TN_ARRAY(m->arena, f->n_control_rets + 1, tn_operation *);
    f->control_ret_names = TN_ARRAY(m->arena, f->n_control_rets + 1, const char *);
    f->name = tn_arena_strndup(m->arena, sig->name.p, sig->name.n);
    f->stateful = sig->is_stateful;
    if (f->args && f->arg_names && f->rets && f->ret_names && f->control_rets && f->control_ret_names &&
        f->name)
        return TN_OK;
    return tn_no_memory(err, sig->input_arg.n * sizeof *f->args);
}

static tn_code make_function(making *m, const tn_map *signatures, tn_error *err)
{
    TN_TRY(make_arrays(m, err));
    for (int i = 0; i < m->f.n_args; i++) TN_TRY(add_argument(m, (uint32_t)i, err));
    TN_TRY(add_nodes(m, signatures, err));
    TN_TRY(set_results(m, err));
    return set_control_results(m, err);
}

static tn_code set_gradient(making *m, const tn_FunctionDefLibrary *library, tn_error *err)
{
    for (uint32_t i = 0; i < library->gradient.n; i++) {
        const tn_GradientDef *g = &library->gradient.items[i];
        if (!tn_view_eq(g->function_name, m->def->signature->name)) continue;
        m->f.grad = tn_arena_strndup(m->arena, g->gradient_func.p, g->gradient_func.n);
        if (!m->f.grad) return tn_no_memory(err, g->gradient_func.n);
    }
    return TN_OK;
}

static tn_code function_export(const tn_function *f, tn_arena *a, tn_FunctionDef *out, tn_error *err);

/* The same function may come twice, with two graphs that are imported; another one of its name may not. */
static tn_code check_same(const tn_function *old, const tn_function *f, tn_arena *a, tn_error *err)
{
    tn_FunctionDef x = {0}, y = {0};
    tn_buf bx = {0}, by = {0};
    tn_code code = function_export(old, a, &x, err);
    if (code == TN_OK) code = function_export(f, a, &y, err);
    if (code == TN_OK) code = TN_ENCODE(FunctionDef, &x, &bx, err);
    if (code == TN_OK) code = TN_ENCODE(FunctionDef, &y, &by, err);
    if (code == TN_OK && !tn_view_eq((tn_view){bx.data, bx.n}, (tn_view){by.data, by.n}))
        code = tn_fail(err, TN_ALREADY_EXISTS, "the graph has another function of this name");
    tn_buf_free(&bx);
    tn_buf_free(&by);
    return code;
}

/* The library takes the body, except when it has the function already. */
static tn_code keep_function(making *m, tn_graph *g, bool *taken, tn_error *err)
{
    const tn_function *old = tn_graph_function(g, m->f.name);
    tn_attrs attrs;
    TN_TRY(tn_attrs_from_proto(&m->def->attr, m->arena, &attrs, err));
    m->f.attrs = attrs;
    m->f.body = m->body;
    tn_code code = old ? check_same(old, &m->f, m->arena, err) : tn_graph_add_function(g, &m->f, err);
    *taken = !old && code == TN_OK;
    tn_attrs_drop(&attrs);
    return code;
}

static tn_code import_function(const tn_FunctionDef *def, const tn_FunctionDefLibrary *library,
                               const tn_map *signatures, tn_graph *g, tn_error *err)
{
    making m = {.def = def, .body = tn_graph_new_body(g), .arena = tn_arena_new(0)};
    bool taken = false;
    tn_code code = m.body && m.arena ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = make_function(&m, signatures, err);
    if (code == TN_OK) code = set_gradient(&m, library, err);
    if (code == TN_OK) code = keep_function(&m, g, &taken, err);
    if (!taken) tn_graph_free(m.body);
    tn_arena_free(m.arena);
    if (code != TN_OK)
        tn_wrap(err, "function '%.*s'", (int)TN_MIN(def->signature->name.n, 200), def->signature->name.p);
    return code;
}

/* ---- the order of the library: what is called comes before who calls it, but for recursion ---- */

static bool need_function(tn_map *by_name, tn_view name, tn_needs *needs)
{
    int *id = tn_map_get_view(by_name, name);
    return !id || tn_needs_add(needs, *id);
}

static bool need_attrs(tn_map *by_name, const tn_AttrEntry_list *attrs, tn_needs *needs)
{
    for (uint32_t i = 0; i < attrs->n; i++) {
        const tn_AttrValue *v = attrs->items[i].value;
        if (v->value_case == TN_AttrValue_func && !need_function(by_name, v->func->name, needs)) return false;
        if (v->value_case != TN_AttrValue_list) continue;
        for (uint32_t k = 0; k < v->list->func.n; k++)
            if (!need_function(by_name, v->list->func.items[k].name, needs)) return false;
    }
    return true;
}

static bool need_nodes(tn_map *by_name, const tn_NodeDef_list *nodes, tn_needs *needs)
{
    bool ok = true;
    tn_needs_item(needs);
    for (uint32_t k = 0; ok && k < nodes->n; k++)
        ok = need_function(by_name, nodes->items[k].op, needs) && need_attrs(by_name, &nodes->items[k].attr, needs);
    return ok;
}

static const tn_AttrValue *attr_of(const tn_FunctionDefLibrary *library, int i, const char *name)
{
    const tn_AttrEntry_list *attrs = &library->function.items[i].attr;
    for (uint32_t k = 0; k < attrs->n; k++)
        if (tn_view_is(attrs->items[k].key, name)) return attrs->items[k].value;
    return NULL;
}

/* The text of an attribute of function i; empty: none. */
static tn_view text_attr(const tn_FunctionDefLibrary *library, int i, const char *name)
{
    const tn_AttrValue *v = attr_of(library, i, name);
    return v && v->value_case == TN_AttrValue_s ? v->s : (tn_view){0};
}

/* What function i implements; empty: nothing, or it is half of a gradient (interface_of of graph/function.c). */
static tn_view interface_of(const tn_FunctionDefLibrary *library, int i)
{
    const bool half = attr_of(library, i, "forward_function_name") || attr_of(library, i, "backward_function_name");
    return half ? (tn_view){0} : text_attr(library, i, "api_implements");
}

/* What functions implement -> the one of them for CPUs, called in the others' place (tn_graph_implementation). */
static bool find_for_cpus(const tn_FunctionDefLibrary *library, int *ids, tn_map *for_cpus)
{
    bool ok = true;
    for (int i = 0; ok && i < (int)library->function.n; i++) {
        tn_view what = interface_of(library, i);
        if (what.n && tn_view_is(text_attr(library, i, "api_preferred_device"), "CPU"))
            ok = tn_map_put_view(for_cpus, what, &ids[i]);
    }
    return ok;
}

/* Which functions each of the library's calls. */
static tn_code find_calls(const tn_FunctionDefLibrary *library, tn_map *by_name, tn_arena *a, tn_needs *needs,
                          tn_error *err)
{
    int n = (int)library->function.n;
    int *ids = TN_ARRAY(a, n + 1, int);
    bool ok = ids && tn_needs_begin(needs, n + 1, a);
    for (int i = 0; ok && i < n; i++) {
        const tn_OpDef *sig = library->function.items[i].signature;
        ids[i] = i;
        if (!sig || !sig->name.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "function %d of the library has no name", i);
        if (tn_map_get_view(by_name, sig->name))
            return tn_fail(err, TN_INVALID_ARGUMENT, "there are two functions '%.*s'",
                           (int)TN_MIN(sig->name.n, 200), sig->name.p);
        ok = tn_map_put_view(by_name, sig->name, &ids[i]);
    }
    tn_map *for_cpus = tn_map_new();
    ok = ok && for_cpus && find_for_cpus(library, ids, for_cpus);
    for (int i = 0; ok && i < n; i++) {
        tn_view what = interface_of(library, i);
        const int *chosen = what.n ? tn_map_get_view(for_cpus, what) : NULL;
        ok = need_nodes(by_name, &library->function.items[i].node_def, needs) &&
             (!chosen || *chosen == i || tn_needs_add(needs, *chosen));
    }
    tn_map_free(for_cpus);
    return ok ? TN_OK : tn_no_memory(err, (size_t)n * sizeof(int));
}

static tn_code order_library(const tn_FunctionDefLibrary *library, tn_map *by_name, tn_arena *a, int *order,
                             tn_error *err)
{
    tn_needs needs;
    bool no_memory = false;
    TN_TRY(find_calls(library, by_name, a, &needs, err));
    tn_order((int)library->function.n, needs.first, needs.need, order, a, &no_memory);
    return no_memory ? tn_no_memory(err, library->function.n * sizeof(int)) : TN_OK;
}

/* ---- who is called ---- */

/* Item n of the needs is where to begin. */
static tn_code mark_called(const tn_needs *needs, int n, bool *called, tn_arena *a, tn_error *err)
{
    int *stack = TN_ARRAY(a, n + 1, int), depth = 0;
    if (!stack) return tn_no_memory(err, (size_t)n * sizeof(int));
    for (stack[depth++] = n; depth;) {
        const int caller = stack[--depth];
        for (int k = needs->first[caller]; k < needs->first[caller + 1]; k++) {
            if (called[needs->need[k]]) continue;
            called[needs->need[k]] = true;
            stack[depth++] = needs->need[k];
        }
    }
    return TN_OK;
}

/* A gradient that was registered goes with one of its functions. */
static void keep_called(tn_FunctionDefLibrary *library, const bool *called, const tn_map *by_name)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < library->gradient.n; i++) {
        const tn_GradientDef *g = &library->gradient.items[i];
        const int *of = tn_map_get_view(by_name, g->function_name), *is = tn_map_get_view(by_name, g->gradient_func);
        if (of && is && called[*of] && called[*is]) library->gradient.items[kept++] = *g;
    }
    library->gradient.n = kept;
    kept = 0;
    for (uint32_t i = 0; i < library->function.n; i++)
        if (called[i]) library->function.items[kept++] = library->function.items[i];
    library->function.n = kept;
}

tn_code tn_library_keep_called(tn_GraphDef *def, tn_error *err)
{
    tn_FunctionDefLibrary *library = def->library;
    if (!library || !library->function.n || library->function.n >= INT32_MAX / 8) return TN_OK;
    tn_needs needs;
    tn_arena *a = tn_arena_new(0);
    tn_map *by_name = tn_map_new();
    bool *called = a ? TN_ARRAY(a, library->function.n, bool) : NULL;
    tn_code code = by_name && called ? find_calls(library, by_name, a, &needs, err) : tn_no_memory(err, 0);
    if (code == TN_OK && !need_nodes(by_name, &def->node, &needs)) code = tn_no_memory(err, 0);
    if (code == TN_OK) code = mark_called(&needs, (int)library->function.n, called, a, err);
    if (code == TN_OK) keep_called(library, called, by_name);
    tn_map_free(by_name);
    tn_arena_free(a);
    return code;
}

tn_code tn_library_signatures(const tn_FunctionDefLibrary *library, tn_map **out, tn_error *err)
{
    tn_map *m = tn_map_new();
    bool ok = m != NULL;
    for (uint32_t i = 0; ok && library && i < library->function.n; i++) {
        const tn_OpDef *sig = library->function.items[i].signature;
        ok = !sig || tn_map_put_view(m, sig->name, (void *)sig);
    }
    if (ok) *out = m;
    else tn_map_free(m);
    return ok ? TN_OK : tn_no_memory(err, 0);
}

tn_code tn_library_import(const tn_FunctionDefLibrary *library, tn_graph *g, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_map *by_name = tn_map_new(), *signatures = NULL;
    int *order = a && library->function.n < INT32_MAX / 8 ? TN_ARRAY(a, library->function.n + 1, int) : NULL;
    tn_code code = by_name && order ? order_library(library, by_name, a, order, err)
                                    : tn_no_memory(err, library->function.n);
    if (code == TN_OK) code = tn_library_signatures(library, &signatures, err);
    for (uint32_t i = 0; code == TN_OK && i < library->function.n; i++)
        code = import_function(&library->function.items[order[i]], library, signatures, g, err);
    tn_map_free(signatures);
    tn_map_free(by_name);
    tn_arena_free(a);
    return code;
}

/* ---- to the message ---- */

static tn_code add_arg_def(tn_ArgDef_list *list, tn_view name, tn_dtype t, tn_arena *a, tn_error *err)
{
    tn_ArgDef *arg = TN_PUSH(a, list);
    if (!arg) return tn_no_memory(err, sizeof *arg);
    arg->name = name;
    arg->type = t;
    return TN_OK;
}

static tn_code export_unique_id(uint32_t i, int64_t id, tn_arena *a, tn_FunctionDef *out, tn_error *err)
{
    tn_Uint32ToUint32Entry *e = TN_PUSH(a, &out->resource_arg_unique_id);
    if (!e) return tn_no_memory(err, sizeof *e);
    *e = (tn_Uint32ToUint32Entry){.key = i, .value = (uint32_t)id};
    return TN_OK;
}

static tn_code export_argument(const tn_operation *arg, uint32_t i, tn_arena *a, tn_FunctionDef *out,
                               tn_error *err)
{
    tn_dtype t = TN_INVALID_DTYPE;
    int64_t id;
    tn_attrs rest = {TN_ARRAY(a, arg->attrs.n + 1, tn_attr), 0};
    if (!rest.v) return tn_no_memory(err, (size_t)arg->attrs.n * sizeof(tn_attr));
    tn_attr_get_type(&arg->attrs, "T", &t);
    TN_TRY(add_arg_def(&out->signature->input_arg, tn_view_of(arg->name), t, a, err));
    if (tn_attr_get_int(&arg->attrs, UNIQUE_ID, &id)) TN_TRY(export_unique_id(i, id, a, out, err));
    for (int k = 0; k < arg->attrs.n; k++) {
        const char *name = arg->attrs.v[k].name;
        if (strcmp(name, "T") && strcmp(name, "index") && strcmp(name, UNIQUE_ID))
            rest.v[rest.n++] = arg->attrs.v[k];
    }
    if (!rest.n) return TN_OK;
    tn_Uint32ArgAttrsEntry *e = TN_PUSH(a, &out->arg_attr);
    if (!e || !(e->value = TN_NEW(a, tn_ArgAttrs))) return tn_no_memory(err, sizeof *e);
    e->key = i;
    return tn_attrs_to_proto(&rest, a, &e->value->attr, err);
}

static tn_code export_results(const tn_function *f, tn_arena *a, tn_FunctionDef *out, tn_error *err)
{
    for (int i = 0; i < f->n_rets; i++) {
        tn_view name = tn_view_of(f->ret_names[i]);
        tn_StringEntry *e = TN_PUSH(a, &out->ret);
        if (!e) return tn_no_memory(err, sizeof *e);
        e->key = name;
        TN_TRY(tn_body_ref(f->rets[i], a, &e->value, err));
        TN_TRY(
            add_arg_def(&out->signature->output_arg, name, tn_dtype_base(tn_node_dtype(f->rets[i])), a, err));
    }
    for (int i = 0; i < f->n_control_rets; i++) {
        tn_StringEntry *e = TN_PUSH(a, &out->control_ret);
        tn_view *name = TN_PUSH(a, &out->signature->control_output);
        if (!e || !name) return tn_no_memory(err, sizeof *e);
        *e = (tn_StringEntry){.key = tn_view_of(f->control_ret_names[i]),
                              .value = tn_view_of(f->control_rets[i]->name)};
        *name = e->key;
    }
    return TN_OK;
}

static tn_code function_export(const tn_function *f, tn_arena *a, tn_FunctionDef *out, tn_error *err)
{
    out->signature = TN_NEW(a, tn_OpDef);
    if (!out->signature) return tn_no_memory(err, sizeof *out->signature);
    out->signature->name = tn_view_of(f->name);
    out->signature->is_stateful = f->stateful;
    for (int i = 0; i < f->n_args; i++) TN_TRY(export_argument(f->args[i], (uint32_t)i, a, out, err));
    for (int i = 0; i < tn_graph_count(f->body); i++) {
        const tn_operation *op = tn_graph_at(f->body, i);
        if (!strcmp(op->type, "_Arg")) continue;
        tn_NodeDef *n = TN_PUSH(a, &out->node_def);
        if (!n) return tn_no_memory(err, sizeof *n);
        TN_TRY(tn_node_export(op, true, a, n, err));
    }
    TN_TRY(export_results(f, a, out, err));
    return tn_attrs_to_proto(&f->attrs, a, &out->attr, err);
}

tn_code tn_library_export(const tn_graph *g, tn_arena *a, tn_FunctionDefLibrary *out, tn_error *err)
{
    for (int i = 0; i < tn_graph_function_count(g); i++) {
        const tn_function *f = tn_graph_function_at(g, i);
        tn_FunctionDef *def = TN_PUSH(a, &out->function);
        if (!def) return tn_no_memory(err, sizeof *def);
        tn_code code = function_export(f, a, def, err);
        if (code != TN_OK) {
            tn_wrap(err, "function '%s'", f->name);
            return code;
        }
        if (!f->grad) continue;
        tn_GradientDef *grad = TN_PUSH(a, &out->gradient);
        if (!grad) return tn_no_memory(err, sizeof *grad);
        *grad = (tn_GradientDef){.function_name = tn_view_of(f->name), .gradient_func = tn_view_of(f->grad)};
    }
    return TN_OK;
}
