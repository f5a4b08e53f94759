/* SPDX-License-Identifier: Apache-2.0
 *
 * unicode.h - what characters are: general categories, scripts, and letter cases that depend on neighbours or become
 * several characters.
 */
#ifndef TN_OPS_UNICODE_H
#define TN_OPS_UNICODE_H

#include "../base/base.h"

typedef struct tn_unicode_class { /* characters whose code in a table of runs lies in [low, high] */
    const uint32_t *runs;
    int n, low, high;
} tn_unicode_class;
/* A category ("Lu"), a group of them ("L") or a script ("Greek"), by RE2's names. false: there is none. */
bool tn_unicode_find(tn_view name, tn_unicode_class *out);
/* The i-th run of characters of the class, from *at on, which moves on; false: there are no more. */
bool tn_unicode_next(const tn_unicode_class *c, int *at, uint32_t *first, uint32_t *last);

int tn_unicode_script(int32_t c); /* ICU's number; -1: no character */
/* Upper case of several characters, which are put into out; 0: it is not of several. */
int tn_unicode_upper(uint32_t c, uint32_t out[3]);
/* Is the sigma (U+03A3) at text[at] at a word's end? */
bool tn_unicode_final_sigma(tn_view text, size_t at);

#endif
