/* SPDX-License-Identifier: Apache-2.0
 *
 * test_transform.c - Fourier transforms, one line and several side by side, and rows of images resized, against their
 * definitions.
 */
#include "kernel_test.h"

static void by_definition(int64_t n, bool inverse, const double *x, double *out)
{
    for (int64_t k = 0; k < n; k++) {
        double re = 0, im = 0;
        for (int64_t i = 0; i < n; i++) {
            const double angle = (inverse ? 2 : -2) * M_PI * (double)(i * k % n) / (double)n, c = cos(angle), s = sin(angle);
            re += x[2 * i] * c - x[2 * i + 1] * s;
            im += x[2 * i] * s + x[2 * i + 1] * c;
        }
        out[2 * k] = re, out[2 * k + 1] = im;
    }
}

static void check_length(int64_t n, bool inverse, numbers *r)
{
    enum { MOST = 512, LANES = TN_FFT_LANES };
    static double x[LANES][2 * MOST], want[LANES][2 * MOST], line[2 * MOST];
    double *all = tn_aligned_alloc((size_t)n * 2 * LANES * sizeof(double));
    tn_fft *f = NULL;
    assert_int_equal(tn_fft_new(n, &f, NULL), TN_OK);
    void *scratch = tn_aligned_alloc(tn_fft_scratch(f) * LANES);
    assert_true(all && scratch);
    for (int l = 0; l < LANES; l++) {
        for (int64_t i = 0; i < 2 * n; i++) x[l][i] = (double)number_float(r, -1, 1);
        by_definition(n, inverse, x[l], want[l]);
        for (int64_t i = 0; i < 2 * n; i++) all[i * LANES + l] = line[i] = x[l][i];
        tn_fft_run(f, inverse, line, scratch);
        for (int64_t i = 0; i < 2 * n; i++) assert_true(fabs(line[i] - want[l][i]) < 1e-11 * (double)n);
    }
    tn_fft_run_lanes(f, inverse, all, scratch);
    for (int l = 0; l < LANES; l++)
        for (int64_t i = 0; i < 2 * n; i++) assert_true(fabs(all[i * LANES + l] - want[l][i]) < 1e-11 * (double)n);
    tn_fft_free(f);
    tn_free(scratch);
    tn_free(all);
}

/* Factors with loops of their own, small ones, the largest that is one, primes beyond. */
static void lengths(void **state)
{
    static const int64_t rows[] = {1, 2, 3, 4, 5, 6, 8, 12, 31, 32, 37, 77, 96, 100, 128, 211, 400};
    numbers r = {1};
    (void)state;
    FOR_LEVELS(level)
    {
        for (size_t i = 0; i < TN_COUNT(rows); i++)
            for (int inverse = 0; inverse < 2; inverse++) check_length(rows[i], inverse, &r);
    }
}

static void rows_of_images(void **state)
{
    enum { FROM = 7, TO = 11 };
    static const int64_t channels[] = {1, 2, 3, 4, 5, 19};
    numbers r = {2};
    tn_taps x[TO];
    (void)state;
    for (int i = 0; i < TO; i++)
        for (int k = 0; k < 4; k++) x[i].at[k] = number_int(&r, 0, FROM), x[i].w[k] = number_float(&r, -1, 1);
    for (size_t n = 0; n < TN_COUNT(channels); n++)
        for (int taps = 2; taps <= 4; taps += 2) {
            const int64_t c = channels[n];
            float row[FROM * 19], out[TO * 19], want[TO * 19];
            fill_floats(&r, row, FROM * c, -1, 1);
            for (int64_t i = 0; i < TO * c; i++) {
                const tn_taps *t = &x[i / c];
                const float first = row[t->at[0] * c + i % c];
                float sum = 0;
                for (int k = 0; k < taps; k++) sum += t->w[k] * row[t->at[k] * c + i % c];
                want[i] = taps == 4 ? sum : first + (row[t->at[1] * c + i % c] - first) * t->w[1];
            }
            tn_resize_across(taps, x, TO, c, row, out);
            assert_true(first_far(out, want, TO * c, 1e-6, 1e-6) < 0);
        }
}

static void rows_into_one(void **state)
{
    enum { N = 37 };
    float a[4][N], out[N], want[N];
    const float w[] = {0.5f, 0.25f, -2, 1};
    const float *const rows[] = {a[0], a[1], a[2], a[3]};
    numbers r = {3};
    (void)state;
    for (int k = 0; k < 4; k++) fill_floats(&r, a[k], N, -1, 1);
    for (int i = 0; i < N; i++) want[i] = a[0][i] + (a[1][i] - a[0][i]) * 0.25f;
    tn_resize_down(2, rows, w, N, out);
    assert_true(first_far(out, want, N, 1e-6, 1e-6) < 0);
    for (int i = 0; i < N; i++) want[i] = a[0][i] * 0.5f + a[1][i] * 0.25f - a[2][i] * 2 + a[3][i];
    tn_resize_down(4, rows, w, N, out);
    assert_true(first_far(out, want, N, 1e-6, 1e-6) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lengths), cmocka_unit_test(rows_of_images),
                                       cmocka_unit_test(rows_into_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
