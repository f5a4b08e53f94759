/* SPDX-License-Identifier: Apache-2.0
 *
 * stub.h - a client of a model server, shared by stub.c (gRPC and what is common) and stub_rest.c.
 */
#ifndef TN_SERVE_STUB_H
#define TN_SERVE_STUB_H

#include "serve.h"

#define TN_SIGNATURES_NAMED 32 /* in an error */

typedef struct tn_known { /* a signature that answers are read by */
    atomic_int refs;
    char *key; /* of what */
    tn_described_signature described;
} tn_known;
void tn_known_drop(tn_known *k);

struct tn_stub {
    tn_grpc_channel *channel; /* NULL: REST */
    tn_http_client_options http;
    pthread_mutex_t lock;     /* of the following two */
    tn_http_client *idle[64];
    int n_idle;
    tn_known *known;          /* the last asked for */
    char *url;                /* "http://HOST:PORT" */
    char *texts[4];           /* of the options, owned */
};

/* What an answer owns. */
typedef struct tn_answer_memory {
    tn_arena *arena;
    tn_tensor **values;
    int n;
} tn_answer_memory;
/* An answer with room for n outputs, in an arena of its own. */
tn_code tn_answer_new(int n, tn_answer *out, tn_error *err);

tn_code tn_rest_predict(tn_stub *c, const tn_question *q, tn_answer *out, tn_error *err);
/* Into out->signature, from the arena; and the version. */
tn_code tn_rest_describe(tn_stub *c, const tn_question *q, const char *name, tn_arena *a,
                         tn_described_signature *out, tn_error *err);
tn_code tn_no_signature(const char *name, tn_error *err); /* the beginning of the error */

#endif
