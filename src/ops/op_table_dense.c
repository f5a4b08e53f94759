/* SPDX-License-Identifier: Apache-2.0
 *
 * op_table_dense.c - what a dense table gives and takes as a whole: TensorFlow exports its buckets as they lie in
 * memory, free ones too, and imports them as they come, without hashing again. Where a key lies is therefore part of
 * what checkpoints hold. Ours are hash maps as other tables; buckets are laid out when they are asked for.
 */
#include "hash.h"
#include "table.h"

enum { LEAST_BUCKETS = 4, MOST_BUCKETS_LOG2 = 40 };

/* The number that TensorFlow hashes a key to. */
static uint64_t hash_of(const tn_table *t, tn_view key)
{
    int64_t v = 0;
    int32_t narrow;
    if (t->key == TN_STRING) return tn_old_hash(key);
    if (key.n == sizeof narrow) {
        memcpy(&narrow, key.p, sizeof narrow);
        return (uint64_t)(int64_t)narrow;
    }
    memcpy(&v, key.p, TN_MIN(key.n, sizeof v));
    return (uint64_t)v;
}

/* As many as there were to begin with, doubled until they are not too full. */
static int64_t bucket_count(const tn_table *t)
{
    int64_t n = LEAST_BUCKETS;
    while (n < t->first_buckets && n < INT64_C(1) << MOST_BUCKETS_LOG2) n *= 2;
    while ((double)tn_map_count(t->map) > (double)t->most_load * (double)n) n *= 2;
    return n;
}

/* The first bucket of a key's that is free; there is one. */
static int64_t place_of(const tn_table *t, tn_view key, const bool *taken, int64_t n)
{
    uint64_t mask = (uint64_t)n - 1, at = hash_of(t, key) & mask;
    for (uint64_t step = 1; taken[at]; step++) at = (at + step) & mask;
    return (int64_t)at;
}

static tn_code set_key(const tn_table *t, tn_tensor *out, int64_t i, tn_view key, tn_error *err)
{
    if (t->key == TN_STRING) return tn_string_set(out, i, key.p, key.n, err);
    memcpy((char *)out->data + (size_t)i * key.n, key.p, key.n);
    return TN_OK;
}

static tn_code fill(const tn_table *t, tn_tensor *keys, tn_tensor *values, bool *taken, int64_t n, tn_error *err)
{
    for (size_t i = 0; i < tn_map_count(t->map); i++) {
        tn_view key = tn_map_key_view(t->map, i);
        int64_t at = place_of(t, key, taken, n);
        taken[at] = true;
        TN_TRY(set_key(t, keys, at, key, err));
        TN_TRY(tn_table_set(t, values, at, tn_map_value(t->map, i), err));
    }
    tn_view none = tn_table_key(t->reserved[0], 0);
    for (int64_t i = 0; i < n; i++)
        if (!taken[i]) TN_TRY(set_key(t, keys, i, none, err));
    return TN_OK;
}

tn_code tn_table_export_buckets(tn_run *r, const tn_table *t, tn_error *err)
{
    int64_t n = bucket_count(t);
    tn_shape keys = tn_shape_vector(n), values = keys;
    keys.dim[keys.rank++] = 1;
    for (int k = 0; k < t->value_shape.rank && values.rank < TN_MAX_RANK; k++)
        values.dim[values.rank++] = t->value_shape.dim[k];
    if (t->value_shape.rank == 0) values.dim[values.rank++] = 1;
    TN_TRY(tn_run_output(r, 0, &keys, err));
    TN_TRY(tn_run_output(r, 1, &values, err));
    if (t->value != TN_STRING) memset(r->out[1]->data, 0, tn_tensor_bytes(r->out[1]));
    bool *taken = tn_calloc((size_t)n, sizeof *taken);
    if (!taken) return tn_no_memory(err, (size_t)n);
    tn_code code = fill(t, r->out[0], r->out[1], taken, n, err);
    tn_free(taken);
    return code;
}

static bool is_reserved(const tn_table *t, tn_view key)
{
    for (int k = 0; k < 2; k++)
        if (t->reserved[k] && tn_view_eq(key, tn_table_key(t->reserved[k], 0))) return true;
    return false; /* the dense table of early TensorFlow has no key for deleted ones */
}

tn_code tn_table_import_buckets(tn_table *t, tn_map *map, const tn_tensor *keys, const tn_tensor *values,
                                tn_error *err)
{
    char text[200];
    int64_t n = tn_tensor_count(keys);
    if (keys->shape.rank != 2 || keys->shape.dim[1] != 1)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected keys of shape [buckets,1], got %s",
                       tn_shape_text(&keys->shape, text, sizeof text));
    if (tn_tensor_count(values) != n * t->each)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %lld elements as values of %lld keys, got %lld",
                       (long long)(n * t->each), (long long)n, (long long)tn_tensor_count(values));
    for (int64_t i = 0; i < n; i++)
        if (!is_reserved(t, tn_table_key(keys, i))) TN_TRY(tn_table_insert_one(t, map, keys, values, i, err));
    t->first_buckets = n;
    return TN_OK;
}
