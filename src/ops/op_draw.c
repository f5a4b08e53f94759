/* SPDX-License-Identifier: Apache-2.0
 *
 * op_draw.c - DrawBoundingBoxes and V2: the outlines of boxes drawn into images, one pixel wide.
 */
#include "op_move.h"

#define N_COLOURS 10
/* The colours taken in turn when none are given; images of one channel are drawn on in white. */
static const float colours[N_COLOURS][4] = {
    {1, 1, 0, 1},       {0, 0, 1, 1},    {1, 0, 0, 1},    {0, 1, 0, 1}, {0.5f, 0, 0.5f, 1},
    {0.5f, 0.5f, 0, 1}, {0.5f, 0, 0, 1}, {0, 0, 0.5f, 1}, {0, 1, 1, 1}, {1, 0, 1, 1}};

static tn_code draw_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 3, err));
    if (c->n_in > 2) TN_TRY(tn_infer_rank(c, 2, 2, err));
    c->out[0].shape = c->in[0]->shape;
    return TN_OK;
}

static tn_code draw_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *images = &p->in[0]->shape, *boxes = &p->in[1]->shape;
    int64_t depth = images->dim[3];
    if (depth != 4 && depth != 1 && depth != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Channel depth should be either 1 (GRY), 3 (RGB), or 4 (RGBA), is %lld",
                       (long long)depth);
    if (boxes->dim[0] != images->dim[0] || boxes->dim[2] != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "boxes must be [%lld, n, 4]", (long long)images->dim[0]);
    if (p->n_in > 2 && tn_tensor_count(p->in[2]) && p->in[2]->shape.dim[1] < depth)
        return tn_fail(err, TN_INVALID_ARGUMENT, "colors must have at least %lld channels, has %lld",
                       (long long)depth, (long long)p->in[2]->shape.dim[1]);
    return TN_OK;
}

typedef struct canvas {
    tn_tensor *out;
    int64_t at, h, w, depth; /* at: the image's first element */
    float colour[4];
} canvas;

static void dot(const canvas *c, int64_t y, int64_t x)
{
    if (y < 0 || y >= c->h || x < 0 || x >= c->w) return;
    for (int64_t k = 0; k < c->depth; k++)
        tn_tensor_set_number(c->out, c->at + (y * c->w + x) * c->depth + k, (double)c->colour[k]);
}

/* From fractions of the image to pixels; what is far outside stays so. */
static int64_t line_at(float v, int64_t n)
{
    float at = v * (float)(n - 1);
    return !(at > -1e9f) ? -1000000000 : at > 1e9f ? 1000000000 : (int64_t)at;
}

static void draw_box(const canvas *c, const float *box)
{
    int64_t top = line_at(box[0], c->h), left = line_at(box[1], c->w), bottom = line_at(box[2], c->h),
            right = line_at(box[3], c->w);
    if (top > bottom || left > right || top >= c->h || bottom < 0 || left >= c->w || right < 0) return;
    for (int64_t x = TN_MAX(left, 0); x <= TN_MIN(right, c->w - 1); x++) dot(c, top, x), dot(c, bottom, x);
    for (int64_t y = TN_MAX(top, 0); y <= TN_MIN(bottom, c->h - 1); y++) dot(c, y, left), dot(c, y, right);
}

static void set_colour(const tn_run *r, canvas *c, int64_t box)
{
    bool given = r->n_in > 2 && tn_tensor_count(r->in[2]);
    int64_t wide = given ? r->in[2]->shape.dim[1] : 4, n = given ? r->in[2]->shape.dim[0] : N_COLOURS;
    const float *row = (given ? TN_FLOATS(r->in[2]) : colours[0]) + box % n * wide;
    for (int64_t k = 0; k < c->depth; k++) c->colour[k] = row[k];
    if (!given && c->depth == 1) c->colour[0] = 1;
}

static tn_code draw_run(tn_run *r, tn_error *err)
{
    const tn_shape *s = &r->in[0]->shape;
    int64_t n = r->in[1]->shape.dim[1];
    canvas c = {.out = r->out[0], .h = s->dim[1], .w = s->dim[2], .depth = s->dim[3]};
    TN_TRY(tn_run_copy(r, err));
    if (!tn_tensor_count(r->out[0])) return TN_OK;
    for (int64_t i = 0; i < s->dim[0] * n; i++) {
        c.at = i / n * c.h * c.w * c.depth;
        set_colour(r, &c, i % n);
        draw_box(&c, TN_FLOATS(r->in[1]) + 4 * i);
    }
    return TN_OK;
}

#define DRAW(NAME, FLAGS, ARG)                                                      \
    const tn_op tn_op_##NAME = {                                                    \
        .name = #NAME,                                                              \
        .sig = "images:T boxes:float" ARG " -> output:T; T:type{float,half}=float", \
        .infer = draw_infer,                                                        \
        .prepare = draw_prepare,                                                    \
        .run = draw_run,                                                            \
        .flags = FLAGS,                                                             \
    }
DRAW(DrawBoundingBoxes, TN_NO_GRADIENT, "");
DRAW(DrawBoundingBoxesV2, 0, " colors:float");
