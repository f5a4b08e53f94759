/* SPDX-License-Identifier: Apache-2.0
 *
 * tensorproto_wire.c - tensors straight to the bytes of TensorProto messages, for answers that are made many times a
 * second. The same bytes as from the message tables.
 */
#include "../wire/wire.h"
#include "tensorproto.h"

enum { VARINT = 0, BYTES = 2 };

static uint32_t tag(uint32_t field, uint32_t wire)
{
    return field << 3 | wire;
}

static size_t tag_size(uint32_t field)
{
    return field < 16 ? 1 : 2;
}

static char *put_varint(char *to, uint64_t v)
{
    return to + tn_varint_put(to, v);
}

/* Tag and length of a field of bytes. */
static char *put_header(char *to, uint32_t field, uint64_t n)
{
    return put_varint(put_varint(to, tag(field, BYTES)), n);
}

static uint64_t field_size(uint32_t field, uint64_t n)
{
    return tag_size(field) + tn_varint_size(n) + n;
}

/* ---- shapes ---- */

static uint64_t dim_size(int64_t n)
{
    return n ? 1 + tn_varint_size((uint64_t)n) : 0;
}

static uint64_t shape_size(const tn_shape *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < s->rank; i++) sum += field_size(TN_TensorShapeProto_dim, dim_size(s->dim[i]));
    return sum;
}

static char *put_shape(const tn_shape *s, char *to)
{
    for (int i = 0; i < s->rank; i++) {
        to = put_header(to, TN_TensorShapeProto_dim, dim_size(s->dim[i]));
        if (s->dim[i]) to = put_varint(put_varint(to, tag(TN_Dim_size, VARINT)), (uint64_t)s->dim[i]);
    }
    return to;
}

/* ---- values ---- */

static uint32_t field_of(tn_dtype t)
{
    switch ((int)t) {
    case TN_FLOAT: return TN_TensorProto_float_val;
    case TN_DOUBLE: return TN_TensorProto_double_val;
    case TN_INT64: return TN_TensorProto_int64_val;
    case TN_BOOL: return TN_TensorProto_bool_val;
    case TN_UINT32: return TN_TensorProto_uint32_val;
    case TN_UINT64: return TN_TensorProto_uint64_val;
    case TN_HALF:
    case TN_BFLOAT16: return TN_TensorProto_half_val;
    case TN_COMPLEX64: return TN_TensorProto_scomplex_val;
    case TN_COMPLEX128: return TN_TensorProto_dcomplex_val;
    case TN_STRING: return TN_TensorProto_string_val;
    case TN_FLOAT8_E5M2:
    case TN_FLOAT8_E4M3FN:
    case TN_FLOAT8_E4M3FNUZ:
    case TN_FLOAT8_E4M3B11FNUZ:
    case TN_FLOAT8_E5M2FNUZ: return TN_TensorProto_float8_val;
    default: return TN_TensorProto_int_val;
    }
}

/* Values whose field holds them as they lie in memory. */
static bool is_plain(tn_dtype t)
{
    return t == TN_FLOAT || t == TN_DOUBLE || t == TN_COMPLEX64 || t == TN_COMPLEX128 || t == TN_BOOL ||
           tn_dtype_is_float8(t);
}

/* An element as the varint of its field: signed ones are widened to 64 bits. */
static uint64_t as_varint(const tn_tensor *t, int64_t i)
{
    if (t->dtype == TN_HALF || t->dtype == TN_BFLOAT16) return ((const uint16_t *)t->data)[i];
    return (uint64_t)tn_tensor_int(t, i);
}

static uint64_t strings_size(const tn_tensor *t, bool content)
{
    uint64_t sum = 0;
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++)
        sum += content ? tn_varint_size(TN_STRINGS(t)[i].n) + TN_STRINGS(t)[i].n
                       : field_size(TN_TensorProto_string_val, TN_STRINGS(t)[i].n);
    return sum;
}

static uint64_t values_size(const tn_tensor *t, bool content)
{
    int64_t n = tn_tensor_count(t);
    if (t->dtype == TN_STRING) return strings_size(t, content);
    if (content || is_plain(t->dtype)) return (uint64_t)n * tn_dtype_size(t->dtype);
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += tn_varint_size(as_varint(t, i));
    return sum;
}

static char *put_bytes(char *to, const void *p, size_t n)
{
    if (n) memcpy(to, p, n);
    return to + n;
}

static char *put_strings(const tn_tensor *t, bool content, char *to)
{
    int64_t count = tn_tensor_count(t);
    const tn_string *s = TN_STRINGS(t);
    for (int64_t i = 0; i < count; i++) {
        if (!content) to = put_bytes(put_header(to, TN_TensorProto_string_val, s[i].n), s[i].p, s[i].n);
        else to = put_varint(to, s[i].n);
    }
    for (int64_t i = 0; content && i < count; i++) to = put_bytes(to, s[i].p, s[i].n);
    return to;
}

static char *put_values(const tn_tensor_wire *w, char *to)
{
    const tn_tensor *t = w->t;
    if (t->dtype == TN_STRING) return put_strings(t, w->content, to);
    if (w->content || is_plain(t->dtype)) return put_bytes(to, t->data, (size_t)w->values);
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++) to = put_varint(to, as_varint(t, i));
    return to;
}

/* ---- messages ---- */

/* string_val is repeated and has a tag for each; all others are one field. */
static bool is_one_field(const tn_tensor_wire *w)
{
    return w->field && w->field != TN_TensorProto_string_val;
}

tn_code tn_tensor_wire_of(const tn_tensor *t, bool content, tn_tensor_wire *out, tn_error *err)
{
    if (t->dtype != TN_STRING && !tn_dtype_is_pod(t->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "a tensor of dtype %s in a message", tn_dtype_name(t->dtype));
    tn_tensor_wire w = {.t = t, .content = content, .shape = shape_size(&t->shape)};
    w.values = values_size(t, content);
    if (w.values) w.field = content ? TN_TensorProto_tensor_content : field_of(t->dtype);
    w.size = 1 + tn_varint_size((uint64_t)t->dtype) + field_size(TN_TensorProto_tensor_shape, w.shape);
    w.size += is_one_field(&w) ? field_size(w.field, w.values) : w.values;
    *out = w;
    return TN_OK;
}

char *tn_tensor_wire_put(const tn_tensor_wire *w, char *to)
{
    to = put_varint(put_varint(to, tag(TN_TensorProto_dtype, VARINT)), (uint64_t)w->t->dtype);
    to = put_header(to, TN_TensorProto_tensor_shape, w->shape);
    to = put_shape(&w->t->shape, to);
    if (is_one_field(w)) to = put_header(to, w->field, w->values);
    return put_values(w, to);
}
