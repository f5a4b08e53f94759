/* SPDX-License-Identifier: Apache-2.0
 *
 * predict.c - `turnery predict`: asks a SavedModel, a run's newest export, or a model at a server; inputs from files,
 * from the command line, or images of an IDX file, which are drawn beside the answer.
 */
#include "predict.h"

#include <stdlib.h>
#include <sys/stat.h>

typedef predict_values values;

static const flag flags[] = {
    INPUT_FLAGS(values),
    {"images", FLAG_STRING, offsetof(values, images), "FILE",
     "images of an IDX file as the input, drawn in the terminal"},
    {"labels", FLAG_STRING, offsetof(values, labels), "FILE", "their true classes, shown beside the answers"},
    {"index", FLAG_STRING, offsetof(values, index), "N", "the first image to show (0)"},
    {"count", FLAG_INT, offsetof(values, count), "N", "how many images (1)"},
    {"signature", FLAG_STRING, offsetof(values, signature), "NAME",
     "the model's signature (serving_default)"},
    {"output", FLAG_STRINGS, offsetof(values, wanted), "NAME", "only this output; may be given several times"},
    {"outputs", FLAG_STRING, offsetof(values, folder), "DIR", "where answers are written; without it they are printed"},
    {"threads", FLAG_INT, offsetof(values, threads), "N", "threads of an operation (1)"},
    LIMIT_FLAGS(values, limits),
    {"logdir", FLAG_STRING, offsetof(values, logdir), "DIR", "where runs are (runs)"},
    {"json", FLAG_BOOL, offsetof(values, json), NULL, "one JSON object a line instead of words"},
    {"stdin", FLAG_BOOL, offsetof(values, lines), NULL,
     "questions from standard input, a JSON object of inputs a line; a JSON object a line answers each"},
    {"csv", FLAG_STRING, offsetof(values, csv), "FILE",
     "questions from a table, --batch rows each: the first row names inputs, or all of a row is the one input's"},
    {"pipelined", FLAG_INT, offsetof(values, pipelined), "N",
     "of those, how many wait for a server's answer at once (16)"},
    SERVER_FLAGS(values),
    FLAGS_END,
};

/* ==== a model in this process ==== */

typedef struct local {
    asked base;
    tn_predictor *p;
    tn_spec *in;
    const char **names;
    const tn_tensor **values;
} local;

static tn_code run_local(asked *a, const tn_tensor *const *in, tn_error *err)
{
    local *l = (local *)a;
    return tn_predictor_run(l->p, in, l->values, err);
}

static void close_local(asked *a)
{
    local *l = (local *)a;
    tn_predictor_close(l->p);
    free(l->in);
    free(l->names);
    free(l->values);
    free(l);
}

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
    struct stat st;
    if (!stat(what, &st) && !S_ISDIR(st.st_mode))
        return usage_error(err, "%s: a file; a model is the folder of a SavedModel, or a run", what);
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

/* Takes the predictor over, also on failure. */
static tn_code ask_predictor(tn_predictor *p, asked **out, tn_error *err)
{
    int n_in = tn_predictor_inputs(p), n_out = tn_predictor_outputs(p);
    local *l = calloc(1, sizeof *l);
    if (!l) {
        tn_predictor_close(p);
        return no_memory(err);
    }
    *l = (local){.p = p, .in = calloc((size_t)n_in + 1, sizeof *l->in),
                 .names = calloc((size_t)n_out + 1, sizeof *l->names),
                 .values = calloc((size_t)n_out + 1, sizeof *l->values)};
    if (!l->in || !l->names || !l->values) {
        close_local(&l->base);
        return no_memory(err);
    }
    for (int i = 0; i < n_in; i++) l->in[i] = *tn_predictor_input(p, i);
    for (int i = 0; i < n_out; i++) l->names[i] = tn_predictor_output(p, i)->name;
    l->base = (asked){.in = l->in, .n_in = n_in, .out = {l->names, l->values, n_out}, .run = run_local,
                      .close = close_local};
    *out = &l->base;
    return TN_OK;
}

static tn_code ask_model(const values *v, const strings *rest, asked **out, tn_error *err)
{
    tn_predictor *p;
    int n;
    if (rest->n > 1) return usage_error(err, "one model is wanted, %d are given", rest->n);
    tn_code code = open_model(v, rest->n ? rest->v[0] : "latest", &p, err);
    if (code != TN_OK) return code;
    const tn_missing *missing = tn_predictor_missing(p, &n);
    warn_missing("predict", missing, n);
    return ask_predictor(p, out, err);
}

/* ==== asking ==== */

/* folder: where the model is; NULL: at a server, or a run's. */
static tn_code ask_inputs(values *v, asked *a, const char *folder, tn_error *err)
{
    tn_tensor **in = calloc((size_t)a->n_in + 1, sizeof *in);
    if (!in) return no_memory(err);
    tn_code code = inputs_bind(&v->in, "predict", a->in, a->n_in, in, err);
    if (code == TN_OK) code = a->run(a, (const tn_tensor *const *)in, err);
    if (code == TN_OK) code = give_answers(v, &a->out, err);
    if (code != TN_OK && folder) explain_uninitialized(folder, err);
    for (int i = 0; i < a->n_in; i++) tn_tensor_unref(in[i]);
    free(in);
    return code;
}

static tn_code check(values *v, const strings *rest, tn_error *err)
{
    if (v->pipelined < 1 || v->pipelined > 10000) return usage_error(err, "--pipelined takes 1 to 10000");
    if (v->server.target && rest->n)
        return usage_error(err, "'%s': with --server the model is named by --model", rest->v[0]);
    if (v->lines + (v->images != NULL) + (v->csv != NULL) > 1)
        return usage_error(err, "--stdin, --csv and --images exclude one another");
    return inputs_check(&v->in, err);
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.in = INPUT_DEFAULTS, .count = 1, .threads = 1, .pipelined = 16};
    strings rest = {.n = 0};
    asked *a;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if ((code = check(&v, &rest, err)) != TN_OK) return code;
    code = v.server.target ? ask_server(&v, &a, err) : ask_model(&v, &rest, &a, err);
    if (code != TN_OK) return code;
    code = v.images ? ask_images(&v, a, err) : v.lines || v.csv ? ask_lines(&v, a, err)
                    : ask_inputs(&v, a, rest.n && exists(rest.v[0], "saved_model.pb") ? rest.v[0] : NULL, err);
    a->close(a);
    return code;
}

const command cmd_predict = {
    .name = "predict",
    .summary = "Asks a model: inputs from files, the command line, or images that are drawn",
    .usage = "[SAVED_MODEL|RUN] [FLAGS]",
    .usage_more = "--server TARGET --model NAME [FLAGS]",
    .flags = flags,
    .run = run,
};
