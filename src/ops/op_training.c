/* SPDX-License-Identifier: Apache-2.0
 *
 * op_training.c - the optimizers' operators that kernel/ has steps for: dense and sparse, on references and
 * on resources. One prepare and one run for all; what differs is in the signatures. The few others are
 * op_training_more.c's.
 */
#include "op_training.h"

#include "op_move.h"

/* ==== reading the signature ==== */

typedef struct named_field {
    const char *name;
    size_t field;
} named_field;
#define FIELD(name)                          \
    {                                        \
#name, offsetof(tn_opt_params, name) \
    }
static const named_field fields[] = {
    FIELD(lr),
    FIELD(momentum),
    FIELD(rho),
    FIELD(epsilon),
    FIELD(beta1),
    FIELD(beta2),
    FIELD(beta1_power),
    FIELD(beta2_power),
    FIELD(l1),
    FIELD(l2),
    FIELD(l2_shrinkage),
    FIELD(lr_power),
    {"alpha", offsetof(tn_opt_params, lr)},
    {"global_step", SIZE_MAX},
};

static const struct {
    const char *name; /* without Resource, Sparse and Apply in front */
    tn_optimizer optimizer, nesterov;
} kinds[] = {
    {"GradientDescent", TN_OPT_SGD, TN_OPT_SGD},
    {"Momentum", TN_OPT_MOMENTUM, TN_OPT_NESTEROV},
    {"KerasMomentum", TN_OPT_KERAS_MOMENTUM, TN_OPT_KERAS_NESTEROV},
    {"Adagrad", TN_OPT_ADAGRAD, TN_OPT_ADAGRAD},
    {"AdagradV2", TN_OPT_ADAGRAD_V2, TN_OPT_ADAGRAD_V2},
    {"Adam", TN_OPT_ADAM, TN_OPT_ADAM_NESTEROV},
    {"RMSProp", TN_OPT_RMSPROP, TN_OPT_RMSPROP},
    {"CenteredRMSProp", TN_OPT_CENTERED_RMSPROP, TN_OPT_CENTERED_RMSPROP},
    {"Ftrl", TN_OPT_FTRL, TN_OPT_FTRL},
    {"FtrlV2", TN_OPT_FTRL_V2, TN_OPT_FTRL_V2},
    {"Adadelta", TN_OPT_ADADELTA, TN_OPT_ADADELTA},
    {"AdagradDA", TN_OPT_ADAGRAD_DA, TN_OPT_ADAGRAD_DA},
    {"ProximalGradientDescent", TN_OPT_PROXIMAL_SGD, TN_OPT_PROXIMAL_SGD},
    {"ProximalAdagrad", TN_OPT_PROXIMAL_ADAGRAD, TN_OPT_PROXIMAL_ADAGRAD},
    {"AdaMax", TN_OPT_ADAMAX, TN_OPT_ADAMAX},
};

static const char *skip_prefix(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(s, prefix, n) == 0 ? s + n : s;
}

static bool find_kind(const tn_op *op, const tn_attrs *attrs, tn_optimizer *out)
{
    const char *name = skip_prefix(skip_prefix(op->name, "Resource"), "Sparse"),
               *kind = skip_prefix(name, "Apply");
    if (kind == name) return false;
    bool nesterov = false;
    tn_attr_get_bool(attrs, "use_nesterov", &nesterov);
    for (size_t i = 0; i < TN_COUNT(kinds); i++) {
        if (strcmp(kind, kinds[i].name) != 0) continue;
        *out = nesterov ? kinds[i].nesterov : kinds[i].optimizer;
        return true;
    }
    return false;
}

static bool read_input(tn_apply *a, const tn_sig_arg *arg, int i)
{
    if (i == 0) return true;
    if (arg->is_ref || arg->type == TN_RESOURCE) {
        if (a->n_slots == 3) return false;
        a->slot[a->n_slots++] = i;
        return true;
    }
    if (!strcmp(arg->name, "grad") || !strcmp(arg->name, "delta")) {
        a->grad = i;
        return true;
    }
    if (!strcmp(arg->name, "indices")) {
        a->indices = i;
        return true;
    }
    for (size_t k = 0; k < TN_COUNT(fields); k++) {
        if (strcmp(arg->name, fields[k].name) != 0 || a->n_scalars == TN_APPLY_SCALARS) continue;
        a->scalar[a->n_scalars].in = i;
        a->scalar[a->n_scalars++].field = fields[k].field;
        return true;
    }
    return false;
}

bool tn_apply_read(const tn_op *op, const tn_attrs *attrs, tn_apply *out)
{
    tn_apply a = {.indices = -1, .grad = -1, .update_slots = true};
    tn_attr_get_bool(attrs, "multiply_linear_by_lr", &a.linear_by_lr);
    const tn_sig *sig = find_kind(op, attrs, &a.optimizer) ? tn_op_sig(op) : NULL;
    if (!sig || !tn_attr_get_type(attrs, "T", &a.dtype)) return false;
    for (int i = 0; i < sig->n_in; i++)
        if (!read_input(&a, &sig->in[i], i)) return false;
    tn_attr_get_bool(attrs, "update_slots", &a.update_slots);
    *out = a;
    return a.grad > 0;
}

static double _Complex scalar_of(const tn_tensor *t)
{
    switch (t->dtype) {
    case TN_COMPLEX64: return *(const float _Complex *)t->data;
    case TN_COMPLEX128: return *(const double _Complex *)t->data;
    default: return tn_tensor_number(t, 0);
    }
}

tn_code tn_apply_params(const tn_apply *a, const tn_op *op, const tn_tensor *const *in, tn_opt_params *out,
                        tn_error *err)
{
    *out = (tn_opt_params){.update_slots = a->update_slots, .linear_by_lr = a->linear_by_lr};
    for (int i = 0; i < a->n_scalars; i++) {
        const tn_tensor *t = in[a->scalar[i].in];
        char text[64];
        if (tn_tensor_count(t) != 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "%s is not a scalar: %s",
                           tn_op_sig(op)->in[a->scalar[i].in].name,
                           tn_shape_text(&t->shape, text, sizeof text));
        if (a->scalar[i].field == SIZE_MAX)
            out->global_step = tn_tensor_int(t, 0);
        else
            *(double _Complex *)((char *)out + a->scalar[i].field) = scalar_of(t);
    }
    return TN_OK;
}

/* ==== prepare and run ==== */

static tn_code apply_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code apply_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_apply, a);
    if (!tn_apply_read(p->op, p->attrs, a))
        return tn_fail(err, TN_UNIMPLEMENTED, "%s: not one of the updates", p->op->name);
    return TN_OK;
}

static tn_code check_same(const tn_run *r, const tn_tensor *var, const tn_tensor *other, int in,
                          tn_error *err)
{
    char a[128], b[128];
    if (tn_shape_equal(&var->shape, &other->shape) && var->dtype == other->dtype) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "var and %s do not have the same shape%s %s",
                   tn_op_sig(r->op)->in[in].name, tn_shape_text(&var->shape, a, sizeof a),
                   tn_shape_text(&other->shape, b, sizeof b));
}

static tn_code apply_entry(tn_run *r, const tn_apply *a, tn_opt_params *params, tn_opt_entry *e,
                           tn_tensor **var, tn_error *err)
{
    TN_TRY(tn_apply_params(a, r->op, r->in, params, err));
    TN_TRY(tn_run_variable_writable(r, 0, var, err));
    for (int i = 0; i < a->n_slots; i++) {
        tn_tensor *slot;
        TN_TRY(tn_run_variable_writable(r, a->slot[i], &slot, err));
        TN_TRY(check_same(r, *var, slot, a->slot[i], err));
        e->slot[i] = slot->data;
    }
    e->var = (*var)->data;
    e->grad = r->in[a->grad]->data;
    e->n = tn_tensor_count(*var);
    e->params = params;
    return TN_OK;
}

static tn_code apply_run(tn_run *r, tn_error *err)
{
    const tn_apply *a = r->params;
    tn_opt_params params;
    tn_opt_entry e = {0};
    tn_tensor *var;
    TN_TRY(apply_entry(r, a, &params, &e, &var, err));
    TN_TRY(check_same(r, var, r->in[a->grad], a->grad, err));
    TN_TRY(tn_optimizer_run(a->optimizer, a->dtype, &e, 1, r->threads, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

static tn_code check_rows(const tn_tensor *var, const tn_tensor *grad, const tn_tensor *indices,
                          tn_error *err)
{
    char a[128], b[128];
    bool fits = var->shape.rank >= 1 && grad->shape.rank == var->shape.rank && indices->shape.rank == 1 &&
                grad->shape.dim[0] == indices->shape.dim[0] && grad->dtype == var->dtype;
    for (int k = 1; fits && k < var->shape.rank; k++) fits = grad->shape.dim[k] == var->shape.dim[k];
    if (fits) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "var %s and grad %s must match in all but the first dimension, which is indices'",
                   tn_shape_text(&var->shape, a, sizeof a), tn_shape_text(&grad->shape, b, sizeof b));
}

static tn_code apply_rows_run(tn_run *r, tn_error *err)
{
    const tn_apply *a = r->params;
    const tn_tensor *grad = r->in[a->grad], *indices = r->in[a->indices];
    tn_opt_params params;
    tn_opt_entry e = {0};
    tn_tensor *var;
    TN_TRY(apply_entry(r, a, &params, &e, &var, err));
    TN_TRY(check_rows(var, grad, indices, err));
    TN_TRY(tn_optimizer_sparse(a->optimizer, a->dtype, &e, var->shape.dim[0],
                               tn_shape_product(&var->shape, 1, var->shape.rank), indices->shape.dim[0],
                               indices->dtype, indices->data, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

/* ==== the rows ==== SLOTS: variables the operator changes besides the first */

#define APPLY(NAME, SLOTS, RUN, SIG)      \
    const tn_op tn_op_##NAME = {          \
        .name = #NAME,                    \
        .sig = SIG,                       \
        .infer = apply_infer,             \
        .prepare = apply_prepare,         \
        .run = RUN,                       \
        .flags = TN_STATEFUL | TN_EFFECT, \
        .writes = (2u << (SLOTS)) - 1,    \
    }
#define DENSE(NAME, SLOTS, SIG) APPLY(NAME, SLOTS, apply_run, SIG)
#define SPARSE(NAME, SLOTS, SIG) APPLY(NAME, SLOTS, apply_rows_run, SIG)
DENSE(ApplyGradientDescent, 0, "var:&T alpha:T delta:T -> out:&T; T:type{numbertype} use_locking:bool=false");
DENSE(ApplyMomentum, 1,
      "var:&T accum:&T lr:T grad:T momentum:T -> out:&T; T:type{numbertype} use_locking:bool=false "
      "use_nesterov:bool=false");
DENSE(ApplyAdagrad, 1,
      "var:&T accum:&T lr:T grad:T -> out:&T; T:type{numbertype} use_locking:bool=false "
      "update_slots:bool=true");
DENSE(ApplyAdagradV2, 1,
      "var:&T accum:&T lr:T epsilon:T grad:T -> out:&T; T:type{numbertype} use_locking:bool=false "
      "update_slots:bool=true");
DENSE(ApplyAdam, 2,
      "var:&T m:&T v:&T beta1_power:T beta2_power:T lr:T beta1:T beta2:T epsilon:T grad:T -> out:&T; "
      "T:type{numbertype} use_locking:bool=false use_nesterov:bool=false");
DENSE(ApplyRMSProp, 2,
      "var:&T ms:&T mom:&T lr:T rho:T momentum:T epsilon:T grad:T -> out:&T; T:type{numbertype} "
      "use_locking:bool=false");
DENSE(ApplyCenteredRMSProp, 3,
      "var:&T mg:&T ms:&T mom:&T lr:T rho:T momentum:T epsilon:T grad:T -> out:&T; T:type{numbertype} "
      "use_locking:bool=false");
DENSE(ApplyFtrl, 2,
      "var:&T accum:&T linear:&T grad:T lr:T l1:T l2:T lr_power:T -> out:&T; T:type{numbertype} "
      "use_locking:bool=false multiply_linear_by_lr:bool=false");
DENSE(ApplyFtrlV2, 2,
      "var:&T accum:&T linear:&T grad:T lr:T l1:T l2:T l2_shrinkage:T lr_power:T -> out:&T; "
      "T:type{numbertype} use_locking:bool=false multiply_linear_by_lr:bool=false");
DENSE(ApplyAdadelta, 2,
      "var:&T accum:&T accum_update:&T lr:T rho:T epsilon:T grad:T -> out:&T; T:type{numbertype} "
      "use_locking:bool=false");
DENSE(ApplyAdagradDA, 2,
      "var:&T gradient_accumulator:&T gradient_squared_accumulator:&T grad:T lr:T l1:T l2:T "
      "global_step:int64 -> out:&T; T:type{numbertype} use_locking:bool=false");
DENSE(ApplyProximalGradientDescent, 0,
      "var:&T alpha:T l1:T l2:T delta:T -> out:&T; T:type{numbertype} use_locking:bool=false");
DENSE(ApplyProximalAdagrad, 1,
      "var:&T accum:&T lr:T l1:T l2:T grad:T -> out:&T; T:type{numbertype} use_locking:bool=false");
DENSE(ApplyAdaMax, 2,
      "var:&T m:&T v:&T beta1_power:T lr:T beta1:T beta2:T epsilon:T grad:T -> out:&T; T:type{numbertype} "
      "use_locking:bool=false");
DENSE(ResourceApplyGradientDescent, 0,
      "var:resource alpha:T delta:T -> ; T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyMomentum, 1,
      "var:resource accum:resource lr:T grad:T momentum:T -> ; T:type{numbertype} use_locking:bool=false "
      "use_nesterov:bool=false");
DENSE(ResourceApplyKerasMomentum, 1,
      "var:resource accum:resource lr:T grad:T momentum:T -> ; T:type{numbertype} use_locking:bool=false "
      "use_nesterov:bool=false");
DENSE(ResourceApplyAdagrad, 1,
      "var:resource accum:resource lr:T grad:T -> ; T:type{numbertype} use_locking:bool=false "
      "update_slots:bool=true");
DENSE(ResourceApplyAdagradV2, 1,
      "var:resource accum:resource lr:T epsilon:T grad:T -> ; T:type{numbertype} use_locking:bool=false "
      "update_slots:bool=true");
DENSE(ResourceApplyAdam, 2,
      "var:resource m:resource v:resource beta1_power:T beta2_power:T lr:T beta1:T beta2:T epsilon:T "
      "grad:T -> ; T:type{numbertype} use_locking:bool=false use_nesterov:bool=false");
DENSE(ResourceApplyRMSProp, 2,
      "var:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T -> ; "
      "T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyCenteredRMSProp, 3,
      "var:resource mg:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T -> ; "
      "T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyFtrl, 2,
      "var:resource accum:resource linear:resource grad:T lr:T l1:T l2:T lr_power:T -> ; "
      "T:type{numbertype} use_locking:bool=false multiply_linear_by_lr:bool=false");
DENSE(ResourceApplyFtrlV2, 2,
      "var:resource accum:resource linear:resource grad:T lr:T l1:T l2:T l2_shrinkage:T lr_power:T -> ; "
      "T:type{numbertype} use_locking:bool=false multiply_linear_by_lr:bool=false");
DENSE(ResourceApplyAdadelta, 2,
      "var:resource accum:resource accum_update:resource lr:T rho:T epsilon:T grad:T -> ; "
      "T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyAdagradDA, 2,
      "var:resource gradient_accumulator:resource gradient_squared_accumulator:resource grad:T lr:T l1:T "
      "l2:T global_step:int64 -> ; T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyProximalGradientDescent, 0,
      "var:resource alpha:T l1:T l2:T delta:T -> ; T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyProximalAdagrad, 1,
      "var:resource accum:resource lr:T l1:T l2:T grad:T -> ; T:type{numbertype} use_locking:bool=false");
DENSE(ResourceApplyAdaMax, 2,
      "var:resource m:resource v:resource beta1_power:T lr:T beta1:T beta2:T epsilon:T grad:T -> ; "
      "T:type{numbertype} use_locking:bool=false");
SPARSE(SparseApplyMomentum, 1,
       "var:&T accum:&T lr:T grad:T indices:Tindices momentum:T -> out:&T; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false use_nesterov:bool=false");
SPARSE(SparseApplyAdagrad, 1,
       "var:&T accum:&T lr:T grad:T indices:Tindices -> out:&T; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false update_slots:bool=true");
SPARSE(SparseApplyAdagradV2, 1,
       "var:&T accum:&T lr:T epsilon:T grad:T indices:Tindices -> out:&T; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false update_slots:bool=true");
SPARSE(SparseApplyRMSProp, 2,
       "var:&T ms:&T mom:&T lr:T rho:T momentum:T epsilon:T grad:T indices:Tindices -> out:&T; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(SparseApplyCenteredRMSProp, 3,
       "var:&T mg:&T ms:&T mom:&T lr:T rho:T momentum:T epsilon:T grad:T indices:Tindices -> out:&T; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(SparseApplyFtrl, 2,
       "var:&T accum:&T linear:&T grad:T indices:Tindices lr:T l1:T l2:T lr_power:T -> out:&T; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false "
       "multiply_linear_by_lr:bool=false");
SPARSE(SparseApplyFtrlV2, 2,
       "var:&T accum:&T linear:&T grad:T indices:Tindices lr:T l1:T l2:T l2_shrinkage:T lr_power:T -> "
       "out:&T; T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false "
       "multiply_linear_by_lr:bool=false");
SPARSE(SparseApplyAdadelta, 2,
       "var:&T accum:&T accum_update:&T lr:T rho:T epsilon:T grad:T indices:Tindices -> out:&T; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(SparseApplyAdagradDA, 2,
       "var:&T gradient_accumulator:&T gradient_squared_accumulator:&T grad:T indices:Tindices lr:T l1:T "
       "l2:T global_step:int64 -> out:&T; T:type{numbertype} Tindices:type{int32,int64} "
       "use_locking:bool=false");
SPARSE(SparseApplyProximalGradientDescent, 0,
       "var:&T alpha:T l1:T l2:T grad:T indices:Tindices -> out:&T; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(SparseApplyProximalAdagrad, 1,
       "var:&T accum:&T lr:T l1:T l2:T grad:T indices:Tindices -> out:&T; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyMomentum, 1,
       "var:resource accum:resource lr:T grad:T indices:Tindices momentum:T -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false use_nesterov:bool=false");
SPARSE(ResourceSparseApplyKerasMomentum, 1,
       "var:resource accum:resource lr:T grad:T indices:Tindices momentum:T -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false use_nesterov:bool=false");
SPARSE(ResourceSparseApplyAdagrad, 1,
       "var:resource accum:resource lr:T grad:T indices:Tindices -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false update_slots:bool=true");
SPARSE(ResourceSparseApplyAdagradV2, 1,
       "var:resource accum:resource lr:T epsilon:T grad:T indices:Tindices -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false update_slots:bool=true");
SPARSE(ResourceSparseApplyRMSProp, 2,
       "var:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T indices:Tindices -> ; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyCenteredRMSProp, 3,
       "var:resource mg:resource ms:resource mom:resource lr:T rho:T momentum:T epsilon:T grad:T "
       "indices:Tindices -> ; T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyFtrl, 2,
       "var:resource accum:resource linear:resource grad:T indices:Tindices lr:T l1:T l2:T lr_power:T -> ; "
       "T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false "
       "multiply_linear_by_lr:bool=false");
SPARSE(ResourceSparseApplyFtrlV2, 2,
       "var:resource accum:resource linear:resource grad:T indices:Tindices lr:T l1:T l2:T l2_shrinkage:T "
       "lr_power:T -> ; T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false "
       "multiply_linear_by_lr:bool=false");
SPARSE(ResourceSparseApplyAdadelta, 2,
       "var:resource accum:resource accum_update:resource lr:T rho:T epsilon:T grad:T indices:Tindices -> "
       "; T:type{numbertype} Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyAdagradDA, 2,
       "var:resource gradient_accumulator:resource gradient_squared_accumulator:resource grad:T "
       "indices:Tindices lr:T l1:T l2:T global_step:int64 -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyProximalGradientDescent, 0,
       "var:resource alpha:T l1:T l2:T grad:T indices:Tindices -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false");
SPARSE(ResourceSparseApplyProximalAdagrad, 1,
       "var:resource accum:resource lr:T l1:T l2:T grad:T indices:Tindices -> ; T:type{numbertype} "
       "Tindices:type{int32,int64} use_locking:bool=false");
