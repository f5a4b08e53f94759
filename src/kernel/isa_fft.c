/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_fft.c - Fourier transforms for one level of instructions.
 */
#include "fft.h"

#define ALWAYS static inline __attribute__((always_inline))

#define V double
#define NAME(x) line_##x
#include "fft_body.h"
#undef V
#undef NAME

/* As many vectors as the level needs for them. */
typedef double lanes __attribute__((vector_size(TN_FFT_LANES * sizeof(double)), aligned(16), may_alias));
#define V lanes
#define NAME(x) lanes_##x
#include "fft_body.h"

const tn_fft_isa TN_ISA_SYM(tn_isa_fft) = {line_transform, lanes_transform};
