/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_lex.c - the words of protobuf's text form: names, numbers, quoted strings, comments.
 *
 * Invariants: the position only moves forward; line and column are found from it when something is wrong.
 */
#include <locale.h>

#include "proto_lex.h"

tn_code tn_proto_lex_fail(const tn_proto_lexer *l, const char *at, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    for (const char *p = l->start; p < at; p++, column++)
        if (*p == '\n') line++, column = 0;
    va_list ap;
    va_start(ap, fmt);
    tn_vfail(l->err, TN_INVALID_ARGUMENT, fmt, ap);
    va_end(ap);
    return tn_wrap(l->err, "line %zu, column %zu", line, column), TN_INVALID_ARGUMENT;
}

void tn_proto_skip(tn_proto_lexer *l)
{
    for (; l->p < l->end; l->p++) {
        if (*l->p == '#')
            while (l->p + 1 < l->end && l->p[1] != '\n') l->p++;
        else if (*l->p != ' ' && (*l->p < '\t' || *l->p > '\r'))
            return;
    }
}

bool tn_proto_accept(tn_proto_lexer *l, char c)
{
    tn_proto_skip(l);
    if (l->p == l->end || *l->p != c) return false;
    l->p++;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool tn_proto_identifier(tn_proto_lexer *l, tn_view *word)
{
    tn_proto_skip(l);
    const char *p = l->p;
    if (p == l->end || !is_letter(*p)) return false;
    while (p < l->end && (is_letter(*p) || is_digit(*p))) p++;
    *word = (tn_view){l->p, (size_t)(p - l->p)};
    l->p = p;
    return true;
}

/* ---- quoted strings ---- */

/* The value of a digit, or 99. */
static int digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

/* Reads up to `most` digits of a base; returns how many there were. */
static int digits(tn_proto_lexer *l, int base, int most, uint32_t *value)
{
    int n = 0;
    *value = 0;
    for (; n < most && l->p < l->end && digit(*l->p) < base; n++, l->p++)
        *value = *value * (uint32_t)base + (uint32_t)digit(*l->p);
    return n;
}

/* What follows a backslash; never more bytes than the escape has. */
static tn_code escape(tn_proto_lexer *l, char **to)
{
    static const char names[] = "abfnrtv\\'\"?", values[] = "\a\b\f\n\r\t\v\\'\"?";
    const char *at = l->p - 1;
    char c = l->p < l->end ? *l->p : 0;
    const char *named = c ? memchr(names, c, sizeof names - 1) : NULL;
    uint32_t v;
    if (named) {
        l->p++;
        *(*to)++ = values[named - names];
    } else if (digit(c) < 8) {
        digits(l, 8, 3, &v);
        if (v > 255) return tn_proto_lex_fail(l, at, "an escape of more than a byte");
        *(*to)++ = (char)v;
    } else if (c == 'x' || c == 'X') {
        l->p++;
        if (!digits(l, 16, 2, &v)) return tn_proto_lex_fail(l, at, "an escape without digits");
        *(*to)++ = (char)v;
    } else if (c == 'u' || c == 'U') {
        l->p++;
        int n = c == 'u' ? 4 : 8;
        if (digits(l, 16, n, &v) != n || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
            return tn_proto_lex_fail(l, at, "an escape that is no character");
        *to += tn_utf8_put(*to, v);
    } else {
        return tn_proto_lex_fail(l, at, "an unknown escape");
    }
    return TN_OK;
}

/* One literal; its opening quote is next. */
static tn_code literal(tn_proto_lexer *l, char **to)
{
    const char *at = l->p;
    char quote = *l->p++;
    while (l->p < l->end && *l->p != quote && *l->p != '\n') {
        if (*l->p == '\\') {
            l->p++;
            TN_TRY(escape(l, to));
        } else {
            *(*to)++ = *l->p++;
        }
    }
    if (l->p == l->end || *l->p != quote) return tn_proto_lex_fail(l, at, "a string without an end");
    l->p++;
    return TN_OK;
}

static bool at_quote(tn_proto_lexer *l)
{
    tn_proto_skip(l);
    return l->p < l->end && (*l->p == '"' || *l->p == '\'');
}

/* How far the literals that begin here go, at most: bytes that are surely enough for what they say. */
static size_t literal_extent(tn_proto_lexer l)
{
    const char *from = l.p;
    while (at_quote(&l)) {
        char quote = *l.p++;
        while (l.p < l.end && *l.p != quote && *l.p != '\n') l.p += *l.p == '\\' && l.p + 1 < l.end ? 2 : 1;
        if (l.p < l.end) l.p++;
    }
    return (size_t)(l.p - from);
}

tn_code tn_proto_quoted(tn_proto_lexer *l, tn_view *out)
{
    if (!at_quote(l)) return tn_proto_lex_fail(l, l->p, "expected a string");
    char *text = tn_proto_take(l->pool, literal_extent(*l)), *to = text;
    if (!text) return tn_proto_pool_fail(l->pool, l->err);
    while (at_quote(l)) TN_TRY(literal(l, &to));
    *out = (tn_view){text, (size_t)(to - text)};
    return TN_OK;
}

/* ---- numbers ---- */

static bool in_number(const char *p, const char *from)
{
    if (is_letter(*p) || is_digit(*p) || *p == '.') return true;
    return (*p == '-' || *p == '+') && p > from && (p[-1] == 'e' || p[-1] == 'E') && is_digit(*from);
}

/* The word of a number without its sign. */
static tn_view number_word(tn_proto_lexer *l, bool *negative)
{
    *negative = tn_proto_accept(l, '-');
    tn_proto_skip(l);
    const char *from = l->p;
    while (l->p < l->end && in_number(l->p, from)) l->p++;
    return (tn_view){from, (size_t)(l->p - from)};
}

tn_code tn_proto_integer(tn_proto_lexer *l, bool *negative, uint64_t *magnitude)
{
    tn_view w = number_word(l, negative);
    const char *p = w.p, *end = w.p + w.n;
    int base = 10;
    if (w.n > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        base = 16, p += 2;
    else if (w.n > 1 && p[0] == '0')
        base = 8, p++;
    uint64_t v = 0;
    bool bad = p == end;
    for (; p < end && !bad; p++)
        bad = digit(*p) >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
              __builtin_add_overflow(v, (uint64_t)digit(*p), &v);
    if (bad) return tn_proto_lex_fail(l, w.p, "expected an integer, not '%.*s'", (int)TN_MIN(w.n, 40), w.p);
    *magnitude = v;
    return TN_OK;
}

tn_code tn_proto_real(tn_proto_lexer *l, double *out)
{
    bool negative;
    tn_view w = number_word(l, &negative);
    char text[512];
    size_t n = TN_MIN(w.n, sizeof text - 1);
    if (n) memcpy(text, w.p, n);
    if (n > 1 && (text[n - 1] == 'f' || text[n - 1] == 'F') &&
        (is_digit(text[n - 2]) || text[n - 2] == '.') && !(text[0] == '0' && (text[1] | 32) == 'x'))
        n--;
    text[n] = 0;
    char *end = text;
    double v =
        strtod_l(text, &end, newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* a constant: nothing to free */
    if (n == 0 || *end || w.n >= sizeof text)
        return tn_proto_lex_fail(l, w.p, "expected a number, not '%.*s'", (int)TN_MIN(w.n, 40), w.p);
    *out = negative ? -v : v;
    return TN_OK;
}
