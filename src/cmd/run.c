/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - `turnery run`: a signature of a SavedModel, values of a GraphDef, or steps of an imported training
 * graph, with inputs from files or as they are typed (run_bind.c), and outputs into files. Steps are run_steps.c's.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct values {
    input_values in;
    const char *tag_set, *signature, *graph, *meta_graph, *checkpoint, *outputs, *save;
    strings feeds, fetches, targets, first, data;
    int64_t steps, batch_size, shuffle, threads;
    limits limits;
} values;

#define ROW(field, kind, value, help) {#field, kind, offsetof(values, field), value, help}
static const flag flags[] = {
    ROW(tag_set, FLAG_STRING, "TAGS", "of the SavedModel's MetaGraph, separated by commas"),
    ROW(signature, FLAG_STRING, "NAME", "the signature to run (serving_default)"),
    INPUT_FLAGS(values),
    ROW(graph, FLAG_STRING, "FILE", "a bare GraphDef, .pb or .pbtxt"),
    ROW(meta_graph, FLAG_STRING, "FILE", "a MetaGraph, .meta"),
    ROW(checkpoint, FLAG_STRING, "PREFIX", "where its variables come from"),
    {"feed", FLAG_STRINGS, offsetof(values, feeds), "TENSOR=VALUE", "a value of the graph, as --input"},
    {"fetch", FLAG_STRINGS, offsetof(values, fetches), "TENSOR", "a value to write"},
    {"target", FLAG_STRINGS, offsetof(values, targets), "OP", "an operation to run"},
    {"init", FLAG_STRINGS, offsetof(values, first), "OP",
     "an operation to run first, once: the initializer of an iterator, or of variables"},
    {"data", FLAG_STRINGS, offsetof(values, data), "NAME=FILE",
     "an input, as --feed or --input, of many examples, one a row: .npy, .json, IDX; each step takes the next ones"},
    ROW(batch_size, FLAG_INT, "N", "how many of them in a step (32)"),
    ROW(shuffle, FLAG_INT, "SEED", "take them in an order that is new each time all were used; 0: as they are (0)"),
    ROW(steps, FLAG_INT, "N",
        "run the targets, or the signature, N times, or until the graph's own input ends; what is fetched is stacked: "
        "before and after each step, or, with --data, an input of the graph's own or a signature, in each step"),
    ROW(save, FLAG_STRING, "PREFIX", "save it afterwards, as TensorFlow's Saver does"),
    ROW(outputs, FLAG_STRING, "DIR", "where results are written; without it they are printed"),
    ROW(threads, FLAG_INT, "N", "threads of an operation (all cores)"),
    LIMIT_FLAGS(values, limits),
    FLAGS_END,
};

/* ==== results ==== */

/* Into the folder, or, without one, for people. */
static tn_code write_result(const char *dir, const char *name, const tn_tensor *t, tn_error *err)
{
    if (dir) return tensor_file(dir, name, t, err);
    char *text = tn_tensor_text(t, 1000);
    printf("%s:\n%s\n", name, text ? text : "?");
    tn_text_free(text);
    return TN_OK;
}

static tn_code write_all(const char *dir, const char *const *names, tn_tensor **out, int n, tn_error *err)
{
    tn_code code = dir ? output_folder(dir, err) : TN_OK;
    for (int i = 0; i < n; i++) {
        if (code == TN_OK) code = write_result(dir, names[i], out[i], err);
        tn_tensor_unref(out[i]);
    }
    return code;
}

/* ==== once, or in steps ==== */

typedef struct wanted {
    const char *names[RUN_MOST]; /* of the graph */
    char *keys[RUN_MOST];        /* what results are called */
    int n;
    const strings *targets; /* NULL: none */
} wanted;

static tn_code want(wanted *w, const char *name, const char *key, tn_error *err)
{
    if (w->n == RUN_MOST) return usage_error(err, "more than %d results", w->n);
    w->names[w->n] = name;
    w->keys[w->n] = strdup(key);
    return w->keys[w->n] ? w->n++, TN_OK : no_memory(err);
}

static tn_code want_output(wanted *w, const tn_loaded_signature *s, const tn_loaded_value *v, tn_error *err)
{
    char key[512];
    if (v->name) return want(w, v->name, v->key, err);
    if (!v->values) return usage_error(err, "output '%s' of signature '%s' is composite", v->key, s->name);
    for (int i = 0; i < SPARSE_PARTS; i++) {
        snprintf(key, sizeof key, "%s.%s", v->key, sparse_parts[i]);
        tn_code code = want(w, run_part_name(v, i), key, err);
        if (code != TN_OK) return code;
    }
    return TN_OK;
}

static void drop_wanted(wanted *w)
{
    for (int i = 0; i < w->n; i++) free(w->keys[i]);
}

/* What fills the queues that are needed. A SavedModel has been initialized in its own way. */
static tn_code start_runners(tn_session *session, const wanted *w, tn_runners **out, tn_error *err)
{
    const char *names[512];
    int n = 0;
    if (!w->targets) return TN_OK;
    for (int i = 0; i < w->n; i++) names[n++] = w->names[i];
    for (int i = 0; i < w->targets->n; i++) names[n++] = w->targets->v[i];
    return n ? tn_runners_start(session, names, n, out, err) : TN_OK;
}

/* Theirs is the error that explains why a run has none of its input. */
static tn_code stop_runners(tn_runners *r, tn_code code, tn_error *err)
{
    tn_error why;
    if (tn_runners_stop(r, &why) == TN_OK) return code;
    if (code != TN_OK) *err = why;
    else fprintf(stderr, "turnery run: warning: what gives the graph its input has failed: %s\n", why.message);
    return code == TN_OK ? TN_OK : why.code;
}

static tn_code run_it(steps *s, const wanted *w, tn_tensor **out, tn_error *err)
{
    int64_t done = 0;
    tn_code code = start_runners(s->session, w, &s->runners, err);
    if (code == TN_OK) code = s->n ? run_steps(s, out, &done, err)
                                       : tn_session_run(s->session, s->feeds, s->n_feeds, s->fetches, s->n_fetches, out,
                                                        s->targets, s->n_targets, err);
    code = stop_runners(s->runners, code, err);
    if (code == TN_OK && done < s->n)
        fprintf(stderr, "turnery run: the input ended after %lld of %lld steps\n", (long long)done, (long long)s->n);
    return code;
}

static tn_code run_wanted(tn_loaded *m, const values *v, const bindings *in, const wanted *w, tn_error *err)
{
    static const strings none = {.n = 0};
    const strings *targets = w->targets ? w->targets : &none;
    tn_tensor *out[RUN_MOST] = {NULL};
    steps s = {.session = tn_loaded_session(m), .feeds = in->feeds, .n_feeds = in->n_fixed,
               .data = in->feeds + in->n_fixed, .n_data = in->n - in->n_fixed, .fetches = w->names, .n_fetches = w->n,
               .targets = targets->v, .n_targets = targets->n, .n = v->steps, .batch_size = v->batch_size,
               .shuffle = v->shuffle};
    tn_code code = run_it(&s, w, out, err);
    if (code != TN_OK) {
        for (int i = 0; i < w->n; i++) tn_tensor_unref(out[i]);
        return code;
    }
    code = v->save ? tn_loaded_save(m, v->save, err) : TN_OK; /* first: results can be had again */
    tn_error why;
    tn_code written = write_all(v->outputs, (const char *const *)w->keys, out, w->n, code == TN_OK ? err : &why);
    return code == TN_OK ? written : code;
}

static tn_code run_signature(tn_loaded *m, values *v, tn_error *err)
{
    const tn_loaded_signature *s;
    bindings in = {.n = 0};
    wanted w = {.n = 0};
    tn_code code = tn_loaded_find_signature(m, v->signature, &s, err);
    if (code == TN_OK) code = run_bind(&v->in, &v->in.inputs, &v->data, m, s, &in, err);
    if (code == TN_OK) code = run_all_given(m, s, &in, err);
    for (int i = 0; code == TN_OK && i < s->n_out; i++) code = want_output(&w, s, &s->out[i], err);
    if (code == TN_OK) code = run_wanted(m, v, &in, &w, err);
    drop_wanted(&w);
    run_drop_bindings(&in);
    return code;
}

/* What is to be run once, with what is the same in each step. */
static tn_code run_first(tn_loaded *m, const values *v, const bindings *in, tn_error *err)
{
    if (!v->first.n) return TN_OK;
    return tn_session_run(tn_loaded_session(m), in->feeds, in->n_fixed, NULL, 0, NULL, v->first.v, v->first.n, err);
}

static tn_code run_fetches(tn_loaded *m, values *v, tn_error *err)
{
    bindings in = {.n = 0};
    wanted w = {.n = 0, .targets = &v->targets};
    tn_code code = run_bind(&v->in, &v->feeds, &v->data, m, NULL, &in, err);
    if (code == TN_OK) code = run_first(m, v, &in, err);
    for (int i = 0; code == TN_OK && i < v->fetches.n; i++) code = want(&w, v->fetches.v[i], v->fetches.v[i], err);
    if (code == TN_OK) code = run_wanted(m, v, &in, &w, err);
    drop_wanted(&w);
    run_drop_bindings(&in);
    return code;
}

/* ==== the command ==== */

/* A checkpoint is named by what its files' names begin with; many give a file, or the folder. */
static tn_code explain_checkpoint(const char *prefix, tn_error *err)
{
    char index[4096];
    struct stat st;
    if (snprintf(index, sizeof index, "%s.index", prefix) >= (int)sizeof index || !stat(index, &st)) return TN_OK;
    const char *data = strstr(prefix, ".data-"), *dot = strrchr(prefix, '.');
    bool file = dot && (!strcmp(dot, ".index") || !strcmp(dot, ".meta"));
    if (data && !strchr(data, '/')) dot = data;
    if ((file || dot == data) && dot && !stat(prefix, &st))
        return usage_error(err, "--checkpoint=%s: it is named without the end: --checkpoint=%.*s", prefix,
                           (int)(dot - prefix), prefix);
    if (!stat(prefix, &st) && S_ISDIR(st.st_mode))
        return usage_error(err, "--checkpoint=%s: a folder; which checkpoints are there: turnery show %s", prefix,
                           prefix);
    return TN_OK;
}

static tn_code open_graph(const char *path, const tn_session_options *o, tn_loaded **out, tn_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    tn_code code = tn_load_graph(path, o, out, err);
    if (code == TN_DATA_LOSS && strncmp(name, "saved_model.pb", 14) == 0)
        return usage_error(err, "%s: no GraphDef; a SavedModel is run by its folder, without --graph", path);
    if (code == TN_DATA_LOSS && strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".meta"))
        return usage_error(err, "%s: no GraphDef; a MetaGraph is given by --meta_graph", path);
    return code;
}

static tn_code open_model(const values *v, const strings *rest, tn_loaded **out, tn_error *err)
{
    tn_session_options o = {
        .threads = (int)v->threads, .memory_limit = v->limits.memory, .time_limit = v->limits.time};
    if (v->graph) return open_graph(v->graph, &o, out, err);
    if (v->meta_graph) {
        tn_code code = tn_load_meta_graph(v->meta_graph, v->checkpoint, &o, out, err), why = TN_OK;
        if (code != TN_OK && v->checkpoint) why = explain_checkpoint(v->checkpoint, err);
        return why == TN_OK ? code : why;
    }
    if (rest->n != 1) return usage_error(err, "one SavedModel folder, or --graph, or --meta_graph, is wanted");
    return load_tagged(rest->v[0], v->tag_set, &o, out, err);
}

static tn_code check(const values *v, const strings *rest, tn_error *err)
{
    bool bare = v->graph || v->meta_graph;
    if (v->graph && v->meta_graph) return usage_error(err, "--graph and --meta_graph exclude each other");
    if (bare && rest->n) return usage_error(err, "'%s' besides --graph or --meta_graph", rest->v[0]);
    if (bare && !v->fetches.n && !v->targets.n) return usage_error(err, "nothing is wanted: give --fetch or --target");
    if (!bare && (v->feeds.n || v->fetches.n || v->targets.n || v->first.n))
        return usage_error(err, "--feed, --fetch, --target and --init go with --graph or --meta_graph");
    if (v->steps < 0) return usage_error(err, "--steps=%lld is negative", (long long)v->steps);
    if (v->batch_size < 1) return usage_error(err, "--batch_size=%lld is less than 1", (long long)v->batch_size);
    if (v->data.n && !v->steps) return usage_error(err, "--data wants --steps");
    if (bare && v->steps && !v->targets.n) return usage_error(err, "--steps wants a --target");
    if (bare && (v->in.inputs.n || v->in.examples.n))
        return usage_error(err, "--input goes with a SavedModel; give --feed TENSOR=VALUE");
    if (v->checkpoint && !v->meta_graph) return usage_error(err, "--checkpoint goes with --meta_graph");
    size_t n = v->save ? strlen(v->save) : 0;
    if (v->save && (!n || v->save[n - 1] == '/'))
        return usage_error(err, "--save=%s: a checkpoint needs a name", v->save);
    tn_code code = v->outputs ? output_check(v->outputs, false, err) : TN_OK; /* not after hours of training */
    return code == TN_OK && v->save ? output_check(v->save, true, err) : code;
}

/* What the graph itself prints; its results are on the standard output. */
static void print_text(void *payload, const char *stream, const char *text, size_t n)
{
    (void)payload;
    (void)stream;
    fwrite(text, 1, n, stderr);
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.in = INPUT_DEFAULTS, .batch_size = 32};
    strings rest = {.n = 0};
    tn_loaded *m;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code == TN_OK) code = inputs_check(&v.in, err);
    if (code == TN_OK) code = check(&v, &rest, err);
    if (code == TN_OK) code = open_model(&v, &rest, &m, err);
    if (code != TN_OK) return code;
    int n;
    const tn_missing *missing = tn_loaded_missing(m, &n);
    warn_missing("run", missing, n);
    tn_session_on_print(tn_loaded_session(m), print_text, NULL);
    bool bare = v.graph || v.meta_graph;
    code = bare ? run_fetches(m, &v, err) : run_signature(m, &v, err);
    if (code != TN_OK && !v.checkpoint) explain_uninitialized(bare ? NULL : rest.v[0], err);
    tn_loaded_free(m);
    return code;
}

const command cmd_run = {
    .name = "run",
    .summary = "Runs a SavedModel's signature, values of a graph, or training steps of a MetaGraph",
    .usage = "SAVED_MODEL [FLAGS]",
    .usage_more = "--graph FILE | --meta_graph FILE [FLAGS]",
    .flags = flags,
    .run = run,
};
