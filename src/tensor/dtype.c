/* SPDX-License-Identifier: Apache-2.0
 *
 * dtype.c - what is known of each dtype, byte order, and the 16-bit floats' conversions, bit for bit IEEE 754's.
 */
#include "tensor.h"

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
