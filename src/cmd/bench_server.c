/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_server.c - `turnery bench --server`: how many answers a second a model server gives, and how long they take.
 *
 * Closed loop: so many questions are on their way at once (--concurrency), each answer is followed by the next
 * question. Open loop (--rate): questions are due at fixed times whatever the answers do, and an answer's time counts
 * from when its question was due, not from when it could be asked: a server that stalls is charged for all who wait.
 * gRPC: questions without waiting; REST: a thread for each that is on its way. With --most_batch there is a question
 * of each size from --batch on, and which comes next is drawn: what mixed traffic costs beside that of one size.
 */
#include "bench.h"
#include "inputs.h"
#include "experiment.h"
#include "latency.h"
#include "client.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_AT_ONCE = 4096, MOST_CONNECTIONS = 256, MOST_SIZES = 1024, N_CODES = 17, MOST_WAITING = 1 << 20 };

typedef struct values {
    input_values in;
    server_values server;
    const char *signature;
    int64_t concurrency, connections, most_batch;
    double rate, seconds, warmup;
    bool json;
} values;

const flag bench_server_flags[] = {
    SERVER_FLAGS(values),
    INPUT_FLAGS(values),
    {"signature", FLAG_STRING, offsetof(values, signature), "NAME", "the model's signature (serving_default)"},
    {"concurrency", FLAG_INT, offsetof(values, concurrency), "N",
     "questions on their way at once (1; 64 with --rate over REST)"},
    {"rate", FLAG_NUMBER, offsetof(values, rate), "R",
     "questions a second, due at fixed times (as many as are answered)"},
    {"seconds", FLAG_SECONDS, offsetof(values, seconds), "SECONDS", "that are measured (10)"},
    {"warmup", FLAG_SECONDS, offsetof(values, warmup), "SECONDS", "before that (1)"},
    {"connections", FLAG_INT, offsetof(values, connections), "N", "to share them among (gRPC; 1)"},
    {"most_batch", FLAG_INT, offsetof(values, most_batch), "N",
     "each question's batch is drawn, from --batch to N (all have --batch)"},
    {"json", FLAG_BOOL, offsetof(values, json), NULL, "one JSON object instead of words"},
    FLAGS_END,
};

typedef struct sized { /* the question of one batch size */
    tn_question question;
    tn_feed feeds[SERVER_INPUTS];
    tn_tensor *in[SERVER_INPUTS];
} sized;

typedef struct bench {
    const values *v;
    tn_stub *stubs[MOST_CONNECTIONS];
    sized *sizes;
    int n_sizes;
    int64_t begin, end; /* what is measured, on now_us's clock */
    latency latency;
    atomic_llong codes[N_CODES], next, drawn; /* next: of the questions due */
    atomic_int waiting;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char failure[256]; /* the first */
} bench;

typedef struct caller { /* one of the questions on their way */
    bench *b;
    tn_stub *stub;
    int64_t since;
} caller;

/* ==== answers ==== */

/* Closed loops count what was answered within the time, open ones what was due then. */
static void note_answer(bench *b, int64_t since, tn_code code, const char *message)
{
    int64_t now = now_us(), when = b->v->rate > 0 ? since : now;
    if (when < b->begin || when >= b->end) return;
    if (code == TN_OK) {
        latency_add(&b->latency, now - since);
    } else {
        pthread_mutex_lock(&b->lock);
        if (!b->failure[0]) snprintf(b->failure, sizeof b->failure, "%s: %s", tn_code_name(code), message);
        pthread_mutex_unlock(&b->lock);
    }
    atomic_fetch_add(&b->codes[(unsigned)code < N_CODES ? code : TN_UNKNOWN], 1);
}

static void one_less(bench *b)
{
    pthread_mutex_lock(&b->lock);
    atomic_fetch_sub(&b->waiting, 1);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* Sizes are drawn from a count that is mixed (splitmix64), so that threads share no generator. */
static const tn_question *next_size(bench *b)
{
    if (b->n_sizes == 1) return &b->sizes[0].question;
    uint64_t z = ((uint64_t)atomic_fetch_add(&b->drawn, 1) + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return &b->sizes[(z ^ (z >> 31)) % (uint64_t)b->n_sizes].question;
}

/* ==== without waiting ==== */

static void answered(void *payload, tn_code code, const char *message, const tn_answer *answer);

static void ask(caller *c)
{
    tn_error err;
    tn_code code = tn_stub_predict_async(c->stub, next_size(c->b), answered, c, NULL, &err);
    if (code == TN_OK) return;
    note_answer(c->b, c->since, code, err.message);
    one_less(c->b);
    free(c);
}

static void answered(void *payload, tn_code code, const char *message, const tn_answer *answer)
{
    caller *c = payload;
    bench *b = c->b;
    (void)answer;
    note_answer(b, c->since, code, message);
    bool again = b->v->rate <= 0 && now_us() < b->end && code != TN_CANCELLED && code != TN_UNAVAILABLE;
    if (again) {
        c->since = now_us();
        ask(c);
    } else {
        one_less(b);
        free(c);
    }
}

static tn_code begin_asking(bench *b, int64_t i, int64_t since, tn_error *err)
{
    caller *c = malloc(sizeof *c);
    if (!c) return no_memory(err);
    *c = (caller){b, b->stubs[i % b->v->connections], since};
    atomic_fetch_add(&b->waiting, 1);
    ask(c);
    return TN_OK;
}

static void wait_for_all(bench *b, int at_most)
{
    pthread_mutex_lock(&b->lock);
    while (atomic_load(&b->waiting) > at_most) pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static int64_t due(const bench *b, int64_t i)
{
    return b->begin - (int64_t)(b->v->warmup * 1e6) + (int64_t)((double)i * 1e6 / b->v->rate);
}

static tn_code ask_async(bench *b, tn_error *err)
{
    const values *v = b->v;
    tn_code code = TN_OK;
    if (v->rate > 0)
        for (int64_t i = 0, at; code == TN_OK && (at = due(b, i)) < b->end; i++) {
            if (at > now_us()) sleep_until(at);
            wait_for_all(b, MOST_WAITING);
            code = begin_asking(b, i, at, err);
        }
    else
        for (int64_t i = 0; code == TN_OK && i < v->concurrency; i++) code = begin_asking(b, i, now_us(), err);
    wait_for_all(b, 0);
    return code;
}

/* ==== a thread each ==== */

static bool next_question(bench *b, int64_t *since)
{
    if (b->v->rate <= 0) return (*since = now_us()) < b->end;
    *since = due(b, atomic_fetch_add(&b->next, 1));
    if (*since < b->end) sleep_until(*since);
    return *since < b->end;
}

static void *ask_in_turn(void *payload)
{
    bench *b = payload;
    int64_t since;
    while (next_question(b, &since)) {
        tn_error err = {TN_OK, ""};
        tn_answer answer;
        tn_code code = tn_stub_predict(b->stubs[0], next_size(b), &answer, &err);
        if (code == TN_OK) tn_answer_free(&answer);
        note_answer(b, since, code, err.message);
        if (code == TN_UNAVAILABLE && b->v->rate <= 0) break;
    }
    return NULL;
}

static tn_code ask_in_threads(bench *b, tn_error *err)
{
    pthread_t threads[MOST_AT_ONCE];
    int n = 0;
    while (n < b->v->concurrency && pthread_create(&threads[n], NULL, ask_in_turn, b) == 0) n++;
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    if (n < b->v->concurrency) return usage_error(err, "only %d threads can be started", n);
    return TN_OK;
}

/* ==== output ==== */

static void print_json_line(const bench *b)
{
    const values *v = b->v;
    long long failed = 0;
    for (int i = 1; i < N_CODES; i++) failed += b->codes[i];
    fputs("{\"server\":", stdout);
    json_text(stdout, v->server.target);
    fputs(",\"model\":", stdout);
    json_text(stdout, b->sizes[0].question.model);
    printf(",\"mode\":\"%s\",\"seconds\":%g,\"concurrency\":%lld,\"connections\":%lld,",
           v->rate > 0 ? "open" : "closed", v->seconds, (long long)v->concurrency, (long long)v->connections);
    if (v->rate > 0) printf("\"rate\":%g,", v->rate);
    printf("\"calls\":%lld,\"failed\":%lld,\"calls_per_s\":%.1f,\"codes\":{", (long long)b->codes[0], failed,
           (double)b->codes[0] / v->seconds);
    const char *comma = "";
    for (int i = 0; i < N_CODES; i++) {
        if (!b->codes[i]) continue;
        printf("%s\"%s\":%lld", comma, tn_code_name((tn_code)i), (long long)b->codes[i]);
        comma = ",";
    }
    fputs("},", stdout);
    latency_json(&b->latency, stdout);
    fputs("}\n", stdout);
}

static void print_words(const bench *b)
{
    const values *v = b->v;
    printf("%s at %s: %.1f calls/s (%lld in %g s", b->sizes[0].question.model, v->server.target,
           (double)b->codes[0] / v->seconds, (long long)b->codes[0], v->seconds);
    if (v->rate > 0)
        printf(", %g a second were due)\n", v->rate);
    else
        printf(", %lld at once)\n", (long long)v->concurrency);
    for (int i = 1; i < N_CODES; i++)
        if (b->codes[i]) printf("%lld failed with %s\n", (long long)b->codes[i], tn_code_name((tn_code)i));
    if (b->failure[0]) printf("the first: %s\n", b->failure);
    latency_print(&b->latency, stdout);
}

/* ==== the command ==== */

bool bench_wants_server(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "--server") || !strncmp(argv[i], "--server=", 9)) return true;
    return false;
}

static tn_code check(values *v, tn_error *err)
{
    bool rest = server_is_rest(&v->server);
    if (v->concurrency == 0) v->concurrency = rest && v->rate > 0 ? 64 : 1;
    if (v->concurrency < 1 || v->concurrency > MOST_AT_ONCE)
        return usage_error(err, "--concurrency takes 1 to %d", MOST_AT_ONCE);
    if (v->connections < 1 || v->connections > MOST_CONNECTIONS)
        return usage_error(err, "--connections takes 1 to %d", MOST_CONNECTIONS);
    if (v->rate < 0 || v->rate > 1e7) return usage_error(err, "--rate takes up to 10000000 a second");
    if (v->seconds <= 0) return usage_error(err, "--seconds takes more than 0");
    tn_code code = inputs_check(&v->in, err);
    if (code != TN_OK || !v->most_batch) return code;
    if (v->most_batch < v->in.batch || v->most_batch - v->in.batch >= MOST_SIZES)
        return usage_error(err, "--most_batch takes --batch (%lld) and up to %d more", (long long)v->in.batch,
                           MOST_SIZES - 1);
    return TN_OK;
}

/* One question tells what is wrong before thousands do. */
static tn_code measure(bench *b, tn_error *err)
{
    tn_answer answer;
    for (int i = 0; i < b->n_sizes; i += b->n_sizes > 1 ? b->n_sizes - 1 : 1) {
        tn_code code = tn_stub_predict(b->stubs[0], &b->sizes[i].question, &answer, err);
        if (code != TN_OK) return code;
        tn_answer_free(&answer);
    }
    b->begin = now_us() + (int64_t)(b->v->warmup * 1e6);
    b->end = b->begin + (int64_t)(b->v->seconds * 1e6);
    tn_code code = server_is_rest(&b->v->server) ? ask_in_threads(b, err) : ask_async(b, err);
    if (code != TN_OK) return code;
    if (b->v->json)
        print_json_line(b);
    else
        print_words(b);
    if (b->codes[0]) return TN_OK;
    return usage_error(err, "no question was answered in time%s%s", b->failure[0] ? ": " : "", b->failure);
}

static tn_code bind_size(bench *b, values *v, int i, const tn_spec *specs, int n, tn_error *err)
{
    sized *z = &b->sizes[i];
    input_values in = v->in;
    in.batch += i;
    tn_code code = inputs_bind(&in, "bench", specs, n, z->in, err);
    v->in.seed = in.seed; /* drawn, and told, once */
    for (int k = 0; k < n; k++) z->feeds[k] = (tn_feed){specs[k].name, z->in[k]};
    z->question.inputs = z->feeds;
    z->question.n_inputs = n;
    return code;
}

static tn_code prepare(bench *b, values *v, tn_described_signature *described, tn_error *err)
{
    tn_spec specs[SERVER_INPUTS];
    int n = 0;
    tn_code code = TN_OK;
    for (int i = 0; code == TN_OK && i < v->connections; i++) code = server_open(&v->server, &b->stubs[i], err);
    if (code != TN_OK) return code;
    int sizes = v->most_batch ? (int)(v->most_batch - v->in.batch) + 1 : 1;
    b->sizes = calloc((size_t)sizes, sizeof *b->sizes);
    if (!b->sizes) return usage_error(err, "out of memory");
    for (b->n_sizes = 0; b->n_sizes < sizes; b->n_sizes++)
        b->sizes[b->n_sizes].question = server_question(&v->server, v->signature);
    code = server_describe(b->stubs[0], &b->sizes[0].question, described, specs, &n, err);
    for (int i = 0; code == TN_OK && i < sizes; i++) code = bind_size(b, v, i, specs, n, err);
    return code;
}

static void bench_free(bench *b)
{
    for (int i = 0; i < MOST_CONNECTIONS; i++) tn_stub_free(b->stubs[i]);
    for (int i = 0; i < b->n_sizes; i++)
        for (int k = 0; k < SERVER_INPUTS; k++) tn_tensor_unref(b->sizes[i].in[k]);
    free(b->sizes);
    free(b);
}

tn_code bench_server(int argc, char **argv, tn_error *err)
{
    values v = {.in = INPUT_DEFAULTS, .connections = 1, .seconds = 10, .warmup = 1};
    strings rest = {.n = 0};
    tn_described_signature described = {0};
    tn_code code = flags_parse(bench_server_flags, argc, argv, &v, &rest, err);
    if (code == TN_OK && rest.n) code = usage_error(err, "'%s': with --server nothing else is benched", rest.v[0]);
    if (code == TN_OK) code = check(&v, err);
    if (code != TN_OK) return code;
    bench *b = calloc(1, sizeof *b);
    if (!b) return no_memory(err);
    b->v = &v;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    code = prepare(b, &v, &described, err);
    if (code == TN_OK) code = measure(b, err);
    bench_free(b);
    tn_described_signature_free(&described);
    return code;
}
