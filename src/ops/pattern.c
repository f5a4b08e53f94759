/* SPDX-License-Identifier: Apache-2.0
 *
 * pattern.c - parses a regular expression and compiles it as it goes: pieces of program are kept apart
 * until what stands around them is known, then copied together. Characters are sets of code points, which
 * become alternatives of UTF-8 byte ranges.
 */
#include "pattern_inside.h"

bool tn_pattern_wrong(parser *p, const char *what, size_t from)
{
    if (!p->wrong) {
        p->wrong = what;
        p->wrong_from = from;
    }
    return false;
}

bool tn_pattern_no_memory(parser *p)
{
    return tn_pattern_wrong(p, TN_TOO_LARGE, 0);
}

/* ==== pieces ==== */

static bool piece_with(parser *p, int n, int cap, piece *out)
{
    if (n > MAX_PROGRAM) return tn_pattern_wrong(p, TN_TOO_LARGE, 0);
    out->v = TN_ARRAY(p->arena, cap + 1, tn_pattern_inst);
    out->n = n;
    out->cap = cap;
    return out->v || tn_pattern_no_memory(p);
}

bool tn_piece_new(parser *p, int n, piece *out)
{
    return piece_with(p, n, n, out);
}

static bool one(parser *p, tn_pattern_inst in, piece *out)
{
    if (!tn_piece_new(p, 1, out)) return false;
    out->v[0] = in;
    return true;
}

void tn_piece_put(piece *to, int at, const piece *from)
{
    if (from->n) memcpy(to->v + at, from->v, (size_t)from->n * sizeof *from->v);
}

/* A piece that grows at its end is not copied each time. */
static bool join(parser *p, const piece *a, const piece *b, piece *out)
{
    piece r;
    int n = a->n + b->n;
    if (a == out && n <= a->cap) {
        tn_piece_put(out, a->n, b);
        out->n = n;
        return true;
    }
    if (!piece_with(p, n, a == out ? 2 * n : n, &r)) return false;
    tn_piece_put(&r, 0, a);
    tn_piece_put(&r, a->n, b);
    *out = r;
    return true;
}

/* split L1, L2; L1: a; jump end; L2: b */
bool tn_piece_either(parser *p, const piece *a, const piece *b, piece *out)
{
    piece r;
    if (!tn_piece_new(p, a->n + b->n + 2, &r)) return false;
    r.v[0] = (tn_pattern_inst){.op = TN_PAT_SPLIT, .x = 1, .y = a->n + 2};
    tn_piece_put(&r, 1, a);
    r.v[a->n + 1] = (tn_pattern_inst){.op = TN_PAT_JUMP, .x = b->n + 1};
    tn_piece_put(&r, a->n + 2, b);
    *out = r;
    return true;
}

static tn_pattern_inst split(int first, int second, bool lazy)
{
    return (tn_pattern_inst){.op = TN_PAT_SPLIT, .x = lazy ? second : first, .y = lazy ? first : second};
}

static bool optional(parser *p, const piece *a, bool lazy, piece *out)
{
    piece r;
    if (!tn_piece_new(p, a->n + 1, &r)) return false;
    r.v[0] = split(1, a->n + 1, lazy);
    tn_piece_put(&r, 1, a);
    *out = r;
    return true;
}

static bool star(parser *p, const piece *a, bool lazy, piece *out)
{
    piece r;
    if (!tn_piece_new(p, a->n + 2, &r)) return false;
    r.v[0] = split(1, a->n + 2, lazy);
    tn_piece_put(&r, 1, a);
    r.v[a->n + 1] = (tn_pattern_inst){.op = TN_PAT_JUMP, .x = -(a->n + 1)};
    *out = r;
    return true;
}

/* a{least,most}; most -1: any number. The optional ones nest, so that they are tried in order. */
static bool repeat(parser *p, const piece *a, int least, int most, bool lazy, piece *out)
{
    piece r = {NULL, 0, 0}, tail = {NULL, 0, 0};
    if ((int64_t)a->n * TN_MAX(least, most) > MAX_PROGRAM) return tn_pattern_wrong(p, TN_TOO_LARGE, 0);
    if (most < 0 && !star(p, a, lazy, &tail)) return false;
    for (int i = least; i < most; i++)
        if (!join(p, a, &tail, &tail) || !optional(p, &tail, lazy, &tail)) return false;
    if (!tn_piece_new(p, least * a->n + tail.n, &r)) return false;
    for (int i = 0; i < least; i++) tn_piece_put(&r, i * a->n, a);
    tn_piece_put(&r, least * a->n, &tail);
    *out = r;
    return true;
}

static bool char_piece(parser *p, uint32_t c, piece *out)
{
    set s = {0};
    return tn_set_add(p, &s, c, c) && tn_set_piece(p, &s, false, out);
}

/* ==== the syntax ==== */

static bool more(const parser *p)
{
    return p->at < p->text.n;
}
static char peek(const parser *p)
{
    return more(p) ? p->text.p[p->at] : 0;
}

static bool eat(parser *p, const char *s)
{
    size_t n = strlen(s);
    if (p->text.n - p->at < n || memcmp(p->text.p + p->at, s, n) != 0) return false;
    p->at += n;
    return true;
}

static bool read_char(parser *p, uint32_t *out)
{
    unsigned char c = (unsigned char)p->text.p[p->at];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (n == 0 || n > p->text.n - p->at) return tn_pattern_wrong(p, "invalid UTF-8", p->at);
    uint32_t v = n == 1 ? c : c & (0x7fu >> n);
    for (size_t k = 1; k < n; k++) v = v << 6 | ((uint32_t)(unsigned char)p->text.p[p->at + k] & 0x3f);
    p->at += n;
    *out = v;
    return true;
}

static bool hex_escape(parser *p, size_t from, uint32_t *out)
{
    bool braces = eat(p, "{");
    uint32_t v = 0;
    int digits = 0;
    while (more(p) && (braces ? peek(p) != '}' : digits < 2)) {
        char c = peek(p);
        int d = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : -1;
        if (d < 0 || digits == 6) return tn_pattern_wrong(p, "invalid escape sequence", from);
        v = v * 16 + (uint32_t)d;
        p->at++;
        digits++;
    }
    if (!digits || v > LAST_CODE || (braces && !eat(p, "}")))
        return tn_pattern_wrong(p, "invalid escape sequence", from);
    *out = v;
    return true;
}

/* After a backslash: a character. */
static bool escaped_char(parser *p, uint32_t *out)
{
    static const char letters[] = "afnrtv", meant[] = "\a\f\n\r\t\v";
    size_t from = p->at - 1;
    if (!more(p)) return tn_pattern_wrong(p, "trailing \\", from);
    char c = peek(p);
    const char *letter = memchr(letters, c, sizeof letters - 1);
    if (letter) {
        p->at++;
        *out = (uint32_t)meant[letter - letters];
        return true;
    }
    if (eat(p, "x")) return hex_escape(p, from, out);
    bool plain = (unsigned char)c < 0x80 && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9');
    p->at++;
    if (!plain) return tn_pattern_wrong(p, "invalid escape sequence", from);
    *out = (uint32_t)c;
    return true;
}

static bool named_class(parser *p, set *s, bool *found)
{
    static const struct {
        const char *name;
        range v[4];
        int n;
    } names[] = {
        {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}, 3},
        {"alpha", {{'A', 'Z'}, {'a', 'z'}}, 2},
        {"ascii", {{0, 127}}, 1},
        {"blank", {{'\t', '\t'}, {' ', ' '}}, 2},
        {"cntrl", {{0, 31}, {127, 127}}, 2},
        {"digit", {{'0', '9'}}, 1},
        {"graph", {{'!', '~'}}, 1},
        {"lower", {{'a', 'z'}}, 1},
        {"print", {{' ', '~'}}, 1},
        {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}, 4},
        {"space", {{'\t', '\r'}, {' ', ' '}}, 2},
        {"upper", {{'A', 'Z'}}, 1},
        {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
        {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}, 3},
    };
    size_t from = p->at;
    *found = false;
    if (!eat(p, "[:")) return true;
    bool negated = eat(p, "^");
    for (size_t i = 0; i < TN_COUNT(names); i++) {
        set inner = {0};
        size_t at = p->at;
        if (!eat(p, names[i].name) || !eat(p, ":]")) {
            p->at = at;
            continue;
        }
        *found = true;
        for (int k = 0; k < names[i].n; k++) tn_set_add(p, &inner, names[i].v[k].low, names[i].v[k].high);
        if (negated && !tn_set_negate(p, &inner)) return false;
        for (int k = 0; k < inner.n; k++)
            if (!tn_set_add(p, s, inner.v[k].low, inner.v[k].high)) return false;
        return true;
    }
    if (memmem(p->text.p + p->at, p->text.n - p->at, ":]", 2))
        return tn_pattern_wrong(p, "invalid character class range", from);
    p->at = from;
    return true;
}

static bool class_char(parser *p, uint32_t *out)
{
    return eat(p, "\\") ? escaped_char(p, out) : read_char(p, out);
}

static bool class_item(parser *p, set *s)
{
    size_t from = p->at;
    bool found;
    uint32_t low, high;
    if (!named_class(p, s, &found) || found) return !p->wrong;
    if (peek(p) == '\\' && p->at + 1 < p->text.n) {
        char letter = p->text.p[p->at + 1];
        if (letter == 'p' || letter == 'P') {
            p->at++;
            return tn_set_add_unicode(p, s, from);
        }
        if (tn_set_add_class(p, s, letter)) {
            p->at += 2;
            return !p->wrong;
        }
    }
    if (!class_char(p, &low)) return false;
    high = low;
    if (peek(p) == '-' && p->at + 1 < p->text.n && p->text.p[p->at + 1] != ']') {
        p->at++;
        if (!class_char(p, &high)) return false;
        if (high < low) return tn_pattern_wrong(p, "invalid character class range", from);
    }
    return tn_set_add(p, s, low, high);
}

static bool parse_class(parser *p, piece *out)
{
    size_t from = p->at - 1;
    bool negated = eat(p, "^"), first = true;
    set s = {0};
    for (; more(p) && (first || peek(p) != ']'); first = false)
        if (!class_item(p, &s)) return false;
    if (!eat(p, "]")) return tn_pattern_wrong(p, "missing ]", from);
    return tn_set_piece(p, &s, negated, out);
}

static bool parse_alternatives(parser *p, piece *out);

/* (?flags) and (?flags: */
static bool parse_flags(parser *p, size_t from, bool *group)
{
    bool on = true;
    for (; more(p); p->at++) {
        char c = peek(p);
        if (c == 'i')
            p->ignore_case = on;
        else if (c == 's')
            p->dot_all = on;
        else if (c == 'm')
            p->lines = on;
        else if (c == '-' && on)
            on = false;
        else if (c == ')' || c == ':') {
            p->at++;
            *group = c == ':';
            return true;
        } else {
            p->at++;
            return tn_pattern_wrong(p, "invalid perl operator", from);
        }
    }
    return tn_pattern_wrong(p, "missing )", from);
}

static bool capture(parser *p, int index, piece *inner)
{
    piece open, close;
    if (index >= TN_PATTERN_GROUPS) return true;
    return one(p, (tn_pattern_inst){.op = TN_PAT_SAVE, .x = 2 * index}, &open) &&
           one(p, (tn_pattern_inst){.op = TN_PAT_SAVE, .x = 2 * index + 1}, &close) &&
           join(p, &open, inner, inner) && join(p, inner, &close, inner);
}

static bool parse_group(parser *p, piece *out)
{
    size_t from = p->at - 1;
    bool keeps = true, group = true;
    bool old[3] = {p->ignore_case, p->dot_all, p->lines};
    if (eat(p, "?P<") || eat(p, "?<")) {
        if (peek(p) == '=' || peek(p) == '!') return tn_pattern_wrong(p, "invalid perl operator", from);
        while (more(p) && peek(p) != '>') p->at++;
        if (!eat(p, ">")) return tn_pattern_wrong(p, "invalid named capture group", from);
    } else if (eat(p, "?")) {
        keeps = false;
        if (!parse_flags(p, from, &group)) return false;
    }
    if (!group) { /* the flags hold until the group around ends */
        *out = (piece){NULL, 0, 0};
        return true;
    }
    int index = keeps ? ++p->groups : 0;
    if (!parse_alternatives(p, out)) return false;
    if (!eat(p, ")")) {
        p->at = p->text.n;
        return tn_pattern_wrong(p, "missing )", 0);
    }
    p->ignore_case = old[0];
    p->dot_all = old[1];
    p->lines = old[2];
    return !keeps || capture(p, index, out);
}

static bool place(parser *p, tn_pattern_place where, piece *out)
{
    return one(p, (tn_pattern_inst){.op = TN_PAT_ASSERT, .x = (int)where}, out);
}

static bool parse_escape(parser *p, piece *out)
{
    set s = {0};
    uint32_t c;
    char letter = peek(p);
    if (more(p) && (letter == 'p' || letter == 'P'))
        return tn_set_add_unicode(p, &s, p->at - 1) && tn_set_piece(p, &s, false, out);
    if (eat(p, "A")) return place(p, TN_AT_BEGIN, out);
    if (eat(p, "z")) return place(p, TN_AT_END, out);
    if (eat(p, "b")) return place(p, TN_AT_WORD, out);
    if (eat(p, "B")) return place(p, TN_NOT_AT_WORD, out);
    if (more(p) && tn_set_add_class(p, &s, letter)) {
        p->at++;
        return !p->wrong && tn_set_piece(p, &s, false, out);
    }
    return escaped_char(p, &c) && char_piece(p, c, out);
}

static bool parse_dot(parser *p, piece *out)
{
    set s = {0};
    if (p->dot_all) return tn_set_add(p, &s, 0, LAST_CODE) && tn_set_piece(p, &s, false, out);
    return tn_set_add(p, &s, '\n', '\n') && tn_set_piece(p, &s, true, out);
}

static bool parse_atom(parser *p, piece *out)
{
    uint32_t c;
    if (eat(p, "(")) return parse_group(p, out);
    if (eat(p, "[")) return parse_class(p, out);
    if (eat(p, ".")) return parse_dot(p, out);
    if (eat(p, "^")) return place(p, p->lines ? TN_AT_LINE_BEGIN : TN_AT_BEGIN, out);
    if (eat(p, "$")) return place(p, p->lines ? TN_AT_LINE_END : TN_AT_END, out);
    if (eat(p, "\\")) return parse_escape(p, out);
    if (strchr("*+?", peek(p))) {
        size_t from = p->at++;
        return tn_pattern_wrong(p, "no argument for repetition operator", from);
    }
    return read_char(p, &c) && char_piece(p, c, out);
}

static bool read_count(parser *p, int *out)
{
    int64_t v = 0;
    size_t from = p->at;
    for (; peek(p) >= '0' && peek(p) <= '9'; p->at++) v = TN_MIN(v * 10 + (peek(p) - '0'), 1000000);
    *out = (int)v;
    return p->at > from;
}

/* {n}, {n,}, {n,m}; anything else in braces is text. */
static bool parse_counts(parser *p, int *least, int *most)
{
    size_t from = p->at;
    bool counts = eat(p, "{") && read_count(p, least);
    *most = *least;
    if (counts && eat(p, ",")) {
        *most = -1;
        if (peek(p) != '}') counts = read_count(p, most);
    }
    if (counts && eat(p, "}")) return true;
    p->at = from;
    return false;
}

/* The repetition that stands here; false: none. */
static bool read_repetition(parser *p, int *least, int *most)
{
    *least = peek(p) == '+';
    *most = peek(p) == '?' ? 1 : -1;
    if (more(p) && strchr("*+?", peek(p))) {
        p->at++;
        return true;
    }
    return peek(p) == '{' && parse_counts(p, least, most);
}

static bool parse_repeated(parser *p, piece *out)
{
    int least, most;
    if (!parse_atom(p, out)) return false;
    size_t from = p->at;
    if (!read_repetition(p, &least, &most)) return true;
    if (least > MAX_REPEAT || most > MAX_REPEAT || (most >= 0 && most < least))
        return tn_pattern_wrong(p, "invalid repetition size", from);
    if (!repeat(p, out, least, most, eat(p, "?"), out)) return false;
    return !read_repetition(p, &least, &most) || tn_pattern_wrong(p, "bad repetition operator", from);
}

static bool parse_sequence(parser *p, piece *out)
{
    piece next;
    *out = (piece){NULL, 0, 0};
    while (more(p) && peek(p) != '|' && peek(p) != ')')
        if (!parse_repeated(p, &next) || !join(p, out, &next, out)) return false;
    return true;
}

static bool parse_alternatives(parser *p, piece *out)
{
    piece next;
    if (++p->depth > MAX_DEPTH) return tn_pattern_wrong(p, "expression nests too deeply", 0);
    if (!parse_sequence(p, out)) return false;
    while (eat(p, "|"))
        if (!parse_sequence(p, &next) || !tn_piece_either(p, out, &next, out)) return false;
    p->depth--;
    return true;
}

static bool parse(parser *p, piece *out)
{
    piece match;
    if (!parse_alternatives(p, out)) return false;
    if (more(p)) {
        p->at = p->text.n;
        return tn_pattern_wrong(p, "unexpected )", 0);
    }
    return capture(p, 0, out) && one(p, (tn_pattern_inst){.op = TN_PAT_MATCH}, &match) &&
           join(p, out, &match, out);
}

static tn_code complain(const parser *p, tn_error *err)
{
    size_t from = TN_MIN(p->wrong_from, p->at), n = TN_MIN(p->text.n, (size_t)300);
    return tn_fail(err, TN_INVALID_ARGUMENT, "Invalid pattern: %.*s, error: %s: %.*s", (int)n, p->text.p,
                   p->wrong, (int)TN_MIN(p->at - from, (size_t)300), p->text.p + from);
}

tn_code tn_pattern_compile(tn_arena *a, tn_view text, tn_pattern *out, tn_error *err)
{
    parser p = {.arena = tn_arena_new(MAX_MEMORY), .text = text};
    piece all = {NULL, 0, 0};
    if (!p.arena) return tn_no_memory(err, MAX_MEMORY);
    tn_code code = parse(&p, &all) ? TN_OK : complain(&p, err);
    tn_pattern_inst *inst = code == TN_OK ? TN_ARRAY(a, all.n, tn_pattern_inst) : NULL;
    if (code == TN_OK && !inst) code = tn_no_memory(err, (size_t)all.n * sizeof *inst);
    for (int i = 0; code == TN_OK && i < all.n; i++) { /* jumps counted from the beginning */
        inst[i] = all.v[i];
        bool jumps = inst[i].op == TN_PAT_SPLIT || inst[i].op == TN_PAT_JUMP || inst[i].op == TN_PAT_LEAD;
        inst[i].x += jumps ? i : 0;
        inst[i].y += jumps ? i : 0;
    }
    tn_arena_free(p.arena);
    if (code != TN_OK) return code;
    *out = (tn_pattern){inst, all.n, p.groups, {0}};
    tn_pattern_find_begins(out);
    return TN_OK;
}
