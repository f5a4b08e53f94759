/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sparse_add.c - two sparse tensors of one shape, element by element: SparseAdd with its threshold, its
 * gradient's operator, SparseSparseMaximum and -Minimum. Both come in order, and so does the result.
 */
#include <math.h>

#include "../graph/op_grads.h"
#include "sparse.h"

/* The points that either has: element a[i] of the one, b[i] of the other; -1: it has none. */
typedef struct both {
    tn_sparse s[2];
    int64_t n, *at[2];
} both;

static tn_code same_shape(const both *u, tn_error *err)
{
    if (u->s[0].rank != u->s[1].rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "operands' ranks do not match: %d and %d", u->s[0].rank,
                       u->s[1].rank);
    for (int k = 0; k < u->s[0].rank; k++)
        if (u->s[0].dim[k] != u->s[1].dim[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "operands' shapes do not match: got %lld and %lld for dimension %d",
                           (long long)u->s[0].dim[k], (long long)u->s[1].dim[k], k);
    return TN_OK;
}

static void unite(both *u, const int64_t *a, int64_t na, const int64_t *b, int64_t nb, int rank)
{
    int64_t i = 0, j = 0;
    for (u->n = 0; i < na || j < nb; u->n++) {
        int d = i >= na ? 1 : j >= nb ? -1 : tn_sparse_compare(a + i * rank, b + j * rank, NULL, rank);
        u->at[0][u->n] = d <= 0 ? i++ : -1;
        u->at[1][u->n] = d >= 0 ? j++ : -1;
    }
}

static tn_code read_both(tn_run *r, both *u, tn_arena *a, tn_error *err)
{
    for (int k = 0; k < 2; k++) TN_TRY(tn_sparse_read(r, 3 * k, &u->s[k], err));
    TN_TRY(same_shape(u, err));
    int64_t most = u->s[0].n + u->s[1].n + 1;
    for (int k = 0; k < 2; k++)
        if (!(u->at[k] = TN_ARRAY(a, most, int64_t)))
            return tn_no_memory(err, (size_t)most * sizeof(int64_t));
    unite(u, u->s[0].index, u->s[0].n, u->s[1].index, u->s[1].n, u->s[0].rank);
    return TN_OK;
}

/* One side's values at all points, zero where it has none. */
static tn_code spread(const both *u, int side, tn_arena *a, char **out, tn_error *err)
{
    size_t size = tn_dtype_size(u->s[side].values->dtype);
    if (!(*out = tn_arena_array(a, (size_t)u->n + 1, size))) return tn_no_memory(err, (size_t)u->n * size);
    for (int64_t i = 0; i < u->n; i++)
        if (u->at[side][i] >= 0)
            memcpy(*out + (size_t)i * size,
                   (const char *)u->s[side].values->data + (size_t)u->at[side][i] * size, size);
    return TN_OK;
}

static tn_code combine(const both *u, tn_pw_op op, tn_arena *a, char **out, tn_error *err)
{
    char *x[2];
    for (int k = 0; k < 2; k++) TN_TRY(spread(u, k, a, &x[k], err));
    *out = x[0];
    return tn_pw_flat(op, u->s[0].values->dtype, 0, u->n, (const void *const[]){x[0], x[1]}, x[0], 1, err);
}

/* Those of the points that `keep` names (NULL: all), with their values. */
static tn_code write_points(tn_run *r, const both *u, const char *values, const bool *keep, tn_error *err)
{
    size_t size = tn_dtype_size(r->out[1]->dtype);
    int rank = u->s[0].rank;
    int64_t n = 0, at = 0;
    for (int64_t i = 0; i < u->n; i++) n += !keep || keep[i];
    TN_TRY(tn_sparse_output(r, 0, 1, n, rank, err));
    for (int64_t i = 0; i < u->n; i++) {
        if (keep && !keep[i]) continue;
        int side = u->at[0][i] < 0;
        if (rank)
            memcpy(TN_INT64S(r->out[0]) + at * rank, u->s[side].index + u->at[side][i] * rank,
                   (size_t)rank * sizeof(int64_t));
        memcpy((char *)r->out[1]->data + (size_t)at++ * size, values + (size_t)i * size, size);
    }
    return TN_OK;
}

static tn_code both_infer(tn_infer *c, tn_error *err)
{
    int64_t n, rank, other;
    TN_TRY(tn_infer_sparse(c, 0, &n, &rank, err));
    TN_TRY(tn_infer_sparse(c, 3, &n, &other, err));
    if (c->n_in == 7) TN_TRY(tn_infer_rank(c, 6, 0, err));
    if (rank >= 0 && other >= 0) TN_TRY(tn_infer_merge_dim(rank, other, &rank, err));
    tn_infer_set_sparse(c, 0, 1, c->n_out == 3 ? 2 : -1, -1, TN_MAX(rank, other));
    return TN_OK;
}

/* ==== SparseAdd ==== its threshold is for sums: what only one operand has is always kept */

static bool reaches(const tn_tensor *thresh, const tn_tensor *t, int64_t i)
{
    if (tn_dtype_is_integer(t->dtype)) {
        int64_t v = tn_tensor_int(t, i), least = tn_tensor_int(thresh, 0);
        return least <= 0 || (v < 0 ? v <= -least : v >= least);
    }
    double v = tn_tensor_number(t, i), least = tn_tensor_number(thresh, 0);
    if (t->dtype == TN_COMPLEX64) v = hypot(TN_FLOATS(t)[2 * i], TN_FLOATS(t)[2 * i + 1]);
    if (t->dtype == TN_COMPLEX128) v = hypot(((double *)t->data)[2 * i], ((double *)t->data)[2 * i + 1]);
    return least <= fabs(v);
}

static tn_code add(tn_run *r, tn_arena *a, tn_error *err)
{
    both u = {0};
    char *sum;
    TN_TRY(read_both(r, &u, a, err));
    TN_TRY(combine(&u, TN_PW_ADD, a, &sum, err));
    bool *keep = TN_ARRAY(a, u.n + 1, bool);
    if (!keep) return tn_no_memory(err, (size_t)u.n);
    tn_shape s = tn_shape_vector(u.n);
    tn_tensor t = tn_tensor_view(r->in[1]->dtype, &s, sum);
    for (int64_t i = 0; i < u.n; i++) keep[i] = u.at[0][i] < 0 || u.at[1][i] < 0 || reaches(r->in[6], &t, i);
    TN_TRY(write_points(r, &u, sum, keep, err));
    return tn_sparse_output_shape(r, 2, u.s[0].dim, u.s[0].rank, err);
}
TN_RUN_IN_ARENA(add_run, add)

static tn_code add_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 1), tn_grad_in(g, 0), tn_grad_in(g, 3), tn_grad_out(g, 0)};
    tn_operation *op = tn_add_operation(g->b, "SparseAddGrad", NULL, in, 4, NULL, 0);
    tn_grad_set(g, 1, tn_output_of(op, 0));
    tn_grad_set(g, 4, tn_output_of(op, 1));
    return TN_OK;
}

const tn_op tn_op_SparseAdd = {
    .name = "SparseAdd",
    .sig =
        "a_indices:int64 a_values:T a_shape:int64 b_indices:int64 b_values:T b_shape:int64 thresh:Treal -> "
        "sum_indices:int64 sum_values:T sum_shape:int64; T:type{numbertype} Treal:type{realnumbertype}",
    .infer = both_infer,
    .run = add_run,
    .grad = add_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};

/* Each operand's elements get what the sum's element at their place got; none where it was dropped. */
static tn_code give_back(tn_run *r, int side, tn_error *err)
{
    const tn_tensor *dy = r->in[0], *own = r->in[1 + side], *sum = r->in[3];
    int rank = (int)sum->shape.dim[1];
    int64_t j = 0, n = own->shape.dim[0], total = sum->shape.dim[0];
    for (int64_t i = 0; i < n && j < total; i++) {
        const int64_t *p = TN_INT64S(own) + i * rank;
        while (j < total && tn_sparse_compare(TN_INT64S(sum) + j * rank, p, NULL, rank) < 0) j++;
        if (j < total && tn_sparse_compare(TN_INT64S(sum) + j * rank, p, NULL, rank) == 0)
            TN_TRY(tn_move_row(r->out[side], i, dy, j, 1, err));
    }
    return TN_OK;
}

static tn_code add_back_run(tn_run *r, tn_error *err)
{
    for (int side = 0; side < 2; side++) {
        memset(r->out[side]->data, 0, tn_tensor_bytes(r->out[side]));
        TN_TRY(give_back(r, side, err));
    }
    return TN_OK;
}

static tn_code add_back_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *dy = &p->in[0]->shape, *a = &p->in[1]->shape, *b = &p->in[2]->shape,
                   *sum = &p->in[3]->shape;
    if (dy->rank == 1 && a->rank == 2 && b->rank == 2 && sum->rank == 2 && a->dim[1] == sum->dim[1] &&
        b->dim[1] == sum->dim[1] && dy->dim[0] == sum->dim[0])
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "SparseAddGrad: the inputs' shapes do not fit");
}

static tn_code add_back_infer(tn_infer *c, tn_error *err)
{
    for (int i = 1; i < 4; i++) TN_TRY(tn_infer_rank(c, i, 2, err));
    for (int i = 0; i < 2; i++)
        c->out[i].shape = tn_shape_vector(c->in[1 + i]->shape.rank == 2 ? c->in[1 + i]->shape.dim[0] : -1);
    return TN_OK;
}

const tn_op tn_op_SparseAddGrad = {
    .name = "SparseAddGrad",
    .sig =
        "backprop_val_grad:T a_indices:int64 b_indices:int64 sum_indices:int64 -> a_val_grad:T b_val_grad:T; "
        "T:type{numbertype}",
    .infer = add_back_infer,
    .prepare = add_back_prepare,
    .run = add_back_run,
    .flags = TN_NO_GRADIENT,
};

/* ==== the greater, the less of two ==== */

static tn_code extreme(tn_run *r, tn_arena *a, tn_error *err)
{
    both u = {0};
    char *values;
    bool max = !strcmp(r->op->name, "SparseSparseMaximum");
    TN_TRY(read_both(r, &u, a, err));
    TN_TRY(combine(&u, max ? TN_PW_MAXIMUM : TN_PW_MINIMUM, a, &values, err));
    return write_points(r, &u, values, NULL, err);
}
TN_RUN_IN_ARENA(extreme_run, extreme)

#define EXTREME(Name, Types)                                                                           \
    const tn_op tn_op_##Name = {                                                                       \
        .name = #Name,                                                                                 \
        .sig = "a_indices:int64 a_values:T a_shape:int64 b_indices:int64 b_values:T b_shape:int64 -> " \
               "output_indices:int64 output_values:T; T:type{" Types "}",                              \
        .infer = both_infer,                                                                           \
        .run = extreme_run,                                                                            \
        .dynamic = TN_BIT(0) | TN_BIT(1),                                                              \
    }
EXTREME(SparseSparseMaximum, "realnumbertype");
EXTREME(SparseSparseMinimum, "numbertype");
