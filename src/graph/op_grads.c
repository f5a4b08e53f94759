/* SPDX-License-Identifier: Apache-2.0
 *
 * op_grads.c - small nodes that gradients are made of.
 */
#include "op_grads.h"

tn_node tn_grad_ints(tn_builder *b, tn_dtype t, const int64_t *v, int n)
{
    tn_tensor *c;
    tn_error err;
    if (tn_tensor_int64s(t, v, n, &c, &err) != TN_OK) {
        tn_builder_fail_with(b, &err);
        return (tn_node){0};
    }
    tn_node node = tn_constant(b, NULL, c);
    tn_tensor_unref(c);
    return node;
}

tn_node tn_grad_int(tn_builder *b, tn_dtype t, int64_t v)
{
    return tn_scalar(b, t, (double)v);
}

tn_node tn_grad_shape(tn_builder *b, tn_node x, tn_dtype out_type)
{
    tn_shape s = tn_node_shape(x);
    if (!x.op || tn_shape_known(&s)) return tn_grad_ints(b, out_type, s.dim, s.rank);
    return tn_op(b, "Shape", TN_INPUTS(x), TN_ATTRS(tn_attr_type("out_type", out_type)));
}

tn_node tn_grad_rank(tn_builder *b, tn_node x)
{
    tn_shape s = tn_node_shape(x);
    if (x.op && s.rank >= 0) return tn_grad_int(b, TN_INT32, s.rank);
    return tn_op(b, "Rank", TN_INPUTS(x), TN_NO_ATTRS);
}

tn_node tn_grad_reshape_like(tn_builder *b, tn_node dy, tn_node x)
{
    return tn_op(b, "Reshape", TN_INPUTS(dy, tn_grad_shape(b, x, TN_INT32)), TN_NO_ATTRS);
}

tn_node tn_grad_pack(tn_builder *b, const tn_node *v, int n, int64_t axis)
{
    return tn_op(b, "Pack", v, n, TN_ATTRS(tn_attr_int("axis", axis)));
}

#define MAX_PARTS 16
tn_node tn_grad_concat(tn_builder *b, const tn_node *v, int n, int64_t axis)
{
    tn_node in[MAX_PARTS + 1];
    if (n > MAX_PARTS) {
        tn_builder_fail(b, TN_INTERNAL, "too many parts of a concatenation in a gradient");
        return (tn_node){0};
    }
    memcpy(in, v, (size_t)n * sizeof *v);
    in[n] = tn_grad_int(b, TN_INT32, axis);
    return tn_op(b, "ConcatV2", in, n + 1, TN_NO_ATTRS);
}

tn_node tn_grad_range_of(tn_builder *b, tn_node v, int64_t from, int64_t to)
{
    int64_t begin = from, end = to == INT64_MAX ? 0 : to, step = 1;
    return tn_op(b, "StridedSlice",
                 TN_INPUTS(v, tn_ints(b, &begin, 1), tn_ints(b, &end, 1), tn_ints(b, &step, 1)),
                 TN_ATTRS(tn_attr_int("end_mask", to == INT64_MAX)));
}

tn_node tn_grad_element(tn_builder *b, tn_node v, int64_t i)
{
    int64_t end = i + 1, step = 1;
    return tn_op(b, "StridedSlice",
                 TN_INPUTS(v, tn_ints(b, &i, 1), tn_ints(b, &end, 1), tn_ints(b, &step, 1)),
                 TN_ATTRS(tn_attr_int("shrink_axis_mask", 1)));
}

tn_node tn_grad_cast(tn_builder *b, tn_node x, tn_dtype t)
{
    if (!x.op || tn_dtype_base(tn_node_dtype(x)) == t) return x;
    return tn_op(b, "Cast", TN_INPUTS(x), TN_ATTRS(tn_attr_type("DstT", t)));
}

#define MAX_COPIED 12

/* Operators of one family do not all have the same attributes. */
static bool has_attr(const char *type, const char *name)
{
    const tn_op *op = tn_op_find(type);
    const tn_sig *sig = op ? tn_op_sig(op) : NULL;
    for (int i = 0; sig && i < sig->n_attrs; i++)
        if (!strcmp(sig->attrs[i].name, name)) return true;
    return false;
}

tn_node tn_grad_op_like(tn_grad *g, const char *type, const tn_node *in, int n_in, const char *const *attrs,
                        int n_attrs)
{
    tn_attr copied[MAX_COPIED];
    int n = 0;
    for (int i = 0; i < n_attrs && n < MAX_COPIED; i++) {
        const tn_attr *a = tn_attr_find(&g->op->attrs, attrs[i]);
        if (a && has_attr(type, attrs[i])) copied[n++] = *a;
    }
    return tn_op(g->b, type, in, n_in, copied, n);
}
