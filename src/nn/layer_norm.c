/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm.c - layers that keep numbers in bounds: dropout, layer and batch normalization.
 */
#include "nn.h"

#include "../plan/composite.h"

/* TensorFlow's: scaled up by 1 / (1 - rate), kept where a uniform number is at least rate. */
tn_node tn_dropout(tn_builder *b, tn_mode mode, tn_node x, double rate)
{
    if (!tn_builder_ok(b) || !x.op || mode != TN_TRAINING || rate == 0) return x;
    if (!(rate > 0 && rate < 1)) {
        tn_failf(b, TN_INVALID_ARGUMENT, "dropout: a rate of %g; it must be at least 0 and below 1", rate);
        return TN_NONE;
    }
    tn_name_scope(b, "dropout");
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    tn_node scaled = tn_scale(b, x, 1 / (1 - rate));
    tn_node u = tn_op_named(b, "RandomUniform", "random_uniform/RandomUniform", TN_INPUTS(tn_shape_of(b, x)),
                            TN_ATTRS(tn_attr_type("dtype", t)));
    tn_node kept = tn_binary(b, "GreaterEqual", u, tn_scalar(b, t, rate));
    tn_node y = tn_mul(b, scaled, tn_cast_to(b, kept, t));
    tn_name_scope_end(b);
    return y;
}

/* Each example by itself, over the last axis: a call of a function whose body is plain operators, which is one
 * fused step when it runs here. */
tn_node tn_layer_norm(tn_builder *b, const char *name, tn_node x, double epsilon)
{
    const tn_initializer ones = {.kind = TN_INIT_ONES}, zeros = {.kind = TN_INIT_ZEROS};
    int64_t channels = tn_last_dim(b, name, x);
    if (!tn_builder_ok(b) || !channels) return TN_NONE;
    if (tn_dtype_base(tn_node_dtype(x)) != TN_FLOAT) {
        tn_failf(b, TN_INVALID_ARGUMENT, "%.100s: its input must be float, not %s", name,
                 tn_dtype_name(tn_node_dtype(x)));
        return TN_NONE;
    }
    tn_variable_scope(b, name, TN_REUSE_INHERIT);
    tn_node in[3] = {x, tn_get_variable(b, "gamma", TN_FLOAT, TN_SHAPE(channels), ones, 0),
                     tn_get_variable(b, "beta", TN_FLOAT, TN_SHAPE(channels), zeros, 0)};
    tn_operation *op = tn_composite_call(b, "LayerNorm", "LayerNorm", in, 3, (float)(epsilon ? epsilon : 1e-3));
    tn_variable_scope_end(b);
    return tn_layer_done(b, tn_output_of(op, 0));
}

typedef struct statistics {
    tn_node gamma, beta, mean, variance;
} statistics;

static statistics variables(tn_builder *b, int64_t channels)
{
    const tn_initializer ones = {.kind = TN_INIT_ONES}, zeros = {.kind = TN_INIT_ZEROS};
    statistics s;
    s.gamma = tn_get_variable(b, "gamma", TN_FLOAT, TN_SHAPE(channels), ones, 0);
    s.beta = tn_get_variable(b, "beta", TN_FLOAT, TN_SHAPE(channels), zeros, 0);
    s.mean = tn_get_variable(b, "moving_mean", TN_FLOAT, TN_SHAPE(channels), zeros, TN_VAR_NOT_TRAINABLE);
    s.variance =
        tn_get_variable(b, "moving_variance", TN_FLOAT, TN_SHAPE(channels), ones, TN_VAR_NOT_TRAINABLE);
    return s;
}

/* average -= (average - value) * (1 - momentum), collected */
static void update(tn_builder *b, tn_node average, tn_node value, double momentum)
{
    tn_error err;
    tn_operation *handle = tn_variable_of(b, average);
    tn_name_scope(b, "AssignMovingAvg");
    tn_node delta = tn_scale(b, tn_sub(b, average, value), 1 - momentum);
    tn_operation *op = tn_add_operation(b, "AssignSubVariableOp", NULL,
                                        TN_INPUTS(tn_output_of(handle, 0), delta), TN_NO_ATTRS);
    tn_name_scope_end(b);
    if (op && tn_collection_add(tn_builder_graph(b), TN_UPDATE_OPS, op->name, &err))
        tn_builder_fail_with(b, &err);
}

static tn_node normalize(tn_builder *b, tn_node x, const statistics *s, bool training, double momentum,
                         double epsilon)
{
    tn_node mean = s->mean, variance = s->variance;
    if (training) {
        tn_tensor *empty;
        tn_error err;
        if (tn_tensor_new(TN_FLOAT, &TN_SHAPE(0), &empty, &err)) {
            tn_builder_fail_with(b, &err);
            return TN_NONE;
        }
        mean = variance = tn_constant(b, "Const", empty);
        tn_tensor_unref(empty);
    }
    tn_operation *op = tn_add_operation(
        b, "FusedBatchNormV3", NULL, TN_INPUTS(x, s->gamma, s->beta, mean, variance),
        TN_ATTRS(tn_attr_float("epsilon", (float)epsilon), tn_attr_bool("is_training", training)));
    if (training && op) {
        update(b, s->mean, tn_output_of(op, 1), momentum);
        update(b, s->variance, tn_output_of(op, 2), momentum);
    }
    return tn_output_of(op, 0);
}

tn_node tn_batch_normalization(tn_builder *b, const char *name, tn_mode mode, tn_node x, double momentum,
                               double epsilon)
{
    int64_t channels = tn_last_dim(b, name, x);
    if (!tn_builder_ok(b) || !channels) return TN_NONE;
    int rank = tn_node_shape(x).rank;
    if (rank != 2 && rank != 4) {
        tn_failf(b, TN_INVALID_ARGUMENT, "%.100s: its input must be of rank 2 or 4, not %d", name, rank);
        return TN_NONE;
    }
    tn_variable_scope(b, name, TN_REUSE_INHERIT);
    statistics s = variables(b, channels);
    tn_node y = rank == 4 ? x : tn_reshape(b, x, TN_SHAPE(-1, 1, 1, channels));
    y = normalize(b, y, &s, mode == TN_TRAINING, momentum ? momentum : 0.99, epsilon ? epsilon : 1e-3);
    if (rank == 2) y = tn_reshape(b, y, TN_SHAPE(-1, channels));
    tn_variable_scope_end(b);
    return tn_layer_done(b, y);
}
