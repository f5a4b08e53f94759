/* SPDX-License-Identifier: Apache-2.0
 *
 * test_pointwise.c - element-wise operators against the C library in double, broadcasting, programs, casts;
 * corners: NaN, infinities, integer faults.
 */
#include "kernel_test.h"

static float one(tn_pw_op op, float x, float y)
{
    const void *in[] = {&x, &y, &y};
    float out = -77;
    assert_int_equal(tn_pw_flat(op, TN_FLOAT, 0.2, 1, in, &out, 1, NULL), TN_OK);
    return out;
}

static double softplus(double x)
{
    return log1p(exp(x));
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void functions_are_accurate(void **state)
{
    const struct {
        tn_pw_op op;
        double (*f)(double);
        float lo, hi;
        double ulps;
    } rows[] = {{TN_PW_EXP, exp, -87, 88.5f, 2},
                {TN_PW_EXPM1, expm1, -20, 88.5f, 3},
                {TN_PW_EXPM1, expm1, -0.01f, 0.01f, 2},
                {TN_PW_LOG, log, 1e-30f, 2, 2},
                {TN_PW_LOG, log, 0.5f, 1e30f, 2},
                {TN_PW_LOG, log, 0.9f, 1.1f, 3},
                {TN_PW_LOG1P, log1p, -0.99f, 10, 4},
                {TN_PW_LOG1P, log1p, -1e-3f, 1e-3f, 3},
                {TN_PW_TANH, tanh, -10, 10, 4},
                {TN_PW_TANH, tanh, -0.1f, 0.1f, 4},
                {TN_PW_SIGMOID, sigmoid, -80, 20, 4},
                {TN_PW_SOFTPLUS, softplus, -80, 80, 4},
                {TN_PW_SIN, sin, -3, 3, 3},
                {TN_PW_COS, cos, -1.5f, 1.5f, 3},
                {TN_PW_SIN, sin, 8000, 9000, 4000},
                {TN_PW_ERF, erf, -5, 5, 4},
                {TN_PW_ERF, erf, -0.1f, 0.1f, 3},
                {TN_PW_SQRT, sqrt, 0, 100, 1},
                {TN_PW_ATAN, atan, -100, 100, 3},
                {TN_PW_ATAN, atan, -1, 1, 2},
                {TN_PW_ASIN, asin, -1, 1, 2},
                {TN_PW_ASIN, asin, -0.5f, 0.5f, 2},
                {TN_PW_ACOS, acos, -1, 1, 2},
                {TN_PW_ACOS, acos, 0.99f, 1, 2},
                {TN_PW_TAN, tan, -1.5f, 1.5f, 3},
                {TN_PW_ERFC, erfc, -2, 9, 6},
                {TN_PW_ERFC, erfc, -10, 1, 4}};
    enum { N = 20000 };
    static float x[N], y[N];
    (void)state;
    FOR_LEVELS(level)
    {
        for (size_t i = 0; i < TN_COUNT(rows); i++) {
            numbers r = {i + 1};
            double worst = 0;
            fill_floats(&r, x, N, rows[i].lo, rows[i].hi);
            const void *in[] = {x};
            assert_int_equal(tn_pw_flat(rows[i].op, TN_FLOAT, 0, N, in, y, 2, NULL), TN_OK);
            for (int k = 0; k < N; k++) {
                double want = rows[i].f((double)x[k]);
                if (fabs(want) < 1.2e-38) continue;
                int e;
                frexp(want, &e);
                worst = TN_MAX(worst, fabs((double)y[k] - want) / ldexp(1, e - 24));
            }
            if (worst > rows[i].ulps)
                print_message("%s in [%g, %g] level %d: %g ulp\n", tn_pw_name(rows[i].op), (double)rows[i].lo,
                              (double)rows[i].hi, level, worst);
            assert_true(worst <= rows[i].ulps);
        }
    }
}

static void same(float a, float b)
{
    if (isnan(a) && isnan(b)) return;
    if (a != b || !signbit(a) != !signbit(b)) print_message("%g instead of %g\n", (double)a, (double)b);
    assert_true(a == b);
    assert_int_equal(!signbit(a), !signbit(b));
}

static void corners(void **state)
{
    (void)state;
    FOR_LEVELS(level)
    {
        same(one(TN_PW_EXP, INFINITY, 0), INFINITY), same(one(TN_PW_EXP, -INFINITY, 0), 0),
            same(one(TN_PW_EXP, NAN, 0), NAN);
        same(one(TN_PW_EXP, 100, 0), INFINITY), same(one(TN_PW_EXP, 0, 0), 1);
        same(one(TN_PW_EXPM1, INFINITY, 0), INFINITY), same(one(TN_PW_EXPM1, -INFINITY, 0), -1),
            same(one(TN_PW_EXPM1, -0.0f, 0), -0.0f);
        same(one(TN_PW_LOG, 0, 0), -INFINITY), same(one(TN_PW_LOG, -1, 0), NAN),
            same(one(TN_PW_LOG, INFINITY, 0), INFINITY);
        same(one(TN_PW_LOG, 1, 0), 0), same(one(TN_PW_LOG, NAN, 0), NAN);
        same(one(TN_PW_LOG1P, -1, 0), -INFINITY), same(one(TN_PW_LOG1P, INFINITY, 0), INFINITY),
            same(one(TN_PW_LOG1P, -2, 0), NAN);
        same(one(TN_PW_TANH, INFINITY, 0), 1), same(one(TN_PW_TANH, -INFINITY, 0), -1),
            same(one(TN_PW_TANH, NAN, 0), NAN);
        same(one(TN_PW_TANH, -0.0f, 0), -0.0f), same(one(TN_PW_ERF, INFINITY, 0), 1),
            same(one(TN_PW_ERF, NAN, 0), NAN);
        same(one(TN_PW_SIGMOID, -INFINITY, 0), 0), same(one(TN_PW_SIGMOID, INFINITY, 0), 1),
            same(one(TN_PW_SIGMOID, NAN, 0), NAN);
        same(one(TN_PW_SOFTPLUS, INFINITY, 0), INFINITY), same(one(TN_PW_SOFTPLUS, -INFINITY, 0), 0),
            same(one(TN_PW_SOFTPLUS, NAN, 0), NAN);
        same(one(TN_PW_SIN, INFINITY, 0), NAN), same(one(TN_PW_COS, NAN, 0), NAN);
        same(one(TN_PW_RELU, NAN, 0), NAN), same(one(TN_PW_RELU, -3, 0), 0),
            same(one(TN_PW_RELU6, NAN, 0), NAN), same(one(TN_PW_RELU6, 9, 0), 6);
        same(one(TN_PW_RELU_GRAD, 1, NAN), 0), same(one(TN_PW_SIGN, NAN, 0), NAN),
            same(one(TN_PW_ELU, NAN, 0), NAN);
        same(one(TN_PW_MAXIMUM, NAN, 1), NAN), same(one(TN_PW_MAXIMUM, 1, NAN), NAN),
            same(one(TN_PW_MINIMUM, NAN, 1), NAN);
        same(one(TN_PW_MINIMUM, 1, NAN), NAN), same(one(TN_PW_CLIP, NAN, 1), NAN),
            same(one(TN_PW_RINT, 2.5f, 0), 2), same(one(TN_PW_RINT, -0.5f, 0), -0.0f);
        same(one(TN_PW_FLOOR_MOD, -5, 3), 1), same(one(TN_PW_FLOOR_MOD, 5, -3), -1),
            same(one(TN_PW_FLOOR_MOD, 1, INFINITY), 1);
        same(one(TN_PW_FLOOR_DIV, -5, 3), -2), same(one(TN_PW_DIV_NO_NAN, NAN, 0), 0),
            same(one(TN_PW_MUL_NO_NAN, INFINITY, 0), 0);
        same(one(TN_PW_XLOGY, 0, NAN), 0), same(one(TN_PW_XLOGY, 1, 0), -INFINITY),
            same(one(TN_PW_POW, 0, -1), INFINITY);
        same(one(TN_PW_LEAKY_RELU_GRAD, 1, NAN), 0.2f), same(one(TN_PW_NDTRI, 0, 0), -INFINITY),
            same(one(TN_PW_NDTRI, 0.5f, 0), 0);
        same(one(TN_PW_ERFINV, 1, 0), INFINITY), same(one(TN_PW_DIGAMMA, -1, 0), NAN);
        assert_true(fabsf(one(TN_PW_NDTRI, 0.975f, 0) - 1.9599641f) < 1e-5f);
        assert_true(fabsf(one(TN_PW_ERFINV, 0.3f, 0) - 0.27246271f) < 1e-6f);
        assert_true(fabsf(one(TN_PW_DIGAMMA, -0.5f, 0) - 0.03648998f) < 1e-6f);
    }
}

/* All pairs of zeros, infinities, NaN, the least and the greatest: the C library's angle, its sign too. */
static void angles(void **state)
{
    static const float ends[] = {0, -0.0f, 1, -1, 0.75f, INFINITY, -INFINITY, NAN, 1e-45f, -1e-45f, 3e38f, -3e38f};
    static const float outside[] = {1.0000001f, -2, INFINITY, -INFINITY, NAN};
    enum { N = TN_COUNT(ends) };
    float y[N * N], x[N * N], got[N * N];
    (void)state;
    for (int i = 0; i < N * N; i++) y[i] = ends[i / N], x[i] = ends[i % N];
    FOR_LEVELS(level)
    {
        assert_int_equal(tn_pw_flat(TN_PW_ATAN2, TN_FLOAT, 0, N * N, (const void *[]){y, x}, got, 1, NULL), TN_OK);
        for (int i = 0; i < N * N; i++) {
            const float want = atan2f(y[i], x[i]);
            if (isnan(want)) assert_true(isnan(got[i]));
            else assert_true(fabsf(got[i] - want) <= 2e-7f * fabsf(want) && signbit(got[i]) == signbit(want));
        }
        same(one(TN_PW_ASIN, -0.0f, 0), -0.0f), same(one(TN_PW_ASIN, 1, 0), asinf(1)), same(one(TN_PW_ASIN, -1, 0), asinf(-1));
        same(one(TN_PW_ACOS, 1, 0), 0), same(one(TN_PW_ACOS, -1, 0), acosf(-1)), same(one(TN_PW_ACOS, -0.0f, 0), acosf(0));
        same(one(TN_PW_ATAN, -0.0f, 0), -0.0f), same(one(TN_PW_ATAN, -INFINITY, 0), atanf(-INFINITY)), same(one(TN_PW_ATAN, NAN, 0), NAN);
        for (size_t i = 0; i < TN_COUNT(outside); i++)
            same(one(TN_PW_ASIN, outside[i], 0), NAN), same(one(TN_PW_ACOS, outside[i], 0), NAN);
    }
}

/* Every operator gives the same at every level, for every count, in place or not. */
static void levels_agree(void **state)
{
    enum { N = 1500 };
    static float a[N], b[N], c[N], want[N + 1], got[N + 1];
    numbers r = {2};
    (void)state;
    fill_floats(&r, a, N, -3, 3), fill_floats(&r, b, N, 0.1f, 3), fill_floats(&r, c, N, 1, 2);
    const void *in[] = {a, b, c};
    for (int op = 0; op < TN_PW_COUNT; op++) {
        if (!tn_pw_supported(op, TN_FLOAT) || op == TN_PW_SELECT || op == TN_PW_COMPLEX) continue;
        const bool flag = tn_pw_result(op, TN_FLOAT) == TN_BOOL;
        tn_isa_limit(TN_ISA_BASE);
        assert_int_equal(tn_pw_flat(op, TN_FLOAT, 0.3, N, in, want, 1, NULL), TN_OK);
        FOR_LEVELS(level) for (int n = N - 20; n <= N; n++)
        {
            memcpy(got, a, sizeof(a));
            const void *self[] = {got, b, c};
            assert_int_equal(tn_pw_flat(op, TN_FLOAT, 0.3, n, flag ? in : self, got, 1, NULL), TN_OK);
            if (flag)
                assert_memory_equal(got, want, (size_t)n);
            else
                assert_int_equal(first_far(got, want, n, 2e-6, 1e-6), -1);
        }
    }
}

static void broadcasting(void **state)
{
    static float a[3 * 1 * 700], b[5 * 1], out[3 * 5 * 700];
    numbers r = {4};
    (void)state;
    fill_floats(&r, a, 2100, -1, 1), fill_floats(&r, b, 5, -1, 1);
    for (int64_t w = 1; w <= 700; w += 233) {
        const tn_shape sa = TN_SHAPE(3, 1, w), sb = TN_SHAPE(5, 1), so = TN_SHAPE(3, 5, w);
        const tn_shape *const shapes[] = {&sa, &sb};
        const void *in[] = {a, b};
        tn_pw_plan p;
        assert_int_equal(tn_pw_prepare(TN_PW_SUB, TN_FLOAT, shapes, &so, 0, 2, &p, NULL), TN_OK);
        assert_int_equal(tn_pw_run(&p, in, out, NULL), TN_OK);
        for (int64_t i = 0; i < 3; i++)
            for (int64_t j = 0; j < 5; j++)
                for (int64_t k = 0; k < w; k++) assert_true(out[(i * 5 + j) * w + k] == a[i * w + k] - b[j]);
    }
    const tn_shape s2 = TN_SHAPE(2), s3 = TN_SHAPE(3);
    const tn_shape *const bad[] = {&s2, &s3};
    tn_pw_plan p;
    tn_error err;
    assert_int_equal(tn_pw_prepare(TN_PW_ADD, TN_FLOAT, bad, &s3, 0, 1, &p, &err), TN_INVALID_ARGUMENT);
    const tn_shape s0 = TN_SHAPE(0, 3);
    const tn_shape *const none[] = {&s0, &s3};
    assert_int_equal(tn_pw_prepare(TN_PW_ADD, TN_FLOAT, none, &s0, 0, 1, &p, &err), TN_OK);
    assert_int_equal(tn_pw_run(&p, (const void *[]){NULL, NULL}, NULL, &err), TN_OK);
}

static void integers(void **state)
{
    const int32_t x[] = {7, -7, 7, -7, INT32_MIN, INT32_MAX}, y[] = {2, 2, -2, -2, -1, 1};
    const int32_t quotient[] = {3, -4, -4, 3, INT32_MIN, INT32_MAX}, rest[] = {1, 1, -1, -1, 0, 0};
    const void *in[] = {x, y};
    int32_t o[6];
    uint8_t flags[6];
    tn_error err;
    (void)state;
    assert_int_equal(tn_pw_flat(TN_PW_FLOOR_DIV, TN_INT32, 0, 6, in, o, 1, &err), TN_OK);
    assert_memory_equal(o, quotient, sizeof(o));
    assert_int_equal(tn_pw_flat(TN_PW_FLOOR_MOD, TN_INT32, 0, 6, in, o, 1, &err), TN_OK);
    assert_memory_equal(o, rest, sizeof(o));
    assert_int_equal(tn_pw_flat(TN_PW_ADD, TN_INT32, 0, 6, in, o, 1, &err), TN_OK);
    assert_int_equal(o[5], INT32_MIN);
    assert_int_equal(tn_pw_flat(TN_PW_LESS, TN_INT32, 0, 6, in, flags, 1, &err), TN_OK);
    assert_memory_equal(flags, ((uint8_t[]){0, 1, 0, 1, 1, 0}), 6);
    const int32_t zero[] = {0}, two[] = {2}, minus[] = {-1}, ten[] = {10};
    assert_int_equal(tn_pw_flat(TN_PW_TRUNC_DIV, TN_INT32, 0, 1, (const void *[]){two, zero}, o, 1, &err),
                     TN_INVALID_ARGUMENT);
    assert_string_equal(err.message, "Integer division by zero");
    assert_int_equal(tn_pw_flat(TN_PW_POW, TN_INT32, 0, 1, (const void *[]){two, minus}, o, 1, &err),
                     TN_INVALID_ARGUMENT);
    assert_int_equal(tn_pw_flat(TN_PW_POW, TN_INT32, 0, 1, (const void *[]){two, ten}, o, 1, &err), TN_OK);
    assert_int_equal(o[0], 1024);
    const uint8_t u[] = {200, 3}, v[] = {100, 5};
    uint8_t w[2];
    assert_int_equal(tn_pw_flat(TN_PW_SUB, TN_UINT8, 0, 2, (const void *[]){u, v}, w, 1, &err), TN_OK);
    assert_memory_equal(w, ((uint8_t[]){100, 254}), 2);
    const uint8_t cond[] = {1, 0};
    const double dx[] = {1, 2}, dy[] = {3, 4};
    double dz[2];
    assert_int_equal(tn_pw_flat(TN_PW_SELECT, TN_DOUBLE, 0, 2, (const void *[]){cond, dx, dy}, dz, 1, &err),
                     TN_OK);
    assert_true(dz[0] == 1 && dz[1] == 4);
    assert_int_equal(tn_pw_flat(TN_PW_EXP, TN_INT32, 0, 1, in, o, 1, &err), TN_UNIMPLEMENTED);
}

static void half_and_complex(void **state)
{
    uint16_t h[3], o[3];
    float re = 3, im = 4, z[2], mod;
    (void)state;
    for (int i = 0; i < 3; i++) h[i] = tn_float_to_half((float)i - 1);
    assert_int_equal(tn_pw_flat(TN_PW_RELU, TN_HALF, 0, 3, (const void *[]){h}, o, 1, NULL), TN_OK);
    assert_true(tn_half_to_float(o[0]) == 0 && tn_half_to_float(o[2]) == 1);
    assert_int_equal(tn_pw_flat(TN_PW_COMPLEX, TN_FLOAT, 0, 1, (const void *[]){&re, &im}, z, 1, NULL),
                     TN_OK);
    assert_int_equal(tn_pw_flat(TN_PW_COMPLEX_ABS, TN_COMPLEX64, 0, 1, (const void *[]){z}, &mod, 1, NULL),
                     TN_OK);
    assert_true(mod == 5);
}

static void programs(void **state)
{
    /* out0 = tanh(x + row) * 2; out1 = out0 > 0; out0's memory is x's. */
    enum { ROWS = 37, COLS = 65 };
    static float x[ROWS * COLS], row[COLS], kept[ROWS * COLS];
    static uint8_t positive[ROWS * COLS];
    numbers r = {8};
    (void)state;
    FOR_LEVELS(level) for (int threads = 1; threads < 3; threads++)
    {
        fill_floats(&r, x, ROWS * COLS, -1, 1), fill_floats(&r, row, COLS, -1, 1);
        memcpy(kept, x, sizeof(x));
        tn_pw_program p = {.n_inst = 4,
                           .n_in = 2,
                           .n_out = 2,
                           .n_imm = 2,
                           .imm = {2, 0},
                           .in_dtype = {TN_FLOAT, TN_FLOAT},
                           .out_dtype = {TN_FLOAT, TN_BOOL},
                           .in_shape = {TN_SHAPE(ROWS, COLS), TN_SHAPE(COLS)},
                           .shape = TN_SHAPE(ROWS, COLS),
                           .threads = threads,
                           .inst = {{TN_PW_ADD, TN_PW_REG(0), {TN_PW_IN(0), TN_PW_IN(1)}, 0},
                                    {TN_PW_TANH, TN_PW_REG(0), {TN_PW_REG(0)}, 0},
                                    {TN_PW_MUL, TN_PW_OUT(0), {TN_PW_REG(0), TN_PW_IMM(0)}, 0},
                                    {TN_PW_GREATER, TN_PW_OUT(1), {TN_PW_OUT(0), TN_PW_IMM(1)}, 0}}};
        assert_int_equal(tn_pw_program_prepare(&p, NULL), TN_OK);
        p.threads = threads; /* a team even for so little */
        tn_pw_program_run(&p, (const void *[]){x, row}, (void *[]){x, positive});
        for (int i = 0; i < ROWS * COLS; i++) {
            double want = 2 * tanh((double)(kept[i] + row[i % COLS]));
            assert_true(fabs((double)x[i] - want) < 1e-6);
            assert_int_equal(positive[i], x[i] > 0);
        }
    }
    tn_pw_program bad = {.n_inst = 1,
                         .n_out = 1,
                         .shape = TN_SHAPE(3),
                         .out_dtype = {TN_FLOAT},
                         .inst = {{TN_PW_NEG, TN_PW_OUT(0), {TN_PW_REG(3)}, 0}}};
    tn_error err;
    assert_int_equal(tn_pw_program_prepare(&bad, &err), TN_INVALID_ARGUMENT);
}

/* Some columns of wider matrices, and one value a row: short rows, rows of a block and more, one column. */
static void try_columns(int64_t rows, int64_t columns, int threads)
{
    const int64_t wide = columns * 2 + 3, from = columns + 1;
    numbers r = {(uint64_t)(rows + columns)};
    float *x = new_floats(rows * wide), *y = new_floats(rows * columns), *z = new_floats(rows * columns);
    uint8_t *mask = tn_malloc((size_t)rows);
    fill_floats(&r, x, rows * wide, -1, 1), fill_floats(&r, y, rows * columns, -1, 1);
    for (int64_t i = 0; i < rows; i++) mask[i] = i % 3 != 0;
    tn_pw_program p = {.n_inst = 2,
                       .n_in = 4,
                       .n_out = 2,
                       .in_dtype = {TN_FLOAT, TN_FLOAT, TN_FLOAT, TN_BOOL},
                       .out_dtype = {TN_FLOAT, TN_FLOAT},
                       .in_shape = {TN_SHAPE(rows, columns), TN_SHAPE(rows, columns), TN_SHAPE(rows, columns), TN_SHAPE(rows, 1)},
                       .in_offset = {from, 0, 0},
                       .in_pitch = {wide, wide, 0},
                       .shape = TN_SHAPE(rows, columns),
                       .threads = threads,
                       .inst = {{TN_PW_SUB, TN_PW_OUT(0), {TN_PW_IN(0), TN_PW_IN(1)}, 0},
                                {TN_PW_SELECT, TN_PW_OUT(1), {TN_PW_IN(3), TN_PW_OUT(0), TN_PW_IN(2)}, 0}}};
    assert_int_equal(tn_pw_program_prepare(&p, NULL), TN_OK);
    p.threads = threads;
    float *kept = new_floats(rows * columns);
    memcpy(kept, y, (size_t)(rows * columns) * sizeof *y);
    tn_pw_program_run(&p, (const void *[]){x, x, y, mask}, (void *[]){z, y});
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            const float want = x[i * wide + from + j] - x[i * wide + j];
            assert_true(z[i * columns + j] == want);
            assert_true(y[i * columns + j] == (mask[i] ? want : kept[i * columns + j]));
        }
    tn_free(x), tn_free(y), tn_free(z), tn_free(kept), tn_free(mask);
}

static void columns(void **state)
{
    static const int64_t sizes[] = {1, 7, 127, 128, 256, 511, 512, 513, 528, 1030};
    (void)state;
    FOR_LEVELS(level)
    for (size_t i = 0; i < TN_COUNT(sizes); i++)
        for (int threads = 1; threads < 3; threads++)
            for (int64_t rows = 1; rows < 10; rows += 4) try_columns(rows, sizes[i], threads);
    tn_error err;
    tn_pw_program bad = {.n_inst = 1,
                         .n_in = 1,
                         .n_out = 1,
                         .in_dtype = {TN_FLOAT},
                         .in_shape = {TN_SHAPE(2, 3)},
                         .in_pitch = {2},
                         .shape = TN_SHAPE(2, 3),
                         .out_dtype = {TN_FLOAT},
                         .inst = {{TN_PW_NEG, TN_PW_OUT(0), {TN_PW_IN(0)}, 0}}};
    assert_int_equal(tn_pw_program_prepare(&bad, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "rows 2 apart"));
}

static void casts(void **state)
{
    const float x[] = {NAN, INFINITY, -INFINITY, 3e9f, -3e9f, -1.5f, 2.7f, 300};
    const int32_t want[] = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN, -1, 2, 300};
    const uint8_t want8[] = {0, 0, 0, 0, 0, 255, 2, 44};
    int32_t i[8];
    uint8_t u[8];
    uint16_t h[8];
    float back[8], z[16];
    (void)state;
    assert_int_equal(tn_cast(TN_FLOAT, TN_INT32, 8, x, i, false, 1, NULL), TN_OK);
    assert_memory_equal(i, want, sizeof(i));
    assert_int_equal(tn_cast(TN_FLOAT, TN_UINT8, 8, x, u, false, 1, NULL), TN_OK);
    assert_memory_equal(u, want8, sizeof(u));
    assert_int_equal(tn_cast(TN_FLOAT, TN_BFLOAT16, 8, x, h, false, 1, NULL), TN_OK);
    assert_int_equal(tn_cast(TN_BFLOAT16, TN_FLOAT, 8, h, back, false, 1, NULL), TN_OK);
    assert_true(isnan(back[0]) && back[1] == INFINITY && back[5] == -1.5f && back[6] == 2.703125f);
    assert_int_equal(tn_cast(TN_FLOAT, TN_BFLOAT16, 8, x, h, true, 1, NULL), TN_OK);
    assert_int_equal(tn_cast(TN_BFLOAT16, TN_FLOAT, 8, h, back, false, 1, NULL), TN_OK);
    assert_true(back[6] == 2.6875f);
    assert_int_equal(tn_cast(TN_INT32, TN_COMPLEX64, 8, i, z, false, 1, NULL), TN_OK);
    assert_true(z[14] == 300 && z[15] == 0);
    assert_int_equal(tn_cast(TN_COMPLEX64, TN_HALF, 8, z, h, false, 1, NULL), TN_OK);
    assert_true(tn_half_to_float(h[7]) == 300);
    assert_int_equal(tn_cast(TN_FLOAT, TN_BOOL, 8, x, u, false, 1, NULL), TN_OK);
    assert_int_equal(u[0] & u[7], 1);
    assert_int_equal(tn_cast(TN_FLOAT, TN_STRING, 8, x, u, false, 1, NULL), TN_UNIMPLEMENTED);
}

/* Exponents with loops of their own, alone and among others: what powf gives. */
static void powers(void **state)
{
    static const float exponents[] = {2, 3, 4, 1, -1, 0.5f, 0, 2.5f, NAN};
    static const float bases[] = {0.0f, -0.0f, 1, -1.5f, 1e-30f, -1e20f, 3.25f, INFINITY, -INFINITY, NAN};
    enum { N = TN_COUNT(exponents) * TN_COUNT(bases) };
    float x[N], y[N], out[N];
    (void)state;
    for (int i = 0; i < (int)N; i++) {
        y[i] = exponents[i / (int)TN_COUNT(bases)];
        x[i] = bases[i % (int)TN_COUNT(bases)];
    }
    FOR_LEVELS(level)
    {
        assert_int_equal(tn_pw_flat(TN_PW_POW, TN_FLOAT, 0, N, (const void *[]){x, y}, out, 1, NULL), TN_OK);
        for (int i = 0; i < (int)N; i++) {
            const float want = powf(x[i], y[i]);
            if (fabsf(want) > 0 && fabsf(want) < 1e-37f) continue;
            if (isfinite(want) && want != 0)
                assert_true(fabsf(out[i] - want) <= 2e-7f * fabsf(want));
            else
                same(out[i], want);
        }
        for (size_t k = 0; k < TN_COUNT(exponents); k++) { /* as computed among others */
            float alone[TN_COUNT(bases)];
            const float *const at = y + k * TN_COUNT(bases);
            assert_int_equal(tn_pw_flat(TN_PW_POW, TN_FLOAT, 0, TN_COUNT(bases), (const void *[]){bases, at}, alone, 1, NULL), TN_OK);
            for (size_t i = 0; i < TN_COUNT(bases); i++) same(alone[i], out[k * TN_COUNT(bases) + i]);
        }
    }
}

/* Each half there and back, and floats between them, as tensor.h's conversions say. */
static void halves(void **state)
{
    enum { ALL = 1 << 16, N = 30000 };
    static uint16_t h[ALL], back[ALL];
    static float f[ALL];
    numbers r = {4};
    (void)state;
    FOR_LEVELS(level)
    {
        for (int i = 0; i < ALL; i++) h[i] = (uint16_t)i;
        assert_int_equal(tn_cast(TN_HALF, TN_FLOAT, ALL, h, f, false, 1, NULL), TN_OK);
        assert_int_equal(tn_cast(TN_FLOAT, TN_HALF, ALL, f, back, false, 1, NULL), TN_OK);
        for (int i = 0; i < ALL; i++) {
            same(f[i], tn_half_to_float(h[i]));
            assert_true(isnan(f[i]) ? isnan(tn_half_to_float(back[i])) : back[i] == h[i]);
        }
        for (int i = 0; i < N; i++) {
            const uint32_t bits = (number_next(&r) << 1) & (i % 2 ? 0xfffff000u : 0xffffffffu);
            memcpy(&f[i], &bits, 4);
        }
        assert_int_equal(tn_cast(TN_FLOAT, TN_HALF, N, f, back, false, 1, NULL), TN_OK);
        for (int i = 0; i < N; i++) assert_int_equal(back[i], tn_float_to_half(f[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(functions_are_accurate),
                                       cmocka_unit_test(corners), cmocka_unit_test(angles),
                                       cmocka_unit_test(powers),
                                       cmocka_unit_test(halves),
                                       cmocka_unit_test(levels_agree),
                                       cmocka_unit_test(broadcasting),
                                       cmocka_unit_test(integers),
                                       cmocka_unit_test(half_and_complex),
                                       cmocka_unit_test(programs), cmocka_unit_test(columns),
                                       cmocka_unit_test(casts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
