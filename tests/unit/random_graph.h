/* SPDX-License-Identifier: Apache-2.0
 *
 * random_graph.h - graphs by chance: element-wise operators, matrix products, reductions, reshapes, joins and
 * slices on fed values, with values in the middle whose number of rows only running finds (Unique, Where).
 *
 * The generator keeps each value's true shape (for the feeds it will be run with), so that every graph is valid
 * though much of it is unknown to the graph. `rows` names the unknown number a first dimension is; values of the
 * same unknown number may be added.
 */
#ifndef TN_RANDOM_GRAPH_H
#define TN_RANDOM_GRAPH_H

#include "plan_test.h"

enum { MOST_VALUES = 64 };

typedef struct random_value {
    tn_node node;
    tn_shape shape; /* true; dim[0] means nothing where rows > 0 */
    int rows;       /* 0: shape is all true */
} random_value;

typedef struct random_graph {
    tn_builder *b;
    uint64_t state;
    int64_t batch;
    random_value v[MOST_VALUES];
    int n, n_rows;
} random_graph;

static inline int64_t chance(random_graph *r, int64_t n)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return (int64_t)((r->state >> 11) % (uint64_t)n);
}

static inline void keep_value(random_graph *r, tn_node node, tn_shape shape, int rows)
{
    if (r->n < MOST_VALUES) r->v[r->n++] = (random_value){node, shape, rows};
}

/* Recent values more often, so that chains arise. */
static inline const random_value *some_value(random_graph *r)
{
    return &r->v[chance(r, 2) ? chance(r, r->n) : r->n - 1 - chance(r, TN_MIN(r->n, 4))];
}

static inline tn_node squashed(random_graph *r, tn_node x)
{
    return tn_op(r->b, "Tanh", TN_INPUTS(x), TN_NO_ATTRS); /* keeps numbers small */
}

static inline void add_unary(random_graph *r, const random_value *x)
{
    static const char *const ops[] = {"Neg", "Tanh", "Relu", "Square", "Sigmoid", "Identity", "Abs", "Floor", "Snapshot"};
    tn_operation *op = tn_add_operation(r->b, ops[chance(r, (int64_t)TN_COUNT(ops))], NULL, &x->node, 1, NULL, 0);
    keep_value(r, tn_output_of(op, 0), x->shape, x->rows);
}

static inline bool fits_with(const random_value *x, const random_value *y)
{
    if (y->rows == 0 && tn_shape_count(&y->shape) == 1 && y->shape.rank == 0) return true;
    if (x->rows != y->rows) {
        return y->rows == 0 && y->shape.rank == 1 && x->shape.rank >= 2 &&
               y->shape.dim[0] == x->shape.dim[x->shape.rank - 1];
    }
    if (x->rows) return x->shape.rank == y->shape.rank && (x->shape.rank < 2 || x->shape.dim[1] == y->shape.dim[1]);
    if (tn_shape_equal(&x->shape, &y->shape)) return true;
    return y->shape.rank == 1 && x->shape.rank >= 1 && y->shape.dim[0] == x->shape.dim[x->shape.rank - 1];
}

static inline void add_binary(random_graph *r, const random_value *x)
{
    static const char *const ops[] = {"Add", "AddV2", "Sub", "Mul", "Maximum", "SquaredDifference"};
    for (int tries = 0; tries < 8; tries++) {
        const random_value *y = some_value(r);
        if (!fits_with(x, y)) continue;
        bool swap = chance(r, 2);
        tn_node in[2] = {swap ? y->node : x->node, swap ? x->node : y->node};
        tn_operation *op = tn_add_operation(r->b, ops[chance(r, (int64_t)TN_COUNT(ops))], NULL, in, 2, NULL, 0);
        keep_value(r, squashed(r, tn_output_of(op, 0)), x->shape, x->rows);
        return;
    }
}

static inline void add_matmul(random_graph *r, const random_value *x)
{
    if (x->shape.rank != 2) return;
    float w[64];
    int64_t n = 1 + chance(r, 5), k = x->shape.dim[1];
    if (k * n > 64 || k < 1) return;
    for (int64_t i = 0; i < k * n; i++) w[i] = (float)(chance(r, 200) - 100) / 100;
    bool tb = chance(r, 2), bias = chance(r, 2);
    tn_node m = constant_floats(r->b, tb ? TN_SHAPE(n, k) : TN_SHAPE(k, n), w);
    tn_node y = tn_op(r->b, "MatMul", TN_INPUTS(x->node, m), TN_ATTRS(tn_attr_bool("transpose_b", tb)));
    if (bias) y = tn_op(r->b, "BiasAdd", TN_INPUTS(y, constant_floats(r->b, TN_SHAPE(n), w)), TN_NO_ATTRS);
    tn_shape s = x->shape;
    s.dim[1] = n;
    keep_value(r, squashed(r, y), s, x->rows);
}

static inline void add_reduction(random_graph *r, const random_value *x)
{
    static const char *const ops[] = {"Sum", "Max", "Min"};
    if (x->shape.rank < 1 || (!x->rows && tn_shape_count(&x->shape) == 0)) return;
    int64_t axis = chance(r, x->shape.rank);
    bool keep = chance(r, 2);
    tn_node in[2] = {x->node, tn_ints(r->b, &axis, 1)};
    tn_attr attr = tn_attr_bool("keep_dims", keep);
    tn_node y = tn_output_of(tn_add_operation(r->b, ops[x->rows ? 0 : chance(r, 3)], NULL, in, 2, &attr, 1), 0);
    tn_shape s = {.rank = keep ? x->shape.rank : x->shape.rank - 1};
    for (int d = 0, k = 0; d < x->shape.rank; d++) {
        if (d == axis && !keep) continue;
        s.dim[k++] = d == axis ? 1 : x->shape.dim[d];
    }
    keep_value(r, squashed(r, y), s, x->rows && axis > 0 ? x->rows : 0);
}

/* Flat, by a constant or by a shape that is computed. */
static inline void add_reshape(random_graph *r, const random_value *x)
{
    if (x->rows) return;
    int64_t count = tn_shape_count(&x->shape);
    tn_shape s = chance(r, 2) || count % 2 ? TN_SHAPE(count) : TN_SHAPE(2, count / 2);
    tn_node shape;
    if (chance(r, 2) && s.rank == 1) {
        tn_node size = tn_op(r->b, "Size", TN_INPUTS(x->node), TN_NO_ATTRS);
        shape = tn_op(r->b, "Pack", TN_INPUTS(size), TN_NO_ATTRS);
    } else {
        int64_t dims[2] = {s.rank == 1 ? -1 : 2, -1};
        shape = tn_ints(r->b, dims, s.rank);
    }
    if (count == 0) return;
    keep_value(r, tn_op(r->b, "Reshape", TN_INPUTS(x->node, shape), TN_NO_ATTRS), s, 0);
}

static inline void add_transpose(random_graph *r, const random_value *x)
{
    if (x->shape.rank != 2 || x->rows) return;
    keep_value(r, tn_op(r->b, "Transpose", TN_INPUTS(x->node, tn_ints(r->b, (int64_t[]){1, 0}, 2)), TN_NO_ATTRS),
               TN_SHAPE(x->shape.dim[1], x->shape.dim[0]), 0);
}

static inline void add_concat(random_graph *r, const random_value *x)
{
    const random_value *y = some_value(r);
    if (x->shape.rank < 1 || x->shape.rank != y->shape.rank) return;
    for (int d = 1; d < x->shape.rank; d++)
        if (x->shape.dim[d] != y->shape.dim[d]) return;
    tn_node all = tn_op(r->b, "ConcatV2", TN_INPUTS(x->node, y->node, tn_scalar(r->b, TN_INT32, 0)), TN_NO_ATTRS);
    tn_shape s = x->shape;
    s.dim[0] += y->shape.dim[0];
    if (s.dim[0] > 64) return;
    keep_value(r, all, s, x->rows || y->rows ? ++r->n_rows : 0);
}

static inline void add_slice(random_graph *r, const random_value *x)
{
    if (x->shape.rank < 1 || x->rows || x->shape.dim[0] < 2) return;
    int64_t begin[3] = {chance(r, x->shape.dim[0] - 1), 0, 0}, size[3] = {-1, -1, -1};
    tn_shape s = x->shape;
    s.dim[0] -= begin[0];
    keep_value(r, tn_op(r->b, "Slice", TN_INPUTS(x->node, tn_ints(r->b, begin, s.rank), tn_ints(r->b, size, s.rank)), TN_NO_ATTRS),
               s, 0);
}

/* Rows whose number only running finds: distinct values, or those above zero. */
static inline void add_unknown_rows(random_graph *r, const random_value *x)
{
    int64_t minus = -1;
    if (x->rows && x->shape.rank != 1) return;
    tn_node flat = tn_op(r->b, "Reshape", TN_INPUTS(x->node, tn_ints(r->b, &minus, 1)), TN_NO_ATTRS);
    if (chance(r, 2)) {
        tn_node thrice = tn_op(r->b, "Mul", TN_INPUTS(flat, tn_scalar(r->b, TN_FLOAT, 3)), TN_NO_ATTRS);
        tn_node rough = tn_op(r->b, "Floor", TN_INPUTS(thrice), TN_NO_ATTRS);
        keep_value(r, tn_op(r->b, "Unique", TN_INPUTS(rough), TN_NO_ATTRS), TN_SHAPE(0), ++r->n_rows);
        return;
    }
    tn_node above = tn_op(r->b, "Greater", TN_INPUTS(flat, tn_scalar(r->b, TN_FLOAT, 0)), TN_NO_ATTRS);
    tn_node where = tn_op(r->b, "Where", TN_INPUTS(above), TN_NO_ATTRS);
    keep_value(r, tn_op(r->b, "GatherNd", TN_INPUTS(flat, where), TN_NO_ATTRS), TN_SHAPE(0), ++r->n_rows);
}

static inline void add_something(random_graph *r)
{
    random_value x = *some_value(r);
    switch (chance(r, 12)) {
    case 0: add_matmul(r, &x); break;
    case 1: add_reduction(r, &x); break;
    case 2: add_reshape(r, &x); break;
    case 3: add_transpose(r, &x); break;
    case 4: add_concat(r, &x); break;
    case 5: add_slice(r, &x); break;
    case 6: add_unknown_rows(r, &x); break;
    case 7: case 8: add_unary(r, &x); break;
    default: add_binary(r, &x);
    }
}

/* From x [?,4] (batch rows), y [3,4], s scalar. */
static inline void grow_random_graph(random_graph *r, tn_builder *b, const tn_node *xys, uint64_t seed, int64_t batch, int n)
{
    *r = (random_graph){.b = b, .state = seed * 2654435761u + 88172645463325252u, .batch = batch};
    keep_value(r, xys[0], TN_SHAPE(batch, 4), 0);
    keep_value(r, xys[1], TN_SHAPE(3, 4), 0);
    keep_value(r, xys[2], TN_SHAPE(), 0);
    keep_value(r, constant_floats(b, TN_SHAPE(4), (float[]){0.5f, -1, 2, 0.25f}), TN_SHAPE(4), 0);
    for (int i = 0; i < n; i++) add_something(r);
}

static inline void make_feeds_nodes(tn_builder *b, tn_node *xys)
{
    xys[0] = tn_placeholder(b, "x", TN_FLOAT, TN_SHAPE(-1, 4));
    xys[1] = tn_placeholder(b, "y", TN_FLOAT, TN_SHAPE(3, 4));
    xys[2] = tn_placeholder(b, "s", TN_FLOAT, TN_SHAPE());
}

/* A scalar that depends on the newest values. */
static inline tn_node sum_of_random_graph(random_graph *r)
{
    tn_node total = tn_scalar(r->b, TN_FLOAT, 0.125);
    for (int i = 0; i < 4; i++) {
        const random_value *v = &r->v[r->n - 1 - i];
        int64_t axes[3] = {0, 1, 2};
        tn_node sum = tn_op(r->b, "Sum", TN_INPUTS(v->node, tn_ints(r->b, axes, v->shape.rank)), TN_NO_ATTRS);
        total = tn_op(r->b, "AddV2", TN_INPUTS(total, squashed(r, sum)), TN_NO_ATTRS);
    }
    return total;
}

#endif
