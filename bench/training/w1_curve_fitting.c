/* SPDX-License-Identifier: Apache-2.0
 * W1: the peers' 1-64-64-1 network with Adam on 300 batches of 64 points of sin(3x):
 *   turnery bench bench/training/w1_curve_fitting.c --w W1 --steps 300 --blocks 4 --json */
#include <math.h>
#include <stdlib.h>
#include <turnery.h>

enum { STEPS = 300, BATCH = 64 };

static void points(tn_data *d, const tn_settings *s)
{
    (void)s;
    unsigned short seed[3] = {7, 7, 7};
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, STEPS * BATCH, TN_SHAPE(1));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, STEPS * BATCH, TN_SHAPE(1));
    for (int i = 0; i < STEPS * BATCH; i++) {
        double bell = sqrt(-2 * log(1 - erand48(seed))) * cos(6.283185307179586 * erand48(seed));
        x[i] = (float)(4 * erand48(seed) - 2);
        y[i] = (float)(sin(3 * x[i]) + 0.05 * bell);
    }
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)s, (void)mode;
    tn_node x = tn_dense(b, "hidden1", in->x, 64, TN_TANH);
    x = tn_dense(b, "hidden2", x, 64, TN_TANH);
    tn_output(out, "y", tn_dense(b, "y", x, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_constant_rate(b, 1e-3)), loss, step);
}

TN_EXPERIMENT = {
    .name = "curve_fitting", .run = {.batch_size = BATCH}, .train = points,
    .model = model, .loss = loss, .optimizer = optimizer};
