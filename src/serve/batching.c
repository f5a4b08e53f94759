/* SPDX-License-Identifier: Apache-2.0
 *
 * batching.c - questions with the same signature and outputs are computed together, as TensorFlow Serving's batching
 * session does: rows one after another, filled up to an allowed size, and each gets its own rows of the answers.
 *
 * Invariants: a question's done is called once, when the last of its pieces is answered, and nothing of the queue is
 * touched after it. What fails for a batch fails for all in it; who is cancelled or too late leaves before.
 */
#include "batch_rows.h"

struct tn_batcher {
    tn_batching o;
    tn_queue_limits limits;
    tn_batch_threads *threads;
    tn_metrics *metrics;
    tn_queue *queues;
    pthread_mutex_t lock;
};

typedef struct tn_cut { /* a question in several pieces */
    atomic_int left;
    int n;
    pthread_mutex_t lock;
    tn_code code; /* the first failure */
    tn_error err;
    int64_t ran_us, queued_us;
    tn_tensor **out; /* part by part: the outputs */
    tn_piece pieces[];
} tn_cut;

/* ==== answers ==== */

static void drop_all(tn_tensor **v, int n)
{
    for (int i = 0; i < n; i++) tn_tensor_unref(v[i]);
}

static void cut_free(tn_cut *s, int n_out)
{
    drop_all(s->out, s->n * n_out);
    tn_free(s->out);
    pthread_mutex_destroy(&s->lock);
    tn_free(s);
}

/* The parts' outputs together. */
static tn_code join_parts(tn_cut *s, tn_ask *a, tn_error *err)
{
    int n_out = a->n_wanted;
    if (s->n == 1) {
        memcpy(a->out, s->out, (size_t)n_out * sizeof *a->out);
        memset(s->out, 0, (size_t)n_out * sizeof *s->out);
        return TN_OK;
    }
    tn_tensor **parts = tn_calloc((size_t)s->n, sizeof *parts);
    if (!parts) return tn_no_memory(err, 0);
    tn_code code = TN_OK;
    int i = 0;
    for (; i < n_out && code == TN_OK; i++) {
        for (int k = 0; k < s->n; k++) parts[k] = s->out[k * n_out + i];
        code = tn_rows_join(parts, s->n, &a->out[i], err);
    }
    if (code != TN_OK) { /* nothing is written on failure */
        drop_all(a->out, --i);
        memset(a->out, 0, (size_t)n_out * sizeof *a->out);
    }
    tn_free(parts);
    return code;
}

static void part_done(tn_piece *p, tn_code code, const tn_error *err, int64_t queued_us, int64_t ran_us)
{
    tn_cut *s = p->cut;
    tn_ask *a = p->ask;
    pthread_mutex_lock(&s->lock);
    if (code != TN_OK && s->code == TN_OK) {
        s->code = code;
        s->err = *err;
    }
    s->queued_us = TN_MAX(s->queued_us, queued_us);
    s->ran_us += ran_us;
    pthread_mutex_unlock(&s->lock);
    if (atomic_fetch_sub(&s->left, 1) != 1) return;
    tn_error why = s->err;
    code = s->code;
    if (code == TN_OK) code = join_parts(s, a, &why);
    a->queued_us = s->queued_us;
    a->ran_us = s->ran_us;
    cut_free(s, a->n_wanted);
    a->done(a, code, &why);
}

static void piece_done(tn_piece *p, tn_code code, const tn_error *err, int64_t queued_us, int64_t ran_us)
{
    if (p->cut) {
        part_done(p, code, err, queued_us, ran_us);
        return;
    }
    tn_error why;
    tn_ask *a = p->ask;
    if (code != TN_OK) why = *err;
    a->queued_us = queued_us;
    a->ran_us = ran_us;
    a->done(a, code, &why);
}

/* Where a piece's outputs go. */
static tn_tensor **room_of(const tn_piece *p)
{
    return p->cut ? p->cut->out + p->part * p->ask->n_wanted : p->ask->out;
}

/* ==== running ==== */

typedef struct run {
    tn_batcher *batcher;
    tn_queue *queue;
    tn_batch *batch;
    int64_t extra; /* rows that fill up */
    int64_t started, ran_us;
    int n_in, n_out; /* n_out: of the plan */
    tn_tensor **in, **out;
} run;

static int64_t allowed_size(const tn_batcher *b, int64_t rows)
{
    for (int i = 0; i < b->o.n_allowed; i++)
        if (b->o.allowed_batch_sizes[i] >= rows) return b->o.allowed_batch_sizes[i];
    return rows;
}

/* The batch may take as long as the last of its questions; one without a deadline: without end. */
static int64_t deadline_of(const tn_batch *b)
{
    int64_t last = 1;
    for (const tn_piece *p = b->first; p && last; p = p->next)
        last = p->ask->deadline ? TN_MAX(last, p->ask->deadline) : 0;
    return last;
}

static tn_code merge_all(run *r, tn_error *err)
{
    for (int i = 0; i < r->n_in; i++)
        TN_TRY(tn_rows_merge(r->batch, i, r->extra, r->batcher->o.pad_variable_length_inputs, &r->in[i], err));
    return TN_OK;
}

static tn_code check_outputs(const run *r, tn_error *err)
{
    for (int i = 0; i < r->n_out; i++) {
        const tn_shape *s = &r->out[i]->shape;
        if (!s->rank) return tn_fail(err, TN_FAILED_PRECONDITION, "Batched output tensor has 0 dimensions");
        if (s->dim[0] != r->batch->rows + r->extra)
            return tn_fail(err, TN_FAILED_PRECONDITION,
                           "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of "
                           "the input tensors");
    }
    return TN_OK;
}

/* All outputs of the plan, for all rows. A batch of one whole question is asked as it is. */
static tn_code compute(run *r, tn_error *err)
{
    const tn_piece *p = r->batch->first;
    bool as_it_is = !p->next && !p->cut && !r->extra;
    if (!as_it_is) TN_TRY(merge_all(r, err));
    tn_choice_run c = {.in = as_it_is ? p->ask->in : (const tn_tensor *const *)r->in, .out = r->out, .n_in = r->n_in,
                       .deadline = deadline_of(r->batch), .cancel = r->batch->n == 1 ? p->ask->cancel : NULL};
    TN_TRY(tn_choice_compute(r->queue->choice, &c, &r->ran_us, err));
    return check_outputs(r, err);
}

/* Its rows of all outputs that the piece's question wants; the plan may have more. */
static tn_code give_rows(const run *r, const tn_piece *p, int64_t row, tn_error *err)
{
    tn_ask *a = p->ask;
    tn_tensor **to = room_of(p);
    bool picks = a->n_wanted != r->n_out;
    for (int i = 0; i < a->n_wanted; i++) {
        tn_code code = tn_rows_of(r->out[picks ? a->wanted[i] : i], row, p->rows, &to[i], err);
        if (code == TN_OK) continue;
        drop_all(to, i);
        memset(to, 0, (size_t)a->n_wanted * sizeof *to);
        return code;
    }
    return TN_OK;
}

static tn_code run_batch(run *r, tn_error *err)
{
    r->n_in = r->queue->asker->signature->n_in;
    r->n_out = r->queue->choice->n;
    r->extra = allowed_size(r->batcher, r->batch->rows) - r->batch->rows;
    r->in = tn_calloc((size_t)r->n_in + 1, sizeof *r->in);
    r->out = tn_calloc((size_t)r->n_out + 1, sizeof *r->out);
    return r->in && r->out ? compute(r, err) : tn_no_memory(err, 0);
}

/* After the last piece's answer the queue may be gone: all that is needed is at hand. */
static void answer_all(run *r, tn_code code, const tn_error *err)
{
    int64_t row = 0;
    for (tn_piece *p = r->batch->first, *next; p; p = next) {
        tn_error why;
        next = p->next;
        tn_code own = code == TN_OK ? give_rows(r, p, row, &why) : code;
        row += p->rows;
        int64_t queued = r->started - p->ask->began;
        piece_done(p, own, code == TN_OK ? &why : err, queued, r->ran_us);
    }
}

/* Who is cancelled or too late leaves; for TensorFlow Serving it is the queue that was too full for the latter. */
static void drop_late(tn_batch *b)
{
    tn_piece **at = &b->first;
    while (*at) {
        tn_error why;
        tn_piece *p = *at;
        tn_code code = tn_ask_may_go_on(p->ask, &why);
        if (code == TN_OK) {
            at = &p->next;
            continue;
        }
        if (code == TN_DEADLINE_EXCEEDED)
            code = tn_fail(&why, TN_RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue");
        *at = p->next;
        b->rows -= p->rows;
        b->n--;
        piece_done(p, code, &why, tn_now_us() - p->ask->began, 0);
    }
    b->last = at;
}

static void count_batch(const run *r)
{
    tn_metrics *m = r->batcher->metrics;
    const char *pool = r->batcher->o.thread_pool_name;
    if (!m) return;
    for (const tn_piece *p = r->batch->first; p; p = p->next)
        tn_metrics_batched(m, pool ? pool : "batch_threads", r->started - p->ask->began, p->rows);
    tn_metrics_batch(m, r->batch->rows, r->batch->rows + r->extra);
}

static void run_taken(tn_queue *q, tn_batch *b, bool had_to_wait)
{
    tn_error err = {.code = TN_OK};
    int64_t opened = b->opened;
    run r = {.batcher = q->batcher, .queue = q, .batch = b, .started = tn_now_us()};
    int late = b->n;
    drop_late(b);
    late -= b->n;
    if (!b->n) { /* then nobody holds the queue any more, perhaps */
        tn_free(b);
        return;
    }
    tn_code code = run_batch(&r, &err);
    if (code == TN_OK) count_batch(&r);
    int64_t now = tn_now_us();
    tn_measured m = {now, now - opened, b->rows, b->n, had_to_wait || late};
    tn_queue_measured(q->batcher->threads, q, &m);
    answer_all(&r, code, &err);
    for (int i = 0; r.in && i < r.n_in; i++) tn_tensor_unref(r.in[i]);
    for (int i = 0; r.out && i < r.n_out; i++) tn_tensor_unref(r.out[i]);
    tn_free(r.in);
    tn_free(r.out);
    tn_free(b);
}

/* ==== asking ==== */

/* Rows of the question; 0: it is not one to be put together with others. */
static tn_code rows_of(const tn_ask *a, int64_t *rows, tn_error *err)
{
    int n = a->asker->signature->n_in;
    *rows = 0;
    for (int i = 0; i < n; i++) {
        const tn_shape *s = &a->in[i]->shape;
        if (!s->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Batching Run() input tensors must have at least one dimension");
        if (i && s->dim[0] != *rows)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Batching Run() input tensors must have equal 0th-dimension size");
        *rows = s->dim[0];
    }
    return TN_OK;
}

static tn_queue *queue_new(tn_batcher *b, const tn_ask *a)
{
    tn_queue *q = tn_calloc(1, sizeof *q);
    if (!q) return NULL;
    int64_t target = (int64_t)(b->o.latency_target_ms * 1000);
    q->batcher = b;
    q->choice = a->choice;
    q->asker = a->asker;
    q->run = run_taken;
    q->tuning = (tn_tuning){.target_us = target, .timeout_us = target ? 0 : b->o.batch_timeout_micros,
                            .most = b->limits.execution, .largest = b->limits.execution};
    q->sibling = b->queues;
    b->queues = q;
    tn_batch_threads_add(b->threads, q);
    return q;
}

static tn_queue *queue_of(tn_batcher *b, const tn_ask *a)
{
    tn_queue *q = atomic_load_explicit(&a->choice->queue, memory_order_acquire);
    if (q) return q;
    pthread_mutex_lock(&b->lock);
    q = atomic_load(&a->choice->queue);
    if (!q && (q = queue_new(b, a))) atomic_store_explicit(&a->choice->queue, q, memory_order_release);
    pthread_mutex_unlock(&b->lock);
    return q;
}

/* A question may begin in an open batch and end in one: two more than the whole ones between. A tuned queue's batches
 * may be as small as one row. One more is counted than there can be: the one that adds them. */
static tn_cut *cut_new(tn_batcher *b, tn_ask *a, int64_t rows, tn_error *err)
{
    int64_t n = (b->o.latency_target_ms > 0 ? rows : rows / b->limits.execution + 2) + 1;
    tn_cut *s = tn_calloc(1, sizeof *s + (size_t)n * sizeof *s->pieces);
    if (s) s->out = tn_calloc((size_t)n * (size_t)TN_MAX(a->n_wanted, 1), sizeof(tn_tensor *));
    if (!s || !s->out) {
        tn_free(s);
        tn_no_memory(err, (size_t)n * sizeof *s->pieces);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->left, (int)n);
    for (int i = 0; i < n; i++) s->pieces[i] = (tn_piece){.ask = a, .cut = s, .part = i};
    s->n = (int)n;
    return s;
}

static tn_code add_cut(tn_batcher *b, tn_queue *q, tn_ask *a, int64_t rows, tn_error *err)
{
    tn_cut *s = cut_new(b, a, rows, err);
    if (!s) return TN_RESOURCE_EXHAUSTED;
    int room = s->n, n;
    tn_code code = tn_queue_add(b->threads, q, &b->limits, rows, s->pieces, &n, err);
    if (code != TN_OK) {
        cut_free(s, a->n_wanted);
        return code;
    }
    /* some may be answered already; what was counted too many goes now, the last of it as a piece that is done */
    s->n = n;
    atomic_fetch_sub(&s->left, room - n - 1);
    part_done(&(tn_piece){.ask = a, .cut = s}, TN_OK, NULL, 0, 0);
    return TN_OK;
}

static tn_code start(tn_batcher *b, tn_ask *a, int64_t rows, tn_error *err)
{
    int n;
    tn_queue *q = queue_of(b, a);
    if (!q) return tn_no_memory(err, sizeof *q);
    a->began = tn_now_us();
    a->piece = (tn_piece){.ask = a};
    if (b->limits.splits && rows > 1) return add_cut(b, q, a, rows, err);
    return tn_queue_add(b->threads, q, &b->limits, rows, &a->piece, &n, err);
}

bool tn_batcher_start(tn_batcher *b, tn_ask *a)
{
    tn_error err = {.code = TN_OK};
    int64_t rows;
    tn_code code = rows_of(a, &rows, &err);
    if (code == TN_OK && !rows) return false;
    if (code == TN_OK) code = start(b, a, rows, &err);
    if (code != TN_OK) a->done(a, code, &err);
    return true;
}

/* ==== batchers ==== */

static tn_code copy_sizes(tn_batcher *b, tn_error *err)
{
    if (!b->o.n_allowed) return TN_OK;
    int64_t *copy = tn_malloc((size_t)b->o.n_allowed * sizeof *copy);
    if (!copy) return tn_no_memory(err, 0);
    memcpy(copy, b->o.allowed_batch_sizes, (size_t)b->o.n_allowed * sizeof *copy);
    b->o.allowed_batch_sizes = copy;
    return TN_OK;
}

tn_code tn_batcher_new(const tn_batching *o, tn_metrics *metrics, tn_batcher **out, tn_error *err)
{
    tn_batcher *b = tn_calloc(1, sizeof *b);
    if (!b) return tn_no_memory(err, sizeof *b);
    b->o = *o;
    b->o.n_allowed = 0;
    b->metrics = metrics;
    b->limits = (tn_queue_limits){.most_rows = o->max_batch_size, .execution = o->max_batch_size,
                                  .batches = o->max_enqueued_batches, .splits = o->enable_large_batch_splitting};
    if (b->limits.splits) b->limits.execution = o->max_execution_batch_size;
    pthread_mutex_init(&b->lock, NULL);
    tn_code code = TN_OK;
    if (o->threads) b->threads = tn_batch_threads_keep(o->threads);
    else code = tn_batch_threads_new(o->num_batch_threads, &b->threads, err);
    b->o.n_allowed = code == TN_OK ? o->n_allowed : 0;
    if (code == TN_OK && (code = copy_sizes(b, err)) != TN_OK) b->o.n_allowed = 0;
    if (code == TN_OK) *out = b;
    else tn_batcher_free(b);
    return code;
}

void tn_batcher_free(tn_batcher *b)
{
    if (!b) return;
    for (tn_queue *q = b->queues, *next; q; q = next) {
        next = q->sibling;
        tn_batch_threads_remove(b->threads, q);
        tn_free(q);
    }
    tn_batch_threads_free(b->threads);
    if (b->o.n_allowed) tn_free((void *)b->o.allowed_batch_sizes);
    pthread_mutex_destroy(&b->lock);
    tn_free(b);
}
