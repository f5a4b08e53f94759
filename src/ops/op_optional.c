/* SPDX-License-Identifier: Apache-2.0
 *
 * op_optional.c - optionals: variants that hold some tensors or none. Gradients of branches in loops keep in them what
 * only one branch computes.
 */
#include "../graph/op.h"
#include "list.h"

static void release(tn_variant *v)
{
    tn_optional *o = (tn_optional *)v;
    for (int i = 0; i < o->n; i++) tn_tensor_unref(o->at[i]);
    tn_free(o);
}

tn_optional *tn_optional_new(const tn_tensor *const *values, int n)
{
    tn_optional *o = tn_calloc(1, sizeof *o + (size_t)n * sizeof o->at[0]);
    if (!o) return NULL;
    atomic_init(&o->head.refs, 1);
    o->head.release = release;
    o->head.depth = 1;
    for (; o->n < n; o->n++) {
        o->head.depth = TN_MAX(o->head.depth, 1 + tn_list_depth(values[o->n]));
        if (tn_tensor_keep(values[o->n], &o->at[o->n], NULL) == TN_OK) continue;
        release(&o->head);
        return NULL;
    }
    return o;
}

const tn_optional *tn_optional_of(const tn_variant *v)
{
    return v && v->release == release ? (const tn_optional *)v : NULL;
}

/* Output 0 becomes an optional of the first n inputs. */
static tn_code make(tn_run *r, int n, tn_error *err)
{
    tn_variant **at = r->out[0]->data;
    for (int i = 0; i < n; i++)
        if (tn_list_depth(r->in[i]) >= TN_LIST_MAX_DEPTH)
            return tn_fail(err, TN_INVALID_ARGUMENT, "optionals nested deeper than %d", TN_LIST_MAX_DEPTH);
    tn_optional *o = tn_optional_new(r->in, n);
    if (!o) return tn_no_memory(err, sizeof *o);
    tn_variant_unref(*at);
    *at = &o->head;
    return TN_OK;
}

static tn_code run_from_value(tn_run *r, tn_error *err)
{
    return make(r, r->n_in, err);
}

static tn_code run_none(tn_run *r, tn_error *err)
{
    return make(r, 0, err);
}

static tn_code optional_in(const tn_run *r, const tn_optional **out, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    *out = t->data && tn_tensor_count(t) == 1 ? tn_optional_of(*(tn_variant **)t->data) : NULL;
    return *out ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "Input is not an OptionalVariant object.");
}

static tn_code run_has_value(tn_run *r, tn_error *err)
{
    const tn_optional *o;
    TN_TRY(optional_in(r, &o, err));
    *(bool *)r->out[0]->data = o->n > 0;
    return TN_OK;
}

static tn_code run_get_value(tn_run *r, tn_error *err)
{
    const tn_optional *o;
    TN_TRY(optional_in(r, &o, err));
    if (!o->n) return tn_fail(err, TN_INVALID_ARGUMENT, "The given optional does not have a value.");
    if (o->n != r->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "The given optional has %d components, expected %d", o->n, r->n_out);
    for (int i = 0; i < r->n_out; i++) {
        if (o->at[i]->dtype != r->out[i]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "The given optional does not match the expected type for component %d. Expected: %s. "
                           "Actual: %s.",
                           i, tn_dtype_name(r->out[i]->dtype), tn_dtype_name(o->at[i]->dtype));
        TN_TRY(tn_run_output_share(r, i, o->at[i], err));
    }
    return TN_OK;
}

static tn_code infer_get_value(tn_infer *c, tn_error *err)
{
    const tn_attr *shapes = tn_attr_find(c->attrs, "output_shapes");
    if (!shapes || !shapes->is_list || shapes->n != c->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT, "output_shapes of %d components", c->n_out);
    for (int i = 0; i < c->n_out; i++) c->out[i].shape = shapes->shapes[i];
    return TN_OK;
}

static tn_code grad_from_value(tn_grad *g, tn_error *err)
{
    tn_operation *op = g->op;
    if (!g->dy[0].op) return TN_OK;
    tn_dtype types[64];
    tn_shape shapes[64];
    if (op->n_in > 64) return tn_fail(err, TN_UNIMPLEMENTED, "gradient of an optional of %d components", op->n_in);
    for (int i = 0; i < op->n_in; i++) {
        types[i] = tn_dtype_base(tn_node_dtype(op->in[i]));
        shapes[i] = op->in[i].op->out[op->in[i].index].shape;
    }
    tn_operation *get = tn_add_operation(
        g->b, "OptionalGetValue", NULL, g->dy, 1,
        TN_ATTRS(tn_attr_types("output_types", types, op->n_in),
                 ((tn_attr){.name = "output_shapes", .kind = TN_ATTR_SHAPE, .is_list = true, .n = op->n_in,
                            .shapes = shapes})));
    for (int i = 0; i < op->n_in && get; i++) tn_grad_set(g, i, tn_output_of(get, i));
    return TN_OK;
}

static tn_code grad_get_value(tn_grad *g, tn_error *err)
{
    tn_node dy[64];
    if (g->op->n_out > 64)
        return tn_fail(err, TN_UNIMPLEMENTED, "gradient of an optional of %d components", g->op->n_out);
    for (int i = 0; i < g->op->n_out; i++) dy[i] = tn_grad_dy(g, i);
    tn_operation *from = tn_add_operation(g->b, "OptionalFromValue", NULL, dy, g->op->n_out, TN_NO_ATTRS);
    if (from) tn_grad_set(g, 0, tn_output_of(from, 0));
    return TN_OK;
}

const tn_op tn_op_OptionalFromValue = {
    .name = "OptionalFromValue",
    .sig = "components:[Toutput_types] -> optional:variant; Toutput_types:list(type)>=1",
    .infer = tn_infer_scalar,
    .run = run_from_value,
    .grad = grad_from_value,
};

const tn_op tn_op_OptionalNone = {
    .name = "OptionalNone",
    .sig = "-> optional:variant;",
    .infer = tn_infer_scalar,
    .run = run_none,
    .flags = TN_NO_GRADIENT,
};

const tn_op tn_op_OptionalHasValue = {
    .name = "OptionalHasValue",
    .sig = "optional:variant -> has_value:bool;",
    .infer = tn_infer_scalar,
    .run = run_has_value,
    .flags = TN_NO_GRADIENT,
};

const tn_op tn_op_OptionalGetValue = {
    .name = "OptionalGetValue",
    .sig = "optional:variant -> components:[output_types]; output_types:list(type)>=1 output_shapes:list(shape)>=1",
    .infer = infer_get_value,
    .run = run_get_value,
    .grad = grad_get_value,
    .dynamic = ~0u,
};
