/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_source.c - data sets that begin a pipeline without files: tensors, their rows, ranges, random
 * numbers.
 */
#include "../ops/random_words.h"
#include "../plan/state.h"
#include "dataset.h"

/* ==== one element ==== */

typedef struct once {
    tn_source base;
    bool given;
} once;

static tn_code tensor_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    (void)err;
    once *o = (once *)s;
    *end = o->given;
    for (int i = 0; i < s->d->width && !o->given; i++) out[i] = tn_tensor_ref(s->d->tensor[i]);
    o->given = true;
    return TN_OK;
}

static int64_t one(const tn_dataset *d)
{
    (void)d;
    return 1;
}

static const tn_dataset_kind tensor_kind = {
    .name = "Tensor", .state = sizeof(once), .next = tensor_next, .cardinality = one};

/* Component types are those of what there is. */
static tn_code components(tn_run *r, const tn_dataset_kind *k, tn_dataset **out, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, k, 0, false, &d, err));
    tn_code code = tn_dataset_keep(d, r, 0, r->n_in, err);
    if (code == TN_OK && d->width != d->n_tensors)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "'%s': %d components of %d types", r->name, d->n_tensors,
                       d->width);
    for (int i = 0; code == TN_OK && i < d->width; i++) {
        d->types[i] = d->tensor[i]->dtype;
        d->shapes[i] = d->tensor[i]->shape;
    }
    if (code == TN_OK)
        *out = d;
    else
        tn_dataset_unref(d);
    return code;
}

static tn_code tensor_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(components(r, &tensor_kind, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
TN_DATASET(TensorDataset, tensor_run, "components:[Toutput_types]",
           " Toutput_types:list(type)>=1 output_shapes:list(shape)>=1 metadata:string=\"\"");

/* ==== rows ==== */

typedef struct counter {
    tn_source base;
    int64_t i;
} counter;

static tn_code slice_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    counter *c = (counter *)s;
    if (c->i >= s->d->n[0]) {
        *end = true;
        return TN_OK;
    }
    for (int k = 0; k < s->d->width; k++) TN_TRY(tn_row_of(s->d->tensor[k], c->i, &out[k], err));
    c->i++;
    return TN_OK;
}

static int64_t first_number(const tn_dataset *d)
{
    return d->n[0];
}

static const tn_dataset_kind slice_kind = {
    .name = "TensorSlice", .state = sizeof(counter), .next = slice_next, .cardinality = first_number};

static tn_code check_rows(tn_dataset *d, tn_error *err)
{
    for (int k = 0; k < d->width; k++) {
        tn_shape *s = &d->shapes[k];
        if (s->rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "All components must be at least 1-dimensional");
        if (!tn_dtype_is_pod(d->types[k]) && d->types[k] != TN_STRING && d->types[k] != TN_VARIANT)
            return tn_fail(err, TN_UNIMPLEMENTED, "slices of %s", tn_dtype_name(d->types[k]));
        if (s->dim[0] != d->tensor[0]->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "All components must have the same size in the 0th dimension");
        s->rank--;
        memmove(s->dim, s->dim + 1, (size_t)s->rank * sizeof *s->dim);
    }
    d->n[0] = d->tensor[0]->shape.dim[0];
    return TN_OK;
}

static tn_code slice_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(components(r, &slice_kind, &d, err));
    return tn_dataset_give(r, d, check_rows(d, err), err);
}
TN_DATASET(
    TensorSliceDataset, slice_run, "components:[Toutput_types]",
    " Toutput_types:list(type)>=1 output_shapes:list(shape)>=1 is_files:bool=false metadata:string=\"\" "
    "replicate_on_split:bool=false");

/* ==== rows of a sparse tensor ==== indices ascend, so that each row's are together */

typedef struct sparse_rows {
    tn_source base;
    int64_t row, at;
} sparse_rows;

static tn_code sparse_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    sparse_rows *q = (sparse_rows *)s;
    const tn_tensor *indices = s->d->tensor[0], *values = s->d->tensor[1], *shape = s->d->tensor[2];
    int64_t n = indices->shape.dim[0], rank = indices->shape.dim[1], from = q->at;
    *end = q->row >= s->d->n[0];
    if (*end) return TN_OK;
    while (q->at < n && TN_INT64S(indices)[q->at * rank] == q->row) q->at++;
    tn_shape is = TN_SHAPE(q->at - from, rank - 1), vs = TN_SHAPE(q->at - from);
    TN_TRY(tn_tensor_new(TN_INT64, &is, &out[0], err));
    TN_TRY(tn_tensor_new(values->dtype, &vs, &out[1], err));
    for (int64_t i = from; i < q->at; i++)
        for (int64_t k = 1; k < rank; k++)
            TN_INT64S(out[0])[(i - from) * (rank - 1) + k - 1] = TN_INT64S(indices)[i * rank + k];
    TN_TRY(tn_move_row(out[1], 0, values, from, q->at - from, err));
    q->row++;
    return tn_tensor_int64s(TN_INT64, TN_INT64S(shape) + 1, rank - 1, &out[2], err);
}

static const tn_dataset_kind sparse_kind = {.name = "SparseTensorSlice",
                                            .state = sizeof(sparse_rows),
                                            .next = sparse_next,
                                            .cardinality = first_number};

static tn_code check_sparse(tn_dataset *d, tn_error *err)
{
    const tn_tensor *indices = d->tensor[0], *values = d->tensor[1], *shape = d->tensor[2];
    if (indices->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input indices must be a matrix. Got rank %d",
                       indices->shape.rank);
    if (values->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input values must be a vector. Got rank %d",
                       values->shape.rank);
    if (shape->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input shape must be a vector. Got rank %d",
                       shape->shape.rank);
    int64_t n = indices->shape.dim[0], rank = indices->shape.dim[1];
    if (values->shape.dim[0] != n)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Number of values must match first dimension of indices. Got %lld values, %lld indices",
            (long long)values->shape.dim[0], (long long)n);
    if (shape->shape.dim[0] != rank)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Number of dimensions must match second dimension of indices. Got %lld dimensions, %lld",
            (long long)shape->shape.dim[0], (long long)rank);
    if (rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "The shape argument requires at least one element.");
    d->n[0] = TN_INT64S(shape)[0];
    int64_t before = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = TN_INT64S(indices)[i * rank];
        if (row < before)
            return tn_fail(err, TN_UNIMPLEMENTED,
                           "The SparseTensor must be ordered in the batch dimension; handling arbitrarily "
                           "ordered input is not currently supported.");
        if (row >= d->n[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] is out of bounds", (long long)i);
        before = row;
    }
    return TN_OK;
}

static tn_code sparse_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_dtype types[3] = {TN_INT64, r->in[1]->dtype, TN_INT64};
    TN_TRY(tn_dataset_new(r, &sparse_kind, 0, false, &d, err));
    tn_code code = tn_dataset_types(d, 3, types, err);
    if (code == TN_OK) code = tn_dataset_keep(d, r, 0, 3, err);
    if (code == TN_OK) code = check_sparse(d, err);
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(SparseTensorSliceDataset, sparse_run, "indices:int64 values:Tvalues dense_shape:int64",
           " Tvalues:type");

/* ==== numbers ==== */

static tn_code range_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    counter *c = (counter *)s;
    *end = c->i >= s->d->n[2];
    if (*end) return TN_OK;
    uint64_t v = (uint64_t)s->d->n[0] + (uint64_t)c->i++ * (uint64_t)s->d->n[1];
    if (s->d->types[0] != TN_INT64) return tn_tensor_scalar(s->d->types[0], (double)(int64_t)v, &out[0], err);
    TN_TRY(tn_tensor_scalar(TN_INT64, 0, &out[0], err));
    TN_INT64S(out[0])[0] = (int64_t)v;
    return TN_OK;
}

static int64_t range_count(const tn_dataset *d)
{
    return d->n[2];
}

static const tn_dataset_kind range_kind = {
    .name = "Range", .state = sizeof(counter), .next = range_next, .cardinality = range_count};

static tn_code set_range(tn_dataset *d, const tn_run *r, tn_error *err)
{
    int64_t from, to, by;
    TN_TRY(tn_dataset_int(r, 0, "start", &from, err));
    TN_TRY(tn_dataset_int(r, 1, "stop", &to, err));
    TN_TRY(tn_dataset_int(r, 2, "step", &by, err));
    if (by == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "step must be a non-zero integer.");
    if (d->width != 1 || !tn_dtype_is_pod(d->types[0]))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': one number is made at a time", r->name);
    bool some = by > 0 ? from < to : from > to;
    uint64_t span = by > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
    uint64_t step = by > 0 ? (uint64_t)by : -(uint64_t)by;
    uint64_t n = some ? (span - 1) / step + 1 : 0;
    d->n[0] = from;
    d->n[1] = by;
    d->n[2] = n > INT64_MAX ? INT64_MAX : (int64_t)n;
    d->shapes[0] = TN_SHAPE();
    return TN_OK;
}

static tn_code range_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &range_kind, 0, false, &d, err));
    return tn_dataset_give(r, d, set_range(d, r, err), err);
}
TN_DATASET(RangeDataset, range_run, "start:int64 stop:int64 step:int64",
           TN_DATA_META " replicate_on_split:bool=false");
