/* SPDX-License-Identifier: Apache-2.0
 *
 * predict_server.c - `turnery predict --server`: a model at a server, which describes its signature first.
 */
#include "predict.h"

#include <stdlib.h>

typedef struct remote {
    asked base;
    tn_stub *stub;
    tn_question question;
    tn_described_signature described;
    tn_answer answer;
    tn_spec in[SERVER_INPUTS];
} remote;

static void close_remote(asked *a)
{
    remote *r = (remote *)a;
    tn_stub_free(r->stub);
    tn_answer_free(&r->answer);
    tn_described_signature_free(&r->described);
    free(r);
}

static tn_question question_of(remote *r, const tn_tensor *const *in, tn_feed feeds[SERVER_INPUTS])
{
    tn_question q = r->question;
    for (int i = 0; i < r->base.n_in; i++) feeds[i] = (tn_feed){r->in[i].name, in[i]};
    q.inputs = feeds;
    q.n_inputs = r->base.n_in;
    return q;
}

static tn_code run_remote(asked *a, const tn_tensor *const *in, tn_error *err)
{
    remote *r = (remote *)a;
    tn_feed feeds[SERVER_INPUTS];
    tn_question q = question_of(r, in, feeds);
    tn_answer_free(&r->answer);
    tn_code code = tn_stub_predict(r->stub, &q, &r->answer, err);
    if (code == TN_OK)
        a->out = (answers){r->answer.names, (const tn_tensor *const *)r->answer.values, r->answer.n};
    return code;
}

static tn_code begin_remote(asked *a, const tn_tensor *const *in, tn_answered done, void *payload, tn_error *err)
{
    remote *r = (remote *)a;
    tn_feed feeds[SERVER_INPUTS];
    tn_question q = question_of(r, in, feeds);
    return tn_stub_predict_async(r->stub, &q, done, payload, NULL, err);
}

tn_code ask_server(const predict_values *v, asked **out, tn_error *err)
{
    remote *r = calloc(1, sizeof *r);
    if (!r) return no_memory(err);
    r->base = (asked){.run = run_remote, .close = close_remote};
    r->question = server_question(&v->server, v->signature);
    r->question.outputs = v->wanted.v;
    r->question.n_outputs = v->wanted.n;
    tn_code code = server_open(&v->server, &r->stub, err);
    if (code == TN_OK) code = server_describe(r->stub, &r->question, &r->described, r->in, &r->base.n_in, err);
    r->base.in = r->in;
    if (code != TN_OK) {
        close_remote(&r->base);
        return code;
    }
    if (!server_is_rest(&v->server)) r->base.begin = begin_remote;
    *out = &r->base;
    return TN_OK;
}
