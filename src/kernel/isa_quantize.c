/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_quantize.c - the table of isa_quantize.h for one level of instructions. Compiled so that no product and sum
 * become one: what lies between two steps is rounded as TensorFlow rounds it.
 */
#include "isa_quantize.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))
#define BELOW_HALF 0x1.fffffep-2f
#define BELOW_HALF_DOUBLE 0x1.fffffffffffffp-2

INLINE float rounded(tn_step_round round, float y)
{
    if (round == TN_STEP_EVEN) return rintf(y);
    if (round == TN_STEP_UP) return floorf(y + 0.5f);
    return truncf(y + (y < 0 ? -BELOW_HALF : BELOW_HALF));
}

/* As the processor: what is no int32 becomes the least. */
INLINE int32_t to_int(double v)
{
    return v >= -2147483648.0 && v < 2147483648.0 ? (int32_t)v : INT32_MIN;
}
INLINE int32_t to_int_float(float v)
{
    return v >= -2147483648.0f && v < 2147483648.0f ? (int32_t)v : INT32_MIN;
}

/* For floats NaN stays, for integers it is the least. */
INLINE float stepped(tn_step_round round, bool whole, const tn_step_block *s, int64_t k, float x)
{
    float v = whole ? (x > s->low[k] ? x : s->low[k]) : (x < s->low[k] ? s->low[k] : x);
    v = v > s->high[k] ? s->high[k] : v;
    return rounded(round, (v - s->shift[k]) * s->by[k] - s->less[k]);
}

#define LOOP(T, WHOLE, ROUND, AT, EXPR)            \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) \
    {                                              \
        const float v = stepped(ROUND, WHOLE, s, AT, x[i]); \
        ((T *)y)[i] = (T)(EXPR);                   \
    }
#define LOOPS(ROUND, AT)                                                      \
    switch (to) {                                                             \
    case TN_FLOAT: LOOP(float, false, ROUND, AT, v *s->back[AT]) break;       \
    case TN_QINT8: LOOP(int8_t, true, ROUND, AT, to_int_float(v)) break;      \
    case TN_QUINT8: LOOP(uint8_t, true, ROUND, AT, to_int_float(v)) break;    \
    case TN_QINT16: LOOP(int16_t, true, ROUND, AT, to_int_float(v)) break;    \
    case TN_QUINT16: LOOP(uint16_t, true, ROUND, AT, to_int_float(v)) break;  \
    default: LOOP(int32_t, true, ROUND, AT, to_int_float(v))                  \
    }

static void step(tn_step_round round, tn_dtype to, bool each, const tn_step_block *given, int64_t n,
                 const float *x, void *y)
{
    const tn_step_block copy = *given, *s = &copy; /* nothing written to y changes it */
    if (round == TN_STEP_EVEN && each) {
        LOOPS(TN_STEP_EVEN, i)
    } else if (round == TN_STEP_EVEN) {
        LOOPS(TN_STEP_EVEN, 0)
    } else if (round == TN_STEP_UP && each) {
        LOOPS(TN_STEP_UP, i)
    } else if (round == TN_STEP_UP) {
        LOOPS(TN_STEP_UP, 0)
    } else if (each) {
        LOOPS(TN_STEP_AWAY, i)
    } else {
        LOOPS(TN_STEP_AWAY, 0)
    }
}

#define FIRST(T)                                                                                  \
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                           \
    {                                                                                             \
        const double v = (double)x[i] * by;                                                       \
        const double r = trunc(v + (v < 0 ? -BELOW_HALF_DOUBLE : BELOW_HALF_DOUBLE)) - less;      \
        ((T *)y)[i] = (T)to_int(r < first ? first : r > last ? last : r);                         \
    }

static void in_doubles(tn_dtype to, double by, double less, double first, double last, int64_t n,
                       const float *x, void *y)
{
    switch (to) {
    case TN_QINT8: FIRST(int8_t) break;
    case TN_QUINT8: FIRST(uint8_t) break;
    case TN_QINT16: FIRST(int16_t) break;
    case TN_QUINT16: FIRST(uint16_t) break;
    default: FIRST(int32_t)
    }
}

#define BACK(T, R)                                                                                              \
    {                                                                                                           \
        const R add = (R)shift, times = (R)by, at = (R)plus;                                                    \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = (float)(((R)((const T *)x)[i] + add) * times + at); \
    }
#define BACK_FROM(R)                            \
    switch (from) {                             \
    case TN_QINT8: BACK(int8_t, R) break;       \
    case TN_QUINT8: BACK(uint8_t, R) break;     \
    case TN_QINT16: BACK(int16_t, R) break;     \
    case TN_QUINT16: BACK(uint16_t, R) break;   \
    default: BACK(int32_t, R)                   \
    }

static void back(tn_dtype from, bool doubles, double shift, double by, double plus, int64_t n, const void *x, float *y)
{
    if (doubles) BACK_FROM(double)
    else
        BACK_FROM(float)
}

static void pass(bool each, const float *low, const float *high, int64_t n, const float *dy, const float *x, float *dx,
                 double *below, double *above)
{
    if (each) {
        for (int64_t i = 0; i < n; i++) {
            const bool under = x[i] < low[i], over = x[i] > high[i];
            below[i] += under ? (double)dy[i] : 0;
            above[i] += over ? (double)dy[i] : 0;
            dx[i] = x[i] >= low[i] && x[i] <= high[i] ? dy[i] : 0;
        }
        return;
    }
    const float a = *low, b = *high;
    double under = 0, over = 0;
    _Pragma("omp simd reduction(+ : under, over)") for (int64_t i = 0; i < n; i++)
    {
        under += x[i] < a ? (double)dy[i] : 0;
        over += x[i] > b ? (double)dy[i] : 0;
        dx[i] = x[i] >= a && x[i] <= b ? dy[i] : 0;
    }
    *below += under;
    *above += over;
}

typedef float vec __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef int32_t bits __attribute__((vector_size(VBYTES), aligned(4), may_alias));
enum { VL = VBYTES / sizeof(float) };

static inline vec chosen(bits first, vec a, vec b)
{
    return (vec)((first & (bits)a) | (~first & (bits)b));
}

/* NaNs are passed over. */
static void ends_of_all(int64_t n, const float *x, float *min, float *max)
{
    vec a = (vec){0} + *min, b = (vec){0} + *max;
    int64_t i = 0;
    for (; i + VL <= n; i += VL) {
        const vec v = *(const vec *)(x + i);
        a = chosen(v < a, v, a);
        b = chosen(v > b, v, b);
    }
    for (int k = 0; k < VL; k++) {
        *min = a[k] < *min ? a[k] : *min;
        *max = b[k] > *max ? b[k] : *max;
    }
    for (; i < n; i++) {
        *min = x[i] < *min ? x[i] : *min;
        *max = x[i] > *max ? x[i] : *max;
    }
}

static void ends(bool each, int64_t n, const float *x, float *min, float *max)
{
    if (!each) {
        ends_of_all(n, x, min, max);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        min[i] = x[i] < min[i] ? x[i] : min[i];
        max[i] = x[i] > max[i] ? x[i] : max[i];
    }
}

const tn_quantize_isa TN_ISA_SYM(tn_isa_quantize) = {step, in_doubles, back, pass, ends};
