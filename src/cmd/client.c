/* SPDX-License-Identifier: Apache-2.0
 *
 * client.c - the flags of clients of a model server, made a client.
 */
#include "client.h"

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

bool server_is_rest(const server_values *v)
{
    return !strncmp(v->target, "http://", 7) || !strncmp(v->target, "https://", 8);
}

tn_code server_describe(tn_stub *stub, const tn_question *q, tn_described_signature *described,
                        tn_spec in[SERVER_INPUTS], int *n_in, tn_error *err)
{
    tn_code code = tn_stub_describe(stub, q, described, err);
    if (code != TN_OK) return code;
    const tn_loaded_signature *s = &described->signature;
    if (s->n_in > SERVER_INPUTS)
        return usage_error(err, "signature '%s' has %d inputs, more than %d", s->name, s->n_in, SERVER_INPUTS);
    for (int i = 0; i < s->n_in; i++) {
        if (!s->in[i].dtype)
            return usage_error(err, "input '%s' of signature '%s' has no dtype", s->in[i].key, s->name);
        in[i] = (tn_spec){s->in[i].key, s->in[i].dtype, s->in[i].shape};
    }
    *n_in = s->n_in;
    return TN_OK;
}
