/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_first.c - with which bytes a match of a pattern can begin, and which bytes are a whole match by themselves:
 * so that a search passes over the rest of a text without a thread, and replaces single characters without one.
 */
#include "pattern_inside.h"

#define MOST_INSTRUCTIONS 128 /* longer ones are searched for plainly */

/* What is reached without reading, when the next byte is `byte` (-1: any, or none). */
typedef struct reach {
    const tn_pattern *p;
    int byte;
    bool unsure;  /* a place, or (byte -1) a byte that is looked at, decides */
    bool matched; /* the end of a match */
    int n, at[MOST_INSTRUCTIONS]; /* instructions that read */
    bool seen[MOST_INSTRUCTIONS];
} reach;

static void visit(reach *r, int *stack, int *top, int at)
{
    if (r->seen[at]) return;
    r->seen[at] = true;
    stack[(*top)++] = at;
}

static void reach_from(reach *r, int at)
{
    int stack[MOST_INSTRUCTIONS], top = 0;
    visit(r, stack, &top, at);
    while (top) {
        const int i = stack[--top];
        const tn_pattern_inst *in = &r->p->inst[i];
        switch (in->op) {
        case TN_PAT_BYTES: r->at[r->n++] = i; break;
        case TN_PAT_LEAD:
            if (r->byte < 0) r->unsure = true;
            visit(r, stack, &top, r->byte >= in->low && r->byte <= in->high ? i + 1 : in->x);
            break;
        case TN_PAT_SPLIT:
            visit(r, stack, &top, in->y);
            visit(r, stack, &top, in->x);
            break;
        case TN_PAT_JUMP: visit(r, stack, &top, in->x); break;
        case TN_PAT_SAVE: visit(r, stack, &top, i + 1); break;
        case TN_PAT_ASSERT:
            r->unsure = true;
            visit(r, stack, &top, i + 1);
            break;
        default: r->matched = true;
        }
    }
}

static tn_pattern_begin begin_with(const tn_pattern *p, int byte)
{
    reach r = {.p = p, .byte = byte}, after = {.p = p, .byte = -1};
    bool reads = false;
    reach_from(&r, 0);
    if (r.matched) return TN_MAY_BEGIN;
    for (int i = 0; i < r.n; i++) {
        const tn_pattern_inst *in = &p->inst[r.at[i]];
        if (byte < in->low || byte > in->high) continue;
        reads = true;
        reach_from(&after, r.at[i] + 1);
    }
    if (!reads) return TN_BEGINS_NOTHING;
    return r.unsure || after.unsure || after.n > 0 || p->groups > 0 ? TN_MAY_BEGIN : TN_IS_A_MATCH;
}

void tn_pattern_find_begins(tn_pattern *p)
{
    for (int b = 0; b < 256; b++)
        p->begin[b] = p->n <= MOST_INSTRUCTIONS ? (uint8_t)begin_with(p, b) : TN_MAY_BEGIN;
}
