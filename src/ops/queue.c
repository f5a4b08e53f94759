/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.c - TensorFlow 1's queues of tuples of tensors.
 */
#include "queue.h"

#include "../plan/plan.h"

#include <errno.h>
#include <time.h>

enum { PATIENCE_MS = 1000, LOOK_MS = 20 };

/* ==== making ==== */

static void release(tn_resource *self)
{
    tn_queue *q = (tn_queue *)self;
    for (int64_t i = 0; i < q->n * q->width; i++) tn_tensor_unref(q->items[q->first * q->width + i]);
    pthread_cond_destroy(&q->changed);
    pthread_mutex_destroy(&q->lock);
    tn_free(q->items);
    tn_free(q->types);
    tn_free(q->shapes);
    tn_resource_free(self);
}

tn_queue *tn_queue_new(const char *name, tn_queue_kind kind, int width, const tn_dtype *types,
                       const tn_shape *shapes, int64_t capacity)
{
    tn_queue *q = tn_resource_new(sizeof *q, TN_RES_QUEUE, name, release);
    if (!q) return NULL;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    q->kind = kind;
    q->width = width;
    q->capacity = capacity;
    q->used = 4;
    q->types = tn_calloc((size_t)width, sizeof *q->types);
    q->shapes = shapes ? tn_calloc((size_t)width, sizeof *q->shapes) : NULL;
    if (!q->types || (shapes && !q->shapes)) {
        release(&q->base);
        return NULL;
    }
    memcpy(q->types, types, (size_t)width * sizeof *types);
    if (shapes) memcpy(q->shapes, shapes, (size_t)width * sizeof *shapes);
    return q;
}

static const char *kind_name(const tn_queue *q)
{
    static const char *const names[] = {"FIFOQueue", "PaddingFIFOQueue", "RandomShuffleQueue",
                                        "PriorityQueue"};
    return names[q->kind];
}

/* ==== waiting ==== */

static tn_code check_waiting(const tn_run *r, int waited, const char *who, tn_error *err)
{
    tn_code code = tn_may_go_on(r->context, err);
    if (code == TN_OK && waited >= PATIENCE_MS && !r->context->patient)
        code = tn_fail(err, TN_DEADLINE_EXCEEDED, "%s and nobody changes that", who);
    return code;
}

tn_code tn_wait_a_moment(pthread_cond_t *changed, pthread_mutex_t *lock, const tn_run *r, int *waited, const char *who,
                         tn_error *err)
{
    struct timespec until;
    tn_store *s = r->context->program->store;
    TN_TRY(check_waiting(r, *waited, who, err));
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    bool all = atomic_fetch_add(&s->waiting, 1) + 1 >= atomic_load(&s->running);
    bool changes = pthread_cond_timedwait(changed, lock, &until) != ETIMEDOUT;
    atomic_fetch_sub(&s->waiting, 1);
    *waited = all ? *waited + (changes ? 0 : LOOK_MS) : 0;
    return TN_OK;
}

static tn_code wait_a_moment(tn_queue *q, const tn_run *r, int *waited, const char *what, tn_error *err)
{
    char who[200];
    snprintf(who, sizeof who, "%s '%.100s' is %s (%lld elements)", kind_name(q), q->base.name, what, (long long)q->n);
    return tn_wait_a_moment(&q->changed, &q->lock, r, waited, who, err);
}

static tn_code is_closed(const tn_queue *q, const char *is, tn_error *err)
{
    return tn_fail(err, TN_CANCELLED, "%s '%s' is %s.", kind_name(q), q->base.name, is);
}

static tn_code cancelled(const tn_waiter *me, tn_error *err)
{
    return me->cancelled ? tn_fail(err, TN_CANCELLED, "Enqueue operation was cancelled") : TN_OK;
}

/* To the end of the line, until all before are gone. The queue's lock is held, as below. */
static tn_code stand_in_line(tn_queue *q, tn_waiter **line, tn_waiter *me, const tn_run *r, int *waited, tn_error *err)
{
    tn_waiter **end = line;
    while (*end) end = &(*end)->next;
    *end = me;
    tn_code code = TN_OK;
    while (code == TN_OK && *line != me && (code = cancelled(me, err)) == TN_OK)
        code = wait_a_moment(q, r, waited, line == &q->putters ? "full" : "empty", err);
    return code;
}

static void leave_line(tn_queue *q, tn_waiter **line, const tn_waiter *me)
{
    while (*line != me) line = &(*line)->next;
    *line = me->next;
    pthread_cond_broadcast(&q->changed);
}

/* ==== putting ==== */

static tn_code make_room(tn_queue *q, int64_t n, tn_error *err)
{
    int64_t w = q->width;
    if (q->first && q->first + q->n + n > q->cap) {
        memmove(q->items, q->items + q->first * w, (size_t)(q->n * w) * sizeof *q->items);
        q->first = 0;
    }
    if (q->first + q->n + n <= q->cap) return TN_OK;
    int64_t cap = TN_MAX(2 * q->cap, q->n + n);
    tn_tensor **items = tn_realloc(q->items, (size_t)(cap * w) * sizeof *items);
    if (!items) return tn_no_memory(err, (size_t)(cap * w) * sizeof *items);
    q->items = items;
    q->cap = cap;
    return TN_OK;
}

static bool is_full(const tn_queue *q)
{
    return q->capacity >= 0 && q->n >= TN_MAX(q->capacity, q->wanted);
}

static tn_code put_one(tn_queue *q, const tn_waiter *me, const tn_run *r, int *waited, tn_tuple_fn make,
                       const void *from, int64_t i, tn_error *err)
{
    while (is_full(q) && !q->closed) TN_TRY(wait_a_moment(q, r, waited, "full", err));
    TN_TRY(cancelled(me, err));
    if (q->closed) return is_closed(q, "closed", err);
    TN_TRY(make_room(q, 1, err));
    TN_TRY(make(from, i, q->items + (q->first + q->n) * q->width, err));
    q->n++;
    pthread_cond_broadcast(&q->changed);
    return TN_OK;
}

tn_code tn_queue_put(tn_queue *q, const tn_run *r, int64_t n, tn_tuple_fn make, const void *from, tn_error *err)
{
    tn_waiter me = {0};
    int waited = 0;
    pthread_mutex_lock(&q->lock);
    tn_code code = stand_in_line(q, &q->putters, &me, r, &waited, err);
    for (int64_t i = 0; code == TN_OK && i < n; i++) code = put_one(q, &me, r, &waited, make, from, i, err);
    leave_line(q, &q->putters, &me);
    pthread_mutex_unlock(&q->lock);
    return code;
}

/* ==== taking ==== */

static uint32_t draw(tn_queue *q)
{
    if (q->used == 4) {
        tn_philox_next(&q->random, q->group);
        q->used = 0;
    }
    return q->group[q->used++];
}

static int64_t most_urgent(const tn_queue *q)
{
    int64_t best = 0;
    for (int64_t i = 1; i < q->n; i++)
        if (tn_tensor_int(q->items[(q->first + i) * q->width], 0) <
            tn_tensor_int(q->items[(q->first + best) * q->width], 0))
            best = i;
    return best;
}

static void take_one(tn_queue *q, tn_tensor **out)
{
    int64_t w = q->width, last = q->n - 1;
    tn_tensor **v = q->items + q->first * w;
    int64_t at = q->kind == TN_QUEUE_SHUFFLE    ? draw(q) % q->n
                 : q->kind == TN_QUEUE_PRIORITY ? most_urgent(q)
                                                : 0;
    memcpy(out, v + at * w, (size_t)w * sizeof *v);
    q->n--;
    if (q->kind == TN_QUEUE_SHUFFLE)
        memmove(v + at * w, v + last * w, (size_t)w * sizeof *v);
    else if (q->kind == TN_QUEUE_PRIORITY)
        memmove(v + at * w, v + (at + 1) * w, (size_t)((last - at) * w) * sizeof *v);
    else
        q->first = q->n ? q->first + 1 : 0;
}

/* How many may be taken at least: all of them once it is closed. */
static int64_t ready(const tn_queue *q)
{
    return q->closed ? q->n : TN_MAX(q->n - q->min_after_dequeue, 0);
}

static tn_code wait_for(tn_queue *q, const tn_run *r, int64_t *n, bool less, int *waited, tn_error *err)
{
    while (ready(q) < *n) {
        if (q->closed && less && q->n > 0) {
            *n = q->n;
            break;
        }
        if (q->closed)
            return tn_fail(
                err, TN_OUT_OF_RANGE,
                "%s '%s' is closed and has insufficient elements (requested %lld, current size %lld)",
                kind_name(q), q->base.name, (long long)*n, (long long)q->n);
        TN_TRY(wait_a_moment(q, r, waited, "empty", err));
    }
    return TN_OK;
}

/* The first in the line. */
static tn_code take_locked(tn_queue *q, const tn_run *r, int64_t n, bool less, tn_tensor **out, int64_t *taken,
                           int *waited, tn_error *err)
{
    q->wanted = n + q->min_after_dequeue;
    pthread_cond_broadcast(&q->changed);
    tn_code code = wait_for(q, r, &n, less, waited, err);
    q->wanted = 0;
    if (code != TN_OK) return code;
    for (int64_t i = 0; i < n; i++) take_one(q, out + i * q->width);
    *taken = n;
    return TN_OK;
}

tn_code tn_queue_take(tn_queue *q, const tn_run *r, int64_t n, bool less, tn_tensor **out, int64_t *taken,
                      tn_error *err)
{
    tn_waiter me = {0};
    int waited = 0;
    pthread_mutex_lock(&q->lock);
    tn_code code = stand_in_line(q, &q->takers, &me, r, &waited, err);
    if (code == TN_OK) code = take_locked(q, r, n, less, out, taken, &waited, err);
    leave_line(q, &q->takers, &me);
    pthread_mutex_unlock(&q->lock);
    return code;
}

/* ==== looking, closing ==== */

int64_t tn_queue_size(tn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    int64_t n = q->n;
    pthread_mutex_unlock(&q->lock);
    return n;
}

bool tn_queue_is_closed(tn_queue *q)
{
    pthread_mutex_lock(&q->lock);
    bool closed = q->closed;
    pthread_mutex_unlock(&q->lock);
    return closed;
}

/* Who closes stands in the line of those who put. */
static tn_code close_in_turn(tn_queue *q, const tn_run *r, tn_error *err)
{
    tn_waiter me = {0};
    int waited = 0;
    tn_code code = stand_in_line(q, &q->putters, &me, r, &waited, err);
    if (code == TN_OK && q->closed) code = is_closed(q, "already closed", err);
    if (code == TN_OK) q->closed = true;
    leave_line(q, &q->putters, &me);
    return code;
}

tn_code tn_queue_close(tn_queue *q, const tn_run *r, bool cancel, tn_error *err)
{
    tn_code code = TN_OK;
    pthread_mutex_lock(&q->lock);
    if (cancel) {
        q->closed = true;
        for (tn_waiter *w = q->putters; w; w = w->next) w->cancelled = true;
        pthread_cond_broadcast(&q->changed);
    } else {
        code = close_in_turn(q, r, err);
    }
    pthread_mutex_unlock(&q->lock);
    return code;
}
