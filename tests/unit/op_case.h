/* SPDX-License-Identifier: Apache-2.0
 *
 * op_case.h - tables of single operators for unit tests: inputs, attributes and results written as text.
 *
 * A tensor is "float[2,3] 1 2 3 4 5 nan", "int32 7", "complex64 1+2i", "string[2] a b" ('' is empty),
 * attributes are "k=3 adj_x=true T=float boundaries=[0,1]". A result that starts with ! is part of an error's
 * message. Each case runs with constant inputs and with fed ones of unknown shape, with the planner's passes
 * and without.
 */
#ifndef TN_OP_CASE_H
#define TN_OP_CASE_H

#include <math.h>
#include <stdlib.h>

#include "test.h"

#include "graph/op.h"

typedef struct op_case {
    const char *op, *attrs, *in[6], *out[3];
} op_case;

static inline const char *literal_shape(const char *p, tn_shape *s)
{
    s->rank = 0;
    if (*p != '[') return p;
    for (p++; *p && *p != ']';) {
        s->dim[s->rank++] = strtoll(p, (char **)&p, 10);
        if (*p == ',') p++;
    }
    return p + 1;
}

static inline void literal_element(tn_tensor *t, int64_t i, const char *word)
{
    char *end;
    if (t->dtype == TN_STRING) {
        assert_int_equal(tn_string_set(t, i, word, strcmp(word, "''") ? strlen(word) : 0, NULL), TN_OK);
        return;
    }
    if (t->dtype == TN_INT64 || t->dtype == TN_UINT64) {
        TN_INT64S(t)[i] = t->dtype == TN_UINT64 ? (int64_t)strtoull(word, NULL, 10) : strtoll(word, NULL, 10);
        return;
    }
    double re = strtod(word, &end), im = *end ? strtod(end, NULL) : 0;
    if (t->dtype == TN_COMPLEX64) {
        ((float *)t->data)[2 * i] = (float)re;
        ((float *)t->data)[2 * i + 1] = (float)im;
    } else if (t->dtype == TN_COMPLEX128) {
        ((double *)t->data)[2 * i] = re;
        ((double *)t->data)[2 * i + 1] = im;
    } else {
        tn_tensor_set_number(t, i, re);
    }
}

static inline tn_tensor *literal(const char *text)
{
    char name[32], word[64];
    tn_shape s;
    tn_tensor *t;
    size_t n = strcspn(text, "[ ");
    snprintf(name, sizeof name, "%.*s", (int)n, text);
    const char *p = literal_shape(text + n, &s);
    assert_int_equal(tn_tensor_new(tn_dtype_named(name), &s, &t, NULL), TN_OK);
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        p += strspn(p, " ");
        n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        if (!*word) fail_msg("too few elements in \"%s\"", text);
        literal_element(t, i, word);
        p += n;
    }
    if (p[strspn(p, " ")]) fail_msg("too many elements in \"%s\"", text);
    return t;
}

/* ==== attributes ==== */

typedef struct literal_attrs {
    tn_attr v[8];
    char text[8][64];
    float floats[16];
    int64_t ints[40];
    int n_ints;
    int n;
} literal_attrs;

static inline void literal_value(literal_attrs *a, tn_attr *v, const tn_sig_attr *row, char *value)
{
    switch (row->kind) {
    case TN_ATTR_INT:
        *v = tn_attr_int(row->name, strtoll(value, NULL, 10));
        if (!row->is_list) break;
        v->is_list = true;
        v->n = 0;
        v->is = a->ints + a->n_ints;
        for (char *p = value + 1; *p && *p != ']'; p += *p == ',', v->n++) a->ints[a->n_ints++] = strtoll(p, &p, 10);
        break;
    case TN_ATTR_BOOL: *v = tn_attr_bool(row->name, *value == 't'); break;
    case TN_ATTR_TYPE: *v = tn_attr_type(row->name, tn_dtype_named(value)); break;
    case TN_ATTR_STRING: *v = tn_attr_str(row->name, value); break;
    case TN_ATTR_FLOAT:
        *v = tn_attr_float(row->name, strtof(value, NULL));
        if (!row->is_list) break;
        v->is_list = true;
        v->n = 0;
        v->fs = a->floats;
        for (char *p = value + 1; *p && *p != ']'; p += *p == ',') a->floats[v->n++] = strtof(p, &p);
        break;
    default: fail_msg("attribute %s is of a kind this cannot write", row->name);
    }
}

static inline void literal_attributes(const char *op, const char *text, literal_attrs *a)
{
    const tn_sig *sig = tn_op_sig(tn_op_find(op));
    a->n = a->n_ints = 0;
    while (text && *text) {
        char *word = a->text[a->n];
        size_t n = strcspn(text, " ");
        snprintf(word, sizeof a->text[0], "%.*s", (int)n, text);
        char *equals = strchr(word, '=');
        *equals = 0;
        for (int i = 0; i < sig->n_attrs; i++)
            if (!strcmp(sig->attrs[i].name, word)) literal_value(a, &a->v[a->n], &sig->attrs[i], equals + 1);
        a->n++;
        text += n + (text[n] == ' ');
    }
}

/* ==== comparing ==== */

static inline bool near_number(double got, double want, double tolerance)
{
    if (want == 0 && got == 0) return signbit(want) == signbit(got);
    if (got == want || (isnan(got) && isnan(want))) return true;
    return fabs(got - want) <= tolerance * (fabs(want) + 0.05);
}

static inline double tolerance_of(tn_dtype t)
{
    switch (t) {
    case TN_BFLOAT16: return 2e-2;
    case TN_HALF: return 4e-3;
    case TN_DOUBLE: case TN_COMPLEX128: return 1e-9;
    default: return 2e-5;
    }
}

static inline bool near_tensor(const tn_tensor *got, const tn_tensor *want)
{
    if (got->dtype != want->dtype || !tn_shape_equal(&got->shape, &want->shape)) return false;
    bool complex = tn_dtype_is_complex(want->dtype);
    if (!complex && !tn_dtype_is_float(want->dtype)) return tn_tensor_equal(got, want);
    double tolerance = tolerance_of(want->dtype);
    for (int64_t i = 0; i < tn_tensor_count(want) * (complex ? 2 : 1); i++) {
        double g = want->dtype == TN_COMPLEX64 ? TN_FLOATS(got)[i]
                   : complex                   ? ((double *)got->data)[i]
                                               : tn_tensor_number(got, i);
        double w = want->dtype == TN_COMPLEX64 ? TN_FLOATS(want)[i]
                   : complex                   ? ((double *)want->data)[i]
                                               : tn_tensor_number(want, i);
        if (!near_number(g, w, tolerance)) return false;
    }
    return true;
}

/* ==== running ==== */

typedef struct op_result {
    tn_code code;
    tn_tensor *out[3];
    tn_error err;
} op_result;

static inline void run_session(tn_graph *g, tn_tensor *const *in, int n_in, bool feed, int n_out,
                               unsigned passes_off, op_result *r)
{
    tn_session_options options = {.threads = 1, .passes_off = passes_off};
    const char *fetches[] = {"op:0", "op:1", "op:2"};
    static const char *const names[] = {"in0:0", "in1:0", "in2:0", "in3:0", "in4:0", "in5:0"};
    tn_feed feeds[6];
    tn_session *s;
    for (int i = 0; i < n_in; i++) feeds[i] = (tn_feed){names[i], in[i]};
    r->code = tn_session_new(g, &options, &s, &r->err);
    if (r->code != TN_OK) return;
    r->code = tn_session_run(s, feeds, feed ? n_in : 0, fetches, n_out, r->out, NULL, 0, &r->err);
    tn_session_free(s);
}

static inline void run_op(const op_case *c, bool feed, unsigned passes_off, int n_out, op_result *r)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_tensor *in[6];
    tn_node nodes[6];
    literal_attrs attrs;
    int n = 0;
    memset(r, 0, sizeof *r);
    if (!tn_op_find(c->op)) fail_msg("no operator %s", c->op);
    for (; n < 6 && c->in[n]; n++) {
        char name[8];
        snprintf(name, sizeof name, "in%d", n);
        in[n] = literal(c->in[n]);
        nodes[n] =
            feed ? tn_placeholder(b, name, in[n]->dtype, tn_shape_unknown()) : tn_constant(b, name, in[n]);
    }
    literal_attributes(c->op, c->attrs, &attrs);
    tn_add_operation(b, c->op, "op", nodes, n, attrs.v, attrs.n);
    r->code = tn_builder_check(b, &r->err);
    if (r->code == TN_OK) run_session(g, in, n, feed, n_out, passes_off, r);
    for (int i = 0; i < n; i++) tn_tensor_unref(in[i]);
    tn_builder_free(b);
    tn_graph_free(g);
}

static inline void check_result(const op_case *c, const char *how, int n_out, const op_result *r)
{
    if (*c->out[0] == '!') {
        if (r->code == TN_OK) fail_msg("%s %s: no error, \"%s\" was expected", c->op, how, c->out[0] + 1);
        if (!strstr(r->err.message, c->out[0] + 1)) fail_msg("%s %s: %s", c->op, how, r->err.message);
        return;
    }
    if (r->code != TN_OK) fail_msg("%s %s (%s): %s", c->op, how, c->in[0], r->err.message);
    for (int i = 0; i < n_out; i++) {
        tn_tensor *want = literal(c->out[i]);
        char *text = tn_tensor_text(r->out[i], 64), shape[160];
        if (!near_tensor(r->out[i], want))
            fail_msg("%s %s: result %d of (%s, %s) is %s %s %s instead of %s", c->op, how, i, c->in[0],
                     c->in[1] ? c->in[1] : "", tn_dtype_name(r->out[i]->dtype),
                     tn_shape_text(&r->out[i]->shape, shape, sizeof shape), text, c->out[i]);
        tn_text_free(text);
        tn_tensor_unref(want);
        tn_tensor_unref(r->out[i]);
    }
}

static inline void check_case(const op_case *c)
{
    static const char *const hows[] = {"with constants", "with constants, no passes", "fed",
                                       "fed, no passes"};
    int n_out = 0;
    while (n_out < 3 && c->out[n_out]) n_out++;
    for (int how = 0; how < 4; how++) {
        op_result r;
        run_op(c, how >= 2, how % 2 ? TN_ALL_PASSES : 0, n_out, &r);
        check_result(c, hows[how], n_out, &r);
    }
}

static inline void check_cases(const op_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) check_case(&cases[i]);
}
#define CHECK_CASES(table) check_cases((table), TN_COUNT(table))

#endif
