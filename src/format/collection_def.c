/* SPDX-License-Identifier: Apache-2.0
 *
 * collection_def.c - CollectionDef messages <-> a graph's collections; VariableDefs <-> its variables.
 * Collections of other kinds (numbers, Any) stay in the message they came in.
 */
#include "metagraph.h"

#define LOCAL_VARIABLES "local_variables"

/* These hold VariableDefs in a file, and names of registered variables in a graph. */
static bool holds_variables(const char *name)
{
    static const char *const names[] = {TN_GLOBAL_VARIABLES, TN_TRAINABLE_VARIABLES,
                                        LOCAL_VARIABLES,     "global_step",
                                        "model_variables",   "moving_average_variables"};
    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (!strcmp(name, names[i])) return true;
    return false;
}

/* ---- from the message ---- */

static const tn_CollectionDef *find_collection(const tn_MetaGraphDef *def, const char *name)
{
    const tn_CollectionDefEntry *e = TN_FIND(&def->collection_def, name);
    return e ? e->value : NULL;
}

static const char *text(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

static tn_code register_variable(tn_view bytes, const char *collection, tn_map *trainable, tn_graph *g,
                                 tn_arena *a, tn_error *err)
{
    tn_VariableDef *p;
    TN_TRY(TN_DECODE(VariableDef, bytes, a, &p, err));
    tn_view name = p->variable_name;
    const char *colon = name.n ? memchr(name.p, ':', name.n) : NULL;
    tn_variable_info v = {.name = text(a, colon ? (tn_view){name.p, (size_t)(colon - name.p)} : name),
                          .initializer_name = text(a, p->initializer_name),
                          .snapshot_name = text(a, p->snapshot_name),
                          .initial_value_name = text(a, p->initial_value_name),
                          .is_resource = p->is_resource,
                          .trainable = tn_map_get_view(trainable, name) != NULL,
                          .local = !strcmp(collection, LOCAL_VARIABLES),
                          .def = bytes};
    if (!v.name || !v.initializer_name || !v.snapshot_name || !v.initial_value_name)
        return tn_no_memory(err, name.n);
    if (tn_graph_variable(g, v.name)) return TN_OK; /* a variable may be listed twice */
    return tn_graph_add_variable(g, &v, err);
}

/* The names in trainable_variables. */
static tn_code list_trainable(const tn_MetaGraphDef *def, tn_map *out, tn_arena *a, tn_error *err)
{
    const tn_CollectionDef *c = find_collection(def, TN_TRAINABLE_VARIABLES);
    if (!c || c->kind_case != TN_CollectionDef_bytes_list) return TN_OK;
    for (uint32_t i = 0; i < c->bytes_list->value.n; i++) {
        tn_VariableDef *v;
        TN_TRY(TN_DECODE(VariableDef, c->bytes_list->value.items[i], a, &v, err));
        if (!tn_map_put_view(out, v->variable_name, out)) return tn_no_memory(err, v->variable_name.n);
    }
    return TN_OK;
}

static tn_code register_all(const tn_MetaGraphDef *def, const char *collection, tn_map *trainable,
                            tn_graph *g, tn_arena *a, tn_error *err)
{
    const tn_CollectionDef *c = find_collection(def, collection);
    if (!c || c->kind_case != TN_CollectionDef_bytes_list) return TN_OK;
    for (uint32_t i = 0; i < c->bytes_list->value.n; i++) {
        tn_code code = register_variable(c->bytes_list->value.items[i], collection, trainable, g, a, err);
        if (code == TN_OK) continue;
        tn_wrap(err, "collection '%s', item %u", collection, (unsigned)i);
        return code;
    }
    return TN_OK;
}

static tn_code import_items(const tn_CollectionDefEntry *e, tn_graph *g, tn_arena *a, tn_error *err)
{
    const char *name = text(a, e->key);
    const tn_CollectionDef *c = e->value;
    if (!name) return tn_no_memory(err, e->key.n);
    if (c->kind_case == TN_CollectionDef_bytes_list) {
        for (uint32_t i = 0; i < c->bytes_list->value.n; i++)
            TN_TRY(tn_collection_add_bytes(g, name, c->bytes_list->value.items[i], err));
    } else if (c->kind_case == TN_CollectionDef_node_list) {
        for (uint32_t i = 0; i < c->node_list->value.n; i++) {
            const char *item = text(a, c->node_list->value.items[i]);
            if (!item) return tn_no_memory(err, c->node_list->value.items[i].n);
            TN_TRY(tn_collection_add(g, name, item, err));
        }
    }
    return TN_OK;
}

static bool was_registered(const tn_CollectionDefEntry *e)
{
    return e->value->kind_case == TN_CollectionDef_bytes_list &&
           (tn_view_is(e->key, TN_GLOBAL_VARIABLES) || tn_view_is(e->key, TN_TRAINABLE_VARIABLES) ||
            tn_view_is(e->key, LOCAL_VARIABLES));
}

tn_code tn_collections_import(const tn_MetaGraphDef *def, tn_graph *g, tn_arena *a, tn_error *err)
{
    tn_map *trainable = tn_map_new();
    if (!trainable) return tn_no_memory(err, 0);
    tn_code code = list_trainable(def, trainable, a, err);
    if (code == TN_OK) code = register_all(def, TN_GLOBAL_VARIABLES, trainable, g, a, err);
    if (code == TN_OK) code = register_all(def, LOCAL_VARIABLES, trainable, g, a, err);
    if (code == TN_OK) code = register_all(def, TN_TRAINABLE_VARIABLES, trainable, g, a, err);
    tn_map_free(trainable);
    for (uint32_t i = 0; code == TN_OK && i < def->collection_def.n; i++) {
        const tn_CollectionDefEntry *e = &def->collection_def.items[i];
        if (!was_registered(e)) code = import_items(e, g, a, err);
    }
    return code;
}

/* ---- to the message ---- */

static tn_code variable_bytes(const tn_variable_info *v, tn_arena *a, tn_view *out, tn_error *err)
{
    if (v->def.n) {
        *out = v->def;
        return TN_OK;
    }
    char *name = tn_arena_printf(a, "%s:0", v->name);
    if (!name) return tn_no_memory(err, strlen(v->name));
    tn_VariableDef p = {.variable_name = tn_view_of(name),
                        .initializer_name = tn_view_of(v->initializer_name),
                        .snapshot_name = tn_view_of(v->snapshot_name),
                        .initial_value_name = tn_view_of(v->initial_value_name),
                        .is_resource = v->is_resource,
                        .trainable = v->trainable};
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(VariableDef, &p, &bytes, err);
    char *copy = code == TN_OK ? tn_arena_strndup(a, bytes.data, bytes.n) : NULL;
    if (copy)
        *out = (tn_view){copy, bytes.n};
    else if (code == TN_OK)
        code = tn_no_memory(err, bytes.n);
    tn_buf_free(&bytes);
    return code;
}

static const tn_variable_info *named_variable(const tn_graph *g, const char *value, tn_arena *a)
{
    const char *colon = strrchr(value, ':');
    char *name = tn_arena_strndup(a, value, colon ? (size_t)(colon - value) : strlen(value));
    return name ? tn_graph_variable(g, name) : NULL;
}

static tn_code export_variables(const tn_graph *g, const char *name, tn_arena *a, tn_CollectionDef *out,
                                tn_error *err)
{
    tn_CollectionDef_BytesList *list = TN_NEW(a, tn_CollectionDef_BytesList);
    if (!list) return tn_no_memory(err, sizeof *list);
    TN_SET(out, CollectionDef, kind, bytes_list) = list;
    for (int i = 0; i < tn_collection_count(g, name); i++) {
        const tn_variable_info *v = named_variable(g, tn_collection_at(g, name, i), a);
        if (!v) continue; /* all were asked before */
        tn_view *item = TN_PUSH(a, &list->value);
        if (!item) return tn_no_memory(err, sizeof *item);
        TN_TRY(variable_bytes(v, a, item, err));
    }
    return TN_OK;
}

static tn_code export_bytes(const tn_graph *g, const char *name, tn_arena *a, tn_CollectionDef *out,
                            tn_error *err)
{
    tn_CollectionDef_BytesList *list = TN_NEW(a, tn_CollectionDef_BytesList);
    if (!list) return tn_no_memory(err, sizeof *list);
    TN_SET(out, CollectionDef, kind, bytes_list) = list;
    for (int i = 0; i < tn_collection_count(g, name); i++) {
        tn_view *item = TN_PUSH(a, &list->value);
        if (!item) return tn_no_memory(err, sizeof *item);
        *item = tn_collection_bytes_at(g, name, i);
    }
    return TN_OK;
}

static tn_code export_names(const tn_graph *g, const char *name, tn_arena *a, tn_CollectionDef *out,
                            tn_error *err)
{
    tn_CollectionDef_NodeList *list = TN_NEW(a, tn_CollectionDef_NodeList);
    if (!list) return tn_no_memory(err, sizeof *list);
    TN_SET(out, CollectionDef, kind, node_list) = list;
    for (int i = 0; i < tn_collection_count(g, name); i++) {
        tn_view *item = TN_PUSH(a, &list->value);
        if (!item) return tn_no_memory(err, sizeof *item);
        *item = tn_view_of(tn_collection_at(g, name, i));
    }
    return TN_OK;
}

static bool all_variables(const tn_graph *g, const char *name, tn_arena *a)
{
    for (int i = 0; i < tn_collection_count(g, name); i++)
        if (!named_variable(g, tn_collection_at(g, name, i), a)) return false;
    return true;
}

static tn_code export_collection(const tn_graph *g, const char *name, tn_arena *a, tn_CollectionDef *out,
                                 tn_error *err)
{
    if (tn_collection_is_bytes(g, name)) return export_bytes(g, name, a, out, err);
    if (holds_variables(name) && all_variables(g, name, a)) return export_variables(g, name, a, out, err);
    return export_names(g, name, a, out, err);
}

tn_code tn_collections_export(const tn_graph *g, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    for (int i = 0; i < tn_collection_kinds(g); i++) {
        const char *name = tn_collection_name(g, i);
        if (!tn_collection_count(g, name)) continue;
        tn_CollectionDefEntry *e = TN_PUSH(a, &out->collection_def);
        if (!e || !(e->value = TN_NEW(a, tn_CollectionDef))) return tn_no_memory(err, sizeof *e);
        e->key = tn_view_of(name);
        TN_TRY(export_collection(g, name, a, e->value, err));
    }
    return TN_OK;
}
