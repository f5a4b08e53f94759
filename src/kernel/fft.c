/* SPDX-License-Identifier: Apache-2.0
 *
 * fft.c - discrete Fourier transforms of any length, in double precision: mixed radix where the length's
 * factors are small, else by a convolution of the next power of two (Bluestein).
 *
 * A transform of mixed radix goes from array to array, factor by factor (Stockham's order), so that no
 * reversal of digits is needed. The inverse is the forward transform of swapped parts; nothing is divided.
 */
#include <math.h>

#include "kernel.h"

#define MOST_FACTORS 64
#define LARGEST_RADIX 31

typedef struct cplx {
    double re, im;
} cplx;

struct tn_fft {
    int64_t n;
    int n_factors, factor[MOST_FACTORS];
    cplx *roots;   /* exp(-2 pi i k / n) */
    tn_fft *inner; /* Bluestein: the power of two */
    cplx *chirp;   /* exp(-pi i k^2 / n) */
    cplx *filter;  /* the transform of what is convolved with */
};

static cplx mul(cplx a, cplx b)
{
    return (cplx){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* exp(-2 pi i k / n), exact at the quarters. */
static cplx root(int64_t k, int64_t n)
{
    double angle = 2 * M_PI * (double)k / (double)n;
    if (4 * k == n) return (cplx){0, -1};
    if (2 * k == n) return (cplx){-1, 0};
    if (4 * k == 3 * n) return (cplx){0, 1};
    return (cplx){cos(angle), -sin(angle)};
}

/* ==== mixed radix ==== */

static void find_factors(tn_fft *f)
{
    int64_t rest = f->n;
    static const int first[] = {4, 2, 3, 5, 7};
    for (size_t i = 0; i < TN_COUNT(first); i++)
        for (; rest % first[i] == 0; rest /= first[i]) f->factor[f->n_factors++] = first[i];
    for (int r = 11; r <= LARGEST_RADIX; r += 2)
        for (; rest % r == 0; rest /= r) f->factor[f->n_factors++] = r;
    if (rest > 1) f->n_factors = -1;
}

/* One sum of r values with roots step * k apart. */
static cplx sum_of(const tn_fft *f, const cplx *v, int r, int64_t k)
{
    cplx s = v[0];
    for (int q = 1; q < r; q++) {
        const cplx t = mul(v[q], f->roots[(int64_t)q * k % r * (f->n / r)]);
        s.re += t.re;
        s.im += t.im;
    }
    return s;
}

static void small(const tn_fft *f, cplx *v, int r)
{
    cplx t[LARGEST_RADIX];
    if (r == 2) {
        t[0] = (cplx){v[0].re + v[1].re, v[0].im + v[1].im};
        v[1] = (cplx){v[0].re - v[1].re, v[0].im - v[1].im};
        v[0] = t[0];
        return;
    }
    if (r == 4) {
        const cplx a = {v[0].re + v[2].re, v[0].im + v[2].im}, b = {v[0].re - v[2].re, v[0].im - v[2].im};
        const cplx c = {v[1].re + v[3].re, v[1].im + v[3].im}, d = {v[1].re - v[3].re, v[1].im - v[3].im};
        v[0] = (cplx){a.re + c.re, a.im + c.im};
        v[1] = (cplx){b.re + d.im, b.im - d.re};
        v[2] = (cplx){a.re - c.re, a.im - c.im};
        v[3] = (cplx){b.re - d.im, b.im + d.re};
        return;
    }
    for (int k = 0; k < r; k++) t[k] = sum_of(f, v, r, k);
    memcpy(v, t, (size_t)r * sizeof *v);
}

/* One factor: of `done` transforms, each of length n / done, r times as many, r times as short. */
static void pass(const tn_fft *f, int r, int64_t done, const cplx *in, cplx *out)
{
    const int64_t m = f->n / (done * r);
    for (int64_t j = 0; j < m; j++)
        for (int64_t k = 0; k < done; k++) {
            cplx v[LARGEST_RADIX];
            for (int q = 0; q < r; q++) v[q] = in[k + done * (j + m * q)];
            small(f, v, r);
            for (int q = 0; q < r; q++)
                out[k + done * (r * j + q)] = mul(v[q], f->roots[q * j * done % f->n]);
        }
}

static void mixed(const tn_fft *f, cplx *x, cplx *space)
{
    cplx *from = x, *to = space;
    int64_t done = 1;
    for (int i = 0; i < f->n_factors; i++) {
        pass(f, f->factor[i], done, from, to);
        done *= f->factor[i];
        cplx *t = from;
        from = to;
        to = t;
    }
    if (from != x) memcpy(x, from, (size_t)f->n * sizeof *x);
}

/* ==== Bluestein ==== */

static void by_convolution(const tn_fft *f, cplx *x, cplx *space)
{
    const int64_t n = f->n, m = f->inner->n;
    cplx *a = space, *rest = space + m;
    for (int64_t k = 0; k < n; k++) a[k] = mul(x[k], f->chirp[k]);
    memset(a + n, 0, (size_t)(m - n) * sizeof *a);
    mixed(f->inner, a, rest);
    for (int64_t k = 0; k < m; k++) { /* swapped, for the inverse */
        const cplx t = mul(a[k], f->filter[k]);
        a[k] = (cplx){t.im, t.re};
    }
    mixed(f->inner, a, rest);
    for (int64_t k = 0; k < n; k++) x[k] = mul((cplx){a[k].im / (double)m, a[k].re / (double)m}, f->chirp[k]);
}

static tn_code make_chirp(tn_fft *f, tn_error *err)
{
    int64_t m = 1;
    while (m < 2 * f->n - 1) m *= 2;
    TN_TRY(tn_fft_new(m, &f->inner, err));
    f->chirp = tn_malloc((size_t)f->n * sizeof(cplx));
    f->filter = tn_calloc((size_t)m, sizeof(cplx));
    cplx *space = tn_malloc((size_t)m * sizeof(cplx));
    bool ok = f->chirp && f->filter && space;
    for (int64_t k = 0; ok && k < f->n; k++) {
        f->chirp[k] = root((int64_t)((uint64_t)k * (uint64_t)k % (uint64_t)(2 * f->n)), 2 * f->n);
        f->filter[k] = f->filter[k ? m - k : 0] = (cplx){f->chirp[k].re, -f->chirp[k].im};
    }
    if (ok) mixed(f->inner, f->filter, space);
    tn_free(space);
    return ok ? TN_OK : tn_no_memory(err, (size_t)m * sizeof(cplx));
}

/* ==== the interface ==== */

tn_code tn_fft_new(int64_t n, tn_fft **out, tn_error *err)
{
    if (n < 1 || n > (int64_t)1 << 30)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a Fourier transform of length %lld", (long long)n);
    tn_fft *f = tn_calloc(1, sizeof *f);
    if (!f) return tn_no_memory(err, sizeof *f);
    f->n = n;
    find_factors(f);
    tn_code code = TN_OK;
    if (f->n_factors < 0) {
        code = make_chirp(f, err);
    } else {
        f->roots = tn_malloc((size_t)n * sizeof(cplx));
        if (!f->roots) code = tn_no_memory(err, (size_t)n * sizeof(cplx));
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
    return (size_t)(f->inner ? 2 * f->inner->n : f->n) * sizeof(cplx);
}

static void swap_parts(cplx *x, int64_t n)
{
    for (int64_t k = 0; k < n; k++) x[k] = (cplx){x[k].im, x[k].re};
}

void tn_fft_run(const tn_fft *f, bool inverse, double *x, void *scratch)
{
    cplx *v = (cplx *)x;
    if (inverse) swap_parts(v, f->n);
    if (f->inner)
        by_convolution(f, v, scratch);
    else
        mixed(f, v, scratch);
    if (inverse) swap_parts(v, f->n);
}
