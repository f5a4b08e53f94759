/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_server_files.c - one byte of choice, then one of the files that a model server's options name: batching parameters, monitoring,
 * TLS, session, tokens; a PEM text as key, certificate and authority; gRPC's channel arguments, which are none.
 */
#include "scratch_file.h"
#include "serve/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_plan(const tn_server_options *o)
{
    tn_server_plan p;
    tn_error err;
    if (tn_server_plan_make(o, NULL, &p, &err) != TN_OK) return;
    if (p.prometheus_path && *p.prometheus_path != '/') __builtin_trap();
    if (p.batches && (p.batching.max_batch_size < 1 || p.batching.max_execution_batch_size < 1)) __builtin_trap();
    tn_server_plan_free(&p);
}

static void read_tokens(const char *path, tn_view text)
{
    tn_tokens *t;
    tn_error err;
    char shown[128];
    if (tn_tokens_load(path, &t, &err) != TN_OK) return;
    snprintf(shown, sizeof shown, "Bearer %.*s", (int)strcspn(text.p, " \t\r\n"), text.p);
    tn_tokens_check(t, shown, (tn_view){NULL, 0}, &err);
    tn_tokens_check(t, shown, tn_view_of("m"), &err);
    if (tn_tokens_check(t, "Bearer", tn_view_of("m"), &err) == TN_OK) __builtin_trap();
    tn_tokens_free(t);
}

static void read_pem(tn_view text)
{
    tn_tls *t;
    tn_error err;
    for (int i = 0; i < 2; i++) {
        const tn_tls_options o = {.key = text, .cert = text, .ca = text, .verify_peer = true, .client = i};
        if (tn_tls_new(&o, &t, &err) == TN_OK) tn_tls_free(t);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    tn_server_options o;
    if (!size) return 0;
    char *text = tn_malloc(size); /* with a NUL */
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    tn_view all = {text, size - 1};
    tn_fuzz_path(path, sizeof path, "server_file");
    tn_fuzz_write(path, all.p, all.n);
    tn_server_defaults(&o);
    o.enable_batching = true;
    switch (data[0] % 7) {
    case 0: o.batching_parameters_file = path; break;
    case 1: o.monitoring_config_file = path; break;
    case 2: o.ssl_config_file = path; break;
    case 3: o.tensorflow_session_config_file = path; break;
    case 4: o.grpc_channel_arguments = o.saved_model_tags = text; break;
    case 5: read_tokens(path, all); break;
    default: read_pem(all); break;
    }
    if (data[0] % 7 < 5) make_plan(&o);
    unlink(path);
    tn_free(text);
    return 0;
}
