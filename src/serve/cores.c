/* SPDX-License-Identifier: Apache-2.0
 *
 * cores.c - the machine's cores, shared by the questions that are computed at the moment: one that takes long has a team
 * of threads where cores are idle, and its own thread alone where none is. What a team of threads is, is kernel's.
 *
 * Teams are powers of two, as a plan is made for each size, and no larger than keeps each thread at work for a while.
 */
#include "asking.h"

enum { LARGEST_TEAM = 8, LEAST_WORK = 500 /* microseconds for each thread */ };

int tn_cores_take(tn_cores *c, int64_t us)
{
    int busy = atomic_fetch_add_explicit(&c->busy, 1, memory_order_relaxed) + 1, team = 1;
    int most = TN_MIN(c->n / busy, LARGEST_TEAM);
    while (2 * team <= most && us >= 2 * team * LEAST_WORK) team *= 2;
    return team;
}

void tn_cores_give(tn_cores *c)
{
    atomic_fetch_sub_explicit(&c->busy, 1, memory_order_relaxed);
}
