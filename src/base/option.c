/* SPDX-License-Identifier: Apache-2.0
 *
 * option.c - rows that describe the fields of a settings struct: read, checked, written, explained.
 *
 * Invariants: a field is written only with a value of its type, in its range and among its choices;
 * string fields are NULL or owned (tn_malloc) by the settings.
 */
#include "base.h"

#include <ctype.h>
#include <math.h>

/* A value before it is stored; text is borrowed. */
typedef struct value {
    int64_t integer;
    double number;
    bool boolean;
    const char *text;
} value;

static const char *const type_names[] = {
    [TN_OPTION_INT64] = "a whole number", [TN_OPTION_INT32] = "a whole number",
    [TN_OPTION_DOUBLE] = "a number",      [TN_OPTION_FLOAT] = "a number",
    [TN_OPTION_BOOL] = "true or false",   [TN_OPTION_STRING] = "text",
};

static bool is_whole(const tn_option *row)
{
    return row->type == TN_OPTION_INT64 || row->type == TN_OPTION_INT32;
}

static bool is_number(const tn_option *row)
{
    return is_whole(row) || row->type == TN_OPTION_DOUBLE || row->type == TN_OPTION_FLOAT;
}

static bool has_range(const tn_option *row)
{
    return is_number(row) && (row->min != 0 || row->max != 0);
}

/* ==== reading a value ==== */

static bool is_choice(const char *choices, const char *s)
{
    size_t n = strlen(s);
    for (const char *p = choices;; p++) {
        const char *end = strchrnul(p, '|');
        if ((size_t)(end - p) == n && memcmp(p, s, n) == 0) return true;
        if (!*end) return false;
        p = end;
    }
}

static bool read_bool(const char *s, bool *out)
{
    static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no", "off"};
    for (size_t i = 0; i < TN_COUNT(yes); i++) {
        if (strcasecmp(s, yes[i]) != 0 && strcasecmp(s, no[i]) != 0) continue;
        *out = strcasecmp(s, yes[i]) == 0;
        return true;
    }
    return false;
}

/* "1e6" is a whole number too, as long as a double holds it exactly. */
static bool read_whole(const char *s, int64_t *out)
{
    double v;
    if (tn_parse_int(tn_view_of(s), out)) return true;
    if (!tn_parse_double(tn_view_of(s), &v) || !(fabs(v) <= 0x1p53) || v != rint(v)) return false;
    *out = (int64_t)v;
    return true;
}

static bool read_text(const tn_option *row, const char *s, value *v)
{
    switch (row->type) {
    case TN_OPTION_INT64:
    case TN_OPTION_INT32:
        if (!read_whole(s, &v->integer)) return false;
        v->number = (double)v->integer;
        return row->type == TN_OPTION_INT64 || v->integer == (int32_t)v->integer;
    case TN_OPTION_DOUBLE:
    case TN_OPTION_FLOAT: return tn_parse_double(tn_view_of(s), &v->number) && !isnan(v->number);
    case TN_OPTION_BOOL: return read_bool(s, &v->boolean);
    case TN_OPTION_STRING: v->text = s; return true;
    }
    return false;
}

static tn_code out_of_range(const tn_option *row, const char *s, tn_error *err)
{
    char least[40], most[40];
    tn_format_double(least, row->min);
    tn_format_double(most, row->max);
    return tn_fail(err, TN_INVALID_ARGUMENT, "%s=%s is out of range: %s to %s", row->name, s, least, most);
}

static tn_code read_value(const tn_option *row, const char *s, value *v, tn_error *err)
{
    *v = (value){0};
    if (!read_text(row, s, v))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s=%s: expected %s", row->name, s, type_names[row->type]);
    if (has_range(row) && (v->number < row->min || v->number > row->max)) return out_of_range(row, s, err);
    if (row->type == TN_OPTION_STRING && row->choices && !is_choice(row->choices, s))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s=%s: expected one of %s", row->name, s, row->choices);
    return TN_OK;
}

static tn_code store(const tn_option *row, void *settings, const value *v, tn_error *err)
{
    void *field = (char *)settings + row->offset;
    switch (row->type) {
    case TN_OPTION_INT64: *(int64_t *)field = v->integer; break;
    case TN_OPTION_INT32: *(int32_t *)field = (int32_t)v->integer; break;
    case TN_OPTION_DOUBLE: *(double *)field = v->number; break;
    case TN_OPTION_FLOAT: *(float *)field = (float)v->number; break;
    case TN_OPTION_BOOL: *(bool *)field = v->boolean; break;
    case TN_OPTION_STRING: {
        char *copy = v->text ? tn_strdup(v->text) : NULL;
        if (v->text && !copy) return tn_no_memory(err, strlen(v->text));
        tn_free(*(char **)field);
        *(char **)field = copy;
    }
    }
    return TN_OK;
}

/* ==== finding and setting ==== */

const tn_option *tn_option_find(const tn_option *rows, const char *name)
{
    for (; rows && rows->name; rows++)
        if (strcmp(rows->name, name) == 0) return rows;
    return NULL;
}

static tn_code unknown(const tn_option *rows, const char *name, tn_error *err)
{
    const char *names[256];
    size_t n = 0;
    for (; rows && rows->name && n < TN_COUNT(names); rows++) names[n++] = rows->name;
    const char *near = tn_nearest(name, names, n);
    tn_fail(err, TN_INVALID_ARGUMENT, "no setting is named %s", name);
    if (near) tn_note(err, "(did you mean %s?)", near);
    return TN_INVALID_ARGUMENT;
}

tn_code tn_option_set(const tn_option *rows, void *settings, const char *name, const char *text,
                      tn_error *err)
{
    const tn_option *row = tn_option_find(rows, name);
    value v;
    if (!row) return unknown(rows, name, err);
    TN_TRY(read_value(row, text, &v, err));
    return store(row, settings, &v, err);
}

static void clear_field(const tn_option *row, void *settings)
{
    memset((char *)settings + row->offset, 0, row->size);
}

tn_code tn_options_defaults(const tn_option *rows, void *settings, tn_error *err)
{
    for (const tn_option *row = rows; row && row->name; row++) clear_field(row, settings);
    for (const tn_option *row = rows; row && row->name; row++) {
        value v;
        if (!row->def) continue;
        tn_code code = read_value(row, row->def, &v, err);
        if (code != TN_OK)
            tn_wrap(err, "the default");
        else
            code = store(row, settings, &v, err);
        if (code == TN_OK) continue;
        tn_options_free(rows, settings);
        return code;
    }
    return TN_OK;
}

void tn_options_free(const tn_option *rows, void *settings)
{
    for (; rows && rows->name; rows++) {
        if (rows->type != TN_OPTION_STRING) continue;
        tn_free(*(char **)((char *)settings + rows->offset));
        clear_field(rows, settings);
    }
}

/* ==== writing ==== */

static const void *field_of(const tn_option *row, const void *settings)
{
    return (const char *)settings + row->offset;
}

void tn_option_text(const tn_option *row, const void *settings, tn_buf *out)
{
    const void *field = field_of(row, settings);
    char text[40];
    switch (row->type) {
    case TN_OPTION_INT64: tn_buf_printf(out, "%lld", (long long)*(const int64_t *)field); break;
    case TN_OPTION_INT32: tn_buf_printf(out, "%d", (int)*(const int32_t *)field); break;
    case TN_OPTION_DOUBLE:
        tn_buf_add(out, text, (size_t)tn_format_double(text, *(const double *)field));
        break;
    case TN_OPTION_FLOAT: tn_buf_add(out, text, (size_t)tn_format_float(text, *(const float *)field)); break;
    case TN_OPTION_BOOL: tn_buf_str(out, *(const bool *)field ? "true" : "false"); break;
    case TN_OPTION_STRING: tn_buf_str(out, *(char *const *)field ? *(char *const *)field : ""); break;
    }
}

static void value_json(const tn_option *row, const void *field, tn_json_writer *w)
{
    switch (row->type) {
    case TN_OPTION_INT64: tn_json_int(w, *(const int64_t *)field); break;
    case TN_OPTION_INT32: tn_json_int(w, *(const int32_t *)field); break;
    case TN_OPTION_DOUBLE: tn_json_double(w, *(const double *)field); break;
    case TN_OPTION_FLOAT: tn_json_float(w, *(const float *)field); break;
    case TN_OPTION_BOOL: tn_json_bool(w, *(const bool *)field); break;
    case TN_OPTION_STRING:
        if (*(char *const *)field)
            tn_json_cstr(w, *(char *const *)field);
        else
            tn_json_null(w);
    }
}

void tn_options_json(const tn_option *rows, const void *settings, tn_json_writer *w)
{
    for (; rows && rows->name; rows++) {
        tn_json_key(w, rows->name);
        value_json(rows, field_of(rows, settings), w);
    }
}

/* ==== help ==== */

static int flag_width(const tn_option *row, const char *prefix)
{
    return (int)(strlen(prefix) + strlen(row->name) + 1 + strlen(row->def ? row->def : ""));
}

static void put_range(const tn_option *row, tn_buf *out)
{
    char least[40], most[40];
    const char *separator = " (";
    if (has_range(row)) {
        tn_format_double(least, row->min);
        tn_format_double(most, row->max);
        tn_buf_printf(out, "%s%s to %s", separator, least, most);
        separator = ", ";
    }
    if (row->choices) {
        tn_buf_printf(out, "%s%s", separator, row->choices);
        separator = ", ";
    }
    if (row->unit) {
        tn_buf_printf(out, "%s%s", separator, row->unit);
        separator = ", ";
    }
    if (separator[0] == ',') tn_buf_char(out, ')');
}

void tn_options_help(const tn_option *rows, const char *prefix, tn_buf *out)
{
    int width = 0;
    for (const tn_option *row = rows; row && row->name; row++) width = TN_MAX(width, flag_width(row, prefix));
    width = TN_MIN(width, 40);
    for (const tn_option *row = rows; row && row->name; row++) {
        int pad = TN_MAX(width - flag_width(row, prefix), 0);
        tn_buf_printf(out, "  %s%s=%s%*s  %s", prefix, row->name, row->def ? row->def : "", pad, "",
                      row->help ? row->help : "");
        put_range(row, out);
        tn_buf_char(out, '\n');
    }
}

/* ==== checking a row ==== */

static bool good_name(const char *s)
{
    if (!isalpha((unsigned char)s[0]) && s[0] != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("_-.", *s)) return false;
    return true;
}

static tn_code check_field(const tn_option *row, size_t settings_size, tn_error *err)
{
    static const struct {
        size_t size, alignment;
    } fields[] = {
        [TN_OPTION_INT64] = {sizeof(int64_t), _Alignof(int64_t)},
        [TN_OPTION_INT32] = {sizeof(int32_t), _Alignof(int32_t)},
        [TN_OPTION_DOUBLE] = {sizeof(double), _Alignof(double)},
        [TN_OPTION_FLOAT] = {sizeof(float), _Alignof(float)},
        [TN_OPTION_BOOL] = {sizeof(bool), _Alignof(bool)},
        [TN_OPTION_STRING] = {sizeof(char *), _Alignof(char *)},
    };
    if ((unsigned)row->type >= TN_COUNT(fields))
        return tn_fail(err, TN_INVALID_ARGUMENT, "option %s: %d is no type", row->name, (int)row->type);
    if (row->size != fields[row->type].size || row->offset % fields[row->type].alignment != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "option %s: its field (%zu bytes at %zu) is not of its type",
                       row->name, row->size, row->offset);
    if (row->offset > settings_size || row->size > settings_size - row->offset)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "option %s: its field (%zu bytes at %zu) is outside the settings (%zu)", row->name,
                       row->size, row->offset, settings_size);
    return TN_OK;
}

tn_code tn_option_check_row(const tn_option *row, size_t settings_size, tn_error *err)
{
    value v;
    if (!row->name || !good_name(row->name))
        return tn_fail(err, TN_INVALID_ARGUMENT, "an option cannot be named \"%s\"",
                       row->name ? row->name : "");
    TN_TRY(check_field(row, settings_size, err));
    if (!(row->min <= row->max))
        return tn_fail(err, TN_INVALID_ARGUMENT, "option %s: its range is empty", row->name);
    if (!is_number(row) && (row->min != 0 || row->max != 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "option %s: only numbers have a range", row->name);
    if (row->choices && row->type != TN_OPTION_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "option %s: only text has choices", row->name);
    if (!row->def) return TN_OK;
    tn_code code = read_value(row, row->def, &v, err);
    if (code != TN_OK) tn_wrap(err, "option %s: its default", row->name);
    return code;
}
