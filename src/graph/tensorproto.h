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
/* The same as a view: of the message's own bytes where they lie as in memory, else of the arena's; `out` is an embedded
 * tensor without a buffer. */
tn_code tn_tensor_view_of_proto(const tn_TensorProto *p, tn_arena *a, size_t limit, tn_tensor *out, tn_error *err);
tn_code tn_shape_from_proto(const tn_TensorShapeProto *p, tn_shape *out, tn_error *err); /* NULL: a scalar */
tn_code tn_shape_to_proto(const tn_shape *s, tn_arena *a, tn_TensorShapeProto *out, tn_error *err);

/* A tensor straight to the bytes of a TensorProto, without the message between (tensorproto_wire.c): values in the
 * field of their dtype, or all in tensor_content. Strings and plain elements only. */
typedef struct tn_tensor_wire {
    const tn_tensor *t;
    bool content;
    uint32_t field;         /* that the values are in; 0: there are none */
    uint64_t shape, values; /* bytes inside of these fields; values: of all string_val, tags and lengths too */
    uint64_t size;          /* of the whole message */
} tn_tensor_wire;
tn_code tn_tensor_wire_of(const tn_tensor *t, bool content, tn_tensor_wire *out, tn_error *err);
char *tn_tensor_wire_put(const tn_tensor_wire *w, char *to); /* w->size bytes; returns what follows them */

#endif
