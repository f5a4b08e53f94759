/* SPDX-License-Identifier: Apache-2.0
 *
 * saved_tables.c - tables that a graph's Saver keeps (MutableHashTable): RestoreV2 -> LookupTableImportV2 in the graph
 * itself, with two tensors a table. Variables are variables.c's.
 *
 *     t, save/RestoreV2:0, save/RestoreV2:1 -> save/t_table_restore/LookupTableImportV2
 */
#include "metagraph.h"

typedef struct saved_table {
    const tn_operation *table, *import;
    const char *feeds[2]; /* values of the graph: RestoreV2's */
    const char *keys[2];  /* of the checkpoint */
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

static bool describe(const tn_operation *op, tn_arena *a, saved_table *out)
{
    *out = (saved_table){.import = op};
    if (strcmp(op->type, "LookupTableImportV2") != 0 || op->n_in != 3) return false;
    out->table = op->in[0].op;
    for (int i = 0; i < 2; i++) {
        tn_node x = op->in[1 + i];
        out->keys[i] = key_of(x, a);
        out->feeds[i] = out->keys[i] ? tn_arena_printf(a, "%s:%d", x.op->name, x.index) : NULL;
    }
    return out->table && out->feeds[0] && out->feeds[1];
}

/* Of several Savers the first counts. */
static tn_code list(const tn_graph *g, tn_arena *a, saved_table **out, int *n, tn_error *err)
{
    int count = 0;
    for (int i = 0; i < tn_graph_count(g); i++) count += !strcmp(tn_graph_at(g, i)->type, "LookupTableImportV2");
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

static tn_code restore_one(tn_bundle *b, const saved_table *t, tn_session *s, bool may_lack, tn_error *err)
{
    tn_tensor *content[2] = {NULL, NULL};
    const char *target = t->import->name;
    tn_code code = TN_OK;
    for (int i = 0; i < 2; i++)
        if (may_lack && !tn_bundle_find(b, t->keys[i])) return TN_OK;
    for (int i = 0; i < 2 && code == TN_OK; i++) code = tn_bundle_read(b, t->keys[i], &content[i], err);
    const tn_feed feeds[] = {{t->feeds[0], content[0]}, {t->feeds[1], content[1]}};
    if (code == TN_OK) code = tn_session_run(s, feeds, 2, NULL, 0, NULL, &target, 1, err);
    if (code != TN_OK) tn_wrap(err, "table '%s'", t->table->name);
    for (int i = 0; i < 2; i++) tn_tensor_unref(content[i]);
    return code;
}

tn_code tn_saved_tables_restore(tn_bundle *b, const tn_graph *g, tn_session *s, bool may_lack, tn_arena *a,
                                tn_error *err)
{
    saved_table *v;
    int n;
    TN_TRY(list(g, a, &v, &n, err));
    for (int i = 0; i < n; i++) TN_TRY(restore_one(b, &v[i], s, may_lack, err));
    return TN_OK;
}

/* ==== saving ==== */

/* What the Saver reads a table with. */
static const tn_operation *reader_of(const tn_graph *g, const tn_operation *table)
{
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!strcmp(op->type, "LookupTableExportV2") && op->n_in && op->in[0].op == table) return op;
    }
    return NULL;
}

static tn_code add_one(tn_bundle_writer *w, const saved_table *t, const tn_operation *reader, tn_session *s,
                       tn_arena *a, tn_error *err)
{
    tn_tensor *out[2];
    const char *names[] = {tn_arena_printf(a, "%s:0", reader->name), tn_arena_printf(a, "%s:1", reader->name)};
    if (!names[0] || !names[1]) return tn_no_memory(err, 0);
    TN_TRY(tn_session_run(s, NULL, 0, names, 2, out, NULL, 0, err));
    tn_code code = tn_bundle_add(w, t->keys[0], out[0], err);
    if (code == TN_OK) code = tn_bundle_add(w, t->keys[1], out[1], err);
    tn_tensor_unref(out[0]);
    tn_tensor_unref(out[1]);
    return code;
}

tn_code tn_saved_tables_add(tn_bundle_writer *w, const tn_graph *g, tn_session *s, tn_arena *a, tn_error *err)
{
    saved_table *v;
    int n;
    TN_TRY(list(g, a, &v, &n, err));
    for (int i = 0; i < n; i++) {
        const tn_operation *reader = reader_of(g, v[i].table);
        if (!reader)
            return tn_fail(err, TN_FAILED_PRECONDITION, "the graph does not say how the table '%s' is saved",
                           v[i].table->name);
        TN_TRY(add_one(w, &v[i], reader, s, a, err));
    }
    return TN_OK;
}
