/* SPDX-License-Identifier: Apache-2.0
 *
 * random_source.h - where an operator's random numbers begin: at its own generator (attributes seed, seed2),
 * at seeds, at a key and a counter, or at a variable that holds a generator's state. Of op_random_state.c.
 */
#ifndef TN_RANDOM_SOURCE_H
#define TN_RANDOM_SOURCE_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

/* Found by the names of the operator's inputs. count: results, for each of which 256 groups are set aside
 * where the generator goes on afterwards. */
tn_code tn_random_source(tn_run *r, int64_t count, tn_philox *out, tn_error *err);

#endif
