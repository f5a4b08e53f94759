/* SPDX-License-Identifier: Apache-2.0
 *
 * op_tridiagonal.c - TridiagonalSolve and TridiagonalMatMul: matrices given by their three diagonals, as long
 * as the matrix: of the upper one the last element counts for nothing, of the lower one the first.
 */
#include "../graph/op_grads.h"
#include "grad_linalg.h"

#include <complex.h>
#include <math.h>

/* ==== elements ==== */

static double _Complex get(const tn_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case TN_FLOAT: return ((const float *)t->data)[i];
    case TN_DOUBLE: return ((const double *)t->data)[i];
    case TN_COMPLEX64: return ((const float _Complex *)t->data)[i];
    default: return ((const double _Complex *)t->data)[i];
    }
}

static void set(tn_tensor *t, int64_t i, double _Complex x)
{
    switch (t->dtype) {
    case TN_FLOAT: ((float *)t->data)[i] = (float)creal(x); break;
    case TN_DOUBLE: ((double *)t->data)[i] = creal(x); break;
    case TN_COMPLEX64: ((float _Complex *)t->data)[i] = (float _Complex)x; break;
    default: ((double _Complex *)t->data)[i] = x;
    }
}

/* Rows times columns of the last two dimensions of input i, and the batches before them. */
typedef struct size {
    int64_t batches, n, k;
} size;

static size size_of(const tn_tensor *rhs)
{
    const tn_shape *s = &rhs->shape;
    size z = {1, s->dim[s->rank - 2], s->dim[s->rank - 1]};
    for (int i = 0; i < s->rank - 2; i++) z.batches *= s->dim[i];
    return z;
}

/* ==== products ==== */

static tn_code multiply_run(tn_run *r, tn_error *err)
{
    (void)err;
    const tn_tensor *rhs = r->in[3];
    size z = size_of(rhs);
    for (int64_t row = 0; row < z.batches * z.n; row++) {
        double _Complex up = get(r->in[0], row), main = get(r->in[1], row), low = get(r->in[2], row);
        for (int64_t c = 0; c < z.k; c++) {
            double _Complex y = main * get(rhs, row * z.k + c);
            if (row % z.n) y += low * get(rhs, (row - 1) * z.k + c);
            if (row % z.n < z.n - 1) y += up * get(rhs, (row + 1) * z.k + c);
            set(r->out[0], row * z.k + c, y);
        }
    }
    return TN_OK;
}

static tn_code multiply_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank_at_least(c, 3, 2, err));
    const tn_shape *rhs = &c->in[3]->shape;
    for (int i = 0; i < 3 && rhs->rank >= 0; i++) {
        tn_shape want = *rhs, both;
        want.dim[want.rank - 2] = 1;
        want.dim[want.rank - 1] = rhs->dim[rhs->rank - 2];
        TN_TRY(tn_shape_merge(&c->in[i]->shape, &want, &both, err));
    }
    c->out[0].shape = *rhs;
    return TN_OK;
}

/* x with its rows one up (towards the first) or down; what comes in is 0. */
static tn_node shifted(tn_builder *b, tn_node x, tn_node like, bool up)
{
    tn_node one = tn_g1(b, "OnesLike", like), zero = tn_g1(b, "ZerosLike", like);
    tn_node in[] = {up ? one : zero, zero, up ? zero : one, x};
    return tn_op(b, "TridiagonalMatMul", in, 4, TN_NO_ATTRS);
}

static tn_node row_sums(tn_builder *b, tn_node x)
{
    return tn_g2(b, "ExpandDims", tn_g2(b, "Sum", x, tn_g_int(b, -1)), tn_g_int(b, -2));
}

static tn_code multiply_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node dy = tn_grad_dy(g, 0), rhs = tn_g_conj(b, tn_grad_in(g, 3)), like = tn_grad_in(g, 0), d[3];
    for (int i = 0; i < 3; i++) d[i] = tn_mat_adjoint(b, tn_grad_in(g, i));
    tn_grad_set(g, 0, row_sums(b, tn_g2(b, "Mul", shifted(b, rhs, like, true), dy)));
    tn_grad_set(g, 1, row_sums(b, tn_g2(b, "Mul", rhs, dy)));
    tn_grad_set(g, 2, row_sums(b, tn_g2(b, "Mul", shifted(b, rhs, like, false), dy)));
    tn_node low = shifted(b, tn_g2(b, "Mul", d[0], dy), like, false);
    tn_node up = shifted(b, tn_g2(b, "Mul", d[2], dy), like, true);
    tn_grad_set(g, 3, tn_g2(b, "AddV2", tn_g2(b, "AddV2", low, tn_g2(b, "Mul", d[1], dy)), up));
    return TN_OK;
}

const tn_op tn_op_TridiagonalMatMul = {
    .name = "TridiagonalMatMul",
    .sig = "superdiag:T maindiag:T subdiag:T rhs:T -> output:T; T:type{double,float,complex64,complex128}",
    .infer = multiply_infer,
    .run = multiply_run,
    .grad = multiply_grad,
};

/* ==== solutions ==== */

/* Elimination keeps three diagonals, or four when rows trade places. */
typedef struct bands {
    double _Complex *main, *up, *far, *b; /* [n], b: [n, k] */
    int64_t n, k;
} bands;

static void read_bands(const tn_run *r, bands *s, double _Complex *low, int64_t i)
{
    for (int64_t j = 0; j < s->n; j++) {
        s->up[j] = j < s->n - 1 ? get(r->in[0], (3 * i + 0) * s->n + j) : 0;
        s->main[j] = get(r->in[0], (3 * i + 1) * s->n + j);
        low[j] = j ? get(r->in[0], (3 * i + 2) * s->n + j) : 0;
        s->far[j] = 0;
    }
    for (int64_t j = 0; j < s->n * s->k; j++) s->b[j] = get(r->in[1], i * s->n * s->k + j);
}

static void trade(double _Complex *x, double _Complex *y)
{
    double _Complex t = *x;
    *x = *y;
    *y = t;
}

/* Rows j and j + 1 trade places: low is the element under main[j]. */
static void trade_rows(bands *s, int64_t j, double _Complex *low)
{
    trade(&s->main[j], low);
    trade(&s->up[j], &s->main[j + 1]);
    trade(&s->far[j], &s->up[j + 1]);
    for (int64_t c = 0; c < s->k; c++) trade(&s->b[j * s->k + c], &s->b[(j + 1) * s->k + c]);
}

static void eliminate(bands *s, double _Complex *low, bool pivoting)
{
    for (int64_t j = 0; j + 1 < s->n; j++) {
        if (pivoting && cabs(low[j + 1]) > cabs(s->main[j])) trade_rows(s, j, &low[j + 1]);
        double _Complex f = low[j + 1] / s->main[j];
        s->main[j + 1] -= f * s->up[j];
        s->up[j + 1] -= f * s->far[j];
        for (int64_t c = 0; c < s->k; c++) s->b[(j + 1) * s->k + c] -= f * s->b[j * s->k + c];
    }
}

static bool substitute(bands *s)
{
    for (int64_t j = s->n - 1; j >= 0; j--) {
        if (!(cabs(s->main[j]) > 0)) return false;
        for (int64_t c = 0; c < s->k; c++) {
            double _Complex x = s->b[j * s->k + c];
            if (j + 1 < s->n) x -= s->up[j] * s->b[(j + 1) * s->k + c];
            if (j + 2 < s->n) x -= s->far[j] * s->b[(j + 2) * s->k + c];
            s->b[j * s->k + c] = x / s->main[j];
        }
    }
    return true;
}

static tn_code solve_prepare(tn_prepare *p, tn_error *err)
{
    size z = size_of(p->in[1]);
    int64_t count;
    if (__builtin_mul_overflow(z.n, z.k + 4, &count) || count > INT64_MAX / 16)
        return tn_no_memory(err, SIZE_MAX);
    p->scratch = (size_t)count * sizeof(double _Complex);
    return TN_OK;
}

static tn_code solve_run(tn_run *r, tn_error *err)
{
    (void)err;
    size z = size_of(r->in[1]);
    double _Complex *at = r->scratch;
    bands s = {at, at + z.n, at + 2 * z.n, at + 4 * z.n, z.n, z.k};
    bool pivoting = tn_attr_b(r->attrs, "partial_pivoting");
    double none = tn_dtype_is_complex(r->out[0]->dtype) ? 0 : NAN; /* TensorFlow's NaN of complex numbers is 0 */
    for (int64_t i = 0; i < z.batches; i++) {
        read_bands(r, &s, at + 3 * z.n, i);
        eliminate(&s, at + 3 * z.n, pivoting);
        bool fine = substitute(&s);
        for (int64_t j = 0; j < z.n * z.k; j++) set(r->out[0], i * z.n * z.k + j, fine ? s.b[j] : none);
    }
    return TN_OK;
}

static tn_code solve_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *d = &c->in[0]->shape, *rhs = &c->in[1]->shape;
    TN_TRY(tn_infer_rank_at_least(c, 0, 2, err));
    TN_TRY(tn_infer_rank_at_least(c, 1, 2, err));
    c->out[0].shape = *rhs;
    if (d->rank < 0) return TN_OK;
    if (d->dim[d->rank - 2] >= 0 && d->dim[d->rank - 2] != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected diagonals to be provided as a matrix with 3 rows, got %lld rows.",
                       (long long)d->dim[d->rank - 2]);
    tn_shape want = *d, both;
    want.dim[d->rank - 2] = d->dim[d->rank - 1];
    want.dim[d->rank - 1] = rhs->rank < 0 ? -1 : rhs->dim[rhs->rank - 1];
    TN_TRY(tn_shape_merge(&want, rhs, &both, err));
    c->out[0].shape = both;
    return TN_OK;
}

/* One diagonal of three. */
static tn_node diagonal(tn_builder *b, tn_node x, int64_t i)
{
    int64_t begin[] = {0, i, 0}, end[] = {0, i + 1, 0}, step[] = {1, 1, 1};
    return tn_op(
        b, "StridedSlice", TN_INPUTS(x, tn_ints(b, begin, 3), tn_ints(b, end, 3), tn_ints(b, step, 3)),
        TN_ATTRS(tn_attr_int("ellipsis_mask", 1), tn_attr_int("begin_mask", 4), tn_attr_int("end_mask", 4)));
}

/* A diagonal [.., 1, n] moved along itself by one. */
static tn_node moved(tn_builder *b, tn_node x, bool up)
{
    return tn_mat_adjoint(b, shifted(b, tn_mat_adjoint(b, x), x, up));
}

static tn_code solve_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node d = tn_grad_in(g, 0), x = tn_grad_out(g, 0);
    tn_node up = diagonal(b, d, 0), main = diagonal(b, d, 1), low = diagonal(b, d, 2);
    tn_node swapped[] = {moved(b, low, true), main, moved(b, up, false)};
    bool pivoting = tn_attr_b(&g->op->attrs, "partial_pivoting");
    tn_node db = tn_op(b, "TridiagonalSolve", TN_INPUTS(tn_grad_concat(b, swapped, 3, -2), tn_grad_dy(g, 0)),
                       TN_ATTRS(tn_attr_bool("partial_pivoting", pivoting)));
    tn_node sums[] = {row_sums(b, tn_g2(b, "Mul", db, shifted(b, x, up, true))),
                      row_sums(b, tn_g2(b, "Mul", db, x)),
                      row_sums(b, tn_g2(b, "Mul", db, shifted(b, x, up, false)))};
    tn_grad_set(g, 0, tn_g1(b, "Neg", tn_grad_concat(b, sums, 3, -2)));
    tn_grad_set(g, 1, db);
    return TN_OK;
}

const tn_op tn_op_TridiagonalSolve = {
    .name = "TridiagonalSolve",
    .sig = "diagonals:T rhs:T -> output:T; partial_pivoting:bool=true perturb_singular:bool=false "
           "T:type{double,float,complex64,complex128}",
    .infer = solve_infer,
    .prepare = solve_prepare,
    .run = solve_run,
    .grad = solve_grad,
};
