/* SPDX-License-Identifier: Apache-2.0
 *
 * op_norm.c - FusedBatchNorm, V2, V3 and the operators of their gradients. Channels-first images are
 * turned around in scratch, as TensorFlow does on a CPU.
 */
#include "../graph/op_grads.h"
#include "op_conv.h"
#include "op_move.h"

/* Input or output of an operator, or scratch, as rows of channels. */
typedef struct norm {
    tn_batch_norm d;
    bool training, turned; /* turned: channels stand first */
    tn_ncopy there, back;  /* between the two layouts */
    size_t image;          /* bytes of a turned image in the scratch, rounded */
    size_t work;           /* where the kernel's own scratch begins */
} norm;

static int spatial_of(const tn_attrs *a)
{
    return tn_attr_is(a, "data_format", "NDHWC") || tn_attr_is(a, "data_format", "NCDHW") ? 3 : 2;
}

static tn_code channel_of(const tn_infer *c, int in, int *rank, int *channel, tn_error *err)
{
    tn_image_axes x = {0};
    int n = spatial_of(c->attrs);
    *rank = n + 2;
    TN_TRY(tn_infer_rank(c, in, *rank, err));
    if (!tn_image_axes_of(c->attrs, n, &x)) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid data format");
    *channel = x.channel;
    return TN_OK;
}

static tn_code channels_infer(tn_infer *c, int image, int first, int last, int64_t *channels, tn_error *err)
{
    static const char *const names[] = {"scale", "offset", "When is_training=false, mean",
                                        "When is_training=false, variance"};
    int rank, channel = 0;
    TN_TRY(channel_of(c, image, &rank, &channel, err));
    *channels = c->in[image]->shape.rank < 0 ? -1 : c->in[image]->shape.dim[channel];
    for (int i = first; i <= last; i++) {
        TN_TRY(tn_infer_rank(c, i, 1, err));
        if (c->in[i]->shape.rank != 1) continue;
        if (tn_infer_merge_dim(*channels, c->in[i]->shape.dim[0], channels, NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "%s must have the same number of elements as the channels of x, got %lld and %lld",
                           image == 0 ? names[TN_MIN(i - first, 3)] : "scale and its like",
                           (long long)c->in[i]->shape.dim[0], (long long)*channels);
    }
    c->out[0].shape = c->in[image]->shape;
    if (c->out[0].shape.rank >= 0) c->out[0].shape.dim[channel] = *channels;
    return TN_OK;
}

static tn_code norm_infer(tn_infer *c, tn_error *err)
{
    int64_t channels;
    bool training = tn_attr_b(c->attrs, "is_training");
    TN_TRY(channels_infer(c, 0, 1, training ? 2 : 4, &channels, err));
    for (int o = 1; o < 5; o++) {
        tn_infer_set_rank(c, o, 1);
        c->out[o].shape.dim[0] = channels;
    }
    if (c->n_out == 6) c->out[5].shape.rank = 0;
    return TN_OK;
}

/* The turning moves, and the scratch: `images` turned images, then the kernel's. */
static tn_code norm_layout(tn_prepare *p, norm *n, const tn_shape *x, int images, tn_error *err)
{
    tn_image_axes axes = {0};
    int spatial = spatial_of(p->attrs), perm[TN_MAX_RANK], inverse[TN_MAX_RANK];
    if (!tn_image_axes_of(p->attrs, spatial, &axes))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid data format");
    n->turned = axes.channel == 1;
    n->d.channels = x->dim[axes.channel];
    n->d.rows = 1;
    for (int k = 0; k < x->rank; k++)
        if (k != axes.channel) n->d.rows *= x->dim[k];
    n->work = 0;
    if (n->turned) {
        tn_shape last = *x;
        for (int k = 0; k < x->rank; k++) perm[k] = k == 0 ? 0 : k == x->rank - 1 ? 1 : k + 1;
        for (int k = 0; k < x->rank; k++) {
            inverse[perm[k]] = k;
            last.dim[k] = x->dim[perm[k]];
        }
        int size = (int)tn_dtype_size(n->d.dtype);
        TN_TRY(tn_transpose_prepare(size, x, perm, p->threads, &n->there, err));
        TN_TRY(tn_transpose_prepare(size, &last, inverse, p->threads, &n->back, err));
        n->image = ((size_t)tn_shape_count(x) * (size_t)size + 63) / 64 * 64;
        n->work = n->image * (size_t)images;
    }
    p->scratch = n->work + tn_batch_norm_scratch(&n->d);
    return TN_OK;
}

static tn_code norm_common(tn_prepare *p, const tn_shape *x, tn_dtype t, int images, tn_error *err)
{
    TN_PARAMS(p, norm, n);
    n->d.dtype = t;
    n->d.epsilon = tn_attr_f(p->attrs, "epsilon");
    n->d.average = 1;
    tn_attr_get_float(p->attrs, "exponential_avg_factor", &n->d.average);
    n->d.threads = p->threads;
    n->training = tn_attr_b(p->attrs, "is_training");
    tn_dtype u;
    if (tn_attr_get_type(p->attrs, "U", &u) && u != TN_FLOAT)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s with parameters of %s", p->op->name, tn_dtype_name(u));
    return norm_layout(p, n, x, images, err);
}

static tn_code norm_prepare(tn_prepare *p, tn_error *err)
{
    bool training = tn_attr_b(p->attrs, "is_training");
    TN_TRY(norm_common(p, &p->in[0]->shape, p->in[0]->dtype, 2, err));
    const norm *n = p->params;
    for (int i = 3; i < 5; i++) {
        bool needed = !training || n->d.average != 1;
        if (needed && tn_tensor_count(p->in[i]) != n->d.channels)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "mean and variance must have the same number of elements as the channels of x, "
                           "got %lld and %lld",
                           (long long)tn_tensor_count(p->in[i]), (long long)n->d.channels);
    }
    return TN_OK;
}

/* Input i as rows of channels: itself, or turned into image `slot` of the scratch. */
static const void *rows_in(const norm *n, const tn_run *r, int i, int slot)
{
    if (!n->turned) return r->in[i]->data;
    void *to = (char *)r->scratch + n->image * (size_t)slot;
    tn_ncopy_run(&n->there, r->in[i]->data, to);
    return to;
}

static void *rows_out(const norm *n, const tn_run *r, int slot)
{
    return n->turned ? (char *)r->scratch + n->image * (size_t)slot : r->out[0]->data;
}

static void rows_back(const norm *n, const tn_run *r, int slot)
{
    if (n->turned) tn_ncopy_run(&n->back, (char *)r->scratch + n->image * (size_t)slot, r->out[0]->data);
}

static void fill(tn_tensor *t, float v)
{
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++) TN_FLOATS(t)[i] = v;
}

static tn_code norm_run(tn_run *r, tn_error *err)
{
    const norm *n = r->params;
    (void)err;
    if (r->n_out == 6) fill(r->out[5], 0);
    if (n->d.rows == 0 || n->d.channels == 0) {
        for (int o = 1; o < 5; o++) fill(r->out[o], __builtin_nanf(""));
        return TN_OK;
    }
    const float *scale = TN_FLOATS(r->in[1]), *offset = TN_FLOATS(r->in[2]);
    const float *mean = tn_tensor_count(r->in[3]) ? TN_FLOATS(r->in[3]) : NULL;
    const float *variance = tn_tensor_count(r->in[4]) ? TN_FLOATS(r->in[4]) : NULL;
    const void *x = rows_in(n, r, 0, 0);
    void *y = rows_out(n, r, 1);
    if (n->training) {
        tn_batch_norm_train(&n->d, x, scale, offset, mean, variance, y, TN_FLOATS(r->out[1]),
                            TN_FLOATS(r->out[2]), TN_FLOATS(r->out[3]), TN_FLOATS(r->out[4]),
                            (char *)r->scratch + n->work);
    } else {
        tn_batch_norm_infer(&n->d, x, scale, offset, mean, variance, y, (char *)r->scratch + n->work);
        size_t bytes = (size_t)n->d.channels * sizeof(float);
        for (int o = 1; o < 5; o++) memcpy(r->out[o]->data, o % 2 ? mean : variance, bytes);
    }
    rows_back(n, r, 1);
    return TN_OK;
}

/* ==== the gradient ==== */

static tn_node turned(tn_builder *b, tn_node x, int rank, bool to_last)
{
    int64_t perm[5];
    for (int k = 0; k < rank; k++)
        perm[k] = to_last ? (k == 0          ? 0
                             : k == rank - 1 ? 1
                                             : k + 1)
                          : (k == 0   ? 0
                             : k == 1 ? rank - 1
                                      : k - 1);
    return tn_op(b, "Transpose", TN_INPUTS(x, tn_ints(b, perm, rank)), TN_NO_ATTRS);
}

static const char *grad_type(const tn_grad *g)
{
    if (!strcmp(g->op->type, "FusedBatchNormV3")) return "FusedBatchNormGradV3";
    return !strcmp(g->op->type, "FusedBatchNormV2") ? "FusedBatchNormGradV2" : "FusedBatchNormGrad";
}

static tn_code norm_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"epsilon", "data_format", "is_training"};
    (void)err;
    bool training = tn_attr_b(&g->op->attrs, "is_training");
    bool first =
        tn_attr_is(&g->op->attrs, "data_format", "NCHW") || tn_attr_is(&g->op->attrs, "data_format", "NCDHW");
    int spatial = spatial_of(&g->op->attrs);
    bool turn = first && !training; /* statistics given: TensorFlow goes by way of channels last */
    tn_node dy = tn_grad_dy(g, 0), x = tn_grad_in(g, 0);
    if (turn) {
        dy = turned(g->b, dy, spatial + 2, true);
        x = turned(g->b, x, spatial + 2, true);
    }
    tn_node in[6] = {dy, x, tn_grad_in(g, 1), training ? tn_grad_out(g, 3) : tn_grad_in(g, 3),
                     training ? tn_grad_out(g, 4) : tn_grad_in(g, 4)};
    bool v3 = g->op->n_out == 6;
    if (v3) in[5] = tn_grad_out(g, 5);
    tn_node dx;
    if (turn) {
        tn_attr copied[3] = {*tn_attr_find(&g->op->attrs, "epsilon"),
                             *tn_attr_find(&g->op->attrs, "is_training"),
                             tn_attr_str("data_format", spatial == 3 ? "NDHWC" : "NHWC")};
        dx = tn_op(g->b, grad_type(g), in, v3 ? 6 : 5, copied, 3);
    } else {
        dx = tn_grad_op_like(g, grad_type(g), in, v3 ? 6 : 5, attrs, 3);
    }
    for (int k = 1; k < 3; k++)
        if (dx.op) tn_grad_set(g, k, tn_output_of(dx.op, k));
    tn_grad_set(g, 0, turn ? turned(g->b, dx, spatial + 2, false) : dx);
    return TN_OK;
}

#define NORM(NAME, SIG)          \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = norm_infer,     \
        .prepare = norm_prepare, \
        .run = norm_run,         \
        .grad = norm_grad,       \
    }
NORM(FusedBatchNorm,
     "x:T scale:T offset:T mean:T variance:T -> y:T batch_mean:T batch_variance:T reserve_space_1:T "
     "reserve_space_2:T; T:type{float} epsilon:float=9.999999747378752e-05 "
     "exponential_avg_factor:float=1.0 data_format:string{NHWC,NCHW}=\"NHWC\" is_training:bool=true");
NORM(FusedBatchNormV2,
     "x:T scale:U offset:U mean:U variance:U -> y:T batch_mean:U batch_variance:U reserve_space_1:U "
     "reserve_space_2:U; T:type{half,bfloat16,float} U:type{float} epsilon:float=9.999999747378752e-05 "
     "exponential_avg_factor:float=1.0 data_format:string{NHWC,NCHW}=\"NHWC\" is_training:bool=true");
NORM(FusedBatchNormV3,
     "x:T scale:U offset:U mean:U variance:U -> y:T batch_mean:U batch_variance:U reserve_space_1:U "
     "reserve_space_2:U reserve_space_3:U; T:type{half,bfloat16,float} U:type{bfloat16,float} "
     "epsilon:float=9.999999747378752e-05 exponential_avg_factor:float=1.0 "
     "data_format:string{NHWC,NCHW,NDHWC,NCDHW}=\"NHWC\" is_training:bool=true");

/* ==== FusedBatchNormGrad* ==== dy x scale mean variance */

static tn_code back_infer(tn_infer *c, tn_error *err)
{
    int64_t channels;
    TN_TRY(channels_infer(c, 1, 2, 4, &channels, err));
    for (int o = 1; o < 3; o++) {
        tn_infer_set_rank(c, o, 1);
        c->out[o].shape.dim[0] = channels;
    }
    for (int o = 3; o < 5; o++) {
        tn_infer_set_rank(c, o, 1);
        c->out[o].shape.dim[0] = 0;
    }
    return TN_OK;
}

static tn_code back_prepare(tn_prepare *p, tn_error *err)
{
    if (!tn_shape_equal(&p->in[0]->shape, &p->in[1]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "x and y_backprop must have same shape");
    return norm_common(p, &p->in[1]->shape, p->in[1]->dtype, 3, err);
}

static tn_code back_run(tn_run *r, tn_error *err)
{
    const norm *n = r->params;
    (void)err;
    if (n->d.rows == 0 || n->d.channels == 0) {
        fill(r->out[1], 0);
        fill(r->out[2], 0);
        return TN_OK;
    }
    const void *dy = rows_in(n, r, 0, 0), *x = rows_in(n, r, 1, 1);
    tn_batch_norm_backward(&n->d, n->training, dy, x, TN_FLOATS(r->in[2]), TN_FLOATS(r->in[3]),
                           TN_FLOATS(r->in[4]), rows_out(n, r, 2), TN_FLOATS(r->out[1]), TN_FLOATS(r->out[2]),
                           (char *)r->scratch + n->work);
    rows_back(n, r, 2);
    return TN_OK;
}

#define NORM_BACK(NAME, SIG)     \
    const tn_op tn_op_##NAME = { \
        .name = #NAME,           \
        .sig = SIG,              \
        .infer = back_infer,     \
        .prepare = back_prepare, \
        .run = back_run,         \
        .grad = tn_batch_norm_grad_grad, \
    }
NORM_BACK(FusedBatchNormGrad,
          "y_backprop:T x:T scale:T reserve_space_1:T reserve_space_2:T -> x_backprop:T scale_backprop:T "
          "offset_backprop:T reserve_space_3:T reserve_space_4:T; T:type{float} "
          "epsilon:float=9.999999747378752e-05 data_format:string{NHWC,NCHW}=\"NHWC\" "
          "is_training:bool=true");
NORM_BACK(FusedBatchNormGradV2,
          "y_backprop:T x:T scale:float reserve_space_1:U reserve_space_2:U -> x_backprop:T "
          "scale_backprop:U offset_backprop:U reserve_space_3:U reserve_space_4:U; "
          "T:type{half,bfloat16,float} U:type{float} epsilon:float=9.999999747378752e-05 "
          "data_format:string{NHWC,NCHW}=\"NHWC\" is_training:bool=true");
NORM_BACK(FusedBatchNormGradV3,
          "y_backprop:T x:T scale:float reserve_space_1:U reserve_space_2:U reserve_space_3:U -> "
          "x_backprop:T scale_backprop:U offset_backprop:U reserve_space_4:U reserve_space_5:U; "
          "T:type{half,bfloat16,float} U:type{float} epsilon:float=9.999999747378752e-05 "
          "data_format:string{NHWC,NCHW,NDHWC,NCDHW}=\"NHWC\" is_training:bool=true");
