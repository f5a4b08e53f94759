/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_body.h - the code of linalg.h for one type of element. Whoever includes it defines T (the type), CONJ, ABS,
 * REAL, MUL and SQUARE (of the absolute value) of elements, dot (a sum of products with the second's conjugates), TABLE
 * (the table's name) and IS_COMPLEX.
 *
 * All that takes long goes along rows. Eigenvalues are found by way of a tridiagonal matrix, singular values by
 * Jacobi's rotations, which are accurate to the last digits.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "linalg.h"

enum {
    SWEEPS = 60,     /* of rotations; steps for an eigenvalue */
    PANEL = 32,      /* columns of LU at once */
    STRIP = 256,     /* columns that rows are added up in */
    LOOKS_FROM = 64, /* rows; with fewer it is over before anybody could stop it */
};

static bool stopped(const tn_stop *stop, int64_t n)
{
    return n >= LOOKS_FROM && stop && stop->asked(stop->who);
}

static void clear(T *a, int64_t n)
{
    for (int64_t i = 0; i < n; i++) a[i] = 0;
}

static void set_identity(T *a, int64_t rows, int64_t columns)
{
    clear(a, rows * columns);
    for (int64_t i = 0; i < rows && i < columns; i++) a[i * columns + i] = 1;
}

static inline T element(const T *a, int64_t columns, bool adjoint, int64_t i, int64_t j)
{
    return adjoint ? CONJ(a[j * columns + i]) : a[i * columns + j];
}

static void transpose(int64_t n, T *a)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            T x = a[i * n + j];
            a[i * n + j] = a[j * n + i];
            a[j * n + i] = x;
        }
}

/* c += x b */
static void add_row(int64_t n, T x, const T *restrict b, T *restrict c)
{
    for (int64_t i = 0; i < n; i++) c[i] += MUL(x, b[i]);
}

/* Factors of rows: every `step`-th element from x on, or its conjugate, times sign. */
typedef struct factors {
    const T *x;
    int64_t step;
    bool conjugate;
    double sign;
} factors;

static inline T factor(const factors *f, int64_t l)
{
    T x = f->x[l * f->step];
    return f->sign * (f->conjugate ? CONJ(x) : x);
}

static void add_rows_of_strip(int64_t n, int64_t count, const factors *f, const T *b, int64_t stride, T *restrict c)
{
    int64_t l = 0;
    for (; l + 4 <= count; l += 4) {
        const T x0 = factor(f, l), x1 = factor(f, l + 1), x2 = factor(f, l + 2), x3 = factor(f, l + 3);
        const T *restrict b0 = b + l * stride, *restrict b1 = b0 + stride, *restrict b2 = b1 + stride,
                          *restrict b3 = b2 + stride;
        for (int64_t i = 0; i < n; i++) c[i] += MUL(x0, b0[i]) + MUL(x1, b1[i]) + MUL(x2, b2[i]) + MUL(x3, b3[i]);
    }
    for (; l < count; l++) add_row(n, factor(f, l), b + l * stride, c);
}

/* c[n] += the sum of f[l] b[l,n]; the rows of b are `stride` elements from each other. */
static void add_rows(int64_t n, int64_t count, factors f, const T *b, int64_t stride, T *c)
{
    for (int64_t i = 0; i < n; i += STRIP)
        add_rows_of_strip(n - i < STRIP ? n - i : STRIP, count, &f, b + i, stride, c + i);
}

static void multiply(const tn_stop *stop, int64_t m, int64_t n, int64_t k, bool adj_a, const void *va, bool adj_b,
                     const void *vb, void *vc)
{
    const T *a = va, *b = vb;
    T *c = vc;
    clear(c, m * n);
    for (int64_t i = 0; i < m; i++) {
        if (stopped(stop, m)) return;
        const factors f = {adj_a ? a + i : a + i * k, adj_a ? m : 1, adj_a, 1};
        if (!adj_b) add_rows(n, k, f, b, n, c + i * n);
        for (int64_t j = 0; j < n && adj_b && !adj_a; j++) c[i * n + j] = dot(k, a + i * k, b + j * k);
        for (int64_t l = 0; l < k && adj_b && adj_a; l++)
            for (int64_t j = 0; j < n; j++) c[i * n + j] += MUL(factor(&f, l), CONJ(b[j * k + l]));
    }
}

/* ==== triangles ==== */

static bool cholesky(const tn_stop *stop, int64_t n, void *va)
{
    T *a = va;
    for (int64_t i = 0; i < n; i++) {
        if (stopped(stop, n)) return false;
        for (int64_t j = 0; j < i; j++) {
            T s = a[i * n + j] - dot(j, a + i * n, a + j * n);
            a[i * n + j] = s / REAL(a[j * n + j]);
            a[j * n + i] = 0;
        }
        double d = REAL(a[i * n + i]) - REAL(dot(i, a + i * n, a + i * n));
        if (!(d > 0)) return false;
        a[i * n + i] = sqrt(d);
    }
    return true;
}

static void solve_triangle(const tn_stop *stop, int64_t n, const T *a, bool lower, bool adjoint, bool unit, int64_t k,
                           T *b)
{
    const bool forward = lower != adjoint;
    for (int64_t step = 0; step < n; step++) {
        const int64_t i = forward ? step : n - 1 - step, first = forward ? 0 : i + 1;
        if (stopped(stop, n)) return;
        const factors f = {adjoint ? a + first * n + i : a + i * n + first, adjoint ? n : 1, adjoint, -1};
        add_rows(k, step, f, b + first * k, k, b + i * k);
        T d = element(a, n, adjoint, i, i);
        for (int64_t c = 0; c < k && !unit; c++) b[i * k + c] /= d;
    }
}

static void triangular_solve(const tn_stop *stop, int64_t n, const void *a, bool lower, bool adjoint, int64_t k,
                             void *b)
{
    solve_triangle(stop, n, a, lower, adjoint, false, k, b);
}

/* ==== LU ==== */

static void swap_rows(T *a, int64_t n, int64_t i, int64_t j)
{
    for (int64_t c = 0; c < n; c++) {
        T x = a[i * n + c];
        a[i * n + c] = a[j * n + c];
        a[j * n + c] = x;
    }
}

static int choose_pivot(int64_t n, T *a, int64_t k, int64_t *perm)
{
    int64_t best = k;
    for (int64_t i = k + 1; i < n; i++)
        if (ABS(a[i * n + k]) > ABS(a[best * n + k])) best = i;
    if (best == k) return 1;
    int64_t p = perm[k];
    perm[k] = perm[best];
    perm[best] = p;
    swap_rows(a, n, k, best);
    return -1;
}

/* Columns [from, to), of all rows below; the others are only exchanged. */
static int lu_panel(int64_t n, T *a, int64_t from, int64_t to, int64_t *perm)
{
    int sign = 1;
    for (int64_t k = from; k < to; k++) {
        sign *= choose_pivot(n, a, k, perm);
        if (a[k * n + k] == 0) continue;
        for (int64_t i = k + 1; i < n; i++) {
            T f = a[i * n + k] /= a[k * n + k];
            add_row(to - k - 1, -f, a + k * n + k + 1, a + i * n + k + 1);
        }
    }
    return sign;
}

static int lu(const tn_stop *stop, int64_t n, void *va, int64_t *perm)
{
    T *a = va;
    int sign = 1;
    for (int64_t i = 0; i < n; i++) perm[i] = i;
    for (int64_t from = 0; from < n; from += PANEL) {
        const int64_t to = n - from < PANEL ? n : from + PANEL;
        if (stopped(stop, n)) return sign;
        sign *= lu_panel(n, a, from, to, perm);
        for (int64_t i = from + 1; i < n; i++) {
            const factors f = {a + i * n + from, 1, false, -1};
            add_rows(n - to, (i < to ? i : to) - from, f, a + from * n + to, n, a + i * n + to);
        }
    }
    return sign;
}

static bool lu_is_singular(int64_t n, const void *va)
{
    const T *a = va;
    for (int64_t i = 0; i < n; i++)
        if (a[i * n + i] == 0) return true;
    return false;
}

/* P a = L U, so a x = b by L U x = P b, and a^H x = b by U^H L^H (P x) = b. */
static void lu_solve(const tn_stop *stop, int64_t n, const void *a, const int64_t *perm, bool adjoint, int64_t k,
                     void *vb, void *tmp)
{
    T *b = vb, *x = tmp;
    for (int64_t c = 0; c < k && !adjoint; c++) {
        for (int64_t i = 0; i < n; i++) x[i] = b[perm[i] * k + c];
        for (int64_t i = 0; i < n; i++) b[i * k + c] = x[i];
    }
    solve_triangle(stop, n, a, !adjoint, adjoint, !adjoint, k, b);
    solve_triangle(stop, n, a, adjoint, adjoint, adjoint, k, b);
    for (int64_t c = 0; c < k && adjoint; c++) {
        for (int64_t i = 0; i < n; i++) x[perm[i]] = b[i * k + c];
        for (int64_t i = 0; i < n; i++) b[i * k + c] = x[i];
    }
}

/* ==== QR ==== by Householder's reflections; the diagonal of R has the sign that cancels nothing */

/* What makes column c of a zero below row `row`; v: the reflection's vector, its first element 1. Its factor. */
static T reflect_column(int64_t m, int64_t n, const T *a, int64_t row, int64_t c, T *v)
{
    double tail = 0;
    T first = a[row * n + c];
    for (int64_t i = row + 1; i < m; i++) tail += SQUARE(a[i * n + c]);
    double imaginary = ABS(first - REAL(first));
    v[row] = 1;
    if (tail <= DBL_MIN && imaginary * imaginary <= DBL_MIN) {
        for (int64_t i = row + 1; i < m; i++) v[i] = 0;
        return 0;
    }
    double beta = sqrt(SQUARE(first) + tail);
    if (REAL(first) >= 0) beta = -beta;
    for (int64_t i = row + 1; i < m; i++) v[i] = a[i * n + c] / (first - beta);
    return CONJ((beta - first) / beta);
}

/* b -= tau v v^H b for rows from `row` on, and columns from `column` on; s: n. */
static void reflect(int64_t m, int64_t n, T *b, int64_t row, int64_t column, const T *v, T tau, T *s)
{
    const factors f = {v + row, 1, true, 1};
    clear(s, n - column);
    add_rows(n - column, m - row, f, b + row * n + column, n, s);
    for (int64_t i = row; i < m; i++) add_row(n - column, -MUL(tau, v[i]), s, b + i * n + column);
}

/* q[m,columns]: the product of the reflections that are kept below a's diagonal, or below the row after it; what is
 * kept becomes 0. */
static void unfold(const tn_stop *stop, int64_t m, int64_t n, T *a, int64_t steps, int64_t below, const T *tau,
                   int64_t columns, T *q, T *v, T *s)
{
    set_identity(q, m, columns);
    for (int64_t c = steps - 1; c >= 0; c--) {
        if (stopped(stop, m)) return;
        v[c + below] = 1;
        for (int64_t i = c + below + 1; i < m; i++) {
            v[i] = a[i * n + c];
            a[i * n + c] = 0;
        }
        reflect(m, columns, q, c + below, c + below, v, CONJ(tau[c]), s);
    }
}

static void qr(const tn_stop *stop, int64_t m, int64_t n, void *va, int64_t columns, void *q, void *tmp)
{
    T *a = va, *v = tmp, *tau = v + m;
    const int64_t steps = m < n ? m : n;
    T *s = tau + steps;
    for (int64_t c = 0; c < steps; c++) {
        if (stopped(stop, m)) return;
        tau[c] = reflect_column(m, n, a, c, c, v);
        reflect(m, n, a, c, c, v, tau[c], s);
        for (int64_t i = c + 1; i < m; i++) a[i * n + c] = v[i]; /* kept there for q */
    }
    unfold(stop, m, n, a, steps, 0, tau, columns, q, v, s);
}

/* ==== eigenvalues of Hermitian matrices ==== */

/* h a h^H for the reflection h = 1 - tau v v^H, from row `from` on; w: 2 n. */
static void reflect_both(int64_t n, T *a, int64_t from, const T *v, T tau, T *w)
{
    T s = 0, *conjugate = w + n;
    for (int64_t i = from; i < n; i++) conjugate[i] = CONJ(v[i]);
    for (int64_t i = from; i < n; i++) {
        w[i] = dot(n - from, a + i * n + from, conjugate + from);
        s += MUL(conjugate[i], w[i]);
    }
    for (int64_t i = from; i < n; i++) w[i] = MUL(CONJ(tau), w[i]) - SQUARE(tau) / 2 * MUL(s, v[i]);
    for (int64_t i = from; i < n; i++) {
        T x = v[i], y = w[i], *row = a + i * n;
        for (int64_t j = from; j < n; j++) row[j] -= MUL(x, CONJ(w[j])) + MUL(y, conjugate[j]);
    }
}

/* a = q t q^H, t with the diagonal d and e beside it; tmp: 4 n. */
static void tridiagonal(const tn_stop *stop, int64_t n, T *a, double *d, double *e, T *q, T *tmp)
{
    T *v = tmp, *tau = v + n, *w = tau + n;
    for (int64_t c = 0; c + 1 < n; c++) {
        if (stopped(stop, n)) return;
        tau[c] = reflect_column(n, n, a, c + 1, c, v);
        T first = a[(c + 1) * n + c], s = first;
        for (int64_t i = c + 2; i < n; i++) s += MUL(CONJ(v[i]), a[i * n + c]);
        e[c] = REAL(first - MUL(tau[c], s));
        reflect_both(n, a, c + 1, v, tau[c], w);
        for (int64_t i = c + 2; i < n; i++) a[i * n + c] = v[i];
    }
    for (int64_t i = 0; i < n; i++) d[i] = REAL(a[i * n + i]);
    unfold(stop, n, n, a, n - 1, 1, tau, n, q, v, w);
}

static void turn_rows(int64_t n, double c, double s, T *restrict x, T *restrict y)
{
    for (int64_t i = 0; i < n; i++) {
        T p = x[i], q = y[i];
        x[i] = c * p - s * q;
        y[i] = s * p + c * q;
    }
}

/* A step of the QL algorithm with an implicit shift on rows [l, m] of the tridiagonal matrix; z's rows turn along. */
static void ql_step(int64_t n, double *d, double *e, int64_t l, int64_t m, T *z)
{
    double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
    g = d[m] - d[l] + e[l] / (g + copysign(r, g));
    for (int64_t i = m - 1; i >= l; i--) {
        double f = s * e[i], b = c * e[i];
        e[i + 1] = r = hypot(f, g);
        if (r == 0) { /* it has come apart here */
            d[i + 1] -= p;
            e[m] = 0;
            return;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
        turn_rows(n, c, s, z + i * n, z + (i + 1) * n);
    }
    d[l] -= p;
    e[l] = g;
    e[m] = 0;
}

static void ql(const tn_stop *stop, int64_t n, double *d, double *e, T *z)
{
    if (n) e[n - 1] = 0;
    for (int64_t l = 0; l < n; l++)
        for (int k = 0; k < SWEEPS; k++) {
            int64_t m = l;
            if (stopped(stop, n)) return;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1]))) m++;
            if (m == l) break;
            ql_step(n, d, e, l, m, z);
        }
}

static void sort_ascending(int64_t n, double *e, T *rows)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; j++)
            if (e[j] < e[least]) least = j;
        double x = e[i];
        e[i] = e[least];
        e[least] = x;
        if (least != i) swap_rows(rows, n, i, least);
    }
}

/* The power of two that makes the largest element of the lower triangle about 1; 0: all are 0, or not all finite. */
static double scale_of(int64_t n, const T *a)
{
    double most = 0;
    int exponent;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j <= i; j++) {
            double x = ABS(a[i * n + j]);
            if (!isfinite(x)) return 0;
            most = fmax(most, x);
        }
    frexp(most, &exponent);
    return most > 0 ? ldexp(1, -exponent < 1000 ? -exponent : 1000) : 0;
}

static void eigh(const tn_stop *stop, int64_t n, void *va, double *e, void *vv, void *tmp)
{
    T *a = va, *v = vv;
    double *beside = (double *)((T *)tmp + 4 * n);
    const double scale = scale_of(n, a);
    for (int64_t i = 0; i < n && scale > 0; i++) {
        for (int64_t j = 0; j <= i; j++) a[i * n + j] *= scale;
        a[i * n + i] = REAL(a[i * n + i]);
        for (int64_t j = 0; j < i; j++) a[j * n + i] = CONJ(a[i * n + j]);
    }
    set_identity(v, n, n);
    if (scale > 0) tridiagonal(stop, n, a, e, beside, v, tmp);
    for (int64_t i = 0; i < n && !(scale > 0); i++) e[i] = REAL(a[i * n + i]);
    transpose(n, v);
    if (scale > 0) ql(stop, n, e, beside, v);
    sort_ascending(n, e, v);
    transpose(n, v);
    for (int64_t i = 0; i < n && scale > 0; i++) e[i] /= scale;
}

/* ==== singular values ==== the columns of u = a v are made orthogonal; they, and v's, lie in rows */

typedef struct rotation {
    double c, s, t;
    T phase;
} rotation;

/* That which makes [[a, g], [g^H, b]] diagonal. */
static rotation rotation_of(double a, double b, T g)
{
    double size = ABS(g), tau = (b - a) / (2 * size);
    double t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau));
    rotation r = {.c = 1 / sqrt(1 + t * t), .t = t, .phase = g / size};
    r.s = t * r.c;
    return r;
}

static void rotate(rotation r, int64_t n, T *restrict x, T *restrict y)
{
    const T w = CONJ(r.phase);
    for (int64_t i = 0; i < n; i++) {
        T p = x[i], q = MUL(w, y[i]);
        x[i] = r.c * p - r.s * q;
        y[i] = r.s * p + r.c * q;
    }
}

/* norms: the squares of the lengths of u's rows. */
static bool svd_pair(int64_t m, int64_t n, T *u, T *v, double *norms, int64_t p, int64_t q)
{
    const T g = dot(m, u + q * m, u + p * m);
    const double size = ABS(g);
    if (!(size > 2 * DBL_EPSILON * sqrt((double)m) * sqrt(norms[p]) * sqrt(norms[q])) || !(size > DBL_MIN))
        return false;
    rotation r = rotation_of(norms[p], norms[q], g);
    rotate(r, m, u + p * m, u + q * m);
    rotate(r, n, v + p * n, v + q * n);
    norms[p] -= r.t * size;
    norms[q] += r.t * size;
    return true;
}

static double length_of(int64_t n, const T *row)
{
    return sqrt(REAL(dot(n, row, row)));
}

/* Row c of a: a unit vector orthogonal to the rows before it. *unit: the first axis that was not yet tried. */
static void complete(int64_t m, T *a, int64_t c, int64_t *unit)
{
    T *row = a + c * m;
    while (*unit < m) {
        clear(row, m);
        row[(*unit)++] = 1;
        for (int twice = 0; twice < 2; twice++)
            for (int64_t k = 0; k < c; k++) add_row(m, -dot(m, row, a + k * m), a + k * m, row);
        const double norm = length_of(m, row);
        if (norm < 0.5 / sqrt((double)m)) continue;
        for (int64_t i = 0; i < m; i++) row[i] /= norm;
        return;
    }
}

/* Rows of w[n,m], of length s, to columns of out[m,columns] with length 1; what is missing is made up. w has room for
 * max(m,n)^2. */
static void normalized(const tn_stop *stop, int64_t m, int64_t n, T *w, const double *s, int64_t columns, T *out)
{
    int64_t unit = 0;
    for (int64_t c = 0; c < columns; c++) {
        if (stopped(stop, m)) return;
        if (c >= n || !(s[c] > (n ? s[0] : 0) * 1e-300))
            complete(m, w, c, &unit);
        else
            for (int64_t i = 0; i < m; i++) w[c * m + i] /= s[c];
        for (int64_t i = 0; i < m; i++) out[i * columns + c] = w[c * m + i];
    }
}

static void sort_descending(int64_t m, int64_t n, T *u, T *v, double *s)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t most = i;
        for (int64_t j = i + 1; j < n; j++)
            if (s[j] > s[most]) most = j;
        if (most == i) continue;
        double x = s[i];
        s[i] = s[most];
        s[most] = x;
        swap_rows(u, m, i, most);
        swap_rows(v, n, i, most);
    }
}

static void svd_rows(const tn_stop *stop, int64_t m, int64_t n, T *u, T *v, double *s)
{
    bool turned = true;
    set_identity(v, n, n);
    for (int k = 0; k < SWEEPS && turned; k++) {
        turned = false;
        for (int64_t c = 0; c < n; c++) s[c] = REAL(dot(m, u + c * m, u + c * m));
        for (int64_t p = 0; p < n; p++) {
            if (stopped(stop, n)) return;
            for (int64_t q = p + 1; q < n; q++) turned |= svd_pair(m, n, u, v, s, p, q);
        }
    }
    for (int64_t c = 0; c < n; c++) s[c] = length_of(m, u + c * m);
    sort_descending(m, n, u, v, s);
}

/* A wide matrix by its adjoint, where u and v trade places. */
static void svd(const tn_stop *stop, int64_t m, int64_t n, void *va, double *s, int64_t u_columns, void *u,
                int64_t v_columns, void *v, void *tmp)
{
    const bool wide = m < n;
    const int64_t rows = wide ? n : m, columns = wide ? m : n, other_columns = wide ? u_columns : v_columns;
    T *a = va, *w = tmp, *other = w + rows * rows, *out = wide ? u : v;
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < rows; i++) w[j * rows + i] = wide ? CONJ(a[j * n + i]) : a[i * n + j];
    svd_rows(stop, rows, columns, w, other, s);
    normalized(stop, rows, columns, w, s, wide ? v_columns : u_columns, wide ? v : u);
    for (int64_t c = 0; c < other_columns; c++)
        for (int64_t i = 0; i < columns; i++) out[i * other_columns + c] = other[c * columns + i];
}

/* ==== the exponential ==== of a / 2^k by its series, squared k times */

static void exponential(const tn_stop *stop, int64_t n, void *va, void *tmp)
{
    T *a = va, *sum = tmp, *next = sum + n * n;
    double norm = 0;
    int k = 0;
    for (int64_t i = 0; i < n; i++) {
        double row = 0;
        for (int64_t j = 0; j < n; j++) row += ABS(a[i * n + j]);
        norm = fmax(norm, row);
    }
    for (; norm > 0.25 && k < 1100; norm /= 2) k++;
    for (int64_t i = 0; i < n * n; i++) a[i] = ldexp(1, -k) * a[i];
    set_identity(sum, n, n);
    for (int term = 16; term > 0; term--) { /* Horner: sum = 1 + a sum / term */
        multiply(stop, n, n, n, false, a, false, sum, next);
        for (int64_t i = 0; i < n * n; i++) sum[i] = next[i] / term;
        for (int64_t i = 0; i < n; i++) sum[i * n + i] += 1;
    }
    for (; k > 0 && !stopped(stop, n); k--) {
        multiply(stop, n, n, n, false, sum, false, sum, next);
        memcpy(sum, next, (size_t)(n * n) * sizeof *sum);
    }
    memcpy(a, sum, (size_t)(n * n) * sizeof *a);
}

const tn_linalg TABLE = {multiply, cholesky, lu,  lu_is_singular, lu_solve,  triangular_solve,
                         qr,       eigh,     svd, exponential,    IS_COMPLEX};
