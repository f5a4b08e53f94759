/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_metagraph.c - any bytes as a .meta file, binary or text; what is accepted is exported again.
 */
#include "format/format.h"
#include "scratch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    tn_metagraph *m;
    tn_error err;
    tn_fuzz_path(path, sizeof path, "meta");
    tn_fuzz_write(path, data, size);
    if (tn_metagraph_load(path, &m, &err) == TN_OK) {
        tn_arena *a = tn_arena_new((size_t)256 << 20);
        tn_saved_variable *v;
        tn_MetaGraphDef *def;
        int n;
        tn_variables_of(m->graph, m->restore_op, a, &v, &n, NULL, &err);
        tn_export e = {.graph = m->graph, .base = m->def, .signatures = m->signatures, .n_signatures = m->n_signatures};
        tn_metagraph_export(&e, a, &def, &err);
        tn_arena_free(a);
        tn_metagraph_free(m);
    }
    tn_remove_file(path, NULL);
    return 0;
}
