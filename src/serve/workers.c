/* SPDX-License-Identifier: Apache-2.0
 *
 * workers.c - a pool of threads that take tasks in the order in which they came.
 *
 * The first thread comes first: who asks one thing at a time is answered by one thread, whose team (tn_pool_lead)
 * is awake.
 *
 * Invariants: a task that was accepted is run exactly once, also when the pool is being freed; the pool does not
 * touch it once its run has been called.
 */
#include "serve.h"

/* Tasks in a row by which it is known that they come one at a time: a team whose threads somebody else soon wants has
 * to wait for them, spinning. */
enum { CALM = 4 };

typedef struct worker {
    tn_pool *pool;
    pthread_t thread;
    bool computes; /* has a task, and has not said that the rest of it is little */
} worker;

struct tn_pool {
    pthread_mutex_t lock;
    pthread_cond_t lead, more; /* for the first thread, for the others */
    tn_task *first, **last;
    int64_t waiting, most;
    bool lead_idle;
    int idle; /* others */
    int computing;
    int calm; /* tasks in a row that came while nothing else was under way */
    bool ending;
    int n;
    worker workers[];
};

static void set_computes(worker *w, bool computes)
{
    w->pool->computing += computes - w->computes;
    w->computes = computes;
}

static void wait_for_task(worker *w)
{
    tn_pool *p = w->pool;
    bool leads = w == p->workers;
    if (leads) p->lead_idle = true;
    else p->idle++;
    while (!p->first && !p->ending) pthread_cond_wait(leads ? &p->lead : &p->more, &p->lock);
    if (leads) p->lead_idle = false;
    else p->idle--;
}

static tn_task *take(worker *w)
{
    tn_pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    set_computes(w, false);
    if (!p->first) wait_for_task(w);
    tn_task *t = p->first;
    if (t) {
        p->first = t->next;
        if (!p->first) p->last = &p->first;
        p->waiting--;
        set_computes(w, true);
    }
    pthread_mutex_unlock(&p->lock);
    return t;
}

static void *work(void *worker)
{
    for (tn_task *t; (t = take(worker));) t->run(t);
    return NULL;
}

tn_code tn_pool_new(int threads, int64_t most_waiting, tn_pool **out, tn_error *err)
{
    if (threads < 1 || threads > 4096)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a pool of %d threads; 1 to 4096 are possible", threads);
    tn_pool *p = tn_calloc(1, sizeof *p + (size_t)threads * sizeof *p->workers);
    if (!p) return tn_no_memory(err, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->lead, NULL);
    pthread_cond_init(&p->more, NULL);
    p->last = &p->first;
    p->most = most_waiting;
    p->calm = CALM;
    for (; p->n < threads; p->n++) {
        worker *w = &p->workers[p->n];
        w->pool = p;
        int failed = pthread_create(&w->thread, NULL, work, w);
        if (!failed) continue;
        tn_pool_free(p);
        return tn_fail_errno(err, failed, "thread %d of %d", p->n + 1, threads);
    }
    *out = p;
    return TN_OK;
}

static void note_arrival(tn_pool *p)
{
    const bool alone = !p->computing && !p->waiting;
    p->calm = alone ? TN_MIN(p->calm + 1, CALM) : 0;
}

/* Wakes one: the first thread where it is idle, nobody where it soon will be, else another. */
static void wake(tn_pool *p)
{
    if (p->lead_idle) pthread_cond_signal(&p->lead);
    if (p->idle && (p->workers->computes || p->waiting > 1)) pthread_cond_signal(&p->more);
}

bool tn_pool_add(tn_pool *p, tn_task *t)
{
    t->next = NULL;
    pthread_mutex_lock(&p->lock);
    bool ok = !p->most || p->waiting < p->most;
    if (ok) {
        note_arrival(p);
        *p->last = t;
        p->last = &t->next;
        p->waiting++;
        wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    return ok;
}

int tn_pool_lead(tn_pool *p)
{
    if (!pthread_equal(p->workers->thread, pthread_self())) return 1;
    pthread_mutex_lock(&p->lock);
    int n = p->calm < CALM ? 1 : p->n - p->computing + 1;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void tn_pool_almost_done(tn_pool *p)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < p->n; i++)
        if (pthread_equal(p->workers[i].thread, pthread_self())) set_computes(&p->workers[i], false);
    pthread_mutex_unlock(&p->lock);
}

void tn_pool_free(tn_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_signal(&p->lead);
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->lead);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    tn_free(p);
}
