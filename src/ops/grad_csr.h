/* SPDX-License-Identifier: Apache-2.0
 *
 * grad_csr.h - gradients of the operators on CSR sparse matrices (grad_csr.c), for their records.
 */
#ifndef TN_GRAD_CSR_H
#define TN_GRAD_CSR_H

#include "../graph/op.h"

tn_code tn_grad_csr_from_sparse(tn_grad *g, tn_error *err);
tn_code tn_grad_csr_from_dense(tn_grad *g, tn_error *err);
tn_code tn_grad_csr_to_dense(tn_grad *g, tn_error *err);
tn_code tn_grad_csr_to_sparse(tn_grad *g, tn_error *err);
tn_code tn_grad_csr_transpose(tn_grad *g, tn_error *err);
tn_code tn_grad_csr_product(tn_grad *g, tn_error *err);        /* with a dense matrix */
tn_code tn_grad_csr_sparse_product(tn_grad *g, tn_error *err); /* of two sparse ones */

#endif
