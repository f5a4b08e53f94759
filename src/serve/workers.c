/* SPDX-License-Identifier: Apache-2.0
 *
 * workers.c - a pool of threads that take tasks in the order in which they came.
 *
 * Invariants: a task that was accepted is run exactly once, also when the pool is being freed; the pool does not touch
 * it once its run has been called.
 */
#include "serve.h"

struct tn_pool {
    pthread_mutex_t lock;
    pthread_cond_t more;
    tn_task *first, **last;
    int64_t waiting, most;
    int idle;
    bool ending;
    int n;
    pthread_t threads[];
};

static tn_task *take(tn_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->idle++;
    while (!p->first && !p->ending) pthread_cond_wait(&p->more, &p->lock);
    p->idle--;
    tn_task *t = p->first;
    if (t) {
        p->first = t->next;
        if (!p->first) p->last = &p->first;
        p->waiting--;
    }
    pthread_mutex_unlock(&p->lock);
    return t;
}

static void *work(void *pool)
{
    for (tn_task *t; (t = take(pool));) t->run(t);
    return NULL;
}

tn_code tn_pool_new(int threads, int64_t most_waiting, tn_pool **out, tn_error *err)
{
    if (threads < 1 || threads > 4096)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a pool of %d threads; 1 to 4096 are possible", threads);
    tn_pool *p = tn_calloc(1, sizeof *p + (size_t)threads * sizeof *p->threads);
    if (!p) return tn_no_memory(err, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->last = &p->first;
    p->most = most_waiting;
    for (; p->n < threads; p->n++) {
        int failed = pthread_create(&p->threads[p->n], NULL, work, p);
        if (!failed) continue;
        tn_pool_free(p);
        return tn_fail_errno(err, failed, "thread %d of %d", p->n + 1, threads);
    }
    *out = p;
    return TN_OK;
}

bool tn_pool_add(tn_pool *p, tn_task *t)
{
    t->next = NULL;
    pthread_mutex_lock(&p->lock);
    bool ok = !p->most || p->waiting < p->most;
    if (ok) {
        *p->last = t;
        p->last = &t->next;
        p->waiting++;
        if (p->idle) pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    return ok;
}

void tn_pool_free(tn_pool *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n; i++) pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    tn_free(p);
}
