/* SPDX-License-Identifier: Apache-2.0
 *
 * made.h - bodies made for operators that the plan knows by simpler ones: For and MapDefun as loops, SymbolicGradient
 * as the gradients of its function.
 */
#ifndef TN_PLAN_MADE_H
#define TN_PLAN_MADE_H

#include "../graph/graph.h"

bool tn_is_made(const tn_operation *op);
/* A function of what op is given that gives what op does; its own body's graph is freed by the caller, what else it
 * holds is in the arena. number: another one for each body of a plan. */
tn_code tn_make_body(const tn_operation *op, const tn_graph *library, size_t number, tn_arena *a, tn_function *out,
                     tn_error *err);

#endif
