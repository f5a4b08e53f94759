/* SPDX-License-Identifier: Apache-2.0
 *
 * test_reflection.c - what gRPC's reflection answers, and what the health service says when asked once.
 */
#include "serve/grpc_api.h"
#include "serve/reflection.h"
#include "place.h"

static tn_ServerReflectionResponse *ask(void **state, const tn_service *s, const tn_ServerReflectionRequest *in)
{
    tn_error err;
    tn_ServerReflectionResponse *r;
    assert_ok(tn_reflection_answer(s, in, arena_of(state), &r, &err), &err);
    assert_ptr_equal(r->original_request, in);
    return r;
}

static tn_ServerReflectionResponse *ask_symbol(void **state, const char *symbol)
{
    static const tn_service none;
    tn_ServerReflectionRequest *in = TN_NEW(arena_of(state), tn_ServerReflectionRequest);
    TN_SET(in, ServerReflectionRequest, message_request, file_containing_symbol) = tn_view_of(symbol);
    return ask(state, &none, in);
}

static tn_FileDescriptorProto *file_of(void **state, tn_view bytes)
{
    tn_error err;
    tn_FileDescriptorProto *f;
    assert_ok(TN_DECODE(FileDescriptorProto, bytes, arena_of(state), &f, &err), &err);
    return f;
}

static bool has(void **state, const tn_view_list *files, tn_view name)
{
    for (uint32_t i = 0; i < files->n; i++)
        if (tn_view_eq(file_of(state, files->items[i])->name, name)) return true;
    return false;
}

static const struct {
    const char *symbol, *file;
} symbols[] = {
    {"tensorflow.serving.PredictionService", "tensorflow_serving/apis/prediction_service.proto"},
    {"tensorflow.serving.PredictionService.Predict", "tensorflow_serving/apis/prediction_service.proto"},
    {"tensorflow.serving.PredictRequest", "tensorflow_serving/apis/predict.proto"},
    {"tensorflow.serving.PredictRequest.InputsEntry", "tensorflow_serving/apis/predict.proto"},
    {"tensorflow.serving.PredictRequest.output_filter", "tensorflow_serving/apis/predict.proto"},
    {"tensorflow.serving.ModelVersionStatus.State", "tensorflow_serving/apis/get_model_status.proto"},
    {"tensorflow.serving.ModelVersionStatus.AVAILABLE", "tensorflow_serving/apis/get_model_status.proto"},
    {"tensorflow.DT_FLOAT", "tensorflow/core/framework/types.proto"},
    {"tensorflow.DataType", "tensorflow/core/framework/types.proto"},
    {"tensorflow.TensorShapeProto.Dim.size", "tensorflow/core/framework/tensor_shape.proto"},
    {"google.protobuf.Any", "google/protobuf/any.proto"},
    {"grpc.health.v1.Health.Watch", "grpc/health/v1/health.proto"},
};

/* The file first, and with it all that it depends on. */
static void test_symbols(void **state)
{
    for (size_t i = 0; i < TN_COUNT(symbols); i++) {
        tn_ServerReflectionResponse *r = ask_symbol(state, symbols[i].symbol);
        if (r->message_response_case != TN_ServerReflectionResponse_file_descriptor_response)
            fail_msg("%s was not found", symbols[i].symbol);
        const tn_view_list *files = &r->file_descriptor_response->file_descriptor_proto;
        tn_view name = file_of(state, files->items[0])->name;
        if (!tn_view_is(name, symbols[i].file))
            fail_msg("%s is in %.*s", symbols[i].symbol, (int)name.n, name.p);
        for (uint32_t k = 0; k < files->n; k++) {
            const tn_FileDescriptorProto *f = file_of(state, files->items[k]);
            for (uint32_t d = 0; d < f->dependency.n; d++) assert_true(has(state, files, f->dependency.items[d]));
        }
    }
}

static void test_unknown(void **state)
{
    static const char *const names[] = {"", ".", "tensorflow", "tensorflow.", "tensorflow.serving", "PredictRequest",
                                        "tensorflow.serving.PredictReques", "tensorflow.serving.PredictRequest.",
                                        "tensorflow.serving.PredictRequestX", "tensorflow.serving.PredictRequest.x.y"};
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        tn_ServerReflectionResponse *r = ask_symbol(state, names[i]);
        if (r->message_response_case != TN_ServerReflectionResponse_error_response) fail_msg("'%s' was found", names[i]);
        assert_int_equal(r->error_response->error_code, TN_NOT_FOUND);
    }
    static const tn_service none;
    tn_ServerReflectionRequest nothing = {.host = TN_VIEW("h")};
    tn_ServerReflectionResponse *r = ask(state, &none, &nothing);
    assert_int_equal(r->error_response->error_code, TN_INVALID_ARGUMENT);
    assert_true(tn_view_is(r->valid_host, "h"));
}

static void test_files(void **state)
{
    static const tn_service none;
    tn_ServerReflectionRequest in = {.host = TN_VIEW("")};
    TN_SET(&in, ServerReflectionRequest, message_request, file_by_filename) = TN_VIEW("google/protobuf/any.proto");
    tn_ServerReflectionResponse *r = ask(state, &none, &in);
    assert_int_equal(r->file_descriptor_response->file_descriptor_proto.n, 1);
    TN_SET(&in, ServerReflectionRequest, message_request, file_by_filename) = TN_VIEW("any.proto");
    assert_int_equal(ask(state, &none, &in)->error_response->error_code, TN_NOT_FOUND);
    TN_SET(&in, ServerReflectionRequest, message_request, file_by_filename) = (tn_view){0};
    TN_SET(&in, ServerReflectionRequest, message_request, all_extension_numbers_of_type) = TN_VIEW("tensorflow.NodeDef");
    assert_true(tn_view_is(ask(state, &none, &in)->all_extension_numbers_response->base_type_name, "tensorflow.NodeDef"));
    TN_SET(&in, ServerReflectionRequest, message_request, all_extension_numbers_of_type) = TN_VIEW("tensorflow.Nod");
    assert_int_equal(ask(state, &none, &in)->error_response->error_code, TN_NOT_FOUND);
    tn_ExtensionRequest extension = {.extension_number = 5};
    TN_SET(&in, ServerReflectionRequest, message_request, file_containing_extension) = &extension;
    assert_int_equal(ask(state, &none, &in)->error_response->error_code, TN_NOT_FOUND);
}

/* Services that are switched off are not listed; of those listed each method has a descriptor. */
static void test_services(void **state)
{
    tn_service s = {.health = false};
    tn_ServerReflectionRequest in = {.host = TN_VIEW("")};
    TN_SET(&in, ServerReflectionRequest, message_request, list_services) = TN_VIEW("*");
    tn_ServerReflectionResponse *r = ask(state, &s, &in);
    assert_int_equal(r->list_services_response->service.n, 2);
    assert_true(tn_view_is(r->list_services_response->service.items[0].name, "tensorflow.serving.PredictionService"));
    assert_true(tn_view_is(r->list_services_response->service.items[1].name, "tensorflow.serving.ModelService"));
    s.health = s.reflection = true;
    r = ask(state, &s, &in);
    assert_int_equal(r->list_services_response->service.n, 5);
    const char *path;
    for (size_t i = 0; (path = tn_grpc_path_at(&s, i)); i++) {
        char *symbol = tn_arena_strdup(arena_of(state), path + 1);
        *strchr(symbol, '/') = '.';
        assert_int_equal(ask_symbol(state, symbol)->message_response_case,
                         TN_ServerReflectionResponse_file_descriptor_response);
    }
}

static void test_health(void **state)
{
    tn_error err;
    tn_service s = {.health = true};
    tn_turn t = {.service = &s, .arena = arena_of(state)};
    tn_HealthCheckResponse *r;
    tn_HealthListResponse *all;
    static const char *const known[] = {"", "ModelService", "PredictionService", "tensorflow.serving.ModelService",
                                        "tensorflow.serving.PredictionService"};
    for (int drained = 0; drained < 2; drained++) {
        for (size_t i = 0; i < TN_COUNT(known); i++) {
            assert_ok(tn_health_check(&t, &(tn_HealthCheckRequest){.service = tn_view_of(known[i])}, &r, &err), &err);
            assert_int_equal(r->status, drained ? 2 : 1);
        }
        assert_ok(tn_health_list(&t, &(tn_HealthListRequest){0}, &all, &err), &err);
        assert_int_equal(all->statuses.n, TN_COUNT(known));
        assert_int_equal(all->statuses.items[0].value->status, drained ? 2 : 1);
        tn_service_drain(&s);
    }
    assert_code(tn_health_check(&t, &(tn_HealthCheckRequest){.service = TN_VIEW("other")}, &r, &err), TN_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_symbols), TEST(test_unknown), TEST(test_files), TEST(test_services), TEST(test_health),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
