/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_write.c - tensors and results -> JSON, laid out as TensorFlow Serving does it: row form has its rows
 * behind one another on one line, columnar form has a line for each number.
 */
#include "rest.h"

#include "rest_text.h"

typedef struct value { /* an output being written */
    const char *name;
    const tn_tensor *t;
    bool bytes; /* strings are {"b64": ...} */
    int64_t at; /* the next element */
} value;

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* ==== elements ==== */

static int put_int(char *out, const tn_tensor *t, int64_t i)
{
    if (t->dtype == TN_UINT64)
        return snprintf(out, TN_REST_DECIMAL, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    return snprintf(out, TN_REST_DECIMAL, "%lld", (long long)tn_tensor_int(t, i));
}

/* The number's text; 0: its type has none. */
static int put_number(char *out, const tn_tensor *t, int64_t i, bool more_types)
{
    switch (t->dtype) {
    case TN_FLOAT: return tn_rest_float(out, TN_FLOATS(t)[i]);
    case TN_DOUBLE: return tn_rest_double(out, ((const double *)t->data)[i]);
    case TN_BOOL: return snprintf(out, TN_REST_DECIMAL, "%s", ((const bool *)t->data)[i] ? "true" : "false");
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64:
    case TN_UINT8:
    case TN_UINT32:
    case TN_UINT64: return put_int(out, t, i);
    default: break;
    }
    if (!more_types) return 0;
    switch (t->dtype) {
    case TN_HALF: return tn_rest_float(out, tn_half_to_float(((const uint16_t *)t->data)[i]));
    case TN_BFLOAT16: return tn_rest_float(out, tn_bfloat16_to_float(((const uint16_t *)t->data)[i]));
    case TN_UINT16: return put_int(out, t, i);
    default: return 0;
    }
}

static void put_string(tn_rest_writer *w, const tn_string *s, bool bytes)
{
    tn_view text = {s->p ? s->p : "", s->n};
    tn_buf base64 = {0};
    if (!bytes) {
        tn_rest_string(w, text);
        return;
    }
    tn_base64_encode(text, &base64);
    if (base64.failed) w->out->failed = base64.failed;
    tn_rest_open(w, '{');
    tn_rest_key(w, TN_VIEW("b64"));
    tn_rest_string(w, (tn_view){base64.data ? base64.data : "", base64.n});
    tn_rest_close(w);
    tn_buf_free(&base64);
}

/* Numbers behind one another, with what stands before each of them; room is made for several at a time. */
static bool put_numbers(tn_rest_writer *w, value *v, int64_t n, bool more_types)
{
    enum { SEVERAL = 64 };
    for (int64_t end = v->at + n, room = 0; v->at < end; v->at++) {
        bool quick = w->line && room > 0 && v->at > end - n;
        if (!quick) {
            tn_rest_before(w);
            room = TN_MIN(end - v->at, SEVERAL);
            if (!tn_buf_reserve(w->out, (size_t)room * (TN_REST_DECIMAL + 2))) return true;
        }
        char *to = w->out->data + w->out->n;
        if (quick) {
            *to++ = ',';
            *to++ = ' ';
        }
        int length = put_number(to, v->t, v->at, more_types);
        if (length == 0) return false;
        w->out->n = (size_t)(to - w->out->data) + (size_t)length;
        room--;
    }
    if (w->out->data) w->out->data[w->out->n] = 0;
    return true;
}

/* n elements behind one another, in a list or (n = 1) alone. */
static bool put_elements(tn_rest_writer *w, value *v, int64_t n, bool more_types)
{
    if (v->t->dtype != TN_STRING) return put_numbers(w, v, n, more_types);
    for (int64_t end = v->at + n; v->at < end; v->at++) put_string(w, &TN_STRINGS(v->t)[v->at], v->bytes);
    return true;
}

/* What dimensions from dim on hold. */
static bool put_lists(tn_rest_writer *w, value *v, int dim, bool more_types)
{
    const tn_shape *s = &v->t->shape;
    bool good = true;
    if (dim >= s->rank) return put_elements(w, v, 1, more_types);
    tn_rest_open(w, '[');
    if (dim == s->rank - 1)
        good = put_elements(w, v, s->dim[dim], more_types);
    else
        for (int64_t i = 0; good && i < s->dim[dim]; i++) good = put_lists(w, v, dim + 1, more_types);
    tn_rest_close(w);
    return good;
}

static tn_code wrong_type(const value *v, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to write JSON value for tensor type: %s",
                   tn_dtype_name(v->t->dtype));
}

/* ==== outputs ==== */

static tn_code check_rows(const value *v, int n, int64_t *rows, tn_error *err)
{
    *rows = 0;
    for (int i = 0; i < n; i++) {
        if (v[i].t->shape.rank == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor name: %s has no shape information ", v[i].name);
        int64_t here = v[i].t->shape.dim[0];
        if (here < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor name: %s has invalid batch size: %lld",
                           v[i].name, (long long)here);
        if (*rows && here != *rows)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Tensor name: %s has inconsistent batch size: %lld expecting: %lld", v[i].name,
                           (long long)here, (long long)*rows);
        *rows = here;
    }
    return TN_OK;
}

static tn_code put_rows(tn_rest_writer *w, value *v, int n, bool more_types, tn_error *err)
{
    int64_t rows;
    TN_TRY(check_rows(v, n, &rows, err));
    tn_rest_key(w, TN_VIEW("predictions"));
    tn_rest_open(w, '[');
    for (int64_t row = 0; row < rows; row++) {
        if (n > 1) tn_rest_open(w, '{');
        w->line = true;
        for (int i = 0; i < n; i++) {
            if (n > 1) tn_rest_key(w, tn_view_of(v[i].name));
            if (!put_lists(w, &v[i], 1, more_types)) return wrong_type(&v[i], err);
        }
        w->line = false;
        if (n > 1) tn_rest_close(w);
    }
    tn_rest_close(w);
    return TN_OK;
}

static tn_code put_columns(tn_rest_writer *w, value *v, int n, bool more_types, tn_error *err)
{
    tn_rest_key(w, TN_VIEW("outputs"));
    if (n > 1) tn_rest_open(w, '{');
    for (int i = 0; i < n; i++) {
        if (n > 1) tn_rest_key(w, tn_view_of(v[i].name));
        if (!put_lists(w, &v[i], 0, more_types)) return wrong_type(&v[i], err);
    }
    if (n > 1) tn_rest_close(w);
    return TN_OK;
}

tn_code tn_rest_write_predict(const char *const *names, tn_tensor *const *outputs, int n, bool columnar,
                              bool more_types, tn_buf *out, tn_error *err)
{
    tn_rest_writer w = {.out = out};
    if (n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot convert empty tensor map to JSON");
    value *v = tn_calloc((size_t)n, sizeof *v);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    for (int i = 0; i < n; i++)
        v[i] = (value){names[i], outputs[i], outputs[i]->dtype == TN_STRING && has_suffix(names[i], "_bytes"),
                       0};
    tn_rest_open(&w, '{');
    tn_code code = (columnar ? put_columns : put_rows)(&w, v, n, more_types, err);
    tn_rest_close(&w);
    tn_free(v);
    return code != TN_OK ? code : tn_buf_check(out, err);
}

/* ==== requests ==== */

tn_code tn_rest_write_request(const char *signature, const tn_feed *inputs, int n, tn_buf *out, tn_error *err)
{
    tn_rest_writer w = {.out = out, .line = true};
    tn_rest_open(&w, '{');
    tn_rest_key(&w, TN_VIEW("signature_name"));
    tn_rest_string(&w, tn_view_of(signature));
    tn_rest_key(&w, TN_VIEW("inputs"));
    tn_rest_open(&w, '{');
    for (int i = 0; i < n; i++) {
        value v = {inputs[i].name, inputs[i].value, true, 0};
        tn_rest_key(&w, tn_view_of(v.name));
        if (!put_lists(&w, &v, 0, true)) return wrong_type(&v, err);
    }
    tn_rest_close(&w);
    tn_rest_close(&w);
    return tn_buf_check(out, err);
}

/* ==== results of classify and regress ==== */

static void put_float(tn_rest_writer *w, float v)
{
    char text[TN_REST_DECIMAL];
    tn_rest_raw(w, text, (size_t)tn_rest_float(text, v));
}

tn_code tn_rest_write_classes(const tn_ClassificationResult *r, tn_buf *out, tn_error *err)
{
    tn_rest_writer w = {.out = out};
    if (!r || r->classifications.n == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot convert empty ClassificationResults to JSON");
    tn_rest_open(&w, '{');
    tn_rest_key(&w, TN_VIEW("results"));
    tn_rest_open(&w, '[');
    for (uint32_t i = 0; i < r->classifications.n; i++) {
        const tn_Classifications *c = &r->classifications.items[i];
        w.line = true;
        tn_rest_open(&w, '[');
        for (uint32_t k = 0; k < c->classes.n; k++) {
            tn_rest_open(&w, '[');
            tn_rest_string(&w, c->classes.items[k].label);
            put_float(&w, c->classes.items[k].score);
            tn_rest_close(&w);
        }
        tn_rest_close(&w);
        w.line = false;
    }
    tn_rest_close(&w);
    tn_rest_close(&w);
    return tn_buf_check(out, err);
}

tn_code tn_rest_write_values(const tn_RegressionResult *r, tn_buf *out, tn_error *err)
{
    tn_rest_writer w = {.out = out};
    if (!r || r->regressions.n == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Cannot convert empty RegressionResults to JSON");
    tn_rest_open(&w, '{');
    tn_rest_key(&w, TN_VIEW("results"));
    w.line = true;
    tn_rest_open(&w, '[');
    for (uint32_t i = 0; i < r->regressions.n; i++) put_float(&w, r->regressions.items[i].value);
    tn_rest_close(&w);
    w.line = false;
    tn_rest_close(&w);
    return tn_buf_check(out, err);
}
