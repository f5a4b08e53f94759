/* SPDX-License-Identifier: Apache-2.0
 *
 * metric.c - metrics and summaries: each metric is two sums of a batch, added up over a data set by the loop.
 *
 * Invariant: a metric's sums are scalars of float, so that a smaller last batch weighs what it should.
 */
#include "nn.h"

static tn_node total(tn_builder *b, tn_node x)
{
    return tn_reduce_sum(b, tn_cast_to(b, x, TN_FLOAT), NULL, 0, false);
}

static tn_node size_of(tn_builder *b, tn_node x)
{
    return tn_cast_to(b, tn_unary(b, "Size", x), TN_FLOAT);
}

void tn_metric(tn_outputs *out, const char *name, tn_node sum, tn_node count, bool root)
{
    tn_builder *b = out->builder;
    if (tn_builder_ok(b) && (!sum.op || !count.op))
        tn_failf(b, TN_INVALID_ARGUMENT, "metric '%.100s' has no value", name);
    tn_values_add(out, &(struct tn_value){
                           .name = name, .kind = TN_VALUE_METRIC, .node = sum, .count = count, .root = root});
}

void tn_metric_mean(tn_outputs *out, const char *name, tn_node values)
{
    tn_metric(out, name, total(out->builder, values), size_of(out->builder, values), false);
}

/* Both as int64 of one shape: [n,1] labels lose their last dimension. */
static tn_node flat_ids(tn_builder *b, tn_node x)
{
    return tn_reshape(b, tn_cast_to(b, x, TN_INT64), TN_SHAPE(-1));
}

void tn_metric_accuracy(tn_outputs *out, const char *name, tn_node labels, tn_node classes)
{
    tn_builder *b = out->builder;
    tn_name_scope(b, name);
    tn_metric_mean(out, name, tn_binary(b, "Equal", flat_ids(b, labels), flat_ids(b, classes)));
    tn_name_scope_end(b);
}

void tn_metric_top_k(tn_outputs *out, const char *name, tn_node labels, tn_node logits, int k)
{
    tn_builder *b = out->builder;
    tn_name_scope(b, name);
    tn_metric_mean(
        out, name,
        tn_op(b, "InTopKV2", TN_INPUTS(logits, flat_ids(b, labels), tn_scalar(b, TN_INT64, k)), TN_NO_ATTRS));
    tn_name_scope_end(b);
}

static void difference(tn_outputs *out, const char *name, const char *type, tn_node labels,
                       tn_node predictions, bool root)
{
    tn_builder *b = out->builder;
    tn_name_scope(b, name);
    labels = tn_matched(b, name, labels, predictions);
    tn_node d = type ? tn_binary(b, type, predictions, labels) : tn_abs(b, tn_sub(b, predictions, labels));
    tn_metric(out, name, total(b, d), size_of(b, d), root);
    tn_name_scope_end(b);
}

void tn_metric_mse(tn_outputs *out, const char *name, tn_node labels, tn_node predictions)
{
    difference(out, name, "SquaredDifference", labels, predictions, false);
}

void tn_metric_rmse(tn_outputs *out, const char *name, tn_node labels, tn_node predictions)
{
    difference(out, name, "SquaredDifference", labels, predictions, true);
}

void tn_metric_mae(tn_outputs *out, const char *name, tn_node labels, tn_node predictions)
{
    difference(out, name, NULL, labels, predictions, false);
}

static tn_node truth(tn_builder *b, tn_node x)
{
    return x.op && tn_dtype_base(tn_node_dtype(x)) != TN_BOOL ? tn_binary(b, "NotEqual", x, tn_like(b, x, 0))
                                                              : x;
}

/* Of those that are `of`, the share that both are. */
static void share(tn_outputs *out, const char *name, tn_node labels, tn_node predictions, bool of_labels)
{
    tn_builder *b = out->builder;
    tn_name_scope(b, name);
    labels = truth(b, tn_matched(b, name, labels, predictions));
    predictions = truth(b, predictions);
    tn_node both = tn_binary(b, "LogicalAnd", labels, predictions);
    tn_metric(out, name, total(b, both), total(b, of_labels ? labels : predictions), false);
    tn_name_scope_end(b);
}

void tn_metric_precision(tn_outputs *out, const char *name, tn_node labels, tn_node predictions)
{
    share(out, name, labels, predictions, false);
}

void tn_metric_recall(tn_outputs *out, const char *name, tn_node labels, tn_node predictions)
{
    share(out, name, labels, predictions, true);
}

/* ==== summaries ==== */

void tn_summary_scalar(tn_outputs *out, const char *name, tn_node value)
{
    tn_values_add(out, &(struct tn_value){.name = name, .kind = TN_VALUE_SCALAR, .node = value});
}

void tn_summary_histogram(tn_outputs *out, const char *name, tn_node value)
{
    tn_values_add(out, &(struct tn_value){.name = name, .kind = TN_VALUE_HISTOGRAM, .node = value});
}

void tn_summary_image(tn_outputs *out, const char *name, tn_node images, int most)
{
    tn_values_add(out,
                  &(struct tn_value){.name = name, .kind = TN_VALUE_IMAGE, .node = images, .most = most});
}
