/* SPDX-License-Identifier: Apache-2.0
 * recurrent.c - an experiment for the tests beside it: goes on from a recurrent layer of TensorFlow 1, all examples in
 * each step. */
#include <stdio.h>
#include <turnery.h>

struct tn_settings {
    const char *from;
};
static const tn_option options[] = {TN_OPTION(tn_settings, from, .def = "", .help = "the folder"), TN_OPTIONS_END};

static void data(tn_data *d, const tn_settings *s)
{
    static const struct {
        tn_role role;
        const char *name;
    } columns[] = {{TN_FEATURE, "x"}, {TN_FEATURE, "lengths"}, {TN_LABEL, "y"}};
    for (int i = 0; i < 3; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s.npy", s->from, columns[i].name);
        tn_data_npy(d, columns[i].role, columns[i].name, path);
    }
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    tn_node seen;
    char path[600];
    (void)mode;
    snprintf(path, sizeof path, "%s/model.meta", s->from);
    tn_import(b, "base", path, TN_GIVEN({"x", tn_value_of(in, "x")}, {"lengths", tn_value_of(in, "lengths")}),
              TN_WANTED("features"), &seen, NULL);
    tn_node w = tn_get_variable(b, "w", TN_FLOAT, TN_SHAPE(8, 2), (tn_initializer){.kind = TN_INIT_CONSTANT, .a = 0.1}, 0);
    tn_output(out, "y", tn_matmul(b, seen, w), 0);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_constant_rate(b, 0.02)), loss, step);
}

TN_EXPERIMENT = {.name = "recurrent", .options = options, .run = {.batch_size = 12, .max_steps = 30, .validate_every = 10},
                 .train = data, .validate = data, .model = model, .loss = loss, .optimizer = optimizer};
