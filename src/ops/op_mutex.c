/* SPDX-License-Identifier: Apache-2.0
 *
 * op_mutex.c - mutexes of a session (CriticalSection): a lock is a variant that holds the mutex until it is
 * consumed, or nobody has it any more.
 */
#include "../plan/state.h"
#include "queue.h"

typedef struct mutex {
    tn_resource base;
    pthread_mutex_t guard;
    pthread_cond_t changed;
    bool held;
} mutex;

typedef struct lock {
    tn_variant head;
    mutex *of; /* with a reference; NULL: given back */
} lock;

static void release_mutex(tn_resource *self)
{
    mutex *m = (mutex *)self;
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->guard);
    tn_resource_free(self);
}

static tn_resource *make(const tn_run *r)
{
    (void)r;
    mutex *m = tn_resource_new(sizeof *m, TN_RES_MUTEX, "mutex", release_mutex);
    if (!m) return NULL;
    pthread_mutex_init(&m->guard, NULL);
    pthread_cond_init(&m->changed, NULL);
    return &m->base;
}

static void give_back(lock *l)
{
    mutex *m = l->of;
    if (!m) return;
    l->of = NULL;
    pthread_mutex_lock(&m->guard);
    m->held = false;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->guard);
    tn_resource_unref(&m->base);
}

static void release_lock(tn_variant *v)
{
    give_back((lock *)v);
    tn_free(v);
}

static tn_code mutex_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_own_resource(r, TN_RES_MUTEX, "mutex:", make, &res, err));
    return tn_run_new_resource(r, 0, res, err);
}

static tn_code hold(const tn_run *r, mutex *m, tn_error *err)
{
    int waited = 0;
    tn_code code = TN_OK;
    pthread_mutex_lock(&m->guard);
    while (code == TN_OK && m->held)
        code = tn_wait_a_moment(&m->changed, &m->guard, r, &waited, "a mutex is held by somebody else", err);
    if (code == TN_OK) m->held = true;
    pthread_mutex_unlock(&m->guard);
    return code;
}

static tn_code lock_run(tn_run *r, tn_error *err)
{
    tn_resource *res;
    TN_TRY(tn_run_resource(r, 0, TN_RES_MUTEX, &res, err));
    lock *l = tn_calloc(1, sizeof *l);
    if (!l) return tn_no_memory(err, sizeof *l);
    tn_code code = hold(r, (mutex *)res, err);
    if (code != TN_OK) {
        tn_free(l);
        return code;
    }
    atomic_init(&l->head.refs, 1);
    l->head.release = release_lock;
    l->head.depth = 1;
    l->of = (mutex *)tn_resource_ref(res);
    tn_variant **at = r->out[0]->data;
    tn_variant_unref(*at);
    *at = &l->head;
    return TN_OK;
}

static tn_code consume_run(tn_run *r, tn_error *err)
{
    tn_variant *v = tn_tensor_count(r->in[0]) == 1 ? *(tn_variant **)r->in[0]->data : NULL;
    if (!v || v->release != release_lock)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s': its input holds no lock of a mutex", r->name);
    give_back((lock *)v);
    return TN_OK;
}

TN_STATE_OP(MutexV2, mutex_run, tn_infer_scalar, TN_NO_GRADIENT, TN_BIT(0),
            "-> resource:resource; container:string=\"\" shared_name:string=\"\"");
TN_STATE_OP(MutexLock, lock_run, tn_infer_scalar, TN_EFFECT, 0, "mutex:resource -> mutex_lock:variant;");
TN_STATE_OP(ConsumeMutexLock, consume_run, tn_infer_none, TN_EFFECT | TN_NO_GRADIENT, 0, "mutex_lock:variant -> ;");
