/* SPDX-License-Identifier: Apache-2.0
 *
 * op_nn.c - biases, softmax and local response normalisation.
 */
#include "../graph/op_grads.h"
#include "op_conv.h"
#include "op_move.h"

#include <math.h>

/* ==== BiasAdd ==== the bias stands along the channels */

static int channel_axis(const tn_attrs *a, int rank)
{
    return tn_attr_is(a, "data_format", "NCHW") ? 1 : rank - 1;
}

static tn_code bias_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *x = &c->in[0]->shape, *b = &c->in[1]->shape;
    char text[128];
    TN_TRY(tn_infer_rank_at_least(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    c->out[0].shape = *x;
    c->out[0].bound = c->in[0]->bound;
    if (x->rank < 0 || b->rank < 0) return TN_OK;
    int64_t *channels = &c->out[0].shape.dim[channel_axis(c->attrs, x->rank)];
    if (tn_infer_merge_dim(*channels, b->dim[0], channels, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Must provide as many biases as the last dimension of the input tensor: [%lld] vs. %s",
                       (long long)b->dim[0], tn_shape_text(x, text, sizeof text));
    return TN_OK;
}

static tn_code bias_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *x = &p->in[0]->shape;
    tn_shape b = {.rank = x->rank};
    for (int k = 0; k < x->rank; k++) b.dim[k] = 1;
    b.dim[channel_axis(p->attrs, x->rank)] = p->in[1]->shape.dim[0];
    const tn_shape *operands[2] = {x, &b};
    TN_PARAMS(p, tn_pw_plan, plan);
    return tn_pw_prepare(TN_PW_ADD, p->in[0]->dtype, operands, x, 0, p->threads, plan, err);
}

static tn_code bias_run(tn_run *r, tn_error *err)
{
    const void *in[2] = {r->in[0]->data, r->in[1]->data};
    return tn_pw_run(r->params, in, r->out[0]->data, err);
}

static const char *const format_attr[] = {"data_format"};

static tn_code bias_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 0, dy);
    tn_grad_set(g, 1, tn_grad_op_like(g, "BiasAddGrad", &dy, 1, format_attr, 1));
    return TN_OK;
}

static tn_code bias_v1_grad(tn_grad *g, tn_error *err)
{
    tn_node dy = tn_grad_dy(g, 0);
    tn_shape s = tn_node_shape(dy);
    int64_t axes[TN_MAX_RANK];
    if (s.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: the gradient of BiasAddV1 needs a known rank", g->op->name);
    for (int k = 0; k < s.rank; k++) axes[k] = k;
    tn_grad_set(g, 0, dy);
    tn_grad_set(g, 1, tn_op(g->b, "Sum", TN_INPUTS(dy, tn_ints(g->b, axes, s.rank - 1)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_BiasAdd = {
    .name = "BiasAdd",
    .sig = "value:T bias:T -> output:T; T:type{numbertype} data_format:string{NHWC,NCHW}=\"NHWC\"",
    .infer = bias_infer,
    .prepare = bias_prepare,
    .run = bias_run,
    .grad = bias_grad,
};
const tn_op tn_op_BiasAddV1 = {
    .name = "BiasAddV1",
    .sig = "value:T bias:T -> output:T; T:type{numbertype}",
    .infer = bias_infer,
    .prepare = bias_prepare,
    .run = bias_run,
    .grad = bias_v1_grad,
};

/* ==== BiasAddGrad ==== */

static tn_code bias_sum_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *x = &c->in[0]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 2, err));
    tn_infer_set_rank(c, 0, 1);
    if (x->rank >= 0) c->out[0].shape.dim[0] = x->dim[channel_axis(c->attrs, x->rank)];
    return TN_OK;
}

typedef struct bias_sum {
    bool columns; /* float, channels last: the sum of columns */
    int64_t rows, cols;
    tn_reduce_plan plan;
} bias_sum;

static tn_code bias_sum_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *x = &p->in[0]->shape;
    int channel = channel_axis(p->attrs, x->rank);
    bool axis[TN_MAX_RANK] = {false};
    TN_PARAMS(p, bias_sum, s);
    s->columns = p->in[0]->dtype == TN_FLOAT && channel == x->rank - 1;
    s->cols = x->dim[channel];
    s->rows = tn_shape_product(x, 0, x->rank - 1);
    if (s->columns) {
        p->scratch = tn_col_sum_scratch(s->rows, s->cols, p->threads);
        return TN_OK;
    }
    for (int k = 0; k < x->rank; k++) axis[k] = k != channel;
    TN_TRY(tn_reduce_prepare(TN_REDUCE_SUM, p->in[0]->dtype, x, axis, p->threads, &s->plan, err));
    p->scratch = s->plan.scratch;
    return TN_OK;
}

static tn_code bias_sum_run(tn_run *r, tn_error *err)
{
    const bias_sum *s = r->params;
    (void)err;
    if (s->columns)
        tn_col_sum(r->in[0]->data, s->rows, s->cols, r->out[0]->data, r->scratch, r->threads);
    else
        tn_reduce_run(&s->plan, r->in[0]->data, r->out[0]->data, r->scratch);
    return TN_OK;
}

static tn_code bias_sum_grad(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0);
    tn_shape s = tn_node_shape(x);
    int64_t to[TN_MAX_RANK];
    if (tn_attr_is(&g->op->attrs, "data_format", "NCHW")) {
        if (s.rank < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s: the gradient of BiasAddGrad needs a known rank", g->op->name);
        for (int k = 0; k < s.rank; k++) to[k] = k == 1 ? -1 : 1;
        dy = tn_op(b, "Reshape", TN_INPUTS(dy, tn_ints(b, to, s.rank)), TN_NO_ATTRS);
    }
    tn_grad_set(g, 0, tn_op(b, "BroadcastTo", TN_INPUTS(dy, tn_grad_shape(b, x, TN_INT32)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_BiasAddGrad = {
    .name = "BiasAddGrad",
    .sig = "out_backprop:T -> output:T; T:type{numbertype} data_format:string{NHWC,NCHW}=\"NHWC\"",
    .infer = bias_sum_infer,
    .prepare = bias_sum_prepare,
    .run = bias_sum_run,
    .grad = bias_sum_grad,
};

/* ==== Softmax, LogSoftmax ==== along the last dimension */

static tn_code softmax_infer(tn_infer *c, tn_error *err)
{
    if (c->in[0]->shape.rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "logits must have >= 1 dimension, got []");
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    c->out[0].shape = c->in[0]->shape;
    c->out[0].bound = c->in[0]->bound;
    return TN_OK;
}

static tn_code softmax_rows(tn_run *r, bool log, tn_error *err)
{
    const tn_tensor *x = r->in[0];
    int last = x->shape.rank - 1;
    return tn_softmax(x->dtype, log, tn_shape_product(&x->shape, 0, last), x->shape.dim[last], x->data, r->out[0]->data,
                      r->threads, err);
}
static tn_code softmax_run(tn_run *r, tn_error *err)
{
    return softmax_rows(r, false, err);
}
static tn_code log_softmax_run(tn_run *r, tn_error *err)
{
    return softmax_rows(r, true, err);
}

static tn_node sum_last(tn_builder *b, tn_node x)
{
    int64_t last = -1;
    return tn_op(b, "Sum", TN_INPUTS(x, tn_ints(b, &last, 1)), TN_ATTRS(tn_attr_bool("keep_dims", true)));
}

static tn_code softmax_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node y = tn_grad_out(g, 0), dy = tn_grad_dy(g, 0);
    tn_node sum = sum_last(b, tn_op(b, "Mul", TN_INPUTS(dy, y), TN_NO_ATTRS));
    tn_grad_set(g, 0, tn_op(b, "Mul", TN_INPUTS(tn_op(b, "Sub", TN_INPUTS(dy, sum), TN_NO_ATTRS), y), TN_NO_ATTRS));
    return TN_OK;
}

static tn_code log_softmax_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0), p = tn_op(b, "Exp", TN_INPUTS(tn_grad_out(g, 0)), TN_NO_ATTRS);
    tn_node share = tn_op(b, "Mul", TN_INPUTS(sum_last(b, dy), p), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(b, "Sub", TN_INPUTS(dy, share), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Softmax = {
    .name = "Softmax",
    .sig = "logits:T -> softmax:T; T:type{half,bfloat16,float,double}",
    .infer = softmax_infer,
    .run = softmax_run,
    .grad = softmax_grad,
    .flags = TN_INPLACE,
};
const tn_op tn_op_LogSoftmax = {
    .name = "LogSoftmax",
    .sig = "logits:T -> logsoftmax:T; T:type{half,bfloat16,float,double}",
    .infer = softmax_infer,
    .run = log_softmax_run,
    .grad = log_softmax_grad,
    .flags = TN_INPLACE,
};

/* ==== LRN ==== y = x * (bias + alpha * sum of squares of 2 r + 1 neighbours in depth) ^ -beta */

typedef struct lrn {
    int64_t rows, depth, radius;
    double bias, alpha, beta;
} lrn;

static tn_code lrn_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_in; i++) TN_TRY(tn_infer_rank(c, i, 4, err));
    return tn_infer_like_first(c, err);
}

static tn_code lrn_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, lrn, l);
    const tn_shape *s = &p->in[0]->shape;
    l->rows = tn_shape_product(s, 0, 3);
    l->depth = s->dim[3];
    for (int i = 1; i < p->n_in; i++)
        if (!tn_shape_equal(&p->in[i]->shape, s))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "input_grads, input_image, and out_image should have the same shape");
    l->radius = tn_attr_i(p->attrs, "depth_radius");
    l->bias = tn_attr_f(p->attrs, "bias");
    l->alpha = tn_attr_f(p->attrs, "alpha");
    l->beta = tn_attr_f(p->attrs, "beta");
    p->scratch = (size_t)(5 * l->depth + 1) * sizeof(double);
    if (l->radius < 0 || l->radius > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "depth_radius = %lld", (long long)l->radius);
    return TN_OK;
}

static tn_code load_row(const tn_tensor *t, int64_t row, int64_t n, double *out, tn_error *err)
{
    const char *from = (char *)t->data + (size_t)(row * n) * tn_dtype_size(t->dtype);
    return tn_cast(t->dtype, TN_DOUBLE, n, from, out, false, 1, err);
}

static tn_code store_row(tn_tensor *t, int64_t row, int64_t n, const double *x, tn_error *err)
{
    char *to = (char *)t->data + (size_t)(row * n) * tn_dtype_size(t->dtype);
    return tn_cast(TN_DOUBLE, t->dtype, n, x, to, false, 1, err);
}

/* Each number with those near it. */
static void sums_nearby(const lrn *l, const double *restrict x, double *restrict sums)
{
    const int64_t most = TN_MIN(l->radius, l->depth - 1);
    for (int64_t k = 0; k < l->depth; k++) sums[k] = 0;
    for (int64_t by = -most; by <= most; by++)
        for (int64_t k = TN_MAX(-by, 0); k < TN_MIN(l->depth, l->depth - by); k++) sums[k] += x[k + by];
}

/* tmp: depth numbers */
static void lrn_norms(const lrn *l, const double *x, double *norm, double *tmp)
{
    for (int64_t k = 0; k < l->depth; k++) tmp[k] = x[k] * x[k];
    sums_nearby(l, tmp, norm);
    for (int64_t k = 0; k < l->depth; k++) norm[k] = l->bias + l->alpha * norm[k];
}

/* x ^ -beta: the usual ones by roots */
static void lrn_powers(const lrn *l, const double *x, double *out)
{
    if (l->beta == 0.5)
        for (int64_t k = 0; k < l->depth; k++) out[k] = 1 / sqrt(x[k]);
    else if (l->beta == 0.75)
        for (int64_t k = 0; k < l->depth; k++) out[k] = 1 / (sqrt(x[k]) * sqrt(sqrt(x[k])));
    else
        for (int64_t k = 0; k < l->depth; k++) out[k] = pow(x[k], -l->beta);
}

static tn_code lrn_run(tn_run *r, tn_error *err)
{
    const lrn *l = r->params;
    double *x = r->scratch, *norm = x + l->depth, *tmp = norm + l->depth;
    for (int64_t i = 0; i < l->rows; i++) {
        TN_TRY(load_row(r->in[0], i, l->depth, x, err));
        lrn_norms(l, x, norm, tmp);
        lrn_powers(l, norm, tmp);
        for (int64_t k = 0; k < l->depth; k++) x[k] *= tmp[k];
        TN_TRY(store_row(r->out[0], i, l->depth, x, err));
    }
    return TN_OK;
}

/* dx_j = dy_j norm_j^-beta - 2 alpha beta x_j sum over k near j of dy_k y_k / norm_k */
static tn_code lrn_grad_run(tn_run *r, tn_error *err)
{
    const lrn *l = r->params;
    double *dy = r->scratch, *x = dy + l->depth, *share = x + l->depth, *norm = share + l->depth,
           *tmp = norm + l->depth;
    for (int64_t i = 0; i < l->rows; i++) {
        TN_TRY(load_row(r->in[0], i, l->depth, dy, err));
        TN_TRY(load_row(r->in[1], i, l->depth, x, err));
        TN_TRY(load_row(r->in[2], i, l->depth, share, err));
        lrn_norms(l, x, norm, tmp);
        for (int64_t k = 0; k < l->depth; k++) share[k] = dy[k] * share[k] / norm[k];
        sums_nearby(l, share, tmp);
        for (int64_t k = 0; k < l->depth; k++) x[k] *= -2 * l->alpha * l->beta * tmp[k];
        lrn_powers(l, norm, tmp);
        for (int64_t k = 0; k < l->depth; k++) x[k] += dy[k] * tmp[k];
        TN_TRY(store_row(r->out[0], i, l->depth, x, err));
    }
    return TN_OK;
}

static tn_code lrn_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"depth_radius", "bias", "alpha", "beta"};
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 0), tn_grad_out(g, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "LRNGrad", in, 3, attrs, 4));
    return TN_OK;
}

const tn_op tn_op_LRN = {
    .name = "LRN",
    .sig = "input:T -> output:T; depth_radius:int=5 bias:float=1.0 alpha:float=1.0 beta:float=0.5 "
           "T:type{half,bfloat16,float}=float",
    .infer = lrn_infer,
    .prepare = lrn_prepare,
    .run = lrn_run,
    .grad = lrn_grad,
};
const tn_op tn_op_LRNGrad = {
    .name = "LRNGrad",
    .sig = "input_grads:T input_image:T output_image:T -> output:T; depth_radius:int=5 bias:float=1.0 "
           "alpha:float=1.0 beta:float=0.5 T:type{half,bfloat16,float}=float",
    .infer = lrn_infer,
    .prepare = lrn_prepare,
    .run = lrn_grad_run,
};
