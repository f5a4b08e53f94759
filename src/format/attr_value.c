/* SPDX-License-Identifier: Apache-2.0
 *
 * attr_value.c - AttrValue messages <-> attributes of operations.
 *
 * Invariants: strings, lists and functions of an attribute made here live in the arena (or are views of
 * the message); its tensors are counted and the caller's to drop, also after a failure half way.
 */
#include "graphdef.h"

#define FUNC_DEPTH 16 /* functions with functions among their attributes */

static tn_code attr_from(const char *name, const tn_AttrValue *v, tn_arena *a, int depth, tn_attr *out,
                         tn_error *err);
static tn_code attr_to(const tn_attr *attr, tn_arena *a, int depth, tn_AttrValue *out, tn_error *err);

/* ---- from the message ---- */

static tn_code func_from(const tn_NameAttrList *p, tn_arena *a, int depth, tn_func_attr *out, tn_error *err)
{
    if (depth > FUNC_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT, "function attributes nest deeper than %d", FUNC_DEPTH);
    tn_attr *attrs = TN_ARRAY(a, p->attr.n + 1, tn_attr);
    char *name = tn_arena_strndup(a, p->name.p, p->name.n);
    if (!attrs || !name) return tn_no_memory(err, p->attr.n * sizeof *attrs);
    *out = (tn_func_attr){name, attrs, 0};
    for (uint32_t i = 0; i < p->attr.n; i++) {
        const tn_AttrEntry *e = &p->attr.items[i];
        char *key = tn_arena_strndup(a, e->key.p, e->key.n);
        if (!key) return tn_no_memory(err, e->key.n);
        out->n_attrs++; /* before: what it holds is dropped with the others */
        TN_TRY(attr_from(key, e->value, a, depth + 1, &attrs[i], err));
    }
    return TN_OK;
}

static tn_code shapes_from(const tn_TensorShapeProto_list *p, tn_arena *a, tn_attr *out, tn_error *err)
{
    tn_shape *s = TN_ARRAY(a, p->n + 1, tn_shape);
    if (!s) return tn_no_memory(err, p->n * sizeof *s);
    for (uint32_t i = 0; i < p->n; i++) TN_TRY(tn_shape_from_proto(&p->items[i], &s[i], err));
    out->shapes = s;
    return TN_OK;
}

/* out->n counts the tensors there are, so that a caller can drop them whatever happens. */
static tn_code tensors_from(const tn_TensorProto_list *p, tn_arena *a, tn_attr *out, tn_error *err)
{
    tn_tensor **t = TN_ARRAY(a, p->n + 1, tn_tensor *);
    out->n = 0;
    if (!t) return tn_no_memory(err, p->n * sizeof *t);
    out->tensors = (const tn_tensor *const *)t;
    for (out->n = 0; out->n < (int)p->n; out->n++)
        TN_TRY(tn_tensor_from_proto(&p->items[out->n], 0, &t[out->n], err));
    return TN_OK;
}

static tn_code funcs_from(const tn_NameAttrList_list *p, tn_arena *a, int depth, tn_attr *out, tn_error *err)
{
    tn_func_attr *f = TN_ARRAY(a, p->n + 1, tn_func_attr);
    out->n = 0;
    if (!f) return tn_no_memory(err, p->n * sizeof *f);
    out->funcs = f;
    while (out->n < (int)p->n) {
        out->n++;
        TN_TRY(func_from(&p->items[out->n - 1], a, depth, &f[out->n - 1], err));
    }
    return TN_OK;
}

static tn_code strings_from(const tn_view_list *p, tn_arena *a, tn_attr *out, tn_error *err)
{
    tn_bytes *s = TN_ARRAY(a, p->n + 1, tn_bytes);
    if (!s) return tn_no_memory(err, p->n * sizeof *s);
    for (uint32_t i = 0; i < p->n; i++) s[i] = (tn_bytes){p->items[i].p, p->items[i].n};
    out->ss = s;
    return TN_OK;
}

/* The one kind of element that a list has; an empty list is one of integers, for want of a better. */
static tn_code list_from(const tn_AttrValue_ListValue *p, tn_arena *a, int depth, tn_attr *out, tn_error *err)
{
    struct {
        tn_attr_kind kind;
        uint32_t n;
    } kinds[] = {{TN_ATTR_STRING, p->s.n},      {TN_ATTR_INT, p->i.n},     {TN_ATTR_FLOAT, p->f.n},
                 {TN_ATTR_BOOL, p->b.n},        {TN_ATTR_TYPE, p->type.n}, {TN_ATTR_SHAPE, p->shape.n},
                 {TN_ATTR_TENSOR, p->tensor.n}, {TN_ATTR_FUNC, p->func.n}};
    out->is_list = true;
    out->kind = TN_ATTR_INT;
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        if (!kinds[i].n) continue;
        if (out->n) return tn_fail(err, TN_INVALID_ARGUMENT, "a list of mixed kinds");
        if (kinds[i].n > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "a list of %u elements", (unsigned)kinds[i].n);
        out->kind = kinds[i].kind;
        out->n = (int)kinds[i].n;
    }
    switch (out->kind) {
    case TN_ATTR_STRING: return strings_from(&p->s, a, out, err);
    case TN_ATTR_INT: out->is = p->i.items; break;
    case TN_ATTR_FLOAT: out->fs = p->f.items; break;
    case TN_ATTR_BOOL: out->bs = p->b.items; break;
    case TN_ATTR_TYPE: out->types = (const tn_dtype *)p->type.items; break;
    case TN_ATTR_SHAPE: return shapes_from(&p->shape, a, out, err);
    case TN_ATTR_TENSOR: return tensors_from(&p->tensor, a, out, err);
    case TN_ATTR_FUNC: return funcs_from(&p->func, a, depth, out, err);
    }
    return TN_OK;
}

static tn_code attr_from(const char *name, const tn_AttrValue *v, tn_arena *a, int depth, tn_attr *out,
                         tn_error *err)
{
    *out = (tn_attr){.name = name};
    switch (v->value_case) {
    case TN_AttrValue_list: return list_from(v->list, a, depth, out, err);
    case TN_AttrValue_s:
        out->kind = TN_ATTR_STRING;
        out->s = (tn_bytes){v->s.p, v->s.n};
        return TN_OK;
    case TN_AttrValue_i:
        out->kind = TN_ATTR_INT;
        out->i = v->i;
        return TN_OK;
    case TN_AttrValue_f:
        out->kind = TN_ATTR_FLOAT;
        out->f = v->f;
        return TN_OK;
    case TN_AttrValue_b:
        out->kind = TN_ATTR_BOOL;
        out->b = v->b;
        return TN_OK;
    case TN_AttrValue_type:
        out->kind = TN_ATTR_TYPE;
        out->type = (tn_dtype)v->type;
        return TN_OK;
    case TN_AttrValue_shape:
        out->kind = TN_ATTR_SHAPE;
        return tn_shape_from_proto(v->shape, &out->shape, err);
    case TN_AttrValue_func: out->kind = TN_ATTR_FUNC; return func_from(v->func, a, depth, &out->func, err);
    case TN_AttrValue_tensor: {
        tn_tensor *t = NULL;
        out->kind = TN_ATTR_TENSOR;
        tn_code code = tn_tensor_from_proto(v->tensor, 0, &t, err);
        out->tensor = t;
        return code;
    }
    case TN_AttrValue_placeholder:
        return tn_fail(err, TN_UNIMPLEMENTED, "a placeholder (%.*s) for a polymorphic function's attribute",
                       (int)TN_MIN(v->placeholder.n, 100), v->placeholder.p);
    default:
        out->kind = TN_ATTR_INT;
        out->is_list = true;
        return TN_OK; /* no value: as good as an empty list */
    }
}

static tn_code attr_from_proto(const char *name, const tn_AttrValue *v, tn_arena *a, tn_attr *out, tn_error *err)
{
    tn_attr attr;
    tn_code code = attr_from(name, v, a, 0, &attr, err);
    if (code != TN_OK) {
        tn_attrs drop = {&attr, 1};
        tn_attrs_drop(&drop);
        tn_wrap(err, "attribute '%s'", name);
        return code;
    }
    *out = attr;
    return TN_OK;
}

tn_code tn_attrs_from_proto(const tn_AttrEntry_list *list, tn_arena *a, tn_attrs *out, tn_error *err)
{
    tn_attrs r = {TN_ARRAY(a, list->n + 2, tn_attr), 0}; /* room for TN_OUTPUT_NAMES */
    if (!r.v) return tn_no_memory(err, list->n * sizeof *r.v);
    for (uint32_t i = 0; i < list->n; i++) {
        const tn_AttrEntry *e = &list->items[i];
        char *key = tn_arena_strndup(a, e->key.p, e->key.n);
        tn_code code =
            key ? attr_from_proto(key, e->value, a, &r.v[r.n], err) : tn_no_memory(err, e->key.n);
        if (code != TN_OK) {
            tn_attrs_drop(&r);
            return code;
        }
        r.n++;
    }
    *out = r;
    return TN_OK;
}

/* ---- to the message ---- */

static tn_code func_to(const tn_func_attr *f, tn_arena *a, int depth, tn_NameAttrList *out, tn_error *err)
{
    if (depth > FUNC_DEPTH)
        return tn_fail(err, TN_INVALID_ARGUMENT, "function attributes nest deeper than %d", FUNC_DEPTH);
    out->name = tn_view_of(f->name);
    for (int i = 0; i < f->n_attrs; i++) {
        tn_AttrValue *v = tn_attr_put(a, &out->attr, f->attrs[i].name);
        if (!v) return tn_no_memory(err, sizeof *v);
        TN_TRY(attr_to(&f->attrs[i], a, depth + 1, v, err));
    }
    return TN_OK;
}

/* Numbers are copied so that the message's lists may grow. */
#define COPY_LIST(field, from)                                                        \
    do {                                                                              \
        if (!tn_proto_reserve(a, &p->field, sizeof *p->field.items, (size_t)attr->n)) \
            return tn_no_memory(err, 0);                                              \
        for (int i = 0; i < attr->n; i++) p->field.items[i] = attr->from[i];          \
        p->field.n = (uint32_t)attr->n;                                               \
    } while (0)

static tn_code messages_to(const tn_attr *attr, tn_arena *a, int depth, tn_AttrValue_ListValue *p,
                           tn_error *err)
{
    for (int i = 0; i < attr->n; i++) {
        if (attr->kind == TN_ATTR_SHAPE) {
            tn_TensorShapeProto *s = TN_PUSH(a, &p->shape);
            if (!s) return tn_no_memory(err, sizeof *s);
            TN_TRY(tn_shape_to_proto(&attr->shapes[i], a, s, err));
        } else if (attr->kind == TN_ATTR_TENSOR) {
            tn_TensorProto *t = TN_PUSH(a, &p->tensor);
            if (!t) return tn_no_memory(err, sizeof *t);
            TN_TRY(tn_tensor_to_proto(attr->tensors[i], a, t, err));
        } else if (attr->kind == TN_ATTR_FUNC) {
            tn_NameAttrList *f = TN_PUSH(a, &p->func);
            if (!f) return tn_no_memory(err, sizeof *f);
            TN_TRY(func_to(&attr->funcs[i], a, depth, f, err));
        } else {
            tn_view *s = TN_PUSH(a, &p->s);
            if (!s) return tn_no_memory(err, sizeof *s);
            *s = (tn_view){attr->ss[i].p, attr->ss[i].n};
        }
    }
    return TN_OK;
}

static tn_code list_to(const tn_attr *attr, tn_arena *a, int depth, tn_AttrValue *out, tn_error *err)
{
    tn_AttrValue_ListValue *p = TN_NEW(a, tn_AttrValue_ListValue);
    if (!p) return tn_no_memory(err, sizeof *p);
    TN_SET(out, AttrValue, value, list) = p;
    switch (attr->kind) {
    case TN_ATTR_INT: COPY_LIST(i, is); return TN_OK;
    case TN_ATTR_FLOAT: COPY_LIST(f, fs); return TN_OK;
    case TN_ATTR_BOOL: COPY_LIST(b, bs); return TN_OK;
    case TN_ATTR_TYPE: COPY_LIST(type, types); return TN_OK;
    default: return messages_to(attr, a, depth, p, err);
    }
}

static tn_code message_to(const tn_attr *attr, tn_arena *a, int depth, tn_AttrValue *out, tn_error *err)
{
    if (attr->kind == TN_ATTR_SHAPE) {
        tn_TensorShapeProto *s = TN_NEW(a, tn_TensorShapeProto);
        if (!s) return tn_no_memory(err, sizeof *s);
        TN_SET(out, AttrValue, value, shape) = s;
        return tn_shape_to_proto(&attr->shape, a, s, err);
    }
    if (attr->kind == TN_ATTR_TENSOR) {
        tn_TensorProto *t = TN_NEW(a, tn_TensorProto);
        if (!t) return tn_no_memory(err, sizeof *t);
        TN_SET(out, AttrValue, value, tensor) = t;
        return tn_tensor_to_proto(attr->tensor, a, t, err);
    }
    tn_NameAttrList *f = TN_NEW(a, tn_NameAttrList);
    if (!f) return tn_no_memory(err, sizeof *f);
    TN_SET(out, AttrValue, value, func) = f;
    return func_to(&attr->func, a, depth, f, err);
}

static tn_code attr_to(const tn_attr *attr, tn_arena *a, int depth, tn_AttrValue *out, tn_error *err)
{
    if (attr->is_list) return list_to(attr, a, depth, out, err);
    switch (attr->kind) {
    case TN_ATTR_STRING: TN_SET(out, AttrValue, value, s) = (tn_view){attr->s.p, attr->s.n}; return TN_OK;
    case TN_ATTR_INT: TN_SET(out, AttrValue, value, i) = attr->i; return TN_OK;
    case TN_ATTR_FLOAT: TN_SET(out, AttrValue, value, f) = attr->f; return TN_OK;
    case TN_ATTR_BOOL: TN_SET(out, AttrValue, value, b) = attr->b; return TN_OK;
    case TN_ATTR_TYPE: TN_SET(out, AttrValue, value, type) = (int32_t)attr->type; return TN_OK;
    default: return message_to(attr, a, depth, out, err);
    }
}

static tn_code attr_to_proto(const tn_attr *attr, tn_arena *a, tn_AttrValue *out, tn_error *err)
{
    tn_code code = attr_to(attr, a, 0, out, err);
    if (code != TN_OK) tn_wrap(err, "attribute '%s'", attr->name);
    return code;
}

tn_code tn_attrs_to_proto(const tn_attrs *attrs, tn_arena *a, tn_AttrEntry_list *out, tn_error *err)
{
    for (int i = 0; i < attrs->n; i++) {
        if (!strcmp(attrs->v[i].name, TN_OUTPUT_NAMES)) continue;
        tn_AttrValue *v = tn_attr_put(a, out, attrs->v[i].name);
        if (!v) return tn_no_memory(err, sizeof *v);
        TN_TRY(attr_to_proto(&attrs->v[i], a, v, err));
    }
    return TN_OK;
}
