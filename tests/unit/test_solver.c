/* SPDX-License-Identifier: Apache-2.0
 *
 * test_solver.c - optimizers: steps against their formulas, slots under TensorFlow's names, sparse gradients.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn_test.h"

/* loss = 3 w, w = 2 to begin with: the gradient is 3 in every step. */
static void minimized(fixture *f, tn_solver (*make)(tn_node), tn_solver *given, unsigned flags)
{
    *f = begin();
    tn_node w = tn_get_variable(f->b, "w", TN_FLOAT, TN_SHAPE(1),
                                (tn_initializer){.kind = TN_INIT_CONSTANT, .a = 2}, flags);
    tn_node loss = tn_reduce_sum(f->b, tn_scale(f->b, w, 3), NULL, 0, false),
            rate = tn_constant_rate(f->b, 0.1);
    tn_solver o = given ? *given : make(rate);
    if (given) o.learning_rate = rate;
    tn_minimize(f->b, o, loss, tn_global_step(f->b));
    ready(f);
}

static void sgd(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_sgd, NULL, 0);
    target(&f, "GradientDescent");
    target(&f, "GradientDescent");
    assert_variable(&f, "w", 2 - 2 * 0.3, 1e-6);
    assert_variable(&f, "global_step", 2, 0);
    end(&f);
}

static void references_work_as_well(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_adam, NULL, TN_VAR_REF);
    assert_string_equal(tn_operation_type(tn_graph_operation(f.g, "w/Adam")), "VariableV2");
    target(&f, "Adam");
    assert_variable(&f, "w", 1.9, 1e-5);
    end(&f);
}

static void adam(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_adam, NULL, 0);
    static const char *const names[] = {"w/Adam", "w/Adam_1", "beta1_power", "beta2_power"};
    for (size_t i = 0; i < TN_COUNT(names); i++) assert_non_null(tn_graph_variable(f.g, names[i]));
    assert_string_equal(tn_operation_type(tn_graph_operation(f.g, "Adam/update_w/ResourceApplyAdam")),
                        "ResourceApplyAdam");
    target(&f, "Adam");
    target(&f, "Adam");
    double m = 0, v = 0, w = 2;
    for (int t = 1; t <= 2; t++) {
        m = 0.9 * m + 0.1 * 3;
        v = 0.999 * v + 0.001 * 9;
        w -= 0.1 * sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t)) * m / (sqrt(v) + 1e-8);
    }
    assert_variable(&f, "w", w, 1e-5);
    assert_variable(&f, "w/Adam", m, 1e-6);
    assert_variable(&f, "w/Adam_1", v, 1e-6);
    assert_variable(&f, "beta1_power", 0.729, 1e-6);
    end(&f);
}

static void momentum(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, NULL, &(tn_solver){.kind = TN_MOMENTUM, .momentum = 0.9}, 0);
    target(&f, "Momentum");
    target(&f, "Momentum");
    assert_variable(&f, "w", 2 - 0.3 - 0.1 * (2.7 + 3), 1e-6);
    assert_variable(&f, "w/Momentum", 5.7, 1e-6);
    end(&f);
    minimized(&f, NULL, &(tn_solver){.kind = TN_MOMENTUM, .momentum = 0.9, .nesterov = true}, 0);
    target(&f, "Momentum");
    assert_variable(&f, "w", 2 - 0.1 * (3 + 0.9 * 3), 1e-6);
    end(&f);
}

static void nesterov(void **state)
{
    (void)state;
    fixture f;
    tn_solver o = tn_nesterov(TN_NONE, 0.9);
    minimized(&f, NULL, &o, 0);
    target(&f, "Momentum");
    assert_variable(&f, "w", 2 - 0.3 - 0.27, 1e-6); /* rate * gradient + rate * momentum * accumulator */
    target(&f, "Momentum");
    assert_variable(&f, "w/Momentum", 5.7, 1e-6);
    assert_variable(&f, "w", 1.43 - 0.3 - 0.513, 1e-6);
    end(&f);
}

static void adagrad(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_adagrad, NULL, 0);
    target(&f, "Adagrad");
    assert_variable(&f, "w", 2 - 0.1 * 3 / sqrt(9.1), 1e-6);
    assert_variable(&f, "w/Adagrad", 9.1, 1e-6);
    end(&f);
}

static void rmsprop(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, NULL, &(tn_solver){.kind = TN_RMSPROP, .rho = 0.9, .epsilon = 1e-10}, 0);
    target(&f, "RMSProp");
    assert_variable(&f, "w/RMSProp", 0.9 + 0.9, 1e-6);
    assert_variable(&f, "w", 2 - 0.1 * 3 / sqrt(1.8), 1e-6);
    assert_non_null(tn_graph_variable(f.g, "w/RMSProp_1"));
    end(&f);
}

static void adadelta(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_adadelta, NULL, 0);
    target(&f, "Adadelta");
    double accumulated = 0.05 * 9, update = sqrt(1e-8) / sqrt(accumulated + 1e-8) * 3;
    assert_variable(&f, "w/Adadelta", accumulated, 1e-6);
    assert_variable(&f, "w/Adadelta_1", 0.05 * update * update, 1e-9);
    assert_variable(&f, "w", 2 - 0.1 * update, 1e-6);
    end(&f);
}

static void ftrl(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, tn_ftrl, NULL, 0);
    target(&f, "Ftrl");
    double n = 0.1 + 9, sigma = (sqrt(n) - sqrt(0.1)) / 0.1, linear = 3 - sigma * 2;
    assert_variable(&f, "w/Ftrl", n, 1e-5);
    assert_variable(&f, "w/Ftrl_1", linear, 1e-3);
    assert_variable(&f, "w", -linear / (sqrt(n) / 0.1), 1e-5);
    end(&f);
}

static void gradients_are_clipped_by_their_global_norm(void **state)
{
    (void)state;
    fixture f;
    minimized(&f, NULL, &(tn_solver){.kind = TN_SGD, .clip_global_norm = 0.5}, 0);
    target(&f, "GradientDescent");
    assert_variable(&f, "w", 2 - 0.05, 1e-6);
    end(&f);
}

/* Rows 1, 1 and 2 of a table of 4: row 1 gets the sum of two gradients. */
static void embedded(fixture *f, tn_solver o)
{
    tn_tensor *t;
    *f = begin();
    assert_int_equal(tn_tensor_of(TN_INT32, &TN_SHAPE(3), (int32_t[]){1, 1, 2}, &t, NULL), TN_OK);
    tn_node ids = tn_constant(f->b, "ids", t);
    tn_tensor_unref(t);
    tn_node e = tn_embedding(f->b, "table", ids, 4, 2);
    o.learning_rate = tn_constant_rate(f->b, 0.1);
    tn_minimize(f->b, o, tn_reduce_sum(f->b, e, NULL, 0, false), TN_NONE);
    ready(f);
}

static void row(const fixture *f, float *out)
{
    tn_tensor *t;
    assert_int_equal(tn_session_get(f->s, "table/embeddings", &t, NULL), TN_OK);
    memcpy(out, t->data, 8 * sizeof *out);
    tn_tensor_unref(t);
}

static void slices_change_their_rows_only(void **state)
{
    (void)state;
    fixture f;
    float before[8], after[8];
    embedded(&f, (tn_solver){.kind = TN_SGD});
    row(&f, before);
    target(&f, "GradientDescent");
    row(&f, after);
    const double change[] = {0, 0.2, 0.1, 0};
    for (int i = 0; i < 8; i++) assert_true(fabs(before[i] - after[i] - change[i / 2]) < 1e-6);
    end(&f);
}

static void sparse_adam_is_tensorflows(void **state)
{
    (void)state;
    fixture f;
    float before[8], after[8];
    embedded(&f, (tn_solver){.kind = TN_ADAM, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8});
    row(&f, before);
    target(&f, "Adam");
    target(&f, "Adam");
    row(&f, after);
    for (int i = 0; i < 8; i++) {
        double g = (const double[]){0, 2, 1, 0}[i / 2], m = 0, v = 0, w = before[i];
        for (int t = 1; t <= 2; t++) {
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            w -= 0.1 * sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t)) * m / (sqrt(v) + 1e-8);
        }
        assert_true(fabs(after[i] - w) < 1e-4);
    }
    end(&f);
}

static void every_optimizer_takes_slices(void **state)
{
    (void)state;
    static const char *const names[] = {[TN_MOMENTUM] = "Momentum",
                                        [TN_ADAGRAD] = "Adagrad",
                                        [TN_ADADELTA] = "Adadelta",
                                        [TN_RMSPROP] = "RMSProp",
                                        [TN_FTRL] = "Ftrl"};
    for (size_t k = 0; k < TN_COUNT(names); k++) {
        fixture f;
        float before[8], after[8];
        if (!names[k]) continue;
        embedded(&f, (tn_solver){.kind = (tn_solver_kind)k,
                                 .momentum = 0.9,
                                 .rho = 0.9,
                                 .epsilon = 1e-8,
                                 .initial_accumulator = 0.1,
                                 .learning_rate_power = -0.5});
        row(&f, before);
        target(&f, names[k]);
        row(&f, after);
        assert_true(before[0] == after[0] && before[7] == after[7]);
        assert_true(before[2] > after[2] && before[4] > after[4]);
        end(&f);
    }
}

static void a_loss_without_variables_is_refused(void **state)
{
    (void)state;
    fixture f = begin();
    tn_error err;
    tn_get_variable(f.b, "w", TN_FLOAT, TN_SHAPE(1), (tn_initializer){.kind = TN_INIT_ZEROS}, 0);
    tn_minimize(f.b, tn_sgd(tn_constant_rate(f.b, 0.1)), tn_scalar(f.b, TN_FLOAT, 1), TN_NONE);
    assert_int_equal(tn_builder_check(f.b, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "depends on no trainable variable"));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd),
        cmocka_unit_test(references_work_as_well),
        cmocka_unit_test(adam),
        cmocka_unit_test(momentum),
        cmocka_unit_test(nesterov),
        cmocka_unit_test(adagrad),
        cmocka_unit_test(rmsprop),
        cmocka_unit_test(adadelta),
        cmocka_unit_test(ftrl),
        cmocka_unit_test(gradients_are_clipped_by_their_global_norm),
        cmocka_unit_test(slices_change_their_rows_only),
        cmocka_unit_test(sparse_adam_is_tensorflows),
        cmocka_unit_test(every_optimizer_takes_slices),
        cmocka_unit_test(a_loss_without_variables_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
