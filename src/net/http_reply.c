/* SPDX-License-Identifier: Apache-2.0
 *
 * http_reply.c - the answer to an HTTP request, from any thread: compressed where that is wanted, kept within the
 * server's memory, queued, or sent past libmicrohttpd to a peer that has sent its last.
 */
#include "http_server.h"

#include "../wire/wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

enum { SMALLEST_COMPRESSED = 1024 };

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
void tn_http_send_past(tn_http_request *r)
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
    if (tn_http_charge(r, body ? body->n : 0)) return status;
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
        tn_http_send_past(r);
        atomic_store(&r->stage, ANSWERED);
        MHD_resume_connection(connection);
    }
    pthread_mutex_lock(&s->lock);
    s->handled--;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

enum MHD_Result tn_http_queue_answer(tn_http_request *r)
{
    if (!r->response || r->sent) return MHD_NO; /* no memory, or all is said: the connection is closed */
    return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

enum MHD_Result tn_http_refuse(tn_http_request *r, int status, const char *text)
{
    struct MHD_Response *m =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (!m) return MHD_NO;
    MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    MHD_add_response_header(m, MHD_HTTP_HEADER_CONNECTION, "close");
    r->response = m;
    r->status = status;
    tn_guest_has_asked(tn_http_guest_of(r->connection));
    atomic_store(&r->stage, ANSWERED);
    return tn_http_queue_answer(r);
}
