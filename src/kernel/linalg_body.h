/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_body.h - the code of linalg.h for one type of element. Whoever includes it defines T (the type),
 * CONJ, ABS and REAL of an element, TABLE (the table's name) and IS_COMPLEX.
 *
 * Eigenvalues and singular values are found by Jacobi's rotations: slower than other ways for large matrices,
 * but accurate to the last digits and the same on every machine.
 */
#include <float.h>
#include <math.h>
#include <string.h>

#include "linalg.h"

enum { SWEEPS = 60 };

static double square(T x)
{
    double a = ABS(x);
    return a * a;
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

static T element(const T *a, int64_t rows, int64_t columns, bool adjoint, int64_t i, int64_t j)
{
    (void)rows;
    return adjoint ? CONJ(a[j * columns + i]) : a[i * columns + j];
}

static void multiply(int64_t m, int64_t n, int64_t k, bool adj_a, const void *va, bool adj_b, const void *vb,
                     void *vc)
{
    const T *a = va, *b = vb;
    T *c = vc;
    clear(c, m * n);
    for (int64_t i = 0; i < m; i++)
        for (int64_t l = 0; l < k; l++) {
            T x = element(a, m, adj_a ? m : k, adj_a, i, l);
            for (int64_t j = 0; j < n; j++) c[i * n + j] += x * element(b, k, adj_b ? k : n, adj_b, l, j);
        }
}

/* ==== triangles ==== */

static bool cholesky(int64_t n, void *va)
{
    T *a = va;
    for (int64_t j = 0; j < n; j++) {
        double d = REAL(a[j * n + j]);
        for (int64_t k = 0; k < j; k++) d -= square(a[j * n + k]);
        if (!(d > 0)) return false;
        a[j * n + j] = d = sqrt(d);
        for (int64_t i = j + 1; i < n; i++) {
            T s = a[i * n + j];
            for (int64_t k = 0; k < j; k++) s -= a[i * n + k] * CONJ(a[j * n + k]);
            a[i * n + j] = s / d;
            a[j * n + i] = 0;
        }
    }
    return true;
}

static void triangular_solve(int64_t n, const void *va, bool lower, bool adjoint, int64_t k, void *vb)
{
    const T *a = va;
    T *b = vb;
    bool forward = lower != adjoint;
    for (int64_t step = 0; step < n; step++) {
        int64_t i = forward ? step : n - 1 - step;
        for (int64_t j = forward ? 0 : i + 1; j < (forward ? i : n); j++) {
            T x = element(a, n, n, adjoint, i, j);
            for (int64_t c = 0; c < k; c++) b[i * k + c] -= x * b[j * k + c];
        }
        T d = element(a, n, n, adjoint, i, i);
        for (int64_t c = 0; c < k; c++) b[i * k + c] /= d;
    }
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

static int lu(int64_t n, void *va, int64_t *perm)
{
    T *a = va;
    int sign = 1;
    for (int64_t i = 0; i < n; i++) perm[i] = i;
    for (int64_t k = 0; k < n; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < n; i++)
            if (ABS(a[i * n + k]) > ABS(a[best * n + k])) best = i;
        if (best != k) {
            int64_t p = perm[k];
            perm[k] = perm[best];
            perm[best] = p;
            swap_rows(a, n, k, best);
            sign = -sign;
        }
        if (a[k * n + k] == 0) continue;
        for (int64_t i = k + 1; i < n; i++) {
            T f = a[i * n + k] /= a[k * n + k];
            for (int64_t j = k + 1; j < n; j++) a[i * n + j] -= f * a[k * n + j];
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
static void lu_solve(int64_t n, const void *va, const int64_t *perm, bool adjoint, int64_t k, void *vb,
                     void *tmp)
{
    const T *a = va;
    T *b = vb, *x = tmp;
    for (int64_t c = 0; c < k; c++) {
        for (int64_t i = 0; i < n; i++) x[i] = b[(adjoint ? i : perm[i]) * k + c];
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j < i; j++) x[i] -= element(a, n, n, adjoint, i, j) * x[j];
            if (adjoint) x[i] /= CONJ(a[i * n + i]);
        }
        for (int64_t i = n - 1; i >= 0; i--) {
            for (int64_t j = i + 1; j < n; j++) x[i] -= element(a, n, n, adjoint, i, j) * x[j];
            if (!adjoint) x[i] /= a[i * n + i];
        }
        for (int64_t i = 0; i < n; i++) b[(adjoint ? perm[i] : i) * k + c] = x[i];
    }
}

/* ==== QR ==== by Householder's reflections; the diagonal of R has the sign that cancels nothing */

/* Makes column c of a zero below row c; v: the reflection's vector, its first element 1. Its factor. */
static T reflect_column(int64_t m, int64_t n, T *a, int64_t c, T *v)
{
    double tail = 0;
    T first = a[c * n + c];
    for (int64_t i = c + 1; i < m; i++) tail += square(a[i * n + c]);
    double imaginary = ABS(first - REAL(first));
    v[c] = 1;
    if (tail <= DBL_MIN && imaginary * imaginary <= DBL_MIN) {
        for (int64_t i = c + 1; i < m; i++) v[i] = 0;
        return 0;
    }
    double beta = sqrt(square(first) + tail);
    if (REAL(first) >= 0) beta = -beta;
    for (int64_t i = c + 1; i < m; i++) v[i] = a[i * n + c] / (first - beta);
    return CONJ((beta - first) / beta);
}

/* b -= tau v v^H b for rows from c on, and columns from `column` on. */
static void reflect(int64_t m, int64_t n, T *b, int64_t c, int64_t column, const T *v, T tau)
{
    for (int64_t j = column; j < n; j++) {
        T s = 0;
        for (int64_t i = c; i < m; i++) s += CONJ(v[i]) * b[i * n + j];
        for (int64_t i = c; i < m; i++) b[i * n + j] -= tau * s * v[i];
    }
}

static void qr(int64_t m, int64_t n, void *va, int64_t columns, void *vq, void *tmp)
{
    T *a = va, *q = vq, *v = tmp, *tau = v + m;
    int64_t steps = m < n ? m : n;
    for (int64_t c = 0; c < steps; c++) {
        tau[c] = reflect_column(m, n, a, c, v);
        reflect(m, n, a, c, c, v, tau[c]);
        for (int64_t i = c + 1; i < m; i++) a[i * n + c] = v[i]; /* kept there for q */
    }
    set_identity(q, m, columns);
    for (int64_t c = steps - 1; c >= 0; c--) {
        v[c] = 1;
        for (int64_t i = c + 1; i < m; i++) {
            v[i] = a[i * n + c];
            a[i * n + c] = 0;
        }
        reflect(m, columns, q, c, 0, v, CONJ(tau[c]));
    }
}

/* ==== Jacobi's rotations ==== */

typedef struct rotation {
    double c, s;
    T phase;
} rotation;

/* That which makes [[a, g], [g^H, b]] diagonal. */
static rotation rotation_of(double a, double b, T g)
{
    double size = ABS(g), tau = (b - a) / (2 * size);
    double t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau));
    rotation r = {.c = 1 / sqrt(1 + t * t), .phase = g / size};
    r.s = t * r.c;
    return r;
}

/* Columns p and q of rows of length n. */
static void rotate_columns(rotation r, int64_t rows, int64_t n, T *a, int64_t p, int64_t q)
{
    T w = CONJ(r.phase);
    for (int64_t i = 0; i < rows; i++) {
        T x = a[i * n + p], y = w * a[i * n + q];
        a[i * n + p] = r.c * x - r.s * y;
        a[i * n + q] = r.s * x + r.c * y;
    }
}

static void rotate_rows(rotation r, int64_t n, T *a, int64_t p, int64_t q)
{
    for (int64_t i = 0; i < n; i++) {
        T x = a[p * n + i], y = r.phase * a[q * n + i];
        a[p * n + i] = r.c * x - r.s * y;
        a[q * n + i] = r.s * x + r.c * y;
    }
}

static bool eigh_sweep(int64_t n, T *a, T *v, double tiny)
{
    bool turned = false;
    for (int64_t p = 0; p < n; p++)
        for (int64_t q = p + 1; q < n; q++) {
            T g = a[p * n + q];
            if (!(ABS(g) > tiny)) continue;
            rotation r = rotation_of(REAL(a[p * n + p]), REAL(a[q * n + q]), g);
            rotate_columns(r, n, n, a, p, q);
            rotate_rows(r, n, a, p, q);
            rotate_columns(r, n, n, v, p, q);
            a[p * n + q] = a[q * n + p] = 0;
            turned = true;
        }
    return turned;
}

static void swap_columns(int64_t rows, int64_t n, T *a, int64_t p, int64_t q)
{
    for (int64_t i = 0; i < rows; i++) {
        T x = a[i * n + p];
        a[i * n + p] = a[i * n + q];
        a[i * n + q] = x;
    }
}

static void eigh(int64_t n, void *va, double *e, void *vv)
{
    T *a = va, *v = vv;
    double norm = 0;
    for (int64_t i = 0; i < n; i++) {
        a[i * n + i] = REAL(a[i * n + i]);
        for (int64_t j = 0; j < i; j++) a[j * n + i] = CONJ(a[i * n + j]);
        for (int64_t j = 0; j <= i; j++) norm += square(a[i * n + j]);
    }
    set_identity(v, n, n);
    for (int k = 0; k < SWEEPS && eigh_sweep(n, a, v, sqrt(norm) * 1e-17); k++) continue;
    for (int64_t i = 0; i < n; i++) e[i] = REAL(a[i * n + i]);
    for (int64_t i = 0; i < n; i++) {
        int64_t least = i;
        for (int64_t j = i + 1; j < n; j++)
            if (e[j] < e[least]) least = j;
        double x = e[i];
        e[i] = e[least];
        e[least] = x;
        if (least != i) swap_columns(n, n, v, i, least);
    }
}

/* ==== singular values ==== the columns of u = a v are made orthogonal */

static bool svd_pair(int64_t m, int64_t n, T *u, T *v, int64_t p, int64_t q)
{
    double a = 0, b = 0;
    T g = 0;
    for (int64_t i = 0; i < m; i++) {
        a += square(u[i * n + p]);
        b += square(u[i * n + q]);
        g += CONJ(u[i * n + p]) * u[i * n + q];
    }
    if (!(ABS(g) > 1e-16 * sqrt(a * b)) || !(ABS(g) > DBL_MIN)) return false;
    rotation r = rotation_of(a, b, g);
    rotate_columns(r, m, n, u, p, q);
    rotate_columns(r, n, n, v, p, q);
    return true;
}

static double column_norm(int64_t m, int64_t n, const T *a, int64_t c)
{
    double s = 0;
    for (int64_t i = 0; i < m; i++) s += square(a[i * n + c]);
    return sqrt(s);
}

/* Column c of a: a unit vector orthogonal to the columns before it. */
static void complete(int64_t m, int64_t n, T *a, int64_t c)
{
    for (int64_t unit = 0; unit < m; unit++) {
        for (int64_t i = 0; i < m; i++) a[i * n + c] = i == unit;
        for (int twice = 0; twice < 2; twice++)
            for (int64_t k = 0; k < c; k++) {
                T s = 0;
                for (int64_t i = 0; i < m; i++) s += CONJ(a[i * n + k]) * a[i * n + c];
                for (int64_t i = 0; i < m; i++) a[i * n + c] -= s * a[i * n + k];
            }
        double norm = column_norm(m, n, a, c);
        if (norm < 0.5 / sqrt((double)m)) continue;
        for (int64_t i = 0; i < m; i++) a[i * n + c] /= norm;
        return;
    }
}

/* Columns of w[m,n], of length s, to those of out[m,columns] with length 1; what is missing is made up. */
static void normalized(int64_t m, int64_t n, const T *w, const double *s, int64_t columns, T *out)
{
    for (int64_t c = 0; c < columns; c++) {
        if (c >= n || !(s[c] > (n ? s[0] : 0) * 1e-300)) {
            complete(m, columns, out, c);
            continue;
        }
        for (int64_t i = 0; i < m; i++) out[i * columns + c] = w[i * n + c] / s[c];
    }
}

static void copied(int64_t m, int64_t n, const T *w, int64_t columns, T *out)
{
    for (int64_t c = 0; c < columns; c++)
        for (int64_t i = 0; i < m; i++) out[i * columns + c] = w[i * n + c];
}

static void svd_tall(int64_t m, int64_t n, T *u, T *v, double *s)
{
    bool turned = true;
    set_identity(v, n, n);
    for (int k = 0; k < SWEEPS && turned; k++) {
        turned = false;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) turned |= svd_pair(m, n, u, v, p, q);
    }
    for (int64_t c = 0; c < n; c++) s[c] = column_norm(m, n, u, c);
    for (int64_t i = 0; i < n; i++) {
        int64_t most = i;
        for (int64_t j = i + 1; j < n; j++)
            if (s[j] > s[most]) most = j;
        if (most == i) continue;
        double x = s[i];
        s[i] = s[most];
        s[most] = x;
        swap_columns(m, n, u, i, most);
        swap_columns(n, n, v, i, most);
    }
}

/* A wide matrix by its adjoint, where u and v trade places. */
static void svd(int64_t m, int64_t n, void *va, double *s, int64_t u_columns, void *u, int64_t v_columns,
                void *v, void *tmp)
{
    T *a = va, *w = tmp, *other = w + (m > n ? m * n : n * m);
    bool wide = m < n;
    int64_t rows = wide ? n : m, columns = wide ? m : n;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) w[i * columns + j] = wide ? CONJ(a[j * n + i]) : a[i * n + j];
    svd_tall(rows, columns, w, other, s);
    normalized(rows, columns, w, s, wide ? v_columns : u_columns, wide ? v : u);
    copied(columns, columns, other, wide ? u_columns : v_columns, wide ? u : v);
}

/* ==== the exponential ==== of a / 2^k by its series, squared k times */

static void exponential(int64_t n, void *va, void *tmp)
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
        multiply(n, n, n, false, a, false, sum, next);
        for (int64_t i = 0; i < n * n; i++) sum[i] = next[i] / term;
        for (int64_t i = 0; i < n; i++) sum[i * n + i] += 1;
    }
    for (; k > 0; k--) {
        multiply(n, n, n, false, sum, false, sum, next);
        memcpy(sum, next, (size_t)(n * n) * sizeof *sum);
    }
    memcpy(a, sum, (size_t)(n * n) * sizeof *a);
}

const tn_linalg TABLE = {multiply, cholesky, lu,  lu_is_singular, lu_solve,  triangular_solve,
                         qr,       eigh,     svd, exponential,    IS_COMPLEX};
