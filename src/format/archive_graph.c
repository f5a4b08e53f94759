/* SPDX-License-Identifier: Apache-2.0
 *
 * archive_graph.c - one MetaGraph to be looked into: nodes, functions, operators, collections as its message
 * has them; variables and missing operators as the graph made of it has them.
 *
 * Invariant: a graph that cannot be made keeps nobody from seeing the rest.
 */
#include "archive.h"
#include "../graph/op.h"

#include <stdlib.h>
#include <sys/stat.h>

static const char *text(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

static tn_code texts(tn_arena *a, const tn_view_list *list, const char *const **out, tn_error *err)
{
    const char **v = TN_ARRAY(a, list->n + 1, const char *);
    if (!v) return tn_no_memory(err, list->n * sizeof *v);
    for (uint32_t i = 0; i < list->n; i++)
        if (!(v[i] = text(a, list->items[i]))) return tn_no_memory(err, list->items[i].n);
    *out = v;
    return TN_OK;
}

/* ==== nodes and functions ==== */

static tn_code take_nodes(tn_arena *a, const tn_NodeDef_list *list, const tn_graph_node **out, int *n,
                          tn_error *err)
{
    tn_graph_node *v = TN_ARRAY(a, list->n + 1, tn_graph_node);
    if (!v) return tn_no_memory(err, list->n * sizeof *v);
    for (uint32_t i = 0; i < list->n; i++) {
        const tn_NodeDef *p = &list->items[i];
        v[i] = (tn_graph_node){text(a, p->name), text(a, p->op), text(a, p->device), NULL, (int)p->input.n};
        if (!v[i].name || !v[i].op || !v[i].device) return tn_no_memory(err, 0);
        TN_TRY(texts(a, &p->input, &v[i].inputs, err));
    }
    *out = v;
    *n = (int)list->n;
    return TN_OK;
}

static const char *gradient_of(tn_arena *a, const tn_FunctionDefLibrary *lib, tn_view name)
{
    for (uint32_t i = 0; i < lib->gradient.n; i++)
        if (tn_view_eq(lib->gradient.items[i].function_name, name))
            return text(a, lib->gradient.items[i].gradient_func);
    return NULL;
}

static tn_code take_functions(tn_arena *a, const tn_FunctionDefLibrary *lib, tn_meta_graph_info *out,
                              tn_error *err)
{
    uint32_t n = lib ? lib->function.n : 0;
    tn_function_info *v = TN_ARRAY(a, n + 1, tn_function_info);
    if (!v) return tn_no_memory(err, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) {
        const tn_FunctionDef *f = &lib->function.items[i];
        const tn_OpDef *s = f->signature;
        v[i] = (tn_function_info){.name = text(a, s ? s->name : (tn_view){0}),
                                  .gradient = s ? gradient_of(a, lib, s->name) : NULL,
                                  .n_inputs = s ? (int)s->input_arg.n : 0,
                                  .n_outputs = s ? (int)s->output_arg.n : 0};
        if (!v[i].name) return tn_no_memory(err, 0);
        TN_TRY(take_nodes(a, &f->node_def, &v[i].nodes, &v[i].n_nodes, err));
    }
    out->functions = v;
    out->n_functions = (int)n;
    return TN_OK;
}

/* ==== operators ==== */

static tn_code count_ops(tn_arena *a, tn_map *counts, const tn_graph_node *v, int n, bool in_graph,
                         tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_operator_count *c = tn_map_get(counts, v[i].op);
        if (!c) {
            c = TN_NEW(a, tn_operator_count);
            if (!c || !tn_map_put(counts, v[i].op, c)) return tn_no_memory(err, sizeof *c);
            c->op = v[i].op;
        }
        *(in_graph ? &c->in_graph : &c->in_functions) += 1;
    }
    return TN_OK;
}

static int by_op(const void *x, const void *y)
{
    return strcmp(((const tn_operator_count *)x)->op, ((const tn_operator_count *)y)->op);
}

static tn_code sum_ops(tn_arena *a, tn_map *counts, tn_meta_graph_info *out, tn_error *err)
{
    TN_TRY(count_ops(a, counts, out->nodes, out->n_nodes, true, err));
    for (int i = 0; i < out->n_functions; i++)
        TN_TRY(count_ops(a, counts, out->functions[i].nodes, out->functions[i].n_nodes, false, err));
    for (int i = 0; i < out->n_functions; i++) {
        tn_operator_count *c = tn_map_get(counts, out->functions[i].name);
        if (c) c->is_function = true;
    }
    size_t n = tn_map_count(counts);
    tn_operator_count *v = TN_ARRAY(a, n + 1, tn_operator_count);
    if (!v) return tn_no_memory(err, n * sizeof *v);
    for (size_t i = 0; i < n; i++) {
        v[i] = *(tn_operator_count *)tn_map_value(counts, i);
        v[i].is_missing = !v[i].is_function && !tn_op_find(v[i].op);
    }
    qsort(v, n, sizeof *v, by_op);
    out->ops = v;
    out->n_ops = (int)n;
    return TN_OK;
}

static tn_code take_ops(tn_arena *a, tn_meta_graph_info *out, tn_error *err)
{
    tn_map *counts = tn_map_new();
    if (!counts) return tn_no_memory(err, 0);
    tn_code code = sum_ops(a, counts, out, err);
    tn_map_free(counts);
    return code;
}

/* ==== collections and the Saver ==== */

static const char *item_text(tn_arena *a, tn_view bytes)
{
    tn_VariableDef *v;
    if (TN_DECODE(VariableDef, bytes, a, &v, NULL) == TN_OK && v->variable_name.n && v->initializer_name.n &&
        !v->unknown_fields.n)
        return text(a, v->variable_name);
    return tn_arena_printf(a, "(%zu bytes)", bytes.n);
}

static const char *number_text(tn_arena *a, const tn_CollectionDef *c, uint32_t i)
{
    char number[32];
    if (c->kind_case == TN_CollectionDef_int64_list)
        return tn_arena_printf(a, "%lld", (long long)c->int64_list->value.items[i]);
    tn_format_float(number, c->float_list->value.items[i]);
    return tn_arena_strdup(a, number);
}

static const char *item_of(tn_arena *a, const tn_CollectionDef *c, uint32_t i)
{
    switch (c->kind_case) {
    case TN_CollectionDef_node_list: return text(a, c->node_list->value.items[i]);
    case TN_CollectionDef_bytes_list: return item_text(a, c->bytes_list->value.items[i]);
    case TN_CollectionDef_any_list: return text(a, c->any_list->value.items[i].type_url);
    default: return number_text(a, c, i);
    }
}

static uint32_t collection_size(const tn_CollectionDef *c, const char **kind)
{
    switch (c->kind_case) {
    case TN_CollectionDef_node_list: *kind = "node_list"; return c->node_list->value.n;
    case TN_CollectionDef_bytes_list: *kind = "bytes_list"; return c->bytes_list->value.n;
    case TN_CollectionDef_any_list: *kind = "any_list"; return c->any_list->value.n;
    case TN_CollectionDef_int64_list: *kind = "int64_list"; return c->int64_list->value.n;
    case TN_CollectionDef_float_list: *kind = "float_list"; return c->float_list->value.n;
    default: *kind = ""; return 0;
    }
}

static tn_code take_collections(tn_arena *a, const tn_MetaGraphDef *def, tn_meta_graph_info *out,
                                tn_error *err)
{
    uint32_t n = def->collection_def.n;
    tn_collection_info *v = TN_ARRAY(a, n + 1, tn_collection_info);
    if (!v) return tn_no_memory(err, n * sizeof *v);
    for (uint32_t i = 0; i < n; i++) {
        const tn_CollectionDef *c = def->collection_def.items[i].value;
        v[i].name = text(a, def->collection_def.items[i].key);
        v[i].n = (int)collection_size(c, &v[i].kind);
        const char **items = TN_ARRAY(a, v[i].n + 1, const char *);
        if (!items || !v[i].name) return tn_no_memory(err, (size_t)v[i].n * sizeof *items);
        for (int k = 0; k < v[i].n; k++)
            if (!(items[k] = item_of(a, c, (uint32_t)k))) return tn_no_memory(err, 0);
        v[i].items = items;
    }
    out->collections = v;
    out->n_collections = (int)n;
    return TN_OK;
}

static tn_code take_saver(tn_arena *a, const tn_SaverDef *p, tn_meta_graph_info *out, tn_error *err)
{
    if (!p) return TN_OK;
    const char *version = tn_proto_value_name(&tn_proto_enum_CheckpointFormatVersion, p->version);
    tn_saver_info *s = TN_NEW(a, tn_saver_info);
    if (!s) return tn_no_memory(err, sizeof *s);
    *s = (tn_saver_info){text(a, p->filename_tensor_name),
                         text(a, p->save_tensor_name),
                         text(a, p->restore_op_name),
                         version ? version : "",
                         p->max_to_keep,
                         p->sharded,
                         (double)p->keep_checkpoint_every_n_hours};
    if (!s->filename_tensor || !s->save_tensor || !s->restore_op) return tn_no_memory(err, 0);
    out->saver = s;
    return TN_OK;
}

static tn_code take_message(tn_arena *a, const tn_MetaGraphDef *def, tn_meta_graph_info *out, tn_error *err)
{
    const tn_MetaInfoDef *info = def->meta_info_def;
    const tn_GraphDef *g = def->graph_def;
    static const tn_NodeDef_list none;
    out->tensorflow_version = text(a, info ? info->tensorflow_version : (tn_view){0});
    out->git_version = text(a, info ? info->tensorflow_git_version : (tn_view){0});
    if (!out->tensorflow_version || !out->git_version) return tn_no_memory(err, 0);
    out->producer = g && g->versions ? g->versions->producer : 0;
    out->min_consumer = g && g->versions ? g->versions->min_consumer : 0;
    TN_TRY(take_nodes(a, g ? &g->node : &none, &out->nodes, &out->n_nodes, err));
    TN_TRY(take_functions(a, g ? g->library : NULL, out, err));
    TN_TRY(take_ops(a, out, err));
    TN_TRY(take_collections(a, def, out, err));
    return take_saver(a, def->saver_def, out, err);
}

/* ==== what the graph says ==== */

static tn_code take_assets(tn_arena *a, const char *folder, const tn_metagraph *m, tn_meta_graph_info *out,
                           tn_error *err)
{
    tn_asset_info *v = TN_ARRAY(a, m->n_assets + 1, tn_asset_info);
    if (!v) return tn_no_memory(err, (size_t)m->n_assets * sizeof *v);
    for (int i = 0; i < m->n_assets; i++) {
        struct stat st;
        char *path = tn_arena_printf(a, "%s/assets/%s", folder ? folder : ".", m->assets[i].filename);
        if (!path) return tn_no_memory(err, 0);
        v[i] = (tn_asset_info){m->assets[i].tensor, m->assets[i].filename,
                               stat(path, &st) == 0 ? st.st_size : -1};
    }
    out->assets = v;
    out->n_assets = m->n_assets;
    return TN_OK;
}

static tn_code take_variables(tn_arena *a, const tn_metagraph *m, tn_meta_graph_info *out, tn_error *err)
{
    tn_saved_variable *v;
    int n;
    TN_TRY(tn_variables_of(m->graph, m->restore_op, a, &v, &n, NULL, err));
    tn_variable_entry *to = TN_ARRAY(a, n + 1, tn_variable_entry);
    if (!to) return tn_no_memory(err, (size_t)n * sizeof *to);
    for (int i = 0; i < n; i++)
        to[i] = (tn_variable_entry){v[i].name,  v[i].op,    v[i].key,      v[i].dtype,
                                    v[i].shape, v[i].local, v[i].has_slice};
    out->variables = to;
    out->n_variables = n;
    return TN_OK;
}

static tn_code take_signatures(tn_arena *a, const tn_metagraph *m, bool usable, tn_meta_graph_info *out,
                               tn_error *err)
{
    tn_signature_info *v = TN_ARRAY(a, m->n_signatures + 1, tn_signature_info);
    if (!v) return tn_no_memory(err, (size_t)m->n_signatures * sizeof *v);
    out->signatures = v;
    for (int i = 0; i < m->n_signatures; i++) {
        tn_error why = {TN_OK, ""};
        const tn_signature *s = &m->signatures[i];
        tn_missing *missing = NULL;
        TN_TRY(tn_loaded_signature_of(s, a, &v[i].signature, err));
        out->n_signatures = i + 1;
        if (!usable) continue;
        tn_code code = tn_signature_missing(m, s, &missing, &v[i].n_missing, &why);
        v[i].missing = missing;
        if (code != TN_OK && !(v[i].problem = tn_arena_strdup(a, why.message))) return tn_no_memory(err, 0);
    }
    return TN_OK;
}

static tn_code take_missing(const tn_metagraph *m, tn_meta_graph_info *out, tn_error *err)
{
    tn_missing *missing;
    TN_TRY(tn_metagraph_missing(m, &missing, &out->n_missing, err));
    out->missing = missing;
    return TN_OK;
}

tn_code tn_archive_graph_of(tn_MetaGraphDef *def, const char *folder, tn_metagraph *m,
                            tn_meta_graph_info *out, tn_error *err)
{
    tn_arena *a = m->arena;
    tn_error why = {TN_OK, ""};
    m->def = def;
    TN_TRY(take_message(a, def, out, err));
    tn_code code = tn_metagraph_take(m, &why);
    if (code == TN_OK) code = take_variables(a, m, out, &why);
    out->tags = m->tags;
    out->n_tags = m->n_tags;
    out->init_op = m->init_op;
    TN_TRY(take_assets(a, folder, m, out, err));
    TN_TRY(take_signatures(a, m, code == TN_OK, out, err));
    if (code == TN_OK) code = take_missing(m, out, &why);
    if (code == TN_OK) return TN_OK;
    out->problem_code = code;
    out->problem = tn_arena_strdup(a, why.message);
    return out->problem ? TN_OK : tn_no_memory(err, 0);
}
