/* SPDX-License-Identifier: Apache-2.0
 *
 * shed.c - weights of a session are held once: where every program that took a value for a constant looks at
 * its packed form alone (pack.h), the value's own pages go back to the system, be it a variable's or, where the
 * session owns them, the graph's. Whoever wants the value, be it to make another plan, gets it unpacked, bit for bit.
 * While the session rests, one stays of what is packed in two forms; the other is made again of it by the next run that
 * looks at it.
 *
 * Invariants: a value is shed only while each reference to its bytes is known to be that of such a program; all ways
 * to a variable's value restore it first, under the store's lock; constants are there while somebody plans. What runs
 * look at is emptied only while there are none, under the session's lock, which each run takes when it begins, and each
 * program that looks at it is marked before.
 */
#include "callee.h"
#include "programs.h"

void tn_stored_restore(tn_stored *v)
{
    if (!v->shed) return;
    tn_pack_undo(v->shed, v->value->data);
    tn_stored_drop_shed(v);
}

void tn_stored_drop_shed(tn_stored *v)
{
    if (v->shed) tn_pack_forget_source(v->shed);
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

static bool reads_span(const tn_program *p, span x)
{
    bool reads = gives(p, &p->top, x);
    for (int i = 0; !reads && i < p->n_steps; i++) reads = step_reads(p, &p->steps[i], x);
    return reads;
}

bool tn_program_reads(const tn_program *p, const tn_tensor *t)
{
    return reads_span(p, (span){t->data, tn_tensor_bytes(t)});
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
    u->reads = u->reads || (has && tn_program_reads(p, t));
}

/* All programs of the session, one after another: the next from *plan and *k on; NULL: no more. */
static tn_program *next_program(tn_session *s, size_t *plan, int *k)
{
    for (; *plan < tn_map_count(s->plans); ++*plan, *k = 0) {
        const tn_plan *p = tn_map_value(s->plans, *plan);
        if (*k < p->n_bound) return p->bound[(*k)++]->program;
    }
    return NULL;
}

/* Called with the session's lock held. */
static users users_of(tn_session *s, const tn_tensor *t)
{
    users u = {.of_tensor = 1, .of_buffer = 1}; /* the variable's; the tensor's */
    size_t plan = 0;
    int k = 0;
    for (tn_program *p; (p = next_program(s, &plan, &k));) add_program(p, t, &u);
    return u;
}

/* ==== shedding ==== */

static bool is_known(tn_session *s, const tn_tensor *t, int more)
{
    const users u = users_of(s, t);
    return !u.reads && atomic_load(&((tn_tensor *)t)->refs) == u.of_tensor + more &&
           atomic_load(&t->buffer->refs) == u.of_buffer;
}

/* Tensors that hold t by what was made of it by factors; *one: one of these. Called with the packs' lock held. */
static int made_of(const tn_packs *all, const tn_tensor *t, tn_pack **one)
{
    int n = 0;
    *one = NULL;
    for (tn_pack *p = all->first; p; p = p->next) {
        if (p->source != t->data || !p->factors) continue;
        n += p->refs;
        if (p->bytes == tn_tensor_bytes(t)) *one = p;
    }
    return n;
}

/* One of which all elements times factors are in another form, too, with a reference on it. */
static tn_pack *keep_by_factors(tn_session *s, const tn_tensor *t)
{
    tn_packs *all = &s->store->packs;
    tn_pack *found;
    pthread_mutex_lock(&all->lock);
    const int n = made_of(all, t, &found);
    if (found && (!is_known(s, t, n) || !tn_pack_keep_source(all, found, t->data))) found = NULL;
    if (found) found->refs++;
    pthread_mutex_unlock(&all->lock);
    return found;
}

/* Called with the session's and the store's locks held. */
static void shed(tn_session *s, tn_stored *v)
{
    tn_tensor *t = v->value;
    if (v->shed) tn_pages_forget(t->data, tn_tensor_bytes(t));
    if (!t || v->shed || v->updates || !t->buffer || tn_tensor_bytes(t) < TN_PACK_LEAST) return;
    tn_pack *pack = tn_pack_find_undo(&s->store->packs, t->data, tn_tensor_bytes(t));
    if (pack && !is_known(s, t, 0)) {
        tn_pack_release(pack);
        return;
    }
    if (!pack && t->dtype == TN_FLOAT) pack = keep_by_factors(s, t);
    if (!pack) return;
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
    return n && reads_span(p, x) ? -1 : n;
}

/* Called with the session's and the packs' locks held. */
static void empty(tn_session *s, tn_pack *pack)
{
    const span x = {pack->data, pack->bytes};
    size_t plan = 0;
    int known = 0, k = 0;
    if (!pack->factors || pack->hollow || pack->looks || pack->bytes < TN_PACK_LEAST) return;
    for (tn_program *p; (p = next_program(s, &plan, &k));) {
        const int n = holders(p, x);
        if (n < 0) return;
        known += n;
    }
    if (known != pack->refs) return;
    pack->stays = false;
    pack->hollow = true;
    tn_pages_forget(x.data, x.bytes);
}

static int steps_with(const tn_program *p, const tn_pack *pack)
{
    int n = 0;
    for (int i = 0; i < p->n_steps; i++) n += p->steps[i].pack == pack;
    return n;
}

/* Another form of what is packed already, at which steps look. Called with the session's and the packs' locks held,
 * while nothing runs. */
static void put_aside(tn_session *s, tn_pack *pack)
{
    size_t plan = 0;
    int known = 0, k = 0;
    if (pack->bytes < TN_PACK_LEAST || !tn_pack_is_spare(&s->store->packs, pack)) return;
    for (tn_program *p; (p = next_program(s, &plan, &k));) known += steps_with(p, pack);
    if (known != pack->refs) return;
    plan = 0;
    k = 0;
    for (tn_program *p; (p = next_program(s, &plan, &k));)
        if (steps_with(p, pack)) atomic_store(&p->asleep, true);
    pack->hollow = true;
    tn_pages_forget(pack->data, pack->bytes);
}

tn_code tn_program_wake(tn_program *p, tn_error *err)
{
    tn_packs *packs = &p->store->packs;
    tn_code code = TN_OK;
    pthread_mutex_lock(&packs->lock);
    for (int i = 0; i < p->n_steps && code == TN_OK; i++)
        if (p->steps[i].pack && p->steps[i].pack->hollow) code = tn_pack_refill(p->steps[i].pack, err);
    if (code == TN_OK) atomic_store(&p->asleep, false);
    pthread_mutex_unlock(&packs->lock);
    return code;
}

static bool is_alone(const tn_packs *all, const void *source)
{
    for (int i = 0; i < all->n_alone; i++)
        if (all->alone[i]->source == source) return true;
    return false;
}

static bool session_reads(tn_session *s, span x)
{
    size_t plan = 0;
    int k = 0;
    for (tn_program *p; (p = next_program(s, &plan, &k));)
        if (reads_span(p, x)) return true;
    return false;
}

/* A constant of the graph that nobody else has. Called as put_aside is, while nobody plans. */
static void shed_constant(tn_session *s, tn_pack *pack)
{
    tn_packs *all = &s->store->packs;
    tn_pack *made;
    const size_t unpacks = pack->recipe.undo && !pack->hollow ? pack->recipe.source_bytes : 0;
    const size_t bytes = pack->factors ? pack->bytes : unpacks;
    if (bytes < TN_PACK_LEAST || is_alone(all, pack->source)) return;
    const tn_tensor *t = tn_graph_constant_at(s->graph, pack->source);
    if (!t || tn_tensor_bytes(t) != bytes || !t->buffer) return;
    if (atomic_load(&((tn_tensor *)t)->refs) != 1 + made_of(all, t, &made)) return;
    if (atomic_load(&t->buffer->refs) != 1) return;
    if (session_reads(s, (span){t->data, bytes})) return;
    if (!TN_ROOM(NULL, all->alone, all->n_alone, all->cap_alone)) return;
    if (pack->factors && !tn_pack_keep_source(all, pack, t->data)) return;
    all->alone[all->n_alone++] = pack;
    pack->refs++;
    tn_pages_forget(t->data, bytes);
}

/* Called with both locks held. */
static void shed_packed(tn_session *s, bool rests)
{
    tn_packs *all = &s->store->packs;
    if (s->active) {
        if (s->settles) atomic_store(&s->has_new, true); /* later */
        return;
    }
    for (tn_pack *p = all->first; rests && p; p = p->next) put_aside(s, p);
    if (!s->owns_constants || atomic_load(&all->planning) || tn_callees_any(s->store->callees)) return;
    for (tn_pack *p = all->first; p; p = p->next) shed_constant(s, p);
}

/* The system may have made large pages of what was left around them. Called with the packs' lock held. */
static void forget_again(const tn_packs *all)
{
    for (const tn_pack *p = all->first; p; p = p->next)
        if (p->hollow) tn_pages_forget(p->data, p->bytes);
    for (int i = 0; i < all->n_alone; i++) {
        const tn_pack *p = all->alone[i];
        tn_pages_forget((void *)p->source, p->factors ? p->bytes : p->recipe.source_bytes);
    }
}

/* One after another, so that who begins a run waits for one at most. */
static bool shed_variable(tn_session *s, size_t i)
{
    pthread_mutex_lock(&s->lock);
    pthread_mutex_lock(&s->store->lock);
    const bool any = i < tn_map_count(s->store->variables);
    if (any) shed(s, tn_map_value(s->store->variables, i));
    pthread_mutex_unlock(&s->store->lock);
    pthread_mutex_unlock(&s->lock);
    return any;
}

static void shed_all(tn_session *s, bool rests)
{
    tn_packs *packs = &s->store->packs;
    pthread_mutex_lock(&s->lock);
    pthread_mutex_lock(&packs->lock);
    forget_again(packs);
    for (tn_pack *p = packs->first; p; p = p->next) empty(s, p);
    pthread_mutex_unlock(&packs->lock);
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; shed_variable(s, i);) i++;
    pthread_mutex_lock(&s->lock);
    pthread_mutex_lock(&packs->lock);
    shed_packed(s, rests);
    pthread_mutex_unlock(&packs->lock);
    pthread_mutex_unlock(&s->lock);
}

void tn_session_shed(tn_session *s)
{
    shed_all(s, true);
}

bool tn_session_settle(tn_session *s)
{
    if (!atomic_exchange(&s->has_new, false)) return false;
    shed_all(s, false);
    return true;
}
