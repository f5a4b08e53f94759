/* SPDX-License-Identifier: Apache-2.0
 *
 * tensor_array.c - elements of a TensorArray. The operators are op_tensor_array.c's.
 */
#include "tensor_array.h"

#include "../kernel/kernel.h"

static void drop_elements(tn_tensor_array *a)
{
    for (int64_t i = 0; i < a->n; i++) tn_tensor_unref(a->v[i].value);
    tn_free(a->v);
    a->v = NULL;
    a->n = 0;
}

static void release_array(tn_resource *self)
{
    tn_tensor_array *a = (tn_tensor_array *)self;
    for (tn_tensor_array *g = a->gradients, *next; g; g = next) {
        next = g->next;
        tn_resource_unref(&g->base);
    }
    drop_elements(a);
    tn_charge_drop(&a->charge);
    tn_resource_free(self);
}

tn_code tn_tensor_array_new(const char *name, tn_dtype t, const tn_shape *element, int64_t n,
                            tn_tensor_array **out, tn_error *err)
{
    if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Size should be >= 0, got %lld", (long long)n);
    tn_tensor_array *a = tn_resource_new(sizeof *a, TN_RES_TENSOR_ARRAY, name, release_array);
    tn_charge charge = {NULL, 0};
    bool ok = tn_charge_add(&charge, ((size_t)n + 1) * sizeof(tn_array_element));
    tn_array_element *v = ok ? tn_calloc((size_t)n + 1, sizeof *v) : NULL;
    if (!a || !v) {
        tn_charge_drop(&charge);
        tn_resource_free(&a->base);
        tn_free(v);
        return tn_no_memory(err, (size_t)n * sizeof *v);
    }
    a->dtype = t;
    a->element = *element;
    a->n = n;
    a->v = v;
    a->charge = charge;
    *out = a;
    return TN_OK;
}

tn_code tn_tensor_array_gradient(tn_tensor_array *a, const char *source, const tn_shape *prepend,
                                 tn_tensor_array **out, tn_error *err)
{
    for (tn_tensor_array *g = a->gradients; g; g = g->next)
        if (!strcmp(g->base.name, source)) {
            *out = g;
            return TN_OK;
        }
    tn_shape element = a->element;
    if (prepend && element.rank >= 0) {
        if (prepend->rank + element.rank > TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
        memmove(element.dim + prepend->rank, element.dim, (size_t)element.rank * sizeof *element.dim);
        memcpy(element.dim, prepend->dim, (size_t)prepend->rank * sizeof *element.dim);
        element.rank += prepend->rank;
    }
    tn_tensor_array *g;
    TN_TRY(tn_tensor_array_new(source, a->dtype, &element, a->n, &g, err));
    g->is_gradient = true;
    g->clear_after_read = true;
    g->identical = a->identical;
    for (int64_t i = 0; !prepend && i < a->n; i++)
        g->v[i].shape = a->v[i].written ? a->v[i].shape : tn_shape_unknown();
    for (int64_t i = 0; prepend && i < a->n; i++) g->v[i].shape = tn_shape_unknown();
    a->dynamic = false; /* its size is fixed from now on */
    g->next = a->gradients;
    a->gradients = g;
    *out = g;
    return TN_OK;
}

tn_code tn_tensor_array_reserve(tn_tensor_array *a, int64_t n, tn_error *err)
{
    if (n <= a->n) return TN_OK;
    size_t more = (size_t)(n - a->n) * sizeof(tn_array_element);
    if (!tn_charge_add(&a->charge, more)) return tn_no_memory(err, more);
    tn_array_element *v = tn_realloc(a->v, (size_t)(n + 1) * sizeof *v);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    memset(v + a->n, 0, (size_t)(n - a->n) * sizeof *v);
    a->v = v;
    a->n = n;
    return TN_OK;
}

static tn_code check_open(const tn_tensor_array *a, tn_error *err)
{
    if (!a->closed) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "TensorArray %s has already been closed.", a->base.name);
}

static tn_code room_for(tn_tensor_array *a, int64_t i, tn_error *err)
{
    if (i >= 0 && i < a->n) return TN_OK;
    if (i < 0 || !a->dynamic || i >= INT32_MAX)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "TensorArray %s: Tried to write to index %lld but array is not resizeable and size is: %lld",
            a->base.name, (long long)i, (long long)a->n);
    int64_t want = i + 1;
    return tn_tensor_array_reserve(a, want, err);
}

/* The shape must fit the array's, and is the array's from now on when all elements are alike. */
static tn_code check_shape(tn_tensor_array *a, int64_t i, const tn_tensor *value, tn_error *err)
{
    char s[128], t[128];
    if (value->dtype != a->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray %s: Could not write to TensorArray index %lld because the value dtype is "
                       "%s but TensorArray "
                       "dtype is %s.",
                       a->base.name, (long long)i, tn_dtype_name(value->dtype), tn_dtype_name(a->dtype));
    if (!tn_shape_compatible(&a->element, &value->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray %s: Could not write to TensorArray index %lld because the value shape is "
                       "%s which is "
                       "incompatible with the TensorArray's inferred element shape: %s (consider setting "
                       "infer_shape=False).",
                       a->base.name, (long long)i, tn_shape_text(&value->shape, s, sizeof s),
                       tn_shape_text(&a->element, t, sizeof t));
    if (a->identical && !tn_shape_known(&a->element)) a->element = value->shape;
    return TN_OK;
}

/* element += value; copied first when others see it. */
static tn_code add_to(tn_array_element *e, const tn_tensor *value, tn_error *err)
{
    char a[128], b[128];
    if (!tn_shape_equal(&e->value->shape, &value->shape))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Could not aggregate to TensorArray: the existing shape is %s but the new input shape is %s.",
            tn_shape_text(&e->value->shape, a, sizeof a), tn_shape_text(&value->shape, b, sizeof b));
    tn_tensor *sum;
    TN_TRY(tn_tensor_alloc(value->dtype, &value->shape, &sum, err));
    const void *in[2] = {e->value->data, value->data};
    tn_code code = tn_pw_flat(TN_PW_ADD, value->dtype, 0, tn_tensor_count(value), in, sum->data, 1, err);
    if (code != TN_OK) {
        tn_tensor_unref(sum);
        return code;
    }
    tn_tensor_unref(e->value);
    e->value = sum;
    return TN_OK;
}

tn_code tn_tensor_array_write(tn_tensor_array *a, int64_t i, const tn_tensor *value, tn_error *err)
{
    TN_TRY(check_open(a, err));
    TN_TRY(room_for(a, i, err));
    TN_TRY(check_shape(a, i, value, err));
    tn_array_element *e = &a->v[i];
    if (e->read)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "TensorArray %s: Could not write to TensorArray index %lld because it has already been read.",
            a->base.name, (long long)i);
    if (e->written && !a->is_gradient)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray %s: Could not write to TensorArray index %lld because it has already "
                       "been written to.",
                       a->base.name, (long long)i);
    if (e->value) return add_to(e, value, err);
    TN_TRY(tn_tensor_keep(value, &e->value, err));
    e->shape = value->shape;
    e->written = true;
    return TN_OK;
}

static tn_code make_zeros(tn_tensor_array *a, int64_t i, tn_error *err)
{
    tn_array_element *e = &a->v[i];
    const tn_shape *s = tn_shape_known(&a->element) ? &a->element : &e->shape;
    char text[128];
    bool known = tn_shape_known(s) && (s == &a->element || a->is_gradient);
    if (!known)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray %s: Could not read from TensorArray index %lld.  Furthermore, the "
                       "element shape is not fully "
                       "defined: %s.",
                       a->base.name, (long long)i, tn_shape_text(&a->element, text, sizeof text));
    return tn_tensor_new(a->dtype, s, &e->value, err);
}

tn_code tn_tensor_array_read(tn_tensor_array *a, int64_t i, const tn_tensor **out, tn_error *err)
{
    TN_TRY(check_open(a, err));
    if (i < 0 || i >= a->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tried to read from index %lld but array size is: %lld",
                       (long long)i, (long long)a->n);
    tn_array_element *e = &a->v[i];
    if (e->cleared)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray %s: Could not read index %lld twice because it was cleared after a "
                       "previous read (perhaps try "
                       "setting clear_after_read = false?).",
                       a->base.name, (long long)i);
    if (!e->value) TN_TRY(make_zeros(a, i, err));
    e->read = true;
    *out = e->value;
    return TN_OK;
}

void tn_tensor_array_done(tn_tensor_array *a, int64_t i)
{
    if (!a->clear_after_read) return;
    tn_tensor_unref(a->v[i].value);
    a->v[i].value = NULL;
    a->v[i].cleared = true;
}

void tn_tensor_array_close(tn_tensor_array *a)
{
    drop_elements(a);
    a->closed = true;
}
