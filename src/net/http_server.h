/* SPDX-License-Identifier: Apache-2.0
 *
 * http_server.h - what the files of the HTTP server share: the server (http_server.c), a request from its first line
 * to its end (http_request.c), and its answer (http_reply.c).
 */
#ifndef TN_NET_HTTP_SERVER_H
#define TN_NET_HTTP_SERVER_H

#include "http_guests.h"
#include "net.h"
#include "socket.h"

#include <microhttpd.h>

struct tn_http_server {
    struct MHD_Daemon *daemon;
    tn_http_server_options o;
    tn_guests *guests;
    int listen_fd, port;
    bool tls;
    atomic_int draining, cancelled;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    atomic_size_t memory; /* bytes of bodies that come, and of answers that wait */
    int64_t open;      /* requests that have begun and are not over */
    int64_t handled;   /* of those, with a handler */
    pthread_mutex_t trouble_lock; /* of the following two; nothing else is done with it held */
    char trouble[256];            /* what libmicrohttpd said while starting */
    bool started;
};

typedef enum stage { RECEIVING, HANDLING, SUSPENDED, ANSWERED } stage;

typedef struct header {
    const char *name, *value;
    struct header *next;
} header;

struct tn_http_request {
    tn_http_server *server;
    struct MHD_Connection *connection;
    tn_arena *arena;
    const char *path, *query, *method, *problem;
    char peer[TN_PEER_SIZE];
    tn_buf body;
    uint64_t coming; /* bytes received of the body, also those not kept */
    size_t charged;  /* of the server's memory */
    int64_t begun, received;
    bool seen, too_large;
    header *headers;
    struct MHD_Response *response;
    tn_view answer; /* its body: the response owns it */
    const char *content_type;
    int status;
    bool sent; /* past libmicrohttpd */
    atomic_int stage;
};

/* ==== http_request.c ==== what libmicrohttpd calls */

void *tn_http_begin_request(void *server, const char *uri, struct MHD_Connection *connection);
enum MHD_Result tn_http_take_request(void *server, struct MHD_Connection *connection, const char *url,
                                     const char *method, const char *version, const char *data, size_t *n,
                                     void **state);
void tn_http_end_request(void *server, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why);
tn_guest *tn_http_guest_of(struct MHD_Connection *connection);
/* Whether there is room for so many bytes of the request; where there is not, it has none any more. */
bool tn_http_charge(tn_http_request *r, size_t n);

/* ==== http_reply.c ==== */

enum MHD_Result tn_http_queue_answer(tn_http_request *r);
/* An answer of the server's own; the connection ends with it. */
enum MHD_Result tn_http_refuse(tn_http_request *r, int status, const char *text);
/* To a peer that has sent its last, while the request is suspended. */
void tn_http_send_past(tn_http_request *r);

#endif
