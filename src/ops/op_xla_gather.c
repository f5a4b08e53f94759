/* SPDX-License-Identifier: Apache-2.0
 *
 * op_xla_gather.c - XLA's general gather, as jax2tf writes every indexing: a slice of the operand for each index
 * vector, at a place that is moved so far that the slice lies within.
 *
 * The operand's dimensions are those that the result has (offset), those of size 1 that it leaves out (collapsed), and
 * those that go with a dimension of the indices (batching). The result's are the indices' and the slice's, mixed.
 */
#include "../wire/proto.h"
#include "op_move.h"

typedef struct numbers {
    const tn_GatherDimensionNumbers *d;
    int vector;                        /* the indices' dimension of the index vectors; past the last: they are of one */
    int n_index;                       /* the indices' other dimensions */
    int offset[TN_MAX_RANK], n_offset; /* of the operand: dimensions that the result has, in order */
    int of_offset[TN_MAX_RANK];        /* of the result: where they are */
    int of_index[TN_MAX_RANK];         /* of the result: where the indices' are, in order */
} numbers;

static bool listed(const tn_int64_list *l, int64_t d)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i] == d) return true;
    return false;
}

static bool within(const tn_int64_list *l, int64_t n)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->items[i] < 0 || l->items[i] >= n) return false;
        for (size_t k = 0; k < i; k++)
            if (l->items[k] == l->items[i]) return false;
    }
    return true;
}

static bool apart(const tn_int64_list *a, const tn_int64_list *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (listed(b, a->items[i])) return false;
    return true;
}

static bool fits(const numbers *g, int operand, int indices)
{
    const tn_GatherDimensionNumbers *d = g->d;
    return g->vector >= 0 && g->vector <= indices && g->n_index >= 0 &&
           g->n_index + (int64_t)d->offset_dims.n <= TN_MAX_RANK &&
           within(&d->offset_dims, g->n_index + (int64_t)d->offset_dims.n) &&
           within(&d->collapsed_slice_dims, operand) && within(&d->start_index_map, operand) &&
           within(&d->operand_batching_dims, operand) && within(&d->start_indices_batching_dims, indices) &&
           d->operand_batching_dims.n == d->start_indices_batching_dims.n &&
           !listed(&d->start_indices_batching_dims, g->vector) &&
           apart(&d->start_index_map, &d->operand_batching_dims) &&
           d->offset_dims.n + d->collapsed_slice_dims.n + d->operand_batching_dims.n == (size_t)operand;
}

static void sort_dimensions(numbers *g, int operand)
{
    const tn_GatherDimensionNumbers *d = g->d;
    int offsets = 0, indices = 0;
    for (int k = 0; k < operand; k++)
        if (!listed(&d->collapsed_slice_dims, k) && !listed(&d->operand_batching_dims, k)) g->offset[g->n_offset++] = k;
    for (int k = 0; k < g->n_index + (int)d->offset_dims.n; k++) {
        if (listed(&d->offset_dims, k))
            g->of_offset[offsets++] = k;
        else
            g->of_index[indices++] = k;
    }
}

/* Both ranks are known. */
static tn_code read_numbers(const tn_attrs *attrs, int operand, int indices, numbers *g, tn_arena *a, tn_error *err)
{
    tn_view bytes = {"", 0};
    tn_GatherDimensionNumbers *d;
    tn_attr_get_string(attrs, "dimension_numbers", &bytes);
    if (TN_DECODE(GatherDimensionNumbers, bytes, a, &d, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "dimension_numbers are no xla.GatherDimensionNumbers");
    *g = (numbers){.d = d, .vector = (int)TN_MAX(TN_MIN(d->index_vector_dim, TN_MAX_RANK + 1), -1)};
    g->n_index = indices - (g->vector < indices);
    if (!fits(g, operand, indices) || g->d->offset_dims.n > (size_t)operand)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "dimension_numbers do not fit an operand of rank %d and indices of rank %d", operand, indices);
    sort_dimensions(g, operand);
    if (g->n_offset == (int)d->offset_dims.n) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "dimension_numbers leave out a dimension of the operand twice");
}

static tn_code check_sizes(const numbers *g, const tn_shape *operand, const tn_shape *size, tn_error *err)
{
    if (size->rank != operand->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Gather op must have one slice size for every input dimension; got: "
                       "len(slice_sizes)=%d, input_shape.rank=%d", size->rank, operand->rank);
    for (int k = 0; k < size->rank; k++) {
        int64_t n = size->dim[k], d = operand->dim[k];
        if (n == TN_UNKNOWN_INT) continue;
        if (n < 0 || (d >= 0 && n > d))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Slice size at index %d in gather op is out of range, must be "
                           "within [0, %lld), got %lld.", k, (long long)d + 1, (long long)n);
        if (n > 1 && (listed(&g->d->collapsed_slice_dims, k) || listed(&g->d->operand_batching_dims, k)))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Gather op can only collapse slice dims with bound 1 or 0, but "
                           "bound is %lld for index %d.", (long long)n, k);
    }
    return TN_OK;
}

static tn_code check_batching(const numbers *g, const tn_shape *operand, const tn_shape *indices, tn_error *err)
{
    for (size_t b = 0; b < g->d->operand_batching_dims.n; b++) {
        const int64_t k = g->d->operand_batching_dims.items[b], i = g->d->start_indices_batching_dims.items[b];
        if (operand->dim[k] < 0 || indices->dim[i] < 0 || operand->dim[k] == indices->dim[i]) continue;
        return tn_fail(err, TN_INVALID_ARGUMENT, "Gather op requires operand batching dims and indices batching dims "
                       "to have the same size, got %lld and %lld.", (long long)operand->dim[k],
                       (long long)indices->dim[i]);
    }
    return TN_OK;
}

static tn_code gather_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *operand = &c->in[0]->shape, *indices = &c->in[1]->shape;
    numbers g;
    tn_shape size;
    if (operand->rank < 0 || indices->rank < 0) return TN_OK;
    TN_TRY(read_numbers(c->attrs, operand->rank, indices->rank, &g, c->arena, err));
    TN_TRY(check_batching(&g, operand, indices, err));
    tn_infer_set_rank(c, 0, g.n_index + g.n_offset);
    for (int i = 0, k = 0; i < g.n_index; i++, k++) {
        k += k == g.vector;
        c->out[0].shape.dim[g.of_index[i]] = indices->dim[k];
    }
    if (!tn_info_ints(c->in[2], &size)) return TN_OK;
    TN_TRY(check_sizes(&g, operand, &size, err));
    for (int i = 0; i < g.n_offset; i++)
        c->out[0].shape.dim[g.of_offset[i]] = size.dim[g.offset[i]] < 0 ? -1 : size.dim[g.offset[i]];
    return TN_OK;
}

/* ==== the slices ==== */

typedef struct walk { /* over the indices' dimensions but for the vector's */
    int64_t n, index, operand, out; /* its size; elements from one to the next */
} walk;

typedef struct slices {
    int n_index, n_start;
    walk index[TN_MAX_RANK];
    int64_t next;                                  /* from one number of an index vector to the next */
    int64_t start[TN_MAX_RANK], most[TN_MAX_RANK]; /* of each: elements of the operand to a step; the last place */
    tn_ncopy slice;
    ptrdiff_t elem;
    bool nothing; /* slices have no elements, though the result may: collapsed ones */
} slices;

static void find_starts(const numbers *g, const tn_shape *operand, const tn_shape *size, slices *s)
{
    int64_t stride[TN_MAX_RANK];
    tn_shape_strides(operand, stride);
    s->n_start = (int)g->d->start_index_map.n;
    for (int i = 0; i < s->n_start; i++) {
        int64_t k = g->d->start_index_map.items[i];
        s->start[i] = stride[k];
        s->most[i] = operand->dim[k] - size->dim[k];
    }
}

static void find_walks(const numbers *g, const tn_shape *operand, const tn_shape *indices, const tn_shape *out,
                       slices *s)
{
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK], ps[TN_MAX_RANK];
    tn_shape_strides(indices, is);
    tn_shape_strides(out, os);
    tn_shape_strides(operand, ps);
    s->n_index = g->n_index;
    s->next = g->vector < indices->rank ? is[g->vector] : 0;
    for (int i = 0, k = 0; i < g->n_index; i++, k++) {
        k += k == g->vector;
        s->index[i] = (walk){.n = indices->dim[k], .index = is[k], .out = os[g->of_index[i]]};
        for (size_t b = 0; b < g->d->operand_batching_dims.n; b++)
            if (g->d->start_indices_batching_dims.items[b] == k)
                s->index[i].operand = ps[g->d->operand_batching_dims.items[b]];
    }
}

static tn_code gather_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *operand = &p->in[0]->shape, *indices = &p->in[1]->shape, *out = &p->out[0]->shape;
    int64_t is[TN_MAX_RANK], os[TN_MAX_RANK], dim[TN_MAX_RANK], src[TN_MAX_RANK], dst[TN_MAX_RANK];
    numbers g;
    tn_shape size;
    TN_PARAMS(p, slices, s);
    TN_TRY(read_numbers(p->attrs, operand->rank, indices->rank, &g, p->arena, err));
    TN_TRY(tn_ints_of(p->in[2], "slice_sizes", &size, err));
    TN_TRY(check_sizes(&g, operand, &size, err));
    TN_TRY(check_batching(&g, operand, indices, err));
    s->nothing = tn_shape_count(&size) == 0;
    if (g.d->start_index_map.n != (size_t)(g.vector < indices->rank ? indices->dim[g.vector] : 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Gather op has %u elements in start_index_map and the bound of "
                       "dimension index_vector_dim=%d of start_indices is %lld. These two numbers must be equal.",
                       g.d->start_index_map.n, g.vector,
                       (long long)(g.vector < indices->rank ? indices->dim[g.vector] : 1));
    find_starts(&g, operand, &size, s);
    find_walks(&g, operand, indices, out, s);
    tn_shape_strides(operand, is);
    tn_shape_strides(out, os);
    for (int i = 0; i < g.n_offset; i++) {
        dim[i] = size.dim[g.offset[i]];
        src[i] = is[g.offset[i]];
        dst[i] = os[g.of_offset[i]];
    }
    s->elem = (ptrdiff_t)tn_dtype_size(p->out[0]->dtype);
    return tn_ncopy_prepare((int)s->elem, g.n_offset, dim, src, dst, 1, &s->slice, err);
}

/* Where the slice of the index vector at `at` begins in the operand. */
static int64_t slice_begin(const slices *s, const tn_tensor *indices, int64_t at)
{
    int64_t begin = 0;
    for (int i = 0; i < s->n_start; i++) {
        int64_t first = tn_tensor_int(indices, at + i * s->next);
        begin += (first < 0 ? 0 : TN_MIN(first, s->most[i])) * s->start[i];
    }
    return begin;
}

static tn_code gather_run(tn_run *r, tn_error *err)
{
    const slices *s = r->params;
    const char *in = r->in[0]->data;
    char *out = r->out[0]->data;
    int64_t i[TN_MAX_RANK] = {0}, at = 0, in0 = 0, out0 = 0;
    (void)err;
    if (tn_tensor_count(r->out[0]) == 0) return TN_OK;
    if (s->nothing) {
        memset(out, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    for (;;) {
        tn_ncopy_run(&s->slice, in + (in0 + slice_begin(s, r->in[1], at)) * s->elem, out + out0 * s->elem);
        int k = s->n_index - 1;
        for (; k >= 0; k--) {
            const walk *w = &s->index[k];
            int64_t step = ++i[k] < w->n ? 1 : 1 - w->n;
            at += step * w->index;
            in0 += step * w->operand;
            out0 += step * w->out;
            if (step == 1) break;
            i[k] = 0;
        }
        if (k < 0) return TN_OK;
    }
}

const tn_op tn_op_XlaGather = {
    .name = "XlaGather",
    .sig = "operand:T start_indices:Tindices slice_sizes:Tindices -> output:T; dimension_numbers:string "
           "indices_are_sorted:bool "
           "T:type{float,double,int32,uint8,int16,int8,complex64,int64,qint8,quint8,qint32,bfloat16,qint16,quint16,"
           "uint16,complex128,half,uint32,uint64,bool} Tindices:type{int32,int64}",
    .infer = gather_infer,
    .prepare = gather_prepare,
    .run = gather_run,
    .values = TN_BIT(2),
};
