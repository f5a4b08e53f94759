/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm_generic.c - matrix products of the other types: integers (wrapping around) and complex numbers by
 * isa_product.c, half and bfloat16 by widening to float.
 */
#include "gemm.h"

bool tn_gemm_takes(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT:
    case TN_DOUBLE:
    case TN_HALF:
    case TN_BFLOAT16:
    case TN_INT32:
    case TN_INT64:
    case TN_COMPLEX64:
    case TN_COMPLEX128: return true;
    default: return false;
    }
}

void tn_gemm_generic(const tn_gemm_plan *p, const void *a, const void *b, void *c, int threads)
{
    const tn_product_isa *isa = TN_ISA_PICK(tn_isa_product, tn_isa_level_now());
    const tn_product_rows rows = p->d.dtype == TN_INT32       ? isa->u32
                                 : p->d.dtype == TN_INT64     ? isa->u64
                                 : p->d.dtype == TN_COMPLEX64 ? isa->c64
                                                              : isa->c128;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int part = 0; part < threads; part++) {
        int64_t from, to;
        tn_share(p->d.m, 1, part, threads, &from, &to);
        rows(&p->d, from, to, a, b, c);
    }
}

void tn_add_scalar(tn_dtype t, const void *x, int64_t n, void *c)
{
    if (t == TN_DOUBLE)
        for (int64_t i = 0; i < n; i++) ((double *)c)[i] += *(const double *)x;
    else
        for (int64_t i = 0; i < n; i++) ((float *)c)[i] += *(const float *)x;
}

/* ---- half, bfloat16 ---- scratch: a, b, bias, c as tight floats, then the float product's own */

typedef struct widened {
    tn_gemm_plan plan;
    size_t a, b, bias, c, total;
} widened;

static tn_code widened_of(const tn_gemm_plan *p, widened *w, tn_error *err)
{
    tn_gemm_desc d = p->d;
    d.dtype = TN_FLOAT;
    d.lda = d.ldb = d.ldc = 0;
    d.batch_rank = 0;
    d.packs = false; /* nobody packs what is widened anew in each run */
    d.threads = p->batches > 1 ? 1 : d.threads;
    TN_TRY(tn_gemm_prepare(&d, &w->plan, err));
    w->a = 0;
    w->b = w->a + tn_round64((size_t)(d.m * d.k) * 4);
    w->bias = w->b + tn_round64((size_t)(d.n * d.k) * 4);
    w->c = w->bias + tn_round64((size_t)d.n * 4);
    w->total = w->c + tn_round64((size_t)(d.m * d.n) * 4);
    return TN_OK;
}

tn_code tn_gemm_widened_prepare(tn_gemm_plan *p, tn_error *err)
{
    widened w;
    TN_TRY(widened_of(p, &w, err));
    p->scratch = w.total + w.plan.scratch;
    return TN_OK;
}

static void widen_rows(tn_dtype t, int64_t rows, int64_t cols, int64_t ld, const void *in, void *out)
{
    for (int64_t i = 0; i < rows; i++)
        tn_cast(t, TN_FLOAT, cols, (const uint16_t *)in + i * ld, (float *)out + i * cols, false, 1, NULL);
}

void tn_gemm_widened_run(const tn_gemm_plan *p, const void *a, const void *b, const void *bias, void *c,
                         void *scratch, int threads)
{
    const tn_gemm_desc *d = &p->d;
    const tn_dtype t = d->dtype;
    char *s = scratch;
    widened w;
    if (widened_of(p, &w, NULL) != TN_OK) return; /* prepared once already: cannot fail */
    w.plan.threads = threads;
    widen_rows(t, d->ta ? d->k : d->m, d->ta ? d->m : d->k, d->lda, a, s + w.a);
    widen_rows(t, d->tb ? d->n : d->k, d->tb ? d->k : d->n, d->ldb, b, s + w.b);
    if (bias) widen_rows(t, 1, d->n, d->n, bias, s + w.bias);
    if (d->accumulate) widen_rows(t, d->m, d->n, d->ldc, c, s + w.c);
    tn_gemm_run(&w.plan, s + w.a, s + w.b, bias ? s + w.bias : NULL, s + w.c, s + w.total);
    for (int64_t i = 0; i < d->m; i++)
        tn_cast(TN_FLOAT, t, d->n, (float *)(void *)(s + w.c) + i * d->n, (uint16_t *)c + i * d->ldc, false,
                1, NULL);
}
