/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_csr.c - gradients of the operators on CSR sparse matrices, as nodes. The gradient of such a matrix is one, at
 * the elements that it has (of a product of two: those of them that the gradient has too).
 *
 * What is done to an operand are two bits, transposing and conjugating; doing one thing after another is XOR.
 */
#include "grad_csr.h"

#include "../graph/op_grads.h"
#include "grad_linalg.h"

enum { SWAP = 1, CONJ = 2, ADJOINT = SWAP | CONJ };

static tn_node sparse_of(tn_builder *b, tn_node m, tn_dtype t, int part)
{
    tn_operation *op =
        tn_add_operation(b, "CSRSparseMatrixToSparseTensor", NULL, &m, 1, TN_ATTRS(tn_attr_type("type", t)));
    return op ? tn_output_of(op, part) : (tn_node){NULL, 0};
}

static tn_node of_sparse(tn_builder *b, tn_node indices, tn_node values, tn_node shape)
{
    return tn_g3(b, "SparseTensorToCSRSparseMatrix", indices, values, shape);
}

/* ==== made and taken apart ==== */

tn_code tn_grad_csr_from_sparse(tn_grad *g, tn_error *err)
{
    (void)err;
    if (g->dy[0].op) tn_grad_set(g, 1, sparse_of(g->b, g->dy[0], tn_attr_t(&g->op->attrs, "T"), 1));
    return TN_OK;
}

tn_code tn_grad_csr_from_dense(tn_grad *g, tn_error *err)
{
    (void)err;
    if (g->dy[0].op)
        tn_grad_set(g, 0, tn_op(g->b, "CSRSparseMatrixToDense", TN_INPUTS(g->dy[0]),
                                TN_ATTRS(tn_attr_type("type", tn_attr_t(&g->op->attrs, "T")))));
    return TN_OK;
}

tn_code tn_grad_csr_to_dense(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_dtype t = tn_attr_t(&g->op->attrs, "type");
    tn_node m = tn_grad_in(g, 0), indices = sparse_of(g->b, m, t, 0);
    if (!g->dy[0].op) return TN_OK;
    tn_grad_set(g, 0, of_sparse(g->b, indices, tn_g2(g->b, "GatherNd", g->dy[0], indices),
                                tn_grad_shape(g->b, g->dy[0], TN_INT64)));
    return TN_OK;
}

tn_code tn_grad_csr_to_sparse(tn_grad *g, tn_error *err)
{
    (void)err;
    if (g->dy[1].op) tn_grad_set(g, 0, of_sparse(g->b, tn_grad_out(g, 0), g->dy[1], tn_grad_out(g, 2)));
    return TN_OK;
}

tn_code tn_grad_csr_transpose(tn_grad *g, tn_error *err)
{
    (void)err;
    static const char *const same[] = {"type", "conjugate"};
    if (g->dy[0].op) tn_grad_set(g, 0, tn_grad_op_like(g, "SparseMatrixTranspose", g->dy, 1, same, 2));
    return TN_OK;
}

/* ==== products ==== */

static int bits(const tn_grad *g, const char *transpose, const char *both_or_conj, int with)
{
    const tn_attrs *a = &g->op->attrs;
    return (tn_attr_b(a, transpose) ? SWAP : 0) ^ (tn_attr_b(a, both_or_conj) ? with : 0);
}

/* Conjugating alone is a node of its own. */
static tn_node operand(tn_builder *b, tn_node m, int how, tn_dtype t)
{
    if (how != CONJ || !tn_dtype_is_complex(t)) return m;
    return tn_op(b, "Conj", TN_INPUTS(m), TN_ATTRS(tn_attr_type("T", tn_dtype_base(tn_node_dtype(m)))));
}

static tn_node dense_as(tn_builder *b, tn_node x, int how)
{
    if (how & SWAP) x = tn_mat_adjoint(b, x);
    bool conj = !(how & CONJ) != !(how & SWAP); /* the adjoint is conjugated */
    return conj ? tn_g_conj(b, x) : x;
}

/* Columns [from, to) of a matrix of indices, where they are counted from the end (0: the end). */
static tn_node columns(tn_builder *b, tn_node indices, int64_t from, int64_t to)
{
    int64_t begin[] = {0, from}, end[] = {0, to}, step[] = {1, 1};
    return tn_op(b, "StridedSlice", TN_INPUTS(indices, tn_ints(b, begin, 2), tn_ints(b, end, 2), tn_ints(b, step, 2)),
                 TN_ATTRS(tn_attr_int("begin_mask", from ? 1 : 3), tn_attr_int("end_mask", to ? 1 : 3)));
}

/* x y at the elements of the sparse matrix m, where x and y are dense. */
static tn_node product_at(tn_grad *g, tn_node m, tn_node x, int how_x, tn_node y, int how_y, tn_dtype t)
{
    tn_builder *b = g->b;
    tn_node indices = sparse_of(b, m, t, 0), batch = columns(b, indices, 0, -2);
    tn_node ends[] = {batch, columns(b, indices, -1, 0)};
    tn_node rows = columns(b, indices, 0, -1), cols = tn_grad_concat(b, ends, 2, 1);
    tn_node left = tn_g2(b, "GatherNd", dense_as(b, x, how_x), rows);
    tn_node right = tn_g2(b, "GatherNd", dense_as(b, y, how_y ^ SWAP), cols);
    tn_node values = tn_g2(b, "Sum", tn_g2(b, "Mul", left, right), tn_g_int(b, 1));
    return of_sparse(b, indices, values, sparse_of(b, m, t, 2));
}

/* c = out(a b): of the gradient d of a b, that of b is a^H d, that of a is d b^H. */
tn_code tn_grad_csr_product(tn_grad *g, tn_error *err)
{
    (void)err;
    int on_a = bits(g, "transpose_a", "adjoint_a", ADJOINT), on_b = bits(g, "transpose_b", "adjoint_b", ADJOINT);
    int on_d = bits(g, "transpose_output", "conjugate_output", CONJ), how_a = on_a ^ ADJOINT;
    tn_node a = tn_grad_in(g, 0), b = tn_grad_in(g, 1), d = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(b));
    if (!tn_dtype_is_complex(t)) on_d &= SWAP;
    if (on_a & SWAP)
        tn_grad_set(g, 0, product_at(g, a, b, on_b ^ how_a, d, on_d ^ on_a, t));
    else
        tn_grad_set(g, 0, product_at(g, a, d, on_d, b, on_b ^ ADJOINT, t));
    tn_node in[] = {operand(g->b, a, how_a, t), operand(g->b, d, on_d, t)};
    tn_node db =
        tn_op(g->b, "SparseMatrixMatMul", TN_INPUTS(in[0], in[1]),
              TN_ATTRS(tn_attr_bool("transpose_a", how_a == SWAP), tn_attr_bool("adjoint_a", how_a == ADJOINT),
                       tn_attr_bool("transpose_b", on_d == SWAP), tn_attr_bool("adjoint_b", on_d == ADJOINT),
                       tn_attr_bool("transpose_output", on_b & SWAP),
                       tn_attr_bool("conjugate_output", (on_b & CONJ) != 0)));
    tn_grad_set(g, 1, db);
    return TN_OK;
}

static tn_node sparse_product(tn_builder *b, tn_node x, int how_x, tn_node y, int how_y, tn_dtype t)
{
    tn_node in[] = {operand(b, x, how_x, t), operand(b, y, how_y, t)};
    return tn_op(b, "SparseMatrixSparseMatMul", TN_INPUTS(in[0], in[1]),
                 TN_ATTRS(tn_attr_type("type", t), tn_attr_bool("transpose_a", how_x == SWAP),
                          tn_attr_bool("adjoint_a", how_x == ADJOINT), tn_attr_bool("transpose_b", how_y == SWAP),
                          tn_attr_bool("adjoint_b", how_y == ADJOINT)));
}

/* The places of a sparse matrix's elements in the dense one's. */
static tn_node places(tn_builder *b, tn_node m, tn_dtype t)
{
    int64_t flat = -1;
    tn_node in[] = {sparse_of(b, m, t, 0), sparse_of(b, m, t, 2)};
    tn_node place = tn_g3(b, "SparseReshape", in[0], in[1], tn_grad_ints(b, TN_INT64, &flat, 1));
    return tn_op(b, "Reshape", TN_INPUTS(place, tn_ints(b, &flat, 1)), TN_NO_ATTRS);
}

/* Elements of m where the pattern has some too. */
static tn_node prune(tn_builder *b, tn_node m, tn_node pattern, tn_dtype t)
{
    int64_t flat = -1;
    tn_node here = places(b, m, t), wanted = places(b, pattern, t);
    tn_node at = tn_op(b, "LowerBound", TN_INPUTS(tn_g2(b, "ExpandDims", here, tn_g_int(b, 0)),
                                                  tn_g2(b, "ExpandDims", wanted, tn_g_int(b, 0))),
                       TN_NO_ATTRS);
    tn_node n = tn_op(b, "Size", TN_INPUTS(here), TN_NO_ATTRS);
    at = tn_g2(b, "Reshape", at, tn_grad_ints(b, TN_INT32, &flat, 1));
    at = tn_g2(b, "Minimum", at, tn_g2(b, "Sub", n, tn_g_int(b, 1)));
    tn_node found = tn_g1(b, "Where", tn_g2(b, "Equal", tn_g2(b, "Gather", here, at), wanted));
    tn_node keep = tn_g2(b, "GatherNd", at, found);
    tn_node values = tn_g2(b, "Gather", sparse_of(b, m, t, 1), keep);
    return of_sparse(b, tn_g2(b, "Gather", sparse_of(b, m, t, 0), keep), values, sparse_of(b, pattern, t, 2));
}

tn_code tn_grad_csr_sparse_product(tn_grad *g, tn_error *err)
{
    (void)err;
    int on_a = bits(g, "transpose_a", "adjoint_a", ADJOINT), on_b = bits(g, "transpose_b", "adjoint_b", ADJOINT);
    tn_dtype t = tn_attr_t(&g->op->attrs, "type");
    tn_node a = tn_grad_in(g, 0), b = tn_grad_in(g, 1), d = g->dy[0], da, db;
    int how_a = on_a ^ ADJOINT, how_b = on_b ^ ADJOINT;
    if (!d.op) return TN_OK;
    da = on_a & SWAP ? sparse_product(g->b, b, how_b ^ on_a, d, on_a, t) : sparse_product(g->b, d, 0, b, how_b, t);
    db = on_b & SWAP ? sparse_product(g->b, d, on_b, a, how_a ^ on_b, t) : sparse_product(g->b, a, how_a, d, 0, t);
    tn_grad_set(g, 0, prune(g->b, da, a, t));
    tn_grad_set(g, 1, prune(g->b, db, b, t));
    return TN_OK;
}
