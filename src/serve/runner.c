/* SPDX-License-Identifier: Apache-2.0
 *
 * runner.c - one thing at a time done by another thread, which is left behind when it takes too long: a call that the
 * system never answers (a mount whose server has gone) cannot be ended, only be done without.
 *
 * Invariant: a runner that was left behind belongs to its thread, which frees it.
 */
#include "runner.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

struct tn_runner {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    void (*job)(void *payload); /* NULL: nothing is to be done */
    void *payload;
    bool ends, left;
};

static void free_record(tn_runner *r)
{
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    tn_free(r);
}

static void *run(void *runner)
{
    tn_runner *r = runner;
    pthread_mutex_lock(&r->lock);
    while (r->job || !r->ends) { /* who was left behind at once still does what it was given */
        if (!r->job) {
            pthread_cond_wait(&r->changed, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        r->job(r->payload);
        pthread_mutex_lock(&r->lock);
        r->job = NULL;
        pthread_cond_broadcast(&r->changed);
    }
    bool left = r->left;
    pthread_mutex_unlock(&r->lock);
    if (left) free_record(r);
    return NULL;
}

static bool start(tn_runner *r)
{
    sigset_t all, before; /* signals are for the threads of the program */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&r->thread, NULL, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

tn_code tn_runner_new(tn_runner **out, tn_error *err)
{
    tn_runner *r = tn_calloc(1, sizeof *r);
    if (!r) return tn_no_memory(err, sizeof *r);
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&r->changed, &steady);
    pthread_condattr_destroy(&steady);
    pthread_mutex_init(&r->lock, NULL);
    if (!start(r)) {
        free_record(r);
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "cannot start a thread");
    }
    *out = r;
    return TN_OK;
}

/* Looks at *stop now and then. */
static void wait_until_done(tn_runner *r, double seconds, const atomic_int *stop)
{
    int64_t until = tn_now_us() + (int64_t)(TN_MIN(seconds, 1e9) * 1e6);
    while (r->job && tn_now_us() < until && !atomic_load(stop)) {
        int64_t next = TN_MIN(until, tn_now_us() + 100000);
        struct timespec t = {.tv_sec = next / 1000000, .tv_nsec = next % 1000000 * 1000};
        pthread_cond_timedwait(&r->changed, &r->lock, &t);
    }
}

bool tn_runner_do(tn_runner *r, void (*job)(void *payload), void *payload, double seconds, const atomic_int *stop)
{
    pthread_mutex_lock(&r->lock);
    r->payload = payload;
    r->job = job;
    pthread_cond_broadcast(&r->changed);
    wait_until_done(r, seconds, stop);
    bool done = !r->job;
    if (!done) {
        pthread_detach(r->thread);
        r->ends = r->left = true;
    }
    pthread_mutex_unlock(&r->lock);
    return done;
}

void tn_runner_free(tn_runner *r)
{
    if (!r) return;
    pthread_mutex_lock(&r->lock);
    r->ends = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    free_record(r);
}
