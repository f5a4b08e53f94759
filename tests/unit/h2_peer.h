/* SPDX-License-Identifier: Apache-2.0
 *
 * h2_peer.h - a peer for tests of the gRPC server: HTTP/2 as it is, so that it can also misbehave. It blocks; what the
 * server does is waited for.
 */
#ifndef TN_TEST_H2_PEER_H
#define TN_TEST_H2_PEER_H

#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct answer { /* of one stream */
    int32_t stream;
    int http, status, n_headers; /* -1: none */
    char message[2048], trailer[256], encoding[16];
    tn_buf body; /* with gRPC's prefixes */
    bool closed;
    uint32_t code; /* closed with */
    tn_view left;  /* of the request */
    bool open_end; /* the request is not ended by us */
} answer;

typedef struct peer {
    int fd;
    nghttp2_session *session;
    bool gone, mute; /* mute: answers no pings, and lets no more come than windows have at first */
    int n_goaways;
    uint32_t goaway_code;
    char goaway_text[64];
} peer;

static inline int peer_on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t n, const uint8_t *value,
                                 size_t size, uint8_t flags, void *payload)
{
    answer *a = nghttp2_session_get_stream_user_data(s, f->hd.stream_id);
    tn_view k = {(const char *)name, n};
    char text[2048];
    (void)flags, (void)payload;
    if (!a) return 0;
    snprintf(text, sizeof text, "%.*s", (int)size, (const char *)value);
    a->n_headers++;
    if (tn_view_is(k, ":status")) a->http = (int)strtol(text, NULL, 10);
    if (tn_view_is(k, "grpc-status")) a->status = (int)strtol(text, NULL, 10);
    if (tn_view_is(k, "grpc-message")) snprintf(a->message, sizeof a->message, "%s", text);
    if (tn_view_is(k, "grpc-encoding")) snprintf(a->encoding, sizeof a->encoding, "%.15s", text);
    if (tn_view_starts(k, "x-")) snprintf(a->trailer, sizeof a->trailer, "%.*s=%.200s", (int)TN_MIN(n, 50), (const char *)name, text);
    return 0;
}

static inline int peer_on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *payload)
{
    answer *a = nghttp2_session_get_stream_user_data(s, stream);
    (void)flags, (void)payload;
    if (a) tn_buf_add(&a->body, p, n);
    return 0;
}

static inline int peer_on_close(nghttp2_session *s, int32_t stream, uint32_t code, void *payload)
{
    answer *a = nghttp2_session_get_stream_user_data(s, stream);
    (void)payload;
    if (a) a->closed = true;
    if (a) a->code = code;
    return 0;
}

static inline int peer_on_frame(nghttp2_session *s, const nghttp2_frame *f, void *payload)
{
    peer *p = payload;
    (void)s;
    if (f->hd.type != NGHTTP2_GOAWAY) return 0;
    p->n_goaways++;
    p->goaway_code = f->goaway.error_code;
    if (f->goaway.opaque_data_len)
        snprintf(p->goaway_text, sizeof p->goaway_text, "%.*s", (int)f->goaway.opaque_data_len, (char *)f->goaway.opaque_data);
    return 0;
}

static inline ssize_t peer_read(nghttp2_session *s, int32_t stream, uint8_t *buf, size_t n, uint32_t *flags, nghttp2_data_source *from,
                                void *payload)
{
    answer *a = from->ptr;
    (void)s, (void)stream, (void)payload;
    n = TN_MIN(n, a->left.n);
    if (!n && a->open_end) return NGHTTP2_ERR_DEFERRED;
    memcpy(buf, a->left.p, n);
    a->left.p += n;
    a->left.n -= n;
    if (!a->left.n && !a->open_end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static inline void peer_begin(peer *p, int fd, bool mute)
{
    nghttp2_session_callbacks *c;
    nghttp2_option *o;
    *p = (peer){.fd = fd, .mute = mute};
    nghttp2_session_callbacks_new(&c);
    nghttp2_option_new(&o);
    nghttp2_option_set_no_auto_ping_ack(o, mute);
    nghttp2_option_set_no_auto_window_update(o, mute);
    nghttp2_session_callbacks_set_on_header_callback(c, peer_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, peer_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, peer_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, peer_on_frame);
    nghttp2_session_client_new2(&p->session, c, p, o);
    nghttp2_session_callbacks_del(c);
    nghttp2_option_del(o);
    nghttp2_submit_settings(p->session, 0, NULL, 0);
}

static inline int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static inline void peer_connect(peer *p, int port)
{
    peer_begin(p, dial(port), false);
}

static inline void peer_close(peer *p)
{
    nghttp2_session_del(p->session);
    close(p->fd);
}

/* Sends what there is, then takes what comes within the time. false: nothing came, or the server has gone. */
static inline bool peer_pump(peer *p, int ms)
{
    const uint8_t *bytes;
    static char in[1 << 16], out[1 << 17];
    ssize_t n;
    while (!p->gone && (n = nghttp2_session_mem_send(p->session, &bytes)) > 0) {
        memcpy(out, bytes, (size_t)n); /* what comes meanwhile may change it */
        for (ssize_t at = 0, put; at < n && !p->gone; at += put) {
            put = send(p->fd, out + at, (size_t)(n - at), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put >= 0) continue;
            put = 0;
            if (errno != EAGAIN) p->gone = true;
            struct pollfd wait = {p->fd, POLLIN | POLLOUT, 0};
            poll(&wait, 1, 1000);
            if (!(wait.revents & POLLIN)) continue;
            ssize_t got = recv(p->fd, in, sizeof in, MSG_DONTWAIT);
            if (got == 0) p->gone = true;
            if (got > 0) nghttp2_session_mem_recv(p->session, (uint8_t *)in, (size_t)got);
        }
    }
    struct pollfd wait = {p->fd, POLLIN, 0};
    if (p->n_goaways && !nghttp2_session_want_read(p->session)) p->gone = true; /* as a client would */
    if (p->gone || poll(&wait, 1, ms) <= 0) return false;
    n = recv(p->fd, in, sizeof in, 0);
    if (n <= 0) p->gone = true;
    if (n > 0 && nghttp2_session_mem_recv(p->session, (uint8_t *)in, (size_t)n) < 0) p->gone = true;
    return !p->gone;
}

static inline void peer_finish(peer *p, answer *a)
{
    while (!a->closed && !p->gone) peer_pump(p, 10000);
}

static inline nghttp2_nv peer_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value), 0};
}

/* Begins a call; headers: name, value, ..., NULL, over and beside the usual ones. The bytes stay the caller's. */
static inline void peer_call(peer *p, answer *a, const char *path, const char *const *headers, tn_view bytes, bool open_end)
{
    nghttp2_nv v[200] = {peer_nv(":method", "POST"), peer_nv(":scheme", "http"), peer_nv(":path", path), peer_nv(":authority", "test"),
                         peer_nv("te", "trailers"), peer_nv("content-type", "application/grpc")};
    size_t n = 6;
    *a = (answer){.http = -1, .status = -1, .left = bytes, .open_end = open_end};
    for (; headers && *headers; headers += 2) {
        size_t i = 0;
        while (i < n && strncmp((const char *)v[i].name, headers[0], v[i].namelen + 1) != 0) i++;
        v[i] = peer_nv(headers[0], headers[1]);
        n = TN_MAX(n, i + 1);
    }
    nghttp2_data_provider from = {.source.ptr = a, .read_callback = peer_read};
    a->stream = nghttp2_submit_request(p->session, NULL, v, n, &from, a);
    assert_true(a->stream > 0);
}

/* A message with gRPC's prefix. */
static inline tn_view framed(tn_buf *room, int flag, const void *p, size_t n)
{
    tn_buf_clear(room);
    tn_buf_add(room, (char[]){(char)flag, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n}, 5);
    tn_buf_add(room, p, n);
    return (tn_view){room->data, room->n};
}

static inline void answer_free(answer *a)
{
    tn_buf_free(&a->body);
}

#endif
