/* SPDX-License-Identifier: Apache-2.0
 *
 * budget.c - how much memory values may take together. A thread puts a budget in force for the time of a run;
 * what is made meanwhile is charged to it and gives the charge back when it is freed, wherever and whenever that is.
 *
 * Invariants: used never exceeds limit; a budget lives until its last charge is gone. What is in force is the
 * thread's own.
 */
#include "base.h"

#include <stdatomic.h>

struct tn_budget {
    atomic_int refs;
    atomic_size_t used;
    size_t limit;
};

static _Thread_local tn_budget *in_force;

tn_budget *tn_budget_new(size_t limit)
{
    tn_budget *b = tn_calloc(1, sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->refs, 1);
    b->limit = limit;
    return b;
}

tn_budget *tn_budget_keep(tn_budget *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void tn_budget_free(tn_budget *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) tn_free(b);
}

tn_budget *tn_budget_enter(tn_budget *b)
{
    tn_budget *before = in_force;
    in_force = b;
    return before;
}

tn_budget *tn_budget_now(void)
{
    return in_force;
}

size_t tn_budget_limit(const tn_budget *b)
{
    return b ? b->limit : 0;
}

size_t tn_budget_used(const tn_budget *b)
{
    return b ? atomic_load(&b->used) : 0;
}

size_t tn_budget_room(size_t most)
{
    const tn_budget *b = in_force;
    return b ? TN_MAX(TN_MIN(most, b->limit - tn_budget_used(b)), (size_t)1) : most;
}

static bool take(tn_budget *b, size_t n)
{
    size_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    do {
        if (n > b->limit - used) return false;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + n));
    return true;
}

bool tn_charge_add(tn_charge *c, size_t n)
{
    tn_budget *b = c->budget ? c->budget : in_force;
    if (!b) return true;
    if (!take(b, n)) return false;
    if (!c->budget) c->budget = tn_budget_keep(b);
    c->n += n;
    return true;
}

void tn_charge_less(tn_charge *c, size_t n)
{
    if (!c->budget) return;
    n = TN_MIN(n, c->n);
    atomic_fetch_sub(&c->budget->used, n);
    c->n -= n;
}

void tn_charge_drop(tn_charge *c)
{
    if (!c->budget) return;
    tn_charge_less(c, c->n);
    tn_budget_free(c->budget);
    c->budget = NULL;
}
