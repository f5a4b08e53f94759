/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_text.c - a program as a table for people: steps in the order of running, loops and branches indented
 * under the step that runs them, with kernels, shapes, places, bytes and measured times.
 */
#include "session.h"

typedef struct printer {
    const tn_program *p;
    const int64_t *ns;
    int runs;
    tn_buf *out;
} printer;

static const char *place_text(const tn_slot *s, char *buf, size_t n)
{
    switch (s->place) {
    case TN_PLACE_BLOCK: snprintf(buf, n, "block+%zu", s->offset); return buf;
    case TN_PLACE_CONSTANT: return "constant";
    case TN_PLACE_FEED: return "feed";
    case TN_PLACE_HEAP: return "heap";
    case TN_PLACE_NONE: break;
    }
    return "-";
}

static const char *kind_of(const tn_step *s)
{
    if (s->exec == tn_exec_read) return "read";
    if (s->exec == tn_exec_alias) return "alias";
    if (s->exec == tn_exec_copy) return "copy";
    if (s->exec == tn_exec_masked) return "masked";
    if (s->exec == tn_exec_while) return "loop";
    if (s->exec == tn_exec_if) return "branch";
    if (s->exec == tn_exec_look || s->exec == tn_exec_piece) return "look";
    return s->dynamic >= 0 ? "dynamic" : "static";
}

static void print_range(const printer *t, const tn_code_range *range, int depth);

static void print_step(const printer *t, const tn_step *s, int depth)
{
    char shape[128], place[64];
    const tn_slot *o = s->n_out ? &t->p->slots[s->out[0]] : NULL;
    tn_buf_printf(t->out, "%4d  %*s%-24s %-8s %-16s %-9s %-14s %10zu", s->index, 2 * depth, "", s->kernel, kind_of(s),
                  o ? tn_shape_text(&o->shape, shape, sizeof shape) : "", o ? tn_dtype_name(o->dtype) : "",
                  o ? place_text(o, place, sizeof place) : "", o ? o->capacity : 0);
    if (t->ns) tn_buf_printf(t->out, " %10.2f", (double)t->ns[s->index] / 1e3 / t->runs);
    tn_buf_printf(t->out, "  %s\n", s->name);
    for (int i = 0; i < s->n_sub; i++) {
        tn_buf_printf(t->out, "      %*s[%d]\n", 2 * depth, "", i);
        print_range(t, &s->sub[i], depth + 1);
    }
}

static void print_range(const printer *t, const tn_code_range *range, int depth)
{
    for (int i = range->first; i < range->last; i++) print_step(t, &t->p->steps[i], depth);
}

void tn_program_text(const tn_program *p, const int64_t *step_ns, int runs, tn_buf *out)
{
    printer t = {p, step_ns, runs, out};
    int fixed = 0;
    for (int i = 0; i < p->n_steps; i++) fixed += p->steps[i].dynamic < 0;
    tn_buf_printf(out, "%d steps (%d static), %d values, block %zu bytes, scratch %zu bytes, %d threads\n\n",
                  p->n_steps, fixed, p->n_slots, p->block, p->scratch, p->threads);
    tn_buf_printf(out, "step  %-24s %-8s %-16s %-9s %-14s %10s%s  node\n", "kernel", "kind", "shape", "dtype",
                  "place", "bytes", step_ns ? "         us" : "");
    print_range(&t, &p->top, 0);
}
