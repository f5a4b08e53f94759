/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_conn.c - a connection at the gRPC server: HTTP/2's events, its limits, keepalive, and how it ends.
 *
 * Against peers that mean ill: streams at once, header bytes, frames without a use a second, pings, bytes that wait to
 * be read, calls cancelled while their handlers still work, silence before the first frame: each has a limit.
 *
 * Invariants: what comes is taken at once (the windows are never what holds a message back), so memory is bounded by
 * the limits of messages.
 */
#include "grpc_server.h"

#include <unistd.h>

#define MAX_CONTROL 2000          /* frames without a use in a second */
#define MAX_STRIKES 2             /* as gRPC */
#define MAX_OUTBOUND 10000        /* frames waiting to be sent */
#define MAX_QUEUED ((size_t)256 << 20) /* bytes of answers waiting; then there are no more */
#define RESETS_AT_ONCE 20000  /* many deadlines may end at once */
#define RESETS_A_SECOND 10000
#define GREETING_US 20000000      /* from accept to the peer's SETTINGS */
#define STALL_US 120000000        /* a peer that takes nothing of what waits for it */
#define SCARCE_STALL_US 5000000   /* the same while memory is scarce */
#define WARNING_US 2000000        /* from the first GOAWAY to the second, unless the ping comes back */

static const uint8_t farewell[8] = "goodbye";
static const uint8_t alive[8] = "alive?";

/* Most often it is the newest. */
static tn_grpc_call *call_of(const tn_grpc_conn *c, int32_t stream)
{
    if (c->calls && c->calls->stream == stream) return c->calls;
    return stream ? nghttp2_session_get_stream_user_data(c->h2.session, stream) : NULL;
}

/* ---- limits ---- */

static void calm(tn_grpc_conn *c, const char *why)
{
    if (why)
        nghttp2_submit_goaway(c->h2.session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(c->h2.session), NGHTTP2_ENHANCE_YOUR_CALM,
                              (const uint8_t *)why, strlen(why));
    nghttp2_session_terminate_session(c->h2.session, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* A frame that costs us work and the peer nothing. */
static void count_control(tn_grpc_conn *c)
{
    if (c->heard - c->control_since > 1000000) {
        c->control_since = c->heard;
        c->n_control = 0;
    }
    if (++c->n_control == MAX_CONTROL) calm(c, NULL);
    if (nghttp2_session_get_outbound_queue_size(c->h2.session) > MAX_OUTBOUND)
        tn_h2_break(&c->h2, "the peer does not read what it asks for");
}

static void count_ping(tn_grpc_conn *c)
{
    bool early = c->ping_heard && c->heard - c->ping_heard < c->worker->server->o.min_ping_interval_ms * 1000;
    c->ping_heard = c->heard;
    if (early && ++c->strikes == MAX_STRIKES + 1) calm(c, "too_many_pings");
    count_control(c);
}

/* A peer for which nothing waits always gets its answer. */
bool tn_grpc_conn_takes(const tn_grpc_conn *c, size_t n)
{
    const tn_grpc_server *s = c->worker->server;
    size_t all = atomic_load_explicit(&s->waiting, memory_order_relaxed);
    return !c->queued || (c->queued + n <= MAX_QUEUED && all + n <= s->o.max_memory);
}

static bool may_begin(const tn_grpc_conn *c)
{
    return c->n_held < 2 * c->worker->server->o.max_streams && tn_grpc_conn_takes(c, 0);
}

/* ---- HTTP/2's events ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *payload)
{
    tn_grpc_conn *c = payload;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    tn_grpc_call *call = may_begin(c) ? tn_grpc_call_new(c, frame->hd.stream_id) : NULL;
    if (!call) {
        count_control(c);
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *payload)
{
    (void)session, (void)flags;
    tn_grpc_call *call = call_of(payload, frame->hd.stream_id);
    if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    tn_view n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    return tn_grpc_call_header(call, n, v) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *payload)
{
    (void)session, (void)flags;
    tn_grpc_call *call = call_of(payload, stream);
    if (call) tn_grpc_call_data(call, (tn_view){(const char *)p, n});
    return 0;
}

/* Calls that came until now are served; the peer knows which. */
static void leave(tn_grpc_conn *c)
{
    c->phase = TN_GRPC_LEAVING;
    c->left_at = tn_now_us();
    c->h2.linger = false;
    nghttp2_submit_goaway(c->h2.session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->h2.session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    tn_h2_wake(&c->h2);
}

static void on_ping(tn_grpc_conn *c, const nghttp2_ping *ping)
{
    if (!(ping->hd.flags & NGHTTP2_FLAG_ACK))
        count_ping(c);
    else if (c->phase == TN_GRPC_WARNED && memcmp(ping->opaque_data, farewell, sizeof farewell) == 0)
        leave(c);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *payload)
{
    tn_grpc_conn *c = payload;
    tn_grpc_call *call = call_of(c, frame->hd.stream_id);
    (void)session;
    bool last = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (call && frame->headers.cat == NGHTTP2_HCAT_REQUEST) tn_grpc_call_headers_end(call);
        if (call && last) tn_grpc_call_frame_end(call, true);
        break;
    case NGHTTP2_DATA:
        if (!last && !frame->hd.length) count_control(c);
        if (call) tn_grpc_call_frame_end(call, last);
        break;
    case NGHTTP2_PING:
        on_ping(c, &frame->ping);
        break;
    case NGHTTP2_SETTINGS:
        c->greeted = true;
        count_control(c);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        break;
    case NGHTTP2_RST_STREAM: /* a call given up is one thing, one that was never made another */
        if (call && !call->received) count_control(c);
        break;
    default:
        count_control(c);
    }
    return 0;
}

/* After the first GOAWAY a ping, so that we know when the peer has heard of it. After an answer that ends before the
 * request: the peer shall not go on sending. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *payload)
{
    tn_grpc_conn *c = payload;
    if (frame->hd.type == NGHTTP2_GOAWAY && c->phase == TN_GRPC_WARNED)
        nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, farewell);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    c->strikes = 0;
    c->ping_heard = 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM &&
        !nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id))
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *payload)
{
    (void)session, (void)code;
    tn_grpc_call *call = call_of(payload, stream);
    if (call) tn_grpc_call_closed(call);
    return 0;
}

tn_code tn_grpc_conn_setup(tn_grpc_server *s, tn_error *err)
{
    if (nghttp2_session_callbacks_new(&s->callbacks) || nghttp2_option_new(&s->option)) return tn_no_memory(err, 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(s->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(s->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(s->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(s->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(s->callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(s->callbacks, on_closed);
    nghttp2_session_callbacks_set_send_data_callback(s->callbacks, tn_grpc_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(s->callbacks, tn_h2_frame_length);
    nghttp2_option_set_no_closed_streams(s->option, 1);
    nghttp2_option_set_stream_reset_rate_limit(s->option, RESETS_AT_ONCE, RESETS_A_SECOND);
    return TN_OK;
}

/* ---- life ---- */

static void heard(tn_h2 *h)
{
    tn_grpc_conn *c = (tn_grpc_conn *)h;
    c->heard = tn_now_us();
    c->ping_sent = 0;
}

static void sent(tn_h2 *h)
{
    tn_grpc_conn *c = (tn_grpc_conn *)h;
    tn_grpc_spent_free(c);
    tn_grpc_calls_done(c->worker);
}

static void lost(tn_h2 *h, const char *why)
{
    tn_grpc_conn *c = (tn_grpc_conn *)h;
    tn_grpc_worker *w = c->worker;
    if (*why) tn_logf(w->server->o.log, TN_DEBUG, "%s: connection ends: %s", c->peer, why);
    while (c->calls) tn_grpc_call_closed(c->calls);
    tn_h2_close(h);
    *c->before = c->next;
    if (c->next) c->next->before = c->before;
    if (!w->conns) tn_timer_clear(w->loop, &w->sweep);
    nghttp2_session_del(h->session);
    atomic_fetch_sub(&w->n_conns, 1);
    tn_grpc_conn_unref(c);
    tn_grpc_worker_changed(w);
}

static const tn_h2_events events = {.lost = lost, .heard = heard, .sent = sent};

void tn_grpc_conn_unref(tn_grpc_conn *c)
{
    if (--c->refs == 0) tn_free(c);
}

static tn_code greet(tn_grpc_conn *c, tn_error *err)
{
    const tn_grpc_server_options *o = &c->worker->server->o;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)o->max_streams},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)TN_MIN(o->max_metadata, (size_t)INT32_MAX)},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    return tn_h2_greet(&c->h2, settings, TN_COUNT(settings)) ? tn_no_memory(err, 0) : TN_OK;
}

static tn_code begin(tn_grpc_conn *c, int fd, tn_error *err)
{
    tn_grpc_server *s = c->worker->server;
    c->h2.watch.fd = -1;
    /* nghttp2 has its own memory: with what is left after its failures it does not always deal well. */
    tn_code code = nghttp2_session_server_new2(&c->h2.session, s->callbacks, c, s->option) ? tn_no_memory(err, 0)
                                                                                          : greet(c, err);
    if (code && fd >= 0) close(fd);
    if (!code) code = tn_h2_open(&c->h2, fd, s->o.tls, NULL, err);
    if (code && c->h2.session) nghttp2_session_del(c->h2.session);
    return code;
}

tn_code tn_grpc_conn_open(tn_grpc_worker *w, int fd, const char *peer, tn_grpc_conn **out, tn_error *err)
{
    tn_grpc_conn *c = tn_calloc(1, sizeof *c);
    if (!c) {
        if (fd >= 0) close(fd);
        return tn_no_memory(err, sizeof *c);
    }
    int64_t now = tn_now_us();
    c->h2 = (tn_h2){.loop = w->loop, .room = &w->room, .events = &events};
    c->worker = w;
    c->refs = 1;
    c->born = c->heard = c->idle_since = now;
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    bool watched = w->sweep.slot || tn_timer_set(w->loop, &w->sweep, now + w->server->sweep_every);
    if (!watched && fd >= 0) close(fd);
    tn_code code = watched ? begin(c, fd, err) : tn_no_memory(err, 0);
    if (code) {
        tn_free(c);
        return code;
    }
    c->next = w->conns;
    c->before = &w->conns;
    if (c->next) c->next->before = &c->next;
    w->conns = c;
    if (out) *out = c;
    return TN_OK;
}

/* ---- the end in good order, and what only time tells ---- */

void tn_grpc_conn_warn(tn_grpc_conn *c)
{
    if (c->phase != TN_GRPC_OPEN) return;
    c->phase = TN_GRPC_WARNED;
    c->warned_at = c->heard = tn_now_us();
    if (!c->greeted) {
        tn_h2_break(&c->h2, "");
        return;
    }
    c->h2.linger = true;
    nghttp2_submit_shutdown_notice(c->h2.session);
    tn_h2_wake(&c->h2);
}

static void keep_alive(tn_grpc_conn *c, int64_t now)
{
    const tn_grpc_server_options *o = &c->worker->server->o;
    if (c->ping_sent && now - c->ping_sent > o->keepalive_timeout_ms * 1000) {
        tn_h2_break(&c->h2, "keepalive watchdog timeout");
    } else if (!c->ping_sent && now - c->heard > o->keepalive_time_ms * 1000) {
        nghttp2_submit_ping(c->h2.session, NGHTTP2_FLAG_NONE, alive);
        c->ping_sent = now;
        tn_h2_wake(&c->h2);
    }
}

/* So that connections made together do not end together. */
static int64_t age_of(const tn_grpc_conn *c, int64_t most)
{
    return most / 10 * 9 + most / 5 * (c->born % 1024) / 1024;
}

/* The socket takes nothing of what is left, or the peer's windows let nothing out. */
static bool is_stalled(tn_grpc_conn *c, int64_t now)
{
    if (!c->queued || c->given != c->given_before || !c->moved_at) c->moved_at = now;
    c->given_before = c->given;
    const tn_grpc_server *s = c->worker->server;
    bool scarce = atomic_load(&s->memory) + atomic_load(&s->waiting) > s->o.max_memory / 2;
    int64_t patience = scarce ? SCARCE_STALL_US : STALL_US;
    return now - c->moved_at > patience || (c->h2.sent_at && now - c->h2.sent_at > patience);
}

void tn_grpc_conn_sweep(tn_grpc_conn *c, int64_t now)
{
    const tn_grpc_server_options *o = &c->worker->server->o;
    int64_t age = o->max_connection_age_ms * 1000, idle = o->max_connection_idle_ms * 1000;
    if (!c->greeted && now - c->born > GREETING_US) tn_h2_break(&c->h2, "no HTTP/2 in time");
    if (is_stalled(c, now)) tn_h2_break(&c->h2, "the peer does not read");
    if (c->h2.broken) return;
    keep_alive(c, now);
    if (c->phase == TN_GRPC_OPEN) {
        c->aged = age && now - c->born > age_of(c, age);
        if (c->aged || (idle && !c->n_streams && now - c->idle_since > idle)) tn_grpc_conn_warn(c);
    } else if (c->phase == TN_GRPC_WARNED && now - c->warned_at > WARNING_US) {
        leave(c);
    } else if (c->phase == TN_GRPC_LEAVING && c->aged && o->max_connection_age_grace_ms &&
               now - c->left_at > o->max_connection_age_grace_ms * 1000) {
        tn_h2_break(&c->h2, "its age");
    }
}
