/* SPDX-License-Identifier: Apache-2.0
 *
 * op_crop.c - CropAndResize: boxes of images, resized; and its gradients by image and by boxes.
 */
#include "../graph/op_grads.h"
#include "op_move.h"

#include <math.h>

/* ==== one box ==== */

typedef struct crop {
    int64_t n, h, w, channels, batch, crop_h, crop_w;
    bool nearest;
    float outside;
} crop;

/* Where line i of a crop of n lines lies in an image of size lines, between from and to (fractions). */
static float line_at(float from, float to, int64_t i, int64_t n, int64_t size)
{
    if (n <= 1) return 0.5f * (from + to) * (float)(size - 1);
    float step = (to - from) * (float)(size - 1) / (float)(n - 1);
    return from * (float)(size - 1) + (float)i * step;
}

/* The four pixels around a point; false: outside. */
typedef struct corners {
    int64_t top, bottom, left, right;
    float y, x; /* how far from top and left */
} corners;

static bool corners_of(const crop *c, const float *box, int64_t i, int64_t j, corners *out)
{
    float y = line_at(box[0], box[2], i, c->crop_h, c->h), x = line_at(box[1], box[3], j, c->crop_w, c->w);
    if (!(y >= 0 && y <= (float)(c->h - 1) && x >= 0 && x <= (float)(c->w - 1))) return false;
    if (c->nearest) {
        *out =
            (corners){(int64_t)roundf(y), (int64_t)roundf(y), (int64_t)roundf(x), (int64_t)roundf(x), 0, 0};
        return true;
    }
    *out = (corners){(int64_t)floorf(y), (int64_t)ceilf(y), (int64_t)floorf(x),
                     (int64_t)ceilf(x),  y - floorf(y),     x - floorf(x)};
    return true;
}

static tn_code image_of(const tn_tensor *which, int64_t box, int64_t batch, int64_t *out, tn_error *err)
{
    *out = tn_tensor_int(which, box);
    if (*out >= 0 && *out < batch) return TN_OK;
    return tn_fail(err, TN_OUT_OF_RANGE, "box_index has values outside [0, batch_size)");
}

static tn_code crop_sizes(tn_prepare *p, const tn_shape *image, const tn_shape *crops, const tn_tensor *boxes,
                          const tn_tensor *which, tn_error *err)
{
    TN_PARAMS(p, crop, c);
    tn_attr_get_float(p->attrs, "extrapolation_value", &c->outside);
    c->nearest = tn_attr_is(p->attrs, "method", "nearest");
    c->n = crops->dim[0];
    c->crop_h = crops->dim[1];
    c->crop_w = crops->dim[2];
    c->channels = image->dim[3];
    c->batch = image->dim[0];
    c->h = image->dim[1];
    c->w = image->dim[2];
    if (boxes->shape.rank != 2 || boxes->shape.dim[1] != 4 || boxes->shape.dim[0] != c->n ||
        tn_tensor_count(which) != c->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "boxes and box_index have incompatible shape");
    if (crops->dim[3] != c->channels)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image and crops must have the same depth");
    if (c->h <= 0 || c->w <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "image dimensions must be positive");
    return TN_OK;
}

/* ==== forward ==== image boxes box_ind crop_size */

static tn_code crop_infer(tn_infer *c, tn_error *err)
{
    const tn_shape *image = &c->in[0]->shape, *boxes = &c->in[1]->shape;
    tn_shape size;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 2, err));
    TN_TRY(tn_infer_rank(c, 2, 1, err));
    TN_TRY(tn_infer_rank(c, 3, 1, err));
    tn_infer_set_rank(c, 0, 4);
    tn_shape *out = &c->out[0].shape;
    if (boxes->rank == 2) out->dim[0] = boxes->dim[0];
    if (image->rank == 4) out->dim[3] = image->dim[3];
    if (!tn_infer_ints(c, 3, &size)) return TN_OK;
    if (size.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "crop_size must have two elements, got %d", size.rank);
    out->dim[1] = size.dim[0];
    out->dim[2] = size.dim[1];
    return TN_OK;
}

static size_t float_copy(const tn_tensor *t)
{
    return t->dtype == TN_FLOAT ? 0 : ((size_t)tn_tensor_count(t) * sizeof(float) + 63) / 64 * 64;
}

static tn_code crop_prepare(tn_prepare *p, tn_error *err)
{
    p->scratch = float_copy(p->in[0]);
    return crop_sizes(p, &p->in[0]->shape, &p->out[0]->shape, p->in[1], p->in[2], err);
}

static tn_code as_floats(const tn_run *r, const tn_tensor *t, const float **out, tn_error *err)
{
    *out = t->data;
    if (t->dtype == TN_FLOAT) return TN_OK;
    *out = r->scratch;
    return tn_cast(t->dtype, TN_FLOAT, tn_tensor_count(t), t->data, r->scratch, false, r->threads, err);
}

static void crop_pixel(const crop *c, const float *image, const corners *k, float *out)
{
    const float *tl = image + (k->top * c->w + k->left) * c->channels,
                *tr = image + (k->top * c->w + k->right) * c->channels;
    const float *bl = image + (k->bottom * c->w + k->left) * c->channels,
                *br = image + (k->bottom * c->w + k->right) * c->channels;
    for (int64_t d = 0; d < c->channels; d++) {
        float top = tl[d] + (tr[d] - tl[d]) * k->x, bottom = bl[d] + (br[d] - bl[d]) * k->x;
        out[d] = top + (bottom - top) * k->y;
    }
}

static tn_code crop_run(tn_run *r, tn_error *err)
{
    const crop *c = r->params;
    const float *images, *boxes = TN_FLOATS(r->in[1]);
    float *out = TN_FLOATS(r->out[0]);
    TN_TRY(as_floats(r, r->in[0], &images, err));
    for (int64_t b = 0; b < c->n; b++) {
        int64_t which = 0;
        TN_TRY(image_of(r->in[2], b, c->batch, &which, err));
        const float *image = images + which * c->h * c->w * c->channels;
        for (int64_t i = 0; i < c->crop_h; i++)
            for (int64_t j = 0; j < c->crop_w; j++, out += c->channels) {
                corners k;
                if (corners_of(c, boxes + 4 * b, i, j, &k))
                    crop_pixel(c, image, &k, out);
                else
                    for (int64_t d = 0; d < c->channels; d++) out[d] = c->outside;
            }
    }
    return TN_OK;
}

static tn_code crop_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"method"};
    (void)err;
    tn_node image = tn_grad_in(g, 0), boxes = tn_grad_in(g, 1), which = tn_grad_in(g, 2),
            dy = tn_grad_dy(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(image));
    tn_view method = {"", 0};
    tn_attr_get_string(&g->op->attrs, "method", &method);
    if (t == TN_HALF || t == TN_FLOAT || t == TN_DOUBLE) {
        tn_attr a[2] = {tn_attr_type("T", t), *tn_attr_find(&g->op->attrs, "method")};
        tn_grad_set(g, 0,
                    tn_op(g->b, "CropAndResizeGradImage",
                          TN_INPUTS(dy, boxes, which, tn_grad_shape(g->b, image, TN_INT32)), a, 2));
    }
    tn_node in[] = {dy, image, boxes, which};
    tn_grad_set(
        g, 1,
        tn_grad_op_like(g, "CropAndResizeGradBoxes", in, 4, attrs, tn_view_is(method, "bilinear") ? 1 : 0));
    return TN_OK;
}

const tn_op tn_op_CropAndResize = {
    .name = "CropAndResize",
    .sig = "image:T boxes:float box_ind:int32 crop_size:int32 -> crops:float; "
           "T:type{uint8,uint16,int8,int16,int32,int64,half,float,double} "
           "method:string{bilinear,nearest}=\"bilinear\" extrapolation_value:float=0.0",
    .infer = crop_infer,
    .prepare = crop_prepare,
    .run = crop_run,
    .grad = crop_grad,
    .values = TN_BIT(3),
};

/* ==== by image ==== grads boxes box_ind image_size */

static tn_code by_image_infer(tn_infer *c, tn_error *err)
{
    tn_shape s;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 3, 1, err));
    tn_infer_set_rank(c, 0, 4);
    if (!tn_infer_ints(c, 3, &s)) return TN_OK;
    if (s.rank != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image_size must have four elements, got %d", s.rank);
    c->out[0].shape = s;
    return TN_OK;
}

static tn_code by_image_prepare(tn_prepare *p, tn_error *err)
{
    p->scratch = float_copy(p->out[0]);
    return crop_sizes(p, &p->out[0]->shape, &p->in[0]->shape, p->in[1], p->in[2], err);
}

static void spread_pixel(const crop *c, float *image, const corners *k, const float *dy)
{
    const int64_t rows[2] = {k->top, k->bottom}, cols[2] = {k->left, k->right};
    const float wy[2] = {1 - k->y, k->y}, wx[2] = {1 - k->x, k->x};
    for (int i = 0; i < (c->nearest ? 1 : 2); i++)
        for (int j = 0; j < (c->nearest ? 1 : 2); j++) {
            float *to = image + (rows[i] * c->w + cols[j]) * c->channels;
            for (int64_t d = 0; d < c->channels; d++) to[d] += wy[i] * wx[j] * dy[d];
        }
}

static tn_code by_image_run(tn_run *r, tn_error *err)
{
    const crop *c = r->params;
    const float *dy = TN_FLOATS(r->in[0]), *boxes = TN_FLOATS(r->in[1]);
    bool direct = r->out[0]->dtype == TN_FLOAT;
    float *images = direct ? TN_FLOATS(r->out[0]) : r->scratch;
    int64_t n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    memset(images, 0, (size_t)n * sizeof *images);
    for (int64_t b = 0; b < c->n; b++) {
        int64_t which = 0;
        TN_TRY(image_of(r->in[2], b, c->batch, &which, err));
        for (int64_t i = 0; i < c->crop_h; i++)
            for (int64_t j = 0; j < c->crop_w; j++, dy += c->channels) {
                corners k;
                if (corners_of(c, boxes + 4 * b, i, j, &k))
                    spread_pixel(c, images + which * c->h * c->w * c->channels, &k, dy);
            }
    }
    return direct ? TN_OK
                  : tn_cast(TN_FLOAT, r->out[0]->dtype, n, images, r->out[0]->data, false, r->threads, err);
}

const tn_op tn_op_CropAndResizeGradImage = {
    .name = "CropAndResizeGradImage",
    .sig = "grads:float boxes:float box_ind:int32 image_size:int32 -> output:T; T:type{float,half,double} "
           "method:string{bilinear,nearest}=\"bilinear\"",
    .infer = by_image_infer,
    .prepare = by_image_prepare,
    .run = by_image_run,
    .values = TN_BIT(3),
};

/* ==== by boxes ==== grads image boxes box_ind */

static tn_code by_boxes_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    TN_TRY(tn_infer_rank(c, 2, 2, err));
    c->out[0].shape = c->in[2]->shape;
    return TN_OK;
}

static tn_code by_boxes_prepare(tn_prepare *p, tn_error *err)
{
    p->scratch = float_copy(p->in[1]);
    return crop_sizes(p, &p->in[1]->shape, &p->in[0]->shape, p->in[2], p->in[3], err);
}

/* d(line)/d(from) and d(line)/d(to). */
static void line_slopes(int64_t i, int64_t n, int64_t size, float *from, float *to)
{
    if (n <= 1) {
        *from = *to = 0.5f * (float)(size - 1);
        return;
    }
    *to = (float)i * (float)(size - 1) / (float)(n - 1);
    *from = (float)(size - 1) - *to;
}

static void box_pixel(const crop *c, const float *image, const corners *k, int64_t i, int64_t j,
                      const float *dy, float *out)
{
    const float *tl = image + (k->top * c->w + k->left) * c->channels,
                *tr = image + (k->top * c->w + k->right) * c->channels;
    const float *bl = image + (k->bottom * c->w + k->left) * c->channels,
                *br = image + (k->bottom * c->w + k->right) * c->channels;
    float y0, y1, x0, x1, by_y = 0, by_x = 0;
    for (int64_t d = 0; d < c->channels; d++) {
        by_y += ((1 - k->x) * (bl[d] - tl[d]) + k->x * (br[d] - tr[d])) * dy[d];
        by_x += ((1 - k->y) * (tr[d] - tl[d]) + k->y * (br[d] - bl[d])) * dy[d];
    }
    line_slopes(i, c->crop_h, c->h, &y0, &y1);
    line_slopes(j, c->crop_w, c->w, &x0, &x1);
    out[0] += by_y * y0;
    out[1] += by_x * x0;
    out[2] += by_y * y1;
    out[3] += by_x * x1;
}

static tn_code by_boxes_run(tn_run *r, tn_error *err)
{
    const crop *c = r->params;
    const float *images, *dy = TN_FLOATS(r->in[0]), *boxes = TN_FLOATS(r->in[2]);
    float *out = TN_FLOATS(r->out[0]);
    TN_TRY(as_floats(r, r->in[1], &images, err));
    memset(out, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t b = 0; b < c->n; b++) {
        int64_t which = 0;
        TN_TRY(image_of(r->in[3], b, c->batch, &which, err));
        for (int64_t i = 0; i < c->crop_h; i++)
            for (int64_t j = 0; j < c->crop_w; j++, dy += c->channels) {
                corners k;
                if (corners_of(c, boxes + 4 * b, i, j, &k))
                    box_pixel(c, images + which * c->h * c->w * c->channels, &k, i, j, dy, out + 4 * b);
            }
    }
    return TN_OK;
}

const tn_op tn_op_CropAndResizeGradBoxes = {
    .name = "CropAndResizeGradBoxes",
    .sig = "grads:float image:T boxes:float box_ind:int32 -> output:float; "
           "T:type{uint8,uint16,int8,int16,int32,int64,half,float,double} "
           "method:string{bilinear}=\"bilinear\"",
    .infer = by_boxes_infer,
    .prepare = by_boxes_prepare,
    .run = by_boxes_run,
};
