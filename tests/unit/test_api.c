/* SPDX-License-Identifier: Apache-2.0
 *
 * test_api.c - requests: the codes and words of TensorFlow Serving, one row each, and what answers look like.
 */
#include "served_model.h"
#include "serve_test.h"
#include "wire/wire.h"

/* ==== asking by text ==== */

typedef enum kind { PREDICT, CLASSIFY, REGRESS, MULTI, METADATA, STATUS, RELOAD } kind;

typedef struct api {
    const tn_proto_message *request, *response;
} api;

static const api apis[] = {
    [PREDICT] = {TN_PROTO(PredictRequest), TN_PROTO(PredictResponse)},
    [CLASSIFY] = {TN_PROTO(ClassificationRequest), TN_PROTO(ClassificationResponse)},
    [REGRESS] = {TN_PROTO(RegressionRequest), TN_PROTO(RegressionResponse)},
    [MULTI] = {TN_PROTO(MultiInferenceRequest), TN_PROTO(MultiInferenceResponse)},
    [METADATA] = {TN_PROTO(GetModelMetadataRequest), TN_PROTO(GetModelMetadataResponse)},
    [STATUS] = {TN_PROTO(GetModelStatusRequest), TN_PROTO(GetModelStatusResponse)},
    [RELOAD] = {TN_PROTO(ReloadConfigRequest), TN_PROTO(ReloadConfigResponse)},
};

static tn_code call(kind k, tn_turn *t, void *in, void **out, tn_error *err)
{
    switch (k) {
    case PREDICT: return tn_predict_request(t, in, (tn_PredictResponse **)out, err);
    case CLASSIFY: return tn_classify_request(t, in, (tn_ClassificationResponse **)out, err);
    case REGRESS: return tn_regress_request(t, in, (tn_RegressionResponse **)out, err);
    case MULTI: return tn_multi_request(t, in, (tn_MultiInferenceResponse **)out, err);
    case METADATA: return tn_metadata_request(t, in, (tn_GetModelMetadataResponse **)out, err);
    case STATUS: return tn_status_request(t, in, (tn_GetModelStatusResponse **)out, err);
    default: return tn_reload_request(t, in, (tn_ReloadConfigResponse **)out, err);
    }
}

typedef struct answer {
    tn_code code;
    tn_error err;
    char *text; /* the response */
    tn_request_facts facts;
} answer;

static answer ask(tn_service *s, kind k, const char *text)
{
    answer r = {.code = TN_OK};
    tn_arena *a = tn_arena_new(0);
    void *in, *out = NULL;
    tn_buf b = {0};
    tn_turn t = {.service = s, .arena = a, .facts.received = tn_now_us()};
    assert_ok(tn_proto_parse(apis[k].request, tn_view_of(text), a, &in, &r.err), &r.err);
    r.code = call(k, &t, in, &out, &r.err);
    if (r.code == TN_OK) assert_ok(tn_proto_print(apis[k].response, out, 0, &b, &r.err), &r.err);
    tn_turn_end(&t, r.code, r.err.message);
    r.facts = t.facts;
    r.text = tn_buf_take(&b, NULL);
    tn_arena_free(a);
    return r;
}

static void check(tn_service *s, kind k, const char *text, tn_code code, const char *message)
{
    answer r = ask(s, k, text);
    if (r.code != code || (code != TN_OK && strcmp(r.err.message, message) != 0))
        fail_msg("%s\n%s \"%s\"\nshould be %s \"%s\"", text, tn_code_name(r.code), r.code ? r.err.message : "",
                 tn_code_name(code), message);
    tn_free(r.text);
}

static void check_answer(tn_service *s, kind k, const char *text, const char *wanted)
{
    answer r = ask(s, k, text);
    if (r.code != TN_OK) fail_msg("%s: %s", text, r.err.message);
    if (strcmp(r.text ? r.text : "", wanted) != 0) fail_msg("%s\n%s\nshould be\n%s", text, r.text, wanted);
    tn_free(r.text);
}

/* ==== a server with the small model ==== */

typedef struct server {
    tn_manager *manager;
    tn_service service;
} server;

static void start(void **state, server *s)
{
    static const tn_manager_options quick = {.file_system_poll_wait_seconds = 0, .warm_up = true};
    tn_error err;
    save_served(state, "m");
    *s = (server){.manager = NULL};
    assert_ok(tn_manager_new(&quick, &s->manager, &err), &err);
    assert_ok(set_model(state, s->manager, "", &err), &err);
    s->service.manager = s->manager;
    s->service.reload = reload_models;
    s->service.payload = s->manager;
}

static void stop(server *s)
{
    tn_manager_free(s->manager);
}

/* ==== the table ==== */

#define SPEC(signature) "model_spec { name: 'm' signature_name: '" signature "' } "
#define SHAPE(a, b) "tensor_shape { dim { size: " #a " } dim { size: " #b " } } "
#define FLOATS(a, b, values) "dtype: DT_FLOAT " SHAPE(a, b) values
#define INPUT(key, tensor) "inputs { key: '" key "' value { " tensor " } } "
#define ONE INPUT("a", FLOATS(1, 1, "float_val: 2")) INPUT("b", FLOATS(1, 1, "float_val: 3"))
#define EXAMPLE "input { example_list { examples { features { } } } } "
#define TASK(signature, method) "tasks { " SPEC(signature) "method_name: 'tensorflow/serving/" method "' } "

static const struct {
    kind kind;
    const char *request;
    tn_code code;
    const char *message;
} rows[] = {
    /* the model */
    {PREDICT, "model_spec { name: 'other' }", TN_NOT_FOUND, "Servable not found for request: Latest(other)"},
    {PREDICT, "model_spec { name: 'm' version { value: 99 } }", TN_NOT_FOUND,
     "Servable not found for request: Specific(m, 99)"},
    {PREDICT, "model_spec { name: 'm' version_label: 'L' }", TN_INVALID_ARGUMENT,
     "Unrecognized servable version label: L"},
    {PREDICT, "model_spec { }", TN_INVALID_ARGUMENT, "ModelSpec has no name specified."},
    {PREDICT, "", TN_INVALID_ARGUMENT, "Missing ModelSpec"},
    {STATUS, "", TN_INVALID_ARGUMENT, "Missing ModelSpec"},
    {METADATA, "metadata_field: 'signature_def'", TN_INVALID_ARGUMENT, "Missing ModelSpec"},
    {METADATA, "model_spec { name: 'other' } metadata_field: 'signature_def'", TN_NOT_FOUND,
     "Servable not found for request: Latest(other)"},
    {STATUS, "model_spec { name: 'other' }", TN_NOT_FOUND, "Could not find any versions of model other"},
    {STATUS, "model_spec { name: 'm' version { value: 9 } }", TN_NOT_FOUND, "Could not find version 9 of model m"},
    {STATUS, "model_spec { name: 'other' version { value: 9 } }", TN_NOT_FOUND,
     "Could not find version 9 of model other"},
    /* the signature */
    {PREDICT, SPEC("s"), TN_FAILED_PRECONDITION, "Serving signature key \"s\" not found."},
    {CLASSIFY, SPEC("s"), TN_INVALID_ARGUMENT, "No signature was found with the name: s"},
    {REGRESS, SPEC("s"), TN_INVALID_ARGUMENT, "No signature was found with the name: s"},
    /* inputs */
    {PREDICT, SPEC("") INPUT("a", FLOATS(1, 1, "float_val: 1")), TN_INVALID_ARGUMENT,
     "input size does not match signature: 1!=2 len({a}) != len({a,b}). Sent extra: {}. Missing but required: {b}."},
    {PREDICT, SPEC("") ONE INPUT("c", "dtype: DT_FLOAT"), TN_INVALID_ARGUMENT,
     "input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. Missing but required: {}."},
    {PREDICT, SPEC(""), TN_INVALID_ARGUMENT,
     "input size does not match signature: 0!=2 len({}) != len({a,b}). Sent extra: {}. Missing but required: {a,b}."},
    {PREDICT, SPEC("scale") INPUT("y", FLOATS(1, 1, "float_val: 1")), TN_INVALID_ARGUMENT,
     "Signature input alias: x(feed name: x:0) not found in request and no default value provided. Inputs expected to "
     "be in the request {y}, or default input alias set: "},
    {PREDICT, SPEC("with_default") INPUT("b", FLOATS(1, 1, "float_val: 1")), TN_INVALID_ARGUMENT,
     "Signature input alias: a(feed name: a:0) not found in request and no default value provided. Inputs expected to "
     "be in the request {b}, or default input alias set: b"},
    {PREDICT, SPEC("with_default") INPUT("a", FLOATS(1, 1, "float_val: 1")) INPUT("c", FLOATS(1, 1, "float_val: 1")),
     TN_INVALID_ARGUMENT, "Inputs contains invalid name. Used request inputs: a, request input: a,c"},
    {PREDICT, SPEC("scale") INPUT("x", FLOATS(1, 2, "tensor_content: 'abc'")), TN_INVALID_ARGUMENT,
     "tensor parsing error: x"},
    {PREDICT, SPEC("scale") INPUT("x", "dtype: DT_FLOAT tensor_shape { dim { size: -1 } }"), TN_INVALID_ARGUMENT,
     "tensor parsing error: x"},
    {PREDICT, SPEC("scale") INPUT("x", "tensor_shape { }"), TN_INVALID_ARGUMENT, "tensor parsing error: x"},
    {PREDICT, SPEC("scale") INPUT("x", "dtype: DT_DOUBLE " SHAPE(1, 1) "double_val: 1"), TN_INVALID_ARGUMENT,
     "Expects arg[0] to be float but double is provided"},
    {PREDICT, SPEC("") INPUT("a", FLOATS(1, 1, "")) INPUT("b", "dtype: DT_INT32 " SHAPE(1, 1)), TN_INVALID_ARGUMENT,
     "Expects arg[1] to be float but int32 is provided"},
    {PREDICT, SPEC("") INPUT("a", FLOATS(1, 3, "")) INPUT("b", FLOATS(4, 2, "")) "output_filter: 'prod'",
     TN_INVALID_ARGUMENT, "Matrix size-incompatible: In[0]: [1,3], In[1]: [4,2]\n\t [[{{node MatMul}}]]"},
    /* outputs */
    {PREDICT, SPEC("") ONE "output_filter: 'z'", TN_INVALID_ARGUMENT,
     "output tensor alias not found in signature: z Outputs expected to be in the set {prod,sum}."},
    {PREDICT, SPEC("") ONE "output_filter: 'sum' output_filter: 'sum'", TN_INVALID_ARGUMENT,
     "duplicate output tensor alias: sum"},
    /* examples */
    {CLASSIFY, SPEC("classify"), TN_INVALID_ARGUMENT, "Input is empty."},
    {CLASSIFY, SPEC("classify") "input { }", TN_INVALID_ARGUMENT, "Input is empty."},
    {REGRESS, SPEC("regress") "input { example_list { } }", TN_INVALID_ARGUMENT, "Input is empty."},
    {REGRESS, SPEC("regress") "input { example_list_with_context { context { } } }", TN_INVALID_ARGUMENT,
     "Input is empty."},
    {CLASSIFY, SPEC("two_inputs") EXAMPLE, TN_INVALID_ARGUMENT, "Expected one input Tensor."},
    {REGRESS, SPEC("classify") EXAMPLE, TN_INVALID_ARGUMENT, "Expected one output Tensor."},
    {CLASSIFY, SPEC("rank1") EXAMPLE, TN_INVALID_ARGUMENT,
     "Expected Tensor shape: [batch_size num_classes] but got [1]"},
    /* several */
    {MULTI, EXAMPLE, TN_INVALID_ARGUMENT, "ModelSpec has no name specified."},
    {MULTI, TASK("classify", "classify") "tasks { } " EXAMPLE, TN_INVALID_ARGUMENT,
     "Found ModelSpec with an empty model name."},
    {MULTI, TASK("classify", "classify") "tasks { model_spec { name: 'n' } } " EXAMPLE, TN_INVALID_ARGUMENT,
     "All ModelSpecs in a MultiInferenceRequest must access the same model name."},
    {MULTI, TASK("classify", "classify") TASK("classify", "classify") EXAMPLE, TN_INVALID_ARGUMENT,
     "Duplicate evaluation of signature: classify"},
    {MULTI, TASK("s", "classify") EXAMPLE, TN_INVALID_ARGUMENT, "Requested signature not found in model graph: s"},
    {MULTI, TASK("scale", "predict") EXAMPLE, TN_UNIMPLEMENTED,
     "Unsupported signature method_name: tensorflow/serving/predict"},
    {MULTI, TASK("classify", "classify") TASK("regress", "regress"), TN_INVALID_ARGUMENT, "Input is empty."},
    /* metadata, reload */
    {METADATA, SPEC(""), TN_INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field"},
    {METADATA, SPEC("") "metadata_field: 'F'", TN_INVALID_ARGUMENT, "Metadata field F is not supported"},
    {RELOAD, "", TN_INVALID_ARGUMENT,
     "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"},
    {RELOAD, "config { custom_model_config { } }", TN_INVALID_ARGUMENT,
     "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"},
};

static void test_refusals(void **state)
{
    server s;
    start(state, &s);
    for (size_t i = 0; i < TN_COUNT(rows); i++) check(&s.service, rows[i].kind, rows[i].request, rows[i].code, rows[i].message);
    stop(&s);
}

/* Off by default. */
static void test_method_names(void **state)
{
    server s;
    start(state, &s);
    const char *odd = SPEC("odd_method") INPUT("x", FLOATS(1, 1, "float_val: 1"));
    check(&s.service, PREDICT, odd, TN_OK, "");
    check(&s.service, CLASSIFY, SPEC("regress") EXAMPLE, TN_FAILED_PRECONDITION,
          "Expected classification signature outputs to contain at least one of \"classes\" or \"scores\". Signature was: "
          "inputs {\n  key: \"inputs\"\n  value {\n    name: \"s:0\"\n    dtype: DT_STRING\n    tensor_shape {\n      dim "
          "{\n        size: -1\n      }\n    }\n  }\n}\noutputs {\n  key: \"outputs\"\n  value {\n    name: \"length:0\"\n  "
          "  dtype: DT_FLOAT\n    tensor_shape {\n      dim {\n        size: -1\n      }\n    }\n  }\n}\nmethod_name: "
          "\"tensorflow/serving/regress\"\n");
    s.service.check_method_name = true;
    check(&s.service, PREDICT, odd, TN_INTERNAL,
          "Expected prediction signature method_name to be one of {tensorflow/serving/predict, "
          "tensorflow/serving/classify, tensorflow/serving/regress}. Was: odd");
    check(&s.service, CLASSIFY, SPEC("regress") EXAMPLE, TN_INVALID_ARGUMENT,
          "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
          "tensorflow/serving/regress");
    check(&s.service, REGRESS, SPEC("classify") EXAMPLE, TN_INVALID_ARGUMENT,
          "Expected regression signature method_name to be tensorflow/serving/regress. Was: tensorflow/serving/classify");
    stop(&s);
}

/* ==== answers ==== */

#define ANSWER_SPEC(signature) \
    "model_spec {\n  name: \"m\"\n  version {\n    value: 1\n  }\n  signature_name: \"" signature "\"\n}\n"
#define OUTPUT(key, n, m, value) \
    "outputs {\n  key: \"" key "\"\n  value {\n    dtype: DT_FLOAT\n    tensor_shape {\n      dim {\n        size: " #n \
    "\n      }\n      dim {\n        size: " #m "\n      }\n    }\n" value "  }\n}\n"

static void test_predict(void **state)
{
    server s;
    start(state, &s);
    check_answer(&s.service, PREDICT, "model_spec { name: 'm' } " ONE,
                 OUTPUT("prod", 1, 1, "    float_val: 6\n") OUTPUT("sum", 1, 1, "    float_val: 5\n")
                     ANSWER_SPEC("serving_default"));
    check_answer(&s.service, PREDICT, SPEC("serving_default") ONE "output_filter: 'sum'",
                 OUTPUT("sum", 1, 1, "    float_val: 5\n") ANSWER_SPEC("serving_default"));
    check_answer(&s.service, PREDICT, SPEC("") ONE "output_filter: 'sum' output_filter: 'prod'",
                 OUTPUT("prod", 1, 1, "    float_val: 6\n") OUTPUT("sum", 1, 1, "    float_val: 5\n")
                     ANSWER_SPEC("serving_default"));
    check_answer(&s.service, PREDICT, SPEC("with_default") INPUT("a", FLOATS(1, 1, "float_val: 1")),
                 OUTPUT("sum", 1, 1, "    float_val: 11\n") ANSWER_SPEC("with_default"));
    check_answer(&s.service, PREDICT, SPEC("scale") INPUT("x", FLOATS(2, 1, "float_val: 1.5")),
                 OUTPUT("y", 2, 1, "    float_val: 3\n    float_val: 3\n") ANSWER_SPEC("scale"));
    s.service.tensor_content = true;
    check_answer(&s.service, PREDICT, SPEC("scale") INPUT("x", FLOATS(1, 1, "tensor_content: '\\000\\000\\200?'")),
                 OUTPUT("y", 1, 1, "    tensor_content: \"\\000\\000\\000@\"\n") ANSWER_SPEC("scale"));
    stop(&s);
}

static void test_classify(void **state)
{
    server s;
    start(state, &s);
    check_answer(&s.service, CLASSIFY, SPEC("classify") "input { example_list { examples { } examples { features { } } } }",
                 "result {\n  classifications {\n    classes {\n    }\n  }\n  classifications {\n    classes {\n      "
                 "label: \"\\n\\000\"\n      score: 2\n    }\n  }\n}\n" ANSWER_SPEC("classify"));
    check_answer(&s.service, REGRESS, SPEC("regress") "input { example_list_with_context { examples { } examples { "
                 "features { } } context { features { } } } }",
                 "result {\n  regressions {\n    value: 2\n  }\n  regressions {\n    value: 4\n  }\n}\n"
                 ANSWER_SPEC("regress"));
    check_answer(&s.service, MULTI, TASK("classify", "classify") TASK("regress", "regress") EXAMPLE,
                 "results {\n  model_spec {\n    name: \"m\"\n    version {\n      value: 1\n    }\n    signature_name: "
                 "\"classify\"\n  }\n  classification_result {\n    classifications {\n      classes {\n        label: "
                 "\"\\n\\000\"\n        score: 2\n      }\n    }\n  }\n}\nresults {\n  model_spec {\n    name: \"m\"\n    "
                 "version {\n      value: 1\n    }\n    signature_name: \"regress\"\n  }\n  regression_result {\n    "
                 "regressions {\n      value: 2\n    }\n  }\n}\n");
    stop(&s);
}

/* The default's name is not in the answer of Classify, as in TensorFlow Serving. */
static void test_half_plus_two(void **state)
{
    server s;
    start(state, &s);
    put_golden(state, "h", "7", HALF_PLUS_TWO);
    tn_error err;
    tn_model_configs c = config_text(tn_arena_printf(arena_of(state), "model_config_list { config { name: 'h' base_path: '%s' "
                                     "model_platform: 'tensorflow' } }", in(state, "h")));
    assert_ok(tn_manager_set_models(s.manager, &c, &err), &err);
    tn_model_configs_free(&c);
    check_answer(&s.service, REGRESS,
                 "model_spec { name: 'h' signature_name: 'regress_x_to_y' } input { example_list { examples { features { "
                 "feature { key: 'x' value { float_list { value: 6 } } } } } } }",
                 "result {\n  regressions {\n    value: 5\n  }\n}\nmodel_spec {\n  name: \"h\"\n  version {\n    value: "
                 "7\n  }\n  signature_name: \"regress_x_to_y\"\n}\n");
    answer r = ask(&s.service, METADATA, "model_spec { name: 'h' } metadata_field: 'signature_def'");
    assert_int_equal(r.code, TN_OK);
    assert_non_null(strstr(r.text, "model_spec {\n  name: \"h\"\n  version {\n    value: 7\n  }\n}\n"));
    assert_non_null(strstr(r.text, "type.googleapis.com/tensorflow.serving.SignatureDefMap"));
    tn_free(r.text);
    check_answer(&s.service, STATUS, "model_spec { name: 'h' version_label: 'ignored' }",
                 "model_version_status {\n  version: 7\n  state: AVAILABLE\n  status {\n  }\n}\n");
    stop(&s);
}

static void test_reload(void **state)
{
    server s;
    start(state, &s);
    char *text = tn_arena_printf(arena_of(state), "config { model_config_list { config { name: 'new' base_path: '%s' "
                                 "model_platform: 'tensorflow' } } } metric_names: 'none'", in(state, "m"));
    check_answer(&s.service, RELOAD, text, "status {\n}\nmetric {\n  name: \"none\"\n  int64_value_increase: 0\n}\n");
    check(&s.service, PREDICT, SPEC(""), TN_NOT_FOUND, "Servable not found for request: Latest(m)");
    check_answer(&s.service, PREDICT, "model_spec { name: 'new' signature_name: 'total' } "
                 INPUT("x", FLOATS(1, 2, "float_val: 4")),
                 "outputs {\n  key: \"t\"\n  value {\n    dtype: DT_FLOAT\n    tensor_shape {\n    }\n    float_val: 8\n  "
                 "}\n}\nmodel_spec {\n  name: \"new\"\n  version {\n    value: 1\n  }\n  signature_name: \"total\"\n}\n");
    stop(&s);
}

static void test_facts(void **state)
{
    server s;
    start(state, &s);
    answer r = ask(&s.service, REGRESS, SPEC("regress") EXAMPLE);
    assert_int_equal(r.facts.api, TN_API_REGRESS);
    assert_int_equal(r.facts.version, 1);
    assert_int_equal(r.facts.examples, 1);
    assert_int_equal(r.facts.code, TN_OK);
    tn_free(r.text);
    r = ask(&s.service, PREDICT, "model_spec { name: 'm' version { value: 3 } }");
    assert_int_equal(r.facts.code, TN_NOT_FOUND);
    assert_int_equal(r.facts.version, 0);
    tn_free(r.text);
    stop(&s);
}

/* A request whose memory ends is refused, and the next is answered. */
static tn_code ask_short_of_memory(tn_service *s, kind k, const char *text, int n)
{
    tn_error err;
    tn_arena *a = tn_arena_new(0);
    void *in, *out = NULL;
    tn_turn t = {.service = s, .arena = a};
    assert_ok(tn_proto_parse(apis[k].request, tn_view_of(text), a, &in, &err), &err);
    tn_malloc_fail_at(n);
    tn_code code = call(k, &t, in, &out, &err);
    tn_malloc_fail_at(0);
    tn_turn_end(&t, code, err.message);
    tn_arena_free(a);
    return code;
}

static void test_no_memory(void **state)
{
    static const struct {
        kind kind;
        const char *request;
    } asked[] = {
        {PREDICT, SPEC("") ONE "output_filter: 'sum'"},
        {PREDICT, SPEC("strings") "inputs { key: 's' value { dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: 'a' } }"},
        {CLASSIFY, SPEC("classify") EXAMPLE},
        {REGRESS, SPEC("regress") EXAMPLE},
        {MULTI, TASK("classify", "classify") TASK("regress", "regress") EXAMPLE},
        {METADATA, SPEC("") "metadata_field: 'signature_def'"},
        {STATUS, SPEC("")},
    };
    server s;
    start(state, &s);
    for (size_t i = 0; i < TN_COUNT(asked); i++) {
        for (int n = 1; n < 40; n++) {
            tn_code code = ask_short_of_memory(&s.service, asked[i].kind, asked[i].request, n);
            if (code != TN_OK && code != TN_RESOURCE_EXHAUSTED) fail_msg("%s: %s", asked[i].request, tn_code_name(code));
        }
        check(&s.service, asked[i].kind, asked[i].request, TN_OK, "");
    }
    stop(&s);
}

/* Requests in the model's log: what came and what went. */
static void test_request_log(void **state)
{
    tn_error err;
    server s;
    tn_servable *v;
    tn_request_log *log;
    tn_LogCollectorConfig collector = {.type = TN_VIEW(""), .filename_prefix = tn_view_of(in(state, "requests"))};
    tn_SamplingConfig sampling = {.sampling_rate = 1};
    tn_LoggingConfig config = {.log_collector_config = &collector, .sampling_config = &sampling};
    start(state, &s);
    assert_ok(tn_request_log_open(&config, "m", NULL, &log, &err), &err);
    assert_ok(get(s.manager, "m", -1, NULL, &v, &err), &err);
    atomic_store(&v->request_log, log);
    tn_view request = TN_VIEW("\x0a\x03\x0a\x01m"), response = TN_VIEW("\x12\x03\x0a\x01m");
    tn_ModelSpec spec = {.name = TN_VIEW("m")};
    tn_turn t = {.service = &s.service, .arena = arena_of(state), .servable = v, .spec = &spec, .facts.api = TN_API_PREDICT};
    tn_turn_log(&t, request, response);
    t.facts.api = TN_API_STATUS; /* not of a kind that is logged */
    tn_turn_log(&t, request, response);
    atomic_store(&v->request_log, NULL);
    tn_turn_log(&t, request, response);
    tn_request_log_close(log);
    tn_servable_unref(v);
    char **names;
    size_t n, found = 0;
    assert_ok(tn_list_folder(in(state, ""), arena_of(state), &names, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        if (strncmp(names[i], "requests", 8) != 0) continue;
        tn_view left = content(state, in(state, names[i])), record;
        tn_PredictionLog *l;
        while (tn_record_next(&left, 0, &record, &err) == TN_OK) {
            assert_ok(TN_DECODE(PredictionLog, record, arena_of(state), &l, &err), &err);
            assert_int_equal(l->log_type_case, TN_PredictionLog_predict_log);
            assert_true(tn_view_is(l->predict_log->request->model_spec->name, "m"));
            assert_true(tn_view_is(l->predict_log->response->model_spec->name, "m"));
            assert_int_equal(l->log_metadata->model_spec->version->value, 1);
            found++;
        }
    }
    assert_int_equal(found, 1);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refusals),      TEST(test_method_names), TEST(test_predict), TEST(test_classify),
        TEST(test_half_plus_two), TEST(test_reload),       TEST(test_facts),
        TEST(test_no_memory),     TEST(test_request_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
