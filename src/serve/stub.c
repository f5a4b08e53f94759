/* SPDX-License-Identifier: Apache-2.0
 *
 * stub.c - a client of a model server: questions as PredictRequests over gRPC; what both transports share.
 *
 * Moving bytes is net/'s, REST's JSON stub_rest.c's.
 */
#include "stub.h"

#define PREDICT "/tensorflow.serving.PredictionService/Predict"
#define METADATA "/tensorflow.serving.PredictionService/GetModelMetadata"

/* ==== clients ==== */

static tn_code read_pem(const char *path, tn_buf *out, tn_error *err)
{
    return path ? tn_file_read(path, (size_t)1 << 20, out, err) : TN_OK;
}

static tn_code make_tls(const tn_stub_options *o, tn_tls **out, tn_error *err)
{
    tn_buf ca = {0}, cert = {0}, key = {0};
    tn_code code = read_pem(o->ca_file, &ca, err);
    if (code == TN_OK) code = read_pem(o->cert_file, &cert, err);
    if (code == TN_OK) code = read_pem(o->key_file, &key, err);
    if (code == TN_OK) {
        tn_tls_options t = {
            .key = {key.data, key.n}, .cert = {cert.data, cert.n}, .ca = {ca.data, ca.n}, .client = true};
        code = tn_tls_new(&t, out, err);
    }
    tn_buf_free(&ca);
    tn_buf_free(&cert);
    tn_buf_free(&key);
    return code;
}

static tn_code open_channel(tn_stub *c, const tn_stub_options *o, tn_error *err)
{
    tn_tls *tls = NULL;
    if (o->tls || o->ca_file || o->cert_file || o->key_file) TN_TRY(make_tls(o, &tls, err));
    tn_grpc_channel_options g = {.target = o->server, .tls = tls, .host = o->host, .max_message = o->max_message,
                                 .gzip = o->gzip, .bearer = o->token};
    tn_code code = tn_grpc_channel_new(&g, &c->channel, err);
    tn_tls_free(tls);
    return code;
}

static bool keep_texts(tn_stub *c, const tn_stub_options *o)
{
    const char *given[] = {o->ca_file, o->cert_file, o->key_file, o->token};
    bool ok = (c->url = tn_strdup(o->server)) != NULL;
    for (int i = 0; i < 4 && ok; i++)
        if (given[i]) ok = (c->texts[i] = tn_strdup(given[i])) != NULL;
    if (!ok) return false;
    size_t n = strlen(c->url);
    while (n && c->url[n - 1] == '/') c->url[--n] = 0;
    c->http = (tn_http_client_options){.ca_file = c->texts[0],
                                       .cert_file = c->texts[1],
                                       .key_file = c->texts[2],
                                       .bearer = c->texts[3],
                                       .max_body = o->max_message};
    return true;
}

tn_code tn_stub_new(const tn_stub_options *o, tn_stub **out, tn_error *err)
{
    if (!o->server || !*o->server) return tn_fail(err, TN_INVALID_ARGUMENT, "no server is named");
    bool rest = !strncmp(o->server, "http://", 7) || !strncmp(o->server, "https://", 8);
    tn_stub *c = tn_calloc(1, sizeof *c);
    if (!c) return tn_no_memory(err, sizeof *c);
    pthread_mutex_init(&c->lock, NULL);
    if (!keep_texts(c, o)) {
        tn_stub_free(c);
        return tn_no_memory(err, sizeof *c);
    }
    tn_code code = rest ? TN_OK : open_channel(c, o, err);
    if (code != TN_OK) {
        tn_stub_free(c);
        return code;
    }
    *out = c;
    return TN_OK;
}

void tn_stub_free(tn_stub *c)
{
    if (!c) return;
    tn_grpc_channel_free(c->channel);
    for (int i = 0; i < c->n_idle; i++) tn_http_client_free(c->idle[i]);
    tn_known_drop(c->known);
    pthread_mutex_destroy(&c->lock);
    for (size_t i = 0; i < TN_COUNT(c->texts); i++) tn_free(c->texts[i]);
    tn_free(c->url);
    tn_free(c);
}

/* ==== answers ==== */

tn_code tn_answer_new(int n, tn_answer *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_answer_memory *m = a ? TN_NEW(a, tn_answer_memory) : NULL;
    const char **names = a ? TN_ARRAY(a, n + 1, const char *) : NULL;
    tn_tensor **values = a ? TN_ARRAY(a, n + 1, tn_tensor *) : NULL;
    if (!m || !names || !values) {
        tn_arena_free(a);
        return tn_no_memory(err, 0);
    }
    *m = (tn_answer_memory){a, values, n};
    *out = (tn_answer){.names = names, .values = values, .n = n, .memory = m};
    return TN_OK;
}

void tn_answer_free(tn_answer *a)
{
    tn_answer_memory *m = a->memory;
    if (!m) return;
    for (int i = 0; i < m->n; i++) tn_tensor_unref(m->values[i]);
    tn_arena_free(m->arena);
    *a = (tn_answer){0};
}

static const char *text_of(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.p ? v.p : "", v.n);
}

static tn_code fill_answer(const tn_PredictResponse *r, tn_answer *out, tn_error *err)
{
    tn_answer_memory *m = out->memory;
    const char **names = (const char **)(uintptr_t)out->names;
    for (int i = 0; i < out->n; i++) {
        const tn_TensorEntry *e = &r->outputs.items[i];
        if (!(names[i] = text_of(m->arena, e->key))) return tn_no_memory(err, e->key.n);
        tn_code code = tn_tensor_from_proto(e->value, 0, &m->values[i], err);
        if (code != TN_OK) return tn_wrap(err, "output '%s'", names[i]), code;
    }
    if (!r->model_spec) return TN_OK;
    out->model = text_of(m->arena, r->model_spec->name);
    out->signature = text_of(m->arena, r->model_spec->signature_name);
    if (r->model_spec->version_choice_case == TN_ModelSpec_version) out->version = r->model_spec->version->value;
    return out->model && out->signature ? TN_OK : tn_no_memory(err, 0);
}

static tn_code decode_answer(tn_view bytes, tn_answer *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_PredictResponse *r;
    tn_answer answer = {0};
    tn_code code = a ? TN_DECODE(PredictResponse, bytes, a, &r, err) : tn_no_memory(err, 0);
    if (code == TN_OK) code = tn_answer_new((int)r->outputs.n, &answer, err);
    if (code == TN_OK) code = fill_answer(r, &answer, err);
    tn_arena_free(a);
    if (code != TN_OK) {
        tn_answer_free(&answer);
        return code;
    }
    *out = answer;
    return TN_OK;
}

/* ==== questions ==== */

static tn_code model_spec(const tn_question *q, tn_arena *a, tn_ModelSpec **out, tn_error *err)
{
    tn_ModelSpec *s = TN_NEW(a, tn_ModelSpec);
    tn_Int64Value *version = TN_NEW(a, tn_Int64Value);
    if (!s || !version) return tn_no_memory(err, 0);
    s->name = tn_view_of(q->model ? q->model : "");
    s->signature_name = tn_view_of(q->signature ? q->signature : "");
    version->value = q->version;
    if (q->version > 0)
        TN_SET(s, ModelSpec, version_choice, version) = version;
    else if (q->label)
        TN_SET(s, ModelSpec, version_choice, version_label) = tn_view_of(q->label);
    *out = s;
    return TN_OK;
}

static tn_code add_input(const tn_feed *in, tn_PredictRequest *r, tn_arena *a, tn_error *err)
{
    tn_TensorProto *t = TN_NEW(a, tn_TensorProto);
    tn_TensorEntry *e = t ? TN_PUSH(a, &r->inputs) : NULL;
    if (!e) return tn_no_memory(err, 0);
    *e = (tn_TensorEntry){.key = tn_view_of(in->name), .value = t};
    return tn_tensor_to_proto(in->value, a, t, err);
}

static tn_code encode_question(const tn_question *q, tn_buf *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_PredictRequest r = {0};
    tn_code code = a ? model_spec(q, a, &r.model_spec, err) : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i < q->n_inputs; i++) code = add_input(&q->inputs[i], &r, a, err);
    for (int i = 0; code == TN_OK && i < q->n_outputs; i++) {
        tn_view *name = TN_PUSH(a, &r.output_filter);
        if (name)
            *name = tn_view_of(q->outputs[i]);
        else
            code = tn_no_memory(err, 0);
    }
    if (code == TN_OK) code = TN_ENCODE(PredictRequest, &r, out, err);
    tn_arena_free(a);
    return code;
}

static tn_code grpc_predict(tn_stub *c, const tn_question *q, tn_answer *out, tn_error *err)
{
    tn_buf request = {0}, answer = {0};
    tn_code code = encode_question(q, &request, err);
    if (code == TN_OK)
        code = tn_grpc_call_sync(c->channel, PREDICT, (tn_view){request.data, request.n}, q->seconds, &answer, err);
    tn_buf_free(&request);
    if (code == TN_OK) code = decode_answer((tn_view){answer.data, answer.n}, out, err);
    tn_buf_free(&answer);
    return code;
}

tn_code tn_stub_predict(tn_stub *c, const tn_question *q, tn_answer *out, tn_error *err)
{
    return c->channel ? grpc_predict(c, q, out, err) : tn_rest_predict(c, q, out, err);
}

/* ==== without waiting ==== */

struct tn_future {
    tn_grpc_future *call;
};

typedef struct waiting { /* a question on its way: gone when it has been answered */
    tn_answered answered;
    void *payload;
} waiting;

static void done(void *payload, tn_code code, const char *message, tn_view bytes)
{
    waiting *w = payload;
    tn_answer answer = {0};
    tn_error err = {TN_OK, ""};
    if (code == TN_OK && (code = decode_answer(bytes, &answer, &err)) != TN_OK) message = err.message;
    w->answered(w->payload, code, message, code == TN_OK ? &answer : NULL);
    tn_answer_free(&answer);
    tn_free(w);
}

tn_code tn_stub_predict_async(tn_stub *c, const tn_question *q, tn_answered answered, void *payload,
                              tn_future **out, tn_error *err)
{
    tn_buf request = {0};
    if (!c->channel) return tn_fail(err, TN_UNIMPLEMENTED, "questions without waiting go over gRPC only");
    waiting *w = tn_malloc(sizeof *w);
    tn_future *f = tn_calloc(1, sizeof *f);
    tn_code code = w && f ? encode_question(q, &request, err) : tn_no_memory(err, sizeof *w);
    if (code == TN_OK) {
        *w = (waiting){answered, payload};
        code = tn_grpc_call_async(c->channel, PREDICT, (tn_view){request.data, request.n}, q->seconds, done, w,
                                  out ? &f->call : NULL, err);
    }
    tn_buf_free(&request);
    if (code != TN_OK) tn_free(w);
    if (code != TN_OK || !out)
        tn_free(f);
    else
        *out = f;
    return code;
}

void tn_future_cancel(tn_future *f)
{
    tn_grpc_cancel(f->call);
}

void tn_future_free(tn_future *f)
{
    if (!f) return;
    tn_grpc_future_free(f->call);
    tn_free(f);
}

/* ==== signatures ==== */

static tn_code grpc_metadata(tn_stub *c, const tn_question *q, tn_arena *a, tn_GetModelMetadataResponse **out,
                             tn_error *err)
{
    tn_GetModelMetadataRequest r = {0};
    tn_buf request = {0}, answer = {0};
    tn_view *field = TN_PUSH(a, &r.metadata_field);
    if (!field) return tn_no_memory(err, 0);
    *field = TN_VIEW("signature_def");
    TN_TRY(model_spec(q, a, &r.model_spec, err));
    tn_code code = TN_ENCODE(GetModelMetadataRequest, &r, &request, err);
    if (code == TN_OK)
        code = tn_grpc_call_sync(c->channel, METADATA, (tn_view){request.data, request.n}, q->seconds, &answer, err);
    if (code == TN_OK) {
        char *kept = tn_arena_strndup(a, answer.n ? answer.data : "", answer.n);
        code = kept ? TN_DECODE(GetModelMetadataResponse, ((tn_view){kept, answer.n}), a, out, err)
                    : tn_no_memory(err, answer.n);
    }
    tn_buf_free(&request);
    tn_buf_free(&answer);
    return code;
}

static tn_code describe_values(const tn_TensorInfoEntry_list *list, tn_arena *a, const tn_loaded_value **out, int *n,
                               tn_error *err)
{
    tn_loaded_value *v = TN_ARRAY(a, list->n + 1, tn_loaded_value);
    if (!v) return tn_no_memory(err, 0);
    for (uint32_t i = 0; i < list->n; i++) {
        const tn_TensorInfoEntry *e = &list->items[i];
        v[i].key = text_of(a, e->key);
        v[i].name = e->value->encoding_case == TN_TensorInfo_name ? text_of(a, e->value->name) : NULL;
        v[i].dtype = (tn_dtype)e->value->dtype;
        if (!v[i].key) return tn_no_memory(err, 0);
        if (e->value->tensor_shape)
            TN_TRY(tn_shape_from_proto(e->value->tensor_shape, &v[i].shape, err));
        else
            v[i].shape.rank = -1;
    }
    *out = v;
    *n = (int)list->n;
    return TN_OK;
}

tn_code tn_no_signature(const char *name, tn_error *err)
{
    return tn_fail(err, TN_NOT_FOUND, "the model has no signature '%s'; there are:", name);
}

static tn_code no_such_signature(const char *name, const tn_SignatureDefMap *map, tn_error *err)
{
    tn_code code = tn_no_signature(name, err);
    for (uint32_t i = 0; i < map->signature_def.n && i < TN_SIGNATURES_NAMED; i++)
        tn_note(err, "%.*s", (int)map->signature_def.items[i].key.n, map->signature_def.items[i].key.p);
    return code;
}

static tn_code grpc_describe(tn_stub *c, const tn_question *q, const char *name, tn_arena *a,
                             tn_described_signature *out, tn_error *err)
{
    tn_GetModelMetadataResponse *r;
    tn_SignatureDefMap *map;
    TN_TRY(grpc_metadata(c, q, a, &r, err));
    tn_AnyEntry *any = TN_FIND(&r->metadata, "signature_def");
    if (!any) return tn_fail(err, TN_INTERNAL, "the server's answer has no signature_def");
    TN_TRY(TN_DECODE(SignatureDefMap, any->value->value, a, &map, err));
    tn_SignatureDefEntry *e = TN_FIND(&map->signature_def, name);
    if (!e) return no_such_signature(name, map, err);
    tn_loaded_signature *s = &out->signature;
    s->name = tn_arena_strdup(a, name);
    s->method = text_of(a, e->value->method_name);
    if (!s->name || !s->method) return tn_no_memory(err, 0);
    TN_TRY(describe_values(&e->value->inputs, a, &s->in, &s->n_in, err));
    TN_TRY(describe_values(&e->value->outputs, a, &s->out, &s->n_out, err));
    if (r->model_spec && r->model_spec->version_choice_case == TN_ModelSpec_version)
        out->version = r->model_spec->version->value;
    return TN_OK;
}

tn_code tn_stub_describe(tn_stub *c, const tn_question *q, tn_described_signature *out, tn_error *err)
{
    tn_arena *a = tn_arena_new(0);
    tn_described_signature s = {.memory = a};
    const char *name = q->signature && *q->signature ? q->signature : TN_DEFAULT_SIGNATURE;
    if (!a) return tn_no_memory(err, 0);
    tn_code code = (c->channel ? grpc_describe : tn_rest_describe)(c, q, name, a, &s, err);
    if (code != TN_OK) {
        tn_arena_free(a);
        return code;
    }
    *out = s;
    return TN_OK;
}

void tn_described_signature_free(tn_described_signature *s)
{
    tn_arena_free(s->memory);
    *s = (tn_described_signature){0};
}
