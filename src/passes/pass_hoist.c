/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_hoist.c - a product of one row of an array with a matrix, step by step in a loop that changes neither, is
 * done for all rows at once before the loop, with the bias that is added to it: a recurrent layer's input
 * projection. The loop looks up its row of the result.
 *
 * Rows are independent, so it does not matter which of them the loop looks at. Only where a step has few rows itself,
 * and the result is not large.
 */
#include "../plan/array.h"
#include "fused.h"

enum { FEW_ROWS = 128, MOST_BYTES = 1 << 26 };

typedef struct hoist {
    tn_binding *b;
    tn_region *outer;
    tn_pnode *loop;
} hoist;

static const tn_info *info_of(tn_pval v)
{
    return &v.node->out[v.index];
}

static bool is_argument(const hoist *h, const tn_pnode *n)
{
    const tn_region *body = h->loop->sub[1];
    return n->op == &tn_pseudo_arg && n->feed < body->n_args && body->args[n->feed] == n;
}

/* The value outside of the loop that v always is, v being an argument that the loop passes on; node NULL: none. */
static tn_pval outside(const hoist *h, tn_pval v)
{
    const tn_region *body = h->loop->sub[1];
    if (!is_argument(h, v.node) || body->rets[v.node->feed].node != v.node) return (tn_pval){0};
    return h->loop->in[v.node->feed];
}

static tn_pnode *new_outer(hoist *h, const tn_op *op, const tn_pnode *like, int n_in, const tn_shape *shape)
{
    tn_pnode *n = tn_pnode_new(h->b->arena, op, like->name, n_in, 1);
    if (!n || !tn_region_add(h->b->arena, h->outer, n)) return NULL;
    n->attrs = like->attrs;
    n->out[0] = (tn_info){.dtype = TN_FLOAT, .shape = *shape, .bound = -1};
    return n;
}

/* A constant, or what the loop passes on, for use outside; node NULL: it is neither, or there is no memory. */
static tn_pval operand_outside(hoist *h, tn_pval v)
{
    if (!info_of(v)->value) return outside(h, v);
    tn_pnode *n = new_outer(h, &tn_pseudo_constant, v.node, 0, &info_of(v)->shape);
    if (n) n->out[0] = *info_of(v);
    return (tn_pval){n, 0};
}

static bool append(hoist *h, tn_pval **list, int n, tn_pval v)
{
    tn_pval *grown = TN_ARRAY(h->b->arena, n + 1, tn_pval);
    if (!grown) return false;
    memcpy(grown, *list, (size_t)n * sizeof *grown);
    grown[n] = v;
    *list = grown;
    return true;
}

static bool append_argument(hoist *h, tn_region *s, const tn_info *info, const char *name)
{
    tn_pnode **grown = TN_ARRAY(h->b->arena, s->n_args + 1, tn_pnode *);
    tn_pnode *arg = tn_pnode_new(h->b->arena, &tn_pseudo_arg, name, 0, 1);
    if (!grown || !arg) return false;
    memcpy(grown, s->args, (size_t)s->n_args * sizeof *grown);
    arg->feed = s->n_args;
    arg->out[0] = *info;
    arg->order = -1;
    grown[s->n_args++] = arg;
    s->args = grown;
    return true;
}

/* One more value that the loop passes on; its argument in the body, NULL: no memory. */
static tn_pnode *add_invariant(hoist *h, tn_pval v)
{
    tn_pnode *loop = h->loop;
    tn_region *body = loop->sub[1];
    tn_info *out = TN_ARRAY(h->b->arena, loop->n_out + 1, tn_info);
    if (!out || !append(h, &loop->in, loop->n_in, v)) return NULL;
    memcpy(out, loop->out, (size_t)loop->n_out * sizeof *out);
    for (int s = 0; s < 2; s++)
        if (!append_argument(h, loop->sub[s], info_of(v), v.node->name)) return NULL;
    tn_pnode *arg = body->args[body->n_args - 1];
    if (!append(h, &body->rets, body->n_rets, (tn_pval){arg, 0})) return NULL;
    out[loop->n_out] = *info_of(v);
    loop->out = out;
    loop->n_in++;
    loop->n_out++;
    body->n_rets++;
    return arg;
}

/* ==== products ==== */

static bool fits(const tn_pnode *n, const tn_info *array)
{
    const tn_shape *out = &n->out[0].shape;
    if (n->out[0].dtype != TN_FLOAT || !tn_shape_known(out) || out->dim[0] > FEW_ROWS || array->shape.rank != 3)
        return false;
    int64_t all = array->shape.dim[0];
    return all > 1 && tn_shape_count(out) > 0 && all <= MOST_BYTES / 4 / tn_shape_count(out);
}

/* product becomes a row of what is computed outside. */
static tn_code hoist_product(hoist *h, tn_pnode *product, bool *done, tn_error *err)
{
    tn_pnode *row = product->in[0].node;
    if (!tn_pnode_is(product, "MatMul") || row->op != &tn_array_row || product->n_control) return TN_OK;
    if (tn_attr_b(product->attrs, "transpose_a")) return TN_OK;
    const tn_pval array = outside(h, row->in[0]);
    if (!array.node || !fits(product, info_of(array))) return TN_OK;
    const tn_pval matrix = operand_outside(h, product->in[1]);
    if (!matrix.node) return TN_OK;
    const tn_shape *a = &info_of(array)->shape;
    const int64_t n = product->out[0].shape.dim[1], rows = a->dim[0] * a->dim[1];
    tn_pnode *flat = new_outer(h, &tn_array_view, product, 1, &(tn_shape){.rank = 2, .dim = {rows, a->dim[2]}});
    tn_pnode *all = new_outer(h, product->op, product, 2, &(tn_shape){.rank = 2, .dim = {rows, n}});
    tn_pnode *back = new_outer(h, &tn_array_view, product, 1, &(tn_shape){.rank = 3, .dim = {a->dim[0], a->dim[1], n}});
    if (!flat || !all || !back) return tn_no_memory(err, 0);
    flat->in[0] = array;
    all->in[0] = (tn_pval){flat, 0};
    all->in[1] = matrix;
    back->in[0] = (tn_pval){all, 0};
    tn_pnode *arg = add_invariant(h, (tn_pval){back, 0});
    if (!arg) return tn_no_memory(err, 0);
    product->op = &tn_array_row;
    product->in[0] = (tn_pval){arg, 0};
    product->in[1] = row->in[1];
    *done = true;
    return TN_OK;
}

/* ==== what is added to them ==== */

static bool is_addition(const tn_pnode *n)
{
    return tn_pnode_is(n, "AddV2") || tn_pnode_is(n, "Add") ||
           (tn_pnode_is(n, "BiasAdd") && !tn_attr_is(n->attrs, "data_format", "NCHW"));
}

static int uses_of(const tn_region *r, const tn_pnode *of)
{
    int uses = 0;
    for (int i = 0; i < r->n_nodes; i++) {
        for (int k = 0; k < r->nodes[i]->n_in; k++) uses += r->nodes[i]->in[k].node == of;
        for (int k = 0; k < r->nodes[i]->n_control; k++) uses += r->nodes[i]->control[k] == of;
    }
    for (int i = 0; i < r->n_rets; i++) uses += r->rets[i].node == of;
    return uses;
}

static bool is_bias(tn_pval v, const tn_pnode *row)
{
    const tn_info *o = info_of(v);
    return o->value && o->dtype == TN_FLOAT && o->shape.rank == 1 && o->shape.dim[0] == row->out[0].shape.dim[1];
}

/* n itself, or what it adds something of the same shape to, when that is a row that nobody else looks at. */
static tn_pnode *row_in(const hoist *h, tn_pnode *n)
{
    const tn_region *body = h->loop->sub[1];
    if (n->n_control || n->n_out != 1 || n->out[0].shape.rank != 2 || uses_of(body, n) != 1) return NULL;
    if (n->op == &tn_array_row) return n;
    if (!is_addition(n) || tn_pnode_is(n, "BiasAdd")) return NULL;
    for (int side = 0; side < 2; side++) {
        tn_pnode *row = n->in[side].node;
        if (row->op == &tn_array_row && uses_of(body, row) == 1 &&
            tn_shape_equal(&row->out[0].shape, &n->out[0].shape) &&
            tn_shape_equal(&info_of(n->in[1 - side])->shape, &n->out[0].shape))
            return row;
    }
    return NULL;
}

/* row + bias, or row + something + bias, row being of a hoisted product that nobody else looks at. */
static tn_code hoist_bias(hoist *h, tn_pnode *add, tn_error *err)
{
    if (!is_addition(add) || add->n_control || add->n_in != 2) return TN_OK;
    const int side = info_of(add->in[0])->value ? 1 : 0;
    tn_pnode *sum = add->in[side].node, *row = row_in(h, sum);
    if (!row || !is_bias(add->in[1 - side], row)) return TN_OK;
    if (!tn_shape_equal(&row->out[0].shape, &add->out[0].shape)) return TN_OK;
    const tn_pval back = outside(h, row->in[0]);
    if (!back.node || back.node->op != &tn_array_view || uses_of(h->loop->sub[1], row->in[0].node) != 2) return TN_OK;
    const tn_pval bias = operand_outside(h, add->in[1 - side]);
    tn_pnode *all = new_outer(h, add->op, add, 2, &info_of(back.node->in[0])->shape);
    if (!bias.node || !all) return tn_no_memory(err, 0);
    all->in[side] = back.node->in[0];
    all->in[1 - side] = bias;
    back.node->in[0] = (tn_pval){all, 0};
    tn_region_replace_node(h->loop->sub[1], add, sum);
    return TN_OK;
}

static tn_code hoist_from(tn_binding *b, tn_region *outer, tn_pnode *loop, bool *done, tn_error *err)
{
    hoist h = {b, outer, loop};
    tn_region *body = loop->sub[1];
    bool some = false;
    for (int i = 0; i < body->n_nodes; i++)
        if (body->nodes[i]->n_in == 2) TN_TRY(hoist_product(&h, body->nodes[i], &some, err));
    for (int i = 0; some && i < body->n_nodes; i++) TN_TRY(hoist_bias(&h, body->nodes[i], err));
    *done = *done || some;
    return some ? tn_region_order(b->arena, body, err) : TN_OK;
}

tn_code tn_pass_hoist(tn_binding *b, tn_region *r, tn_error *err)
{
    bool done = false;
    for (int i = 0, n = r->n_nodes; i < n; i++) {
        for (int s = 0; s < r->nodes[i]->n_sub; s++) TN_TRY(tn_pass_hoist(b, r->nodes[i]->sub[s], err));
        if (tn_pnode_is_loop(r->nodes[i])) TN_TRY(hoist_from(b, r, r->nodes[i], &done, err));
    }
    return done ? tn_region_order(b->arena, r, err) : TN_OK;
}
