/* SPDX-License-Identifier: Apache-2.0
 *
 * proto_map.c - map fields in order: ascending by key, as TensorFlow writes them when it writes
 * deterministically.
 */
#include "proto_walk.h"

static int compare_views(tn_view a, tn_view b)
{
    size_t n = TN_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_keys(const tn_proto_message *entry, const void *a, const void *b)
{
    const tn_proto_field *key = &entry->fields[0];
    const void *x = tn_proto_slot(key, a), *y = tn_proto_slot(key, b);
    switch (key->kind) {
    case TN_PROTO_STRING: return compare_views(*(const tn_view *)x, *(const tn_view *)y);
    case TN_PROTO_INT32:
    case TN_PROTO_INT64: {
        int64_t u = (int64_t)tn_proto_load(key, x), v = (int64_t)tn_proto_load(key, y);
        return (u > v) - (u < v);
    }
    default: {
        uint64_t u = tn_proto_load(key, x), v = tn_proto_load(key, y);
        return (u > v) - (u < v);
    }
    }
}

static const void *entry_at(const tn_proto_message *entry, const tn_proto_any_list *map, size_t i)
{
    return (const char *)map->items + i * entry->size;
}

/* Whether entries ascend strictly from the one before `from` on. */
static bool ascends_from(const tn_proto_message *entry, const tn_proto_any_list *map, size_t from)
{
    for (size_t i = TN_MAX(from, 1); i < map->n; i++)
        if (compare_keys(entry, entry_at(entry, map, i - 1), entry_at(entry, map, i)) >= 0)
            return false;
    return true;
}

bool tn_proto_map_ascends(const tn_proto_message *entry, const tn_proto_any_list *map)
{
    return ascends_from(entry, map, 0);
}

/* Merges order[from, middle) and order[middle, to) through scratch. */
static void merge(const tn_proto_message *entry, const tn_proto_any_list *map, uint32_t *order,
                  uint32_t *scratch, size_t from, size_t middle, size_t to)
{
    size_t i = from, j = middle;
    for (size_t k = from; k < to; k++) {
        bool left = j == to || (i < middle && compare_keys(entry, entry_at(entry, map, order[i]),
                                                           entry_at(entry, map, order[j])) <= 0);
        scratch[k] = left ? order[i++] : order[j++];
    }
    memcpy(order + from, scratch + from, (to - from) * sizeof *order);
}

void tn_proto_map_order(const tn_proto_message *entry, const tn_proto_any_list *map, uint32_t *order,
                        uint32_t *scratch)
{
    size_t n = map->n;
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2)
        for (size_t from = 0; from + width < n; from += 2 * width)
            merge(entry, map, order, scratch, from, from + width, TN_MIN(from + 2 * width, n));
}

/* Puts the entries into a new array in order, keeping the last of equal keys. */
static bool sort(const tn_proto_message *entry, tn_proto_any_list *map, tn_proto_pool *pool)
{
    uint32_t *order = tn_proto_take(pool, (size_t)map->n * 2 * sizeof *order);
    char *items = order ? tn_proto_take(pool, map->n * entry->size) : NULL;
    if (!items) return false;
    tn_proto_map_order(entry, map, order, order + map->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < map->n; i++) {
        const void *here = entry_at(entry, map, order[i]);
        if (i + 1 < map->n && !compare_keys(entry, here, entry_at(entry, map, order[i + 1])))
            continue;
        memcpy(items + n++ * entry->size, here, entry->size);
    }
    *map = (tn_proto_any_list){items, n, map->n};
    return true;
}

bool tn_proto_map_finish(const tn_proto_message *entry, tn_proto_any_list *map, size_t from,
                         tn_proto_pool *pool)
{
    if (!ascends_from(entry, map, from)) {
        if (!sort(entry, map, pool)) return false;
        from = 0;
    }
    const tn_proto_field *value = &entry->fields[1];
    if (value->kind != TN_PROTO_SUB) return true;
    for (size_t i = from; i < map->n; i++) {
        void **slot = tn_proto_slot(value, entry_at(entry, map, i));
        if (!*slot && !(*slot = tn_proto_take(pool, value->sub->size))) return false;
    }
    return true;
}
