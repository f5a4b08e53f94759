/* SPDX-License-Identifier: Apache-2.0
 *
 * missing.c - the operators that a part of a graph needs and that are not there: all of them at once, through
 * functions, branches and loops, before anything is planned or run.
 *
 * Invariants: what is reached here is what lower.c lowers (tn_is_reached_anyway says what a function's body
 * does unasked); a function is looked at once, however often it is called, so nesting costs nothing.
 */
#include "missing.h"
#include "lower.h"

enum { MOST_TOLD = 10 }; /* operators in one message */

typedef struct search {
    const tn_graph *library;
    tn_map *functions; /* seen: name -> anything */
    const tn_function **todo;
    int n_todo;
    tn_missing *found;
    int n, cap;
    bool gradients; /* of the functions, too */
} search;

typedef struct reach { /* in one graph, or one function's body */
    search *s;
    const tn_node *fed;
    int n_fed;
    const char *function;
    char *seen;
    tn_operation **stack;
    int n;
} reach;

bool tn_is_reached_anyway(const tn_operation *op)
{
    static const char *const kinds[] = {"StatefulPartitionedCall", "If", "While", "Case", "For", "RemoteCall"};
    if (!op->def) return false;
    bool is = op->def->writes || (op->def->flags & TN_EFFECT);
    for (size_t i = 0; i < TN_COUNT(kinds); i++) is |= strcmp(op->type, kinds[i]) == 0;
    return is;
}

/* ==== what an operation is and calls ==== */

static tn_code note(search *s, const tn_operation *op, const char *function, tn_error *err)
{
    if (!TN_ROOM(NULL, s->found, s->n, s->cap)) return tn_no_memory(err, 0);
    s->found[s->n++] = (tn_missing){op->type, op->name, function};
    return TN_OK;
}

static tn_code call(search *s, const char *name, tn_error *err)
{
    const tn_function *f = tn_graph_function(s->library, name);
    if (!f || tn_map_has(s->functions, name)) return TN_OK; /* one that is absent is told when it is called */
    if (!tn_map_put(s->functions, name, (void *)f)) return tn_no_memory(err, 0);
    s->todo[s->n_todo++] = f;
    return TN_OK;
}

static tn_code look(search *s, const tn_operation *op, const char *function, tn_error *err)
{
    if (tn_graph_function(s->library, op->type))
        return call(s, tn_graph_implementation(s->library, op->type), err);
    if (!op->def) return note(s, op, function, err);
    bool is_call = tn_is_call(op);
    for (int i = 0; i < op->attrs.n; i++) {
        const tn_attr *a = &op->attrs.v[i];
        if (a->kind != TN_ATTR_FUNC) continue;
        if (!a->is_list)
            TN_TRY(call(s, is_call ? tn_graph_implementation(s->library, a->func.name) : a->func.name, err));
        for (int k = 0; a->is_list && k < a->n; k++) TN_TRY(call(s, a->funcs[k].name, err));
    }
    return TN_OK;
}

/* ==== reaching ==== */

static void visit(reach *r, tn_operation *op)
{
    if (!op || r->seen[op->id]) return;
    r->seen[op->id] = 1;
    r->stack[r->n++] = op;
}

static bool is_fed(const reach *r, tn_node v)
{
    for (int i = 0; i < r->n_fed; i++)
        if (r->fed[i].op == v.op && r->fed[i].index == v.index) return true;
    return false;
}

static tn_code reach_all(reach *r, tn_error *err)
{
    while (r->n) {
        tn_operation *op = r->stack[--r->n];
        TN_TRY(look(r->s, op, r->function, err));
        for (int i = 0; i < op->n_in; i++)
            if (!is_fed(r, op->in[i])) visit(r, op->in[i].op);
        for (int i = 0; i < op->n_control; i++) visit(r, op->control[i]);
    }
    return TN_OK;
}

static tn_code begin(reach *r, const tn_graph *g, tn_error *err)
{
    size_t n = (size_t)tn_graph_count(g) + 1;
    r->seen = tn_calloc(n, 1);
    r->stack = tn_calloc(n, sizeof *r->stack);
    return r->seen && r->stack ? TN_OK : tn_no_memory(err, n * sizeof *r->stack);
}

static void end(reach *r)
{
    tn_free(r->seen);
    tn_free(r->stack);
}

static tn_code reach_function(search *s, const tn_function *f, tn_error *err)
{
    reach r = {.s = s, .function = f->name};
    tn_code code = begin(&r, f->body, err);
    for (int i = 0; code == TN_OK && i < tn_graph_count(f->body); i++)
        if (tn_is_reached_anyway(tn_graph_at(f->body, i))) visit(&r, tn_graph_at(f->body, i));
    for (int i = 0; code == TN_OK && i < f->n_control_rets; i++) visit(&r, f->control_rets[i]);
    for (int i = 0; code == TN_OK && i < f->n_rets; i++) visit(&r, f->rets[i].op);
    if (code == TN_OK) code = reach_all(&r, err);
    if (code == TN_OK && s->gradients && f->grad) code = call(s, f->grad, err);
    end(&r);
    return code;
}

static tn_code reach_top(search *s, const tn_graph *g, const tn_wanted *w, tn_error *err)
{
    reach r = {.s = s, .fed = w->fed, .n_fed = w->n_fed};
    bool all = !w->n_fetched && !w->n_targets;
    tn_code code = begin(&r, g, err);
    for (int i = 0; code == TN_OK && i < w->n_fetched; i++)
        if (!is_fed(&r, w->fetched[i])) visit(&r, w->fetched[i].op);
    for (int i = 0; code == TN_OK && i < w->n_targets; i++) visit(&r, w->targets[i]);
    for (int i = tn_graph_count(g); code == TN_OK && all && i--;) visit(&r, tn_graph_at(g, i));
    if (code == TN_OK) code = reach_all(&r, err);
    end(&r);
    return code;
}

static bool lacks(const tn_graph *g, const tn_graph *library)
{
    for (int i = 0; i < tn_graph_count(g); i++) {
        const tn_operation *op = tn_graph_at(g, i);
        if (!op->def && !tn_graph_function(library, op->type)) return true;
    }
    return false;
}

/* Whether anything is missing anywhere: mostly not, and then nothing has to be reached. */
static bool lacks_anything(const tn_graph *g)
{
    const tn_graph *library = tn_graph_library(g);
    bool any = lacks(g, library);
    for (int i = 0; !any && i < tn_graph_function_count(library); i++)
        any = lacks(tn_graph_function_at(library, i)->body, library);
    return any;
}

static tn_code search_all(search *s, const tn_graph *g, const tn_wanted *w, tn_error *err)
{
    s->library = tn_graph_library(g);
    s->functions = tn_map_new();
    s->todo = tn_calloc((size_t)tn_graph_function_count(s->library) + 1, sizeof *s->todo);
    tn_code code = s->functions && s->todo ? reach_top(s, g, w, err) : tn_no_memory(err, 0);
    while (code == TN_OK && s->n_todo) code = reach_function(s, s->todo[--s->n_todo], err);
    tn_free(s->todo);
    return code;
}

tn_code tn_find_missing(const tn_graph *g, const tn_wanted *w, tn_missing **out, int *n, tn_error *err)
{
    if (!lacks_anything(g)) {
        *out = NULL;
        *n = 0;
        return TN_OK;
    }
    search s = {0};
    const tn_code code = search_all(&s, g, w, err);
    tn_map_free(s.functions);
    if (code != TN_OK) {
        tn_free(s.found);
        return code;
    }
    *out = s.found;
    *n = s.n;
    return TN_OK;
}

tn_code tn_find_called(const tn_graph *g, const tn_wanted *w, tn_map **out, tn_error *err)
{
    search s = {.gradients = true};
    const tn_code code = search_all(&s, g, w, err);
    tn_free(s.found);
    if (code == TN_OK) *out = s.functions;
    else tn_map_free(s.functions);
    return code;
}

/* ==== telling ==== */

static bool told(const tn_missing *m, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(m[k].type, m[i].type) == 0) return true;
    return false;
}

static int nodes_of(const tn_missing *m, int n, const char *type)
{
    int count = 0;
    for (int i = 0; i < n; i++) count += strcmp(m[i].type, type) == 0;
    return count;
}

/* As many as a message has room for; tn_graph_missing has them all. TensorFlow tells one, and of none of the nodes. */
tn_code tn_fail_missing(const tn_missing *m, int n, tn_error *err)
{
    int nodes = 0, kinds = 0;
    tn_fail(err, TN_NOT_FOUND, "Op type not registered '%s' in binary running turnery %s:", m[0].type, TN_VERSION);
    for (int i = 0; i < n && kinds < MOST_TOLD; i++) {
        if (told(m, i)) continue;
        int more = nodes_of(m, n, m[i].type) - 1;
        if (kinds++) tn_note(err, "and '%s'", m[i].type);
        tn_note(err, "[[{{node %s}}]]", m[i].node);
        if (m[i].function) tn_note(err, "in function '%s'", m[i].function);
        if (more) tn_note(err, "(%d more)", more);
        nodes += 1 + more;
    }
    if (nodes < n) tn_note(err, "and others at %d nodes", n - nodes);
    return TN_NOT_FOUND;
}

/* ==== by names ==== */

static tn_code name_all(const tn_graph *g, const char *const *feeds, const char *const *fetches,
                        const char *const *targets, tn_node *fed, tn_node *fetched, tn_operation **targeted,
                        const tn_wanted *w, tn_error *err)
{
    for (int i = 0; i < w->n_fed; i++) TN_TRY(tn_graph_value(g, feeds[i], &fed[i], err));
    for (int i = 0; i < w->n_fetched; i++) TN_TRY(tn_graph_value(g, fetches[i], &fetched[i], err));
    for (int i = 0; i < w->n_targets; i++) {
        tn_node v;
        if ((targeted[i] = tn_graph_operation(g, targets[i]))) continue;
        TN_TRY(tn_graph_value(g, targets[i], &v, err));
        targeted[i] = v.op;
    }
    return TN_OK;
}

tn_code tn_graph_missing(const tn_graph *g, const char *const *feeds, int n_feeds, const char *const *fetches,
                         int n_fetches, const char *const *targets, int n_targets, tn_missing **out, int *n,
                         tn_error *err)
{
    tn_node *fed = tn_calloc((size_t)n_feeds + 1, sizeof *fed);
    tn_node *fetched = tn_calloc((size_t)n_fetches + 1, sizeof *fetched);
    tn_operation **targeted = tn_calloc((size_t)n_targets + 1, sizeof *targeted);
    tn_wanted w = {fed, n_feeds, fetched, n_fetches, targeted, n_targets};
    tn_code code = fed && fetched && targeted ? TN_OK : tn_no_memory(err, 0);
    if (code == TN_OK) code = name_all(g, feeds, fetches, targets, fed, fetched, targeted, &w, err);
    if (code == TN_OK) code = tn_find_missing(g, &w, out, n, err);
    tn_free(fed);
    tn_free(fetched);
    tn_free(targeted);
    return code;
}

void tn_missing_free(tn_missing *m)
{
    tn_free(m);
}
