/* SPDX-License-Identifier: Apache-2.0
 *
 * op_pool.c - MaxPool, AvgPool and the operators of their gradients. Windows over height and width, channels last;
 * channels_first.c turns the others round.
 */
#include "../graph/op_grads.h"
#include "channels_first.h"
#include "op_conv.h"
#include "op_move.h"
#include "op_pool.h"

/* ==== sizes ==== */

typedef struct pool_sizes {
    tn_pool_desc d;
    tn_image_axes axes;
} pool_sizes;

static tn_code window_of(const tn_op *op, const int64_t *v, int64_t n, const char *name,
                         const tn_image_axes *x, int64_t *out, tn_error *err)
{
    if (n != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Sliding window %s field must specify 4 dimensions", name);
    if (v[x->batch] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "Pooling is not yet supported on the batch dimension.");
    if (v[x->channel] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "%s: pooling over the depth dimension", op->name);
    for (int k = 0; k < 2; k++) {
        out[k] = v[x->space[k]];
        if (out[k] < 1 || out[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Sliding window %s for dimension %d was %lld, must be at least 1", name, k,
                           (long long)out[k]);
    }
    return TN_OK;
}

/* From attributes, or from the inputs of the V2 operators (NULL there: not known). */
static tn_code windows_of(const tn_op *op, const tn_attrs *a, const tn_tensor *ksize,
                          const tn_tensor *strides, pool_sizes *s, tn_error *err)
{
    static const char *const names[2] = {"ksize", "strides"};
    const tn_tensor *given[2] = {ksize, strides};
    int64_t *out[2] = {s->d.window, s->d.stride};
    for (int i = 0; i < 2; i++) {
        const int64_t *v;
        tn_shape ints = {.rank = 0};
        int n = tn_attr_list(a, names[i], &v);
        if (n == 0 && given[i]) {
            TN_TRY(tn_ints_of(given[i], names[i], &ints, err));
            v = ints.dim;
            n = ints.rank;
        }
        TN_TRY(window_of(op, v, n, names[i], &s->axes, out[i], err));
    }
    return TN_OK;
}

static tn_code pool_explicit(const tn_attrs *a, pool_sizes *s, tn_error *err)
{
    const int64_t *v;
    if (tn_attr_list(a, "explicit_paddings", &v) != 8)
        return tn_fail(err, TN_INVALID_ARGUMENT, "explicit_paddings attribute must contain 8 values");
    for (int k = 0; k < 2; k++) {
        int64_t low = v[2 * s->axes.space[k]], high = v[2 * s->axes.space[k] + 1];
        if (low < 0 || high < 0 || low >= s->d.window[k] || high >= s->d.window[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "explicit_paddings must be smaller than the window");
        s->d.pad_lo[k] = low;
        int64_t span = s->d.in[k] + low + high - s->d.window[k];
        s->d.out[k] = s->d.in[k] < 0 ? -1 : span < 0 ? 0 : span / s->d.stride[k] + 1;
    }
    return TN_OK;
}

static tn_code pool_window(const tn_attrs *a, pool_sizes *s, int k, tn_error *err)
{
    bool same = tn_attr_is(a, "padding", "SAME");
    int64_t high, in = s->d.in[k];
    s->d.out[k] = -1;
    if (in < 0) return TN_OK;
    if (!same && in - s->d.window[k] + s->d.stride[k] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Computed output size would be negative: %lld [input_size: %lld, "
                       "effective_filter_size: %lld, stride: %lld]",
                       (long long)((in - s->d.window[k] + s->d.stride[k]) / s->d.stride[k]), (long long)in,
                       (long long)s->d.window[k], (long long)s->d.stride[k]);
    tn_window_size(in, s->d.window[k], s->d.stride[k], 1, same, &s->d.out[k], &s->d.pad_lo[k], &high);
    return TN_OK;
}

static tn_code pool_sizes_of(const tn_op *op, const tn_attrs *a, const tn_shape *in, const tn_tensor *ksize,
                             const tn_tensor *strides, pool_sizes *out, tn_error *err)
{
    pool_sizes s = {0};
    if (!tn_image_axes_of(a, 2, &s.axes))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s: data_format NCHW_VECT_C", op->name);
    TN_TRY(windows_of(op, a, ksize, strides, &s, err));
    if (in->rank != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: tensor_in must be 4-dimensional", op->name);
    s.d.kind = strncmp(op->name, "Avg", 3) == 0 ? TN_POOL_AVG : TN_POOL_MAX;
    s.d.batch = in->dim[s.axes.batch];
    s.d.channels = in->dim[s.axes.channel];
    for (int k = 0; k < 2; k++) s.d.in[k] = in->dim[s.axes.space[k]];
    if (tn_attr_is(a, "padding", "EXPLICIT"))
        TN_TRY(pool_explicit(a, &s, err));
    else
        for (int k = 0; k < 2; k++) TN_TRY(pool_window(a, &s, k, err));
    *out = s;
    return TN_OK;
}

tn_code tn_pool_desc_of(const tn_op *op, const tn_attrs *a, const tn_shape *image, tn_pool_desc *out, tn_error *err)
{
    pool_sizes s;
    TN_TRY(pool_sizes_of(op, a, image, NULL, NULL, &s, err));
    s.d.dtype = TN_FLOAT;
    TN_TRY(tn_pool_check(&s.d, err));
    *out = s.d;
    return TN_OK;
}

static tn_shape pooled_shape(const pool_sizes *s)
{
    tn_shape out = {.rank = 4};
    out.dim[s->axes.batch] = s->d.batch;
    out.dim[s->axes.channel] = s->d.channels;
    for (int k = 0; k < 2; k++) out.dim[s->axes.space[k]] = s->d.out[k];
    return out;
}

/* Concrete sizes, ready for the kernel. image: the unpooled shape; pooled: checked against when given. */
static tn_code pool_desc(tn_prepare *p, const tn_shape *image, const tn_shape *pooled, const tn_tensor *ksize,
                         const tn_tensor *strides, tn_dtype t, tn_pool_desc **out, tn_error *err)
{
    pool_sizes s = {0};
    char a[128], b[128];
    TN_TRY(pool_sizes_of(p->op, p->attrs, image, ksize, strides, &s, err));
    tn_shape want = pooled_shape(&s);
    if (pooled && !tn_shape_equal(&want, pooled))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected grad shape to be %s, but got %s",
                       tn_shape_text(&want, a, sizeof a), tn_shape_text(pooled, b, sizeof b));
    TN_PARAMS(p, tn_pool_desc, d);
    *d = s.d;
    d->dtype = t == TN_QINT8 ? TN_INT8 : t;
    d->threads = p->threads;
    TN_TRY(tn_pool_check(d, err));
    if (out) *out = d;
    return TN_OK;
}

/* ==== MaxPool, MaxPoolV2, AvgPool ==== */

static tn_code pool_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    pool_sizes s;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    for (int o = 0; o < c->n_out; o++) tn_infer_set_rank(c, o, 4);
    if (in->rank < 0) return TN_OK;
    bool by_input = c->n_in == 3;
    if (by_input && (!c->in[1]->value || !c->in[2]->value)) return TN_OK;
    TN_TRY(pool_sizes_of(c->op, c->attrs, in, by_input ? c->in[1]->value : NULL,
                         by_input ? c->in[2]->value : NULL, &s, err));
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = pooled_shape(&s);
    return TN_OK;
}

static tn_code pool_last(tn_prepare *p, tn_error *err)
{
    bool by_input = p->n_in == 3;
    return pool_desc(p, &p->in[0]->shape, NULL, by_input ? p->in[1] : NULL, by_input ? p->in[2] : NULL,
                     p->in[0]->dtype, NULL, err);
}

static tn_code pool_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_FIRST_OUT, p->n_in == 3 ? TN_BIT(1) | TN_BIT(2) : 0, pool_last, err);
}

static tn_code pool_run(tn_run *r, tn_error *err)
{
    (void)err;
    if (tn_tensor_count(r->out[0])) tn_pool_forward(r->params, r->in[0]->data, r->out[0]->data);
    return TN_OK;
}

static const char *const pool_attrs[] = {
    "ksize", "strides", "padding", "explicit_paddings", "data_format", "include_batch_in_index"};

static tn_node pool_like(tn_grad *g, const char *type, const tn_node *in, int n)
{
    return tn_grad_op_like(g, type, in, n, pool_attrs, TN_COUNT(pool_attrs));
}

static tn_code max_pool_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    bool by_input = g->op->n_in == 3;
    tn_node in[5] = {tn_grad_in(g, 0), tn_grad_out(g, 0), tn_grad_dy(g, 0)};
    for (int k = 1; by_input && k < 3; k++) in[2 + k] = tn_grad_in(g, k);
    tn_grad_set(g, 0, pool_like(g, by_input ? "MaxPoolGradV2" : "MaxPoolGrad", in, by_input ? 5 : 3));
    return TN_OK;
}

static tn_code avg_pool_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[2] = {tn_grad_shape(g->b, tn_grad_in(g, 0), TN_INT32), tn_grad_dy(g, 0)};
    tn_grad_set(g, 0, pool_like(g, "AvgPoolGrad", in, 2));
    return TN_OK;
}

#define POOL(NAME, GRAD, VALUES, SIG) \
    const tn_op tn_op_##NAME = {      \
        .name = #NAME,                \
        .sig = SIG,                   \
        .infer = pool_infer,          \
        .prepare = pool_prepare,      \
        .run = pool_run,              \
        .grad = GRAD,                 \
        .values = VALUES,             \
    }
POOL(MaxPool, max_pool_grad, 0,
     "input:T -> output:T; T:type{half,bfloat16,float,double,int32,int64,uint8,int16,int8,uint16,"
     "qint8}=float ksize:list(int)>=4 strides:list(int)>=4 padding:string{SAME,VALID,EXPLICIT} "
     "explicit_paddings:list(int)=[] data_format:string{NHWC,NCHW,NCHW_VECT_C}=\"NHWC\"");
POOL(MaxPoolV2, max_pool_grad, TN_BIT(1) | TN_BIT(2),
     "input:T ksize:int32 strides:int32 -> output:T; "
     "T:type{half,bfloat16,float,double,int32,int64,uint8,int16,int8,uint16,qint8}=float "
     "padding:string{SAME,VALID} data_format:string{NHWC,NCHW,NCHW_VECT_C}=\"NHWC\"");
POOL(AvgPool, avg_pool_grad, 0,
     "value:T -> output:T; ksize:list(int)>=4 strides:list(int)>=4 padding:string{SAME,VALID} "
     "data_format:string{NHWC,NCHW}=\"NHWC\" T:type{half,bfloat16,float,double}");

/* ==== MaxPoolGrad, AvgPoolGrad ==== */

static tn_code pool_back_last(tn_prepare *p, tn_error *err)
{
    bool by_input = p->n_in == 5;
    return pool_desc(p, &p->in[0]->shape, &p->in[2]->shape, by_input ? p->in[3] : NULL,
                     by_input ? p->in[4] : NULL, p->out[0]->dtype, NULL, err);
}

static tn_code pool_back_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_BIT(2) | TN_FIRST_OUT, p->n_in == 5 ? TN_BIT(3) | TN_BIT(4) : 0,
                             pool_back_last, err);
}

static tn_code pool_back_run(tn_run *r, tn_error *err)
{
    (void)err;
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    if (tn_tensor_count(r->in[2]))
        tn_pool_backward(r->params, r->in[0]->data, r->in[2]->data, r->out[0]->data);
    else
        memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

static tn_code pool_back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[5];
    bool by_input = g->op->n_in == 5;
    for (int k = 0; k < g->op->n_in; k++) in[k] = tn_grad_in(g, k);
    in[2] = tn_grad_dy(g, 0);
    tn_grad_set(g, 2, pool_like(g, by_input ? "MaxPoolGradGradV2" : "MaxPoolGradGrad", in, g->op->n_in));
    return TN_OK;
}

#define POOL_BACK(NAME, VALUES, SIG)  \
    const tn_op tn_op_##NAME = {      \
        .name = #NAME,                \
        .sig = SIG,                   \
        .infer = tn_infer_like_first, \
        .prepare = pool_back_prepare, \
        .run = pool_back_run,         \
        .grad = pool_back_grad,       \
        .values = VALUES,             \
    }
POOL_BACK(MaxPoolGrad, 0,
          "orig_input:T orig_output:T grad:T -> output:T; ksize:list(int)>=4 strides:list(int)>=4 "
          "padding:string{SAME,VALID,EXPLICIT} explicit_paddings:list(int)=[] "
          "data_format:string{NHWC,NCHW}=\"NHWC\" T:type{realnumbertype}=float");
POOL_BACK(MaxPoolGradV2, TN_BIT(3) | TN_BIT(4),
          "orig_input:T orig_output:T grad:T ksize:int32 strides:int32 -> output:T; "
          "padding:string{SAME,VALID} data_format:string{NHWC,NCHW}=\"NHWC\" T:type{realnumbertype}=float");

static tn_code avg_back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    tn_infer_set_rank(c, 0, 4);
    tn_shape s;
    if (!tn_infer_ints(c, 0, &s)) return TN_OK;
    if (s.rank != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "out_backprop must be 4-dimensional, the shape has %d values", s.rank);
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code avg_back_last(tn_prepare *p, tn_error *err)
{
    return pool_desc(p, &p->out[0]->shape, &p->in[1]->shape, NULL, NULL, p->out[0]->dtype, NULL, err);
}

static tn_code avg_back_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(1) | TN_FIRST_OUT, 0, avg_back_last, err);
}

static tn_code avg_back_run(tn_run *r, tn_error *err)
{
    (void)err;
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    if (tn_tensor_count(r->in[1]))
        tn_pool_backward(r->params, NULL, r->in[1]->data, r->out[0]->data);
    else
        memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

static tn_code avg_back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 1, pool_like(g, "AvgPool", &dy, 1));
    return TN_OK;
}

const tn_op tn_op_AvgPoolGrad = {
    .name = "AvgPoolGrad",
    .sig = "orig_input_shape:int32 grad:T -> output:T; ksize:list(int)>=4 strides:list(int)>=4 "
           "padding:string{SAME,VALID} data_format:string{NHWC,NCHW}=\"NHWC\" "
           "T:type{half,bfloat16,float,double}",
    .infer = avg_back_infer,
    .prepare = avg_back_prepare,
    .run = avg_back_run,
    .grad = avg_back_grad,
    .values = TN_BIT(0),
};

/* ==== with argmax ==== */

static tn_code argmax_prepare(tn_prepare *p, tn_error *err)
{
    TN_TRY(pool_desc(p, &p->in[0]->shape, NULL, NULL, NULL, p->in[0]->dtype, NULL, err));
    if (p->out[1]->dtype == TN_INT32) p->scratch = (size_t)tn_tensor_count(p->out[1]) * sizeof(int64_t);
    return TN_OK;
}

static tn_code argmax_run(tn_run *r, tn_error *err)
{
    (void)err;
    bool narrow = r->out[1]->dtype == TN_INT32;
    int64_t *at = narrow ? r->scratch : TN_INT64S(r->out[1]), n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    tn_max_pool_argmax(r->params, r->in[0]->data, r->out[0]->data, at,
                       tn_attr_b(r->attrs, "include_batch_in_index"));
    for (int64_t i = 0; narrow && i < n; i++) TN_INT32S(r->out[1])[i] = (int32_t)at[i];
    return TN_OK;
}

static tn_code argmax_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[3] = {tn_grad_in(g, 0), tn_grad_dy(g, 0), tn_grad_out(g, 1)};
    tn_grad_set(g, 0, pool_like(g, "MaxPoolGradWithArgmax", in, 3));
    return TN_OK;
}

const tn_op tn_op_MaxPoolWithArgmax = {
    .name = "MaxPoolWithArgmax",
    .sig = "input:T -> output:T argmax:Targmax; ksize:list(int)>=4 strides:list(int)>=4 "
           "Targmax:type{int32,int64}=int64 padding:string{SAME,VALID} include_batch_in_index:bool=false "
           "T:type{realnumbertype}",
    .infer = pool_infer,
    .prepare = argmax_prepare,
    .run = argmax_run,
    .grad = argmax_grad,
};

/* Elements of an image, and of the whole batch, and where a pooled element's image begins. */
typedef struct argmax_map {
    int64_t image, pooled, whole;
    bool in_batch;
} argmax_map;

static argmax_map map_of(const tn_run *r, const tn_tensor *image, const tn_tensor *argmax)
{
    argmax_map m = {.in_batch = tn_attr_b(r->attrs, "include_batch_in_index"),
                    .whole = tn_tensor_count(image)};
    m.image = tn_shape_product(&image->shape, 1, image->shape.rank);
    m.pooled = TN_MAX(tn_shape_product(&argmax->shape, 1, argmax->shape.rank), 1);
    return m;
}

static tn_code mapped(const argmax_map *m, const tn_tensor *argmax, int64_t i, int64_t *out, tn_error *err)
{
    int64_t at = tn_tensor_int(argmax, i);
    int64_t v = m->in_batch ? at : i / m->pooled * m->image + at;
    if (at < 0 || v < 0 || v >= m->whole)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid output index: %lld, output_size = %lld",
                       (long long)v, (long long)m->whole);
    *out = v;
    return TN_OK;
}

static tn_code add_element(tn_tensor *to, int64_t at, const tn_tensor *from, int64_t i, tn_error *err)
{
    if (to->dtype == TN_FLOAT) {
        TN_FLOATS(to)[at] += TN_FLOATS(from)[i];
        return TN_OK;
    }
    size_t size = tn_dtype_size(to->dtype);
    char *p = (char *)to->data + (size_t)at * size;
    const void *in[2] = {p, (const char *)from->data + (size_t)i * size};
    return tn_pw_flat(TN_PW_ADD, to->dtype, 0, 1, in, p, 1, err);
}

/* input grad argmax */
static tn_code argmax_back_run(tn_run *r, tn_error *err)
{
    argmax_map m = map_of(r, r->in[0], r->in[2]);
    int64_t n = tn_tensor_count(r->in[1]);
    if (n != tn_tensor_count(r->in[2]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "grad and argmax must have the same shape");
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        TN_TRY(mapped(&m, r->in[2], i, &at, err));
        TN_TRY(add_element(r->out[0], at, r->in[1], i, err));
    }
    return TN_OK;
}

static tn_code argmax_back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[3] = {tn_grad_in(g, 0), tn_grad_dy(g, 0), tn_grad_in(g, 2)};
    tn_grad_set(g, 1, pool_like(g, "MaxPoolGradGradWithArgmax", in, 3));
    return TN_OK;
}

const tn_op tn_op_MaxPoolGradWithArgmax = {
    .name = "MaxPoolGradWithArgmax",
    .sig = "input:T grad:T argmax:Targmax -> output:T; ksize:list(int)>=4 strides:list(int)>=4 "
           "padding:string{SAME,VALID} include_batch_in_index:bool=false Targmax:type{int32,int64} "
           "T:type{realnumbertype}",
    .infer = tn_infer_like_first,
    .run = argmax_back_run,
    .grad = argmax_back_grad,
};

static tn_code argmax_take_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[2]->shape;
    return TN_OK;
}

static tn_code argmax_take_run(tn_run *r, tn_error *err)
{
    argmax_map m = map_of(r, r->in[1], r->in[2]);
    for (int64_t i = 0, n = tn_tensor_count(r->in[2]); i < n; i++) {
        int64_t at = 0;
        TN_TRY(mapped(&m, r->in[2], i, &at, err));
        TN_TRY(tn_move_row(r->out[0], i, r->in[1], at, 1, err));
    }
    return TN_OK;
}

const tn_op tn_op_MaxPoolGradGradWithArgmax = {
    .name = "MaxPoolGradGradWithArgmax",
    .sig = "input:T grad:T argmax:Targmax -> output:T; ksize:list(int)>=4 strides:list(int)>=4 "
           "padding:string{SAME,VALID} include_batch_in_index:bool=false Targmax:type{int32,int64} "
           "T:type{realnumbertype}",
    .infer = argmax_take_infer,
    .run = argmax_take_run,
};

/* ==== MaxPoolGradGrad ==== image pooled grad: grad at each maximum */

typedef struct grad_grad {
    tn_pool_desc d;
    size_t pooled_at; /* in the scratch, behind the positions */
} grad_grad;

static tn_code grad_grad_last(tn_prepare *p, tn_error *err)
{
    tn_pool_desc *d = NULL;
    bool by_input = p->n_in == 5;
    TN_TRY(pool_desc(p, &p->in[0]->shape, &p->in[1]->shape, by_input ? p->in[3] : NULL,
                     by_input ? p->in[4] : NULL, p->in[0]->dtype, &d, err));
    TN_PARAMS(p, grad_grad, q);
    q->d = *d;
    q->pooled_at = ((size_t)tn_tensor_count(p->in[1]) * sizeof(int64_t) + 63) / 64 * 64;
    p->scratch = q->pooled_at + tn_tensor_bytes(p->in[1]);
    return TN_OK;
}

static tn_code grad_grad_prepare(tn_prepare *p, tn_error *err)
{
    return tn_channels_first(p, TN_BIT(0) | TN_BIT(1) | TN_BIT(2) | TN_FIRST_OUT,
                             p->n_in == 5 ? TN_BIT(3) | TN_BIT(4) : 0, grad_grad_last, err);
}

static tn_code grad_grad_run(tn_run *r, tn_error *err)
{
    const grad_grad *q = r->params;
    int64_t *at = r->scratch, n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    if (!tn_shape_equal(&r->in[0]->shape, &r->in[2]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "grad and the original input must have the same shape");
    tn_max_pool_argmax(&q->d, r->in[0]->data, (char *)r->scratch + q->pooled_at, at, true);
    for (int64_t i = 0; i < n; i++) TN_TRY(tn_move_row(r->out[0], i, r->in[2], at[i], 1, err));
    return TN_OK;
}

static tn_code grad_grad_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code grad_grad_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[5];
    for (int k = 0; k < g->op->n_in; k++) in[k] = tn_grad_in(g, k);
    in[2] = tn_grad_dy(g, 0);
    tn_grad_set(g, 2, pool_like(g, g->op->n_in == 5 ? "MaxPoolGradV2" : "MaxPoolGrad", in, g->op->n_in));
    return TN_OK;
}

#define GRAD_GRAD(NAME, VALUES, SIG)  \
    const tn_op tn_op_##NAME = {      \
        .name = #NAME,                \
        .sig = SIG,                   \
        .infer = grad_grad_infer,     \
        .prepare = grad_grad_prepare, \
        .run = grad_grad_run,         \
        .grad = grad_grad_grad,       \
        .values = VALUES,             \
    }
GRAD_GRAD(MaxPoolGradGrad, 0,
          "orig_input:T orig_output:T grad:T -> output:T; ksize:list(int)>=4 strides:list(int)>=4 "
          "padding:string{SAME,VALID} data_format:string{NHWC,NCHW}=\"NHWC\" T:type{realnumbertype}");
GRAD_GRAD(MaxPoolGradGradV2, TN_BIT(3) | TN_BIT(4),
          "orig_input:T orig_output:T grad:T ksize:int32 strides:int32 -> output:T; "
          "padding:string{SAME,VALID} data_format:string{NHWC,NCHW}=\"NHWC\" T:type{realnumbertype}");
