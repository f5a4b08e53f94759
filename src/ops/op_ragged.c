/* SPDX-License-Identifier: Apache-2.0
 *
 * op_ragged.c - ragged tensors as {row splits of each level, values}: RaggedTensorToSparse and
 * RaggedTensorToTensor.
 */
#include "../graph/op_grads.h"
#include "op_math.h"
#include "op_move.h"

/* ==== levels ==== */

typedef struct levels {
    int n;
    const tn_tensor *splits[TN_MAX_RANK]; /* int64 vectors, or int32 */
    int64_t *made[TN_MAX_RANK];           /* splits made of row ids; else NULL */
    int64_t rows[TN_MAX_RANK];            /* number of rows at each level */
} levels;

static int64_t split_at(const levels *l, int k, int64_t i)
{
    return l->made[k] ? l->made[k][i] : tn_tensor_int(l->splits[k], i);
}

static void free_levels(levels *l)
{
    for (int k = 0; k < l->n; k++) tn_free(l->made[k]);
}

/* Splits must begin with 0, not fall, and end where the next level's rows (or the values) do. */
static tn_code check_levels(const levels *l, int64_t values, tn_error *err)
{
    for (int k = 0; k < l->n; k++) {
        int64_t end = k + 1 < l->n ? l->rows[k + 1] : values;
        for (int64_t i = 0; i <= l->rows[k]; i++) {
            int64_t v = split_at(l, k, i), before = i ? split_at(l, k, i - 1) : 0;
            if ((i == 0 && v != 0) || v < before || v > end || (i == l->rows[k] && v != end))
                return tn_fail(
                    err, TN_INVALID_ARGUMENT,
                    "Ragged splits of level %d: value %lld at %lld is invalid (0 to %lld, never falling)", k,
                    (long long)v, (long long)i, (long long)end);
        }
    }
    return TN_OK;
}

static int64_t longest(const levels *l, int k)
{
    int64_t most = 0;
    for (int64_t i = 0; i < l->rows[k]; i++) most = TN_MAX(most, split_at(l, k, i + 1) - split_at(l, k, i));
    return most;
}

/* Position of value i: row[k] at each level only moves on, since i does. out: row, then a column a level. */
static void path_of(const levels *l, int64_t i, int64_t *row, int64_t *out)
{
    for (int k = l->n - 1; k >= 0; k--) {
        while (split_at(l, k, row[k] + 1) <= i) row[k]++;
        out[k + 1] = i - split_at(l, k, row[k]);
        i = row[k];
    }
    out[0] = i;
}

/* ==== RaggedTensorToSparse ==== */

static tn_code sparse_write(tn_run *r, const levels *l, tn_error *err)
{
    const tn_tensor *values = r->in[l->n];
    int rank = l->n + values->shape.rank;
    int64_t n = tn_tensor_count(values), inner = tn_shape_product(&values->shape, 1, values->shape.rank);
    tn_shape s = {.rank = 2, .dim = {n, rank}}, v = tn_shape_vector(n), d = tn_shape_vector(rank);
    TN_TRY(tn_run_output(r, 0, &s, err));
    TN_TRY(tn_run_output(r, 1, &v, err));
    TN_TRY(tn_run_output(r, 2, &d, err));
    TN_TRY(tn_move_row(r->out[1], 0, values, 0, n, err));
    int64_t row[TN_MAX_RANK] = {0}, path[TN_MAX_RANK + 1], *out = TN_INT64S(r->out[0]);
    for (int64_t i = 0; i < n; i++, out += rank) {
        int64_t rest = i % inner;
        path_of(l, i / inner, row, path);
        memcpy(out, path, (size_t)(l->n + 1) * sizeof *out);
        for (int k = rank - 1; k > l->n; k--) {
            out[k] = rest % values->shape.dim[k - l->n];
            rest /= values->shape.dim[k - l->n];
        }
    }
    int64_t *shape = TN_INT64S(r->out[2]);
    shape[0] = l->rows[0];
    for (int k = 0; k < l->n; k++) shape[k + 1] = longest(l, k);
    for (int k = 1; k < values->shape.rank; k++) shape[l->n + k] = values->shape.dim[k];
    return TN_OK;
}

static tn_code to_sparse_run(tn_run *r, tn_error *err)
{
    levels l = {.n = r->n_in - 1};
    const tn_tensor *values = r->in[l.n];
    if (values->shape.rank < 1 || l.n + values->shape.rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ragged rank %d with values of rank %d", l.n,
                       values->shape.rank);
    for (int k = 0; k < l.n; k++) {
        l.splits[k] = r->in[k];
        l.rows[k] = tn_tensor_count(r->in[k]) - 1;
        if (l.rows[k] < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "ragged splits may not be empty.");
    }
    TN_TRY(check_levels(&l, values->shape.dim[0], err));
    return sparse_write(r, &l, err);
}

static tn_code to_sparse_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *values = &c->in[c->n_in - 1]->shape;
    for (int i = 0; i < c->n_in - 1; i++) TN_TRY(tn_infer_rank(c, i, 1, err));
    tn_infer_set_rank(c, 0, 2);
    tn_infer_set_rank(c, 1, 1);
    tn_infer_set_rank(c, 2, 1);
    if (values->rank < 1) return TN_OK;
    c->out[0].shape.dim[1] = c->out[2].shape.dim[0] = c->n_in - 1 + values->rank;
    c->out[1].shape.dim[0] = c->out[0].shape.dim[0] = tn_shape_count(values);
    return TN_OK;
}

/* The values come out in the order they went in. */
static tn_code to_sparse_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    int values = g->op->n_in - 1;
    tn_grad_set(g, values, tn_grad_reshape_like(g->b, tn_grad_dy(g, 1), tn_grad_in(g, values)));
    return TN_OK;
}

const tn_op tn_op_RaggedTensorToSparse = {
    .name = "RaggedTensorToSparse",
    .sig = "rt_nested_splits:RAGGED_RANK*Tsplits rt_dense_values:T -> sparse_indices:int64 "
           "sparse_values:T sparse_dense_shape:int64; RAGGED_RANK:int>=1 T:type "
           "Tsplits:type{int32,int64}=int64",
    .infer = to_sparse_infer,
    .run = to_sparse_run,
    .grad = to_sparse_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};

/* ==== RaggedTensorToTensor ==== shape values default partitions */

/* Row ids of `rows` rows as splits. */
static tn_code splits_of_ids(levels *l, int k, const tn_tensor *ids, int64_t rows, tn_error *err)
{
    int64_t n = tn_tensor_count(ids), at = 0;
    if (rows < 0 || rows > INT64_MAX / 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the first dimension is %lld", (long long)rows);
    int64_t *made = tn_malloc((size_t)(rows + 1) * sizeof *made);
    if (!made) return tn_no_memory(err, (size_t)rows * sizeof *made);
    l->made[k] = made;
    l->rows[k] = rows;
    for (int64_t row = 0; row <= rows; row++) {
        while (at < n && tn_tensor_int(ids, at) < row) at++;
        made[row] = at;
    }
    return at == n ? TN_OK
                   : tn_fail(err, TN_INVALID_ARGUMENT, "row ids are not in order, or outside of %lld rows",
                             (long long)rows);
}

static tn_code read_partitions(const tn_run *r, levels *l, tn_error *err)
{
    const tn_attr *types = tn_attr_find(r->attrs, "row_partition_types");
    int n = r->n_in - 3;
    int64_t rows = -1;
    if (!types || !types->is_list || types->n != n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "row_partition_types must name each partition");
    for (int i = 0; i < n; i++) {
        const tn_tensor *t = r->in[3 + i];
        tn_view type = {types->ss[i].p, types->ss[i].n};
        if (tn_view_is(type, "FIRST_DIM_SIZE") && i == 0) {
            TN_TRY(tn_int_of(t, "FIRST_DIM_SIZE", &rows, err));
            continue;
        }
        if (l->n == TN_MAX_RANK - 1)
            return tn_fail(err, TN_UNIMPLEMENTED, "more than %d ragged dimensions", TN_MAX_RANK - 1);
        int k = l->n++;
        if (tn_view_is(type, "ROW_SPLITS")) {
            l->splits[k] = t;
            l->rows[k] = tn_tensor_count(t) - 1;
            if (l->rows[k] < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "ROW_SPLITS may not be empty");
        } else if (tn_view_is(type, "VALUE_ROWIDS")) {
            TN_TRY(splits_of_ids(l, k, t, rows, err));
        } else {
            return tn_fail(err, TN_UNIMPLEMENTED, "row partition type %.*s", (int)TN_MIN(type.n, (size_t)60),
                           type.p);
        }
        rows = split_at(l, k, l->rows[k]);
    }
    return l->n ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "no ragged dimension");
}

static tn_code dense_shape(const tn_run *r, const levels *l, tn_shape *out, tn_error *err)
{
    const tn_shape *values = &r->in[1]->shape;
    tn_shape asked;
    int rank = l->n + values->rank;
    if (values->rank < 1 || rank > TN_MAX_RANK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "values of rank %d in %d ragged dimensions", values->rank,
                       l->n);
    out->rank = rank;
    out->dim[0] = l->rows[0];
    for (int k = 0; k < l->n; k++) out->dim[k + 1] = longest(l, k);
    for (int k = 1; k < values->rank; k++) out->dim[l->n + k] = values->dim[k];
    if (r->in[0]->shape.rank == 0) return TN_OK; /* -1: anything */
    TN_TRY(tn_ints_of(r->in[0], "shape", &asked, err));
    if (asked.rank != rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape has %d dimensions, the ragged tensor %d", asked.rank,
                       rank);
    for (int k = 0; k < rank; k++) {
        if (asked.dim[k] < 0) continue;
        if (k > l->n && asked.dim[k] != out->dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Inner dimension %d of shape is %lld, of the values %lld", k,
                           (long long)asked.dim[k], (long long)out->dim[k]);
        out->dim[k] = asked.dim[k];
    }
    return TN_OK;
}

static tn_code dense_write(tn_run *r, const levels *l, const tn_shape *s, tn_error *err)
{
    const tn_tensor *values = r->in[1], *def = r->in[2];
    tn_tensor *out = r->out[0];
    int64_t inner = tn_shape_product(s, l->n + 1, s->rank), total = tn_tensor_count(out),
            every = tn_tensor_count(def);
    int64_t row[TN_MAX_RANK] = {0}, path[TN_MAX_RANK + 1];
    if (every == 1)
        TN_TRY(tn_move_fill(out, 0, total, def, 0, err));
    else if (every != inner)
        return tn_fail(err, TN_UNIMPLEMENTED, "a default_value of %lld elements for rows of %lld",
                       (long long)every, (long long)inner);
    for (int64_t i = 0; every != 1 && i < total; i += inner) TN_TRY(tn_move_row(out, i, def, 0, inner, err));
    for (int64_t i = 0; i < values->shape.dim[0]; i++) {
        int64_t at = 0;
        bool inside = true;
        path_of(l, i, row, path);
        for (int k = 0; k <= l->n; k++) {
            inside = inside && path[k] < s->dim[k];
            at = at * s->dim[k] + path[k];
        }
        if (inside) TN_TRY(tn_move_row(out, at * inner, values, i * inner, inner, err));
    }
    return TN_OK;
}

static tn_code to_tensor(tn_run *r, levels *l, tn_error *err)
{
    tn_shape s;
    TN_TRY(read_partitions(r, l, err));
    TN_TRY(dense_shape(r, l, &s, err));
    TN_TRY(check_levels(l, r->in[1]->shape.dim[0], err));
    TN_TRY(tn_run_output(r, 0, &s, err));
    return dense_write(r, l, &s, err);
}

static tn_code to_tensor_run(tn_run *r, tn_error *err)
{
    levels l = {0};
    tn_code code = to_tensor(r, &l, err);
    free_levels(&l);
    return code;
}

static tn_code to_tensor_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape s;
    if (c->in[0]->shape.rank == 1 && tn_infer_ints(c, 0, &s)) c->out[0].shape = s;
    return TN_OK;
}

static bool has_first_size(const tn_grad *g)
{
    const tn_attr *types = tn_attr_find(&g->op->attrs, "row_partition_types");
    return types && types->is_list && types->n &&
           tn_view_is((tn_view){types->ss[0].p, types->ss[0].n}, "FIRST_DIM_SIZE");
}

/* The values' numbers, from 1 on, put in the same places; 0 where there is the default. */
static tn_node numbers_in_place(tn_grad *g, tn_node numbers)
{
    tn_builder *b = g->b;
    tn_node in[TN_MAX_RANK + 3];
    int n = g->op->n_in, levels = n - 3 - has_first_size(g);
    for (int i = 0; i < n; i++) in[i] = tn_grad_in(g, i);
    in[0] = tn_grad_range_of(b, tn_grad_shape(b, tn_grad_out(g, 0), TN_INT64), 0, levels + 1);
    in[1] = numbers;
    in[2] = tn_grad_int(b, TN_INT64, 0);
    const char *const like[] = {"row_partition_types"};
    return tn_grad_op_like(g, "RaggedTensorToTensor", in, n, like, 1);
}

/* Each value gets its place's gradient, the default the sum of all that is left. */
static tn_code to_tensor_grad(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    if (g->op->n_in > TN_MAX_RANK + 3)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d ragged dimensions", TN_MAX_RANK);
    tn_node one = tn_grad_int(b, TN_INT64, 1), zero = tn_grad_int(b, TN_INT32, 0);
    tn_node rows = tn_grad_element(b, tn_grad_shape(b, tn_grad_in(g, 1), TN_INT64), 0);
    tn_node end = tn_op(b, "AddV2", TN_INPUTS(rows, one), TN_NO_ATTRS);
    tn_node numbers = tn_op(b, "Range", TN_INPUTS(one, end, one), TN_NO_ATTRS);
    tn_node sums = tn_op(b, "UnsortedSegmentSum",
                         TN_INPUTS(tn_grad_dy(g, 0), numbers_in_place(g, numbers), end), TN_NO_ATTRS);
    tn_node left = tn_op(b, "GatherV2", TN_INPUTS(sums, tn_grad_int(b, TN_INT32, 0), zero), TN_NO_ATTRS);
    tn_grad_set(g, 1, tn_op(b, "GatherV2", TN_INPUTS(sums, numbers, zero), TN_NO_ATTRS));
    tn_grad_set(g, 2, tn_g_sum_to(b, left, tn_grad_in(g, 2), left));
    return TN_OK;
}

const tn_op tn_op_RaggedTensorToTensor = {
    .name = "RaggedTensorToTensor",
    .sig = "shape:Tshape values:T default_value:T row_partition_tensors:num_row_partition_tensors*Tindex "
           "-> result:T; T:type Tindex:type{int64,int32} Tshape:type{int64,int32} "
           "num_row_partition_tensors:int>=1 row_partition_types:list(string)",
    .infer = to_tensor_infer,
    .run = to_tensor_run,
    .grad = to_tensor_grad,
    .dynamic = TN_BIT(0),
};
