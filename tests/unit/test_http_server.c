/* SPDX-License-Identifier: Apache-2.0
 *
 * test_http_server.c - the HTTP/1.1 server over real sockets, bytes by hand.
 */
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "certificates.h"
#include "net/net.h"
#include "wire/wire.h"

/* ==== a server whose paths say what it does ==== */

typedef struct later { /* an answer from another thread */
    tn_http_request *r;
    pthread_t thread;
    struct later *next;
} later;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static later *started;
static atomic_int held, released;

static void echo(tn_http_request *r)
{
    tn_buf out = {0};
    const char *header = tn_http_header(r, "x-test"), *problem = tn_http_problem(r);
    tn_view body = tn_http_body(r);
    tn_buf_printf(&out, "%s %s ?%s [%s] %s", tn_http_method(r), tn_http_path(r), tn_http_query(r), header ? header : "", problem ? problem : "");
    tn_buf_add(&out, body.p, body.n);
    assert_int_equal(body.p[body.n], 0);
    assert_true(strncmp(tn_http_peer(r), "ipv", 3) == 0 && tn_http_received(r) > 0);
    tn_http_reply_header(r, "X-Answer", "42");
    tn_http_reply(r, strstr(tn_http_path(r), "teapot") ? 418 : 200, "text/plain", &out);
}

static void *answer_later(void *arg)
{
    later *l = arg;
    if (strstr(tn_http_path(l->r), "hold")) {
        atomic_fetch_add(&held, 1);
        while (!atomic_load(&released) && !atomic_load(tn_http_cancelled(l->r))) usleep(1000);
    }
    echo(l->r);
    return NULL;
}

enum { LARGE = 16 << 20 };

static void enlarge(tn_http_request *r)
{
    tn_buf out = {0};
    assert_true(tn_buf_reserve(&out, LARGE));
    memset(out.data, 'x', LARGE);
    out.n = LARGE;
    tn_http_reply(r, 200, "text/plain", &out);
}

static void handle(void *payload, tn_http_request *r)
{
    (void)payload;
    if (strstr(tn_http_path(r), "large")) {
        enlarge(r);
        return;
    }
    if (!strstr(tn_http_path(r), "later")) {
        echo(r);
        return;
    }
    later *l = tn_calloc(1, sizeof *l);
    l->r = r;
    pthread_mutex_lock(&lock);
    l->next = started;
    started = l;
    pthread_create(&l->thread, NULL, answer_later, l);
    pthread_mutex_unlock(&lock);
}

static void join_all(void)
{
    pthread_mutex_lock(&lock);
    later *l = started;
    started = NULL;
    pthread_mutex_unlock(&lock);
    while (l) {
        later *next = l->next;
        pthread_join(l->thread, NULL);
        tn_free(l);
        l = next;
    }
}

static tn_http_server *start(tn_http_server_options o)
{
    tn_http_server *s = NULL;
    tn_error err = {0};
    if (!o.listen) o.listen = "127.0.0.1:0";
    if (!o.threads) o.threads = 2;
    o.handle = handle;
    assert_ok(tn_http_server_start(&o, &s, &err), &err);
    assert_true(tn_http_server_port(s) > 0);
    return s;
}

static void stop(tn_http_server *s)
{
    tn_http_server_free(s);
    join_all();
}

/* ==== clients ==== */

static int connect_to(const tn_http_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tn_http_server_port(s))};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const void *p, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t sent = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0) return;
        at += (size_t)sent;
    }
}

/* Reads until `until` has come as often as wanted (NULL: until the connection ends). */
static void hear(int fd, const char *until, int times, tn_buf *out)
{
    char bytes[4096];
    for (;;) {
        int seen = 0;
        for (const char *p = out->data; until && p && (p = strstr(p, until)); p++) seen++;
        if (until && seen >= times) return;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 20000), 1);
        ssize_t n = recv(fd, bytes, sizeof bytes, 0);
        if (n <= 0) return;
        tn_buf_add(out, bytes, (size_t)n);
    }
}

static void exchange(const tn_http_server *s, const char *request, size_t n, tn_buf *out)
{
    int fd = connect_to(s);
    tn_buf_clear(out);
    say(fd, request, n);
    hear(fd, NULL, 0, out);
    close(fd);
}

/* One request; the answer must contain all of what is wanted. */
static void expect(const tn_http_server *s, const char *request, const char *status, const char *part)
{
    tn_buf out = {0};
    exchange(s, request, strlen(request), &out);
    if (!out.data || strncmp(out.data, status, strlen(status)) != 0 || !strstr(out.data, part))
        fail_msg("%s\nwas answered with\n%s", request, out.data ? out.data : "nothing");
    tn_buf_free(&out);
}

/* ==== tests ==== */

#define CLOSE "Host: x\r\nConnection: close\r\n"

static void requests(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){0});
    expect(s, "GET /a/b%20c?q=1&r=%2F HTTP/1.1\r\n" CLOSE "X-TEST: yes\r\n\r\n", "HTTP/1.1 200", "GET /a/b%20c ?q=1&r=%2F [yes] ");
    expect(s, "POST /teapot HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 418", "POST /teapot ? [] hello");
    expect(s, "POST /later HTTP/1.1\r\n" CLOSE "Content-Length: 5\r\n\r\nhello", "HTTP/1.1 200", "POST /later ? [] hello");
    expect(s, "POST /c HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", "HTTP/1.1 200", "[] abcdefg");
    expect(s, "PATCH /p HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "PATCH /p ? [] ");
    expect(s, "GET http://host:1/abs?x HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "GET /abs ?x [] ");
    expect(s, "GET /old HTTP/1.0\r\n\r\n", "HTTP/1.", "GET /old ? [] ");
    expect(s, "GET /h HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "X-Answer: 42\r\n");
    expect(s, "GET /h HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "Content-Type: text/plain\r\n");
    stop(s);
}

static void head_has_no_body(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){0});
    tn_buf out = {0};
    const char *request = "HEAD /h HTTP/1.1\r\n" CLOSE "\r\n";
    exchange(s, request, strlen(request), &out);
    assert_true(strncmp(out.data, "HTTP/1.1 200", 12) == 0);
    assert_non_null(strstr(out.data, "Content-Length: 13\r\n"));
    assert_string_equal(strstr(out.data, "\r\n\r\n"), "\r\n\r\n");
    tn_buf_free(&out);
    stop(s);
}

static void connections_are_kept(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){0});
    tn_buf out = {0};
    int fd = connect_to(s);
    for (int i = 1; i <= 3; i++) { /* every second one from another thread */
        const char *request = i % 2 ? "GET /one HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /later HTTP/1.1\r\nHost: x\r\n\r\n";
        say(fd, request, strlen(request));
        hear(fd, "? [] ", i, &out);
    }
    const char *pipelined = "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /later/b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n";
    say(fd, pipelined, strlen(pipelined));
    hear(fd, "? [] ", 6, &out);
    assert_true(strstr(out.data, "GET /a") < strstr(out.data, "GET /later/b") && strstr(out.data, "GET /later/b") < strstr(out.data, "GET /c"));
    close(fd);
    tn_buf_free(&out);
    stop(s);
}

static void expect_continue(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.max_body = 100});
    tn_buf out = {0};
    int fd = connect_to(s);
    const char *head = "POST /e HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    say(fd, head, strlen(head));
    hear(fd, "100 Continue", 1, &out);
    say(fd, "abc", 3);
    hear(fd, NULL, 0, &out);
    assert_non_null(strstr(out.data, "[] abc"));
    close(fd);
    tn_buf_clear(&out);
    fd = connect_to(s); /* too large: nothing is asked for */
    head = "POST /e HTTP/1.1\r\n" CLOSE "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n";
    say(fd, head, strlen(head));
    hear(fd, NULL, 0, &out);
    assert_true(strncmp(out.data, "HTTP/1.1 413", 12) == 0);
    close(fd);
    tn_buf_free(&out);
    stop(s);
}

static void bodies_have_a_limit(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.max_body = 10});
    expect(s, "POST /x HTTP/1.1\r\n" CLOSE "Content-Length: 10\r\n\r\n0123456789", "HTTP/1.1 200", "0123456789");
    expect(s, "POST /x HTTP/1.1\r\n" CLOSE "Content-Length: 99999999999\r\n\r\n", "HTTP/1.1 413", "larger than this server accepts");
    expect(s, "POST /x HTTP/1.1\r\n" CLOSE "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n", "HTTP/1.1 413",
           "larger than this server accepts");
    stop(s);
}

static void broken_requests(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "\r\n\r\n\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    };
    tn_http_server *s = start((tn_http_server_options){.timeout = 1});
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        int fd = connect_to(s);
        tn_buf out = {0};
        say(fd, rows[i], strlen(rows[i]));
        shutdown(fd, SHUT_WR);
        hear(fd, NULL, 0, &out);
        close(fd);
        tn_buf_free(&out);
    }
    char *long_line = tn_malloc(300000); /* larger than a connection's memory */
    memset(long_line, 'a', 300000);
    memcpy(long_line, "GET /", 5);
    int fd = connect_to(s);
    tn_buf out = {0};
    say(fd, long_line, 300000);
    hear(fd, NULL, 0, &out);
    close(fd);
    tn_buf_free(&out);
    tn_free(long_line);
    expect(s, "GET /alive HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/alive");
    stop(s);
}

static void gzip_both_ways(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.max_body = 100000, .gzip = true});
    tn_buf plain = {0}, packed = {0}, request = {0}, out = {0};
    tn_error err;
    for (int i = 0; i < 5000; i++) tn_buf_str(&plain, "0.125, ");
    assert_ok(tn_deflate((tn_view){plain.data, plain.n}, TN_GZIP, 6, &packed, &err), &err);
    tn_buf_printf(&request, "POST /z HTTP/1.1\r\n" CLOSE "Content-Encoding: gzip\r\nAccept-Encoding: deflate, gzip\r\nContent-Length: %zu\r\n\r\n", packed.n);
    tn_buf_add(&request, packed.data, packed.n);
    exchange(s, request.data, request.n, &out);
    const char *body = strstr(out.data, "\r\n\r\n") + 4;
    assert_non_null(strstr(out.data, "Content-Encoding: gzip\r\n"));
    tn_buf_clear(&packed);
    assert_ok(tn_inflate((tn_view){body, out.n - (size_t)(body - out.data)}, TN_GZIP, 0, &packed, &err), &err);
    assert_memory_equal(packed.data, "POST /z ? [] 0.125, ", 20);
    assert_int_equal(packed.n, plain.n + 13);

    tn_buf_clear(&request); /* a body that would be much larger than allowed */
    tn_buf_clear(&packed);
    tn_buf_clear(&plain);
    tn_buf_reserve(&plain, 3000000);
    for (int i = 0; i < 300000; i++) tn_buf_str(&plain, "          ");
    assert_ok(tn_deflate((tn_view){plain.data, plain.n}, TN_GZIP, 6, &packed, &err), &err);
    tn_buf_printf(&request, "POST /z HTTP/1.1\r\n" CLOSE "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", packed.n);
    tn_buf_add(&request, packed.data, packed.n);
    exchange(s, request.data, request.n, &out);
    assert_true(strncmp(out.data, "HTTP/1.1 413", 12) == 0);
    expect(s, "POST /z HTTP/1.1\r\n" CLOSE "Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", "HTTP/1.1 200", "the body said to be gzip is not");
    tn_buf_free(&plain);
    tn_buf_free(&packed);
    tn_buf_free(&request);
    tn_buf_free(&out);
    stop(s);
}

/* Clients that go away while their answer is made, or have sent all that they will. */
static void vanished_and_half_closed_clients(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){0});
    atomic_store(&held, 0);
    atomic_store(&released, 0);
    const char *request = "GET /later/hold HTTP/1.1\r\nHost: x\r\n\r\n";
    for (int i = 0; i < 4; i++) {
        int fd = connect_to(s);
        say(fd, request, strlen(request));
        while (atomic_load(&held) <= i) usleep(1000);
        if (i % 2) setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
        close(fd);
    }
    atomic_store(&released, 1);
    tn_buf out = {0};
    int fd;
    for (int i = 0; i < 20; i++) { /* its end comes before the answer, be it at once or later */
        const char *half = i % 2 ? "GET /later/hold HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /half HTTP/1.1\r\nHost: x\r\n\r\n";
        atomic_store(&released, 0);
        fd = connect_to(s);
        tn_buf_clear(&out);
        say(fd, half, strlen(half));
        if (i % 3) usleep(300);
        shutdown(fd, SHUT_WR);
        atomic_store(&released, 1);
        hear(fd, "? [] ", 1, &out);
        if (!out.data || !strstr(out.data, " ? [] ")) fail_msg("%d: no answer but %s", i, out.data ? out.data : "nothing");
        close(fd);
    }
    tn_buf_free(&out);
    fd = connect_to(s); /* half a body, then gone */
    say(fd, "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", 52);
    close(fd);
    expect(s, "GET /alive HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/alive");
    stop(s);
}

static void idle_connections_time_out(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.timeout = 1});
    tn_buf out = {0};
    int fd = connect_to(s);
    say(fd, "GET /slow HTT", 13);
    hear(fd, NULL, 0, &out); /* the server ends it */
    assert_int_equal(out.n, 0);
    close(fd);
    stop(s);
}

/* Who sends a byte now and then is not waited for: neither headers nor a body. */
static void trickling_clients(void **state)
{
    (void)state;
    static const char *const begins[] = {"GET /slow HTTP/1.1\r\nX: ", "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"};
    tn_http_server *s = start((tn_http_server_options){.timeout = 1});
    for (size_t i = 0; i < TN_COUNT(begins); i++) {
        int fd = connect_to(s), sent = 0;
        char byte;
        say(fd, begins[i], strlen(begins[i]));
        while (sent < 400 && send(fd, "a", 1, MSG_NOSIGNAL) == 1) { /* 40 seconds would be too many */
            struct pollfd p = {.fd = fd, .events = POLLIN};
            if (poll(&p, 1, 100) == 1 && recv(fd, &byte, 1, 0) <= 0) break;
            sent++;
        }
        assert_true(sent < 400);
        close(fd);
    }
    expect(s, "GET /alive HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/alive");
    stop(s);
}

/* What waits for those who do not read, and what comes from those who do not end, is bounded for all together. */
static void memory_has_a_limit(void **state)
{
    (void)state;
    enum { N = 6, ROOM = 3 };
    tn_http_server *s = start((tn_http_server_options){.max_memory = ROOM * LARGE + 1000000});
    const char *request = "GET /large HTTP/1.1\r\n" CLOSE "\r\n", *part = "POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n";
    char *body = tn_calloc(1, LARGE);
    tn_buf out = {0};
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = connect_to(s);
        say(fds[i], request, strlen(request));
        tn_buf_clear(&out);
        hear(fds[i], "\r\n\r\n", 1, &out);
        assert_int_equal(strncmp(out.data, i < ROOM ? "HTTP/1.1 200" : "HTTP/1.1 503", 12), 0);
    }
    expect(s, "GET /alive HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/alive");
    for (int i = 0; i < N; i++) close(fds[i]);
    do { /* they are noticed one after another */
        exchange(s, request, strlen(request), &out);
    } while (strncmp(out.data, "HTTP/1.1 200", 12) != 0);
    tn_buf whole = {0};
    tn_buf_printf(&whole, "POST /p HTTP/1.1\r\n" CLOSE "Content-Length: %d\r\n\r\n", LARGE);
    tn_buf_add(&whole, body, LARGE);
    int refused = 0;
    for (int patience = 1; !refused && patience < 100; patience++) { /* those before are there until they are noticed */
        for (int i = 0; i < ROOM; i++) {
            fds[i] = connect_to(s);
            say(fds[i], part, strlen(part));
            say(fds[i], body, LARGE);
        }
        for (int k = 0; !refused && k < 4; k++) { /* what they have sent comes in when it does */
            exchange(s, whole.data, whole.n, &out);
            refused = strncmp(out.data, "HTTP/1.1 503", 12) == 0;
        }
        for (int i = 0; i < ROOM; i++) close(fds[i]);
        if (!refused) usleep(1000 * (useconds_t)(patience * patience));
    }
    assert_true(refused);
    tn_buf_free(&whole);
    tn_buf_free(&out);
    tn_free(body);
    stop(s);
}

static void connections_have_a_limit(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.max_connections = 4, .threads = 1});
    int fds[8];
    for (int i = 0; i < 8; i++) fds[i] = connect_to(s);
    for (int i = 0; i < 8; i++) close(fds[i]);
    expect(s, "GET /alive HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/alive");
    stop(s);
}

static void draining_waits_for_answers(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){0});
    atomic_store(&held, 0);
    atomic_store(&released, 0);
    tn_buf out = {0};
    int fd = connect_to(s);
    const char *request = "GET /later/hold HTTP/1.1\r\nHost: x\r\n\r\n";
    say(fd, request, strlen(request));
    while (!atomic_load(&held)) usleep(1000);
    assert_false(tn_http_server_drain(s, 0.05)); /* which cancels it */
    char nothing;
    int late = connect_to(s); /* is turned away */
    send(late, request, strlen(request), MSG_NOSIGNAL);
    assert_true(recv(late, &nothing, 1, 0) <= 0);
    close(late);
    assert_true(tn_http_server_drain(s, 20));
    hear(fd, NULL, 0, &out);
    assert_non_null(strstr(out.data, "GET /later/hold ? [] "));
    assert_non_null(strstr(out.data, "Connection: close"));
    close(fd);
    tn_buf_free(&out);
    stop(s);
}

static void *many_requests(void *server)
{
    tn_buf out = {0};
    int fd = connect_to(server);
    for (int i = 1; i <= 200; i++) {
        const char *request = i % 3 ? "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" : "GET /now HTTP/1.1\r\nHost: x\r\n\r\n";
        say(fd, request, strlen(request));
        tn_buf_clear(&out);
        hear(fd, i % 3 ? "[] abc" : "? [] ", 1, &out);
    }
    close(fd);
    tn_buf_free(&out);
    return NULL;
}

static void many_at_once(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.threads = 3});
    pthread_t threads[6];
    for (size_t i = 0; i < TN_COUNT(threads); i++) pthread_create(&threads[i], NULL, many_requests, s);
    for (size_t i = 0; i < TN_COUNT(threads); i++) pthread_join(threads[i], NULL);
    stop(s);
}

static void addresses(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "localhost", "127.0.0.1:x", "no.such.host.invalid:1", "[::1:80"};
    tn_http_server *s = NULL;
    tn_error err;
    for (size_t i = 0; i < TN_COUNT(wrong); i++)
        assert_true(tn_http_server_start(&(tn_http_server_options){.listen = wrong[i], .handle = handle}, &s, &err) != TN_OK);
    s = start((tn_http_server_options){.listen = "0.0.0.0:0"});
    char taken[64];
    snprintf(taken, sizeof taken, "0.0.0.0:%d", tn_http_server_port(s));
    tn_http_server *second = NULL;
    assert_true(tn_http_server_start(&(tn_http_server_options){.listen = taken, .handle = handle}, &second, &err) != TN_OK);
    assert_says(&err, taken);
    stop(s);
    if (tn_http_server_start(&(tn_http_server_options){.listen = "[::]:0", .handle = handle}, &s, &err) == TN_OK) { /* IPv4 too */
        expect(s, "GET /six HTTP/1.1\r\n" CLOSE "\r\n", "HTTP/1.1 200", "/six");
        stop(s);
    }
    assert_code(tn_http_server_start(&(tn_http_server_options){.listen = "127.0.0.1:0", .cert = TN_VIEW("no PEM"), .key = TN_VIEW("none"), .handle = handle},
                                     &s, &err), TN_INVALID_ARGUMENT);
}

/* ==== TLS ==== */

static void use_certificate(SSL_CTX *ctx, const char *key, const char *cert)
{
    BIO *k = BIO_new_mem_buf(key, -1), *c = BIO_new_mem_buf(cert, -1);
    EVP_PKEY *private = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
    X509 *public = PEM_read_bio_X509(c, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(ctx, public), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, private), 1);
    X509_free(public);
    EVP_PKEY_free(private);
    BIO_free(k);
    BIO_free(c);
}

/* What the server answers; nothing: the connection was refused. The server's certificate is not looked at. */
static void exchange_tls(const tn_http_server *s, const char *key, const char *cert, const char *request, tn_buf *out)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char bytes[4096];
    int fd = connect_to(s), n;
    tn_buf_clear(out);
    if (key) use_certificate(ctx, key, cert);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, (int)strlen(request)) > 0)
        while ((n = SSL_read(ssl, bytes, sizeof bytes)) > 0) tn_buf_add(out, bytes, (size_t)n);
    tn_buf_char(out, 0);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
}

static void tls(void **state)
{
    (void)state;
    tn_http_server *s = start((tn_http_server_options){.key = TN_VIEW(SERVER_KEY), .cert = TN_VIEW(SERVER_CERT)});
    tn_buf out = {0};
    exchange_tls(s, NULL, NULL, "GET /secret HTTP/1.1\r\n" CLOSE "\r\n", &out);
    assert_non_null(strstr(out.data, "GET /secret ? [] "));
    exchange_tls(s, NULL, NULL, "POST /later HTTP/1.1\r\n" CLOSE "Content-Length: 3\r\n\r\nabc", &out);
    assert_non_null(strstr(out.data, "POST /later ? [] abc"));
    const char *plain = "GET /plain HTTP/1.1\r\n" CLOSE "\r\n";
    exchange(s, plain, strlen(plain), &out);
    assert_true(out.n == 0 || !strstr(out.data, "200 OK"));
    stop(s);
    s = start((tn_http_server_options){
        .key = TN_VIEW(SERVER_KEY), .cert = TN_VIEW(SERVER_CERT), .ca = TN_VIEW(AUTHORITY_CERT), .verify_peer = true});
    exchange_tls(s, CLIENT_KEY, CLIENT_CERT, "GET /known HTTP/1.1\r\n" CLOSE "\r\n", &out);
    assert_non_null(strstr(out.data, "GET /known ? [] "));
    exchange_tls(s, NULL, NULL, "GET /unknown HTTP/1.1\r\n" CLOSE "\r\n", &out);
    assert_null(strstr(out.data, "GET /unknown"));
    exchange_tls(s, OTHER_KEY, OTHER_CERT, "GET /stranger HTTP/1.1\r\n" CLOSE "\r\n", &out);
    assert_null(strstr(out.data, "GET /stranger"));
    tn_buf_free(&out);
    stop(s);
    tn_error err;
    const tn_http_server_options wrong = {.listen = "127.0.0.1:0", .handle = handle, .key = TN_VIEW(CLIENT_KEY), .cert = TN_VIEW(SERVER_CERT)};
    assert_code(tn_http_server_start(&wrong, &s, &err), TN_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(head_has_no_body),
        cmocka_unit_test(connections_are_kept),
        cmocka_unit_test(expect_continue),
        cmocka_unit_test(bodies_have_a_limit),
        cmocka_unit_test(broken_requests),
        cmocka_unit_test(gzip_both_ways),
        cmocka_unit_test(vanished_and_half_closed_clients),
        cmocka_unit_test(idle_connections_time_out),
        cmocka_unit_test(trickling_clients),
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(connections_have_a_limit),
        cmocka_unit_test(draining_waits_for_answers),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(addresses),
        cmocka_unit_test(tls),
    };
    return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}
