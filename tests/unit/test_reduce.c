/* SPDX-License-Identifier: Apache-2.0
 *
 * test_reduce.c - reductions, softmax, scans and arg-reductions against plain loops in double.
 */
#include "kernel_test.h"

static double fold(tn_reduce_op op, double a, double x)
{
    switch (op) {
    case TN_REDUCE_MAX: return x > a || isnan(x) ? x : a;
    case TN_REDUCE_MIN: return x < a || isnan(x) ? x : a;
    case TN_REDUCE_PROD: return a * x;
    case TN_REDUCE_SUM_SQUARES:
    case TN_REDUCE_EUCLIDEAN: return a + x * x;
    default: return a + x;
    }
}

static void plain(tn_reduce_op op, const tn_shape *s, const bool *axis, const float *in, double *out,
                  int64_t outs, double group)
{
    for (int64_t i = 0; i < outs; i++)
        out[i] = op == TN_REDUCE_MAX ? -INFINITY : op == TN_REDUCE_MIN ? INFINITY : op == TN_REDUCE_PROD;
    for (int64_t i = 0; i < tn_shape_count(s); i++) {
        int64_t rest = i, at = 0, step = 1;
        for (int d = s->rank - 1; d >= 0; d--) {
            if (!axis[d]) at += rest % s->dim[d] * step, step *= s->dim[d];
            rest /= s->dim[d];
        }
        out[at] = fold(op, out[at], (double)in[i]);
    }
    for (int64_t i = 0; i < outs; i++) {
        if (op == TN_REDUCE_MEAN) out[i] /= group;
        if (op == TN_REDUCE_EUCLIDEAN) out[i] = sqrt(out[i]);
    }
}

static void try_reduce(tn_reduce_op op, tn_dtype t, tn_shape s, unsigned axes, int threads)
{
    bool axis[TN_MAX_RANK];
    int64_t outs = 1, group = 1;
    for (int d = 0; d < s.rank; d++) {
        axis[d] = axes >> d & 1;
        *(axis[d] ? &group : &outs) *= s.dim[d];
    }
    const int64_t n = tn_shape_count(&s);
    numbers r = {axes + 1};
    float *x = new_floats(n), *got = new_floats(outs), *want = new_floats(outs);
    double *exact = tn_malloc((size_t)(outs + 1) * sizeof(double));
    for (int64_t i = 0; i < n; i++)
        x[i] = op == TN_REDUCE_PROD ? number_float(&r, 0.9f, 1.1f) : (float)number_int(&r, -20, 20);
    plain(op, &s, axis, x, exact, outs, (double)group);
    for (int64_t i = 0; i < outs; i++) want[i] = (float)exact[i];
    void *typed = tn_malloc((size_t)(n + 1) * 16), *result = tn_malloc((size_t)(outs + 1) * 16);
    tn_cast(TN_FLOAT, t, n, x, typed, false, 1, NULL);
    tn_reduce_plan p;
    assert_int_equal(tn_reduce_prepare(op, t, &s, axis, threads, &p, NULL), TN_OK);
    assert_int_equal(p.out_count, outs);
    void *scratch = tn_aligned_alloc(p.scratch + 64);
    tn_reduce_run(&p, typed, result, scratch);
    tn_cast(t, TN_FLOAT, outs, result, got, false, 1, NULL);
    const bool small = t == TN_HALF || t == TN_BFLOAT16, whole = tn_dtype_is_integer(t);
    if (!(whole && (op == TN_REDUCE_MEAN || op == TN_REDUCE_EUCLIDEAN || op == TN_REDUCE_PROD)))
        assert_int_equal(first_far(got, want, outs, small ? 1e-2 : 1e-4, small ? 0.1 : 1e-4), -1);
    tn_free(x), tn_free(got), tn_free(want), tn_free(exact), tn_free(typed), tn_free(result),
        tn_free(scratch);
}

static void all_axes(void **state)
{
    const tn_shape shapes[] = {{.rank = 0},     TN_SHAPE(1),        TN_SHAPE(1000),       TN_SHAPE(3, 70),
                               TN_SHAPE(70, 3), TN_SHAPE(5, 1, 37), TN_SHAPE(4, 3, 5, 21)};
    (void)state;
    FOR_LEVELS(level)
    for (size_t i = 0; i < TN_COUNT(shapes); i++) for (unsigned axes = 0; axes < 1u << shapes[i].rank;
                                                       axes++) for (int op = TN_REDUCE_SUM;
                                                                    op <= TN_REDUCE_EUCLIDEAN; op++)
    {
        if (op == TN_REDUCE_ALL || op == TN_REDUCE_ANY) continue;
        try_reduce(op, TN_FLOAT, shapes[i], axes, 1);
    }
}

static void types(void **state)
{
    const tn_dtype all[] = {TN_DOUBLE, TN_HALF,  TN_BFLOAT16,  TN_INT8,      TN_INT16,
                            TN_INT32,  TN_INT64, TN_COMPLEX64, TN_COMPLEX128};
    (void)state;
    for (size_t i = 0; i < TN_COUNT(all); i++)
        for (unsigned axes = 0; axes < 4; axes++)
            for (int op = TN_REDUCE_SUM; op <= TN_REDUCE_MIN; op++) {
                if (tn_dtype_is_complex(all[i]) && (op == TN_REDUCE_MAX || op == TN_REDUCE_MIN)) continue;
                if (all[i] == TN_INT8 && op == TN_REDUCE_SUM) continue;
                try_reduce(op, all[i], TN_SHAPE(6, 11), axes, 1);
            }
}

static void with_threads(void **state)
{
    (void)state;
    for (int op = TN_REDUCE_SUM; op <= TN_REDUCE_MIN; op++) {
        try_reduce(op, TN_FLOAT, TN_SHAPE(100000), 1, 2);
        try_reduce(op, TN_FLOAT, TN_SHAPE(300, 300), 1, 2);
        try_reduce(op, TN_FLOAT, TN_SHAPE(300, 300), 2, 2);
        try_reduce(op, TN_FLOAT, TN_SHAPE(9000, 10), 1, 2);
        try_reduce(op, TN_INT32, TN_SHAPE(9000, 10), 1, 2);
        try_reduce(op, TN_FLOAT, TN_SHAPE(40, 50, 60), 5, 2);
    }
}

static void long_sums_are_exact(void **state)
{
    enum { N = 1 << 21 };
    float *x = new_floats(N), sum;
    const bool axis[TN_MAX_RANK] = {true, false};
    tn_reduce_plan p;
    (void)state;
    for (int i = 0; i < N; i++) x[i] = 0.1f;
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_SUM, TN_FLOAT, &TN_SHAPE(N), axis, 1, &p, NULL), TN_OK);
    tn_reduce_run(&p, x, &sum, NULL);
    assert_true(fabs((double)sum / (0.1 * N) - 1) < 1e-6);
    float out[3], y[6] = {1, 2, 3, 4, 5, 6};
    tn_col_sum(y, 2, 3, out, NULL, 2);
    assert_true(out[0] == 5 && out[1] == 7 && out[2] == 9);
    tn_free(x);
}

static void logic_nan_and_none(void **state)
{
    const uint8_t b[] = {1, 1, 0, 1};
    const float x[] = {1, NAN, 3};
    const bool axis[TN_MAX_RANK] = {false, true}, whole[TN_MAX_RANK] = {true};
    uint8_t o[2];
    float f;
    int64_t scratch[4];
    tn_reduce_plan p;
    (void)state;
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_ALL, TN_BOOL, &TN_SHAPE(2, 2), axis, 1, &p, NULL), TN_OK);
    tn_reduce_run(&p, b, o, scratch);
    assert_true(o[0] == 1 && o[1] == 0);
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_ANY, TN_BOOL, &TN_SHAPE(2, 2), axis, 1, &p, NULL), TN_OK);
    tn_reduce_run(&p, b, o, scratch);
    assert_true(o[0] == 1 && o[1] == 1);
    for (int op = TN_REDUCE_MAX; op <= TN_REDUCE_MIN; op++) {
        assert_int_equal(tn_reduce_prepare(op, TN_FLOAT, &TN_SHAPE(3), whole, 1, &p, NULL), TN_OK);
        tn_reduce_run(&p, x, &f, NULL);
        assert_true(isnan(f));
    }
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_MAX, TN_FLOAT, &TN_SHAPE(0), whole, 1, &p, NULL), TN_OK);
    tn_reduce_run(&p, NULL, &f, NULL);
    assert_true(f == -INFINITY);
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_MEAN, TN_FLOAT, &TN_SHAPE(0), whole, 1, &p, NULL), TN_OK);
    tn_reduce_run(&p, NULL, &f, NULL);
    assert_true(isnan(f));
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_SUM, TN_FLOAT, &TN_SHAPE(0, 2), whole, 1, &p, NULL), TN_OK);
    float two[2] = {7, 7};
    tn_reduce_run(&p, NULL, two, NULL);
    assert_true(two[0] == 0 && two[1] == 0);
    assert_int_equal(tn_reduce_prepare(TN_REDUCE_SUM, TN_STRING, &TN_SHAPE(2), whole, 1, &p, NULL),
                     TN_UNIMPLEMENTED);
}

static void softmax_rows(void **state)
{
    enum { R = 7, C = 131 };
    static float x[R * C], o[R * C], labels[R * C], loss[R], grad[R * C], loss2[R], grad2[R * C];
    int64_t index[R];
    numbers r = {6};
    (void)state;
    fill_floats(&r, x, R * C, -30, 30);
    memset(labels, 0, sizeof(labels));
    for (int i = 0; i < R; i++) index[i] = i * 3, labels[i * C + i * 3] = 1;
    FOR_LEVELS(level) for (int log = 0; log < 2; log++)
    {
        assert_int_equal(tn_softmax(TN_FLOAT, log, R, C, x, o, 1, NULL), TN_OK);
        for (int i = 0; i < R; i++) {
            double sum = 0, top = -INFINITY;
            for (int j = 0; j < C; j++) top = fmax(top, (double)x[i * C + j]);
            for (int j = 0; j < C; j++) sum += exp((double)x[i * C + j] - top);
            for (int j = 0; j < C; j++) {
                double v = (double)x[i * C + j] - top;
                assert_true(fabs((double)o[i * C + j] - (log ? v - __builtin_log(sum) : exp(v) / sum)) <
                            1e-5);
            }
        }
        assert_int_equal(tn_softmax_xent(TN_FLOAT, R, C, x, C, labels, C, loss, grad, 1, NULL), TN_OK);
        assert_int_equal(tn_sparse_softmax_xent(TN_FLOAT, R, C, x, TN_INT64, index, loss2, grad2, 1, NULL),
                         TN_OK);
        assert_int_equal(first_far(loss, loss2, R, 1e-6, 1e-6), -1);
        assert_int_equal(first_far(grad, grad2, R * C, 1e-6, 1e-6), -1);
        if (log) assert_true(fabs((double)(loss[2] + o[2 * C + 6])) < 1e-5);
    }
    tn_error err;
    index[3] = C;
    assert_int_equal(tn_sparse_softmax_xent(TN_FLOAT, R, C, x, TN_INT64, index, loss2, grad2, 1, &err),
                     TN_INVALID_ARGUMENT);
    const double dx[] = {1, 2, 3};
    double out[3];
    assert_int_equal(tn_softmax(TN_DOUBLE, false, 1, 3, dx, out, 1, NULL), TN_OK);
    assert_true(fabs(out[2] - 0.66524095577) < 1e-10);
}

static void scans_and_args(void **state)
{
    const int32_t x[] = {1, 2, 3, 4, 5, 6};
    int32_t o[6];
    (void)state;
    assert_int_equal(tn_scan(false, TN_INT32, 2, 3, 1, false, false, x, o, 1, NULL), TN_OK);
    assert_memory_equal(o, ((int32_t[]){1, 3, 6, 4, 9, 15}), sizeof(o));
    assert_int_equal(tn_scan(true, TN_INT32, 1, 3, 2, true, true, x, o, 1, NULL), TN_OK);
    assert_memory_equal(o, ((int32_t[]){15, 24, 5, 6, 1, 1}), sizeof(o));
    const float f[] = {NAN, 1, 3, 3, -1, NAN};
    int64_t at[2];
    assert_int_equal(tn_argreduce(true, TN_FLOAT, TN_INT64, 2, 3, 1, f, at, 1, NULL), TN_OK);
    assert_true(at[0] == 2 && at[1] == 0);
    assert_int_equal(tn_argreduce(false, TN_FLOAT, TN_INT64, 1, 6, 1, f, at, 1, NULL), TN_OK);
    assert_true(at[0] == 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_axes),           cmocka_unit_test(types),
        cmocka_unit_test(with_threads),       cmocka_unit_test(long_sums_are_exact),
        cmocka_unit_test(logic_nan_and_none), cmocka_unit_test(softmax_rows),
        cmocka_unit_test(scans_and_args)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
