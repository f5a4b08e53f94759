/* SPDX-License-Identifier: Apache-2.0
 *
 * op_xla.c - those operators of XLA that Keras 3's slice_update, text generation, jax2tf and gradients of compiled
 * functions leave in plain graphs: slices whose place is moved so far that they lie within the tensor, and padding.
 */
#include "op_move.h"

/* A vector with an element for each dimension of input 0. */
static tn_code check_index(const tn_infer *c, int i, tn_error *err)
{
    const tn_shape *s = &c->in[i]->shape, *in = &c->in[0]->shape;
    if (s->rank < 0 || (s->rank == 1 && (in->rank < 0 || s->dim[0] < 0 || s->dim[0] == in->rank))) return TN_OK;
    char a[96], b[96];
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "index must be a vector with length equal to the number of input dimensions, but got shape %s "
                   "for input shape %s",
                   tn_shape_text(s, a, sizeof a), tn_shape_text(in, b, sizeof b));
}

/* The move between a tensor of shape whole, from `start` on, and one of shape part: out of it or, into, there. */
static tn_code part_move(const tn_tensor *start, const tn_shape *whole, const tn_shape *part, tn_dtype t, bool into,
                         tn_move *m, tn_error *err)
{
    int64_t ws[TN_MAX_RANK], ps[TN_MAX_RANK], at = 0;
    tn_shape_strides(whole, ws);
    tn_shape_strides(part, ps);
    for (int k = 0; k < part->rank; k++) {
        int64_t last = whole->dim[k] - part->dim[k], first = tn_tensor_int(start, k);
        at += (first < 0 ? 0 : TN_MIN(first, last)) * ws[k];
        tn_move_dim(m, part->dim[k], into ? ws[k] : ps[k], into ? ps[k] : ws[k]);
    }
    if (into)
        m->out0 = at;
    else
        m->in0 = at;
    return tn_move_ready(m, t, 1, err);
}

/* ==== XlaDynamicSlice ==== input start size */

static tn_code slice_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape size;
    TN_TRY(check_index(c, 1, err));
    TN_TRY(check_index(c, 2, err));
    if (!tn_info_ints(c->in[2], &size)) return TN_OK;
    tn_infer_set_rank(c, 0, size.rank);
    for (int k = 0; k < c->out[0].shape.rank; k++) {
        if (size.dim[k] == TN_UNKNOWN_INT) continue;
        int64_t dim = in->rank < 0 ? -1 : in->dim[k];
        if (size.dim[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Negative size index to dynamic slice: %lld.",
                           (long long)size.dim[k]);
        if (dim >= 0 && size.dim[k] > dim)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Slice dim size %lld greater than dynamic slice dimension: %lld.",
                           (long long)size.dim[k], (long long)dim);
        c->out[0].shape.dim[k] = size.dim[k];
    }
    return TN_OK;
}

static tn_code slice_run(tn_run *r, tn_error *err)
{
    tn_move m = {0};
    tn_tensor *out = r->out[0];
    TN_TRY(part_move(r->in[1], &r->in[0]->shape, &out->shape, out->dtype, false, &m, err));
    return tn_move_run(&m, out, r->in[0], err);
}

const tn_op tn_op_XlaDynamicSlice = {
    .name = "XlaDynamicSlice",
    .sig = "input:T start_indices:Tindices size_indices:Tindices -> output:T; T:type Tindices:type{int32,int64}",
    .infer = slice_infer,
    .run = slice_run,
    .values = TN_BIT(2),
};

/* ==== XlaDynamicUpdateSlice ==== input update start */

static tn_code update_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape, *update = &c->in[1]->shape;
    char a[96], b[96];
    TN_TRY(check_index(c, 2, err));
    if (in->rank >= 0 && update->rank >= 0 && in->rank != update->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "input and update must have the same rank, input shape is %s; update shape is %s",
                       tn_shape_text(in, a, sizeof a), tn_shape_text(update, b, sizeof b));
    for (int k = 0; k < in->rank && update->rank >= 0; k++)
        if (in->dim[k] >= 0 && update->dim[k] > in->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Update dim size %lld greater than dynamic slice dimension: %lld.",
                           (long long)update->dim[k], (long long)in->dim[k]);
    c->out[0].shape = *in;
    return TN_OK;
}

static tn_code update_run(tn_run *r, tn_error *err)
{
    tn_move m = {0};
    TN_TRY(tn_run_copy(r, err));
    TN_TRY(part_move(r->in[2], &r->out[0]->shape, &r->in[1]->shape, r->out[0]->dtype, true, &m, err));
    return tn_move_run(&m, r->out[0], r->in[1], err);
}

const tn_op tn_op_XlaDynamicUpdateSlice = {
    .name = "XlaDynamicUpdateSlice",
    .sig = "input:T update:T indices:Tindices -> output:T; T:type Tindices:type{int32,int64}",
    .infer = update_infer,
    .run = update_run,
    .flags = TN_INPLACE_FIRST,
};

/* ==== XlaPad ==== input padding_value low high interior: negative, low and high take away */

enum { LOW = 2, HIGH, INTERIOR };

static tn_code check_padding(const tn_infer *c, int i, int rank, tn_error *err)
{
    static const char *const names[] = {[LOW] = "padding_low", "padding_high", "padding_interior"};
    const tn_shape *s = &c->in[i]->shape;
    if (s->rank >= 0 && s->rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be a 1D tensor", names[i]);
    if (s->rank < 0 || s->dim[0] < 0 || rank < 0 || s->dim[0] == rank) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "The size of %s must be equal to the input rank. Got: %lld and %d",
                   names[i], (long long)s->dim[0], rank);
}

/* What becomes of a dimension; negative: too much is taken away. */
static int64_t padded(int64_t n, int64_t low, int64_t high, int64_t interior)
{
    return low + n + high + TN_MAX(n - 1, 0) * interior;
}

static bool too_far(int64_t n, int64_t low, int64_t high, int64_t interior)
{
    const int64_t most = INT64_MAX / 4;
    return n > most || low > most || low < -most || high > most || high < -most || interior > most / TN_MAX(n - 1, 1);
}

static tn_code pad_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape by[INTERIOR + 1];
    TN_TRY(tn_infer_rank(c, 1, 0, err));
    for (int i = LOW; i <= INTERIOR; i++) TN_TRY(check_padding(c, i, in->rank, err));
    if (in->rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, in->rank);
    for (int i = LOW; i <= INTERIOR; i++)
        if (!tn_info_ints(c->in[i], &by[i])) return TN_OK;
    for (int k = 0; k < in->rank; k++) {
        int64_t low = by[LOW].dim[k], high = by[HIGH].dim[k], interior = by[INTERIOR].dim[k];
        if (interior != TN_UNKNOWN_INT && interior < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "padding_interior must contain only non-negative values, got %lld",
                           (long long)interior);
        if (low == TN_UNKNOWN_INT || high == TN_UNKNOWN_INT || interior == TN_UNKNOWN_INT || in->dim[k] < 0) continue;
        if (too_far(in->dim[k], low, high, interior))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Paddings are too large: %lld %lld %lld", (long long)low,
                           (long long)high, (long long)interior);
        c->out[0].shape.dim[k] = padded(in->dim[k], low, high, interior);
        if (c->out[0].shape.dim[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "resulting padded dimension has negative size: %lld ",
                           (long long)c->out[0].shape.dim[k]);
    }
    return TN_OK;
}

static int64_t divided_up(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : (a - 1) / b + 1;
}

static tn_code pad_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(in, is);
    tn_shape_strides(out, os);
    for (int k = 0; k < in->rank; k++) {
        int64_t n = in->dim[k], low = tn_tensor_int(p->in[LOW], k);
        int64_t step = n > 1 ? 1 + tn_tensor_int(p->in[INTERIOR], k) : 1, first = TN_MIN(n, divided_up(-low, step));
        int64_t end = TN_MIN(n, divided_up(out->dim[k] - low, step));
        m->in0 += first * is[k];
        m->out0 += (low + first * step) * os[k];
        tn_move_dim(m, TN_MAX(end - first, 0), step * os[k], is[k]);
    }
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

static tn_code pad_run(tn_run *r, tn_error *err)
{
    TN_TRY(tn_move_fill(r->out[0], 0, tn_tensor_count(r->out[0]), r->in[1], 0, err));
    return tn_run_move(r, err);
}

const tn_op tn_op_XlaPad = {
    .name = "XlaPad",
    .sig = "input:T padding_value:T padding_low:Tindices padding_high:Tindices padding_interior:Tindices -> output:T; "
           "T:type Tindices:type{int32,int64}",
    .infer = pad_infer,
    .prepare = pad_prepare,
    .run = pad_run,
    .values = TN_BIT(LOW) | TN_BIT(HIGH) | TN_BIT(INTERIOR),
};
