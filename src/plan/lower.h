/* SPDX-License-Identifier: Apache-2.0
 *
 * lower.h - what lower*.c share: one instance of a graph's or function's body while it is lowered (lower.c), the walk
 * that finds what of it is needed (lower_walk.c), and the nodes that its operations become (lower_emit.c).
 */
#ifndef TN_LOWER_H
#define TN_LOWER_H

#include "composite.h"

typedef struct within { /* functions that are being inlined, the innermost first */
    const tn_function *f;
    const struct within *outer;
} within;

typedef struct lowering {
    tn_arena *arena;
    tn_lowered *lowered;
    const tn_graph *library;
    tn_store *store;
    size_t n_nodes, most_nodes; /* functions that call functions twice are many in the end */
    const within *within;
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
bool tn_is_call(const tn_operation *op); /* of its attribute f */
bool tn_is_one_of(const char *s, const char *const *names); /* which end with NULL */
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

/* The nodes of everything that was walked, in its order; back edges are closed afterwards. */
tn_code tn_lower_walked(body *b, const walk *w, tn_error *err);
/* What a value of the graph became. */
tn_code tn_lowered_value(body *b, tn_node v, tn_pval *out, tn_error *err);
/* Input i of user, a reference, is read when user runs: after its own control and other inputs. */
tn_code tn_lower_read(body *b, tn_pnode *user, int i, tn_error *err);

/* A function's body into a region: args are what its arguments are, rets become its results; *done waits for all its
 * effects, and all that is stateful in it waits for `before` (NULL: nothing). */
tn_code tn_lower_call(lowering *l, const tn_function *f, const char *prefix, const tn_pval *args, tn_pnode *before,
                     tn_region *region, int depth, tn_pval *rets, tn_pnode **done, tn_error *err);
/* The same where f is being inlined already: it is called when the plan runs (recursion.c). */
bool tn_is_within(const within *w, const tn_function *f);
tn_code tn_lower_recursion(lowering *l, const tn_function *f, const char *prefix, const tn_pval *args,
                           tn_pnode *before, tn_region *region, tn_pval *rets, tn_pnode **done, tn_error *err);
/* Frames become loops, then Switches and Merges branches. */
tn_code tn_make_functional(tn_arena *a, tn_region *r, tn_error *err);

#endif
