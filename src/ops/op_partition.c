/* SPDX-License-Identifier: Apache-2.0
 *
 * op_partition.c - DynamicPartition, DynamicStitch, ParallelDynamicStitch.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== DynamicPartition ==== data, partitions -> num_partitions outputs */

static bool starts_with(const tn_shape *whole, const tn_shape *prefix)
{
    if (prefix->rank > whole->rank) return false;
    for (int k = 0; k < prefix->rank; k++)
        if (whole->dim[k] >= 0 && prefix->dim[k] >= 0 && whole->dim[k] != prefix->dim[k]) return false;
    return true;
}

static tn_code partition_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *d = &c->in[0]->shape, *p = &c->in[1]->shape;
    char a[128], b[128];
    if (d->rank < 0 || p->rank < 0) return TN_OK;
    if (!starts_with(d, p))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "data.shape must start with partitions.shape, got data.shape = %s, partitions.shape = %s",
            tn_shape_text(d, a, sizeof a), tn_shape_text(p, b, sizeof b));
    for (int i = 0; i < c->n_out; i++) {
        tn_shape *out = &c->out[i].shape;
        out->rank = 0;
        out->dim[out->rank++] = -1;
        for (int k = p->rank; k < d->rank && out->rank < TN_MAX_RANK; k++) out->dim[out->rank++] = d->dim[k];
        c->out[i].bound = tn_shape_count(p);
    }
    return TN_OK;
}

static tn_code partition_sizes(tn_run *r, int64_t *sizes, tn_error *err)
{
    const tn_tensor *p = r->in[1];
    for (int64_t i = 0, n = tn_tensor_count(p); i < n; i++) {
        int64_t v = tn_tensor_int(p, i);
        if (v < 0 || v >= r->n_out)
            return tn_fail(err, TN_INVALID_ARGUMENT, "partitions[%lld] = %lld is not in [0, %d)",
                           (long long)i, (long long)v, r->n_out);
        sizes[v]++;
    }
    return TN_OK;
}

static tn_code partition_move(tn_run *r, int64_t *at, tn_error *err)
{
    const tn_tensor *d = r->in[0], *p = r->in[1];
    int64_t inner = tn_shape_product(&d->shape, p->shape.rank, d->shape.rank);
    tn_shape s = {.rank = 1};
    for (int k = p->shape.rank; k < d->shape.rank; k++) s.dim[s.rank++] = d->shape.dim[k];
    for (int i = 0; i < r->n_out; i++) {
        s.dim[0] = at[i];
        TN_TRY(tn_run_output(r, i, &s, err));
        at[i] = 0;
    }
    for (int64_t i = 0, n = tn_tensor_count(p); i < n; i++) {
        int64_t v = tn_tensor_int(p, i);
        TN_TRY(tn_move_row(r->out[v], at[v]++ * inner, d, i * inner, inner, err));
    }
    return TN_OK;
}

static tn_code partition_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    p->scratch = (size_t)p->n_out * sizeof(int64_t);
    return TN_OK;
}

static tn_code partition_run(tn_run *r, tn_error *err)
{
    const tn_shape *d = &r->in[0]->shape, *p = &r->in[1]->shape;
    char a[128], b[128];
    if (!starts_with(d, p))
        return tn_fail(
            err, TN_INVALID_ARGUMENT,
            "data.shape must start with partitions.shape, got data.shape = %s, partitions.shape = %s",
            tn_shape_text(d, a, sizeof a), tn_shape_text(p, b, sizeof b));
    int64_t *sizes = r->scratch;
    memset(sizes, 0, (size_t)r->n_out * sizeof *sizes);
    TN_TRY(partition_sizes(r, sizes, err));
    return partition_move(r, sizes, err);
}

/* Positions, partitioned the same way, say where each row of the gradients belongs. */
static tn_code partition_grad(tn_grad *g, tn_error *err)
{
    tn_builder *b = g->b;
    tn_node data = tn_grad_in(g, 0), parts = tn_grad_in(g, 1);
    int64_t axis = 0;
    int n = g->op->n_out;
    tn_node shape = tn_grad_shape(b, parts, TN_INT32);
    tn_node count = tn_op(b, "Prod", TN_INPUTS(shape, tn_ints(b, &axis, 1)), TN_NO_ATTRS);
    tn_node line = tn_op(
        b, "Range", TN_INPUTS(tn_grad_int(b, TN_INT32, 0), count, tn_grad_int(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_node where = tn_op(b, "Reshape", TN_INPUTS(line, shape), TN_NO_ATTRS);
    tn_operation *split = tn_add_operation(b, "DynamicPartition", NULL, TN_INPUTS(where, parts),
                                           TN_ATTRS(tn_attr_int("num_partitions", n)));
    tn_node *in = tn_calloc(2 * (size_t)n, sizeof *in);
    if (!in) return tn_no_memory(err, 2 * (size_t)n * sizeof *in);
    for (int i = 0; i < n; i++) {
        in[i] = tn_output_of(split, i);
        in[n + i] = tn_grad_dy(g, i);
    }
    tn_node joined = tn_op(b, "DynamicStitch", in, 2 * n, TN_ATTRS(tn_attr_int("N", n)));
    tn_free(in);
    tn_grad_set(g, 0, tn_grad_reshape_like(b, joined, data));
    return TN_OK;
}

const tn_op tn_op_DynamicPartition = {
    .name = "DynamicPartition",
    .sig = "data:T partitions:int32 -> outputs:num_partitions*T; num_partitions:int>=1 T:type",
    .infer = partition_infer,
    .prepare = partition_prepare,
    .run = partition_run,
    .grad = partition_grad,
    .dynamic = ~0u,
};

/* ==== DynamicStitch, ParallelDynamicStitch ==== N indices, N data */

/* The largest index when all are known; INT64_MIN: not known. */
static int64_t known_last(const tn_infer *c, int n)
{
    int64_t last = -1;
    for (int i = 0; i < n; i++) {
        const tn_tensor *v = c->in[i]->value;
        if (!v) return INT64_MIN;
        for (int64_t k = 0, m = tn_tensor_count(v); k < m; k++) last = TN_MAX(last, tn_tensor_int(v, k));
    }
    return last;
}

static tn_code stitch_infer(tn_infer *c, tn_error *err)
{
    int n = c->n_in / 2;
    tn_shape tail = tn_shape_unknown();
    char a[128], b[128];
    for (int i = 0; i < n; i++) {
        const tn_shape *x = &c->in[i]->shape, *d = &c->in[n + i]->shape;
        if (x->rank < 0 || d->rank < 0) continue;
        if (!starts_with(d, x))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "data[%d].shape = %s does not start with indices[%d].shape = %s", i,
                           tn_shape_text(d, a, sizeof a), i, tn_shape_text(x, b, sizeof b));
        tn_shape rest = {.rank = d->rank - x->rank};
        for (int k = 0; k < rest.rank; k++) rest.dim[k] = d->dim[x->rank + k];
        if (!tn_shape_compatible(&tail, &rest))
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Need data[0].shape to match data[%d].shape past the indices, got %s and %s", i,
                           tn_shape_text(&tail, a, sizeof a), tn_shape_text(&rest, b, sizeof b));
        TN_TRY(tn_shape_merge(&tail, &rest, &tail, err));
    }
    if (tail.rank < 0 || tail.rank == TN_MAX_RANK) return TN_OK;
    int64_t last = known_last(c, n);
    tn_shape *out = &c->out[0].shape;
    out->rank = tail.rank + 1;
    out->dim[0] = last == INT64_MIN ? -1 : last + 1;
    memcpy(out->dim + 1, tail.dim, (size_t)tail.rank * sizeof *tail.dim);
    return TN_OK;
}

static tn_code stitch_size(tn_run *r, int n, int64_t *rows, tn_error *err)
{
    int64_t last = -1;
    for (int i = 0; i < n; i++)
        for (int64_t k = 0, m = tn_tensor_count(r->in[i]); k < m; k++) {
            int64_t v = tn_tensor_int(r->in[i], k);
            if (v < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "indices[%d] is out of range", i);
            last = TN_MAX(last, v);
        }
    *rows = last + 1;
    return TN_OK;
}

static tn_code stitch_run(tn_run *r, tn_error *err)
{
    int n = r->n_in / 2;
    int64_t rows = 0;
    TN_TRY(stitch_size(r, n, &rows, err));
    const tn_shape *d = &r->in[n]->shape, *x = &r->in[0]->shape;
    tn_shape s = {.rank = 1, .dim = {rows}};
    if (!starts_with(d, x))
        return tn_fail(err, TN_INVALID_ARGUMENT, "data[0].shape does not start with indices[0].shape");
    for (int k = x->rank; k < d->rank; k++) s.dim[s.rank++] = d->dim[k];
    int64_t inner = tn_shape_product(&s, 1, s.rank), bytes;
    for (int i = 0; i < n; i++)
        if (tn_tensor_count(r->in[n + i]) != tn_tensor_count(r->in[i]) * inner)
            return tn_fail(err, TN_INVALID_ARGUMENT, "data[%d].shape does not match indices[%d].shape", i, i);
    if (__builtin_mul_overflow(rows, inner * 16, &bytes))
        return tn_fail(err, TN_INVALID_ARGUMENT, "indices are too large");
    TN_TRY(tn_run_output(r, 0, &s, err));
    if (tn_dtype_is_pod(r->out[0]->dtype)) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int i = 0; i < n; i++)
        for (int64_t k = 0, m = tn_tensor_count(r->in[i]); k < m; k++)
            TN_TRY(tn_move_row(r->out[0], tn_tensor_int(r->in[i], k) * inner, r->in[n + i], k * inner, inner,
                               err));
    return TN_OK;
}

static tn_code stitch_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    int n = g->op->n_in / 2;
    for (int i = 0; i < n; i++)
        tn_grad_set(g, n + i,
                    tn_op(g->b, "GatherV2",
                          TN_INPUTS(tn_grad_dy(g, 0), tn_grad_in(g, i), tn_grad_int(g->b, TN_INT32, 0)),
                          TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_DynamicStitch = {
    .name = "DynamicStitch",
    .sig = "indices:N*int32 data:N*T -> merged:T; N:int>=1 T:type",
    .infer = stitch_infer,
    .run = stitch_run,
    .grad = stitch_grad,
    .dynamic = TN_BIT(0),
};
const tn_op tn_op_ParallelDynamicStitch = {
    .name = "ParallelDynamicStitch",
    .sig = "indices:N*int32 data:N*T -> merged:T; N:int>=1 T:type",
    .infer = stitch_infer,
    .run = stitch_run,
    .grad = stitch_grad,
    .dynamic = TN_BIT(0),
};
