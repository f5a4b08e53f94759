/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_graph.h - graphs drawn by chance, for fuzz targets. Every choice follows from the seed; memory is the arena's, which has
 * to have enough.
 */
#ifndef TN_FUZZ_DRAW_GRAPH_H
#define TN_FUZZ_DRAW_GRAPH_H

#include "format/format.h"
#include "graph/op.h"

/* A few changes: nodes added, removed, doubled; constants, attributes, inputs replaced. */
void tn_draw_changes(tn_GraphDef *g, tn_arena *a, uint64_t seed);
/* A node of this operator at the end, after those of operators that make what it takes. */
void tn_draw_operator(tn_GraphDef *g, tn_arena *a, const tn_op *op, uint64_t seed);

#endif
