/* SPDX-License-Identifier: Apache-2.0
 *
 * run.h - steps of `turnery run` (run_steps.c): the same part of a graph run again and again.
 */
#ifndef TN_CMD_RUN_H
#define TN_CMD_RUN_H

#include "cmd.h"

enum { RUN_MOST = 256 };

typedef struct steps {
    tn_session *session;
    const tn_feed *feeds, *data; /* the same in each step; with an example in each row */
    int n_feeds, n_data;         /* together at most RUN_MOST */
    const char *const *fetches, *const *targets;
    int n_fetches, n_targets;
    int64_t n, batch_size, shuffle; /* shuffle: the seed; 0: rows in their order */
    tn_runners *runners;            /* that give the graph its input */
} steps;

/* Fetched values, stacked. With rows of data, with queue runners, or without targets: one of each step, from the same
 * run. Else n + 1: before the first step, and after each, with a run of its own. done: steps; fewer than n when the
 * graph's own input has ended. */
tn_code run_steps(const steps *s, tn_tensor **stacks, int64_t *done, tn_error *err);

#endif
