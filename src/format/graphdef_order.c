/* SPDX-License-Identifier: Apache-2.0
 *
 * graphdef_order.c - puts nodes and functions of a file in an order in which inputs come first. Knows only
 * numbers.
 */
#include "graphdef.h"

bool tn_needs_begin(tn_needs *e, int n, tn_arena *a)
{
    *e = (tn_needs){.arena = a, .first = TN_ARRAY(a, (size_t)n + 2, int)};
    return e->first != NULL;
}

void tn_needs_item(tn_needs *e)
{
    e->first[e->n++] = e->n_need;
    e->first[e->n] = e->n_need;
}

bool tn_needs_add(tn_needs *e, int on)
{
    if (!TN_ROOM(e->arena, e->need, e->n_need, e->cap)) return false;
    e->need[e->n_need++] = on;
    e->first[e->n] = e->n_need;
    return true;
}

int tn_order(int n, const int *first, const int *need, int *order, tn_arena *a, bool *no_memory)
{
    enum { NEW, OPEN, DONE };
    char *state = TN_ARRAY(a, (size_t)n + 1, char);
    int *next = TN_ARRAY(a, (size_t)n + 1, int), *stack = TN_ARRAY(a, (size_t)n + 1, int);
    int n_done = 0, cycle = -1;
    *no_memory = !state || !next || !stack;
    if (*no_memory) return -1;
    for (int root = 0; root < n; root++) {
        int depth = 0;
        if (state[root] == NEW) stack[depth++] = root;
        while (depth) {
            int v = stack[depth - 1];
            if (state[v] == NEW) {
                state[v] = OPEN;
                next[v] = first[v];
            }
            if (next[v] < first[v + 1]) {
                int w = need[next[v]++];
                if (state[w] == NEW)
                    stack[depth++] = w;
                else if (state[w] == OPEN)
                    cycle = w;
            } else {
                state[v] = DONE;
                order[n_done++] = v;
                depth--;
            }
        }
    }
    return cycle;
}
