/* SPDX-License-Identifier: Apache-2.0
 *
 * special.c - digamma, the normal quantile, the inverse error function: double precision, by series and by
 * Newton's method on the C library's own functions.
 */
#include "special.h"

#include <math.h>

double tn_lgamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* Recurrence up to x >= 10, then the asymptotic series; reflection for negative x. */
double tn_digamma(double x)
{
    double result = 0;
    if (isnan(x) || x == -INFINITY) return NAN;
    if (x <= 0) {
        if (x == floor(x)) return NAN;
        result = -M_PI / tan(M_PI * x);
        x = 1 - x;
    }
    for (; x < 10; x++) result -= 1 / x;
    double z = 1 / (x * x);
    double series =
        z * (1.0 / 12 -
             z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760))))));
    return result + log(x) - 0.5 / x - series;
}

/* Newton's steps (with Halley's correction) on the complementary error function, from a rough start. */
static double quantile_upper(double p)
{ /* x with P(X > x) = p, p <= 1/2 */
    double t = sqrt(-2 * log(p));
    double x = t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t));
    for (int i = 0; i < 4; i++) {
        double e = 0.5 * erfc(x * M_SQRT1_2) - p, density = exp(-0.5 * x * x) * 0.3989422804014327;
        if (!(density > 0)) break;
        double step = e / density;
        x += step / (1 + 0.5 * x * step);
    }
    return x;
}

double tn_ndtri(double p)
{
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0) return -INFINITY;
    if (p == 1) return INFINITY;
    if (p == 0.5) return 0;
    return p < 0.5 ? -quantile_upper(p) : quantile_upper(1 - p);
}

/* Giles' polynomials (Approximating the erfinv function, 2010): good to a float's last digits. */
float tn_erfinv_float(float x)
{
    static const float near[] = {2.81022636e-08f, 3.43273939e-07f, -3.5233877e-06f, -4.39150654e-06f, 0.00021858087f,
                                 -0.00125372503f, -0.00417768164f, 0.246640727f,    1.50140941f};
    static const float far[] = {-0.000200214257f, 0.000100950558f, 0.00134934322f, -0.00367342844f, 0.00573950773f,
                                -0.0076224613f,   0.00943887047f,  1.00167406f,    2.83297682f};
    const float w = -logf((1 - x) * (1 + x)), at = w < 5 ? w - 2.5f : sqrtf(w) - 3;
    const float *c = w < 5 ? near : far;
    if (fabsf(x) == 1) return x * INFINITY;
    float p = c[0];
    for (int i = 1; i < 9; i++) p = c[i] + p * at;
    return p * x;
}

double tn_erfinv(double x)
{
    if (!(x >= -1 && x <= 1)) return NAN;
    if (fabs(x) == 1) return x * INFINITY;
    if (x == 0) return x;
    double y = quantile_upper(0.5 * (1 - fabs(x))) * M_SQRT1_2;
    for (int i = 0; i < 2; i++) y -= (erf(y) - fabs(x)) / (2 / sqrt(M_PI) * exp(-y * y));
    return copysign(y, x);
}

double tn_floor_mod(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

float tn_floor_mod_float(float x, float y)
{
    float r = fmodf(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
