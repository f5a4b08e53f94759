/* SPDX-License-Identifier: Apache-2.0
 *
 * mutate_graph.c - changes a GraphDef as a graph, for the fuzzing engine: draw_graph.c's changes instead of bytes'.
 */
#include "draw_graph.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_GraphDef *g = NULL;
    tn_buf out = {0};
    tn_error err;
    bool graph = seed % 50 != 0;
    if (graph) {
        if (TN_DECODE(GraphDef, ((tn_view){(char *)data, size}), a, &g, &err) != TN_OK) g = TN_NEW(a, tn_GraphDef);
        tn_draw_changes(g, a, seed);
        graph = TN_ENCODE(GraphDef, g, &out, &err) == TN_OK && out.n && out.n <= most;
    }
    if (graph) memcpy(data, out.data, size = out.n);
    else size = LLVMFuzzerMutate(data, size, most);
    tn_buf_free(&out);
    tn_arena_free(a);
    return size;
}
