/* SPDX-License-Identifier: Apache-2.0
 *
 * fused.c - the fused operators' preparation and running: thin, the work is kernel/'s.
 */
#include "fused.h"

#include "../ops/op_conv.h"

/* ==== matrix product, bias, activation ==== */

static tn_code matmul_prepare(tn_prepare *p, tn_error *err)
{
    const tn_fused_act *fused = p->params;
    const tn_shape *a = &p->in[0]->shape, *out = &p->out[0]->shape;
    TN_PARAMS(p, tn_product, q);
    bool ta = tn_attr_b(p->attrs, "transpose_a");
    tn_gemm_desc d = {.dtype = TN_FLOAT, .m = out->dim[0], .n = out->dim[1], .k = a->dim[ta ? 0 : 1], .ta = ta,
                      .tb = tn_attr_b(p->attrs, "transpose_b"), .bias = true, .act = fused->act, .alpha = fused->alpha,
                      .bias_row = p->in[2]->shape.rank == 2 ? out->dim[1] : 0, .threads = p->threads};
    return tn_product_prepare(p, &d, 1, q, err);
}

static tn_code matmul_run(tn_run *r, tn_error *err)
{
    (void)err;
    tn_product_run(r->params, r->in[0]->data, r->in[1]->data, r->in[2]->data, r->out[0]->data, r->scratch);
    return TN_OK;
}

const tn_op tn_fused_matmul = {
    .name = "_FusedMatMul", .infer = tn_infer_kept, .prepare = matmul_prepare, .run = matmul_run};

/* ==== convolution, bias, activation, pool ==== */

static tn_code conv2d_prepare(tn_prepare *p, tn_error *err)
{
    const tn_fused_act *fused = p->params;
    p->op = fused->base;
    return tn_conv_prepare_fused(p, true, fused->act, fused->alpha, fused->pool, err);
}

static tn_code prepared_elsewhere(tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_INTERNAL, "'%s' was not prepared", r->name);
}

const tn_op tn_fused_conv2d = {
    .name = "_FusedConv2D", .infer = tn_infer_kept, .prepare = conv2d_prepare, .run = prepared_elsewhere};

/* ==== element-wise programs ==== */

static tn_code pointwise_run(tn_run *r, tn_error *err)
{
    const void *in[TN_PW_MAX_INPUTS];
    void *out[TN_PW_MAX_OUTPUTS];
    (void)err;
    for (int i = 0; i < r->n_in; i++) in[i] = r->in[i]->data;
    for (int i = 0; i < r->n_out; i++) out[i] = r->out[i]->data;
    tn_pw_program_run(r->params, in, out);
    return TN_OK;
}

const tn_op tn_fused_pointwise = {
    .name = "_Pointwise", .infer = tn_infer_kept, .run = pointwise_run, .flags = TN_INPLACE};
