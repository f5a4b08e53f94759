/* SPDX-License-Identifier: Apache-2.0
 *
 * import_tables.c - tables of a model that is imported, with what is in them as constants: however the model
 * fills them (from files, from arrays), they need none of that afterwards. A second copy of the model is run
 * for it, as far as its initialization goes.
 */
#include "graphdef.h"
#include "import.h"

#define INITIALIZERS TN_TABLE_INITIALIZERS

bool tn_import_is_table(const tn_operation *op)
{
    static const char *const types[] = {"HashTableV2", "MutableHashTableV2", "MutableHashTableOfTensorsV2",
                                        "MutableDenseHashTableV2"};
    for (size_t i = 0; i < TN_COUNT(types); i++)
        if (!strcmp(op->type, types[i])) return true;
    return false;
}

static tn_operation *shared(tn_importing *m, const tn_operation *op)
{
    const char *full = tn_builder_variable_name(m->b, op->name);
    bool may = tn_builder_reuse(m->b) != TN_REUSE_INHERIT;
    tn_operation *there = full && may ? tn_graph_operation(tn_builder_graph(m->b), full) : NULL;
    return there && !strcmp(there->type, op->type) ? there : NULL;
}

/* ==== what is in them ==== */

static tn_code list_tables(tn_importing *m, tn_error *err)
{
    const tn_graph *g = m->graph;
    m->tables = TN_ARRAY(m->arena, tn_graph_count(g) + 1, tn_table_content);
    if (!m->tables) return tn_no_memory(err, (size_t)tn_graph_count(g) * sizeof *m->tables);
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (m->top->needed[i] && tn_import_is_table(op) && !shared(m, op)) m->tables[m->n_tables++].op = op;
    }
    return TN_OK;
}

static const char *export_name(tn_arena *a, int i, int output)
{
    return output < 0 ? tn_arena_printf(a, "turnery_table_%d", i)
                      : tn_arena_printf(a, "turnery_table_%d:%d", i, output);
}

/* Adds to the second copy what reads the tables. */
static tn_code add_exports(tn_importing *m, tn_graph *g, tn_error *err)
{
    tn_builder *b = tn_builder_new(g);
    if (!b) return tn_no_memory(err, 0);
    for (int i = 0; i < m->n_tables; i++) {
        tn_operation *table = tn_graph_operation(g, m->tables[i].op->name);
        const char *name = export_name(m->arena, i, -1);
        if (!table || !name) continue; /* told when it is fetched */
        tn_add_operation(b, "LookupTableExportV2", name, TN_INPUTS(tn_output_of(table, 0)),
                         TN_ATTRS(tn_attr_type("Tkeys", tn_attr_t(&table->attrs, "key_dtype")),
                                  tn_attr_type("Tvalues", tn_attr_t(&table->attrs, "value_dtype"))));
    }
    tn_code code = tn_builder_check(b, err);
    tn_builder_free(b);
    return code;
}

/* A SavedModel says how it is initialized; in a MetaGraph it is a collection. */
static tn_code initialize(tn_importing *m, const tn_metagraph *copy, tn_session *s, tn_error *err)
{
    if (tn_is_folder(m->from)) return tn_savedmodel_restore(m->from, copy, s, err);
    return tn_initialize_tables(copy->graph, s, err);
}

static tn_code read_one(tn_importing *m, tn_session *s, int i, tn_error *err)
{
    const char *names[] = {export_name(m->arena, i, 0), export_name(m->arena, i, 1)};
    tn_tensor *out[2];
    if (!names[0] || !names[1]) return tn_no_memory(err, 0);
    TN_TRY(tn_session_run(s, NULL, 0, names, 2, out, NULL, 0, err));
    m->tables[i].keys = out[0];
    m->tables[i].values = out[1];
    return TN_OK;
}

static tn_code read_all(tn_importing *m, tn_metagraph *copy, tn_error *err)
{
    tn_session *s = NULL;
    tn_code code = add_exports(m, copy->graph, err);
    if (code == TN_OK) code = tn_session_new(copy->graph, NULL, &s, err);
    if (code == TN_OK) code = initialize(m, copy, s, err);
    for (int i = 0; i < m->n_tables && code == TN_OK; i++) code = read_one(m, s, i, err);
    tn_session_free(s);
    return code;
}

tn_code tn_import_tables(tn_importing *m, tn_error *err)
{
    tn_metagraph *copy;
    TN_TRY(list_tables(m, err));
    if (!m->n_tables) return TN_OK;
    if (!m->meta)
        return tn_fail(err, TN_UNIMPLEMENTED, "the table '%s' is needed: a bare GraphDef does not say what fills it",
                       m->tables[0].op->name);
    TN_TRY(tn_import_load(m, &copy, err));
    tn_code code = read_all(m, copy, err);
    tn_metagraph_free(copy);
    return code == TN_OK ? TN_OK : tn_wrap(err, "what is in the model's tables");
}

void tn_import_drop_tables(tn_importing *m)
{
    for (int i = 0; i < m->n_tables; i++) {
        tn_tensor_unref(m->tables[i].keys);
        tn_tensor_unref(m->tables[i].values);
    }
}

/* ==== making them ==== */

/* As it was, but under its new name, also for those that share it. */
static tn_code make(tn_importing *m, const tn_operation *op, const char *full, tn_operation **out, tn_error *err)
{
    tn_attr *attrs = TN_ARRAY(m->arena, op->attrs.n + 1, tn_attr);
    if (!attrs) return tn_no_memory(err, 0);
    tn_operation_spec spec = {.type = op->type, .name = full, .device = "", .attrs = attrs};
    for (int i = 0; i < op->attrs.n; i++)
        if (strcmp(op->attrs.v[i].name, "shared_name") && strcmp(op->attrs.v[i].name, "_class"))
            attrs[spec.n_attrs++] = op->attrs.v[i];
    attrs[spec.n_attrs++] = tn_attr_str("shared_name", full);
    return tn_graph_add(tn_builder_graph(m->b), &spec, out, err);
}

/* What fills it, in the collection that TensorFlow has for that. */
static tn_code fill(tn_importing *m, const tn_table_content *t, const char *full, tn_operation *table, tn_error *err)
{
    const char *scope = tn_arena_printf(m->arena, "%s/table_init/", full);
    if (!scope) return tn_no_memory(err, 0);
    tn_name_scope(m->b, scope);
    tn_node keys = tn_constant(m->b, "keys", t->keys), values = tn_constant(m->b, "values", t->values);
    tn_operation *import = tn_add_operation(m->b, "LookupTableImportV2", NULL,
                                            TN_INPUTS(tn_output_of(table, 0), keys, values), TN_NO_ATTRS);
    tn_name_scope_end(m->b);
    TN_TRY(tn_builder_check(m->b, err));
    return tn_collection_add(tn_builder_graph(m->b), INITIALIZERS, tn_operation_name(import), err);
}

tn_code tn_import_table(tn_importing *m, const tn_operation *op, tn_operation **out, tn_error *err)
{
    int i = 0;
    if ((*out = shared(m, op))) return TN_OK;
    while (i < m->n_tables && m->tables[i].op != op) i++;
    if (i == m->n_tables) return tn_fail(err, TN_UNIMPLEMENTED, "the table '%s' is inside a function", op->name);
    const char *full = tn_builder_variable_name(m->b, op->name);
    if (!full) return tn_no_memory(err, 0);
    if (tn_graph_operation(tn_builder_graph(m->b), full))
        return tn_fail(err, TN_ALREADY_EXISTS, "the graph has an operation '%s' already", full);
    TN_TRY(make(m, op, full, out, err));
    return fill(m, &m->tables[i], full, *out, err);
}

/* ==== filling them ==== */

tn_code tn_initialize_tables(const tn_graph *g, tn_session *s, tn_error *err)
{
    int n = tn_collection_count(g, INITIALIZERS);
    const char **names = n ? tn_calloc((size_t)n, sizeof *names) : NULL;
    if (!n) return TN_OK;
    if (!names) return tn_no_memory(err, (size_t)n * sizeof *names);
    for (int i = 0; i < n; i++) names[i] = tn_collection_at(g, INITIALIZERS, i);
    tn_code code = names[0] ? tn_session_run(s, NULL, 0, NULL, 0, NULL, names, n, err) : TN_OK;
    tn_free(names);
    return code;
}
