/* SPDX-License-Identifier: Apache-2.0
 *
 * op_slice.c - Slice, StridedSlice and its gradient operator. The masks of StridedSlice are resolved
 * here, once, into {begin, step, size} per dimension of the input (the spec), in inference and in prepare.
 */
#include "../graph/op_grads.h"
#include "op_move.h"
#include "slice_move.h"

/* ==== Slice ==== */

static tn_code slice_bounds(int k, int64_t begin, int64_t size, int64_t dim, int64_t *out, tn_error *err)
{
    if (dim >= 0 && (begin < 0 || begin > dim))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected begin[%d] in [0, %lld], but got %lld", k,
                       (long long)dim, (long long)begin);
    if (size < -1 || (dim >= 0 && size >= 0 && size > dim - begin))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected size[%d] in [0, %lld], but got %lld", k,
                       (long long)(dim - begin), (long long)size);
    *out = size >= 0 ? size : dim < 0 ? -1 : dim - begin;
    return TN_OK;
}

static tn_code slice_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape begin, size, ints;
    bool b = tn_info_ints(c->in[1], &begin), s = tn_info_ints(c->in[2], &size);
    int rank = in->rank;
    for (int i = 1; i <= 2; i++) {
        TN_TRY(tn_infer_rank(c, i, 1, err));
        int64_t n = c->in[i]->shape.rank == 1 ? c->in[i]->shape.dim[0] : -1;
        if (n < 0) continue;
        if (rank >= 0 && n != rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Expected begin and size arguments to be 1-D tensors of size %d, but got %lld",
                           rank, (long long)n);
        rank = (int)TN_MIN(n, TN_MAX_RANK + 1);
    }
    if (rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, rank);
    for (int k = 0; s && k < c->out[0].shape.rank; k++) {
        int64_t dim = in->rank < 0 ? -1 : in->dim[k], at = b ? begin.dim[k] : TN_UNKNOWN_INT;
        if (size.dim[k] == TN_UNKNOWN_INT) continue;
        if (at == TN_UNKNOWN_INT)
            c->out[0].shape.dim[k] = size.dim[k] >= 0 ? size.dim[k] : -1;
        else
            TN_TRY(slice_bounds(k, at, size.dim[k], dim, &c->out[0].shape.dim[k], err));
    }
    if (rank == 1 && b && c->out[0].shape.dim[0] >= 0 && begin.dim[0] >= 0 && tn_info_ints(c->in[0], &ints)) {
        tn_shape part = {.rank = (int)c->out[0].shape.dim[0]};
        for (int k = 0; k < part.rank; k++) part.dim[k] = ints.dim[begin.dim[0] + k];
        tn_infer_set_ints(c, 0, &part);
    }
    return TN_OK;
}

/* The move that takes size elements from begin on, step apart, out of a tensor of shape in. */
static tn_code cut_move(tn_prepare *p, const tn_shape *in, const tn_shape *begin, const tn_shape *step,
                        const tn_shape *size, bool into, tn_error *err)
{
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK];
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(in, is);
    tn_shape_strides(size, os);
    int64_t at = 0;
    for (int k = 0; k < in->rank; k++) {
        at += begin->dim[k] * is[k];
        tn_move_dim(m, size->dim[k], into ? is[k] * step->dim[k] : os[k],
                    into ? os[k] : is[k] * step->dim[k]);
    }
    if (into)
        m->out0 += at;
    else
        m->in0 += at;
    return tn_move_ready(m, tn_dtype_base(p->out[0]->dtype), p->threads, err);
}

static tn_code slice_prepare(tn_prepare *p, tn_error *err)
{
    tn_shape begin, step = p->in[0]->shape;
    TN_TRY(tn_ints_of(p->in[1], "begin", &begin, err));
    for (int k = 0; k < step.rank; k++) step.dim[k] = 1;
    return cut_move(p, &p->in[0]->shape, &begin, &step, &p->out[0]->shape, false, err);
}

static tn_code slice_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node x = tn_grad_in(g, 0), begin = tn_grad_in(g, 1);
    tn_dtype index = tn_dtype_base(tn_node_dtype(begin));
    tn_node column = tn_grad_pack(b, (tn_node[]){tn_grad_rank(b, x), tn_grad_int(b, TN_INT32, 1)}, 2, 0);
    tn_node before = tn_op(b, "Reshape", TN_INPUTS(begin, column), TN_NO_ATTRS);
    tn_node rest =
        tn_op(b, "Sub", TN_INPUTS(tn_grad_shape(b, x, index), tn_grad_shape(b, tn_grad_out(g, 0), index)),
              TN_NO_ATTRS);
    rest = tn_op(b, "Sub", TN_INPUTS(rest, begin), TN_NO_ATTRS);
    tn_node after = tn_op(b, "Reshape", TN_INPUTS(rest, column), TN_NO_ATTRS);
    tn_node paddings = tn_grad_concat(b, (tn_node[]){before, after}, 2, 1);
    tn_grad_set(g, 0, tn_op(b, "Pad", TN_INPUTS(tn_grad_dy(g, 0), paddings), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_Slice = {
    .name = "Slice",
    .sig = "input:T begin:Index size:Index -> output:T; T:type Index:type{int32,int64}",
    .infer = slice_infer,
    .prepare = slice_prepare,
    .run = tn_run_move,
    .grad = slice_grad,
    .values = TN_BIT(1) | TN_BIT(2),
};

/* ==== StridedSlice ==== */

typedef struct masks {
    int64_t begin, end, ellipsis, new_axis, shrink;
} masks;

static masks masks_of(const tn_attrs *a)
{
    return (masks){tn_attr_i(a, "begin_mask"), tn_attr_i(a, "end_mask"), tn_attr_i(a, "ellipsis_mask"),
                   tn_attr_i(a, "new_axis_mask"), tn_attr_i(a, "shrink_axis_mask")};
}

/* begin and step per dimension of the input; size: elements taken (-1 unknown); out: the result's shape
 * with new axes put in and shrunk ones left out. begin TN_UNKNOWN_INT: not known. */
typedef struct spec {
    tn_shape begin, step, size, out;
} spec;

typedef struct index_entry {
    int64_t begin, end, step;
    bool begin_masked, end_masked, shrink;
} index_entry;

static int64_t clamp_index(int64_t v, int64_t dim, bool forward)
{
    if (v < 0) v += dim;
    int64_t low = forward ? 0 : -1, high = forward ? dim : dim - 1;
    return v < low ? low : v > high ? high : v;
}

static tn_code shrink_one(const index_entry *e, int k, int64_t dim, spec *s, tn_error *err)
{
    s->size.dim[k] = 1;
    s->step.dim[k] = 1;
    s->begin.dim[k] = TN_UNKNOWN_INT;
    if (e->begin_masked) {
        s->begin.dim[k] = 0;
        return TN_OK;
    }
    if (e->begin == TN_UNKNOWN_INT || dim < 0) return TN_OK;
    if (e->begin < -dim || e->begin >= dim)
        return tn_fail(err, TN_INVALID_ARGUMENT, "slice index %lld of dimension %d out of bounds.",
                       (long long)e->begin, k);
    s->begin.dim[k] = e->begin < 0 ? e->begin + dim : e->begin;
    return TN_OK;
}

/* One dimension of the input. */
static tn_code resolve_one(const index_entry *e, int k, int64_t dim, spec *s, tn_error *err)
{
    if (e->step == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "strides[%d] must be non-zero", k);
    if (e->shrink && e->step != TN_UNKNOWN_INT && e->step < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "only stride 1 allowed on non-range indexing.");
    if (e->shrink) return shrink_one(e, k, dim, s, err);
    s->step.dim[k] = e->step;
    s->size.dim[k] = -1;
    s->begin.dim[k] = TN_UNKNOWN_INT;
    if (e->step == TN_UNKNOWN_INT) return TN_OK;
    bool forward = e->step > 0;
    bool known =
        (e->begin_masked || e->begin != TN_UNKNOWN_INT) && (e->end_masked || e->end != TN_UNKNOWN_INT);
    if (dim < 0 || !known) {
        /* [0:n] of an unknown dimension stays unknown; begin is known when it counts from the front */
        if (forward && (e->begin_masked || (e->begin != TN_UNKNOWN_INT && e->begin == 0)))
            s->begin.dim[k] = 0;
        if (dim < 0 && e->begin_masked && e->end_masked && e->step == 1) s->size.dim[k] = -1;
        return TN_OK;
    }
    int64_t begin = e->begin_masked ? (forward ? 0 : dim - 1) : clamp_index(e->begin, dim, forward);
    int64_t end = e->end_masked ? (forward ? dim : -1) : clamp_index(e->end, dim, forward);
    int64_t span = end - begin;
    s->begin.dim[k] = begin;
    if (span == 0 || (span < 0) != (e->step < 0))
        s->size.dim[k] = 0;
    else
        s->size.dim[k] = span / e->step + (span % e->step != 0);
    return TN_OK;
}

static index_entry entry_of(const masks *m, int i, const tn_shape *begin, const tn_shape *end,
                            const tn_shape *step)
{
    index_entry e = {TN_UNKNOWN_INT, TN_UNKNOWN_INT, TN_UNKNOWN_INT, false, false, false};
    if (begin) e.begin = begin->dim[i];
    if (end) e.end = end->dim[i];
    if (step) e.step = step->dim[i];
    e.begin_masked = m->begin >> i & 1;
    e.end_masked = m->end >> i & 1;
    e.shrink = m->shrink >> i & 1;
    return e;
}

static const index_entry whole = {0, 0, 1, true, true, false};

static tn_code put_dim(spec *s, int64_t d, tn_error *err)
{
    if (s->out.rank == TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    s->out.dim[s->out.rank++] = d;
    return TN_OK;
}

static tn_code take_dims(spec *s, const tn_shape *in, const index_entry *e, int n, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        int k = s->size.rank;
        if (k >= in->rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Index out of range using input dim %d; input has only %d dims", k, in->rank);
        s->begin.rank = s->step.rank = s->size.rank = k + 1;
        TN_TRY(resolve_one(e, k, in->dim[k], s, err));
        if (!e->shrink) TN_TRY(put_dim(s, s->size.dim[k], err));
    }
    return TN_OK;
}

/* n entries of the index against a shape of known rank; begin, end, step NULL where not known. */
static tn_code resolve(const masks *m, int n, const tn_shape *in, const tn_shape *begin, const tn_shape *end,
                       const tn_shape *step, spec *s, tn_error *err)
{
    *s = (spec){0};
    int used = 0; /* input dimensions that entries other than the ellipsis take */
    int64_t ellipsis = m->ellipsis & (((int64_t)1 << n) - 1);
    if (ellipsis & (ellipsis - 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Multiple ellipses in slice spec not allowed");
    for (int i = 0; i < n; i++)
        if (!((ellipsis | m->new_axis) >> i & 1)) used++;
    for (int i = 0; i < n; i++) {
        if (ellipsis >> i & 1) {
            TN_TRY(take_dims(s, in, &whole, TN_MAX(in->rank - used, 0), err));
        } else if (m->new_axis >> i & 1) {
            TN_TRY(put_dim(s, 1, err));
        } else {
            index_entry e = entry_of(m, i, begin, end, step);
            TN_TRY(take_dims(s, in, &e, 1, err));
        }
    }
    if (s->size.rank < in->rank) TN_TRY(take_dims(s, in, &whole, in->rank - s->size.rank, err));
    return TN_OK;
}

static tn_code check_index_vectors(tn_infer *c, int first, int *n, tn_error *err)
{
    *n = -1;
    for (int i = first; i < first + 3; i++) {
        TN_TRY(tn_infer_rank(c, i, 1, err));
        int64_t len = c->in[i]->shape.rank == 1 ? c->in[i]->shape.dim[0] : -1;
        if (len < 0) continue;
        if (*n >= 0 && len != *n)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Expected begin, end, and strides to be 1D equal size tensors, but got %d and %lld elements",
                *n, (long long)len);
        if (len > TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "slice index with %lld entries", (long long)len);
        *n = (int)len;
    }
    return TN_OK;
}

/* Known elements of a vector that is cut or indexed. */
static void strided_ints(tn_infer *c, const spec *s)
{
    tn_shape ints, part = {0};
    if (c->in[0]->shape.rank != 1 || s->out.rank > 1 || !tn_info_ints(c->in[0], &ints)) return;
    if (s->begin.dim[0] == TN_UNKNOWN_INT || s->size.dim[0] < 0 || s->step.dim[0] == TN_UNKNOWN_INT) return;
    part.rank = (int)s->size.dim[0];
    for (int k = 0; k < part.rank; k++) part.dim[k] = ints.dim[s->begin.dim[0] + k * s->step.dim[0]];
    tn_infer_set_ints(c, 0, &part);
}

static tn_code strided_slice_infer(tn_infer *c, tn_error *err)
{
    int n;
    tn_shape v[3];
    const tn_shape *known[3];
    TN_TRY(check_index_vectors(c, 1, &n, err));
    if (n < 0 || c->in[0]->shape.rank < 0) return TN_OK;
    for (int i = 0; i < 3; i++) known[i] = tn_info_ints(c->in[1 + i], &v[i]) ? &v[i] : NULL;
    masks m = masks_of(c->attrs);
    spec s;
    TN_TRY(resolve(&m, n, &c->in[0]->shape, known[0], known[1], known[2], &s, err));
    c->out[0].shape = s.out;
    strided_ints(c, &s);
    return TN_OK;
}

static tn_code prepare_spec(tn_prepare *p, int first, const tn_shape *in, spec *s, tn_error *err)
{
    tn_shape v[3];
    static const char *const names[] = {"begin", "end", "strides"};
    for (int i = 0; i < 3; i++) TN_TRY(tn_ints_of(p->in[first + i], names[i], &v[i], err));
    masks m = masks_of(p->attrs);
    return resolve(&m, v[0].rank, in, &v[0], &v[1], &v[2], s, err);
}

tn_code tn_slice_into(const tn_attrs *attrs, const tn_tensor *const *index, const tn_shape *whole, tn_dtype t,
                      tn_move *m, tn_shape *slice, tn_error *err)
{
    static const char *const names[] = {"begin", "end", "strides"};
    masks k = masks_of(attrs);
    tn_shape v[3];
    int64_t to[TN_MAX_RANK], from[TN_MAX_RANK];
    spec s;
    for (int i = 0; i < 3; i++) TN_TRY(tn_ints_of(index[i], names[i], &v[i], err));
    if (v[1].rank != v[0].rank || v[2].rank != v[0].rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected begin, end, and strides to be 1D equal size tensors");
    TN_TRY(resolve(&k, v[0].rank, whole, &v[0], &v[1], &v[2], &s, err));
    *slice = s.out;
    if (tn_shape_count(slice) == 0) return TN_OK;
    tn_shape_strides(whole, to);
    tn_shape_strides(&s.size, from);
    for (int d = 0; d < s.size.rank; d++) {
        m->out0 += s.begin.dim[d] * to[d];
        tn_move_dim(m, s.size.dim[d], to[d] * s.step.dim[d], from[d]);
    }
    if (s.size.rank == 0) tn_move_dim(m, 1, 1, 1);
    return tn_move_ready(m, t, 1, err);
}

static tn_code strided_slice_prepare(tn_prepare *p, tn_error *err)
{
    spec s;
    TN_TRY(prepare_spec(p, 1, &p->in[0]->shape, &s, err));
    return cut_move(p, &p->in[0]->shape, &s.begin, &s.step, &s.size, false, err);
}

static const char *const mask_names[] = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask",
                                         "shrink_axis_mask"};

static tn_code strided_slice_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node begin = tn_grad_in(g, 1);
    tn_node shape = tn_grad_shape(g->b, tn_grad_in(g, 0), tn_dtype_base(tn_node_dtype(begin)));
    tn_node in[] = {shape, begin, tn_grad_in(g, 2), tn_grad_in(g, 3), tn_grad_dy(g, 0)};
    tn_grad_set(g, 0, tn_grad_op_like(g, "StridedSliceGrad", in, 5, mask_names, TN_COUNT(mask_names)));
    return TN_OK;
}

const tn_op tn_op_StridedSlice = {
    .name = "StridedSlice",
    .sig = "input:T begin:Index end:Index strides:Index -> output:T; T:type Index:type{int16,int32,int64} "
           "begin_mask:int=0 end_mask:int=0 ellipsis_mask:int=0 new_axis_mask:int=0 shrink_axis_mask:int=0",
    .infer = strided_slice_infer,
    .prepare = strided_slice_prepare,
    .run = tn_run_move,
    .grad = strided_slice_grad,
    .values = TN_BIT(1) | TN_BIT(2) | TN_BIT(3),
};

/* ==== StridedSliceGrad ==== shape begin end strides dy */

static tn_code strided_slice_grad_infer(tn_infer *c, tn_error *err)
{
    int n;
    TN_TRY(check_index_vectors(c, 1, &n, err));
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    tn_infer_ints(c, 0, &c->out[0].shape);
    return TN_OK;
}

static tn_code strided_slice_grad_prepare(tn_prepare *p, tn_error *err)
{
    spec s;
    char a[128], b[128];
    const tn_shape *out = &p->out[0]->shape;
    TN_TRY(prepare_spec(p, 1, out, &s, err));
    if (!tn_shape_equal(&s.out, &p->in[4]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape of dy was %s instead of %s",
                       tn_shape_text(&p->in[4]->shape, a, sizeof a), tn_shape_text(&s.out, b, sizeof b));
    return cut_move(p, out, &s.begin, &s.step, &s.size, true, err);
}

static tn_code strided_slice_grad_run(tn_run *r, tn_error *err)
{
    tn_tensor *out = r->out[0];
    if (tn_dtype_is_pod(out->dtype)) memset(out->data, 0, tn_tensor_bytes(out));
    return tn_move_run(r->params, out, r->in[4], err);
}

static tn_code strided_slice_grad_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2), tn_grad_in(g, 3)};
    tn_grad_set(g, 4, tn_grad_op_like(g, "StridedSlice", in, 4, mask_names, TN_COUNT(mask_names)));
    return TN_OK;
}

const tn_op tn_op_StridedSliceGrad = {
    .name = "StridedSliceGrad",
    .sig = "shape:Index begin:Index end:Index strides:Index dy:T -> output:T; T:type "
           "Index:type{int32,int64} begin_mask:int=0 end_mask:int=0 ellipsis_mask:int=0 "
           "new_axis_mask:int=0 shrink_axis_mask:int=0",
    .infer = strided_slice_grad_infer,
    .prepare = strided_slice_grad_prepare,
    .run = strided_slice_grad_run,
    .grad = strided_slice_grad_grad,
    .values = TN_BIT(0) | TN_BIT(1) | TN_BIT(2) | TN_BIT(3),
};
