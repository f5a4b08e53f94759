/* SPDX-License-Identifier: Apache-2.0
 *
 * test_optimizer.c - every update rule, element by element, against its formula in double; lists, rows,
 * types.
 */
#include "kernel_test.h"

static const tn_opt_params params = {.lr = 0.05,
                                     .momentum = 0.9,
                                     .rho = 0.8,
                                     .epsilon = 1e-3,
                                     .beta1 = 0.9,
                                     .beta2 = 0.99,
                                     .beta1_power = 0.81,
                                     .beta2_power = 0.9801,
                                     .l1 = 0.01,
                                     .l2 = 0.02,
                                     .l2_shrinkage = 0.03,
                                     .lr_power = -0.5,
                                     .update_slots = true,
                                     .global_step = 3};

static double toward_zero(double x, double l)
{
    return fabs(x) > l ? x - copysign(l, x) : 0;
}

static void ftrl(const tn_opt_params *p, double shrink, double *w, double *s, double g)
{
    const double more = s[0] + g * g, r = pow(more, -p->lr_power);
    s[1] += g + 2 * shrink * *w - (r - pow(s[0], -p->lr_power)) / p->lr * *w;
    *w = fabs(s[1]) > (double)p->l1 ? (copysign(p->l1, s[1]) - s[1]) / (r / p->lr + 2 * p->l2) : 0;
    s[0] = more;
}

static void adam(const tn_opt_params *p, bool nesterov, double *w, double *s, double g)
{
    const double alpha = p->lr * sqrt(1 - p->beta2_power) / (1 - p->beta1_power);
    s[0] = p->beta1 * s[0] + (1 - p->beta1) * g;
    s[1] = p->beta2 * s[1] + (1 - p->beta2) * g * g;
    *w -= alpha * (nesterov ? p->beta1 * s[0] + (1 - p->beta1) * g : s[0]) / (sqrt(s[1]) + p->epsilon);
}

static void formula(tn_optimizer o, const tn_opt_params *p, double *w, double *s, double g)
{
    double x;
    switch (o) {
    case TN_OPT_SGD: *w -= p->lr * g; break;
    case TN_OPT_MOMENTUM: s[0] = p->momentum * s[0] + g, *w -= p->lr * s[0]; break;
    case TN_OPT_NESTEROV: s[0] = p->momentum * s[0] + g, *w -= p->lr * (g + p->momentum * s[0]); break;
    case TN_OPT_KERAS_MOMENTUM: s[0] = p->momentum * s[0] - p->lr * g, *w += s[0]; break;
    case TN_OPT_KERAS_NESTEROV:
        s[0] = p->momentum * s[0] - p->lr * g, *w += p->momentum * s[0] - p->lr * g;
        break;
    case TN_OPT_ADAGRAD: s[0] += g * g, *w -= p->lr * g / sqrt(s[0]); break;
    case TN_OPT_ADAGRAD_V2: s[0] += g * g, *w -= p->lr * g / (sqrt(s[0]) + p->epsilon); break;
    case TN_OPT_ADAM: adam(p, false, w, s, g); break;
    case TN_OPT_ADAM_NESTEROV: adam(p, true, w, s, g); break;
    case TN_OPT_ADAMAX:
        s[0] = p->beta1 * s[0] + (1 - p->beta1) * g, s[1] = fmax(p->beta2 * s[1], fabs(g));
        *w -= p->lr / (1 - p->beta1_power) * s[0] / (s[1] + p->epsilon);
        break;
    case TN_OPT_RMSPROP:
        s[0] = p->rho * s[0] + (1 - p->rho) * g * g,
        s[1] = p->momentum * s[1] + p->lr * g / sqrt(s[0] + p->epsilon), *w -= s[1];
        break;
    case TN_OPT_CENTERED_RMSPROP:
        s[1] = p->rho * s[1] + (1 - p->rho) * g * g, s[0] = p->rho * s[0] + (1 - p->rho) * g;
        s[2] = p->momentum * s[2] + p->lr * g / sqrt(s[1] - s[0] * s[0] + p->epsilon), *w -= s[2];
        break;
    case TN_OPT_FTRL: ftrl(p, 0, w, s, g); break;
    case TN_OPT_FTRL_V2: ftrl(p, p->l2_shrinkage, w, s, g); break;
    case TN_OPT_ADADELTA:
        s[0] = p->rho * s[0] + (1 - p->rho) * g * g,
        x = sqrt(s[1] + p->epsilon) / sqrt(s[0] + p->epsilon) * g;
        *w -= p->lr * x, s[1] = p->rho * s[1] + (1 - p->rho) * x * x;
        break;
    case TN_OPT_ADAGRAD_DA:
        s[0] += g, s[1] += g * g, *w = -p->lr * toward_zero(s[0], p->l1 * (double)p->global_step);
        *w /= p->l2 * (double)p->global_step * p->lr + sqrt(s[1]);
        break;
    case TN_OPT_PROXIMAL_SGD: *w = toward_zero(*w - p->lr * g, p->lr * p->l1) / (1 + p->l2 * p->lr); break;
    case TN_OPT_PROXIMAL_ADAGRAD:
        s[0] += g * g, x = p->lr / sqrt(s[0]);
        *w = toward_zero(*w - x * g, x * p->l1) / (1 + p->l2 * x);
        break;
    default: fail_msg("no formula for %d", (int)o);
    }
}

enum { N = 133 };

static void try_rule(tn_optimizer o, const tn_opt_params *p)
{
    float w[N], g[N], s[3][N];
    double dw[N], dg[N], ds[3][N];
    numbers r = {(uint64_t)o + 1};
    fill_floats(&r, w, N, -1, 1), fill_floats(&r, g, N, -1, 1);
    for (int k = 0; k < 3; k++) fill_floats(&r, s[k], N, 0.6f, 1);
    if (o == TN_OPT_CENTERED_RMSPROP) fill_floats(&r, s[0], N, -0.3f, 0.3f);
    for (int i = 0; i < N; i++)
        dw[i] = (double)w[i], dg[i] = (double)g[i], ds[0][i] = (double)s[0][i], ds[1][i] = (double)s[1][i],
        ds[2][i] = (double)s[2][i];
    const tn_opt_entry e = {w, {s[0], s[1], s[2]}, g, N, p}, d = {dw, {ds[0], ds[1], ds[2]}, dg, N, p};
    double want[N][4];
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 3; k++) want[i][k] = ds[k][i];
        want[i][3] = dw[i];
        formula(o, p, &want[i][3], want[i], dg[i]);
    }
    assert_int_equal(tn_optimizer_run(o, TN_FLOAT, &e, 1, 1, NULL), TN_OK);
    assert_int_equal(tn_optimizer_run(o, TN_DOUBLE, &d, 1, 1, NULL), TN_OK);
    for (int i = 0; i < N; i++) {
        assert_true(fabs(want[i][3] - (double)w[i]) < 3e-5 && fabs(want[i][3] - dw[i]) < 1e-12);
        for (int k = 0; k < tn_opt_slots(o); k++)
            assert_true(fabs(want[i][k] - (double)s[k][i]) < 3e-5 && fabs(want[i][k] - ds[k][i]) < 1e-11);
    }
}

static void rules(void **state)
{
    tn_opt_params power = params;
    (void)state;
    power.lr_power = -0.7;
    FOR_LEVELS(level)
    {
        for (int o = 0; o < TN_OPT_COUNT; o++) try_rule(o, &params);
        try_rule(TN_OPT_FTRL, &power);
    }
}

static void lists_and_threads(void **state)
{
    enum { A = 70000, B = 3, C = 5001 };
    static float w[2][A + B + C], m[2][A + B + C], v[2][A + B + C], g[A + B + C];
    numbers r = {3};
    (void)state;
    fill_floats(&r, g, A + B + C, -1, 1);
    for (int t = 0; t < 2; t++) {
        float *x = w[t], *y = m[t], *z = v[t];
        const tn_opt_entry list[] = {{x, {y, z}, g, A, &params},
                                     {x + A, {y + A, z + A}, g + A, B, &params},
                                     {x + A + B, {y + A + B, z + A + B}, g + A + B, C, &params}};
        assert_int_equal(tn_optimizer_run(TN_OPT_ADAM, TN_FLOAT, list, 3, t + 1, NULL), TN_OK);
    }
    assert_memory_equal(w[0], w[1], sizeof(w[0]));
    assert_memory_equal(v[0], v[1], sizeof(v[0]));
    assert_true(w[0][A + B + C - 1] != 0);
    assert_int_equal(tn_optimizer_run(TN_OPT_ADAM, TN_FLOAT, NULL, 0, 2, NULL), TN_OK);
}

static void rows(void **state)
{
    float w[6] = {1, 1, 1, 1, 1, 1};
    const float g[4] = {1, 2, 3, 4};
    const int64_t at[] = {2, 2}, bad[] = {0, 3};
    const tn_opt_params p = {.lr = 1};
    const tn_opt_entry e = {w, {NULL}, g, 6, &p};
    tn_error err;
    (void)state;
    assert_int_equal(tn_optimizer_sparse(TN_OPT_SGD, TN_FLOAT, &e, 3, 2, 2, TN_INT64, at, NULL), TN_OK);
    assert_memory_equal(w, ((float[]){1, 1, 1, 1, -3, -5}), sizeof(w));
    assert_int_equal(tn_optimizer_sparse(TN_OPT_SGD, TN_FLOAT, &e, 3, 2, 2, TN_INT64, bad, &err),
                     TN_INVALID_ARGUMENT);
    assert_true(w[0] == 1);
    uint16_t h[600], hg[600];
    for (int i = 0; i < 600; i++) h[i] = tn_float_to_half(1), hg[i] = tn_float_to_half(0.5f);
    const tn_opt_entry he = {h, {NULL}, hg, 600, &p};
    assert_int_equal(tn_optimizer_run(TN_OPT_SGD, TN_HALF, &he, 1, 1, NULL), TN_OK);
    assert_true(tn_half_to_float(h[0]) == 0.5f && tn_half_to_float(h[599]) == 0.5f);
    assert_int_equal(tn_optimizer_run(TN_OPT_SGD, TN_INT32, &he, 1, 1, &err), TN_UNIMPLEMENTED);
}

/* Numbers without imaginary parts give what the real ones give; with them a square is a complex one, not a length. */
static void complex_numbers(void **state)
{
    enum { M = 7 };
    (void)state;
    for (int o = 0; o < TN_OPT_COUNT; o++) {
        double w[M], g[M], s[3][M], cw[2 * M] = {0}, cg[2 * M] = {0}, cs[3][2 * M] = {{0}};
        for (int i = 0; i < M; i++) {
            w[i] = cw[2 * i] = 0.1 * i - 0.3, g[i] = cg[2 * i] = 0.5 - 0.2 * i;
            for (int k = 0; k < 3; k++) s[k][i] = cs[k][2 * i] = k ? 0.7 + 0.1 * i : 0.2;
        }
        const tn_opt_entry e = {w, {s[0], s[1], s[2]}, g, M, &params}, c = {cw, {cs[0], cs[1], cs[2]}, cg, M, &params};
        assert_int_equal(tn_optimizer_run(o, TN_DOUBLE, &e, 1, 1, NULL), TN_OK);
        if (tn_optimizer_run(o, TN_COMPLEX128, &c, 1, 1, NULL) == TN_UNIMPLEMENTED) {
            assert_true(o == TN_OPT_FTRL || o == TN_OPT_FTRL_V2 || o == TN_OPT_ADAGRAD_DA || o == TN_OPT_ADAMAX ||
                        o == TN_OPT_PROXIMAL_SGD || o == TN_OPT_PROXIMAL_ADAGRAD);
            continue;
        }
        for (int i = 0; i < M; i++) {
            assert_true(fabs(w[i] - cw[2 * i]) < 1e-12 && fabs(cw[2 * i + 1]) < 1e-12);
            for (int k = 0; k < 3; k++) assert_true(fabs(s[k][i] - cs[k][2 * i]) < 1e-12);
        }
    }
    float w[] = {1, 2, 1, 2}, s[] = {0, 0, 0, 0};
    const float g[] = {0, 3};
    const int32_t at[] = {1};
    const tn_opt_params p = {.lr = __builtin_complex(0.0, 1.0), .update_slots = true};
    const tn_opt_entry e = {w, {s}, g, 2, &p};
    assert_int_equal(tn_optimizer_sparse(TN_OPT_ADAGRAD, TN_COMPLEX64, &e, 2, 1, 1, TN_INT32, at, NULL), TN_OK);
    assert_true(s[0] == 0 && s[2] == -9 && w[0] == 1 && w[2] == 1 && w[3] == 1); /* 3i / sqrt(-9) = 1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules), cmocka_unit_test(lists_and_threads),
                                       cmocka_unit_test(rows), cmocka_unit_test(complex_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
