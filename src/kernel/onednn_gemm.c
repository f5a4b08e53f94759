/* SPDX-License-Identifier: Apache-2.0
 *
 * onednn_gemm.c - large float products by oneDNN's sgemm, which beats our own from about a million
 * multiplications on. Its team is the calling thread's OpenMP team: set for the call, then put back.
 */
#include <dnnl.h>
#include <omp.h>

#include "gemm.h"

bool tn_onednn_sgemm(const tn_gemm_desc *d, const float *a, const float *b, float *c, int threads)
{
    const int before = omp_get_max_threads();
    if (before != threads) omp_set_num_threads(threads);
    const dnnl_status_t s = dnnl_sgemm(d->ta ? 'T' : 'N', d->tb ? 'T' : 'N', d->m, d->n, d->k, 1.0f, a,
                                       d->lda, b, d->ldb, d->accumulate ? 1.0f : 0.0f, c, d->ldc);
    if (before != threads) omp_set_num_threads(before);
    return s == dnnl_success;
}
