/* SPDX-License-Identifier: Apache-2.0
 *
 * columns.c - what slices and splits copy, known before anything runs: one run of elements, or some columns of a
 * matrix. Passes let others read it where it lies.
 */
#include "columns.h"

static const tn_info *info_of(tn_pval v)
{
    return &v.node->out[v.index];
}

tn_code tn_slice_move(tn_binding *b, const tn_pnode *n, tn_move *move, bool *is_move, tn_error *err)
{
    tn_tensor *views = TN_ARRAY(b->arena, n->n_in + 1, tn_tensor);
    const tn_tensor **in = TN_ARRAY(b->arena, n->n_in + 1, const tn_tensor *);
    bool constant[8] = {false};
    *is_move = false;
    if (!views || !in) return tn_no_memory(err, 0);
    if (n->n_in > (int)TN_COUNT(constant)) return TN_OK;
    for (int i = 0; i < n->n_in; i++) {
        const tn_info *o = info_of(n->in[i]);
        if (i && !o->value) return TN_OK;
        constant[i] = i > 0;
        views[i] = tn_tensor_view(o->dtype, &o->shape, i ? o->value->data : NULL);
        in[i] = &views[i];
    }
    views[n->n_in] = tn_tensor_view(n->out[0].dtype, &n->out[0].shape, NULL);
    const tn_tensor *out = &views[n->n_in];
    tn_prepare p = {.op = n->op, .name = n->name, .attrs = n->attrs, .n_in = n->n_in, .n_out = 1, .in = in, .out = &out,
                    .is_constant = constant, .threads = 1, .arena = b->arena, .run = n->op->run};
    if (n->op->prepare(&p, NULL) != TN_OK) return TN_OK; /* the step itself will say so */
    if (p.run == tn_run_move) {
        *move = *(const tn_move *)p.params;
        *is_move = true;
    }
    if (p.done) p.done(p.params);
    return TN_OK;
}

/* ==== columns ==== */

/* Every row's elements [from, from + columns) of rows that are pitch apart, written tightly. */
static bool is_columns(const tn_move *m, int64_t columns, int64_t pitch)
{
    const int last = m->rank - 1;
    if (m->empty || m->out0 || m->rank < 1 || m->rank > 2) return false;
    if (columns == 1) return m->rank == 1 && m->out[0] == 1 && m->in[0] == pitch;
    if (m->dim[last] != columns || m->in[last] != 1 || m->out[last] != 1) return false;
    return m->rank == 1 || (m->in[0] == pitch && m->out[0] == columns);
}

static bool slice_columns(tn_binding *b, tn_pval v, tn_columns *c)
{
    const tn_shape *out = &v.node->out[0].shape, *in = &info_of(v.node->in[0])->shape;
    tn_move m;
    bool is_move;
    if (tn_slice_move(b, v.node, &m, &is_move, NULL) != TN_OK || !is_move) return false;
    if (!is_columns(&m, out->dim[out->rank - 1], in->dim[in->rank - 1])) return false;
    if (m.in0 + out->dim[out->rank - 1] > in->dim[in->rank - 1]) return false; /* not from the first row on */
    *c = (tn_columns){v.node->in[0], m.in0, in->dim[in->rank - 1]};
    return true;
}

/* value and axis: inputs 1 and 0 of Split, 0 and 2 of SplitV */
static bool split_columns(tn_pval v, int value, int axis_input, tn_columns *c)
{
    const tn_shape *in = &info_of(v.node->in[value])->shape;
    const tn_tensor *axis = info_of(v.node->in[axis_input])->value;
    if (!axis || tn_tensor_count(axis) != 1) return false;
    const int64_t at = tn_tensor_int(axis, 0);
    if (at != -1 && at != in->rank - 1) return false;
    *c = (tn_columns){v.node->in[value], 0, in->dim[in->rank - 1]};
    for (int i = 0; i < v.index; i++) c->offset += v.node->out[i].shape.dim[in->rank - 1];
    return c->offset + v.node->out[v.index].shape.dim[in->rank - 1] <= c->pitch;
}

/* All dimensions known and the same, but for the last. */
static bool same_rows(const tn_shape *a, const tn_shape *b)
{
    if (!tn_shape_known(a) || !tn_shape_known(b) || a->rank != b->rank || a->rank < 1) return false;
    for (int i = 0; i < a->rank - 1; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return tn_shape_count(a) > 0;
}

bool tn_columns_of(tn_binding *b, tn_pval v, tn_columns *out)
{
    const tn_pnode *n = v.node;
    const bool slice = tn_pnode_is(n, "Slice") || tn_pnode_is(n, "StridedSlice");
    const int value = tn_pnode_is(n, "Split") ? 1 : slice || tn_pnode_is(n, "SplitV") ? 0 : -1;
    if (value < 0 || n->n_control || n->effect || n->n_in <= value) return false;
    if (!same_rows(&n->out[v.index].shape, &info_of(n->in[value])->shape)) return false;
    if (slice) return slice_columns(b, v, out);
    return n->n_in > 2 - 2 * value && split_columns(v, value, value ? 0 : 2, out);
}
