/* SPDX-License-Identifier: Apache-2.0
 *
 * number.c - decimal text of doubles and floats, shortest that reads back, and the way back; the same in
 * every locale.
 *
 * Writing tries exact integer arithmetic first: the significand m of d digits is right when m divided by
 * a power of ten (both exact) gives the value again. Only what is left goes through printf's digits.
 */
#include "base.h"

#include <float.h>
#include <math.h>

#define EXACT_POWER 22 /* 10^22 is the largest power of ten a double holds exactly */
#define LONGEST_DIGITS                                                                  \
    800 /* more than 767 significant digits never change a double, save as a sticky one \
         */

static const double power10[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* ==== writing ==== */

/* A decimal: 0.d1d2d3... * 10^point, digits without trailing zeros. */
typedef struct decimal {
    char digits[24];
    int n, point;
} decimal;

static int put_int(char *out, uint64_t v)
{
    char reversed[24];
    int n = 0;
    do reversed[n++] = (char)('0' + v % 10);
    while (v /= 10);
    for (int i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    return n;
}

static void strip_zeros(decimal *d)
{
    while (d->n > 1 && d->digits[d->n - 1] == '0') d->n--;
}

/* m / 10^scale, where m came from rounding. */
static double back(uint64_t m, int scale)
{
    return scale >= 0 ? (double)m / power10[scale] : (double)m * power10[-scale];
}

/* The decimal of `digits` digits next to v > 0, when plain arithmetic finds it exactly; scale10 is v's
 * decimal exponent, at most one off. */
static bool exact_decimal(double v, int digits, int exponent10, decimal *d, uint64_t *m, int *scale)
{
    *scale = digits - 1 - exponent10;
    if (*scale > EXACT_POWER || *scale < -EXACT_POWER) return false;
    double scaled = *scale >= 0 ? v * power10[*scale] : v / power10[-*scale];
    if (!(scaled < 9007199254740992.0)) return false;
    *m = (uint64_t)rint(scaled);
    if (*m == 0) return false;
    d->n = put_int(d->digits, *m);
    d->point = d->n - *scale;
    strip_zeros(d);
    return true;
}

/* What printf rounds to a number of digits; its decimal point, which the locale chooses, is stepped over. */
static void printed_decimal(double v, int digits, decimal *d)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%.*e", digits - 1, v);
    char *e = memchr(text, 'e', (size_t)n);
    d->digits[0] = text[0];
    memcpy(d->digits + 1, e - (digits - 1), (size_t)(digits - 1));
    d->n = digits;
    d->point = (int)strtol(e + 1, NULL, 10) + 1;
    strip_zeros(d);
}

static double value_of(const decimal *d)
{
    char text[48];
    double v = 0;
    int n = snprintf(text, sizeof text, "%.*se%d", d->n, d->digits, d->point - d->n);
    tn_parse_double((tn_view){text, (size_t)n}, &v);
    return v;
}

static void double_decimal(double v, decimal *d)
{
    uint64_t m;
    int scale;
    if (exact_decimal(v, 15, (int)floor(log10(v)), d, &m, &scale) && back(m, scale) == v) return;
    for (int digits = v < DBL_MIN ? 1 : 15; digits <= 17; digits++) { /* subnormals: fewer may do */
        printed_decimal(v, digits, d);
        if (value_of(d) == v) return;
    }
}

/* Whether a double lies exactly between two floats: there, rounding twice may differ from once. */
static bool between_floats(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return (bits & 0x1FFFFFFF) == 0x10000000;
}

static void float_decimal(float v, decimal *d)
{
    uint64_t m;
    int scale, exponent10 = (int)floor(log10((double)v));
    bool normal = v >= FLT_MIN;
    for (int digits = normal ? 6 : 1; digits <= 9; digits++) {
        if (normal && digits < 9 && exact_decimal((double)v, digits, exponent10, d, &m, &scale)) {
            double read = back(m, scale);
            if (!between_floats(read)) {
                if ((float)read == v) return;
                continue;
            }
        }
        printed_decimal((double)v, digits, d);
        if ((float)value_of(d) == v) return;
    }
}

/* As Python lays a number out: fixed from 1e-4 to 1e16, else with an exponent of at least two digits. */
static int lay_out(char *out, const decimal *d)
{
    int at = 0, exponent = d->point - 1;
    if (exponent >= -4 && exponent < 16) {
        if (d->point <= 0) at += snprintf(out, 8, "0.%.*s", -d->point, "0000");
        for (int i = 0; i < TN_MAX(d->n, d->point); i++) {
            if (i > 0 && i == d->point) out[at++] = '.';
            out[at++] = i < d->n ? d->digits[i] : '0';
        }
        out[at] = 0;
        return at;
    }
    out[at++] = d->digits[0];
    if (d->n > 1) {
        out[at++] = '.';
        memcpy(out + at, d->digits + 1, (size_t)d->n - 1);
        at += d->n - 1;
    }
    return at + snprintf(out + at, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static int copy_text(char *buf, const char *text)
{
    size_t n = strlen(text);
    memcpy(buf, text, n + 1);
    return (int)n;
}

static int format(char *buf, double v, bool single)
{
    decimal d;
    if (isnan(v)) return copy_text(buf, "NaN");
    if (isinf(v)) return copy_text(buf, v < 0 ? "-Infinity" : "Infinity");
    int at = 0;
    if (signbit(v)) buf[at++] = '-';
    v = fabs(v);
    if (v == rint(v) && v < 1e15 && (!single || v < 16777216)) {
        at += put_int(buf + at, (uint64_t)v);
        buf[at] = 0;
        return at;
    }
    if (single)
        float_decimal((float)v, &d);
    else
        double_decimal(v, &d);
    return at + lay_out(buf + at, &d);
}

int tn_format_double(char *buf, double v)
{
    return format(buf, v, false);
}

int tn_format_float(char *buf, float v)
{
    return format(buf, (double)v, true);
}

/* ==== reading ==== */

/* What a scan over a decimal finds. */
typedef struct scanned {
    bool negative, cut; /* cut: m lacks digits that are not zero */
    uint64_t m;         /* the first 19 significant digits */
    int64_t exponent;   /* of m */
} scanned;

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *scan_exponent(const char *p, const char *end, int64_t *exponent)
{
    bool negative = false;
    int64_t e = 0;
    if (p < end && (*p == '+' || *p == '-')) negative = *p++ == '-';
    if (p == end || !digit(*p)) return NULL;
    for (; p < end && digit(*p); p++)
        if (e < 1000000) e = e * 10 + (*p - '0');
    *exponent += negative ? -e : e;
    return p;
}

/* The digits around an optional point. Returns where they end, NULL when there is none. */
static const char *scan_digits(const char *p, const char *end, scanned *s)
{
    bool point = false, any = false;
    int kept = 0;
    for (; p < end && (digit(*p) || (*p == '.' && !point)); p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        any = true;
        if (point) s->exponent--;
        if (kept < 19) {
            s->m = s->m * 10 + (uint64_t)(*p - '0');
            if (s->m) kept++;
        } else {
            s->exponent++;
            if (*p != '0') s->cut = true;
        }
    }
    return any ? p : NULL;
}

static bool scan(tn_view text, scanned *s)
{
    const char *p = text.p, *end = text.p + text.n;
    *s = (scanned){0};
    if (p < end && (*p == '+' || *p == '-')) s->negative = *p++ == '-';
    p = scan_digits(p, end, s);
    if (p && p < end && (*p == 'e' || *p == 'E')) p = scan_exponent(p + 1, end, &s->exponent);
    return p == end && p;
}

/* The general case: the C library rounds, given the digits as an integer with an exponent, so that no
 * locale's decimal point matters. Digits beyond LONGEST_DIGITS count as one more that is not zero. */
static double read_slowly(tn_view text, int64_t exponent)
{
    char buf[LONGEST_DIGITS + 40];
    int n = 0, dropped = 0;
    bool started = false, sticky = false;
    int64_t significant = 0;
    for (size_t i = 0; i < text.n && text.p[i] != 'e' && text.p[i] != 'E'; i++) {
        if (!digit(text.p[i]) || (!started && text.p[i] == '0')) continue;
        started = true;
        significant++;
        if (n < LONGEST_DIGITS)
            buf[n++] = text.p[i];
        else {
            dropped = 1;
            sticky |= text.p[i] != '0';
        }
    }
    /* exponent belongs to the first 19 digits. */
    exponent -= TN_MIN(significant, LONGEST_DIGITS) - TN_MIN(significant, 19) + dropped;
    if (dropped) buf[n++] = sticky ? '1' : '0';
    exponent = TN_MAX(TN_MIN(exponent, 100000), -100000);
    snprintf(buf + n, 40, "e%d", (int)exponent);
    return strtod(buf, NULL);
}

static bool read_special(tn_view text, double *out)
{
    static const struct {
        const char *name;
        double value;
    } names[] = {{"inf", INFINITY}, {"infinity", INFINITY}, {"nan", NAN}};
    bool negative = text.n && text.p[0] == '-';
    if (text.n && (text.p[0] == '-' || text.p[0] == '+')) text = (tn_view){text.p + 1, text.n - 1};
    for (size_t i = 0; i < TN_COUNT(names); i++)
        if (strlen(names[i].name) == text.n && strncasecmp(names[i].name, text.p, text.n) == 0) {
            *out = negative ? -names[i].value : names[i].value;
            return true;
        }
    return false;
}

bool tn_parse_double(tn_view text, double *out)
{
    scanned s;
    double v;
    if (!scan(text, &s)) return read_special(text, out);
    bool exact =
        !s.cut && s.m < (UINT64_C(1) << 53) && s.exponent <= EXACT_POWER && s.exponent >= -EXACT_POWER;
    if (s.m == 0)
        v = 0;
    else if (exact)
        v = s.exponent < 0 ? (double)s.m / power10[-s.exponent] : (double)s.m * power10[s.exponent];
    else
        v = read_slowly(text, s.exponent);
    *out = s.negative ? -v : v;
    return true;
}

bool tn_parse_int(tn_view text, int64_t *out)
{
    size_t i = text.n && (text.p[0] == '-' || text.p[0] == '+');
    bool negative = i && text.p[0] == '-';
    int64_t v = 0;
    if (i == text.n) return false;
    for (; i < text.n; i++) {
        if (!digit(text.p[i]) || __builtin_mul_overflow(v, 10, &v)) return false;
        int next = negative ? -(text.p[i] - '0') : text.p[i] - '0';
        if (__builtin_add_overflow(v, next, &v)) return false;
    }
    *out = v;
    return true;
}
