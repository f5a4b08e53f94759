/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - `turnery replay`: request logs asked again at a server, and a report of what is different now.
 */
#include "experiment.h"
#include "latency.h"
#include "client.h"

#include <stdlib.h>

typedef struct values {
    server_values server;
    double tolerance;
    int64_t concurrency, limit;
    bool json;
} values;

static const flag flags[] = {
    SERVER_FLAGS(values),
    {"tolerance", FLAG_NUMBER, offsetof(values, tolerance), "T",
     "how far numbers may be off, relative to those recorded where these are more than 1 (0)"},
    {"concurrency", FLAG_INT, offsetof(values, concurrency), "N", "questions on their way at once (16)"},
    {"limit", FLAG_INT, offsetof(values, limit), "N", "how many differences are printed (20); all are counted"},
    {"json", FLAG_BOOL, offsetof(values, json), NULL, "a JSON object for each record, then one for all of them"},
    FLAGS_END,
};

static const char *const verdicts[] = {"equal", "near", "different", "failed", "alone", "skipped"};
static const char *const words[] = {
    "equal", "within the tolerance", "different", "failed", "without a recorded answer", "passed over",
};
enum { N_VERDICTS = sizeof verdicts / sizeof *verdicts };

typedef struct report {
    const values *v;
    latency latency;
    long long counts[N_VERDICTS];
} report;

static void json_record(const tn_replayed *r)
{
    fputs("{\"file\":", stdout);
    json_text(stdout, r->path);
    printf(",\"record\":%lld,\"kind\":\"%s\",\"model\":", (long long)r->record, r->kind);
    json_text(stdout, r->model);
    printf(",\"verdict\":\"%s\",\"code\":\"%s\",\"ms\":%.3f", verdicts[r->verdict], tn_code_name(r->code),
           (double)r->microseconds / 1e3);
    if (r->verdict == TN_REPLAY_DIFFERENT) printf(",\"values\":%lld", (long long)r->different);
    if (r->text && *r->text) {
        fputs(",\"text\":", stdout);
        json_text(stdout, r->text);
    }
    fputs("}\n", stdout);
}

static void print_record(const tn_replayed *r)
{
    printf("%s record %lld (%s of '%s'): ", r->path, (long long)r->record, r->kind, r->model);
    if (r->verdict == TN_REPLAY_FAILED)
        printf("%s: %s\n", tn_code_name(r->code), r->text);
    else if (r->different > 1)
        printf("%s; %lld values differ\n", r->text, (long long)r->different);
    else
        printf("%s\n", r->text);
}

static void told(void *payload, const tn_replayed *r)
{
    report *p = payload;
    bool bad = r->verdict == TN_REPLAY_DIFFERENT || r->verdict == TN_REPLAY_FAILED;
    p->counts[r->verdict]++;
    if (r->microseconds && r->verdict != TN_REPLAY_FAILED) latency_add(&p->latency, r->microseconds);
    if (p->v->json)
        json_record(r);
    else if (bad && p->counts[TN_REPLAY_DIFFERENT] + p->counts[TN_REPLAY_FAILED] <= p->v->limit)
        print_record(r);
}

static void print_all(const report *p, double seconds)
{
    long long all = 0;
    for (int i = 0; i < N_VERDICTS; i++) all += p->counts[i];
    if (p->v->json) {
        printf("{\"records\":%lld,\"seconds\":%.3f,", all, seconds);
        for (int i = 0; i < N_VERDICTS; i++) printf("\"%s\":%lld,", verdicts[i], p->counts[i]);
        latency_json(&p->latency, stdout);
        fputs("}\n", stdout);
        return;
    }
    printf("%lld records in %.3f s", all, seconds);
    for (int i = 0; i < N_VERDICTS; i++)
        if (p->counts[i]) printf(", %lld %s", p->counts[i], words[i]);
    putchar('\n');
    if (p->latency.n) latency_line(&p->latency, stdout);
}

static tn_code replay_all(const values *v, const strings *logs, tn_stub *stub, tn_error *err)
{
    report *p = calloc(1, sizeof *p);
    if (!p) return no_memory(err);
    p->v = v;
    const tn_replay_options o = {.model = v->server.model, .version = v->server.version, .label = v->server.label,
                                 .tolerance = v->tolerance, .concurrency = (int)v->concurrency,
                                 .seconds = v->server.deadline, .told = told, .payload = p};
    tn_code code = TN_OK;
    int64_t began = now_us();
    for (int i = 0; code == TN_OK && i < logs->n; i++) code = tn_stub_replay(stub, logs->v[i], &o, err);
    print_all(p, (double)(now_us() - began) / 1e6);
    long long different = p->counts[TN_REPLAY_DIFFERENT], failed = p->counts[TN_REPLAY_FAILED];
    free(p);
    if (code != TN_OK || !(different + failed)) return code;
    usage_error(err, "%lld answers differ, %lld questions failed", different, failed);
    return err->code = TN_ABORTED; /* status 1, as diff has it */
}

static tn_code run(int argc, char **argv, tn_error *err)
{
    values v = {.concurrency = 16, .limit = 20};
    strings rest = {.n = 0};
    tn_stub *stub;
    tn_code code = flags_parse(flags, argc, argv, &v, &rest, err);
    if (code != TN_OK) return code;
    if (!rest.n) return usage_error(err, "no request log is named");
    if (!v.server.target) return usage_error(err, "no --server is named");
    if (v.concurrency < 1 || v.concurrency > 100000) return usage_error(err, "--concurrency takes 1 to 100000");
    if (v.tolerance < 0) return usage_error(err, "--tolerance is negative");
    if ((code = server_open(&v.server, &stub, err)) != TN_OK) return code;
    code = replay_all(&v, &rest, stub, err);
    tn_stub_free(stub);
    return code;
}

const command cmd_replay = {
    .name = "replay",
    .summary = "Asks a request log again, at another server or version, and tells what differs",
    .usage = "LOG... --server TARGET [FLAGS]",
    .flags = flags,
    .run = run,
};
