/* SPDX-License-Identifier: Apache-2.0
 *
 * http_request.c - a request to the HTTP server, from its first line to its end: headers, a body that is collected and
 * expanded within limits, and the handler it is given to.
 *
 * It belongs to libmicrohttpd's connection and is freed when that says the request is over. While a handler has
 * it, its connection is suspended, so that nothing happens to it; `stage` decides whether the answer or the
 * suspension came first.
 */
#include "http_server.h"

#include "../wire/wire.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

enum {
    FIRST_BODY_BYTES = 1 << 20,     /* taken at once for a body that says its length */
    DISCARDED_BYTES = 16 << 20,     /* of a body that is too large are read, so that its sender sees the answer */
    SLOWEST_BYTES_PER_SECOND = 200, /* of a body */
};

/* ==== what a handler may ask ==== */

const char *tn_http_method(const tn_http_request *r)
{
    return r->method;
}
const char *tn_http_path(const tn_http_request *r)
{
    return r->path;
}
const char *tn_http_query(const tn_http_request *r)
{
    return r->query;
}
const char *tn_http_peer(const tn_http_request *r)
{
    return r->peer;
}
const char *tn_http_problem(const tn_http_request *r)
{
    return r->problem;
}
tn_arena *tn_http_arena(tn_http_request *r)
{
    return r->arena;
}
int64_t tn_http_received(const tn_http_request *r)
{
    return r->received;
}
const atomic_int *tn_http_cancelled(const tn_http_request *r)
{
    return &r->server->cancelled;
}

const char *tn_http_header(const tn_http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

tn_view tn_http_body(const tn_http_request *r)
{
    return (tn_view){r->body.data ? r->body.data : "", r->body.n};
}

/* ==== its beginning and end ==== */

bool tn_http_charge(tn_http_request *r, size_t n)
{
    tn_http_server *s = r->server;
    size_t all = atomic_fetch_add(&s->memory, n - r->charged) + n - r->charged;
    bool fits = n <= r->charged || all <= s->o.max_memory;
    if (!fits) atomic_fetch_sub(&s->memory, n);
    r->charged = fits ? n : 0;
    return fits;
}

tn_guest *tn_http_guest_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void free_request(tn_http_request *r)
{
    tn_http_server *s = r->server;
    tn_http_charge(r, 0);
    if (r->response) MHD_destroy_response(r->response);
    tn_buf_free(&r->body);
    tn_arena_free(r->arena);
    tn_free(r);
    pthread_mutex_lock(&s->lock);
    s->open--;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

/* "http://host/path" is "/path". */
static const char *origin_form(const char *uri)
{
    const char *host = strstr(uri, "://");
    if (*uri == '/' || !host) return uri;
    const char *path = strchr(host + 3, '/');
    return path ? path : "/";
}

void *tn_http_begin_request(void *server, const char *uri, struct MHD_Connection *connection)
{
    tn_http_server *s = server;
    tn_http_request *r = tn_calloc(1, sizeof *r);
    if (!r) return NULL;
    r->server = s;
    r->connection = connection;
    r->begun = tn_now_us();
    r->arena = tn_arena_new(0);
    uri = origin_form(uri);
    size_t n = strcspn(uri, "?");
    r->path = r->arena ? tn_arena_strndup(r->arena, uri, n) : NULL;
    r->query = r->arena ? tn_arena_strdup(r->arena, uri[n] ? uri + n + 1 : uri + n) : NULL;
    atomic_init(&r->stage, RECEIVING);
    pthread_mutex_lock(&s->lock);
    s->open++;
    pthread_mutex_unlock(&s->lock);
    if (r->path && r->query) return r;
    free_request(r);
    return NULL;
}

void tn_http_end_request(void *server, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode why)
{
    (void)server;
    (void)why;
    tn_guest_rests(tn_http_guest_of(connection));
    if (*state) free_request(*state);
    *state = NULL;
}

/* ==== what comes of it ==== */

static void name_peer(tn_http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr)
        tn_socket_peer((const struct sockaddr_storage *)(const void *)info->client_addr, r->peer);
}

static bool shows_certificate(const tn_http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned status = 1;
    return info && gnutls_certificate_verify_peers2(info->tls_session, &status) == 0 && status == 0;
}

/* The headers are there. */
static enum MHD_Result look_at_headers(tn_http_request *r, const char *method)
{
    const tn_http_server_options *o = &r->server->o;
    const char *length = tn_http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t n = length ? strtoull(length, NULL, 10) : 0;
    r->seen = true;
    tn_guest_asks(tn_http_guest_of(r->connection));
    r->method = tn_arena_strdup(r->arena, method);
    r->body.limit = o->max_body;
    if (!r->method) return MHD_NO;
    name_peer(r);
    if (o->verify_peer && !shows_certificate(r)) return tn_http_refuse(r, 403, "a client certificate is required\n");
    if (n > o->max_body) return tn_http_refuse(r, 413, "the body is larger than this server accepts\n");
    if (n) tn_buf_reserve(&r->body, (size_t)TN_MIN(n, FIRST_BODY_BYTES));
    return MHD_YES;
}

/* A client that sends a byte now and then is not waited for. */
static bool too_slow(const tn_http_request *r)
{
    double seconds = (double)(tn_now_us() - r->begun) / 1e6 - r->server->o.timeout;
    return seconds > 0 && (double)r->coming < seconds * SLOWEST_BYTES_PER_SECOND;
}

static enum MHD_Result take_body(tn_http_request *r, const char *data, size_t n)
{
    r->coming += n;
    if (!r->too_large) tn_buf_add(&r->body, data, n);
    if (!r->too_large && (r->body.failed || !tn_http_charge(r, r->body.n))) {
        r->too_large = true;
        tn_buf_free(&r->body);
    }
    if (too_slow(r) || r->coming > (uint64_t)r->server->o.max_body + DISCARDED_BYTES) return MHD_NO;
    return MHD_YES;
}

static bool expand_body(tn_http_request *r)
{
    const char *encoding = tn_http_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);
    tn_buf expanded = {0};
    tn_error err = {0};
    if (!encoding || !strstr(encoding, "gzip") || r->body.n == 0) return true;
    tn_code code =
        tn_inflate((tn_view){r->body.data, r->body.n}, TN_GZIP, r->server->o.max_body, &expanded, &err);
    tn_buf_free(&r->body);
    if (code == TN_OK) {
        r->body = expanded;
        return true;
    }
    tn_buf_free(&expanded);
    r->problem = tn_arena_printf(r->arena, "the body said to be gzip is not: %s", err.message);
    return code != TN_RESOURCE_EXHAUSTED && r->problem;
}

static enum MHD_Result refuse_body(tn_http_request *r)
{
    if (r->too_large && r->coming <= r->server->o.max_body) return tn_http_refuse(r, 503, "out of memory\n");
    return tn_http_refuse(r, 413, "the body is larger than this server accepts\n");
}

/* The handler answers now, or will. */
static enum MHD_Result hand_over(tn_http_request *r)
{
    tn_http_server *s = r->server;
    int expected = HANDLING;
    if (r->too_large || !expand_body(r)) return refuse_body(r);
    r->received = tn_now_us();
    pthread_mutex_lock(&s->lock);
    s->handled++;
    pthread_mutex_unlock(&s->lock);
    tn_guest_has_asked(tn_http_guest_of(r->connection));
    atomic_store(&r->stage, HANDLING);
    s->o.handle(s->o.payload, r);
    if (atomic_load(&r->stage) == ANSWERED) return tn_http_queue_answer(r);
    MHD_suspend_connection(r->connection);
    if (!atomic_compare_exchange_strong(&r->stage, &expected, SUSPENDED)) { /* answered meanwhile */
        tn_http_send_past(r);
        MHD_resume_connection(r->connection);
    }
    return MHD_YES;
}

enum MHD_Result tn_http_take_request(void *server, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *data, size_t *n,
                                      void **state)
{
    tn_http_request *r = *state;
    (void)server;
    (void)connection;
    (void)url;
    (void)version;
    if (!r) return MHD_NO; /* there was no memory for it */
    if (!r->seen) return look_at_headers(r, method);
    if (atomic_load(&r->stage) == ANSWERED) return tn_http_queue_answer(r);
    if (*n == 0) return hand_over(r);
    size_t taken = *n;
    *n = 0;
    return take_body(r, data, taken);
}
