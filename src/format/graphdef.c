/* SPDX-License-Identifier: Apache-2.0
 *
 * graphdef.c - GraphDef as a whole: message <-> graph, bytes and files. Nodes are graphdef_nodes.c's,
 * functions function_def.c's.
 */
#include "graphdef.h"

#define FILE_LIMIT ((size_t)INT32_MAX) /* protobuf's own */

/* ---- from the message ---- */

#define CONSTANTS_LIMIT ((size_t)1 << 31) /* bytes of constants, beyond twice those of the file */

static tn_code import(const tn_GraphDef *def, const char *prefix, tn_graph *g, tn_error *err)
{
    if (def->versions && def->versions->min_consumer > TN_GRAPH_PRODUCER)
        return tn_fail(err, TN_UNIMPLEMENTED, "the graph needs version %d; this understands %d",
                       (int)def->versions->min_consumer, TN_GRAPH_PRODUCER);
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    bool has_prefix = prefix && *prefix;
    char *scope = has_prefix ? tn_arena_printf(a, "%s/", prefix) : tn_arena_strdup(a, "");
    tn_map *signatures = NULL;
    tn_code code = scope ? tn_library_instantiate(def, a, &def, err) : tn_no_memory(err, 0);
    if (code == TN_OK && def->library) code = tn_library_import(def->library, g, err);
    if (code == TN_OK) code = tn_library_signatures(def->library, &signatures, err);
    tn_node_import c = {.graph = g, .prefix = scope, .signatures = signatures, .arena = a};
    if (code == TN_OK) code = tn_nodes_import(&c, &def->node, err);
    tn_map_free(signatures);
    tn_arena_free(a);
    return code;
}

/* A constant of one repeated value is small in a file, however large it is. All of a graph's are kept below a limit
 * together: the caller's budget, or one of their own. */
tn_code tn_graphdef_import(const tn_GraphDef *def, const char *prefix, tn_graph *g, tn_error *err)
{
    tn_budget *callers = tn_budget_now(), *mine = NULL;
    tn_code code = TN_OK;
    if (!callers) {
        size_t size = tn_proto_size(tn_proto_named(TN_VIEW("tensorflow.GraphDef")), def);
        if (!(mine = tn_budget_new(CONSTANTS_LIMIT + 2 * size))) code = tn_no_memory(err, 0);
    }
    tn_budget_enter(callers ? callers : mine);
    if (code == TN_OK) code = import(def, prefix, g, err);
    tn_budget_enter(callers);
    tn_budget_free(mine);
    return code;
}

static tn_code import_new(const tn_GraphDef *def, tn_graph **out, tn_error *err)
{
    tn_graph *g = tn_graph_new();
    if (!g) return tn_no_memory(err, 0);
    tn_code code = tn_graphdef_import(def, NULL, g, err);
    if (code != TN_OK) {
        tn_graph_free(g);
        return code;
    }
    *out = g;
    return TN_OK;
}

tn_code tn_graphdef_decode(tn_view bytes, tn_graph **out, tn_error *err)
{
    tn_GraphDef *def;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_DECODE(GraphDef, bytes, a, &def, err);
    if (code == TN_OK) code = import_new(def, out, err);
    tn_arena_free(a);
    return code;
}

static tn_code parse_text(tn_view text, tn_graph **out, tn_error *err)
{
    tn_GraphDef *def;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = TN_PARSE(GraphDef, text, a, &def, err);
    if (code == TN_OK) code = import_new(def, out, err);
    tn_arena_free(a);
    return code;
}

/* A binary GraphDef begins with the tag of one of its fields (0x0a, 0x12, 0x18, 0x22); a text has no other
 * control characters than white space. 0x0a begins either: then a text has no zero bytes. */
bool tn_is_text_proto(tn_view bytes)
{
    size_t n = TN_MIN(bytes.n, 4096);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        if (c < 32 && c != '\n' && c != '\t' && c != '\r') return false;
    }
    return n > 0;
}

tn_code tn_graphdef_load(const char *path, tn_graph **out, tn_error *err)
{
    tn_mapped file;
    TN_TRY(tn_file_map_limited(path, FILE_LIMIT, &file, err));
    tn_view view = {(const char *)file.data, file.n};
    const tn_mapped *before = tn_file_spend_enter(&file);
    tn_code code = tn_is_text_proto(view) ? parse_text(view, out, err) : tn_graphdef_decode(view, out, err);
    tn_file_spend_enter(before);
    tn_file_unmap(&file);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

/* ---- to the message ---- */

static tn_code export_nodes(const tn_graph *g, tn_arena *a, tn_GraphDef *def, tn_error *err)
{
    for (int i = 0; i < tn_graph_count(g); i++) {
        tn_NodeDef *n = TN_PUSH(a, &def->node);
        if (!n) return tn_no_memory(err, sizeof *n);
        TN_TRY(tn_node_export(tn_graph_at(g, i), false, a, n, err));
    }
    return TN_OK;
}

tn_code tn_graphdef_export(const tn_graph *g, tn_arena *a, tn_GraphDef **out, tn_error *err)
{
    tn_GraphDef *def = TN_NEW(a, tn_GraphDef);
    tn_VersionDef *versions = TN_NEW(a, tn_VersionDef);
    tn_FunctionDefLibrary *library = TN_NEW(a, tn_FunctionDefLibrary);
    if (!def || !versions || !library) return tn_no_memory(err, sizeof *def);
    TN_TRY(export_nodes(g, a, def, err));
    TN_TRY(tn_library_export(g, a, library, err));
    if (library->function.n) def->library = library;
    *versions = (tn_VersionDef){.producer = TN_GRAPH_PRODUCER, .min_consumer = TN_GRAPH_MIN_CONSUMER};
    def->versions = versions;
    *out = def;
    return TN_OK;
}

static tn_code export_bytes(const tn_graph *g, bool text, tn_buf *out, tn_error *err)
{
    tn_GraphDef *def;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = tn_graphdef_export(g, a, &def, err);
    if (code == TN_OK) code = text ? TN_PRINT(GraphDef, def, out, err) : TN_ENCODE(GraphDef, def, out, err);
    tn_arena_free(a);
    return code;
}

tn_code tn_graphdef_encode(const tn_graph *g, tn_buf *out, tn_error *err)
{
    return export_bytes(g, false, out, err);
}

tn_code tn_graphdef_save(const tn_graph *g, const char *path, tn_error *err)
{
    size_t n = strlen(path);
    bool text = n > 6 && !strcmp(path + n - 6, ".pbtxt");
    tn_buf bytes = {0};
    tn_code code = export_bytes(g, text, &bytes, err);
    if (code == TN_OK) code = tn_file_write(path, bytes.data, bytes.n, err);
    tn_buf_free(&bytes);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}
