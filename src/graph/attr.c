/* SPDX-License-Identifier: Apache-2.0
 *
 * attr.c - attributes of operations: look-up, deep copies, equality.
 *
 * Invariant: a copy shares nothing with what it was made from, tensors excepted, which are counted.
 */
#include "graph.h"

enum { MAX_DEPTH = 32 }; /* functions in attributes of functions */

tn_attr tn_attr_str(const char *name, const char *v)
{
    return (tn_attr){.name = name, .kind = TN_ATTR_STRING, .s = {v, v ? strlen(v) : 0}};
}

/* ==== look-up ==== */

const tn_attr *tn_attr_find(const tn_attrs *a, const char *name)
{
    for (int i = 0; i < a->n; i++) {
        if (!strcmp(a->v[i].name, name)) return &a->v[i];
    }
    return NULL;
}

static const tn_attr *find_single(const tn_attrs *a, const char *name, tn_attr_kind kind)
{
    const tn_attr *v = tn_attr_find(a, name);
    return v && v->kind == kind && !v->is_list ? v : NULL;
}

bool tn_attr_get_int(const tn_attrs *a, const char *name, int64_t *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_INT);
    if (v) *out = v->i;
    return v != NULL;
}

bool tn_attr_get_float(const tn_attrs *a, const char *name, float *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_FLOAT);
    if (v) *out = v->f;
    return v != NULL;
}

bool tn_attr_get_bool(const tn_attrs *a, const char *name, bool *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_BOOL);
    if (v) *out = v->b;
    return v != NULL;
}

bool tn_attr_get_type(const tn_attrs *a, const char *name, tn_dtype *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_TYPE);
    if (v) *out = v->type;
    return v != NULL;
}

bool tn_attr_get_shape(const tn_attrs *a, const char *name, tn_shape *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_SHAPE);
    if (v) *out = v->shape;
    return v != NULL;
}

bool tn_attr_get_string(const tn_attrs *a, const char *name, tn_view *out)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_STRING);
    if (v) *out = (tn_view){v->s.p, v->s.n};
    return v != NULL;
}

const tn_tensor *tn_attr_get_tensor(const tn_attrs *a, const char *name)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_TENSOR);
    return v ? v->tensor : NULL;
}

const tn_func_attr *tn_attr_get_func(const tn_attrs *a, const char *name)
{
    const tn_attr *v = find_single(a, name, TN_ATTR_FUNC);
    return v ? &v->func : NULL;
}

int64_t tn_attr_i(const tn_attrs *a, const char *name)
{
    int64_t v = 0;
    tn_attr_get_int(a, name, &v);
    return v;
}

float tn_attr_f(const tn_attrs *a, const char *name)
{
    float v = 0;
    tn_attr_get_float(a, name, &v);
    return v;
}

bool tn_attr_b(const tn_attrs *a, const char *name)
{
    bool v = false;
    tn_attr_get_bool(a, name, &v);
    return v;
}

tn_dtype tn_attr_t(const tn_attrs *a, const char *name)
{
    tn_dtype v = TN_INVALID_DTYPE;
    tn_attr_get_type(a, name, &v);
    return v;
}

bool tn_attr_is(const tn_attrs *a, const char *name, const char *value)
{
    tn_view v;
    return tn_attr_get_string(a, name, &v) && tn_view_is(v, value);
}

int tn_attr_list(const tn_attrs *a, const char *name, const int64_t **ints)
{
    const tn_attr *v = tn_attr_find(a, name);
    if (!v || v->kind != TN_ATTR_INT || !v->is_list) return 0;
    *ints = v->is;
    return v->n;
}

/* ==== copies ==== */

static tn_code copy_bytes(tn_arena *a, const tn_bytes *from, tn_bytes *to, tn_error *err)
{
    char *p = tn_arena_strndup(a, from->n ? from->p : "", from->n);
    if (!p) return tn_no_memory(err, from->n);
    *to = (tn_bytes){p, from->n};
    return TN_OK;
}

static tn_code copy_many(tn_arena *a, const tn_attr *v, int n, tn_attrs *out, int depth, tn_error *err);

static tn_code copy_func(tn_arena *a, const tn_func_attr *from, tn_func_attr *to, int depth, tn_error *err)
{
    const char *name = from->name ? from->name : "";
    tn_attrs attrs;
    char *copy = tn_arena_strdup(a, name);
    if (!copy) return tn_no_memory(err, strlen(name));
    if (depth == MAX_DEPTH) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "function '%s': attributes nested deeper than %d", name,
                       MAX_DEPTH);
    }
    TN_TRY(copy_many(a, from->attrs, from->n_attrs, &attrs, depth + 1, err));
    *to = (tn_func_attr){copy, attrs.v, attrs.n};
    return TN_OK;
}

static size_t element_size(tn_attr_kind kind)
{
    switch (kind) {
    case TN_ATTR_STRING: return sizeof(tn_bytes);
    case TN_ATTR_INT: return sizeof(int64_t);
    case TN_ATTR_FLOAT: return sizeof(float);
    case TN_ATTR_BOOL: return sizeof(bool);
    case TN_ATTR_TYPE: return sizeof(tn_dtype);
    case TN_ATTR_SHAPE: return sizeof(tn_shape);
    case TN_ATTR_TENSOR: return sizeof(tn_tensor *);
    default: return sizeof(tn_func_attr);
    }
}

/* Tensors are referenced last, in take_tensors, so that a failed copy has nothing to give back. */
static tn_code copy_list(tn_arena *a, const tn_attr *from, tn_attr *to, int depth, tn_error *err)
{
    size_t size = element_size(from->kind);
    void *list = tn_arena_array(a, (size_t)TN_MAX(from->n, 1), size);
    if (!list) return tn_no_memory(err, size * (size_t)from->n);
    if (from->n) memcpy(list, from->ss, size * (size_t)from->n);
    to->ss = list;
    for (int i = 0; i < from->n; i++) {
        if (from->kind == TN_ATTR_STRING) TN_TRY(copy_bytes(a, &from->ss[i], &((tn_bytes *)list)[i], err));
        if (from->kind == TN_ATTR_FUNC)
            TN_TRY(copy_func(a, &from->funcs[i], &((tn_func_attr *)list)[i], depth, err));
    }
    return TN_OK;
}

static tn_code copy_one(tn_arena *a, const tn_attr *from, tn_attr *to, int depth, tn_error *err)
{
    *to = *from;
    if (!(to->name = tn_arena_strdup(a, from->name))) return tn_no_memory(err, strlen(from->name));
    if (from->is_list) return copy_list(a, from, to, depth, err);
    if (from->kind == TN_ATTR_STRING) return copy_bytes(a, &from->s, &to->s, err);
    if (from->kind == TN_ATTR_FUNC) return copy_func(a, &from->func, &to->func, depth, err);
    return TN_OK;
}

static tn_code copy_many(tn_arena *a, const tn_attr *v, int n, tn_attrs *out, int depth, tn_error *err)
{
    tn_attrs copy = {TN_ARRAY(a, TN_MAX(n, 1), tn_attr), n};
    if (!copy.v) return tn_no_memory(err, (size_t)n * sizeof(tn_attr));
    for (int i = 0; i < n; i++) TN_TRY(copy_one(a, &v[i], &copy.v[i], depth, err));
    *out = copy;
    return TN_OK;
}

/* Applies to every tensor below the attributes. */
static void each_tensor(const tn_attr *v, int n, void (*apply)(tn_tensor *t))
{
    for (int i = 0; i < n; i++) {
        const tn_attr *a = &v[i];
        if (a->kind == TN_ATTR_TENSOR && !a->is_list) apply((tn_tensor *)a->tensor);
        if (a->kind == TN_ATTR_FUNC && !a->is_list) each_tensor(a->func.attrs, a->func.n_attrs, apply);
        for (int k = 0; a->is_list && k < a->n; k++) {
            if (a->kind == TN_ATTR_TENSOR) apply((tn_tensor *)a->tensors[k]);
            if (a->kind == TN_ATTR_FUNC) each_tensor(a->funcs[k].attrs, a->funcs[k].n_attrs, apply);
        }
    }
}

static void take_tensor(tn_tensor *t)
{
    if (t) tn_tensor_ref(t);
}

tn_code tn_attrs_copy(tn_arena *a, const tn_attr *v, int n, tn_attrs *out, tn_error *err)
{
    TN_TRY(copy_many(a, v, n, out, 0, err));
    each_tensor(out->v, out->n, take_tensor);
    return TN_OK;
}

void tn_attrs_drop(tn_attrs *a)
{
    each_tensor(a->v, a->n, tn_tensor_unref);
    a->v = NULL;
    a->n = 0;
}

/* ==== equality ==== */

static bool same_bytes(const tn_bytes *a, const tn_bytes *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->p, b->p, a->n));
}

static bool same_func(const tn_func_attr *a, const tn_func_attr *b)
{
    const tn_attrs x = {(tn_attr *)a->attrs, a->n_attrs}, y = {(tn_attr *)b->attrs, b->n_attrs};
    return !strcmp(a->name, b->name) && tn_attrs_equal(&x, &y);
}

static bool same_tensor(const tn_tensor *a, const tn_tensor *b)
{
    return a == b || (a && b && tn_tensor_equal(a, b));
}

static bool same_list(const tn_attr *a, const tn_attr *b)
{
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++) {
        bool same;
        switch (a->kind) {
        case TN_ATTR_STRING: same = same_bytes(&a->ss[i], &b->ss[i]); break;
        case TN_ATTR_INT: same = a->is[i] == b->is[i]; break;
        case TN_ATTR_FLOAT: same = !memcmp(&a->fs[i], &b->fs[i], sizeof(float)); break;
        case TN_ATTR_BOOL: same = a->bs[i] == b->bs[i]; break;
        case TN_ATTR_TYPE: same = a->types[i] == b->types[i]; break;
        case TN_ATTR_SHAPE: same = tn_shape_equal(&a->shapes[i], &b->shapes[i]); break;
        case TN_ATTR_TENSOR: same = same_tensor(a->tensors[i], b->tensors[i]); break;
        default: same = same_func(&a->funcs[i], &b->funcs[i]); break;
        }
        if (!same) return false;
    }
    return true;
}

static bool same_attr(const tn_attr *a, const tn_attr *b)
{
    if (a->kind != b->kind || a->is_list != b->is_list) return false;
    if (a->is_list) return same_list(a, b);
    switch (a->kind) {
    case TN_ATTR_STRING: return same_bytes(&a->s, &b->s);
    case TN_ATTR_INT: return a->i == b->i;
    case TN_ATTR_FLOAT: return !memcmp(&a->f, &b->f, sizeof(float)); /* a NaN equals itself */
    case TN_ATTR_BOOL: return a->b == b->b;
    case TN_ATTR_TYPE: return a->type == b->type;
    case TN_ATTR_SHAPE: return tn_shape_equal(&a->shape, &b->shape);
    case TN_ATTR_TENSOR: return same_tensor(a->tensor, b->tensor);
    default: return same_func(&a->func, &b->func);
    }
}

bool tn_attrs_equal(const tn_attrs *a, const tn_attrs *b)
{
    if (a->n != b->n) return false;
    for (int i = 0; i < a->n; i++) {
        const tn_attr *other = tn_attr_find(b, a->v[i].name);
        if (!other || !same_attr(&a->v[i], other)) return false;
    }
    return true;
}
