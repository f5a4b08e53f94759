/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - a model server's parts, shared by server.c (its life) and server_options.c (what its options and the files
 * they name mean).
 */
#ifndef TN_SERVE_SERVER_H
#define TN_SERVE_SERVER_H

#include "serve.h"

typedef struct tn_server_plan { /* what the options say, checked */
    tn_batching batching;
    bool batches;
    const char *prometheus_path; /* NULL: no metrics */
    const tn_SSLConfig *ssl;     /* NULL: plain */
    const char *grpc_listen[3];
    int n_grpc_listen;
    const char *rest_listen;
    const char *tags[16];
    int n_tags;
    tn_grpc_server_options grpc; /* limits and keepalive, by grpc_channel_arguments */
    tn_session_options session;
    bool leads; /* no number of threads is given: a long question has those that are idle */
    int compute_threads;
    tn_arena *arena;
} tn_server_plan;
tn_code tn_server_plan_make(const tn_server_options *o, const tn_log *log, tn_server_plan *out, tn_error *err);
void tn_server_plan_free(tn_server_plan *p);
/* The configuration file's text as it is now; nothing where the options name none. */
tn_code tn_server_config_text(const tn_server_options *o, tn_buf *out, tn_error *err);
/* The models, as that text says, or the options where they name no file. */
tn_code tn_server_models(const tn_server_options *o, tn_view config_text, tn_model_configs *out, tn_error *err);

#endif
