/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.c - an HTTP/1.1 server on libmicrohttpd: bodies collected and expanded within limits, answers
 * from any thread, TLS, draining. What is answered is the handler's.
 *
 * A request belongs to libmicrohttpd's connection and is freed when that says the request is over. While a
 * handler has it, its connection is suspended, so that nothing happens to it; `stage` decides whether the
 * answer or the suspension came first. The daemon is only stopped when no handler has a request.
 */
#include "http_guests.h"
#include "socket.h"

#include "../wire/wire.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    POOL_BYTES = 16 << 10,      /* of a connection: request line, headers, the bytes being received */
    RECEIVED_BYTES = 8 << 10,   /* of it, at once */
    RESERVED_DESCRIPTORS = 128, /* for files, other servers, logs */
    FIRST_BODY_BYTES = 1 << 20, /* taken at once for a body that says its length */
    DISCARDED_BYTES = 16 << 20, /* of a body that is too large are read, so that its sender sees the answer */
    SLOWEST_BYTES_PER_SECOND = 200, /* of a body */
    SMALLEST_COMPRESSED = 1024
};

struct tn_http_server {
    struct MHD_Daemon *daemon;
    tn_http_server_options o;
    tn_guests *guests;
    int listen_fd, port;
    bool tls;
    atomic_int draining, cancelled;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    atomic_size_t memory; /* bytes of bodies that come, and of answers that wait */
    int64_t open;      /* requests that have begun and are not over */
    int64_t handled;   /* of those, with a handler */
    pthread_mutex_t trouble_lock; /* of the following two; nothing else is done with it held */
    char trouble[256];            /* what libmicrohttpd said while starting */
    bool started;
};

typedef enum stage { RECEIVING, HANDLING, SUSPENDED, ANSWERED } stage;

typedef struct header {
    const char *name, *value;
    struct header *next;
} header;

struct tn_http_request {
    tn_http_server *server;
    struct MHD_Connection *connection;
    tn_arena *arena;
    const char *path, *query, *method, *problem;
    char peer[TN_PEER_SIZE];
    tn_buf body;
    uint64_t coming; /* bytes received of the body, also those not kept */
    size_t charged;  /* of the server's memory */
    int64_t begun, received;
    bool seen, too_large;
    header *headers;
    struct MHD_Response *response;
    tn_view answer; /* its body: the response owns it */
    const char *content_type;
    int status;
    bool sent; /* past libmicrohttpd */
    atomic_int stage;
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

/* Whether there is room for so many bytes of it; where there is not, it has none any more. */
static bool charge(tn_http_request *r, size_t n)
{
    tn_http_server *s = r->server;
    size_t all = atomic_fetch_add(&s->memory, n - r->charged) + n - r->charged;
    bool fits = n <= r->charged || all <= s->o.max_memory;
    if (!fits) atomic_fetch_sub(&s->memory, n);
    r->charged = fits ? n : 0;
    return fits;
}

/* ==== answers ==== */

void tn_http_reply_header(tn_http_request *r, const char *name, const char *value)
{
    header *h = TN_NEW(r->arena, header);
    if (!h) return;
    *h = (header){tn_arena_strdup(r->arena, name), tn_arena_strdup(r->arena, value), r->headers};
    if (h->name && h->value) r->headers = h;
}

static bool accepts_gzip(const tn_http_request *r)
{
    const char *accepted = tn_http_header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    const char *gzip = accepted ? strstr(accepted, "gzip") : NULL;
    return gzip && strncmp(gzip + 4, ";q=0", 4) != 0;
}

/* Leaves the body as it is when that saves nothing. */
static bool compress(const tn_http_request *r, tn_buf *body)
{
    tn_buf small = {0};
    if (!r->server->o.gzip || body->n < SMALLEST_COMPRESSED || !accepts_gzip(r)) return false;
    if (tn_deflate((tn_view){body->data, body->n}, TN_GZIP, 1, &small, NULL) != TN_OK || small.n >= body->n) {
        tn_buf_free(&small);
        return false;
    }
    tn_buf_free(body);
    *body = small;
    return true;
}

static struct MHD_Response *make_response(tn_http_request *r, const char *content_type, tn_buf *body)
{
    if (body && compress(r, body)) tn_http_reply_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (r->server->o.gzip) tn_http_reply_header(r, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    size_t n = body ? body->n : 0;
    char *bytes = n ? tn_buf_take(body, &n) : NULL;
    struct MHD_Response *m = bytes ? MHD_create_response_from_buffer_with_free_callback(n, bytes, tn_free)
                                   : MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!m) {
        tn_free(bytes);
        return NULL;
    }
    r->answer = (tn_view){bytes, n};
    r->content_type = content_type;
    if (content_type) MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    for (const header *h = r->headers; h; h = h->next) MHD_add_response_header(m, h->name, h->value);
    if (atomic_load(&r->server->draining)) MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
    return m;
}

static int socket_of(const tn_http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

static bool wait_for(int fd, short events, int ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, ms) == 1 && p.revents & events;
}

static bool send_all(int fd, tn_view bytes, int ms)
{
    while (bytes.n) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
        if (n < 0 && errno == EAGAIN && !wait_for(fd, POLLOUT, ms)) return false;
        if (n > 0) bytes = (tn_view){bytes.p + n, bytes.n - (size_t)n};
    }
    return true;
}

/* libmicrohttpd ends a suspended connection whose peer has sent its last without sending the answer, which is
 * what such a peer waits for. It is sent past it then, while the connection is still suspended. */
static void send_past(tn_http_request *r)
{
    int fd = socket_of(r), ms = (int)TN_MIN(r->server->o.timeout * 1e3, 1e9);
    tn_buf head = {0};
    if (r->server->tls || fd < 0 || !r->response || !wait_for(fd, POLLRDHUP, 0)) return;
    tn_buf_printf(&head, "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n", r->status,
                  MHD_get_reason_phrase_for((unsigned)r->status), r->answer.n);
    if (r->content_type) tn_buf_printf(&head, "Content-Type: %s\r\n", r->content_type);
    for (const header *h = r->headers; h; h = h->next) tn_buf_printf(&head, "%s: %s\r\n", h->name, h->value);
    tn_buf_str(&head, "\r\n");
    r->sent = true;
    if (!head.failed && send_all(fd, (tn_view){head.data, head.n}, ms) && strcmp(r->method, "HEAD") != 0)
        send_all(fd, r->answer, ms);
    tn_buf_free(&head);
}

/* An answer there is no room for becomes another one. */
static int check_room(tn_http_request *r, int status, const char **content_type, tn_buf *body)
{
    tn_buf_free(&r->body); /* the handler is done with it */
    if (charge(r, body ? body->n : 0)) return status;
    *content_type = "text/plain";
    tn_buf_free(body);
    tn_buf_str(body, "out of memory: too many answers wait to be read\n");
    return 503;
}

void tn_http_reply(tn_http_request *r, int status, const char *content_type, tn_buf *body)
{
    tn_http_server *s = r->server;
    struct MHD_Connection *connection = r->connection;
    int expected = HANDLING;
    r->status = check_room(r, status, &content_type, body);
    r->response = make_response(r, content_type, body);
    if (body) tn_buf_free(body);
    /* Once it is ANSWERED the request may be gone at any time, unless this is its own thread. */
    if (!atomic_compare_exchange_strong(&r->stage, &expected, ANSWERED)) {
        send_past(r);
        atomic_store(&r->stage, ANSWERED);
        MHD_resume_connection(connection);
    }
    pthread_mutex_lock(&s->lock);
    s->handled--;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static enum MHD_Result queue_answer(tn_http_request *r)
{
    if (!r->response || r->sent) return MHD_NO; /* no memory, or all is said: the connection is closed */
    return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

static tn_guest *guest_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* An answer of the server's own; the connection ends with it. */
static enum MHD_Result refuse(tn_http_request *r, int status, const char *text)
{
    struct MHD_Response *m =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (!m) return MHD_NO;
    MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
    r->response = m;
    r->status = status;
    tn_guest_has_asked(guest_of(r->connection));
    atomic_store(&r->stage, ANSWERED);
    return queue_answer(r);
}

/* ==== requests ==== */

static void free_request(tn_http_request *r)
{
    tn_http_server *s = r->server;
    charge(r, 0);
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

static void come_or_leave(void *server, struct MHD_Connection *connection, void **guest,
                          enum MHD_ConnectionNotificationCode what)
{
    tn_http_server *s = server;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *guest = tn_guest_come(s->guests, info ? info->connect_fd : -1);
        return;
    }
    tn_guest_leave(s->guests, *guest);
    *guest = NULL;
}

static void *begin_request(void *server, const char *uri, struct MHD_Connection *connection)
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

static void end_request(void *server, struct MHD_Connection *connection, void **state,
                        enum MHD_RequestTerminationCode why)
{
    (void)server;
    (void)why;
    tn_guest_rests(guest_of(connection));
    if (*state) free_request(*state);
    *state = NULL;
}

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
    tn_guest_asks(guest_of(r->connection));
    r->method = tn_arena_strdup(r->arena, method);
    r->body.limit = o->max_body;
    if (!r->method) return MHD_NO;
    name_peer(r);
    if (o->verify_peer && !shows_certificate(r)) return refuse(r, 403, "a client certificate is required\n");
    if (n > o->max_body) return refuse(r, 413, "the body is larger than this server accepts\n");
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
    if (!r->too_large && (r->body.failed || !charge(r, r->body.n))) {
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
    if (r->too_large && r->coming <= r->server->o.max_body) return refuse(r, 503, "out of memory\n");
    return refuse(r, 413, "the body is larger than this server accepts\n");
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
    tn_guest_has_asked(guest_of(r->connection));
    atomic_store(&r->stage, HANDLING);
    s->o.handle(s->o.payload, r);
    if (atomic_load(&r->stage) == ANSWERED) return queue_answer(r);
    MHD_suspend_connection(r->connection);
    if (!atomic_compare_exchange_strong(&r->stage, &expected, SUSPENDED)) { /* answered meanwhile */
        send_past(r);
        MHD_resume_connection(r->connection);
    }
    return MHD_YES;
}

static enum MHD_Result access_handler(void *server, struct MHD_Connection *connection, const char *url,
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
    if (atomic_load(&r->stage) == ANSWERED) return queue_answer(r);
    if (*n == 0) return hand_over(r);
    size_t taken = *n;
    *n = 0;
    return take_body(r, data, taken);
}

/* ==== the server ==== */

static void hear_trouble(void *server, const char *fmt, va_list ap)
{
    tn_http_server *s = server;
    char text[sizeof s->trouble];
    vsnprintf(text, sizeof text, fmt, ap);
    text[strcspn(text, "\r\n")] = 0;
    pthread_mutex_lock(&s->trouble_lock);
    if (!s->started) memcpy(s->trouble, text, sizeof text);
    pthread_mutex_unlock(&s->trouble_lock);
    tn_logf(s->o.log, TN_DEBUG, "http: %s", text);
}

static int default_connections(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY || files.rlim_cur > 1 << 20)
        return 1 << 16;
    return (int)TN_MAX((int64_t)files.rlim_cur - RESERVED_DESCRIPTORS, 64);
}

static void set_defaults(tn_http_server_options *o)
{
    if (o->threads <= 0) o->threads = TN_MIN(4 * tn_core_count(), 64);
    if (o->max_body == 0) o->max_body = INT32_MAX;
    if (o->max_connections <= 0) o->max_connections = default_connections();
    o->threads = TN_MIN(o->threads, o->max_connections); /* libmicrohttpd shares them out */
    if (o->timeout <= 0) o->timeout = 30;
    if (!o->max_memory) o->max_memory = tn_half_of_memory();
}

/* OpenSSL says what is wrong with a key or a certificate; GnuTLS, which libmicrohttpd uses, does not. */
static tn_code check_tls(const tn_http_server_options *o, tn_error *err)
{
    tn_tls *t = NULL;
    if (o->cert.n == 0 && o->key.n == 0) return TN_OK;
    TN_TRY(tn_tls_new(
        &(tn_tls_options){.key = o->key, .cert = o->cert, .ca = o->ca, .verify_peer = o->verify_peer}, &t,
        err));
    tn_tls_free(t);
    return TN_OK;
}

/* Whoever comes while the server drains is turned away: MHD_quiesce_daemon, which would close the port, ends the
 * process when one of the daemon's threads notices it at the wrong moment. */
static enum MHD_Result admit(void *server, const struct sockaddr *address, socklen_t size)
{
    tn_http_server *s = server;
    (void)address, (void)size;
    return atomic_load(&s->draining) ? MHD_NO : MHD_YES;
}

static tn_code start_daemon(tn_http_server *s, tn_error *err)
{
    const tn_http_server_options *o = &s->o;
    bool tls = o->cert.n > 0, trust = tls && o->ca.n > 0;
    tn_arena *a = tn_arena_new(0);
    if (!a) return tn_no_memory(err, sizeof *s);
    struct MHD_OptionItem tls_options[] = {
        {tls ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0,
         tn_arena_strndup(a, o->key.p ? o->key.p : "", o->key.n)},
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tn_arena_strndup(a, o->cert.p ? o->cert.p : "", o->cert.n)},
        {trust ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
         tn_arena_strndup(a, o->ca.p ? o->ca.p : "", o->ca.n)},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    s->daemon = MHD_start_daemon(
        flags | (tls ? (unsigned)MHD_USE_TLS : 0), 0, admit, s, access_handler, s,
        MHD_OPTION_EXTERNAL_LOGGER, hear_trouble, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(o->threads > 1 ? o->threads : 0), MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)o->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TN_MAX(o->timeout, 1),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
        (size_t)RECEIVED_BYTES, MHD_OPTION_URI_LOG_CALLBACK, begin_request, s, MHD_OPTION_NOTIFY_CONNECTION,
        come_or_leave, s, MHD_OPTION_NOTIFY_COMPLETED, end_request, s, MHD_OPTION_ARRAY, tls_options,
        MHD_OPTION_END);
    tn_arena_free(a);
    pthread_mutex_lock(&s->trouble_lock);
    s->started = true;
    pthread_mutex_unlock(&s->trouble_lock);
    if (s->daemon) return TN_OK;
    return tn_fail(err, tls ? TN_INVALID_ARGUMENT : TN_INTERNAL, "the HTTP server does not start: %s",
                   s->trouble[0] ? s->trouble : "no reason given");
}

tn_code tn_http_server_start(const tn_http_server_options *o, tn_http_server **out, tn_error *err)
{
    tn_http_server *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->o = *o;
    s->listen_fd = -1;
    s->tls = o->cert.n > 0;
    set_defaults(&s->o);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->trouble_lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    tn_code code = tn_socket_listen(o->listen ? o->listen : "", &s->listen_fd, &s->port, err);
    if (code == TN_OK) code = check_tls(o, err);
    if (code == TN_OK) code = tn_guests_new(2 * s->o.timeout, &s->guests, err);
    if (code == TN_OK) code = start_daemon(s, err);
    s->o.key = s->o.cert = s->o.ca = (tn_view){NULL, 0};
    s->o.listen = NULL;
    if (code == TN_OK)
        *out = s;
    else
        tn_http_server_free(s);
    return code;
}

int tn_http_server_port(const tn_http_server *s)
{
    return s->port;
}

/* Waits until a count is 0; seconds < 0: for ever. */
static bool wait_until_none(tn_http_server *s, const int64_t *count, double seconds)
{
    int64_t until = tn_now_us() + (int64_t)(seconds * 1e6);
    pthread_mutex_lock(&s->lock);
    while (*count > 0 && (seconds < 0 || tn_now_us() < until)) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME, &t);
        t.tv_nsec += 20 * 1000 * 1000; /* what happens without a signal is seen this soon */
        if (t.tv_nsec >= 1000000000) {
            t.tv_sec++;
            t.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&s->idle, &s->lock, &t);
    }
    bool none = *count == 0;
    pthread_mutex_unlock(&s->lock);
    return none;
}

bool tn_http_server_drain(tn_http_server *s, double seconds)
{
    atomic_store(&s->draining, 1);
    if (wait_until_none(s, &s->open, TN_MAX(seconds, 0))) return true;
    atomic_store(&s->cancelled, 1);
    return false;
}

void tn_http_server_free(tn_http_server *s)
{
    if (!s) return;
    if (s->daemon) {
        tn_http_server_drain(s, 0);
        atomic_store(&s->cancelled, 1);
        wait_until_none(s, &s->handled, -1);
        tn_guests_stop(s->guests);
        MHD_stop_daemon(s->daemon);
        s->listen_fd = -1; /* which that has closed */
    }
    tn_guests_free(s->guests);
    if (s->listen_fd >= 0) close(s->listen_fd);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->trouble_lock);
    pthread_mutex_destroy(&s->lock);
    tn_free(s);
}
