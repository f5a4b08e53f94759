/* SPDX-License-Identifier: Apache-2.0
 *
 * callee.h - functions of the graph's library that operators call while they run (those of data sets): each
 * is lowered once for whoever calls it, and bound for each shape of its arguments, as a session's own plans
 * are.
 */
#ifndef TN_PLAN_CALLEE_H
#define TN_PLAN_CALLEE_H

#include "../graph/op.h"

struct tn_session;
typedef struct tn_callees tn_callees;             /* of a session */
bool tn_callees_any(tn_callees *c); /* some function was called */
void tn_callees_rest(tn_callees *c); /* tn_program_rest of their programs */
tn_callees *tn_callees_new(struct tn_session *s); /* NULL: no memory */
void tn_callees_free(tn_callees *c);

enum { TN_CALL_DEPTH = 1000, TN_DATASETS_DEPTH = 200 }; /* of calls; of data sets within data sets */

typedef struct tn_function_call {
    const char *owner; /* on whose behalf: each has random generators of its own in its functions */
    const char *function;
    tn_tensor *const *args;
    int n_args, n_out;
    int depth; /* of calls within calls; TN_CALL_DEPTH at most */
} tn_function_call;
/* out[i]: n_out counted tensors. The run's deadline and cancellation are in force. */
tn_code tn_call_function(const tn_run *r, const tn_function_call *call, tn_tensor **out, tn_error *err);
/* The function of this name, as far as the run may call functions; NULL: none. */
const tn_function *tn_run_function(const tn_run *r, const char *name);
/* How deep the run itself is in such calls. */
int tn_run_depth(const tn_run *r);

#endif
