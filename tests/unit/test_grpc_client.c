/* SPDX-License-Identifier: Apache-2.0
 *
 * test_grpc_client.c - the gRPC client against our server: answers, ends, TLS; against peers that are none; and connections that are lost.
 */
#include "net/net.h"

#include "test.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server ---- */

static void *until_cancelled(void *call)
{
    while (!atomic_load(tn_grpc_cancelled(call))) usleep(500);
    tn_grpc_reply(call, TN_OK, NULL, NULL);
    return NULL;
}

static void handle(void *payload, tn_grpc_call *c)
{
    const char *path = tn_grpc_path(c);
    tn_view m = tn_grpc_message(c);
    tn_buf b = {0};
    pthread_t t;
    (void)payload;
    if (strcmp(path, "/t/Fail") == 0) {
        char *text = tn_arena_strndup(tn_grpc_arena(c), m.p, m.n);
        tn_grpc_reply(c, TN_NOT_FOUND, text, NULL);
    } else if (strcmp(path, "/t/Wait") == 0) {
        assert_int_equal(pthread_create(&t, NULL, until_cancelled, c) || pthread_detach(t), 0);
    } else if (strcmp(path, "/t/Who") == 0) {
        tn_view v = tn_grpc_metadata(c, "authorization");
        char *text = tn_arena_strndup(tn_grpc_arena(c), v.p ? v.p : "", v.n);
        tn_grpc_reply(c, TN_UNAUTHENTICATED, text, NULL);
    } else if (strcmp(path, "/t/Nothing") == 0) {
        tn_grpc_reply(c, TN_OK, NULL, NULL);
    } else if (strcmp(path, "/t/Twice") == 0) {
        tn_buf_str(&b, "1");
        tn_grpc_send(c, &b, NULL);
        tn_buf_str(&b, "2");
        tn_grpc_reply(c, TN_OK, NULL, &b);
    } else {
        tn_buf_add(&b, m.p, m.n);
        tn_grpc_reply(c, TN_OK, NULL, &b);
    }
}

static tn_grpc_server *serve(const char *address, tn_tls *tls, char target[64])
{
    tn_grpc_server_options o = {.listen = &address, .n_listen = 1, .threads = 1, .handle = handle, .tls = tls, .max_message = 4 << 20};
    tn_grpc_server *s;
    tn_error err;
    assert_ok(tn_grpc_server_start(&o, &s, &err), &err);
    if (target) snprintf(target, 64, "localhost:%d", tn_grpc_server_port(s, 0));
    return s;
}

static tn_grpc_channel *channel(tn_grpc_channel_options o)
{
    tn_grpc_channel *c;
    tn_error err;
    assert_ok(tn_grpc_channel_new(&o, &c, &err), &err);
    return c;
}

static void expect_echo(tn_grpc_channel *c, const char *p, size_t n)
{
    tn_buf answer = {0};
    tn_error err;
    assert_ok(tn_grpc_call_sync(c, "/t/Echo", (tn_view){p, n}, 60, &answer, &err), &err);
    assert_int_equal(answer.n, n);
    if (n) assert_memory_equal(answer.data, p, n);
    tn_buf_free(&answer);
}

static tn_code ask(tn_grpc_channel *c, const char *path, const char *text, double seconds, tn_error *err)
{
    tn_buf answer = {0};
    tn_code code = tn_grpc_call_sync(c, path, tn_view_of(text), seconds, &answer, err);
    tn_buf_free(&answer);
    return code;
}

/* ---- calls ---- */

static void test_calls(void **state)
{
    static char bytes[3000000];
    static const size_t sizes[] = {0, 1, 255, 4091, 70000, sizeof bytes};
    char target[64];
    tn_grpc_server *s = serve("127.0.0.1:0", NULL, target);
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i % 251 * (i / 1000));
    for (int gzip = 0; gzip < 2; gzip++) {
        tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target, .gzip = gzip});
        for (size_t i = 0; i < TN_COUNT(sizes); i++) expect_echo(c, bytes, sizes[i]);
        tn_grpc_channel_free(c);
    }
    tn_grpc_server_free(s);
}

static void test_errors(void **state)
{
    static char large[5 << 20];
    char target[64];
    tn_error err;
    tn_buf answer = {0};
    tn_grpc_server *s = serve("127.0.0.1:0", NULL, target);
    tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target, .max_message = 1000});
    (void)state;
    assert_code(ask(c, "/t/Fail", "100% caf\xc3\xa9\n", 0, &err), TN_NOT_FOUND);
    assert_string_equal(err.message, "100% caf\xc3\xa9\n");
    assert_code(ask(c, "/t/Nothing", "", 0, &err), TN_INTERNAL);
    assert_code(ask(c, "/t/Twice", "", 0, &err), TN_INTERNAL);
    assert_code(ask(c, "/t/Wait", "", 0.02, &err), TN_DEADLINE_EXCEEDED);
    assert_code(tn_grpc_call_sync(c, "/t/Echo", (tn_view){large, 1001}, 0, &answer, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "Received message larger than max (1001 vs. 1000)");
    assert_code(tn_grpc_call_sync(c, "/t/Echo", (tn_view){large, sizeof large}, 0, &answer, &err), TN_RESOURCE_EXHAUSTED);
    assert_says(&err, "Received message larger than max (5242880 vs. 4194304)");
    expect_echo(c, "after", 5);
    tn_buf_free(&answer);
    tn_grpc_channel_free(c);
    tn_grpc_server_free(s);
}

static void test_bearer(void **state)
{
    char target[64];
    tn_error err;
    tn_grpc_server *s = serve("127.0.0.1:0", NULL, target);
    tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target, .bearer = "abc.def"});
    tn_grpc_channel_options bad = {.target = target, .bearer = "a\r\nb: c"};
    (void)state;
    assert_code(ask(c, "/t/Who", "", 60, &err), TN_UNAUTHENTICATED);
    assert_string_equal(err.message, "Bearer abc.def");
    tn_grpc_channel_free(c);
    assert_code(tn_grpc_channel_new(&bad, &c, &err), TN_INVALID_ARGUMENT);
    tn_grpc_server_free(s);
}

/* Memory that runs out costs a call or a channel, and is said. */
static void test_no_memory(void **state)
{
    char target[64];
    tn_error err;
    tn_grpc_server *s = serve("127.0.0.1:0", NULL, target);
    int n_ok = 0;
    (void)state;
    for (int i = 1; i < 60; i++) {
        tn_grpc_channel_options o = {.target = target, .gzip = i % 2, .bearer = "b"};
        tn_grpc_channel *c = NULL;
        tn_buf answer = {0};
        tn_malloc_fail_at(i);
        tn_code code = tn_grpc_channel_new(&o, &c, &err);
        if (!code) code = tn_grpc_call_sync(c, "/t/Echo", TN_VIEW("hello"), 60, &answer, &err);
        tn_malloc_fail_at(0);
        n_ok += code == TN_OK;
        assert_true(code == TN_OK ? answer.n == 5 : *err.message != 0);
        tn_buf_free(&answer);
        tn_grpc_channel_free(c);
    }
    assert_true(n_ok > 0 && n_ok < 59);
    tn_grpc_server_free(s);
}

typedef struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int n_ok, n_cancelled, n_other, n_left;
    tn_grpc_channel *channel;
} tally;

static void count(void *payload, tn_code code, const char *message, tn_view answer)
{
    tally *t = payload;
    (void)message;
    pthread_mutex_lock(&t->lock);
    if (code == TN_OK && tn_view_is(answer, "x"))
        t->n_ok++;
    else if (code == TN_CANCELLED)
        t->n_cancelled++;
    else
        t->n_other++;
    bool more = t->n_left > 0 && t->n_left--;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    if (more) assert_code(tn_grpc_call_async(t->channel, "/t/Echo", TN_VIEW("x"), 0, count, t, NULL, NULL), TN_OK);
}

static void wait_for(tally *t, const int *n, int wanted)
{
    pthread_mutex_lock(&t->lock);
    while (*n < wanted) pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
}

static void test_async(void **state)
{
    char target[64];
    tn_error err;
    tn_grpc_server *s = serve("127.0.0.1:0", NULL, target);
    tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target});
    tally t = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .channel = c, .n_left = 3000};
    tn_grpc_future *f;
    (void)state;
    for (int i = 0; i < 2000; i++) /* more than the server takes at once; and some from `done` */
        assert_ok(tn_grpc_call_async(c, "/t/Echo", TN_VIEW("x"), 100, count, &t, NULL, &err), &err);
    wait_for(&t, &t.n_ok, 5000);
    for (int i = 0; i < 20; i++) { /* before it is sent, or after */
        assert_ok(tn_grpc_call_async(c, "/t/Wait", TN_VIEW("x"), 0, count, &t, &f, &err), &err);
        if (i % 2) usleep(2000);
        tn_grpc_cancel(f);
        tn_grpc_cancel(f);
        tn_grpc_future_free(f);
    }
    wait_for(&t, &t.n_cancelled, 20);
    for (int i = 0; i < 5; i++)
        assert_ok(tn_grpc_call_async(c, "/t/Wait", TN_VIEW("x"), 0, count, &t, NULL, &err), &err);
    tn_grpc_channel_free(c);
    assert_int_equal(t.n_cancelled, 25);
    assert_int_equal(t.n_other, 0);
    tn_grpc_server_free(s);
}

/* ---- connections ---- */

static void test_reconnect(void **state)
{
    char address[80];
    tn_error err;
    (void)state;
    snprintf(address, sizeof address, "unix:/tmp/turnery-client-%d.sock", (int)getpid());
    tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = address});
    assert_code(ask(c, "/t/Echo", "", 0, &err), TN_UNAVAILABLE);
    assert_says(&err, address);
    for (int i = 0; i < 3; i++) {
        tn_grpc_server *s = serve(address, NULL, NULL);
        expect_echo(c, "hello", 5);
        if (i == 1) assert_true(tn_grpc_server_drain(s, 60));
        tn_grpc_server_free(s);
        assert_code(ask(c, "/t/Echo", "", 0, &err), TN_UNAVAILABLE);
    }
    tn_grpc_channel_free(c);
}

static void test_bad_targets(void **state)
{
    static const char *const bad[] = {"", "localhost", "localhost:http", "[::1]"};
    tn_grpc_channel *c = NULL;
    tn_error err;
    (void)state;
    for (size_t i = 0; i < TN_COUNT(bad); i++) {
        tn_grpc_channel_options o = {.target = bad[i]};
        assert_code(tn_grpc_channel_new(&o, &c, &err), TN_INVALID_ARGUMENT);
        assert_null(c);
    }
}

/* One connection gets these bytes, whatever it says. */
typedef struct imposter {
    int fd;
    tn_view says;
    bool hangs;
} imposter;

static void *impose(void *payload)
{
    imposter *i = payload;
    char in[4096];
    int fd = accept(i->fd, NULL, NULL);
    assert_true(recv(fd, in, sizeof in, 0) > 0);
    if (i->says.n) assert_int_equal(send(fd, i->says.p, i->says.n, MSG_NOSIGNAL), i->says.n);
    while (i->hangs && recv(fd, in, sizeof in, 0) > 0) {}
    close(fd);
    return NULL;
}

static void test_imposters(void **state)
{
    /* HTTP/1; nothing; HTTP/2 that answers with status 503, and with a reset. */
    static const imposter rows[] = {
        {0, {"HTTP/1.1 400 Bad Request\r\n\r\n", 28}, false}, {0, {"", 0}, false}, {0, {"", 0}, true},
        {0, {"\0\0\0\4\0\0\0\0\0" "\0\0\6\1\5\0\0\0\1" "\x08\3" "503", 24}, true}, /* headers that are none */
        {0, {"\0\0\0\4\0\0\0\0\0" "\0\0\5\1\5\0\0\0\1" "\x08\3" "503", 23}, true},
        {0, {"\0\0\0\4\0\0\0\0\0" "\0\0\4\3\0\0\0\0\1\0\0\0\x0b", 22}, true},
    };
    static const tn_code codes[] = {TN_UNAVAILABLE, TN_UNAVAILABLE, TN_DEADLINE_EXCEEDED, TN_UNAVAILABLE, TN_UNAVAILABLE,
                                    TN_RESOURCE_EXHAUSTED};
    (void)state;
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        imposter who = rows[i];
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof a;
        pthread_t t;
        tn_error err;
        char target[64];
        who.fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(who.fd, (struct sockaddr *)&a, sizeof a) || listen(who.fd, 5), 0);
        assert_int_equal(getsockname(who.fd, (struct sockaddr *)&a, &size), 0);
        snprintf(target, sizeof target, "127.0.0.1:%d", ntohs(a.sin_port));
        assert_int_equal(pthread_create(&t, NULL, impose, &who), 0);
        tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target});
        assert_code(ask(c, "/t/Echo", "x", codes[i] == TN_DEADLINE_EXCEEDED ? 0.05 : 60, &err), codes[i]);
        tn_grpc_channel_free(c);
        pthread_join(t, NULL);
        close(who.fd);
    }
}

/* ---- TLS ---- */

typedef struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char key_pem[4096], cert_pem[4096];
} identity;

static void pem(BIO *b, char *out, size_t size)
{
    int n = BIO_read(b, out, (int)size - 1);
    assert_true(n > 0);
    out[n] = 0;
    BIO_free(b);
}

/* A certificate for a name, valid for some days from yesterday, signed by another (NULL: by itself). */
static void make_identity(identity *who, const char *name, int days, const identity *by)
{
    who->key = EVP_EC_gen("P-256");
    who->cert = X509_new();
    X509_set_version(who->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(who->cert), name[0] * 100 + days);
    X509_gmtime_adj(X509_getm_notBefore(who->cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(who->cert), 86400L * (days - 1));
    X509_set_pubkey(who->cert, who->key);
    X509_NAME *subject = X509_get_subject_name(who->cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(who->cert, by ? X509_get_subject_name(by->cert) : subject);
    char alt[80];
    snprintf(alt, sizeof alt, "DNS:%s", name);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, by ? NID_subject_alt_name : NID_basic_constraints, by ? alt : "CA:TRUE");
    X509_add_ext(who->cert, e, -1);
    X509_EXTENSION_free(e);
    assert_true(X509_sign(who->cert, by ? by->key : who->key, EVP_sha256()) > 0);
    BIO *b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, who->key, NULL, NULL, 0, NULL, NULL);
    pem(b, who->key_pem, sizeof who->key_pem);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, who->cert);
    pem(b, who->cert_pem, sizeof who->cert_pem);
}

static void free_identity(identity *who)
{
    EVP_PKEY_free(who->key);
    X509_free(who->cert);
}

static tn_tls *tls_of(const identity *who, const identity *ca, bool client, bool verify)
{
    tn_tls_options o = {.client = client, .verify_peer = verify};
    tn_tls *t;
    tn_error err;
    if (who) {
        o.key = tn_view_of(who->key_pem);
        o.cert = tn_view_of(who->cert_pem);
    }
    if (ca) o.ca = tn_view_of(ca->cert_pem);
    assert_ok(tn_tls_new(&o, &t, &err), &err);
    return t;
}

static void test_tls(void **state)
{
    static char bytes[2000000];
    static identity ca, stranger, server, client, forged;
    const struct {
        const identity *who, *ca;
        const char *host; /* NULL: the target's */
        bool plain;
        const char *why; /* NULL: it works; "": it does not */
    } rows[] = {
        {&client, &ca, NULL, false, NULL},
        {NULL, &ca, NULL, false, ""}, /* the server wants a certificate */
        {&forged, &ca, NULL, false, ""},
        {&client, &stranger, NULL, false, "certificate"},
        {&client, &ca, "elsewhere", false, "mismatch"},
        {NULL, NULL, NULL, true, ""},
    };
    char target[64];
    (void)state;
    make_identity(&ca, "authority", 30, NULL);
    make_identity(&stranger, "stranger", 30, NULL);
    make_identity(&server, "localhost", 30, &ca);
    make_identity(&client, "client", 30, &ca);
    make_identity(&forged, "client", 30, &stranger);
    tn_tls *at_server = tls_of(&server, &ca, false, true);
    tn_grpc_server *s = serve("127.0.0.1:0", at_server, target);
    tn_tls_free(at_server);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_tls *t = rows[i].plain ? NULL : tls_of(rows[i].who, rows[i].ca, true, false);
        tn_grpc_channel *c = channel((tn_grpc_channel_options){.target = target, .tls = t, .host = rows[i].host});
        tn_error err;
        tn_code code = ask(c, "/t/Echo", "x", 60, &err);
        assert_int_equal(code, rows[i].why ? TN_UNAVAILABLE : TN_OK);
        if (rows[i].why) assert_says(&err, rows[i].why);
        if (!rows[i].why) expect_echo(c, bytes, sizeof bytes);
        tn_grpc_channel_free(c);
        tn_tls_free(t);
    }
    tn_grpc_server_free(s);
    free_identity(&ca);
    free_identity(&stranger);
    free_identity(&server);
    free_identity(&client);
    free_identity(&forged);
}

static void test_tls_options(void **state)
{
    static identity ca, good, other, old;
    (void)state;
    make_identity(&ca, "authority", 30, NULL);
    make_identity(&good, "localhost", 30, &ca);
    make_identity(&other, "localhost", 30, &ca);
    make_identity(&old, "localhost", 0, &ca);
    const struct {
        const char *key, *cert, *ca, *why;
        bool verify;
    } rows[] = {
        {good.key_pem, "nonsense", "", "the certificate:", false}, {"", good.cert_pem, "", "the key:", false},
        {good.key_pem, "", "", "the certificate:", false},         {"nonsense", good.cert_pem, "", "the key:", false},
        {other.key_pem, good.cert_pem, "", "does not belong", false}, {old.key_pem, old.cert_pem, "", "has expired", false},
        {good.key_pem, good.cert_pem, "nonsense", "the CA's", false}, {good.key_pem, good.cert_pem, "", "the CA's", true},
    };
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        tn_tls_options o = {.key = tn_view_of(rows[i].key), .cert = tn_view_of(rows[i].cert), .ca = tn_view_of(rows[i].ca),
                            .verify_peer = rows[i].verify};
        tn_tls *t = NULL;
        tn_error err;
        assert_code(tn_tls_new(&o, &t, &err), TN_INVALID_ARGUMENT);
        assert_says(&err, rows[i].why);
        assert_null(t);
    }
    free_identity(&ca);
    free_identity(&good);
    free_identity(&other);
    free_identity(&old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),       cmocka_unit_test(test_errors),    cmocka_unit_test(test_async),
        cmocka_unit_test(test_reconnect),   cmocka_unit_test(test_bad_targets), cmocka_unit_test(test_imposters),
        cmocka_unit_test(test_tls),         cmocka_unit_test(test_tls_options), cmocka_unit_test(test_bearer), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
