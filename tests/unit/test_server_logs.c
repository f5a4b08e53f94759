/* SPDX-License-Identifier: Apache-2.0
 *
 * test_server_logs.c - the spool, the access log, the request log, and metrics as Prometheus reads them.
 */
#include <signal.h>
#include <sys/resource.h>

#include "place.h"
#include "serve/serve.h"
#include "serve/spool.h"

/* ==== the spool ==== */

static int lines_of(tn_view text)
{
    int n = 0;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

typedef struct author {
    tn_spool *spool;
    int number;
} author;

static void *put_lines(void *payload)
{
    author *a = payload;
    char line[64];
    for (int i = 0; i < 500; i++) {
        int n = snprintf(line, sizeof line, "author %d line %03d of many, whole\n", a->number, i);
        tn_spool_put(a->spool, (tn_view){line, (size_t)n});
    }
    return NULL;
}

static void test_lines_of_many_threads_are_whole(void **state)
{
    tn_error err;
    pthread_t threads[4];
    author authors[4];
    tn_spool *s;
    const char *path = in(state, "log");
    assert_ok(tn_spool_open(&(tn_spool_options){.path = path}, &s, &err), &err);
    for (int i = 0; i < 4; i++) {
        authors[i] = (author){s, i};
        pthread_create(&threads[i], NULL, put_lines, &authors[i]);
    }
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(tn_spool_take_lost(s), 0);
    tn_spool_close(s);
    tn_view text = content(state, path);
    int next[4] = {0};
    assert_int_equal(lines_of(text), 2000);
    for (size_t at = 0; at < text.n; at += 33) {
        int who, line;
        assert_int_equal(sscanf(text.p + at, "author %d line %d of many, whole", &who, &line), 2);
        assert_int_equal(line, next[who]++);
    }
}

/* A file that may not grow: what fits is whole, the rest is counted. */
static void test_a_full_disk_loses_whole_records(void **state)
{
    tn_error err;
    tn_spool *s;
    struct rlimit before, small;
    const char *path = in(state, "log");
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 250;
    signal(SIGXFSZ, SIG_IGN);
    assert_ok(tn_spool_open(&(tn_spool_options){.path = path}, &s, &err), &err);
    setrlimit(RLIMIT_FSIZE, &small);
    char record[100];
    memset(record, 'x', sizeof record);
    record[99] = '\n';
    for (int i = 0; i < 5; i++) assert_true(tn_spool_put(s, (tn_view){record, sizeof record}));
    tn_spool_close(s);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(content(state, path).n, 200);
}

static void test_too_much_waiting_is_lost(void **state)
{
    tn_error err;
    tn_spool *s;
    tn_spool_options o = {.path = in(state, "log"), .most_gathered = 10};
    assert_ok(tn_spool_open(&o, &s, &err), &err);
    assert_false(tn_spool_put(s, TN_VIEW("longer than ten bytes")));
    assert_int_equal(tn_spool_take_lost(s), 1);
    assert_true(tn_spool_put(s, TN_VIEW("short\n")));
    tn_spool_close(s);
    assert_true(tn_view_is(content(state, o.path), "short\n"));
    assert_code(tn_spool_open(&(tn_spool_options){.path = "/nowhere/log"}, &s, &err), TN_NOT_FOUND);
}

/* ==== logs ==== */

static tn_request_facts facts(tn_code code)
{
    return (tn_request_facts){.api = TN_API_PREDICT, .model = "m", .signature = "serving_default", .peer = "ipv4:1.2.3.4:5",
                              .path = "/tensorflow.serving.PredictionService/Predict", .version = 3, .code = code,
                              .message = code ? "no \"such\" thing" : NULL, .run_us = 15, .total_us = 40, .bytes_in = 100,
                              .bytes_out = 20, .examples = 2};
}

static void test_access_log(void **state)
{
    tn_error err;
    tn_access_log *l;
    tn_json *j;
    const char *path = in(state, "access.json");
    assert_ok(tn_access_log_open(path, &l, &err), &err);
    tn_request_facts f = facts(TN_NOT_FOUND);
    tn_access_log_put(l, &f);
    tn_access_log_close(l);
    tn_view line = content(state, path);
    assert_int_equal(line.p[line.n - 1], '\n');
    assert_ok(tn_json_parse((tn_view){line.p, line.n - 1}, arena_of(state), &j, &err), &err);
    assert_true(tn_view_is(tn_json_find(j, "code")->text, "NOT_FOUND"));
    assert_true(tn_view_is(tn_json_find(j, "message")->text, "no \"such\" thing"));
    assert_int_equal(tn_json_find(j, "version")->integer, 3);
    assert_int_equal(tn_json_find(j, "compute_us")->integer, 15);
    assert_code(tn_access_log_open("/nowhere/a", &l, &err), TN_NOT_FOUND);
}

static tn_LoggingConfig *logging(void **state, const char *type, const char *prefix, double rate)
{
    tn_arena *a = arena_of(state);
    tn_LoggingConfig *c = TN_NEW(a, tn_LoggingConfig);
    c->log_collector_config = TN_NEW(a, tn_LogCollectorConfig);
    c->log_collector_config->type = tn_view_of(type);
    c->log_collector_config->filename_prefix = tn_view_of(prefix);
    c->sampling_config = TN_NEW(a, tn_SamplingConfig);
    c->sampling_config->sampling_rate = rate;
    return c;
}

static void test_request_log_comes_back(void **state)
{
    tn_error err;
    tn_request_log *l;
    tn_arena *a = arena_of(state);
    tn_LoggingConfig *c = logging(state, "file", in(state, "requests"), 1);
    assert_ok(tn_request_log_open(c, "m", NULL, &l, &err), &err);
    tn_PredictRequest request = {.client_id = TN_VIEW("me")};
    tn_PredictLog predict = {.request = &request};
    tn_PredictionLog record = {0};
    TN_SET(&record, PredictionLog, log_type, predict_log) = &predict;
    tn_buf log = {0};
    assert_ok(TN_ENCODE(PredictionLog, &record, &log, &err), &err);
    tn_ModelSpec spec = {.name = TN_VIEW("m")};
    assert_true(tn_request_log_wants(l));
    for (int i = 0; i < 2; i++) tn_request_log_put(l, &spec, (tn_view){log.data, log.n});
    tn_buf_free(&log);
    tn_request_log_close(l);
    char **names;
    size_t n;
    assert_ok(tn_list_folder(((place *)*state)->folder, a, &names, &n, &err), &err);
    assert_int_equal(n, 1);
    tn_view file = content(state, in(state, names[0])), bytes;
    tn_PredictionLog *back;
    for (int i = 0; i < 2; i++) {
        assert_ok(tn_record_next(&file, 0, &bytes, &err), &err);
        assert_ok(TN_DECODE(PredictionLog, bytes, a, &back, &err), &err);
        assert_int_equal(back->log_type_case, TN_PredictionLog_predict_log);
        assert_true(tn_view_is(back->predict_log->request->client_id, "me"));
        assert_true(back->log_metadata->sampling_config->sampling_rate == 1);
        assert_true(tn_view_is(back->log_metadata->model_spec->name, "m"));
    }
    assert_code(tn_record_next(&file, 0, &bytes, &err), TN_OUT_OF_RANGE);
}

static void test_sampling(void **state)
{
    tn_error err;
    tn_request_log *l;
    int taken = 0;
    assert_ok(tn_request_log_open(logging(state, "", in(state, "r"), 0.25), "m", NULL, &l, &err), &err);
    for (int i = 0; i < 40000; i++) taken += tn_request_log_wants(l);
    tn_request_log_close(l);
    assert_in_range(taken, 9000, 11000);
    assert_ok(tn_request_log_open(logging(state, "", in(state, "r"), 0), "m", NULL, &l, &err), &err);
    assert_false(tn_request_log_wants(l));
    tn_request_log_close(l);
    assert_false(tn_request_log_wants(NULL));
    assert_code(tn_request_log_open(logging(state, "kafka", "p", 1), "m", NULL, &l, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "Cannot find LogCollector::Factory for type: kafka (there is: file)");
    assert_code(tn_request_log_open(logging(state, "file", "", 1), "m", NULL, &l, &err), TN_INVALID_ARGUMENT);
    assert_code(tn_request_log_open(logging(state, "file", "p", 2), "m", NULL, &l, &err), TN_INVALID_ARGUMENT);
}

/* ==== metrics ==== */

static const char *page(void **state, tn_metrics *m)
{
    tn_buf b = {0};
    tn_error err;
    assert_ok(tn_metrics_prometheus(m, &b, &err), &err);
    const char *text = tn_arena_strdup(arena_of(state), b.data);
    tn_buf_free(&b);
    return text;
}

static void says(const char *text, const char *line)
{
    if (!strstr(text, line)) fail_msg("not there: %s", line);
}

static void test_prometheus(void **state)
{
    tn_error err;
    tn_metrics *m;
    assert_ok(tn_metrics_new(&m, &err), &err);
    tn_request_facts ok = facts(TN_OK), bad = facts(TN_INVALID_ARGUMENT), rest = ok;
    rest.rest = true;
    rest.total_us = 1000000000;
    tn_metrics_request(m, &ok);
    tn_metrics_request(m, &ok);
    tn_metrics_request(m, &bad);
    tn_metrics_request(m, &rest);
    tn_request_facts classify = ok;
    classify.api = TN_API_CLASSIFY;
    tn_metrics_request(m, &classify);
    tn_metrics_state(m, "m", 3, TN_STATE_LOADING, 0);
    tn_metrics_state(m, "m", 3, TN_STATE_AVAILABLE, 4096);
    tn_metrics_load(m, "/models/m/\"3\"", TN_OK, 1500);
    tn_request_facts status = rest;
    status.api = TN_API_STATUS;
    tn_metrics_request(m, &status);
    status.code = TN_NOT_FOUND;
    tn_metrics_request(m, &status);
    tn_metrics_batched(m, "pool", 25, 1);
    tn_metrics_batched(m, "pool", 125, 2);
    tn_metrics_batch(m, 3, 4);
    const char *text = page(state, m);
    says(text, "# TYPE :tensorflow:serving:request_count counter\n");
    says(text, ":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 4\n");
    says(text, ":tensorflow:serving:request_count{model_name=\"m\",status=\"INVALID_ARGUMENT\"} 1\n");
    says(text, "# TYPE :tensorflow:serving:request_latency histogram\n");
    /* 40 us: at or over 32.4, under 58.32 */
    const char *grpc = ":tensorflow:serving:request_latency_bucket{model_name=\"m\",API=\"Predict\",entrypoint=\"GRPC\",";
    says(text, tn_arena_printf(arena_of(state), "%sle=\"32.4\"} 0\n", grpc));
    says(text, tn_arena_printf(arena_of(state), "%sle=\"58.32\"} 2\n", grpc));
    says(text, tn_arena_printf(arena_of(state), "%sle=\"+Inf\"} 2\n", grpc));
    says(text, ":tensorflow:serving:request_latency_sum{model_name=\"m\",API=\"predict\",entrypoint=\"REST\"} 1000000000\n");
    says(text, ":tensorflow:serving:runtime_latency_count{model_name=\"m\",API=\"Predict\",runtime=\"TF1\"} 3\n"); /* REST's too */
    says(text, ":tensorflow:serving:request_example_count_total{model=\"m\"} 2\n"); /* Predict has none */
    says(text, "turnery_model_state{model_name=\"m\",version=\"3\",state=\"AVAILABLE\"} 1\n");
    says(text, "turnery_model_state{model_name=\"m\",version=\"3\",state=\"LOADING\"} 0\n");
    says(text, "turnery_model_bytes{model_name=\"m\",version=\"3\"} 4096\n");
    says(text, "load_attempt_count{model_path=\"/models/m/\\\"3\\\"\",status=\"success\"} 1\n");
    says(text, ":tensorflow:serving:request_latency_count{model_name=\"m\",API=\"\",entrypoint=\"REST\"} 1\n"); /* of a status */
    says(text, ":tensorflow:serving:batching_session:queuing_latency_bucket{thread_pool_name=\"pool\",le=\"120\"} 1\n");
    says(text, ":tensorflow:serving:batching_session:queuing_latency_bucket{thread_pool_name=\"pool\",le=\"144\"} 2\n");
    says(text, ":tensorflow:serving:batching_session:queuing_latency_sum{thread_pool_name=\"pool\"} 150\n");
    says(text, ":tensorflow:serving:batching_session:input_batch_size_bucket{le=\"2\"} 1\n");
    says(text, ":tensorflow:serving:batching_session:input_batch_size_bucket{le=\"8192\"} 2\n");
    says(text, ":tensorflow:serving:batching_session:input_batch_size_bucket{le=\"+Inf\"} 2\n");
    says(text, ":tensorflow:serving:batching_session:processed_batch_size_sum{} 4\n");
    says(text, ":tensorflow:serving:batching_session:padding_size_sum{execution_batch_size=\"4\"} 1\n");
    says(text, ":tensorflow:serving:batching_session:wrapped_run_count{} 1\n");
    says(text, ":tensorflow:serving:request_example_counts_bucket{model=\"m\",le=\"4\"} 1\n");
    says(text, "turnery_requests_total{model_name=\"m\",API=\"Predict\",entrypoint=\"GRPC\",version=\"3\","
                      "signature=\"serving_default\",code=\"INVALID_ARGUMENT\"} 1\n");
    assert_int_equal(tn_metrics_value(m, "/tensorflow/serving/request_count"), 5);
    assert_int_equal(tn_metrics_value(m, ":tensorflow:cc:saved_model:load_latency"), 1500);
    assert_int_equal(tn_metrics_value(m, "nothing"), 0);
    tn_metrics_free(m);
}

/* A bucket's limit belongs to the bucket above it, as in TensorFlow's histograms. */
static void test_limits_of_buckets(void **state)
{
    tn_error err;
    tn_metrics *m;
    assert_ok(tn_metrics_new(&m, &err), &err);
    tn_request_facts f = facts(TN_OK);
    f.total_us = 10;
    tn_metrics_request(m, &f);
    f.total_us = 9;
    tn_metrics_request(m, &f);
    const char *grpc = ":tensorflow:serving:request_latency_bucket{model_name=\"m\",API=\"Predict\",entrypoint=\"GRPC\",";
    const char *text = page(state, m);
    says(text, tn_arena_printf(arena_of(state), "%sle=\"10\"} 1\n", grpc));
    says(text, tn_arena_printf(arena_of(state), "%sle=\"18\"} 2\n", grpc));
    tn_metrics_free(m);
}

/* Made-up names do not take the place of models' own counts. */
static void test_many_names(void **state)
{
    tn_error err;
    tn_metrics *m;
    assert_ok(tn_metrics_new(&m, &err), &err);
    for (int i = 0; i < 9000; i++) {
        char name[32];
        snprintf(name, sizeof name, "made up %d", i);
        tn_request_facts f = {.api = TN_API_PREDICT, .model = name, .code = TN_NOT_FOUND};
        tn_metrics_request(m, &f);
    }
    tn_request_facts ok = facts(TN_OK);
    tn_metrics_request(m, &ok);
    const char *text = page(state, m);
    says(text, ":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 1\n");
    assert_int_equal(tn_metrics_value(m, ":tensorflow:serving:request_count"), 9001);
    assert_null(strstr(text, "made up 5000"));
    tn_metrics_free(m);
}

/* Of versions that come and go there stay their counts, together. */
static void test_versions_that_go(void **state)
{
    enum { VERSIONS = 5000 };
    tn_error err;
    tn_metrics *m;
    assert_ok(tn_metrics_new(&m, &err), &err);
    for (int i = 1; i <= VERSIONS; i++) {
        char path[32];
        snprintf(path, sizeof path, "/models/m/%d", i);
        tn_request_facts ok = facts(TN_OK), bad = facts(TN_INTERNAL);
        ok.version = bad.version = i;
        tn_metrics_load(m, path, TN_OK, 1000);
        tn_metrics_state(m, "m", i, TN_STATE_AVAILABLE, 10);
        tn_metrics_request(m, &ok);
        if (i % 2) tn_metrics_request(m, &bad);
        if (i <= 3) continue;
        snprintf(path, sizeof path, "/models/m/%d", i - 3);
        tn_metrics_forget(m, "m", i - 3, path);
    }
    const char *text = page(state, m);
    assert_in_range(strlen(text), 1000, 300000);
    assert_int_equal(tn_metrics_value(m, ":tensorflow:serving:request_count"), VERSIONS + VERSIONS / 2);
    says(text, ":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 5000\n");
    says(text, ":tensorflow:serving:request_count{model_name=\"m\",status=\"INTERNAL\"} 2500\n");
    says(text, "version=\"earlier\",signature=\"serving_default\",code=\"OK\"} 4997\n");
    says(text, "version=\"5000\",signature=\"serving_default\",code=\"OK\"} 1\n");
    says(text, "turnery_model_bytes{model_name=\"m\",version=\"4998\"} 10\n");
    says(text, "turnery_requests_uncounted_total 0\n");
    assert_null(strstr(text, "version=\"4997\""));
    assert_null(strstr(text, "/models/m/4997"));
    tn_metrics_free(m);
}

static void *ask(void *metrics)
{
    for (int i = 0; i < 2000; i++) {
        tn_request_facts f = facts(TN_OK);
        f.version = i % 7 + 1;
        tn_metrics_request(metrics, &f);
    }
    return NULL;
}

static void test_counts_of_many_threads(void **state)
{
    (void)state;
    tn_error err;
    tn_metrics *m;
    pthread_t threads[4];
    assert_ok(tn_metrics_new(&m, &err), &err);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, ask, m);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    assert_int_equal(tn_metrics_value(m, ":tensorflow:serving:request_count"), 8000);
    tn_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_of_many_threads_are_whole), TEST(test_a_full_disk_loses_whole_records),
        TEST(test_too_much_waiting_is_lost),        TEST(test_access_log),
        TEST(test_request_log_comes_back),          TEST(test_sampling),
        TEST(test_prometheus),                      TEST(test_limits_of_buckets),
        TEST(test_versions_that_go),
        TEST(test_many_names),                      TEST(test_counts_of_many_threads),
    };
    return cmocka_run_group_tests_name("server_logs", tests, NULL, NULL);
}
