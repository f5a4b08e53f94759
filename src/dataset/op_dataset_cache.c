/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_cache.c - a data set's elements kept in memory once all have come. Those of a
 * filename are in files: op_dataset_file_cache.c.
 *
 * Invariants: whoever reaches the input's end first hands over what it has collected, and a cache is whole or
 * empty; an iterator reads it if it was whole when the iterator was started.
 */
#include "../plan/state.h"
#include "dataset.h"

typedef struct cache {
    tn_resource base;
    pthread_mutex_t lock;
    bool whole;
    tn_elements has;
} cache;

typedef struct cached {
    tn_source base;
    bool reads;
    tn_elements own;
    int64_t i;
} cached;

static void release_cache(tn_resource *self)
{
    cache *c = (cache *)self;
    tn_elements_drop(&c->has);
    pthread_mutex_destroy(&c->lock);
    tn_resource_free(self);
}

static tn_resource *cache_new(tn_resource_kind kind)
{
    cache *c = tn_resource_new(sizeof *c, kind, "cache", release_cache);
    if (!c) return NULL;
    pthread_mutex_init(&c->lock, NULL);
    return &c->base;
}

/* ==== iterators ==== */

static tn_code cache_start(tn_source *s, tn_pull *t, tn_error *err)
{
    cached *v = (cached *)s;
    cache *c = (cache *)s->d->shared;
    tn_elements_begin(&v->own, s->d);
    pthread_mutex_lock(&c->lock);
    v->reads = c->whole && c->has.width == s->d->width;
    pthread_mutex_unlock(&c->lock);
    return v->reads ? TN_OK : tn_source_start(s->d->input[0], t, &s->in, err);
}

static void cache_stop(tn_source *s)
{
    tn_elements_drop(&((cached *)s)->own);
}

static void hand_over(cached *v, cache *c)
{
    pthread_mutex_lock(&c->lock);
    if (!c->whole) {
        c->has = v->own;
        c->has.types = NULL; /* which the data set takes with it */
        c->whole = true;
        v->own = (tn_elements){.width = v->own.width};
    }
    pthread_mutex_unlock(&c->lock);
}

/* What is whole does not change any more. */
static void read_next(cached *v, const cache *c, tn_tensor **out, bool *end)
{
    *end = v->i >= c->has.n;
    if (*end) return;
    tn_tensor **from = c->has.at + v->i++ * c->has.width;
    for (int k = 0; k < c->has.width; k++) out[k] = tn_tensor_ref(from[k]);
}

static tn_code cache_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    cached *v = (cached *)s;
    cache *c = (cache *)s->d->shared;
    if (v->reads) {
        read_next(v, c, out, end);
        return TN_OK;
    }
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    if (!*end) return tn_elements_add(&v->own, out, err);
    hand_over(v, c);
    return TN_OK;
}

static const tn_dataset_kind cache_kind = {.name = "Cache",
                                           .state = sizeof(cached),
                                           .start = cache_start,
                                           .next = cache_next,
                                           .stop = cache_stop,
                                           .cardinality = tn_dataset_cardinality_of_input};

/* ==== operators ==== */

static tn_code set_cache(tn_dataset *d, const tn_run *r, tn_error *err)
{
    tn_resource *res;
    if (r->n_in > 2 && tn_run_resource(r, 2, TN_RES_CACHE, &res, NULL) == TN_OK)
        d->shared = tn_resource_ref(res);
    else
        d->shared = cache_new(TN_RES_CACHE);
    return d->shared ? TN_OK : tn_no_memory(err, sizeof(cache));
}

static tn_code cache_run(tn_run *r, tn_error *err)
{
    const tn_tensor *name = r->in[1];
    tn_dataset *d;
    if (name->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "filename must be a scalar");
    bool filed = TN_STRINGS(name)[0].n > 0;
    TN_TRY(tn_dataset_new(r, filed ? &tn_file_cache_kind : &cache_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, filed ? tn_dataset_keep(d, r, 1, 1, err) : set_cache(d, r, err), err);
}
TN_DATASET(CacheDataset, cache_run, "input_dataset:variant filename:string", TN_DATA_META);
TN_DATASET(CacheDatasetV2, cache_run, "input_dataset:variant filename:string cache:resource", TN_DATA_META);

static tn_code give(tn_run *r, tn_resource_kind kind, tn_error *err)
{
    tn_resource *res = cache_new(kind);
    return res ? tn_run_new_resource(r, 0, res, err) : tn_no_memory(err, sizeof(cache));
}

static tn_code anonymous_run(tn_run *r, tn_error *err)
{
    tn_variant **deleter = r->out[1]->data;
    tn_variant_unref(*deleter);
    *deleter = NULL;
    return give(r, TN_RES_CACHE, err);
}

/* Stands for "one of the data set's own". */
static tn_code dummy_run(tn_run *r, tn_error *err)
{
    return give(r, TN_RES_DUMMY, err);
}

static tn_code nothing_run(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

#define CACHE(Op, Infer, Run, Flags, Dynamic, Sig) TN_STATE_OP(Op, Run, Infer, TN_NO_GRADIENT | (Flags), Dynamic, Sig)
CACHE(AnonymousMemoryCache, tn_infer_scalar, anonymous_run, 0, TN_BIT(0),
      "-> handle:resource deleter:variant;");
CACHE(DummyMemoryCache, tn_infer_scalar, dummy_run, 0, TN_BIT(0), "-> handle:resource;");
CACHE(DeleteMemoryCache, tn_infer_none, nothing_run, TN_EFFECT, 0, "handle:resource deleter:variant -> ;");
