/* SPDX-License-Identifier: Apache-2.0
 *
 * polymorphic.c - functions whose types (or other attributes) are their callers': a library has one definition, with
 * placeholders, and every call says what they are. Before a graph is made of the message each such call gets a
 * function of its own, in which the placeholders are filled in; the definitions with placeholders are left out.
 *
 * Only works on messages. Arguments that stand for lists of values stay as they are (and are refused later).
 */
#include "graphdef.h"

enum { MOST_INSTANCES = 10000, MOST_NESTED = 50, LONGEST_BINDING = 1 << 16 };

typedef struct maker {
    tn_arena *arena;
    tn_map *general; /* name -> tn_FunctionDef with placeholders */
    tn_map *names;   /* of all functions, those that were made too */
    tn_map *made;    /* name and bindings -> signature of the function that was made for them */
    tn_FunctionDef_list out;
} maker;

/* What a call binds: its attributes, else the definition's defaults. */
typedef struct bindings {
    const tn_AttrEntry_list *given;
    const tn_FunctionDef *def;
} bindings;

static const tn_AttrValue *find_entry(const tn_AttrEntry_list *list, tn_view key)
{
    for (uint32_t i = 0; i < list->n; i++)
        if (tn_view_eq(list->items[i].key, key)) return list->items[i].value;
    return NULL;
}

static const tn_AttrValue *binding(const bindings *b, tn_view name)
{
    const tn_AttrValue *v = find_entry(b->given, name);
    for (uint32_t i = 0; !v && i < b->def->signature->attr.n; i++)
        if (tn_view_eq(b->def->signature->attr.items[i].name, name)) v = b->def->signature->attr.items[i].default_value;
    return v;
}

static bool is_declared(const tn_FunctionDef *def, tn_view name)
{
    for (uint32_t i = 0; i < def->signature->attr.n; i++)
        if (tn_view_eq(def->signature->attr.items[i].name, name)) return true;
    return false;
}

/* ==== which functions have placeholders ==== */

static bool has_open_argument(const tn_ArgDef_list *args)
{
    for (uint32_t i = 0; i < args->n; i++)
        if (args->items[i].type_attr.n) return true;
    return false;
}

static bool is_general(const tn_FunctionDef *f)
{
    if (!f->signature || !f->signature->attr.n) return false;
    if (has_open_argument(&f->signature->input_arg) || has_open_argument(&f->signature->output_arg)) return true;
    for (uint32_t i = 0; i < f->node_def.n; i++)
        for (uint32_t k = 0; k < f->node_def.items[i].attr.n; k++) {
            const tn_AttrValue *v = f->node_def.items[i].attr.items[k].value;
            if (v && v->value_case == TN_AttrValue_placeholder) return true;
        }
    return false;
}

/* ==== instances ==== */

static tn_code rewrite_nodes(maker *m, const tn_NodeDef_list *from, const bindings *b, int depth, tn_NodeDef_list *to,
                             tn_error *err);

/* Name and bindings as one text, so that equal calls share an instance. */
static tn_code key_of(maker *m, const tn_FunctionDef *f, const bindings *b, char **out, tn_error *err)
{
    tn_buf key = {0};
    tn_code code = TN_OK;
    tn_buf_printf(&key, "%.*s", (int)f->signature->name.n, f->signature->name.p);
    for (uint32_t i = 0; code == TN_OK && i < f->signature->attr.n; i++) {
        tn_buf bytes = {0};
        const tn_AttrValue *v = binding(b, f->signature->attr.items[i].name);
        if (v) code = TN_ENCODE(AttrValue, v, &bytes, err);
        if (code == TN_OK && bytes.n > LONGEST_BINDING)
            code = tn_fail(err, TN_RESOURCE_EXHAUSTED, "an attribute of a polymorphic function of %zu bytes", bytes.n);
        tn_buf_printf(&key, ";");
        for (size_t k = 0; code == TN_OK && k < bytes.n; k++) tn_buf_printf(&key, "%02x", (unsigned char)bytes.data[k]);
        tn_buf_free(&bytes);
    }
    if (code == TN_OK) code = tn_buf_check(&key, err);
    *out = code == TN_OK ? tn_arena_strndup(m->arena, key.data, key.n) : NULL;
    tn_buf_free(&key);
    return code == TN_OK && !*out ? tn_no_memory(err, 0) : code;
}

static tn_code bind_arguments(maker *m, const bindings *b, tn_ArgDef_list *args, tn_error *err)
{
    tn_ArgDef_list bound = {0};
    for (uint32_t i = 0; i < args->n; i++) {
        tn_ArgDef *arg = TN_PUSH(m->arena, &bound);
        if (!arg) return tn_no_memory(err, sizeof *arg);
        *arg = args->items[i];
        const tn_AttrValue *v = arg->type_attr.n ? binding(b, arg->type_attr) : NULL;
        if (!v || v->value_case != TN_AttrValue_type) continue;
        arg->type = v->type;
        arg->type_attr = (tn_view){0};
    }
    *args = bound;
    return TN_OK;
}

static tn_code new_name(maker *m, const tn_FunctionDef *f, tn_view *out, tn_error *err)
{
    for (int i = 1;; i++) {
        char *name = tn_arena_printf(m->arena, "%.*s_%d", (int)f->signature->name.n, f->signature->name.p, i);
        if (!name) return tn_no_memory(err, 0);
        if (tn_map_has(m->names, name)) continue;
        *out = tn_view_of(name);
        return tn_map_put(m->names, name, m) ? TN_OK : tn_no_memory(err, 0);
    }
}

/* The instance's name. */
static tn_code instance(maker *m, const tn_FunctionDef *f, const tn_AttrEntry_list *given, int depth, tn_view *out,
                        tn_error *err)
{
    char *key = NULL;
    bindings b = {given, f};
    TN_TRY(key_of(m, f, &b, &key, err));
    const tn_OpDef *known = tn_map_get(m->made, key);
    if (known) {
        *out = known->name;
        return TN_OK;
    }
    if (m->out.n >= MOST_INSTANCES || depth >= MOST_NESTED)
        return tn_fail(err, TN_UNIMPLEMENTED, "polymorphic functions call each other too often, '%.*s' among them",
                       (int)TN_MIN(f->signature->name.n, 200), f->signature->name.p);
    tn_OpDef *signature = TN_NEW(m->arena, tn_OpDef);
    if (!signature) return tn_no_memory(err, sizeof *signature);
    *signature = *f->signature;
    TN_TRY(new_name(m, f, &signature->name, err));
    if (!tn_map_put(m->made, key, signature)) return tn_no_memory(err, 0);
    tn_FunctionDef made = *f;
    made.signature = signature;
    signature->attr.n = 0;
    TN_TRY(bind_arguments(m, &b, &signature->input_arg, err));
    TN_TRY(bind_arguments(m, &b, &signature->output_arg, err));
    TN_TRY(rewrite_nodes(m, &f->node_def, &b, depth + 1, &made.node_def, err));
    tn_FunctionDef *to = TN_PUSH(m->arena, &m->out);
    if (!to) return tn_no_memory(err, sizeof *to);
    *to = made;
    *out = signature->name;
    return TN_OK;
}

/* ==== nodes ==== */

static tn_code rewrite_attrs(maker *m, const tn_AttrEntry_list *from, const bindings *b, const tn_FunctionDef *called,
                             int depth, tn_AttrEntry_list *to, tn_error *err);

/* A function by name, with attributes of its own: of an instance when it is a general one. */
static tn_code rewrite_function(maker *m, const tn_NameAttrList *from, const bindings *b, int depth,
                                tn_NameAttrList *to, tn_error *err)
{
    tn_AttrEntry_list bound;
    *to = *from;
    TN_TRY(rewrite_attrs(m, &from->attr, b, NULL, depth, &bound, err));
    const tn_FunctionDef *f = tn_map_get_view(m->general, from->name);
    if (!f) {
        to->attr = bound;
        return TN_OK;
    }
    TN_TRY(instance(m, f, &bound, depth, &to->name, err));
    return rewrite_attrs(m, &bound, NULL, f, depth, &to->attr, err);
}

static tn_code rewrite_value(maker *m, const tn_AttrValue *from, const bindings *b, int depth, const tn_AttrValue **to,
                             tn_error *err)
{
    *to = from;
    if (from->value_case == TN_AttrValue_placeholder) {
        const tn_AttrValue *v = b ? binding(b, from->placeholder) : NULL;
        if (v) *to = v;
        return TN_OK;
    }
    bool is_list = from->value_case == TN_AttrValue_list && from->list && from->list->func.n;
    if (!is_list && (from->value_case != TN_AttrValue_func || !from->func)) return TN_OK;
    tn_AttrValue *v = TN_NEW(m->arena, tn_AttrValue);
    if (!v) return tn_no_memory(err, sizeof *v);
    *v = *from;
    *to = v;
    if (!is_list) {
        if (!(v->func = TN_NEW(m->arena, tn_NameAttrList))) return tn_no_memory(err, sizeof *v->func);
        return rewrite_function(m, from->func, b, depth, v->func, err);
    }
    if (!(v->list = TN_NEW(m->arena, tn_AttrValue_ListValue))) return tn_no_memory(err, sizeof *v->list);
    *v->list = *from->list;
    v->list->func = (tn_NameAttrList_list){0};
    for (uint32_t i = 0; i < from->list->func.n; i++) {
        tn_NameAttrList *f = TN_PUSH(m->arena, &v->list->func);
        if (!f) return tn_no_memory(err, sizeof *f);
        TN_TRY(rewrite_function(m, &from->list->func.items[i], b, depth, f, err));
    }
    return TN_OK;
}

/* Without what an instance of `called` has bound. */
static tn_code rewrite_attrs(maker *m, const tn_AttrEntry_list *from, const bindings *b, const tn_FunctionDef *called,
                             int depth, tn_AttrEntry_list *to, tn_error *err)
{
    *to = (tn_AttrEntry_list){0};
    for (uint32_t i = 0; i < from->n; i++) {
        const tn_AttrValue *v = from->items[i].value;
        if (called && is_declared(called, from->items[i].key)) continue;
        if (v) TN_TRY(rewrite_value(m, v, b, depth, &v, err));
        tn_AttrEntry *e = TN_PUSH(m->arena, to);
        if (!e) return tn_no_memory(err, sizeof *e);
        *e = from->items[i];
        e->value = (tn_AttrValue *)v;
    }
    return TN_OK;
}

static tn_code rewrite_nodes(maker *m, const tn_NodeDef_list *from, const bindings *b, int depth, tn_NodeDef_list *to,
                             tn_error *err)
{
    tn_NodeDef_list made = {0};
    for (uint32_t i = 0; i < from->n; i++) {
        tn_NodeDef *n = TN_PUSH(m->arena, &made);
        if (!n) return tn_no_memory(err, sizeof *n);
        *n = from->items[i];
        TN_TRY(rewrite_attrs(m, &from->items[i].attr, b, NULL, depth, &n->attr, err));
        const tn_FunctionDef *f = tn_map_get_view(m->general, n->op);
        if (!f) continue;
        tn_AttrEntry_list bound = n->attr;
        TN_TRY(instance(m, f, &bound, depth, &n->op, err));
        TN_TRY(rewrite_attrs(m, &bound, NULL, f, depth, &n->attr, err));
    }
    *to = made;
    return TN_OK;
}

/* ==== the whole ==== */

static tn_code rewrite_graph(maker *m, const tn_GraphDef *def, tn_GraphDef *to, tn_error *err)
{
    TN_TRY(rewrite_nodes(m, &def->node, NULL, 0, &to->node, err));
    for (uint32_t i = 0; i < def->library->function.n; i++) {
        const tn_FunctionDef *f = &def->library->function.items[i];
        if (is_general(f)) continue;
        tn_FunctionDef made = *f;
        TN_TRY(rewrite_nodes(m, &f->node_def, NULL, 0, &made.node_def, err));
        tn_FunctionDef *at = TN_PUSH(m->arena, &m->out);
        if (!at) return tn_no_memory(err, sizeof *at);
        *at = made;
    }
    to->library->function = m->out;
    return TN_OK;
}

static tn_code find_general(maker *m, const tn_FunctionDefLibrary *library, int *n, tn_error *err)
{
    for (uint32_t i = 0; i < library->function.n; i++) {
        tn_FunctionDef *f = &library->function.items[i];
        if (!f->signature) continue;
        if (!tn_map_put_view(m->names, f->signature->name, f)) return tn_no_memory(err, 0);
        if (!is_general(f)) continue;
        if (!tn_map_put_view(m->general, f->signature->name, f)) return tn_no_memory(err, 0);
        ++*n;
    }
    return TN_OK;
}

tn_code tn_library_instantiate(const tn_GraphDef *def, tn_arena *a, const tn_GraphDef **out, tn_error *err)
{
    int n = 0;
    maker m = {.arena = a, .general = tn_map_new(), .names = tn_map_new(), .made = tn_map_new()};
    tn_GraphDef *to = TN_NEW(a, tn_GraphDef);
    tn_FunctionDefLibrary *library = TN_NEW(a, tn_FunctionDefLibrary);
    tn_code code = m.general && m.names && m.made && to && library ? TN_OK : tn_no_memory(err, 0);
    *out = def;
    if (code == TN_OK && def->library) code = find_general(&m, def->library, &n, err);
    if (code == TN_OK && n) {
        *to = *def;
        *library = *def->library;
        to->library = library;
        code = rewrite_graph(&m, def, to, err);
        *out = to;
    }
    tn_map_free(m.general);
    tn_map_free(m.names);
    tn_map_free(m.made);
    return code;
}
