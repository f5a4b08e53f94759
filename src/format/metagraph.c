/* SPDX-License-Identifier: Apache-2.0
 *
 * metagraph.c - reads a MetaGraph: a graph with its collections, signatures, tags and assets. Writing one
 * is metagraph_write.c's.
 */
#include "metagraph.h"

#define FILE_LIMIT ((size_t)INT32_MAX)

static const char *text(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

static tn_code take_tags(tn_metagraph *m, tn_error *err)
{
    if (!m->def->meta_info_def) return TN_OK;
    const tn_view_list *list = &m->def->meta_info_def->tags;
    const char **tags = TN_ARRAY(m->arena, list->n + 1, const char *);
    if (!tags) return tn_no_memory(err, list->n * sizeof *tags);
    for (uint32_t i = 0; i < list->n; i++)
        if (!(tags[i] = text(m->arena, list->items[i]))) return tn_no_memory(err, list->items[i].n);
    m->tags = tags;
    m->n_tags = (int)list->n;
    return TN_OK;
}

/* TensorFlow 1 has them in a collection. */
static tn_code assets_in_collection(const tn_MetaGraphDef *def, tn_arena *a, tn_AssetFileDef_list *out, tn_error *err)
{
    const tn_CollectionDefEntry *e = TN_FIND(&def->collection_def, TN_ASSETS_COLLECTION);
    if (!e || e->value->kind_case != TN_CollectionDef_any_list) return TN_OK;
    for (uint32_t i = 0; i < e->value->any_list->value.n; i++) {
        tn_AssetFileDef *p, *to = TN_PUSH(a, out);
        if (!to) return tn_no_memory(err, sizeof *to);
        TN_TRY(TN_DECODE(AssetFileDef, e->value->any_list->value.items[i].value, a, &p, err));
        *to = *p;
    }
    return TN_OK;
}

/* One that is there twice counts once, the last time. */
static tn_code take_asset(tn_metagraph *m, const tn_AssetFileDef *p, tn_asset *assets, tn_map *by_tensor, tn_error *err)
{
    tn_asset asset = {text(m->arena, p->tensor_info ? p->tensor_info->name : (tn_view){0}),
                      text(m->arena, p->filename)};
    if (!asset.tensor || !asset.filename) return tn_no_memory(err, p->filename.n);
    tn_asset *to = tn_map_get(by_tensor, asset.tensor);
    if (!to) to = &assets[m->n_assets++];
    *to = asset;
    return tn_map_put(by_tensor, asset.tensor, to) ? TN_OK : tn_no_memory(err, 0);
}

static tn_code take_assets(tn_metagraph *m, tn_error *err)
{
    tn_AssetFileDef_list collected = {0};
    const tn_AssetFileDef_list *list = &m->def->asset_file_def;
    if (!list->n) TN_TRY(assets_in_collection(m->def, m->arena, &collected, err));
    if (!list->n) list = &collected;
    tn_asset *assets = TN_ARRAY(m->arena, list->n + 1, tn_asset);
    tn_map *by_tensor = tn_map_new();
    tn_code code = assets && by_tensor ? TN_OK : tn_no_memory(err, list->n * sizeof *assets);
    for (uint32_t i = 0; code == TN_OK && i < list->n; i++)
        code = take_asset(m, &list->items[i], assets, by_tensor, err);
    tn_map_free(by_tensor);
    m->assets = assets;
    return code;
}

static tn_view init_op_in(const tn_MetaGraphDef *def, const char *collection)
{
    const tn_CollectionDefEntry *e = TN_FIND(&def->collection_def, collection);
    if (!e || e->value->kind_case != TN_CollectionDef_node_list || !e->value->node_list->value.n)
        return (tn_view){0};
    return e->value->node_list->value.items[0];
}

/* TensorFlow 2 names it in a signature, TensorFlow 1 in one of two collections. */
static tn_code take_init_op(tn_metagraph *m, tn_error *err)
{
    const tn_SignatureDefEntry *s = TN_FIND(&m->def->signature_def, TN_INIT_OP_SIGNATURE);
    const tn_TensorInfoEntry *out = s ? TN_FIND(&s->value->outputs, TN_INIT_OP_SIGNATURE) : NULL;
    tn_view name = out && out->value->encoding_case == TN_TensorInfo_name ? out->value->name : (tn_view){0};
    if (!name.n) name = init_op_in(m->def, TN_MAIN_OP);
    if (!name.n) name = init_op_in(m->def, TN_LEGACY_INIT_OP);
    if (!name.n) return TN_OK;
    const char *colon = memchr(name.p, ':', name.n);
    if (colon) name.n = (size_t)(colon - name.p);
    m->init_op = text(m->arena, name);
    return m->init_op ? TN_OK : tn_no_memory(err, name.n);
}

static tn_code take_restore_op(tn_metagraph *m, tn_error *err)
{
    tn_view name = m->def->saver_def ? m->def->saver_def->restore_op_name : (tn_view){0};
    if (!name.n) return TN_OK;
    const char *colon = memchr(name.p, ':', name.n);
    if (colon) name.n = (size_t)(colon - name.p);
    m->restore_op = text(m->arena, name);
    return m->restore_op ? TN_OK : tn_no_memory(err, name.n);
}

static tn_code take_texts(tn_metagraph *m, tn_error *err)
{
    tn_signature *signatures;
    TN_TRY(take_tags(m, err));
    TN_TRY(take_assets(m, err));
    TN_TRY(take_restore_op(m, err));
    TN_TRY(take_init_op(m, err));
    TN_TRY(tn_signatures_from_proto(m->def, m->arena, &signatures, &m->n_signatures, err));
    m->signatures = signatures;
    return TN_OK;
}

static tn_code take_graph(tn_metagraph *m, tn_error *err)
{
    m->graph = tn_graph_new();
    if (!m->graph) return tn_no_memory(err, 0);
    if (m->def->graph_def) TN_TRY(tn_graphdef_import(m->def->graph_def, NULL, m->graph, err));
    m->def->graph_def = NULL;
    return tn_collections_import(m->def, m->graph, m->arena, err);
}

tn_code tn_metagraph_take(tn_metagraph *m, tn_error *err)
{
    TN_TRY(take_texts(m, err));
    return take_graph(m, err);
}

/* What is left of the message besides its graph, without what only saving needs: read again, into memory of its own. */
static tn_code slim(tn_metagraph *m, tn_error *err)
{
    tn_MetaGraphDef kept = *m->def, *def;
    tn_MetaInfoDef info = {0};
    tn_buf bytes = {0};
    kept.object_graph_def = NULL;
    if (kept.meta_info_def) {
        info = *kept.meta_info_def;
        info.stripped_op_list = NULL;
        kept.meta_info_def = &info;
    }
    tn_arena *a = tn_arena_new(0);
    tn_code code = a ? TN_ENCODE(MetaGraphDef, &kept, &bytes, err) : tn_no_memory(err, 0);
    char *copy = code == TN_OK ? tn_arena_strndup(a, bytes.n ? bytes.data : "", bytes.n) : NULL;
    if (code == TN_OK) code = copy ? TN_DECODE(MetaGraphDef, ((tn_view){copy, bytes.n}), a, &def, err)
                                   : tn_no_memory(err, bytes.n);
    tn_buf_free(&bytes);
    if (code != TN_OK) {
        tn_arena_free(a);
        return code;
    }
    tn_arena_free(m->arena);
    tn_file_unmap(&m->file);
    m->arena = a;
    m->def = def;
    return TN_OK;
}

static void forget_shapes(tn_GraphDef *def)
{
    tn_nodes_forget_shapes(&def->node);
    for (uint32_t i = 0; def->library && i < def->library->function.n; i++)
        tn_nodes_forget_shapes(&def->library->function.items[i].node_def);
}

/* The graph that signatures are answered by; the message goes with what else it says. */
static tn_code take_to_ask(tn_metagraph *m, tn_error *err)
{
    if (m->def->graph_def) TN_TRY(tn_library_keep_called(m->def->graph_def, err));
    if (m->def->graph_def) forget_shapes(m->def->graph_def);
    TN_TRY(take_graph(m, err));
    TN_TRY(slim(m, err));
    return take_texts(m, err);
}

tn_code tn_metagraph_of(tn_MetaGraphDef *def, tn_arena *a, tn_mapped *file, bool to_ask, tn_metagraph **out,
                        tn_error *err)
{
    tn_metagraph *m = tn_calloc(1, sizeof *m);
    if (!m) {
        tn_arena_free(a);
        tn_file_unmap(file);
        return tn_no_memory(err, sizeof *m);
    }
    m->def = def;
    m->arena = a;
    m->file = *file;
    *file = (tn_mapped){0};
    const tn_mapped *before = tn_file_spend_enter(&m->file);
    tn_code code = to_ask ? take_to_ask(m, err) : tn_metagraph_take(m, err);
    tn_file_spend_enter(before);
    tn_file_forget(&m->file); /* constants are copies by now */
    if (code != TN_OK) {
        tn_metagraph_free(m);
        return code;
    }
    *out = m;
    return TN_OK;
}

void tn_metagraph_free(tn_metagraph *m)
{
    if (!m) return;
    tn_graph_free(m->graph);
    tn_arena_free(m->arena);
    tn_file_unmap(&m->file);
    tn_free(m);
}

static tn_code load_bytes(const char *path, bool to_ask, tn_metagraph **out, tn_error *err)
{
    tn_mapped file;
    tn_MetaGraphDef *def;
    TN_TRY(tn_file_map_limited(path, FILE_LIMIT, &file, err));
    tn_arena *a = tn_arena_new(0);
    tn_view view = {(const char *)file.data, file.n};
    tn_code code = a ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK)
        code = tn_is_text_proto(view) ? TN_PARSE(MetaGraphDef, view, a, &def, err)
                                      : TN_DECODE(MetaGraphDef, view, a, &def, err);
    if (code == TN_OK) return tn_metagraph_of(def, a, &file, to_ask, out, err);
    tn_arena_free(a);
    tn_file_unmap(&file);
    return code;
}

static tn_code load(const char *path, bool to_ask, tn_metagraph **out, tn_error *err)
{
    tn_code code = load_bytes(path, to_ask, out, err);
    if (code != TN_OK && code != TN_NOT_FOUND) tn_wrap(err, "%s", path);
    return code;
}

tn_code tn_metagraph_load(const char *path, tn_metagraph **out, tn_error *err)
{
    return load(path, false, out, err);
}

tn_code tn_metagraph_load_to_ask(const char *path, tn_metagraph **out, tn_error *err)
{
    return load(path, true, out, err);
}

const tn_signature *tn_metagraph_signature(const tn_metagraph *m, const char *name)
{
    for (int i = 0; i < m->n_signatures; i++)
        if (!strcmp(m->signatures[i].name, name)) return &m->signatures[i];
    return NULL;
}
