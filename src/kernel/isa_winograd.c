/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_winograd.c - the table of isa_winograd.h for one level of instructions: Winograd's F(2 x 2, 3 x 3) in the form of
 * Lavin and Gray (2015). All factors are powers of two.
 */
#include "isa_winograd.h"

typedef float vec __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(VBYTES), aligned(4), may_alias));
enum { VL = VBYTES / sizeof(float) };

/* ==== the filter: G g G' ==== */

static inline __attribute__((always_inline)) void filter_line(const vec g[3], vec u[4])
{
    const vec ends = 0.5f * (g[0] + g[2]), middle = 0.5f * g[1];
    u[0] = g[0];
    u[1] = ends + middle;
    u[2] = ends - middle;
    u[3] = g[2];
}

static inline vec load_apart(const float *x, int64_t step)
{
    vec v;
    if (step == 1) return *(const vec *)x;
    for (int i = 0; i < VL; i++) v[i] = x[i * step];
    return v;
}

static void filter(const tn_winograd_filter *f, float *u, int64_t apart)
{
    vec rows[3][4];
    for (int i = 0; i < 3; i++) {
        vec g[3];
        for (int j = 0; j < 3; j++) g[j] = load_apart(f->taps + (3 * i + j) * f->tap, f->out);
        filter_line(g, rows[i]);
    }
    for (int j = 0; j < 4; j++) {
        const vec g[3] = {rows[0][j], rows[1][j], rows[2][j]};
        vec line[4];
        filter_line(g, line);
        for (int i = 0; i < 4; i++) *(vec *)(u + (4 * i + j) * apart) = line[i];
    }
}

/* ==== the input: B' d B ==== */

static inline __attribute__((always_inline)) void input_line(vec a, vec b, vec c, vec d, vec v[4])
{
    v[0] = a - c;
    v[1] = b + c;
    v[2] = c - b;
    v[3] = b - d;
}

static void input(const float *const *at, int64_t channels, float *v, int64_t apart)
{
    for (int64_t k = 0; k < channels; k += VL) {
        vec rows[4][4];
        for (int i = 0; i < 4; i++)
            input_line(*(const vec *)(at[4 * i] + k), *(const vec *)(at[4 * i + 1] + k),
                       *(const vec *)(at[4 * i + 2] + k), *(const vec *)(at[4 * i + 3] + k), rows[i]);
        for (int j = 0; j < 4; j++) {
            vec line[4];
            input_line(rows[0][j], rows[1][j], rows[2][j], rows[3][j], line);
            for (int i = 0; i < 4; i++) *(vec *)(v + (4 * i + j) * apart + k) = line[i];
        }
    }
}

/* ==== the output: A' m A ==== */

static inline __attribute__((always_inline)) void output_line(vec a, vec b, vec c, vec d, vec y[2])
{
    y[0] = a + b + c;
    y[1] = b - c - d;
}

static inline __attribute__((always_inline)) vec chosen(bits first, vec a, vec b)
{
    return (vec)((first & (bits)a) | (~first & (bits)b));
}

static inline __attribute__((always_inline)) vec ended(const tn_winograd_end *e, vec x)
{
    const vec most = (vec){0} + e->most;
    if (!e->relu) return x;
    x = (vec)((bits)x & ~(bits)(x < (vec){0})); /* a NaN stays */
    return chosen(x > most, most, x);
}

static inline __attribute__((always_inline)) vec pooled(tn_pool_kind kind, const vec y[4])
{
    if (kind == TN_POOL_AVG) return (y[0] + y[1] + y[2] + y[3]) * 0.25f;
    const vec up = chosen(y[1] > y[0], y[1], y[0]), low = chosen(y[3] > y[2], y[3], y[2]);
    return chosen(low > up, low, up);
}

/* Four results of a vector of channels; zeros where all of them are finite. */
static inline __attribute__((always_inline)) vec one(const tn_winograd_end *e, const float *m, int64_t apart, int64_t k,
                                                     float *const *to)
{
    vec rows[2][4], y[TN_TILE_OUT];
    for (int j = 0; j < 4; j++) {
        vec line[2];
        output_line(*(const vec *)(m + j * apart), *(const vec *)(m + (4 + j) * apart),
                    *(const vec *)(m + (8 + j) * apart), *(const vec *)(m + (12 + j) * apart), line);
        rows[0][j] = line[0];
        rows[1][j] = line[1];
    }
    for (int i = 0; i < 2; i++) output_line(rows[i][0], rows[i][1], rows[i][2], rows[i][3], y + 2 * i);
    const vec sum = (y[0] + y[1]) + (y[2] + y[3]), bias = e->bias ? *(const vec *)(e->bias + k) : (vec){0};
    for (int i = 0; i < TN_TILE_OUT; i++) y[i] = ended(e, y[i] + bias);
    if (e->pools) {
        *(vec *)(to[0] + k) = pooled(e->pool, y);
    } else {
        for (int i = 0; i < TN_TILE_OUT; i++)
            if (to[i]) *(vec *)(to[i] + k) = y[i];
    }
    return sum - sum;
}

static inline bool is_zero(vec x)
{
    bool zero = true;
    for (int i = 0; i < VL; i++) zero = zero && x[i] == 0;
    return zero;
}

static bool output(const tn_winograd_end *e, const float *m, int64_t apart, int64_t channels, float *const *to,
                   int64_t tiles)
{
    vec wrong = {0};
    for (int64_t t = 0; t < tiles; t++, to += TN_TILE_OUT, m += channels)
        for (int64_t k = 0; k < channels; k += VL) wrong += one(e, m + k, apart, k, to);
    return is_zero(wrong);
}

/* ==== the gradient of the output: A y A' ==== */

static inline __attribute__((always_inline)) void gradient_line(vec a, vec b, vec g[4])
{
    g[0] = a;
    g[1] = a + b;
    g[2] = a - b;
    g[3] = -b;
}

static void gradient(const float *const *at, int64_t channels, float *g, int64_t apart)
{
    for (int64_t k = 0; k < channels; k += VL) {
        vec rows[2][4];
        for (int i = 0; i < 2; i++)
            gradient_line(*(const vec *)(at[2 * i] + k), *(const vec *)(at[2 * i + 1] + k), rows[i]);
        for (int j = 0; j < 4; j++) {
            vec line[4];
            gradient_line(rows[0][j], rows[1][j], line);
            for (int i = 0; i < 4; i++) *(vec *)(g + (4 * i + j) * apart + k) = line[i];
        }
    }
}

/* ==== the gradient of the filter: G' s G ==== */

static inline __attribute__((always_inline)) void filter_gradient_line(vec a, vec b, vec c, vec d, vec g[3])
{
    const vec both = 0.5f * (b + c);
    g[0] = a + both;
    g[1] = 0.5f * (b - c);
    g[2] = both + d;
}

static inline __attribute__((always_inline)) vec total(const tn_winograd_sums *s, int place)
{
    const float *at = s->sum + place * s->apart;
    vec sum = *(const vec *)at;
    for (int i = 1; i < s->parts; i++) sum += *(const vec *)(at + i * s->parts_apart);
    return sum;
}

static bool filter_gradient(const tn_winograd_sums *s, float *filter, int64_t tap)
{
    vec rows[4][3], wrong = {0};
    for (int i = 0; i < 4; i++)
        filter_gradient_line(total(s, 4 * i), total(s, 4 * i + 1), total(s, 4 * i + 2), total(s, 4 * i + 3), rows[i]);
    for (int j = 0; j < 3; j++) {
        vec line[3];
        filter_gradient_line(rows[0][j], rows[1][j], rows[2][j], rows[3][j], line);
        for (int i = 0; i < 3; i++) {
            *(vec *)(filter + (3 * i + j) * tap) = line[i];
            wrong += line[i] - line[i];
        }
    }
    return is_zero(wrong);
}

const tn_winograd_isa TN_ISA_SYM(tn_isa_winograd) = {VL, filter, input, output, gradient, filter_gradient};
