/* SPDX-License-Identifier: Apache-2.0
 *
 * op_segment.c - reductions of rows by segment ids: sorted (Segment*: the last id says how many segments
 * there are) and unsorted (UnsortedSegment*: given; negative ids are dropped). Gradients: grad_segment.c.
 */
#include <float.h>

#include "op_math.h"
#include "op_move.h"
#include "segment.h"

typedef struct segments {
    tn_pw_op op;
    tn_dtype dtype;
    bool unsorted, mean;
    bool scattered;          /* an unsorted sum that kernel/'s scatter does at once */
    int64_t inner, count, n; /* elements a row, rows, segments (unsorted) */
    size_t row;              /* bytes */
} segments;

/* ==== inference ==== */

static void after_first(const tn_shape *data, int skip, int64_t first, tn_shape *out)
{
    *out = (tn_shape){.rank = 1, .dim = {first}};
    for (int i = skip; i < data->rank; i++) out->dim[out->rank++] = data->dim[i];
}

static tn_code sorted_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *data = &c->in[0]->shape, *ids = &c->in[1]->shape;
    int64_t rows, n = -1;
    if (ids->rank >= 0 && ids->rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "segment_ids should be a vector.");
    if (data->rank == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "input must be at least rank 1");
    if (data->rank < 0) return TN_OK;
    if (ids->rank == 1 && tn_infer_merge_dim(data->dim[0], ids->dim[0], &rows, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "segment_ids should be the same size as dimension 0 of input.");
    if (c->n_in == 3) {
        TN_TRY(tn_infer_rank(c, 2, 0, err));
        tn_infer_int(c, 2, &n);
    }
    after_first(data, 1, n, &c->out[0].shape);
    return TN_OK;
}

static tn_code unsorted_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *data = &c->in[0]->shape, *ids = &c->in[1]->shape;
    int64_t n = -1, dim;
    char a[160], b[160];
    if (c->in[2]->shape.rank > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "num_segments should be a scalar, not shape %s",
                       tn_shape_text(&c->in[2]->shape, a, sizeof a));
    if (tn_infer_int(c, 2, &n) && n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input num_segments == %lld must not be negative.",
                       (long long)n);
    if (data->rank < 0 || ids->rank < 0) return TN_OK;
    bool fits = ids->rank <= data->rank;
    for (int i = 0; fits && i < ids->rank; i++)
        fits = tn_infer_merge_dim(data->dim[i], ids->dim[i], &dim, NULL) == TN_OK;
    if (!fits)
        return tn_fail(err, TN_INVALID_ARGUMENT, "data.shape = %s does not start with segment_ids.shape = %s",
                       tn_shape_text(data, a, sizeof a), tn_shape_text(ids, b, sizeof b));
    if (data->rank - ids->rank >= TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: a result of rank %d", c->op->name, TN_MAX_RANK + 1);
    after_first(data, ids->rank, n, &c->out[0].shape);
    return TN_OK;
}

/* ==== running ==== */

static tn_pw_op operation_of(const char *name)
{
    if (strstr(name, "Prod")) return TN_PW_MUL;
    if (strstr(name, "Max")) return TN_PW_MAXIMUM;
    if (strstr(name, "Min")) return TN_PW_MINIMUM;
    return TN_PW_ADD;
}

static tn_code segment_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, segments, s);
    s->op = operation_of(p->op->name);
    s->dtype = tn_dtype_base(p->in[0]->dtype);
    s->unsorted = !strncmp(p->op->name, "Unsorted", 8);
    s->mean = !strncmp(p->op->name, "SegmentMean", 11);
    s->count = tn_shape_count(&p->in[1]->shape);
    s->inner = 1;
    for (int i = p->in[1]->shape.rank; i < p->in[0]->shape.rank; i++) s->inner *= p->in[0]->shape.dim[i];
    s->row = (size_t)s->inner * tn_dtype_size(s->dtype);
    if (s->unsorted) s->n = p->out[0]->shape.dim[0];
    s->scattered =
        s->op == TN_PW_ADD && (s->dtype == TN_FLOAT || s->dtype == TN_DOUBLE) && p->in[1]->dtype != TN_INT16;
    if (tn_pw_supported(s->op, s->dtype)) return TN_OK;
    return tn_fail(err, TN_UNIMPLEMENTED, "%s of %s is not supported", p->op->name, tn_dtype_name(s->dtype));
}

static tn_code combine(const segments *s, void *into, const void *row, int threads, tn_error *err)
{
    const void *in[] = {into, row};
    if (s->op == TN_PW_ADD && s->dtype == TN_FLOAT) {
        tn_segment_add(into, row, s->inner);
        return TN_OK;
    }
    return tn_pw_flat(s->op, s->dtype, 0, s->inner, in, into, threads, err);
}

/* The value of an empty segment of UnsortedSegmentMax (the lowest number) or Min (the greatest). */
static void extreme(tn_tensor *t, bool max)
{
    static const double half = 65504, brain = 3.3895313892515355e38;
    double sign = max ? -1 : 1;
    size_t size = tn_dtype_size(t->dtype);
    switch (t->dtype) {
    case TN_HALF: tn_tensor_set_number(t, 0, sign * half); return;
    case TN_BFLOAT16: tn_tensor_set_number(t, 0, sign * brain); return;
    case TN_FLOAT: tn_tensor_set_number(t, 0, sign * FLT_MAX); return;
    case TN_DOUBLE: tn_tensor_set_number(t, 0, sign * DBL_MAX); return;
    case TN_UINT8:
    case TN_UINT16:
    case TN_UINT32:
    case TN_UINT64: memset(t->data, max ? 0 : 0xff, size); return;
    default: /* two's complement: only the highest bit, or all others */
        memset(t->data, max ? 0 : 0xff, size);
        ((unsigned char *)t->data)[size - 1] = max ? 0x80 : 0x7f;
    }
}

/* What a segment without rows holds. */
static void fill_empty(const segments *s, tn_tensor *out, int threads)
{
    _Alignas(16) char value[16] = {0};
    tn_shape scalar = {.rank = 0};
    tn_tensor t = tn_tensor_view(s->dtype, &scalar, value);
    if (s->op == TN_PW_MUL)
        tn_tensor_set_number(&t, 0, 1);
    else if (s->unsorted && s->op != TN_PW_ADD)
        extreme(&t, s->op == TN_PW_MAXIMUM);
    tn_fill((int)tn_dtype_size(s->dtype), value, tn_shape_count(&out->shape), out->data, threads);
}

static tn_code unsorted_run(tn_run *r, tn_error *err)
{
    const segments *s = r->params;
    const char *data = r->in[0]->data;
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[1], i);
        if (id >= s->n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "segment_ids[%lld] = %lld is out of range [0, %lld)",
                           (long long)i, (long long)id, (long long)s->n);
    }
    fill_empty(s, r->out[0], r->threads);
    if (s->scattered) {
        tn_scatter_desc d = {TN_SCATTER_ADD, s->dtype, r->in[1]->dtype, s->n,
                             s->inner,       s->count, false,           true};
        return tn_scatter(&d, r->in[1]->data, data, r->out[0]->data, err);
    }
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[1], i);
        if (id < 0) continue;
        char *row = (char *)r->out[0]->data + (size_t)id * s->row;
        TN_TRY(combine(s, row, data + (size_t)i * s->row, r->threads, err));
    }
    return TN_OK;
}

static tn_code check_sorted(const segments *s, const tn_tensor *ids, int64_t n, tn_error *err)
{
    for (int64_t i = 1; i < s->count; i++)
        if (tn_segment_id(ids, i) < tn_segment_id(ids, i - 1))
            return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids are not increasing");
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(ids, i);
        if (id < 0 || id >= n)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Segment id %lld out of range [0, %lld), possibly because "
                           "'segment_ids' input is not sorted.",
                           (long long)id, (long long)n);
    }
    return TN_OK;
}

/* Complex numbers are divided as pairs of real ones. */
static void divide_row(const segments *s, char *row, int64_t by)
{
    bool complex = tn_dtype_is_complex(s->dtype);
    tn_dtype t = !complex ? s->dtype : s->dtype == TN_COMPLEX64 ? TN_FLOAT : TN_DOUBLE;
    tn_shape shape = tn_shape_vector(complex ? 2 * s->inner : s->inner);
    tn_tensor v = tn_tensor_view(t, &shape, row);
    for (int64_t i = 0; i < shape.dim[0]; i++) {
        if (t == TN_INT64)
            TN_INT64S(&v)[i] /= by;
        else
            tn_tensor_set_number(&v, i, tn_tensor_number(&v, i) / (double)by);
    }
}

static tn_code sorted_rows(tn_run *r, tn_error *err)
{
    const segments *s = r->params;
    const char *data = r->in[0]->data;
    int64_t start = 0;
    fill_empty(s, r->out[0], r->threads);
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[1], i);
        bool first = i == 0 || id != tn_segment_id(r->in[1], i - 1);
        bool last = i + 1 == s->count || id != tn_segment_id(r->in[1], i + 1);
        char *row = (char *)r->out[0]->data + (size_t)id * s->row;
        if (first) {
            start = i;
            if (s->row) memcpy(row, data + (size_t)i * s->row, s->row);
        } else {
            TN_TRY(combine(s, row, data + (size_t)i * s->row, r->threads, err));
        }
        if (last && s->mean) divide_row(s, row, i - start + 1);
    }
    return TN_OK;
}

static tn_code sorted_run(tn_run *r, tn_error *err)
{
    const segments *s = r->params;
    int64_t last = s->count ? tn_segment_id(r->in[1], s->count - 1) : -1,
            n = last < INT64_MAX ? last + 1 : -1;
    tn_shape shape;
    if (r->n_in == 3) TN_TRY(tn_int_of(r->in[2], "num_segments", &n, err));
    if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids must be >= 0");
    TN_TRY(check_sorted(s, r->in[1], n, err));
    after_first(&r->in[0]->shape, 1, n, &shape);
    TN_TRY(tn_run_output(r, 0, &shape, err));
    return sorted_rows(r, err);
}

/* ==== the operators ==== */

#define SORTED(Name, Types, Grad)                                                                            \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "data:T segment_ids:Tindices -> output:T; T:type{" Types "} Tindices:type{int32,int64}",      \
        .infer = sorted_infer,                                                                               \
        .prepare = segment_prepare,                                                                          \
        .run = sorted_run,                                                                                   \
        .grad = Grad,                                                                                        \
        .dynamic = TN_BIT(0),                                                                                \
    }
SORTED(SegmentSum, "numbertype", tn_grad_segment_sum);
SORTED(SegmentMean, "numbertype", tn_grad_segment_mean);
SORTED(SegmentProd, "numbertype", tn_grad_segment_prod);
SORTED(SegmentMax, "realnumbertype", tn_grad_segment_extreme);
SORTED(SegmentMin, "realnumbertype", tn_grad_segment_extreme);

/* The number of segments given; TensorFlow has no gradient for these. */
#define SIZED(Name, Types)                                                                                   \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "data:T segment_ids:Tindices num_segments:Tnumsegments -> output:T; T:type{" Types "} "       \
               "Tindices:type{int32,int64} Tnumsegments:type{int32,int64}=int32",                            \
        .infer = sorted_infer,                                                                               \
        .prepare = segment_prepare,                                                                          \
        .run = sorted_run,                                                                                   \
        .dynamic = TN_BIT(0),                                                                                \
    }
SIZED(SegmentSumV2, "numbertype");
SIZED(SegmentProdV2, "numbertype");
SIZED(SegmentMaxV2, "realnumbertype");
SIZED(SegmentMinV2, "realnumbertype");

#define UNSORTED(Name, Types, IndexTypes, Grad)                                                              \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "data:T segment_ids:Tindices num_segments:Tnumsegments -> output:T; T:type{" Types "} "       \
               "Tindices:type{" IndexTypes "} Tnumsegments:type{int32,int64}=int32",                         \
        .infer = unsorted_infer,                                                                             \
        .prepare = segment_prepare,                                                                          \
        .run = unsorted_run,                                                                                 \
        .grad = Grad,                                                                                        \
        .values = TN_BIT(2),                                                                                 \
    }
UNSORTED(UnsortedSegmentSum, "numbertype", "int16,int32,int64", tn_grad_unsorted_sum);
UNSORTED(UnsortedSegmentProd, "numbertype", "int32,int64", tn_grad_segment_prod);
UNSORTED(UnsortedSegmentMax, "realnumbertype", "int32,int64", tn_grad_segment_extreme);
UNSORTED(UnsortedSegmentMin, "realnumbertype", "int32,int64", tn_grad_segment_extreme);
