/* SPDX-License-Identifier: Apache-2.0
 *
 * pieces.c - tuples of tensors whose components come one by one, under a key.
 */
#include "pieces.h"

void tn_pieces_drop(const tn_pieces *p, tn_tuple *t)
{
    if (!t) return;
    for (int k = 0; k < p->width; k++) tn_tensor_unref(t->part[k]);
    tn_free(t->key);
    tn_free(t);
}

void tn_pieces_forget(tn_pieces *p)
{
    while (p->partial && tn_map_count(p->partial)) {
        tn_tuple *t = tn_map_value(p->partial, 0);
        tn_map_remove(p->partial, tn_map_key_view(p->partial, 0));
        tn_pieces_drop(p, t);
    }
}

static void release(tn_resource *self)
{
    tn_pieces *p = (tn_pieces *)self;
    tn_pieces_forget(p);
    while (p->n) tn_pieces_drop(p, p->ready[--p->n]);
    tn_map_free(p->partial);
    tn_free(p->ready);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    tn_resource_free(self);
}

tn_pieces *tn_pieces_new(const tn_run *r, tn_resource_kind kind, const char *types)
{
    const tn_attr *t = tn_attr_find(r->attrs, types);
    if (!t || t->n < 1 || t->n > TN_MOST_PIECES) return NULL;
    tn_pieces *p = tn_resource_new(sizeof *p, kind, r->name, release);
    if (!p) return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    p->partial = tn_map_new();
    for (p->width = 0; p->width < t->n; p->width++) {
        p->types[p->width] = t->types[p->width];
        p->shapes[p->width] = tn_shape_unknown();
    }
    if (p->partial) return p;
    release(&p->base);
    return NULL;
}

tn_tuple *tn_pieces_find(const tn_pieces *p, tn_view key)
{
    return tn_map_get_view(p->partial, key);
}

tn_code tn_pieces_add(tn_pieces *p, tn_view key, int64_t order, tn_tuple **out, tn_error *err)
{
    tn_tuple *t = tn_calloc(1, sizeof *t + (size_t)p->width * sizeof *t->part);
    if (!t || !(t->key = tn_malloc(key.n + 1)) || !tn_map_put_view(p->partial, key, t)) {
        tn_pieces_drop(p, t);
        return tn_no_memory(err, key.n);
    }
    if (key.n) memcpy(t->key, key.p, key.n);
    t->n = key.n;
    t->order = order;
    *out = t;
    return TN_OK;
}

bool tn_pieces_whole(const tn_pieces *p, const tn_tuple *t)
{
    for (int k = 0; k < p->width; k++)
        if (!t->part[k]) return false;
    return true;
}

tn_code tn_pieces_finish(tn_pieces *p, tn_tuple *t, tn_error *err)
{
    if (!TN_ROOM(NULL, p->ready, (int)p->n, p->cap)) return tn_no_memory(err, 0);
    tn_map_remove(p->partial, (tn_view){t->key, t->n});
    int64_t at = p->n++;
    for (; at > 0 && p->ready[at - 1]->order > t->order; at--) p->ready[at] = p->ready[at - 1];
    p->ready[at] = t;
    p->bytes += (int64_t)t->bytes;
    pthread_cond_broadcast(&p->changed);
    return TN_OK;
}

tn_tuple *tn_pieces_take(tn_pieces *p, int64_t i)
{
    tn_tuple *t = p->ready[i];
    p->n--;
    memmove(p->ready + i, p->ready + i + 1, (size_t)(p->n - i) * sizeof *p->ready);
    p->bytes -= (int64_t)t->bytes;
    pthread_cond_broadcast(&p->changed);
    return t;
}
