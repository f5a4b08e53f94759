/* SPDX-License-Identifier: Apache-2.0
 * A small experiment for the tests: everything that has state (dropout, shuffling, a map with random numbers, batch
 * normalization, a learning rate that falls), and ways to go wrong. */
#include <math.h>
#include <turnery.h>
#include <unistd.h>

struct tn_settings {
    int64_t units, wait, spoil;
    double dropout;
    const char *word;
};
static const tn_option options[] = {
    TN_OPTION(tn_settings, units, .def = "8", .min = 1, .max = 64, .help = "units in the hidden layer"),
    TN_OPTION(tn_settings, wait, .def = "0", .min = 0, .max = 100000, .unit = "us", .help = "waited for each example"),
    TN_OPTION(tn_settings, spoil, .def = "-1", .min = -1, .max = 1000000, .help = "the example that is infinite"),
    TN_OPTION(tn_settings, dropout, .def = "0.2", .min = 0, .max = 0.9, .help = "share left out"),
    TN_OPTION(tn_settings, word, .def = "one", .choices = "one|two", .help = "a word"),
    TN_OPTIONS_END};

static void points(tn_data *d, int64_t n, int64_t spoil)
{
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, n, TN_SHAPE(2));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, n, TN_SHAPE(1));
    for (int64_t i = 0; i < n; i++) {
        x[2 * i] = (float)sin((double)i);
        x[2 * i + 1] = i == spoil ? INFINITY : (float)cos(3.0 * (double)i);
        y[i] = x[2 * i] - (float)cos(3.0 * (double)i);
    }
}
static void shake(const tn_settings *s, const char *column, void *example, uint64_t random)
{
    if (column[0] != 'x') return;
    if (s->wait) usleep((useconds_t)s->wait);
    ((float *)example)[0] += (float)(random % 1000) * 1e-6f;
}
static void train(tn_data *d, const tn_settings *s)
{
    points(d, 203, s->spoil);
    tn_data_map(d, shake);
}
static void validate(tn_data *d, const tn_settings *s)
{
    (void)s;
    points(d, 50, -1);
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    tn_node h = tn_dense(b, "hidden", in->x, s->units, TN_RELU);
    h = tn_batch_normalization(b, "norm", mode, h, 0.9, 0);
    h = tn_dropout(b, mode, h, s->dropout);
    tn_output(out, "y", tn_dense(b, "out", h, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    (void)s;
    return tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    (void)s;
    return tn_minimize(b, tn_adam(tn_exponential_decay(b, 0.01, step, 100, 0.9, false)), loss, step);
}
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)b, (void)s;
    tn_metric_rmse(out, "rmse", r->label, r->y);
}

TN_EXPERIMENT = {
    .name = "small", .options = options, .run = {.batch_size = 16, .max_steps = 60, .log_every = 20, .save_every = 20},
    .train = train, .validate = validate, .test = validate, .model = model, .loss = loss, .optimizer = optimizer, .metrics = metrics,
};
