/* SPDX-License-Identifier: Apache-2.0
 *
 * event_loop.h - one thread that waits for descriptors, for points in time, and for jobs that other threads give it.
 *
 * Invariants: what is watched, set or posted is the caller's memory and stays until it is unwatched, cleared or run;
 * everything is called in the loop's thread, and everything but tn_loop_post and tn_loop_stop may be called only there
 * (or before the thread has started). A watch that is taken away is not called any more, not even in the same round.
 */
#ifndef TN_NET_EVENT_LOOP_H
#define TN_NET_EVENT_LOOP_H

#include "../base/base.h"

#include <sys/epoll.h>

typedef struct tn_loop tn_loop;

typedef struct tn_watch {
    int fd;
    void (*ready)(struct tn_watch *w, uint32_t events); /* EPOLLIN, ... */
} tn_watch;

typedef struct tn_timer { /* {0} to begin with, but for fire */
    void (*fire)(struct tn_timer *t);
    int64_t at;  /* tn_now_us */
    size_t slot; /* in the loop's heap, from 1; 0: not set */
} tn_timer;

typedef struct tn_job {
    struct tn_job *next;
    void (*run)(struct tn_job *j);
} tn_job;

tn_code tn_loop_new(tn_loop **out, tn_error *err);
tn_code tn_loop_start(tn_loop *l, const char *name, tn_error *err); /* a thread; name: at most 15 characters */
/* Runs what is posted before, ends the thread and waits for it. Without effect when there is no thread. */
void tn_loop_stop(tn_loop *l);
void tn_loop_round(tn_loop *l); /* without a thread: what is to be done now */
void tn_loop_free(tn_loop *l); /* stopped, and nothing in it */
bool tn_loop_here(const tn_loop *l); /* the calling thread is the loop's, or it has none yet */

tn_code tn_loop_watch(tn_loop *l, tn_watch *w, uint32_t events, tn_error *err);
void tn_loop_rewatch(tn_loop *l, tn_watch *w, uint32_t events);
void tn_loop_unwatch(tn_loop *l, tn_watch *w);
/* A timer fires once. false: no memory. */
bool tn_timer_set(tn_loop *l, tn_timer *t, int64_t at);
void tn_timer_clear(tn_loop *l, tn_timer *t);
void tn_loop_post(tn_loop *l, tn_job *j);  /* from any thread, which never waits */
void tn_loop_later(tn_loop *l, tn_job *j); /* at the end of the round or before; a job is in one list only once */

#endif
