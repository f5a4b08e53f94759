/* SPDX-License-Identifier: Apache-2.0
 *
 * op_training.h - how an optimizer's operator (Apply*, ResourceApply*, SparseApply*) reads: which input is
 * the variable, which its slots, the gradient, the scalars. Found by the names in the signature, so that
 * the pass which joins all updates needs to know no operator.
 */
#ifndef TN_OP_TRAINING_H
#define TN_OP_TRAINING_H

#include "../graph/op.h"
#include "../kernel/kernel.h"

#define TN_APPLY_SCALARS 10
typedef struct tn_apply {
    tn_optimizer optimizer;
    tn_dtype dtype;
    int n_slots, slot[3]; /* input numbers; the variable is input 0 */
    int grad, indices;    /* indices -1: dense */
    int n_scalars;
    struct {
        int in;
        size_t field; /* offset of a number in tn_opt_params; SIZE_MAX: global_step */
    } scalar[TN_APPLY_SCALARS];
    bool update_slots, linear_by_lr;
} tn_apply;
/* False: no optimizer's operator that kernel/ has a step for. */
bool tn_apply_read(const tn_op *op, const tn_attrs *attrs, tn_apply *out);
/* The step's numbers from the inputs' values. INVALID_ARGUMENT "lr is not a scalar: [2]". */
tn_code tn_apply_params(const tn_apply *a, const tn_op *op, const tn_tensor *const *in, tn_opt_params *out,
                        tn_error *err);

#endif
