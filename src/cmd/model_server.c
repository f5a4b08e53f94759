/* SPDX-License-Identifier: Apache-2.0
 *
 * model_server.c - the program under the name tensorflow_model_server: its command line, read and told as TensorFlow
 * Serving's, its exit statuses. What the flags do is serve.c's.
 *
 * --name=value, and for booleans nothing, =true or =false behind the name; what is no such thing is told and passed
 * over, a value that cannot be read ends it with the usage and -1, and so does --help, if nothing unknown is before it.
 * Flags of `turnery serve` that TensorFlow Serving has not are taken, too.
 */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILED = 255 }; /* -1 */

typedef enum type { INT32, INT64, FLOAT, BOOL, STRING } type;
static const char *const type_names[] = {"int32", "int64", "float", "bool", "string"};

static const struct option {
    const char *name;
    type type;
    const char *value; /* the default, as the usage has it; where per_core is not 0: so many for each core */
    int per_core;
} options[] = { /* in the order in which they are told */
    {"port", INT32, "8500", 0},
    {"grpc_socket_path", STRING, "", 0},
    {"rest_api_port", INT32, "0", 0},
    {"rest_api_num_threads", INT32, NULL, 4},
    {"rest_api_timeout_in_ms", INT32, "30000", 0},
    {"rest_api_enable_cors_support", BOOL, "false", 0},
    {"enable_batching", BOOL, "false", 0},
    {"allow_version_labels_for_unavailable_models", BOOL, "false", 0},
    {"batching_parameters_file", STRING, "", 0},
    {"enable_per_model_batching_parameters", BOOL, "false", 0},
    {"model_config_file", STRING, "", 0},
    {"model_config_file_poll_wait_seconds", INT32, "0", 0},
    {"model_name", STRING, "default", 0},
    {"model_base_path", STRING, "", 0},
    {"num_load_threads", INT32, "0", 0},
    {"num_unload_threads", INT32, "0", 0},
    {"max_num_load_retries", INT32, "5", 0},
    {"load_retry_interval_micros", INT64, "60000000", 0},
    {"file_system_poll_wait_seconds", INT32, "1", 0},
    {"flush_filesystem_caches", BOOL, "true", 0},
    {"tensorflow_session_parallelism", INT64, "0", 0},
    {"tensorflow_session_config_file", STRING, "", 0},
    {"tensorflow_intra_op_parallelism", INT64, "0", 0},
    {"tensorflow_inter_op_parallelism", INT64, "0", 0},
    {"use_alts_credentials", BOOL, "false", 0},
    {"ssl_config_file", STRING, "", 0},
    {"platform_config_file", STRING, "", 0},
    {"per_process_gpu_memory_fraction", FLOAT, "0.000000", 0},
    {"saved_model_tags", STRING, "serve", 0},
    {"grpc_channel_arguments", STRING, "", 0},
    {"grpc_max_threads", INT32, NULL, 4},
    {"enable_model_warmup", BOOL, "true", 0},
    {"num_request_iterations_for_warmup", INT32, "0", 0},
    {"version", BOOL, "false", 0},
    {"monitoring_config_file", STRING, "", 0},
    {"remove_unused_fields_from_bundle_metagraph", BOOL, "true", 0},
    {"prefer_tflite_model", BOOL, "false", 0},
    {"num_tflite_pools", INT32, NULL, 1},
    {"num_tflite_interpreters_per_pool", INT32, "1", 0},
    {"enable_signature_method_name_check", BOOL, "false", 0},
    {"xla_cpu_compilation_enabled", BOOL, "false", 0},
    {"xla_gpu_compilation_enabled", BOOL, "false", 0},
    {"enable_profiler", BOOL, "true", 0},
    {"thread_pool_factory_config_file", STRING, "", 0},
    {"mixed_precision", STRING, "", 0},
    {"skip_initialize_tpu", BOOL, "false", 0},
    {"enable_grpc_healthcheck_service", BOOL, "false", 0},
    {"enable_serialization_as_tensor_content", BOOL, "false", 0},
};

/* ==== usage ==== */

static void tell_option(const struct option *o)
{
    char text[120];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool negated;
    const flag *f = flags_find(serve_flags(), o->name, strlen(o->name), &negated);
    const char *quote = o->type == STRING ? "\"" : "";
    if (o->per_core)
        snprintf(text, sizeof text, "--%s=%ld", o->name, o->per_core * (cores > 0 ? cores : 1));
    else
        snprintf(text, sizeof text, "--%s=%s%s%s", o->name, quote, o->value, quote);
    printf("\t%-33s\t%s\t%s\n", text, type_names[o->type], f ? f->help : "");
}

static void usage(const char *program)
{
    printf("usage: %s\nFlags:\n", program);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) tell_option(&options[i]);
    fflush(stdout);
}

/* ==== arguments ==== */

typedef enum verdict { UNKNOWN, TAKEN, BAD } verdict;

static bool is_value(type t, const char *value)
{
    char *end = NULL;
    double number = 0;
    errno = 0;
    switch (t) {
    case STRING: return true;
    case BOOL: return !*value || !strcmp(value, "=true") || !strcmp(value, "=false");
    case FLOAT: number = strtod(value, &end); break;
    default: strtoll(value, &end, 10);
    }
    return end != value && !*end && errno == 0 && number > -1e9 && number < 1e9;
}

/* *take: the argument as serve.c is to have it. */
static verdict judge(const struct option *o, char *argument, char **take)
{
    static char never[] = "--model_config_file_poll_wait_seconds=0";
    size_t n = strlen(o->name);
    if (strncmp(argument, "--", 2) != 0 || strncmp(argument + 2, o->name, n) != 0) return UNKNOWN;
    char *value = argument + 2 + n;
    if (o->type != BOOL && *value++ != '=') return UNKNOWN;
    if (!is_value(o->type, value)) {
        serve_error("Couldn't interpret value %s for flag %s.", value, o->name);
        return BAD;
    }
    *take = argument;
    if (!strcmp(o->name, "model_config_file_poll_wait_seconds") && strtoll(value, NULL, 10) < 0) *take = never;
    return TAKEN;
}

/* One that only `turnery serve` has. */
static bool is_own(const char *argument)
{
    size_t n = strncmp(argument, "--", 2) == 0 ? strcspn(argument + 2, "=") : 0;
    bool negated = false;
    const flag *f = n ? flags_find(serve_flags(), argument + 2, n, &negated) : NULL;
    return f && !negated && (argument[2 + n] || f->kind == FLAG_BOOL);
}

static verdict judge_all(char *argument, char **take)
{
    verdict v = UNKNOWN;
    for (size_t i = 0; i < sizeof options / sizeof *options && v == UNKNOWN; i++)
        v = judge(&options[i], argument, take);
    if (v != UNKNOWN || !is_own(argument)) return v;
    *take = argument;
    return TAKEN;
}

/* Keeps in argv what serve.c is to have. *unknown: the first argument that is nothing known, or NULL. */
static bool take_arguments(int *argc, char **argv, const char **unknown)
{
    int n = 0;
    bool good = true;
    *unknown = NULL;
    for (int i = 1; i < *argc; i++) {
        char *take = NULL;
        verdict v = judge_all(argv[i], &take);
        if (v == BAD) good = false;
        if (v == UNKNOWN && !*unknown) *unknown = argv[i];
        if (v == UNKNOWN && !strcmp(argv[i], "--")) break; /* nothing behind it is a flag */
        if (v == TAKEN) argv[1 + n++] = take;
    }
    *argc = n;
    return good && !(*unknown && !strcmp(*unknown, "--help"));
}

static bool tells_version(int argc, char **argv)
{
    bool tells = false;
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--version") || !strncmp(argv[i], "--version=", strlen("--version=")))
            tells = strcmp(argv[i], "--version=false") != 0;
    return tells;
}

int model_server_main(int argc, char **argv)
{
    tn_error err = {TN_OK, ""};
    const char *unknown;
    if (!take_arguments(&argc, argv, &unknown)) {
        usage(argv[0]);
        return FAILED;
    }
    if (tells_version(argc, argv + 1)) {
        serve_tell_version();
        return 0;
    }
    if (unknown) {
        printf("unknown argument: %s\n", unknown);
        usage(argv[0]);
    }
    tn_code code = serve_as_tensorflow(argc, argv + 1, &err);
    if (code == TN_OK) return 0;
    serve_error("%s", err.message); /* why on standard error, and the status on standard output */
    printf("Failed to start server. Error: %s: %s\n", tn_code_name(code), err.message);
    return FAILED;
}
