/* SPDX-License-Identifier: Apache-2.0
 *
 * op_stack.c - stacks: what TensorFlow 1's loops keep for their gradients. The first version's handles are
 * declared as references to strings, but what stands in them is a resource as well.
 */
#include "op_move.h"

typedef struct stack {
    tn_resource base;
    tn_dtype dtype;
    int64_t n, cap, most; /* most -1: no limit */
    tn_tensor **v;
    tn_charge charge; /* of v */
    bool closed;
} stack;

static void drop_all(stack *s)
{
    while (s->n) tn_tensor_unref(s->v[--s->n]);
    tn_free(s->v);
    s->v = NULL;
    s->cap = 0;
}

static void release_stack(tn_resource *self)
{
    stack *s = (stack *)self;
    drop_all(s);
    tn_charge_drop(&s->charge);
    tn_resource_free(self);
}

static tn_code new_run(tn_run *r, tn_error *err)
{
    int64_t most = -1;
    if (r->n_in) TN_TRY(tn_int_of(r->in[0], "Stack size", &most, err));
    stack *s = tn_resource_new(sizeof *s, TN_RES_STACK, r->name, release_stack);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->dtype = tn_attr_t(r->attrs, "elem_type");
    s->most = most;
    return tn_run_new_resource(r, 0, &s->base, err);
}

static tn_code new_infer(tn_infer *c, tn_error *err)
{
    c->out[0].shape.rank = 0;
    return tn_kept_new(c, 0, err);
}

TN_STATE_OP(StackV2, new_run, new_infer, TN_NO_GRADIENT | TN_KEEPS, TN_BIT(0),
            "max_size:int32 -> handle:resource; elem_type:type stack_name:string=\"\"");
TN_STATE_OP(Stack, new_run, new_infer, TN_NO_GRADIENT | TN_KEEPS, TN_BIT(0),
            "-> handle:&string; elem_type:type stack_name:string=\"\"");

static tn_code stack_of(const tn_run *r, stack **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_STACK, &res, err));
    *out = (stack *)res;
    if ((*out)->closed)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Stack[%s] has already been closed.", res->name);
    return TN_OK;
}

static tn_code push_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = c->in[1]->shape;
    tn_kept_put(c->in[0]->kept, &c->in[1]->shape, c->in[1]->value);
    return TN_OK;
}

static tn_code push_run(tn_run *r, tn_error *err)
{
    stack *s;
    TN_TRY(stack_of(r, &s, err));
    if (r->in[1]->dtype != s->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Must have type %s but got %s", tn_dtype_name(s->dtype),
                       tn_dtype_name(r->in[1]->dtype));
    if (s->most >= 0 && s->n >= s->most)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Stack[%s] overflowed its max_size (%lld)", s->base.name,
                       (long long)s->most);
    if (s->n == s->cap) {
        int64_t cap = s->cap ? 2 * s->cap : 16;
        if (!tn_charge_add(&s->charge, (size_t)(cap - s->cap) * sizeof *s->v))
            return tn_no_memory(err, (size_t)cap);
        tn_tensor **v = tn_realloc(s->v, (size_t)cap * sizeof *v);
        if (!v) return tn_no_memory(err, (size_t)cap * sizeof *v);
        s->v = v;
        s->cap = cap;
    }
    TN_TRY(tn_tensor_keep(r->in[1], &s->v[s->n], err));
    s->n++;
    return tn_run_output_share(r, 0, s->v[s->n - 1], err);
}

TN_STATE_OP(StackPushV2, push_run, push_infer, TN_EFFECT | TN_KEEPS | TN_SHARES, TN_BIT(0),
            "handle:resource elem:T -> output:T; T:type swap_memory:bool=false");
TN_STATE_OP(StackPush, push_run, push_infer, TN_EFFECT | TN_NO_GRADIENT | TN_KEEPS | TN_SHARES, TN_BIT(0),
            "handle:&string elem:T -> output:T; T:type swap_memory:bool=false");

static tn_code pop_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_kept_get(c->in[0]->kept, &c->out[0]);
    return TN_OK;
}

static tn_code pop_run(tn_run *r, tn_error *err)
{
    stack *s;
    TN_TRY(stack_of(r, &s, err));
    if (s->n == 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Stack[%s] is empty when calling Pop().", s->base.name);
    if (r->out[0]->dtype != s->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Must have type %s but got %s", tn_dtype_name(s->dtype),
                       tn_dtype_name(r->out[0]->dtype));
    tn_tensor *top = s->v[--s->n];
    tn_code code = tn_run_output_share(r, 0, top, err);
    tn_tensor_unref(top);
    return code;
}

TN_STATE_OP(StackPopV2, pop_run, pop_infer, TN_EFFECT | TN_KEEPS | TN_SHARES, TN_BIT(0),
            "handle:resource -> elem:elem_type; elem_type:type");
TN_STATE_OP(StackPop, pop_run, pop_infer, TN_EFFECT | TN_NO_GRADIENT | TN_KEEPS | TN_SHARES, TN_BIT(0),
            "handle:&string -> elem:elem_type; elem_type:type");

static tn_code close_run(tn_run *r, tn_error *err)
{
    stack *s;
    TN_TRY(stack_of(r, &s, err));
    drop_all(s);
    s->closed = true;
    return TN_OK;
}

TN_STATE_OP(StackCloseV2, close_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT | TN_KEEPS, 0, "handle:resource -> ;");
TN_STATE_OP(StackClose, close_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT | TN_KEEPS, 0, "handle:&string -> ;");
