/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_shuffle.c - data sets in random order, and random numbers: TensorFlow's own for given seeds.
 * Words of a Philox stream choose from a buffer; when the buffer's epoch is used up, the stream begins again
 * from seeds that the generator of the data set hands out, always the same or other ones each time.
 *
 * Invariants: the elements in the buffer are those numbered [first slice's start, last slice's end), at their
 * number modulo its capacity, which grows as elements come.
 */
#include "../ops/random_words.h"
#include "../plan/plan.h"
#include "dataset.h"

/* ==== seeds ==== */

typedef struct seeds {
    tn_resource base;
    pthread_mutex_t lock;
    int64_t seed, seed2;
    bool fixed;
    uint64_t drawn; /* pairs of words */
    tn_words words;
} seeds;

static tn_words words_from(int64_t seed, int64_t seed2)
{
    tn_words w = {.used = 4};
    tn_philox_init(&w.p, (uint64_t)seed, (uint64_t)seed2);
    return w;
}

static void release_seeds(tn_resource *self)
{
    pthread_mutex_destroy(&((seeds *)self)->lock);
    tn_resource_free(self);
}

/* From the session's generator of the operation. */
static tn_code draw_seeds(const tn_run *r, int64_t *seed, int64_t *seed2, tn_error *err)
{
    tn_rng *g;
    tn_philox p;
    uint32_t out[4];
    if (!r->context)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s' draws seeds, which only sessions do", r->name);
    TN_TRY(tn_store_rng(r->context->program->store, r->name, 0, 0, &g, err));
    pthread_mutex_lock(&g->store->lock);
    memcpy(p.counter, g->state.counter, sizeof p.counter);
    memcpy(p.key, g->state.key, sizeof p.key);
    tn_philox_next(&p, out);
    memcpy(g->state.counter, p.counter, sizeof p.counter);
    pthread_mutex_unlock(&g->store->lock);
    *seed = (int64_t)((uint64_t)out[1] << 32 | out[0]);
    *seed2 = (int64_t)((uint64_t)out[3] << 32 | out[2]);
    return TN_OK;
}

/* Seeds that are both 0 are drawn. */
static tn_code seeds_new(const tn_run *r, int64_t seed, int64_t seed2, bool fixed, tn_resource **out,
                         tn_error *err)
{
    if (!seed && !seed2) TN_TRY(draw_seeds(r, &seed, &seed2, err));
    seeds *s = tn_resource_new(sizeof *s, TN_RES_SEEDS, "seeds", release_seeds);
    if (!s) return tn_no_memory(err, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    s->seed = seed;
    s->seed2 = seed2;
    s->fixed = fixed;
    s->words = words_from(seed, seed2);
    *out = &s->base;
    return TN_OK;
}

/* A word of 32 bits each, as TensorFlow's. */
static void next_seeds(tn_resource *res, int64_t *a, int64_t *b)
{
    seeds *s = (seeds *)res;
    pthread_mutex_lock(&s->lock);
    *a = s->fixed ? s->seed : tn_word(&s->words);
    *b = s->fixed ? s->seed2 : tn_word(&s->words);
    s->drawn++;
    pthread_mutex_unlock(&s->lock);
}

void tn_seeds_get(tn_resource *res, int64_t out[TN_SEEDS_STATE])
{
    seeds *s = (seeds *)res;
    pthread_mutex_lock(&s->lock);
    out[0] = s->seed;
    out[1] = s->seed2;
    out[2] = (int64_t)s->drawn;
    pthread_mutex_unlock(&s->lock);
}

void tn_seeds_set(tn_resource *res, const int64_t state[TN_SEEDS_STATE])
{
    seeds *s = (seeds *)res;
    const uint64_t drawn = (uint64_t)state[2];
    pthread_mutex_lock(&s->lock);
    s->seed = state[0];
    s->seed2 = state[1];
    s->drawn = drawn;
    s->words = words_from(s->seed, s->seed2);
    tn_philox_skip(&s->words.p, drawn / 2);
    for (int i = 0; i < (drawn % 2 ? 2 : 0); i++) tn_word(&s->words);
    pthread_mutex_unlock(&s->lock);
}

static tn_words next_words(tn_resource *res)
{
    int64_t a, b;
    next_seeds(res, &a, &b);
    return words_from(a, b);
}

static tn_code generator_run(tn_run *r, tn_error *err)
{
    int64_t seed, seed2, reshuffle = 1;
    tn_resource *res;
    TN_TRY(tn_dataset_int(r, 0, "seed", &seed, err));
    TN_TRY(tn_dataset_int(r, 1, "seed2", &seed2, err));
    if (r->n_in > 2) TN_TRY(tn_dataset_int(r, 2, "reshuffle", &reshuffle, err));
    TN_TRY(seeds_new(r, seed, seed2, !reshuffle, &res, err));
    tn_variant **deleter = r->out[1]->data;
    tn_variant_unref(*deleter);
    *deleter = NULL;
    return tn_run_new_resource(r, 0, res, err);
}

/* Stands for "one of the data set's own". */
static tn_code dummy_run(tn_run *r, tn_error *err)
{
    seeds *s = tn_resource_new(sizeof *s, TN_RES_DUMMY, "seeds", release_seeds);
    if (!s) return tn_no_memory(err, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    return tn_run_new_resource(r, 0, &s->base, err);
}

static tn_code nothing_run(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

#define GENERATOR(Op, Infer, Run, Flags, Dynamic, Sig) \
    TN_STATE_OP(Op, Run, Infer, TN_NO_GRADIENT | (Flags), Dynamic, Sig)
GENERATOR(AnonymousSeedGenerator, tn_infer_scalar, generator_run, 0, TN_BIT(0),
          "seed:int64 seed2:int64 reshuffle:bool -> handle:resource deleter:variant;");
GENERATOR(AnonymousRandomSeedGenerator, tn_infer_scalar, generator_run, 0, TN_BIT(0),
          "seed:int64 seed2:int64 -> handle:resource deleter:variant;");
GENERATOR(DummySeedGenerator, tn_infer_scalar, dummy_run, 0, TN_BIT(0), "-> handle:resource;");
GENERATOR(DummyIterationCounter, tn_infer_scalar, dummy_run, 0, TN_BIT(0), "-> handle:resource;");
GENERATOR(DeleteSeedGenerator, tn_infer_none, nothing_run, TN_EFFECT, 0,
          "handle:resource deleter:variant -> ;");
GENERATOR(DeleteRandomSeedGenerator, tn_infer_none, nothing_run, TN_EFFECT, 0,
          "handle:resource deleter:variant -> ;");

/* ==== Shuffle ==== n[0]: size of the buffer, n[1]: epochs, -1: for ever */

enum { MOST_EPOCHS = 3 };

typedef struct slice { /* one epoch's elements in the buffer */
    int64_t start, end;
} slice;

typedef struct shuffled {
    tn_source base;
    tn_words words;
    tn_tensor **at;
    int64_t cap;
    slice *slices;
    int n_slices, cap_slices;
    int64_t epoch;
    bool produced;
} shuffled;

static tn_code shuffle_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    (void)err;
    ((shuffled *)s)->words = next_words(s->d->shared);
    return TN_OK;
}

static int64_t in_buffer(const shuffled *v)
{
    return v->n_slices ? v->slices[v->n_slices - 1].end - v->slices[0].start : 0;
}

static tn_tensor **place_of(const tn_source *s, int64_t number)
{
    const shuffled *v = (const shuffled *)s;
    return v->at + number % v->cap * s->d->width;
}

static void shuffle_stop(tn_source *s)
{
    shuffled *v = (shuffled *)s;
    for (int64_t i = 0; v->at && i < v->cap; i++) tn_element_drop(v->at + i * s->d->width, s->d->width);
    tn_free(v->at);
    tn_free(v->slices);
}

static tn_code grow(tn_source *s, tn_error *err)
{
    shuffled *v = (shuffled *)s;
    int64_t cap = v->cap ? 2 * v->cap : 16, width = s->d->width;
    tn_tensor **at = tn_calloc((size_t)(cap * width), sizeof *at);
    if (!at) return tn_no_memory(err, (size_t)(cap * width) * sizeof *at);
    for (int64_t i = v->n_slices ? v->slices[0].start : 0, n = in_buffer(v); n > 0; n--, i++)
        memcpy(at + i % cap * width, place_of(s, i), (size_t)width * sizeof *at);
    tn_free(v->at);
    v->at = at;
    v->cap = cap;
    return TN_OK;
}

static tn_code begin_epoch(tn_source *s, tn_pull *t, tn_error *err)
{
    shuffled *v = (shuffled *)s;
    if (!TN_ROOM(NULL, v->slices, v->n_slices, v->cap_slices)) return tn_no_memory(err, 0);
    TN_TRY(tn_source_start(s->d->input[0], t, &s->in, err));
    int64_t n = v->n_slices ? v->slices[v->n_slices - 1].end : 0;
    v->slices[v->n_slices++] = (slice){n, n};
    v->epoch++;
    return TN_OK;
}

static bool wants_more(const tn_source *s)
{
    const shuffled *v = (const shuffled *)s;
    if (!s->in && s->d->n[1] >= 0 && v->epoch >= s->d->n[1]) return false;
    if (v->n_slices > MOST_EPOCHS && in_buffer(v) > 0) return false;
    return in_buffer(v) < s->d->n[0];
}

static tn_code fill(tn_source *s, tn_pull *t, tn_error *err)
{
    shuffled *v = (shuffled *)s;
    while (wants_more(s)) {
        bool end;
        if (!s->in) TN_TRY(begin_epoch(s, t, err));
        if (in_buffer(v) == v->cap) TN_TRY(grow(s, err));
        slice *last = &v->slices[v->n_slices - 1];
        TN_TRY(tn_source_next(s->in, t, place_of(s, last->end), &end, err));
        if (!end) {
            v->produced = true;
            last->end++;
            continue;
        }
        tn_source_stop(s->in);
        s->in = NULL;
        if (!v->produced) return TN_OK; /* nor will it in any other epoch */
    }
    return TN_OK;
}

static void drop_empty(tn_source *s)
{
    shuffled *v = (shuffled *)s;
    while (v->n_slices && v->slices[0].start == v->slices[0].end) {
        v->n_slices--;
        memmove(v->slices, v->slices + 1, (size_t)v->n_slices * sizeof *v->slices);
        v->words = next_words(s->d->shared);
    }
}

static tn_code shuffle_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    shuffled *v = (shuffled *)s;
    size_t size = (size_t)s->d->width * sizeof *out;
    TN_TRY(fill(s, t, err));
    *end = in_buffer(v) == 0;
    if (*end) return TN_OK;
    drop_empty(s);
    slice *first = &v->slices[0];
    tn_tensor **chosen = place_of(s, first->start + tn_word(&v->words) % (first->end - first->start));
    tn_tensor **oldest = place_of(s, first->start++);
    memcpy(out, chosen, size);
    memmove(chosen, oldest, size);
    memset(oldest, 0, size);
    return TN_OK;
}

static int64_t shuffle_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d), all;
    if (d->n[1] < 0) return n == 0 ? 0 : TN_INFINITE_CARDINALITY;
    if (n < 0) return d->n[1] ? n : 0;
    return __builtin_mul_overflow(n, d->n[1], &all) ? INT64_MAX : all;
}

static const tn_dataset_kind shuffle_kind = {.name = "Shuffle",
                                             .state = sizeof(shuffled),
                                             .start = shuffle_start,
                                             .next = shuffle_next,
                                             .stop = shuffle_stop,
                                             .cardinality = shuffle_count};

/* The handle's generator, or one of the data set's own. generator < 0: there is no handle. */
static tn_code set_seeds(tn_dataset *d, const tn_run *r, int seed, int generator, bool fixed, tn_error *err)
{
    int64_t a = 0, b = 0;
    tn_resource *res;
    if (generator >= 0 && tn_run_resource(r, generator, TN_RES_SEEDS, &res, NULL) == TN_OK) {
        d->shared = tn_resource_ref(res);
        return TN_OK;
    }
    if (seed < 0) return tn_fail(err, TN_NOT_FOUND, "'%s': there is no seed generator", r->name);
    TN_TRY(tn_dataset_int(r, seed, "seed", &a, err));
    TN_TRY(tn_dataset_int(r, seed + 1, "seed2", &b, err));
    return seeds_new(r, a, b, fixed, &d->shared, err);
}

static tn_code set_shuffle(tn_dataset *d, const tn_run *r, bool repeats, tn_error *err)
{
    bool reshuffles = true;
    int seed = r->n_in > 3 ? 2 : -1, generator = repeats ? 5 : r->n_in == 3 ? 2 : 4;
    tn_attr_get_bool(r->attrs, "reshuffle_each_iteration", &reshuffles);
    TN_TRY(tn_dataset_int(r, 1, "buffer_size", &d->n[0], err));
    d->n[1] = 1;
    if (repeats) TN_TRY(tn_dataset_int(r, 4, "count", &d->n[1], err));
    if (d->n[0] == TN_UNKNOWN_CARDINALITY && !repeats) d->n[0] = INT64_MAX;
    if (d->n[0] <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "buffer_size must be greater than zero%s",
                       repeats ? "." : " or UNKNOWN_CARDINALITY");
    if (repeats && d->n[1] <= 0 && d->n[1] != -1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "count must be greater than zero or equal to -1.");
    return set_seeds(d, r, seed, generator < r->n_in ? generator : -1, !reshuffles, err);
}

static tn_code shuffle_as(tn_run *r, bool repeats, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &shuffle_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_shuffle(d, r, repeats, err), err);
}
static tn_code shuffle_run(tn_run *r, tn_error *err)
{
    return shuffle_as(r, false, err);
}
static tn_code shuffle_and_repeat_run(tn_run *r, tn_error *err)
{
    return shuffle_as(r, true, err);
}
#define SHUFFLE "input_dataset:variant buffer_size:int64"
#define RESHUFFLE " reshuffle_each_iteration:bool=true" TN_DATA_META
TN_DATASET(ShuffleDataset, shuffle_run, SHUFFLE " seed:int64 seed2:int64", RESHUFFLE);
TN_DATASET(ShuffleDatasetV2, shuffle_run, SHUFFLE " seed_generator:resource", TN_DATA_META);
TN_DATASET(ShuffleDatasetV3, shuffle_run, SHUFFLE " seed:int64 seed2:int64 seed_generator:resource",
           RESHUFFLE);
TN_DATASET(ShuffleAndRepeatDataset, shuffle_and_repeat_run, SHUFFLE " seed:int64 seed2:int64 count:int64",
           TN_DATA_OUT " reshuffle_each_iteration:bool=true metadata:string=\"\"");
TN_DATASET(ShuffleAndRepeatDatasetV2, shuffle_and_repeat_run,
           SHUFFLE " seed:int64 seed2:int64 count:int64 seed_generator:resource", RESHUFFLE);

/* ==== GlobalShuffle ==== all elements in an order that only their number and the seeds say: they are kept */

enum { GLOBAL_ROUNDS = 8 };

typedef struct ordered {
    tn_source base;
    tn_elements has;
    bool full;
    uint32_t seed[3];
    int64_t i;
} ordered;

static tn_code global_start(tn_source *s, tn_pull *t, tn_error *err)
{
    ordered *v = (ordered *)s;
    int64_t a, b, c, unused;
    (void)t;
    (void)err;
    tn_elements_begin(&v->has, s->d);
    next_seeds(s->d->shared, &a, &b);
    next_seeds(s->d->shared, &c, &unused);
    v->seed[0] = (uint32_t)a;
    v->seed[1] = (uint32_t)b;
    v->seed[2] = (uint32_t)c;
    return TN_OK;
}

static void global_stop(tn_source *s)
{
    tn_elements_drop(&((ordered *)s)->has);
}

static tn_code global_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    ordered *v = (ordered *)s;
    bool over = false;
    if (!v->full) TN_TRY(tn_elements_fill(&v->has, s->in, t, s->d->n[0], &over, err));
    v->full = true;
    *end = v->i >= v->has.n;
    if (*end) return TN_OK;
    uint64_t at = tn_index_shuffle((uint64_t)v->i++, v->seed, (uint64_t)v->has.n - 1, GLOBAL_ROUNDS);
    for (int k = 0; k < s->d->width; k++) out[k] = tn_tensor_ref(v->has.at[(int64_t)at * s->d->width + k]);
    return TN_OK;
}

static const tn_dataset_kind global_kind = {.name = "GlobalShuffle",
                                            .state = sizeof(ordered),
                                            .starts_input = true,
                                            .start = global_start,
                                            .next = global_next,
                                            .stop = global_stop,
                                            .cardinality = tn_dataset_cardinality_of_input};

static tn_code set_global(tn_dataset *d, const tn_run *r, tn_error *err)
{
    bool again = true;
    d->n[0] = tn_dataset_cardinality_of_input(d);
    tn_attr_get_bool(r->attrs, "reshuffle_each_iteration", &again);
    if (!d->n[0])
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "`global_shuffle` requires the input dataset to have a non-empty finite cardinality.");
    if (d->n[0] < 0 || !tn_dataset_is_ordered(d))
        return tn_fail(err, TN_FAILED_PRECONDITION,
                       "`global_shuffle` requires all upstream transformations be compatible with random access.");
    return set_seeds(d, r, 1, 3, !again, err);
}

static tn_code global_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &global_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_global(d, r, err), err);
}
TN_DATASET(GlobalShuffleDataset, global_run, "input_dataset:variant seed:int64 seed2:int64 seed_generator:resource",
           RESHUFFLE);

/* ==== Random ==== */

typedef struct drawn {
    tn_source base;
    tn_words words;
} drawn;

static tn_code random_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    (void)err;
    ((drawn *)s)->words = next_words(s->d->shared);
    return TN_OK;
}

static tn_code random_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    (void)t;
    (void)end;
    return tn_tensor_scalar(TN_INT64, tn_word(&((drawn *)s)->words), &out[0], err);
}

static int64_t endless(const tn_dataset *d)
{
    (void)d;
    return TN_INFINITE_CARDINALITY;
}

static const tn_dataset_kind random_kind = {.name = "Random",
                                            .state = sizeof(drawn),
                                            .start = random_start,
                                            .next = random_next,
                                            .cardinality = endless};

static tn_code random_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    bool again = false;
    static const tn_dtype number = TN_INT64;
    TN_TRY(tn_dataset_new(r, &random_kind, 0, false, &d, err));
    tn_attr_get_bool(r->attrs, "rerandomize_each_iteration", &again);
    tn_code code = tn_dataset_types(d, 1, &number, err);
    if (code == TN_OK) d->shapes[0] = TN_SHAPE();
    if (code == TN_OK) code = set_seeds(d, r, 0, r->n_in > 2 ? 2 : -1, !again, err);
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(RandomDataset, random_run, "seed:int64 seed2:int64", TN_DATA_META);
TN_DATASET(ExperimentalRandomDataset, random_run, "seed:int64 seed2:int64", TN_DATA_OUT);
TN_DATASET(RandomDatasetV2, random_run, "seed:int64 seed2:int64 seed_generator:resource",
           " rerandomize_each_iteration:bool=false" TN_DATA_META);

/* ==== Sampling ==== of each element whether it comes is drawn */

static tn_code sample_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    const float rate = TN_FLOATS(s->d->tensor[0])[0];
    for (;;) {
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (*end || tn_unit_float(tn_word(&((drawn *)s)->words)) < rate) return TN_OK;
        tn_element_drop(out, s->d->width);
    }
}

static const tn_dataset_kind sample_kind = {.name = "Sampling",
                                            .state = sizeof(drawn),
                                            .starts_input = true,
                                            .start = random_start,
                                            .next = sample_next};

static tn_code sample_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &sample_kind, 1, true, &d, err));
    tn_code code = tn_dataset_keep(d, r, 1, 1, err);
    if (code == TN_OK && r->in[1]->shape.rank != 0)
        code = tn_fail(err, TN_INVALID_ARGUMENT, "rate must be a scalar");
    if (code == TN_OK) code = set_seeds(d, r, 2, -1, true, err);
    return tn_dataset_give(r, d, code, err);
}
TN_DATASET(SamplingDataset, sample_run, "input_dataset:variant rate:float seed:int64 seed2:int64",
           TN_DATA_OUT);
