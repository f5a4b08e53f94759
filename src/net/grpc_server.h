/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_server.h - the gRPC server's inside: workers (a thread each), their connections, and calls.
 *
 *     grpc_server.c  workers and listeners, the beginning and the end
 *     grpc_conn.c    a connection: HTTP/2's events, its limits, its end
 *     grpc_call.c    a call: request, handler
 *     grpc_reply.c   a call: answer, messages sent
 *
 * Invariants: connections and calls are touched by their worker's thread only, but for a call's answer, which another
 * thread prepares and posts. A call lives while its stream is open or its handler has it (`held`); its connection's
 * record lives while a call does.
 */
#ifndef TN_NET_GRPC_SERVER_H
#define TN_NET_GRPC_SERVER_H

#include "grpc_text.h"
#include "http2.h"
#include "socket.h"

typedef struct tn_grpc_worker tn_grpc_worker;
typedef struct tn_grpc_conn tn_grpc_conn;

typedef struct tn_grpc_header { /* in the call's arena */
    struct tn_grpc_header *next;
    tn_view name, value;
} tn_grpc_header;

typedef struct tn_grpc_out { /* a message to the peer */
    tn_job job;              /* posted by another thread */
    struct tn_grpc_out *next;
    tn_grpc_call *call;
    unsigned char prefix[TN_GRPC_PREFIX];
    tn_buf body;
    size_t at;               /* sent, of prefix and body together */
} tn_grpc_out;

struct tn_grpc_call {
    tn_job job;              /* the answer, posted by another thread */
    tn_timer timer;          /* the deadline */
    tn_grpc_worker *worker;
    tn_grpc_conn *conn;
    tn_grpc_call *next, **before; /* of the connection's with a stream; or in a list of free ones */
    tn_arena *arena;
    int32_t stream;          /* 0: closed */
    /* the request */
    char *path;
    tn_grpc_header *headers; /* the peer's metadata */
    size_t headers_size;
    bool is_post, is_grpc;
    unsigned accepts;        /* how an answer may be compressed: a bit for each coding */
    int64_t deadline, received;
    tn_code refused;         /* the request is not for the handler: why */
    const char *refusal;
    int http_status;
    tn_grpc_reader reader;
    size_t charged;          /* of the server's memory, for the reader */
    tn_buf more;             /* came while the handler had the call */
    tn_view message;
    bool whole, ended;       /* a message is there; the peer sends no more */
    bool told_end, told_cancel; /* what the handler knows */
    /* the handler */
    bool held, keep_open;
    atomic_int cancelled, answered, posted; /* posted: messages on their way from other threads */
    /* the answer */
    bool replied, began, waiting; /* given to the session; its headers are; it will be told when there is more */
    tn_code code, own_code;  /* own: not the handler's (deadline, refusal) */
    tn_buf status, own_status; /* grpc-message, encoded */
    bool is_own, has_only;
    char code_text[2];       /* grpc-status */
    tn_grpc_header *trailers;
    tn_grpc_out *out, **out_end, only; /* only: the answer's message, which needs no memory of its own */
    atomic_size_t queued;    /* bytes of out */
};

typedef enum tn_grpc_phase { TN_GRPC_OPEN, TN_GRPC_WARNED, TN_GRPC_LEAVING } tn_grpc_phase;

struct tn_grpc_conn {
    tn_h2 h2; /* first */
    tn_grpc_worker *worker;
    tn_grpc_conn *next, **before; /* of the worker's */
    tn_grpc_call *calls;          /* with a stream */
    tn_grpc_out *spent;           /* messages given to the socket, perhaps by reference */
    int refs;                     /* 1, and its calls */
    int n_streams, n_held;
    tn_grpc_phase phase;
    bool greeted, aged;           /* the peer's SETTINGS came; it leaves for its age */
    int64_t born, heard, idle_since, warned_at, left_at;
    int64_t ping_sent, ping_heard; /* 0: none on its way */
    int strikes, n_control;       /* pings too many; frames without a use in this second */
    int64_t control_since;
    size_t queued;                /* bytes of answers */
    uint64_t given, given_before; /* to the socket, of messages: now, and when it was last looked at */
    int64_t moved_at;             /* when something had moved, or nothing waited */
    char peer[TN_PEER_SIZE];
};

struct tn_grpc_worker {
    tn_grpc_server *server;
    tn_loop *loop;
    tn_h2_room room;
    tn_timer sweep;
    tn_job drain, cut;
    tn_grpc_conn *conns;
    tn_grpc_call *free, *done, *current; /* done: released when what is being written is written */
    int n_free;
    atomic_int n_conns;
    atomic_int_least64_t n_calls;
};

struct tn_grpc_server {
    tn_grpc_server_options o;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    tn_grpc_worker *workers;
    int n_workers, n_listeners, spare; /* spare: a descriptor to turn peers away with when there are no others */
    struct tn_grpc_listener *listeners;
    int64_t sweep_every;
    atomic_int_least64_t complained;   /* when, for the last time */
    tn_timer rest;                     /* accepting rests until then */
    atomic_size_t memory;              /* of messages being received */
    atomic_size_t waiting;             /* bytes of answers that wait to be read */
    bool started;
    atomic_int ending, cut;            /* whoever waits is told of changes; connections have been told to end */
    pthread_mutex_t lock;
    pthread_cond_t changed;            /* connections and calls have become fewer */
    tn_arena *arena;
};

/* grpc_server.c */
void tn_grpc_worker_changed(tn_grpc_worker *w);
/* grpc_conn.c */
tn_code tn_grpc_conn_setup(tn_grpc_server *s, tn_error *err); /* callbacks, options */
/* A connection of the worker, in its thread; fd -1: bytes come by tn_h2_receive. */
tn_code tn_grpc_conn_open(tn_grpc_worker *w, int fd, const char *peer, tn_grpc_conn **out, tn_error *err);
void tn_grpc_conn_unref(tn_grpc_conn *c); /* a reference */
void tn_grpc_conn_sweep(tn_grpc_conn *c, int64_t now);
void tn_grpc_conn_warn(tn_grpc_conn *c); /* no new calls soon; it closes when the last is done */
/* grpc_call.c */
tn_grpc_call *tn_grpc_call_new(tn_grpc_conn *c, int32_t stream); /* NULL: no memory */
bool tn_grpc_call_header(tn_grpc_call *c, tn_view name, tn_view value); /* false: the stream shall be reset */
void tn_grpc_call_headers_end(tn_grpc_call *c);
void tn_grpc_call_data(tn_grpc_call *c, tn_view bytes);
void tn_grpc_call_frame_end(tn_grpc_call *c, bool last);
void tn_grpc_call_closed(tn_grpc_call *c); /* its stream */
void tn_grpc_call_release(tn_grpc_call *c); /* when it is neither held nor open */
void tn_grpc_calls_done(tn_grpc_worker *w);
void tn_grpc_calls_free(tn_grpc_worker *w);
bool tn_grpc_conn_takes(const tn_grpc_conn *c, size_t n); /* whether so much more of answers may wait for it */
/* grpc_reply.c */
void tn_grpc_call_refuse(tn_grpc_call *c, tn_code code, const char *message);
int tn_grpc_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                      nghttp2_data_source *source, void *payload);
void tn_grpc_outs_free(tn_grpc_call *c);
void tn_grpc_spent_free(tn_grpc_conn *conn);

#endif
