/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - the flags of clients of a model server, made a client.
 */
#include "server.h"

#include "literal.h"

#include <stdlib.h>
#include <string.h>

static tn_code read_token(const char *path, char **out, tn_error *err)
{
    tn_code code = text_of_file(path, out, err);
    if (code != TN_OK) return code;
    (*out)[strcspn(*out, "\r\n")] = 0;
    if (**out) return TN_OK;
    free(*out);
    *out = NULL;
    return usage_error(err, "--token_file=%s: its first line is empty", path);
}

tn_code server_open(const server_values *v, tn_stub **out, tn_error *err)
{
    char *token = NULL;
    if (v->version < 0) return usage_error(err, "--version=%lld is negative", (long long)v->version);
    if (v->version && v->label) return usage_error(err, "--version and --label exclude one another");
    if ((v->cert != NULL) != (v->key != NULL)) return usage_error(err, "--cert and --key belong together");
    tn_code code = v->token_file ? read_token(v->token_file, &token, err) : TN_OK;
    if (code != TN_OK) return code;
    tn_stub_options o = {.server = v->target, .tls = v->tls, .ca_file = v->ca, .cert_file = v->cert, .key_file = v->key,
                         .host = v->host, .token = token, .gzip = v->gzip};
    code = tn_stub_new(&o, out, err);
    free(token);
    return code;
}

tn_question server_question(const server_values *v, const char *signature)
{
    return (tn_question){.model = v->model ? v->model : "default", .version = v->version, .label = v->label,
                         .signature = signature, .seconds = v->deadline};
}
