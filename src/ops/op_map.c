/* SPDX-License-Identifier: Apache-2.0
 *
 * op_map.c - TensorFlow's maps from tensors to tensors, as variants. A map never changes: what looks like a
 * change makes a new one that shares keys and values with the old.
 */
#include "op_math.h"
#include "op_move.h"

typedef struct map {
    tn_variant head;
    int64_t n;
    tn_tensor *item[]; /* key, value, key, value, .. */
} map;

static void release(tn_variant *v)
{
    map *m = (map *)v;
    for (int64_t i = 0; i < 2 * m->n; i++) tn_tensor_unref(m->item[i]);
    tn_free(m);
}

/* Those of `from` but number `without`, with room for one more; NULL: no memory. */
static map *copy(const map *from, int64_t without)
{
    int64_t n = from ? from->n : 0;
    map *m = tn_calloc(1, sizeof *m + (size_t)(2 * n + 2) * sizeof *m->item);
    if (!m) return NULL;
    atomic_init(&m->head.refs, 1);
    m->head.release = release;
    for (int64_t i = 0; i < n; i++) {
        if (i == without) continue;
        m->item[2 * m->n] = tn_tensor_ref(from->item[2 * i]);
        m->item[2 * m->n + 1] = tn_tensor_ref(from->item[2 * i + 1]);
        m->n++;
    }
    return m;
}

static tn_code put(tn_run *r, map *m, tn_error *err)
{
    if (!m) return tn_no_memory(err, sizeof *m);
    tn_variant **at = r->out[0]->data;
    tn_variant_unref(*at);
    *at = &m->head;
    return TN_OK;
}

static tn_code map_of(const tn_run *r, const map **out, tn_error *err)
{
    const tn_tensor *t = r->in[0];
    tn_variant *v = t->dtype == TN_VARIANT && tn_tensor_count(t) == 1 ? *(tn_variant **)t->data : NULL;
    if (!v || v->release != release) return tn_fail(err, TN_INVALID_ARGUMENT, "Input handle is not a map");
    *out = (const map *)v;
    return TN_OK;
}

static int64_t find(const map *m, const tn_tensor *key)
{
    for (int64_t i = 0; i < m->n; i++)
        if (tn_tensor_equal(m->item[2 * i], key)) return i;
    return -1;
}

/* ==== making ==== */

static tn_code empty_run(tn_run *r, tn_error *err)
{
    return put(r, copy(NULL, -1), err);
}

static tn_code insert_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    map *with = copy(m, find(m, r->in[1]));
    if (!with) return tn_no_memory(err, sizeof *with);
    tn_tensor **item = with->item + 2 * with->n;
    tn_code code = tn_tensor_keep(r->in[1], &item[0], err);
    if (code == TN_OK && (code = tn_tensor_keep(r->in[2], &item[1], err)) != TN_OK) tn_tensor_unref(item[0]);
    if (code == TN_OK) {
        with->n++;
        return put(r, with, err);
    }
    release(&with->head);
    return code;
}

static tn_code erase_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    int64_t i = find(m, r->in[1]);
    if (i < 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to erase non-existent item.");
    return put(r, copy(m, i), err);
}

/* ==== looking ==== */

static tn_code lookup_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    int64_t i = find(m, r->in[1]);
    if (i < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to lookup non-existent key. Could not find key.");
    if (m->item[2 * i + 1]->dtype != r->out[0]->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the value is of %s, not %s",
                       tn_dtype_name(m->item[2 * i + 1]->dtype), tn_dtype_name(r->out[0]->dtype));
    return tn_run_output_share(r, 0, m->item[2 * i + 1], err);
}

static tn_code has_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    *(bool *)r->out[0]->data = find(m, r->in[1]) >= 0;
    return TN_OK;
}

static tn_code size_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    *TN_INT32S(r->out[0]) = (int32_t)m->n;
    return TN_OK;
}

static tn_code keys_run(tn_run *r, tn_error *err)
{
    const map *m = NULL;
    TN_TRY(map_of(r, &m, err));
    if (m->n == 0) return tn_fail(err, TN_INVALID_ARGUMENT, "Empty map.");
    const tn_tensor *first = m->item[0];
    tn_shape s = {.rank = 1, .dim = {m->n}};
    if (first->shape.rank == TN_MAX_RANK)
        return tn_fail(err, TN_UNIMPLEMENTED, "more than %d dimensions", TN_MAX_RANK);
    for (int k = 0; k < first->shape.rank; k++) s.dim[s.rank++] = first->shape.dim[k];
    TN_TRY(tn_run_output(r, 0, &s, err));
    int64_t count = tn_tensor_count(first);
    for (int64_t i = 0; i < m->n; i++) {
        const tn_tensor *key = m->item[2 * i];
        if (key->dtype != r->out[0]->dtype || !tn_shape_equal(&key->shape, &first->shape))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Key does not match requested dtype or shape.");
        TN_TRY(tn_move_row(r->out[0], i * count, key, 0, count, err));
    }
    return TN_OK;
}

/* The gradient of a value that is looked up is a map with that value. */
static tn_code lookup_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_node empty = tn_op(g->b, "EmptyTensorMap", TN_NO_INPUTS, TN_NO_ATTRS);
    tn_grad_set(g, 0, tn_g3(g->b, "TensorMapInsert", empty, tn_grad_in(g, 1), tn_grad_dy(g, 0)));
    return TN_OK;
}

typedef struct ways { /* a value that only one of them has: no, yes */
    tn_node value[2];
} ways;

static ways parted(tn_builder *b, tn_node x, tn_node which)
{
    tn_operation *op = tn_add_operation(b, "Switch", NULL, TN_INPUTS(x, which), NULL, 0);
    return (ways){{tn_output_of(op, 0), tn_output_of(op, 1)}};
}

static tn_node merged(tn_builder *b, tn_node no, tn_node yes)
{
    return tn_output_of(tn_add_operation(b, "Merge", NULL, TN_INPUTS(no, yes), NULL, 0), 0);
}

/* What the map's gradient has by the key is the value's, and no more the map's that there was before; zeros
 * where it has nothing. */
static tn_code insert_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_builder *b = g->b;
    tn_node key = tn_grad_in(g, 1), value = tn_grad_in(g, 2), dy = g->dy[0];
    tn_attr t = tn_attr_type("value_dtype", tn_node_dtype(value));
    tn_node has = tn_g2(b, "TensorMapHasKey", dy, key);
    ways map = parted(b, dy, has), k = parted(b, key, has), v = parted(b, value, has);
    tn_node found = tn_op(b, "TensorMapLookup", TN_INPUTS(map.value[1], k.value[1]), &t, 1);
    tn_node rest = tn_op(b, "TensorMapErase", TN_INPUTS(map.value[1], k.value[1]), &t, 1);
    tn_grad_set(g, 0, merged(b, map.value[0], rest));
    tn_grad_set(g, 2, merged(b, tn_g1(b, "ZerosLike", v.value[0]), found));
    return TN_OK;
}

static tn_code erase_grad(tn_grad *g, tn_error *err)
{
    (void)err;
    tn_grad_set(g, 0, g->dy[0]);
    return TN_OK;
}

#define MAP(Name, Infer, Run, Dynamic, Grad, Flags, Sig) \
    const tn_op tn_op_##Name = {.name = #Name,           \
                                .sig = Sig,              \
                                .infer = Infer,          \
                                .run = Run,              \
                                .grad = Grad,            \
                                .flags = Flags,          \
                                .dynamic = Dynamic}
MAP(EmptyTensorMap, tn_infer_scalar, empty_run, 0, NULL, TN_NO_GRADIENT, "-> handle:variant;");
MAP(TensorMapInsert, tn_infer_scalar, insert_run, 0, insert_grad, 0,
    "input_handle:variant key:key_dtype value:value_dtype -> output_handle:variant; key_dtype:type "
    "value_dtype:type");
MAP(TensorMapErase, tn_infer_scalar, erase_run, 0, erase_grad, 0,
    "input_handle:variant key:key_dtype -> output_handle:variant; key_dtype:type value_dtype:type");
MAP(TensorMapLookup, tn_infer_none, lookup_run, 1, lookup_grad, 0,
    "input_handle:variant key:key_dtype -> value:value_dtype; key_dtype:type value_dtype:type");
MAP(TensorMapHasKey, tn_infer_scalar, has_run, 0, NULL, TN_NO_GRADIENT,
    "input_handle:variant key:key_dtype -> has_key:bool; key_dtype:type");
MAP(TensorMapSize, tn_infer_scalar, size_run, 0, NULL, TN_NO_GRADIENT, "input_handle:variant -> size:int32;");
MAP(TensorMapStackKeys, tn_infer_none, keys_run, 1, NULL, 0,
    "input_handle:variant -> keys:key_dtype; key_dtype:type");
