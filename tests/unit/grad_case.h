/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_case.h - tables of gradients against finite differences in double: with shapes known, with unknown
 * dimensions and with unknown ranks, so that every way a gradient is written runs.
 */
#ifndef TN_GRAD_CASE_H
#define TN_GRAD_CASE_H

#include <math.h>

#include "test.h"

#include "graph/op.h"

typedef struct input {
    char kind; /* x: variable in [low, high]; z: complex variable; b, i: fixed bools, integers; 0: none */
    double low, high;
    tn_shape shape;
    int64_t ints[8];
} input;

typedef struct row {
    const char *op;
    input in[5];
    int n_attrs;
    tn_attr attrs[6];
    int modes; /* how many of the modes; 0: all */
} row;

#define DIMS(...) {.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}}
#define X(low, high, ...) {'x', low, high, DIMS(__VA_ARGS__), {0}}
#define SCALAR(low, high) {'x', low, high, {.rank = 0}, {0}}
#define I(n, ...) {'i', 0, 0, {.rank = 1, .dim = {n}}, {__VA_ARGS__}}
#define I0(v) {'i', 0, 0, {.rank = 0}, {v}}
#define B(n, ...) {'b', 0, 0, {.rank = 1, .dim = {n}}, {__VA_ARGS__}}
#define ATTR(n, ...) .n_attrs = n, .attrs = {__VA_ARGS__}
/* Attributes by designated initializers, because a table is no place for calls. */
#define A_BOOL(N) {.name = N, .kind = TN_ATTR_BOOL, .b = true}
#define A_FLOAT(N, V) {.name = N, .kind = TN_ATTR_FLOAT, .f = V}
#define A_STR(N, V) {.name = N, .kind = TN_ATTR_STRING, .s = {V, sizeof(V) - 1}}
#define EINSUM(V) A_STR("equation", V)

/* ==== one row ==== */

enum { MOST = 64 };
typedef enum mode { KNOWN, DIMENSIONS, RANKS, MODES } mode;

typedef struct trial {
    tn_graph *g;
    tn_builder *b;
    tn_node node[5], dx[5];
    tn_tensor *value[5];
    char names[5][8];
    int n;
    tn_session *session;
    tn_error err;
} trial;

static inline double uniform(uint64_t *seed, double low, double high)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(*seed >> 11) / 9007199254740992.0;
}

static inline tn_tensor *value_of(const input *in, uint64_t *seed)
{
    tn_tensor *t;
    tn_dtype dtype = in->kind == 'x'   ? TN_DOUBLE
                     : in->kind == 'z' ? TN_COMPLEX128
                     : in->kind == 'b' ? TN_BOOL
                                       : TN_INT32;
    assert_int_equal(tn_tensor_new(dtype, &in->shape, &t, NULL), TN_OK);
    for (int64_t i = 0; in->kind == 'z' && i < 2 * tn_tensor_count(t); i++)
        ((double *)t->data)[i] = uniform(seed, in->low, in->high);
    if (in->kind == 'z') return t;
    for (int64_t i = 0; i < tn_tensor_count(t); i++)
        tn_tensor_set_number(t, i, in->kind == 'x' ? uniform(seed, in->low, in->high) : (double)in->ints[i]);
    return t;
}

static inline tn_shape declared(const tn_shape *s, mode m)
{
    tn_shape out = *s;
    if (m == RANKS) return tn_shape_unknown();
    for (int i = 0; m == DIMENSIONS && i < out.rank; i++) out.dim[i] = -1;
    return out;
}

static inline tn_node op1(tn_builder *b, const char *type, tn_node x)
{
    return tn_op(b, type, TN_INPUTS(x), TN_NO_ATTRS);
}

static inline tn_node op2(tn_builder *b, const char *type, tn_node x, tn_node y)
{
    return tn_op(b, type, TN_INPUTS(x, y), TN_NO_ATTRS);
}

/* y times weights, no two of which are equal: sin(1), sin(2), ... or cos. */
static inline tn_node weighted(tn_builder *b, tn_node y, const char *weights)
{
    tn_node zero = tn_scalar(b, TN_INT32, 0), one = tn_scalar(b, TN_INT32, 1);
    tn_node k = tn_op(b, "Range", TN_INPUTS(zero, op1(b, "Size", y), one), TN_NO_ATTRS);
    tn_node w =
        tn_op(b, "Cast", TN_INPUTS(op2(b, "AddV2", k, one)), TN_ATTRS(tn_attr_type("DstT", TN_DOUBLE)));
    return op2(b, "Mul", y, op1(b, weights, w));
}

/* The weighted sum of the first result, its imaginary part with other weights than the real one. */
static inline void loss_of(tn_builder *b, tn_node y)
{
    y = op2(b, "Reshape", y, tn_ints(b, &(int64_t){-1}, 1));
    tn_node v = y;
    if (tn_node_dtype(y) == TN_COMPLEX128) {
        tn_node re = tn_op(b, "Real", TN_INPUTS(y), TN_ATTRS(tn_attr_type("Tout", TN_DOUBLE)));
        tn_node im = tn_op(b, "Imag", TN_INPUTS(y), TN_ATTRS(tn_attr_type("Tout", TN_DOUBLE)));
        v = op2(b, "AddV2", weighted(b, re, "Sin"), weighted(b, im, "Cos"));
    } else {
        v = weighted(b, y, "Sin");
    }
    tn_op_named(b, "Sum", "loss", TN_INPUTS(v, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS);
}

static inline void build(trial *t, const row *r, mode m)
{
    uint64_t seed = 7;
    memset(t, 0, sizeof *t);
    t->g = tn_graph_new();
    t->b = tn_builder_new(t->g);
    for (; t->n < 5 && r->in[t->n].kind; t->n++) {
        const input *in = &r->in[t->n];
        tn_tensor *v = t->value[t->n] = value_of(in, &seed);
        snprintf(t->names[t->n], sizeof t->names[0], "x%d", t->n);
        bool constant = in->kind == 'i' && m != RANKS;
        t->node[t->n] = constant ? tn_constant(t->b, t->names[t->n], v)
                                 : tn_placeholder(t->b, t->names[t->n], v->dtype, declared(&in->shape, m));
    }
    tn_operation *op = tn_add_operation(t->b, r->op, NULL, t->node, t->n, r->attrs, r->n_attrs);
    loss_of(t->b, tn_output_of(op, 0));
    tn_node loss = tn_output_of(tn_graph_operation(t->g, "loss"), 0);
    tn_gradients(t->b, &loss, 1, t->node, t->n, NULL, t->dx);
    if (tn_builder_check(t->b, &t->err) != TN_OK) fail_msg("%s: %s", r->op, t->err.message);
    if (tn_session_new(t->g, &(tn_session_options){.threads = 1}, &t->session, &t->err) != TN_OK)
        fail_msg("%s: %s", r->op, t->err.message);
}

static inline void finish(trial *t)
{
    for (int i = 0; i < t->n; i++) tn_tensor_unref(t->value[i]);
    tn_session_free(t->session);
    tn_builder_free(t->b);
    tn_graph_free(t->g);
}

static inline tn_tensor *evaluate(trial *t, const row *r, const char *name)
{
    tn_feed feeds[5];
    tn_tensor *out;
    int n = 0;
    for (int i = 0; i < t->n; i++)
        if (!strncmp(tn_operation_type(t->node[i].op), "Placeholder", 11))
            feeds[n++] = (tn_feed){t->names[i], t->value[i]};
    if (tn_session_run(t->session, feeds, n, &name, 1, &out, NULL, 0, &t->err) != TN_OK)
        fail_msg("%s: %s: %s", r->op, name, t->err.message);
    return out;
}

static inline double loss_with(trial *t, const row *r, int input, int64_t element, double v)
{
    double *x = &((double *)t->value[input]->data)[element], before = *x;
    *x = v;
    tn_tensor *loss = evaluate(t, r, "loss");
    double result = ((double *)loss->data)[0];
    tn_tensor_unref(loss);
    *x = before;
    return result;
}

static inline void compare(trial *t, const row *r, mode m, int input)
{
    char name[128];
    if (!t->dx[input].op) fail_msg("%s: no gradient of input %d", r->op, input);
    snprintf(name, sizeof name, "%s:%d", tn_operation_name(t->dx[input].op), t->dx[input].index);
    tn_tensor *dx = evaluate(t, r, name);
    if (!tn_shape_equal(&dx->shape, &t->value[input]->shape))
        fail_msg("%s: shape of gradient %d", r->op, input);
    /* Of a complex number the derivatives by both parts: the gradient's parts. */
    for (int64_t i = 0; i < tn_tensor_count(dx) * (dx->dtype == TN_COMPLEX128 ? 2 : 1); i++) {
        double x = ((double *)t->value[input]->data)[i], h = 1e-5 * fmax(1, fabs(x));
        double slope = (loss_with(t, r, input, i, x + h) - loss_with(t, r, input, i, x - h)) / (2 * h);
        double got = ((double *)dx->data)[i];
        if (fabs(got - slope) > 2e-6 + 1e-5 * fabs(slope))
            fail_msg("%s, shapes of kind %d: gradient %d at %lld is %.9g, by differences %.9g", r->op, m,
                     input, (long long)i, got, slope);
    }
    tn_tensor_unref(dx);
}

static inline void check_row(const row *r)
{
    for (mode m = KNOWN; m < (r->modes ? (mode)r->modes : MODES); m++) {
        trial t;
        build(&t, r, m);
        for (int i = 0; i < t.n; i++)
            if ((r->in[i].kind == 'x' || r->in[i].kind == 'z') && !(r->in[i].low == r->in[i].high))
                compare(&t, r, m, i);
        finish(&t);
    }
}

static inline void check_rows(const row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) check_row(&rows[i]);
}
#define CHECK(rows) check_rows((rows), TN_COUNT(rows))

#endif
