/* SPDX-License-Identifier: Apache-2.0
 *
 * op_nms_combined.c - CombinedNonMaxSuppression: boxes chosen class by class, then the best of all classes.
 *
 * TensorFlow leaves the order of equal scores to its library's heap and sort, so models whose scores tie
 * (saturated, quantised) have an order that only the same steps give: the heap that lets the hole sink to the
 * bottom first, and the quicksort around a median of three that leaves short runs to insertion.
 */
#include "op_move.h"
#include "op_nms.h"

typedef struct found {
    float score;
    int32_t box, class;
} found;

static bool above(const found *a, const found *b)
{
    return a->score > b->score;
}

/* ==== the heap ==== the greatest on top; `over` turns it round */

static void rise(found *v, int64_t hole, int64_t top, found x, bool least)
{
    while (hole > top) {
        int64_t up = (hole - 1) / 2;
        if (!(least ? above(&v[up], &x) : above(&x, &v[up]))) break;
        v[hole] = v[up];
        hole = up;
    }
    v[hole] = x;
}

static void sink(found *v, int64_t hole, int64_t n, found x, bool least)
{
    int64_t top = hole, child = 2 * hole + 2;
    for (; child < n; child = 2 * hole + 2) {
        const found *right = &v[child], *left = &v[child - 1];
        if (least ? above(right, left) : above(left, right)) child--;
        v[hole] = v[child];
        hole = child;
    }
    if (child == n) {
        v[hole] = v[child - 1];
        hole = child - 1;
    }
    rise(v, hole, top, x, least);
}

static found pop(found *v, int64_t *n, bool least)
{
    found top = v[0], last = v[--*n];
    if (*n > 0) sink(v, 0, *n, last, least);
    return top;
}

/* ==== the sort ==== by descending score */

#define SHORT_RUN 16

static void heap_sort(found *v, int64_t n)
{
    for (int64_t i = (n - 2) / 2; n >= 2 && i >= 0; i--) sink(v, i, n, v[i], true);
    while (n > 1) {
        found top = pop(v, &n, true);
        v[n] = top;
    }
}

static void swap(found *a, found *b)
{
    found t = *a;
    *a = *b;
    *b = t;
}

static found *median(found *a, found *b, found *c)
{
    if (above(a, b)) return above(b, c) ? b : above(a, c) ? c : a;
    return above(a, c) ? a : above(b, c) ? c : b;
}

/* v[0] is the pivot; gives where the second part begins. */
static int64_t divide(found *v, int64_t n)
{
    int64_t low = 1, high = n;
    swap(v, median(v + 1, v + n / 2, v + n - 1));
    for (;; low++) {
        while (above(&v[low], v)) low++;
        do high--;
        while (above(v, &v[high]));
        if (low >= high) return low;
        swap(&v[low], &v[high]);
    }
}

static void quick_sort(found *v, int64_t n, int depth)
{
    while (n > SHORT_RUN) {
        if (depth-- == 0) {
            heap_sort(v, n);
            return;
        }
        int64_t cut = divide(v, n);
        quick_sort(v + cut, n - cut, depth);
        n = cut;
    }
}

static void insert(found *v, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        found x = v[i];
        int64_t k = i;
        while (k > 0 && above(&x, &v[k - 1])) {
            v[k] = v[k - 1];
            k--;
        }
        v[k] = x;
    }
}

static void sort_found(found *v, int64_t n)
{
    int depth = 0;
    for (int64_t k = n; k > 1; k /= 2) depth += 2;
    quick_sort(v, n, depth);
    insert(v, n);
}

/* ==== sizes ==== boxes[batch, n, q, 4] scores[batch, n, classes] */

typedef struct combined {
    int64_t batch, n, q, classes, per_class, total, out;
    float iou, least;
    bool clip;
    size_t results_at; /* in scratch, behind the heap; the boxes chosen of a class are behind those */
    size_t chosen_at;
} combined;

static int64_t dim_of(const tn_info *in, int k)
{
    return in->shape.rank < 0 ? -1 : in->shape.dim[k];
}

static tn_code combined_infer(tn_infer *c, tn_error *err)
{
    int64_t per_class, total, out = -1;
    TN_TRY(tn_infer_rank(c, 0, 4, err));
    TN_TRY(tn_infer_rank(c, 1, 3, err));
    for (int k = 2; k < 6; k++) TN_TRY(tn_infer_rank(c, k, 0, err));
    int64_t batch = dim_of(c->in[0], 0), classes = dim_of(c->in[1], 2);
    if (tn_infer_int(c, 3, &total)) {
        bool per = tn_attr_b(c->attrs, "pad_per_class");
        out = !per ? total : -1;
        if (per && tn_infer_int(c, 2, &per_class) && classes >= 0)
            out =
                per_class > 0 && classes > INT32_MAX / per_class ? total : TN_MIN(total, per_class * classes);
        if (out < -1) out = -1;
    }
    for (int o = 0; o < 4; o++) {
        tn_infer_set_rank(c, o, o == 0 ? 3 : o == 3 ? 1 : 2);
        c->out[o].shape.dim[0] = batch;
        if (o < 3) c->out[o].shape.dim[1] = out;
    }
    c->out[0].shape.dim[2] = 4;
    return TN_OK;
}

static tn_code combined_check(const tn_shape *boxes, const tn_shape *scores, tn_error *err)
{
    if (boxes->dim[3] != 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "boxes must have 4 columns, has %lld",
                       (long long)boxes->dim[3]);
    if (boxes->dim[0] != scores->dim[0] || boxes->dim[1] != scores->dim[1])
        return tn_fail(err, TN_INVALID_ARGUMENT, "scores has incompatible shape");
    if (boxes->dim[2] != 1 && boxes->dim[2] != scores->dim[2])
        return tn_fail(err, TN_INVALID_ARGUMENT, "third dimension of boxes must be either 1 or num classes");
    return TN_OK;
}

static tn_code combined_prepare(tn_prepare *p, tn_error *err)
{
    const tn_shape *boxes = &p->in[0]->shape, *scores = &p->in[1]->shape;
    TN_TRY(combined_check(boxes, scores, err));
    TN_PARAMS(p, combined, s);
    *s =
        (combined){.batch = boxes->dim[0], .n = boxes->dim[1], .q = boxes->dim[2], .classes = scores->dim[2]};
    s->per_class = tn_tensor_int(p->in[2], 0);
    s->total = tn_tensor_int(p->in[3], 0);
    s->clip = tn_attr_b(p->attrs, "clip_boxes");
    if (s->per_class <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "max_size_per_class must be positive, is %lld",
                       (long long)s->per_class);
    if (s->total <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "max_total_size must be > 0, is %lld", (long long)s->total);
    s->per_class = TN_MIN(s->per_class, s->n);
    s->out = p->out[0]->shape.dim[1];
    size_t heap = (size_t)s->n * sizeof(found), rows = (size_t)(s->per_class * s->classes);
    s->results_at = heap;
    s->chosen_at = heap + rows * sizeof(found);
    p->scratch = s->chosen_at + (size_t)s->per_class * sizeof(int32_t);
    return TN_OK;
}

/* ==== choosing ==== */

static const float *box_at(const combined *s, const float *boxes, int64_t box, int64_t class)
{
    return boxes + (box * s->q + (s->q > 1 ? class : 0)) * 4;
}

static bool overlaps_one(const combined *s, const float *boxes, const found *c, const int32_t *chosen,
                         int64_t n)
{
    const float *box = box_at(s, boxes, c->box, c->class);
    for (int64_t j = n - 1; j >= 0; j--)
        if (tn_box_overlap(box, box_at(s, boxes, chosen[j], c->class), false) > s->iou) return true;
    return false;
}

static void choose_class(const combined *s, const float *boxes, const float *scores, int32_t class,
                         found *heap, int32_t *chosen, found *out)
{
    int64_t waiting = 0, n = 0;
    for (int64_t i = 0; i < s->n; i++) {
        float score = scores[i * s->classes + class];
        if (score > s->least) {
            rise(heap, waiting, 0, (found){score, (int32_t)i, class}, false);
            waiting++;
        }
    }
    while (n < s->per_class && waiting > 0) {
        found c = pop(heap, &waiting, false);
        if (overlaps_one(s, boxes, &c, chosen, n)) continue;
        chosen[n] = c.box;
        out[n++] = c;
    }
}

static void put_box(const combined *s, const float *box, float *out)
{
    for (int k = 0; k < 4; k++) out[k] = s->clip ? TN_MAX(TN_MIN(box[k], 1), 0) : box[k];
}

static void combine_image(tn_run *r, const combined *s, int64_t image)
{
    char *space = r->scratch;
    found *results = (found *)(void *)(space + s->results_at);
    const float *boxes = TN_FLOATS(r->in[0]) + image * s->n * s->q * 4;
    const float *scores = TN_FLOATS(r->in[1]) + image * s->n * s->classes;
    int64_t rows = s->per_class * s->classes, n = 0;
    for (int64_t i = 0; i < rows; i++) results[i] = (found){-1, -1, -1};
    for (int64_t k = 0; k < s->classes; k++)
        choose_class(s, boxes, scores, (int32_t)k, (found *)(void *)space,
                     (int32_t *)(void *)(space + s->chosen_at), results + k * s->per_class);
    sort_found(results, rows);
    float *out[3] = {TN_FLOATS(r->out[0]) + image * s->out * 4, TN_FLOATS(r->out[1]) + image * s->out,
                     TN_FLOATS(r->out[2]) + image * s->out};
    for (int64_t i = 0; i < rows && n < s->out; i++) {
        if (results[i].box < 0) continue;
        put_box(s, box_at(s, boxes, results[i].box, results[i].class), out[0] + 4 * n);
        out[1][n] = results[i].score;
        out[2][n++] = (float)results[i].class;
    }
    TN_INT32S(r->out[3])[image] = (int32_t)n;
}

static tn_code combined_run(tn_run *r, tn_error *err)
{
    combined s = *(const combined *)r->params;
    s.iou = *TN_FLOATS(r->in[4]);
    s.least = *TN_FLOATS(r->in[5]);
    if (!(s.iou >= 0 && s.iou <= 1))
        return tn_fail(err, TN_INVALID_ARGUMENT, "iou_threshold must be in [0, 1], is %g", (double)s.iou);
    for (int o = 0; o < 4; o++)
        if (tn_tensor_count(r->out[o])) memset(r->out[o]->data, 0, tn_tensor_bytes(r->out[o]));
    for (int64_t image = 0; image < s.batch; image++) combine_image(r, &s, image);
    return TN_OK;
}

const tn_op tn_op_CombinedNonMaxSuppression = {
    .name = "CombinedNonMaxSuppression",
    .sig =
        "boxes:float scores:float max_output_size_per_class:int32 max_total_size:int32 iou_threshold:float "
        "score_threshold:float -> nmsed_boxes:float nmsed_scores:float nmsed_classes:float "
        "valid_detections:int32; pad_per_class:bool=false clip_boxes:bool=true",
    .infer = combined_infer,
    .prepare = combined_prepare,
    .run = combined_run,
    .values = TN_BIT(2) | TN_BIT(3),
};
