/* SPDX-License-Identifier: Apache-2.0
 *
 * ask_graph.h - a graph is run once, for fuzz targets.
 */
#ifndef TN_FUZZ_ASK_GRAPH_H
#define TN_FUZZ_ASK_GRAPH_H

#include "format/format.h"

/* Fetches op's first value, or runs it if it has none. */
void tn_ask_graph(tn_graph *g, const tn_operation *op, unsigned passes_off);

#endif
