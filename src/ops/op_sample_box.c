/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sample_box.c - SampleDistortedBoundingBox, V2 and StatelessSampleDistortedBoundingBox: a random part of
 * an image that shows enough of one of the objects in it. The numbers drawn are TensorFlow's, in its order.
 */
#include <math.h>

#include "op_move.h"
#include "random_words.h"

typedef struct box {
    float left, top, right, bottom; /* pixels */
} box;

typedef struct sampling {
    float area[2], aspect[2], covered;
    int64_t attempts;
    bool whole; /* the whole image where no boxes are given */
    bool stateless;
} sampling;

/* ==== attributes ==== */

static tn_code read_range(const tn_attrs *a, const char *name, const char *said, float *out, tn_error *err)
{
    const tn_attr *v = tn_attr_find(a, name);
    if (!v || !v->is_list || v->kind != TN_ATTR_FLOAT || v->n != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s field must specify 2 dimensions", said);
    memcpy(out, v->fs, 2 * sizeof *out);
    if (!(out[0] > 0 && out[1] > 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be non-negative: [%g, %g]", said, (double)out[0],
                       (double)out[1]);
    return TN_OK;
}

static tn_code sample_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, sampling, s);
    s->stateless = p->op->name[1] == 't';
    s->attempts = tn_attr_i(p->attrs, "max_attempts");
    s->whole = tn_attr_b(p->attrs, "use_image_if_no_bounding_boxes");
    TN_TRY(read_range(p->attrs, "aspect_ratio_range", "Aspect ratio range", s->aspect, err));
    TN_TRY(read_range(p->attrs, "area_range", "Area range", s->area, err));
    if (s->area[0] > 1 || s->area[1] > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Area range must be less then or equal to 1.0: [%g, %g]",
                       (double)s->area[0], (double)s->area[1]);
    if (s->attempts <= 0 || s->attempts > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Max attempts must be non-negative: %lld",
                       (long long)s->attempts);
    return TN_OK;
}

static tn_code sample_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    if (c->n_in > 2) TN_TRY(tn_infer_rank(c, 2, 0, err));
    if (c->n_in > 3) TN_TRY(tn_infer_rank(c, 3, 1, err));
    c->out[0].shape = c->out[1].shape = tn_shape_vector(3);
    c->out[2].shape = (tn_shape){.rank = 3, .dim = {1, 1, 4}};
    return TN_OK;
}

/* ==== drawing a part ==== */

static int rounded(float v)
{
    return (int)lrintf(v);
}

/* Of that aspect (width to height), an area between the two fractions of the image; false: there is none. */
static bool draw_part(const sampling *s, int width, int height, float aspect, tn_words *w, box *out)
{
    if (s->area[1] <= 0 || aspect <= 0 || width <= 0 || height <= 0 || s->area[0] > s->area[1]) return false;
    float least = s->area[0] * (float)width * (float)height, most = s->area[1] * (float)width * (float)height;
    int h = rounded(sqrtf(least / aspect)), tallest = rounded(sqrtf(most / aspect));
    if (rounded((float)tallest * aspect) > width) {
        tallest = (int)(((float)width + 0.5f - 0.0000001f) / aspect);
        if (rounded((float)tallest * aspect) > width) tallest--;
    }
    if (tallest > height) tallest = height;
    if (h >= tallest) h = tallest;
    if (h < tallest) h += (int)tn_word_below(w, (uint32_t)(tallest - h + 1));
    int wide = rounded((float)h * aspect);
    float area = (float)(wide * h);
    for (int step = 1; step >= -1; step -= 2) { /* an area off by rounding is put right */
        if (step > 0 ? !(area < least) : !(area > most)) continue;
        h += step;
        wide = rounded((float)h * aspect);
        area = (float)(wide * h);
    }
    if (area < least || area > most || wide > width || h > height || wide <= 0 || h <= 0) return false;
    int y = h < height ? (int)tn_word_below(w, (uint32_t)(height - h)) : 0;
    int x = wide < width ? (int)tn_word_below(w, (uint32_t)(width - wide)) : 0;
    *out = (box){(float)x, (float)y, (float)(x + wide), (float)(y + h)};
    return true;
}

static float area_of(const box *b)
{
    return b->right > b->left && b->bottom > b->top ? (b->right - b->left) * (b->bottom - b->top) : 0;
}

/* Enough of one object is inside; objects without area do not count. */
static bool shows_one(const box *part, float covered, const box *objects, int64_t n)
{
    if (area_of(part) < 1) return false;
    for (int64_t i = 0; i < n; i++) {
        const box *o = &objects[i];
        box common = {fmaxf(part->left, o->left), fmaxf(part->top, o->top), fminf(part->right, o->right),
                      fminf(part->bottom, o->bottom)};
        float area = area_of(o);
        if (area >= 1 && area_of(&common) / area >= covered) return true;
    }
    return false;
}

/* ==== running ==== image_size bounding_boxes (min_object_covered) (seed) */

static tn_code read_boxes(const sampling *s, const tn_tensor *boxes, int width, int height, box *out,
                          int64_t *n, tn_error *err)
{
    char text[96];
    const float *v = TN_FLOATS(boxes);
    int rank = boxes->shape.rank;
    *n = tn_tensor_count(boxes) / 4;
    if (*n == 0) {
        if (!s->whole)
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "No bounding boxes provided as input. One must enable use_image_if_no_bounding_boxes if you "
                "wish to not provide any bounding boxes.");
        out[(*n)++] = (box){0, 0, (float)width, (float)height};
        return TN_OK;
    }
    if (rank < 1 || boxes->shape.dim[rank - 1] != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "bounding boxes must have shape [4] or [*, 4], got %s",
                       tn_shape_text(&boxes->shape, text, sizeof text));
    for (int64_t i = 0; i < *n; i++, v += 4) {
        for (int k = 0; k < 4; k++)
            if (!(v[k] >= 0 && v[k] <= 1))
                return tn_fail(err, TN_INVALID_ARGUMENT,
                               "All bounding box coordinates must be in [0.0, 1.0]: %g", (double)v[k]);
        out[i] = (box){floorf(v[1] * (float)width), floorf(v[0] * (float)height), floorf(v[3] * (float)width),
                       floorf(v[2] * (float)height)};
    }
    return TN_OK;
}

static tn_code words_for(tn_run *r, const sampling *s, tn_words *w, tn_error *err)
{
    if (!s->stateless) return tn_words_of(r, 4 * (uint64_t)s->attempts * 256, w, err);
    const tn_tensor *seed = r->in[3];
    if (tn_tensor_count(seed) != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "seed must have shape [2]");
    *w = (tn_words){.used = 4};
    tn_philox_stateless(&w->p, (uint64_t)tn_tensor_int(seed, 0), (uint64_t)tn_tensor_int(seed, 1));
    return TN_OK;
}

static void put_part(tn_run *r, const box *part, int width, int height)
{
    const float begin[3] = {part->top, part->left, 0};
    const float size[3] = {part->bottom - part->top, part->right - part->left, -1};
    for (int k = 0; k < 3; k++) {
        tn_tensor_set_number(r->out[0], k, (double)begin[k]);
        tn_tensor_set_number(r->out[1], k, (double)size[k]);
    }
    if (r->out[1]->dtype == TN_UINT8) ((uint8_t *)r->out[1]->data)[2] = 255; /* -1 as it is stored */
    float *f = TN_FLOATS(r->out[2]);
    f[0] = part->top / (float)height;
    f[1] = part->left / (float)width;
    f[2] = part->bottom / (float)height;
    f[3] = part->right / (float)width;
}

static tn_code sample(tn_run *r, sampling *s, box *objects, tn_error *err)
{
    int64_t h = tn_tensor_int(r->in[0], 0), w = tn_tensor_int(r->in[0], 1), n;
    tn_words words;
    if (h < 0 || w < 0 || h > 1 << 20 || w > 1 << 20)
        return tn_fail(err, TN_INVALID_ARGUMENT, "an image of %lld x %lld", (long long)h, (long long)w);
    TN_TRY(read_boxes(s, r->in[1], (int)w, (int)h, objects, &n, err));
    TN_TRY(words_for(r, s, &words, err));
    box part = {0, 0, (float)w, (float)h}, found;
    for (int64_t i = 0; i < s->attempts; i++) {
        float aspect = tn_word_float(&words) * (s->aspect[1] - s->aspect[0]) + s->aspect[0];
        if (!draw_part(s, (int)w, (int)h, aspect, &words, &found)) continue;
        if (!shows_one(&found, s->covered, objects, n)) continue;
        part = found;
        break;
    }
    put_part(r, &part, (int)w, (int)h);
    return TN_OK;
}

static tn_code sample_run(tn_run *r, tn_error *err)
{
    sampling s = *(const sampling *)r->params;
    if (!tn_attr_get_float(r->attrs, "min_object_covered", &s.covered)) s.covered = *TN_FLOATS(r->in[2]);
    if (!(s.covered >= 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Min object covered must be non-negative: %g",
                       (double)s.covered);
    if (r->in[0]->shape.rank != 1 || tn_tensor_count(r->in[0]) != 3)
        return tn_fail(err, TN_INVALID_ARGUMENT, "image_size must contain 3 elements, has %lld",
                       (long long)tn_tensor_count(r->in[0]));
    size_t n = (size_t)tn_tensor_count(r->in[1]) / 4 + 1;
    box *objects = tn_calloc(n, sizeof *objects);
    if (!objects) return tn_no_memory(err, n * sizeof *objects);
    tn_code code = sample(r, &s, objects, err);
    tn_free(objects);
    return code;
}

#define SAMPLE(NAME, FLAGS, ARGS, ATTRS)                                                    \
    const tn_op tn_op_##NAME = {                                                            \
        .name = #NAME,                                                                      \
        .sig = "image_size:T bounding_boxes:float" ARGS " -> begin:T size:T bboxes:float; " \
               "T:type{uint8,int8,int16,int32,int64} " ATTRS                                \
               "aspect_ratio_range:list(float)=[0.75,1.3300000429153442] "                  \
               "area_range:list(float)=[0.05000000074505806,1.0] max_attempts:int=100 "     \
               "use_image_if_no_bounding_boxes:bool=false",                                 \
        .infer = sample_infer,                                                              \
        .prepare = sample_prepare,                                                          \
        .run = sample_run,                                                                  \
        .flags = FLAGS,                                                                     \
    }
SAMPLE(SampleDistortedBoundingBox, TN_STATEFUL | TN_NO_GRADIENT, "",
       "seed:int=0 seed2:int=0 min_object_covered:float=0.10000000149011612 ");
SAMPLE(SampleDistortedBoundingBoxV2, TN_STATEFUL | TN_NO_GRADIENT, " min_object_covered:float",
       "seed:int=0 seed2:int=0 ");
SAMPLE(StatelessSampleDistortedBoundingBox, 0, " min_object_covered:float seed:Tseed",
       "Tseed:type{int32,int64} ");
