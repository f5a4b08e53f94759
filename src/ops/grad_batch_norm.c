/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_batch_norm.c - the gradient of FusedBatchNormGrad: batch normalization differentiated twice.
 *
 * For each channel, with x^ = (x - mean) r and r = 1 / sqrt(variance + epsilon), the operator gives
 *     dx = scale r (d - mean(d) - x^ mean(d x^)),  dscale = sum(d x^),  doffset = sum(d)
 * of d, the gradient of y; where mean and variance are constants, dx = scale r d. Below are the derivatives
 * of these.
 */
#include "../graph/op_grads.h"
#include "op_math.h"

typedef struct norm {
    tn_builder *b;
    tn_node axes, shape; /* all but the channels' dimension; of a value a channel beside an image */
} norm;

static tn_node mean(const norm *n, tn_node x)
{
    return tn_op(n->b, "Mean", TN_INPUTS(x, n->axes), TN_ATTRS(tn_attr_bool("keep_dims", true)));
}

static tn_node mul(const norm *n, tn_node x, tn_node y)
{
    return tn_g2(n->b, "Mul", x, y);
}

static tn_node sub(const norm *n, tn_node x, tn_node y)
{
    return tn_g2(n->b, "Sub", x, y);
}

static tn_node add(const norm *n, tn_node x, tn_node y)
{
    return tn_g2(n->b, "AddV2", x, y);
}

/* A vector with a value a channel, so that it goes with an image. */
static tn_node wide(const norm *n, tn_node v)
{
    return tn_g2(n->b, "Reshape", v, n->shape);
}

static tn_node as_float(const norm *n, tn_node x)
{
    return tn_grad_cast(n->b, x, TN_FLOAT);
}

/* v - mean(v) - x^ mean(v x^): what is left of v by normalization. */
static tn_node projected(const norm *n, tn_node v, tn_node hat)
{
    return sub(n, sub(n, v, mean(n, v)), mul(n, hat, mean(n, mul(n, v, hat))));
}

static norm norm_of(tn_grad *g, tn_node x, int rank)
{
    bool first =
        tn_attr_is(&g->op->attrs, "data_format", "NCHW") || tn_attr_is(&g->op->attrs, "data_format", "NCDHW");
    int channel = first ? 1 : rank - 1, n = 0;
    int64_t axes[TN_MAX_RANK], shape[TN_MAX_RANK];
    for (int k = 0; k < rank; k++) {
        shape[k] = k == channel ? -1 : 1;
        if (k != channel) axes[n++] = k;
    }
    (void)x;
    return (norm){g->b, tn_grad_ints(g->b, TN_INT32, axes, n), tn_grad_ints(g->b, TN_INT32, shape, rank)};
}

typedef struct terms {
    tn_node d, x, scale;               /* the operator's inputs */
    tn_node of_x, of_scale, of_offset; /* gradients of its results */
    tn_node hat, r;
} terms;

/* L = scale r (a - n c b) + n of_scale b, where a = sum(of_x (d - mean d)), b = mean(d x^), c = mean(of_x
 * x^); dL/dx. */
static tn_node by_x(const norm *n, const terms *t)
{
    tn_node b = mean(n, mul(n, t->d, t->hat)), c = mean(n, mul(n, t->of_x, t->hat));
    tn_node a = mean(n, mul(n, t->of_x, sub(n, t->d, mean(n, t->d))));
    tn_node d = projected(n, t->d, t->hat), v = projected(n, t->of_x, t->hat);
    tn_node inner = add(n, mul(n, t->hat, sub(n, a, mul(n, b, c))), add(n, mul(n, b, v), mul(n, c, d)));
    return sub(n, mul(n, mul(n, t->of_scale, t->r), d),
               mul(n, mul(n, t->scale, tn_g1(n->b, "Square", t->r)), inner));
}

static void set_all(tn_grad *g, const norm *n, const terms *t, bool training)
{
    tn_node kept_x = training ? projected(n, t->of_x, t->hat) : t->of_x;
    tn_node kept_d = training ? projected(n, t->d, t->hat) : t->d;
    tn_node of_d =
        add(n, mul(n, mul(n, t->scale, t->r), kept_x), add(n, mul(n, t->of_scale, t->hat), t->of_offset));
    tn_node per = tn_op(n->b, "Sum", TN_INPUTS(mul(n, t->of_x, mul(n, t->r, kept_d)), n->axes), TN_NO_ATTRS);
    tn_node of_x = training ? by_x(n, t) : mul(n, mul(n, t->of_scale, t->r), t->d);
    tn_grad_set(g, 0, tn_grad_cast(g->b, of_d, tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0)))));
    tn_grad_set(g, 1, tn_grad_cast(g->b, of_x, tn_dtype_base(tn_node_dtype(tn_grad_in(g, 1)))));
    tn_grad_set(g, 2, per);
}

tn_code tn_batch_norm_grad_grad(tn_grad *g, tn_error *err)
{
    tn_node x = tn_grad_in(g, 1);
    tn_shape s = tn_node_shape(x);
    if (s.rank < 0) s = tn_node_shape(tn_grad_in(g, 0));
    int rank = s.rank >= 0 ? s.rank : tn_attr_is(&g->op->attrs, "data_format", "NDHWC") ? 5 : 4;
    if (rank < 2) return tn_fail(err, TN_INVALID_ARGUMENT, "FusedBatchNormGrad of rank %d", rank);
    norm n = norm_of(g, x, rank);
    bool training = tn_attr_b(&g->op->attrs, "is_training");
    terms t = {
        .d = as_float(&n, tn_grad_in(g, 0)), .x = as_float(&n, x), .scale = wide(&n, tn_grad_in(g, 2))};
    t.of_x = as_float(&n, tn_grad_dy(g, 0));
    t.of_scale = wide(&n, tn_grad_dy(g, 1));
    t.of_offset = wide(&n, tn_grad_dy(g, 2));
    tn_node middle = training ? mean(&n, t.x) : wide(&n, tn_grad_in(g, 3)), apart = sub(&n, t.x, middle);
    tn_node variance = training ? mean(&n, tn_g1(g->b, "Square", apart)) : wide(&n, tn_grad_in(g, 4));
    tn_node epsilon = tn_scalar(g->b, TN_FLOAT, (double)tn_attr_f(&g->op->attrs, "epsilon"));
    t.r = tn_g1(g->b, "Rsqrt", add(&n, variance, epsilon));
    t.hat = mul(&n, apart, t.r);
    set_all(g, &n, &t, training);
    return TN_OK;
}
