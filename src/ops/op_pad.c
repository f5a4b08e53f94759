/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pad.c - Pad, PadV2, MirrorPad and MirrorPadGrad.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== what all share: paddings[rank, 2] ==== */

typedef struct padding {
    int64_t before[TN_MAX_RANK], after[TN_MAX_RANK];
    tn_pad_mode mode;
    tn_move inside; /* where the input lies in the output; or the other way round, of the gradient */
} padding;

static tn_code check_paddings(tn_infer *c, int *rank, tn_error *err)
{
    const tn_shape *v = &c->in[1]->shape;
    char text[128];
    *rank = c->in[0]->shape.rank;
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    if (v->rank != 2) return TN_OK;
    if (v->dim[1] >= 0 && v->dim[1] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "paddings must be a matrix with 2 columns: [%lld,%lld]",
                       (long long)v->dim[0], (long long)v->dim[1]);
    if (v->dim[0] < 0) return TN_OK;
    if (*rank >= 0 && v->dim[0] != *rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The first dimension of paddings must be the rank of inputs[%lld,2] %s",
                       (long long)v->dim[0], tn_shape_text(&c->in[0]->shape, text, sizeof text));
    *rank = (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1);
    return TN_OK;
}

static tn_code read_paddings(const tn_tensor *t, int rank, padding *p, tn_error *err)
{
    for (int k = 0; k < rank; k++) {
        p->before[k] = tn_tensor_int(t, 2 * k);
        p->after[k] = tn_tensor_int(t, 2 * k + 1);
        if (p->before[k] < 0 || p->after[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Paddings must be non-negative: %lld %lld",
                           (long long)p->before[k], (long long)p->after[k]);
        if (p->before[k] > INT64_MAX / 4 || p->after[k] > INT64_MAX / 4)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Paddings are too large: %lld %lld",
                           (long long)p->before[k], (long long)p->after[k]);
    }
    return TN_OK;
}

static tn_code pad_infer_sign(tn_infer *c, int sign, tn_error *err)
{
    int rank;
    padding p;
    TN_TRY(check_paddings(c, &rank, err));
    if (rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, rank);
    const tn_tensor *v = c->in[1]->value;
    if (!v || c->in[0]->shape.rank < 0) return TN_OK;
    TN_TRY(read_paddings(v, rank, &p, err));
    for (int k = 0; k < rank; k++) {
        int64_t d = c->in[0]->shape.dim[k];
        if (d < 0) continue;
        int64_t n = d + sign * (p.before[k] + p.after[k]);
        if (n < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Paddings are larger than dimension %d of %lld", k,
                           (long long)d);
        c->out[0].shape.dim[k] = n;
    }
    return TN_OK;
}

static tn_code pad_infer(tn_infer *c, tn_error *err)
{
    return pad_infer_sign(c, 1, err);
}

static tn_code pad_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    TN_PARAMS(p, padding, pad);
    TN_TRY(read_paddings(p->in[1], in->rank, pad, err));
    tn_shape_strides(in, is);
    tn_shape_strides(out, os);
    for (int k = 0; k < in->rank; k++) {
        pad->inside.out0 += pad->before[k] * os[k];
        tn_move_dim(&pad->inside, in->dim[k], os[k], is[k]);
    }
    return tn_move_ready(&pad->inside, p->out[0]->dtype, p->threads, err);
}

static tn_code pad_run(tn_run *r, tn_error *err)
{
    const padding *p = r->params;
    tn_tensor *out = r->out[0];
    uint64_t zero[2] = {0};
    if (r->n_in > 2 && tn_tensor_count(r->in[2]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "constant_values must be a scalar");
    if (tn_dtype_is_pod(out->dtype)) {
        const void *value = r->n_in > 2 ? r->in[2]->data : zero;
        return tn_pad((int)tn_dtype_size(out->dtype), TN_PAD_CONSTANT, &r->in[0]->shape, p->before, p->after,
                      value, r->in[0]->data, out->data, r->threads, err);
    }
    if (r->n_in > 2) TN_TRY(tn_move_fill(out, 0, tn_tensor_count(out), r->in[2], 0, err));
    return tn_move_run(&p->inside, out, r->in[0], err);
}

static tn_code pad_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), paddings = tn_grad_in(g, 1);
    int64_t zeros[2] = {0, 0}, flat = -1;
    tn_node size = tn_grad_pack(b, (tn_node[]){tn_grad_rank(b, x), tn_grad_int(b, TN_INT32, 1)}, 2, 0);
    tn_node before = tn_op(b, "Slice", TN_INPUTS(paddings, tn_ints(b, zeros, 2), size), TN_NO_ATTRS);
    tn_node begin = tn_op(b, "Reshape", TN_INPUTS(before, tn_ints(b, &flat, 1)), TN_NO_ATTRS);
    tn_node sizes = tn_grad_shape(b, x, tn_dtype_base(tn_node_dtype(paddings)));
    tn_grad_set(g, 0, tn_op(b, "Slice", TN_INPUTS(tn_grad_dy(g, 0), begin, sizes), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Pad = {
    .name = "Pad",
    .sig = "input:T paddings:Tpaddings -> output:T; T:type Tpaddings:type{int32,int64}=int32",
    .infer = pad_infer,
    .prepare = pad_prepare,
    .run = pad_run,
    .grad = pad_grad,
    .values = TN_BIT(1),
};
const tn_op tn_op_PadV2 = {
    .name = "PadV2",
    .sig = "input:T paddings:Tpaddings constant_values:T -> output:T; T:type "
           "Tpaddings:type{int32,int64}=int32",
    .infer = pad_infer,
    .prepare = pad_prepare,
    .run = pad_run,
    .grad = pad_grad,
    .values = TN_BIT(1),
};

/* ==== MirrorPad ==== */

static tn_code mirror_prepare(tn_prepare *p, const tn_shape *small, padding **out, tn_error *err)
{
    TN_PARAMS(p, padding, pad);
    TN_TRY(read_paddings(p->in[1], small->rank, pad, err));
    pad->mode = tn_attr_is(p->attrs, "mode", "REFLECT") ? TN_PAD_REFLECT : TN_PAD_SYMMETRIC;
    for (int k = 0; k < small->rank; k++) {
        int64_t most = small->dim[k] - (pad->mode == TN_PAD_REFLECT);
        if (pad->before[k] > TN_MAX(most, 0) || pad->after[k] > TN_MAX(most, 0))
            return tn_fail(
                err, TN_INVALID_ARGUMENT, "paddings must be %s the dimension size: %lld, %lld not %s %lld",
                pad->mode == TN_PAD_REFLECT ? "less than" : "no greater than", (long long)pad->before[k],
                (long long)pad->after[k], pad->mode == TN_PAD_REFLECT ? "less than" : "no greater than",
                (long long)small->dim[k]);
    }
    *out = pad;
    return TN_OK;
}

static tn_code mirror_pad_prepare(tn_prepare *p, tn_error *err)
{
    padding *pad;
    return mirror_prepare(p, &p->in[0]->shape, &pad, err);
}

/* Where element at of the padded dimension comes from. */
static int64_t mirrored(int64_t at, int64_t before, int64_t n, tn_pad_mode mode)
{
    int64_t i = at - before, edge = mode == TN_PAD_REFLECT ? 0 : 1;
    if (i < 0) return -i - edge;
    return i < n ? i : 2 * n - 2 + edge - i;
}

/* Calls f for each element of the padded shape with the element of the small one it mirrors. */
static tn_code each_mirrored(const padding *p, const tn_shape *small, const tn_shape *big,
                             tn_code (*f)(void *arg, int64_t big_at, int64_t small_at, tn_error *err),
                             void *arg, tn_error *err)
{
    int64_t n = tn_shape_count(big), strides[TN_MAX_RANK];
    tn_shape_strides(small, strides);
    for (int64_t o = 0; o < n; o++) {
        int64_t rest = o, i = 0;
        for (int k = big->rank - 1; k >= 0; k--) {
            i += mirrored(rest % big->dim[k], p->before[k], small->dim[k], p->mode) * strides[k];
            rest /= big->dim[k];
        }
        TN_TRY(f(arg, o, i, err));
    }
    return TN_OK;
}

static tn_code copy_mirrored(void *arg, int64_t o, int64_t i, tn_error *err)
{
    tn_run *r = arg;
    return tn_move_row(r->out[0], o, r->in[0], i, 1, err);
}

static tn_code mirror_pad_run(tn_run *r, tn_error *err)
{
    const padding *p = r->params;
    const tn_tensor *in = r->in[0];
    tn_tensor *out = r->out[0];
    if (tn_dtype_is_pod(out->dtype))
        return tn_pad((int)tn_dtype_size(out->dtype), p->mode, &in->shape, p->before, p->after, NULL,
                      in->data, out->data, r->threads, err);
    return each_mirrored(p, &in->shape, &out->shape, copy_mirrored, r, err);
}

static const char *const mode_name[] = {"mode"};

static tn_code mirror_pad_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 1)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "MirrorPadGrad", in, 2, mode_name, 1));
    return TN_OK;
}

const tn_op tn_op_MirrorPad = {
    .name = "MirrorPad",
    .sig = "input:T paddings:Tpaddings -> output:T; T:type Tpaddings:type{int32,int64}=int32 "
           "mode:string{REFLECT,SYMMETRIC}",
    .infer = pad_infer,
    .prepare = mirror_pad_prepare,
    .run = mirror_pad_run,
    .grad = mirror_pad_grad,
    .values = TN_BIT(1),
};

/* ==== MirrorPadGrad ==== adds each element of the padded gradient to the one it mirrors */

static tn_code mirror_pad_grad_infer(tn_infer *c, tn_error *err)
{
    return pad_infer_sign(c, -1, err);
}

static tn_code mirror_pad_grad_prepare(tn_prepare *p, tn_error *err)
{
    padding *pad;
    return mirror_prepare(p, &p->out[0]->shape, &pad, err);
}

static tn_code add_mirrored(void *arg, int64_t big, int64_t small, tn_error *err)
{
    tn_run *r = arg;
    size_t size = tn_dtype_size(r->out[0]->dtype);
    char *to = (char *)r->out[0]->data + (size_t)small * size;
    const void *in[2] = {to, (const char *)r->in[0]->data + (size_t)big * size};
    return tn_pw_flat(TN_PW_ADD, r->out[0]->dtype, 0, 1, in, to, 1, err);
}

static tn_code mirror_pad_grad_run(tn_run *r, tn_error *err)
{
    tn_tensor *out = r->out[0];
    if (!tn_dtype_is_pod(out->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "MirrorPadGrad of %s", tn_dtype_name(out->dtype));
    memset(out->data, 0, tn_tensor_bytes(out));
    if (out->dtype != TN_FLOAT)
        return each_mirrored(r->params, &out->shape, &r->in[0]->shape, add_mirrored, r, err);
    const padding *p = r->params;
    const tn_shape *big = &r->in[0]->shape;
    int64_t n = tn_tensor_count(r->in[0]), strides[TN_MAX_RANK];
    tn_shape_strides(&out->shape, strides);
    for (int64_t o = 0; o < n; o++) {
        int64_t rest = o, i = 0;
        for (int k = big->rank - 1; k >= 0; k--) {
            i += mirrored(rest % big->dim[k], p->before[k], out->shape.dim[k], p->mode) * strides[k];
            rest /= big->dim[k];
        }
        TN_FLOATS(out)[i] += TN_FLOATS(r->in[0])[o];
    }
    return TN_OK;
}

static tn_code mirror_pad_grad_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 1)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "MirrorPad", in, 2, mode_name, 1));
    return TN_OK;
}

const tn_op tn_op_MirrorPadGrad = {
    .name = "MirrorPadGrad",
    .sig = "input:T paddings:Tpaddings -> output:T; T:type Tpaddings:type{int32,int64}=int32 "
           "mode:string{REFLECT,SYMMETRIC}",
    .infer = mirror_pad_grad_infer,
    .prepare = mirror_pad_grad_prepare,
    .run = mirror_pad_grad_run,
    .grad = mirror_pad_grad_grad,
    .values = TN_BIT(1),
};
