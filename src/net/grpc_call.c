/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_call.c - a call at the server: its headers, its messages, the handler, and its end.
 *
 * The handler runs in the worker's thread while frames are read, so that an answer it gives at once leaves with the
 * same write as everything else the read led to.
 *
 * Invariants: a call's record with its arena and buffers is used again; what is kept of it is small.
 */
#include "grpc_server.h"

#define FREE_CALLS 128
#define ARENA_KEPT ((size_t)64 << 10)
#define UNCHARGED ((size_t)128 << 10) /* of a call's buffers */
#define MORE_LIMIT ((size_t)1 << 20) /* bytes of further messages while the handler has the call */

/* ---- beginning and end ---- */

static void expire(tn_timer *t);

static tn_grpc_call *take_record(tn_grpc_worker *w)
{
    tn_grpc_call *c = w->free;
    if (c) {
        w->free = c->next;
        w->n_free--;
        return c;
    }
    c = tn_calloc(1, sizeof *c);
    if (c) c->arena = tn_arena_new(0);
    if (c && c->arena) return c;
    tn_free(c);
    return NULL;
}

tn_grpc_call *tn_grpc_call_new(tn_grpc_conn *conn, int32_t stream)
{
    tn_grpc_worker *w = conn->worker;
    tn_grpc_call *c = take_record(w);
    if (!c) return NULL;
    tn_arena *arena = c->arena;
    tn_grpc_reader reader = c->reader;
    tn_buf status = c->status;
    *c = (tn_grpc_call){.arena = arena, .reader = reader, .status = status};
    c->worker = w;
    c->conn = conn;
    c->stream = stream;
    c->timer.fire = expire;
    c->reader.limit = w->server->o.max_message;
    c->out_end = &c->out;
    c->next = conn->calls;
    c->before = &conn->calls;
    if (c->next) c->next->before = &c->next;
    conn->calls = c;
    conn->refs++;
    conn->n_streams++;
    atomic_fetch_add_explicit(&w->n_calls, 1, memory_order_relaxed);
    return c;
}

static void free_record(tn_grpc_call *c)
{
    tn_arena_free(c->arena);
    tn_grpc_reader_free(&c->reader);
    tn_buf_free(&c->status);
    tn_free(c);
}

static void keep_record(tn_grpc_call *c)
{
    tn_grpc_worker *w = c->worker;
    tn_grpc_outs_free(c);
    tn_buf_free(&c->more);
    if (c->charged) atomic_fetch_sub(&w->server->memory, c->charged);
    tn_grpc_reader_reset(&c->reader);
    tn_buf_clear(&c->status);
    if (w->n_free >= FREE_CALLS || tn_arena_used(c->arena) > ARENA_KEPT) {
        free_record(c);
        return;
    }
    tn_arena_reset(c->arena);
    c->next = w->free;
    w->free = c;
    w->n_free++;
}

/* The bytes of an answer may be on their way into the socket: records go when they are there. */
void tn_grpc_call_release(tn_grpc_call *c)
{
    tn_grpc_worker *w = c->worker;
    if (c->stream || c->held) return;
    tn_timer_clear(w->loop, &c->timer);
    if (w->current == c) w->current = NULL;
    c->next = w->done;
    w->done = c;
    if (!w->room.flushing) tn_grpc_calls_done(w);
}

void tn_grpc_calls_done(tn_grpc_worker *w)
{
    while (w->done) {
        tn_grpc_call *c = w->done;
        tn_grpc_conn *conn = c->conn;
        w->done = c->next;
        keep_record(c);
        tn_grpc_conn_unref(conn);
        atomic_fetch_sub_explicit(&w->n_calls, 1, memory_order_relaxed);
        tn_grpc_worker_changed(w);
    }
}

void tn_grpc_calls_free(tn_grpc_worker *w)
{
    while (w->free) {
        tn_grpc_call *c = w->free;
        w->free = c->next;
        free_record(c);
    }
}

/* ---- headers ---- */

static bool keep_header(tn_grpc_call *c, tn_view name, tn_view value)
{
    tn_grpc_header *h = TN_NEW(c->arena, tn_grpc_header);
    char *n = tn_arena_strndup(c->arena, name.p, name.n), *v = NULL;
    if (!h || !n) return false;
    size_t size = value.n;
    if (tn_grpc_is_bin(name)) {
        tn_buf plain = {0};
        if (tn_grpc_bin_decode(value, &plain)) v = tn_arena_strndup(c->arena, plain.n ? plain.data : "", plain.n);
        size = plain.n;
        tn_buf_free(&plain);
        if (!v) return true; /* what is no base64 is not there */
    } else {
        v = tn_arena_strndup(c->arena, value.p, value.n);
    }
    *h = (tn_grpc_header){c->headers, {n, name.n}, {v, size}};
    if (v) c->headers = h;
    return v != NULL;
}

static bool take_path(tn_grpc_call *c, tn_view v)
{
    c->path = tn_arena_strndup(c->arena, v.p, v.n);
    return c->path != NULL;
}

static bool take_method(tn_grpc_call *c, tn_view v)
{
    c->is_post = tn_view_is(v, "POST");
    return true;
}

static bool take_type(tn_grpc_call *c, tn_view v)
{
    const size_t n = sizeof "application/grpc" - 1;
    c->is_grpc = tn_view_starts(v, "application/grpc") && (v.n == n || v.p[n] == '+' || v.p[n] == ';');
    return true;
}

static bool take_timeout(tn_grpc_call *c, tn_view v)
{
    int64_t us;
    if (tn_grpc_timeout_parse(v, &us)) c->deadline = c->conn->heard + us;
    return true;
}

static bool take_coding(tn_grpc_call *c, tn_view v)
{
    c->reader.coding = tn_grpc_coding_of(v);
    return true;
}

/* Answers are compressed when the server is told to, or as the request was. */
static bool take_accepted(tn_grpc_call *c, tn_view v)
{
    for (int i = TN_GRPC_DEFLATE; i <= TN_GRPC_GZIP; i++)
        if (tn_grpc_coding_in(v, (tn_grpc_coding)i)) c->accepts |= 1u << i;
    return true;
}

static bool take_nothing(tn_grpc_call *c, tn_view v)
{
    (void)c, (void)v;
    return true;
}

#define KNOWN(name) {(name), sizeof(name) - 1}
static const struct {
    tn_view name;
    bool (*take)(tn_grpc_call *c, tn_view v);
} known[] = {
    {KNOWN(":path"), take_path},           {KNOWN(":method"), take_method},
    {KNOWN("content-type"), take_type},    {KNOWN("grpc-timeout"), take_timeout},
    {KNOWN("grpc-encoding"), take_coding}, {KNOWN("grpc-accept-encoding"), take_accepted},
    {KNOWN(":scheme"), take_nothing},      {KNOWN("te"), take_nothing},
};
#undef KNOWN

static void refuse(tn_grpc_call *c, tn_code code, const char *why)
{
    c->refused = code;
    c->refusal = why;
}

bool tn_grpc_call_header(tn_grpc_call *c, tn_view name, tn_view value)
{
    size_t limit = c->worker->server->o.max_metadata;
    c->headers_size += name.n + value.n + 32; /* as HTTP/2 counts */
    if (c->headers_size > limit) {
        refuse(c, TN_RESOURCE_EXHAUSTED, "received metadata size exceeds limit");
        return c->headers_size <= 4 * limit;
    }
    size_t i = 0;
    while (i < TN_COUNT(known) && (name.n != known[i].name.n || memcmp(name.p, known[i].name.p, name.n) != 0)) i++;
    bool ok = i < TN_COUNT(known) ? known[i].take(c, value) : keep_header(c, name, value);
    if (!ok) refuse(c, TN_RESOURCE_EXHAUSTED, "the server has no memory for the call's metadata");
    return true;
}

static void check_headers(tn_grpc_call *c)
{
    if (!c->is_post) {
        refuse(c, TN_INTERNAL, "a gRPC call is a POST");
        c->http_status = 405;
    } else if (!c->is_grpc) {
        refuse(c, TN_INTERNAL, "content-type is not application/grpc");
        c->http_status = 415;
    } else if (c->reader.coding == TN_GRPC_UNKNOWN) {
        refuse(c, TN_UNIMPLEMENTED, "grpc-encoding is neither identity, deflate nor gzip");
    } else if (c->deadline && !tn_timer_set(c->worker->loop, &c->timer, c->deadline)) {
        refuse(c, TN_RESOURCE_EXHAUSTED, "the server has no memory for the call's deadline");
    }
}

void tn_grpc_call_headers_end(tn_grpc_call *c)
{
    if (!c->refused) check_headers(c);
    if (c->refused) tn_grpc_call_refuse(c, c->refused, c->refusal);
}

/* ---- messages ---- */

/* Counts what the reader's buffers hold, unless it is little. */
static tn_code charge(tn_grpc_call *c, tn_error *err)
{
    tn_grpc_server *s = c->worker->server;
    size_t now = c->reader.raw.cap + c->reader.expanded.cap;
    if (now <= UNCHARGED) now = 0;
    if (now == c->charged) return TN_OK;
    size_t sum = atomic_fetch_add(&s->memory, now - c->charged) + now - c->charged;
    bool more = now > c->charged;
    c->charged = now;
    if (!more || sum <= s->o.max_memory) return TN_OK;
    return tn_fail(err, TN_RESOURCE_EXHAUSTED, "the messages being received take more than %zu bytes", s->o.max_memory);
}

static void take_bytes(tn_grpc_call *c, tn_view *bytes)
{
    tn_error err;
    bool done = false;
    tn_code code = tn_grpc_read(&c->reader, bytes, &done, &c->message, &err);
    if (!code) code = charge(c, &err);
    if (code) tn_grpc_call_refuse(c, code, err.message);
    c->whole = !code && done;
}

void tn_grpc_call_data(tn_grpc_call *c, tn_view bytes)
{
    if (c->replied) return;
    if (!c->whole && !c->held) take_bytes(c, &bytes);
    if (!bytes.n || c->replied) return;
    c->more.limit = MORE_LIMIT;
    tn_buf_add(&c->more, bytes.p, bytes.n);
    if (c->more.failed)
        tn_grpc_call_refuse(c, TN_RESOURCE_EXHAUSTED, "too many messages wait for an earlier one to be answered");
}

/* The next message of those that came while the handler had the call; false: none, and no end to tell of. */
static bool next_message(tn_grpc_call *c)
{
    c->whole = false;
    c->message = (tn_view){NULL, 0};
    if (c->more.n && !c->replied) {
        tn_view left = {c->more.data, c->more.n};
        take_bytes(c, &left);
        memmove(c->more.data, left.p, left.n);
        c->more.n = left.n;
    }
    if (c->whole) return true;
    bool cancelled = atomic_load(&c->cancelled) && !c->told_cancel, over = c->ended && !c->more.n && !c->told_end;
    c->told_cancel |= cancelled;
    c->told_end |= cancelled || over;
    return cancelled || over;
}

/* Calls the handler for what is there, and again while the handler keeps the call open and there is more. */
static void serve(tn_grpc_call *c)
{
    tn_grpc_worker *w = c->worker;
    const tn_grpc_server_options *o = &w->server->o;
    c->held = true;
    c->conn->n_held++;
    c->received = c->conn->heard;
    do {
        w->current = c;
        c->keep_open = false;
        o->handle(o->payload, c);
        if (w->current != c) return;
        w->current = NULL;
    } while (c->keep_open && next_message(c));
}

bool tn_grpc_is_last(const tn_grpc_call *c)
{
    return (c->ended && !c->more.n) || atomic_load(&c->cancelled);
}

bool tn_grpc_is_answered(const tn_grpc_call *c)
{
    return atomic_load(&c->answered);
}

/* Whether the handler waits for the peer: it has returned with the call open. */
static bool is_idle(const tn_grpc_call *c)
{
    return c->held && c->keep_open && c->worker->current != c && !atomic_load(&c->answered);
}

static void serve_again(tn_grpc_call *c)
{
    c->conn->n_held--;
    serve(c);
}

void tn_grpc_call_frame_end(tn_grpc_call *c, bool last)
{
    c->ended |= last;
    if (is_idle(c)) {
        if (next_message(c)) serve_again(c);
        return;
    }
    if (c->replied || c->held) return;
    if (!c->whole && !last) return;
    if (!c->whole) {
        if (tn_grpc_read_began(&c->reader)) {
            tn_grpc_call_refuse(c, TN_INTERNAL, "the stream ended within a message");
            return;
        }
        c->message = (tn_view){NULL, 0};
    }
    c->told_end = last && !c->more.n;
    serve(c);
}

/* ---- ends that are not the handler's ---- */

static void tell_end(tn_grpc_call *c)
{
    atomic_store(&c->cancelled, 1);
    if (is_idle(c) && next_message(c)) serve_again(c);
}

static void expire(tn_timer *t)
{
    tn_grpc_call *c = (tn_grpc_call *)((char *)t - offsetof(tn_grpc_call, timer));
    tn_grpc_call_refuse(c, TN_DEADLINE_EXCEEDED, "Deadline Exceeded");
    tell_end(c);
}

void tn_grpc_call_closed(tn_grpc_call *c)
{
    c->stream = 0;
    *c->before = c->next;
    if (c->next) c->next->before = c->before;
    if (--c->conn->n_streams == 0) c->conn->idle_since = c->conn->heard;
    if (c->held)
        tell_end(c); /* its answer releases it */
    else
        tn_grpc_call_release(c);
}

/* ---- what the handler asks ---- */

const char *tn_grpc_path(const tn_grpc_call *c)
{
    return c->path;
}

tn_view tn_grpc_message(const tn_grpc_call *c)
{
    return c->message;
}

tn_view tn_grpc_metadata(const tn_grpc_call *c, const char *name)
{
    for (const tn_grpc_header *h = c->headers; h; h = h->next)
        if (tn_view_is(h->name, name)) return h->value;
    return (tn_view){NULL, 0};
}

const char *tn_grpc_peer(const tn_grpc_call *c)
{
    return c->conn->peer;
}

tn_arena *tn_grpc_arena(tn_grpc_call *c)
{
    return c->arena;
}

int64_t tn_grpc_deadline(const tn_grpc_call *c)
{
    return c->deadline;
}

const atomic_int *tn_grpc_cancelled(const tn_grpc_call *c)
{
    return &c->cancelled;
}

int64_t tn_grpc_received(const tn_grpc_call *c)
{
    return c->received;
}

void tn_grpc_keep_open(tn_grpc_call *c)
{
    c->keep_open = true;
}
