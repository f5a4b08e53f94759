/* SPDX-License-Identifier: Apache-2.0
 *
 * metagraph_write.c - makes and writes a MetaGraph of a graph: nodes, functions, collections, signatures,
 * and the part that saves and restores (saver_nodes.c).
 */
#include "metagraph.h"

static tn_code set_info(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    tn_MetaInfoDef *info = TN_NEW(a, tn_MetaInfoDef);
    if (!info) return tn_no_memory(err, sizeof *info);
    info->tensorflow_version = TN_VIEW(TN_TENSORFLOW_VERSION);
    info->tensorflow_git_version = TN_VIEW("turnery " TN_VERSION);
    for (int i = 0; i < e->n_tags; i++) {
        tn_view *tag = TN_PUSH(a, &info->tags);
        if (!tag) return tn_no_memory(err, sizeof *tag);
        *tag = tn_view_of(e->tags[i]);
    }
    out->meta_info_def = info;
    return TN_OK;
}

static tn_code set_assets(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    for (int i = 0; i < e->n_assets; i++) {
        tn_AssetFileDef *p = TN_PUSH(a, &out->asset_file_def);
        if (!p || !(p->tensor_info = TN_NEW(a, tn_TensorInfo))) return tn_no_memory(err, sizeof *p);
        tn_tensor_info t = {.name = e->assets[i].tensor, .dtype = TN_STRING};
        TN_TRY(tn_tensor_info_to_proto(&t, a, p->tensor_info, err));
        p->filename = tn_view_of(e->assets[i].filename);
    }
    return TN_OK;
}

static tn_code set_init_op(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    if (!e->init_op || TN_FIND(&out->collection_def, TN_MAIN_OP)) return TN_OK;
    if (!tn_graph_operation(e->graph, e->init_op))
        return tn_fail(err, TN_INVALID_ARGUMENT, "the initialization '%s' is not in the graph", e->init_op);
    tn_CollectionDefEntry *c = TN_PUSH(a, &out->collection_def);
    if (!c || !(c->value = TN_NEW(a, tn_CollectionDef))) return tn_no_memory(err, sizeof *c);
    tn_CollectionDef_NodeList *list = TN_NEW(a, tn_CollectionDef_NodeList);
    tn_view *item = list ? TN_PUSH(a, &list->value) : NULL;
    if (!item) return tn_no_memory(err, sizeof *list);
    c->key = TN_VIEW(TN_MAIN_OP);
    *item = tn_view_of(e->init_op);
    TN_SET(c->value, CollectionDef, kind, node_list) = list;
    return TN_OK;
}

/* Collections that a graph does not hold: numbers and messages of any kind. */
static tn_code keep_collections(const tn_export *e, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    for (uint32_t i = 0; e->base && i < e->base->collection_def.n; i++) {
        const tn_CollectionDefEntry *from = &e->base->collection_def.items[i];
        int32_t kind = from->value->kind_case;
        if (kind == TN_CollectionDef_node_list || kind == TN_CollectionDef_bytes_list) continue;
        tn_CollectionDefEntry *to = TN_PUSH(a, &out->collection_def);
        if (!to) return tn_no_memory(err, sizeof *to);
        *to = *from;
    }
    return TN_OK;
}

static tn_code check_signatures(const tn_export *e, tn_error *err)
{
    for (int i = 0; i < e->n_signatures; i++) {
        const tn_signature *s = &e->signatures[i];
        for (int k = 0; k < s->n_in + s->n_out; k++) {
            const tn_tensor_info *t = k < s->n_in ? &s->in[k] : &s->out[k - s->n_in];
            tn_node value;
            if (!t->name || tn_graph_value(e->graph, t->name, &value, err) == TN_OK) continue;
            tn_wrap(err, "signature '%s': '%s'", s->name, t->key);
            return TN_INVALID_ARGUMENT;
        }
    }
    return TN_OK;
}

tn_code tn_metagraph_export(const tn_export *e, tn_arena *a, tn_MetaGraphDef **out, tn_error *err)
{
    tn_MetaGraphDef *m = TN_NEW(a, tn_MetaGraphDef);
    if (!m) return tn_no_memory(err, sizeof *m);
    TN_TRY(check_signatures(e, err));
    TN_TRY(set_info(e, a, m, err));
    TN_TRY(tn_graphdef_export(e->graph, a, &m->graph_def, err));
    TN_TRY(tn_collections_export(e->graph, a, m, err));
    TN_TRY(keep_collections(e, a, m, err));
    TN_TRY(tn_signatures_to_proto(e->signatures, e->n_signatures, a, m, err));
    TN_TRY(set_assets(e, a, m, err));
    TN_TRY(set_init_op(e, a, m, err));
    if (!e->no_saver) TN_TRY(tn_saver_nodes_add(e, a, m, err));
    *out = m;
    return TN_OK;
}

tn_code tn_metagraph_save(const tn_export *e, const char *path, tn_error *err)
{
    tn_MetaGraphDef *m;
    tn_buf bytes = {0};
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? tn_metagraph_export(e, a, &m, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = TN_ENCODE(MetaGraphDef, m, &bytes, err);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    if (code == TN_OK) code = tn_file_write(path, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    tn_arena_free(a);
    return code;
}
