/* SPDX-License-Identifier: Apache-2.0
 *
 * op_list.c - TensorFlow's lists of tensors: made, pushed, popped, set, read, stacked. What a list is
 * stands in list.h. An element that was never set reads as zeros, as in TensorFlow.
 */
#include "../kernel/kernel.h"
#include "list.h"
#include "op_list.h"

/* ==== helpers ==== */

tn_code tn_list_put(tn_run *r, int o, tn_list *l, tn_error *err)
{
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_variant **at = r->out[o]->data;
    tn_variant_unref(*at);
    *at = &l->head;
    return TN_OK;
}

/* Puts an element into a list that nobody else has yet (takes both; the list is replaced). */
tn_code tn_list_put_item(tn_list **l, int64_t i, tn_tensor *item, tn_error *err)
{
    tn_list *next = tn_list_with(*l, i, item);
    tn_tensor_unref(item);
    if (!next) return tn_no_memory(err, sizeof *next);
    tn_variant_unref(&(*l)->head);
    *l = next;
    return TN_OK;
}

/* An element shape: a scalar -1 for any, or a vector whose -1 are unknown. */
tn_code tn_list_shape_input(const tn_tensor *t, tn_shape *out, tn_error *err)
{
    *out = tn_shape_unknown();
    if (t->shape.rank == 0) {
        if (tn_tensor_int(t, 0) == -1) return TN_OK;
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The only valid scalar shape tensor is the fully unknown shape specified as -1.");
    }
    int64_t n = tn_tensor_count(t);
    if (t->shape.rank != 1 || n > TN_MAX_RANK) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "an element shape must be a vector of at most %d dimensions",
                       TN_MAX_RANK);
    }
    out->rank = (int)n;
    for (int i = 0; i < n; i++) out->dim[i] = TN_MAX(tn_tensor_int(t, i), -1);
    return TN_OK;
}

tn_code tn_list_scalar_input(const tn_run *r, int i, int64_t *out, tn_error *err)
{
    if (tn_tensor_count(r->in[i]) != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input %d must be a scalar", i);
    *out = tn_tensor_int(r->in[i], 0);
    return TN_OK;
}

tn_code tn_list_input(const tn_run *r, const tn_list **out, tn_error *err)
{
    TN_TRY(tn_list_of(r->in[0], out, err));
    tn_dtype wanted = tn_attr_t(r->attrs, "element_dtype");
    if (wanted == TN_INVALID_DTYPE || wanted == (*out)->dtype) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid data types; op elements %s but list elements %s",
                   tn_dtype_name(wanted), tn_dtype_name((*out)->dtype));
}

/* What is known of an element's shape from the shape input, at index i. */
void tn_list_infer_element(tn_infer *c, int i, tn_shape *out)
{
    tn_shape ints;
    *out = tn_shape_unknown();
    if (c->in[i]->shape.rank == 1 && tn_infer_ints(c, i, &ints)) *out = ints;
}

/* Zeros in place of an element that was never set. */
static tn_code zeros(tn_run *r, int o, const tn_list *l, const tn_shape *asked, tn_error *err)
{
    char text[160];
    tn_shape s = *asked;
    tn_tensor *t = NULL;
    TN_TRY(tn_shape_merge(asked, &l->element_shape, &s, err));
    for (int64_t i = 0; !tn_shape_known(&s) && i < l->n; i++) {
        const tn_tensor *other = tn_list_at(l, i);
        if (other) TN_TRY(tn_shape_merge(&s, &other->shape, &s, err));
    }
    if (!tn_shape_known(&s)) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Trying to read an uninitialized tensor but element_shape is not fully defined: %s",
                       tn_shape_text(&s, text, sizeof text));
    }
    TN_TRY(tn_tensor_new(l->dtype, &s, &t, err));
    tn_code code = tn_run_output_share(r, o, t, err);
    tn_tensor_unref(t);
    return code;
}

static tn_code read_element(tn_run *r, int o, const tn_list *l, int64_t i, const tn_shape *asked,
                            tn_error *err)
{
    char is[160], wanted[160];
    const tn_tensor *item = tn_list_at(l, i);
    if (!item) return zeros(r, o, l, asked, err);
    if (tn_shape_compatible(&item->shape, asked)) return tn_run_output_share(r, o, item, err);
    return tn_fail(err, TN_INVALID_ARGUMENT, "Tried to read an element of shape %s as %s",
                   tn_shape_text(&item->shape, is, sizeof is), tn_shape_text(asked, wanted, sizeof wanted));
}

tn_code tn_list_check_item(const tn_list *l, const tn_tensor *item, const char *what, tn_error *err)
{
    if (tn_list_depth(item) >= TN_LIST_MAX_DEPTH) {
        return tn_fail(err, TN_INVALID_ARGUMENT, "lists of lists nested deeper than %d", TN_LIST_MAX_DEPTH);
    }
    char is[160], wanted[160];
    if (tn_shape_compatible(&item->shape, &l->element_shape)) return TN_OK;
    return tn_fail(
        err, TN_INVALID_ARGUMENT,
        "Tried to %s a tensor with incompatible shape to a list. Op element shape: %s list shape: %s", what,
        tn_shape_text(&item->shape, is, sizeof is), tn_shape_text(&l->element_shape, wanted, sizeof wanted));
}

#define LIST_SHAPES "element_dtype:type shape_type:type{int32,int64}"

/* ==== making ==== */

static tn_code run_empty(tn_run *r, tn_error *err)
{
    tn_shape s;
    int64_t most = 0;
    TN_TRY(tn_list_shape_input(r->in[0], &s, err));
    TN_TRY(tn_list_scalar_input(r, 1, &most, err));
    return tn_list_put(r, 0, tn_list_new(tn_attr_t(r->attrs, "element_dtype"), &s, most, 0), err);
}

const tn_op tn_op_EmptyTensorList = {
    .name = "EmptyTensorList",
    .sig = "element_shape:shape_type max_num_elements:int32 -> handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = run_empty,
    .flags = TN_NO_GRADIENT,
};

static tn_code run_reserve(tn_run *r, tn_error *err)
{
    tn_shape s;
    int64_t n = 0;
    TN_TRY(tn_list_shape_input(r->in[0], &s, err));
    TN_TRY(tn_list_scalar_input(r, 1, &n, err));
    if (n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The num_elements to reserve must be a non negative number, but got %lld",
                       (long long)n);
    return tn_list_put(r, 0, tn_list_new(tn_attr_t(r->attrs, "element_dtype"), &s, -1, n), err);
}

const tn_op tn_op_TensorListReserve = {
    .name = "TensorListReserve",
    .sig = "element_shape:shape_type num_elements:int32 -> handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = run_reserve,
    .flags = TN_NO_GRADIENT,
};

/* Row i of a tensor, as a tensor of its own. */
tn_code tn_list_row(const tn_tensor *t, int64_t i, tn_tensor **out, tn_error *err)
{
    tn_shape s = t->shape;
    s.rank--;
    memmove(s.dim, s.dim + 1, (size_t)s.rank * sizeof s.dim[0]);
    size_t row = (size_t)tn_shape_count(&s) * tn_dtype_size(t->dtype);
    tn_tensor view = tn_tensor_view(t->dtype, &s, (char *)t->data + (size_t)i * row);
    return tn_tensor_copy(&view, out, err);
}

static tn_code fill_from(const tn_run *r, const tn_tensor *t, tn_list **list, tn_error *err)
{
    for (int64_t i = 0; i < t->shape.dim[0]; i++) {
        tn_tensor *row = NULL;
        if (i % 1024 == 1023 && tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        TN_TRY(tn_list_row(t, i, &row, err));
        tn_list *next = tn_list_with(*list, i, row);
        tn_tensor_unref(row);
        if (!next) return tn_no_memory(err, tn_tensor_bytes(t));
        tn_variant_unref(&(*list)->head);
        *list = next;
    }
    return TN_OK;
}

static tn_code run_from_tensor(tn_run *r, tn_error *err)
{
    tn_shape s;
    const tn_tensor *t = r->in[0];
    TN_TRY(tn_list_shape_input(r->in[1], &s, err));
    if (t->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be at least a vector, but saw shape: []");
    tn_list *l = tn_list_new(t->dtype, &s, -1, t->shape.dim[0]);
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = fill_from(r, t, &l, err);
    const tn_tensor *first = !code && l->n ? tn_list_at(l, 0) : NULL;
    if (first) code = tn_list_check_item(l, first, "make", err);
    if (!code) return tn_list_put(r, 0, l, err);
    tn_variant_unref(&l->head);
    return code;
}

/* ==== gradients' helpers ==== */

tn_node tn_list_op(tn_grad *g, const char *type, const tn_node *in, int n_in, tn_dtype t)
{
    return tn_op(g->b, type, in, n_in, TN_ATTRS(tn_attr_type("element_dtype", t)));
}

tn_dtype tn_list_element_type(const tn_grad *g)
{
    return tn_attr_t(&g->op->attrs, "element_dtype");
}

/* The element shape a list was made with, as int32. */
tn_node tn_list_element_shape_of(tn_grad *g, tn_node list)
{
    return tn_op(g->b, "TensorListElementShape", TN_INPUTS(list),
                 TN_ATTRS(tn_attr_type("shape_type", TN_INT32)));
}

static tn_code grad_from_tensor(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_shape s = tn_node_shape(tn_grad_in(g, 0));
    tn_node shape = tn_list_element_shape_of(g, g->dy[0]);
    int64_t n = s.rank > 0 ? s.dim[0] : -1;
    tn_grad_set(
        g, 0,
        tn_op(g->b, "TensorListStack", TN_INPUTS(g->dy[0], shape),
              TN_ATTRS(tn_attr_type("element_dtype", tn_list_element_type(g)), tn_attr_int("num_elements", n))));
    return TN_OK;
}

const tn_op tn_op_TensorListFromTensor = {
    .name = "TensorListFromTensor",
    .sig = "tensor:element_dtype element_shape:shape_type -> output_handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = run_from_tensor,
    .grad = grad_from_tensor,
};

/* ==== push and pop ==== */

static tn_code run_push(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_check_item(l, r->in[1], "append", err));
    if (l->most >= 0 && l->n >= l->most) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Tried to push item into a full list list size: %lld max_num_elements: %lld",
                       (long long)l->n, (long long)l->most);
    }
    return tn_list_put(r, 0, tn_list_with(l, l->n, r->in[1]), err);
}

/* Popping gives back both: the element's gradient and the list's. */
static tn_code grad_push(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node shape = tn_shape_of(g->b, tn_grad_in(g, 1));
    tn_node pop = tn_list_op(g, "TensorListPopBack", (tn_node[]){tn_grad_dy(g, 0), shape}, 2, tn_list_element_type(g));
    tn_grad_set(g, 0, pop);
    if (pop.op) tn_grad_set(g, 1, tn_output_of(pop.op, 1));
    return TN_OK;
}

const tn_op tn_op_TensorListPushBack = {
    .name = "TensorListPushBack",
    .sig = "input_handle:variant tensor:element_dtype -> output_handle:variant; element_dtype:type",
    .infer = tn_infer_scalar,
    .run = run_push,
    .grad = grad_push,
};

static tn_code infer_pop(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].shape = TN_SHAPE();
    tn_list_infer_element(c, 1, &c->out[1].shape);
    return TN_OK;
}

static tn_code run_pop(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    tn_shape s;
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_shape_input(r->in[1], &s, err));
    if (l->n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to pop from an empty list.");
    TN_TRY(read_element(r, 1, l, l->n - 1, &s, err));
    return tn_list_put(r, 0, tn_list_resized(l, l->n - 1), err);
}

static tn_code grad_pop(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node list = g->dy[0];
    if (!list.op) {
        tn_node most = tn_scalar(g->b, TN_INT32, -1);
        list = tn_list_op(g, "EmptyTensorList", (tn_node[]){tn_list_element_shape_of(g, tn_grad_out(g, 0)), most}, 2,
                       tn_list_element_type(g));
    }
    tn_grad_set(g, 0,
                tn_list_op(g, "TensorListPushBack", (tn_node[]){list, tn_grad_dy(g, 1)}, 2, tn_list_element_type(g)));
    return TN_OK;
}

const tn_op tn_op_TensorListPopBack = {
    .name = "TensorListPopBack",
    .sig = "input_handle:variant element_shape:int32 -> output_handle:variant tensor:element_dtype; "
           "element_dtype:type",
    .infer = infer_pop,
    .run = run_pop,
    .grad = grad_pop,
    .values = TN_BIT(1),
    .dynamic = TN_BIT(1),
};

/* ==== elements ==== */

static tn_code check_index(const tn_list *l, int64_t i, const char *what, tn_error *err)
{
    if (i >= 0 && i < l->n) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to %s element %lld in a list with %lld elements.", what,
                   (long long)i, (long long)l->n);
}

static tn_code run_set(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    int64_t i = 0;
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_scalar_input(r, 1, &i, err));
    bool grows = tn_attr_b(r->attrs, "resize_if_index_out_of_bounds") && i >= l->n;
    if (!grows) TN_TRY(check_index(l, i, "modify", err));
    TN_TRY(tn_list_check_item(l, r->in[2], "set", err));
    return tn_list_put(r, 0, tn_list_with(l, i, r->in[2]), err);
}

/* The list's gradient has nothing where the element was replaced. */
static tn_code grad_set(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0), index = tn_grad_in(g, 1), item = tn_grad_in(g, 2);
    tn_dtype t = tn_list_element_type(g);
    tn_grad_set(g, 0,
                tn_list_op(g, "TensorListSetItem", (tn_node[]){dy, index, tn_zeros_like(g->b, item)}, 3, t));
    tn_grad_set(g, 2, tn_list_op(g, "TensorListGetItem", (tn_node[]){dy, index, tn_shape_of(g->b, item)}, 3, t));
    return TN_OK;
}

const tn_op tn_op_TensorListSetItem = {
    .name = "TensorListSetItem",
    .sig = "input_handle:variant index:int32 item:element_dtype -> output_handle:variant; element_dtype:type "
           "resize_if_index_out_of_bounds:bool=false",
    .infer = tn_infer_scalar,
    .run = run_set,
    .grad = grad_set,
};

static tn_code infer_get(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_list_infer_element(c, 2, &c->out[0].shape);
    return TN_OK;
}

static tn_code run_get(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    int64_t i = 0;
    tn_shape s;
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_scalar_input(r, 1, &i, err));
    TN_TRY(tn_list_shape_input(r->in[2], &s, err));
    TN_TRY(check_index(l, i, "access", err));
    return read_element(r, 0, l, i, &s, err);
}

static tn_code grad_get(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node list = tn_grad_in(g, 0), length = tn_op(g->b, "TensorListLength", TN_INPUTS(list), TN_NO_ATTRS);
    tn_dtype t = tn_list_element_type(g);
    tn_node empty = tn_list_op(g, "TensorListReserve", (tn_node[]){tn_list_element_shape_of(g, list), length}, 2, t);
    tn_grad_set(g, 0, tn_list_op(g, "TensorListSetItem", (tn_node[]){empty, tn_grad_in(g, 1), g->dy[0]}, 3, t));
    return TN_OK;
}

const tn_op tn_op_TensorListGetItem = {
    .name = "TensorListGetItem",
    .sig = "input_handle:variant index:int32 element_shape:Tshape -> item:element_dtype; element_dtype:type "
           "Tshape:type{int32,int64}=int32",
    .infer = infer_get,
    .run = run_get,
    .grad = grad_get,
    .values = TN_BIT(2),
    .dynamic = TN_BIT(0),
};

/* ==== the whole list ==== */

static tn_code infer_stack(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape element, *out = &c->out[0].shape;
    tn_list_infer_element(c, 1, &element);
    if (element.rank < 0 || element.rank == TN_MAX_RANK) return TN_OK;
    out->rank = element.rank + 1;
    out->dim[0] = TN_MAX(tn_attr_i(c->attrs, "num_elements"), -1);
    memcpy(out->dim + 1, element.dim, (size_t)element.rank * sizeof element.dim[0]);
    return TN_OK;
}

/* The shape all elements have. */
static tn_code common_shape(const tn_list *l, tn_shape *s, tn_error *err)
{
    char text[160];
    TN_TRY(tn_shape_merge(s, &l->element_shape, s, err));
    for (int64_t i = 0; i < l->n; i++) {
        const tn_tensor *item = tn_list_at(l, i);
        if (item && tn_shape_merge(s, &item->shape, s, err))
            return tn_wrap(err, "element %lld", (long long)i);
    }
    if (tn_shape_known(s)) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Tried to stack elements of %s list with non-fully-defined element_shape: %s",
                   l->n ? "a" : "an empty", tn_shape_text(s, text, sizeof text));
}

static tn_code copy_strings(const tn_tensor *item, int64_t first, int64_t count, tn_tensor *out, tn_error *err)
{
    for (int64_t k = 0; k < count; k++) {
        const tn_string *s = &TN_STRINGS(item)[k];
        TN_TRY(tn_string_set(out, first + k, s->p, s->n, err));
    }
    return TN_OK;
}

static void share_variants(const tn_tensor *item, int64_t first, int64_t count, tn_tensor *out)
{
    tn_variant **to = (tn_variant **)out->data + first, **from = item->data;
    for (int64_t k = 0; k < count; k++) {
        tn_variant *before = to[k];
        to[k] = from[k] ? tn_variant_ref(from[k]) : NULL;
        if (before) tn_variant_unref(before);
    }
}

static tn_code copy_rows(const tn_list *l, int64_t count, tn_tensor *out, tn_error *err)
{
    size_t row = (size_t)count * tn_dtype_size(out->dtype);
    for (int64_t i = 0; i < l->n; i++) {
        const tn_tensor *item = tn_list_at(l, i);
        char *to = (char *)out->data + (size_t)i * row;
        if (out->dtype == TN_STRING) {
            if (item) TN_TRY(copy_strings(item, i * count, count, out, err));
        } else if (out->dtype == TN_VARIANT) {
            if (item) share_variants(item, i * count, count, out);
        } else if (row && item) {
            memcpy(to, item->data, row);
        } else if (row) {
            memset(to, 0, row);
        }
    }
    return TN_OK;
}

static tn_code run_stack(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    tn_shape s, all;
    int64_t wanted = tn_attr_i(r->attrs, "num_elements");
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_shape_input(r->in[1], &s, err));
    if (wanted >= 0 && wanted != l->n) {
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Operation expected a list with %lld elements but got a list with %lld elements.",
                       (long long)wanted, (long long)l->n);
    }
    TN_TRY(common_shape(l, &s, err));
    bool known = tn_dtype_is_pod(l->dtype) || l->dtype == TN_STRING || l->dtype == TN_VARIANT;
    if (s.rank == TN_MAX_RANK || !known) {
        return tn_fail(err, TN_UNIMPLEMENTED, "elements of %s and rank %d cannot be stacked",
                       tn_dtype_name(l->dtype), s.rank);
    }
    all.rank = s.rank + 1;
    all.dim[0] = l->n;
    memcpy(all.dim + 1, s.dim, (size_t)s.rank * sizeof s.dim[0]);
    TN_TRY(tn_run_output(r, 0, &all, err));
    return copy_rows(l, tn_shape_count(&s), r->out[0], err);
}

static tn_code grad_stack(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node shape = tn_list_element_shape_of(g, tn_grad_in(g, 0));
    tn_grad_set(g, 0, tn_list_op(g, "TensorListFromTensor", (tn_node[]){g->dy[0], shape}, 2, tn_list_element_type(g)));
    return TN_OK;
}

const tn_op tn_op_TensorListStack = {
    .name = "TensorListStack",
    .sig = "input_handle:variant element_shape:int32 -> tensor:element_dtype; element_dtype:type "
           "num_elements:int=-1",
    .infer = infer_stack,
    .run = run_stack,
    .grad = grad_stack,
    .values = TN_BIT(1),
    .dynamic = TN_BIT(0),
};

static tn_code run_length(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    TN_TRY(tn_list_of(r->in[0], &l, err));
    TN_INT32S(r->out[0])[0] = (int32_t)l->n;
    return TN_OK;
}

const tn_op tn_op_TensorListLength = {
    .name = "TensorListLength",
    .sig = "input_handle:variant -> length:int32;",
    .infer = tn_infer_scalar,
    .run = run_length,
    .flags = TN_NO_GRADIENT,
};

static tn_code run_element_shape(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    TN_TRY(tn_list_of(r->in[0], &l, err));
    int rank = l->element_shape.rank;
    tn_shape s = rank < 0 ? TN_SHAPE() : tn_shape_vector(rank);
    TN_TRY(tn_run_output(r, 0, &s, err));
    for (int i = 0; i < TN_MAX(rank, 0) || i == 0; i++) {
        int64_t dim = rank < 0 ? -1 : l->element_shape.dim[i];
        if (i < tn_tensor_count(r->out[0])) tn_tensor_set_number(r->out[0], i, (double)dim);
    }
    return TN_OK;
}

const tn_op tn_op_TensorListElementShape = {
    .name = "TensorListElementShape",
    .sig = "input_handle:variant -> element_shape:shape_type; shape_type:type{int32,int64}",
    .infer = tn_infer_none,
    .run = run_element_shape,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0),
};

static tn_code run_resize(tn_run *r, tn_error *err)
{
    const tn_list *l = NULL;
    int64_t n = 0;
    TN_TRY(tn_list_of(r->in[0], &l, err));
    TN_TRY(tn_list_scalar_input(r, 1, &n, err));
    if (n < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "TensorListSlice expects size to be non-negative. Got: %lld",
                       (long long)n);
    return tn_list_put(r, 0, tn_list_resized(l, n), err);
}

static tn_code grad_resize(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node length = tn_op(g->b, "TensorListLength", TN_INPUTS(tn_grad_in(g, 0)), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(g->b, "TensorListResize", TN_INPUTS(g->dy[0], length), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_TensorListResize = {
    .name = "TensorListResize",
    .sig = "input_handle:variant size:int32 -> output_handle:variant;",
    .infer = tn_infer_scalar,
    .run = run_resize,
    .grad = grad_resize,
};
