/* SPDX-License-Identifier: Apache-2.0
 *
 * queue.h - TensorFlow 1's queues of tuples of tensors, as resources of a session: in order, in order with
 * padding, in random order, by priority. The operators on them are op_queue.c's.
 *
 * Several runs may use a queue at once, so it has a lock. Who puts stands in a line, who takes in another: one after
 * another, in the order they came. When every run of the session waits for a while, nobody will ever go on: that is an
 * error instead of runs that hang.
 */
#ifndef TN_QUEUE_H
#define TN_QUEUE_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

typedef enum tn_queue_kind {
    TN_QUEUE_FIFO,
    TN_QUEUE_PADDING,
    TN_QUEUE_SHUFFLE,
    TN_QUEUE_PRIORITY
} tn_queue_kind;

typedef struct tn_waiter { /* a run that stands in a line */
    struct tn_waiter *next;
    bool cancelled; /* by who closed the queue */
} tn_waiter;

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
    int64_t wanted; /* by the first of the takers: so many fit in, whatever the capacity */
    tn_waiter *putters, *takers;
    bool closed;
    tn_philox random;
    uint32_t group[4];
    int used;
} tn_queue;

/* types and shapes are copied; shapes may be NULL. NULL: no memory. */
tn_queue *tn_queue_new(const char *name, tn_queue_kind kind, int width, const tn_dtype *types,
                       const tn_shape *shapes, int64_t capacity);
/* Tuple i (width tensors, which are the queue's then; on error none is made). */
typedef tn_code (*tn_tuple_fn)(const void *from, int64_t i, tn_tensor **tuple, tn_error *err);
/* n tuples, each as soon as there is room. CANCELLED: closed. */
tn_code tn_queue_put(tn_queue *q, const tn_run *r, int64_t n, tn_tuple_fn make, const void *from, tn_error *err);
/* n tuples, or when less is allowed and the queue closed, what is left, into out (owned by the caller).
 * OUT_OF_RANGE: closed, and too few are left. */
tn_code tn_queue_take(tn_queue *q, const tn_run *r, int64_t n, bool less, tn_tensor **out, int64_t *taken,
                      tn_error *err);
/* Until something changes, but not forever; *waited (0 to begin with) counts milliseconds in which all runs of the
 * session waited. DEADLINE_EXCEEDED "<who> and nobody changes that"; CANCELLED. lock is held. */
tn_code tn_wait_a_moment(pthread_cond_t *changed, pthread_mutex_t *lock, const tn_run *r, int *waited, const char *who,
                         tn_error *err);
int64_t tn_queue_size(tn_queue *q);
bool tn_queue_is_closed(tn_queue *q);
/* Once those who put now are done; or now (cancel), and then they get CANCELLED. CANCELLED: it is closed already. */
tn_code tn_queue_close(tn_queue *q, const tn_run *r, bool cancel, tn_error *err);

#endif
