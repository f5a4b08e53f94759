/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_operators.c - two bytes are an operator's number, the others a seed: a graph around that operator is drawn and run. So all
 * operators are met as often. An empty input, where inputs are replayed: each operator a few times.
 */
#include "ask_graph.h"
#include "draw_graph.h"
#include "plan/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef TN_FUZZING
enum { TIMES = 0 };
#else
enum { TIMES = 3 };
#endif

static void meet(int number, uint64_t seed)
{
    tn_arena *a = tn_arena_new((size_t)64 << 20);
    tn_GraphDef *p = TN_NEW(a, tn_GraphDef);
    tn_buf bytes = {0};
    tn_error err;
    tn_graph *g;
    tn_draw_operator(p, a, tn_op_at(number), seed);
    if (TN_ENCODE(GraphDef, p, &bytes, &err) == TN_OK && tn_graphdef_decode((tn_view){bytes.data, bytes.n}, &g, &err) == TN_OK) {
        int last = tn_graph_count(g) - 1;
        if (last >= 0) tn_ask_graph(g, tn_graph_at(g, last), seed % 2 ? TN_ALL_PASSES : 0);
        tn_graph_free(g);
    }
    tn_buf_free(&bytes);
    tn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t seed = 0;
    int n = tn_op_count();
    for (size_t i = 2; i < size; i++) seed = seed * 257 + data[i];
    if (size >= 2) meet((data[0] | data[1] << 8) % n, seed);
    for (int i = 0; i < n && !size; i++)
        for (int k = 0; k < TIMES; k++) meet(i, (uint64_t)k);
    return 0;
}
