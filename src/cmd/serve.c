/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.c - `turnery serve`: flags, log lines, signals. The server itself is the library's (turnery.h, chapter 11).
 * Under the name tensorflow_model_server the command line is model_server.c's, and every reply is TensorFlow Serving's.
 */
#include "cmd.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

typedef struct values {
    tn_server_options o;
    double drain_seconds;
    bool version;
    const char *unused_text; /* flags of TensorFlow Serving that have no meaning here */
    bool unused_bool;
    int64_t unused_int;
    double unused_number;
    char path[4200]; /* of the model that the environment names */
} values;

#define ROW(field, kind, value, help) {#field, kind, offsetof(values, o.field), value, help}
#define UNUSED(name) {name, FLAG_STRING, offsetof(values, unused_text), "VALUE", "accepted; has no meaning here"}
#define UNUSED_BOOL(name) {name, FLAG_BOOL, offsetof(values, unused_bool), NULL, "accepted; has no meaning here"}
#define UNUSED_INT(name) {name, FLAG_INT, offsetof(values, unused_int), "N", "accepted; has no meaning here"}
#define UNUSED_NUMBER(name) {name, FLAG_NUMBER, offsetof(values, unused_number), "N", "accepted; has no meaning here"}

static const flag flags[] = {
    ROW(port, FLAG_INT, "N", "TCP port for gRPC (8500); 0: none"),
    ROW(grpc_socket_path, FLAG_STRING, "PATH", "a UNIX socket for gRPC, beside the port"),
    ROW(rest_api_port, FLAG_INT, "N", "TCP port for REST and metrics (0: none)"),
    ROW(rest_api_num_threads, FLAG_INT, "N", "threads of REST (4 a core)"),
    ROW(rest_api_timeout_in_ms, FLAG_INT, "MS", "how long a REST request may take (30000)"),
    ROW(rest_api_enable_cors_support, FLAG_BOOL, NULL, "headers that allow requests from other origins"),
    ROW(rest_api_ssl, FLAG_BOOL, NULL, "TLS on the REST port, too, by --ssl_config_file"),
    ROW(rest_api_gzip, FLAG_BOOL, NULL, "REST's answers are compressed for clients that accept gzip"),
    ROW(model_name, FLAG_STRING, "NAME", "the one model's name (default)"),
    ROW(model_base_path, FLAG_STRING, "FOLDER", "its folder of numbered versions"),
    ROW(model_dir, FLAG_STRING, "RUN", "a training run, whose exports are served as they appear"),
    ROW(checkpoint, FLAG_STRING, "PREFIX", "serve a checkpoint with its .meta, without an export"),
    ROW(meta_graph, FLAG_STRING, "FILE", "its MetaGraph, where that is not PREFIX.meta"),
    ROW(signature_inputs, FLAG_STRING, "KEY=TENSOR,..", "what is fed of a MetaGraph that has no signatures"),
    ROW(signature_outputs, FLAG_STRING, "KEY=TENSOR,..", "what is asked of it"),
    ROW(model_config_file, FLAG_STRING, "FILE", "several models: a ModelServerConfig as text"),
    ROW(model_config_file_poll_wait_seconds, FLAG_SECONDS, "SECONDS", "how often that file is read again (0: never)"),
    ROW(file_system_poll_wait_seconds, FLAG_NUMBER, "SECONDS",
        "how often folders are looked at for versions (1); 0: once at start, negative: never"),
    ROW(saved_model_tags, FLAG_STRING, "TAGS", "of the MetaGraph that is served (serve)"),
    ROW(num_load_threads, FLAG_INT, "N", "threads that load (0: one)"),
    ROW(num_unload_threads, FLAG_INT, "N", "threads that unload (0: one)"),
    ROW(max_num_load_retries, FLAG_INT, "N", "further attempts at a version that failed to load (5)"),
    ROW(load_retry_interval_micros, FLAG_INT, "MICROS", "between them (60000000)"),
    ROW(allow_version_labels_for_unavailable_models, FLAG_BOOL, NULL, "labels may be given to versions not yet there"),
    ROW(enable_signature_method_name_check, FLAG_BOOL, NULL, "a signature answers its own method only"),
    ROW(enable_batching, FLAG_BOOL, NULL, "requests are run together"),
    ROW(batching_parameters_file, FLAG_STRING, "FILE", "how: a BatchingParameters as text"),
    ROW(enable_per_model_batching_parameters, FLAG_BOOL, NULL, "as batching_params.pbtxt beside a model says"),
    ROW(batch_latency_ms, FLAG_SECONDS, "MS", "batch, and choose sizes and waits so that answers take so long"),
    ROW(tensorflow_session_parallelism, FLAG_INT, "N", "requests that compute at once (0: one a core)"),
    ROW(tensorflow_intra_op_parallelism, FLAG_INT, "N", "threads of one request (0: the cores that are idle)"),
    ROW(tensorflow_inter_op_parallelism, FLAG_INT, "N", "as tensorflow_session_parallelism"),
    ROW(tensorflow_session_config_file, FLAG_STRING, "FILE", "a ConfigProto as text: its intra_op_parallelism_threads"),
    ROW(enable_model_warmup, FLAG_BOOL, NULL, "versions answer warm-up requests before others' (true)"),
    ROW(num_request_iterations_for_warmup, FLAG_INT, "N", "how often each of them (1)"),
    ROW(monitoring_config_file, FLAG_STRING, "FILE", "a MonitoringConfig as text: metrics for Prometheus"),
    ROW(access_log, FLAG_STRING, "FILE", "a JSON line for each request; -: standard error"),
    ROW(ssl_config_file, FLAG_STRING, "FILE", "an SSLConfig as text: TLS for gRPC"),
    ROW(auth_tokens_file, FLAG_STRING, "FILE", "bearer tokens and the models they may ask"),
    ROW(enable_grpc_healthcheck_service, FLAG_BOOL, NULL, "grpc.health.v1.Health"),
    ROW(enable_serialization_as_tensor_content, FLAG_BOOL, NULL, "responses' tensors as tensor_content"),
    ROW(grpc_max_threads, FLAG_INT, "N", "threads that move gRPC's bytes (0: one a core, at most 4)"),
    ROW(grpc_channel_arguments, FLAG_STRING, "A=1,B=2", "grpc.max_concurrent_streams, grpc.keepalive_time_ms, ..."),
    ROW(max_connections, FLAG_INT, "N", "at once, of each port (0: by the file descriptors there may be)"),
    ROW(max_streams, FLAG_INT, "N", "requests at once on a gRPC connection (1000)"),
    ROW(max_request_size, FLAG_SIZE, "BYTES", "of one request (2GB)"),
    ROW(model_memory_limit, FLAG_SIZE, "BYTES", "of one version's variables and values (no limit)"),
    {"drain_seconds", FLAG_SECONDS, offsetof(values, drain_seconds), "SECONDS",
     "what running requests get when the server is told to stop (30)"},
    {"version", FLAG_BOOL, offsetof(values, version), NULL, "print the version and exit"},
    UNUSED_BOOL("use_alts_credentials"),
    UNUSED_BOOL("enable_profiler"),
    UNUSED_BOOL("flush_filesystem_caches"),
    UNUSED_BOOL("remove_unused_fields_from_bundle_metagraph"),
    UNUSED_BOOL("prefer_tflite_model"),
    UNUSED_INT("num_tflite_pools"),
    UNUSED_INT("num_tflite_interpreters_per_pool"),
    UNUSED("platform_config_file"),
    UNUSED_NUMBER("per_process_gpu_memory_fraction"),
    UNUSED("thread_pool_factory_config_file"),
    UNUSED("mixed_precision"),
    UNUSED_BOOL("xla_cpu_compilation_enabled"),
    UNUSED_BOOL("xla_gpu_compilation_enabled"),
    UNUSED_BOOL("skip_initialize_tpu"),
    FLAGS_END,
};

/* ==== log lines ==== as TensorFlow's: date, time, level */

static void write_line(void *payload, int level, const char *line)
{
    (void)payload;
    struct timespec now;
    struct tm tm;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    fprintf(stderr, "%s.%06ld: %c turnery] %s\n", when, now.tv_nsec / 1000, "DIWE"[level & 3], line);
}

static void say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(int level, const char *format, ...)
{
    char line[2200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    write_line(NULL, level, line);
}

/* ==== systemd ==== tells the service manager, where there is one (sd_notify's protocol) */

static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
    memcpy(to.sun_path, path, n);
    if (path[0] == '@') to.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
        say(2, "NOTIFY_SOCKET=%s cannot be written to", path);
    close(fd);
}

/* ==== signals ==== taken by one thread, which the others leave them to */

typedef struct guard {
    tn_server *server;
    double drain_seconds;
    sigset_t signals;
    pthread_mutex_t lock;
    pthread_cond_t reloaded;
    int reloading; /* threads that do */
    bool ready;    /* requests are answered: the service manager hears of reloads */
} guard;

/* A thread of its own: a model may be long in coming, and the next signal is not to wait for it. */
static void *reload(void *payload)
{
    guard *g = payload;
    tn_error err = {TN_OK, ""};
    tn_code code = tn_server_reload(g->server, &err);
    if (code != TN_OK) say(code == TN_ABORTED ? 1 : 3, "reload: %s: %s", tn_code_name(code), err.message);
    pthread_mutex_lock(&g->lock);
    if (--g->reloading == 0 && g->ready) notify("READY=1");
    pthread_cond_signal(&g->reloaded);
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static void start_reload(guard *g)
{
    pthread_t thread;
    say(1, "SIGHUP: reading the configuration again");
    pthread_mutex_lock(&g->lock);
    if (g->ready) notify("RELOADING=1");
    bool started = pthread_create(&thread, NULL, reload, g) == 0;
    g->reloading += started;
    pthread_mutex_unlock(&g->lock);
    if (started) pthread_detach(thread);
    else say(3, "reload: no thread could be started");
}

/* READY=1 or STOPPING=1: from here on, or no more. */
static void set_ready(guard *g, bool ready)
{
    pthread_mutex_lock(&g->lock);
    g->ready = ready;
    notify(ready ? "READY=1" : "STOPPING=1");
    pthread_mutex_unlock(&g->lock);
}

/* Once the server is told to stop, they end soon. */
static void wait_for_reloads(guard *g)
{
    pthread_mutex_lock(&g->lock);
    while (g->reloading) pthread_cond_wait(&g->reloaded, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

/* SIGUSR1 comes from ourselves: starting has failed, nothing is to be drained. */
static void *watch(void *payload)
{
    guard *g = payload;
    for (int sig = 0;;) {
        if (sigwait(&g->signals, &sig) != 0) continue;
        if (sig == SIGUSR1) return NULL;
        if (sig == SIGHUP) {
            start_reload(g);
            continue;
        }
        say(1, "%s: stopping; running requests have %g seconds to finish", sig == SIGTERM ? "SIGTERM" : "SIGINT",
            g->drain_seconds);
        set_ready(g, false);
        if (!tn_server_stop(g->server, g->drain_seconds)) say(2, "not all requests finished in time");
        return NULL;
    }
}

static void set_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that may not grow loses records */
}

/* Each connection takes one; most systems give a process few and let it have many. */
static void take_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

/* ==== the command ==== */

/* The container image of TensorFlow Serving names the one model by these. */
static tn_code from_environment(values *v, tn_error *err)
{
    const char *name = getenv("MODEL_NAME"), *base = getenv("MODEL_BASE_PATH");
    if (*v->o.model_base_path || *v->o.model_config_file || *v->o.model_dir || *v->o.checkpoint || !base || !*base)
        return TN_OK;
    if (!name || !*name) name = "model";
    int n = snprintf(v->path, sizeof v->path, "%s/%s", base, name);
    if (n < 0 || (size_t)n >= sizeof v->path) return usage_error(err, "MODEL_BASE_PATH is too long");
    v->o.model_name = name;
    v->o.model_base_path = v->path;
    return TN_OK;
}

static void warn_unused(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");
        size_t n = strcspn(name, "=");
        for (const flag *f = flags; f->name; f++)
            if (argv[i][0] == '-' && strlen(f->name) == n && !memcmp(f->name, name, n) &&
                f->offset >= offsetof(values, unused_text) && f->offset < offsetof(values, path))
                say(2, "--%s is accepted and has no meaning here", f->name);
    }
}

/* Each thread that finds the allocator busy gets an arena of its own, which keeps what the thread frees; only the
 * first arena gives all of it back. Half as many as cores are fast enough. */
static void few_arenas(void)
{
#ifdef __GLIBC__
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    mallopt(M_ARENA_MAX, cores > 3 ? (int)(cores / 2) : 1);
#endif
}

static tn_code run_server(values *v, tn_error *err)
{
    guard g = {
        .drain_seconds = v->drain_seconds, .lock = PTHREAD_MUTEX_INITIALIZER, .reloaded = PTHREAD_COND_INITIALIZER};
    pthread_t watcher;
    few_arenas();
    set_signals(&g.signals);
    take_descriptors();
    tn_code code = tn_server_new(&v->o, &g.server, err);
    if (code != TN_OK) return code;
    if (pthread_create(&watcher, NULL, watch, &g) != 0) {
        tn_server_free(g.server);
        return usage_error(err, "no thread could be started");
    }
    code = tn_server_start(g.server, err);
    if (code == TN_OK)
        set_ready(&g, true);
    else if (code != TN_CANCELLED)
        pthread_kill(watcher, SIGUSR1);
    pthread_join(watcher, NULL);
    tn_server_stop(g.server, 0);
    wait_for_reloads(&g);
    tn_server_free(g.server);
    return code == TN_CANCELLED ? TN_OK : code;
}

void serve_tell_version(void)
{
    printf("TensorFlow ModelServer: turnery %s\nTensorFlow Library: turnery %s\n", tn_version(), tn_version());
}

static tn_code serve(values *v, int argc, char **argv, tn_error *err)
{
    if (v->version) {
        serve_tell_version();
        return TN_OK;
    }
    tn_code code = from_environment(v, err);
    if (code != TN_OK) return code;
    warn_unused(argc, argv);
    return run_server(v, err);
}

static void defaults(values *v)
{
    *v = (values){.drain_seconds = 30};
    tn_server_defaults(&v->o);
    v->o.log = write_line;
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v;
    strings rest = {.n = 0};
    defaults(&v);
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if (rest.n) return usage_error(err, "'%s' is no flag; flags are --name=value", rest.v[0]);
    return serve(&v, argc, argv, err);
}

const command cmd_serve = {
    .name = "serve",
    .summary = "Serves models as tensorflow_model_server does: gRPC, REST, versions, batching",
    .usage = "--model_name=NAME --model_base_path=FOLDER [FLAGS]",
    .usage_more = "--model_config_file=FILE [FLAGS]",
    .flags = flags,
    .run = run,
};

/* ==== tensorflow_model_server ==== (model_server.c) */

const flag *serve_flags(void)
{
    return flags;
}

void serve_error(const char *format, ...)
{
    char line[2200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    write_line(NULL, 3, line);
}

tn_code serve_as_tensorflow(int argc, char **argv, tn_error *err)
{
    values v;
    tn_code code = TN_OK;
    defaults(&v);
    v.o.strictly_tensorflow = true;
    for (int i = 0; i < argc && code == TN_OK; i++) code = flags_parse_one(flags, argv[i], &v, err);
    return code == TN_OK ? serve(&v, argc, argv, err) : code;
}
