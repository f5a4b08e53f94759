/* SPDX-License-Identifier: Apache-2.0
 *
 * blocks.c - large blocks of memory for the values of runs, shared by all programs of a store: as many are kept as runs
 * were under way at once, each as large as the largest of them needed, and not one for every shape that was ever seen.
 *
 * Invariant: what is idle stays below a limit; blocks in use are their users'.
 */
#include "state.h"

#define MOST_IDLE ((size_t)512 << 20)

/* The smallest that is large enough; else the largest, to be replaced. Called with the lock held. */
static bool take_idle(tn_blocks *b, size_t n, tn_block *out)
{
    int best = -1;
    for (int i = 0; i < b->n; i++) {
        size_t size = b->idle[i].n, there = best >= 0 ? b->idle[best].n : 0;
        bool fits = size >= n;
        if (best < 0 || (there >= n ? fits && size < there : size > there)) best = i;
    }
    if (best < 0) return false;
    *out = b->idle[best];
    b->bytes -= out->n;
    b->idle[best] = b->idle[--b->n];
    return true;
}

tn_block tn_blocks_take(tn_blocks *b, size_t n)
{
    tn_block got = {0};
    pthread_mutex_lock(&b->lock);
    bool any = take_idle(b, n, &got);
    pthread_mutex_unlock(&b->lock);
    if (any && got.n >= n) return got;
    tn_free(got.p);
    got = (tn_block){tn_aligned_alloc(n), n};
    return got.p ? got : (tn_block){0};
}

void tn_blocks_give(tn_blocks *b, tn_block block, bool keep)
{
    if (!block.p) return;
    pthread_mutex_lock(&b->lock);
    keep = keep && b->n < TN_IDLE_BLOCKS && block.n <= MOST_IDLE - TN_MIN(b->bytes, MOST_IDLE);
    if (keep) {
        b->idle[b->n++] = block;
        b->bytes += block.n;
    }
    pthread_mutex_unlock(&b->lock);
    if (!keep) tn_free(block.p);
}

static bool take_any(tn_blocks *b, tn_block *out)
{
    pthread_mutex_lock(&b->lock);
    const bool any = b->n > 0;
    if (any) {
        *out = b->idle[--b->n];
        b->bytes -= out->n;
    }
    pthread_mutex_unlock(&b->lock);
    return any;
}

void tn_blocks_rest(tn_blocks *b)
{
    for (tn_block block; take_any(b, &block);) tn_free(block.p);
}

void tn_blocks_free(tn_blocks *b)
{
    for (int i = 0; i < b->n; i++) tn_free(b->idle[i].p);
    b->n = 0;
    pthread_mutex_destroy(&b->lock);
}
