/* SPDX-License-Identifier: Apache-2.0
 *
 * tensor_array.h - TensorFlow's TensorArray as a resource of one run: elements written once and read once,
 * and its gradient arrays, whose writes are added up. Used by one run at a time, so without a lock.
 */
#ifndef TN_TENSOR_ARRAY_H
#define TN_TENSOR_ARRAY_H

#include "../graph/op.h"

typedef struct tn_array_element {
    tn_tensor *value; /* NULL: not written, or cleared */
    tn_shape shape;   /* of what was written; kept when cleared */
    bool written, read, cleared;
} tn_array_element;

typedef struct tn_tensor_array {
    tn_resource base;
    tn_dtype dtype;
    tn_shape element; /* what is known of the elements' shape */
    int64_t n;
    tn_array_element *v;
    bool dynamic, clear_after_read, identical, is_gradient, closed;
    tn_charge charge; /* of v */
    struct tn_tensor_array *gradients, *next; /* of this array, by name of the gradient computation */
} tn_tensor_array;

tn_code tn_tensor_array_new(const char *name, tn_dtype t, const tn_shape *element, int64_t n,
                            tn_tensor_array **out, tn_error *err);
/* The gradient array of that source: made at the first call. */
tn_code tn_tensor_array_gradient(tn_tensor_array *a, const char *source, const tn_shape *prepend,
                                 tn_tensor_array **out, tn_error *err);
tn_code tn_tensor_array_write(tn_tensor_array *a, int64_t i, const tn_tensor *value, tn_error *err);
/* Borrowed until the next call on the array. Zeros for an element never written whose shape is known. */
tn_code tn_tensor_array_read(tn_tensor_array *a, int64_t i, const tn_tensor **out, tn_error *err);
/* After its value was used: forgets it when the array clears what was read. */
void tn_tensor_array_done(tn_tensor_array *a, int64_t i);
/* Makes room for n elements. */
tn_code tn_tensor_array_reserve(tn_tensor_array *a, int64_t n, tn_error *err);
void tn_tensor_array_close(tn_tensor_array *a);

/* ==== the operators, by their newest names (op_tensor_array.c); the older ones are op_tensor_array_old.c's ==== */
tn_code tn_array_new_infer(tn_infer *c, tn_error *err);
tn_code tn_array_gradient_infer(tn_infer *c, tn_error *err);
tn_code tn_array_flow_infer(tn_infer *c, tn_error *err);
tn_code tn_array_write_infer(tn_infer *c, tn_error *err);
tn_code tn_array_scatter_infer(tn_infer *c, tn_error *err);
tn_code tn_array_unpack_infer(tn_infer *c, tn_error *err);
tn_code tn_array_split_infer(tn_infer *c, tn_error *err);
tn_code tn_array_read_infer(tn_infer *c, tn_error *err);
tn_code tn_array_gather_infer(tn_infer *c, tn_error *err);
tn_code tn_array_concat_infer(tn_infer *c, tn_error *err);
tn_code tn_array_new_run(tn_run *r, tn_error *err);
tn_code tn_array_gradient_run(tn_run *r, tn_error *err);
tn_code tn_array_write_run(tn_run *r, tn_error *err);
tn_code tn_array_read_run(tn_run *r, tn_error *err);
tn_code tn_array_gather_run(tn_run *r, tn_error *err);
tn_code tn_array_scatter_run(tn_run *r, tn_error *err);
tn_code tn_array_concat_run(tn_run *r, tn_error *err);
tn_code tn_array_split_run(tn_run *r, tn_error *err);
tn_code tn_array_size_run(tn_run *r, tn_error *err);
tn_code tn_array_close_run(tn_run *r, tn_error *err);
tn_code tn_array_unpack_run(tn_run *r, tn_error *err);

#endif
