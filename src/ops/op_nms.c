/* SPDX-License-Identifier: Apache-2.0
 *
 * op_nms.c - NonMaxSuppression, V2 to V5, and NonMaxSuppressionWithOverlaps: boxes in the order of their
 * scores, those that overlap one already chosen left out (or, V5, their scores lowered). Among equal scores
 * the one that comes first in the input is first. CombinedNonMaxSuppression is op_nms_combined.c's.
 */
#include "op_nms.h"

#include <math.h>

#include "op_move.h"

/* ==== overlap of two boxes ==== */

/* 16-bit floats are rounded after each step, as TensorFlow's arithmetic in them is. */
static float rounded(float v, bool half)
{
    return half ? tn_half_to_float(tn_float_to_half(v)) : v;
}

static float area_of(float h, float w, bool half)
{
    return rounded(rounded(h, half) * rounded(w, half), half);
}

float tn_box_overlap(const float *a, const float *b, bool half)
{
    float low[2], high[2], lengths[2], areas[2];
    for (int i = 0; i < 2; i++) {
        const float *box = i ? b : a;
        areas[i] = area_of(fmaxf(box[0], box[2]) - fminf(box[0], box[2]),
                           fmaxf(box[1], box[3]) - fminf(box[1], box[3]), half);
    }
    if (areas[0] <= 0 || areas[1] <= 0) return 0;
    for (int k = 0; k < 2; k++) {
        low[k] = fmaxf(fminf(a[k], a[k + 2]), fminf(b[k], b[k + 2]));
        high[k] = fminf(fmaxf(a[k], a[k + 2]), fmaxf(b[k], b[k + 2]));
        lengths[k] = fmaxf(high[k] - low[k], 0);
    }
    float common = area_of(lengths[0], lengths[1], half);
    return rounded(common / rounded(rounded(areas[0] + areas[1], half) - common, half), half);
}

/* ==== candidates in a heap, the best on top ==== */

typedef struct candidate {
    float score;
    int32_t box;
    int64_t seen; /* how many of the chosen it was compared with */
} candidate;

static bool worse(const candidate *a, const candidate *b)
{
    return a->score < b->score || (a->score == b->score && a->box > b->box);
}

static void heap_push(candidate *heap, int64_t *n, candidate c)
{
    int64_t i = (*n)++;
    while (i > 0 && worse(&heap[(i - 1) / 2], &c)) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = c;
}

static candidate heap_pop(candidate *heap, int64_t *n)
{
    candidate top = heap[0], last = heap[--*n];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && worse(&heap[child], &heap[child + 1])) child++;
        if (!worse(&last, &heap[child])) break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

/* ==== what is asked for ==== */

typedef struct nms {
    int64_t n;
    bool half, by_overlaps, pad;
    size_t scores_at, boxes_at; /* in scratch, behind the heap: chosen scores; boxes as floats */
    float iou, least, sigma;    /* read when running */
    int64_t most;
    const float *boxes; /* or overlaps[n, n] */
} nms;

static bool with_overlaps(const tn_op *op)
{
    return strstr(op->name, "Overlaps") != NULL;
}

static tn_code nms_shapes(const tn_op *op, const tn_shape *boxes, const tn_shape *scores, tn_error *err)
{
    bool overlaps = with_overlaps(op);
    if (boxes->rank >= 0 && boxes->rank != 2)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be 2-D, is of rank %d",
                       overlaps ? "overlaps" : "boxes", boxes->rank);
    if (scores->rank >= 0 && scores->rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "scores must be 1-D, is of rank %d", scores->rank);
    if (boxes->rank < 0) return TN_OK;
    int64_t rows = boxes->dim[0], cols = boxes->dim[1];
    if (!overlaps && cols >= 0 && cols != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "boxes must have 4 columns, has %lld", (long long)cols);
    if (overlaps && rows >= 0 && cols >= 0 && rows != cols)
        return tn_fail(err, TN_INVALID_ARGUMENT, "overlaps must be square, is [%lld,%lld]", (long long)rows,
                       (long long)cols);
    if (scores->rank == 1 && rows >= 0 && scores->dim[0] >= 0 && rows != scores->dim[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "scores has incompatible shape: %lld for %lld boxes",
                       (long long)scores->dim[0], (long long)rows);
    return TN_OK;
}

static tn_code nms_infer(tn_infer *c, tn_error *err)
{
    bool pad = false;
    int64_t most = -1, n = c->in[0]->shape.rank == 2 ? c->in[0]->shape.dim[0] : -1;
    TN_TRY(nms_shapes(c->op, &c->in[0]->shape, &c->in[1]->shape, err));
    for (int k = 2; k < c->n_in; k++) TN_TRY(tn_infer_rank(c, k, 0, err));
    tn_attr_get_bool(c->attrs, "pad_to_max_output_size", &pad);
    bool known = tn_infer_int(c, 2, &most) && most >= 0;
    if (!known) most = -1;
    for (int o = 0; o < c->n_out; o++) {
        tn_infer_set_rank(c, o, o > 0 && o == c->n_out - 1 ? 0 : 1);
        if (c->out[o].shape.rank == 0) continue;
        if (pad && known) c->out[o].shape.dim[0] = most;
        if (pad) continue;
        c->out[o].bound = n < 0 ? most : known ? TN_MIN(n, most) : n;
    }
    return TN_OK;
}

static size_t aligned(size_t n)
{
    return (n + 63) / 64 * 64;
}

static tn_code nms_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, nms, s);
    TN_TRY(nms_shapes(p->op, &p->in[0]->shape, &p->in[1]->shape, err));
    s->n = p->in[0]->shape.dim[0];
    s->half = p->in[0]->dtype == TN_HALF;
    s->by_overlaps = with_overlaps(p->op);
    tn_attr_get_bool(p->attrs, "pad_to_max_output_size", &s->pad);
    s->scores_at = aligned((size_t)s->n * sizeof(candidate));
    s->boxes_at = s->scores_at + aligned((size_t)s->n * (sizeof(float) + sizeof(int32_t)));
    p->scratch = s->boxes_at + (s->half ? (size_t)s->n * 5 * sizeof(float) : 0);
    return TN_OK;
}

static tn_code threshold_of(const tn_run *r, const char *name, float *out, tn_error *err)
{
    if (!tn_attr_get_float(r->attrs, name, out)) *out = (float)tn_tensor_number(r->in[3], 0);
    if (!with_overlaps(r->op) && !(*out >= 0 && *out <= 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s must be in [0, 1], is %g", name, (double)*out);
    return TN_OK;
}

static tn_code nms_values(const tn_run *r, nms *s, tn_error *err)
{
    s->most = tn_tensor_int(r->in[2], 0);
    if (s->most < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "output size must be non-negative, is %lld",
                       (long long)s->most);
    TN_TRY(threshold_of(r, s->by_overlaps ? "overlap_threshold" : "iou_threshold", &s->iou, err));
    s->least = r->n_in > 4 ? (float)tn_tensor_number(r->in[4], 0) : s->half ? -65504.0f : -3.402823466e38f;
    s->sigma = r->n_in > 5 ? (float)tn_tensor_number(r->in[5], 0) : 0;
    if (!(s->sigma >= 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "soft_nms_sigma must be >= 0, is %g", (double)s->sigma);
    return TN_OK;
}

/* ==== choosing ==== */

static float similarity(const nms *s, int32_t a, int32_t b)
{
    if (s->by_overlaps) return s->boxes[(int64_t)a * s->n + b];
    return tn_box_overlap(s->boxes + 4 * (int64_t)a, s->boxes + 4 * (int64_t)b, s->half);
}

/* With a sigma scores are lowered whatever the overlap; the threshold is for the case without. */
static float weight_of(const nms *s, float overlap)
{
    if (s->sigma <= 0) return 1;
    float scale = rounded(-0.5f / s->sigma, s->half);
    return rounded(expf(rounded(rounded(scale * overlap, s->half) * overlap, s->half)), s->half);
}

/* Lowers c's score by what has been chosen since it was last looked at; false: it is out. */
static bool lower(const nms *s, candidate *c, const int32_t *chosen, int64_t n_chosen)
{
    for (int64_t j = n_chosen - 1; j >= c->seen; j--) {
        float overlap = similarity(s, c->box, chosen[j]);
        c->score = rounded(c->score * weight_of(s, overlap), s->half);
        if (s->sigma <= 0 && overlap > s->iou) return false;
        if (c->score <= s->least) break;
    }
    c->seen = n_chosen;
    return true;
}

static int64_t choose(const tn_run *r, const nms *s, const float *scores, candidate *heap, int32_t *chosen, float *kept)
{
    int64_t waiting = 0, found = 0, turns = 0;
    for (int64_t i = 0; i < s->n; i++)
        if (scores[i] > s->least) heap_push(heap, &waiting, (candidate){scores[i], (int32_t)i, 0});
    while (found < s->most && waiting > 0) {
        if (++turns % 64 == 0 && tn_run_cancelled(r)) break;
        candidate c = heap_pop(heap, &waiting);
        float before = c.score;
        if (!lower(s, &c, chosen, found)) continue;
        if (c.score == before) {
            chosen[found] = c.box;
            kept[found++] = c.score;
        } else if (c.score > s->least) {
            heap_push(heap, &waiting, c);
        }
    }
    return found;
}

/* ==== results ==== */

static tn_code nms_write(tn_run *r, const nms *s, const int32_t *chosen, const float *kept, int64_t found,
                         tn_error *err)
{
    tn_shape shape = tn_shape_vector(s->pad ? s->most : found);
    for (int o = 0; o < TN_MAX(r->n_out - 1, 1); o++) {
        TN_TRY(tn_run_output(r, o, &shape, err));
        if (tn_tensor_count(r->out[o])) memset(r->out[o]->data, 0, tn_tensor_bytes(r->out[o]));
    }
    if (found) memcpy(r->out[0]->data, chosen, (size_t)found * sizeof *chosen);
    for (int64_t i = 0; r->n_out == 3 && i < found; i++) tn_tensor_set_number(r->out[1], i, (double)kept[i]);
    if (r->n_out > 1) *TN_INT32S(r->out[r->n_out - 1]) = (int32_t)found;
    return TN_OK;
}

static tn_code nms_run(tn_run *r, tn_error *err)
{
    nms s = *(const nms *)r->params;
    char *space = r->scratch;
    TN_TRY(nms_values(r, &s, err));
    const float *scores = r->in[1]->data;
    s.boxes = r->in[0]->data;
    if (s.half) {
        float *boxes = (float *)(void *)(space + s.boxes_at), *to = boxes + 4 * s.n;
        TN_TRY(tn_cast(TN_HALF, TN_FLOAT, 4 * s.n, r->in[0]->data, boxes, false, 1, err));
        TN_TRY(tn_cast(TN_HALF, TN_FLOAT, s.n, r->in[1]->data, to, false, 1, err));
        s.boxes = boxes;
        scores = to;
    }
    float *kept = (float *)(void *)(space + s.scores_at);
    int32_t *chosen = (int32_t *)(void *)(kept + s.n);
    int64_t found = choose(r, &s, scores, (candidate *)(void *)space, chosen, kept);
    if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
    return nms_write(r, &s, chosen, kept, found, err);
}

#define NMS(NAME, FLAGS, DYNAMIC, SIG) \
    const tn_op tn_op_##NAME = {       \
        .name = #NAME,                 \
        .sig = SIG,                    \
        .infer = nms_infer,            \
        .prepare = nms_prepare,        \
        .run = nms_run,                \
        .flags = FLAGS,                \
        .dynamic = DYNAMIC,            \
    }
NMS(NonMaxSuppression, TN_NO_GRADIENT, TN_BIT(0),
    "boxes:float scores:float max_output_size:int32 -> selected_indices:int32; iou_threshold:float=0.5");
NMS(NonMaxSuppressionV2, TN_NO_GRADIENT, TN_BIT(0),
    "boxes:T scores:T max_output_size:int32 iou_threshold:T_threshold -> selected_indices:int32; "
    "T:type{half,float}=float T_threshold:type{half,float}=float");
NMS(NonMaxSuppressionV3, TN_NO_GRADIENT, TN_BIT(0),
    "boxes:T scores:T max_output_size:int32 iou_threshold:T_threshold score_threshold:T_threshold -> "
    "selected_indices:int32; T:type{half,float}=float T_threshold:type{half,float}=float");
NMS(NonMaxSuppressionV4, TN_NO_GRADIENT, TN_BIT(0),
    "boxes:T scores:T max_output_size:int32 iou_threshold:T_threshold score_threshold:T_threshold -> "
    "selected_indices:int32 valid_outputs:int32; T:type{half,float}=float T_threshold:type{half,float}=float "
    "pad_to_max_output_size:bool=false");
NMS(NonMaxSuppressionV5, 0, TN_BIT(0) | TN_BIT(1),
    "boxes:T scores:T max_output_size:int32 iou_threshold:T score_threshold:T soft_nms_sigma:T -> "
    "selected_indices:int32 selected_scores:T valid_outputs:int32; T:type{half,float}=float "
    "pad_to_max_output_size:bool=false");
NMS(NonMaxSuppressionWithOverlaps, TN_NO_GRADIENT, TN_BIT(0),
    "overlaps:float scores:float max_output_size:int32 overlap_threshold:float score_threshold:float -> "
    "selected_indices:int32;");
