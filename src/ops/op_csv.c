/* SPDX-License-Identifier: Apache-2.0
 *
 * op_csv.c - DecodeCSV: records of fields between delimiters, quoted or not, as one tensor a column.
 */
#include <ctype.h>

#include "csv.h"
#include "parse.h"
#include "sparse.h"

/* ==== fields of one record ==== */

typedef struct reader {
    tn_view in;
    size_t at;
    char delimiter;
    bool quotes;
    tn_buf field;
    tn_error *err;
} reader;

static tn_code plain_field(reader *c)
{
    for (; c->at < c->in.n && c->in.p[c->at] != c->delimiter; c->at++) {
        char x = c->in.p[c->at];
        if ((c->quotes && x == '"') || x == '\n' || x == '\r')
            return tn_fail(c->err, TN_INVALID_ARGUMENT, "Unquoted fields cannot have quotes/CRLFs inside");
        tn_buf_char(&c->field, x);
    }
    c->at++;
    return TN_OK;
}

static bool at_end_quote(const reader *c)
{
    return c->in.p[c->at] == '"' && (c->at + 1 >= c->in.n || c->in.p[c->at + 1] == c->delimiter);
}

/* Ends with a quote before a delimiter or the record's end; a quote inside is written twice. */
static tn_code quoted_field(reader *c)
{
    for (c->at++; c->at < c->in.n && !at_end_quote(c); c->at++) {
        if (c->in.p[c->at] == '"' && c->in.p[++c->at] != '"')
            return tn_fail(c->err, TN_INVALID_ARGUMENT,
                           "Quote inside a string has to be escaped by another quote");
        tn_buf_char(&c->field, c->in.p[c->at]);
    }
    if (c->at >= c->in.n)
        return tn_fail(c->err, TN_INVALID_ARGUMENT,
                       "Quoted field has to end with quote followed by delim or end");
    c->at += 2;
    return TN_OK;
}

static void skip_line_ends(reader *c)
{
    while (c->at < c->in.n && (c->in.p[c->at] == '\n' || c->in.p[c->at] == '\r')) c->at++;
}

/* false: the record has no more; a delimiter at its end is followed by an empty field. */
static bool more(reader *c)
{
    skip_line_ends(c);
    if (c->at < c->in.n) return true;
    return c->in.n && c->at == c->in.n && c->in.p[c->in.n - 1] == c->delimiter;
}

static tn_code next_field(reader *c)
{
    tn_buf_clear(&c->field);
    if (c->at >= c->in.n) {
        c->at = c->in.n + 1;
        return TN_OK;
    }
    return c->quotes && c->in.p[c->at] == '"' ? quoted_field(c) : plain_field(c);
}

/* ==== a field as an element ==== */

static tn_view trimmed(tn_view s)
{
    while (s.n && isspace((unsigned char)s.p[0])) s = (tn_view){s.p + 1, s.n - 1};
    while (s.n && isspace((unsigned char)s.p[s.n - 1])) s.n--;
    return s;
}

static bool to_integer(tn_view s, int64_t low, int64_t high, int64_t *out)
{
    return tn_parse_int(trimmed(s), out) && *out >= low && *out <= high;
}

/* Decimal, or an integer like 0x10. */
static bool to_real(tn_view s, double *out)
{
    s = trimmed(s);
    if (s.n < 3 || s.p[0] != '0' || (s.p[1] | 32) != 'x') return tn_parse_double(s, out);
    double v = 0;
    for (size_t i = 2; i < s.n; i++) {
        if (!isxdigit((unsigned char)s.p[i])) return false;
        v = v * 16 + (isdigit((unsigned char)s.p[i]) ? s.p[i] - '0' : (s.p[i] | 32) - 'a' + 10);
    }
    *out = v;
    return true;
}

tn_code tn_csv_put(tn_tensor *out, int64_t record, tn_view s, tn_view na, const tn_tensor *def, int column,
                   tn_error *err)
{
    int64_t k;
    double v;
    bool ok = true;
    if (s.n == 0 || tn_view_eq(s, na)) {
        if (tn_tensor_count(def) == 1) return tn_move_row(out, record, def, 0, 1, err);
        return tn_fail(err, TN_INVALID_ARGUMENT, "Field %d is required but missing in record %lld!", column,
                       (long long)record);
    }
    switch ((int)out->dtype) {
    case TN_STRING: return tn_string_set(out, record, s.p, s.n, err);
    case TN_INT32:
        if ((ok = to_integer(s, INT32_MIN, INT32_MAX, &k))) TN_INT32S(out)[record] = (int32_t)k;
        break;
    case TN_INT64:
        if ((ok = to_integer(s, INT64_MIN, INT64_MAX, &k))) TN_INT64S(out)[record] = k;
        break;
    default:
        if ((ok = to_real(s, &v))) tn_tensor_set_number(out, record, v);
    }
    if (ok) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Field %d in record %lld is not a valid %s: %.*s", column,
                   (long long)record, tn_dtype_name(out->dtype), (int)TN_MIN(s.n, (size_t)100), s.p);
}

/* ==== records ==== */

static tn_code one_record(tn_run *r, reader *c, int64_t record, const int64_t *select, int n_select)
{
    int column = 0, number = 0;
    tn_view na = {"", 0};
    tn_attr_get_string(r->attrs, "na_value", &na);
    for (; column < (n_select ? n_select : INT32_MAX) && more(c); number++) {
        TN_TRY(next_field(c));
        if (n_select && number != select[column]) continue;
        TN_TRY(tn_buf_check(&c->field, c->err));
        tn_view s = {c->field.n ? c->field.data : "", c->field.n};
        if (column < r->n_out)
            TN_TRY(tn_csv_put(r->out[column], record, s, na, r->in[1 + column], column, c->err));
        column++;
    }
    if (column == r->n_out) return TN_OK;
    return tn_fail(c->err, TN_INVALID_ARGUMENT, "Expect %d fields but have %d in record %lld", r->n_out,
                   column, (long long)record);
}

static tn_code check_defaults(const tn_run *r, const int64_t *select, int n_select, tn_error *err)
{
    for (int i = 1; i < r->n_in; i++)
        if (r->in[i]->shape.rank > 1 || tn_tensor_count(r->in[i]) > 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "There should only be 1 default per field but field %d has %lld", i - 1,
                           (long long)tn_tensor_count(r->in[i]));
    if (n_select && n_select != r->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "select_cols has %d columns, there are %d results", n_select,
                       r->n_out);
    for (int i = 0; i < n_select; i++)
        if (select[i] < 0 || (i && select[i] <= select[i - 1]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "select_cols should be strictly increasing indices");
    return TN_OK;
}

static tn_code csv_run(tn_run *r, tn_error *err)
{
    tn_view delimiter = {",", 1};
    const int64_t *select = NULL;
    int n_select = tn_attr_list(r->attrs, "select_cols", &select);
    tn_attr_get_string(r->attrs, "field_delim", &delimiter);
    if (delimiter.n != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "field_delim should be only 1 char");
    reader c = {.delimiter = delimiter.p[0], .quotes = tn_attr_b(r->attrs, "use_quote_delim"), .err = err};
    TN_TRY(check_defaults(r, select, n_select, err));
    tn_code code = TN_OK;
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n && code == TN_OK; i++) {
        c.in = tn_parse_string(r->in[0], i);
        c.at = 0;
        code = one_record(r, &c, i, select, n_select);
    }
    tn_buf_free(&c.field);
    return code;
}

static tn_code csv_infer(tn_infer *c, tn_error *err)
{
    for (int i = 1; i < c->n_in; i++) {
        const tn_shape *s = &c->in[i]->shape;
        if (s->rank > 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Shape must be at most rank 1 but is rank %d", s->rank);
        if (s->rank == 1 && s->dim[0] > 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Shape of a default must be a length-0 or length-1 vector, or a "
                           "scalar.");
    }
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = c->in[0]->shape;
    return TN_OK;
}

const tn_op tn_op_DecodeCSV = {
    .name = "DecodeCSV",
    .sig = "records:string record_defaults:[OUT_TYPE] -> output:[OUT_TYPE]; "
           "OUT_TYPE:list(type){float,double,int32,int64,string}>=1 field_delim:string=\",\" "
           "use_quote_delim:bool=true na_value:string=\"\" select_cols:list(int)=[]",
    .infer = csv_infer,
    .run = csv_run,
};
