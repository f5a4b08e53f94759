/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_double.c - element-wise operators of doubles, through the C library.
 */
#include <math.h>

#include "pw_loops.h"
#include "special.h"
#include "walk.h"

#define ALPHA 1.7580993408473768599402175208123 /* selu's scale * alpha */
#define SCALE 1.0507009873554804934193349852946
#define D1(name, expr) PW1(d_##name, double, double, expr)
#define D2(name, expr) PW2(d_##name, double, double, expr)
#define C1(name, expr) PW1(d_##name, double, uint8_t, expr)
#define C2(name, expr) PW2(d_##name, double, uint8_t, expr)

static inline double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

D1(IDENTITY, x)
D1(NEG, -x)
D1(ABS, fabs(x))
D1(SIGN, x > 0 ? 1 : x < 0 ? -1 : x != x ? x : 0)
D1(SQUARE, x *x)
D1(SQRT, sqrt(x))
D1(RSQRT, 1 / sqrt(x))
D1(RECIPROCAL, 1 / x)
D1(EXP, exp(x))
D1(EXPM1, expm1(x))
D1(LOG, log(x))
D1(LOG1P, log1p(x))
D1(SIN, sin(x))
D1(COS, cos(x))
D1(TAN, tan(x))
D1(ASIN, asin(x))
D1(ACOS, acos(x))
D1(ATAN, atan(x))
D1(SINH, sinh(x))
D1(COSH, cosh(x))
D1(TANH, tanh(x))
D1(ASINH, asinh(x))
D1(ACOSH, acosh(x))
D1(ATANH, atanh(x))
D1(SIGMOID, sigmoid(x))
D1(SOFTPLUS, (x < 0 ? 0 : x) + log1p(exp(-fabs(x))))
D1(SOFTSIGN, x / (1 + fabs(x)))
D1(RELU, x < 0 ? 0 : x)
D1(RELU6, x<0 ? 0 : x> 6 ? 6 : x)
D1(ELU, x < 0 ? expm1(x) : x)
D1(SELU, x < 0 ? ALPHA * expm1(x) : SCALE * x)
D1(LEAKY_RELU, x > 0 ? x : x * attr)
D1(ERF, erf(x))
D1(ERFC, erfc(x))
D1(LGAMMA, tn_lgamma(x))
D1(DIGAMMA, tn_digamma(x))
D1(NDTRI, tn_ndtri(x))
D1(ERFINV, tn_erfinv(x))
D1(FLOOR, floor(x))
D1(CEIL, ceil(x))
D1(RINT, rint(x))
C1(IS_NAN, x != x)
C1(IS_INF, fabs(x) == INFINITY)
C1(IS_FINITE, fabs(x) < INFINITY)
D2(ADD, x + y)
D2(SUB, x - y)
D2(MUL, x *y)
D2(DIV, x / y)
D2(DIV_NO_NAN, y == 0 ? 0 : x / y)
D2(MUL_NO_NAN, y == 0 ? 0 : x * y)
D2(FLOOR_DIV, floor(x / y))
D2(FLOOR_MOD, tn_floor_mod(x, y))
D2(TRUNC_DIV, trunc(x / y))
D2(TRUNC_MOD, fmod(x, y))
D2(POW, pow(x, y))
D2(MAXIMUM, x != x ? x : x < y || y != y ? y : x)
D2(MINIMUM, x != x ? x : y < x || y != y ? y : x)
D2(SQUARED_DIFFERENCE, (x - y) * (x - y))
D2(ATAN2, atan2(x, y))
D2(XLOGY, x == 0 ? 0 : x * log(y))
D2(XLOG1PY, x == 0 ? 0 : x * log1p(y))
D2(XDIVY, x == 0 ? 0 : x / y)
C2(EQUAL, x == y)
C2(NOT_EQUAL, x != y)
C2(LESS, x < y)
C2(LESS_EQUAL, x <= y)
C2(GREATER, x > y)
C2(GREATER_EQUAL, x >= y)
C2(APPROX_EQUAL, fabs(x - y) < attr)
D2(TANH_GRAD, y *(1 - x * x))
D2(SIGMOID_GRAD, y *x *(1 - x))
/* As TensorFlow: no gradient stays none, also where the slope is infinite. */
D2(SQRT_GRAD, y == 0 ? 0 : y * 0.5 / x)
D2(RSQRT_GRAD, y == 0 ? 0 : -0.5 * y * (x * x * x))
D2(RECIPROCAL_GRAD, y == 0 ? 0 : -y *x *x)
D2(RELU_GRAD, y > 0 ? x : 0)
D2(RELU6_GRAD, y > 0 && y < 6 ? x : 0)
D2(ELU_GRAD, y < 0 ? (y + 1) * x : x)
D2(SELU_GRAD, y < 0 ? (y + ALPHA) * x : SCALE * x)
D2(LEAKY_RELU_GRAD, y > 0 ? x : x * attr)
D2(SOFTPLUS_GRAD, x *sigmoid(y))
D2(SOFTSIGN_GRAD, x / ((1 + fabs(y)) * (1 + fabs(y))))
PW3(d_CLIP, double, double, double, x<y ? y : x> z ? z : x)
PW3(d_FMA, double, double, double, x *y + z)

#define ROW(name) [TN_PW_##name] = d_##name,
static const tn_pw_any table[TN_PW_COUNT] = {
    TN_PW_REAL_ROWS(ROW)
};

tn_pw_any tn_pw_double_of(tn_pw_op op)
{
    return table[op];
}
