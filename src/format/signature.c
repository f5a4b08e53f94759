/* SPDX-License-Identifier: Apache-2.0
 *
 * signature.c - SignatureDef messages <-> signatures: what may be asked of a model, by name.
 */
#include "metagraph.h"

static const char *text(tn_arena *a, tn_view v)
{
    return tn_arena_strndup(a, v.n ? v.p : "", v.n);
}

/* ---- from the message ---- */

static tn_code sparse_from(const tn_CooSparse *p, tn_arena *a, tn_tensor_info *out, tn_error *err)
{
    out->values = text(a, p->values_tensor_name);
    out->indices = text(a, p->indices_tensor_name);
    out->dense_shape = text(a, p->dense_shape_tensor_name);
    return out->values && out->indices && out->dense_shape ? TN_OK
                                                           : tn_no_memory(err, p->values_tensor_name.n);
}

static tn_code info_from(const tn_TensorInfoEntry *e, tn_arena *a, tn_tensor_info *out, tn_error *err)
{
    const tn_TensorInfo *p = e->value;
    *out = (tn_tensor_info){.key = text(a, e->key), .dtype = (tn_dtype)p->dtype};
    if (!out->key) return tn_no_memory(err, e->key.n);
    TN_TRY(tn_shape_from_proto(p->tensor_shape, &out->shape, err));
    if (!p->tensor_shape) out->shape = tn_shape_unknown();
    if (p->encoding_case == TN_TensorInfo_coo_sparse) return sparse_from(p->coo_sparse, a, out, err);
    if (p->encoding_case != TN_TensorInfo_name) return TN_OK;
    out->name = text(a, p->name);
    return out->name ? TN_OK : tn_no_memory(err, p->name.n);
}

static tn_code infos_from(const tn_TensorInfoEntry_list *p, tn_arena *a, const tn_tensor_info **out, int *n,
                          tn_error *err)
{
    tn_tensor_info *t = TN_ARRAY(a, p->n + 1, tn_tensor_info);
    if (!t) return tn_no_memory(err, p->n * sizeof *t);
    for (uint32_t i = 0; i < p->n; i++) {
        tn_code code = info_from(&p->items[i], a, &t[i], err);
        if (code != TN_OK) {
            tn_wrap(err, "'%.*s'", (int)TN_MIN(p->items[i].key.n, 200), p->items[i].key.p);
            return code;
        }
    }
    *out = t;
    *n = (int)p->n;
    return TN_OK;
}

static tn_code signature_from(const tn_SignatureDefEntry *e, tn_arena *a, tn_signature *out, tn_error *err)
{
    *out = (tn_signature){.name = text(a, e->key), .method = text(a, e->value->method_name)};
    if (!out->name || !out->method) return tn_no_memory(err, e->key.n);
    tn_code code = infos_from(&e->value->inputs, a, &out->in, &out->n_in, err);
    if (code == TN_OK) code = infos_from(&e->value->outputs, a, &out->out, &out->n_out, err);
    if (code != TN_OK) tn_wrap(err, "signature '%s'", out->name);
    return code;
}

tn_code tn_signatures_from_proto(const tn_MetaGraphDef *def, tn_arena *a, tn_signature **out, int *n,
                                 tn_error *err)
{
    const tn_SignatureDefEntry_list *p = &def->signature_def;
    tn_signature *s = TN_ARRAY(a, p->n + 1, tn_signature);
    int count = 0;
    if (!s) return tn_no_memory(err, p->n * sizeof *s);
    for (uint32_t i = 0; i < p->n; i++) {
        if (tn_view_starts(p->items[i].key, "__saved_model_")) continue; /* TensorFlow's own */
        TN_TRY(signature_from(&p->items[i], a, &s[count++], err));
    }
    *out = s;
    *n = count;
    return TN_OK;
}

/* ---- to the message ---- */

tn_code tn_tensor_info_to_proto(const tn_tensor_info *t, tn_arena *a, tn_TensorInfo *out, tn_error *err)
{
    out->dtype = (int32_t)t->dtype;
    out->tensor_shape = TN_NEW(a, tn_TensorShapeProto);
    if (!out->tensor_shape) return tn_no_memory(err, sizeof *out->tensor_shape);
    TN_TRY(tn_shape_to_proto(&t->shape, a, out->tensor_shape, err));
    if (t->name) {
        TN_SET(out, TensorInfo, encoding, name) = tn_view_of(t->name);
    } else if (t->values) {
        tn_CooSparse *p = TN_NEW(a, tn_CooSparse);
        if (!p) return tn_no_memory(err, sizeof *p);
        *p = (tn_CooSparse){.values_tensor_name = tn_view_of(t->values),
                            .indices_tensor_name = tn_view_of(t->indices),
                            .dense_shape_tensor_name = tn_view_of(t->dense_shape)};
        TN_SET(out, TensorInfo, encoding, coo_sparse) = p;
    }
    return TN_OK;
}

static tn_code infos_to(const tn_tensor_info *t, int n, tn_arena *a, tn_TensorInfoEntry_list *out,
                        tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_TensorInfoEntry *e = TN_PUSH(a, out);
        if (!e || !(e->value = TN_NEW(a, tn_TensorInfo))) return tn_no_memory(err, sizeof *e);
        e->key = tn_view_of(t[i].key);
        TN_TRY(tn_tensor_info_to_proto(&t[i], a, e->value, err));
    }
    return TN_OK;
}

tn_code tn_signatures_to_proto(const tn_signature *s, int n, tn_arena *a, tn_MetaGraphDef *out, tn_error *err)
{
    for (int i = 0; i < n; i++) {
        tn_SignatureDefEntry *e = TN_PUSH(a, &out->signature_def);
        if (!e || !(e->value = TN_NEW(a, tn_SignatureDef))) return tn_no_memory(err, sizeof *e);
        e->key = tn_view_of(s[i].name);
        e->value->method_name = tn_view_of(s[i].method ? s[i].method : TN_PREDICT_METHOD);
        TN_TRY(infos_to(s[i].in, s[i].n_in, a, &e->value->inputs, err));
        TN_TRY(infos_to(s[i].out, s[i].n_out, a, &e->value->outputs, err));
    }
    return TN_OK;
}
