/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_linalg.h - gradients of the operators of linear algebra (grad_linalg.c, grad_decomposition.c), for
 * their records.
 */
#ifndef TN_GRAD_LINALG_H
#define TN_GRAD_LINALG_H

#include "op_math.h"

tn_code tn_grad_cholesky(tn_grad *g, tn_error *err);
tn_code tn_grad_inverse(tn_grad *g, tn_error *err);
tn_code tn_grad_determinant(tn_grad *g, tn_error *err);
tn_code tn_grad_log_determinant(tn_grad *g, tn_error *err);
tn_code tn_grad_solve(tn_grad *g, tn_error *err);
tn_code tn_grad_triangular_solve(tn_grad *g, tn_error *err);
tn_code tn_grad_banded_solve(tn_grad *g, tn_error *err);
tn_code tn_grad_least_squares(tn_grad *g, tn_error *err);
tn_code tn_grad_square_root(tn_grad *g, tn_error *err);
tn_code tn_grad_qr(tn_grad *g, tn_error *err);
tn_code tn_grad_svd(tn_grad *g, tn_error *err);
tn_code tn_grad_eigh(tn_grad *g, tn_error *err);
tn_code tn_grad_eig(tn_grad *g, tn_error *err);

/* Small nodes on matrices in the last two dimensions. */
tn_node tn_mat_mul(tn_builder *b, tn_node x, bool adj_x, tn_node y, bool adj_y);
tn_node tn_mat_adjoint(tn_builder *b, tn_node x);
tn_node tn_mat_band(tn_builder *b, tn_node x, int64_t lower, int64_t upper); /* -1: all */
tn_node tn_mat_triangular(tn_builder *b, tn_node a, tn_node x, bool lower, bool adjoint);
tn_node tn_mat_solve(tn_builder *b, tn_node a, tn_node x, bool adjoint);
/* x[..., :, from:to] */
tn_node tn_mat_columns(tn_builder *b, tn_node x, int64_t from, int64_t to);

#endif
