/* SPDX-License-Identifier: Apache-2.0
 *
 * isa_pw.c - the table of isa_pw.h for one level of instructions. One line per operator: what it makes of
 * x (and y, z). Functions without a vector form here go through the C library, element by element.
 */
#include "isa_pw.h"
#include "isa_math.h"
#include "pw_loops.h"
#include "special.h"

#define UNARY(name, expr)                                                                                   \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)b, (void)c, (void)attr;                                                                       \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                 \
        {                                                                                                   \
            const float x = a[i];                                                                           \
            out[i] = (expr);                                                                                \
        }                                                                                                   \
    }
#define BINARY(name, expr)                                                                                  \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)c, (void)attr;                                                                                \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                 \
        {                                                                                                   \
            const float x = a[i], y = b[i];                                                                 \
            out[i] = (expr);                                                                                \
        }                                                                                                   \
    }
#define TERNARY(name, expr)                                                                                 \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)attr;                                                                                         \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                 \
        {                                                                                                   \
            const float x = a[i], y = b[i], z = c[i];                                                       \
            out[i] = (expr);                                                                                \
        }                                                                                                   \
    }
/* Through the C library: no vector form. */
#define SCALAR(name, expr)                                                                                  \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)b, (void)c, (void)attr;                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            const float x = a[i];                                                                           \
            out[i] = (expr);                                                                                \
        }                                                                                                   \
    }
#define SCALAR2(name, expr)                                                                                 \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)c, (void)attr;                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            const float x = a[i], y = b[i];                                                                 \
            out[i] = (expr);                                                                                \
        }                                                                                                   \
    }
#define ALPHA 1.7580993408473768599402175208123f /* selu's scale * alpha */
#define SCALE 1.0507009873554804934193349852946f

UNARY(IDENTITY, x)
UNARY(NEG, -x)
UNARY(ABS, fabsf(x))
UNARY(SIGN, x > 0 ? 1.0f : x < 0 ? -1.0f : x != x ? x : 0.0f)
UNARY(SQUARE, x *x)
UNARY(SQRT, sqrtf(x))
UNARY(RSQRT, 1.0f / sqrtf(x))
UNARY(RECIPROCAL, 1.0f / x)
UNARY(EXP, m_exp(x))
UNARY(EXPM1, m_expm1(x))
UNARY(LOG, m_log(x))
UNARY(LOG1P, m_log1p(x))
SCALAR(TAN, tanf(x))
UNARY(ASIN, m_asin(x))
UNARY(ACOS, m_acos(x))
UNARY(ATAN, m_atan(x))
SCALAR(SINH, sinhf(x))
SCALAR(COSH, coshf(x))
UNARY(TANH, m_tanh(x))
SCALAR(ASINH, asinhf(x))
SCALAR(ACOSH, acoshf(x))
SCALAR(ATANH, atanhf(x))
UNARY(SIGMOID, m_sigmoid(x))
UNARY(SOFTPLUS, m_softplus(x))
UNARY(SOFTSIGN, x / (1.0f + fabsf(x)))
UNARY(RELU, x < 0 ? 0.0f : x)
UNARY(RELU6, x<0 ? 0.0f : x> 6 ? 6.0f : x)
UNARY(ELU, x < 0 ? m_expm1(x) : x)
UNARY(SELU, x < 0 ? ALPHA * m_expm1(x) : SCALE * x)
UNARY(LEAKY_RELU, x > 0 ? x : x * attr)
UNARY(ERF, m_erf(x))
UNARY(ERFC, m_erfc(x))
SCALAR(LGAMMA, (float)tn_lgamma((double)x))
SCALAR(DIGAMMA, (float)tn_digamma((double)x))
SCALAR(NDTRI, (float)tn_ndtri((double)x))
SCALAR(ERFINV, tn_erfinv_float(x))
UNARY(FLOOR, floorf(x))
UNARY(CEIL, ceilf(x))
UNARY(RINT, rintf(x))
UNARY(IS_NAN, x != x ? 1.0f : 0.0f)
UNARY(IS_INF, fabsf(x) == INFINITY ? 1.0f : 0.0f)
UNARY(IS_FINITE, fabsf(x) < INFINITY ? 1.0f : 0.0f)
UNARY(LOGICAL_NOT, x == 0 ? 1.0f : 0.0f)

BINARY(ADD, x + y)
BINARY(SUB, x - y)
BINARY(MUL, x *y)
BINARY(DIV, x / y)
BINARY(DIV_NO_NAN, y == 0 ? 0.0f : x / y)
BINARY(MUL_NO_NAN, y == 0 ? 0.0f : x * y)
BINARY(FLOOR_DIV, floorf(x / y))
SCALAR2(TRUNC_MOD, fmodf(x, y))
BINARY(TRUNC_DIV, truncf(x / y))

/* One exponent for all is the rule, and a simple one. Each element is computed alike whatever stands beside it. */
#define POWERS(exponent) \
    if (y == (exponent)) _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = m_pow_simple(a[i], exponent)
static void f_POW(int64_t n, const float *a, const float *b, const float *c, float attr, float *out)
{
    const float y = n > 0 ? b[0] : 0;
    bool alike = m_pow_is_simple(y);
    (void)c, (void)attr;
    for (int64_t i = 1; alike && i < n; i++) alike = b[i] == y;
    for (int64_t i = 0; !alike && i < n; i++)
        out[i] = m_pow_is_simple(b[i]) ? m_pow_simple(a[i], b[i]) : powf(a[i], b[i]);
    if (!alike) return;
    POWERS(2.0f);
    POWERS(3.0f);
    POWERS(0.5f);
    POWERS(1.0f);
    POWERS(-1.0f);
    POWERS(4.0f);
}
BINARY(MAXIMUM, x != x ? x : x < y || y != y ? y : x)
BINARY(MINIMUM, x != x ? x : y < x || y != y ? y : x)
BINARY(SQUARED_DIFFERENCE, (x - y) * (x - y))
BINARY(ATAN2, m_atan2(x, y))
BINARY(XLOGY, x == 0 ? 0.0f : x * m_log(y))
BINARY(XLOG1PY, x == 0 ? 0.0f : x * m_log1p(y))
BINARY(XDIVY, x == 0 ? 0.0f : x / y)
BINARY(EQUAL, x == y ? 1.0f : 0.0f)
BINARY(NOT_EQUAL, x != y ? 1.0f : 0.0f)
BINARY(LESS, x < y ? 1.0f : 0.0f)
BINARY(LESS_EQUAL, x <= y ? 1.0f : 0.0f)
BINARY(GREATER, x > y ? 1.0f : 0.0f)
BINARY(GREATER_EQUAL, x >= y ? 1.0f : 0.0f)
BINARY(APPROX_EQUAL, fabsf(x - y) < attr ? 1.0f : 0.0f)
BINARY(LOGICAL_AND, x != 0 && y != 0 ? 1.0f : 0.0f)
BINARY(LOGICAL_OR, x != 0 || y != 0 ? 1.0f : 0.0f)
BINARY(TANH_GRAD, y *(1.0f - x * x))
BINARY(SIGMOID_GRAD, y *x *(1.0f - x))
/* As TensorFlow: no gradient stays none, also where the slope is infinite. */
BINARY(SQRT_GRAD, y == 0 ? 0.0f : y * 0.5f / x)
BINARY(RSQRT_GRAD, y == 0 ? 0.0f : -0.5f * y * (x * x * x))
BINARY(RECIPROCAL_GRAD, y == 0 ? 0.0f : -y *x *x)
BINARY(RELU_GRAD, y > 0 ? x : 0.0f)
BINARY(RELU6_GRAD, y > 0 && y < 6 ? x : 0.0f)
BINARY(ELU_GRAD, y < 0 ? (y + 1.0f) * x : x)
BINARY(SELU_GRAD, y < 0 ? (y + ALPHA) * x : SCALE * x)
BINARY(LEAKY_RELU_GRAD, y > 0 ? x : x * attr)
BINARY(SOFTPLUS_GRAD, x *m_sigmoid(y))
BINARY(SOFTSIGN_GRAD, x / ((1.0f + fabsf(y)) * (1.0f + fabsf(y))))
TERNARY(SELECT, x != 0 ? y : z)
TERNARY(CLIP, x<y ? y : x> z ? z : x)
TERNARY(FMA, x *y + z)

/* The remainder with the divisor's sign. */
SCALAR2(FLOOR_MOD, tn_floor_mod_float(x, y))

/* Arguments too large for the vector form are done again through the C library (i is in place: kept). */
#define TRIG(name, quarter, exact)                                                                          \
    static void f_##name(int64_t n, const float *a, const float *b, const float *c, float attr, float *out) \
    {                                                                                                       \
        (void)b, (void)c, (void)attr;                                                                       \
        for (int64_t from = 0; from < n; from += 64) {                                                      \
            const int m = (int)TN_MIN(64, n - from);                                                        \
            float kept[64], far = 0;                                                                        \
            for (int i = 0; i < m; i++) kept[i] = a[from + i];                                              \
            for (int i = 0; i < m; i++) far = fabsf(kept[i]) <= M_TRIG_LIMIT ? far : 1.0f;                  \
            for (int i = 0; i < m; i++) out[from + i] = m_trig(kept[i], quarter);                           \
            if (far == 0) continue;                                                                         \
            for (int i = 0; i < m; i++)                                                                     \
                if (!(fabsf(kept[i]) <= M_TRIG_LIMIT)) out[from + i] = exact(kept[i]);                      \
        }                                                                                                   \
    }
TRIG(SIN, 0, sinf)
TRIG(COS, 1, cosf)

#define ROW(name) [TN_PW_##name] = f_##name,
const tn_pw_isa TN_ISA_SYM(tn_isa_pw) = {{
    TN_PW_REAL_ROWS(ROW)
    ROW(LOGICAL_NOT) ROW(LOGICAL_AND) ROW(LOGICAL_OR) ROW(SELECT)
}};
