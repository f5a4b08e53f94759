/* SPDX-License-Identifier: Apache-2.0
 *
 * server_options.c - what the server's options mean: defaults, combinations that are refused, the files they name.
 *
 * Texts of refusals are TensorFlow Serving's where it has them.
 */
#include "server.h"

#define TEXT_LIMIT ((size_t)64 << 20)

void tn_server_defaults(tn_server_options *o)
{
    *o = (tn_server_options){
        .port = 8500,
        .grpc_socket_path = "",
        .grpc_channel_arguments = "",
        .ssl_config_file = "",
        .rest_api_timeout_in_ms = 30000,
        .model_name = "default",
        .model_base_path = "",
        .model_config_file = "",
        .saved_model_tags = "serve",
        .file_system_poll_wait_seconds = 1,
        .max_num_load_retries = 5,
        .load_retry_interval_micros = 60000000,
        .batching_parameters_file = "",
        .tensorflow_session_config_file = "",
        .enable_model_warmup = true,
        .monitoring_config_file = "",
        .model_dir = "",
        .meta_graph = "",
        .checkpoint = "",
        .signature_inputs = "",
        .signature_outputs = "",
        .access_log = "",
        .auth_tokens_file = "",
    };
}

static bool given(const char *s)
{
    return s && *s;
}

/* A file's text; what it says stays in the arena. */
static tn_code read_text(const char *path, tn_arena *a, tn_view *out, tn_error *err)
{
    tn_buf file = {0};
    TN_TRY(tn_file_read(path, TEXT_LIMIT, &file, err));
    char *text = tn_arena_strndup(a, file.data ? file.data : "", file.n);
    *out = (tn_view){text, file.n};
    tn_buf_free(&file);
    return text ? TN_OK : tn_no_memory(err, out->n);
}

static tn_code read_message(const tn_proto_message *m, const char *path, tn_arena *a, void **out, tn_error *err)
{
    tn_view text;
    TN_TRY(read_text(path, a, &text, err));
    return tn_text_parse(m, text, path, a, out, err);
}

/* ==== models ==== */

tn_code tn_server_config_text(const tn_server_options *o, tn_buf *out, tn_error *err)
{
    return given(o->model_config_file) ? tn_file_read(o->model_config_file, TEXT_LIMIT, out, err) : TN_OK;
}

static tn_code models_of_text(const tn_server_options *o, tn_view text, tn_model_configs *out, tn_error *err)
{
    return tn_model_configs_parse(text, o->model_config_file, out, err);
}

/* NAME for the checkpoint NAME or its NAME.meta; where both are given they may be apart. */
static tn_code checkpoint_model(const tn_server_options *o, tn_arena *a, tn_model_config *m, tn_error *err)
{
    m->checkpoint = tn_arena_strdup(a, o->checkpoint);
    m->meta_graph = given(o->meta_graph) ? tn_arena_strdup(a, o->meta_graph)
                                         : tn_arena_printf(a, "%s.meta", o->checkpoint);
    m->base_path = m->checkpoint;
    if (given(o->signature_inputs)) m->signature_inputs = o->signature_inputs;
    if (given(o->signature_outputs)) m->signature_outputs = o->signature_outputs;
    if (!m->checkpoint || !m->meta_graph) return tn_no_memory(err, 0);
    if (!given(o->checkpoint))
        return tn_fail(err, TN_INVALID_ARGUMENT, "--meta_graph is given without --checkpoint, its variables' values");
    return TN_OK;
}

static tn_code one_model(const tn_server_options *o, tn_model_configs *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_model_config *m = a ? TN_NEW(a, tn_model_config) : NULL;
    tn_code code = m ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) {
        *m = (tn_model_config){.name = tn_arena_strdup(a, o->model_name), .platform = "tensorflow", .latest = 1};
        if (given(o->checkpoint) || given(o->meta_graph)) {
            code = checkpoint_model(o, a, m, err);
        } else {
            m->is_run = given(o->model_dir);
            m->base_path = tn_model_base_path(a, tn_view_of(m->is_run ? o->model_dir : o->model_base_path));
        }
        if (code == TN_OK && (!m->name || !m->base_path)) code = tn_no_memory(err, 0);
    }
    if (code != TN_OK) {
        tn_arena_free(a);
        return code;
    }
    *out = (tn_model_configs){.v = m, .n = 1, .arena = a};
    return TN_OK;
}

static int ways_given(const tn_server_options *o)
{
    return given(o->model_base_path) + given(o->model_dir) + (given(o->checkpoint) || given(o->meta_graph));
}

tn_code tn_server_models(const tn_server_options *o, tn_view config_text, tn_model_configs *out, tn_error *err)
{
    /* As in TensorFlow Serving, the file decides where both are given. */
    if (given(o->model_config_file)) return models_of_text(o, config_text, out, err);
    if (ways_given(o) > 1)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "--model_base_path, --model_dir and --checkpoint name one model in several ways: give one");
    if (!ways_given(o))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Both server_options.model_base_path and server_options.model_config_file are empty!");
    return one_model(o, out, err);
}

/* ==== files ==== */

static tn_code batching(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    tn_view text = {"", 0};
    p->batches = o->enable_batching || o->batch_latency_ms > 0;
    if (given(o->batching_parameters_file) && !o->enable_batching)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "server_options.batching_parameters_file is set without setting "
                       "server_options.enable_batching to true.");
    if (o->enable_per_model_batching_parameters && !o->enable_batching)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "server_options.enable_per_model_batching_parameters is set without setting "
                       "server_options.enable_batching to true.");
    if (!p->batches) return TN_OK;
    if (given(o->batching_parameters_file)) TN_TRY(read_text(o->batching_parameters_file, p->arena, &text, err));
    tn_code code = tn_batching_parse(text, o->batching_parameters_file, p->arena, &p->batching, err);
    p->batching.latency_target_ms = o->batch_latency_ms;
    if (!given(o->batching_parameters_file)) p->batching.thread_pool_name = "model_server_batch_threads";
    return code;
}

static tn_code monitoring(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    tn_MonitoringConfig *m;
    if (!given(o->monitoring_config_file)) return TN_OK;
    TN_TRY(read_message(TN_PROTO(MonitoringConfig), o->monitoring_config_file, p->arena, (void **)&m, err));
    if (!m->prometheus_config || !m->prometheus_config->enable) return TN_OK;
    tn_view path = m->prometheus_config->path;
    p->prometheus_path = path.n ? tn_arena_strndup(p->arena, path.p, path.n) : "/monitoring/prometheus/metrics";
    if (p->prometheus_path && *p->prometheus_path != '/')
        return tn_fail(err, TN_INVALID_ARGUMENT, "%s: prometheus_config.path '%s' does not begin with '/'",
                       o->monitoring_config_file, p->prometheus_path);
    return p->prometheus_path ? TN_OK : tn_no_memory(err, path.n);
}

static tn_code ssl(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    tn_SSLConfig *c;
    if (o->rest_api_ssl && !given(o->ssl_config_file))
        return tn_fail(err, TN_INVALID_ARGUMENT, "--rest_api_ssl is given without --ssl_config_file");
    if (!given(o->ssl_config_file)) return TN_OK;
    TN_TRY(read_message(TN_PROTO(SSLConfig), o->ssl_config_file, p->arena, (void **)&c, err));
    p->ssl = c;
    return TN_OK;
}

/* ==== how graphs run ==== */

static tn_code session(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    int64_t session = o->tensorflow_session_parallelism, intra = o->tensorflow_intra_op_parallelism;
    if (session > 0 && intra > 0 && o->tensorflow_inter_op_parallelism > 0)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Either configure server_options.tensorflow_session_parallelism or "
                       "(server_options.tensorflow_intra_op_parallelism, "
                       "server_options.tensorflow_inter_op_parallelism) separately. You cannot configure all.");
    if (intra || o->tensorflow_inter_op_parallelism) session = 0; /* the others decide */
    if (given(o->tensorflow_session_config_file)) {
        tn_ConfigProto *c;
        TN_TRY(read_message(TN_PROTO(ConfigProto), o->tensorflow_session_config_file, p->arena, (void **)&c, err));
        if (!intra) intra = c->intra_op_parallelism_threads;
    }
    if (session < 0 || session > 1024 || intra < 0 || intra > 1024 || o->tensorflow_inter_op_parallelism < 0 ||
        o->tensorflow_inter_op_parallelism > 1024)
        return tn_fail(err, TN_INVALID_ARGUMENT, "a parallelism is out of range: 0 to 1024");
    int64_t inter = o->tensorflow_inter_op_parallelism ? o->tensorflow_inter_op_parallelism : session;
    p->session = (tn_session_options){
        .threads = intra ? (int)intra : 1, .memory_limit = o->model_memory_limit, .max_bound_shapes = 128};
    p->leads = !intra;
    p->compute_threads = inter ? (int)inter : tn_core_count();
    return TN_OK;
}

static tn_code tags(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    for (const char *at = o->saved_model_tags; at && *at;) {
        const char *end = strchr(at, ',');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        if (n && p->n_tags == (int)TN_COUNT(p->tags))
            return tn_fail(err, TN_INVALID_ARGUMENT, "--saved_model_tags: more than %d", p->n_tags);
        if (n && !(p->tags[p->n_tags++] = tn_arena_strndup(p->arena, at, n))) return tn_no_memory(err, n);
        at = end ? end + 1 : at + n;
    }
    return TN_OK;
}

/* ==== gRPC's channel arguments ==== */

typedef struct argument {
    const char *name;
    size_t offset;
    enum { ARG_INT, ARG_INT64, ARG_SIZE } kind;
} argument;
#define ARGUMENT(name, field, kind) {name, offsetof(tn_grpc_server_options, field), kind}
static const argument arguments[] = {
    ARGUMENT("grpc.max_concurrent_streams", max_streams, ARG_INT),
    ARGUMENT("grpc.max_receive_message_length", max_message, ARG_SIZE),
    ARGUMENT("grpc.max_metadata_size", max_metadata, ARG_SIZE),
    ARGUMENT("grpc.keepalive_time_ms", keepalive_time_ms, ARG_INT64),
    ARGUMENT("grpc.keepalive_timeout_ms", keepalive_timeout_ms, ARG_INT64),
    ARGUMENT("grpc.http2.min_ping_interval_without_data_ms", min_ping_interval_ms, ARG_INT64),
    ARGUMENT("grpc.max_connection_idle_ms", max_connection_idle_ms, ARG_INT64),
    ARGUMENT("grpc.max_connection_age_ms", max_connection_age_ms, ARG_INT64),
    ARGUMENT("grpc.max_connection_age_grace_ms", max_connection_age_grace_ms, ARG_INT64),
};

/* -1 is "no limit", which zero is here. */
static void set_argument(const argument *a, tn_grpc_server_options *o, int64_t v)
{
    void *at = (char *)o + a->offset;
    if (v < 0) v = 0;
    if (a->kind == ARG_INT) *(int *)at = (int)TN_MIN(v, INT32_MAX);
    if (a->kind == ARG_INT64) *(int64_t *)at = v;
    if (a->kind == ARG_SIZE) *(size_t *)at = (size_t)v;
}

static void one_argument(tn_view text, const tn_log *log, tn_grpc_server_options *o)
{
    const char *equal = memchr(text.p, '=', text.n);
    tn_view name = {text.p, equal ? (size_t)(equal - text.p) : text.n};
    tn_view value = {equal ? equal + 1 : "", equal ? text.n - name.n - 1 : 0};
    int64_t v;
    for (size_t i = 0; i < TN_COUNT(arguments); i++) {
        if (!tn_view_is(name, arguments[i].name)) continue;
        if (tn_parse_int(value, &v))
            set_argument(&arguments[i], o, v);
        else
            tn_logf(log, TN_WARNING, "--grpc_channel_arguments: %s takes a whole number, not '%.*s'",
                    arguments[i].name, (int)value.n, value.p);
        return;
    }
    tn_logf(log, TN_WARNING, "--grpc_channel_arguments: '%.*s' has no meaning here", (int)name.n, name.p);
}

static void channel_arguments(const tn_server_options *o, const tn_log *log, tn_grpc_server_options *out)
{
    for (const char *at = o->grpc_channel_arguments; at && *at;) {
        const char *end = strchr(at, ',');
        size_t n = end ? (size_t)(end - at) : strlen(at);
        if (n) one_argument((tn_view){at, n}, log, out);
        at = end ? end + 1 : at + n;
    }
}

/* ==== addresses ==== */

static tn_code addresses(const tn_server_options *o, tn_server_plan *p, tn_error *err)
{
    const int64_t numbers[] = {o->port, o->rest_api_port};
    static const char *const names[] = {"port", "rest_api_port"};
    for (int i = 0; i < 2; i++)
        if (numbers[i] < 0 || numbers[i] > 65535)
            return tn_fail(err, TN_INVALID_ARGUMENT, "--%s=%lld is no port: 0 to 65535", names[i],
                           (long long)numbers[i]);
    bool same = o->port && o->port == o->rest_api_port;
    if (same && !o->strictly_tensorflow)
        return tn_fail(err, TN_INVALID_ARGUMENT, "--port and --rest_api_port are both %lld", (long long)o->port);
    if (o->port) p->grpc_listen[p->n_grpc_listen++] = tn_arena_printf(p->arena, "0.0.0.0:%lld", (long long)o->port);
    if (given(o->grpc_socket_path))
        p->grpc_listen[p->n_grpc_listen++] = tn_arena_printf(p->arena, "unix:%s", o->grpc_socket_path);
    if (o->rest_api_port && !same) p->rest_listen = tn_arena_printf(p->arena, "[::]:%lld", (long long)o->rest_api_port);
    for (int i = 0; i < p->n_grpc_listen; i++)
        if (!p->grpc_listen[i]) return tn_no_memory(err, 0);
    if (o->rest_api_port && !same && !p->rest_listen) return tn_no_memory(err, 0);
    if (!p->n_grpc_listen && !p->rest_listen)
        return tn_fail(err, TN_INVALID_ARGUMENT, "server_options.grpc_port is not set: there is no port at all");
    return TN_OK;
}

static void limits(const tn_server_options *o, tn_server_plan *p)
{
    p->grpc.max_message = o->max_request_size;
    p->grpc.max_streams = (int)TN_MIN(o->max_streams, INT32_MAX);
    p->grpc.max_connections = (int)TN_MIN(o->max_connections, INT32_MAX);
    p->grpc.threads = (int)TN_MIN(TN_MAX(o->grpc_max_threads, 0), TN_MIN(tn_core_count(), 4));
}

tn_code tn_server_plan_make(const tn_server_options *o, const tn_log *log, tn_server_plan *out, tn_error *err)
{
    tn_server_plan p = {.arena = tn_arena_new(0)};
    tn_code code = p.arena ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = addresses(o, &p, err);
    if (code == TN_OK) code = batching(o, &p, err);
    if (code == TN_OK) code = monitoring(o, &p, err);
    if (code == TN_OK) code = ssl(o, &p, err);
    if (code == TN_OK) code = session(o, &p, err);
    if (code == TN_OK) code = tags(o, &p, err);
    if (code != TN_OK) {
        tn_server_plan_free(&p);
        return code;
    }
    limits(o, &p);
    channel_arguments(o, log, &p.grpc);
    *out = p;
    return TN_OK;
}

void tn_server_plan_free(tn_server_plan *p)
{
    tn_arena_free(p->arena);
    *p = (tn_server_plan){0};
}
