/* SPDX-License-Identifier: Apache-2.0
 *
 * op_cross.c - feature crosses: SparseCross, SparseCrossV2, SparseCrossHashed and RaggedCross. Of each row,
 * every combination of one value from each column, the last column's turning fastest, joined as text or
 * hashed to a bucket.
 */
#include "hash.h"
#include "sparse.h"

/* ==== columns ==== */

typedef struct column {
    const tn_tensor *values;
    int64_t *start; /* by row, and one more: where its values begin */
    bool dense;
} column;

typedef struct cross {
    tn_run *r;
    tn_arena *arena;
    column *v;
    int n;
    int64_t rows;
    bool hashed, joined_hash; /* joined_hash: hash_key begins the hash */
    bool strong;
    int64_t buckets, key[2];
    tn_view separator;
    tn_buf text;
} cross;

/* The next column, its starts zero; rows are the same in all. */
static tn_code new_column(cross *c, const tn_tensor *values, int64_t rows, const char *what, tn_error *err)
{
    if (c->n && rows != c->rows)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected batch size %lld, got %lld for %s %d",
                       (long long)c->rows, (long long)rows, what, c->n);
    if (rows < 0 || rows >= INT64_MAX / 16)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a batch of %lld rows", (long long)rows);
    c->rows = rows;
    c->v[c->n].values = values;
    c->v[c->n].start = TN_ARRAY(c->arena, rows + 1, int64_t);
    if (!c->v[c->n++].start) return tn_no_memory(err, (size_t)rows * sizeof(int64_t));
    return TN_OK;
}

static tn_code sparse_column(cross *c, const tn_tensor *indices, const tn_tensor *values,
                             const tn_tensor *shape, tn_error *err)
{
    tn_sparse s;
    TN_TRY(tn_sparse_of(indices, values, shape, &s, err));
    if (s.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected a sparse tensor of rank 2, got %d", s.rank);
    TN_TRY(new_column(c, values, s.dim[0], "sparse tensor", err));
    int64_t *start = c->v[c->n - 1].start, row = 0, i = 0;
    for (; i < s.n && s.index[2 * i] >= row && s.index[2 * i] < s.dim[0]; i++)
        while (row < s.index[2 * i]) start[++row] = i;
    while (row < s.dim[0]) start[++row] = i; /* what is out of order or outside ends the column */
    return TN_OK;
}

static tn_code dense_column(cross *c, const tn_tensor *t, tn_error *err)
{
    if (t->shape.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Dense inputs should be matrices, got rank %d",
                       t->shape.rank);
    TN_TRY(new_column(c, t, t->shape.dim[0], "dense input", err));
    c->v[c->n - 1].dense = true;
    for (int64_t i = 0; i <= c->rows; i++) c->v[c->n - 1].start[i] = i * t->shape.dim[1];
    return TN_OK;
}

static tn_code ragged_column(cross *c, const tn_tensor *values, const tn_tensor *splits, tn_error *err)
{
    int64_t n = tn_tensor_count(splits), last = 0;
    if (values->shape.rank != 1 || splits->shape.rank != 1 || n == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "ragged values and row splits must be vectors, splits not empty");
    TN_TRY(new_column(c, values, n - 1, "ragged tensor", err));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = tn_tensor_int(splits, i);
        if (at < last || (i == 0 && at != 0) || at > tn_tensor_count(values))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Invalid ragged splits: splits[%lld] = %lld of %lld values", (long long)i,
                           (long long)at, (long long)tn_tensor_count(values));
        c->v[c->n - 1].start[i] = last = at;
    }
    if (last == tn_tensor_count(values)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid ragged splits: they end at %lld of %lld values",
                   (long long)last, (long long)tn_tensor_count(values));
}

/* ==== one combination ==== */

static tn_view string_of(const tn_tensor *t, int64_t i)
{
    return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
}

/* SparseCrossHashed hashes the lower four bytes of sparse numbers, as TensorFlow does; other numbers stand
 * for themselves. */
static uint64_t hash_of(const cross *c, const column *v, int64_t i)
{
    const tn_tensor *t = v->values;
    if (t->dtype != TN_STRING && (c->joined_hash || v->dense)) return (uint64_t)TN_INT64S(t)[i];
    tn_view s = t->dtype == TN_STRING ? string_of(t, i) : (tn_view){(const char *)(TN_INT64S(t) + i), 4};
    return c->strong ? tn_keyed_hash(s, c->key) : tn_fingerprint(s);
}

static int64_t bucket_of(const cross *c, const int64_t *at)
{
    uint64_t h = (uint64_t)c->key[0];
    for (int k = 0; k < c->n; k++) {
        uint64_t own = hash_of(c, &c->v[k], at[k]);
        h = k || c->joined_hash ? tn_fingerprint_join(h, own) : own;
    }
    return (int64_t)(h % (uint64_t)(c->buckets > 0 ? c->buckets : INT64_MAX));
}

static tn_code join_text(cross *c, const int64_t *at, tn_tensor *out, int64_t o, tn_error *err)
{
    tn_buf_clear(&c->text);
    for (int k = 0; k < c->n; k++) {
        const tn_tensor *t = c->v[k].values;
        if (k) tn_buf_add(&c->text, c->separator.p, c->separator.n);
        if (t->dtype == TN_STRING)
            tn_buf_add(&c->text, string_of(t, at[k]).p, string_of(t, at[k]).n);
        else
            tn_buf_printf(&c->text, "%lld", (long long)TN_INT64S(t)[at[k]]);
    }
    TN_TRY(tn_buf_check(&c->text, err));
    return tn_string_set(out, o, c->text.n ? c->text.data : "", c->text.n, err);
}

/* ==== all of them ==== */

/* How many combinations each row has. */
static tn_code count_rows(const cross *c, int64_t **each, int64_t *total, int64_t *widest, tn_error *err)
{
    *each = TN_ARRAY(c->arena, c->rows + 1, int64_t);
    if (!*each) return tn_no_memory(err, (size_t)c->rows * sizeof **each);
    *total = *widest = 0;
    for (int64_t row = 0; row < c->rows; row++) {
        int64_t n = c->n > 0;
        for (int k = 0; k < c->n; k++)
            if (__builtin_mul_overflow(n, c->v[k].start[row + 1] - c->v[k].start[row], &n) ||
                n > INT64_MAX / 16)
                return tn_fail(err, TN_RESOURCE_EXHAUSTED, "row %lld has too many combinations",
                               (long long)row);
        (*each)[row] = n;
        *widest = TN_MAX(*widest, n);
        if (__builtin_add_overflow(*total, n, total))
            return tn_fail(err, TN_RESOURCE_EXHAUSTED, "too many combinations");
    }
    return TN_OK;
}

/* Puts out's elements from `o` on: the n combinations of a row. */
static tn_code cross_row(cross *c, int64_t row, int64_t n, int64_t *at, tn_tensor *out, int64_t o,
                         tn_error *err)
{
    for (int k = 0; k < c->n; k++) at[k] = c->v[k].start[row];
    for (int64_t i = 0; i < n; i++) {
        if (c->hashed)
            TN_INT64S(out)[o + i] = bucket_of(c, at);
        else
            TN_TRY(join_text(c, at, out, o + i, err));
        for (int k = c->n - 1; k >= 0; k--) {
            if (++at[k] < c->v[k].start[row + 1]) break;
            at[k] = c->v[k].start[row];
        }
    }
    return TN_OK;
}

static tn_code cross_all(cross *c, int o, const int64_t *each, tn_error *err)
{
    int64_t *at = TN_ARRAY(c->arena, c->n + 1, int64_t), done = 0;
    if (!at) return tn_no_memory(err, (size_t)c->n * sizeof *at);
    tn_code code = TN_OK;
    for (int64_t row = 0; row < c->rows && code == TN_OK; row++) {
        code = cross_row(c, row, each[row], at, c->r->out[o], done, err);
        done += each[row];
    }
    tn_buf_free(&c->text);
    return code;
}

/* ==== sparse results ==== */

static int type_count(const tn_attrs *a, const char *name)
{
    const tn_attr *t = tn_attr_find(a, name);
    return t && t->is_list ? t->n : 0;
}

/* A list's dtypes say how long it is; another one beside it has a number of its own. */
static tn_code check_length(const char *what, int n, int wanted, tn_error *err)
{
    if (n == wanted) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %d input %s, got %d", wanted, what, n);
}

/* Inputs in order: N indices, values, N shapes, dense ones. */
static tn_code read_columns(cross *c, tn_error *err)
{
    tn_run *r = c->r;
    int64_t n = tn_attr_i(r->attrs, "N");
    int n_sparse = type_count(r->attrs, "sparse_types"), n_dense = type_count(r->attrs, "dense_types");
    TN_TRY(check_length("values", n_sparse, (int)n, err));
    c->v = TN_ARRAY(c->arena, n_sparse + n_dense + 1, column);
    if (!c->v) return tn_no_memory(err, sizeof *c->v);
    for (int i = 0; i < n_sparse; i++)
        TN_TRY(sparse_column(c, r->in[i], r->in[n_sparse + i], r->in[2 * n_sparse + i], err));
    for (int i = 0; i < n_dense; i++) TN_TRY(dense_column(c, r->in[3 * n_sparse + i], err));
    return TN_OK;
}

static tn_code write_sparse(cross *c, tn_error *err)
{
    int64_t *each, total, widest, done = 0;
    TN_TRY(count_rows(c, &each, &total, &widest, err));
    TN_TRY(tn_sparse_output(c->r, 0, 1, total, 2, err));
    for (int64_t row = 0; row < c->rows; row++)
        for (int64_t i = 0; i < each[row]; i++, done++) {
            TN_INT64S(c->r->out[0])[2 * done] = row;
            TN_INT64S(c->r->out[0])[2 * done + 1] = i;
        }
    TN_TRY(cross_all(c, 1, each, err));
    return tn_sparse_output_shape(c->r, 2, (int64_t[]){c->rows, widest}, 2, err);
}

/* Text is made of strings only; a hash takes numbers as they are. */
static tn_code check_internal(const cross *c, tn_error *err)
{
    tn_dtype t = tn_attr_t(c->r->attrs, "internal_type");
    for (int k = 0; k < c->n; k++)
        if (t == TN_STRING && c->v[k].values->dtype != TN_STRING)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Input values should be of internal type %d but received %d", t,
                           c->v[k].values->dtype);
    return TN_OK;
}

static tn_code cross_v1(tn_run *r, tn_arena *a, tn_error *err)
{
    cross c = {.r = r, .arena = a, .separator = TN_VIEW("_X_")};
    c.hashed = c.joined_hash = r->out[1]->dtype == TN_INT64; /* TensorFlow's kernels never look at hashed_output */
    c.buckets = tn_attr_i(r->attrs, "num_buckets");
    c.key[0] = tn_attr_i(r->attrs, "hash_key");
    TN_TRY(read_columns(&c, err));
    TN_TRY(check_internal(&c, err));
    return write_sparse(&c, err);
}
TN_RUN_IN_ARENA(cross_v1_run, cross_v1)

static tn_code cross_v2(tn_run *r, tn_arena *a, tn_error *err)
{
    cross c = {.r = r, .arena = a};
    TN_TRY(read_columns(&c, err));
    if (tn_tensor_count(r->in[r->n_in - 1]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input separator should be a scalar.");
    c.separator = string_of(r->in[r->n_in - 1], 0);
    return write_sparse(&c, err);
}
TN_RUN_IN_ARENA(cross_v2_run, cross_v2)

static tn_code cross_hashed(tn_run *r, tn_arena *a, tn_error *err)
{
    cross c = {.r = r, .arena = a, .hashed = true};
    const tn_tensor *buckets = r->in[r->n_in - 3], *strong = r->in[r->n_in - 2], *salt = r->in[r->n_in - 1];
    TN_TRY(read_columns(&c, err));
    TN_TRY(tn_int_of(buckets, "Input num_buckets", &c.buckets, err));
    if (tn_tensor_count(strong) != 1 || tn_tensor_count(salt) != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "strong_hash must be a scalar and salt of 2 elements");
    c.strong = *(const bool *)strong->data;
    memcpy(c.key, salt->data, sizeof c.key);
    return write_sparse(&c, err);
}
TN_RUN_IN_ARENA(cross_hashed_run, cross_hashed)

static tn_code cross_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_infer_set_sparse(c, 0, 1, 2, -1, 2);
    return TN_OK;
}

#define CROSS(Name, Run, Sig)                                                                         \
    const tn_op tn_op_##Name = {                                                                      \
        .name = #Name,                                                                                \
        .sig = "indices:N*int64 values:[sparse_types] shapes:N*int64 dense_inputs:[dense_types]" Sig, \
        .infer = cross_infer,                                                                         \
        .run = Run,                                                                                   \
        .flags = TN_NO_GRADIENT,                                                                      \
        .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),                                                 \
    }
#define TYPES "N:int>=0 sparse_types:list(type){int64,string}>=0 dense_types:list(type){int64,string}>=0"
CROSS(SparseCross, cross_v1_run,
      " -> output_indices:int64 output_values:out_type output_shape:int64; N:int>=0 hashed_output:bool "
      "num_buckets:int>=0 hash_key:int sparse_types:list(type){int64,string}>=0 "
      "dense_types:list(type){int64,string}>=0 out_type:type{int64,string} internal_type:type{int64,string}");
CROSS(SparseCrossV2, cross_v2_run,
      " sep:string -> output_indices:int64 output_values:string output_shape:int64; " TYPES);
CROSS(SparseCrossHashed, cross_hashed_run,
      " num_buckets:int64 strong_hash:bool salt:int64 -> output_indices:int64 output_values:int64 "
      "output_shape:int64; " TYPES);

/* ==== RaggedCross ==== */

/* Which columns come when: "RSD" of the ragged, sparse and dense ones, each sort in its order. */
static tn_code ordered_columns(cross *c, tn_view order, tn_error *err)
{
    tn_run *r = c->r;
    int n_ragged = type_count(r->attrs, "ragged_values_types"),
        n_sparse = type_count(r->attrs, "sparse_values_types"), n_dense = type_count(r->attrs, "dense_types"),
        ragged = 0, sparse = 0, dense = 0;
    int first_sparse = 2 * n_ragged, first_dense = first_sparse + 3 * n_sparse;
    TN_TRY(check_length("sparse values", n_sparse, (int)tn_attr_i(r->attrs, "Nsparse"), err));
    TN_TRY(check_length("row splits", type_count(r->attrs, "ragged_splits_types"), n_ragged, err));
    c->v = TN_ARRAY(c->arena, order.n + 1, column);
    if (!c->v) return tn_no_memory(err, order.n * sizeof *c->v);
    for (size_t i = 0; i < order.n; i++) {
        if (order.p[i] == 'R' && ragged < n_ragged) {
            TN_TRY(ragged_column(c, r->in[ragged], r->in[n_ragged + ragged], err));
            ragged++;
        } else if (order.p[i] == 'S' && sparse < n_sparse) {
            const tn_tensor *const *in = (const tn_tensor *const *)r->in + first_sparse + sparse++;
            TN_TRY(sparse_column(c, in[0], in[n_sparse], in[2 * n_sparse], err));
        } else if (order.p[i] == 'D' && dense < n_dense) {
            TN_TRY(dense_column(c, r->in[first_dense + dense++], err));
        } else {
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid input_order: %.*s",
                           (int)TN_MIN(order.n, (size_t)60), order.p);
        }
    }
    if (ragged == n_ragged && sparse == n_sparse && dense == n_dense) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid input_order: it names %d of %d inputs",
                   ragged + sparse + dense, n_ragged + n_sparse + n_dense);
}

static tn_code write_ragged(cross *c, tn_error *err)
{
    tn_run *r = c->r;
    int64_t *each, total, widest, at = 0;
    TN_TRY(count_rows(c, &each, &total, &widest, err));
    if (r->out[1]->dtype == TN_INT32 && total > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Row splits value would overflow 32-bit integers");
    tn_shape v = tn_shape_vector(total), s = tn_shape_vector(c->rows + 1);
    TN_TRY(tn_run_output(r, 0, &v, err));
    TN_TRY(tn_run_output(r, 1, &s, err));
    for (int64_t row = 0; row <= c->rows; at += row < c->rows ? each[row] : 0, row++) {
        if (r->out[1]->dtype == TN_INT32)
            TN_INT32S(r->out[1])[row] = (int32_t)at;
        else
            TN_INT64S(r->out[1])[row] = at;
    }
    return cross_all(c, 0, each, err);
}

static tn_code ragged_cross(tn_run *r, tn_arena *a, tn_error *err)
{
    cross c = {.r = r, .arena = a, .separator = TN_VIEW("_X_")};
    tn_view order = {"", 0};
    tn_attr_get_string(r->attrs, "input_order", &order);
    c.hashed = c.joined_hash = r->out[0]->dtype == TN_INT64;
    c.buckets = tn_attr_i(r->attrs, "num_buckets");
    c.key[0] = tn_attr_i(r->attrs, "hash_key");
    TN_TRY(ordered_columns(&c, order, err));
    if (c.n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "RaggedCross of no inputs");
    return write_ragged(&c, err);
}
TN_RUN_IN_ARENA(ragged_cross_run, ragged_cross)

static tn_code ragged_cross_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < 2; o++) tn_infer_set_rank(c, o, 1);
    return TN_OK;
}

const tn_op tn_op_RaggedCross = {
    .name = "RaggedCross",
    .sig =
        "ragged_values:[ragged_values_types] ragged_row_splits:[ragged_splits_types] "
        "sparse_indices:Nsparse*int64 sparse_values:[sparse_values_types] sparse_shape:Nsparse*int64 "
        "dense_inputs:[dense_types] -> output_values:out_values_type output_row_splits:out_row_splits_type; "
        "Nsparse:int>=0 input_order:string hashed_output:bool num_buckets:int>=0 hash_key:int "
        "ragged_values_types:list(type){int64,string}>=0 ragged_splits_types:list(type){int32,int64}>=0 "
        "sparse_values_types:list(type){int64,string}>=0 dense_types:list(type){int64,string}>=0 "
        "out_values_type:type{int64,string} out_row_splits_type:type{int32,int64}",
    .infer = ragged_cross_infer,
    .run = ragged_cross_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};
