/* SPDX-License-Identifier: Apache-2.0
 *
 * rest.h - what the files of the REST API share; seen by rest*.c only.
 *
 * Bodies are views whose text ends in a NUL beyond the last byte, as tn_http_body's do.
 */
#ifndef TN_SERVE_REST_H
#define TN_SERVE_REST_H

#include "serve.h"

/* ==== paths (rest_path.c) ==== */

typedef enum tn_rest_kind {
    TN_REST_MALFORMED,
    TN_REST_STATUS,
    TN_REST_METADATA,
    TN_REST_PREDICT,
    TN_REST_CLASSIFY,
    TN_REST_REGRESS
} tn_rest_kind;
typedef struct tn_rest_path {
    tn_rest_kind kind;
    tn_view model; /* decoded; empty: none is named */
    bool has_version;
    int64_t version;
    tn_view label; /* decoded; empty: none */
} tn_rest_path;
/* Whether the path begins with "/v1/", in any case. */
bool tn_rest_is_api(const char *path);
/* INVALID_ARGUMENT "Malformed request: POST /v1/...", "Failed to convert version: N to numeric.". */
tn_code tn_rest_path_parse(const char *method, const char *path, tn_arena *a, tn_rest_path *out,
                           tn_error *err);

/* ==== JSON in (rest_read.c, rest_examples.c) ==== */

typedef struct tn_rest_inputs {
    const tn_loaded_signature *signature;
    bool columnar;  /* "inputs" instead of "instances" */
    tn_tensor **in; /* by the signature's inputs: tn_rest_inputs_drop */
} tn_rest_inputs;
void tn_rest_inputs_drop(tn_rest_inputs *in);
typedef struct tn_rest_reading {
    /* The signature of a name ("": the default one); its errors are the request's. */
    tn_code (*find)(void *payload, tn_view name, const tn_loaded_signature **out, tn_error *err);
    void *payload;
    bool more_types; /* half, bfloat16 and uint16 too, which TensorFlow Serving refuses; and no number cut to a type */
    bool answer;     /* the body is an answer in columnar form: "outputs" instead of "inputs" */
} tn_rest_reading;
tn_code tn_rest_read_predict(tn_view json, const tn_rest_reading *how, tn_arena *a, tn_rest_inputs *out,
                             tn_error *err);
/* The body of classify and regress; *signature: "" when it is not named. */
tn_code tn_rest_read_examples(tn_view json, tn_arena *a, tn_view *signature, tn_Input *out, tn_error *err);

/* ==== JSON out (rest_write.c, rest_proto.c) ==== */

/* Outputs by their names. Row form: {"predictions": [...]}; columnar: {"outputs": ...}. */
tn_code tn_rest_write_predict(const char *const *names, tn_tensor *const *outputs, int n, bool columnar,
                              bool more_types, tn_buf *out, tn_error *err);
/* A client's request in columnar form: strings as {"b64": ...}. */
tn_code tn_rest_write_request(const char *signature, const tn_feed *inputs, int n, tn_buf *out, tn_error *err);
tn_code tn_rest_write_classes(const tn_ClassificationResult *r, tn_buf *out, tn_error *err);
tn_code tn_rest_write_values(const tn_RegressionResult *r, tn_buf *out, tn_error *err);
/* The answers to questions about status and metadata. */
tn_code tn_rest_write_status(const tn_GetModelStatusResponse *r, tn_buf *out, tn_error *err);
tn_code tn_rest_write_metadata(const tn_GetModelMetadataResponse *r, tn_arena *a, tn_buf *out, tn_error *err);

/* ==== requests (rest.c, rest_ask.c, rest_raw.c) ==== */

typedef enum tn_rest_form { TN_REST_JSON, TN_REST_PROTOBUF, TN_REST_RAW } tn_rest_form;
typedef struct tn_rest_trip { /* a request on its way, in its arena */
    const tn_rest *rest;
    tn_http_request *r;
    tn_rest_path path;
    tn_rest_form form;
    tn_ModelSpec spec;
    tn_turn turn;
    tn_task task;
    bool columnar;
    tn_rest_inputs in;        /* tensors of a JSON body */
    tn_Input input;           /* of classify and regress */
    const char *content_type; /* of the answer */
} tn_rest_trip;
/* What the request asks, from its body: t->turn.ask is ready then. */
tn_code tn_rest_begin(tn_rest_trip *t, tn_error *err);
/* The answer's body. */
tn_code tn_rest_finish(tn_rest_trip *t, tn_buf *out, tn_error *err);
/* Into the model's request log, if it has one. */
void tn_rest_log(tn_rest_trip *t, const tn_buf *answer);
/* The two halves for raw bodies. */
tn_code tn_rest_raw_begin(tn_rest_trip *t, tn_error *err);
tn_code tn_rest_raw_finish(tn_rest_trip *t, tn_buf *out, tn_error *err);

#endif
