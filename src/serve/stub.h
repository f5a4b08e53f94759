/* SPDX-License-Identifier: Apache-2.0
 *
 * stub.h - a client of a model server, shared by stub.c (gRPC and what is common) and stub_rest.c.
 */
#ifndef TN_SERVE_STUB_H
#define TN_SERVE_STUB_H

#include "serve.h"

struct tn_stub {
    tn_grpc_channel *channel; /* NULL: REST */
    tn_http_client_options http;
    char *url;                /* "http://HOST:PORT" */
    char *texts[5];           /* of the options, owned */
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
tn_code tn_rest_metadata(tn_stub *c, const tn_question *q, tn_arena *a, tn_GetModelMetadataResponse **out,
                         tn_error *err);

#endif
