/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_schur.c - Schur's form of complex matrices by shifted QR steps on a Hessenberg matrix, and what is
 * computed from it: eigenvectors, square roots, logarithms.
 */
#include <complex.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "isa.h"
#include "linalg.h"

typedef double _Complex number;

TN_ISA_TABLES(tn_linalg, tn_linalg_real);
TN_ISA_TABLES(tn_linalg, tn_linalg_complex);

const tn_linalg *tn_linalg_of(bool is_complex)
{
    const int level = tn_isa_level_now();
    return is_complex ? TN_ISA_PICK(tn_linalg_complex, level) : TN_ISA_PICK(tn_linalg_real, level);
}

static bool stopped(const tn_stop *stop)
{
    return stop && stop->asked(stop->who);
}

enum { STEPS_EACH = 60 }; /* QR steps for an eigenvalue */

/* ==== Hessenberg's form ==== */

/* a -= 2 v v^H a from row c + 1 on. */
static void reflect_rows(int64_t n, number *a, int64_t c, const number *v, number *line)
{
    for (int64_t j = 0; j < n; j++) line[j] = 0;
    for (int64_t i = c + 1; i < n; i++)
        for (int64_t j = 0; j < n; j++) line[j] += tn_times(conj(v[i]), a[i * n + j]);
    for (int64_t i = c + 1; i < n; i++)
        for (int64_t j = 0; j < n; j++) a[i * n + j] -= tn_times(2 * v[i], line[j]);
}

/* a = z h z^H; reflections of columns, applied from both sides. v: 2 n. */
static void to_hessenberg(const tn_stop *stop, int64_t n, number *a, number *z, number *v)
{
    number *line = v + n;
    for (int64_t i = 0; i < n * n; i++) z[i] = i / n == i % n;
    for (int64_t c = 0; c + 2 < n && !stopped(stop); c++) {
        double norm = 0;
        for (int64_t i = c + 1; i < n; i++) norm = hypot(norm, cabs(v[i] = a[i * n + c]));
        if (!(norm > 0)) continue;
        double first = cabs(v[c + 1]);
        v[c + 1] += first > 0 ? v[c + 1] / first * norm : norm;
        double length = 0;
        for (int64_t i = c + 1; i < n; i++) length = hypot(length, cabs(v[i]));
        for (int64_t i = c + 1; i < n; i++) v[i] /= length;
        reflect_rows(n, a, c, v, line);
        for (int64_t k = 0; k < 2 * n; k++) { /* rows of a, then of z */
            number *row = k < n ? a + k * n : z + (k - n) * n, s = 0;
            for (int64_t i = c + 1; i < n; i++) s += tn_times(row[i], v[i]);
            for (int64_t i = c + 1; i < n; i++) row[i] -= tn_times(2 * s, conj(v[i]));
        }
        for (int64_t i = c + 2; i < n; i++) a[i * n + c] = 0;
    }
}

/* ==== QR steps ==== */

/* The eigenvalue of the last two rows' corner that is nearer to the last element. */
static number shift_of(int64_t n, const number *h, int64_t last, int step)
{
    number a = h[(last - 1) * n + last - 1], b = h[(last - 1) * n + last], c = h[last * n + last - 1],
           d = h[last * n + last];
    if (step % 11 == 10) return d + cabs(c);
    number half = (a - d) / 2, root = csqrt(half * half + b * c);
    number x = d + half + root, y = d + half - root;
    return cabs(x - d) < cabs(y - d) ? x : y;
}

/* Rows and columns k, k + 1 are turned so that y below x becomes 0; z's columns lie in rows. */
static void turn(int64_t n, number *h, number *z, int64_t k, int64_t last, number x, number y)
{
    double r = hypot(cabs(x), cabs(y));
    if (!(r > 0)) return;
    number c = x / r, s = y / r;
    for (int64_t j = 0; j < n; j++) {
        number p = h[k * n + j], q = h[(k + 1) * n + j];
        h[k * n + j] = tn_times(conj(c), p) + tn_times(conj(s), q);
        h[(k + 1) * n + j] = tn_times(c, q) - tn_times(s, p);
    }
    for (int64_t j = 0; j < n; j++) {
        number p = z[k * n + j], q = z[(k + 1) * n + j];
        z[k * n + j] = tn_times(c, p) + tn_times(s, q);
        z[(k + 1) * n + j] = tn_times(conj(c), q) - tn_times(conj(s), p);
    }
    for (int64_t i = 0; i < n && i <= TN_MAX(k + 2, last); i++) {
        number *row = h + i * n, p = row[k], q = row[k + 1];
        row[k] = tn_times(c, p) + tn_times(s, q);
        row[k + 1] = tn_times(conj(c), q) - tn_times(conj(s), p);
    }
}

static void transpose(int64_t n, number *a)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            number x = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = x;
        }
}

static void qr_step(int64_t n, number *h, number *z, int64_t first, int64_t last, number shift)
{
    number x = h[first * n + first] - shift, y = h[(first + 1) * n + first];
    for (int64_t k = first; k < last; k++) {
        turn(n, h, z, k, last, x, y);
        if (k > first) h[(k + 1) * n + k - 1] = 0; /* what rounding leaves there would grow from step to step */
        if (k + 2 > last) break;
        x = h[(k + 1) * n + k];
        y = h[(k + 2) * n + k];
    }
}

/* Where the block that ends in `last` begins: subdiagonals that are as good as 0 become 0. */
static int64_t block_begin(int64_t n, number *h, int64_t last)
{
    for (int64_t k = last; k > 0; k--) {
        double around = cabs(h[k * n + k]) + cabs(h[(k - 1) * n + k - 1]);
        if (cabs(h[k * n + k - 1]) > DBL_EPSILON * around && cabs(h[k * n + k - 1]) > DBL_MIN) continue;
        h[k * n + k - 1] = 0;
        return k;
    }
    return 0;
}

bool tn_schur(const tn_stop *stop, int64_t n, void *va, void *vz, void *tmp)
{
    number *h = va, *z = vz;
    int steps = 0;
    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(creal(h[i])) || !isfinite(cimag(h[i]))) return false;
    to_hessenberg(stop, n, h, z, tmp);
    transpose(n, z);
    for (int64_t last = n - 1; last > 0;) {
        int64_t first = block_begin(n, h, last);
        if (first == last) {
            last--;
            steps = 0;
            continue;
        }
        if (steps++ == STEPS_EACH || stopped(stop)) return false;
        qr_step(n, h, z, first, last, shift_of(n, h, last, steps));
    }
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = 0; j < i; j++) h[i * n + j] = 0;
    transpose(n, z);
    return true;
}

/* ==== eigenvectors ==== */

void tn_schur_vectors(const tn_stop *stop, int64_t n, const void *vt, const void *vz, void *vv, void *tmp)
{
    const number *t = vt, *z = vz;
    number *v = vv, *x = tmp;
    double norm = 0;
    for (int64_t i = 0; i < n * n; i++) norm = fmax(norm, cabs(t[i]));
    for (int64_t c = 0; c < n && !stopped(stop); c++) {
        double length = 0;
        x[c] = 1;
        for (int64_t i = c - 1; i >= 0; i--) { /* (t - t[c,c]) x = 0 */
            number s = 0, d = t[i * n + i] - t[c * n + c];
            for (int64_t j = i + 1; j <= c; j++) s += tn_times(t[i * n + j], x[j]);
            if (cabs(d) < DBL_EPSILON * norm) d = DBL_EPSILON * norm;
            x[i] = -s / d;
        }
        for (int64_t i = 0; i < n; i++) {
            number s = 0;
            for (int64_t j = 0; j <= c; j++) s += tn_times(z[i * n + j], x[j]);
            length = hypot(length, cabs(v[i * n + c] = s));
        }
        for (int64_t i = 0; i < n; i++) v[i * n + c] /= length;
    }
}

/* ==== roots and logarithms ==== */

void tn_triangular_root(const tn_stop *stop, int64_t n, void *vt, void *tmp)
{
    number *t = vt, *r = tmp;
    memset(r, 0, (size_t)(n * n) * sizeof *r);
    for (int64_t j = 0; j < n && !stopped(stop); j++) {
        r[j * n + j] = csqrt(t[j * n + j]);
        for (int64_t i = j - 1; i >= 0; i--) {
            number s = t[i * n + j], d = r[i * n + i] + r[j * n + j];
            for (int64_t k = i + 1; k < j; k++) s -= tn_times(r[i * n + k], r[k * n + j]);
            r[i * n + j] = s == 0 ? 0 : s / d;
        }
    }
    memcpy(t, r, (size_t)(n * n) * sizeof *t);
}

enum { NODES = 8 };

/* Point i of Gauss and Legendre's rule for [0, 1], by Newton's method. */
static double node(int i, double *weight)
{
    double x = cos(M_PI * (i + 0.75) / (NODES + 0.5)), slope = 1;
    for (int k = 0; k < 20; k++) {
        double p = 1, before = 0;
        for (int j = 1; j <= NODES; j++) {
            double next = ((2 * j - 1) * x * p - (j - 1) * before) / j;
            before = p;
            p = next;
        }
        slope = NODES * (x * p - before) / (x * x - 1);
        x -= p / slope;
    }
    *weight = 1 / ((1 - x * x) * slope * slope);
    return (x + 1) / 2;
}

static double distance_to_one(int64_t n, const number *t)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double row = 0;
        for (int64_t j = 0; j < n; j++) row += cabs(t[i * n + j] - (i == j));
        most = fmax(most, row);
    }
    return most;
}

/* log(1 + x) is the integral of x / (1 + s x) over s from 0 to 1; roots are taken first, until x is small. */
void tn_triangular_logarithm(const tn_stop *stop, int64_t n, void *vt, void *tmp)
{
    number *t = vt, *sum = tmp, *left = sum + n * n, *right = left + n * n;
    int roots = 0;
    for (; distance_to_one(n, t) > 0.2 && roots < 100 && !stopped(stop); roots++) tn_triangular_root(stop, n, t, sum);
    memset(sum, 0, (size_t)(n * n) * sizeof *sum);
    for (int64_t i = 0; i < n; i++) t[i * n + i] -= 1;
    for (int k = 0; k < NODES; k++) {
        double weight, s = node(k, &weight);
        for (int64_t i = 0; i < n * n; i++) {
            left[i] = (i / n == i % n) + s * t[i];
            right[i] = t[i];
        }
        tn_linalg_of(true)->triangular_solve(stop, n, left, false, false, n, right);
        for (int64_t i = 0; i < n * n; i++) sum[i] += weight * right[i];
    }
    for (int64_t i = 0; i < n * n; i++) t[i] = ldexp(1, roots) * sum[i];
}
