/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.c - running sums and products, and the index of the greatest or least, along the middle dimension of
 * [outer, n, inner].
 */
#pragma GCC diagnostic ignored "-Wtautological-compare" /* integers are never NaN */

#include <complex.h>
#include <omp.h>

#include "isa.h"

typedef struct scan_job {
    bool prod, exclusive, reverse;
    int64_t n, inner;
} scan_job;

/* One outer slice. GET and PUT convert between memory (M) and the type of the sum (A). */
#define DEFINE_SCAN(name, M, A, GET, PUT)                                              \
    static void scan_##name(const scan_job *j, const void *in, void *out)              \
    {                                                                                  \
        const int64_t first = j->reverse ? j->n - 1 : 0, step = j->reverse ? -1 : 1;   \
        for (int64_t k = 0; k < j->inner; k++) {                                       \
            A total = j->prod ? 1 : 0;                                                 \
            for (int64_t c = 0, i = first; c < j->n; c++, i += step) {                 \
                const A x = (A)GET(((const M *)in)[i * j->inner + k]), before = total; \
                total = j->prod ? total * x : total + x;                               \
                ((M *)out)[i * j->inner + k] = (M)PUT(j->exclusive ? before : total);  \
            }                                                                          \
        }                                                                              \
    }
#define SAME(x) (x)
DEFINE_SCAN(f32, float, float, SAME, SAME)
DEFINE_SCAN(f64, double, double, SAME, SAME)
DEFINE_SCAN(f16, uint16_t, float, tn_half_to_float, tn_float_to_half)
DEFINE_SCAN(bf16, uint16_t, float, tn_bfloat16_to_float, tn_float_to_bfloat16)
DEFINE_SCAN(u8, uint8_t, uint32_t, SAME, SAME) /* signed types wrap the same way */
DEFINE_SCAN(u16, uint16_t, uint32_t, SAME, SAME)
DEFINE_SCAN(u32, uint32_t, uint32_t, SAME, SAME)
DEFINE_SCAN(u64, uint64_t, uint64_t, SAME, SAME)
DEFINE_SCAN(c64, float complex, float complex, SAME, SAME)
DEFINE_SCAN(c128, double complex, double complex, SAME, SAME)

typedef void (*scan_fn)(const scan_job *, const void *, void *);
static scan_fn scan_of(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT: return scan_f32;
    case TN_DOUBLE: return scan_f64;
    case TN_HALF: return scan_f16;
    case TN_BFLOAT16: return scan_bf16;
    case TN_INT8:
    case TN_UINT8: return scan_u8;
    case TN_INT16:
    case TN_UINT16: return scan_u16;
    case TN_INT32:
    case TN_UINT32: return scan_u32;
    case TN_INT64:
    case TN_UINT64: return scan_u64;
    case TN_COMPLEX64: return scan_c64;
    case TN_COMPLEX128: return scan_c128;
    default: return NULL;
    }
}

tn_code tn_scan(bool prod, tn_dtype dtype, int64_t outer, int64_t n, int64_t inner, bool exclusive,
                bool reverse, const void *in, void *out, int threads, tn_error *err)
{
    const scan_job j = {prod, exclusive, reverse, n, inner};
    const scan_fn fn = scan_of(dtype);
    if (!fn) return tn_fail(err, TN_UNIMPLEMENTED, "no running sum of %s", tn_dtype_name(dtype));
    const int64_t slice = n * inner * (int64_t)tn_dtype_size(dtype);
    threads = tn_team(threads, (double)outer * (double)n * (double)inner);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < outer; i++) fn(&j, (const char *)in + i * slice, (char *)out + i * slice);
    return TN_OK;
}

/* ---- argmax, argmin ---- NaN is never chosen */

static inline void put_index(void *out, int64_t k, int64_t at, int size)
{
    switch (size) {
    case 2: ((int16_t *)out)[k] = (int16_t)at; break;
    case 4: ((int32_t *)out)[k] = (int32_t)at; break;
    default: ((int64_t *)out)[k] = at;
    }
}

#define DEFINE_ARG(name, M, A, GET)                                                                  \
    static void arg_##name(bool max, int64_t n, int64_t inner, const void *in, void *out, int size) \
    {                                                                                                \
        for (int64_t k = 0; k < inner; k++) {                                                        \
            int64_t at = -1;                                                                         \
            A best = 0;                                                                              \
            for (int64_t i = 0; i < n; i++) {                                                        \
                const A x = GET(((const M *)in)[i * inner + k]);                                     \
                if (x != x || (at >= 0 && !(max ? x > best : x < best))) continue;                   \
                best = x;                                                                            \
                at = i;                                                                              \
            }                                                                                        \
            put_index(out, k, TN_MAX(at, 0), size);                                                  \
        }                                                                                            \
    }
DEFINE_ARG(f32, float, float, SAME)
DEFINE_ARG(f64, double, double, SAME)
DEFINE_ARG(f16, uint16_t, float, tn_half_to_float)
DEFINE_ARG(bf16, uint16_t, float, tn_bfloat16_to_float)
DEFINE_ARG(i8, int8_t, int8_t, SAME)
DEFINE_ARG(u8, uint8_t, uint8_t, SAME)
DEFINE_ARG(i16, int16_t, int16_t, SAME)
DEFINE_ARG(u16, uint16_t, uint16_t, SAME)
DEFINE_ARG(i32, int32_t, int32_t, SAME)
DEFINE_ARG(u32, uint32_t, uint32_t, SAME)
DEFINE_ARG(i64, int64_t, int64_t, SAME)
DEFINE_ARG(u64, uint64_t, uint64_t, SAME)

typedef void (*arg_fn)(bool, int64_t, int64_t, const void *, void *, int);
static arg_fn arg_of(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT: return arg_f32;
    case TN_DOUBLE: return arg_f64;
    case TN_HALF: return arg_f16;
    case TN_BFLOAT16: return arg_bf16;
    case TN_INT8: return arg_i8;
    case TN_UINT8:
    case TN_BOOL: return arg_u8;
    case TN_INT16: return arg_i16;
    case TN_UINT16: return arg_u16;
    case TN_INT32: return arg_i32;
    case TN_UINT32: return arg_u32;
    case TN_INT64: return arg_i64;
    case TN_UINT64: return arg_u64;
    default: return NULL;
    }
}

tn_code tn_argreduce(bool max, tn_dtype dtype, tn_dtype index, int64_t outer, int64_t n, int64_t inner,
                     const void *in, void *out, int threads, tn_error *err)
{
    const arg_fn fn = arg_of(dtype);
    if (!fn) return tn_fail(err, TN_UNIMPLEMENTED, "no argmax of %s", tn_dtype_name(dtype));
    if (index != TN_INT32 && index != TN_INT64 && index != TN_INT16 && index != TN_UINT16)
        return tn_fail(err, TN_UNIMPLEMENTED, "no argmax with %s results", tn_dtype_name(index));
    const int size = (int)tn_dtype_size(index);
    const int64_t slice = n * inner * (int64_t)tn_dtype_size(dtype), row = inner * size;
    threads = tn_team(threads, (double)outer * (double)n * (double)inner);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < outer; i++)
        fn(max, n, inner, (const char *)in + i * slice, (char *)out + i * row, size);
    return TN_OK;
}
