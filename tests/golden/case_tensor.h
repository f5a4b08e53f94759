/* SPDX-License-Identifier: Apache-2.0
 *
 * case_tensor.h - what stands in cases/FAMILY.jsonl: a tensor, t (dtype), s (shape), b (bytes, base64) or v (strings); a graph.
 */
#ifndef TN_GOLDEN_CASE_TENSOR_H
#define TN_GOLDEN_CASE_TENSOR_H

#include "format/format.h"

static inline tn_code case_strings(const tn_json *list, tn_tensor *t, tn_error *err)
{
    const tn_json *s = list ? list->child : NULL;
    for (int64_t i = 0; i < tn_tensor_count(t); i++, s = s ? s->next : NULL) {
        const tn_json *b64 = s ? tn_json_find(s, "b64") : NULL;
        tn_buf bytes = {0};
        if (b64 && !tn_base64_decode(b64->text, &bytes)) return tn_fail(err, TN_DATA_LOSS, "base64");
        tn_view v = b64 ? (tn_view){bytes.data, bytes.n} : s ? s->text : (tn_view){0};
        tn_code code = tn_string_set(t, i, v.p ? v.p : "", v.n, err);
        tn_buf_free(&bytes);
        TN_TRY(code);
    }
    return TN_OK;
}

static inline tn_code case_bytes(const tn_json *b64, tn_tensor *t, tn_error *err)
{
    tn_buf bytes = {0};
    bool whole = b64 && tn_base64_decode(b64->text, &bytes) &&
                 bytes.n == (size_t)tn_tensor_count(t) * tn_dtype_size(t->dtype);
    if (whole && bytes.n) memcpy(t->data, bytes.data, bytes.n);
    tn_buf_free(&bytes);
    return whole ? TN_OK : tn_fail(err, TN_DATA_LOSS, "bytes do not fit the shape");
}

static inline tn_code case_tensor(const tn_json *j, tn_tensor **out, tn_error *err)
{
    const tn_json *dtype = tn_json_find(j, "t"), *shape = tn_json_find(j, "s");
    tn_shape s = {0};
    tn_tensor *t;
    if (!dtype || !shape) return tn_fail(err, TN_DATA_LOSS, "a tensor needs t and s");
    for (const tn_json *d = shape->child; d; d = d->next) s.dim[s.rank++] = d->integer;
    TN_TRY(tn_tensor_new(tn_dtype_named(dtype->text.p), &s, &t, err));
    tn_code code = t->dtype == TN_STRING ? case_strings(tn_json_find(j, "v"), t, err)
                                         : case_bytes(tn_json_find(j, "b"), t, err);
    if (code) tn_tensor_unref(t);
    else *out = t;
    return code;
}

/* A graph of the definition; it is the caller's. */
static inline tn_code case_graph(const tn_GraphDef *def, tn_graph **out, tn_error *err)
{
    tn_graph *g = tn_graph_new();
    tn_code code = g ? tn_graphdef_import(def, NULL, g, err) : tn_no_memory(err, 0);
    if (code) tn_graph_free(g);
    else *out = g;
    return code;
}

/* The same of its text. */
static inline tn_code case_graph_text(tn_view text, tn_arena *a, tn_graph **out, tn_error *err)
{
    tn_GraphDef *def;
    TN_TRY(TN_PARSE(GraphDef, text, a, &def, err));
    return case_graph(def, out, err);
}

#endif
