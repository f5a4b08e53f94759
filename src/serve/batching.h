/* SPDX-License-Identifier: Apache-2.0
 *
 * batching.h - queues of batches (batch_queue.c) and what they are for (batching.c).
 */
#ifndef TN_SERVE_BATCHING_H
#define TN_SERVE_BATCHING_H

#include "asking.h"

typedef struct tn_batch {
    struct tn_batch *next;
    tn_piece *first, **last;
    int64_t rows, opened;
    int n;
} tn_batch;

typedef struct tn_tuning { /* as tn_batching.latency_target_ms tells */
    int64_t target_us, timeout_us, most; /* target 0: the others stay as they are; most: rows of a batch */
    int64_t largest;
    int64_t began, rows; /* of the present 32 batches */
    int batches, busy;
    double rate;         /* rows a microsecond, before longer waiting was tried */
    bool tries;
    int hold, next_hold; /* as many times 32 batches before it is tried again */
} tn_tuning;
typedef struct tn_measured { /* of a batch */
    int64_t now_us, took_us, rows;
    int questions;
    bool had_to_wait; /* for a thread */
} tn_measured;
void tn_tuning_measured(tn_tuning *t, const tn_measured *m);

/* What is in the queue is guarded by its threads' lock. */
typedef struct tn_queue {
    struct tn_queue *next; /* of its threads' */
    struct tn_queue *sibling; /* of its batcher's */
    tn_batcher *batcher;
    tn_choice *choice;
    const tn_asker *asker;
    tn_batch *first, *last; /* the last one is open: more rows may come; all others are closed */
    int64_t n;
    tn_tuning tuning;
    void (*run)(struct tn_queue *q, tn_batch *b, bool had_to_wait); /* in one of the threads; frees the batch */
} tn_queue;

typedef struct tn_queue_limits {
    int64_t most_rows; /* of a question */
    int64_t execution; /* of a batch */
    int64_t batches;   /* waiting */
    bool splits;
} tn_queue_limits;

void tn_batch_threads_add(tn_batch_threads *t, tn_queue *q);
void tn_batch_threads_remove(tn_batch_threads *t, tn_queue *q);
/* A question of so many rows; pieces has room for as many as it may be cut into, *n of them are used. */
tn_code tn_queue_add(tn_batch_threads *t, tn_queue *q, const tn_queue_limits *limits, int64_t rows, tn_piece *pieces,
                     int *n, tn_error *err);
/* How a batch's time changes the queue's tuning. */
void tn_queue_measured(tn_batch_threads *t, tn_queue *q, const tn_measured *m);

/* The asker's question goes to its batcher; done will be called. false: it is not one to be put together. */
bool tn_batcher_start(tn_batcher *b, tn_ask *a);

#endif
