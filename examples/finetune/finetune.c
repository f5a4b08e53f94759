/* SPDX-License-Identifier: Apache-2.0
 * Goes on from a model that is there: turnery train finetune.c
 * pretrained/ is a Keras SavedModel that tells the digits 0 to 4 apart (make_pretrained.py). What it has learnt to see
 * serves for all ten digits: its convolutions are taken as they are, and two layers on top learn from a few images. */
#include <turnery.h>

struct tn_settings {
    int64_t examples, hidden;
    bool frozen;
    double dropout, learning_rate;
};
static const tn_option options[] = {
    TN_OPTION(tn_settings, examples, .def = "300", .min = 10, .max = 7000, .help = "images to learn from"),
    TN_OPTION(tn_settings, hidden, .def = "48", .min = 1, .max = 4096, .help = "units of the new hidden layer"),
    TN_OPTION(tn_settings, frozen, .def = "true", .help = "the pretrained variables stay as they are"),
    TN_OPTION(tn_settings, dropout, .def = "0.3", .min = 0, .max = 0.95, .help = "share of hidden units left out"),
    TN_OPTION(tn_settings, learning_rate, .def = "0.002", .min = 0, .max = 1, .help = "Adam's step"),
    TN_OPTIONS_END,
};

/* ==== data ==== */

static void digits(tn_data *d, const char *images, const char *labels, int64_t first, int64_t count)
{
    tn_data_idx(d, TN_FEATURE, "image", images);
    tn_data_idx(d, TN_LABEL, "digit", labels);
    tn_data_slice(d, first, count);
}
static void training(tn_data *d, const tn_settings *s)
{
    digits(d, "../digits/data/train-images-idx3-ubyte.gz", "../digits/data/train-labels-idx1-ubyte.gz", 0, s->examples);
}
static void validation(tn_data *d, const tn_settings *s)
{
    (void)s;
    digits(d, "../digits/data/train-images-idx3-ubyte.gz", "../digits/data/train-labels-idx1-ubyte.gz", 7000, -1);
}
static void test(tn_data *d, const tn_settings *s)
{
    (void)s, digits(d, "../digits/data/test-images-idx3-ubyte.gz", "../digits/data/test-labels-idx1-ubyte.gz", 0, -1);
}

/* ==== the network ==== */

/* Bytes -> [batch, 28, 28, 1] from 0 to 1, as the pretrained model wants them. */
static void preprocess(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *raw, tn_features *out)
{
    (void)s, (void)mode;
    tn_node x = tn_scale(b, tn_cast_to(b, raw->x, TN_FLOAT), 1.0 / 255);
    tn_output(out, "image", tn_reshape(b, x, TN_SHAPE(-1, 28, 28, 1)), 0);
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    tn_node seen;
    /* "image" is a key of its signature; the wanted value is inside, before the layers that tell 0 to 4. */
    tn_import(b, "pretrained", "pretrained", TN_GIVEN({"image", in->x}), TN_WANTED("flatten_1/Reshape"), &seen, NULL);
    if (s->frozen) tn_freeze(b, "pretrained/");
    tn_node x = tn_dropout(b, mode, tn_dense(b, "hidden", seen, s->hidden, TN_RELU), s->dropout);
    tn_output(out, "logits", tn_dense(b, "logits", x, 10, TN_LINEAR), TN_DEFAULT_OUTPUT);
}
static void postprocess(tn_builder *b, const tn_settings *s, const tn_outputs *model, tn_outputs *out)
{
    (void)s, tn_output(out, "digit", tn_argmax(b, model->x, 1), TN_DEFAULT_OUTPUT);
    tn_output(out, "probabilities", tn_activate(b, model->x, TN_SOFTMAX), TN_DEFAULT_OUTPUT);
}

/* ==== how it learns ==== */

static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    (void)s;
    return tn_sparse_softmax_cross_entropy(b, r->label, r->y, TN_NONE);
}
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return tn_minimize(b, tn_adam(tn_constant_rate(b, s->learning_rate)), loss, step);
}
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)s, tn_metric_accuracy(out, "accuracy", r->label, tn_argmax(b, r->y, 1));
}

TN_EXPERIMENT = {.name = "finetune", .help = "all digits, from a model that knows five of them", .options = options,
                 .run = {.batch_size = 32, .eval_batch_size = 200, .epochs = 30, .log_every = 100, .threads = 1},
                 .train = training, .validate = validation, .test = test, .preprocess = preprocess, .model = model,
                 .postprocess = postprocess, .loss = loss, .optimizer = optimizer, .metrics = metrics};
