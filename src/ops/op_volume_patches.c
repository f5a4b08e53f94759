/* SPDX-License-Identifier: Apache-2.0
 *
 * op_volume_patches.c - ExtractVolumePatches: the windows of volumes [batch, planes, rows, columns, depth],
 * each as one long row of depths.
 */
#include "../graph/op_grads.h"
#include "../kernel/kernel.h"
#include "op_math.h"
#include "op_move.h"

typedef struct patches {
    int64_t in[3], size[3], stride[3], out[3], pad[3], batch, depth;
} patches;

static tn_code read_sizes(const tn_attrs *a, const tn_shape *in, patches *out, tn_error *err)
{
    patches p = {.batch = in->dim[0], .depth = in->dim[4]};
    const int64_t *size, *stride;
    if (tn_attr_list(a, "ksizes", &size) != 5 || tn_attr_list(a, "strides", &stride) != 5)
        return tn_fail(err, TN_INVALID_ARGUMENT, "ksizes and strides must have 5 values");
    if (size[0] != 1 || size[4] != 1 || stride[0] != 1 || stride[4] != 1)
        return tn_fail(err, TN_UNIMPLEMENTED, "ksizes and strides must be 1 for batch and depth");
    for (int k = 0; k < 3; k++) {
        int64_t high;
        p.in[k] = in->dim[k + 1];
        p.size[k] = size[k + 1];
        p.stride[k] = stride[k + 1];
        p.out[k] = -1;
        if (p.size[k] < 1 || p.stride[k] < 1 || p.size[k] > INT32_MAX || p.stride[k] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "ksizes and strides must be at least 1");
        if (p.in[k] >= 0)
            tn_window_size(p.in[k], p.size[k], p.stride[k], 1, tn_attr_is(a, "padding", "SAME"), &p.out[k],
                           &p.pad[k], &high);
    }
    int64_t each;
    if (__builtin_mul_overflow(p.size[0] * p.size[1], p.size[2], &each))
        return tn_fail(err, TN_INVALID_ARGUMENT, "a patch is too large");
    *out = p;
    return TN_OK;
}

static tn_code patches_infer(tn_infer *c, tn_error *err)
{
    patches p;
    TN_TRY(tn_infer_rank(c, 0, 5, err));
    tn_infer_set_rank(c, 0, 5);
    if (c->in[0]->shape.rank < 0) return TN_OK;
    TN_TRY(read_sizes(c->attrs, &c->in[0]->shape, &p, err));
    tn_shape *out = &c->out[0].shape;
    out->dim[0] = p.batch;
    for (int k = 0; k < 3; k++) out->dim[k + 1] = p.out[k];
    out->dim[4] = p.depth;
    for (int k = 0; k < 3 && out->dim[4] > 0; k++)
        if (__builtin_mul_overflow(out->dim[4], p.size[k], &out->dim[4]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "a patch is too large");
    return TN_OK;
}

static tn_code patches_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, patches, v);
    return read_sizes(p->attrs, &p->in[0]->shape, v, err);
}

/* One window, zeros where it lies outside. */
static void one_patch(const patches *p, const char *volume, size_t depth, const int64_t *at, char *to)
{
    for (int64_t i = 0; i < p->size[0]; i++)
        for (int64_t j = 0; j < p->size[1]; j++)
            for (int64_t k = 0; k < p->size[2]; k++, to += depth) {
                const int64_t z = at[0] + i, y = at[1] + j, x = at[2] + k;
                bool inside = z >= 0 && z < p->in[0] && y >= 0 && y < p->in[1] && x >= 0 && x < p->in[2];
                if (inside)
                    memcpy(to, volume + (size_t)((z * p->in[1] + y) * p->in[2] + x) * depth, depth);
                else
                    memset(to, 0, depth);
            }
}

static tn_code patches_run(tn_run *r, tn_error *err)
{
    const patches *p = r->params;
    size_t depth = (size_t)p->depth * tn_dtype_size(r->in[0]->dtype);
    size_t volume = (size_t)(p->in[0] * p->in[1] * p->in[2]) * depth, patch = 0;
    char *to = r->out[0]->data;
    (void)err;
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    patch = (size_t)(p->size[0] * p->size[1] * p->size[2]) * depth;
    for (int64_t i = 0, n = p->out[0] * p->out[1] * p->out[2]; i < p->batch * n; i++, to += patch) {
        int64_t at[3], rest = i % n;
        for (int k = 2; k >= 0; k--) {
            at[k] = rest % p->out[k] * p->stride[k] - p->pad[k];
            rest /= p->out[k];
        }
        one_patch(p, (const char *)r->in[0]->data + (size_t)(i / n) * volume, depth, at, to);
    }
    return TN_OK;
}

/* A patch is a convolution whose filter has a channel for each element of the window: its gradient is that
 * one's. */
static tn_code patches_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"strides", "padding"};
    tn_node x = tn_grad_in(g, 0), dy = tn_grad_dy(g, 0);
    tn_shape s = tn_node_shape(x), out = tn_node_shape(dy);
    patches p;
    if (s.rank != 5 || s.dim[4] < 0 || out.rank != 5 || out.dim[4] < 0)
        return tn_fail(err, TN_UNIMPLEMENTED,
                       "the gradient of ExtractVolumePatches needs the number of channels");
    TN_TRY(read_sizes(&g->op->attrs, &s, &p, err));
    int64_t n = out.dim[4], shape[] = {p.size[0], p.size[1], p.size[2], p.depth, n};
    tn_node one = tn_scalar(g->b, tn_dtype_base(tn_node_dtype(x)), 1);
    tn_node ones = tn_op(g->b, "Fill", TN_INPUTS(tn_grad_ints(g->b, TN_INT32, &n, 1), one), TN_NO_ATTRS);
    tn_node filter =
        tn_g2(g->b, "Reshape", tn_g1(g->b, "MatrixDiag", ones), tn_grad_ints(g->b, TN_INT32, shape, 5));
    tn_node in[] = {tn_grad_shape(g->b, x, TN_INT32), filter, dy};
    tn_grad_set(g, 0, tn_grad_op_like(g, "Conv3DBackpropInputV2", in, 3, attrs, 2));
    return TN_OK;
}

const tn_op tn_op_ExtractVolumePatches = {
    .name = "ExtractVolumePatches",
    .sig = "input:T -> patches:T; ksizes:list(int)>=5 strides:list(int)>=5 T:type{realnumbertype} "
           "padding:string{SAME,VALID}",
    .infer = patches_infer,
    .prepare = patches_prepare,
    .run = patches_run,
    .grad = patches_grad,
};
