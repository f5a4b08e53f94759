/* SPDX-License-Identifier: Apache-2.0
 *
 * dtype.c - what is known of each dtype, byte order, and the conversions of floats of 16 and 8 bits, bit for bit IEEE
 * 754's and ml_dtypes'.
 */
#include "tensor.h"

#include <math.h>

typedef struct dtype_row {
    size_t size;
    const char *name, *ref_name, *numpy;
} dtype_row;

static const dtype_row rows[TN_DTYPE_COUNT] = {
#define ROW(constant, number, size, name, numpy) [number] = {size, name, name "_ref", numpy},
    TN_DTYPES(ROW)
#undef ROW
};

static const dtype_row *row_of(tn_dtype t)
{
    tn_dtype base = tn_dtype_base(t);
    return base > TN_INVALID_DTYPE && base < TN_DTYPE_COUNT ? &rows[base] : NULL;
}

size_t tn_dtype_size(tn_dtype t)
{
    const dtype_row *row = row_of(t);
    return row ? row->size : 0;
}

const char *tn_dtype_name(tn_dtype t)
{
    const dtype_row *row = row_of(t);
    if (!row) return "invalid";
    return tn_dtype_is_ref(t) ? row->ref_name : row->name;
}

tn_dtype tn_dtype_named(const char *s)
{
    for (int i = 1; i < TN_DTYPE_COUNT; i++) {
        if (strcmp(s, rows[i].name) == 0) return (tn_dtype)i;
        if (rows[i].numpy && strcmp(s, rows[i].numpy) == 0) return (tn_dtype)i;
        if (strcmp(s, rows[i].ref_name) == 0) return (tn_dtype)(i + TN_REF);
    }
    return TN_INVALID_DTYPE;
}

bool tn_dtype_is_float(tn_dtype t)
{
    switch (tn_dtype_base(t)) {
    case TN_HALF:
    case TN_BFLOAT16:
    case TN_FLOAT:
    case TN_DOUBLE: return true;
    default: return false;
    }
}

bool tn_dtype_is_complex(tn_dtype t)
{
    tn_dtype base = tn_dtype_base(t);
    return base == TN_COMPLEX64 || base == TN_COMPLEX128;
}

bool tn_dtype_is_integer(tn_dtype t)
{
    switch (tn_dtype_base(t)) {
    case TN_INT8:
    case TN_INT16:
    case TN_INT32:
    case TN_INT64:
    case TN_UINT8:
    case TN_UINT16:
    case TN_UINT32:
    case TN_UINT64: return true;
    default: return false;
    }
}

bool tn_dtype_is_pod(tn_dtype t)
{
    tn_dtype base = tn_dtype_base(t);
    return tn_dtype_size(t) > 0 && base != TN_STRING && base != TN_RESOURCE && base != TN_VARIANT;
}

void tn_swap_bytes(void *p, size_t bytes, size_t part)
{
    char *at = p;
    for (size_t i = 0; part > 1 && part <= bytes - i; i += part)
        for (size_t low = i, high = i + part - 1; low < high; low++, high--) {
            char c = at[low];
            at[low] = at[high];
            at[high] = c;
        }
}

/* ==== 16-bit floats ==== */

typedef union float_bits {
    float f;
    uint32_t u;
} float_bits;

float tn_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 0x1Fu, mantissa = h & 0x3FFu;
    float_bits v;
    if (exponent == 0x1F) {
        v.u = sign | 0x7F800000u | mantissa << 13; /* infinity, NaN */
    } else if (exponent) {
        v.u = sign | (exponent + 112) << 23 | mantissa << 13;
    } else {
        v.f = (float)mantissa * 0x1p-24f; /* zero, subnormal: exact in float */
        v.u |= sign;
    }
    return v.f;
}

/* value / 2^shift, ties to even; 1 <= shift <= 31. */
static uint32_t shift_to_even(uint32_t value, int shift)
{
    uint32_t half = (uint32_t)1 << (shift - 1), rest = value & (half * 2 - 1), kept = value >> shift;
    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t tn_float_to_half(float f)
{
    float_bits v = {f};
    uint32_t sign = (v.u >> 16) & 0x8000u, magnitude = v.u & 0x7FFFFFFFu;
    uint32_t exponent = magnitude >> 23, mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    if (magnitude > 0x7F800000u) return (uint16_t)(sign | 0x7E00u | ((magnitude >> 13) & 0x3FFu)); /* NaN */
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7C00u); /* from 65536 on: infinity */
    if (exponent >= 113) /* a carry out of the mantissa raises the exponent, as it should */
        return (uint16_t)(sign | shift_to_even(magnitude - ((uint32_t)112 << 23), 13));
    if (exponent < 102) return (uint16_t)sign; /* under half of the smallest subnormal */
    return (uint16_t)(sign | shift_to_even(mantissa, 126 - (int)exponent));
}

uint16_t tn_float_to_bfloat16(float f)
{
    float_bits v = {f};
    if ((v.u & 0x7FFFFFFFu) > 0x7F800000u) return v.u >> 31 ? 0xFFC0u : 0x7FC0u;
    return (uint16_t)((v.u + 0x7FFFu + ((v.u >> 16) & 1u)) >> 16);
}

/* When inexact, the neighbour with an odd last bit. */
float tn_double_to_odd(double v)
{
    float_bits b = {(float)v};
    if ((double)b.f == v || isnan(v) || (b.u & 1)) return b.f;
    b.u += fabs((double)b.f) < fabs(v) ? 1u : ~0u;
    return b.f;
}

/* ==== 8-bit floats ==== */

typedef struct float8 {
    int mantissa, bias;
    uint8_t largest, overflow, nan; /* the largest finite one, and what is larger */
    bool one_zero;                  /* the negative zero is the only NaN */
} float8;

static const float8 *float8_of(tn_dtype t)
{
    static const float8 formats[] = {
        {2, 15, 0x7B, 0x7C, 0x7E, false}, /* e5m2 */
        {3, 7, 0x7E, 0x7F, 0x7F, false},  /* e4m3fn */
        {3, 8, 0x7F, 0x80, 0x80, true},   /* e4m3fnuz */
        {3, 11, 0x7F, 0x80, 0x80, true},  /* e4m3b11fnuz */
        {2, 16, 0x7F, 0x80, 0x80, true},  /* e5m2fnuz */
    };
    return &formats[t - TN_FLOAT8_E5M2];
}

float tn_float8_to_float(tn_dtype t, uint8_t x)
{
    const float8 *d = float8_of(t);
    uint32_t sign = (uint32_t)(x & 0x80u) << 24, magnitude = x & 0x7Fu;
    float_bits v;
    if (d->one_zero && x == 0x80u) {
        v.u = 0xFFC00000u;
    } else if (magnitude > d->largest) {
        v.u = sign | (magnitude == d->overflow && d->overflow != d->nan ? 0x7F800000u : 0x7FC00000u);
    } else if (magnitude >> d->mantissa) {
        v.u = sign | ((magnitude << (23 - d->mantissa)) + ((uint32_t)(127 - d->bias) << 23));
    } else {
        v.f = ldexpf((float)magnitude, 1 - d->bias - d->mantissa);
        v.u |= sign;
    }
    return v.f;
}

uint8_t tn_float_to_float8(tn_dtype t, float f)
{
    const float8 *d = float8_of(t);
    float_bits v = {f};
    uint32_t sign = d->one_zero ? 0 : (v.u >> 24) & 0x80u, magnitude = v.u & 0x7FFFFFFFu, code;
    if (magnitude > 0x7F800000u) return (uint8_t)(sign | d->nan);
    int exponent = (int)(magnitude >> 23) - (127 - d->bias), shift = 23 - d->mantissa;
    if (exponent >= 1) /* a carry out of the mantissa raises the exponent, as it should */
        code = shift_to_even(magnitude - ((uint32_t)(127 - d->bias) << 23), shift);
    else /* under half of the smallest subnormal there is nothing left to round */
        code = shift + 1 - exponent > 25 ? 0 : shift_to_even((magnitude & 0x7FFFFFu) | 0x800000u, shift + 1 - exponent);
    if (code > d->largest) return (uint8_t)(sign | d->overflow);
    return (uint8_t)(d->one_zero && code ? code | ((v.u >> 24) & 0x80u) : sign | code);
}
