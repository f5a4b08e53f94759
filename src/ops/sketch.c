/* SPDX-License-Identifier: Apache-2.0
 *
 * sketch.c - weighted quantiles with a bounded error: summaries that are merged keep the larger of their
 * errors, and one that is made smaller gets a little more; so they are merged in levels, as in binary
 * counting.
 *
 * Ranks are floats and are added in TensorFlow's order, so that boundaries come out the same.
 */
#include "sketch.h"

#include <float.h>
#include <math.h>

/* ==== summaries ==== */

static bool make_room(tn_ranks *r, int64_t n)
{
    if (n <= r->cap) return true;
    int64_t cap = TN_MAX(n, r->cap * 2);
    tn_rank *v = (uint64_t)cap < SIZE_MAX / sizeof *v ? tn_realloc(r->v, (size_t)cap * sizeof *v) : NULL;
    if (!v) return false;
    r->v = v;
    r->cap = cap;
    return true;
}

static void drop(tn_ranks *r)
{
    tn_free(r->v);
    *r = (tn_ranks){0};
}

static float before(const tn_rank *e) /* the largest rank of what is smaller */
{
    return e->max_rank - e->weight;
}

static float after(const tn_rank *e) /* the smallest rank of what is larger */
{
    return e->min_rank + e->weight;
}

static float total(const tn_ranks *r)
{
    return r->n ? r->v[r->n - 1].max_rank : 0;
}

/* Two summaries stacked: what of the other one is below and above an element widens its ranks. */
static void merge_into(const tn_ranks *a, const tn_ranks *b, tn_ranks *out)
{
    const tn_rank *x = a->v, *y = b->v, *x_end = x + a->n, *y_end = y + b->n;
    float x_next = 0, y_next = 0;
    while (x < x_end || y < y_end) {
        tn_rank *o = &out->v[out->n++];
        if (y == y_end || (x < x_end && x->value < y->value)) {
            float above = y == y_end ? total(b) : before(y);
            *o = (tn_rank){x->value, x->weight, x->min_rank + y_next, x->max_rank + above};
            x_next = after(x++);
        } else if (x == x_end || y->value < x->value) {
            float above = x == x_end ? total(a) : before(x);
            *o = (tn_rank){y->value, y->weight, y->min_rank + x_next, y->max_rank + above};
            y_next = after(y++);
        } else {
            *o = (tn_rank){x->value, x->weight + y->weight, x->min_rank + y->min_rank,
                           x->max_rank + y->max_rank};
            x_next = after(x++);
            y_next = after(y++);
        }
    }
}

static tn_code merge(tn_ranks *into, const tn_ranks *other, tn_error *err)
{
    tn_ranks out = {0};
    if (!other->n) return TN_OK;
    if (!make_room(&out, into->n + other->n)) return tn_no_memory(err, 0);
    merge_into(into, other, &out);
    drop(into);
    *into = out;
    return TN_OK;
}

/* To about `size` elements; the first and the last stay. */
static void compress(tn_ranks *r, int64_t size, double least)
{
    size = TN_MAX(size, 2);
    if (r->n <= size) return;
    double delta = total(r) * TN_MAX(1.0 / (double)size, least);
    int64_t owed = 0, step = r->n, write = 1, last = 1;
    for (int64_t read = 0; read + 1 < r->n;) {
        int64_t next = read + 1;
        while (next < r->n && owed < step && before(&r->v[next]) - after(&r->v[read]) <= delta) {
            owed += size;
            next++;
        }
        read = read == next - 1 ? read + 1 : next - 1;
        r->v[write++] = r->v[read];
        last = read;
        owed -= step;
    }
    if (last + 1 != r->n) r->v[write++] = r->v[r->n - 1];
    r->n = write;
}

static double error_of(const tn_ranks *r)
{
    float gap = 0;
    if (!r->n) return 0;
    for (int64_t i = 1; i < r->n; i++) {
        const tn_rank *e = &r->v[i];
        float own = e->max_rank - e->min_rank - e->weight, between = before(e) - after(e - 1);
        gap = TN_MAX(gap, TN_MAX(own, between));
    }
    return (double)gap / total(r);
}

/* ==== the sketch ==== */

tn_code tn_sketch_init(tn_sketch *s, double eps, int64_t max_elements, tn_error *err)
{
    int64_t block = 2;
    if (!(eps > 0)) return tn_fail(err, TN_INVALID_ARGUMENT, "An epsilon value of zero is not allowed.");
    if (!(eps < 1)) return tn_fail(err, TN_INVALID_ARGUMENT, "epsilon must be < 1, not %g", eps);
    if (max_elements < 1 || max_elements > INT64_MAX / 4)
        return tn_fail(err, TN_INVALID_ARGUMENT, "max_elements must be > 0, not %lld",
                       (long long)max_elements);
    if (eps <= DBL_EPSILON)
        block = TN_MAX(max_elements, 2);
    else
        for (int level = 1; block << level < max_elements; level++) block = (int64_t)ceil(level / eps) + 1;
    *s = (tn_sketch){.eps = eps, .block = block, .most = TN_MIN(block * 2, max_elements)};
    return TN_OK;
}

void tn_sketch_free(tn_sketch *s)
{
    drop(&s->waiting);
    drop(&s->summary);
    for (int i = 0; i < s->levels; i++) drop(&s->level[i]);
    s->levels = 0;
    s->finished = false;
}

static tn_code check_open(const tn_sketch *s, tn_error *err)
{
    return s->finished ? tn_fail(err, TN_FAILED_PRECONDITION, "the quantiles are finished already") : TN_OK;
}

/* Takes the summary, whose memory becomes a level's. */
static tn_code take_levels(tn_sketch *s, tn_ranks *r, tn_error *err)
{
    compress(r, s->block, s->eps);
    for (int i = 0; r->n && i < TN_SKETCH_LEVELS; i++) {
        tn_ranks *level = &s->level[i];
        bool empty = !level->n;
        if (i == s->levels) s->levels++;
        TN_TRY(merge(r, level, err));
        if (empty || r->n <= s->block + 1) {
            drop(level);
            *level = *r;
            *r = (tn_ranks){0};
            return TN_OK;
        }
        compress(r, s->block, s->eps);
        level->n = 0;
    }
    return r->n ? tn_fail(err, TN_RESOURCE_EXHAUSTED, "more numbers than quantiles can be found of") : TN_OK;
}

static tn_code take(tn_sketch *s, tn_ranks *r, tn_error *err)
{
    tn_code code = take_levels(s, r, err);
    drop(r);
    return code;
}

static int by_value(const void *a, const void *b)
{
    float x = ((const tn_rank *)a)->value, y = ((const tn_rank *)b)->value;
    return x < y ? -1 : x > y;
}

/* The numbers that wait become a summary. */
static tn_code flush(tn_sketch *s, tn_error *err)
{
    tn_ranks r = s->waiting;
    int64_t n = 0;
    float sum = 0;
    s->waiting = (tn_ranks){0};
    if (r.n) qsort(r.v, (size_t)r.n, sizeof *r.v, by_value);
    for (int64_t i = 1; i < r.n; i++)
        if (r.v[i].value != r.v[i - 1].value)
            r.v[++n] = r.v[i];
        else
            r.v[n].weight += r.v[i].weight;
    if (r.n) r.n = n + 1;
    for (int64_t i = 0; i < r.n; i++) {
        r.v[i].min_rank = sum;
        r.v[i].max_rank = sum += r.v[i].weight;
    }
    return take(s, &r, err);
}

tn_code tn_sketch_push(tn_sketch *s, float value, float weight, tn_error *err)
{
    TN_TRY(check_open(s, err));
    if (weight <= 0) return TN_OK;
    if (!make_room(&s->waiting, s->waiting.n + 1)) return tn_no_memory(err, 0);
    s->waiting.v[s->waiting.n++] = (tn_rank){.value = value, .weight = weight};
    return s->waiting.n >= s->most ? flush(s, err) : TN_OK;
}

tn_code tn_sketch_add(tn_sketch *s, const tn_rank *v, int64_t n, tn_error *err)
{
    tn_ranks r = {0};
    TN_TRY(check_open(s, err));
    if (!n) return TN_OK;
    if (!make_room(&r, n)) return tn_no_memory(err, 0);
    memcpy(r.v, v, (size_t)n * sizeof *v);
    r.n = n;
    return take(s, &r, err);
}

tn_code tn_sketch_finish(tn_sketch *s, tn_error *err)
{
    TN_TRY(check_open(s, err));
    TN_TRY(flush(s, err));
    for (int i = 0; i < s->levels; i++) TN_TRY(merge(&s->summary, &s->level[i], err));
    for (int i = 0; i < s->levels; i++) drop(&s->level[i]);
    s->levels = 0;
    s->finished = true;
    return TN_OK;
}

/* ==== answers ==== */

/* Elements between others go, those first whose going leaves the smallest gap, until there are no more than
 * `most`. */
static void thin(tn_ranks *r, int64_t most)
{
    float whole = total(r);
    while (r->n > TN_MAX(most, 2)) {
        float least = whole;
        int64_t gone = 0;
        for (int64_t i = 1; i + 1 < r->n; i++) {
            float gap = before(&r->v[i + 1]) - after(&r->v[i - 1]);
            if (gap < least) {
                gone = i;
                least = gap;
            }
        }
        if (!gone) return;
        memmove(&r->v[gone], &r->v[gone + 1], (size_t)(--r->n - gone) * sizeof *r->v);
    }
}

tn_code tn_sketch_boundaries(const tn_sketch *s, int64_t count, float **out, int64_t *n, tn_error *err)
{
    tn_ranks r = {0};
    float eps = (float)(error_of(&s->summary) + 1.0 / (double)count);
    *n = 0;
    *out = tn_calloc((size_t)s->summary.n + 1, sizeof **out);
    if (!*out || (s->summary.n && !make_room(&r, s->summary.n))) {
        tn_free(*out);
        return tn_no_memory(err, 0);
    }
    if (s->summary.n) memcpy(r.v, s->summary.v, (size_t)s->summary.n * sizeof *r.v);
    r.n = s->summary.n;
    compress(&r, count, eps);
    thin(&r, count);
    for (int64_t i = 0; i < r.n; i++)
        if (!i || (*out)[*n - 1] != r.v[i].value) (*out)[(*n)++] = r.v[i].value;
    drop(&r);
    return TN_OK;
}

/* The value at a step of rank, looked for from element *at on. */
static float at_rank(const tn_ranks *r, float twice, int64_t *at)
{
    int64_t next = *at + 1;
    while (next < r->n && twice >= r->v[next].min_rank + r->v[next].max_rank) next++;
    *at = next - 1;
    bool this = next == r->n || twice < after(&r->v[*at]) + before(&r->v[next]);
    return r->v[this ? *at : next].value;
}

tn_code tn_sketch_quantiles(const tn_sketch *s, int64_t count, float **out, int64_t *n, tn_error *err)
{
    int64_t at = 0;
    count = TN_MAX(count, 2);
    *n = 0;
    *out = s->summary.n ? tn_calloc((size_t)count + 1, sizeof **out) : tn_calloc(1, sizeof **out);
    if (!*out) return tn_no_memory(err, 0);
    for (int64_t rank = 0; s->summary.n && rank <= count; rank++) {
        float twice = 2 * ((float)rank * total(&s->summary) / (float)count);
        (*out)[(*n)++] = at_rank(&s->summary, twice, &at);
    }
    return TN_OK;
}
