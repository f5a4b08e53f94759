/* SPDX-License-Identifier: Apache-2.0
 *
 * boxed.c - variants that hold tensors.
 */
#include "boxed.h"

#include "list.h"

static void release(tn_variant *v)
{
    tn_box *b = (tn_box *)v;
    for (int i = 0; i < b->n; i++) tn_tensor_unref((tn_tensor *)b->item[i]);
    tn_free(b);
}

tn_code tn_box_new(const tn_tensor *const *item, int n, tn_box **out, tn_error *err)
{
    tn_box *b = tn_malloc(sizeof *b + (size_t)n * sizeof *b->item);
    if (!b) return tn_no_memory(err, sizeof *b);
    atomic_init(&b->head.refs, 1);
    b->head.release = release;
    b->head.depth = 1;
    for (b->n = 0; b->n < n; b->n++) {
        int depth = 1 + tn_list_depth(item[b->n]);
        if (depth > TN_LIST_MAX_DEPTH) {
            release(&b->head);
            return tn_fail(err, TN_INVALID_ARGUMENT, "variants nested deeper than %d", TN_LIST_MAX_DEPTH);
        }
        b->head.depth = TN_MAX(b->head.depth, depth);
        tn_tensor *kept;
        tn_code code = tn_tensor_keep(item[b->n], &kept, err);
        if (code != TN_OK) {
            release(&b->head);
            return code;
        }
        b->item[b->n] = kept;
    }
    *out = b;
    return TN_OK;
}

const tn_box *tn_box_or_none(const tn_variant *v)
{
    return v && v->release == release ? (const tn_box *)v : NULL;
}

tn_code tn_box_of(const tn_tensor *t, int64_t at, int n, const tn_box **out, tn_error *err)
{
    const tn_box *b = t->dtype == TN_VARIANT ? tn_box_or_none(((tn_variant **)t->data)[at]) : NULL;
    if (!b || (n >= 0 && b->n != n))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "variant element %lld does not hold the tensors that are wanted", (long long)at);
    *out = b;
    return TN_OK;
}

tn_code tn_box_set(tn_tensor *t, int64_t at, const tn_tensor *const *item, int n, tn_error *err)
{
    tn_box *b;
    TN_TRY(tn_box_new(item, n, &b, err));
    tn_variant **to = (tn_variant **)t->data + at;
    if (*to) tn_variant_unref(*to);
    *to = &b->head;
    return TN_OK;
}

tn_code tn_box_put(tn_tensor *t, int64_t at, const tn_tensor *item, tn_error *err)
{
    return tn_box_set(t, at, &item, 1, err);
}

tn_code tn_box_take(const tn_tensor *t, int64_t at, tn_tensor **out, tn_error *err)
{
    const tn_box *b = NULL;
    TN_TRY(tn_box_of(t, at, 1, &b, err));
    *out = tn_tensor_ref((tn_tensor *)b->item[0]);
    return TN_OK;
}
