/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_help.c - what operators' gradient functions are written with: setting results, zeros for outputs
 * nothing depends on, undoing a broadcast; and slices made dense. The walk over the graph is grad.c's.
 */
#include "inside.h"

tn_node tn_grad_dy(tn_grad *g, int o)
{
    return g->dy[o].op ? g->dy[o] : tn_zeros_like(g->b, tn_grad_out(g, o));
}

void tn_grad_set(tn_grad *g, int i, tn_node dx)
{
    g->dx[i] = (tn_gradient){.kind = dx.op ? TN_GRAD_NODE : TN_GRAD_NONE, .value = dx};
}

void tn_grad_set_slices(tn_grad *g, int i, tn_node values, tn_node indices, tn_node dense_shape)
{
    bool whole = values.op && indices.op && dense_shape.op;
    g->dx[i] = (tn_gradient){whole ? TN_GRAD_SLICES : TN_GRAD_NONE, values, indices, dense_shape};
}

/* ==== undoing a broadcast ==== */

/* How input x was broadcast against y, as far as shapes say. */
typedef struct stretch {
    bool decided;              /* the axes are known now */
    int64_t axes[TN_MAX_RANK]; /* of the result, that x was stretched along (or may have been, from 1) */
    int n;
    int added; /* leading axes that x does not have */
} stretch;

static stretch compare(const tn_shape *x, const tn_shape *y)
{
    stretch s = {.decided = x->rank >= 0 && y->rank >= 0};
    if (!s.decided) return s;
    int rank = TN_MAX(x->rank, y->rank);
    s.added = rank - x->rank;
    for (int k = 0; k < rank; k++) {
        int64_t a = k < s.added ? 1 : x->dim[k - s.added];
        int64_t b = k < rank - y->rank ? 1 : y->dim[k - (rank - y->rank)];
        if (k < s.added || (a == 1 && b != 1))
            s.axes[s.n++] = k;
        else if (a < 0 && b != 1)
            s.decided = false; /* x may be 1 there */
    }
    return s;
}

/* Axes known: the sum needs a reshape only when it drops some axes and must keep others as 1. */
static tn_node reduce_known(tn_grad *g, tn_node x, tn_node dx, const stretch *s)
{
    if (s->n == 0) return dx;
    bool keep = s->added == 0;
    tn_node axes = tn_ints(g->b, s->axes, s->n);
    tn_node sum = tn_op(g->b, "Sum", TN_INPUTS(dx, axes), TN_ATTRS(tn_attr_bool("keep_dims", keep)));
    if (keep || s->n == s->added) return sum;
    return tn_op(g->b, "Reshape", TN_INPUTS(sum, tn_shape_of(g->b, x)), TN_NO_ATTRS);
}

static tn_node reduce_unknown(tn_grad *g, tn_node x, tn_node y, tn_node dx)
{
    tn_node shape = tn_shape_of(g->b, x);
    tn_node axes = tn_op(g->b, "BroadcastGradientArgs", TN_INPUTS(shape, tn_shape_of(g->b, y)), TN_NO_ATTRS);
    tn_node sum = tn_op(g->b, "Sum", TN_INPUTS(dx, axes), TN_NO_ATTRS);
    return tn_op(g->b, "Reshape", TN_INPUTS(sum, shape), TN_NO_ATTRS);
}

void tn_grad_set_unbroadcast(tn_grad *g, int i, tn_node dx, int other)
{
    tn_node x = tn_grad_in(g, i), y = tn_grad_in(g, other);
    tn_shape sx = tn_node_shape(x), sy = tn_node_shape(y);
    stretch s = compare(&sx, &sy);
    tn_grad_set(g, i, s.decided ? reduce_known(g, x, dx, &s) : reduce_unknown(g, x, y, dx));
}

/* ==== slices ==== */

/* The number of rows: element 0 of the dense shape. */
static tn_node rows_of(tn_builder *b, tn_node shape)
{
    const tn_info *info = &shape.op->out[shape.index];
    if (info->value && tn_tensor_count(info->value) > 0) {
        return tn_scalar(b, tn_node_dtype(shape), (double)tn_tensor_int(info->value, 0));
    }
    int64_t zero = 0, one = 1;
    return tn_op(b, "StridedSlice",
                 TN_INPUTS(shape, tn_ints(b, &zero, 1), tn_ints(b, &one, 1), tn_ints(b, &one, 1)),
                 TN_ATTRS(tn_attr_int("shrink_axis_mask", 1)));
}

tn_node tn_gradient_dense(tn_builder *b, const tn_gradient *g)
{
    if (g->kind == TN_GRAD_NONE || !tn_builder_ok(b)) return (tn_node){NULL, 0};
    if (g->kind == TN_GRAD_NODE) return g->value;
    return tn_op(b, "UnsortedSegmentSum", TN_INPUTS(g->value, g->indices, rows_of(b, g->shape)), TN_NO_ATTRS);
}
