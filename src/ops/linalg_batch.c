/* SPDX-License-Identifier: Apache-2.0
 *
 * linalg_batch.c - batches of matrices, one after another through an operator of linear algebra.
 */
#include "op_linalg.h"
#include "op_move.h"

#include <complex.h>

typedef struct batches {
    const tn_linalg_rule *rule;
    tn_linalg_job job; /* without pointers */
    tn_dtype work;
    int64_t count, per_in[2], per_out[TN_LINALG_OUTS];
    int rank; /* of the batch */
    int64_t dim[TN_MAX_RANK], stride[2][TN_MAX_RANK];
    size_t at[2 + TN_LINALG_OUTS], tmp, perm, e;
} batches;

void tn_linalg_set(const tn_linalg_job *j, void *a, int64_t i, double _Complex x)
{
    if (j->la->is_complex)
        ((double _Complex *)a)[i] = x;
    else
        ((double *)a)[i] = creal(x);
}

void tn_linalg_copy(const tn_linalg_job *j, void *to, const void *from, int64_t n)
{
    if (n > 0) memcpy(to, from, (size_t)n * (j->la->is_complex ? 16 : 8));
}

void tn_linalg_identity(const tn_linalg_job *j, void *a, int64_t n)
{
    for (int64_t i = 0; i < n * n; i++) tn_linalg_set(j, a, i, i / n == i % n);
}

/* ==== preparing ==== */

static void read_attrs(const tn_prepare *p, tn_linalg_job *j)
{
    j->lower = j->vectors = j->fast = true;
    tn_attr_get_bool(p->attrs, "adjoint", &j->adjoint);
    tn_attr_get_bool(p->attrs, "lower", &j->lower);
    tn_attr_get_bool(p->attrs, "full_matrices", &j->full);
    tn_attr_get_bool(p->attrs, "fast", &j->fast);
    tn_attr_get_bool(p->attrs, "compute_v", &j->vectors);
    tn_attr_get_bool(p->attrs, "compute_uv", &j->vectors);
}

/* The batch's dimensions, and how far each input moves along them. */
static tn_code read_batch(const tn_prepare *p, batches *q, tn_error *err)
{
    tn_shape all = {.rank = 0};
    for (int i = 0; i < q->rule->matrices; i++) {
        tn_shape s = p->in[i]->shape;
        s.rank -= 2;
        TN_TRY(tn_shape_broadcast(&all, &s, &all, err));
    }
    q->rank = all.rank;
    q->count = tn_shape_count(&all);
    memcpy(q->dim, all.dim, sizeof q->dim);
    for (int i = 0; i < q->rule->matrices; i++) {
        const tn_shape *s = &p->in[i]->shape;
        int64_t step = 1;
        for (int k = s->rank - 3; k >= 0; k--) {
            q->stride[i][all.rank - (s->rank - 2) + k] = s->dim[k] == 1 ? 0 : step;
            step *= s->dim[k];
        }
    }
    return TN_OK;
}

static tn_code room(size_t *at, int64_t n, size_t size, size_t *here, tn_error *err)
{
    size_t bytes, end;
    *here = *at;
    if (n < 0 || __builtin_mul_overflow((size_t)n, size, &bytes) || __builtin_add_overflow(*at, bytes + 63, &end))
        return tn_no_memory(err, SIZE_MAX);
    *at = end & ~(size_t)63;
    return TN_OK;
}

static tn_code lay_out(tn_prepare *p, batches *q, tn_error *err)
{
    size_t size = tn_dtype_size(q->work), end = 0;
    int64_t most = TN_MAX(TN_MAX(q->job.m, q->job.n), 1), square;
    if (__builtin_mul_overflow(most, most, &square) || __builtin_mul_overflow(square, q->rule->tmp, &square))
        return tn_no_memory(err, SIZE_MAX);
    for (int i = 0; i < q->rule->matrices; i++) TN_TRY(room(&end, q->per_in[i], size, &q->at[i], err));
    for (int o = 0; o < p->n_out; o++) TN_TRY(room(&end, q->per_out[o], size, &q->at[2 + o], err));
    TN_TRY(room(&end, square + 6 * most, size, &q->tmp, err));
    TN_TRY(room(&end, most, sizeof(int64_t), &q->perm, err));
    TN_TRY(room(&end, most + 1, sizeof(double), &q->e, err));
    p->scratch = end;
    return TN_OK;
}

static int64_t per_matrix(const tn_tensor *t, int64_t count)
{
    int64_t n = tn_shape_count(&t->shape);
    return count > 0 ? n / count : 0;
}

tn_code tn_linalg_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, batches, q);
    q->rule = tn_linalg_rule_of(p->op->name);
    if (!q->rule) return tn_fail(err, TN_INTERNAL, "%s has no rule", p->op->name);
    bool is_complex = q->rule->is_complex || tn_dtype_is_complex(p->in[0]->dtype);
    const tn_shape *a = &p->in[0]->shape;
    q->work = is_complex ? TN_COMPLEX128 : TN_DOUBLE;
    q->job.la = tn_linalg_of(is_complex);
    q->job.m = a->dim[a->rank - 2];
    q->job.n = a->dim[a->rank - 1];
    q->job.only_real = is_complex && !tn_dtype_is_complex(p->out[0]->dtype);
    read_attrs(p, &q->job);
    TN_TRY(read_batch(p, q, err));
    for (int i = 0; i < q->rule->matrices; i++) {
        const tn_shape *s = &p->in[i]->shape;
        if (__builtin_mul_overflow(s->dim[s->rank - 2], s->dim[s->rank - 1], &q->per_in[i]))
            return tn_no_memory(err, SIZE_MAX);
        q->job.rows = s->dim[s->rank - 2];
        q->job.k = s->dim[s->rank - 1];
    }
    for (int o = 0; o < p->n_out; o++) {
        const tn_shape *s = &p->out[o]->shape;
        q->per_out[o] = per_matrix(p->out[o], q->count);
        q->job.out_columns[o] = s->rank ? s->dim[s->rank - 1] : 1;
        if (s->rank == 1 && s->dim[0] == 0) q->job.out_columns[o] = 0;
    }
    return lay_out(p, q, err);
}

/* ==== running ==== */

static int64_t place(const batches *q, int in, int64_t i)
{
    int64_t at = 0;
    for (int k = q->rank - 1; k >= 0; k--) {
        at += i % q->dim[k] * q->stride[in][k];
        i /= q->dim[k];
    }
    return at;
}

static tn_code load(const tn_run *r, const batches *q, tn_linalg_job *j, int64_t i, tn_error *err)
{
    for (int k = 0; k < q->rule->matrices; k++) {
        const tn_tensor *t = r->in[k];
        const char *from = (char *)t->data + (size_t)(place(q, k, i) * q->per_in[k]) * tn_dtype_size(t->dtype);
        TN_TRY(tn_cast(t->dtype, q->work, q->per_in[k], from, k ? j->b : j->a, false, 1, err));
    }
    return TN_OK;
}

static tn_code store(tn_run *r, const batches *q, const tn_linalg_job *j, int64_t i, tn_error *err)
{
    for (int o = 0; o < r->n_out; o++) {
        tn_tensor *t = r->out[o];
        bool numbers = tn_dtype_is_integer(t->dtype); /* a permutation */
        char *to = (char *)t->data + (size_t)(i * q->per_out[o]) * tn_dtype_size(t->dtype);
        TN_TRY(tn_cast(numbers ? TN_INT64 : q->work, t->dtype, q->per_out[o], numbers ? (void *)j->perm : j->o[o], to,
                       false, 1, err));
    }
    return TN_OK;
}

static bool is_cancelled(const void *run)
{
    return tn_run_cancelled(run);
}

/* What a matrix that was given up has for a result is not looked at. */
static tn_code compute(const tn_run *r, const batches *q, tn_linalg_job *j, tn_error *err)
{
    tn_code code = q->rule->run(j, err);
    return tn_run_cancelled(r) ? tn_fail(err, TN_CANCELLED, "the run was cancelled") : code;
}

tn_code tn_linalg_run(tn_run *r, tn_error *err)
{
    const batches *q = r->params;
    tn_linalg_job j = q->job;
    const tn_stop stop = {is_cancelled, r};
    j.stop = &stop;
    char *base = r->scratch;
    j.a = base + q->at[0];
    j.b = base + q->at[1];
    j.tmp = base + q->tmp;
    j.perm = (int64_t *)(base + q->perm);
    j.e = (double *)(base + q->e);
    for (int o = 0; o < r->n_out; o++) j.o[o] = base + q->at[2 + o];
    if (!strcmp(q->rule->name, "MatrixSolveLs")) {
        if (tn_tensor_count(r->in[2]) != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "l2_regularizer must be scalar");
        j.l2 = tn_tensor_number(r->in[2], 0);
        if (j.l2 < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "l2_regularizer must be >= 0");
    }
    for (int64_t i = 0; i < q->count; i++) {
        TN_TRY(load(r, q, &j, i, err));
        TN_TRY(compute(r, q, &j, err));
        TN_TRY(store(r, q, &j, i, err));
    }
    return TN_OK;
}
