/* SPDX-License-Identifier: Apache-2.0
 *
 * op_resize.c - ResizeNearestNeighbor, ResizeBilinear, ResizeBicubic and the operators of their gradients.
 * Each axis is a table of taps (positions and weights), made once; a pixel is the product of two.
 */
#include "../graph/op_grads.h"
#include "op_move.h"
#include "resize.h"

#include <math.h>

typedef enum method { NEAREST, BILINEAR, BICUBIC } method;

typedef struct resize {
    int64_t batch, channels, from[2], to[2]; /* from: the image; to: its resized form */
    int n;                                   /* taps of each pixel */
    tn_taps *axis[2];
    int threads;       /* of the forward pass */
    size_t image, row; /* bytes of its copy of the image, of a row that is resized along x */
} resize;

/* ==== taps ==== */

static int64_t bounded(int64_t v, int64_t n)
{
    return v < 0 ? 0 : v >= n ? n - 1 : v;
}

static tn_taps nearest_taps(int64_t i, int64_t n, float scale, bool align, bool half)
{
    float at = half ? ((float)i + 0.5f) * scale : (float)i * scale;
    int64_t k = (int64_t)(align ? roundf(at) : floorf(at));
    return (tn_taps){{bounded(k, n)}, {1}};
}

static tn_taps bilinear_taps(int64_t i, int64_t n, float scale, bool half)
{
    float at = half ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale, low = floorf(at), part = at - low;
    int64_t a = (int64_t)low, b = (int64_t)ceilf(at);
    return (tn_taps){{a < 0 ? 0 : a, b < n - 1 ? b : n - 1}, {1 - part, part}};
}

/* The cubic kernel at distance x in [0, 2); TensorFlow tabulates it in steps of 1/1024. */
static float cubic_weight(int step, bool far, double a)
{
    float x = (float)(step * 1.0 / 1024);
    if (!far) return (float)(((a + 2) * x - (a + 3)) * x * x + 1);
    x += 1;
    return (float)(((a * x - 5 * a) * x + 8 * a) * x - 4 * a);
}

static tn_taps bicubic_taps(int64_t i, int64_t n, float scale, bool half)
{
    float at = half ? ((float)i + 0.5f) * scale - 0.5f : (float)i * scale;
    int64_t base = (int64_t)floorf(at);
    int step = (int)lrintf((at - (float)base) * 1024);
    double a = half ? -0.5 : -0.75;
    tn_taps t = {.w = {cubic_weight(step, true, a), cubic_weight(step, false, a),
                    cubic_weight(1024 - step, false, a), cubic_weight(1024 - step, true, a)}};
    float sum = 0;
    for (int k = 0; k < 4; k++) {
        t.at[k] = bounded(base - 1 + k, n);
        if (half && t.at[k] != base - 1 + k) t.w[k] = 0; /* nothing is read beyond the edge */
        sum += t.w[k];
    }
    if (half && fabsf(sum) >= 1000.0f * 1.17549435e-38f)
        for (int k = 0; k < 4; k++) t.w[k] *= 1.0f / sum;
    return t;
}

static tn_code make_taps(tn_prepare *p, resize *z, method m, tn_error *err)
{
    bool align = tn_attr_b(p->attrs, "align_corners"), half = tn_attr_b(p->attrs, "half_pixel_centers");
    if (align && half)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "If half_pixel_centers is True, align_corners must be False.");
    if (!z->batch || !z->channels) { /* without a pixel, however large they are */
        z->batch = 0;
        return TN_OK;
    }
    z->n = m == NEAREST ? 1 : m == BILINEAR ? 2 : 4;
    for (int k = 0; k < 2; k++) {
        float scale = tn_resize_scale(z->from[k], z->to[k], align);
        z->axis[k] = TN_ARRAY(p->arena, z->to[k] + 1, tn_taps);
        if (!z->axis[k]) return tn_no_memory(err, (size_t)z->to[k] * sizeof(tn_taps));
        for (int64_t i = 0; i < z->to[k]; i++)
            z->axis[k][i] = m == NEAREST    ? nearest_taps(i, z->from[k], scale, align, half)
                            : m == BILINEAR ? bilinear_taps(i, z->from[k], scale, half)
                                            : bicubic_taps(i, z->from[k], scale, half);
    }
    return TN_OK;
}

static method method_of(const tn_op *op)
{
    if (!strncmp(op->name, "ResizeNearest", 13)) return NEAREST;
    return !strncmp(op->name, "ResizeBilinear", 14) ? BILINEAR : BICUBIC;
}

/* small: the image's shape; large: the resized one's. */
static tn_code resize_plan(tn_prepare *p, const tn_shape *image, const tn_shape *resized, tn_error *err)
{
    TN_PARAMS(p, resize, z);
    z->batch = image->dim[0];
    z->channels = image->dim[3];
    for (int k = 0; k < 2; k++) {
        z->from[k] = image->dim[1 + k];
        z->to[k] = resized->dim[1 + k];
    }
    if (tn_shape_count(resized) > 0 && (z->from[0] == 0 || z->from[1] == 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "input image must be of non-zero size");
    return make_taps(p, z, method_of(p->op), err);
}

/* ==== forward ==== */

tn_code tn_infer_resized(tn_infer *c, tn_error *err)
{
    const tn_shape *in = &c->in[0]->shape;
    tn_shape size;
    char text[128];
    if (c->in[0]->shape.rank >= 0 && c->in[0]->shape.rank != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input must be 4-dimensional%s",
                       tn_shape_text(&c->in[0]->shape, text, sizeof text));
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    tn_infer_set_rank(c, 0, 4);
    tn_shape *out = &c->out[0].shape;
    if (in->rank == 4) {
        out->dim[0] = in->dim[0];
        out->dim[3] = in->dim[3];
    }
    if (!tn_infer_ints(c, 1, &size)) return TN_OK;
    if (size.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "shape_t must have two elements[%d]", size.rank);
    for (int k = 0; k < 2; k++) {
        out->dim[1 + k] = size.dim[k];
        if (c->in[1]->value && size.dim[k] <= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT, "output dimensions must be positive");
    }
    return TN_OK;
}

static size_t float_copy(const tn_tensor *t)
{
    return t->dtype == TN_FLOAT ? 0 : ((size_t)tn_tensor_count(t) * sizeof(float) + 63) / 64 * 64;
}

/* Threads share the rows; each has as many rows at hand, resized along x, as one of the result is made of. */
static tn_code forward_prepare(tn_prepare *p, tn_error *err)
{
    TN_TRY(resize_plan(p, &p->in[0]->shape, &p->out[0]->shape, err));
    resize *z = p->params;
    int64_t rows = z->batch * z->to[0];
    if (tn_tensor_count(p->out[0]) == 0) return TN_OK;
    z->image = float_copy(p->in[0]);
    z->row = ((size_t)(z->to[1] * z->channels) * sizeof(float) + 63) / 64 * 64;
    z->threads = tn_tensor_count(p->out[0]) > 1 << 16 ? (int)TN_MIN(p->threads, rows) : 1;
    p->scratch = z->image + (size_t)z->threads * (size_t)z->n * z->row;
    return TN_OK;
}

static tn_code as_floats(const tn_run *r, const tn_tensor *t, void *space, const float **out, tn_error *err)
{
    *out = t->data;
    if (t->dtype == TN_FLOAT) return TN_OK;
    *out = space;
    return tn_cast(t->dtype, TN_FLOAT, tn_tensor_count(t), t->data, space, false, r->threads, err);
}

/* Rows of the image that have been resized along x: which one each place holds (-1: none). */
typedef struct held {
    int64_t of[4];
    float *row[4];
} held;

/* The place of row `at`: where it is, or made where none of the rows that are wanted now is. */
static const float *resized_row(const resize *z, held *h, const float *image, int64_t first, const tn_taps *y, int k)
{
    const int64_t at = first + y->at[k];
    int free_place = 0;
    for (int i = 0; i < z->n; i++) {
        bool wanted = false;
        if (h->of[i] == at) return h->row[i];
        for (int j = 0; j < z->n; j++) wanted = wanted || h->of[i] == first + y->at[j];
        if (!wanted) free_place = i;
    }
    h->of[free_place] = at;
    tn_resize_across(z->n, z->axis[1], z->to[1], z->channels, image + at * z->from[1] * z->channels,
                     h->row[free_place]);
    return h->row[free_place];
}

static void forward_rows(const resize *z, const float *image, char *space, int64_t from, int64_t to, float *out)
{
    const int64_t n = z->to[1] * z->channels;
    held h = {{-1, -1, -1, -1}, {NULL}};
    for (int i = 0; i < z->n; i++) h.row[i] = (float *)(void *)(space + (size_t)i * z->row);
    for (int64_t r = from; r < to; r++) {
        const tn_taps *y = &z->axis[0][r % z->to[0]];
        const float *rows[4];
        for (int k = 0; k < z->n; k++) rows[k] = resized_row(z, &h, image, r / z->to[0] * z->from[0], y, k);
        tn_resize_down(z->n, rows, y->w, n, out + r * n);
    }
}

static tn_code forward_run(tn_run *r, tn_error *err)
{
    const resize *z = r->params;
    const float *image;
    const int64_t rows = z->batch * z->to[0];
    if (tn_tensor_count(r->out[0]) == 0) return TN_OK;
    TN_TRY(as_floats(r, r->in[0], r->scratch, &image, err));
#pragma omp parallel for schedule(static) num_threads(z->threads) if (z->threads > 1)
    for (int part = 0; part < z->threads; part++)
        forward_rows(z, image, (char *)r->scratch + z->image + (size_t)part * (size_t)z->n * z->row,
                     rows * part / z->threads, rows * (part + 1) / z->threads, TN_FLOATS(r->out[0]));
    return TN_OK;
}

static tn_code nearest_prepare(tn_prepare *p, tn_error *err)
{
    return resize_plan(p, &p->in[0]->shape, &p->out[0]->shape, err);
}

static tn_code nearest_run(tn_run *r, tn_error *err)
{
    const resize *z = r->params;
    int64_t out = 0;
    for (int64_t b = 0; b < z->batch; b++)
        for (int64_t y = 0; y < z->to[0]; y++)
            for (int64_t x = 0; x < z->to[1]; x++, out += z->channels) {
                int64_t at =
                    ((b * z->from[0] + z->axis[0][y].at[0]) * z->from[1] + z->axis[1][x].at[0]) * z->channels;
                TN_TRY(tn_move_row(r->out[0], out, r->in[0], at, z->channels, err));
            }
    return TN_OK;
}

static const char *const resize_attrs[] = {"align_corners", "half_pixel_centers"};

static tn_code by_image_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 0), in[] = {tn_grad_dy(g, 0), x};
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    bool cubic = method_of(g->op->def) == BICUBIC;
    if (!tn_dtype_is_float(t) || (cubic && t != TN_FLOAT && t != TN_DOUBLE))
        return TN_OK; /* TensorFlow gives none */
    tn_grad_set(
        g, 0, tn_grad_op_like(g, cubic ? "ResizeBicubicGrad" : "ResizeBilinearGrad", in, 2, resize_attrs, 2));
    return TN_OK;
}

static tn_code nearest_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node x = tn_grad_in(g, 0);
    tn_shape s = tn_node_shape(x);
    tn_node size = s.rank == 4 && s.dim[1] >= 0 && s.dim[2] >= 0
                       ? tn_ints(g->b, s.dim + 1, 2)
                       : tn_grad_range_of(g->b, tn_grad_shape(g->b, x, TN_INT32), 1, 3);
    tn_node in[] = {tn_grad_dy(g, 0), size};
    tn_grad_set(g, 0, tn_grad_op_like(g, "ResizeNearestNeighborGrad", in, 2, resize_attrs, 2));
    return TN_OK;
}

#define RESIZE(NAME, KIND, GRAD, SIG) \
    const tn_op tn_op_##NAME = {      \
        .name = #NAME,                \
        .sig = SIG,                   \
        .infer = tn_infer_resized,          \
        .prepare = KIND##_prepare,    \
        .run = KIND##_run,            \
        .grad = GRAD,                 \
        .values = TN_BIT(1),          \
    }
RESIZE(ResizeNearestNeighbor, nearest, nearest_grad,
       "images:T size:int32 -> resized_images:T; "
       "T:type{int8,uint8,int16,uint16,int32,int64,half,float,double,bfloat16} align_corners:bool=false "
       "half_pixel_centers:bool=false");
RESIZE(ResizeBilinear, forward, by_image_grad,
       "images:T size:int32 -> resized_images:float; "
       "T:type{int8,uint8,int16,uint16,int32,int64,bfloat16,half,float,double,bfloat16} "
       "align_corners:bool=false half_pixel_centers:bool=false");
RESIZE(ResizeBicubic, forward, by_image_grad,
       "images:T size:int32 -> resized_images:float; "
       "T:type{int8,uint8,int16,uint16,int32,int64,half,float,double,bfloat16} align_corners:bool=false "
       "half_pixel_centers:bool=false");

/* ==== backward ==== gradients of the resized image are added to the pixels they were read from */

static tn_code back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

static tn_code back_prepare(tn_prepare *p, tn_error *err)
{
    size_t grad = float_copy(p->in[0]);
    p->scratch = grad + float_copy(p->out[0]);
    if (p->in[0]->shape.dim[0] != p->out[0]->shape.dim[0] ||
        p->in[0]->shape.dim[3] != p->out[0]->shape.dim[3])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "grads and the original image must have the same batch and channels");
    return resize_plan(p, &p->out[0]->shape, &p->in[0]->shape, err);
}

static void back_pixel(const resize *z, float *image, const tn_taps *y, const tn_taps *x, const float *dy)
{
    for (int i = 0; i < z->n; i++)
        for (int j = 0; j < z->n; j++) {
            float w = y->w[i] * x->w[j], *to = image + (y->at[i] * z->from[1] + x->at[j]) * z->channels;
            for (int64_t c = 0; c < z->channels; c++) to[c] += dy[c] * w;
        }
}

/* Numbers that floats do not hold, each of which belongs to one pixel. */
static void back_exactly(const resize *z, const tn_tensor *dy, tn_tensor *out)
{
    memset(out->data, 0, tn_tensor_bytes(out));
    for (int64_t i = 0; i < tn_tensor_count(dy); i++) {
        int64_t c = i % z->channels, place = i / z->channels, x = place % z->to[1], y = place / z->to[1] % z->to[0],
                b = place / (z->to[0] * z->to[1]);
        int64_t at = ((b * z->from[0] + z->axis[0][y].at[0]) * z->from[1] + z->axis[1][x].at[0]) * z->channels + c;
        if (out->dtype == TN_DOUBLE)
            ((double *)out->data)[at] += ((const double *)dy->data)[i];
        else
            ((uint32_t *)out->data)[at] += ((const uint32_t *)dy->data)[i];
    }
}

static tn_code back_run(tn_run *r, tn_error *err)
{
    const resize *z = r->params;
    const float *dy;
    bool direct = r->out[0]->dtype == TN_FLOAT;
    float *image = direct ? TN_FLOATS(r->out[0]) : (float *)((char *)r->scratch + float_copy(r->in[0])),
          *sum = image;
    int64_t n = tn_tensor_count(r->out[0]);
    if (n == 0) return TN_OK;
    if (r->in[0]->dtype == TN_DOUBLE || r->in[0]->dtype == TN_INT32) {
        back_exactly(z, r->in[0], r->out[0]);
        return TN_OK;
    }
    TN_TRY(as_floats(r, r->in[0], r->scratch, &dy, err));
    memset(image, 0, (size_t)n * sizeof *image);
    for (int64_t b = 0; b < z->batch; b++, image += z->from[0] * z->from[1] * z->channels)
        for (int64_t y = 0; y < z->to[0]; y++)
            for (int64_t x = 0; x < z->to[1]; x++, dy += z->channels)
                back_pixel(z, image, &z->axis[0][y], &z->axis[1][x], dy);
    return direct ? TN_OK
                  : tn_cast(TN_FLOAT, r->out[0]->dtype, n, sum, r->out[0]->data, false, r->threads, err);
}

/* The gradient of a gradient: resizing again. TensorFlow stops at that of the bilinear kind. */
static tn_code back_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    const char *type = method_of(g->op->def) == NEAREST ? "ResizeNearestNeighbor" : "ResizeBicubic";
    tn_node size = tn_grad_range_of(g->b, tn_grad_shape(g->b, tn_grad_in(g, 0), TN_INT32), 1, 3);
    tn_node in[] = {tn_grad_dy(g, 0), size};
    tn_grad_set(g, 0, tn_grad_op_like(g, type, in, 2, resize_attrs, 2));
    return TN_OK;
}

#define RESIZE_BACK(NAME, GRAD, FLAGS, INFER, VALUES, SIG) \
    const tn_op tn_op_##NAME = {                           \
        .name = #NAME,                                     \
        .sig = SIG,                                        \
        .infer = INFER,                                    \
        .prepare = back_prepare,                           \
        .run = back_run,                                   \
        .grad = GRAD,                                      \
        .flags = FLAGS,                                    \
        .values = VALUES,                                  \
    }
RESIZE_BACK(ResizeNearestNeighborGrad, back_grad, 0, tn_infer_resized, TN_BIT(1),
            "grads:T size:int32 -> output:T; T:type{uint8,int8,int32,half,float,double,bfloat16} "
            "align_corners:bool=false half_pixel_centers:bool=false");
RESIZE_BACK(ResizeBilinearGrad, NULL, TN_NO_GRADIENT, back_infer, 0,
            "grads:float original_image:T -> output:T; T:type{float,bfloat16,half,double} "
            "align_corners:bool=false half_pixel_centers:bool=false");
RESIZE_BACK(ResizeBicubicGrad, back_grad, 0, back_infer, 0,
            "grads:float original_image:T -> output:T; T:type{float,double} align_corners:bool=false "
            "half_pixel_centers:bool=false");
