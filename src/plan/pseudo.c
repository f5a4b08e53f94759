/* SPDX-License-Identifier: Apache-2.0
 *
 * pseudo.c - the plan's own operators: what stands for feeds, arguments, constants, handles, reads of
 * reference variables and explicit copies. None of them is in the registry; none can be written in a graph.
 */
#include "plan.h"

tn_code tn_infer_kept(tn_infer *c, tn_error *err)
{
    (void)c, (void)err;
    return TN_OK; /* known since lowering */
}

const tn_op tn_pseudo_feed = {.name = "_Feed", .infer = tn_infer_kept};
const tn_op tn_pseudo_arg = {.name = "_Argument", .infer = tn_infer_kept};
const tn_op tn_pseudo_constant = {.name = "_Constant", .infer = tn_infer_kept};
const tn_op tn_pseudo_handle = {.name = "_Handle", .infer = tn_infer_kept};
const tn_op tn_pseudo_read_ref = {.name = "_ReadRef", .infer = tn_infer_kept, .flags = TN_STATEFUL, .reads = TN_BIT(0)};
/* A value of a branch that was not taken. */
static tn_code no_value(tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' has no value: its branch is not taken", r->name);
}

const tn_op tn_pseudo_dead = {
    .name = "_Dead", .infer = tn_infer_none, .run = no_value, .flags = TN_STATEFUL, .dynamic = TN_BIT(0)};
const tn_op tn_pseudo_copy = {.name = "_Copy", .infer = tn_infer_like_first};
