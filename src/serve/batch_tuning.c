/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_tuning.c - how long a batch waits and how large it may be, so that answers take no longer than they should:
 * what serve.h tells of tn_batching.latency_target_ms.
 *
 * Invariants: 0 <= timeout_us <= target_us / 2; 1 <= most <= largest.
 */
#include "batching.h"

enum { WINDOW = 32, STEPS = 32, FIRST_HOLD = 16, LONGEST_HOLD = 1024 };

static bool has_time(const tn_tuning *t, const tn_measured *m)
{
    return m->took_us < t->target_us * 3 / 4;
}

static void shorten(tn_tuning *t)
{
    t->timeout_us = t->timeout_us > t->target_us / STEPS ? t->timeout_us / 2 : 0;
    t->tries = false;
}

/* What a single batch tells. */
static void look_at(tn_tuning *t, const tn_measured *m)
{
    if (m->took_us > t->target_us) {
        if (t->timeout_us) shorten(t);
        else t->most = TN_MAX(1, t->most * 3 / 4);
    } else if (m->questions < 2 && t->timeout_us) {
        shorten(t);
    } else if (m->had_to_wait && has_time(t, m) && t->most < t->largest) {
        t->most = TN_MIN(t->largest, t->most + t->most / 8 + 1);
    }
}

static void try_longer(tn_tuning *t, double rate)
{
    t->rate = rate;
    t->tries = true;
    t->timeout_us = TN_MIN(t->target_us / 2, t->timeout_us + t->target_us / STEPS);
}

static void take_back(tn_tuning *t)
{
    t->tries = false;
    t->timeout_us = TN_MAX(0, t->timeout_us - t->target_us / STEPS);
    t->next_hold = t->next_hold ? TN_MIN(2 * t->next_hold, LONGEST_HOLD) : FIRST_HOLD;
    t->hold = t->next_hold;
}

/* What many of them tell. */
static void look_back(tn_tuning *t, const tn_measured *m)
{
    double rate = (double)t->rows / (double)TN_MAX(m->now_us - t->began, 1);
    bool may_try = has_time(t, m) && t->timeout_us < t->target_us / 2 && t->most == t->largest;
    if (t->tries && rate < t->rate * 1.03) {
        take_back(t);
    } else if (t->tries) {
        t->next_hold = 0;
        t->tries = false;
        if (may_try) try_longer(t, rate);
    } else if (t->hold) {
        t->hold--;
    } else if (may_try && t->busy > WINDOW / 2) {
        try_longer(t, rate);
    }
}

void tn_tuning_measured(tn_tuning *t, const tn_measured *m)
{
    if (!t->target_us) return;
    if (!t->began) t->began = m->now_us - m->took_us;
    t->rows += m->rows;
    t->busy += m->had_to_wait;
    look_at(t, m);
    if (++t->batches < WINDOW) return;
    look_back(t, m);
    t->began = m->now_us;
    t->rows = t->batches = t->busy = 0;
}
