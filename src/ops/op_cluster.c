/* SPDX-License-Identifier: Apache-2.0
 *
 * op_cluster.c - where clusters begin: KmeansPlusPlusInitialization, KMC2ChainInitialization. The numbers are those of
 * a Philox stream that the seed begins, so the same points are chosen as TensorFlow chooses.
 */
#include <math.h>

#include "op_move.h"
#include "random_words.h"

static tn_words words_of_seed(int64_t seed)
{
    tn_words w = {.used = 4};
    tn_philox_init(&w.p, (uint64_t)seed, 0);
    return w;
}

static tn_code scalar_of(const tn_run *r, int i, int64_t *out, tn_error *err)
{
    const char *name = tn_op_sig(r->op)->in[i].name;
    if (r->in[i]->shape.rank != 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Input %s should be a scalar.", name);
    return tn_int_of(r->in[i], name, out, err);
}

/* ==== KmeansPlusPlusInitialization ==== points[n, d] num_to_sample seed num_retries_per_sample */

typedef struct seeding {
    const float *points;
    int64_t n, d, retries;
    tn_words words;
    float *norm;        /* half the square of each point's length */
    float *nearest;     /* half the square of each point's distance to the nearest one chosen */
    float *next, *best; /* the same with one more */
    float *sums;        /* of nearest, up to and with each point */
    bool *chosen;
    int64_t n_chosen;
} seeding;

static uint64_t below(tn_words *w, uint64_t n)
{
    const uint64_t rest = UINT64_MAX % n + 1;
    for (;;) {
        uint64_t low = tn_word(w), v = low | (uint64_t)tn_word(w) << 32;
        if ((n & (n - 1)) == 0) return v & (n - 1);
        if (v >= rest) return v % n;
    }
}

/* The first point whose sum is above. */
static int64_t first_above(const seeding *s, float x)
{
    int64_t low = 0, high = s->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (x < s->sums[middle]) high = middle;
        else low = middle + 1;
    }
    return TN_MIN(low, s->n - 1);
}

/* One that is not chosen yet, as likely as it is far from those that are; all the same where none is far. */
static tn_code draw_point(const tn_run *r, seeding *s, int64_t *out, tn_error *err)
{
    float total = s->sums[s->n - 1];
    do {
        if (tn_run_cancelled(r)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        if (s->n_chosen && total > 0)
            *out = first_above(s, tn_word_float(&s->words) * total);
        else
            *out = (int64_t)below(&s->words, (uint64_t)s->n);
    } while (s->chosen[*out]);
    return TN_OK;
}

/* s->next with that point among those chosen; their sum. */
static float with_point(seeding *s, int64_t p)
{
    float sum = 0;
    for (int64_t i = 0; i < s->n; i++) {
        float product = 0;
        for (int64_t k = 0; k < s->d; k++) product += s->points[i * s->d + k] * s->points[p * s->d + k];
        float distance = s->norm[i] - product + s->norm[p];
        s->next[i] = distance < s->nearest[i] ? distance : s->nearest[i];
        sum += s->next[i];
    }
    return sum;
}

static void swap_rows(float **a, float **b)
{
    float *c = *a;
    *a = *b;
    *b = c;
}

/* The best of some. */
static tn_code choose_point(const tn_run *r, seeding *s, int64_t *out, tn_error *err)
{
    float best = INFINITY;
    int64_t p = 0;
    *out = 0;
    for (int64_t k = 0; k <= s->retries; k++) {
        TN_TRY(draw_point(r, s, &p, err));
        float sum = with_point(s, p);
        if (s->retries > 0 && !(sum < best)) continue;
        best = sum;
        *out = p;
        swap_rows(&s->next, &s->best);
    }
    swap_rows(&s->nearest, &s->best);
    s->n_chosen += !s->chosen[*out];
    s->chosen[*out] = true;
    return TN_OK;
}

static tn_code begin_seeding(const tn_run *r, seeding *s, int64_t count, tn_error *err)
{
    if (s->n <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected points.rows() > 0.");
    if (count <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected num_to_sample > 0.");
    if (count > s->n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected num_to_sample <= points.rows(). %lld vs %lld.",
                       (long long)count, (long long)s->n);
    float *room = r->scratch;
    float **rows[] = {&s->norm, &s->nearest, &s->next, &s->best, &s->sums};
    for (size_t k = 0; k < TN_COUNT(rows); k++, room += s->n) *rows[k] = room;
    s->chosen = (bool *)room;
    memset(s->chosen, 0, (size_t)s->n);
    for (int64_t i = 0; i < s->n; i++) {
        float square = 0;
        for (int64_t k = 0; k < s->d; k++) square += s->points[i * s->d + k] * s->points[i * s->d + k];
        s->norm[i] = 0.5f * square;
        s->nearest[i] = INFINITY;
        s->best[i] = s->sums[i] = 0;
    }
    return TN_OK;
}

static tn_code kmeans_run(tn_run *r, tn_error *err)
{
    int64_t count, seed;
    seeding s = {.points = r->in[0]->data, .n = r->in[0]->shape.dim[0], .d = r->in[0]->shape.dim[1]};
    TN_TRY(scalar_of(r, 1, &count, err));
    TN_TRY(scalar_of(r, 2, &seed, err));
    TN_TRY(scalar_of(r, 3, &s.retries, err));
    TN_TRY(begin_seeding(r, &s, count, err));
    if (s.retries < 0) s.retries = 2 + (int64_t)log((double)count);
    s.words = words_of_seed(seed);
    tn_shape shape = {.rank = 2, .dim = {count, s.d}};
    TN_TRY(tn_run_output(r, 0, &shape, err));
    for (int64_t o = 0; o < count; o++) {
        int64_t p;
        float sum = 0;
        for (int64_t i = 0; i < s.n && o; i++) s.sums[i] = sum += s.nearest[i];
        TN_TRY(choose_point(r, &s, &p, err));
        if (s.d) memcpy(TN_FLOATS(r->out[0]) + o * s.d, s.points + p * s.d, (size_t)s.d * sizeof(float));
    }
    return TN_OK;
}

static tn_code kmeans_prepare(tn_prepare *p, tn_error *err)
{
    int64_t n = p->in[0]->shape.dim[0];
    if (n > INT64_MAX / 64) return tn_no_memory(err, SIZE_MAX);
    p->scratch = (size_t)n * (5 * sizeof(float) + 1);
    return TN_OK;
}

static tn_code kmeans_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    c->out[0].shape = (tn_shape){.rank = 2, .dim = {-1, c->in[0]->shape.rank == 2 ? c->in[0]->shape.dim[1] : -1}};
    return TN_OK;
}

const tn_op tn_op_KmeansPlusPlusInitialization = {
    .name = "KmeansPlusPlusInitialization",
    .sig = "points:float num_to_sample:int64 seed:int64 num_retries_per_sample:int64 -> samples:float;",
    .infer = kmeans_infer,
    .prepare = kmeans_prepare,
    .run = kmeans_run,
    .dynamic = TN_BIT(0),
};

/* ==== KMC2ChainInitialization ==== distances seed */

static tn_code chain_run(tn_run *r, tn_error *err)
{
    const float *distance = r->in[0]->data;
    int64_t seed, n = tn_tensor_count(r->in[0]), at = 0;
    TN_TRY(scalar_of(r, 1, &seed, err));
    if (n <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Expected distances_tensor.size() > 0.");
    tn_words w = words_of_seed(seed);
    for (int64_t i = 1; i < n; i++)
        if (distance[i] > tn_word_float(&w) * distance[at]) at = i;
    *TN_INT64S(r->out[0]) = at;
    return TN_OK;
}

static tn_code chain_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 1, err));
    c->out[0].shape = TN_SHAPE();
    return TN_OK;
}

const tn_op tn_op_KMC2ChainInitialization = {
    .name = "KMC2ChainInitialization",
    .sig = "distances:float seed:int64 -> index:int64;",
    .infer = chain_infer,
    .run = chain_run,
};
