/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_import.c - any bytes as saved_model.pb, of which a part is imported into another graph: what the last operation
 * needs, with and without a placeholder in the place of its first input; then once more, sharing variables.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The last operation that has a value; NULL: none. */
static const tn_operation *last_of(const tn_graph *g)
{
    for (int i = tn_graph_count(g) - 1; i >= 0; i--)
        if (tn_operation_outputs(tn_graph_at(g, i))) return tn_graph_at(g, i);
    return NULL;
}

static void import(const char *folder, const tn_operation *last, unsigned flags, bool exchange)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node y, in = last->n_in ? last->in[0] : (tn_node){NULL, 0};
    tn_input_map given = {in.op ? tn_operation_name(in.op) : "", {NULL, 0}};
    const char *wanted = tn_operation_name(last);
    const tn_import_options o = {.checkpoint = "", .flags = flags};
    exchange = exchange && in.op;
    if (exchange) given.value = tn_placeholder(b, "in", tn_node_dtype(in), tn_node_shape(in));
    for (int i = 0; i < 2; i++) {
        tn_import(b, i ? "" : "p", folder, &given, exchange, &wanted, 1, &y, &o);
        if (!i) tn_builder_set_reuse(b, TN_REUSE_AUTO);
    }
    tn_builder_free(b);
    tn_graph_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[64], path[128];
    tn_metagraph *m;
    tn_error err;
    tn_fuzz_path(folder, sizeof folder, "import");
    snprintf(path, sizeof path, "%s/saved_model.pb", folder);
    tn_make_folders(folder, NULL);
    tn_fuzz_write(path, data, size);
    if (tn_savedmodel_load(folder, NULL, 0, &m, &err) == TN_OK) {
        const tn_operation *last = last_of(m->graph);
        if (last) import(folder, last, TN_PARTIAL, true);
        if (last) import(folder, last, TN_FROZEN, false);
        tn_metagraph_free(m);
    }
    tn_remove_tree(folder, NULL);
    return 0;
}
