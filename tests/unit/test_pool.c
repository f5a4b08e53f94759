/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pool.c - pooling and batch normalisation against their definitions.
 */
#include "kernel_test.h"

static tn_pool_desc desc(tn_pool_kind kind, int64_t channels, int64_t size, int64_t window, int64_t stride,
                         bool same)
{
    tn_pool_desc d = {.kind = kind, .dtype = TN_FLOAT, .batch = 2, .channels = channels, .threads = 1};
    int64_t hi;
    for (int i = 0; i < 2; i++) {
        d.in[i] = size + i, d.window[i] = window, d.stride[i] = stride;
        tn_window_size(d.in[i], window, stride, 1, same, &d.out[i], &d.pad_lo[i], &hi);
    }
    return d;
}

/* One window by definition: the result, and where a maximum is. */
static float window(const tn_pool_desc *d, const float *in, int64_t b, int64_t oy, int64_t ox, int64_t c,
                    int64_t *at, int *count)
{
    double sum = 0;
    float best = -INFINITY;
    *count = 0;
    for (int64_t ky = 0; ky < d->window[0]; ky++)
        for (int64_t kx = 0; kx < d->window[1]; kx++) {
            int64_t y = oy * d->stride[0] - d->pad_lo[0] + ky, x = ox * d->stride[1] - d->pad_lo[1] + kx;
            if (y < 0 || x < 0 || y >= d->in[0] || x >= d->in[1]) continue;
            int64_t i = ((b * d->in[0] + y) * d->in[1] + x) * d->channels + c;
            if (in[i] > best) best = in[i], *at = i;
            sum += (double)in[i];
            (*count)++;
        }
    return d->kind == TN_POOL_MAX ? best : (float)(sum / *count);
}

static void try_pool(tn_pool_desc d)
{
    const int64_t n_in = d.batch * d.in[0] * d.in[1] * d.channels,
                  n_out = d.batch * d.out[0] * d.out[1] * d.channels, image = n_in / d.batch;
    float *in = new_floats(n_in), *out = new_floats(n_out), *grad = new_floats(n_out),
          *back = new_floats(n_in), *want = new_floats(n_in);
    int64_t *args = tn_malloc((size_t)n_out * sizeof(int64_t));
    numbers r = {(uint64_t)n_in};
    for (int64_t i = 0; i < n_in; i++) in[i] = (float)number_int(&r, -4, 4), want[i] = 0; /* ties */
    fill_floats(&r, grad, n_out, -1, 1);
    assert_int_equal(tn_pool_check(&d, NULL), TN_OK);
    tn_pool_forward(&d, in, out);
    tn_pool_backward(&d, in, grad, back);
    if (d.kind == TN_POOL_MAX) tn_max_pool_argmax(&d, in, NULL, args, false);
    for (int64_t i = 0; i < n_out; i++) {
        const int64_t c = i % d.channels, x = i / d.channels % d.out[1],
                      y = i / d.channels / d.out[1] % d.out[0], b = i / d.channels / d.out[1] / d.out[0];
        int64_t at = 0;
        int count;
        const float v = window(&d, in, b, y, x, c, &at, &count);
        assert_true(fabsf(v - out[i]) < 1e-6f);
        if (d.kind == TN_POOL_MAX) {
            assert_true(args[i] + b * image == at);
            want[at] += grad[i];
            continue;
        }
        for (int64_t ky = 0; ky < d.window[0]; ky++)
            for (int64_t kx = 0; kx < d.window[1]; kx++) {
                int64_t iy = y * d.stride[0] - d.pad_lo[0] + ky, ix = x * d.stride[1] - d.pad_lo[1] + kx;
                if (iy >= 0 && ix >= 0 && iy < d.in[0] && ix < d.in[1])
                    want[((b * d.in[0] + iy) * d.in[1] + ix) * d.channels + c] += grad[i] / (float)count;
            }
    }
    assert_int_equal(first_far(back, want, n_in, 1e-5, 1e-6), -1);
    if (d.kind == TN_POOL_MAX) {
        tn_max_pool_argmax(&d, in, out, args, true);
        memset(back, 0, (size_t)n_in * sizeof *back);
        for (int64_t i = 0; i < n_out; i++) back[args[i]] += grad[i];
        assert_int_equal(first_far(back, want, n_in, 1e-5, 1e-6), -1);
    }
    tn_free(in), tn_free(out), tn_free(grad), tn_free(back), tn_free(want), tn_free(args);
}

static void windows(void **state)
{
    (void)state;
    FOR_LEVELS(level)
    for (int kind = TN_POOL_MAX; kind <= TN_POOL_AVG; kind++) for (int same = 0; same < 2; same++)
    {
        try_pool(desc(kind, 3, 8, 2, 2, same));
        try_pool(desc(kind, 37, 11, 2, 2, same));
        try_pool(desc(kind, 32, 8, 2, 2, same));
        try_pool(desc(kind, 70, 7, 3, 2, same));
        try_pool(desc(kind, 16, 6, 3, 1, same));
        try_pool(desc(kind, 1, 9, 2, 3, same));
    }
    tn_pool_desc d = desc(TN_POOL_MAX, 64, 40, 2, 2, true);
    d.threads = 2;
    try_pool(d);
    tn_error err;
    d.stride[0] = 0;
    assert_int_equal(tn_pool_check(&d, &err), TN_INVALID_ARGUMENT);
    d = desc(TN_POOL_AVG, 1, 4, 2, 2, true);
    d.dtype = TN_INT32;
    assert_int_equal(tn_pool_check(&d, &err), TN_UNIMPLEMENTED);
}

/* A NaN gives way to what comes after it, in whichever way the window is done. */
static void not_numbers(void **state)
{
    (void)state;
    FOR_LEVELS(level)
    {
        tn_pool_desc d = desc(TN_POOL_MAX, 21, 6, 2, 2, false);
        const int64_t n_in = d.batch * d.in[0] * d.in[1] * d.channels, n_out = d.batch * d.out[0] * d.out[1] * d.channels;
        float *in = new_floats(n_in), *grad = new_floats(n_out), *back = new_floats(n_in), *want = new_floats(n_in);
        int64_t *args = tn_malloc((size_t)n_out * sizeof *args);
        numbers r = {3};
        for (int64_t i = 0; i < n_in; i++) in[i] = number_int(&r, 0, 2) ? (float)number_int(&r, -2, 2) : NAN;
        fill_floats(&r, grad, n_out, -1, 1);
        tn_pool_backward(&d, in, grad, back);
        tn_max_pool_argmax(&d, in, NULL, args, true);
        memset(want, 0, (size_t)n_in * sizeof *want);
        for (int64_t i = 0; i < n_out; i++) want[args[i]] += grad[i];
        assert_int_equal(first_far(back, want, n_in, 0, 0), -1);
        tn_free(in), tn_free(grad), tn_free(back), tn_free(want), tn_free(args);
    }
}

static void other_types(void **state)
{
    tn_pool_desc d = {.kind = TN_POOL_MAX,
                      .dtype = TN_INT8,
                      .batch = 1,
                      .channels = 1,
                      .in = {2, 2},
                      .out = {1, 1},
                      .window = {2, 2},
                      .stride = {2, 2},
                      .threads = 1};
    const int8_t x[] = {-5, -2, -3, -4};
    int8_t o;
    (void)state;
    tn_pool_forward(&d, x, &o);
    assert_int_equal(o, -2);
    d.dtype = TN_DOUBLE, d.kind = TN_POOL_AVG;
    const double y[] = {1, 2, 3, 6};
    double p;
    tn_pool_forward(&d, y, &p);
    assert_true(p == 3);
}

/* ---- batch normalisation ---- */

static void try_norm(int64_t rows, int64_t c, float shift, int threads)
{
    const tn_batch_norm d = {
        .dtype = TN_FLOAT, .rows = rows, .channels = c, .epsilon = 1e-3f, .average = 1, .threads = threads};
    const int64_t n = rows * c;
    float *x = new_floats(n), *y = new_floats(n), *dy = new_floats(n), *dx = new_floats(n), *v[9];
    numbers r = {(uint64_t)n};
    for (int i = 0; i < 9; i++) v[i] = new_floats(c);
    fill_floats(&r, x, n, shift - 1, shift + 1), fill_floats(&r, dy, n, -1, 1);
    fill_floats(&r, v[0], c, 0.5f, 2), fill_floats(&r, v[1], c, -1, 1);
    void *scratch = tn_aligned_alloc(tn_batch_norm_scratch(&d));
    tn_batch_norm_train(&d, x, v[0], v[1], NULL, NULL, y, v[2], v[3], v[4], v[5], scratch);
    tn_batch_norm_backward(&d, true, dy, x, v[0], v[4], v[5], dx, v[6], v[7], scratch);
    for (int64_t k = 0; k < c; k++) {
        double mean = 0, m2 = 0, sdy = 0, dot = 0;
        for (int64_t i = 0; i < rows; i++) mean += (double)x[i * c + k] / (double)rows;
        for (int64_t i = 0; i < rows; i++) {
            const double e = (double)x[i * c + k] - mean;
            m2 += e * e, sdy += (double)dy[i * c + k], dot += (double)dy[i * c + k] * e;
        }
        const double inv = 1 / sqrt(m2 / (double)rows + 1e-3), small = 2e-5 * (1 + fabs((double)shift));
        assert_true(fabs((double)v[2][k] - mean) < 1e-6 * (1 + fabs(mean)));
        assert_true(fabs((double)v[3][k] - m2 / (double)TN_MAX(rows - 1, 1)) < 1e-4);
        assert_true(fabs((double)v[5][k] - m2 / (double)rows) < 1e-4);
        assert_true(fabs((double)v[7][k] - sdy) < 1e-3 &&
                    fabs((double)v[6][k] - dot * inv) < 1e-3 * (1 + fabs((double)shift)));
        for (int64_t i = 0; i < rows; i++) {
            const double e = (double)x[i * c + k] - mean;
            assert_true(fabs((double)y[i * c + k] - (e * inv * (double)v[0][k] + (double)v[1][k])) < small);
            const double want =
                (double)v[0][k] * inv *
                ((double)dy[i * c + k] - sdy / (double)rows - e * inv * inv * dot / (double)rows);
            assert_true(fabs((double)dx[i * c + k] - want) < small);
        }
    }
    tn_batch_norm_infer(&d, x, v[0], v[1], v[4], v[5], dx, scratch);
    assert_int_equal(first_far(dx, y, n, 1e-5, 1e-5), -1);
    tn_free(x), tn_free(y), tn_free(dy), tn_free(dx), tn_free(scratch);
    for (int i = 0; i < 9; i++) tn_free(v[i]);
}

static void normalisation(void **state)
{
    (void)state;
    FOR_LEVELS(level)
    {
        try_norm(50, 3, 0, 1);
        try_norm(1, 40, 0, 1);
        try_norm(700, 33, 100, 1);
        try_norm(3000, 64, 5, 2);
    }
    const tn_batch_norm none = {.dtype = TN_FLOAT, .channels = 1, .average = 1, .threads = 1};
    float one = 1, m[4];
    char scratch[2048] __attribute__((aligned(64)));
    assert_true(tn_batch_norm_scratch(&none) <= sizeof(scratch));
    tn_batch_norm_train(&none, NULL, &one, &one, NULL, NULL, NULL, m, m + 1, m + 2, m + 3, scratch);
    assert_true(isnan(m[0]) && isnan(m[1]));
    /* a moving average, half inputs, relu */
    const tn_batch_norm d = {
        .dtype = TN_HALF, .rows = 2, .channels = 1, .average = 0.25f, .threads = 1, .act = TN_ACT_RELU};
    const uint16_t x[] = {tn_float_to_half(1), tn_float_to_half(3)};
    const float ten = 10, zero = 0;
    uint16_t y[2];
    void *more = tn_aligned_alloc(tn_batch_norm_scratch(&d));
    tn_batch_norm_train(&d, x, &one, &zero, &ten, &ten, y, m, m + 1, m + 2, m + 3, more);
    tn_free(more);
    assert_true(m[0] == 8 && m[1] == 8 && m[2] == 2 && m[3] == 1);
    assert_true(tn_half_to_float(y[0]) == 0 && tn_half_to_float(y[1]) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows), cmocka_unit_test(not_numbers), cmocka_unit_test(other_types),
                                       cmocka_unit_test(normalisation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
