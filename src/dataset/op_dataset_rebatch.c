/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_rebatch.c - data sets of batches of other sizes (Rebatch), and of batches that are sparse
 * tensors (DenseToSparseBatch).
 */
#include "../ops/boxed.h"
#include "dataset.h"

/* ==== RebatchV2 ==== over an Unbatch; tensor 0: sizes in turn; n[1]: the last one is full or is not */

typedef struct rebatched {
    tn_source base;
    int64_t turn;
    tn_tensor **row; /* the last one: what an empty batch is like */
} rebatched;

static tn_code rebatch_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    rebatched *b = (rebatched *)s;
    b->row = tn_element_new(s->d->width);
    return b->row ? TN_OK : tn_no_memory(err, 0);
}

static void rebatch_stop(tn_source *s)
{
    rebatched *b = (rebatched *)s;
    tn_element_drop(b->row, s->d->width);
    tn_free(b->row);
}

static tn_code empty_batch(const rebatched *b, int k, tn_tensor **out, tn_error *err)
{
    const tn_dataset *d = b->base.d;
    tn_shape s, of = b->row[k] ? b->row[k]->shape : d->input[0]->shapes[k];
    if (!tn_shape_known(&of))
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': an empty batch before any element, of unknown shape",
                       d->node);
    TN_TRY(tn_batch_shape(0, &of, &s, err));
    return tn_tensor_new(d->types[k], &s, out, err);
}

static tn_code rebatch_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    rebatched *b = (rebatched *)s;
    const tn_tensor *sizes = s->d->tensor[0];
    int64_t size = tn_tensor_int(sizes, b->turn++ % tn_tensor_count(sizes));
    tn_elements q;
    bool over = false;
    tn_elements_begin(&q, s->d->input[0]);
    tn_code code = size ? tn_elements_fill(&q, s->in, t, size, &over, err) : TN_OK;
    *end = code == TN_OK && size && (q.n == 0 || (s->d->n[1] && q.n < size));
    for (int k = 0; code == TN_OK && !*end && k < q.width; k++) {
        code = size ? tn_elements_stack(&q, q.n, 1, k, &out[k], err) : empty_batch(b, k, &out[k], err);
        if (code != TN_OK || !size) continue;
        tn_tensor_unref(b->row[k]);
        b->row[k] = tn_tensor_ref(q.at[k]);
    }
    tn_elements_drop(&q);
    return code;
}

static const tn_dataset_kind rebatch_kind = {.name = "Rebatch",
                                             .state = sizeof(rebatched),
                                             .starts_input = true,
                                             .start = rebatch_start,
                                             .next = rebatch_next,
                                             .stop = rebatch_stop};

static tn_code set_sizes(tn_dataset *d, const tn_run *r, tn_error *err)
{
    const tn_tensor *sizes = r->in[1];
    if (sizes->shape.rank > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "batch_sizes must be a scalar or vector");
    if (!tn_tensor_count(sizes)) return tn_fail(err, TN_INVALID_ARGUMENT, "batch_sizes must not be empty");
    for (int64_t i = 0; i < tn_tensor_count(sizes); i++)
        if (tn_tensor_int(sizes, i) < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "a batch size of %lld",
                           (long long)tn_tensor_int(sizes, i));
    TN_TRY(tn_dataset_int(r, 2, "drop_remainder", &d->n[1], err));
    return tn_dataset_keep(d, r, 1, 1, err);
}

static tn_code rebatch_run(tn_run *r, tn_error *err)
{
    tn_dataset *rows, *d;
    TN_TRY(tn_dataset_new_unbatch(r, &rows, err));
    tn_code code = tn_dataset_over(r, &rebatch_kind, rows, &d, err);
    tn_dataset_unref(rows);
    return code == TN_OK ? tn_dataset_give(r, d, set_sizes(d, r, err), err) : code;
}
TN_DATASET(RebatchDatasetV2, rebatch_run, "input_dataset:variant batch_sizes:int64 drop_remainder:bool",
           TN_DATA_OUT);

/* ==== Rebatch ==== n[0] parts of each batch, of which the last ones may be smaller or empty */

typedef struct parted {
    tn_source base;
    tn_tensor **batch;
    int64_t part;
} parted;

static tn_code part_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    parted *p = (parted *)s;
    p->batch = tn_element_new(s->d->width);
    return p->batch ? TN_OK : tn_no_memory(err, 0);
}

static void part_stop(tn_source *s)
{
    parted *p = (parted *)s;
    tn_element_drop(p->batch, s->d->width);
    tn_free(p->batch);
}

static tn_code part_of(const tn_tensor *t, int64_t part, int64_t parts, tn_tensor **out, tn_error *err)
{
    tn_shape s = t->shape;
    int64_t rows = s.dim[0], size = rows / parts + (rows % parts != 0);
    int64_t from = size && part > rows / size ? rows : part * size, each = tn_shape_product(&s, 1, s.rank);
    s.dim[0] = TN_MIN(size, rows - from);
    TN_TRY(tn_tensor_new(t->dtype, &s, out, err));
    return tn_move_row(*out, 0, t, from * each, s.dim[0] * each, err);
}

static tn_code part_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    parted *p = (parted *)s;
    if (p->part % s->d->n[0] == 0) {
        p->part = 0;
        tn_element_drop(p->batch, s->d->width);
        TN_TRY(tn_source_next(s->in, t, p->batch, end, err));
        if (*end) return TN_OK;
    }
    for (int k = 0; k < s->d->width; k++) {
        if (!p->batch[k] || p->batch[k]->shape.rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Cannot rebatch dataset: All components must have at least one "
                           "dimension.");
        TN_TRY(part_of(p->batch[k], p->part, s->d->n[0], &out[k], err));
    }
    p->part++;
    return TN_OK;
}

static const tn_dataset_kind part_kind = {.name = "RebatchParts",
                                          .state = sizeof(parted),
                                          .starts_input = true,
                                          .start = part_start,
                                          .next = part_next,
                                          .stop = part_stop};

static tn_code set_parts(tn_dataset *d, const tn_run *r, tn_error *err)
{
    TN_TRY(tn_dataset_int(r, 1, "num_replicas", &d->n[0], err));
    for (int k = 0; k < d->width; k++) d->shapes[k] = tn_shape_unknown();
    return d->n[0] > 0 ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "num_replicas must be greater than zero.");
}

static tn_code parts_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &part_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_parts(d, r, err), err);
}
#define PARTS "input_dataset:variant num_replicas:int64"
TN_DATASET(RebatchDataset, parts_run, PARTS, TN_DATA_OUT " use_fallback:bool=true");
TN_DATASET(ExperimentalRebatchDataset, parts_run, PARTS, TN_DATA_OUT " use_fallback:bool=true");

/* ==== DenseToSparseBatch ==== n[0] elements of tensor 0's shape at most, -1: as large as the largest */

static tn_code sparse_shape(const tn_dataset *d, const tn_elements *q, int64_t *shape, int64_t *values,
                            tn_error *err)
{
    const tn_tensor *row = d->tensor[0];
    const int64_t rank = tn_tensor_count(row);
    char text[128];
    shape[0] = q->n;
    *values = 0;
    for (int64_t j = 0; j < rank; j++) shape[j + 1] = TN_MAX(TN_INT64S(row)[j], 0);
    for (int64_t i = 0; i < q->n; i++) {
        const tn_shape *s = &q->at[i]->shape;
        if (s->rank != rank)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input element had shape (%s) that is incompatible with the row shape",
                           tn_shape_text(s, text, sizeof text));
        for (int64_t j = 0; j < rank; j++) {
            if (TN_INT64S(row)[j] >= 0 && s->dim[j] > TN_INT64S(row)[j])
                return tn_fail(err, TN_DATA_LOSS,
                               "Input element had shape (%s) that is larger than the row shape",
                               tn_shape_text(s, text, sizeof text));
            shape[j + 1] = TN_MAX(shape[j + 1], s->dim[j]);
        }
        *values += tn_shape_count(s);
    }
    return TN_OK;
}

/* Where each value is: its element, then its place there. */
static tn_code put_values(const tn_elements *q, tn_tensor *indices, tn_tensor *values, tn_error *err)
{
    int64_t *at = TN_INT64S(indices), done = 0;
    for (int64_t i = 0; i < q->n; i++) {
        const tn_tensor *e = q->at[i];
        int64_t n = tn_tensor_count(e);
        TN_TRY(tn_move_row(values, done, e, 0, n, err));
        for (int64_t v = 0; v < n; v++, at += e->shape.rank + 1) {
            int64_t left = v;
            at[0] = i;
            for (int j = e->shape.rank; j-- > 0; left /= e->shape.dim[j]) at[j + 1] = left % e->shape.dim[j];
        }
        done += n;
    }
    return TN_OK;
}

static tn_code sparse_batch(const tn_dataset *d, const tn_elements *q, tn_tensor **out, tn_error *err)
{
    int64_t shape[TN_MAX_RANK + 1], n, rank = tn_tensor_count(d->tensor[0]) + 1;
    tn_tensor *part[3] = {NULL, NULL, NULL};
    tn_shape three = tn_shape_vector(3);
    TN_TRY(sparse_shape(d, q, shape, &n, err));
    tn_shape is = TN_SHAPE(n, rank), vs = tn_shape_vector(n);
    tn_code code = tn_tensor_new(TN_INT64, &is, &part[0], err);
    if (code == TN_OK) code = tn_tensor_new(q->types[0], &vs, &part[1], err);
    if (code == TN_OK) code = tn_tensor_int64s(TN_INT64, shape, rank, &part[2], err);
    if (code == TN_OK) code = put_values(q, part[0], part[1], err);
    if (code == TN_OK) code = tn_tensor_new(TN_VARIANT, &three, out, err);
    for (int k = 0; k < 3; k++) {
        if (code == TN_OK) code = tn_box_put(*out, k, part[k], err);
        tn_tensor_unref(part[k]);
    }
    return code;
}

static tn_code sparse_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    tn_elements q;
    bool over = false;
    tn_elements_begin(&q, s->d->input[0]);
    tn_code code = tn_elements_fill(&q, s->in, t, s->d->n[0], &over, err);
    *end = code == TN_OK && q.n == 0;
    if (code == TN_OK && !*end) code = sparse_batch(s->d, &q, &out[0], err);
    tn_elements_drop(&q);
    return code;
}

static const tn_dataset_kind sparse_kind = {
    .name = "DenseToSparseBatch", .state = sizeof(tn_source), .starts_input = true, .next = sparse_next};

static tn_code set_sparse(tn_dataset *d, const tn_run *r, tn_error *err)
{
    static const tn_dtype variant = TN_VARIANT;
    const tn_tensor *row = r->in[2];
    TN_TRY(tn_dataset_int(r, 1, "batch_size", &d->n[0], err));
    if (d->n[0] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Batch size must be greater than zero.");
    if (row->shape.rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "row_shape must be a vector");
    if (row->shape.dim[0] >= TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    for (int64_t j = 0; j < row->shape.dim[0]; j++)
        if (TN_INT64S(row)[j] < -1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Dimension %lld must be >= -1",
                           (long long)TN_INT64S(row)[j]);
    if (d->input[0]->width != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "DenseToSparseBatchDataset only supports inputs with a single component.");
    TN_TRY(tn_dataset_types(d, 1, &variant, err));
    return tn_dataset_keep(d, r, 2, 1, err);
}

static tn_code sparse_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &sparse_kind, 1, false, &d, err));
    return tn_dataset_give(r, d, set_sparse(d, r, err), err);
}
#define SPARSE "input_dataset:variant batch_size:int64 row_shape:int64"
TN_DATASET(DenseToSparseBatchDataset, sparse_run, SPARSE, TN_DATA_OUT);
TN_DATASET(ExperimentalDenseToSparseBatchDataset, sparse_run, SPARSE, TN_DATA_OUT);
