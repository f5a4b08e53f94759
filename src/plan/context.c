/* SPDX-License-Identifier: Apache-2.0
 *
 * context.c - run contexts: what a run of a program changes. One thread has one at a time; those that nobody has are
 * kept for the next run, large blocks of values apart, which are the store's then (blocks.c).
 */
#include "plan.h"

bool tn_context_runs(tn_run_context *c)
{
    const tn_program *p = c->program;
    for (int i = 0; i < p->n_steps; i++) {
        const tn_step *s = &p->steps[i];
        tn_run *r = &c->runs[i];
        const tn_tensor **in = tn_calloc((size_t)s->n_in + 1, sizeof *in);
        tn_tensor **out = tn_calloc((size_t)s->n_out + 1, sizeof *out);
        *r = (tn_run){.in = in,
                      .out = out,
                      .n_in = s->n_in,
                      .n_out = s->n_out,
                      .params = s->params,
                      .scratch = c->scratch,
                      .threads = p->threads,
                      .name = s->name,
                      .op = s->op,
                      .attrs = s->attrs,
                      .context = c,
                      .step = s};
        if (!in || !out) return false;
        for (int k = 0; k < s->n_in; k++) in[k] = &c->values[s->in[k]];
        for (int k = 0; k < s->n_out; k++) out[k] = &c->values[s->out[k]];
    }
    return true;
}

static bool context_rngs(tn_run_context *c)
{
    const tn_program *p = c->program;
    c->rngs = tn_calloc((size_t)p->n_steps + 1, sizeof *c->rngs);
    c->rng_states = tn_calloc((size_t)p->n_steps + 1, sizeof *c->rng_states);
    if (!c->rngs || !c->rng_states) return false;
    for (int i = 0; i < p->n_steps; i++) {
        tn_resource *res = p->steps[i].resource;
        if (res && res->kind == TN_RES_RNG) c->rngs[c->n_rngs++] = (tn_rng *)res;
    }
    return true;
}

void tn_context_save_random(tn_run_context *c)
{
    if (!c->n_rngs) return;
    pthread_mutex_lock(&c->program->store->lock);
    for (int i = 0; i < c->n_rngs; i++) c->rng_states[i] = c->rngs[i]->state;
    pthread_mutex_unlock(&c->program->store->lock);
}

void tn_context_restore_random(tn_run_context *c)
{
    if (!c->n_rngs) return;
    pthread_mutex_lock(&c->program->store->lock);
    for (int i = 0; i < c->n_rngs; i++) c->rngs[i]->state = c->rng_states[i];
    pthread_mutex_unlock(&c->program->store->lock);
}

/* A program's blocks that are larger than this are the store's while nobody runs it. */
#define LEAST_SHARED ((size_t)256 << 10)

static size_t block_bytes(const tn_program *p)
{
    return (p->block + 64 + 63) / 64 * 64;
}

static bool is_shared(const tn_program *p)
{
    return p->store && block_bytes(p) + p->scratch >= LEAST_SHARED;
}

static bool take_memory(tn_run_context *c, const tn_program *p)
{
    size_t n = block_bytes(p), all = n + p->scratch + 64;
    if (!tn_charge_add(&c->charge, all)) return false;
    if (is_shared(p)) {
        c->shared = tn_blocks_take(&p->store->blocks, all);
        c->block = c->shared.p;
        c->scratch = c->block ? c->block + n : NULL;
    } else {
        c->block = tn_aligned_alloc(n);
        c->scratch = tn_aligned_alloc(p->scratch + 64);
    }
    return c->block && c->scratch;
}

static bool is_tight(const tn_budget *b)
{
    return b && tn_budget_used(b) > tn_budget_limit(b) / 2;
}

static void give_memory(tn_run_context *c)
{
    bool keep = !is_tight(c->charge.budget); /* others may need it more */
    if (c->shared.p) {
        tn_blocks_give(&c->program->store->blocks, c->shared, keep);
    } else {
        tn_free(c->block);
        tn_free(c->scratch);
    }
    c->shared = (tn_block){0};
    c->block = NULL;
    c->scratch = NULL;
    tn_charge_drop(&c->charge);
}

/* Values and kernels find their memory. */
static void place_memory(tn_run_context *c)
{
    const tn_program *p = c->program;
    for (int i = 0; i < p->n_slots; i++)
        if (p->slots[i].place == TN_PLACE_BLOCK) c->values[i].data = c->block + p->slots[i].offset;
    for (int i = 0; i < p->n_steps; i++) c->runs[i].scratch = c->scratch;
}

static void context_free(tn_run_context *c)
{
    if (!c) return;
    const tn_program *p = c->program;
    if (c->values) tn_context_clear(c);
    for (int i = 0; c->runs && i < p->n_steps; i++) {
        tn_free(c->runs[i].in);
        tn_free(c->runs[i].out);
    }
    for (int i = 0; c->dynamic && i < p->n_dynamic; i++) tn_dynamic_free(&c->dynamic[i]);
    give_memory(c);
    tn_free(c->values);
    tn_free(c->runs);
    tn_free(c->dynamic);
    tn_free(c->step_ns);
    tn_free(c->rngs);
    tn_free(c->rng_states);
    tn_free(c);
}

static tn_run_context *context_new(tn_program *p)
{
    tn_run_context *c = tn_calloc(1, sizeof *c);
    if (!c) return NULL;
    c->program = p;
    c->guard = -1;
    c->values = tn_calloc((size_t)p->n_slots + 1, sizeof *c->values);
    c->runs = tn_calloc((size_t)p->n_steps + 1, sizeof *c->runs);
    c->dynamic = tn_calloc((size_t)p->n_dynamic + 1, sizeof *c->dynamic);
    bool ok = c->values && c->runs && c->dynamic;
    if (ok) {
        memcpy(c->values, p->values, (size_t)p->n_slots * sizeof *c->values);
        ok = tn_context_runs(c) && context_rngs(c);
    }
    if (ok) return c;
    context_free(c);
    return NULL;
}

void tn_dynamic_drop(tn_dynamic *d)
{
    if (d->is_prepared && d->prepared.done) d->prepared.done(d->prepared.params);
    d->is_prepared = false;
}

void tn_dynamic_free(tn_dynamic *d)
{
    tn_dynamic_drop(d);
    tn_arena_free(d->arena);
    tn_buf_free(&d->key);
    tn_free(d->out_shapes);
    tn_free(d->is_constant);
    tn_free(d->scratch);
    tn_charge_drop(&d->charge);
}

void tn_context_clear(tn_run_context *c)
{
    for (int i = 0; i < c->program->n_slots; i++) tn_value_drop(&c->values[i]);
}

tn_code tn_context_get(tn_program *p, tn_run_context **out, tn_error *err)
{
    pthread_mutex_lock(&p->lock);
    tn_run_context *c = p->idle;
    if (c) p->idle = c->next;
    pthread_mutex_unlock(&p->lock);
    if (!c) c = context_new(p);
    bool fresh = c && !c->block;
    if (!c || (fresh && !take_memory(c, p))) {
        context_free(c);
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "OOM when allocating %zu bytes for the values of a run",
                       p->block + p->scratch);
    }
    if (fresh) place_memory(c);
    c->next = NULL;
    *out = c;
    return TN_OK;
}

void tn_context_put(tn_program *p, tn_run_context *c)
{
    if (!c) return;
    tn_context_clear(c);
    if (is_tight(c->charge.budget)) { /* others may need it more */
        context_free(c);
        return;
    }
    if (is_shared(p)) give_memory(c);
    pthread_mutex_lock(&p->lock);
    c->next = p->idle;
    p->idle = c;
    pthread_mutex_unlock(&p->lock);
}

void tn_program_rest(tn_program *p)
{
    pthread_mutex_lock(&p->lock);
    tn_run_context *c = p->idle;
    p->idle = NULL;
    pthread_mutex_unlock(&p->lock);
    for (tn_run_context *next; c; c = next) {
        next = c->next;
        context_free(c);
    }
    for (int i = 0; i < p->n_steps; i++)
        if (p->steps[i].rest) p->steps[i].rest(p->steps[i].params);
}
