/* SPDX-License-Identifier: Apache-2.0
 *
 * op_core.c - the operators every graph has: placeholders, constants, identities, no-operations, and the
 * arguments and results of functions. Feeding and passing arguments are the planner's.
 */
#include "../graph/op.h"

/* Everything known of the input is known of the output. */
static tn_code infer_same(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int o = 0; o < c->n_out; o++) {
        tn_dtype t = c->out[o].dtype;
        c->out[o] = *c->in[o];
        c->out[o].dtype = t;
    }
    return TN_OK;
}

static tn_code grad_same(tn_grad *g, tn_error *err)
{
    (void)err;
    for (int i = 0; i < g->op->n_in; i++) {
        if (g->dy[i].op) tn_grad_set(g, i, g->dy[i]);
    }
    return TN_OK;
}

/* ==== placeholders ==== */

static tn_code infer_shape_attr(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_attr_get_shape(c->attrs, "shape", &c->out[0].shape);
    return TN_OK;
}

/* TensorFlow took [] for "unknown" until GraphDef version 24; an explicit scalar cannot be told from it
 * and works either way, since feeds are checked against what is fed. */
const tn_op tn_op_Placeholder = {
    .name = "Placeholder",
    .sig = "-> output:dtype; dtype:type shape:shape=unknown",
    .infer = infer_shape_attr,
    .flags = TN_NO_GRADIENT,
};

const tn_op tn_op_PlaceholderV2 = {
    .name = "PlaceholderV2",
    .sig = "-> output:dtype; dtype:type shape:shape",
    .infer = infer_shape_attr,
    .flags = TN_NO_GRADIENT,
};

static tn_code infer_with_default(tn_infer *c, tn_error *err)
{
    tn_shape declared = tn_shape_unknown(), merged;
    tn_attr_get_shape(c->attrs, "shape", &declared);
    TN_TRY(tn_shape_merge(&declared, &c->in[0]->shape, &merged, err));
    c->out[0].shape = declared; /* what is fed may differ from the default */
    return TN_OK;
}

const tn_op tn_op_PlaceholderWithDefault = {
    .name = "PlaceholderWithDefault",
    .sig = "input:dtype -> output:dtype; dtype:type shape:shape",
    .infer = infer_with_default,
    .grad = grad_same,
    .flags = TN_ALIAS,
};

/* ==== constants ==== */

static tn_code infer_const(tn_infer *c, tn_error *err)
{
    const tn_tensor *value = tn_attr_get_tensor(c->attrs, "value");
    if (!value) return tn_fail(err, TN_INVALID_ARGUMENT, "attr 'value' has no tensor");
    if (value->dtype != c->out[0].dtype) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "Type mismatch between value (%s) and dtype (%s)",
                       tn_dtype_name(value->dtype), tn_dtype_name(c->out[0].dtype));
    }
    c->out[0].value = value;
    c->out[0].shape = value->shape;
    return TN_OK;
}

const tn_op tn_op_Const = {
    .name = "Const",
    .sig = "-> output:dtype; value:tensor dtype:type",
    .infer = infer_const,
    .flags = TN_NO_GRADIENT,
};

/* The same, which TensorFlow keeps out of other devices' memory; folded like any that has no inputs. */
static tn_code host_const_run(tn_run *r, tn_error *err)
{
    return tn_run_output_share(r, 0, tn_attr_get_tensor(r->attrs, "value"), err);
}

const tn_op tn_op_HostConst = {
    .name = "HostConst",
    .sig = "-> output:dtype; value:tensor dtype:type",
    .infer = infer_const,
    .run = host_const_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

/* Whether products may be rounded to 10 bits, on devices that have such: they may unless a program says otherwise. */
static tn_code always_run(tn_run *r, tn_error *err)
{
    (void)err;
    *(bool *)r->out[0]->data = true;
    return TN_OK;
}

const tn_op tn_op_IsTensorFloat32Enabled = {
    .name = "IsTensorFloat32Enabled",
    .sig = "-> enabled:bool;",
    .infer = tn_infer_scalar,
    .run = always_run,
    .flags = TN_STATEFUL,
};

/* ==== identities ==== */

#define IDENTITY(op, sig_, grad_, flags_) \
    const tn_op tn_op_##op = {.name = #op, .sig = sig_, .infer = infer_same, .grad = grad_, .flags = flags_}

IDENTITY(Identity, "input:T -> output:T; T:type", grad_same, TN_ALIAS);
IDENTITY(Snapshot, "input:T -> output:T; T:type", grad_same, TN_ALIAS);
IDENTITY(StopGradient, "input:T -> output:T; T:type", NULL, TN_ALIAS | TN_NO_GRADIENT);

/* What TensorFlow's debugger puts between operations; it listens to its own, not to us. */
#define DEBUGGED "input:T -> output:T; T:type "
IDENTITY(DebugIdentity,
         DEBUGGED
         "device_name:string=\"\" tensor_name:string=\"\" debug_urls:list(string)=[] gated_grpc:bool=false",
         grad_same, TN_ALIAS);
IDENTITY(DebugIdentityV2,
         DEBUGGED
         "tfdbg_context_id:string=\"\" op_name:string=\"\" output_slot:int=-1 tensor_debug_mode:int=-1 "
         "debug_urls:list(string)=[] circular_buffer_size:int=1000 tfdbg_run_id:string=\"\"",
         grad_same, TN_ALIAS);
IDENTITY(DebugIdentityV3,
         DEBUGGED
         "device_name:string=\"\" tensor_name:string=\"\" io_of_node:string=\"\" is_input:bool=false "
         "io_index:int=-1 debug_urls:list(string)=[] gated_grpc:bool=false",
         grad_same, TN_ALIAS);
IDENTITY(DebugGradientIdentity, "input:T -> output:T; T:type", grad_same, TN_ALIAS);
/* Where a tensor is among several devices. */
IDENTITY(XlaSharding, "input:T -> output:T; T:type sharding:string=\"\" unspecified_dims:list(int)=[]", grad_same,
         TN_ALIAS);

static tn_code grad_prevented(tn_grad *g, tn_error *err)
{
    tn_view message = {"", 0};
    tn_attr_get_string(&g->op->attrs, "message", &message);
    return tn_fail(err, TN_INVALID_ARGUMENT, "Gradient explicitly disabled. Reason: %.*s",
                   (int)TN_MIN(message.n, (size_t)500), message.p);
}

IDENTITY(PreventGradient, "input:T -> output:T; T:type message:string=\"\"", grad_prevented, TN_ALIAS);

const tn_op tn_op_IdentityN = {
    .name = "IdentityN",
    .sig = "input:[T] -> output:[T]; T:list(type)>=1",
    .infer = infer_same,
    .grad = grad_same,
    .flags = TN_ALIAS,
};
/* What a compiler may not move across; TensorFlow has no gradient of it. */
const tn_op tn_op_XlaOptimizationBarrier = {
    .name = "XlaOptimizationBarrier",
    .sig = "input:[T] -> output:[T]; T:list(type)>=0",
    .infer = infer_same,
    .flags = TN_ALIAS,
};

/* ==== the rest ==== */

const tn_op tn_op_NoOp = {.name = "NoOp", .sig = "-> ;", .infer = tn_infer_none, .flags = TN_NO_GRADIENT};

static tn_code infer_arg(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_attr *shapes = tn_attr_find(c->attrs, "_output_shapes");
    if (shapes && shapes->kind == TN_ATTR_SHAPE && shapes->is_list && shapes->n == 1) {
        c->out[0].shape = shapes->shapes[0];
    }
    return TN_OK;
}

const tn_op tn_op__Arg = {
    .name = "_Arg",
    .sig = "-> output:T; T:type index:int>=0",
    .infer = infer_arg,
    .flags = TN_NO_GRADIENT,
};

const tn_op tn_op__Retval = {
    .name = "_Retval",
    .sig = "input:T -> ; T:type index:int>=0",
    .infer = tn_infer_none,
    .flags = TN_NO_GRADIENT,
};
