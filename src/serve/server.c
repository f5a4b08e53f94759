/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - the life of a model server: made, models loaded, ports opened, configuration followed, drained, gone.
 *
 * What options mean is server_options.c's; what is asked and answered, the APIs'. Signals, the process and its exit are
 * cmd/'s.
 *
 * Invariants: ports open only when the initial models are there. Stopping may come at any time, also while models load,
 * from any thread, and is done once; what was started ends in the opposite order.
 */
#include "server.h"

#include <errno.h>
#include <time.h>

typedef enum phase { MADE, STARTING, RUNNING, STOPPING, STOPPED } phase;

struct tn_server {
    tn_server_options options;
    tn_server_plan plan;
    tn_log log;
    tn_service service;
    bool serves; /* the service's threads run */
    tn_rest rest;
    tn_grpc_server *grpc;
    tn_http_server *http;
    pthread_mutex_t lock; /* of phase */
    pthread_cond_t changed;
    phase phase;
    pthread_mutex_t reload_lock; /* one reload at a time */
    tn_model_configs initial;    /* what is loaded before the ports open */
    tn_buf config_text;          /* of the configuration file, as it was last read; under reload_lock once it runs */
    pthread_t follower;
    bool follows;
};

/* ==== log ==== */

static void write_log(void *payload, tn_log_level level, const char *line)
{
    tn_server *s = payload;
    s->options.log(s->options.payload, (int)level, line);
}

/* ==== making ==== */

/* What the configuration file and the options say now. */
static tn_code read_models(tn_server *s, tn_model_configs *out, tn_error *err)
{
    tn_buf text = {0};
    TN_TRY(tn_server_config_text(&s->options, &text, err));
    tn_buf_free(&s->config_text);
    s->config_text = text;
    return tn_server_models(&s->options, (tn_view){text.n ? text.data : "", text.n}, out, err);
}

static tn_code make_manager(tn_server *s, tn_error *err)
{
    const tn_server_options *o = &s->options;
    tn_batching *b = &s->plan.batching;
    if (s->plan.batches) TN_TRY(tn_batch_threads_new(b->num_batch_threads, &b->threads, err));
    tn_manager_options m = {
        .num_load_threads = (int)o->num_load_threads,
        .num_unload_threads = (int)o->num_unload_threads,
        .max_num_load_retries = (int)o->max_num_load_retries,
        .load_retry_interval_micros = o->load_retry_interval_micros,
        .file_system_poll_wait_seconds = o->file_system_poll_wait_seconds,
        .allow_version_labels_for_unavailable_models = o->allow_version_labels_for_unavailable_models,
        .enable_per_model_batching_parameters = o->enable_per_model_batching_parameters,
        .tags = s->plan.tags,
        .n_tags = s->plan.n_tags,
        .session = s->plan.session,
        .team = s->plan.leads ? s->plan.compute_threads : 0,
        .warm_up = o->enable_model_warmup,
        .warm_up_iterations = (int)o->num_request_iterations_for_warmup,
        .batching = s->plan.batches ? b : NULL,
        .metrics = s->service.metrics,
        .log = &s->log,
    };
    return tn_manager_new(&m, &s->service.manager, err);
}

static tn_code make_parts(tn_server *s, tn_error *err)
{
    const tn_server_options *o = &s->options;
    TN_TRY(tn_server_plan_make(o, &s->log, &s->plan, err));
    TN_TRY(read_models(s, &s->initial, err));
    TN_TRY(tn_metrics_new(&s->service.metrics, err));
    if (o->access_log && *o->access_log) TN_TRY(tn_access_log_open(o->access_log, &s->service.access_log, err));
    if (o->auth_tokens_file && *o->auth_tokens_file)
        TN_TRY(tn_tokens_load(o->auth_tokens_file, &s->service.tokens, err));
    TN_TRY(tn_service_start(&s->service, s->plan.compute_threads, err));
    s->serves = true;
    return make_manager(s, err);
}

static tn_code reload_from_request(void *payload, const tn_ModelServerConfig *config, const tn_patience *patience,
                                   tn_error *err);

static void set_service(tn_server *s)
{
    const tn_server_options *o = &s->options;
    s->service.tensor_content = o->enable_serialization_as_tensor_content;
    s->service.check_method_name = o->enable_signature_method_name_check;
    s->service.strictly_tensorflow = o->strictly_tensorflow;
    s->service.health = o->enable_grpc_healthcheck_service;
    s->service.reflection = true;
    s->service.reload = reload_from_request;
    s->service.payload = s;
    s->service.log = &s->log;
    s->rest = (tn_rest){.service = &s->service,
                        .options = {.cors = o->rest_api_enable_cors_support,
                                    .prometheus_path = s->plan.prometheus_path,
                                    .timeout = (double)o->rest_api_timeout_in_ms / 1e3}};
}

tn_code tn_server_new(const tn_server_options *o, tn_server **out, tn_error *err)
{
    tn_server *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->options = *o;
    if (o->log) s->log = (tn_log){.write = write_log, .payload = s, .least = TN_INFO};
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->reload_lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    atomic_init(&s->service.not_serving, 1);
    tn_code code = make_parts(s, err);
    if (code != TN_OK) {
        tn_server_free(s);
        return code;
    }
    set_service(s);
    *out = s;
    return TN_OK;
}

/* ==== starting ==== */

static tn_code open_grpc(tn_server *s, tn_error *err)
{
    tn_grpc_server_options o = s->plan.grpc;
    tn_tls *tls = NULL;
    const tn_SSLConfig *c = s->plan.ssl;
    if (!s->plan.n_grpc_listen) return TN_OK;
    if (c) {
        tn_tls_options t = {c->server_key, c->server_cert, c->custom_ca, c->client_verify, false};
        TN_TRY(tn_tls_new(&t, &tls, err));
    }
    o.listen = s->plan.grpc_listen;
    o.n_listen = s->plan.n_grpc_listen;
    o.tls = tls;
    o.handle = tn_grpc_api;
    o.payload = &s->service;
    o.log = &s->log;
    tn_code code = tn_grpc_server_start(&o, &s->grpc, err);
    tn_tls_free(tls);
    return code;
}

static tn_code open_rest(tn_server *s, tn_error *err)
{
    const tn_server_options *o = &s->options;
    if (!s->plan.rest_listen && o->rest_api_port) /* goes on, as TensorFlow Serving does */
        tn_logf(&s->log, TN_ERROR, "server_options.http_port cannot be same as grpc_port. Please use a different "
                "port for HTTP/REST API. Skipped exporting HTTP/REST API.");
    if (!s->plan.rest_listen) return TN_OK;
    tn_http_server_options h = {.listen = s->plan.rest_listen,
                                .threads = (int)TN_MIN(o->rest_api_num_threads, 1024),
                                .max_body = o->max_request_size,
                                .max_connections = (int)TN_MIN(o->max_connections, INT32_MAX),
                                .timeout = (double)o->rest_api_timeout_in_ms / 1e3,
                                .gzip = o->rest_api_gzip,
                                .handle = tn_rest_api,
                                .payload = &s->rest,
                                .log = &s->log};
    if (o->rest_api_ssl) {
        h.key = s->plan.ssl->server_key;
        h.cert = s->plan.ssl->server_cert;
        h.ca = s->plan.ssl->custom_ca;
        h.verify_peer = s->plan.ssl->client_verify;
    }
    /* IPv4, too; alone where there is no IPv6. */
    if (tn_http_server_start(&h, &s->http, NULL) == TN_OK) return TN_OK;
    h.listen = tn_arena_printf(s->plan.arena, "0.0.0.0:%lld", (long long)o->rest_api_port);
    return h.listen ? tn_http_server_start(&h, &s->http, err) : tn_no_memory(err, 0);
}

/* The lines that scripts wait for, word for word. */
static void say_ready(tn_server *s)
{
    for (int i = 0; i < s->plan.n_grpc_listen; i++) {
        const char *at = s->plan.grpc_listen[i];
        bool is_socket = strncmp(at, "unix:", 5) == 0;
        tn_logf(&s->log, TN_INFO, "Running gRPC ModelServer at %s%s ...", is_socket ? "UNIX socket " : "",
                is_socket ? at + 5 : at);
    }
    if (s->http)
        tn_logf(&s->log, TN_INFO, "Exporting HTTP/REST API at:localhost:%d ...", tn_http_server_port(s->http));
    if (s->http && s->options.strictly_tensorflow) /* what many scripts wait for */
        tn_logf(&s->log, TN_INFO, "NET_LOG: Entering the event loop ...");
}

static bool advance(tn_server *s, phase from, phase to)
{
    pthread_mutex_lock(&s->lock);
    bool is = s->phase == from;
    if (is) s->phase = to;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return is;
}

static void *follow(void *server);
static tn_code place_again(tn_server *s, tn_placed *placed, tn_error *err);

/* Who has the configuration read again meanwhile wants what is in it now. */
static tn_code first_models(tn_server *s, tn_error *err)
{
    tn_manager *m = s->service.manager;
    tn_code code = tn_manager_set_models(m, &s->initial, err);
    while (code == TN_ABORTED) {
        tn_placed placed;
        TN_TRY(place_again(s, &placed, err));
        tn_placed_want_all(m, &placed);
        code = tn_manager_await(m, &placed, NULL, err);
    }
    return code;
}

/* TensorFlow Serving tells no more than that gRPC cannot be had, and goes on without REST. */
static tn_code open_ports(tn_server *s, tn_error *err)
{
    tn_error why = {TN_OK, ""};
    bool strictly = s->options.strictly_tensorflow;
    tn_code code = open_grpc(s, &why);
    if (code != TN_OK && strictly)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Failed to BuildAndStart gRPC server: %s", why.message);
    if (code == TN_OK) code = open_rest(s, &why);
    if (code == TN_OK || !strictly || !s->grpc) return code == TN_OK ? code : tn_fail(err, code, "%s", why.message);
    tn_logf(&s->log, TN_ERROR, "%s", why.message);
    tn_logf(&s->log, TN_ERROR, "Failed to start HTTP Server at localhost:%lld",
            (long long)s->options.rest_api_port);
    return TN_OK;
}

static tn_code start_parts(tn_server *s, tn_error *err)
{
    TN_TRY(first_models(s, err));
    TN_TRY(open_ports(s, err));
    const char *file = s->options.model_config_file;
    if (file && *file && s->options.model_config_file_poll_wait_seconds > 0)
        s->follows = pthread_create(&s->follower, NULL, follow, s) == 0;
    return TN_OK;
}

tn_code tn_server_start(tn_server *s, tn_error *err)
{
    if (!advance(s, MADE, STARTING)) return tn_fail(err, TN_CANCELLED, "the server was stopped");
    tn_code code = start_parts(s, err);
    if (code != TN_OK) {
        advance(s, STARTING, STOPPED);
        tn_manager_cancel(s->service.manager);
        return code;
    }
    if (!advance(s, STARTING, RUNNING)) return tn_fail(err, TN_CANCELLED, "the server was stopped while it started");
    atomic_store(&s->service.not_serving, 0);
    say_ready(s);
    return TN_OK;
}

int tn_server_port(const tn_server *s, int which)
{
    if (which == 0) return s->grpc ? tn_grpc_server_port(s->grpc, 0) : 0;
    return which == 1 && s->http ? tn_http_server_port(s->http) : 0;
}

/* ==== configuration that changes ==== */

/* Nobody waits for models under reload_lock: a set whose models never come must not keep the next one out. */
static tn_code reload_from_request(void *payload, const tn_ModelServerConfig *config, const tn_patience *patience,
                                   tn_error *err)
{
    tn_server *s = payload;
    tn_model_configs c;
    tn_placed placed;
    TN_TRY(tn_model_configs_from(config, &c, err));
    pthread_mutex_lock(&s->reload_lock);
    tn_code code = tn_manager_place_models(s->service.manager, &c, &placed, err);
    pthread_mutex_unlock(&s->reload_lock);
    tn_model_configs_free(&c);
    return code == TN_OK ? tn_manager_await(s->service.manager, &placed, patience, err) : code;
}

/* From the file. The caller holds reload_lock. */
static tn_code place(tn_server *s, tn_placed *placed, tn_error *err)
{
    tn_model_configs c;
    TN_TRY(read_models(s, &c, err));
    tn_code code = tn_manager_place_models(s->service.manager, &c, placed, err);
    tn_model_configs_free(&c);
    return code;
}

static tn_code place_again(tn_server *s, tn_placed *placed, tn_error *err)
{
    pthread_mutex_lock(&s->reload_lock);
    tn_code code = place(s, placed, err);
    pthread_mutex_unlock(&s->reload_lock);
    return code;
}

tn_code tn_server_reload(tn_server *s, tn_error *err)
{
    tn_placed placed;
    TN_TRY(place_again(s, &placed, err));
    TN_TRY(tn_manager_await(s->service.manager, &placed, NULL, err));
    return tn_manager_poll_now(s->service.manager, err);
}

/* The file's text differs from what was last read. */
static bool config_changed(const tn_server *s)
{
    tn_error err = {0};
    tn_buf text = {0};
    bool changed = false;
    if (tn_server_config_text(&s->options, &text, &err) != TN_OK)
        tn_logf(&s->log, TN_WARNING, "model_config_file: %s; the models stay as they are", err.message);
    else
        changed = text.n != s->config_text.n || (text.n && memcmp(text.data, s->config_text.data, text.n) != 0);
    tn_buf_free(&text);
    return changed;
}

/* Waits for so many seconds, or until the server is to stop: false. */
static bool wait_running(tn_server *s, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + (int64_t)(TN_MIN(seconds, 1e8) * 1e9);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&s->lock);
    int rc = 0;
    while (s->phase <= RUNNING && rc != ETIMEDOUT) rc = pthread_cond_timedwait(&s->changed, &s->lock, &until);
    bool running = s->phase <= RUNNING;
    pthread_mutex_unlock(&s->lock);
    return running;
}

/* A thread of its own: takes the configuration file again whenever it has changed, or when it was refused: a label's
 * version may be there by now. */
static void *follow(void *server)
{
    tn_server *s = server;
    tn_error err = {0};
    char told[sizeof err.message] = "";
    while (wait_running(s, s->options.model_config_file_poll_wait_seconds)) {
        tn_placed placed = {0};
        pthread_mutex_lock(&s->reload_lock);
        tn_code code = config_changed(s) || *told ? place(s, &placed, &err) : TN_OK;
        pthread_mutex_unlock(&s->reload_lock);
        tn_placed_drop(&placed); /* what becomes of its models is logged as it happens */
        bool news = code != TN_OK && strcmp(told, err.message) != 0;
        snprintf(told, sizeof told, "%s", code == TN_OK ? "" : err.message);
        if (news) tn_logf(&s->log, TN_ERROR, "model_config_file: %s: %s", tn_code_name(code), err.message);
    }
    return NULL;
}

/* ==== stopping ==== */

bool tn_server_stop(tn_server *s, double seconds)
{
    pthread_mutex_lock(&s->lock);
    bool first = s->phase < STOPPING, running = s->phase == RUNNING;
    if (first) s->phase = STOPPING;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (!first) return true;
    tn_service_drain(&s->service);
    tn_manager_cancel(s->service.manager);
    if (!running) return true; /* tn_server_start sees it */
    int64_t end = tn_now_us() + (int64_t)(seconds * 1e6);
    bool all = !s->grpc || tn_grpc_server_drain(s->grpc, seconds);
    double left = TN_MAX((double)(end - tn_now_us()) / 1e6, 0);
    return (!s->http || tn_http_server_drain(s->http, left)) && all;
}

void tn_server_free(tn_server *s)
{
    if (!s) return;
    if (s->service.manager) tn_server_stop(s, 0);
    if (s->follows) pthread_join(s->follower, NULL);
    tn_http_server_free(s->http);
    tn_grpc_server_free(s->grpc);
    if (s->serves) tn_service_stop(&s->service);
    tn_manager_free(s->service.manager);
    tn_batch_threads_free(s->plan.batching.threads);
    tn_access_log_close(s->service.access_log);
    tn_metrics_free(s->service.metrics);
    tn_tokens_free(s->service.tokens);
    tn_server_plan_free(&s->plan);
    tn_model_configs_free(&s->initial);
    tn_buf_free(&s->config_text);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->reload_lock);
    pthread_mutex_destroy(&s->lock);
    tn_free(s);
}
