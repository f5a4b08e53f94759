/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - `turnery run`: a signature of a SavedModel, values of a GraphDef, or steps of an imported training
 * graph, with inputs from files or as they are typed (inputs.c), and outputs into files.
 */
#include "inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct values {
    input_values in;
    const char *tag_set, *signature, *graph, *meta_graph, *checkpoint, *outputs, *save;
    strings feeds, fetches, targets;
    int64_t steps, threads;
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
    ROW(steps, FLAG_INT, "N", "run the targets N times; fetches are stacked: before, and after each step"),
    ROW(save, FLAG_STRING, "PREFIX", "write the variables as a checkpoint afterwards"),
    ROW(outputs, FLAG_STRING, "DIR", "where results are written; without it they are printed"),
    ROW(threads, FLAG_INT, "N", "threads of an operation (all cores)"),
    FLAGS_END,
};

/* ==== names, files ==== */

typedef struct bindings { /* NAME=VALUE, made */
    char *names[256];
    tn_feed feeds[256];
    tn_tensor *tensors[256];
    int n;
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

static tn_code bind_one(values *v, tn_loaded *m, const tn_loaded_signature *s, const char *text,
                        bool examples, bindings *b, tn_error *err)
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
    if (code == TN_OK && examples)
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
    for (int i = 0; code == TN_OK && i < texts->n; i++) code = bind_one(v, m, s, texts->v[i], false, b, err);
    for (int i = 0; s && code == TN_OK && i < v->in.examples.n; i++)
        code = bind_one(v, m, s, v->in.examples.v[i], true, b, err);
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

/* ==== a signature ==== */

static tn_code all_given(const tn_loaded_signature *s, const bindings *in, tn_error *err)
{
    for (int i = 0; i < s->n_in; i++)
        if (!is_given(in, s->in[i].key))
            return usage_error(err, "signature '%s' wants --input %s=VALUE as well", s->name, s->in[i].key);
    return TN_OK;
}

static tn_code run_signature(tn_loaded *m, values *v, tn_error *err)
{
    const tn_loaded_signature *s;
    bindings in = {.n = 0};
    const char *names[256], *keys[256];
    tn_tensor *out[256];
    tn_code code = tn_loaded_find_signature(m, v->signature, &s, err);
    if (code == TN_OK && s->n_out > 256) code = usage_error(err, "signature '%s' has more than 256 outputs", s->name);
    if (code == TN_OK) code = bind_all(v, m, s, &v->in.inputs, &in, err);
    if (code == TN_OK) code = all_given(s, &in, err);
    if (code == TN_OK) {
        for (int i = 0; i < s->n_out; i++) {
            names[i] = s->out[i].name;
            keys[i] = s->out[i].key;
        }
        code = tn_session_run(tn_loaded_session(m), in.feeds, in.n, names, s->n_out, out, NULL, 0, err);
    }
    if (code == TN_OK) code = write_all(v->outputs, keys, out, s->n_out, err);
    drop_bindings(&in);
    return code;
}

/* ==== feeds, fetches, steps ==== */

/* Copies one value as row `row` of a stack that is made at the first. */
static tn_code stack_row(const tn_tensor *t, int64_t row, int64_t rows, tn_tensor **stack, tn_error *err)
{
    if (!*stack) {
        tn_shape shape = *tn_tensor_shape(t);
        if (shape.rank == TN_MAX_RANK) return usage_error(err, "a value of rank %d cannot be stacked", shape.rank);
        memmove(shape.dim + 1, shape.dim, (size_t)shape.rank * sizeof *shape.dim);
        shape.dim[0] = rows;
        shape.rank++;
        tn_code code = tn_tensor_new(tn_tensor_dtype(t), &shape, stack, err);
        if (code != TN_OK) return code;
    }
    size_t bytes = tn_tensor_bytes(t);
    if (bytes * (size_t)rows != tn_tensor_bytes(*stack)) return usage_error(err, "a fetched value changes its shape");
    memcpy((char *)tn_tensor_data(*stack) + (size_t)row * bytes, tn_tensor_data(t), bytes);
    return TN_OK;
}

static tn_code stack_all(const tn_tensor *const *out, int n, int64_t row, int64_t rows, tn_tensor **stacks,
                         tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; i < n && code == TN_OK; i++) code = stack_row(out[i], row, rows, &stacks[i], err);
    return code;
}

static tn_code run_steps(tn_session *s, const values *v, const bindings *in, tn_tensor **stacks, tn_error *err)
{
    const tn_tensor *feeds[256], *out[256];
    tn_callable *look = NULL, *step = NULL;
    for (int i = 0; i < in->n; i++) feeds[i] = in->tensors[i];
    const char *const *names = (const char *const *)in->names;
    tn_code code = tn_callable_new(s, names, in->n, v->fetches.v, v->fetches.n, NULL, 0, &look, err);
    if (code == TN_OK) code = tn_callable_new(s, names, in->n, NULL, 0, v->targets.v, v->targets.n, &step, err);
    for (int64_t i = 0; code == TN_OK && i <= v->steps; i++) {
        if (i) code = tn_callable_run(step, feeds, NULL, err);
        if (code == TN_OK) code = tn_callable_run(look, feeds, out, err);
        if (code == TN_OK) code = stack_all(out, v->fetches.n, i, v->steps + 1, stacks, err);
    }
    tn_callable_free(look);
    tn_callable_free(step);
    return code;
}

static tn_code run_fetches(tn_loaded *m, values *v, tn_error *err)
{
    bindings in = {.n = 0};
    tn_tensor *out[256] = {NULL};
    tn_code code = bind_all(v, m, NULL, &v->feeds, &in, err);
    if (code == TN_OK && v->steps > 0) {
        code = run_steps(tn_loaded_session(m), v, &in, out, err);
        if (code != TN_OK)
            for (int i = 0; i < v->fetches.n; i++) tn_tensor_unref(out[i]);
    } else if (code == TN_OK) {
        code = tn_session_run(tn_loaded_session(m), in.feeds, in.n, v->fetches.v, v->fetches.n, out,
                              v->targets.v, v->targets.n, err);
    }
    drop_bindings(&in);
    if (code == TN_OK) code = write_all(v->outputs, v->fetches.v, out, v->fetches.n, err);
    if (code == TN_OK && v->save) code = tn_loaded_save(m, v->save, err);
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
    tn_session_options o = {.threads = (int)v->threads};
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
    if (v->steps && !v->targets.n) return usage_error(err, "--steps wants a --target");
    if (bare && (v->in.inputs.n || v->in.examples.n))
        return usage_error(err, "--input goes with a SavedModel; give --feed TENSOR=VALUE");
    if (v->checkpoint && !v->meta_graph) return usage_error(err, "--checkpoint goes with --meta_graph");
    return TN_OK;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.in = INPUT_DEFAULTS};
    strings rest = {.n = 0};
    tn_loaded *m;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code == TN_OK) code = check(&v, &rest, err);
    if (code == TN_OK) code = inputs_check(&v.in, err);
    if (code == TN_OK) code = open_model(&v, &rest, &m, err);
    if (code != TN_OK) return code;
    int n;
    const tn_missing *missing = tn_loaded_missing(m, &n);
    warn_missing("run", missing, n);
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
