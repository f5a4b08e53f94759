/* SPDX-License-Identifier: Apache-2.0
 *
 * row_norm.c - layer normalisation of rows, forward and backward. Rows are shared out; the gradients of scale
 * and offset are summed by each thread for itself and then in order, so that a number of threads gives one result.
 */
#include "norm.h"

#include <omp.h>

#include "kernel.h"

static const tn_norm_isa *isa_now(void)
{
    return TN_ISA_PICK(tn_isa_norm, tn_isa_level_now());
}

static int team_of(const tn_layer_norm_desc *d)
{
    return tn_team(d->threads, (double)d->rows * (double)d->channels * 2);
}

void tn_layer_norm_forward(const tn_layer_norm_desc *d, const float *x, const float *gamma, const float *beta, float *y)
{
    const tn_norm_isa *isa = isa_now();
    const int64_t c = d->channels;
#pragma omp parallel num_threads(team_of(d)) if (team_of(d) > 1)
    {
        int64_t from, to;
        tn_share(d->rows, 1, omp_get_thread_num(), omp_get_num_threads(), &from, &to);
        isa->row_norm(to - from, c, x + from * c, gamma, beta, d->epsilon, y + from * c);
    }
}

size_t tn_layer_norm_scratch(const tn_layer_norm_desc *d)
{
    return 2 * (size_t)TN_MAX(d->threads, 1) * tn_round64((size_t)d->channels * sizeof(float));
}

void tn_layer_norm_backward(const tn_layer_norm_desc *d, const float *x, const float *gamma, const float *dy, float *dx,
                            float *dgamma, float *dbeta, void *scratch)
{
    const tn_norm_isa *isa = isa_now();
    const int64_t c = d->channels;
    const size_t stride = tn_round64((size_t)c * sizeof(float)) / sizeof(float);
    float *sums = scratch;
    int parts = 1;
    memset(scratch, 0, tn_layer_norm_scratch(d));
#pragma omp parallel num_threads(team_of(d)) if (team_of(d) > 1)
    {
        int64_t from, to;
        const int me = omp_get_thread_num();
        float *mine = sums + 2 * (size_t)me * stride;
        tn_share(d->rows, 1, me, omp_get_num_threads(), &from, &to);
        if (me == 0) parts = omp_get_num_threads();
        isa->row_norm_grad(to - from, c, x + from * c, gamma, dy + from * c, d->epsilon, dx + from * c, mine,
                           mine + stride);
    }
    memset(dgamma, 0, (size_t)c * sizeof *dgamma);
    memset(dbeta, 0, (size_t)c * sizeof *dbeta);
    for (int p = 0; p < parts; p++) {
        const float *part = sums + 2 * (size_t)p * stride;
        for (int64_t k = 0; k < c; k++) dgamma[k] += part[k], dbeta[k] += part[stride + (size_t)k];
    }
}
