/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce_types.c - folds of the types other than float: integers accumulate in 64 bits (and are cut to their
 * size at the end, as wrapping sums would), complex numbers in double.
 */
#pragma GCC diagnostic ignored "-Wtautological-compare" /* integers are never NaN */

#include <complex.h>
#include <math.h>

#include "reduce.h"

#define NAME(x) i8_##x
#define T int8_t
#define A int64_t
#define LOWEST INT8_MIN
#define HIGHEST INT8_MAX
#define ORDERED 1
#define NORM(x) (A)((uint64_t)(x) * (uint64_t)(x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) i16_##x
#define T int16_t
#define A int64_t
#define LOWEST INT16_MIN
#define HIGHEST INT16_MAX
#define ORDERED 1
#define NORM(x) (A)((uint64_t)(x) * (uint64_t)(x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) i32_##x
#define T int32_t
#define A int64_t
#define LOWEST INT32_MIN
#define HIGHEST INT32_MAX
#define ORDERED 1
#define NORM(x) (A)((uint64_t)(x) * (uint64_t)(x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) i64_##x
#define T int64_t
#define A int64_t
#define LOWEST INT64_MIN
#define HIGHEST INT64_MAX
#define ORDERED 1
#define NORM(x) (A)((uint64_t)(x) * (uint64_t)(x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) u8_##x
#define T uint8_t
#define A uint64_t
#define LOWEST 0
#define HIGHEST UINT8_MAX
#define ORDERED 1
#define NORM(x) ((x) * (x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) u16_##x
#define T uint16_t
#define A uint64_t
#define LOWEST 0
#define HIGHEST UINT16_MAX
#define ORDERED 1
#define NORM(x) ((x) * (x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) u32_##x
#define T uint32_t
#define A uint64_t
#define LOWEST 0
#define HIGHEST UINT32_MAX
#define ORDERED 1
#define NORM(x) ((x) * (x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) u64_##x
#define T uint64_t
#define A uint64_t
#define LOWEST 0
#define HIGHEST UINT64_MAX
#define ORDERED 1
#define NORM(x) ((x) * (x))
#define ROOT(a) (A) sqrt((double)(a))
#define MEAN_OF_NONE 0
#include "reduce_type.h"
#define NAME(x) f64_##x
#define T double
#define A double
#define LOWEST -INFINITY
#define HIGHEST INFINITY
#define ORDERED 1
#define NORM(x) ((x) * (x))
#define ROOT(a) (A) sqrt(a)
#define MEAN_OF_NONE NAN
#include "reduce_type.h"
#define NAME(x) c64_##x
#define T float complex
#define A double complex
#define LOWEST 0
#define HIGHEST 0
#define ORDERED 0
#define NORM(x) ((x)*conj(x))
#define ROOT(a) (A) csqrt(a)
#define MEAN_OF_NONE NAN
#include "reduce_type.h"
#define NAME(x) c128_##x
#define T double complex
#define A double complex
#define LOWEST 0
#define HIGHEST 0
#define ORDERED 0
#define NORM(x) ((x)*conj(x))
#define ROOT(a) (A) csqrt(a)
#define MEAN_OF_NONE NAN
#include "reduce_type.h"

const tn_reduce_type *tn_reduce_type_of(tn_reduce_op op, tn_dtype t, int isa)
{
    const bool logical = op == TN_REDUCE_ALL || op == TN_REDUCE_ANY,
               ordered = op == TN_REDUCE_MAX || op == TN_REDUCE_MIN;
    if (logical) return t == TN_BOOL ? &u8_type : NULL;
    switch (t) {
    case TN_FLOAT: return &TN_ISA_PICK(tn_isa_reduce, isa)->f32;
    case TN_HALF: return &TN_ISA_PICK(tn_isa_reduce, isa)->f16;
    case TN_BFLOAT16: return &TN_ISA_PICK(tn_isa_reduce, isa)->bf16;
    case TN_DOUBLE: return &f64_type;
    case TN_INT8: return &i8_type;
    case TN_INT16: return &i16_type;
    case TN_INT32: return &i32_type;
    case TN_INT64: return &i64_type;
    case TN_UINT8: return &u8_type;
    case TN_UINT16: return &u16_type;
    case TN_UINT32: return &u32_type;
    case TN_UINT64: return &u64_type;
    case TN_COMPLEX64: return ordered ? NULL : &c64_type;
    case TN_COMPLEX128: return ordered ? NULL : &c128_type;
    default: return NULL;
    }
}
