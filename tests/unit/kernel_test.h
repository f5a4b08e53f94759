/* SPDX-License-Identifier: Apache-2.0
 *
 * kernel_test.h - what the kernels' tests share: numbers that are always the same, levels of instructions.
 */
#ifndef KERNEL_TEST_H
#define KERNEL_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/kernel.h"

typedef struct numbers {
    uint64_t state;
} numbers;
static inline uint32_t number_next(numbers *r)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->state >> 33);
}
/* In [lo, hi). */
static inline float number_float(numbers *r, float lo, float hi)
{
    return lo + (hi - lo) * (float)(number_next(r) & 0xffffff) / 16777216.0f;
}
static inline int64_t number_int(numbers *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(number_next(r) % (uint64_t)(hi - lo));
}
static inline void fill_floats(numbers *r, float *x, int64_t n, float lo, float hi)
{
    for (int64_t i = 0; i < n; i++) x[i] = number_float(r, lo, hi);
}
static inline float *new_floats(int64_t n)
{
    float *x = tn_aligned_alloc((size_t)(n > 0 ? n : 1) * sizeof(float));
    assert_non_null(x);
    return x;
}
/* The first element of a farther from b than rel * |b| + abs; -1: none. NaN equals NaN. */
static inline int64_t first_far(const float *a, const float *b, int64_t n, double rel, double abs)
{
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]) && isnan(b[i])) continue;
        if (a[i] == b[i]) continue;
        if (!(fabs((double)a[i] - (double)b[i]) <= rel * fabs((double)b[i]) + abs)) {
            print_message("element %lld: %.9g instead of %.9g\n", (long long)i, (double)a[i], (double)b[i]);
            return i;
        }
    }
    return -1;
}
#define FOR_LEVELS(level)                                                                            \
    for (int level = TN_ISA_BASE; level <= (int)tn_isa_best(); level++, tn_isa_limit(TN_ISA_LEVELS)) \
        if (tn_isa_limit((tn_isa_level)level), 1)

#endif
