/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dilation.c - Dilation2D and its gradients by input and by filter.
 */
#include "../graph/op_grads.h"
#include "../kernel/kernel.h"
#include "op_move.h"

static tn_code read_pair(const tn_attrs *a, const char *name, int64_t *out, tn_error *err)
{
    const int64_t *v;
    if (tn_attr_list(a, name, &v) != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Sliding window %s field must specify 4 dimensions", name);
    if (v[0] != 1 || v[3] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s is not yet supported on the batch or depth dimension", name);
    for (int k = 0; k < 2; k++) {
        out[k] = v[k + 1];
        if (out[k] < 1 || out[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be at least 1, is %lld", name, (long long)out[k]);
    }
    return TN_OK;
}

static tn_code check_depth(const tn_shape *in, const tn_shape *filter, tn_error *err)
{
    if (in->dim[3] >= 0 && filter->dim[2] >= 0 && in->dim[3] != filter->dim[2])
        return tn_fail(err, TN_INVALID_ARGUMENT, "input and filter must have the same depth: %lld vs %lld",
                       (long long)in->dim[3], (long long)filter->dim[2]);
    return TN_OK;
}

/* Unknown dimensions give -1. */
static tn_code sizes_of(const tn_attrs *a, const tn_shape *in, const tn_shape *filter, tn_dilation_desc *out,
                        tn_error *err)
{
    tn_dilation_desc d = {.batch = in->dim[0], .channels = in->dim[3]};
    bool same = tn_attr_is(a, "padding", "SAME");
    TN_TRY(read_pair(a, "strides", d.stride, err));
    TN_TRY(read_pair(a, "rates", d.rate, err));
    TN_TRY(check_depth(in, filter, err));
    for (int k = 0; k < 2; k++) {
        int64_t high;
        d.in[k] = in->dim[k + 1];
        d.filter[k] = filter->dim[k];
        d.out[k] = -1;
        if (d.in[k] < 0 || d.filter[k] < 0) continue;
        int64_t span = (d.filter[k] - 1) * d.rate[k] + 1;
        if (!same && d.in[k] - span + d.stride[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Computed output size would be negative: input %lld, filter %lld",
                           (long long)d.in[k], (long long)span);
        tn_window_size(d.in[k], d.filter[k], d.stride[k], d.rate[k], same, &d.out[k], &d.pad_lo[k], &high);
    }
    *out = d;
    return TN_OK;
}

/* ==== inference ==== */

static tn_code ranks(const tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 3, err));
    return c->n_in > 2 ? tn_infer_rank(c, 2, 4, err) : TN_OK;
}

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    tn_dilation_desc d;
    TN_TRY(ranks(c, err));
    tn_infer_set_rank(c, 0, 4);
    if (c->in[0]->shape.rank < 0 || c->in[1]->shape.rank < 0) return TN_OK;
    TN_TRY(sizes_of(c->attrs, &c->in[0]->shape, &c->in[1]->shape, &d, err));
    c->out[0].shape = (tn_shape){.rank = 4, .dim = {d.batch, d.out[0], d.out[1], d.channels}};
    return TN_OK;
}

static tn_code back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(ranks(c, err));
    c->out[0].shape = c->in[strstr(c->op->name, "Filter") ? 1 : 0]->shape;
    return TN_OK;
}

/* ==== running ==== */

static tn_code dilation_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_dilation_desc, d);
    TN_TRY(sizes_of(p->attrs, &p->in[0]->shape, &p->in[1]->shape, d, err));
    d->dtype = p->in[0]->dtype;
    d->kind = p->n_in == 2 ? TN_DILATION_FORWARD
              : strstr(p->op->name, "Filter") ? TN_DILATION_BY_FILTER : TN_DILATION_BY_INPUT;
    if (p->n_in == 2) return TN_OK;
    tn_shape want = {.rank = 4, .dim = {d->batch, d->out[0], d->out[1], d->channels}};
    char a[96], b[96];
    if (!tn_shape_equal(&want, &p->in[2]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "out_backprop has incompatible size: %s, expected %s",
                       tn_shape_text(&p->in[2]->shape, a, sizeof a), tn_shape_text(&want, b, sizeof b));
    return TN_OK;
}

static tn_code dilation_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_dilation(r->params, r->in[0]->data, r->in[1]->data, r->n_in > 2 ? r->in[2]->data : NULL, r->out[0]->data);
    return TN_OK;
}

static tn_code dilation_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"strides", "rates", "padding"};
    (void)err;
    tn_node in[3] = {tn_grad_in(g, 0), tn_grad_in(g, 1), tn_grad_dy(g, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "Dilation2DBackpropInput", in, 3, attrs, 3));
    tn_grad_set(g, 1, tn_grad_op_like(g, "Dilation2DBackpropFilter", in, 3, attrs, 3));
    return TN_OK;
}

#define DILATION(NAME, INFER, GRAD, ARGS)                                                                         \
    const tn_op tn_op_##NAME = {                                                                                  \
        .name = #NAME,                                                                                            \
        .sig = ARGS " T:type{realnumbertype} strides:list(int)>=4 rates:list(int)>=4 padding:string{SAME,VALID}", \
        .infer = INFER,                                                                                           \
        .prepare = dilation_prepare,                                                                              \
        .run = dilation_run,                                                                                      \
        .grad = GRAD,                                                                                             \
    }
DILATION(Dilation2D, forward_infer, dilation_grad, "input:T filter:T -> output:T;");
DILATION(Dilation2DBackpropFilter, back_infer, NULL, "input:T filter:T out_backprop:T -> filter_backprop:T;");
DILATION(Dilation2DBackpropInput, back_infer, NULL, "input:T filter:T out_backprop:T -> in_backprop:T;");
