/* SPDX-License-Identifier: Apache-2.0
 *
 * pieces.h - tuples of tensors whose components come one by one, under a key: what barriers (op_barrier.c)
 * and staging areas with keys (op_stage_map.c) hold, as a resource of a session. Each looks at the fields
 * itself, under the lock.
 */
#ifndef TN_PIECES_H
#define TN_PIECES_H

#include "../graph/op.h"
#include "queue.h"

enum { TN_MOST_PIECES = 64 };

typedef struct tn_tuple {
    int64_t order;
    char *key; /* of n bytes */
    size_t n, bytes;
    tn_tensor *part[]; /* NULL: has not come, or is gone */
} tn_tuple;

typedef struct tn_pieces {
    tn_resource base;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int width;
    tn_dtype types[TN_MOST_PIECES];
    tn_shape shapes[TN_MOST_PIECES]; /* unknown to begin with */
    tn_map *partial;                 /* key -> tuples that are not complete */
    tn_tuple **ready;                /* by order; those of one order as they came */
    int64_t n;
    int cap;
    int64_t next;                    /* order of the next one, where it is counted */
    int64_t most, most_bytes, bytes; /* limits of what is ready; 0: none */
    bool closed, cancelled;
} tn_pieces;

/* Tuples of a list attribute's types. NULL: no memory, or not 1 to TN_MOST_PIECES types. */
tn_pieces *tn_pieces_new(const tn_run *r, tn_resource_kind kind, const char *types);
/* The lock is held in all that follow. The tuple of a key that is not complete; NULL: none. */
tn_tuple *tn_pieces_find(const tn_pieces *p, tn_view key);
tn_code tn_pieces_add(tn_pieces *p, tn_view key, int64_t order, tn_tuple **out, tn_error *err);
bool tn_pieces_whole(const tn_pieces *p, const tn_tuple *t);
/* A whole tuple moves on to those that are ready. */
tn_code tn_pieces_finish(tn_pieces *p, tn_tuple *t, tn_error *err);
/* Ready tuple i is the caller's. */
tn_tuple *tn_pieces_take(tn_pieces *p, int64_t i);
void tn_pieces_drop(const tn_pieces *p, tn_tuple *t);
void tn_pieces_forget(tn_pieces *p); /* those that are not complete */

#endif
