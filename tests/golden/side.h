/* SPDX-License-Identifier: Apache-2.0
 *
 * side.h - one side of an operator's golden: its named tensors, from the files beside case.json.
 */
#ifndef TN_TEST_SIDE_H
#define TN_TEST_SIDE_H

#include "near.h"

enum { MAX_VALUES = 64 };

typedef struct side { /* named tensors from files */
    char *names[MAX_VALUES];
    tn_tensor *values[MAX_VALUES];
    int n;
} side;

static inline tn_code load_side(tn_arena *a, const char *dir, const tn_json *recs, side *out, tn_error *err)
{
    for (const tn_json *r = recs ? recs->child : NULL; r; r = r->next) {
        const tn_json *file = tn_json_find(r, "file");
        if (!file) continue; /* TensorFlow gives none */
        if (out->n == MAX_VALUES)
            return tn_fail(err, TN_INVALID_ARGUMENT, "more than %d tensors", MAX_VALUES);
        out->names[out->n] = tn_arena_printf(a, "%.*s:0", (int)r->key.n, r->key.p);
        TN_TRY(tn_tensor_load(tn_path_join(a, dir, file->text.p), &out->values[out->n], err));
        const tn_json *dtype = tn_json_find(r, "dtype");
        if (dtype && tn_view_is(dtype->text, "bfloat16")) out->values[out->n]->dtype = TN_BFLOAT16;
        out->n++;
    }
    return TN_OK;
}

static inline void drop_side(side *s)
{
    for (int i = 0; i < s->n; i++) tn_tensor_unref(s->values[i]);
}

static inline tolerance tolerance_of(const tn_json *c)
{
    const tn_json *t = tn_json_find(c, "tolerance");
    return (tolerance){number_or(t, "rtol", 1e-5), number_or(t, "atol", 1e-6)};
}

#endif
