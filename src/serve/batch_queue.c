/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_queue.c - pieces of questions wait in queues until they are a batch, which one of some threads takes. What a
 * batch is made of is batching.c's.
 *
 * A batch may be taken when a newer one has begun, when it is full, or when its first piece has waited for the timeout.
 * Queues take turns.
 *
 * Invariants: a batch has at most limits.execution rows, unless a single question has more; pieces leave in the order
 * in which they came; a thread does not touch a queue after it has given a batch to its run, which may be the queue's
 * end.
 */
#include "batching.h"

struct tn_batch_threads {
    atomic_int refs;
    pthread_mutex_t lock;
    pthread_cond_t more;
    tn_queue *queues;
    int idle;
    bool ending;
    int n;
    pthread_t threads[];
};

void tn_queue_measured(tn_batch_threads *t, tn_queue *q, const tn_measured *m)
{
    if (!q->tuning.target_us) return;
    pthread_mutex_lock(&t->lock);
    tn_tuning_measured(&q->tuning, m);
    pthread_mutex_unlock(&t->lock);
}

/* ==== taking ==== */

/* INT64_MIN: now; INT64_MAX: there is nothing. */
static int64_t due(const tn_queue *q)
{
    if (!q->first) return INT64_MAX;
    if (q->first != q->last || q->first->rows >= q->tuning.most) return INT64_MIN;
    return q->first->opened + q->tuning.timeout_us;
}

/* The queue goes to the end of the row, so that the others have their turn. */
static void move_to_end(tn_batch_threads *t, tn_queue **at)
{
    tn_queue *q = *at, **end;
    *at = q->next;
    q->next = NULL;
    for (end = &t->queues; *end;) end = &(*end)->next;
    *end = q;
}

/* Called with the lock held. *next: when something will be due. */
static tn_queue *find_due(tn_batch_threads *t, int64_t now, int64_t *next)
{
    *next = INT64_MAX;
    for (tn_queue **at = &t->queues; *at; at = &(*at)->next) {
        tn_queue *q = *at;
        int64_t when = due(q);
        if (when <= now) {
            move_to_end(t, at);
            return q;
        }
        *next = TN_MIN(*next, when);
    }
    return NULL;
}

static tn_batch *take_first(tn_queue *q)
{
    tn_batch *b = q->first;
    q->first = b->next;
    if (!q->first) q->last = NULL;
    q->n--;
    b->next = NULL;
    return b;
}

static void wait_until(tn_batch_threads *t, int64_t when)
{
    if (when == INT64_MAX) {
        pthread_cond_wait(&t->more, &t->lock);
        return;
    }
    struct timespec at = {when / 1000000, when % 1000000 * 1000};
    pthread_cond_timedwait(&t->more, &t->lock, &at);
}

/* A thread that comes for the batch later than it was due: all of them were busy. */
static bool serve_one(tn_batch_threads *t)
{
    int64_t next;
    pthread_mutex_lock(&t->lock);
    tn_queue *q = find_due(t, tn_now_us(), &next);
    bool had_to_wait = q != NULL;
    while (!q && !t->ending) {
        t->idle++;
        wait_until(t, next);
        t->idle--;
        q = find_due(t, tn_now_us(), &next);
    }
    tn_batch *b = q ? take_first(q) : NULL;
    /* what else is due, now or later, needs a thread that knows of it */
    if (q && t->idle && (find_due(t, tn_now_us(), &next) || next != INT64_MAX)) pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
    if (q) q->run(q, b, had_to_wait);
    return q != NULL;
}

static void *work(void *threads)
{
    while (serve_one(threads)) continue;
    return NULL;
}

/* ==== adding ==== */

static tn_code check_room(const tn_queue *q, const tn_queue_limits *l, int64_t rows, tn_error *err)
{
    int64_t open = q->last ? q->last->rows : 0;
    if (rows > l->most_rows)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Task size %lld is larger than maximum input batch size %lld",
                       (long long)rows, (long long)l->most_rows);
    int64_t batches = TN_MAX(q->n, 1); /* TensorFlow Serving counts the open one, though nothing is in it */
    if (l->splits) {
        int64_t room = (l->batches - batches) * l->execution + l->execution - open;
        if (rows <= room) return TN_OK;
        return tn_fail(err, TN_UNAVAILABLE,
                       "The batch scheduling queue to which this task was submitted is full; task size is %lld but "
                       "scheduling capacity is only %lld (num_enqueued_batches=%lld, max_enqueued_batches=%lld, "
                       "open_batch_size=%lld, max_execution_batch_size=%lld)",
                       (long long)rows, (long long)room, (long long)batches, (long long)l->batches, (long long)open,
                       (long long)l->execution);
    }
    if (open + rows <= TN_MIN(l->execution, q->tuning.most) || !open || batches < l->batches) return TN_OK;
    return tn_fail(err, TN_UNAVAILABLE,
                   "The batch scheduling queue to which this task was submitted is full; currently %lld batches "
                   "enqueued and max_enqueued_batches is %lld",
                   (long long)batches, (long long)l->batches);
}

static tn_batch *open_batch(tn_queue *q, int64_t now)
{
    tn_batch *b = tn_calloc(1, sizeof *b);
    if (!b) return NULL;
    b->last = &b->first;
    b->opened = now;
    if (q->last) q->last->next = b;
    else q->first = b;
    q->last = b;
    q->n++;
    return b;
}

static void add_piece(tn_batch *b, tn_piece *p)
{
    p->next = NULL;
    *b->last = p;
    b->last = &p->next;
    b->rows += p->rows;
    b->n++;
}

/* Rows that the next piece may have: all of a question, or what there is room for. */
static int64_t piece_rows(const tn_queue *q, const tn_queue_limits *l, int64_t left, bool *fits)
{
    int64_t most = TN_MIN(l->execution, q->tuning.most), room = q->last ? most - q->last->rows : 0;
    *fits = q->last && (l->splits ? room > 0 : left <= room);
    if (!l->splits) return left;
    return TN_MIN(left, *fits ? room : most);
}

/* Takes back what was put into the queue: these pieces are the last of their batches. */
static void take_back(tn_queue *q, const tn_piece *pieces, int n)
{
    for (tn_batch **at = &q->first; *at;) {
        tn_batch *b = *at;
        tn_piece **p = &b->first;
        while (*p && !(*p >= pieces && *p < pieces + n)) p = &(*p)->next;
        for (tn_piece *gone = *p; gone; gone = gone->next) {
            b->rows -= gone->rows;
            b->n--;
        }
        *p = NULL;
        b->last = p;
        if (b->n) {
            q->last = b;
            at = &b->next;
            continue;
        }
        *at = b->next;
        q->n--;
        tn_free(b);
    }
    if (!q->first) q->last = NULL;
}

static tn_code add_all(tn_queue *q, const tn_queue_limits *l, int64_t rows, tn_piece *pieces, int *n, tn_error *err)
{
    int64_t now = tn_now_us();
    *n = 0;
    for (int64_t first = 0; first < rows;) {
        bool fits;
        int64_t some = piece_rows(q, l, rows - first, &fits);
        if (!fits && !open_batch(q, now)) {
            take_back(q, pieces, *n);
            return tn_no_memory(err, sizeof(tn_batch));
        }
        tn_piece *p = &pieces[(*n)++];
        p->first = first;
        p->rows = some;
        add_piece(q->last, p);
        first += some;
    }
    return TN_OK;
}

tn_code tn_queue_add(tn_batch_threads *t, tn_queue *q, const tn_queue_limits *limits, int64_t rows, tn_piece *pieces,
                     int *n, tn_error *err)
{
    pthread_mutex_lock(&t->lock);
    tn_code code = check_room(q, limits, rows, err);
    int64_t before = due(q);
    if (code == TN_OK) code = add_all(q, limits, rows, pieces, n, err);
    if (code == TN_OK && t->idle && due(q) < before) pthread_cond_signal(&t->more);
    pthread_mutex_unlock(&t->lock);
    return code;
}

/* ==== threads ==== */

void tn_batch_threads_add(tn_batch_threads *t, tn_queue *q)
{
    pthread_mutex_lock(&t->lock);
    q->next = t->queues;
    t->queues = q;
    pthread_mutex_unlock(&t->lock);
}

void tn_batch_threads_remove(tn_batch_threads *t, tn_queue *q)
{
    pthread_mutex_lock(&t->lock);
    tn_queue **at = &t->queues;
    while (*at && *at != q) at = &(*at)->next;
    if (*at) *at = q->next;
    pthread_mutex_unlock(&t->lock);
}

static void join_all(tn_batch_threads *t)
{
    pthread_mutex_lock(&t->lock);
    t->ending = true;
    pthread_cond_broadcast(&t->more);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->n; i++) pthread_join(t->threads[i], NULL);
    pthread_cond_destroy(&t->more);
    pthread_mutex_destroy(&t->lock);
    tn_free(t);
}

tn_code tn_batch_threads_new(int64_t n, tn_batch_threads **out, tn_error *err)
{
    if (n < 1 || n > 4096)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_batch_threads is %lld; 1 to 4096 are possible", (long long)n);
    tn_batch_threads *t = tn_calloc(1, sizeof *t + (size_t)n * sizeof *t->threads);
    if (!t) return tn_no_memory(err, sizeof *t);
    atomic_init(&t->refs, 1);
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC); /* as tn_now_us */
    pthread_cond_init(&t->more, &how);
    pthread_condattr_destroy(&how);
    for (; t->n < n; t->n++) {
        int failed = pthread_create(&t->threads[t->n], NULL, work, t);
        if (!failed) continue;
        int which = t->n + 1;
        join_all(t);
        return tn_fail_errno(err, failed, "batching thread %d of %lld", which, (long long)n);
    }
    *out = t;
    return TN_OK;
}

tn_batch_threads *tn_batch_threads_keep(tn_batch_threads *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tn_batch_threads_free(tn_batch_threads *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) join_all(t);
}
