/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_run.c - any bytes as a GraphDef that is run: the last nodes are fetched one after another, with all passes of the planner
 * and with none. With a fuzzing engine, mutate_graph.c changes graphs as graphs.
 */
#include "ask_graph.h"
#include "plan/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_NODES = 64, LAST = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_graph *g;
    tn_error err;
    if (tn_graphdef_decode((tn_view){(const char *)data, size}, &g, &err) != TN_OK) return 0;
    int n = tn_graph_count(g);
    if (n <= MOST_NODES)
        for (int i = TN_MAX(n - LAST, 0); i < n; i++) {
            tn_ask_graph(g, tn_graph_at(g, i), 0);
            tn_ask_graph(g, tn_graph_at(g, i), TN_ALL_PASSES);
        }
    tn_graph_free(g);
    return 0;
}
