/* SPDX-License-Identifier: Apache-2.0
 *
 * op_linalg_list.c - the records of the operators of linear algebra, and their shapes.
 */
#include "grad_linalg.h"
#include "op_linalg.h"

/* ==== shapes ==== */

static tn_code check_matrix(const tn_infer *c, int i, bool square, tn_error *err)
{
    const tn_shape *s = &c->in[i]->shape;
    int64_t both;
    TN_TRY(tn_infer_rank_at_least(c, i, 2, err));
    if (s->rank < 0 || !square) return TN_OK;
    if (tn_infer_merge_dim(s->dim[s->rank - 2], s->dim[s->rank - 1], &both, NULL) == TN_OK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Input matrix must be square.");
}

/* The batch of input i with up to two dimensions after it. */
static tn_shape after_batch(const tn_infer *c, int i, int more, int64_t a, int64_t b)
{
    tn_shape s = c->in[i]->shape;
    if (s.rank < 0) return s;
    s.rank -= 2;
    if (more > 0) s.dim[s.rank++] = a;
    if (more > 1) s.dim[s.rank++] = b;
    return s;
}

static int64_t dim_of(const tn_infer *c, int i, int from_end)
{
    const tn_shape *s = &c->in[i]->shape;
    return s->rank < from_end ? -1 : s->dim[s->rank - from_end];
}

static int64_t least(int64_t a, int64_t b)
{
    return a == 0 || b == 0 ? 0 : a < 0 || b < 0 ? -1 : TN_MIN(a, b);
}

static tn_code square_infer(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < c->n_in; i++) TN_TRY(check_matrix(c, i, true, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code scalars_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, true, err));
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = after_batch(c, 0, 0, 0, 0);
    return TN_OK;
}

static tn_code batches_agree(const tn_infer *c, tn_shape *out, bool broadcast, tn_error *err)
{
    tn_shape a = after_batch(c, 0, 0, 0, 0), b = after_batch(c, 1, 0, 0, 0);
    if (!broadcast && a.rank >= 0 && b.rank >= 0 && a.rank != b.rank)
        return tn_fail(err, TN_INVALID_ARGUMENT, "All input tensors must have the same rank.");
    if (broadcast) return tn_shape_broadcast(&a, &b, out, err);
    if (tn_shape_merge(&a, &b, out, NULL) == TN_OK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "All input tensors must have the same outer dimensions.");
}

/* Both are of one shape. */
static tn_code factor_grad_infer(tn_infer *c, tn_error *err)
{
    tn_shape batch, both;
    TN_TRY(square_infer(c, err));
    TN_TRY(batches_agree(c, &batch, false, err));
    if (tn_shape_merge(&c->in[0]->shape, &c->in[1]->shape, &both, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Inputs (L and grad) must have the same shape.");
    return TN_OK;
}

/* rows: of the right-hand side; columns_of: the dimension from the matrix's end that they agree with. */
static tn_code solve_shapes(tn_infer *c, int rows_like, int64_t result_rows, bool broadcast, tn_error *err)
{
    tn_shape batch;
    int64_t both;
    TN_TRY(tn_infer_rank_at_least(c, 1, 2, err));
    if (tn_infer_merge_dim(dim_of(c, 0, rows_like), dim_of(c, 1, 2), &both, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input matrix and rhs are incompatible.");
    TN_TRY(batches_agree(c, &batch, broadcast, err));
    if (batch.rank < 0 || batch.rank > TN_MAX_RANK - 2) return TN_OK;
    batch.dim[batch.rank++] = result_rows;
    batch.dim[batch.rank++] = dim_of(c, 1, 1);
    c->out[0].shape = batch;
    return TN_OK;
}

static tn_code solve_infer(tn_infer *c, tn_error *err)
{
    bool broadcast = strstr(c->op->name, "Triangular") != NULL;
    TN_TRY(check_matrix(c, 0, true, err));
    return solve_shapes(c, 1, dim_of(c, 1, 2), broadcast, err);
}

static tn_code banded_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, false, err));
    for (int i = 0; i < 2; i++)
        if (tn_shape_count(&c->in[i]->shape) == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "In[%d] must not be an empty tensor", i);
    return solve_shapes(c, 1, dim_of(c, 1, 2), true, err);
}

static tn_code least_squares_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, false, err));
    return solve_shapes(c, 2, dim_of(c, 0, 1), false, err);
}

static tn_code qr_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, false, err));
    int64_t m = dim_of(c, 0, 2), n = dim_of(c, 0, 1),
            p = tn_attr_b(c->attrs, "full_matrices") ? m : least(m, n);
    c->out[0].shape = after_batch(c, 0, 2, m, p);
    c->out[1].shape = after_batch(c, 0, 2, p, n);
    return TN_OK;
}

static tn_code svd_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, false, err));
    int64_t m = dim_of(c, 0, 2), n = dim_of(c, 0, 1), p = least(m, n);
    bool full = tn_attr_b(c->attrs, "full_matrices"), vectors = tn_attr_b(c->attrs, "compute_uv");
    c->out[0].shape = after_batch(c, 0, 1, p, 0);
    c->out[1].shape = vectors ? after_batch(c, 0, 2, m, full ? m : p) : tn_shape_vector(0);
    c->out[2].shape = vectors ? after_batch(c, 0, 2, n, full ? n : p) : tn_shape_vector(0);
    return TN_OK;
}

static tn_code eig_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, true, err));
    int64_t n = dim_of(c, 0, 1);
    c->out[0].shape = after_batch(c, 0, 1, n, 0);
    c->out[1].shape = tn_attr_b(c->attrs, "compute_v") ? after_batch(c, 0, 2, n, n) : tn_shape_vector(0);
    return TN_OK;
}

static tn_code joined_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, true, err));
    int64_t n = dim_of(c, 0, 1);
    c->out[0].shape = after_batch(c, 0, 2, n < 0 ? -1 : n + 1, n);
    return TN_OK;
}

static tn_code lu_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(check_matrix(c, 0, true, err));
    c->out[0].shape = c->in[0]->shape;
    c->out[1].shape = after_batch(c, 0, 1, dim_of(c, 0, 1), 0);
    return TN_OK;
}

/* ==== records ==== */

#define LINALG(Name, Infer, Grad, Sig)                        \
    const tn_op tn_op_##Name = {.name = #Name,                \
                                .sig = Sig,                   \
                                .infer = Infer,               \
                                .prepare = tn_linalg_prepare, \
                                .run = tn_linalg_run,         \
                                .grad = Grad}
#define LINALG_LAST(Name, Infer, Sig) \
    const tn_op tn_op_##Name = {      \
        .name = #Name, .sig = Sig, .infer = Infer, .prepare = tn_linalg_prepare, .run = tn_linalg_run}
#define MOST "T:type{double,float,half,complex64,complex128}"
#define TWO "T:type{double,float}"

LINALG(Cholesky, square_infer, tn_grad_cholesky, "input:T -> output:T; " MOST);
LINALG(BatchCholesky, square_infer, tn_grad_cholesky, "input:T -> output:T; " TWO);
LINALG_LAST(CholeskyGrad, factor_grad_infer, "l:T grad:T -> output:T; T:type{half,float,double}");
LINALG_LAST(BatchCholeskyGrad, factor_grad_infer, "l:T grad:T -> output:T; T:type{float,double}");
LINALG_LAST(Lu, lu_infer,
            "input:T -> lu:T p:output_idx_type; " MOST " output_idx_type:type{int32,int64}=int32");
LINALG(Qr, qr_infer, tn_grad_qr, "input:T -> q:T r:T; full_matrices:bool=false " MOST);
LINALG(Svd, svd_infer, tn_grad_svd,
       "input:T -> s:T u:T v:T; compute_uv:bool=true full_matrices:bool=false " MOST);
LINALG(BatchSvd, svd_infer, tn_grad_svd,
       "input:T -> s:T u:T v:T; compute_uv:bool=true full_matrices:bool=false "
       "T:type{double,float,complex64,complex128}");
LINALG_LAST(SelfAdjointEig, joined_infer, "input:T -> output:T; T:type{double,float,half}");
LINALG_LAST(BatchSelfAdjointEig, joined_infer, "input:T -> output:T; " TWO);
LINALG(SelfAdjointEigV2, eig_infer, tn_grad_eigh, "input:T -> e:T v:T; compute_v:bool=true " MOST);
LINALG(BatchSelfAdjointEigV2, eig_infer, tn_grad_eigh, "input:T -> e:T v:T; compute_v:bool=true " TWO);
LINALG(Eig, eig_infer, tn_grad_eig,
       "input:T -> e:Tout v:Tout; compute_v:bool=true T:type{float,double,complex64,complex128} "
       "Tout:type{complex64,complex128}");
LINALG(MatrixInverse, square_infer, tn_grad_inverse, "input:T -> output:T; adjoint:bool=false " MOST);
LINALG(BatchMatrixInverse, square_infer, tn_grad_inverse, "input:T -> output:T; adjoint:bool=false " TWO);
LINALG(MatrixSolve, solve_infer, tn_grad_solve, "matrix:T rhs:T -> output:T; adjoint:bool=false " MOST);
LINALG(BatchMatrixSolve, solve_infer, tn_grad_solve, "matrix:T rhs:T -> output:T; adjoint:bool=false " TWO);
LINALG(MatrixSolveLs, least_squares_infer, tn_grad_least_squares,
       "matrix:T rhs:T l2_regularizer:double -> output:T; " MOST " fast:bool=true");
LINALG(BatchMatrixSolveLs, least_squares_infer, tn_grad_least_squares,
       "matrix:T rhs:T l2_regularizer:double -> output:T; " TWO " fast:bool=true");
LINALG(MatrixTriangularSolve, solve_infer, tn_grad_triangular_solve,
       "matrix:T rhs:T -> output:T; lower:bool=true adjoint:bool=false "
       "T:type{bfloat16,double,float,half,complex64,complex128}");
LINALG(BatchMatrixTriangularSolve, solve_infer, tn_grad_triangular_solve,
       "matrix:T rhs:T -> output:T; lower:bool=true adjoint:bool=false " TWO);
LINALG(BandedTriangularSolve, banded_infer, tn_grad_banded_solve,
       "matrix:T rhs:T -> output:T; lower:bool=true adjoint:bool=false " MOST);
LINALG(MatrixDeterminant, scalars_infer, tn_grad_determinant,
       "input:T -> output:T; T:type{half,float,double,complex64,complex128}");
LINALG(BatchMatrixDeterminant, scalars_infer, tn_grad_determinant,
       "input:T -> output:T; T:type{float,double,complex64,complex128}");
LINALG(LogMatrixDeterminant, scalars_infer, tn_grad_log_determinant,
       "input:T -> sign:T log_abs_determinant:T; T:type{half,float,double,complex64,complex128}");
LINALG(MatrixExponential, square_infer, NULL, "input:T -> output:T; " MOST);
LINALG(MatrixLogarithm, square_infer, NULL, "input:T -> output:T; T:type{complex64,complex128}");
LINALG(MatrixSquareRoot, square_infer, tn_grad_square_root, "input:T -> output:T; " MOST);
