/* SPDX-License-Identifier: Apache-2.0
 *
 * network.c - an experiment's networks as one graph: training as TensorFlow 1 would have it, and evaluation
 * under "validation", sharing the variables.
 *
 * Invariant: names of variables obey the model only, so the served graph (serving.c) has the same.
 */
#include "network.h"

/* ==== towers ==== shared with serving.c */

static void reject_empty(tn_builder *b, const tn_values *v, const char *what)
{
    if (!v->n) tn_failf(b, TN_INVALID_ARGUMENT, ".%s gave no value: it must call tn_output", what);
}

tn_values tn_preprocess(const struct tn_job *j, tn_builder *b, tn_mode mode, const tn_values *raw)
{
    const tn_experiment *e = j->experiment.experiment;
    if (!e->preprocess) return *raw;
    tn_values out = tn_values_of(b);
    tn_name_scope(b, "preprocess");
    e->preprocess(b, tn_job_settings(j), mode, raw, &out);
    reject_empty(b, &out, "preprocess");
    tn_name_scope_end(b);
    return out;
}

tn_values tn_apply_model(const struct tn_job *j, tn_builder *b, tn_mode mode, const tn_values *in)
{
    tn_values out = tn_values_of(b);
    j->the_model->model(b, j->model_settings, mode, in, &out);
    reject_empty(b, &out, "model");
    return out;
}

/* ==== names of values ==== */

static const char *name_of(tn_arena *a, tn_builder *b, tn_node node)
{
    if (!tn_builder_ok(b) || !node.op) return NULL;
    const char *name = tn_arena_printf(a, "%s:%d", tn_operation_name(node.op), node.index);
    if (!name) tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
    return name;
}

/* ==== parts ==== */

typedef struct parts {
    tn_values features, labels; /* as fed */
    tn_node step;
} parts;

static void make_inputs(tn_builder *b, const tn_data *d, tn_network *n, parts *p)
{
    p->features = tn_values_of(b);
    p->labels = tn_values_of(b);
    tn_name_scope(b, "data"); /* a layer may be named as a column is */
    for (int i = 0; i < d->n && tn_builder_ok(b); i++) {
        tn_shape shape = d->v[i].values->shape;
        shape.dim[0] = -1;
        tn_node node = tn_placeholder(b, d->v[i].name, d->v[i].values->dtype, shape);
        tn_output(d->v[i].role == TN_FEATURE ? &p->features : &p->labels, d->v[i].name, node, 0);
        n->feeds[n->n_feeds++] = name_of(n->arena, b, node);
    }
    tn_name_scope_end(b);
}

static bool is_scalar(tn_builder *b, const char *what, tn_node x)
{
    char text[160];
    if (!tn_builder_ok(b)) return false;
    tn_shape s = x.op ? tn_node_shape(x) : TN_SHAPE();
    if (x.op && s.rank <= 0 && tn_dtype_base(tn_node_dtype(x)) == TN_FLOAT) return true;
    if (!x.op)
        tn_failf(b, TN_INVALID_ARGUMENT, ".%s has no value", what);
    else
        tn_failf(b, TN_INVALID_ARGUMENT, ".%s must be a float scalar; '%s' is %s of shape %s", what,
                 tn_operation_name(x.op), tn_dtype_name(tn_node_dtype(x)),
                 tn_shape_text(&s, text, sizeof text));
    return false;
}

/* Model and loss of one mode. */
static void build_tower(const struct tn_job *j, tn_builder *b, tn_mode mode, const parts *p, tn_values *in,
                        tn_values *out, tn_results *r)
{
    *in = tn_preprocess(j, b, mode, &p->features);
    *out = tn_apply_model(j, b, mode, in);
    *r = (tn_results){.inputs = in,
                      .outputs = out,
                      .labels = &p->labels,
                      .y = tn_values_default(out),
                      .label = p->labels.x,
                      .mode = mode};
    r->weights_loss = tn_regularization_loss(b);
    tn_name_scope(b, "loss");
    r->loss = j->experiment.experiment->loss(b, tn_job_settings(j), r);
    tn_name_scope_end(b);
    is_scalar(b, "loss", r->loss);
}

static void build_training(const struct tn_job *j, tn_builder *b, const parts *p, tn_network *n)
{
    tn_values in, out;
    tn_results r;
    build_tower(j, b, TN_TRAINING, p, &in, &out, &r);
    if (!tn_builder_ok(b)) return;
    tn_operation *train = j->experiment.experiment->optimizer(b, tn_job_settings(j), r.loss, p->step);
    if (!tn_builder_ok(b)) return;
    if (!train) {
        tn_failf(b, TN_INVALID_ARGUMENT, ".optimizer returned no operation");
        return;
    }
    n->loss = name_of(n->arena, b, r.loss);
    n->train = tn_arena_strdup(n->arena, tn_operation_name(train));
    if (tn_collection_count(n->graph, TN_LEARNING_RATE))
        n->rate = tn_arena_strdup(n->arena, tn_collection_at(n->graph, TN_LEARNING_RATE, 0));
}

/* ==== evaluation ==== */

static void fetch_of(tn_network *n, tn_builder *b, const struct tn_value *v, tn_fetch *out)
{
    *out = (tn_fetch){.kind = v->kind, .root = v->root, .most = v->most};
    out->name = tn_arena_strdup(n->arena, v->name);
    out->value = name_of(n->arena, b, v->node);
    out->count = v->kind == TN_VALUE_METRIC ? name_of(n->arena, b, v->count) : NULL;
    if (v->kind == TN_VALUE_METRIC) is_scalar(b, "metrics", v->node), is_scalar(b, "metrics", v->count);
}

/* The loss as a metric: its mean over the examples. */
static void add_loss(tn_builder *b, const parts *p, tn_node loss, tn_outputs *metrics)
{
    tn_node first = p->features.x;
    tn_node rows =
        tn_op(b, "StridedSlice",
              TN_INPUTS(tn_op(b, "Shape", TN_INPUTS(first), TN_NO_ATTRS), tn_ints(b, (int64_t[]){0}, 1),
                        tn_ints(b, (int64_t[]){1}, 1), tn_ints(b, (int64_t[]){1}, 1)),
              TN_ATTRS(tn_attr_int("shrink_axis_mask", 1)));
    tn_node count = tn_cast_to(b, rows, TN_FLOAT);
    tn_metric(metrics, "loss", tn_mul(b, loss, count), count, false);
}

static void keep_fetches(tn_network *n, tn_builder *b, const tn_values *v, tn_fetch **out, int *count)
{
    *out = TN_ARRAY(n->arena, v->n + 1, tn_fetch);
    if (!*out) {
        tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (int i = 0; i < v->n && tn_builder_ok(b); i++) fetch_of(n, b, &v->v[i], &(*out)[(*count)++]);
}

static void build_evaluation(const struct tn_job *j, tn_builder *b, const parts *p, tn_network *n)
{
    const tn_experiment *e = j->experiment.experiment;
    tn_values in, out, metrics = tn_values_of(b), summaries = tn_values_of(b);
    tn_results r;
    tn_name_scope(b, "validation");
    tn_builder_set_reuse(b, TN_REUSE);
    build_tower(j, b, TN_EVALUATION, p, &in, &out, &r);
    tn_name_scope(b, "metrics");
    if (tn_builder_ok(b)) add_loss(b, p, r.loss, &metrics);
    if (tn_builder_ok(b) && e->metrics) e->metrics(b, tn_job_settings(j), &r, &metrics);
    tn_name_scope_end(b);
    tn_name_scope(b, "summaries");
    if (tn_builder_ok(b) && e->summaries) e->summaries(b, tn_job_settings(j), &r, &summaries);
    tn_name_scope_end(b);
    tn_name_scope_end(b);
    if (!tn_builder_ok(b)) return;
    tn_builder_set_reuse(b, TN_REUSE_INHERIT);
    keep_fetches(n, b, &metrics, &n->metrics, &n->n_metrics);
    keep_fetches(n, b, &summaries, &n->summaries, &n->n_summaries);
}

/* ==== all of it ==== */

static tn_code build(const struct tn_job *j, const tn_data *d, bool begins, tn_network *n, tn_error *err)
{
    parts p = {0};
    tn_builder *b = tn_builder_new(n->graph);
    if (!b) return tn_no_memory(err, 0);
    tn_builder_set_origin(b, j->folder, !begins);
    tn_set_random_seed(b, j->settings.run.seed);
    make_inputs(b, d, n, &p);
    p.step = tn_global_step(b);
    if (tn_builder_ok(b)) build_training(j, b, &p, n);
    if (tn_builder_ok(b)) build_evaluation(j, b, &p, n);
    tn_operation *init = tn_global_variables_initializer(b);
    if (init) n->init = tn_arena_strdup(n->arena, tn_operation_name(init));
    tn_code code = tn_builder_check(b, err);
    if (code == TN_OK && (!n->init || !n->train || !n->loss)) code = tn_no_memory(err, 0);
    tn_builder_free(b);
    return code;
}

tn_code tn_network_new(const struct tn_job *j, const tn_data *data, bool begins, tn_network **out, tn_error *err)
{
    tn_network *n = tn_calloc(1, sizeof *n);
    if (!n) return tn_no_memory(err, sizeof *n);
    n->arena = tn_arena_new(0);
    n->graph = tn_graph_new();
    n->feeds = n->arena ? TN_ARRAY(n->arena, data->n + 1, const char *) : NULL;
    tn_code code = n->graph && n->feeds ? build(j, data, begins, n, err) : tn_no_memory(err, 0);
    if (code == TN_OK)
        *out = n;
    else
        tn_network_free(n);
    return tn_job_blame(j, code, err);
}

tn_code tn_network_start(const tn_network *n, tn_session *s, tn_error *err)
{
    TN_TRY(tn_session_run(s, NULL, 0, NULL, 0, NULL, &n->init, 1, err));
    return tn_start_variables(n->graph, s, err);
}

void tn_network_free(tn_network *n)
{
    if (!n) return;
    tn_graph_free(n->graph);
    tn_arena_free(n->arena);
    tn_free(n);
}
