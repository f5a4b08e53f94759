/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_batch.c - data sets whose elements are several of another's, stacked or padded, or parts of one:
 * Batch, PaddedBatch, MapAndBatch (a Batch of a Map), Unbatch.
 *
 * Invariant: elements are collected before the batch is made, so a batch takes memory for what there is only,
 * however large it may be.
 */
#include "dataset.h"

/* ==== Batch ==== n[0] elements, n[1]: no fewer */

typedef tn_code (*join_fn)(const tn_dataset *d, const tn_elements *q, int k, tn_tensor **out, tn_error *err);

static tn_code join(tn_source *s, tn_pull *t, join_fn one, tn_tensor **out, bool *end, tn_error *err)
{
    tn_elements q;
    bool over = false;
    tn_elements_begin(&q, s->d->input[0]);
    tn_code code = tn_elements_fill(&q, s->in, t, s->d->n[0], &over, err);
    *end = code == TN_OK && (q.n == 0 || (s->d->n[1] && q.n < s->d->n[0]));
    for (int k = 0; code == TN_OK && !*end && k < q.width; k++) code = one(s->d, &q, k, &out[k], err);
    tn_elements_drop(&q);
    return code;
}

static tn_code stack_one(const tn_dataset *d, const tn_elements *q, int k, tn_tensor **out, tn_error *err)
{
    (void)d;
    return tn_elements_stack(q, q->n, 1, k, out, err);
}

static tn_code batch_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    return join(s, t, stack_one, out, end, err);
}

static int64_t batch_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d);
    return n < 0 ? n : n / d->n[0] + (!d->n[1] && n % d->n[0]);
}

static const tn_dataset_kind batch_kind = {.name = "Batch",
                                           .state = sizeof(tn_source),
                                           .starts_input = true,
                                           .next = batch_next,
                                           .cardinality = batch_count};

static tn_code check_stacks(const tn_dataset *d, tn_error *err)
{
    for (int k = 0; k < d->width; k++)
        if (d->types[k] == TN_RESOURCE)
            return tn_fail(err, TN_UNIMPLEMENTED, "batches of %s", tn_dtype_name(d->types[k]));
    return TN_OK;
}

/* drop: the input that says whether the last batch is dropped when it is not full; -1: it is not. */
static tn_code set_batch(tn_dataset *d, const tn_run *r, int size, int drop, tn_error *err)
{
    const tn_attr *shapes = tn_attr_find(r->attrs, "output_shapes");
    TN_TRY(tn_dataset_int(r, size, "batch_size", &d->n[0], err));
    if (drop >= 0) TN_TRY(tn_dataset_int(r, drop, "drop_remainder", &d->n[1], err));
    if (d->n[0] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Batch size must be greater than zero.");
    for (int k = 0; k < d->width; k++)
        d->shapes[k] =
            shapes && shapes->is_list && shapes->n == d->width ? shapes->shapes[k] : tn_shape_unknown();
    return check_stacks(d, err);
}

static tn_code batch_as(tn_run *r, int drop, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &batch_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_batch(d, r, 1, drop, err), err);
}
static tn_code batch_run(tn_run *r, tn_error *err)
{
    return batch_as(r, r->n_in - 1 > 1 ? r->n_in - 1 : -1, err);
}
TN_DATASET(BatchDataset, batch_run, "input_dataset:variant batch_size:int64", TN_DATA_META);
TN_DATASET(BatchDatasetV2, batch_run, "input_dataset:variant batch_size:int64 drop_remainder:bool",
           " parallel_copy:bool=false" TN_DATA_META);
TN_DATASET(ParallelBatchDataset, batch_run,
           "input_dataset:variant batch_size:int64 num_parallel_calls:int64 drop_remainder:bool",
           " parallel_copy:bool=false" TN_DATA_OUT " deterministic:string=\"default\" metadata:string=\"\"");

/* ==== MapAndBatch ==== */

static tn_code map_and_batch_run(tn_run *r, tn_error *err)
{
    tn_dataset *map, *batch;
    TN_TRY(tn_dataset_new_map(r, &map, err));
    tn_code code = tn_dataset_over(r, &batch_kind, map, &batch, err);
    tn_dataset_unref(map);
    if (code != TN_OK) return code;
    int size = 1 + tn_dataset_count(r, "Targuments");
    return tn_dataset_give(r, batch, set_batch(batch, r, size, size + 2, err), err);
}
#define MAP_AND_BATCH                                                                               \
    "input_dataset:variant other_arguments:[Targuments] batch_size:int64 num_parallel_calls:int64 " \
    "drop_remainder:bool"
#define MAP_ATTRS " f:func Targuments:list(type)>=0" TN_DATA_OUT " preserve_cardinality:bool=false"
TN_DATASET(MapAndBatchDataset, map_and_batch_run, MAP_AND_BATCH, MAP_ATTRS " metadata:string=\"\"");
TN_DATASET(ExperimentalMapAndBatchDataset, map_and_batch_run, MAP_AND_BATCH, MAP_ATTRS);

/* ==== PaddedBatch ==== tensor: for each component its padded shape, then its padding values */

/* What a component's elements are padded to: at least `given`, with -1 for as large as the largest. */
static tn_code padded_shape(const tn_dataset *d, const tn_elements *q, int k, tn_shape *out, tn_error *err)
{
    char a[128], b[128];
    const tn_tensor *given = d->tensor[k];
    *out = (tn_shape){.rank = (int)given->shape.dim[0]};
    for (int j = 0; j < out->rank; j++) out->dim[j] = TN_INT64S(given)[j];
    const tn_shape said = *out;
    for (int64_t i = 0; i < q->n; i++) {
        const tn_shape *s = &q->at[i * q->width + k]->shape;
        if (s->rank != out->rank)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "All elements in a batch must have the same rank as the padded shape for component%d: "
                "expected rank %d but got element with rank %d",
                k, out->rank, s->rank);
        for (int j = 0; j < s->rank; j++) {
            if (said.dim[j] >= 0 && s->dim[j] > said.dim[j])
                return tn_fail(err, TN_DATA_LOSS,
                               "Attempted to pad to a smaller size than the input element: %s padded to %s",
                               tn_shape_text(s, a, sizeof a), tn_shape_text(&said, b, sizeof b));
            if (said.dim[j] < 0) out->dim[j] = TN_MAX(out->dim[j], s->dim[j]);
        }
    }
    return TN_OK;
}

/* Element i into the batch, in its corner. */
static tn_code put_padded(tn_tensor *to, int64_t i, const tn_tensor *e, tn_error *err)
{
    tn_move m = {0};
    int64_t strides[TN_MAX_RANK], own[TN_MAX_RANK];
    tn_shape_strides(&to->shape, strides);
    tn_shape_strides(&e->shape, own);
    for (int j = 0; j < e->shape.rank; j++) tn_move_dim(&m, e->shape.dim[j], strides[j + 1], own[j]);
    m.out0 = i * strides[0];
    TN_TRY(tn_move_ready(&m, e->dtype, 1, err));
    return tn_move_run(&m, to, e, err);
}

static tn_code pad_one(const tn_dataset *d, const tn_elements *q, int k, tn_tensor **out, tn_error *err)
{
    tn_shape each, all;
    tn_tensor *made;
    int64_t n;
    TN_TRY(padded_shape(d, q, k, &each, err));
    TN_TRY(tn_batch_shape(q->n, &each, &all, err));
    TN_TRY(tn_shape_count_checked(&all, &n, err));
    TN_TRY(tn_tensor_new(d->types[k], &all, &made, err));
    tn_code code = tn_move_fill(made, 0, n, d->tensor[d->width + k], 0, err);
    for (int64_t i = 0; code == TN_OK && i < q->n; i++)
        code = put_padded(made, i, q->at[i * q->width + k], err);
    if (code == TN_OK)
        *out = made;
    else
        tn_tensor_unref(made);
    return code;
}

static tn_code padded_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    return join(s, t, pad_one, out, end, err);
}

static const tn_dataset_kind padded_kind = {.name = "PaddedBatch",
                                            .state = sizeof(tn_source),
                                            .starts_input = true,
                                            .next = padded_next,
                                            .cardinality = batch_count};

static tn_code check_padding(const tn_dataset *d, tn_error *err)
{
    if (d->n_tensors != 2 * d->width)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Number of padded shapes (%d) must match the number of components in "
                       "the input dataset's elements (%d)",
                       d->n_tensors / 2, d->width);
    for (int k = 0; k < d->width; k++) {
        const tn_tensor *shape = d->tensor[k], *value = d->tensor[d->width + k];
        if (shape->shape.rank != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All padded shapes must be vectors");
        if (shape->shape.dim[0] >= TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
        for (int64_t j = 0; j < shape->shape.dim[0]; j++)
            if (TN_INT64S(shape)[j] < -1)
                return tn_fail(err, TN_INVALID_ARGUMENT, "Dimension %lld must be >= -1",
                               (long long)TN_INT64S(shape)[j]);
        if (value->shape.rank != 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All padding values must be scalars");
        if (value->dtype != d->types[k])
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Mismatched type between padding value %d and input dataset's component %d: %s vs. %s", k, k,
                tn_dtype_name(value->dtype), tn_dtype_name(d->types[k]));
        if (!tn_dtype_is_pod(value->dtype) && value->dtype != TN_STRING && value->dtype != TN_VARIANT)
            return tn_fail(err, TN_UNIMPLEMENTED, "padding of %s", tn_dtype_name(value->dtype));
    }
    return TN_OK;
}

static tn_code padded_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    int n = (int)tn_attr_i(r->attrs, "N"), values = tn_dataset_count(r, "Toutput_types");
    TN_TRY(tn_dataset_new(r, &padded_kind, 1, true, &d, err));
    tn_code code = tn_dataset_keep(d, r, 2, n + values, err);
    if (code == TN_OK) code = set_batch(d, r, 1, 2 + n + values < r->n_in ? 2 + n + values : -1, err);
    if (code == TN_OK) code = check_padding(d, err);
    return tn_dataset_give(r, d, code, err);
}
#define PADDED "input_dataset:variant batch_size:int64 padded_shapes:N*int64 padding_values:[Toutput_types]"
#define PADDED_ATTRS " Toutput_types:list(type)>=1 output_shapes:list(shape)>=1 N:int>=1 metadata:string=\"\""
TN_DATASET(PaddedBatchDataset, padded_run, PADDED, PADDED_ATTRS);
TN_DATASET(PaddedBatchDatasetV2, padded_run, PADDED " drop_remainder:bool",
           " parallel_copy:bool=false" PADDED_ATTRS);

/* ==== Unbatch ==== */

typedef struct unbatched {
    tn_source base;
    tn_tensor **element; /* its rows from i on are still to come */
    int64_t i, n;
} unbatched;

static tn_code unbatch_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    unbatched *u = (unbatched *)s;
    u->element = tn_element_new(s->d->width);
    return u->element ? TN_OK : tn_no_memory(err, 0);
}

static void unbatch_stop(tn_source *s)
{
    unbatched *u = (unbatched *)s;
    tn_element_drop(u->element, s->d->width);
    tn_free(u->element);
}

static tn_code row_count(tn_tensor *const *e, int width, int64_t *n, tn_error *err)
{
    for (int k = 0; k < width; k++) {
        if (e[k]->shape.rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Input element must have a non-zero rank");
        if (e[k]->dtype == TN_RESOURCE) return tn_fail(err, TN_UNIMPLEMENTED, "rows of resources");
        if (e[k]->shape.dim[0] != e[0]->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input element must have the same batch size in each component. Component 0 had "
                           "size %lld but "
                           "component %d had size, %lld.",
                           (long long)e[0]->shape.dim[0], k, (long long)e[k]->shape.dim[0]);
    }
    *n = e[0]->shape.dim[0];
    return TN_OK;
}

static tn_code unbatch_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    unbatched *u = (unbatched *)s;
    while (u->i >= u->n) {
        u->i = u->n = 0;
        tn_element_drop(u->element, s->d->width);
        TN_TRY(tn_source_next(s->in, t, u->element, end, err));
        if (*end) return TN_OK;
        TN_TRY(row_count(u->element, s->d->width, &u->n, err));
    }
    for (int k = 0; k < s->d->width; k++) TN_TRY(tn_row_of(u->element[k], u->i, &out[k], err));
    u->i++;
    return TN_OK;
}

static const tn_dataset_kind unbatch_kind = {.name = "Unbatch",
                                             .state = sizeof(unbatched),
                                             .starts_input = true,
                                             .start = unbatch_start,
                                             .next = unbatch_next,
                                             .stop = unbatch_stop};

tn_code tn_dataset_new_unbatch(const tn_run *r, tn_dataset **out, tn_error *err)
{
    return tn_dataset_new(r, &unbatch_kind, 1, true, out, err);
}

static tn_code unbatch_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new_unbatch(r, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
TN_DATASET(UnbatchDataset, unbatch_run, "input_dataset:variant", TN_DATA_META);
TN_DATASET(ExperimentalUnbatchDataset, unbatch_run, "input_dataset:variant", TN_DATA_OUT);
