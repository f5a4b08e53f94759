/* SPDX-License-Identifier: Apache-2.0
 *
 * small_graph.h - a graph of one layer for the tests of files: y = x w + b, with a global step.
 */
#ifndef TN_TEST_SMALL_GRAPH_H
#define TN_TEST_SMALL_GRAPH_H

#include "format/format.h"
#include "place.h"

typedef struct small_graph {
    tn_graph *graph;
    tn_session *session;
} small_graph;

static inline small_graph small_graph_new(float w0)
{
    tn_error err;
    small_graph g = {.graph = tn_graph_new()};
    tn_builder *b = tn_builder_new(g.graph);
    tn_tensor *w = floats(&TN_SHAPE(2, 2), (float[]){w0, 2, 3, 4});
    tn_node x = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, 2));
    tn_node wv = tn_variable(b, "layer/w", tn_constant(b, "w0", w), 0);
    tn_node bv = tn_variable(b, "layer/b", tn_scalar(b, TN_FLOAT, 0.5), TN_VAR_REF);
    tn_variable(b, "global_step", tn_scalar(b, TN_INT64, 7), TN_VAR_NOT_TRAINABLE);
    tn_variable(b, "local", tn_scalar(b, TN_INT32, 1), TN_VAR_LOCAL);
    tn_op_named(b, "AddV2", "y", TN_INPUTS(tn_op(b, "MatMul", TN_INPUTS(x, wv), TN_NO_ATTRS), bv),
                TN_NO_ATTRS);
    const char *init = tn_operation_name(tn_global_variables_initializer(b));
    assert_ok(tn_builder_check(b, &err), &err);
    assert_ok(tn_collection_add(g.graph, "losses", "y:0", &err), &err);
    assert_ok(tn_session_new(g.graph, NULL, &g.session, &err), &err);
    assert_ok(tn_session_run(g.session, NULL, 0, NULL, 0, NULL, &init, 1, &err), &err);
    tn_builder_free(b);
    tn_tensor_unref(w);
    return g;
}

/* A checkpoint of it, as a Saver writes it. */
static inline tn_code small_graph_save(const small_graph *g, tn_saver *saver, int64_t step, tn_error *err)
{
    tn_bundle_writer *w;
    tn_export e = {.graph = g->graph};
    tn_code code = tn_saver_begin(saver, step, &w, NULL, err);
    if (code != TN_OK) return code;
    code = tn_checkpoint_add(w, &e, g->session, err);
    if (code == TN_OK) return tn_saver_finish(saver, w, &e, err);
    tn_bundle_abandon(w);
    return code;
}

static inline void small_graph_free(small_graph *g)
{
    tn_session_free(g->session);
    tn_graph_free(g->graph);
}

/* y of x = [[1, 1]] */
static inline float small_graph_run(tn_session *s)
{
    tn_error err;
    tn_tensor *x = floats(&TN_SHAPE(1, 2), (float[]){1, 1}), *y;
    const char *fetch = "y:0";
    assert_ok(tn_session_run(s, &(tn_feed){"x:0", x}, 1, &fetch, 1, &y, NULL, 0, &err), &err);
    float v = TN_FLOATS(y)[0];
    tn_tensor_unref(x);
    tn_tensor_unref(y);
    return v;
}

/* The first element of a variable. */
static inline double variable(tn_session *s, const char *name)
{
    tn_tensor *t;
    tn_error err;
    assert_ok(tn_session_get(s, name, &t, &err), &err);
    double v = tn_tensor_number(t, 0);
    tn_tensor_unref(t);
    return v;
}

static inline void set_variable(tn_session *s, const char *name, float v)
{
    tn_error err;
    tn_tensor *t = floats(&TN_SHAPE(2, 2), (float[]){v, v, v, v});
    assert_ok(tn_session_set(s, name, t, &err), &err);
    tn_tensor_unref(t);
}

/* A session of what a builder has made: initialized, then what begins elsewhere. */
static inline tn_code start_graph(tn_graph *g, tn_builder *b, tn_session **session, tn_error *err)
{
    tn_operation *init = tn_global_variables_initializer(b);
    const char *name = init ? tn_operation_name(init) : NULL;
    TN_TRY(tn_builder_check(b, err));
    TN_TRY(tn_session_new(g, NULL, session, err));
    TN_TRY(tn_session_run(*session, NULL, 0, NULL, 0, NULL, &name, 1, err));
    return tn_start_variables(g, *session, err);
}

#endif
