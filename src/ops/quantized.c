/* SPDX-License-Identifier: Apache-2.0
 *
 * quantized.c - elements of the quantised dtypes, and the numbers they stand for.
 */
#include "quantized.h"

#include <math.h>

tn_integers tn_integers_of(tn_dtype t)
{
    switch (t) {
    case TN_QINT8: return (tn_integers){-128, 127, 8};
    case TN_QUINT8: return (tn_integers){0, 255, 8};
    case TN_QINT16: return (tn_integers){-32768, 32767, 16};
    case TN_QUINT16: return (tn_integers){0, 65535, 16};
    default: return (tn_integers){INT32_MIN, INT32_MAX, 32};
    }
}

bool tn_is_quantized(tn_dtype t)
{
    return t == TN_QINT8 || t == TN_QUINT8 || t == TN_QINT16 || t == TN_QUINT16 || t == TN_QINT32;
}

tn_code tn_quantized_to_32(tn_prepare *p, tn_error *err)
{
    if (p->out[0]->dtype == TN_QINT32) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s to %s", p->op->name, tn_dtype_name(p->out[0]->dtype));
}

int64_t tn_quantized_get(const tn_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case TN_QINT8: return ((const int8_t *)t->data)[i];
    case TN_QUINT8: return ((const uint8_t *)t->data)[i];
    case TN_QINT16: return ((const int16_t *)t->data)[i];
    case TN_QUINT16: return ((const uint16_t *)t->data)[i];
    default: return ((const int32_t *)t->data)[i];
    }
}

void tn_quantized_put(tn_tensor *t, int64_t i, double x)
{
    int64_t v = x >= 9.3e18 ? INT64_MAX : x <= -9.3e18 ? INT64_MIN : (int64_t)x;
    switch (t->dtype) {
    case TN_QINT8: ((int8_t *)t->data)[i] = (int8_t)v; break;
    case TN_QUINT8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case TN_QINT16: ((int16_t *)t->data)[i] = (int16_t)v; break;
    case TN_QUINT16: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    default:
        ((int32_t *)t->data)[i] =
            v > INT32_MAX || v < INT32_MIN ? INT32_MIN : (int32_t)v; /* as the processor */
    }
}

double tn_to_quantized(double x, float min, float max, tn_integers q, bool clamp)
{
    if (min == max) return q.first;
    double count = ldexp(1, q.bits), range = (double)(max - min) * (count / (count - 1)),
           scale = count / range;
    double y = round(x * scale) - round((double)min * scale) + q.first;
    return !clamp ? y : y < q.first ? q.first : y > q.last ? q.last : y;
}

float tn_from_quantized(int64_t v, float min, float max, tn_integers q)
{
    if (min == max) return min;
    double count = ldexp(1, q.bits), scale = (double)(max - min) * (count / (count - 1)) / count;
    double first = round((double)(min / (float)scale)) * (double)(float)scale;
    return (float)(first + ((double)v - q.first) * scale);
}

tn_code tn_quantized_pair(const tn_attrs *attrs, const char *name, int64_t out[2], tn_error *err)
{
    const int64_t *v;
    if (tn_attr_list(attrs, name, &v) != 4 || v[0] != 1 || v[3] != 1 || v[1] < 1 || v[2] < 1 ||
        v[1] > INT32_MAX || v[2] > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "%s must have 4 positive 32-bit elements, of which the first and last are 1", name);
    memcpy(out, v + 1, 2 * sizeof *out);
    return TN_OK;
}

tn_code tn_quantized_end(const tn_run *r, int i, float *out, tn_error *err)
{
    if (tn_tensor_count(r->in[i]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a scalar", tn_op_sig(r->op)->in[i].name);
    *out = *TN_FLOATS(r->in[i]);
    return TN_OK;
}

tn_code tn_quantized_range(const tn_run *r, int i, float out[2], tn_error *err)
{
    TN_TRY(tn_quantized_end(r, i, &out[0], err));
    return tn_quantized_end(r, i + 1, &out[1], err);
}

void tn_quantized_give(tn_run *r, float min, float max)
{
    *TN_FLOATS(r->out[1]) = min;
    *TN_FLOATS(r->out[2]) = max;
}
