/* SPDX-License-Identifier: Apache-2.0
 *
 * archive.c - SavedModels, MetaGraphs and GraphDefs opened to be looked into: which of them a file is, and
 * its MetaGraphs. Nothing is restored or run. What is said of one MetaGraph is archive_graph.c's.
 */
#include "archive.h"

struct tn_archive {
    tn_arena *arena;
    tn_mapped file;
    tn_archive_kind kind;
    const char *folder; /* of a SavedModel */
    tn_MetaGraphDef *defs;
    tn_metagraph *graphs;
    tn_meta_graph_info *infos;
    int n;
};

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* ==== which message it is ==== */

static tn_code read_message(tn_archive *a, const tn_proto_message *m, void **out, tn_error *err)
{
    tn_view view = {(const char *)a->file.data, a->file.n};
    return tn_is_text_proto(view) ? tn_proto_parse(m, view, a->arena, out, err)
                                  : tn_proto_decode(m, view, a->arena, NULL, out, err);
}

/* A message of another kind, taken for a GraphDef, has nodes without operators. */
static bool is_plausible(const tn_GraphDef *g)
{
    for (uint32_t i = 0; i < g->node.n; i++)
        if (!g->node.items[i].name.n || !g->node.items[i].op.n) return false;
    return g->node.n || g->versions || g->library || !g->unknown_fields.n;
}

static tn_code as_graph(tn_archive *a, bool *fits, tn_error *err)
{
    tn_GraphDef *g;
    TN_TRY(read_message(a, TN_PROTO(GraphDef), (void **)&g, err));
    *fits = is_plausible(g);
    a->kind = TN_ARCHIVE_GRAPH;
    a->defs = TN_NEW(a->arena, tn_MetaGraphDef);
    if (!a->defs) return tn_no_memory(err, sizeof *a->defs);
    a->defs->graph_def = g;
    a->n = 1;
    return TN_OK;
}

static tn_code as_meta_graph(tn_archive *a, bool *fits, tn_error *err)
{
    TN_TRY(read_message(a, TN_PROTO(MetaGraphDef), (void **)&a->defs, err));
    *fits = a->defs->graph_def && is_plausible(a->defs->graph_def);
    a->kind = TN_ARCHIVE_META_GRAPH;
    a->n = 1;
    return TN_OK;
}

static tn_code as_saved_model(tn_archive *a, bool *fits, tn_error *err)
{
    tn_SavedModel *s;
    TN_TRY(read_message(a, TN_PROTO(SavedModel), (void **)&s, err));
    *fits = s->meta_graphs.n > 0;
    a->kind = TN_ARCHIVE_SAVED_MODEL;
    a->defs = s->meta_graphs.items;
    a->n = (int)s->meta_graphs.n;
    return TN_OK;
}

/* What its name promises first; an error is that of the first. */
static tn_code read_kinds(tn_archive *a, const char *path, tn_error *err)
{
    typedef tn_code (*reader)(tn_archive *, bool *, tn_error *);
    static const reader model[] = {as_saved_model}, meta[] = {as_meta_graph, as_graph, as_saved_model},
                        graph[] = {as_graph, as_meta_graph, as_saved_model};
    const reader *order = a->folder ? model : ends_in(path, ".meta") ? meta : graph;
    size_t n = a->folder ? TN_COUNT(model) : TN_COUNT(meta);
    for (size_t i = 0; i < n; i++) {
        bool fits = false;
        tn_code code = order[i](a, &fits, NULL);
        if (code == TN_OK && fits) return TN_OK;
        if (code == TN_RESOURCE_EXHAUSTED) break;
    }
    bool fits = false;
    TN_TRY(order[0](a, &fits, err));
    return fits ? TN_OK : tn_fail(err, TN_DATA_LOSS, "neither a GraphDef nor a MetaGraph nor a SavedModel");
}

/* ==== opening ==== */

static tn_code find_file(tn_archive *a, const char *path, const char **out, tn_error *err)
{
    *out = path;
    bool named = ends_in(path, "saved_model.pb") || ends_in(path, "saved_model.pbtxt");
    if (!tn_is_folder(path)) {
        a->folder = named ? tn_path_dir(a->arena, path) : NULL;
        return !named || a->folder ? TN_OK : tn_no_memory(err, 0);
    }
    char *binary = tn_path_join(a->arena, path, "saved_model.pb"),
         *text = tn_path_join(a->arena, path, "saved_model.pbtxt");
    a->folder = tn_arena_strdup(a->arena, path);
    if (!binary || !text || !a->folder) return tn_no_memory(err, 0);
    *out = !tn_file_exists(binary) && tn_file_exists(text) ? text : binary;
    return TN_OK;
}

static tn_code open_all(tn_archive *a, const char *path, tn_error *err)
{
    const char *file;
    TN_TRY(find_file(a, path, &file, err));
    TN_TRY(tn_file_map(file, &a->file, err));
    tn_code code = read_kinds(a, file, err);
    if (code != TN_OK) {
        tn_wrap(err, "%s", file);
        return code;
    }
    a->graphs = TN_ARRAY(a->arena, a->n + 1, tn_metagraph);
    a->infos = TN_ARRAY(a->arena, a->n + 1, tn_meta_graph_info);
    if (!a->graphs || !a->infos) return tn_no_memory(err, (size_t)a->n * sizeof *a->infos);
    for (int i = 0; i < a->n; i++) {
        a->graphs[i].arena = a->arena;
        TN_TRY(tn_archive_graph_of(&a->defs[i], a->folder, &a->graphs[i], &a->infos[i], err));
    }
    return TN_OK;
}

tn_code tn_archive_open(const char *path, tn_archive **out, tn_error *err)
{
    tn_archive *a = tn_calloc(1, sizeof *a);
    tn_code code = a && (a->arena = tn_arena_new(0)) ? TN_OK : tn_no_memory(err, sizeof *a);
    if (code == TN_OK) code = open_all(a, path, err);
    if (code != TN_OK) {
        tn_archive_close(a);
        return code;
    }
    *out = a;
    return TN_OK;
}

void tn_archive_close(tn_archive *a)
{
    if (!a) return;
    for (int i = 0; i < a->n && a->graphs && a->infos; i++) {
        const tn_meta_graph_info *info = &a->infos[i];
        for (int k = 0; k < info->n_signatures; k++)
            tn_missing_free((tn_missing *)info->signatures[k].missing);
        tn_missing_free((tn_missing *)info->missing);
        tn_graph_free(a->graphs[i].graph);
    }
    tn_file_unmap(&a->file);
    tn_arena_free(a->arena);
    tn_free(a);
}

tn_archive_kind tn_archive_kind_of(const tn_archive *a)
{
    return a->kind;
}

int tn_archive_count(const tn_archive *a)
{
    return a->n;
}

const tn_meta_graph_info *tn_archive_at(const tn_archive *a, int i)
{
    return &a->infos[i];
}
