/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_type.h - the folds of one element type, by plain loops: included by reduce_types.c once per type
 * with T, A (the accumulator), LOWEST, HIGHEST, ORDERED (has <), NAME and NORM(x) (|x| squared) defined.
 * Deliberately without a guard.
 */
static inline A NAME(first)(tn_fold f)
{
    switch (f) {
    case TN_FOLD_MAX: return LOWEST;
    case TN_FOLD_MIN: return HIGHEST;
    case TN_FOLD_PROD:
    case TN_FOLD_ALL: return 1;
    default: return 0;
    }
}
static inline A NAME(step)(tn_fold f, A a, A x)
{
    switch (f) {
#if ORDERED
    case TN_FOLD_MAX: return x > a || x != x ? x : a;
    case TN_FOLD_MIN: return x < a || x != x ? x : a;
#endif
    case TN_FOLD_PROD: return a * x;
    case TN_FOLD_SQUARES: return a + NORM(x);
    case TN_FOLD_ALL: return a != 0 && x != 0;
    case TN_FOLD_ANY: return a != 0 || x != 0;
    default: return a + x;
    }
}
static inline A NAME(join)(tn_fold f, A a, A b)
{
    return NAME(step)(f == TN_FOLD_SQUARES ? TN_FOLD_SUM : f, a, b);
}

/* f is a constant in each call: the switch disappears. Eight sums side by side. */
static inline __attribute__((always_inline)) A NAME(run_of)(tn_fold f, int64_t n, const T *x)
{
    A lane[8];
    int64_t i = 0;
    for (int l = 0; l < 8; l++) lane[l] = NAME(first)(f);
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) lane[l] = NAME(step)(f, lane[l], (A)x[i + l]);
    for (int l = 0; i < n; i++, l++) lane[l] = NAME(step)(f, lane[l], (A)x[i]);
    for (int h = 4; h > 0; h /= 2)
        for (int l = 0; l < h; l++) lane[l] = NAME(join)(f, lane[l], lane[l + h]);
    return lane[0];
}
static inline __attribute__((always_inline)) void NAME(cols_of)(tn_fold f, int64_t rows, int64_t cols,
                                                                int64_t stride, const T *x, A *acc)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++) acc[j] = NAME(step)(f, acc[j], (A)x[i * stride + j]);
}

#define EACH(call)                                      \
    switch (f) {                                        \
    case TN_FOLD_SUM: call(TN_FOLD_SUM); break;         \
    case TN_FOLD_SQUARES: call(TN_FOLD_SQUARES); break; \
    case TN_FOLD_MAX: call(TN_FOLD_MAX); break;         \
    case TN_FOLD_MIN: call(TN_FOLD_MIN); break;         \
    case TN_FOLD_PROD: call(TN_FOLD_PROD); break;       \
    case TN_FOLD_ALL: call(TN_FOLD_ALL); break;         \
    default: call(TN_FOLD_ANY); break;                  \
    }

static void NAME(start)(tn_fold f, int64_t n, void *acc)
{
    for (int64_t i = 0; i < n; i++) ((A *)acc)[i] = NAME(first)(f);
}
static void NAME(run)(tn_fold f, int64_t n, const void *x, void *acc)
{
#define CALL(fold) *(A *)acc = NAME(join)(fold, *(A *)acc, NAME(run_of)(fold, n, x))
    EACH(CALL)
#undef CALL
}
static void NAME(cols)(tn_fold f, int64_t rows, int64_t cols, int64_t stride, const void *x, void *acc)
{
#define CALL(fold) NAME(cols_of)(fold, rows, cols, stride, x, acc)
    EACH(CALL)
#undef CALL
}
#undef EACH
static void NAME(merge)(tn_fold f, int64_t n, const void *from, void *acc)
{
    for (int64_t i = 0; i < n; i++) ((A *)acc)[i] = NAME(join)(f, ((A *)acc)[i], ((const A *)from)[i]);
}
static void NAME(finish)(tn_reduce_op op, int64_t group, int64_t n, const void *acc, void *out)
{
    for (int64_t i = 0; i < n; i++) {
        A a = ((const A *)acc)[i];
        if (op == TN_REDUCE_MEAN) a = group ? a / (A)group : MEAN_OF_NONE;
        if (op == TN_REDUCE_EUCLIDEAN) a = ROOT(a);
        ((T *)out)[i] = (T)a;
    }
}
static const tn_reduce_type NAME(type) = {sizeof(T),  sizeof(A),   NAME(start), NAME(run),
                                          NAME(cols), NAME(merge), NAME(finish)};
#undef T
#undef A
#undef LOWEST
#undef HIGHEST
#undef ORDERED
#undef NAME
#undef NORM
#undef ROOT
#undef MEAN_OF_NONE
