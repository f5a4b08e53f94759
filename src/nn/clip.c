/* SPDX-License-Identifier: Apache-2.0
 *
 * clip.c - clipping by value, by norm, by the global norm, in TensorFlow's formulas.
 */
#include "nn.h"

tn_node tn_clip_by_value(tn_builder *b, tn_node x, double lo, double hi)
{
    if (tn_builder_ok(b) && lo > hi) tn_failf(b, TN_INVALID_ARGUMENT, "clip by value: from %g to %g", lo, hi);
    tn_name_scope(b, "clip_by_value");
    tn_node r = tn_binary(b, "Maximum", tn_binary(b, "Minimum", x, tn_like(b, x, hi)), tn_like(b, x, lo));
    tn_name_scope_end(b);
    return r;
}

/* x * norm / max(|x|, norm) */
tn_node tn_clip_by_norm(tn_builder *b, tn_node x, double norm)
{
    tn_name_scope(b, "clip_by_norm");
    tn_node squares = tn_reduce_sum(b, tn_square(b, x), NULL, 0, false), zero = tn_like(b, squares, 0);
    tn_node some = tn_binary(b, "Greater", squares, zero);
    tn_node safe =
        tn_op(b, "SelectV2", TN_INPUTS(some, squares, tn_unary(b, "OnesLike", squares)), TN_NO_ATTRS);
    tn_node length = tn_op(b, "SelectV2", TN_INPUTS(some, tn_sqrt(b, safe), squares), TN_NO_ATTRS);
    tn_node limit = tn_binary(b, "Maximum", length, tn_like(b, x, norm));
    tn_node r = tn_div(b, tn_scale(b, x, norm), limit);
    tn_name_scope_end(b);
    return r;
}

/* sqrt(2 * sum of half the squares), as TensorFlow's L2Loss makes it */
tn_node tn_global_norm(tn_builder *b, const tn_node *x, int n)
{
    tn_node sum = TN_NONE;
    tn_name_scope(b, "global_norm");
    for (int i = 0; i < n; i++) {
        if (!x[i].op) continue;
        tn_node half = tn_unary(b, "L2Loss", x[i]);
        sum = sum.op ? tn_add(b, sum, half) : half;
    }
    tn_node r = sum.op ? tn_sqrt(b, tn_scale(b, sum, 2)) : tn_scalar(b, TN_FLOAT, 0);
    tn_name_scope_end(b);
    return r;
}

/* x * norm * min(1 / global, 1 / norm): a norm that is not finite makes everything NaN, which is noticed. */
void tn_clip_by_global_norm(tn_builder *b, tn_node *x, int n, double norm)
{
    if (tn_builder_ok(b) && !(norm > 0))
        tn_failf(b, TN_INVALID_ARGUMENT, "clip by global norm: a norm of %g", norm);
    tn_node global = tn_global_norm(b, x, n);
    tn_name_scope(b, "clip_by_global_norm");
    tn_node one = tn_like(b, global, 1);
    tn_node smaller = tn_binary(b, "Minimum", tn_div(b, one, global), tn_like(b, global, 1 / norm));
    tn_node scale = tn_scale(b, smaller, norm);
    tn_node finite = tn_unary(b, "IsFinite", global);
    tn_node nan = tn_div(b, tn_like(b, global, 0), tn_like(b, global, 0));
    scale = tn_op(b, "SelectV2", TN_INPUTS(finite, scale, nan), TN_NO_ATTRS);
    for (int i = 0; i < n; i++)
        if (x[i].op) x[i] = tn_mul(b, x[i], scale);
    tn_name_scope_end(b);
}
