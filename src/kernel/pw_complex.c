/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_complex.c - element-wise operators of complex numbers.
 */
#include <complex.h>

#include "pw_loops.h"
#include "walk.h"

/* F: the name of a <complex.h> function for the type; R the real type, T the complex one. */
#define FAMILY(P, T, R, F)                                                      \
    PW1(P##_IDENTITY, T, T, x)                                                  \
    PW1(P##_NEG, T, T, -x)                                                      \
    PW1(P##_SIGN, T, T, x == 0 ? 0 : x / F(cabs)(x))                            \
    PW1(P##_SQUARE, T, T, x *x)                                                 \
    PW1(P##_SQRT, T, T, F(csqrt)(x))                                            \
    PW1(P##_RSQRT, T, T, 1 / F(csqrt)(x))                                       \
    PW1(P##_RECIPROCAL, T, T, 1 / x)                                            \
    PW1(P##_EXP, T, T, F(cexp)(x))                                              \
    PW1(P##_EXPM1, T, T, F(cexp)(x) - 1)                                        \
    PW1(P##_LOG, T, T, F(clog)(x))                                              \
    PW1(P##_LOG1P, T, T, F(clog)(1 + x))                                        \
    PW1(P##_SIN, T, T, F(csin)(x))                                              \
    PW1(P##_COS, T, T, F(ccos)(x))                                              \
    PW1(P##_TAN, T, T, F(ctan)(x))                                              \
    PW1(P##_ASIN, T, T, F(casin)(x))                                            \
    PW1(P##_ACOS, T, T, F(cacos)(x))                                            \
    PW1(P##_ATAN, T, T, F(catan)(x))                                            \
    PW1(P##_SINH, T, T, F(csinh)(x))                                            \
    PW1(P##_COSH, T, T, F(ccosh)(x))                                            \
    PW1(P##_TANH, T, T, F(ctanh)(x))                                            \
    PW1(P##_ASINH, T, T, F(casinh)(x))                                          \
    PW1(P##_ACOSH, T, T, F(cacosh)(x))                                          \
    PW1(P##_ATANH, T, T, F(catanh)(x))                                          \
    PW1(P##_SIGMOID, T, T, 1 / (1 + F(cexp)(-x)))                               \
    PW1(P##_CONJ, T, T, F(conj)(x))                                             \
    PW1(P##_REAL, T, R, F(creal)(x))                                            \
    PW1(P##_IMAG, T, R, F(cimag)(x))                                            \
    PW1(P##_COMPLEX_ABS, T, R, F(cabs)(x))                                      \
    PW1(P##_ANGLE, T, R, F(carg)(x))                                            \
    PW2(P##_ADD, T, T, x + y)                                                   \
    PW2(P##_SUB, T, T, x - y)                                                   \
    PW2(P##_MUL, T, T, x *y)                                                    \
    PW2(P##_DIV, T, T, x / y)                                                   \
    PW2(P##_DIV_NO_NAN, T, T, y == 0 ? 0 : x / y)                               \
    PW2(P##_MUL_NO_NAN, T, T, y == 0 ? 0 : x * y)                               \
    PW2(P##_POW, T, T, y == 0 ? 1 : x == 0 ? 0 : F(cpow)(x, y))                 \
    PW2(P##_SQUARED_DIFFERENCE, T, T, (x - y) * F(conj)(x - y))                 \
    PW2(P##_XLOGY, T, T, x == 0 ? 0 : x * F(clog)(y))                           \
    PW2(P##_XLOG1PY, T, T, x == 0 ? 0 : x * F(clog)(1 + y))                     \
    PW2(P##_XDIVY, T, T, x == 0 ? 0 : x / y)                                    \
    PW2(P##_EQUAL, T, uint8_t, x == y)                                          \
    PW2(P##_NOT_EQUAL, T, uint8_t, x != y)                                      \
    PW2(P##_APPROX_EQUAL, T, uint8_t, F(cabs)(x - y) < attr)                    \
    PW2(P##_TANH_GRAD, T, T, y *(1 - x * x))                                    \
    PW2(P##_SIGMOID_GRAD, T, T, y *x *(1 - x))                                  \
    PW2(P##_RECIPROCAL_GRAD, T, T, y == 0 ? 0 : -y * F(conj)(x * x))            \
    PW2(P##_SQRT_GRAD, T, T, y == 0 ? 0 : y * (R)0.5 / F(conj)(x))             \
    PW2(P##_RSQRT_GRAD, T, T, y == 0 ? 0 : (R)-0.5 * y * F(conj)(x * x * x))   \
    PW_HEAD(P##_COMPLEX)                                                        \
    {                                                                           \
        const R *re = av, *im = bv;                                             \
        R *o = ov;                                                              \
        (void)cv, (void)attr;                                                   \
        for (int64_t i = 0; i < n; i++) o[2 * i] = re[i], o[2 * i + 1] = im[i]; \
        return 0;                                                               \
    }                                                                           \
    static const tn_pw_any P##_table[TN_PW_COUNT] = {ROWS(P)};

#define ROW(P, name) [TN_PW_##name] = P##_##name
#define ROWS(P)                                                                                            \
    ROW(P, IDENTITY), ROW(P, NEG), ROW(P, SIGN), ROW(P, SQUARE), ROW(P, SQRT), ROW(P, RSQRT),              \
        ROW(P, RECIPROCAL), ROW(P, EXP), ROW(P, EXPM1), ROW(P, LOG), ROW(P, LOG1P), ROW(P, SIN),           \
        ROW(P, COS), ROW(P, TAN), ROW(P, SINH), ROW(P, ASIN), ROW(P, ACOS), ROW(P, ATAN), ROW(P, XLOG1PY), \
        ROW(P, COSH), ROW(P, TANH), ROW(P, ASINH), ROW(P, ACOSH), ROW(P, ATANH), ROW(P, SIGMOID),          \
        ROW(P, CONJ), ROW(P, REAL), ROW(P, IMAG), ROW(P, COMPLEX_ABS), ROW(P, ANGLE), ROW(P, ADD),         \
        ROW(P, SUB), ROW(P, MUL), ROW(P, DIV), ROW(P, DIV_NO_NAN), ROW(P, MUL_NO_NAN), ROW(P, POW),        \
        ROW(P, SQUARED_DIFFERENCE), ROW(P, XLOGY), ROW(P, XDIVY), ROW(P, EQUAL), ROW(P, NOT_EQUAL),        \
        ROW(P, APPROX_EQUAL), ROW(P, TANH_GRAD), ROW(P, SIGMOID_GRAD), ROW(P, RECIPROCAL_GRAD),            \
        ROW(P, SQRT_GRAD), ROW(P, RSQRT_GRAD)

#define WITH_F(name) name##f
#define AS_IT_IS(name) name
FAMILY(c64, float complex, float, WITH_F)
FAMILY(c128, double complex, double, AS_IT_IS)

tn_pw_any tn_pw_complex_of(tn_pw_op op, tn_dtype t)
{
    if (op == TN_PW_COMPLEX) return t == TN_FLOAT ? c64_COMPLEX : t == TN_DOUBLE ? c128_COMPLEX : NULL;
    return t == TN_COMPLEX64 ? c64_table[op] : t == TN_COMPLEX128 ? c128_table[op] : NULL;
}
