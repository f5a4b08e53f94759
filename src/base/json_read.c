/* SPDX-License-Identifier: Apache-2.0
 *
 * json_read.c - a strict JSON reader (RFC 8259, plus bare NaN, Infinity and -Infinity) into a tree.
 *
 * Invariants: strings in the tree are valid UTF-8; nesting is limited, so recursion is; memory is limited
 * by the arena. Errors begin with line:column (columns in characters), the first of each being 1.
 */
#include "base.h"

#include <math.h>

#define MAX_DEPTH 200

typedef struct reader {
    const char *start, *p, *end;
    tn_arena *arena;
    tn_error *err;
    int depth;
} reader;

static tn_code fail_at(reader *r, const char *at, const char *fmt, ...) TN_PRINTF(3, 4);

static tn_code fail_at(reader *r, const char *at, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    for (const char *p = r->start; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xC0) != 0x80) {
            column++;
        }
    }
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(r->err, TN_INVALID_ARGUMENT, fmt, ap);
    va_end(ap);
    tn_wrap(r->err, "%zu:%zu", line, column);
    return TN_INVALID_ARGUMENT;
}

static tn_code expected(reader *r, const char *what)
{
    if (r->p == r->end) return fail_at(r, r->p, "expected %s, found the end", what);
    unsigned char c = (unsigned char)*r->p;
    if (c < 0x20 || c >= 0x7F) return fail_at(r, r->p, "expected %s, found byte 0x%02x", what, c);
    return fail_at(r, r->p, "expected %s, found '%c'", what, c);
}

static void skip_space(reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) r->p++;
}

/* ==== strings ==== */

static tn_code hex4(reader *r, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++, r->p++) {
        char c = r->p < r->end ? *r->p : 0;
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v << 4 | (uint32_t)(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            v = v << 4 | (uint32_t)(c - 'A' + 10);
        else
            return expected(r, "four hexadecimal digits after \\u");
    }
    *out = v;
    return TN_OK;
}

/* Behind "\u"; a pair of surrogates is one character, half a pair is none. */
static tn_code unicode_escape(reader *r, char **out)
{
    const char *at = r->p - 2;
    uint32_t c = 0, low = 0;
    TN_TRY(hex4(r, &c));
    if (c >= 0xD800 && c < 0xE000) {
        if (c >= 0xDC00 || r->end - r->p < 2 || r->p[0] != '\\' || r->p[1] != 'u')
            return fail_at(r, at, "half of a surrogate pair");
        r->p += 2;
        TN_TRY(hex4(r, &low));
        if (low < 0xDC00 || low >= 0xE000) return fail_at(r, at, "half of a surrogate pair");
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
    }
    *out += tn_utf8_put(*out, c);
    return TN_OK;
}

static tn_code escape(reader *r, char **out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    r->p++;
    char c = r->p < r->end ? *r->p : 0;
    if (c == 'u') {
        r->p++;
        return unicode_escape(r, out);
    }
    const char *name = c ? strchr(names, c) : NULL;
    if (!name) return expected(r, "one of \"\\/bfnrtu after a backslash");
    *(*out)++ = values[name - names];
    r->p++;
    return TN_OK;
}

/* Where a string ends: at its closing quote. */
static tn_code find_end(reader *r, const char **end)
{
    for (const char *p = r->p; p < r->end; p++) {
        if (*p == '"') {
            *end = p;
            return TN_OK;
        }
        if (*p == '\\') p++;
    }
    return fail_at(r, r->p - 1, "a string that is not closed");
}

static tn_code plain_character(reader *r, char **out)
{
    size_t step = tn_utf8_step((tn_view){r->p, (size_t)(r->end - r->p)});
    if (step == 0) return fail_at(r, r->p, "byte 0x%02x is not UTF-8", (unsigned char)*r->p);
    if ((unsigned char)*r->p < 0x20)
        return fail_at(r, r->p, "a control character (0x%02x) must be escaped", (unsigned char)*r->p);
    memcpy(*out, r->p, step);
    *out += step;
    r->p += step;
    return TN_OK;
}

/* At the opening quote. Text never gets longer by unescaping. */
static tn_code read_string(reader *r, tn_view *text)
{
    const char *end = NULL;
    r->p++;
    TN_TRY(find_end(r, &end));
    char *bytes = tn_arena_alloc(r->arena, (size_t)(end - r->p) + 1), *out = bytes;
    if (!bytes) return tn_no_memory(r->err, (size_t)(end - r->p) + 1);
    while (r->p < end) TN_TRY(*r->p == '\\' ? escape(r, &out) : plain_character(r, &out));
    r->p = end + 1;
    *text = (tn_view){bytes, (size_t)(out - bytes)};
    return TN_OK;
}

/* ==== numbers ==== */

static void skip_digits(reader *r)
{
    while (r->p < r->end && *r->p >= '0' && *r->p <= '9') r->p++;
}

static tn_code digits(reader *r, const char *what)
{
    const char *before = r->p;
    skip_digits(r);
    return r->p > before ? TN_OK : expected(r, what);
}

/* Moves over a number by the grammar; *whole: no fraction and no exponent. */
static tn_code number_grammar(reader *r, bool *whole)
{
    *whole = true;
    if (*r->p == '-') r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else
        TN_TRY(digits(r, "a digit"));
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        *whole = false;
        TN_TRY(digits(r, "a digit after the decimal point"));
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        *whole = false;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-')) r->p++;
        TN_TRY(digits(r, "a digit in the exponent"));
    }
    return TN_OK;
}

static tn_code read_number(reader *r, tn_json *v)
{
    const char *at = r->p;
    bool whole;
    v->kind = TN_JSON_NUMBER;
    TN_TRY(number_grammar(r, &whole));
    tn_view text = {at, (size_t)(r->p - at)};
    v->is_int = whole && tn_parse_int(text, &v->integer);
    if (!tn_parse_double(text, &v->number) || isinf(v->number))
        return fail_at(r, at, "the number %.*s is too large", (int)TN_MIN(text.n, 40), at);
    return TN_OK;
}

/* ==== values ==== */

static tn_code read_value(reader *r, tn_json *v);

static bool word(reader *r, const char *s)
{
    size_t n = strlen(s);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, s, n) != 0) return false;
    r->p += n;
    return true;
}

static tn_code read_word(reader *r, tn_json *v)
{
    if (word(r, "null")) return TN_OK;
    v->kind = TN_JSON_BOOL;
    v->boolean = word(r, "true");
    if (v->boolean || word(r, "false")) return TN_OK;
    v->kind = TN_JSON_NUMBER;
    v->number = word(r, "NaN") ? NAN : word(r, "Infinity") ? INFINITY : word(r, "-Infinity") ? -INFINITY : 0;
    return v->number != 0 ? TN_OK : expected(r, "a value");
}

static tn_code read_key(reader *r, tn_view *key)
{
    if (r->p == r->end || *r->p != '"') return expected(r, "a name in quotes");
    TN_TRY(read_string(r, key));
    skip_space(r);
    if (r->p == r->end || *r->p != ':') return expected(r, "':'");
    r->p++;
    skip_space(r);
    return TN_OK;
}

/* At the opening bracket of an array or object. */
static tn_code read_members(reader *r, tn_json *v, char close)
{
    tn_json **link = &v->child;
    if (++r->depth > MAX_DEPTH) return fail_at(r, r->p, "nested deeper than %d", MAX_DEPTH);
    r->p++;
    skip_space(r);
    while (v->count > 0 || r->p == r->end || *r->p != close) {
        tn_json *item = TN_NEW(r->arena, tn_json);
        if (!item) return tn_no_memory(r->err, sizeof *item);
        if (close == '}') TN_TRY(read_key(r, &item->key));
        TN_TRY(read_value(r, item));
        *link = item;
        link = &item->next;
        v->count++;
        skip_space(r);
        if (r->p < r->end && *r->p == close) break;
        if (r->p == r->end || *r->p != ',') return expected(r, close == '}' ? "',' or '}'" : "',' or ']'");
        r->p++;
        skip_space(r);
    }
    r->p++;
    r->depth--;
    return TN_OK;
}

static tn_code read_value(reader *r, tn_json *v)
{
    if (r->p == r->end) return expected(r, "a value");
    char c = *r->p;
    if (c == '"') {
        v->kind = TN_JSON_STRING;
        return read_string(r, &v->text);
    }
    if (c == '{' || c == '[') {
        v->kind = c == '{' ? TN_JSON_OBJECT : TN_JSON_ARRAY;
        return read_members(r, v, c == '{' ? '}' : ']');
    }
    bool minus_word = c == '-' && r->end - r->p > 1 && r->p[1] == 'I';
    if ((c == '-' || (c >= '0' && c <= '9')) && !minus_word) return read_number(r, v);
    return read_word(r, v);
}

tn_code tn_json_parse(tn_view text, tn_arena *a, tn_json **out, tn_error *err)
{
    if (text.n == 0) text.p = "";
    reader r = {.start = text.p, .p = text.p, .end = text.p + text.n, .arena = a, .err = err};
    tn_json *root = TN_NEW(a, tn_json);
    if (!root) return tn_no_memory(err, sizeof *root);
    skip_space(&r);
    TN_TRY(read_value(&r, root));
    skip_space(&r);
    if (r.p < r.end) return expected(&r, "the end");
    *out = root;
    return TN_OK;
}

/* Of several members with the same name, the last: as most readers do. */
const tn_json *tn_json_find(const tn_json *object, const char *key)
{
    const tn_json *found = NULL;
    if (!object || object->kind != TN_JSON_OBJECT) return NULL;
    for (const tn_json *m = object->child; m; m = m->next)
        if (tn_view_is(m->key, key)) found = m;
    return found;
}
