/* SPDX-License-Identifier: Apache-2.0
 * words.c - an experiment for the tests beside it: words as features, looked up in the vocabulary of another model. */
#include <string.h>
#include <turnery.h>

struct tn_settings {
    const char *from;
};
static const tn_option options[] = {TN_OPTION(tn_settings, from, .def = "", .help = "the SavedModel"), TN_OPTIONS_END};

static const char *const words[] = {"red", "green", "blue", "mauve"};

static void data(tn_data *d, const tn_settings *s)
{
    enum { N = 60 };
    tn_tensor *text;
    tn_error err;
    (void)s;
    if (tn_tensor_new(TN_STRING, &TN_SHAPE(N), &text, &err)) {
        tn_data_fail(d, err.code, err.message);
        return;
    }
    for (int i = 0; i < N; i++) tn_string_set(text, i, words[i % 4], strlen(words[i % 4]), &err);
    tn_data_tensor(d, TN_FEATURE, "word", text);
    tn_tensor_unref(text);
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, N, TN_SHAPE(1));
    for (int i = 0; i < N; i++) y[i] = (float)(i % 4) / 4;
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    tn_node row;
    (void)mode;
    tn_import(b, "base", s->from, TN_GIVEN({"word", in->x}), TN_WANTED("row"), &row, NULL);
    tn_output(out, "y", tn_dense(b, "y", row, 1, TN_LINEAR), 0);
}
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    return (void)s, tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return (void)s, tn_minimize(b, tn_adam(tn_constant_rate(b, 0.05)), loss, step);
}

TN_EXPERIMENT = {.name = "words", .options = options, .run = {.batch_size = 8, .max_steps = 200, .validate_every = 10},
                 .train = data, .validate = data, .model = model, .loss = loss, .optimizer = optimizer};
