/* SPDX-License-Identifier: Apache-2.0
 *
 * activation.c - activations applied to what a product or a convolution has just written.
 */
#include <omp.h>

#include "gemm.h"
#include "isa_pw.h"

static tn_pw_op op_of(tn_act act)
{
    switch (act) {
    case TN_ACT_RELU: return TN_PW_RELU;
    case TN_ACT_RELU6: return TN_PW_RELU6;
    case TN_ACT_TANH: return TN_PW_TANH;
    case TN_ACT_SIGMOID: return TN_PW_SIGMOID;
    case TN_ACT_ELU: return TN_PW_ELU;
    case TN_ACT_LEAKY_RELU: return TN_PW_LEAKY_RELU;
    case TN_ACT_SELU: return TN_PW_SELU;
    case TN_ACT_SOFTPLUS: return TN_PW_SOFTPLUS;
    default: return TN_PW_IDENTITY;
    }
}

void tn_act_apply(int isa, tn_act act, float alpha, int64_t n, float *x)
{
    if (act != TN_ACT_NONE) TN_ISA_PICK(tn_isa_pw, isa)->f[op_of(act)](n, x, NULL, NULL, alpha, x);
}

static void rows_of(int isa, float *x, const float *bias, int64_t from, int64_t to, int64_t cols, tn_act act,
                    float alpha)
{
    tn_pw_fn add = TN_ISA_PICK(tn_isa_pw, isa)->f[TN_PW_ADD];
    for (int64_t i = from; i < to; i++) {
        float *row = x + i * cols;
        if (bias) add(cols, row, bias, NULL, 0, row);
        tn_act_apply(isa, act, alpha, cols, row);
    }
}

void tn_bias_act(float *x, const float *bias, int64_t rows, int64_t cols, tn_act act, float alpha,
                 int threads)
{
    const int isa = tn_isa_level_now();
    threads = tn_team(threads, (double)rows * (double)cols);
    if (threads == 1) {
        rows_of(isa, x, bias, 0, rows, cols, act, alpha);
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t from, to;
        tn_share(rows, 1, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        rows_of(isa, x, bias, from, to, cols, act, alpha);
    }
}
