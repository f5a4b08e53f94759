/* SPDX-License-Identifier: Apache-2.0
 *
 * nn_test.h - a graph, a builder and, once it is run, a session: for tests of what builds graphs.
 */
#ifndef NN_TEST_H
#define NN_TEST_H

#include <math.h>

#include "nn/nn.h"

typedef struct fixture {
    tn_graph *g;
    tn_builder *b;
    tn_session *s;
    tn_tensor *out[16];
    int n_out;
} fixture;

static inline fixture begin(void)
{
    fixture f = {.g = tn_graph_new()};
    f.b = tn_builder_new(f.g);
    assert_non_null(f.b);
    return f;
}

static inline void drop_outputs(fixture *f)
{
    while (f->n_out) tn_tensor_unref(f->out[--f->n_out]);
}

static inline void end(fixture *f)
{
    drop_outputs(f);
    tn_session_free(f->s);
    tn_builder_free(f->b);
    tn_graph_free(f->g);
}

static inline tn_node floats(fixture *f, tn_shape shape, const float *v)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_of(TN_FLOAT, &shape, v, &t, NULL), TN_OK);
    tn_node n = tn_constant(f->b, "x", t);
    tn_tensor_unref(t);
    return n;
}

static inline void must(tn_code code, const tn_error *err)
{
    if (code) print_message("%s\n", err->message);
    assert_int_equal(code, TN_OK);
}

static inline void target(fixture *f, const char *op)
{
    tn_error err;
    must(tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &op, 1, &err), &err);
}

/* Makes the session and initialises the variables, the first time. */
static inline void ready(fixture *f)
{
    tn_error err;
    if (f->s) return;
    tn_operation *init = tn_global_variables_initializer(f->b);
    must(tn_builder_check(f->b, &err), &err);
    must(tn_session_new(f->g, NULL, &f->s, &err), &err);
    target(f, tn_operation_name(init));
}

static inline void run(fixture *f, const tn_node *nodes, int n)
{
    char names[16][300];
    const char *fetches[16];
    tn_error err;
    ready(f);
    drop_outputs(f);
    for (int i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "%s:%d", tn_operation_name(nodes[i].op), nodes[i].index);
        fetches[i] = names[i];
    }
    must(tn_session_run(f->s, NULL, 0, fetches, n, f->out, NULL, 0, &err), &err);
    f->n_out = n;
}

static inline void assert_value(const fixture *f, int i, const float *want, int n, double within)
{
    assert_int_equal(tn_tensor_count(f->out[i]), n);
    for (int k = 0; k < n; k++) {
        if (fabs(TN_FLOATS(f->out[i])[k] - want[k]) > within)
            print_message("output %d element %d: %.9g, expected %.9g\n", i, k, TN_FLOATS(f->out[i])[k],
                          want[k]);
        assert_true(fabs(TN_FLOATS(f->out[i])[k] - want[k]) <= within);
    }
}

/* The first element of a variable. */
static inline void assert_variable(const fixture *f, const char *name, double want, double within)
{
    tn_tensor *t;
    tn_error err;
    must(tn_session_get(f->s, name, &t, &err), &err);
    double got = tn_tensor_number(t, 0);
    tn_tensor_unref(t);
    if (fabs(got - want) > within) print_message("%s: %.9g, expected %.9g\n", name, got, want);
    assert_true(fabs(got - want) <= within);
}

#endif
