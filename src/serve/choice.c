/* SPDX-License-Identifier: Apache-2.0
 *
 * choice.c - outputs that are fetched together, as they are computed: how long that takes, by the size of what is fed,
 * and how many threads it may have. What is chosen is asking.c's.
 */
#include "asking.h"

/* ==== how long it takes ==== */

/* Microseconds: what takes less is run where it arrives, until it takes clearly more. */
enum { SHORT_BELOW = 150, SHORT_UNTIL = 250, SCALE = 256 };

static int64_t bytes_of(const tn_tensor *t)
{
    int64_t n = tn_tensor_count(t), sum = n * (int64_t)tn_dtype_size(t->dtype);
    for (int64_t i = 0; t->dtype == TN_STRING && i < n; i++) sum += (int64_t)TN_STRINGS(t)[i].n;
    return sum;
}

int tn_ask_size(const tn_tensor *const *in, int n)
{
    uint64_t sum = 1;
    for (int i = 0; i < n; i++) sum += (uint64_t)bytes_of(in[i]);
    return TN_MIN(63 - __builtin_clzll(sum), TN_ASK_SIZES - 1);
}

/* A single long one (a plan was made, the thread was put aside) counts at most as four times what is usual; shorter
 * ones are believed sooner. What loops is never short: it would keep who brings questions, and their cancellation, away
 * for as long as a value says. */
void tn_choice_measured(tn_choice *c, int size, int64_t us)
{
    int64_t old = atomic_load_explicit(&c->run_us[size], memory_order_relaxed), now = us * SCALE + 1;
    if (old) now = old + (TN_MIN(now, 4 * old + 4 * SCALE) - old) / (now < old ? 2 : 8);
    atomic_store_explicit(&c->run_us[size], now, memory_order_relaxed);
    bool was = atomic_load_explicit(&c->is_short[size], memory_order_relaxed);
    bool is = !c->loops && now < (was ? SHORT_UNTIL : SHORT_BELOW) * SCALE;
    if (is != was) atomic_store_explicit(&c->is_short[size], is, memory_order_relaxed);
}

int64_t tn_ask_usual(const tn_ask *a)
{
    int size = tn_ask_size(a->in, a->asker->signature->n_in);
    return atomic_load_explicit(&a->choice->run_us[size], memory_order_relaxed) / SCALE;
}

/* Powers of two, as a plan is made for each size. */
int tn_team_for(int most, int64_t us)
{
    enum { LARGEST = 16, LEAST_WORK = 500 /* microseconds for each thread, to be worth it */ };
    int team = 1;
    while (2 * team <= TN_MIN(most, LARGEST) && us >= 2 * team * LEAST_WORK) team *= 2;
    return team;
}

/* ==== computing ==== */

void tn_ask_words(tn_error *err)
{
    const size_t size = sizeof err->message;
    char *at = err ? err->message : NULL;
    while (at && (at = strstr(at, " [[{{node "))) {
        size_t rest = strlen(at), before = (size_t)(at - err->message);
        if (before && at[-1] != '\t' && before + 2 + rest < size) {
            memmove(at + 2, at, rest + 1);
            memcpy(at, "\n\t", 2);
            at += 2;
        }
        at++;
    }
}

tn_code tn_choice_compute(tn_choice *c, const tn_choice_run *r, int64_t *us, tn_error *err)
{
    tn_run_limits limits = {.deadline = r->deadline, .cancel = r->cancel, .threads = r->team, .ahead = r->ahead};
    int64_t before = tn_now_us();
    tn_code code = tn_prepared_run(c->prepared, r->in, r->out, &limits, err);
    *us = tn_now_us() - before;
    if (code != TN_OK) tn_ask_words(err);
    if (code == TN_OK || *us > SHORT_UNTIL) /* what was ended takes at least so long */
        tn_choice_measured(c, tn_ask_size(r->in, r->n_in), *us * TN_MAX(r->team, 1));
    return code;
}
