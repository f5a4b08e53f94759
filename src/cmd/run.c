/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - `turnery run`: a signature of a SavedModel, values of a GraphDef, or steps of an imported training
 * graph, with inputs from files or as they are typed (inputs.c), and outputs into files. Steps are run_steps.c's.
 */
#include "inputs.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    input_values in;
    const char *tag_set, *signature, *graph, *meta_graph, *checkpoint, *outputs, *save;
    strings feeds, fetches, targets, data;
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
    {"data", FLAG_STRINGS, offsetof(values, data), "NAME=FILE",
     "an input, as --feed or --input, of many examples, one a row: .npy, .json, IDX; each step takes the next ones"},
    ROW(batch_size, FLAG_INT, "N", "how many of them in a step (32)"),
    ROW(shuffle, FLAG_INT, "SEED", "take them in an order that is new each time all were used; 0: as they are (0)"),
    ROW(steps, FLAG_INT, "N",
        "run the targets, or the signature, N times; what is fetched is stacked: before and after each step, or, with "
        "--data or a signature, in each step"),
    ROW(save, FLAG_STRING, "PREFIX", "save it afterwards, as TensorFlow's Saver does"),
    ROW(outputs, FLAG_STRING, "DIR", "where results are written; without it they are printed"),
    ROW(threads, FLAG_INT, "N", "threads of an operation (all cores)"),
    LIMIT_FLAGS(values, limits),
    FLAGS_END,
};

/* ==== names, files ==== */

typedef struct bindings { /* NAME=VALUE, made */
    char *names[256];
    tn_feed feeds[256];
    tn_tensor *tensors[256];
    int n, n_fixed; /* those from n_fixed on have an example in each row */
} bindings;

/* What a name stands for: an input of the signature, or (s NULL) a value of the graph. *feed: the graph's
 * name. */
static tn_code find_spec(tn_loaded *m, const tn_loaded_signature *s, const char *name, tn_spec *spec,
                         const char **feed, tn_error *err)
{
    tn_node node;
    *feed = name;
    if (!s) {
        tn_code code = tn_graph_value(tn_loaded_graph(m), name, &node, err);
        if (code == TN_OK) *spec = (tn_spec){name, tn_node_dtype(node), tn_node_shape(node)};
        if (code == TN_OK && spec->dtype > TN_REF) spec->dtype -= TN_REF;
        return code;
    }
    for (int i = 0; i < s->n_in; i++) {
        if (strcmp(s->in[i].key, name) != 0) continue;
        if (!s->in[i].name)
            return usage_error(err, "input '%s' of signature '%s' is sparse or composite", name, s->name);
        *spec = (tn_spec){name, s->in[i].dtype, s->in[i].shape};
        *feed = s->in[i].name;
        return TN_OK;
    }
    return usage_error(err, "signature '%s' has no input '%s'", s->name, name);
}

static bool is_given(const bindings *in, const char *name)
{
    for (int i = 0; i < in->n; i++)
        if (strcmp(in->names[i], name) == 0) return true;
    return false;
}

enum { BIND_INPUT, BIND_EXAMPLES, BIND_DATA };

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

static tn_code load_data(const char *path, tn_tensor **out, tn_error *err)
{
    bool idx = ends_in(path, "-ubyte") || ends_in(path, ".gz") || ends_in(path, ".idx");
    return idx ? tn_idx_load(path, 0, 0, out, err) : tn_tensor_load(path, out, err);
}

static tn_code bind_one(values *v, tn_loaded *m, const tn_loaded_signature *s, const char *text, int kind,
                        bindings *b, tn_error *err)
{
    tn_spec spec;
    const char *feed = NULL;
    size_t n = input_name(text);
    if (!n) return usage_error(err, "'%.100s' is not of the form NAME=VALUE", text);
    if (b->n == 256) return usage_error(err, "more than %d inputs", b->n);
    char *name = strndup(text, n);
    if (!name) return usage_error(err, "out of memory");
    tn_code code = is_given(b, name) ? usage_error(err, "input '%s' is given twice", name)
                                     : find_spec(m, s, name, &spec, &feed, err);
    if (code == TN_OK && kind == BIND_DATA)
        code = load_data(text + n + 1, &b->tensors[b->n], err);
    else if (code == TN_OK && kind == BIND_EXAMPLES)
        code = input_examples(&spec, text + n + 1, &b->tensors[b->n], err);
    else if (code == TN_OK)
        code = input_tensor(&v->in, "run", &spec, text + n + 1, &b->tensors[b->n], err);
    if (code != TN_OK) {
        free(name);
        return code;
    }
    b->names[b->n] = name;
    b->feeds[b->n] = (tn_feed){feed, b->tensors[b->n]};
    b->n++;
    return TN_OK;
}

static tn_code bind_all(values *v, tn_loaded *m, const tn_loaded_signature *s, const strings *texts,
                        bindings *b, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < texts->n; i++) code = bind_one(v, m, s, texts->v[i], BIND_INPUT, b, err);
    for (int i = 0; s && code == TN_OK && i < v->in.examples.n; i++)
        code = bind_one(v, m, s, v->in.examples.v[i], BIND_EXAMPLES, b, err);
    b->n_fixed = b->n;
    for (int i = 0; code == TN_OK && i < v->data.n; i++)
        code = bind_one(v, m, s, v->data.v[i], BIND_DATA, b, err);
    return code;
}

static void drop_bindings(bindings *b)
{
    for (int i = 0; i < b->n; i++) {
        free(b->names[i]);
        tn_tensor_unref(b->tensors[i]);
    }
}

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
    const char *names[256], *keys[256]; /* of the graph; what results are called */
    int n;
    const strings *targets; /* NULL: none */
} wanted;

static tn_code run_wanted(tn_loaded *m, const values *v, const bindings *in, const wanted *w, tn_error *err)
{
    static const strings none = {.n = 0};
    const strings *targets = w->targets ? w->targets : &none;
    tn_tensor *out[256] = {NULL};
    tn_session *session = tn_loaded_session(m);
    steps s = {.session = session, .feeds = in->feeds, .n_feeds = in->n_fixed, .data = in->feeds + in->n_fixed,
               .n_data = in->n - in->n_fixed, .fetches = w->names, .n_fetches = w->n, .targets = targets->v,
               .n_targets = targets->n, .n = v->steps, .batch_size = v->batch_size, .shuffle = v->shuffle};
    tn_code code = v->steps ? run_steps(&s, out, err)
                            : tn_session_run(session, in->feeds, in->n, w->names, w->n, out, targets->v, targets->n,
                                             err);
    if (code == TN_OK)
        code = write_all(v->outputs, w->keys, out, w->n, err);
    else
        for (int i = 0; i < w->n; i++) tn_tensor_unref(out[i]);
    return code == TN_OK && v->save ? tn_loaded_save(m, v->save, err) : code;
}

/* It has a value of its own where none is given. */
static bool has_default(tn_loaded *m, const tn_loaded_value *v)
{
    tn_node n;
    tn_error err;
    if (tn_graph_value(tn_loaded_graph(m), v->name, &n, &err) != TN_OK) return false;
    return strcmp(tn_operation_type(n.op), "PlaceholderWithDefault") == 0;
}

static tn_code all_given(tn_loaded *m, const tn_loaded_signature *s, const bindings *in, tn_error *err)
{
    for (int i = 0; i < s->n_in; i++)
        if (!is_given(in, s->in[i].key) && !has_default(m, &s->in[i]))
            return usage_error(err, "signature '%s' wants --input %s=VALUE as well", s->name, s->in[i].key);
    return TN_OK;
}

static tn_code run_signature(tn_loaded *m, values *v, tn_error *err)
{
    const tn_loaded_signature *s;
    bindings in = {.n = 0};
    wanted w = {.n = 0};
    tn_code code = tn_loaded_find_signature(m, v->signature, &s, err);
    if (code == TN_OK && s->n_out > 256) code = usage_error(err, "signature '%s' has more than 256 outputs", s->name);
    if (code == TN_OK) code = bind_all(v, m, s, &v->in.inputs, &in, err);
    if (code == TN_OK) code = all_given(m, s, &in, err);
    for (int i = 0; code == TN_OK && i < s->n_out; i++, w.n++) {
        w.names[i] = s->out[i].name;
        w.keys[i] = s->out[i].key;
    }
    if (code == TN_OK) code = run_wanted(m, v, &in, &w, err);
    drop_bindings(&in);
    return code;
}

static tn_code run_fetches(tn_loaded *m, values *v, tn_error *err)
{
    bindings in = {.n = 0};
    wanted w = {.n = v->fetches.n, .targets = &v->targets};
    for (int i = 0; i < w.n; i++) w.names[i] = w.keys[i] = v->fetches.v[i];
    tn_code code = bind_all(v, m, NULL, &v->feeds, &in, err);
    if (code == TN_OK) code = run_wanted(m, v, &in, &w, err);
    drop_bindings(&in);
    return code;
}

/* ==== the command ==== */

static int split_tags(char *text, const char **tags, int most)
{
    int n = 0;
    for (char *p = text; p && *p && n < most; n++) {
        tags[n] = p;
        p = strchr(p, ',');
        if (p) *p++ = 0;
    }
    return n;
}

static tn_code open_model(const values *v, const strings *rest, tn_loaded **out, tn_error *err)
{
    tn_session_options o = {
        .threads = (int)v->threads, .memory_limit = v->limits.memory, .time_limit = v->limits.time};
    const char *tags[16];
    if (v->graph) return tn_load_graph(v->graph, &o, out, err);
    if (v->meta_graph) return tn_load_meta_graph(v->meta_graph, v->checkpoint, &o, out, err);
    if (rest->n != 1) return usage_error(err, "one SavedModel folder, or --graph, or --meta_graph, is wanted");
    char *text = v->tag_set ? strdup(v->tag_set) : NULL;
    int n = split_tags(text, tags, 16);
    tn_code code = tn_load_saved_model(rest->v[0], tags, n, &o, out, err);
    free(text);
    return code;
}

static tn_code check(const values *v, const strings *rest, tn_error *err)
{
    bool bare = v->graph || v->meta_graph;
    if (v->graph && v->meta_graph) return usage_error(err, "--graph and --meta_graph exclude each other");
    if (bare && rest->n) return usage_error(err, "'%s' besides --graph or --meta_graph", rest->v[0]);
    if (bare && !v->fetches.n && !v->targets.n) return usage_error(err, "nothing is wanted: give --fetch or --target");
    if (!bare && (v->feeds.n || v->fetches.n || v->targets.n))
        return usage_error(err, "--feed, --fetch and --target go with --graph or --meta_graph");
    if (v->steps < 0) return usage_error(err, "--steps=%lld is negative", (long long)v->steps);
    if (v->batch_size < 1) return usage_error(err, "--batch_size=%lld is less than 1", (long long)v->batch_size);
    if (v->data.n && !v->steps) return usage_error(err, "--data wants --steps");
    if (bare && v->steps && !v->targets.n) return usage_error(err, "--steps wants a --target");
    if (bare && (v->in.inputs.n || v->in.examples.n))
        return usage_error(err, "--input goes with a SavedModel; give --feed TENSOR=VALUE");
    if (v->checkpoint && !v->meta_graph) return usage_error(err, "--checkpoint goes with --meta_graph");
    return TN_OK;
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
    code = v.graph || v.meta_graph ? run_fetches(m, &v, err) : run_signature(m, &v, err);
    tn_loaded_free(m);
    return code;
}

const command cmd_run = {
    .name = "run",
    .summary = "Runs a SavedModel's signature, values of a graph, or training steps of a MetaGraph",
    .usage = "SAVED_MODEL | --graph FILE | --meta_graph FILE [FLAGS]",
    .flags = flags,
    .run = run,
};
