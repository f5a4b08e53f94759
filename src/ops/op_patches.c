/* SPDX-License-Identifier: Apache-2.0
 *
 * op_patches.c - ExtractImagePatches: every window of an image as one vector of channels.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

typedef struct patches {
    int64_t size[2], stride[2], rate[2], out[2], pad[2], in[2];
    int64_t batch, channels;
} patches;

static tn_code patches_of(const tn_attrs *a, const tn_shape *in, patches *p, tn_error *err)
{
    static const char *const names[] = {"ksizes", "strides", "rates"};
    int64_t *to[3] = {p->size, p->stride, p->rate};
    for (int i = 0; i < 3; i++) {
        const int64_t *v;
        if (tn_attr_list(a, names[i], &v) != 4 || v[0] != 1 || v[3] != 1 || v[1] < 1 || v[2] < 1 ||
            v[1] > INT32_MAX || v[2] > INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "%s must be [1, rows, cols, 1] with positive rows and cols", names[i]);
        to[i][0] = v[1];
        to[i][1] = v[2];
    }
    bool same = tn_attr_is(a, "padding", "SAME");
    p->batch = in->dim[0];
    p->channels = in->dim[3];
    for (int k = 0; k < 2; k++) {
        int64_t high;
        p->in[k] = in->dim[1 + k];
        p->out[k] = -1;
        if (p->in[k] >= 0)
            tn_window_size(p->in[k], p->size[k], p->stride[k], p->rate[k], same, &p->out[k], &p->pad[k],
                           &high);
    }
    return TN_OK;
}

static tn_code patches_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    patches p = {0};
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    if (in->rank < 0) return TN_OK;
    TN_TRY(patches_of(c->attrs, in, &p, err));
    c->out[0].shape = (tn_shape){
        .rank = 4, .dim = {in->dim[0], p.out[0], p.out[1], tn_dim_mul(in->dim[3], p.size[0] * p.size[1])}};
    return TN_OK;
}

static tn_code patches_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, patches, q);
    return patches_of(p->attrs, &p->in[0]->shape, q, err);
}

static tn_code one_patch(const patches *p, tn_run *r, int64_t image, int64_t y, int64_t x, int64_t out,
                         tn_error *err)
{
    for (int64_t i = 0; i < p->size[0]; i++)
        for (int64_t j = 0; j < p->size[1]; j++, out += p->channels) {
            int64_t row = y * p->stride[0] - p->pad[0] + i * p->rate[0],
                    col = x * p->stride[1] - p->pad[1] + j * p->rate[1];
            if (row < 0 || row >= p->in[0] || col < 0 || col >= p->in[1]) continue;
            int64_t from = ((image * p->in[0] + row) * p->in[1] + col) * p->channels;
            TN_TRY(tn_move_row(r->out[0], out, r->in[0], from, p->channels, err));
        }
    return TN_OK;
}

static tn_code patches_run(tn_run *r, tn_error *err)
{
    const patches *p = r->params;
    int64_t at = 0, each = p->size[0] * p->size[1] * p->channels;
    memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t y = 0; y < p->out[0]; y++)
            for (int64_t x = 0; x < p->out[1]; x++, at += each) TN_TRY(one_patch(p, r, b, y, x, at, err));
    return TN_OK;
}

/* Patches of the positions (from 1 on; 0 is padding) say which pixel each gradient belongs to. */
static tn_node patch_positions(tn_grad *g, tn_node rows, tn_node cols, tn_node pixels)
{
    static const char *const attrs[] = {"ksizes", "strides", "rates", "padding"};
    tn_builder *b = g->b;
    tn_node one = tn_grad_int(b, TN_INT32, 1);
    tn_node line = tn_op(
        b, "Range", TN_INPUTS(one, tn_op(b, "AddV2", TN_INPUTS(pixels, one), TN_NO_ATTRS), one), TN_NO_ATTRS);
    tn_node grid = tn_grad_pack(b, (tn_node[]){one, rows, cols, one}, 4, 0);
    tn_node image = tn_op(b, "Reshape", TN_INPUTS(tn_grad_cast(b, line, TN_DOUBLE), grid), TN_NO_ATTRS);
    tn_node found = tn_grad_op_like(g, "ExtractImagePatches", &image, 1, attrs, 4);
    int64_t flat = -1;
    tn_node at =
        tn_op(b, "Reshape", TN_INPUTS(tn_grad_cast(b, found, TN_INT32), tn_ints(b, &flat, 1)), TN_NO_ATTRS);
    return tn_op(b, "Sub", TN_INPUTS(at, one), TN_NO_ATTRS);
}

static tn_code patches_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    const int64_t *k;
    tn_attr_list(&g->op->attrs, "ksizes", &k);
    tn_node in = tn_grad_shape(b, tn_grad_in(g, 0), TN_INT32),
            out = tn_grad_shape(b, tn_grad_out(g, 0), TN_INT32), d[4], o[2];
    for (int i = 0; i < 4; i++) d[i] = tn_grad_element(b, in, i);
    for (int i = 0; i < 2; i++) o[i] = tn_grad_element(b, out, 1 + i);
    tn_node pixels = tn_op(b, "Mul", TN_INPUTS(d[1], d[2]), TN_NO_ATTRS);
    tn_node ids = patch_positions(g, d[1], d[2], pixels);
    tn_node split = tn_grad_pack(
        b,
        (tn_node[]){d[0], o[0], o[1], tn_grad_int(b, TN_INT32, k[1]), tn_grad_int(b, TN_INT32, k[2]), d[3]},
        6, 0);
    int64_t there[6] = {1, 2, 3, 4, 0, 5}, back[4] = {2, 0, 1, 3};
    tn_node dy = tn_op(b, "Reshape", TN_INPUTS(tn_grad_dy(g, 0), split), TN_NO_ATTRS);
    dy = tn_op(b, "Transpose", TN_INPUTS(dy, tn_ints(b, there, 6)), TN_NO_ATTRS);
    tn_node columns = tn_op(b, "Mul", TN_INPUTS(d[0], d[3]), TN_NO_ATTRS);
    tn_node flat = tn_grad_pack(b, (tn_node[]){tn_grad_int(b, TN_INT32, -1), columns}, 2, 0);
    dy = tn_op(b, "Reshape", TN_INPUTS(dy, flat), TN_NO_ATTRS);
    tn_node sum = tn_op(b, "UnsortedSegmentSum", TN_INPUTS(dy, ids, pixels), TN_NO_ATTRS);
    tn_node image = tn_grad_pack(b, (tn_node[]){d[1], d[2], d[0], d[3]}, 4, 0);
    sum = tn_op(b, "Reshape", TN_INPUTS(sum, image), TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_op(b, "Transpose", TN_INPUTS(sum, tn_ints(b, back, 4)), TN_NO_ATTRS));
    return TN_OK;
}

const tn_op tn_op_ExtractImagePatches = {
    .name = "ExtractImagePatches",
    .sig = "images:T -> patches:T; ksizes:list(int)>=4 strides:list(int)>=4 rates:list(int)>=4 "
           "T:type{bfloat16,half,float,double,int8,int16,int32,int64,uint8,uint16,uint32,uint64,complex64,"
           "complex128,bool} padding:string{SAME,VALID}",
    .infer = patches_infer,
    .prepare = patches_prepare,
    .run = patches_run,
    .grad = patches_grad,
};
