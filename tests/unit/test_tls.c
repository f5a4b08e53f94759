/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tls.c - TLS at both ports of a server, with certificates made here: who is answered, who is not; which servers a
 * client believes; and that whoever is refused, or says no more than half a hello, is nobody's hindrance.
 */
#include "server_process.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/net.h"

/* ==== certificates ==== */

typedef struct identity {
    const char *key, *cert; /* PEM */
    EVP_PKEY *pair;
    X509 *x;
} identity;

typedef struct person {
    const char *name;
    const identity *by;    /* who signs; NULL: himself */
    long from, until;      /* days from now */
    const char *also;      /* subjectAltName; NULL: none */
    bool authority;
} person;

static const char *bio_text(void **state, BIO *b)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    const char *text = tn_arena_strndup(arena_of(state), p, (size_t)n);
    BIO_free(b);
    return text;
}

static void extend(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static identity make(void **state, const person *p)
{
    static long serial = 1;
    identity i = {.pair = EVP_EC_gen("P-256"), .x = X509_new()};
    BIO *key = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem());
    X509_set_version(i.x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(i.x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(i.x), p->from * 86400);
    X509_gmtime_adj(X509_getm_notAfter(i.x), p->until * 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(i.x), "CN", MBSTRING_ASC, (const unsigned char *)p->name, -1, -1, 0);
    X509_set_issuer_name(i.x, X509_get_subject_name(p->by ? p->by->x : i.x));
    X509_set_pubkey(i.x, i.pair);
    if (p->authority) extend(i.x, NID_basic_constraints, "critical,CA:TRUE");
    if (p->also) extend(i.x, NID_subject_alt_name, p->also);
    assert_true(X509_sign(i.x, p->by ? p->by->pair : i.pair, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_PrivateKey(key, i.pair, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(PEM_write_bio_X509(cert, i.x), 1);
    i.key = bio_text(state, key);
    i.cert = bio_text(state, cert);
    return i;
}

enum { AUTHORITY, STRANGE, SERVER, EXPIRED_SERVER, EARLY_SERVER, OTHER_NAME, CLIENT, EXPIRED, EARLY, ITSELF, STRANGER, COUNT, NOBODY };

#define NAMES "DNS:localhost,IP:127.0.0.1"

typedef struct town {
    identity of[COUNT];
} town;

static void found(void **state, town *t)
{
    const identity *a = &t->of[AUTHORITY], *b = &t->of[STRANGE];
    const person people[COUNT] = {
        [AUTHORITY] = {"authority", NULL, -9, 9, NULL, true}, [STRANGE] = {"strange authority", NULL, -9, 9, NULL, true},
        [SERVER] = {"server", a, -9, 9, NAMES, false},        [EXPIRED_SERVER] = {"late", a, -9, -1, NAMES, false},
        [EARLY_SERVER] = {"early", a, 1, 9, NAMES, false},    [OTHER_NAME] = {"other", a, -9, 9, "DNS:example.org", false},
        [CLIENT] = {"client", a, -9, 9, NULL, false},         [EXPIRED] = {"late client", a, -9, -1, NULL, false},
        [EARLY] = {"early client", a, 1, 9, NULL, false},     [ITSELF] = {"client", NULL, -9, 9, NULL, false},
        [STRANGER] = {"client", b, -9, 9, NULL, false},
    };
    for (int i = 0; i < COUNT; i++) t->of[i] = make(state, &people[i]);
}

static void leave_town(town *t)
{
    for (int i = 0; i < COUNT; i++) {
        EVP_PKEY_free(t->of[i].pair);
        X509_free(t->of[i].x);
    }
}

/* ==== the server ==== */

/* PEM in a string of text format. */
static void put_pem(tn_buf *out, const char *field, const char *pem)
{
    tn_buf_printf(out, "%s: \"", field);
    for (; *pem; pem++)
        if (*pem == '\n') tn_buf_str(out, "\\n");
        else tn_buf_char(out, *pem);
    tn_buf_str(out, "\"\n");
}

static const char *ssl_config(void **state, const identity *server, const identity *authority)
{
    tn_buf b = {0};
    put_pem(&b, "server_key", server->key);
    put_pem(&b, "server_cert", server->cert);
    if (authority) put_pem(&b, "custom_ca", authority->cert);
    if (authority) tn_buf_str(&b, "client_verify: true\n");
    write_file(in(state, "ssl.conf"), (tn_view){b.data, b.n});
    tn_buf_free(&b);
    return tn_arena_printf(arena_of(state), "--ssl_config_file=%s", in(state, "ssl.conf"));
}

static void open_ports(void **state, server_process *s, const char *config)
{
    put_golden(state, "m", "1", HALF_PLUS_TWO);
    const char *base = tn_arena_printf(arena_of(state), "--model_base_path=%s", in(state, "m"));
    start_server(state, s, NULL, (const char *const[]){"--model_name=m", base, config, "--rest_api_ssl", NULL});
}

/* ==== asking within TLS ==== */

static const char *pem_file(void **state, const char *name, const char *text)
{
    const char *path = in(state, name);
    write_file(path, tn_view_of(text));
    return path;
}

static tn_code ask_as(void **state, const server_process *s, bool rest, const identity *shows, const identity *trusts, tn_error *err)
{
    tn_stub *stub;
    double y = 0;
    tn_stub_options o = {.server = target_of(state, s, rest, true), .tls = true};
    if (trusts) o.ca_file = pem_file(state, "ca.pem", trusts->cert);
    if (shows) o.cert_file = pem_file(state, "cert.pem", shows->cert);
    if (shows) o.key_file = pem_file(state, "key.pem", shows->key);
    *err = (tn_error){0};
    assert_ok(tn_stub_new(&o, &stub, err), err);
    tn_code code = ask_half(stub, "m", &y, err);
    tn_stub_free(stub);
    if (code == TN_OK) assert_true(y == 5);
    return code;
}

static int connect_to(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Whether the gRPC server greets whoever shows this, be it good or not: our own client would not send what is not. */
static bool is_greeted(const server_process *s, const identity *shows)
{
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char bytes[64];
    int fd = connect_to(s->port);
    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\2h2", 3);
    if (shows) assert_int_equal(SSL_CTX_use_certificate(ctx, shows->x), 1);
    if (shows) assert_int_equal(SSL_CTX_use_PrivateKey(ctx, shows->pair), 1);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    bool greeted = SSL_connect(ssl) == 1 && SSL_write(ssl, hello, sizeof hello) > 0 && SSL_read(ssl, bytes, sizeof bytes) > 0;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    close(fd);
    return greeted;
}

/* ==== tests ==== */

/* Whom a server that wants to know its clients answers. */
static void test_clients(void **state)
{
    static const int refused[] = {NOBODY, EXPIRED, EARLY, ITSELF, STRANGER};
    town t;
    server_process s;
    tn_error err;
    found(state, &t);
    const identity *authority = &t.of[AUTHORITY];
    open_ports(state, &s, ssl_config(state, &t.of[SERVER], authority));
    for (size_t i = 0; i < TN_COUNT(refused); i++) {
        const identity *shows = refused[i] == NOBODY ? NULL : &t.of[refused[i]];
        assert_false(is_greeted(&s, shows));
        assert_int_equal(ask_as(state, &s, true, shows, authority, &err), TN_PERMISSION_DENIED);
        assert_says(&err, "a client certificate is required");
        assert_true(is_greeted(&s, &t.of[CLIENT]));
        for (int rest = 0; rest < 2; rest++) assert_ok(ask_as(state, &s, rest, &t.of[CLIENT], authority, &err), &err);
    }
    assert_int_equal(ask_as(state, &s, false, NULL, authority, &err), TN_UNAVAILABLE);
    stop_server(state, &s);
    leave_town(&t);
}

/* Which servers a client believes, and what it says of the others. */
static void test_servers(void **state)
{
    static const struct {
        int server, trusted;
        const char *grpc, *rest; /* NULL: it is believed */
    } rows[] = {
        {SERVER, AUTHORITY, NULL, NULL},
        {SERVER, STRANGE, "unable to get local issuer certificate", "unable to get local issuer certificate"},
        {SERVER, NOBODY, "unable to get local issuer certificate", "unable to get local issuer certificate"},
        {ITSELF, NOBODY, "self-signed certificate", "self-signed certificate"},
        {OTHER_NAME, AUTHORITY, "hostname mismatch", "no alternative certificate subject name matches"},
        {EARLY_SERVER, AUTHORITY, "certificate is not yet valid", "certificate is not yet valid"},
    };
    town t;
    found(state, &t);
    for (size_t i = 0; i < TN_COUNT(rows); i++) {
        server_process s;
        const identity *trusts = rows[i].trusted == NOBODY ? NULL : &t.of[rows[i].trusted];
        open_ports(state, &s, ssl_config(state, &t.of[rows[i].server], NULL));
        for (int rest = 0; rest < 2; rest++) {
            tn_error err;
            tn_code code = ask_as(state, &s, rest, NULL, trusts, &err);
            assert_int_equal(code, !rows[i].grpc ? TN_OK : rest ? TN_UNAUTHENTICATED : TN_UNAVAILABLE);
            if (code) assert_says(&err, rest ? rows[i].rest : rows[i].grpc);
        }
        stop_server(state, &s);
        remove_version(state, "m", "1");
    }
    leave_town(&t);
}

/* What a server cannot show to anybody is refused when it starts. */
static void test_own_certificate(void **state)
{
    town t;
    tn_error err;
    tn_tls *tls;
    found(state, &t);
    const identity *late = &t.of[EXPIRED_SERVER], *good = &t.of[SERVER];
    tn_tls_options o = {.key = tn_view_of(late->key), .cert = tn_view_of(late->cert)};
    assert_code(tn_tls_new(&o, &tls, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "the certificate has expired");
    o = (tn_tls_options){.key = tn_view_of(late->key), .cert = tn_view_of(good->cert)};
    assert_code(tn_tls_new(&o, &tls, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "the key does not belong to the certificate");
    o = (tn_tls_options){.key = tn_view_of(good->key), .cert = {good->cert, 100}};
    assert_code(tn_tls_new(&o, &tls, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "certificate");
    o = (tn_tls_options){.key = tn_view_of(good->key), .cert = tn_view_of(good->cert), .verify_peer = true};
    assert_code(tn_tls_new(&o, &tls, &err), TN_INVALID_ARGUMENT);
    assert_says(&err, "CA");
    leave_town(&t);
}

/* Peers that say half a hello, something else, or nothing: they wait or go, others are answered. */
static void test_half_a_hello(void **state)
{
    static const char half[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a client's hello";
    static const char plain[] = "GET /v1/models/m HTTP/1.1\r\nHost: x\r\n\r\n";
    const tn_view said[] = {{half, sizeof half - 1}, {plain, sizeof plain - 1}, {"", 0}};
    town t;
    server_process s;
    tn_error err;
    int fds[6];
    found(state, &t);
    open_ports(state, &s, ssl_config(state, &t.of[SERVER], NULL));
    for (int i = 0; i < 6; i++) {
        fds[i] = connect_to(i % 2 ? s.port : s.rest_port);
        assert_int_equal(send(fds[i], said[i / 2].p, said[i / 2].n, MSG_NOSIGNAL), said[i / 2].n);
    }
    for (int rest = 0; rest < 2; rest++) assert_ok(ask_as(state, &s, rest, NULL, &t.of[AUTHORITY], &err), &err);
    for (int i = 0; i < 6; i++) close(fds[i]);
    for (int rest = 0; rest < 2; rest++) assert_ok(ask_as(state, &s, rest, NULL, &t.of[AUTHORITY], &err), &err);
    stop_server(state, &s);
    leave_town(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_clients), TEST(test_servers), TEST(test_own_certificate), TEST(test_half_a_hello)};
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
