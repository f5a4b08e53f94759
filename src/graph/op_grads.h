/* SPDX-License-Identifier: Apache-2.0
 *
 * op_grads.h - small nodes that gradients are made of. All add to the builder and return its node.
 */
#ifndef TN_OP_GRADS_H
#define TN_OP_GRADS_H

#include "op.h"

/* shape(x) in out_type (int32 or int64): a constant when it is known. */
tn_node tn_grad_shape(tn_builder *b, tn_node x, tn_dtype out_type);
/* rank(x), an int32 scalar: a constant when it is known. */
tn_node tn_grad_rank(tn_builder *b, tn_node x);
tn_node tn_grad_int(tn_builder *b, tn_dtype t, int64_t v);                /* a scalar constant */
tn_node tn_grad_ints(tn_builder *b, tn_dtype t, const int64_t *v, int n); /* a vector constant */
tn_node tn_grad_reshape_like(tn_builder *b, tn_node dy, tn_node x);       /* Reshape(dy, shape(x)) */
tn_node tn_grad_pack(tn_builder *b, const tn_node *v, int n, int64_t axis);
tn_node tn_grad_concat(tn_builder *b, const tn_node *v, int n, int64_t axis);
/* v[from : to] of a vector; to = INT64_MAX: to its end. */
tn_node tn_grad_range_of(tn_builder *b, tn_node v, int64_t from, int64_t to);
tn_node tn_grad_element(tn_builder *b, tn_node v, int64_t i); /* v[i], a scalar */
tn_node tn_grad_cast(tn_builder *b, tn_node x, tn_dtype t);   /* x itself when it is a t */
/* Node with the same kind of attributes as the forward operation: those named are copied. */
tn_node tn_grad_op_like(tn_grad *g, const char *type, const tn_node *in, int n_in, const char *const *attrs,
                        int n_attrs);
/* The gradient of FusedBatchNormGrad, V2 and V3 (grad_batch_norm.c). */
tn_code tn_batch_norm_grad_grad(tn_grad *g, tn_error *err);

/* Nodes of gradients written out in C. */
static inline tn_node tn_g1(tn_builder *b, const char *op, tn_node x)
{
    return tn_op(b, op, TN_INPUTS(x), TN_NO_ATTRS);
}
static inline tn_node tn_g2(tn_builder *b, const char *op, tn_node x, tn_node y)
{
    return tn_op(b, op, TN_INPUTS(x, y), TN_NO_ATTRS);
}
static inline tn_node tn_g3(tn_builder *b, const char *op, tn_node x, tn_node y, tn_node z)
{
    return tn_op(b, op, TN_INPUTS(x, y, z), TN_NO_ATTRS);
}
static inline tn_node tn_g_conj(tn_builder *b, tn_node x)
{
    return tn_dtype_is_complex(tn_dtype_base(tn_node_dtype(x))) ? tn_g1(b, "Conj", x) : x;
}
static inline tn_node tn_g_int(tn_builder *b, int64_t v)
{
    return tn_grad_int(b, TN_INT32, v);
}

#endif
