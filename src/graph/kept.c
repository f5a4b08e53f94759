/* SPDX-License-Identifier: Apache-2.0
 *
 * kept.c - what is known of the values behind a handle (a TensorArray, a stack), as inference comes by the operators
 * that put them there: what is taken out has their shape, and is their value where all are one constant.
 *
 * Inference goes in the order of running, so what is put in mostly comes first. Where it does not, and what was told of
 * the values turns out not to hold of a later one, *late is set, and inference is repeated without this file.
 */
#include "op.h"

struct tn_kept {
    tn_shape shape;
    const tn_tensor *value; /* of all of them; NULL: they differ, or are not known */
    bool some, told;
    bool *late;
};

enum { MOST_BYTES = 1024 }; /* of a value that is compared */

tn_code tn_kept_new(const tn_infer *c, int o, tn_error *err)
{
    if (!c->late) return TN_OK;
    tn_kept *k = TN_NEW(c->arena, tn_kept);
    if (!k) return tn_no_memory(err, sizeof *k);
    *k = (tn_kept){.late = c->late};
    c->out[o].kept = k;
    return TN_OK;
}

static bool is_same_value(const tn_tensor *a, const tn_tensor *b)
{
    if (a == b) return true;
    if (!a || !b || a->dtype != b->dtype || !tn_dtype_is_pod(a->dtype)) return false;
    if (!tn_shape_equal(&a->shape, &b->shape)) return false;
    const size_t n = tn_tensor_bytes(a);
    return n <= MOST_BYTES && (!n || memcmp(a->data, b->data, n) == 0);
}

static void set(tn_kept *k, const tn_shape *shape, const tn_tensor *value)
{
    const bool changed = !tn_shape_equal(&k->shape, shape) || (k->value && !value);
    if (changed && k->told) *k->late = true;
    k->shape = *shape;
    k->value = value;
}

/* The shape that both are of. */
static tn_shape join(const tn_shape *a, const tn_shape *b)
{
    tn_shape s = *a;
    if (a->rank < 0 || a->rank != b->rank) return tn_shape_unknown();
    for (int d = 0; d < s.rank; d++)
        if (s.dim[d] != b->dim[d]) s.dim[d] = -1;
    return s;
}

void tn_kept_put(tn_kept *k, const tn_shape *shape, const tn_tensor *value)
{
    if (!k) return;
    if (k->some) {
        const tn_shape both = join(&k->shape, shape);
        set(k, &both, k->value && is_same_value(k->value, value) ? k->value : NULL);
    } else {
        *k = (tn_kept){.shape = *shape, .value = value, .some = true, .late = k->late};
    }
}

void tn_kept_get(tn_kept *k, tn_info *out)
{
    tn_shape both;
    if (!k || !k->some || k->shape.rank < 0 || tn_shape_merge(&out->shape, &k->shape, &both, NULL) != TN_OK) return;
    k->told = true;
    out->shape = both;
    out->value = k->value;
}

void tn_kept_end(tn_kept *k)
{
    const tn_shape any = tn_shape_unknown();
    if (!k) return;
    set(k, &any, NULL);
    k->some = true;
}
