/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_bias.c - the addition of a bias, and an activation, move into the matrix product or convolution
 * before them, where nobody else looks at what is between.
 *
 * Only float; a bias of one value a column, or, where a product of few rows has a constant for its matrix, as in a
 * step of a recurrent layer, whatever else is added to it. The fused operators are the plan's own.
 */
#include "../plan/array.h"
#include "fused.h"

#include "../kernel/kernel.h"

static const tn_info *info_of(tn_pval v)
{
    return &v.node->out[v.index];
}

static bool is_float_vector(tn_pval v, int64_t n)
{
    const tn_info *o = info_of(v);
    return o->dtype == TN_FLOAT && o->shape.rank == 1 && o->shape.dim[0] == n;
}

enum { FEW_ROWS = 64 }; /* for which the matrix is packed, and the product is all our own */

/* What is added to n has its shape, and n is a product of few rows with a constant. */
static bool is_addend(tn_pval v, const tn_pnode *n)
{
    const tn_info *o = info_of(v);
    return tn_pnode_is(n, "MatMul") && info_of(n->in[1])->value && o->dtype == TN_FLOAT && o->shape.rank == 2 &&
           tn_shape_equal(&o->shape, &n->out[0].shape) && o->shape.dim[0] <= FEW_ROWS;
}

static bool is_product(const tn_pnode *n)
{
    if (n->out[0].dtype != TN_FLOAT || !tn_shape_known(&n->out[0].shape) || n->n_control) return false;
    for (int i = 0; i < n->n_in; i++) /* the fused step must be a static one */
        if (!tn_shape_known(&info_of(n->in[i])->shape)) return false;
    if (tn_pnode_is(n, "MatMul")) return true;
    bool conv = tn_pnode_is(n, "Conv2D") || tn_pnode_is(n, "DepthwiseConv2dNative");
    return conv && !tn_attr_is(n->attrs, "data_format", "NCHW");
}

/* The same numbers, by rows of the same length. */
static bool same_rows(const tn_shape *a, const tn_shape *b)
{
    return a->rank > 0 && b->rank > 0 && a->dim[a->rank - 1] == b->dim[b->rank - 1] &&
           tn_shape_count(a) == tn_shape_count(b);
}

/* product + bias, reshapes between them or not: which input is which; false: it is no such node. */
static bool find_bias(const tn_pnode *n, tn_pval *product, tn_pval *bias)
{
    bool add = tn_pnode_is(n, "AddV2") || tn_pnode_is(n, "Add");
    if (!add && !(tn_pnode_is(n, "BiasAdd") && !tn_attr_is(n->attrs, "data_format", "NCHW"))) return false;
    for (int i = 0; i < (add ? 2 : 1); i++) {
        const tn_pval seen = tn_region_through_views(n->in[i]);
        const tn_pnode *p = seen.node;
        if (p->mark != 1 || p->n_out != 1 || !is_product(p)) continue;
        const tn_shape *s = &p->out[0].shape;
        const bool vector = is_float_vector(n->in[1 - i], s->dim[s->rank - 1]);
        if (!vector && !(add && is_addend(n->in[1 - i], p))) continue;
        if (!same_rows(s, &n->out[0].shape)) continue;
        if (tn_shape_count(&info_of(n->in[i])->shape) != tn_shape_count(s)) continue;
        *product = seen;
        *bias = n->in[1 - i];
        return true;
    }
    return false;
}

static bool find_activation(const tn_pnode *n, tn_act *act, float *alpha)
{
    static const struct { const char *op; tn_act act; } rows[] = {
        {"Relu", TN_ACT_RELU}, {"Relu6", TN_ACT_RELU6}, {"Tanh", TN_ACT_TANH}, {"Sigmoid", TN_ACT_SIGMOID},
        {"Elu", TN_ACT_ELU}, {"Selu", TN_ACT_SELU}, {"LeakyRelu", TN_ACT_LEAKY_RELU},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        if (!tn_pnode_is(n, rows[i].op)) continue;
        *act = rows[i].act;
        *alpha = rows[i].act == TN_ACT_LEAKY_RELU ? tn_attr_f(n->attrs, "alpha") : 0;
        return true;
    }
    return false;
}

static tn_code fuse(tn_binding *b, tn_region *r, tn_pnode *last, tn_pval product, tn_pval bias, tn_act act, float alpha,
                    tn_error *err)
{
    tn_pnode *p = product.node;
    const tn_op *op = tn_pnode_is(p, "MatMul") ? &tn_fused_matmul : &tn_fused_conv2d;
    tn_pnode *n = tn_pnode_new(b->arena, op, last->name, 3, 1);
    tn_fused_act *extra = TN_NEW(b->kept, tn_fused_act);
    if (!n || !extra || !tn_region_add(b->arena, r, n)) return tn_no_memory(err, 0);
    *extra = (tn_fused_act){.base = p->op, .act = act, .alpha = alpha};
    n->attrs = p->attrs;
    n->extra = extra;
    n->in[0] = p->in[0];
    n->in[1] = p->in[1];
    n->in[2] = bias;
    n->out[0] = p->out[0];
    n->control = last->control;
    n->n_control = last->n_control;
    tn_pnode *view = n;
    if (!tn_shape_equal(&p->out[0].shape, &last->out[0].shape)) {
        view = tn_pnode_new(b->arena, &tn_array_view, last->name, 1, 1);
        if (!view || !tn_region_add(b->arena, r, view)) return tn_no_memory(err, 0);
        view->attrs = last->attrs;
        view->in[0] = (tn_pval){n, 0};
        view->out[0] = last->out[0];
    }
    tn_region_replace_node(r, last, view);
    return TN_OK;
}

static tn_code look_at(tn_binding *b, tn_region *r, tn_pnode *n, tn_error *err)
{
    tn_pval product, bias;
    tn_act act = TN_ACT_NONE;
    float alpha = 0;
    if (n->n_in == 1 && find_activation(n, &act, &alpha)) {
        tn_pnode *add = tn_region_through_views(n->in[0]).node;
        if (add->mark != 1 || add->n_control || !find_bias(add, &product, &bias)) return TN_OK;
        return fuse(b, r, n, product, bias, act, alpha, err);
    }
    if (n->n_in != 2 || !find_bias(n, &product, &bias)) return TN_OK;
    return fuse(b, r, n, product, bias, TN_ACT_NONE, 0, err);
}

tn_code tn_pass_fuse_bias(tn_binding *b, tn_region *r, tn_error *err)
{
    int n = r->n_nodes;
    for (int i = 0; i < n; i++)
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_pass_fuse_bias(b, r->nodes[i]->sub[s], err));
    tn_region_count_uses(r);
    for (int k = n - 1; k >= 0; k--) { /* activations before the additions that they end */
        int before = r->n_nodes;
        if (r->nodes[k]->mark) TN_TRY(look_at(b, r, r->nodes[k], err));
        if (r->n_nodes > before) tn_region_count_uses(r);
    }
    return tn_region_order(b->arena, r, err);
}
