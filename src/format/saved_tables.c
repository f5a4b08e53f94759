/* SPDX-License-Identifier: Apache-2.0
 *
 * saved_tables.c - what a graph's Saver keeps that is no variable: tables (MutableHashTable), tree ensembles,
 * boundaries of buckets. RestoreV2 -> LookupTableImportV2 and its like, with one or several tensors each, in the graph
 * itself or (TensorFlow 2) in the function that restores. Which key is whose, and variables, are variables.c's.
 *
 *     t, save/RestoreV2:0, save/RestoreV2:1 -> save/t_table_restore/LookupTableImportV2
 */
#include "metagraph.h"

typedef struct kind {
    const char *what, *import,
        *reader; /* operators; the reader's outputs are the import's inputs after the first */
} kind;

static const kind KINDS[] = {
    {"table", "LookupTableImportV2", "LookupTableExportV2"},
    {"trees", "BoostedTreesDeserializeEnsemble", "BoostedTreesSerializeEnsemble"},
    {"quantiles", "BoostedTreesQuantileStreamResourceDeserialize",
     "BoostedTreesQuantileStreamResourceGetBucketBoundaries"},
};

static const kind *kind_of(const tn_operation *op)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcmp(op->type, KINDS[i].import)) return &KINDS[i];
    return NULL;
}

static bool is_import(const tn_operation *op)
{
    return kind_of(op) != NULL;
}

static void drop(tn_tensor **t, int n)
{
    for (int i = 0; i < n; i++) tn_tensor_unref(t[i]);
}

/* ==== an operation of a function, run by itself ==== */

/* What is in a function can be neither fed nor fetched: a graph of that operation alone, on the same resource. */
typedef struct alone {
    tn_graph *graph;
    tn_session *session;
    tn_tensor *handle;
} alone;

static void alone_end(alone *x)
{
    tn_session_free(x->session);
    tn_graph_free(x->graph);
    tn_tensor_unref(x->handle);
}

static tn_code alone_fill(tn_graph *g, const char *type, tn_tensor *const *in, int n, const tn_attr *attrs, int n_attrs,
                          tn_error *err)
{
    tn_node *nodes = tn_calloc((size_t)n + 1, sizeof *nodes);
    tn_builder *b = tn_builder_new(g);
    if (nodes && b) {
        nodes[0] = tn_placeholder(b, "in_0", TN_RESOURCE, TN_SHAPE());
        for (int i = 0; i < n; i++) nodes[1 + i] = tn_placeholder(b, "in", in[i]->dtype, tn_shape_unknown());
        tn_add_operation(b, type, "op", nodes, n + 1, attrs, n_attrs);
    }
    tn_code code = nodes && b ? tn_builder_check(b, err) : tn_no_memory(err, 0);
    tn_builder_free(b);
    tn_free(nodes);
    return code;
}

/* The resource is `into` of the session's graph. */
static tn_code alone_begin(alone *x, const tn_restored *r, tn_session *s, const char *type, tn_tensor *const *in, int n,
                           const tn_attr *attrs, int n_attrs, tn_error *err)
{
    *x = (alone){.graph = tn_graph_new()};
    if (!x->graph) return tn_no_memory(err, 0);
    TN_TRY(tn_session_run(s, NULL, 0, &r->into->name, 1, &x->handle, NULL, 0, err));
    TN_TRY(alone_fill(x->graph, type, in, n, attrs, n_attrs, err));
    return tn_session_new(x->graph, &(tn_session_options){.threads = 1}, &x->session, err);
}

static tn_code import_alone(const tn_restored *r, tn_session *s, tn_tensor *const *content, tn_feed *feeds, tn_arena *a,
                            tn_error *err)
{
    alone x;
    const char *target = "op";
    tn_code code = alone_begin(&x, r, s, r->op->type, content, r->n, TN_NO_ATTRS, err);
    for (int i = 0; i <= r->n && code == TN_OK; i++) {
        const char *name = i < 2 ? (i ? "in" : "in_0") : tn_arena_printf(a, "in_%d", i - 1);
        feeds[i] = (tn_feed){name, i ? content[i - 1] : x.handle};
        if (!name) code = tn_no_memory(err, 0);
    }
    if (code == TN_OK) code = tn_session_run(x.session, feeds, r->n + 1, NULL, 0, NULL, &target, 1, err);
    alone_end(&x);
    return code;
}

/* Of tables only: what another reader has for attributes is not known. */
static tn_code export_alone(const tn_restored *r, tn_session *s, tn_tensor **out, tn_error *err)
{
    alone x;
    const char *names[] = {"op:0", "op:1"};
    const tn_attr types[] = {tn_attr_type("Tkeys", tn_attr_t(&r->into->attrs, "key_dtype")),
                             tn_attr_type("Tvalues", tn_attr_t(&r->into->attrs, "value_dtype"))};
    tn_code code = alone_begin(&x, r, s, kind_of(r->op)->reader, NULL, 0, types, 2, err);
    if (code == TN_OK) {
        tn_feed handle = {"in_0", x.handle};
        code = tn_session_run(x.session, &handle, 1, names, 2, out, NULL, 0, err);
    }
    alone_end(&x);
    return code;
}

/* ==== restoring ==== */

static tn_code import_content(const tn_restored *r, tn_session *s, tn_tensor *const *content, tn_feed *feeds,
                              tn_arena *a, tn_error *err)
{
    if (r->inside) return import_alone(r, s, content, feeds, a, err);
    for (int i = 0; i < r->n; i++) {
        feeds[i] = (tn_feed){tn_arena_printf(a, "%s:%d", r->values[i].op->name, r->values[i].index), content[i]};
        if (!feeds[i].name) return tn_no_memory(err, 0);
    }
    return tn_session_run(s, feeds, r->n, NULL, 0, NULL, &r->op->name, 1, err);
}

static tn_code restore_one(tn_bundle *b, const tn_restored *r, tn_session *s, bool may_lack, tn_arena *a,
                           tn_error *err)
{
    tn_tensor **content = TN_ARRAY(a, r->n, tn_tensor *);
    tn_feed *feeds = TN_ARRAY(a, r->n + 1, tn_feed);
    tn_code code = TN_OK;
    if (!content || !feeds) return tn_no_memory(err, 0);
    for (int i = 0; i < r->n; i++)
        if (may_lack && !tn_bundle_find(b, r->keys[i])) return TN_OK;
    for (int i = 0; i < r->n && code == TN_OK; i++) code = tn_bundle_read(b, r->keys[i], &content[i], err);
    if (code == TN_OK) code = import_content(r, s, content, feeds, a, err);
    if (code != TN_OK) tn_wrap(err, "%s '%s'", kind_of(r->op)->what, r->into->name);
    drop(content, r->n);
    return code;
}

tn_code tn_saved_tables_restore(tn_bundle *b, const tn_graph *g, tn_session *s, bool may_lack, tn_arena *a,
                                tn_error *err)
{
    const tn_restored *r;
    TN_TRY(tn_restored_contents(g, is_import, a, &r, err));
    for (; r; r = r->next) TN_TRY(restore_one(b, r, s, may_lack, a, err));
    return TN_OK;
}

/* ==== saving ==== */

/* What the Saver reads it with. */
static const tn_operation *reader_of(const tn_graph *g, const tn_restored *r)
{
    const char *reader = kind_of(r->op)->reader;
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!strcmp(op->type, reader) && op->n_in && op->in[0].op == r->into && op->n_out == r->n) return op;
    }
    return NULL;
}

static tn_code export_content(const tn_graph *g, const tn_restored *r, tn_session *s, tn_tensor **out, tn_arena *a,
                              tn_error *err)
{
    const tn_operation *reader = reader_of(g, r);
    if (!reader && r->inside && kind_of(r->op) == &KINDS[0] && r->n == 2) return export_alone(r, s, out, err);
    if (!reader)
        return tn_fail(err, TN_FAILED_PRECONDITION, "the graph does not say how the %s '%s' is saved",
                       kind_of(r->op)->what, r->into->name);
    const char **names = TN_ARRAY(a, r->n, const char *);
    if (!names) return tn_no_memory(err, 0);
    for (int i = 0; i < r->n; i++)
        if (!(names[i] = tn_arena_printf(a, "%s:%d", reader->name, i))) return tn_no_memory(err, 0);
    return tn_session_run(s, NULL, 0, names, r->n, out, NULL, 0, err);
}

static tn_code add_one(tn_bundle_writer *w, const tn_graph *g, const tn_restored *r, tn_session *s, tn_map *written,
                       tn_arena *a, tn_error *err)
{
    tn_tensor **out = TN_ARRAY(a, r->n, tn_tensor *);
    if (!out) return tn_no_memory(err, 0);
    tn_code code = export_content(g, r, s, out, a, err);
    for (int i = 0; i < r->n && code == TN_OK; i++) {
        code = tn_bundle_add(w, r->keys[i], out[i], err);
        if (code == TN_OK && written && !tn_map_put(written, r->keys[i], (void *)r)) code = tn_no_memory(err, 0);
    }
    drop(out, r->n);
    return code;
}

tn_code tn_saved_tables_add(tn_bundle_writer *w, const tn_graph *g, tn_session *s, tn_map *written, tn_arena *a,
                            tn_error *err)
{
    const tn_restored *r;
    TN_TRY(tn_restored_contents(g, is_import, a, &r, err));
    for (; r; r = r->next) TN_TRY(add_one(w, g, r, s, written, a, err));
    return TN_OK;
}
