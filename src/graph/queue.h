/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.h - TensorFlow 1's queues of tuples of tensors, as resources of a session: in order, in order with
 * padding, in random order, by priority. The operators on them are op_queue.c's.
 *
 * Several runs may use a queue at once, so it has a lock. Who waits, waits for a moment only: when nobody
 * fills (or empties) the queue in that time, that is an error instead of a run that hangs.
 */
#ifndef TN_QUEUE_H
#define TN_QUEUE_H

#include "../kernel/kernel.h"
#include "op.h"

typedef enum tn_queue_kind {
    TN_QUEUE_FIFO,
    TN_QUEUE_PADDING,
    TN_QUEUE_SHUFFLE,
    TN_QUEUE_PRIORITY
} tn_queue_kind;

typedef struct tn_queue {
    tn_resource base;
    tn_queue_kind kind;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int width; /* components of a tuple */
    tn_dtype *types;
    tn_shape *shapes; /* NULL: any */
    int64_t capacity, min_after_dequeue;
    int64_t first, n, cap; /* tuples [first, first + n) of items are there */
    tn_tensor **items;
    bool closed;
    tn_philox random;
    uint32_t group[4];
    int used;
} tn_queue;

/* types and shapes are copied; shapes may be NULL. NULL: no memory. */
tn_queue *tn_queue_new(const char *name, tn_queue_kind kind, int width, const tn_dtype *types,
                       const tn_shape *shapes, int64_t capacity);
/* All of the n tuples (width tensors each, kept) or none. CANCELLED: closed. */
tn_code tn_queue_put(tn_queue *q, const tn_run *r, tn_tensor *const *tuples, int64_t n, tn_error *err);
/* n tuples, or when less is allowed and the queue closed, what is left, into out (owned by the caller).
 * OUT_OF_RANGE: closed, and too few are left. */
tn_code tn_queue_take(tn_queue *q, const tn_run *r, int64_t n, bool less, tn_tensor **out, int64_t *taken,
                      tn_error *err);
/* Until something changes, but not forever; *waited (0 to begin with) counts milliseconds. DEADLINE_EXCEEDED "<who> and
 * nobody changes that"; CANCELLED. lock is held. */
tn_code tn_wait_a_moment(pthread_cond_t *changed, pthread_mutex_t *lock, const tn_run *r, int *waited, const char *who,
                         tn_error *err);
int64_t tn_queue_size(tn_queue *q);
bool tn_queue_is_closed(tn_queue *q);
void tn_queue_close(tn_queue *q);

#endif
