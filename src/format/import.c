/* SPDX-License-Identifier: Apache-2.0
 *
 * import.c - a part of another model in a builder's graph: opens the model, finds the values that are named, marks what
 * they need. Copying is import_copy.c's, variables import_variables.c's.
 *
 * A call of a function that only reads is looked through: its body is a frame of its own, with arguments and results
 * as values of the caller. Only what is needed of either is looked at, so that a head that is cut off leaves nothing.
 */
#include "import.h"

enum { CALL_DEPTH = 16, MOST_HOPS = 100000 };
#define MOST_INSTANCES 5000000 /* operations in all frames */

/* ==== frames ==== */

static tn_code new_frame(tn_importing *m, const tn_graph *g, tn_frame *caller, const tn_operation *call,
                         const tn_function *f, tn_frame **out, tn_error *err)
{
    int n = tn_graph_count(g);
    tn_frame *x = TN_NEW(m->arena, tn_frame);
    m->instances += n;
    if (m->instances > MOST_INSTANCES)
        return tn_fail(err, TN_RESOURCE_EXHAUSTED, "over %d operations in calls", MOST_INSTANCES);
    if (!x) return tn_no_memory(err, sizeof *x);
    *x = (tn_frame){.graph = g, .caller = caller, .call = call, .f = f, .depth = caller ? caller->depth + 1 : 0};
    x->path = caller ? tn_arena_printf(m->arena, "%s%s/", caller->path, call->name) : "";
    x->needed = TN_ARRAY(m->arena, n + 1, bool);
    x->copies = TN_ARRAY(m->arena, n + 1, tn_operation *);
    x->children = TN_ARRAY(m->arena, n + 1, tn_frame *);
    if (!x->path || !x->needed || !x->copies || !x->children) return tn_no_memory(err, (size_t)n * sizeof x);
    *out = x;
    return TN_OK;
}

static const tn_function *called(const tn_operation *op)
{
    const tn_func_attr *f = tn_attr_get_func(&op->attrs, "f");
    bool call = !strcmp(op->type, "StatefulPartitionedCall") || !strcmp(op->type, "PartitionedCall");
    return call && f ? tn_graph_function(tn_graph_library(op->graph), f->name) : NULL;
}

static bool only_reads(tn_importing *m, const tn_function *f, int depth);

static bool has_no_effect(tn_importing *m, const tn_operation *op, int depth)
{
    if (!op->def || (op->def->flags & TN_EFFECT)) return false;
    for (int i = 0; i < op->attrs.n; i++) {
        const tn_attr *a = &op->attrs.v[i];
        for (int k = 0; a->kind == TN_ATTR_FUNC && k < (a->is_list ? a->n : 1); k++) {
            const char *name = a->is_list ? a->funcs[k].name : a->func.name;
            const tn_function *f = tn_graph_function(tn_graph_library(op->graph), name);
            if (!f || !only_reads(m, f, depth + 1)) return false;
        }
    }
    return true;
}

/* Whether calls of it may be looked through: it changes nothing, and has no gradient or kernel of its own. */
static bool only_reads(tn_importing *m, const tn_function *f, int depth)
{
    if (tn_map_has(m->reading, f->name)) return tn_map_get(m->reading, f->name) != NULL;
    bool yes = !f->grad && !tn_attr_find(&f->attrs, "_implements") && depth < CALL_DEPTH;
    m->failed |= !tn_map_put(m->reading, f->name, NULL); /* one that calls itself is not looked through */
    for (int i = 0; yes && i < tn_graph_count(f->body); i++) yes = has_no_effect(m, tn_graph_at(f->body, i), depth);
    if (yes) m->failed |= !tn_map_put(m->reading, f->name, (void *)f);
    return yes;
}

/* The frame of a call that is looked through; NULL: it is an operation like others. */
static tn_code child_of(tn_importing *m, tn_frame *f, const tn_operation *op, tn_frame **out, tn_error *err)
{
    *out = f->children[op->id];
    if (*out || f->depth >= CALL_DEPTH) return TN_OK;
    const tn_function *fn = called(op);
    bool through = fn && fn->n_args == op->n_in && fn->n_rets == op->n_out && only_reads(m, fn, 0);
    if (m->failed) return tn_no_memory(err, 0);
    if (!through) return TN_OK;
    TN_TRY(new_frame(m, fn->body, f, op, fn, out, err));
    f->children[op->id] = *out;
    return TN_OK;
}

/* ==== values ==== */

static const tn_swap *swap_of(const tn_importing *m, tn_place p)
{
    for (int i = 0; i < m->n_swaps; i++) {
        const tn_place *s = &m->swaps[i].place;
        if (s->frame == p.frame && s->node.op == p.node.op && s->node.index == p.node.index) return &m->swaps[i];
    }
    return NULL;
}

tn_code tn_import_settle(tn_importing *m, tn_place *p, const tn_swap **swap, tn_error *err)
{
    for (int hops = 0; hops < MOST_HOPS; hops++) {
        int64_t index;
        tn_frame *child;
        if ((*swap = swap_of(m, *p))) return TN_OK;
        const tn_operation *op = p->node.op;
        if (p->frame->f && !strcmp(op->type, "_Arg") && tn_attr_get_int(&op->attrs, "index", &index) && index >= 0 &&
            index < p->frame->call->n_in) {
            *p = (tn_place){p->frame->caller, p->frame->call->in[index]};
            continue;
        }
        TN_TRY(child_of(m, p->frame, op, &child, err));
        if (!child) return TN_OK;
        *p = (tn_place){child, child->f->rets[p->node.index]};
    }
    return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' passes through too many calls", p->node.op->name);
}

/* ==== what is needed ==== */

static tn_code push(tn_importing *m, tn_place p, tn_error *err)
{
    if (m->depth == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 256;
        tn_place *stack = tn_realloc(m->stack, cap * sizeof *stack);
        if (!stack) return tn_no_memory(err, cap * sizeof *stack);
        m->stack = stack;
        m->cap = cap;
    }
    m->stack[m->depth++] = p;
    return TN_OK;
}

static tn_code mark_operation(tn_importing *m, tn_frame *f, tn_operation *op, tn_error *err)
{
    if (f->needed[op->id]) return TN_OK;
    f->needed[op->id] = true;
    return push(m, (tn_place){f, {op, 0}}, err);
}

static tn_code mark(tn_importing *m, tn_place p, tn_error *err)
{
    const tn_swap *swap;
    if (!p.node.op) return TN_OK;
    TN_TRY(tn_import_settle(m, &p, &swap, err));
    return swap ? TN_OK : mark_operation(m, p.frame, p.node.op, err);
}

static bool is_swapped(const tn_importing *m, const tn_frame *f, const tn_operation *op)
{
    for (int i = 0; i < m->n_swaps; i++)
        if (m->swaps[i].place.frame == f && m->swaps[i].place.node.op == op) return true;
    return false;
}

/* A control input on a call that is looked through says nothing: it only reads. */
static tn_code mark_control(tn_importing *m, tn_frame *f, tn_operation *op, tn_error *err)
{
    tn_frame *child;
    TN_TRY(child_of(m, f, op, &child, err));
    if (child || is_swapped(m, f, op) || !strcmp(op->type, "_Arg") || !strncmp(op->type, "Placeholder", 11))
        return TN_OK;
    return mark_operation(m, f, op, err);
}

tn_code tn_import_need(tn_importing *m, tn_place p, tn_error *err)
{
    TN_TRY(mark(m, p, err));
    while (m->depth) {
        tn_place top = m->stack[--m->depth];
        tn_operation *op = top.node.op;
        if (!top.frame->f && tn_import_is_variable(op)) {
            if (!m->looking) TN_TRY(tn_import_need_initial(m, op, err));
            continue;
        }
        for (int i = 0; i < op->n_in; i++) TN_TRY(mark(m, (tn_place){top.frame, op->in[i]}, err));
        for (int i = 0; i < op->n_control; i++) TN_TRY(mark_control(m, top.frame, op->control[i], err));
    }
    return TN_OK;
}

/* ==== names ==== */

static bool split(const char *text, size_t *n, int *index)
{
    const char *colon = strrchr(text, ':');
    *n = colon ? (size_t)(colon - text) : strlen(text);
    *index = 0;
    if (!colon) return *n > 0;
    size_t digits = strspn(colon + 1, "0123456789");
    if (!digits || digits > 5 || colon[1 + digits]) return false;
    for (size_t i = 1; i <= digits; i++) *index = 10 * *index + (colon[i] - '0');
    return *n > 0;
}

/* "call/call/operation": every place where a name of a call may end is tried. */
static tn_code find_path(tn_importing *m, tn_frame *f, const char *name, size_t n, tn_place *out, tn_error *err)
{
    char *copy = tn_arena_strndup(m->arena, name, n);
    if (!copy) return tn_no_memory(err, n);
    tn_operation *op = tn_graph_operation(f->graph, copy);
    if (op) *out = (tn_place){f, {op, 0}};
    for (size_t i = 1; !out->node.op && i < n; i++) {
        tn_frame *child;
        if (name[i] != '/') continue;
        copy[i] = 0;
        tn_operation *call = tn_graph_operation(f->graph, copy);
        copy[i] = '/';
        if (!call) continue;
        TN_TRY(child_of(m, f, call, &child, err));
        if (child) TN_TRY(find_path(m, child, name + i + 1, n - i - 1, out, err));
    }
    return TN_OK;
}

typedef struct ending {
    const char *name;
    size_t n;
    tn_place found, other;
} ending;

static void look_for_ending(const tn_frame *f, ending *e)
{
    for (int i = 0; i < tn_graph_count(f->graph); i++) {
        tn_operation *op = tn_graph_at(f->graph, i);
        size_t n = strlen(op->name);
        if (f->children[i]) look_for_ending(f->children[i], e);
        if (!f->needed[i] || n < e->n || memcmp(op->name + n - e->n, e->name, e->n)) continue;
        if (n > e->n && op->name[n - e->n - 1] != '/') continue;
        *(e->found.node.op ? &e->other : &e->found) = (tn_place){(tn_frame *)f, {op, 0}};
    }
}

static void forget_needs(tn_frame *f)
{
    memset(f->needed, 0, (size_t)tn_graph_count(f->graph));
    for (int i = 0; i < tn_graph_count(f->graph); i++)
        if (f->children[i]) forget_needs(f->children[i]);
}

/* Marks what the signature needs, or, without any, everything. */
static tn_code mark_named(tn_importing *m, tn_error *err)
{
    m->looking = true;
    for (int i = 0; m->signature && i < m->signature->n_out; i++) {
        tn_place p = {m->top, {NULL, 0}};
        const char *value = m->signature->out[i].name;
        if (value && tn_graph_value(m->graph, value, &p.node, NULL) == TN_OK) TN_TRY(tn_import_need(m, p, err));
    }
    for (int i = 0; !m->signature && i < tn_graph_count(m->graph); i++)
        TN_TRY(tn_import_need(m, (tn_place){m->top, {tn_graph_at(m->graph, i), 0}}, err));
    m->looking = false;
    return TN_OK;
}

/* Of these operations the one whose name ends so. */
static tn_code find_ending(tn_importing *m, const char *name, size_t n, tn_place *out, tn_error *err)
{
    ending e = {.name = name, .n = n};
    TN_TRY(mark_named(m, err));
    look_for_ending(m->top, &e);
    forget_needs(m->top);
    if (e.other.node.op)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%.*s' may be '%s%s' or '%s%s'", (int)n, name, e.found.frame->path,
                       e.found.node.op->name, e.other.frame->path, e.other.node.op->name);
    *out = e.found;
    return TN_OK;
}

static const char *keyed(const tn_tensor_info *infos, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (infos[i].name && !strcmp(infos[i].key, key)) return infos[i].name;
    return key;
}

/* Names inside that end in the same word: "Relu" of "hiden/Relu". */
static void note_alike(const tn_frame *f, const char *word, int *left, tn_error *err)
{
    for (int i = 0; i < tn_graph_count(f->graph) && *left > 0; i++) {
        const char *name = tn_graph_at(f->graph, i)->name, *slash = strrchr(name, '/');
        if (f->children[i]) note_alike(f->children[i], word, left, err);
        if (!f->f || !f->needed[i] || !slash || strcmp(slash + 1, word) != 0) continue;
        tn_note(err, "'%s'", name);
        --*left;
    }
}

/* What there is instead: something near, the signature's keys, operations in its functions. */
static tn_code no_value(tn_importing *m, const char *name, size_t n, bool input, tn_error *err)
{
    tn_node none;
    int left = 4;
    const tn_signature *s = m->signature;
    const char *word = name + n;
    while (word > name && word[-1] != '/') word--;
    const char *last = tn_arena_strndup(m->arena, word, (size_t)(name + n - word));
    TN_TRY(mark_named(m, err));
    tn_graph_value(m->graph, name, &none, err);
    if (s) tn_note(err, "(signature '%s' has:", s->name);
    for (int i = 0; s && i < TN_MIN(input ? s->n_in : s->n_out, 8); i++)
        tn_note(err, "'%s'", (input ? &s->in[i] : &s->out[i])->key);
    if (s && last && !input) note_alike(m->top, last, &left, err);
    if (s) tn_note(err, ")");
    forget_needs(m->top);
    return TN_NOT_FOUND;
}

/* A key of the signature, a name, a path through calls, the end of a name. */
static tn_code find_value(tn_importing *m, const char *text, bool input, tn_place *out, tn_error *err)
{
    size_t n;
    int index;
    const tn_signature *s = m->signature;
    if (!text) return tn_fail(err, TN_INVALID_ARGUMENT, "a value without a name is wanted");
    const char *name = s ? keyed(input ? s->in : s->out, input ? s->n_in : s->n_out, text) : text;
    if (!split(name, &n, &index))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is not the name of a value: expected 'operation:output'", name);
    *out = (tn_place){NULL, {NULL, 0}};
    TN_TRY(find_path(m, m->top, name, n, out, err));
    if (!out->node.op) TN_TRY(find_ending(m, name, n, out, err));
    if (!out->node.op) return no_value(m, name, n, input, err);
    if (index >= out->node.op->n_out)
        return tn_fail(err, TN_NOT_FOUND, "operation '%s' (%s) has %d outputs; there is no '%s'", out->node.op->name,
                       out->node.op->type, out->node.op->n_out, name);
    out->node.index = index;
    return TN_OK;
}

/* ==== inputs ==== */

static tn_code add_swap(tn_importing *m, const tn_input_map *in, tn_error *err)
{
    char a[120], b[120];
    tn_place p;
    if (!in->name || !in->value.op) return tn_fail(err, TN_INVALID_ARGUMENT, "the input '%s' has no value", in->name);
    TN_TRY(find_value(m, in->name, true, &p, err));
    tn_dtype wanted = tn_dtype_base(tn_node_dtype(p.node)), given = tn_dtype_base(tn_node_dtype(in->value));
    tn_shape wants = tn_node_shape(p.node), has = tn_node_shape(in->value);
    bool placeholder = !strncmp(p.node.op->type, "Placeholder", 11);
    if (wanted != given && wanted != TN_INVALID_DTYPE)
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is of dtype %s, it is given %s", in->name, tn_dtype_name(wanted),
                       tn_dtype_name(given));
    if (placeholder && !tn_shape_compatible(&wants, &has))
        return tn_fail(err, TN_INVALID_ARGUMENT, "'%s' is of shape %s, it is given %s", in->name,
                       tn_shape_text(&wants, a, sizeof a), tn_shape_text(&has, b, sizeof b));
    m->swaps[m->n_swaps++] = (tn_swap){p, in->value};
    return TN_OK;
}

/* ==== opening ==== */

static bool ends_in(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n > k && !strcmp(s + n - k, end);
}

/* The checkpoint that belongs to the model, when it is there. */
static tn_code take_checkpoint(tn_importing *m, const char *prefix, tn_error *err)
{
    if (!prefix) return tn_no_memory(err, 0);
    if (tn_checkpoint_exists(prefix)) m->prefix = prefix;
    return TN_OK;
}

static tn_code take_tags(tn_importing *m, tn_error *err)
{
    char *text = tn_arena_strdup(m->arena, m->o->tags ? m->o->tags : ""), *rest = NULL;
    if (!text) return tn_no_memory(err, 0);
    m->tags = TN_ARRAY(m->arena, strlen(text) + 1, const char *);
    if (!m->tags) return tn_no_memory(err, strlen(text));
    for (char *t = strtok_r(text, ",", &rest); t; t = strtok_r(NULL, ",", &rest)) m->tags[m->n_tags++] = t;
    return TN_OK;
}

tn_code tn_import_load(const tn_importing *m, tn_metagraph **out, tn_error *err)
{
    return tn_is_folder(m->from) ? tn_savedmodel_load(m->from, m->tags, m->n_tags, out, err)
                                 : tn_metagraph_load(m->from, out, err);
}

static tn_code open_folder(tn_importing *m, tn_error *err)
{
    int64_t version;
    TN_TRY(take_tags(m, err));
    char *file = tn_path_join(m->arena, m->from, "saved_model.pb");
    char *textual = tn_path_join(m->arena, m->from, "saved_model.pbtxt");
    if (!file || !textual) return tn_no_memory(err, 0);
    bool is_model = tn_file_exists(file) || tn_file_exists(textual);
    tn_code code = is_model ? TN_NOT_FOUND : tn_savedmodel_latest(m->from, &version, err);
    if (code != TN_OK && code != TN_NOT_FOUND) return code;
    if (code == TN_OK) m->from = tn_arena_printf(m->arena, "%s/%lld", m->from, (long long)version);
    if (!m->from) return tn_no_memory(err, 0);
    TN_TRY(tn_import_load(m, &m->meta, err));
    return take_checkpoint(m, tn_arena_printf(m->arena, "%s/variables/variables", m->from), err);
}

static tn_code open_meta(tn_importing *m, tn_error *err)
{
    TN_TRY(take_checkpoint(m, tn_arena_strndup(m->arena, m->from, strlen(m->from) - strlen(".meta")), err));
    return tn_import_load(m, &m->meta, err);
}

static tn_code choose_signature(tn_importing *m, tn_error *err)
{
    const char *name = m->o->signature;
    if (m->meta) m->signature = tn_metagraph_signature(m->meta, name && *name ? name : TN_DEFAULT_SIGNATURE);
    if (m->signature || !name || !*name) return TN_OK;
    tn_fail(err, TN_NOT_FOUND, "there is no signature '%s'", name);
    for (int i = 0; m->meta && i < m->meta->n_signatures; i++)
        tn_note(err, "%s%s", i ? "" : "there is: ", m->meta->signatures[i].name);
    return TN_NOT_FOUND;
}

static tn_code open_model(tn_importing *m, tn_error *err)
{
    if (tn_is_folder(m->from))
        TN_TRY(open_folder(m, err));
    else if (ends_in(m->from, ".meta"))
        TN_TRY(open_meta(m, err));
    else
        TN_TRY(tn_graphdef_load(m->from, &m->graph, err));
    if (m->meta) m->graph = m->meta->graph;
    const char *given = m->o->checkpoint;
    if (given) m->prefix = *given ? tn_builder_path(m->b, given) : NULL;
    if (given && *given && !m->prefix) return tn_no_memory(err, 0);
    TN_TRY(choose_signature(m, err));
    return new_frame(m, m->graph, NULL, NULL, NULL, &m->top, err);
}

/* ==== all of it ==== */

static tn_code copy_wanted(tn_importing *m, const char *const *results, int n, tn_node *out, tn_error *err)
{
    tn_place *wanted = TN_ARRAY(m->arena, n + 1, tn_place);
    if (!wanted) return tn_no_memory(err, (size_t)n * sizeof *wanted);
    for (int i = 0; i < n; i++) TN_TRY(find_value(m, results[i], false, &wanted[i], err));
    for (int i = 0; i < n; i++) TN_TRY(tn_import_need(m, wanted[i], err));
    TN_TRY(tn_import_tables(m, err));
    TN_TRY(tn_import_functions(m, err));
    TN_TRY(tn_import_copy(m, m->top, err));
    TN_TRY(tn_import_check_rules(m, true, err));
    TN_TRY(tn_problems_end(&m->problems, TN_INVALID_ARGUMENT, "it cannot be imported so", err));
    for (int i = 0; i < n; i++) {
        TN_TRY(tn_import_value(m, wanted[i], &out[i], err));
        if (!out[i].op) return tn_fail(err, TN_INTERNAL, "'%s' was not copied", results[i]);
    }
    return TN_OK;
}

static tn_code import(tn_importing *m, const tn_input_map *in, int n_in, const char *const *results, int n_results,
                      tn_node *out, tn_error *err)
{
    TN_TRY(open_model(m, err));
    m->swaps = TN_ARRAY(m->arena, n_in + 1, tn_swap);
    if (!m->swaps) return tn_no_memory(err, (size_t)n_in * sizeof *m->swaps);
    TN_TRY(tn_import_list_variables(m, err));
    TN_TRY(tn_import_check_rules(m, false, err));
    for (int i = 0; i < n_in; i++) TN_TRY(add_swap(m, &in[i], err));
    return copy_wanted(m, results, n_results, out, err);
}

static void close_model(tn_importing *m)
{
    tn_buf_free(&m->problems.text);
    tn_import_drop_tables(m);
    tn_checkpoint_close(m->checkpoint);
    if (m->meta)
        tn_metagraph_free(m->meta);
    else
        tn_graph_free(m->graph);
    tn_free(m->stack);
    tn_map_free(m->reading);
    tn_map_free(m->by_name);
    tn_arena_free(m->arena);
}

void tn_import(tn_builder *b, const char *prefix, const char *from, const tn_input_map *in, int n_in,
               const char *const *results, int n_results, tn_node *out, const tn_import_options *o)
{
    static const tn_import_options none;
    tn_error err;
    for (int i = 0; i < n_results; i++) out[i] = (tn_node){NULL, 0};
    if (!tn_builder_ok(b)) return;
    tn_importing m = {.b = b, .o = o ? o : &none, .reading = tn_map_new(), .by_name = tn_map_new()};
    m.arena = tn_arena_new(0);
    m.from = tn_builder_path(b, from ? from : "");
    bool scoped = prefix && *prefix;
    tn_node *found = m.arena ? TN_ARRAY(m.arena, n_results + 1, tn_node) : NULL;
    tn_code code = m.reading && m.by_name && m.from && found ? TN_OK : tn_no_memory(&err, 0);
    if (scoped) tn_variable_scope(b, prefix, TN_REUSE_INHERIT);
    if (code == TN_OK) code = tn_builder_check(b, &err);
    if (code == TN_OK) code = import(&m, in, n_in, results, n_results, found, &err);
    if (code == TN_OK) code = tn_builder_check(b, &err);
    if (code == TN_OK && n_results) memcpy(out, found, (size_t)n_results * sizeof *out);
    if (code != TN_OK) {
        if (!strstr(err.message, m.from ? m.from : "")) tn_wrap(&err, "%s", m.from);
        tn_builder_fail_with(b, &err);
    }
    if (scoped && code == TN_OK) tn_variable_scope_end(b);
    close_model(&m);
}
