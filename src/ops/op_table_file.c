/* SPDX-License-Identifier: Apache-2.0
 *
 * op_table_file.c - lookup tables from a file of lines: InitializeTableFromTextFile, in both versions.
 */
#include "../plan/files.h"
#include "table.h"

#include <errno.h>

enum { WHOLE_LINE = -2, LINE_NUMBER = -1 };

typedef struct columns {
    int64_t key, value, most, offset;
    char delimiter;
} columns;

static bool column_of(tn_view line, int64_t which, char delimiter, tn_view *out)
{
    *out = line;
    if (which < 0) return true;
    for (; which > 0; which--) {
        const char *d = memchr(out->p, delimiter, out->n);
        if (!d) return false;
        out->n -= (size_t)(d + 1 - out->p);
        out->p = d + 1;
    }
    const char *d = out->n ? memchr(out->p, delimiter, out->n) : NULL;
    if (d) out->n = (size_t)(d - out->p);
    return true;
}

/* A number in the whole of a field but for white space around it, as an element of dtype t. */
static bool number_of(tn_view field, tn_dtype t, char buf[16])
{
    char text[512], *end;
    if (field.n >= sizeof text) return false;
    snprintf(text, sizeof text, "%.*s", (int)field.n, field.p);
    errno = 0;
    bool real = tn_dtype_is_float(t);
    double d = real ? strtod(text, &end) : 0;
    int64_t v = real ? 0 : strtoll(text, &end, 10);
    if (end == text || end[strspn(end, " \t\r\v\f")]) return false;
    if (!real && (errno == ERANGE || (t == TN_INT32 && v != (int32_t)v))) return false;
    if (t == TN_INT64)
        memcpy(buf, &v, sizeof v);
    else if (t == TN_INT32)
        memcpy(buf, &(int32_t){(int32_t)v}, sizeof(int32_t));
    else if (t == TN_FLOAT)
        memcpy(buf, &(float){(float)d}, sizeof(float));
    else
        memcpy(buf, &d, sizeof d);
    return true;
}

/* A column, or the line's number, as an element of dtype t in buf. */
static tn_code field(tn_view line, int64_t number, int64_t which, char delimiter, tn_dtype t, char buf[16],
                     tn_view *out, tn_error *err)
{
    char text[24];
    if (!column_of(line, which, delimiter, out))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid number of columns in line %lld: no column %lld",
                       (long long)number, (long long)which);
    if (t == TN_STRING) return TN_OK;
    if (t != TN_INT64 && t != TN_INT32 && t != TN_FLOAT && t != TN_DOUBLE)
        return tn_fail(err, TN_UNIMPLEMENTED, "tables of %s from a file", tn_dtype_name(t));
    if (which == LINE_NUMBER) *out = (tn_view){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)number)};
    if (!number_of(*out, t, buf))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Field %.*s in line %lld is not a valid %s.", (int)TN_MIN(out->n, 200),
                       out->p, (long long)number, tn_dtype_name(t));
    *out = (tn_view){buf, tn_dtype_size(t)};
    return TN_OK;
}

static tn_code read_lines(const tn_table *t, tn_view path, const tn_buf *text, const columns *c, tn_map *map,
                          tn_error *err)
{
    int64_t number = 0, line_at = 0;
    for (size_t at = 0; at < text->n; line_at++) {
        const char *p = text->data + at, *nl = memchr(p, '\n', text->n - at);
        tn_view line = {p, nl ? (size_t)(nl - p) : text->n - at}, key, value;
        char k[16], v[16];
        at += line.n + 1;
        if (line.n && line.p[line.n - 1] == '\r') line.n--;
        if (line_at < c->offset) continue;
        if (c->most >= 0 && number >= c->most) break;
        if (!line.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid content in %.*s: empty line found at position %zu.",
                           (int)path.n, path.p, TN_MIN(at, text->n));
        TN_TRY(field(line, number, c->key, c->delimiter, t->key, k, &key, err));
        TN_TRY(field(line, number, c->value, c->delimiter, t->value, v, &value, err));
        TN_TRY(tn_table_insert(t, map, key, value, true, err));
        number++;
    }
    if (c->most >= 0 && number < c->most)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid vocab_size in file: expected %lld but got %lld",
                       (long long)c->most, (long long)number);
    return TN_OK;
}

static tn_code from_file(tn_run *r, tn_table *t, tn_view path, tn_error *err)
{
    tn_view delimiter = {"\t", 1};
    tn_buf text = {0};
    tn_attr_get_string(r->attrs, "delimiter", &delimiter);
    columns c = {tn_attr_i(r->attrs, "key_index"), tn_attr_i(r->attrs, "value_index"),
                 tn_attr_i(r->attrs, "vocab_size"), tn_attr_i(r->attrs, "offset"),
                 delimiter.n ? delimiter.p[0] : '\t'};
    tn_map *map = tn_map_new();
    tn_code code = map ? tn_files_read(tn_run_files(r), r->name, path, &text, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = read_lines(t, path, &text, &c, map, err);
    tn_buf_free(&text);
    if (code == TN_OK) return tn_table_replace(t, map, err);
    tn_table_drop_map(map);
    return code;
}

static tn_code from_file_run(tn_run *r, tn_error *err)
{
    tn_table *t;
    TN_TRY(tn_table_of(r, &t, err));
    if (tn_tensor_count(r->in[1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "filename should be a single string");
    TN_TRY(tn_table_check_types(t, t->key, t->value, err));
    if (t->each != 1) return tn_fail(err, TN_UNIMPLEMENTED, "tables of tensors from a file");
    const tn_string *s = TN_STRINGS(r->in[1]);
    return from_file(r, t, (tn_view){s->p, s->n}, err);
}

#define FROM_FILE(Name, Handle) \
    TN_STATE_OP(Name, from_file_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0, \
                "table_handle:" Handle " filename:string -> ; key_index:int>=-2 value_index:int>=-2 " \
                "vocab_size:int>=-1=-1 delimiter:string=\"\\t\" offset:int=0")
FROM_FILE(InitializeTableFromTextFile, "&string");
FROM_FILE(InitializeTableFromTextFileV2, "resource");
