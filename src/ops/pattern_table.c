/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_table.c - a pattern as a deterministic automaton, made as texts need it. A state is what all threads of
 * pattern_match.c together are between two bytes: the instructions they stand before, the preferred ones first, and,
 * where the pattern asks for places, what kind of byte was last. What they reach without reading depends on the next
 * byte, too, and is found when a state's step for that byte is made. Bytes that no instruction tells apart are one
 * class; behind the classes comes the end of the text.
 */
#include "pattern_table.h"

enum { MOST_ENTRIES = 1 << 20 }; /* of a table, in steps and in instructions of states */
enum { DEAD = 0, MADE = 1 << 29, MATCHED = 1 << 30 }; /* the state without instructions; a step's marks */
enum { BEGIN, LINE, WORD, OTHER }; /* what is before a state */

typedef struct state {
    int from, n; /* instructions: at[from, from + n) */
    int before;
} state;

typedef struct list {
    int *v;
    int n, cap;
} list;

struct tn_pattern_table {
    const tn_pattern *p;
    tn_table_kind kind;
    bool places;
    int classes; /* the last is the end */
    uint8_t class[256];
    int byte[257]; /* one of each class; -1: the end */
    struct {
        state *v;
        int n, cap;
    } states;
    list at, step, bucket; /* step[a state's number * classes + class]: the next state's number * classes, and marks */
    int *stack, *next;     /* of making a step */
    int *seen, generation;
};

static bool is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static int kind_of(const tn_pattern_table *t, int byte)
{
    if (!t->places) return OTHER;
    return byte < 0 ? BEGIN : byte == '\n' ? LINE : is_word(byte) ? WORD : OTHER;
}

static bool holds(int place, int before, int byte)
{
    switch (place) {
    case TN_AT_BEGIN: return before == BEGIN;
    case TN_AT_END: return byte < 0;
    case TN_AT_LINE_BEGIN: return before == BEGIN || before == LINE;
    case TN_AT_LINE_END: return byte < 0 || byte == '\n';
    default: return ((before == WORD) != is_word(byte)) == (place == TN_AT_WORD);
    }
}

/* ==== classes of bytes ==== */

static void find_classes(tn_pattern_table *t)
{
    static const uint8_t places[] = {'\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1};
    bool begins[257] = {true};
    for (int i = 0; i < t->p->n; i++) {
        const tn_pattern_inst *in = &t->p->inst[i];
        if (in->op == TN_PAT_ASSERT) t->places = true;
        if (in->op != TN_PAT_BYTES && in->op != TN_PAT_LEAD) continue;
        begins[in->low] = begins[in->high + 1] = true;
    }
    for (size_t i = 0; t->places && i < sizeof places; i++) begins[places[i]] = true;
    for (int b = 0; b < 256; b++) {
        if (begins[b]) t->byte[t->classes++] = b;
        t->class[b] = (uint8_t)(t->classes - 1);
    }
    t->byte[t->classes++] = -1;
}

/* ==== states ==== */

static bool room(list *l, int more)
{
    if (l->n + more > MOST_ENTRIES) return false;
    if (l->n + more <= l->cap) return true;
    int cap = TN_MAX(2 * l->cap, l->n + more);
    int *v = tn_realloc(l->v, (size_t)cap * sizeof *v);
    if (!v) return false;
    l->v = v;
    l->cap = cap;
    return true;
}

static unsigned hash_of(const int *at, int n, int before)
{
    unsigned h = (unsigned)before;
    for (int i = 0; i < n; i++) h = (h ^ (unsigned)at[i]) * 0x9e3779b1u;
    return h ^ h >> 15;
}

/* The bucket in which the state is, or would be. */
static int *bucket_of(tn_pattern_table *t, const int *at, int n, int before)
{
    unsigned last = (unsigned)t->bucket.cap - 1, b = hash_of(at, n, before) & last;
    for (; t->bucket.v[b]; b = (b + 1) & last) {
        const state *s = &t->states.v[t->bucket.v[b] - 1];
        bool same = s->n == n && s->before == before;
        if (same && (n == 0 || memcmp(&t->at.v[s->from], at, (size_t)n * sizeof *at) == 0)) break;
    }
    return &t->bucket.v[b];
}

static bool more_buckets(tn_pattern_table *t)
{
    int cap = TN_MAX(64, 2 * t->bucket.cap);
    int *v = tn_calloc((size_t)cap, sizeof *v);
    if (!v) return false;
    tn_free(t->bucket.v);
    t->bucket = (list){v, 0, cap};
    for (int i = 0; i < t->states.n; i++) {
        const state *s = &t->states.v[i];
        *bucket_of(t, &t->at.v[s->from], s->n, s->before) = i + 1;
    }
    return true;
}

/* Times classes; -1: no room. */
static int state_of(tn_pattern_table *t, const int *at, int n, int before)
{
    if (n == 0) before = OTHER;
    if (2 * (t->states.n + 1) > t->bucket.cap && !more_buckets(t)) return -1;
    int *bucket = bucket_of(t, at, n, before);
    if (*bucket) return (*bucket - 1) * t->classes;
    if (!room(&t->at, n) || !room(&t->step, t->classes)) return -1;
    if (!TN_ROOM(NULL, t->states.v, t->states.n, t->states.cap)) return -1;
    *bucket = t->states.n + 1;
    t->states.v[t->states.n] = (state){t->at.n, n, before};
    if (n) memcpy(&t->at.v[t->at.n], at, (size_t)n * sizeof *at);
    t->at.n += n;
    memset(&t->step.v[t->step.n], 0, (size_t)t->classes * sizeof *t->step.v);
    t->step.n += t->classes;
    return t->states.n++ * t->classes;
}

/* ==== steps ==== */

/* What instruction `at` becomes with the byte goes into next. True: a match, better than what would come after it. */
static bool advance(tn_pattern_table *t, int at, int before, int byte, int *n)
{
    int top = 0;
    t->stack[top++] = at;
    while (top) {
        const int i = t->stack[--top];
        const tn_pattern_inst *in = &t->p->inst[i];
        if (t->seen[i] == t->generation) continue;
        t->seen[i] = t->generation;
        switch (in->op) {
        case TN_PAT_BYTES:
            if (byte >= in->low && byte <= in->high) t->next[(*n)++] = i + 1;
            break;
        case TN_PAT_LEAD: t->stack[top++] = byte >= in->low && byte <= in->high ? i + 1 : in->x; break;
        case TN_PAT_SPLIT:
            t->stack[top++] = in->y;
            t->stack[top++] = in->x;
            break;
        case TN_PAT_JUMP: t->stack[top++] = in->x; break;
        case TN_PAT_SAVE: t->stack[top++] = i + 1; break;
        case TN_PAT_ASSERT:
            if (holds(in->x, before, byte)) t->stack[top++] = i + 1;
            break;
        default:
            if (t->kind != TN_TABLE_FULL || byte < 0) return true;
        }
    }
    return false;
}

static void fresh_generation(tn_pattern_table *t)
{
    if (++t->generation < INT32_MAX) return;
    memset(t->seen, 0, ((size_t)t->p->n + 1) * sizeof *t->seen);
    t->generation = 1;
}

/* The step of state s for a class; -1: no room. */
static int make_step(tn_pattern_table *t, int s, int class)
{
    const state from = t->states.v[s / t->classes];
    const int byte = t->byte[class];
    bool matched = false;
    int n = 0;
    fresh_generation(t);
    for (int k = 0; k < from.n && !matched; k++)
        matched = advance(t, t->at.v[from.from + k], from.before, byte, &n);
    if (t->kind == TN_TABLE_ANYWHERE) {
        if (matched || byte < 0) n = 0;
        else t->next[n++] = 0; /* one begins behind each byte */
    }
    int to = state_of(t, t->next, n, kind_of(t, byte));
    if (to < 0) return -1;
    return t->step.v[s + class] = to | MADE | (matched ? MATCHED : 0);
}

int64_t tn_pattern_table_walk(tn_pattern_table *t, tn_view text, size_t from, size_t *reached)
{
    const int begin = 0, end = t->classes - 1;
    int s = state_of(t, &begin, 1, kind_of(t, from ? (uint8_t)text.p[from - 1] : -1));
    int64_t found = TN_TABLE_NONE;
    for (size_t i = from; s >= 0; i++) {
        const int class = i < text.n ? t->class[(uint8_t)text.p[i]] : end;
        int to = t->step.v[s + class];
        if (to == 0 && (to = make_step(t, s, class)) < 0) break;
        if (to & MATCHED) found = (int64_t)i;
        s = to & ~(MADE | MATCHED);
        if (s != DEAD && i < text.n) continue;
        *reached = i;
        return found;
    }
    return TN_TABLE_UNKNOWN;
}

/* ==== making one ==== */

tn_pattern_table *tn_pattern_table_new(const tn_pattern *p, tn_table_kind kind)
{
    tn_pattern_table *t = tn_calloc(1, sizeof *t);
    if (!t) return NULL;
    size_t n = (size_t)p->n + 1;
    t->p = p;
    t->kind = kind;
    t->seen = tn_calloc(n, sizeof *t->seen);
    t->stack = tn_calloc(2 * n, sizeof *t->stack);
    t->next = tn_calloc(n + 1, sizeof *t->next);
    find_classes(t);
    if (t->seen && t->stack && t->next && state_of(t, NULL, 0, OTHER) == DEAD) return t;
    tn_pattern_table_free(t);
    return NULL;
}

void tn_pattern_table_free(tn_pattern_table *t)
{
    if (!t) return;
    tn_free(t->states.v);
    tn_free(t->at.v);
    tn_free(t->step.v);
    tn_free(t->bucket.v);
    tn_free(t->stack);
    tn_free(t->next);
    tn_free(t->seen);
    tn_free(t);
}
