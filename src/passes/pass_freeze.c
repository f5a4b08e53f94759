/* SPDX-License-Identifier: Apache-2.0
 *
 * pass_freeze.c - reads of variables that nothing in this plan writes become constants, so that what follows from
 * them is folded and packed once; and the look, before a run, whether those variables still are what they were.
 *
 * Invariants: a program holds a reference on every value it took, so that whoever changes the variable makes
 * another one: the same pointer is the same bytes. A variable that an operator has updated in place, or that has been
 * set SETTLED times, is not taken: it changes again.
 */
#include "../plan/plan.h"

enum { SETTLED = 4 };

typedef struct written { /* variables that the plan changes, by address */
    const tn_resource **v;
    int n, cap;
    bool unknown; /* which one is only known while running */
} written;

static tn_code note_write(tn_binding *b, written *w, const tn_resource *res, tn_error *err)
{
    if (!res) w->unknown = true;
    if (!TN_ROOM(b->arena, w->v, w->n, w->cap)) return tn_no_memory(err, 0);
    w->v[w->n++] = res;
    return TN_OK;
}

static tn_code find_writes(tn_binding *b, const tn_region *r, written *w, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        const tn_pnode *n = r->nodes[i];
        w->unknown |= n->op == &tn_pseudo_call;
        for (int s = 0; s < n->n_sub; s++) TN_TRY(find_writes(b, n->sub[s], w, err));
        for (int k = 0; k < n->n_in && k < 32; k++)
            if (n->op->writes >> TN_MIN(k, 31) & 1) TN_TRY(note_write(b, w, tn_pval_resource(n->in[k]), err));
    }
    return TN_OK;
}

int tn_by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_written(const written *w, const tn_resource *res)
{
    return w->n && bsearch(&res, w->v, (size_t)w->n, sizeof *w->v, tn_by_address);
}

/* The value of a variable that seems to stay as it is, with a reference; NULL: read it in every run. */
static tn_tensor *settled_value(tn_stored *v)
{
    pthread_mutex_lock(&v->store->lock);
    bool settled = v->value && !v->updates && v->sets < SETTLED && tn_dtype_is_pod(v->dtype);
    if (settled) tn_stored_restore(v);
    tn_tensor *t = settled ? tn_tensor_ref(v->value) : NULL;
    pthread_mutex_unlock(&v->store->lock);
    return t;
}

static tn_code add_frozen(tn_binding *b, tn_stored *v, tn_tensor *value, tn_error *err)
{
    if (!TN_ROOM(b->kept, b->frozen, b->n_frozen, b->cap_frozen)) return tn_no_memory(err, 0);
    b->frozen[b->n_frozen++] = (tn_frozen){v, value};
    return TN_OK;
}

static const tn_tensor *frozen_before(const tn_binding *b, const tn_stored *v)
{
    for (int i = 0; i < b->n_frozen; i++)
        if (b->frozen[i].variable == v) return b->frozen[i].value;
    return NULL;
}

static tn_code freeze_read(tn_binding *b, tn_pnode *n, const written *w, tn_error *err)
{
    tn_resource *res = tn_pval_resource(n->in[0]);
    if (!res || res->kind != TN_RES_VARIABLE || is_written(w, res)) return TN_OK;
    tn_stored *v = (tn_stored *)res;
    const tn_tensor *value = frozen_before(b, v);
    if (!value) {
        tn_tensor *t = settled_value(v);
        if (!t) return TN_OK;
        TN_TRY(tn_binding_own(b, t, err));
        TN_TRY(add_frozen(b, v, t, err));
        value = t;
    }
    n->op = &tn_pseudo_constant;
    n->n_in = 0;
    n->out[0] = (tn_info){.dtype = value->dtype, .shape = value->shape, .value = value, .bound = -1};
    return TN_OK;
}

static tn_code freeze_reads(tn_binding *b, tn_region *r, const written *w, tn_error *err)
{
    for (int i = 0; i < r->n_nodes; i++) {
        tn_pnode *n = r->nodes[i];
        for (int s = 0; s < n->n_sub; s++) TN_TRY(freeze_reads(b, n->sub[s], w, err));
        if (tn_pnode_is_read(n)) TN_TRY(freeze_read(b, n, w, err));
    }
    return TN_OK;
}

tn_code tn_pass_freeze(tn_binding *b, tn_region *r, tn_error *err)
{
    written w = {0};
    TN_TRY(find_writes(b, r, &w, err));
    if (w.unknown) return TN_OK;
    if (w.n) qsort(w.v, (size_t)w.n, sizeof *w.v, tn_by_address);
    return freeze_reads(b, r, &w, err);
}

bool tn_program_is_fresh(tn_program *p)
{
    if (!p->n_frozen) return true;
    uint64_t now = atomic_load_explicit(&p->store->changes, memory_order_acquire);
    if (atomic_load_explicit(&p->checked, memory_order_relaxed) == now) return true;
    bool same = true;
    pthread_mutex_lock(&p->store->lock);
    now = atomic_load_explicit(&p->store->changes, memory_order_relaxed);
    for (int i = 0; i < p->n_frozen && same; i++) same = p->frozen[i].variable->value == p->frozen[i].value;
    pthread_mutex_unlock(&p->store->lock);
    if (same) atomic_store_explicit(&p->checked, now, memory_order_relaxed);
    return same;
}
