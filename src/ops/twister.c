/* SPDX-License-Identifier: Apache-2.0
 *
 * twister.c - the 64-bit Mersenne Twister (Matsumoto and Nishimura), and shuffling as libstdc++ does: two places from
 * each number drawn.
 */
#include "twister.h"

enum { MIDDLE = 156 };

void tn_twister_seed(tn_twister *t, uint64_t seed)
{
    t->word[0] = seed;
    for (uint64_t i = 1; i < TN_TWISTER_WORDS; i++) {
        const uint64_t before = t->word[i - 1];
        t->word[i] = 6364136223846793005u * (before ^ before >> 62) + i;
    }
    t->next = TN_TWISTER_WORDS;
}

static void twist(tn_twister *t)
{
    const uint64_t low = ((uint64_t)1 << 31) - 1;
    for (int i = 0; i < TN_TWISTER_WORDS; i++) {
        const uint64_t x = (t->word[i] & ~low) | (t->word[(i + 1) % TN_TWISTER_WORDS] & low);
        t->word[i] = t->word[(i + MIDDLE) % TN_TWISTER_WORDS] ^ x >> 1 ^ (x & 1 ? 0xb5026f5aa96619e9u : 0);
    }
    t->next = 0;
}

uint64_t tn_twister_word(tn_twister *t)
{
    if (t->next == TN_TWISTER_WORDS) twist(t);
    uint64_t x = t->word[t->next++];
    x ^= x >> 29 & 0x5555555555555555u;
    x ^= x << 17 & 0x71d67fffeda60000u;
    x ^= x << 37 & 0xfff7eee000000000u;
    return x ^ x >> 43;
}

/* Below n, each with the same chance: numbers of the last, incomplete part of the range are drawn anew. */
static uint64_t below(tn_twister *t, uint64_t n)
{
    const uint64_t each = UINT64_MAX / n, all = n * each;
    uint64_t x;
    do
        x = tn_twister_word(t);
    while (x >= all);
    return x / each;
}

static void swap(size_t *order, size_t a, size_t b)
{
    const size_t v = order[a];
    order[a] = order[b];
    order[b] = v;
}

void tn_twister_shuffle(tn_twister *t, size_t *order, size_t n)
{
    size_t i = 1;
    if (n > 1 && n % 2 == 0) {
        swap(order, 1, below(t, 2));
        i = 2;
    }
    for (; i + 1 < n; i += 2) {
        const uint64_t both = below(t, (i + 1) * (i + 2));
        swap(order, i, both / (i + 2));
        swap(order, i + 1, both % (i + 2));
    }
}
