/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c - TLS by OpenSSL: keys and certificates from PEM text, and the connection's reading and writing. Protocol: h2
 * by ALPN, at least TLS 1.2.
 *
 * Invariants: a key with a pass phrase is refused rather than asked for; OpenSSL's queue of errors is empty when a
 * function returns.
 */
#include "tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

struct tn_tls {
    atomic_int refs;
    SSL_CTX *ctx;
    bool client;
};

static const unsigned char alpn[] = "\2h2";

/* ---- what is trusted and shown ---- */

static int no_pass_phrase(char *buf, int size, int writing, void *payload)
{
    (void)buf, (void)size, (void)writing, (void)payload;
    return -1;
}

static BIO *text(tn_view pem)
{
    return pem.n && pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
}

/* What a PEM text was refused for, in OpenSSL's words. */
static tn_code refuse(tn_error *err, const char *part)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    tn_code code = tn_fail(err, TN_INVALID_ARGUMENT, "TLS: the %s: %s", part, why ? why : "not readable");
    ERR_clear_error();
    return code;
}

static tn_code check_dates(const X509 *x, tn_error *err)
{
    if (X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "TLS: the certificate has expired");
    return TN_OK;
}

static tn_code use_certificate(SSL_CTX *ctx, BIO *b, tn_error *err)
{
    X509 *x = b ? PEM_read_bio_X509_AUX(b, NULL, no_pass_phrase, NULL) : NULL;
    if (!x || SSL_CTX_use_certificate(ctx, x) != 1) {
        X509_free(x);
        return refuse(err, "certificate");
    }
    tn_code code = check_dates(x, err);
    X509_free(x);
    while (!code && (x = PEM_read_bio_X509(b, NULL, no_pass_phrase, NULL))) {
        if (SSL_CTX_add0_chain_cert(ctx, x) == 1) continue;
        X509_free(x);
        code = refuse(err, "certificate's chain");
    }
    ERR_clear_error(); /* the text's end is no error */
    return code;
}

static tn_code use_key(SSL_CTX *ctx, BIO *b, tn_error *err)
{
    EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_pass_phrase, NULL) : NULL;
    if (!key) return refuse(err, "key");
    bool fits = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    ERR_clear_error();
    return fits ? TN_OK : tn_fail(err, TN_INVALID_ARGUMENT, "TLS: the key does not belong to the certificate");
}

static tn_code trust(SSL_CTX *ctx, BIO *b, bool client, tn_error *err)
{
    int n = 0;
    for (X509 *x; b && (x = PEM_read_bio_X509(b, NULL, no_pass_phrase, NULL)); n++) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
        if (!client) SSL_CTX_add_client_CA(ctx, x);
        X509_free(x);
    }
    if (!n) return refuse(err, "CA's certificate");
    ERR_clear_error();
    return TN_OK;
}

/* A server speaks h2 or nothing. */
static int choose(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in, unsigned n_in,
                  void *arg)
{
    (void)ssl, (void)arg;
    for (unsigned i = 0; i < n_in; i += 1u + in[i])
        if (in[i] == 2 && i + 2 < n_in && in[i + 1] == 'h' && in[i + 2] == '2') {
            *out = in + i + 1;
            *n = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_manners(SSL_CTX *ctx, const tn_tls_options *o)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"turnery", 7);
    if (o->client) {
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1);
    } else {
        SSL_CTX_set_alpn_select_cb(ctx, choose, NULL);
        if (o->verify_peer) SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
}

static tn_code fill(SSL_CTX *ctx, const tn_tls_options *o, tn_error *err)
{
    tn_code code = TN_OK;
    BIO *cert = text(o->cert), *key = text(o->key), *ca = text(o->ca);
    if (o->cert.n || !o->client) code = use_certificate(ctx, cert, err);
    if (!code && (o->key.n || o->cert.n || !o->client)) code = use_key(ctx, key, err);
    if (!code && (o->ca.n || o->verify_peer)) code = trust(ctx, ca, o->client, err);
    if (!code && o->client && !o->ca.n) SSL_CTX_set_default_verify_paths(ctx);
    BIO_free(cert);
    BIO_free(key);
    BIO_free(ca);
    return code;
}

tn_code tn_tls_new(const tn_tls_options *o, tn_tls **out, tn_error *err)
{
    tn_tls *t = tn_calloc(1, sizeof *t);
    if (!t) return tn_no_memory(err, sizeof *t);
    *t = (tn_tls){.refs = 1, .client = o->client};
    t->ctx = SSL_CTX_new(o->client ? TLS_client_method() : TLS_server_method());
    tn_code code = t->ctx ? TN_OK : tn_no_memory(err, 0);
    if (!code) {
        set_manners(t->ctx, o);
        code = fill(t->ctx, o, err);
    }
    if (code)
        tn_tls_free(t);
    else
        *out = t;
    return code;
}

tn_tls *tn_tls_keep(tn_tls *t)
{
    if (t) atomic_fetch_add(&t->refs, 1);
    return t;
}

void tn_tls_free(tn_tls *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1) return;
    SSL_CTX_free(t->ctx);
    tn_free(t);
}

/* ---- a connection ---- */

static void demand_name(SSL *ssl, const char *host)
{
    struct in6_addr any;
    if (inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
        return;
    }
    SSL_set1_host(ssl, host);
    SSL_set_tlsext_host_name(ssl, host);
}

tn_code tn_tls_begin(tn_h2 *h, tn_tls *t, const char *host, tn_error *err)
{
    SSL *ssl = SSL_new(t->ctx);
    if (!ssl || SSL_set_fd(ssl, h->watch.fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return tn_no_memory(err, 0);
    }
    if (t->client) {
        SSL_set_connect_state(ssl);
        if (host) demand_name(ssl, host);
    } else {
        SSL_set_accept_state(ssl);
    }
    h->ssl = ssl;
    return TN_OK;
}

void tn_tls_end(tn_h2 *h)
{
    if (!h->ssl) return;
    if (h->secure) SSL_shutdown(h->ssl);
    SSL_free(h->ssl);
    ERR_clear_error();
    h->ssl = NULL;
}

/* After a call that failed: breaks the connection unless it only has to wait. */
static void judge(tn_h2 *h, int result)
{
    int kind = SSL_get_error(h->ssl, result);
    h->tls_wants_write = kind == SSL_ERROR_WANT_WRITE;
    if (kind != SSL_ERROR_WANT_WRITE && kind != SSL_ERROR_WANT_READ) {
        long verdict = SSL_get_verify_result(h->ssl);
        const char *why = ERR_reason_error_string(ERR_peek_error());
        if (kind == SSL_ERROR_SSL && verdict != X509_V_OK) why = X509_verify_cert_error_string(verdict);
        h->secure = false; /* no good-bye */
        tn_h2_break(h, why ? why : "the peer has gone");
    }
    ERR_clear_error();
}

bool tn_tls_handshake(tn_h2 *h)
{
    int result = SSL_do_handshake(h->ssl);
    if (result != 1) {
        judge(h, result);
        return false;
    }
    const unsigned char *protocol;
    unsigned n;
    SSL_get0_alpn_selected(h->ssl, &protocol, &n);
    h->tls_wants_write = false;
    if (n == 2 && memcmp(protocol, "h2", 2) == 0) return true;
    tn_h2_break(h, "the peer does not speak h2 (ALPN)");
    return false;
}

ssize_t tn_tls_read(tn_h2 *h, void *p, size_t n)
{
    size_t sum = 0;
    while (sum < n) { /* records are small: several at once */
        size_t got;
        int result = SSL_read_ex(h->ssl, (char *)p + sum, n - sum, &got);
        if (result != 1) {
            judge(h, result);
            break;
        }
        sum += got;
    }
    return (ssize_t)sum;
}

ssize_t tn_tls_write(tn_h2 *h, const void *p, size_t n)
{
    size_t sum = 0;
    while (sum < n) {
        size_t put;
        int result = SSL_write_ex(h->ssl, (const char *)p + sum, n - sum, &put);
        if (result != 1) {
            judge(h, result);
            break;
        }
        h->tls_wants_write = false;
        sum += put;
    }
    return sum ? (ssize_t)sum : -1;
}

bool tn_tls_pending(const tn_h2 *h)
{
    return SSL_pending(h->ssl) > 0;
}
