/* SPDX-License-Identifier: Apache-2.0
 *
 * pack.c - constants packed once for all programs of a store, and matrix products that use them.
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
    all->bytes += bytes;
    memcpy(p->key, key, sizeof p->key);
    p->next = all->first;
    all->first = p;
    return p;
}

tn_code tn_pack_take(tn_packs *all, const void *source, const int64_t key[4], size_t bytes,
                     void (*fill)(const void *how, const void *source, void *to), const void *how, tn_pack **out,
                     tn_error *err)
{
    pthread_mutex_lock(&all->lock);
    tn_pack *p = find(all, source, key);
    bool empty = p && p->hollow;
    if (!p) empty = (p = make(all, source, key, bytes)) != NULL;
    if (empty) fill(how, source, p->data);
    if (p) {
        p->hollow = false;
        p->refs++;
    }
    pthread_mutex_unlock(&all->lock);
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
        all->bytes -= p->bytes;
        break;
    }
    pthread_mutex_unlock(&all->lock);
    if (!last) return;
    tn_pack_release(p->base);
    tn_free(p->data);
    tn_free(p->how);
    tn_free(p->factors);
    tn_free(p->rests);
    tn_free(p);
}

/* ==== and unpacked again ==== */

/* Called with the lock held. */
static tn_pack *find_undo(const tn_packs *all, const void *source, size_t bytes)
{
    tn_pack *p = all->first;
    while (p && (p->source != source || p->hollow || !p->recipe.undo || p->recipe.source_bytes != bytes)) p = p->next;
    return p;
}

tn_pack *tn_pack_find_undo(tn_packs *all, const void *source, size_t bytes)
{
    pthread_mutex_lock(&all->lock);
    tn_pack *p = find_undo(all, source, bytes);
    if (p) p->refs++;
    pthread_mutex_unlock(&all->lock);
    return p;
}

bool tn_pack_is_spare(const tn_packs *all, tn_pack *p)
{
    if (!p->recipe.make || p->hollow || p->recipe.undo) return false;
    if (p->recipe.beside || p->base) return true;
    p->base = find_undo(all, p->source, p->recipe.source_bytes);
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

/* ==== with factors ==== a float that was multiplied and divided again is a few steps from what it was */

enum { LEAST_BITS = 0x01000000 }; /* twice the least normal float: no thread takes it for zero */
enum { REST_BITS = 2, RESTS = 8 / REST_BITS, NO_REST = 1, MOST_REST = 1 };

static float divided(const tn_pack_factors *f, const float *scaled, int64_t i)
{
    return scaled[i] / f->factor[f->count == 1 ? 0 : i / f->inner % f->channels];
}

static bool note_rest(const tn_pack_factors *f, const float *scaled, int64_t i, const float *source, uint8_t *rests)
{
    const float back = divided(f, scaled, i);
    int32_t was, is, now;
    memcpy(&was, &source[i], sizeof was);
    memcpy(&is, &back, sizeof is);
    memcpy(&now, &scaled[i], sizeof now);
    const int64_t rest = (int64_t)was - is;
    const bool zero = was == is && !(was & INT32_MAX) && !(now & INT32_MAX);
    if (!zero && ((is & INT32_MAX) < LEAST_BITS || (now & INT32_MAX) < LEAST_BITS)) return false;
    if (rest < -MOST_REST || rest > MOST_REST) return false;
    rests[i / RESTS] |= (uint8_t)((rest + NO_REST) << (i % RESTS * REST_BITS));
    return true;
}

bool tn_pack_keep_source(tn_packs *all, tn_pack *p, const void *source)
{
    const tn_pack_factors *f = p->factors;
    tn_pack *base = f && p->hollow && !p->base ? find_undo(all, p->data, p->bytes) : NULL;
    uint8_t *rests = base ? p->rests : NULL;
    bool ok = base != NULL;
    if (!ok) return false;
    if (!rests && !(rests = tn_calloc((size_t)f->all / RESTS + 1, 1))) return false;
    if (!p->rests) {
        base->recipe.undo(base->how, base->data, p->data);
        for (int64_t i = 0; ok && i < f->all; i++) ok = note_rest(f, p->data, i, source, rests);
        tn_pages_forget(p->data, p->bytes);
    }
    if (!ok) {
        tn_free(rests);
        return false;
    }
    p->rests = rests;
    p->base = base;
    base->refs++;
    return true;
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
static void undo_factors(tn_pack *p, float *source)
{
    if (p->hollow) p->base->recipe.undo(p->base->how, p->base->data, p->data);
    p->hollow = false;
    const float *scaled = p->data;
    for (int64_t i = 0; i < p->factors->all; i++) {
        const float back = divided(p->factors, scaled, i);
        int32_t bits;
        memcpy(&bits, &back, sizeof bits);
        bits += (p->rests[i / RESTS] >> (i % RESTS * REST_BITS) & 3) - NO_REST;
        memcpy(&source[i], &bits, sizeof bits);
    }
}

/* Called with the lock held. */
static void undo(tn_pack *p, void *source)
{
    if (p->recipe.undo) p->recipe.undo(p->how, p->data, source);
    else undo_factors(p, source);
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

size_t tn_packs_bytes(tn_packs *all)
{
    pthread_mutex_lock(&all->lock);
    const size_t bytes = all->bytes;
    pthread_mutex_unlock(&all->lock);
    return bytes;
}

/* ==== packs as tensors ==== */

typedef struct held { /* what a tensor's buffer keeps */
    tn_pack *pack;
    tn_tensor *source; /* NULL: it is nobody's, and stays */
} held;

static void let_go(tn_buffer *self)
{
    held *h = self->owner;
    tn_pack_release(h->pack);
    tn_tensor_unref(h->source);
    tn_free(h);
}

tn_code tn_pack_tensor(tn_packs *all, const tn_tensor *source, const int64_t key[4], const tn_shape *shape,
                       void (*fill)(const void *how, const void *source, void *to), const void *how, tn_tensor **out,
                       tn_error *err)
{
    size_t bytes = TN_MAX((size_t)tn_shape_count(shape), 1) * sizeof(float);
    held *h = tn_calloc(1, sizeof *h);
    tn_buffer *b = tn_calloc(1, sizeof *b);
    tn_code code = tn_no_memory(err, bytes);
    if (h && b) code = tn_pack_take(all, source->data, key, bytes, fill, how, &h->pack, err);
    if (code != TN_OK) {
        tn_free(h);
        tn_free(b);
        return code;
    }
    h->pack->fills_tensors = true;
    if (atomic_load(&source->refs)) h->source = tn_tensor_ref((tn_tensor *)source);
    *b = (tn_buffer){.data = h->pack->data, .size = bytes, .release = let_go, .owner = h};
    atomic_init(&b->refs, 1);
    code = tn_tensor_on(TN_FLOAT, shape, b, h->pack->data, out, err);
    tn_buffer_unref(b);
    return code;
}

void tn_pack_note_factors(const tn_tensor *t, tn_packs *all, const tn_pack_factors *f)
{
    tn_pack *p = ((held *)t->buffer->owner)->pack;
    const size_t bytes = sizeof *f + (size_t)f->count * sizeof *f->factor;
    pthread_mutex_lock(&all->lock);
    if (!p->factors && (p->factors = tn_malloc(bytes))) memcpy(p->factors, f, bytes);
    pthread_mutex_unlock(&all->lock);
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

tn_code tn_product_prepare(tn_prepare *p, const tn_gemm_desc *desc, int b, tn_product *q, tn_error *err)
{
    tn_gemm_desc d = *desc;
    const void *source = p->in[b]->data;
    d.packs = p->packs && p->is_constant[b] && source && d.batch_rank == 0 && d.k > 0;
    d.splits = d.packs && d.dtype == TN_FLOAT && tn_gemm_splits(source, d.n * d.k);
    TN_TRY(tn_gemm_prepare(&d, &q->plan, err));
    p->scratch = q->plan.scratch;
    if (!d.packs || !q->plan.packed) return TN_OK;
    const int64_t key[4] = {d.n, d.k, d.tb, (int64_t)d.dtype << 32 | (int64_t)q->plan.path << 16 | (q->plan.isa + 1)};
    TN_TRY(tn_pack_take(p->packs, source, key, q->plan.packed, fill_panels, &q->plan, &q->pack, err));
    note_plan(p, q->pack, &q->plan);
    if (b < 32) p->unread |= TN_BIT(b);
    p->done = done;
    return TN_OK;
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
