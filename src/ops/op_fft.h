/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fft.h - the gradients of Fourier transforms (grad_fft.c).
 */
#ifndef TN_OP_FFT_H
#define TN_OP_FFT_H

#include "../graph/op.h"

int tn_fft_rank(const char *op); /* over how many dimensions: 1, 2 or 3 */
tn_code tn_fft_grad(tn_grad *g, tn_error *err);
tn_code tn_rfft_grad(tn_grad *g, tn_error *err);
tn_code tn_irfft_grad(tn_grad *g, tn_error *err);

#endif
