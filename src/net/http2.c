/* SPDX-License-Identifier: Apache-2.0
 *
 * http2.c - an HTTP/2 connection: moves bytes between a socket, plain or TLS, and an nghttp2 session.
 *
 * One recv for what has come, one send for all frames it led to, once the others that are ready have been read too (a
 * peer is woken for several answers, not for each): frames are gathered in the room the loop's connections share,
 * large payloads by reference. What the socket does not take is copied to `rest`, at most ROUND bytes, and nothing more
 * is taken from the session before that is gone: a slow reader costs no more memory here.
 */
#include "http2.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tls.h"

#define IN_SIZE ((size_t)128 << 10)
#define OUT_SIZE ((size_t)96 << 10)
#define FRAME_ROOM ((size_t)20 << 10) /* what the session may give in one piece, but for long headers */
#define ROUND ((size_t)1 << 20)       /* bytes gathered for one write */
#define STREAM_WINDOW (16 << 20)
#define WINDOW (64 << 20)
#define FRAME_SIZE (1u << 20)         /* that we take */
#define FRAME_SENT ((size_t)256 << 10)
#define FRAME_SECURE ((size_t)64 << 10) /* it is copied */
#define COPIED 4096                   /* payloads up to here are copied */
#define READS 8                       /* rounds of reading or writing before others have their turn */
#define WRITES 16

/* ---- the shared room ---- */

tn_code tn_h2_room_init(tn_h2_room *r, tn_error *err)
{
    *r = (tn_h2_room){.in = tn_malloc(IN_SIZE), .out = tn_malloc(OUT_SIZE), .out_cap = OUT_SIZE};
    if (r->in && r->out) return TN_OK;
    tn_h2_room_free(r);
    return tn_no_memory(err, IN_SIZE + OUT_SIZE);
}

void tn_h2_room_free(tn_h2_room *r)
{
    tn_free(r->in);
    tn_free(r->out);
    r->in = r->out = NULL;
}

static void count(atomic_int_least64_t *total, size_t n)
{
    atomic_store_explicit(total, atomic_load_explicit(total, memory_order_relaxed) + (int64_t)n, memory_order_relaxed);
}

/* ---- gathering ---- */

bool tn_h2_has_room(const tn_h2 *h, size_t n)
{
    const tn_h2_room *r = h->room;
    bool copied = h->ssl || n <= COPIED;
    if (!r->n_bytes) return true; /* `out` grows for what is larger */
    return r->n_pieces + 2 <= TN_H2_PIECES && r->n_bytes < ROUND &&
           r->out_cap - r->n_out >= FRAME_ROOM + (copied ? n : 0);
}

static void add_piece(tn_h2_room *r, const char *p, size_t n)
{
    tn_h2_piece *last = r->n_pieces ? &r->pieces[r->n_pieces - 1] : NULL;
    r->n_bytes += n;
    if (last && !last->p && !p)
        last->n += n;
    else
        r->pieces[r->n_pieces++] = (tn_h2_piece){p, n};
}

bool tn_h2_copy(tn_h2 *h, const void *p, size_t n)
{
    tn_h2_room *r = h->room;
    if (n > r->out_cap - r->n_out) { /* long headers, or TLS */
        size_t cap = TN_MAX(r->out_cap * 2, r->n_out + n);
        char *out = tn_realloc(r->out, cap);
        if (!out) return false;
        r->out = out;
        r->out_cap = cap;
    }
    memcpy(r->out + r->n_out, p, n);
    r->n_out += n;
    add_piece(r, NULL, n);
    return true;
}

static bool refer(tn_h2 *h, const void *p, size_t n)
{
    if (h->ssl || n <= COPIED) return tn_h2_copy(h, p, n);
    add_piece(h->room, p, n);
    return true;
}

bool tn_h2_message(tn_h2 *h, const unsigned char prefix[TN_GRPC_PREFIX], const char *body, size_t *at, size_t n)
{
    bool ok = true;
    if (*at < TN_GRPC_PREFIX) {
        size_t head = TN_MIN(n, TN_GRPC_PREFIX - *at);
        ok = tn_h2_copy(h, prefix + *at, head);
        *at += head;
        n -= head;
    }
    if (n) ok = ok && refer(h, body + (*at - TN_GRPC_PREFIX), n);
    *at += n;
    return ok;
}

ssize_t tn_h2_frame_length(nghttp2_session *session, uint8_t type, int32_t stream, int32_t window,
                           int32_t stream_window, uint32_t frame, void *payload)
{
    (void)session, (void)type, (void)stream;
    size_t n = TN_MIN(((tn_h2 *)payload)->ssl ? FRAME_SECURE : FRAME_SENT, (size_t)frame);
    return (ssize_t)TN_MIN(n, (size_t)TN_MAX(TN_MIN(window, stream_window), 1));
}

int tn_h2_greet(tn_h2 *h, const nghttp2_settings_entry *more, size_t n)
{
    nghttp2_settings_entry v[8] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
                                   {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_SIZE}};
    for (size_t i = 0; i < n; i++) v[2 + i] = more[i];
    int code = nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, v, 2 + n);
    return code ? code : nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

/* Frames of the session into the room. */
static void gather(tn_h2 *h)
{
    tn_h2_room *r = h->room;
    r->n_out = r->n_bytes = 0;
    r->n_pieces = 0;
    while (tn_h2_has_room(h, 0)) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(h->session, &p);
        if (n == 0) return;
        if (n < 0 || !tn_h2_copy(h, p, (size_t)n)) {
            tn_h2_break(h, n < 0 ? nghttp2_strerror((int)n) : "no memory");
            return;
        }
    }
}

/* ---- writing ---- */

/* How many bytes the socket took; -1: none now; the connection may be broken then. */
static ssize_t write_plain(tn_h2 *h, struct iovec *v, int n)
{
    struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
    if (h->watch.fd < 0) {
        ssize_t sum = 0;
        for (int i = 0; i < n; i++) sum += (ssize_t)v[i].iov_len;
        return sum;
    }
    for (;;) {
        ssize_t took = n == 1 ? send(h->watch.fd, v->iov_base, v->iov_len, MSG_NOSIGNAL)
                              : sendmsg(h->watch.fd, &m, MSG_NOSIGNAL);
        if (took >= 0) return took;
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) tn_h2_break(h, "the peer has gone");
        return -1;
    }
}

static ssize_t write_out(tn_h2 *h, struct iovec *v, int n)
{
    if (!h->ssl) return write_plain(h, v, n);
    ssize_t sum = -1;
    for (int i = 0; i < n; i++) { /* one, but after long headers */
        ssize_t took = tn_tls_write(h, v[i].iov_base, v[i].iov_len);
        if (took > 0) sum = TN_MAX(sum, 0) + took;
        if (took < (ssize_t)v[i].iov_len) break;
    }
    return sum;
}

/* Keeps what the socket has not taken of the room's pieces. */
static void keep_rest(tn_h2 *h, const struct iovec *v, int n, size_t took)
{
    size_t left = h->room->n_bytes - took;
    if (left > h->rest_cap) {
        tn_free(h->rest);
        h->rest = tn_malloc(left);
        h->rest_cap = h->rest ? left : 0;
    }
    if (!h->rest) {
        tn_h2_break(h, "no memory");
        return;
    }
    h->rest_at = h->rest_n = 0;
    for (int i = 0; i < n; i++) {
        size_t skip = TN_MIN(took, v[i].iov_len);
        memcpy(h->rest + h->rest_n, (const char *)v[i].iov_base + skip, v[i].iov_len - skip);
        h->rest_n += v[i].iov_len - skip;
        took -= skip;
    }
    if (!h->sent_at) h->sent_at = tn_now_us();
}

static void write_room(tn_h2 *h)
{
    tn_h2_room *r = h->room;
    struct iovec v[TN_H2_PIECES];
    char *out = r->out;
    for (int i = 0; i < r->n_pieces; i++) {
        const tn_h2_piece *p = &r->pieces[i];
        v[i] = (struct iovec){p->p ? (void *)(uintptr_t)p->p : out, p->n};
        if (!p->p) out += p->n;
    }
    ssize_t took = write_out(h, v, r->n_pieces);
    size_t n = took > 0 ? (size_t)took : 0;
    count(&r->bytes_out, n);
    if (n < r->n_bytes && !h->broken) keep_rest(h, v, r->n_pieces, n);
}

/* false: something is left. */
static bool write_rest(tn_h2 *h)
{
    while (h->rest_at < h->rest_n) {
        struct iovec v = {h->rest + h->rest_at, h->rest_n - h->rest_at};
        ssize_t took = write_out(h, &v, 1);
        if (took <= 0) return false;
        count(&h->room->bytes_out, (size_t)took);
        h->rest_at += (size_t)took;
        h->sent_at = tn_now_us();
    }
    tn_free(h->rest);
    h->rest = NULL;
    h->rest_at = h->rest_n = h->rest_cap = 0;
    h->sent_at = 0;
    return true;
}

static void ask_for(tn_h2 *h, uint32_t events)
{
    if (h->watch.fd < 0 || events == h->watched) return;
    h->watched = events;
    tn_loop_rewatch(h->loop, &h->watch, events);
}

static bool is_finished(nghttp2_session *session)
{
    return !nghttp2_session_want_read(session) && !nghttp2_session_want_write(session);
}

/* Writes what the session has, until the socket takes no more or others shall have their turn. */
static void flush(tn_h2 *h)
{
    bool more = false;
    h->room->flushing = true;
    for (int i = 0; !h->broken; i++) {
        more = i == WRITES || (h->rest && !write_rest(h));
        if (more) break;
        gather(h);
        if (h->broken || !h->room->n_bytes) break;
        write_room(h);
        h->events->sent(h);
    }
    h->room->flushing = false;
    h->events->sent(h);
    ask_for(h, EPOLLIN | (more || h->rest || h->tls_wants_write ? (uint32_t)EPOLLOUT : 0));
    if (!h->broken && !h->rest && !h->linger && is_finished(h->session))
        tn_h2_break(h, "");
}

/* ---- reading ---- */

static void feed(tn_h2 *h, const void *p, size_t n)
{
    count(&h->room->bytes_in, n);
    h->events->heard(h);
    ssize_t got = nghttp2_session_mem_recv(h->session, p, n);
    if (got < 0 && !h->broken) tn_h2_break(h, nghttp2_strerror((int)got));
}

/* What recv says; 0: nothing now, or the connection is broken. */
static size_t read_some(tn_h2 *h)
{
    for (;;) {
        ssize_t n = h->ssl ? tn_tls_read(h, h->room->in, IN_SIZE) : recv(h->watch.fd, h->room->in, IN_SIZE, 0);
        if (n > 0) return (size_t)n;
        if (h->ssl) return 0;
        if (n < 0 && errno == EINTR) continue;
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) tn_h2_break(h, "the peer has gone");
        return 0;
    }
}

static void flush_soon(tn_h2 *h)
{
    if (h->queued) return;
    h->queued = true;
    tn_loop_later(h->loop, &h->flush);
}

static void read_all(tn_h2 *h)
{
    for (int i = 0; i < READS && !h->broken; i++) {
        size_t n = read_some(h);
        if (!n) return;
        feed(h, h->room->in, n);
        if (!h->ssl && n < IN_SIZE) return;
    }
    /* What TLS has taken from the socket, no event tells of. */
    if (h->ssl && !h->broken && tn_tls_pending(h)) flush_soon(h);
}

/* ---- entries: what may end in `lost` ---- */

static bool enter(tn_h2 *h)
{
    bool outer = !h->busy;
    h->busy = true;
    return outer;
}

static void leave(tn_h2 *h, bool outer)
{
    if (!outer) return;
    h->busy = false;
    if (h->broken && !h->queued) h->events->lost(h, h->broken);
}

static bool shake_hands(tn_h2 *h)
{
    if (!h->ssl || h->secure) return true;
    if (!tn_tls_handshake(h)) {
        if (!h->broken) ask_for(h, h->tls_wants_write ? EPOLLOUT : EPOLLIN);
        return false;
    }
    h->secure = true;
    if (h->events->secured) h->events->secured(h);
    return true;
}

static void ready(tn_watch *w, uint32_t events)
{
    tn_h2 *h = (tn_h2 *)w;
    bool outer = enter(h);
    if (shake_hands(h)) {
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) || h->ssl) read_all(h);
        if (!h->broken) flush_soon(h);
    }
    leave(h, outer);
}

static void flush_later(tn_job *j)
{
    tn_h2 *h = (tn_h2 *)((char *)j - offsetof(tn_h2, flush));
    bool outer = enter(h);
    h->queued = false;
    if (!h->broken && shake_hands(h)) {
        if (h->ssl && tn_tls_pending(h)) read_all(h);
        if (!h->broken) flush(h);
    }
    leave(h, outer);
}

void tn_h2_receive(tn_h2 *h, const void *p, size_t n)
{
    bool outer = enter(h);
    feed(h, p, n);
    if (!h->broken) flush(h);
    leave(h, outer);
}

void tn_h2_wake(tn_h2 *h)
{
    if (!h->busy) flush_soon(h);
}

void tn_h2_break(tn_h2 *h, const char *why)
{
    if (h->broken) return;
    h->broken = why;
    tn_h2_wake(h);
}

/* ---- life ---- */

tn_code tn_h2_open(tn_h2 *h, int fd, tn_tls *tls, const char *host, tn_error *err)
{
    h->watch = (tn_watch){fd, ready};
    h->flush.run = flush_later;
    h->watched = EPOLLIN;
    if (fd < 0) return TN_OK;
    tn_code code = tls ? tn_tls_begin(h, tls, host, err) : TN_OK;
    if (!code) code = tn_loop_watch(h->loop, &h->watch, h->watched, err);
    if (code)
        tn_h2_close(h);
    else
        tn_h2_wake(h);
    return code;
}

void tn_h2_close(tn_h2 *h)
{
    tn_tls_end(h);
    if (h->watch.fd >= 0) {
        tn_loop_unwatch(h->loop, &h->watch);
        close(h->watch.fd);
        h->watch.fd = -1;
    }
    tn_free(h->rest);
    h->rest = NULL;
    h->rest_at = h->rest_n = h->rest_cap = 0;
}
