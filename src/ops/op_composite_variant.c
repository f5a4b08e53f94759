/* SPDX-License-Identifier: Apache-2.0
 *
 * op_composite_variant.c - a composite tensor (a ragged or sparse one, a type of the user's) as one variant:
 * its tensors, and which class of types it is. The attribute metadata says it.
 */
#include "../wire/proto.h"
#include "boxed.h"
#include "sparse.h"

/* The number of the type's class, the box's first item. */
static tn_code class_of(const tn_attrs *attrs, tn_arena *a, tn_tensor **out, tn_error *err)
{
    tn_view bytes = {0};
    const tn_shape scalar = TN_SHAPE();
    tn_CompositeTensorVariantMetadata *metadata;
    tn_attr_get_string(attrs, "metadata", &bytes);
    if (TN_DECODE(CompositeTensorVariantMetadata, bytes, a, &metadata, NULL) != TN_OK)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Error parsing metadata");
    TN_TRY(tn_tensor_new(TN_INT32, &scalar, out, err));
    *TN_INT32S(*out) = metadata->type_spec_proto ? metadata->type_spec_proto->type_spec_class : 0;
    return TN_OK;
}

static tn_code from_components(tn_run *r, tn_arena *a, tn_error *err)
{
    tn_tensor *type = NULL;
    tn_box *box;
    tn_variant **at = r->out[0]->data;
    const tn_tensor **item = TN_ARRAY(a, r->n_in + 1, const tn_tensor *);
    if (!item) return tn_no_memory(err, (size_t)r->n_in * sizeof *item);
    TN_TRY(class_of(r->attrs, a, &type, err));
    item[0] = type;
    for (int i = 0; i < r->n_in; i++) item[1 + i] = r->in[i];
    tn_code code = tn_box_new(item, r->n_in + 1, &box, err);
    tn_tensor_unref(type);
    if (code != TN_OK) return code;
    tn_variant_unref(*at);
    *at = &box->head;
    return TN_OK;
}
TN_RUN_IN_ARENA(from_run, from_components)

/* The box of a composite tensor. */
static tn_code composite_in(const tn_run *r, const tn_box **out, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    const tn_box *b = tn_tensor_count(t) == 1 ? tn_box_or_none(*(tn_variant **)t->data) : NULL;
    if (!b || b->n < 1 || b->item[0]->dtype != TN_INT32 || b->item[0]->shape.rank != 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The input `encoded` is not a valid CompositeTensorVariant tensor");
    *out = b;
    return TN_OK;
}

static tn_code check_class(const tn_box *b, tn_tensor *wanted, tn_error *err)
{
    int have = *TN_INT32S(b->item[0]), want = *TN_INT32S(wanted);
    tn_tensor_unref(wanted);
    if (have == want) return TN_OK;
    const char *names[] = {tn_proto_value_name(&tn_proto_enum_TypeSpecClass, want),
                           tn_proto_value_name(&tn_proto_enum_TypeSpecClass, have)};
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Expected a %s (based on `type_spec`), but `encoded` contains a %s",
                   names[0] ? names[0] : "?", names[1] ? names[1] : "?");
}

static tn_code to_components(tn_run *r, tn_arena *a, tn_error *err)
{
    const tn_box *b = NULL;
    tn_tensor *type = NULL;
    TN_TRY(composite_in(r, &b, err));
    TN_TRY(class_of(r->attrs, a, &type, err));
    TN_TRY(check_class(b, type, err));
    if (b->n - 1 != r->n_out)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Encoded value has %d tensor components; expected %d components based on type_spec",
                       b->n - 1, r->n_out);
    for (int i = 0; i < r->n_out; i++) {
        if (b->item[1 + i]->dtype != r->out[i]->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor component %d had dtype %s; expected dtype %s", i,
                           tn_dtype_name(b->item[1 + i]->dtype), tn_dtype_name(r->out[i]->dtype));
        TN_TRY(tn_run_output_share(r, i, b->item[1 + i], err));
    }
    return TN_OK;
}
TN_RUN_IN_ARENA(to_run, to_components)

/* ==== gradients ==== each is the other's */

enum { MOST = 64 };

static tn_attr metadata_of(const tn_operation *op)
{
    tn_attr a = *tn_attr_find(&op->attrs, "metadata");
    a.name = "metadata";
    return a;
}

static tn_code from_grad(tn_grad *g, tn_error *err)
{
    tn_operation *op = g->op;
    tn_dtype types[MOST];
    if (!g->dy[0].op) return TN_OK;
    if (op->n_in > MOST)
        return tn_fail(err, TN_UNIMPLEMENTED, "gradient of a composite tensor of %d components", op->n_in);
    for (int i = 0; i < op->n_in; i++) types[i] = tn_dtype_base(tn_node_dtype(op->in[i]));
    tn_operation *to =
        tn_add_operation(g->b, "CompositeTensorVariantToComponents", NULL, g->dy, 1,
                         TN_ATTRS(metadata_of(op), tn_attr_types("Tcomponents", types, op->n_in)));
    for (int i = 0; i < op->n_in && to; i++) tn_grad_set(g, i, tn_output_of(to, i));
    return TN_OK;
}

/* Components without a gradient stay as they are. */
static tn_code to_grad(tn_grad *g, tn_error *err)
{
    tn_node dy[MOST];
    int n = g->op->n_out;
    if (n > MOST) return tn_fail(err, TN_UNIMPLEMENTED, "gradient of a composite tensor of %d components", n);
    for (int i = 0; i < n; i++) dy[i] = g->dy[i].op ? g->dy[i] : tn_grad_out(g, i);
    tn_operation *from = tn_add_operation(g->b, "CompositeTensorVariantFromComponents", NULL, dy, n,
                                          TN_ATTRS(metadata_of(g->op)));
    if (from) tn_grad_set(g, 0, tn_output_of(from, 0));
    return TN_OK;
}

const tn_op tn_op_CompositeTensorVariantFromComponents = {
    .name = "CompositeTensorVariantFromComponents",
    .sig = "components:[Tcomponents] -> encoded:variant; metadata:string Tcomponents:list(type)>=0",
    .infer = tn_infer_scalar,
    .run = from_run,
    .grad = from_grad,
};

const tn_op tn_op_CompositeTensorVariantToComponents = {
    .name = "CompositeTensorVariantToComponents",
    .sig = "encoded:variant -> components:[Tcomponents]; metadata:string Tcomponents:list(type)>=0",
    .infer = tn_infer_none,
    .run = to_run,
    .grad = to_grad,
    .dynamic = ~0u,
};
