/* SPDX-License-Identifier: Apache-2.0
 *
 * minimize_rules.c - one update of one variable, for each optimizer: TensorFlow's Apply operations, for
 * resource variables and for references, dense and sparse.
 *
 * Invariant: inputs are in the order of TensorFlow's signatures; hyper-parameters have the variable's dtype.
 */
#include "minimize.h"

static tn_node param(const tn_update *u, double v)
{
    return tn_scalar(u->b, u->dtype, v);
}

/* Adds "Resource<type>" or "<type>". */
static tn_operation *apply(const tn_update *u, const char *type, const tn_node *in, int n,
                           const tn_attr *attrs, int n_attrs)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", u->variable->is_resource ? "Resource" : "", type);
    return tn_add_operation(u->b, full, NULL, in, n, attrs, n_attrs);
}

#define APPLY(u, type, ...) apply((u), (type), TN_INPUTS(__VA_ARGS__), TN_NO_ATTRS)

/* ==== dense ==== */

static tn_operation *sgd(const tn_update *u)
{
    return APPLY(u, "ApplyGradientDescent", u->target, u->rate, u->gradient.value);
}

static tn_operation *momentum(const tn_update *u)
{
    return apply(u, "ApplyMomentum",
                 TN_INPUTS(u->target, u->slots[0], u->rate, u->gradient.value, param(u, u->o->momentum)),
                 TN_ATTRS(tn_attr_bool("use_nesterov", u->o->nesterov)));
}

static tn_operation *adagrad(const tn_update *u)
{
    return APPLY(u, "ApplyAdagrad", u->target, u->slots[0], u->rate, u->gradient.value);
}

static tn_operation *adadelta(const tn_update *u)
{
    return APPLY(u, "ApplyAdadelta", u->target, u->slots[0], u->slots[1], u->rate, param(u, u->o->rho),
                 param(u, u->o->epsilon), u->gradient.value);
}

static tn_operation *adam(const tn_update *u)
{
    return apply(u, "ApplyAdam",
                 TN_INPUTS(u->target, u->slots[0], u->slots[1], u->beta1_power, u->beta2_power, u->rate,
                           param(u, u->o->beta1), param(u, u->o->beta2), param(u, u->o->epsilon),
                           u->gradient.value),
                 TN_ATTRS(tn_attr_bool("use_nesterov", u->o->nesterov)));
}

static tn_operation *rmsprop(const tn_update *u)
{
    tn_node rho = param(u, u->o->rho), m = param(u, u->o->momentum), e = param(u, u->o->epsilon);
    if (u->o->centered)
        return APPLY(u, "ApplyCenteredRMSProp", u->target, u->slots[1], u->slots[0], u->slots[2], u->rate,
                     rho, m, e, u->gradient.value);
    return APPLY(u, "ApplyRMSProp", u->target, u->slots[0], u->slots[1], u->rate, rho, m, e,
                 u->gradient.value);
}

static tn_operation *ftrl(const tn_update *u)
{
    return APPLY(u, "ApplyFtrl", u->target, u->slots[0], u->slots[1], u->gradient.value, u->rate,
                 param(u, u->o->l1), param(u, u->o->l2), param(u, u->o->learning_rate_power));
}

/* ==== sparse ==== */

static tn_operation *sgd_sparse(const tn_update *u)
{
    tn_node change = tn_mul(u->b, tn_neg(u->b, u->gradient.value), u->rate);
    const char *type = u->variable->is_resource ? "ResourceScatterAdd" : "ScatterAdd";
    return tn_add_operation(u->b, type, NULL, TN_INPUTS(u->target, u->gradient.indices, change), TN_NO_ATTRS);
}

static tn_operation *momentum_sparse(const tn_update *u)
{
    return apply(u, "SparseApplyMomentum",
                 TN_INPUTS(u->target, u->slots[0], u->rate, u->gradient.value, u->gradient.indices,
                           param(u, u->o->momentum)),
                 TN_ATTRS(tn_attr_bool("use_nesterov", u->o->nesterov)));
}

static tn_operation *adagrad_sparse(const tn_update *u)
{
    return APPLY(u, "SparseApplyAdagrad", u->target, u->slots[0], u->rate, u->gradient.value,
                 u->gradient.indices);
}

static tn_operation *adadelta_sparse(const tn_update *u)
{
    return APPLY(u, "SparseApplyAdadelta", u->target, u->slots[0], u->slots[1], u->rate, param(u, u->o->rho),
                 param(u, u->o->epsilon), u->gradient.value, u->gradient.indices);
}

static tn_operation *rmsprop_sparse(const tn_update *u)
{
    tn_node rho = param(u, u->o->rho), m = param(u, u->o->momentum), e = param(u, u->o->epsilon);
    if (u->o->centered)
        return APPLY(u, "SparseApplyCenteredRMSProp", u->target, u->slots[1], u->slots[0], u->slots[2],
                     u->rate, rho, m, e, u->gradient.value, u->gradient.indices);
    return APPLY(u, "SparseApplyRMSProp", u->target, u->slots[0], u->slots[1], u->rate, rho, m, e,
                 u->gradient.value, u->gradient.indices);
}

static tn_operation *ftrl_sparse(const tn_update *u)
{
    return APPLY(u, "SparseApplyFtrl", u->target, u->slots[0], u->slots[1], u->gradient.value,
                 u->gradient.indices, u->rate, param(u, u->o->l1), param(u, u->o->l2),
                 param(u, u->o->learning_rate_power));
}

/* slot = slot * beta, then rows += values; the slot's value after both */
static tn_node decayed(const tn_update *u, int slot, double beta, tn_node rows)
{
    tn_operation *variable = u->slots[slot].op;
    bool resource = u->variable->is_resource;
    tn_operation *fade = tn_assign(u->b, variable, tn_mul(u->b, u->slot_values[slot], param(u, beta)));
    tn_control_dependencies(u->b, 1, &fade);
    tn_operation *add = tn_add_operation(u->b, resource ? "ResourceScatterAdd" : "ScatterAdd", NULL,
                                         TN_INPUTS(u->slots[slot], u->gradient.indices, rows), TN_NO_ATTRS);
    tn_control_dependencies_end(u->b);
    if (!resource) return tn_output_of(add, 0);
    tn_control_dependencies(u->b, 1, &add);
    tn_node now =
        tn_op(u->b, "ReadVariableOp", TN_INPUTS(u->slots[slot]), TN_ATTRS(tn_attr_type("dtype", u->dtype)));
    tn_control_dependencies_end(u->b);
    return now;
}

/* TensorFlow's Adam decays the moments of all rows, not only of those that were looked up. */
static tn_operation *adam_sparse(const tn_update *u)
{
    tn_builder *b = u->b;
    tn_node one = param(u, 1), g = u->gradient.value;
    tn_node rate = tn_div(b, tn_mul(b, u->rate, tn_sqrt(b, tn_sub(b, one, u->beta2_power))),
                          tn_sub(b, one, u->beta1_power));
    tn_node m = decayed(u, 0, u->o->beta1, tn_scale(b, g, 1 - u->o->beta1));
    tn_node v = decayed(u, 1, u->o->beta2, tn_scale(b, tn_mul(b, g, g), 1 - u->o->beta2));
    tn_node change = tn_div(b, tn_mul(b, rate, m), tn_add(b, tn_sqrt(b, v), param(u, u->o->epsilon)));
    return tn_add_operation(b, u->variable->is_resource ? "AssignSubVariableOp" : "AssignSub", NULL,
                            TN_INPUTS(u->target, change), TN_NO_ATTRS);
}

/* ==== the table ==== */

const tn_solver_rule *tn_solver_rule_of(const tn_solver *o)
{
    static const tn_solver_rule rules[] = {[TN_SGD] = {"GradientDescent", 0, sgd, sgd_sparse},
                                           [TN_MOMENTUM] = {"Momentum", 1, momentum, momentum_sparse},
                                           [TN_ADAGRAD] = {"Adagrad", 1, adagrad, adagrad_sparse},
                                           [TN_ADADELTA] = {"Adadelta", 2, adadelta, adadelta_sparse},
                                           [TN_ADAM] = {"Adam", 2, adam, adam_sparse},
                                           [TN_RMSPROP] = {"RMSProp", 2, rmsprop, rmsprop_sparse},
                                           [TN_FTRL] = {"Ftrl", 2, ftrl, ftrl_sparse}};
    static const tn_solver_rule centered = {"RMSProp", 3, rmsprop, rmsprop_sparse};
    if (o->kind == TN_RMSPROP && o->centered) return &centered;
    return (int)o->kind > 0 && (size_t)o->kind < TN_COUNT(rules) ? &rules[o->kind] : NULL;
}

double tn_slot_begins(const tn_solver *o, int k)
{
    if (k == 0 && (o->kind == TN_ADAGRAD || o->kind == TN_FTRL)) return o->initial_accumulator;
    return k == 0 && o->kind == TN_RMSPROP ? 1 : 0;
}
