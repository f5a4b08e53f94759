/* SPDX-License-Identifier: Apache-2.0
 *
 * composite_norm.c - layer normalisation over the last axis, and its gradient, as composites: bodies of plain
 * operators, and fused operators on kernel/'s.
 *
 * LayerNorm(x, gamma, beta) -> y; LayerNormGrad(x, gamma, beta, dy) -> dx, dgamma, dbeta. x is of rank 1 or more;
 * gamma and beta are vectors as long as its last axis.
 */
#include "../kernel/kernel.h"
#include "../plan/composite.h"

/* ==== bodies ==== */

static tn_node one(tn_builder *b, const char *op, tn_node x)
{
    return tn_op(b, op, TN_INPUTS(x), TN_NO_ATTRS);
}

static tn_node two(tn_builder *b, const char *op, tn_node x, tn_node y)
{
    return tn_op(b, op, TN_INPUTS(x, y), TN_NO_ATTRS);
}

static tn_node mean(tn_builder *b, tn_node x)
{
    int64_t last = -1;
    return tn_op(b, "Mean", TN_INPUTS(x, tn_ints(b, &last, 1)), TN_ATTRS(tn_attr_bool("keep_dims", true)));
}

typedef struct normal {
    tn_node scale, value; /* 1 / deviation; x centered and scaled */
} normal;

static normal normalized(tn_builder *b, tn_node x, float epsilon)
{
    normal n;
    tn_node centered = two(b, "Sub", x, mean(b, x));
    tn_node variance = mean(b, one(b, "Square", centered));
    n.scale = one(b, "Rsqrt", two(b, "AddV2", variance, tn_scalar(b, TN_FLOAT, (double)epsilon)));
    n.value = two(b, "Mul", centered, n.scale);
    return n;
}

static void forward_body(tn_builder *b, const tn_node *args, float epsilon, tn_node *rets)
{
    normal n = normalized(b, args[0], epsilon);
    rets[0] = two(b, "AddV2", two(b, "Mul", n.value, args[1]), args[2]);
}

/* Over all axes but the last: [-1, channels], summed. */
static tn_node column_sums(tn_builder *b, tn_node x, tn_node like)
{
    int64_t minus = -1, first = 0;
    tn_node shape = tn_op(b, "ConcatV2",
                          TN_INPUTS(tn_ints(b, &minus, 1), one(b, "Shape", like), tn_scalar(b, TN_INT32, 0)),
                          TN_NO_ATTRS);
    return two(b, "Sum", two(b, "Reshape", x, shape), tn_ints(b, &first, 1));
}

static void grad_body(tn_builder *b, const tn_node *args, float epsilon, tn_node *rets)
{
    tn_node gamma = args[1], dy = args[3];
    normal n = normalized(b, args[0], epsilon);
    tn_node g = two(b, "Mul", dy, gamma), along = two(b, "Mul", n.value, mean(b, two(b, "Mul", g, n.value)));
    rets[0] = two(b, "Mul", n.scale, two(b, "Sub", two(b, "Sub", g, mean(b, g)), along));
    rets[1] = column_sums(b, two(b, "Mul", dy, n.value), gamma);
    rets[2] = column_sums(b, dy, gamma);
}

/* ==== fused operators ==== */

static tn_code check_vector(const tn_infer *c, int i, tn_error *err)
{
    const tn_shape *x = &c->in[0]->shape, *v = &c->in[i]->shape;
    char a[128], b[128];
    if (x->rank == 0 || (v->rank >= 0 && v->rank != 1) ||
        (x->rank > 0 && v->rank == 1 && x->dim[x->rank - 1] >= 0 && v->dim[0] >= 0 && x->dim[x->rank - 1] != v->dim[0]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "layer normalisation of %s with a vector %s",
                       tn_shape_text(x, a, sizeof a), tn_shape_text(v, b, sizeof b));
    return TN_OK;
}

static tn_code infer(tn_infer *c, tn_error *err)
{
    for (int i = 1; i < 3; i++) TN_TRY(check_vector(c, i, err));
    c->out[0].shape = c->in[0]->shape;
    for (int o = 1; o < c->n_out; o++) c->out[o].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code infer_grad(tn_infer *c, tn_error *err)
{
    TN_TRY(infer(c, err));
    return tn_shape_merge(&c->in[0]->shape, &c->in[3]->shape, &c->out[0].shape, err);
}

static tn_code prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_layer_norm_desc, d);
    const tn_shape *x = &p->in[0]->shape;
    d->channels = x->dim[x->rank - 1];
    d->rows = d->channels ? tn_shape_count(x) / d->channels : 0;
    tn_composite_read(p->attrs, &d->epsilon);
    d->threads = p->threads;
    if (p->n_out > 1) p->scratch = tn_layer_norm_scratch(d);
    return TN_OK;
}

static tn_code run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_layer_norm_forward(r->params, r->in[0]->data, r->in[1]->data, r->in[2]->data, r->out[0]->data);
    return TN_OK;
}

static tn_code run_grad(tn_run *r, tn_error *err)
{
    (void)err;
    tn_layer_norm_backward(r->params, r->in[0]->data, r->in[1]->data, r->in[3]->data, r->out[0]->data, r->out[1]->data,
                           r->out[2]->data, r->scratch);
    return TN_OK;
}

static const tn_op fused = {.name = "_LayerNorm", .infer = infer, .prepare = prepare, .run = run};
static const tn_op fused_grad = {.name = "_LayerNormGrad", .infer = infer_grad, .prepare = prepare, .run = run_grad};

const tn_composite tn_composite_layer_norm = {
    .name = "LayerNorm", .n_args = 3, .n_rets = 1, .grad = "LayerNormGrad", .body = forward_body, .fused = &fused};
const tn_composite tn_composite_layer_norm_grad = {
    .name = "LayerNormGrad", .n_args = 4, .n_rets = 3, .body = grad_body, .fused = &fused_grad};
