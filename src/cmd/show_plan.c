/* SPDX-License-Identifier: Apache-2.0
 *
 * show_plan.c - `turnery show --plan`: how a signature, or what is fetched of a graph, is run; inputs are
 * zeros.
 */
#include "show.h"

#include <limits.h>
#include <string.h>

enum { MOST_SECONDS = 10 }; /* of one timed run */

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

/* A run with zeros may fail where real inputs do not, or never end: then the plan stands there without times. */
static tn_code text_of_plan(tn_callable *c, const show_values *v, const zeros *z, char **text, tn_error *err)
{
    const tn_tensor *const *in = (const tn_tensor *const *)z->tensors;
    tn_error why;
    if (v->runs <= 0) return tn_callable_plan(c, in, 0, text, err);
    if (tn_callable_plan(c, in, v->runs < INT_MAX ? (int)v->runs : INT_MAX - 1, text, &why) == TN_OK) return TN_OK;
    tn_code code = tn_callable_plan(c, in, 0, text, err);
    if (code == TN_OK)
        fprintf(stderr, "not timed: a run with zeros as inputs ends with %s: %s\n", tn_code_name(why.code),
                why.message);
    return code;
}

static tn_code print_plan(tn_loaded *m, const show_values *v, const zeros *z, const char *const *fetches,
                          int n, facts *f, tn_error *err)
{
    tn_callable *c;
    char *text;
    tn_code code = tn_callable_new(tn_loaded_session(m), z->names, z->n, fetches, n, v->targets.v,
                                   v->targets.n, &c, err);
    if (code != TN_OK) return code;
    code = text_of_plan(c, v, z, &text, err);
    if (code == TN_OK) {
        if (facts_json(f))
            facts_text(f, "plan", text);
        else
            fputs(text, stdout);
        tn_text_free(text);
    }
    tn_callable_free(c);
    return code;
}

static tn_code plan_of(tn_loaded *m, const show_values *v, bool bare, facts *f, tn_error *err)
{
    zeros z = {.n = 0};
    const char *fetches[256];
    const tn_loaded_signature *s = NULL;
    tn_code code;
    if (bare) {
        if (!v->fetches.n && !v->targets.n)
            return usage_error(err, "--plan of a graph wants --fetch or --target");
        code = zeros_of_placeholders(&z, tn_loaded_graph(m), v->batch, err);
    } else {
        code = tn_loaded_find_signature(m, v->signature, &s, err);
        if (code == TN_OK) code = zeros_of_signature(&z, s, v->batch, err);
        for (int i = 0; code == TN_OK && i < s->n_out && i < 256; i++) fetches[i] = s->out[i].name;
    }
    if (code == TN_OK)
        code = print_plan(m, v, &z, s ? fetches : v->fetches.v, s ? s->n_out : v->fetches.n, f, err);
    for (int i = 0; i < z.n; i++) tn_tensor_unref(z.tensors[i]);
    return code;
}

static tn_code open_any(const show_values *v, const char *path, bool *bare, tn_loaded **out, tn_error *err)
{
    tn_session_options o = {.threads = (int)v->threads, .time_limit = MOST_SECONDS};
    *bare = true;
    if (ends_with(path, ".meta")) return tn_load_meta_graph(path, v->checkpoint, &o, out, err);
    if (ends_with(path, ".pb") || ends_with(path, ".pbtxt")) return tn_load_graph(path, &o, out, err);
    *bare = false;
    return load_tagged(path, v->tag_set, &o, out, err);
}

tn_code show_plan(const show_values *v, const char *path, facts *f, tn_error *err)
{
    tn_loaded *m;
    bool bare;
    tn_code code = open_any(v, path, &bare, &m, err);
    if (code != TN_OK) return code;
    code = plan_of(m, v, bare, f, err);
    tn_loaded_free(m);
    return code;
}
