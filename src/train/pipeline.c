/* SPDX-License-Identifier: Apache-2.0
 *
 * pipeline.c - batches of examples, made in blocks by a thread of its own: the loop takes batch after batch
 * without a hand-over, and waits or wakes once a block.
 *
 * Invariants: which examples are in batch number p depends on the options and p only. A block belongs to the
 * producer while it is empty, to the consumer while it is full; what is in it is not changed while it is
 * lent.
 */
#include "shuffle.h"
#include "train.h"

enum { N_BLOCKS = 3, MOST_BATCHES = 512, LONGEST_US = 50000 };
#define BLOCK_BYTES ((size_t)4 << 20)

typedef struct block {
    tn_batch *batches;
    tn_tensor *tensors; /* views, columns of each batch in a row */
    const tn_tensor **feeds;
    char **memory; /* one a column */
    int64_t n;     /* batches in it; 0 and full: the end */
    bool full;
} block;

struct tn_pipeline {
    const tn_data *data;
    tn_pipeline_options o;
    int64_t per_epoch, next; /* next: the batch the producer makes */
    size_t *row, *stride;    /* bytes of an example and of a batch, by column */
    int64_t *order, order_epoch;
    block blocks[N_BLOCKS];
    int taking, at; /* the consumer's block, and batch in it; at -1: not taken yet */
    int filling;
    bool stopping, started;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

tn_last_batch tn_last_batch_named(const char *name)
{
    if (name && !strcmp(name, "drop")) return TN_LAST_DROP;
    return name && !strcmp(name, "wrap") ? TN_LAST_WRAP : TN_LAST_KEEP;
}

int64_t tn_batches_per_epoch(int64_t examples, int64_t batch, tn_last_batch last)
{
    return last == TN_LAST_DROP ? examples / batch : (examples + batch - 1) / batch;
}

/* ==== which examples ==== */

static int64_t example_at(tn_pipeline *p, int64_t epoch, int64_t i)
{
    if (!p->o.shuffle) return i;
    if (p->order_epoch != epoch) {
        tn_permute(p->o.seed, (uint64_t)epoch, p->data->count, p->order);
        p->order_epoch = epoch;
    }
    return p->order[i];
}

static int64_t batch_size(const tn_pipeline *p, int64_t number)
{
    if (p->o.last != TN_LAST_KEEP) return p->o.batch;
    return TN_MIN(p->o.batch, p->data->count - number % p->per_epoch * p->o.batch);
}

/* Example i of batch `number`: its epoch and place in the data. */
static int64_t locate(tn_pipeline *p, int64_t number, int64_t i, int64_t *epoch)
{
    int64_t n = p->data->count;
    if (p->o.last == TN_LAST_WRAP) {
        int64_t at = number * p->o.batch + i;
        *epoch = at / n;
        return example_at(p, *epoch, at % n);
    }
    *epoch = number / p->per_epoch;
    return example_at(p, *epoch, number % p->per_epoch * p->o.batch + i);
}

/* ==== filling ==== */

static void copy_example(tn_pipeline *p, const block *b, int64_t slot, int64_t i, int64_t from, int64_t epoch)
{
    for (int c = 0; c < p->data->n; c++) {
        char *to = b->memory[c] + (size_t)slot * p->stride[c] + (size_t)i * p->row[c];
        memcpy(to, (char *)p->data->v[c].values->data + (size_t)from * p->row[c], p->row[c]);
        if (p->data->map)
            p->data->map(p->data->settings, p->data->v[c].name, to,
                         tn_draw(~p->o.seed, (uint64_t)epoch, (uint64_t)from));
    }
}

static void make_batch(tn_pipeline *p, block *b, int64_t slot)
{
    int64_t size = batch_size(p, p->next), epoch;
    for (int64_t i = 0; i < size; i++) {
        int64_t from = locate(p, p->next, i, &epoch);
        copy_example(p, b, slot, i, from, epoch);
    }
    for (int c = 0; c < p->data->n; c++) b->tensors[slot * p->data->n + c].shape.dim[0] = size;
    b->batches[slot].examples = size;
    p->next++;
}

/* A block that takes long to make is handed over before it is full: which batches come does not change by it.
 */
static void fill(tn_pipeline *p, block *b)
{
    int64_t end = tn_now_us() + LONGEST_US;
    b->n = 0;
    while (b->n < p->o.block && (p->o.repeat || p->next < p->per_epoch) && (!b->n || tn_now_us() < end))
        make_batch(p, b, b->n++);
}

static void *produce(void *payload)
{
    tn_pipeline *p = payload;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        block *b = &p->blocks[p->filling];
        if (b->full) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        fill(p, b);
        pthread_mutex_lock(&p->lock);
        b->full = true;
        p->filling = (p->filling + 1) % N_BLOCKS;
        pthread_cond_broadcast(&p->changed);
        if (!b->n) break;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ==== making ==== */

static tn_code measure(tn_pipeline *p, tn_error *err)
{
    const tn_data *d = p->data;
    size_t batch = 0;
    p->row = tn_calloc((size_t)d->n, sizeof *p->row);
    p->stride = tn_calloc((size_t)d->n, sizeof *p->stride);
    p->order = p->o.shuffle ? tn_calloc((size_t)d->count, sizeof *p->order) : NULL;
    if (!p->row || !p->stride || (p->o.shuffle && !p->order))
        return tn_no_memory(err, (size_t)d->count * sizeof *p->order);
    for (int c = 0; c < d->n; c++) {
        p->row[c] = tn_tensor_bytes(d->v[c].values) / (size_t)d->count;
        if (p->row[c] && (size_t)p->o.batch > ((size_t)1 << 40) / p->row[c])
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "a batch of %lld examples is too large",
                           (long long)p->o.batch);
        p->stride[c] = ((size_t)p->o.batch * p->row[c] + 63) / 64 * 64;
        batch += p->stride[c];
    }
    if (p->o.block < 1) p->o.block = (int64_t)TN_MAX(BLOCK_BYTES / TN_MAX(batch, 1), 1);
    p->o.block = TN_MIN(p->o.block, MOST_BATCHES);
    return TN_OK;
}

static tn_code make_block(tn_pipeline *p, block *b, tn_error *err)
{
    int n = p->data->n;
    size_t batches = (size_t)p->o.block;
    b->batches = tn_calloc(batches, sizeof *b->batches);
    b->tensors = tn_calloc(batches * (size_t)n, sizeof *b->tensors);
    b->feeds = tn_calloc(batches * (size_t)n, sizeof *b->feeds);
    b->memory = tn_calloc((size_t)n, sizeof *b->memory);
    if (!b->batches || !b->tensors || !b->feeds || !b->memory) return tn_no_memory(err, batches * (size_t)n);
    for (int c = 0; c < n; c++)
        if (!(b->memory[c] = tn_aligned_alloc(TN_MAX(batches * p->stride[c], 64))))
            return tn_no_memory(err, batches * p->stride[c]);
    for (size_t k = 0; k < batches; k++) {
        b->batches[k].feeds = b->feeds + k * (size_t)n;
        for (int c = 0; c < n; c++) {
            const tn_tensor *column = p->data->v[c].values;
            b->tensors[k * (size_t)n + (size_t)c] =
                tn_tensor_view(column->dtype, &column->shape, b->memory[c] + k * p->stride[c]);
            b->feeds[k * (size_t)n + (size_t)c] = &b->tensors[k * (size_t)n + (size_t)c];
        }
    }
    return TN_OK;
}

static tn_code set_up(tn_pipeline *p, tn_error *err)
{
    p->per_epoch = tn_batches_per_epoch(p->data->count, p->o.batch, p->o.last);
    if (!p->per_epoch)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "a batch of %lld examples is larger than the data (%lld), and smaller ones are dropped",
            (long long)p->o.batch, (long long)p->data->count);
    TN_TRY(measure(p, err));
    for (int i = 0; i < N_BLOCKS; i++) TN_TRY(make_block(p, &p->blocks[i], err));
    if (pthread_create(&p->thread, NULL, produce, p))
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "no thread for the input pipeline");
    p->started = true;
    return TN_OK;
}

tn_code tn_pipeline_new(const tn_data *d, const tn_pipeline_options *o, tn_pipeline **out, tn_error *err)
{
    if (o->batch < 1 || d->count < 1 || o->position < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a pipeline of %lld examples in batches of %lld",
                       (long long)d->count, (long long)o->batch);
    tn_pipeline *p = tn_calloc(1, sizeof *p);
    if (!p) return tn_no_memory(err, sizeof *p);
    p->data = d;
    p->o = *o;
    p->next = o->position;
    p->order_epoch = -1;
    p->at = -1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    tn_code code = set_up(p, err);
    if (code == TN_OK)
        *out = p;
    else
        tn_pipeline_free(p);
    return code;
}

void tn_pipeline_free(tn_pipeline *p)
{
    if (!p) return;
    if (p->started) {
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        pthread_cond_broadcast(&p->changed);
        pthread_mutex_unlock(&p->lock);
        pthread_join(p->thread, NULL);
    }
    for (int i = 0; i < N_BLOCKS; i++) {
        block *b = &p->blocks[i];
        for (int c = 0; b->memory && c < p->data->n; c++) tn_free(b->memory[c]);
        tn_free(b->memory);
        tn_free(b->feeds);
        tn_free(b->tensors);
        tn_free(b->batches);
    }
    tn_free(p->order);
    tn_free(p->row);
    tn_free(p->stride);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    tn_free(p);
}

/* ==== taking ==== */

/* Gives the present block back, when there is one, and waits for the next. */
static block *next_block(tn_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    if (p->at >= 0) {
        p->blocks[p->taking].full = false;
        p->taking = (p->taking + 1) % N_BLOCKS;
        pthread_cond_broadcast(&p->changed);
    }
    while (!p->blocks[p->taking].full) pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    p->at = 0;
    return &p->blocks[p->taking];
}

const tn_batch *tn_pipeline_next(tn_pipeline *p)
{
    block *b = &p->blocks[p->taking];
    if (p->at < 0 || (b->n && p->at >= b->n)) b = next_block(p);
    return p->at < b->n ? &b->batches[p->at++] : NULL;
}
