/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_linalg.c - gradients of inverses, determinants, solutions and roots of matrices, as nodes. Those of
 * factorizations are grad_decomposition.c's.
 */
#include "grad_linalg.h"

#include "../graph/op_grads.h"

/* ==== small nodes ==== */

tn_node tn_mat_mul(tn_builder *b, tn_node x, bool adj_x, tn_node y, bool adj_y)
{
    return tn_op(b, "BatchMatMulV2", TN_INPUTS(x, y),
                 TN_ATTRS(tn_attr_bool("adj_x", adj_x), tn_attr_bool("adj_y", adj_y)));
}

/* The order of dimensions in which the last two trade places: known, or computed. */
static tn_node swapped_order(tn_builder *b, tn_node x)
{
    tn_shape s = tn_node_shape(x);
    if (s.rank >= 2) {
        int64_t order[TN_MAX_RANK];
        for (int k = 0; k < s.rank; k++) order[k] = k;
        order[s.rank - 2] = s.rank - 1;
        order[s.rank - 1] = s.rank - 2;
        return tn_ints(b, order, s.rank);
    }
    tn_node rank = tn_g1(b, "Rank", x), one = tn_g_int(b, 1), two = tn_g_int(b, 2);
    tn_node last = tn_g2(b, "Sub", rank, one), before = tn_g2(b, "Sub", rank, two);
    tn_node ends[] = {last, before}, pair = tn_grad_pack(b, ends, 2, 0);
    tn_node front = tn_g3(b, "Range", tn_g_int(b, 0), before, one), parts[] = {front, pair};
    return tn_grad_concat(b, parts, 2, 0);
}

tn_node tn_mat_adjoint(tn_builder *b, tn_node x)
{
    bool is_complex = tn_dtype_is_complex(tn_dtype_base(tn_node_dtype(x)));
    return tn_g2(b, is_complex ? "ConjugateTranspose" : "Transpose", x, swapped_order(b, x));
}

tn_node tn_mat_band(tn_builder *b, tn_node x, int64_t lower, int64_t upper)
{
    return tn_g3(b, "MatrixBandPart", x, tn_scalar(b, TN_INT64, (double)lower),
                 tn_scalar(b, TN_INT64, (double)upper));
}

tn_node tn_mat_triangular(tn_builder *b, tn_node a, tn_node x, bool lower, bool adjoint)
{
    return tn_op(b, "MatrixTriangularSolve", TN_INPUTS(a, x),
                 TN_ATTRS(tn_attr_bool("lower", lower), tn_attr_bool("adjoint", adjoint)));
}

tn_node tn_mat_solve(tn_builder *b, tn_node a, tn_node x, bool adjoint)
{
    return tn_op(b, "MatrixSolve", TN_INPUTS(a, x), TN_ATTRS(tn_attr_bool("adjoint", adjoint)));
}

/* x with two dimensions of 1 after its own. */
static tn_node scalars(tn_builder *b, tn_node x)
{
    tn_node y = tn_g2(b, "ExpandDims", x, tn_g_int(b, -1));
    return tn_g2(b, "ExpandDims", y, tn_g_int(b, -1));
}

static tn_node batch_shape(tn_builder *b, tn_node x)
{
    return tn_grad_range_of(b, tn_grad_shape(b, x, TN_INT32), 0, -2);
}

static bool same_batch(tn_shape a, tn_shape b)
{
    if (!tn_shape_known(&a) || !tn_shape_known(&b) || a.rank < 2 || b.rank < 2) return false;
    a.rank -= 2;
    b.rank -= 2;
    return tn_shape_equal(&a, &b);
}

/* dx of a batch summed over what `like` was broadcast along, where the two batches may differ. */
static tn_node unbroadcast(tn_builder *b, tn_node dx, tn_node like, tn_node other)
{
    if (same_batch(tn_node_shape(like), tn_node_shape(other))) return dx;
    tn_node axes = tn_g2(b, "BroadcastGradientArgs", batch_shape(b, like), batch_shape(b, other));
    return tn_g2(b, "Reshape", tn_g2(b, "Sum", dx, axes), tn_shape_of(b, like));
}

tn_node tn_mat_columns(tn_builder *b, tn_node x, int64_t from, int64_t to)
{
    int64_t begin[] = {0, from}, end[] = {0, to}, step[] = {1, 1};
    return tn_op(b, "StridedSlice",
                 TN_INPUTS(x, tn_ints(b, begin, 2), tn_ints(b, end, 2), tn_ints(b, step, 2)),
                 TN_ATTRS(tn_attr_int("ellipsis_mask", 1)));
}

/* ==== inverses and determinants ==== */

tn_code tn_grad_inverse(tn_grad *g, tn_error *err)
{
    (void)err;
    bool adjoint = tn_attr_b(&g->op->attrs, "adjoint");
    tn_node y = tn_grad_out(g, 0);
    tn_node right = tn_mat_mul(g->b, tn_grad_dy(g, 0), adjoint, y, !adjoint);
    tn_grad_set(g, 0, tn_g1(g->b, "Neg", tn_mat_mul(g->b, y, !adjoint, right, false)));
    return TN_OK;
}

/* factor * a^-H, a factor for each matrix. */
static void set_inverse_times(tn_grad *g, tn_node factor)
{
    tn_node inverse =
        tn_op(g->b, "MatrixInverse", TN_INPUTS(tn_grad_in(g, 0)), TN_ATTRS(tn_attr_bool("adjoint", true)));
    tn_grad_set(g, 0, tn_g2(g->b, "Mul", scalars(g->b, factor), inverse));
}

tn_code tn_grad_determinant(tn_grad *g, tn_error *err)
{
    (void)err;
    set_inverse_times(g, tn_g2(g->b, "Mul", tn_grad_dy(g, 0), tn_grad_out(g, 0)));
    return TN_OK;
}

tn_code tn_grad_log_determinant(tn_grad *g, tn_error *err)
{
    (void)err;
    set_inverse_times(g, tn_grad_dy(g, 1));
    return TN_OK;
}

/* ==== solutions ==== */

/* -db x^H, or -x db^H where the adjoint was solved. */
static tn_node matrix_gradient(tn_grad *g, tn_node db)
{
    bool adjoint = tn_attr_b(&g->op->attrs, "adjoint");
    tn_node x = tn_grad_out(g, 0);
    return tn_g1(g->b, "Neg", tn_mat_mul(g->b, adjoint ? x : db, false, adjoint ? db : x, true));
}

tn_code tn_grad_solve(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node db = tn_mat_solve(g->b, tn_grad_in(g, 0), tn_grad_dy(g, 0), !tn_attr_b(&g->op->attrs, "adjoint"));
    tn_grad_set(g, 0, matrix_gradient(g, db));
    tn_grad_set(g, 1, db);
    return TN_OK;
}

tn_code tn_grad_triangular_solve(tn_grad *g, tn_error *err)
{
    (void)err;
    bool lower = tn_attr_b(&g->op->attrs, "lower"), adjoint = tn_attr_b(&g->op->attrs, "adjoint");
    tn_node a = tn_grad_in(g, 0), rhs = tn_grad_in(g, 1);
    tn_node db = tn_mat_triangular(g->b, a, tn_grad_dy(g, 0), lower, !adjoint);
    tn_node da = tn_mat_band(g->b, matrix_gradient(g, db), lower ? -1 : 0, lower ? 0 : -1);
    tn_grad_set(g, 0, unbroadcast(g->b, da, a, rhs));
    tn_grad_set(g, 1, unbroadcast(g->b, db, rhs, a));
    return TN_OK;
}

/* The diagonals that the bands are, out of a matrix. */
static tn_node bands_of(tn_grad *g, tn_node matrix, tn_node bands, bool lower)
{
    tn_builder *b = g->b;
    tn_node last =
        tn_g2(b, "Sub", tn_grad_element(b, tn_grad_range_of(b, tn_grad_shape(b, bands, TN_INT32), -2, -1), 0),
              tn_g_int(b, 1));
    tn_node zero = tn_g_int(b, 0), ends[] = {lower ? tn_g1(b, "Neg", last) : zero, lower ? zero : last};
    tn_node k = tn_grad_pack(b, ends, 2, 0), none = tn_scalar(b, tn_dtype_base(tn_node_dtype(matrix)), 0);
    return tn_op(b, "MatrixDiagPartV3", TN_INPUTS(matrix, k, none),
                 TN_ATTRS(tn_attr_str("align", "LEFT_RIGHT")));
}

tn_code tn_grad_banded_solve(tn_grad *g, tn_error *err)
{
    (void)err;
    bool lower = tn_attr_b(&g->op->attrs, "lower"), adjoint = tn_attr_b(&g->op->attrs, "adjoint");
    tn_node a = tn_grad_in(g, 0), rhs = tn_grad_in(g, 1);
    tn_node db = tn_op(g->b, "BandedTriangularSolve", TN_INPUTS(a, tn_grad_dy(g, 0)),
                       TN_ATTRS(tn_attr_bool("lower", lower), tn_attr_bool("adjoint", !adjoint)));
    tn_node da = bands_of(g, matrix_gradient(g, db), a, lower);
    tn_grad_set(g, 0, unbroadcast(g->b, da, a, rhs));
    tn_grad_set(g, 1, unbroadcast(g->b, db, rhs, a));
    return TN_OK;
}

/* ==== least squares ==== */

/* Cholesky's factor of a^H a + l2, or of a a^H + l2. */
static tn_node gram_factor(tn_grad *g, bool tall)
{
    tn_builder *b = g->b;
    tn_node a = tn_grad_in(g, 0), gram = tn_mat_mul(b, a, tall, a, !tall);
    tn_node l2 = tn_grad_cast(b, tn_grad_in(g, 2), tn_dtype_base(tn_node_dtype(a)));
    tn_node diagonal = tn_g2(b, "AddV2", tn_g1(b, "MatrixDiagPart", gram), l2);
    return tn_g1(b, "Cholesky", tn_g2(b, "MatrixSetDiag", gram, diagonal));
}

static tn_node factor_solve(tn_builder *b, tn_node factor, tn_node x)
{
    return tn_mat_triangular(b, factor, tn_mat_triangular(b, factor, x, true, false), true, true);
}

static void overdetermined(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node a = tn_grad_in(g, 0), rhs = tn_grad_in(g, 1), x = tn_grad_out(g, 0);
    tn_node z = factor_solve(b, gram_factor(g, true), tn_grad_dy(g, 0));
    tn_node both = tn_g2(b, "AddV2", tn_mat_mul(b, x, false, z, true), tn_mat_mul(b, z, false, x, true));
    tn_grad_set(g, 0,
                tn_g2(b, "Sub", tn_mat_mul(b, rhs, false, z, true), tn_mat_mul(b, a, false, both, false)));
    tn_grad_set(g, 1, tn_mat_mul(b, a, false, z, false));
}

static void underdetermined(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node a = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0), factor = gram_factor(g, false);
    tn_node db = factor_solve(b, factor, tn_mat_mul(b, a, false, dy, false));
    tn_node t = factor_solve(b, factor, tn_grad_in(g, 1));
    tn_node first = tn_mat_mul(b, db, false, tn_mat_mul(b, t, true, a, false), false);
    tn_node rest = tn_g2(b, "Sub", dy, tn_mat_mul(b, a, true, db, false));
    tn_grad_set(g, 0, tn_g2(b, "Sub", tn_mat_mul(b, t, false, rest, true), first));
    tn_grad_set(g, 1, db);
}

tn_code tn_grad_least_squares(tn_grad *g, tn_error *err)
{
    tn_shape s = tn_node_shape(tn_grad_in(g, 0));
    if (!tn_attr_b(&g->op->attrs, "fast"))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Gradient not defined for fast=False");
    if (s.rank < 2 || s.dim[s.rank - 2] < 0 || s.dim[s.rank - 1] < 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "gradient of MatrixSolveLs with a matrix of unknown shape");
    if (s.dim[s.rank - 2] >= s.dim[s.rank - 1])
        overdetermined(g);
    else
        underdetermined(g);
    return TN_OK;
}

/* ==== roots ==== */

/* The Kronecker product of batches of square matrices, n x n each. */
static tn_node kronecker(tn_builder *b, tn_node x, tn_node y, int64_t n)
{
    tn_node a = tn_g2(b, "ExpandDims", tn_g2(b, "ExpandDims", x, tn_g_int(b, -1)), tn_g_int(b, -3));
    tn_node c = tn_g2(b, "ExpandDims", tn_g2(b, "ExpandDims", y, tn_g_int(b, -2)), tn_g_int(b, -4));
    int64_t whole[] = {n * n, n * n};
    tn_node parts[] = {batch_shape(b, x), tn_ints(b, whole, 2)};
    return tn_g2(b, "Reshape", tn_g2(b, "Mul", a, c), tn_grad_concat(b, parts, 2, 0));
}

/* r dr + dr r = da, solved for vec(dr). */
tn_code tn_grad_square_root(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node r = tn_grad_out(g, 0), dy = tn_grad_dy(g, 0);
    tn_shape s = tn_node_shape(r);
    if (s.rank < 2 || s.dim[s.rank - 1] < 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "gradient of MatrixSquareRoot of a matrix of unknown shape");
    int64_t n = s.dim[s.rank - 1], column[] = {n * n, 1};
    tn_node one = tn_g1(b, "MatrixDiagPart", tn_g1(b, "ZerosLike", r));
    one = tn_g1(b, "MatrixDiag", tn_g1(b, "OnesLike", one));
    tn_node order = swapped_order(b, r);
    tn_node sum =
        tn_g2(b, "AddV2", kronecker(b, one, tn_g2(b, "Transpose", r, order), n), kronecker(b, r, one, n));
    tn_node parts[] = {batch_shape(b, r), tn_ints(b, column, 2)};
    tn_node vec = tn_g2(b, "Reshape", tn_g2(b, "Transpose", dy, order), tn_grad_concat(b, parts, 2, 0));
    tn_node x = tn_g2(b, "Reshape", tn_mat_solve(b, sum, vec, false), tn_shape_of(b, r));
    tn_grad_set(g, 0, tn_g2(b, "Transpose", x, order));
    return TN_OK;
}
