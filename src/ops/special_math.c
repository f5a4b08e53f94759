/* SPDX-License-Identifier: Apache-2.0
 *
 * special_math.c - special functions by their series, asymptotic expansions and continued fractions. Accurate
 * to about 1e-13 where well conditioned.
 */
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "special_math.h"

enum { MOST_TERMS = 10000 };
#define TINY 1e-300
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* B(2k) / (2k)!, k = 1..10: Euler-Maclaurin. */
static const double bernoulli[] = {
    1.0 / 12, -1.0 / 720, 1.0 / 30240, -1.0 / 1209600, 1.0 / 47900160, -691.0 / 1307674368000.0,
    1.0 / 74724249600.0, -3617.0 / 10670622842880000.0, 43867.0 / 5109094217170944000.0,
    -174611.0 / 802857662698291200000.0,
};

static double digamma(double x)
{
    /* B(2k) / 2k */
    static const double term[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                                  1.0 / 132, -691.0 / 32760, 1.0 / 12};
    double result = 0;
    if (isnan(x) || (x <= 0 && x == floor(x))) return NAN;
    if (x < 0) return digamma(1 - x) - M_PI / tan(M_PI * x);
    for (; x < 10; x++) result -= 1 / x;
    double power = 1, sum = 0;
    for (size_t i = 0; i < COUNT(term); i++) sum += term[i] * (power /= x * x);
    return result + log(x) - 0.5 / x - sum;
}

double tn_zeta(double x, double q)
{
    if (x == 1) return INFINITY;
    if (!(x > 1)) return NAN;
    if (q <= 0) {
        if (q == floor(q)) return INFINITY;
        if (x != floor(x)) return NAN; /* a power of a negative number */
    }
    double sum = 0, w = q;
    for (int i = 0; i < 12 || w < 12; i++, w++) {
        double term = pow(w, -x);
        sum += term;
        if (i > 12 && fabs(term) < DBL_EPSILON * 1e-3 * fabs(sum)) return sum;
        if (i > MOST_TERMS) return NAN;
    }
    double power = pow(w, -x), factor = x * power / w;
    sum += power * w / (x - 1) + 0.5 * power;
    for (size_t k = 0; k < COUNT(bernoulli); k++) {
        double term = bernoulli[k] * factor;
        sum += term;
        if (fabs(term) < DBL_EPSILON * 1e-3 * fabs(sum)) break;
        factor *= (x + 2.0 * (double)k + 1) * (x + 2.0 * (double)k + 2) / (w * w);
    }
    return sum;
}

double tn_polygamma(double n, double x)
{
    if (n < 0 || n != floor(n)) return NAN;
    if (n == 0) return digamma(x);
    double factorial = exp(lgamma(n + 1));
    return (fmod(n, 2) == 0 ? -factorial : factorial) * tn_zeta(n + 1, x);
}

/* ==== incomplete gamma ==== */

/* Sum of x^n / ((a+1)...(a+n)), and of its derivative by a. */
static double gamma_series(double a, double x, double *by_a)
{
    double term = 1, sum = 1, log_slope = 0, slope = 0;
    for (int n = 1; n < MOST_TERMS; n++) {
        term *= x / (a + n);
        log_slope -= 1 / (a + n);
        sum += term;
        slope += term * log_slope;
        if (term < DBL_EPSILON * 1e-2 * sum) break;
    }
    *by_a = slope;
    return sum;
}

static double gamma_prefix(double a, double x) /* x^a e^-x / Gamma(a) */
{
    return exp(a * log(x) - x - lgamma(a));
}

/* Lentz's way through the continued fraction of Q(a, x), for x > a + 1. */
static double gamma_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / TINY, d = 1 / b, h = d;
    for (int i = 1; i < MOST_TERMS; i++) {
        double an = -(double)i * ((double)i - a);
        b += 2;
        d = an * d + b;
        if (fabs(d) < TINY) d = TINY;
        c = b + an / c;
        if (fabs(c) < TINY) c = TINY;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return gamma_prefix(a, x) * h;
}

static bool gamma_domain(double a, double x)
{
    return x >= 0 && a > 0;
}

double tn_igamma(double a, double x)
{
    double by_a;
    if (!gamma_domain(a, x)) return NAN;
    if (x == 0) return 0;
    if (isinf(a)) return isinf(x) ? NAN : 0;
    if (isinf(x)) return 1;
    if (x > a + 1) return 1 - gamma_fraction(a, x);
    return gamma_prefix(a, x) / a * gamma_series(a, x, &by_a);
}

double tn_igammac(double a, double x)
{
    if (!gamma_domain(a, x)) return NAN;
    if (x == 0) return 1;
    if (isinf(a)) return isinf(x) ? NAN : 1;
    if (isinf(x)) return 0;
    return x > a + 1 ? gamma_fraction(a, x) : 1 - tn_igamma(a, x);
}

double tn_igamma_grad_a(double a, double x)
{
    double by_a;
    if (!gamma_domain(a, x)) return NAN;
    if (x == 0 || isinf(a) || isinf(x)) return 0;
    if (x > a + 30) { /* the series would cancel; the fraction is smooth, so differences serve */
        double h = 1e-5 * fmax(1, a);
        if (h > a / 2) h = a / 2;
        return -(gamma_fraction(a + h, x) - gamma_fraction(a - h, x)) / (2 * h);
    }
    double factor = exp(a * log(x) - x - lgamma(a + 1));
    double sum = gamma_series(a, x, &by_a);
    return factor * ((log(x) - digamma(a + 1)) * sum + by_a);
}

/* ==== incomplete beta ==== */

static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1), h;
    if (fabs(d) < TINY) d = TINY;
    h = d = 1 / d;
    for (int i = 1; i < MOST_TERMS; i++) {
        double m = i, up = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double down = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + up * d;
        if (fabs(d) < TINY) d = TINY;
        c = 1 + up / c;
        if (fabs(c) < TINY) c = TINY;
        d = 1 / d;
        h *= d * c;
        d = 1 + down * d;
        if (fabs(d) < TINY) d = TINY;
        c = 1 + down / c;
        if (fabs(c) < TINY) c = TINY;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < DBL_EPSILON) break;
    }
    return h;
}

double tn_betainc(double a, double b, double x)
{
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) return NAN;
    if (x == 0 || x == 1) return x;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double tn_gamma_sample_grad(double a, double x)
{
    int sign;
    if (x == 0) return 0;
    if (!(x > 0) || !(a > 0)) return NAN;
    return -tn_igamma_grad_a(a, x) / exp((a - 1) * log(x) - x - lgamma_r(a, &sign));
}
