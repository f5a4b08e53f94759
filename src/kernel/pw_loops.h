/* SPDX-License-Identifier: Apache-2.0
 *
 * pw_loops.h - the shape of the loops in pw_types.c, pw_double.c and pw_complex.c: one macro per arity,
 * element types by name, the expression in x, y, z.
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

#endif
