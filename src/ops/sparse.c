/* SPDX-License-Identifier: Apache-2.0
 *
 * sparse.c - sparse tensors read, checked, put in order, written.
 */
#include "sparse.h"

/* ==== reading ==== */

tn_code tn_sparse_of(const tn_tensor *indices, const tn_tensor *values, const tn_tensor *shape,
                     tn_sparse *out, tn_error *err)
{
    const tn_shape *i = &indices->shape, *v = &values->shape, *s = &shape->shape;
    char a[64], b[64], c[64];
    if (i->rank != 2 || v->rank != 1 || s->rank != 1 || i->dim[0] != v->dim[0] || i->dim[1] != s->dim[0])
        return tn_fail(
            err, TN_INVALID_ARGUMENT, "indices %s, values %s and dense_shape %s are no sparse tensor",
            tn_shape_text(i, a, sizeof a), tn_shape_text(v, b, sizeof b), tn_shape_text(s, c, sizeof c));
    if (i->dim[1] > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a sparse tensor of %lld dimensions", (long long)i->dim[1]);
    int64_t size = 1;
    for (int64_t k = 0; k < s->dim[0]; k++)
        if (TN_INT64S(shape)[k] < 0 || __builtin_mul_overflow(size, TN_INT64S(shape)[k], &size))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "dense_shape[%lld] = %lld is negative, or the shape too large", (long long)k,
                           (long long)TN_INT64S(shape)[k]);
    *out = (tn_sparse){indices, values, shape, indices->data, shape->data, v->dim[0], (int)i->dim[1]};
    return TN_OK;
}

tn_code tn_sparse_read(const tn_run *r, int first, tn_sparse *out, tn_error *err)
{
    return tn_sparse_of(r->in[first], r->in[first + 1], r->in[first + 2], out, err);
}

static const char *point_text(const int64_t *p, int rank, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "[");
    for (int k = 0; k < rank && at + 24 < size; k++)
        at += (size_t)snprintf(out + at, size - at, "%s%lld", k ? "," : "", (long long)p[k]);
    snprintf(out + at, size - at, "]");
    return out;
}

tn_code tn_sparse_check(const tn_sparse *s, bool ordered, tn_error *err)
{
    char a[160], b[160];
    const int64_t *p = s->index;
    for (int64_t i = 0; i < s->n; i++, p += s->rank) {
        for (int k = 0; k < s->rank; k++)
            if (p[k] < 0 || p[k] >= s->dim[k])
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "indices[%lld] = %s is out of bounds: need 0 <= index < %s", (long long)i,
                               point_text(p, s->rank, a, sizeof a), point_text(s->dim, s->rank, b, sizeof b));
        int d = ordered && i ? tn_sparse_compare(p - s->rank, p, NULL, s->rank) : -1;
        if (d >= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "indices[%lld] = %s is %s. Many sparse ops require sorted indices.", (long long)i,
                           point_text(p, s->rank, a, sizeof a), d ? "out of order" : "repeated");
    }
    return TN_OK;
}

int64_t tn_sparse_place(const tn_sparse *s, int64_t i)
{
    int64_t at = 0;
    for (int k = 0; k < s->rank; k++) at = at * s->dim[k] + s->index[i * s->rank + k];
    return at;
}

tn_code tn_sparse_shape(const tn_sparse *s, tn_shape *out, tn_error *err)
{
    if (s->rank > TN_MAX_RANK) return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    out->rank = s->rank;
    for (int k = 0; k < s->rank; k++) out->dim[k] = s->dim[k];
    return TN_OK;
}

/* ==== order ==== */

int tn_sparse_compare(const int64_t *a, const int64_t *b, const int *axes, int n)
{
    for (int k = 0; k < n; k++) {
        int axis = axes ? axes[k] : k;
        if (a[axis] != b[axis]) return a[axis] < b[axis] ? -1 : 1;
    }
    return 0;
}

typedef struct points {
    const int64_t *index;
    int rank, n_axes;
    const int *axes;
} points;

static int compare(const points *p, int64_t i, int64_t j)
{
    return tn_sparse_compare(p->index + i * p->rank, p->index + j * p->rank, p->axes, p->n_axes);
}

static void merge(const points *p, const int64_t *from, int64_t *to, int64_t low, int64_t mid, int64_t high)
{
    int64_t i = low, j = mid;
    for (int64_t k = low; k < high; k++)
        to[k] = i < mid && (j >= high || compare(p, from[i], from[j]) <= 0) ? from[i++] : from[j++];
}

tn_code tn_sparse_order(const int64_t *index, int64_t n, int rank, const int *axes, int n_axes, tn_arena *a,
                        int64_t **order, tn_error *err)
{
    points p = {index, rank, n_axes, axes};
    int64_t *from = TN_ARRAY(a, n + 1, int64_t), *to = TN_ARRAY(a, n + 1, int64_t);
    if (!from || !to) return tn_no_memory(err, (size_t)n * sizeof *from);
    bool sorted = true;
    for (int64_t i = 0; i < n; i++) {
        from[i] = i;
        sorted = sorted && (i == 0 || compare(&p, i - 1, i) <= 0);
    }
    for (int64_t width = 1; !sorted && width < n; width *= 2) {
        for (int64_t low = 0; low < n; low += 2 * width)
            merge(&p, from, to, low, TN_MIN(low + width, n), TN_MIN(low + 2 * width, n));
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    *order = from;
    return TN_OK;
}

/* ==== writing ==== */

tn_code tn_sparse_output(tn_run *r, int indices, int values, int64_t n, int rank, tn_error *err)
{
    tn_shape i = {.rank = 2, .dim = {n, rank}}, v = tn_shape_vector(n);
    if (indices >= 0) TN_TRY(tn_run_output(r, indices, &i, err));
    return values >= 0 ? tn_run_output(r, values, &v, err) : TN_OK;
}

tn_code tn_sparse_output_shape(tn_run *r, int o, const int64_t *dim, int rank, tn_error *err)
{
    tn_shape s = tn_shape_vector(rank);
    TN_TRY(tn_run_output(r, o, &s, err));
    if (rank) memcpy(r->out[o]->data, dim, (size_t)rank * sizeof *dim);
    return TN_OK;
}

tn_code tn_sparse_output_picked(tn_run *r, int indices, int values, const tn_sparse *s, const int64_t *which,
                                int64_t n, tn_error *err)
{
    TN_TRY(tn_sparse_output(r, indices, values, n, s->rank, err));
    for (int64_t i = 0; i < n; i++) {
        if (indices >= 0 && s->rank)
            memcpy(TN_INT64S(r->out[indices]) + i * s->rank, s->index + which[i] * s->rank,
                   (size_t)s->rank * sizeof *s->index);
        if (values >= 0) TN_TRY(tn_move_row(r->out[values], i, s->values, which[i], 1, err));
    }
    return TN_OK;
}

/* ==== inference ==== */

tn_code tn_infer_sparse(const tn_infer *c, int first, int64_t *n, int64_t *rank, tn_error *err)
{
    const tn_shape *i = &c->in[first]->shape, *v = &c->in[first + 1]->shape, *s = &c->in[first + 2]->shape;
    TN_TRY(tn_infer_rank(c, first, 2, err));
    TN_TRY(tn_infer_rank(c, first + 1, 1, err));
    TN_TRY(tn_infer_rank(c, first + 2, 1, err));
    TN_TRY(tn_infer_merge_dim(i->rank < 0 ? -1 : i->dim[0], v->rank < 0 ? -1 : v->dim[0], n, err));
    return tn_infer_merge_dim(i->rank < 0 ? -1 : i->dim[1], s->rank < 0 ? -1 : s->dim[0], rank, err);
}

void tn_infer_set_sparse(tn_infer *c, int indices, int values, int shape, int64_t n, int64_t rank)
{
    if (indices >= 0) c->out[indices].shape = (tn_shape){.rank = 2, .dim = {n, rank}};
    if (values >= 0) c->out[values].shape = tn_shape_vector(n);
    if (shape >= 0) c->out[shape].shape = tn_shape_vector(rank);
}

tn_code tn_run_in_arena(tn_run *r, tn_code (*f)(tn_run *r, tn_arena *a, tn_error *err), tn_error *err)
{
    const tn_budget *b = tn_budget_now();
    size_t limit = tn_budget_limit(b), used = tn_budget_used(b);
    tn_arena *a = tn_arena_new(!limit ? 0 : limit > used ? limit - used : 1);
    if (!a) return tn_no_memory(err, 0);
    tn_code code = f(r, a, err);
    tn_arena_free(a);
    return code;
}
