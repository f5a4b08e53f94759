/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pool3d.c - MaxPool3D, AvgPool3D and the operators of their gradients: floats, and 16-bit floats by way of them.
 */
#include "../graph/op_grads.h"
#include "channels_first.h"
#include "op_conv.h"
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

/* AvgPool3DGrad is told the sizes of its result; the others' image is their first input. */
static bool is_sized(const tn_op *op)
{
    return !strcmp(op->name, "AvgPool3DGrad");
}

static int args_of(const tn_op *op, const tn_tensor *const *in, int n_in, const tn_tensor *out, const tn_tensor **args)
{
    int n = 0;
    for (int i = is_sized(op); i < n_in; i++) args[n++] = in[i];
    args[n++] = out;
    return n;
}

/* Of the dtypes that the definitions allow TensorFlow has kernels for the small floats only. */
static tn_code place_floats(tn_prepare *p, pooling *q, tn_error *err)
{
    const tn_tensor *args[MOST_ARGS];
    int n = args_of(p->op, p->in, p->n_in, p->out[0], args);
    for (int i = 0; i < n; i++) {
        tn_dtype t = args[i]->dtype;
        if (!tn_dtype_is_float(t) || t == TN_DOUBLE)
            return tn_fail(err, TN_INVALID_ARGUMENT, "No OpKernel was registered to support Op '%s' with T=%s",
                           p->op->name, tn_dtype_name(t));
        q->at[i] = p->scratch;
        if (t != TN_FLOAT) p->scratch += ((size_t)tn_tensor_count(args[i]) * sizeof(float) + 63) / 64 * 64;
    }
    return TN_OK;
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

/* A kernel; its arguments and result are v. */
typedef void kernel_fn(const tn_pool3d_desc *d, float *const *v);

static tn_code run_kernel(tn_run *r, kernel_fn *kernel, tn_error *err)
{
    const pooling *q = r->params;
    const tn_tensor *args[MOST_ARGS], *out = r->out[0];
    float *v[MOST_ARGS];
    int n = args_of(r->op, r->in, r->n_in, out, args);
    int64_t count = tn_tensor_count(out);
    if (!count) return TN_OK;
    TN_TRY(floats_of(r, args, n, v, err));
    kernel(&q->d, v);
    if (out->dtype == TN_FLOAT) return TN_OK;
    return tn_cast(TN_FLOAT, out->dtype, count, v[n - 1], out->data, false, r->threads, err);
}

/* ==== preparation ==== of all of them: with channels last */

static bool is_second(const tn_op *op)
{
    return !strcmp(op->name, "MaxPool3DGradGrad");
}

/* A gradient's arguments fit the pooled image. */
static tn_code check_shapes(const tn_prepare *p, const tn_shape *image, const tn_shape *pooled, tn_error *err)
{
    if (p->n_in == 1) return TN_OK;
    if (is_sized(p->op)) return same_shape("grad", pooled, &p->in[1]->shape, err);
    TN_TRY(same_shape("orig_output", pooled, &p->in[1]->shape, err));
    return same_shape("grad", is_second(p->op) ? image : pooled, &p->in[2]->shape, err);
}

static tn_code prepare_last(tn_prepare *p, tn_error *err)
{
    const tn_shape *image = is_sized(p->op) ? &p->out[0]->shape : &p->in[0]->shape;
    tn_shape pooled;
    TN_PARAMS(p, pooling, q);
    TN_TRY(sizes_of(p->op, p->attrs, image, &q->d, &pooled, err));
    q->d.threads = p->threads;
    TN_TRY(check_shapes(p, image, &pooled, err));
    TN_TRY(place_floats(p, q, err));
    return tn_pool3d_check(&q->d, err);
}

static tn_code prepare(tn_prepare *p, tn_error *err)
{
    unsigned volumes = TN_FIRST_OUT;
    for (int i = is_sized(p->op); i < p->n_in; i++) volumes |= TN_BIT(i);
    return tn_channels_first(p, volumes, 0, prepare_last, err);
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

static void max_kernel(const tn_pool3d_desc *d, float *const *v)
{
    tn_pool3d_max(d, v[0], v[1]);
}
static tn_code max_run(tn_run *r, tn_error *err)
{
    return run_kernel(r, max_kernel, err);
}

static void avg_kernel(const tn_pool3d_desc *d, float *const *v)
{
    tn_pool3d_avg(d, v[0], v[1]);
}
static tn_code avg_run(tn_run *r, tn_error *err)
{
    return run_kernel(r, avg_kernel, err);
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
    .prepare = prepare,
    .run = max_run,
    .grad = max_grad,
};
const tn_op tn_op_AvgPool3D = {
    .name = "AvgPool3D",
    .sig = "input:T -> output:T; " SIZES "T:type{half,bfloat16,float,double}",
    .infer = forward_infer,
    .prepare = prepare,
    .run = avg_run,
    .grad = avg_grad,
};

/* ==== MaxPool3DGrad, MaxPool3DGradGrad ==== image, pooled, gradient of one or the other */

static void max_back_kernel(const tn_pool3d_desc *d, float *const *v)
{
    tn_pool3d_max_back(d, v[0], v[1], v[2], v[3]);
}
static tn_code max_back_run(tn_run *r, tn_error *err)
{
    return run_kernel(r, max_back_kernel, err);
}

static void second_kernel(const tn_pool3d_desc *d, float *const *v)
{
    tn_pool3d_take(d, v[0], v[2], v[3]);
}
static tn_code second_run(tn_run *r, tn_error *err)
{
    return run_kernel(r, second_kernel, err);
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
    .prepare = prepare,
    .run = max_back_run,
    .grad = max_back_grad,
};
const tn_op tn_op_MaxPool3DGradGrad = {
    .name = "MaxPool3DGradGrad",
    .sig = "orig_input:T orig_output:T grad:T -> output:T; " SIZES "T:type{realnumbertype}",
    .infer = second_infer,
    .prepare = prepare,
    .run = second_run,
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

static void avg_back_kernel(const tn_pool3d_desc *d, float *const *v)
{
    tn_pool3d_avg_back(d, v[0], v[1]);
}
static tn_code avg_back_run(tn_run *r, tn_error *err)
{
    return run_kernel(r, avg_back_kernel, err);
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
    .prepare = prepare,
    .run = avg_back_run,
    .grad = avg_back_grad,
    .values = TN_BIT(0),
};
