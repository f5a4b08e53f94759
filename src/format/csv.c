/* SPDX-License-Identifier: Apache-2.0
 *
 * csv.c - numbers from comma-separated files: RFC 4180 with quotes, a header row, columns chosen by name.
 *
 * Invariants: every row has as many fields as the first; an error says line and column (counted in
 * fields' first characters, from 1). Numbers are read the same under every locale.
 */
#include "format.h"

#include <ctype.h>
#include <math.h>

#define FILE_LIMIT ((size_t)1 << 34)
#define MOST_COLUMNS 65536
#define MOST_NUMBER 400 /* characters of one number */

typedef struct reader {
    const char *p, *end, *row; /* row: where the present line began */
    int64_t line;
    char separator;
    tn_buf field; /* the present field, without quotes */
    const char *field_start;
    int64_t field_line;
    const char *field_row;
} reader;

static tn_code fail_at(const reader *r, tn_code code, const char *what, tn_error *err)
{
    return tn_fail(err, code, "%lld:%lld: %s", (long long)r->field_line,
                   (long long)(r->field_start - r->field_row) + 1, what);
}

/* ---- fields ---- */

static void next_line(reader *r)
{
    r->line++;
    r->row = r->p;
}

static tn_code quoted(reader *r, tn_error *err)
{
    for (r->p++; r->p < r->end; r->p++) {
        if (*r->p == '\n') {
            r->line++;
            r->row = r->p + 1;
        }
        if (*r->p != '"') {
            tn_buf_char(&r->field, *r->p);
        } else if (r->p + 1 < r->end && r->p[1] == '"') {
            tn_buf_char(&r->field, '"');
            r->p++;
        } else {
            r->p++;
            return TN_OK;
        }
    }
    return fail_at(r, TN_INVALID_ARGUMENT, "a quoted field that does not end", err);
}

static bool at_field_end(const reader *r)
{
    return r->p == r->end || *r->p == r->separator || *r->p == '\n' ||
           (*r->p == '\r' && (r->p + 1 == r->end || r->p[1] == '\n'));
}

/* Reads a field; *last: the row ends with it. */
static tn_code next_field(reader *r, bool *last, tn_error *err)
{
    tn_buf_clear(&r->field);
    r->field_start = r->p;
    r->field_row = r->row;
    r->field_line = r->line;
    if (r->p < r->end && *r->p == '"') {
        TN_TRY(quoted(r, err));
        if (!at_field_end(r)) return fail_at(r, TN_INVALID_ARGUMENT, "text after a quoted field", err);
    } else {
        const char *start = r->p;
        while (!at_field_end(r)) r->p++;
        tn_buf_add(&r->field, start, (size_t)(r->p - start));
    }
    *last = r->p == r->end || *r->p != r->separator;
    if (!*last) {
        r->p++;
    } else if (r->p < r->end) {
        r->p += *r->p == '\r' ? (r->p + 1 == r->end ? 1 : 2) : 1;
        next_line(r);
    }
    return tn_buf_check(&r->field, err);
}

static bool at_blank_line(const reader *r)
{
    return r->p < r->end && (*r->p == '\n' || (*r->p == '\r' && r->p + 1 < r->end && r->p[1] == '\n'));
}

static void skip_blank_lines(reader *r)
{
    while (at_blank_line(r)) {
        r->p += *r->p == '\r' ? 2 : 1;
        next_line(r);
    }
}

/* ---- numbers ---- */

/* strtof reads "1.5" as 1 where the decimal point is a comma, so the digits are put together here: in long
 * double, whose 64 bits leave nothing of a float to chance but ties. */

typedef struct digits {
    const char *s, *end;
} digits;

static bool is_word(const digits *d, const char *word)
{
    size_t n = (size_t)(d->end - d->s);
    return n == strlen(word) && !strncasecmp(d->s, word, n);
}

static bool accept_sign(digits *d)
{
    if (d->s == d->end || (*d->s != '-' && *d->s != '+')) return false;
    return *d->s++ == '-';
}

/* Digits onto *v; how many there were. */
static int take_digits(digits *d, long double *v)
{
    int n = 0;
    for (; d->s < d->end && isdigit((unsigned char)*d->s); d->s++, n++) *v = *v * 10 + (*d->s - '0');
    return n;
}

static bool take_exponent(digits *d, int *scale)
{
    long double e = 0;
    if (d->s == d->end || (*d->s != 'e' && *d->s != 'E')) return true;
    d->s++;
    bool negative = accept_sign(d);
    if (!take_digits(d, &e)) return false;
    int n = e > 100000 ? 100000 : (int)e;
    *scale += negative ? -n : n;
    return true;
}

static long double scaled(long double v, int scale)
{
    if (v == 0 || scale == 0) return v;
    if (scale > 0) return v * powl(10, scale);
    return scale < -4000 ? 0 : v / powl(10, -scale);
}

static bool parse_decimal(digits *d, long double *out)
{
    long double v = 0;
    int scale = 0, n = take_digits(d, &v);
    if (d->s < d->end && *d->s == '.') {
        d->s++;
        scale = -take_digits(d, &v);
    }
    if (n - scale == 0 || !take_exponent(d, &scale) || d->s != d->end) return false;
    *out = scaled(v, scale);
    return true;
}

/* An empty field is no number at all: NaN. */
static bool parse_number(const char *s, size_t n, float *out)
{
    digits d = {s, s + n};
    long double v;
    while (d.s < d.end && isspace((unsigned char)*d.s)) d.s++;
    while (d.end > d.s && isspace((unsigned char)d.end[-1])) d.end--;
    if (d.end - d.s > MOST_NUMBER) return false;
    if (d.s == d.end || is_word(&d, "nan") || is_word(&d, "na")) return *out = NAN, true;
    bool negative = accept_sign(&d);
    if (is_word(&d, "inf") || is_word(&d, "infinity")) return *out = negative ? -INFINITY : INFINITY, true;
    if (!parse_decimal(&d, &v)) return false;
    *out = (float)(negative ? -v : v);
    return true;
}

/* ---- columns ---- */

typedef struct table {
    const tn_csv_options *o;
    tn_arena *arena;
    const char **header; /* all of the file's columns */
    int n_columns;
    const char **names; /* the chosen ones */
    int *place;         /* column of the file -> column of the tensor; -1: not wanted */
    int n_chosen;
    float *values; /* grows */
    size_t n_values, cap;
    int64_t rows;
} table;

static tn_code count_columns(reader r, int *n, tn_error *err)
{
    bool last = false;
    tn_code code = TN_OK;
    r.field = (tn_buf){0};
    *n = 0;
    while (code == TN_OK && !last) {
        code = next_field(&r, &last, err);
        if (code == TN_OK && ++*n > MOST_COLUMNS)
            code = fail_at(&r, TN_INVALID_ARGUMENT, "more than 65536 columns", err);
    }
    tn_buf_free(&r.field);
    return code;
}

static tn_code read_header(table *t, reader *r, tn_error *err)
{
    TN_TRY(count_columns(*r, &t->n_columns, err));
    t->header = TN_ARRAY(t->arena, t->n_columns + 1, const char *);
    if (!t->header) return tn_no_memory(err, (size_t)t->n_columns * sizeof *t->header);
    for (int i = 0; i < t->n_columns; i++) {
        bool last;
        if (!t->o->no_header) TN_TRY(next_field(r, &last, err));
        t->header[i] = t->o->no_header
                           ? tn_arena_printf(t->arena, "%d", i)
                           : tn_arena_strndup(t->arena, r->field.n ? r->field.data : "", r->field.n);
        if (!t->header[i]) return tn_no_memory(err, r->field.n);
    }
    return TN_OK;
}

static int find_column(const table *t, const char *name)
{
    for (int i = 0; i < t->n_columns; i++)
        if (!strcmp(t->header[i], name)) return i;
    return -1;
}

static tn_code no_column(const table *t, const char *name, tn_error *err)
{
    const char *near = tn_nearest(name, t->header, (size_t)t->n_columns);
    tn_fail(err, TN_NOT_FOUND, "1:1: there is no column '%s'", name);
    if (near) tn_note(err, "(there is '%s')", near);
    return TN_NOT_FOUND;
}

static tn_code choose_columns(table *t, tn_error *err)
{
    bool all = t->o->n_columns == 0;
    t->n_chosen = all ? t->n_columns : t->o->n_columns;
    t->names = TN_ARRAY(t->arena, t->n_chosen + 1, const char *);
    t->place = TN_ARRAY(t->arena, t->n_columns + 1, int);
    if (!t->names || !t->place) return tn_no_memory(err, (size_t)t->n_columns * sizeof *t->names);
    for (int i = 0; i < t->n_columns; i++) t->place[i] = all ? i : -1;
    for (int i = 0; i < t->n_chosen; i++) {
        int at = all ? i : find_column(t, t->o->columns[i]);
        if (at < 0) return no_column(t, t->o->columns[i], err);
        if (!all && t->place[at] >= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "column '%s' is chosen twice", t->o->columns[i]);
        t->names[i] = t->header[at];
        t->place[at] = i;
    }
    return TN_OK;
}

/* ---- rows ---- */

static tn_code reserve_row(table *t, tn_error *err)
{
    if (t->n_values + (size_t)t->n_chosen <= t->cap) return TN_OK;
    size_t cap = TN_MAX(2 * t->cap, t->n_values + (size_t)t->n_chosen + 1024);
    float *values = tn_realloc(t->values, cap * sizeof *values);
    if (!values) return tn_no_memory(err, cap * sizeof *values);
    t->values = values;
    t->cap = cap;
    return TN_OK;
}

static tn_code bad_number(const reader *r, const table *t, int column, tn_error *err)
{
    char text[300];
    snprintf(text, sizeof text, "column '%.100s': '%.100s' is no number", t->header[column],
             r->field.n ? r->field.data : "");
    return fail_at(r, TN_INVALID_ARGUMENT, text, err);
}

static tn_code read_row(table *t, reader *r, tn_error *err)
{
    bool last = false;
    char text[80];
    TN_TRY(reserve_row(t, err));
    for (int i = 0; i < t->n_columns; i++) {
        if (last) {
            snprintf(text, sizeof text, "the row has %d fields, not %d", i, t->n_columns);
            return fail_at(r, TN_INVALID_ARGUMENT, text, err);
        }
        TN_TRY(next_field(r, &last, err));
        if (t->place[i] < 0) continue;
        float *out = &t->values[t->n_values + (size_t)t->place[i]];
        if (!parse_number(r->field.n ? r->field.data : "", r->field.n, out)) return bad_number(r, t, i, err);
    }
    snprintf(text, sizeof text, "the row has more than %d fields", t->n_columns);
    if (!last) return fail_at(r, TN_INVALID_ARGUMENT, text, err);
    t->n_values += (size_t)t->n_chosen;
    t->rows++;
    return TN_OK;
}

static tn_code read_table(table *t, reader *r, tn_error *err)
{
    skip_blank_lines(r);
    if (r->p == r->end) return tn_fail(err, TN_INVALID_ARGUMENT, "1:1: nothing is in it");
    TN_TRY(read_header(t, r, err));
    TN_TRY(choose_columns(t, err));
    for (;;) {
        if (t->n_columns > 1 || r->p == r->end) skip_blank_lines(r);
        if (r->p == r->end || (t->o->max_rows && t->rows == t->o->max_rows)) return TN_OK;
        TN_TRY(read_row(t, r, err));
    }
}

tn_code tn_csv_parse(tn_view text, const tn_csv_options *o, tn_csv *out, tn_error *err)
{
    static const tn_csv_options defaults;
    if (text.n >= 3 && !memcmp(text.p, "\xef\xbb\xbf", 3))
        text = (tn_view){text.p + 3, text.n - 3}; /* byte order mark */
    table t = {.o = o ? o : &defaults, .arena = tn_arena_new(0)};
    reader r = {.p = text.n ? text.p : "", .line = 1, .separator = t.o->separator ? t.o->separator : ','};
    r.row = r.field_start = r.field_row = r.p;
    r.end = r.p + text.n;
    tn_tensor *values = NULL;
    tn_code code = t.arena ? read_table(&t, &r, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = tn_tensor_of(TN_FLOAT, &TN_SHAPE(t.rows, t.n_chosen), t.values, &values, err);
    tn_free(t.values);
    tn_buf_free(&r.field);
    if (code != TN_OK) {
        tn_arena_free(t.arena);
        return code;
    }
    *out = (tn_csv){.values = values, .names = t.names, .n_columns = t.n_chosen, .arena = t.arena};
    return TN_OK;
}

tn_code tn_csv_load(const char *path, const tn_csv_options *o, tn_csv *out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = tn_file_read(path, FILE_LIMIT, &bytes, err);
    if (code != TN_OK) return code;
    code = tn_csv_parse((tn_view){bytes.data, bytes.n}, o, out, err);
    tn_buf_free(&bytes);
    if (code != TN_OK) tn_wrap(err, "%s", path);
    return code;
}

void tn_csv_free(tn_csv *c)
{
    if (!c) return;
    tn_tensor_unref(c->values);
    tn_arena_free(c->arena);
    *c = (tn_csv){0};
}
