/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_match.c - runs a compiled pattern: where a match ends is looked up in tables (pattern_table.c); what groups
 * matched, and texts for which a table would be too large, are found by threads that all advance together, one byte
 * at a time, the preferred ones first (leftmost, then first alternative, as RE2 and Perl prefer).
 */
#include "pattern_table.h"

enum { SLOTS = 2 * TN_PATTERN_GROUPS };

typedef struct thread {
    int at;
    int64_t slot[SLOTS];
} thread;

typedef struct threads {
    thread *v;
    int n;
} threads;

typedef struct pending { /* of the walk along instructions that read nothing */
    int at, slot;        /* slot >= 0: to be restored to old */
    int64_t old;
} pending;

struct tn_pattern_run {
    const tn_pattern *p;
    tn_pattern_table *full, *best, *anywhere;
    int slots; /* that are kept: two for each group that is asked for */
    threads now, next;
    int *seen; /* the generation in which an instruction was added */
    int generation;
    pending *stack;
};

tn_code tn_pattern_run_new(const tn_pattern *p, int groups, tn_pattern_run **out, tn_error *err)
{
    tn_pattern_run *r = tn_calloc(1, sizeof *r);
    if (!r) return tn_no_memory(err, sizeof *r);
    size_t n = (size_t)p->n + 1;
    r->p = p;
    r->slots = 2 * (TN_MIN(groups, p->groups) + 1);
    r->full = tn_pattern_table_new(p, TN_TABLE_FULL);
    r->best = tn_pattern_table_new(p, TN_TABLE_BEST);
    r->anywhere = tn_pattern_table_new(p, TN_TABLE_ANYWHERE);
    r->now.v = tn_calloc(n, sizeof *r->now.v);
    r->next.v = tn_calloc(n, sizeof *r->next.v);
    r->seen = tn_calloc(n, sizeof *r->seen);
    r->stack = tn_calloc(2 * n + 2, sizeof *r->stack);
    if (!r->full || !r->best || !r->anywhere || !r->now.v || !r->next.v || !r->seen || !r->stack) {
        tn_pattern_run_free(r);
        return tn_no_memory(err, n * sizeof *r->now.v);
    }
    *out = r;
    return TN_OK;
}

void tn_pattern_run_free(tn_pattern_run *r)
{
    if (!r) return;
    tn_pattern_table_free(r->full);
    tn_pattern_table_free(r->best);
    tn_pattern_table_free(r->anywhere);
    tn_free(r->now.v);
    tn_free(r->next.v);
    tn_free(r->seen);
    tn_free(r->stack);
    tn_free(r);
}

static bool is_word(tn_view t, int64_t i)
{
    if (i < 0 || (size_t)i >= t.n) return false;
    char c = t.p[i];
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool holds(int place, tn_view t, size_t i)
{
    switch (place) {
    case TN_AT_BEGIN: return i == 0;
    case TN_AT_END: return i == t.n;
    case TN_AT_LINE_BEGIN: return i == 0 || t.p[i - 1] == '\n';
    case TN_AT_LINE_END: return i == t.n || t.p[i] == '\n';
    default: return (is_word(t, (int64_t)i - 1) != is_word(t, (int64_t)i)) == (place == TN_AT_WORD);
    }
}

static void fresh_generation(tn_pattern_run *r)
{
    if (++r->generation < INT32_MAX) return;
    memset(r->seen, 0, ((size_t)r->p->n + 1) * sizeof *r->seen);
    r->generation = 1;
}

/* Adds the thread at `at` and all it reaches without reading, in order of preference. slot is changed on
 * the way and given back as it was. */
static void add(tn_pattern_run *r, threads *to, int at, int64_t *slot, tn_view t, size_t i)
{
    int top = 0;
    r->stack[top++] = (pending){at, -1, 0};
    while (top) {
        pending e = r->stack[--top];
        if (e.slot >= 0) {
            slot[e.slot] = e.old;
            continue;
        }
        if (r->seen[e.at] == r->generation) continue;
        r->seen[e.at] = r->generation;
        const tn_pattern_inst *in = &r->p->inst[e.at];
        switch (in->op) {
        case TN_PAT_JUMP: r->stack[top++] = (pending){in->x, -1, 0}; break;
        case TN_PAT_SPLIT:
            r->stack[top++] = (pending){in->y, -1, 0};
            r->stack[top++] = (pending){in->x, -1, 0};
            break;
        case TN_PAT_LEAD: {
            bool fits = i < t.n && (uint8_t)t.p[i] >= in->low && (uint8_t)t.p[i] <= in->high;
            r->stack[top++] = (pending){fits ? e.at + 1 : in->x, -1, 0};
            break;
        }
        case TN_PAT_SAVE:
            if (in->x < r->slots) {
                r->stack[top++] = (pending){0, in->x, slot[in->x]};
                slot[in->x] = (int64_t)i;
            }
            r->stack[top++] = (pending){e.at + 1, -1, 0};
            break;
        case TN_PAT_ASSERT:
            if (holds(in->x, t, i)) r->stack[top++] = (pending){e.at + 1, -1, 0};
            break;
        default: to->v[to->n].at = e.at; memcpy(to->v[to->n++].slot, slot, (size_t)r->slots * sizeof *slot);
        }
    }
}

static void start(tn_pattern_run *r, tn_view t, size_t i)
{
    int64_t slot[SLOTS];
    for (int k = 0; k < SLOTS; k++) slot[k] = -1;
    add(r, &r->now, 0, slot, t, i);
}

/* One byte: threads of now that read it go on in next. True: a match was found, better than any later. */
static bool step(tn_pattern_run *r, tn_view t, size_t i, bool full, int64_t *found)
{
    r->next.n = 0;
    bool matched = false;
    fresh_generation(r);
    for (int k = 0; k < r->now.n && !matched; k++) {
        thread *th = &r->now.v[k];
        const tn_pattern_inst *in = &r->p->inst[th->at];
        if (in->op == TN_PAT_MATCH) {
            if (full && i != t.n) continue;
            memcpy(found, th->slot, (size_t)r->slots * sizeof *found);
            matched = true;
        } else if (i < t.n && (uint8_t)t.p[i] >= in->low && (uint8_t)t.p[i] <= in->high) {
            add(r, &r->next, th->at + 1, th->slot, t, i + 1);
        }
    }
    threads swap = r->now;
    r->now = r->next;
    r->next = swap;
    return matched;
}

typedef enum how { FULL, HERE, FROM } how; /* a match of all the text from there on, one that begins there, or later */

static bool search(tn_pattern_run *r, tn_view t, size_t from, how h, int64_t *found)
{
    bool matched = false;
    r->now.n = 0;
    fresh_generation(r);
    for (size_t i = from; i <= t.n; i++) {
        if (!matched && (h == FROM || i == from)) start(r, t, i);
        if (r->now.n == 0 && (matched || h != FROM)) break;
        if (step(r, t, i, h == FULL, found)) matched = true;
    }
    return matched;
}

bool tn_pattern_full(tn_pattern_run *r, tn_view text)
{
    int64_t found[SLOTS];
    size_t reached;
    int64_t end = tn_pattern_table_walk(r->full, text, 0, &reached);
    return end == TN_TABLE_UNKNOWN ? search(r, text, 0, FULL, found) : end >= 0;
}

/* One beginning after the other, as long as that does not read the text many times: then all at once. */
bool tn_pattern_find(tn_pattern_run *r, tn_view text, size_t from, int64_t at[2 * TN_PATTERN_GROUPS])
{
    const uint8_t *begin = r->p->begin;
    const size_t once = text.n - from + 64;
    size_t read = 0, reached = 0;
    bool some = false; /* there is a match */
    for (int k = 0; k < SLOTS; k++) at[k] = -1;
    for (size_t i = from; i <= text.n; i++) {
        while (i < text.n && begin[(uint8_t)text.p[i]] == TN_BEGINS_NOTHING) i++;
        bool single = i < text.n && begin[(uint8_t)text.p[i]] == TN_IS_A_MATCH;
        int64_t end = single ? (int64_t)i + 1 : tn_pattern_table_walk(r->best, text, i, &reached);
        if (end >= 0 && r->slots > 2) return search(r, text, i, HERE, at);
        if (end >= 0) {
            at[0] = (int64_t)i;
            at[1] = end;
            return true;
        }
        if (end != TN_TABLE_UNKNOWN) read += reached - i;
        if (end != TN_TABLE_UNKNOWN && read <= (some ? 16 * once : once)) continue;
        size_t ignored;
        if (!some && tn_pattern_table_walk(r->anywhere, text, i, &ignored) == TN_TABLE_NONE) return false;
        if (some || end == TN_TABLE_UNKNOWN) return search(r, text, i, FROM, at);
        some = true;
    }
    return false;
}
