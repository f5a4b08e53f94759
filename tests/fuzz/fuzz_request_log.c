/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_request_log.c - a TFRecord file of PredictionLogs: what warms a model, and what is asked again of a server and compared with
 * the answers that were recorded. Each record is told of once.
 */
#include "scratch_file.h"
#include "serve/models.h"
#include "small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct { /* the same for all inputs */
    char folder[64], version[80], log[80], socket[80], target[96];
    tn_servable *servable;
    tn_server *server;
    tn_stub *stub;
} all;

static void stop(void)
{
    tn_stub_free(all.stub);
    tn_server_free(all.server);
    tn_servable_unref(all.servable);
    tn_remove_tree(all.folder, NULL);
}

static void start(void)
{
    tn_error err;
    tn_server_options o;
    tn_fuzz_path(all.folder, sizeof all.folder, "request_log");
    snprintf(all.version, sizeof all.version, "%s/1", all.folder);
    snprintf(all.log, sizeof all.log, "%s/log", all.folder);
    snprintf(all.socket, sizeof all.socket, "%s/socket", all.folder);
    snprintf(all.target, sizeof all.target, "unix:%s", all.socket);
    all.servable = tn_fuzz_load_model(all.version);
    tn_server_defaults(&o);
    o.port = 0;
    o.grpc_socket_path = all.socket;
    o.model_name = "m";
    o.model_base_path = all.folder;
    o.file_system_poll_wait_seconds = 0;
    o.model_memory_limit = 1 << 26;
    const tn_stub_options to = {.server = all.target};
    if (tn_server_new(&o, &all.server, &err) != TN_OK || tn_server_start(all.server, &err) != TN_OK ||
        tn_stub_new(&to, &all.stub, &err) != TN_OK)
        __builtin_trap();
    atexit(stop);
}

static void warm_up(tn_view records)
{
    char path[128];
    tn_error err;
    tn_servable_options o = {.warm_up = true};
    snprintf(path, sizeof path, "%s/assets.extra", all.version);
    tn_make_folders(path, NULL);
    snprintf(path, sizeof path, "%s/assets.extra/tf_serving_warmup_requests", all.version);
    tn_fuzz_write(path, records.p, records.n);
    tn_warm_up(all.servable, &o, &err);
}

static void count(void *payload, const tn_replayed *r)
{
    int64_t *told = payload;
    if (!r->kind || !r->model || (r->verdict == TN_REPLAY_DIFFERENT && !*r->text)) __builtin_trap();
    ++*told;
}

static void replay(tn_view records)
{
    int64_t told = 0, there = 0;
    tn_view record;
    tn_error err;
    tn_fuzz_write(all.log, records.p, records.n);
    const tn_replay_options o = {.tolerance = 1e-3, .concurrency = 4, .told = count, .payload = &told};
    tn_stub_replay(all.stub, all.log, &o, &err);
    while (tn_record_next(&records, 0, &record, &err) == TN_OK) there++;
    if (told != there) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_view records = {(const char *)data, size};
    if (!all.server) start();
    warm_up(records);
    replay(records);
    return 0;
}
