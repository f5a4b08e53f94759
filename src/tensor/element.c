/* SPDX-License-Identifier: Apache-2.0
 *
 * element.c - single elements of a tensor as numbers and strings, and the small constants made of them.
 * Not for loops over large tensors: each call looks at the dtype.
 */
#include "tensor.h"

#include <math.h>

enum { STRING_COST = 16 }; /* of an element that has bytes, beside them */

tn_code tn_string_set(tn_tensor *t, int64_t index, const char *p, size_t n, tn_error *err)
{
    if (t->dtype != TN_STRING)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tensor of dtype %s holds no strings",
                       tn_dtype_name(t->dtype));
    if (index < 0 || index >= tn_tensor_count(t))
        return tn_fail(err, TN_OUT_OF_RANGE, "element %lld of a tensor of %lld", (long long)index,
                       (long long)tn_tensor_count(t));
    tn_string *s = &TN_STRINGS(t)[index];
    size_t less = s->p ? s->n + STRING_COST : 0;
    bool ok = n < SIZE_MAX / 2 && (!t->buffer || tn_charge_add(&t->buffer->charge, n + STRING_COST));
    char *copy = ok ? tn_malloc(n + 1) : NULL;
    if (!copy) {
        if (ok && t->buffer) tn_charge_less(&t->buffer->charge, n + STRING_COST);
        return tn_no_memory(err, n);
    }
    if (n) memcpy(copy, p, n);
    copy[n] = 0;
    tn_free(s->p);
    if (t->buffer) tn_charge_less(&t->buffer->charge, less);
    *s = (tn_string){copy, n};
    return TN_OK;
}

double tn_tensor_number(const tn_tensor *t, int64_t i)
{
    if (i == 0 && tn_tensor_count(t) <= 0) return 0;
    switch (t->dtype) {
    case TN_FLOAT:
    case TN_DOUBLE:
    case TN_HALF:
    case TN_BFLOAT16:
    case TN_COMPLEX64:
    case TN_COMPLEX128: break;
    case TN_UINT64: return (double)((const uint64_t *)t->data)[i];
    default:
        if (tn_dtype_is_float8(t->dtype)) return (double)tn_float8_to_float(t->dtype, ((const uint8_t *)t->data)[i]);
        return (double)tn_tensor_int(t, i);
    }
    switch (t->dtype) {
    case TN_FLOAT: return (double)((const float *)t->data)[i];
    case TN_DOUBLE: return ((const double *)t->data)[i];
    case TN_HALF: return (double)tn_half_to_float(((const uint16_t *)t->data)[i]);
    case TN_BFLOAT16: return (double)tn_bfloat16_to_float(((const uint16_t *)t->data)[i]);
    case TN_COMPLEX64: return (double)((const float *)t->data)[2 * i];
    default: return ((const double *)t->data)[2 * i];
    }
}

/* A double as an integer of the range: cut towards zero, clamped; NaN is 0. */
static int64_t clamped(double v, int64_t least, int64_t most)
{
    if (isnan(v)) return 0;
    if (v <= (double)least) return least;
    return v >= (double)most ? most : (int64_t)v;
}

static uint64_t clamped_unsigned(double v)
{
    if (!(v > 0)) return 0;
    return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

int64_t tn_tensor_int(const tn_tensor *t, int64_t i)
{
    if (i == 0 && tn_tensor_count(t) <= 0) return 0; /* whoever thinks that there is one is not to read beyond */
    switch (t->dtype) {
    case TN_INT4: return tn_int4_of(((const uint8_t *)t->data)[i]);
    case TN_UINT4: return ((const uint8_t *)t->data)[i] & 15;
    case TN_INT8:
    case TN_QINT8: return ((const int8_t *)t->data)[i];
    case TN_UINT8:
    case TN_QUINT8: return ((const uint8_t *)t->data)[i];
    case TN_BOOL: return ((const uint8_t *)t->data)[i] != 0;
    case TN_INT16:
    case TN_QINT16: return ((const int16_t *)t->data)[i];
    case TN_UINT16:
    case TN_QUINT16: return ((const uint16_t *)t->data)[i];
    case TN_INT32:
    case TN_QINT32: return ((const int32_t *)t->data)[i];
    case TN_UINT32: return ((const uint32_t *)t->data)[i];
    case TN_INT64: return ((const int64_t *)t->data)[i];
    case TN_UINT64: return (int64_t)((const uint64_t *)t->data)[i];
    case TN_FLOAT:
    case TN_DOUBLE:
    case TN_HALF:
    case TN_BFLOAT16:
    case TN_FLOAT8_E5M2:
    case TN_FLOAT8_E4M3FN:
    case TN_FLOAT8_E4M3FNUZ:
    case TN_FLOAT8_E4M3B11FNUZ:
    case TN_FLOAT8_E5M2FNUZ: return clamped(tn_tensor_number(t, i), INT64_MIN, INT64_MAX);
    default: return 0;
    }
}

void tn_tensor_set_number(tn_tensor *t, int64_t i, double v)
{
    switch (t->dtype) {
    case TN_FLOAT: ((float *)t->data)[i] = (float)v; break;
    case TN_DOUBLE: ((double *)t->data)[i] = v; break;
    case TN_HALF: ((uint16_t *)t->data)[i] = tn_float_to_half(tn_double_to_odd(v)); break;
    case TN_BFLOAT16: ((uint16_t *)t->data)[i] = tn_float_to_bfloat16(tn_double_to_odd(v)); break;
    case TN_COMPLEX64:
        ((float *)t->data)[2 * i] = (float)v;
        ((float *)t->data)[2 * i + 1] = 0;
        break;
    case TN_COMPLEX128:
        ((double *)t->data)[2 * i] = v;
        ((double *)t->data)[2 * i + 1] = 0;
        break;
    case TN_INT8:
    case TN_QINT8: ((int8_t *)t->data)[i] = (int8_t)clamped(v, INT8_MIN, INT8_MAX); break;
    case TN_UINT8:
    case TN_QUINT8: ((uint8_t *)t->data)[i] = (uint8_t)clamped(v, 0, UINT8_MAX); break;
    case TN_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
    case TN_INT16:
    case TN_QINT16: ((int16_t *)t->data)[i] = (int16_t)clamped(v, INT16_MIN, INT16_MAX); break;
    case TN_UINT16:
    case TN_QUINT16: ((uint16_t *)t->data)[i] = (uint16_t)clamped(v, 0, UINT16_MAX); break;
    case TN_INT32:
    case TN_QINT32: ((int32_t *)t->data)[i] = (int32_t)clamped(v, INT32_MIN, INT32_MAX); break;
    case TN_UINT32: ((uint32_t *)t->data)[i] = (uint32_t)clamped(v, 0, UINT32_MAX); break;
    case TN_INT64: ((int64_t *)t->data)[i] = clamped(v, INT64_MIN, INT64_MAX); break;
    case TN_UINT64: ((uint64_t *)t->data)[i] = clamped_unsigned(v); break;
    case TN_INT4: ((int8_t *)t->data)[i] = (int8_t)clamped(v, -8, 7); break;
    case TN_UINT4: ((uint8_t *)t->data)[i] = (uint8_t)clamped(v, 0, 15); break;
    default:
        if (tn_dtype_is_float8(t->dtype)) ((uint8_t *)t->data)[i] = tn_float_to_float8(t->dtype, tn_double_to_odd(v));
        break;
    }
}

/* ==== small constants ==== */

tn_code tn_tensor_scalar(tn_dtype t, double v, tn_tensor **out, tn_error *err)
{
    tn_shape scalar = {.rank = 0};
    tn_tensor *x;
    if (!tn_dtype_is_pod(t) || tn_dtype_is_ref(t))
        return tn_fail(err, TN_INVALID_ARGUMENT, "no number can have dtype %s", tn_dtype_name(t));
    TN_TRY(tn_tensor_new(t, &scalar, &x, err));
    tn_tensor_set_number(x, 0, v);
    *out = x;
    return TN_OK;
}

tn_code tn_tensor_int64s(tn_dtype t, const int64_t *v, int64_t n, tn_tensor **out, tn_error *err)
{
    tn_shape shape = tn_shape_vector(n);
    tn_tensor *x;
    if (t != TN_INT32 && t != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a vector of integers cannot have dtype %s",
                       tn_dtype_name(t));
    for (int64_t i = 0; t == TN_INT32 && i < n; i++)
        if (v[i] != (int32_t)v[i])
            return tn_fail(err, TN_INVALID_ARGUMENT, "%lld does not fit in int32", (long long)v[i]);
    TN_TRY(tn_tensor_alloc(t, &shape, &x, err));
    for (int64_t i = 0; i < n; i++) {
        if (t == TN_INT32)
            TN_INT32S(x)[i] = (int32_t)v[i];
        else
            TN_INT64S(x)[i] = v[i];
    }
    *out = x;
    return TN_OK;
}
