/* SPDX-License-Identifier: Apache-2.0
 * Reads handwritten digits with a convolutional network: turnery train digits.c
 * data/ holds 8,000 + 2,000 images; the last 1,000 of the 8,000 are for validation, the 2,000 for `turnery test`. */
#include <string.h>
#include <turnery.h>

struct tn_settings {
    int64_t filters, hidden, shift;
    double dropout, learning_rate;
};
static const tn_option options[] = {
    TN_OPTION(tn_settings, filters, .def = "16", .min = 1, .max = 512,
              .help = "of the first convolution; the second has twice as many"),
    TN_OPTION(tn_settings, hidden, .def = "96", .min = 1, .max = 4096, .help = "units in the hidden layer"),
    TN_OPTION(tn_settings, shift, .def = "2", .min = 0, .max = 4, .unit = "pixels",
              .help = "training images are shifted by at most"),
    TN_OPTION(tn_settings, dropout, .def = "0.4", .min = 0, .max = 0.95, .help = "share of hidden units left out"),
    TN_OPTION(tn_settings, learning_rate, .def = "0.003", .min = 0, .max = 1, .help = "Adam's step, to begin with"),
    TN_OPTIONS_END,
};

/* ==== data ==== */

enum { SIDE = 28, CLASSES = 10, TRAINING = 7000 };

/* Shifts an image, as a hand would place it; bytes that come in are paper. */
static void shift(const tn_settings *s, const char *column, void *example, uint64_t random)
{
    uint8_t *to = example, from[SIDE * SIDE];
    if (strcmp(column, "image") || !s->shift) return;
    int range = 2 * (int)s->shift + 1, dy = (int)(random % (uint64_t)range) - (int)s->shift;
    int dx = (int)(random / 65536 % (uint64_t)range) - (int)s->shift;
    memcpy(from, to, sizeof from);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            bool inside = y + dy >= 0 && y + dy < SIDE && x + dx >= 0 && x + dx < SIDE;
            to[y * SIDE + x] = inside ? from[(y + dy) * SIDE + x + dx] : 0;
        }
}

static void digits(tn_data *d, const char *images, const char *labels)
{
    tn_data_idx(d, TN_FEATURE, "image", images);
    tn_data_idx(d, TN_LABEL, "digit", labels);
}
static void training(tn_data *d, const tn_settings *s)
{
    (void)s, digits(d, "data/train-images-idx3-ubyte.gz", "data/train-labels-idx1-ubyte.gz");
    tn_data_slice(d, 0, TRAINING);
    tn_data_map(d, shift);
}
static void validation(tn_data *d, const tn_settings *s)
{
    (void)s, digits(d, "data/train-images-idx3-ubyte.gz", "data/train-labels-idx1-ubyte.gz");
    tn_data_slice(d, TRAINING, -1);
}
static void test(tn_data *d, const tn_settings *s)
{
    (void)s, digits(d, "data/test-images-idx3-ubyte.gz", "data/test-labels-idx1-ubyte.gz");
}

/* ==== the network ==== */

static void serving(tn_inputs *in, const tn_settings *s)
{
    (void)s, tn_serving_input(in, "image", TN_UINT8, TN_SHAPE(-1, SIDE, SIDE));
}
/* Bytes -> [batch, 28, 28, 1] from 0 to 1; part of the served model, too. */
static void preprocess(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *raw, tn_features *out)
{
    (void)s, (void)mode;
    tn_node x = tn_scale(b, tn_cast_to(b, raw->x, TN_FLOAT), 1.0 / 255);
    tn_output(out, "image", tn_reshape(b, x, TN_SHAPE(-1, SIDE, SIDE, 1)), 0);
}
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    tn_node x = tn_conv2d(b, "conv1", in->x, s->filters, 3, TN_RELU);
    x = tn_max_pool(b, x, 2, 2, TN_VALID);
    x = tn_conv2d(b, "conv2", x, 2 * s->filters, 3, TN_RELU);
    x = tn_flatten(b, tn_max_pool(b, x, 2, 2, TN_VALID));
    x = tn_dropout(b, mode, tn_dense(b, "hidden", x, s->hidden, TN_RELU), s->dropout);
    tn_output(out, "logits", tn_dense(b, "logits", x, CLASSES, TN_LINEAR), TN_DEFAULT_OUTPUT);
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
    return tn_minimize(b, tn_adam(tn_cosine_decay(b, s->learning_rate, step, 2200, 0.01)), loss, step);
}
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)s, tn_metric_accuracy(out, "accuracy", r->label, tn_argmax(b, r->y, 1));
    tn_metric_top_k(out, "top_2", r->label, r->y, 2);
}
static void summaries(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)b, (void)s, tn_summary_image(out, "images", r->inputs->x, 8);
    tn_summary_histogram(out, "logits", r->y);
}

TN_EXPERIMENT = {.name = "digits", .help = "handwritten digits with a convolutional network", .options = options,
                 .run = {.batch_size = 64, .eval_batch_size = 200, .epochs = 20, .log_every = 110, .threads = 1},
                 .train = training, .validate = validation, .test = test, .serving = serving,
                 .preprocess = preprocess, .model = model, .postprocess = postprocess, .loss = loss,
                 .optimizer = optimizer, .metrics = metrics, .summaries = summaries};
