/* SPDX-License-Identifier: Apache-2.0
 *
 * tensorproto.h - TensorProto and TensorShapeProto <-> tensors and shapes, for operators and for files.
 */
#ifndef TN_GRAPH_TENSORPROTO_H
#define TN_GRAPH_TENSORPROTO_H

#include "../tensor/tensor.h"
#include "../wire/proto.h"

/* All of TensorProto's forms. The last value given fills up the rest: then at most `limit` bytes
 * (0: 2^30). */
tn_code tn_tensor_from_proto(const tn_TensorProto *p, size_t limit, tn_tensor **out, tn_error *err);
/* Borrows t's bytes (tensor_content; string_val for strings): t outlives the message. */
tn_code tn_tensor_to_proto(const tn_tensor *t, tn_arena *a, tn_TensorProto *out, tn_error *err);
tn_code tn_shape_from_proto(const tn_TensorShapeProto *p, tn_shape *out, tn_error *err); /* NULL: a scalar */
tn_code tn_shape_to_proto(const tn_shape *s, tn_arena *a, tn_TensorShapeProto *out, tn_error *err);

#endif
