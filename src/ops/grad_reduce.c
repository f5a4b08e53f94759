/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_reduce.c - gradients of reductions: the gradient gets the reduced dimensions back (as 1) and is
 * broadcast over them. What is known when the graph is built becomes constants; otherwise shapes are
 * computed by nodes of the graph.
 */
#include "op_math.h"
#include "reduce_axes.h"

/* What is known of the axes when the graph is built. */
typedef struct axes {
    tn_node x, indices;
    tn_shape shape;
    bool known; /* rank and axes */
    bool reduced[TN_MAX_RANK];
} axes;

static axes axes_of(const tn_grad *g)
{
    axes a = {.x = tn_grad_in(g, 0), .indices = tn_grad_in(g, 1)};
    a.shape = tn_node_shape(a.x);
    const tn_tensor *v = a.indices.op ? a.indices.op->out[a.indices.index].value : NULL;
    a.known = v && a.shape.rank >= 0 && tn_axes_parse(v, a.shape.rank, a.reduced, NULL) == TN_OK;
    return a;
}

/* A list of the dimensions that are (or are not) reduced. */
static tn_node dimension_list(tn_builder *b, const axes *a, bool reduced)
{
    int64_t list[TN_MAX_RANK];
    int n = 0;
    for (int i = 0; i < a->shape.rank; i++)
        if (a->reduced[i] == reduced) list[n++] = i;
    return tn_ints(b, list, n);
}

/* The axes in [0, rank) as a vector, computed in the graph. */
static tn_node axes_vector(tn_builder *b, const axes *a)
{
    int64_t flat = -1;
    if (a->known) return dimension_list(b, a, true);
    tn_node rank = tn_g1(b, "Rank", a->x);
    tn_node v = tn_g2(b, "Reshape", tn_grad_cast(b, a->indices, TN_INT32), tn_ints(b, &flat, 1));
    return tn_g2(b, "FloorMod", tn_g2(b, "AddV2", v, rank), rank);
}

/* The input's shape with 1 for the dimensions reduced, computed in the graph. */
static tn_node kept_shape(tn_builder *b, const axes *a)
{
    tn_node reduced = axes_vector(b, a);
    tn_node all = tn_g3(b, "Range", tn_g_int(b, 0), tn_g1(b, "Rank", a->x), tn_g_int(b, 1));
    tn_node ones = tn_g2(b, "Fill", tn_g1(b, "Shape", reduced), tn_g_int(b, 1));
    tn_node parts[] = {all, reduced, tn_shape_of(b, a->x), ones};
    return tn_output_of(tn_add_operation(b, "DynamicStitch", NULL, parts, 4, TN_ATTRS(tn_attr_int("N", 2))),
                        0);
}

/* v, which has lost its reduced dimensions, with them back. */
static tn_node expand(tn_grad *g, const axes *a, tn_node v)
{
    tn_builder *b = g->b;
    if (tn_attr_b(&g->op->attrs, "keep_dims")) return v;
    if (!a->known) return tn_g2(b, "Reshape", v, kept_shape(b, a));
    int64_t dim[TN_MAX_RANK];
    bool sized = tn_shape_known(&a->shape);
    for (int i = 0; i < a->shape.rank; i++) {
        dim[i] = a->reduced[i] ? 1 : a->shape.dim[i];
        if (a->reduced[i] && !sized) v = tn_g2(b, "ExpandDims", v, tn_g_int(b, i));
    }
    return sized ? tn_g2(b, "Reshape", v, tn_ints(b, dim, a->shape.rank)) : v;
}

static bool whole(const axes *a)
{
    for (int i = 0; i < a->shape.rank; i++)
        if (!a->reduced[i]) return false;
    return a->known;
}

static tn_node spread(tn_grad *g, const axes *a, tn_node dy)
{
    tn_builder *b = g->b;
    int64_t ones[TN_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    tn_node shape = tn_shape_of(b, a->x);
    if (whole(a)) return tn_g2(b, "Tile", tn_g2(b, "Reshape", dy, tn_ints(b, ones, a->shape.rank)), shape);
    return tn_g2(b, "BroadcastTo", expand(g, a, dy), shape);
}

tn_code tn_grad_sum(tn_grad *g, tn_error *err)
{
    (void)err;
    axes a = axes_of(g);
    tn_grad_set(g, 0, spread(g, &a, tn_grad_dy(g, 0)));
    return TN_OK;
}

/* How many elements go into one result. */
static tn_node group_size(tn_builder *b, const axes *a, tn_dtype t)
{
    if (a->known && tn_shape_known(&a->shape)) {
        double n = 1;
        for (int i = 0; i < a->shape.rank; i++) n *= a->reduced[i] ? (double)a->shape.dim[i] : 1;
        return tn_scalar(b, t, n);
    }
    tn_node sizes = tn_g3(b, "GatherV2", tn_shape_of(b, a->x), axes_vector(b, a), tn_g_int(b, 0));
    return tn_grad_cast(b, tn_g2(b, "Prod", sizes, tn_g_int(b, 0)), t);
}

/* Divided before it is spread: the same numbers, fewer divisions. */
tn_code tn_grad_mean(tn_grad *g, tn_error *err)
{
    (void)err;
    axes a = axes_of(g);
    tn_node dy = tn_grad_dy(g, 0), n = group_size(g->b, &a, tn_dtype_base(tn_node_dtype(dy)));
    tn_grad_set(g, 0, spread(g, &a, tn_g2(g->b, "RealDiv", dy, n)));
    return TN_OK;
}

/* Shared equally by all elements that are the greatest (least). */
tn_code tn_grad_extreme(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    axes a = axes_of(g);
    tn_node dy = expand(g, &a, tn_grad_dy(g, 0)), y = expand(g, &a, tn_grad_out(g, 0));
    tn_node chosen = tn_grad_cast(b, tn_g2(b, "Equal", y, a.x), tn_dtype_base(tn_node_dtype(dy)));
    tn_node number = tn_op(b, "Sum", TN_INPUTS(chosen, a.indices), TN_ATTRS(tn_attr_bool("keep_dims", true)));
    tn_grad_set(g, 0, tn_g2(b, "Mul", tn_g2(b, "RealDiv", chosen, number), dy));
    return TN_OK;
}

tn_code tn_grad_euclidean(tn_grad *g, tn_error *err)
{
    (void)err;
    axes a = axes_of(g);
    tn_node ratio = tn_g2(g->b, "RealDiv", expand(g, &a, tn_grad_out(g, 0)), expand(g, &a, tn_grad_dy(g, 0)));
    tn_grad_set(g, 0, tn_g2(g->b, "RealDiv", a.x, ratio));
    return TN_OK;
}

/* ==== Prod ==== the product of all others is the product of those before and those behind: no division,
 * so zeros do no harm */

static tn_node product_of_others(tn_builder *b, tn_node x, tn_node axis)
{
    tn_attr exclusive = tn_attr_bool("exclusive", true), reverse = tn_attr_bool("reverse", true);
    tn_node before = tn_op(b, "Cumprod", TN_INPUTS(x, axis), TN_ATTRS(exclusive));
    tn_node behind = tn_op(b, "Cumprod", TN_INPUTS(x, axis), TN_ATTRS(exclusive, reverse));
    return tn_g2(b, "Mul", tn_g_conj(b, before), tn_g_conj(b, behind));
}

static int reduced_count(const axes *a, int *first)
{
    int n = 0;
    for (int i = a->shape.rank - 1; i >= 0; i--) {
        if (!a->reduced[i]) continue;
        *first = i;
        n++;
    }
    return n;
}

/* The dimensions left, when they are known only in the run. */
static tn_node others_vector(tn_builder *b, const axes *a, tn_node reduced)
{
    if (a->known) return dimension_list(b, a, false);
    tn_node all = tn_g3(b, "Range", tn_g_int(b, 0), tn_g1(b, "Rank", a->x), tn_g_int(b, 1));
    return tn_g2(b, "ListDiff", all, reduced);
}

/* Several axes: brought to the front and flattened into one. */
static tn_node product_of_others_flat(tn_builder *b, const axes *a)
{
    tn_node reduced = axes_vector(b, a), other = others_vector(b, a, reduced), zero = tn_g_int(b, 0);
    tn_node perm_in[] = {reduced, other, zero};
    tn_node perm =
        tn_output_of(tn_add_operation(b, "ConcatV2", NULL, perm_in, 3, TN_ATTRS(tn_attr_int("N", 2))), 0);
    tn_node shape = tn_shape_of(b, a->x), sizes[2] = {reduced, other};
    for (int i = 0; i < 2; i++)
        sizes[i] = tn_g2(b, "Prod", tn_g3(b, "GatherV2", shape, sizes[i], zero), zero);
    tn_node flat =
        tn_output_of(tn_add_operation(b, "Pack", NULL, sizes, 2, TN_ATTRS(tn_attr_int("N", 2))), 0);
    tn_node permuted = tn_g2(b, "Transpose", a->x, perm);
    tn_node y = product_of_others(b, tn_g2(b, "Reshape", permuted, flat), zero);
    y = tn_g2(b, "Reshape", y, tn_g1(b, "Shape", permuted));
    return tn_g2(b, "Transpose", y, tn_g1(b, "InvertPermutation", perm));
}

tn_code tn_grad_prod(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    axes a = axes_of(g);
    int first = 0;
    tn_node others = a.known && reduced_count(&a, &first) == 1 ? product_of_others(b, a.x, tn_g_int(b, first))
                                                               : product_of_others_flat(b, &a);
    tn_node dy = tn_g2(b, "BroadcastTo", expand(g, &a, tn_grad_dy(g, 0)), tn_shape_of(b, a.x));
    tn_grad_set(g, 0, tn_g2(b, "Mul", dy, others));
    return TN_OK;
}
