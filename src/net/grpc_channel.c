/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_channel.c - the gRPC client's channel: its thread, its connections, and HTTP/2's events.
 *
 * A connection is made when a call wants one. After the server's GOAWAY it only finishes what it has, and the next call
 * gets another. What fails to connect fails all calls that wait.
 */
#include "grpc_client.h"

#include <errno.h>
#include <unistd.h>

#define CONNECT_SECONDS 20.0
#define HOST_SIZE 256

/* ---- HTTP/2's events ---- */

static tn_grpc_future *call_of(nghttp2_session *session, int32_t stream)
{
    return stream ? nghttp2_session_get_stream_user_data(session, stream) : NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *payload)
{
    (void)flags, (void)payload;
    tn_grpc_future *f = call_of(session, frame->hd.stream_id);
    if (f) tn_grpc_future_header(f, (tn_view){(const char *)name, name_n}, (tn_view){(const char *)value, value_n});
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *p, size_t n, void *payload)
{
    (void)flags, (void)payload;
    tn_grpc_future *f = call_of(session, stream);
    if (f) tn_grpc_future_data(f, (tn_view){(const char *)p, n});
    return 0;
}

static int on_closed(nghttp2_session *session, int32_t stream, uint32_t code, void *payload)
{
    (void)payload;
    tn_grpc_future *f = call_of(session, stream);
    if (f) tn_grpc_future_closed(f, code);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *payload)
{
    tn_grpc_link *l = payload;
    tn_grpc_channel *c = l->channel;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && c->link == l) c->link = NULL;
    if (frame->hd.type == NGHTTP2_SETTINGS && !l->greeted) {
        l->greeted = true;
        tn_timer_clear(c->loop, &c->patience);
    }
    return 0;
}

static void lost(tn_h2 *h, const char *why)
{
    tn_grpc_link *l = (tn_grpc_link *)h;
    tn_grpc_channel *c = l->channel;
    char text[256];
    snprintf(text, sizeof text, "%s: %s", c->target, *why ? why : "the server has closed the connection");
    if (c->link == l) c->link = NULL;
    while (l->calls) tn_grpc_future_fail(l->calls, TN_UNAVAILABLE, text);
    tn_h2_close(h);
    nghttp2_session_del(h->session);
    *l->before = l->next;
    if (l->next) l->next->before = l->before;
    tn_free(l);
    tn_grpc_link_wanted(c);
}

static void heard(tn_h2 *h)
{
    (void)h;
}

static void sent(tn_h2 *h)
{
    tn_grpc_futures_ended((tn_grpc_link *)h);
}

static const tn_h2_events events = {.lost = lost, .heard = heard, .sent = sent};

/* ---- connecting ---- */

static void fail_waiting(tn_grpc_channel *c, tn_code code, const char *why)
{
    tn_timer_clear(c->loop, &c->patience);
    tn_grpc_future *list = c->waiting, *f;
    if (list) list->before = &list;
    c->waiting = NULL; /* what is asked for meanwhile has its own chance */
    while ((f = list)) tn_grpc_future_fail(f, code, why);
}

tn_code tn_grpc_link_open(tn_grpc_channel *c, int fd, tn_error *err)
{
    static const nghttp2_settings_entry no_push = {NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    tn_grpc_link *l = tn_calloc(1, sizeof *l);
    tn_code code = l ? TN_OK : tn_no_memory(err, sizeof *l);
    if (l) l->h2 = (tn_h2){.watch.fd = -1, .loop = c->loop, .room = &c->room, .events = &events};
    bool ok = l && !nghttp2_session_client_new2(&l->h2.session, c->callbacks, l, c->option);
    if (l && (!ok || tn_h2_greet(&l->h2, &no_push, 1))) code = tn_no_memory(err, 0);
    if (code && fd >= 0)
        close(fd);
    else if (!code)
        code = tn_h2_open(&l->h2, fd, c->tls, *c->host ? c->host : NULL, err);
    if (code) {
        if (l) nghttp2_session_del(l->h2.session);
        tn_free(l);
        return code;
    }
    l->channel = c;
    l->before = &c->links;
    l->next = c->links;
    if (l->next) l->next->before = &l->next;
    c->links = c->link = l;
    return TN_OK;
}

static void stop_connecting(tn_grpc_channel *c)
{
    if (c->connecting.fd < 0) return;
    tn_loop_unwatch(c->loop, &c->connecting);
    close(c->connecting.fd);
    c->connecting.fd = -1;
}

/* The next of the target's addresses; `last` says what was wrong with the one before. */
static void connect_next(tn_grpc_channel *c, tn_error *last)
{
    for (;;) {
        tn_error err;
        int fd;
        tn_code code = tn_socket_connect(c->target, c->which++, &fd, &err);
        if (!code) {
            c->connecting.fd = fd;
            code = tn_loop_watch(c->loop, &c->connecting, EPOLLOUT, &err);
            if (!code) return;
            close(fd);
            c->connecting.fd = -1;
        }
        if (code == TN_OUT_OF_RANGE) break;
        *last = err;
        if (code != TN_UNAVAILABLE) break;
    }
    fail_waiting(c, TN_UNAVAILABLE, last->message);
}

static void connected(tn_watch *w, uint32_t unused)
{
    tn_grpc_channel *c = (tn_grpc_channel *)((char *)w - offsetof(tn_grpc_channel, connecting));
    tn_error err;
    int problem = 0, fd = w->fd;
    socklen_t size = sizeof problem;
    (void)unused;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) < 0) problem = errno;
    if (problem) {
        tn_fail(&err, TN_UNAVAILABLE, "connecting to %s: %s", c->target, strerror(problem));
        stop_connecting(c);
        connect_next(c, &err);
        return;
    }
    tn_loop_unwatch(c->loop, w);
    w->fd = -1;
    if (tn_grpc_link_open(c, fd, &err))
        fail_waiting(c, TN_UNAVAILABLE, err.message);
    else
        tn_grpc_link_wanted(c);
}

static void give_up(tn_timer *t)
{
    tn_grpc_channel *c = (tn_grpc_channel *)((char *)t - offsetof(tn_grpc_channel, patience));
    char text[300];
    if (c->connecting.fd < 0) {
        if (c->link && !c->link->greeted) tn_h2_break(&c->link->h2, "no HTTP/2 from the server in time");
        return;
    }
    snprintf(text, sizeof text, "connecting to %s: no answer in time", c->target);
    stop_connecting(c);
    fail_waiting(c, TN_UNAVAILABLE, text);
}

void tn_grpc_link_wanted(tn_grpc_channel *c)
{
    tn_error err = {.message = "no address"};
    while (c->waiting && c->link)
        if (!tn_grpc_future_submit(c->waiting, c->link)) c->link = NULL;
    if (!c->waiting || c->connecting.fd >= 0) return;
    if (c->ending) {
        fail_waiting(c, TN_CANCELLED, "the channel is closed");
        return;
    }
    c->which = 0;
    tn_timer_set(c->loop, &c->patience, tn_now_us() + c->connect_us);
    connect_next(c, &err);
}

static void try_again(tn_job *j)
{
    tn_grpc_channel *c = (tn_grpc_channel *)((char *)j - offsetof(tn_grpc_channel, again));
    c->trying_again = false;
    tn_grpc_link_wanted(c);
}

void tn_grpc_link_wanted_soon(tn_grpc_channel *c)
{
    if (!c->trying_again) tn_loop_later(c->loop, &c->again);
    c->trying_again = true;
}

/* ---- life ---- */

static tn_code set_callbacks(tn_grpc_channel *c, tn_error *err)
{
    if (nghttp2_session_callbacks_new(&c->callbacks) || nghttp2_option_new(&c->option)) return tn_no_memory(err, 0);
    /* gRPC's servers send messages as they are: one that ends with a space is none to HTTP/2, and would be lost. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(c->option, 1);
    nghttp2_session_callbacks_set_on_header_callback(c->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c->callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(c->callbacks, on_closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c->callbacks, on_frame);
    nghttp2_session_callbacks_set_send_data_callback(c->callbacks, tn_grpc_future_send);
    nghttp2_session_callbacks_set_data_source_read_length_callback(c->callbacks, tn_h2_frame_length);
    return TN_OK;
}

static void end_all(tn_job *j)
{
    tn_grpc_channel *c = (tn_grpc_channel *)((char *)j - offsetof(tn_grpc_channel, end));
    c->ending = true;
    stop_connecting(c);
    fail_waiting(c, TN_CANCELLED, "the channel is closed");
    for (tn_grpc_link *l = c->links; l; l = l->next) {
        while (l->calls) tn_grpc_future_fail(l->calls, TN_CANCELLED, "the channel is closed");
        tn_h2_break(&l->h2, "");
    }
}

static bool keep_bearer(tn_grpc_channel *c, const char *token)
{
    tn_buf text = {0};
    if (!token) return true;
    tn_buf_printf(&text, "Bearer %s", token);
    return (c->bearer = tn_buf_take(&text, NULL)) != NULL;
}

static tn_code fill(tn_grpc_channel *c, const tn_grpc_channel_options *o, tn_error *err)
{
    char host[HOST_SIZE];
    TN_TRY(tn_socket_host(o->target, host, sizeof host, err));
    snprintf(c->authority, sizeof c->authority, "%s", *host ? o->target : "localhost");
    c->target = tn_strdup(o->target);
    c->host = tn_strdup(o->host ? o->host : host);
    for (const char *p = o->bearer ? o->bearer : ""; *p; p++)
        if (*p <= ' ' || *p > '~')
            return tn_fail(err, TN_INVALID_ARGUMENT, "the token has bytes that no header may have");
    if (!c->target || !c->host || !keep_bearer(c, o->bearer)) return tn_no_memory(err, 0);
    TN_TRY(set_callbacks(c, err));
    TN_TRY(tn_h2_room_init(&c->room, err));
    return tn_loop_new(&c->loop, err);
}

tn_code tn_grpc_channel_new(const tn_grpc_channel_options *o, tn_grpc_channel **out, tn_error *err)
{
    tn_grpc_channel *c;
    TN_TRY(tn_grpc_channel_make(o, &c, err));
    tn_code code = tn_loop_start(c->loop, "tn-grpc-client", err);
    if (code)
        tn_grpc_channel_free(c);
    else
        *out = c;
    return code;
}

tn_code tn_grpc_channel_make(const tn_grpc_channel_options *o, tn_grpc_channel **out, tn_error *err)
{
    tn_grpc_channel *c = tn_calloc(1, sizeof *c);
    if (!c) return tn_no_memory(err, sizeof *c);
    c->tls = tn_tls_keep(o->tls);
    c->max_message = o->max_message ? o->max_message : INT32_MAX;
    c->gzip = o->gzip;
    c->connect_us = (int64_t)((o->connect_seconds > 0 ? o->connect_seconds : CONNECT_SECONDS) * 1e6);
    c->connecting = (tn_watch){-1, connected};
    c->patience.fire = give_up;
    c->end.run = end_all;
    c->again.run = try_again;
    tn_code code = fill(c, o, err);
    if (code)
        tn_grpc_channel_free(c);
    else
        *out = c;
    return code;
}

void tn_grpc_channel_free(tn_grpc_channel *c)
{
    if (!c) return;
    if (c->loop) {
        tn_loop_post(c->loop, &c->end);
        tn_loop_stop(c->loop);
        tn_loop_round(c->loop); /* when there was no thread */
    }
    tn_loop_free(c->loop);
    tn_h2_room_free(&c->room);
    nghttp2_session_callbacks_del(c->callbacks);
    nghttp2_option_del(c->option);
    tn_tls_free(c->tls);
    tn_free(c->target);
    tn_free(c->host);
    tn_free(c->bearer);
    tn_free(c);
}
