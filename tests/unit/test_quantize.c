/* SPDX-License-Identifier: Apache-2.0
 *
 * test_quantize.c - floats rounded to steps: every rounding, every type, ranges of all, of slices and of channels side by
 * side, the same bits at every level of instructions and with several threads.
 */
#include "kernel_test.h"
#include "kernel/quantize.h"

static void range_of(const void *of, int64_t k, tn_step *out)
{
    (void)of;
    const float low = -2 - 0.01f * (float)k, scale = 40 + 0.1f * (float)k;
    *out = (tn_step){.low = low, .high = 2.5f, .shift = k % 2 ? low : 0, .by = scale, .less = 3, .back = 1 / scale};
}

static float exactly(tn_step_round round, bool whole, const tn_step *s, float x)
{
    volatile float v = isnan(x) ? (whole ? s->low : x) : x < s->low ? s->low : x > s->high ? s->high : x;
    v = v - s->shift;
    v = v * s->by;
    v = v - s->less;
    if (round == TN_STEP_AWAY) return roundf(v);
    if (round == TN_STEP_EVEN) return rintf(v);
    v = v + 0.5f;
    return floorf(v);
}

static int64_t integer(tn_dtype t, const void *y, int64_t i)
{
    switch (t) {
    case TN_QINT8: return ((const int8_t *)y)[i];
    case TN_QUINT8: return ((const uint8_t *)y)[i];
    case TN_QINT16: return ((const int16_t *)y)[i];
    case TN_QUINT16: return ((const uint16_t *)y)[i];
    default: return ((const int32_t *)y)[i];
    }
}

static int64_t wrapped(tn_dtype t, int64_t v)
{
    switch (t) {
    case TN_QINT8: return (int8_t)v;
    case TN_QUINT8: return (uint8_t)v;
    case TN_QINT16: return (int16_t)v;
    case TN_QUINT16: return (uint16_t)v;
    default: return v;
    }
}

static void check(const tn_step_job *j)
{
    const bool whole = j->to != TN_FLOAT;
    for (int64_t i = 0; i < j->outer * j->n * j->inner; i++) {
        tn_step s;
        range_of(NULL, i / j->inner % j->n, &s);
        const float v = exactly(j->round, whole, &s, j->x[i]);
        if (whole) assert_int_equal(integer(j->to, j->y, i), wrapped(j->to, (int64_t)v));
        else assert_true(isnan(v) ? isnan(((float *)j->y)[i]) : ((float *)j->y)[i] == v * s.back);
    }
}

static void steps(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1}, {1, 1, 77}, {5, 3, 7}, {9, 130, 1}, {1, 3, 30011}, {1100, 67, 1}};
    static const tn_dtype types[] = {TN_FLOAT, TN_QINT8, TN_QUINT8, TN_QINT16, TN_QUINT16, TN_QINT32};
    numbers r = {1};
    for (size_t i = 0; i < TN_COUNT(sizes); i++) {
        const int64_t *d = sizes[i], n = d[0] * d[1] * d[2];
        float *x = new_floats(n), *y = new_floats(n);
        fill_floats(&r, x, n, -4, 4);
        x[0] = NAN;
        for (int64_t k = 1; k < n; k += 9) x[k] = ((float)number_int(&r, -90, 90) + 0.5f) / 40;
        FOR_LEVELS(level)
            for (size_t t = 0; t < TN_COUNT(types); t++)
                for (int round = TN_STEP_EVEN; round <= TN_STEP_AWAY; round++) {
                    const tn_step_job j = {(tn_step_round)round, types[t], d[0], d[1], d[2], 1 + round % 2, x, y, range_of, NULL};
                    tn_step_all(&j);
                    check(&j);
                }
        tn_free(x);
        tn_free(y);
    }
}

static void doubles(void **state)
{
    (void)state;
    enum { N = 70001 };
    numbers r = {2};
    float *x = new_floats(N);
    int32_t *y = (int32_t *)new_floats(N);
    fill_floats(&r, x, N, -1e3f, 1e3f);
    x[5] = 0.5f;
    x[6] = -2.5f;
    FOR_LEVELS(level) {
        tn_step_first(TN_QINT32, 1, 7, -500, 600, N, x, y, 2);
        for (int i = 0; i < N; i++) assert_true(y[i] == (int32_t)fmin(fmax(round((double)x[i]) - 7, -500), 600));
    }
    tn_free(x);
    tn_free(y);
}

/* By one product and sum each; no -0 becomes 0 when nothing is added. */
static void back(void **state)
{
    (void)state;
    enum { N = 70001 };
    static int16_t x[N];
    static float y[N];
    const int32_t whole[] = {INT32_MIN, INT32_MAX, 0};
    const uint8_t small[] = {0, 128, 255};
    for (int i = 0; i < N; i++) x[i] = (int16_t)(i - 35000);
    FOR_LEVELS(level) {
        for (int threads = 1; threads < 3; threads++) {
            tn_step_back(TN_QINT16, false, 32768, (double)0.1f, (double)-2.3f, N, x, y, threads);
            for (int i = 0; i < N; i++) {
                const volatile float times = ((float)x[i] + 32768.0f) * 0.1f;
                assert_true(y[i] == times + -2.3f);
            }
        }
        tn_step_back(TN_QINT32, true, 2147483648.0, 0x1p-20, -5, 3, whole, y, 1);
        assert_true(y[0] == -5 && y[1] == (float)(4294967295.0 * 0x1p-20 - 5) && y[2] == 2043);
        tn_step_back(TN_QUINT8, false, 0, -0.5, -0.0, 3, small, y, 1);
        assert_true(y[0] == 0 && signbit(y[0]) && y[1] == -64 && y[2] == -127.5f);
    }
}

/* Numbers that doubles add exactly: any order. */
static void passes(void **state)
{
    (void)state;
    enum { ROWS = 50, N = 70 };
    numbers r = {3};
    float x[ROWS * N], dy[ROWS * N], dx[ROWS * N], low[N], high[N];
    for (int i = 0; i < N; i++) low[i] = -1 - (float)i, high[i] = 2 + (float)i;
    fill_floats(&r, x, ROWS * N, -90, 90);
    for (int i = 0; i < ROWS * N; i++) dy[i] = (float)number_int(&r, -9, 9);
    x[3] = NAN;
    FOR_LEVELS(level) {
        for (int n = 1; n <= N; n += N - 1) {
            double below[N] = {0}, above[N] = {0}, under[N] = {0}, over[N] = {0};
            tn_step_pass(ROWS, n, n, low, high, dy, x, dx, below, above);
            for (int i = 0; i < ROWS * n; i++) {
                const int k = i % n;
                if (x[i] < low[k]) under[k] += (double)dy[i];
                if (x[i] > high[k]) over[k] += (double)dy[i];
                assert_true(dx[i] == (x[i] >= low[k] && x[i] <= high[k] ? dy[i] : 0));
            }
            for (int k = 0; k < n; k++) assert_true(below[k] == under[k] && above[k] == over[k]);
        }
        float min = INFINITY, max = -INFINITY, least[N], most[N];
        tn_step_ends(ROWS * N, 1, 1, x, &min, &max);
        for (int k = 0; k < N; k++) least[k] = INFINITY, most[k] = -INFINITY;
        tn_step_ends(ROWS, N, N, x, least, most);
        for (int k = 0; k < N; k++) {
            float a = INFINITY, b = -INFINITY;
            for (int i = k; i < ROWS * N; i += N) a = fminf(a, x[i]), b = fmaxf(b, x[i]);
            assert_true(least[k] == a && most[k] == b);
        }
        for (int i = 0; i < ROWS * N; i++) assert_true(isnan(x[i]) || (x[i] >= min && x[i] <= max));
        assert_true(min >= -90 && max <= 90 && min < -80 && max > 80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps), cmocka_unit_test(doubles), cmocka_unit_test(back),
                                       cmocka_unit_test(passes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
