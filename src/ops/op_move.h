/* SPDX-License-Identifier: Apache-2.0
 *
 * op_move.h - what the operators share that only move elements: one description of a strided move,
 * made once in prepare, and the small helpers of their inference. Elements may be anything: plain bytes
 * are copied, strings are duplicated, resources and variants gain a reference.
 */
#ifndef TN_OP_MOVE_H
#define TN_OP_MOVE_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

#define TN_MOVE_RANK (2 * TN_MAX_RANK)

/* out[out0 + sum i_k * out[k]] = in[in0 + sum i_k * in[k]] for all 0 <= i_k < dim[k]; in elements.
 * Made by tn_move_dim for each dimension, then tn_move_ready. */
typedef struct tn_move {
    int rank;
    bool empty;
    int64_t dim[TN_MOVE_RANK], out[TN_MOVE_RANK], in[TN_MOVE_RANK];
    int64_t out0, in0;
    tn_ncopy plan; /* of plain elements */
} tn_move;
/* Appends an innermost dimension, joined with the one before where both sides run on. */
void tn_move_dim(tn_move *m, int64_t n, int64_t out_stride, int64_t in_stride);
tn_code tn_move_ready(tn_move *m, tn_dtype t, int threads, tn_error *err);
tn_code tn_move_run(const tn_move *m, tn_tensor *out, const tn_tensor *in, tn_error *err);
/* n elements in a row. */
tn_code tn_move_row(tn_tensor *out, int64_t out0, const tn_tensor *in, int64_t in0, int64_t n, tn_error *err);
/* Row i of t, as a tensor of its own. */
tn_code tn_row_of(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err);
/* Sets n elements to element `from` of value. */
tn_code tn_move_fill(tn_tensor *out, int64_t out0, int64_t n, const tn_tensor *value, int64_t from,
                     tn_error *err);
/* run of the operators whose params are one move from input 0 to output 0. */
tn_code tn_run_move(tn_run *r, tn_error *err);
/* run of the operators that copy input 0 to output 0 as it is. */
tn_code tn_run_copy(tn_run *r, tn_error *err);

/* Numbers and booleans, neither quantised nor of eight bits or four. */
static inline bool tn_is_plain(tn_dtype t)
{
    return tn_dtype_is_float(t) || tn_dtype_is_complex(t) || tn_dtype_is_integer(t) || tn_dtype_base(t) == TN_BOOL;
}
/* Product of dim[from, to). */
int64_t tn_shape_product(const tn_shape *s, int from, int to);
/* The axis counted from 0, checked: "Expected dimension in the range [-2, 2), but got 5". */
tn_code tn_axis_check(int64_t axis, int rank, int *out, tn_error *err);
/* What is known of an integer scalar or vector: elements, TN_UNKNOWN_INT where unknown. */
bool tn_info_ints(const tn_info *in, tn_shape *out);
/* A shape of dimensions as known elements (-1 becomes TN_UNKNOWN_INT). */
tn_shape tn_shape_as_ints(const tn_shape *s);
/* A known axis input in an inference; false (and OK): not known. */
tn_code tn_infer_axis(const tn_infer *c, int i, int rank, int *axis, bool *known, tn_error *err);
/* Sum with unknowns. */
static inline int64_t tn_dim_add(int64_t a, int64_t b)
{
    return a < 0 || b < 0 ? -1 : a + b;
}
static inline int64_t tn_dim_mul(int64_t a, int64_t b)
{
    return a < 0 || b < 0 ? -1 : a * b;
}
/* Output o of that rank with all dimensions unknown. */
void tn_infer_set_rank(tn_infer *c, int o, int rank);
/* The integer vector input i of a prepare or run as numbers; at most TN_MAX_RANK of them. */
tn_code tn_ints_of(const tn_tensor *t, const char *what, tn_shape *out, tn_error *err);
/* An integer scalar input: "axis must be a scalar". */
tn_code tn_int_of(const tn_tensor *t, const char *what, int64_t *out, tn_error *err);
/* Of indices[..., depth] the first that lies outside of shape, in TensorFlow's words: "indices[0] = [5] does
 * not index into <what> [3,2]"; OK when there is none. */
tn_code tn_check_points(const tn_tensor *indices, int depth, const tn_shape *shape, const char *what, tn_error *err);

/* updates [..., out.shape[depth:]] at indices [..., depth], of elements that own something. */
tn_code tn_scatter_objects(tn_scatter_op op, int depth, const tn_tensor *indices, const tn_tensor *updates,
                           tn_tensor *out, tn_error *err);

#endif
