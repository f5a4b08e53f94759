/* SPDX-License-Identifier: Apache-2.0
 *
 * op_list_rows.c - lists of tensors from and to rows: gathered, scattered, split, concatenated; and lists by
 * batches.
 */
#include "op_list.h"
#include "op_math.h"
#include "op_move.h"

/* ==== gather ==== */

/* The shape all elements at these indices have; unset ones have the list's. */
static tn_code gathered_shape(const tn_run *r, const tn_list *l, tn_shape *s, tn_error *err)
{
    char text[160];
    TN_TRY(tn_shape_merge(s, &l->element_shape, s, err));
    for (int64_t k = 0; k < tn_tensor_count(r->in[1]); k++) {
        int64_t i = tn_tensor_int(r->in[1], k);
        if (i < 0 || i >= l->n)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Index %lld out o range; list only has %lld elements.",
                           (long long)i, (long long)l->n);
        const tn_tensor *item = tn_list_at(l, i);
        if (item && tn_shape_merge(s, &item->shape, s, err))
            return tn_wrap(err, "element %lld", (long long)i);
    }
    if (tn_shape_known(s) && s->rank < TN_MAX_RANK) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Tried to gather elements with non-fully-defined shape: %s",
                   tn_shape_text(s, text, sizeof text));
}

static tn_code clear_row(tn_tensor *out, int64_t at, int64_t n)
{
    if (tn_dtype_is_pod(out->dtype) && n)
        memset((char *)out->data + (size_t)at * tn_dtype_size(out->dtype), 0,
               (size_t)n * tn_dtype_size(out->dtype));
    return TN_OK;
}

static tn_code gather_run(tn_run *r, tn_error *err)
{
    const tn_list *l;
    tn_shape s, all = {.rank = 1, .dim = {tn_tensor_count(r->in[1])}};
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(tn_list_shape_input(r->in[2], &s, err));
    TN_TRY(gathered_shape(r, l, &s, err));
    for (int k = 0; k < s.rank; k++) all.dim[all.rank++] = s.dim[k];
    TN_TRY(tn_run_output(r, 0, &all, err));
    int64_t n = tn_shape_count(&s);
    for (int64_t k = 0; k < all.dim[0]; k++) {
        const tn_tensor *item = tn_list_at(l, tn_tensor_int(r->in[1], k));
        TN_TRY(item ? tn_move_row(r->out[0], k * n, item, 0, n, err) : clear_row(r->out[0], k * n, n));
    }
    return TN_OK;
}

static tn_code gather_infer(tn_infer *c, tn_error *err)
{
    tn_shape s, *out = &c->out[0].shape;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_list_infer_element(c, 2, &s);
    if (s.rank < 0 || s.rank == TN_MAX_RANK) return TN_OK;
    out->rank = s.rank + 1;
    out->dim[0] = c->in[1]->shape.rank == 1 ? c->in[1]->shape.dim[0] : -1;
    memcpy(out->dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
    return TN_OK;
}

static tn_code gather_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node list = tn_grad_in(g, 0), length = tn_op(g->b, "TensorListLength", TN_INPUTS(list), TN_NO_ATTRS);
    tn_dtype t = tn_list_element_type(g);
    tn_node empty =
        tn_list_op(g, "TensorListReserve", TN_INPUTS(tn_list_element_shape_of(g, list), length), t);
    tn_grad_set(
        g, 0,
        tn_list_op(g, "TensorListScatterIntoExistingList", TN_INPUTS(empty, g->dy[0], tn_grad_in(g, 1)), t));
    return TN_OK;
}

const tn_op tn_op_TensorListGather = {
    .name = "TensorListGather",
    .sig =
        "input_handle:variant indices:int32 element_shape:int32 -> values:element_dtype; element_dtype:type",
    .infer = gather_infer,
    .run = gather_run,
    .grad = gather_grad,
    .values = TN_BIT(2),
    .dynamic = TN_BIT(0),
};

/* ==== scatter ==== */

static tn_code check_rows(const tn_tensor *t, const tn_tensor *indices, int64_t *most, tn_error *err)
{
    char text[160];
    if (t->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be at least a vector, but saw shape: []");
    if (tn_tensor_count(indices) != t->shape.dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Specified a list with %lld indices from a tensor with shape %s",
                       (long long)tn_tensor_count(indices), tn_shape_text(&t->shape, text, sizeof text));
    for (int64_t k = 0; k < tn_tensor_count(indices); k++) {
        int64_t i = tn_tensor_int(indices, k);
        if (i < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Indices in TensorListScatter must all be non-negative, but got %lld",
                           (long long)i);
        *most = TN_MAX(*most, i + 1);
    }
    return TN_OK;
}

static tn_code set_rows(tn_list **l, const tn_tensor *t, const tn_tensor *indices, tn_error *err)
{
    for (int64_t k = 0; k < t->shape.dim[0]; k++) {
        tn_tensor *row;
        TN_TRY(tn_list_row(t, k, &row, err));
        tn_code code = tn_list_check_item(*l, row, "scatter", err);
        if (code != TN_OK) {
            tn_tensor_unref(row);
            return code;
        }
        TN_TRY(tn_list_put_item(l, tn_tensor_int(indices, k), row, err));
    }
    return TN_OK;
}

/* Output 0 is l (taken) with the rows put in. */
static tn_code put_rows(tn_run *r, tn_list *l, const tn_tensor *t, const tn_tensor *indices, tn_error *err)
{
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = set_rows(&l, t, indices, err);
    if (code == TN_OK) return tn_list_put(r, 0, l, err);
    tn_variant_unref(&l->head);
    return code;
}

static tn_code scatter_run(tn_run *r, tn_error *err)
{
    tn_shape s;
    int64_t n = -1, most = 0;
    TN_TRY(tn_list_shape_input(r->in[2], &s, err));
    TN_TRY(check_rows(r->in[0], r->in[1], &most, err));
    if (r->n_in == 4) TN_TRY(tn_list_scalar_input(r, 3, &n, err));
    if (n < -1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "TensorListScatter expects num_elements >= -1, found: %lld",
                       (long long)n);
    if (n >= 0 && most > n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorListScatter: Trying to scatter at index %lld in list with size %lld",
                       (long long)(most - 1), (long long)n);
    tn_list *l = tn_list_new(r->in[0]->dtype, &s, -1, n < 0 ? most : n);
    return put_rows(r, l, r->in[0], r->in[1], err);
}

static tn_code scatter_into_run(tn_run *r, tn_error *err)
{
    const tn_list *l;
    int64_t most = 0;
    TN_TRY(tn_list_input(r, &l, err));
    TN_TRY(check_rows(r->in[1], r->in[2], &most, err));
    return put_rows(r, tn_list_resized(l, TN_MAX(l->n, most)), r->in[1], r->in[2], err);
}

/* The shape of a row of x, as int32. */
static tn_node row_shape(tn_grad *g, tn_node x)
{
    tn_node shape = tn_op(g->b, "Shape", TN_INPUTS(x), TN_NO_ATTRS);
    int64_t one = 1, rest = -1;
    return tn_op(g->b, "Slice", TN_INPUTS(shape, tn_ints(g->b, &one, 1), tn_ints(g->b, &rest, 1)),
                 TN_NO_ATTRS);
}

static tn_code scatter_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 0);
    tn_grad_set(g, 0,
                tn_list_op(g, "TensorListGather", TN_INPUTS(g->dy[0], tn_grad_in(g, 1), row_shape(g, x)),
                           tn_list_element_type(g)));
    return TN_OK;
}

static tn_code scatter_into_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 1), indices = tn_grad_in(g, 2), dy = g->dy[0];
    tn_dtype t = tn_list_element_type(g);
    tn_node zeros = tn_zeros_like(g->b, x);
    tn_grad_set(g, 0, tn_list_op(g, "TensorListScatterIntoExistingList", TN_INPUTS(dy, zeros, indices), t));
    tn_grad_set(g, 1, tn_list_op(g, "TensorListGather", TN_INPUTS(dy, indices, row_shape(g, x)), t));
    return TN_OK;
}

#define LIST_SHAPES "element_dtype:type shape_type:type{int32,int64}"
const tn_op tn_op_TensorListScatter = {
    .name = "TensorListScatter",
    .sig =
        "tensor:element_dtype indices:int32 element_shape:shape_type -> output_handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = scatter_run,
    .grad = scatter_grad,
};
const tn_op tn_op_TensorListScatterV2 = {
    .name = "TensorListScatterV2",
    .sig = "tensor:element_dtype indices:int32 element_shape:shape_type num_elements:int32 -> "
           "output_handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = scatter_run,
    .grad = scatter_grad,
};
const tn_op tn_op_TensorListScatterIntoExistingList = {
    .name = "TensorListScatterIntoExistingList",
    .sig = "input_handle:variant tensor:element_dtype indices:int32 -> output_handle:variant; "
           "element_dtype:type",
    .infer = tn_infer_scalar,
    .run = scatter_into_run,
    .grad = scatter_into_grad,
};

/* ==== split ==== */

static tn_code check_lengths(const tn_tensor *t, const tn_tensor *lengths, tn_error *err)
{
    int64_t sum = 0;
    if (lengths->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected lengths to be a vector, received shape of rank %d",
                       lengths->shape.rank);
    if (t->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor must be at least a vector, but saw shape: []");
    for (int64_t k = 0; k < tn_tensor_count(lengths); k++) {
        int64_t n = tn_tensor_int(lengths, k);
        if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid value in lengths: %lld", (long long)n);
        if (n > t->shape.dim[0] - sum)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Attempting to slice [%lld, %lld] from tensor with length %lld", (long long)sum,
                           (long long)(sum + n), (long long)t->shape.dim[0]);
        sum += n;
    }
    if (sum == t->shape.dim[0]) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Unused values in tensor. Length of tensor: %lld Values used: %lld",
                   (long long)t->shape.dim[0], (long long)sum);
}

static tn_code split_into(tn_list **l, const tn_tensor *t, const tn_tensor *lengths, tn_error *err)
{
    int64_t inner = tn_shape_product(&t->shape, 1, t->shape.rank), at = 0;
    for (int64_t k = 0; k < tn_tensor_count(lengths); k++) {
        tn_tensor *part;
        tn_shape s = t->shape;
        s.dim[0] = tn_tensor_int(lengths, k);
        tn_tensor view =
            tn_tensor_view(t->dtype, &s, (char *)t->data + (size_t)(at * inner) * tn_dtype_size(t->dtype));
        TN_TRY(tn_tensor_copy(&view, &part, err));
        TN_TRY(tn_list_put_item(l, k, part, err));
        at += s.dim[0];
    }
    return TN_OK;
}

static tn_code split_run(tn_run *r, tn_error *err)
{
    tn_shape s, row;
    const tn_tensor *t = r->in[0];
    char a[160], b[160];
    TN_TRY(tn_list_shape_input(r->in[1], &s, err));
    TN_TRY(check_lengths(t, r->in[2], err));
    row = t->shape;
    row.dim[0] = -1;
    if (!tn_shape_compatible(&s, &row))
        return tn_fail(err, TN_INVALID_ARGUMENT, "tensor shape %s is not compatible with element_shape %s",
                       tn_shape_text(&t->shape, a, sizeof a), tn_shape_text(&s, b, sizeof b));
    tn_list *l = tn_list_new(t->dtype, &s, -1, tn_tensor_count(r->in[2]));
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = split_into(&l, t, r->in[2], err);
    if (code == TN_OK) return tn_list_put(r, 0, l, err);
    tn_variant_unref(&l->head);
    return code;
}

static tn_code split_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    int64_t any = -1;
    tn_node parts[] = {tn_ints(g->b, &any, 1), row_shape(g, tn_grad_in(g, 0))};
    tn_node in[] = {tn_g_int(g->b, 0), parts[0], parts[1]};
    tn_node shape = tn_op(g->b, "Concat", in, 3, TN_NO_ATTRS);
    tn_grad_set(g, 0,
                tn_list_op(g, "TensorListConcatV2", TN_INPUTS(g->dy[0], shape, tn_grad_in(g, 2)),
                           tn_list_element_type(g)));
    return TN_OK;
}

const tn_op tn_op_TensorListSplit = {
    .name = "TensorListSplit",
    .sig =
        "tensor:element_dtype element_shape:shape_type lengths:int64 -> output_handle:variant; " LIST_SHAPES,
    .infer = tn_infer_scalar,
    .run = split_run,
    .grad = split_grad,
};

/* ==== concatenation along the elements' first dimension ==== */

/* Without the first dimension. */
static tn_shape tail_of(const tn_shape *s)
{
    tn_shape t = *s;
    if (t.rank < 1) return tn_shape_unknown();
    t.rank--;
    memmove(t.dim, t.dim + 1, (size_t)t.rank * sizeof *t.dim);
    return t;
}

static int64_t rows_of_first(const tn_list *l)
{
    for (int64_t i = 0; i < l->n; i++) {
        const tn_tensor *item = tn_list_at(l, i);
        if (item && item->shape.rank > 0) return item->shape.dim[0];
    }
    return -1;
}

/* How many rows element i has; unset ones as many as leading or the element shape say, or the first that is
 * set has. */
static tn_code rows_of(const tn_list *l, int64_t i, const tn_shape *asked, const tn_tensor *leading,
                       int64_t *out, tn_error *err)
{
    const tn_tensor *item = tn_list_at(l, i);
    if (item && item->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Concat saw a scalar shape at index %lld but requires at least vectors.",
                       (long long)i);
    *out = item                                      ? item->shape.dim[0]
           : leading && i < tn_tensor_count(leading) ? tn_tensor_int(leading, i)
           : asked->rank > 0 && asked->dim[0] >= 0   ? asked->dim[0]
                                                     : rows_of_first(l);
    if (*out >= 0) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT,
                   "Expected an element with defined leading dimension; found unset element %lld of a list",
                   (long long)i);
}

static tn_code concat_shape(const tn_run *r, const tn_list *l, const tn_shape *asked, tn_shape *out,
                            tn_error *err)
{
    char text[160];
    tn_shape tail = tail_of(asked);
    tn_shape of_list = tail_of(&l->element_shape);
    TN_TRY(tn_shape_merge(&tail, &of_list, &tail, err));
    for (int64_t i = 0; i < l->n; i++) {
        const tn_tensor *item = tn_list_at(l, i);
        if (!item || item->shape.rank < 1) continue;
        of_list = tail_of(&item->shape);
        if (tn_shape_merge(&tail, &of_list, &tail, err)) return tn_wrap(err, "element %lld", (long long)i);
    }
    if (!tn_shape_known(&tail) || tail.rank == TN_MAX_RANK)
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "All except the first dimension must be fully defined when concating a list of tensors: %s",
            tn_shape_text(&tail, text, sizeof text));
    out->rank = tail.rank + 1;
    out->dim[0] = 0;
    memcpy(out->dim + 1, tail.dim, (size_t)tail.rank * sizeof *tail.dim);
    for (int64_t i = 0; i < l->n; i++) {
        int64_t *length = TN_INT64S(r->out[1]) + i;
        TN_TRY(rows_of(l, i, asked, r->n_in == 3 ? r->in[2] : NULL, length, err));
        if (__builtin_add_overflow(out->dim[0], *length, &out->dim[0]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "too many rows");
    }
    return TN_OK;
}

static tn_code concat_run(tn_run *r, tn_error *err)
{
    const tn_list *l;
    tn_shape asked = tn_shape_unknown(), s;
    TN_TRY(tn_list_input(r, &l, err));
    if (r->n_in == 3)
        TN_TRY(tn_list_shape_input(r->in[1], &asked, err));
    else
        tn_attr_get_shape(r->attrs, "element_shape", &asked);
    tn_shape n = tn_shape_vector(l->n);
    TN_TRY(tn_run_output(r, 1, &n, err));
    TN_TRY(concat_shape(r, l, &asked, &s, err));
    TN_TRY(tn_run_output(r, 0, &s, err));
    int64_t inner = tn_shape_product(&s, 1, s.rank), at = 0;
    for (int64_t i = 0; i < l->n; i++) {
        const tn_tensor *item = tn_list_at(l, i);
        int64_t count = TN_INT64S(r->out[1])[i] * inner;
        TN_TRY(item ? tn_move_row(r->out[0], at, item, 0, count, err) : clear_row(r->out[0], at, count));
        at += count;
    }
    return TN_OK;
}

static tn_code concat_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape s = tn_shape_unknown();
    c->out[1].shape = tn_shape_vector(-1);
    if (c->n_in == 3)
        tn_list_infer_element(c, 1, &s);
    else
        tn_attr_get_shape(c->attrs, "element_shape", &s);
    if (s.rank < 1) return TN_OK;
    s.dim[0] = -1;
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code concat_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node shape = tn_list_element_shape_of(g, tn_grad_in(g, 0));
    tn_grad_set(g, 0,
                tn_list_op(g, "TensorListSplit", TN_INPUTS(tn_grad_dy(g, 0), shape, tn_grad_out(g, 1)),
                           tn_list_element_type(g)));
    return TN_OK;
}

const tn_op tn_op_TensorListConcat = {
    .name = "TensorListConcat",
    .sig = "input_handle:variant -> tensor:element_dtype lengths:int64; element_dtype:type "
           "element_shape:shape=unknown",
    .infer = concat_infer,
    .run = concat_run,
    .grad = concat_grad,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};
const tn_op tn_op_TensorListConcatV2 = {
    .name = "TensorListConcatV2",
    .sig = "input_handle:variant element_shape:shape_type leading_dims:int64 -> tensor:element_dtype "
           "lengths:int64; " LIST_SHAPES,
    .infer = concat_infer,
    .run = concat_run,
    .grad = concat_grad,
    .values = TN_BIT(1),
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

/* ==== many lists at once ==== */

static tn_code list_at(const tn_tensor *t, int64_t i, const tn_list **out, tn_error *err)
{
    tn_shape scalar = {.rank = 0};
    tn_tensor view = tn_tensor_view(t->dtype, &scalar, (tn_variant **)t->data + i);
    return tn_list_of(&view, out, err);
}

static tn_code put_at(tn_run *r, int64_t i, tn_list *l, tn_error *err)
{
    tn_variant **at = (tn_variant **)r->out[0]->data + i;
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_variant_unref(*at);
    *at = &l->head;
    return TN_OK;
}

static tn_code push_batch_run(tn_run *r, tn_error *err)
{
    const tn_tensor *lists = r->in[0], *t = r->in[1];
    int64_t n = tn_tensor_count(lists);
    if (lists->shape.rank != 1 || t->shape.rank < 1 || t->shape.dim[0] != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected tensor.shape[0] == input_handles.size, but got %lld lists", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const tn_list *l;
        tn_tensor *row;
        TN_TRY(list_at(lists, i, &l, err));
        if (l->dtype != t->dtype)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid data type at index %lld", (long long)i);
        TN_TRY(tn_list_row(t, i, &row, err));
        tn_code code = tn_list_check_item(l, row, "append", err);
        if (code == TN_OK) code = put_at(r, i, tn_list_with(l, l->n, row), err);
        tn_tensor_unref(row);
        TN_TRY(code);
    }
    return TN_OK;
}

const tn_op tn_op_TensorListPushBackBatch = {
    .name = "TensorListPushBackBatch",
    .sig = "input_handles:variant tensor:element_dtype -> output_handles:variant; element_dtype:type",
    .infer = tn_infer_like_first,
    .run = push_batch_run,
    .flags = TN_NO_GRADIENT,
};

static tn_code join(tn_run *r, int64_t i, tn_dtype t, tn_error *err)
{
    const tn_list *a, *b;
    TN_TRY(list_at(r->in[0], i, &a, err));
    TN_TRY(list_at(r->in[1], i, &b, err));
    if (a->dtype != t || b->dtype != t)
        return tn_fail(err, TN_INVALID_ARGUMENT, "lists at index %lld are not of dtype %s", (long long)i,
                       tn_dtype_name(t));
    tn_list *l = tn_list_resized(a, a->n);
    for (int64_t k = 0; l && k < b->n; k++) {
        const tn_tensor *item = tn_list_at(b, k);
        tn_list *next = item ? tn_list_with(l, a->n + k, item) : tn_list_resized(l, a->n + k + 1);
        tn_variant_unref(&l->head);
        l = next;
    }
    return put_at(r, i, l, err);
}

static tn_code join_run(tn_run *r, tn_error *err)
{
    if (!tn_shape_equal(&r->in[0]->shape, &r->in[1]->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT, "input_a.shape != input_b.shape");
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++)
        TN_TRY(join(r, i, tn_attr_t(r->attrs, "element_dtype"), err));
    return TN_OK;
}

const tn_op tn_op_TensorListConcatLists = {
    .name = "TensorListConcatLists",
    .sig = "input_a:variant input_b:variant -> output:variant; element_dtype:type",
    .infer = tn_infer_like_first,
    .run = join_run,
    .flags = TN_NO_GRADIENT,
};
