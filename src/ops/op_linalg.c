/* SPDX-License-Identifier: Apache-2.0
 *
 * op_linalg.c - operators of linear algebra on batches of matrices: factorizations, inverses, solutions,
 * eigenvalues, functions of matrices. What each does with one matrix; linalg_batch.c goes through batches,
 * grad_linalg.c has gradients.
 */
#include "op_linalg.h"
#include "op_move.h"

#include <complex.h>
#include <math.h>

/* ==== factorizations ==== */

/* TensorFlow's CPU kernel gives NaN where the matrix is not positive definite. */
static tn_code cholesky(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    bool fine = j->la->cholesky(j->stop, j->n, j->a);
    for (int64_t i = 0; i < j->n * j->n && !fine; i++) tn_linalg_set(j, j->a, i, i % j->n <= i / j->n ? NAN : 0);
    tn_linalg_copy(j, j->o[0], j->a, j->n * j->n);
    return TN_OK;
}

static tn_code lu(tn_linalg_job *j, tn_error *err)
{
    j->la->lu(j->stop, j->n, j->a, j->perm);
    if (j->la->lu_is_singular(j->n, j->a)) return tn_fail(err, TN_INVALID_ARGUMENT, "Input is not invertible.");
    tn_linalg_copy(j, j->o[0], j->a, j->n * j->n);
    return TN_OK;
}

static tn_code qr(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    j->la->qr(j->stop, j->m, j->n, j->a, j->out_columns[0], j->o[0], j->tmp);
    tn_linalg_copy(j, j->o[1], j->a, j->out_columns[0] * j->n);
    return TN_OK;
}

static tn_code svd(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    int64_t least = TN_MIN(j->m, j->n), most = TN_MAX(j->m, j->n), square = most * most;
    size_t size = j->la->is_complex ? 16 : 8;
    bool finite = true;
    for (int64_t i = 0; i < j->m * j->n; i++) finite = finite && isfinite(cabs(tn_linalg_get(j, j->a, i)));
    char *u = j->vectors ? j->o[1] : (char *)j->tmp + (size_t)(2 * square) * size;
    char *v = j->vectors ? j->o[2] : u + (size_t)square * size;
    int64_t columns[] = {j->vectors ? j->out_columns[1] : least, j->vectors ? j->out_columns[2] : least};
    if (finite) j->la->svd(j->stop, j->m, j->n, j->a, j->e, columns[0], u, columns[1], v, j->tmp);
    for (int64_t i = 0; i < least; i++) tn_linalg_set(j, j->o[0], i, finite ? j->e[i] : NAN);
    for (int64_t i = 0; i < j->m * columns[0] && !finite; i++) tn_linalg_set(j, u, i, NAN);
    for (int64_t i = 0; i < j->n * columns[1] && !finite; i++) tn_linalg_set(j, v, i, NAN);
    return TN_OK;
}

static void *behind_square(const tn_linalg_job *j)
{
    return (char *)j->tmp + (size_t)(j->n * j->n) * (j->la->is_complex ? 16 : 8);
}

static tn_code eigh(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    j->la->eigh(j->stop, j->n, j->a, j->e, j->vectors ? j->o[1] : j->tmp, behind_square(j));
    for (int64_t i = 0; i < j->n; i++) tn_linalg_set(j, j->o[0], i, j->e[i]);
    return TN_OK;
}

/* The first version: eigenvalues in the first row, vectors below. */
static tn_code eigh_joined(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    j->la->eigh(j->stop, j->n, j->a, j->e, j->tmp, behind_square(j));
    for (int64_t i = 0; i < j->n; i++) tn_linalg_set(j, j->o[0], i, j->e[i]);
    for (int64_t i = 0; i < j->n * j->n; i++) tn_linalg_set(j, j->o[0], j->n + i, tn_linalg_get(j, j->tmp, i));
    return TN_OK;
}

static tn_code eig(tn_linalg_job *j, tn_error *err)
{
    double _Complex *t = j->a, *z = j->tmp, *line = z + j->n * j->n;
    if (!tn_schur(j->stop, j->n, t, z, line))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Eigen decomposition was not successful. The input might not be valid.");
    for (int64_t i = 0; i < j->n; i++) tn_linalg_set(j, j->o[0], i, t[i * j->n + i]);
    if (j->vectors) tn_schur_vectors(j->stop, j->n, t, z, j->o[1], line);
    return TN_OK;
}

/* ==== inverses and solutions ==== */

static tn_code inverse(tn_linalg_job *j, tn_error *err)
{
    j->la->lu(j->stop, j->n, j->a, j->perm);
    for (int64_t i = 0; i < j->n; i++) {
        double pivot = cabs(tn_linalg_get(j, j->a, i * j->n + i));
        if (!(pivot > 0)) return tn_fail(err, TN_INVALID_ARGUMENT, "Input is not invertible.");
    }
    tn_linalg_identity(j, j->o[0], j->n);
    j->la->lu_solve(j->stop, j->n, j->a, j->perm, j->adjoint, j->n, j->o[0], j->tmp);
    return TN_OK;
}

static tn_code solve(tn_linalg_job *j, tn_error *err)
{
    j->la->lu(j->stop, j->n, j->a, j->perm);
    for (int64_t i = 0; i < j->n; i++) {
        double pivot = cabs(tn_linalg_get(j, j->a, i * j->n + i));
        if (!(pivot > 0)) return tn_fail(err, TN_INVALID_ARGUMENT, "Input matrix is not invertible.");
    }
    tn_linalg_copy(j, j->o[0], j->b, j->n * j->k);
    j->la->lu_solve(j->stop, j->n, j->a, j->perm, j->adjoint, j->k, j->o[0], j->tmp);
    return TN_OK;
}

static tn_code triangular_solve(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    tn_linalg_copy(j, j->o[0], j->b, j->n * j->k);
    j->la->triangular_solve(j->stop, j->n, j->a, j->lower, j->adjoint, j->k, j->o[0]);
    return TN_OK;
}

/* Bands lie in rows: the diagonal first and those below it after it, or those above it first. */
static tn_code banded_solve(tn_linalg_job *j, tn_error *err)
{
    int64_t bands = j->m, n = j->n;
    for (int64_t i = 0; i < n * n; i++) tn_linalg_set(j, j->tmp, i, 0);
    for (int64_t d = 0; d < TN_MIN(bands, n); d++)
        for (int64_t i = j->lower ? d : 0; i < (j->lower ? n : n - d); i++) {
            int64_t band = j->lower ? d : bands - 1 - d, column = j->lower ? i - d : i + d;
            tn_linalg_set(j, j->tmp, i * n + column, tn_linalg_get(j, j->a, band * n + i));
        }
    for (int64_t i = 0; i < n; i++)
        if (tn_linalg_get(j, j->tmp, i * n + i) == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Input matrix is not invertible.");
    tn_linalg_copy(j, j->o[0], j->b, n * j->k);
    j->la->triangular_solve(j->stop, n, j->tmp, j->lower, j->adjoint, j->k, j->o[0]);
    return TN_OK;
}

/* (a^H a + l2) x = a^H b, or x = a^H (a a^H + l2)^-1 b where a is wide. */
static tn_code least_squares_fast(tn_linalg_job *j, tn_error *err)
{
    int64_t least = TN_MIN(j->m, j->n);
    bool wide = j->m < j->n;
    void *gram = j->tmp, *x = wide ? j->b : j->o[0];
    j->la->multiply(j->stop, least, least, TN_MAX(j->m, j->n), !wide, j->a, wide, j->a, gram);
    for (int64_t i = 0; i < least; i++)
        tn_linalg_set(j, gram, i * least + i, tn_linalg_get(j, gram, i * least + i) + j->l2);
    if (!j->la->cholesky(j->stop, least, gram))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input matrix was rank deficient or ill-conditioned. Try setting fast=False or provide a "
                       "larger l2_regularizer > 0.");
    if (!wide) j->la->multiply(j->stop, j->n, j->k, j->m, true, j->a, false, j->b, x);
    j->la->triangular_solve(j->stop, least, gram, true, false, j->k, x);
    j->la->triangular_solve(j->stop, least, gram, true, true, j->k, x);
    if (wide) j->la->multiply(j->stop, j->n, j->k, j->m, true, j->a, false, x, j->o[0]);
    return TN_OK;
}

/* The solution of least norm, by singular values. */
static void least_squares_svd(tn_linalg_job *j)
{
    int64_t least = TN_MIN(j->m, j->n), most = TN_MAX(j->m, j->n), square = most * most;
    size_t size = j->la->is_complex ? 16 : 8;
    char *u = (char *)j->tmp + (size_t)(2 * square) * size, *v = u + (size_t)square * size;
    j->la->svd(j->stop, j->m, j->n, j->a, j->e, least, u, least, v, j->tmp);
    for (int64_t c = 0; c < least; c++) {
        double inverse = j->e[c] > j->e[0] * 1e-6 * (double)most ? 1 / j->e[c] : 0;
        for (int64_t i = 0; i < j->n; i++)
            tn_linalg_set(j, v, i * least + c, tn_linalg_get(j, v, i * least + c) * inverse);
    }
    j->la->multiply(j->stop, j->n, j->m, least, false, v, true, u, j->tmp);
    j->la->multiply(j->stop, j->n, j->k, j->m, false, j->tmp, false, j->b, j->o[0]);
}

static tn_code least_squares(tn_linalg_job *j, tn_error *err)
{
    if (j->fast) return least_squares_fast(j, err);
    least_squares_svd(j);
    return TN_OK;
}

/* ==== determinants ==== */

static tn_code determinant(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    double _Complex d = j->la->lu(j->stop, j->n, j->a, j->perm);
    for (int64_t i = 0; i < j->n; i++) d *= tn_linalg_get(j, j->a, i * j->n + i);
    tn_linalg_set(j, j->o[0], 0, d);
    return TN_OK;
}

static tn_code log_determinant(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    double _Complex sign = j->la->lu(j->stop, j->n, j->a, j->perm);
    double log_abs = 0;
    for (int64_t i = 0; i < j->n; i++) {
        double _Complex pivot = tn_linalg_get(j, j->a, i * j->n + i);
        log_abs += log(cabs(pivot));
        sign = pivot == 0 ? 0 : sign * (pivot / cabs(pivot));
    }
    tn_linalg_set(j, j->o[0], 0, sign);
    tn_linalg_set(j, j->o[1], 0, log_abs);
    return TN_OK;
}

/* ==== functions of matrices ==== */

static tn_code exponential(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    j->la->exponential(j->stop, j->n, j->a, j->tmp);
    tn_linalg_copy(j, j->o[0], j->a, j->n * j->n);
    return TN_OK;
}

/* z f(t) z^H, for a = z t z^H. */
static tn_code by_schur(tn_linalg_job *j, void (*f)(const tn_stop *, int64_t, void *, void *), tn_error *err)
{
    (void)err;
    int64_t n = j->n;
    double _Complex *z = j->tmp, *work = z + n * n;
    if (!tn_schur(j->stop, n, j->a, z, work)) {
        for (int64_t i = 0; i < n * n; i++) tn_linalg_set(j, j->o[0], i, NAN);
        return TN_OK;
    }
    f(j->stop, n, j->a, work);
    j->la->multiply(j->stop, n, n, n, false, z, false, j->a, work);
    j->la->multiply(j->stop, n, n, n, false, work, true, z, j->o[0]);
    return TN_OK;
}

static tn_code logarithm(tn_linalg_job *j, tn_error *err)
{
    return by_schur(j, tn_triangular_logarithm, err);
}

static tn_code square_root(tn_linalg_job *j, tn_error *err)
{
    double real = 0, imaginary = 0;
    int64_t n = j->n * j->n;
    TN_TRY(by_schur(j, tn_triangular_root, err));
    for (int64_t i = 0; i < n; i++) {
        double _Complex x = tn_linalg_get(j, j->o[0], i);
        real = fmax(real, fabs(creal(x)));
        imaginary = fmax(imaginary, fabs(cimag(x)));
    }
    bool wrong = j->only_real && imaginary > 1e-7 * real;
    for (int64_t i = 0; wrong && i < n; i++) tn_linalg_set(j, j->o[0], i, NAN);
    return TN_OK;
}

/* l, gradient of l -> gradient of the matrix: l^-H phi(l^H dl) l^-1, phi: the lower triangle, half of the
 * diagonal. */
static tn_code cholesky_grad(tn_linalg_job *j, tn_error *err)
{
    (void)err;
    int64_t n = j->n;
    void *l = j->a, *p = j->tmp, *out = j->o[0];
    for (int64_t i = 0; i < n * n; i++)
        if (i % n > i / n) tn_linalg_set(j, l, i, 0);
    j->la->multiply(j->stop, n, n, n, true, l, false, j->b, p);
    for (int64_t i = 0; i < n * n; i++) {
        int64_t row = i / n, column = i % n;
        if (column >= row) tn_linalg_set(j, p, i, column > row ? 0 : tn_linalg_get(j, p, i) / 2);
    }
    j->la->triangular_solve(j->stop, n, l, true, true, n, p); /* l^-H p */
    for (int64_t i = 0; i < n * n; i++) tn_linalg_set(j, out, i, conj(tn_linalg_get(j, p, i % n * n + i / n)));
    j->la->triangular_solve(j->stop, n, l, true, true, n, out); /* (p l^-1)^H = l^-H p^H */
    for (int64_t i = 0; i < n * n; i++)
        tn_linalg_set(j, p, i, (tn_linalg_get(j, out, i) + conj(tn_linalg_get(j, out, i % n * n + i / n))) / 2);
    tn_linalg_copy(j, out, p, n * n);
    return TN_OK;
}

static const tn_linalg_rule rules[] = {
    {"Cholesky", cholesky, 1, 1, false, false},
    {"CholeskyGrad", cholesky_grad, 2, 1, false, false},
    {"Lu", lu, 1, 1, false, false},
    {"Qr", qr, 1, 1, false, false},
    {"Svd", svd, 1, 4, false, false},
    {"SelfAdjointEig", eigh_joined, 1, 1, false, false},
    {"SelfAdjointEigV2", eigh, 1, 1, false, false},
    {"Eig", eig, 1, 1, true, false},
    {"MatrixInverse", inverse, 1, 1, false, false},
    {"MatrixSolve", solve, 2, 1, false, false},
    {"MatrixSolveLs", least_squares, 2, 4, false, false},
    {"MatrixTriangularSolve", triangular_solve, 2, 1, false, true},
    {"BandedTriangularSolve", banded_solve, 2, 1, false, true},
    {"MatrixDeterminant", determinant, 1, 1, false, false},
    {"LogMatrixDeterminant", log_determinant, 1, 1, false, false},
    {"MatrixExponential", exponential, 1, 3, false, false},
    {"MatrixLogarithm", logarithm, 1, 5, true, false},
    {"MatrixSquareRoot", square_root, 1, 2, true, false},
};

const tn_linalg_rule *tn_linalg_rule_of(const char *op)
{
    const char *name = !strncmp(op, "Batch", 5) ? op + 5 : op;
    for (size_t i = 0; i < TN_COUNT(rules); i++)
        if (!strcmp(rules[i].name, name)) return &rules[i];
    return NULL;
}
