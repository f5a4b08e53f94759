/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_gemm.h - the inner parts of the matrix product, one table per level of instructions. How a product
 * is cut into them is gemm.c's business.
 */
#ifndef TN_ISA_GEMM_H
#define TN_ISA_GEMM_H

#include "isa.h"

/* A strip: all rows of c for one panel of columns (at most nr vectors wide), or one row for two. */
typedef struct tn_gemm_strip {
    int64_t m, k;
    int cols, vecs; /* columns that count; vectors in a panel */
    const void *a;  /* element (i, p) at a[i * a_row + p * a_col] */
    int64_t a_row, a_col;
    const void *b; /* row p at b + p * b_row */
    int64_t b_row;
    int64_t b_panel;  /* 0; or m is 1 and there are two panels of vecs, so many elements apart */
    const void *ahead; /* NULL; or k rows of b's form that will be wanted next */
    bool b_padded;    /* b may be read to the end of its last vector */
    const void *bias; /* or NULL */
    int64_t bias_row; /* 0: the same for each row */
    void *c;
    int64_t c_row;
    bool add; /* c += */
    bool relu;
} tn_gemm_strip;

/* The functions for one type of element. */
typedef struct tn_gemm_type {
    int vl;    /* elements in a vector */
    int mr;    /* rows in a tile */
    int vecs;  /* vectors in a panel, at most */
    bool mask; /* partial vectors cost nothing: b need not be padded */
    void (*strip)(const tn_gemm_strip *s);
    /* One panel: k rows of cols elements, padded with zeros to width. */
    void (*pack)(int64_t k, int cols, int width, const void *b, int64_t b_row, void *out);
    void (*pack_t)(int64_t k, int cols, int width, const void *b, int64_t b_row,
                   void *out); /* b is [cols, k] */
    /* c[i * c_row + j * c_col] = a_i . b_j (+ bias[j * bias_step]), rows of k contiguous elements. */
    void (*dots)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_row, const void *b, int64_t b_row,
                 const void *bias, int64_t bias_step, void *c, int64_t c_row, int64_t c_col, bool add);
} tn_gemm_type;

typedef struct tn_gemm_isa {
    tn_gemm_type f32, f64;
} tn_gemm_isa;
TN_ISA_TABLES(tn_gemm_isa, tn_isa_gemm);

#endif
