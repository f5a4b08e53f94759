/* SPDX-License-Identifier: Apache-2.0
 * Fits y = sin(3x) from noisy points with a small network: turnery train curve_fitting.c */
#include <math.h>
#include <stdlib.h>
#include <turnery.h>

struct tn_settings {
    int64_t hidden, points;
    double noise, learning_rate;
};
static const tn_option options[] = {
    TN_OPTION(tn_settings, hidden, .def = "64", .min = 1, .max = 4096, .help = "units in each hidden layer"),
    TN_OPTION(tn_settings, points, .def = "2000", .min = 2, .max = 1e7, .help = "training points"),
    TN_OPTION(tn_settings, noise, .def = "0.05", .min = 0, .max = 10, .help = "deviation of the points from the curve"),
    TN_OPTION(tn_settings, learning_rate, .def = "0.01", .min = 0, .max = 1, .help = "Adam's step, to begin with"),
    TN_OPTIONS_END,
};

static void curve(tn_data *d, int64_t n, double noise)
{
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, n, TN_SHAPE(1));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, n, TN_SHAPE(1));
    unsigned short seed[3] = {1, 2, 3};
    for (int64_t i = 0; i < n; i++) {
        double bell = erand48(seed) + erand48(seed) + erand48(seed) + erand48(seed) - 2; /* of deviation 0.577 */
        x[i] = -2 + 4 * (float)i / (float)(n - 1);
        y[i] = (float)(sin(3 * x[i]) + noise * bell / 0.577);
    }
}
static void points(tn_data *d, const tn_settings *s) { curve(d, s->points, s->noise); }
static void grid(tn_data *d, const tn_settings *s) { (void)s, curve(d, 201, 0); }
static void one_number(tn_inputs *in, const tn_settings *s)
{
    (void)s, tn_serving_input(in, "x", TN_FLOAT, TN_SHAPE(-1, 1));
}

static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)mode;
    tn_node h = tn_dense(b, "hidden1", in->x, s->hidden, TN_TANH);
    h = tn_dense(b, "hidden2", h, s->hidden, TN_TANH);
    tn_output(out, "y", tn_dense(b, "y", h, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static tn_node squared_error(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *adam(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return tn_minimize(b, tn_adam(tn_cosine_decay(b, s->learning_rate, step, 10000, 0.01)), loss, step);
}
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)b, (void)s;
    tn_metric_rmse(out, "rmse", r->label, r->y);
    tn_metric_mae(out, "mean_error", r->label, r->y);
}

TN_EXPERIMENT = {.name = "curve_fitting", .help = "sin(3x) from noisy points", .options = options,
                 .run = {.batch_size = 64, .max_steps = 10000, .validate_every = 1000, .validate_unit = "steps",
                         .log_every = 1000, .last_batch = "wrap"},
                 .train = points, .validate = grid, .test = grid, .serving = one_number,
                 .model = model, .loss = squared_error, .optimizer = adam, .metrics = metrics};
