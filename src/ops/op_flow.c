/* SPDX-License-Identifier: Apache-2.0
 *
 * op_flow.c - control flow: calls, If, Case, While, and the frames of TensorFlow 1 (Switch, Merge, Enter,
 * Exit, NextIteration, LoopCond). Here is what is known of their outputs; running them is the planner's own
 * (calls are inlined, frames become functional), their gradients are grad_call.c's and grad_while.c's.
 */
#include "../graph/flow.h"

#include "../plan/composite.h"

/* ==== calls and branches ==== */

static const tn_function *function_of(const tn_infer *c, const tn_func_attr *f)
{
    return f ? tn_graph_function(c->library, f->name) : NULL;
}

static bool has_rets(const tn_infer *c, const tn_function *f)
{
    return f && f->n_rets == c->n_out;
}

static tn_code infer_call(tn_infer *c, tn_error *err)
{
    const tn_function *f = function_of(c, tn_attr_get_func(c->attrs, "f"));
    const tn_composite *k = f ? tn_composite_of(f) : NULL;
    if (k && c->n_in == k->n_args && c->n_out == k->n_rets) return k->fused->infer(c, err);
    for (int o = 0; has_rets(c, f) && o < c->n_out; o++) c->out[o].shape = tn_node_shape(f->rets[o]);
    return TN_OK;
}

/* output_shapes, when it says something. */
static bool noted_shapes(tn_infer *c)
{
    const tn_attr *a = tn_attr_find(c->attrs, "output_shapes");
    if (!a || a->kind != TN_ATTR_SHAPE || !a->is_list || a->n != c->n_out) return false;
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = a->shapes[o];
    return true;
}

static void relax_into(tn_infer *c, const tn_function *f, bool first)
{
    for (int o = 0; o < c->n_out; o++) {
        tn_shape s = has_rets(c, f) ? tn_node_shape(f->rets[o]) : tn_shape_unknown();
        c->out[o].shape = first ? s : tn_shape_relaxed(&c->out[o].shape, &s);
    }
}

static tn_code infer_if(tn_infer *c, tn_error *err)
{
    (void)err;
    if (noted_shapes(c)) return TN_OK;
    relax_into(c, function_of(c, tn_attr_get_func(c->attrs, "then_branch")), true);
    relax_into(c, function_of(c, tn_attr_get_func(c->attrs, "else_branch")), false);
    return TN_OK;
}

static tn_code infer_case(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_attr *a = tn_attr_find(c->attrs, "branches");
    if (noted_shapes(c) || !a || a->kind != TN_ATTR_FUNC || !a->is_list) return TN_OK;
    for (int k = 0; k < a->n; k++) relax_into(c, function_of(c, &a->funcs[k]), k == 0);
    return TN_OK;
}

/* Values the body hands through unchanged stay as they are, even their contents. */
static tn_code infer_while(tn_infer *c, tn_error *err)
{
    (void)err;
    const tn_function *f = function_of(c, tn_attr_get_func(c->attrs, "body"));
    noted_shapes(c);
    if (!has_rets(c, f) || f->n_args != c->n_in) return TN_OK;
    for (int o = 0; o < c->n_out; o++) {
        tn_dtype t = c->out[o].dtype;
        if (f->rets[o].op != f->args[o]) continue;
        c->out[o] = *c->in[o];
        c->out[o].dtype = t;
    }
    return TN_OK;
}

#define CALL_SIG                                                                                   \
    "args:[Tin] -> output:[Tout]; Tin:list(type)>=0 Tout:list(type)>=0 f:func config:string=\"\" " \
    "config_proto:string=\"\" executor_type:string=\"\""
#define IF_SIG                                                                                  \
    "cond:Tcond input:[Tin] -> output:[Tout]; Tcond:type Tin:list(type)>=0 Tout:list(type)>=0 " \
    "then_branch:func else_branch:func output_shapes:list(shape)=[]"
#define CASE_SIG                                                                             \
    "branch_index:int32 input:[Tin] -> output:[Tout]; Tin:list(type)>=0 Tout:list(type)>=0 " \
    "branches:list(func)>=1 output_shapes:list(shape)=[]"
#define WHILE_SIG                                                                                \
    "input:[T] -> output:[T]; T:list(type)>=0 cond:func body:func output_shapes:list(shape)=[] " \
    "parallel_iterations:int=10"
#define FLOW(op, sig_, infer_, grad_, flags_) \
    const tn_op tn_op_##op = {.name = #op, .sig = sig_, .infer = infer_, .grad = grad_, .flags = flags_}

/* The stateful kinds are never merged or folded; whether they have effects is their functions' business. */
FLOW(PartitionedCall, CALL_SIG, infer_call, tn_grad_call, 0);
FLOW(StatefulPartitionedCall, CALL_SIG, infer_call, tn_grad_call, TN_STATEFUL);
FLOW(If, IF_SIG, infer_if, tn_grad_if, TN_STATEFUL);
FLOW(StatelessIf, IF_SIG, infer_if, tn_grad_if, 0);
FLOW(Case, CASE_SIG, infer_case, tn_grad_case, TN_STATEFUL);
FLOW(StatelessCase, CASE_SIG, infer_case, tn_grad_case, 0);
FLOW(While, WHILE_SIG, infer_while, tn_grad_while, TN_STATEFUL);
FLOW(StatelessWhile, WHILE_SIG, infer_while, tn_grad_while, 0);

/* ==== functions on devices, in batches, again and again ==== */

/* All is done here and at once: what is given, in one call. */
static tn_code infer_batched(tn_infer *c, tn_error *err)
{
    const tn_attr *in = tn_attr_find(c->attrs, "Tin");
    for (int i = 0; in && i < in->n && i < c->n_in; i++)
        if (c->in[i]->shape.rank == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Batching input tensors must have at least one dimension");
    return TN_OK;
}

static tn_code infer_for(tn_infer *c, tn_error *err)
{
    for (int i = 0; i < 3; i++) TN_TRY(tn_infer_rank(c, i, 0, err));
    return TN_OK;
}

static tn_code infer_map(tn_infer *c, tn_error *err)
{
    const tn_attr *rows = tn_attr_find(c->attrs, "Targuments"), *s = tn_attr_find(c->attrs, "output_shapes");
    int64_t n = -1;
    for (int i = 0; rows && i < rows->n && i < c->n_in; i++) {
        TN_TRY(tn_infer_rank_at_least(c, i, 1, err));
        if (c->in[i]->shape.rank < 1) continue;
        if (n >= 0 && c->in[i]->shape.dim[0] >= 0 && n != c->in[i]->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Arguments must have the same dimension 0.");
        n = TN_MAX(n, c->in[i]->shape.dim[0]);
    }
    for (int o = 0; s && s->kind == TN_ATTR_SHAPE && s->is_list && o < s->n && o < c->n_out; o++) {
        int rank = s->shapes[o].rank;
        if (rank < 0 || rank >= TN_MAX_RANK) continue;
        c->out[o].shape = (tn_shape){.rank = rank + 1, .dim = {n}};
        memcpy(c->out[o].shape.dim + 1, s->shapes[o].dim, (size_t)rank * sizeof *s->shapes[o].dim);
    }
    return TN_OK;
}

static tn_code infer_symbolic(tn_infer *c, tn_error *err)
{
    if (c->n_in < c->n_out) return tn_fail(err, TN_INVALID_ARGUMENT, "len(inputs) < len(outputs)");
    for (int o = 0; o < c->n_out; o++) c->out[o].shape = c->in[o]->shape;
    return TN_OK;
}

FLOW(RemoteCall, "target:string args:[Tin] -> output:[Tout]; Tin:list(type)>=1 Tout:list(type)>=1 f:func",
     tn_infer_none, NULL, TN_STATEFUL);
FLOW(BatchFunction,
     "in_tensors:[Tin] captured_tensors:[Tcaptured] -> out_tensors:[Tout]; f:func num_batch_threads:int "
     "max_batch_size:int batch_timeout_micros:int max_enqueued_batches:int=10 "
     "allowed_batch_sizes:list(int)=[] "
     "container:string=\"\" shared_name:string=\"\" batching_queue:string=\"\" "
     "low_priority_max_batch_size:int=0 "
     "low_priority_batch_timeout_micros:int=0 low_priority_allowed_batch_sizes:list(int)=[] "
     "low_priority_max_enqueued_batches:int=0 "
     "mixed_priority_policy:string{low_priority_padding_with_max_batch_size,"
     "low_priority_padding_with_next_allowed_batch_size,priority_isolation,priority_merge}="
     "\"low_priority_padding_with_max_batch_size\" batch_padding_policy:string{PAD_UP,BATCH_DOWN,"
     "MINIMIZE_TPU_COST_PER_REQUEST}=\"PAD_UP\" Tin:list(type)>=1 Tcaptured:list(type)>=0 Tout:list(type)>=1 "
     "enable_large_batch_splitting:bool=false",
     infer_batched, NULL, 0);
FLOW(For, "start:int32 limit:int32 delta:int32 input:[T] -> output:[T]; T:list(type)>=0 body:func", infer_for,
     NULL, TN_STATEFUL);
FLOW(MapDefun,
     "arguments:[Targuments] captured_inputs:[Tcaptured] -> output:[output_types]; Targuments:list(type)>=1 "
     "Tcaptured:list(type)>=0=[] output_types:list(type)>=1 output_shapes:list(shape)>=1 f:func "
     "max_intra_op_parallelism:int=1",
     infer_map, NULL, 0);
FLOW(SymbolicGradient, "input:[Tin] -> output:[Tout]; Tin:list(type)>=1 Tout:list(type)>=1 f:func",
     infer_symbolic, NULL, 0);

/* ==== TensorFlow 1's frames ==== */

static tn_code infer_merge(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[0]->shape;
    for (int i = 1; i < c->n_in; i++) c->out[0].shape = tn_shape_relaxed(&c->out[0].shape, &c->in[i]->shape);
    c->out[1].shape = TN_SHAPE();
    return TN_OK;
}

static tn_code infer_switch_n(tn_infer *c, tn_error *err)
{
    (void)err;
    for (int i = 0; i < c->n_out; i++) c->out[i].shape = c->in[0]->shape;
    return TN_OK;
}

FLOW(Switch, "data:T pred:bool -> output_false:T output_true:T; T:type", tn_infer_like_first, NULL,
     TN_FRAMED);
FLOW(RefSwitch, "data:&T pred:bool -> output_false:&T output_true:&T; T:type", tn_infer_like_first, NULL,
     TN_FRAMED);
FLOW(_SwitchN, "data:T output_index:int32 -> outputs:num_outs*T; num_outs:int>=1 T:type", infer_switch_n,
     NULL, TN_FRAMED);
FLOW(Merge, "inputs:N*T -> output:T value_index:int32; T:type N:int>=1", infer_merge, NULL, TN_FRAMED);
FLOW(RefMerge, "inputs:&N*T -> output:&T value_index:int32; T:type N:int>=1", infer_merge, NULL, TN_FRAMED);
#define ENTER_ATTRS "; T:type frame_name:string is_constant:bool=false parallel_iterations:int=10"
FLOW(Enter, "data:T -> output:T" ENTER_ATTRS, tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(RefEnter, "data:&T -> output:&T" ENTER_ATTRS, tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(Exit, "data:T -> output:T; T:type", tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(RefExit, "data:&T -> output:&T; T:type", tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(NextIteration, "data:T -> output:T; T:type", tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(RefNextIteration, "data:&T -> output:&T; T:type", tn_infer_unchanged, NULL, TN_FRAMED);
FLOW(LoopCond, "input:bool -> output:bool;", tn_infer_unchanged, NULL, TN_NO_GRADIENT);
FLOW(ControlTrigger, "-> ;", tn_infer_none, NULL, TN_NO_GRADIENT);

/* ==== FakeParam: stands in for a value that the other branch of an If returns ==== */

static tn_code infer_fake(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape s = tn_shape_unknown();
    tn_attr_get_shape(c->attrs, "shape", &s);
    if (s.rank < 0) s = TN_SHAPE(0);
    for (int i = 0; i < s.rank; i++) s.dim[i] = TN_MAX(s.dim[i], 0);
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code run_fake(tn_run *r, tn_error *err)
{
    (void)err;
    if (tn_dtype_is_pod(r->out[0]->dtype)) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    return TN_OK;
}

const tn_op tn_op_FakeParam = {
    .name = "FakeParam",
    .sig = "-> output:dtype; dtype:type shape:shape",
    .infer = infer_fake,
    .run = run_fake,
    .flags = TN_NO_GRADIENT,
};
