/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pool3d.c - MaxPool3D, AvgPool3D and the operators of their gradients: floats, and 16-bit floats by way of them.
 */
#include "channels_first.h"
#include "op_conv.h"
#include "op_grads.h"
#include "op_move.h"

/* ==== sizes ==== */

static tn_code window_of(const tn_op *op, const tn_attrs *a, const char *name, const tn_image_axes *x, int64_t *out,
                         tn_error *err)
{
    const int64_t *v;
    if (tn_attr_list(a, name, &v) != 5)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Sliding window %s field must specify 5 dimensions", name);
    if (v[x->batch] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "Pooling is not yet supported on the batch dimension.");
    if (v[x->channel] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "Pooling is not yet supported on the depth dimension.");
    for (int k = 0; k < 3; k++) {
        out[k] = v[x->space[k]];
        if (out[k] < 1 || out[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s: %s for dimension %d is %lld, must be at least 1", op->name,
                           name, k, (long long)out[k]);
    }
    return TN_OK;
}

static tn_code sizes_of(const tn_op *op, const tn_attrs *a, const tn_shape *in, tn_pool3d_desc *d, tn_shape *pooled,
                        tn_error *err)
{
    tn_image_axes x;
    tn_pool3d_desc s = {0};
    tn_image_axes_of(a, 3, &x);
    TN_TRY(window_of(op, a, "ksize", &x, s.window, err));
    TN_TRY(window_of(op, a, "strides", &x, s.stride, err));
    if (in->rank != 5) return tn_fail(err, TN_INVALID_ARGUMENT, "%s: tensor_in must be 5-dimensional", op->name);
    s.batch = in->dim[x.batch];
    s.channels = in->dim[x.channel];
    *pooled = *in;
    for (int k = 0; k < 3; k++) {
        int64_t high;
        s.in[k] = in->dim[x.space[k]];
        s.out[k] = -1;
        if (s.in[k] >= 0)
            tn_window_size(s.in[k], s.window[k], s.stride[k], 1, tn_attr_is(a, "padding", "SAME"), &s.out[k],
                           &s.pad_lo[k], &high);
        pooled->dim[x.space[k]] = s.out[k];
    }
    *d = s;
    return TN_OK;
}

static tn_code same_shape(const char *what, const tn_shape *want, const tn_shape *got, tn_error *err)
{
    char a[128], b[128];
    if (tn_shape_equal(want, got)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %s shape to be %s, but got %s", what,
                   tn_shape_text(want, a, sizeof a), tn_shape_text(got, b, sizeof b));
}

/* ==== 16-bit floats as floats ==== the arguments of a kernel, the last of them its result */

#define MOST_ARGS 4

typedef struct pooling {
    tn_pool3d_desc d;
    size_t at[MOST_ARGS]; /* in scratch, where the tensor's floats are when they are not its own */
} pooling;

static void place_floats(tn_prepare *p, pooling *q, const tn_tensor *const *args, int n)
{
    for (int i = 0; i < n; i++) {
        q->at[i] = p->scratch;
        if (args[i]->dtype != TN_FLOAT)
            p->scratch += ((size_t)tn_tensor_count(args[i]) * sizeof(float) + 63) / 64 * 64;
    }
}

static tn_code floats_of(const tn_run *r, const tn_tensor *const *args, int n, float **out, tn_error *err)
{
    const pooling *q = r->params;
    for (int i = 0; i < n; i++) {
        out[i] = args[i]->dtype == TN_FLOAT ? args[i]->data : (float *)(void *)((char *)r->scratch + q->at[i]);
        if (i < n - 1 && args[i]->dtype != TN_FLOAT)
            TN_TRY(tn_cast(args[i]->dtype, TN_FLOAT, tn_tensor_count(args[i]), args[i]->data, out[i], false, r->threads,
                           err));
    }
    return TN_OK;
}

static tn_code put_floats(const tn_run *r, const float *result, tn_error *err)
{
    const tn_tensor *out = r->out[0];
    if (out->dtype == TN_FLOAT) return TN_OK;
    return tn_cast(TN_FLOAT, out->dtype, tn_tensor_count(out), result, out->data, false, r->threads, err);
}

/* ==== MaxPool3D, AvgPool3D ==== */

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    tn_pool3d_desc d;
    TN_TRY(tn_infer_rank(c, 0, 5, err));
    tn_infer_set_rank(c, 0, 5);
    if (c->in[0]->shape.rank < 0) return TN_OK;
    return sizes_of(c->op, c->attrs, &c->in[0]->shape, &d, &c->out[0].shape, err);
}

static tn_code forward_last(tn_prepare *p, tn_error *err)
{
    tn_shape pooled;
    const tn_tensor *args[] = {p->in[0], p->out[0]};
    TN_PARAMS(p, pooling, q);
    TN_TRY(sizes_of(p->op, p->attrs, &p->in[0]->shape, &q->d, &pooled, err));
    q->d.threads = p->threads;
    place_floats(p, q, args, 2);
    return tn_pool3d_check(&q->d, err);
}

static tn_code forward_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_FIRST_OUT, 0, forward_last, err);
}

static tn_code forward_run(tn_run *r, tn_error *err)
{
    const pooling *q = r->params;
    const tn_tensor *args[] = {r->in[0], r->out[0]};
    float *v[2];
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    TN_TRY(floats_of(r, args, 2, v, err));
    (r->op->name[0] == 'M' ? tn_pool3d_max : tn_pool3d_avg)(&q->d, v[0], v[1]);
    return put_floats(r, v[1], err);
}

static const char *const attrs[] = {"ksize", "strides", "padding", "data_format"};

static tn_code max_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[3] = {tn_grad_in(g, 0), tn_grad_out(g, 0), tn_grad_dy(g, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "MaxPool3DGrad", in, 3, attrs, 4));
    return TN_OK;
}

static tn_code avg_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[2] = {tn_grad_shape(g->b, tn_grad_in(g, 0), TN_INT32), tn_grad_dy(g, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "AvgPool3DGrad", in, 2, attrs, 4));
    return TN_OK;
}

#define SIZES                                                                                              \
    "ksize:list(int)>=5 strides:list(int)>=5 padding:string{SAME,VALID} data_format:string{NDHWC,NCDHW}="  \
    "\"NDHWC\" "

const tn_op tn_op_MaxPool3D = {
    .name = "MaxPool3D",
    .sig = "input:T -> output:T; " SIZES "T:type{half,bfloat16,float}",
    .infer = forward_infer,
    .prepare = forward_prepare,
    .run = forward_run,
    .grad = max_grad,
};
const tn_op tn_op_AvgPool3D = {
    .name = "AvgPool3D",
    .sig = "input:T -> output:T; " SIZES "T:type{half,bfloat16,float,double}",
    .infer = forward_infer,
    .prepare = forward_prepare,
    .run = forward_run,
    .grad = avg_grad,
};

/* ==== MaxPool3DGrad, MaxPool3DGradGrad ==== image, pooled, gradient of one or the other */

static bool is_second(const tn_op *op)
{
    return !strcmp(op->name, "MaxPool3DGradGrad");
}

static tn_code max_back_last(tn_prepare *p, tn_error *err)
{
    tn_shape pooled;
    bool second = is_second(p->op);
    const tn_tensor *args[] = {p->in[0], p->in[1], p->in[2], p->out[0]};
    TN_PARAMS(p, pooling, q);
    TN_TRY(sizes_of(p->op, p->attrs, &p->in[0]->shape, &q->d, &pooled, err));
    q->d.threads = p->threads;
    TN_TRY(same_shape("orig_output", &pooled, &p->in[1]->shape, err));
    TN_TRY(same_shape("grad", second ? &p->in[0]->shape : &pooled, &p->in[2]->shape, err));
    place_floats(p, q, args, 4);
    return tn_pool3d_check(&q->d, err);
}

static tn_code max_back_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_BIT(1) | TN_BIT(2) | TN_FIRST_OUT, 0, max_back_last, err);
}

static tn_code max_back_run(tn_run *r, tn_error *err)
{
    const pooling *q = r->params;
    const tn_tensor *args[] = {r->in[0], r->in[1], r->in[2], r->out[0]};
    float *v[4];
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    TN_TRY(floats_of(r, args, 4, v, err));
    if (is_second(r->op))
        tn_pool3d_take(&q->d, v[0], v[2], v[3]);
    else
        tn_pool3d_max_back(&q->d, v[0], v[1], v[2], v[3]);
    return put_floats(r, v[3], err);
}

/* Each is the gradient of the other by its last argument. */
static tn_code max_back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[3] = {tn_grad_in(g, 0), tn_grad_in(g, 1), tn_grad_dy(g, 0)};
    const char *other = is_second(g->op->def) ? "MaxPool3DGrad" : "MaxPool3DGradGrad";
    tn_grad_set(g, 2, tn_grad_op_like(g, other, in, 3, attrs, 4));
    return TN_OK;
}

static tn_code second_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < 3; i++) TN_TRY(tn_infer_rank(c, i, 5, err));
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code first_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < 3; i++) TN_TRY(tn_infer_rank(c, i, 5, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_MaxPool3DGrad = {
    .name = "MaxPool3DGrad",
    .sig = "orig_input:TInput orig_output:TInput grad:T -> output:T; " SIZES
           "T:type{half,bfloat16,float}=float TInput:type{half,bfloat16,float}=float",
    .infer = first_infer,
    .prepare = max_back_prepare,
    .run = max_back_run,
    .grad = max_back_grad,
};
const tn_op tn_op_MaxPool3DGradGrad = {
    .name = "MaxPool3DGradGrad",
    .sig = "orig_input:T orig_output:T grad:T -> output:T; " SIZES "T:type{realnumbertype}",
    .infer = second_infer,
    .prepare = max_back_prepare,
    .run = max_back_run,
    .grad = max_back_grad,
};

/* ==== AvgPool3DGrad ==== sizes of the image, gradient */

static tn_code avg_back_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 5, err));
    tn_infer_set_rank(c, 0, 5);
    if (!tn_infer_ints(c, 0, &s)) return TN_OK;
    if (s.rank != 5)
        return tn_fail(err, TN_INVALID_ARGUMENT, "orig_input_shape must have 5 values, has %d", s.rank);
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code avg_back_last(tn_prepare *p, tn_error *err)
{
    tn_shape pooled;
    const tn_tensor *args[] = {p->in[1], p->out[0]};
    TN_PARAMS(p, pooling, q);
    TN_TRY(sizes_of(p->op, p->attrs, &p->out[0]->shape, &q->d, &pooled, err));
    q->d.threads = p->threads;
    TN_TRY(same_shape("grad", &pooled, &p->in[1]->shape, err));
    place_floats(p, q, args, 2);
    return tn_pool3d_check(&q->d, err);
}

static tn_code avg_back_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(1) | TN_FIRST_OUT, 0, avg_back_last, err);
}

static tn_code avg_back_run(tn_run *r, tn_error *err)
{
    const pooling *q = r->params;
    const tn_tensor *args[] = {r->in[1], r->out[0]};
    float *v[2];
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    TN_TRY(floats_of(r, args, 2, v, err));
    tn_pool3d_avg_back(&q->d, v[0], v[1]);
    return put_floats(r, v[1], err);
}

static tn_code avg_back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 1, tn_grad_op_like(g, "AvgPool3D", &dy, 1, attrs, 4));
    return TN_OK;
}

const tn_op tn_op_AvgPool3DGrad = {
    .name = "AvgPool3DGrad",
    .sig = "orig_input_shape:int32 grad:T -> output:T; " SIZES "T:type{half,bfloat16,float,double}",
    .infer = avg_back_infer,
    .prepare = avg_back_prepare,
    .run = avg_back_run,
    .grad = avg_back_grad,
    .values = TN_BIT(0),
};
