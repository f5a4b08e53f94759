/* SPDX-License-Identifier: Apache-2.0
 *
 * op_update.c - parts of tensors and variables replaced: strided slices of both kinds of variables and of
 * values, rows in place (Inplace*); references chosen or handed on; values that are copied or made for
 * something to be written into.
 */
#include "op_math.h"
#include "op_move.h"
#include "slice_move.h"

/* ==== strided slices ==== target begin end strides value */

/* The value, repeated where it is smaller than the slice, into the slice of the target. */
static tn_code put_slice(tn_run *r, tn_tensor *target, tn_error *err)
{
    tn_shape slice, wide;
    tn_move m = {0};
    char a[128], b[128];
    const tn_tensor *v = r->in[4];
    tn_tensor *whole = NULL;
    if (v->dtype != target->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a value of %s cannot be put into a variable of %s",
                       tn_dtype_name(v->dtype), tn_dtype_name(target->dtype));
    TN_TRY(tn_slice_into(r->attrs, r->in + 1, &target->shape, target->dtype, &m, &slice, err));
    if (tn_shape_count(&slice) == 0) return TN_OK;
    if (tn_shape_equal(&slice, &v->shape)) return tn_move_run(&m, target, v, err);
    if (tn_shape_broadcast(&slice, &v->shape, &wide, NULL) != TN_OK || !tn_shape_equal(&wide, &slice))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot broadcast input shape %s into final shape %s",
                       tn_shape_text(&v->shape, a, sizeof a), tn_shape_text(&slice, b, sizeof b));
    TN_TRY(tn_dtype_is_pod(v->dtype) ? tn_tensor_alloc(v->dtype, &slice, &whole, err)
                                     : tn_tensor_new(v->dtype, &slice, &whole, err));
    tn_move repeat = {0};
    int64_t out[TN_MAX_RANK], in[TN_MAX_RANK];
    int lead = slice.rank - v->shape.rank;
    tn_shape_strides(&slice, out);
    tn_shape_strides(&v->shape, in);
    for (int k = 0; k < slice.rank; k++)
        tn_move_dim(&repeat, slice.dim[k], out[k],
                    k < lead || v->shape.dim[k - lead] == 1 ? 0 : in[k - lead]);
    tn_code code = tn_move_ready(&repeat, v->dtype, 1, err);
    if (code == TN_OK) code = tn_move_run(&repeat, whole, v, err);
    if (code == TN_OK) code = tn_move_run(&m, target, whole, err);
    tn_tensor_unref(whole);
    return code;
}

static tn_code assign_slice_run(tn_run *r, tn_error *err)
{
    tn_tensor *v;
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    TN_TRY(put_slice(r, v, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

static tn_code update_slice_run(tn_run *r, tn_error *err)
{
    TN_TRY(tn_move_row(r->out[0], 0, r->in[0], 0, tn_tensor_count(r->in[0]), err));
    return put_slice(r, r->out[0], err);
}

static tn_code like_first_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

/* A variable takes quantised numbers and variants, too. */
static tn_code update_slice_infer(tn_infer *c, tn_error *err)
{
    tn_dtype t = c->in[0]->dtype;
    if (t == TN_QINT8 || t == TN_QUINT8 || t == TN_QINT32 || t == TN_VARIANT)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported data type: %s", tn_dtype_name(t));
    return like_first_infer(c, err);
}

static const char *const masks[] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                    "shrink_axis_mask"};

static tn_node masked(tn_grad *g, const char *type, const tn_node *in, int n)
{
    tn_attr a[5];
    for (int i = 0; i < 5; i++) a[i] = tn_attr_int(masks[i], tn_attr_i(&g->op->attrs, masks[i]));
    return tn_output_of(tn_add_operation(g->b, type, NULL, in, n, a, 5), 0);
}

/* The slice's part of the gradient belongs to the value, the rest to what it was put into. */
static tn_code update_slice_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0), value = tn_grad_in(g, 4);
    tn_node in[] = {dy, tn_grad_in(g, 1), tn_grad_in(g, 2), tn_grad_in(g, 3), tn_zeros_like(g->b, value)};
    tn_node part = masked(g, "StridedSlice", in, 4);
    tn_grad_set(g, 0, masked(g, "TensorStridedSliceUpdate", in, 5));
    tn_grad_set(g, 4, tn_g_sum_to(g->b, part, value, part));
    return TN_OK;
}

#define MASKS                                                                             \
    "T:type Index:type{int32,int64} begin_mask:int=0 end_mask:int=0 ellipsis_mask:int=0 " \
    "new_axis_mask:int=0 shrink_axis_mask:int=0"
const tn_op tn_op_TensorStridedSliceUpdate = {
    .name = "TensorStridedSliceUpdate",
    .sig = "input:T begin:Index end:Index strides:Index value:T -> output:T; " MASKS,
    .infer = update_slice_infer,
    .run = update_slice_run,
    .grad = update_slice_grad,
};
const tn_op tn_op_StridedSliceAssign = {
    .name = "StridedSliceAssign",
    .sig = "ref:&T begin:Index end:Index strides:Index value:T -> output_ref:&T; " MASKS,
    .infer = like_first_infer,
    .run = assign_slice_run,
    .flags = TN_STATEFUL | TN_EFFECT,
    .writes = TN_BIT(0),
};
const tn_op tn_op_ResourceStridedSliceAssign = {
    .name = "ResourceStridedSliceAssign",
    .sig = "ref:resource begin:Index end:Index strides:Index value:T -> ; " MASKS,
    .infer = tn_infer_none,
    .run = assign_slice_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};

/* ==== rows ==== x[i] = v, +=, -=; indices go round */

static tn_code check_rows(const tn_run *r, tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape, *i = &r->in[1]->shape, *v = &r->in[2]->shape;
    if (i->rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "i must be a vector.");
    if (x->rank != v->rank || x->rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "x and v shape doesn't match (ranks differ)");
    for (int k = 0; k < x->rank; k++)
        if (v->dim[k] != (k ? x->dim[k] : i->dim[0]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s and v shape doesn't match at index %d",
                           k ? "x" : "i", k);
    return TN_OK;
}

static tn_code change_row(tn_run *r, int64_t row, int64_t k, int64_t inner, tn_error *err)
{
    tn_tensor *y = r->out[0];
    const tn_tensor *v = r->in[2];
    if (r->op->name[7] == 'U') return tn_move_row(y, row * inner, v, k * inner, inner, err);
    size_t size = tn_dtype_size(y->dtype);
    char *to = (char *)y->data + (size_t)(row * inner) * size;
    const void *in[] = {to, (char *)v->data + (size_t)(k * inner) * size};
    return tn_pw_flat(r->op->name[7] == 'A' ? TN_PW_ADD : TN_PW_SUB, y->dtype, 0, inner, in, to, 1, err);
}

static tn_code rows_run(tn_run *r, tn_error *err)
{
    TN_TRY(check_rows(r, err));
    int64_t rows = r->in[0]->shape.dim[0],
            inner = tn_shape_product(&r->in[0]->shape, 1, r->in[0]->shape.rank);
    TN_TRY(tn_move_row(r->out[0], 0, r->in[0], 0, rows * inner, err));
    for (int64_t k = 0; k < tn_tensor_count(r->in[1]) && rows; k++) {
        int64_t row = TN_INT32S(r->in[1])[k] % rows;
        TN_TRY(change_row(r, row < 0 ? row + rows : row, k, inner, err));
    }
    return TN_OK;
}

#define ROWS(Name)               \
    const tn_op tn_op_##Name = { \
        .name = #Name, .sig = "x:T i:int32 v:T -> y:T; T:type", .infer = like_first_infer, .run = rows_run}
ROWS(InplaceAdd);
ROWS(InplaceSub);
ROWS(InplaceUpdate);

/* ==== references ==== */

static tn_code same_ref_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

static tn_code same_ref_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

#define SAME_REF(Op, Flags)                     \
    const tn_op tn_op_##Op = {                  \
        .name = #Op,                            \
        .sig = "input:&T -> output:&T; T:type", \
        .infer = like_first_infer,              \
        .run = same_ref_run,                    \
        .grad = same_ref_grad,                  \
        .flags = TN_STATEFUL | (Flags),         \
    }
SAME_REF(RefIdentity, 0);
SAME_REF(DebugGradientRefIdentity, 0);

static tn_code choose_ref_run(tn_run *r, tn_error *err)
{
    int64_t i;
    TN_TRY(tn_int_of(r->in[0], "index", &i, err));
    if (i < 0 || i >= r->n_in - 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Index must be in the range [0, %d) but got %lld",
                       r->n_in - 1, (long long)i);
    tn_run_forward_ref(r, 0, 1 + (int)i);
    return TN_OK;
}

const tn_op tn_op_RefSelect = {
    .name = "RefSelect",
    .sig = "index:int32 inputs:&N*T -> output:&T; T:type N:int>=1",
    .infer = tn_infer_none,
    .run = choose_ref_run,
    .flags = TN_STATEFUL,
};

/* The variable's value; the variable stays, and is assigned to again in the next run. */
static tn_code last_value_run(tn_run *r, tn_error *err)
{
    const tn_tensor *v;
    TN_TRY(tn_run_variable(r, 0, &v, err));
    return tn_run_output_share(r, 0, v, err);
}

const tn_op tn_op_DestroyTemporaryVariable = {
    .name = "DestroyTemporaryVariable",
    .sig = "ref:&T -> value:T; T:type var_name:string",
    .infer = like_first_infer,
    .run = last_value_run,
    .flags = TN_STATEFUL | TN_EFFECT,
    .reads = TN_BIT(0),
    .dynamic = TN_BIT(0),
};
const tn_op tn_op_TemporaryVariable = {
    .name = "TemporaryVariable",
    .sig = "-> ref:&dtype; shape:shape dtype:type var_name:string=\"\"",
    .infer = tn_infer_none,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
};

/* ==== values ==== */

static tn_code same_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

/* Numbers, booleans and strings. */
static tn_code deep_infer(tn_infer *c, tn_error *err)
{
    tn_dtype t = tn_dtype_base(c->in[0]->dtype);
    if (!tn_is_plain(t) && t != TN_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Unsupported data type: %s", tn_dtype_name(t));
    return tn_infer_like_first(c, err);
}

#define COPY(Name, Infer, Sig)   \
    const tn_op tn_op_##Name = { \
        .name = #Name, .sig = Sig, .infer = Infer, .run = tn_run_copy, .grad = same_grad}
COPY(Copy, tn_infer_like_first, "input:T -> output:T; T:type tensor_name:string=\"\" debug_ops_spec:list(string)=[]");
COPY(CopyHost, tn_infer_like_first,
     "input:T -> output:T; T:type tensor_name:string=\"\" debug_ops_spec:list(string)=[]");
COPY(DeepCopy, deep_infer, "x:T -> y:T; T:type");

/* Zeros, whether they are asked for or not. */
static tn_code empty_run(tn_run *r, tn_error *err)
{
    (void)err;
    if (tn_dtype_is_pod(r->out[0]->dtype) && tn_tensor_bytes(r->out[0]))
        memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

static tn_code empty_infer(tn_infer *c, tn_error *err)
{
    return tn_infer_new_shape(c, 0, &c->out[0].shape, err);
}

const tn_op tn_op_Empty = {
    .name = "Empty",
    .sig = "shape:int32 -> output:dtype; dtype:type init:bool=false",
    .infer = empty_infer,
    .run = empty_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(0),
};

static tn_code join_infer(tn_infer *c, tn_error *err)
{
    char a[128], b[128];
    tn_shape whole, row;
    tn_attr_get_shape(c->attrs, "shape", &whole);
    if (!tn_shape_known(&whole) || whole.rank < 1 || whole.dim[0] != c->n_in)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Op requires one of dimension 0 of the shape for each value: %s",
                       tn_shape_text(&whole, a, sizeof a));
    row = whole;
    row.dim[0] = 1;
    for (int i = 0; i < c->n_in; i++)
        if (!tn_shape_compatible(&row, &c->in[i]->shape))
            return tn_fail(err, TN_INVALID_ARGUMENT, "All input shapes must match: value %d is %s, not %s", i,
                           tn_shape_text(&c->in[i]->shape, a, sizeof a), tn_shape_text(&row, b, sizeof b));
    c->out[0].shape = whole;
    return TN_OK;
}

static tn_code join_run(tn_run *r, tn_error *err)
{
    for (int i = 0; i < r->n_in; i++) {
        int64_t n = tn_tensor_count(r->in[i]);
        TN_TRY(tn_move_row(r->out[0], i * n, r->in[i], 0, n, err));
    }
    return TN_OK;
}

const tn_op tn_op_ParallelConcat = {
    .name = "ParallelConcat",
    .sig = "values:N*T -> output:T; N:int>=1 T:type shape:shape",
    .infer = join_infer,
    .run = join_run,
};
