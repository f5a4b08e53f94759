/* SPDX-License-Identifier: Apache-2.0
 *
 * random_words.h - a Philox stream word by word, as TensorFlow's kernels that draw one number at a time read it.
 */
#ifndef TN_RANDOM_WORDS_H
#define TN_RANDOM_WORDS_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

typedef struct tn_words {
    tn_philox p;
    uint32_t group[4];
    int used; /* 4: the group is used up */
} tn_words;

static inline uint32_t tn_word(tn_words *w)
{
    if (w->used == 4) {
        tn_philox_next(&w->p, w->group);
        w->used = 0;
    }
    return w->group[w->used++];
}

/* The operation's own generator moved on by that many groups. */
static inline tn_code tn_words_of(tn_run *r, uint64_t groups, tn_words *w, tn_error *err)
{
    tn_philox_state state;
    TN_TRY(tn_run_random(r, groups, &state, err));
    *w = (tn_words){.used = 4};
    memcpy(w->p.counter, state.counter, sizeof state.counter);
    memcpy(w->p.key, state.key, sizeof state.key);
    return TN_OK;
}

/* Below n, every number as likely: what would favour the small ones is drawn again. */
static inline uint32_t tn_word_below(tn_words *w, uint32_t n)
{
    if ((n & (n - 1)) == 0) return tn_word(w) & (n - 1);
    const uint32_t rest = UINT32_MAX % n + 1;
    uint32_t v;
    do v = tn_word(w);
    while (v < rest);
    return v % n;
}

/* In [0, 1): the 23 low bits, or 20 of the first word and all of the second. */
static inline float tn_word_float(tn_words *w)
{
    union { uint32_t u; float f; } v = {(tn_word(w) & 0x7fffff) | 0x3f800000};
    return v.f - 1.0f;
}

static inline double tn_word_double(tn_words *w)
{
    const uint32_t low = tn_word(w), high = tn_word(w);
    union { uint64_t u; double d; } v = {(uint64_t)(low & 0xfffff) << 32 | high | 0x3ff0000000000000};
    return v.d - 1.0;
}

/* Where number index of [0, max_index] stands when they are shuffled (op_index_shuffle.c). */
uint64_t tn_index_shuffle(uint64_t index, const uint32_t seed[3], uint64_t max_index, int rounds);

#endif
