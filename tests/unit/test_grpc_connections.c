/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_connections.c - connections of the gRPC server: peers that mean ill, limits, addresses, and how they end.
 */
#include "grpc_site.h"

#include <fcntl.h>
#include <sys/resource.h>

/* ---- peers that mean ill ---- */

static void flood_pings(peer *p, int i)
{
    (void)i;
    nghttp2_submit_ping(p->session, 0, NULL);
}

static void flood_settings(peer *p, int i)
{
    nghttp2_settings_entry e = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535u + (unsigned)i};
    nghttp2_submit_settings(p->session, 0, &e, 1);
}

static void flood_resets(peer *p, int i)
{
    static answer sink;
    (void)i;
    tn_view nothing = {"", 0};
    peer_call(p, &sink, "/t/Keep", NULL, nothing, true);
    peer_pump(p, 0);
    nghttp2_submit_rst_stream(p->session, 0, sink.stream, NGHTTP2_CANCEL);
}

static void test_floods(void **state)
{
    static const struct {
        void (*flood)(peer *p, int i);
        const char *text;
    } rows[] = {{flood_pings, "too_many_pings"}, {flood_settings, ""}, {flood_resets, ""}};
    site s;
    peer p, good;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&good, s.port);
    for (size_t row = 0; row < TN_COUNT(rows); row++) {
        peer_connect(&p, s.port);
        for (int i = 0; i < 4000 && !p.gone && !p.n_goaways; i++) {
            rows[row].flood(&p, i);
            peer_pump(&p, 0);
        }
        while (!p.gone && !p.n_goaways) peer_pump(&p, 10000);
        assert_true(p.gone || p.n_goaways > 0);
        if (*rows[row].text) assert_string_equal(p.goaway_text, rows[row].text);
        peer_close(&p);
    }
    expect_echo(&good);
    peer_close(&good);
    close_site(&s);
}

static void test_garbage(void **state)
{
    site s;
    peer p;
    char byte;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    int fd = dial(s.port);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, 0), 27);
    while (recv(fd, &byte, 1, 0) > 0) {}
    close(fd);
    close(dial(s.port));
    peer_connect(&p, s.port);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

/* Without a free descriptor peers are turned away, and served again afterwards. */
static void test_no_descriptors(void **state)
{
    enum { N = 30 };
    struct rlimit before, few;
    int fds[N], n;
    site s;
    peer p;
    char byte;
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_connections = 1000});
    getrlimit(RLIMIT_NOFILE, &before);
    for (n = 0; n < N; n++) fds[n] = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    few = before;
    few.rlim_cur = (rlim_t)fds[N - 1] + 11;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (n = 0; n < N; n++) assert_int_equal(connect(fds[n], (struct sockaddr *)&a, sizeof a), 0);
    while (recv(fds[N - 1], &byte, 1, 0) > 0) {} /* the last finds none */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (n = 0; n < N; n++) close(fds[n]);
    peer_connect(&p, s.port);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

static void test_most_connections(void **state)
{
    site s;
    peer p;
    char byte;
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_connections = 1});
    peer_connect(&p, s.port);
    expect_echo(&p);
    int fd = dial(s.port);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

/* ---- ends ---- */

static void test_drain(void **state)
{
    site s;
    peer p, idle;
    answer a;
    tn_buf room = {0};
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    peer_connect(&idle, s.port);
    expect_echo(&idle);
    peer_call(&p, &a, "/t/Keep", NULL, framed(&room, 0, "last", 4), false);
    peer_pump(&p, 0);
    wait_kept(&s, 1);
    assert_false(tn_grpc_server_drain(s.server, 0)); /* nothing is answered yet: what is left is cut */
    while (!p.gone) peer_pump(&p, 10000);
    assert_int_equal(atomic_load(tn_grpc_cancelled(s.kept[0])), 1);
    release_kept(&s);
    peer_close(&p);
    peer_close(&idle);
    close_site(&s);
    tn_buf_free(&room);
}

static void *drain(void *server)
{
    return tn_grpc_server_drain(server, 100) ? server : NULL;
}

static void test_drain_well(void **state)
{
    site s;
    peer p, idle;
    answer a;
    tn_buf room = {0};
    pthread_t t;
    void *drained;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    peer_connect(&idle, s.port);
    expect_echo(&idle);
    peer_call(&p, &a, "/t/Keep", NULL, framed(&room, 0, "last", 4), false);
    peer_pump(&p, 0);
    wait_kept(&s, 1);
    assert_int_equal(pthread_create(&t, NULL, drain, s.server), 0);
    while (!idle.gone) peer_pump(&idle, 10000);
    assert_true(idle.n_goaways > 0);
    peer_close(&idle);
    while (p.n_goaways < 2) assert_true(peer_pump(&p, 10000));
    assert_int_equal(p.goaway_code, NGHTTP2_NO_ERROR);
    release_kept(&s);
    peer_finish(&p, &a);
    assert_answer(&a, "last");
    while (!p.gone) peer_pump(&p, 10000);
    peer_close(&p);
    pthread_join(t, &drained);
    assert_ptr_equal(drained, s.server);
    close_site(&s);
    answer_free(&a);
    tn_buf_free(&room);
}

/* Connections that are idle or old are asked to go; those that do not answer are cut. */
static void test_idle_old_dead(void **state)
{
    static const tn_grpc_server_options rows[] = {{.max_connection_idle_ms = 20}, {.max_connection_age_ms = 20},
                                                  {.keepalive_time_ms = 20, .keepalive_timeout_ms = 20}};
    site s;
    peer p;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        open_site(&s, rows[i]);
        peer_begin(&p, dial(s.port), i == 2);
        while (!p.gone) peer_pump(&p, 10000);
        assert_int_equal(p.n_goaways > 0, i != 2);
        peer_close(&p);
        close_site(&s);
    }
}

/* ---- addresses ---- */

static void test_unix(void **state)
{
    char path[64], address[80];
    const char *listen[] = {address, "127.0.0.1:0"};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    site s;
    peer p;
    (void)state;
    snprintf(path, sizeof path, "/tmp/turnery-test-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    for (int again = 0; again < 2; again++) {
        open_site(&s, (tn_grpc_server_options){.listen = listen, .n_listen = 2});
        assert_int_equal(s.port, 0);
        assert_true(tn_grpc_server_port(s.server, 1) > 0);
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        peer_begin(&p, fd, false);
        expect_echo(&p);
        peer_close(&p);
        close_site(&s);
        assert_int_equal(access(path, F_OK), -1);
        /* A file whose listener has gone is no hindrance. */
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        close(fd);
    }
    unlink(path);
}

static void expect_echo_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    peer p;
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    peer_begin(&p, fd, false);
    expect_echo(&p);
    peer_close(&p);
}

/* A path is the last comer's, and stays when the one before goes; what is no socket is nobody's. */
static void test_unix_path_taken_over(void **state)
{
    char path[64], address[80];
    const char *listen[] = {address};
    const tn_grpc_server_options o = {.listen = listen, .n_listen = 1};
    tn_grpc_server *none;
    tn_error err;
    site first, second;
    (void)state;
    snprintf(path, sizeof path, "/tmp/turnery-test-%d.sock", (int)getpid());
    snprintf(address, sizeof address, "unix:%s", path);
    open_site(&first, o);
    open_site(&second, o);
    expect_echo_at(path);
    close_site(&first);
    expect_echo_at(path);
    close_site(&second);
    assert_int_equal(access(path, F_OK), -1);
    assert_ok(tn_file_write(path, "no socket", 9, &err), &err);
    assert_code(tn_grpc_server_start(&o, &none, &err), TN_UNAVAILABLE);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
}

/* A name stands for all its addresses, at one port. */
static void test_name(void **state)
{
    const char *listen[] = {"localhost:0"};
    site s;
    peer p;
    (void)state;
    open_site(&s, (tn_grpc_server_options){.listen = listen, .n_listen = 1});
    peer_connect(&p, s.port);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {"", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "no such host:1", "unix:", "203.0.113.7:80"};
    tn_error err;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        tn_grpc_server_options o = {.listen = &bad[i], .n_listen = 1, .handle = handle};
        tn_grpc_server *s = NULL;
        assert_true(tn_grpc_server_start(&o, &s, &err) != TN_OK);
        assert_says(&err, bad[i]);
        assert_null(s);
    }
}

/* Memory that runs out in the middle of a call costs that call or connection, never the server. */
static void test_no_memory(void **state)
{
    site s;
    peer p;
    (void)state;
    for (int i = 1; i < 30; i++) { /* none, or a whole server */
        const char *listen[] = {"127.0.0.1:0", "localhost:0"};
        tn_grpc_server_options o = {.listen = listen, .n_listen = 2, .threads = 2, .handle = handle};
        tn_grpc_server *none = NULL;
        tn_error err = {0};
        tn_malloc_fail_at(i);
        tn_code code = tn_grpc_server_start(&o, &none, &err);
        tn_malloc_fail_at(0);
        assert_true(code ? !none && *err.message : none != NULL);
        tn_grpc_server_free(none);
    }
    open_site(&s, (tn_grpc_server_options){0});
    for (int i = 1; i < 120; i++) {
        answer a;
        tn_buf room = {0};
        tn_view x = framed(&room, 0, "x", 1);
        peer_connect(&p, s.port);
        tn_malloc_fail_at(i);
        peer_call(&p, &a, "/t/Elsewhere", NULL, x, false);
        peer_finish(&p, &a);
        tn_malloc_fail_at(0);
        peer_close(&p);
        answer_free(&a);
        tn_buf_free(&room);
    }
    peer_connect(&p, s.port);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_most_connections),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_well),
        cmocka_unit_test(test_idle_old_dead),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_unix_path_taken_over),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
