/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c - counts what the server does. How it is written down is prometheus.c's.
 *
 * Invariants: a request is counted by a few atomic additions, without a lock and without memory, once a request of its
 * kind has been seen; peers cannot make the number of kinds grow beyond a limit, nor can versions that come and go.
 * Counters only grow.
 */
#include "metrics.h"

const tn_buckets tn_buckets_of_times = {10, 1.8, TN_BUCKETS}, tn_buckets_of_examples = {1, 2, 16};
static const tn_buckets of_queuing = {100, 1.2, TN_SERIES_BUCKETS}, of_sizes = {1, 2, 15};

/* A limit belongs to the bucket above it. */
static int bucket_of(const tn_buckets *s, int64_t v)
{
    int i = 0;
    for (double limit = s->first; i < s->n - 1 && (double)v >= limit; limit *= s->growth) i++;
    return i;
}

static void histogram_add(tn_histogram *h, const tn_buckets *buckets, int64_t v)
{
    atomic_fetch_add_explicit(&h->counts[bucket_of(buckets, v)], 1, memory_order_relaxed);
    if (v) atomic_fetch_add_explicit(&h->sum, v, memory_order_relaxed); /* stages of short requests have often none */
}

tn_code tn_metrics_new(tn_metrics **out, tn_error *err)
{
    tn_metrics *m = tn_calloc(1, sizeof *m);
    if (!m || !(m->series = tn_map_new())) {
        tn_free(m);
        return tn_no_memory(err, sizeof *m);
    }
    m->started = tn_wall_time();
    pthread_mutex_init(&m->lock, NULL);
    *out = m;
    return TN_OK;
}

static void cell_free(tn_request_cell *c)
{
    if (!c) return;
    tn_free((char *)c->model);
    tn_free((char *)c->signature);
    tn_free(c);
}

static void series_free(tn_series *s)
{
    if (!s) return;
    tn_free(s->labels);
    tn_free(s->counts);
    tn_free(s);
}

void tn_metrics_free(tn_metrics *m)
{
    if (!m) return;
    for (int i = 0; i < TN_CELL_SLOTS; i++) cell_free(atomic_load(&m->slots[i]));
    for (size_t i = 0; i < tn_map_count(m->series); i++) series_free(tn_map_value(m->series, i));
    tn_map_free(m->series);
    pthread_mutex_destroy(&m->lock);
    tn_free(m);
}

/* ==== requests ==== */

static const char *text(const char *s)
{
    return s ? s : "";
}

static uint64_t hash_of(const tn_request_facts *f)
{
    uint64_t h = (uint64_t)f->code * 31 + (uint64_t)f->api * 2 + f->rest;
    h = h * 31 + tn_hash(text(f->model), strlen(text(f->model)));
    return h * 31 + tn_hash(text(f->signature), strlen(text(f->signature)));
}

static bool is_cell(const tn_request_cell *c, uint64_t hash, const tn_request_facts *f)
{
    return c->hash == hash && c->api == f->api && c->rest == f->rest && c->code == f->code &&
           atomic_load_explicit(&c->version, memory_order_relaxed) == f->version &&
           !strcmp(c->model, text(f->model)) && !strcmp(c->signature, text(f->signature));
}

/* The cell, or NULL with *slot the free place where it belongs. */
static tn_request_cell *find_cell(tn_metrics *m, uint64_t hash, const tn_request_facts *f, size_t *slot)
{
    for (size_t i = hash % TN_CELL_SLOTS;; i = (i + 1) % TN_CELL_SLOTS) {
        tn_request_cell *c = atomic_load_explicit(&m->slots[i], memory_order_acquire);
        *slot = i;
        if (!c || is_cell(c, hash, f)) return c;
    }
}

/* Names that peers made up share one cell when there are many. */
static bool is_made_up(const tn_metrics *m, const tn_request_facts *f)
{
    return f->version == 0 && atomic_load_explicit(&m->n_cells, memory_order_relaxed) > TN_CELLS_MOST / 4;
}

/* The cell of a version that is remembered no more, for another one; it has counted nothing since. */
static tn_request_cell *reuse_cell(tn_metrics *m, uint64_t hash, const tn_request_facts *f)
{
    size_t slot;
    tn_request_facts none = *f;
    none.version = TN_VERSION_NONE;
    tn_request_cell *c = find_cell(m, hash, &none, &slot);
    if (c) atomic_store_explicit(&c->version, f->version, memory_order_release);
    return c;
}

static tn_request_cell *make_cell(tn_metrics *m, uint64_t hash, const tn_request_facts *f)
{
    size_t slot;
    pthread_mutex_lock(&m->lock);
    tn_request_cell *c = find_cell(m, hash, f, &slot);
    if (!c) c = reuse_cell(m, hash, f);
    if (!c && atomic_load(&m->n_cells) < TN_CELLS_MOST && (c = tn_calloc(1, sizeof *c))) {
        c->model = tn_strdup(text(f->model));
        c->signature = tn_strdup(text(f->signature));
        c->api = f->api;
        c->rest = f->rest;
        c->code = f->code;
        atomic_init(&c->version, f->version);
        c->hash = hash;
        if (c->model && c->signature) {
            atomic_store_explicit(&m->slots[slot], c, memory_order_release);
            atomic_fetch_add(&m->n_cells, 1);
        } else {
            cell_free(c);
            c = NULL;
        }
    }
    pthread_mutex_unlock(&m->lock);
    return c;
}

static tn_request_cell *cell_of(tn_metrics *m, const tn_request_facts *f)
{
    size_t slot;
    uint64_t hash = hash_of(f);
    tn_request_cell *c = find_cell(m, hash, f, &slot);
    if (c) return c;
    if (!is_made_up(m, f)) return make_cell(m, hash, f);
    tn_request_facts nameless = *f;
    nameless.model = nameless.signature = NULL;
    hash = hash_of(&nameless);
    c = find_cell(m, hash, &nameless, &slot);
    return c ? c : make_cell(m, hash, &nameless);
}

void tn_metrics_request(tn_metrics *m, const tn_request_facts *f)
{
    tn_request_cell *c = cell_of(m, f);
    if (!c) {
        atomic_fetch_add_explicit(&m->lost, 1, memory_order_relaxed);
        return;
    }
    const int64_t us[TN_STAGES] = {[TN_STAGE_QUEUE] = f->queued_us, [TN_STAGE_DECODE] = f->decode_us,
                                   [TN_STAGE_COMPUTE] = f->run_us, [TN_STAGE_ENCODE] = f->encode_us,
                                   [TN_STAGE_TOTAL] = f->total_us};
    for (int i = 0; i < TN_STAGES; i++) histogram_add(&c->stages[i], &tn_buckets_of_times, us[i]);
    if (f->examples > 0) histogram_add(&c->examples, &tn_buckets_of_examples, f->examples);
}

/* ==== versions that are remembered no more ==== */

static void histogram_move(tn_histogram *from, tn_histogram *to)
{
    for (int i = 0; i < TN_BUCKETS; i++) atomic_fetch_add(&to->counts[i], atomic_exchange(&from->counts[i], 0));
    atomic_fetch_add(&to->sum, atomic_exchange(&from->sum, 0));
}

/* With the lock held. What it has counted is counted as of an earlier version. */
static void retire(tn_metrics *m, tn_request_cell *c)
{
    size_t slot;
    const tn_request_facts f = {.api = c->api, .rest = c->rest, .code = c->code, .model = c->model,
                                .signature = c->signature, .version = TN_VERSIONS_EARLIER};
    tn_request_cell *all = find_cell(m, c->hash, &f, &slot);
    for (int i = 0; all && i < TN_STAGES; i++) histogram_move(&c->stages[i], &all->stages[i]);
    if (all) histogram_move(&c->examples, &all->examples);
    atomic_store(&c->version, all ? TN_VERSION_NONE : TN_VERSIONS_EARLIER);
}

/* ==== series ==== */

void tn_label_escape(tn_buf *out, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"') tn_buf_char(out, '\\');
        if (*p == '\n')
            tn_buf_str(out, "\\n");
        else
            tn_buf_char(out, *p);
    }
}

static void put_label(tn_buf *b, const char *name, const char *value)
{
    tn_buf_printf(b, "%s%s=\"", b->n ? "," : "", name);
    tn_label_escape(b, value);
    tn_buf_char(b, '"');
}

/* With the lock held. Takes the labels; NULL: no memory, or too many. */
static tn_series *get_series(tn_metrics *m, const char *name, tn_series_kind kind, tn_buf *labels)
{
    tn_buf key = {0};
    tn_buf_printf(&key, "%s{%s}", name, labels->n ? labels->data : "");
    tn_series *s = key.failed || labels->failed ? NULL : tn_map_get(m->series, key.data);
    if (!s && !key.failed && !labels->failed && tn_map_count(m->series) < TN_SERIES_MOST &&
        (s = tn_calloc(1, sizeof *s))) {
        *s = (tn_series){.name = name, .kind = kind, .labels = labels->n ? tn_buf_take(labels, NULL) : tn_strdup("")};
        if (kind == TN_SERIES_HISTOGRAM) s->counts = tn_calloc(TN_SERIES_BUCKETS, sizeof *s->counts);
        if (!s->labels || (kind == TN_SERIES_HISTOGRAM && !s->counts) || !tn_map_put(m->series, key.data, s)) {
            series_free(s);
            s = NULL;
        }
    }
    tn_buf_free(&key);
    tn_buf_free(labels);
    return s;
}

static void count(tn_metrics *m, const char *name, tn_buf labels, int64_t more)
{
    pthread_mutex_lock(&m->lock);
    tn_series *s = get_series(m, name, TN_SERIES_COUNTER, &labels);
    if (s) s->value += more;
    pthread_mutex_unlock(&m->lock);
}

static void gauge(tn_metrics *m, const char *name, tn_buf labels, int64_t value)
{
    pthread_mutex_lock(&m->lock);
    tn_series *s = get_series(m, name, TN_SERIES_GAUGE, &labels);
    if (s) s->value = value;
    pthread_mutex_unlock(&m->lock);
}

static void series_add(tn_series *s, const tn_buckets *buckets, int64_t value)
{
    if (!s) return;
    s->buckets = buckets;
    s->counts[bucket_of(buckets, value)]++;
    s->value += value;
}

static void sample(tn_metrics *m, const char *name, tn_buf labels, const tn_buckets *buckets, int64_t value)
{
    pthread_mutex_lock(&m->lock);
    series_add(get_series(m, name, TN_SERIES_HISTOGRAM, &labels), buckets, value);
    pthread_mutex_unlock(&m->lock);
}

static tn_buf label(const char *name, const char *value)
{
    tn_buf b = {0};
    put_label(&b, name, value);
    return b;
}

static tn_buf labels(const char *a, const char *a_value, const char *b, const char *b_value)
{
    tn_buf out = label(a, a_value);
    put_label(&out, b, b_value);
    return out;
}

#define BATCHING ":tensorflow:serving:batching_session:"

void tn_metrics_batched(tn_metrics *m, const char *pool, int64_t queued_us, int64_t rows)
{
    pthread_mutex_lock(&m->lock);
    if (!m->queuing) { /* all batches of a server are of one pool */
        tn_buf of_pool = label("thread_pool_name", pool), none = {0};
        m->queuing = get_series(m, BATCHING "queuing_latency", TN_SERIES_HISTOGRAM, &of_pool);
        m->batched = get_series(m, BATCHING "input_batch_size", TN_SERIES_HISTOGRAM, &none);
    }
    series_add(m->queuing, &of_queuing, queued_us);
    series_add(m->batched, &of_sizes, rows);
    pthread_mutex_unlock(&m->lock);
}

void tn_metrics_batch(tn_metrics *m, int64_t rows, int64_t padded)
{
    char size[24];
    snprintf(size, sizeof size, "%lld", (long long)padded);
    sample(m, BATCHING "processed_batch_size", (tn_buf){0}, &of_sizes, padded);
    sample(m, BATCHING "padding_size", label("execution_batch_size", size), &of_sizes, padded - rows);
    count(m, BATCHING "wrapped_run_count", (tn_buf){0}, 1);
}

void tn_metrics_load(tn_metrics *m, const char *path, tn_code code, int64_t us)
{
    count(m, ":tensorflow:cc:saved_model:load_attempt_count",
          labels("model_path", path, "status", code == TN_OK ? "success" : "fail"), 1);
    count(m, ":tensorflow:cc:saved_model:load_latency", label("model_path", path), us);
}

void tn_metrics_warm_up(tn_metrics *m, const char *path, tn_code code, int64_t us, int64_t records)
{
    sample(m, ":tensorflow:serving:model_warmup_latency",
           labels("model_path", path, "status", tn_code_name(code)), &tn_buckets_of_times, us);
    count(m, ":tensorflow:serving:model_warmup_records_read", label("model_path", path), records);
}

static tn_buf labels_of_version(const char *model, int64_t version)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)version);
    return labels("model_name", model, "version", number);
}

/* TensorFlow Serving's value is the text, which has no place on a page of numbers: it is 0 there. */
void tn_metrics_ml_metadata(tn_metrics *m, const char *model, int64_t version)
{
    gauge(m, ":tensorflow:serving:mlmd_map", labels_of_version(model, version), 0);
}

static const char *state_name(tn_servable_state state)
{
    return tn_proto_value_name(&tn_proto_enum_ModelVersionStatus_State, (int32_t)state);
}

/* One line says the state a version is in; the line of what it was before is 0. */
void tn_metrics_state(tn_metrics *m, const char *model, int64_t version, tn_servable_state state, int64_t bytes)
{
    static const tn_servable_state states[] = {TN_STATE_START, TN_STATE_LOADING, TN_STATE_AVAILABLE,
                                               TN_STATE_UNLOADING, TN_STATE_END};
    for (size_t i = 0; i < TN_COUNT(states); i++) {
        tn_buf b = labels_of_version(model, version);
        put_label(&b, "state", state_name(states[i]));
        gauge(m, "turnery_model_state", b, states[i] == state);
    }
    gauge(m, "turnery_model_bytes", labels_of_version(model, version), bytes);
}

static bool begins_with(const char *labels, const tn_buf *b)
{
    return b->n && tn_view_starts(tn_view_of(labels), b->data) && (!labels[b->n] || labels[b->n] == ',');
}

static void forget_series(tn_metrics *m, const char *model, int64_t version, const char *path)
{
    tn_buf of_version = labels_of_version(model, version), of_path = label("model_path", path);
    for (size_t i = 0; i < tn_map_count(m->series); i++) {
        tn_series *s = tn_map_value(m->series, i);
        if (!begins_with(s->labels, &of_version) && !begins_with(s->labels, &of_path)) continue;
        if (tn_map_put(m->series, tn_map_key(m->series, i), NULL)) series_free(s);
    }
    tn_map_remove_empty(m->series);
    tn_buf_free(&of_version);
    tn_buf_free(&of_path);
}

void tn_metrics_forget(tn_metrics *m, const char *model, int64_t version, const char *path)
{
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < TN_CELL_SLOTS; i++) {
        tn_request_cell *c = atomic_load_explicit(&m->slots[i], memory_order_relaxed);
        if (c && atomic_load(&c->version) == version && !strcmp(c->model, model)) retire(m, c);
    }
    forget_series(m, model, version, path);
    pthread_mutex_unlock(&m->lock);
}

void tn_metrics_logged(tn_metrics *m, const char *model, tn_code code)
{
    count(m, ":tensorflow:serving:request_log_count", labels("model_name", model, "status", tn_code_name(code)), 1);
}
