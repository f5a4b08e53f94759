/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_conv.h - the inner part of our own convolution, one table per level of instructions. How a convolution is cut
 * into tiles is conv_tile.c's business.
 */
#ifndef TN_ISA_CONV_H
#define TN_ISA_CONV_H

#include "isa.h"

enum { TN_CONV_VECS = 2 }; /* vectors of channels in a panel, at most */

/* A few neighbouring results of one row, for one panel of channels. The windows overlap where they lie in the image:
 * each is the same n_segs pieces of length numbers. */
typedef struct tn_conv_piece {
    const float *const *segs; /* of the row's first result */
    int64_t n_segs, length;
    int64_t at, step; /* the piece's first result is `at` floats further, the next ones step floats each */
    const float *panel; /* the filter: for each number of a window a vector (or two), padded with zeros */
    const float *bias;  /* NULL, or one a channel */
    float *out;
    int64_t out_step; /* from result to result */
    int cols;         /* channels that count */
    bool relu;
    float most; /* with relu: INFINITY, or 6 */
} tn_conv_piece;

typedef struct tn_conv_isa {
    int vl;   /* floats in a vector */
    int rows; /* results in a piece, at most */
    void (*piece)(const tn_conv_piece *p, int rows);
} tn_conv_isa;
TN_ISA_TABLES(tn_conv_isa, tn_isa_conv);

#endif
