/* SPDX-License-Identifier: Apache-2.0
 *
 * tensorproto.c - TensorProto and TensorShapeProto <-> tensors and shapes.
 *
 * Invariants: a tensor is no larger than the bytes that were given, unless its last value is repeated:
 * that is limited. A bool is 0 or 1 whatever the bytes were.
 */
#include "tensorproto.h"

#include "../wire/wire.h"

#define FILL_LIMIT ((size_t)1 << 30)

/* ---- shapes ---- */

tn_code tn_shape_from_proto(const tn_TensorShapeProto *p, tn_shape *out, tn_error *err)
{
    tn_shape s = {0};
    if (p && p->unknown_rank) {
        *out = tn_shape_unknown();
        return TN_OK;
    }
    if (p && p->dim.n > TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "a shape of rank %u; at most %d are supported",
                       (unsigned)p->dim.n, TN_MAX_RANK);
    s.rank = p ? (int)p->dim.n : 0;
    for (int i = 0; i < s.rank; i++) {
        s.dim[i] = p->dim.items[i].size;
        if (s.dim[i] < -1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "dimension %d of a shape is %lld", i,
                           (long long)s.dim[i]);
    }
    *out = s;
    return TN_OK;
}

tn_code tn_shape_to_proto(const tn_shape *s, tn_arena *a, tn_TensorShapeProto *out, tn_error *err)
{
    tn_TensorShapeProto p = {.unknown_rank = s->rank < 0};
    for (int i = 0; i < s->rank; i++) {
        tn_Dim *d = TN_PUSH(a, &p.dim);
        if (!d) return tn_no_memory(err, sizeof *d);
        d->size = s->dim[i];
    }
    *out = p;
    return TN_OK;
}

/* ---- from the message ---- */

/* The field a dtype's values are in, one view of the several lists. */
typedef struct values {
    const void *items;
    size_t n, width; /* items; bytes of one */
} values;

static values values_of(const tn_TensorProto *p, tn_dtype t)
{
#define LIST(f) ((values){p->f.items, p->f.n, sizeof *p->f.items})
    switch ((int)t) {
    case TN_FLOAT: return LIST(float_val);
    case TN_DOUBLE: return LIST(double_val);
    case TN_INT64: return LIST(int64_val);
    case TN_BOOL: return LIST(bool_val);
    case TN_UINT32: return LIST(uint32_val);
    case TN_UINT64: return LIST(uint64_val);
    case TN_HALF:
    case TN_BFLOAT16: return LIST(half_val);
    case TN_COMPLEX64: return (values){p->scomplex_val.items, p->scomplex_val.n / 2, 8};
    case TN_COMPLEX128: return (values){p->dcomplex_val.items, p->dcomplex_val.n / 2, 16};
    case TN_FLOAT8_E5M2:
    case TN_FLOAT8_E4M3FN:
    case TN_FLOAT8_E4M3FNUZ:
    case TN_FLOAT8_E4M3B11FNUZ:
    case TN_FLOAT8_E5M2FNUZ: return (values){p->float8_val.p, p->float8_val.n, 1};
    default: return LIST(int_val); /* the shorter integers, plain, quantised, and of four bits */
    }
#undef LIST
}

/* Values are little endian and so wide or wider than an element: its low bytes are the element. */
static void copy_values(void *to, size_t size, const values *v)
{
    if (v->width == size) {
        if (v->n) memcpy(to, v->items, v->n * size);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        int32_t x = ((const int32_t *)v->items)[i];
        memcpy((char *)to + i * size, &x, size);
    }
}

static void fill_rest(char *data, size_t size, size_t n, size_t count)
{
    for (size_t i = n; i < count; i++) memcpy(data + i * size, data + (n - 1) * size, size);
}

/* Of some dtypes not every byte is an element. */
static bool has_one_form(tn_dtype t)
{
    return t == TN_BOOL || tn_dtype_is_int4(t);
}

static uint8_t one_form(tn_dtype t, uint8_t x)
{
    if (t == TN_BOOL) return x != 0;
    return t == TN_INT4 ? (uint8_t)tn_int4_of(x) : x & 15;
}

static void normalise(tn_tensor *t)
{
    if (!has_one_form(t->dtype)) return;
    uint8_t *b = t->data;
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++) b[i] = one_form(t->dtype, b[i]);
}

static tn_code check_fill(int64_t count, size_t size, size_t limit, tn_error *err)
{
    if (!limit) limit = FILL_LIMIT;
    if ((uint64_t)count <= limit / size) return TN_OK;
    return tn_fail(err, TN_RESOURCE_EXHAUSTED,
                   "a constant of %lld elements of %zu bytes is over the limit of %zu bytes",
                   (long long)count, size, limit);
}

static tn_code check_content(const tn_TensorProto *p, size_t size, int64_t count, tn_error *err)
{
    size_t n = p->tensor_content.n;
    if (!n || (n % size == 0 && n / size == (uint64_t)count)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "tensor_content has %zu bytes for %lld elements of %zu", n,
                   (long long)count, size);
}

static tn_code numbers_from(const tn_TensorProto *p, tn_dtype t, const tn_shape *shape, int64_t count,
                            size_t limit, tn_tensor **out, tn_error *err)
{
    size_t size = tn_dtype_size(t);
    values v = values_of(p, t);
    bool content = p->tensor_content.n > 0;
    TN_TRY(check_content(p, size, count, err));
    v.n = TN_MIN(v.n, (uint64_t)count); /* what is too much is not looked at, as in TensorFlow */
    if (!content && v.n < (uint64_t)count) TN_TRY(check_fill(count, size, limit, err));
    tn_tensor *r;
    TN_TRY(content ? tn_tensor_alloc(t, shape, &r, err) : tn_tensor_new(t, shape, &r, err));
    if (content) {
        tn_file_take(r->data, p->tensor_content.p, p->tensor_content.n);
    } else {
        copy_values(r->data, size, &v);
        if (v.n) fill_rest(r->data, size, v.n, (size_t)count);
    }
    normalise(r);
    *out = r;
    return TN_OK;
}

static tn_code copy_string(void *t, int64_t i, tn_view v, tn_error *err)
{
    return tn_string_set(t, i, v.p, v.n, err);
}

static tn_code view_string(void *strings, int64_t i, tn_view v, tn_error *err)
{
    (void)err;
    ((tn_string *)strings)[i] = (tn_string){(char *)v.p, v.n};
    return TN_OK;
}

/* tensor_content of strings: all lengths as varints, then all bytes. Each string is given to set. */
static tn_code strings_in_content(tn_view in, int64_t count,
                                  tn_code (*set)(void *to, int64_t i, tn_view v, tn_error *err), void *to,
                                  tn_error *err)
{
    tn_view lengths = in;
    uint64_t n = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!tn_varint_get(&in, &n) || n > in.n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "tensor_content is cut short at string %lld",
                           (long long)i);
        sum += n;
    }
    if (sum != in.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "tensor_content has %zu bytes of strings, not %llu", in.n,
                       (unsigned long long)sum);
    for (int64_t i = 0; i < count; i++) {
        tn_varint_get(&lengths, &n);
        TN_TRY(set(to, i, (tn_view){in.p, (size_t)n}, err));
        in.p += n;
    }
    return TN_OK;
}

static tn_code strings_in_values(const tn_TensorProto *p, tn_tensor *t, tn_error *err)
{
    int64_t count = tn_tensor_count(t), n = p->string_val.n;
    for (int64_t i = 0; n && i < count; i++) {
        tn_view s = p->string_val.items[TN_MIN(i, n - 1)];
        if (s.n) TN_TRY(tn_string_set(t, i, s.p, s.n, err));
    }
    return TN_OK;
}

static tn_code check_strings(const tn_TensorProto *p, int64_t count, size_t limit, tn_error *err)
{
    tn_view content = p->tensor_content;
    if (content.n && (uint64_t)count > content.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "tensor_content has %zu bytes for %lld strings", content.n,
                       (long long)count);
    if (!content.n && p->string_val.n < (uint64_t)count) {
        size_t last = p->string_val.n ? p->string_val.items[p->string_val.n - 1].n : 0;
        TN_TRY(check_fill(count, sizeof(tn_string) + last, limit, err));
    }
    return TN_OK;
}

static tn_code strings_from(const tn_TensorProto *p, const tn_shape *shape, int64_t count, size_t limit,
                            tn_tensor **out, tn_error *err)
{
    tn_tensor *t;
    TN_TRY(check_strings(p, count, limit, err));
    TN_TRY(tn_tensor_new(TN_STRING, shape, &t, err));
    tn_code code = p->tensor_content.n ? strings_in_content(p->tensor_content, count, copy_string, t, err)
                                       : strings_in_values(p, t, err);
    if (code != TN_OK) {
        tn_tensor_unref(t);
        return code;
    }
    *out = t;
    return TN_OK;
}

/* The shape and the number of elements, of a dtype that a message may have. */
static tn_code header_of(const tn_TensorProto *p, tn_shape *shape, int64_t *count, tn_error *err)
{
    tn_dtype t = (tn_dtype)p->dtype;
    if (p->dtype <= 0 || !tn_dtype_size(t) || (t != TN_STRING && !tn_dtype_is_pod(t)))
        return tn_fail(err, TN_UNIMPLEMENTED, "a constant of dtype %d (%s)", (int)p->dtype, tn_dtype_name(t));
    TN_TRY(tn_shape_from_proto(p->tensor_shape, shape, err));
    if (!tn_shape_known(shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a constant whose shape is not fully known");
    return tn_shape_count_checked(shape, count, err);
}

tn_code tn_tensor_from_proto(const tn_TensorProto *p, size_t limit, tn_tensor **out, tn_error *err)
{
    tn_shape shape;
    int64_t count;
    TN_TRY(header_of(p, &shape, &count, err));
    if (p->dtype == TN_STRING) return strings_from(p, &shape, count, limit, out, err);
    return numbers_from(p, (tn_dtype)p->dtype, &shape, count, limit, out, err);
}

/* ---- as a view ---- */

static bool is_aligned(const void *p, size_t size)
{
    return (uintptr_t)p % TN_MIN(size, 8) == 0;
}

/* A bool of tensor_content may be any byte; one that is read must be 0 or 1. */
static bool is_clean(const tn_TensorProto *p)
{
    const tn_dtype t = (tn_dtype)p->dtype;
    if (!has_one_form(t)) return true;
    bool clean = true;
    for (size_t i = 0; i < p->tensor_content.n; i++) {
        const uint8_t x = (uint8_t)p->tensor_content.p[i];
        clean = clean && one_form(t, x) == x;
    }
    return clean;
}

static tn_code view_numbers(const tn_TensorProto *p, int64_t count, size_t limit, tn_arena *a, tn_tensor *out,
                            tn_error *err)
{
    size_t size = tn_dtype_size(out->dtype);
    tn_view content = p->tensor_content;
    TN_TRY(check_content(p, size, count, err));
    values v = values_of(p, out->dtype);
    if (content.n) v = (values){content.p, (size_t)count, size};
    v.n = TN_MIN(v.n, (uint64_t)count);
    out->data = (void *)v.items;
    if (v.n == (uint64_t)count && v.width == size && is_aligned(v.items, size) && is_clean(p)) return TN_OK;
    if (v.n < (uint64_t)count) TN_TRY(check_fill(count, size, limit, err));
    if (!(out->data = tn_arena_array(a, (size_t)count, size))) return tn_no_memory(err, (size_t)count * size);
    copy_values(out->data, size, &v);
    if (v.n) fill_rest(out->data, size, v.n, (size_t)count);
    normalise(out);
    return TN_OK;
}

static tn_code view_strings(const tn_TensorProto *p, int64_t count, size_t limit, tn_arena *a, tn_tensor *out,
                            tn_error *err)
{
    tn_view content = p->tensor_content;
    size_t n = p->string_val.n;
    TN_TRY(check_strings(p, count, limit, err));
    tn_string *s = TN_ARRAY(a, count + 1, tn_string);
    if (!s) return tn_no_memory(err, (size_t)count * sizeof *s);
    out->data = s;
    if (content.n) return strings_in_content(content, count, view_string, s, err);
    for (int64_t i = 0; n && i < count; i++) {
        tn_view v = p->string_val.items[TN_MIN((size_t)i, n - 1)];
        s[i] = (tn_string){(char *)v.p, v.n};
    }
    return TN_OK;
}

tn_code tn_tensor_view_of_proto(const tn_TensorProto *p, tn_arena *a, size_t limit, tn_tensor *out, tn_error *err)
{
    tn_shape shape;
    int64_t count;
    TN_TRY(header_of(p, &shape, &count, err));
    tn_tensor t = tn_tensor_view((tn_dtype)p->dtype, &shape, NULL);
    if (p->dtype == TN_STRING) TN_TRY(view_strings(p, count, limit, a, &t, err));
    else TN_TRY(view_numbers(p, count, limit, a, &t, err));
    *out = t;
    return TN_OK;
}

/* ---- to the message ---- */

tn_code tn_tensor_to_proto(const tn_tensor *t, tn_arena *a, tn_TensorProto *out, tn_error *err)
{
    if (t->dtype != TN_STRING && !tn_dtype_is_pod(t->dtype))
        return tn_fail(err, TN_UNIMPLEMENTED, "a constant of dtype %s", tn_dtype_name(t->dtype));
    tn_TensorProto p = {.dtype = t->dtype, .tensor_shape = TN_NEW(a, tn_TensorShapeProto)};
    if (!p.tensor_shape) return tn_no_memory(err, sizeof *p.tensor_shape);
    TN_TRY(tn_shape_to_proto(&t->shape, a, p.tensor_shape, err));
    int64_t count = tn_tensor_count(t);
    if (t->dtype != TN_STRING) {
        p.tensor_content = (tn_view){t->data, (size_t)count * tn_dtype_size(t->dtype)};
        if (!count) p.tensor_content = (tn_view){0};
    }
    for (int64_t i = 0; t->dtype == TN_STRING && i < count; i++) {
        tn_view *s = TN_PUSH(a, &p.string_val);
        if (!s) return tn_no_memory(err, sizeof *s);
        *s = (tn_view){TN_STRINGS(t)[i].p, TN_STRINGS(t)[i].n};
    }
    *out = p;
    return TN_OK;
}
