/* SPDX-License-Identifier: Apache-2.0
 *
 * flow.h - what the files about functions, loops and branches share.
 */
#ifndef TN_GRAPH_FLOW_H
#define TN_GRAPH_FLOW_H

#include "op.h"

/* What is common to two shapes: dimensions that differ are unknown. */
tn_shape tn_shape_relaxed(const tn_shape *a, const tn_shape *b);
/* A function's record from a finished body: names, effects, control results. Arrays are in the arena. */
tn_code tn_function_describe(tn_arena *a, const char *name, tn_graph *body, tn_operation **args, int n_args,
                             const tn_node *rets, int n_rets, tn_function *out, tn_error *err);

/* Loops and conditionals of TensorFlow 1 between xs and ys get a functional form (grad_frames.c). */
tn_code tn_grad_frames(tn_builder *b, const tn_node *ys, int n_ys, const tn_node *xs, int n_xs, tn_error *err);
/* The gradients of calls, branches and loops (grad_call.c, grad_while.c). */
tn_code tn_grad_call(tn_grad *g, tn_error *err);
tn_code tn_grad_if(tn_grad *g, tn_error *err);
tn_code tn_grad_case(tn_grad *g, tn_error *err);
tn_code tn_grad_while(tn_grad *g, tn_error *err);

#endif
