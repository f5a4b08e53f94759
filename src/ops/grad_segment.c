/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_segment.c - gradients of the segment operators: each row gets its segment's gradient back, by Gather.
 * Rows that an unsorted operator dropped (negative ids) get zeros.
 */
#include "op_math.h"
#include "segment.h"

static bool unsorted(const tn_grad *g)
{
    return g->op->n_in == 3;
}

/* The segment operator of this kind (Sum, Prod) and of the forward one's sort, on other data. */
static tn_node segment(tn_grad *g, const char *kind, tn_node data)
{
    char type[40];
    tn_node in[] = {data, tn_grad_in(g, 1), unsorted(g) ? tn_grad_in(g, 2) : tn_grad_in(g, 1)};
    snprintf(type, sizeof type, "%sSegment%s", unsorted(g) ? "Unsorted" : "", kind);
    return tn_output_of(tn_add_operation(g->b, type, NULL, in, g->op->n_in, NULL, 0), 0);
}

static tn_node rows(tn_grad *g, tn_node params, tn_node ids)
{
    return tn_g3(g->b, "GatherV2", params, ids, tn_g_int(g->b, 0));
}

/* `of`'s shape (that of the ids) followed by ones up to the rank of `full`. */
static tn_node ids_shape(tn_builder *b, tn_node of, tn_node full)
{
    int have = tn_node_shape(of).rank, want = tn_node_shape(full).rank;
    int64_t ones[TN_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, flat = -1;
    tn_node tail;
    if (have >= 0 && want >= have) {
        tail = tn_ints(b, ones, want - have);
    } else {
        tn_node missing = tn_g2(b, "Sub", tn_g1(b, "Rank", full), tn_g1(b, "Rank", of));
        tail = tn_g2(b, "Fill", tn_g2(b, "Reshape", missing, tn_ints(b, &flat, 1)), tn_g_int(b, 1));
    }
    tn_node in[] = {tn_shape_of(b, of), tail, tn_g_int(b, 0)};
    return tn_output_of(tn_add_operation(b, "ConcatV2", NULL, in, 3, TN_ATTRS(tn_attr_int("N", 2))), 0);
}

static tn_node positive_ids(tn_grad *g)
{
    tn_node ids = tn_grad_in(g, 1);
    return unsorted(g) ? tn_g2(g->b, "Maximum", ids, tn_zeros_like(g->b, ids)) : ids;
}

/* Which elements of `full` (one row an id) belong to no dropped row. */
static tn_node kept(tn_grad *g, tn_node full)
{
    tn_node ids = tn_grad_in(g, 1);
    tn_node mask = tn_g2(g->b, "GreaterEqual", ids, tn_zeros_like(g->b, ids));
    return tn_g2(g->b, "Reshape", mask, ids_shape(g->b, ids, full));
}

/* Rows of params by segment id; zeros for dropped rows. */
static tn_node gather_rows(tn_grad *g, tn_node params)
{
    tn_node v = rows(g, params, positive_ids(g));
    if (!unsorted(g)) return v;
    return tn_g3(g->b, "SelectV2", kept(g, v), v, tn_zeros_like(g->b, v));
}

tn_code tn_grad_segment_sum(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, gather_rows(g, tn_grad_dy(g, 0)));
    return TN_OK;
}

tn_code tn_grad_unsorted_sum(tn_grad *g, tn_error *err)
{
    return tn_grad_segment_sum(g, err);
}

tn_code tn_grad_segment_mean(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0);
    tn_node one = tn_scalar(b, tn_dtype_base(tn_node_dtype(dy)), 1);
    tn_node ones = tn_g2(b, "Fill", ids_shape(b, tn_grad_in(g, 1), tn_grad_in(g, 0)), one);
    tn_grad_set(g, 0, gather_rows(g, tn_g2(b, "RealDiv", dy, segment(g, "Sum", ones))));
    return TN_OK;
}

/* Shared equally by the rows that are the greatest (least) of their segment. */
tn_code tn_grad_segment_extreme(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0);
    tn_node best = rows(g, tn_grad_out(g, 0), positive_ids(g));
    tn_node chosen = tn_g2(b, "Equal", x, best);
    if (unsorted(g)) chosen = tn_g2(b, "LogicalAnd", chosen, kept(g, x));
    tn_node number = segment(g, "Sum", tn_grad_cast(b, chosen, tn_dtype_base(tn_node_dtype(dy))));
    tn_node share = rows(g, tn_g2(b, "RealDiv", dy, number), positive_ids(g));
    tn_grad_set(g, 0, tn_g3(b, "SelectV2", chosen, share, tn_zeros_like(b, share)));
    return TN_OK;
}

/* The product of a row's segment without the row: by division where it is not zero; for a zero the product
 * of the others, which is zero too when there is another zero. */
tn_code tn_grad_segment_prod(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0), ids = positive_ids(g);
    tn_node is_zero = tn_g2(b, "Equal", x, tn_zeros_like(b, x));
    tn_node zeros = segment(g, "Sum", tn_grad_cast(b, is_zero, TN_INT32));
    tn_node several = tn_g2(b, "Greater", zeros, tn_g_int(b, 1));
    dy = tn_g3(b, "SelectV2", several, tn_zeros_like(b, dy), dy);
    tn_node filled = tn_g3(b, "SelectV2", is_zero, tn_g1(b, "OnesLike", x), x);
    tn_node others = rows(g, segment(g, "Prod", filled), ids);
    tn_node divided = tn_g2(b, "RealDiv", rows(g, tn_grad_out(g, 0), ids), filled);
    tn_node partial = tn_g3(b, "SelectV2", is_zero, others, divided);
    tn_grad_set(g, 0, tn_g2(b, "Mul", gather_rows(g, dy), partial));
    return TN_OK;
}
