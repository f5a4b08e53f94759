/* SPDX-License-Identifier: Apache-2.0
 *
 * event_loop.c - one thread that waits for descriptors (epoll), for points in time (a heap), for jobs of other threads.
 *
 * Jobs of other threads are a list that is pushed to by compare and exchange and taken whole; only the thread that
 * finds it empty wakes the loop, and the loop does not read the eventfd that wakes it: it is watched for edges.
 */
#include "event_loop.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BATCH 64
#define SPIN_US 60      /* how long a thread looks again and again before it sleeps */
#define MOST_PASSED 256 /* sleeps after looking in vain before it looks again */
#define PUT_OFF_US 50   /* jobs for the end of a round wait while it is shorter */

struct tn_loop {
    int epoll, wake;
    bool running, stopping;
    pthread_t thread;
    _Atomic(pthread_t) self; /* set by the thread itself */
    tn_timer **heap;
    size_t n_timers, timers_cap;
    _Atomic(tn_job *) posted; /* newest first */
    atomic_int posting;       /* threads that are about to wake it: a job may be done before they are */
    tn_job *later, **later_end;
    struct epoll_event batch[BATCH]; /* of this round; a watch taken away is blanked */
    int n_batch, at;
    int passed, to_pass; /* sleeps since it last looked in vain; how many it takes */
};

/* ---- life ---- */

tn_code tn_loop_new(tn_loop **out, tn_error *err)
{
    tn_loop *l = tn_calloc(1, sizeof *l);
    if (!l) return tn_no_memory(err, sizeof *l);
    l->later_end = &l->later;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->wake = l->epoll >= 0 ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    struct epoll_event e = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e) < 0) {
        tn_code code = tn_fail_errno(err, errno, "a loop's descriptors");
        tn_loop_free(l);
        return code;
    }
    *out = l;
    return TN_OK;
}

void tn_loop_free(tn_loop *l)
{
    if (!l) return;
    while (atomic_load_explicit(&l->posting, memory_order_acquire)) sched_yield();
    if (l->wake >= 0) close(l->wake);
    if (l->epoll >= 0) close(l->epoll);
    tn_free(l->heap);
    tn_free(l);
}

bool tn_loop_here(const tn_loop *l)
{
    return !l->running || pthread_equal(atomic_load_explicit(&l->self, memory_order_relaxed), pthread_self());
}

/* ---- descriptors ---- */

tn_code tn_loop_watch(tn_loop *l, tn_watch *w, uint32_t events, tn_error *err)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e) < 0) return tn_fail_errno(err, errno, "watching a descriptor");
    return TN_OK;
}

void tn_loop_rewatch(tn_loop *l, tn_watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

void tn_loop_unwatch(tn_loop *l, tn_watch *w)
{
    epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
    for (int i = l->at; i < l->n_batch; i++)
        if (l->batch[i].data.ptr == w) l->batch[i].data.ptr = NULL;
}

/* ---- timers: a binary heap, the earliest in slot 1 ---- */

static void place(tn_loop *l, tn_timer *t, size_t slot)
{
    l->heap[slot - 1] = t;
    t->slot = slot;
}

static void rise(tn_loop *l, tn_timer *t)
{
    size_t slot = t->slot;
    for (; slot > 1 && l->heap[slot / 2 - 1]->at > t->at; slot /= 2) place(l, l->heap[slot / 2 - 1], slot);
    place(l, t, slot);
}

static void sink(tn_loop *l, tn_timer *t)
{
    size_t slot = t->slot;
    for (size_t child; (child = slot * 2) <= l->n_timers; slot = child) {
        if (child < l->n_timers && l->heap[child]->at < l->heap[child - 1]->at) child++;
        if (l->heap[child - 1]->at >= t->at) break;
        place(l, l->heap[child - 1], slot);
    }
    place(l, t, slot);
}

static bool grow_heap(tn_loop *l)
{
    size_t cap = l->timers_cap ? l->timers_cap * 2 : 64;
    tn_timer **heap = tn_realloc(l->heap, cap * sizeof *heap);
    if (!heap) return false;
    l->heap = heap;
    l->timers_cap = cap;
    return true;
}

bool tn_timer_set(tn_loop *l, tn_timer *t, int64_t at)
{
    if (!t->slot) {
        if (l->n_timers == l->timers_cap && !grow_heap(l)) return false;
        place(l, t, ++l->n_timers);
    }
    t->at = at;
    rise(l, t);
    sink(l, t);
    return true;
}

void tn_timer_clear(tn_loop *l, tn_timer *t)
{
    size_t slot = t->slot;
    if (!slot) return;
    t->slot = 0;
    tn_timer *last = l->heap[--l->n_timers];
    if (last == t) return;
    place(l, last, slot);
    rise(l, last);
    sink(l, last);
}

static void fire_timers(tn_loop *l)
{
    if (!l->n_timers) return;
    int64_t now = tn_now_us();
    while (l->n_timers && l->heap[0]->at <= now) {
        tn_timer *t = l->heap[0];
        tn_timer_clear(l, t);
        t->fire(t);
    }
}

/* ---- jobs ---- */

void tn_loop_post(tn_loop *l, tn_job *j)
{
    atomic_fetch_add_explicit(&l->posting, 1, memory_order_relaxed);
    tn_job *head = atomic_load_explicit(&l->posted, memory_order_relaxed);
    do {
        j->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->posted, &head, j, memory_order_acq_rel, memory_order_relaxed));
    uint64_t one = 1;
    /* It fails only when the counter is full, and then the loop has been woken. */
    ssize_t unused = head ? 0 : write(l->wake, &one, sizeof one);
    (void)unused;
    atomic_fetch_sub_explicit(&l->posting, 1, memory_order_release);
}

void tn_loop_later(tn_loop *l, tn_job *j)
{
    j->next = NULL;
    *l->later_end = j;
    l->later_end = &j->next;
}

static void run_posted(tn_loop *l)
{
    tn_job *newest = atomic_exchange_explicit(&l->posted, NULL, memory_order_acq_rel), *first = NULL, *next;
    for (tn_job *j = newest; j; j = next) {
        next = j->next;
        j->next = first;
        first = j;
    }
    for (tn_job *j = first; j; j = next) {
        next = j->next;
        j->run(j);
    }
}

static void run_later(tn_loop *l)
{
    while (l->later) {
        tn_job *j = l->later;
        l->later = j->next;
        if (!l->later) l->later_end = &l->later;
        j->run(j);
    }
}

/* ---- the thread ---- */

/* Milliseconds until the next timer, rounded up so that it is not asked for in vain. Without a thread nobody waits. */
static int patience(const tn_loop *l)
{
    if (!l->running) return 0;
    if (!l->n_timers) return -1;
    int64_t left = l->heap[0]->at - tn_now_us();
    return left <= 0 ? 0 : left >= (int64_t)60000000 ? 60000 : (int)((left + 999) / 1000);
}

/* A machine that sleeps takes longer to wake than a short call to answer: where calls follow one another closely, it
 * pays to look again for a moment. Where it did not pay, it is tried less and less often. */
static int look_again(tn_loop *l)
{
    int64_t until = 0;
    int n;
    if (!l->running) return 0;
    if (l->passed < l->to_pass) {
        l->passed++;
        return 0;
    }
    while ((n = epoll_wait(l->epoll, l->batch, BATCH, 0)) == 0) {
        int64_t now = tn_now_us();
        if (!until) until = l->n_timers ? TN_MIN(now + SPIN_US, l->heap[0]->at) : now + SPIN_US;
        if (now >= until) break;
    }
    l->passed = 0;
    l->to_pass = n > 0 ? 0 : TN_MIN(2 * l->to_pass + 1, MOST_PASSED);
    return n;
}

/* What is ready is seen to, one after the other; what is put off meanwhile does not wait for all of a long round. */
static void serve_ready(tn_loop *l)
{
    int64_t since = l->n_batch > 1 ? tn_now_us() : 0, now;
    for (l->at = 0; l->at < l->n_batch;) {
        struct epoll_event e = l->batch[l->at++];
        tn_watch *w = e.data.ptr;
        if (w) w->ready(w, e.events); /* what was unwatched in this round, and the waking, have none */
        if (!l->later || l->at == l->n_batch) continue;
        if ((now = tn_now_us()) - since < PUT_OFF_US) continue;
        run_later(l);
        since = now;
    }
    l->n_batch = 0;
}

static void round_of(tn_loop *l)
{
    l->n_batch = look_again(l);
    if (l->n_batch <= 0) l->n_batch = epoll_wait(l->epoll, l->batch, BATCH, patience(l));
    serve_ready(l);
    if (atomic_load_explicit(&l->posted, memory_order_relaxed)) run_posted(l);
    fire_timers(l);
    run_later(l);
}

void tn_loop_round(tn_loop *l)
{
    round_of(l);
}

static void *run(void *payload)
{
    tn_loop *l = payload;
    atomic_store_explicit(&l->self, pthread_self(), memory_order_relaxed);
    while (!l->stopping) round_of(l);
    return NULL;
}

tn_code tn_loop_start(tn_loop *l, const char *name, tn_error *err)
{
    sigset_t all, before; /* signals are for others */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    l->running = true;
    int code = pthread_create(&l->thread, NULL, run, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code) {
        l->running = false;
        return tn_fail_errno(err, code, "starting a thread");
    }
    pthread_setname_np(l->thread, name);
    return TN_OK;
}

typedef struct stop_job {
    tn_job job;
    tn_loop *loop;
} stop_job;

static void stop(tn_job *j)
{
    ((stop_job *)j)->loop->stopping = true;
}

void tn_loop_stop(tn_loop *l)
{
    if (!l || !l->running) return;
    stop_job s = {.job.run = stop, .loop = l};
    tn_loop_post(l, &s.job);
    pthread_join(l->thread, NULL);
    l->running = false;
}
