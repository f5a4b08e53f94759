/* SPDX-License-Identifier: Apache-2.0
 *
 * show_scopes.c - a graph's name scopes: as a tree with counts, and as nested boxes for Graphviz.
 */
#include "show.h"

#include <stdlib.h>
#include <string.h>

typedef struct scope {
    char *name;   /* the last part; NULL: the graph */
    int own, all; /* nodes in it, and below it too */
    struct scope *first, *last, *next;
} scope;

/* Names come in order, so that it is the last one or a new one. */
static scope *scope_below(scope *s, const char *name, size_t n)
{
    if (s->last && strlen(s->last->name) == n && !memcmp(s->last->name, name, n)) return s->last;
    scope *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    if (!(c->name = strndup(name, n))) return free(c), NULL;
    if (s->last)
        s->last->next = c;
    else
        s->first = c;
    return s->last = c;
}

static void drop(scope *s)
{
    for (scope *c = s->first, *next; c; c = next) {
        next = c->next;
        drop(c);
        free(c->name);
        free(c);
    }
}

/* The scope that a name is in, made when it is not there: "a/b/c" is in a/b. Nothing nests deeper than 64. */
static scope *place_of(scope *root, const char *name)
{
    scope *s = root;
    s->all++;
    for (int depth = 0; s && depth < 64; depth++) {
        const char *slash = strchr(name, '/');
        if (!slash || slash == name) break;
        s = scope_below(s, name, (size_t)(slash - name));
        if (s) s->all++;
        name = slash + 1;
    }
    return s;
}

static int by_name(const void *x, const void *y)
{
    return strcmp((*(const tn_graph_node *const *)x)->name, (*(const tn_graph_node *const *)y)->name);
}

/* Nodes by name: those of one scope stand together. */
static const tn_graph_node **sorted(const tn_graph_node *nodes, int n)
{
    const tn_graph_node **v = calloc((size_t)n + 1, sizeof *v);
    for (int i = 0; v && i < n; i++) v[i] = &nodes[i];
    if (v) qsort(v, (size_t)n, sizeof *v, by_name);
    return v;
}

/* ==== the tree ==== */

static void put_scopes(const show_values *v, const scope *s, int depth, facts *f)
{
    facts_tree(f, "scopes");
    for (const scope *c = s->first; c && (!v->depth || depth <= v->depth); c = c->next) {
        facts_object(f, NULL);
        facts_text(f, "scope", c->name);
        facts_int(f, "nodes", c->all);
        if (facts_json(f)) facts_int(f, "own", c->own);
        put_scopes(v, c, depth + 1, f);
        facts_end(f);
    }
    facts_end(f);
}

void scope_facts(const show_values *v, const tn_graph_node *nodes, int n, facts *f)
{
    scope root = {.name = NULL};
    const tn_graph_node **by = sorted(nodes, n);
    for (int i = 0; by && i < n; i++) {
        scope *s = place_of(&root, by[i]->name);
        if (s) s->own++;
    }
    free(by);
    put_scopes(v, &root, 1, f);
    drop(&root);
}

/* ==== Graphviz ==== */

static void put_id(FILE *to, const char *name, size_t n)
{
    putc('"', to);
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '"' || name[i] == '\\') putc('\\', to);
        putc((unsigned char)name[i] < 0x20 ? ' ' : name[i], to);
    }
    putc('"', to);
}

static size_t scope_length(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? (size_t)(slash - name) : 0;
}

/* Boxes that both names are in. */
static size_t common(const char *a, const char *b)
{
    size_t same = 0, n = scope_length(a), m = scope_length(b);
    for (size_t i = 0; i <= n && i <= m; i++) {
        char x = i == n ? '/' : a[i], y = i == m ? '/' : b[i];
        if (x != y) break;
        if (x == '/') same = i;
    }
    return same;
}

static int boxes(const char *name, size_t from, size_t to)
{
    int n = to > from;
    for (size_t i = from + (from > 0); i < to; i++) n += name[i] == '/';
    return n;
}

static void open_boxes(FILE *to, const char *name, size_t from)
{
    size_t n = scope_length(name);
    for (size_t at = from; at < n;) {
        size_t start = at ? at + 1 : 0, end = start;
        while (end < n && name[end] != '/') end++;
        fputs("subgraph ", to);
        char *cluster = malloc(end + 9);
        if (!cluster) return;
        memcpy(cluster, "cluster_", 8);
        memcpy(cluster + 8, name, end);
        put_id(to, cluster, end + 8);
        free(cluster);
        fputs(" { label=", to);
        put_id(to, name + start, end - start);
        fputs(";\n", to);
        at = end ? end : n;
    }
}

static void close_boxes(FILE *to, int n)
{
    while (n-- > 0) fputs("}\n", to);
}

static void put_node(FILE *to, const tn_graph_node *n)
{
    const char *slash = strrchr(n->name, '/'), *last = slash ? slash + 1 : n->name;
    put_id(to, n->name, strlen(n->name));
    fputs(" [label=", to);
    size_t size = strlen(last) + strlen(n->op) + 2;
    char *label = malloc(size);
    if (label) {
        snprintf(label, size, "%s\n%s", last, n->op);
        putc('"', to);
        for (const char *s = label; *s; s++) {
            if (*s == '"' || *s == '\\') putc('\\', to);
            if (*s == '\n')
                fputs("\\n", to);
            else
                putc((unsigned char)*s < 0x20 ? ' ' : *s, to);
        }
        putc('"', to);
    } else {
        fputs("\"\"", to);
    }
    free(label);
    fputs("];\n", to);
}

static void put_edges(FILE *to, const tn_graph_node *n)
{
    for (int i = 0; i < n->n_inputs; i++) {
        const char *in = n->inputs[i];
        bool control = *in == '^';
        in += control;
        const char *colon = strchr(in, ':');
        put_id(to, in, colon ? (size_t)(colon - in) : strlen(in));
        fputs(" -> ", to);
        put_id(to, n->name, strlen(n->name));
        fputs(control ? " [style=dashed];\n" : ";\n", to);
    }
}

/* A scope's box is opened once, since its nodes stand together. */
void print_dot(FILE *to, const tn_meta_graph_info *g)
{
    const tn_graph_node **nodes = sorted(g->nodes, g->n_nodes);
    fputs("digraph graph_def {\nrankdir=BT;\nnode [shape=box];\n", to);
    const char *before = "";
    for (int i = 0; nodes && i < g->n_nodes; i++) {
        size_t same = common(before, nodes[i]->name);
        close_boxes(to, boxes(before, same, scope_length(before)));
        open_boxes(to, nodes[i]->name, same);
        put_node(to, nodes[i]);
        before = nodes[i]->name;
    }
    close_boxes(to, boxes(before, 0, scope_length(before)));
    for (int i = 0; i < g->n_nodes; i++) put_edges(to, &g->nodes[i]);
    fputs("}\n", to);
    free(nodes);
}
