/* SPDX-License-Identifier: Apache-2.0
 *
 * runner.h - one thing at a time done by another thread, which is left behind when it takes too long.
 */
#ifndef TN_SERVE_RUNNER_H
#define TN_SERVE_RUNNER_H

#include "../base/base.h"

#include <stdatomic.h>

typedef struct tn_runner tn_runner;
tn_code tn_runner_new(tn_runner **out, tn_error *err);
/* Has job(payload) done, and waits for it: at most so many seconds, and no longer when *stop is set. false: it still
 * goes on, and the runner is no longer the caller's: its thread ends when the job does, whenever that may be. */
bool tn_runner_do(tn_runner *r, void (*job)(void *payload), void *payload, double seconds, const atomic_int *stop);
void tn_runner_free(tn_runner *r); /* not while it does something; NULL: nothing */

#endif
