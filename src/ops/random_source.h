/* SPDX-License-Identifier: Apache-2.0
 *
 * random_source.h - where an operator's random numbers begin: at its own generator (attributes seed, seed2),
 * at seeds, at a key and a counter, or at a variable that holds a generator's state (op_random_state.c); and what
 * operators run whose output is numbers from there (op_random.c).
 */
#ifndef TN_RANDOM_SOURCE_H
#define TN_RANDOM_SOURCE_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* Algorithms by TensorFlow's numbers. */
enum { TN_PHILOX = 1, TN_PHILOX_OR_ANY = 3 };

/* The number of the input of that name; -1: there is none. */
int tn_input_named(const tn_run *r, const char *name);
/* Found by the names of the operator's inputs. count: results, for each of which 256 groups are set aside
 * where the generator goes on afterwards. */
tn_code tn_random_source(tn_run *r, int64_t count, tn_philox *out, tn_error *err);

/* Output 0 is filled: from [0, 1), normally, normally within two deviations, with all bits, from [minval, maxval). */
tn_code tn_random_uniform_run(tn_run *r, tn_error *err);
tn_code tn_random_normal_run(tn_run *r, tn_error *err);
tn_code tn_random_truncated_run(tn_run *r, tn_error *err);
tn_code tn_random_bits_run(tn_run *r, tn_error *err);
tn_code tn_random_ints_run(tn_run *r, tn_error *err);

#endif
