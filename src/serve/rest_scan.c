/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_scan.c - the words of a JSON text: numbers, strings, values stepped over.
 *
 * Bytes of strings are not looked at beyond quotes, escapes and control characters, as in TensorFlow Serving:
 * what is not UTF-8 stays what it is.
 */
#include "rest_scan.h"

#include <float.h>
#include <math.h>

#define INVALID "Invalid value."
#define TOO_BIG "Number too big to be stored in double."
#define IN_LIST "Missing a comma or ']' after an array element."
#define IN_OBJECT "Missing a comma or '}' after an object member."

enum { MOST_DIGITS = 19, LARGEST_EXPONENT = 308 };

/* ==== numbers ==== */

static inline bool digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* Eight digits in one go: pairs, then fours, then all of them are put together inside one word. */
static inline const char *digits_by_eight(const char *p, const char *end, uint64_t *m)
{
    while (end - p >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        const uint64_t nibbles = UINT64_C(0xF0F0F0F0F0F0F0F0);
        uint64_t high = v & nibbles, carried = (v + UINT64_C(0x0606060606060606)) & nibbles;
        if (high != UINT64_C(0x3030303030303030) || carried != high) break;
        v &= UINT64_C(0x0F0F0F0F0F0F0F0F);
        v = (v * 10 + (v >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
        v = (v * 100 + (v >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
        v = (v * 10000 + (v >> 32)) & UINT64_C(0xFFFFFFFF);
        *m = *m * 100000000 + v;
        p += 8;
    }
    return p;
}
#else
static inline const char *digits_by_eight(const char *p, const char *end, uint64_t *m)
{
    (void)end;
    (void)m;
    return p;
}
#endif

static inline const char *digits(const char *p, const char *end, uint64_t *m)
{
    p = digits_by_eight(p, end, m);
    for (; digit(*p); p++) *m = *m * 10 + (uint64_t)(*p - '0');
    return p;
}

/* The value of more than MOST_DIGITS digits, or of an exponent that is not small. */
static double value_of_text(const tn_scanned *n)
{
    double v = 0;
    tn_parse_double((tn_view){n->begin, (size_t)(n->end - n->begin)}, &v);
    return v;
}

static bool scan_exponent(tn_scanner *s, const char **p, int fraction, tn_scanned *n)
{
    const char *q = *p + 1;
    bool down = *q == '-';
    int e = 0;
    if (*q == '+' || *q == '-') q++;
    if (!digit(*q)) return tn_scan_wrong(s, q, "Miss exponent in number.");
    for (; digit(*q); q++)
        if (e < 100000) e = e * 10 + (*q - '0');
    if (!down && e > LARGEST_EXPONENT + fraction) return tn_scan_wrong(s, n->begin, TOO_BIG);
    n->exponent += down ? -e : e;
    n->whole = false;
    *p = q;
    return true;
}

/* "Inf", "Infinity" and "NaN", each with a sign or without. */
static bool scan_special(tn_scanner *s, const char *p, tn_scanned *n)
{
    const char *word = *p == 'N' ? "NaN" : "Inf";
    for (const char *w = word; *w; w++, p++)
        if (*p != *w) return tn_scan_wrong(s, p, INVALID);
    if (*word == 'I' && *p == 'i')
        for (const char *w = "inity"; *w; w++, p++)
            if (*p != *w) return tn_scan_wrong(s, p, INVALID);
    n->special = true;
    n->whole = false;
    n->value = *word == 'N' ? (double)NAN : n->negative ? (double)-INFINITY : (double)INFINITY;
    n->end = s->at = p;
    return true;
}

bool tn_scan_number(tn_scanner *s, tn_scanned *n)
{
    const char *p = s->at;
    uint64_t m = 0;
    int fraction = 0;
    *n = (tn_scanned){.negative = *p == '-', .whole = true, .begin = p};
    p += n->negative;
    if (!digit(*p)) return *p == 'N' || *p == 'I' ? scan_special(s, p, n) : tn_scan_wrong(s, p, INVALID);
    const char *first = p;
    p = *p == '0' ? p + 1 : digits(p, s->end, &m);
    int64_t count = p - first;
    if (*p == '.') {
        const char *point = ++p;
        p = digits(p, s->end, &m);
        if (p == point) return tn_scan_wrong(s, p, "Miss fraction part in number.");
        fraction = (int)TN_MIN(p - point, 1 << 28);
        count += fraction;
        n->whole = false;
    }
    n->m = m;
    n->exponent = -fraction;
    n->many = count > MOST_DIGITS;
    if (*first == '0' && n->whole) n->negative = false; /* an integer, which has no -0 */
    if ((*p == 'e' || *p == 'E') && !scan_exponent(s, &p, fraction, n)) return false;
    n->end = p;
    if (count + n->exponent >= LARGEST_EXPONENT && isinf(value_of_text(n)))
        return tn_scan_wrong(s, n->begin, TOO_BIG);
    s->at = p;
    return true;
}

static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
enum { EXACT_POWER = 22 }; /* the largest power of ten that a double holds exactly */

static inline bool near_power(const tn_scanned *n)
{
    return !n->many && n->exponent >= -EXACT_POWER && n->exponent <= EXACT_POWER;
}

static inline double scaled(const tn_scanned *n)
{
    double m = (double)n->m;
    return n->exponent < 0 ? m / power10[-n->exponent] : m * power10[n->exponent];
}

double tn_scanned_double(const tn_scanned *n)
{
    if (n->special) return n->value;
    if (near_power(n) && n->m < UINT64_C(1) << 53) { /* both exact: rounded once */
        double v = scaled(n);
        return n->negative ? -v : v;
    }
#if LDBL_MANT_DIG == 64 && LDBL_MAX_EXP == 16384
    /* The digits and the power are exact in 64 bits. What is rounded to 64 and then to 53 bits is right
     * unless the first left it half way between two doubles. */
    if (near_power(n)) {
        long double m = (long double)n->m, power = (long double)power10[abs(n->exponent)];
        union {
            long double v;
            uint64_t significand;
        } u = {n->exponent < 0 ? m / power : m * power};
        uint64_t rest = u.significand & 0x7FF;
        if (rest < 0x3FE || rest > 0x402) return n->negative ? (double)-u.v : (double)u.v;
    }
#endif
    return value_of_text(n);
}

/* A double that is off by less than two of its last places gives the same float as the exact value, unless
 * the border between two floats is that near. */
float tn_scanned_float(const tn_scanned *n)
{
    if (near_power(n) && !n->special) {
        double v = scaled(n);
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        uint64_t rest = bits & 0x1FFFFFFF;
        if ((rest < 0x0FFFFFFC || rest > 0x10000004) &&
            (v == 0 || (v >= (double)FLT_MIN && v <= (double)FLT_MAX)))
            return n->negative ? (float)-v : (float)v;
    }
    return (float)tn_scanned_double(n);
}

/* 20 digits may fit, too: 2^64 - 1 has as many. */
bool tn_scanned_uint64(const tn_scanned *n, uint64_t *out)
{
    uint64_t v = 0;
    if (!n->whole || (n->negative && n->m)) return false;
    if (!n->many) {
        *out = n->m;
        return true;
    }
    for (const char *p = n->begin; p < n->end; p++)
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    *out = v;
    return true;
}

bool tn_scanned_int64(const tn_scanned *n, int64_t *out)
{
    if (!n->whole || n->many || n->m > (uint64_t)INT64_MAX + n->negative) return false;
    *out = n->negative ? (int64_t)(0 - n->m) : (int64_t)n->m;
    return true;
}

/* ==== strings ==== */

static int hex_value(char c)
{
    if (digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits; -1: they are not. */
static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        int h = hex_value(p[i]);
        if (h < 0) return -1;
        v = v * 16 + h;
    }
    return v;
}

/* Steps over an escape at p; NULL: s says what is wrong. */
static const char *scan_escape(tn_scanner *s, const char *p)
{
    char c = p[1];
    if (c && strchr("\"\\/bfnrt", c)) return p + 2;
    if (c != 'u') return tn_scan_wrong(s, p, "Invalid escape character in string."), NULL;
    int v = hex4(p + 2);
    if (v < 0) return tn_scan_wrong(s, p, "Incorrect hex digit after \\u escape in string."), NULL;
    if (v < 0xD800 || v > 0xDBFF) return p + 6;
    if (p[6] != '\\' || p[7] != 'u')
        return tn_scan_wrong(s, p, "The surrogate pair in string is invalid."), NULL;
    int low = hex4(p + 8);
    if (low < 0) return tn_scan_wrong(s, p, "Incorrect hex digit after \\u escape in string."), NULL;
    if (low < 0xDC00 || low > 0xDFFF)
        return tn_scan_wrong(s, p, "The surrogate pair in string is invalid."), NULL;
    return p + 12;
}

bool tn_scan_string(tn_scanner *s, tn_view *raw, bool *plain)
{
    const char *p = s->at + 1, *first = p;
    *plain = true;
    for (;;) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') break;
        if (c == '\\') {
            *plain = false;
            p = scan_escape(s, p);
            if (!p) return false;
        } else if (c >= 0x20) {
            p++;
        } else {
            return tn_scan_wrong(
                s, p, c ? "Invalid escape character in string." : "Missing a closing quotation mark in string.");
        }
    }
    *raw = (tn_view){first, (size_t)(p - first)};
    s->at = p + 1;
    return true;
}

static void put_utf8(tn_buf *out, uint32_t c)
{
    char bytes[4];
    int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = n - 1; i > 0; i--, c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3F));
    bytes[0] = (char)(lead[n] | c);
    tn_buf_add(out, bytes, (size_t)n);
}

/* p is behind the backslash of an escape that was scanned; where it ends. */
static const char *put_escaped(const char *p, tn_buf *out)
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    const char *name = strchr(names, *p);
    if (*p != 'u') {
        tn_buf_char(out, name ? values[name - names] : *p);
        return p + 1;
    }
    uint32_t c = (uint32_t)hex4(p + 1);
    p += 5;
    if (c >= 0xD800 && c <= 0xDBFF) {
        c = 0x10000 + ((c - 0xD800) << 10) + ((uint32_t)hex4(p + 2) - 0xDC00);
        p += 6;
    }
    put_utf8(out, c);
    return p;
}

void tn_scan_unescape(tn_view raw, tn_buf *out)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        tn_buf_add(out, p, (size_t)((escape ? escape : end) - p));
        p = escape ? put_escaped(escape + 1, out) : end;
    }
}

tn_view tn_scan_text(tn_view raw, bool plain, tn_arena *a)
{
    if (plain) return raw;
    tn_buf out = {0};
    tn_scan_unescape(raw, &out);
    char *copy = out.failed ? NULL : tn_arena_strndup(a, out.data ? out.data : "", out.n);
    tn_view text = {copy, copy ? out.n : 0};
    tn_buf_free(&out);
    return text;
}

/* ==== values ==== */

bool tn_scan_word(tn_scanner *s, const char *word)
{
    for (; *word; word++, s->at++)
        if (*s->at != *word) return tn_scan_wrong(s, s->at, INVALID);
    return true;
}

bool tn_scan_next(tn_scanner *s, char close, bool *more)
{
    tn_scan_space(s);
    *more = *s->at == ',';
    if (!*more && *s->at != close) return tn_scan_wrong(s, s->at, close == ']' ? IN_LIST : IN_OBJECT);
    s->at++;
    if (*more) tn_scan_space(s);
    return true;
}

bool tn_scan_key(tn_scanner *s, tn_view *raw, bool *plain)
{
    if (*s->at != '"') return tn_scan_wrong(s, s->at, "Missing a name for object member.");
    if (!tn_scan_string(s, raw, plain)) return false;
    tn_scan_space(s);
    if (*s->at != ':') return tn_scan_wrong(s, s->at, "Missing a colon after a name of object member.");
    s->at++;
    tn_scan_space(s);
    return true;
}

/* A value that holds no others. */
static bool scan_leaf(tn_scanner *s)
{
    tn_scanned number;
    tn_view raw;
    bool plain;
    switch (*s->at) {
    case '"': return tn_scan_string(s, &raw, &plain);
    case 'n': return tn_scan_word(s, "null");
    case 't': return tn_scan_word(s, "true");
    case 'f': return tn_scan_word(s, "false");
    default: return tn_scan_number(s, &number);
    }
}

/* Behind the opening of a list or an object: *empty, and then it is closed already; else at stands on its
 * first value. */
static bool enter(tn_scanner *s, char close, bool *empty)
{
    tn_view raw;
    bool plain;
    s->at++;
    tn_scan_space(s);
    *empty = *s->at == close;
    if (*empty) s->at++;
    return *empty || close == ']' || tn_scan_key(s, &raw, &plain);
}

bool tn_scan_value(tn_scanner *s)
{
    char closes[TN_SCAN_DEPTH];
    int depth = 0;
    bool more, plain;
    tn_view raw;
    for (;;) {
        bool done = true; /* a value ends here */
        if (*s->at == '[' || *s->at == '{') {
            if (depth == TN_SCAN_DEPTH) return tn_scan_wrong(s, s->at, "Nested too deeply.");
            closes[depth] = *s->at == '[' ? ']' : '}';
            if (!enter(s, closes[depth], &done)) return false;
            if (!done) depth++;
        } else if (!scan_leaf(s)) {
            return false;
        }
        for (more = false; done && depth && !more; depth -= !more)
            if (!tn_scan_next(s, closes[depth - 1], &more)) return false;
        if (depth == 0) return true;
        if (done && closes[depth - 1] == '}' && !tn_scan_key(s, &raw, &plain)) return false;
    }
}

bool tn_scan_base64(const char *value, tn_view *raw, bool *plain, const char **end)
{
    tn_scanner s = {.begin = value, .at = value + 1, .end = value};
    tn_view key;
    bool more;
    tn_scan_space(&s);
    if (!tn_scan_key(&s, &key, plain) || !tn_view_is(key, "b64") || *s.at != '"') return false;
    if (!tn_scan_string(&s, raw, plain) || !tn_scan_next(&s, '}', &more) || more) return false;
    *end = s.at;
    return true;
}

const char *tn_scan_start(tn_view text)
{
    return text.p + (tn_view_starts(text, "\xEF\xBB\xBF") ? 3 : 0);
}

/* A NUL in the text ends it, as the one behind it does. */
static bool scan_document(tn_scanner *s, const char **root)
{
    tn_scan_space(s);
    *root = s->at;
    if (!*s->at) return tn_scan_wrong(s, s->at, "The document is empty.");
    if (!tn_scan_value(s)) return false;
    tn_scan_space(s);
    return !*s->at ||
           tn_scan_wrong(s, s->at, "The document root must not be followed by other values.");
}

tn_code tn_scan_document(tn_scanner *s, const char **root, tn_error *err)
{
    if (scan_document(s, root)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "JSON Parse error: %s at offset: %zu", s->why,
                   (size_t)(s->at - s->begin));
}
