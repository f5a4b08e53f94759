/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_savedmodel.c - any bytes as saved_model.pb; a model that is accepted is written again.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[64], path[128];
    tn_metagraph *m;
    tn_error err;
    tn_fuzz_path(folder, sizeof folder, "model");
    snprintf(path, sizeof path, "%s/saved_model.pb", folder);
    tn_make_folders(folder, NULL);
    tn_fuzz_write(path, data, size);
    if (tn_savedmodel_load(folder, NULL, 0, &m, &err) == TN_OK) {
        tn_arena *a = tn_arena_new(0);
        tn_saved_variable *v;
        tn_MetaGraphDef *def;
        int n;
        tn_variables_of(m->graph, m->restore_op, a, &v, &n, NULL, &err);
        tn_export e = {
            .graph = m->graph, .base = m->def, .signatures = m->signatures, .n_signatures = m->n_signatures};
        tn_metagraph_export(&e, a, &def, &err);
        tn_arena_free(a);
        tn_metagraph_free(m);
    }
    tn_remove_tree(folder, NULL);
    return 0;
}
