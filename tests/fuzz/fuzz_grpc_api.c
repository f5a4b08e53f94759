/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_grpc_api.c - any bytes as a message of each method, asked of a small model; the first byte says which.
 */
#include <unistd.h>

#include "serve/reflection.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MATRIX TN_SHAPE(-1, -1)

static tn_graph *graph(void)
{
    tn_graph *g = tn_graph_new();
    tn_builder *b = tn_builder_new(g);
    tn_node a = tn_placeholder(b, "a", TN_FLOAT, MATRIX), c = tn_placeholder(b, "b", TN_FLOAT, MATRIX);
    tn_op_named(b, "MatMul", "prod", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_op_named(b, "AddV2", "sum", TN_INPUTS(a, c), TN_NO_ATTRS);
    tn_node s = tn_placeholder(b, "s", TN_STRING, TN_SHAPE(-1));
    tn_named(b, "length", tn_cast_to(b, tn_op(b, "StringLength", TN_INPUTS(s), TN_NO_ATTRS), TN_FLOAT));
    tn_op_named(b, "ExpandDims", "classes", TN_INPUTS(s, tn_scalar(b, TN_INT32, 1)), TN_NO_ATTRS);
    tn_builder_free(b);
    return g;
}

static tn_servable *load(const char *folder)
{
    static const tn_tensor_info ab[] = {{.key = "a", .name = "a:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}},
                                        {.key = "b", .name = "b:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}}};
    static const tn_tensor_info both[] = {{.key = "prod", .name = "prod:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}},
                                          {.key = "sum", .name = "sum:0", .dtype = TN_FLOAT, .shape = {2, {-1, -1}}}};
    static const tn_tensor_info s = {.key = "inputs", .name = "s:0", .dtype = TN_STRING, .shape = {1, {-1}}};
    static const tn_tensor_info length = {.key = "outputs", .name = "length:0", .dtype = TN_FLOAT, .shape = {1, {-1}}};
    static const tn_tensor_info classes = {.key = "classes", .name = "classes:0", .dtype = TN_STRING, .shape = {2, {-1, 1}}};
    static const tn_signature signatures[] = {
        {"c", "tensorflow/serving/classify", &s, &classes, 1, 1},
        {"r", "tensorflow/serving/regress", &s, &length, 1, 1},
        {"serving_default", TN_PREDICT_METHOD, ab, both, 2, 2},
    };
    tn_graph *g = graph();
    tn_export e = {.graph = g, .signatures = signatures, .n_signatures = 3};
    tn_session *session = NULL;
    tn_servable *out = NULL;
    tn_servable_options o = {.model = "m", .path = folder, .version = 1, .session.memory_limit = 1 << 26};
    if (tn_session_new(g, NULL, &session, NULL) == TN_OK) tn_savedmodel_save(folder, -1, &e, session, NULL, NULL);
    tn_servable_load(&o, &out, NULL);
    tn_session_free(session);
    tn_graph_free(g);
    return out;
}

static tn_servable *servable(void)
{
    static tn_servable *s; /* one for all inputs */
    char folder[64];
    if (s) return s;
    snprintf(folder, sizeof folder, "/tmp/tn_fuzz_api.%ld", (long)getpid());
    s = load(folder);
    tn_remove_tree(folder, NULL);
    return s;
}

static tn_code two_halves(tn_turn *t, int which, tn_view bytes, tn_buf *out, tn_error *err)
{
    tn_PredictRequest *p;
    tn_SerializedRequest *r;
    if (which == 0) TN_TRY(TN_DECODE(PredictRequest, bytes, t->arena, &p, err));
    else TN_TRY(TN_DECODE(SerializedRequest, bytes, t->arena, &r, err));
    if (which == 0) TN_TRY(tn_predict_begin(t, p, err));
    if (which == 1) TN_TRY(tn_classify_begin(t, r, err));
    if (which == 2) TN_TRY(tn_regress_begin(t, r, err));
    TN_TRY(tn_ask_run(&t->ask, err));
    if (which == 0) return tn_predict_finish(t, out, err);
    return which == 1 ? tn_classify_finish(t, out, err) : tn_regress_finish(t, out, err);
}

static tn_code at_once(tn_turn *t, int which, tn_view bytes, tn_error *err)
{
    tn_SerializedMultiRequest *m;
    tn_MultiInferenceResponse *multi;
    tn_GetModelMetadataRequest *g;
    tn_GetModelMetadataResponse *metadata;
    tn_ServerReflectionRequest *s;
    tn_ServerReflectionResponse *reflected;
    tn_ReloadConfigRequest *l;
    tn_ReloadConfigResponse *reloaded;
    switch (which) {
    case 3:
        TN_TRY(TN_DECODE(SerializedMultiRequest, bytes, t->arena, &m, err));
        return tn_multi_serialized(t, m, &multi, err);
    case 4:
        TN_TRY(TN_DECODE(GetModelMetadataRequest, bytes, t->arena, &g, err));
        return tn_metadata_request(t, g, &metadata, err);
    case 5:
        TN_TRY(TN_DECODE(ServerReflectionRequest, bytes, t->arena, &s, err));
        return tn_reflection_answer(t->service, s, t->arena, &reflected, err);
    default:
        TN_TRY(TN_DECODE(ReloadConfigRequest, bytes, t->arena, &l, err));
        return tn_reload_request(t, l, &reloaded, err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tn_service service = {.check_method_name = false};
    tn_error err;
    tn_buf out = {0};
    if (!size || !servable()) return 0;
    tn_view bytes = {(const char *)data + 1, size - 1};
    tn_arena *a = tn_arena_new((size_t)1 << 28);
    tn_turn t = {.service = &service, .arena = a, .servable = servable()};
    int which = data[0] % 7;
    tn_code code = which < 3 ? two_halves(&t, which, bytes, &out, &err) : at_once(&t, which, bytes, &err);
    tn_turn_end(&t, code, err.message);
    tn_buf_free(&out);
    tn_arena_free(a);
    return 0;
}
