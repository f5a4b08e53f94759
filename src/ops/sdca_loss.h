/* SPDX-License-Identifier: Apache-2.0
 *
 * sdca_loss.h - losses of stochastic dual coordinate ascent, each with its conjugate: sdca_loss.c has them.
 */
#ifndef TN_SDCA_LOSS_H
#define TN_SDCA_LOSS_H

#include "../base/base.h"

typedef struct tn_sdca_point {
    double label, weight, dual, wx, norm; /* norm: of the example, by how much the weights are held back */
    int parts;                            /* into how many the loss is divided */
} tn_sdca_point;

typedef struct tn_sdca_loss {
    const char *name;
    double (*dual)(const tn_sdca_point *p); /* the best one */
    double (*dual_loss)(double dual, double label);
    double (*primal_loss)(double wx, double label);
    double (*slope)(double wx, double label);
    double smooth;
    enum { TN_ANY_LABEL, TN_ZERO_OR_ONE, TN_NOT_NEGATIVE } labels;
} tn_sdca_loss;

/* By the attribute loss_type; NULL: there is none of this name. */
const tn_sdca_loss *tn_sdca_loss_of(tn_view name);
/* An example's label as the loss has it, -1 or 1 where there are two; INVALID_ARGUMENT: it is none. */
tn_code tn_sdca_label(const tn_sdca_loss *l, float given, double *out, tn_error *err);

#endif
