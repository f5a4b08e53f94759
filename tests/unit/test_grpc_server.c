/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_server.c - calls of the gRPC server over real sockets: answers, refusals, limits, deadlines, streams.
 */
#include "grpc_site.h"

#include "wire/wire.h"

static void test_echo(void **state)
{
    static const char *const paths[] = {"/t/Echo", "/t/Elsewhere"};
    static const size_t sizes[] = {0, 1, 4090, 100000, 3000000};
    site s;
    peer p;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    char *bytes = tn_malloc(3000000);
    for (size_t i = 0; i < 3000000; i++) bytes[i] = (char)(i * 7 / 3);
    for (size_t i = 0; i < TN_COUNT(sizes) * 2; i++) {
        size_t n = sizes[i / 2];
        answer a = ask(&p, paths[i % 2], NULL, bytes, n);
        assert_int_equal(a.status, 0);
        assert_int_equal(a.body.n, n + 5);
        assert_memory_equal(a.body.data + 5, bytes, n);
        answer_free(&a);
    }
    tn_free(bytes);
    tn_grpc_counts now = tn_grpc_server_counts(s.server);
    assert_int_equal(now.connections, 1);
    assert_true(now.bytes_in > 6000000 && now.bytes_out > 6000000);
    peer_close(&p);
    close_site(&s);
}

static void test_status(void **state)
{
    site s;
    peer p;
    char longer[1500];
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    answer a = ask(&p, "/t/Fail", NULL, "100% \xc3\xa9\n", 9);
    assert_int_equal(a.status, TN_NOT_FOUND);
    assert_string_equal(a.message, "100%25 %C3%A9%0A");
    assert_int_equal(a.body.n, 0);
    memset(longer, 'x', sizeof longer);
    a = ask(&p, "/t/Fail", NULL, longer, sizeof longer);
    assert_int_equal(strlen(a.message), 1024 + strlen("...TRUNCATED"));
    assert_string_equal(a.message + 1024, "...TRUNCATED");
    a = ask(&p, "/t/Nothing", NULL, "", 0);
    assert_int_equal(a.status, TN_UNIMPLEMENTED);
    peer_close(&p);
    close_site(&s);
}

static void test_metadata(void **state)
{
    site s;
    peer p;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    answer a = ask(&p, "/t/Tell", (const char *const[]){"x-plain", "one", "x-data-bin", "YWJj", "grpc-timeout", "1H", NULL}, "", 0);
    assert_answer(&a, "one|abc|1");
    assert_string_equal(a.trailer, "x-back=one");
    answer_free(&a);
    a = ask(&p, "/t/Tell", (const char *const[]){"x-data-bin", "YQ", NULL}, "", 0);
    assert_answer(&a, "|a|0");
    assert_string_equal(a.trailer, "x-back-bin=YQ");
    answer_free(&a);
    a = ask(&p, "/t/Tell", (const char *const[]){"x-data-bin", "?*", "grpc-timeout", "1x", NULL}, "", 0);
    assert_answer(&a, "||0");
    answer_free(&a);
    peer_close(&p);
    close_site(&s);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *value;
        int http, status;
        tn_view bytes;
    } rows[] = {
        {":method", "GET", 405, TN_INTERNAL, {"", 0}},
        {"content-type", "text/plain", 415, TN_INTERNAL, {"", 0}},
        {"content-type", "application/grpcish", 415, TN_INTERNAL, {"", 0}},
        {"content-type", "application/grpc+proto", 200, TN_OK, {"\0\0\0\0\1x", 6}},
        {"grpc-encoding", "snappy", 200, TN_UNIMPLEMENTED, {"\1\0\0\0\1x", 6}},
        {"grpc-encoding", "gzip", 200, TN_INTERNAL, {"\1\0\0\0\1x", 6}},
        {"x-a", "b", 200, TN_INTERNAL, {"\1\0\0\0\1x", 6}},
        {"x-a", "b", 200, TN_INTERNAL, {"\7\0\0\0\1x", 6}},
        {"x-a", "b", 200, TN_INTERNAL, {"\0\0\0\0\7x", 6}},
        {"x-a", "b", 200, TN_INTERNAL, {"\0\0", 2}},
        {"x-a", "b", 200, TN_RESOURCE_EXHAUSTED, {"\0\xff\xff\xff\xff", 5}},
    };
    site s;
    peer p;
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_message = 1000});
    peer_connect(&p, s.port);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        answer a;
        peer_call(&p, &a, "/t/Echo", (const char *const[]){rows[i].name, rows[i].value, NULL}, rows[i].bytes, false);
        peer_finish(&p, &a);
        assert_int_equal(a.http, rows[i].http);
        assert_int_equal(a.status, rows[i].status);
        answer_free(&a);
    }
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

static void test_limits(void **state)
{
    site s;
    peer p;
    static char large[5000];
    static char value[30001];
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_message = 4999, .max_metadata = 20000});
    peer_connect(&p, s.port);
    answer a = ask(&p, "/t/Echo", NULL, large, sizeof large);
    assert_int_equal(a.status, TN_RESOURCE_EXHAUSTED);
    assert_string_equal(a.message, "Received message larger than max (5000 vs. 4999)");
    answer_free(&a);
    tn_buf packed = {0}, room = {0};
    assert_code(tn_deflate((tn_view){large, sizeof large}, TN_GZIP, 6, &packed, NULL), TN_OK);
    peer_call(&p, &a, "/t/Echo", (const char *const[]){"grpc-encoding", "gzip", NULL}, framed(&room, 1, packed.data, packed.n), false);
    peer_finish(&p, &a);
    assert_int_equal(a.status, TN_RESOURCE_EXHAUSTED);
    answer_free(&a);
    memset(value, 'v', sizeof value - 1);
    a = ask(&p, "/t/Echo", (const char *const[]){"x-large", value + 20000, NULL}, "", 0);
    assert_int_equal(a.status, 0);
    answer_free(&a);
    a = ask(&p, "/t/Echo", (const char *const[]){"x-large", value, NULL}, "", 0);
    assert_int_equal(a.status, TN_RESOURCE_EXHAUSTED);
    answer_free(&a);
    tn_buf_free(&packed);
    tn_buf_free(&room);
    expect_echo(&p);
    peer_close(&p);
    close_site(&s);
}

/* What is being received is bounded for all calls together. */
static void test_memory(void **state)
{
    static char large[1000000];
    answer a[20];
    site s;
    peer p;
    tn_buf room = {0};
    int refused = 0;
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_memory = 5000000});
    peer_connect(&p, s.port);
    tn_view message = framed(&room, 0, large, sizeof large);
    message.n--; /* none is ever complete */
    for (int i = 0; i < 20; i++) peer_call(&p, &a[i], "/t/Echo", NULL, message, true);
    while (refused < 15) {
        peer_pump(&p, 10);
        assert_false(p.gone);
        refused = 0;
        for (int i = 0; i < 20; i++) refused += a[i].status == TN_RESOURCE_EXHAUSTED;
    }
    peer_close(&p);
    peer_connect(&p, s.port);
    while (tn_grpc_server_counts(s.server).calls) usleep(1000);
    a[0] = ask(&p, "/t/Echo", NULL, large, sizeof large);
    assert_int_equal(a[0].status, 0);
    answer_free(&a[0]);
    tn_buf_free(&room);
    peer_close(&p);
    close_site(&s);
}

/* So is what waits for peers that do not read. Who has nothing waiting is answered. */
static void test_nobody_reads(void **state)
{
    enum { PEERS = 8, CALLS = 20 };
    static answer a[PEERS][CALLS];
    site s;
    peer p[PEERS], good;
    tn_buf room = {0};
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_memory = 5000000});
    tn_view x = framed(&room, 0, "", 0);
    for (int k = 0; k < PEERS; k++) {
        int refused = 0, began = 0;
        peer_begin(&p[k], dial(s.port), true);
        for (int i = 0; i < CALLS; i++) peer_call(&p[k], &a[k][i], k % 2 ? "/t/Large" : "/t/LargeLater", NULL, x, false);
        while (refused + began < CALLS) {
            assert_true(peer_pump(&p[k], 10000));
            refused = began = 0;
            for (int i = 0; i < CALLS; i++) {
                bool is_refused = a[k][i].status == TN_RESOURCE_EXHAUSTED || (a[k][i].closed && a[k][i].code == NGHTTP2_REFUSED_STREAM);
                refused += is_refused;
                began += !is_refused && a[k][i].http == 200;
            }
        }
        assert_in_range(began, 1, 5);
        if (k) assert_true(began == 1); /* the first has taken all that there is */
    }
    peer_connect(&good, s.port);
    answer large = ask(&good, "/t/Large", NULL, "", 0);
    assert_int_equal(large.status, 0);
    assert_int_equal(large.body.n, 1000005);
    answer_free(&large);
    peer_close(&good);
    for (int k = 0; k < PEERS; k++) {
        for (int i = 0; i < CALLS; i++) answer_free(&a[k][i]);
        peer_close(&p[k]);
    }
    tn_buf_free(&room);
    close_site(&s);
}

static void test_gzip(void **state)
{
    static const struct {
        const char *encoding, *accepts;
        int server;
        const char *expected; /* of the answer */
    } rows[] = {
        {"gzip", "identity, deflate,gzip", 0, "gzip"},  {"deflate", "deflate", 0, "deflate"},
        {"gzip", "identity", 0, ""},                    {"identity", "gzip", 2, "gzip"},
        {"identity", "deflate", 2, ""},
    };
    static char text[5000];
    site s;
    peer p;
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_buf packed = {0}, room = {0}, plain = {0};
        tn_compression c = rows[i].encoding[0] == 'g' ? TN_GZIP : rows[i].encoding[0] == 'd' ? TN_ZLIB : TN_PLAIN;
        answer a;
        open_site(&s, (tn_grpc_server_options){.compression = rows[i].server});
        peer_connect(&p, s.port);
        assert_code(tn_deflate((tn_view){text, sizeof text}, c, 6, &packed, NULL), TN_OK);
        peer_call(&p, &a, "/t/Echo", (const char *const[]){"grpc-encoding", rows[i].encoding, "grpc-accept-encoding", rows[i].accepts, NULL},
                  framed(&room, c != TN_PLAIN, packed.data, packed.n), false);
        peer_finish(&p, &a);
        assert_int_equal(a.status, 0);
        assert_string_equal(a.encoding, rows[i].expected);
        assert_int_equal(a.body.data[0], rows[i].expected[0] != 0);
        c = rows[i].expected[0] == 'g' ? TN_GZIP : rows[i].expected[0] == 'd' ? TN_ZLIB : TN_PLAIN;
        assert_code(tn_inflate((tn_view){a.body.data + 5, a.body.n - 5}, c, 0, &plain, NULL), TN_OK);
        assert_int_equal(plain.n, sizeof text);
        tn_buf_free(&plain);
        tn_buf_free(&packed);
        tn_buf_free(&room);
        answer_free(&a);
        peer_close(&p);
        close_site(&s);
    }
}

/* ---- time and cancellation ---- */

static void test_deadline(void **state)
{
    site s;
    peer p;
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    answer a = ask(&p, "/t/UntilCancelled", (const char *const[]){"grpc-timeout", "20m", NULL}, "x", 1);
    assert_int_equal(a.status, TN_DEADLINE_EXCEEDED);
    assert_string_equal(a.message, "Deadline Exceeded");
    assert_int_equal(a.body.n, 0);
    a = ask(&p, "/t/UntilCancelled", (const char *const[]){"grpc-timeout", "0n", NULL}, "x", 1);
    assert_int_equal(a.status, TN_DEADLINE_EXCEEDED);
    peer_call(&p, &a, "/t/Echo", (const char *const[]){"grpc-timeout", "5000u", NULL}, (tn_view){"\0\0\0", 3}, true);
    peer_finish(&p, &a); /* a message that never comes */
    assert_int_equal(a.status, TN_DEADLINE_EXCEEDED);
    a = ask(&p, "/t/Chat", (const char *const[]){"grpc-timeout", "5m", NULL}, "x", 1);
    expect_echo(&p);
    answer_free(&a);
    peer_close(&p);
    close_site(&s);
}

static void test_cancelled(void **state)
{
    site s;
    peer p;
    answer a, b;
    tn_buf room = {0};
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    tn_view x = framed(&room, 0, "x", 1);
    peer_call(&p, &a, "/t/Keep", NULL, x, false);
    peer_call(&p, &b, "/t/Keep", NULL, x, false);
    peer_pump(&p, 0);
    wait_kept(&s, 2);
    nghttp2_submit_rst_stream(p.session, 0, a.stream, NGHTTP2_CANCEL);
    expect_echo(&p);
    assert_int_equal(atomic_load(tn_grpc_cancelled(s.kept[0])), 1);
    assert_int_equal(atomic_load(tn_grpc_cancelled(s.kept[1])), 0);
    tn_grpc_call *other = s.kept[1];
    peer_close(&p);
    while (!atomic_load(tn_grpc_cancelled(other))) usleep(1000);
    assert_memory_equal(tn_grpc_peer(other), "ipv4:127.0.0.1:", 15);
    release_kept(&s);
    close_site(&s);
    tn_buf_free(&room);
}

/* ---- streams of messages ---- */

static void test_streams(void **state)
{
    site s;
    peer p;
    answer a;
    tn_buf room = {0}, two = {0};
    (void)state;
    open_site(&s, (tn_grpc_server_options){0});
    peer_connect(&p, s.port);
    a = ask(&p, "/t/Count", NULL, "", 0);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.body.n, 18);
    assert_memory_equal(a.body.data, "\0\0\0\0\1" "0\0\0\0\0\1" "1\0\0\0\0\1" "2", 18);
    answer_free(&a);
    framed(&room, 0, "a", 1);
    tn_buf_add(&two, room.data, room.n);
    framed(&room, 0, "bc", 2);
    tn_buf_add(&two, room.data, room.n);
    peer_call(&p, &a, "/t/Chat", NULL, (tn_view){two.data, two.n}, true); /* two in one frame, no end */
    while (a.body.n < 17) assert_true(peer_pump(&p, 10000));
    assert_memory_equal(a.body.data, "\0\0\0\0\3<a>\0\0\0\0\4<bc>", 17);
    assert_false(a.closed);
    a.left = framed(&room, 0, "d", 1);
    a.open_end = false;
    nghttp2_session_resume_data(p.session, a.stream);
    peer_finish(&p, &a);
    assert_int_equal(a.status, 0);
    assert_memory_equal(a.body.data + 17, "\0\0\0\0\3<d>", 8);
    answer_free(&a);
    /* One that the peer gives up: the handler is told. */
    peer_call(&p, &a, "/t/Chat", NULL, framed(&room, 0, "e", 1), true);
    while (a.body.n < 8) assert_true(peer_pump(&p, 10000));
    nghttp2_submit_rst_stream(p.session, 0, a.stream, NGHTTP2_CANCEL);
    peer_pump(&p, 0);
    pthread_mutex_lock(&s.lock);
    while (!s.n_cancelled) pthread_cond_wait(&s.changed, &s.lock);
    pthread_mutex_unlock(&s.lock);
    answer_free(&a);
    tn_buf_free(&room);
    tn_buf_free(&two);
    peer_close(&p);
    close_site(&s);
}

static void test_many_streams(void **state)
{
    enum { N = 600 };
    static answer a[N];
    site s;
    peer p;
    tn_buf room = {0};
    (void)state;
    open_site(&s, (tn_grpc_server_options){.max_streams = N});
    peer_connect(&p, s.port);
    tn_view x = framed(&room, 0, "x", 1);
    while (nghttp2_session_get_remote_settings(p.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) != N) peer_pump(&p, 1000);
    for (int i = 0; i < N; i++) peer_call(&p, &a[i], "/t/Keep", NULL, x, false);
    peer_pump(&p, 0);
    wait_kept(&s, N);
    assert_int_equal(tn_grpc_server_counts(s.server).calls, N);
    release_kept(&s);
    for (int i = 0; i < N; i++) {
        peer_finish(&p, &a[i]);
        assert_answer(&a[i], "x");
        answer_free(&a[i]);
    }
    tn_buf_free(&room);
    peer_close(&p);
    close_site(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_nobody_reads),
        cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_many_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
