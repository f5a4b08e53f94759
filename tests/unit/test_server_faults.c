/* SPDX-License-Identifier: Apache-2.0
 *
 * test_server_faults.c - what peers and the machine do to a whole server, a process of its own: ten thousand idle
 * connections, peers that do not read, vanish, or send a byte at a time; no descriptors, full disks, models that come
 * and go. It must be bounded, answer everybody else, and be as before when it is over.
 */
#include "server_process.h"

#include "h2_peer.h"

static const char *base_flag(void **state, const char *name)
{
    return tn_arena_printf(arena_of(state), "--model_base_path=%s", in(state, name));
}

typedef struct site {
    server_process process;
    tn_stub *stubs[2]; /* gRPC, REST; their connections stay */
} site;

static void assert_alive(site *s, const char *model)
{
    for (int i = 0; i < 2; i++) assert_half(s->stubs[i], model);
}

static void open_site(void **state, site *s, server_setup setup, const char *const *flags)
{
    start_server(state, &s->process, setup, flags);
    for (int i = 0; i < 2; i++) s->stubs[i] = stub_for(state, &s->process, i);
    assert_alive(s, "m");
}

/* With one model, which has a handle for each port. */
static void open_plain(void **state, site *s, server_setup setup)
{
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    open_site(state, s, setup,
              (const char *const[]){"--model_name=m", base_flag(state, "m"), "--rest_api_timeout_in_ms=600000", NULL});
}

static void close_site(void **state, site *s)
{
    for (int i = 0; i < 2; i++) tn_stub_free(s->stubs[i]);
    stop_server(state, &s->process);
}

/* New connections are answered, too. */
static void assert_open(void **state, const site *s, const char *model)
{
    for (int i = 0; i < 2; i++) {
        tn_stub *fresh = stub_for(state, &s->process, i);
        assert_half(fresh, model);
        tn_stub_free(fresh);
    }
}

static bool is_open(void **state, const site *s, bool rest)
{
    double y = 0;
    tn_error err;
    tn_stub *fresh = stub_for(state, &s->process, rest);
    tn_code code = ask_half(fresh, "m", &y, &err);
    tn_stub_free(fresh);
    return code == TN_OK && y == 5;
}

static void say(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static void hear_something(int fd)
{
    char bytes[1024];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 60000), 1);
    assert_true(recv(fd, bytes, sizeof bytes, 0) > 0);
}

#define HELLO "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
#define STATUS "GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n"

/* ==== idle connections ==== */

/* Half of them at each port; as many as descriptors allow, here and there. */
static int most_connections(void)
{
    struct rlimit r;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &r), 0);
    r.rlim_cur = r.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
    return r.rlim_max == RLIM_INFINITY || r.rlim_max > 10500 ? 10000 : TN_MAX((int)r.rlim_max - 500, 20);
}

/* Most systems give a process few and allow it many: the server asks for them itself. */
static void few_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) _exit(125);
    r.rlim_cur = TN_MIN(r.rlim_max, 1024);
    if (setrlimit(RLIMIT_NOFILE, &r) != 0) _exit(125);
}

static void come(const site *s, int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        fds[i] = dial(i % 2 ? s->process.port : s->process.rest_port);
        if (i % 2) say(fds[i], HELLO, sizeof HELLO - 1);
        else say(fds[i], STATUS, sizeof STATUS - 1);
    }
    for (int i = 0; i < n; i++) hear_something(fds[i]);
}

static void test_idle_connections(void **state)
{
    enum { STEP = 1000, MOST_KB = 64 };
    int n = most_connections(), *fds = tn_calloc((size_t)n, sizeof *fds);
    site s;
    open_plain(state, &s, few_descriptors);
    int before = server_descriptors(&s.process);
    long kb = server_kb(&s.process, "VmRSS"), with = 0;
    for (int round = 0; round < 2; round++) {
        for (int at = 0; at < n; at += STEP) {
            come(&s, fds + at, TN_MIN(STEP, n - at));
            assert_alive(&s, "m");
        }
        with = server_kb(&s.process, "VmRSS");
        assert_in_range(server_descriptors(&s.process), before + n - 3, before + n + 3); /* a folder is looked at */
        if (MEASURED && with - kb > (long)n * MOST_KB) fail_msg("%ld KB for %d connections", with - kb, n);
        assert_open(state, &s, "m");
        for (int i = 0; i < n; i++) close(fds[i]);
        assert_soon(server_descriptors(&s.process) <= before);
        assert_alive(&s, "m");
    }
    printf("# %d connections at once, %.1f KB each\n", n, (double)(with - kb) / n);
    tn_free(fds);
    close_site(state, &s);
}

/* ==== peers that do not read ==== */

/* y = x[0] ones, whatever little the request takes. */
static void put_large(void **state, const char *base)
{
    static const tn_tensor_info x_info = {.key = "x", .name = "x:0", .dtype = TN_INT32, .shape = {1, {1}}};
    static const tn_tensor_info y_info = {.key = "y", .name = "y:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_signature signature = {"serving_default", TN_PREDICT_METHOD, &x_info, &y_info, 1, 1};
    tn_builder *b = tn_builder_new(tn_graph_new());
    tn_op_named(b, "Fill", "y", TN_INPUTS(tn_placeholder(b, "x", TN_INT32, TN_SHAPE(1)), tn_scalar(b, TN_FLOAT, 1)), TN_NO_ATTRS);
    put_graph(state, base, b, &signature);
}

static void open_large(void **state, site *s)
{
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    put_large(state, "large");
    write_file(in(state, "conf"), tn_view_of(tn_arena_printf(arena_of(state), "model_config_list { %s %s }",
               model_text(state, "m", ""), model_text(state, "large", ""))));
    open_site(state, s, NULL, (const char *const[]){tn_arena_printf(arena_of(state), "--model_config_file=%s", in(state, "conf")), NULL});
}

/* A PredictRequest for so many ones, framed. */
static tn_view large_request(void **state, int n)
{
    tn_arena *a = arena_of(state);
    tn_error err;
    tn_tensor *x;
    tn_buf bytes = {0}, room = {0};
    assert_ok(tn_tensor_of(TN_INT32, &TN_SHAPE(1), &n, &x, &err), &err);
    tn_ModelSpec spec = {.name = TN_VIEW("large")};
    tn_PredictRequest q = {.model_spec = &spec};
    tn_TensorEntry *e = TN_PUSH(a, &q.inputs);
    e->key = TN_VIEW("x");
    e->value = TN_NEW(a, tn_TensorProto);
    assert_ok(tn_tensor_to_proto(x, a, e->value, &err), &err);
    assert_ok(TN_ENCODE(PredictRequest, &q, &bytes, &err), &err);
    tn_view v = framed(&room, 0, bytes.data, bytes.n);
    v.p = tn_arena_strndup(a, v.p, v.n);
    tn_tensor_unref(x);
    tn_buf_free(&bytes);
    tn_buf_free(&room);
    return v;
}

/* 1.6 GB of answers are asked for at one connection: whose window is closed, or whose socket is full. */
static void test_answers_nobody_reads(void **state)
{
    enum { CALLS = 400, FLOATS = 1000000, MOST_KB = 400 << 10 }; /* 256 MB may wait at a connection */
    static answer a[CALLS];
    site s;
    peer p;
    open_large(state, &s);
    tn_view request = large_request(state, FLOATS);
    for (int wide = 0; wide < 2; wide++) {
        long kb = server_kb(&s.process, "VmRSS");
        peer_begin(&p, dial(s.process.port), true);
        if (wide) {
            nghttp2_settings_entry e = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, NGHTTP2_MAX_WINDOW_SIZE};
            nghttp2_submit_settings(p.session, 0, &e, 1);
            nghttp2_session_set_local_window_size(p.session, 0, 0, NGHTTP2_MAX_WINDOW_SIZE);
        }
        for (int i = 0; i < CALLS; i++) peer_call(&p, &a[i], "/tensorflow.serving.PredictionService/Predict", NULL, request, false);
        const uint8_t *bytes;
        ssize_t n;
        while ((n = nghttp2_session_mem_send(p.session, &bytes)) > 0) say(p.fd, bytes, (size_t)n);
        for (int i = 0; i < 50; i++) assert_alive(&s, "m"); /* while it computes */
        if (MEASURED && server_kb(&s.process, "VmHWM") - kb > MOST_KB) fail_msg("%ld KB", server_kb(&s.process, "VmHWM") - kb);
        peer_close(&p);
        assert_alive(&s, "m");
    }
    close_site(state, &s);
}

/* The same over REST: one answer a connection, of 5 MB of text. */
static void test_pages_nobody_reads(void **state)
{
    enum { N = 40 };
    static const char question[] = "POST /v1/models/large:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 25\r\n\r\n{\"inputs\": {\"x\":[1000000]}}";
    site s;
    int fds[N];
    open_large(state, &s);
    int before = server_descriptors(&s.process);
    for (int i = 0; i < N; i++) {
        fds[i] = dial(s.process.rest_port);
        say(fds[i], question, sizeof question - 1);
    }
    for (int i = 0; i < 10; i++) assert_alive(&s, "m");
    for (int i = 0; i < N; i++) hear_something(fds[i]);
    for (int i = 0; i < N; i++) close(fds[i]);
    assert_soon(server_descriptors(&s.process) <= before);
    assert_alive(&s, "m");
    close_site(state, &s);
}

/* ==== peers that vanish, or take their time ==== */

/* All bytes of one call at a gRPC connection, from its first. */
static tn_buf bytes_of_call(void)
{
    peer p;
    answer a;
    tn_buf all = {0}, room = {0};
    const uint8_t *bytes;
    ssize_t n;
    peer_begin(&p, -1, false);
    peer_call(&p, &a, "/tensorflow.serving.ModelService/GetModelStatus", NULL, framed(&room, 0, "\n\3\n\1m", 5), false);
    while ((n = nghttp2_session_mem_send(p.session, &bytes)) > 0) tn_buf_add(&all, bytes, (size_t)n);
    nghttp2_session_del(p.session);
    tn_buf_free(&room);
    return all;
}

#define POST "POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 25\r\n\r\n{\"instances\": [1.0, 2.0]}"

static void vanish(int fd, bool with_reset)
{
    if (with_reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
    close(fd);
}

/* At every third byte, with an end and with a reset; and those that have ended their own side only. */
static void test_vanishing_peers(void **state)
{
    site s;
    tn_buf call = bytes_of_call();
    const tn_view said[] = {{call.data, call.n}, TN_VIEW(POST)};
    open_plain(state, &s, NULL);
    int before = server_descriptors(&s.process);
    for (int rest = 0; rest < 2; rest++)
        for (size_t n = 0; n <= said[rest].n; n += 3)
            for (int how = 0; how < 3; how++) {
                int fd = dial(rest ? s.process.rest_port : s.process.port);
                say(fd, said[rest].p, n);
                if (how == 2) shutdown(fd, SHUT_WR);
                vanish(fd, how == 1);
            }
    assert_alive(&s, "m");
    assert_open(state, &s, "m");
    assert_soon(server_descriptors(&s.process) <= before);
    tn_buf_free(&call);
    close_site(state, &s);
}

/* A byte at a time is slow, not wrong: it is answered in the end, others meanwhile. */
static void test_a_byte_at_a_time(void **state)
{
    site s;
    tn_buf call = bytes_of_call();
    const tn_view said[] = {{call.data, call.n}, TN_VIEW(POST)};
    open_plain(state, &s, NULL);
    for (int rest = 0; rest < 2; rest++) {
        int fd = dial(rest ? s.process.rest_port : s.process.port);
        for (size_t i = 0; i < said[rest].n; i++) {
            say(fd, said[rest].p + i, 1);
            if (i % 16 == 0) assert_alive(&s, "m");
        }
        hear_something(fd);
        close(fd);
    }
    tn_buf_free(&call);
    close_site(state, &s);
}

/* ==== no descriptors ==== */

static void limit_descriptors(const site *s, rlim_t n)
{
    struct rlimit r;
    assert_int_equal(prlimit(s->process.pid, RLIMIT_NOFILE, NULL, &r), 0);
    r.rlim_cur = TN_MIN(n, r.rlim_max);
    assert_int_equal(prlimit(s->process.pid, RLIMIT_NOFILE, &r, NULL), 0);
}

static void test_no_descriptors(void **state)
{
    enum { N = 60 };
    site s;
    int fds[N];
    open_plain(state, &s, NULL);
    int before = server_descriptors(&s.process);
    for (int round = 0; round < 2; round++) {
        limit_descriptors(&s, (rlim_t)before + 20);
        for (int i = 0; i < N; i++) fds[i] = dial(i % 2 ? s.process.port : s.process.rest_port);
        for (int i = 0; i < 10; i++) assert_alive(&s, "m"); /* who is there is answered */
        put_golden(state, "m", round ? "3" : "2", HALF_PLUS_TWO); /* which cannot be looked at now */
        if (round) limit_descriptors(&s, RLIM_INFINITY); /* there are more again; or others go */
        for (int i = 0; i < N; i++) close(fds[i]);
        assert_alive(&s, "m");
        for (int rest = 0; rest < 2; rest++) assert_soon(is_open(state, &s, rest)); /* when it has seen them go */
        limit_descriptors(&s, RLIM_INFINITY);
        assert_soon(log_says(state, &s.process, round ? "version: 3}" : "version: 2}"));
    }
    close_site(state, &s);
}

/* ==== full disks ==== */

enum { DISK = 16 << 10 };

static void limit_files(const site *s, rlim_t n)
{
    struct rlimit r;
    assert_int_equal(prlimit(s->process.pid, RLIMIT_FSIZE, NULL, &r), 0);
    r.rlim_cur = n;
    assert_int_equal(prlimit(s->process.pid, RLIMIT_FSIZE, &r, NULL), 0);
}

/* Every line and every record that is there is whole. Returns how many lines were lost, as they say. */
static int64_t check_logs(void **state)
{
    tn_view lines = content(state, in(state, "access")), records = content(state, asked_log(state)), record;
    tn_error err;
    int64_t lost = 0;
    while (lines.n) {
        const char *end = memchr(lines.p, '\n', lines.n);
        tn_json *j;
        assert_non_null(end);
        assert_ok(tn_json_parse((tn_view){lines.p, (size_t)(end - lines.p)}, arena_of(state), &j, &err), &err);
        if (tn_json_find(j, "lines_lost_before")) lost += tn_json_find(j, "lines_lost_before")->integer;
        lines.n -= (size_t)(end + 1 - lines.p);
        lines.p = end + 1;
    }
    tn_code code;
    while ((code = tn_record_next(&records, 0, &record, &err)) == TN_OK) {}
    assert_int_equal(code, TN_OUT_OF_RANGE);
    return lost;
}

static void test_full_disk(void **state)
{
    enum { QUESTIONS = 300 };
    site s;
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    const char *logging = tn_arena_printf(arena_of(state), "logging_config { log_collector_config { type: 'file' filename_prefix: '%s' } "
                                          "sampling_config { sampling_rate: 1 } }", in(state, "asked"));
    write_file(in(state, "conf"), tn_view_of(tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", logging))));
    open_site(state, &s, NULL, (const char *const[]){tn_arena_printf(arena_of(state), "--model_config_file=%s", in(state, "conf")),
                                                    tn_arena_printf(arena_of(state), "--access_log=%s", in(state, "access")), NULL});
    limit_files(&s, DISK);
    for (int i = 0; i < QUESTIONS; i++) assert_alive(&s, "m");
    assert_true(content(state, in(state, "access")).n <= DISK);
    assert_true(content(state, asked_log(state)).n <= DISK);
    limit_files(&s, RLIM_INFINITY);
    assert_alive(&s, "m");
    assert_alive(&s, "m");
    close_site(state, &s);
    assert_true(check_logs(state) > 0);
}

/* ==== models that come and go ==== */

/* The memory of what has been served is the system's again. */
static void test_memory_returns(void **state)
{
    enum { MB = 40, ROUNDS = 6 };
    site s;
    long most = 0, first = 0, before;
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    put_version(state, "big", 1, MB << 18);
    const char *small = tn_arena_printf(arena_of(state), "model_config_list { %s }", model_text(state, "m", ""));
    const char *both = tn_arena_printf(arena_of(state), "model_config_list { %s %s }", model_text(state, "m", ""), model_text(state, "big", ""));
    write_file(in(state, "conf"), tn_view_of(small));
    open_site(state, &s, NULL, (const char *const[]){tn_arena_printf(arena_of(state), "--model_config_file=%s", in(state, "conf")),
                                                    "--file_system_poll_wait_seconds=0", NULL});
    before = server_kb(&s.process, "VmRSS");
    for (int round = 0; round < ROUNDS; round++) {
        tn_error err;
        double y;
        write_file(in(state, "conf"), tn_view_of(both));
        kill(s.process.pid, SIGHUP);
        assert_soon(ask_half(s.stubs[0], "big", &y, &err) == TN_OK);
        most = TN_MAX(most, server_kb(&s.process, "VmRSS"));
        write_file(in(state, "conf"), tn_view_of(small));
        kill(s.process.pid, SIGHUP);
        if (MEASURED) assert_soon(server_kb(&s.process, "VmRSS") < before + (MB << 10) / 4);
        assert_soon(ask_half(s.stubs[0], "big", &y, &err) == TN_NOT_FOUND);
        assert_alive(&s, "m");
        if (!round) first = server_kb(&s.process, "VmRSS");
    }
    if (MEASURED) assert_soon(server_kb(&s.process, "VmRSS") <= first + (MB << 10) / 8); /* not a little more each time */
    if (MEASURED && most - before > 2 * (MB << 10)) fail_msg("%ld KB for %d MB", most - before, MB);
    close_site(state, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_idle_connections), TEST(test_answers_nobody_reads), TEST(test_pages_nobody_reads), TEST(test_vanishing_peers),
        TEST(test_a_byte_at_a_time), TEST(test_no_descriptors),       TEST(test_full_disk),          TEST(test_memory_returns),
    };
    return cmocka_run_group_tests_name("server_faults", tests, NULL, NULL);
}
