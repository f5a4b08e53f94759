/* SPDX-License-Identifier: Apache-2.0
 *
 * soak.c - a model server under mixed traffic for a long time: gRPC and REST, single and in batches, right and wrong,
 * cancelled, garbage on the socket, peers that vanish within a request, that send or read slowly or not at all, while
 * versions come, break and go, are cut while they are served, the base path is lost for a while, descriptors are used
 * up, logs may not grow, and the configuration is read again and again. Every answer is checked. At the end the server
 * must leave with status 0 and must not have grown.
 *
 * usage: soak TURNERY MODEL_FOLDER WORK_FOLDER SECONDS     (MODEL_FOLDER: a version of half_plus_two)
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <turnery.h>
#include <unistd.h>

enum { ASKERS = 4, ROWS_MOST = 64, IN_FLIGHT = 16, LOG_BYTES = 2 << 20 };

static const char *turnery, *model, *work;
static int port, rest_port;
static pid_t server;
static atomic_int ends, failures;
static atomic_llong asked, refused, cancelled, garbage, vanished, slow, reloads;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void rest_for(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* What must not be; the first few are told. */
static void fails(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fails(const char *format, ...)
{
    va_list ap;
    if (atomic_fetch_add(&failures, 1) > 20) return;
    va_start(ap, format);
    fprintf(stderr, "soak: ");
    vfprintf(stderr, format, ap);
    fprintf(stderr, "\n");
    va_end(ap);
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
    char line[8192];
    va_list ap;
    va_start(ap, format);
    vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (system(line) != 0) fails("%s", line);
}

/* ==== the server ==== */

static void write_config(bool extra)
{
    char path[4200], next[4200];
    snprintf(path, sizeof path, "%s/models.conf", work);
    snprintf(next, sizeof next, "%s/models.conf.new", work);
    FILE *f = fopen(next, "w");
    fprintf(f, "model_config_list {\n  config { name: \"half\" base_path: \"%s/half\" model_platform: \"tensorflow\"\n"
               "    logging_config { log_collector_config { type: \"file\" filename_prefix: \"%s/asked\" }\n"
               "      sampling_config { sampling_rate: 0.1 } } }\n", work, work);
    if (extra)
        fprintf(f, "  config { name: \"extra\" base_path: \"%s/extra\" model_platform: \"tensorflow\" }\n", work);
    fprintf(f, "}\n");
    fclose(f);
    if (rename(next, path) != 0) fails("%s cannot be put in place", path);
}

static void add_version(const char *name, int version)
{
    shell("mkdir -p '%s/%s' && cp -r '%s' '%s/%s/.new' && mv '%s/%s/.new' '%s/%s/%d'", work, name, model, work, name,
          work, name, work, name, version);
}

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = bind(fd, (struct sockaddr *)&a, n) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0;
    close(fd);
    return ok ? ntohs(a.sin_port) : 0;
}

static void start(void)
{
    char p[64], r[64], config[4300], batching[4300], access[4300], log[4300];
    snprintf(p, sizeof p, "--port=%d", port = free_port());
    snprintf(r, sizeof r, "--rest_api_port=%d", rest_port = free_port());
    snprintf(config, sizeof config, "--model_config_file=%s/models.conf", work);
    snprintf(batching, sizeof batching, "--batching_parameters_file=%s/batching.conf", work);
    snprintf(access, sizeof access, "--access_log=%s/access.log", work);
    snprintf(log, sizeof log, "%s/server.log", work);
    server = fork();
    if (server) return;
    if (!freopen(log, "w", stderr)) _exit(1);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){LOG_BYTES, LOG_BYTES}); /* soon they are full, and stay so */
    execl(turnery, turnery, "serve", p, r, config, "--enable_batching", batching, access, "--max_num_load_retries=0",
          "--drain_seconds=20", (char *)NULL);
    _exit(127);
}

static long resident_kb(void)
{
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)server);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmRSS: %ld kB", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

/* ==== questions ==== */

typedef struct question {
    float x[ROWS_MOST];
    int n;
    tn_tensor *tensor;
    tn_feed feed;
} question;

static void make_question(question *q, unsigned *seed)
{
    tn_error err = {TN_OK, ""};
    q->n = 1 + rand_r(seed) % ROWS_MOST;
    for (int i = 0; i < q->n; i++) q->x[i] = (float)(rand_r(seed) % 100000);
    tn_shape shape = TN_SHAPE(q->n, 1);
    if (tn_tensor_of(TN_FLOAT, &shape, q->x, &q->tensor, &err) != TN_OK) fails("tensor: %s", err.message);
    q->feed = (tn_feed){"x", q->tensor};
}

static void check(const question *q, const tn_answer *a, const char *how)
{
    if (a->n != 1 || tn_tensor_count(a->values[0]) != q->n) {
        fails("%s: %d outputs for %d rows", how, a->n, q->n);
        return;
    }
    for (int i = 0; i < q->n; i++)
        if (tn_tensor_number(a->values[0], i) != (double)(q->x[i] / 2 + 2))
            fails("%s: row %d of %d is %g for %g", how, i, q->n, tn_tensor_number(a->values[0], i), (double)q->x[i]);
}

static tn_stub *connect_to(bool rest)
{
    char address[64];
    tn_stub *s;
    tn_error err = {TN_OK, ""};
    snprintf(address, sizeof address, rest ? "http://127.0.0.1:%d" : "127.0.0.1:%d", rest ? rest_port : port);
    if (tn_stub_new(&(tn_stub_options){.server = address}, &s, &err) != TN_OK) {
        fails("%s: %s", address, err.message);
        exit(1);
    }
    return s;
}

/* One right question. false: it was refused. */
static bool ask(tn_stub *s, unsigned *seed, const char *how)
{
    question q;
    tn_answer a = {0};
    tn_error err = {TN_OK, ""};
    make_question(&q, seed);
    tn_question ask = {.model = "half", .inputs = &q.feed, .n_inputs = 1, .seconds = 20};
    tn_code code = tn_stub_predict(s, &ask, &a, &err);
    if (code == TN_OK)
        check(&q, &a, how);
    else
        fails("%s: %s: %s", how, tn_code_name(code), err.message);
    tn_answer_free(&a);
    tn_tensor_unref(q.tensor);
    atomic_fetch_add(&asked, 1);
    return code == TN_OK;
}

static void *ask_on(void *payload)
{
    unsigned seed = (unsigned)(uintptr_t)payload;
    tn_stub *s = connect_to(seed % 4 == 3);
    while (!atomic_load(&ends)) ask(s, &seed, seed % 4 == 3 ? "REST" : "gRPC");
    tn_stub_free(s);
    return NULL;
}

/* A question that must be refused with its code. */
static void refuse(tn_stub *s, const char *name, const char *signature, tn_dtype dtype, tn_code wanted)
{
    tn_tensor *x;
    tn_answer a = {0};
    tn_error err = {TN_OK, ""};
    tn_shape shape = TN_SHAPE(1, 1);
    double zero = 0;
    if (tn_tensor_of(dtype, &shape, &zero, &x, &err) != TN_OK) return;
    tn_feed feed = {"x", x};
    tn_question q = {.model = name, .signature = signature, .inputs = &feed, .n_inputs = 1, .seconds = 20};
    tn_code code = tn_stub_predict(s, &q, &a, &err);
    if (code != wanted)
        fails("%s/%s: %s instead of %s: %s", name, signature ? signature : "", tn_code_name(code), tn_code_name(wanted),
              err.message);
    tn_answer_free(&a);
    tn_tensor_unref(x);
    atomic_fetch_add(&refused, 1);
}

static void *ask_wrongly(void *payload)
{
    (void)payload;
    tn_stub *s = connect_to(false);
    while (!atomic_load(&ends)) {
        refuse(s, "nobody", NULL, TN_FLOAT, TN_NOT_FOUND);
        refuse(s, "half", "nothing", TN_FLOAT, TN_FAILED_PRECONDITION);
        refuse(s, "half", NULL, TN_DOUBLE, TN_INVALID_ARGUMENT);
        rest_for(0.01);
    }
    tn_stub_free(s);
    return NULL;
}

/* ==== many at once, some of them cancelled ==== */

typedef struct flight {
    question q;
    tn_future *future;
    atomic_int done;
    bool cancelled;
} flight;

static void landed(void *payload, tn_code code, const char *message, const tn_answer *a)
{
    flight *f = payload;
    if (code == TN_OK)
        check(&f->q, a, "asynchronous");
    else if (!(f->cancelled && code == TN_CANCELLED))
        fails("asynchronous: %s: %s", tn_code_name(code), message);
    atomic_store(&f->done, 1);
}

static void send_off(tn_stub *s, flight *f, unsigned *seed)
{
    tn_error err = {TN_OK, ""};
    make_question(&f->q, seed);
    atomic_store(&f->done, 0);
    f->cancelled = rand_r(seed) % 8 == 0;
    tn_question q = {.model = "half", .inputs = &f->q.feed, .n_inputs = 1, .seconds = 20};
    if (tn_stub_predict_async(s, &q, landed, f, &f->future, &err) != TN_OK) fails("asynchronous: %s", err.message);
    if (!f->cancelled) return;
    tn_future_cancel(f->future);
    atomic_fetch_add(&cancelled, 1);
}

static void *ask_many(void *payload)
{
    unsigned seed = (unsigned)(uintptr_t)payload;
    tn_stub *s = connect_to(false);
    static flight flights[IN_FLIGHT];
    while (!atomic_load(&ends)) {
        for (int i = 0; i < IN_FLIGHT; i++) send_off(s, &flights[i], &seed);
        for (int i = 0; i < IN_FLIGHT; i++) {
            for (double end = now() + 40; !atomic_load(&flights[i].done) && now() < end;) rest_for(0.0005);
            if (!atomic_load(&flights[i].done)) fails("asynchronous: an answer is lost");
            tn_future_free(flights[i].future);
            tn_tensor_unref(flights[i].q.tensor);
        }
        atomic_fetch_add(&asked, IN_FLIGHT);
    }
    tn_stub_free(s);
    return NULL;
}

/* ==== garbage ==== */

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/* -1: not now. */
static int dial(int to)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)to)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) return fd;
    close(fd);
    return -1;
}

static void send_garbage(int to, unsigned *seed)
{
    char bytes[512];
    int fd = dial(to), n = 1 + rand_r(seed) % (int)sizeof bytes;
    for (int i = 0; i < n; i++) bytes[i] = (char)rand_r(seed);
    if (fd >= 0) {
        if (rand_r(seed) % 2 && send(fd, preface, sizeof preface - 1, MSG_NOSIGNAL) < 0) n = 1;
        if (send(fd, bytes, (size_t)n, MSG_NOSIGNAL) >= 0 && rand_r(seed) % 4 == 0) rest_for(0.02);
    }
    close(fd);
    atomic_fetch_add(&garbage, 1);
}

static void *talk_rubbish(void *payload)
{
    unsigned seed = (unsigned)(uintptr_t)payload;
    while (!atomic_load(&ends)) {
        send_garbage(rand_r(&seed) % 2 ? port : rest_port, &seed);
        rest_for(0.02);
    }
    return NULL;
}

/* ==== peers that vanish, and slow ones ==== */

static const char post[] = "POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n"
                           "{\"instances\": [[1.0],[22.0]]}";
static const char page[] = "GET /v1/models/half/metadata HTTP/1.1\r\nHost: x\r\n\r\n";

/* Somewhere within a request, with an end or with a reset. */
static void *vanish(void *payload)
{
    unsigned seed = (unsigned)(uintptr_t)payload;
    while (!atomic_load(&ends)) {
        bool rest = rand_r(&seed) % 2;
        size_t all = rest ? sizeof post - 1 : sizeof preface - 1;
        int fd = dial(rest ? rest_port : port);
        ssize_t sent = fd >= 0 ? send(fd, rest ? post : preface, (size_t)rand_r(&seed) % (all + 1), MSG_NOSIGNAL) : 0;
        if (sent > 0 && rand_r(&seed) % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
        if (fd >= 0) close(fd);
        atomic_fetch_add(&vanished, 1);
        rest_for(0.005);
    }
    return NULL;
}

/* Asks for pages again and again without reading, until the server takes no more; then goes. */
static void ask_without_reading(int fd)
{
    for (int i = 0; i < 20000 && send(fd, page, sizeof page - 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0; i++) {}
    rest_for(1);
}

/* A byte at a time: the answer comes all the same. */
static void ask_slowly(int fd)
{
    char bytes[1024];
    for (size_t i = 0; i < sizeof post - 1; i++) {
        if (send(fd, post + i, 1, MSG_NOSIGNAL) != 1) return; /* no descriptors were left for it */
        rest_for(0.005);
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&p, 1, 20000) == 1 ? recv(fd, bytes, sizeof bytes - 1, 0) : 0;
    bytes[n > 0 ? n : 0] = 0;
    if (n > 0 && (!strstr(bytes, "200 OK") || !strstr(bytes, "13.0"))) fails("slowly: %s", bytes);
}

static void *be_slow(void *payload)
{
    (void)payload;
    for (int i = 0; !atomic_load(&ends); i++) {
        int fd = dial(rest_port);
        if (fd >= 0 && i % 2) ask_slowly(fd);
        if (fd >= 0 && i % 2 == 0) ask_without_reading(fd);
        if (fd >= 0) close(fd);
        atomic_fetch_add(&slow, 1);
    }
    return NULL;
}

/* ==== versions that come, break and go ==== */

static void limit_descriptors(rlim_t n)
{
    struct rlimit r;
    if (prlimit(server, RLIMIT_NOFILE, NULL, &r) != 0) return;
    r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
    prlimit(server, RLIMIT_NOFILE, &r, NULL);
}

/* One fault of files after the other. */
static void do_harm(int version)
{
    const char *w = work;
    switch (version % 4) {
    case 0: /* a version that is cut must never be served */
        shell("cp -r '%s' '%s/half/.cut' && : > '%s/half/.cut/saved_model.pb' && mv '%s/half/.cut' '%s/half/%d'", model, w, w, w, w,
              1000000 + version);
        break;
    case 1: /* nor one that cannot be read */
        shell("cp -r '%s' '%s/half/.odd' && rm '%s/half/.odd/saved_model.pb' && mkdir '%s/half/.odd/saved_model.pb' && "
              "mv '%s/half/.odd' '%s/half/%d'", model, w, w, w, w, w, 1000000 + version);
        break;
    case 2: /* what is served is cut, and all of it is lost for a while */
        shell(": > '%s/half/%d/saved_model.pb' && mv '%s/half' '%s/away'", w, version, w, w);
        break;
    default: limit_descriptors(30);
    }
    rest_for(1.5);
    limit_descriptors(RLIM_INFINITY);
    if (version % 4 == 2) shell("mv '%s/away' '%s/half'", w, w);
    shell("rm -rf '%s/half/%d'", w, 1000000 + version);
}

static void *change_models(void *payload)
{
    (void)payload;
    for (int version = 2; !atomic_load(&ends); version++) {
        add_version("half", version);
        rest_for(1.5);
        do_harm(version);
        if (version > 3) shell("rm -rf '%s/half/%d'", work, version - 3);
        write_config(version % 2);
        kill(server, SIGHUP);
        atomic_fetch_add(&reloads, 1);
        rest_for(1);
    }
    return NULL;
}

/* ==== the whole ==== */

static void wait_until_ready(void)
{
    tn_stub *s = connect_to(false);
    unsigned seed = 1;
    bool ready = false;
    for (double end = now() + 30; !ready && now() < end; rest_for(0.1)) {
        atomic_store(&failures, 100); /* what fails now is not told */
        ready = ask(s, &seed, "first");
    }
    tn_stub_free(s);
    atomic_store(&failures, 0);
    if (!ready) {
        fprintf(stderr, "soak: the server does not answer; see %s/server.log\n", work);
        exit(1);
    }
}

static void begin(const char *folder)
{
    char path[4300];
    work = folder;
    shell("rm -rf '%s' && mkdir -p '%s'", work, work);
    work = realpath(folder, NULL);
    if (!work) exit(1);
    snprintf(path, sizeof path, "%s/batching.conf", work);
    FILE *f = fopen(path, "w");
    if (!f) exit(1);
    fprintf(f, "max_batch_size { value: 256 } batch_timeout_micros { value: 500 } max_enqueued_batches { value: 1000 }\n"
               "num_batch_threads { value: 2 }\n");
    fclose(f);
    add_version("half", 1);
    add_version("extra", 1);
    write_config(false);
    start();
    wait_until_ready();
}

static void say_counts(void)
{
    printf("%lld asked, %lld refused, %lld cancelled, %lld of garbage, %lld vanished, %lld slow, %lld reloads", (long long)asked,
           (long long)refused, (long long)cancelled, (long long)garbage, (long long)vanished, (long long)slow, (long long)reloads);
}

/* Memory when all has warmed up, and at the end: what a leak of any request or version would make grow. */
static void watch(double seconds)
{
    double began = now(), said = began;
    long early = 0;
    for (double t = 0; t < seconds && !atomic_load(&failures); t = now() - began) {
        rest_for(0.5);
        long kb = resident_kb();
        if (kb < 0) fails("the server has gone");
        if (t < seconds * 0.4 && kb > early) early = kb;
        if (now() - said < 10) continue;
        said = now();
        printf("%5.0f s  ", t);
        say_counts();
        printf(", %ld kB\n", kb);
        fflush(stdout);
    }
    long late = resident_kb();
    if (late > early + early / 5 + 4096) fails("memory grew from %ld to %ld kB", early, late);
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    turnery = argv[1];
    model = argv[2];
    signal(SIGPIPE, SIG_IGN);
    begin(argv[3]);
    pthread_t threads[ASKERS + 6];
    int n = 0;
    for (; n < ASKERS; n++) pthread_create(&threads[n], NULL, ask_on, (void *)(uintptr_t)(n + 4));
    pthread_create(&threads[n++], NULL, ask_many, (void *)99);
    pthread_create(&threads[n++], NULL, ask_wrongly, NULL);
    pthread_create(&threads[n++], NULL, talk_rubbish, (void *)7);
    pthread_create(&threads[n++], NULL, vanish, (void *)8);
    pthread_create(&threads[n++], NULL, be_slow, NULL);
    pthread_create(&threads[n++], NULL, change_models, NULL);
    watch(strtod(argv[4], NULL));
    atomic_store(&ends, 1);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    int status = -1;
    kill(server, SIGTERM);
    waitpid(server, &status, 0);
    if (status != 0) fails("the server left with status %d", status);
    say_counts();
    printf("\n%d passed, %d failed\n", !atomic_load(&failures), atomic_load(&failures));
    return atomic_load(&failures) ? 1 : 0;
}
