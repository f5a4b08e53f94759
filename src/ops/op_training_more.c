/* SPDX-License-Identifier: Apache-2.0
 *
 * op_training_more.c - optimizers' operators too rare for a kernel of their own: AddSign, PowerSign, Adam with
 * AMSGrad. Element by element in double, rounded to the variable's type.
 */
#include "op_move.h"

#include <math.h>

/* var, up to three slots, gradient of one element; s: the scalars in the order of the signature. */
typedef void (*step_fn)(double *v, double g, const double *s);

typedef struct rule {
    const char *name;
    int slots, grad; /* how many; an input's number */
    int n_scalars, scalar[6];
    step_fn step;
} rule;

static double sign(double x)
{
    return (x > 0) - (x < 0);
}

/* lr alpha sign_decay beta */
static void add_sign(double *v, double g, const double *s)
{
    v[1] = s[3] * v[1] + (1 - s[3]) * g;
    v[0] -= s[0] * (s[1] + s[2] * sign(g) * sign(v[1])) * g;
}

/* lr logbase sign_decay beta */
static void power_sign(double *v, double g, const double *s)
{
    v[1] = s[3] * v[1] + (1 - s[3]) * g;
    v[0] -= s[0] * exp(s[1] * s[2] * sign(g) * sign(v[1])) * g;
}

/* beta1_power beta2_power lr beta1 beta2 epsilon */
static void amsgrad(double *v, double g, const double *s)
{
    double lr = s[2] * sqrt(1 - s[1]) / (1 - s[0]);
    v[1] += (g - v[1]) * (1 - s[3]);
    v[2] += (g * g - v[2]) * (1 - s[4]);
    v[3] = fmax(v[3], v[2]);
    v[0] -= v[1] * lr / (sqrt(v[3]) + s[5]);
}

static const rule rules[] = {
    {"ApplyAddSign", 1, 6, 4, {2, 3, 4, 5}, add_sign},
    {"ResourceApplyAddSign", 1, 6, 4, {2, 3, 4, 5}, add_sign},
    {"ApplyPowerSign", 1, 6, 4, {2, 3, 4, 5}, power_sign},
    {"ResourceApplyPowerSign", 1, 6, 4, {2, 3, 4, 5}, power_sign},
    {"ResourceApplyAdamWithAmsgrad", 3, 10, 6, {4, 5, 6, 7, 8, 9}, amsgrad},
};

static tn_code step_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, const rule *, q);
    for (size_t i = 0; i < TN_COUNT(rules); i++)
        if (!strcmp(rules[i].name, p->op->name)) *q = &rules[i];
    return *q ? TN_OK : tn_fail(err, TN_INTERNAL, "%s has no rule", p->op->name);
}

static tn_code step_variables(tn_run *r, const rule *q, tn_tensor **v, double *s, tn_error *err)
{
    for (int i = 0; i <= q->slots; i++) {
        TN_TRY(tn_run_variable_writable(r, i, &v[i], err));
        if (!tn_shape_equal(&v[0]->shape, &v[i]->shape) || v[i]->dtype != v[0]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "var and %s do not have the same shape",
                           tn_op_sig(r->op)->in[i].name);
    }
    for (int i = 0; i < q->n_scalars; i++) {
        if (tn_tensor_count(r->in[q->scalar[i]]) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s is not a scalar",
                           tn_op_sig(r->op)->in[q->scalar[i]].name);
        s[i] = tn_tensor_number(r->in[q->scalar[i]], 0);
    }
    return TN_OK;
}

static void step_element(const rule *q, tn_tensor *const *v, int64_t at, double g, const double *s)
{
    double x[4];
    for (int i = 0; i <= q->slots; i++) x[i] = tn_tensor_number(v[i], at);
    q->step(x, g, s);
    for (int i = 0; i <= q->slots; i++) tn_tensor_set_number(v[i], at, x[i]);
}

static tn_code step_run(tn_run *r, tn_error *err)
{
    const rule *q = *(const rule *const *)r->params;
    const tn_tensor *g = r->in[q->grad];
    tn_tensor *v[4];
    double s[6];
    TN_TRY(step_variables(r, q, v, s, err));
    if (!tn_shape_equal(&v[0]->shape, &g->shape) || g->dtype != v[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "var and grad do not have the same shape");
    for (int64_t i = 0; i < tn_tensor_count(g); i++) step_element(q, v, i, tn_tensor_number(g, i), s);
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

static tn_code step_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

#define STEP(NAME, SLOTS, SIG)            \
    const tn_op tn_op_##NAME = {          \
        .name = #NAME,                    \
        .sig = SIG,                       \
        .infer = step_infer,              \
        .prepare = step_prepare,          \
        .run = step_run,                  \
        .flags = TN_STATEFUL | TN_EFFECT, \
        .writes = (2u << (SLOTS)) - 1,    \
    }
STEP(ApplyAddSign, 1,
     "var:&T m:&T lr:T alpha:T sign_decay:T beta:T grad:T -> out:&T; T:type{numbertype} "
     "use_locking:bool=false");
STEP(ApplyPowerSign, 1,
     "var:&T m:&T lr:T logbase:T sign_decay:T beta:T grad:T -> out:&T; T:type{numbertype} "
     "use_locking:bool=false");
STEP(ResourceApplyAddSign, 1,
     "var:resource m:resource lr:T alpha:T sign_decay:T beta:T grad:T -> ; T:type{numbertype} "
     "use_locking:bool=false");
STEP(ResourceApplyPowerSign, 1,
     "var:resource m:resource lr:T logbase:T sign_decay:T beta:T grad:T -> ; T:type{numbertype} "
     "use_locking:bool=false");
STEP(ResourceApplyAdamWithAmsgrad, 3,
     "var:resource m:resource v:resource vhat:resource beta1_power:T beta2_power:T lr:T beta1:T beta2:T "
     "epsilon:T grad:T -> ; T:type{numbertype} use_locking:bool=false");
