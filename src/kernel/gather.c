/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.c - rows picked by indices, and rows updated by indices. Indices are checked before anything is
 * written; the error names the first one outside.
 */
#include <omp.h>

#include "walk.h"

static int64_t index_at(tn_dtype t, const void *indices, int64_t i)
{
    return t == TN_INT32 ? ((const int32_t *)indices)[i] : ((const int64_t *)indices)[i];
}

static tn_code check_index_type(tn_dtype t, tn_error *err)
{
    if (t == TN_INT32 || t == TN_INT64) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "indices are %s instead of int32 or int64", tn_dtype_name(t));
}

static tn_code check_indices(tn_dtype t, const void *indices, int64_t count, int64_t n, bool skip_negative,
                             tn_error *err)
{
    TN_TRY(check_index_type(t, err));
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = index_at(t, indices, i);
        if (at >= n || (at < 0 && !skip_negative))
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is not in [0, %lld)", (long long)i,
                           (long long)at, (long long)n);
    }
    return TN_OK;
}

/* ---- gather ---- */

static inline void copy_row(char *to, const char *from, size_t row)
{
    if (row == 4)
        memcpy(to, from, 4);
    else if (row == 8)
        memcpy(to, from, 8);
    else
        memcpy(to, from, row);
}

tn_code tn_gather(int elem, int64_t outer, int64_t n, int64_t inner, int64_t count, tn_dtype index,
                  const void *indices, const void *params, void *out, int threads, tn_error *err)
{
    TN_TRY(check_indices(index, indices, count, n, false, err));
    const size_t row = (size_t)(inner * elem);
    const int64_t total = outer * count;
    if (row == 0 || total == 0) return TN_OK;
    threads = tn_team(threads, (double)total * (double)row / 4);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < total; i++) {
        const int64_t from = i / count * n + index_at(index, indices, i % count);
        copy_row((char *)out + (size_t)i * row, (const char *)params + (size_t)from * row, row);
    }
    return TN_OK;
}

/* The row that index tuple i of depth numbers points at; -1 and an error when outside. */
static tn_code row_of(const tn_shape *s, int depth, tn_dtype t, const void *indices, int64_t i, int64_t *row,
                      tn_error *err)
{
    int64_t at = 0;
    for (int d = 0; d < depth; d++) {
        const int64_t x = index_at(t, indices, i * depth + d);
        if (x < 0 || x >= s->dim[d])
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld, %d] = %lld is not in [0, %lld)",
                           (long long)i, d, (long long)x, (long long)s->dim[d]);
        at = at * s->dim[d] + x;
    }
    *row = at;
    return TN_OK;
}

static tn_code check_rows(const tn_shape *s, int depth, tn_dtype t, const void *indices, int64_t count,
                          tn_error *err)
{
    int64_t row;
    TN_TRY(check_index_type(t, err));
    if (depth < 0 || depth > s->rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "index tuples of %d numbers for %d dimensions", depth,
                       s->rank);
    for (int64_t i = 0; i < count; i++) TN_TRY(row_of(s, depth, t, indices, i, &row, err));
    return TN_OK;
}

tn_code tn_gather_nd(int elem, const tn_shape *params_shape, int64_t count, int depth, int64_t slice,
                     tn_dtype index, const void *indices, const void *params, void *out, tn_error *err)
{
    TN_TRY(check_rows(params_shape, depth, index, indices, count, err));
    const size_t row = (size_t)(slice * elem);
    for (int64_t i = 0; i < count && row > 0; i++) {
        int64_t from = 0;
        TN_TRY(row_of(params_shape, depth, index, indices, i, &from, err));
        copy_row((char *)out + (size_t)i * row, (const char *)params + (size_t)from * row, row);
    }
    return TN_OK;
}

/* ---- scatter ---- */

/* Of booleans: or, exclusive or, and. */
static tn_pw_op op_of(tn_scatter_op op, tn_dtype t)
{
    switch (t == TN_BOOL ? op : TN_SCATTER_UPDATE) {
    case TN_SCATTER_ADD:
    case TN_SCATTER_MAX: return TN_PW_LOGICAL_OR;
    case TN_SCATTER_SUB: return TN_PW_NOT_EQUAL;
    case TN_SCATTER_MUL:
    case TN_SCATTER_MIN: return TN_PW_LOGICAL_AND;
    default: break;
    }
    switch (op) {
    case TN_SCATTER_ADD: return TN_PW_ADD;
    case TN_SCATTER_SUB: return TN_PW_SUB;
    case TN_SCATTER_MUL: return TN_PW_MUL;
    case TN_SCATTER_DIV: return TN_PW_DIV;
    case TN_SCATTER_MIN: return TN_PW_MINIMUM;
    case TN_SCATTER_MAX: return TN_PW_MAXIMUM;
    default: return TN_PW_IDENTITY;
    }
}

/* Prepared once: how rows of inner elements are combined. */
typedef struct update {
    const tn_scatter_desc *d;
    tn_pw_plan plan;
    size_t row;
} update;

static tn_code update_prepare(const tn_scatter_desc *d, update *u, tn_error *err)
{
    const tn_shape row = tn_shape_vector(d->inner), one = tn_shape_vector(1);
    const tn_shape *const operands[] = {&row, d->scalar_update ? &one : &row};
    u->d = d;
    u->row = (size_t)d->inner * tn_dtype_size(d->dtype);
    if (u->row == 0 && d->inner > 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "no scatter of %s", tn_dtype_name(d->dtype));
    if (d->op == TN_SCATTER_UPDATE) return TN_OK;
    return tn_pw_prepare(op_of(d->op, d->dtype), d->dtype, operands, &row, 0, 1, &u->plan, err);
}

static tn_code update_row(const update *u, int64_t i, const void *updates, char *to, tn_error *err)
{
    const char *from = u->d->scalar_update ? updates : (const char *)updates + (size_t)i * u->row;
    if (u->d->op != TN_SCATTER_UPDATE) return tn_pw_run(&u->plan, (const void *[]){to, from}, to, err);
    if (u->d->scalar_update)
        tn_spread((int)tn_dtype_size(u->d->dtype), from, u->d->inner, to);
    else
        copy_row(to, from, u->row);
    return TN_OK;
}

/* The most frequent case, without a call per row: embeddings' gradients, segment sums. */
static void add_float_rows(const tn_scatter_desc *d, const void *indices, const float *updates, float *dst)
{
    for (int64_t i = 0; i < d->count; i++) {
        const int64_t at = index_at(d->index, indices, i);
        if (at < 0) continue;
        const float *from = updates + i * d->inner;
        float *to = dst + at * d->inner;
        for (int64_t j = 0; j < d->inner; j++) to[j] += from[j];
    }
}

tn_code tn_scatter(const tn_scatter_desc *d, const void *indices, const void *updates, void *dst,
                   tn_error *err)
{
    update u;
    TN_TRY(check_indices(d->index, indices, d->count, d->n, d->skip_negative, err));
    TN_TRY(update_prepare(d, &u, err));
    if (d->op == TN_SCATTER_ADD && d->dtype == TN_FLOAT && !d->scalar_update) {
        add_float_rows(d, indices, updates, dst);
        return TN_OK;
    }
    for (int64_t i = 0; i < d->count && u.row > 0; i++) {
        const int64_t at = index_at(d->index, indices, i);
        if (at >= 0) TN_TRY(update_row(&u, i, updates, (char *)dst + (size_t)at * u.row, err));
    }
    return TN_OK;
}

tn_code tn_scatter_nd(const tn_scatter_desc *d, const tn_shape *dst_shape, int depth, const void *indices,
                      const void *updates, void *dst, tn_error *err)
{
    update u;
    TN_TRY(check_rows(dst_shape, depth, d->index, indices, d->count, err));
    TN_TRY(update_prepare(d, &u, err));
    for (int64_t i = 0; i < d->count && u.row > 0; i++) {
        int64_t at = 0;
        TN_TRY(row_of(dst_shape, depth, d->index, indices, i, &at, err));
        TN_TRY(update_row(&u, i, updates, (char *)dst + (size_t)at * u.row, err));
    }
    return TN_OK;
}
