/* SPDX-License-Identifier: Apache-2.0
 *
 * op_csr_factor.c - Cholesky factors of CSR sparse matrices. SparseMatrixOrderingAMD finds an order of rows that fills
 * little in, by least degree: rows eliminated are elements (sets of the rows they were beside), and a row's degree is
 * bounded by what of its elements lies outside of the newest one. Other orders than TensorFlow's may come out, as
 * good ones are many. SparseMatrixSparseCholesky takes an order, and fills in by the elimination tree.
 */
#include <math.h>

#include "csr.h"

static tn_code square(const tn_csr *m, tn_error *err)
{
    if (m->rows == m->cols) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "sparse matrix must be square; got: %lld != %lld", (long long)m->rows,
                   (long long)m->cols);
}

/* ==== the order of least degree ==== */

typedef struct list {
    int32_t *at;
    int n, cap;
} list;

typedef struct ordering {
    tn_arena *arena;
    int32_t n;
    list *rows, *elements;       /* of each row that is left: rows beside it, elements that it is in */
    list *inside;                /* of each element: rows that are left */
    bool *gone;                  /* eliminated */
    bool *absorbed;              /* an element that a later one holds */
    int32_t *outside;            /* of an element: rows that are not in the newest one, where stamped */
    int32_t *stamp, *mark, time; /* by element; by row */
    int32_t *degree, *next, *before, *first; /* rows by degree, in chains; -1 ends one */
} ordering;

static tn_code add(ordering *o, list *l, int32_t x, tn_error *err)
{
    if (!TN_ROOM(o->arena, l->at, l->n, l->cap)) return tn_no_memory(err, (size_t)l->n * sizeof x);
    l->at[l->n++] = x;
    return TN_OK;
}

static void unchain(ordering *o, int32_t i)
{
    if (o->before[i] >= 0) o->next[o->before[i]] = o->next[i];
    else o->first[o->degree[i]] = o->next[i];
    if (o->next[i] >= 0) o->before[o->next[i]] = o->before[i];
}

static void chain(ordering *o, int32_t i, int64_t degree)
{
    int32_t d = (int32_t)TN_MIN(degree, (int64_t)o->n - 1), head = o->first[d];
    o->degree[i] = d;
    o->next[i] = head;
    o->before[i] = -1;
    if (head >= 0) o->before[head] = i;
    o->first[d] = i;
}

static tn_code begin_ordering(ordering *o, tn_arena *a, int32_t n, tn_error *err)
{
    int32_t **numbers[] = {&o->outside, &o->stamp, &o->mark, &o->degree, &o->next, &o->before, &o->first};
    o->arena = a;
    o->n = n;
    o->rows = TN_ARRAY(a, n + 1, list);
    o->elements = TN_ARRAY(a, n + 1, list);
    o->inside = TN_ARRAY(a, n + 1, list);
    o->gone = TN_ARRAY(a, n + 1, bool);
    o->absorbed = TN_ARRAY(a, n + 1, bool);
    for (size_t k = 0; k < TN_COUNT(numbers); k++)
        if (!(*numbers[k] = TN_ARRAY(a, n + 1, int32_t))) return tn_no_memory(err, (size_t)n * sizeof(int32_t));
    if (!o->rows || !o->elements || !o->inside || !o->gone || !o->absorbed)
        return tn_no_memory(err, (size_t)n * sizeof(list));
    for (int32_t i = 0; i < n; i++) o->first[i] = -1;
    return TN_OK;
}

/* Who is beside whom: an element on either side of the diagonal says so. */
static tn_code read_structure(ordering *o, const tn_csr *m, int64_t b, tn_error *err)
{
    const int32_t *row = tn_csr_rows(m, b), *col = tn_csr_cols(m, b);
    for (int32_t i = 0; i < o->n; i++)
        for (int32_t k = row[i]; k < row[i + 1]; k++) {
            if (col[k] == i) continue;
            TN_TRY(add(o, &o->rows[i], col[k], err));
            TN_TRY(add(o, &o->rows[col[k]], i, err));
        }
    for (int32_t i = 0; i < o->n; i++) { /* each once */
        list *l = &o->rows[i];
        int n = 0;
        o->time++;
        for (int k = 0; k < l->n; k++) {
            if (o->mark[l->at[k]] != o->time) l->at[n++] = l->at[k];
            o->mark[l->at[k]] = o->time;
        }
        l->n = n;
        chain(o, i, n);
    }
    return TN_OK;
}

static tn_code gather(ordering *o, const list *from, list *to, tn_error *err)
{
    for (int k = 0; k < from->n; k++) {
        int32_t i = from->at[k];
        if (o->gone[i] || o->mark[i] == o->time) continue;
        o->mark[i] = o->time;
        TN_TRY(add(o, to, i, err));
    }
    return TN_OK;
}

/* Row p becomes an element: the rows beside it, marked with o->time. */
static tn_code eliminate(ordering *o, int32_t p, tn_error *err)
{
    o->gone[p] = true;
    o->time++;
    TN_TRY(gather(o, &o->rows[p], &o->inside[p], err));
    for (int k = 0; k < o->elements[p].n; k++) {
        int32_t e = o->elements[p].at[k];
        if (o->absorbed[e]) continue;
        TN_TRY(gather(o, &o->inside[e], &o->inside[p], err));
        o->absorbed[e] = true;
    }
    return TN_OK;
}

/* How many rows of each other element lie outside of p. */
static void count_outside(ordering *o, int32_t p)
{
    for (int k = 0; k < o->inside[p].n; k++) {
        const list *l = &o->elements[o->inside[p].at[k]];
        for (int j = 0; j < l->n; j++) {
            int32_t e = l->at[j];
            if (o->absorbed[e]) continue;
            if (o->stamp[e] != o->time) {
                o->stamp[e] = o->time;
                o->outside[e] = o->inside[e].n; /* who is gone has had it absorbed */
            }
            o->outside[e]--;
        }
    }
}

/* Row i, which is in p: what p holds is not looked at any more, and its degree is bounded anew. */
static tn_code update_row(ordering *o, int32_t p, int32_t i, tn_error *err)
{
    list *rows = &o->rows[i], *elements = &o->elements[i];
    int64_t degree = o->inside[p].n - 1;
    int n = 0;
    for (int k = 0; k < rows->n; k++)
        if (!o->gone[rows->at[k]] && o->mark[rows->at[k]] != o->time) rows->at[n++] = rows->at[k];
    rows->n = n;
    degree += n;
    n = 0;
    for (int k = 0; k < elements->n; k++) {
        int32_t e = elements->at[k];
        if (o->absorbed[e]) continue;
        elements->at[n++] = e;
        degree += o->outside[e];
    }
    elements->n = n;
    TN_TRY(add(o, elements, p, err));
    unchain(o, i);
    chain(o, i, degree);
    return TN_OK;
}

static tn_code order_one(tn_run *r, const tn_csr *m, int64_t b, int32_t *out, tn_arena *a, tn_error *err)
{
    ordering o = {0};
    TN_TRY(begin_ordering(&o, a, (int32_t)m->rows, err));
    TN_TRY(read_structure(&o, m, b, err));
    for (int32_t done = 0, d = 0; done < o.n; done++) {
        if (done % 256 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "cancelled");
        while (o.first[d] < 0) d++;
        int32_t p = o.first[d];
        unchain(&o, p);
        out[done] = p;
        TN_TRY(eliminate(&o, p, err));
        count_outside(&o, p);
        for (int k = 0; k < o.inside[p].n; k++) {
            TN_TRY(update_row(&o, p, o.inside[p].at[k], err));
            d = TN_MIN(d, o.degree[o.inside[p].at[k]]);
        }
    }
    return TN_OK;
}

static tn_code order(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_csr *m = NULL;
    TN_TRY(tn_csr_of(r->in[0], TN_INVALID_DTYPE, &m, err));
    TN_TRY(square(m, err));
    tn_shape s = {.rank = m->rank - 1};
    s.dim[0] = m->batch;
    s.dim[s.rank - 1] = m->rows;
    TN_TRY(tn_run_output(r, 0, &s, err));
    for (int64_t b = 0; b < m->batch; b++)
        TN_TRY(order_one(r, m, b, TN_INT32S(r->out[0]) + b * m->rows, a, err));
    return TN_OK;
}
TN_RUN_IN_ARENA(order_run, order)

/* ==== the factor ==== */

typedef struct factor {
    const tn_csr *m;
    const double _Complex *values;
    tn_csr_row_buffer made; /* rows of the factors */
    int32_t *ends;          /* of each row */
    int32_t *place;         /* where a row of the matrix comes in the order */
    int32_t *parent;        /* in the elimination tree; -1: none yet */
    int32_t *mark, *cols;   /* of the row being made: columns it has */
    double _Complex *x;     /* and their values */
} factor;

static int by_number(const void *x, const void *y)
{
    int32_t a = *(const int32_t *)x, b = *(const int32_t *)y;
    return (a > b) - (a < b);
}

static tn_code read_places(factor *f, const int32_t *order, tn_error *err)
{
    for (int64_t i = 0; i < f->m->rows; i++) f->place[i] = -1;
    for (int64_t i = 0; i < f->m->rows; i++) {
        if (order[i] < 0 || order[i] >= f->m->rows || f->place[order[i]] >= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "permutation[%lld] = %d is out of range or there twice",
                           (long long)i, order[i]);
        f->place[order[i]] = (int32_t)i;
    }
    return TN_OK;
}

/* The lower triangle of the matrix put in order, an element after the other, by rows of the result. */
typedef struct triangle {
    int32_t *row, *col; /* row[n + 1] */
    double _Complex *value;
} triangle;

static tn_code reorder(const factor *f, int64_t b, triangle *t, tn_arena *a, tn_error *err)
{
    const int32_t *row = tn_csr_rows(f->m, b), *col = tn_csr_cols(f->m, b);
    int64_t n = f->m->rows, count = tn_csr_count(f->m, b), first = TN_INT32S(f->m->start)[b];
    t->row = TN_ARRAY(a, n + 2, int32_t);
    t->col = TN_ARRAY(a, count + 1, int32_t);
    t->value = TN_ARRAY(a, count + 1, double _Complex);
    if (!t->row || !t->col || !t->value) return tn_no_memory(err, (size_t)count * sizeof *t->value);
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t i = 0; i < n; i++)
            for (int32_t k = row[i]; k < row[i + 1]; k++) {
                if (col[k] > i) continue;
                int32_t p = f->place[i], q = f->place[col[k]], at = TN_MAX(p, q);
                if (pass == 0) {
                    t->row[at + 2]++;
                    continue;
                }
                t->col[t->row[at + 1]] = TN_MIN(p, q);
                t->value[t->row[at + 1]++] = p < q ? conj(f->values[first + k]) : f->values[first + k];
            }
        for (int64_t i = 0; i < n && pass == 0; i++) t->row[i + 2] += t->row[i + 1];
    }
    return TN_OK;
}

/* The columns of row k of the factor: all that lie on the tree's paths from the matrix's own. */
static size_t reach(factor *f, const triangle *t, int32_t k)
{
    size_t n = 0;
    f->mark[k] = k + 1;
    f->x[k] = 0;
    for (int32_t e = t->row[k]; e < t->row[k + 1]; e++)
        for (int32_t j = t->col[e]; j >= 0 && f->mark[j] != k + 1; j = f->parent[j]) {
            f->mark[j] = k + 1;
            f->x[j] = 0;
            f->cols[n++] = j;
            if (f->parent[j] < 0) f->parent[j] = k;
        }
    for (int32_t e = t->row[k]; e < t->row[k + 1]; e++) f->x[t->col[e]] += t->value[e];
    qsort(f->cols, n, sizeof *f->cols, by_number);
    return n;
}

/* Row k of the matrix that begins at row `base` of all; *bad: it is not positive definite. */
static tn_code factor_row(factor *f, const triangle *t, int64_t base, int32_t k, bool *bad, tn_error *err)
{
    size_t n = reach(f, t, k);
    double pivot = creal(f->x[k]);
    for (size_t c = 0; c < n; c++) {
        int32_t i = f->cols[c], from = base + i ? f->ends[base + i - 1] : 0, last = f->ends[base + i] - 1;
        double _Complex sum = f->x[i];
        for (int32_t e = from; e < last; e++) {
            int32_t j = f->made.col[e];
            if (f->mark[j] == k + 1) sum -= tn_csr_times(conj(f->made.value[e]), f->x[j]);
        }
        f->x[i] = sum / creal(f->made.value[last]);
        pivot -= creal(f->x[i]) * creal(f->x[i]) + cimag(f->x[i]) * cimag(f->x[i]);
        TN_TRY(tn_csr_append(&f->made, i, f->x[i], err));
    }
    *bad = pivot <= 0;
    TN_TRY(tn_csr_append(&f->made, k, sqrt(pivot), err));
    f->ends[base + k] = f->made.n;
    return TN_OK;
}

static tn_code factor_one(tn_run *r, factor *f, int64_t b, tn_arena *a, tn_error *err)
{
    triangle t;
    bool bad = false;
    TN_TRY(read_places(f, TN_INT32S(r->in[1]) + b * f->m->rows, err));
    TN_TRY(reorder(f, b, &t, a, err));
    for (int32_t k = 0; k < f->m->rows; k++) {
        f->parent[k] = -1;
        f->mark[k] = 0;
    }
    for (int32_t k = 0; k < f->m->rows; k++) {
        if (k % 64 == 0 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "cancelled");
        TN_TRY(factor_row(f, &t, b * f->m->rows, k, &bad, err));
        if (bad)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Sparse Cholesky factorization failed for batch index %lld. The input might not be valid.",
                           (long long)b);
    }
    return TN_OK;
}

static tn_code check_order(const tn_csr *m, const tn_shape *s, tn_error *err)
{
    char text[96];
    TN_TRY(square(m, err));
    if (s->rank + 1 == m->rank && s->dim[s->rank - 1] == m->rows && (s->rank == 1 || s->dim[0] == m->batch))
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "permutation must have an element for each row of each matrix, %lld and %lld; got: %s",
                   (long long)m->batch, (long long)m->rows, tn_shape_text(s, text, sizeof text));
}

static tn_code cholesky(tn_run *r, tn_arena *a, tn_error *err)
{
    factor f = {.made.arena = a};
    int64_t dim[3];
    tn_csr *o = NULL;
    TN_TRY(tn_csr_of(r->in[0], tn_attr_t(r->attrs, "type"), &f.m, err));
    TN_TRY(check_order(f.m, &r->in[1]->shape, err));
    int64_t n = f.m->rows;
    int32_t **numbers[] = {&f.place, &f.parent, &f.mark, &f.cols};
    for (size_t k = 0; k < TN_COUNT(numbers); k++)
        if (!(*numbers[k] = TN_ARRAY(a, n + 1, int32_t))) return tn_no_memory(err, (size_t)n * sizeof(int32_t));
    f.ends = TN_ARRAY(a, f.m->batch * n + 1, int32_t);
    f.x = TN_ARRAY(a, n + 1, double _Complex);
    if (!f.ends || !f.x) return tn_no_memory(err, (size_t)n * sizeof *f.x);
    TN_TRY(tn_csr_numbers(f.m, a, (double _Complex **)&f.values, err));
    for (int64_t b = 0; b < f.m->batch; b++) TN_TRY(factor_one(r, &f, b, a, err));
    tn_csr_dims(f.m, dim);
    TN_TRY(tn_csr_of_rows(f.m->values->dtype, f.m->rank, dim, &f.made, f.ends, &o, err));
    tn_csr_put(r, 0, o);
    return TN_OK;
}
TN_RUN_IN_ARENA(cholesky_run, cholesky)

/* ==== records ==== */

const tn_op tn_op_SparseMatrixOrderingAMD = {
    .name = "SparseMatrixOrderingAMD",
    .sig = "input:variant -> output:int32;",
    .infer = tn_infer_none,
    .run = order_run,
    .dynamic = TN_BIT(0),
};

const tn_op tn_op_SparseMatrixSparseCholesky = {
    .name = "SparseMatrixSparseCholesky",
    .sig = "input:variant permutation:int32 -> output:variant; type:type{float,double,complex64,complex128}",
    .infer = tn_infer_scalar,
    .run = cholesky_run,
};
