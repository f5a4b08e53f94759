/* SPDX-License-Identifier: Apache-2.0
 *
 * op_edit.c - EditDistance: Levenshtein's, between rows of two sparse tensors.
 */
#include <math.h>

#include "sparse.h"

static bool same_element(const tn_tensor *a, int64_t i, const tn_tensor *b, int64_t j)
{
    if (a->dtype == TN_STRING) {
        const tn_string *x = TN_STRINGS(a) + i, *y = TN_STRINGS(b) + j;
        return x->n == y->n && (x->n == 0 || !memcmp(x->p, y->p, x->n));
    }
    size_t size = tn_dtype_size(a->dtype);
    return !memcmp((const char *)a->data + (size_t)i * size, (const char *)b->data + (size_t)j * size, size);
}

/* Between a[i, i + n) and b[j, j + m); row: m + 1 numbers. */
static int64_t distance(const tn_run *r, const tn_tensor *a, int64_t i, int64_t n, const tn_tensor *b, int64_t j,
                        int64_t m, int64_t *row)
{
    for (int64_t k = 0; k <= m; k++) row[k] = k;
    for (int64_t x = 0; x < n && !tn_run_cancelled(r); x++) {
        int64_t diagonal = row[0];
        row[0] = x + 1;
        for (int64_t k = 0; k < m; k++) {
            int64_t change = diagonal + !same_element(a, i + x, b, j + k);
            diagonal = row[k + 1];
            row[k + 1] = TN_MIN(change, TN_MIN(row[k], diagonal) + 1);
        }
    }
    return row[m];
}

/* The row an element is in, as a place in the result; -1: outside. */
static int64_t place(const tn_sparse *s, int64_t i, const tn_shape *out)
{
    int64_t at = 0;
    for (int k = 0; k < out->rank; k++) {
        int64_t v = s->index[i * s->rank + k];
        if (v < 0 || v >= out->dim[k]) return -1;
        at = at * out->dim[k] + v;
    }
    return at;
}

/* The end of the row that begins with element i; *at is the row's place, INT64_MAX past the last. */
static tn_code next_row(const tn_sparse *s, int64_t i, const tn_shape *out, int64_t *at, int64_t *end,
                        tn_error *err)
{
    *end = i;
    *at = INT64_MAX;
    if (i >= s->n) return TN_OK;
    *at = place(s, i, out);
    if (*at < 0) /* rows are looked at, places in them are not */
        return tn_fail(err, TN_INVALID_ARGUMENT, "element %lld lies outside of the output's shape",
                       (long long)i);
    while (*end < s->n &&
           !tn_sparse_compare(s->index + i * s->rank, s->index + *end * s->rank, NULL, s->rank - 1))
        ++*end;
    return TN_OK;
}

static void put_distance(tn_run *r, int64_t at, int64_t d, int64_t truth)
{
    float *out = TN_FLOATS(r->out[0]) + at;
    if (!tn_attr_b(r->attrs, "normalize"))
        *out = (float)d;
    else
        *out = truth ? (float)d / (float)truth : d ? INFINITY : 0;
}

static tn_code rows_distances(tn_run *r, const tn_sparse *h, const tn_sparse *t, int64_t *row, tn_error *err)
{
    const tn_shape *out = &r->out[0]->shape;
    for (int64_t i = 0, j = 0, a, b, i_end, j_end; i < h->n || j < t->n;) {
        TN_TRY(next_row(h, i, out, &a, &i_end, err));
        TN_TRY(next_row(t, j, out, &b, &j_end, err));
        int64_t at = TN_MIN(a, b), n = a == at ? i_end - i : 0, m = b == at ? j_end - j : 0;
        put_distance(r, at, distance(r, h->values, i, n, t->values, j, m, row), m);
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        i += n;
        j += m;
    }
    return TN_OK;
}

static tn_code edit(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_sparse h, t;
    TN_TRY(tn_sparse_read(r, 0, &h, err));
    TN_TRY(tn_sparse_read(r, 3, &t, err));
    if (h.rank != t.rank || h.rank < 2 || h.rank > TN_MAX_RANK + 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "hypothesis and truth must have the same rank of at least 2, got %d and %d", h.rank,
                       t.rank);
    tn_shape out = {.rank = h.rank - 1};
    for (int k = 0; k < out.rank; k++) out.dim[k] = TN_MAX(h.dim[k], t.dim[k]);
    TN_TRY(tn_run_output(r, 0, &out, err));
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    int64_t *row = TN_ARRAY(a, t.n + 2, int64_t);
    if (!row) return tn_no_memory(err, (size_t)t.n * sizeof *row);
    return rows_distances(r, &h, &t, row, err);
}
TN_RUN_IN_ARENA(edit_run, edit)

static tn_code edit_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank, other;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    TN_TRY(tn_infer_sparse(c, 3, &n, &other, err));
    TN_TRY(tn_infer_merge_dim(rank, other, &rank, err));
    if (rank > 0) tn_infer_set_rank(c, 0, (int)TN_MIN(rank - 1, TN_MAX_RANK + 1));
    return TN_OK;
}

const tn_op tn_op_EditDistance = {
    .name = "EditDistance",
    .sig = "hypothesis_indices:int64 hypothesis_values:T hypothesis_shape:int64 truth_indices:int64 "
           "truth_values:T "
           "truth_shape:int64 -> output:float; normalize:bool=true T:type",
    .infer = edit_infer,
    .run = edit_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};
