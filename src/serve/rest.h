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
    const char *model; /* decoded; "": none is named */
    bool has_version;
    int64_t version;
    const char *label; /* decoded; NULL: none */
} tn_rest_path;
/* Whether the path, any case, begins with "/v1/". */
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
    bool more_types; /* half, bfloat16 and uint16 too, which TensorFlow Serving refuses */
} tn_rest_reading;
tn_code tn_rest_read_predict(tn_view json, const tn_rest_reading *how, tn_arena *a, tn_rest_inputs *out,
                             tn_error *err);
/* The body of classify and regress; *signature: "" when it is not named. */
tn_code tn_rest_read_examples(tn_view json, tn_arena *a, tn_view *signature, tn_Input *out, tn_error *err);

/* ==== JSON out (rest_write.c, rest_proto.c) ==== */

/* Outputs by their names. Row form: {"predictions": [...]}; columnar: {"outputs": ...}. */
tn_code tn_rest_write_predict(const char *const *names, tn_tensor *const *outputs, int n, bool columnar,
                              bool more_types, tn_buf *out, tn_error *err);
tn_code tn_rest_write_classes(const tn_ClassificationResult *r, tn_buf *out, tn_error *err);
tn_code tn_rest_write_values(const tn_RegressionResult *r, tn_buf *out, tn_error *err);
/* protobuf's JSON with all fields that are no messages, one space a level. snake: names as in the .proto
 * file. */
void tn_rest_write_proto(const tn_proto_message *m, const void *message, bool snake, tn_buf *out);

#endif
