/* SPDX-License-Identifier: Apache-2.0
 *
 * op_fused_pad.c - FusedPadConv2D and FusedResizeAndPadConv2D, which tools that prepare graphs for small
 * devices make: an image is stretched (the second), mirrored at its edges, convolved.
 */
#include <math.h>

#include "op_conv.h"
#include "op_move.h"

typedef struct fused {
    tn_shape in, sized, padded; /* as given, stretched, with the edges */
    int64_t before[4], after[4];
    bool resize, corners;
    tn_pad_mode mode;
    tn_conv *conv;                                                   /* NULL: the result is empty or zeros */
    size_t floats_at, sized_at, sized_floats_at, padded_at, conv_at; /* in scratch */
} fused;

static bool resizes(const tn_op *op)
{
    return strncmp(op->name, "FusedResize", 11) == 0;
}

/* ==== shapes ==== */

static tn_code read_paddings(const tn_tensor *t, const tn_shape *sized, bool reflect, int64_t *before,
                             int64_t *after, tn_shape *padded, tn_error *err)
{
    if (t->shape.rank != 2 || t->shape.dim[0] != 4 || t->shape.dim[1] != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "paddings must be a matrix with 2 columns and 4 rows");
    *padded = *sized;
    for (int k = 0; k < 4; k++) {
        before[k] = tn_tensor_int(t, 2 * k);
        after[k] = tn_tensor_int(t, 2 * k + 1);
        int64_t most = sized->dim[k] - reflect;
        if (before[k] < 0 || after[k] < 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "paddings must be non-negative: %lld, %lld",
                           (long long)before[k], (long long)after[k]);
        if ((k == 0 || k == 3) && (before[k] || after[k]))
            return tn_fail(err, TN_INVALID_ARGUMENT, "paddings must be 0 for batch and depth");
        if (sized->dim[k] < 0) continue;
        if ((before[k] && before[k] > most) || (after[k] && after[k] > most))
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "paddings must be no greater than the dimension size: %lld, %lld greater than %lld",
                (long long)before[k], (long long)after[k], (long long)most);
        padded->dim[k] += before[k] + after[k];
    }
    return TN_OK;
}

static tn_code stretched(const tn_shape *in, const tn_tensor *size, tn_shape *out, tn_error *err)
{
    *out = *in;
    if (!size) return TN_OK;
    if (tn_tensor_count(size) != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "size must have two elements");
    for (int k = 0; k < 2; k++) {
        out->dim[k + 1] = tn_tensor_int(size, k);
        if (out->dim[k + 1] <= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "output dimensions must be positive");
        if (in->dim[k + 1] == 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "input image must be of non-zero size");
    }
    return TN_OK;
}

static tn_code fused_infer(tn_infer *c, tn_error *err)
{
    bool resize = resizes(c->op);
    int pads = 1 + resize, filter = pads + 1;
    tn_shape sized, padded;
    int64_t before[4], after[4];
    tn_conv_sizes s;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, filter, 4, err));
    tn_infer_set_rank(c, 0, 4);
    if (c->in[0]->shape.rank < 0 || !c->in[pads]->value || (resize && !c->in[1]->value)) return TN_OK;
    TN_TRY(stretched(&c->in[0]->shape, resize ? c->in[1]->value : NULL, &sized, err));
    TN_TRY(read_paddings(c->in[pads]->value, &sized, tn_attr_is(c->attrs, "mode", "REFLECT"), before, after,
                         &padded, err));
    TN_TRY(tn_conv_sizes_of(c->op, c->attrs, &padded, &c->in[filter]->shape, &s, err));
    c->out[0].shape = tn_conv_out_shape(&s);
    return TN_OK;
}

/* ==== preparation ==== */

static void fused_done(void *params)
{
    tn_conv_free(((fused *)params)->conv);
}

static size_t room(tn_prepare *p, size_t bytes)
{
    size_t at = p->scratch;
    p->scratch += (bytes + 63) / 64 * 64;
    return at;
}

static tn_code make_conv(tn_prepare *p, fused *f, int filter, tn_error *err)
{
    tn_conv_sizes s;
    TN_TRY(tn_conv_sizes_of(p->op, p->attrs, &f->padded, &p->in[filter]->shape, &s, err));
    if (!tn_shape_count(&f->padded) || !tn_tensor_count(p->in[filter]) || !tn_tensor_count(p->out[0]))
        return TN_OK;
    s.d.kind = TN_CONV_FORWARD;
    s.d.dtype = p->in[0]->dtype;
    s.d.threads = p->threads;
    TN_TRY(tn_conv_new(&s.d, &f->conv, err));
    p->done = fused_done;
    f->conv_at = room(p, tn_conv_scratch(f->conv));
    return TN_OK;
}

static tn_code fused_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, fused, f);
    int64_t n, m;
    size_t size = tn_dtype_size(p->in[0]->dtype);
    f->resize = resizes(p->op);
    f->in = p->in[0]->shape;
    if (f->resize) f->corners = tn_attr_b(p->attrs, "resize_align_corners");
    f->mode = tn_attr_is(p->attrs, "mode", "REFLECT") ? TN_PAD_REFLECT : TN_PAD_SYMMETRIC;
    TN_TRY(stretched(&f->in, f->resize ? p->in[1] : NULL, &f->sized, err));
    TN_TRY(read_paddings(p->in[1 + f->resize], &f->sized, f->mode == TN_PAD_REFLECT, f->before, f->after,
                         &f->padded, err));
    TN_TRY(tn_shape_count_checked(&f->sized, &n, err));
    TN_TRY(tn_shape_count_checked(&f->padded, &m, err));
    f->floats_at = room(p, (size_t)tn_tensor_count(p->in[0]) * sizeof(float));
    f->sized_floats_at = room(p, (size_t)n * sizeof(float));
    f->sized_at = room(p, (size_t)n * size);
    f->padded_at = room(p, (size_t)m * size);
    return make_conv(p, f, 2 + f->resize, err);
}

/* ==== running ==== */

static float scale_of(int64_t in, int64_t out, bool corners)
{
    return corners && out > 1 ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
}

static void stretch(const fused *f, const float *in, float *out)
{
    const int64_t *a = f->in.dim, *b = f->sized.dim, depth = a[3];
    float sy = scale_of(a[1], b[1], f->corners), sx = scale_of(a[2], b[2], f->corners);
    for (int64_t i = 0; i < b[0] * b[1] * b[2]; i++) {
        float y = (float)(i / b[2] % b[1]) * sy, x = (float)(i % b[2]) * sx;
        int64_t y0 = TN_MIN((int64_t)y, a[1] - 1), x0 = TN_MIN((int64_t)x, a[2] - 1);
        int64_t y1 = TN_MIN(y0 + 1, a[1] - 1), x1 = TN_MIN(x0 + 1, a[2] - 1);
        const float *image = in + i / b[2] / b[1] * a[1] * a[2] * depth;
        for (int64_t c = 0; c < depth; c++) {
            float tl = image[(y0 * a[2] + x0) * depth + c], tr = image[(y0 * a[2] + x1) * depth + c];
            float bl = image[(y1 * a[2] + x0) * depth + c], br = image[(y1 * a[2] + x1) * depth + c];
            float top = tl + (tr - tl) * (x - (float)x0), bottom = bl + (br - bl) * (x - (float)x0);
            out[i * depth + c] = top + (bottom - top) * (y - (float)y0);
        }
    }
}

static tn_code stretch_any(const tn_run *r, const fused *f, char *space, tn_error *err)
{
    tn_dtype t = r->in[0]->dtype;
    float *in = (float *)(void *)(space + f->floats_at), *out = (float *)(void *)(space + f->sized_floats_at);
    TN_TRY(tn_cast(t, TN_FLOAT, tn_tensor_count(r->in[0]), r->in[0]->data, in, false, r->threads, err));
    stretch(f, in, out);
    return tn_cast(TN_FLOAT, t, tn_shape_count(&f->sized), out, space + f->sized_at, false, r->threads, err);
}

static tn_code fused_run(tn_run *r, tn_error *err)
{
    const fused *f = r->params;
    char *space = r->scratch;
    const void *image = r->in[0]->data;
    if (!f->conv) {
        if (tn_tensor_count(r->out[0])) memset(r->out[0]->data, 0, tn_tensor_bytes(r->out[0]));
        return TN_OK;
    }
    if (f->resize) {
        TN_TRY(stretch_any(r, f, space, err));
        image = space + f->sized_at;
    }
    TN_TRY(tn_pad((int)tn_dtype_size(r->in[0]->dtype), f->mode, &f->sized, f->before, f->after, NULL, image,
                  space + f->padded_at, r->threads, err));
    tn_conv_args args = {.in = space + f->padded_at,
                         .filter = r->in[2 + f->resize]->data,
                         .out = r->out[0]->data,
                         .scratch = space + f->conv_at};
    return tn_conv_run(f->conv, &args, err);
}

const tn_op tn_op_FusedPadConv2D = {
    .name = "FusedPadConv2D",
    .sig = "input:T paddings:int32 filter:T -> output:T; T:type{half,bfloat16,float,double} "
           "mode:string{REFLECT,SYMMETRIC} strides:list(int) padding:string{SAME,VALID}",
    .infer = fused_infer,
    .prepare = fused_prepare,
    .run = fused_run,
    .values = TN_BIT(1),
};
const tn_op tn_op_FusedResizeAndPadConv2D = {
    .name = "FusedResizeAndPadConv2D",
    .sig = "input:T size:int32 paddings:int32 filter:T -> output:T; T:type{half,float,double} "
           "resize_align_corners:bool=false mode:string{REFLECT,SYMMETRIC} strides:list(int) "
           "padding:string{SAME,VALID}",
    .infer = fused_infer,
    .prepare = fused_prepare,
    .run = fused_run,
    .values = TN_BIT(1) | TN_BIT(2),
};
