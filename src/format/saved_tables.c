/* SPDX-License-Identifier: Apache-2.0
 *
 * saved_tables.c - what a graph's Saver keeps that is no variable: tables (MutableHashTable), tree ensembles,
 * boundaries of buckets. RestoreV2 -> LookupTableImportV2 and its like in the graph itself, with one or
 * several tensors each. Variables are variables.c's.
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

typedef struct saved_table {
    const kind *kind;
    const tn_operation *table, *import;
    int n;
    const char **feeds; /* values of the graph: RestoreV2's */
    const char **keys;  /* of the checkpoint */
} saved_table;

/* ==== finding them ==== */

static const tn_tensor *constant(tn_node x)
{
    return x.op && !strcmp(x.op->type, "Const") ? tn_attr_get_tensor(&x.op->attrs, "value") : NULL;
}

/* The key under which RestoreV2 finds this output; NULL: it does not say, or is not RestoreV2. */
static const char *key_of(tn_node x, tn_arena *a)
{
    if (!x.op || strcmp(x.op->type, "RestoreV2") != 0 || x.op->n_in < 2) return NULL;
    const tn_tensor *names = constant(x.op->in[1]);
    if (!names || names->dtype != TN_STRING || x.index >= tn_tensor_count(names)) return NULL;
    const tn_string *s = &TN_STRINGS(names)[x.index];
    return tn_arena_strndup(a, s->n ? s->p : "", s->n);
}

static const kind *kind_of(const tn_operation *op)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (!strcmp(op->type, KINDS[i].import)) return &KINDS[i];
    return NULL;
}

static bool describe(const tn_operation *op, tn_arena *a, saved_table *out)
{
    *out = (saved_table){.kind = kind_of(op), .import = op, .n = op->n_in - 1};
    if (!out->kind || out->n < 1) return false;
    out->table = op->in[0].op;
    out->feeds = TN_ARRAY(a, out->n, const char *);
    out->keys = TN_ARRAY(a, out->n, const char *);
    bool known = out->table && out->feeds && out->keys;
    for (int i = 0; i < out->n && known; i++) {
        tn_node x = op->in[1 + i];
        out->keys[i] = key_of(x, a);
        out->feeds[i] = out->keys[i] ? tn_arena_printf(a, "%s:%d", x.op->name, x.index) : NULL;
        known = out->feeds[i];
    }
    return known;
}

/* Of several Savers the first counts. */
static tn_code list(const tn_graph *g, tn_arena *a, saved_table **out, int *n, tn_error *err)
{
    int count = 0;
    for (int i = 0; i < tn_graph_count(g); i++) count += kind_of(tn_graph_at(g, i)) != NULL;
    saved_table *v = TN_ARRAY(a, count + 1, saved_table);
    if (!v) return tn_no_memory(err, (size_t)count * sizeof *v);
    *n = 0;
    for (int i = 0; count && i < tn_graph_count(g); i++) {
        int k = 0;
        if (!describe(tn_graph_at(g, i), a, &v[*n])) continue;
        while (v[k].table != v[*n].table) k++;
        if (k == *n) (*n)++;
    }
    *out = v;
    return TN_OK;
}

/* ==== restoring ==== */

static void drop(tn_tensor **t, int n)
{
    for (int i = 0; i < n; i++) tn_tensor_unref(t[i]);
}

static tn_code restore_one(tn_bundle *b, const saved_table *t, tn_session *s, bool may_lack, tn_arena *a,
                           tn_error *err)
{
    tn_tensor **content = TN_ARRAY(a, t->n, tn_tensor *);
    tn_feed *feeds = TN_ARRAY(a, t->n, tn_feed);
    const char *target = t->import->name;
    tn_code code = TN_OK;
    if (!content || !feeds) return tn_no_memory(err, 0);
    for (int i = 0; i < t->n; i++)
        if (may_lack && !tn_bundle_find(b, t->keys[i])) return TN_OK;
    for (int i = 0; i < t->n && code == TN_OK; i++) {
        code = tn_bundle_read(b, t->keys[i], &content[i], err);
        feeds[i] = (tn_feed){t->feeds[i], content[i]};
    }
    if (code == TN_OK) code = tn_session_run(s, feeds, t->n, NULL, 0, NULL, &target, 1, err);
    if (code != TN_OK) tn_wrap(err, "%s '%s'", t->kind->what, t->table->name);
    drop(content, t->n);
    return code;
}

tn_code tn_saved_tables_restore(tn_bundle *b, const tn_graph *g, tn_session *s, bool may_lack, tn_arena *a,
                                tn_error *err)
{
    saved_table *v;
    int n;
    TN_TRY(list(g, a, &v, &n, err));
    for (int i = 0; i < n; i++) TN_TRY(restore_one(b, &v[i], s, may_lack, a, err));
    return TN_OK;
}

/* ==== saving ==== */

/* What the Saver reads it with. */
static const tn_operation *reader_of(const tn_graph *g, const saved_table *t)
{
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!strcmp(op->type, t->kind->reader) && op->n_in && op->in[0].op == t->table && op->n_out == t->n)
            return op;
    }
    return NULL;
}

static tn_code add_one(tn_bundle_writer *w, const saved_table *t, const tn_operation *reader, tn_session *s,
                       tn_arena *a, tn_error *err)
{
    tn_tensor **out = TN_ARRAY(a, t->n, tn_tensor *);
    const char **names = TN_ARRAY(a, t->n, const char *);
    if (!out || !names) return tn_no_memory(err, 0);
    for (int i = 0; i < t->n; i++)
        if (!(names[i] = tn_arena_printf(a, "%s:%d", reader->name, i))) return tn_no_memory(err, 0);
    TN_TRY(tn_session_run(s, NULL, 0, names, t->n, out, NULL, 0, err));
    tn_code code = TN_OK;
    for (int i = 0; i < t->n && code == TN_OK; i++) code = tn_bundle_add(w, t->keys[i], out[i], err);
    drop(out, t->n);
    return code;
}

tn_code tn_saved_tables_add(tn_bundle_writer *w, const tn_graph *g, tn_session *s, tn_arena *a, tn_error *err)
{
    saved_table *v;
    int n;
    TN_TRY(list(g, a, &v, &n, err));
    for (int i = 0; i < n; i++) {
        const tn_operation *reader = reader_of(g, &v[i]);
        if (!reader)
            return tn_fail(err, TN_FAILED_PRECONDITION, "the graph does not say how the %s '%s' is saved",
                           v[i].kind->what, v[i].table->name);
        TN_TRY(add_one(w, &v[i], reader, s, a, err));
    }
    return TN_OK;
}
