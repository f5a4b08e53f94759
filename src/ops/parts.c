/* SPDX-License-Identifier: Apache-2.0
 *
 * parts.c - joins parts of a tensor that stand side by side, and takes them apart (parts.h). Elements are moved by
 * kernel/ where they are plain, one by one where they own something.
 */
#include "parts.h"

tn_code tn_parts_new(tn_prepare *p, int n, int first, tn_parts **out, tn_error *err)
{
    TN_PARAMS(p, tn_parts, parts);
    parts->n = n;
    parts->first = first;
    parts->size = TN_ARRAY(p->arena, n > 0 ? n : 1, int64_t);
    if (!parts->size) return tn_no_memory(err, (size_t)n * sizeof(int64_t));
    p->scratch = (size_t)n * sizeof(void *);
    *out = parts;
    return TN_OK;
}

tn_code tn_parts_join(tn_run *r, tn_error *err)
{
    const tn_parts *parts = r->params;
    tn_tensor *out = r->out[0];
    if (tn_dtype_is_pod(out->dtype)) {
        const void **from = r->scratch;
        for (int i = 0; i < parts->n; i++) from[i] = r->in[parts->first + i]->data;
        tn_concat((int)tn_dtype_size(out->dtype), parts->outer, parts->inner, parts->n, parts->size, from, out->data,
                  r->threads);
        return TN_OK;
    }
    int64_t at = 0;
    for (int64_t o = 0; o < parts->outer && tn_tensor_count(out); o++)
        for (int i = 0; i < parts->n; i++) {
            int64_t row = parts->size[i] * parts->inner;
            TN_TRY(tn_move_row(out, at, r->in[parts->first + i], o * row, row, err));
            at += row;
        }
    return TN_OK;
}

tn_code tn_parts_cut(tn_run *r, tn_error *err)
{
    const tn_parts *parts = r->params;
    const tn_tensor *in = r->in[parts->first];
    if (tn_dtype_is_pod(in->dtype)) {
        void **to = r->scratch;
        for (int i = 0; i < parts->n; i++) to[i] = r->out[i]->data;
        tn_split((int)tn_dtype_size(in->dtype), parts->outer, parts->inner, parts->n, parts->size, in->data, to,
                 r->threads);
        return TN_OK;
    }
    int64_t at = 0;
    for (int64_t o = 0; o < parts->outer && tn_tensor_count(in); o++)
        for (int i = 0; i < parts->n; i++) {
            int64_t row = parts->size[i] * parts->inner;
            TN_TRY(tn_move_row(r->out[i], o * row, in, at, row, err));
            at += row;
        }
    return TN_OK;
}
