/* SPDX-License-Identifier: Apache-2.0
 *
 * fft.h - a prepared Fourier transform, and the loops that run it for each level of instructions: of one line, and of
 * TN_FFT_LANES lines side by side, each in a lane of vectors.
 */
#ifndef TN_FFT_H
#define TN_FFT_H

#include "isa.h"

#define TN_FFT_MOST_FACTORS 64
#define TN_FFT_LARGEST_RADIX 31

typedef struct tn_cplx {
    double re, im;
} tn_cplx;

struct tn_fft {
    int64_t n;
    int isa, n_factors, factor[TN_FFT_MOST_FACTORS];
    tn_cplx *roots;  /* exp(-2 pi i k / n) */
    tn_fft *inner;   /* Bluestein: the power of two */
    tn_cplx *chirp;  /* exp(-pi i k^2 / n) */
    tn_cplx *filter; /* the transform of what is convolved with */
};

typedef struct tn_fft_isa {
    void (*line)(const tn_fft *f, bool inverse, double *x, void *scratch);
    void (*lanes)(const tn_fft *f, bool inverse, double *x, void *scratch);
} tn_fft_isa;
TN_ISA_TABLES(tn_fft_isa, tn_isa_fft);

#endif
