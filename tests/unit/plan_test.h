/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_test.h - what tests of plans share: a graph with its builder and session, values from numbers, runs that
 * must succeed, and closeness of tensors.
 */
#ifndef TN_PLAN_TEST_H
#define TN_PLAN_TEST_H

#include <math.h>

#include "graph_fixture.h"

/* A session of the graph as it is; the one before is closed. */
static inline void fixture_session(fixture *f, unsigned passes_off)
{
    tn_session_options o = {.threads = 1, .passes_off = passes_off, .seed = 7, .max_bound_shapes = 3};
    tn_session_free(f->s);
    f->s = NULL;
    assert_ok(tn_builder_check(f->b, &f->err), &f->err);
    assert_ok(tn_session_new(f->g, &o, &f->s, &f->err), &f->err);
}

/* The planner with everything, with nothing, and without each pass. */
static inline unsigned plan_mode(int i)
{
    return i == 0 ? 0 : i == 1 ? TN_ALL_PASSES : 1u << (i - 2);
}
enum { PLAN_MODES = 2 + TN_PASS_COUNT };

static inline tn_tensor *floats(tn_shape shape, const float *v)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_of(TN_FLOAT, &shape, v, &t, NULL), TN_OK);
    return t;
}

static inline tn_tensor *scalar_of(tn_dtype type, double v)
{
    tn_tensor *t;
    assert_int_equal(tn_tensor_scalar(type, v, &t, NULL), TN_OK);
    return t;
}

/* The value under a name of its own. */
static inline void give_name(tn_builder *b, const char *name, tn_node x)
{
    tn_op_named(b, "Identity", name, TN_INPUTS(x), TN_NO_ATTRS);
}

/* A constant node of these floats. */
static inline tn_node constant_floats(tn_builder *b, tn_shape shape, const float *v)
{
    tn_tensor *t = floats(shape, v);
    tn_node n = tn_constant(b, NULL, t);
    tn_tensor_unref(t);
    return n;
}

static inline tn_tensor *run_fed(fixture *f, const tn_feed *feeds, int n, const char *fetch)
{
    tn_tensor *out = NULL;
    assert_ok(tn_session_run(f->s, feeds, n, &fetch, 1, &out, NULL, 0, &f->err), &f->err);
    return out;
}

static inline void run_target(fixture *f, const char *target)
{
    assert_ok(tn_session_run(f->s, NULL, 0, NULL, 0, NULL, &target, 1, &f->err), &f->err);
}

static inline void run_operation(fixture *f, const tn_operation *op)
{
    assert_non_null(op);
    run_target(f, tn_operation_name(op));
}

/* The value of a node as one number (its first element), fed with nothing. */
static inline double run_number(fixture *f, tn_node n)
{
    char name[300];
    assert_non_null(n.op);
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(n.op), n.index);
    tn_tensor *t = run_fed(f, NULL, 0, name);
    double v = tn_tensor_number(t, 0);
    tn_tensor_unref(t);
    return v;
}

/* NaN equals NaN; numbers within a relative distance. */
static inline bool is_close(double x, double y, double tolerance)
{
    if (isnan(x) || isnan(y)) return isnan(x) && isnan(y);
    if (isinf(x) || isinf(y)) return x == y;
    return fabs(x - y) <= tolerance * (1 + fabs(x) + fabs(y));
}

static inline void assert_close_tensors(const tn_tensor *x, const tn_tensor *y, double tolerance, const char *what)
{
    char a[128], b[128];
    if (x->dtype != y->dtype || !tn_shape_equal(&x->shape, &y->shape))
        fail_msg("%s: %s %s instead of %s %s", what, tn_dtype_name(x->dtype), tn_shape_text(&x->shape, a, sizeof a),
                 tn_dtype_name(y->dtype), tn_shape_text(&y->shape, b, sizeof b));
    for (int64_t i = 0; i < tn_tensor_count(x); i++)
        if (!is_close(tn_tensor_number(x, i), tn_tensor_number(y, i), tolerance))
            fail_msg("%s: element %lld is %g instead of %g", what, (long long)i, tn_tensor_number(x, i),
                     tn_tensor_number(y, i));
}

/* Of x, fed as "x": the values of these names are in each mode those of the graph interpreted plainly. Leaves a session
 * with all passes. */
static inline void assert_same_in_modes(fixture *f, tn_tensor *x, const char *const *names, int n, double tolerance)
{
    tn_tensor *want[4];
    char what[80];
    assert_true(n <= 4);
    fixture_session(f, TN_ALL_PASSES);
    for (int k = 0; k < n; k++) want[k] = run_fed(f, &(tn_feed){"x", x}, 1, names[k]);
    for (int mode = 0; mode < PLAN_MODES; mode++) {
        fixture_session(f, plan_mode(mode));
        for (int k = 0; k < n; k++) {
            tn_tensor *got = run_fed(f, &(tn_feed){"x", x}, 1, names[k]);
            snprintf(what, sizeof what, "%s without passes %x", names[k], plan_mode(mode));
            assert_close_tensors(got, want[k], tolerance, what);
            tn_tensor_unref(got);
        }
    }
    for (int k = 0; k < n; k++) tn_tensor_unref(want[k]);
    fixture_session(f, 0);
}

/* The plan for these names when x is fed as "x", to be given back by tn_text_free. */
static inline char *plan_of(fixture *f, tn_tensor *x, const char *const *names, int n)
{
    tn_callable *c;
    char *text;
    assert_ok(tn_callable_new(f->s, (const char *[]){"x"}, 1, names, n, NULL, 0, &c, &f->err), &f->err);
    assert_ok(tn_callable_plan(c, (const tn_tensor *[]){x}, 0, &text, &f->err), &f->err);
    tn_callable_free(c);
    return text;
}

static inline void assert_steps(fixture *f, tn_tensor *x, const char *name, int steps)
{
    char want[32], *text = plan_of(f, x, &name, 1);
    snprintf(want, sizeof want, "%d steps (", steps);
    if (strncmp(text, want, strlen(want)) != 0) fail_msg("%s wanted: %s", want, text);
    tn_text_free(text);
}

#endif
