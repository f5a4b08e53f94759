/* SPDX-License-Identifier: Apache-2.0
 *
 * serving.c - what an experiment serves: a graph of its own from the raw inputs, by preprocessing, model and
 * postprocessing, to named outputs, with signatures.
 *
 * Invariant: names of variables are those of training (network.c).
 */
#include <stdlib.h>

#include "network.h"

void tn_serving_input(tn_inputs *in, const char *name, tn_dtype t, tn_shape shape)
{
    char text[160];
    if (in->error.code) return;
    if (!name || !*name) {
        tn_fail(&in->error, TN_INVALID_ARGUMENT, ".serving: an input without a name");
    } else if (in->n == TN_MAX_COLUMNS) {
        tn_fail(&in->error, TN_INVALID_ARGUMENT, ".serving: more than %d inputs", TN_MAX_COLUMNS);
    } else if (!tn_dtype_size(t)) {
        tn_fail(&in->error, TN_INVALID_ARGUMENT, ".serving: input '%.100s' has no dtype", name);
    } else if (shape.rank < 1) {
        tn_fail(&in->error, TN_INVALID_ARGUMENT,
                ".serving: input '%.100s' of shape %s has no dimension for the batch", name,
                tn_shape_text(&shape, text, sizeof text));
    } else {
        in->v[in->n].name = tn_arena_strdup(in->arena, name);
        in->v[in->n].dtype = t;
        in->v[in->n++].shape = shape;
    }
}

/* Without .serving: the training data's features, of any number of examples. */
static void inputs_of_data(tn_inputs *in, const tn_data *d)
{
    for (int i = 0; d && i < d->n; i++) {
        if (d->v[i].role != TN_FEATURE) continue;
        tn_shape shape = d->v[i].values->shape;
        shape.dim[0] = -1;
        tn_serving_input(in, d->v[i].name, d->v[i].values->dtype, shape);
    }
}

/* What is served and what is trained on goes through the same preprocessing: where names agree, the rest
 * must. */
static tn_code check_column(const tn_inputs *in, const tn_column *c, tn_error *err)
{
    char has[160], wants[160];
    for (int i = 0; i < in->n; i++) {
        tn_shape shape = c->values->shape;
        if (c->role != TN_FEATURE || strcmp(in->v[i].name, c->name)) continue;
        shape.dim[0] = -1;
        if (in->v[i].dtype == c->values->dtype && tn_shape_compatible(&in->v[i].shape, &shape)) continue;
        return tn_fail(err, TN_INVALID_ARGUMENT, ".train: column '%s' is %s %s, but .serving takes %s %s",
                       c->name, tn_dtype_name(c->values->dtype),
                       tn_shape_text(&c->values->shape, has, sizeof has), tn_dtype_name(in->v[i].dtype),
                       tn_shape_text(&in->v[i].shape, wants, sizeof wants));
    }
    return TN_OK;
}

static tn_values make_inputs(tn_builder *b, const tn_inputs *in)
{
    tn_values v = tn_values_of(b);
    for (int i = 0; i < in->n; i++)
        tn_output(&v, in->v[i].name, tn_placeholder(b, in->v[i].name, in->v[i].dtype, in->v[i].shape), 0);
    return v;
}

static tn_values build_outputs(const struct tn_job *j, tn_builder *b, const tn_values *raw)
{
    const tn_experiment *e = j->experiment.experiment;
    tn_values in = tn_preprocess(j, b, TN_PREDICTION, raw), model = tn_apply_model(j, b, TN_PREDICTION, &in);
    if (!e->postprocess) return model;
    tn_values out = tn_values_of(b);
    tn_name_scope(b, "postprocess");
    e->postprocess(b, tn_job_settings(j), &model, &out);
    if (!out.n) tn_failf(b, TN_INVALID_ARGUMENT, ".postprocess gave no value: it must call tn_output");
    tn_name_scope_end(b);
    return out;
}

/* ==== signatures ==== */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const tn_tensor_info *)a)->key, ((const tn_tensor_info *)b)->key);
}

static bool is_in(const tn_values *v, int i, const char *only, bool flagged)
{
    if (only) return !strcmp(v->v[i].name, only);
    return flagged ? v->v[i].flags & TN_DEFAULT_OUTPUT : i == 0;
}

/* The values as infos: all (only NULL and every), one of a name, or those of the default signature. */
static const tn_tensor_info *infos(tn_arena *a, const tn_values *v, bool every, const char *only, int *n)
{
    bool flagged = false;
    tn_tensor_info *t = TN_ARRAY(a, v->n + 1, tn_tensor_info);
    for (int i = 0; i < v->n; i++) flagged = flagged || v->v[i].flags & TN_DEFAULT_OUTPUT;
    *n = 0;
    for (int i = 0; t && i < v->n; i++) {
        if (!every && !is_in(v, i, only, flagged)) continue;
        tn_node x = v->v[i].node;
        t[*n].key = tn_arena_strdup(a, v->v[i].name);
        t[*n].name = tn_arena_printf(a, "%s:%d", tn_operation_name(x.op), x.index);
        t[*n].dtype = tn_dtype_base(tn_node_dtype(x));
        t[*n].shape = tn_node_shape(x);
        if (!t[*n].key || !t[*n].name) return NULL;
        (*n)++;
    }
    if (t) qsort(t, (size_t)*n, sizeof *t, by_key);
    return t;
}

static bool add_signature(tn_serving *s, const char *name, const tn_values *in, const tn_values *out,
                          const char *only)
{
    tn_signature *g = &s->signatures[s->n_signatures++];
    *g = (tn_signature){.name = tn_arena_strdup(s->arena, name), .method = TN_PREDICT_METHOD};
    g->in = infos(s->arena, in, true, NULL, &g->n_in);
    g->out = infos(s->arena, out, false, only, &g->n_out);
    return g->name && g->in && g->out;
}

/* "serving_default" with the default outputs, and one signature an output. */
static tn_code add_signatures(tn_serving *s, const tn_values *in, const tn_values *out, tn_error *err)
{
    s->signatures = TN_ARRAY(s->arena, out->n + 1, tn_signature);
    bool ok = s->signatures && add_signature(s, TN_DEFAULT_SIGNATURE, in, out, NULL);
    for (int i = 0; ok && i < out->n; i++)
        if (strcmp(out->v[i].name, TN_DEFAULT_SIGNATURE))
            ok = add_signature(s, out->v[i].name, in, out, out->v[i].name);
    return ok ? TN_OK : tn_no_memory(err, 0);
}

/* All that fills tables, as one operation. */
static void group_tables(tn_serving *s, tn_builder *b)
{
    int n = tn_collection_count(s->graph, TN_TABLE_INITIALIZERS);
    tn_operation **ops = TN_ARRAY(s->arena, n + 1, tn_operation *);
    if (!n || !tn_builder_ok(b)) return;
    for (int i = 0; ops && i < n; i++)
        ops[i] = tn_graph_operation(s->graph, tn_collection_at(s->graph, TN_TABLE_INITIALIZERS, i));
    tn_operation *init = ops ? tn_group(b, "init_all_tables", n, ops) : NULL;
    if (init) s->init = tn_operation_name(init);
    else tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
}

static tn_code build(const struct tn_job *j, const tn_inputs *in, tn_serving *s, tn_error *err)
{
    tn_builder *b = tn_builder_new(s->graph);
    if (!b) return tn_no_memory(err, 0);
    tn_builder_set_origin(b, j->folder, true);
    tn_set_random_seed(b, j->settings.run.seed);
    tn_values raw = make_inputs(b, in), out = build_outputs(j, b, &raw);
    group_tables(s, b);
    tn_code code = tn_builder_check(b, err);
    if (code != TN_OK) tn_wrap(err, "the served graph");
    if (code == TN_OK) code = add_signatures(s, &raw, &out, err);
    tn_builder_free(b);
    return code;
}

tn_code tn_serving_new(const struct tn_job *j, const tn_data *data, tn_serving **out, tn_error *err)
{
    const tn_experiment *e = j->experiment.experiment;
    tn_serving *s = tn_calloc(1, sizeof *s);
    tn_inputs *in = tn_calloc(1, sizeof *in);
    tn_code code = TN_OK;
    if (s) s->arena = tn_arena_new(0);
    if (s) s->graph = tn_graph_new();
    if (!s || !in || !s->arena || !s->graph) code = tn_no_memory(err, sizeof *s);
    if (code == TN_OK) {
        in->arena = s->arena;
        if (e->serving)
            e->serving(in, tn_job_settings(j));
        else
            inputs_of_data(in, data);
        code = in->error.code;
        if (code != TN_OK && err)
            *err = in->error;
        else if (!in->n)
            code = tn_fail(err, TN_INVALID_ARGUMENT, ".serving: it gave no input");
    }
    for (int i = 0; code == TN_OK && data && i < data->n; i++) code = check_column(in, &data->v[i], err);
    if (code == TN_OK) code = build(j, in, s, err);
    tn_free(in);
    if (code == TN_OK)
        *out = s;
    else
        tn_serving_free(s);
    return tn_job_blame(j, code, err);
}

void tn_serving_free(tn_serving *s)
{
    if (!s) return;
    tn_graph_free(s->graph);
    tn_arena_free(s->arena);
    tn_free(s);
}
