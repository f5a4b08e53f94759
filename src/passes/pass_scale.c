/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_scale.c - factors on the channels of a convolution or matrix product whose weights are constant go into the
 * weights: batch normalization with known statistics, as one operator or spelled out, costs nothing then. What is
 * added becomes one bias, in the form that pass_bias.c takes.
 *
 * Only float, channels last, and only where nobody else looks at what is between.
 */
#include "fused.h"

#include <math.h>

enum { SCALED = -2 }; /* what a pack is, beside products' */

typedef struct weights { /* how the constant weights of a product are laid out */
    int input;       /* which input they are */
    int64_t inner;   /* weight i belongs to channel i / inner % channels */
    int64_t channels;
} weights;

static const tn_info *info_of(tn_pval v)
{
    return &v.node->out[v.index];
}

static const float *constant_of(tn_pval v)
{
    const tn_info *o = info_of(v);
    return o->value && o->dtype == TN_FLOAT ? TN_FLOATS(o->value) : NULL;
}

static bool is_weighted(const tn_pnode *n, weights *w)
{
    const tn_shape *out = &n->out[0].shape;
    if (n->n_out != 1 || n->out[0].dtype != TN_FLOAT || n->n_control) return false;
    if (!tn_shape_known(out) || out->rank < 2) return false;
    const bool transposed = tn_pnode_is(n, "Conv2DBackpropInput"), product = tn_pnode_is(n, "MatMul");
    const bool conv = transposed || tn_pnode_is(n, "Conv2D") || tn_pnode_is(n, "DepthwiseConv2dNative");
    if ((!conv && !product) || (conv && tn_attr_is(n->attrs, "data_format", "NCHW"))) return false;
    if (!constant_of(n->in[1])) return false;
    const tn_shape *s = &info_of(n->in[1])->shape;
    *w = (weights){.input = 1, .inner = 1, .channels = out->dim[out->rank - 1]};
    if (transposed) w->inner = s->dim[3];
    if (product && tn_attr_b(n->attrs, "transpose_b")) w->inner = s->dim[1];
    return w->channels > 0 && w->inner > 0;
}

static tn_code new_constant(tn_binding *b, tn_region *r, const tn_pnode *like, const tn_shape *shape, tn_pnode **out,
                            float **data, tn_error *err)
{
    tn_tensor *t;
    tn_pnode *n = tn_pnode_new(b->arena, &tn_pseudo_constant, like->name, 0, 1);
    if (!n || !tn_region_add(b->arena, r, n)) return tn_no_memory(err, sizeof *n);
    TN_TRY(tn_tensor_alloc(TN_FLOAT, shape, &t, err));
    TN_TRY(tn_binding_own(b, t, err));
    n->attrs = like->attrs;
    n->order = -1;
    n->out[0] = (tn_info){.dtype = TN_FLOAT, .shape = *shape, .value = t, .bound = -1};
    *out = n;
    *data = TN_FLOATS(t);
    return TN_OK;
}

/* The product's weights times factor: another constant, which all programs that come to it share. */
static tn_code change_weights(tn_binding *b, tn_region *r, tn_pnode *product, const weights *w, const float *factor,
                              int64_t count, tn_error *err)
{
    const tn_info *from = info_of(product->in[w->input]);
    tn_pack_factors *f = tn_arena_alloc(b->arena, sizeof *f + (size_t)count * sizeof *factor);
    if (!f) return tn_no_memory(err, sizeof *f);
    *f = (tn_pack_factors){w->inner, w->channels, count, tn_shape_count(&from->shape)};
    memcpy(f->factor, factor, (size_t)count * sizeof *factor);
    const uint64_t factors = tn_hash(factor, (size_t)count * sizeof *factor);
    const int64_t key[4] = {SCALED, w->inner << 32 | w->channels, f->all, (int64_t)factors};
    tn_tensor *t;
    TN_TRY(tn_pack_tensor(&b->store->packs, from->value, key, f, &t, err));
    TN_TRY(tn_binding_own(b, t, err));
    tn_pnode *changed = tn_pnode_new(b->arena, &tn_pseudo_constant, product->name, 0, 1);
    if (!changed || !tn_region_add(b->arena, r, changed)) return tn_no_memory(err, sizeof *changed);
    changed->attrs = product->attrs;
    changed->order = -1;
    changed->out[0] = (tn_info){.dtype = TN_FLOAT, .shape = from->shape, .value = t, .bound = -1};
    product->in[w->input] = (tn_pval){changed, 0};
    return TN_OK;
}

typedef struct numbers { /* one a channel, or one for all; v NULL: not there */
    const float *v;
    int64_t count;
} numbers;

static float at(numbers x, int64_t i, float otherwise)
{
    return x.v ? x.v[x.count == 1 ? 0 : i] : otherwise;
}

/* The vector old * factor + more becomes input `side` of the addition n. */
static tn_code set_bias(tn_binding *b, tn_region *r, tn_pnode *n, int side, int64_t channels, numbers old,
                        numbers factor, numbers more, tn_error *err)
{
    float *v = NULL;
    tn_pnode *bias = NULL;
    TN_TRY(new_constant(b, r, n, &(tn_shape){.rank = 1, .dim = {channels}}, &bias, &v, err));
    for (int64_t i = 0; i < channels; i++) v[i] = at(old, i, 0) * at(factor, i, 1) + at(more, i, 0);
    n->in[side] = (tn_pval){bias, 0};
    return TN_OK;
}

/* ==== what there is ==== */

typedef struct found {
    tn_pnode *product, *add; /* add: of a bias to it already; NULL: there is none */
    int bias_input;
    weights w;
    numbers bias;
} found;

static bool is_addition(const tn_pnode *n)
{
    return n->n_in == 2 && (tn_pnode_is(n, "AddV2") || tn_pnode_is(n, "Add") ||
                            (tn_pnode_is(n, "BiasAdd") && !tn_attr_is(n->attrs, "data_format", "NCHW")));
}

static numbers per_channel(tn_pval v, int64_t channels)
{
    const tn_shape *s = &info_of(v)->shape;
    numbers x = {constant_of(v), tn_shape_count(s)};
    if (x.count != 1 && (x.count != channels || s->dim[s->rank - 1] != channels)) x.v = NULL;
    return x;
}

/* v is a product, or one with a bias, that only one node looks at, whose channels are v's last dimension. */
static bool find_product(tn_pval v, found *f)
{
    const tn_pval top = tn_region_through_views(v);
    tn_pnode *n = top.node;
    *f = (found){0};
    if (n->mark == 1 && !n->effect && is_weighted(n, &f->w)) {
        f->product = n;
    } else if (n->mark == 1 && !n->effect && !n->n_control && is_addition(n)) {
        for (int side = 0; side < 2 && !f->product; side++) {
            tn_pnode *p = tn_region_through_views(n->in[side]).node;
            if (p->mark != 1 || p->effect || !is_weighted(p, &f->w)) continue;
            f->bias = per_channel(n->in[1 - side], f->w.channels);
            if (!f->bias.v || !tn_shape_equal(&info_of(n->in[side])->shape, &n->out[0].shape)) continue;
            f->product = p;
            f->add = n;
            f->bias_input = 1 - side;
        }
    }
    const tn_shape *s = &info_of(v)->shape;
    return f->product && s->rank > 0 && s->dim[s->rank - 1] == f->w.channels;
}

/* Input `side` of n stands for n. */
static void give_way(tn_region *r, tn_pnode *n, int side)
{
    tn_pnode *to = n->in[side].node;
    to->mark = n->mark;
    tn_region_replace_node(r, n, to);
    n->mark = 0;
}

static tn_code multiply(tn_binding *b, tn_region *r, const found *f, numbers factor, numbers more, tn_error *err)
{
    TN_TRY(change_weights(b, r, f->product, &f->w, factor.v, factor.count, err));
    if (!f->add) return TN_OK;
    return set_bias(b, r, f->add, f->bias_input, f->w.channels, f->bias, factor, more, err);
}

/* ==== the operators ==== */

static bool keeps_shape(const tn_pnode *n, int side)
{
    return tn_shape_equal(&info_of(n->in[side])->shape, &n->out[0].shape);
}

static tn_code take_factor(tn_binding *b, tn_region *r, tn_pnode *n, tn_error *err)
{
    found f;
    for (int side = 0; side < 2; side++) {
        if (!keeps_shape(n, side) || !find_product(n->in[side], &f)) continue;
        const numbers factor = per_channel(n->in[1 - side], f.w.channels);
        if (!factor.v) continue;
        TN_TRY(multiply(b, r, &f, factor, (numbers){0}, err));
        give_way(r, n, side);
        return TN_OK;
    }
    return TN_OK;
}

/* product + a + b: one bias; and what is added as [1, 1, 1, channels], or taken away, becomes an added vector. */
static tn_code take_sum(tn_binding *b, tn_region *r, tn_pnode *n, tn_error *err)
{
    found f;
    const bool minus = tn_pnode_is(n, "Sub");
    const float sign = minus ? -1 : 1;
    for (int side = 0; side < (minus ? 1 : 2); side++) {
        if (!keeps_shape(n, side) || !find_product(n->in[side], &f)) continue;
        const numbers more = per_channel(n->in[1 - side], f.w.channels), by = {&sign, 1};
        if (!more.v) continue;
        if (f.add) {
            TN_TRY(set_bias(b, r, f.add, f.bias_input, f.w.channels, more, by, f.bias, err));
            give_way(r, n, side);
            return TN_OK;
        }
        if (!minus && info_of(n->in[1 - side])->shape.rank == 1) continue;
        n->op = tn_op_find("AddV2");
        return set_bias(b, r, n, 1 - side, f.w.channels, more, by, (numbers){0}, err);
    }
    return TN_OK;
}

static bool is_looked_at(const tn_region *r, tn_pval v)
{
    for (int i = 0; i < r->n_nodes; i++)
        for (int k = 0; k < r->nodes[i]->n_in; k++)
            if (r->nodes[i]->in[k].node == v.node && r->nodes[i]->in[k].index == v.index) return true;
    for (int i = 0; i < r->n_rets; i++)
        if (r->rets[i].node == v.node && r->rets[i].index == v.index) return true;
    return false;
}

/* FusedBatchNorm of a product, with known statistics: x * factor + offset - mean * factor. */
static tn_code norm_as_sum(tn_binding *b, tn_region *r, tn_pnode *n, const found *f, const numbers *in, tn_error *err)
{
    const int64_t channels = f->w.channels;
    const float epsilon = tn_attr_f(n->attrs, "epsilon");
    float *factor = TN_ARRAY(b->arena, channels, float), *bias = TN_ARRAY(b->arena, channels, float);
    if (!factor || !bias) return tn_no_memory(err, (size_t)channels * sizeof *bias);
    for (int64_t i = 0; i < channels; i++) {
        factor[i] = at(in[1], i, 1) / sqrtf(at(in[4], i, 1) + epsilon);
        bias[i] = at(in[2], i, 0) - at(in[3], i, 0) * factor[i];
    }
    const numbers by = {factor, channels}, more = {bias, channels};
    TN_TRY(multiply(b, r, f, by, more, err));
    if (f->add) {
        give_way(r, n, 0);
        return TN_OK;
    }
    n->op = tn_op_find("AddV2");
    n->n_in = 2;
    n->n_out = 1;
    return set_bias(b, r, n, 1, channels, more, (numbers){0}, (numbers){0}, err);
}

static tn_code take_norm(tn_binding *b, tn_region *r, tn_pnode *n, tn_error *err)
{
    found f;
    numbers in[5];
    if (tn_attr_b(n->attrs, "is_training") || tn_attr_is(n->attrs, "data_format", "NCHW") || n->n_control) return TN_OK;
    if (!keeps_shape(n, 0) || !find_product(n->in[0], &f)) return TN_OK;
    for (int i = 1; i < 5; i++) {
        in[i] = per_channel(n->in[i], f.w.channels);
        if (!in[i].v || in[i].count != f.w.channels) return TN_OK;
    }
    for (int k = 1; k < n->n_out; k++)
        if (is_looked_at(r, (tn_pval){n, k})) return TN_OK;
    return norm_as_sum(b, r, n, &f, in, err);
}

static tn_code look_at(tn_binding *b, tn_region *r, tn_pnode *n, tn_error *err)
{
    if (n->effect || n->n_sub || !n->n_out || n->out[0].dtype != TN_FLOAT) return TN_OK;
    if (!tn_shape_known(&n->out[0].shape)) return TN_OK;
    if (tn_pnode_is(n, "Mul")) return n->n_control ? TN_OK : take_factor(b, r, n, err);
    if (is_addition(n) || tn_pnode_is(n, "Sub")) return n->n_control ? TN_OK : take_sum(b, r, n, err);
    return strncmp(n->op->name, "FusedBatchNorm", 14) == 0 && n->n_in >= 5 ? take_norm(b, r, n, err) : TN_OK;
}

/* In order, so that what is found is what is left of the nodes before. */
tn_code tn_pass_fuse_scale(tn_binding *b, tn_region *r, tn_error *err)
{
    int n = r->n_nodes;
    for (int i = 0; i < n; i++)
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_pass_fuse_scale(b, r->nodes[i]->sub[s], err));
    tn_region_count_uses(r);
    for (int i = 0; i < n; i++)
        if (r->nodes[i]->mark) TN_TRY(look_at(b, r, r->nodes[i], err));
    return tn_region_order(b->arena, r, err);
}
