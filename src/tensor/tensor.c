/* SPDX-License-Identifier: Apache-2.0
 *
 * tensor.c - counted buffers and tensors: made, shared, copied, compared. Elements are element.c's.
 *
 * Invariants: a buffer from tn_buffer_new is one block, its bytes aligned behind its head; elements that
 * own something (strings, resources, variants) are zeroed before anything can fail, so that unref is always right.
 */
#include "tensor.h"

#define HEADER 64 /* the buffer's head, padded so that the bytes behind it are aligned */
#define SMALL 512
_Static_assert(sizeof(tn_buffer) <= HEADER, "the head must fit");

/* ==== resources and variants ==== */

tn_resource *tn_resource_ref(tn_resource *r)
{
    if (r) atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void tn_resource_unref(tn_resource *r)
{
    if (r && atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1) r->release(r);
}

tn_variant *tn_variant_ref(tn_variant *v)
{
    if (v) atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
    return v;
}

void tn_variant_unref(tn_variant *v)
{
    if (v && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1) v->release(v);
}

/* ==== buffers ==== */

/* The head of a buffer with `*data` aligned. Aligned memory costs the allocator much more than what is a little
 * larger than needed. */
static tn_buffer *take_memory(size_t size, void **data)
{
    const bool is_small = size <= SMALL;
    char *p = is_small ? tn_malloc(size + 2 * HEADER) : tn_aligned_alloc(size + HEADER);
    if (!p) return NULL;
    *data = is_small ? (void *)(((uintptr_t)p + 2 * HEADER - 1) / HEADER * HEADER) : p + HEADER;
    return (tn_buffer *)p;
}

tn_buffer *tn_buffer_new(size_t size, tn_error *err)
{
    tn_charge charge = {NULL, 0};
    void *data;
    bool ok = size < SIZE_MAX / 2 && tn_charge_add(&charge, size + HEADER);
    tn_buffer *b = ok ? take_memory(size, &data) : NULL;
    if (!b) {
        tn_charge_drop(&charge);
        tn_no_memory(err, size);
        return NULL;
    }
    *b = (tn_buffer){.data = data, .size = size, .charge = charge};
    atomic_init(&b->refs, 1);
    return b;
}

tn_buffer *tn_buffer_ref(tn_buffer *b)
{
    if (b) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void tn_buffer_unref(tn_buffer *b)
{
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    if (b->release) b->release(b);
    tn_charge_drop(&b->charge);
    tn_free(b);
}

static void release_strings(tn_buffer *b)
{
    tn_string *s = b->data;
    for (size_t i = 0; i < b->size / sizeof *s; i++) tn_free(s[i].p);
}

static void release_resources(tn_buffer *b)
{
    tn_resource **r = b->data;
    for (size_t i = 0; i < b->size / sizeof *r; i++) tn_resource_unref(r[i]);
}

static void release_variants(tn_buffer *b)
{
    tn_variant **v = b->data;
    for (size_t i = 0; i < b->size / sizeof *v; i++) tn_variant_unref(v[i]);
}

/* ==== tensors ==== */

/* RESOURCE_EXHAUSTED "OOM when allocating tensor with shape[2,3] and type float". */
static tn_code too_large(tn_dtype t, const tn_shape *shape, tn_error *err)
{
    char text[256], *to = text;
    for (const char *p = tn_shape_text(shape, text, sizeof text); *p; p++)
        if (*p != ' ') *to++ = *p;
    *to = 0;
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "OOM when allocating tensor with shape%s and type %s", text,
                   tn_dtype_name(t));
}

/* Bytes that a tensor of this dtype and shape takes. */
static tn_code bytes_of(tn_dtype t, const tn_shape *shape, size_t *out, tn_error *err)
{
    int64_t count;
    if (tn_dtype_is_ref(t) || tn_dtype_size(t) == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a tensor cannot have dtype %s (%d)", tn_dtype_name(t),
                       (int)t);
    TN_TRY(tn_shape_count_checked(shape, &count, err));
    if (count > PTRDIFF_MAX / (int64_t)tn_dtype_size(t)) return too_large(t, shape, err);
    *out = (size_t)count * tn_dtype_size(t);
    return TN_OK;
}

/* A counted tensor; takes over the reference on b. */
static tn_code wrap(tn_dtype t, const tn_shape *shape, tn_buffer *b, void *data, tn_tensor **out,
                    tn_error *err)
{
    tn_tensor *x = tn_malloc(sizeof *x);
    if (!x) {
        tn_buffer_unref(b);
        return tn_no_memory(err, sizeof *x);
    }
    *x = (tn_tensor){.dtype = t, .shape = *shape, .data = data, .buffer = b};
    atomic_init(&x->refs, 1);
    *out = x;
    return TN_OK;
}

tn_code tn_tensor_alloc(tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err)
{
    size_t size;
    TN_TRY(bytes_of(t, shape, &size, err));
    tn_buffer *b = tn_buffer_new(size, NULL);
    if (!b) return too_large(t, shape, err);
    if (!tn_dtype_is_pod(t)) memset(b->data, 0, size);
    if (t == TN_STRING) b->release = release_strings;
    if (t == TN_RESOURCE) b->release = release_resources;
    if (t == TN_VARIANT) b->release = release_variants;
    return wrap(t, shape, b, b->data, out, err);
}

tn_code tn_tensor_new(tn_dtype t, const tn_shape *shape, tn_tensor **out, tn_error *err)
{
    tn_tensor *x;
    TN_TRY(tn_tensor_alloc(t, shape, &x, err));
    memset(x->data, 0, x->buffer->size);
    *out = x;
    return TN_OK;
}

tn_code tn_tensor_of(tn_dtype t, const tn_shape *shape, const void *data, tn_tensor **out, tn_error *err)
{
    tn_tensor *x;
    if (!tn_dtype_is_pod(t))
        return tn_fail(err, TN_INVALID_ARGUMENT, "elements of dtype %s are not plain bytes",
                       tn_dtype_name(t));
    TN_TRY(tn_tensor_alloc(t, shape, &x, err));
    if (x->buffer->size) memcpy(x->data, data, x->buffer->size);
    *out = x;
    return TN_OK;
}

tn_code tn_tensor_on(tn_dtype t, const tn_shape *shape, tn_buffer *b, void *data, tn_tensor **out,
                     tn_error *err)
{
    size_t size, at = (size_t)((uintptr_t)data - (uintptr_t)b->data);
    TN_TRY(bytes_of(t, shape, &size, err));
    if (size && (at > b->size || size > b->size - at))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%zu bytes at %zu do not lie in a buffer of %zu", size, at,
                       b->size);
    return wrap(t, shape, tn_buffer_ref(b), data, out, err);
}

tn_tensor *tn_tensor_ref(tn_tensor *t)
{
    if (t) atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tn_tensor_unref(tn_tensor *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1) return;
    tn_buffer_unref(t->buffer);
    tn_free(t);
}

tn_dtype tn_tensor_dtype(const tn_tensor *t)
{
    return t->dtype;
}

const tn_shape *tn_tensor_shape(const tn_tensor *t)
{
    return &t->shape;
}

int64_t tn_tensor_count(const tn_tensor *t)
{
    return tn_shape_count(&t->shape);
}

size_t tn_tensor_bytes(const tn_tensor *t)
{
    int64_t count = tn_tensor_count(t);
    return count > 0 ? (size_t)count * tn_dtype_size(t->dtype) : 0;
}

void *tn_tensor_data(const tn_tensor *t)
{
    return t->data;
}

tn_tensor tn_tensor_view(tn_dtype t, const tn_shape *shape, void *data)
{
    return (tn_tensor){.dtype = t, .shape = *shape, .data = data};
}

/* ==== copies ==== */

static tn_code copy_strings(const tn_tensor *from, tn_tensor *to, tn_error *err)
{
    for (int64_t i = 0; i < tn_tensor_count(from); i++)
        TN_TRY(tn_string_set(to, i, TN_STRINGS(from)[i].p, TN_STRINGS(from)[i].n, err));
    return TN_OK;
}

tn_code tn_tensor_copy(const tn_tensor *t, tn_tensor **out, tn_error *err)
{
    tn_tensor *x;
    tn_code code = TN_OK;
    if (!t->data && tn_tensor_bytes(t)) return tn_fail(err, TN_INVALID_ARGUMENT, "there is no value");
    TN_TRY(tn_tensor_alloc(t->dtype, &t->shape, &x, err));
    if (t->dtype == TN_STRING)
        code = copy_strings(t, x, err);
    else if (x->buffer->size)
        memcpy(x->data, t->data, x->buffer->size);
    if (t->dtype == TN_RESOURCE)
        for (int64_t i = 0; i < tn_tensor_count(t); i++) tn_resource_ref(((tn_resource **)t->data)[i]);
    if (t->dtype == TN_VARIANT)
        for (int64_t i = 0; i < tn_tensor_count(t); i++) tn_variant_ref(((tn_variant **)t->data)[i]);
    if (code != TN_OK)
        tn_tensor_unref(x);
    else
        *out = x;
    return code;
}

tn_code tn_tensor_keep(const tn_tensor *view, tn_tensor **out, tn_error *err)
{
    if (atomic_load_explicit(&view->refs, memory_order_relaxed) > 0) {
        *out = tn_tensor_ref((tn_tensor *)view);
        return TN_OK;
    }
    if (view->buffer) return tn_tensor_on(view->dtype, &view->shape, view->buffer, view->data, out, err);
    return tn_tensor_copy(view, out, err);
}

tn_code tn_tensor_reshaped(const tn_tensor *t, const tn_shape *shape, tn_tensor **out, tn_error *err)
{
    char text[256];
    int64_t count;
    TN_TRY(tn_shape_count_checked(shape, &count, err));
    if (count != tn_tensor_count(t))
        return tn_fail(
            err, TN_INVALID_ARGUMENT, "a tensor with %lld values cannot be reshaped to %s, which has %lld",
            (long long)tn_tensor_count(t), tn_shape_text(shape, text, sizeof text), (long long)count);
    if (t->buffer) return tn_tensor_on(t->dtype, shape, t->buffer, t->data, out, err);
    tn_tensor other = tn_tensor_view(t->dtype, shape, t->data);
    return tn_tensor_copy(&other, out, err);
}

/* ==== comparing ==== */

static bool strings_equal(const tn_string *a, const tn_string *b, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!tn_view_eq((tn_view){a[i].p, a[i].n}, (tn_view){b[i].p, b[i].n})) return false;
    return true;
}

bool tn_tensor_equal(const tn_tensor *a, const tn_tensor *b)
{
    if (a->dtype != b->dtype || !tn_shape_equal(&a->shape, &b->shape)) return false;
    if (a->dtype == TN_STRING) return strings_equal(a->data, b->data, tn_tensor_count(a));
    size_t n = tn_tensor_bytes(a);
    return n == 0 || memcmp(a->data, b->data, n) == 0;
}
