/* SPDX-License-Identifier: Apache-2.0
 * A network with layer normalization, a marked function of the graph's library, for TensorFlow to reload and train:
 * turnery train normalized.c */
#include <math.h>
#include <turnery.h>

static void points(tn_data *d, const tn_settings *s)
{
    (void)s;
    enum { COUNT = 256, WIDTH = 6 };
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, COUNT, TN_SHAPE(WIDTH));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, COUNT, TN_SHAPE(1));
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < WIDTH; k++) x[i * WIDTH + k] = (float)sin(0.7 * i * (k + 1) + k);
        y[i] = x[i * WIDTH] * x[i * WIDTH + 1];
    }
}
static void serving(tn_inputs *in, const tn_settings *s) { (void)s, tn_serving_input(in, "x", TN_FLOAT, TN_SHAPE(-1, 6)); }

static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)s, (void)mode;
    tn_node h = tn_layer_norm(b, "norm1", tn_dense(b, "hidden1", in->x, 16, TN_TANH), 0);
    h = tn_layer_norm(b, "norm2", tn_dense(b, "hidden2", h, 16, TN_TANH), 0);
    tn_output(out, "y", tn_dense(b, "y", h, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static tn_node squared_error(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *adam(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_scalar(b, TN_FLOAT, 0.003)), loss, step);
}

TN_EXPERIMENT = {
    .name = "normalized", .run = {.batch_size = 32, .max_steps = 100},
    .train = points, .serving = serving, .model = model, .loss = squared_error, .optimizer = adam,
};
