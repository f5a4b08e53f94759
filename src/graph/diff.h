/* SPDX-License-Identifier: Apache-2.0
 *
 * diff.h - differentiating a function's body: what calls, branches and loops share. The body is copied into
 * a working graph and differentiated there; then forward operations (with the values the gradient needs as
 * further results) and gradient operations (with these values as arguments) are copied apart.
 */
#ifndef TN_GRAPH_DIFF_H
#define TN_GRAPH_DIFF_H

#include "flow.h"
#include "inside.h"

/* Copies operations of one graph into another, each once, with what they depend on. */
typedef struct tn_copier {
    tn_arena *arena;
    const tn_graph *from;
    tn_graph *to;
    int n;               /* operations of `from` */
    tn_operation **made; /* by id: the copy */
    tn_node **stand_in;  /* by id and output: what is there in place of it; op NULL: nothing */
    const bool *foreign; /* by id: control edges from these are dropped; may be NULL */
} tn_copier;
tn_code tn_copier_init(tn_copier *c, tn_arena *a, const tn_graph *from, tn_graph *to, tn_error *err);
tn_code tn_copier_replace(tn_copier *c, tn_node from, tn_node to, tn_error *err);
tn_code tn_copier_value(tn_copier *c, tn_node from, tn_node *to, tn_error *err);
tn_code tn_copier_operation(tn_copier *c, const tn_operation *from, tn_error *err);

typedef struct tn_diff {
    tn_arena *arena;
    const tn_function *f;
    tn_builder *work;
    tn_node *args, *rets; /* in the working graph */
    tn_node *dy, *dx;     /* there too: by result its gradient's argument, by argument its gradient */
    int n_forward;        /* operations before the gradient's */
    bool *forward;        /* by id: runs forward */
    tn_node *captures;    /* forward values that gradient operations use */
    int n_captures;
} tn_diff;
/* wants: by result, whether its gradient is given. tn_diff_free is needed whatever this returns. */
tn_code tn_diff_make(tn_diff *d, tn_builder *outer, const tn_function *f, const bool *wants, tn_error *err);
/* dx[i] where there is none becomes zeros like argument i; before tn_diff_split. */
tn_code tn_diff_need(tn_diff *d, int i, tn_error *err);
/* Tells forward from gradient operations; finds the captures of the dx there are. */
tn_code tn_diff_split(tn_diff *d, tn_error *err);
/* The argument that a capture is; -1: it is computed. */
int tn_diff_argument(const tn_diff *d, tn_node capture);
/* A body that computes what f computes: args are f's; rets and captures by their place in d. */
tn_code tn_diff_forward(const tn_diff *d, tn_builder *into, tn_node *rets, tn_node *captures, tn_error *err);
/* The gradient operations: dy and captures are given as values of the body, dx are found there. */
tn_code tn_diff_backward(const tn_diff *d, tn_builder *into, const tn_node *dy, const tn_node *captures,
                         tn_node *dx, tn_error *err);
void tn_diff_free(tn_diff *d);

/* A name for a function derived from f's: "__forward_f_0". */
const char *tn_derived_name(tn_builder *b, const char *prefix, const char *name);
bool tn_differentiable(tn_dtype t);
/* Zeros that a gradient with respect to x would be (of a variable's value, when x is its handle). */
tn_node tn_gradient_zeros(tn_builder *b, tn_node x, tn_dtype value_type);
tn_builder *tn_body_builder(tn_builder *outer, tn_error *err);
void tn_body_drop(tn_builder *body); /* with its graph, when it did not become a function */
/* Defines and frees the builder; the graph is the library's or freed. */
tn_code tn_body_define(tn_builder *outer, const char *name, tn_builder *body, const tn_node *rets, int n,
                       tn_error *err);

#endif
