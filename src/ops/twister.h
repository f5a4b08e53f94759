/* SPDX-License-Identifier: Apache-2.0
 *
 * twister.h - random numbers and shuffling as the C++ library has them, where TensorFlow's order is std::shuffle's: by
 * the 64-bit Mersenne Twister.
 */
#ifndef TN_OPS_TWISTER_H
#define TN_OPS_TWISTER_H

#include "../base/base.h"

enum { TN_TWISTER_WORDS = 312 };
typedef struct tn_twister {
    uint64_t word[TN_TWISTER_WORDS];
    int next;
} tn_twister;
void tn_twister_seed(tn_twister *t, uint64_t seed);
uint64_t tn_twister_word(tn_twister *t);
/* order: n numbers, which change places. */
void tn_twister_shuffle(tn_twister *t, size_t *order, size_t n);

#endif
