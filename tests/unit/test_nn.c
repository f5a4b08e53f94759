/* SPDX-License-Identifier: Apache-2.0
 *
 * test_nn.c - layers, losses and rates against formulas worked out here; names as TensorFlow gives them.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn_test.h"

/* ==== layers ==== */

static void a_dense_layer_has_tensorflows_names(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(2, 3), (float[]){1, 2, 3, 4, 5, 6});
    tn_dense_options o = {
        .units = 2, .kernel = {.kind = TN_INIT_CONSTANT, .a = 0.5}, .bias = {.kind = TN_INIT_ONES}};
    tn_node y = tn_dense_with(f.b, "hidden", x, &o);
    run(&f, &y, 1);
    assert_value(&f, 0, (float[]){4, 4, 8.5f, 8.5f}, 4, 1e-6);
    assert_non_null(tn_graph_variable(f.g, "hidden/kernel"));
    assert_non_null(tn_graph_variable(f.g, "hidden/bias"));
    assert_non_null(tn_graph_operation(f.g, "hidden/BiasAdd"));
    end(&f);
}

static void dense_works_on_the_last_axis(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(1, 2, 2), (float[]){1, 2, 3, 4});
    tn_node y = tn_dense_with(
        f.b, "d", x, &(tn_dense_options){.units = 3, .kernel = {.kind = TN_INIT_ONES}, .no_bias = true});
    tn_shape s = tn_node_shape(y);
    assert_true(tn_shape_equal(&s, &TN_SHAPE(1, 2, 3)));
    run(&f, &y, 1);
    assert_value(&f, 0, (float[]){3, 3, 3, 7, 7, 7}, 6, 1e-6);
    end(&f);
}

static void two_layers_of_one_name_are_refused(void **state)
{
    (void)state;
    fixture f = begin();
    tn_error err;
    tn_node x = floats(&f, TN_SHAPE(1, 1), (float[]){1});
    tn_dense(f.b, "d", x, 1, TN_LINEAR);
    tn_dense(f.b, "d", x, 1, TN_LINEAR);
    assert_int_equal(tn_builder_check(f.b, &err), TN_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "d/kernel"));
    end(&f);
}

static void reuse_shares_the_variables(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(1, 2), (float[]){1, 2}), y[2];
    y[0] = tn_dense(f.b, "d", x, 3, TN_TANH);
    tn_builder_set_reuse(f.b, TN_REUSE);
    y[1] = tn_dense(f.b, "d", x, 3, TN_TANH);
    run(&f, y, 2);
    assert_true(tn_tensor_equal(f.out[0], f.out[1]));
    assert_int_equal(tn_graph_variable_count(f.g), 2);
    end(&f);
}

static void a_convolution_sums_its_window(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(1, 3, 3, 1), (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9}), y[3];
    tn_initializer ones = {.kind = TN_INIT_ONES};
    y[0] = tn_conv2d_with(f.b, "valid", x,
                          &(tn_conv2d_options){.filters = 1, .size = {2}, .kernel = ones, .bias = ones});
    y[1] = tn_conv2d_with(
        f.b, "same", x,
        &(tn_conv2d_options){.filters = 1, .size = {3}, .padding = TN_SAME, .stride = {2}, .kernel = ones});
    y[2] = tn_flatten(f.b, tn_max_pool(f.b, x, 2, 1, TN_VALID));
    run(&f, y, 3);
    assert_value(&f, 0, (float[]){13, 17, 25, 29}, 4, 1e-5);
    assert_value(&f, 1, (float[]){12, 16, 24, 28}, 4, 1e-5);
    assert_value(&f, 2, (float[]){5, 6, 8, 9}, 4, 0);
    end(&f);
}

static void dropout_keeps_its_share_in_training_only(void **state)
{
    (void)state;
    fixture f = begin();
    static float ones[10000];
    for (int i = 0; i < 10000; i++) ones[i] = 1;
    tn_set_random_seed(f.b, 3);
    tn_node x = floats(&f, TN_SHAPE(100, 100), ones), y = tn_dropout(f.b, TN_TRAINING, x, 0.25);
    assert_ptr_equal(tn_dropout(f.b, TN_EVALUATION, x, 0.25).op, x.op);
    run(&f, &y, 1);
    int kept = 0;
    for (int i = 0; i < 10000; i++) {
        float v = TN_FLOATS(f.out[0])[i];
        assert_true(v == 0 || fabsf(v - 1 / 0.75f) < 1e-6f);
        kept += v != 0;
    }
    assert_in_range(kept, 7300, 7700);
    end(&f);
}

static void batch_normalization_moves_its_averages(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(4, 1), (float[]){1, 2, 3, 6});
    tn_node y = tn_batch_normalization(f.b, "bn", TN_TRAINING, x, 0.9, 1e-3);
    assert_int_equal(tn_collection_count(f.g, TN_UPDATE_OPS), 2);
    tn_operation *updates[2];
    for (int i = 0; i < 2; i++) updates[i] = tn_graph_operation(f.g, tn_collection_at(f.g, TN_UPDATE_OPS, i));
    tn_group(f.b, "updates", 2, updates);
    run(&f, &y, 1);
    float sd = sqrtf(3.5f + 1e-3f);
    assert_value(&f, 0, (float[]){-2 / sd, -1 / sd, 0, 3 / sd}, 4, 1e-5);
    target(&f, "updates");
    assert_variable(&f, "bn/moving_mean", 0.3, 1e-6);
    assert_variable(&f, "bn/moving_variance", 0.9 + 0.1 * 14 / 3,
                    1e-5); /* unbiased, as TensorFlow's fused operation */
    end(&f);
}

static void penalties_are_counted_once(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(1, 2), (float[]){1, 1});
    tn_dense_options o = {.units = 2, .kernel = {.kind = TN_INIT_CONSTANT, .a = -3}, .l1 = 0.1, .l2 = 0.01};
    tn_dense_with(f.b, "d", x, &o);
    tn_builder_set_reuse(f.b, TN_REUSE);
    tn_dense_with(f.b, "d", x, &o);
    tn_node loss = tn_regularization_loss(f.b);
    run(&f, &loss, 1);
    assert_value(&f, 0, (float[]){0.1f * 12 + 0.01f * 36 / 2}, 1, 1e-5);
    end(&f);
}

static void mistakes_name_the_layer(void **state)
{
    (void)state;
    fixture f = begin();
    tn_error err;
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, -1));
    tn_node y = tn_dense(f.b, "first", x, 3, TN_RELU);
    tn_dense(f.b, "second", y, 3, TN_RELU);
    assert_int_equal(tn_builder_check(f.b, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "first"));
    end(&f);
}

/* ==== initial values ==== */

static void initial_values_have_their_spread(void **state)
{
    (void)state;
    fixture f = begin();
    tn_set_random_seed(f.b, 7);
    tn_shape s = TN_SHAPE(300, 100);
    tn_node v[] = {tn_initial_value(f.b, (tn_initializer){.kind = TN_INIT_GLOROT_UNIFORM}, TN_FLOAT, s),
                   tn_initial_value(f.b, (tn_initializer){.kind = TN_INIT_HE_NORMAL}, TN_FLOAT, s),
                   tn_initial_value(f.b, (tn_initializer){.kind = TN_INIT_TRUNCATED_NORMAL, .a = 1, .b = 0.1},
                                    TN_FLOAT, s)};
    run(&f, v, 3);
    const double mean[] = {0, 0, 1}, sd[] = {sqrt(2.0 / 400), sqrt(2.0 / 300), 0.08796},
                 most[] = {sqrt(6.0 / 400), 2 * sqrt(2.0 / 300) / 0.8796, 1.2};
    for (int k = 0; k < 3; k++) {
        double sum = 0, squares = 0;
        for (int i = 0; i < 30000; i++) {
            double x = TN_FLOATS(f.out[k])[i];
            sum += x;
            squares += (x - mean[k]) * (x - mean[k]);
            assert_true(fabs(x) <= most[k] * 1.0001);
        }
        assert_true(fabs(sum / 30000 - mean[k]) < 0.003);
        assert_true(fabs(sqrt(squares / 30000) / sd[k] - 1) < 0.02);
    }
    end(&f);
}

/* ==== losses ==== */

static void losses_are_tensorflows(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node y = floats(&f, TN_SHAPE(2, 2), (float[]){0, 1, 1, 0}),
            p = floats(&f, TN_SHAPE(2, 2), (float[]){0.5f, -1, 3, 0.25f});
    tn_node w = floats(&f, TN_SHAPE(2, 1), (float[]){2, 0}),
            ids = tn_cast_to(f.b, floats(&f, TN_SHAPE(2), (float[]){1, 0}), TN_UINT8);
    tn_node losses[] = {tn_mean_squared_error(f.b, y, p, TN_NONE),
                        tn_mean_squared_error(f.b, y, p, w),
                        tn_absolute_difference(f.b, y, p, TN_NONE),
                        tn_huber_loss(f.b, y, p, 1, TN_NONE),
                        tn_sigmoid_cross_entropy(f.b, y, p, TN_NONE),
                        tn_softmax_cross_entropy(f.b, y, p, TN_NONE),
                        tn_sparse_softmax_cross_entropy(f.b, ids, p, TN_NONE),
                        tn_cosine_distance(f.b, y, p, 1, TN_NONE)};
    run(&f, losses, 8);
    const float x[] = {0.5f, -1, 3, 0.25f}, z[] = {0, 1, 1, 0};
    double sigmoid = 0, softmax = (log(exp(0.5) + exp(-1)) + 1 + log(exp(3) + exp(0.25)) - 3) / 2;
    for (int i = 0; i < 4; i++) sigmoid += (fmax(x[i], 0) - x[i] * z[i] + log1p(exp(-fabs(x[i])))) / 4;
    const double want[] = {(0.25 + 4 + 4 + 0.0625) / 4,
                           2 * (0.25 + 4) / 2,
                           (0.5 + 2 + 2 + 0.25) / 4,
                           (0.125 + 1.5 + 1.5 + 0.03125) / 4,
                           sigmoid,
                           softmax,
                           softmax,
                           (1 + 1 + 1 - 3) / 2.0};
    for (int i = 0; i < 8; i++) assert_true(fabs(TN_FLOATS(f.out[i])[0] - want[i]) < 1e-5);
    assert_int_equal(tn_collection_count(f.g, TN_LOSSES), 8);
    end(&f);
}

static void shapes_that_would_broadcast_are_refused(void **state)
{
    (void)state;
    fixture f = begin();
    tn_error err;
    tn_mean_squared_error(f.b, tn_placeholder(f.b, "y", TN_FLOAT, TN_SHAPE(-1)),
                          tn_placeholder(f.b, "p", TN_FLOAT, TN_SHAPE(-1, 1)), TN_NONE);
    assert_int_equal(tn_builder_check(f.b, &err), TN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "labels of shape [?], predictions of shape [?,1]"));
    end(&f);
}

/* ==== metrics ==== */

static void a_metric_is_two_sums(void **state)
{
    (void)state;
    fixture f = begin();
    tn_values out = tn_values_of(f.b);
    tn_node labels = tn_ints(f.b, (int64_t[]){1, 0, 3, 0}, 4), y = floats(&f, TN_SHAPE(4), (float[]){2, 0, 0, -1}), sums[14];
    tn_metric_mse(&out, "mse", labels, y);
    tn_metric_rmse(&out, "rmse", labels, y);
    tn_metric_mae(&out, "mae", labels, y);
    tn_metric_precision(&out, "precision", labels, y);
    tn_metric_recall(&out, "recall", labels, tn_cast_to(f.b, y, TN_BOOL));
    tn_metric_accuracy(&out, "accuracy", tn_reshape(f.b, labels, TN_SHAPE(4, 1)), y);
    tn_metric_mean(&out, "mean", y);
    assert_int_equal(out.n, 7);
    for (int i = 0; i < 7; i++) sums[2 * i] = out.v[i].node, sums[2 * i + 1] = out.v[i].count;
    assert_true(out.v[1].root && !out.v[0].root);
    run(&f, sums, 14);
    const float want[] = {11, 4, 11, 4, 5, 4, 1, 2, 1, 2, 1, 4, 1, 4};
    for (int i = 0; i < 14; i++) assert_value(&f, i, &want[i], 1, 0);
    end(&f);
}

static void metrics_do_not_broadcast(void **state)
{
    (void)state;
    static void (*const metrics[])(tn_outputs *, const char *, tn_node, tn_node) = {tn_metric_mse, tn_metric_mae, tn_metric_recall};
    for (size_t i = 0; i < TN_COUNT(metrics); i++) {
        fixture f = begin();
        tn_error err;
        tn_values out = tn_values_of(f.b);
        metrics[i](&out, "m", tn_placeholder(f.b, "y", TN_FLOAT, TN_SHAPE(-1)), tn_placeholder(f.b, "p", TN_FLOAT, TN_SHAPE(-1, 1)));
        assert_int_equal(tn_builder_check(f.b, &err), TN_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "m: labels of shape [?], predictions of shape [?,1]"));
        end(&f);
    }
}

/* ==== short forms ==== */

static void short_forms_are_operators(void **state)
{
    (void)state;
    fixture f = begin();
    tn_builder *b = f.b;
    tn_node x = floats(&f, TN_SHAPE(2), (float[]){3, -4}), y = floats(&f, TN_SHAPE(2), (float[]){1, 4});
    tn_node parts[] = {x, y};
    tn_node all[] = {tn_add(b, x, y), tn_div(b, x, y), tn_neg(b, x), tn_abs(b, x), tn_sqrt(b, y), tn_exp(b, tn_sub(b, x, x)),
                     tn_join(b, parts, 2, -1), tn_one_hot(b, tn_ints(b, (int64_t[]){1}, 1), 3), tn_l2_normalize(b, x, 0),
                     tn_global_norm(b, (tn_node[]){x, floats(&f, TN_SHAPE(1), (float[]){12})}, 2)};
    run(&f, all, 10);
    assert_value(&f, 0, (float[]){4, 0}, 2, 0);
    assert_value(&f, 1, (float[]){3, -1}, 2, 0);
    assert_value(&f, 2, (float[]){-3, 4}, 2, 0);
    assert_value(&f, 3, (float[]){3, 4}, 2, 0);
    assert_value(&f, 4, (float[]){1, 2}, 2, 0);
    assert_value(&f, 5, (float[]){1, 1}, 2, 0);
    assert_value(&f, 6, (float[]){3, -4, 1, 4}, 4, 0);
    assert_value(&f, 7, (float[]){0, 1, 0}, 3, 0);
    assert_value(&f, 8, (float[]){0.6f, -0.8f}, 2, 1e-6);
    assert_value(&f, 9, (float[]){13}, 1, 1e-5);
    end(&f);
}

static void pools_take_means(void **state)
{
    (void)state;
    float v[16];
    fixture f = begin();
    for (int i = 0; i < 16; i++) v[i] = (float)i + 1;
    tn_node x = floats(&f, TN_SHAPE(1, 4, 4, 1), v);
    tn_node all[] = {tn_avg_pool(f.b, x, 2, 2, TN_VALID), tn_max_pool(f.b, x, 3, 2, TN_SAME), tn_global_avg_pool(f.b, x)};
    run(&f, all, 3);
    assert_value(&f, 0, (float[]){3.5f, 5.5f, 11.5f, 13.5f}, 4, 0);
    assert_value(&f, 1, (float[]){11, 12, 15, 16}, 4, 0);
    assert_value(&f, 2, (float[]){8.5f}, 1, 0);
    assert_int_equal(f.out[2]->shape.rank, 2);
    end(&f);
}

/* ==== rates, clipping ==== */

static void rates_follow_the_step(void **state)
{
    (void)state;
    fixture f = begin();
    int64_t at = 30;
    tn_tensor *t;
    assert_int_equal(tn_tensor_of(TN_INT64, &TN_SHAPE(), &at, &t, NULL), TN_OK);
    tn_node s = tn_constant(f.b, "step", t);
    tn_tensor_unref(t);
    tn_node r[] = {tn_exponential_decay(f.b, 0.1, s, 20, 0.5, false),
                   tn_exponential_decay(f.b, 0.1, s, 20, 0.5, true),
                   tn_natural_exp_decay(f.b, 0.1, s, 20, 0.5, false),
                   tn_inverse_time_decay(f.b, 0.1, s, 20, 0.5, false),
                   tn_polynomial_decay(f.b, 0.1, s, 40, 0.02, 2, false),
                   tn_polynomial_decay(f.b, 0.1, s, 20, 0.02, 1, true),
                   tn_cosine_decay(f.b, 0.1, s, 40, 0.1),
                   tn_piecewise_constant(f.b, s, (int64_t[]){10, 30}, (double[]){3, 2, 1}, 2)};
    run(&f, r, 8);
    const double want[] = {0.1 * pow(0.5, 1.5),
                           0.05,
                           0.1 * exp(-0.75),
                           0.1 / 1.75,
                           0.08 / 16 + 0.02,
                           0.08 * 0.25 + 0.02,
                           0.1 * (0.9 * 0.5 * (1 + cos(M_PI * 0.75)) + 0.1),
                           2};
    for (int i = 0; i < 8; i++) assert_true(fabs(TN_FLOATS(f.out[i])[0] - want[i]) < 1e-6);
    end(&f);
}

static void norms_are_clipped(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = floats(&f, TN_SHAPE(2), (float[]){3, 4}),
            both[2] = {x, floats(&f, TN_SHAPE(1), (float[]){12})};
    tn_node y[] = {tn_clip_by_value(f.b, x, -1, 3.5), tn_clip_by_norm(f.b, x, 1), tn_clip_by_norm(f.b, x, 10),
                   TN_NONE, TN_NONE};
    tn_clip_by_global_norm(f.b, both, 2, 1.3);
    y[3] = both[0];
    y[4] = both[1];
    run(&f, y, 5);
    assert_value(&f, 0, (float[]){3, 3.5f}, 2, 0);
    assert_value(&f, 1, (float[]){0.6f, 0.8f}, 2, 1e-6);
    assert_value(&f, 2, (float[]){3, 4}, 2, 1e-6);
    assert_value(&f, 3, (float[]){0.3f, 0.4f}, 2, 1e-6);
    assert_value(&f, 4, (float[]){1.2f}, 1, 1e-6);
    end(&f);
}

static void a_summary_counts_parameters(void **state)
{
    (void)state;
    fixture f = begin();
    tn_node x = tn_placeholder(f.b, "x", TN_FLOAT, TN_SHAPE(-1, 8, 8, 1));
    x = tn_flatten(f.b, tn_conv2d(f.b, "conv", x, 4, 3, TN_RELU));
    tn_dense(f.b, "out", x, 10, TN_LINEAR);
    assert_int_equal(tn_builder_check(f.b, NULL), TN_OK);
    char *text = tn_model_summary(f.g);
    assert_non_null(strstr(text, "conv2d"));
    assert_non_null(strstr(text, "[?,6,6,4]"));
    assert_non_null(strstr(text, "1450")); /* 144 * 10 + 10 */
    assert_non_null(strstr(text, "1490"));
    tn_text_free(text);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_layer_has_tensorflows_names),
        cmocka_unit_test(dense_works_on_the_last_axis),
        cmocka_unit_test(two_layers_of_one_name_are_refused),
        cmocka_unit_test(reuse_shares_the_variables),
        cmocka_unit_test(a_convolution_sums_its_window),
        cmocka_unit_test(dropout_keeps_its_share_in_training_only),
        cmocka_unit_test(batch_normalization_moves_its_averages),
        cmocka_unit_test(penalties_are_counted_once),
        cmocka_unit_test(mistakes_name_the_layer),
        cmocka_unit_test(initial_values_have_their_spread),
        cmocka_unit_test(losses_are_tensorflows),
        cmocka_unit_test(shapes_that_would_broadcast_are_refused),
        cmocka_unit_test(a_metric_is_two_sums),
        cmocka_unit_test(metrics_do_not_broadcast),
        cmocka_unit_test(short_forms_are_operators),
        cmocka_unit_test(pools_take_means),
        cmocka_unit_test(rates_follow_the_step),
        cmocka_unit_test(norms_are_clipped),
        cmocka_unit_test(a_summary_counts_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
