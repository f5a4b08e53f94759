/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_build.c - growing repeated fields, choosing members of oneofs, finding map entries, moving
 * scalars between the struct and 64 bits, telling which fields are set.
 */
#include "proto_walk.h"

/* ---- memory ---- */

tn_proto_pool tn_proto_pool_for(tn_arena *a, size_t input, size_t limit)
{
    if (!limit) limit = input > SIZE_MAX / 128 ? SIZE_MAX : input * 64 + 65536;
    return (tn_proto_pool){.arena = a, .limit = limit};
}

void *tn_proto_take(tn_proto_pool *p, size_t n)
{
    if (n > p->limit - p->taken) {
        p->taken = p->limit;
        return NULL;
    }
    void *memory = tn_arena_alloc(p->arena, n);
    if (memory) p->taken += n;
    return memory;
}

tn_code tn_proto_pool_fail(const tn_proto_pool *p, tn_error *err)
{
    if (p->taken < p->limit) return tn_no_memory(err, p->taken);
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "takes more than %zu bytes of memory", p->limit);
}

bool tn_proto_room(tn_proto_pool *p, void *list, size_t item_size, size_t more)
{
    tn_proto_any_list *l = list;
    size_t need = (size_t)l->n + more, bytes;
    if (need <= l->cap) return true;
    if (l->n) need = TN_MAX(need, (size_t)l->n * 2);
    if (need > UINT32_MAX || __builtin_mul_overflow(need, item_size, &bytes)) return false;
    void *items = tn_proto_take(p, bytes);
    if (!items) return false;
    if (l->n) memcpy(items, l->items, l->n * item_size);
    *l = (tn_proto_any_list){items, l->n, (uint32_t)need};
    return true;
}

bool tn_proto_reserve(tn_arena *a, void *list, size_t item_size, size_t more)
{
    tn_proto_pool pool = {.arena = a, .limit = SIZE_MAX};
    return tn_proto_room(&pool, list, item_size, more);
}

void *tn_proto_push(tn_arena *a, void *list, size_t item_size)
{
    tn_proto_any_list *l = list;
    if (l->n >= l->cap && !tn_proto_reserve(a, list, item_size, l->n ? 1 : 4)) return NULL;
    return memset((char *)l->items + l->n++ * item_size, 0, item_size);
}

/* ---- oneofs ---- */

static void empty(const tn_proto_field *f, void *message)
{
    size_t n = f->kind == TN_PROTO_SUB ? sizeof(void *) : tn_proto_item_size(f);
    memset(tn_proto_slot(f, message), 0, n);
}

void tn_proto_choose(const tn_proto_message *m, const tn_proto_field *f, void *message)
{
    int32_t *which = tn_proto_case(f, message);
    if (*which == (int32_t)f->number) return;
    const tn_proto_field *before = *which ? tn_proto_field_numbered(m, (uint32_t)*which) : NULL;
    if (before) empty(before, message);
    *which = (int32_t)f->number;
}

/* ---- which fields are written ---- */

static bool is_zero(const void *slot, size_t n)
{
    const char *s = slot;
    for (size_t i = 0; i < n; i++)
        if (s[i]) return false;
    return true;
}

bool tn_proto_present(const tn_proto_message *m, const tn_proto_field *f, const void *message)
{
    const void *slot = tn_proto_slot(f, message);
    if (f->label != TN_PROTO_ONE) return ((const tn_proto_any_list *)slot)->n > 0;
    if (!m->name) return true; /* an entry is always written whole */
    if (f->case_offset) return *tn_proto_case(f, message) == (int32_t)f->number;
    if (f->kind == TN_PROTO_SUB) return *(void *const *)slot != NULL;
    if (!tn_proto_packable(f)) return ((const tn_view *)slot)->n > 0;
    return !is_zero(slot, tn_proto_item_size(f));
}

/* ---- scalars ---- */

uint64_t tn_proto_load(const tn_proto_field *f, const void *slot)
{
    switch (f->kind) {
    case TN_PROTO_INT32:
    case TN_PROTO_ENUM: return (uint64_t)(int64_t)(int32_t)tn_get32(slot);
    case TN_PROTO_UINT32:
    case TN_PROTO_FIXED32:
    case TN_PROTO_FLOAT: return tn_get32(slot);
    case TN_PROTO_SINT64: return tn_zigzag((int64_t)tn_get64(slot));
    case TN_PROTO_BOOL: return *(const bool *)slot;
    default: return tn_get64(slot);
    }
}

void tn_proto_store(const tn_proto_field *f, void *slot, uint64_t v)
{
    switch (f->kind) {
    case TN_PROTO_SINT64: tn_put64(slot, (uint64_t)tn_unzigzag(v)); break;
    case TN_PROTO_BOOL: *(bool *)slot = v != 0; break;
    default:
        if (tn_proto_item_size(f) == 4)
            tn_put32(slot, (uint32_t)v);
        else
            tn_put64(slot, v);
    }
}

/* ---- maps ---- */

void *tn_proto_find(const void *items, size_t n, size_t item_size, const char *key)
{
    tn_view want = tn_view_of(key);
    for (size_t i = 0; i < n; i++) {
        const char *entry = (const char *)items + i * item_size;
        if (tn_view_eq(((const tn_StringEntry *)entry)->key, want)) return (void *)entry;
    }
    return NULL;
}

const tn_AttrValue *tn_attr_value(const tn_AttrEntry_list *attrs, const char *name)
{
    const tn_AttrEntry *e = TN_FIND(attrs, name);
    return e ? e->value : NULL;
}

tn_AttrValue *tn_attr_put(tn_arena *a, tn_AttrEntry_list *attrs, const char *name)
{
    tn_AttrValue *value = TN_NEW(a, tn_AttrValue);
    tn_AttrEntry *e = TN_FIND(attrs, name);
    if (e && value) return e->value = value;
    char *key = value ? tn_arena_strdup(a, name) : NULL;
    e = key ? TN_PUSH(a, attrs) : NULL;
    if (!e) return NULL;
    e->key = tn_view_of(key);
    return e->value = value;
}
