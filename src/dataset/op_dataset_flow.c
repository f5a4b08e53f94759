/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_flow.c - data sets that hand on elements of others as they are: some of them, again, after each
 * other, side by side; and those that only say how TensorFlow is to run, which change nothing here (so
 * PrefetchDataset).
 */
#include "dataset.h"

typedef struct counted {
    tn_source base;
    int64_t n;
    bool some; /* the present round has given something */
} counted;

static tn_code one_input(tn_run *r, const tn_dataset_kind *k, const char *number, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, k, 1, true, &d, err));
    return tn_dataset_give(r, d, number ? tn_dataset_int(r, 1, number, &d->n[0], err) : TN_OK, err);
}

/* ==== handed through ==== */

static tn_code through_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    return tn_source_next(s->in, t, out, end, err);
}

static const tn_dataset_kind through_kind = {.name = "Identity",
                                             .state = sizeof(tn_source),
                                             .starts_input = true,
                                             .next = through_next,
                                             .cardinality = tn_dataset_cardinality_of_input};

static tn_code through_run(tn_run *r, tn_error *err)
{
    return one_input(r, &through_kind, NULL, err);
}
static tn_code prefetch_run(tn_run *r, tn_error *err)
{
    int64_t n;
    TN_TRY(tn_dataset_int(r, 1, "buffer_size", &n, err));
    if (n < -1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "buffer_size must be >= 0 or set buffer_size to be -1 for auto-tuning");
    return through_run(r, err);
}
#define INPUT "input_dataset:variant"
TN_DATASET(PrefetchDataset, prefetch_run, INPUT " buffer_size:int64",
           TN_DATA_OUT
           " slack_period:int=0 legacy_autotune:bool=true buffer_size_min:int=0 metadata:string=\"\"");
TN_DATASET(ModelDataset, through_run, INPUT,
           " algorithm:int=0 cpu_budget:int=0 ram_budget:int=0" TN_DATA_OUT);
TN_DATASET(OptimizeDataset, through_run, INPUT " optimizations:string",
           TN_DATA_OUT " optimization_configs:list(string)=[]");
TN_DATASET(OptimizeDatasetV2, through_run,
           INPUT " optimizations_enabled:string optimizations_disabled:string optimizations_default:string",
           TN_DATA_OUT " optimization_configs:list(string)=[]");
TN_DATASET(RewriteDataset, through_run, INPUT " rewrite_name:string", TN_DATA_OUT);
TN_DATASET(FinalizeDataset, through_run, INPUT, " has_captured_ref:bool=false" TN_DATA_OUT);
TN_DATASET(PrivateThreadPoolDataset, through_run, INPUT " num_threads:int64", TN_DATA_OUT);
TN_DATASET(ExperimentalPrivateThreadPoolDataset, through_run, INPUT " num_threads:int64", TN_DATA_OUT);
TN_DATASET(MaxIntraOpParallelismDataset, through_run, INPUT " max_intra_op_parallelism:int64", TN_DATA_OUT);
TN_DATASET(ExperimentalMaxIntraOpParallelismDataset, through_run, INPUT " max_intra_op_parallelism:int64",
           TN_DATA_OUT);
TN_DATASET(NonSerializableDataset, through_run, INPUT, TN_DATA_OUT);
TN_DATASET(ExperimentalNonSerializableDataset, through_run, INPUT, TN_DATA_OUT);
TN_DATASET(AssertNextDataset, through_run, INPUT " transformations:string", TN_DATA_OUT);
TN_DATASET(ExperimentalAssertNextDataset, through_run, INPUT " transformations:string", TN_DATA_OUT);
TN_DATASET(AssertPrevDataset, through_run, INPUT " transformations:string", TN_DATA_OUT);
TN_DATASET(LatencyStatsDataset, through_run, INPUT " tag:string", TN_DATA_OUT);
TN_DATASET(ExperimentalLatencyStatsDataset, through_run, INPUT " tag:string", TN_DATA_OUT);
TN_DATASET(BytesProducedStatsDataset, through_run, INPUT " tag:string", TN_DATA_OUT);
TN_DATASET(ExperimentalBytesProducedStatsDataset, through_run, INPUT " tag:string", TN_DATA_OUT);

TN_DATASET(ThreadPoolDataset, through_run, INPUT " thread_pool:resource", TN_DATA_OUT);
TN_DATASET(ExperimentalThreadPoolDataset, through_run, INPUT " thread_pool:resource", TN_DATA_OUT);
#define STATS INPUT " stats_aggregator:resource tag:string counter_prefix:string"
TN_DATASET(SetStatsAggregatorDataset, through_run, STATS, TN_DATA_OUT);
TN_DATASET(ExperimentalSetStatsAggregatorDataset, through_run, STATS, TN_DATA_OUT);

static tn_code sleep_run(tn_run *r, tn_error *err)
{
    int64_t n;
    TN_TRY(tn_dataset_int(r, 1, "sleep_microseconds", &n, err));
    if (n < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "`sleep_microseconds` must be >= 0");
    return through_run(r, err);
}
TN_DATASET(SleepDataset, sleep_run, INPUT " sleep_microseconds:int64", TN_DATA_OUT);
TN_DATASET(ExperimentalSleepDataset, sleep_run, INPUT " sleep_microseconds:int64", TN_DATA_OUT);

/* All are the same elements, so the first is as good as any. */
static tn_code fastest_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    tn_code code = TN_OK;
    TN_TRY(tn_dataset_new(r, &through_kind, r->n_in, true, &d, err));
    for (int i = 1; i < d->n_inputs && code == TN_OK; i++) {
        int64_t a = tn_dataset_cardinality(d->input[0]), b = tn_dataset_cardinality(d->input[i]);
        code = tn_dataset_fits(d->input[i], d->width, d->types, d->shapes, err);
        if (code == TN_OK && a != b && a != TN_UNKNOWN_CARDINALITY && b != TN_UNKNOWN_CARDINALITY)
            code = tn_fail(err, TN_INVALID_ARGUMENT,
                           "All inputs to ChooseFastestDataset must have compatible cardinalities.");
    }
    return tn_dataset_give(r, d, code, err);
}
#define FASTEST " N:int>=2 num_experiments:int" TN_DATA_OUT
TN_DATASET(ChooseFastestDataset, fastest_run, "input_datasets:N*variant", FASTEST);
TN_DATASET(ExperimentalChooseFastestDataset, fastest_run, "input_datasets:N*variant", FASTEST);

/* What pools and aggregators are is nothing here but a name. */
static tn_resource *make_dummy(const tn_run *r)
{
    (void)r;
    return tn_resource_new(sizeof(tn_resource), TN_RES_DUMMY, "dummy", tn_resource_free);
}

static tn_code dummy_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_DUMMY, "data:", make_dummy, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}
#define DUMMY(Op, Sig) TN_STATE_OP(Op, dummy_run, tn_infer_scalar, TN_NO_GRADIENT, TN_BIT(0), "-> handle:resource;" Sig)
#define SHARED " container:string=\"\" shared_name:string=\"\""
DUMMY(ThreadPoolHandle, " num_threads:int max_intra_op_parallelism:int=1 display_name:string" SHARED);
DUMMY(ExperimentalThreadPoolHandle, " num_threads:int max_intra_op_parallelism:int=1 display_name:string" SHARED);
DUMMY(StatsAggregatorHandle, SHARED);
DUMMY(StatsAggregatorHandleV2, SHARED);
DUMMY(ExperimentalStatsAggregatorHandle, SHARED);

/* ==== some of them ==== */

static tn_code take_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    *end = s->d->n[0] >= 0 && c->n >= s->d->n[0];
    if (*end) return TN_OK;
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    c->n++;
    return TN_OK;
}

static int64_t take_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d);
    if (n == TN_UNKNOWN_CARDINALITY) return d->n[0] == 0 ? 0 : n;
    if (d->n[0] < 0) return n;
    return n < 0 ? d->n[0] : TN_MIN(n, d->n[0]);
}

static const tn_dataset_kind take_kind = {.name = "Take",
                                          .state = sizeof(counted),
                                          .starts_input = true,
                                          .next = take_next,
                                          .cardinality = take_count};

static tn_code skip_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    *end = s->d->n[0] < 0;
    for (; !*end && c->n < s->d->n[0]; c->n++) {
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        tn_element_drop(out, s->d->width);
    }
    return *end ? TN_OK : tn_source_next(s->in, t, out, end, err);
}

static int64_t skip_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d);
    if (d->n[0] < 0) return 0;
    return n < 0 ? n : TN_MAX(n - d->n[0], 0);
}

static const tn_dataset_kind skip_kind = {.name = "Skip",
                                          .state = sizeof(counted),
                                          .starts_input = true,
                                          .next = skip_next,
                                          .cardinality = skip_count};

static tn_code take_run(tn_run *r, tn_error *err)
{
    return one_input(r, &take_kind, "count", err);
}
static tn_code skip_run(tn_run *r, tn_error *err)
{
    return one_input(r, &skip_kind, "count", err);
}
TN_DATASET(TakeDataset, take_run, INPUT " count:int64", TN_DATA_META);
TN_DATASET(SkipDataset, skip_run, INPUT " count:int64", TN_DATA_META);

/* One of n[0] in turn, number n[1] of them; n[2]: each must have one. */
static tn_code shard_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    for (;; c->n++) {
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (*end && s->d->n[2] && c->n && c->n < s->d->n[0])
            return tn_fail(
                err, TN_INVALID_ARGUMENT,
                "Could not apply FILE based sharding: the dataset only has %lld file(s), which is not enough "
                "for the required %lld shards/workers.",
                (long long)c->n, (long long)s->d->n[0]);
        if (*end) return TN_OK;
        if (c->n % s->d->n[0] == s->d->n[1]) break;
        tn_element_drop(out, s->d->width);
    }
    c->n++;
    return TN_OK;
}

static int64_t shard_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d);
    return n < 0 ? n : n / d->n[0] + (d->n[1] < n % d->n[0]);
}

static const tn_dataset_kind shard_kind = {.name = "Shard",
                                           .state = sizeof(counted),
                                           .starts_input = true,
                                           .next = shard_next,
                                           .cardinality = shard_count};

static tn_code set_shard(tn_dataset *d, const tn_run *r, tn_error *err)
{
    TN_TRY(tn_dataset_int(r, 1, "num_shards", &d->n[0], err));
    TN_TRY(tn_dataset_int(r, 2, "index", &d->n[1], err));
    d->n[2] = tn_attr_b(r->attrs, "require_non_empty");
    if (d->n[0] <= 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Number of shards must be greater than zero (currently num_shards = %lld).",
                       (long long)d->n[0]);
    if (d->n[1] < 0 || d->n[1] >= d->n[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "Index must be between 0 and %lld (currently index = %lld).",
                       (long long)d->n[0] - 1, (long long)d->n[1]);
    return TN_OK;
}

static tn_code shard_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &shard_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_shard(d, r, err), err);
}
TN_DATASET(ShardDataset, shard_run, INPUT " num_shards:int64 index:int64",
           " require_non_empty:bool=false" TN_DATA_META);

/* Of all elements unless the policy is to leave them to others. TensorFlow shards the names of files where it finds
 * some. */
enum { AUTO_OFF = -1, AUTO_FILES = 1, AUTO_DATA, AUTO_HINT };

static bool may_read_files(const tn_dataset *d)
{
    static const char *const readers[] = {"TextLine", "TFRecord", "FixedLengthRecord", "MatchingFiles"};
    for (size_t k = 0; k < TN_COUNT(readers); k++)
        if (!strcmp(d->kind->name, readers[k])) return true;
    for (int k = 0; k < TN_DATA_FUNCTIONS; k++)
        if (d->f[k].name) return true;
    for (int i = 0; i < d->n_inputs; i++)
        if (may_read_files(d->input[i])) return true;
    return false;
}

static tn_code set_auto_shard(tn_dataset *d, const tn_run *r, tn_error *err)
{
    int64_t *n = d->n, policy = tn_attr_i(r->attrs, "auto_shard_policy");
    TN_TRY(tn_dataset_int(r, 1, "num_workers", &n[0], err));
    TN_TRY(tn_dataset_int(r, 2, "index", &n[1], err));
    if (n[0] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "num_workers must be greater than zero.");
    if (n[1] < 0 || n[1] >= n[0])
        return tn_fail(err, TN_INVALID_ARGUMENT, "index must be between 0 and %lld", (long long)n[0] - 1);
    if (policy == AUTO_OFF || policy == AUTO_HINT) {
        n[0] = 1;
        n[1] = 0;
    }
    if (n[0] == 1 || policy == AUTO_DATA) return TN_OK;
    if (may_read_files(d->input[0]))
        return tn_fail(err, TN_UNIMPLEMENTED, "'%s': files are not shared among workers; the policy DATA is", r->name);
    return policy == AUTO_FILES ? tn_fail(err, TN_NOT_FOUND, "Found an unshardable source dataset") : TN_OK;
}

static tn_code auto_shard_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &shard_kind, 1, true, &d, err));
    return tn_dataset_give(r, d, set_auto_shard(d, r, err), err);
}
#define WORKERS INPUT " num_workers:int64 index:int64"
TN_DATASET(AutoShardDataset, auto_shard_run, WORKERS, " auto_shard_policy:int=0" TN_DATA_OUT " num_replicas:int=0");
TN_DATASET(ExperimentalAutoShardDataset, auto_shard_run, WORKERS, " auto_shard_policy:int=0" TN_DATA_OUT);

/* ==== again ==== */

static tn_code repeat_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    int64_t count = s->d->n[0];
    for (; count < 0 || c->n < count; c->n++) {
        if (!s->in) {
            c->some = false;
            TN_TRY(tn_source_start(s->d->input[0], t, &s->in, err));
        }
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (!*end) {
            c->some = true;
            return TN_OK;
        }
        tn_source_stop(s->in);
        s->in = NULL;
        if (count < 0 && !c->some) return TN_OK; /* else it would go on forever */
    }
    *end = true;
    return TN_OK;
}

static int64_t repeat_count(const tn_dataset *d)
{
    int64_t n = tn_dataset_cardinality_of_input(d), all;
    if (d->n[0] < 0) return n == 0 ? 0 : TN_INFINITE_CARDINALITY;
    if (d->n[0] == 0) return 0;
    if (n < 0) return n;
    return __builtin_mul_overflow(n, d->n[0], &all) ? INT64_MAX : all;
}

static const tn_dataset_kind repeat_kind = {
    .name = "Repeat", .state = sizeof(counted), .next = repeat_next, .cardinality = repeat_count};

static tn_code repeat_run(tn_run *r, tn_error *err)
{
    return one_input(r, &repeat_kind, "count", err);
}
TN_DATASET(RepeatDataset, repeat_run, INPUT " count:int64", TN_DATA_META);

/* ==== after each other ==== */

static tn_code concatenate_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    for (; c->n < s->d->n_inputs; c->n++) {
        if (!s->in) TN_TRY(tn_source_start(s->d->input[c->n], t, &s->in, err));
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (!*end) return TN_OK;
        tn_source_stop(s->in);
        s->in = NULL;
    }
    *end = true;
    return TN_OK;
}

static int64_t concatenate_count(const tn_dataset *d)
{
    int64_t a = tn_dataset_cardinality(d->input[0]), b = tn_dataset_cardinality(d->input[1]), n;
    if (a == TN_INFINITE_CARDINALITY || b == TN_INFINITE_CARDINALITY) return TN_INFINITE_CARDINALITY;
    if (a < 0 || b < 0) return TN_UNKNOWN_CARDINALITY;
    return __builtin_add_overflow(a, b, &n) ? INT64_MAX : n;
}

static const tn_dataset_kind concatenate_kind = {.name = "Concatenate",
                                                 .state = sizeof(counted),
                                                 .next = concatenate_next,
                                                 .cardinality = concatenate_count};

static tn_code same_types(tn_dataset *d, tn_error *err)
{
    for (int i = 1; i < d->n_inputs; i++) {
        const tn_dataset *in = d->input[i];
        bool same = in->width == d->width;
        for (int k = 0; same && k < d->width; k++) {
            same = in->types[k] == d->types[k];
            if (same && !tn_shape_equal(&d->shapes[k], &in->shapes[k])) d->shapes[k] = tn_shape_unknown();
        }
        if (!same)
            return tn_fail(err, TN_INVALID_ARGUMENT,
                           "input dataset and another_dataset have different output_types");
    }
    return TN_OK;
}

static tn_code concatenate_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &concatenate_kind, 2, true, &d, err));
    return tn_dataset_give(r, d, same_types(d, err), err);
}
TN_DATASET(ConcatenateDataset, concatenate_run, INPUT " another_dataset:variant", TN_DATA_META);

/* ==== side by side ==== */

typedef struct several {
    tn_source base;
    tn_source **at; /* one an input; NULL: at its end */
    tn_source *chooser;
} several;

static void several_stop(tn_source *s)
{
    several *v = (several *)s;
    for (int i = 0; v->at && i < s->d->n_inputs; i++) tn_source_stop(v->at[i]);
    tn_free(v->at);
}

static tn_code several_start(tn_source *s, tn_pull *t, tn_error *err)
{
    several *v = (several *)s;
    v->at = tn_calloc((size_t)s->d->n_inputs + 1, sizeof *v->at);
    if (!v->at) return tn_no_memory(err, 0);
    for (int i = 0; i < s->d->n_inputs; i++) TN_TRY(tn_source_start(s->d->input[i], t, &v->at[i], err));
    return TN_OK;
}

static tn_code zip_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    several *v = (several *)s;
    int at = 0;
    for (int i = 0; i < s->d->n_inputs && !*end; at += s->d->input[i++]->width)
        TN_TRY(tn_source_next(v->at[i], t, out + at, end, err));
    return TN_OK;
}

static int64_t zip_count(const tn_dataset *d)
{
    int64_t least = TN_INFINITE_CARDINALITY;
    for (int i = 0; i < d->n_inputs; i++) {
        int64_t n = tn_dataset_cardinality(d->input[i]);
        if (n == TN_UNKNOWN_CARDINALITY) return n;
        if (n >= 0) least = least < 0 ? n : TN_MIN(least, n);
    }
    return least;
}

static const tn_dataset_kind zip_kind = {.name = "Zip",
                                         .state = sizeof(several),
                                         .start = several_start,
                                         .next = zip_next,
                                         .stop = several_stop,
                                         .cardinality = zip_count};

static tn_code join_types(tn_dataset *d, tn_error *err)
{
    int width = 0, at = 0;
    for (int i = 0; i < d->n_inputs; i++) width += d->input[i]->width;
    tn_dtype *types = TN_ARRAY(d->arena, width + 1, tn_dtype);
    if (!types) return tn_no_memory(err, 0);
    for (int i = 0; i < d->n_inputs; at += d->input[i++]->width)
        memcpy(types + at, d->input[i]->types, (size_t)d->input[i]->width * sizeof *types);
    TN_TRY(tn_dataset_types(d, width, types, err));
    at = 0;
    for (int i = 0; i < d->n_inputs; at += d->input[i++]->width)
        memcpy(d->shapes + at, d->input[i]->shapes, (size_t)d->input[i]->width * sizeof *d->shapes);
    return TN_OK;
}

static tn_code zip_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &zip_kind, r->n_in, false, &d, err));
    return tn_dataset_give(r, d, join_types(d, err), err);
}
TN_DATASET(ZipDataset, zip_run, "input_datasets:N*variant", TN_DATA_OUT " N:int>=1 metadata:string=\"\"");

/* ==== from one of several, as another data set says ==== */

static tn_code directed_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    several *v = (several *)s;
    tn_tensor *choice = NULL;
    for (int left = s->d->n_inputs - 1;;) {
        TN_TRY(tn_source_next(v->at[0], t, &choice, end, err));
        if (*end) return TN_OK;
        int64_t k = tn_tensor_count(choice) == 1 ? tn_tensor_int(choice, 0) : -1;
        tn_element_drop(&choice, 1);
        if (k < 0 || k >= s->d->n_inputs - 1)
            return tn_fail(err, TN_INVALID_ARGUMENT, "Selector index out of range: %lld >= %d", (long long)k,
                           s->d->n_inputs - 1);
        if (!v->at[k + 1]) continue;
        TN_TRY(tn_source_next(v->at[k + 1], t, out, end, err));
        if (!*end || s->d->n[0]) return TN_OK;
        tn_source_stop(v->at[k + 1]);
        v->at[k + 1] = NULL;
        left = 0;
        for (int i = 1; i < s->d->n_inputs; i++) left += v->at[i] != NULL;
        if (!left) return TN_OK;
        *end = false;
    }
}

static const tn_dataset_kind directed_kind = {.name = "DirectedInterleave",
                                              .state = sizeof(several),
                                              .start = several_start,
                                              .next = directed_next,
                                              .stop = several_stop};

static tn_code set_directed(tn_dataset *d, const tn_run *r, tn_error *err)
{
    const tn_dataset *chooser = d->input[0], *first = d->input[1];
    bool stops = false;
    tn_attr_get_bool(r->attrs, "stop_on_empty_dataset", &stops);
    d->n[0] = stops;
    if (chooser->width != 1 || chooser->types[0] != TN_INT64)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "The selector dataset must return a single scalar tf.int64 element.");
    TN_TRY(tn_dataset_types(d, first->width, first->types, err));
    for (int i = 1; i < d->n_inputs; i++)
        TN_TRY(tn_dataset_fits(d->input[i], d->width, d->types, d->shapes, err));
    return TN_OK;
}

static tn_code directed_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(tn_dataset_new(r, &directed_kind, r->n_in, false, &d, err));
    return tn_dataset_give(r, d, set_directed(d, r, err), err);
}
#define DIRECTED "selector_input_dataset:variant data_input_datasets:N*variant"
TN_DATASET(DirectedInterleaveDataset, directed_run, DIRECTED,
           TN_DATA_OUT " N:int>=1 stop_on_empty_dataset:bool=false");
TN_DATASET(ExperimentalDirectedInterleaveDataset, directed_run, DIRECTED, TN_DATA_OUT " N:int>=1");

/* ==== as many as they are said to be ==== */

static tn_code assert_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    counted *c = (counted *)s;
    int64_t said = s->d->n[0];
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    c->n += !*end;
    bool more = !*end && said != TN_INFINITE_CARDINALITY && c->n > said;
    if (!more && (!*end || c->n == said)) return TN_OK;
    char expected[32] = "an infinite number of";
    if (said != TN_INFINITE_CARDINALITY) snprintf(expected, sizeof expected, "%lld", (long long)said);
    return tn_fail(err, TN_FAILED_PRECONDITION,
                   "Input dataset was expected to contain %s element%s but contained %s %lld element%s.",
                   expected, said == 1 ? "" : "s", more ? "at least" : "only", (long long)c->n,
                   c->n == 1 ? "" : "s");
}

static int64_t said_count(const tn_dataset *d)
{
    return d->n[0];
}

static const tn_dataset_kind assert_kind = {.name = "AssertCardinality",
                                            .state = sizeof(counted),
                                            .starts_input = true,
                                            .next = assert_next,
                                            .cardinality = said_count};

static tn_code assert_run(tn_run *r, tn_error *err)
{
    return one_input(r, &assert_kind, "cardinality", err);
}
TN_DATASET(AssertCardinalityDataset, assert_run, INPUT " cardinality:int64", TN_DATA_OUT);
