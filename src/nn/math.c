/* SPDX-License-Identifier: Apache-2.0
 *
 * math.c - short forms of TensorFlow's operations, so that a model reads like the mathematics.
 */
#include "nn.h"

tn_node tn_unary(tn_builder *b, const char *type, tn_node x)
{
    return tn_op(b, type, TN_INPUTS(x), TN_NO_ATTRS);
}

tn_node tn_binary(tn_builder *b, const char *type, tn_node x, tn_node y)
{
    return tn_op(b, type, TN_INPUTS(x, y), TN_NO_ATTRS);
}

tn_node tn_like(tn_builder *b, tn_node x, double v)
{
    return x.op ? tn_scalar(b, tn_dtype_base(tn_node_dtype(x)), v) : TN_NONE;
}

int64_t tn_last_dim(tn_builder *b, const char *what, tn_node x)
{
    char text[160];
    if (!tn_builder_ok(b) || !x.op) return 0;
    tn_shape s = tn_node_shape(x);
    if (s.rank > 0 && s.dim[s.rank - 1] > 0) return s.dim[s.rank - 1];
    tn_failf(b, TN_INVALID_ARGUMENT,
             "%.100s: the last dimension of its input must be known; '%.100s' has shape %s", what, x.op->name,
             tn_shape_text(&s, text, sizeof text));
    return 0;
}

tn_node tn_add(tn_builder *b, tn_node x, tn_node y)
{
    return tn_binary(b, "AddV2", x, y);
}
tn_node tn_sub(tn_builder *b, tn_node x, tn_node y)
{
    return tn_binary(b, "Sub", x, y);
}
tn_node tn_mul(tn_builder *b, tn_node x, tn_node y)
{
    return tn_binary(b, "Mul", x, y);
}
tn_node tn_div(tn_builder *b, tn_node x, tn_node y)
{
    return tn_binary(b, "RealDiv", x, y);
}
tn_node tn_scale(tn_builder *b, tn_node x, double factor)
{
    return tn_binary(b, "Mul", x, tn_like(b, x, factor));
}
tn_node tn_neg(tn_builder *b, tn_node x)
{
    return tn_unary(b, "Neg", x);
}
tn_node tn_square(tn_builder *b, tn_node x)
{
    return tn_unary(b, "Square", x);
}
tn_node tn_sqrt(tn_builder *b, tn_node x)
{
    return tn_unary(b, "Sqrt", x);
}
tn_node tn_exp(tn_builder *b, tn_node x)
{
    return tn_unary(b, "Exp", x);
}
tn_node tn_abs(tn_builder *b, tn_node x)
{
    return tn_unary(b, "Abs", x);
}
tn_node tn_matmul(tn_builder *b, tn_node x, tn_node y)
{
    return tn_binary(b, "MatMul", x, y);
}

tn_node tn_cast_to(tn_builder *b, tn_node x, tn_dtype t)
{
    if (x.op && tn_dtype_base(tn_node_dtype(x)) == t) return x;
    return tn_op(b, "Cast", TN_INPUTS(x), TN_ATTRS(tn_attr_type("DstT", t)));
}

tn_node tn_reshape(tn_builder *b, tn_node x, tn_shape shape)
{
    return tn_binary(b, "Reshape", x, tn_ints(b, shape.dim, TN_MAX(shape.rank, 0)));
}

tn_node tn_join(tn_builder *b, const tn_node *x, int n, int axis)
{
    if (!tn_builder_ok(b)) return TN_NONE;
    tn_node *in = TN_ARRAY(tn_builder_arena(b), (size_t)n + 1, tn_node);
    if (!in) {
        tn_failf(b, TN_RESOURCE_EXHAUSTED, "out of memory");
        return TN_NONE;
    }
    memcpy(in, x, (size_t)n * sizeof *in);
    in[n] = tn_scalar(b, TN_INT32, axis);
    return tn_output_of(tn_add_operation(b, "ConcatV2", "concat", in, n + 1, TN_NO_ATTRS), 0);
}

tn_node tn_argmax(tn_builder *b, tn_node x, int axis)
{
    return tn_op(b, "ArgMax", TN_INPUTS(x, tn_scalar(b, TN_INT32, axis)), TN_NO_ATTRS);
}

tn_node tn_one_hot(tn_builder *b, tn_node ids, int64_t depth)
{
    return tn_op_named(b, "OneHot", "one_hot",
                       TN_INPUTS(ids, tn_scalar(b, TN_INT32, (double)depth), tn_scalar(b, TN_FLOAT, 1),
                                 tn_scalar(b, TN_FLOAT, 0)),
                       TN_NO_ATTRS);
}

static tn_node reduce(tn_builder *b, const char *type, tn_node x, const int64_t *axes, int n, bool keep)
{
    int64_t all[TN_MAX_RANK];
    if (!tn_builder_ok(b) || !x.op) return TN_NONE;
    tn_shape s = tn_node_shape(x);
    if (!n && s.rank < 0) {
        tn_node range =
            tn_op(b, "Range",
                  TN_INPUTS(tn_scalar(b, TN_INT32, 0), tn_unary(b, "Rank", x), tn_scalar(b, TN_INT32, 1)),
                  TN_NO_ATTRS);
        return tn_op(b, type, TN_INPUTS(x, range), TN_ATTRS(tn_attr_bool("keep_dims", keep)));
    }
    for (int i = 0; !n && i < s.rank; i++) all[i] = i;
    tn_node where = n ? tn_ints(b, axes, n) : tn_ints(b, all, s.rank);
    return tn_op(b, type, TN_INPUTS(x, where), TN_ATTRS(tn_attr_bool("keep_dims", keep)));
}

tn_node tn_reduce_sum(tn_builder *b, tn_node x, const int64_t *axes, int n, bool keep_dims)
{
    return reduce(b, "Sum", x, axes, n, keep_dims);
}

tn_node tn_reduce_mean(tn_builder *b, tn_node x, const int64_t *axes, int n, bool keep_dims)
{
    return reduce(b, "Mean", x, axes, n, keep_dims);
}

/* x * rsqrt(max(sum(x*x), 1e-12)) */
tn_node tn_l2_normalize(tn_builder *b, tn_node x, int axis)
{
    tn_node sum = tn_reduce_sum(b, tn_square(b, x), (int64_t[]){axis}, 1, true);
    return tn_mul(b, x, tn_unary(b, "Rsqrt", tn_binary(b, "Maximum", sum, tn_like(b, x, 1e-12))));
}

tn_node tn_named(tn_builder *b, const char *name, tn_node x)
{
    return tn_op_named(b, "Identity", name, TN_INPUTS(x), TN_NO_ATTRS);
}
