/* SPDX-License-Identifier: Apache-2.0
 *
 * rest_ask.c - the body of a REST request -> a question to a signature, and its answer -> a body.
 *
 * JSON bodies become tensors directly; examples and protobuf bodies go the way of gRPC's requests. Raw ones
 * are rest_raw.c's.
 */
#include "api.h"
#include "rest.h"

#include <fenv.h>

/* ==== JSON predict ==== */

static tn_code find_signature(void *trip, tn_view name, const tn_loaded_signature **out, tn_error *err)
{
    tn_rest_trip *t = trip;
    t->spec.signature_name = name;
    TN_TRY(tn_turn_servable(&t->turn, &t->spec, err));
    const tn_asker *a = tn_askers_named(t->turn.servable->askers, name);
    if (!a)
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Serving signature name: \"%.*s\" not found in signature def",
                       (int)TN_MIN(t->turn.signature.n, 1100), t->turn.signature.p);
    *out = a->signature;
    return TN_OK;
}

/* Rows of the first input, for the facts. */
static int64_t rows_of(const tn_tensor *t)
{
    return t->shape.rank > 0 ? t->shape.dim[0] : 1;
}

static tn_code begin_predict(tn_rest_trip *t, tn_error *err)
{
    const tn_rest_reading how = {.find = find_signature, .payload = t,
                                 .more_types = !t->turn.service->strictly_tensorflow};
    TN_TRY(tn_rest_read_predict(tn_http_body(t->r), &how, t->turn.arena, &t->in, err));
    const tn_asker *a = tn_askers_named(t->turn.servable->askers, t->turn.signature);
    TN_TRY(tn_predict_check(&t->turn, a, err));
    TN_TRY(tn_turn_ask(&t->turn, a, NULL, 0, err));
    for (int i = 0; i < a->signature->n_in; i++) t->turn.ask.in[i] = t->in.in[i];
    t->turn.facts.examples = rows_of(t->in.in[0]);
    t->columnar = t->in.columnar;
    return TN_OK;
}

static tn_code finish_predict(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    const tn_ask *a = &t->turn.ask;
    const char **names = TN_ARRAY(t->turn.arena, a->n_wanted + 1, const char *);
    if (!names) return tn_no_memory(err, 0);
    for (int i = 0; i < a->n_wanted; i++) names[i] = a->asker->signature->out[i].key;
    return tn_rest_write_predict(names, a->out, a->n_wanted, t->columnar,
                                 !t->turn.service->strictly_tensorflow, out, err);
}

/* ==== JSON classify and regress ==== */

static tn_code begin_examples(tn_rest_trip *t, tn_error *err)
{
    tn_SerializedRequest in = {.model_spec = &t->spec};
    TN_TRY(tn_rest_read_examples(tn_http_body(t->r), t->turn.arena, &t->spec.signature_name, &t->input, err));
    TN_TRY(tn_serialize_input(&t->turn, &t->input, &in.input, err));
    return t->path.kind == TN_REST_CLASSIFY ? tn_classify_begin(&t->turn, &in, err)
                                            : tn_regress_begin(&t->turn, &in, err);
}

static tn_code finish_examples(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    tn_ClassificationResponse *c;
    tn_RegressionResponse *r;
    if (t->path.kind == TN_REST_CLASSIFY) {
        TN_TRY(tn_classified(&t->turn, &c, err));
        return tn_rest_write_classes(c->result, out, err);
    }
    TN_TRY(tn_regressed(&t->turn, &r, err));
    return tn_rest_write_values(r->result, out, err);
}

/* ==== protobuf bodies ==== */

/* The path says which model; which version, when it says so. */
static void settle_spec(tn_rest_trip *t, const tn_ModelSpec *body)
{
    if (!body) return;
    t->spec.signature_name = body->signature_name;
    if (t->spec.version_choice_case) return;
    t->spec.version_choice_case = body->version_choice_case;
    t->spec.version = body->version;
    t->spec.version_label = body->version_label;
}

static tn_code begin_protobuf(tn_rest_trip *t, tn_error *err)
{
    tn_view body = tn_http_body(t->r);
    if (t->path.kind == TN_REST_PREDICT) {
        tn_PredictRequest *in;
        TN_TRY(TN_DECODE(PredictRequest, body, t->turn.arena, &in, err));
        settle_spec(t, in->model_spec);
        in->model_spec = &t->spec;
        return tn_predict_begin(&t->turn, in, err);
    }
    tn_SerializedRequest *in;
    TN_TRY(TN_DECODE(SerializedRequest, body, t->turn.arena, &in, err));
    settle_spec(t, in->model_spec);
    in->model_spec = &t->spec;
    return t->path.kind == TN_REST_CLASSIFY ? tn_classify_begin(&t->turn, in, err)
                                            : tn_regress_begin(&t->turn, in, err);
}

static tn_code finish_protobuf(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    t->content_type = "application/x-protobuf";
    switch (t->path.kind) {
    case TN_REST_PREDICT: return tn_predict_finish(&t->turn, out, err);
    case TN_REST_CLASSIFY: return tn_classify_finish(&t->turn, out, err);
    default: return tn_regress_finish(&t->turn, out, err);
    }
}

/* ==== forms ==== */

static tn_rest_form form_of(const tn_rest_trip *t)
{
    static const char *const protobuf[] = {"application/x-protobuf", "application/protobuf",
                                           "application/vnd.google.protobuf"};
    const char *type = tn_http_header(t->r, "Content-Type");
    if (t->turn.service->strictly_tensorflow || !type) return TN_REST_JSON;
    size_t n = strcspn(type, "; ");
    for (size_t i = 0; i < TN_COUNT(protobuf); i++)
        if (n == strlen(protobuf[i]) && strncasecmp(type, protobuf[i], n) == 0) return TN_REST_PROTOBUF;
    return n == 24 && strncasecmp(type, "application/octet-stream", n) == 0 ? TN_REST_RAW : TN_REST_JSON;
}

static tn_code begin(tn_rest_trip *t, tn_error *err)
{
    switch (t->form) {
    case TN_REST_PROTOBUF: return begin_protobuf(t, err);
    case TN_REST_RAW: return tn_rest_raw_begin(t, err);
    default: return t->path.kind == TN_REST_PREDICT ? begin_predict(t, err) : begin_examples(t, err);
    }
}

static tn_code finish(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    switch (t->form) {
    case TN_REST_PROTOBUF: return finish_protobuf(t, out, err);
    case TN_REST_RAW: return tn_rest_raw_finish(t, out, err);
    default: return t->path.kind == TN_REST_PREDICT ? finish_predict(t, out, err) : finish_examples(t, out, err);
    }
}

/* A thread that has computed takes denormals for zeros, which would change numbers as they are read and written. */
tn_code tn_rest_begin(tn_rest_trip *t, tn_error *err)
{
    const char *problem = tn_http_problem(t->r);
    fenv_t computing;
    t->form = form_of(t);
    if (problem && !t->turn.service->strictly_tensorflow) return tn_fail(err, TN_INVALID_ARGUMENT, "%s", problem);
    fegetenv(&computing);
    fesetenv(FE_DFL_ENV);
    tn_code code = begin(t, err);
    fesetenv(&computing);
    return code;
}

tn_code tn_rest_finish(tn_rest_trip *t, tn_buf *out, tn_error *err)
{
    fenv_t computing;
    fegetenv(&computing);
    fesetenv(FE_DFL_ENV);
    tn_code code = finish(t, out, err);
    fesetenv(&computing);
    return code;
}

/* ==== the request log ==== */

static tn_code put_tensors(tn_rest_trip *t, tn_PredictRequest *request, tn_error *err)
{
    const tn_ask *a = &t->turn.ask;
    for (int i = 0; i < a->asker->signature->n_in; i++) {
        tn_TensorEntry *e = TN_PUSH(t->turn.arena, &request->inputs);
        tn_TensorProto *p = TN_NEW(t->turn.arena, tn_TensorProto);
        if (!e || !p) return tn_no_memory(err, sizeof *p);
        e->key = tn_view_of(a->asker->signature->in[i].key);
        e->value = p;
        TN_TRY(tn_tensor_to_proto(a->in[i], t->turn.arena, p, err));
    }
    return TN_OK;
}

static tn_code predict_messages(tn_rest_trip *t, tn_buf *request, tn_buf *response, tn_error *err)
{
    tn_PredictRequest in = {.model_spec = &t->spec};
    TN_TRY(put_tensors(t, &in, err));
    TN_TRY(TN_ENCODE(PredictRequest, &in, request, err));
    return tn_predict_finish(&t->turn, response, err);
}

static tn_code example_messages(tn_rest_trip *t, tn_buf *request, tn_buf *response, tn_error *err)
{
    const tn_ClassificationRequest classify = {.model_spec = &t->spec, .input = &t->input};
    const tn_RegressionRequest regress = {.model_spec = &t->spec, .input = &t->input};
    if (t->path.kind == TN_REST_CLASSIFY) {
        TN_TRY(TN_ENCODE(ClassificationRequest, &classify, request, err));
        return tn_classify_finish(&t->turn, response, err);
    }
    TN_TRY(TN_ENCODE(RegressionRequest, &regress, request, err));
    return tn_regress_finish(&t->turn, response, err);
}

void tn_rest_log(tn_rest_trip *t, const tn_buf *answer)
{
    tn_buf request = {0}, response = {0};
    if (!t->turn.servable || !t->turn.servable->request_log) return;
    if (t->form == TN_REST_PROTOBUF) {
        tn_turn_log(&t->turn, tn_http_body(t->r), (tn_view){answer->data, answer->n});
        return;
    }
    tn_code code =
        (t->path.kind == TN_REST_PREDICT ? predict_messages : example_messages)(t, &request, &response, NULL);
    if (code == TN_OK)
        tn_turn_log(&t->turn, (tn_view){request.data, request.n}, (tn_view){response.data, response.n});
    tn_buf_free(&request);
    tn_buf_free(&response);
}
