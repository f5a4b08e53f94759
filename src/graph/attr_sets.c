/* SPDX-License-Identifier: Apache-2.0
 *
 * attr_sets.c - attributes that many operations of a graph have alike (types, strides, shapes) are kept once. What has
 * tensors or functions in it is each operation's own. Copies and equality of single ones are attr.c's.
 *
 * Invariant: what is shared is never written to; an operation that changes gets attributes of its own (graph.c).
 */
#include "inside.h"

enum { FIRST_SLOTS = 64 };

void tn_attr_sets_end(tn_attr_sets *s)
{
    tn_free(s->slots);
    *s = (tn_attr_sets){0};
}

uint64_t tn_mix(uint64_t h, const void *p, size_t n)
{
    for (const unsigned char *c = p; n--; c++) h = (h ^ *c) * UINT64_C(0x100000001b3);
    return h;
}

uint64_t tn_mix_shape(uint64_t h, const tn_shape *s)
{
    h = tn_mix(h, &s->rank, sizeof s->rank);
    return s->rank > 0 ? tn_mix(h, s->dim, (size_t)s->rank * sizeof *s->dim) : h;
}

static uint64_t mix_list(uint64_t h, const tn_attr *a)
{
    h = tn_mix(h, &a->n, sizeof a->n);
    for (int i = 0; i < a->n; i++) {
        if (a->kind == TN_ATTR_SHAPE) h = tn_mix_shape(h, &a->shapes[i]);
        if (a->kind == TN_ATTR_INT) h = tn_mix(h, &a->is[i], sizeof a->is[i]);
        if (a->kind == TN_ATTR_TYPE) h = tn_mix(h, &a->types[i], sizeof a->types[i]);
        if (a->kind == TN_ATTR_FLOAT) h = tn_mix(h, &a->fs[i], sizeof a->fs[i]);
        if (a->kind == TN_ATTR_BOOL) h = tn_mix(h, &a->bs[i], sizeof a->bs[i]);
        if (a->kind == TN_ATTR_STRING) h = tn_mix(tn_mix(h, &a->ss[i].n, sizeof a->ss[i].n), a->ss[i].p, a->ss[i].n);
    }
    return h;
}

uint64_t tn_attr_mix(uint64_t h, const tn_attr *a)
{
    h = tn_mix(h, a->name, strlen(a->name) + 1);
    h = tn_mix(h, &a->kind, sizeof a->kind);
    if (a->is_list) return mix_list(h, a);
    switch (a->kind) {
    case TN_ATTR_STRING: return tn_mix(h, a->s.p, a->s.n);
    case TN_ATTR_INT: return tn_mix(h, &a->i, sizeof a->i);
    case TN_ATTR_FLOAT: return tn_mix(h, &a->f, sizeof a->f);
    case TN_ATTR_BOOL: return tn_mix(h, &a->b, sizeof a->b);
    case TN_ATTR_TYPE: return tn_mix(h, &a->type, sizeof a->type);
    case TN_ATTR_SHAPE: return tn_mix_shape(h, &a->shape);
    default: return h;
    }
}

static bool same(const tn_attrs *a, const tn_attr *v, int n)
{
    const tn_attrs b = {(tn_attr *)v, n};
    if (a->n != n) return false;
    for (int i = 0; i < n; i++)
        if (strcmp(a->v[i].name, v[i].name) != 0) return false; /* in the same order, too */
    return tn_attrs_equal(a, &b);
}

static bool can_be_shared(const tn_attr *v, int n)
{
    for (int i = 0; i < n; i++)
        if (v[i].kind == TN_ATTR_TENSOR || v[i].kind == TN_ATTR_FUNC) return false;
    return n > 0;
}

/* Where it is, or where it belongs. */
static tn_attr_set *slot_of(const tn_attr_sets *s, uint64_t hash, const tn_attr *v, int n)
{
    size_t at = hash & (s->cap - 1);
    while (s->slots[at].attrs.v && (s->slots[at].hash != hash || !same(&s->slots[at].attrs, v, n)))
        at = (at + 1) & (s->cap - 1);
    return &s->slots[at];
}

static bool grow(tn_attr_sets *s)
{
    tn_attr_sets more = {.cap = s->cap ? s->cap * 2 : FIRST_SLOTS, .n = s->n};
    more.slots = tn_calloc(more.cap, sizeof *more.slots);
    if (!more.slots) return false;
    for (size_t i = 0; i < s->cap; i++) {
        const tn_attr_set *old = &s->slots[i];
        size_t at = old->hash & (more.cap - 1);
        if (!old->attrs.v) continue;
        while (more.slots[at].attrs.v) at = (at + 1) & (more.cap - 1);
        more.slots[at] = *old;
    }
    tn_free(s->slots);
    *s = more;
    return true;
}

tn_code tn_attr_sets_copy(tn_attr_sets *s, tn_arena *a, const tn_attr *v, int n, tn_attrs *out, tn_error *err)
{
    uint64_t hash = TN_MIX_BEGIN;
    if (!can_be_shared(v, n)) return tn_attrs_copy(a, v, n, out, err);
    for (int i = 0; i < n; i++) hash = tn_attr_mix(hash, &v[i]);
    if (s->n >= s->cap / 2 && !grow(s)) return tn_no_memory(err, s->cap * sizeof *s->slots);
    tn_attr_set *slot = slot_of(s, hash, v, n);
    if (!slot->attrs.v) {
        tn_attrs made;
        TN_TRY(tn_attrs_copy(a, v, n, &made, err));
        *slot = (tn_attr_set){hash, made};
        s->n++;
    }
    *out = slot->attrs;
    return TN_OK;
}
