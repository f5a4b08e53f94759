/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_client.h - the gRPC client's inside: a channel (a thread), its links (connections), and calls.
 *
 *     grpc_client.c   calls: what users ask, requests, answers
 *     grpc_channel.c  the channel's thread and its links: connecting, HTTP/2's events, the end
 *
 * Invariants: links and calls are touched by the channel's thread only, once a call has been posted. A call is in
 * exactly one list (waiting for a link, or of a link) until it is finished, and is finished once. The channel holds one
 * reference of it until then, the user perhaps another.
 */
#ifndef TN_NET_GRPC_CLIENT_H
#define TN_NET_GRPC_CLIENT_H

#include "grpc_text.h"
#include "http2.h"
#include "socket.h"

typedef struct tn_grpc_link tn_grpc_link;

struct tn_grpc_future { /* a call */
    tn_job job, cancel;
    tn_timer timer;
    atomic_int refs, cancelling;
    tn_grpc_channel *channel;
    tn_grpc_link *link;                   /* NULL: waits for one */
    struct tn_grpc_future *next, **before; /* in the list it is in; NULL: finished */
    int32_t stream;                       /* 0: none */
    char *path;
    /* the request */
    tn_buf body;                          /* its own; or what is borrowed */
    tn_view message;
    unsigned char prefix[TN_GRPC_PREFIX];
    bool compressed, is_retry, finished;
    size_t at;
    int64_t deadline;                     /* 0: none */
    /* the answer */
    tn_grpc_reader reader;
    tn_view answer;
    bool whole;
    int http, status;                     /* -1: none yet */
    tn_buf text;
    tn_code code;                         /* not TN_OK: why it has been given up here */
    const char *why;
    tn_grpc_done done;
    void *payload;
    tn_buf *take;                         /* where the answer's bytes go instead of being copied */
};

struct tn_grpc_link { /* a connection */
    tn_h2 h2;         /* first */
    tn_grpc_channel *channel;
    tn_grpc_link *next, **before;
    tn_grpc_future *calls;
    tn_grpc_future *ended; /* whose bytes may be on their way into the socket */
    bool greeted;          /* the server's SETTINGS came */
};

struct tn_grpc_channel {
    tn_loop *loop;
    tn_h2_room room;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    char *target, *host, authority[300];
    char *bearer;               /* "Bearer ..."; NULL: none */
    tn_tls *tls;
    size_t max_message;
    bool gzip, ending;
    int64_t connect_us;
    tn_grpc_link *links, *link; /* link: takes new calls */
    tn_grpc_future *waiting;
    tn_watch connecting;        /* fd -1: not */
    tn_timer patience;          /* from connecting until the server's SETTINGS */
    int which;                  /* of the target's addresses */
    tn_job end, again;
    bool trying_again;
};

/* grpc_channel.c */
/* A channel without its thread: tn_loop_round is the caller's. */
tn_code tn_grpc_channel_make(const tn_grpc_channel_options *o, tn_grpc_channel **out, tn_error *err);
tn_code tn_grpc_link_open(tn_grpc_channel *c, int fd, tn_error *err); /* fd -1: bytes come by tn_h2_receive */
void tn_grpc_link_wanted(tn_grpc_channel *c); /* begins to connect, or gives waiting calls to the link */
void tn_grpc_link_wanted_soon(tn_grpc_channel *c); /* the same when no callback is running any more */
/* grpc_client.c */
bool tn_grpc_future_submit(tn_grpc_future *f, tn_grpc_link *l); /* false: the link takes none */
void tn_grpc_future_header(tn_grpc_future *f, tn_view name, tn_view value);
void tn_grpc_future_data(tn_grpc_future *f, tn_view bytes);
void tn_grpc_future_closed(tn_grpc_future *f, uint32_t code); /* its stream, or its connection */
void tn_grpc_future_fail(tn_grpc_future *f, tn_code code, const char *why);
void tn_grpc_futures_ended(tn_grpc_link *l);
int tn_grpc_future_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
                        nghttp2_data_source *source, void *payload);

#endif
