/* mine.c - an experiment: what it learns, from what, and how.
 *   turnery check mine.c     what is missing or wrong, layers and parameters
 *   turnery train mine.c     train it; --epochs=20 or --hidden=64 change a setting
 *   turnery test mine.c --samples     ask the newest run about samples of your own
 */
#include <turnery.h>

/* The settings of this experiment: a struct, and a row for each field. */
struct tn_settings {
    int64_t hidden;
    double learning_rate;
};

static const tn_option options[] = {
    TN_OPTION(tn_settings, hidden, .def = "32", .min = 1, .max = 4096, .help = "units in the hidden layer"),
    TN_OPTION(tn_settings, learning_rate, .def = "0.01", .min = 0, .max = 1, .help = "Adam's step"),
    TN_OPTIONS_END,
};

/* Examples: here points of y = x * x. Others come from files: tn_data_csv, tn_data_idx, tn_data_npy. */
static void points(tn_data *d, int64_t n)
{
    float *x = tn_data_new(d, TN_FEATURE, "x", TN_FLOAT, n, TN_SHAPE(1));
    float *y = tn_data_new(d, TN_LABEL, "y", TN_FLOAT, n, TN_SHAPE(1));
    for (int64_t i = 0; i < n; i++) {
        x[i] = -1 + 2 * (float)i / (float)(n - 1);
        y[i] = x[i] * x[i];
    }
}

static void train(tn_data *d, const tn_settings *s)
{
    (void)s;
    points(d, 1000);
}

static void validate(tn_data *d, const tn_settings *s)
{
    (void)s;
    points(d, 77);
}

/* The network. mode tells training from use, for layers like tn_dropout. */
static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)
{
    (void)mode;
    tn_node h = tn_dense(b, "hidden", in->x, s->hidden, TN_TANH);
    tn_output(out, "y", tn_dense(b, "y", h, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);
}

/* What is made small. r->y is the default output, r->label the first label. */
static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)
{
    (void)s;
    return tn_mean_squared_error(b, r->label, r->y, TN_NONE);
}

/* How. The learning rate may fall with the step: tn_exponential_decay, tn_cosine_decay, ... */
static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)
{
    return tn_minimize(b, tn_adam(tn_constant_rate(b, s->learning_rate)), loss, step);
}

/* What validation reports, beside the loss. */
static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)
{
    (void)b;
    (void)s;
    tn_metric_mae(out, "mean_error", r->label, r->y);
}

TN_EXPERIMENT = {
    .name = "mine",
    .help = "says in a line what it is",
    .options = options,
    .run = {.batch_size = 50, .epochs = 50, .validate_every = 10},
    .train = train,
    .validate = validate,
    .model = model,
    .loss = loss,
    .optimizer = optimizer,
    .metrics = metrics,
    /* more: .test, .serving, .preprocess, .postprocess, .summaries, .client (see turnery.h, chapter 9) */
};
