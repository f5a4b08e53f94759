/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern_set.c - sets of characters in patterns: named ones, both cases of ASCII letters, negation; and as
 * what reads their bytes.
 */
#include "pattern_inside.h"
#include "unicode.h"

/* ==== sets of characters ==== */

bool tn_set_add(parser *p, set *s, uint32_t low, uint32_t high)
{
    if (low > high) return true;
    if (!TN_ROOM(p->arena, s->v, s->n, s->cap)) return tn_pattern_no_memory(p);
    s->v[s->n++] = (range){low, high};
    return true;
}

static int by_low(const void *a, const void *b)
{
    uint32_t x = ((const range *)a)->low, y = ((const range *)b)->low;
    return x < y ? -1 : x > y;
}

static void set_sort(set *s)
{
    if (s->n > 1) qsort(s->v, (size_t)s->n, sizeof *s->v, by_low);
    int n = 0;
    for (int i = 0; i < s->n; i++) {
        if (n && s->v[i].low <= s->v[n - 1].high + 1)
            s->v[n - 1].high = TN_MAX(s->v[n - 1].high, s->v[i].high);
        else
            s->v[n++] = s->v[i];
    }
    s->n = n;
}

bool tn_set_negate(parser *p, set *s)
{
    set r = {0};
    uint32_t from = 0;
    set_sort(s);
    for (int i = 0; i < s->n; i++) {
        if (s->v[i].low > from && !tn_set_add(p, &r, from, s->v[i].low - 1)) return false;
        from = s->v[i].high + 1;
    }
    if (!tn_set_add(p, &r, from, LAST_CODE)) return false;
    *s = r;
    return true;
}

static bool add_other_case(parser *p, set *s, range r, uint32_t first, uint32_t last, int shift)
{
    uint32_t low = TN_MAX(r.low, first), high = TN_MIN(r.high, last);
    return low > high || tn_set_add(p, s, low + (uint32_t)shift, high + (uint32_t)shift);
}

static bool set_both_cases(parser *p, set *s)
{
    for (int i = 0, n = s->n; i < n; i++)
        if (!add_other_case(p, s, s->v[i], 'a', 'z', -32) || !add_other_case(p, s, s->v[i], 'A', 'Z', 32))
            return false;
    return true;
}

/* \pL, \p{Greek}, \p{^Lu}, \P..: all of it, from its letter on. */
bool tn_set_add_unicode(parser *p, set *s, size_t from)
{
    bool negated = p->text.p[p->at++] == 'P';
    set inner = {0};
    tn_view name = {p->text.p + p->at, 1};
    uint32_t first, last;
    size_t left = p->text.n - p->at;
    if (left == 0) return tn_pattern_wrong(p, "invalid character class range", from);
    p->at++;
    if (*name.p == '{') {
        const char *end = memchr(name.p, '}', left);
        if (!end) return tn_pattern_wrong(p, "invalid character class range", from);
        p->at += (size_t)(end - name.p);
        name = (tn_view){name.p + 1, (size_t)(end - name.p) - 1};
        if (name.n && *name.p == '^') {
            negated = !negated;
            name.p++;
            name.n--;
        }
    }
    tn_unicode_class c;
    bool any = tn_view_is(name, "Any");
    if (!any && !tn_unicode_find(name, &c)) return tn_pattern_wrong(p, "invalid character class range", from);
    if (any && !tn_set_add(p, &inner, 0, LAST_CODE)) return false;
    for (int at = 0; !any && tn_unicode_next(&c, &at, &first, &last);)
        if (!tn_set_add(p, &inner, first, last)) return false;
    if (p->ignore_case && !set_both_cases(p, &inner)) return false;
    if (negated && !tn_set_negate(p, &inner)) return false;
    for (int k = 0; k < inner.n; k++)
        if (!tn_set_add(p, s, inner.v[k].low, inner.v[k].high)) return false;
    return true;
}

/* Letters of \d \w \s and their negations; false: another letter. */
bool tn_set_add_class(parser *p, set *s, char letter)
{
    static const struct {
        char letter;
        range v[4];
        int n;
    } classes[] = {
        {'d', {{'0', '9'}}, 1},
        {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
        {'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3},
    };
    for (size_t i = 0; i < TN_COUNT(classes); i++) {
        set inner = {0};
        bool negated = letter == classes[i].letter - 32;
        if (letter != classes[i].letter && !negated) continue;
        for (int k = 0; k < classes[i].n; k++)
            tn_set_add(p, &inner, classes[i].v[k].low, classes[i].v[k].high);
        if (negated) tn_set_negate(p, &inner);
        for (int k = 0; k < inner.n; k++) tn_set_add(p, s, inner.v[k].low, inner.v[k].high);
        return true;
    }
    return false;
}

/* ==== code points as bytes ==== */

static bool bytes_piece(parser *p, const char *low, const char *high, int n, piece *out)
{
    if (!tn_piece_new(p, n, out)) return false;
    for (int i = 0; i < n; i++)
        out->v[i] = (tn_pattern_inst){.op = TN_PAT_BYTES, .low = (uint8_t)low[i], .high = (uint8_t)high[i]};
    return true;
}

typedef struct bytes { /* characters of one length, byte by byte */
    char low[4], high[4];
    int n;
} bytes;

typedef struct byte_list {
    bytes *v;
    int n, cap;
} byte_list;

static bool list_add(parser *p, byte_list *all, uint32_t low, uint32_t high)
{
    if (!TN_ROOM(p->arena, all->v, all->n, all->cap)) return tn_pattern_no_memory(p);
    bytes *b = &all->v[all->n++];
    b->n = (int)tn_utf8_put(b->low, low);
    tn_utf8_put(b->high, high);
    return true;
}

static bool add_range(parser *p, uint32_t low, uint32_t high, byte_list *all)
{
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xffff};
    for (size_t i = 0; i < TN_COUNT(ends); i++)
        if (low <= ends[i] && high > ends[i])
            return add_range(p, low, ends[i], all) && add_range(p, ends[i] + 1, high, all);
    for (int bits = 6; bits < 24 && high > 0x7f; bits += 6) { /* whole blocks of continuation bytes */
        uint32_t mask = (1u << bits) - 1;
        if ((low & ~mask) == (high & ~mask)) continue;
        if (low & mask)
            return add_range(p, low, low | mask, all) && add_range(p, (low | mask) + 1, high, all);
        if ((high & mask) != mask)
            return add_range(p, low, (high & ~mask) - 1, all) && add_range(p, high & ~mask, high, all);
    }
    return list_add(p, all, low, high);
}

/* One after another as alternatives. */
static bool alternatives(parser *p, const bytes *v, int n, piece *out)
{
    for (int i = 0; i < n; i++) {
        piece one_range;
        if (!bytes_piece(p, v[i].low, v[i].high, v[i].n, i ? &one_range : out)) return false;
        if (i && !tn_piece_either(p, out, &one_range, out)) return false;
    }
    return true;
}

static bool same_lead(const bytes *a, const bytes *b)
{
    return a->n == b->n && (a->n == 1 || (a->low[0] == b->low[0] && a->high[0] == b->high[0]));
}

/* Sets of many ranges, by the first byte: LEAD looks at it, and passes over what does not begin with it. */
static bool by_lead(parser *p, const byte_list *all, piece *out)
{
    piece *part = TN_ARRAY(p->arena, all->n, piece);
    int *from = TN_ARRAY(p->arena, all->n + 1, int), n = 0, size = 1, at = 0;
    if (!part || !from) return tn_pattern_no_memory(p);
    for (int i = 0, k; i < all->n; i = k, n++) {
        for (k = i + 1; k < all->n && same_lead(&all->v[i], &all->v[k]);) k++;
        from[n] = i;
        if (!alternatives(p, all->v + i, k - i, &part[n])) return false;
        size += part[n].n + 2;
    }
    if (!tn_piece_new(p, size, out)) return false;
    for (int g = 0; g < n; g++) {
        const bytes *b = &all->v[from[g]];
        uint8_t low = b->n == 1 ? 0 : (uint8_t)b->low[0], high = b->n == 1 ? 0x7f : (uint8_t)b->high[0];
        out->v[at] = (tn_pattern_inst){.op = TN_PAT_LEAD, .x = part[g].n + 2, .low = low, .high = high};
        tn_piece_put(out, at + 1, &part[g]);
        at += part[g].n + 2;
        out->v[at - 1] = (tn_pattern_inst){.op = TN_PAT_JUMP, .x = size - (at - 1)};
    }
    out->v[at] = (tn_pattern_inst){.op = TN_PAT_BYTES, .low = 1, .high = 0}; /* none of them */
    return true;
}

enum { FEW = 12 };

bool tn_set_piece(parser *p, set *s, bool negated, piece *out)
{
    byte_list all = {0};
    const char low = 1, high = 0; /* matches nothing */
    if (p->ignore_case && !set_both_cases(p, s)) return false;
    if (negated && !tn_set_negate(p, s)) return false;
    set_sort(s);
    for (int i = 0; i < s->n; i++)
        if (!add_range(p, s->v[i].low, s->v[i].high, &all)) return false;
    if (all.n == 0) return bytes_piece(p, &low, &high, 1, out);
    return all.n <= FEW ? alternatives(p, all.v, all.n, out) : by_lead(p, &all, out);
}
