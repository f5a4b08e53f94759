/* SPDX-License-Identifier: Apache-2.0
 *
 * op_ctc_decode.c - CTCGreedyDecoder and CTCBeamSearchDecoder: the most probable labels of sequences of
 * logits, as sparse tensors. A beam is a node of a tree of prefixes; nodes stay when their beam is lost,
 * since their children may be kept and they may come back.
 */
#include <math.h>
#include <stdlib.h>

#include "op_math.h"

/* ==== what both share ==== */

static tn_code check_inputs(const tn_run *r, tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape, *n = &r->in[1]->shape;
    if (x->rank != 3) return tn_fail(err, TN_INVALID_ARGUMENT, "inputs is not a 3-Tensor");
    if (n->rank != 1) return tn_fail(err, TN_INVALID_ARGUMENT, "sequence_length is not a vector");
    if (x->dim[0] == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "max_time is 0");
    if (x->dim[1] == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "batch_size is 0");
    if (n->dim[0] != x->dim[1])
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "len(sequence_length) != batch_size.  len(sequence_length):  %lld batch_size: %lld",
                       (long long)n->dim[0], (long long)x->dim[1]);
    for (int64_t b = 0; b < n->dim[0]; b++)
        if (TN_INT32S(r->in[1])[b] > x->dim[0])
            return tn_fail(err, TN_FAILED_PRECONDITION, "sequence_length(%lld) <= %lld", (long long)b,
                           (long long)x->dim[0]);
    return TN_OK;
}

typedef struct decoded { /* one sparse tensor being collected, entry by entry */
    tn_buf values, rows; /* int64s: a label, its batch entry */
    int64_t longest;
} decoded;

static void decoded_add(decoded *d, int64_t batch, int64_t label)
{
    tn_buf_add(&d->values, &label, sizeof label);
    tn_buf_add(&d->rows, &batch, sizeof batch);
}

static void decoded_free(decoded *d)
{
    tn_buf_free(&d->values);
    tn_buf_free(&d->rows);
}

/* indices [n, 2], values [n], shape [2] in outputs o, o + step, o + 2 step. */
static tn_code decoded_out(tn_run *r, const decoded *d, int o, int step, tn_error *err)
{
    TN_TRY(tn_buf_check(&d->values, err));
    TN_TRY(tn_buf_check(&d->rows, err));
    int64_t n = (int64_t)(d->values.n / sizeof(int64_t)), at = 0;
    const int64_t *rows = (const int64_t *)d->rows.data;
    tn_shape indices = {.rank = 2, .dim = {n, 2}}, values = tn_shape_vector(n);
    TN_TRY(tn_run_output(r, o, &indices, err));
    TN_TRY(tn_run_output(r, o + step, &values, err));
    values.dim[0] = 2;
    TN_TRY(tn_run_output(r, o + 2 * step, &values, err));
    int64_t *out = r->out[o]->data, *shape = r->out[o + 2 * step]->data;
    for (int64_t i = 0; i < n; i++) {
        at = i && rows[i] == rows[i - 1] ? at + 1 : 0;
        out[2 * i] = rows[i];
        out[2 * i + 1] = at;
    }
    if (n) memcpy(r->out[o + step]->data, d->values.data, d->values.n);
    shape[0] = r->in[0]->shape.dim[1];
    shape[1] = d->longest;
    return TN_OK;
}

static void infer_decoded(tn_infer *c, int paths)
{
    for (int k = 0; k < paths; k++) {
        c->out[k].shape = (tn_shape){.rank = 2, .dim = {-1, 2}};
        c->out[paths + k].shape = tn_shape_vector(-1);
        c->out[2 * paths + k].shape = tn_shape_vector(2);
    }
    const tn_shape *x = &c->in[0]->shape;
    c->out[3 * paths].shape = (tn_shape){.rank = 2, .dim = {x->rank == 3 ? x->dim[1] : -1, paths}};
}

/* ==== greedy ==== */

static tn_code greedy_entry(const tn_run *r, int64_t b, int64_t blank, bool merge, decoded *d)
{
    const tn_tensor *x = r->in[0];
    int64_t batch = x->shape.dim[1], classes = x->shape.dim[2], before = -1, n = 0;
    double total = 0;
    for (int64_t t = 0; t < TN_INT32S(r->in[1])[b]; t++) {
        int64_t at = (t * batch + b) * classes, best = 0;
        for (int64_t k = 1; k < classes; k++)
            if (tn_tensor_number(x, at + k) > tn_tensor_number(x, at + best)) best = k;
        if (classes) total -= tn_tensor_number(x, at + best);
        if (best != blank && !(merge && best == before)) {
            decoded_add(d, b, best);
            n++;
        }
        before = best;
    }
    d->longest = TN_MAX(d->longest, n);
    tn_tensor_set_number(r->out[3], b, total);
    return TN_OK;
}

static tn_code greedy_run(tn_run *r, tn_error *err)
{
    decoded d = {0};
    TN_TRY(check_inputs(r, err));
    int64_t classes = r->in[0]->shape.dim[2], blank = tn_attr_i(r->attrs, "blank_index");
    if (blank < -classes || blank >= classes)
        return tn_fail(err, TN_INVALID_ARGUMENT, "blank_index expected to be in [-%lld, %lld], got %lld",
                       (long long)classes, (long long)classes - 1, (long long)blank);
    if (blank < 0) blank += classes;
    for (int64_t b = 0; b < r->in[0]->shape.dim[1]; b++)
        greedy_entry(r, b, blank, tn_attr_b(r->attrs, "merge_repeated"), &d);
    tn_code code = decoded_out(r, &d, 0, 1, err);
    decoded_free(&d);
    return code;
}

static tn_code greedy_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    infer_decoded(c, 1);
    return TN_OK;
}

const tn_op tn_op_CTCGreedyDecoder = {
    .name = "CTCGreedyDecoder",
    .sig = "inputs:T sequence_length:int32 -> decoded_indices:int64 decoded_values:int64 decoded_shape:int64 "
           "log_probability:T; merge_repeated:bool=false blank_index:int=-1 T:type{float,double}=float",
    .infer = greedy_infer,
    .run = greedy_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1),
};

/* ==== beams ==== */

typedef struct chance { /* logarithms: of the whole, of ending in a blank, in the label */
    double total, blank, label;
} chance;
static const chance none = {-INFINITY, -INFINITY, -INFINITY};

typedef struct beam {
    struct beam *parent, *child, *next; /* child: the first of a list that goes on by next */
    int64_t label;
    chance was, is;
} beam;

typedef struct search {
    tn_arena *arena;
    beam **heap, **order; /* of at most width; the least likely of heap is its first */
    int64_t n, width, classes;
    double *x; /* logarithms of the classes' probabilities at one time */
} search;

static double log_add(double a, double b)
{
    if (a == -INFINITY) return b;
    if (b == -INFINITY) return a;
    return a > b ? a + log1p(exp(b - a)) : b + log1p(exp(a - b));
}

static void sift_down(search *s, int64_t i)
{
    for (;;) {
        int64_t least = i, l = 2 * i + 1;
        if (l < s->n && s->heap[l]->is.total < s->heap[least]->is.total) least = l;
        if (l + 1 < s->n && s->heap[l + 1]->is.total < s->heap[least]->is.total) least = l + 1;
        if (least == i) return;
        beam *swap = s->heap[i];
        s->heap[i] = s->heap[least];
        s->heap[least] = swap;
        i = least;
    }
}

/* The least likely one makes room when all places are taken. */
static void push(search *s, beam *b)
{
    if (s->n == s->width) {
        s->heap[0]->is = none;
        s->heap[0] = b;
        sift_down(s, 0);
        return;
    }
    int64_t i = s->n++;
    for (; i && s->heap[(i - 1) / 2]->is.total > b->is.total; i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = b;
}

static int more_likely(const void *x, const void *y)
{
    double a = (*(beam *const *)x)->is.total, b = (*(beam *const *)y)->is.total;
    return (a < b) - (a > b);
}

static bool is_candidate(const search *s, const chance *c)
{
    return c->total > -INFINITY && (s->n < s->width || c->total > s->heap[0]->is.total);
}

/* Time passes for a beam that is there already: its last label again, or a blank. */
static void stay(search *s, beam *b)
{
    if (b->parent) {
        const beam *p = b->parent;
        if (p->is.total != -INFINITY) {
            double before = b->label == p->label ? p->was.blank : p->was.total;
            b->is.label = log_add(b->is.label, before);
        }
        b->is.label += s->x[b->label];
    }
    b->is.blank = b->was.total + s->x[s->classes - 1];
    b->is.total = log_add(b->is.blank, b->is.label);
}

static beam *child_of(const beam *b, int64_t label)
{
    beam *c = b->child;
    while (c && c->label != label) c = c->next;
    return c;
}

/* A beam grows by a label, unless it is there or not likely enough. */
static tn_code grow(search *s, beam *b, int64_t label, tn_error *err)
{
    beam *c = child_of(b, label);
    if (c && c->is.total != -INFINITY) return TN_OK;
    double before = label == b->label ? b->was.blank : b->was.total;
    chance now = {.blank = -INFINITY, .label = s->x[label] + before};
    now.total = now.label;
    if (!is_candidate(s, &now)) {
        if (c) c->was = c->is = none;
        return TN_OK;
    }
    if (!c) {
        if (!(c = TN_NEW(s->arena, beam))) return tn_no_memory(err, sizeof *c);
        *c = (beam){.parent = b, .next = b->child, .label = label, .was = none};
        b->child = c;
    }
    c->is = now;
    push(s, c);
    return TN_OK;
}

static tn_code advance(search *s, tn_error *err)
{
    int64_t n = s->n;
    memcpy(s->order, s->heap, (size_t)n * sizeof *s->order);
    qsort(s->order, (size_t)n, sizeof *s->order, more_likely);
    s->n = 0;
    for (int64_t i = 0; i < n; i++) s->order[i]->was = s->order[i]->is;
    for (int64_t i = 0; i < n; i++) {
        stay(s, s->order[i]);
        push(s, s->order[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        if (!is_candidate(s, &s->order[i]->was)) continue;
        for (int64_t k = 0; k < s->classes - 1; k++) TN_TRY(grow(s, s->order[i], k, err));
    }
    return TN_OK;
}

static void read_step(search *s, const tn_tensor *x, int64_t at)
{
    double most = -INFINITY, sum = 0;
    for (int64_t k = 0; k < s->classes; k++) most = fmax(most, s->x[k] = tn_tensor_number(x, at + k));
    for (int64_t k = 0; k < s->classes; k++) sum += exp(s->x[k] - most);
    for (int64_t k = 0; k < s->classes; k++) s->x[k] -= most + log(sum);
}

/* Labels are found from the last to the first. */
static tn_code spell(const beam *b, int64_t batch, bool merge, decoded *d, tn_error *err)
{
    tn_buf back = {0};
    for (int64_t before = -1; b->parent; before = b->label, b = b->parent)
        if (!merge || b->label != before) tn_buf_add(&back, &b->label, sizeof b->label);
    tn_code code = tn_buf_check(&back, err);
    int64_t n = (int64_t)(back.n / sizeof(int64_t));
    for (int64_t i = n; code == TN_OK && i-- > 0;) decoded_add(d, batch, ((int64_t *)back.data)[i]);
    d->longest = TN_MAX(d->longest, n);
    tn_buf_free(&back);
    return code;
}

static tn_code beam_entry(tn_run *r, search *s, int64_t b, int64_t paths, decoded *d, tn_error *err)
{
    const tn_shape *x = &r->in[0]->shape;
    beam *root = TN_NEW(s->arena, beam);
    if (!root) return tn_no_memory(err, sizeof *root);
    *root = (beam){.label = -1, .was = none, .is = {0, 0, -INFINITY}};
    s->n = 0;
    push(s, root);
    for (int64_t t = 0; t < TN_INT32S(r->in[1])[b]; t++) {
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        read_step(s, r->in[0], (t * x->dim[1] + b) * s->classes);
        TN_TRY(advance(s, err));
    }
    if (s->n < paths)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Less leaves in the beam search than requested.");
    qsort(s->heap, (size_t)s->n, sizeof *s->heap, more_likely);
    for (int64_t k = 0; k < paths; k++) {
        TN_TRY(spell(s->heap[k], b, tn_attr_b(r->attrs, "merge_repeated"), &d[k], err));
        tn_tensor_set_number(r->out[3 * paths], b * paths + k, s->heap[k]->is.total);
    }
    return TN_OK;
}

static tn_code search_in(tn_run *r, search *s, int64_t paths, decoded *d, tn_error *err)
{
    int64_t batch = r->in[0]->shape.dim[1];
    tn_shape log = {.rank = 2, .dim = {batch, paths}};
    TN_TRY(tn_run_output(r, (int)(3 * paths), &log, err));
    for (int64_t b = 0; b < batch; b++) {
        s->heap = TN_ARRAY(s->arena, s->width, beam *);
        s->order = TN_ARRAY(s->arena, s->width, beam *);
        s->x = TN_ARRAY(s->arena, s->classes, double);
        if (!s->heap || !s->order || !s->x) return tn_no_memory(err, (size_t)s->width * sizeof(beam *));
        TN_TRY(beam_entry(r, s, b, paths, d, err));
        tn_arena_reset(s->arena);
    }
    for (int64_t k = 0; k < paths; k++) TN_TRY(decoded_out(r, &d[k], (int)k, (int)paths, err));
    return TN_OK;
}

static tn_code beam_run(tn_run *r, tn_error *err)
{
    int64_t paths = tn_attr_i(r->attrs, "top_paths");
    search s = {.width = tn_attr_i(r->attrs, "beam_width"), .classes = r->in[0]->shape.dim[2]};
    TN_TRY(check_inputs(r, err));
    if (s.classes < 1) return tn_fail(err, TN_INVALID_ARGUMENT, "there is no class");
    if (paths > s.width)
        return tn_fail(err, TN_INVALID_ARGUMENT, "requested more paths than the beam width.");
    decoded *d = tn_calloc((size_t)paths, sizeof *d);
    s.arena = tn_arena_new(0);
    tn_code code =
        d && s.arena ? search_in(r, &s, paths, d, err) : tn_no_memory(err, (size_t)paths * sizeof *d);
    for (int64_t k = 0; d && k < paths; k++) decoded_free(&d[k]);
    tn_arena_free(s.arena);
    tn_free(d);
    return code;
}

static tn_code beam_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 3, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    infer_decoded(c, (int)tn_attr_i(c->attrs, "top_paths"));
    return TN_OK;
}

const tn_op tn_op_CTCBeamSearchDecoder = {
    .name = "CTCBeamSearchDecoder",
    .sig = "inputs:T sequence_length:int32 -> decoded_indices:top_paths*int64 decoded_values:top_paths*int64 "
           "decoded_shape:top_paths*int64 log_probability:T; beam_width:int>=1 top_paths:int>=1 "
           "merge_repeated:bool=true T:type{float,double}=float",
    .infer = beam_infer,
    .run = beam_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = ~0u,
};
