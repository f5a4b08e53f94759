/* SPDX-License-Identifier: Apache-2.0
 *
 * op_transpose.c - operators that change the order of elements: Transpose, ConjugateTranspose,
 * InvertPermutation, Reverse, ReverseV2, ReverseSequence, Roll.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== Transpose, ConjugateTranspose ==== */

static tn_code check_perm(const tn_shape *perm, int rank, tn_error *err)
{
    bool seen[TN_MAX_RANK] = {false};
    char text[4 * TN_MAX_RANK] = ""; /* each has one or two digits */
    size_t at = 0;
    if (perm->rank != rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "transpose expects a vector of size %d. But input(1) is a vector of size %d", rank,
                       perm->rank);
    for (int k = 0; k < rank; k++) {
        int64_t d = perm->dim[k];
        if (d < -rank || d >= rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%lld is out of range [0 .. %d)", (long long)d, rank);
        if (d < 0) d += rank;
        seen[d] = true;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", k ? "," : "", (long long)d);
    }
    for (int d = 0; d < rank; d++)
        if (!seen[d]) return tn_fail(err, TN_INVALID_ARGUMENT, "%d is missing from {%s}.", d, text);
    return TN_OK;
}

static tn_code transpose_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape, *v = &c->in[1]->shape;
    tn_shape perm;
    int rank = in->rank;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (v->rank == 1 && v->dim[0] >= 0) {
        if (rank >= 0 && v->dim[0] != rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "transpose expects a vector of size %d. But input(1) is a vector of size %lld",
                           rank, (long long)v->dim[0]);
        rank = (int)TN_MIN(v->dim[0], TN_MAX_RANK + 1);
    }
    if (rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, rank);
    if (in->rank < 0) return TN_OK;
    const tn_tensor *value = c->in[1]->value;
    if (!value) return TN_OK;
    TN_TRY(tn_ints_of(value, "perm", &perm, err));
    TN_TRY(check_perm(&perm, rank, err));
    for (int k = 0; k < rank; k++)
        c->out[0].shape.dim[k] = in->dim[perm.dim[k] < 0 ? perm.dim[k] + rank : perm.dim[k]];
    return TN_OK;
}

static tn_code transpose_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    tn_shape perm;
    TN_PARAMS(p, tn_move, m);
    TN_TRY(tn_ints_of(p->in[1], "perm", &perm, err));
    TN_TRY(check_perm(&perm, in->rank, err));
    tn_shape_strides(in, is);
    tn_shape_strides(out, os);
    for (int k = 0; k < in->rank; k++)
        tn_move_dim(m, out->dim[k], os[k], is[perm.dim[k] < 0 ? perm.dim[k] + in->rank : perm.dim[k]]);
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

static tn_code conjugate_transpose_run(tn_run *r, tn_error *err)
{
    tn_tensor *out = r->out[0];
    TN_TRY(tn_run_move(r, err));
    if (!tn_dtype_is_complex(out->dtype)) return TN_OK;
    const void *in[1] = {out->data};
    return tn_pw_flat(TN_PW_CONJ, out->dtype, 0, tn_tensor_count(out), in, out->data, r->threads, err);
}

static tn_code transpose_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node back = tn_op(g->b, "InvertPermutation", TN_INPUTS(tn_grad_in(g, 1)), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(g->b, g->op->type, TN_INPUTS(tn_grad_dy(g, 0), back), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Transpose = {
    .name = "Transpose",
    .sig = "x:T perm:Tperm -> y:T; T:type Tperm:type{int32,int64}=int32",
    .infer = transpose_infer,
    .prepare = transpose_prepare,
    .run = tn_run_move,
    .grad = transpose_grad,
    .values = TN_BIT(1),
};
const tn_op tn_op_ConjugateTranspose = {
    .name = "ConjugateTranspose",
    .sig = "x:T perm:Tperm -> y:T; T:type Tperm:type{int32,int64}=int32",
    .infer = transpose_infer,
    .prepare = transpose_prepare,
    .run = conjugate_transpose_run,
    .grad = transpose_grad,
    .values = TN_BIT(1),
};

/* ==== InvertPermutation ==== */

static tn_code invert_infer(tn_infer *c, tn_error *err)
{
    tn_shape p, q;
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    c->out[0].shape = c->in[0]->shape;
    if (!tn_info_ints(c->in[0], &p)) return TN_OK;
    q.rank = p.rank;
    for (int k = 0; k < p.rank; k++) q.dim[k] = TN_UNKNOWN_INT;
    for (int k = 0; k < p.rank; k++)
        if (p.dim[k] >= 0 && p.dim[k] < p.rank) q.dim[p.dim[k]] = k;
    tn_infer_set_ints(c, 0, &q);
    return TN_OK;
}

static tn_code invert_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    tn_tensor *out = r->out[0];
    int64_t n = tn_tensor_count(in);
    bool wide = out->dtype == TN_INT64;
    for (int64_t k = 0; k < n; k++) {
        if (wide)
            TN_INT64S(out)[k] = -1;
        else
            TN_INT32S(out)[k] = -1;
    }
    for (int64_t k = 0; k < n; k++) {
        int64_t d = tn_tensor_int(in, k);
        if (d < 0 || d >= n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%lld is not between 0 and %lld", (long long)d,
                           (long long)n);
        if (tn_tensor_int(out, d) != -1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%lld is duplicated in the input.", (long long)d);
        if (wide)
            TN_INT64S(out)[d] = k;
        else
            TN_INT32S(out)[d] = (int32_t)k;
    }
    return TN_OK;
}

const tn_op tn_op_InvertPermutation = {
    .name = "InvertPermutation",
    .sig = "x:T -> y:T; T:type{int32,int64}=int32",
    .infer = invert_infer,
    .run = invert_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== Reverse, ReverseV2 ==== */

static tn_code reverse_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    return tn_infer_like_first(c, err);
}

/* The move that turns the dimensions marked. */
static tn_code reverse_dims(tn_prepare *p, const bool *turned, tn_error *err)
{
    const tn_shape *s = &p->in[0]->shape;
    int64_t strides[TN_MAX_RANK];
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(s, strides);
    for (int k = 0; k < s->rank; k++) {
        if (turned[k] && s->dim[k] > 0) m->in0 += (s->dim[k] - 1) * strides[k];
        tn_move_dim(m, s->dim[k], strides[k], turned[k] ? -strides[k] : strides[k]);
    }
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

static tn_code reverse_prepare(tn_prepare *p, tn_error *err)
{
    bool turned[TN_MAX_RANK] = {false};
    int rank = p->in[0]->shape.rank;
    if (tn_tensor_count(p->in[1]) != rank)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "'dims' must have the same number of values as 'tensor' has dimensions: %lld vs. %d",
                       (long long)tn_tensor_count(p->in[1]), rank);
    for (int k = 0; k < rank; k++) turned[k] = ((const bool *)p->in[1]->data)[k];
    return reverse_dims(p, turned, err);
}

static tn_code reverse_v2_prepare(tn_prepare *p, tn_error *err)
{
    bool turned[TN_MAX_RANK] = {false};
    int rank = p->in[0]->shape.rank;
    tn_shape axes;
    TN_TRY(tn_ints_of(p->in[1], "axis", &axes, err));
    for (int k = 0; k < axes.rank; k++) {
        int64_t a = axes.dim[k] < 0 ? axes.dim[k] + rank : axes.dim[k];
        if (a < 0 || a >= rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "'axis'[%d] = %lld is out of valid range [0, %d", k,
                           (long long)axes.dim[k], rank - 1);
        if (turned[a])
            return tn_fail(err, TN_INVALID_ARGUMENT, "axis %lld specified more than once.", (long long)a);
        turned[a] = true;
    }
    return reverse_dims(p, turned, err);
}

static tn_code reverse_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_op(g->b, g->op->type, TN_INPUTS(tn_grad_dy(g, 0), tn_grad_in(g, 1)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Reverse = {
    .name = "Reverse",
    .sig = "tensor:T dims:bool -> output:T; "
           "T:type{uint8,int8,uint16,int16,uint32,int32,uint64,int64,bool,bfloat16,half,float,double,"
           "complex64,complex128,string}",
    .infer = reverse_infer,
    .prepare = reverse_prepare,
    .run = tn_run_move,
    .grad = reverse_grad,
    .values = TN_BIT(1),
};
const tn_op tn_op_ReverseV2 = {
    .name = "ReverseV2",
    .sig = "tensor:T axis:Tidx -> output:T; Tidx:type{int32,int64}=int32 "
           "T:type{uint8,int8,uint16,int16,int32,uint32,int64,uint64,bool,bfloat16,half,float,double,"
           "complex64,complex128,string}",
    .infer = reverse_infer,
    .prepare = reverse_v2_prepare,
    .run = tn_run_move,
    .grad = reverse_grad,
    .values = TN_BIT(1),
};

/* ==== ReverseSequence ==== */

static tn_code reverse_sequence_infer(tn_infer *c, tn_error *err)
{
    int64_t seq = tn_attr_i(c->attrs, "seq_dim"), batch = tn_attr_i(c->attrs, "batch_dim"), n;
    const tn_shape *in = &c->in[0]->shape, *v = &c->in[1]->shape;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (in->rank >= 0) {
        if (batch < 0 || batch >= in->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "batch_dim must be < input rank (%lld vs. %d)",
                           (long long)batch, in->rank);
        if (seq < 0 || seq >= in->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "seq_dim must be < input rank (%lld vs. %d)",
                           (long long)seq, in->rank);
        if (seq == batch)
            return tn_fail(err, TN_INVALID_ARGUMENT, "batch_dim == seq_dim == %lld", (long long)seq);
        if (v->rank == 1 && tn_infer_merge_dim(v->dim[0], in->dim[batch], &n, NULL) != TN_OK)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Length of seq_lengths != input.dims(%lld), (%lld vs. %lld)", (long long)batch,
                           (long long)v->dim[0], (long long)in->dim[batch]);
    }
    return tn_infer_like_first(c, err);
}

/* Blocks of the two dimensions: [a, first, b, second, c], first and second being batch and seq in the
 * order they stand. */
typedef struct reverse_sequence {
    int64_t a, b, c, n_batch, n_seq, batch_stride, seq_stride, a_stride, b_stride;
} reverse_sequence;

static tn_code reverse_sequence_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *s = &p->in[0]->shape;
    int seq = (int)tn_attr_i(p->attrs, "seq_dim"), batch = (int)tn_attr_i(p->attrs, "batch_dim");
    int low = TN_MIN(seq, batch), high = TN_MAX(seq, batch);
    int64_t strides[TN_MAX_RANK];
    TN_PARAMS(p, reverse_sequence, q);
    tn_shape_strides(s, strides);
    q->a = tn_shape_product(s, 0, low);
    q->b = tn_shape_product(s, low + 1, high);
    q->c = tn_shape_product(s, high + 1, s->rank);
    q->n_batch = s->dim[batch];
    q->n_seq = s->dim[seq];
    q->batch_stride = strides[batch];
    q->seq_stride = strides[seq];
    q->a_stride = s->dim[low] * strides[low];
    q->b_stride = s->dim[high] * strides[high];
    return TN_OK;
}

static tn_code reverse_one(const reverse_sequence *q, tn_run *r, int64_t at, int64_t len, tn_error *err)
{
    for (int64_t t = 0; t < q->n_seq; t++) {
        int64_t from = t < len ? len - 1 - t : t;
        TN_TRY(
            tn_move_row(r->out[0], at + t * q->seq_stride, r->in[0], at + from * q->seq_stride, q->c, err));
    }
    return TN_OK;
}

static tn_code reverse_sequence_run(tn_run *r, tn_error *err)
{
    const reverse_sequence *q = r->params;
    for (int64_t n = 0; n < q->n_batch; n++) {
        int64_t len = tn_tensor_int(r->in[1], n);
        if (len < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "seq_lens(%lld) < 0", (long long)n);
        if (len > q->n_seq)
            return tn_fail(err, TN_INVALID_ARGUMENT, "seq_lens(%lld) > input.dims(%lld)", (long long)n,
                           (long long)tn_attr_i(r->attrs, "seq_dim"));
        for (int64_t a = 0; a < q->a; a++)
            for (int64_t b = 0; b < q->b; b++)
                TN_TRY(reverse_one(q, r, a * q->a_stride + b * q->b_stride + n * q->batch_stride, len, err));
    }
    return TN_OK;
}

static tn_code reverse_sequence_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"seq_dim", "batch_dim"};
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 1)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "ReverseSequence", in, 2, attrs, 2));
    return TN_OK;
}

const tn_op tn_op_ReverseSequence = {
    .name = "ReverseSequence",
    .sig = "input:T seq_lengths:Tlen -> output:T; seq_dim:int batch_dim:int=0 T:type "
           "Tlen:type{int32,int64}=int64",
    .infer = reverse_sequence_infer,
    .prepare = reverse_sequence_prepare,
    .run = reverse_sequence_run,
    .grad = reverse_sequence_grad,
};

/* ==== Roll ==== */

static tn_code roll_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 0, 1, err));
    return tn_infer_like_first(c, err);
}

static tn_code roll_shifts(tn_run *r, int64_t *shift, tn_error *err)
{
    const tn_tensor *in = r->in[0], *by = r->in[1], *axes = r->in[2];
    int64_t n = tn_tensor_count(by);
    if (n != tn_tensor_count(axes))
        return tn_fail(err, TN_INVALID_ARGUMENT, "shift and axis must have the same size");
    for (int64_t i = 0; i < n; i++) {
        int64_t axis = tn_tensor_int(axes, i);
        if (axis < 0) axis += in->shape.rank;
        if (axis < 0 || axis >= in->shape.rank)
            return tn_fail(err, TN_INVALID_ARGUMENT, "axis %lld is out of range", (long long)axis);
        int64_t d = TN_MAX(in->shape.dim[axis], 1);
        shift[axis] = ((shift[axis] + tn_tensor_int(by, i) % d) % d + d) % d;
    }
    return TN_OK;
}

static tn_code roll_run(tn_run *r, tn_error *err)
{
    const tn_tensor *in = r->in[0];
    int rank = in->shape.rank, last = 0;
    int64_t shift[TN_MAX_RANK] = {0}, strides[TN_MAX_RANK], at[TN_MAX_RANK] = {0};
    TN_TRY(roll_shifts(r, shift, err));
    if (tn_tensor_count(in) == 0) return TN_OK;
    tn_shape_strides(&in->shape, strides);
    for (int k = 0; k < rank; k++)
        if (shift[k]) last = k;
    /* Rows of the last turned dimension go in two pieces. */
    int64_t inner = strides[last], d = in->shape.dim[last], outer = tn_shape_product(&in->shape, 0, last);
    for (int64_t o = 0; o < outer; o++) {
        int64_t to = 0;
        for (int k = 0; k < last; k++) {
            int64_t v = at[k] + shift[k];
            to += (v >= in->shape.dim[k] ? v - in->shape.dim[k] : v) * strides[k];
        }
        int64_t from = o * d * inner, s = shift[last];
        TN_TRY(tn_move_row(r->out[0], to + s * inner, in, from, (d - s) * inner, err));
        TN_TRY(tn_move_row(r->out[0], to, in, from + (d - s) * inner, s * inner, err));
        for (int k = last - 1; k >= 0 && ++at[k] == in->shape.dim[k]; k--) at[k] = 0;
    }
    return TN_OK;
}

static tn_code roll_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node back = tn_op(g->b, "Neg", TN_INPUTS(tn_grad_in(g, 1)), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(g->b, "Roll", TN_INPUTS(tn_grad_dy(g, 0), back, tn_grad_in(g, 2)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Roll = {
    .name = "Roll",
    .sig = "input:T shift:Tshift axis:Taxis -> output:T; T:type Tshift:type{int32,int64} "
           "Taxis:type{int32,int64}",
    .infer = roll_infer,
    .run = roll_run,
    .grad = roll_grad,
};
