/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_dense.c - dense layers, embeddings, and the penalties that layers collect.
 */
#include "nn.h"

/* ==== penalties ==== */

static tn_node penalty(tn_builder *b, tn_node w, double l1, double l2)
{
    tn_node sum = TN_NONE;
    if (l1 > 0) sum = tn_scale(b, tn_reduce_sum(b, tn_abs(b, w), NULL, 0, false), l1);
    if (l2 > 0) {
        tn_node squares = tn_scale(b, tn_reduce_sum(b, tn_square(b, w), NULL, 0, false), l2 / 2);
        sum = sum.op ? tn_add(b, sum, squares) : squares;
    }
    return sum;
}

void tn_regularize(tn_builder *b, tn_node variable, double l1, double l2)
{
    tn_error err;
    if (!tn_builder_ok(b) || !variable.op || !(l1 > 0 || l2 > 0)) return;
    tn_operation *handle = tn_variable_of(b, variable);
    const char *scope = handle ? tn_arena_printf(tn_builder_arena(b), "%s/Regularizer/", handle->name) : NULL;
    const char *name = scope ? tn_arena_printf(tn_builder_arena(b), "%spenalty", scope) : NULL;
    if (!name || tn_graph_operation(tn_builder_graph(b), name)) return;
    tn_name_scope(b, scope);
    tn_named(b, "penalty", penalty(b, variable, l1, l2));
    tn_name_scope_end(b);
    if (!tn_builder_ok(b)) return;
    const char *value = tn_arena_printf(tn_builder_arena(b), "%s:0", name);
    if (value && tn_collection_add(tn_builder_graph(b), TN_REGULARIZATION_LOSSES, value, &err))
        tn_builder_fail_with(b, &err);
}

tn_node tn_regularization_loss(tn_builder *b)
{
    tn_node sum = TN_NONE, one;
    tn_error err;
    tn_graph *g = tn_builder_graph(b);
    for (int i = 0; tn_builder_ok(b) && i < tn_collection_count(g, TN_REGULARIZATION_LOSSES); i++) {
        if (tn_graph_value(g, tn_collection_at(g, TN_REGULARIZATION_LOSSES, i), &one, &err))
            tn_builder_fail_with(b, &err);
        else
            sum = sum.op ? tn_add(b, sum, one) : one;
    }
    return sum.op ? sum : tn_scalar(b, TN_FLOAT, 0);
}

tn_node tn_layer_done(tn_builder *b, tn_node out)
{
    tn_error err;
    if (!tn_builder_ok(b) || !out.op) return TN_NONE;
    if (tn_builder_reuse(b) != TN_REUSE_INHERIT) return out;
    const char *name = tn_arena_printf(tn_builder_arena(b), "%s:%d", out.op->name, out.index);
    if (name && tn_collection_add(tn_builder_graph(b), TN_LAYERS, name, &err)) tn_builder_fail_with(b, &err);
    return out;
}

/* ==== dense ==== */

/* The shape of x with another last dimension, as a value: known, or taken from x when running. */
static tn_node output_shape(tn_builder *b, tn_node x, int64_t units)
{
    tn_shape s = tn_node_shape(x);
    int unknown = 0;
    for (int i = 0; i < s.rank - 1; i++) unknown += s.dim[i] < 0;
    s.dim[s.rank - 1] = units;
    if (unknown <= 1) return tn_ints(b, s.dim, s.rank);
    tn_node zero = tn_ints(b, (int64_t[]){0}, 1), end = tn_ints(b, (int64_t[]){s.rank - 1}, 1),
            one = tn_ints(b, (int64_t[]){1}, 1);
    tn_node front = tn_op(b, "StridedSlice", TN_INPUTS(tn_shape_of(b, x), zero, end, one), TN_NO_ATTRS);
    return tn_join(b, (tn_node[]){front, tn_ints(b, &units, 1)}, 2, 0);
}

static tn_node bias_add(tn_builder *b, tn_node x, int64_t units, tn_initializer how)
{
    if (how.kind == TN_INIT_DEFAULT) how.kind = TN_INIT_ZEROS;
    tn_node bias = tn_get_variable(b, "bias", tn_dtype_base(tn_node_dtype(x)), TN_SHAPE(units), how, 0);
    return tn_binary(b, "BiasAdd", x, bias);
}

tn_node tn_dense_with(tn_builder *b, const char *name, tn_node x, const tn_dense_options *o)
{
    int64_t in = tn_last_dim(b, name, x);
    if (in && o->units < 1) tn_failf(b, TN_INVALID_ARGUMENT, "%.100s: %lld units", name, (long long)o->units);
    if (!tn_builder_ok(b) || !in) return TN_NONE;
    tn_variable_scope(b, name, TN_REUSE_INHERIT);
    int rank = tn_node_shape(x).rank;
    tn_node w =
        tn_get_variable(b, "kernel", tn_dtype_base(tn_node_dtype(x)), TN_SHAPE(in, o->units), o->kernel, 0);
    tn_regularize(b, w, o->l1, o->l2);
    tn_node y = rank == 2 ? x : tn_reshape(b, x, TN_SHAPE(-1, in));
    y = tn_matmul(b, y, w);
    if (rank != 2) y = tn_binary(b, "Reshape", y, output_shape(b, x, o->units));
    if (!o->no_bias && y.op) y = bias_add(b, y, o->units, o->bias);
    y = tn_activate(b, y, o->activation);
    tn_variable_scope_end(b);
    return tn_layer_done(b, y);
}

tn_node tn_dense(tn_builder *b, const char *name, tn_node x, int64_t units, tn_activation a)
{
    return tn_dense_with(b, name, x, &(tn_dense_options){.units = units, .activation = a});
}

/* ==== embeddings ==== */

tn_node tn_embedding(tn_builder *b, const char *name, tn_node ids, int64_t vocabulary, int64_t size)
{
    if (tn_builder_ok(b) && (vocabulary < 1 || size < 1))
        tn_failf(b, TN_INVALID_ARGUMENT, "%.100s: a table of %lld by %lld", name, (long long)vocabulary,
                 (long long)size);
    if (!tn_builder_ok(b)) return TN_NONE;
    tn_variable_scope(b, name, TN_REUSE_INHERIT);
    tn_initializer how = {.kind = TN_INIT_UNIFORM, .a = -0.05, .b = 0.05};
    tn_node table = tn_get_variable(b, "embeddings", TN_FLOAT, TN_SHAPE(vocabulary, size), how, 0);
    tn_dtype t = ids.op ? tn_dtype_base(tn_node_dtype(ids)) : TN_INT32;
    if (t != TN_INT32 && t != TN_INT64) ids = tn_cast_to(b, ids, TN_INT32);
    tn_node y = tn_op_named(b, "GatherV2", "embedding_lookup",
                            TN_INPUTS(table, ids, tn_scalar(b, TN_INT32, 0)), TN_NO_ATTRS);
    tn_variable_scope_end(b);
    return tn_layer_done(b, y);
}
