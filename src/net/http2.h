/* SPDX-License-Identifier: Apache-2.0
 *
 * http2.h - an HTTP/2 connection: bytes of a socket (or of a test) to an nghttp2 session and back; the server and the
 * client are built on it.
 *
 * Invariants: one thread, its loop's. The session's callbacks may submit anything and may call tn_h2_break; they never
 * free the connection: `lost` is called when no callback is running any more, once, and may free it. What is referred
 * to (the body of tn_h2_message) stays until `sent` is called. The session's user_data is the tn_h2.
 */
#ifndef TN_NET_HTTP2_H
#define TN_NET_HTTP2_H

#include "event_loop.h"
#include "grpc_text.h"
#include "net.h"

#include <nghttp2/nghttp2.h>

typedef struct tn_h2_piece { /* of what is to be written */
    const char *p; /* NULL: the next n bytes of `out` */
    size_t n;
} tn_h2_piece;

#define TN_H2_PIECES 64

typedef struct tn_h2_room { /* what a loop's connections share: nothing of it is kept from one round to the next */
    char *in, *out;
    size_t n_out, out_cap, n_bytes;
    tn_h2_piece pieces[TN_H2_PIECES];
    int n_pieces;
    bool flushing; /* pieces may refer to what the owner has */
    atomic_int_least64_t bytes_in, bytes_out; /* ever; written by the loop's thread only */
} tn_h2_room;
tn_code tn_h2_room_init(tn_h2_room *r, tn_error *err);
void tn_h2_room_free(tn_h2_room *r);

typedef struct tn_h2 tn_h2;
typedef struct tn_h2_events {
    void (*lost)(tn_h2 *h, const char *why); /* the connection is over; why: "" when both sides had finished */
    void (*heard)(tn_h2 *h);                 /* bytes came */
    void (*sent)(tn_h2 *h);                  /* what was given out by reference is written or copied */
    void (*secured)(tn_h2 *h);               /* TLS is agreed; may be NULL */
} tn_h2_events;

struct tn_h2 {
    tn_watch watch; /* fd -1: no socket; what is written is counted and dropped */
    tn_loop *loop;
    tn_h2_room *room;
    const tn_h2_events *events;
    nghttp2_session *session; /* the owner's, who deletes it */
    struct ssl_st *ssl;       /* NULL: plain */
    tn_job flush;
    uint32_t watched;         /* events asked for */
    bool busy, secure, queued, tls_wants_write;
    bool linger; /* stays open although the session has nothing left to do */
    const char *broken;       /* why */
    char *rest;               /* taken from the session and not by the socket yet */
    size_t rest_at, rest_n, rest_cap;
    int64_t sent_at;          /* when the socket last took something; 0: nothing waits */
};

/* Begins to serve fd (taken over also on failure) in the loop. A session must be there. tls: NULL for plain; host: the
 * name a client demands. */
tn_code tn_h2_open(tn_h2 *h, int fd, tn_tls *tls, const char *host, tn_error *err);
void tn_h2_close(tn_h2 *h); /* the socket and what waits for it; not the session */
/* Bytes of the peer. May end in `lost`. */
void tn_h2_receive(tn_h2 *h, const void *p, size_t n);
/* Something was submitted: it is written after the callback, or at the end of the loop's round. */
void tn_h2_wake(tn_h2 *h);
/* The connection is over: `lost` follows. */
void tn_h2_break(tn_h2 *h, const char *why);
/* For the session's send_data_callback: whether there is room for a frame of n bytes (or it shall be asked again), and
 * its bytes, copied or (many) referred to. false: no memory. */
bool tn_h2_has_room(const tn_h2 *h, size_t n);
bool tn_h2_copy(tn_h2 *h, const void *p, size_t n);
/* n bytes of a gRPC message's prefix and body, which stand at *at together. */
bool tn_h2_message(tn_h2 *h, const unsigned char prefix[TN_GRPC_PREFIX], const char *body, size_t *at, size_t n);
/* A data_source_read_length_callback: frames as large as is good. */
ssize_t tn_h2_frame_length(nghttp2_session *session, uint8_t type, int32_t stream, int32_t window,
                           int32_t stream_window, uint32_t frame, void *payload);
/* Our SETTINGS, with at most 6 more, and the connection's window. What nghttp2 says. */
int tn_h2_greet(tn_h2 *h, const nghttp2_settings_entry *more, size_t n);

#endif
