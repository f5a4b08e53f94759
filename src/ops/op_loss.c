/* SPDX-License-Identifier: Apache-2.0
 *
 * op_loss.c - SoftmaxCrossEntropyWithLogits and its sparse kind. Their second output is the gradient by
 * the logits, up to a factor.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

static tn_code dense_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    if (tn_shape_broadcast(&c->in[0]->shape, &c->in[1]->shape, &s, NULL) != TN_OK) {
        char a[96], b[96];
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "logits and labels must be broadcastable: logits_size=%s labels_size=%s",
                       tn_shape_text(&c->in[0]->shape, a, sizeof a),
                       tn_shape_text(&c->in[1]->shape, b, sizeof b));
    }
    tn_infer_set_rank(c, 0, 1);
    tn_infer_set_rank(c, 1, 2);
    if (s.rank != 2) return TN_OK;
    c->out[0].shape.dim[0] = s.dim[0];
    c->out[1].shape = s;
    return TN_OK;
}

/* A row that stands for all is read again and again; a column that does is spread out first. */
typedef struct cross_entropy {
    tn_move spread[2];
    bool wide[2];
    int64_t stride[2];
    size_t at[2]; /* in the scratch */
} cross_entropy;

static tn_code dense_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *out = &p->out[1]->shape;
    TN_PARAMS(p, cross_entropy, x);
    for (int i = 0; i < 2; i++) {
        const tn_shape *s = &p->in[i]->shape;
        x->wide[i] = s->dim[1] != out->dim[1];
        x->stride[i] = s->dim[0] == out->dim[0] || x->wide[i] ? out->dim[1] : 0;
        if (!x->wide[i]) continue;
        tn_move_dim(&x->spread[i], out->dim[0], out->dim[1], s->dim[0] == 1 ? 0 : 1);
        tn_move_dim(&x->spread[i], out->dim[1], 1, 0);
        TN_TRY(tn_move_ready(&x->spread[i], p->in[i]->dtype, p->threads, err));
        x->at[i] = p->scratch;
        p->scratch += ((size_t)tn_shape_count(out) * tn_dtype_size(p->in[i]->dtype) + 63) / 64 * 64;
    }
    return TN_OK;
}

static tn_code dense_run(tn_run *r, tn_error *err)
{
    const cross_entropy *x = r->params;
    const void *in[2] = {r->in[0]->data, r->in[1]->data};
    const tn_shape *out = &r->out[1]->shape;
    if (tn_shape_count(out) == 0) {
        if (tn_tensor_count(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    for (int i = 0; i < 2; i++) {
        if (!x->wide[i]) continue;
        tn_tensor space = tn_tensor_view(r->in[i]->dtype, out, (char *)r->scratch + x->at[i]);
        TN_TRY(tn_move_run(&x->spread[i], &space, r->in[i], err));
        in[i] = space.data;
    }
    return tn_softmax_xent(r->out[0]->dtype, out->dim[0], out->dim[1], in[0], x->stride[0], in[1],
                           x->stride[1], r->out[0]->data, r->out[1]->data, r->threads, err);
}

/* Row i of m times element i of v. */
static tn_node by_rows(tn_builder *b, tn_node v, tn_node m)
{
    tn_node column = tn_op(b, "ExpandDims", TN_INPUTS(v, tn_grad_int(b, TN_INT32, -1)), TN_NO_ATTRS);
    return tn_op(b, "Mul", TN_INPUTS(column, m), TN_NO_ATTRS);
}

/* What comes by way of the second output: (dg - sum(dg * p)) * p. */
static tn_node second_order(tn_builder *b, tn_node dg, tn_node logits)
{
    int64_t last = -1;
    tn_node p = tn_op(b, "Softmax", TN_INPUTS(logits), TN_NO_ATTRS);
    tn_node sum =
        tn_op(b, "Sum", TN_INPUTS(tn_op(b, "Mul", TN_INPUTS(dg, p), TN_NO_ATTRS), tn_ints(b, &last, 1)),
              TN_ATTRS(tn_attr_bool("keep_dims", true)));
    return tn_op(b, "Mul", TN_INPUTS(tn_op(b, "Sub", TN_INPUTS(dg, sum), TN_NO_ATTRS), p), TN_NO_ATTRS);
}

static tn_node logits_grad(tn_grad *g)
{
    tn_node logits = tn_grad_in(g, 0), dx = by_rows(g->b, tn_grad_dy(g, 0), tn_grad_out(g, 1));
    if (!g->dy[1].op) return dx;
    return tn_op(g->b, "AddV2", TN_INPUTS(dx, second_order(g->b, g->dy[1], logits)), TN_NO_ATTRS);
}

static tn_code dense_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node log = tn_op(b, "LogSoftmax", TN_INPUTS(tn_grad_in(g, 0)), TN_NO_ATTRS);
    tn_grad_set_unbroadcast(g, 0, logits_grad(g), 1);
    tn_grad_set_unbroadcast(g, 1, by_rows(b, tn_grad_dy(g, 0), tn_op(b, "Neg", TN_INPUTS(log), TN_NO_ATTRS)),
                            0);
    return TN_OK;
}

const tn_op tn_op_SoftmaxCrossEntropyWithLogits = {
    .name = "SoftmaxCrossEntropyWithLogits",
    .sig = "features:T labels:T -> loss:T backprop:T; T:type{half,bfloat16,float,double}",
    .infer = dense_infer,
    .prepare = dense_prepare,
    .run = dense_run,
    .grad = dense_grad,
};

/* ==== labels as class numbers ==== */

static tn_code sparse_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_infer_set_rank(c, 0, 1);
    tn_infer_set_rank(c, 1, 2);
    int64_t rows = c->in[0]->shape.rank == 2 ? c->in[0]->shape.dim[0] : -1;
    if (c->in[1]->shape.rank == 1 && tn_infer_merge_dim(rows, c->in[1]->shape.dim[0], &rows, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "logits and labels must have the same first dimension, got logits shape [%lld,%lld] "
                       "and labels shape [%lld]",
                       (long long)rows, (long long)c->in[0]->shape.dim[1], (long long)c->in[1]->shape.dim[0]);
    c->out[0].shape.dim[0] = c->out[1].shape.dim[0] = rows;
    if (c->in[0]->shape.rank == 2) c->out[1].shape.dim[1] = c->in[0]->shape.dim[1];
    return TN_OK;
}

static tn_code sparse_run(tn_run *r, tn_error *err)
{
    const tn_tensor *x = r->in[0], *labels = r->in[1];
    if (x->shape.dim[1] == 0 && x->shape.dim[0] > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Must have at least one class, but got logits shape [%lld,0]",
                       (long long)x->shape.dim[0]);
    return tn_sparse_softmax_xent(x->dtype, x->shape.dim[0], x->shape.dim[1], x->data, labels->dtype,
                                  labels->data, r->out[0]->data, r->out[1]->data, r->threads, err);
}

static tn_code sparse_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, logits_grad(g));
    return TN_OK;
}

const tn_op tn_op_SparseSoftmaxCrossEntropyWithLogits = {
    .name = "SparseSoftmaxCrossEntropyWithLogits",
    .sig = "features:T labels:Tlabels -> loss:T backprop:T; T:type{half,bfloat16,float,double} "
           "Tlabels:type{int32,int64}=int64",
    .infer = sparse_infer,
    .run = sparse_run,
    .grad = sparse_grad,
};
