/* SPDX-License-Identifier: Apache-2.0
 *
 * random_draw.h - numbers drawn one after another from a Philox generator, in TensorFlow's order:
 * distributions that reject, samplers. Where the generator begins is the caller's business.
 */
#ifndef TN_RANDOM_DRAW_H
#define TN_RANDOM_DRAW_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* A group's numbers are used from the last to the first: uniform and normal numbers have groups of their own.
 */
typedef struct tn_draws {
    tn_philox p;
    double uniform[2], normal[2];
    int n_uniform, n_normal;
} tn_draws;
/* Output number `at` of an operator whose generator begins at p. */
tn_draws tn_draws_at(const tn_philox *p, int64_t at);
double tn_draw_gamma(tn_draws *d, double alpha);
/* At most `most`. A rate that is not a number gives NaN. */
double tn_draw_poisson(tn_draws *d, double rate, double most);
/* Result number `at` of an operator whose generator begins at p. */
double tn_draw_binomial(const tn_philox *p, int64_t at, double count, double chance);

/* Words one by one. */
typedef struct tn_words {
    tn_philox p;
    uint32_t group[4];
    int used;
} tn_words;
tn_words tn_words_of(const tn_philox *p);
uint32_t tn_word(tn_words *w);
double tn_word_double(tn_words *w);                /* of two words */
uint64_t tn_word_below(tn_words *w, uint64_t n);   /* of as many pairs of words as it takes; n > 0 */
uint32_t tn_word_below32(tn_words *w, uint32_t n); /* of words */

#endif
