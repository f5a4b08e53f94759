/* SPDX-License-Identifier: Apache-2.0
 *
 * special_bessel.c - Bessel functions, Dawson's, Fresnel's and exponential integrals, the dilogarithm: series
 * near 0, asymptotic expansions and continued fractions far from it.
 */
#include "special_bessel.h"

#include <complex.h>
#include <math.h>

/* ==== Bessel ==== */

/* All terms have one sign, so nothing is lost. */
static double i_series(int order, double x)
{
    double term = order ? x / 2 : 1, sum = term, square = x * x / 4;
    for (int k = 1; k < 500 && fabs(term) > fabs(sum) * 1e-17; k++) {
        term *= square / (k * (double)(k + order));
        sum += term;
    }
    return sum;
}

/* e^-x I(x) for large x. */
static double i_far(int order, double x)
{
    double mu = 4.0 * order * order, term = 1, sum = 1;
    for (int k = 1; k < 100; k++) {
        double next = -term * (mu - (2 * k - 1) * (double)(2 * k - 1)) / (8 * k * x);
        if (fabs(next) > fabs(term) || fabs(next) < 1e-17) break;
        sum += term = next;
    }
    return sum / sqrt(2 * M_PI * x);
}

double tn_bessel_i(int order, double x, bool scaled)
{
    double size = fabs(x);
    if (isnan(x)) return x;
    double y = size < 30 ? i_series(order, size) * (scaled ? exp(-size) : 1)
               : scaled  ? i_far(order, size)
                         : i_far(order, size) * exp(size / 2) * exp(size / 2);
    if (isinf(x)) y = scaled ? 0 : INFINITY;
    return order && x < 0 ? -y : y;
}

/* The integral of e^(-x (cosh t - 1)) cosh(order t) by the trapezoidal rule, which is exact to the last
 * digits here. */
double tn_bessel_k(int order, double x, bool scaled)
{
    const double step = 0.0625;
    if (isnan(x) || x < 0) return NAN;
    if (x == 0) return INFINITY;
    if (isinf(x)) return 0;
    double sum = 0.5;
    for (int k = 1; k < 20000; k++) {
        double t = k * step, half = sinh(t / 2), fall = 2 * x * half * half;
        if (fall > 745) break;
        sum += exp(-fall) * (order ? cosh(t) : 1);
    }
    return sum * step * (scaled ? 1 : exp(-x));
}

/* ==== integrals ==== */

static double dawson_near(double x)
{
    double term = x, sum = x;
    for (int k = 1; k < 60 && fabs(term) > fabs(sum) * 1e-18; k++) sum += term *= -2 * x * x / (2 * k + 1);
    return sum;
}

static double dawson_far(double x)
{
    double term = 1 / (2 * x), sum = term;
    for (int k = 1; k < 30 && fabs(term) > fabs(sum) * 1e-18; k++) sum += term *= (2 * k - 1) / (2 * x * x);
    return sum;
}

/* Rybicki's sum over odd multiples of a step. */
double tn_dawson(double x)
{
    const double step = 0.2;
    if (isnan(x)) return x;
    if (fabs(x) < 0.3) return dawson_near(x);
    if (fabs(x) > 30) return dawson_far(x);
    double sum = 0;
    for (long n = 2 * lround((x - 7) / (2 * step)) + 1; (double)n * step < x + 7; n += 2) {
        double d = x - (double)n * step;
        sum += exp(-d * d) / (double)n;
    }
    return sum / sqrt(M_PI);
}

static double e1_far(double x)
{ /* e^x E1(x) by Lentz's continued fraction, x >= 1 */
    double b = x + 1, c = 1e300, d = 1 / b, h = d;
    for (int k = 1; k < 1000; k++) {
        double a = -(double)k * k;
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        h *= c * d;
        if (fabs(c * d - 1) < 1e-17) break;
    }
    return h;
}

double tn_expint(double x)
{
    const double euler = 0.57721566490153286;
    if (isnan(x)) return x;
    if (x == 0) return -INFINITY;
    if (x < -1) return -e1_far(-x) * exp(x);
    double term = 1, sum = 0;
    if (x < 40) {
        for (int k = 1; k < 500; k++) {
            term *= x / k;
            sum += term / k;
            if (fabs(term / k) < fabs(sum) * 1e-18) break;
        }
        return euler + log(fabs(x)) + sum;
    }
    for (int k = 0; k < 200; k++) {
        sum += term;
        double next = term * (k + 1) / x;
        if (next > term || next < sum * 1e-18) break;
        term = next;
    }
    return exp(x) / x * sum;
}

/* C(x) + i S(x) for x >= 0. */
static double _Complex fresnel(double x)
{
    double angle = M_PI / 2 * x * x;
    if (x < 1.6) {
        double _Complex term = x, sum = x;
        for (int k = 1; k < 100 && cabs(term) > 1e-18; k++) {
            term *= I * angle / k;
            sum += term / (2 * k + 1);
        }
        return sum;
    }
    if (x > 36974) return 0.5 + 0.5 * I; /* the rest is smaller than what can be told */
    /* (1 + i) / 2 (1 - e^(i angle) times a continued fraction of erfc) */
    double _Complex b = 1 - I * M_PI * x * x, c = 1e300, d = 1 / b, h = d;
    for (int k = 1, n = -1; k < 1000; k++) {
        n += 2;
        double a = -(double)n * (n + 1);
        b += 4;
        d = 1 / (a * d + b);
        c = b + a / c;
        h *= c * d;
        if (fabs(creal(c * d) - 1) + fabs(cimag(c * d)) < 1e-16) break;
    }
    return (0.5 + 0.5 * I) * (1 - cexp(I * angle) * h * (x - I * x));
}

double tn_fresnel_cos(double x)
{
    return isnan(x) ? x : copysign(creal(fresnel(fabs(x))), x);
}

double tn_fresnel_sin(double x)
{
    return isnan(x) ? x : copysign(cimag(fresnel(fabs(x))), x);
}

/* ==== dilogarithm ==== */

static double dilogarithm_near(double y)
{
    double power = 1, sum = 0;
    for (int k = 1; k < 200; k++) {
        power *= y;
        double term = power / ((double)k * k);
        sum += term;
        if (fabs(term) < fabs(sum) * 1e-18) break;
    }
    return sum;
}

double tn_spence(double x)
{
    if (isnan(x) || x < 0) return NAN;
    if (x == 0) return M_PI * M_PI / 6;
    if (x == 1) return 0;
    if (x > 1) return -0.5 * log(x) * log(x) - tn_spence(1 / x);
    if (x < 0.5) return M_PI * M_PI / 6 - log(x) * log1p(-x) - tn_spence(1 - x);
    return dilogarithm_near(1 - x);
}
