/* SPDX-License-Identifier: Apache-2.0
 *
 * facts_text.c - facts for people: "name value" in columns, tables, sections one below the other, trees.
 */
#include "facts_tree.h"

#include <stdlib.h>
#include <string.h>

enum { INDENT = 2, MOST_COLUMNS = 24, WIDEST = 100 };

/* ==== the tree ==== */

fact *fact_new(fact_kind kind, fact *parent, const char *key)
{
    fact *f = calloc(1, sizeof *f);
    if (!f) return NULL;
    *f = (fact){.kind = kind, .key = key, .parent = parent};
    if (!parent) return f;
    if (parent->last)
        parent->last->next = f;
    else
        parent->first = f;
    parent->last = f;
    return f;
}

bool fact_set(fact *f, const char *p, size_t n)
{
    f->text = malloc(n + 1);
    if (!f->text) return false;
    if (n) memcpy(f->text, p, n);
    f->text[n] = 0;
    return true;
}

static void free_children(fact *f)
{
    for (fact *c = f->first, *next; c; c = next) {
        next = c->next;
        fact_free(c);
    }
    f->first = f->last = NULL;
}

void fact_free(fact *f)
{
    if (!f) return;
    free_children(f);
    free(f->text);
    free(f);
}

/* ==== text ==== */

static bool is_plain(const fact *f)
{
    return f->kind == FACT_TEXT || f->kind == FACT_NUMBER;
}

/* Columns on a terminal: characters, not bytes. */
static int width(const char *s)
{
    int n = 0;
    for (; *s; s++) n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void pad(FILE *to, int n)
{
    for (; n > 0; n--) putc(' ', to);
}

/* What would move the cursor is shown, not done; further lines begin below the first. */
static void put_safely(FILE *to, const char *s, int indent)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c == '\n' && indent >= 0) {
            putc('\n', to);
            pad(to, indent);
        } else if (c == '\t' || (c >= 0x20 && c != 0x7f)) {
            putc(c, to);
        } else {
            fprintf(to, c == '\n' ? "\\n" : "\\x%02x", c);
        }
    }
}

/* "1, 2, 3" of a list of plain values. */
static char *joined(const fact *list)
{
    size_t n = 1;
    for (const fact *c = list->first; c; c = c->next) n += (c->text ? strlen(c->text) : 0) + 2;
    char *text = malloc(n), *at = text;
    if (!text) return NULL;
    for (const fact *c = list->first; c; c = c->next) {
        size_t k = c->text ? strlen(c->text) : 0;
        if (k) memcpy(at, c->text, k);
        at += k;
        if (c->next) *at++ = ',', *at++ = ' ';
    }
    *at = 0;
    return text;
}

static bool all_plain(const fact *list)
{
    for (const fact *c = list->first; c; c = c->next)
        if (!is_plain(c)) return false;
    return true;
}

/* Plain itself, or a list that fits into one line. */
static bool is_cell(const fact *f)
{
    return is_plain(f) || (f->kind == FACT_LIST && all_plain(f));
}

static void put_cell(FILE *to, const fact *f, int indent)
{
    char *list = is_plain(f) ? NULL : joined(f);
    put_safely(to, list ? list : f->text ? f->text : "-", indent);
    free(list);
}

static int cell_width(const fact *f)
{
    char *list = is_plain(f) ? NULL : joined(f);
    int n = width(list ? list : f->text ? f->text : "-");
    free(list);
    return n;
}

/* ==== tables ==== */

typedef struct table {
    const char *keys[MOST_COLUMNS];
    int widths[MOST_COLUMNS];
    bool right[MOST_COLUMNS];
    int n;
} table;

static const fact *member(const fact *object, const char *key)
{
    for (const fact *c = object->first; c; c = c->next)
        if (c->key && !strcmp(c->key, key)) return c;
    return NULL;
}

static void note_cell(table *t, const fact *f)
{
    int i = 0;
    while (i < t->n && strcmp(t->keys[i], f->key)) i++;
    if (i == MOST_COLUMNS) return;
    if (i == t->n) {
        t->keys[t->n++] = f->key;
        t->widths[i] = width(f->key);
        t->right[i] = true;
    }
    int w = cell_width(f);
    if (w > t->widths[i]) t->widths[i] = w > WIDEST ? WIDEST : w;
    t->right[i] = t->right[i] && (f->kind == FACT_NUMBER || (f->text && !strcmp(f->text, "-")));
}

static bool is_table(const fact *list)
{
    for (const fact *row = list->first; row; row = row->next) {
        if (row->kind != FACT_OBJECT || !row->first) return false;
        for (const fact *c = row->first; c; c = c->next)
            if (!is_cell(c) || !c->key || (c->text && strchr(c->text, '\n'))) return false;
    }
    return list->first != NULL;
}

/* Columns up to the last that says something: lines do not end in spaces. */
static int columns_of(const table *t, const fact *row)
{
    int n = t->n;
    for (; row && n > 0; n--) {
        const fact *c = member(row, t->keys[n - 1]);
        if (c && cell_width(c)) break;
    }
    return n;
}

static void put_row(FILE *to, const table *t, const fact *row, int indent)
{
    int n = columns_of(t, row);
    pad(to, indent);
    for (int i = 0; i < n; i++) {
        const fact *c = row ? member(row, t->keys[i]) : NULL;
        int w = !row ? width(t->keys[i]) : c ? cell_width(c) : 0;
        if (t->right[i]) pad(to, t->widths[i] - w);
        if (!row)
            fputs(t->keys[i], to);
        else if (c)
            put_cell(to, c, -1);
        if (i + 1 < n) pad(to, (t->right[i] ? 0 : t->widths[i] - w) + 2);
    }
    putc('\n', to);
}

static void put_table(FILE *to, const fact *list, int indent)
{
    table t = {.n = 0};
    for (const fact *row = list->first; row; row = row->next)
        for (const fact *c = row->first; c; c = c->next) note_cell(&t, c);
    put_row(to, &t, NULL, indent);
    for (const fact *row = list->first; row; row = row->next) put_row(to, &t, row, indent);
}

/* ==== trees ==== */

/* One line an item: its first member, then its other plain ones; then its own items. */
static void put_tree(FILE *to, const fact *list, int indent)
{
    for (const fact *item = list->first; item; item = item->next) {
        pad(to, indent);
        for (const fact *c = item->first; c; c = c->next) {
            if (!is_plain(c)) continue;
            if (c != item->first) fputs("  ", to);
            put_cell(to, c, -1);
        }
        putc('\n', to);
        for (const fact *c = item->first; c; c = c->next)
            if (c->kind == FACT_TREE) put_tree(to, c, indent + INDENT);
    }
}

/* ==== objects and lists ==== */

static void put_members(FILE *to, const fact *object, const fact *from, int indent);

static void put_heading(FILE *to, const char *key, int indent)
{
    if (!key) return;
    pad(to, indent);
    for (; *key; key++) putc(*key == '_' ? ' ' : *key, to);
    putc('\n', to);
}

static void put_items(FILE *to, const fact *list, int indent)
{
    for (const fact *item = list->first; item; item = item->next) {
        pad(to, indent);
        if (is_plain(item)) {
            put_cell(to, item, indent);
            putc('\n', to);
        } else if (item->kind == FACT_OBJECT && item->first && is_cell(item->first)) {
            put_cell(to, item->first, indent);
            putc('\n', to);
            put_members(to, item, item->first->next, indent + INDENT);
        } else if (item->first) {
            putc('\n', to);
            put_members(to, item, item->first, indent + INDENT);
        }
    }
}

static void put_nested(FILE *to, const fact *f, int indent)
{
    if (!f->first) return; /* nothing to be said of nothing */
    put_heading(to, f->key, indent);
    if (f->kind == FACT_OBJECT)
        put_members(to, f, f->first, indent + INDENT);
    else if (f->kind == FACT_TREE)
        put_tree(to, f, indent + INDENT);
    else if (is_table(f))
        put_table(to, f, indent + INDENT);
    else
        put_items(to, f, indent + INDENT);
}

/* A list of one line's length stands beside its name; a longer one below, an item a line. */
static bool beside(const fact *f)
{
    return is_plain(f) || (is_cell(f) && f->first && cell_width(f) <= WIDEST);
}

static int name_width(const fact *from)
{
    int most = 0;
    for (const fact *c = from; c; c = c->next)
        if (beside(c) && c->key && width(c->key) > most) most = width(c->key);
    return most;
}

static void put_members(FILE *to, const fact *object, const fact *from, int indent)
{
    int most = name_width(from);
    for (const fact *c = from; c; c = c->next) {
        if (!beside(c)) {
            if (!object->parent && c->first) putc('\n', to);
            put_nested(to, c, indent);
            continue;
        }
        pad(to, indent);
        for (const char *k = c->key ? c->key : ""; *k; k++) putc(*k == '_' ? ' ' : *k, to);
        pad(to, most - width(c->key ? c->key : "") + 2);
        put_cell(to, c, indent + most + 2);
        putc('\n', to);
    }
}

void fact_flush(FILE *to, fact *root)
{
    if (!root || !root->first) return;
    put_members(to, root, root->first, 0);
    free_children(root);
}
