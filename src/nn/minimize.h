/* SPDX-License-Identifier: Apache-2.0
 *
 * minimize.h - what the two files of the optimizers share: one update of one variable.
 */
#ifndef TN_NN_MINIMIZE_H
#define TN_NN_MINIMIZE_H

#include "nn.h"

enum { TN_MAX_SLOTS = 3 };

typedef struct tn_update {
    tn_builder *b;
    const tn_solver *o;
    const tn_variable_info *variable;
    tn_node target; /* the handle, or the reference */
    tn_dtype dtype;
    tn_node slots[TN_MAX_SLOTS]; /* handles, or references */
    tn_node slot_values[TN_MAX_SLOTS];
    tn_node rate; /* in the variable's dtype */
    tn_node beta1_power, beta2_power;
    tn_gradient gradient;
} tn_update;

/* How an optimizer's slots are named and begin; TensorFlow's names. */
typedef struct tn_solver_rule {
    const char *name;
    int n_slots;
    tn_operation *(*dense)(const tn_update *u);
    tn_operation *(*sparse)(const tn_update *u); /* indices are unique but for SGD's */
} tn_solver_rule;
const tn_solver_rule *tn_solver_rule_of(const tn_solver *o); /* NULL: no such kind */
/* What slot k begins with. */
double tn_slot_begins(const tn_solver *o, int k);

#endif
