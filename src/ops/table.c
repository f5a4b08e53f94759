/* SPDX-License-Identifier: Apache-2.0
 *
 * table.c - lookup tables: made, filled, replaced.
 */
#include "table.h"

enum { KEY_COST = 64 }; /* of an entry, beside its bytes */

/* ==== the table ==== */

void tn_table_drop_cell(tn_cell *c)
{
    if (!c) return;
    for (size_t at = 0; c->dtype == TN_VARIANT && at < c->n; at += sizeof(tn_variant *))
        tn_variant_unref(*(tn_variant **)(void *)(c->data + at));
    tn_charge_drop(&c->charge);
    tn_free(c);
}

void tn_table_drop_map(tn_map *m)
{
    for (size_t i = 0; m && i < tn_map_count(m); i++) tn_table_drop_cell(tn_map_value(m, i));
    tn_map_free(m);
}

static void release_table(tn_resource *self)
{
    tn_table *t = (tn_table *)self;
    tn_table_drop_map(t->map);
    pthread_mutex_destroy(&t->lock);
    for (int k = 0; k < 2; k++) tn_tensor_unref(t->reserved[k]);
    tn_resource_free(self);
}

tn_resource *tn_table_make(const tn_run *r)
{
    tn_table *t = tn_resource_new(sizeof *t, TN_RES_TABLE, r->name, release_table);
    if (!t) return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->map = tn_map_new();
    bool ok = t->map != NULL;
    t->key = tn_attr_t(r->attrs, "key_dtype");
    t->value = tn_attr_t(r->attrs, "value_dtype");
    t->is_mutable = strstr(r->op->name, "Mutable") != NULL;
    t->is_set = t->is_mutable;
    tn_attr_get_shape(r->attrs, "value_shape", &t->value_shape);
    t->each = tn_shape_count(&t->value_shape);
    tn_attr_get_int(r->attrs, "initial_num_buckets", &t->first_buckets);
    if (t->first_buckets) t->most_load = tn_attr_f(r->attrs, "max_load_factor");
    for (int k = 0; k < r->n_in && k < 2; k++)
        if (tn_tensor_keep(r->in[k], &t->reserved[k], NULL) != TN_OK) ok = false;
    if (ok) return &t->base;
    release_table(&t->base);
    return NULL;
}

tn_code tn_table_of(const tn_run *r, tn_table **out, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_TABLE, &res, err));
    *out = (tn_table *)res;
    return TN_OK;
}

/* ==== elements ==== */

tn_view tn_table_key(const tn_tensor *t, int64_t i)
{
    if (t->dtype == TN_STRING)
        return (tn_view){TN_STRINGS(t)[i].n ? TN_STRINGS(t)[i].p : "", TN_STRINGS(t)[i].n};
    size_t size = tn_dtype_size(t->dtype);
    return (tn_view){(const char *)t->data + (size_t)i * size, size};
}

/* Several strings: each one's length, then its bytes. */
static void pack_strings(const tn_tensor *t, int64_t from, int64_t n, tn_buf *out)
{
    for (int64_t i = from; i < from + n; i++) {
        size_t size = TN_STRINGS(t)[i].n;
        tn_buf_add(out, &size, sizeof size);
        tn_buf_add(out, TN_STRINGS(t)[i].p, size);
    }
}

tn_code tn_table_set(const tn_table *t, tn_tensor *out, int64_t i, const tn_cell *c, tn_error *err)
{
    const char *p = c->data;
    if (out->dtype != TN_STRING) {
        tn_tensor value = tn_tensor_view(out->dtype, &t->value_shape, (void *)p);
        return tn_move_row(out, i * t->each, &value, 0, t->each, err);
    }
    if (t->each == 1) return tn_string_set(out, i, p, c->n, err);
    for (int64_t k = 0; k < t->each; k++) {
        size_t size;
        memcpy(&size, p, sizeof size);
        TN_TRY(tn_string_set(out, i * t->each + k, p + sizeof size, size, err));
        p += sizeof size + size;
    }
    return TN_OK;
}

/* Value i's bytes, in buf where they are not there as they are. */
static tn_view value_of(const tn_table *t, const tn_tensor *values, int64_t i, tn_buf *buf)
{
    if (t->each == 1) return tn_table_key(values, i);
    if (t->value != TN_STRING) {
        size_t size = (size_t)t->each * tn_dtype_size(t->value);
        return (tn_view){(const char *)values->data + (size_t)i * size, size};
    }
    tn_buf_clear(buf);
    pack_strings(values, i * t->each, t->each, buf);
    return (tn_view){buf->n ? buf->data : "", buf->n};
}

tn_code tn_table_check_keys(const tn_table *t, const tn_tensor *keys, tn_error *err)
{
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0, n = t->reserved[k] ? tn_tensor_count(keys) : 0; i < n; i++)
            if (tn_view_eq(tn_table_key(keys, i), tn_table_key(t->reserved[k], 0)))
                return tn_fail(err, TN_INVALID_ARGUMENT, "Using the %s_key as a table key is not allowed",
                               k ? "deleted" : "empty");
    return TN_OK;
}

tn_code tn_table_check_types(const tn_table *t, tn_dtype key, tn_dtype value, tn_error *err)
{
    if (t->key == key && t->value == value && (key == TN_STRING || tn_dtype_is_pod(key)) &&
        (value == TN_STRING || value == TN_VARIANT || tn_dtype_is_pod(value)))
        return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "Table '%s' is from %s to %s, not from %s to %s", t->base.name,
                   tn_dtype_name(t->key), tn_dtype_name(t->value), tn_dtype_name(key), tn_dtype_name(value));
}

/* unique: another value for a key that is there is an error. */
tn_code tn_table_insert(const tn_table *t, tn_map *m, tn_view key, tn_view value, bool unique, tn_error *err)
{
    tn_cell *old = tn_map_get_view(m, key);
    if (old && unique) {
        if (old->n == value.n && memcmp(old->data, value.p, value.n) == 0) return TN_OK;
        return tn_fail(err, TN_FAILED_PRECONDITION, "HashTable has different value for same key: %.*s",
                       (int)TN_MIN(key.n, (size_t)200), key.p);
    }
    tn_charge charge = {NULL, 0};
    if (!tn_charge_add(&charge, sizeof *old + KEY_COST + key.n + value.n)) return tn_no_memory(err, value.n);
    tn_cell *c = tn_malloc(sizeof *c + value.n);
    if (!c) {
        tn_charge_drop(&charge);
        return tn_no_memory(err, value.n);
    }
    *c = (tn_cell){.charge = charge, .dtype = t->value, .n = value.n};
    if (value.n) memcpy(c->data, value.p, value.n);
    for (size_t at = 0; c->dtype == TN_VARIANT && at < c->n; at += sizeof(tn_variant *))
        tn_variant_ref(*(tn_variant **)(void *)(c->data + at));
    if (!tn_map_put_view(m, key, c)) {
        tn_table_drop_cell(c);
        return tn_no_memory(err, key.n);
    }
    tn_table_drop_cell(old);
    return TN_OK;
}

tn_code tn_table_insert_one(const tn_table *t, tn_map *m, const tn_tensor *keys, const tn_tensor *values, int64_t i,
                            tn_error *err)
{
    tn_buf buf = {0};
    tn_view value = value_of(t, values, i, &buf);
    tn_code code = tn_buf_check(&buf, err);
    if (code == TN_OK) code = tn_table_insert(t, m, tn_table_key(keys, i), value, false, err);
    tn_buf_free(&buf);
    return code;
}

tn_code tn_table_insert_all(const tn_table *t, tn_map *m, const tn_tensor *keys, const tn_tensor *values,
                            bool unique, tn_error *err)
{
    int64_t n = tn_tensor_count(keys);
    tn_buf buf = {0};
    tn_code code = TN_OK;
    if (tn_tensor_count(values) != n * t->each)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Expected %lld elements as values of %lld keys, got %lld",
                       (long long)(n * t->each), (long long)n, (long long)tn_tensor_count(values));
    TN_TRY(tn_table_check_keys(t, keys, err));
    for (int64_t i = 0; i < n && code == TN_OK; i++) {
        tn_view value = value_of(t, values, i, &buf);
        code = tn_buf_check(&buf, err);
        if (code == TN_OK) code = tn_table_insert(t, m, tn_table_key(keys, i), value, unique, err);
    }
    tn_buf_free(&buf);
    return code;
}

static bool same_contents(const tn_map *a, const tn_map *b)
{
    if (tn_map_count(a) != tn_map_count(b)) return false;
    for (size_t i = 0; i < tn_map_count(a); i++) {
        const tn_cell *x = tn_map_value(a, i), *y = tn_map_get_view(b, tn_map_key_view(a, i));
        if (!y || x->n != y->n || memcmp(x->data, y->data, x->n) != 0) return false;
    }
    return true;
}

/* Puts a whole new map in place; one that is set once only takes the same again. */
tn_code tn_table_replace(tn_table *t, tn_map *map, tn_error *err)
{
    pthread_mutex_lock(&t->lock);
    bool refused = !t->is_mutable && t->is_set && !same_contents(t->map, map);
    tn_map *old = refused ? map : t->map;
    if (!refused) t->map = map;
    t->is_set = true;
    pthread_mutex_unlock(&t->lock);
    tn_table_drop_map(old);
    return refused ? tn_fail(err, TN_FAILED_PRECONDITION, "Table already initialized.") : TN_OK;
}
