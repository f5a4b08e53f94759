/* SPDX-License-Identifier: Apache-2.0
 *
 * cast.c - conversion between all the plain element types. A float outside an integer's range gives what
 * x86 and TensorFlow give: the least int32 or int64, then cut to the type's size.
 */
#pragma GCC diagnostic ignored "-Wtype-limits"

#include <omp.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "isa.h"
#include "walk.h"

static inline int32_t as_i32(double x)
{
    return x > -2147483649.0 && x < 2147483648.0 ? (int32_t)x : INT32_MIN;
}
static inline int64_t as_i64(double x)
{
    return x >= -9223372036854775808.0 && x < 9223372036854775808.0 ? (int64_t)x : INT64_MIN;
}
static inline uint64_t as_u64(double x)
{
    return x >= 9223372036854775808.0 && x < 18446744073709551616.0 ? (uint64_t)x : (uint64_t)as_i64(x);
}

/* Rows: name, type, how a float becomes it. */
#define TYPES(X)                                                                                             \
    X(f32, float, (float)x)                                                                                  \
    X(f64, double, (double)x) X(i8, int8_t, (int8_t)as_i32(x)) X(u8, uint8_t, (uint8_t)as_i32(x))            \
        X(i16, int16_t, (int16_t)as_i32(x)) X(u16, uint16_t, (uint16_t)as_i32(x)) X(i32, int32_t, as_i32(x)) \
            X(u32, uint32_t, (uint32_t)as_i64(x)) X(i64, int64_t, as_i64(x)) X(u64, uint64_t, as_u64(x))     \
                X(b8, uint8_t, x != 0)
#define INTS(X)                                                                                     \
    X(f32, float, (float)x)                                                                         \
    X(f64, double, (double)x) X(i8, int8_t, (int8_t)x) X(u8, uint8_t, (uint8_t)x)                   \
        X(i16, int16_t, (int16_t)x) X(u16, uint16_t, (uint16_t)x) X(i32, int32_t, (int32_t)x)       \
            X(u32, uint32_t, (uint32_t)x) X(i64, int64_t, (int64_t)x) X(u64, uint64_t, (uint64_t)x) \
                X(b8, uint8_t, x != 0)

#define LOOP(From, to, To, expr)                  \
    case k_##to:                                  \
        for (int64_t i = 0; i < n; i++) {         \
            const From x = ((const From *)in)[i]; \
            ((To *)out)[i] = (expr);              \
        }                                         \
        break;
enum kind { k_f32, k_f64, k_i8, k_u8, k_i16, k_u16, k_i32, k_u32, k_i64, k_u64, k_b8 };

#define FROM(name, From, rows, row)                                             \
    static void from_##name(enum kind to, int64_t n, const void *in, void *out) \
    {                                                                           \
        switch (to) {                                                           \
            rows(row)                                                           \
        }                                                                       \
    }
#define ROW_F32(to, To, expr) LOOP(float, to, To, expr)
FROM(f32, float, TYPES, ROW_F32)
#define ROW_F64(to, To, expr) LOOP(double, to, To, expr)
FROM(f64, double, TYPES, ROW_F64)
#define ROW_I8(to, To, expr) LOOP(int8_t, to, To, expr)
FROM(i8, int8_t, INTS, ROW_I8)
#define ROW_U8(to, To, expr) LOOP(uint8_t, to, To, expr)
FROM(u8, uint8_t, INTS, ROW_U8)
#define ROW_I16(to, To, expr) LOOP(int16_t, to, To, expr)
FROM(i16, int16_t, INTS, ROW_I16)
#define ROW_U16(to, To, expr) LOOP(uint16_t, to, To, expr)
FROM(u16, uint16_t, INTS, ROW_U16)
#define ROW_I32(to, To, expr) LOOP(int32_t, to, To, expr)
FROM(i32, int32_t, INTS, ROW_I32)
#define ROW_U32(to, To, expr) LOOP(uint32_t, to, To, expr)
FROM(u32, uint32_t, INTS, ROW_U32)
#define ROW_I64(to, To, expr) LOOP(int64_t, to, To, expr)
FROM(i64, int64_t, INTS, ROW_I64)
#define ROW_U64(to, To, expr) LOOP(uint64_t, to, To, expr)
FROM(u64, uint64_t, INTS, ROW_U64)

/* The kind a dtype's bytes are; -1: neither (half, bfloat16, complex, others). */
static int kind_of(tn_dtype t)
{
    switch (t) {
    case TN_FLOAT: return k_f32;
    case TN_DOUBLE: return k_f64;
    case TN_INT8:
    case TN_QINT8: return k_i8;
    case TN_UINT8:
    case TN_QUINT8: return k_u8;
    case TN_INT16:
    case TN_QINT16: return k_i16;
    case TN_UINT16:
    case TN_QUINT16: return k_u16;
    case TN_INT32:
    case TN_QINT32: return k_i32;
    case TN_UINT32: return k_u32;
    case TN_INT64: return k_i64;
    case TN_UINT64: return k_u64;
    case TN_BOOL: return k_b8;
    default: return -1;
    }
}

static void convert(enum kind from, enum kind to, int64_t n, const void *in, void *out)
{
    switch (from) {
    case k_f32: from_f32(to, n, in, out); break;
    case k_f64: from_f64(to, n, in, out); break;
    case k_i8: from_i8(to, n, in, out); break;
    case k_u8:
    case k_b8: from_u8(to, n, in, out); break;
    case k_i16: from_i16(to, n, in, out); break;
    case k_u16: from_u16(to, n, in, out); break;
    case k_i32: from_i32(to, n, in, out); break;
    case k_u32: from_u32(to, n, in, out); break;
    case k_i64: from_i64(to, n, in, out); break;
    case k_u64: from_u64(to, n, in, out); break;
    }
}

#if defined(__x86_64__)
/* The processor's own conversion, eight at a time; how many are done. Only a signalling NaN comes out otherwise than
 * from tn_half_to_float: quiet. */
__attribute__((target("avx,f16c"))) static int64_t widen_halves(int64_t n, const uint16_t *in, float *out)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(in + i))));
    return i;
}

__attribute__((target("avx,f16c"))) static int64_t narrow_to_halves(int64_t n, const float *in, uint16_t *out)
{
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT));
    return i;
}
#else
static int64_t widen_halves(int64_t n, const uint16_t *in, float *out)
{
    return (void)n, (void)in, (void)out, 0;
}

static int64_t narrow_to_halves(int64_t n, const float *in, uint16_t *out)
{
    return (void)n, (void)in, (void)out, 0;
}
#endif

void tn_widen(tn_dtype t, int64_t n, const void *in, float *out)
{
    const uint16_t *h = in;
    if (tn_dtype_is_float8(t)) {
        for (int64_t i = 0; i < n; i++) out[i] = tn_float8_to_float(t, ((const uint8_t *)in)[i]);
        return;
    }
    if (t == TN_BFLOAT16) {
        for (int64_t i = 0; i < n; i++) out[i] = tn_bfloat16_to_float(h[i]);
        return;
    }
    for (int64_t i = tn_isa_level_now() >= TN_ISA_V3 ? widen_halves(n, h, out) : 0; i < n; i++)
        out[i] = tn_half_to_float(h[i]);
}

void tn_narrow(tn_dtype t, int64_t n, const float *in, void *out)
{
    uint16_t *h = out;
    if (tn_dtype_is_float8(t)) {
        for (int64_t i = 0; i < n; i++) ((uint8_t *)out)[i] = tn_float_to_float8(t, in[i]);
        return;
    }
    if (t == TN_BFLOAT16) {
        for (int64_t i = 0; i < n; i++) h[i] = tn_float_to_bfloat16(in[i]);
        return;
    }
    for (int64_t i = tn_isa_level_now() >= TN_ISA_V3 ? narrow_to_halves(n, in, h) : 0; i < n; i++)
        h[i] = tn_float_to_half(in[i]);
}

static bool is_short_float(tn_dtype t)
{
    return t == TN_HALF || t == TN_BFLOAT16 || tn_dtype_is_float8(t);
}

/* The real type that stands in for t on the way. */
static tn_dtype through(tn_dtype t)
{
    if (tn_dtype_is_int4(t)) return t == TN_INT4 ? TN_INT8 : TN_UINT8;
    return t == TN_COMPLEX128 ? TN_DOUBLE : t == TN_COMPLEX64 || is_short_float(t) ? TN_FLOAT : t;
}

static void drop_low_bits(tn_dtype to, int n, float *x)
{
    const int bits = to == TN_FLOAT8_E5M2 ? 2 : to == TN_FLOAT8_E4M3FN ? 3 : to == TN_BFLOAT16 ? 7 : 10;
    const uint32_t mask = ~0u << (23 - bits);
    for (int i = 0; i < n; i++) {
        union {
            float f;
            uint32_t u;
        } v = {x[i]};
        if (v.f == v.f) v.u &= mask;
        x[i] = v.f;
    }
}

static void take_real(tn_dtype t, int n, const void *in, void *out)
{
    for (int i = 0; i < n; i++)
        if (t == TN_COMPLEX64)
            ((float *)out)[i] = ((const float *)in)[2 * i];
        else
            ((double *)out)[i] = ((const double *)in)[2 * i];
}

static void put_real(tn_dtype t, int n, const void *in, void *out)
{
    for (int i = 0; i < n; i++)
        if (t == TN_COMPLEX64)
            ((float *)out)[2 * i] = ((const float *)in)[i], ((float *)out)[2 * i + 1] = 0;
        else
            ((double *)out)[2 * i] = ((const double *)in)[i], ((double *)out)[2 * i + 1] = 0;
}

/* Integers of four bits: the low ones, whatever is above them. */
static void keep_low_bits(tn_dtype t, int n, const void *in, void *out)
{
    for (int i = 0; i < n; i++) {
        const uint8_t x = ((const uint8_t *)in)[i];
        ((uint8_t *)out)[i] = t == TN_INT4 ? (uint8_t)tn_int4_of(x) : x & 15;
    }
}

/* A block by way of the real types. */
static void convert_block(tn_dtype from, tn_dtype to, int n, const void *in, void *out, bool truncate)
{
    double a[TN_BLOCK], b[TN_BLOCK];
    const void *at = in;
    void *result = to == through(to) ? out : (void *)b;
    if (is_short_float(from))
        tn_widen(from, n, in, (float *)a);
    else if (tn_dtype_is_int4(from))
        keep_low_bits(from, n, in, a);
    else if (from != through(from))
        take_real(from, n, in, a);
    if (from != through(from)) at = a;
    if (from == TN_DOUBLE && to == TN_BFLOAT16) truncate = false; /* as in TensorFlow */
    if (from == TN_DOUBLE && (tn_dtype_is_float8(to) || (truncate && to == TN_HALF)))
        for (int i = 0; i < n; i++) ((float *)b)[i] = tn_double_to_odd(((const double *)in)[i]);
    else
        convert((enum kind)kind_of(through(from)), (enum kind)kind_of(through(to)), n, at, result);
    if (is_short_float(to)) {
        if (truncate) drop_low_bits(to, n, result);
        tn_narrow(to, n, result, out);
    } else if (tn_dtype_is_int4(to)) {
        keep_low_bits(to, n, result, out);
    } else if (to != through(to)) {
        put_real(to, n, result, out);
    }
}

/* Between the complex types, the imaginary part comes along: twice as many reals. */
static bool both_complex(tn_dtype a, tn_dtype b)
{
    return tn_dtype_is_complex(a) && tn_dtype_is_complex(b);
}

static void convert_range(tn_dtype from, tn_dtype to, int64_t first, int64_t last, const void *in, void *out,
                          bool truncate)
{
    const int64_t size_in = (int64_t)tn_dtype_size(from), size_out = (int64_t)tn_dtype_size(to);
    const char *i = (const char *)in + first * size_in;
    char *o = (char *)out + first * size_out;
    if (from == to) {
        memmove(o, i, (size_t)((last - first) * size_in));
    } else if (from == through(from) && to == through(to)) {
        convert((enum kind)kind_of(from), (enum kind)kind_of(to), last - first, i, o);
    } else {
        for (int64_t at = first; at < last; at += TN_BLOCK, i += TN_BLOCK * size_in, o += TN_BLOCK * size_out)
            convert_block(from, to, (int)TN_MIN(TN_BLOCK, last - at), i, o, truncate);
    }
}

static bool is_whole(tn_dtype t)
{
    int kind = kind_of(through(t));
    return kind >= k_i8 && kind < k_b8;
}

/* TensorFlow's: of eight bits are floats that were floats, of four integers that are integers. */
static bool can_be_cast(tn_dtype from, tn_dtype to)
{
    if (from == to) return true;
    if (tn_dtype_is_int4(from) || tn_dtype_is_int4(to)) return is_whole(from) && is_whole(to);
    if (from >= TN_FLOAT8_E4M3FNUZ || to >= TN_FLOAT8_E4M3FNUZ) return false;
    if (tn_dtype_is_float8(to)) return tn_dtype_is_float(from) || tn_dtype_is_float8(from);
    return kind_of(through(from)) >= 0 && kind_of(through(to)) >= 0;
}

tn_code tn_cast(tn_dtype from, tn_dtype to, int64_t count, const void *in, void *out, bool truncate,
                int threads, tn_error *err)
{
    if (!can_be_cast(from, to))
        return tn_fail(err, TN_UNIMPLEMENTED, "Cast %s to %s is not supported", tn_dtype_name(from),
                       tn_dtype_name(to));
    if (count == 0) return TN_OK; /* there may be no memory at all */
    if (from != to && both_complex(from, to))
        return tn_cast(through(from), through(to), 2 * count, in, out, false, threads, err);
    threads = tn_team(threads, (double)count);
    if (threads == 1) {
        convert_range(from, to, 0, count, in, out, truncate);
        return TN_OK;
    }
#pragma omp parallel num_threads(threads)
    {
        int64_t first, last;
        tn_share(count, TN_BLOCK, omp_get_thread_num(), omp_get_num_threads(), &first, &last);
        if (first < last) convert_range(from, to, first, last, in, out, truncate);
    }
    return TN_OK;
}
