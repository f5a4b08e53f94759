/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_grpc_api.c - any bytes as a message of each method, asked of a small model; the first byte says which.
 */
#include <unistd.h>

#include "serve/reflection.h"
#include "small_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static tn_servable *servable(void)
{
    static tn_servable *s; /* one for all inputs */
    char folder[64];
    if (s) return s;
    snprintf(folder, sizeof folder, "/tmp/tn_fuzz_api.%ld", (long)getpid());
    s = tn_fuzz_load_model(folder);
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
    if (!size) return 0;
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
