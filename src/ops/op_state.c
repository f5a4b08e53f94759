/* SPDX-License-Identifier: Apache-2.0
 *
 * op_state.c - variables: the operators that stand for them, read them and replace their values, both as
 * TensorFlow 1's references and as resources. Making a variable and reading it without a copy are the
 * planner's; changing parts of one is op_state_scatter.c's, optimizers' steps are op_training.c's.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== the variables themselves ==== */

static tn_code variable_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_attr_get_shape(c->attrs, "shape", &c->out[0].shape);
    return TN_OK;
}

static tn_code handle_infer(tn_infer *c, tn_error *err)
{
    tn_info *held = TN_NEW(c->arena, tn_info);
    if (!held) return tn_no_memory(err, sizeof *held);
    held->dtype = tn_attr_t(c->attrs, "dtype");
    held->shape = tn_shape_unknown();
    held->bound = -1;
    tn_attr_get_shape(c->attrs, "shape", &held->shape);
    c->out[0].shape.rank = 0;
    c->out[0].handle = held;
    return TN_OK;
}

#define VARIABLE(NAME, INFER, SIG) \
    const tn_op tn_op_##NAME = {   \
        .name = #NAME, .sig = SIG, .infer = INFER, .flags = TN_STATEFUL | TN_NO_GRADIENT}
VARIABLE(Variable, variable_infer,
         "-> ref:&dtype; shape:shape dtype:type container:string=\"\" "
         "shared_name:string=\"\"");
VARIABLE(VariableV2, variable_infer,
         "-> ref:&dtype; shape:shape dtype:type container:string=\"\" "
         "shared_name:string=\"\"");
VARIABLE(VarHandleOp, handle_infer,
         "-> resource:resource; container:string=\"\" shared_name:string=\"\" debug_name:string=\"\" "
         "dtype:type shape:shape allowed_devices:list(string)=[]");

/* ==== reading ==== */

static tn_code read_infer(tn_infer *c, tn_error *err)
{
    const tn_info *held = c->in[0]->handle;
    if (held && held->dtype == tn_dtype_base(c->out[0].dtype))
        c->out[0].shape = held->shape;
    else if (held && held->dtype != TN_INVALID_DTYPE)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Trying to read variable with wrong dtype. Expected %s got %s",
                       tn_dtype_name(c->out[0].dtype), tn_dtype_name(held->dtype));
    return TN_OK;
}

static tn_code read_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, tn_grad_dy(g, 0));
    return TN_OK;
}

const tn_op tn_op_ReadVariableOp = {
    .name = "ReadVariableOp",
    .sig = "resource:resource -> value:dtype; dtype:type",
    .infer = read_infer,
    .grad = read_grad,
    .flags = TN_STATEFUL,
    .reads = TN_BIT(0),
};

static tn_code initialized_run(tn_run *r, tn_error *err)
{
    (void)err;
    *(bool *)r->out[0]->data = tn_run_variable_initialized(r, 0);
    return TN_OK;
}

const tn_op tn_op_IsVariableInitialized = {
    .name = "IsVariableInitialized",
    .sig = "ref:&dtype -> is_initialized:bool; dtype:type",
    .infer = tn_infer_scalar,
    .run = initialized_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .reads = TN_BIT(0),
};
const tn_op tn_op_VarIsInitializedOp = {
    .name = "VarIsInitializedOp",
    .sig = "resource:resource -> is_initialized:bool;",
    .infer = tn_infer_scalar,
    .run = initialized_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .reads = TN_BIT(0),
};

static tn_code variable_shape_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_info *held = c->in[0]->handle;
    tn_infer_set_rank(c, 0, 1);
    if (!held || held->shape.rank < 0) return TN_OK;
    tn_shape ints = tn_shape_as_ints(&held->shape);
    c->out[0].shape.dim[0] = ints.rank;
    tn_infer_set_ints(c, 0, &ints);
    return TN_OK;
}

static tn_code variable_shape_run(tn_run *r, tn_error *err)
{
    const tn_tensor *v;
    TN_TRY(tn_run_variable(r, 0, &v, err));
    tn_shape s = v->shape, vector = tn_shape_vector(s.rank);
    TN_TRY(tn_run_output(r, 0, &vector, err));
    for (int k = 0; k < s.rank; k++) {
        if (r->out[0]->dtype == TN_INT64)
            TN_INT64S(r->out[0])[k] = s.dim[k];
        else
            TN_INT32S(r->out[0])[k] = (int32_t)s.dim[k];
    }
    return TN_OK;
}

const tn_op tn_op_VariableShape = {
    .name = "VariableShape",
    .sig = "input:resource -> output:out_type; out_type:type{int32,int64}=int32",
    .infer = variable_shape_infer,
    .run = variable_shape_run,
    .flags = TN_STATEFUL | TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
    .reads = TN_BIT(0),
};

/* ==== assigning ==== */

static tn_code assign_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *ref = &c->in[0]->shape, *value = &c->in[1]->shape;
    bool check = tn_attr_b(c->attrs, "validate_shape");
    char a[128], b[128];
    if (check && ref->rank > 0 && !tn_shape_compatible(ref, value)) /* [] may mean any */
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Assign requires shapes of both tensors to match. lhs shape= %s rhs shape= %s",
                       tn_shape_text(ref, a, sizeof a), tn_shape_text(value, b, sizeof b));
    c->out[0].shape = *value;
    return TN_OK;
}

static tn_code assign_run(tn_run *r, tn_error *err)
{
    TN_TRY(tn_run_variable_assign(r, 0, r->in[1], false, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}

const tn_op tn_op_Assign = {
    .name = "Assign",
    .sig = "ref:&T value:T -> output_ref:&T; T:type validate_shape:bool=true use_locking:bool=true",
    .infer = assign_infer,
    .run = assign_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};
const tn_op tn_op_AssignVariableOp = {
    .name = "AssignVariableOp",
    .sig = "resource:resource value:dtype -> ; dtype:type validate_shape:bool=false",
    .infer = tn_infer_none,
    .run = assign_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};

static tn_code change_run(tn_run *r, tn_pw_op op, tn_error *err)
{
    tn_tensor *v;
    char a[128], b[128];
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    if (v->dtype != r->in[1]->dtype || !tn_shape_equal(&v->shape, &r->in[1]->shape))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "Cannot update variable with shape %s using a Tensor with shape %s, shapes must be equal.",
            tn_shape_text(&v->shape, a, sizeof a), tn_shape_text(&r->in[1]->shape, b, sizeof b));
    const void *in[2] = {v->data, r->in[1]->data};
    TN_TRY(tn_pw_flat(op, v->dtype, 0, tn_tensor_count(v), in, v->data, r->threads, err));
    if (r->n_out) tn_run_forward_ref(r, 0, 0);
    return TN_OK;
}
static tn_code add_run(tn_run *r, tn_error *err)
{
    return change_run(r, TN_PW_ADD, err);
}
static tn_code sub_run(tn_run *r, tn_error *err)
{
    return change_run(r, TN_PW_SUB, err);
}

static tn_code like_ref_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->n_out) c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

#define CHANGE(NAME, RUN, SIG)                             \
    const tn_op tn_op_##NAME = {                           \
        .name = #NAME,                                     \
        .sig = SIG,                                        \
        .infer = like_ref_infer,                           \
        .run = RUN,                                        \
        .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT, \
        .writes = TN_BIT(0),                               \
    }
CHANGE(AssignAdd, add_run, "ref:&T value:T -> output_ref:&T; T:type{numbertype} use_locking:bool=false");
CHANGE(AssignSub, sub_run, "ref:&T value:T -> output_ref:&T; T:type{numbertype} use_locking:bool=false");
CHANGE(AssignAddVariableOp, add_run, "resource:resource value:dtype -> ; dtype:type");
CHANGE(AssignSubVariableOp, sub_run, "resource:resource value:dtype -> ; dtype:type");

/* ==== counting ==== */

static tn_code count_infer(tn_infer *c, tn_error *err)
{
    return tn_infer_scalar(c, err);
}

static tn_code count_run(tn_run *r, tn_error *err)
{
    tn_tensor *v;
    int64_t limit = tn_attr_i(r->attrs, "limit");
    TN_TRY(tn_run_variable_writable(r, 0, &v, err));
    if (tn_tensor_count(v) != 1 || v->dtype != r->out[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input is not a scalar of type %s",
                       tn_dtype_name(r->out[0]->dtype));
    int64_t at = tn_tensor_int(v, 0);
    if (at >= limit) return tn_fail(err, TN_OUT_OF_RANGE, "Reached limit of %lld", (long long)limit);
    if (v->dtype == TN_INT64) {
        TN_INT64S(r->out[0])[0] = at;
        TN_INT64S(v)[0] = at + 1;
    } else {
        TN_INT32S(r->out[0])[0] = (int32_t)at;
        TN_INT32S(v)[0] = (int32_t)(at + 1);
    }
    return TN_OK;
}

const tn_op tn_op_CountUpTo = {
    .name = "CountUpTo",
    .sig = "ref:&T -> output:T; limit:int T:type{int32,int64}",
    .infer = count_infer,
    .run = count_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};
const tn_op tn_op_ResourceCountUpTo = {
    .name = "ResourceCountUpTo",
    .sig = "resource:resource -> output:T; limit:int T:type{int32,int64}",
    .infer = count_infer,
    .run = count_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};

/* ==== the rest ==== */

/* A variable's memory is counted and goes with the session; that a copy is made on writing is always so. */
static tn_code nothing_run(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

const tn_op tn_op_DisableCopyOnRead = {
    .name = "DisableCopyOnRead",
    .sig = "resource:resource -> ;",
    .infer = tn_infer_none,
    .run = nothing_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .reads = TN_BIT(0),
};

static tn_code destroy_run(tn_run *r, tn_error *err)
{
    return tn_fail(err, TN_UNIMPLEMENTED, "'%s': a session's variables cannot be destroyed before it ends",
                   r->name);
}

const tn_op tn_op_DestroyResourceOp = {
    .name = "DestroyResourceOp",
    .sig = "resource:resource -> ; ignore_lookup_error:bool=true",
    .infer = tn_infer_none,
    .run = destroy_run,
    .flags = TN_STATEFUL | TN_EFFECT | TN_NO_GRADIENT,
    .writes = TN_BIT(0),
};
