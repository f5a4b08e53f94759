/* SPDX-License-Identifier: Apache-2.0
 *
 * loss.c - losses, as TensorFlow's tf.losses: element-wise values, then one scalar.
 */
#include "nn.h"

static tn_node all_of(tn_builder *b, tn_node x)
{
    return tn_reduce_sum(b, x, NULL, 0, false);
}

/* The sum of weighted losses by the number of weights that are not zero; 0 when none is. */
static tn_node weighted(tn_builder *b, tn_node losses, tn_node weights)
{
    weights = tn_cast_to(b, weights, tn_dtype_base(tn_node_dtype(losses)));
    tn_node each = tn_mul(b, weights, tn_unary(b, "OnesLike", losses));
    tn_node present = tn_cast_to(b, tn_binary(b, "NotEqual", each, tn_like(b, losses, 0)),
                                 tn_dtype_base(tn_node_dtype(losses)));
    return tn_binary(b, "DivNoNan", all_of(b, tn_mul(b, losses, weights)), all_of(b, present));
}

tn_node tn_reduce_loss(tn_builder *b, tn_node losses, tn_node weights)
{
    tn_error err;
    if (!tn_builder_ok(b) || !losses.op) return TN_NONE;
    tn_node loss = weights.op ? weighted(b, losses, weights) : tn_reduce_mean(b, losses, NULL, 0, false);
    if (!loss.op) return TN_NONE;
    const char *name = tn_arena_printf(tn_builder_arena(b), "%s:%d", loss.op->name, loss.index);
    if (name && tn_collection_add(tn_builder_graph(b), TN_LOSSES, name, &err)) tn_builder_fail_with(b, &err);
    return loss;
}

tn_node tn_matched(tn_builder *b, const char *what, tn_node labels, tn_node predictions)
{
    char l[160], p[160];
    if (!tn_builder_ok(b) || !labels.op || !predictions.op) {
        if (tn_builder_ok(b))
            tn_failf(b, TN_INVALID_ARGUMENT, "%s: labels or predictions without value", what);
        return TN_NONE;
    }
    tn_shape ls = tn_node_shape(labels), ps = tn_node_shape(predictions);
    if (!tn_shape_compatible(&ls, &ps)) {
        tn_failf(b, TN_INVALID_ARGUMENT, "%s: labels of shape %s, predictions of shape %s", what,
                 tn_shape_text(&ls, l, sizeof l), tn_shape_text(&ps, p, sizeof p));
        return TN_NONE;
    }
    return tn_cast_to(b, labels, tn_dtype_base(tn_node_dtype(predictions)));
}

tn_node tn_mean_squared_error(tn_builder *b, tn_node labels, tn_node predictions, tn_node weights)
{
    tn_name_scope(b, "mean_squared_error");
    labels = tn_matched(b, "mean squared error", labels, predictions);
    tn_node r = tn_reduce_loss(b, tn_binary(b, "SquaredDifference", predictions, labels), weights);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_absolute_difference(tn_builder *b, tn_node labels, tn_node predictions, tn_node weights)
{
    tn_name_scope(b, "absolute_difference");
    labels = tn_matched(b, "absolute difference", labels, predictions);
    tn_node r = tn_reduce_loss(b, tn_abs(b, tn_sub(b, predictions, labels)), weights);
    tn_name_scope_end(b);
    return r;
}

/* 0.5 e*e up to delta, then delta * (e - delta / 2) */
tn_node tn_huber_loss(tn_builder *b, tn_node labels, tn_node predictions, double delta, tn_node weights)
{
    tn_name_scope(b, "huber_loss");
    labels = tn_matched(b, "huber loss", labels, predictions);
    tn_node error = tn_abs(b, tn_sub(b, predictions, labels));
    tn_node near = tn_binary(b, "Minimum", error, tn_like(b, error, delta));
    tn_node far = tn_sub(b, error, near);
    tn_node losses = tn_add(b, tn_scale(b, tn_square(b, near), 0.5), tn_scale(b, far, delta));
    tn_node r = tn_reduce_loss(b, losses, weights);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_cosine_distance(tn_builder *b, tn_node labels, tn_node predictions, int axis, tn_node weights)
{
    tn_name_scope(b, "cosine_distance_loss");
    labels = tn_matched(b, "cosine distance", labels, predictions);
    tn_node product = tn_reduce_sum(b, tn_mul(b, predictions, labels), (int64_t[]){axis}, 1, true);
    tn_node r = tn_reduce_loss(b, tn_sub(b, tn_like(b, product, 1), product), weights);
    tn_name_scope_end(b);
    return r;
}

tn_node tn_softmax_cross_entropy(tn_builder *b, tn_node one_hot_labels, tn_node logits, tn_node weights)
{
    tn_name_scope(b, "softmax_cross_entropy_loss");
    tn_node labels = tn_matched(b, "softmax cross entropy", one_hot_labels, logits);
    tn_node r = tn_reduce_loss(b, tn_binary(b, "SoftmaxCrossEntropyWithLogits", logits, labels), weights);
    tn_name_scope_end(b);
    return r;
}

/* Labels as int32 or int64, without a last dimension of 1. */
static tn_node class_labels(tn_builder *b, tn_node labels, tn_node logits)
{
    if (!tn_builder_ok(b) || !labels.op || !logits.op) return labels;
    tn_dtype t = tn_dtype_base(tn_node_dtype(labels));
    if (t != TN_INT32 && t != TN_INT64) labels = tn_cast_to(b, labels, TN_INT32);
    tn_shape ls = tn_node_shape(labels), ps = tn_node_shape(logits);
    bool column = ls.rank > 1 && ls.rank == ps.rank && ls.dim[ls.rank - 1] == 1;
    return column ? tn_op(b, "Squeeze", TN_INPUTS(labels),
                          TN_ATTRS(tn_attr_ints("squeeze_dims", (int64_t[]){-1}, 1)))
                  : labels;
}

tn_node tn_sparse_softmax_cross_entropy(tn_builder *b, tn_node labels, tn_node logits, tn_node weights)
{
    tn_name_scope(b, "sparse_softmax_cross_entropy_loss");
    labels = class_labels(b, labels, logits);
    tn_node r =
        tn_reduce_loss(b, tn_binary(b, "SparseSoftmaxCrossEntropyWithLogits", logits, labels), weights);
    tn_name_scope_end(b);
    return r;
}

/* max(x, 0) - x z + log(1 + exp(-|x|)), in TensorFlow's form */
tn_node tn_sigmoid_cross_entropy(tn_builder *b, tn_node labels, tn_node logits, tn_node weights)
{
    tn_name_scope(b, "sigmoid_cross_entropy_loss");
    tn_node z = tn_matched(b, "sigmoid cross entropy", labels, logits), zero = tn_unary(b, "ZerosLike", logits);
    tn_node positive = tn_binary(b, "GreaterEqual", logits, zero);
    tn_node relu = tn_op(b, "SelectV2", TN_INPUTS(positive, logits, zero), TN_NO_ATTRS);
    tn_node minus_abs = tn_op(b, "SelectV2", TN_INPUTS(positive, tn_neg(b, logits), logits), TN_NO_ATTRS);
    tn_node losses =
        tn_add(b, tn_sub(b, relu, tn_mul(b, logits, z)), tn_unary(b, "Log1p", tn_exp(b, minus_abs)));
    tn_node r = tn_reduce_loss(b, losses, weights);
    tn_name_scope_end(b);
    return r;
}
