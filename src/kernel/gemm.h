/* SPDX-License-Identifier: Apache-2.0
 *
 * gemm.h - what gemm.c and gemm_generic.c share.
 */
#ifndef TN_GEMM_H
#define TN_GEMM_H

#include "isa_gemm.h"

/* Integers and complex numbers: rows [from, to) of c (isa_product.c). */
typedef void (*tn_product_rows)(const tn_gemm_desc *d, int64_t from, int64_t to, const void *a, const void *b, void *c);
typedef struct tn_product_isa {
    tn_product_rows u32, u64, c64, c128;
} tn_product_isa;
TN_ISA_TABLES(tn_product_isa, tn_isa_product);
void tn_gemm_generic(const tn_gemm_plan *p, const void *a, const void *b, void *c, int threads);
/* half and bfloat16: by way of float, in scratch. */
tn_code tn_gemm_widened_prepare(tn_gemm_plan *p, tn_error *err);
void tn_gemm_widened_run(const tn_gemm_plan *p, const void *a, const void *b, const void *bias, void *c, void *scratch,
                         int threads);
/* By tiles of bfloat16 (gemm_amx.c), where the processor has them. false: b cannot be split, and nothing was
 * written; never when it is packed. */
bool tn_amx_run(const tn_gemm_plan *p, const float *a, const float *b, const float *bias, float *c, const void *packed,
                void *scratch, int threads);
void tn_amx_pack(const tn_gemm_plan *p, const float *b, void *packed);
size_t tn_amx_packed(const tn_gemm_plan *p);
size_t tn_amx_scratch(const tn_gemm_plan *p);
/* false: out of memory, and nothing was written. */
bool tn_onednn_sgemm(const tn_gemm_desc *d, const float *a, const float *b, float *c, int threads);
void tn_add_scalar(tn_dtype t, const void *x, int64_t n, void *c); /* c[i] += *x; float and double */
/* x[i] = act(x[i]) (activation.c) */
void tn_act_apply(int isa, tn_act act, float alpha, int64_t n, float *x);

#endif
