/* SPDX-License-Identifier: Apache-2.0
 *
 * shuffle.h - counter-based orders: what comes where in an epoch depends on seed and epoch only, so a
 * position is all there is to remember.
 */
#ifndef TN_TRAIN_SHUFFLE_H
#define TN_TRAIN_SHUFFLE_H

#include <stdint.h>

static inline uint64_t tn_mix(uint64_t x) /* SplitMix64's finish */
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* The i-th of the random numbers of an epoch. */
static inline uint64_t tn_draw(uint64_t seed, uint64_t epoch, uint64_t i)
{
    return tn_mix(tn_mix(seed + 0x9e3779b97f4a7c15u * (epoch + 1)) + 0x9e3779b97f4a7c15u * (i + 1));
}

/* A permutation of 0 .. n - 1 for an epoch. */
static inline void tn_permute(uint64_t seed, uint64_t epoch, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t j = (int64_t)(tn_draw(seed, epoch, (uint64_t)i) % (uint64_t)(i + 1));
        order[i] = order[j];
        order[j] = i;
    }
}

#endif
