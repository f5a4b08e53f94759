/* SPDX-License-Identifier: Apache-2.0
 *
 * prometheus.c - the counts in Prometheus' text form (0.0.4): TensorFlow Serving's names, labels and buckets ('/' of
 * its names is ':'), then ours. Families are sums over the cells of requests.
 */
#include "metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

/* ==== lines ==== */

typedef struct sum { /* a histogram read */
    int64_t counts[TN_SERIES_BUCKETS], total, sum;
} sum;

static void add(sum *s, const tn_histogram *h)
{
    for (int i = 0; i < TN_BUCKETS; i++) {
        int64_t n = atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        s->counts[i] += n;
        s->total += n;
    }
    s->sum += atomic_load_explicit(&h->sum, memory_order_relaxed);
}

static void put_histogram(tn_buf *out, const char *name, const char *labels, const tn_buckets *buckets, const sum *s)
{
    int64_t below = 0;
    double limit = buckets->first;
    const char *comma = *labels ? "," : "";
    for (int i = 0; i < buckets->n; i++, limit *= buckets->growth) {
        below += s->counts[i];
        tn_buf_printf(out, "%s_bucket{%s%sle=\"", name, labels, comma);
        if (i < buckets->n - 1)
            tn_buf_printf(out, "%g\"} %lld\n", limit, (long long)below);
        else
            tn_buf_printf(out, "+Inf\"} %lld\n", (long long)below);
    }
    tn_buf_printf(out, "%s_sum{%s} %lld\n", name, labels, (long long)s->sum);
    tn_buf_printf(out, "%s_count{%s} %lld\n", name, labels, (long long)s->total);
}

/* ==== families of requests ==== cells with the same labels are one line */

static const char *const api_names[] = {"Predict",     "Classify",       "Regress",                   "MultiInference",
                                        "GetModelMetadata", "GetModelStatus", "HandleReloadConfigRequest", "Other"};
static const char *const rest_names[] = {"predict", "classify", "regress", "multi_inference",
                                         "metadata", "status",  "reload",  "other"};

static const char *api_name(const tn_request_cell *c)
{
    return c->rest ? rest_names[c->api] : api_names[c->api];
}

static bool asks_model(const tn_request_cell *c)
{
    return c->api <= TN_API_MULTI_INFERENCE;
}

static bool answered(const tn_request_cell *c)
{
    return asks_model(c) && c->code == TN_OK;
}

/* Over REST what is asked about a model is timed, too, under no API's name. */
static bool timed(const tn_request_cell *c)
{
    return answered(c) || (c->rest && c->code == TN_OK && (c->api == TN_API_METADATA || c->api == TN_API_STATUS));
}

static bool answered_examples(const tn_request_cell *c)
{
    return answered(c) && c->api != TN_API_PREDICT;
}

static void label_model_as(const char *label, const tn_request_cell *c, tn_buf *out)
{
    tn_buf_printf(out, "%s=\"", label);
    tn_label_escape(out, c->model);
    tn_buf_char(out, '"');
}

static void label_model(const tn_request_cell *c, tn_buf *out)
{
    label_model_as("model_name", c, out);
}

static void label_status(const tn_request_cell *c, tn_buf *out)
{
    label_model(c, out);
    tn_buf_printf(out, ",status=\"%s\"", tn_code_name(c->code));
}

static void label_entry(const tn_request_cell *c, tn_buf *out)
{
    label_model(c, out);
    tn_buf_printf(out, ",API=\"%s\",entrypoint=\"%s\"", api_name(c), c->rest ? "REST" : "GRPC");
}

static void label_timed(const tn_request_cell *c, tn_buf *out)
{
    if (asks_model(c)) {
        label_entry(c, out);
        return;
    }
    label_model(c, out);
    tn_buf_str(out, ",API=\"\",entrypoint=\"REST\"");
}

static void label_runtime(const tn_request_cell *c, tn_buf *out)
{
    label_model(c, out);
    tn_buf_printf(out, ",API=\"%s\",runtime=\"TF1\"", api_names[c->api]); /* whichever way it came */
}

static void label_example(const tn_request_cell *c, tn_buf *out)
{
    label_model_as("model", c, out);
}

static void label_all(const tn_request_cell *c, tn_buf *out)
{
    label_entry(c, out);
    const long long version = atomic_load(&c->version);
    if (version == TN_VERSIONS_EARLIER) tn_buf_str(out, ",version=\"earlier\",signature=\"");
    else tn_buf_printf(out, ",version=\"%lld\",signature=\"", version);
    tn_label_escape(out, c->signature);
    tn_buf_printf(out, "\",code=\"%s\"", tn_code_name(c->code));
}

static bool any(const tn_request_cell *c)
{
    (void)c;
    return true;
}

typedef enum view { VIEW_COUNT, VIEW_SUM, VIEW_HISTOGRAM } view;
typedef struct family {
    const char *name;
    view view;
    bool (*takes)(const tn_request_cell *c);
    void (*label)(const tn_request_cell *c, tn_buf *out);
    size_t of; /* the histogram in a cell */
} family;
#define STAGE(i) (offsetof(tn_request_cell, stages) + (i) * sizeof(tn_histogram))
#define EXAMPLES offsetof(tn_request_cell, examples)

static const family families[] = {
    {":tensorflow:serving:request_count", VIEW_COUNT, asks_model, label_status, STAGE(TN_STAGE_TOTAL)},
    {":tensorflow:serving:request_latency", VIEW_HISTOGRAM, timed, label_timed, STAGE(TN_STAGE_TOTAL)},
    {":tensorflow:serving:runtime_latency", VIEW_HISTOGRAM, answered, label_runtime, STAGE(TN_STAGE_COMPUTE)},
    {":tensorflow:serving:request_example_counts", VIEW_HISTOGRAM, answered_examples, label_example, EXAMPLES},
    {":tensorflow:serving:request_example_count_total", VIEW_SUM, answered_examples, label_example, EXAMPLES},
    {":tensorflow:core:graph_runs", VIEW_COUNT, answered, NULL, STAGE(TN_STAGE_COMPUTE)},
    {":tensorflow:core:graph_run_time_usecs", VIEW_SUM, answered, NULL, STAGE(TN_STAGE_COMPUTE)},
    {":tensorflow:core:graph_run_time_usecs_histogram", VIEW_HISTOGRAM, answered, NULL, STAGE(TN_STAGE_COMPUTE)},
    {"turnery_requests_total", VIEW_COUNT, any, label_all, STAGE(TN_STAGE_TOTAL)},
    {"turnery_request_microseconds", VIEW_HISTOGRAM, any, label_all, STAGE(TN_STAGE_TOTAL)},
    {"turnery_queue_microseconds", VIEW_HISTOGRAM, asks_model, label_all, STAGE(TN_STAGE_QUEUE)},
    {"turnery_decode_microseconds", VIEW_HISTOGRAM, asks_model, label_all, STAGE(TN_STAGE_DECODE)},
    {"turnery_compute_microseconds", VIEW_HISTOGRAM, asks_model, label_all, STAGE(TN_STAGE_COMPUTE)},
    {"turnery_encode_microseconds", VIEW_HISTOGRAM, asks_model, label_all, STAGE(TN_STAGE_ENCODE)},
};

static bool is_shown(const tn_request_cell *c, const family *f)
{
    return c && atomic_load(&c->version) != TN_VERSION_NONE && f->takes(c);
}

/* Adds each cell to the sum of its labels, while none moves to another; the map's values are of the arena. */
static bool gather(tn_metrics *m, const family *f, tn_arena *a, tn_map *sums)
{
    tn_buf labels = {0};
    bool ok = true;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; ok && i < TN_CELL_SLOTS; i++) {
        const tn_request_cell *c = atomic_load_explicit(&m->slots[i], memory_order_acquire);
        if (!is_shown(c, f)) continue;
        tn_buf_clear(&labels);
        if (f->label) f->label(c, &labels);
        tn_view key = {labels.n ? labels.data : "", labels.n};
        sum *s = tn_map_get_view(sums, key);
        if (!s) ok = !labels.failed && (s = TN_NEW(a, sum)) && tn_map_put_view(sums, key, s);
        if (ok) add(s, (const tn_histogram *)((const char *)c + f->of));
    }
    pthread_mutex_unlock(&m->lock);
    tn_buf_free(&labels);
    return ok;
}

static void put_family(const family *f, const tn_map *sums, tn_buf *out)
{
    if (!tn_map_count(sums)) return;
    tn_buf_printf(out, "# TYPE %s %s\n", f->name, f->view == VIEW_HISTOGRAM ? "histogram" : "counter");
    for (size_t i = 0; i < tn_map_count(sums); i++) {
        const sum *s = tn_map_value(sums, i);
        const char *labels = tn_map_key(sums, i);
        if (f->view == VIEW_HISTOGRAM)
            put_histogram(out, f->name, labels, f->of == EXAMPLES ? &tn_buckets_of_examples : &tn_buckets_of_times, s);
        else
            tn_buf_printf(out, "%s{%s} %lld\n", f->name, labels,
                          (long long)(f->view == VIEW_SUM ? s->sum : s->total));
    }
}

static tn_code write_family(tn_metrics *m, const family *f, tn_buf *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_map *sums = tn_map_new();
    bool ok = a && sums && gather(m, f, a, sums);
    if (ok) put_family(f, sums, out);
    tn_map_free(sums);
    tn_arena_free(a);
    return ok ? TN_OK : tn_no_memory(err, 0);
}

/* ==== series ==== kept in the order in which they came; a family's lines must stand together */

enum { MOST_NAMES = 64 }; /* more than there are */

/* One series of each name; how many. */
static int first_of_names(const tn_map *series, const tn_series *first[MOST_NAMES])
{
    int n = 0;
    for (size_t i = 0; i < tn_map_count(series); i++) {
        const tn_series *s = tn_map_value(series, i);
        int k = 0;
        while (k < n && strcmp(first[k]->name, s->name)) k++;
        if (k == n && n < MOST_NAMES) first[n++] = s;
    }
    return n;
}

static void put_series(const tn_series *s, tn_buf *out)
{
    if (s->kind != TN_SERIES_HISTOGRAM) {
        tn_buf_printf(out, "%s{%s} %lld\n", s->name, s->labels, (long long)s->value);
        return;
    }
    sum all = {.sum = s->value};
    for (int i = 0; i < s->buckets->n; i++) all.total += all.counts[i] = s->counts[i];
    put_histogram(out, s->name, s->labels, s->buckets, &all);
}

static void write_series(const tn_map *series, tn_buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const tn_series *first[MOST_NAMES];
    const int n = first_of_names(series, first);
    for (int i = 0; i < n; i++) {
        tn_buf_printf(out, "# TYPE %s %s\n", first[i]->name, kinds[first[i]->kind]);
        for (size_t k = 0; k < tn_map_count(series); k++) {
            const tn_series *s = tn_map_value(series, k);
            if (!strcmp(s->name, first[i]->name)) put_series(s, out);
        }
    }
}

/* ==== the process ==== */

static int64_t resident_bytes(void)
{
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (fscanf(f, "%*s %lld", &pages) != 1) pages = 0;
    fclose(f);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    if (!d) return 0;
    while (readdir(d)) n++;
    closedir(d);
    return n - 3; /* ".", "..", and the folder itself */
}

static void write_process(const tn_metrics *m, tn_buf *out)
{
    struct rusage use = {0};
    getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    tn_buf_printf(out, "# TYPE turnery_requests_uncounted_total counter\nturnery_requests_uncounted_total %lld\n",
                  (long long)atomic_load(&m->lost));
    tn_buf_printf(out, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n", cpu);
    tn_buf_printf(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %lld\n",
                  (long long)resident_bytes());
    tn_buf_printf(out, "# TYPE process_open_fds gauge\nprocess_open_fds %d\n", open_descriptors());
    tn_buf_printf(out, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %.3f\n", m->started);
}

tn_code tn_metrics_prometheus(tn_metrics *m, tn_buf *out, tn_error *err)
{
    for (size_t i = 0; i < TN_COUNT(families); i++) TN_TRY(write_family(m, &families[i], out, err));
    pthread_mutex_lock(&m->lock);
    write_series(m->series, out);
    pthread_mutex_unlock(&m->lock);
    write_process(m, out);
    return tn_buf_check(out, err);
}

/* ==== one value by name ==== for HandleReloadConfigRequest */

static int64_t family_value(tn_metrics *m, const family *f)
{
    sum s = {.total = 0};
    for (int i = 0; i < TN_CELL_SLOTS; i++) {
        const tn_request_cell *c = atomic_load_explicit(&m->slots[i], memory_order_acquire);
        if (c && f->takes(c)) add(&s, (const tn_histogram *)((const char *)c + f->of));
    }
    return f->view == VIEW_SUM ? s.sum : s.total;
}

/* "/tensorflow/serving/request_count" and ":tensorflow:serving:request_count" are the same. */
static bool same_name(const char *asked, const char *name)
{
    for (; *asked && *name; asked++, name++)
        if (*asked != *name && !(*asked == '/' && *name == ':')) return false;
    return *asked == *name;
}

int64_t tn_metrics_value(tn_metrics *m, const char *name)
{
    int64_t v = 0;
    for (size_t i = 0; i < TN_COUNT(families); i++)
        if (same_name(name, families[i].name)) return family_value(m, &families[i]);
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < tn_map_count(m->series); i++) {
        const tn_series *s = tn_map_value(m->series, i);
        if (s->kind != TN_SERIES_HISTOGRAM && same_name(name, s->name)) v += s->value;
    }
    pthread_mutex_unlock(&m->lock);
    return v;
}
