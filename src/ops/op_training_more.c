/* SPDX-License-Identifier: Apache-2.0
 *
 * op_training_more.c - optimizers' operators too rare for a kernel of their own: AddSign, PowerSign, Keras'
 * momentum, Adam with AMSGrad. Element by element in double, rounded to the variable's type.
 */
#include "op_move.h"

#include <math.h>

/* var, up to three slots, gradient of one element; s: the scalars in the order of the signature. */
typedef void (*step_fn)(double *v, double g, const double *s);

typedef struct rule {
    const char *name;
    int slots, grad, indices; /* input numbers; indices -1: dense */
    int n_scalars, scalar[7];
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

/* lr momentum */
static void keras_momentum(double *v, double g, const double *s)
{
    v[1] = s[1] * v[1] - s[0] * g;
    v[0] += v[1];
}

static void keras_nesterov(double *v, double g, const double *s)
{
    v[1] = s[1] * v[1] - s[0] * g;
    v[0] += s[1] * v[1] - s[0] * g;
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
    {"ApplyAddSign", 1, 6, -1, 4, {2, 3, 4, 5}, add_sign},
    {"ResourceApplyAddSign", 1, 6, -1, 4, {2, 3, 4, 5}, add_sign},
    {"ApplyPowerSign", 1, 6, -1, 4, {2, 3, 4, 5}, power_sign},
    {"ResourceApplyPowerSign", 1, 6, -1, 4, {2, 3, 4, 5}, power_sign},
    {"ResourceApplyKerasMomentum", 1, 3, -1, 2, {2, 4}, keras_momentum},
    {"ResourceSparseApplyKerasMomentum", 1, 3, 4, 2, {2, 5}, keras_momentum},
    {"ResourceApplyAdamWithAmsgrad", 3, 10, -1, 6, {4, 5, 6, 7, 8, 9}, amsgrad},
};

typedef struct step {
    const rule *rule;
    step_fn f;
} step;

static tn_code step_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, step, s);
    bool nesterov = false;
    tn_attr_get_bool(p->attrs, "use_nesterov", &nesterov);
    for (size_t i = 0; i < TN_COUNT(rules); i++)
        if (!strcmp(rules[i].name, p->op->name)) s->rule = &rules[i];
    if (!s->rule) return tn_fail(err, TN_INTERNAL, "%s has no rule", p->op->name);
    s->f = nesterov ? keras_nesterov : s->rule->step;
    return TN_OK;
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

static void step_element(const step *p, tn_tensor *const *v, int64_t at, double g, const double *s)
{
    double x[4];
    for (int i = 0; i <= p->rule->slots; i++) x[i] = tn_tensor_number(v[i], at);
    p->f(x, g, s);
    for (int i = 0; i <= p->rule->slots; i++) tn_tensor_set_number(v[i], at, x[i]);
}

static tn_code step_run(tn_run *r, tn_error *err)
{
    const step *p = r->params;
    const rule *q = p->rule;
    const tn_tensor *g = r->in[q->grad], *rows = q->indices >= 0 ? r->in[q->indices] : NULL;
    tn_tensor *v[4];
    double s[7];
    TN_TRY(step_variables(r, q, v, s, err));
    int64_t inner = rows ? tn_shape_product(&v[0]->shape, 1, v[0]->shape.rank) : 1;
    int64_t n = tn_tensor_count(g), count = rows ? tn_tensor_count(rows) * inner : tn_tensor_count(v[0]);
    if (n != count || g->dtype != v[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "var and grad do not have the same shape");
    for (int64_t k = 0; rows && k < tn_tensor_count(rows); k++) {
        int64_t at = tn_tensor_int(rows, k);
        if (v[0]->shape.rank < 1 || at < 0 || at >= v[0]->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%lld] = %lld is out of range", (long long)k,
                           (long long)at);
    }
    for (int64_t i = 0; i < n; i++)
        step_element(p, v, rows ? tn_tensor_int(rows, i / inner) * inner + i % inner : i,
                     tn_tensor_number(g, i), s);
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
STEP(ResourceApplyKerasMomentum, 1,
     "var:resource accum:resource lr:T grad:T momentum:T -> ; T:type{numbertype} use_locking:bool=false "
     "use_nesterov:bool=false");
STEP(ResourceSparseApplyKerasMomentum, 1,
     "var:resource accum:resource lr:T grad:T indices:Tindices momentum:T -> ; T:type{numbertype} "
     "Tindices:type{int32,int64} use_locking:bool=false use_nesterov:bool=false");
STEP(ResourceApplyAdamWithAmsgrad, 3,
     "var:resource m:resource v:resource vhat:resource beta1_power:T beta2_power:T lr:T beta1:T beta2:T "
     "epsilon:T grad:T -> ; T:type{numbertype} use_locking:bool=false");
