/* SPDX-License-Identifier: Apache-2.0
 *
 * shed.c - variables of a session at rest are held once: where every program that took a value for a constant looks at
 * its packed form alone (pack.h), the value's own pages go back to the system. Whoever wants the value, be it to make
 * another plan, gets it unpacked, bit for bit.
 *
 * Invariants: a value is shed only while each reference to its bytes is known to be that of such a program; all ways
 * to a variable's value restore it first, under the store's lock.
 */
#include "programs.h"

#define LEAST ((size_t)256 << 10) /* bytes that are worth it */
#define LEAST_PACK ((size_t)16 << 10)

void tn_stored_restore(tn_stored *v)
{
    if (!v->shed) return;
    tn_pack_undo(v->shed, v->value->data);
    tn_stored_drop_shed(v);
}

void tn_stored_drop_shed(tn_stored *v)
{
    tn_pack_release(v->shed);
    v->shed = NULL;
}

/* ==== who looks at it ==== */

typedef struct span {
    void *data;
    size_t bytes;
} span;

static bool lies_in(const tn_program *p, int slot, span x)
{
    const uintptr_t at = (uintptr_t)p->values[slot].data, first = (uintptr_t)x.data;
    return at >= first && at - first < x.bytes;
}

static bool gives(const tn_program *p, const tn_code_range *range, span x)
{
    for (int i = 0; i < range->n_rets; i++)
        if (lies_in(p, range->rets[i], x)) return true;
    return false;
}

static bool step_reads(const tn_program *p, const tn_step *s, span x)
{
    for (int i = 0; i < s->n_in; i++)
        if (lies_in(p, s->in[i], x) && (i >= 32 || !(s->unread & TN_BIT(i)))) return true;
    for (int i = 0; i < s->n_sub; i++)
        if (gives(p, &s->sub[i], x)) return true;
    return false;
}

static bool program_reads(const tn_program *p, span x)
{
    bool reads = gives(p, &p->top, x);
    for (int i = 0; !reads && i < p->n_steps; i++) reads = step_reads(p, &p->steps[i], x);
    return reads;
}

typedef struct users {
    int of_tensor, of_buffer; /* references that are known */
    bool reads;
} users;

static void add_program(const tn_program *p, const tn_tensor *t, users *u)
{
    bool has = false;
    for (int i = 0; i < p->n_owned; i++) {
        const tn_tensor *o = p->owned[i];
        if (o == t) u->of_tensor++;
        else if (o->buffer == t->buffer && atomic_load(&((tn_tensor *)o)->refs) == 1) u->of_buffer++;
        has = has || o->buffer == t->buffer;
    }
    u->reads = u->reads || (has && program_reads(p, (span){t->data, tn_tensor_bytes(t)}));
}

/* Called with the session's lock held. */
static users users_of(tn_session *s, const tn_tensor *t)
{
    users u = {.of_tensor = 1, .of_buffer = 1}; /* the variable's; the tensor's */
    for (size_t i = 0; i < tn_map_count(s->plans); i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        for (int k = 0; k < p->n_bound; k++) add_program(p->bound[k]->program, t, &u);
    }
    return u;
}

/* ==== shedding ==== */

/* Called with the session's and the store's locks held. */
static void shed(tn_session *s, tn_stored *v)
{
    tn_tensor *t = v->value;
    if (!t || v->shed || v->updates || !t->buffer || tn_tensor_bytes(t) < LEAST) return;
    tn_pack *pack = tn_pack_find_undo(&s->store->packs, t->data, tn_tensor_bytes(t));
    if (!pack) return;
    const users u = users_of(s, t);
    if (u.reads || atomic_load(&t->refs) != u.of_tensor || atomic_load(&t->buffer->refs) != u.of_buffer) {
        tn_pack_release(pack);
        return;
    }
    v->shed = pack;
    tn_pages_forget(t->data, tn_tensor_bytes(t));
}

/* Programs that hold the pack as a tensor of their own, which nobody else has; -1: one looks at it. */
static int holders(const tn_program *p, span x)
{
    int n = 0;
    for (int i = 0; i < p->n_owned; i++) {
        tn_tensor *o = p->owned[i];
        n += o->data == x.data && atomic_load(&o->refs) == 1 && o->buffer && atomic_load(&o->buffer->refs) == 1;
    }
    return n && program_reads(p, x) ? -1 : n;
}

/* Called with the session's and the packs' locks held. */
static void empty(tn_session *s, tn_pack *pack)
{
    const span x = {pack->data, pack->bytes};
    int known = 0;
    if (!pack->fills_tensors || pack->hollow || pack->bytes < LEAST_PACK) return;
    for (size_t i = 0; i < tn_map_count(s->plans); i++) {
        const tn_plan *p = tn_map_value(s->plans, i);
        for (int k = 0; k < p->n_bound; k++) {
            const int n = holders(p->bound[k]->program, x);
            if (n < 0) return;
            known += n;
        }
    }
    if (known != pack->refs) return;
    pack->hollow = true;
    tn_pages_forget(x.data, x.bytes);
}

void tn_session_shed(tn_session *s)
{
    tn_packs *packs = &s->store->packs;
    pthread_mutex_lock(&s->lock);
    pthread_mutex_lock(&s->store->lock);
    for (size_t i = 0; i < tn_map_count(s->store->variables); i++) shed(s, tn_map_value(s->store->variables, i));
    pthread_mutex_unlock(&s->store->lock);
    pthread_mutex_lock(&packs->lock);
    for (tn_pack *p = packs->first; p; p = p->next) empty(s, p);
    pthread_mutex_unlock(&packs->lock);
    pthread_mutex_unlock(&s->lock);
}
