/* SPDX-License-Identifier: Apache-2.0
 *
 * show_model.c - `turnery show` of SavedModels, MetaGraphs and GraphDefs: signatures, variables, operators,
 * collections, functions, and what of it can be run here.
 */
#include "show.h"

#include <string.h>

enum { FEW_NODES = 40 }; /* so many are listed without being asked for */

/* ==== signatures ==== */

static void value_rows(const char *key, const tn_loaded_value *v, int n, facts *f)
{
    facts_list(f, key);
    for (int i = 0; i < n; i++) {
        facts_object(f, NULL);
        facts_text(f, "key", v[i].key);
        facts_text(f, "dtype", dtype_text(v[i].dtype));
        facts_shape(f, "shape", &v[i].shape);
        facts_text(f, "tensor", v[i].name);
        if (v[i].values) {
            facts_text(f, "values", v[i].values);
            facts_text(f, "indices", v[i].indices);
            facts_text(f, "dense_shape", v[i].dense_shape);
        }
        facts_end(f);
    }
    facts_end(f);
}

static void missing_rows(const char *key, const tn_missing *m, int n, facts *f)
{
    facts_list(f, key);
    for (int i = 0; i < n; i++) {
        facts_object(f, NULL);
        facts_text(f, "operator", m[i].type);
        facts_text(f, "node", m[i].node);
        facts_text(f, "function", m[i].function);
        facts_end(f);
    }
    facts_end(f);
}

static void signature_item(const tn_meta_graph_info *g, const tn_signature_info *s, facts *f)
{
    facts_object(f, NULL);
    facts_text(f, "name", s->signature.name);
    facts_text(f, "method", s->signature.method);
    facts_bool(f, "runs", !g->problem && !s->problem && !s->n_missing);
    if (s->problem) facts_text(f, "problem", s->problem);
    value_rows("inputs", s->signature.in, s->signature.n_in, f);
    value_rows("outputs", s->signature.out, s->signature.n_out, f);
    missing_rows("missing_operators", s->missing, s->n_missing, f);
    facts_end(f);
}

/* Each by itself: the table of one signature's inputs is as wide as they are. */
static void signature_facts(const tn_meta_graph_info *g, facts *f)
{
    facts_list(f, "signatures");
    for (int i = 0; i < g->n_signatures; i++) signature_item(g, &g->signatures[i], f);
    facts_end(f);
}

/* ==== variables, operators, the rest ==== */

static int64_t variable_bytes(const tn_variable_entry *v)
{
    int64_t n = tn_shape_count(&v->shape);
    return n < 0 || v->dtype == TN_STRING ? 0 : n * (int64_t)tn_dtype_size(v->dtype);
}

static void variable_facts(const tn_meta_graph_info *g, facts *f)
{
    int64_t sum = 0;
    for (int i = 0; i < g->n_variables; i++) sum += variable_bytes(&g->variables[i]);
    facts_int(f, "variables_count", g->n_variables);
    facts_size(f, "variables_bytes", sum);
    facts_list(f, "variables");
    for (int i = 0; i < g->n_variables; i++) {
        const tn_variable_entry *v = &g->variables[i];
        facts_object(f, NULL);
        facts_text(f, "name", v->name);
        facts_text(f, "dtype", dtype_text(v->dtype));
        facts_shape(f, "shape", &v->shape);
        facts_size(f, "bytes", variable_bytes(v));
        facts_text(f, "key", v->key);
        if (v->is_local) facts_text(f, "note", "local");
        if (v->is_slice) facts_text(f, "note", "a piece of a partitioned variable");
        facts_end(f);
    }
    facts_end(f);
}

static const char *op_note(const tn_operator_count *o)
{
    return o->is_missing ? "not supported" : o->is_function ? "function" : NULL;
}

static void operator_facts(const tn_meta_graph_info *g, facts *f)
{
    bool noted = false;
    for (int i = 0; i < g->n_ops; i++) noted |= op_note(&g->ops[i]) != NULL;
    facts_list(f, "operators");
    for (int i = 0; i < g->n_ops; i++) {
        const tn_operator_count *o = &g->ops[i];
        facts_object(f, NULL);
        facts_text(f, "operator", o->op);
        facts_int(f, "nodes", o->in_graph);
        if (g->n_functions) facts_int(f, "in_functions", o->in_functions);
        if (facts_json(f))
            facts_bool(f, "supported", !o->is_missing);
        else if (noted)
            facts_text(f, "note", op_note(o) ? op_note(o) : "");
        facts_end(f);
    }
    facts_end(f);
}

static void asset_facts(const tn_meta_graph_info *g, facts *f)
{
    facts_list(f, "assets");
    for (int i = 0; i < g->n_assets; i++) {
        facts_object(f, NULL);
        facts_text(f, "file", g->assets[i].filename);
        facts_text(f, "tensor", g->assets[i].tensor);
        if (g->assets[i].bytes >= 0)
            facts_size(f, "bytes", g->assets[i].bytes);
        else
            facts_null(f, "bytes");
        facts_end(f);
    }
    facts_end(f);
}

static void collection_facts(const tn_meta_graph_info *g, facts *f)
{
    facts_list(f, "collections");
    for (int i = 0; i < g->n_collections; i++) {
        const tn_collection_info *c = &g->collections[i];
        facts_object(f, NULL);
        facts_text(f, "name", c->name);
        facts_text(f, "kind", c->kind);
        facts_int(f, "size", c->n);
        facts_list(f, "items");
        for (int k = 0; k < c->n; k++) facts_text(f, NULL, c->items[k]);
        facts_end(f);
        facts_end(f);
    }
    facts_end(f);
}

static void saver_facts(const tn_meta_graph_info *g, facts *f)
{
    const tn_saver_info *s = g->saver;
    if (!s) return;
    facts_object(f, "saver");
    facts_text(f, "filename_tensor", s->filename_tensor);
    facts_text(f, "save_tensor", s->save_tensor);
    facts_text(f, "restore_op", s->restore_op);
    facts_int(f, "max_to_keep", s->max_to_keep);
    facts_bool(f, "sharded", s->sharded);
    facts_double(f, "keep_checkpoint_every_n_hours", s->keep_every_hours);
    facts_text(f, "version", s->version);
    facts_end(f);
}

/* ==== nodes ==== */

static void node_rows(const tn_graph_node *v, int n, facts *f)
{
    facts_list(f, "node_list");
    for (int i = 0; i < n; i++) {
        facts_object(f, NULL);
        facts_text(f, "name", v[i].name);
        facts_text(f, "operator", v[i].op);
        facts_list(f, "inputs");
        for (int k = 0; k < v[i].n_inputs; k++) facts_text(f, NULL, v[i].inputs[k]);
        facts_end(f);
        if (*v[i].device) facts_text(f, "device", v[i].device);
        facts_end(f);
    }
    facts_end(f);
}

/* With --nodes each with its body. */
static void function_facts(const show_values *v, const tn_meta_graph_info *g, facts *f)
{
    facts_list(f, "functions");
    for (int i = 0; i < g->n_functions; i++) {
        const tn_function_info *p = &g->functions[i];
        facts_object(f, NULL);
        facts_text(f, "name", p->name);
        facts_int(f, "inputs", p->n_inputs);
        facts_int(f, "outputs", p->n_outputs);
        facts_int(f, "nodes", p->n_nodes);
        if (p->gradient) facts_text(f, "gradient", p->gradient);
        if (v->nodes) node_rows(p->nodes, p->n_nodes, f);
        facts_end(f);
    }
    facts_end(f);
}

static void node_facts(const show_values *v, const tn_meta_graph_info *g, bool bare, facts *f)
{
    if (bare || v->nodes) scope_facts(v, g->nodes, g->n_nodes, f);
    if (v->nodes || (bare && (facts_json(f) || g->n_nodes <= FEW_NODES))) node_rows(g->nodes, g->n_nodes, f);
}

/* ==== a MetaGraph ==== */

static void version_facts(const tn_meta_graph_info *g, facts *f)
{
    if (*g->tensorflow_version) facts_text(f, "tensorflow_version", g->tensorflow_version);
    if (*g->git_version) facts_text(f, "tensorflow_git_version", g->git_version);
    facts_int(f, "producer", g->producer);
    facts_int(f, "min_consumer", g->min_consumer);
    facts_int(f, "nodes", g->n_nodes);
    facts_int(f, "functions_count", g->n_functions);
    if (g->init_op) facts_text(f, "init_op", g->init_op);
    if (g->problem) facts_text(f, "problem", g->problem);
}

static void meta_graph_facts(const show_values *v, const tn_meta_graph_info *g, bool bare, facts *f)
{
    version_facts(g, f);
    if (!bare) {
        signature_facts(g, f);
        variable_facts(g, f);
        asset_facts(g, f);
    }
    missing_rows("missing_operators", g->missing, g->n_missing, f);
    operator_facts(g, f);
    collection_facts(g, f);
    saver_facts(g, f);
    function_facts(v, g, f);
    node_facts(v, g, bare, f);
}

static tn_code problem_of(const tn_meta_graph_info *g, const char *path, tn_error *err)
{
    if (!g->problem) return TN_OK;
    snprintf(err->message, sizeof err->message, "%.200s: %.800s", path, g->problem);
    return err->code = g->problem_code;
}

/* ==== tags ==== */

static bool has_tag(const tn_meta_graph_info *g, const char *tag, size_t n)
{
    for (int i = 0; i < g->n_tags; i++)
        if (strlen(g->tags[i]) == n && !memcmp(g->tags[i], tag, n)) return true;
    return false;
}

/* Exactly these, as TensorFlow finds them; NULL: any. */
static bool has_tags(const tn_meta_graph_info *g, const char *wanted)
{
    int n = 0;
    if (!wanted) return true;
    for (const char *p = wanted; *p; n++) {
        size_t k = strcspn(p, ",");
        if (!has_tag(g, p, k)) return false;
        p += k + (p[k] == ',');
    }
    return n == g->n_tags;
}

static tn_code no_such_tags(const tn_archive *a, const char *wanted, tn_error *err)
{
    char there[700] = "";
    for (int i = 0; i < tn_archive_count(a); i++)
        for (int k = 0; k < tn_archive_at(a, i)->n_tags; k++) {
            size_t n = strlen(there);
            snprintf(there + n, sizeof there - n, "%s%s",
                     k   ? ","
                     : i ? "; "
                         : "",
                     tn_archive_at(a, i)->tags[k]);
        }
    usage_error(err, "no MetaGraph has the tags '%.200s'; there is: '%s'", wanted, there);
    return err->code = TN_NOT_FOUND;
}

static void tag_facts(const tn_meta_graph_info *g, facts *f)
{
    facts_list(f, "tags");
    for (int k = 0; k < g->n_tags; k++) facts_text(f, NULL, g->tags[k]);
    facts_end(f);
}

static tn_code all_meta_graphs(const show_values *v, const tn_archive *a, const char *path, facts *f,
                               tn_error *err)
{
    tn_error first = {TN_OK, ""}, why;
    int shown = 0;
    facts_list(f, "meta_graphs");
    for (int i = 0; i < tn_archive_count(a); i++) {
        const tn_meta_graph_info *g = tn_archive_at(a, i);
        if (!has_tags(g, v->tag_set)) continue;
        shown++;
        facts_object(f, NULL);
        tag_facts(g, f);
        meta_graph_facts(v, g, false, f);
        facts_end(f);
        if (problem_of(g, path, &why) != TN_OK) keep_first(&first, &why);
    }
    facts_end(f);
    if (!shown && first.code == TN_OK && v->tag_set) return no_such_tags(a, v->tag_set, err);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

/* ==== the kinds ==== */

static tn_code dot(const show_values *v, const tn_archive *a, tn_error *err)
{
    for (int i = 0; i < tn_archive_count(a); i++) {
        if (!has_tags(tn_archive_at(a, i), v->tag_set)) continue;
        print_dot(stdout, tn_archive_at(a, i));
        return TN_OK;
    }
    return no_such_tags(a, v->tag_set, err);
}

static bool fits_saved_model(const look *l)
{
    if (l->is_folder)
        return path_exists(l->path, "saved_model.pb") || path_exists(l->path, "saved_model.pbtxt");
    return l->exists && (ends_with(l->path, "saved_model.pb") || ends_with(l->path, "saved_model.pbtxt"));
}

/* Of a model that cannot be read there are still its variables. */
static void what_is_left(const show_values *v, const char *path, facts *f)
{
    char prefix[4096];
    tn_error err;
    if (snprintf(prefix, sizeof prefix, "%s/variables/variables", path) < (int)sizeof prefix)
        bundle_facts(v, prefix, f, &err);
}

/* The variables' file, tensor after tensor, without saying any of it unless one is damaged. */
static tn_code check_variables(const show_values *v, const char *path, facts *f, tn_error *err)
{
    char prefix[4096];
    tn_bundle *b;
    tn_error first = {TN_OK, ""};
    if (snprintf(prefix, sizeof prefix, "%s/variables/variables", path) >= (int)sizeof prefix) return TN_OK;
    if (!v->verify || !path_exists(path, "variables/variables.index")) return TN_OK;
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code != TN_OK) return code;
    facts_list(f, "damaged_variables");
    for (int i = 0; i < tn_bundle_count(b); i++) {
        tn_error why = {TN_OK, ""};
        tn_tensor *t;
        if (tn_bundle_read(b, tn_bundle_name(b, i), &t, &why) == TN_OK) {
            tn_tensor_unref(t);
            continue;
        }
        facts_object(f, NULL);
        facts_text(f, "tensor", tn_bundle_name(b, i));
        facts_text(f, "damage", why.message);
        facts_end(f);
        keep_first(&first, &why);
    }
    facts_end(f);
    tn_bundle_close(b);
    if (first.code != TN_OK) *err = first;
    return first.code;
}

static tn_code show_model(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_archive *a;
    bool is_folder = path_exists(path, ".");
    tn_code code = tn_archive_open(path, &a, err);
    if (code != TN_OK) {
        if (!v->dot && is_folder) what_is_left(v, path, f);
        return code;
    }
    if (v->dot) {
        code = dot(v, a, err);
    } else {
        tn_error damage = {TN_OK, ""};
        facts_size(f, "size", bytes_below(path));
        facts_int(f, "meta_graphs_count", tn_archive_count(a));
        code = all_meta_graphs(v, a, path, f, err);
        if (is_folder && check_variables(v, path, f, &damage) != TN_OK && code == TN_OK)
            code = (*err = damage).code;
    }
    tn_archive_close(a);
    return code;
}

static bool fits_graph(const look *l)
{
    if (l->is_folder || !l->exists) return false;
    return ends_with(l->path, ".meta") || ends_with(l->path, ".pb") || ends_with(l->path, ".pbtxt");
}

static tn_code show_graph(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_archive *a;
    tn_code code = tn_archive_open(path, &a, err);
    if (code != TN_OK) return code;
    bool bare = tn_archive_kind_of(a) == TN_ARCHIVE_GRAPH;
    const tn_meta_graph_info *g = tn_archive_count(a) ? tn_archive_at(a, 0) : NULL;
    if (v->dot) {
        code = dot(v, a, err);
    } else if (tn_archive_kind_of(a) == TN_ARCHIVE_SAVED_MODEL || !g) {
        code = all_meta_graphs(v, a, path, f, err);
    } else {
        facts_text(f, "message", bare ? "GraphDef" : "MetaGraphDef");
        facts_size(f, "size", bytes_below(path));
        if (g->n_tags) tag_facts(g, f);
        meta_graph_facts(v, g, bare, f);
        code = problem_of(g, path, err);
    }
    tn_archive_close(a);
    return code;
}

const show_kind show_saved_model = {"saved_model", fits_saved_model, show_model};
const show_kind show_graph_file = {"graph", fits_graph, show_graph};
