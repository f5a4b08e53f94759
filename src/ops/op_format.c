/* SPDX-License-Identifier: Apache-2.0
 *
 * op_format.c - StringFormat: tensors as text within a template, as tf.print tells them; UnsortedSegmentJoin.
 */
#include <math.h>

#include "parse.h"

/* ==== elements and tensors as text ==== */

/* The fewest of %.`few`g and %.`many`g that reads back as the same number. */
static void put_real(double v, bool wide, tn_buf *out)
{
    char text[40];
    snprintf(text, sizeof text, "%.*g", wide ? 15 : 6, v);
    bool exact = wide ? strtod(text, NULL) == v : (double)strtof(text, NULL) == v;
    if (!exact && !isnan(v)) snprintf(text, sizeof text, "%.*g", wide ? 17 : 9, v);
    tn_buf_str(out, isnan(v) ? "nan" : text);
}

static void put_string(tn_view s, tn_buf *out)
{
    tn_buf_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        const char *escaped = c == '\n'   ? "\\n"
                              : c == '\r' ? "\\r"
                              : c == '\t' ? "\\t"
                              : c == '"'  ? "\\\""
                              : c == '\'' ? "\\'"
                              : c == '\\' ? "\\\\"
                                          : NULL;
        if (escaped)
            tn_buf_str(out, escaped);
        else if ((unsigned char)c < 32 || (unsigned char)c == 127)
            tn_buf_printf(out, "\\%03o", (unsigned)(unsigned char)c);
        else
            tn_buf_char(out, c);
    }
    tn_buf_char(out, '"');
}

static void put_element(const tn_tensor *t, int64_t i, tn_buf *out)
{
    if (t->dtype == TN_STRING)
        put_string(tn_parse_string(t, i), out);
    else if (tn_dtype_is_float(t->dtype))
        put_real(tn_tensor_number(t, i), t->dtype == TN_DOUBLE, out);
    else if (t->dtype == TN_UINT64)
        tn_buf_printf(out, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    else if (tn_dtype_is_integer(t->dtype) || t->dtype == TN_BOOL)
        tn_buf_printf(out, "%lld", (long long)tn_tensor_int(t, i));
    else
        tn_buf_char(out, '?');
}

/* The first and the last `most` of a dimension, "..." between; rows on lines of their own. */
static void put_dim(const tn_tensor *t, int dim, int64_t first, int64_t most, tn_buf *out)
{
    int rank = t->shape.rank;
    int64_t n = t->shape.dim[dim], inner = tn_shape_product(&t->shape, dim + 1, rank);
    bool last = dim == rank - 1, cut = n > 2 * most;
    tn_buf_char(out, '[');
    for (int64_t i = 0; i < n; i++) {
        bool gap = cut && i == most;
        if (gap) i = n - most;
        for (int k = gap ? 0 : 1; k < 2; k++) { /* a gap, then the element */
            if (i || (gap && k)) {
                if (last) tn_buf_char(out, ' ');
                for (int line = 0; !last && line < rank - 1 - dim; line++) tn_buf_char(out, '\n');
                for (int space = 0; !last && space <= dim; space++) tn_buf_char(out, ' ');
            }
            if (k == 0) tn_buf_str(out, "...");
            if (k == 0 && most == 0) break;
            if (k == 1 && last) put_element(t, first + i, out);
            if (k == 1 && !last) put_dim(t, dim + 1, first + i * inner, most, out);
        }
        if (out->failed || i >= n) break;
    }
    tn_buf_char(out, ']');
}

/* Elements that have no text, all in a row. */
static void put_unknown(int64_t n, int64_t most, tn_buf *out)
{
    tn_buf_char(out, '[');
    for (int64_t i = 0; i < n && (most < 0 || i < most); i++) tn_buf_str(out, i ? " ?" : "?");
    tn_buf_str(out, most >= 0 && n > most ? "...]" : "]");
}

static void put_tensor(const tn_tensor *t, int64_t most, tn_buf *out)
{
    int64_t n = tn_tensor_count(t);
    bool known = t->dtype == TN_STRING || t->dtype == TN_BOOL || tn_dtype_is_float(t->dtype) ||
                 tn_dtype_is_integer(t->dtype);
    if (t->dtype == TN_BOOL && n == 0) return; /* TensorFlow has no brackets for these */
    if (t->shape.rank == 0)
        put_element(t, 0, out);
    else if (!known)
        put_unknown(n, most, out);
    else
        put_dim(t, 0, 0, most < 0 ? n : TN_MIN(most, n), out);
}

/* ==== StringFormat ==== */

static bool find(tn_view text, tn_view what, size_t from, size_t *at)
{
    for (; what.n && from + what.n <= text.n; from++)
        if (!memcmp(text.p + from, what.p, what.n)) {
            *at = from;
            return true;
        }
    return false;
}

static tn_code format_prepare(tn_prepare *p, tn_error *err)
{
    tn_view text = {"", 0}, place = {"", 0};
    tn_attr_get_string(p->attrs, "template", &text);
    tn_attr_get_string(p->attrs, "placeholder", &place);
    int n = 0;
    for (size_t at = 0; find(text, place, at, &at); at += place.n) n++;
    if (n == p->n_in) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "num placeholders in template and num inputs must match: %d vs. %d", n, p->n_in);
}

static tn_code format_run(tn_run *r, tn_error *err)
{
    tn_view text = {"", 0}, place = {"", 0};
    tn_attr_get_string(r->attrs, "template", &text);
    tn_attr_get_string(r->attrs, "placeholder", &place);
    tn_buf out = {0};
    size_t from = 0, at;
    for (int i = 0; find(text, place, from, &at); i++, from = at + place.n) {
        tn_buf_add(&out, text.p + from, at - from);
        put_tensor(r->in[i], tn_attr_i(r->attrs, "summarize"), &out);
    }
    tn_buf_add(&out, text.p + from, text.n - from);
    tn_code code = tn_buf_check(&out, err);
    if (code == TN_OK) code = tn_string_set(r->out[0], 0, out.n ? out.data : "", out.n, err);
    tn_buf_free(&out);
    return code;
}

const tn_op tn_op_StringFormat = {
    .name = "StringFormat",
    .sig = "inputs:[T] -> output:string; T:list(type)>=0 template:string=\"%s\" placeholder:string=\"%s\" "
           "summarize:int=3",
    .infer = tn_infer_scalar,
    .prepare = format_prepare,
    .run = format_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== UnsortedSegmentJoin ==== */

static tn_code join_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape, *ids = &c->in[1]->shape;
    int64_t n = -1;
    TN_TRY(tn_infer_rank(c, 2, 0, err));
    if (tn_infer_int(c, 2, &n) && n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Number of segments must be positive, got %lld",
                       (long long)n);
    if (in->rank < 0 || ids->rank < 0) return TN_OK;
    if (ids->rank > in->rank || in->rank - ids->rank + 1 > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "segment_ids' shape must be a prefix of the input's shape");
    for (int k = 0; k < ids->rank; k++) {
        int64_t d;
        TN_TRY(tn_infer_merge_dim(ids->dim[k], in->dim[k], &d, err));
    }
    c->out[0].shape = (tn_shape){.rank = 1, .dim = {n}};
    for (int k = ids->rank; k < in->rank; k++) c->out[0].shape.dim[c->out[0].shape.rank++] = in->dim[k];
    return TN_OK;
}

static tn_code check_ids(const tn_run *r, int64_t segments, tn_error *err)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[1]); i < n; i++) {
        int64_t id = tn_tensor_int(r->in[1], i);
        if (id < 0 || id >= segments)
            return tn_fail(err, TN_INVALID_ARGUMENT, "segment_ids[%lld] = %lld is out of range [0, %lld)",
                           (long long)i, (long long)id, (long long)segments);
    }
    return TN_OK;
}

/* The strings at place `at` of all rows of one segment. */
static void join_segment(const tn_run *r, int64_t id, int64_t at, int64_t inner, tn_view separator,
                         tn_buf *out)
{
    for (int64_t i = 0, n = tn_tensor_count(r->in[1]); i < n; i++) {
        if (tn_tensor_int(r->in[1], i) != id) continue;
        tn_view s = tn_parse_string(r->in[0], i * inner + at);
        if (out->n) tn_buf_add(out, separator.p, separator.n); /* not behind nothing */
        tn_buf_add(out, s.p, s.n);
    }
}

static tn_code join_run(tn_run *r, tn_error *err)
{
    int64_t segments = r->out[0]->shape.dim[0], n = tn_tensor_count(r->out[0]),
            inner = segments ? n / segments : 0;
    tn_view separator = {"", 0};
    tn_buf text = {0};
    tn_attr_get_string(r->attrs, "separator", &separator);
    TN_TRY(check_ids(r, segments, err));
    tn_code code = TN_OK;
    for (int64_t i = 0; i < n && code == TN_OK; i++) {
        tn_buf_clear(&text);
        join_segment(r, i / inner, i % inner, inner, separator, &text);
        code = tn_buf_check(&text, err);
        if (code == TN_OK) code = tn_string_set(r->out[0], i, text.n ? text.data : "", text.n, err);
    }
    tn_buf_free(&text);
    return code;
}

const tn_op tn_op_UnsortedSegmentJoin = {
    .name = "UnsortedSegmentJoin",
    .sig = "inputs:string segment_ids:Tindices num_segments:Tnumsegments -> output:string; "
           "separator:string=\"\" "
           "Tindices:type{int32,int64} Tnumsegments:type{int32,int64}=int32",
    .infer = join_infer,
    .run = join_run,
    .flags = TN_NO_GRADIENT,
    .values = TN_BIT(2),
};
