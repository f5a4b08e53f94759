/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_client.c - calls of the gRPC client: request, answer, deadline, cancellation.
 *
 * A call that the server says it has not looked at (REFUSED_STREAM, beyond GOAWAY's last stream) is made again, once.
 */
#include "grpc_client.h"

#define NV(name, value)                                                                                             \
    (nghttp2_nv){(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), strlen(name), strlen(value),          \
                 NGHTTP2_NV_FLAG_NO_COPY_NAME}

/* ---- lists and references ---- */

static void drop(tn_grpc_future *f)
{
    if (atomic_fetch_sub(&f->refs, 1) != 1) return;
    tn_buf_free(&f->body);
    tn_buf_free(&f->text);
    tn_grpc_reader_free(&f->reader);
    tn_free(f->path);
    tn_free(f);
}

static void unlist(tn_grpc_future *f)
{
    *f->before = f->next;
    if (f->next) f->next->before = f->before;
    f->before = NULL;
}

static void list_future(tn_grpc_future **list, tn_grpc_future *f)
{
    while (*list) list = &(*list)->next;
    f->next = NULL;
    f->before = list;
    *list = f;
}

/* ---- the end of a call ---- */

static void give_answer(tn_grpc_future *f)
{
    bool expanded = f->reader.prefix[0];
    tn_buf *from = expanded ? &f->reader.expanded : &f->reader.raw;
    if (!f->take) return;
    tn_buf_free(f->take);
    *f->take = *from;
    *from = (tn_buf){0};
}

static void report(tn_grpc_future *f)
{
    tn_code code = f->code;
    const char *why = f->why ? f->why : f->text.n ? f->text.data : "";
    if (!code && f->status > 0) code = f->status <= TN_UNAUTHENTICATED ? (tn_code)f->status : TN_UNKNOWN;
    if (!code && !f->whole) {
        code = TN_INTERNAL;
        why = "the server answered OK without a message";
    }
    if (!code) give_answer(f);
    f->done(f->payload, code, code ? why : "", code || f->take ? (tn_view){"", 0} : f->answer);
    drop(f);
}

/* The bytes of a request may be on their way into the socket: then its end is told afterwards. */
static void finish(tn_grpc_future *f)
{
    tn_grpc_channel *c = f->channel;
    tn_timer_clear(c->loop, &f->timer);
    unlist(f);
    f->finished = true;
    if (f->link && c->room.flushing)
        list_future(&f->link->ended, f);
    else
        report(f);
}

void tn_grpc_futures_ended(tn_grpc_link *l)
{
    while (l->ended && !l->channel->room.flushing) {
        tn_grpc_future *f = l->ended;
        unlist(f);
        report(f);
    }
}

static void say(tn_grpc_future *f, tn_code code, const char *why)
{
    tn_buf_clear(&f->text);
    tn_buf_str(&f->text, why);
    f->code = code;
    f->why = f->text.failed ? "no memory for the error's text" : f->text.data;
}

/* Ends a call from our side; a stream is reset. */
void tn_grpc_future_fail(tn_grpc_future *f, tn_code code, const char *why)
{
    say(f, code, why);
    if (f->stream && !f->link->h2.broken) {
        nghttp2_session_set_stream_user_data(f->link->h2.session, f->stream, NULL);
        nghttp2_submit_rst_stream(f->link->h2.session, NGHTTP2_FLAG_NONE, f->stream, NGHTTP2_CANCEL);
        tn_h2_wake(&f->link->h2);
    }
    f->stream = 0;
    finish(f);
}

static tn_code code_of_reset(uint32_t code)
{
    switch (code) {
    case NGHTTP2_CANCEL: return TN_CANCELLED;
    case NGHTTP2_REFUSED_STREAM: return TN_UNAVAILABLE;
    case NGHTTP2_ENHANCE_YOUR_CALM: return TN_RESOURCE_EXHAUSTED;
    case NGHTTP2_INADEQUATE_SECURITY: return TN_PERMISSION_DENIED;
    default: return TN_INTERNAL;
    }
}

/* What a stream's end without a status means. */
static void explain(tn_grpc_future *f, uint32_t code)
{
    char text[80];
    if (f->http > 0 && f->http != 200) {
        snprintf(text, sizeof text, "the server answered with HTTP status %d", f->http);
        say(f, tn_grpc_code_of_http(f->http), text);
        return;
    }
    snprintf(text, sizeof text, "the stream was reset: %s", nghttp2_http2_strerror(code));
    say(f, code_of_reset(code), text);
}

void tn_grpc_future_closed(tn_grpc_future *f, uint32_t code)
{
    tn_grpc_channel *c = f->channel;
    f->stream = 0;
    if (f->status < 0 && code == NGHTTP2_REFUSED_STREAM && !f->is_retry && f->http < 0) {
        f->is_retry = true;
        f->at = 0;
        unlist(f);
        f->link = NULL;
        list_future(&c->waiting, f);
        tn_grpc_link_wanted_soon(c);
        return;
    }
    if (f->status < 0) explain(f, code);
    finish(f);
}

/* ---- the answer ---- */

void tn_grpc_future_header(tn_grpc_future *f, tn_view name, tn_view value)
{
    int64_t v;
    if (tn_view_is(name, ":status")) {
        f->http = tn_parse_int(value, &v) ? (int)TN_MIN(v, 999) : 0;
    } else if (tn_view_is(name, "grpc-status")) {
        f->status = tn_parse_int(value, &v) && v >= 0 ? (int)TN_MIN(v, 99) : TN_UNKNOWN;
    } else if (tn_view_is(name, "grpc-message")) {
        tn_buf_clear(&f->text);
        tn_grpc_message_decode(value, &f->text);
    } else if (tn_view_is(name, "grpc-encoding")) {
        f->reader.coding = tn_grpc_coding_of(value);
    }
}

void tn_grpc_future_data(tn_grpc_future *f, tn_view bytes)
{
    tn_error err;
    bool done = false;
    if (f->http != 200 || !bytes.n) return; /* a page about an error */
    tn_code code = f->whole ? tn_fail(&err, TN_INTERNAL, "more than one message came")
                            : tn_grpc_read(&f->reader, &bytes, &done, &f->answer, &err);
    if (!code && done && bytes.n) code = tn_fail(&err, TN_INTERNAL, "more than one message came");
    if (code)
        tn_grpc_future_fail(f, code, err.message);
    else
        f->whole |= done;
}

/* ---- the request ---- the stream of a call that was given up has no user data, and is about to be reset */

static ssize_t next_data(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *payload)
{
    tn_grpc_future *f = source->ptr;
    (void)buf, (void)payload;
    if (!nghttp2_session_get_stream_user_data(session, stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = TN_GRPC_PREFIX + f->message.n - f->at, n = TN_MIN(left, length);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY | (n == left ? NGHTTP2_DATA_FLAG_EOF : 0);
    return (ssize_t)n;
}

int tn_grpc_future_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                        nghttp2_data_source *source, void *payload)
{
    tn_grpc_future *f = source->ptr;
    tn_h2 *h = payload;
    if (!nghttp2_session_get_stream_user_data(session, frame->hd.stream_id))
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!tn_h2_has_room(h, n)) return NGHTTP2_ERR_WOULDBLOCK;
    bool ok = tn_h2_copy(h, head, 9) && tn_h2_message(h, f->prefix, f->message.p, &f->at, n);
    return ok ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

bool tn_grpc_future_submit(tn_grpc_future *f, tn_grpc_link *l)
{
    tn_grpc_channel *c = f->channel;
    char timeout[16];
    size_t n = 0;
    nghttp2_nv v[12];
    v[n++] = NV(":method", "POST");
    v[n++] = NV(":scheme", c->tls ? "https" : "http");
    v[n++] = NV(":path", f->path);
    v[n++] = NV(":authority", c->authority);
    v[n++] = NV("te", "trailers");
    v[n++] = NV("content-type", "application/grpc");
    v[n++] = NV("user-agent", "grpc-c-turnery/" TN_VERSION);
    if (f->compressed) v[n++] = NV("grpc-encoding", "gzip");
    v[n++] = NV("grpc-accept-encoding", "identity, deflate, gzip");
    if (f->deadline) {
        tn_grpc_timeout_text(timeout, f->deadline - tn_now_us());
        v[n++] = NV("grpc-timeout", timeout);
    }
    if (c->bearer) {
        v[n] = NV("authorization", c->bearer);
        v[n++].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    nghttp2_data_provider p = {.source.ptr = f, .read_callback = next_data};
    int32_t stream = l->h2.broken ? -1 : nghttp2_submit_request(l->h2.session, NULL, v, n, &p, f);
    if (stream < 0) return false;
    f->stream = stream;
    f->link = l;
    unlist(f);
    list_future(&l->calls, f);
    tn_h2_wake(&l->h2);
    return true;
}

/* ---- what users ask ---- */

static void expire(tn_timer *t)
{
    tn_grpc_future *f = (tn_grpc_future *)((char *)t - offsetof(tn_grpc_future, timer));
    tn_grpc_future_fail(f, TN_DEADLINE_EXCEEDED, "Deadline Exceeded");
}

static void begin(tn_job *j)
{
    tn_grpc_future *f = (tn_grpc_future *)j;
    tn_grpc_channel *c = f->channel;
    list_future(&c->waiting, f);
    if (atomic_load(&f->cancelling))
        tn_grpc_future_fail(f, TN_CANCELLED, "Cancelled");
    else if (f->deadline && !tn_timer_set(c->loop, &f->timer, f->deadline))
        tn_grpc_future_fail(f, TN_RESOURCE_EXHAUSTED, "no memory for the call's deadline");
    else
        tn_grpc_link_wanted(c);
}

static void stop(tn_job *j)
{
    tn_grpc_future *f = (tn_grpc_future *)((char *)j - offsetof(tn_grpc_future, cancel));
    if (f->before && !f->finished) tn_grpc_future_fail(f, TN_CANCELLED, "Cancelled");
    drop(f);
}

void tn_grpc_cancel(tn_grpc_future *f)
{
    if (atomic_exchange(&f->cancelling, 1)) return;
    atomic_fetch_add(&f->refs, 1);
    f->cancel.run = stop;
    tn_loop_post(f->channel->loop, &f->cancel);
}

void tn_grpc_future_free(tn_grpc_future *f)
{
    if (f) drop(f);
}

static tn_code make(tn_grpc_channel *c, const char *path, tn_view message, bool borrow, double seconds,
                    tn_grpc_future **out, tn_error *err)
{
    tn_grpc_future *f = tn_calloc(1, sizeof *f);
    if (!f) return tn_no_memory(err, sizeof *f);
    *f = (tn_grpc_future){.refs = 1, .channel = c, .http = -1, .status = -1, .job.run = begin, .timer.fire = expire};
    f->path = tn_strdup(path);
    f->reader.limit = c->max_message;
    if (seconds > 0) f->deadline = tn_now_us() + (int64_t)(TN_MIN(seconds, 1e9) * 1e6);
    if (!borrow || c->gzip) tn_buf_add(&f->body, message.p, message.n);
    f->compressed = c->gzip && !f->body.failed && tn_grpc_compress(&f->body, TN_GRPC_GZIP);
    f->message = f->body.n ? (tn_view){f->body.data, f->body.n} : message;
    tn_grpc_prefix(f->prefix, f->compressed, f->message.n);
    tn_code code = message.n > UINT32_MAX ? tn_fail(err, TN_INVALID_ARGUMENT, "a message of %zu bytes", message.n)
                   : f->path              ? tn_buf_check(&f->body, err)
                                          : tn_no_memory(err, 0);
    if (code)
        drop(f);
    else
        *out = f;
    return code;
}

static void send_off(tn_grpc_future *f)
{
    if (tn_loop_here(f->channel->loop)) /* a `done` asks the next */
        tn_loop_later(f->channel->loop, &f->job);
    else
        tn_loop_post(f->channel->loop, &f->job);
}

tn_code tn_grpc_call_async(tn_grpc_channel *c, const char *path, tn_view message, double seconds, tn_grpc_done done,
                           void *payload, tn_grpc_future **future, tn_error *err)
{
    tn_grpc_future *f;
    TN_TRY(make(c, path, message, false, seconds, &f, err));
    f->done = done;
    f->payload = payload;
    if (future) {
        atomic_fetch_add(&f->refs, 1);
        *future = f;
    }
    send_off(f);
    return TN_OK;
}

typedef struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done;
    tn_code code;
    tn_error *err;
} waiter;

static void wake(void *payload, tn_code code, const char *message, tn_view answer)
{
    waiter *w = payload;
    (void)answer;
    pthread_mutex_lock(&w->lock);
    w->code = code ? tn_fail(w->err, code, "%s", message) : TN_OK;
    w->is_done = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

tn_code tn_grpc_call_sync(tn_grpc_channel *c, const char *path, tn_view message, double seconds, tn_buf *answer,
                          tn_error *err)
{
    tn_grpc_future *f;
    waiter w = {.err = err};
    if (tn_loop_here(c->loop))
        return tn_fail(err, TN_FAILED_PRECONDITION, "a call waited for in the channel's own thread");
    TN_TRY(make(c, path, message, true, seconds, &f, err));
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.changed, NULL);
    f->done = wake;
    f->payload = &w;
    f->take = answer;
    send_off(f);
    pthread_mutex_lock(&w.lock);
    while (!w.is_done) pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    pthread_cond_destroy(&w.changed);
    pthread_mutex_destroy(&w.lock);
    return w.code;
}
