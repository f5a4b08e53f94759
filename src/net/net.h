/* SPDX-License-Identifier: Apache-2.0
 *
 * net.h - moves bytes: a gRPC server and client on HTTP/2 (nghttp2), an HTTP/1.1 server (libmicrohttpd) and client
 * (libcurl), TLS (OpenSSL).
 *
 * Knows nothing of tensors, models or TensorFlow: a message is bytes, a method is a path. What a method does is
 * serve/'s.
 *
 * Invariants: what peers send is hostile: every count and size has a limit, which closes the stream or the connection
 * with the protocol's own error and never the process. A call is answered exactly once, from any thread; what belongs
 * to it (message, metadata, arena) stays until then, even when the peer has gone. Nothing is global: a process may hold
 * several servers and clients.
 */
#ifndef TN_NET_H
#define TN_NET_H

#include "../base/base.h"

#include <stdatomic.h>

/* ==== TLS (tls.c) ==== PEM text, as in TensorFlow Serving's SSLConfig */

typedef struct tn_tls tn_tls; /* an SSL_CTX, counted: a server's connections keep it */
typedef struct tn_tls_options {
    tn_view key, cert; /* a server needs both; a client may have none */
    tn_view ca;        /* whom to trust; a client's without it: the system's */
    bool verify_peer;  /* a server: clients must show a certificate signed by ca */
    bool client;
} tn_tls_options;
/* INVALID_ARGUMENT names the part that is no PEM, a key that does not fit its certificate, an expired certificate. */
tn_code tn_tls_new(const tn_tls_options *o, tn_tls **out, tn_error *err);
tn_tls *tn_tls_keep(tn_tls *t);
void tn_tls_free(tn_tls *t);

/* ==== gRPC server (grpc_server.c, http2.c, event_loop.c) ==== */

typedef struct tn_grpc_server tn_grpc_server;
typedef struct tn_grpc_call tn_grpc_call;

typedef struct tn_grpc_server_options { /* zeros: the defaults */
    const char *const *listen; /* "0.0.0.0:8500", "[::]:8500", "unix:/path"; port 0: any free one */
    int n_listen;
    int threads;               /* that move bytes and run short calls; 0: one a core, at most 4 */
    tn_tls *tls;               /* NULL: plain; borrowed during the call to start */
    size_t max_message;        /* received: 2^31 - 1; larger is RESOURCE_EXHAUSTED as gRPC says it */
    size_t max_metadata;       /* of one call: 64 KiB */
    size_t max_memory;         /* of all messages being received, and of all answers waiting: half of the machine's */
    int max_connections;       /* 0: by the descriptors this process may have, less a reserve */
    int max_streams;           /* at once on one connection: 1000 */
    int64_t keepalive_time_ms, keepalive_timeout_ms; /* 2 hours, 20 s, as gRPC */
    int64_t min_ping_interval_ms; /* more often without data: GOAWAY "too_many_pings"; 5 minutes, as gRPC */
    int64_t max_connection_idle_ms, max_connection_age_ms, max_connection_age_grace_ms; /* 0: none */
    int compression;           /* of answers, when the peer accepts it: 0 as the request was, 1 deflate, 2 gzip */
    /* In a thread of the server, which waits meanwhile: answers at once what is short, and hands the rest on. */
    void (*handle)(void *payload, tn_grpc_call *call);
    void *payload;
    const tn_log *log;
} tn_grpc_server_options;

tn_code tn_grpc_server_start(const tn_grpc_server_options *o, tn_grpc_server **out, tn_error *err);
int tn_grpc_server_port(const tn_grpc_server *s, int i); /* of the i-th address; 0: a UNIX socket */
/* No new connections or calls (GOAWAY); calls in progress go on. Returns when the last is answered and sent, or after
 * `seconds`; then calls left are cancelled. true: all were answered. */
bool tn_grpc_server_drain(tn_grpc_server *s, double seconds);
/* Closes what is open. Calls still with a handler are waited for. */
void tn_grpc_server_free(tn_grpc_server *s);

typedef struct tn_grpc_counts {
    int64_t connections, calls, bytes_in, bytes_out; /* connections and calls: now; bytes: ever */
} tn_grpc_counts;
tn_grpc_counts tn_grpc_server_counts(tn_grpc_server *s);

/* A unary call: the whole message has come (decompressed). */
const char *tn_grpc_path(const tn_grpc_call *c); /* "/tensorflow.serving.PredictionService/Predict" */
tn_view tn_grpc_message(const tn_grpc_call *c);
tn_view tn_grpc_metadata(const tn_grpc_call *c, const char *name); /* lower case; {NULL, 0}: absent */
const char *tn_grpc_peer(const tn_grpc_call *c);    /* "ipv4:127.0.0.1:51234", "unix:" */
tn_arena *tn_grpc_arena(tn_grpc_call *c);           /* gone with the call; one thread at a time */
int64_t tn_grpc_deadline(const tn_grpc_call *c);    /* on the clock of tn_now_us; 0: none */
/* Not 0 as soon as the peer has cancelled or gone, or the deadline is over. */
const atomic_int *tn_grpc_cancelled(const tn_grpc_call *c);
int64_t tn_grpc_received(const tn_grpc_call *c);    /* when the message was complete, tn_now_us */
/* Answers, from any thread; the call is gone after it. TN_OK takes body's bytes as the message (body is empty then);
 * otherwise message is the status text (cut at 1,024 bytes + "...TRUNCATED"). Compressed when the peer asked so. */
void tn_grpc_reply(tn_grpc_call *c, tn_code code, const char *message, tn_buf *body);
/* Adds a trailer to the answer: for ASCII values only, or names ending in "-bin". */
void tn_grpc_trailer(tn_grpc_call *c, const char *name, tn_view value);
/* For methods that stream (reflection, Health.Watch): the handler is called for each message of the stream, sends any
 * number of messages, and ends the call by tn_grpc_reply with body NULL. tn_grpc_message of a stream whose peer has
 * sent its last message and nothing more is {NULL, 0} with tn_grpc_is_last; so it is, too, when a call that is kept
 * open is cancelled: the handler is called once more (tn_grpc_cancelled says so) and must answer now or soon. */
tn_code tn_grpc_send(tn_grpc_call *c, tn_buf *body, tn_error *err);
bool tn_grpc_is_last(const tn_grpc_call *c);
bool tn_grpc_is_answered(const tn_grpc_call *c); /* by another thread, while the handler has it */
/* Within the handler: it returns without an answer, and is called again. */
void tn_grpc_keep_open(tn_grpc_call *c);

/* ==== gRPC client (grpc_client.c) ==== */

typedef struct tn_grpc_channel tn_grpc_channel; /* one connection, made when needed and again when lost */
typedef struct tn_grpc_channel_options {
    const char *target;   /* "host:port", "unix:/path" */
    tn_tls *tls;          /* NULL: plain */
    const char *host;     /* name that the server's certificate must have; NULL: target's */
    size_t max_message;   /* received; 0: 2^31 - 1 */
    bool gzip;            /* messages sent are compressed */
    const char *bearer;   /* token sent as authorization; NULL: none */
    double connect_seconds; /* 20 */
} tn_grpc_channel_options;
tn_code tn_grpc_channel_new(const tn_grpc_channel_options *o, tn_grpc_channel **out, tn_error *err);
void tn_grpc_channel_free(tn_grpc_channel *c); /* calls in progress end as CANCELLED */
/* Waits for the answer. seconds 0: no deadline. err has the status' message. UNAVAILABLE: no connection. */
tn_code tn_grpc_call_sync(tn_grpc_channel *c, const char *path, tn_view message, double seconds, tn_buf *answer,
                          tn_error *err);
/* Returns at once; done is called once, in the channel's own thread, and must not wait. */
typedef void (*tn_grpc_done)(void *payload, tn_code code, const char *message, tn_view answer);
typedef struct tn_grpc_future tn_grpc_future;
tn_code tn_grpc_call_async(tn_grpc_channel *c, const char *path, tn_view message, double seconds, tn_grpc_done done,
                           void *payload, tn_grpc_future **future, tn_error *err); /* future may be NULL */
void tn_grpc_cancel(tn_grpc_future *f); /* done follows, if it has not been called */
void tn_grpc_future_free(tn_grpc_future *f);

/* ==== HTTP/1.1 server (http_server.c) ==== */

typedef struct tn_http_server tn_http_server;
typedef struct tn_http_request tn_http_request;
typedef struct tn_http_server_options { /* zeros: the defaults */
    const char *listen; /* "0.0.0.0:8501"; port 0: any free one */
    int threads;        /* 4 a core */
    tn_view key, cert, ca; /* PEM; empty: no TLS */
    bool verify_peer;   /* clients must show a certificate signed by ca */
    size_t max_body;    /* expanded too; 2^31 - 1 */
    size_t max_memory;  /* of all bodies being received, and of all answers waiting: half of the machine's */
    int max_connections; /* 0: by the descriptors this process may have, less a reserve */
    double timeout;     /* seconds without bytes; 30 */
    bool gzip;          /* answers are compressed for those who accept that */
    /* In a thread of the server: answers now, or later from any thread. */
    void (*handle)(void *payload, tn_http_request *r);
    void *payload;
    const tn_log *log;
} tn_http_server_options;
tn_code tn_http_server_start(const tn_http_server_options *o, tn_http_server **out, tn_error *err);
int tn_http_server_port(const tn_http_server *s);
bool tn_http_server_drain(tn_http_server *s, double seconds); /* as the gRPC server's */
void tn_http_server_free(tn_http_server *s);

const char *tn_http_method(const tn_http_request *r); /* "GET" */
const char *tn_http_path(const tn_http_request *r);   /* as sent, without the query; not decoded */
const char *tn_http_query(const tn_http_request *r);  /* after "?"; "" */
const char *tn_http_header(const tn_http_request *r, const char *name); /* any case; NULL: absent */
const char *tn_http_peer(const tn_http_request *r);
tn_view tn_http_body(const tn_http_request *r);       /* expanded when it came with Content-Encoding gzip */
tn_arena *tn_http_arena(tn_http_request *r);
int64_t tn_http_received(const tn_http_request *r);
/* Not 0 when the server will not wait for it any longer. Whether a peer has gone cannot be told in HTTP/1.1 from its
 * having sent all that it will. */
const atomic_int *tn_http_cancelled(const tn_http_request *r);
/* What is wrong with the body, which is empty then: no gzip. NULL: nothing. */
const char *tn_http_problem(const tn_http_request *r);
/* A header of the answer; before the reply. */
void tn_http_reply_header(tn_http_request *r, const char *name, const char *value);
/* Answers, from any thread; takes body's bytes (NULL: none); the request is gone after it. */
void tn_http_reply(tn_http_request *r, int status, const char *content_type, tn_buf *body);

/* ==== HTTP client (http_client.c) ==== */

typedef struct tn_http_client tn_http_client; /* keeps its connection; one thread at a time */
typedef struct tn_http_client_options {
    const char *ca_file, *cert_file, *key_file; /* NULL: the system's, none */
    const char *bearer;                         /* token; NULL: none */
    double seconds;                             /* a whole exchange; 0: no limit */
    size_t max_body;                            /* 0: 2^31 - 1 */
} tn_http_client_options;
tn_code tn_http_client_new(const tn_http_client_options *o, tn_http_client **out, tn_error *err);
void tn_http_client_free(tn_http_client *c);
void tn_http_client_limit(tn_http_client *c, double seconds); /* of exchanges from now on; 0: none */
/* method "GET" or "POST"; headers: "Name: value", NULL at the end, or NULL. An HTTP error is no error here: *status
 * says it. UNAVAILABLE: no connection; DEADLINE_EXCEEDED. */
tn_code tn_http_exchange(tn_http_client *c, const char *method, const char *url, const char *const *headers,
                         tn_view body, int *status, tn_buf *answer, tn_error *err);

#endif
