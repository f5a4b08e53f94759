/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_reduce.c - sums and other folds of floats, for one level of instructions. Long sums are made of blocks
 * whose results are added in double, so that the error does not grow with the count.
 */
#include "isa_math.h"
#include "reduce.h"
#include "walk.h"

#define VL (VBYTES / 4)
#define SUM_BLOCK 4096
#define ROW_BLOCK 256
typedef float vec __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef int32_t mask __attribute__((vector_size(VBYTES), aligned(4), may_alias));

static inline vec pick(mask m, vec a, vec b)
{
    return (vec)((m & (mask)a) | (~m & (mask)b));
}
static inline vec spread(float x)
{
    return (vec){0} + x;
}

/* One step of each fold, on vectors and on numbers. NaN wins max and min. */
#define V_SUM(a, x) ((a) + (x))
#define V_SQUARES(a, x) ((a) + (x) * (x))
#define V_MAX(a, x) pick(((x) > (a)) | ((x) != (x)), x, a)
#define V_MIN(a, x) pick(((x) < (a)) | ((x) != (x)), x, a)
#define V_PROD(a, x) ((a) * (x))
#define S_SUM(a, x) ((a) + (x))
#define S_SQUARES(a, x) ((a) + (x) * (x))
#define S_MAX(a, x) ((x) > (a) || (x) != (x) ? (x) : (a))
#define S_MIN(a, x) ((x) < (a) || (x) != (x) ? (x) : (a))
#define S_PROD(a, x) ((a) * (x))
/* Joins two results of the fold: the sums of squares are added. */
#define JOIN_SUM S_SUM
#define JOIN_SQUARES S_SUM
#define JOIN_MAX S_MAX
#define JOIN_MIN S_MIN
#define JOIN_PROD S_PROD

#define FOLD(name, first)                                                                           \
    static float run_##name(int64_t n, const float *x)                                              \
    {                                                                                               \
        vec acc[4] = {spread(first), spread(first), spread(first), spread(first)};                  \
        int64_t i = 0;                                                                              \
        for (; i + 4 * VL <= n; i += 4 * VL)                                                        \
            for (int v = 0; v < 4; v++) {                                                           \
                const vec y = *(const vec *)(x + i + v * VL);                                       \
                acc[v] = V_##name(acc[v], y);                                                       \
            }                                                                                       \
        float lane[4 * VL], rest = first;                                                           \
        for (int v = 0; v < 4; v++) *(vec *)(lane + v * VL) = acc[v];                               \
        for (; i < n; i++) rest = S_##name(rest, x[i]);                                             \
        for (int h = 2 * VL; h > 0; h /= 2)                                                         \
            for (int l = 0; l < h; l++) lane[l] = JOIN_##name(lane[l], lane[l + h]);                \
        return JOIN_##name(lane[0], rest);                                                          \
    }                                                                                               \
    static void cols_##name(int64_t rows, int64_t cols, int64_t stride, const float *x, float *out) \
    {                                                                                               \
        int64_t j = 0;                                                                              \
        for (; j + 4 * VL <= cols; j += 4 * VL) {                                                   \
            vec acc[4] = {spread(first), spread(first), spread(first), spread(first)};              \
            for (int64_t i = 0; i < rows; i++)                                                      \
                for (int v = 0; v < 4; v++) {                                                       \
                    const vec y = *(const vec *)(x + i * stride + j + v * VL);                      \
                    acc[v] = V_##name(acc[v], y);                                                   \
                }                                                                                   \
            for (int v = 0; v < 4; v++)                                                             \
                for (int l = 0; l < VL; l++)                                                        \
                    out[j + v * VL + l] = JOIN_##name(out[j + v * VL + l], acc[v][l]);              \
        }                                                                                           \
        for (; j + VL <= cols; j += VL) {                                                           \
            vec acc = spread(first);                                                                \
            for (int64_t i = 0; i < rows; i++) {                                                    \
                const vec y = *(const vec *)(x + i * stride + j);                                   \
                acc = V_##name(acc, y);                                                             \
            }                                                                                       \
            for (int l = 0; l < VL; l++) out[j + l] = JOIN_##name(out[j + l], acc[l]);              \
        }                                                                                           \
        if (j == cols) return;                                                                      \
        float acc[VL];                                                                              \
        const int last = (int)(cols - j);                                                           \
        for (int l = 0; l < last; l++) acc[l] = first;                                              \
        for (int64_t i = 0; i < rows; i++)                                                          \
            for (int l = 0; l < last; l++) acc[l] = S_##name(acc[l], x[i * stride + j + l]);        \
        for (int l = 0; l < last; l++) out[j + l] = JOIN_##name(out[j + l], acc[l]);                \
    }
FOLD(SUM, 0.0f)
FOLD(SQUARES, 0.0f)
FOLD(MAX, -INFINITY)
FOLD(MIN, INFINITY)
FOLD(PROD, 1.0f)

static const struct {
    float first;
    float (*run)(int64_t n, const float *x);
    void (*cols)(int64_t rows, int64_t cols, int64_t stride, const float *x, float *out);
} folds[] = {{0, run_SUM, cols_SUM},
             {0, run_SQUARES, cols_SQUARES},
             {-INFINITY, run_MAX, cols_MAX},
             {INFINITY, run_MIN, cols_MIN},
             {1, run_PROD, cols_PROD}};

static float join(tn_fold f, float a, float b)
{
    switch (f) {
    case TN_FOLD_MAX: return S_MAX(a, b);
    case TN_FOLD_MIN: return S_MIN(a, b);
    case TN_FOLD_PROD: return a * b;
    default: return a + b;
    }
}

static void start(tn_fold f, int64_t n, void *acc)
{
    for (int64_t i = 0; i < n; i++) ((float *)acc)[i] = folds[f].first;
}
static void run(tn_fold f, int64_t n, const void *x, void *acc)
{
    float *a = acc;
    if (n <= SUM_BLOCK || f > TN_FOLD_SQUARES) {
        *a = join(f, *a, folds[f].run(n, x));
        return;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i += SUM_BLOCK)
        sum += (double)folds[f].run(TN_MIN(SUM_BLOCK, n - i), (const float *)x + i);
    *a += (float)sum;
}
static void cols(tn_fold f, int64_t rows, int64_t n, int64_t stride, const void *x, void *acc)
{
    for (int64_t i = 0; i < rows; i += ROW_BLOCK)
        folds[f].cols(TN_MIN(ROW_BLOCK, rows - i), n, stride, (const float *)x + i * stride, acc);
}
static void merge(tn_fold f, int64_t n, const void *from, void *acc)
{
    for (int64_t i = 0; i < n; i++) ((float *)acc)[i] = join(f, ((float *)acc)[i], ((const float *)from)[i]);
}
static void finish(tn_reduce_op op, int64_t group, int64_t n, const void *acc, void *out)
{
    const float *a = acc;
    float *o = out;
    if (op == TN_REDUCE_MEAN)
        for (int64_t i = 0; i < n; i++) o[i] = a[i] / (float)group;
    else if (op == TN_REDUCE_EUCLIDEAN)
        for (int64_t i = 0; i < n; i++) o[i] = sqrtf(a[i]);
    else if (o != a)
        memcpy(o, a, (size_t)n * sizeof(float));
}

/* ---- half and bfloat16 ---- */

#define SHORT(name, T)                                                                                    \
    static void run_##name(tn_fold f, int64_t n, const void *x, void *acc)                                \
    {                                                                                                     \
        float wide[TN_BLOCK], part[1];                                                                    \
        double sum = 0;                                                                                   \
        for (int64_t i = 0; i < n; i += TN_BLOCK) {                                                       \
            const int64_t now = TN_MIN(TN_BLOCK, n - i);                                                  \
            tn_widen(T, now, (const uint16_t *)x + i, wide);                                              \
            if (f > TN_FOLD_SQUARES) {                                                                    \
                run(f, now, wide, acc);                                                                   \
            } else {                                                                                      \
                part[0] = 0;                                                                              \
                run(f, now, wide, part);                                                                  \
                sum += (double)part[0];                                                                   \
            }                                                                                             \
        }                                                                                                 \
        if (f <= TN_FOLD_SQUARES) *(float *)acc += (float)sum;                                            \
    }                                                                                                     \
    static void cols_##name(tn_fold f, int64_t rows, int64_t n, int64_t stride, const void *x, void *acc) \
    {                                                                                                     \
        float wide[TN_BLOCK];                                                                             \
        for (int64_t i = 0; i < rows; i++)                                                                \
            for (int64_t j = 0; j < n; j += TN_BLOCK) {                                                   \
                const int64_t now = TN_MIN(TN_BLOCK, n - j);                                              \
                tn_widen(T, now, (const uint16_t *)x + i * stride + j, wide);                             \
                cols(f, 1, now, 0, wide, (float *)acc + j);                                               \
            }                                                                                             \
    }                                                                                                     \
    static void finish_##name(tn_reduce_op op, int64_t group, int64_t n, const void *acc, void *out)      \
    {                                                                                                     \
        float done[TN_BLOCK];                                                                             \
        for (int64_t i = 0; i < n; i += TN_BLOCK) {                                                       \
            const int64_t now = TN_MIN(TN_BLOCK, n - i);                                                  \
            finish(op, group, now, (const float *)acc + i, done);                                         \
            tn_narrow(T, now, done, (uint16_t *)out + i);                                                 \
        }                                                                                                 \
    }
SHORT(f16, TN_HALF)
SHORT(bf16, TN_BFLOAT16)

/* ---- softmax's rows ---- */

static float exp_sum(int64_t n, const float *x, float shift, float *out)
{
    float total = 0, e[64];
    for (int64_t i = 0; i < n; i += 64) {
        const int now = (int)TN_MIN(64, n - i);
        float *to = out ? out + i : e;
#pragma omp simd
        for (int j = 0; j < now; j++) to[j] = m_exp(x[i + j] - shift);
        total += run_SUM(now, to);
    }
    return total;
}

static void scale(int64_t n, float factor, float *x)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) x[i] *= factor;
}

const tn_reduce_isa TN_ISA_SYM(tn_isa_reduce) = {
    {4, 4, start, run, cols, merge, finish},
    {2, 4, start, run_f16, cols_f16, merge, finish_f16},
    {2, 4, start, run_bf16, cols_bf16, merge, finish_bf16},
    run_MAX,
    exp_sum,
    scale,
};
