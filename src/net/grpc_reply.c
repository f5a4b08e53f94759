/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_reply.c - what a call at the server sends: messages, the status, HTTP/2's frames for them.
 *
 * What costs time (compression, encoding) is done in the thread that answers; the rest in the worker's, at once when
 * that is the same.
 *
 * Invariants: of a call that the handler has answered nothing but its record is used any more. A call whose stream is
 * answered already (deadline, refusal) or closed only ends.
 */
#include "grpc_server.h"

#define QUEUE_LIMIT ((size_t)16 << 20) /* bytes of messages that one stream may have waiting */

#define NV(name, value)                                                                                             \
    (nghttp2_nv){(uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, sizeof(value) - 1,  \
                 NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE}

static nghttp2_nv nv(const char *name, tn_view value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.p, strlen(name), value.n,
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static nghttp2_session *session_of(const tn_grpc_call *c)
{
    return c->conn->h2.session;
}

/* ---- messages ---- */

static void free_out(tn_grpc_out *o)
{
    tn_buf_free(&o->body);
    if (o != &o->call->only) tn_free(o);
}

static size_t size_of(const tn_grpc_out *o)
{
    return TN_GRPC_PREFIX + o->body.n;
}

/* Waits no longer. */
static void uncount(tn_grpc_call *c, size_t n)
{
    c->conn->queued -= n;
    atomic_fetch_sub_explicit(&c->worker->server->waiting, n, memory_order_relaxed);
}

void tn_grpc_outs_free(tn_grpc_call *c)
{
    while (c->out) {
        tn_grpc_out *o = c->out;
        c->out = o->next;
        uncount(c, size_of(o));
        free_out(o);
    }
    c->out_end = &c->out;
    if (c->has_only) free_out(&c->only);
    tn_buf_free(&c->own_status);
}

static void append(tn_grpc_call *c, tn_grpc_out *o)
{
    *c->out_end = o;
    c->out_end = &o->next;
    c->conn->queued += size_of(o);
    atomic_fetch_add_explicit(&c->worker->server->waiting, size_of(o), memory_order_relaxed);
}

/* How messages to this peer are compressed: as the server is told to, or as the request was. */
static tn_grpc_coding coding_for(const tn_grpc_call *c)
{
    tn_grpc_coding wanted = (tn_grpc_coding)c->worker->server->o.compression;
    if (wanted == TN_GRPC_IDENTITY) wanted = c->reader.coding;
    return c->accepts >> wanted & 1 ? wanted : TN_GRPC_IDENTITY;
}

static void fill_out(tn_grpc_call *c, tn_grpc_out *o, tn_buf *body)
{
    *o = (tn_grpc_out){.call = c, .body = *body};
    *body = (tn_buf){.limit = body->limit};
    bool compressed = tn_grpc_compress(&o->body, coding_for(c));
    tn_grpc_prefix(o->prefix, compressed, o->body.n);
    atomic_fetch_add(&c->queued, size_of(o));
}

/* ---- frames ---- */

static size_t count_trailers(const tn_grpc_call *c)
{
    size_t n = 0;
    if (c->is_own) return 0; /* the handler may be adding some */
    for (const tn_grpc_header *h = c->trailers; h; h = h->next) n++;
    return n;
}

/* grpc-status and what follows it; at most the trailers' number and two. */
static size_t put_status(tn_grpc_call *c, nghttp2_nv *v)
{
    size_t n = 0;
    const tn_buf *text = c->is_own ? &c->own_status : &c->status;
    unsigned code = (unsigned)(c->is_own ? c->own_code : c->code) % 100u;
    bool two = code >= 10;
    c->code_text[0] = (char)('0' + (two ? code / 10 : code));
    c->code_text[1] = (char)('0' + code % 10);
    v[n++] = nv("grpc-status", (tn_view){c->code_text, two ? 2 : 1});
    if (text->n) {
        v[n] = nv("grpc-message", (tn_view){text->data, text->n});
        v[n++].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    if (!c->is_own)
        for (const tn_grpc_header *h = c->trailers; h; h = h->next) v[n++] = nv(h->name.p, h->value);
    return n;
}

static int submit_trailers(tn_grpc_call *c)
{
    nghttp2_nv few[8], *v = few;
    size_t n = count_trailers(c) + 2;
    if (n > TN_COUNT(few)) v = TN_ARRAY(c->arena, n, nghttp2_nv);
    return v ? nghttp2_submit_trailer(session_of(c), c->stream, v, put_status(c, v)) : NGHTTP2_ERR_NOMEM;
}

/* How much of the first message the next frame has, and whether it is the last of all. */
static ssize_t next_data(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *payload)
{
    tn_grpc_call *c = source->ptr;
    (void)session, (void)stream, (void)buf, (void)payload;
    tn_grpc_out *o = c->out;
    size_t left = o ? size_of(o) - o->at : 0, n = TN_MIN(left, length);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (c->replied && (!o || (n == left && !o->next))) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(c)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    } else if (!o) {
        c->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

/* A message that is wholly given away may be on its way into the socket by reference: it is freed after that. */
static void advance(tn_grpc_call *c)
{
    tn_grpc_out *o = c->out;
    if (!o || o->at < size_of(o)) return;
    c->out = o->next;
    if (!c->out) c->out_end = &c->out;
    uncount(c, size_of(o));
    atomic_fetch_sub(&c->queued, size_of(o));
    o->next = c->conn->spent;
    c->conn->spent = o;
}

int tn_grpc_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                      nghttp2_data_source *source, void *payload)
{
    tn_grpc_call *c = source->ptr;
    tn_h2 *h = payload;
    (void)session, (void)frame;
    if (!tn_h2_has_room(h, n)) return NGHTTP2_ERR_WOULDBLOCK;
    bool ok = tn_h2_copy(h, head, 9) && (!n || tn_h2_message(h, c->out->prefix, c->out->body.data, &c->out->at, n));
    c->conn->given += n;
    advance(c);
    return ok ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

void tn_grpc_spent_free(tn_grpc_conn *conn)
{
    while (conn->spent) {
        tn_grpc_out *o = conn->spent;
        conn->spent = o->next;
        free_out(o);
    }
}

/* The answer's headers, with the status when nothing else comes. */
static int submit_headers(tn_grpc_call *c, bool alone)
{
    static const char *const status[] = {"200", "405", "415"};
    nghttp2_nv few[12], *v = few;
    size_t n = 0, most = count_trailers(c) + 6;
    if (most > TN_COUNT(few)) v = TN_ARRAY(c->arena, most, nghttp2_nv);
    if (!v) return NGHTTP2_ERR_NOMEM;
    v[n++] = nv(":status", tn_view_of(status[c->http_status == 405 ? 1 : c->http_status == 415 ? 2 : 0]));
    v[n++] = NV("content-type", "application/grpc");
    if (!alone && coding_for(c)) v[n++] = nv("grpc-encoding", tn_view_of(tn_grpc_coding_names[coding_for(c)]));
    v[n++] = NV("grpc-accept-encoding", "identity, deflate, gzip");
    if (alone) n += put_status(c, v + n);
    nghttp2_data_provider p = {.source.ptr = c, .read_callback = next_data};
    c->began = true;
    return nghttp2_submit_response(session_of(c), c->stream, v, n, alone ? NULL : &p);
}

/* Tells the session of what has become ready to be sent. */
static void submit(tn_grpc_call *c)
{
    int code = 0;
    if (!c->began)
        code = submit_headers(c, c->replied && !c->out);
    else if (c->waiting)
        code = nghttp2_session_resume_data(session_of(c), c->stream);
    c->waiting = false;
    if (code)
        nghttp2_submit_rst_stream(session_of(c), NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_INTERNAL_ERROR);
    tn_h2_wake(&c->conn->h2);
}

/* ---- the status ---- */

static void set_status(tn_grpc_call *c, tn_code code, const char *message)
{
    c->code = code;
    tn_buf_clear(&c->status);
    if (message) tn_grpc_message_encode(message, &c->status);
    if (c->status.failed) tn_buf_clear(&c->status);
}

/* An answer that is not the handler's. What it is about to answer is dropped. */
void tn_grpc_call_refuse(tn_grpc_call *c, tn_code code, const char *message)
{
    if (!c->stream || c->replied) return;
    tn_timer_clear(c->worker->loop, &c->timer);
    tn_grpc_message_encode(message, &c->own_status);
    c->own_code = code;
    c->replied = c->is_own = true;
    submit(c);
}

/* The answer's message, unless too much waits for this peer already. */
static void append_only(tn_grpc_call *c)
{
    char why[96];
    if (tn_grpc_conn_takes(c->conn, size_of(&c->only))) {
        append(c, &c->only);
        return;
    }
    snprintf(why, sizeof why, "the peer does not read: %zu bytes wait for it", c->conn->queued);
    free_out(&c->only);
    c->has_only = false;
    set_status(c, TN_RESOURCE_EXHAUSTED, why);
}

static void finish(tn_grpc_call *c)
{
    c->held = false;
    c->conn->n_held--;
    if (c->worker->current == c) c->worker->current = NULL;
    tn_timer_clear(c->worker->loop, &c->timer);
    if (!c->stream) {
        tn_grpc_call_release(c);
    } else if (!c->replied) {
        c->replied = true;
        if (c->has_only) append_only(c);
        submit(c);
    }
}

static void finish_posted(tn_job *j)
{
    finish((tn_grpc_call *)j);
}

void tn_grpc_reply(tn_grpc_call *c, tn_code code, const char *message, tn_buf *body)
{
    if (code == TN_OK && body && body->failed) {
        code = TN_RESOURCE_EXHAUSTED;
        message = "the server has no memory for the answer";
    }
    set_status(c, code, code ? message : NULL);
    if (code == TN_OK && body) {
        fill_out(c, &c->only, body);
        c->has_only = true;
    }
    atomic_store(&c->answered, 1);
    if (tn_loop_here(c->worker->loop) && !atomic_load(&c->posted)) {
        finish(c);
        return;
    }
    c->job.run = finish_posted;
    tn_loop_post(c->worker->loop, &c->job);
}

/* ---- streaming ---- */

static void give(tn_grpc_out *o)
{
    tn_grpc_call *c = o->call;
    if (!c->stream || c->replied) {
        free_out(o);
        return;
    }
    append(c, o);
    submit(c);
}

static void give_posted(tn_job *j)
{
    tn_grpc_out *o = (tn_grpc_out *)j;
    atomic_fetch_sub(&o->call->posted, 1);
    give(o);
}

tn_code tn_grpc_send(tn_grpc_call *c, tn_buf *body, tn_error *err)
{
    if (atomic_load(&c->cancelled)) return tn_fail(err, TN_CANCELLED, "the call is cancelled");
    TN_TRY(tn_buf_check(body, err));
    if (atomic_load(&c->queued) + body->n > QUEUE_LIMIT)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the peer does not read: %zu bytes wait", atomic_load(&c->queued));
    tn_grpc_out *o = tn_malloc(sizeof *o);
    if (!o) return tn_no_memory(err, sizeof *o);
    fill_out(c, o, body);
    if (tn_loop_here(c->worker->loop) && !atomic_load(&c->posted)) {
        give(o);
        return TN_OK;
    }
    o->job.run = give_posted;
    atomic_fetch_add(&c->posted, 1);
    tn_loop_post(c->worker->loop, &o->job);
    return TN_OK;
}

/* ---- trailers ---- */

void tn_grpc_trailer(tn_grpc_call *c, const char *name, tn_view value)
{
    tn_buf text = {0};
    tn_grpc_header *h = TN_NEW(c->arena, tn_grpc_header);
    if (tn_grpc_is_bin(tn_view_of(name)))
        tn_grpc_bin_encode(value, &text);
    else
        tn_buf_add(&text, value.p, value.n);
    char *n = tn_arena_strdup(c->arena, name), *v = tn_arena_strndup(c->arena, text.n ? text.data : "", text.n);
    if (h && n && v && !text.failed) {
        *h = (tn_grpc_header){c->trailers, tn_view_of(n), {v, text.n}};
        c->trailers = h;
    }
    tn_buf_free(&text);
}
