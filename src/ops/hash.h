/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.h - the hashes by which TensorFlow's operators number strings; op_hash.c has them.
 */
#ifndef TN_OPS_HASH_H
#define TN_OPS_HASH_H

#include "../base/base.h"

uint64_t tn_fingerprint(tn_view s);                      /* FarmHash's of 64 bits */
void tn_fingerprint_128(tn_view s, uint64_t out[2]);      /* of 128: low, high */
uint64_t tn_fingerprint_join(uint64_t a, uint64_t b);    /* of two, in this order */
uint64_t tn_old_hash(tn_view s);                         /* Murmur's, as of early TensorFlow */
uint64_t tn_seeded_hash(tn_view s, uint64_t seed);       /* the same from another beginning */
uint64_t tn_keyed_hash(tn_view s, const int64_t key[2]); /* SipHash-2-4 */

#endif
