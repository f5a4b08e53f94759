/* SPDX-License-Identifier: Apache-2.0
 *
 * op_resize_area.c - ResizeArea, ScaleAndTranslate and the gradient of that: each line of the result is a
 * weighted sum of some lines of the image, along height and along width. The weights are found once for each
 * run, per line.
 */
#include <float.h>
#include <math.h>

#include "../graph/op_grads.h"
#include "op_move.h"

/* ==== weights ==== of each of n lines: `count` of them from `first` on */

typedef struct span {
    int64_t first, count;
    const float *weight;
} span;

/* Sums in two steps: rows of width in, then columns. back: the transposed sum, from out's shape to in's. */
typedef struct sizes {
    int64_t batch, in[2], out[2], channels;
} sizes;

static void spread(const sizes *s, const span *rows, const span *cols, const float *in, float *out, bool back)
{
    const int64_t c = s->channels;
    for (int64_t y = 0; y < s->out[0]; y++)
        for (int64_t x = 0; x < s->out[1]; x++)
            for (int64_t i = 0; i < rows[y].count; i++)
                for (int64_t j = 0; j < cols[x].count; j++) {
                    const float w = rows[y].weight[i] * cols[x].weight[j];
                    const int64_t image = ((rows[y].first + i) * s->in[1] + cols[x].first + j) * c;
                    const int64_t result = (y * s->out[1] + x) * c;
                    const float *from = in + (back ? result : image);
                    float *to = out + (back ? image : result);
                    for (int64_t k = 0; k < c; k++) to[k] += w * from[k];
                }
}

/* ==== where things are in scratch ==== */

typedef enum kernel_kind { LANCZOS, GAUSSIAN, BOX, TRIANGLE, KEYS, MITCHELL, AREA } kernel_kind;

typedef struct resizing {
    sizes s;
    kernel_kind kernel;
    float radius;
    bool antialias;
    size_t image_at, spans_at[2], weights_at[2];
    int64_t most[2]; /* weights of a line */
} resizing;

static size_t aligned(size_t n)
{
    return (n + 63) / 64 * 64;
}

/* Places for spans of all lines; a line has at most all lines of the image as its own. */
static tn_code place(tn_prepare *p, resizing *q, const tn_tensor *image, tn_error *err)
{
    q->image_at = p->scratch;
    if (image->dtype != TN_FLOAT) p->scratch += aligned((size_t)tn_tensor_count(image) * sizeof(float));
    for (int k = 0; k < 2; k++) {
        size_t weights;
        q->most[k] = TN_MAX(q->s.in[k], 1);
        if (__builtin_mul_overflow((size_t)q->most[k] * sizeof(float), (size_t)q->s.out[k], &weights) ||
            weights >> 40)
            return tn_fail(err, TN_INVALID_ARGUMENT, "resizing %lld lines to %lld is too large",
                           (long long)q->s.in[k], (long long)q->s.out[k]);
        q->spans_at[k] = p->scratch;
        p->scratch += aligned((size_t)q->s.out[k] * sizeof(span));
        q->weights_at[k] = p->scratch;
        p->scratch += aligned(weights);
    }
    return TN_OK;
}

static span *spans_of(const tn_run *r, const resizing *q, int k, float **weights)
{
    *weights = (float *)(void *)((char *)r->scratch + q->weights_at[k]);
    return (span *)(void *)((char *)r->scratch + q->spans_at[k]);
}

static tn_code image_of(const tn_run *r, const resizing *q, const tn_tensor *t, const float **out,
                        tn_error *err)
{
    *out = t->data;
    if (t->dtype == TN_FLOAT) return TN_OK;
    float *to = (float *)(void *)((char *)r->scratch + q->image_at);
    *out = to;
    return tn_cast(t->dtype, TN_FLOAT, tn_tensor_count(t), t->data, to, false, r->threads, err);
}

static void resize_all(const tn_run *r, const resizing *q, const float *in, bool back)
{
    const sizes *s = &q->s;
    float *unused, *out = TN_FLOATS(r->out[0]);
    const span *rows = spans_of(r, q, 0, &unused), *cols = spans_of(r, q, 1, &unused);
    int64_t image = s->in[0] * s->in[1] * s->channels, result = s->out[0] * s->out[1] * s->channels;
    if (tn_tensor_count(r->out[0])) memset(out, 0, tn_tensor_bytes(r->out[0]));
    for (int64_t b = 0; b < s->batch; b++)
        spread(s, rows, cols, in + b * (back ? result : image), out + b * (back ? image : result), back);
}

/* ==== inference ==== images, size, ... */

static tn_code resize_infer(tn_infer *c, tn_error *err)
{
    tn_shape size;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    for (int k = 2; k < c->n_in; k++) TN_TRY(tn_infer_rank(c, k, 1, err));
    tn_infer_set_rank(c, 0, 4);
    if (c->in[0]->shape.rank == 4)
        c->out[0].shape.dim[0] = c->in[0]->shape.dim[0], c->out[0].shape.dim[3] = c->in[0]->shape.dim[3];
    if (!tn_infer_ints(c, 1, &size)) return TN_OK;
    if (size.rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "size must have two elements, has %d", size.rank);
    for (int k = 0; k < 2; k++) c->out[0].shape.dim[k + 1] = size.dim[k];
    return TN_OK;
}

static tn_code read_sizes(const tn_shape *image, const tn_shape *result, sizes *s, tn_error *err)
{
    *s = (sizes){
        image->dim[0], {image->dim[1], image->dim[2]}, {result->dim[1], result->dim[2]}, image->dim[3]};
    for (int k = 0; k < 2; k++)
        if (s->out[k] <= 0 || s->in[k] <= 0)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "image and output dimensions must be positive: %lld to %lld", (long long)s->in[k],
                           (long long)s->out[k]);
    return TN_OK;
}

/* ==== ResizeArea ==== */

static tn_code area_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, resizing, q);
    TN_TRY(read_sizes(&p->in[0]->shape, &p->out[0]->shape, &q->s, err));
    return place(p, q, p->in[0], err);
}

/* The part of each line of the image that line y of the result covers, of the whole. */
static void area_spans(int64_t in, int64_t out, bool corners, span *spans, float *weights)
{
    float scale = corners && out > 1 ? (float)(in - 1) / (float)(out - 1) : (float)in / (float)out;
    for (int64_t y = 0; y < out; y++, weights += in) {
        float from = (float)y * scale, to = (float)(y + 1) * scale;
        int64_t first = (int64_t)floorf(from), end = (int64_t)ceilf(to);
        int64_t low = TN_MIN(TN_MAX(first, 0), in - 1);
        spans[y] = (span){low, 0, weights};
        memset(weights, 0, (size_t)in * sizeof *weights);
        if (scale == 0) { /* one line, stretched between corners */
            weights[0] = 1;
            spans[y].count = 1;
        }
        for (int64_t i = first; i < end; i++) {
            float line = (float)i, part = line < from ? (line + 1 > to ? scale : line + 1 - from)
                                                      : (line + 1 > to ? to - line : 1.0f);
            int64_t at = TN_MIN(TN_MAX(i, 0), in - 1);
            weights[at - low] += part / scale;
            spans[y].count = at - low + 1;
        }
    }
}

static tn_code area_run(tn_run *r, tn_error *err)
{
    const resizing *q = r->params;
    const float *in;
    TN_TRY(image_of(r, q, r->in[0], &in, err));
    for (int k = 0; k < 2; k++) {
        float *weights;
        span *spans = spans_of(r, q, k, &weights);
        area_spans(q->s.in[k], q->s.out[k], tn_attr_b(r->attrs, "align_corners"), spans, weights);
    }
    resize_all(r, q, in, false);
    return TN_OK;
}

const tn_op tn_op_ResizeArea = {
    .name = "ResizeArea",
    .sig = "images:T size:int32 -> resized_images:float; "
           "T:type{int8,uint8,int16,uint16,int32,int64,half,float,double,bfloat16} align_corners:bool=false",
    .infer = resize_infer,
    .prepare = area_prepare,
    .run = area_run,
    .values = TN_BIT(1),
};

/* ==== ScaleAndTranslate ==== images size scale translation */

static const struct {
    const char *name;
    kernel_kind kind;
    float radius;
} kernels[] = {
    {"lanczos1", LANCZOS, 1}, {"lanczos3", LANCZOS, 3},
    {"lanczos5", LANCZOS, 5}, {"gaussian", GAUSSIAN, 1.5f},
    {"box", BOX, 0.5f},       {"triangle", TRIANGLE, 1},
    {"keyscubic", KEYS, 2},   {"mitchellcubic", MITCHELL, 2},
};

static float cubic(const float *near, const float *far, float x)
{
    const float *c = x < 1 ? near : far;
    return x >= 2 ? 0 : ((c[0] * x + c[1]) * x + c[2]) * x + c[3];
}

static float kernel_at(const resizing *q, float x)
{
    static const float keys[2][4] = {{1.5f, -2.5f, 0, 1}, {-0.5f, 2.5f, -4, 2}};
    static const float mitchell[2][4] = {{7 / 6.0f, -2, 0, 8 / 9.0f}, {-7 / 18.0f, 2, -10 / 3.0f, 16 / 9.0f}};
    const float pi = 3.14159265f;
    x = fabsf(x);
    switch (q->kernel) {
    case LANCZOS:
        if (x > q->radius) return 0;
        if (x <= 1e-3f) return 1;
        return q->radius * sinf(pi * x) * sinf(pi * x / q->radius) / (pi * pi * x * x);
    case GAUSSIAN: {
        float sigma = q->radius / 3;
        return x >= q->radius ? 0 : expf(-x * x / (2 * sigma * sigma));
    }
    case BOX: return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0;
    case TRIANGLE: return x < 1 ? 1 - x : 0;
    case KEYS: return cubic(keys[0], keys[1], x);
    default: return cubic(mitchell[0], mitchell[1], x);
    }
}

/* The lines around where line i lies in the image. The weights add up to 1. */
static span span_at(const resizing *q, int64_t i, int64_t in, float scale, float shift, float *weights)
{
    float back = 1 / scale, wide = q->antialias ? fmaxf(back, 1) : 1;
    float at = ((float)i + 0.5f) * back - back * shift, reach = q->radius * wide, total = 0;
    if (!(at >= 0 && at <= (float)in)) return (span){0, 0, weights};
    float low = ceilf(at - reach - 0.5f), high = floorf(at + reach - 0.5f);
    int64_t first = low > 0 ? (int64_t)fminf(low, (float)(in - 1)) : 0;
    int64_t last = high < (float)(in - 1) ? (int64_t)fmaxf(high, 0) : in - 1;
    if (last < first) return (span){0, 0, weights};
    for (int64_t k = first; k <= last; k++)
        total += weights[k - first] = kernel_at(q, ((float)k + 0.5f - at) / wide);
    if (fabsf(total) >= 1000 * FLT_MIN)
        for (int64_t k = first; k <= last; k++) weights[k - first] /= total;
    return (span){first, last - first + 1, weights};
}

static tn_code scale_prepare(tn_prepare *p, tn_error *err)
{
    bool back = p->op->name[strlen("ScaleAndTranslate")] == 'G';
    bool known = false;
    TN_PARAMS(p, resizing, q);
    TN_TRY(read_sizes(&p->in[back]->shape, back ? &p->in[0]->shape : &p->out[0]->shape, &q->s, err));
    for (size_t k = 0; k < TN_COUNT(kernels); k++) {
        if (!tn_attr_is(p->attrs, "kernel_type", kernels[k].name)) continue;
        q->kernel = kernels[k].kind;
        q->radius = kernels[k].radius;
        known = true;
    }
    if (!known) return tn_fail(err, TN_INVALID_ARGUMENT, "ScaleAndTranslate: Unrecognized kernel type");
    q->antialias = tn_attr_b(p->attrs, "antialias");
    for (int k = 2; k < 4; k++)
        if (tn_tensor_count(p->in[k]) != 2)
            return tn_fail(err, TN_INVALID_ARGUMENT, "scale and translation must have two elements each");
    return place(p, q, p->in[0], err);
}

static tn_code scale_run(tn_run *r, tn_error *err)
{
    const resizing *q = r->params;
    const float *in, *scale = TN_FLOATS(r->in[2]), *shift = TN_FLOATS(r->in[3]);
    TN_TRY(image_of(r, q, r->in[0], &in, err));
    for (int k = 0; k < 2; k++) {
        float *weights;
        span *spans = spans_of(r, q, k, &weights);
        if (!(scale[k] > 0)) return tn_fail(err, TN_INVALID_ARGUMENT, "scale must be greater than zero");
        for (int64_t i = 0; i < q->s.out[k]; i++)
            spans[i] = span_at(q, i, q->s.in[k], scale[k], shift[k], weights + i * q->most[k]);
    }
    resize_all(r, q, in, r->op->name[strlen("ScaleAndTranslate")] == 'G');
    return TN_OK;
}

static tn_code scale_grad(tn_grad *g, tn_error *err)
{
    static const char *const attrs[] = {"kernel_type", "antialias"};
    (void)err;
    tn_node x = tn_grad_in(g, 0);
    tn_dtype t = tn_dtype_base(tn_node_dtype(x));
    tn_node in[] = {tn_grad_dy(g, 0), tn_grad_cast(g->b, x, TN_FLOAT), tn_grad_in(g, 2), tn_grad_in(g, 3)};
    tn_grad_set(g, 0, tn_grad_cast(g->b, tn_grad_op_like(g, "ScaleAndTranslateGrad", in, 4, attrs, 2), t));
    return TN_OK;
}

const tn_op tn_op_ScaleAndTranslate = {
    .name = "ScaleAndTranslate",
    .sig = "images:T size:int32 scale:float translation:float -> resized_images:float; "
           "T:type{int8,uint8,int16,uint16,int32,int64,bfloat16,half,float,double} "
           "kernel_type:string=\"lanczos3\" "
           "antialias:bool=true",
    .infer = resize_infer,
    .prepare = scale_prepare,
    .run = scale_run,
    .grad = scale_grad,
    .values = TN_BIT(1),
};

static tn_code scale_back_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 4, err));
    c->out[0].shape = c->in[1]->shape;
    return TN_OK;
}

const tn_op tn_op_ScaleAndTranslateGrad = {
    .name = "ScaleAndTranslateGrad",
    .sig = "grads:T original_image:T scale:float translation:float -> output:T; T:type{float} "
           "kernel_type:string=\"lanczos3\" antialias:bool=true",
    .infer = scale_back_infer,
    .prepare = scale_prepare,
    .run = scale_run,
};
