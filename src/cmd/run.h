/* SPDX-License-Identifier: Apache-2.0
 *
 * run.h - what the files of `turnery run` share: what is given (run_bind.c), and steps, the same part of a graph run
 * again and again (run_steps.c).
 */
#ifndef TN_CMD_RUN_H
#define TN_CMD_RUN_H

#include "inputs.h"

enum { RUN_MOST = 256 };

/* ==== what is given (run_bind.c) ==== */

typedef struct bindings { /* NAME=VALUE, made */
    char *names[RUN_MOST];
    tn_feed feeds[RUN_MOST];
    tn_tensor *tensors[RUN_MOST];
    int n, n_fixed; /* those from n_fixed on have an example in each row */
} bindings;
/* texts: of inputs of the signature, or (s NULL) of values of the graph. data: of those with an example in each row. */
tn_code run_bind(input_values *v, const strings *texts, const strings *data, tn_loaded *m, const tn_loaded_signature *s,
                 bindings *b, tn_error *err);
/* Whether each input of the signature has a value, be it the graph's own. */
tn_code run_all_given(tn_loaded *m, const tn_loaded_signature *s, const bindings *in, tn_error *err);
void run_drop_bindings(bindings *b);
/* The graph's name of a part of a sparse value, by sparse_parts. */
const char *run_part_name(const tn_loaded_value *v, int part);

/* ==== steps (run_steps.c) ==== */

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
