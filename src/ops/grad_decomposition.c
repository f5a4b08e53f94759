/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_decomposition.c - gradients of factorizations of matrices: Cholesky, QR, singular values, eigenvalues.
 * Where values coincide vectors have no gradient; differences are kept from being 0 as TensorFlow does it.
 */
#include "grad_linalg.h"

#include "../graph/op_grads.h"

static tn_node add(tn_builder *b, tn_node x, tn_node y)
{
    return tn_g2(b, "AddV2", x, y);
}

static tn_node sub(tn_builder *b, tn_node x, tn_node y)
{
    return tn_g2(b, "Sub", x, y);
}

static tn_node mul(tn_builder *b, tn_node x, tn_node y)
{
    return tn_g2(b, "Mul", x, y);
}

static tn_node product(tn_builder *b, tn_node x, tn_node y)
{
    return tn_mat_mul(b, x, false, y, false);
}

static tn_node number_like(tn_builder *b, tn_node x, double v)
{
    return tn_scalar(b, tn_dtype_base(tn_node_dtype(x)), v);
}

/* With half of the diagonal. */
static tn_node half_diagonal(tn_builder *b, tn_node x)
{
    tn_node d = tn_g1(b, "MatrixDiagPart", x);
    return tn_g2(b, "MatrixSetDiag", x, mul(b, d, number_like(b, d, 0.5)));
}

tn_code tn_grad_cholesky(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node l = tn_grad_out(g, 0), d = tn_g1(b, "MatrixDiagPart", l);
    tn_node inverse = tn_mat_triangular(b, l, tn_g1(b, "MatrixDiag", tn_g1(b, "OnesLike", d)), true, false);
    tn_node middle = tn_mat_band(b, half_diagonal(b, tn_mat_mul(b, l, true, tn_grad_dy(g, 0), false)), -1, 0);
    tn_node da = product(b, tn_mat_mul(b, inverse, true, middle, false), inverse);
    tn_grad_set(g, 0, mul(b, add(b, da, tn_mat_adjoint(b, da)), number_like(b, da, 0.5)));
    return TN_OK;
}

/* ==== QR ==== */

/* x r^-H for upper triangular r. */
static tn_node right_solve(tn_builder *b, tn_node x, tn_node r)
{
    return tn_mat_adjoint(b, tn_mat_triangular(b, r, tn_mat_adjoint(b, x), false, false));
}

static tn_node without_adjoint(tn_builder *b, tn_node x)
{
    return sub(b, x, tn_mat_adjoint(b, x));
}

/* For complex matrices: what the imaginary part of the diagonal adds. */
static tn_node qr_correction(tn_builder *b, tn_node q, tn_node r, tn_node rdr, tn_node qdq)
{
    tn_dtype t = tn_dtype_base(tn_node_dtype(q));
    tn_attr real = tn_attr_type("Tout", t == TN_COMPLEX64 ? TN_FLOAT : TN_DOUBLE);
    tn_node d = tn_g1(b, "MatrixDiagPart", sub(b, rdr, tn_mat_adjoint(b, qdq)));
    d = sub(b, d, tn_grad_cast(b, tn_op(b, "Real", TN_INPUTS(d), &real, 1), t));
    return right_solve(b, tn_mat_mul(b, q, false, tn_g1(b, "MatrixDiag", d), true), r);
}

static tn_node qr_tall(tn_builder *b, tn_node q, tn_node r, tn_node dq, tn_node dr)
{
    tn_node qdq = tn_mat_mul(b, q, true, dq, false), rdr = tn_mat_mul(b, r, false, dr, true);
    tn_node lower = tn_mat_band(b, add(b, without_adjoint(b, qdq), without_adjoint(b, rdr)), -1, 0);
    tn_node first = product(b, q, add(b, dr, right_solve(b, lower, r)));
    tn_node all = add(b, first, right_solve(b, sub(b, dq, product(b, q, qdq)), r));
    if (!tn_dtype_is_complex(tn_dtype_base(tn_node_dtype(q)))) return all;
    return add(b, all, qr_correction(b, q, r, rdr, qdq));
}

tn_code tn_grad_qr(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node q = tn_grad_out(g, 0), r = tn_grad_out(g, 1), dq = tn_grad_dy(g, 0), dr = tn_grad_dy(g, 1);
    tn_shape sq = tn_node_shape(q), sr = tn_node_shape(r);
    if (sr.rank < 2 || sr.dim[sr.rank - 2] < 0 || sr.dim[sr.rank - 1] < 0 || sq.dim[sq.rank - 2] < 0)
        return tn_fail(err, TN_UNIMPLEMENTED, "QrGrad not implemented with dynamic shapes");
    int64_t m = sq.dim[sq.rank - 2], p = sr.dim[sr.rank - 2], n = sr.dim[sr.rank - 1];
    if (p > n && m == sq.dim[sq.rank - 1])
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "QrGrad not implemented when nrows > ncols and full_matrices is true");
    if (m >= n) {
        tn_grad_set(g, 0, qr_tall(b, q, r, dq, dr));
        return TN_OK;
    }
    tn_node y = tn_mat_columns(b, tn_grad_in(g, 0), m, n), u = tn_mat_columns(b, r, 0, m);
    tn_node dv = tn_mat_columns(b, dr, m, n), du = tn_mat_columns(b, dr, 0, m);
    tn_node dx = qr_tall(b, q, u, add(b, dq, tn_mat_mul(b, y, false, dv, true)), du);
    tn_node parts[] = {dx, product(b, q, dv)};
    tn_grad_set(g, 0, tn_grad_concat(b, parts, 2, -1));
    return TN_OK;
}

/* ==== eigenvalues ==== */

static tn_node safe_reciprocal(tn_builder *b, tn_node x)
{
    return mul(b, x, tn_g1(b, "Reciprocal", add(b, mul(b, x, x), number_like(b, x, 1e-20))));
}

/* 1 / (e_j - e_i), 0 on the diagonal. */
static tn_node reciprocal_differences(tn_builder *b, tn_node e)
{
    tn_node d =
        sub(b, tn_g2(b, "ExpandDims", e, tn_g_int(b, -2)), tn_g2(b, "ExpandDims", e, tn_g_int(b, -1)));
    return tn_g2(b, "MatrixSetDiag", safe_reciprocal(b, d), tn_g1(b, "ZerosLike", e));
}

/* The vectors, which the forward operator may not have computed. */
static tn_node vectors_of(tn_grad *g, const char *type, const char *attr, int index)
{
    if (tn_attr_b(&g->op->attrs, attr)) return tn_grad_out(g, index);
    tn_attr attrs[] = {tn_attr_bool(attr, true), tn_attr_type("Tout", TN_COMPLEX64)};
    tn_node in = tn_grad_in(g, 0);
    bool typed = tn_attr_get_type(&g->op->attrs, "Tout", &attrs[1].type);
    return tn_output_of(tn_add_operation(g->b, type, NULL, &in, 1, attrs, typed ? 2 : 1), index);
}

tn_code tn_grad_eigh(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node v = vectors_of(g, "SelfAdjointEigV2", "compute_v", 1);
    tn_node middle = tn_g1(b, "MatrixDiag", tn_grad_dy(g, 0));
    if (tn_attr_b(&g->op->attrs, "compute_v")) {
        tn_node f = reciprocal_differences(b, tn_grad_out(g, 0));
        middle = add(b, middle, mul(b, f, tn_mat_mul(b, v, true, tn_grad_dy(g, 1), false)));
    }
    tn_node da = product(b, v, tn_mat_mul(b, middle, false, v, true));
    da = tn_mat_band(b, add(b, da, tn_mat_adjoint(b, da)), -1, 0);
    tn_grad_set(g, 0, half_diagonal(b, da)); /* only the lower triangle was read */
    return TN_OK;
}

static tn_node eig_middle(tn_grad *g, tn_node v)
{
    tn_builder *b = g->b;
    tn_dtype t = tn_dtype_base(tn_node_dtype(v));
    tn_attr real = tn_attr_type("Tout", t == TN_COMPLEX64 ? TN_FLOAT : TN_DOUBLE);
    tn_node f = tn_g1(b, "Conj", reciprocal_differences(b, tn_grad_out(g, 0)));
    tn_node vgv = tn_mat_mul(b, v, true, tn_grad_dy(g, 1), false);
    tn_node d = tn_g1(b, "MatrixDiagPart", tn_grad_cast(b, tn_op(b, "Real", TN_INPUTS(vgv), &real, 1), t));
    tn_node rest = product(b, tn_mat_mul(b, v, true, v, false), tn_g1(b, "MatrixDiag", d));
    return mul(b, f, sub(b, vgv, rest));
}

tn_code tn_grad_eig(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node v = vectors_of(g, "Eig", "compute_v", 1), vt = tn_mat_adjoint(b, v);
    tn_node middle = tn_g1(b, "MatrixDiag", tn_grad_dy(g, 0));
    if (tn_attr_b(&g->op->attrs, "compute_v")) middle = add(b, middle, eig_middle(g, v));
    tn_node da = tn_mat_solve(b, vt, product(b, middle, vt), false);
    tn_grad_set(g, 0, tn_grad_cast(b, da, tn_dtype_base(tn_node_dtype(tn_grad_in(g, 0)))));
    return TN_OK;
}

/* ==== singular values ==== */

typedef struct parts { /* of a matrix that is not tall: m <= n */
    tn_node s, u, v, ds, du, dv;
    int64_t m, n;
    bool full;
} parts;

/* What the columns of v beyond those of u, and the space beyond v, add. */
static tn_node svd_outside(tn_builder *b, const parts *p, tn_node v1, tn_node dv1)
{
    tn_node dv1t = tn_mat_adjoint(b, dv1);
    tn_node term = sub(b, dv1t, tn_mat_mul(b, product(b, dv1t, v1), false, v1, true));
    if (p->full) {
        tn_node v2 = tn_mat_columns(b, p->v, p->m, p->n), dv2 = tn_mat_columns(b, p->dv, p->m, p->n);
        term = sub(b, term, tn_mat_mul(b, tn_mat_mul(b, v1, true, dv2, false), false, v2, true));
    }
    return product(b, product(b, p->u, tn_g1(b, "MatrixDiag", safe_reciprocal(b, p->s))), term);
}

static tn_node svd_phase(tn_builder *b, const parts *p, tn_node v1, tn_node v_gv)
{
    tn_node l = tn_g1(b, "MatrixDiag", tn_g1(b, "MatrixDiagPart", v_gv));
    tn_node inverse = tn_g1(b, "MatrixDiag", safe_reciprocal(b, p->s));
    tn_node term = product(b, inverse, sub(b, tn_mat_adjoint(b, l), l));
    term = product(b, p->u, tn_mat_mul(b, term, false, v1, true));
    return mul(b, term, number_like(b, term, 0.5));
}

static tn_node svd_wide(tn_builder *b, const parts *p)
{
    tn_node f = reciprocal_differences(b, tn_g1(b, "Square", p->s)), s = tn_g1(b, "MatrixDiag", p->s);
    tn_node v1 = p->m == p->n ? p->v : tn_mat_columns(b, p->v, 0, p->m);
    tn_node dv1 = p->m == p->n ? p->dv : tn_mat_columns(b, p->dv, 0, p->m);
    tn_node v_gv = tn_mat_mul(b, v1, true, dv1, false);
    tn_node fu = mul(b, f, tn_mat_mul(b, p->u, true, p->du, false)), fv = mul(b, f, v_gv);
    tn_node middle = add(b, tn_g1(b, "MatrixDiag", p->ds), product(b, add(b, fu, tn_mat_adjoint(b, fu)), s));
    middle = add(b, middle, product(b, s, add(b, fv, tn_mat_adjoint(b, fv))));
    tn_node da = product(b, p->u, tn_mat_mul(b, middle, false, v1, true));
    if (p->m != p->n) da = add(b, da, svd_outside(b, p, v1, dv1));
    if (tn_dtype_is_complex(tn_dtype_base(tn_node_dtype(p->u)))) da = add(b, da, svd_phase(b, p, v1, v_gv));
    return da;
}

static tn_code values_only(tn_grad *g)
{
    tn_builder *b = g->b;
    tn_node u = vectors_of(g, "Svd", "compute_uv", 1), v = tn_output_of(u.op, 2);
    tn_node s = tn_g1(b, "MatrixDiag", tn_grad_dy(g, 0));
    tn_grad_set(g, 0, product(b, u, tn_mat_mul(b, s, false, v, true)));
    return TN_OK;
}

tn_code tn_grad_svd(tn_grad *g, tn_error *err)
{
    if (!tn_attr_b(&g->op->attrs, "compute_uv")) return values_only(g);
    tn_shape a = tn_node_shape(tn_grad_in(g, 0));
    if (a.rank < 2 || a.dim[a.rank - 2] < 0 || a.dim[a.rank - 1] < 0)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "SVD gradient has not been implemented for input with unknown inner matrix shape.");
    int64_t m = a.dim[a.rank - 2], n = a.dim[a.rank - 1];
    bool tall = m > n;
    parts p = {
        .s = tn_grad_out(g, 0), .ds = tn_grad_dy(g, 0), .full = tn_attr_b(&g->op->attrs, "full_matrices")};
    p.m = TN_MIN(m, n);
    p.n = TN_MAX(m, n);
    if (p.full && p.n - p.m > 1)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "svd gradient is not implemented for abs(m - n) > 1 when full_matrices is True.");
    p.u = tn_grad_out(g, tall ? 2 : 1);
    p.v = tn_grad_out(g, tall ? 1 : 2);
    p.du = tn_grad_dy(g, tall ? 2 : 1);
    p.dv = tn_grad_dy(g, tall ? 1 : 2);
    tn_node da = svd_wide(g->b, &p);
    tn_grad_set(g, 0, tall ? tn_mat_adjoint(g->b, da) : da);
    return TN_OK;
}
