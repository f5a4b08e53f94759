/* SPDX-License-Identifier: Apache-2.0
 *
 * random_draw.c - numbers drawn one after another: uniform and normal ones, and gamma, Poisson and binomial
 * ones by rejection (Marsaglia and Tsang, Knuth, Hörmann).
 */
#include "random_draw.h"

#include <math.h>

enum { RESERVED = 256, RESERVED_FEW = 42 }; /* groups for a result */

/* ==== groups ==== */

tn_draws tn_draws_at(const tn_philox *p, int64_t at)
{
    tn_draws d = {.p = *p};
    tn_philox_skip(&d.p, (uint64_t)at * RESERVED);
    return d;
}

static double draw_uniform(tn_draws *d)
{
    if (d->n_uniform == 0) {
        uint32_t w[4];
        tn_philox_next(&d->p, w);
        d->n_uniform = 2;
        for (int i = 0; i < 2; i++) d->uniform[i] = tn_unit_double(w[2 * i], w[2 * i + 1]);
    }
    return d->uniform[--d->n_uniform];
}

static double draw_normal(tn_draws *d)
{
    if (d->n_normal == 0) {
        uint32_t w[4];
        tn_philox_next(&d->p, w);
        tn_normal_pair_double(w, d->normal);
        d->n_normal = 2;
    }
    return d->normal[--d->n_normal];
}

/* ==== gamma ==== */

double tn_draw_gamma(tn_draws *d, double alpha)
{
    if (isnan(alpha) || alpha < 0) return NAN;
    if (alpha == 1) return -log1p(-draw_uniform(d));
    bool small = alpha < 1;
    double scale = alpha + (small ? 2.0 / 3 : -1.0 / 3), c = 1.0 / 3 / sqrt(scale);
    for (;;) {
        double x = draw_normal(d), v = 1 + c * x;
        if (v <= 0) continue;
        v = v * v * v;
        double u = draw_uniform(d);
        if (!(u < 1 - 0.0331 * (x * x) * (x * x)) && !(log(u) < 0.5 * x * x + scale * (1 - v + log(v))))
            continue;
        double result = scale * v;
        if (small) result *= pow(draw_uniform(d), 1 / alpha);
        return result;
    }
}

/* ==== Poisson ==== */

static double poisson_small(tn_draws *d, double rate, double most)
{
    double limit = exp(-rate), product = 1;
    for (double x = 0;; x++) {
        product *= draw_uniform(d);
        if (product <= limit && x <= most) return x;
    }
}

/* Of rates whose logarithms a double has no digits for, some are never accepted. */
#define MOST_TRIES 1000

static double poisson_large(tn_draws *d, double rate, double most)
{
    double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b, inverse = 1.1239 + 1.1328 / (b - 3.4);
    for (int i = 0;; i++) {
        double u = draw_uniform(d) - 0.5, v = draw_uniform(d), edge = 0.5 - fabs(u);
        double k = floor((2 * a / edge + b) * u + rate + 0.43);
        int sign;
        if (i >= MOST_TRIES) return fmax(0, fmin(k, most));
        if (k > most) continue;
        if (edge >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2)) return k;
        if (k < 0 || (edge < 0.013 && v > edge)) continue;
        double s = log(v * inverse / (a / (edge * edge) + b)),
               t = -rate + k * log(rate) - lgamma_r(k + 1, &sign);
        if (s <= t) return k;
    }
}

double tn_draw_poisson(tn_draws *d, double rate, double most)
{
    if (isnan(rate) || rate < 0) return NAN;
    if (isinf(rate)) return most;
    return rate < 10 ? poisson_small(d, rate, most) : poisson_large(d, rate, most);
}

/* ==== binomial ==== */

static double stirling_tail(double k)
{
    static const double first[] = {
        0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211,
        0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287};
    if (k <= 9) return first[(int)k];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

static double binomial_few(tn_draws *d, double count, double p)
{
    double sum = 0, rate = log1p(-p);
    for (int64_t n = 0;; n++) {
        sum += ceil(log(draw_uniform(d)) / rate);
        if (sum > count) return (double)n;
    }
}

static double binomial_many(tn_draws *d, double count, double p)
{
    double deviation = sqrt(count * p * (1 - p)), b = 1.15 + 2.53 * deviation,
           a = -0.0873 + 0.0248 * b + 0.01 * p, c = count * p + 0.5, tight = 0.92 - 4.2 / b, r = p / (1 - p),
           alpha = (2.83 + 5.1 / b) * deviation, m = floor((count + 1) * p);
    for (;;) {
        double u = draw_uniform(d), v = draw_uniform(d);
        u -= 0.5;
        double edge = 0.5 - fabs(u), k = floor((2 * a / edge + b) * u + c);
        if (edge >= 0.07 && v <= tight) return k;
        if (k < 0 || k > count) continue;
        v = log(v * alpha / (a / (edge * edge) + b));
        double bound = (m + 0.5) * log((m + 1) / (r * (count - m + 1))) +
                       (count + 1) * log((count - m + 1) / (count - k + 1)) +
                       (k + 0.5) * log(r * (count - k + 1) / (k + 1)) + stirling_tail(m) +
                       stirling_tail(count - m) - stirling_tail(k) - stirling_tail(count - k);
        if (v <= bound) return k;
    }
}

double tn_draw_binomial(const tn_philox *p, int64_t at, double count, double chance)
{
    if (isnan(count) || isnan(chance)) return NAN;
    if (count <= 0 || chance <= 0) return 0;
    if (chance >= 1) return count;
    bool mirrored = chance > 0.5;
    double q = mirrored ? 1 - chance : chance;
    bool many = count * q >= 10;
    tn_draws d = {.p = *p};
    tn_philox_skip(&d.p, (uint64_t)at * (many ? RESERVED : RESERVED_FEW));
    double n = many ? binomial_many(&d, count, q) : binomial_few(&d, count, q);
    return mirrored ? count - n : n;
}

/* ==== words ==== */

tn_words tn_words_of(const tn_philox *p)
{
    return (tn_words){.p = *p, .used = 4};
}

uint32_t tn_word(tn_words *w)
{
    if (w->used == 4) {
        tn_philox_next(&w->p, w->group);
        w->used = 0;
    }
    return w->group[w->used++];
}

double tn_word_double(tn_words *w)
{
    uint32_t high = tn_word(w), low = tn_word(w);
    return tn_unit_double(high, low);
}

static uint64_t two_words(tn_words *w)
{
    uint64_t low = tn_word(w);
    return low | (uint64_t)tn_word(w) << 32;
}

/* What would make small numbers likelier is thrown away. */
uint64_t tn_word_below(tn_words *w, uint64_t n)
{
    if ((n & (n - 1)) == 0) return two_words(w) & (n - 1);
    uint64_t unfair = UINT64_MAX % n + 1, x;
    do x = two_words(w);
    while (x < unfair);
    return x % n;
}

uint32_t tn_word_below32(tn_words *w, uint32_t n)
{
    if ((n & (n - 1)) == 0) return tn_word(w) & (n - 1);
    uint32_t unfair = UINT32_MAX % n + 1, x;
    do x = tn_word(w);
    while (x < unfair);
    return x % n;
}
