/* SPDX-License-Identifier: Apache-2.0
 *
 * predict.c - `turnery predict`: asks a SavedModel, or a run's newest export; inputs from files, from the
 * command line, or images of an IDX file, which are drawn beside the answer.
 */
#include "inputs.h"
#include "job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct values {
    input_values in;
    const char *images, *labels, *index, *signature, *logdir;
    int64_t count, threads;
    limits limits;
    bool json;
} values;

static const flag flags[] = {
    INPUT_FLAGS(values),
    {"images", FLAG_STRING, offsetof(values, images), "FILE",
     "images of an IDX file as the input, drawn in the terminal"},
    {"labels", FLAG_STRING, offsetof(values, labels), "FILE", "their true classes, shown beside the answers"},
    {"index", FLAG_STRING, offsetof(values, index), "N", "the first image to show (0)"},
    {"count", FLAG_INT, offsetof(values, count), "N", "how many images (1)"},
    {"signature", FLAG_STRING, offsetof(values, signature), "NAME",
     "the model's signature (serving_default)"},
    {"threads", FLAG_INT, offsetof(values, threads), "N", "that compute (1)"},
    LIMIT_FLAGS(values, limits),
    {"logdir", FLAG_STRING, offsetof(values, logdir), "DIR", "where runs are (runs)"},
    {"json", FLAG_BOOL, offsetof(values, json), NULL, "one JSON object a line instead of words"},
    FLAGS_END,
};

/* ==== the model ==== */

static bool exists(const char *folder, const char *name)
{
    char path[4096];
    struct stat st;
    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && !stat(path, &st);
}

/* A SavedModel, a folder of versions, a run's folder, or a run's name. */
static tn_code open_model(const values *v, const char *what, tn_predictor **out, tn_error *err)
{
    char path[4096], *run = NULL;
    tn_session_options o = {
        .threads = (int)v->threads, .memory_limit = v->limits.memory, .time_limit = v->limits.time};
    if (!exists(what, ".")) {
        tn_code code = tn_find_run(v->logdir, what, NULL, &run, err);
        if (code != TN_OK) return code;
        what = run;
    }
    bool is_run = exists(what, "settings.json") && !exists(what, "saved_model.pb");
    snprintf(path, sizeof path, is_run ? "%s/exports" : "%s", what);
    tn_text_free(run);
    return tn_predictor_open(path, v->signature, &o, out, err);
}

/* ==== inputs ==== */

static int find_input(const tn_predictor *p, const char *name, size_t n)
{
    for (int i = 0; i < tn_predictor_inputs(p); i++) {
        const char *has = tn_predictor_input(p, i)->name;
        if (strlen(has) == n && !memcmp(has, name, n)) return i;
    }
    return -1;
}

static tn_code bind_input(values *v, const tn_predictor *p, const char *text, bool examples, tn_tensor **in,
                          tn_error *err)
{
    size_t n = input_name(text);
    bool named = n && strcspn(text, "[({\"'") > n; /* an equals sign in quotes or brackets names nothing */
    int i = named ? find_input(p, text, n) : tn_predictor_inputs(p) == 1 ? 0 : -1;
    if (i < 0 && !named) return usage_error(err, "'%.100s' is not of the form NAME=VALUE", text);
    if (i < 0)
        return usage_error(err, "the model has no input '%.*s'; its first is '%s'", (int)n, text,
                           tn_predictor_input(p, 0)->name);
    const tn_spec *spec = tn_predictor_input(p, i);
    if (in[i]) return usage_error(err, "input '%s' is given twice", spec->name);
    const char *value = named ? text + n + 1 : text;
    return examples ? input_examples(spec, value, &in[i], err)
                    : input_tensor(&v->in, "predict", spec, value, &in[i], err);
}

/* ==== answers ==== */

static void print_json(const tn_predictor *p, const tn_tensor *const *out)
{
    putchar('{');
    for (int i = 0; i < tn_predictor_outputs(p); i++) {
        if (i) putchar(',');
        json_text(stdout, tn_predictor_output(p, i)->name);
        fputs(":[", stdout);
        for (int64_t k = 0; k < tn_tensor_count(out[i]); k++) {
            if (k) putchar(',');
            json_number(stdout, tn_tensor_number(out[i], k));
        }
        putchar(']');
    }
    fputs("}\n", stdout);
}

static void print(const values *v, const tn_predictor *p, const tn_tensor *const *out)
{
    if (v->json) {
        print_json(p, out);
        return;
    }
    for (int i = 0; i < tn_predictor_outputs(p); i++) {
        char *text = tn_tensor_text(out[i], 1000);
        printf("%s = %s\n", tn_predictor_output(p, i)->name, text ? text : "");
        tn_text_free(text);
    }
}

static tn_code ask_inputs(values *v, tn_predictor *p, tn_error *err)
{
    int n = tn_predictor_inputs(p);
    tn_tensor **in = calloc((size_t)n + 1, sizeof *in);
    const tn_tensor **out = calloc((size_t)tn_predictor_outputs(p) + 1, sizeof *out);
    tn_code code = in && out ? TN_OK : usage_error(err, "out of memory");
    for (int i = 0; code == TN_OK && i < v->in.inputs.n; i++)
        code = bind_input(v, p, v->in.inputs.v[i], false, in, err);
    for (int i = 0; code == TN_OK && i < v->in.examples.n; i++)
        code = bind_input(v, p, v->in.examples.v[i], true, in, err);
    for (int i = 0; code == TN_OK && i < n; i++)
        if (!in[i])
            code = usage_error(err, "the model's input '%s' is not given (--input %s=VALUE)",
                               tn_predictor_input(p, i)->name, tn_predictor_input(p, i)->name);
    if (code == TN_OK) code = tn_predictor_run(p, (const tn_tensor *const *)in, out, err);
    if (code == TN_OK) print(v, p, out);
    for (int i = 0; in && i < n; i++) tn_tensor_unref(in[i]);
    free(in);
    free(out);
    return code;
}

/* ==== images ==== */

enum { MOST_LINES = 64, LINE = 160 };

/* What stands beside the picture: integers as they are, a vector of shares as bars. */
static int describe(const tn_predictor *p, const tn_tensor *const *out, char (*lines)[LINE], int most)
{
    int n = 0;
    for (int i = 0; i < tn_predictor_outputs(p); i++) {
        const char *name = tn_predictor_output(p, i)->name;
        int64_t count = tn_tensor_count(out[i]);
        if (count == 1 && n < most) snprintf(lines[n++], LINE, "%s: %.6g", name, tn_tensor_number(out[i], 0));
        for (int64_t k = 0; count > 1 && k < count && n < most; k++) {
            double v = tn_tensor_number(out[i], k);
            int bar = (int)fmin(30, fmax(0, v * 30 + 0.5));
            snprintf(lines[n++], LINE, "%2lld %6.3f %.*s", (long long)k, v, bar,
                     "##############################");
        }
    }
    return n;
}

/* The picture's lines to the left, what is said of it to the right. */
static void print_beside(char *picture, int width, char (*said)[LINE], int n)
{
    for (int i = 0; picture || i < n; i++) {
        char *end = picture ? strchr(picture, '\n') : NULL;
        if (end) *end = 0;
        printf("  %-*s   %s\n", width, picture ? picture : "", i < n ? said[i] : "");
        picture = end ? end + 1 : NULL;
    }
    putchar('\n');
}

static void print_image(const values *v, const tn_predictor *p, const tn_tensor *const *out,
                        const tn_tensor *images, int64_t image, const tn_tensor *labels)
{
    char said[MOST_LINES][LINE];
    if (v->json) {
        print_json(p, out);
        return;
    }
    char *drawn = tn_image_text(images, image);
    int n = describe(p, out, said + 1, MOST_LINES - 1) + 1;
    if (labels)
        snprintf(said[0], LINE, "image %lld, truly %.6g", (long long)image, tn_tensor_number(labels, image));
    else
        snprintf(said[0], LINE, "image %lld", (long long)image);
    print_beside(drawn, drawn ? (int)tn_tensor_shape(images)->dim[2] : 0, said, n);
    tn_text_free(drawn);
}

static tn_code ask_image(const values *v, tn_predictor *p, const tn_tensor *images, int64_t image,
                         const tn_tensor *labels, const tn_tensor **out, tn_error *err)
{
    const tn_shape *s = tn_tensor_shape(images);
    tn_tensor *in;
    int64_t each = s->dim[1] * s->dim[2];
    tn_code code = input_of_numbers(tn_predictor_input(p, 0), images, image * each, each, &in, err);
    if (code != TN_OK) return code;
    const tn_tensor *ins[] = {in};
    code = tn_predictor_run(p, ins, out, err);
    if (code == TN_OK) print_image(v, p, out, images, image, labels);
    tn_tensor_unref(in);
    return code;
}

static tn_code ask_images(const values *v, tn_predictor *p, tn_error *err)
{
    tn_tensor *images = NULL, *labels = NULL;
    char *end = NULL;
    int64_t first = v->index ? strtoll(v->index, &end, 10) : 0;
    if (tn_predictor_inputs(p) != 1)
        return usage_error(err, "the model has %d inputs; images can be given to one",
                           tn_predictor_inputs(p));
    if (first < 0 || (end && *end) || v->count < 1 || first > INT64_MAX - v->count)
        return usage_error(err, "--index and --count take whole numbers");
    tn_code code = tn_idx_load(v->images, first + v->count, 0, &images, err);
    if (code == TN_OK && v->labels) code = tn_idx_load(v->labels, first + v->count, 0, &labels, err);
    if (code == TN_OK && tn_tensor_shape(images)->rank != 3)
        code = usage_error(err, "%s does not hold images", v->images);
    if (code == TN_OK && labels && tn_tensor_shape(labels)->rank != 1)
        code = usage_error(err, "%s does not hold labels", v->labels);
    const tn_tensor **out = calloc((size_t)tn_predictor_outputs(p) + 1, sizeof *out);
    int64_t have = code == TN_OK ? tn_tensor_shape(images)->dim[0] : 0;
    if (code == TN_OK && (first >= have || (labels && tn_tensor_count(labels) < have)))
        code = usage_error(err, "image %lld: %s has %lld", (long long)first, v->images, (long long)have);
    for (int64_t i = first; code == TN_OK && out && i < first + v->count && i < have; i++)
        code = ask_image(v, p, images, i, labels, out, err);
    free(out);
    tn_tensor_unref(images);
    tn_tensor_unref(labels);
    return code;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.in = INPUT_DEFAULTS, .count = 1, .threads = 1};
    strings rest = {.n = 0};
    tn_predictor *p;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if ((code = inputs_check(&v.in, err)) != TN_OK) return code;
    if (rest.n > 1) return usage_error(err, "one model is wanted, %d are given", rest.n);
    if ((code = open_model(&v, rest.n ? rest.v[0] : "latest", &p, err)) != TN_OK) return code;
    int n;
    const tn_missing *missing = tn_predictor_missing(p, &n);
    warn_missing("predict", missing, n);
    code = v.images ? ask_images(&v, p, err) : ask_inputs(&v, p, err);
    tn_predictor_close(p);
    return code;
}

const command cmd_predict = {
    .name = "predict",
    .summary = "Asks a model: inputs from files, the command line, or images that are drawn",
    .usage = "SAVED_MODEL|RUN [FLAGS]",
    .flags = flags,
    .run = run,
};
