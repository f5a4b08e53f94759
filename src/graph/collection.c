/* SPDX-License-Identifier: Apache-2.0
 *
 * collection.c - a graph's named collections: lists of names, or of bytes that are kept as they came. What
 * the well-known ones mean is the business of those who fill and read them.
 */
#include "inside.h"

typedef struct collection {
    const char *name;
    bool is_bytes;
    tn_view *items; /* NUL-terminated beyond n */
    int n, cap;
} collection;

void tn_graph_free_collections(tn_graph *g)
{
    for (size_t i = 0; i < tn_map_count(g->collections); i++) {
        collection *c = tn_map_value(g->collections, i);
        tn_free(c->items);
    }
}

static tn_code find_or_add(tn_graph *g, const char *name, bool is_bytes, collection **out, tn_error *err)
{
    collection *c = tn_map_get(g->collections, name);
    if (c && c->n && c->is_bytes != is_bytes) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "collection '%s' holds %s, not %s", name,
                       c->is_bytes ? "bytes" : "names", is_bytes ? "bytes" : "names");
    }
    if (!c) {
        c = TN_NEW(g->arena, collection);
        if (!c || !(c->name = tn_arena_strdup(g->arena, name)) || !tn_map_put(g->collections, name, c)) {
            return tn_no_memory(err, sizeof *c);
        }
    }
    c->is_bytes = is_bytes;
    *out = c;
    return TN_OK;
}

static tn_code add(tn_graph *g, const char *name, bool is_bytes, tn_view item, tn_error *err)
{
    collection *c = NULL;
    TN_TRY(tn_graph_check_open(g, err));
    TN_TRY(find_or_add(g, name, is_bytes, &c, err));
    if (!TN_ROOM(NULL, c->items, c->n, c->cap)) return tn_no_memory(err, 0);
    char *copy = tn_arena_strndup(g->arena, item.n ? item.p : "", item.n);
    if (!copy) return tn_no_memory(err, item.n);
    c->items[c->n++] = (tn_view){copy, item.n};
    return TN_OK;
}

tn_code tn_collection_add(tn_graph *g, const char *name, const char *item, tn_error *err)
{
    return add(g, name, false, tn_view_of(item), err);
}

tn_code tn_collection_add_bytes(tn_graph *g, const char *name, tn_view item, tn_error *err)
{
    return add(g, name, true, item, err);
}

tn_code tn_collection_remove(tn_graph *g, const char *name, const char *item, tn_error *err)
{
    collection *c = tn_map_get(g->collections, name);
    TN_TRY(tn_graph_check_open(g, err));
    int kept = 0;
    for (int i = 0; c && i < c->n; i++)
        if (c->is_bytes || !tn_view_is(c->items[i], item)) c->items[kept++] = c->items[i];
    if (c) c->n = kept;
    return TN_OK;
}

tn_code tn_collection_remove_bytes(tn_graph *g, const char *name, int i, tn_error *err)
{
    collection *c = tn_map_get(g->collections, name);
    TN_TRY(tn_graph_check_open(g, err));
    if (!c || !c->is_bytes || i < 0 || i >= c->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "collection '%s' has no bytes %d", name, i);
    memmove(c->items + i, c->items + i + 1, (size_t)(--c->n - i) * sizeof *c->items);
    return TN_OK;
}

static const collection *find(const tn_graph *g, const char *name, bool is_bytes)
{
    const collection *c = tn_map_get(g->collections, name);
    return c && c->is_bytes == is_bytes ? c : NULL;
}

int tn_collection_count(const tn_graph *g, const char *name)
{
    const collection *c = tn_map_get(g->collections, name);
    return c ? c->n : 0;
}

const char *tn_collection_at(const tn_graph *g, const char *name, int i)
{
    const collection *c = find(g, name, false);
    return c && i >= 0 && i < c->n ? c->items[i].p : NULL;
}

bool tn_collection_is_bytes(const tn_graph *g, const char *name)
{
    return find(g, name, true) != NULL;
}

tn_view tn_collection_bytes_at(const tn_graph *g, const char *name, int i)
{
    const collection *c = find(g, name, true);
    return c && i >= 0 && i < c->n ? c->items[i] : (tn_view){NULL, 0};
}

int tn_collection_kinds(const tn_graph *g)
{
    return (int)tn_map_count(g->collections);
}
const char *tn_collection_name(const tn_graph *g, int i)
{
    return i >= 0 && i < tn_collection_kinds(g) ? tn_map_key(g->collections, (size_t)i) : NULL;
}
