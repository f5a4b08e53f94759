/* SPDX-License-Identifier: Apache-2.0
 *
 * fft.c - discrete Fourier transforms of any length, in double precision: mixed radix where the length's
 * factors are small, else by a convolution of the next power of two (Bluestein). What is prepared once; the loops are
 * those of isa_fft.c.
 */
#include "fft.h"

#include <math.h>

/* exp(-2 pi i k / n), exact at the quarters. */
static tn_cplx root(int64_t k, int64_t n)
{
    double angle = 2 * M_PI * (double)k / (double)n;
    if (4 * k == n) return (tn_cplx){0, -1};
    if (2 * k == n) return (tn_cplx){-1, 0};
    if (4 * k == 3 * n) return (tn_cplx){0, 1};
    return (tn_cplx){cos(angle), -sin(angle)};
}

static void find_factors(tn_fft *f)
{
    int64_t rest = f->n;
    static const int first[] = {4, 2, 3, 5, 7};
    for (size_t i = 0; i < TN_COUNT(first); i++)
        for (; rest % first[i] == 0; rest /= first[i]) f->factor[f->n_factors++] = first[i];
    for (int r = 11; r <= TN_FFT_LARGEST_RADIX; r += 2)
        for (; rest % r == 0; rest /= r) f->factor[f->n_factors++] = r;
    if (rest > 1) f->n_factors = -1;
}

static tn_code make_chirp(tn_fft *f, tn_error *err)
{
    int64_t m = 1;
    while (m < 2 * f->n - 1) m *= 2;
    TN_TRY(tn_fft_new(m, &f->inner, err));
    f->chirp = tn_malloc((size_t)f->n * sizeof(tn_cplx));
    f->filter = tn_calloc((size_t)m, sizeof(tn_cplx));
    tn_cplx *space = tn_malloc((size_t)m * sizeof(tn_cplx));
    bool ok = f->chirp && f->filter && space;
    for (int64_t k = 0; ok && k < f->n; k++) {
        f->chirp[k] = root((int64_t)((uint64_t)k * (uint64_t)k % (uint64_t)(2 * f->n)), 2 * f->n);
        f->filter[k] = f->filter[k ? m - k : 0] = (tn_cplx){f->chirp[k].re, -f->chirp[k].im};
    }
    if (ok) tn_fft_run(f->inner, false, (double *)f->filter, space);
    tn_free(space);
    return ok ? TN_OK : tn_no_memory(err, (size_t)m * sizeof(tn_cplx));
}

/* ==== the interface ==== */

tn_code tn_fft_new(int64_t n, tn_fft **out, tn_error *err)
{
    if (n < 1 || n > (int64_t)1 << 30)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a Fourier transform of length %lld", (long long)n);
    tn_fft *f = tn_calloc(1, sizeof *f);
    if (!f) return tn_no_memory(err, sizeof *f);
    f->n = n;
    f->isa = tn_isa_level_now();
    find_factors(f);
    tn_code code = TN_OK;
    if (f->n_factors < 0) {
        code = make_chirp(f, err);
    } else {
        f->roots = tn_malloc((size_t)n * sizeof(tn_cplx));
        if (!f->roots) code = tn_no_memory(err, (size_t)n * sizeof(tn_cplx));
        for (int64_t k = 0; code == TN_OK && k < n; k++) f->roots[k] = root(k, n);
    }
    if (code != TN_OK) {
        tn_fft_free(f);
        return code;
    }
    *out = f;
    return TN_OK;
}

void tn_fft_free(tn_fft *f)
{
    if (!f) return;
    tn_fft_free(f->inner);
    tn_free(f->roots);
    tn_free(f->chirp);
    tn_free(f->filter);
    tn_free(f);
}

size_t tn_fft_scratch(const tn_fft *f)
{
    return (size_t)(f->inner ? 2 * f->inner->n : f->n) * sizeof(tn_cplx);
}

void tn_fft_run(const tn_fft *f, bool inverse, double *x, void *scratch)
{
    TN_ISA_PICK(tn_isa_fft, f->isa)->line(f, inverse, x, scratch);
}

void tn_fft_run_lanes(const tn_fft *f, bool inverse, double *x, void *scratch)
{
    TN_ISA_PICK(tn_isa_fft, f->isa)->lanes(f, inverse, x, scratch);
}
