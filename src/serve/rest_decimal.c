/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_decimal.c - floating-point numbers as TensorFlow Serving's JSON has them: six digits where they read
 * back as the same number, else as many as always do (9, 17); laid out as printf's %g, and with ".0" when
 * that leaves a whole number.
 *
 * Digits come from one multiplication by a power of ten where what it rounds off cannot decide them, else
 * from printf.
 */
#include "rest_text.h"

#include <float.h>
#include <math.h>

enum { SHORT = 6, FLOAT_DIGITS = 9, DOUBLE_DIGITS = 17, EXACT_POWER = 22 };

static const double power10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

typedef struct decimal { /* m has `digits` digits; the first stands for 10^exponent */
    uint64_t m;
    int digits, exponent;
} decimal;

/* ==== layout ==== */

static void put_digits(char *out, uint64_t m, int n)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697989"
        "9";
    for (; n >= 2; n -= 2, m /= 100) memcpy(out + n - 2, pairs + 2 * (m % 100), 2);
    if (n) out[0] = (char)('0' + m % 10);
}

static int put_exponent(char *out, int exponent)
{
    int n = 0, e = abs(exponent);
    out[n++] = 'e';
    out[n++] = exponent < 0 ? '-' : '+';
    if (e >= 100) out[n++] = (char)('0' + e / 100);
    out[n++] = (char)('0' + e / 10 % 10);
    out[n++] = (char)('0' + e % 10);
    return n;
}

/* As %g without trailing zeros. */
static int lay_out(char *out, const decimal *d)
{
    char text[24];
    int n = d->digits, e = d->exponent, at = 0;
    put_digits(text, d->m, n);
    while (n > 1 && text[n - 1] == '0') n--;
    if (e < -4 || e >= d->digits) {
        out[at++] = text[0];
        if (n > 1) out[at++] = '.';
        memcpy(out + at, text + 1, (size_t)n - 1);
        at += n - 1;
        return at + put_exponent(out + at, e);
    }
    if (e < 0) {
        memcpy(out, "0.000", 5);
        at = 1 - e;
        memcpy(out + at, text, (size_t)n);
        return at + n;
    }
    int whole = e + 1;
    memcpy(out, text, (size_t)TN_MIN(n, whole));
    for (at = TN_MIN(n, whole); at < whole; at++) out[at] = '0';
    out[at++] = '.';
    if (n <= whole) {
        out[at++] = '0';
        return at;
    }
    memcpy(out + at, text + whole, (size_t)(n - whole));
    return at + n - whole;
}

/* ==== digits ==== */

static double times_power(double v, int k)
{
    for (; k > EXACT_POWER; k -= EXACT_POWER) v *= power10[EXACT_POWER];
    for (; k < -EXACT_POWER; k += EXACT_POWER) v /= power10[EXACT_POWER];
    return k < 0 ? v / power10[-k] : v * power10[k];
}

/* `digits` (at most 9) digits of v > 0; false: what was rounded off is too near to one half to tell.
 * *exponent is a guess that may be one too small, and is set right. */
static bool quick_digits(double v, int digits, int *exponent, decimal *d)
{
    double limit = power10[digits], scaled = times_power(v, digits - 1 - *exponent);
    if (scaled >= limit) scaled = times_power(v, digits - 1 - ++*exponent);
    uint64_t m = (uint64_t)scaled;
    double rest = scaled - (double)m - 0.5;
    if (fabs(rest) < 1e-6) return false;
    m += rest > 0;
    *d = (decimal){m, digits, *exponent};
    if ((double)m >= limit) *d = (decimal){m / 10, digits, *exponent + 1};
    return (double)d->m * 10 >= limit;
}

static void printed_digits(double v, int digits, decimal *d)
{
    char text[48];
    int n = snprintf(text, sizeof text, "%.*e", digits - 1, v);
    const char *e = memchr(text, 'e', (size_t)n);
    uint64_t m = (uint64_t)(text[0] - '0');
    for (const char *p = e - (digits - 1); p < e; p++)
        m = m * 10 + (uint64_t)(*p - '0'); /* behind the locale's point */
    *d = (decimal){m, digits, (int)strtol(e + 1, NULL, 10)};
}

static double read_back(const decimal *d)
{
    char text[48];
    double v = 0;
    int n = snprintf(text, sizeof text, "%llue%d", (unsigned long long)d->m, d->exponent - d->digits + 1);
    tn_parse_double((tn_view){text, (size_t)n}, &v);
    return v;
}

/* Of v > 0, from the bits; 1233 / 4096 is a little less than log10(2). At most one too small. */
static int guess_exponent(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    return e < 0 ? -((-e * 1234 + 4095) >> 12) : (e * 1233) >> 12;
}

static void float_decimal(float v, decimal *d)
{
    int e = guess_exponent((double)v);
    if (v >= FLT_MIN && quick_digits((double)v, SHORT, &e, d)) {
        double back = times_power((double)d->m, d->exponent - SHORT + 1);
        uint64_t bits;
        memcpy(&bits, &back, sizeof bits);
        uint64_t rest = bits & 0x1FFFFFFF; /* where back lies between two floats */
        bool clear = (rest < 0x0FFFFFF0 || rest > 0x10000010) && back <= (double)FLT_MAX;
        if (clear && (float)back == v) return;
        if (clear && quick_digits((double)v, FLOAT_DIGITS, &e, d)) return;
    }
    printed_digits((double)v, SHORT, d);
    if ((float)read_back(d) != v) printed_digits((double)v, FLOAT_DIGITS, d);
}

static void double_decimal(double v, decimal *d)
{
    int e = guess_exponent(v), scale;
    if (e > -16 && e < 20 && quick_digits(v, SHORT, &e, d)) {
        scale = d->exponent - SHORT + 1; /* both exact, so rounded once */
        if (times_power((double)d->m, scale) != v) printed_digits(v, DOUBLE_DIGITS, d);
        return;
    }
    printed_digits(v, SHORT, d);
    if (read_back(d) != v) printed_digits(v, DOUBLE_DIGITS, d);
}

static int copy_text(char *out, const char *text)
{
    size_t n = strlen(text);
    memcpy(out, text, n);
    return (int)n;
}

/* What is no ordinary number, and signs: how much was written; *done: nothing is left to do. */
static int put_special(char *out, double v, bool *done)
{
    *done = true;
    if (isnan(v)) return copy_text(out, "NaN");
    if (isinf(v)) return copy_text(out, v < 0 ? "-Infinity" : "Infinity");
    if (v == 0) return copy_text(out, signbit(v) ? "-0.0" : "0.0");
    *done = false;
    if (v < 0) *out = '-';
    return v < 0;
}

int tn_rest_float(char *out, float v)
{
    decimal d;
    bool done;
    int n = put_special(out, (double)v, &done);
    if (done) return n;
    float_decimal(fabsf(v), &d);
    return n + lay_out(out + n, &d);
}

int tn_rest_double(char *out, double v)
{
    decimal d;
    bool done;
    int n = put_special(out, v, &done);
    if (done) return n;
    double_decimal(fabs(v), &d);
    return n + lay_out(out + n, &d);
}

/* ==== rapidjson's own ==== */

/* The digits of tn_format_double's text, without zeros at either end; *point: how many stand before the
 * point (negative: so many zeros stand behind it first). */
static int shortest_digits(double v, char *digits, int *point)
{
    char text[32];
    int n = tn_format_double(text, v), count = 0, whole = -1;
    *point = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] == 'e') {
            *point = (int)strtol(text + i + 1, NULL, 10);
            break;
        }
        if (text[i] == '.')
            whole = count;
        else
            digits[count++] = text[i];
    }
    *point += whole < 0 ? count : whole;
    int zeros = 0;
    while (zeros < count - 1 && digits[zeros] == '0') zeros++;
    memmove(digits, digits + zeros, (size_t)(count - zeros));
    *point -= zeros;
    for (count -= zeros; count > 1 && digits[count - 1] == '0';) count--;
    return count;
}

int tn_rest_shortest(char *out, double v)
{
    char digits[32];
    bool done;
    int point, n = put_special(out, v, &done);
    if (done) return n;
    int count = shortest_digits(fabs(v), digits, &point);
    if (point > 21 || point <= -6) {
        out[n++] = digits[0];
        if (count > 1) out[n++] = '.';
        memcpy(out + n, digits + 1, (size_t)(count - 1));
        return n + count - 1 + snprintf(out + n + count - 1, 8, "e%d", point - 1);
    }
    if (point <= 0) n += copy_text(out + n, "0.");
    for (int i = TN_MIN(point, 0); i < TN_MAX(count, point); i++) {
        if (point > 0 && i == point) out[n++] = '.';
        out[n++] = i >= 0 && i < count ? digits[i] : '0';
    }
    if (count <= point) n += copy_text(out + n, ".0");
    return n;
}
