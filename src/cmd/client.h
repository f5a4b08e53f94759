/* SPDX-License-Identifier: Apache-2.0
 *
 * client.h - flags that say which server is asked for which model, for the commands that are its clients.
 */
#ifndef TN_CMD_CLIENT_H
#define TN_CMD_CLIENT_H

#include "cmd.h"

typedef struct server_values { /* in the struct of values of every such command, by the name `server` */
    const char *target, *model, *label, *ca, *cert, *key, *host, *token_file;
    int64_t version;
    double deadline;
    bool tls, gzip;
} server_values;

#define SERVER_FLAGS(T)                                                                                               \
    {"server", FLAG_STRING, offsetof(T, server.target), "TARGET",                                                     \
     "a model server: HOST:PORT or unix:PATH (gRPC), http://HOST:PORT or https://HOST:PORT (REST)"},                  \
        {"model", FLAG_STRING, offsetof(T, server.model), "NAME", "the server's model (default)"},                    \
        {"version", FLAG_INT, offsetof(T, server.version), "N", "its version (the newest)"},                          \
        {"label", FLAG_STRING, offsetof(T, server.label), "NAME", "its version by label"},                            \
        {"deadline", FLAG_SECONDS, offsetof(T, server.deadline), "SECONDS", "for each answer of the server (none)"},  \
        {"tls", FLAG_BOOL, offsetof(T, server.tls), NULL, "gRPC within TLS"},                                         \
        {"ca", FLAG_STRING, offsetof(T, server.ca), "FILE", "whom to trust, PEM (the system's authorities)"},         \
        {"cert", FLAG_STRING, offsetof(T, server.cert), "FILE", "a certificate to show, PEM"},                        \
        {"key", FLAG_STRING, offsetof(T, server.key), "FILE", "its key, PEM"},                                        \
        {"host", FLAG_STRING, offsetof(T, server.host), "NAME",                                                       \
         "the name in the server's certificate, where that is not TARGET's (gRPC)"},                                  \
        {"token_file", FLAG_STRING, offsetof(T, server.token_file), "FILE", "a file with a bearer token"},            \
        {"gzip", FLAG_BOOL, offsetof(T, server.gzip), NULL, "compress what is sent (gRPC)"}

/* A client of the server that the flags name. */
tn_code server_open(const server_values *v, tn_stub **out, tn_error *err);
/* The model, version and deadline that they name. */
tn_question server_question(const server_values *v, const char *signature);
enum { SERVER_INPUTS = 256 };
/* What the question's signature wants; the names are *described's, which is there also on failure. */
tn_code server_describe(tn_stub *s, const tn_question *q, tn_described_signature *described, tn_spec in[SERVER_INPUTS],
                        int *n_in, tn_error *err);
bool server_is_rest(const server_values *v);

#endif
