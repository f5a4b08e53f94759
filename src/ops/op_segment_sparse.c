/* SPDX-License-Identifier: Apache-2.0
 *
 * op_segment_sparse.c - SparseSegmentSum, Mean and SqrtN: rows picked by indices, added up by sorted segment
 * ids, and divided by their number or its root; their gradients. What embeddings of several ids are made of.
 */
#include <math.h>

#include "op_math.h"
#include "op_move.h"
#include "segment.h"

typedef enum norm { NORM_NONE, NORM_MEAN, NORM_ROOT } norm;

typedef struct picked {
    norm norm;
    tn_dtype dtype;
    int64_t inner, count, rows; /* elements a row, indices, rows of the input */
    size_t row;                 /* bytes */
} picked;

static norm norm_of(const char *name)
{
    return strstr(name, "Mean") ? NORM_MEAN : strstr(name, "SqrtN") ? NORM_ROOT : NORM_NONE;
}

static double scale_of(norm n, int64_t count)
{
    return n == NORM_MEAN ? 1 / (double)count : n == NORM_ROOT ? 1 / sqrt((double)count) : 1;
}

static tn_code vectors(const tn_infer *c, tn_error *err)
{
    int64_t n;
    for (int i = 1; i < 3; i++)
        if (c->in[i]->shape.rank >= 0 && c->in[i]->shape.rank != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s should be a vector.",
                           i == 1 ? "indices" : "segment_ids");
    if (c->in[1]->shape.rank < 0 || c->in[2]->shape.rank < 0) return TN_OK;
    if (tn_infer_merge_dim(c->in[1]->shape.dim[0], c->in[2]->shape.dim[0], &n, NULL) == TN_OK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "segment_ids and indices should have same size.");
}

/* The first input's shape with another number of rows. */
static tn_code rows_infer(tn_infer *c, int64_t rows, tn_error *err)
{
    tn_shape s = c->in[0]->shape;
    if (s.rank == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: input must be at least rank 1", c->op->name);
    if (s.rank > 0) s.dim[0] = rows;
    c->out[0].shape = s;
    return vectors(c, err);
}

static tn_code forward_infer(tn_infer *c, tn_error *err)
{
    int64_t n = -1;
    if (c->n_in == 4) TN_TRY(tn_infer_rank(c, 3, 0, err));
    if (c->n_in == 4 && tn_infer_int(c, 3, &n) && n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids must be >= 0");
    return rows_infer(c, n, err);
}

static tn_code backward_infer(tn_infer *c, tn_error *err)
{
    int64_t n = -1;
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    if (tn_infer_int(c, 3, &n) && n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: output_dim0 is %lld", c->op->name, (long long)n);
    return rows_infer(c, n, err);
}

static tn_code picked_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, picked, s);
    const tn_shape *data = &p->in[0]->shape;
    s->norm = norm_of(p->op->name);
    s->dtype = tn_dtype_base(p->in[0]->dtype);
    s->count = tn_shape_count(&p->in[1]->shape);
    s->rows = data->dim[0];
    s->inner = 1;
    for (int i = 1; i < data->rank; i++) s->inner *= data->dim[i];
    s->row = (size_t)s->inner * tn_dtype_size(s->dtype);
    /* backward: rows of each segment; then the indices, sorted */
    p->scratch = ((size_t)s->rows + (size_t)s->count) * sizeof(int64_t);
    return TN_OK;
}

/* into += row * scale, of other types than float */
static tn_code add_any_row(const picked *s, void *into, const void *row, double scale, tn_error *err)
{
    if (scale == 1) {
        const void *in[] = {into, row};
        return tn_pw_flat(TN_PW_ADD, s->dtype, 0, s->inner, in, into, 1, err);
    }
    tn_shape shape = tn_shape_vector(s->inner);
    tn_tensor to = tn_tensor_view(s->dtype, &shape, into),
              from = tn_tensor_view(s->dtype, &shape, (void *)row);
    for (int64_t i = 0; i < s->inner; i++)
        tn_tensor_set_number(&to, i, tn_tensor_number(&to, i) + tn_tensor_number(&from, i) * scale);
    return TN_OK;
}

static tn_code add_row(const picked *s, void *into, const void *row, double scale, tn_error *err)
{
    if (s->dtype != TN_FLOAT) return add_any_row(s, into, row, scale, err);
    if (scale == 1) {
        tn_segment_add(into, row, s->inner);
        return TN_OK;
    }
    float *to = into;
    const float *from = row, by = (float)scale;
    for (int64_t i = 0; i < s->inner; i++) to[i] += from[i] * by;
    return TN_OK;
}

static void scale_row(const picked *s, void *row, double scale)
{
    if (scale == 1) return;
    if (s->dtype == TN_FLOAT) {
        const float by = (float)scale;
        for (int64_t i = 0; i < s->inner; i++) ((float *)row)[i] *= by;
        return;
    }
    tn_shape shape = tn_shape_vector(s->inner);
    tn_tensor t = tn_tensor_view(s->dtype, &shape, row);
    for (int64_t i = 0; i < s->inner; i++) tn_tensor_set_number(&t, i, tn_tensor_number(&t, i) * scale);
}

/* ==== forward ==== */

static tn_code check_ids(const tn_run *r, const picked *s, int64_t n, bool given, tn_error *err)
{
    for (int64_t i = 1; i < s->count; i++)
        if (tn_segment_id(r->in[2], i) < tn_segment_id(r->in[2], i - 1))
            return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids are not increasing");
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[2], i), index = tn_segment_id(r->in[1], i);
        if (given && id >= n) return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids must be < num_segments");
        if (id < 0 || id >= n)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Segment id %lld out of range [0, %lld), possibly because "
                           "'segment_ids' input is not sorted.",
                           (long long)id, (long long)n);
        if (index < 0 || index >= s->rows)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Bad: indices[%lld] == %lld out of range [0, %lld)",
                           (long long)i, (long long)index, (long long)s->rows);
    }
    return TN_OK;
}

static tn_code forward_run(tn_run *r, tn_error *err)
{
    const picked *s = r->params;
    int64_t last = s->count ? tn_segment_id(r->in[2], s->count - 1) : -1, start = 0;
    int64_t n = last < INT64_MAX ? last + 1 : -1;
    tn_shape shape = r->in[0]->shape;
    if (r->n_in == 4) TN_TRY(tn_int_of(r->in[3], "num_segments", &n, err));
    if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "segment ids must be >= 0");
    TN_TRY(check_ids(r, s, n, r->n_in == 4, err));
    shape.dim[0] = n;
    TN_TRY(tn_run_output(r, 0, &shape, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[2], i);
        char *row = (char *)r->out[0]->data + (size_t)id * s->row;
        const char *from = (const char *)r->in[0]->data + (size_t)tn_segment_id(r->in[1], i) * s->row;
        if (i == 0 || id != tn_segment_id(r->in[2], i - 1)) start = i;
        TN_TRY(add_row(s, row, from, 1, err));
        if (i + 1 == s->count || id != tn_segment_id(r->in[2], i + 1))
            scale_row(s, row, scale_of(s->norm, i - start + 1));
    }
    return TN_OK;
}

/* ==== backward: each row picked gets its segment's gradient ==== */

static tn_code count_segments(const tn_run *r, const picked *s, int64_t dim0, int64_t *size, tn_error *err)
{
    memset(size, 0, (size_t)s->rows * sizeof *size);
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[2], i), index = tn_segment_id(r->in[1], i);
        if (id < 0 || id >= s->rows) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid number of segments");
        if (index < 0 || index >= dim0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Index %lld out of range [0, %lld).", (long long)index,
                           (long long)dim0);
        size[id]++;
    }
    return TN_OK;
}

static tn_code backward_run(tn_run *r, tn_error *err)
{
    const picked *s = r->params;
    int64_t *size = r->scratch;
    TN_TRY(count_segments(r, s, r->out[0]->shape.dim[0], size, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[2], i), index = tn_segment_id(r->in[1], i);
        char *into = (char *)r->out[0]->data + (size_t)index * s->row;
        const char *row = (const char *)r->in[0]->data + (size_t)id * s->row;
        TN_TRY(add_row(s, into, row, scale_of(s->norm, size[id]), err));
    }
    return TN_OK;
}

/* ==== backward, of the rows that were picked only ==== */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The indices in order, each once; how many. */
static int64_t sort_indices(const tn_run *r, const picked *s, int64_t *sorted)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->count; i++) sorted[i] = tn_segment_id(r->in[1], i);
    qsort(sorted, (size_t)s->count, sizeof *sorted, by_value);
    for (int64_t i = 0; i < s->count; i++)
        if (!n || sorted[i] != sorted[n - 1]) sorted[n++] = sorted[i];
    return n;
}

static tn_code backward_rows_run(tn_run *r, tn_error *err)
{
    const picked *s = r->params;
    int64_t *size = r->scratch, *sorted = size + s->rows, dim0;
    tn_shape shape = r->in[0]->shape;
    TN_TRY(tn_int_of(r->in[3], "dense_output_dim0", &dim0, err));
    TN_TRY(count_segments(r, s, dim0, size, err));
    shape.dim[0] = sort_indices(r, s, sorted);
    tn_shape rows = tn_shape_vector(shape.dim[0]);
    TN_TRY(tn_run_output(r, 0, &shape, err));
    TN_TRY(tn_run_output(r, 1, &rows, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < rows.dim[0]; i++) {
        if (r->out[1]->dtype == TN_INT64) ((int64_t *)r->out[1]->data)[i] = sorted[i];
        else ((int32_t *)r->out[1]->data)[i] = (int32_t)sorted[i];
    }
    for (int64_t i = 0; i < s->count; i++) {
        int64_t id = tn_segment_id(r->in[2], i), index = tn_segment_id(r->in[1], i);
        const int64_t *at = bsearch(&index, sorted, (size_t)rows.dim[0], sizeof *sorted, by_value);
        char *into = (char *)r->out[0]->data + (size_t)(at - sorted) * s->row;
        const char *row = (const char *)r->in[0]->data + (size_t)id * s->row;
        TN_TRY(add_row(s, into, row, scale_of(s->norm, size[id]), err));
    }
    return TN_OK;
}

static tn_code backward_rows_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 3, 0, err));
    tn_infer_set_rank(c, 1, 1);
    return rows_infer(c, -1, err);
}

static tn_code forward_grad(tn_grad *g, tn_error *err)
{
    static const char *const types[] = {"SparseSegmentSumGrad", "SparseSegmentMeanGrad",
                                        "SparseSegmentSqrtNGrad"};
    tn_node rows =
        tn_g3(g->b, "GatherV2", tn_shape_of(g->b, tn_grad_in(g, 0)), tn_g_int(g->b, 0), tn_g_int(g->b, 0));
    (void)err;
    tn_grad_set(g, 0,
                tn_op(g->b, types[norm_of(g->op->type)],
                      TN_INPUTS(tn_grad_dy(g, 0), tn_grad_in(g, 1), tn_grad_in(g, 2), rows), TN_NO_ATTRS));
    return TN_OK;
}

/* ==== the operators ==== */

#define IDS " Tidx:type{int32,int64}=int32"
#define SEGMENT_IDS " Tsegmentids:type{int32,int64}=int32"
#define FORWARD(Name, Types)                                                                                \
    const tn_op tn_op_##Name = {                                                                            \
        .name = #Name,                                                                                      \
        .sig = "data:T indices:Tidx segment_ids:Tsegmentids -> output:T; T:type{" Types "}" IDS SEGMENT_IDS \
               " sparse_gradient:bool=false",                                                               \
        .infer = forward_infer,                                                                             \
        .prepare = picked_prepare,                                                                          \
        .run = forward_run,                                                                                 \
        .grad = forward_grad,                                                                               \
        .dynamic = TN_BIT(0),                                                                               \
    };                                                                                                      \
    const tn_op tn_op_##Name##WithNumSegments = {                                                           \
        .name = #Name "WithNumSegments",                                                                    \
        .sig = "data:T indices:Tidx segment_ids:Tsegmentids num_segments:Tnumsegments -> output:T; "        \
               "T:type{" Types "}" IDS " Tnumsegments:type{int32,int64}=int32" SEGMENT_IDS                  \
               " sparse_gradient:bool=false",                                                               \
        .infer = forward_infer,                                                                             \
        .prepare = picked_prepare,                                                                          \
        .run = forward_run,                                                                                 \
        .grad = forward_grad,                                                                               \
        .dynamic = TN_BIT(0),                                                                               \
    }
FORWARD(SparseSegmentSum, "realnumbertype");
FORWARD(SparseSegmentMean, T_REAL);
FORWARD(SparseSegmentSqrtN, T_REAL);

#define BACKWARD(Name)                                                                                       \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "grad:T indices:Tidx segment_ids:Tsegmentids output_dim0:int32 -> output:T; T:type{" T_REAL   \
               "}" IDS SEGMENT_IDS,                                                                          \
        .infer = backward_infer,                                                                             \
        .prepare = picked_prepare,                                                                           \
        .run = backward_run,                                                                                 \
        .values = TN_BIT(3),                                                                                 \
    }
BACKWARD(SparseSegmentSumGrad);
BACKWARD(SparseSegmentMeanGrad);
BACKWARD(SparseSegmentSqrtNGrad);

#define BACKWARD_ROWS(Name)                                                                                  \
    const tn_op tn_op_##Name = {                                                                             \
        .name = #Name,                                                                                       \
        .sig = "grad:T indices:Tidx segment_ids:Tsegmentids dense_output_dim0:int32 -> "                     \
               "output:T sorted_unique_indices:Tidx; T:type{" T_REAL "}" IDS SEGMENT_IDS,                    \
        .infer = backward_rows_infer,                                                                        \
        .prepare = picked_prepare,                                                                           \
        .run = backward_rows_run,                                                                            \
        .dynamic = TN_BIT(0) | TN_BIT(1),                                                                    \
    }
BACKWARD_ROWS(SparseSegmentSumGradV2);
BACKWARD_ROWS(SparseSegmentMeanGradV2);
BACKWARD_ROWS(SparseSegmentSqrtNGradV2);
