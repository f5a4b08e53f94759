/* SPDX-License-Identifier: Apache-2.0
 *
 * new.c - `turnery new`: writes a commented experiment to start from.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const flag flags[] = {FLAGS_END};

/* clang-format off */
static const char *const text[] = {
    "/* %s - an experiment: what it learns, from what, and how.\n"
    " *   turnery check %s     what is missing or wrong, layers and parameters\n"
    " *   turnery train %s     train it; --epochs=20 or --hidden=64 change a setting\n"
    " *   turnery test %s --samples     ask the newest run about samples of your own\n"
    " */\n",
    "#include <turnery.h>\n"
    "\n"
    "/* The settings of this experiment: a struct, and a row for each field. */\n"
    "struct tn_settings {\n"
    "    int64_t hidden;\n"
    "    double learning_rate;\n"
    "};\n"
    "\n"
    "static const tn_option options[] = {\n"
    "    TN_OPTION(tn_settings, hidden, .def = \"32\", .min = 1, .max = 4096, .help = \"units in the hidden layer\"),\n"
    "    TN_OPTION(tn_settings, learning_rate, .def = \"0.01\", .min = 0, .max = 1, .help = \"Adam's step\"),\n"
    "    TN_OPTIONS_END,\n"
    "};\n"
    "\n",
    "/* Examples: here points of y = x * x. Others come from files: tn_data_csv, tn_data_idx, tn_data_npy. */\n"
    "static void points(tn_data *d, int64_t n)\n"
    "{\n"
    "    float *x = tn_data_new(d, TN_FEATURE, \"x\", TN_FLOAT, n, TN_SHAPE(1));\n"
    "    float *y = tn_data_new(d, TN_LABEL, \"y\", TN_FLOAT, n, TN_SHAPE(1));\n"
    "    for (int64_t i = 0; i < n; i++) {\n"
    "        x[i] = -1 + 2 * (float)i / (float)(n - 1);\n"
    "        y[i] = x[i] * x[i];\n"
    "    }\n"
    "}\n"
    "\n"
    "static void train(tn_data *d, const tn_settings *s)\n"
    "{\n"
    "    (void)s;\n"
    "    points(d, 1000);\n"
    "}\n"
    "\n"
    "static void validate(tn_data *d, const tn_settings *s)\n"
    "{\n"
    "    (void)s;\n"
    "    points(d, 77);\n"
    "}\n"
    "\n",
    "/* The network. mode tells training from use, for layers like tn_dropout. */\n"
    "static void model(tn_builder *b, const tn_settings *s, tn_mode mode, const tn_features *in, tn_outputs *out)\n"
    "{\n"
    "    (void)mode;\n"
    "    tn_node h = tn_dense(b, \"hidden\", in->x, s->hidden, TN_TANH);\n"
    "    tn_output(out, \"y\", tn_dense(b, \"y\", h, 1, TN_LINEAR), TN_DEFAULT_OUTPUT);\n"
    "}\n"
    "\n"
    "/* What is made small. r->y is the default output, r->label the first label. */\n"
    "static tn_node loss(tn_builder *b, const tn_settings *s, const tn_results *r)\n"
    "{\n"
    "    (void)s;\n"
    "    return tn_mean_squared_error(b, r->label, r->y, TN_NONE);\n"
    "}\n"
    "\n"
    "/* How. The learning rate may fall with the step: tn_exponential_decay, tn_cosine_decay, ... */\n"
    "static tn_operation *optimizer(tn_builder *b, const tn_settings *s, tn_node loss, tn_node step)\n"
    "{\n"
    "    return tn_minimize(b, tn_adam(tn_constant_rate(b, s->learning_rate)), loss, step);\n"
    "}\n"
    "\n",
    "/* What validation reports, beside the loss. */\n"
    "static void metrics(tn_builder *b, const tn_settings *s, const tn_results *r, tn_outputs *out)\n"
    "{\n"
    "    (void)b;\n"
    "    (void)s;\n"
    "    tn_metric_mae(out, \"mean_error\", r->label, r->y);\n"
    "}\n"
    "\n"
    "TN_EXPERIMENT = {\n"
    "    .name = \"%s\",\n"
    "    .help = \"says in a line what it is\",\n"
    "    .options = options,\n"
    "    .run = {.batch_size = 50, .epochs = 50, .validate_every = 10},\n"
    "    .train = train,\n"
    "    .validate = validate,\n"
    "    .model = model,\n"
    "    .loss = loss,\n"
    "    .optimizer = optimizer,\n"
    "    .metrics = metrics,\n"
    "    /* more: .test, .serving, .preprocess, .postprocess, .summaries, .client (see turnery.h, chapter 9) */\n"
    "};\n"};
/* clang-format on */

/* "dir/My file.c" -> "My_file" */
static void name_of(const char *path, char *out, size_t n)
{
    const char *base = strrchr(path, '/');
    snprintf(out, n, "%.100s", base ? base + 1 : path);
    if (strlen(out) > 2) out[strlen(out) - 2] = 0;
    for (char *c = out; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c)) *c = '_';
}

static tn_code write_file(const char *path, tn_error *err)
{
    char name[128], all[8192];
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    int n = 0;
    name_of(path, name, sizeof name);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        const char *p = text[i];
        for (; *p && n + 300 < (int)sizeof all; p++) {
            if (p[0] == '%' && p[1] == 's')
                n += snprintf(all + n, 256, "%.200s", i ? name : base), p++;
            else
                all[n++] = *p;
        }
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
    if (fd < 0 && errno == EEXIST) {
        usage_error(err, "%s is there already", path);
        return err->code = TN_ALREADY_EXISTS;
    }
    if (fd < 0) return file_error(path, err);
    FILE *f = fdopen(fd, "w");
    bool ok = f && fwrite(all, 1, (size_t)n, f) == (size_t)n;
    if ((f ? fclose(f) : close(fd)) == 0 && ok) return TN_OK;
    file_error(path, err);
    unlink(path);
    return err->code;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    int none;
    strings rest = {.n = 0};
    tn_code code = flags_parse(flags, argc, argv, &none, &rest, err);
    if (code != TN_OK) return code;
    if (rest.n != 1 || strlen(rest.v[0]) < 3 || strcmp(rest.v[0] + strlen(rest.v[0]) - 2, ".c"))
        return usage_error(err, "one name that ends in .c is wanted");
    code = write_file(rest.v[0], err);
    if (code == TN_OK) printf("wrote %s; next: turnery train %s\n", rest.v[0], rest.v[0]);
    return code;
}

const command cmd_new = {
    .name = "new",
    .summary = "Writes a commented experiment to start from",
    .usage = "FILE.c",
    .flags = flags,
    .run = run,
};
