/* SPDX-License-Identifier: Apache-2.0
 *
 * api_metadata.c - GetModelMetadata: the signatures of a model, as its SavedModel has them.
 *
 * Invariant: codes and words of what is refused are TensorFlow Serving's.
 */
#include "../format/loaded.h"
#include "serve.h"

#define FIELD_NAME "signature_def"
#define TYPE_URL "type.googleapis.com/tensorflow.serving.SignatureDefMap"

static tn_code check_fields(const tn_GetModelMetadataRequest *in, tn_error *err)
{
    if (!in->metadata_field.n)
        return tn_fail(err, TN_INVALID_ARGUMENT, "GetModelMetadataRequest must specify at least one metadata_field");
    for (uint32_t i = 0; i < in->metadata_field.n; i++) {
        tn_view f = in->metadata_field.items[i];
        if (!tn_view_is(f, FIELD_NAME))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Metadata field %.*s is not supported", (int)TN_MIN(f.n, 1100),
                           f.p);
    }
    return TN_OK;
}

/* All signatures of the model without their defaults. */
static tn_code signatures_of(const tn_servable *s, tn_arena *a, tn_SignatureDefMap *out, tn_error *err)
{
    const tn_metagraph *m = s->loaded->meta;
    for (uint32_t i = 0; m && i < m->def->signature_def.n; i++) {
        const tn_SignatureDefEntry *from = &m->def->signature_def.items[i];
        tn_SignatureDefEntry *e = TN_PUSH(a, &out->signature_def);
        tn_SignatureDef *def = TN_NEW(a, tn_SignatureDef);
        if (!e || !def) return tn_no_memory(err, sizeof *e);
        *def = *from->value;
        def->defaults.n = 0;
        *e = *from;
        e->value = def;
    }
    return TN_OK;
}

/* The map packed into google.protobuf.Any, its bytes in the arena. */
static tn_code pack(const tn_SignatureDefMap *map, tn_arena *a, tn_Any *out, tn_error *err)
{
    tn_buf bytes = {0};
    tn_code code = TN_ENCODE(SignatureDefMap, map, &bytes, err);
    size_t n = bytes.n;
    char *copy = code == TN_OK ? tn_arena_strndup(a, n ? bytes.data : "", n) : NULL;
    tn_buf_free(&bytes);
    if (code != TN_OK) return code;
    if (!copy) return tn_no_memory(err, n);
    out->type_url = TN_VIEW(TYPE_URL);
    out->value = (tn_view){copy, n};
    return TN_OK;
}

tn_code tn_metadata_request(tn_turn *t, const tn_GetModelMetadataRequest *in, tn_GetModelMetadataResponse **out,
                            tn_error *err)
{
    t->facts.api = TN_API_METADATA;
    if (!in->model_spec) return tn_fail(err, TN_INVALID_ARGUMENT, "Missing ModelSpec");
    TN_TRY(check_fields(in, err));
    TN_TRY(tn_turn_servable(t, in->model_spec, err));
    tn_GetModelMetadataResponse *r = TN_NEW(t->arena, tn_GetModelMetadataResponse);
    tn_SignatureDefMap map = {.signature_def = {0}};
    tn_AnyEntry *e = r ? TN_PUSH(t->arena, &r->metadata) : NULL;
    if (!e || !(e->value = TN_NEW(t->arena, tn_Any))) return tn_no_memory(err, sizeof *r);
    e->key = TN_VIEW(FIELD_NAME);
    TN_TRY(signatures_of(t->servable, t->arena, &map, err));
    TN_TRY(pack(&map, t->arena, e->value, err));
    TN_TRY(tn_turn_spec(t, (tn_view){0}, &r->model_spec, err));
    *out = r;
    return TN_OK;
}
