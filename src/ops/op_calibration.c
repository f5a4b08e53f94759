/* SPDX-License-Identifier: Apache-2.0
 *
 * op_calibration.c - CustomAggregator: of what passes, the least, the greatest and a histogram, from which ranges of
 * quantised graphs are chosen; and CalibrationStatisticsSaver, which gathers them in a file. Bins are as wide as a
 * power of two, and begin at a multiple of it.
 */
#include <float.h>
#include <math.h>

#include "../plan/files.h"
#include "../wire/proto.h"
#include "op_move.h"

/* As TensorFlow compares: what is NaN gives way to what comes after it. */
static void find_ends(const tn_tensor *t, float *least, float *most)
{
    *least = INFINITY;
    *most = -INFINITY;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        float x = TN_FLOATS(t)[i];
        *least = *least < x ? *least : x;
        *most = *most > x ? *most : x;
    }
}

static void count_bins(const tn_tensor *t, float least, float most, tn_tensor *out)
{
    int64_t n = tn_tensor_count(out), *bins = TN_INT64S(out);
    if (n == 0) return;
    memset(bins, 0, (size_t)n * sizeof *bins);
    float width = powf(2, ceilf(log2f((most - least) / (float)n))), begin = floorf(least / width) * width;
    for (int64_t i = 0; i < tn_tensor_count(t); i++) {
        float at = (TN_FLOATS(t)[i] - begin) / width;
        bins[!(at > 0) ? 0 : at < (float)n ? (int64_t)at : n - 1]++;
    }
}

static tn_code aggregate_prepare(tn_prepare *p, tn_error *err)
{
    if (tn_attr_i(p->attrs, "calibration_method") != 0) return TN_OK;
    return tn_fail(err, TN_ABORTED, "The calibration method must be specified.");
}

static tn_code aggregate_run(tn_run *r, tn_error *err)
{
    float *least = TN_FLOATS(r->out[1]), *most = TN_FLOATS(r->out[2]);
    find_ends(r->in[0], least, most);
    count_bins(r->in[0], *least, *most, r->out[3]);
    return tn_move_row(r->out[0], 0, r->in[0], 0, tn_tensor_count(r->in[0]), err);
}

static tn_code aggregate_infer(tn_infer *c, tn_error *err)
{
    int64_t bins = tn_attr_i(c->attrs, "num_bins");
    if (bins < 0 || bins > INT32_MAX)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a histogram of %lld bins", (long long)bins);
    c->out[0].shape = c->in[0]->shape;
    c->out[1].shape = c->out[2].shape = TN_SHAPE();
    c->out[3].shape = tn_shape_vector(bins);
    return TN_OK;
}

const tn_op tn_op_CustomAggregator = {
    .name = "CustomAggregator",
    .sig = "input:float -> output:float min:float max:float histogram:int64; id:string calibration_method:int=0 "
           "num_bins:int=0 min_percentile:float=0.0 max_percentile:float=0.0",
    .infer = aggregate_infer,
    .prepare = aggregate_prepare,
    .run = aggregate_run,
    .flags = TN_STATEFUL,
};

/* ==== CalibrationStatisticsSaver ==== what CustomAggregators gave in all runs together, in a file: by the id of each,
 * the ends, their averages, or a histogram, in which all samples have the first one's bins. TensorFlow writes the file
 * when the operation goes; here it is written anew in each run. */

enum { MOST_BINS = 1 << 24, AVERAGES = 2, FIRST_HISTOGRAM = 3, LAST_HISTOGRAM = 6 };

typedef struct statistics { /* of one id; of its first method */
    int64_t method;
    float least, most, sum_least, sum_most;
    int32_t samples;
    float width, begin, *bins;
    int64_t n;
} statistics;

typedef struct saver {
    tn_resource base;
    pthread_mutex_t lock;
    tn_map *by_id;
} saver;

static void release_saver(tn_resource *self)
{
    saver *s = (saver *)self;
    for (size_t i = 0; s->by_id && i < tn_map_count(s->by_id); i++) {
        statistics *v = tn_map_value(s->by_id, i);
        tn_free(v->bins);
        tn_free(v);
    }
    tn_map_free(s->by_id);
    pthread_mutex_destroy(&s->lock);
    tn_resource_free(self);
}

static tn_resource *make_saver(const tn_run *r)
{
    saver *s = tn_resource_new(sizeof *s, TN_RES_CALIBRATION, r->name, release_saver);
    if (!s) return NULL;
    pthread_mutex_init(&s->lock, NULL);
    if ((s->by_id = tn_map_new())) return &s->base;
    release_saver(&s->base);
    return NULL;
}

static statistics *statistics_of(saver *s, tn_view id, int64_t method)
{
    statistics *v = tn_map_get_view(s->by_id, id);
    if (v) return v;
    v = tn_calloc(1, sizeof *v);
    if (!v) return NULL;
    *v = (statistics){.method = method, .least = FLT_MAX, .most = -FLT_MAX};
    if (tn_map_put_view(s->by_id, id, v)) return v;
    tn_free(v);
    return NULL;
}

/* The bins go from begin to end, in theirs: those that there are keep their places. */
static tn_code widen(statistics *v, float begin, float end, tn_view id, tn_error *err)
{
    const double before = ceil(fmax(0, ((double)v->begin - (double)begin) / (double)v->width)),
                 after = ceil(((double)end - (double)v->begin) / (double)v->width),
                 n = before + fmax((double)v->n, after);
    if (!(n <= MOST_BINS))
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the histogram of '%.*s' would have more than %d bins",
                       (int)TN_MIN(id.n, (size_t)200), id.p, MOST_BINS);
    if ((int64_t)n == v->n) return TN_OK;
    float *bins = tn_calloc((size_t)n, sizeof *bins);
    if (!bins) return tn_no_memory(err, (size_t)n * sizeof *bins);
    if (v->n) memcpy(bins + (size_t)before, v->bins, (size_t)v->n * sizeof *bins);
    tn_free(v->bins);
    v->bins = bins;
    v->n = (int64_t)n;
    v->begin -= (float)before * v->width;
    return TN_OK;
}

/* A bin as wide as several is dealt to them; narrower ones go where they begin. */
static void add_bins(statistics *v, const tn_tensor *bins, float width, float begin)
{
    const int64_t each = width > v->width ? (int64_t)(width / v->width) : 1;
    for (int64_t i = 0; i < tn_tensor_count(bins); i++) {
        const int64_t at = (int64_t)((begin + (float)i * width - v->begin) / v->width);
        const float some = (float)TN_INT64S(bins)[i] / (float)each;
        for (int64_t k = 0; k < each && at + k < v->n; k++) v->bins[at + k] += some;
    }
}

static tn_code add_histogram(statistics *v, const tn_tensor *bins, float least, float most, tn_view id, tn_error *err)
{
    const int64_t n = tn_tensor_count(bins);
    if (n == 0) return TN_OK;
    const float width = powf(2, ceilf(log2f((most - least) / (float)n))), begin = floorf(least / width) * width;
    if (!(width > 0) || !isfinite(width) || !isfinite(begin))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%.*s': no histogram goes from %g to %g",
                       (int)TN_MIN(id.n, (size_t)200), id.p, (double)least, (double)most);
    if (!v->n) {
        v->width = width;
        v->begin = begin;
    }
    TN_TRY(widen(v, begin, begin + width * (float)n, id, err));
    add_bins(v, bins, width, begin);
    return TN_OK;
}

static tn_code add_sample(statistics *v, const tn_tensor *const *in, tn_view id, tn_error *err)
{
    const float least = *TN_FLOATS(in[0]), most = *TN_FLOATS(in[1]);
    if (v->method >= FIRST_HISTOGRAM && v->method <= LAST_HISTOGRAM)
        return add_histogram(v, in[2], least, most, id, err);
    if (least < v->least) v->least = least;
    if (most > v->most) v->most = most;
    v->sum_least += least;
    v->sum_most += most;
    v->samples += v->samples < INT32_MAX;
    return TN_OK;
}

/* NULL in `out` where there is nothing to tell. */
static tn_code describe(const statistics *v, tn_arena *a, tn_CalibrationStatistics **out, tn_error *err)
{
    tn_CalibrationStatistics *all = TN_NEW(a, tn_CalibrationStatistics);
    tn_CalibrationStatistics_MinMaxStatistics *ends = TN_NEW(a, tn_CalibrationStatistics_MinMaxStatistics);
    tn_CalibrationStatistics_AverageMinMaxStatistics *averages =
        TN_NEW(a, tn_CalibrationStatistics_AverageMinMaxStatistics);
    tn_CalibrationStatistics_HistogramStatistics *histogram =
        TN_NEW(a, tn_CalibrationStatistics_HistogramStatistics);
    if (!all || !ends || !averages || !histogram) return tn_no_memory(err, sizeof *all);
    ends->global_min = v->least;
    ends->global_max = v->most;
    averages->min_sum = v->sum_least;
    averages->max_sum = v->sum_most;
    averages->num_samples = v->samples;
    histogram->bin_width = v->width;
    histogram->lower_bound = v->begin;
    histogram->hist_freq.items = v->bins;
    histogram->hist_freq.n = (uint32_t)v->n;
    const bool in_bins = v->method >= FIRST_HISTOGRAM && v->method <= LAST_HISTOGRAM;
    if (v->method == AVERAGES)
        all->average_min_max_statistics = averages;
    else if (in_bins && v->n)
        all->histogram_statistics = histogram;
    else if (!in_bins && v->least < FLT_MAX)
        all->min_max_statistics = ends;
    *out = all->average_min_max_statistics || all->histogram_statistics || all->min_max_statistics ? all : NULL;
    return TN_OK;
}

static tn_code write_all(const tn_run *r, const saver *s, tn_arena *a, tn_error *err)
{
    tn_CalibrationStatisticsMap all = {0};
    tn_buf bytes = {0};
    tn_view path = {"", 0};
    const size_t n = tn_map_count(s->by_id);
    all.statistics.items = TN_ARRAY(a, n + 1, tn_CalibrationStatisticsEntry);
    if (!all.statistics.items) return tn_no_memory(err, n);
    for (size_t i = 0; i < n; i++) {
        tn_CalibrationStatistics *one = NULL;
        TN_TRY(describe(tn_map_value(s->by_id, i), a, &one, err));
        if (!one) continue;
        tn_CalibrationStatisticsEntry *e = &all.statistics.items[all.statistics.n++];
        e->key = tn_map_key_view(s->by_id, i);
        e->value = one;
    }
    tn_attr_get_string(r->attrs, "output_file_path", &path);
    tn_code code = TN_ENCODE(CalibrationStatisticsMap, &all, &bytes, err);
    if (code == TN_OK)
        code = tn_files_write(tn_run_files(r), r->name, path, (tn_view){bytes.n ? bytes.data : "", bytes.n}, false,
                              err);
    tn_buf_free(&bytes);
    return code;
}

static tn_code add_samples(const tn_run *r, saver *s, tn_arena *a, tn_error *err)
{
    const tn_attr *ids = tn_attr_find(r->attrs, "ids");
    const int64_t *methods;
    tn_attr_list(r->attrs, "calibration_methods", &methods);
    for (int i = 0; i < ids->n; i++) {
        const tn_view id = {ids->ss[i].n ? ids->ss[i].p : "", ids->ss[i].n};
        for (int k = 0; k < 2; k++)
            if (tn_tensor_count(r->in[3 * i + k]) != 1)
                return tn_fail(err, TN_INVALID_ARGUMENT, "min and max of '%.*s' must have one element",
                               (int)TN_MIN(id.n, (size_t)200), id.p);
        statistics *v = statistics_of(s, id, methods[i]);
        if (!v) return tn_no_memory(err, sizeof *v);
        TN_TRY(add_sample(v, (const tn_tensor *const *)r->in + 3 * i, id, err));
    }
    return write_all(r, s, a, err);
}

static tn_code saver_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_CALIBRATION, "calibration:", make_saver, &res, err));
    saver *s = (saver *)res;
    tn_arena *a = tn_arena_new(0);
    pthread_mutex_lock(&s->lock);
    tn_code code = a ? add_samples(r, s, a, err) : tn_no_memory(err, 0);
    pthread_mutex_unlock(&s->lock);
    tn_arena_free(a);
    tn_resource_unref(res);
    return code;
}

static tn_code saver_prepare(tn_prepare *p, tn_error *err)
{
    static const char *const names[] = {"min", "max", "histogram"};
    const tn_attr *ids = tn_attr_find(p->attrs, "ids");
    const int64_t *methods;
    if (!ids || ids->n != tn_attr_list(p->attrs, "calibration_methods", &methods))
        return tn_fail(err, TN_ABORTED, "The `ids` and `calibration_methods` must have the same size.");
    if (p->n_in != 3 * ids->n)
        return tn_fail(err, TN_ABORTED, "The number of inputs must be  three times the size of the `ids` list.");
    for (int i = 0; i < p->n_in; i++)
        if (p->in[i]->dtype != (i % 3 == 2 ? TN_INT64 : TN_FLOAT))
            return tn_fail(err, TN_ABORTED, "The input `%s` must have %s type.", names[i % 3],
                           i % 3 == 2 ? "int64" : "float");
    return TN_OK;
}

const tn_op tn_op_CalibrationStatisticsSaver = {
    .name = "CalibrationStatisticsSaver",
    .sig = "args:[Tin] -> ; Tin:list(type)>=0 ids:list(string)>=1 calibration_methods:list(int)>=1 "
           "output_file_path:string",
    .infer = tn_infer_none,
    .prepare = saver_prepare,
    .run = saver_run,
    .flags = TN_STATEFUL | TN_EFFECT,
};
