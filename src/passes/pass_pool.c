/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_pool.c - a pool of windows that do not overlap moves into the convolution before it, where nobody else looks at
 * what is between: that is pooled while it is still in the cache, and never written.
 *
 * After pass_bias.c: only convolutions that have their bias inside.
 */
#include "../ops/op_pool.h"
#include "fused.h"

static bool is_pool(const tn_pnode *n)
{
    return (tn_pnode_is(n, "MaxPool") || tn_pnode_is(n, "AvgPool")) && !n->n_control && !n->effect && n->n_in == 1 &&
           n->out[0].dtype == TN_FLOAT && !tn_attr_is(n->attrs, "data_format", "NCHW");
}

static bool fits(const tn_pool_desc *d)
{
    bool ok = true;
    for (int k = 0; k < 2; k++) ok = ok && d->pad_lo[k] == 0 && d->window[k] <= d->stride[k] && d->out[k] > 0;
    return ok;
}

static tn_code look_at(tn_binding *b, tn_region *r, tn_pnode *pool, tn_error *err)
{
    tn_pool_desc d;
    tn_pnode *conv = pool->in[0].node;
    if (conv->op != &tn_fused_conv2d || conv->mark != 1 || !tn_shape_known(&conv->out[0].shape)) return TN_OK;
    if (tn_pool_desc_of(pool->op, pool->attrs, &conv->out[0].shape, &d, NULL) != TN_OK || !fits(&d)) return TN_OK;
    tn_fused_act *extra = TN_NEW(b->kept, tn_fused_act);
    tn_pool_desc *kept = TN_NEW(b->kept, tn_pool_desc);
    tn_pnode *n = tn_pnode_new(b->arena, &tn_fused_conv2d, pool->name, 3, 1);
    if (!extra || !kept || !n || !tn_region_add(b->arena, r, n)) return tn_no_memory(err, sizeof *n);
    *kept = d;
    *extra = *(const tn_fused_act *)conv->extra;
    extra->pool = kept;
    n->extra = extra;
    n->attrs = conv->attrs;
    for (int i = 0; i < 3; i++) n->in[i] = conv->in[i];
    n->out[0] = pool->out[0];
    n->control = conv->control;
    n->n_control = conv->n_control;
    tn_region_replace_node(r, pool, n);
    return TN_OK;
}

tn_code tn_pass_fuse_pool(tn_binding *b, tn_region *r, tn_error *err)
{
    const int n = r->n_nodes;
    for (int i = 0; i < n; i++)
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_pass_fuse_pool(b, r->nodes[i]->sub[s], err));
    tn_region_count_uses(r);
    for (int i = 0; i < n; i++)
        if (r->nodes[i]->mark && is_pool(r->nodes[i])) TN_TRY(look_at(b, r, r->nodes[i], err));
    return tn_region_order(b->arena, r, err);
}
