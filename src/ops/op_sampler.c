/* SPDX-License-Identifier: Apache-2.0
 *
 * op_sampler.c - candidate samplers: classes drawn at random, and how often each is to be expected; for
 * losses that look at some of very many classes. ComputeAccidentalHits finds those drawn that are true.
 */
#include "../plan/files.h"
#include "../plan/state.h"
#include "op_move.h"
#include "random_draw.h"
#include "random_source.h"
#include "sampler.h"

#include <float.h>
#include <math.h>

/* ==== distributions ==== */

typedef struct sampler {
    const char *name; /* as the operator's begins */
    int64_t range;
    const double *weight; /* of each class; NULL: by a formula */
    double total;
    const double *chance; /* alias method: the chance that a bucket is its own class, else it is `other` */
    const int64_t *other;
} sampler;

static bool is_kind(const sampler *s, const char *kind)
{
    return !strncmp(s->name, kind, strlen(kind));
}

static int64_t draw_weighted(const sampler *s, tn_words *w)
{
    double sum = 0, x = tn_word_below32(w, (uint32_t)s->total);
    for (int64_t i = 0; i < s->range; i++)
        if ((sum += s->weight[i]) > x) return i;
    return s->range - 1;
}

static int64_t draw_alias(const sampler *s, tn_words *w)
{
    float x = tn_unit_float(tn_word(w));
    int64_t i = tn_word_below32(w, (uint32_t)s->range);
    return x < (float)s->chance[i] ? i : s->other[i];
}

static int64_t draw(const sampler *s, tn_words *w)
{
    if (s->chance) return draw_alias(s, w);
    if (s->weight) return draw_weighted(s, w);
    if (is_kind(s, "LogUniform"))
        return ((int64_t)exp(tn_word_double(w) * log1p((double)s->range)) - 1) % s->range;
    return (int64_t)tn_word_below(w, (uint64_t)s->range);
}

static float probability(const sampler *s, int64_t i)
{
    if (s->weight) return (float)(s->weight[i] / s->total);
    if (is_kind(s, "LogUniform"))
        return (float)(log(((double)i + 2) / ((double)i + 1)) / log1p((double)s->range));
    return (float)(1 / (double)s->range);
}

/* Drawn `n` times; without repetitions it took `tries`. */
static float expected(float p, int64_t n, int64_t tries)
{
    return tries == n ? p * (float)n : (float)-expm1((double)tries * log1p(-(double)p));
}

/* ==== weights that are given ==== */

/* A line's last field. */
static tn_code read_vocabulary(const tn_prepare *q, tn_view path, double distortion, tn_alias *f, int64_t cap,
                               int64_t *seen, int64_t shards, int64_t shard, tn_error *err)
{
    tn_buf text = {0};
    TN_TRY(tn_files_read(q->files, q->name, path, &text, err));
    tn_code code = TN_OK;
    for (const char *p = text.data, *end = p + text.n; code == TN_OK && p && p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p)), *line_end = stop ? stop : end,
                   *field = line_end;
        double v;
        while (field > p && field[-1] != ',') field--;
        if (line_end > p && !tn_parse_double((tn_view){field, (size_t)(line_end - field)}, &v))
            code = tn_fail(err, TN_INVALID_ARGUMENT, "Wrong vocabulary format at line of '%.*s': %.*s",
                           (int)TN_MIN(path.n, (size_t)200), path.p,
                           (int)TN_MIN(line_end - p, 80), p);
        else if (line_end > p && (*seen)++ % shards == shard && f->n < cap)
            f->weight[f->n++] = (float)pow(v, distortion);
        p = line_end + 1;
    }
    tn_buf_free(&text);
    return code;
}

static void make_alias(tn_alias *f, int64_t *low, int64_t *high)
{
    int64_t n_low = 0, n_high = 0;
    for (int64_t i = 0; i < f->n; i++) {
        f->chance[i] = f->weight[i] * (double)f->n / f->total;
        f->other[i] = i;
        if (f->chance[i] >= 1)
            high[n_high++] = i;
        else
            low[n_low++] = i;
    }
    while (n_low && n_high) {
        int64_t l = low[--n_low], h = high[--n_high];
        f->other[l] = h;
        f->chance[h] -= 1 - f->chance[l];
        if (f->chance[h] < 1)
            low[n_low++] = h;
        else
            high[n_high++] = h;
    }
    while (n_low) f->chance[low[--n_low]] = 1;
    while (n_high) f->chance[high[--n_high]] = 1;
}

tn_code tn_alias_new(tn_arena *a, int64_t most, tn_alias *out, tn_error *err)
{
    *out = (tn_alias){.weight = TN_ARRAY(a, most + 1, double),
                      .chance = TN_ARRAY(a, most + 1, double),
                      .other = TN_ARRAY(a, most + 1, int64_t)};
    return out->weight && out->chance && out->other ? TN_OK : tn_no_memory(err, (size_t)most * 8);
}

tn_code tn_alias_set(tn_alias *f, int64_t n, tn_arena *a, tn_error *err)
{
    int64_t *low = TN_ARRAY(a, n + 1, int64_t), *high = TN_ARRAY(a, n + 1, int64_t);
    if (!low || !high) return tn_no_memory(err, (size_t)n * 8);
    f->n = n;
    for (int64_t i = 0; i < n; i++) f->total += f->weight[i];
    make_alias(f, low, high);
    return TN_OK;
}

static tn_code fixed_prepare(tn_prepare *p, tn_error *err)
{
    TN_PARAMS(p, tn_alias, f);
    int64_t range = tn_attr_i(p->attrs, "range_max"), reserved = tn_attr_i(p->attrs, "num_reserved_ids");
    int64_t shards = tn_attr_i(p->attrs, "num_shards"), shard = tn_attr_i(p->attrs, "shard"), seen = 0;
    double distortion = tn_attr_f(p->attrs, "distortion");
    const tn_attr *given = tn_attr_find(p->attrs, "unigrams");
    tn_view file = {"", 0};
    tn_attr_get_string(p->attrs, "vocab_file", &file);
    if (range > INT32_MAX) return tn_fail(err, TN_INVALID_ARGUMENT, "range_max %lld is too large", (long long)range);
    if ((file.n == 0) == (!given || given->n == 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "Must provide either vocab_file or unigrams.");
    TN_TRY(tn_alias_new(p->arena, range, f, err));
    while (f->n < TN_MIN(reserved, range) && seen < reserved)
        if (seen++ % shards == shard) f->weight[f->n++] = 0;
    for (int i = 0; file.n == 0 && i < given->n && f->n <= range; i++)
        if (seen++ % shards == shard) f->weight[f->n++] = (float)pow(given->fs[i], distortion);
    if (file.n)
        TN_TRY(read_vocabulary(p, file, distortion, f, range + 1, &seen,
                               shards, shard, err));
    if (f->n != range)
        return tn_fail(err, TN_INVALID_ARGUMENT, "range is %lld must be equal to weights size  %lld",
                       (long long)range, (long long)f->n);
    return tn_alias_set(f, range, p->arena, err);
}

/* ==== weights that are learned ==== one for each class to begin with; one more each time that it is true */

enum { MOST_CLASSES = 1 << 30 };

typedef struct learned {
    tn_resource base;
    pthread_mutex_t lock;
    double total, weight[];
} learned;

static void release(tn_resource *self)
{
    learned *l = (learned *)self;
    pthread_mutex_destroy(&l->lock);
    tn_resource_free(self);
}

static tn_resource *make_learned(const tn_run *r)
{
    int64_t range = tn_attr_i(r->attrs, "range_max");
    if (range > MOST_CLASSES) return NULL;
    size_t size = sizeof(learned) + (size_t)range * sizeof(double);
    learned *l = tn_resource_new(size, TN_RES_SAMPLER, r->name, release);
    if (!l) return NULL;
    pthread_mutex_init(&l->lock, NULL);
    l->total = (double)range;
    for (int64_t i = 0; i < range; i++) l->weight[i] = 1;
    return &l->base;
}

/* ==== sampling ==== */

typedef struct job {
    const sampler *s;
    const tn_tensor *true_classes;
    int64_t n;
    bool unique;
} job;

static tn_code check_classes(const tn_run *r, int64_t range, int64_t n, bool unique, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    int64_t columns = tn_attr_i(r->attrs, "num_true");
    if (t->shape.rank != 2) return tn_fail(err, TN_INVALID_ARGUMENT, "true_classes must be a matrix");
    if (t->shape.dim[1] != columns)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "true_classes must have num_true columns, expected: %lld was: %lld",
                       (long long)t->shape.dim[1], (long long)columns);
    for (int64_t i = 0; i < tn_tensor_count(t); i++)
        if (TN_INT64S(t)[i] < 0 || TN_INT64S(t)[i] >= range)
            return tn_fail(err, TN_INVALID_ARGUMENT, "`true_candidate` out of range [0, %lld), received %lld",
                           (long long)range, (long long)TN_INT64S(t)[i]);
    if (unique && n > range) return tn_fail(err, TN_INVALID_ARGUMENT, "Sampler's range is too small.");
    return TN_OK;
}

static int by_value(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return (a > b) - (a < b);
}

/* Puts x into a sorted array of n; false: it is there. */
static bool put_sorted(int64_t *v, int64_t n, int64_t x)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (by_value(&v[middle], &x) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < n && v[low] == x) return false;
    memmove(v + low + 1, v + low, (size_t)(n - low) * sizeof *v);
    v[low] = x;
    return true;
}

static tn_code sample(tn_run *r, const job *j, tn_words *w, tn_error *err)
{
    int64_t *out = r->out[0]->data, *seen = r->scratch, tries = 0;
    for (int64_t i = 0; i < j->n; tries++) {
        int64_t x = draw(j->s, w);
        if (tries % 65536 == 65535 && tn_run_cancelled(r))
            return tn_fail(err, TN_CANCELLED, "the run was cancelled");
        if (tries == INT32_MAX)
            return tn_fail(err, TN_INVALID_ARGUMENT, "classes without a chance are wanted");
        if (!j->unique || put_sorted(seen, i, x)) out[i++] = x;
    }
    for (int64_t i = 0; i < j->n; i++)
        TN_FLOATS(r->out[2])[i] = expected(probability(j->s, out[i]), j->n, tries);
    for (int64_t i = 0; i < tn_tensor_count(j->true_classes); i++)
        TN_FLOATS(r->out[1])[i] = expected(probability(j->s, TN_INT64S(j->true_classes)[i]), j->n, tries);
    return TN_OK;
}

static tn_code sample_from(tn_run *r, const sampler *s, tn_error *err)
{
    tn_philox_state state;
    tn_philox p;
    job j = {s, r->in[0], tn_attr_i(r->attrs, "num_sampled"), tn_attr_b(r->attrs, "unique")};
    TN_TRY(check_classes(r, s->range, j.n, j.unique, err));
    TN_TRY(tn_run_random(r, (uint64_t)j.n * 2048 / 4, &state, err));
    memcpy(p.counter, state.counter, sizeof p.counter);
    memcpy(p.key, state.key, sizeof p.key);
    tn_words w = tn_words_of(&p);
    return sample(r, &j, &w, err);
}

static tn_code formula_run(tn_run *r, tn_error *err)
{
    sampler s = {.name = r->op->name, .range = tn_attr_i(r->attrs, "range_max")};
    return sample_from(r, &s, err);
}

static tn_code fixed_run(tn_run *r, tn_error *err)
{
    const tn_alias *f = r->params;
    sampler s = {r->op->name, f->n, f->weight, f->total, f->chance, f->other};
    return sample_from(r, &s, err);
}

static tn_code learned_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_session_resource(r, TN_RES_SAMPLER, r->name, make_learned, &res, err));
    learned *l = (learned *)res;
    pthread_mutex_lock(&l->lock);
    sampler s = {.name = r->op->name,
                 .range = tn_attr_i(r->attrs, "range_max"),
                 .weight = l->weight,
                 .total = l->total};
    tn_code code = sample_from(r, &s, err);
    for (int64_t i = 0; code == TN_OK && i < tn_tensor_count(r->in[0]); i++) {
        l->weight[TN_INT64S(r->in[0])[i]]++;
        l->total++;
    }
    pthread_mutex_unlock(&l->lock);
    tn_resource_unref(res);
    return code;
}

/* Every class, once. */
static tn_code all_run(tn_run *r, tn_error *err)
{
    int64_t n = tn_attr_i(r->attrs, "num_sampled");
    TN_TRY(check_classes(r, n, n, true, err));
    for (int64_t i = 0; i < n; i++) {
        TN_INT64S(r->out[0])[i] = i;
        TN_FLOATS(r->out[2])[i] = 1;
    }
    for (int64_t i = 0; i < tn_tensor_count(r->in[0]); i++) TN_FLOATS(r->out[1])[i] = 1;
    return TN_OK;
}

static tn_code sampler_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    int64_t n = tn_attr_i(c->attrs, "num_sampled");
    c->out[0].shape = c->out[2].shape = tn_shape_vector(n);
    c->out[1].shape = (tn_shape){
        .rank = 2,
        .dim = {c->in[0]->shape.rank == 2 ? c->in[0]->shape.dim[0] : -1, tn_attr_i(c->attrs, "num_true")}};
    return TN_OK;
}

static tn_code room_prepare(tn_prepare *p, tn_error *err)
{
    (void)err;
    p->scratch = ((size_t)tn_attr_i(p->attrs, "num_sampled") + 1) * sizeof(int64_t);
    return TN_OK;
}

static tn_code fixed_room_prepare(tn_prepare *p, tn_error *err)
{
    TN_TRY(room_prepare(p, err));
    return fixed_prepare(p, err);
}

#define SAMPLER(NAME, PREPARE, RUN, ATTRS)                                                \
    const tn_op tn_op_##NAME = {                                                          \
        .name = #NAME,                                                                    \
        .sig = "true_classes:int64 -> sampled_candidates:int64 "                          \
               "true_expected_count:float sampled_expected_count:float; num_true:int>=1 " \
               "num_sampled:int>=1 unique:bool " ATTRS "seed:int=0 seed2:int=0",          \
        .infer = sampler_infer,                                                           \
        .prepare = PREPARE,                                                               \
        .run = RUN,                                                                       \
        .flags = TN_STATEFUL | TN_NO_GRADIENT}
SAMPLER(UniformCandidateSampler, room_prepare, formula_run, "range_max:int>=1 ");
SAMPLER(LogUniformCandidateSampler, room_prepare, formula_run, "range_max:int>=1 ");
SAMPLER(LearnedUnigramCandidateSampler, room_prepare, learned_run, "range_max:int>=1 ");
SAMPLER(ThreadUnsafeUnigramCandidateSampler, room_prepare, learned_run, "range_max:int>=1 ");
SAMPLER(
    FixedUnigramCandidateSampler, fixed_room_prepare, fixed_run,
    "range_max:int>=1 vocab_file:string=\"\" distortion:float=1.0 num_reserved_ids:int=0 num_shards:int>=1=1 "
    "shard:int>=0=0 unigrams:list(float)=[] ");
SAMPLER(AllCandidateSampler, room_prepare, all_run, "");

/* ==== accidental hits ==== */

static int64_t last_place(const tn_tensor *t, int64_t x)
{
    int64_t i = tn_tensor_count(t);
    while (i > 0 && TN_INT64S(t)[i - 1] != x) i--;
    return i - 1;
}

static tn_code hits_run(tn_run *r, tn_error *err)
{
    const tn_tensor *t = r->in[0], *drawn = r->in[1];
    int64_t columns = tn_attr_i(r->attrs, "num_true"), n = 0, count = tn_tensor_count(t);
    if (t->shape.rank != 2 || t->shape.dim[1] != columns)
        return tn_fail(err, TN_INVALID_ARGUMENT, "true_candidates must be a batch_size * num_true matrix");
    if (drawn->shape.rank != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "sampled_candidates must be a vector");
    for (int64_t i = 0; i < count; i++) n += last_place(drawn, TN_INT64S(t)[i]) >= 0;
    tn_shape s = tn_shape_vector(n);
    for (int o = 0; o < 3; o++) TN_TRY(tn_run_output(r, o, &s, err));
    for (int64_t i = 0, k = 0; i < count; i++) {
        int64_t at = last_place(drawn, TN_INT64S(t)[i]);
        if (at < 0) continue;
        TN_INT32S(r->out[0])[k] = (int32_t)(i / columns);
        TN_INT64S(r->out[1])[k] = at;
        TN_FLOATS(r->out[2])[k++] = -FLT_MAX;
    }
    return TN_OK;
}

static tn_code hits_infer(tn_infer *c, tn_error *err)
{
    TN_TRY(tn_infer_rank(c, 0, 2, err));
    TN_TRY(tn_infer_rank(c, 1, 1, err));
    for (int o = 0; o < 3; o++) c->out[o].shape = tn_shape_vector(-1);
    return TN_OK;
}

const tn_op tn_op_ComputeAccidentalHits = {
    .name = "ComputeAccidentalHits",
    .sig =
        "true_classes:int64 sampled_candidates:int64 -> indices:int32 ids:int64 weights:float; num_true:int "
        "seed:int=0 seed2:int=0",
    .infer = hits_infer,
    .run = hits_run,
    .flags = TN_NO_GRADIENT,
    .dynamic = TN_BIT(0) | TN_BIT(1) | TN_BIT(2),
};
