/* SPDX-License-Identifier: Apache-2.0
 *
 * literal.c - reads values as they are typed on the command line. What dtype they become is inputs.c's.
 */
#include "literal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, LARGEST_FILE = 64 << 20 };

typedef struct parser {
    const char *text, *at;
    int depth;
    tn_error *err;
} parser;

static literal *parse_value(parser *p);

static literal *wrong(parser *p, const char *what)
{
    int from = (int)(p->at - p->text), start = from > 20 ? from - 20 : 0;
    usage_error(p->err, "column %d: %s: '%.*s' >>> '%.40s'", from + 1, what, from - start, p->text + start,
                p->at);
    return NULL;
}

static literal *no_room(parser *p)
{
    no_memory(p->err);
    return NULL;
}

static void skip(parser *p)
{
    p->at += strspn(p->at, " \t\r\n");
}

static literal *made(parser *p, literal_kind kind)
{
    literal *l = calloc(1, sizeof *l);
    if (!l) return no_room(p);
    l->kind = kind;
    return l;
}

void literal_free(literal *l)
{
    for (literal *next; l; l = next) {
        next = l->next;
        literal_free(l->first);
        free(l->text);
        free(l->key);
        free(l);
    }
}

/* ==== words and numbers ==== */

static bool accept_word(parser *p, const char *word)
{
    size_t n = strlen(word);
    char after = strncmp(p->at, word, n) ? 'x' : p->at[n];
    if ((after >= 'a' && after <= 'z') || (after >= 'A' && after <= 'Z') || (after >= '0' && after <= '9') ||
        after == '_')
        return false;
    p->at += n;
    return true;
}

static literal *parse_word(parser *p)
{
    static const struct {
        const char *word;
        literal_kind kind;
        bool boolean;
    } words[] = {{"true", LITERAL_BOOL, true},   {"True", LITERAL_BOOL, true},
                 {"false", LITERAL_BOOL, false}, {"False", LITERAL_BOOL, false},
                 {"null", LITERAL_NULL, false},  {"None", LITERAL_NULL, false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!accept_word(p, words[i].word)) continue;
        literal *l = made(p, words[i].kind);
        if (l) l->boolean = words[i].boolean;
        return l;
    }
    return NULL;
}

static literal *parse_number(parser *p)
{
    char *end, *end_of_int;
    const char *start = p->at;
    double v = strtod(start, &end); /* takes nan, inf, Infinity too */
    if (end == start || (start[strspn(start, "+-")] == '0' && (start[strspn(start, "+-") + 1] | 32) == 'x'))
        return wrong(p, "a number, a string in quotes, a list or an object is wanted");
    literal *l = made(p, LITERAL_NUMBER);
    if (!l) return NULL;
    errno = 0;
    l->integer = strtoll(start, &end_of_int, 10);
    l->is_int = end_of_int == end && !errno;
    l->number = v;
    l->n = (size_t)(end - start);
    p->at = end;
    if ((l->text = strndup(start, l->n))) return l;
    literal_free(l);
    return no_room(p);
}

/* ==== strings ==== */

static size_t put_utf8(char *to, unsigned c)
{
    if (c < 0x80) return to[0] = (char)c, 1;
    if (c < 0x800) return to[0] = (char)(0xc0 | c >> 6), to[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return to[0] = (char)(0xe0 | c >> 12), to[1] = (char)(0x80 | (c >> 6 & 63)),
               to[2] = (char)(0x80 | (c & 63)), 3;
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

static bool accept(parser *p, char c)
{
    return *p->at == c && p->at++;
}

static bool hex(parser *p, int digits, unsigned *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, p->at++) {
        const char *all = "0123456789abcdef", *d = *p->at ? strchr(all, *p->at | 32) : NULL;
        if (!d) return false;
        *out = *out * 16 + (unsigned)(d - all);
    }
    return true;
}

/* After a backslash; bytes written, 0: malformed. */
static size_t escape(parser *p, char *to)
{
    static const char from[] = "\"'\\/bfnrt", as[] = "\"'\\/\b\f\n\r\t";
    const char *known = *p->at ? strchr(from, *p->at) : NULL;
    unsigned c, low;
    if (known) return p->at++, *to = as[known - from], 1;
    if (accept(p, 'x')) return hex(p, 2, &c) ? (*to = (char)c, 1) : 0;
    if (!accept(p, 'u') || !hex(p, 4, &c)) return 0;
    if (c >= 0xd800 && c < 0xdc00) {
        if (!accept(p, '\\') || !accept(p, 'u') || !hex(p, 4, &low) || low < 0xdc00 || low > 0xdfff) return 0;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    return put_utf8(to, c);
}

/* *n bytes, NUL-terminated. */
static char *quoted(parser *p, size_t *n)
{
    char quote = *p->at++, *text = malloc(strlen(p->at) + 1);
    *n = 0;
    if (!text) return no_room(p), NULL;
    while (*p->at && *p->at != quote) {
        if (*p->at != '\\') {
            text[(*n)++] = *p->at++;
            continue;
        }
        p->at++;
        size_t k = escape(p, text + *n);
        if (!k) return wrong(p, "a malformed escape"), free(text), NULL;
        *n += k;
    }
    if (*p->at != quote) return wrong(p, "the string does not end"), free(text), NULL;
    p->at++;
    text[*n] = 0;
    return text;
}

static literal *parse_string(parser *p)
{
    literal *l = made(p, LITERAL_STRING);
    if (l && (l->text = quoted(p, &l->n))) return l;
    literal_free(l);
    return NULL;
}

/* ==== lists and objects ==== */

static literal *parse_member(parser *p)
{
    size_t n;
    if (*p->at != '"' && *p->at != '\'') return wrong(p, "a name in quotes is wanted");
    char *key = quoted(p, &n);
    if (!key) return NULL;
    skip(p);
    literal *v = NULL;
    if (*p->at == ':')
        p->at++, v = parse_value(p);
    else
        wrong(p, "a colon is wanted");
    if (v)
        v->key = key;
    else
        free(key);
    return v;
}

static literal *parse_all(parser *p, literal_kind kind, char end)
{
    literal *list = made(p, kind), **to = list ? &list->first : NULL;
    p->at++;
    for (skip(p); list && *p->at != end; skip(p)) {
        literal *item = kind == LITERAL_OBJECT ? parse_member(p) : parse_value(p);
        if (!item) return literal_free(list), NULL;
        *to = item;
        to = &item->next;
        list->count++;
        skip(p);
        if (*p->at == ',')
            p->at++;
        else if (*p->at != end)
            return wrong(p, "a comma or the end of the list is wanted"), literal_free(list), NULL;
    }
    p->at++;
    return list;
}

static literal *parse_value(parser *p)
{
    skip(p);
    literal *l;
    if (p->depth == DEEPEST) return wrong(p, "lists nest too deep");
    p->depth++;
    switch (*p->at) {
    case '[': l = parse_all(p, LITERAL_LIST, ']'); break;
    case '(': l = parse_all(p, LITERAL_LIST, ')'); break;
    case '{': l = parse_all(p, LITERAL_OBJECT, '}'); break;
    case '"':
    case '\'': l = parse_string(p); break;
    default:
        l = parse_word(p);
        if (!l) l = parse_number(p);
        break;
    }
    p->depth--;
    return l;
}

tn_code literal_parse(const char *text, literal **out, tn_error *err)
{
    parser p = {text, text, 0, err};
    literal *l = parse_value(&p);
    skip(&p);
    if (l && *p.at) {
        wrong(&p, "the value ends here");
        literal_free(l);
        l = NULL;
    }
    if (!l) return err->code;
    *out = l;
    return TN_OK;
}

/* ==== what else is done with them ==== */

void literal_facts(const literal *l, const char *key, facts *f)
{
    switch (l->kind) {
    case LITERAL_NULL: facts_null(f, key); break;
    case LITERAL_BOOL: facts_bool(f, key, l->boolean); break;
    case LITERAL_NUMBER:
        if (l->is_int)
            facts_int(f, key, l->integer);
        else
            facts_double(f, key, l->number);
        break;
    case LITERAL_STRING: facts_bytes(f, key, (tn_bytes){l->text, l->n}); break;
    default:
        if (l->kind == LITERAL_LIST)
            facts_list(f, key);
        else
            facts_object(f, key);
        for (const literal *c = l->first; c; c = c->next) literal_facts(c, c->key, f);
        facts_end(f);
        break;
    }
}

tn_code text_of_file(const char *path, char **out, tn_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) return file_error(path, err);
    size_t n = 0, cap = 0, got;
    char *text = NULL;
    do {
        if (n + 65536 > cap) {
            char *more = realloc(text, cap = cap * 2 + 131072);
            if (!more) break;
            text = more;
        }
        n += got = fread(text + n, 1, 65536, file);
    } while (got && n < LARGEST_FILE);
    bool failed = ferror(file) || !text || n >= LARGEST_FILE || (n && memchr(text, 0, n));
    fclose(file);
    if (failed) {
        free(text);
        return usage_error(err, "%s: cannot be read as text of less than %d MB", path, LARGEST_FILE >> 20);
    }
    text[n] = 0;
    *out = text;
    return TN_OK;
}
