/* SPDX-License-Identifier: Apache-2.0
 *
 * composite.h - functions that the planner knows by a mark. A composite is a function in the graph's own
 * library whose body is plain TensorFlow operators; its attribute _implements says which one it is,
 * "turnery.LayerNorm epsilon=0.001" (of all attributes only a few known ones are let through by TensorFlow
 * when it loads a SavedModel; this one says just that and changes nothing). TensorFlow runs the body; the
 * planner puts one fused step in the place of a call (pass COMPOSITES). Its gradient is a composite too,
 * named by the library's GradientDef.
 *
 * One record holds body and fused operator. Invariant: the fused operator computes what the body does; the
 * body is its oracle in the tests.
 */
#ifndef TN_COMPOSITE_H
#define TN_COMPOSITE_H

#include "plan.h"

#define TN_COMPOSITE_MARK "_implements"

typedef struct tn_composite {
    const char *name; /* in the mark: "LayerNorm" */
    int n_args, n_rets;
    const char *grad; /* the composite that takes the arguments and the results' gradients; NULL: none */
    /* Writes the body; arguments are float and of any shape. */
    void (*body)(tn_builder *b, const tn_node *args, float epsilon, tn_node *rets);
    const tn_op *fused; /* its attributes are the function's; infer serves calls in graphs too */
} tn_composite;

extern const tn_composite tn_composite_layer_norm, tn_composite_layer_norm_grad;

/* The record of a marked function whose arguments and results fit it; NULL: it is a function like others. */
const tn_composite *tn_composite_of(const tn_function *f);
/* What a mark among the attributes says; NULL: there is none of ours. */
const tn_composite *tn_composite_read(const tn_attrs *a, float *epsilon);
/* A call of the composite, whose function (and its gradient's) joins the library unless it is there. */
tn_operation *tn_composite_call(tn_builder *b, const char *composite, const char *name, const tn_node *in, int n_in,
                                float epsilon);
/* A call that was lowered as such: sub[0] is the body, resource-free; attributes are the function's. */
extern const tn_op tn_pseudo_composite;
/* Every call becomes its fused operator, or its body. */
tn_code tn_pass_composites(tn_binding *b, tn_region *r, tn_error *err);

#endif
