/* SPDX-License-Identifier: Apache-2.0
 *
 * op_dataset_map.c - data sets whose elements functions make or choose: Map, Filter, TakeWhile, Scan,
 * FlatMap, Interleave, and their parallel forms, whose order is that of the others. What is random in their
 * order in TensorFlow (sloppy, deterministic false) is not here.
 */
#include "dataset.h"

/* ==== Map ==== n[0]: the function may not end it */

typedef struct mapped {
    tn_source base;
    tn_tensor **element; /* of the input */
} mapped;

static tn_code mapped_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    mapped *m = (mapped *)s;
    m->element = tn_element_new(s->d->input[0]->width);
    return m->element ? TN_OK : tn_no_memory(err, 0);
}

static void mapped_stop(tn_source *s)
{
    mapped *m = (mapped *)s;
    if (m->element) tn_element_drop(m->element, s->d->input[0]->width);
    tn_free(m->element);
}

/* A function that reaches the end of something ends what calls it, unless that has said how many elements it
 * has. */
static tn_code at_end(const tn_source *s, tn_code code, bool *end, tn_error *err)
{
    if (code != TN_OUT_OF_RANGE) return code;
    if (!s->d->n[0]) {
        *end = true;
        return TN_OK;
    }
    tn_wrap(err, "Function invocation produced OutOfRangeError");
    if (err) err->code = TN_INVALID_ARGUMENT;
    return TN_INVALID_ARGUMENT;
}

static tn_code map_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    mapped *m = (mapped *)s;
    int width = s->d->input[0]->width;
    TN_TRY(tn_source_next(s->in, t, m->element, end, err));
    if (*end) return TN_OK;
    tn_code code = tn_source_call(s, 0, t, m->element, width, out, s->d->width, err);
    tn_element_drop(m->element, width);
    return at_end(s, code, end, err);
}

static int64_t map_count(const tn_dataset *d)
{
    return d->n[0] ? tn_dataset_cardinality_of_input(d) : TN_UNKNOWN_CARDINALITY;
}

static const tn_dataset_kind map_kind = {.name = "Map",
                                         .state = sizeof(mapped),
                                         .starts_input = true,
                                         .start = mapped_start,
                                         .next = map_next,
                                         .stop = mapped_stop,
                                         .cardinality = map_count};

/* A data set of the kind with input 0 and a function with Targuments captured inputs after `first`. */
static tn_code new_with(const tn_run *r, const tn_dataset_kind *k, const char *function, int first,
                        bool as_input, tn_dataset **out, tn_error *err)
{
    TN_TRY(tn_dataset_new(r, k, 1, as_input, out, err));
    tn_code code = tn_dataset_function(*out, 0, r, function, first, tn_dataset_count(r, "Targuments"), err);
    if (code != TN_OK) tn_dataset_unref(*out);
    return code;
}

tn_code tn_dataset_new_map(const tn_run *r, tn_dataset **out, tn_error *err)
{
    bool keeps = false;
    TN_TRY(new_with(r, &map_kind, "f", 1, false, out, err));
    tn_attr_get_bool(r->attrs, "preserve_cardinality", &keeps);
    (*out)->n[0] = keeps;
    return TN_OK;
}

/* At input i; -1: as many as TensorFlow finds good. */
static tn_code check_parallel(const tn_run *r, int i, int64_t *calls, tn_error *err)
{
    TN_TRY(tn_dataset_int(r, i, "num_parallel_calls", calls, err));
    if (*calls > 0 || *calls == -1) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "num_parallel_calls must be greater than zero.");
}

static tn_code map_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    int64_t calls;
    int last = 1 + tn_dataset_count(r, "Targuments");
    if (last < r->n_in) TN_TRY(check_parallel(r, last, &calls, err));
    TN_TRY(tn_dataset_new_map(r, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
#define CALLS "input_dataset:variant other_arguments:[Targuments]"
#define F " f:func Targuments:list(type)>=0" TN_DATA_OUT
TN_DATASET(MapDataset, map_run, CALLS,
           F
           " use_inter_op_parallelism:bool=true preserve_cardinality:bool=false force_synchronous:bool=false "
           "metadata:string=\"\"");
TN_DATASET(
    ExperimentalMapDataset, map_run, CALLS,
    F " use_inter_op_parallelism:bool=true preserve_cardinality:bool=false force_synchronous:bool=false");
TN_DATASET(ParallelMapDataset, map_run, CALLS " num_parallel_calls:int32",
           F " use_inter_op_parallelism:bool=true sloppy:bool=false preserve_cardinality:bool=false "
             "metadata:string=\"\"");
TN_DATASET(
    ParallelMapDatasetV2, map_run, CALLS " num_parallel_calls:int64",
    F " use_inter_op_parallelism:bool=true deterministic:string=\"default\" preserve_cardinality:bool=false "
      "use_unbounded_threadpool:bool=false metadata:string=\"\"");

/* ==== Filter, TakeWhile ==== */

static tn_code filter_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    for (bool yes = false;;) {
        TN_TRY(tn_source_next(s->in, t, out, end, err));
        if (*end) return TN_OK;
        TN_TRY(tn_source_ask(s, 0, t, out, s->d->width, &yes, err));
        if (yes) return TN_OK;
        tn_element_drop(out, s->d->width);
    }
}

static const tn_dataset_kind filter_kind = {
    .name = "Filter", .state = sizeof(tn_source), .starts_input = true, .next = filter_next};

static tn_code while_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    bool yes = true;
    TN_TRY(tn_source_next(s->in, t, out, end, err));
    if (!*end) TN_TRY(tn_source_ask(s, 0, t, out, s->d->width, &yes, err));
    *end |= !yes;
    return TN_OK;
}

static const tn_dataset_kind while_kind = {
    .name = "TakeWhile", .state = sizeof(tn_source), .starts_input = true, .next = while_next};

static tn_code choose_run(tn_run *r, const tn_dataset_kind *k, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_with(r, k, "predicate", 1, true, &d, err));
    return tn_dataset_give(r, d, TN_OK, err);
}
static tn_code filter_run(tn_run *r, tn_error *err)
{
    return choose_run(r, &filter_kind, err);
}
static tn_code while_run(tn_run *r, tn_error *err)
{
    return choose_run(r, &while_kind, err);
}
#define PREDICATE " predicate:func Targuments:list(type)>=0" TN_DATA_OUT
TN_DATASET(FilterDataset, filter_run, CALLS, PREDICATE " metadata:string=\"\"");
TN_DATASET(ParallelFilterDataset, filter_run, CALLS " num_parallel_calls:int64",
           " predicate:func deterministic:string=\"default\" Targuments:list(type)>=0" TN_DATA_META);
TN_DATASET(TakeWhileDataset, while_run, CALLS, PREDICATE " metadata:string=\"\"");
TN_DATASET(ExperimentalTakeWhileDataset, while_run, CALLS, PREDICATE);

/* ==== Scan ==== the function is given the state and the element, and gives the state and what comes out */

typedef struct scanned {
    tn_source base;
    tn_tensor **args, **results; /* state, then an element of the input or of what comes out */
} scanned;

static int state_width(const tn_dataset *d)
{
    return d->n_tensors;
}

static tn_code scan_start(tn_source *s, tn_pull *t, tn_error *err)
{
    (void)t;
    scanned *c = (scanned *)s;
    int n = state_width(s->d);
    c->args = tn_element_new(n + s->d->input[0]->width);
    c->results = tn_element_new(n + s->d->width);
    if (!c->args || !c->results) return tn_no_memory(err, 0);
    for (int i = 0; i < n; i++) c->args[i] = tn_tensor_ref(s->d->tensor[i]);
    return TN_OK;
}

static void scan_stop(tn_source *s)
{
    scanned *c = (scanned *)s;
    tn_element_drop(c->args, state_width(s->d) + s->d->input[0]->width);
    tn_free(c->args);
    tn_free(c->results);
}

static tn_code scan_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    scanned *c = (scanned *)s;
    int n = state_width(s->d), width = s->d->input[0]->width;
    TN_TRY(tn_source_next(s->in, t, c->args + n, end, err));
    if (*end) return TN_OK;
    tn_code code = tn_source_call(s, 0, t, c->args, n + width, c->results, n + s->d->width, err);
    tn_element_drop(c->args + n, width);
    if (code != TN_OK) return at_end(s, code, end, err);
    tn_element_drop(c->args, n);
    memcpy(c->args, c->results, (size_t)n * sizeof *c->args);
    memcpy(out, c->results + n, (size_t)s->d->width * sizeof *out);
    return TN_OK;
}

static const tn_dataset_kind scan_kind = {.name = "Scan",
                                          .state = sizeof(scanned),
                                          .starts_input = true,
                                          .start = scan_start,
                                          .next = scan_next,
                                          .stop = scan_stop,
                                          .cardinality = map_count};

static tn_code scan_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    int n = tn_dataset_count(r, "Tstate");
    TN_TRY(new_with(r, &scan_kind, "f", 1 + n, false, &d, err));
    d->n[0] = tn_attr_b(r->attrs, "preserve_cardinality");
    return tn_dataset_give(r, d, tn_dataset_keep(d, r, 1, n, err), err);
}
#define SCANS "input_dataset:variant initial_state:[Tstate] other_arguments:[Targuments]"
#define SCAN \
    " f:func Tstate:list(type)>=1 Targuments:list(type)>=0" TN_DATA_OUT " preserve_cardinality:bool=false"
TN_DATASET(ScanDataset, scan_run, SCANS, SCAN " use_default_device:bool=true metadata:string=\"\"");
TN_DATASET(ExperimentalScanDataset, scan_run, SCANS, SCAN);

/* ==== Interleave ==== n[0] data sets are open at a time, n[1] elements come from each in turn; FlatMap: one,
 * all */

typedef struct lane {
    tn_source *at;
} lane;

typedef struct interleaved {
    mapped m;
    lane *lanes;
    int64_t now, in_block, n_open;
    bool input_ended;
} interleaved;

enum { MOST_LANES = 1 << 16 };

static tn_code interleave_start(tn_source *s, tn_pull *t, tn_error *err)
{
    interleaved *v = (interleaved *)s;
    TN_TRY(mapped_start(s, t, err));
    v->lanes = tn_calloc((size_t)s->d->n[0], sizeof *v->lanes);
    return v->lanes ? TN_OK : tn_no_memory(err, (size_t)s->d->n[0] * sizeof *v->lanes);
}

static void interleave_stop(tn_source *s)
{
    interleaved *v = (interleaved *)s;
    for (int64_t i = 0; v->lanes && i < s->d->n[0]; i++) tn_source_stop(v->lanes[i].at);
    tn_free(v->lanes);
    mapped_stop(s);
}

/* The present lane gets the data set of the next element, if there is one. */
static tn_code open_lane(tn_source *s, tn_pull *t, tn_error *err)
{
    interleaved *v = (interleaved *)s;
    int width = s->d->input[0]->width;
    TN_TRY(tn_source_next(s->in, t, v->m.element, &v->input_ended, err));
    if (v->input_ended) return TN_OK;
    tn_code code = tn_source_expand(s, 0, t, v->m.element, width, &v->lanes[v->now].at, err);
    tn_element_drop(v->m.element, width);
    v->n_open += code == TN_OK;
    return code;
}

static void next_lane(tn_source *s)
{
    interleaved *v = (interleaved *)s;
    v->now = (v->now + 1) % s->d->n[0];
    v->in_block = 0;
}

/* The inner data set's dtypes are whatever the function made. */
static tn_code element_of(const tn_source *s, tn_source *inner, tn_pull *t, tn_tensor **out, bool *end,
                          tn_error *err)
{
    if (inner->d->width != s->d->width)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a function's data set has %d components, not %d",
                       inner->d->width, s->d->width);
    return tn_source_next(inner, t, out, end, err);
}

static tn_code interleave_next(tn_source *s, tn_pull *t, tn_tensor **out, bool *end, tn_error *err)
{
    interleaved *v = (interleaved *)s;
    while (!v->input_ended || v->n_open) {
        lane *l = &v->lanes[v->now];
        bool over = false;
        if (!l->at && !v->input_ended) TN_TRY(open_lane(s, t, err));
        if (!l->at) {
            next_lane(s);
            continue;
        }
        TN_TRY(element_of(s, l->at, t, out, &over, err));
        if (!over) {
            if (++v->in_block == s->d->n[1]) next_lane(s);
            return TN_OK;
        }
        tn_source_stop(l->at);
        l->at = NULL;
        v->n_open--;
        if (s->d->n[0] > 1) next_lane(s);
    }
    *end = true;
    return TN_OK;
}

static const tn_dataset_kind interleave_kind = {.name = "Interleave",
                                                .state = sizeof(interleaved),
                                                .starts_input = true,
                                                .start = interleave_start,
                                                .next = interleave_next,
                                                .stop = interleave_stop};

static tn_code flat_run(tn_run *r, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_with(r, &interleave_kind, "f", 1, false, &d, err));
    d->n[0] = 1;
    d->n[1] = INT64_MAX;
    return tn_dataset_give(r, d, TN_OK, err);
}
TN_DATASET(FlatMapDataset, flat_run, CALLS, F " metadata:string=\"\"");

/* -1: as many as there are cores, as in TensorFlow, but no more than calls (-1: any number). */
static tn_code set_lanes(tn_dataset *d, const tn_run *r, int64_t calls, tn_error *err)
{
    int first = 1 + d->f[0].n_captured;
    TN_TRY(tn_dataset_int(r, first, "cycle_length", &d->n[0], err));
    TN_TRY(tn_dataset_int(r, first + 1, "block_length", &d->n[1], err));
    if (d->n[0] == -1) d->n[0] = calls > 0 ? TN_MIN(calls, tn_core_count()) : tn_core_count();
    if (d->n[0] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "`cycle_length` must be > 0");
    if (d->n[1] <= 0) return tn_fail(err, TN_INVALID_ARGUMENT, "`block_length` must be > 0");
    if (d->n[0] > MOST_LANES)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "`cycle_length` %lld is above %d", (long long)d->n[0],
                       MOST_LANES);
    return TN_OK;
}

static tn_code interleave_as(tn_run *r, int64_t calls, tn_error *err)
{
    tn_dataset *d;
    TN_TRY(new_with(r, &interleave_kind, "f", 1, false, &d, err));
    return tn_dataset_give(r, d, set_lanes(d, r, calls, err), err);
}
static tn_code interleave_run(tn_run *r, tn_error *err)
{
    return interleave_as(r, -1, err);
}

/* The number of calls is the last input. */
static tn_code parallel_run(tn_run *r, tn_error *err)
{
    int64_t calls, cycle;
    TN_TRY(check_parallel(r, r->n_in - 1, &calls, err));
    TN_TRY(tn_dataset_int(r, 1 + tn_dataset_count(r, "Targuments"), "cycle_length", &cycle, err));
    if (cycle > 0 && calls > cycle)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "If `cycle_length` is set to a fixed value, `num_parallel_calls` must be either "
                       "`tf.data.AUTOTUNE` or a value less than or equal to `cycle_length`. However, "
                       "`num_parallel_calls` is %lld and `cycle_length` is %lld.",
                       (long long)calls, (long long)cycle);
    return interleave_as(r, calls, err);
}
#define LANES CALLS " cycle_length:int64 block_length:int64"
TN_DATASET(InterleaveDataset, interleave_run, LANES, F " metadata:string=\"\"");
TN_DATASET(ParallelInterleaveDatasetV2, parallel_run, LANES " num_parallel_calls:int64",
           F " sloppy:bool=false metadata:string=\"\"");
TN_DATASET(ParallelInterleaveDatasetV3, parallel_run, LANES " num_parallel_calls:int64",
           " f:func deterministic:string=\"default\" Targuments:list(type)>=0" TN_DATA_META);
TN_DATASET(ParallelInterleaveDatasetV4, parallel_run,
           LANES " buffer_output_elements:int64 prefetch_input_elements:int64 num_parallel_calls:int64",
           " f:func deterministic:string=\"default\" Targuments:list(type)>=0" TN_DATA_META);
#define LEGACY LANES " sloppy:bool buffer_output_elements:int64 prefetch_input_elements:int64"
TN_DATASET(ParallelInterleaveDataset, interleave_run, LEGACY, F " metadata:string=\"\"");
TN_DATASET(ExperimentalParallelInterleaveDataset, interleave_run, LEGACY, F);
TN_DATASET(LegacyParallelInterleaveDatasetV2, interleave_run,
           LANES " buffer_output_elements:int64 prefetch_input_elements:int64",
           " f:func deterministic:string=\"default\" Targuments:list(type)>=0" TN_DATA_META);
