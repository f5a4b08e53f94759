/* SPDX-License-Identifier: Apache-2.0
 *
 * iterator.c - iterators over data sets, which outlive runs. The operators on them are op_iterator.c's.
 *
 * Invariants: one run at a time moves an iterator, others wait, and look meanwhile whether they are
 * cancelled; a function of its data set that would move the iterator itself is told so instead of waiting
 * forever.
 */
#include "iterator.h"

#include <time.h>

#define PREFIX "iterator:"
enum { LOOK_MS = 20 };

typedef struct iterator {
    tn_resource base;
    tn_gate gate; /* its lock is that of `at`, too */
    int width;
    tn_dtype *types;
    tn_shape *shapes;
    tn_source *at; /* NULL: it has not begun */
    int64_t asked; /* how often it was since it began; the end does not count */
    int64_t *seeds; /* where the data set's generators were when it began, TN_SEEDS_STATE numbers each */
    int n_seeds;
} iterator;

static void release(tn_resource *self)
{
    iterator *i = (iterator *)self;
    tn_source_stop(i->at);
    tn_gate_destroy(&i->gate);
    tn_free(i->types);
    tn_free(i->shapes);
    tn_free(i->seeds);
    tn_resource_free(self);
}

static bool set_types(iterator *i, const tn_attrs *attrs)
{
    const tn_attr *types = tn_attr_find(attrs, "output_types"),
                  *shapes = tn_attr_find(attrs, "output_shapes");
    if (!types || !types->is_list || types->kind != TN_ATTR_TYPE) return false;
    i->width = types->n;
    i->types = tn_calloc((size_t)types->n + 1, sizeof *i->types);
    i->shapes = tn_calloc((size_t)types->n + 1, sizeof *i->shapes);
    if (!i->types || !i->shapes) return false;
    bool given = shapes && shapes->is_list && shapes->kind == TN_ATTR_SHAPE && shapes->n == types->n;
    for (int k = 0; k < types->n; k++) {
        i->types[k] = types->types[k];
        i->shapes[k] = given ? shapes->shapes[k] : tn_shape_unknown();
    }
    return true;
}

char *tn_iterator_name(const tn_run *r)
{
    tn_view shared = {"", 0}, container = {"", 0};
    tn_buf name = {0};
    tn_attr_get_string(r->attrs, "shared_name", &shared);
    tn_attr_get_string(r->attrs, "container", &container);
    tn_buf_str(&name, PREFIX);
    tn_buf_add(&name, container.p, container.n);
    if (container.n) tn_buf_char(&name, '/');
    if (shared.n)
        tn_buf_add(&name, shared.p, shared.n);
    else
        tn_buf_str(&name, r->name);
    return tn_buf_take(&name, NULL);
}

const char *tn_iterator_owner(const tn_resource *res)
{
    return res->name + strlen(PREFIX);
}

tn_resource *tn_iterator_make(const tn_run *r)
{
    char *name = tn_iterator_name(r);
    iterator *i = name ? tn_resource_new(sizeof *i, TN_RES_ITERATOR, name, release) : NULL;
    tn_free(name);
    if (!i) return NULL;
    tn_gate_init(&i->gate);
    if (set_types(i, r->attrs)) return &i->base;
    release(&i->base);
    return NULL;
}

int tn_iterator_width(const tn_resource *res)
{
    return ((const iterator *)res)->width;
}

tn_code tn_iterator_check(const tn_resource *res, const tn_run *r, tn_error *err)
{
    const iterator *i = (const iterator *)res;
    iterator wanted = {0};
    tn_dataset has = {.width = i->width, .types = i->types, .shapes = i->shapes};
    const tn_attr *types = tn_attr_find(r->attrs, "output_types");
    if (!types || !types->n) return TN_OK;
    tn_code code = set_types(&wanted, r->attrs) ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = tn_dataset_fits(&has, wanted.width, wanted.types, wanted.shapes, err);
    tn_free(wanted.types);
    tn_free(wanted.shapes);
    return code;
}

/* ==== one at a time ==== */

void tn_gate_init(tn_gate *g)
{
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->free, NULL);
    g->busy = false;
}

void tn_gate_destroy(tn_gate *g)
{
    pthread_cond_destroy(&g->free);
    pthread_mutex_destroy(&g->lock);
}

tn_code tn_gate_enter(tn_gate *g, const tn_run *r, const char *name, tn_error *err)
{
    tn_code code = TN_OK;
    pthread_mutex_lock(&g->lock);
    while (code == TN_OK && g->busy) {
        struct timespec until;
        if (pthread_equal(g->mover, pthread_self()))
            code = tn_fail(err, TN_INVALID_ARGUMENT,
                           "iterator '%s' is moved by a function of its own data set", name);
        else if (tn_run_cancelled(r))
            code = tn_fail(err, TN_CANCELLED, "the run was cancelled");
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (code == TN_OK) pthread_cond_timedwait(&g->free, &g->lock, &until);
    }
    if (code == TN_OK) {
        g->busy = true;
        g->mover = pthread_self();
    }
    pthread_mutex_unlock(&g->lock);
    return code;
}

void tn_gate_leave(tn_gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->busy = false;
    pthread_cond_signal(&g->free);
    pthread_mutex_unlock(&g->lock);
}

/* ==== moving ==== */

static bool holds(const tn_dataset *d, const iterator *i, int depth);

static bool resource_holds(tn_resource *res, const iterator *i, int depth)
{
    if (res && res->kind == TN_RES_MULTI_ITERATOR) res = ((tn_shared_iterator *)res)->inner;
    if (!res || res->kind != TN_RES_ITERATOR) return false;
    if (res == &i->base) return true;
    iterator *other = (iterator *)res;
    pthread_mutex_lock(&other->gate.lock);
    bool yes = other->at && holds(other->at->d, i, depth);
    pthread_mutex_unlock(&other->gate.lock);
    return yes;
}

static bool tensors_hold(tn_tensor *const *t, int n, const iterator *i, int depth)
{
    for (int k = 0; k < n; k++)
        for (int64_t e = 0; t[k]->dtype == TN_RESOURCE && e < tn_tensor_count(t[k]); e++)
            if (resource_holds(((tn_resource **)t[k]->data)[e], i, depth)) return true;
    return false;
}

/* The iterator is among what functions of the data set are given, or is asked by one that is: an iterator
 * over it would hold itself. What is nested too deep to tell is taken for that. */
static bool holds(const tn_dataset *d, const iterator *i, int depth)
{
    if (depth > TN_CALL_DEPTH || tensors_hold(d->tensor, d->n_tensors, i, depth + 1)) return true;
    for (int k = 0; k < TN_DATA_FUNCTIONS; k++)
        if (tensors_hold(d->f[k].captured, d->f[k].n_captured, i, depth + 1)) return true;
    for (int k = 0; k < d->n_inputs; k++)
        if (holds(d->input[k], i, depth + 1)) return true;
    return false;
}

/* Generators of seeds in the order of the tree, no more than `most`; how many there are. */
static int generators(const tn_dataset *d, tn_resource **out, int most, int n)
{
    if (d->shared && d->shared->kind == TN_RES_SEEDS) {
        if (n < most) out[n] = d->shared;
        n++;
    }
    for (int k = 0; k < d->n_inputs; k++) n = generators(d->input[k], out, most, n);
    return n;
}

/* All of them in a new array (tn_free). */
static tn_code find_generators(const tn_dataset *d, tn_resource ***out, int *n, tn_error *err)
{
    *n = generators(d, NULL, 0, 0);
    *out = tn_calloc((size_t)*n + 1, sizeof **out);
    if (!*out) return tn_no_memory(err, 0);
    generators(d, *out, *n, 0);
    return TN_OK;
}

static tn_code note_seeds(const tn_dataset *d, int64_t **out, int *n, tn_error *err)
{
    tn_resource **all;
    TN_TRY(find_generators(d, &all, n, err));
    *out = tn_calloc((size_t)*n + 1, TN_SEEDS_STATE * sizeof **out);
    for (int k = 0; *out && k < *n; k++) tn_seeds_get(all[k], *out + k * TN_SEEDS_STATE);
    tn_free(all);
    return *out ? TN_OK : tn_no_memory(err, 0);
}

/* Takes s and seeds, under the gate. */
static void go_over(iterator *i, tn_source *s, int64_t *seeds, int n_seeds, int64_t asked)
{
    pthread_mutex_lock(&i->gate.lock);
    tn_source *old = i->at;
    tn_free(i->seeds);
    i->at = s;
    i->seeds = seeds;
    i->n_seeds = n_seeds;
    i->asked = asked;
    pthread_mutex_unlock(&i->gate.lock);
    tn_source_stop(old);
}

tn_code tn_iterator_begin(tn_resource *res, const tn_run *r, tn_dataset *d, bool once, tn_error *err)
{
    iterator *i = (iterator *)res;
    tn_pull t = tn_turn_of(r, tn_iterator_owner(&i->base));
    tn_source *s = NULL;
    int64_t *seeds;
    int n;
    TN_TRY(tn_dataset_fits(d, i->width, i->types, i->shapes, err));
    if (holds(d, i, 0))
        return tn_fail(err, TN_INVALID_ARGUMENT, "the data set asks the iterator '%s' that is to go over it",
                       tn_iterator_owner(res));
    TN_TRY(note_seeds(d, &seeds, &n, err));
    tn_code code = tn_source_start(d, &t, &s, err);
    if (code == TN_OK) code = tn_gate_enter(&i->gate, r, i->base.name, err);
    if (code == TN_OK) {
        if (!(once && i->at)) {
            go_over(i, s, seeds, n, 0);
            s = NULL;
            seeds = NULL;
        }
        tn_gate_leave(&i->gate);
    }
    tn_source_stop(s);
    tn_free(seeds);
    return code;
}

/* ==== where it is ==== a version, the data set's fingerprint, how often it was asked, the generators */

enum { STATE_VERSION = 1, STATE_HEAD = 3 };

static tn_code not_begun(tn_error *err)
{
    return tn_fail(err, TN_FAILED_PRECONDITION, "the iterator has not been initialized");
}

static tn_code save(const iterator *i, const tn_run *r, tn_tensor **out, tn_error *err)
{
    uint64_t print;
    const tn_shape shape = tn_shape_vector(STATE_HEAD + (int64_t)i->n_seeds * TN_SEEDS_STATE);
    if (!i->at) return not_begun(err);
    TN_TRY(tn_dataset_fingerprint(r, i->at->d, &print, err));
    TN_TRY(tn_tensor_new(TN_INT64, &shape, out, err));
    int64_t *v = TN_INT64S(*out);
    v[0] = STATE_VERSION;
    v[1] = (int64_t)print;
    v[2] = i->asked;
    if (i->n_seeds) memcpy(v + STATE_HEAD, i->seeds, (size_t)i->n_seeds * TN_SEEDS_STATE * sizeof *v);
    return TN_OK;
}

tn_code tn_iterator_save(tn_resource *res, const tn_run *r, tn_tensor **out, tn_error *err)
{
    iterator *i = (iterator *)res;
    TN_TRY(tn_gate_enter(&i->gate, r, i->base.name, err));
    tn_code code = save(i, r, out, err);
    tn_gate_leave(&i->gate);
    return code;
}

static tn_code check_state(const iterator *i, const tn_run *r, const tn_tensor *state, tn_error *err)
{
    uint64_t print;
    if (!i->at) return not_begun(err);
    TN_TRY(tn_dataset_fingerprint(r, i->at->d, &print, err));
    const int64_t n = tn_tensor_count(state), *v = state->data;
    if (state->dtype != TN_INT64 || n != STATE_HEAD + (int64_t)i->n_seeds * TN_SEEDS_STATE || v[0] != STATE_VERSION ||
        v[1] != (int64_t)print || v[2] < 0)
        return tn_fail(err, TN_INVALID_ARGUMENT, "the state is not of an iterator over what '%s' goes over",
                       tn_iterator_owner(&i->base));
    return TN_OK;
}

/* Whoever asked has seen what failed then. */
static tn_code go_on(tn_source *s, tn_pull *t, int64_t asked, tn_error *err)
{
    bool end = false;
    tn_tensor **e = tn_element_new(s->d->width);
    tn_code code = e ? TN_OK : tn_no_memory(err, 0);
    for (int64_t k = 0; code == TN_OK && !end && k < asked; k++) {
        if (tn_source_next(s, t, e, &end, err) != TN_OK && tn_run_cancelled(t->run))
            code = tn_fail(err, TN_CANCELLED, "the run was cancelled");
        tn_element_drop(e, s->d->width);
    }
    tn_free(e);
    return code;
}

static tn_code restore(iterator *i, const tn_run *r, const tn_tensor *state, tn_error *err)
{
    tn_pull t = tn_turn_of(r, tn_iterator_owner(&i->base));
    tn_source *s = NULL;
    int64_t *seeds;
    int n;
    tn_resource **all;
    TN_TRY(check_state(i, r, state, err));
    const int64_t *v = state->data;
    TN_TRY(find_generators(i->at->d, &all, &n, err));
    for (int k = 0; k < n; k++) tn_seeds_set(all[k], v + STATE_HEAD + k * TN_SEEDS_STATE);
    tn_free(all);
    TN_TRY(note_seeds(i->at->d, &seeds, &n, err));
    tn_code code = tn_source_start((tn_dataset *)i->at->d, &t, &s, err);
    if (code == TN_OK) code = go_on(s, &t, v[2], err);
    if (code == TN_OK) {
        go_over(i, s, seeds, n, v[2]);
        return TN_OK;
    }
    tn_source_stop(s);
    tn_free(seeds);
    return code;
}

tn_code tn_iterator_restore(tn_resource *res, const tn_run *r, const tn_tensor *state, tn_error *err)
{
    iterator *i = (iterator *)res;
    TN_TRY(tn_gate_enter(&i->gate, r, i->base.name, err));
    tn_code code = restore(i, r, state, err);
    tn_gate_leave(&i->gate);
    return code;
}

bool tn_iterator_has_begun(tn_resource *res)
{
    iterator *i = (iterator *)res;
    pthread_mutex_lock(&i->gate.lock);
    bool begun = i->at || i->gate.busy;
    pthread_mutex_unlock(&i->gate.lock);
    return begun;
}

tn_code tn_iterator_next(tn_resource *res, const tn_run *r, tn_tensor **out, bool *end, tn_error *err)
{
    iterator *i = (iterator *)res;
    tn_pull t = tn_turn_of(r, tn_iterator_owner(&i->base));
    TN_TRY(tn_gate_enter(&i->gate, r, i->base.name, err));
    tn_code code = TN_OK;
    if (i->at) {
        code = tn_source_next(i->at, &t, out, end, err);
        i->asked += code != TN_OK || !*end;
    } else {
        code = tn_fail(
            err, TN_FAILED_PRECONDITION,
            "GetNext() failed because the iterator has not been initialized. Ensure that you have run the "
            "initializer operation for this iterator before getting the next element.");
    }
    tn_gate_leave(&i->gate);
    return code;
}
