/* SPDX-License-Identifier: Apache-2.0
 *
 * op_list.h - what the operators on lists share: reading inputs, checking elements, giving back lists. Of
 * op_list.c.
 */
#ifndef TN_OP_LIST_H
#define TN_OP_LIST_H

#include "../graph/op.h"
#include "list.h"

/* Output o, a scalar, becomes l (taken); NULL: there was no memory. */
tn_code tn_list_put(tn_run *r, int o, tn_list *l, tn_error *err);
/* An element shape: a scalar -1 for any, or a vector whose -1 are unknown. */
tn_code tn_list_shape_input(const tn_tensor *t, tn_shape *out, tn_error *err);
tn_code tn_list_scalar_input(const tn_run *r, int i, int64_t *out, tn_error *err);
/* The list in input 0, whose dtype must be the attribute's. */
tn_code tn_list_input(const tn_run *r, const tn_list **out, tn_error *err);
tn_code tn_list_check_item(const tn_list *l, const tn_tensor *item, const char *what, tn_error *err);
/* Row i of a tensor, as a tensor of its own. */
tn_code tn_list_row(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err);
/* Puts an element into a list that nobody else has yet (takes both; the list is replaced). */
tn_code tn_list_put_item(tn_list **l, int64_t i, tn_tensor *item, tn_error *err);
/* What is known of an element's shape from the shape input, at index i. */
void tn_list_infer_element(tn_infer *c, int i, tn_shape *out);

/* Nodes of gradients: an operator with the attribute element_dtype; that attribute of the forward operator;
 * the element shape a list was made with, as int32. */
tn_node tn_list_op(tn_grad *g, const char *type, const tn_node *in, int n_in, tn_dtype t);
tn_dtype tn_list_element_type(const tn_grad *g);
tn_node tn_list_element_shape_of(tn_grad *g, tn_node list);

#endif
