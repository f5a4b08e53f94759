/* SPDX-License-Identifier: Apache-2.0
 *
 * op_global_norm.c - BatchNormWithGlobalNormalization and its gradient, as the first versions of TensorFlow
 * had them: images normalized by statistics that are given. Old graphs still have them.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "op_move.h"

static tn_code norm_infer(tn_infer *c, tn_error *err)
{
    int last = c->n_in - 1;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    for (int k = 1; k < c->n_in; k++) TN_TRY(tn_infer_rank(c, k, c->n_out > 1 && k == last ? 4 : 1, err));
    c->out[0].shape = c->in[0]->shape;
    for (int o = 1; o < c->n_out; o++) c->out[o].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code norm_prepare(tn_prepare *p, tn_error *err)
{
    int64_t channels = p->in[0]->shape.dim[3];
    bool back = p->n_out > 1;
    if (!tn_dtype_is_float(p->in[0]->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s", p->op->name, tn_dtype_name(p->in[0]->dtype));
    for (int k = 1; k < p->n_in - back; k++)
        if (p->in[k]->shape.dim[0] != channels)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s: input %d has %lld values for %lld channels",
                           p->op->name, k, (long long)p->in[k]->shape.dim[0], (long long)channels);
    if (back && !tn_shape_equal(&p->in[4]->shape, &p->in[0]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: backprop must have the shape of the input",
                       p->op->name);
    return TN_OK;
}

typedef struct statistics {
    double mean, scale, gamma, variance; /* scale: 1 / sqrt(variance + epsilon) */
    bool scaled;
} statistics;

static statistics statistics_at(const tn_run *r, int64_t c)
{
    int gamma = r->n_out > 1 ? 3 : 4;
    statistics s = {.mean = tn_tensor_number(r->in[1], c),
                    .scaled = tn_attr_b(r->attrs, "scale_after_normalization")};
    s.variance = tn_tensor_number(r->in[2], c) + (double)tn_attr_f(r->attrs, "variance_epsilon");
    s.scale = 1 / sqrt(s.variance);
    s.gamma = s.scaled ? tn_tensor_number(r->in[gamma], c) : 1;
    return s;
}

/* t m v beta gamma */
static tn_code norm_run(tn_run *r, tn_error *err)
{
    int64_t channels = r->in[0]->shape.dim[3], n = tn_tensor_count(r->in[0]);
    (void)err;
    for (int64_t c = 0; c < channels; c++) {
        statistics s = statistics_at(r, c);
        double beta = tn_tensor_number(r->in[3], c), by = s.scale * s.gamma;
        for (int64_t i = c; i < n; i += channels)
            tn_tensor_set_number(r->out[0], i, (tn_tensor_number(r->in[0], i) - s.mean) * by + beta);
    }
    return TN_OK;
}

/* t m v gamma backprop -> dx dm dv db dg */
static tn_code back_run(tn_run *r, tn_error *err)
{
    int64_t channels = r->in[0]->shape.dim[3], n = tn_tensor_count(r->in[0]);
    (void)err;
    for (int64_t c = 0; c < channels; c++) {
        statistics s = statistics_at(r, c);
        double sum = 0, apart = 0;
        for (int64_t i = c; i < n; i += channels) {
            double dy = tn_tensor_number(r->in[4], i);
            sum += dy;
            apart += dy * (tn_tensor_number(r->in[0], i) - s.mean);
            tn_tensor_set_number(r->out[0], i, dy * s.scale * s.gamma);
        }
        tn_tensor_set_number(r->out[1], c, -sum * s.scale * s.gamma);
        tn_tensor_set_number(r->out[2], c, -0.5 * apart * s.scale / s.variance * s.gamma);
        tn_tensor_set_number(r->out[3], c, sum);
        tn_tensor_set_number(r->out[4], c, s.scaled ? apart * s.scale : 0);
    }
    return TN_OK;
}

static tn_code norm_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"variance_epsilon", "scale_after_normalization"};
    (void)err;
    tn_node in[] = {tn_grad_in(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2), tn_grad_in(g, 4), tn_grad_dy(g, 0)};
    tn_node all = tn_grad_op_like(g, "BatchNormWithGlobalNormalizationGrad", in, 5, attrs, 2);
    for (int k = 0; all.op && k < 5; k++) tn_grad_set(g, k, (tn_node){all.op, k});
    return TN_OK;
}

const tn_op tn_op_BatchNormWithGlobalNormalization = {
    .name = "BatchNormWithGlobalNormalization",
    .sig = "t:T m:T v:T beta:T gamma:T -> result:T; T:type{numbertype} variance_epsilon:float "
           "scale_after_normalization:bool",
    .infer = norm_infer,
    .prepare = norm_prepare,
    .run = norm_run,
    .grad = norm_grad,
};
const tn_op tn_op_BatchNormWithGlobalNormalizationGrad = {
    .name = "BatchNormWithGlobalNormalizationGrad",
    .sig = "t:T m:T v:T gamma:T backprop:T -> dx:T dm:T dv:T db:T dg:T; T:type{numbertype} "
           "variance_epsilon:float "
           "scale_after_normalization:bool",
    .infer = norm_infer,
    .prepare = norm_prepare,
    .run = back_run,
};
