/* SPDX-License-Identifier: Apache-2.0
 *
 * op_space.c - operators that trade places in space for places in the batch or the channels:
 * SpaceToBatchND, BatchToSpaceND, SpaceToBatch, BatchToSpace, SpaceToDepth, DepthToSpace; and
 * ExtractImagePatches. Each is one strided move (with zeros, where there is padding).
 */
#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== SpaceToBatchND, BatchToSpaceND ==== input block_shape paddings/crops[M, 2] */

typedef struct blocks {
    int m; /* blocked dimensions, from 1 on */
    int64_t block[TN_MAX_RANK], low[TN_MAX_RANK], high[TN_MAX_RANK];
} blocks;

static tn_code read_blocks(const tn_tensor *block, const tn_tensor *pads, int rank, blocks *b, tn_error *err)
{
    b->m = (int)TN_MIN(tn_tensor_count(block), TN_MAX_RANK);
    if (rank < b->m + 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input rank should be >= %d instead of %d", b->m + 1, rank);
    if (tn_tensor_count(pads) != 2 * b->m)
        return tn_fail(err, TN_INVALID_ARGUMENT, "paddings should have shape [%d, 2]", b->m);
    for (int k = 0; k < b->m; k++) {
        b->block[k] = tn_tensor_int(block, k);
        b->low[k] = tn_tensor_int(pads, 2 * k);
        b->high[k] = tn_tensor_int(pads, 2 * k + 1);
        if (b->block[k] < 1)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "All values in block_shape must be positive, got value, %lld at index %d.",
                           (long long)b->block[k], k);
        if (b->low[k] < 0 || b->high[k] < 0 || b->low[k] > INT32_MAX || b->high[k] > INT32_MAX ||
            b->block[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "paddings and crops must be non-negative: [%lld,%lld]",
                           (long long)b->low[k], (long long)b->high[k]);
    }
    return TN_OK;
}

static tn_code to_batch_shape(const blocks *b, const tn_shape *in, tn_shape *out, tn_error *err)
{
    *out = *in;
    for (int k = 0; k < b->m; k++) {
        out->dim[0] = tn_dim_mul(out->dim[0], b->block[k]);
        if (in->dim[k + 1] < 0) continue;
        int64_t padded = in->dim[k + 1] + b->low[k] + b->high[k];
        if (padded % b->block[k])
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "padded_shape[%d]=%lld is not divisible by block_shape[%d]=%lld", k,
                           (long long)padded, k, (long long)b->block[k]);
        out->dim[k + 1] = padded / b->block[k];
    }
    return TN_OK;
}

static tn_code from_batch_shape(const blocks *b, const tn_shape *in, tn_shape *out, tn_error *err)
{
    *out = *in;
    int64_t all = 1;
    for (int k = 0; k < b->m; k++) {
        all *= b->block[k];
        if (in->dim[k + 1] < 0) continue;
        out->dim[k + 1] = in->dim[k + 1] * b->block[k] - b->low[k] - b->high[k];
        if (out->dim[k + 1] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "cropped_shape[%d]=%lld must be non-negative", k,
                           (long long)out->dim[k + 1]);
    }
    if (in->dim[0] >= 0 && in->dim[0] % all)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Input batch dimension (%lld) is not divisible by product of block sizes (%lld)",
                       (long long)in->dim[0], (long long)all);
    if (in->dim[0] >= 0) out->dim[0] = in->dim[0] / all;
    return TN_OK;
}

static tn_code batch_nd_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    blocks b;
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    TN_TRY(tn_infer_rank(c, 2, 2, err));
    if (in->rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, in->rank);
    if (!c->in[1]->value || !c->in[2]->value) return TN_OK;
    TN_TRY(read_blocks(c->in[1]->value, c->in[2]->value, in->rank, &b, err));
    bool back = !strcmp(c->op->name, "BatchToSpaceND");
    return (back ? from_batch_shape : to_batch_shape)(&b, in, &c->out[0].shape, err);
}

/* The part of big's dimension k + 1 that block offset `at` reaches: positions first, first + step, ...
 * The small side counts from `skip`. */
static int64_t reach(int64_t big, int64_t small, int64_t low, int64_t block, int64_t at, int64_t *skip,
                     int64_t *first)
{
    *skip = 0;
    if (low > at) *skip = (low - at + block - 1) / block;
    *first = *skip * block + at - low;
    if (*first >= big || *skip >= small) return 0;
    return TN_MIN((big - *first + block - 1) / block, small - *skip);
}

typedef struct batch_moves {
    int64_t n;
    tn_move *move;
} batch_moves;

/* One move for each offset inside a block. big: the space side, small: the batch side. */
static tn_code batch_move(tn_prepare *p, const blocks *b, const tn_shape *big, const tn_shape *small,
                          int64_t offset, bool to_batch, tn_move *m, tn_error *err)
{
    int64_t bs[TN_MAX_RANK], ss[TN_MAX_RANK], rest = offset, at[TN_MAX_RANK];
    tn_shape_strides(big, bs);
    tn_shape_strides(small, ss);
    for (int k = b->m - 1; k >= 0; k--) {
        at[k] = rest % b->block[k];
        rest /= b->block[k];
    }
    int64_t big0 = 0, small0 = offset * big->dim[0] * ss[0];
    for (int k = 0; k < big->rank; k++) {
        int64_t n = big->dim[k], skip = 0, first = 0, step = 1;
        if (k >= 1 && k <= b->m) {
            step = b->block[k - 1];
            n = reach(n, small->dim[k], b->low[k - 1], step, at[k - 1], &skip, &first);
        }
        big0 += first * bs[k];
        small0 += skip * ss[k];
        if (to_batch)
            tn_move_dim(m, n, ss[k], bs[k] * step);
        else
            tn_move_dim(m, n, bs[k] * step, ss[k]);
    }
    m->out0 = to_batch ? small0 : big0;
    m->in0 = to_batch ? big0 : small0;
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}

static tn_code batch_prepare(tn_prepare *p, const blocks *b, bool to_batch, tn_error *err)
{
    TN_PARAMS(p, batch_moves, q);
    q->n = 1;
    for (int k = 0; k < b->m; k++)
        if (__builtin_mul_overflow(q->n, b->block[k], &q->n) || q->n > 1 << 20)
            return tn_fail(err, TN_INVALID_ARGUMENT, "product of block sizes is too large");
    q->move = TN_ARRAY(p->arena, q->n, tn_move);
    if (!q->move) return tn_no_memory(err, (size_t)q->n * sizeof *q->move);
    const tn_shape *in = &p->in[0]->shape, *out = &p->out[0]->shape;
    for (int64_t i = 0; i < q->n; i++)
        TN_TRY(batch_move(p, b, to_batch ? in : out, to_batch ? out : in, i, to_batch, &q->move[i], err));
    return TN_OK;
}

static tn_code to_batch_prepare(tn_prepare *p, tn_error *err)
{
    blocks b;
    TN_TRY(read_blocks(p->in[1], p->in[2], p->in[0]->shape.rank, &b, err));
    return batch_prepare(p, &b, true, err);
}

static tn_code from_batch_prepare(tn_prepare *p, tn_error *err)
{
    blocks b;
    TN_TRY(read_blocks(p->in[1], p->in[2], p->in[0]->shape.rank, &b, err));
    return batch_prepare(p, &b, false, err);
}

static tn_code batch_run(tn_run *r, tn_error *err)
{
    const batch_moves *q = r->params;
    if (tn_dtype_is_pod(r->out[0]->dtype)) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t i = 0; i < q->n; i++) TN_TRY(tn_move_run(&q->move[i], r->out[0], r->in[0], err));
    return TN_OK;
}

static tn_code inverse_grad(tn_grad *g, const char *type, tn_error *err)
{
    (void)err;
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_in(g, 1), g->op->n_in > 2 ? tn_grad_in(g, 2) : (tn_node){0}};
    static const char *const attrs[] = {"block_size"};
    tn_grad_set(g, 0, tn_grad_op_like(g, type, in, g->op->n_in, attrs, 1));
    return TN_OK;
}
static tn_code to_batch_nd_grad(tn_grad *g, tn_error *err)
{
    return inverse_grad(g, "BatchToSpaceND", err);
}
static tn_code from_batch_nd_grad(tn_grad *g, tn_error *err)
{
    return inverse_grad(g, "SpaceToBatchND", err);
}

const tn_op tn_op_SpaceToBatchND = {
    .name = "SpaceToBatchND",
    .sig = "input:T block_shape:Tblock_shape paddings:Tpaddings -> output:T; T:type "
           "Tblock_shape:type{int32,int64}=int32 Tpaddings:type{int32,int64}=int32",
    .infer = batch_nd_infer,
    .prepare = to_batch_prepare,
    .run = batch_run,
    .grad = to_batch_nd_grad,
    .values = TN_BIT(1) | TN_BIT(2),
};
const tn_op tn_op_BatchToSpaceND = {
    .name = "BatchToSpaceND",
    .sig = "input:T block_shape:Tblock_shape crops:Tcrops -> output:T; T:type "
           "Tblock_shape:type{int32,int64}=int32 Tcrops:type{int32,int64}=int32",
    .infer = batch_nd_infer,
    .prepare = from_batch_prepare,
    .run = batch_run,
    .grad = from_batch_nd_grad,
    .values = TN_BIT(1) | TN_BIT(2),
};

/* ==== SpaceToBatch, BatchToSpace ==== one block_size for height and width */

static tn_code read_square(const tn_attrs *a, const tn_tensor *pads, int rank, blocks *b, tn_error *err)
{
    int64_t size[2] = {tn_attr_i(a, "block_size"), tn_attr_i(a, "block_size")};
    tn_shape two = tn_shape_vector(2);
    tn_tensor block = tn_tensor_view(TN_INT64, &two, size);
    return read_blocks(&block, pads, rank, b, err);
}

static tn_code batch_square_infer(tn_infer *c, tn_error *err)
{
    blocks b;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    if (c->in[0]->shape.rank < 0) return TN_OK;
    tn_infer_set_rank(c, 0, 4);
    if (!c->in[1]->value) return TN_OK;
    TN_TRY(read_square(c->attrs, c->in[1]->value, 4, &b, err));
    bool back = !strcmp(c->op->name, "BatchToSpace");
    return (back ? from_batch_shape : to_batch_shape)(&b, &c->in[0]->shape, &c->out[0].shape, err);
}

static tn_code to_batch_square_prepare(tn_prepare *p, tn_error *err)
{
    blocks b;
    TN_TRY(read_square(p->attrs, p->in[1], 4, &b, err));
    return batch_prepare(p, &b, true, err);
}

static tn_code from_batch_square_prepare(tn_prepare *p, tn_error *err)
{
    blocks b;
    TN_TRY(read_square(p->attrs, p->in[1], 4, &b, err));
    return batch_prepare(p, &b, false, err);
}
static tn_code to_batch_square_grad(tn_grad *g, tn_error *err)
{
    return inverse_grad(g, "BatchToSpace", err);
}
static tn_code from_batch_square_grad(tn_grad *g, tn_error *err)
{
    return inverse_grad(g, "SpaceToBatch", err);
}

const tn_op tn_op_SpaceToBatch = {
    .name = "SpaceToBatch",
    .sig = "input:T paddings:Tpaddings -> output:T; T:type Tpaddings:type{int32,int64}=int32 "
           "block_size:int>=2",
    .infer = batch_square_infer,
    .prepare = to_batch_square_prepare,
    .run = batch_run,
    .grad = to_batch_square_grad,
    .values = TN_BIT(1),
};
const tn_op tn_op_BatchToSpace = {
    .name = "BatchToSpace",
    .sig = "input:T crops:Tidx -> output:T; T:type block_size:int>=2 Tidx:type{int32,int64}=int32",
    .infer = batch_square_infer,
    .prepare = from_batch_square_prepare,
    .run = batch_run,
    .grad = from_batch_square_grad,
    .values = TN_BIT(1),
};

/* ==== SpaceToDepth, DepthToSpace ==== NHWC, NCHW */

typedef struct image_axes {
    int h, w, c;
} image_axes;

static tn_code axes_of(const tn_attrs *a, image_axes *x, tn_error *err)
{
    if (tn_attr_is(a, "data_format", "NHWC"))
        *x = (image_axes){1, 2, 3};
    else if (tn_attr_is(a, "data_format", "NCHW"))
        *x = (image_axes){2, 3, 1};
    else
        return tn_fail(err, TN_UNIMPLEMENTED, "data_format NCHW_VECT_C");
    return TN_OK;
}

static tn_code to_depth_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int64_t n = tn_attr_i(c->attrs, "block_size");
    image_axes x = {0};
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(axes_of(c->attrs, &x, err));
    if (in->rank < 0) return TN_OK;
    tn_shape *out = &c->out[0].shape;
    *out = *in;
    for (int k = 0; k < 2; k++) {
        int axis = k ? x.w : x.h;
        if (in->dim[axis] >= 0 && in->dim[axis] % n)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "Image width %lld and height %lld should be divisible by block_size: %lld",
                           (long long)in->dim[x.w], (long long)in->dim[x.h], (long long)n);
        if (in->dim[axis] >= 0) out->dim[axis] = in->dim[axis] / n;
    }
    out->dim[x.c] = tn_dim_mul(in->dim[x.c], n * n);
    return TN_OK;
}

static tn_code to_space_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    int64_t n = tn_attr_i(c->attrs, "block_size");
    image_axes x = {0};
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(axes_of(c->attrs, &x, err));
    if (in->rank < 0) return TN_OK;
    tn_shape *out = &c->out[0].shape;
    *out = *in;
    if (in->dim[x.c] >= 0 && in->dim[x.c] % (n * n))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Input depth dimension %lld should be divisible by: %lld",
                       (long long)in->dim[x.c], (long long)(n * n));
    out->dim[x.h] = tn_dim_mul(in->dim[x.h], n);
    out->dim[x.w] = tn_dim_mul(in->dim[x.w], n);
    if (in->dim[x.c] >= 0) out->dim[x.c] = in->dim[x.c] / (n * n);
    return TN_OK;
}

/* Dimensions in the order b, h, i, w, j, c: space[b, h*n+i, w*n+j, c] is depth[b, h, w, (i, j, c)]. */
static tn_code depth_prepare(tn_prepare *p, bool to_depth, tn_error *err)
{
    const tn_shape *space = to_depth ? &p->in[0]->shape : &p->out[0]->shape;
    const tn_shape *depth = to_depth ? &p->out[0]->shape : &p->in[0]->shape;
    int64_t ss[TN_MAX_RANK], ds[TN_MAX_RANK], n = tn_attr_i(p->attrs, "block_size");
    image_axes x = {0};
    TN_TRY(axes_of(p->attrs, &x, err));
    TN_PARAMS(p, tn_move, m);
    tn_shape_strides(space, ss);
    tn_shape_strides(depth, ds);
    int64_t c = space->dim[x.c];
    const int64_t dim[6] = {space->dim[0], depth->dim[x.h], n, depth->dim[x.w], n, c};
    const int64_t s[6] = {ss[0], ss[x.h] * n, ss[x.h], ss[x.w] * n, ss[x.w], ss[x.c]};
    const int64_t d[6] = {ds[0], ds[x.h], n * c * ds[x.c], ds[x.w], c * ds[x.c], ds[x.c]};
    for (int k = 0; k < 6; k++) tn_move_dim(m, dim[k], to_depth ? d[k] : s[k], to_depth ? s[k] : d[k]);
    return tn_move_ready(m, p->out[0]->dtype, p->threads, err);
}
static tn_code to_depth_prepare(tn_prepare *p, tn_error *err)
{
    return depth_prepare(p, true, err);
}
static tn_code to_space_prepare(tn_prepare *p, tn_error *err)
{
    return depth_prepare(p, false, err);
}

static tn_code depth_grad(tn_grad *g, const char *type, tn_error *err)
{
    static const char *const attrs[] = {"block_size", "data_format"};
    (void)err;
    tn_node dy = tn_grad_dy(g, 0);
    tn_grad_set(g, 0, tn_grad_op_like(g, type, &dy, 1, attrs, 2));
    return TN_OK;
}
static tn_code to_depth_grad(tn_grad *g, tn_error *err)
{
    return depth_grad(g, "DepthToSpace", err);
}
static tn_code to_space_grad(tn_grad *g, tn_error *err)
{
    return depth_grad(g, "SpaceToDepth", err);
}

const tn_op tn_op_SpaceToDepth = {
    .name = "SpaceToDepth",
    .sig = "input:T -> output:T; T:type block_size:int>=2 "
           "data_format:string{NHWC,NCHW,NCHW_VECT_C}=\"NHWC\"",
    .infer = to_depth_infer,
    .prepare = to_depth_prepare,
    .run = tn_run_move,
    .grad = to_depth_grad,
};
const tn_op tn_op_DepthToSpace = {
    .name = "DepthToSpace",
    .sig = "input:T -> output:T; T:type block_size:int>=2 "
           "data_format:string{NHWC,NCHW,NCHW_VECT_C}=\"NHWC\"",
    .infer = to_space_infer,
    .prepare = to_space_prepare,
    .run = tn_run_move,
    .grad = to_space_grad,
};
