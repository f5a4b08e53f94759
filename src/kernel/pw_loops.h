/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_loops.h - the shape of the loops in pw_types.c, pw_double.c and pw_complex.c: one macro per arity,
 * element types by name, the expression in x, y, z; and which operators the tables of floats and doubles share.
 */
#ifndef TN_PW_LOOPS_H
#define TN_PW_LOOPS_H

#define PW_HEAD(fn) \
    static unsigned fn(int64_t n, const void *av, const void *bv, const void *cv, double attr, void *ov)
#define PW1(fn, T, R, expr)               \
    PW_HEAD(fn)                           \
    {                                     \
        const T *a = av;                  \
        R *o = ov;                        \
        unsigned fault = 0;               \
        (void)bv, (void)cv, (void)attr;   \
        for (int64_t i = 0; i < n; i++) { \
            const T x = a[i];             \
            o[i] = (R)(expr);             \
        }                                 \
        return fault;                     \
    }
#define PW2(fn, T, R, expr)               \
    PW_HEAD(fn)                           \
    {                                     \
        const T *a = av, *b = bv;         \
        R *o = ov;                        \
        unsigned fault = 0;               \
        (void)cv, (void)attr;             \
        for (int64_t i = 0; i < n; i++) { \
            const T x = a[i], y = b[i];   \
            o[i] = (R)(expr);             \
        }                                 \
        return fault;                     \
    }
#define PW3(fn, A, T, R, expr)            \
    PW_HEAD(fn)                           \
    {                                     \
        const A *a = av;                  \
        const T *b = bv, *c = cv;         \
        R *o = ov;                        \
        unsigned fault = 0;               \
        (void)attr;                       \
        for (int64_t i = 0; i < n; i++) { \
            const A x = a[i];             \
            const T y = b[i], z = c[i];   \
            o[i] = (R)(expr);             \
        }                                 \
        return fault;                     \
    }

/* The operators that floats and doubles have alike, each by ROW(name): rows of a table of loops. */
#define TN_PW_REAL_ROWS(ROW)                                                                                \
    ROW(IDENTITY) ROW(NEG) ROW(ABS) ROW(SIGN) ROW(SQUARE) ROW(SQRT) ROW(RSQRT) ROW(RECIPROCAL) ROW(EXP)     \
    ROW(EXPM1) ROW(LOG) ROW(LOG1P) ROW(SIN) ROW(COS) ROW(TAN) ROW(ASIN) ROW(ACOS) ROW(ATAN) ROW(SINH)       \
    ROW(COSH) ROW(TANH) ROW(ASINH) ROW(ACOSH) ROW(ATANH) ROW(SIGMOID) ROW(SOFTPLUS) ROW(SOFTSIGN) ROW(RELU) \
    ROW(RELU6) ROW(ELU) ROW(SELU) ROW(LEAKY_RELU) ROW(ERF) ROW(ERFC) ROW(LGAMMA) ROW(DIGAMMA) ROW(NDTRI)    \
    ROW(ERFINV) ROW(FLOOR) ROW(CEIL) ROW(RINT) ROW(IS_NAN) ROW(IS_INF) ROW(IS_FINITE) ROW(ADD) ROW(SUB)     \
    ROW(MUL) ROW(DIV) ROW(DIV_NO_NAN) ROW(MUL_NO_NAN) ROW(FLOOR_DIV) ROW(FLOOR_MOD) ROW(TRUNC_DIV)          \
    ROW(TRUNC_MOD) ROW(POW) ROW(MAXIMUM) ROW(MINIMUM) ROW(SQUARED_DIFFERENCE) ROW(ATAN2) ROW(XLOGY)         \
    ROW(XLOG1PY) ROW(XDIVY) ROW(EQUAL) ROW(NOT_EQUAL) ROW(LESS) ROW(LESS_EQUAL) ROW(GREATER)                \
    ROW(GREATER_EQUAL) ROW(APPROX_EQUAL) ROW(TANH_GRAD) ROW(SIGMOID_GRAD) ROW(SQRT_GRAD) ROW(RSQRT_GRAD)    \
    ROW(RECIPROCAL_GRAD) ROW(RELU_GRAD) ROW(RELU6_GRAD) ROW(ELU_GRAD) ROW(SELU_GRAD) ROW(LEAKY_RELU_GRAD)   \
    ROW(SOFTPLUS_GRAD) ROW(SOFTSIGN_GRAD) ROW(CLIP) ROW(FMA)

#endif
