/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.c - constants packed once for all programs of a store, and matrix products that use them. Those with factors in
 * them are pack_scaled.c's.
 */
#include "pack.h"

static tn_pack *find(tn_packs *all, const void *source, const int64_t key[4])
{
    for (tn_pack *p = all->first; p; p = p->next)
        if (p->source == source && memcmp(p->key, key, sizeof p->key) == 0) return p;
    return NULL;
}

static tn_pack *make(tn_packs *all, const void *source, const int64_t key[4], size_t bytes)
{
    tn_pack *p = tn_calloc(1, sizeof *p);
    if (!p || !(p->data = tn_aligned_alloc(bytes))) {
        tn_free(p);
        return NULL;
    }
    p->owner = all;
    p->source = source;
    p->bytes = bytes;
    memcpy(p->key, key, sizeof p->key);
    p->next = all->first;
    all->first = p;
    return p;
}

tn_pack *tn_pack_get(tn_packs *all, const void *source, const int64_t key[4], size_t bytes)
{
    tn_pack *p = find(all, source, key);
    if (!p && (p = make(all, source, key, bytes))) p->hollow = true;
    if (p) p->refs++;
    return p;
}

/* Whether so many bytes more may be packed. Called with the lock held. */
static bool has_room(tn_prepare *p, const void *source, const int64_t key[4], size_t bytes)
{
    const tn_pack *there = find(p->packs, source, key);
    if (!p->room || (there && !there->hollow)) return true;
    if (bytes > *p->room) return false;
    *p->room -= bytes;
    return true;
}

tn_code tn_pack_take(tn_prepare *prepare, const void *source, const int64_t key[4], size_t bytes,
                     void (*fill)(const void *how, const void *source, void *to), const void *how, tn_pack **out,
                     tn_error *err)
{
    tn_packs *all = prepare->packs;
    pthread_mutex_lock(&all->lock);
    const bool room = has_room(prepare, source, key, bytes);
    tn_pack *p = room ? tn_pack_get(all, source, key, bytes) : NULL;
    if (p && p->hollow) {
        tn_pack *made = tn_pack_look(all, source);
        fill(how, source, p->data);
        p->hollow = false;
        tn_pack_looked(made);
    }
    pthread_mutex_unlock(&all->lock);
    if (!room) return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the plan packs more than it may: %zu bytes", bytes);
    if (!p) return tn_no_memory(err, bytes);
    *out = p;
    return TN_OK;
}

void tn_pack_release(tn_pack *p)
{
    if (!p) return;
    tn_packs *all = p->owner;
    pthread_mutex_lock(&all->lock);
    bool last = --p->refs == 0;
    for (tn_pack **at = &all->first; last && *at; at = &(*at)->next) {
        if (*at != p) continue;
        *at = p->next;
        break;
    }
    if (last && p->factors) atomic_fetch_sub(&all->n_scaled, 1);
    pthread_mutex_unlock(&all->lock);
    if (!last) return;
    tn_pack_release(p->base);
    tn_free(p->data);
    tn_free(p->how);
    tn_free(p->factors);
    tn_free(p->choices);
    tn_free(p);
}

/* ==== and unpacked again ==== */

tn_pack *tn_pack_with_undo(const tn_packs *all, const void *source, size_t bytes)
{
    tn_pack *p = all->first;
    while (p && (p->source != source || p->hollow || !p->recipe.undo || p->recipe.source_bytes != bytes)) p = p->next;
    return p;
}

tn_pack *tn_pack_find_undo(tn_packs *all, const void *source, size_t bytes)
{
    pthread_mutex_lock(&all->lock);
    tn_pack *p = tn_pack_with_undo(all, source, bytes);
    if (p) p->refs++;
    pthread_mutex_unlock(&all->lock);
    return p;
}

bool tn_pack_is_spare(const tn_packs *all, tn_pack *p)
{
    if (!p->recipe.make || p->hollow || p->recipe.undo) return false;
    if (p->recipe.beside || p->base) return true;
    p->base = tn_pack_with_undo(all, p->source, p->recipe.source_bytes);
    if (p->base) p->base->refs++;
    return p->base != NULL;
}

tn_code tn_pack_refill(tn_pack *p, tn_error *err)
{
    const tn_pack *from = p->base;
    void *source = from ? tn_aligned_alloc(p->recipe.source_bytes) : NULL;
    if (from && !source) return tn_no_memory(err, p->recipe.source_bytes);
    if (from) from->recipe.undo(from->how, from->data, source);
    p->recipe.make(p->how, from ? source : p->source, p->data);
    tn_free(source);
    p->hollow = false;
    return TN_OK;
}

void tn_pack_note(tn_prepare *p, tn_pack *pack, const tn_pack_recipe *recipe, const void *how)
{
    tn_packs *all = pack->owner;
    pthread_mutex_lock(&all->lock);
    if (!pack->how && (recipe->make || recipe->undo) && (pack->how = tn_malloc(recipe->how_bytes))) {
        memcpy(pack->how, how, recipe->how_bytes);
        pack->recipe = *recipe;
    }
    pthread_mutex_unlock(&all->lock);
    if (!p->pack) p->pack = pack;
}

void tn_pack_forget_source(tn_pack *p)
{
    pthread_mutex_lock(&p->owner->lock);
    tn_pack *base = p->base;
    p->base = NULL;
    pthread_mutex_unlock(&p->owner->lock);
    tn_pack_release(base);
}

/* Called with the lock held. */
static void undo(tn_pack *p, void *source)
{
    if (p->recipe.undo) p->recipe.undo(p->how, p->data, source);
    else tn_pack_undo_factors(p, source);
}

void tn_pack_undo(tn_pack *p, void *source)
{
    pthread_mutex_lock(&p->owner->lock);
    undo(p, source);
    pthread_mutex_unlock(&p->owner->lock);
}

void tn_packs_begin_planning(tn_packs *all)
{
    atomic_fetch_add(&all->planning, 1);
    pthread_mutex_lock(&all->lock);
    tn_pack **alone = all->alone;
    const int n = all->n_alone;
    for (int i = 0; i < n; i++) undo(alone[i], (void *)alone[i]->source);
    all->alone = NULL;
    all->n_alone = all->cap_alone = 0;
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < n; i++) {
        tn_pack_forget_source(alone[i]);
        tn_pack_release(alone[i]);
    }
    tn_free(alone);
}

void tn_packs_end_planning(tn_packs *all)
{
    atomic_fetch_sub(&all->planning, 1);
}

void tn_packs_free(tn_packs *all)
{
    for (int i = 0; i < all->n_alone; i++) tn_pack_release(all->alone[i]);
    tn_free(all->alone);
    pthread_mutex_destroy(&all->lock);
}

/* ==== products ==== */

static void fill_panels(const void *how, const void *source, void *to)
{
    tn_gemm_pack_b(how, source, to);
}

static void unpack_panels(const void *how, const void *packed, void *source)
{
    tn_gemm_unpack_b(how, packed, source);
}

static void note_plan(tn_prepare *p, tn_pack *pack, const tn_gemm_plan *plan)
{
    const size_t unpacks = tn_gemm_unpacks(plan);
    const tn_pack_recipe r = {.source_bytes = (size_t)plan->d.n * (size_t)plan->d.k * tn_dtype_size(plan->d.dtype),
                              .how_bytes = sizeof *plan,
                              .make = fill_panels,
                              .undo = unpacks ? unpack_panels : NULL};
    tn_pack_note(p, pack, &r, plan);
}

static void done(void *params)
{
    tn_product *q = params;
    tn_pack_release(q->pack);
    q->pack = NULL;
}

/* *made: what is looked at until the step is prepared; NULL: nothing new. */
static bool may_split(tn_packs *all, const void *source, int64_t n, tn_pack **made)
{
    bool splits;
    if (tn_packs_know_splits(all, source, n, &splits)) return splits;
    *made = tn_packs_look(all, source);
    if (!*made) tn_pages_want((void *)source, (size_t)n * sizeof(float));
    splits = tn_gemm_splits(source, n);
    tn_packs_note_splits(all, *made, splits);
    return splits;
}

static tn_code prepare_packed(tn_prepare *p, const tn_gemm_desc *d, const void *source, int b, tn_product *q,
                              tn_error *err)
{
    TN_TRY(tn_gemm_prepare(d, &q->plan, err));
    p->scratch = q->plan.scratch;
    if (!d->packs || !q->plan.packed) return TN_OK;
    const int64_t form = (int64_t)d->dtype << 32 | (int64_t)q->plan.path << 16 | (q->plan.isa + 1);
    const int64_t key[4] = {d->n, d->k, d->tb, form};
    TN_TRY(tn_pack_take(p, source, key, q->plan.packed, fill_panels, &q->plan, &q->pack, err));
    note_plan(p, q->pack, &q->plan);
    if (d->dtype == TN_FLOAT) tn_packs_note_splits(p->packs, q->pack, d->splits);
    if (b < 32) p->unread |= TN_BIT(b);
    p->done = done;
    return TN_OK;
}

tn_code tn_product_prepare(tn_prepare *p, const tn_gemm_desc *desc, int b, tn_product *q, tn_error *err)
{
    tn_gemm_desc d = *desc;
    const void *source = p->in[b]->data;
    tn_pack *made = NULL;
    d.packs = p->packs && p->is_constant[b] && source && d.batch_rank == 0 && d.k > 0;
    d.splits = d.packs && d.dtype == TN_FLOAT && may_split(p->packs, source, d.n * d.k, &made);
    const tn_code code = prepare_packed(p, &d, source, b, q, err);
    if (made) tn_packs_looked(p->packs, made, false);
    return code;
}

void tn_product_run(const tn_product *q, const void *a, const void *b, const void *bias, void *c, void *scratch)
{
    if (!q->pack) {
        tn_gemm_run(&q->plan, a, b, bias, c, scratch);
        return;
    }
    unsigned run = atomic_fetch_add_explicit(&((tn_product *)q)->runs, 1, memory_order_relaxed);
    tn_gemm_run_packed(&q->plan, a, q->pack->data, bias, c, scratch, run & 1);
}
