/* SPDX-License-Identifier: Apache-2.0
 *
 * nn.h - what experiments are written with: layers, losses, optimizers, metrics, as functions that add
 * TensorFlow's operations. Their public form is turnery.h's chapters 6, 7 and 9; this is what the loop and
 * the commands see of them beyond that.
 *
 * Invariants: nothing here runs a graph; errors are the builder's. What a tn_values holds lives in its
 * builder's arena.
 */
#ifndef TN_NN_H
#define TN_NN_H

#include "../graph/graph.h"

typedef enum tn_value_kind {
    TN_VALUE_NODE,
    TN_VALUE_METRIC,
    TN_VALUE_SCALAR,
    TN_VALUE_HISTOGRAM,
    TN_VALUE_IMAGE
} tn_value_kind;

struct tn_value {
    const char *name;
    tn_node node; /* a metric: the sum */
    tn_value_kind kind;
    unsigned flags; /* TN_DEFAULT_OUTPUT */
    tn_node count;  /* a metric's */
    bool root;      /* a metric's */
    int most;       /* images */
};

/* Empty, on a builder. */
tn_values tn_values_of(tn_builder *b);
/* Adds one; a name twice is the builder's error. */
void tn_values_add(tn_values *v, const struct tn_value *value);
/* The first with TN_DEFAULT_OUTPUT, else the first of all; a node without value when there is none. */
tn_node tn_values_default(const tn_values *v);

/* ==== shared by the files of this folder ==== */
tn_node tn_unary(tn_builder *b, const char *type, tn_node x);
tn_node tn_binary(tn_builder *b, const char *type, tn_node x, tn_node y);
tn_node tn_like(tn_builder *b, tn_node x, double v); /* a scalar of x's dtype */
/* Labels in the predictions' dtype; both must have one shape, or a [n] beside [n,1] would broadcast. */
tn_node tn_matched(tn_builder *b, const char *what, tn_node labels, tn_node predictions);
/* The size of the last dimension; 0 and the builder's error when it is not known. */
int64_t tn_last_dim(tn_builder *b, const char *what, tn_node x);
void tn_failf(tn_builder *b, tn_code code, const char *fmt, ...) TN_PRINTF(3, 4);
/* Collects l1 and l2 of a variable, once however often it is used. */
void tn_regularize(tn_builder *b, tn_node variable, double l1, double l2);
/* A layer's output, for tn_model_summary; returns it. */
tn_node tn_layer_done(tn_builder *b, tn_node out);
#define TN_LAYERS "layers"
#define TN_LEARNING_RATE "learning_rate" /* a collection: the optimizer's */

#endif
