/* SPDX-License-Identifier: Apache-2.0
 *
 * op_tensor_array.c - TensorArrayV3 and its operators. Their order is that of the flow values, which carry
 * nothing. Elements are tensor_array.c's.
 */
#include "../graph/op_grads.h"
#include "op_move.h"
#include "tensor_array.h"

static tn_code array_of(const tn_run *r, tn_tensor_array **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_TENSOR_ARRAY, &res, err));
    *out = (tn_tensor_array *)res;
    return TN_OK;
}

static void set_flow(tn_tensor *flow)
{
    *TN_FLOATS(flow) = 0;
}

tn_code tn_array_flow_infer(tn_infer *c, tn_error *err)
{
    return tn_infer_scalar(c, err);
}

/* ==== making one ==== */

tn_code tn_array_new_infer(tn_infer *c, tn_error *err)
{
    tn_info *held = TN_NEW(c->arena, tn_info);
    if (!held) return tn_no_memory(err, sizeof *held);
    held->dtype = tn_attr_t(c->attrs, "dtype");
    held->shape = tn_shape_unknown();
    held->bound = -1;
    tn_attr_get_shape(c->attrs, "element_shape", &held->shape);
    c->out[0].handle = held; /* its own shape stays unknown: TensorFlow takes it for [2], and it is [] */
    if (c->n_out == 2) c->out[1].shape.rank = 0;
    return tn_kept_new(c, 0, err);
}

tn_code tn_array_new_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    tn_shape element = tn_shape_unknown();
    int64_t size;
    tn_attr_get_shape(r->attrs, "element_shape", &element);
    TN_TRY(tn_int_of(r->in[0], "TensorArray size", &size, err));
    TN_TRY(tn_tensor_array_new(r->name, tn_attr_t(r->attrs, "dtype"), &element, size, &a, err));
    a->dynamic = tn_attr_b(r->attrs, "dynamic_size");
    a->clear_after_read = tn_attr_b(r->attrs, "clear_after_read");
    tn_attr_get_bool(r->attrs, "identical_element_shapes", &a->identical);
    TN_TRY(tn_run_new_resource(r, 0, &a->base, err));
    if (r->n_out == 2) set_flow(r->out[1]);
    return TN_OK;
}

TN_STATE_OP(TensorArrayV3, tn_array_new_run, tn_array_new_infer, TN_NO_GRADIENT | TN_KEEPS, TN_BIT(0),
            "size:int32 -> handle:resource flow:float; dtype:type element_shape:shape=unknown "
            "dynamic_size:bool=false clear_after_read:bool=true identical_element_shapes:bool=false "
            "tensor_array_name:string=\"\"");

tn_code tn_array_gradient_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    c->out[0].handle = c->n_in == 2 ? c->in[0]->handle : NULL;
    c->out[0].kept = c->n_in == 2 ? c->in[0]->kept : NULL; /* a gradient has its value's shape */
    if (c->n_out == 2) c->out[1].shape.rank = 0;
    return TN_OK;
}

tn_code tn_array_gradient_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a, *g;
    char source[256] = "";
    tn_view name = {"", 0};
    tn_shape prepend;
    tn_attr_get_string(r->attrs, "source", &name);
    snprintf(source, sizeof source, "%.*s", (int)TN_MIN(name.n, sizeof source - 1), name.p);
    TN_TRY(array_of(r, &a, err));
    if (r->n_in == 3) TN_TRY(tn_ints_of(r->in[2], "shape_to_prepend", &prepend, err));
    TN_TRY(tn_tensor_array_gradient(a, source, r->n_in == 3 ? &prepend : NULL, &g, err));
    tn_resource_ref(&g->base);
    TN_TRY(tn_run_new_resource(r, 0, &g->base, err));
    if (r->n_out == 2) set_flow(r->out[1]);
    return TN_OK;
}

TN_STATE_OP(TensorArrayGradV3, tn_array_gradient_run, tn_array_gradient_infer, TN_NO_GRADIENT | TN_KEEPS, TN_BIT(0),
            "handle:resource flow_in:float -> grad_handle:resource flow_out:float; source:string");
TN_STATE_OP(TensorArrayGradWithShape, tn_array_gradient_run, tn_array_gradient_infer, TN_NO_GRADIENT, TN_BIT(0),
            "handle:resource flow_in:float shape_to_prepend:int32 -> grad_handle:resource flow_out:float; "
            "source:string");

typedef struct gradient_array {
    tn_node handle, flow;
} gradient_array;

/* The gradient array, and the flow behind its making. */
static gradient_array gradient_of(tn_grad *g, tn_node flow)
{
    tn_builder *b = g->b;
    const char *source = tn_builder_gradients(b);
    tn_operation *op =
        tn_add_operation(b, "TensorArrayGradV3", NULL, TN_INPUTS(tn_grad_in(g, 0), flow),
                         TN_ATTRS(tn_attr_str("source", source)));
    if (!op) return (gradient_array){0};
    tn_control_dependencies(b, 1, &op);
    tn_node behind = tn_op(b, "Identity", TN_INPUTS(flow), TN_NO_ATTRS);
    tn_control_dependencies_end(b);
    return (gradient_array){tn_output_of(op, 0), behind};
}

/* ==== write, read ==== */

tn_code tn_array_write_infer(tn_infer *c, tn_error *err)
{
    tn_kept_put(c->in[0]->kept, &c->in[2]->shape, NULL);
    return tn_array_flow_infer(c, err);
}

tn_code tn_array_write_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    int64_t i;
    TN_TRY(array_of(r, &a, err));
    TN_TRY(tn_int_of(r->in[1], "TensorArray index", &i, err));
    TN_TRY(tn_tensor_array_write(a, i, r->in[2], err));
    set_flow(r->out[0]);
    return TN_OK;
}

static tn_code write_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node flow = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, flow);
    tn_attr t = tn_attr_type("dtype", tn_dtype_base(tn_node_dtype(tn_grad_in(g, 2))));
    tn_grad_set(g, 2, tn_op(g->b, "TensorArrayReadV3", TN_INPUTS(a.handle, tn_grad_in(g, 1), a.flow), &t, 1));
    tn_grad_set(g, 3, flow);
    return TN_OK;
}

const tn_op tn_op_TensorArrayWriteV3 = {
    .name = "TensorArrayWriteV3",
    .sig = "handle:resource index:int32 value:T flow_in:float -> flow_out:float; T:type",
    .infer = tn_array_write_infer,
    .run = tn_array_write_run,
    .grad = write_grad,
    .flags = TN_STATEFUL | TN_KEEPS,
};

tn_code tn_array_read_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    if (c->in[0]->handle) c->out[0].shape = c->in[0]->handle->shape;
    tn_kept_get(c->in[0]->kept, &c->out[0]);
    return TN_OK;
}

tn_code tn_array_read_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    const tn_tensor *value;
    int64_t i;
    TN_TRY(array_of(r, &a, err));
    TN_TRY(tn_int_of(r->in[1], "TensorArray index", &i, err));
    if (a->dtype != r->out[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "TensorArray dtype is %s but Op requested dtype %s.",
                       tn_dtype_name(a->dtype), tn_dtype_name(r->out[0]->dtype));
    TN_TRY(tn_tensor_array_read(a, i, &value, err));
    TN_TRY(tn_run_output_share(r, 0, value, err));
    tn_tensor_array_done(a, i);
    return TN_OK;
}

static tn_code read_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, tn_grad_in(g, 2));
    tn_grad_set(
        g, 2,
        tn_op(g->b, "TensorArrayWriteV3", TN_INPUTS(a.handle, tn_grad_in(g, 1), dy, a.flow), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_TensorArrayReadV3 = {
    .name = "TensorArrayReadV3",
    .sig = "handle:resource index:int32 flow_in:float -> value:dtype; dtype:type",
    .infer = tn_array_read_infer,
    .run = tn_array_read_run,
    .grad = read_grad,
    .flags = TN_STATEFUL | TN_KEEPS | TN_SHARES,
    .dynamic = TN_BIT(0),
};

/* ==== gather, scatter: elements stacked along a new first dimension ==== */

tn_code tn_array_gather_infer(tn_infer *c, tn_error *err)
{
    tn_info element = {.shape = tn_shape_unknown()};
    tn_shape s = tn_shape_unknown(), known;
    tn_attr_get_shape(c->attrs, "element_shape", &s);
    if (c->in[0]->handle && tn_shape_merge(&s, &c->in[0]->handle->shape, &known, NULL) == TN_OK) s = known;
    tn_kept_get(c->in[0]->kept, &element);
    if (tn_shape_merge(&s, &element.shape, &known, NULL) == TN_OK) s = known;
    bool all = c->n_in == 2;
    if (!all) TN_TRY(tn_infer_rank(c, 1, 1, err));
    if (s.rank < 0 || s.rank == TN_MAX_RANK) return TN_OK;
    tn_infer_set_rank(c, 0, s.rank + 1);
    memcpy(c->out[0].shape.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
    if (!all && c->in[1]->shape.rank == 1) c->out[0].shape.dim[0] = c->in[1]->shape.dim[0];
    return TN_OK;
}

static tn_code gather_empty(tn_run *r, const tn_tensor_array *a, tn_error *err)
{
    tn_shape s = tn_shape_unknown(), merged, out = {.rank = 1, .dim = {0}};
    char text[128];
    tn_attr_get_shape(r->attrs, "element_shape", &s);
    TN_TRY(tn_shape_merge(&s, &a->element, &merged, err));
    if (!tn_shape_known(&merged) || merged.rank == TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "TensorArray has size zero, but element shape %s is not fully defined.",
                       tn_shape_text(&merged, text, sizeof text));
    for (int k = 0; k < merged.rank; k++) out.dim[out.rank++] = merged.dim[k];
    return tn_run_output(r, 0, &out, err);
}

/* Element i as row k of n. */
static tn_code gather_one(tn_run *r, tn_tensor_array *a, int64_t i, int64_t k, int64_t n, tn_error *err)
{
    const tn_tensor *value;
    char s[128], t[128];
    TN_TRY(tn_tensor_array_read(a, i, &value, err));
    tn_shape stacked = value->shape;
    if (k == 0) {
        if (stacked.rank == TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
        memmove(stacked.dim + 1, stacked.dim, (size_t)stacked.rank * sizeof *stacked.dim);
        stacked.dim[0] = n;
        stacked.rank++;
        TN_TRY(tn_run_output(r, 0, &stacked, err));
    }
    tn_shape row = r->out[0]->shape;
    memmove(row.dim, row.dim + 1, (size_t)(row.rank - 1) * sizeof *row.dim);
    row.rank--;
    if (!tn_shape_equal(&row, &value->shape))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "TensorArray has inconsistent shapes.  Index 0 has shape: %s but index %lld has shape: %s",
            tn_shape_text(&row, s, sizeof s), (long long)k, tn_shape_text(&value->shape, t, sizeof t));
    int64_t count = tn_tensor_count(value);
    TN_TRY(tn_move_row(r->out[0], k * count, value, 0, count, err));
    tn_tensor_array_done(a, i);
    return TN_OK;
}

tn_code tn_array_gather_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    TN_TRY(array_of(r, &a, err));
    bool all = r->n_in == 2; /* TensorArrayPack: without indices */
    int64_t n = all ? a->n : tn_tensor_count(r->in[1]);
    if (a->dtype != r->out[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "TensorArray dtype is %s but Op requested dtype %s.",
                       tn_dtype_name(a->dtype), tn_dtype_name(r->out[0]->dtype));
    if (n == 0) return gather_empty(r, a, err);
    for (int64_t k = 0; k < n; k++) TN_TRY(gather_one(r, a, all ? k : tn_tensor_int(r->in[1], k), k, n, err));
    return TN_OK;
}

static tn_code gather_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, tn_grad_in(g, 2));
    tn_grad_set(
        g, 2,
        tn_op(g->b, "TensorArrayScatterV3", TN_INPUTS(a.handle, tn_grad_in(g, 1), dy, a.flow), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_TensorArrayGatherV3 = {
    .name = "TensorArrayGatherV3",
    .sig = "handle:resource indices:int32 flow_in:float -> value:dtype; dtype:type "
           "element_shape:shape=unknown",
    .infer = tn_array_gather_infer,
    .run = tn_array_gather_run,
    .grad = gather_grad,
    .flags = TN_STATEFUL | TN_KEEPS,
    .dynamic = TN_BIT(0),
};

/* Element k is rows [at, at + rows) of value; whole: without the first dimension (rows is 1). */
static tn_code write_rows(tn_tensor_array *a, int64_t i, const tn_tensor *value, int64_t at, int64_t rows,
                          bool whole, tn_error *err)
{
    tn_shape s = value->shape;
    int64_t inner = tn_shape_product(&s, 1, s.rank);
    if (whole) {
        memmove(s.dim, s.dim + 1, (size_t)(s.rank - 1) * sizeof *s.dim);
        s.rank--;
    } else {
        s.dim[0] = rows;
    }
    tn_tensor *part;
    TN_TRY(tn_dtype_is_pod(value->dtype) ? tn_tensor_alloc(value->dtype, &s, &part, err)
                                         : tn_tensor_new(value->dtype, &s, &part, err));
    tn_code code = tn_move_row(part, 0, value, at * inner, rows * inner, err);
    if (code == TN_OK) code = tn_tensor_array_write(a, i, part, err);
    tn_tensor_unref(part);
    return code;
}

/* Elements are rows of the value. */
static tn_code rows_infer(tn_infer *c, int value, tn_error *err)
{
    tn_shape s = c->in[value]->shape;
    if (s.rank > 0) memmove(s.dim, s.dim + 1, (size_t)(s.rank - 1) * sizeof *s.dim);
    if (s.rank >= 0) s.rank = TN_MAX(s.rank - 1, 0);
    tn_kept_put(c->in[0]->kept, &s, NULL);
    return tn_array_flow_infer(c, err);
}

tn_code tn_array_scatter_infer(tn_infer *c, tn_error *err)
{
    return rows_infer(c, 2, err);
}

tn_code tn_array_unpack_infer(tn_infer *c, tn_error *err)
{
    return rows_infer(c, 1, err);
}

tn_code tn_array_scatter_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    const tn_tensor *indices = r->in[1], *value = r->in[2];
    int64_t n = tn_tensor_count(indices), most = 0;
    TN_TRY(array_of(r, &a, err));
    if (value->shape.rank < 1 || value->shape.dim[0] != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected len(indices) == values.shape[0], but saw: %lld vs. %lld", (long long)n,
                       (long long)(value->shape.rank < 1 ? 0 : value->shape.dim[0]));
    for (int64_t k = 0; k < n; k++) most = TN_MAX(most, tn_tensor_int(indices, k) + 1);
    if (a->dynamic && most > a->n) TN_TRY(tn_tensor_array_reserve(a, most, err));
    for (int64_t k = 0; k < n; k++) TN_TRY(write_rows(a, tn_tensor_int(indices, k), value, k, 1, true, err));
    set_flow(r->out[0]);
    return TN_OK;
}

/* TensorArrayUnpack: one row for each element. */
tn_code tn_array_unpack_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    const tn_tensor *value = r->in[1];
    TN_TRY(array_of(r, &a, err));
    int64_t n = value->shape.rank < 1 ? 0 : value->shape.dim[0];
    if (value->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected value to be at least a vector, but received shape: []");
    if (a->dynamic && n > a->n) TN_TRY(tn_tensor_array_reserve(a, n, err));
    if (a->n != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray must have size equal to first dimension of value (%lld vs. %lld)", (long long)a->n,
                       (long long)n);
    for (int64_t k = 0; k < n; k++) TN_TRY(write_rows(a, k, value, k, 1, true, err));
    set_flow(r->out[0]);
    return TN_OK;
}

static tn_code scatter_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node flow = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, flow);
    tn_attr t = tn_attr_type("dtype", tn_dtype_base(tn_node_dtype(tn_grad_in(g, 2))));
    tn_grad_set(g, 2,
                tn_op(g->b, "TensorArrayGatherV3", TN_INPUTS(a.handle, tn_grad_in(g, 1), a.flow), &t, 1));
    tn_grad_set(g, 3, flow);
    return TN_OK;
}

const tn_op tn_op_TensorArrayScatterV3 = {
    .name = "TensorArrayScatterV3",
    .sig = "handle:resource indices:int32 value:T flow_in:float -> flow_out:float; T:type",
    .infer = tn_array_scatter_infer,
    .run = tn_array_scatter_run,
    .grad = scatter_grad,
    .flags = TN_STATEFUL | TN_KEEPS,
};

/* ==== concat, split: elements side by side along their first dimension ==== */

tn_code tn_array_concat_infer(tn_infer *c, tn_error *err)
{
    (void)err;
    tn_shape s = tn_shape_unknown();
    tn_attr_get_shape(c->attrs, "element_shape_except0", &s);
    tn_infer_set_rank(c, 1, 1);
    if (s.rank < 0 || s.rank == TN_MAX_RANK) return TN_OK;
    tn_infer_set_rank(c, 0, s.rank + 1);
    memcpy(c->out[0].shape.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
    return TN_OK;
}

static tn_code concat_shape(tn_tensor_array *a, tn_shape *s, int64_t *lengths, tn_error *err)
{
    for (int64_t i = 0; i < a->n; i++) {
        const tn_tensor *value;
        TN_TRY(tn_tensor_array_read(a, i, &value, err));
        if (value->shape.rank < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Concat saw a scalar shape at index %lld but requires at least vectors.",
                           (long long)i);
        lengths[i] = value->shape.dim[0];
        if (i == 0)
            *s = value->shape;
        else
            s->dim[0] += value->shape.dim[0];
        tn_shape rest = value->shape;
        rest.dim[0] = s->dim[0];
        if (!tn_shape_equal(&rest, s))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "TensorArray has inconsistent shapes.  Index 0 and index %lld differ beyond the "
                           "first dimension",
                           (long long)i);
    }
    return TN_OK;
}

tn_code tn_array_concat_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    tn_shape s = tn_shape_unknown(), n;
    TN_TRY(array_of(r, &a, err));
    n = tn_shape_vector(a->n);
    TN_TRY(tn_run_output(r, 1, &n, err));
    if (a->n == 0) {
        tn_attr_get_shape(r->attrs, "element_shape_except0", &s);
        if (!tn_shape_known(&s) || s.rank == TN_MAX_RANK)
            return tn_fail(err, TN_UNIMPLEMENTED,
                           "TensorArray has size zero, but element_shape_except0 is not fully defined.");
        memmove(s.dim + 1, s.dim, (size_t)s.rank * sizeof *s.dim);
        s.dim[0] = 0;
        s.rank++;
        return tn_run_output(r, 0, &s, err);
    }
    TN_TRY(concat_shape(a, &s, TN_INT64S(r->out[1]), err));
    TN_TRY(tn_run_output(r, 0, &s, err));
    int64_t at = 0;
    for (int64_t i = 0; i < a->n; i++) {
        const tn_tensor *value = a->v[i].value;
        int64_t count = tn_tensor_count(value);
        TN_TRY(tn_move_row(r->out[0], at, value, 0, count, err));
        at += count;
        tn_tensor_array_done(a, i);
    }
    return TN_OK;
}

static tn_code concat_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, tn_grad_in(g, 1));
    tn_grad_set(
        g, 1,
        tn_op(g->b, "TensorArraySplitV3", TN_INPUTS(a.handle, dy, tn_grad_out(g, 1), a.flow), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_TensorArrayConcatV3 = {
    .name = "TensorArrayConcatV3",
    .sig = "handle:resource flow_in:float -> value:dtype lengths:int64; dtype:type "
           "element_shape_except0:shape=unknown",
    .infer = tn_array_concat_infer,
    .run = tn_array_concat_run,
    .grad = concat_grad,
    .flags = TN_STATEFUL | TN_KEEPS,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

tn_code tn_array_split_infer(tn_infer *c, tn_error *err)
{
    tn_kept_end(c->in[0]->kept);
    return tn_array_flow_infer(c, err);
}

tn_code tn_array_split_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    const tn_tensor *value = r->in[1], *lengths = r->in[2];
    int64_t n = tn_tensor_count(lengths), sum = 0;
    TN_TRY(array_of(r, &a, err));
    if (value->shape.rank < 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected value to be at least a vector, but received shape: []");
    for (int64_t k = 0; k < n; k++) {
        int64_t len = tn_tensor_int(lengths, k);
        if (len < 0 || len > value->shape.dim[0])
            return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid length %lld", (long long)len);
        sum += len;
    }
    if (sum != value->shape.dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Expected sum of lengths to be equal to values.shape[0], but sum of lengths is %lld "
                       "and value's shape[0] is %lld",
                       (long long)sum, (long long)value->shape.dim[0]);
    if (a->dynamic) TN_TRY(tn_tensor_array_reserve(a, n, err));
    if (a->n != n)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "TensorArray's size is not equal to the size of lengths (%lld vs. %lld), and the "
                       "TensorArray is not marked as dynamically resizeable",
                       (long long)a->n, (long long)n);
    int64_t at = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t len = tn_tensor_int(lengths, k);
        TN_TRY(write_rows(a, k, value, at, len, false, err));
        at += len;
    }
    set_flow(r->out[0]);
    return TN_OK;
}

static tn_code split_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node flow = tn_grad_dy(g, 0);
    gradient_array a = gradient_of(g, flow);
    tn_attr t = tn_attr_type("dtype", tn_dtype_base(tn_node_dtype(tn_grad_in(g, 1))));
    tn_grad_set(g, 1, tn_op(g->b, "TensorArrayConcatV3", TN_INPUTS(a.handle, a.flow), &t, 1));
    tn_grad_set(g, 3, flow);
    return TN_OK;
}

const tn_op tn_op_TensorArraySplitV3 = {
    .name = "TensorArraySplitV3",
    .sig = "handle:resource value:T lengths:int64 flow_in:float -> flow_out:float; T:type",
    .infer = tn_array_split_infer,
    .run = tn_array_split_run,
    .grad = split_grad,
    .flags = TN_STATEFUL | TN_KEEPS,
};

/* ==== size, close ==== */

tn_code tn_array_size_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    TN_TRY(array_of(r, &a, err));
    *TN_INT32S(r->out[0]) = (int32_t)a->n;
    return TN_OK;
}

TN_STATE_OP(TensorArraySizeV3, tn_array_size_run, tn_array_flow_infer, TN_NO_GRADIENT | TN_KEEPS, 0,
            "handle:resource flow_in:float -> size:int32;");

tn_code tn_array_close_run(tn_run *r, tn_error *err)
{
    tn_tensor_array *a;
    TN_TRY(array_of(r, &a, err));
    tn_tensor_array_close(a);
    return TN_OK;
}

TN_STATE_OP(TensorArrayCloseV3, tn_array_close_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT | TN_KEEPS, 0,
            "handle:resource -> ;");
