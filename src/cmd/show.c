/* SPDX-License-Identifier: Apache-2.0
 *
 * show.c - `turnery show`: what is in a SavedModel (signatures, operators), in a checkpoint (tensors), in a
 * GraphDef or MetaGraph (operators); and the plan by which a model is run.
 */
#include "cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct values {
    const char *tensors, *signature, *checkpoint;
    strings fetches, targets;
    bool plan;
    int64_t batch, runs, threads;
} values;

#define ROW(field, kind, value, help) {#field, kind, offsetof(values, field), value, help}
static const flag flags[] = {
    ROW(tensors, FLAG_STRING, "DIR", "write every tensor of a checkpoint as DIR/NAME.npy"),
    ROW(plan, FLAG_BOOL, NULL, "show how a signature (or the values fetched) is run: steps, kernels, memory, times"),
    ROW(signature, FLAG_STRING, "NAME", "the signature that --plan is of (serving_default)"),
    {"fetch", FLAG_STRINGS, offsetof(values, fetches), "TENSOR", "a value that --plan is of, in a graph"},
    {"target", FLAG_STRINGS, offsetof(values, targets), "OP", "an operation that --plan is of, in a graph"},
    ROW(checkpoint, FLAG_STRING, "PREFIX", "values of a MetaGraph's variables"),
    ROW(batch, FLAG_INT, "N", "what unknown dimensions of the inputs are (1)"),
    ROW(runs, FLAG_INT, "N", "runs that times are measured over, with zeros as inputs; 0: none (100)"),
    ROW(threads, FLAG_INT, "N", "threads of an operation (all cores)"),
    FLAGS_END,
};

/* ==== checkpoints ==== */

static tn_code show_tensor(const values *v, const char *name, const tn_tensor *t, tn_error *err)
{
    char shape[128];
    if (v->tensors) return tensor_file(v->tensors, name, t, err);
    printf("%-60s %-10s %-20s %12zu\n", name, tn_dtype_name(tn_tensor_dtype(t)),
           tn_shape_text(tn_tensor_shape(t), shape, sizeof shape), tn_tensor_bytes(t));
    return TN_OK;
}

static tn_code show_checkpoint(const values *v, const char *prefix, tn_error *err)
{
    tn_bundle *b;
    tn_tensor *t;
    tn_code code = tn_bundle_open(prefix, &b, err);
    if (code != TN_OK) return code;
    if (v->tensors) code = output_folder(v->tensors, err);
    if (!v->tensors && code == TN_OK) printf("%-60s %-10s %-20s %12s\n", "tensor", "dtype", "shape", "bytes");
    for (int i = 0; code == TN_OK && i < tn_bundle_count(b); i++) {
        code = tn_bundle_read(b, tn_bundle_name(b, i), &t, err);
        if (code != TN_OK) break;
        code = show_tensor(v, tn_bundle_name(b, i), t, err);
        tn_tensor_unref(t);
    }
    tn_bundle_close(b);
    return code;
}

/* ==== graphs ==== */

static int by_name(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

static tn_code show_operators(tn_graph *g, tn_error *err)
{
    int n = tn_graph_count(g);
    const char **types = calloc((size_t)n + 1, sizeof *types);
    if (!types) return usage_error(err, "out of memory");
    for (int i = 0; i < n; i++) types[i] = tn_operation_type(tn_graph_at(g, i));
    qsort(types, (size_t)n, sizeof *types, by_name);
    printf("%d operations\n", n);
    for (int i = 0, k; i < n; i = k) {
        for (k = i; k < n && !strcmp(types[i], types[k]); k++) {
        }
        printf("  %6d  %s\n", k - i, types[i]);
    }
    free(types);
    return TN_OK;
}

static void show_values(const char *what, const tn_loaded_value *v, int n)
{
    char shape[128];
    for (int i = 0; i < n; i++)
        printf("  %-7s %-24s %-10s %-20s %s\n", what, v[i].key, tn_dtype_name(v[i].dtype),
               tn_shape_text(&v[i].shape, shape, sizeof shape), v[i].name ? v[i].name : "(composite)");
}

static tn_code show_model(tn_loaded *m, tn_error *err)
{
    for (int i = 0; i < tn_loaded_signatures(m); i++) {
        const tn_loaded_signature *s = tn_loaded_signature_at(m, i);
        printf("signature %s  (%s)\n", s->name, s->method);
        show_values("input", s->in, s->n_in);
        show_values("output", s->out, s->n_out);
    }
    return show_operators(tn_loaded_graph(m), err);
}

/* ==== plans ==== */

typedef struct zeros { /* an input of zeros, unknown dimensions set */
    const char *names[256];
    tn_tensor *tensors[256];
    int n;
} zeros;

static tn_code add_zeros(zeros *z, const char *name, tn_dtype t, tn_shape shape, int64_t batch, tn_error *err)
{
    if (z->n == 256) return usage_error(err, "more than %d inputs", z->n);
    if (shape.rank < 0) shape.rank = 0;
    for (int d = 0; d < shape.rank; d++)
        if (shape.dim[d] < 0) shape.dim[d] = batch;
    z->names[z->n] = name;
    tn_code code = tn_tensor_new(t, &shape, &z->tensors[z->n], err);
    if (code == TN_OK) z->n++;
    return code;
}

static tn_code zeros_of_signature(zeros *z, const tn_loaded_signature *s, int64_t batch, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; i < s->n_in && code == TN_OK; i++)
        code = add_zeros(z, s->in[i].name, s->in[i].dtype, s->in[i].shape, batch, err);
    return code;
}

static tn_code zeros_of_placeholders(zeros *z, tn_graph *g, int64_t batch, tn_error *err)
{
    tn_code code = TN_OK;
    for (int i = 0; i < tn_graph_count(g) && code == TN_OK; i++) {
        tn_operation *op = tn_graph_at(g, i);
        tn_node out = tn_output_of(op, 0);
        if (strcmp(tn_operation_type(op), "Placeholder") != 0) continue;
        code = add_zeros(z, tn_operation_name(op), tn_node_dtype(out), tn_node_shape(out), batch, err);
    }
    return code;
}

static tn_code print_plan(tn_loaded *m, const values *v, const zeros *z, const char *const *fetches, int n,
                          tn_error *err)
{
    tn_callable *c;
    char *text;
    tn_code code = tn_callable_new(tn_loaded_session(m), z->names, z->n, fetches, n, v->targets.v,
                                   v->targets.n, &c, err);
    if (code != TN_OK) return code;
    code = tn_callable_plan(c, (const tn_tensor *const *)z->tensors, (int)v->runs, &text, err);
    if (code == TN_OK) {
        fputs(text, stdout);
        tn_text_free(text);
    }
    tn_callable_free(c);
    return code;
}

static tn_code show_plan(tn_loaded *m, const values *v, bool bare, tn_error *err)
{
    zeros z = {.n = 0};
    const char *fetches[256];
    const tn_loaded_signature *s = NULL;
    tn_code code;
    if (bare) {
        if (!v->fetches.n && !v->targets.n) return usage_error(err, "--plan of a graph wants --fetch or --target");
        code = zeros_of_placeholders(&z, tn_loaded_graph(m), v->batch, err);
    } else {
        code = tn_loaded_find_signature(m, v->signature, &s, err);
        if (code == TN_OK) code = zeros_of_signature(&z, s, v->batch, err);
        for (int i = 0; code == TN_OK && i < s->n_out && i < 256; i++) fetches[i] = s->out[i].name;
    }
    if (code == TN_OK) code = print_plan(m, v, &z, s ? fetches : v->fetches.v, s ? s->n_out : v->fetches.n, err);
    for (int i = 0; i < z.n; i++) tn_tensor_unref(z.tensors[i]);
    return code;
}

/* ==== the command ==== */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static tn_code open_any(const values *v, const char *path, bool *bare, tn_loaded **out, tn_error *err)
{
    tn_session_options o = {.threads = (int)v->threads};
    *bare = true;
    if (ends_with(path, ".meta")) return tn_load_meta_graph(path, v->checkpoint, &o, out, err);
    if (ends_with(path, ".pb") || ends_with(path, ".pbtxt")) return tn_load_graph(path, &o, out, err);
    *bare = false;
    return tn_load_saved_model(path, NULL, 0, &o, out, err);
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.batch = 1, .runs = 100};
    strings rest = {.n = 0};
    tn_loaded *m;
    bool bare;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if (rest.n != 1) return usage_error(err, "one model, graph or checkpoint is wanted, %d are given", rest.n);
    if (v.batch < 1 || v.runs < 0) return usage_error(err, "--batch is at least 1, --runs at least 0");
    const char *path = rest.v[0];
    if (!is_folder(path) && !ends_with(path, ".meta") && !ends_with(path, ".pb") && !ends_with(path, ".pbtxt"))
        return show_checkpoint(&v, path, err);
    if ((code = open_any(&v, path, &bare, &m, err)) != TN_OK) return code;
    code = v.plan ? show_plan(m, &v, bare, err) : show_model(m, err);
    tn_loaded_free(m);
    return code;
}

const command cmd_show = {
    .name = "show",
    .summary = "Shows a SavedModel, graph or checkpoint, or the plan by which it is run",
    .usage = "SAVED_MODEL | GRAPH.pb | M.meta | CHECKPOINT [FLAGS]",
    .flags = flags,
    .run = run,
};
