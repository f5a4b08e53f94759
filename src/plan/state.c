/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c - the variable store and counted resources. What operators may do with them is run.c's.
 */
#include "state.h"

#include <limits.h>

/* ==== resources ==== */

void *tn_resource_new(size_t size, tn_resource_kind kind, const char *name, void (*release)(tn_resource *self))
{
    tn_resource *r = tn_calloc(1, size);
    char *copy = tn_strdup(name);
    if (!r || !copy) {
        tn_free(r);
        tn_free(copy);
        return NULL;
    }
    r->kind = kind;
    r->name = copy;
    r->release = release;
    atomic_init(&r->refs, 1);
    return r;
}

void tn_resource_free(tn_resource *self)
{
    if (self) tn_free((char *)self->name);
    tn_free(self);
}

tn_code tn_resource_tensor(tn_resource *res, tn_tensor **out, tn_error *err)
{
    TN_TRY(tn_tensor_alloc(TN_RESOURCE, &TN_SHAPE(), out, err));
    *(tn_resource **)(*out)->data = tn_resource_ref(res);
    return TN_OK;
}

/* ==== the store ==== */

tn_code tn_store_new(uint64_t seed, tn_store **out, tn_error *err)
{
    tn_store *s = tn_calloc(1, sizeof *s);
    if (!s) return tn_no_memory(err, sizeof *s);
    s->variables = tn_map_new();
    s->rngs = tn_map_new();
    s->named = tn_map_new();
    s->seed = seed;
    if (!s->variables || !s->rngs || !s->named) {
        tn_map_free(s->variables);
        tn_map_free(s->rngs);
        tn_map_free(s->named);
        tn_free(s);
        return tn_no_memory(err, 0);
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->packs.lock, NULL);
    pthread_mutex_init(&s->blocks.lock, NULL);
    *out = s;
    return TN_OK;
}

/* A variable's value may be a handle of it. */
static void forget_value(tn_stored *v)
{
    tn_tensor *value = v->value;
    v->value = NULL;
    tn_tensor_unref(value);
}

void tn_store_free(tn_store *s)
{
    if (!s) return;
    for (size_t i = 0; i < tn_map_count(s->variables); i++) tn_stored_drop_shed(tn_map_value(s->variables, i));
    for (size_t i = 0; i < tn_map_count(s->variables); i++) forget_value(tn_map_value(s->variables, i));
    for (size_t i = 0; i < tn_map_count(s->variables); i++) tn_resource_unref(tn_map_value(s->variables, i));
    for (size_t i = 0; i < tn_map_count(s->rngs); i++) tn_resource_unref(tn_map_value(s->rngs, i));
    for (size_t i = 0; i < tn_map_count(s->named); i++) tn_resource_unref(tn_map_value(s->named, i));
    tn_map_free(s->variables);
    tn_map_free(s->rngs);
    tn_map_free(s->named);
    tn_blocks_free(&s->blocks);
    tn_packs_free(&s->packs);
    pthread_mutex_destroy(&s->lock);
    tn_budget_free(s->budget);
    tn_free(s);
}

static void release_variable(tn_resource *r)
{
    tn_stored *v = (tn_stored *)r;
    tn_stored_drop_shed(v);
    tn_tensor_unref(v->value);
    tn_resource_free(r);
}

/* A resource of `size` bytes under its name in a map; NULL: no memory. */
static tn_resource *new_named(tn_map *map, const char *name, size_t size, tn_resource_kind kind,
                              void (*release)(tn_resource *))
{
    tn_resource *r = tn_resource_new(size, kind, name, release);
    if (r && tn_map_put(map, name, r)) return r;
    tn_resource_free(r);
    return NULL;
}

static tn_code store_variable(tn_store *s, const char *name, tn_dtype t, const tn_shape *shape, tn_stored **out,
                              tn_error *err)
{
    tn_stored *v = tn_map_get(s->variables, name);
    if (v && v->dtype != t)
        return tn_fail(err, TN_INVALID_ARGUMENT, "variable '%s' is of dtype %s, not %s", name, tn_dtype_name(v->dtype),
                       tn_dtype_name(t));
    if (!v) {
        v = (tn_stored *)new_named(s->variables, name, sizeof *v, TN_RES_VARIABLE, release_variable);
        if (!v) return tn_no_memory(err, sizeof *v);
        v->store = s;
        v->dtype = t;
        v->shape = shape ? *shape : tn_shape_unknown();
    }
    *out = v;
    return TN_OK;
}

tn_code tn_store_variable(tn_store *s, const char *name, tn_dtype t, const tn_shape *shape, tn_stored **out,
                          tn_error *err)
{
    pthread_mutex_lock(&s->lock);
    tn_code code = store_variable(s, name, t, shape, out, err);
    pthread_mutex_unlock(&s->lock);
    return code;
}

/* A generator as TensorFlow's GuardedPhiloxRandom makes it: seed is the key, seed2 the upper counter. */
static void rng_init(tn_rng *g, const char *name, int64_t seed, int64_t seed2)
{
    uint64_t key = (uint64_t)seed, upper = (uint64_t)seed2;
    if (!key && !upper) {
        key = g->store->seed;
        upper = tn_hash(name, strlen(name));
    }
    g->state.key[0] = (uint32_t)key;
    g->state.key[1] = (uint32_t)(key >> 32);
    g->state.counter[2] = (uint32_t)upper;
    g->state.counter[3] = (uint32_t)(upper >> 32);
}

tn_code tn_store_rng(tn_store *s, const char *name, int64_t seed, int64_t seed2, tn_rng **out, tn_error *err)
{
    pthread_mutex_lock(&s->lock);
    tn_rng *g = tn_map_get(s->rngs, name);
    if (!g && (g = (tn_rng *)new_named(s->rngs, name, sizeof *g, TN_RES_RNG, tn_resource_free))) {
        g->store = s;
        rng_init(g, name, seed, seed2);
    }
    pthread_mutex_unlock(&s->lock);
    if (!g) return tn_no_memory(err, sizeof *g);
    *out = g;
    return TN_OK;
}

tn_tensor *tn_variable_value(tn_stored *v)
{
    pthread_mutex_lock(&v->store->lock);
    tn_stored_restore(v);
    tn_tensor *t = v->value ? tn_tensor_ref(v->value) : NULL;
    pthread_mutex_unlock(&v->store->lock);
    return t;
}

/* True when nobody else can see the bytes. */
static bool is_unshared(const tn_tensor *t)
{
    return atomic_load_explicit(&((tn_tensor *)t)->refs, memory_order_acquire) == 1 &&
           (!t->buffer || atomic_load_explicit(&t->buffer->refs, memory_order_acquire) == 1);
}

static tn_code check_fits(const tn_stored *v, const tn_tensor *value, bool any_shape, tn_error *err)
{
    char a[128], b[128];
    if (value->dtype != v->dtype)
        return tn_fail(err, TN_INVALID_ARGUMENT, "Trying to assign variable '%s' with wrong dtype. Expected %s got %s",
                       v->base.name, tn_dtype_name(v->dtype), tn_dtype_name(value->dtype));
    if (!any_shape && !tn_shape_compatible(&v->shape, &value->shape))
        return tn_fail(err, TN_INVALID_ARGUMENT,
                       "Trying to assign to variable '%s' with tensor with wrong shape. Expected %s got %s",
                       v->base.name, tn_shape_text(&v->shape, a, sizeof a),
                       tn_shape_text(&value->shape, b, sizeof b));
    return TN_OK;
}

static void note_change(tn_stored *v, int *count)
{
    if (*count < INT_MAX) ++*count;
    atomic_uint_fast64_t *changes = &v->store->changes; /* nobody else counts: the lock is held */
    atomic_store_explicit(changes, atomic_load_explicit(changes, memory_order_relaxed) + 1, memory_order_release);
}

tn_code tn_variable_take(tn_stored *v, tn_tensor *value, tn_error *err)
{
    tn_code code = TN_OK;
    if (!is_unshared(value) || !value->buffer) {
        code = tn_variable_set(v, value, false, err);
        tn_tensor_unref(value);
        return code;
    }
    if ((code = check_fits(v, value, false, err)) != TN_OK) {
        tn_tensor_unref(value);
        return code;
    }
    note_change(v, &v->sets);
    tn_stored_drop_shed(v);
    tn_tensor_unref(v->value);
    v->value = value;
    return TN_OK;
}

tn_code tn_variable_set(tn_stored *v, const tn_tensor *value, bool any_shape, tn_error *err)
{
    TN_TRY(check_fits(v, value, any_shape, err));
    tn_stored_restore(v);
    note_change(v, &v->sets);
    if (v->value && is_unshared(v->value) && tn_dtype_is_pod(v->dtype) &&
        tn_shape_equal(&v->value->shape, &value->shape)) {
        if (v->value->buffer) v->value->buffer->of_file = false;
        if (v->value->data != value->data && tn_tensor_bytes(value))
            memmove(v->value->data, value->data, tn_tensor_bytes(value));
        return TN_OK;
    }
    tn_tensor *copy;
    TN_TRY(tn_tensor_copy(value, &copy, err));
    tn_tensor_unref(v->value);
    v->value = copy;
    return TN_OK;
}

tn_code tn_variable_unshare(tn_stored *v, tn_tensor **out, tn_error *err)
{
    if (!v->value)
        return tn_fail(err, TN_FAILED_PRECONDITION, "Attempting to use uninitialized value %s", v->base.name);
    tn_stored_restore(v);
    note_change(v, &v->updates);
    if (!is_unshared(v->value)) {
        tn_tensor *copy;
        TN_TRY(tn_tensor_copy(v->value, &copy, err));
        tn_tensor_unref(v->value);
        v->value = copy;
    } else if (v->value->buffer) {
        v->value->buffer->of_file = false;
    }
    *out = v->value;
    return TN_OK;
}
