/* SPDX-License-Identifier: Apache-2.0
 *
 * reduce.c - reductions over any axes: collapses them to alternating kept and reduced dimensions and walks
 * these down to two leaves, a run summed to one number and rows summed to one row.
 *
 * Accumulators are out itself when they have its size, else scratch. With several threads either the kept
 * outer dimension, the columns, or the reduced outer dimension is shared out; in the last case each thread
 * has accumulators of its own, joined in order.
 */
#include "reduce.h"

#include <omp.h>

enum { SERIAL, BY_OUTPUT, BY_COLUMNS, BY_PARTS };

static tn_fold fold_of(tn_reduce_op op)
{
    switch (op) {
    case TN_REDUCE_MAX: return TN_FOLD_MAX;
    case TN_REDUCE_MIN: return TN_FOLD_MIN;
    case TN_REDUCE_PROD: return TN_FOLD_PROD;
    case TN_REDUCE_ALL: return TN_FOLD_ALL;
    case TN_REDUCE_ANY: return TN_FOLD_ANY;
    case TN_REDUCE_SUM_SQUARES:
    case TN_REDUCE_EUCLIDEAN: return TN_FOLD_SQUARES;
    default: return TN_FOLD_SUM;
    }
}

static void collapse(const tn_shape *in, const bool *axis, tn_reduce_plan *p)
{
    p->out_count = p->group = 1;
    for (int i = 0; i < in->rank; i++) {
        const int64_t d = in->dim[i];
        if (axis[i])
            p->group *= d;
        else
            p->out_count *= d;
        if (d == 1) continue;
        if (p->rank > 0 && p->reduced[p->rank - 1] == axis[i]) {
            p->dim[p->rank - 1] *= d;
        } else {
            p->reduced[p->rank] = axis[i];
            p->dim[p->rank++] = d;
        }
    }
    if (p->rank == 0) { /* one element, or none: a run */
        p->reduced[0] = true;
        p->dim[0] = 1;
        p->rank = 1;
    }
    p->in_count = tn_shape_count(in);
}

static int choose(const tn_reduce_plan *p)
{
    if (p->threads == 1) return SERIAL;
    if (!p->reduced[0] && p->dim[0] >= p->threads) return BY_OUTPUT;
    if (p->reduced[0] && p->rank == 2 && p->dim[1] >= 64 * p->threads) return BY_COLUMNS;
    return p->reduced[0] && p->dim[0] >= p->threads ? BY_PARTS : SERIAL;
}

tn_code tn_reduce_prepare(tn_reduce_op op, tn_dtype dtype, const tn_shape *in, const bool axis[TN_MAX_RANK],
                          int threads, tn_reduce_plan *plan, tn_error *err)
{
    tn_reduce_plan p = {.op = op, .dtype = dtype, .isa = tn_isa_level_now()};
    const tn_reduce_type *t = tn_reduce_type_of(op, dtype, p.isa);
    int64_t count;
    if (!t) return tn_fail(err, TN_UNIMPLEMENTED, "no reduction %d of %s", (int)op, tn_dtype_name(dtype));
    if (!tn_shape_known(in))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a reduction was prepared for a shape that is not known");
    TN_TRY(tn_shape_count_checked(in, &count, err));
    collapse(in, axis, &p);
    p.threads = tn_team(threads, (double)p.in_count);
    p.path = choose(&p);
    if (p.path == SERIAL) p.threads = 1;
    size_t each = (size_t)p.out_count * (size_t)t->acc;
    if (p.path == BY_PARTS)
        p.scratch = tn_round64(each) * (size_t)p.threads;
    else if (t->acc != t->size)
        p.scratch = each;
    *plan = p;
    return TN_OK;
}

typedef struct walk {
    const tn_reduce_plan *p;
    const tn_reduce_type *t;
    tn_fold fold;
    int64_t in_step[TN_MAX_RANK], out_step[TN_MAX_RANK]; /* elements; out 0 where reduced */
} walk;

static walk walk_of(const tn_reduce_plan *p)
{
    walk w = {.p = p, .t = tn_reduce_type_of(p->op, p->dtype, p->isa), .fold = fold_of(p->op)};
    int64_t in = 1, out = 1;
    for (int i = p->rank - 1; i >= 0; i--) {
        w.in_step[i] = in;
        w.out_step[i] = p->reduced[i] ? 0 : out;
        in *= p->dim[i];
        if (!p->reduced[i]) out *= p->dim[i];
    }
    return w;
}

/* Indices [from, to) of dimension d and everything below it. */
static void descend(const walk *w, int d, int64_t from, int64_t to, const char *in, char *acc)
{
    const tn_reduce_plan *p = w->p;
    const tn_reduce_type *t = w->t;
    if (d == p->rank - 1) {
        if (p->reduced[d])
            t->run(w->fold, to - from, in + from * t->size, acc);
        else
            t->cols(w->fold, 1, to - from, 0, in + from * t->size, acc + from * t->acc);
        return;
    }
    if (p->reduced[d] && d == p->rank - 2) {
        t->cols(w->fold, to - from, p->dim[d + 1], w->in_step[d], in + from * w->in_step[d] * t->size, acc);
        return;
    }
    for (int64_t i = from; i < to; i++)
        descend(w, d + 1, 0, p->dim[d + 1], in + i * w->in_step[d] * t->size,
                acc + i * w->out_step[d] * t->acc);
}

static void run_output_part(const walk *w, const char *in, char *acc, char *out, int part, int parts)
{
    const tn_reduce_plan *p = w->p;
    int64_t from, to, each = w->out_step[0];
    tn_share(p->dim[0], 1, part, parts, &from, &to);
    w->t->start(w->fold, (to - from) * each, acc + from * each * w->t->acc);
    descend(w, 0, from, to, in, acc);
    w->t->finish(p->op, p->group, (to - from) * each, acc + from * each * w->t->acc,
                 out + from * each * w->t->size);
}

static void run_column_part(const walk *w, const char *in, char *acc, char *out, int part, int parts)
{
    const tn_reduce_plan *p = w->p;
    int64_t from, to;
    tn_share(p->dim[1], 64, part, parts, &from, &to);
    w->t->start(w->fold, to - from, acc + from * w->t->acc);
    w->t->cols(w->fold, p->dim[0], to - from, p->dim[1], in + from * w->t->size, acc + from * w->t->acc);
    w->t->finish(p->op, p->group, to - from, acc + from * w->t->acc, out + from * w->t->size);
}

static void run_reduced_part(const walk *w, const char *in, char *acc, int part, int parts)
{
    int64_t from, to;
    tn_share(w->p->dim[0], 1, part, parts, &from, &to);
    w->t->start(w->fold, w->p->out_count, acc);
    descend(w, 0, from, to, in, acc);
}

static void run_serial(const walk *w, const char *in, char *acc, char *out)
{
    const tn_reduce_plan *p = w->p;
    w->t->start(w->fold, p->out_count, acc);
    if (p->in_count > 0) descend(w, 0, 0, p->dim[0], in, acc);
    w->t->finish(p->op, p->group, p->out_count, acc, out);
}

static void run_parts(const walk *w, const char *in, char *scratch, char *out)
{
    const tn_reduce_plan *p = w->p;
    const size_t each = tn_round64((size_t)p->out_count * (size_t)w->t->acc);
    int parts = 1;
#pragma omp parallel num_threads(p->threads)
    {
        const int part = omp_get_thread_num();
        if (part == 0) parts = omp_get_num_threads();
        run_reduced_part(w, in, scratch + each * (size_t)part, part, omp_get_num_threads());
    }
    for (int i = 1; i < parts; i++) w->t->merge(w->fold, p->out_count, scratch + each * (size_t)i, scratch);
    w->t->finish(p->op, p->group, p->out_count, scratch, out);
}

void tn_reduce_run(const tn_reduce_plan *p, const void *in, void *out, void *scratch)
{
    const walk w = walk_of(p);
    char *acc = w.t->acc == w.t->size ? out : scratch;
    switch (p->path) {
    case BY_OUTPUT:
#pragma omp parallel num_threads(p->threads)
        run_output_part(&w, in, acc, out, omp_get_thread_num(), omp_get_num_threads());
        break;
    case BY_COLUMNS:
#pragma omp parallel num_threads(p->threads)
        run_column_part(&w, in, acc, out, omp_get_thread_num(), omp_get_num_threads());
        break;
    case BY_PARTS: run_parts(&w, in, scratch, out); break;
    default: run_serial(&w, in, acc, out); break;
    }
}

/* ---- the gradient of a bias ---- */

static tn_reduce_plan column_plan(int64_t rows, int64_t cols, int threads)
{
    tn_reduce_plan p = {0};
    const bool axis[TN_MAX_RANK] = {true};
    if (tn_reduce_prepare(TN_REDUCE_SUM, TN_FLOAT, &TN_SHAPE(rows, cols), axis, threads, &p, NULL) != TN_OK)
        p.rank = 0;
    return p;
}

size_t tn_col_sum_scratch(int64_t rows, int64_t cols, int threads)
{
    return column_plan(rows, cols, threads).scratch;
}

void tn_col_sum(const float *x, int64_t rows, int64_t cols, float *out, void *scratch, int threads)
{
    const tn_reduce_plan p = column_plan(rows, cols, threads);
    if (p.rank > 0) tn_reduce_run(&p, x, out, scratch);
}
