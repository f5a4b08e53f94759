/* SPDX-License-Identifier: Apache-2.0
 *
 * op_ragged_variant.c - ragged tensors as elements of variant tensors, as tf.map_fn and batches of them need:
 * one whole in a scalar, or a row in each element. An element is a box (boxed.h) of the splits of each level,
 * then the values.
 */
#include "../graph/op_grads.h"
#include "boxed.h"
#include "op_move.h"

/* ==== boxes as ragged tensors ==== */

static tn_code check_splits(const tn_tensor *s, int64_t rows, tn_error *err)
{
    int64_t n = tn_tensor_count(s), last = 0;
    if (s->shape.rank != 1 || n == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Invalid ragged splits: ragged splits must have at least one splits, but is empty");
    for (int64_t i = 0; i < n; i++) {
        int64_t v = tn_tensor_int(s, i);
        if ((i == 0 && v != 0) || v < last || v > rows || (i == n - 1 && v != rows))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid ragged splits: splits[%lld] = %lld (they begin with 0, never fall, and "
                           "end with %lld)",
                           (long long)i, (long long)v, (long long)rows);
        last = v;
    }
    return TN_OK;
}

/* Splits of each level, then values: what they point to is there. */
static tn_code check_ragged(const tn_tensor *const *v, int levels, tn_error *err)
{
    if (levels && v[levels]->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Requires flat_values to have rank >= 1");
    for (int k = levels - 1; k >= 0; k--)
        TN_TRY(check_splits(v[k], k + 1 < levels ? tn_tensor_count(v[k + 1]) - 1 : v[levels]->shape.dim[0],
                            err));
    return TN_OK;
}

/* v[from, to) along the first dimension; drop: that dimension, of one row, is left out. */
static tn_code part_of(const tn_tensor *v, int64_t from, int64_t to, bool drop, tn_tensor **out,
                       tn_error *err)
{
    tn_shape s = v->shape;
    int64_t each = tn_shape_product(&s, 1, s.rank);
    s.dim[0] = to - from;
    if (drop) {
        s.rank--;
        memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof *s.dim);
    }
    TN_TRY(tn_tensor_new(v->dtype, &s, out, err));
    tn_code code = tn_move_row(*out, 0, v, from * each, (to - from) * each, err);
    if (code == TN_OK) return TN_OK;
    tn_tensor_unref(*out);
    *out = NULL;
    return code;
}

static void put_int(tn_tensor *t, int64_t i, int64_t v)
{
    if (t->dtype == TN_INT32)
        TN_INT32S(t)[i] = (int32_t)v;
    else
        TN_INT64S(t)[i] = v;
}

/* ==== RaggedTensorToVariant ==== */

/* Row `row`, as the splits of the levels below the first and its values. */
static tn_code row_parts(const tn_run *r, int levels, int64_t row, tn_tensor **part, tn_error *err)
{
    int64_t from = row, to = row + 1;
    for (int k = 0; k < levels; k++) {
        if (k > 0) {
            TN_TRY(part_of(r->in[k], from, to + 1, false, &part[k - 1], err));
            int64_t first = tn_tensor_int(r->in[k], from);
            for (int64_t i = 0; i <= to - from; i++)
                put_int(part[k - 1], i, tn_tensor_int(part[k - 1], i) - first);
        }
        from = tn_tensor_int(r->in[k], from);
        to = tn_tensor_int(r->in[k], to);
    }
    return part_of(r->in[levels], from, to, levels == 0, &part[levels ? levels - 1 : 0], err);
}

static tn_code put_row(tn_run *r, int levels, int64_t row, tn_error *err)
{
    tn_tensor *part[TN_MAX_RANK + 1] = {NULL};
    int n = levels ? levels : 1;
    tn_code code = row_parts(r, levels, row, part, err);
    if (code == TN_OK) code = tn_box_set(r->out[0], row, (const tn_tensor *const *)part, n, err);
    for (int k = 0; k < n; k++) tn_tensor_unref(part[k]);
    return code;
}

static tn_code to_variant_run(tn_run *r, tn_error *err)
{
    int levels = r->n_in - 1;
    bool batched = tn_attr_b(r->attrs, "batched_input");
    if (levels > TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d ragged dimensions", TN_MAX_RANK);
    TN_TRY(check_ragged(r->in, levels, err));
    if (batched && r->in[levels]->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Can't unbatch rank-0 tensor.");
    int64_t rows = levels ? tn_tensor_count(r->in[0]) - 1 : batched ? r->in[0]->shape.dim[0] : 1;
    tn_shape s = batched ? tn_shape_vector(rows) : (tn_shape){.rank = 0};
    TN_TRY(tn_run_output(r, 0, &s, err));
    if (!batched) return tn_box_set(r->out[0], 0, r->in, levels + 1, err);
    for (int64_t row = 0; row < rows; row++) TN_TRY(put_row(r, levels, row, err));
    return TN_OK;
}

static tn_code to_variant_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    int64_t n = c->in[0]->shape.rank > 0 ? c->in[0]->shape.dim[0] : -1;
    if (!tn_attr_b(c->attrs, "batched_input")) {
        c->out[0].shape = (tn_shape){.rank = 0};
        return TN_OK;
    }
    tn_infer_set_rank(c, 0, 1);
    if (n >= (c->n_in > 1)) c->out[0].shape.dim[0] = n - (c->n_in > 1);
    return TN_OK;
}

static tn_code to_variant_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    int levels = g->op->n_in - 1;
    tn_node values = tn_grad_in(g, levels);
    tn_dtype t = tn_dtype_base(tn_node_dtype(values));
    tn_node splits = levels ? tn_grad_in(g, 0) : tn_grad_int(b, tn_attr_t(&g->op->attrs, "Tsplits"), 0);
    tn_grad_set(g, levels,
                tn_op(b, "RaggedTensorToVariantGradient",
                      TN_INPUTS(tn_grad_dy(g, 0), splits, tn_grad_shape(b, values, TN_INT32)),
                      TN_ATTRS(tn_attr_type("Tvalues", t))));
    return TN_OK;
}

const tn_op tn_op_RaggedTensorToVariant = {
    .name = "RaggedTensorToVariant",
    .sig = "rt_nested_splits:RAGGED_RANK*Tsplits rt_dense_values:Tvalues -> encoded_ragged:variant; "
           "RAGGED_RANK:int>=0 Tvalues:type Tsplits:type{int32,int64}=int64 batched_input:bool",
    .infer = to_variant_infer,
    .run = to_variant_run,
    .grad = to_variant_grad,
    .dynamic = TN_BIT(0),
};

/* ==== RaggedTensorFromVariant ==== */

/* Element i as a ragged tensor of so many levels, whose dtypes are those of the outputs. */
static tn_code element(const tn_run *r, int64_t i, int levels, const tn_box **out, tn_error *err)
{
    const tn_box *b;
    tn_dtype splits = tn_attr_t(r->attrs, "Tsplits"), values = r->out[r->n_out - 1]->dtype;
    TN_TRY(tn_box_of(r->in[0], i, -1, &b, err));
    if (b->n != levels + 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Encoded input RaggedTensorVariant has ragged_rank=%d. Expected ragged_rank=%d.",
                       b->n - 1, levels);
    for (int k = 0; k < b->n; k++)
        if (b->item[k]->dtype != (k < levels ? splits : values))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %s Tensor dtype: %s, found: %s",
                           k < levels ? "row_splits" : "values", tn_dtype_name(k < levels ? splits : values),
                           tn_dtype_name(b->item[k]->dtype));
    TN_TRY(check_ragged(b->item, levels, err));
    *out = b;
    return TN_OK;
}

static const tn_tensor *values_of(const tn_box *b)
{
    return b->item[b->n - 1];
}

static int64_t rows_of(const tn_box *b)
{
    return b->n > 1 ? tn_tensor_count(b->item[0]) - 1 : values_of(b)->shape.dim[0];
}

/* Splits begin with 0; *at is where the next stands. */
static tn_code begin_splits(tn_run *r, int o, int64_t rows, int64_t *at, tn_error *err)
{
    tn_shape s = tn_shape_vector(rows + 1);
    TN_TRY(tn_run_output(r, o, &s, err));
    put_int(r->out[o], 0, 0);
    *at = 1;
    return TN_OK;
}

static tn_code next_split(tn_run *r, int o, int64_t *at, int64_t more, tn_error *err)
{
    int64_t v = tn_tensor_int(r->out[o], *at - 1) + more;
    if (r->out[o]->dtype == TN_INT32 && v > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor has too many values for int32 row splits: %lld",
                       (long long)v);
    put_int(r->out[o], (*at)++, v);
    return TN_OK;
}

/* The dimensions of the variants before the last, whose rows are all of one length. */
static tn_code even_splits(tn_run *r, const tn_shape *s, tn_error *err)
{
    for (int o = 0; o < s->rank - 1; o++) {
        int64_t rows = tn_shape_product(s, 0, o + 1), at;
        TN_TRY(begin_splits(r, o, rows, &at, err));
        for (int64_t i = 0; i < rows; i++) TN_TRY(next_split(r, o, &at, s->dim[o + 1], err));
    }
    return TN_OK;
}

/* Level k of all elements, one after another. */
static tn_code join_level(tn_run *r, const tn_box *const *v, int64_t n, int k, int o, tn_error *err)
{
    int64_t rows = 0, at;
    for (int64_t i = 0; i < n; i++)
        if (__builtin_add_overflow(rows, tn_tensor_count(v[i]->item[k]) - 1, &rows))
            return tn_fail(err, TN_INVALID_ARGUMENT, "too many rows");
    TN_TRY(begin_splits(r, o, rows, &at, err));
    for (int64_t i = 0; i < n; i++) {
        const tn_tensor *s = v[i]->item[k];
        for (int64_t j = 1; j < tn_tensor_count(s); j++)
            TN_TRY(next_split(r, o, &at, tn_tensor_int(s, j) - tn_tensor_int(s, j - 1), err));
    }
    return TN_OK;
}

static tn_code check_values(const tn_box *const *v, int64_t n, tn_shape *s, tn_error *err)
{
    char a[96], b[96];
    *s = n ? values_of(v[0])->shape : tn_shape_vector(0);
    for (int64_t i = 0; i < n; i++) {
        const tn_shape *t = &values_of(v[i])->shape;
        if (t->rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Ragged values must have rank >= 1; encoded scalar element at index %lld",
                           (long long)i);
        bool fits = t->rank == s->rank;
        for (int k = 1; fits && k < t->rank; k++) fits = t->dim[k] == s->dim[k];
        if (!fits)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Rank and inner shape of values must match for all components; values shape at index 0: %s, "
                "at index %lld: %s",
                tn_shape_text(s, a, sizeof a), (long long)i, tn_shape_text(t, b, sizeof b));
        if (i && __builtin_add_overflow(s->dim[0], t->dim[0], &s->dim[0]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "too many values");
    }
    return TN_OK;
}

static tn_code join_values(tn_run *r, const tn_box *const *v, int64_t n, const tn_shape *s, tn_error *err)
{
    int o = r->n_out - 1;
    int64_t at = 0;
    TN_TRY(tn_run_output(r, o, s, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t count = tn_tensor_count(values_of(v[i]));
        TN_TRY(tn_move_row(r->out[o], at, values_of(v[i]), 0, count, err));
        at += count;
    }
    return TN_OK;
}

static tn_code join(tn_run *r, const tn_box **v, int levels, tn_error *err)
{
    const tn_shape *shape = &r->in[0]->shape;
    int64_t n = tn_tensor_count(r->in[0]), at;
    int o = shape->rank - 1; /* whose rows are the elements */
    tn_shape s;
    for (int64_t i = 0; i < n; i++) TN_TRY(element(r, i, levels, &v[i], err));
    TN_TRY(check_values(v, n, &s, err));
    TN_TRY(even_splits(r, shape, err));
    TN_TRY(begin_splits(r, o, n, &at, err));
    for (int64_t i = 0; i < n; i++) TN_TRY(next_split(r, o, &at, rows_of(v[i]), err));
    for (int k = 0; k < levels; k++) TN_TRY(join_level(r, v, n, k, o + 1 + k, err));
    return join_values(r, v, n, &s, err);
}

static tn_code one_element(tn_run *r, int levels, tn_error *err)
{
    const tn_box *b = NULL;
    TN_TRY(element(r, 0, levels, &b, err));
    for (int k = 0; k < b->n; k++) TN_TRY(tn_run_output_share(r, k, b->item[k], err));
    return TN_OK;
}

static tn_code from_variant_run(tn_run *r, tn_error *err)
{
    int rank = r->in[0]->shape.rank, in = (int)tn_attr_i(r->attrs, "input_ragged_rank"), out = r->n_out - 1;
    int64_t n = tn_tensor_count(r->in[0]);
    if (in == -1 && (in = out - rank) < 0)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Inferred input_ragged_rank (output_ragged_rank - encoded_variant.dims()) must be >= 0, found "
            "output_ragged_rank: %d, encoded_variant.dims(): %d",
            out, rank);
    if (out != in + rank || in > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "output_ragged_rank must be equal to input_ragged_rank + encoded_ragged.dims(); "
                       "output_ragged_rank: %d, input_ragged_rank: %d, encoded_ragged.dims(): %d",
                       out, in, rank);
    if (rank == 0) return one_element(r, in, err);
    const tn_box **v = tn_calloc((size_t)n + 1, sizeof *v);
    if (!v) return tn_no_memory(err, (size_t)n * sizeof *v);
    tn_code code = join(r, v, in, err);
    tn_free(v);
    return code;
}

static tn_code from_variant_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < c->n_out - 1; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

static tn_code from_variant_grad(tn_grad *g, tn_error *err)
{
    int levels = g->op->n_out - 1;
    tn_shape s = tn_node_shape(tn_grad_in(g, 0));
    tn_node in[TN_MAX_RANK + 1];
    if (s.rank > 1 || levels > TN_MAX_RANK)
        return tn_fail(
            err, TN_UNIMPLEMENTED,
            "Unable to compute gradient: RaggedTensorToVariant can currently only generate 0D or 1D output.");
    for (int k = 0; k < levels; k++) in[k] = tn_grad_out(g, k);
    in[levels] = tn_grad_dy(g, levels);
    tn_operation *op =
        tn_add_operation(g->b, "RaggedTensorToVariant", NULL, in, levels + 1,
                         TN_ATTRS(tn_attr_bool("batched_input", s.rank < 0 ? levels > 0 : s.rank == 1),
                                  tn_attr_int("RAGGED_RANK", levels),
                                  tn_attr_type("Tsplits", tn_attr_t(&g->op->attrs, "Tsplits"))));
    if (op) tn_grad_set(g, 0, tn_output_of(op, 0));
    return TN_OK;
}

const tn_op tn_op_RaggedTensorFromVariant = {
    .name = "RaggedTensorFromVariant",
    .sig = "encoded_ragged:variant -> output_nested_splits:output_ragged_rank*Tsplits "
           "output_dense_values:Tvalues; "
           "input_ragged_rank:int>=-1 output_ragged_rank:int>=0 Tvalues:type Tsplits:type{int32,int64}=int64",
    .infer = from_variant_infer,
    .run = from_variant_run,
    .grad = from_variant_grad,
    .dynamic = ~0u,
};

/* ==== RaggedTensorToVariantGradient ==== what the elements' values got, in a row */

static tn_code gradient_of(const tn_run *r, int64_t i, const tn_tensor **out, tn_error *err)
{
    const tn_box *b;
    TN_TRY(tn_box_of(r->in[0], i, -1, &b, err));
    *out = values_of(b);
    if ((*out)->dtype == r->out[0]->dtype) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected values Tensor dtype: %s, found: %s",
                   tn_dtype_name(r->out[0]->dtype), tn_dtype_name((*out)->dtype));
}

static tn_code back_run(tn_run *r, tn_error *err)
{
    const tn_tensor *v;
    tn_shape s;
    int64_t at = 0;
    if (r->in[1]->shape.rank == 0 && tn_tensor_count(r->in[0]) == 1) {
        TN_TRY(gradient_of(r, 0, &v, err));
        return tn_run_output_share(r, 0, v, err);
    }
    TN_TRY(tn_ints_of(r->in[2], "dense_values_shape", &s, err));
    TN_TRY(tn_run_output(r, 0, &s, err));
    int64_t room = tn_tensor_count(r->out[0]);
    for (int64_t i = 0, n = tn_tensor_count(r->in[0]); i < n; i++) {
        TN_TRY(gradient_of(r, i, &v, err));
        int64_t count = tn_tensor_count(v);
        if (count > room - at)
            return tn_fail(err, TN_INVALID_ARGUMENT, "element %lld has more values than dense_values_shape",
                           (long long)i);
        TN_TRY(tn_move_row(r->out[0], at, v, 0, count, err));
        at += count;
    }
    if (at < room && tn_dtype_is_pod(r->out[0]->dtype)) {
        size_t size = tn_dtype_size(r->out[0]->dtype);
        memset((char *)r->out[0]->data + (size_t)at * size, 0, (size_t)(room - at) * size);
    }
    return TN_OK;
}

static tn_code back_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape s;
    if (!tn_infer_ints(c, 2, &s)) return TN_OK;
    c->out[0].shape = s;
    return TN_OK;
}

const tn_op tn_op_RaggedTensorToVariantGradient = {
    .name = "RaggedTensorToVariantGradient",
    .sig = "encoded_ragged_grad:variant row_splits:Tsplits dense_values_shape:int32 -> "
           "dense_values_grad:Tvalues; "
           "Tvalues:type Tsplits:type{int32,int64}=int64",
    .infer = back_infer,
    .run = back_run,
    .dynamic = TN_BIT(0),
};
