/* SPDX-License-Identifier: Apache-2.0
 *
 * fft_body.h - the loops of a transform over values V: doubles, or vectors of them with a line in each lane. Included
 * by isa_fft.c for both, with V and NAME(x) defined.
 *
 * A transform of mixed radix goes from array to array, factor by factor (Stockham's order), so that no
 * reversal of digits is needed. The inverse is the forward transform of swapped parts; nothing is divided.
 */

typedef struct NAME(value) {
    V re, im;
} NAME(value);
#define VALUE NAME(value)

/* *to = *v * w */
ALWAYS void NAME(turn)(const VALUE *v, tn_cplx w, VALUE *to)
{
    const V re = v->re * w.re - v->im * w.im, im = v->re * w.im + v->im * w.re;
    to->re = re;
    to->im = im;
}

static void NAME(by_two)(const tn_fft *f, int64_t done, const VALUE *in, VALUE *out)
{
    const int64_t m = f->n / (done * 2);
    for (int64_t j = 0; j < m; j++) {
        const tn_cplx w = f->roots[j * done];
        for (int64_t k = 0; k < done; k++) {
            const VALUE *a = in + k + done * j, *b = a + done * m;
            VALUE *to = out + k + done * 2 * j;
            const VALUE d = {a->re - b->re, a->im - b->im};
            to->re = a->re + b->re;
            to->im = a->im + b->im;
            NAME(turn)(&d, w, to + done);
        }
    }
}

static void NAME(by_four)(const tn_fft *f, int64_t done, const VALUE *in, VALUE *out)
{
    const int64_t m = f->n / (done * 4), step = done * m;
    for (int64_t j = 0; j < m; j++) {
        const tn_cplx w1 = f->roots[j * done], w2 = f->roots[2 * j * done], w3 = f->roots[3 * j * done];
        for (int64_t k = 0; k < done; k++) {
            const VALUE *v = in + k + done * j, *v1 = v + step, *v2 = v1 + step, *v3 = v2 + step;
            VALUE *to = out + k + done * 4 * j;
            const VALUE a = {v->re + v2->re, v->im + v2->im}, b = {v->re - v2->re, v->im - v2->im};
            const VALUE c = {v1->re + v3->re, v1->im + v3->im}, d = {v1->re - v3->re, v1->im - v3->im};
            const VALUE p = {b.re + d.im, b.im - d.re}, q = {a.re - c.re, a.im - c.im}, r = {b.re - d.im, b.im + d.re};
            to->re = a.re + c.re;
            to->im = a.im + c.im;
            NAME(turn)(&p, w1, to + done);
            NAME(turn)(&q, w2, to + 2 * done);
            NAME(turn)(&r, w3, to + 3 * done);
        }
    }
}

/* Sum k of r values with roots step * k apart. */
ALWAYS void NAME(sum)(const tn_fft *f, const VALUE *v, int r, int k, VALUE *s)
{
    const int64_t step = f->n / r;
    *s = v[0];
    for (int q = 1, at = k; q < r; q++, at = at + k < r ? at + k : at + k - r) {
        const tn_cplx w = f->roots[at * step];
        s->re += v[q].re * w.re - v[q].im * w.im;
        s->im += v[q].re * w.im + v[q].im * w.re;
    }
}

static void NAME(by_any)(const tn_fft *f, int r, int64_t done, const VALUE *in, VALUE *out)
{
    const int64_t m = f->n / (done * r);
    for (int64_t j = 0; j < m; j++)
        for (int64_t k = 0; k < done; k++) {
            VALUE v[TN_FFT_LARGEST_RADIX], s;
            for (int q = 0; q < r; q++) v[q] = in[k + done * (j + m * q)];
            for (int q = 0; q < r; q++) {
                NAME(sum)(f, v, r, q, &s);
                NAME(turn)(&s, f->roots[q * j * done], &out[k + done * (r * j + q)]);
            }
        }
}

/* Factor by factor: of `done` transforms, each of length n / done, r times as many, r times as short. */
static void NAME(mixed)(const tn_fft *f, VALUE *x, VALUE *space)
{
    VALUE *from = x, *to = space;
    int64_t done = 1;
    for (int i = 0; i < f->n_factors; i++) {
        const int r = f->factor[i];
        if (r == 4)
            NAME(by_four)(f, done, from, to);
        else if (r == 2)
            NAME(by_two)(f, done, from, to);
        else
            NAME(by_any)(f, r, done, from, to);
        done *= r;
        VALUE *t = from;
        from = to;
        to = t;
    }
    if (from != x) memcpy(x, from, (size_t)f->n * sizeof *x);
}

/* Bluestein's: the chirp before and after a convolution. */
static void NAME(by_convolution)(const tn_fft *f, VALUE *x, VALUE *space)
{
    const int64_t n = f->n, m = f->inner->n;
    const double by = 1 / (double)m;
    VALUE *a = space, *rest = space + m, t;
    for (int64_t k = 0; k < n; k++) NAME(turn)(&x[k], f->chirp[k], &a[k]);
    memset(a + n, 0, (size_t)(m - n) * sizeof *a);
    NAME(mixed)(f->inner, a, rest);
    for (int64_t k = 0; k < m; k++) { /* swapped, for the inverse */
        NAME(turn)(&a[k], f->filter[k], &t);
        a[k].re = t.im;
        a[k].im = t.re;
    }
    NAME(mixed)(f->inner, a, rest);
    for (int64_t k = 0; k < n; k++) {
        t.re = a[k].im * by;
        t.im = a[k].re * by;
        NAME(turn)(&t, f->chirp[k], &x[k]);
    }
}

static void NAME(swap_parts)(VALUE *x, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        const V re = x[k].re;
        x[k].re = x[k].im;
        x[k].im = re;
    }
}

static void NAME(transform)(const tn_fft *f, bool inverse, double *at, void *scratch)
{
    VALUE *x = (VALUE *)(void *)at, *space = scratch;
    if (inverse) NAME(swap_parts)(x, f->n);
    if (f->inner)
        NAME(by_convolution)(f, x, space);
    else
        NAME(mixed)(f, x, space);
    if (inverse) NAME(swap_parts)(x, f->n);
}

#undef VALUE
