/* SPDX-License-Identifier: Apache-2.0
 *
 * lower.h - what lower.c and lower_walk.c share: one instance of a graph's or function's body while it is lowered,
 * and the walk that finds what of it is needed.
 */
#ifndef TN_LOWER_H
#define TN_LOWER_H

#include "composite.h"

typedef struct lowering {
    tn_arena *arena;
    tn_lowered *lowered;
    const tn_graph *library;
    tn_store *store;
    size_t n_nodes, most_nodes; /* functions that call functions twice are many in the end */
    int framed; /* calls on the way here that stand among Switches or in frames */
} lowering;

typedef struct mapped { /* what an operation became */
    tn_pnode *node;     /* to wait for */
    tn_pval *outs;
} mapped;

typedef struct body { /* one instance of a graph or function body */
    lowering *l;
    const tn_graph *g;
    const char *prefix;    /* of names: "" or "call/" */
    const tn_pval *args;   /* of a function: what its _Arg operations are */
    tn_pnode *before;      /* the call's control inputs; NULL */
    mapped *map;           /* by operation id */
    const tn_node *fed;    /* top level: values that are fed */
    tn_pnode **feeds;
    int n_fed;
    tn_region *region;
    int depth;
    bool framed; /* the graph has Switches or frames, in which calls are found by what they wait for */
} body;

/* Which of the fed values v is; -1: none. */
int tn_body_feed(const body *b, tn_node v);
bool tn_is_back_edge(const tn_operation *op, const tn_operation *in);

typedef struct walk_frame {
    tn_operation *op;
    int next; /* edge to look at */
} walk_frame;

/* Depth-first from the roots, inputs before users; explicit stack, since graphs may be very deep. Back
 * edges are followed after everything else (`later`), so that the order is topological without them. */
typedef struct walk {
    const body *b;
    char *seen;
    walk_frame *stack;
    int n_stack;
    tn_operation **order;
    int n_order;
    tn_operation **later;
    int n_later;
} walk;
bool tn_walk_new(walk *w, const body *b); /* false: no memory */
void tn_walk_from(walk *w, tn_operation *root);
void tn_walk_later(walk *w); /* the back edges; once, at the end */

#endif
