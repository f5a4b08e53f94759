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
    tn_free(p->data);
    tn_free(p->undo);
    tn_free(p);
}

tn_pack *tn_pack_find_undo(tn_packs *all, const void *source, size_t bytes)
{
    pthread_mutex_lock(&all->lock);
    tn_pack *p = all->first;
    while (p && (p->source != source || !p->undo || tn_gemm_unpacks(p->undo) != bytes)) p = p->next;
    if (p) p->refs++;
    pthread_mutex_unlock(&all->lock);
    return p;
}

void tn_pack_undo(const tn_pack *p, void *source)
{
    tn_gemm_unpack_b(p->undo, p->data, source);
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

/* ==== products ==== */

static void fill_panels(const void *how, const void *source, void *to)
{
    tn_gemm_pack_b(how, source, to);
}

/* Without memory for it, the source stays. */
static void note_undo(tn_pack *p, const tn_gemm_plan *plan)
{
    if (!tn_gemm_unpacks(plan)) return;
    pthread_mutex_lock(&p->owner->lock);
    if (!p->undo && (p->undo = tn_malloc(sizeof *p->undo))) *p->undo = *plan;
    pthread_mutex_unlock(&p->owner->lock);
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
    note_undo(q->pack, &q->plan);
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
