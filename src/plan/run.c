/* SPDX-License-Identifier: Apache-2.0
 *
 * run.c - running a program: the loop over steps, static and dynamic steps, and what operators may ask for while they
 * run (op.h). Contexts are context.c's, branches and loops control.c's.
 *
 * Invariants: a static step allocates nothing; a value on the heap holds a reference on its buffer; values
 * borrowed from the block, a constant or a feed have none. Variables are pinned while a step looks at them
 * and changed only under the store's lock.
 */
#include "plan.h"

#include <math.h>

/* ==== values ==== */

void tn_value_drop(tn_tensor *v)
{
    if (!v->buffer) return;
    tn_buffer_unref(v->buffer);
    v->buffer = NULL;
    v->data = NULL;
}

void tn_value_share(tn_tensor *v, const tn_tensor *from)
{
    tn_buffer *old = v->buffer;
    v->dtype = from->dtype;
    v->shape = from->shape;
    v->data = from->data;
    v->buffer = from->buffer ? tn_buffer_ref(from->buffer) : NULL;
    tn_buffer_unref(old);
}

void tn_value_take(tn_tensor *v, tn_tensor *t)
{
    tn_value_share(v, t);
    tn_tensor_unref(t);
}

/* Storage of a heap value: what it has when that is large enough and its own, else new. */
static tn_code heap_value(tn_tensor *v, tn_dtype t, const tn_shape *shape, tn_error *err)
{
    int64_t count = tn_shape_count(shape);
    if (v->buffer && tn_dtype_is_pod(t) && count >= 0 && atomic_load(&v->buffer->refs) == 1 &&
        v->data == v->buffer->data && !v->buffer->owner &&
        v->buffer->size / tn_dtype_size(t) >= (size_t)count && v->dtype == t) {
        v->shape = *shape;
        return TN_OK;
    }
    tn_tensor *fresh;
    TN_TRY(tn_tensor_alloc(t, shape, &fresh, err));
    tn_value_take(v, fresh);
    return TN_OK;
}

/* ==== what operators may ask for ==== */

/* A value in the block: as many elements as its place has room for. */
static tn_code block_value(const tn_slot *slot, tn_tensor *v, const tn_shape *shape, tn_error *err)
{
    char text[128];
    int64_t count = tn_shape_count(shape);
    if (count < 0 || (size_t)count > slot->capacity / tn_dtype_size(v->dtype))
        return tn_fail(err, TN_INTERNAL, "%s is more than the %zu bytes there are",
                       tn_shape_text(shape, text, sizeof text), slot->capacity);
    v->shape = *shape;
    return TN_OK;
}

static tn_code output_value(const tn_slot *slot, tn_tensor *v, const tn_shape *shape, tn_error *err)
{
    if (slot->place == TN_PLACE_BLOCK) return block_value(slot, v, shape, err);
    return heap_value(v, v->dtype, shape, err);
}

tn_code tn_run_output(tn_run *r, int o, const tn_shape *shape, tn_error *err)
{
    const tn_step *s = r->step;
    if (!s) return heap_value(r->out[o], r->out[o]->dtype, shape, err);
    return output_value(&r->context->program->slots[s->out[o]], r->out[o], shape, err);
}

tn_code tn_run_output_share(tn_run *r, int o, const tn_tensor *t, tn_error *err)
{
    const tn_step *s = r->step;
    const tn_slot *slot = &r->context->program->slots[s->out[o]];
    tn_tensor *kept;
    if (slot->place == TN_PLACE_BLOCK) {
        TN_TRY(block_value(slot, r->out[o], &t->shape, err));
        if (tn_tensor_bytes(t)) memcpy(r->out[o]->data, t->data, tn_tensor_bytes(t));
        return TN_OK;
    }
    char is[128], planned[128];
    if (tn_shape_known(&slot->shape) && !tn_shape_equal(&slot->shape, &t->shape)) /* others rely on it */
        return tn_fail(err, TN_INTERNAL, "a value of shape %s comes where the plan has %s",
                       tn_shape_text(&t->shape, is, sizeof is), tn_shape_text(&slot->shape, planned, sizeof planned));
    TN_TRY(tn_tensor_keep(t, &kept, err));
    tn_value_take(r->out[o], kept);
    return TN_OK;
}

bool tn_run_cancelled(const tn_run *r)
{
    return r->context && tn_may_go_on(r->context, NULL) != TN_OK;
}

tn_code tn_run_resource(const tn_run *r, int i, tn_resource_kind kind, tn_resource **out, tn_error *err)
{
    const tn_tensor *t = r->in[i];
    tn_resource *res = t->dtype == TN_RESOURCE && tn_tensor_bytes(t) && t->data ? *(tn_resource **)t->data : NULL;
    if (!res || res->kind != kind)
        return tn_fail(err, TN_INVALID_ARGUMENT, "input %d of '%s' is no handle of the kind that %s wants", i, r->name,
                       r->op->name);
    *out = res;
    return TN_OK;
}

tn_code tn_run_new_resource(tn_run *r, int o, tn_resource *res, tn_error *err)
{
    tn_tensor *handle;
    tn_code code = tn_resource_tensor(res, &handle, err);
    tn_resource_unref(res);
    if (code == TN_OK) tn_value_take(r->out[o], handle);
    return code;
}

tn_code tn_run_session_resource(const tn_run *r, tn_resource_kind kind, const char *name,
                                tn_resource *(*make)(const tn_run *r), tn_resource **out, tn_error *err)
{
    tn_store *s = r->context->program->store;
    pthread_mutex_lock(&s->lock);
    tn_resource *res = tn_map_get(s->named, name);
    if (!res && (res = make(r)) && !tn_map_put(s->named, name, res)) {
        tn_resource_unref(res);
        res = NULL;
    }
    tn_resource_ref(res);
    pthread_mutex_unlock(&s->lock);
    if (!res) return tn_no_memory(err, 0);
    *out = res;
    if (res->kind == kind) return TN_OK;
    tn_resource_unref(res);
    return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is the name of two kinds of resources", name);
}

tn_code tn_run_own_resource(const tn_run *r, tn_resource_kind kind, const char *prefix,
                            tn_resource *(*make)(const tn_run *r), tn_resource **out, tn_error *err)
{
    tn_view shared = {"", 0};
    tn_buf name = {0};
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    if (!shared.n) shared = tn_view_of(r->name);
    tn_buf_add(&name, prefix, strlen(prefix));
    tn_buf_add(&name, shared.p, shared.n);
    tn_buf_add(&name, "", 1);
    tn_code code = tn_buf_check(&name, err);
    if (code == TN_OK) code = tn_run_session_resource(r, kind, name.data, make, out, err);
    tn_buf_free(&name);
    return code;
}

tn_code tn_run_find_resource(const tn_run *r, tn_resource_kind kind, const char *name, tn_resource **out, tn_error *err)
{
    tn_store *s = r->context->program->store;
    pthread_mutex_lock(&s->lock);
    tn_resource *res = tn_map_get(s->named, name);
    if (res && res->kind == kind) *out = tn_resource_ref(res);
    else res = NULL;
    pthread_mutex_unlock(&s->lock);
    return res ? TN_OK : tn_fail(err, TN_NOT_FOUND, "Resource %s does not exist.", name);
}

tn_code tn_run_named_resource(tn_run *r, int o, tn_resource_kind kind, const char *name,
                              tn_resource *(*make)(const tn_run *r), tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_session_resource(r, kind, name, make, &res, err));
    return tn_run_new_resource(r, o, res, err);
}

tn_code tn_run_shared_resource(tn_run *r, int o, tn_resource_kind kind, const char *prefix,
                               tn_resource *(*make)(const tn_run *r), tn_error *err)
{
    tn_view container = {"", 0}, shared = {"", 0};
    char name[512];
    tn_attr_get_string(r->attrs, "container", &container);
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    int n = snprintf(name, sizeof name, "%s %.*s/%.*s", prefix, (int)TN_MIN(container.n, sizeof name), container.p,
                     (int)TN_MIN(shared.n, sizeof name), shared.p);
    if (n < 0 || (size_t)n >= sizeof name)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the shared name of '%s' is too long", r->name);
    return tn_run_named_resource(r, o, kind, name, make, err);
}

static tn_code variable_of(const tn_run *r, int i, tn_stored **out, tn_error *err)
{
    tn_resource *res = NULL;
    TN_TRY(tn_run_resource(r, i, TN_RES_VARIABLE, &res, err));
    *out = (tn_stored *)res;
    return TN_OK;
}

static tn_code uninitialized(const tn_stored *v, tn_error *err)
{
    return tn_fail(err, TN_FAILED_PRECONDITION, "Attempting to use uninitialized value %s", v->base.name);
}

static bool holds_lock(const tn_run *r)
{
    return ((const tn_step *)r->step)->locks_store;
}

tn_code tn_run_variable(const tn_run *r, int i, const tn_tensor **out, tn_error *err)
{
    tn_stored *v;
    TN_TRY(variable_of(r, i, &v, err));
    if (holds_lock(r)) {
        if (!v->value) return uninitialized(v, err);
        tn_stored_restore(v);
        *out = v->value;
        return TN_OK;
    }
    tn_run_context *c = r->context;
    if (c->n_pins == TN_MAX_PINS)
        return tn_fail(err, TN_INTERNAL, "'%s' looks at more than %d variables", r->name, TN_MAX_PINS);
    tn_tensor *value = tn_variable_value(v);
    if (!value) return uninitialized(v, err);
    c->pins[c->n_pins++] = value;
    *out = value;
    return TN_OK;
}

tn_code tn_run_variable_writable(tn_run *r, int i, tn_tensor **out, tn_error *err)
{
    tn_stored *v;
    TN_TRY(variable_of(r, i, &v, err));
    return tn_variable_unshare(v, out, err);
}

tn_code tn_run_variable_assign(tn_run *r, int i, const tn_tensor *value, bool any_shape, tn_error *err)
{
    tn_stored *v;
    TN_TRY(variable_of(r, i, &v, err));
    return tn_variable_set(v, value, any_shape, err);
}

bool tn_run_variable_initialized(const tn_run *r, int i)
{
    tn_stored *v;
    if (variable_of(r, i, &v, NULL) != TN_OK) return false;
    if (holds_lock(r)) return v->value != NULL;
    tn_tensor *value = tn_variable_value(v);
    tn_tensor_unref(value);
    return value != NULL;
}

void tn_run_forward_ref(tn_run *r, int o, int i)
{
    tn_value_share(r->out[o], r->in[i]);
}

static void advance(uint32_t counter[4], uint64_t n)
{
    uint64_t low = ((uint64_t)counter[1] << 32 | counter[0]) + n;
    bool carry = low < n;
    counter[0] = (uint32_t)low;
    counter[1] = (uint32_t)(low >> 32);
    if (carry && ++counter[2] == 0) ++counter[3];
}

tn_code tn_run_random(tn_run *r, uint64_t samples, tn_philox_state *out, tn_error *err)
{
    tn_rng *g = (tn_rng *)((const tn_step *)r->step)->resource;
    if (!g) return tn_fail(err, TN_INTERNAL, "'%s' (%s) has no random generator", r->name, r->op->name);
    pthread_mutex_lock(&g->store->lock);
    *out = g->state;
    advance(g->state.counter, samples);
    pthread_mutex_unlock(&g->store->lock);
    return TN_OK;
}

/* ==== static steps ==== */

static void drop_pins(tn_run_context *c)
{
    while (c->n_pins) tn_tensor_unref(c->pins[--c->n_pins]);
}

static bool is_finite(const tn_tensor *t)
{
    for (int64_t i = 0, n = tn_tensor_count(t); i < n; i++)
        if (!isfinite(tn_tensor_number(t, i))) return false;
    return true;
}

/* Nothing is written once the guarded value (a loss) is not finite. */
static tn_code look_at_guard(tn_run_context *c, tn_error *err)
{
    c->guarded = true;
    if (is_finite(&c->values[c->guard])) return TN_OK;
    return tn_fail(err, TN_INVALID_ARGUMENT, "the guarded value is %g", tn_tensor_number(&c->values[c->guard], 0));
}

static tn_code run_step(tn_run_context *c, const tn_step *s, tn_run_fn run, tn_error *err)
{
    tn_run *r = &c->runs[s->index];
    tn_code code;
    if (s->locks_store) {
        if (c->guard >= 0 && !c->guarded) TN_TRY(look_at_guard(c, err));
        pthread_mutex_lock(&c->program->store->lock);
        code = run(r, err);
        pthread_mutex_unlock(&c->program->store->lock);
    } else {
        code = run(r, err);
    }
    if (c->n_pins) drop_pins(c);
    return code;
}

tn_code tn_exec_static(tn_run_context *c, const tn_step *s, tn_error *err)
{
    return run_step(c, s, s->run, err);
}

static bool is_throughout(const tn_tensor *mask, bool value)
{
    const bool *at = mask->data;
    for (int64_t i = 0, n = tn_tensor_count(mask); i < n; i++)
        if (at[i] != value) return false;
    return true;
}

/* Who looks for the first NaN wants all numbers. */
tn_code tn_exec_masked(tn_run_context *c, const tn_step *s, tn_error *err)
{
    if (!c->check_numbers && is_throughout(&c->values[s->mask], s->discards)) return TN_OK;
    return run_step(c, s, s->run, err);
}

tn_code tn_exec_copy(tn_run_context *c, const tn_step *s, tn_error *err)
{
    const tn_tensor *in = &c->values[s->in[0]];
    tn_tensor *out = &c->values[s->out[0]];
    if (c->program->slots[s->out[0]].place != TN_PLACE_BLOCK) TN_TRY(heap_value(out, in->dtype, &in->shape, err));
    memcpy(out->data, in->data, tn_tensor_bytes(in));
    return TN_OK;
}

/* A read is the variable's own buffer, with a reference on it: a writer that comes meanwhile copies. */
tn_code tn_exec_read(tn_run_context *c, const tn_step *s, tn_error *err)
{
    const tn_tensor *handle = &c->values[s->in[0]];
    tn_resource *res = handle->data && tn_tensor_bytes(handle) ? *(tn_resource **)handle->data : NULL;
    tn_tensor *out = &c->values[s->out[0]], *copy;
    if (res && res->kind != TN_RES_VARIABLE && c->program->slots[s->out[0]].dtype == TN_STRING) {
        tn_value_share(out, &c->values[s->in[0]]); /* an old handle, of a type that newer ones declare as a string */
        return TN_OK;
    }
    if (!res || res->kind != TN_RES_VARIABLE)
        return tn_fail(err, TN_FAILED_PRECONDITION, "'%s' reads what is no variable", s->name);
    tn_stored *v = (tn_stored *)res;
    pthread_mutex_lock(&v->store->lock);
    tn_code code = TN_OK;
    tn_stored_restore(v);
    if (!v->value) code = uninitialized(v, err);
    else if (c->program->passes & TN_PASS(ALIAS)) tn_value_share(out, v->value);
    else if ((code = tn_tensor_copy(v->value, &copy, err)) == TN_OK) tn_value_take(out, copy);
    pthread_mutex_unlock(&v->store->lock);
    return code;
}

/* ==== without an element ==== */

#define LONG_WAY ((int64_t)1 << 24)

static tn_code run_nothing(tn_run *r, tn_error *err)
{
    (void)r;
    (void)err;
    return TN_OK;
}

/* No element, but many rows of none. */
static bool is_vast(const tn_shape *s)
{
    int64_t way = 1;
    bool empty = false;
    for (int k = 0; k < s->rank; k++) {
        if (s->dim[k] == 0) empty = true;
        else if (s->dim[k] > 0 && __builtin_mul_overflow(way, s->dim[k], &way)) way = INT64_MAX;
    }
    return empty && way > LONG_WAY;
}

tn_run_fn tn_run_chosen(const tn_prepare *p)
{
    bool vast = false;
    const tn_op *op = p->op;
    if ((op->flags & (TN_STATEFUL | TN_EFFECT)) || op->reads || op->writes || op->dynamic || !p->n_out) return p->run;
    for (int i = 0; i < p->n_out; i++) {
        const tn_tensor *t = p->out[i];
        if (!tn_dtype_is_pod(t->dtype) && t->dtype != TN_STRING) return p->run;
        if (t->shape.rank < 1 || tn_tensor_count(t) != 0) return p->run;
        vast = vast || is_vast(&t->shape);
    }
    for (int i = 0; i < p->n_in; i++) vast = vast || is_vast(&p->in[i]->shape);
    return vast ? run_nothing : p->run;
}

/* ==== dynamic steps ==== */

static tn_code dynamic_make(tn_dynamic *d, const tn_step *s, tn_error *err)
{
    if (!d->arena) d->arena = tn_arena_new(0); /* what there was memory for before stays */
    if (!d->out_shapes) d->out_shapes = tn_calloc((size_t)s->n_out + 1, sizeof *d->out_shapes);
    if (!d->is_constant) d->is_constant = tn_calloc((size_t)s->n_in + 1, sizeof *d->is_constant);
    if (d->arena && d->out_shapes && d->is_constant) return TN_OK;
    return tn_no_memory(err, 0);
}

/* The shapes, and the values that shapes depend on, as bytes. */
static tn_code make_key(const tn_run *r, tn_buf *key, tn_error *err)
{
    for (int i = 0; i < r->n_in; i++) {
        const tn_tensor *t = r->in[i];
        if (t->shape.rank < 0) return tn_fail(err, TN_INTERNAL, "input %d of '%s' has no value", i, r->name);
        tn_buf_add(key, &t->shape.rank, sizeof t->shape.rank);
        tn_buf_add(key, t->shape.dim, (size_t)t->shape.rank * sizeof *t->shape.dim);
        if (tn_op_wants_value(r->op, i, r->n_in) && tn_dtype_is_pod(t->dtype))
            tn_buf_add(key, t->data, tn_tensor_bytes(t));
    }
    return tn_buf_check(key, err);
}

static tn_code infer_now(tn_dynamic *d, const tn_run *r, tn_error *err)
{
    tn_info *infos = TN_ARRAY(d->arena, r->n_in + r->n_out + 1, tn_info);
    const tn_info **in = TN_ARRAY(d->arena, r->n_in + 1, const tn_info *);
    if (!infos || !in) return tn_no_memory(err, 0);
    for (int i = 0; i < r->n_in; i++) {
        const tn_tensor *t = r->in[i];
        bool with_value = t->dtype != TN_RESOURCE && tn_op_wants_value(r->op, i, r->n_in);
        infos[i] = (tn_info){.dtype = t->dtype, .shape = t->shape, .value = with_value ? t : NULL, .bound = -1};
        in[i] = &infos[i];
    }
    tn_info *out = infos + r->n_in;
    for (int i = 0; i < r->n_out; i++)
        out[i] = (tn_info){.dtype = r->out[i]->dtype, .shape = tn_shape_unknown(), .bound = -1};
    tn_infer c = {.op = r->op,
                  .name = r->name,
                  .attrs = r->attrs,
                  .n_in = r->n_in,
                  .n_out = r->n_out,
                  .in = in,
                  .out = out,
                  .arena = d->arena};
    if (r->op->infer) TN_TRY(r->op->infer(&c, err));
    for (int i = 0; i < r->n_out; i++) d->out_shapes[i] = out[i].shape;
    return TN_OK;
}

static tn_code scratch_for(tn_dynamic *d, size_t size, tn_error *err)
{
    if (size <= d->scratch_size) return TN_OK;
    tn_free(d->scratch);
    d->scratch = NULL;
    d->scratch_size = 0;
    tn_charge_drop(&d->charge);
    if (!tn_charge_add(&d->charge, size) || !(d->scratch = tn_aligned_alloc(size))) return tn_no_memory(err, size);
    d->scratch_size = size;
    return TN_OK;
}

static tn_code prepare_now(tn_dynamic *d, tn_run *r, const tn_step *s, tn_error *err)
{
    for (int i = 0; i < r->n_in; i++) d->is_constant[i] = tn_op_wants_value(r->op, i, r->n_in);
    for (int i = 0; i < r->n_out; i++) r->out[i]->shape = d->out_shapes[i];
    d->prepared = (tn_prepare){.op = r->op, .name = r->name, .attrs = r->attrs, .n_in = r->n_in, .n_out = r->n_out,
                               .in = (const tn_tensor *const *)r->in, .out = (const tn_tensor *const *)r->out,
                               .is_constant = d->is_constant, .threads = r->threads, .arena = d->arena, .run = s->run,
                               .params = s->params, .files = tn_run_files(r)};
    if (r->op->prepare) TN_TRY(r->op->prepare(&d->prepared, err));
    d->prepared.run = tn_run_chosen(&d->prepared);
    d->is_prepared = true;
    tn_code code = scratch_for(d, TN_MAX(d->prepared.scratch, 64), err);
    if (code != TN_OK) tn_dynamic_drop(d);
    return code;
}

/* Infers and prepares, unless that was done for the very same shapes and values. */
static tn_code get_ready(tn_dynamic *d, tn_run *r, const tn_step *s, tn_error *err)
{
    tn_buf key = {0};
    TN_TRY(dynamic_make(d, s, err));
    tn_code code = make_key(r, &key, err);
    if (code != TN_OK) {
        tn_buf_free(&key);
        return code;
    }
    if (d->is_prepared && key.n == d->key.n && (!key.n || memcmp(key.data, d->key.data, key.n) == 0)) {
        tn_buf_free(&key);
        return TN_OK;
    }
    tn_dynamic_drop(d);
    tn_arena_reset(d->arena);
    tn_buf_free(&d->key);
    d->key = key;
    TN_TRY(infer_now(d, r, err));
    return prepare_now(d, r, s, err);
}

static tn_code make_outputs(const tn_run_context *c, const tn_dynamic *d, tn_run *r, const tn_step *s, tn_error *err)
{
    for (int i = 0; i < r->n_out; i++) {
        tn_tensor *v = r->out[i];
        const tn_slot *slot = &c->program->slots[s->out[i]];
        if (tn_op_is_dynamic(r->op, i) || tn_dtype_is_ref(slot->dtype)) continue;
        if (v->dtype == TN_RESOURCE && !tn_shape_known(&d->out_shapes[i])) continue; /* made by run */
        if (!tn_shape_known(&d->out_shapes[i]))
            return tn_fail(err, TN_INTERNAL, "%s: the shape of output %d is not known", r->op->name, i);
        TN_TRY(output_value(slot, v, &d->out_shapes[i], err));
        if (!tn_dtype_is_pod(v->dtype) && v->dtype != TN_STRING) memset(v->data, 0, tn_tensor_bytes(v));
    }
    return TN_OK;
}

tn_code tn_exec_dynamic(tn_run_context *c, const tn_step *s, tn_error *err)
{
    tn_dynamic *d = &c->dynamic[s->dynamic];
    tn_run *r = &c->runs[s->index];
    if (!s->run) return TN_OK; /* only control: NoOp */
    TN_TRY(get_ready(d, r, s, err));
    TN_TRY(make_outputs(c, d, r, s, err));
    r->params = d->prepared.params;
    r->scratch = d->scratch;
    return run_step(c, s, d->prepared.run, err);
}

static tn_code alias_value(const tn_run_context *c, const tn_tensor *in, tn_tensor *out,
                           const tn_shape *shape, tn_error *err)
{
    tn_tensor *copy;
    char text[128];
    if (tn_shape_count(shape) != tn_shape_count(&in->shape) || in->shape.rank < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "%lld values cannot be seen as %s",
                       (long long)tn_shape_count(&in->shape), tn_shape_text(shape, text, sizeof text));
    if (c->program->passes & TN_PASS(ALIAS)) {
        tn_value_share(out, in);
    } else {
        TN_TRY(tn_tensor_copy(in, &copy, err));
        tn_value_take(out, copy);
    }
    out->shape = *shape;
    return TN_OK;
}

/* An alias whose input is not at a fixed place, or whose shape is found while running. */
tn_code tn_exec_alias(tn_run_context *c, const tn_step *s, tn_error *err)
{
    bool known = true;
    for (int i = 0; i < s->n_out; i++) known = known && tn_shape_known(&c->program->slots[s->out[i]].shape);
    if (!known) TN_TRY(get_ready(&c->dynamic[s->dynamic], &c->runs[s->index], s, err));
    for (int i = 0; i < s->n_out; i++) {
        const tn_shape *shape = known ? &c->program->slots[s->out[i]].shape : &c->dynamic[s->dynamic].out_shapes[i];
        TN_TRY(alias_value(c, &c->values[s->in[i]], &c->values[s->out[i]], shape, err));
    }
    return TN_OK;
}

/* ==== the loop ==== */

static tn_code not_finite(const tn_run_context *c, const tn_step *s, tn_error *err)
{
    for (int i = 0; i < s->n_out; i++) {
        const tn_tensor *t = &c->values[s->out[i]];
        if (tn_dtype_is_float(t->dtype) && t->data && !is_finite(t))
            return tn_fail(err, TN_INVALID_ARGUMENT, "Tensor '%s:%d' had NaN or infinite values", s->name, i);
    }
    return TN_OK;
}

static tn_code exec_timed(tn_run_context *c, const tn_step *s, tn_error *err)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    tn_code code = s->exec(c, s, err);
    clock_gettime(CLOCK_MONOTONIC, &b);
    c->step_ns[s->index] += (b.tv_sec - a.tv_sec) * 1000000000LL + (b.tv_nsec - a.tv_nsec);
    return code;
}

static bool is_set(const atomic_int *flag)
{
    return flag && atomic_load_explicit(flag, memory_order_relaxed);
}

static bool is_late(const tn_run_context *c)
{
    return c->deadline && tn_now_us() > c->deadline;
}

/* The deadline first: whoever has set it may cancel when it is over. In TensorFlow's words. */
tn_code tn_may_go_on(const tn_run_context *c, tn_error *err)
{
    if (is_late(c)) return tn_fail(err, TN_DEADLINE_EXCEEDED, "Timed out waiting for notification");
    if (is_set(c->cancel) || is_set(c->callers_cancel)) return tn_fail(err, TN_CANCELLED, "the run was cancelled");
    return TN_OK;
}

tn_code tn_run_range(tn_run_context *c, const tn_code_range *range, tn_error *err)
{
    for (int i = range->first; i < range->last; i++) {
        const tn_step *s = &c->program->steps[i];
        TN_TRY(tn_may_go_on(c, err));
        tn_code code = c->step_ns ? exec_timed(c, s, err) : s->exec(c, s, err);
        if (code == TN_OK && c->check_numbers) code = not_finite(c, s, err);
        if (code == TN_CANCELLED && is_late(c)) code = tn_may_go_on(c, err); /* operators do not ask why */
        if (code != TN_OK) {
            bool of_run = code == TN_DEADLINE_EXCEEDED && is_late(c); /* and of no node */
            if (of_run || !err || strstr(err->message, "[[{{node")) return code;
            return tn_note(err, "[[{{node %s}}]]", s->name);
        }
        for (int k = 0; k < s->n_release; k++) tn_value_drop(&c->values[s->release[k]]);
    }
    return TN_OK;
}

tn_code tn_program_run(tn_run_context *c, const tn_tensor *const *feeds, const atomic_int *cancel, tn_error *err)
{
    const tn_program *p = c->program;
    if (atomic_load_explicit(&((tn_program *)p)->asleep, memory_order_acquire))
        TN_TRY(tn_program_wake((tn_program *)p, err));
    c->cancel = cancel;
    c->guarded = false;
    for (int i = 0; i < p->n_fed_slots; i++) {
        const tn_slot *slot = &p->slots[p->fed_slots[i]];
        c->values[p->fed_slots[i]].data = feeds[slot->feed]->data;
    }
    return tn_run_range(c, &p->top, err);
}

/* ==== one operation alone ==== */

#define EVALUATE_US 1000000 /* what takes longer is no constant to have now */

tn_code tn_evaluate(const tn_op *op, const char *name, const tn_attrs *attrs, const tn_tensor *const *in, int n_in,
                 tn_tensor **out, int n_out, const tn_dtype *out_dtypes, tn_error *err)
{
    int n = n_in + n_out;
    tn_tensor *values = tn_calloc((size_t)n + 1, sizeof *values);
    tn_slot *slots = tn_calloc((size_t)n + 1, sizeof *slots);
    int *index = tn_calloc((size_t)n + 1, sizeof *index);
    tn_code code = values && slots && index ? TN_OK : tn_no_memory(err, 0);
    for (int i = 0; code == TN_OK && i < n; i++) {
        index[i] = i;
        slots[i] = (tn_slot){.place = TN_PLACE_HEAP, .shape = tn_shape_unknown()};
        if (i < n_in) values[i] = tn_tensor_view(in[i]->dtype, &in[i]->shape, in[i]->data);
        else values[i].dtype = out_dtypes[i - n_in];
    }
    tn_dynamic dynamic = {0};
    tn_step step = {.op = op,
                    .run = op->run,
                    .name = name,
                    .attrs = attrs,
                    .in = index,
                    .out = index ? index + n_in : NULL,
                    .n_in = n_in,
                    .n_out = n_out,
                    .exec = op->flags & TN_ALIAS ? tn_exec_alias : tn_exec_dynamic};
    tn_program program = {.slots = slots, .n_slots = n, .steps = &step, .n_steps = 1, .n_dynamic = 1, .threads = 1};
    tn_run run = {0};
    tn_run_context c = {.program = &program, .values = values, .runs = &run, .dynamic = &dynamic, .guard = -1,
                        .deadline = tn_now_us() + EVALUATE_US};
    if (code == TN_OK) code = tn_context_runs(&c) ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = step.exec(&c, &step, err);
    for (int i = 0; code == TN_OK && i < n_out; i++) {
        if ((code = tn_tensor_keep(&values[n_in + i], &out[i], err)) != TN_OK)
            while (i--) tn_tensor_unref(out[i]);
    }
    if (values) tn_context_clear(&c);
    tn_dynamic_free(&dynamic);
    tn_free(run.in);
    tn_free(run.out);
    tn_free(values);
    tn_free(slots);
    tn_free(index);
    return code;
}
