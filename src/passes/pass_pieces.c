/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_pieces.c - parts of a value that lie in one run of memory are looked at where they are instead of being copied:
 * slices and splits along the outermost dimension that is not 1, and rows of arrays.
 *
 * Invariants: what a region gives back is never such a look (a loop replaces what it would look at; a fetched value
 * must outlive its feed). A look keeps alive what it looks at.
 */
#include "../plan/array.h"
#include "columns.h"

static void keep(tn_pval v)
{
    while (v.node->op->flags & TN_ALIAS && v.index < v.node->n_in) v = v.node->in[v.index];
    v.node->mark = 1;
}

static bool is_plain(const tn_info *o)
{
    return tn_shape_known(&o->shape) && tn_shape_count(&o->shape) > 0 && tn_dtype_is_pod(o->dtype);
}

static bool takes_part(const tn_pnode *n)
{
    if (n->mark || n->n_control || n->effect || !n->n_in || !n->n_out) return false;
    for (int i = 0; i < n->n_in; i++)
        if (!tn_shape_known(&n->in[i].node->out[n->in[i].index].shape)) return false;
    for (int i = 0; i < n->n_out; i++)
        if (!is_plain(&n->out[i])) return false;
    return true;
}

static void become_piece(tn_pnode *n, int input, int64_t *offsets)
{
    n->op = &tn_array_piece;
    n->in[0] = n->in[input];
    n->n_in = 1;
    n->extra = offsets;
}

/* ==== slices ==== */

/* The move that the slice comes to, when it copies one run of elements. */
static bool is_one_run(const tn_move *m, int64_t *from)
{
    for (int k = 0; k < m->rank; k++)
        if (m->dim[k] != 1 && (k != m->rank - 1 || m->in[k] != 1 || m->out[k] != 1)) return false;
    *from = m->in0;
    return !m->empty && m->out0 == 0;
}

static tn_code take_slice(tn_binding *b, tn_pnode *n, tn_error *err)
{
    int64_t from, *offsets = TN_NEW(b->kept, int64_t);
    tn_move move;
    bool is_move;
    if (!offsets) return tn_no_memory(err, 0);
    TN_TRY(tn_slice_move(b, n, &move, &is_move, err));
    if (!is_move || !is_one_run(&move, &from)) return TN_OK;
    *offsets = from * (int64_t)tn_dtype_size(n->out[0].dtype);
    become_piece(n, 0, offsets);
    return TN_OK;
}

/* ==== splits ==== value and axis: inputs 1 and 0 of Split, 0 and 2 of SplitV */

static tn_code take_split(tn_binding *b, tn_pnode *n, int value, int axis_input, tn_error *err)
{
    const tn_info *x = &n->in[value].node->out[n->in[value].index];
    const tn_tensor *axis = n->in[axis_input].node->out[n->in[axis_input].index].value;
    if (!axis || tn_tensor_count(axis) != 1) return TN_OK;
    int64_t at = tn_tensor_int(axis, 0), offset = 0;
    if (at < 0) at += x->shape.rank;
    if (at < 0 || at >= x->shape.rank || tn_shape_product(&x->shape, 0, (int)at) != 1) return TN_OK;
    int64_t *offsets = TN_ARRAY(b->kept, n->n_out, int64_t);
    if (!offsets) return tn_no_memory(err, 0);
    for (int i = 0; i < n->n_out; i++) {
        offsets[i] = offset;
        offset += tn_shape_count(&n->out[i].shape) * (int64_t)tn_dtype_size(x->dtype);
    }
    if (offset == tn_shape_count(&x->shape) * (int64_t)tn_dtype_size(x->dtype)) become_piece(n, value, offsets);
    return TN_OK;
}

/* ==== the walk ==== */

static tn_code look_at(tn_binding *b, tn_pnode *n, tn_error *err)
{
    if (!takes_part(n)) return TN_OK;
    if (n->op == &tn_array_row) n->op = &tn_array_look;
    else if (tn_pnode_is(n, "Slice") || tn_pnode_is(n, "StridedSlice")) return take_slice(b, n, err);
    else if (tn_pnode_is(n, "Split")) return take_split(b, n, 1, 0, err);
    else if (tn_pnode_is(n, "SplitV")) return take_split(b, n, 0, 2, err);
    return TN_OK;
}

tn_code tn_pass_pieces(tn_binding *b, tn_region *r, tn_error *err)
{
    for (int i = 0; i < r->n_args; i++) r->args[i]->mark = 0;
    for (int i = 0; i < r->n_nodes; i++) r->nodes[i]->mark = 0;
    for (int i = 0; i < r->n_rets; i++) keep(r->rets[i]);
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(tn_pass_pieces(b, n->sub[s], err));
        if (!n->n_sub) TN_TRY(look_at(b, n, err));
    }
    return tn_region_order(b->arena, r, err);
}
