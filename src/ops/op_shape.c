/* SPDX-License-Identifier: Apache-2.0
 *
 * op_shape.c - operators about shapes: Shape, ShapeN, Size, Rank, and those that give the same elements
 * another shape (Reshape, ExpandDims, Squeeze, EnsureShape): aliases, with nothing to run.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== Shape, ShapeN, Size, Rank ==== */

static tn_code shapes_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int i = 0; i < c->n_out; i++) {
        const tn_shape *s = &c->in[i]->shape;
        c->out[i].shape = tn_shape_vector(s->rank < 0 ? -1 : s->rank);
        if (s->rank < 0) continue;
        tn_shape ints = tn_shape_as_ints(s);
        tn_infer_set_ints(c, i, &ints);
    }
    return TN_OK;
}

static tn_code put_int(tn_run *r, tn_tensor *out, int64_t at, int64_t v, tn_error *err)
{
    if (out->dtype == TN_INT64) {
        TN_INT64S(out)[at] = v;
        return TN_OK;
    }
    if (v > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s output type is 32-bit but dim %lld is %lld", r->op->name,
                       (long long)at, (long long)v);
    TN_INT32S(out)[at] = (int32_t)v;
    return TN_OK;
}

static tn_code shapes_run(tn_run *r, tn_error *err)
{
    for (int i = 0; i < r->n_out; i++)
        for (int k = 0; k < r->in[i]->shape.rank; k++)
            TN_TRY(put_int(r, r->out[i], k, r->in[i]->shape.dim[k], err));
    return TN_OK;
}

const tn_op tn_op_Shape = {
    .name = "Shape",
    .sig = "input:T -> output:out_type; T:type out_type:type{int32,int64}=int32",
    .infer = shapes_infer,
    .run = shapes_run,
    .flags = TN_NO_GRADIENT,
};
const tn_op tn_op_ShapeN = {
    .name = "ShapeN",
    .sig = "input:N*T -> output:N*out_type; N:int>=1 T:type out_type:type{int32,int64}=int32",
    .infer = shapes_infer,
    .run = shapes_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code size_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_scalar(c, err));
    int64_t n = tn_shape_count(&c->in[0]->shape);
    if (n >= 0) tn_infer_set_ints(c, 0, &TN_SHAPE(n));
    return TN_OK;
}

static tn_code size_run(tn_run *r, tn_error *err)
{
    return put_int(r, r->out[0], 0, tn_tensor_count(r->in[0]), err);
}

const tn_op tn_op_Size = {
    .name = "Size",
    .sig = "input:T -> output:out_type; T:type out_type:type{int32,int64}=int32",
    .infer = size_infer,
    .run = size_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code rank_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_scalar(c, err));
    if (c->in[0]->shape.rank >= 0) tn_infer_set_ints(c, 0, &TN_SHAPE(c->in[0]->shape.rank));
    return TN_OK;
}

static tn_code rank_run(tn_run *r, tn_error *err)
{
    return put_int(r, r->out[0], 0, r->in[0]->shape.rank, err);
}

const tn_op tn_op_Rank = {
    .name = "Rank",
    .sig = "input:T -> output:int32; T:type",
    .infer = rank_infer,
    .run = rank_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== Reshape ==== */

/* Known elements pass through a change of shape as long as the result is a scalar or vector. */
static void keep_ints(tn_infer *c)
{
    tn_shape ints;
    if (c->out[0].shape.rank >= 0 && c->out[0].shape.rank <= 1 && tn_info_ints(c->in[0], &ints) &&
        ints.rank > 0)
        tn_infer_set_ints(c, 0, &ints);
}

static tn_code reshape_mismatch(const tn_shape *in, const tn_shape *want, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Input to reshape is a tensor with %lld values, but the requested shape has %lld",
                   (long long)tn_shape_count(in), (long long)tn_shape_count(want));
}

/* The one -1 of a requested shape that is known otherwise. */
static tn_code reshape_wildcard(const tn_shape *in, tn_shape *want, int at, tn_error *err)
{
    int64_t n = tn_shape_count(in), rest = 1;
    for (int k = 0; k < want->rank; k++)
        if (k != at && __builtin_mul_overflow(rest, want->dim[k], &rest))
            return tn_fail(err, TN_INVALID_ARGUMENT, "requested shape is too large");
    if (n < 0) return TN_OK;
    if (rest == 0 && n > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "reshape cannot infer the missing input size for an empty tensor unless all specified "
                       "input sizes are "
                       "non-zero");
    if (rest == 0) {
        want->dim[at] = 0;
        return TN_OK;
    }
    if (n % rest)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input to reshape is a tensor with %lld values, but the requested shape requires a multiple of "
                       "%lld", (long long)n, (long long)rest);
    want->dim[at] = n / rest;
    return TN_OK;
}

static tn_code reshape_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape want;
    char text[128];
    const tn_shape *v = &c->in[1]->shape;
    if (v->rank >= 0 && v->rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sizes input must be 1-D, not %s",
                       tn_shape_text(v, text, sizeof text));
    if (!tn_info_ints(c->in[1], &want)) {
        if (v->rank == 1 && v->dim[0] >= 0) tn_infer_set_rank(c, 0, (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1));
        return TN_OK;
    }
    int minus = 0, unknown = 0, at = -1;
    for (int k = 0; k < want.rank; k++) {
        int64_t d = want.dim[k];
        if (d == TN_UNKNOWN_INT)
            unknown++, want.dim[k] = -1;
        else if (d == -1)
            minus++, at = k;
        else if (d < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Size %d must be non-negative, not %lld", k,
                           (long long)d);
    }
    if (minus > 1) return tn_fail(err, TN_INVALID_ARGUMENT, "Only one input size may be -1, not both");
    if (minus == 1 && !unknown) TN_TRY(reshape_wildcard(in, &want, at, err));
    if (!minus && unknown == 1)
        for (int k = 0; k < want.rank; k++)
            if (want.dim[k] < 0) at = k;
    /* One unknown dimension that must fit all the same. */
    if (!minus && unknown == 1 && tn_shape_count(in) > 0) {
        int64_t rest = 1;
        for (int k = 0; k < want.rank; k++)
            if (k != at && __builtin_mul_overflow(rest, want.dim[k], &rest)) return reshape_mismatch(in, &want, err);
        if (rest > 0 && tn_shape_count(in) % rest == 0) want.dim[at] = tn_shape_count(in) / rest;
    }
    if (!unknown && !minus && tn_shape_known(in) && tn_shape_count(in) != tn_shape_count(&want))
        return reshape_mismatch(in, &want, err);
    c->out[0].shape = want;
    keep_ints(c);
    return TN_OK;
}

static tn_code reshape_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 0);
    tn_shape s = tn_node_shape(x);
    int unknown = 0;
    bool zero = false;
    for (int k = 0; k < s.rank; k++) unknown += s.dim[k] < 0, zero |= s.dim[k] == 0;
    if (s.rank >= 0 && unknown == 1 && !zero)
        tn_grad_set(
            g, 0,
            tn_op(g->b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), tn_ints(g->b, s.dim, s.rank)), TN_NO_ATTRS));
    else
        tn_grad_set(g, 0, tn_grad_reshape_like(g->b, tn_grad_dy(g, 0), x));
    return TN_OK;
}

const tn_op tn_op_Reshape = {
    .name = "Reshape",
    .sig = "tensor:T shape:Tshape -> output:T; T:type Tshape:type{int32,int64}=int32",
    .infer = reshape_infer,
    .grad = reshape_grad,
    .flags = TN_ALIAS,
    .values = TN_BIT(1),
};

/* ==== ExpandDims, Squeeze, EnsureShape, GuaranteeConst ==== */

static tn_code like_input_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_reshape_like(g->b, tn_grad_dy(g, 0), tn_grad_in(g, 0)));
    return TN_OK;
}

static tn_code refuse_variants(const tn_infer *c, tn_error *err)
{
    if (tn_dtype_base(c->in[0]->dtype) != TN_VARIANT) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s on Variant not supported", c->op->name);
}

static tn_code expand_dims_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    TN_TRY(refuse_variants(c, err));
    if (in->rank < 0) return TN_OK;
    if (in->rank + 1 > TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    int axis;
    bool known;
    int64_t v;
    if (tn_infer_int(c, 1, &v) && (v < -1 - in->rank || v > in->rank))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Tried to expand dim index %lld for tensor with %d dimensions.", (long long)v,
                       in->rank);
    TN_TRY(tn_infer_axis(c, 1, in->rank + 1, &axis, &known, err));
    tn_infer_set_rank(c, 0, in->rank + 1);
    if (!known) return TN_OK;
    tn_shape *out = &c->out[0].shape;
    for (int k = 0; k <= in->rank; k++) out->dim[k] = k == axis ? 1 : in->dim[k - (k > axis)];
    keep_ints(c);
    return TN_OK;
}

const tn_op tn_op_ExpandDims = {
    .name = "ExpandDims",
    .sig = "input:T dim:Tdim -> output:T; T:type Tdim:type{int32,int64}=int32",
    .infer = expand_dims_infer,
    .grad = like_input_grad,
    .flags = TN_ALIAS,
    .values = TN_BIT(1),
};

static tn_code squeeze_named(tn_infer *c, const int64_t *dims, int n, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    bool drop[TN_MAX_RANK] = {false};
    for (int i = 0; i < n; i++) {
        int axis;
        TN_TRY(tn_axis_check(dims[i], in->rank, &axis, err));
        if (in->dim[axis] >= 0 && in->dim[axis] != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Can not squeeze dim[%d], expected a dimension of 1, got %lld", axis,
                           (long long)in->dim[axis]);
        drop[axis] = true;
    }
    tn_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int k = 0; k < in->rank; k++)
        if (!drop[k]) out->dim[out->rank++] = in->dim[k];
    keep_ints(c);
    return TN_OK;
}

static tn_code squeeze_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    const int64_t *dims;
    int n = tn_attr_list(c->attrs, "squeeze_dims", &dims);
    TN_TRY(refuse_variants(c, err));
    if (in->rank < 0) return TN_OK;
    if (n) return squeeze_named(c, dims, n, err);
    if (!tn_shape_known(in)) {
        for (int k = 0; k < in->rank; k++)
            if (in->dim[k] < 0) return TN_OK; /* whether it goes is not known */
    }
    tn_shape *out = &c->out[0].shape;
    out->rank = 0;
    for (int k = 0; k < in->rank; k++)
        if (in->dim[k] != 1) out->dim[out->rank++] = in->dim[k];
    keep_ints(c);
    return TN_OK;
}

const tn_op tn_op_Squeeze = {
    .name = "Squeeze",
    .sig = "input:T -> output:T; T:type squeeze_dims:list(int)>=0=[]",
    .infer = squeeze_infer,
    .grad = like_input_grad,
    .flags = TN_ALIAS,
};

static tn_code ensure_shape_infer(tn_infer *c, tn_error *err)
{
    tn_shape want = tn_shape_unknown();
    char a[128], b[128];
    tn_attr_get_shape(c->attrs, "shape", &want);
    if (!tn_shape_compatible(&c->in[0]->shape, &want))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Shape of tensor %s is not compatible with expected shape %s.",
                       tn_shape_text(&c->in[0]->shape, a, sizeof a), tn_shape_text(&want, b, sizeof b));
    TN_TRY(tn_shape_merge(&c->in[0]->shape, &want, &c->out[0].shape, err));
    keep_ints(c);
    return TN_OK;
}

static tn_code pass_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

const tn_op tn_op_EnsureShape = {
    .name = "EnsureShape",
    .sig = "input:T -> output:T; shape:shape T:type",
    .infer = ensure_shape_infer,
    .grad = pass_grad,
    .flags = TN_ALIAS,
};
static tn_code guarantee_infer(tn_infer *c, tn_error *err)
{
    if (c->in[0]->dtype == TN_RESOURCE)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input tensor cannot be a resource variable handle.");
    return tn_infer_unchanged(c, err);
}

const tn_op tn_op_GuaranteeConst = {
    .name = "GuaranteeConst",
    .sig = "input:T -> output:T; T:type",
    .infer = guarantee_infer,
    .grad = pass_grad,
    .flags = TN_ALIAS,
};
