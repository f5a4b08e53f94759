/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_server.c - the gRPC server over real sockets: calls, refusals, deadlines, streams, floods, its end.
 */
#include "net/net.h"
#include "wire/wire.h"

#include "h2_peer.h"

#include <fcntl.h>
#include <sys/resource.h>

/* ---- a server with methods named after what they do ---- */

typedef struct site {
    tn_grpc_server *server;
    int port;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    tn_grpc_call *kept[2000];
    int n_kept, n_cancelled;
} site;

static void echo(tn_grpc_call *c)
{
    tn_buf b = {0};
    tn_view m = tn_grpc_message(c);
    tn_buf_add(&b, m.p, m.n);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static void *echo_elsewhere(void *call)
{
    tn_grpc_call *c = call;
    if (strcmp(tn_grpc_path(c), "/t/UntilCancelled") == 0)
        while (!atomic_load(tn_grpc_cancelled(c))) usleep(1000);
    echo(c);
    return NULL;
}

static void elsewhere(tn_grpc_call *c)
{
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, echo_elsewhere, c), 0);
    pthread_detach(t);
}

static void *count_elsewhere(void *call)
{
    tn_error err;
    for (int i = 0; i < 3; i++) {
        tn_buf b = {0};
        tn_buf_printf(&b, "%d", i);
        assert_ok(tn_grpc_send(call, &b, &err), &err);
    }
    tn_grpc_reply(call, TN_OK, NULL, NULL);
    return NULL;
}

static void chat(site *s, tn_grpc_call *c)
{
    tn_error err;
    if (tn_grpc_message(c).p) {
        tn_buf b = {0};
        tn_buf_printf(&b, "<%.*s>", (int)tn_grpc_message(c).n, tn_grpc_message(c).p);
        assert_ok(tn_grpc_send(c, &b, &err), &err);
    }
    if (!tn_grpc_is_last(c)) {
        tn_grpc_keep_open(c);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->n_cancelled += atomic_load(tn_grpc_cancelled(c));
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    tn_grpc_reply(c, TN_OK, NULL, NULL);
}

static void keep(site *s, tn_grpc_call *c)
{
    pthread_mutex_lock(&s->lock);
    s->kept[s->n_kept++] = c;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void tell(tn_grpc_call *c)
{
    tn_buf b = {0};
    tn_view v = tn_grpc_metadata(c, "x-data-bin"), plain = tn_grpc_metadata(c, "x-plain");
    tn_buf_printf(&b, "%.*s|%.*s|%d", (int)plain.n, plain.p ? plain.p : "", (int)v.n, v.p ? v.p : "", tn_grpc_deadline(c) > 0);
    tn_grpc_trailer(c, plain.p ? "x-back" : "x-back-bin", plain.p ? plain : v);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static void fail_with_message(tn_grpc_call *c)
{
    char *text = tn_arena_strndup(tn_grpc_arena(c), tn_grpc_message(c).p, tn_grpc_message(c).n);
    tn_grpc_reply(c, TN_NOT_FOUND, text, NULL);
}

static void enlarge(tn_grpc_call *c)
{
    static char zeros[1000000];
    tn_buf b = {0};
    tn_buf_add(&b, zeros, sizeof zeros);
    tn_grpc_reply(c, TN_OK, NULL, &b);
}

static void *enlarge_later(void *call)
{
    enlarge(call);
    return NULL;
}

static void handle(void *payload, tn_grpc_call *c)
{
    const char *path = tn_grpc_path(c);
    pthread_t t;
    if (strcmp(path, "/t/Echo") == 0)
        echo(c);
    else if (strcmp(path, "/t/Elsewhere") == 0 || strcmp(path, "/t/UntilCancelled") == 0)
        elsewhere(c);
    else if (strcmp(path, "/t/Fail") == 0)
        fail_with_message(c);
    else if (strcmp(path, "/t/Tell") == 0)
        tell(c);
    else if (strcmp(path, "/t/Chat") == 0)
        chat(payload, c);
    else if (strcmp(path, "/t/Keep") == 0)
        keep(payload, c);
    else if (strcmp(path, "/t/Large") == 0)
        enlarge(c);
    else if (strcmp(path, "/t/LargeLater") == 0)
        assert_int_equal(pthread_create(&t, NULL, enlarge_later, c) || pthread_detach(t), 0);
    else if (strcmp(path, "/t/Count") == 0)
        assert_int_equal(pthread_create(&t, NULL, count_elsewhere, c) || pthread_detach(t), 0);
    else
        tn_grpc_reply(c, TN_UNIMPLEMENTED, "", NULL);
}

static void open_site(site *s, tn_grpc_server_options o)
{
    static const char *const listen[] = {"127.0.0.1:0"};
    tn_error err;
    *s = (site){0};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (!o.n_listen) {
        o.listen = listen;
        o.n_listen = 1;
    }
    o.threads = 2;
    o.handle = handle;
    o.payload = s;
    assert_ok(tn_grpc_server_start(&o, &s->server, &err), &err);
    s->port = tn_grpc_server_port(s->server, 0);
}

static void wait_kept(site *s, int n)
{
    pthread_mutex_lock(&s->lock);
    while (s->n_kept < n) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void release_kept(site *s)
{
    for (int i = 0; i < s->n_kept; i++) echo(s->kept[i]);
    s->n_kept = 0;
}

static void close_site(site *s)
{
    tn_grpc_server_free(s->server);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* One call to its end. */
static answer ask(peer *p, const char *path, const char *const *headers, const char *message, size_t n)
{
    answer a;
    tn_buf room = {0};
    peer_call(p, &a, path, headers, framed(&room, 0, message, n), false);
    peer_finish(p, &a);
    tn_buf_free(&room);
    return a;
}

static void assert_answer(const answer *a, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(a->http, 200);
    assert_int_equal(a->status, 0);
    assert_int_equal(a->body.n, 5 + n);
    assert_memory_equal(a->body.data + 5, text, n);
}

static void expect_echo(peer *p)
{
    answer a = ask(p, "/t/Echo", NULL, "still here", 10);
    assert_answer(&a, "still here");
    answer_free(&a);
}

/* ---- calls ---- */

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
        cmocka_unit_test(test_echo),           cmocka_unit_test(test_status),
        cmocka_unit_test(test_metadata),       cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),         cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_deadline),       cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_streams),        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_floods),         cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_no_descriptors), cmocka_unit_test(test_most_connections),
        cmocka_unit_test(test_drain),          cmocka_unit_test(test_drain_well),
        cmocka_unit_test(test_idle_old_dead),  cmocka_unit_test(test_unix), cmocka_unit_test(test_unix_path_taken_over),
        cmocka_unit_test(test_bad_addresses),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_memory),         cmocka_unit_test(test_name),
        cmocka_unit_test(test_nobody_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
